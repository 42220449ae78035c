"""The cover: its demonstration computes what Python computes, and it leads into the course."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest

from tests.book.cover import DATA, assert_python_s, photograph

WORDS = ("what", "where", "when", "which")
PAGE = "book/intro.html"
X = photograph()


@pytest.fixture
def cover(stay):
    """The demonstration, as it is at the start."""
    page = stay(PAGE).page
    page.wait_for_selector("#cover[data-state]")
    return page


def state(page):
    return json.loads(page.locator("#cover").get_attribute("data-state"))


def choose(page, word):
    page.locator("#cover .ac-choice").first.get_by_label(word, exact=True).check()
    assert state(page)["kind"] == word


@pytest.mark.browser
@pytest.mark.parametrize("word", WORDS)
def test_numbers_are_python_s_at_every_setting(cover, word):
    choose(cover, word)
    seen = [state(cover)]
    assert_python_s(X, seen[0])
    panel = cover.locator("#cover .ac-cover-panel")
    for control in panel.locator(".ac-choice input:visible").all():
        chosen = control.is_checked()
        control.check()
        seen.append(state(cover))
        assert chosen or seen[-1] != seen[-2], "a choice does nothing"
        assert_python_s(X, seen[-1])
    for slider in panel.locator("input[type=range]:visible").all():
        slider.focus()
        cover.keyboard.press("Home")
        seen.append(state(cover))
        assert seen[-1] != seen[-2], "a slider does nothing"
        assert_python_s(X, seen[-1])
    for canvas in panel.locator("canvas[tabindex]:visible").all():
        canvas.focus()
        for key in ("ArrowRight", "ArrowDown", "End", "Home"):
            cover.keyboard.press(key)
            seen.append(state(cover))
            assert_python_s(X, seen[-1])
    weights = [s["gates" if word == "what" else "weights"] for s in seen]
    assert len({json.dumps(w) for w in weights}) >= 3, "the controls change the weights"


@pytest.mark.browser
def test_g_takes_the_gates_back(cover):
    choose(cover, "what")
    cover.locator("#cover input[type=range]").first.focus()
    cover.keyboard.press("End")
    assert state(cover)["gates"][0] == 1
    cover.get_by_role("button", name="let g decide").click()
    assert state(cover)["by"] == "g"
    assert_python_s(X, state(cover))


@pytest.mark.browser
def test_a_finger_moves_the_query(stay, cover):
    choose(cover, "where")
    reader = stay(PAGE, width=390, touch=True)
    canvas = cover.locator("#cover canvas[tabindex]:visible").first
    canvas.scroll_into_view_if_needed()
    found = []
    for across, down in ((0.36, 0.38), (0.55, 0.83)):
        box = canvas.bounding_box()
        reader.tap(box["x"] + across * box["width"], box["y"] + down * box["height"])
        found.append(state(cover))
        assert_python_s(X, found[-1])
    assert found[0]["query"] != found[1]["query"]


def test_an_eye_finds_the_other_eye():
    """What the text without scripts says: both eyes get the largest weights."""
    from tests.book.cover import where

    weights = where(X, {"sharp": 12, "query": 7 * 30 + 10})["weights"].reshape(20, 30)
    eyes = weights[5:10, 9:14].sum() + weights[7:11, 19:23].sum()
    assert eyes > 3 * (25 + 16) / 600
    assert weights[7:11, 19:23].max() > np.quantile(weights, 0.97)


def test_noise_moves_the_weight_to_the_blurred_branch():
    from tests.book.cover import which

    shares = [which(X, {"amount": a, "hand": 0})["weights"][1] for a in (0, 0.3, 0.6)]
    assert shares[0] < 0.1
    assert shares[2] > 0.9
    assert shares == sorted(shares)


def test_the_photograph_is_the_one_that_scikit_image_ships():
    pytest.importorskip("skimage")
    from tools import cover as tool

    expected = np.asarray(tool.photograph(), dtype=int)
    assert np.abs(expected - np.round(255 * X)).max() <= 1
    data, stored = tool.data(), json.loads(DATA.read_text(encoding="utf-8"))
    assert {k: data[k] for k in ("map", "source")} == {k: stored[k] for k in ("map", "source")}
    png = base64.b64decode(stored["photo"])
    assert not {b"iCCP", b"gAMA"} & {png[i : i + 4] for i in range(len(png))}
    from PIL import Image

    assert Image.open(io.BytesIO(png)).size == (240, 160)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_first_screen_shows_the_picture(stay, width):
    page = stay(PAGE, width=width).page
    page.evaluate("scrollTo(0, 0)")
    box = page.locator("#cover canvas:visible").first.bounding_box()
    assert box["y"] + box["height"] < 800


@pytest.mark.browser
def test_without_scripts_there_is_the_photograph_and_what_it_shows(visit):
    page = visit(PAGE, javascript=False).page
    assert page.locator("#cover > img.ac-poster").is_visible()
    assert "both eyes" in page.locator("#cover > p.ac-poster").text_content()


@pytest.mark.browser
def test_the_cover_leads_to_the_first_chapter(html):
    text = (html / PAGE).read_text(encoding="utf-8")
    first = 'href="foundations/what_is_attention.html"'
    assert f'class="ac-begin"><a {first}' in text
    following = text[text.index('class="right-next"') :]
    assert following.index(first) < 200


@pytest.mark.browser
@pytest.mark.parametrize("page", [PAGE, "book/spatial/non_local.html"])
def test_a_page_says_what_it_is_to_other_sites(html, page):
    head = (html / page).read_text(encoding="utf-8").split("</head>")[0]
    for mark in ('name="description"', 'property="og:title"', 'property="og:description"'):
        assert head.count(mark) == 1
    assert "_static/cover-light.png" in head
