"""A residual network small enough to train on two processor cores."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Block = Callable[[int], nn.Module]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the attention block, the addition."""

    def __init__(self, in_channels: int, channels: int, stride: int, attention: Block | None):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.attention = attention(channels) if attention else nn.Identity()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """ReLU(attention(branch(x)) + shortcut(x))."""
        return self.relu(self.attention(self.branch(x)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """One residual block per width; the map is halved from the second block on.

    Args:
        in_channels: channels of the images.
        classes: number of outputs.
        widths: channels of the blocks.
        attention: factory ``channels -> block``, or ``None`` for the plain network.

    Shape:
        - x: (b, in_channels, h, w)
        - logits: (b, classes)
    """

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 10,
        widths: tuple[int, ...] = (16, 32, 64),
        attention: Block | None = None,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        blocks, channels = [], widths[0]
        for index, width in enumerate(widths):
            blocks.append(ResidualBlock(channels, width, 1 if index == 0 else 2, attention))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the images ``x``."""
        return self.classifier(self.blocks(self.stem(x)).mean(dim=(2, 3)))
