"""What the comparison promises: one slot, fair rivals, and words for blindness that are true."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from attncourse.catalog import CARDS, find
from attncourse.channel import SqueezeExcitation
from attncourse.experiments import published
from attncourse.experiments.closing.choosing import (
    CANDIDATES,
    EXPERIMENTS,
    QUESTIONS,
    RIVALS,
    blindness,
    chance,
    opened,
    reading,
)
from attncourse.experiments.closing.choosing.guide import (
    COLUMNS,
    DIGITS,
    GUIDE,
    digits,
    row,
    verdicts,
)
from attncourse.experiments.closing.choosing.nets import WIDTH, MeanAdded, network
from attncourse.measure import count_macs
from attncourse.views.machines import blind

PLAIN, EQUAL, WIDER, DEEPER, MEAN, LINES = RIVALS


def test_a_candidate_is_the_module_of_its_card():
    for candidate in CANDIDATES:
        assert isinstance(candidate.block(WIDTH), find(candidate.label).module), candidate.name
        assert find(candidate.label).drop_in


def test_as_many_blocks_are_left_out_as_the_chapter_says():
    left = {card.label for card in CARDS if card.drop_in} - {c.label for c in CANDIDATES}
    assert len({c.label for c in CANDIDATES}) == 16
    assert len(left) == 15


def test_the_only_difference_is_the_slot():
    torch.manual_seed(0)
    plain = network(3, 2, None, pooled=False)()
    names = {name for name, _ in plain.named_parameters()}
    for candidate in CANDIDATES:
        net = network(3, 2, candidate.block, pooled=False)()
        own = {name for name, _ in net.named_parameters()}
        assert names <= own
        assert all("attention" in name for name in own - names), candidate.name


def size(network_of, **sizes):
    """Parameters and multiply-adds of a network with a candidate or a rival."""
    net = network(8, 3, network_of.block, pooled=False, **sizes)().eval()
    return sum(p.numel() for p in net.parameters()), count_macs(net, torch.randn(1, 8, 8, 8))


def test_the_strong_rivals_are_at_least_as_large_as_every_candidate():
    largest = [max(column) for column in zip(*map(size, CANDIDATES), strict=True)]
    for rival in (WIDER, DEEPER):
        weights, products = size(rival, width=rival.width, depth=rival.depth)
        assert weights > largest[0]
        assert products > largest[1]


def test_the_equal_rival_is_as_large_as_all_blocks_but_one():
    equal, _ = size(EQUAL, width=EQUAL.width)
    larger = {c.name: size(c)[0] for c in CANDIDATES if size(c)[0] > equal}
    assert larger.pop("DCN") > 1.4 * equal
    assert all(weights < 1.01 * equal for weights in larger.values())


def test_the_deep_rival_hears_all_of_every_map():
    """Its radius is 11; the largest map has 12 rows.  One block hears three pixels away."""
    for rival, radius in ((PLAIN, 3), (DEEPER, 11)):
        torch.manual_seed(0)
        net = network(3, 1, None, pooled=False, depth=rival.depth)().double().eval()
        x = torch.randn(1, 3, 1 + 2 * 12, 1 + 2 * 12).double().requires_grad_()
        net(x)[0, 0, 12, 12].backward()
        heard = x.grad[0].abs().sum(0).nonzero()
        assert int((heard - 12).abs().max()) == radius


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
    assert words("GSoP")["add 1 everywhere"] == "blind"
    assert words("SimAM")["rename channels"] == "follows"
    assert words("SE")["double everything"] == "sees"
    assert {words(name)["double everything"] for name in ("GCT", "SimAM")} == {"blind"}


def test_what_is_divided_out_is_divided_out_of_small_maps_as_well():
    for name in ("GCT", "SimAM"):
        block = opened(next(c.block for c in CANDIDATES if c.name == name)(WIDTH))
        assert blindness.noticed(block, lambda x: 2 * x, 0.01 * X) < blindness.NOTHING
        assert blindness.noticed(block, lambda x: 0.01 * x, X) < blindness.NOTHING


def test_a_renaming_gives_most_channels_other_neighbours():
    order = blindness.renamed(torch.arange(16.0).view(1, 16, 1, 1)).flatten().int().tolist()
    near = [abs(a - b) == 1 for a, b in itertools.pairwise(order)]
    assert sorted(order) == list(range(16))
    assert sum(near) <= 3
    assert all(a != n for n, a in enumerate(order))


def test_a_dagger_tells_a_blind_decision_from_an_output_that_follows():
    marks = {}
    for candidate in CANDIDATES:
        made = opened(candidate.block(WIDTH))
        marks[candidate.name] = [blindness.mark(made, c, X) for c in blindness.CHANGES]
    assert not any("†" in mark for row in marks.values() for mark in row[:5])
    assert {name for name, row in marks.items() if row[5] == "blind †"} == {"GSoP", "GC", "SimAM"}


def test_a_shut_gate_sees_nothing_whatever_it_will_see():
    """Seeing is of weights that use what they get; fresh blocks do not."""
    fresh = {c.name: c.block(WIDTH).double().eval() for c in CANDIDATES}
    for name, word in (("GCT", "blind"), ("SRM", "blind"), ("criss-cross", "follows")):
        found = {blindness.word(fresh[name], change, X) for change in blindness.CHANGES}
        assert found == {word}


def test_the_machine_and_the_table_agree_on_what_both_have():
    """The presses of the chapter's machine, at its start, in the words of Table 1."""
    maps, query = chapter_s_map(), 6
    size, same = 25, tuple(range(3))
    pixels = np.arange(size)
    swapped = np.r_[5:10, 0:5, 10:25]
    mirrored = pixels - pixels % 5 + 4 - pixels % 5
    shuffled = np.random.default_rng(3).permutation(size)
    moves = {
        "shuffle pixels": (shuffled, same, 1.0), "swap two rows": (swapped, same, 1.0),
        "mirror": (mirrored, same, 1.0), "rename channels": (pixels, (1, 0, 2), 1.0),
        "double everything": (pixels, same, 2.0),
    }  # fmt: skip
    called = {"unchanged": "blind", "follows": "follows", "changed": "sees"}
    for what, (order, channels, factor) in moves.items():
        now = factor * maps.reshape(3, -1)[list(channels)][:, order].reshape(maps.shape)
        queries = query, list(order).index(query)
        move = blind.Move(list(order), list(channels))
        found = blind.deviations(maps, now, queries, move)
        assert abs(now - maps).max() > 0.1
        for name, pair in found.items():
            assert called[blind.verdict(*pair)] == words(name)[what], (what, name)


def chapter_s_map():
    """The map that the chapter's machine starts with."""
    maps = np.full((3, 5, 5), 0.1)
    maps[0, 1:3, :2], maps[1, 3, :], maps[2, :, 3] = 0.9, 0.8, 0.6
    return maps


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
        names = [r.name for r in RIVALS]
        found = results.compare(question.name, variants=names)
        means = {name: found[name].summary.mean for name in names}
        assert means[best] == max(means.values())
        found = reading.gains(results, question.name, best)
        assert list(found) == [c.name for c in CANDIDATES]
        up, down = reading.clear_above(found), reading.clear_below(found)
        assert not set(up) & set(down)
        assert all(found[name].low > question.matters for name in up)


def test_the_guide_names_what_is_recorded():
    asked = [(advice.chapter, advice.experiment) for advice in GUIDE]
    assert len(set(asked)) == len(asked)
    for advice, found in verdicts():
        assert {row.name for row in found.rows} == {advice.mechanism, advice.rival}
        assert found[advice.mechanism].role == "mechanism"
        assert found[advice.mechanism].gain.verdict in ("clear", "clearly small", "no clear effect")
        told = row(advice, found)
        assert len(told) == len(COLUMNS)
        for name, score in ((advice.mechanism, told[2]), (advice.rival, told[4])):
            assert ("learned" in score) == found[name].summary.two_clusters
        gain = found[advice.mechanism].gain
        assert told[5][0].isalpha() == gain.two_clusters
        assert not told[5].startswith("−0.000")
        assert (f"({gain.seeds} seeds)" in told[5]) == (gain.seeds != 5)


def test_no_plain_rival_is_stronger_than_the_one_that_a_row_names():
    for advice in GUIDE:
        found = published(advice.chapter).compare(advice.experiment)
        named = found[advice.rival].summary
        stronger = [
            r.name for r in found.rows
            if r.role == "plain" and not r.summary.two_clusters and r.summary.mean > named.mean
        ]  # fmt: skip
        assert named.two_clusters or not stronger, (advice.question, stronger)


def test_what_the_chapter_says_of_its_figure_is_recorded():
    """Frames, bold numbers and none of either, as the text names them."""
    results = published("closing/choosing")
    many = len(RIVALS) * len(QUESTIONS) * len(CANDIDATES)
    rival = {q.name: reading.strongest(results, q.name) for q in QUESTIONS}
    assert rival == {
        "copies": "deeper", "beacon": "mean added", "rooks": "lines added",
        "twins": "lines added", "digits": "wider",
    }  # fmt: skip
    plain, best, framed = {}, {}, {}
    for task, name in rival.items():
        plain[task] = reading.gains(results, task, "plain")
        best[task] = reading.gains(results, task, name)
        framed[task] = chance.surviving(results, task, name, many)
    above = {task: set(reading.clear_above(found)) for task, found in best.items()}
    pairs = {"non-local", "self-attention", "one head"}
    assert above.pop("twins") == {*pairs, "DANet"}
    assert set(framed["twins"]) == pairs
    assert not any(above.values())
    assert all(gain.mean < 0 for gain in (*best["copies"].values(), *best["digits"].values()))
    assert reading.clear_above(plain["copies"]) == ["GE"]
    assert not chance.surviving(results, "copies", "plain", many)
    assert not reading.clear_above(plain["digits"])
    assert not reading.clear_below(plain["digits"])
    assert (len(reading.clear_below(best["digits"])), framed["digits"]) == (5, [])
    level = {"criss-cross", "coordinate", "DCN"}
    assert {c.name for c in CANDIDATES} - set(framed["rooks"]) == level
    assert {best["rooks"][name].verdict for name in level} == {"clearly small"}
    assert set(framed["beacon"]) == {"GE", "coordinate", "SimAM"}
    assert plain["beacon"]["SimAM"].verdict == "clearly small"
    danet = sorted(results.values("twins", "DANet").values())
    assert danet[0] < 0.35 < 0.55 < danet[1]
    others = {n: g for n, g in best["twins"].items() if n not in {*pairs, "DANet"}}
    assert {gain.verdict for gain in others.values()} == {"no clear effect"}


# ---------------------------------------------------------------- chance


def test_more_comparisons_leave_fewer_clear():
    results = published("closing/choosing")
    for task in ("copies", "rooks"):
        one = chance.surviving(results, task, "plain", 1)
        many = chance.surviving(results, task, "plain", 170)
        assert set(many) < set(one)
        found = reading.gains(results, task, "plain")
        assert set(one) == {*reading.clear_above(found), *reading.clear_below(found)}


def test_a_rival_picked_afterwards_makes_mechanisms_look_worse():
    """One rival: 2.5 % on each side.  The best of six: more below, hardly any above."""
    below, above = chance.picked_afterwards(1)
    assert below == pytest.approx(0.025, abs=0.003)
    assert above == pytest.approx(0.025, abs=0.003)
    below, above = chance.picked_afterwards(6)
    assert below > 0.06
    assert above < 0.005


def test_a_ranking_agrees_with_itself_as_far_as_seeds_tell_it():
    drawn = np.random.default_rng(0)
    order = np.arange(17.0)[:, None]
    assert chance.reliability(order + 0.01 * drawn.normal(size=(17, 5))) == pytest.approx(1)
    noise = [chance.reliability(drawn.normal(size=(17, 5))) for _ in range(40)]
    assert abs(np.mean(noise)) < 0.1


def test_the_least_telling_correlation_leaves_five_in_a_hundred_outside():
    drawn = np.random.default_rng(1)
    found = [reading.spearman(*drawn.normal(size=(2, 17))) for _ in range(4_000)]
    beyond = np.mean(np.abs(found) > chance.least_telling(17))
    assert beyond == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("radius", "lines"), [(3, False), (9, False), (11, False), (3, True)])
def test_a_ceiling_is_what_counting_every_pair_gives(radius, lines):
    places = [(i, j) for i in range(12) for j in range(12)]
    heard = 0
    for a in places:
        for b in places:
            near = [abs(p - q) <= radius for p, q in zip(a, b, strict=True)]
            heard += any(near) if lines else all(near)
    assert chance.ceiling(radius, lines=lines) == pytest.approx((1 + heard / 144**2) / 2)


def test_the_small_digits_are_those_of_eight_chapters():
    assert [chapter for chapter, _ in digits()] == list(DIGITS)
