"""Kindred blobs: every pixel says what all blobs of its kind have in common.

A picture of 12 x 12 pixels is cut into 12 blobs, the cells of random centres, and blob j is of
kind j mod 3.  So each kind has four blobs, scattered over the picture.  **In every picture anew**
a kind draws a key, which tells who belongs together, and an attribute, which is asked for.

==========  =========================================================================
channels    hold
==========  =========================================================================
0 to 3      the kind's key, a random unit vector, with noise of spread ``key_noise``
4 to 6      the kind's attribute, uniform from -1 to 1, with noise of spread 1.5
==========  =========================================================================

The answer at every pixel is the attribute of its kind, without noise.  One pixel hardly knows it;
all pixels of the kind together do, and only the keys of this picture tell which these are.

:class:`Decoys` has two groups of keys for two different maps of kinds.  Which group is the valid
one is drawn for every picture, and told by the sign of a number that is almost lost in noise at a
pixel and plain in the mean of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, exp, pi, sqrt
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.tasks.base import DrawnCases, answers_of, drawn_on_the_processor

KEY, ATTRIBUTE = 4, 3
CHANNELS = KEY + ATTRIBUTE
ATTRIBUTE_NOISE = 1.5
#: Variance of a number that is uniform from -1 to 1.
VARIANCE = 1 / 3
#: The sign of the valid group, in noise of spread 1: 4.8 spreads of the mean over 144 pixels.
SIGN = 0.4


@drawn_on_the_processor
@dataclass(frozen=True)
class KindredBlobs(DrawnCases):
    """Pictures of scattered blobs of a few kinds.

    Attributes:
        side: rows and columns.
        blobs: how many blobs a picture has.
        kinds: how many kinds; blob j is of kind j mod ``kinds``.
        key_noise: spread of the noise on keys.
        scattered: shuffle the pixels of every picture, so that there are no blobs any more.
        asks_difference: ask for what a pixel shows less its kind's attribute, that is its noise.
        test_size: number of fixed test pictures.

    Raises:
        ValueError: if a kind would have no blob.

    Examples:
        >>> x, y = KindredBlobs().train_batch(seed=0, step=0, size=16)
        >>> x.shape, y.shape
        (torch.Size([16, 7, 12, 12]), torch.Size([16, 3, 12, 12]))
    """

    stream: ClassVar[int] = 12
    test_seed: ClassVar[int] = 2_003
    side: int = 12
    blobs: int = 12
    kinds: int = 3
    key_noise: float = 0.3
    scattered: bool = False
    asks_difference: bool = False
    test_size: int = 512

    def __post_init__(self) -> None:
        if not 1 <= self.kinds <= self.blobs:
            raise ValueError(
                f"kinds={self.kinds} does not suit blobs={self.blobs}: give every kind a blob"
            )

    @property
    def classes(self) -> int:
        """None: an attribute is three numbers."""
        return 0

    def draw(self, size: int, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pictures, answers, and the kind and the blob of every pixel, (size, side, side)."""
        kind, blob = self._map(size, g)
        keys = self._noisy_keys(kind, g)
        mean = _of_kind(2 * torch.rand(size, self.kinds, ATTRIBUTE, generator=g) - 1, kind)
        noise = ATTRIBUTE_NOISE * torch.randn(mean.shape, generator=g)
        answers = noise if self.asks_difference else mean
        return torch.cat([keys, mean + noise], dim=1), answers, kind, blob

    def _map(self, size: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Kind and blob of every pixel: the nearest of random centres."""
        centre = torch.rand(size, self.blobs, 2, generator=g) * self.side
        line = torch.arange(self.side) + 0.5
        places = torch.cartesian_prod(line, line).expand(size, -1, -1)
        blob = torch.cdist(places, centre).argmin(dim=2)
        if self.scattered:
            blob = blob.gather(1, torch.rand(blob.shape, generator=g).argsort(dim=1))
        blob = blob.unflatten(1, (self.side, self.side))
        return blob % self.kinds, blob

    def _noisy_keys(self, kind: Tensor, g: torch.Generator) -> Tensor:
        """Keys of the kinds at their pixels, (size, 4, side, side)."""
        key = F.normalize(torch.randn(len(kind), self.kinds, KEY, generator=g), dim=2)
        keys = _of_kind(key, kind)
        return keys + self.key_noise * torch.randn(keys.shape, generator=g)


@drawn_on_the_processor
@dataclass(frozen=True)
class Decoys(KindredBlobs):
    """Two groups of keys, of two maps of kinds; the last channel's mean tells the valid group.

    Channels 0 to 3 and 4 to 7 hold keys, 8 to 10 the attribute, 11 the sign: +0.4 where the first
    group is valid and -0.4 where the second is, with noise of spread 1.

    Examples:
        >>> x, y = Decoys().train_batch(seed=0, step=0, size=16)
        >>> x.shape, y.shape
        (torch.Size([16, 12, 12, 12]), torch.Size([16, 3, 12, 12]))
    """

    def draw(self, size: int, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As in the base class; kinds and blobs are those of the valid group."""
        x, answers, kind, blob = super().draw(size, g)
        valid, attribute = x.split([KEY, ATTRIBUTE], dim=1)
        decoy = self._noisy_keys(self._map(size, g)[0], g)
        first = torch.rand(size, 1, 1, 1, generator=g) < 0.5
        groups = torch.where(first, valid, decoy), torch.where(first, decoy, valid)
        noise = torch.randn(size, 1, self.side, self.side, generator=g)
        sign = torch.where(first, SIGN, -SIGN) + noise
        return torch.cat([*groups, attribute, sign], dim=1), answers, kind, blob


def _of_kind(values: Tensor, kind: Tensor) -> Tensor:
    """(b, kinds, d) laid out over the picture, (b, d, h, w)."""
    rows = torch.arange(len(kind))[:, None, None]
    return values[rows, kind].movedim(-1, 1)


def answer_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Mean squared error over all pixels."""
    return F.mse_loss(outputs, answers)


def explained_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What each picture contributes to R², the share of the attributes' variance explained."""
    errors = (answers_of(model, x, 256).double() - y.double()).square()
    return 1 - errors.mean(dim=(1, 2, 3)) / VARIANCE


def noise_explained_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The same where the noise is asked for, of its variance."""
    errors = (answers_of(model, x, 256).double() - y.double()).square()
    return 1 - errors.mean(dim=(1, 2, 3)) / ATTRIBUTE_NOISE**2


def from_mean_of(n: Tensor) -> Tensor:
    """R² of the best linear guess from the mean of n pixels of one's kind."""
    return VARIANCE / (VARIANCE + ATTRIBUTE_NOISE**2 / n)


def seen_alike(group: Tensor, reach: int | None = None) -> Tensor:
    """How many pixels of its own group each pixel finds, (b, h, w), itself among them.

    Args:
        group: (b, h, w), kinds or blobs.
        reach: within so many rows and columns; without it in the whole picture.
    """
    one = F.one_hot(group).movedim(-1, 1).double()
    if reach is None:
        count = one.sum(dim=(2, 3), keepdim=True).expand_as(one)
    else:
        side = 2 * reach + 1
        count = F.avg_pool2d(one, side, 1, reach) * side**2
    return count.gather(1, group[:, None])[:, 0]


def lines(kind: Tensor, blob: Tensor) -> dict[str, float]:
    """R² of readers who know all kinds, by what they may see; the mean over all pixels.

    *One answer* gives all pixels the same: with shares w_k of the kinds the best one, their mean,
    explains the sum of w_k squared, here of attributes that are known without noise.
    """
    share = F.one_hot(kind).double().mean(dim=(1, 2))
    seen = {
        "own pixel": torch.ones(1, dtype=torch.float64),
        "3x3 window": seen_alike(kind, 1),
        "7x7 window": seen_alike(kind, 3),
        "own blob": seen_alike(blob),
        "all of the kind": seen_alike(kind),
    }
    found = {name: float(from_mean_of(n).mean()) for name, n in seen.items()}
    return found | {"one answer": float(share.square().sum(dim=1).mean())}


def not_linear(n: float, points: int = 4_001) -> float:
    """R² of the best guess of all from the mean of n pixels, linear or not.

    The attribute is uniform, so that the best guess is the mean of a Gaussian cut off at -1 and 1.
    """
    spread = ATTRIBUTE_NOISE / sqrt(n)
    means = torch.linspace(-1 - 6 * spread, 1 + 6 * spread, points, dtype=torch.float64).tolist()
    step, total = means[1] - means[0], 0.0
    for m in means:
        a, b = (-1 - m) / spread, (1 - m) / spread
        mass = (erf(b / sqrt(2)) - erf(a / sqrt(2))) / 2
        if mass > 1e-12:
            guess = m + spread * (exp(-a * a / 2) - exp(-b * b / 2)) / sqrt(2 * pi) / mass
            total += mass / 2 * guess**2 * step
    return total / VARIANCE
