"""Pictures of a page: their size is known before they load, and they load when they are near.

Without its size a picture that arrives late pushes the text down, and a jump to a section lands
in the wrong place.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from sphinx.application import Sphinx

_IMAGE = re.compile(r'<img (?![^>]*\bloading=)(?=[^>]*\bsrc="([^"]+)")')
#: A figure of a notebook says its width in the page, 100 pixels an inch, however many it has.
_FIGURE = re.compile(r'(?<!px">)<img [^>]*style="width: (\d+)px[^>]*>')
_POINTS = re.compile(rb'<svg\b[^>]*\bwidth="([\d.]+)pt" height="([\d.]+)pt"')
_BOXED = re.compile(
    r'<div class="ac-figure" style="--ac-wide:\d+px">(?P<image><img [^>]*'
    r'\bsrc="(?P<src>[^"]+\.(?:svg|png))"[^>]*>)</div>'
)
#: What ``attncourse.views`` puts into a figure that is wider than a phone.
_CARRIED = re.compile(rb'<metadata class="narrow">([A-Za-z0-9+/=]+)</metadata>')
_CHUNK = b"acNr"
#: Its width in the page: 4.4 inches of 100 pixels.
_NARROW = 440
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


def with_narrow(html: str, unpack: Callable[[str], tuple[str, int, int] | None]) -> str:
    """``html`` in which a phone shows a figure's narrow form, if it has one.

    Args:
        html: a page, complete.
        unpack: address of a figure -> address, width and height of its narrow form.
    """

    def choice(match: re.Match[str]) -> str:
        found = unpack(match["src"])
        if found is None:
            return match[0]
        address, width, height = found
        return (
            f'<div class="ac-figure" style="--ac-wide:{width}px"><picture><source '
            f'media="screen and (max-width: 600px)" srcset="{address}" width="{width}" '
            f'height="{height}">{match["image"]}</picture></div>'
        )

    return _BOXED.sub(choice, html)


def unpacked(path: Path) -> Path | None:
    """Write the narrow form that a figure's file carries beside it, and leave it out there."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    svg, chunk = _CARRIED.search(data), data.rfind(_CHUNK)
    if svg is not None:
        narrow = zlib.decompress(base64.b64decode(svg[1]))
        wide = data.replace(svg[0], b"")
    elif data.startswith(_SIGNATURE) and chunk > 0:
        (length,) = struct.unpack(">I", data[chunk - 4 : chunk])
        narrow = data[chunk + 4 : chunk + 4 + length]
        wide = data[: chunk - 4] + data[chunk + 8 + length :]
    else:
        return None
    beside = path.with_name(f"{path.stem}-narrow{path.suffix}")
    beside.write_bytes(narrow)
    path.write_bytes(wide)
    return beside


def complete_pages(app: Sphinx, error: Exception | None) -> None:
    """Complete the pictures of all built pages."""
    if error is not None:
        return
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        folder = page.parent

        def narrow(src: str, folder: Path = folder) -> tuple[str, int, int] | None:
            beside = unpacked(folder / unquote(src))
            size = size_of(beside) if beside else None
            if beside is None or size is None:
                return None
            address = src.removesuffix(beside.suffix) + f"-narrow{beside.suffix}"
            return address, _NARROW, round(_NARROW * size[1] / size[0])

        done = complete(html, lambda src, folder=folder: size_of(folder / unquote(src)))  # type: ignore[misc]
        done = with_narrow(done, narrow)
        if done != html:
            page.write_text(done, encoding="utf-8")
