"""The network of the statistic ladder: cue and content meet in the gate and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

_GROUPS, _PER_GROUP, _CUES = 4, 6, 2


class TwoStreams(nn.Module):
    """Two digits and a cue; only ``gate`` may carry information from the cue to the digits.

    Each digit goes through its own 3x3 convolution to 12 maps.  The 32 channels stand in four
    groups of six content maps and the two cue fields: digit A's maps in groups 1 and 2, digit
    B's in groups 3 and 4.  The gate sees all 32; then the cue channels are dropped, and one
    linear layer reads the rest, or two if ``hidden`` asks for them.

    Args:
        gate: factory ``channels -> block``; ``nn.Identity`` cuts the cue off.
        side: height and width of the images.
        classes: number of outputs.
        hidden: units of a hidden layer in the readout, with a ReLU; 0 for one linear layer.

    Shape:
        - x: (b, 4, side, side): digit A, digit B, cue 1, cue 2
        - logits: (b, classes)
    """

    channels = _GROUPS * (_PER_GROUP + _CUES)

    def __init__(
        self,
        gate: Callable[[int], nn.Module],
        side: int = 8,
        classes: int = 10,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        maps = _GROUPS * _PER_GROUP // 2
        self.stream_a = nn.Sequential(nn.Conv2d(1, maps, 3, padding=1), nn.ReLU())
        self.stream_b = nn.Sequential(nn.Conv2d(1, maps, 3, padding=1), nn.ReLU())
        self.gate = gate(self.channels)
        width = 2 * maps * side * side
        self.readout: nn.Module = nn.Linear(hidden or width, classes)
        if hidden:
            self.readout = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), self.readout)

    def features(self, x: Tensor) -> Tensor:
        """The 32 channels before the gate, (b, 32, side, side)."""
        content = torch.cat([self.stream_a(x[:, 0:1]), self.stream_b(x[:, 1:2])], dim=1)
        groups = content.unflatten(1, (_GROUPS, _PER_GROUP))
        cue = x[:, None, 2:].expand(-1, _GROUPS, -1, -1, -1)
        return torch.cat([groups, cue], dim=2).flatten(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the examples ``x``."""
        gated = self.gate(self.features(x)).unflatten(1, (_GROUPS, _PER_GROUP + _CUES))
        return self.readout(gated[:, :, :_PER_GROUP].flatten(1))
