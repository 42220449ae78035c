"""The table of promises: it shows numbers, it can fail, and its text does not change."""

from __future__ import annotations

import configparser
import re

import numpy as np
import pytest
import torch

from attncourse import views


def shown(*rows):
    return views.promises(*rows)._repr_mimebundle_()


def test_it_shows_the_worst_deviation_of_any_array():
    x = torch.tensor([[1e-13, -3.4e-12], [0.0, 2e-12]], requires_grad=True)
    html = shown(("rows <sum> to one", x, 1e-10), ("counts", np.array([0, 0]), 0))["text/html"]
    assert '<th scope="row">rows &lt;sum&gt; to one</th>' in html
    assert '<td class="ac-worst">3.4e-12</td><td>1e-10</td>' in html
    assert '<td class="ac-worst">0</td><td>0</td>' in html


@pytest.mark.parametrize("off", [2e-10, -2e-10, float("nan"), float("inf")])
def test_a_broken_promise_raises_and_is_named(off):
    with pytest.raises(views.BrokenPromise, match=r"broken promise: two: off by .*, bound 1e-10$"):
        shown(("one", 0.0, 1e-10), ("two", [0.0, off], 1e-10))


def test_what_proves_nothing_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        views.promises()
    with pytest.raises(ValueError, match="'x' was tried on nothing"):
        views.promises(("x", [], 1))
    for bound in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="the bound of 'x'"):
            views.promises(("x", 0, bound))


def test_rounding_errors_leave_the_compared_output_alone(repository):
    """What nbval compares, with its rules of what to leave out, is the same in two runs."""
    config = configparser.ConfigParser()
    config.read(repository / "tests/sanitize.cfg")
    kept = []
    for off in (2.2e-16, 4.4e-16):
        bundle = shown(("rows sum to one", off, 1e-12))
        for rule in config.values():
            if "regex" in rule:
                bundle = {k: re.sub(rule["regex"], rule["replace"], v) for k, v in bundle.items()}
        kept.append(bundle)
    assert kept[0] == kept[1]
    assert "within 1e-12" in kept[0]["text/plain"]
    assert "2.2e-16" not in str(kept[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0344, "0.034"), (12, "12"), (1234, "1234"), (1e-10, "1e-10"), (25e6, "2.5e7")],
)
def test_numbers_are_short(value, text):
    assert f"<td>{text}</td>" in shown(("x", 0, value))["text/html"]
