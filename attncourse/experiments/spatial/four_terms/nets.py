"""Networks that answer one of the four questions: one layer of attention, and its rivals."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from attncourse.spatial import DeformableConvolution, FourTerms
from attncourse.spatial.four_terms import NAMES, Lines, read_by_heads, shares_as_weights
from attncourse.tasks.four_questions import ASKED, CHANNELS


class FreeTable(FourTerms):
    """The terms of places with a learned number for each displacement in place of a wave.

    Rows and columns stay apart, so that only the smoothness of the code is lost.

    Args:
        channels: of the features.
        heads: number of heads.
        side: rows and columns of the map.
        options: others of :class:`FourTerms`.
    """

    def __init__(self, channels: int, heads: int, side: int, **options: Any) -> None:
        super().__init__(channels, heads, **options)
        self.rows = self.columns = None
        self.tables = nn.Parameter(torch.randn(2, 2 * side - 1, heads, channels // heads))

    def _lines(self, x: Tensor) -> Lines:
        at = torch.arange(x.shape[2], device=x.device)
        apart = at - at[:, None] + x.shape[2] - 1
        rows, columns = self.tables[:, apart]
        return Lines(rows, columns)


class JointTable(FourTerms):
    """The fourth term with a learned number for each pair of displacements, down and across.

    Its scores are no sum of a row's number and a column's, so that its weights need be no product.

    Args:
        channels: of the features.
        heads: number of heads.
        side: rows and columns of the map.
    """

    def __init__(self, channels: int, heads: int, side: int) -> None:
        super().__init__(channels, heads, terms="0001")
        self.rows = self.columns = None
        reach = 2 * side - 1
        self.table = nn.Parameter(torch.randn(reach, reach, heads, channels // heads))

    def energies(self, x: Tensor) -> dict[str, Tensor]:
        """The place alone, (1, k, n, n)."""
        assert self.place_bias is not None
        at = torch.arange(x.shape[2] * x.shape[3], device=x.device)
        down, across = at // x.shape[3], at % x.shape[3]
        rho = self.table[
            down - down[:, None] + x.shape[2] - 1, across - across[:, None] + x.shape[3] - 1
        ]
        asks = self.place_bias.view(self.heads, -1)
        return {NAMES[3]: torch.einsum("kd,ijkd->kij", asks, rho)[None]}

    def attend(self, x: Tensor) -> Tensor:
        """By weights: the fast form wants lines."""
        return self.f(self.g(x), x)


class TermNet(nn.Module):
    """What the heads read, and a linear readout; no shortcut, no bend beside the softmax.

    Args:
        terms: which of the four count.
        heads: how many, which share 16 numbers.
        constant: whether every cell gets one more number, which is 1 everywhere.
        free: whether displacements have a table of their own in place of waves: one for rows and
            one for columns.
        joint: whether pairs of displacements have one; for the fourth term alone.
    """

    def __init__(
        self,
        terms: str,
        heads: int = 1,
        *,
        constant: bool = False,
        free: bool = False,
        joint: bool = False,
    ) -> None:
        super().__init__()
        wide = CHANNELS + constant
        self.constant = constant
        if joint:
            self.block: FourTerms = JointTable(wide, heads, 6)
        elif free:
            self.block = FreeTable(wide, heads, 6, terms=terms)
        else:
            self.block = FourTerms(wide, heads, terms=terms, code_channels=CHANNELS)
        nn.init.ones_(self.block.gamma)
        self.head = nn.Conv2d(wide, ASKED, 1)

    def given(self, x: Tensor) -> Tensor:
        """The cells as the block sees them."""
        return torch.cat([x, torch.ones_like(x[:, :1])], dim=1) if self.constant else x

    def forward(self, x: Tensor) -> Tensor:
        """(b, 16, h, w) -> (b, 4, h, w)."""
        x = self.given(x)
        return self.head(self.block(x) - x)


class Deformed(nn.Module):
    """One tap that each cell sends where its content says, and key content alone if asked for.

    Args:
        key: whether an attention with the third term alone stands beside it.
    """

    def __init__(self, *, key: bool = False) -> None:
        super().__init__()
        self.tap = DeformableConvolution(CHANNELS, kernel_size=1)
        self.block = FourTerms(CHANNELS, 1, terms="0010") if key else None
        if self.block is not None:
            nn.init.ones_(self.block.gamma)
        self.head = nn.Conv2d(CHANNELS, ASKED, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 16, h, w) -> (b, 4, h, w)."""
        read = self.tap(x)
        if self.block is not None:
            read = read + self.block(x) - x
        return self.head(read)


class Dynamic(nn.Module):
    """Each cell predicts the nine shares of its own 3 x 3 kernel, and reads by them."""

    def __init__(self) -> None:
        super().__init__()
        self.shares = nn.Conv2d(CHANNELS, 9, 1)
        self.value = nn.Parameter(torch.empty(1, CHANNELS, CHANNELS))
        nn.init.uniform_(self.value, -(CHANNELS**-0.5), CHANNELS**-0.5)
        self.head = nn.Conv2d(CHANNELS, ASKED, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, 16, h, w) -> (b, 4, h, w)."""
        weights = shares_as_weights(self.shares(x).softmax(dim=1), 3)
        return self.head(read_by_heads(weights[:, None], self.value, x))


def convolutions(width: int = 64) -> nn.Module:
    """Three layers of 5 x 5 with batch normalisation: every cell sees all of an image of 6 x 6."""
    layers: list[nn.Module] = []
    for wide in (CHANNELS, width, width):
        layers += [nn.Conv2d(wide, width, 5, padding=2), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(width, ASKED, 1))


def perceptron(side: int = 6, width: int = 512) -> nn.Module:
    """Two hidden layers with batch normalisation, on all numbers of the image at once."""
    n = side**2
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(CHANNELS * n, width), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, ASKED * n), nn.Unflatten(1, (ASKED, side, side)),
    )  # fmt: skip
