"""The page that compares all mechanisms: what it computes equals Python, and it sorts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from attncourse import attention
from attncourse.catalog import CARDS
from attncourse.closed_forms import SETTINGS, values

pytest.importorskip("sphinx")
sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))

from attnbook import comparison

PAGE = "book/compare.html"


def choose(page, letter, choice):
    """Move one slider, as a hand on the keyboard does."""
    slider = page.locator(f"input[data-letter={letter}]")
    choices = slider.get_attribute("data-choices").split()
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(choices.index(str(choice))):
        page.keyboard.press("ArrowRight")


def shown(page):
    """Stem -> what stands in the columns of numbers, in the order of the rows."""
    return page.evaluate(
        """() => Object.fromEntries(
            [...document.querySelectorAll(".ac-compare tbody tr")].map(row => [
                row.dataset.stem,
                [...row.querySelectorAll(".ac-number > span")].map(number => number.innerText),
            ]))"""
    )


def expected(card, settings, reduction=None):
    try:
        found = values(card, settings, reduction)
    except ValueError:
        return None
    return [f"{found[key]:,}" for key in ("parameters", "macs")]


def test_the_extension_and_the_package_agree_on_their_constants():
    assert comparison.GROWTHS == attention.GROWTHS
    assert comparison.START == SETTINGS


@pytest.mark.browser
def test_without_scripts_the_table_stands_at_its_start(visit):
    page = visit(PAGE, javascript=False).page
    assert shown(page) == {card.stem: expected(card, SETTINGS) for card in CARDS}
    assert not page.locator(".ac-compare-controls").is_visible()


@pytest.mark.browser
def test_the_sliders_compute_what_python_computes(visit):
    page = visit(PAGE).page
    assert shown(page) == {card.stem: expected(card, SETTINGS) for card in CARDS}
    for settings, reduction in (
        ({"C": 64, "H": 56, "W": 28, "T": 4, "K": 15}, None),
        ({"C": 2048, "H": 7, "W": 112, "T": 64, "K": 25}, 4),
        ({"C": 32, "H": 28, "W": 7, "T": 8, "K": 20}, 32),
    ):
        for letter, choice in settings.items():
            choose(page, letter, choice)
        choose(page, "r", reduction or "own")
        found = shown(page)
        for card in CARDS:
            wanted = expected(card, settings, reduction)
            if wanted is None:
                assert "not defined" in found[card.stem]
            else:
                assert found[card.stem] == wanted, (card.stem, settings, reduction)


@pytest.mark.browser
@pytest.mark.parametrize("page", [PAGE])
@pytest.mark.parametrize("key", ["name", "year", "category", "parameters", "macs", "growth"])
def test_every_head_sorts_both_ways_and_says_so(stay, page, key):
    page = stay(page).page
    head = page.locator(f"th[data-key={key}]")
    button = head.locator("button")
    orders = {}
    for _ in range(2):
        button.focus()
        page.keyboard.press("Enter")
        direction = head.get_attribute("aria-sort")
        said = {"ascending": "rising", "descending": "falling"}[direction]
        assert said in page.locator(".ac-compare-said").inner_text()
        orders[direction] = page.eval_on_selector_all(
            ".ac-compare tbody tr", "(rows, name) => rows.map(r => r.getAttribute(name))",
            f"data-{key}",
        )  # fmt: skip
    number = str if key == "name" else float
    rising = [number(value) for value in orders["ascending"]]
    assert rising == sorted(rising)
    assert [number(value) for value in orders["descending"]] == sorted(rising, reverse=True)
