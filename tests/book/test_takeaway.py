"""The book to take away: the zip, the printed chapter, the EPUB."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from urllib.parse import urldefrag, urljoin

import chapter_rules as rules
import epub_mend
import pytest
import takeaway

from tests.book.test_pages import PAGES
from tests.processor_time import used

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
def test_paper_shows_posters_and_keeps_solutions_for_the_end(name, stay):
    page = stay(f"book/{name}.html", dark=True, media="print").page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
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


# ---------------------------------------------------------------- the EPUB


#: Pages that Sphinx adds: the table of contents and the index.
ADDED = ("nav.html", "genindex.html")


@pytest.fixture(scope="module")
def made(out):
    """The EPUB, and the processor seconds for each of its pages."""
    before = used()
    path = takeaway.epub()
    return zipfile.ZipFile(path), (used() - before) / len(PAGES)


@pytest.fixture
def epub(made, record_property):
    file, share = made
    record_property("share", share)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("page", [*PAGES, *ADDED])
def test_the_epub_holds_the_page_well_formed_and_without_scripts(epub, page):
    name, names = page.replace(".html", ".xhtml"), set(epub.namelist())
    text = epub.read(name).decode()
    root = ElementTree.fromstring(text.replace("&nbsp;", " "))
    tags = {e.tag.rsplit("}")[-1] for e in root.iter()}
    assert "script" not in tags
    assert "http://cdn" not in text
    for element in root.iter():
        for key in ("src", "href"):
            target = element.get(key, "")
            if target and not re.match(r"(https?|mailto|data):|#", target):
                path = urldefrag(urljoin(name, target))[0]
                assert path in names, target


@pytest.mark.slow
def test_the_epub_is_one_and_holds_nothing_else(made):
    names = made[0].namelist()
    assert names[0] == "mimetype"
    pages = {name for name in names if name.endswith(".xhtml")}
    assert pages == {page.replace(".html", ".xhtml") for page in (*PAGES, *ADDED)}


@pytest.mark.slow
def test_the_epub_s_formulas_are_mathml_and_its_explorers_pictures(made):
    epub, _ = made
    text = epub.read("book/channel/squeeze_excitation.xhtml").decode()
    assert text.count("<math") > 40
    assert "(6)</span>" in text
    assert r"\frac" not in re.sub(r"<code.*?</code>|<pre.*?</pre>", "", text, flags=re.DOTALL)
    assert 'class="ac-poster"' in text
    opf = epub.read("content.opf").decode()
    assert re.search(r'<item [^>]*properties="mathml svg"[^>]*squeeze_excitation', opf)
    assert "scripted" not in opf


def test_a_page_is_mended_for_strict_readers():
    page = (
        "<html><head><link rel='stylesheet' href='../_static/course.css'/></head><body>"
        '<details><summary aria-label="x"><p>Show</p></summary></details>'
        '<img alt="a" src="../b.png" loading="lazy"><script>alert(1)</script><style>.ac{}</style>'
        '<svg viewbox="0 0 1 1"><marker refx="7"></marker></svg></body></html>'
    )
    text, properties, style = epub_mend.mended(page, "book/a.xhtml", {"_static/course.css"})
    ElementTree.fromstring(text)
    assert properties == {"svg"}
    assert style == ".ac{}"
    assert 'viewBox="0 0 1 1"' in text
    assert 'refX="7"' in text
    assert "<span>Show</span>" in text
    assert "course.css" not in text
    assert 'href="../_static/fragments.css"' in text
    assert "script" not in text


def test_the_list_of_files_declares_what_a_page_holds():
    manifest = (
        '<manifest><item href="a.xhtml" id="1" properties="scripted"/>'
        '<item href="b.js" id="2"/><item href="c.xhtml" id="3" properties="nav"/></manifest>'
    )
    text = epub_mend.declared(manifest, {"a.xhtml": {"svg", "mathml"}, "c.xhtml": {"svg"}})
    assert '<item properties="mathml svg" href="a.xhtml" id="1"/>' in text
    assert "b.js" not in text
    assert 'properties="nav svg"' in text
    assert "_static/fragments.css" in text


def test_taking_away_what_is_not_built_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(takeaway, "HTML", tmp_path)
    assert takeaway.main(["archive"]) == 1
    assert "make book" in capsys.readouterr().out
