"""Networks of EncNet's experiments: one small segmenter, and what may stand before its last layer.

Whatever looks at the whole image gives a *code* (b, c) first and gates from it, so that the loss
that asks for the classes present can be put on any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.attention import Attention
from attncourse.channel import ContextEncoding, PresenceHead, SqueezeExcitation
from attncourse.channel.context_encoding import presence_loss
from attncourse.channel.squeeze_excitation import scale, squeeze
from attncourse.tasks.base import answers_of
from attncourse.tasks.look_alikes import LOOK_ALIKES

CHANNELS, CODEWORDS, CLASSES = 16, 8, LOOK_ALIKES + 2


class Answer(NamedTuple):
    """What a network gives in training where classes present are asked for too."""

    logits: Tensor
    present: Tensor
    weight: float


class Squeezed(Attention):
    """SE, and SE with what EncNet has around its codebook: a mixing before, a norm behind.

    Args:
        channels: number of channels.
        mixing: a 1x1 convolution, normalisation and ReLU before the pooling.
        norm: normalise each pooled number over the batch.
        peak: the maximum over positions in place of the mean.
        single: EncNet's one layer in place of SE's two.
    """

    def __init__(
        self,
        channels: int,
        *,
        mixing: bool = False,
        norm: bool = False,
        peak: bool = False,
        single: bool = False,
    ) -> None:
        super().__init__()
        self.peak = peak
        self.mixing = _layer(channels, channels, 1) if mixing else nn.Identity()
        self.norm = nn.BatchNorm1d(channels) if norm else nn.Identity()
        se = SqueezeExcitation(channels, 2)
        layers = (nn.Linear(channels, channels),) if single else (se.reduce, nn.ReLU(), se.expand)
        self.excite = nn.Sequential(*layers)

    def code(self, x: Tensor) -> Tensor:
        """What is pooled, (b, c)."""
        u = self.mixing(x)
        out: Tensor = self.norm(u.amax(dim=(2, 3)) if self.peak else squeeze(u))
        return out

    def gates(self, code: Tensor) -> Tensor:
        """One gate for each channel."""
        return torch.sigmoid(self.excite(code))

    def g(self, x: Tensor) -> Tensor:
        """Gates (b, c)."""
        return self.gates(self.code(x))

    def f(self, weights: Tensor, x: Tensor) -> Tensor:
        """The gated features."""
        return scale(weights, x)


class Beside(nn.Module):
    """No gate: the global mean stands beside every pixel, and a layer reads both."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> the same shape."""
        mean = squeeze(x)[:, :, None, None].expand_as(x)
        return F.relu(self.layer(torch.cat([x, mean], dim=1)))


class EqualShares(ContextEncoding):
    """EncNet whose assignments are all 1 / k: smoothing factors of zero, which do not learn."""

    def factors(self) -> Tensor:
        """Zeros."""
        return torch.zeros_like(self.smoothing)


class Unnormed(ContextEncoding):
    """EncNet without the normalisation of its code.

    Its sums are divided by the number of positions, unless ``average`` is false.
    """

    def __init__(self, channels: int, codewords: int, *, average: bool = True) -> None:
        super().__init__(channels, codewords, average=average)
        self.code_norm = nn.Identity()  # type: ignore[assignment]


class Segmenter(nn.Module):
    """Three convolutions that keep the size, a block, and a classifier for every pixel.

    Args:
        block: channels -> what stands before the classifier.
        dilations: of the convolutions; three ones see 7 x 7 pixels.
        weight: of the loss on the classes present; where it is positive, training gives an
            :class:`Answer`.

    Shape:
        - x: (b, 1, h, w)
        - logits: (b, 6, h, w)
    """

    def __init__(
        self,
        block: Callable[[int], nn.Module] = lambda channels: nn.Identity(),
        dilations: Sequence[int] = (1, 1, 1),
        weight: float = 0.0,
    ) -> None:
        super().__init__()
        layers = [_layer(CHANNELS if n else 1, CHANNELS, 3, d) for n, d in enumerate(dilations)]
        self.encoder = nn.Sequential(*layers)
        self.block: Any = block(CHANNELS)
        self.classifier = nn.Conv2d(CHANNELS, CLASSES, 1)
        self.weight = weight
        self.head = PresenceHead(CHANNELS, CLASSES) if weight else None

    def forward(self, x: Tensor) -> Tensor | Answer:
        """Logits of every pixel; in training with what the code says is present."""
        features = self.encoder(x)
        if self.head is None or not self.training:
            logits: Tensor = self.classifier(self.block(features))
            return logits
        code = self.block.code(features)
        gated = self.block.f(self.block.gates(code), features)
        return Answer(self.classifier(gated), self.head(code), self.weight)


def _layer(before: int, after: int, size: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, padding=size // 2 * dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


def scene_loss(outputs: Tensor | Answer, labels: Tensor) -> Tensor:
    """Cross-entropy of the pixels, and the weighted loss on the classes present."""
    if isinstance(outputs, Tensor):
        return F.cross_entropy(outputs, labels)
    logits, present, weight = outputs
    return F.cross_entropy(logits, labels) + weight * presence_loss(present, labels)


def look_alike_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """For each scene the share of its look-alike pixels whose class is right, (n,)."""
    asked = (y < LOOK_ALIKES).flatten(1)
    right = (answers_of(model, x, 100).argmax(dim=1) == y).flatten(1) & asked
    return right.sum(dim=1).double() / asked.sum(dim=1)
