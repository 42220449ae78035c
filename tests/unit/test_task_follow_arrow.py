"""Follow the arrow: answers stand where the arrows end, and some of them count."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attncourse.experiments.spatial.deformable_convolution.nets import Follower
from attncourse.spatial.spatial_transformer import sample_reference
from attncourse.tasks.follow_arrow import FollowArrow, arrow_loss, explained_items
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    task = FollowArrow()
    x, _ = batch_of(task, size=8)
    assert x.shape == (8, 3, 24, 24)
    assert x[:, 1:].abs().max() == 1
    assert task.classes == 0


def test_an_answer_is_the_value_at_the_arrow_s_end():
    x, y = FollowArrow(values=24, reach=3.0).train_batch(0, 0, 2)
    x, y = x.double(), y.double()
    for i, j in ((0, 0), (5, 20), (23, 11)):
        down, across = (x[1, 1:, i, j] * 3 + torch.tensor([i, j])).unbind()
        wanted = sample_reference(x[1, :1], across, down)
        torch.testing.assert_close(y[1, :1, i, j], wanted, atol=1e-5, rtol=0)


def test_long_arrows_count_and_short_ones_do_not():
    x, y = FollowArrow(shortest=2.0).train_batch(0, 0, 4)
    long = 4 * x[:, 1:].abs().amax(dim=1) >= 2
    assert torch.equal(y[:, 1], long.float())
    assert 0.3 < long.float().mean() < 0.9
    assert FollowArrow().train_batch(0, 0, 4)[1][:, 1].min() == 1


def test_answers_that_do_not_count_change_no_loss_and_no_score():
    x, y = FollowArrow(shortest=2.0, test_size=32).test_set()
    law = Follower(start=4.0)
    with torch.no_grad():
        law.weight.fill_(1.0)
        found = law(x)
    other = y.clone()
    other[:, 0][other[:, 1] == 0] = 99.0
    assert float(arrow_loss(found, other)) < 1e-9
    assert explained_items(law, x, other).mean() > 1 - 1e-6
    assert explained_items(law, x, y).shape == (32,)


def test_saying_the_mean_explains_nothing():
    x, y = FollowArrow(shortest=2.0, test_size=64).test_set()

    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            counts = y[:, 1:]
            self.mean = nn.Parameter((counts * y[:, :1]).sum() / counts.sum())

        def forward(self, x):
            return self.mean.expand(len(x), 1, 24, 24)

    assert abs(float(explained_items(Mean(), x, y).mean())) < 1e-6


@pytest.mark.parametrize(
    ("options", "words"),
    [({"values": 3}, "values=3"), ({"values": 30}, "values=30"), ({"shortest": 4.0}, "shortest=4"),
     ({"test_size": 0}, "test_size=0")],
)  # fmt: skip
def test_impossible_tasks_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        FollowArrow(**options)
