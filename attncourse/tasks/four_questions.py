"""Four questions about one kind of image, each of which asks for another cell's four numbers.

An image has 6 x 6 cells with 16 numbers each.  The first four are what is asked for, drawn anew
from a standard normal distribution; of the other twelve each is +1 or -1 by chance, except for
what the question needs:

========  ==================================  ==============================================
question  a cell is to answer with            what tells which one
========  ==================================  ==============================================
match     its partner's four numbers          channels 4 to 9 repeat the partner's 10 to 15
pointer   a neighbour's                       channels 4 to 7: one of left, right, up, down
salient   the marked cell's                   channel 4: 1 at the marked cell, 0 elsewhere
shift     its left neighbour's                nothing: it is always the left one
========  ==================================  ==============================================

No cell is ever asked for its own numbers.  Cells without an answer, whose neighbour would stand
outside, do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.tasks.base import answers_of, chosen, drawn_on_the_processor, seeded

QUESTIONS = ("match", "pointer", "salient", "shift")
CHANNELS, ASKED, CODE = 16, 4, 6
#: (rows, columns) to the neighbour that each direction names.
STEPS = ((0, -1), (0, 1), (-1, 0), (1, 0))
DIRECTIONS = ("left", "right", "up", "down")
_STREAM, _TEST_SEED = 31, 26_000


@drawn_on_the_processor
@dataclass(frozen=True)
class FourQuestions:
    """Images with one of the four questions.

    Attributes:
        question: one of :data:`QUESTIONS`.
        side: rows and columns, from 2 to 8, so that every cell can have a code of its own.
        test_size: number of fixed test images.
        test_seed: of the test images.

    Raises:
        ValueError: if a number or the question does not suit.

    Examples:
        >>> x, y = FourQuestions("pointer").train_batch(seed=0, step=0, size=32)
        >>> x.shape, y.shape  # the cells; their answers, and whether they count
        (torch.Size([32, 16, 6, 6]), torch.Size([32, 5, 6, 6]))
    """

    question: str = "match"
    side: int = 6
    test_size: int = 512
    test_seed: int = _TEST_SEED

    def __post_init__(self) -> None:
        chosen("question", self.question, QUESTIONS)
        if not 2 <= self.side <= 8:
            raise ValueError(f"side={self.side} must lie between 2 and 8: there are 64 codes")

    @property
    def classes(self) -> int:
        """None: an answer is four numbers."""
        return 0

    def train_batch(self, seed: int, step: int, size: int) -> tuple[Tensor, Tensor]:
        """``size`` images (size, 16, side, side) and answers (size, 5, side, side)."""
        x, y, _ = self.draw(size, seeded(seed, step, _STREAM, QUESTIONS.index(self.question)))
        return x, y

    def test_set(self) -> tuple[Tensor, Tensor]:
        """The fixed test images and their answers."""
        x, y, _ = self.test_cases()
        return x, y

    def test_cases(self) -> tuple[Tensor, Tensor, Tensor]:
        """The test set with the cell that each cell asks for; see :meth:`draw`."""
        return self.draw(
            self.test_size, seeded(self.test_seed, _STREAM, QUESTIONS.index(self.question))
        )

    def draw(self, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw images.

        Returns:
            the images; the answers, whose fifth channel is 1 where they count; and the cell that
            each asks for, (size, side, side), in reading order, and -1 where nothing counts.
        """
        n = self.side**2
        numbers = torch.randn(size, n, ASKED, generator=generator)
        rest = _signs(torch.randint(2, (size, n, CHANNELS - ASKED), generator=generator))
        asked = getattr(self, f"_{self.question}")(rest, generator)
        x = torch.cat([numbers, rest], dim=2)
        counts = (asked >= 0).float()[..., None]
        answer = counts * numbers.gather(1, asked.clamp(min=0)[..., None].expand(-1, -1, ASKED))
        y = torch.cat([answer, counts], dim=2)
        grid = (self.side, self.side)
        return x.mT.unflatten(2, grid), y.mT.unflatten(2, grid), asked.unflatten(1, grid)

    def _match(self, rest: Tensor, generator: torch.Generator) -> Tensor:
        """All cells in a ring by chance, each asking the next: every other cell is as likely."""
        size, n = rest.shape[:2]
        codes = torch.rand(size, 2**CODE, generator=generator).argsort(dim=1)[:, :n]
        bits = codes[..., None] >> torch.arange(CODE) & 1
        ring = torch.rand(size, n, generator=generator).argsort(dim=1)
        asked = torch.empty_like(ring).scatter_(1, ring, ring.roll(-1, dims=1))
        rest[..., CODE:] = _signs(bits)
        rest[..., :CODE] = rest[..., CODE:].gather(1, asked[..., None].expand(-1, -1, CODE))
        return asked

    def _pointer(self, rest: Tensor, generator: torch.Generator) -> Tensor:
        way = torch.randint(len(STEPS), rest.shape[:2], generator=generator)
        rest[..., : len(STEPS)] = F.one_hot(way, len(STEPS)).to(rest)
        return self._neighbours().T[way, torch.arange(self.side**2)]

    def _salient(self, rest: Tensor, generator: torch.Generator) -> Tensor:
        size, n = rest.shape[:2]
        marked = torch.randint(n, (size, 1), generator=generator)
        here = torch.arange(n) == marked
        rest[..., 0] = here.to(rest)
        return torch.where(here, -1, marked)

    def _shift(self, rest: Tensor, generator: torch.Generator) -> Tensor:
        return self._neighbours()[:, 0].expand(len(rest), -1)

    def _neighbours(self) -> Tensor:
        """The cell in each direction, (n, 4), or -1 outside."""
        cell, step = torch.arange(self.side**2)[:, None], torch.tensor(STEPS)
        there = cell // self.side + step[:, 0], cell % self.side + step[:, 1]
        inside = torch.stack([(t >= 0) & (t < self.side) for t in there]).all(dim=0)
        return torch.where(inside, there[0] * self.side + there[1], -1)


def _signs(bits: Tensor) -> Tensor:
    """0 and 1 as -1 and +1."""
    return 2.0 * bits - 1.0


def answer_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Mean squared error where answers count; (b, 4, h, w) and (b, 5, h, w) -> a number."""
    numbers, counts = answers.split([ASKED, 1], dim=1)
    return (counts * (outputs - numbers).square()).sum() / (ASKED * counts.sum())


def explained_items(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What each test image contributes to R², (n,) in float64; who always says 0 explains 0."""
    numbers, counts = y.double().split([ASKED, 1], dim=1)
    errors = (counts * (answers_of(model, x).double() - numbers).square()).sum(dim=(1, 2, 3))
    return 1 - errors / ((counts * numbers.square()).sum() / len(x))


# ---------------------------------------------------------------- what can be counted


def mean_of_others(side: int = 6) -> float:
    """R² of who knows nothing of which cell: the mean of all the others, 1 / (n - 1)."""
    return 1 / (side**2 - 1)


def mean_of_neighbours(side: int = 6) -> float:
    """R² of the mean of the neighbours that exist, over all pairs: cells over directed pairs.

    A cell with p neighbours is asked p times as often as the rule has it, and the mean explains
    1 / p.
    """
    return side**2 / (4 * side * (side - 1))


def one_question_in_two(side: int = 6) -> float:
    """R² where the right cell gets all weight for one half of the questions and none for the other.

    One readout serves both halves.  With a factor κ the error is (1 - κ)² in the first and
    1 + κ² / p in the second, where the weight is spread over the other p = n - 1 cells; the best κ
    gives p / (2 (p + 1)).
    """
    return _half_found(side**2 - 1)


def one_product_in_two(side: int = 6) -> float:
    """The same where weights are a row's times a column's, with p = (side - 1)².

    Who gives the right cell nothing gives its whole row or its whole column nothing.  Opposite
    scores make it both: where one question has all its weight in one row and one column, the
    opposite one has none there.
    """
    return _half_found((side - 1) ** 2)


def _half_found(others: int) -> float:
    return others / (2 * (others + 1))


def counted(side: int = 6) -> dict[str, dict[str, float]]:
    """Question -> term, from 1 to 4 -> the R² that it can reach at most, by counting."""
    blind, half = mean_of_others(side), one_question_in_two(side)
    return {
        "match": {"1": 1.0, "2": blind, "3": blind, "4": blind},
        "pointer": {"1": blind, "2": 1.0, "3": blind, "4": mean_of_neighbours(side)},
        "salient": {"1": half, "2": blind, "3": 1.0, "4": blind},
        "shift": {"1": blind, "2": one_product_in_two(side), "3": blind, "4": 1.0},
    }


def two_questions(side: int = 6, *, product: bool = False) -> float:
    """R² of two heads, of which for each question one has the right cell and one the others.

    Their sum is the answer and the mean of the others, with the best factor: p / (p + 1) for p
    others, twice what one head explains.

    Args:
        side: rows and columns.
        product: whether weights are a row's times a column's.
    """
    return 2 * (one_product_in_two if product else one_question_in_two)(side)


def best_product_of_lines(side: int = 6) -> tuple[float, Tensor, Tensor]:
    """The pointer's most explained variance for weights that are a product of two lines.

    The weights of the fourth term are a distribution over displacements of rows times one of
    columns, cut off at the border and made to add up to 1 again.  Found by optimisation in double
    precision, from a start with the four neighbours' lines raised.

    Returns:
        R², and the distributions over displacements from -(side - 1) to side - 1.
    """
    at = torch.arange(side**2)
    down = at // side - (at // side)[:, None]
    across = at % side - (at % side)[:, None]
    near = (down.abs() + across.abs() == 1).double()
    asked = near.sum(dim=1)
    steps = torch.arange(1 - side, side).abs()
    start = torch.where(steps <= 1, 0.0, -4.0).double()
    lines = [start.clone().requires_grad_() for _ in range(2)]

    def explained() -> Tensor:
        scores = lines[0][down + side - 1] + lines[1][across + side - 1]
        weights = scores.softmax(dim=1)
        hit = (weights * near).sum() / asked.sum()
        return hit.square() / ((asked * weights.square().sum(dim=1)).sum() / asked.sum())

    optimiser = torch.optim.LBFGS(lines, max_iter=300, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -explained()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
        best = float(explained().detach())
    rows, columns = (line.detach().softmax(dim=0) for line in lines)
    return best, rows, columns
