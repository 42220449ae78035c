"""An exercise that asks for a function: scaled dot-product attention with a mask."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.foundations.what_is_attention.softmax import CHAPTER, Draw
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import Weigh, lost_scale, no_softmax, wrong_axes


def _attention_inputs(
    b: int,
    n: int,
    m: int,
    d: int,
    e: int,
    level: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Draw:
    """Draws with n >= m >= 4; every row and every column of the mask holds both values.

    A ``level`` is what all queries and keys have in common: it makes every score large, and a
    negative one makes every score as far below zero.
    """

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=dtype)

        mask = randn(b, n, m) > 0
        row = torch.arange(n)
        mask[:, row, row % m] = True
        mask[:, row, (row + 1) % m] = False
        q, k = randn(b, n, d), randn(b, m, d)
        q[..., 0] += level
        k[..., 0] = k[..., 0] / max(abs(level), 1.0) + abs(level)
        return {"q": q, "k": k, "v": randn(b, m, e), "mask": mask}

    return draw


@recipe
def _attend(
    *,
    scale: Callable[[Tensor], float] = lambda k: k.shape[-1] ** -0.5,
    masked: Callable[[Tensor, Tensor], Tensor] = lambda s, mask: s.masked_fill(~mask, -torch.inf),
    weigh: Weigh = lambda s: s.softmax(-1),
    after: Callable[[Tensor, Tensor], Tensor] = lambda p, mask: p,
    apply: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
) -> Callable[..., Tensor]:
    """Masked scaled dot-product attention, with one step changed by each argument."""

    def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        weights = weigh(masked(scale(k) * q @ k.mT, mask))
        return apply(after(weights, mask), v)

    return attend


ATTEND = FunctionExercise(
    chapter=CHAPTER,
    name="attend",
    title="Attend, but only where you may",
    level=2,
    task="Write `attend(q, k, v, mask)`: scaled dot-product attention. q is (b, n, d), k "
    "(b, m, d), v (b, m, e), and mask (b, n, m) is True where a query may attend; every query "
    "may attend somewhere.",
    hints=(
        "Four steps: scores, mask, softmax, weighted sum. The scores of all pairs are one matrix "
        "product; which axis of k must come last?",
        "Divide `q @ k.mT` by the square root of d, the length of a key. A masked key must get "
        "weight 0, and the others must still add up to 1: which score does that?",
        "`s = (q @ k.mT / d**0.5).masked_fill(~mask, -torch.inf)`, then `s.softmax(dim=-1) @ v`.",
    ),
    explanation="`F.scaled_dot_product_attention(q, k, v, attn_mask=mask)` computes the same, and "
    "on a GPU without holding the weights.",
    reference=_attend(),
    alternatives=(
        _attend(masked=lambda s, mask: s.masked_fill(~mask, -1e9)),
        lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
        _attend(
            masked=lambda s, mask: s,
            after=lambda p, mask: p * mask / (p * mask).sum(dim=-1, keepdim=True),
        ),
    ),
    cases=(
        Case("plain", _attention_inputs(2, 6, 4, 5, 3)),
        Case("as many keys as queries", _attention_inputs(3, 4, 4, 8, 2)),
        Case("long keys", _attention_inputs(1, 6, 5, 64, 3)),
        Case("large scores", _attention_inputs(2, 5, 4, 6, 2, level=25.0)),
        Case(
            "scores far below zero",
            _attention_inputs(2, 5, 4, 6, 2, level=-200.0, dtype=torch.float64),
        ),
        Case("values of one number", _attention_inputs(2, 5, 4, 9, 1)),
    ),
    gradients=("q", "k", "v"),
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        *lost_scale(lambda scale: _attend(scale=lambda k: scale(k.shape[-1]))),
        *wrong_axes(
            lambda axis: _attend(weigh=lambda s: s.softmax(axis)),
            2,
            "the keys of a query",
            {1: "the queries"},
        ),
        *no_softmax(lambda weigh: _attend(weigh=weigh), 2)[:1],
        Misconception(
            "a scale from the number of keys",
            "The sum in q·k runs over the d entries of a key, so √d is what it takes.",
            _attend(scale=lambda k: k.shape[-2] ** -0.5),
        ),
        Misconception(
            "a mask read as 'ignore'",
            "Here True means *attend*, as in `F.scaled_dot_product_attention`. In "
            "`nn.MultiheadAttention` True means *ignore*. Put a ~ in front of the mask.",
            _attend(masked=lambda s, mask: s.masked_fill(mask, -torch.inf)),
        ),
        Misconception(
            "a mask after the softmax",
            "The weights that are left no longer add up to 1. Mask the scores with -inf, before "
            "the softmax.",
            _attend(masked=lambda s, mask: s, after=lambda p, mask: p * mask),
        ),
        Misconception(
            "a masked score that is not low enough",
            "You give masked keys a score such as -100, and other scores may lie as low: there the "
            "masked keys take the weight. A forbidden key needs the score -inf.",
            _attend(masked=lambda s, mask: s.masked_fill(~mask, -100.0)),
            also=(_attend(masked=lambda s, mask: s.masked_fill(~mask, -10.0)),),
        ),
        Misconception(
            "a mask that multiplies the scores",
            "A score of 0 still gets a weight, since exp(0) = 1. A forbidden key needs the score "
            "-inf.",
            _attend(masked=lambda s, mask: s * mask),
        ),
        Misconception(
            "no mask at all",
            "Keys where the mask is False must get weight 0.",
            _attend(masked=lambda s, mask: s),
        ),
        Misconception(
            "a product without its sum",
            "You multiply weights and values but do not add up over the keys, so an axis is left "
            "over. `weights @ v` does both.",
            _attend(apply=lambda p, v: p[..., None] * v[:, None]),
        ),
    ),
)
