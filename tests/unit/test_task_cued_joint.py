"""The cued joint: the answer is in one hand's move, and only the head says in which."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks.cued_joint import (
    BONES,
    CUE_FRAMES,
    EARLIEST,
    HEAD,
    JOINTS,
    LEFT_HAND,
    MOVE,
    REST,
    RIGHT_HAND,
    CuedJoint,
)
from tests.unit.of_tasks import batch_of

TASK = CuedJoint(test_size=4_000)
CASES = TASK.test_cases()


def moves(x, joint, starts):
    """The move of one joint of each clip, by its known place in time, matched with its shape."""
    rest = torch.tensor([REST[name] for name in JOINTS])[joint, 1]
    shape = torch.tensor(MOVE)
    frames = starts[:, None] + torch.arange(len(MOVE))
    heights = x[torch.arange(len(x))[:, None], frames, joint, 1] - rest
    return (heights * shape).sum(dim=1) / shape.square().sum()


def test_batches_are_a_function_of_seed_and_step():
    x, y = batch_of(TASK, size=50)
    assert x.shape == (50, 24, 12, 3)
    assert x.dtype == torch.float32
    assert y.dtype == torch.int64
    assert set(y.tolist()) == {0, 1}


def test_an_epoch_shows_every_training_clip_once_and_no_test_clip():
    small = CuedJoint(clips=100, test_size=50)
    epochs = [
        torch.cat([small.train_batch(0, step, 25)[0] for step in range(4 * e, 4 * e + 4)])
        for e in (0, 1)
    ]
    prints = [{clip.numpy().tobytes() for clip in epoch} for epoch in epochs]
    assert len(prints[0]) == 100
    assert prints[0] == prints[1]
    assert not torch.equal(*epochs)
    assert not prints[0] & {clip.numpy().tobytes() for clip in small.test_set()[0]}


def test_the_head_points_to_the_hand_that_decides():
    shift = CASES.x[:, :CUE_FRAMES, HEAD, 0].mean(dim=1)
    left = CASES.cued == LEFT_HAND
    assert ((shift > 0) == left).float().mean() > 0.999
    assert 0.47 < left.float().mean() < 0.53
    assert set(CASES.cued.tolist()) == {LEFT_HAND, RIGHT_HAND}


def test_the_label_is_the_move_of_the_cued_hand():
    for place, hand in enumerate((RIGHT_HAND, LEFT_HAND)):
        up = moves(CASES.x, hand, CASES.starts[:, place]) > 0
        assert (up == CASES.up[:, place]).float().mean() > 0.99
        cued = CASES.cued == hand
        assert torch.equal(CASES.up[cued, place].long(), CASES.y[cued])
        agrees = (CASES.up[~cued, place] == CASES.y[~cued].bool()).float().mean()
        assert 0.46 < agrees < 0.54, "the other hand tells the answer"
    assert 0.47 < CASES.y.float().mean() < 0.53
    assert (CASES.starts >= EARLIEST).all()
    assert (CASES.starts + len(MOVE) <= TASK.frames).all()


def test_nothing_else_tells_the_answer():
    """No mean of a joint's coordinate, and no single one of the first frames, goes with it."""
    sign = 2.0 * CASES.y - 1
    others = [k for k in range(len(JOINTS)) if k not in (LEFT_HAND, RIGHT_HAND)]
    for numbers in (CASES.x.mean(dim=1)[:, others], CASES.x[:, :EARLIEST]):
        flat = numbers.flatten(1)
        together = ((flat - flat.mean(dim=0)) / flat.std(dim=0) * sign[:, None]).mean(dim=0)
        assert together.abs().max() < 4.5 / len(CASES.y) ** 0.5


def test_the_figure_is_whole_and_stands_still_without_jitter():
    assert len(JOINTS) == 12
    reached = {0}
    for a, b in BONES:
        assert a in reached
        reached.add(b)
    assert reached == set(range(12))
    x = CuedJoint(jitter=0, test_size=20).test_set()[0]
    rest = torch.tensor([(a, b, 0.0) for a, b in REST.values()])
    torch.testing.assert_close(x[:, 0, 1:], rest[1:].expand(20, 11, 3))
    assert (x[..., 2] == 0).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="frames=9 leaves no room for a move: use >= 10"):
        CuedJoint(frames=9)
    with pytest.raises(ValueError, match="jitter=-1 must not be negative"):
        CuedJoint(jitter=-1)
    with pytest.raises(ValueError, match="size=501 exceeds the 500 clips"):
        CuedJoint().train_batch(0, 0, 501)
