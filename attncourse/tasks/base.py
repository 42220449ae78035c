"""What every task offers, and the seeds behind it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor


@runtime_checkable
class Task(Protocol):
    """A supervised task: seeded training batches and one fixed test set."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Inputs and labels of one batch; the same three numbers give the same batch."""
        ...

    def test_set(self) -> tuple[Tensor, Tensor]:
        """All test inputs and labels; no training batch contains a test example."""
        ...


def seeded(*numbers: int) -> torch.Generator:
    """A generator whose stream is fixed by ``numbers`` and unrelated to that of any others."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)
