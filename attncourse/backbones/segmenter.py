"""A small encoder for segmentation, with blocks side by side on its coarsest map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

Block = Callable[[int], nn.Module]


class SmallSegmenter(nn.Module):
    """Convolutions that halve the map, blocks side by side, a classifier, a bilinear enlargement.

    Each block is followed by a convolution of its own, and the results are added: the head of
    DANet without the convolutions in front of the branches.

    Args:
        blocks: factories ``channels -> block``; ``(nn.Identity,)`` for the plain network.
        classes: number of classes.
        widths: channels of the convolutions; the map is halved after each but the last.
        in_channels: channels of the images.

    Shape:
        - x: (b, in_channels, h, w)
        - logits: (b, classes, h, w)
    """

    def __init__(
        self,
        blocks: Sequence[Block] = (nn.Identity,),
        classes: int = 3,
        widths: Sequence[int] = (24, 24),
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(zip((in_channels, *widths), widths, strict=False)):
            layers += [nn.MaxPool2d(2, ceil_mode=True)] if number else []
            layers.append(_convolution(before, after))
        self.encoder = nn.Sequential(*layers)
        channels = widths[-1]
        self.blocks = nn.ModuleList(block(channels) for block in blocks)
        self.behind = nn.ModuleList(_convolution(channels, channels) for _ in blocks)
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every pixel of ``x``."""
        features = self.encoder(x)
        branches = [
            behind(block(features)) for block, behind in zip(self.blocks, self.behind, strict=True)
        ]
        logits = self.classifier(sum(branches[1:], branches[0]))
        return F.interpolate(logits, size=x.shape[2:], mode="bilinear", align_corners=False)


def _convolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )
