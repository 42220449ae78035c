"""Figures carry a description, fragments are self-contained, numbers survive embedding."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import sys
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from attncourse import views
from attncourse.catalog import CARDS
from attncourse.views.fragment import checked_id, encode
from attncourse.views.frames import shared_parts
from attncourse.views.placing import Across, Down
from attncourse.views.show import checked_alt

ALT = "Two lines cross in the middle of the panel, one rises and one falls."


def html_of(view):
    return view._repr_mimebundle_()["text/html"]


def spec_of(view):
    found = re.search(r'<script type="application/json">(.*?)</script>', html_of(view), re.DOTALL)
    return json.loads(found[1])


def floats(text):
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


@pytest.fixture(autouse=True)
def _style():
    views.use()
    yield
    plt.close("all")


# ---------------------------------------------------------------- figures


def test_a_figure_cannot_be_shown_without_a_description():
    with pytest.raises(TypeError, match="alt"):
        views.show(plt.figure())


@pytest.mark.parametrize("alt", ["", None, "Accuracy.", "x" * 10])
def test_a_title_is_no_description(alt):
    with pytest.raises(ValueError, match="say in a sentence what is seen"):
        views.show(plt.figure(), alt=alt)


@pytest.mark.parametrize("word", ["A plot", "The image", "Graph", "a picture"])
def test_a_description_does_not_name_the_medium(word):
    with pytest.raises(ValueError, match="starts by naming the medium"):
        checked_alt(f"{word} of two lines that cross in the middle of the panel.")


def test_line_breaks_of_the_source_do_not_reach_the_reader():
    assert checked_alt("Two lines that cross\n   in the middle of it.") == (
        "Two lines that cross in the middle of it."
    )


def test_a_shown_figure_is_closed_transparent_and_described():
    figure, axes = plt.subplots()
    axes.imshow([[0, 1]], interpolation="bilinear")
    picture = views.show(figure, alt=ALT)
    assert not plt.get_fignums()
    data, metadata = picture._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == ALT, "a smoothed image stays pixels"
    assert data["text/plain"] == f"Figure: {ALT}"
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as image:
        assert abs(image.width - 7.2 * 200) <= 1, "two pixels for each of the page"
        assert image.convert("RGBA").getpixel((2, 2))[3] == 0


def test_a_heavy_picture_is_coarser_unless_the_author_says_how_fine():
    def noise():
        figure, axes = plt.subplots(layout="none")
        axes.imshow(np.random.default_rng(0).random((300, 400, 3)))
        return figure

    coarse, fine = views.show(noise(), alt=ALT), views.show(noise(), alt=ALT, dpi=200)
    widths = [Image.open(io.BytesIO(p.png)).width for p in (coarse, fine)]
    assert widths == pytest.approx([7.2 * 144, 7.2 * 200], abs=1)
    assert coarse.width == fine.width == 720


def line_figure(colour="ink", title="", dots=3):
    figure, axes = plt.subplots()
    axes.plot(np.arange(dots), np.sin(np.arange(dots)), "o")
    views.label_line(axes, 1, 0.5, "SE", views.PALETTE[colour])
    axes.set_title(title)
    return views.show(figure, alt=ALT)


def test_lines_and_text_are_a_drawing():
    data, metadata = line_figure()._repr_mimebundle_()
    assert metadata["image/svg+xml"]["alt"] == ALT
    assert "image/png" not in data
    assert data["image/svg+xml"].startswith("<svg")
    assert line_figure().png.startswith(b"\x89PNG"), "posters are pixels"
    assert data == line_figure()._repr_mimebundle_()[0], "it repeats byte for byte"
    assert "<text" not in line_figure(title="$x^2$").svg, "formulas are outlines"
    assert line_figure(dots=3000).svg is None, "a cloud is lighter as pixels"


def pixels(height, width):
    """An image of as many pixels, each of another colour than its neighbours."""
    figure, axes = plt.subplots()
    axes.imshow(np.random.default_rng(0).random((height, width)), cmap="magma")
    axes.set_title("noise", color=views.PALETTE["attention"])
    return views.show(figure, alt=ALT)


def test_images_among_lines_and_text_keep_their_own_pixels():
    svg = pixels(5, 7).svg
    assert ">noise</text>" in svg
    inner = re.search(r"base64,\s*([^\"]+)", svg)
    assert Image.open(io.BytesIO(base64.b64decode(inner[1]))).size == (7, 5)


def test_larger_images_take_a_palette_and_the_largest_are_pixels_alone():
    small, middle, large = (pixels(side, side).svg for side in (150, 300, 600))
    assert small
    kinds = [
        Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,\s*([^\"]+)", svg)[1]))).mode
        for svg in (small, middle)
    ]
    assert kinds == ["RGBA", "P"]
    assert len(middle) < 150_000
    assert large is None


@pytest.mark.parametrize("title", ["plain", "$x^2$"])
def test_a_drawing_s_text_turns_with_the_theme(title):
    from attncourse.views.drawing import TEXT_TONES

    svg = line_figure("attention", title).svg
    place = list(TEXT_TONES).index(views.PALETTE["attention"])
    assert f"fill: var(--t{place})" in svg
    light, dark = TEXT_TONES[views.PALETTE["attention"]]
    assert f"--t{place}:{light}" in svg.split("prefers-color-scheme")[0]
    assert f"--t{place}:{dark}" in svg.split("prefers-color-scheme")[1]
    for tones in TEXT_TONES.values():
        for tone, background in zip(tones, ("#ffffff", "#14181e"), strict=True):
            assert contrast(tone, background) >= 4.5


def test_the_palette_has_one_colour_a_meaning():
    assert len(set(views.PALETTE.values())) == len(views.PALETTE)


def contrast(one, two):
    def light(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    high, low = sorted((light(one), light(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#14181e"])
@pytest.mark.parametrize("name", [n for n in views.PALETTE if n not in ("attention", "ablation")])
def test_figures_read_on_light_and_dark(name, background):
    """Graphics need 3 : 1; the light orange and purple are never used for text on white."""
    assert contrast(views.PALETTE[name], background) >= 3


def test_seed_dots_shows_every_seed_and_interval():
    figure = views.seed_dots(
        {"no gate": [0.5, 0.52], "SE": [0.97, 0.98]}, {"no gate": "plain", "SE": "mechanism"},
        {"no gate": (0.4, 0.6), "SE": (0.96, 0.99)}, references={"chance": 0.55}, limits=(0.3, 1),
    )  # fmt: skip
    (axes,) = figure.axes
    drawn = [line.get_xdata() for line in axes.lines]
    assert [list(d) for d in drawn[:4]] == [[0.5, 0.52], [0.4, 0.6], [0.97, 0.98], [0.96, 0.99]]
    assert axes.lines[0].get_color() == views.PALETTE["plain"]
    assert axes.lines[2].get_color() == views.PALETTE["mechanism"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["no gate", "SE"]


def test_dots_without_an_interval_carry_a_note():
    figure = views.seed_dots(
        {"RAM": [0.7, 0.95], "slope": [1.5, 2.5]}, {"RAM": "mechanism", "slope": "plain"},
        {"slope": (1.0, 3.0)}, notes={"RAM": "1 of 2 seeds learned"}, percent=False,
    )  # fmt: skip
    (axes,) = figure.axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[0.7, 0.95], [1.5, 2.5], [1.0, 3.0]]
    assert [text.get_text() for text in axes.texts] == ["1 of 2 seeds learned"]
    figure.canvas.draw()
    assert not any("%" in tick.get_text() for tick in axes.get_xticklabels())


@pytest.mark.parametrize("signed", [False, True])
def test_maps_have_a_unit_and_a_fair_scale(signed):
    figure, axes = plt.subplots()
    views.heat(axes, np.array([[-2.0, 1.0]]) if signed else np.array([[0.5, 2.0]]), unit="gate",
               signed=signed)  # fmt: skip
    assert axes.images[0].get_clim() == ((-2.0, 2.0) if signed else (0.0, 2.0))
    assert figure.axes[1].get_ylabel() == "gate"


# ---------------------------------------------------------------- fragments


class Addresses(HTMLParser):
    """Every address that a piece of HTML asks for."""

    def __init__(self, html):
        super().__init__()
        self.found, self.images = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.found += [given[k] for k in ("src", "href") if k in given]
        if tag == "img":
            self.images.append(given.get("alt", ""))


VIEWS = ("card", "schematic", "attention", "gates", "curves", "frames", "table")


@cache
def every_view(time=1):
    """One view of each kind; another ``time`` makes all of them anew."""
    curves = np.zeros((2, 1, 3))
    figure, _ = plt.subplots()
    poster = views.show(figure, alt=ALT)
    schematic = views.Schematic(id="gate", alt=ALT, columns=3, rows=2)
    x, y = schematic.box("x", 0, 1, "input", shape="c h w"), schematic.circle("×", 1, 1)
    schematic.arrow(x, y, "c")
    return {
        "card": views.identity_card(CARDS[0]),
        "schematic": schematic.show(),
        "attention": views.explore_attention(np.eye(6), (2, 3), id="att", alt=ALT),
        "gates": views.explore_gates(
            np.eye(2), id="gates", alt=ALT, rows=["a", "b"], columns=["c", "d"]
        ),
        "curves": views.explore_curves(
            curves, id="curves", alt=ALT, sliders={"r": [1, 2]}, series={"SE": "mech"},
            x=("x", [0, 1, 2]), y=("y", (0, 1)), start=[0], poster=poster,
        ),
        "frames": views.explore_frames([poster, poster], id="film", alt=ALT, label="step"),
        "table": views.table(["net", "score"], {"task": [["SE", "0.9"]]}, caption="Scores."),
    }  # fmt: skip


@pytest.mark.parametrize("name", VIEWS)
def test_fragments_ask_no_other_host_and_describe_their_images(name):
    view = every_view()[name]
    found = Addresses(html_of(view))
    assert all(a.startswith(("data:", "#")) for a in found.found), found.found
    assert all(len(alt) > 20 for alt in found.images)
    assert "http" not in html_of(view).replace("http://www.w3.org/2000/svg", "")
    assert repr(view)


@pytest.mark.parametrize("name", VIEWS)
def test_fragments_repeat_byte_for_byte(name):
    assert html_of(every_view()[name]) == html_of(every_view(time=2)[name])


def test_the_card_shows_what_the_catalogue_knows():
    html = html_of(views.identity_card(CARDS[0]))
    for text in ("σ(W₂ δ(W₁ GAP(x)))", "2C²/r + C/r + C", "CVPR 2018", "what · channel attention"):
        assert text in html


def test_explorers_hold_the_array_s_own_numbers():
    rng = np.random.default_rng(0)
    maps, gates = rng.random((6, 6)), rng.random((4, 3))
    images = rng.integers(0, 256, (4, 2, 5), dtype=np.uint8)
    spec = spec_of(
        views.explore_attention(maps, (2, 3), id="att", alt=ALT, image=rng.random((4, 6)))
    )
    half = np.frombuffer(base64.b64decode(spec["maps"]), dtype="<f2")
    np.testing.assert_array_equal(half, maps.astype("f2").ravel())
    assert spec["image"].startswith("data:image/png;base64,")
    spec = spec_of(
        views.explore_gates(
            gates, id="gates", alt=ALT, rows=list("abcd"), columns=list("xyz"), images=images
        )
    )
    np.testing.assert_array_equal(floats(spec["gates"]), gates.astype("f4").ravel())
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(spec["images"]), dtype="u1"), images.ravel()
    )


def test_a_film_needs_pictures_and_a_setting_for_each():
    def frame():
        return views.show(plt.figure(), alt=ALT, dpi=40)

    with pytest.raises(ValueError, match=r"1 picture\(s\) make no film"):
        views.explore_frames([frame()], id="film", alt=ALT, label="step")
    with pytest.raises(ValueError, match="3 settings for 2 pictures"):
        views.explore_frames(
            [frame(), frame()], id="film", alt=ALT, label="step", settings=[1, 2, 3]
        )
    spec = spec_of(
        views.explore_frames([frame(), frame()], id="film", alt=ALT, label="step", settings=[0, 50])
    )
    assert spec["settings"] == ["0", "50"]
    assert spec["captions"] == [ALT, ALT]
    assert len(spec["frames"]) == 2


def dots_and_pixels(step):
    figure, (left, right) = plt.subplots(1, 2, figsize=(6, 3))
    left.plot(np.arange(9), np.arange(9) * step, "o", alpha=0.5)
    left.plot([0, 1], [step, 2], "s")
    left.set_ylim(0, 30)
    views.heat(right, np.eye(8), unit="weight")
    return views.show(figure, alt=ALT, dpi=100)


def test_a_film_is_drawn_and_holds_once_what_its_pictures_share():
    pictures = [dots_and_pixels(step) for step in (1, 2, 3)]
    spec = spec_of(views.explore_frames(pictures, id="film", alt=ALT, label="step"))
    drawings = ["".join(spec["parts"][n] for n in frame) for frame in spec["frames"]]
    assert drawings == [picture.film for picture in pictures]
    assert len("".join(spec["parts"])) < 0.6 * len("".join(drawings))
    assert spec["width"] == 600
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        name = {node.tag.split("}")[1] for node in root.iter()}
        assert {"svg", "image", "marker", "text"} <= name
        inner = re.search(r'base64, ?([^"]+)" id="\w+" width="8" height="8"', drawing)
        assert Image.open(io.BytesIO(base64.b64decode(inner[1]))).size == (8, 8), "its own pixels"
        assert drawing.count("marker-mid") == 1, "nine equal dots are one path"
    corners = [re.search(r'd="M([^"]*)" style="fill:none;stroke:none', d)[1] for d in drawings]
    assert [len(c.split()) for c in corners] == [18, 18, 18]
    assert len(set(corners)) > 1


@pytest.mark.parametrize(
    "drawings",
    [["<a><b></b></a>", "<a><c></c></a>"], ["<a>", "<a>"], ["<a><a><a>", "<a><b><a>", "<b>"]],
)
def test_parts_make_the_drawings_again(drawings):
    parts, numbers = shared_parts(drawings)
    assert ["".join(parts[n] for n in frame) for frame in numbers] == drawings
    assert len(set(parts)) == len(parts)


def test_a_drawing_makes_no_pixels_unless_somebody_asks(monkeypatch):
    module, made = sys.modules["attncourse.views.show"], []
    real = module._png
    monkeypatch.setattr(module, "_png", lambda *given: made.append(given) or real(*given))
    picture = line_figure()
    picture._repr_mimebundle_()
    assert made == []
    assert picture.png
    assert picture.png
    assert len(made) == 1


def test_tables_name_their_rows_and_columns():
    html = html_of(
        views.table(
            ["net", "score"],
            {"task": [["SE", "0.9"], ["a<b", "0.1"]]},
            caption="Scores.",
            strong=["SE"],
        )
    )
    assert '<th scope="col">score</th>' in html
    assert '<tr class="ac-mech"><th scope="row">SE</th>' in html
    assert "a&lt;b" in html
    with pytest.raises(ValueError, match="has 1 cells for 2 columns"):
        views.table(["net", "score"], {"task": [["SE"]]}, caption="Scores.")


def test_scripts_lose_their_comments_and_nothing_else():
    from attncourse.views.fragment import _asset

    for kind in ("core", "attention", "gates", "curves", "frames"):
        text = _asset(f"explorers/{kind}.js")
        assert "//" not in text
        assert text.count("{") == text.count("}")
        assert text.count("(") == text.count(")")


def test_descriptions_cannot_break_out_of_the_page():
    evil = 'Rows of "<script>alert(1)</script>" & more, </script> as a name.'
    view = views.explore_gates(
        np.eye(2), id="gates", alt=evil, rows=[evil, "b"], columns=["c", "d"]
    )
    assert html_of(view).count("<script") == 2
    assert spec_of(view)["rows"][0] == evil


def test_bytes_are_little_endian_floats():
    assert base64.b64decode(encode(np.array([1.0]))) == b"\x00\x00\x80\x3f"
    assert base64.b64decode(encode(np.array([7], dtype=np.uint8))) == b"\x07"


@pytest.mark.parametrize("bad", ["Se-Gates", "x", "1st", "a b", "a" * 50])
def test_identifiers_are_plain(bad):
    with pytest.raises(ValueError, match="must be 3 to 41 small letters"):
        checked_id(bad)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"grid of 2 x 2 positions needs \(4, 4\)"):
        views.explore_attention(np.eye(6), (2, 2), id="att", alt=ALT)
    with pytest.raises(ValueError, match=r"names has the position \(2, 0\) for 'A'"):
        views.explore_attention(np.eye(6), (2, 3), id="att", alt=ALT, names={(2, 0): "A"})
    with pytest.raises(ValueError, match="there are 1 row descriptions"):
        views.explore_gates(np.eye(2), id="gates", alt=ALT, rows=["a"], columns=["c", "d"])
    with pytest.raises(ValueError, match="pass 2 uint8 thumbnails"):
        views.explore_gates(
            np.eye(2), id="gates", alt=ALT, rows=["a", "b"], columns=["c", "d"], images=np.eye(3)
        )
    with pytest.raises(ValueError, match=r"2 value\(s\) that are NaN or infinite"):
        views.explore_attention(np.array([[np.nan, 1], [np.inf, 0]]), (1, 2), id="att", alt=ALT)


def test_schematics_know_their_shapes():
    s = views.Schematic(id="gate", alt=ALT, columns=4, rows=2)
    with pytest.raises(ValueError, match="kind='blue' is unknown"):
        s.box("x", 0, 0, "blue")
    x, g, y = s.box("x", 0, 1, "input"), s.box("g", 2, 0, "decide"), s.box("y", 2, 1, "result")
    s.arrow(x, g, "c", via="up")
    s.arrow(x, y, "c h w")
    s.arrow(g, y, "c 1 1")
    svg = s.svg()
    assert svg.count("marker-end") == 3
    for shape in ("c h w", "c 1 1"):
        assert f">{shape}<" in svg
    assert 'role="img"' in svg
    poster = base64.b64decode(s.poster().split(",")[1]).decode()
    assert "var(" not in poster, "an image cannot see the page's variables"


def test_an_arrow_that_misses_its_end_is_refused():
    s = views.Schematic(id="gate", alt=ALT, columns=6, rows=2)
    gate, times = s.box("s", 2, 0, "attention"), s.circle("×", 3, 1)
    with pytest.raises(ValueError, match=r"from 's' in column 2 misses '×' in column 3"):
        s.arrow(gate, times)
    wide = s.box("s", 3.5, 0, "attention", width=2.2)
    s.arrow(wide, times)
    (start, end), _ = Across(6, 2).way(s.arrows[-1])
    assert start[0] == end[0] == Across(6, 2).spot(times).x


def sample():
    """A diagram with all that they are made of: a long box, a bend, labels, close neighbours."""
    s = views.Schematic(id="gate", alt=ALT, columns=7, rows=3)
    x, first = s.box("x", 0, 1, "input", shape="c h w"), s.box("W δ LN W", 1, 0, width=1.4)
    near = [s.box("BN", 1.6 + k / 2, 1, width=0.4) for k in range(3)]
    gate = s.box("s", 3.6, 0, "attention", width=2.2)
    times, again = s.circle("×", 3.2, 1), s.circle("×", 4.4, 1)
    side = s.box("shortcut", 4.4, 2, width=1.2)
    y = s.box("y", 5.4, 1, "result", shape="c h w")
    s.arrow(x, first, "c h w", via="up")
    s.arrow(first, gate, "c")
    s.arrow(x, side, via="up")
    for before, after in itertools.pairwise((x, *near, times, again, y)):
        s.arrow(before, after)
    for end in (times, again):
        s.arrow(gate, end, "c 1 1")
    s.arrow(side, again, "c h w")
    return s


def test_from_the_top_down_nothing_overlaps_and_nothing_leaves_the_drawing():
    s = sample()
    placing = Down(s.nodes, s.arrows)
    boxes = []
    for node in s.nodes:
        spot = placing.spot(node)
        boxes.append(
            (spot.x - spot.half_width, spot.y - spot.half_height,
             spot.x + spot.half_width, spot.y + spot.half_height)
        )  # fmt: skip
    for arrow in s.arrows:
        (x, y), length = placing.way(arrow)[1], 6.6 * len(arrow.shape)
        left = x if placing.anchor(arrow) == "start" else x - length / 2
        if arrow.shape:
            boxes.append((left, y - 8, left + length, y))
    width, height = placing.size
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(boxes, 2):
        assert c <= e or g <= a or d <= f or h <= b
    assert width < 350, "a phone's column"


def test_arrows_from_the_top_down_touch_both_their_ends():
    s = sample()
    placing = Down(s.nodes, s.arrows)
    for arrow in s.arrows:
        points = placing.way(arrow)[0]
        for node, (x, y) in ((arrow.start, points[0]), (arrow.end, points[-1])):
            spot = placing.spot(node)
            assert abs(x - spot.x) <= spot.half_width
            assert abs(y - spot.y) <= spot.half_height


# ---------------------------------------------------------------- control


def lines(r, strength):
    lines.calls.append((r, strength))
    return {"SE": [r, strength, r * strength], "plain": [0.0, 0.0, 0.0]}


lines.calls = []


def control(**changes):
    options = {
        "id": "se-control", "alt": ALT, "sliders": {"r": [1, 2], "strength": [0.5, 1.0, 2.0]},
        "series": {"SE": "mechanism", "plain": "plain"}, "x": ("x", [0, 1, 2]), "y": ("y", (0, 4)),
        "start": {"strength": 1.0},
    }  # fmt: skip
    return views.control(lines, **(options | changes))


def test_the_static_alternative_holds_every_setting():
    spec = spec_of(control())
    table = floats(spec["curves"]).reshape(2, 3, 2, 3)
    for i, r in enumerate([1, 2]):
        for j, strength in enumerate([0.5, 1.0, 2.0]):
            np.testing.assert_allclose(table[i, j, 0], [r, strength, r * strength])
    assert spec["start"] == [0, 1]
    assert spec["sliders"] == {"r": [1, 2], "strength": [0.5, 1.0, 2.0]}


def test_with_a_kernel_moving_a_slider_computes_again():
    view = control()
    bundle = view._repr_mimebundle_()
    assert {"text/html", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    row, image, status = view.widget.children
    before = image.value
    lines.calls.clear()
    row.children[1].value = 2.0
    assert lines.calls == [(1, 2.0)]
    assert image.value != before
    assert status.value == "at x 2: SE 2.000, plain 0.000"
    assert isinstance(row.children[0], ipywidgets.SelectionSlider)


def test_a_control_is_live_with_ipywidgets_7_too():
    class Old:
        """Widgets of ipywidgets 7 have no bundle of their own."""

        model_id = "0123"

    view = control()
    view.widget = Old()
    bundle = view._repr_mimebundle_()
    assert "text/html" in bundle
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == "0123"


def test_a_control_that_cannot_work_is_refused():
    with pytest.raises(ValueError, match="slider 'r' has no settings"):
        control(sliders={"r": [], "strength": [1.0]})
    with pytest.raises(ValueError, match="start strength=7 is not among"):
        control(start={"strength": 7})
    with pytest.raises(ValueError, match="compute returned"):
        control(series={"SE": "mechanism"})
    with pytest.raises(ValueError, match="3 points for 2 values of x"):
        control(x=("x", [0, 1]))


def test_the_branch_wing_s_diagrams_are_those_of_the_page(repository):
    """``python -m attncourse wings > book/_data/wings.json``."""
    from attncourse.views import wings

    stored = json.loads((repository / "book/_data/wings.json").read_text(encoding="utf-8"))
    assert stored["branch"] == wings.branch()
