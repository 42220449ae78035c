"""Explorers in a browser: scale, names, ring, sharpness, and text that a phone can show."""

from __future__ import annotations

import base64
import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from attncourse import views

pytestmark = pytest.mark.browser
ALT = "Small arrays of random numbers, as a mechanism could give them, to point at."
RNG = np.random.default_rng(2)


def weights(count):
    """Maps of growing weights, as float16, which the page holds them as."""
    made = RNG.random((count, count)) * np.linspace(0.1, 1, count)[:, None]
    return made.astype(np.float16).astype(float)


MAPS, FINE = weights(12), weights(64)


def film_picture():
    figure, axes = plt.subplots(figsize=(6.0, 2.0))
    axes.plot([0, 1])
    axes.imshow([[0, 1], [1, 0]], aspect="auto")
    return views.show(figure, alt=ALT, dpi=90)


def every_explorer():
    return [
        views.explore_attention(
            MAPS, (3, 4), id="att", alt=ALT, image=RNG.random((12, 16, 3)), start=(0, 0),
            names={(0, 0): "white A", (2, 3): "the cue"}, place="frame {n}", weight="sensitivity",
        ),
        views.explore_attention(MAPS, (3, 4), id="plain", alt=ALT),
        views.explore_attention(FINE, (8, 8), id="fine", alt=ALT, relative=True),
        views.explore_gates(
            RNG.random((6, 8)), id="gates", alt=ALT, rows=list("abcdef"), columns=list("abcdefgh"),
            images=RNG.integers(0, 256, (6, 5, 7), dtype=np.uint8),
        ),
        views.explore_curves(
            RNG.random((2, 2, 5)), id="curves", alt=ALT, sliders={"r": [1, 2]},
            series={"with a gate": "mech", "without": "plain"},
            x=("items in the display, counted from the first to the last", list(range(5))),
            y=("score", (0, 1)), start=[0], poster=film_picture(),
        ),
        views.explore_frames([film_picture(), film_picture()], id="film", alt=ALT, label="step"),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def page(browser):
    """One page with all of them, on a phone with a fine screen and a keyboard."""
    context = browser.new_context(
        viewport={"width": 390, "height": 800}, has_touch=True, device_scale_factor=2
    )
    page = context.new_page()
    failures = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    shown = "".join(view._repr_mimebundle_()["text/html"] for view in every_explorer())
    page.set_content(f"<!doctype html><body>{shown}</body>")
    yield page
    assert failures == []
    context.close()


def state(page, name):
    return json.loads(page.locator(f"#{name}").get_attribute("data-state"))


def words(page, name):
    return page.locator(f"#{name} .ac-read").text_content()


def test_all_maps_share_one_scale_until_the_reader_chooses(page):
    page.locator("#att canvas[tabindex]").focus()
    for key in ("Home", "End"):
        page.keyboard.press(key)
        assert state(page, "att")["limit"] == pytest.approx(MAPS.max(), abs=1e-6)
    page.keyboard.press("Home")
    own = page.get_by_role("button", name="scale to this map").first
    assert own.get_attribute("aria-pressed") == "false"
    own.click()
    assert own.get_attribute("aria-pressed") == "true"
    assert state(page, "att")["limit"] == pytest.approx(MAPS[0].max(), abs=1e-6)
    bar = page.locator("#att .ac-scale")
    assert bar.text_content() == f"sensitivity, 0 to {100 * MAPS[0].max():.1f} % in this map"
    own.click()
    assert "in all maps" in bar.text_content()


def test_positions_have_the_chapter_s_own_names(page):
    page.locator("#att canvas[tabindex]").focus()
    page.keyboard.press("Home")
    assert words(page, "att").startswith("Chosen: white A. The largest sensitivity, ")
    page.keyboard.press("ArrowRight")
    assert words(page, "att").startswith("Chosen: frame 2. ")
    page.keyboard.press("End")
    assert words(page, "att").startswith("Chosen: the cue. ")
    page.locator("#plain canvas[tabindex]").focus()
    page.keyboard.press("End")
    assert words(page, "plain").startswith("Chosen: row 3, column 4. The largest weight, ")


def pixels(page, name, nth):
    """(h, w, 3) of a canvas, as a picture: as text its numbers would be megabytes."""
    url = page.locator(f"#{name} canvas").nth(nth).evaluate("n => n.toDataURL('image/png')")
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.asarray(picture.convert("RGBA"))[..., :3]


def test_colours_are_those_of_the_shared_scale(page):
    page.locator("#plain canvas[tabindex]").focus()
    page.keyboard.press("Home")
    image, table = pixels(page, "plain", 1), plt.colormaps["magma"](np.linspace(0, 1, 256))[:, :3]
    for n in (5, 11):
        middle = image[
            int((n // 4 + 0.5) * len(image) / 3), int((n % 4 + 0.5) * image.shape[1] / 4)
        ]
        wanted = 255 * table[round(255 * MAPS[0, n] / MAPS.max())]
        np.testing.assert_allclose(middle, wanted, atol=2)


def test_weights_lie_over_the_image(page):
    before = pixels(page, "att", 1)
    page.get_by_role("button", name="lay over the image").click()
    assert state(page, "att")["over"]
    over = pixels(page, "att", 1)
    assert np.abs(over.astype(int) - before).mean() > 10
    page.get_by_role("button", name="lay over the image").click()
    np.testing.assert_array_equal(pixels(page, "att", 1), before)


@pytest.mark.parametrize("key", ["Home", "End"])
def test_the_ring_is_whole_in_the_corners(page, key):
    """Its dark rim, which nothing else in the picture has, keeps off the edges of the canvas."""
    page.locator("#fine canvas[tabindex]").focus()
    page.keyboard.press(key)
    image = pixels(page, "fine", 0).astype(int)
    rim = np.argwhere(np.abs(image - [29, 35, 42]).max(axis=2) < 3)
    assert len(rim) > 50
    (top, left), (bottom, right) = rim.min(axis=0), rim.max(axis=0)
    assert top >= 1
    assert left >= 1
    assert bottom < len(image) - 1
    assert right < image.shape[1] - 1
    assert abs((bottom - top) - (right - left)) <= 2, "it is a circle"


def test_a_chapter_may_begin_with_each_map_on_its_own_scale(page):
    page.locator("#fine canvas[tabindex]").focus()
    page.keyboard.press("Home")
    assert state(page, "fine")["limit"] == pytest.approx(FINE[0].max(), abs=1e-6)
    own = page.locator("#fine").get_by_role("button", name="scale to this map")
    assert own.get_attribute("aria-pressed") == "true"


def test_cells_join_without_seams(page):
    """Far from the chosen cell a column of the map has no colours but those of its cells."""
    for name, rows in (("plain", 3), ("fine", 8)):
        page.locator(f"#{name} canvas[tabindex]").focus()
        page.keyboard.press("Home")
        side = pixels(page, name, 1)[:, -3]
        assert len(np.unique(side, axis=0)) <= rows


def test_canvases_have_the_screen_s_own_resolution(page):
    for name in ("att", "plain"):
        for canvas in page.locator(f"#{name} canvas").all():
            assert canvas.evaluate("n => n.width / n.clientWidth") == pytest.approx(2, abs=0.02)
    sizes = page.locator("#gates canvas").evaluate_all(
        "all => all.map(n => n.width / n.clientWidth)"
    )
    assert [sizes[0], sizes[2]] == pytest.approx([2, 2], abs=0.02)


def test_films_are_drawings(page):
    """Sharp on every screen, with the pixels that the figure has."""
    film = page.locator("#film .ac-frame")
    film.scroll_into_view_if_needed()
    assert film.get_attribute("src").startswith("data:image/svg+xml,")
    assert film.evaluate("n => n.decode().then(() => n.naturalWidth)") == 576, "6 inches"
    assert film.evaluate("n => n.naturalWidth / n.naturalHeight") == pytest.approx(3, rel=0.01)
    fine = film.evaluate(
        """async n => {
        const c = document.createElement("canvas"), side = c.width = 2 * n.clientWidth;
        c.height = 2 * n.clientHeight;
        const d = c.getContext("2d");
        d.drawImage(n, 0, 0, c.width, c.height);
        const row = d.getImageData(0, c.height * 3 / 8, c.width, 1).data;
        return new Set([...row].map((v, k) => row.slice(k - k % 4, k - k % 4 + 4).join())).size;
        }"""
    )
    assert fine < 20, "its two pixels and a few lines, without shades between them"


def test_picture_and_map_share_a_phone_s_screen(page):
    picture, weights = (page.locator("#att canvas").nth(n).bounding_box() for n in (0, 1))
    assert abs(picture["y"] - weights["y"]) < 2
    assert weights["x"] > picture["x"] + picture["width"]
    assert weights["x"] + weights["width"] <= 391


def test_text_keeps_ten_pixels_on_a_phone(page):
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("#curves svg text")].map(text => {
            const svg = text.closest("svg"), scale = svg.clientWidth / svg.viewBox.baseVal.width;
            return parseFloat(getComputedStyle(text).fontSize) * scale;
        })"""
    )
    assert sizes
    assert min(sizes) >= 10
    assert page.locator("#curves .ac-key").is_visible(), "series are named where it is narrow"
    film = page.locator("#film .ac-frame").evaluate("n => n.clientWidth / 600")
    assert 10 / 72 * 100 * film >= 10, "matplotlib's ten points at 100 pixels an inch"
    assert page.evaluate("document.documentElement.scrollWidth") <= 391


def test_a_long_label_of_curves_stands_in_two_lines_on_a_phone(page):
    assert "the last" in page.locator("#curves svg").text_content()
    outside = page.evaluate(
        """() => {
        const room = document.querySelector("#curves svg").getBoundingClientRect();
        return [...document.querySelectorAll("#curves svg text")].filter(text => {
            const box = text.getBoundingClientRect();
            return box.left < room.left - 1 || box.right > room.right + 1
                || box.bottom > room.bottom + 1;
        }).map(text => text.textContent);
        }"""
    )
    assert outside == []


def test_curves_name_their_lines_beside_them_at_a_desk(page):
    page.set_viewport_size({"width": 1000, "height": 800})
    page.wait_for_selector("#curves .ac-key", state="hidden")
    assert "without" in page.locator("#curves svg").text_content()
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_selector("#curves .ac-key", state="visible")


def test_gates_say_what_is_across_down_and_bright(page):
    assert page.locator("#gates .ac-axis").text_content() == "image ↓ channel →"
    assert page.locator("#gates .ac-scale").text_content() == "gate, 0 to 1"
