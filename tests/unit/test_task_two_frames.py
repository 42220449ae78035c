"""Two frames of points: what each frame tells, and what no single frame tells."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks.two_frames import (
    APART,
    BRIGHTNESS,
    CLUSTERS,
    KINDS,
    MOTION,
    POINTS,
    TwoFrames,
    middles,
)
from tests.unit.of_tasks import batch_of


@pytest.mark.parametrize("asks", KINDS)
def test_batches_are_a_function_of_seed_and_step(asks):
    x, y = batch_of(TwoFrames(asks))
    assert x.shape == (16, 5, 2, POINTS)
    assert y.shape == (16, POINTS)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert y.max() < TwoFrames(asks).classes


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="asks='after' is unknown"):
        TwoFrames("after")


def test_the_mode_says_which_code_is_the_label():
    x, y, mode = TwoFrames(test_size=400).test_cases()
    codes = (x[:, 3:, 1] > 0).long()
    assert torch.equal(codes[torch.arange(400), mode], y)
    agree = (codes[:, 0] == codes[:, 1]).double().mean()
    assert abs(agree - 0.5) < 0.02
    bright = x[:, 3, 0].mean(dim=1)
    assert ((bright > 0) == (mode == 1)).double().mean() > 0.98
    assert abs(bright[mode == 1].mean() - BRIGHTNESS) < 0.05
    assert abs(x[:, 3:, 1].mean(dim=(1, 2))[mode == 1].mean()) < 0.05


def test_middles_keep_their_distance():
    found = middles(50, torch.Generator().manual_seed(0))
    apart = torch.cdist(found, found) + 9 * torch.eye(2 * CLUSTERS)
    assert apart.min() >= APART
    assert found[..., 2].abs().max() == 0


def test_what_stood_there_is_near_or_nothing_is():
    """The nearest point before has the label's mark, or is far."""
    x, y, state = TwoFrames("before", test_size=400).test_cases()
    distance = torch.cdist(x[:, :3, 1].mT, x[:, :3, 0].mT)
    near, index = distance.min(dim=2)
    mark = x[:, 3, 0].gather(1, index)
    known = y < 2
    assert near[known].max() < 3 * MOTION < near[~known].min() + 0.1
    assert (near[~known] > 3 * MOTION).double().mean() > 0.99
    assert ((mark < 0).long() == y)[known].double().mean() > 0.99
    shares = torch.bincount(y.flatten()) / y.numel()
    assert (shares - 1 / 3).abs().max() < 0.03
    assert state.shape == (400, CLUSTERS)


def test_the_present_frame_says_nothing_of_the_label():
    x, y, _ = TwoFrames("before", test_size=400).test_cases()
    for label in range(3):
        assert x[:, 3:, 1].mT[y == label].mean(dim=0).abs().max() < 0.01
