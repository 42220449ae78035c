"""What the tasks of the chapter promise, counted: equal means, ghosts, and the exact half."""

from __future__ import annotations

import pytest
import torch

from attncourse.channel import SqueezeExcitation
from attncourse.channel_spatial import CoordinateAttention, SimpleAttention
from attncourse.experiments.channel_spatial.coordinate_attention import EXPERIMENTS
from attncourse.experiments.channel_spatial.coordinate_attention.nets import (
    MeansGiven,
    filler,
    reader,
)
from attncourse.tasks.base import seeded
from attncourse.tasks.fill_the_box import (
    GHOST,
    INSIDE,
    OUTLINE,
    OUTSIDE,
    FillTheBox,
    inside_and_out,
)
from attncourse.tasks.rise_or_fall import LEVELS, RiseOrFall
from attncourse.tasks.spikes import best_guess, explained, spikes


def drawn(kind, size=300):
    return FillTheBox(kind).draw(size, seeded(5))


@pytest.mark.parametrize("kind", ["one", "two", "colours"])
def test_a_box_is_an_outline_around_an_inside(kind):
    """Every inside pixel has an outline to all four sides, in its own channel; no other has."""
    x, y = drawn(kind, 60)
    for channel in x.unbind(1):
        on = channel > 0
        sides = [on.cumsum(dim) > 0 for dim in (1, 2)]
        sides += [on.flip(dim).cumsum(dim).flip(dim) > 0 for dim in (1, 2)]
        around = sides[0] & sides[1] & sides[2] & sides[3] & ~on
        assert not around[y == OUTLINE].all() or kind == "one"
        if kind == "one":
            assert torch.equal(around, y == INSIDE)
    assert ((x.sum(1) > 0) == (y == OUTLINE)).all()


def test_ghosts_are_as_large_as_boxes_and_their_lines_hold_two_pixels_each():
    x, y = drawn("two")
    counts = [(y == kind).sum(dim=(1, 2)) for kind in (INSIDE, GHOST)]
    assert torch.equal(*counts)
    rows, columns = x[:, 0].sum(2), x[:, 0].sum(1)
    for kind in (INSIDE, GHOST):
        image, i, j = (y == kind).nonzero().unbind(1)
        assert (rows[image, i] == 2).all()
        assert (columns[image, j] == 2).all()
        assert (x[:, 0][y == kind] == 0).all()
    assert not (drawn("one")[1] == GHOST).any()


def test_colours_are_the_two_boxes_apart():
    one, other = drawn("two"), drawn("colours")
    assert torch.equal(one[1], other[1])
    assert torch.equal(one[0][:, 0], other[0].sum(dim=1))


def blocks(depth, block):
    parts = []
    for _ in range(depth):
        parts += [block(), torch.nn.Conv2d(16, 16, 1), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts)


@pytest.mark.parametrize("depth", [1, 3])
def test_no_depth_of_coordinate_attention_tells_an_inside_from_a_ghost(depth):
    """With random weights: the same output, and so each picture is half right."""
    x, y = drawn("two", 40)
    for block in (
        lambda: CoordinateAttention(16), lambda: SqueezeExcitation(16, 2),
        lambda: SimpleAttention(16), lambda: MeansGiven(16),
    ):  # fmt: skip
        torch.manual_seed(depth)
        net = filler(1, lambda c, b=block: blocks(depth, b)).double().eval()
        out = net(x.double())[:, 0]
        for n in range(len(x)):
            value = out[n][y[n] == INSIDE][0]
            for kind in (INSIDE, GHOST):
                torch.testing.assert_close(
                    out[n][y[n] == kind], value.expand((y[n] == kind).sum()), atol=1e-12, rtol=0
                )


def test_who_paints_what_touches_an_outline_scores_as_the_chapter_says():
    """What a 3x3 convolution sets free: 77 of 100 inside pixels, no ghost, a score of 0.886."""
    x, y = FillTheBox("two").test_set()
    touching = torch.nn.functional.max_pool2d(x, 3, stride=1, padding=1)[:, 0] > 0
    inside = y == INSIDE
    freed = (touching & inside).double().sum(dim=(1, 2)) / inside.sum(dim=(1, 2))
    assert not touching[y == GHOST].any()
    assert abs(freed.mean() - 0.772) < 5e-4
    assert abs((freed.mean() + 1) / 2 - 0.886) < 5e-4


def test_weights_set_by_hand_tell_two_colours_apart():
    x, y = FillTheBox("colours").test_set()
    sums = x.mean(3, keepdim=True) + x.mean(2, keepdim=True)
    painted = torch.relu(sums - 3 / 16).sum(1) > 0
    assert painted[y == INSIDE].all()
    assert not painted[y == GHOST].any()


def test_who_knows_nothing_of_other_pixels_is_half_right_on_one_box():
    x, y = drawn("one", 40)
    torch.manual_seed(0)
    scores = inside_and_out(filler(1, lambda c: SqueezeExcitation(c, 2)), x, y)
    assert torch.equal(scores, torch.full_like(scores, 0.5))
    assert {OUTSIDE, INSIDE, OUTLINE} == set(y.unique().tolist())


def test_the_right_picture_has_the_full_score():
    class Knows(torch.nn.Module):
        def __init__(self, y):
            super().__init__()
            self.one, self.y = torch.nn.Parameter(torch.ones(1)), y

        def forward(self, x):
            return self.one * ((self.y == INSIDE).float()[:, None] - 0.5)

    for kind in ("one", "two"):
        x, y = drawn(kind, 40)
        assert inside_and_out(Knows(y), x, y).min() == 1
        assert inside_and_out(Knows(torch.full_like(y, INSIDE)), x, y).max() == 0.5


def test_a_rising_line_reversed_falls():
    """Columns in reverse order make the one kind the other, and both stand in every batch."""
    x, y = RiseOrFall().draw(4_000, seeded(3))
    level = x.mean(dim=2).argmax(dim=1)
    step = (level.roll(-1, 1) - level)[:, :-1] % LEVELS
    rises = (step == 1).sum(dim=1) - (step == LEVELS - 1).sum(dim=1)
    assert ((rises > 0) == y.bool()).double().mean() > 0.95
    assert torch.equal(x[:2_000].flip(3), x[2_000:])
    assert torch.equal(1 - y[:2_000], y[2_000:])
    assert RiseOrFall().test_units().of.bincount().tolist() == [2] * 1_024
    assert RiseOrFall().draw(5, seeded(3))[0].shape == (5, LEVELS, 4, LEVELS)


def test_what_does_not_mind_the_order_of_columns_is_half_right():
    x, y = RiseOrFall().draw(200, seeded(4))
    for block in (SqueezeExcitation(16, 1), CoordinateAttention(16), SimpleAttention(16)):
        torch.manual_seed(0)
        net = reader(block).double().eval()
        assert (net(x.double()).argmax(1) == y).double().mean() == 0.5


def test_the_equal_nets_are_about_equal():
    """The rivals without a gate have about as many parameters as coordinate attention's net."""
    for experiment in EXPERIMENTS[:3]:
        sizes = {
            v.name: sum(p.numel() for p in v.build().parameters()) for v in experiment.variants
        }
        for rival in ("means given", "ordinary net"):
            assert 0.9 < sizes[rival] / sizes["coordinate"] < 1.05


def test_no_gate_of_one_value_passes_the_best_guess():
    """SimAM's gate, a ReLU and others explain less than the mean of the clean value given x."""
    for height in (2.0, 6.0):
        x, clean = spikes(height)
        assert ((clean > 0).sum(dim=(1, 2, 3)) == 5).all()
        most = explained(best_guess(x, height), clean)
        gated = explained(SimpleAttention(1)(x), clean)
        assert explained(x, clean) < gated < most < 1
        assert explained(torch.relu(x - height / 2), clean) < most
    with pytest.raises(ValueError, match="count=256"):
        spikes(1.0, 256)


def test_the_background_loses_at_most_four_decibels():
    """Gates lie between 0.622 and 1, so no ratio of sizes grows by more than 1 / 0.622."""
    x, clean = spikes(20.0)
    gates = SimpleAttention(1).g(x)
    ratio = gates[clean > 0].mean() / gates[clean == 0].min()
    assert 1.2 < ratio < 1 / torch.sigmoid(torch.tensor(0.5))
