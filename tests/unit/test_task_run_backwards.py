"""Run backwards: motion and light tell the label together, and neither does alone."""

from __future__ import annotations

import itertools

import pytest
import torch

from attncourse.tasks.base import seeded
from attncourse.tasks.run_backwards import (
    LEFT_OUT,
    STEPS,
    RunBackwards,
    films,
    kinds,
    seems,
    spot,
)
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    x, y = batch_of(RunBackwards())
    assert x.shape == (16, 1, 6, 6, 6)
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    assert set(y.tolist()) <= set(range(4))


def test_the_spot_moves_as_it_seems_and_the_light_says_how_it_was_shown():
    every = torch.tensor(kinds())
    x = films(every, torch.tensor([[1, 4]]).expand(8, 2), torch.zeros(8))[:, 0]
    light = x.mean(dim=(2, 3))
    assert torch.equal((light[:, -1] > light[:, 0]).long(), 1 - every[:, 1])
    dark = x - light[..., None, None]
    for n, kind in enumerate(kinds()):
        step = STEPS[seems(kind)]
        moved = dark[n, :-1].roll(step, dims=(1, 2))
        torch.testing.assert_close(dark[n, 1:], moved)


def test_each_frame_alone_is_a_spot_somewhere_in_some_light():
    """Seen in no order, the clips of all kinds are the same sets of frames up to moves of each."""
    start = torch.tensor([[2, 3]]).expand(8, 2)
    x = films(torch.tensor(kinds()), start, torch.full((8,), 0.2))[:, 0]
    for clip in x:
        levels = clip.amin(dim=(1, 2)).sort().values
        torch.testing.assert_close(levels, x[0].amin(dim=(1, 2)).sort().values)
        for frame in clip:
            place = divmod(int(frame.argmax()), 6)
            torch.testing.assert_close(
                frame - frame.min(), (spot() - spot().min()).roll(place, dims=(0, 1))
            )


def test_a_clip_shown_backwards_is_the_reversed_clip():
    start, light = torch.tensor([[0, 0]]), torch.tensor([0.1])
    for direction in range(4):
        forwards = films(torch.tensor([[direction, 0]]), start, light)
        backwards = films(torch.tensor([[direction, 1]]), start, light)
        assert torch.equal(backwards, forwards.flip(2))


def test_training_has_six_kinds_and_the_test_half_of_the_others():
    task = RunBackwards(test_size=400)
    _, y, backwards = task.draw(3_000, seeded(1))
    drawn = set(zip(y.tolist(), backwards.tolist(), strict=True))
    assert drawn == set(kinds(LEFT_OUT))
    _, y, backwards = task.test_cases()
    pairs = list(zip(y.tolist(), backwards.tolist(), strict=True))
    new = task.is_new()
    assert new.sum() == 200
    assert {p for p, n in zip(pairs, new, strict=True) if n} == set(LEFT_OUT)
    assert {p for p, n in zip(pairs, new, strict=True) if not n} == set(kinds(LEFT_OUT))


def test_every_motion_and_every_label_is_trained():
    """What is left out is a pair, not a motion, a label or a way of showing."""
    trained = kinds(LEFT_OUT)
    assert {seems(k) for k in trained} == {d for d, _ in trained} == set(range(4))
    for kind in LEFT_OUT:  # its motion was trained with another label, and with that alone
        assert {k[0] for k in trained if seems(k) == seems(kind)} == {seems(kind) ^ kind[1] ^ 1}


def test_without_anything_left_out_all_kinds_are_drawn_and_tested():
    task = RunBackwards(left_out=(), test_size=800)
    _, y, backwards = task.test_cases()
    assert set(zip(y.tolist(), backwards.tolist(), strict=True)) == set(kinds())
    assert not task.is_new().any()


@pytest.mark.parametrize("left_out", [((0, 2),), tuple(itertools.product(range(4), range(2)))])
def test_impossible_tasks_are_refused(left_out):
    with pytest.raises(ValueError, match="left_out="):
        RunBackwards(left_out=left_out)
