"""The warp explorer in a browser: its numbers are Python's, by mouse, finger and keyboard."""

from __future__ import annotations

import json

import numpy as np
import pytest

from attncourse import views
from attncourse.views.warp import read_bilinear, warp_points

ALT = "A digit under a grid of points, and beside it what the points read."
IMAGE = np.random.default_rng(3).random((12, 10)).astype("f4")
PRESETS = {"turned": (0.5, -0.86, 0.2, 0.86, 0.5, -0.1), "far away": (1, 0, 2, 0, 1, 2)}


@pytest.fixture(scope="module")
def explorer():
    """The explorer's HTML; drawing its poster takes longer than a page with it."""
    view = views.explore_warp(IMAGE, id="warp", alt=ALT, out_size=(5, 6), presets=PRESETS)
    return view._repr_mimebundle_()["text/html"]


@pytest.fixture
def opened(browser, explorer):
    """A page that holds nothing but the explorer."""
    contexts = []

    def open_page(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_content(f"<!doctype html><body>{explorer}</body>")
        return page

    yield open_page
    for context in contexts:
        context.close()


def state(page):
    return json.loads(page.locator("#warp").get_attribute("data-state"))


def assert_python_s(shown):
    grid = warp_points(shown["theta"], (5, 6))
    np.testing.assert_allclose(shown["values"], read_bilinear(IMAGE, grid).ravel(), atol=1e-6)
    assert shown["outside"] == int((np.abs(grid) > 1).any(axis=-1).sum())


def handle(page, x, y):
    """Where in the window a normalised place lies."""
    box = page.locator("#warp canvas[tabindex]").first.bounding_box()
    return (box["x"] + (x / 1.5 + 1) / 2 * box["width"],
            box["y"] + (y / 1.5 + 1) / 2 * box["height"])  # fmt: skip


def test_it_starts_as_the_identity_and_the_poster_makes_way(opened):
    page = opened()
    shown = state(page)
    assert shown["theta"] == [1, 0, 0, 0, 1, 0]
    assert shown["outside"] == 0
    assert_python_s(shown)
    assert not page.locator(".ac-poster").is_visible()
    assert page.locator(".ac-read").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("name", PRESETS)
def test_buttons_make_settings(opened, name):
    page = opened()
    page.get_by_role("button", name=name).click()
    shown = state(page)
    np.testing.assert_allclose(shown["theta"], PRESETS[name], atol=1e-9)
    assert_python_s(shown)
    page.get_by_role("button", name="identity").click()
    assert state(page)["theta"] == [1, 0, 0, 0, 1, 0]


def test_each_slider_moves_one_number(opened):
    page = opened()
    sliders = page.locator("#warp input[type=range]")
    assert sliders.count() == 6
    for k in range(6):
        before, words = state(page)["theta"], page.locator(".ac-read").text_content()
        sliders.nth(k).focus()
        page.keyboard.press("ArrowRight")
        shown = state(page)
        changed = [n for n in range(6) if abs(shown["theta"][n] - before[n]) > 1e-9]
        assert changed == [k]
        assert shown["theta"][k] == pytest.approx(before[k] + 0.02)
        assert page.locator(".ac-read").text_content() != words
        assert_python_s(shown)


@pytest.mark.parametrize(
    ("start", "end", "changed"),
    [
        ((0, 0), (0.4, -0.2), {2: 0.4, 5: -0.2}),
        ((1, 0), (0.6, 0.5), {0: 0.6, 3: 0.5}),
        ((0, 1), (-0.3, 0.8), {1: -0.3, 4: 0.8}),
    ],
)
def test_each_handle_drags_two_numbers(opened, start, end, changed):
    page = opened()
    page.mouse.move(*handle(page, *start))
    page.mouse.down()
    page.mouse.move(*handle(page, 0.5, 0.5))
    page.mouse.move(*handle(page, *end))
    page.mouse.up()
    shown = state(page)
    wanted = [1, 0, 0, 0, 1, 0]
    for k, v in changed.items():
        wanted[k] = v
    np.testing.assert_allclose(shown["theta"], wanted, atol=0.021)
    assert_python_s(shown)
    page.mouse.move(*handle(page, 0, 0))
    assert state(page) == shown, "nothing is held any more"


def test_a_click_elsewhere_moves_the_centre(opened):
    page = opened()
    page.mouse.click(*handle(page, -0.6, -0.7))
    shown = state(page)
    np.testing.assert_allclose(shown["theta"], [1, 0, -0.6, 0, 1, -0.7], atol=0.021)
    assert_python_s(shown)


def test_arrow_keys_on_the_picture_move_the_grid(opened):
    page = opened()
    page.locator("#warp canvas[tabindex]").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    shown = state(page)
    np.testing.assert_allclose(shown["theta"], [1, 0, 0.04, 0, 1, -0.02], atol=1e-9)
    assert_python_s(shown)
    page.keyboard.press("Home")
    assert state(page)["theta"] == [1, 0, 0, 0, 1, 0]


def test_a_finger_taps_and_drags(opened):
    page = opened(viewport={"width": 390, "height": 800}, has_touch=True)
    page.touchscreen.tap(*handle(page, 0.5, 0.6))
    shown = state(page)
    np.testing.assert_allclose(shown["theta"], [1, 0, 0.5, 0, 1, 0.6], atol=0.021)
    assert_python_s(shown)
    session = page.context.new_cdp_session(page)
    for kind, places in (
        ("touchStart", [(0.5, 0.6)]), ("touchMove", [(0.2, 0.2)]), ("touchMove", [(-0.4, 0.0)]),
        ("touchEnd", []),
    ):  # fmt: skip
        points = [dict(zip("xy", handle(page, *place), strict=True)) for place in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    shown = state(page)
    np.testing.assert_allclose(shown["theta"], [1, 0, -0.4, 0, 1, 0], atol=0.021)
    assert_python_s(shown)


def test_without_scripts_the_poster_stays(opened):
    page = opened(java_script_enabled=False)
    assert page.locator(".ac-poster").is_visible()
    assert page.locator(".ac-poster").get_attribute("alt") == ALT
