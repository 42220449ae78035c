"""What the tests of tasks share: a batch that keeps its promises, and a network that says so."""

from __future__ import annotations

import torch
from torch import nn

from attncourse.tasks import Task


def batch_of(task, size=16):
    """A batch of ``task``: the same numbers draw it again, another seed or step another one."""
    assert isinstance(task, Task)
    x, y = task.train_batch(seed=1, step=3, size=size)
    again = task.train_batch(1, 3, size)
    assert torch.equal(x, again[0])
    assert torch.equal(y, again[1])
    for other in (task.train_batch(2, 3, size), task.train_batch(1, 4, size)):
        assert not torch.equal(x, other[0])
    return x, y


class Says(nn.Module):
    """A network that answers by a function of its input, so that a score can be tried on it."""

    def __init__(self, function):
        super().__init__()
        self.function, self.unused = function, nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.function(x)
