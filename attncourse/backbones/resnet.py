"""ResNet-50 (He et al., 2016) with a place for a block after the last normalisation of a branch."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Block = Callable[[int], nn.Module]
#: (width of the bottleneck, number of blocks) of stages 2 to 5.
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
_EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, each normalised; then the attention block; then the addition.

    Shape:
        - x: (b, in_channels, h, w)
        - y: (b, 4 * width, h // stride, w // stride)
    """

    def __init__(self, in_channels: int, width: int, stride: int, attention: Block | None) -> None:
        super().__init__()
        out_channels = _EXPANSION * width
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.attention = attention(out_channels) if attention else nn.Identity()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """ReLU(attention(branch(x)) + shortcut(x))."""
        return self.relu(self.attention(self.branch(x)) + self.shortcut(x))


class ResNet50(nn.Module):
    """ResNet-50 with the stage stride in the 3x3 convolution, as common libraries have it.

    Args:
        attention: factory ``channels -> block``, or ``None`` for the plain network.
        classes: number of outputs.

    Shape:
        - x: (b, 3, h, w), h and w at least 32
        - logits: (b, classes)

    Source: He, Zhang, Ren and Sun, *Deep Residual Learning*, CVPR 2016, arXiv 1512.03385.
    """

    def __init__(self, attention: Block | None = None, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        stages, channels = [], 64
        for number, (width, blocks) in enumerate(STAGES):
            stage = []
            for index in range(blocks):
                stride = 2 if number > 0 and index == 0 else 1
                stage.append(Bottleneck(channels, width, stride, attention))
                channels = _EXPANSION * width
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the images ``x``."""
        return self.classifier(self.stages(self.stem(x)).mean(dim=(2, 3)))
