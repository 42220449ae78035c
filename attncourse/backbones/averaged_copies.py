"""A reader of copies: gate the channels, average them, read the average."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class AveragedCopies(nn.Module):
    """What the classifier sees is the mean over channels; only ``gate`` can weigh them.

    A layer normalisation after the average takes its size out, so that gates that are all small
    cost nothing.

    Args:
        gate: factory ``channels -> block``; ``nn.Identity`` leaves the plain average.
        copies: number of channels.
        side: height and width of the images.
        hidden: width of the classifier's hidden layer.
        classes: number of outputs.

    Shape:
        - x: (b, copies, side, side)
        - logits: (b, classes)
    """

    def __init__(
        self,
        gate: Callable[[int], nn.Module],
        copies: int = 8,
        side: int = 8,
        hidden: int = 64,
        classes: int = 10,
    ) -> None:
        super().__init__()
        self.gate = gate(copies)
        self.readout = nn.Sequential(
            nn.LayerNorm(side * side),
            nn.Linear(side * side, hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )

    def average(self, x: Tensor) -> Tensor:
        """The mean over gated copies, (b, side, side)."""
        return self.gate(x).mean(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the examples ``x``."""
        return self.readout(self.average(x).flatten(1))
