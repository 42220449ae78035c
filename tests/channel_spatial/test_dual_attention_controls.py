"""Controls of the chapter on DANet, and what its recorded runs must bear out."""

from __future__ import annotations

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
