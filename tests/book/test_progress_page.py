"""The reader's progress: answered at once, kept over a reload, exported, imported, cleared."""

from __future__ import annotations

import json

import chapter_rules as rules
import pytest

from attncourse.exercises import progress
from attncourse.exercises.register import exercises_of, quiz_of

pytestmark = pytest.mark.browser
CHAPTER = "book/channel/squeeze_excitation.html"
KEY = "attncourse-progress"
EXERCISES = len(exercises_of("channel/squeeze_excitation"))
QUESTIONS = len(quiz_of("channel/squeeze_excitation").questions)


def stored(page):
    return json.loads(page.evaluate(f"localStorage.getItem('{KEY}')") or "null")


def answer(page, question, letter):
    group = page.locator("section[id^='quiz-'] [role=group]").nth(question - 1)
    option = group.locator("details").nth("abcd".index(letter))
    option.locator("summary").click()
    return option


def test_a_quiz_answers_at_once_with_the_reason_and_keeps_the_answer(visit):
    page = visit(CHAPTER, maths=False).page
    wrong = answer(page, 1, "a")
    assert "Not this one." in wrong.inner_text()
    assert stored(page)["quizzes"]["squeeze_excitation.1"] == {
        "attempts": 1, "answer": "a", "status": "not yet", "first": "not yet",
    }  # fmt: skip
    right = answer(page, 1, "b")
    assert "Right." in right.inner_text()
    assert stored(page)["quizzes"]["squeeze_excitation.1"] == {
        "attempts": 2, "answer": "b", "status": "correct", "first": "not yet",
    }  # fmt: skip
    answer(page, 2, "c")
    page.reload(wait_until="load")
    group = page.locator("section[id^='quiz-'] [role=group]").first
    assert group.locator("details").nth(1).get_attribute("open") is not None
    line = page.locator(".ac-progress").inner_text()
    assert f"2 of {QUESTIONS} questions answered right, 1 at the first try." in line
    said = page.locator(".ac-first").all_inner_texts()
    assert said[:3] == ["Right at a later try.", "Right at the first try.", ""]


def test_an_exercise_is_marked_and_unmarked_with_the_keyboard(visit):
    page = visit(CHAPTER, maths=False).page
    button = page.locator("button.ac-done").first
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert stored(page)["exercises"] == {"squeeze_excitation.excite": {"status": "correct"}}
    assert f"1 of {EXERCISES} exercises solved" in page.locator(".ac-progress").inner_text()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize("name", rules.chapters())
def test_every_exercise_of_every_chapter_has_its_button(name, stay):
    page = stay(f"book/{name}.html").page
    assert page.locator("button.ac-done").count() == len(exercises_of(name))


def test_the_page_of_all_chapters_counts_exports_imports_and_clears(visit, tmp_path):
    page = visit(CHAPTER, maths=False).page
    answer(page, 1, "b")
    page.locator("button.ac-done").nth(2).click()
    page.locator(".ac-progress a").click()
    page.wait_for_load_state("load")
    row = page.locator("tr", has_text="Squeeze-and-Excitation")
    assert row.locator(".ac-exercises").inner_text() == f"1 of {EXERCISES}"
    assert row.locator(".ac-quizzes").inner_text() == f"1 of {QUESTIONS}, 1 at the first try"

    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    file = tmp_path / "progress.json"
    download.value.save_as(file)
    assert json.loads(file.read_text()) == stored(page)

    page.get_by_role("button", name="Clear").click()
    assert row.locator(".ac-exercises").inner_text() == f"1 of {EXERCISES}", (
        "one click clears nothing"
    )
    page.get_by_role("button", name="Clear for good?").click()
    assert row.locator(".ac-exercises").inner_text() == f"0 of {EXERCISES}"

    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_function("document.body.innerText.includes('Imported')")
    assert row.locator(".ac-exercises").inner_text() == f"1 of {EXERCISES}"

    file.write_text('{"version": 7}')
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_function("document.body.innerText.includes('no progress of the course')")
    assert row.locator(".ac-exercises").inner_text() == f"1 of {EXERCISES}"


def test_the_package_reads_what_the_page_exports_and_the_other_way_round(visit, tmp_path):
    page = visit(CHAPTER, maths=False).page
    answer(page, 2, "c")
    page.locator("button.ac-done").first.click()
    file = tmp_path / "page.json"
    file.write_text(json.dumps(stored(page)))
    progress.restore(file)
    mine = {c.chapter: c for c in progress.summary()}["channel/squeeze_excitation"]
    assert (mine.done, mine.answered, mine.first, mine.answered_first) == (1, 1, 0, 1)

    back = progress.export(tmp_path / "package.json")
    page.goto(page.url.replace("channel/squeeze_excitation", "progress"), wait_until="load")
    page.evaluate("localStorage.clear()")
    page.reload(wait_until="load")
    page.locator("input[type=file]").set_input_files(back)
    page.wait_for_function("document.body.innerText.includes('Imported')")
    row = page.locator("tr", has_text="Squeeze-and-Excitation")
    assert row.locator(".ac-exercises").inner_text() == f"1 of {EXERCISES}"
    assert row.locator(".ac-quizzes").inner_text() == f"1 of {QUESTIONS}, 1 at the first try"


def test_older_entries_are_read_and_merged_with_their_first_try(visit, tmp_path):
    page = visit("book/progress.html", maths=False).page
    old = {"squeeze_excitation.1": {"attempts": 1, "answer": "b", "status": "correct"},
           "squeeze_excitation.2": {"attempts": 3, "answer": "c", "status": "correct"}}  # fmt: skip
    here = {"squeeze_excitation.1": {"attempts": 1, "answer": "a", "status": "not yet"}}
    page.evaluate(f"s => localStorage.setItem('{KEY}', s)",
                  json.dumps({"version": 1, "exercises": {}, "quizzes": here}))  # fmt: skip
    file = tmp_path / "old.json"
    file.write_text(json.dumps({"version": 1, "exercises": {}, "quizzes": old}))
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_function("document.body.innerText.includes('Imported')")
    row = page.locator("tr", has_text="Squeeze-and-Excitation")
    assert row.locator(".ac-quizzes").inner_text() == f"2 of {QUESTIONS}, 0 at the first try"
    merged = stored(page)["quizzes"]
    assert merged["squeeze_excitation.1"]["first"] == "not yet"
    assert "first" not in merged["squeeze_excitation.2"]


def test_the_map_says_in_words_what_was_begun_and_done(visit):
    page = visit("book/intro.html", maths=False).page
    exercises = {e.id: {"status": "correct"} for e in exercises_of("spatial/non_local")}
    quizzes = {f"non_local.{n + 1}": {"status": "correct"}
               for n in range(len(quiz_of("spatial/non_local").questions))}  # fmt: skip
    quizzes["squeeze_excitation.1"] = {"status": "not yet", "attempts": 1}
    state = {"version": 1, "exercises": exercises, "quizzes": quizzes}
    page.evaluate(f"s => localStorage.setItem('{KEY}', s)", json.dumps(state))
    page.reload(wait_until="load")

    def said(chapter):
        return page.locator(f"[data-chapter='{chapter}'] .ac-begun").all_inner_texts()

    assert said("spatial/non_local") == ["✓ done"]
    total = EXERCISES + QUESTIONS
    assert said("channel/squeeze_excitation") == [f"begun: 0 of {total} answers right"]
    assert said("temporal/global_local_temporal") == []
    assert page.locator("[data-chapter]").count() == len(rules.chapters())


def test_a_broken_state_is_set_aside_and_never_lost(visit):
    page = visit(CHAPTER, maths=False).page
    page.evaluate(f"localStorage.setItem('{KEY}', '{{broken')")
    page.reload(wait_until="load")
    answer(page, 1, "b")
    keys = page.evaluate("Object.keys(localStorage)")
    aside = [k for k in keys if k.startswith(f"{KEY}-broken")]
    assert len(aside) == 1
    assert page.evaluate(f"localStorage.getItem('{aside[0]}')") == "{broken"
    assert stored(page)["quizzes"]["squeeze_excitation.1"]["status"] == "correct"


def test_a_browser_that_keeps_nothing_still_answers(visit):
    v = visit(CHAPTER, maths=False)
    v.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })"
    )
    v.page.reload(wait_until="load")
    v.errors.clear()
    option = answer(v.page, 1, "b")
    assert "Right." in option.inner_text()
    assert "does not keep it beyond this page" in v.page.locator(".ac-progress").inner_text()
    assert [e for e in v.errors if "progress.js" in e] == []


def test_nothing_leaves_the_browser(visit):
    v = visit(CHAPTER, maths=False)
    sent = []
    v.page.on("request", lambda r: sent.append(r.url))
    answer(v.page, 1, "b")
    v.page.locator("button.ac-done").first.click()
    v.page.wait_for_timeout(300)
    assert sent == []
