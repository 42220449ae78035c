"""A figure for a phone: fewer columns, no text smaller, none on another."""

from __future__ import annotations

import base64
import io
import re
import zlib

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import ConnectionPatch
from PIL import Image

from attncourse import views
from attncourse.views.narrow import collisions, fits, narrow
from attncourse.views.style import PHONE, WIDTH

ALT = "Four squares stand in a row, and each of them has a name above it."


@pytest.fixture(autouse=True)
def style():
    views.use()
    yield
    plt.close("all")


def pictures(*titles, rows=1, bar=False):
    figure, axes = plt.subplots(rows, len(titles), figsize=(WIDTH, 1.9 * rows), squeeze=False)
    for line, row in zip(axes, "AB", strict=False):
        for a, title in zip(line, titles, strict=True):
            image = a.imshow(np.eye(4))
            a.set(title=title, xticks=[], yticks=[])
        line[0].set_ylabel(row)
        if bar:
            figure.colorbar(image, ax=list(line), label=row)
    return figure, axes


def places(axes):
    specs = (a.get_subplotspec() for a in axes.flat)
    return [(spec.rowspan.start, spec.colspan.start) for spec in specs]


def test_a_row_that_fits_stays_a_row():
    figure, axes = pictures("a", "b", "c", "d")
    assert narrow(figure)
    assert places(axes) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert figure.get_figwidth() == PHONE
    assert fits(figure)


def test_a_row_is_cut_where_its_names_would_meet():
    figure, axes = pictures(
        "the very first one", "the second of all", "the third of them", "the last of all"
    )
    sizes = {a.title.get_fontsize() for a in axes.flat}
    assert narrow(figure)
    assert places(axes) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [a.get_ylabel() for a in axes.flat] == ["A", "", "A", ""]
    assert {a.title.get_fontsize() for a in axes.flat} == sizes
    assert not collisions(figure)


def test_two_rows_are_cut_as_one_and_a_bar_s_row_stays_together():
    names = ("the very first one", "the second of all", "the third of them", "the last of all")
    figure, axes = pictures(*names, rows=2)
    assert narrow(figure)
    assert places(axes)[:4] == [(0, 0), (0, 1), (2, 0), (2, 1)]
    figure, axes = pictures(*names, rows=2, bar=True)
    assert narrow(figure)
    assert places(axes) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]
    bars = [a.get_window_extent() for a in figure.axes[8:]]
    rows = [a.get_window_extent() for a in axes[:, 0]]
    assert bars[1].y1 < bars[0].y0
    assert rows[1].y1 < bars[0].y0, "a bar stands beside its own row alone"


def test_names_below_an_axis_break_into_lines():
    figure, axes = plt.subplots(figsize=(WIDTH, 2))
    names = ["the plain net", "one codeword only", "mixed pooling", "whole block"]
    axes.bar(names, range(4))
    assert narrow(figure)
    assert axes.get_xticklabels()[0].get_text() == "the\nplain\nnet"


@pytest.mark.parametrize("reason", ["narrow already", "an arrow", "no grid", "too much text"])
def test_what_cannot_be_laid_out_is_left(reason):
    figure, axes = pictures("a", "b", "c", "d")
    if reason == "narrow already":
        figure.set_size_inches(PHONE, 2)
    elif reason == "an arrow":
        one, other = axes.flat[:2]
        figure.add_artist(ConnectionPatch((0, 0), (1, 1), "data", "data", axesA=one, axesB=other))
    elif reason == "no grid":
        figure.add_axes((0.1, 0.1, 0.2, 0.2))
    else:
        figure.suptitle("a title that is far too long for a phone, and that nobody has broken")
    assert not narrow(figure)


def test_texts_that_lie_on_each_other_are_found():
    figure, axes = plt.subplots(figsize=(PHONE, 2))
    axes.set(xticks=[], yticks=[])
    axes.text(0.2, 0.5, "one word")
    assert not collisions(figure)
    axes.text(0.25, 0.5, "another")
    assert collisions(figure) == [("one word", "another")]
    assert not fits(figure)
    axes.texts[1].set_visible(False)
    assert fits(figure)
    figure.text(0.9, 0.2, "a text that leaves the figure")
    assert not fits(figure)


def test_an_output_carries_the_narrow_form_and_is_otherwise_the_same():
    figure, _ = pictures(
        "the very first one", "the second of all", "the third of them", "the last of all"
    )
    picture = views.show(figure, alt=ALT)
    wide = picture.svg
    shown = picture._repr_mimebundle_()[0]["image/svg+xml"]
    carried = re.search(r'<metadata class="narrow">(.*?)</metadata>', shown)
    assert shown.replace(carried[0], "") == wide
    slim = zlib.decompress(base64.b64decode(carried[1])).decode()
    assert f'width="{PHONE * 72:g}pt"' in slim
    assert picture._repr_mimebundle_()[0]["image/svg+xml"] == shown


def test_pixels_carry_it_in_a_chunk_that_viewers_skip():
    figure, _ = pictures("a", "b", "c", "d")
    picture = views.show(figure, alt=ALT, dpi=50)
    wide = picture.png
    shown = base64.b64decode(picture._repr_mimebundle_()[0]["image/png"])
    at = shown.index(b"acNr")
    length = int.from_bytes(shown[at - 4 : at], "big")
    slim = shown[at + 4 : at + 4 + length]
    assert shown[: at - 4] + shown[at + 8 + length :] == wide
    with Image.open(io.BytesIO(shown)) as seen, Image.open(io.BytesIO(slim)) as narrow_one:
        assert (seen.width, narrow_one.width) == (360, 220)
        seen.load()
