"""Controls of the chapter on DANet, and what its recorded runs must bear out."""

from __future__ import annotations

import pytest
import torch

from attncourse.backbones.segmenter import SmallSegmenter
from attncourse.experiments import published
from attncourse.experiments.channel_spatial.dual_attention.nets import (
    FiveConvolutions,
    GlobalContext,
    WideConvolution,
    behind_convolution,
    narrow_position,
    position,
)

CHAPTER = "channel_spatial/dual_attention"
SIDE = 24


def values(experiment, variant):
    return list(published(CHAPTER).values(experiment, variant).values())


def seen_from_the_corner(block):
    """Which pixels of a disc scene move the logits of its upper left pixel."""
    torch.manual_seed(0)
    net = SmallSegmenter((block,)).double().eval()
    x = torch.randn(1, 3, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    net(x)[0, :, 0, 0].square().sum().backward()
    return x.grad[0].abs().sum(dim=0) > 0


def test_five_convolutions_see_the_whole_scene_and_a_wide_one_does_not():
    """The pixel in the opposite corner reaches the answer; max-pooling hides some in between."""
    seen = seen_from_the_corner(FiveConvolutions)
    assert seen[-4:].any()
    assert seen[:, -4:].any()
    assert seen[-4:, -4:].any()
    seen = seen_from_the_corner(WideConvolution)
    assert not seen[-8:].any()
    assert not seen[:, -8:].any()


def test_one_context_is_the_same_for_every_position():
    block = GlobalContext(6)
    torch.nn.init.normal_(block.change[-1].weight)
    x = torch.randn(2, 6, 3, 4)
    added = (block(x) - x).flatten(2)
    torch.testing.assert_close(added, added[:, :, :1].expand_as(added))


def test_the_paper_s_r_leaves_three_numbers_of_24_and_four_of_32():
    assert [narrow_position(width).query.out_channels for width in (24, 32)] == [3, 4]
    assert position(24).query.out_channels == 8


def test_a_convolved_branch_has_its_convolution_in_front():
    layers = list(behind_convolution(position)(6))
    assert layers[0].kernel_size == (3, 3)
    assert type(layers[-1]) is type(position(6))


# ---------------------------------------------------------------- what the text says of the runs


def test_what_sees_the_whole_scene_through_a_map_solves_it_in_most_seeds():
    coin = 5 / 9
    assert values("reference_discs", "no attention") == pytest.approx([coin] * 5, abs=0.02)
    assert values("reference_discs", "channel, +G/n") == pytest.approx([coin] * 5, abs=0.02)
    assert max(values("reference_discs", "7x7 convolution")) < 0.68
    assert max(values("reference_discs", "five convolutions")) < 0.62
    assert min(values("reference_discs", "global context")) > 0.92
    for name in ("position", "channel, -G", "both branches"):
        strayed = [v for v in values("reference_discs", name) if v < 0.92]
        assert len(strayed) == 1
        assert 0.8 < strayed[0] < 0.86
    assert sorted(values("reference_discs", "channel, +G"))[:2] == pytest.approx(
        [0.569, 0.875], abs=0.001
    )


def test_the_paper_s_r_and_its_convolution_leave_some_seeds_behind():
    assert sum(v < 0.6 for v in values("reference_discs", "position, r = 8")) == 1
    assert min(values("reference_discs", "both, r = 8")) > 0.92
    assert sum(v < 0.6 for v in values("reference_discs", "both, convolved")) == 2
    for name in ("position, r = 8", "both, r = 8"):
        assert min(values("find_your_twin", name)) > 0.7


def test_every_map_but_one_seed_of_it_passes_one_answer_for_all_on_twins():
    beyond = [
        value
        for name in ("position", "channel, +G", "channel, -G", "both branches")
        for value in values("find_your_twin", name)
    ]
    assert sum(v < 0.4 for v in beyond) == 1
    assert values("find_your_twin", "global context") == pytest.approx([1 / 3] * 5, abs=0.01)


def test_convolutions_solve_it_with_four_times_the_steps_and_a_map_is_still_ahead():
    slow = values("discs_longer", "five convolutions")
    assert 0.9 < min(slow) < max(slow) < 0.94
    assert min(values("discs_longer", "position")) > max(slow)
    assert min(values("discs_longer", "both, convolved")) > max(slow)
    assert min(values("discs_longer", "no attention")) > 0.58
    assert max(values("discs_longer", "no attention")) < 0.62
