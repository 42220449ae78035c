"""Measure a prediction about the statistic ladder: train one gate on one row."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from attncourse.attention import Attention
from attncourse.backbones import TwoStreams
from attncourse.channel.squeeze_excitation import excite, scale
from attncourse.tasks import StatisticLadder
from attncourse.training import Budget, accuracy, fit, seed_everything

_EPSILON = 1e-5

#: Name -> one number a channel, (b, c, h, w) to (b, c).
SQUEEZES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.mean(dim=(2, 3)),
    # A dead channel has no spread, and the root has no slope at zero.
    "std": lambda x: (x.var(dim=(2, 3), correction=0) + _EPSILON).sqrt(),
    "max": lambda x: x.amax(dim=(2, 3)),
}


class SqueezedGate(Attention):
    """SE with another squeeze.

    Args:
        channels: number of channels c.
        squeeze: a key of :data:`SQUEEZES`, or any function from (b, c, h, w) to (b, c).
        reduction: divisor of the hidden width.

    Raises:
        ValueError: if the squeeze is unknown.
    """

    def __init__(
        self, channels: int, squeeze: str | Callable[[Tensor], Tensor], reduction: int = 4
    ) -> None:
        super().__init__()
        if isinstance(squeeze, str) and squeeze not in SQUEEZES:
            raise ValueError(
                f"squeeze={squeeze!r} is unknown: choose one of {', '.join(SQUEEZES)}, or pass "
                f"a function from (b, c, h, w) to (b, c)"
            )
        self.squeeze = SQUEEZES[squeeze] if isinstance(squeeze, str) else squeeze
        self.reduce = nn.Linear(channels, channels // reduction)
        self.expand = nn.Linear(channels // reduction, channels)

    def g(self, x: Tensor) -> Tensor:
        """The gates, (b, c)."""
        (w1, b1), (w2, b2) = ((m.weight, m.bias) for m in (self.reduce, self.expand))
        return excite(self.squeeze(x), w1, b1, w2, b2)

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features, (b, c, h, w)."""
        return scale(weights, x)


def ladder_accuracy(
    row: str, gate: Callable[[int], nn.Module], *, seed: int = 0, steps: int = 400
) -> float:
    """Test accuracy, from 0 to 1, of the two-stream network with ``gate`` on one row.

    About two seconds on two CPU cores.  Without any information on the cue it is about 0.53.

    Args:
        row: mean, std, dct, cov or code.
        gate: number of channels -> block, such as ``lambda c: SqueezedGate(c, "max")``.
        seed: of the weights and the batches.
        steps: optimiser steps.
    """
    task = StatisticLadder(row)
    with torch.random.fork_rng(devices=[]):
        seed_everything(seed)
        run = fit(TwoStreams(gate), task, Budget(steps=steps), seed=seed, title=f"{row} row")
    return accuracy(run.model, *task.test_set())
