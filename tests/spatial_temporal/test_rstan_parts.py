"""The chain that is followed, and the networks that follow it."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch

from attncourse.experiments.spatial_temporal.rstan import (
    FOLLOW_THE_CHAIN,
    FURTHER_ON,
    WHERE_IT_LOOKS,
    Follower,
    looks_of,
    told_of,
)
from attncourse.experiments.spatial_temporal.rstan.nets import (
    Clock,
    Even,
    EvenFrames,
    EvenPlaces,
    Hops,
    Layers,
    Reader,
)
from attncourse.spatial_temporal import RecurrentSpatialTemporal
from attncourse.tasks.base import seeded
from attncourse.tasks.follow_chain import (
    CHANNELS,
    CODES,
    PIXELS,
    FollowChain,
    chain_of,
    codes,
    relinked,
    share_of_the_commonest,
    tagged,
    told_by,
)
from attncourse.training import Budget


@pytest.fixture(scope="module")
def clips():
    """A few clips, their digits, chains and tagged places."""
    return FollowChain().draw(40, seeded(3), train=True)


# ---------------------------------------------------------------- the task


def test_every_frame_names_the_next_one(clips):
    x, y, order, place = clips
    own, after = told_by(x)
    assert x.shape == (40, CHANNELS, 6, 2, 2)
    assert y.shape == (40, 6)
    at = torch.arange(40)[:, None]
    assert (own[at, order][:, 0] == 0).all()
    assert torch.equal(own[at, order][:, 1:], after[at, order][:, :-1])
    assert (after != 0).all()
    assert torch.equal(tagged(x).argmax(dim=2), place)
    assert (tagged(x).sum(dim=2) == 1).all()
    assert torch.equal(chain_of(x), order)
    for row in own.tolist():
        assert len(set(row)) == 6


def test_codes_tell_each_other_apart():
    products = codes() @ codes().T / codes().shape[1]
    assert codes().shape[0] == CODES
    assert products.fill_diagonal_(0).abs().max() <= 0.5


def test_relinking_changes_tags_alone(clips):
    x, _, order, place = clips
    new = relinked(x, order, place)
    assert torch.equal(new[:, :PIXELS], x[:, :PIXELS])
    wanted = order[:, [0, 2, 1, 3, 4, 5]]
    assert torch.equal(chain_of(new), wanted)
    with pytest.raises(ValueError, match=r"order has 3 frames"):
        relinked(x, order[:, :3], place)


def test_the_task_is_a_function_of_seed_and_step():
    task = FollowChain(test_size=8)
    x, y = task.train_batch(1, 2, 4)
    again, _ = task.train_batch(1, 2, 4)
    assert torch.equal(x, again)
    assert not torch.equal(x, task.train_batch(1, 3, 4)[0])
    assert y.shape == (4, 3)
    assert task.test_set()[1].shape == (8, 6)
    assert len(task.test_units().of) == 48
    assert torch.equal(task.units_from(1, 3).of.view(8, 2), task.test_units().of.view(8, 6)[:, 1:3])
    assert task.classes == 10
    for wrong, words in (
        ({"frames": 8}, "frames=8 must be from 1 to 7"),
        ({"said": 7}, "said=7 digits of a chain of 6"),
    ):
        with pytest.raises(ValueError, match=words):
            FollowChain(**wrong)


def test_the_commonest_of_a_few():
    """The line of the chapter, counted over all draws of five digits, and of two."""
    drawn = itertools.product(range(10), repeat=5)
    counted = sum(max(Counter(d).values()) for d in drawn) / 10**5 / 5
    assert share_of_the_commonest(5) == pytest.approx(counted)
    assert share_of_the_commonest(2) == pytest.approx((0.9 + 0.1 * 2) / 2)
    assert share_of_the_commonest(1) == 1


# ---------------------------------------------------------------- the networks


def test_networks_have_about_the_same_parameters():
    counts = {
        v.name: sum(p.numel() for p in v.build().parameters()) for v in FOLLOW_THE_CHAIN.variants
    }
    assert counts["RSTAN"] == counts["flat"]
    for name, count in counts.items():
        assert 0.97 < count / counts["RSTAN"] < 1.03, name


def test_what_the_ablations_take_away(clips):
    """The clock does not hear what was read; even weights are even; the rest still chooses."""
    x = clips[0]
    torch.manual_seed(0)
    nets = {kind: Follower(kind).eval() for kind in (Clock, Even, EvenFrames, EvenPlaces)}
    told = {kind: told_of(net, x, 3) for kind, net in nets.items()}
    clock = nets[Clock].network
    values = nets[Clock].features(x).flatten(3).movedim(1, 3)
    table = clock.table[1].expand(len(x), -1)
    alpha, gamma, _ = clock.look(clock.key(values), values, table)
    torch.testing.assert_close(told[Clock].alpha[:, 1], alpha)
    torch.testing.assert_close(told[Clock].gamma[:, 1], gamma)
    assert set(told[Even].alpha.unique().tolist()) == {0.25}
    torch.testing.assert_close(told[EvenFrames].gamma, torch.full((40, 3, 6), 1 / 6))
    assert told[EvenFrames].alpha.std() > 1e-3
    assert set(told[EvenPlaces].alpha.unique().tolist()) == {0.25}
    assert told[EvenPlaces].gamma.std() > 1e-3


def test_the_rivals_see_all_frames(clips):
    """A change of any frame reaches the last answer."""
    x = clips[0][:2]
    torch.manual_seed(0)
    for net in (Reader().eval(), Layers().eval(), Hops().eval()):
        said = net(x)
        assert said.shape == (2, 3, 10)
        for t in range(6):
            other = x.clone()
            other[:, :, t] += 1
            assert (net(other)[:, 2] - said[:, 2]).abs().max() > 1e-6


def test_hops_share_their_weights(clips):
    """The first three looks of six are the three, and the second look depends on the first."""
    torch.manual_seed(0)
    net, x = Hops().eval(), clips[0][:4]
    torch.testing.assert_close(net(x, steps=6)[:, :3], net(x))
    assert (net(x)[:, 1] - net(x)[:, 0]).abs().max() > 1e-3


@pytest.mark.parametrize("name", [v.name for v in FOLLOW_THE_CHAIN.variants])
def test_a_run_on_a_small_budget(name):
    """Every network trains and is scored; scores of one network share its training."""
    task, budget = FollowChain(test_size=10), Budget(2, batch_size=4)
    run, score = FOLLOW_THE_CHAIN.measure(name, 0, budget=budget, task=task)
    assert len(run.losses) == 2
    assert score.items.shape == (20,)
    for other, items in ((WHERE_IT_LOOKS, 20), (FURTHER_ON, 30)):
        if name in {v.name for v in other.variants}:
            again, measured = other.measure(name, 0, budget=budget, task=task)
            assert again is run
            assert measured.items.shape == (items,)


def test_looks_are_counted_along_the_chain(clips):
    """A follower whose frame weights are put on the chain by hand looks right at every step."""
    x, _, order, _ = clips

    class ByHand(RecurrentSpatialTemporal):
        def tell(self, features, weights=None, steps=None):
            told = super().tell(features, weights, steps)
            gamma = torch.zeros_like(told.gamma).scatter(2, order[:, :3, None], 1.0)
            return told._replace(gamma=gamma)

    assert looks_of(Follower(ByHand), x).all()
    assert 0 < looks_of(Follower(), x).double().mean() < 0.9
