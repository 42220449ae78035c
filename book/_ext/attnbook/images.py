"""Pictures of a page: their size is known before they load, and they load when they are near.

Without its size a picture that arrives late pushes the text down, and a jump to a section lands
in the wrong place.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from sphinx.application import Sphinx

_IMAGE = re.compile(r'<img (?![^>]*\bloading=)(?=[^>]*\bsrc="([^"]+)")')
#: A figure of a notebook says its width in the page, 100 pixels an inch, however many it has.
_FIGURE = re.compile(r'(?<!px">)<img [^>]*style="width: (\d+)px[^>]*>')
_POINTS = re.compile(rb'<svg\b[^>]*\bwidth="([\d.]+)pt" height="([\d.]+)pt"')
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def size_of(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, or of a drawing in SVG at 100 an inch, if known."""
    try:
        with path.open("rb") as file:
            head = file.read(400)
    except OSError:
        return None
    if len(head) >= 24 and head.startswith(_SIGNATURE):
        width, height = struct.unpack(">II", head[16:24])
        return width, height
    points = _POINTS.search(head)
    return (round(float(points[1]) / 0.72), round(float(points[2]) / 0.72)) if points else None


def complete(html: str, size: Callable[[str], tuple[int, int] | None]) -> str:
    """``html`` in which every picture from a file has its size and waits until it is near.

    Args:
        html: a page.
        size: address of a picture, as the page writes it -> its width and height.
    """

    def with_size(match: re.Match[str]) -> str:
        if match[1].startswith("data:"):
            return match[0]
        known = size(match[1])
        dimensions = f'width="{known[0]}" height="{known[1]}" ' if known else ""
        return f'<img loading="lazy" decoding="async" {dimensions}'

    # On a phone a figure is as wide as its text needs, and moves sideways in a box of its own.
    def in_box(match: re.Match[str]) -> str:
        return f'<div class="ac-figure" style="--ac-wide:{match[1]}px">{match[0]}</div>'

    return _FIGURE.sub(in_box, _IMAGE.sub(with_size, html))


def complete_pages(app: Sphinx, error: Exception | None) -> None:
    """Complete the pictures of all built pages."""
    if error is not None:
        return
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        folder = page.parent
        done = complete(html, lambda src, folder=folder: size_of(folder / unquote(src)))  # type: ignore[misc]
        if done != html:
            page.write_text(done, encoding="utf-8")
