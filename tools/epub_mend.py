"""Make of Sphinx's EPUB one that strict readers open: well-formed pages, no scripts, no lost files.

Sphinx passes the notebooks' HTML through as it is.  In a page of the site that is right; in an
EPUB an unclosed ``<img>`` makes the page unreadable, and scripts do not run.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from pathlib import Path

from bs4 import BeautifulSoup, Tag

_FRAGMENTS = "_static/fragments.css"
#: Style sheets of the site, with rules that e-book readers do not know.
_SITE_SHEETS = re.compile(r"mystnb|course\.css|sphinx-|togglebutton|design")
#: Files that no mended page asks for.
_IDLE = re.compile(r"\.js$|course\.css$|cover-\w+\.png$")
_CAPITALS = ("viewBox", "refX", "refY", "markerWidth", "markerHeight", "preserveAspectRatio")
_NAMESPACES = {
    "svg": "http://www.w3.org/2000/svg",
    "math": "http://www.w3.org/1998/Math/MathML",
}


def mended(page: str, name: str, known: set[str]) -> tuple[str, set[str], str]:
    """One page, well-formed and without scripts.

    Args:
        page: its XHTML, as Sphinx wrote it.
        name: its path in the book.
        known: paths of all files of the book.

    Returns:
        the page, the properties that the book's list of files must declare for it, and the style
        of the fragments in it.
    """
    soup = BeautifulSoup(page, "html.parser")
    for node in soup.find_all("script"):
        node.decompose()
    style = ""
    for node in soup.body.find_all("style") if soup.body else ():
        style = node.get_text() or style
        node.decompose()
    folder = posixpath.dirname(name)
    for link in soup.find_all("link", rel="stylesheet"):
        target = posixpath.normpath(posixpath.join(folder, str(link["href"])))
        if target not in known or _SITE_SHEETS.search(target):
            link.decompose()
    if style and soup.head:
        sheet = posixpath.relpath(_FRAGMENTS, folder or ".")
        soup.head.append(soup.new_tag("link", rel="stylesheet", href=sheet, type="text/css"))
    for figure in soup.select(".ac-scroll > svg ~ img.ac-poster"):
        figure.decompose()  # the drawing itself is there
    properties = set()
    for element, namespace in _NAMESPACES.items():
        for node in soup.find_all(element):
            node["xmlns"] = namespace
            properties.add("svg" if element == "svg" else "mathml")
    for node in soup.select("summary p"):
        node.name = "span"  # a paragraph may not stand in a summary
    for node in soup.find_all(True):
        _plain(node)
    return soup.decode(formatter="minimal"), properties, style


def _plain(node: Tag) -> None:
    """Attributes as XHTML wants them; the parser of HTML has made all their letters small."""
    for name in _CAPITALS:
        if (value := node.attrs.pop(name.lower(), None)) is not None:
            node[name] = value
    for name in ("loading", "decoding", "tabindex", "hidden"):
        node.attrs.pop(name, None)
    for name, value in list(node.attrs.items()):
        idle = not value and name in ("open", "class", "id", "style")
        if idle or name.startswith(("data-", "on")):
            del node.attrs[name]


def declared(manifest: str, properties: dict[str, set[str]]) -> str:
    """The list of files with the properties of each page."""

    def item(match: re.Match[str]) -> str:
        tag = re.sub(r'\s+properties="(?:scripted|svg|mathml|\s)*"', "", match[0])
        href = re.search(r'href="([^"]+)"', tag)
        if href and _IDLE.search(href[1]):
            return ""
        own = properties.get(href[1], set()) if href else set()
        nav = re.search(r'properties="([^"]*)"', tag)
        if own and nav:
            return tag.replace(nav[0], f'properties="{nav[1]} {" ".join(sorted(own))}"')
        return tag.replace("<item ", f'<item properties="{" ".join(sorted(own))}" ') if own else tag

    listed = re.sub(r"<item [^>]*/?>", item, manifest)
    sheet = f'<item href="{_FRAGMENTS}" id="fragments" media-type="text/css"/>'
    return listed.replace("</manifest>", f"{sheet}</manifest>")


def mend(epub: Path) -> None:
    """Rewrite ``epub`` in place."""
    part = epub.with_suffix(".part")
    with zipfile.ZipFile(epub) as old, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        new.writestr(zipfile.ZipInfo("mimetype"), old.read("mimetype"))  # first, and not packed
        properties, css = {}, ""
        for name in names:
            if name in ("mimetype", "content.opf") or _IDLE.search(name):
                continue
            content = old.read(name)
            if name.endswith(".xhtml"):
                page, properties[name], style = mended(content.decode(), name, set(names))
                css = style or css
                content = page.encode()
            new.writestr(name, content)
        new.writestr(_FRAGMENTS, css)
        new.writestr("content.opf", declared(old.read("content.opf").decode(), properties))
    part.replace(epub)
