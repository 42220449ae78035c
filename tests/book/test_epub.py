"""The book to take away as an EPUB: all pages, in XML, without scripts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
import zipfile
from urllib.parse import urldefrag, urljoin

import epub_mend
import pytest
import takeaway

from tests.book.test_pages import PAGES
from tests.processor_time import used

#: Pages that Sphinx adds: the table of contents and the index.
ADDED = ("nav.html", "genindex.html")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """The EPUB, and the processor seconds for a byte of its pages.

    It takes half a minute: once for all, and ``tests/conftest.py`` keeps this file in one process.
    """
    before, own = used(), takeaway.OUT
    takeaway.OUT = tmp_path_factory.mktemp("epub")
    try:
        path = takeaway.epub()
    finally:
        takeaway.OUT = own
    file = zipfile.ZipFile(path)
    size = sum(one.file_size for one in file.infolist() if one.filename.endswith(".xhtml"))
    return file, (used() - before) / size


@pytest.fixture
def epub(made, page, record_property):
    """The EPUB, of which a page pays for what it is long."""
    file, share = made
    record_property("share", share * file.getinfo(page.replace(".html", ".xhtml")).file_size)
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
