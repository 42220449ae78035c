"""One call that fixes every source of randomness."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (every device).

    Raises:
        ValueError: if ``seed`` is negative or does not fit 32 bits, which NumPy cannot take.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed} must be from 0 to 2**32 - 1")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (libraries that use the global state)
    torch.manual_seed(seed)
