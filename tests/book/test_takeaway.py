"""The book to take away: the zip and the printed chapter."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile

import chapter_rules as rules
import pytest
import takeaway

CHAPTERS = rules.chapters()


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """What is made here does not land in the working tree."""
    folder = tmp_path_factory.mktemp("takeaway")
    before, takeaway.OUT = takeaway.OUT, folder
    yield folder
    takeaway.OUT = before


# ---------------------------------------------------------------- the zip


@pytest.mark.browser
def test_the_zip_opens_from_the_file_system(html, out, browser):
    """Unpacked, every page works without a server: text, formulas, explorers, no request out."""
    target = takeaway.archive()
    with zipfile.ZipFile(target) as file:
        assert all(n.startswith(f"{takeaway.NAME}/") for n in file.namelist())
        file.extractall(out / "unpacked")
    context = browser.new_context()
    page = context.new_page()
    errors, asked = [], []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.on("request", lambda r: asked.append(r.url))
    for name in (
        "book/intro.html",
        "book/channel/squeeze_excitation.html",
        "search.html?q=excitation",
    ):
        page.goto((out / "unpacked" / takeaway.NAME).as_uri() + "/" + name, wait_until="load")
        if "squeeze" in name:
            page.wait_for_selector("mjx-container")
            page.wait_for_timeout(500)
            assert page.locator("mjx-merror").count() == 0
            assert page.locator("mjx-container").count() > 20
            alive = page.locator("figure.ac[role]").count()
            assert page.locator("figure.ac[data-ready]").count() == alive >= 3
        if "search" in name:
            page.wait_for_selector("#search-results li")
    context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


# ---------------------------------------------------------------- the printed chapter


@pytest.mark.browser
def test_a_chapter_prints_to_a_pdf(html, browser, repository):
    """In a process of its own: one process holds one browser."""
    target = repository / "build/pdf/channel/squeeze_excitation.pdf"
    target.unlink(missing_ok=True)
    command = [sys.executable, "tools/takeaway.py", "print", "channel/squeeze_excitation"]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    pdf = target.read_bytes()
    assert pdf.startswith(b"%PDF")
    assert 10 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 60
    assert b"/StructTreeRoot" in pdf, "the PDF is tagged for screen readers"


@pytest.mark.browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_paper_shows_posters_and_keeps_what_deepens_and_solutions_for_the_end(name, stay):
    page = stay(f"book/{name}.html", dark=True, media="print").page
    sections = "[...document.querySelectorAll('.bd-article section[id]')].map(s => s.id)"
    order, folds = page.evaluate(sections), page.locator("article details.ac-deeper").count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".ac-deeper-end details.ac-deeper[open]").count() == folds
    assert page.locator(".ac-later").count() <= folds
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.locator(".ac-live:visible").count() == 0
    posters = page.locator("figure.ac[role] > .ac-poster")
    assert posters.count() == page.locator("figure.ac[role] > .ac-poster:visible").count()
    end = page.locator(".ac-answers")
    text = end.inner_text()
    exercises = page.locator("article h3", has_text=re.compile(r"^Exercise \d+")).all_inner_texts()
    for number in range(1, len([e for e in exercises if "level" in e]) // 2 + 1):
        assert f"Solution {number}" in text
    assert "Hint 1." in text
    assert text.index("Quiz") > text.index("Exercise 1")
    last = page.evaluate("document.querySelector('.bd-article').lastElementChild.className")
    assert last == "ac-answers"
    wide = page.evaluate(
        """() => [...document.querySelectorAll('article img')].filter(i => i.offsetParent
            && i.getBoundingClientRect().right > document.documentElement.clientWidth).length"""
    )
    assert wide == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert end.count() == 0
    assert page.evaluate(sections) == order, "what was printed at the end is back in its place"


def test_taking_away_what_is_not_built_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(takeaway, "HTML", tmp_path)
    assert takeaway.main(["archive"]) == 1
    assert "make book" in capsys.readouterr().out
