"""A figure as SVG: sharp at every size, its text light on dark pages and dark on light ones.

Images in it keep their own pixels, as many as they are.  In an ``<img>``, ``prefers-color-scheme``
follows the page's ``color-scheme``, so the text turns with the theme.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import struct
import zlib
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text

from attncourse.views.style import PALETTE

#: Larger drawings, such as clouds of thousands of dots, are lighter as pixels; a photograph among
#: lines and text weighs the same either way.
_MOST_BYTES, _MOST_WITH_IMAGES = 60_000, 150_000
#: How an image may be shown whose pixels a browser enlarges as they are.
_SHARP = ("nearest", "none")
#: Colour of the palette -> its tones for text on light and on dark pages, each at least 4.5 : 1.
TEXT_TONES = {
    PALETTE["input"]: ("#00639c", "#56b4e9"),
    PALETTE["attention"]: ("#8a5a00", "#f0b429"),
    PALETTE["result"]: ("#00724f", "#2fc79b"),
    PALETTE["plain"]: ("#5f5f5f", "#a6a6a6"),
    PALETTE["mechanism"]: ("#a84a00", "#f0803c"),
    PALETTE["ablation"]: ("#9a4573", "#e3a1c4"),
    PALETTE["ink"]: ("#59636e", "#a3adb8"),
}


def drawing(figure: Figure, film: Callable[[], str]) -> str | None:
    """The figure as SVG, or nothing if that would be too large, or an image in it is smoothed.

    Args:
        figure: what is drawn.
        film: gives its :func:`film_drawing`, which serves a figure that holds images.
    """
    images = figure.findobj(lambda part: isinstance(part, (AxesImage, QuadMesh)))
    if any(i.get_interpolation() not in _SHARP for i in figure.findobj(AxesImage)):
        return None
    if not images:
        text, most = themed(_svg(figure)), _MOST_BYTES
    else:
        text, most = film(), _MOST_WITH_IMAGES
        if len(text) > most:
            text = _EMBEDDED.sub(_lighter, text)
    return text if len(text) <= most else None


def film_drawing(figure: Figure) -> str:
    """The figure as SVG, whatever its size: images with their own pixels, dots in few bytes.

    A colour bar, which holds hundreds of cells, becomes pixels.
    """
    for image in figure.findobj(AxesImage):
        image.set_interpolation("none")
    for mesh in figure.findobj(QuadMesh):
        mesh.set_rasterized(True)
    svg = _svg(figure).replace("xlink:href", "href")
    return themed(_dots(re.sub(r' xmlns:xlink="[^"]*"', "", svg)))


def with_narrow(svg: str, narrow: str) -> str:
    """``svg`` that carries another one, packed, in an element that nobody draws.

    Packed text has no identifiers that could meet those of ``svg``.
    """
    packed = base64.b64encode(zlib.compress(narrow.encode(), 9)).decode("ascii")
    return re.sub("</svg>$", f'<metadata class="narrow">{packed}</metadata></svg>', svg.rstrip())


def png_with_narrow(png: bytes, narrow: bytes) -> bytes:
    """``png`` that carries another one, in a chunk that viewers skip: private, safe to copy."""
    end = 12  # the last chunk, IEND, is empty: length, name, sum
    name = b"acNr"
    chunk = struct.pack(">I", len(narrow)) + name + narrow
    chunk += struct.pack(">I", zlib.crc32(name + narrow))
    return png[:-end] + chunk + png[-end:]


_EMBEDDED = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")


def _lighter(image: re.Match[str]) -> str:
    reduced = fewer_colours(base64.b64decode(image[1]))
    return f"data:image/png;base64,{base64.b64encode(reduced).decode('ascii')}"


def fewer_colours(png: bytes, colours: int = 256) -> bytes:
    """The same picture with a palette, which takes about half the bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        reduced = image.convert("RGBA").quantize(colours, method=Image.Quantize.FASTOCTREE)
        reduced.save(buffer, format="PNG", optimize=True)
    smaller = buffer.getvalue()
    return smaller if len(smaller) < len(png) else png


def _svg(figure: Figure) -> str:
    # Formulas are set glyph by glyph: only as outlines do they look alike everywhere.
    formulas = any("$" in part.get_text() for part in figure.findobj(Text))
    settings = {"svg.hashsalt": "attncourse", "svg.fonttype": "path" if formulas else "none"}
    buffer = io.StringIO()
    with mpl.rc_context(settings):  # type: ignore[arg-type]
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _lean(buffer.getvalue())


def themed(svg: str) -> str:
    """``svg`` whose text takes a tone for light or dark pages."""
    names = {colour.lower(): f"--t{n}" for n, colour in enumerate(TEXT_TONES)}

    def tone(match: re.Match[str]) -> str:
        return re.sub(
            r"#[0-9a-f]{6}",
            lambda c: f"var({names[c[0]]})" if c[0] in names else c[0],
            match[0],
        )

    svg = re.sub(r"<text\b[^>]*>", tone, svg)
    # Where text is outlines, matplotlib groups them as text_1, text_2 ...
    svg = re.sub(r'(?s)<g id="text_\d+">.*?</g>\s*</g>', tone, svg)
    light, dark = (
        ";".join(f"{names[c.lower()]}:{tones[k]}" for c, tones in TEXT_TONES.items())
        for k in (0, 1)
    )
    style = f"<style>svg{{{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
    return re.sub(r"(<svg\b[^>]*>)", rf"\1{style}", svg, count=1)


def _lean(svg: str) -> str:
    """Without prolog, comments, metadata and line breaks between tags."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"(?s)<!--.*?-->|<metadata>.*?</metadata>", "", svg)
    return re.sub(r"\s+", " ", re.sub(r">\s+<", "><", svg)).strip()


_DOT = re.compile(r'<use href="#(\w+)" x="([-\d.]+)" y="([-\d.]+)" style="([^"]*)"/>')
_SAME_DOTS = re.compile(rf"(?:{_DOT.pattern}){{4,}}")


def _dots(svg: str) -> str:
    """Runs of the same dot as one path, whose corners carry it: a tenth of the bytes."""

    def line(run: re.Match[str]) -> str:
        dots = _DOT.findall(run[0])
        if len({(name, style) for name, _, _, style in dots}) > 1:
            return run[0]
        name, _, _, style = dots[0]
        corners = " ".join(f"{round(float(x), 1):g} {round(float(y), 1):g}" for _, x, y, _ in dots)
        key = "k" + hashlib.sha256(f"{name} {style}".encode()).hexdigest()[:8]
        every = ";".join(f"marker-{where}:url(#{key})" for where in ("start", "mid", "end"))
        return (
            f'<marker id="{key}" markerUnits="userSpaceOnUse" overflow="visible">'
            f'<use href="#{name}" style="{style}"/></marker>'
            f'<path d="M{corners}" style="fill:none;stroke:none;{every}"/>'
        )

    return _SAME_DOTS.sub(line, svg)
