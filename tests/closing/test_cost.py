"""The chapter on cost: what is predicted, what is recorded, and what the text says of it."""

import json
from dataclasses import replace
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
    after_constants,
    after_one_factor,
    band,
    cases,
    experiment,
    octaves,
    order_kept,
    predictors,
    score_again,
    step_of,
    times_in,
)
from attncourse.experiments.closing.cost.blocks import Times, measured
from attncourse.experiments.closing.cost.predictors import Predictor
from attncourse.roofline import Operator, Speeds, Work
from attncourse.views.machines import CostForm, roofline

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
        (predictors.by_multiply_adds, 6.0),
        (predictors.by_parameters, 2.4),
        (predictors.by_bytes, 4.0),
        (predictors.by_roofline, 4.0),
        (predictors.by_roofline_and_calls, 5.0),
        (predictors.by_traffic, 16.0),
        (predictors.by_operators, 10 + 6 + 1.0),
        (predictors.by_sum, 4 + 16 + 1.0),
        (predictors.by_adds_and_traffic, (6.0, 16.0)),
    ],
)
def test_a_rule_predicts(rule, seconds):
    assert rule(CASE, SPEEDS) == pytest.approx(seconds)


def test_the_roofline_charges_each_product_at_the_rate_of_its_kernel():
    heavy = replace(CASE, through=1, operators=(Operator("convolution", Work(200, 100, 1)),))
    assert predictors.by_roofline(heavy, SPEEDS) == 2
    assert predictors.by_roofline(replace(CASE, through=1), SPEEDS) == 4


def test_at_one_rate_all_rules_are_told_that_of_a_large_product():
    stands, two = EXPERIMENTS[:2]
    assert (stands.told(SPEEDS).rate, stands.told(SPEEDS).of_products) == (50, None)
    assert two.told(SPEEDS) == SPEEDS
    assert [e.rates for e in EXPERIMENTS] == [1, 2, 1, 1]


def test_a_rule_with_two_times_gives_two_columns():
    rule = Predictor(predictors.by_adds_and_traffic, lambda: [CASE, CASE, CASE])
    assert rule(torch.arange(3), SPEEDS).tolist() == [[6, 16]] * 3


def test_a_prediction_that_is_half_of_the_time_is_one_octave_off():
    assert octaves(np.array([2.0, 1.0]), np.array([1.0, 4.0])).tolist() == [1, -2]


def test_the_one_factor_comes_from_the_other_blocks():
    off, units = np.array([5.0, 5.0, 1.0, 2.0, 3.0]), np.array([0, 0, 1, 1, 1])
    assert after_one_factor(off, units).tolist() == [3, 3, -4, -3, -2]
    assert off.tolist() == [5, 5, 1, 2, 3], "the octaves are left as they were"


def test_two_constants_mend_a_factor_and_an_exponent_and_nothing_else():
    rng = np.random.default_rng(0)
    predicted, units = np.exp(rng.normal(size=12)), np.repeat(np.arange(4), 3)
    seconds = 7 * predicted**0.6
    assert after_constants(seconds, predicted, units) == pytest.approx(0, abs=1e-9)
    other = np.exp(rng.normal(size=12))
    both = np.stack([predicted, other], axis=1)
    assert after_constants(seconds * other**0.2, both, units) == pytest.approx(0, abs=1e-9)
    assert abs(after_constants(seconds * other, predicted, units)).max() > 0.1


def test_no_block_helps_its_own_fit():
    predicted, units = np.array([1.0, 2, 4, 8, 2, 4]), np.array([0, 0, 1, 1, 2, 2])
    seconds = np.array([8.0, 16, 4, 8, 2, 4])
    left = after_constants(seconds, predicted, units)
    assert left[:2] == pytest.approx([3, 3]), "the other blocks are on the line"
    assert abs(left[2:]).max() > 0.1, "and their line is drawn by the block that is not"


def test_pairs_by_ratio():
    seconds = np.array([[1.0, 2, 6, 9], [1.0, 2, 3, 9]])
    counts, sizes = np.array([1, 3, 2, 100]), np.array([0, 0, 0, 1])
    near = predictors.band(seconds, counts, sizes, 1, 2)
    assert (near.pairs, near.right) == (1, 0), "3 against 2: the larger count is faster twice"
    assert near.apart == pytest.approx([(2 / 6 + 2 / 3) / 2])
    rest = predictors.band(seconds, counts, sizes, 2, np.inf)
    assert (rest.pairs, rest.right) == (2, 1)
    with pytest.raises(ValueError, match="no pair"):
        predictors.band(seconds, np.ones(4), np.zeros(4), 1, 3)


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
    assert len(lines) == 2 * (4 * len(VARIANTS) + 1)
    stands = found.experiments["as_it_stands"]["runs"]
    first = [run for run in stands if run["variant"] == VARIANTS[0].name]
    assert [run["score"] for run in first] == pytest.approx([2 / 3, 2 / 3])
    assert [run["kept"]["seconds"] for run in first] == [[3.0, 7.0, 5.0], [3.0, 7.0, 6.0]]
    assert first[0]["kept"]["speeds"]["rate"] == 100
    assert all("kept" not in run for run in stands if run["variant"] != VARIANTS[0].name)
    again = []
    record(CHAPTER, EXPERIMENTS, [0, 1], tmp_path / "cost.json", say=again.append)
    assert all(line.endswith("recorded already") for line in again)


def test_scoring_again_times_nothing(few_cases, tmp_path, monkeypatch):
    out, again = tmp_path / "cost.json", tmp_path / "again.json"
    found = record(CHAPTER, EXPERIMENTS, [0, 1], out, say=lambda line: None)

    def refuse(seed, repeats):
        raise AssertionError("a clock was started")

    monkeypatch.setattr(experiment, "times_of", refuse)
    anew = score_again(found, again, say=lambda line: None)
    assert times_in(anew) == times_in(found)
    for name, entry in found.experiments.items():
        assert anew.experiments[name]["summary"] == entry["summary"]
    with pytest.raises(ValueError, match="name a new file"):
        score_again(found, again)


def test_predictions_are_not_scored_as_networks_are(few_cases):
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


@pytest.fixture(scope="module")
def seconds(kept):
    return np.array([run["seconds"] for run in kept])


@pytest.fixture(scope="module")
def sizes():
    return np.array([SHAPES.index(case.shape) for case in TASK.cases()])


@pytest.fixture(scope="module")
def adds():
    return np.array([case.multiply_adds for case in TASK.cases()])


def rule_at_one_rate(name, recorded):
    numbers, _ = TASK.test_set()
    (rule,) = (v.build() for v in VARIANTS if v.name == name)
    told = [EXPERIMENTS[0].told(times.speeds) for times in times_in(recorded).values()]
    return np.array([rule(numbers, speeds).numpy() for speeds in told])


@pytest.mark.parametrize("made", EXPERIMENTS, ids=lambda made: made.name)
def test_scores_follow_from_the_seconds_that_were_recorded(made, recorded):
    known = replace(made, known=times_in(recorded))
    runs = {(r["variant"], r["seed"]): r["score"] for r in recorded.experiments[made.name]["runs"]}
    assert len(runs) == 5 * len(made.variants)
    for variant in made.variants:
        found = known.measure(variant.name, 2)[1].value
        assert found == pytest.approx(runs[variant.name, 2]), variant.name


def test_what_is_clear_and_what_is_not(recorded):
    stands = recorded.compare("as_it_stands", "multiply-adds")
    factor = recorded.compare("after_one_factor", "multiply-adds")
    fitted = recorded.compare("after_two_constants", "multiply-adds")

    def clear(found):
        up = (row.name for row in found.rows if row.gain and row.gain.mean > 0)
        return {name for name in up if found[name].gain.verdict == "clear"}

    assert clear(stands) == {"operator by operator", "plain sum"}
    assert clear(factor) == {"roofline and calls", "operator by operator", "plain sum"}
    assert not clear(fitted)
    lead = fitted["operator by operator"].gain
    assert (lead.mean, lead.low, lead.high) == pytest.approx((-0.04, -0.16, 0.09), abs=0.006)
    two = fitted["adds and traffic"].gain
    assert (two.mean, two.low, two.high) == pytest.approx((0.10, 0.00, 0.20), abs=0.006)


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("multiply-adds", (32, 32, 30, 77)),
        ("roofline", (32, 23, 42, 75)),
        ("operator by operator", (72, 58, 76, 73)),
        ("plain sum", (77, 64, 79, 78)),
        ("parameters", (0, 0, 20, 38)),
        ("input and output", (0, 0, 35, 34)),
    ],
)
def test_shares_are_as_the_text_says(name, shares, recorded):
    found = [100 * recorded.compare(e.name, name)[name].summary.mean for e in EXPERIMENTS]
    assert found == pytest.approx(shares, abs=0.51)


def test_multiply_adds_tell_the_order_and_not_the_ratio(seconds, adds, sizes):
    kept_order = [order_kept(t, adds, sizes, np.ones(len(t))) for t in seconds]
    assert np.mean(kept_order) == pytest.approx(0.9, abs=0.01)
    slopes = [np.polyfit(np.log(adds), np.log(t), 1)[0] for t in seconds]
    assert np.mean(slopes) == pytest.approx(0.58, abs=0.01)
    edges = [(1, 2), (2, 4), (4, 10), (10, 100), (100, np.inf)]
    bands = [band(seconds, adds, sizes, low, high) for low, high in edges]
    assert [found.pairs for found in bands] == [352, 275, 281, 611, 589]
    right = [100 * found.right for found in bands]
    assert right == pytest.approx([65, 81, 90, 98, 100], abs=0.6)
    assert right[-1] == 100
    near = band(seconds, adds, sizes, 80, 125)
    assert near.pairs == 99
    ends = np.quantile(near.apart, [0, 0.1, 0.5, 0.9, 1])
    assert ends == pytest.approx([1.54, 5.5, 12.4, 32.7, 266.7], rel=0.01)


def test_light_blocks_of_a_size_look_alike_to_the_roofline(recorded, seconds, sizes):
    balance = EXPERIMENTS[0].told(times_in(recorded)[0].speeds).balance
    light = np.array([case.products / case.through <= balance for case in TASK.cases()])
    spread = [[t[light & (sizes == k)].max() / t[light & (sizes == k)].min() for t in seconds]
              for k in range(len(SHAPES))]  # fmt: skip
    assert (round(min(spread[0])), round(max(spread[0]))) == (14, 16)
    assert (round(np.min(spread[1:])), round(np.max(spread[1:]))) == (4, 7)
    told = rule_at_one_rate("roofline", recorded)[0]
    alike = [told[light & (sizes == k)].max() / told[light & (sizes == k)].min() for k in range(4)]
    assert max(alike) == pytest.approx(1.5, abs=0.01)


def test_most_steps_take_longer_than_predicted(recorded, seconds):
    longer = np.mean(seconds > rule_at_one_rate("operator by operator", recorded))
    assert longer == pytest.approx(0.8, abs=0.01)


def test_depthwise_convolutions_beside_full_ones(seconds):
    full, depthwise = (
        [n for n, case in enumerate(TASK.cases()) if case.block == name]
        for name in ("convolution", "depthwise convolution")
    )
    faster = (seconds[:, full] / seconds[:, depthwise]).mean(axis=0)
    assert faster == pytest.approx([7.9, 14, 21, 53], rel=0.03)


def test_products_of_a_step_beside_the_card():
    ratio = {case.block: [] for case in TASK.cases()}
    for case in TASK.cases():
        ratio[case.block].append(3 * case.products / case.multiply_adds)
    assert max(ratio["simple attention"]) == 0
    assert max(max(found) for found in ratio.values()) == pytest.approx(3.5, abs=0.01)
    assert ratio["convolution"] == ratio["depthwise convolution"] == [3.0] * 4


def test_intensities_of_gates_by_their_cards():
    def intensity(stem, images=4):
        said = values(find(stem), {"C": 128, "H": 28, "W": 28, "T": 1, "K": 1})
        return images * said["macs"] / (4 * (2 * images * 128 * 28**2 + said["parameters"]))

    light = ("gather_excite", "gated_channel_transformation", "style_recalibration")
    assert 0.3 < min(map(intensity, light)) < max(map(intensity, light)) < 0.51
    assert intensity("global_second_order_pooling") == pytest.approx(27, abs=0.5)
    assert intensity("context_encoding") == pytest.approx(23, abs=0.5)


def test_no_setting_of_the_machine_gives_se_one_multiply_add_for_a_byte():
    form = CostForm("SE", **formulas(find("squeeze_excitation")))
    found = [
        roofline.roofline_numbers([form], c, side, images, 100, 40, which)["intensity"][0]
        for c in roofline.CHANNELS for side in roofline.SIDES
        for images in roofline.BATCHES for which in (0, 1)
    ]  # fmt: skip
    assert max(found) < 1


def test_every_block_of_the_machine_has_numbers_at_every_setting(repository):
    for stem in ("squeeze_excitation", "global_context", "criss_cross", "non_local"):
        for text in formulas(find(stem)).values():
            for c in roofline.CHANNELS:
                assert evaluate(text, {"C": c, "H": 7, "W": 7}) > 0, (stem, c)


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
