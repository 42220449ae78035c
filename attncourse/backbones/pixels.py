"""A residual network that answers at every pixel, with a place for a block in every branch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from attncourse.backbones.small import ResidualBlock

Block = Callable[[int], nn.Module]


class PixelResNet(nn.Module):
    """The map is never halved: one answer for each pixel, or their mean for the image.

    Args:
        in_channels: channels of the images.
        outputs: numbers that are asked for, at every pixel or for the image.
        width: channels of the blocks.
        depth: number of residual blocks.
        attention: factory ``channels -> block``, or ``None`` for the plain network.
        pooled: average the answers of all pixels; then the result is (b, outputs).

    Shape:
        - x: (b, in_channels, h, w)
        - y: (b, outputs, h, w), or (b, outputs) if ``pooled``
    """

    def __init__(
        self,
        in_channels: int,
        outputs: int,
        *,
        width: int = 16,
        depth: int = 1,
        attention: Block | None = None,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(
            *(ResidualBlock(width, width, 1, attention) for _ in range(depth))
        )
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The answers."""
        y = self.head(self.blocks(self.stem(x)))
        return y.mean(dim=(2, 3)) if self.pooled else y
