"""Two names: every token asks for two others, and answers the difference of their numbers.

Every token carries a red name, a blue name and a number, all drawn anew for every example, and it
asks for one red name and for one blue name that stand somewhere in the example:

==========  =====================================================================
numbers     hold
==========  =====================================================================
0 to 7      red name, of length sqrt(8)
8 to 15     blue name, of length sqrt(8)
16 to 23    the red name that is asked for
24 to 31    the blue name that is asked for
32          the number v, drawn from N(0, 1)
==========  =====================================================================

The answer is v of the token with the red name minus v of the token with the blue name.  Each red
name and each blue name is asked for once, nobody asks for himself, and the two that a token asks
for differ, so that answers have a variance of exactly 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.layers import whole
from attncourse.tasks.base import DrawnCases, answers_of, drawn_on_the_processor

NAME = 8
WIDTH = 4 * NAME + 1
VARIANCE = 2.0


@drawn_on_the_processor
@dataclass(frozen=True)
class TwoNames(DrawnCases):
    """Sets of tokens that ask each other.

    Attributes:
        tokens: in each example.
        test_size: number of fixed test examples.

    Examples:
        >>> x, y = TwoNames().train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape
        (torch.Size([32, 16, 33]), torch.Size([32, 16, 1]))
    """

    stream: ClassVar[int] = 24
    test_seed: ClassVar[int] = 24_000
    tokens: int = 16
    test_size: int = 2_048

    def __post_init__(self) -> None:
        whole(tokens=self.tokens, test_size=self.test_size)
        if self.tokens < 3:
            raise ValueError(f"tokens={self.tokens} must be at least 3: each asks two others")

    @property
    def classes(self) -> int:
        """None: the answer is a number."""
        return 0

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw tokens, answers, and whom each token asks, (size, 2, tokens): red, then blue."""
        names = torch.randn(size, 2, self.tokens, NAME, generator=generator)
        names = F.normalize(names, dim=3) * NAME**0.5
        number = torch.randn(size, self.tokens, 1, generator=generator)
        asked = self._whom(size, generator)
        wanted = names.gather(2, asked[..., None].expand_as(names))
        of = [number.gather(1, asked[:, colour, :, None]) for colour in (0, 1)]
        x = torch.cat([names[:, 0], names[:, 1], wanted[:, 0], wanted[:, 1], number], dim=2)
        return x, of[0] - of[1], asked

    def _whom(self, size: int, generator: torch.Generator) -> Tensor:
        """(size, 2, tokens): all stand in a ring in a random order, and ask two steps ahead."""
        order = torch.rand(size, self.tokens, generator=generator).argsort(dim=1)
        steps = torch.rand(size, self.tokens - 1, generator=generator).argsort(dim=1)[:, :2] + 1
        seat = order.argsort(dim=1)  # of each token
        ahead = (seat[:, None] + steps[:, :, None]) % self.tokens
        return order[:, None].expand(-1, 2, -1).gather(2, ahead)


def explained_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What each example contributes to R², (n,): 1 less the squared error over the variance."""
    wrong = (answers_of(model, x) - y).square().double().mean(dim=(1, 2))
    return 1 - wrong / VARIANCE
