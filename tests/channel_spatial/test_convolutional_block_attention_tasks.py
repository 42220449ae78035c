"""What the tasks of the chapter promise, counted: equal statistics, and ceilings."""

from __future__ import annotations

import itertools

import pytest
import torch

from attncourse.channel_spatial.convolutional_block_attention.module import look_across
from attncourse.experiments.channel_spatial.convolutional_block_attention import EXPERIMENTS
from attncourse.experiments.channel_spatial.convolutional_block_attention.by_hand import (
    negative_positions_first,
    smear_channels_first,
)
from attncourse.tasks.base import seeded
from attncourse.tasks.markers import Markers, most_blind
from attncourse.tasks.stain import Stain, most_of_lines, most_of_one_pixel
from attncourse.tasks.whom_to_believe import WhomToBelieve


def drawn(task, size=400):
    return task.draw(size, seeded(5))


def test_negative_shows_no_place_and_smear_no_channel():
    """Equal to the last bit: the sums and the largest values that the blind gate would need."""
    x, *_ = drawn(WhomToBelieve("negative"))
    two = look_across(x)
    assert torch.equal(two, two[:1, :, :1, :1].expand_as(two))
    assert (x[:, 2].sum(dim=(1, 2)) == 0).all()
    x, *_ = drawn(WhomToBelieve("smear"))
    marks = x[:, :2].flatten(2)
    assert (marks.sum(dim=2) == 20).all()
    assert (marks.max(dim=2).values == 1).all()
    assert len(look_across(x)[:, 1].unique()) == 3  # clean, smeared, neither


def test_the_answer_is_where_it_is_said_to_be():
    x, y, in_a, told = drawn(WhomToBelieve("negative"))
    channel = torch.where(in_a[:, None, None], x[:, 0], x[:, 1])
    assert torch.equal(channel, told)
    assert torch.equal((channel * x[:, 2]).sum(dim=(1, 2)) / 8, 2.0 * y - 1)
    x, y, in_a, clean = drawn(WhomToBelieve("smear"))
    assert torch.equal(torch.where(in_a[:, None, None], x[:, 0], x[:, 1]) * clean, clean)
    assert torch.equal((x[:, 3, 0, 0] > 0) == in_a, y.bool())


@pytest.mark.parametrize("kind", ["negative", "smear"])
def test_nothing_but_both_tells_the_answer(kind):
    """Neither the voice nor the channel to believe goes with the answer."""
    x, y, in_a, _ = drawn(WhomToBelieve(kind), 4_000)
    for guess in (x[:, -2, 0, 0] > 0, in_a):
        assert abs((guess == y.bool()).double().mean() - 0.5) < 0.03


def test_markers_have_equal_statistics():
    x, y, which, _ = drawn(Markers("peak"))
    assert len(x[:, :4].mean(dim=(2, 3)).unique()) == 1
    x, y, which, _ = drawn(Markers("mean"))
    assert (x[:, :4].amax(dim=(2, 3)) == 2).all()
    assert torch.equal(x[:, :4].mean(dim=(2, 3)).argmax(dim=1), which)
    told = x[:, 4:].mean(dim=(2, 3)).gather(1, which[:, None])[:, 0]
    assert ((told > 0) == y.bool()).all()


def test_the_majority_of_four_by_enumeration():
    totals = [1 + sum(others) for others in itertools.product((-1, 1), repeat=3)]
    assert most_blind() == sum(0.5 + 0.5 * (t > 0) - 0.5 * (t < 0) for t in totals) / 8 == 11 / 16


def test_ceilings_of_stain_and_either_or_are_reached():
    """By a reader of the spot's own cue, and by the best line of each picture."""
    x, y = drawn(Stain("stain"), 4_000)
    asked = y >= 0
    own = (x[:, 2] > 0) == (x[:, 0] > x[:, 1])
    right = (own == y.bool())[asked].double().mean().item()
    assert abs(right - most_of_one_pixel()) < 0.01
    x, y = drawn(Stain("either-or"), 4_000)
    corner = (2 * (x[:, 0] > 0).long() + (x[:, 1] > 0)).flatten(1)
    fewest = torch.stack([(corner == k).sum(dim=1) for k in range(4)]).min(dim=0).values
    assert abs(1 - fewest.double().mean().item() / 64 - most_of_lines(4_000)[1]) < 0.01
    assert torch.equal(y.flatten(1) == 1, (corner == 1) | (corner == 2))


def test_the_equal_nets_are_about_equal():
    """The ordinary net has about as many parameters as CBAM on the same task."""
    for experiment in EXPERIMENTS[:2]:
        sizes = {
            v.name: sum(p.numel() for p in v.build().parameters())
            for v in experiment.variants
            if v.name in ("ordinary net", "channels first")
        }
        assert 0.95 < sizes["ordinary net"] / sizes["channels first"] < 1.1


def test_a_gate_of_one_pixel_has_three_of_four_cases_of_negative_at_most():
    """scSE: whatever gate a pixel gives itself, A plus and B plus add up to A minus and B minus.

    Its channel gates drop out, because the voice adds up to zero.  So no threshold has both cases
    of plus above it and both of minus below.
    """
    x, y, in_a, _ = drawn(WhomToBelieve("negative"))
    gate = torch.rand(2, 2, generator=seeded(7))  # of a pixel: its mark in A, its voice
    gated = gate[x[:, 0].long(), (x[:, 2] > 0).long()] * x[:, 2]
    total = gated.sum(dim=(1, 2))
    cases = {(a, s): total[(in_a == a) & (y == s)] for a in (True, False) for s in (0, 1)}
    for found in cases.values():
        torch.testing.assert_close(found, found[:1].expand_as(found))
    plus, minus = (cases[True, s][0] + cases[False, s][0] for s in (1, 0))
    torch.testing.assert_close(plus, minus)


def test_weights_by_hand_do_the_task_of_the_other_order():
    """Channels first is right on *smear*; positions first on three quarters of *negative*.

    On *negative* one corner is seen.  Where it is told, its voice is the answer, else the
    opposite in two of three cases: 1/4 + 3/4 2/3 = 3/4.
    """
    x, y, *_ = drawn(WhomToBelieve("smear"), 2_000)
    assert torch.equal(smear_channels_first()(x.double()).argmax(1), y)
    x, y, _, told = drawn(WhomToBelieve("negative"), 8_000)
    net = negative_positions_first()
    m = net.block.judge_positions(x.double())
    assert len(m.detach().unique()) == 2
    assert torch.equal(m, m[:1].expand_as(m))
    right = (net(x.double()).argmax(1) == y).double()
    assert abs(right.mean() - 3 / 4) < 0.02
    corner = told[:, 0, 0] > 0
    assert right[corner].all()
    assert abs(right[~corner].mean() - 2 / 3) < 0.03


def test_constant_channel_gates_have_three_of_four_cases_of_smear_at_most():
    """The voice times some factor of at least zero: no threshold separates plus from minus."""
    g = seeded(8)
    for factors in torch.rand(200, 4, generator=g):  # clean marks in A, or in B; plus, or minus
        outcomes = factors * torch.tensor([1.0, -1.0, 1.0, -1.0])
        answers = torch.tensor([True, False, False, True])
        rights = [
            ((outcomes > at) == answers).sum()
            for at in (-2.0, *(outcomes - 1e-9).tolist(), *(outcomes + 1e-9).tolist())
        ]
        assert max(rights) <= 3
