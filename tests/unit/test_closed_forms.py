"""A function of whole numbers, written down as an expression; its paths, its refusals."""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path

import pytest

from attncourse.attention import GROWTHS, Card
from attncourse.catalog import CARDS
from attncourse.closed_forms import (
    SETTINGS,
    closed_forms,
    evaluate,
    expression,
    javascript,
    values,
)


@pytest.mark.parametrize("a", [1, 7, 12])
@pytest.mark.parametrize("b", [1, 5, 40])
def test_arithmetic_keeps_its_meaning(a, b):
    def form(a, b):
        return 3 + 2 * a * (b - 1) + -(-a * b // 4) + (a + b) ** 2 - a % 5 + (2 - a) * 10 // b

    assert evaluate(expression(form, ("a", "b")), {"a": a, "b": b}) == form(a, b)


@pytest.mark.parametrize(("a", "b"), list(itertools.product([1, 4, 9, 64], repeat=2)))
def test_each_answer_to_a_question_is_followed(a, b):
    def form(width, divisor):
        if divisor > width:
            raise ValueError("too few channels")
        return max(width // divisor, 4) + (1 if width == 9 else 0)

    found = evaluate(expression(form, ("a", "b")), {"a": a, "b": b})
    assert math.isnan(found) if b > a else found == form(a, b)


def test_javascript_says_the_same_in_its_own_words():
    def form(a, b):
        if a < 1:
            raise ValueError("too few channels")
        return -a // b if a == b else a**2 % b

    assert javascript(expression(form, ("a", "b"))) == (
        "((a < 1) ? NaN : ((a === b) ? Math.floor((-a) / b) : ((a ** 2) % b)))"
    )
    with pytest.raises(TypeError, match="may not hold a / b"):
        javascript("a / b")


def test_too_many_paths_are_refused():
    with pytest.raises(RuntimeError, match="over 64 paths"):
        expression(lambda a: sum(1 for k in range(80) if a > k), ("a",))


def test_a_loop_over_a_size_is_noticed():
    card = CARDS[0]
    fields = {name: getattr(card, name) for name in card.__dataclass_fields__}
    looping = Card(**fields | {"parameters": lambda channels: sum(2 for _ in range(channels))})
    with pytest.raises(RuntimeError, match="parameters does something that cannot be written down"):
        closed_forms(looping)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_every_card_can_be_written_down(card):
    forms = closed_forms(card)
    for key in ("parameters", "macs"):
        assert set(re.findall(r"\b[A-Z]\b|\br\b", forms[key])) <= {*SETTINGS, "r"}
    assert forms["at_start"] == values(card, SETTINGS)
    assert forms["at_start"]["parameters"] >= 0  # SimAM has none
    assert forms["at_start"]["macs"] > 0


def test_a_card_names_a_known_growth():
    fields = {name: getattr(CARDS[0], name) for name in CARDS[0].__dataclass_fields__}
    with pytest.raises(ValueError, match="growth='enormous' is unknown: choose one of C, "):
        Card(**fields | {"growth": "enormous"})
    assert len(set(GROWTHS)) == len(GROWTHS)


def test_no_form_speaks_python_where_a_page_reads_it():
    """A switch that counts as a number is written as one."""
    for record in json.loads(
        (Path(__file__).parents[2] / "book/_data/catalog.json").read_text(encoding="utf-8")
    ):
        for form in ("parameters", "macs"):
            assert not re.search(r"\b(True|False|None)\b", record["closed_forms"][form])
