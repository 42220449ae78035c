"""The chapter on cost: what is predicted, what is recorded, and what the text says of it."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from attncourse.catalog import CARDS, find
from attncourse.closed_forms import SETTINGS, evaluate, formulas, values
from attncourse.experiments import published, record
from attncourse.experiments.closing.cost import (
    BLOCKS,
    EXPERIMENTS,
    SHAPES,
    TASK,
    VARIANTS,
    Block,
    Case,
    after_one_factor,
    cases,
    experiment,
    octaves,
    order_kept,
    predictors,
    step_of,
)
from attncourse.experiments.closing.cost.blocks import Times, measured
from attncourse.roofline import Operator, Speeds, Work

CHAPTER = "closing/cost"
TINY = (Block("one", lambda c: nn.Conv2d(c, c, 1), lambda c, h, w: c * c * h * w),)
SPEEDS = Speeds(rate=100.0, bandwidth=10.0, call=0.5, of_products=50.0)
CASE = Case(
    block="one", shape=(1, 2, 3, 3), multiply_adds=300, parameters=6, through=40,
    operators=(
        Operator("mm", Work(200, 100, 1)),
        Operator("add", Work(0, 60, 1)),
    ),
)  # fmt: skip


# ---------------------------------------------------------------- what is predicted


@pytest.mark.parametrize(
    ("rule", "seconds"),
    [
        (predictors.by_multiply_adds, 3.0),
        (predictors.by_parameters, 2.4),
        (predictors.by_bytes, 4.0),
        (predictors.by_roofline, 4.0),
        (predictors.by_roofline_and_calls, 5.0),
        (predictors.by_traffic, 16.0),
        (predictors.by_operators, 10 + 6 + 1.0),
    ],
)
def test_a_rule_predicts(rule, seconds):
    assert rule(CASE, SPEEDS) == pytest.approx(seconds)


def test_a_prediction_that_is_half_of_the_time_is_one_octave_off():
    assert octaves(np.array([2.0, 1.0]), np.array([1.0, 4.0])).tolist() == [1, -2]


def test_the_one_factor_comes_from_the_other_blocks():
    off, units = np.array([5.0, 5.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 1, 1])
    assert after_one_factor(off, units).tolist() == [3, 3, -4, -3, -2]
    assert off.tolist() == [5, 5, 1, 2, 3], "the octaves are left as they were"


def test_a_factor_of_two_is_one_octave_up_or_down():
    off = np.array([-1.0, 1.0, 1.01, -1.5, 0.0])
    assert experiment.within_two(off).tolist() == [1, 1, 0, 0, 1]


def test_order_is_compared_within_a_size():
    seconds, predicted = np.array([1.0, 2.0, 3.0, 0.1]), np.array([1.0, 3.0, 2.0, 9.0])
    groups, ones = np.array([0, 0, 0, 1]), np.ones(4)
    assert order_kept(seconds, predicted, groups, ones) == pytest.approx(2 / 3)
    assert order_kept(seconds, predicted, groups, np.array([1.0, 1, 0, 1])) == 1


def test_blocks_are_those_of_the_course_and_two_convolutions():
    assert len(BLOCKS) == 2 + sum(card.drop_in for card in CARDS)
    assert len({block.name for block in BLOCKS}) == len(BLOCKS)
    assert {predicted[1] for predicted in SHAPES} == {64, 128, 256, 512}


def test_a_case_counts_a_step():
    (case,) = cases(((2, 4, 3, 5),), TINY)
    assert case.multiply_adds == 3 * 2 * 16 * 15
    assert case.products == case.multiply_adds, "one forward, two back"
    assert case.parameters == 16 + 4
    assert case.through == 4 * (4 * 2 * 4 * 15 + 2 * 20)
    assert case.moved > 4 * 4 * 2 * 4 * 15
    assert case.label == "one, 2 x 4 x 3 x 5"


def test_a_step_gives_all_gradients():
    gradients = step_of(TINY[0], (2, 4, 3, 5))()
    assert [tuple(g.shape) for g in gradients] == [(2, 4, 3, 5), (4, 4, 1, 1), (4,)]


def test_a_process_measures_every_case():
    found = measured(0, 3, [(1, 4, 3, 3), (1, 4, 5, 5)], TINY)
    assert len(found.seconds) == 2
    assert min(found.seconds) > 0


# ---------------------------------------------------------------- how it is recorded


@pytest.fixture
def few_cases(monkeypatch):
    """The experiment on three made-up cases of two blocks, with made-up times."""
    made = tuple(
        Case(name, (1, 2, 3, 3), adds, 6, 40, CASE.operators)
        for name, adds in (("convolution", 300), ("convolution", 600), ("depthwise convolution", 9))
    )
    monkeypatch.setattr(experiment, "cases", lambda shapes: made)
    monkeypatch.setattr(
        experiment, "times_of", lambda seed, repeats: Times(SPEEDS, (3.0, 7.0, 5.0 + seed))
    )


def test_a_run_is_scored_and_keeps_what_was_measured(few_cases, tmp_path):
    lines = []
    found = record(CHAPTER, EXPERIMENTS, [0, 1], tmp_path / "cost.json", say=lines.append)
    assert len(lines) == 2 * 2 * len(VARIANTS)
    stands = found.experiments["as_it_stands"]["runs"]
    first = [run for run in stands if run["variant"] == VARIANTS[0].name]
    assert [run["score"] for run in first] == pytest.approx([2 / 3, 2 / 3])
    assert [run["kept"]["seconds"] for run in first] == [[3.0, 7.0, 5.0], [3.0, 7.0, 6.0]]
    assert first[0]["kept"]["speeds"]["rate"] == 100
    assert all("kept" not in run for run in stands if run["variant"] != VARIANTS[0].name)
    again = []
    record(CHAPTER, EXPERIMENTS, [0, 1], tmp_path / "cost.json", say=again.append)
    assert all(line.endswith("recorded already") for line in again)


def test_predictions_are_not_scored_as_networks_are():
    with pytest.raises(TypeError, match="its experiment's own measure"):
        EXPERIMENTS[0].score(VARIANTS[0].build(), *TASK.test_set())


# ---------------------------------------------------------------- what the chapter says


@pytest.fixture(scope="module")
def recorded():
    return published(CHAPTER)


@pytest.fixture(scope="module")
def kept(recorded):
    runs = recorded.experiments["as_it_stands"]["runs"]
    return [run["kept"] for run in runs if "kept" in run]


def test_five_processes_measured_every_case(kept):
    assert len(kept) == 5
    assert {len(run["seconds"]) for run in kept} == {len(BLOCKS) * len(SHAPES)}


def test_processes_agree_better_than_any_rule(kept):
    logs = np.log2([run["seconds"] for run in kept])
    apart = [np.median(abs(a - b)) for a, b in pairwise(logs)]
    assert 2 ** max(apart) < 1.15


def test_what_is_clear_and_what_is_not(recorded):
    found = recorded.compare("after_one_factor", "multiply-adds")
    clear = {row.name for row in found.rows if row.gain and row.gain.verdict == "clear"}
    assert clear == {"roofline", "roofline and calls", "operator by operator"}
    assert found["roofline"].summary.mean == pytest.approx(2 / 3, abs=0.02)
    stands = recorded.compare("as_it_stands", "multiply-adds")
    few = [row.summary.mean for row in stands.rows if row.name != "operator by operator"]
    assert max(few) < 0.25
    lead = recorded.compare("after_one_factor", "roofline")["operator by operator"].gain
    assert lead.verdict == "no clear effect"
    assert (lead.mean, lead.low, lead.high) == pytest.approx((0.11, -0.08, 0.29), abs=0.006)


def test_multiply_adds_tell_the_order_and_not_the_ratio(kept):
    names = [(shape, block.name) for shape in SHAPES for block in BLOCKS]
    adds = np.array([
        3.0 * s[0] * b.multiply_adds(*s[1:]) for s in SHAPES for b in BLOCKS
    ])  # fmt: skip
    sizes = np.array([SHAPES.index(shape) for shape, _ in names])
    seconds = np.array([run["seconds"] for run in kept])
    kept_order = [order_kept(t, adds, sizes, np.ones(len(t))) for t in seconds]
    assert np.mean(kept_order) == pytest.approx(0.9, abs=0.01)
    slopes = [np.polyfit(np.log(adds), np.log(t), 1)[0] for t in seconds]
    assert np.mean(slopes) == pytest.approx(0.58, abs=0.01)
    assert 100 ** np.mean(slopes) == pytest.approx(14, abs=1)


def test_triplet_attention_beside_the_convolution(kept):
    triplet, conv = (
        [n for n, b in enumerate(BLOCKS * len(SHAPES)) if b.name == name]
        for name in ("triplet attention", "convolution")
    )
    faster = [np.divide(*np.array(run["seconds"])[[conv, triplet]]) for run in kept]
    assert (np.min(faster), np.max(faster)) == pytest.approx((0.8, 2.7), abs=0.05)
    adds = {block.name: block.multiply_adds for block in BLOCKS}
    fewer = [adds["convolution"](*s[1:]) / adds["triplet attention"](*s[1:]) for s in SHAPES]
    assert (min(fewer), max(fewer)) == pytest.approx((46, 145), abs=0.5)


def test_speeds_are_as_the_text_says(kept):
    products = [run["speeds"]["of_products"] / 1e9 for run in kept]
    rates = [run["speeds"]["rate"] / 1e9 for run in kept]
    assert (round(min(products)), round(max(products))) == (54, 57)
    assert (round(min(rates)), round(max(rates))) == (101, 121)


# ---------------------------------------------------------------- the machine's closed forms


@pytest.mark.parametrize("card", [c for c in CARDS if c.drop_in], ids=lambda card: card.stem)
def test_formulas_are_the_closed_forms(card):
    said = values(card, SETTINGS)
    assert {key: evaluate(text, SETTINGS) for key, text in formulas(card).items()} == said


def test_maps_in_the_machine_are_those_of_the_modules(repository):
    """The chapter states how many numbers g(x) has; its modules say the same."""
    notebook = json.loads((repository / "book" / f"{CHAPTER}.ipynb").read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"]]
    (cell,) = [source for source in code if "roofline_machine(" in source]
    stated = {}

    def of_card(name, stem, map):
        stated[stem] = map

    listed = cell.split("blocks = ")[1].split("\nroofline_machine")[0]
    eval(listed, {"of_card": of_card, "CostForm": lambda *a: None})
    assert len(stated) == 6
    for stem, text in stated.items():
        weights = find(stem).module(32).g(torch.randn(1, 32, 12, 12))
        parts = weights if isinstance(weights, tuple) else (weights,)
        numbers = sum(part.numel() for part in parts)
        assert evaluate(text, {"C": 32, "H": 12, "W": 12}) == numbers, stem
