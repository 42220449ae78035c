"""A figure of lines and text as SVG: sharp at every size, light on dark pages, dark on light ones.

Figures that hold pixels stay PNG.  In an ``<img>``, ``prefers-color-scheme`` follows the page's
``color-scheme``, so the text turns with the page's theme.
"""

from __future__ import annotations

import io
import re

import matplotlib as mpl
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text

from attncourse.views.style import PALETTE

#: Larger drawings, such as clouds of thousands of dots, are lighter as pixels.
_MOST_BYTES = 60_000
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


def drawing(figure: Figure) -> str | None:
    """The figure as SVG, or nothing if it holds pixels or would be too large."""
    parts = figure.findobj()
    if any(isinstance(part, (AxesImage, QuadMesh)) for part in parts):
        return None
    # Formulas are set glyph by glyph: only as outlines do they look alike everywhere.
    formulas = any("$" in part.get_text() for part in parts if isinstance(part, Text))
    settings = {"svg.hashsalt": "attncourse", "svg.fonttype": "path" if formulas else "none"}
    buffer = io.StringIO()
    with mpl.rc_context(settings):  # type: ignore[arg-type]
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = _lean(buffer.getvalue())
    return themed(text) if len(text) <= _MOST_BYTES else None


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
