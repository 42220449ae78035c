"""What the comparison promises: one slot, fair rivals, and words for blindness that are true."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from attncourse.catalog import find
from attncourse.channel import SqueezeExcitation
from attncourse.experiments import published
from attncourse.experiments.closing.choosing import (
    CANDIDATES,
    EXPERIMENTS,
    QUESTIONS,
    RIVALS,
    blindness,
    opened,
    reading,
)
from attncourse.experiments.closing.choosing.guide import DIGITS, GUIDE, digits, verdicts
from attncourse.experiments.closing.choosing.nets import WIDTH, MeanAdded, network
from attncourse.measure import count_macs

PLAIN, WIDER, DEEPER, MEAN, LINES = RIVALS


def test_a_candidate_is_the_module_of_its_card():
    for candidate in CANDIDATES:
        assert isinstance(candidate.block(WIDTH), find(candidate.label).module), candidate.name
        assert find(candidate.label).drop_in


def test_the_only_difference_is_the_slot():
    torch.manual_seed(0)
    plain = network(3, 2, None, pooled=False)()
    names = {name for name, _ in plain.named_parameters()}
    for candidate in CANDIDATES:
        net = network(3, 2, candidate.block, pooled=False)()
        own = {name for name, _ in net.named_parameters()}
        assert names <= own
        assert all("attention" in name for name in own - names), candidate.name


def test_the_strong_rivals_are_at_least_as_large_as_every_candidate():
    def size(rival_or_candidate, **sizes):
        net = network(8, 3, rival_or_candidate.block, pooled=False, **sizes)().eval()
        weights = sum(p.numel() for p in net.parameters())
        return weights, count_macs(net, torch.randn(1, 8, 8, 8))

    largest = [max(column) for column in zip(*map(size, CANDIDATES), strict=True)]
    for rival in (WIDER, DEEPER):
        weights, products = size(rival, width=rival.width, depth=rival.depth)
        assert weights > largest[0]
        assert products > largest[1]


def test_the_experiments_have_every_network_in_every_task():
    assert [e.name for e in EXPERIMENTS] == [q.name for q in QUESTIONS]
    for experiment in EXPERIMENTS:
        names = [v.name for v in experiment.variants]
        assert names == [r.name for r in RIVALS] + [c.name for c in CANDIDATES]
        assert [v.role for v in experiment.variants][:2] == ["plain", "ablation"]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)
def test_every_network_takes_the_task(question):
    experiment, task = question.experiment(), question.task()
    x, y = task.train_batch(0, 0, 4)
    for variant in experiment.variants:
        loss = experiment.loss(variant.build()(x), y)
        assert torch.isfinite(loss), variant.name


def test_means_that_are_added_are_those_of_the_map_and_of_lines():
    torch.manual_seed(0)
    x, block = torch.randn(2, 4, 3, 5), MeanAdded(4, lines=True)
    of_map, of_rows, of_columns = block.maps
    by_hand = x + of_map(x.mean((2, 3), keepdim=True)) + of_rows(x.mean(3, keepdim=True))
    torch.testing.assert_close(block(x), by_hand + of_columns(x.mean(2, keepdim=True)))
    assert len(MeanAdded(4).maps) == 1


# ---------------------------------------------------------------- blindness

ROWS = {change.name: change for change in blindness.CHANGES}
X = blindness.maps(WIDTH)


def words(name):
    block = next(c.block for c in CANDIDATES if c.name == name)
    torch.manual_seed(3)
    made = opened(block(WIDTH))
    return {what: blindness.word(made, change, X) for what, change in ROWS.items()}


@pytest.mark.parametrize("name", ["SE", "GSoP", "SRM", "GCT", "ECA"])
def test_sums_over_all_pixels_do_not_know_their_order(name):
    found = words(name)
    assert {found[w] for w in ("shuffle pixels", "swap two rows", "mirror")} == {"blind"}


@pytest.mark.parametrize("name", ["non-local", "GC", "self-attention", "DANet", "SimAM"])
def test_what_weighs_pixels_by_content_follows_every_order(name):
    found = words(name)
    assert {found[w] for w in ("shuffle pixels", "swap two rows", "mirror")} == {"follows"}


@pytest.mark.parametrize("name", ["criss-cross", "coordinate"])
def test_lines_follow_what_keeps_lines_together(name):
    found = words(name)
    assert found["shuffle pixels"] == "sees"
    assert (found["swap two rows"], found["mirror"]) == ("follows", "follows")


def test_sizes_and_offsets():
    assert words("GCT")["double everything"] == "blind"
    assert words("GSoP")["add 1 everywhere"] == "blind"
    assert words("SimAM")["rename channels"] == "follows"
    assert words("SE")["double everything"] == "sees"


def test_the_far_pixel_is_not_heard_in_another_row_and_column():
    made = {c.name: opened(c.block(WIDTH)) for c in CANDIDATES}
    assert blindness.reached(made["coordinate"], X) == "blind"
    assert blindness.reached(made["criss-cross"], X) == "sees"
    assert blindness.reached(nn.Conv2d(WIDTH, WIDTH, 3, padding=1).double(), X) == "blind"


def test_the_proposition_and_what_it_does_not_say():
    """Layers that commute with shuffles, then a mean: blind.  One 3x3 convolution: not."""
    torch.manual_seed(0)

    def net(first):
        block = SqueezeExcitation(8, 2)
        return nn.Sequential(first, nn.ReLU(), block, nn.AdaptiveAvgPool2d(1)).double().eval()

    x = torch.randn(4, 3, 6, 5, dtype=torch.float64)
    y = blindness.shuffled(x)
    blind, seeing = net(nn.Conv2d(3, 8, 1)), net(nn.Conv2d(3, 8, 3, padding=1))
    assert (blind(y) - blind(x)).abs().max() < 1e-12
    assert (seeing(y) - seeing(x)).abs().max() > 1e-3


# ---------------------------------------------------------------- what is read off the runs


def test_ranks_with_ties_are_those_of_scipy():
    from scipy.stats import spearmanr

    one, other = [1.0, 2.0, 2.0, 5.0, 4.0], [0.3, 0.1, 0.5, 0.5, 0.9]
    assert reading.spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert np.isnan(reading.spearman([1.0, 1.0], [1.0, 2.0]))


def test_rankings_that_agree_and_that_do_not():
    drawn = np.random.default_rng(0)
    one = np.arange(7)[:, None] + 0.01 * drawn.normal(size=(7, 5))
    assert reading.agreement(one, 2 * one).value == 1
    assert reading.agreement(one, -one).high < 0
    apart = reading.agreement(one, drawn.normal(size=(7, 5)))
    assert apart.low < 0 < apart.high
    with pytest.raises(ValueError, match="7 mechanisms beside 6"):
        reading.agreement(one, one[:6])


def test_the_strongest_rival_is_the_one_with_the_highest_mean():
    results = published("closing/choosing")
    for question in QUESTIONS:
        best = reading.strongest(results, question.name)
        means = {r.name: results.compare(question.name)[r.name].summary.mean for r in RIVALS}
        assert means[best] == max(means.values())
        found = reading.gains(results, question.name, best)
        assert list(found) == [c.name for c in CANDIDATES]
        up, down = reading.clear_above(found), reading.clear_below(found)
        assert not set(up) & set(down)
        assert all(found[name].low > 0.02 for name in up)


def test_the_guide_names_what_is_recorded():
    chapters = [advice.chapter for advice in GUIDE]
    assert len(set(chapters)) == len(chapters)
    for advice, found in verdicts():
        assert {row.name for row in found.rows} == {advice.mechanism, advice.rival}
        assert found[advice.mechanism].role == "mechanism"
        assert found[advice.mechanism].gain.verdict in ("clear", "clearly small", "no clear effect")


def test_the_small_digits_are_those_of_eight_chapters():
    assert [chapter for chapter, _ in digits()] == list(DIGITS)
