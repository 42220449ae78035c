"""Highway layers with one mistake each, for the exercise in ``highway.py``."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def layer(
    forward: Callable[[Tensor, Tensor, Tensor], Tensor],
    bias: float | None = None,
    filled: tuple[str, ...] = (),
    sign: float = 1.0,
) -> type[nn.Module]:
    """A class with two linear layers; ``forward`` gets x, W_H x + b_H and W_T x + b_T.

    Args:
        forward: x, W_H x + b_H and W_T x + b_T -> y.
        bias: where the gate's bias starts, in place of the gate bias.
        filled: other parameters that start at the gate bias.
        sign: factor on the gate bias where the gate's bias starts.
    """

    class Layer(nn.Module):
        def __init__(self, channels: int, gate_bias: float) -> None:
            super().__init__()
            self.transform = nn.Linear(channels, channels)
            self.gate = nn.Linear(channels, channels)
            nn.init.constant_(self.gate.bias, sign * gate_bias if bias is None else bias)
            for name in filled:
                nn.init.constant_(self.get_parameter(name), gate_bias)

        def forward(self, x: Tensor) -> Tensor:
            """What the mistake makes of x."""
            return forward(x, self.transform(x), self.gate(x))

    return Layer


class LearnedCarry(nn.Module):
    """A third linear layer in the place of the carried x (known error C26)."""

    def __init__(self, channels: int, gate_bias: float) -> None:
        super().__init__()
        self.transform, self.gate, self.carried = (nn.Linear(channels, channels) for _ in range(3))
        nn.init.constant_(self.gate.bias, gate_bias)

    def forward(self, x: Tensor) -> Tensor:
        """(1) with a linear map of x in the place of x."""
        t = torch.sigmoid(self.gate(x))
        return t * F.relu(self.transform(x)) + (1 - t) * self.carried(x)


class GateOfH(nn.Module):
    """The gate looks at the transformed units in the place of x."""

    def __init__(self, channels: int, gate_bias: float) -> None:
        super().__init__()
        self.transform, self.gate = (nn.Linear(channels, channels) for _ in range(2))
        nn.init.constant_(self.gate.bias, gate_bias)

    def forward(self, x: Tensor) -> Tensor:
        """(1) with T made from H."""
        h = F.relu(self.transform(x))
        return x + torch.sigmoid(self.gate(h)) * (h - x)


class OneGate(nn.Module):
    """One share for all units, and ``biased`` says whether H has a bias."""

    width, biased = 1, True

    def __init__(self, channels: int, gate_bias: float) -> None:
        super().__init__()
        self.transform = nn.Linear(channels, channels, bias=self.biased)
        self.gate = nn.Linear(channels, self.width or channels)
        nn.init.constant_(self.gate.bias, gate_bias)

    def forward(self, x: Tensor) -> Tensor:
        """(1)."""
        return x + torch.sigmoid(self.gate(x)) * (F.relu(self.transform(x)) - x)


class WithoutBias(OneGate):
    """H without its bias."""

    width, biased = 0, False


class NumberGate(nn.Module):
    """One learned number a unit in the place of the gate's layer."""

    def __init__(self, channels: int, gate_bias: float) -> None:
        super().__init__()
        self.transform = nn.Linear(channels, channels)
        self.logits = nn.Parameter(torch.full((channels,), gate_bias))

    def forward(self, x: Tensor) -> Tensor:
        """(1) with the same T for every x."""
        t = torch.sigmoid(self.logits)
        return t * F.relu(self.transform(x)) + (1 - t) * x
