"""Exercises that the page judges itself say what ``check`` says; code is left to the notebook."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from attncourse.exercises import Status
from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.page import record
from attncourse.exercises.register import all_exercises, exercises_of
from attncourse.exercises.value import ValueExercise
from tests.book.test_pages import CHAPTERS
from tests.book.typed import typed

pytest.importorskip("sphinx")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from attnbook import answers  # noqa: E402
from docutils import nodes  # noqa: E402

BASE = {"chapter": "channel/gating", "level": 1, "task": "Do it.", "title": "T",
        "hints": ("Think.", "Do.")}  # fmt: skip
#: Settings that no chapter has at present.
ODD = (
    ValueExercise(**BASE, name="third", truth=lambda: 2 / 3, digits=2,
                  misconceptions=(Misconception("a half", "`No`.", 0.5, (0.51,)),),
                  tolerance=Tolerance(0.0, 0.0)),
    ValueExercise(**BASE, name="tiny", truth=lambda: (1.5e-7, 2.0), parts=("a", "b < c"), low=0.0,
                  misconceptions=(Misconception("a", "A.", (1.0, 2.0)),
                                  Misconception("b", "B.", (1.5e-7, 3.0)))),
    ValueExercise(**BASE, name="none", truth=lambda: 0.0, misconceptions=(), unit="a slope"),
    TableExercise(**BASE, name="names", labels=("it's", 'a "b"'), misconceptions=(),
                  truth={"</script>": frozenset({"it's"}), "x's \"y\"": frozenset()}),
    ChoiceExercise(**BASE, name="words", options=(
        Option("a < b", "No."), Option("`b`", "Yes.", right=True), Option("c", "Nor."))),
)  # fmt: skip
REGISTERED = [exercise for group in all_exercises().values() for exercise in group]
JUDGED = [exercise for exercise in (*REGISTERED, *ODD) if record(exercise)]

#: Fills in a form, submits it and reads what it says.
ASK = """trials => trials.map(([id, kind, given]) => {
  const form = document.getElementById(id), inputs = [...form.querySelectorAll("input")];
  form.querySelector("[type=reset]").click();
  if (kind === "value") inputs.forEach((input, k) => { input.value = given[k]; });
  if (kind === "choice" && given) inputs.find(input => input.value === given).click();
  if (kind === "table") for (const box of inputs) {
    const row = given[box.dataset.row];
    if (row && (box.value ? row.includes(box.value) : !row.length)) box.click();
  }
  form.requestSubmit();
  const said = form.querySelector(".ac-verdict"), [head, message, ...rows] = said.children;
  return [said.dataset.status, message.innerHTML, rows.map(row => row.textContent)];
})"""


def form_id(exercise):
    return f"answer-{exercise.id.replace('.', '-').replace('_', '-')}"


@pytest.fixture(scope="session")
def ask(browser):
    """A function: the verdicts of a page that holds every form of the course."""
    page = browser.new_context().new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    forms = "".join(answers.form_html(json.loads(json.dumps(record(e)))) for e in JUDGED)
    page.set_content(f"<!doctype html><title>Answers</title>{forms}")
    page.add_script_tag(path=ROOT / "book/_static/answers.js")

    def asked(trials):
        found = page.evaluate(ASK, trials)
        assert errors == []
        return found

    yield asked
    page.context.close()


@pytest.mark.browser
@pytest.mark.parametrize("exercise", JUDGED, ids=lambda exercise: exercise.id)
def test_the_page_says_what_check_says(exercise, ask):
    trials = list(typed(exercise))
    kind = record(exercise)["kind"]
    found = ask([[form_id(exercise), kind, form] for _, form in trials])
    statuses = set()
    for (answer, form), (status, message, rows) in zip(trials, found, strict=True):
        verdict = exercise.check(answer, 0)
        statuses.add(verdict.status)
        assert status == verdict.status, (form, message, verdict.message)
        if verdict.status is Status.NOT_ATTEMPTED:
            assert message.startswith(answers.rich(exercise.task)), form
            continue
        assert message == answers.rich(verdict.message), form
        details = [f"{k}: {v}" for k, v in verdict.details if k != "Stuck?"]
        assert [row for row in rows if not row.startswith("Stuck?")] == details, form
        assert len(rows) - len(details) == (verdict.misconception is None and bool(status)) * (
            verdict.status is Status.NOT_YET
        ), form
    assert statuses == set(Status)


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_asks_what_it_can_judge_and_leaves_code_to_the_notebook(name, stay):
    page = stay(f"book/{name}.html").page
    judged = [e for e in exercises_of(name) if record(e)]
    code = [e for e in exercises_of(name) if not record(e)]
    forms = page.locator("form.ac-answer")
    assert [f.get_attribute("id") for f in forms.all()] == [form_id(e) for e in judged]
    assert all(f.is_visible() for f in forms.all())
    assert page.locator(".ac-notebook").count() == len(code)
    assert page.locator("section > .ac-answer-here").count() == 1
    links = page.locator(".ac-notebook").first.locator("a")
    addresses = " ".join(a.get_attribute("href") for a in links.all())
    for place in ("colab.research.google.com", "mybinder.org", f"_sources/book/{name}.ipynb"):
        assert place in addresses
    assert page.locator("details.ac-code").count() == len(judged)
    assert "Not attempted yet" not in page.locator("article").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_no_field_is_wider_than_the_smallest_phone_or_too_small_for_a_thumb(name, stay):
    page = stay(f"book/{name}.html", width=320, touch=True).page
    small = page.evaluate(
        """() => [...document.querySelectorAll("form.ac-answer, form.ac-answer :is(input, button)")]
          .filter(e => e.offsetParent).map(e => e.closest("label") ?? e)
          .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
          .filter(([, box]) => box.height < 44 || box.width < 40 || box.right > 320)"""
    )
    assert small == []


@pytest.mark.browser
def test_the_keyboard_alone_answers_and_tries_again(visit):
    page = visit("book/channel/squeeze_excitation.html", maths=False).page
    form = page.locator("#answer-squeeze-excitation-last-stage-share")
    said = form.get_by_role("status")
    field = form.get_by_label("Your answer")
    field.focus()
    page.keyboard.type("0,25")
    page.keyboard.press("Enter")
    assert re.match(r"✗\s+Not yet", said.inner_text())
    assert "This looks like one of four stages." in said.inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert (said.inner_text(), field.input_value()) == ("", "")
    page.keyboard.type("62.54 %")
    page.keyboard.press("Enter")
    assert re.match(r"✓\s+Correct", said.inner_text())
    kept = json.loads(page.evaluate("localStorage.getItem('attncourse-progress')"))
    assert kept["exercises"]["squeeze_excitation.last_stage_share"] == {
        "first": "not yet", "attempts": 2, "status": "correct",
    }  # fmt: skip
    exercises = len(exercises_of("channel/squeeze_excitation"))
    assert "✓ solved at a later try" in page.locator("button.ac-done").all_inner_texts()
    line = page.locator(".ac-progress").inner_text()
    assert f"1 of {exercises} exercises solved, 0 at the first try" in line

    table = page.locator("#answer-squeeze-excitation-squeeze-for-row")
    table.get_by_label("dct, mean").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert "Still open: mean, std, cov, code." in table.get_by_role("status").inner_text()
    none = table.get_by_label("dct, none")
    none.focus()
    page.keyboard.press("Space")
    assert none.is_checked()
    assert not table.get_by_label("dct, mean").is_checked()


@pytest.mark.browser
def test_without_scripts_the_cell_stays_and_no_form_pretends(visit):
    page = visit("book/channel/squeeze_excitation.html", javascript=False).page
    assert not any(form.is_visible() for form in page.locator("form.ac-answer").all())
    fold = page.locator("details.ac-code").first
    fold.locator("summary").click()
    assert "squeeze_excitation.last_stage_share" in fold.inner_text()


def cell_of(code, *outputs):
    """A code cell as MyST-NB leaves it, in a section."""
    shown = nodes.container("", *(nodes.raw("", html, format="html") for html in outputs),
                            classes=["cell_output"])  # fmt: skip
    cell = nodes.container("", nodes.literal_block(text=code), shown, classes=["cell"])
    nodes.section("", cell)
    return cell


VERDICT = "<div><strong>Not attempted yet</strong>: a.b</div>"


def test_a_cell_loses_the_verdict_on_its_stub_and_nothing_else():
    cell = cell_of('x = ...\ncheck("a.b", x)', "<p>Kept</p>", VERDICT)
    assert answers.exercise_of(cell) == "a.b"
    answers.silence(cell)
    assert [raw.astext() for raw in cell.findall(nodes.raw)] == ["<p>Kept</p>"]
    lone = cell_of('check("a.b", x)', VERDICT)
    answers.silence(lone)
    assert len(lone.children) == 1
    solved = cell_of('check("a.b", x)', "<div><strong>Correct</strong>: a.b</div>")
    assert answers.exercise_of(solved) is None


@pytest.mark.parametrize(("given", "folded"), [(record(ODD[0]), True), (None, False)])
def test_a_cell_is_folded_only_behind_a_form(given, folded):
    cell = cell_of('check("a.b", x)', VERDICT)
    section = cell.parent
    answers.offer(cell, given, answers.notebook_html((("Colab", "https://c.example"),), "a.ipynb"))
    before, kept, *after = section.children
    assert kept is cell
    assert ("<form" in before.astext()) == bool(after) == folded
    assert ('open it in <a href="https://c.example">Colab</a>' in before.astext()) != folded


def test_a_form_escapes_what_it_is_given():
    html = answers.form_html(json.loads(json.dumps(record(ODD[3]))))
    assert html.count("</script>") == 1
    assert "b &lt; c" in answers.form_html(json.loads(json.dumps(record(ODD[1]))))


def test_numbers_without_a_name_are_refused():
    nameless = ValueExercise(**BASE, name="two", truth=lambda: (1.0, 2.0), misconceptions=())
    with pytest.raises(ValueError, match="name each of 2 numbers"):
        record(nameless)
    odd = ValueExercise(**BASE, name="two", truth=lambda: (1.0, 2.0), parts=("a", "b"),
                        misconceptions=(Misconception("one", "No.", 1.0),))  # fmt: skip
    with pytest.raises(ValueError, match="a misconception has not 2 numbers"):
        record(odd)


def test_the_data_of_the_pages_are_fresh(repository):
    """The book is built without torch: ``python -m attncourse exercises --json``."""
    from attncourse.exercises.page import as_records

    def rough(value):
        """Numbers to nine digits, since the last ones differ between machines."""
        if isinstance(value, dict):
            return {name: rough(one) for name, one in value.items() if name != "rounded"}
        if isinstance(value, list):
            return list(map(rough, value))
        return float(f"{value:.9g}") if isinstance(value, float) else value

    stored = json.loads((repository / "book/_data/exercises.json").read_text(encoding="utf-8"))
    assert rough(stored) == rough(json.loads(json.dumps(as_records())))
