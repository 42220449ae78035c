"""Turn a figure into an output that carries its own description."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from attncourse.views.drawing import (
    drawing,
    fewer_colours,
    film_drawing,
    png_with_narrow,
    with_narrow,
)
from attncourse.views.narrow import narrow

#: Pixels an inch: two for each pixel of the page, or fewer where that takes too many bytes.
_FINE, _COARSE, _HEAVY = 200, 144, 24_000
_SHORTEST_ALT = 30
#: Text of an SVG, or bytes of a PNG.
Form = TypeVar("Form", str, bytes)


class Picture:
    """A finished figure with its alternative text, drawn in the forms that are asked for.

    An output shows it as SVG, in which images keep their own pixels, or as PNG where that would be
    too large or an image is smoothed; posters are PNG, and films are SVG.  What is wider than a
    phone carries a narrow form, which the book shows there.  The notebook tool
    copies the text into the cell's metadata, from where the book takes it.

    Attributes:
        alt: what is seen.
        width: in pixels of the page.
        svg: the figure as an output shows it, if it can be drawn so.
    """

    def __init__(self, figure: Figure, alt: str, dpi: int | None = None) -> None:
        self._figure, self._dpi, self.alt = figure, dpi, alt
        self.width = round(figure.get_figwidth() * 100)
        self.svg = drawing(figure, lambda: self.film) if dpi is None else None

    @cached_property
    def png(self) -> bytes:
        """As pixels."""
        png = _png(self._figure, self._dpi or _FINE)
        heavy = self._dpi is None and len(png) > _HEAVY
        return _png(self._figure, _COARSE) if heavy else png

    @cached_property
    def film(self) -> str:
        """As SVG in any case: pixels of the figure stay as many as they are."""
        return film_drawing(self._figure)

    @cached_property
    def shown(self) -> str:
        """``svg`` or ``png`` with the figure as a phone shows it, if it can be laid out so.

        It is the last that is drawn: the figure is a narrow one afterwards.
        """
        if self.svg is not None:
            slim = self._slim(lambda: drawing(self._figure, lambda: film_drawing(self._figure)))
            return with_narrow(self.svg, slim) if slim else self.svg
        png = self.png
        pixels = self._slim(lambda: _png(self._figure, self._dpi or _COARSE))
        return base64.b64encode(png_with_narrow(png, pixels) if pixels else png).decode("ascii")

    def _slim(self, draw: Callable[[], Form | None]) -> Form | None:
        return draw() if narrow(self._figure) else None

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict, dict]:
        kind = "image/svg+xml" if self.svg else "image/png"
        data = {kind: self.shown, "text/plain": repr(self)}
        return data, {kind: {"width": self.width, "alt": self.alt}}


def show(figure: Figure, *, alt: str, dpi: int | None = None) -> Picture:
    """Render ``figure``, close it, and return it with its description.

    Args:
        figure: a matplotlib figure.
        alt: what is seen, for those who do not see it: a sentence, not a title.
        dpi: pixels an inch of a figure that shall be pixels in any case; by default it is a
            drawing where it can be, or else has 200, and 144 where that would be heavy.

    Raises:
        ValueError: if ``alt`` does not say what is seen.
    """
    picture = Picture(figure, checked_alt(alt), dpi)
    if picture.svg is None and dpi is None:
        _ = picture.png  # so that an error shows here and not in the output
    plt.close(figure)
    return picture


def _png(figure: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, transparent=True)
    return fewer_colours(buffer.getvalue())


def checked_alt(alt: str) -> str:
    """``alt`` on one line.

    Raises:
        ValueError: if it is missing, shorter than a sentence, or starts by saying that it is an
            image, which a screen reader says anyway.
    """
    text = re.sub(r"\s+", " ", alt or "").strip()
    if len(text) < _SHORTEST_ALT:
        raise ValueError(
            f"alt={alt!r} does not describe the figure: say in a sentence what is seen, "
            f"with the numbers that matter"
        )
    if re.match(r"(an? |the )?(image|picture|figure|plot|graph|photo)\b", text, re.IGNORECASE):
        raise ValueError(
            f"alt={text[:40]!r}... starts by naming the medium, which a screen reader says by "
            f"itself: start with what is seen"
        )
    return text
