"""The rivals of RAM's experiments: what has a gradient, what has none, what was recorded."""

from __future__ import annotations

import pytest
import torch

from attncourse.experiments import difference, experiments_of, published
from attncourse.experiments.spatial.recurrent_attention import (
    CUE_AND_LOOK,
    WIDER,
    HardCrop,
    HardCropPathwise,
    Pathwise,
    StraightThrough,
    best_hit,
    dram,
    loss,
    pathwise,
    sampled_hit,
    whole_pixels,
)
from attncourse.spatial import DeepRecurrentAttention, RecurrentAttention
from attncourse.spatial.recurrent_attention import parameter_count
from attncourse.spatial.recurrent_attention.policy import expected_reward
from attncourse.spatial.recurrent_attention.sensor import read_glimpse
from attncourse.training import seed_everything

CHAPTER = "spatial/recurrent_attention"


def pull(learner, x, y):
    """Gradient of the loss at the bias of the location head: the mean of the policy."""
    seed_everything(3)
    learner.train()
    loss(learner(x), y).backward()
    return learner.net.emit.bias.grad


@pytest.fixture
def scenes():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(32, 1, 20, 20, generator=generator), torch.arange(32) % 10


@pytest.mark.parametrize(("h", "w", "size"), [(20, 20, 8), (13, 20, 8), (11, 9, 4), (8, 8, 8)])
def test_a_hard_crop_cuts_whole_pixels(h, w, size):
    """Each window is a slice of the image, bit by bit up to rounding, and the nearest one."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(6, 1, h, w, generator=generator, dtype=torch.float64)
    location = 2 * torch.rand(6, 2, generator=generator, dtype=torch.float64) - 1
    place = whole_pixels(x, location, size)
    windows = read_glimpse(x, place, size)[:, 0]
    reach = location.new_tensor([w - size, h - size]) / 2
    assert ((place - location).abs() * reach <= 0.5 + 1e-9).all()
    for n, (right, down) in enumerate(((place + 1) * reach).round().int().tolist()):
        cut = x[n, :, down : down + size, right : right + size]
        torch.testing.assert_close(windows[n], cut, atol=1e-12, rtol=0)


def test_backpropagation_has_a_slope_between_pixels_and_none_at_whole_ones(scenes):
    seed_everything(0)
    assert pull(pathwise(Pathwise), *scenes).abs().min() > 0
    seed_everything(0)
    assert not pull(pathwise(HardCropPathwise), *scenes).any()
    seed_everything(0)
    assert pull(pathwise(StraightThrough), *scenes).abs().min() > 0


def test_both_gradients_see_the_same_draws(scenes):
    """With one seed the rival looks where REINFORCE looks."""
    x, _ = scenes
    looks = []
    for kind in (type(dram()), Pathwise):
        seed_everything(0)
        net = dram(kind).train()
        seed_everything(5)
        looks.append(net(x).locations.detach())
    torch.testing.assert_close(*looks)


def test_straight_through_sees_what_a_hard_crop_sees(scenes):
    x, _ = scenes
    scores = []
    for kind in (HardCrop, StraightThrough):
        seed_everything(0)
        net = dram(kind).eval()
        torch.nn.init.normal_(net.emit.weight, std=0.3)
        scores.append(net(x).detach())
    torch.testing.assert_close(*scores)


def test_a_drawn_answer_is_right_as_often_as_the_softmax_says():
    logits = torch.tensor([0.3, 1.2, -0.5]).repeat(40_000, 1)
    torch.manual_seed(0)
    hit = sampled_hit(logits, torch.ones(40_000, dtype=torch.long))
    assert set(hit.tolist()) == {0.0, 1.0}
    assert float(hit.mean()) == pytest.approx(float(logits[0].softmax(0)[1]), abs=0.01)


def test_the_best_answer_earns_one_if_it_is_right():
    logits = torch.tensor([[0.1, 2.0, 0.3], [3.0, 2.0, 1.0]])
    assert best_hit(logits, torch.tensor([1, 1])).tolist() == [1.0, 0.0]


def test_dram_has_59_percent_more_parameters_than_ram_and_a_wider_ram_has_as_many():
    ram, wider, dram = (
        sum(p.numel() for p in CUE_AND_LOOK.variant(name).build().net.parameters())
        for name in ("RAM", "RAM, wider", "DRAM")
    )
    assert round(100 * dram / ram) == 159
    assert abs(wider - dram) / dram < 0.005
    nearest = min(
        range(100, 300), key=lambda w: abs(parameter_count(1, features=64, width=w) - dram)
    )
    assert nearest == WIDER


def test_with_two_looks_the_upper_state_has_no_past(scenes):
    """Its recurrent weights get no gradient, while those that read the lower state do."""
    x, y = scenes
    seed_everything(0)
    learner = CUE_AND_LOOK.variant("DRAM").build().train()
    torch.nn.init.normal_(learner.net.emit.weight, std=0.3)  # at zero it lets nothing through
    loss(learner(x), y).backward()
    assert not learner.net.upper.weight_hh.grad.any()
    assert learner.net.upper.weight_ih.grad.any()


def test_a_variant_differs_from_ram_or_dram_in_one_thing():
    """Parts named in the tables are those that are trained."""
    net = {v.name: v.build() for v in CUE_AND_LOOK.variants if v.name != "whole image"}
    shown = {name: (type(n.net), n.net.extra_repr(), n.reward) for name, n in net.items()}
    ram, dram = RecurrentAttention, DeepRecurrentAttention
    assert shown["RAM"] == (ram, "1, steps=2, features=64, width=128", expected_reward)
    assert shown["RAM, wider"] == (ram, "1, steps=2, features=64, width=172", expected_reward)
    assert shown["RAM, product"][:2] == (ram, "1, steps=2, features=64, width=128, product=True")
    assert shown["RAM, joint"][:2] == (ram, "1, steps=2, features=64, width=128, joint=True")
    assert shown["DRAM, sum"][:2] == (dram, "1, steps=2, features=64, width=128, product=False")
    assert shown["DRAM"] == (dram, "1, steps=2, features=64, width=128", expected_reward)
    assert shown["reward 0 or 1"] == (*shown["DRAM"][:2], sampled_hit)
    assert shown["reward 0 or 1, best answer"] == (*shown["DRAM"][:2], best_hit)


def test_each_reward_pulls_the_policy_in_its_own_way(scenes):
    x, y = scenes
    pulls = {}
    for name in ("DRAM", "reward 0 or 1", "reward 0 or 1, best answer"):
        seed_everything(0)
        pulls[name] = pull(CUE_AND_LOOK.variant(name).build(), x, y)
    mean, drawn, best = pulls.values()
    assert min((a - b).abs().max() for a, b in ((mean, drawn), (mean, best), (drawn, best))) > 0


@pytest.mark.parametrize("experiment", experiments_of(CHAPTER), ids=lambda e: e.name)
def test_every_variant_has_five_recorded_seeds_with_items(experiment):
    recorded = published(CHAPTER)
    for variant in experiment.variants:
        found = recorded.values(experiment.name, variant.name)
        assert sorted(found) == sorted(found.by_item) == [0, 1, 2, 3, 4], variant.name


def test_the_chapter_says_what_was_recorded():
    """Its sentences, as numbers: a recorded run that changes them has to change the text."""
    found = published(CHAPTER)
    gradients = found.compare(
        "cue_and_look",
        against="DRAM",
        variants=["backprop, narrow start", "narrow start", "backprop", "DRAM", "RAM", "no fence"],
    )
    narrow = difference(
        gradients["backprop, narrow start"].scores, gradients["narrow start"].scores
    )
    assert narrow.low > 0, "with a narrow start backpropagation gets further"
    for name in ("backprop, narrow start", "narrow start", "no fence"):
        assert gradients[name].gain.verdict == "clear"
        assert max(gradients[name].scores.values()) < 0.85
    for name in ("backprop", "DRAM"):
        assert min(gradients[name].scores.values()) > 0.95
    assert gradients["backprop"].gain.verdict == "clearly small"
    assert gradients["RAM"].summary.learned == 2
    rewards = found.compare(
        "cue_and_look",
        against="DRAM",
        variants=["reward 0 or 1", "reward 0 or 1, best answer", "DRAM"],
    )
    assert rewards["reward 0 or 1"].gain.verdict == "clear"
    assert rewards["reward 0 or 1"].summary.learned == 0
    assert rewards["reward 0 or 1, best answer"].gain.verdict == "clearly small"
    assert rewards["reward 0 or 1, best answer"].summary.learned == 5
    names = ["RAM, wider", "RAM, product", "RAM, joint", "DRAM, sum", "DRAM", "RAM"]
    states = found.compare("cue_and_look", against="RAM", variants=names)
    assert [states[name].summary.learned for name in names] == [2, 3, 5, 4, 5, 2]
    assert {states[name].gain.verdict for name in names[:-1]} == {"no clear effect"}
    crops = found.compare("hard_crop", against="REINFORCE")
    assert max(crops["backprop"].scores.values()) < 0.2
    assert min(crops["straight-through"].scores.values()) > 0.93
    assert crops["straight-through"].gain.verdict == "no clear effect"
    assert min(crops["REINFORCE"].scores.values()) > 0.95
    joint, cut = (
        [v for name in ("cue_and_look", "in_haste") for v in found.values(name, variant).values()]
        for variant in ("RAM, joint", "RAM")
    )
    assert len(joint) == len(cut) == 10
    assert min(joint) > 0.96 > max(cut), "each run of the one lies above each of the other"
    haste = found.compare("in_haste", against="DRAM")
    assert haste["RAM"].summary.learned == haste["DRAM"].summary.learned == 4
