"""Exercises on STC-Net that ask for a function: the mask, and what moves a score behind it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe

CHAPTER = "spatial_temporal/channel_correlation"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
_EXPAND = slice(None), slice(None), None, None, None

# 1. The mask -----------------------------------------------------------------------------


def _clips(b: int, c: int, t: int, h: int, w: int, dtype: torch.dtype = torch.float32) -> Draw:
    """Draws clips and the four layers, with hidden widths c and c t."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=dtype)

        return {
            "x": 2 * normal(b, c, t, h, w), "w1": normal(c, c), "w2": normal(c, c),
            "v1": normal(c * t, c * t), "v2": normal(c, c * t) / t**0.5,
        }  # fmt: skip

    return draw


@recipe
def _masked(
    *,
    summed: bool = False,
    total: bool = False,
    last: bool = False,
    turned: bool = False,
    linear: bool = False,
    ungated: bool = False,
    apart: bool = False,
    product: bool = False,
    larger: bool = False,
    added: bool = False,
    scores: bool = False,
    timeless: bool = False,
    timed: bool = False,
) -> Callable[..., Tensor]:
    """Equations (1) to (4) up to s, with one step changed by each argument."""

    def mask(x: Tensor, w1: Tensor, w2: Tensor, v1: Tensor, v2: Tensor) -> Tensor:
        z = x.sum(dim=(3, 4)) if summed else x.mean(dim=(3, 4))
        short = z.sum(dim=2) if total else z[:, :, -1] if last else z.mean(dim=2)
        row = (z.mT if turned else z).flatten(1)
        units = (short @ w1.T, row @ v1.T)
        below, with_time = (
            (u if linear else u.relu()) @ w.T for u, w in zip(units, (w2, v2), strict=True)
        )
        if scores:
            return torch.sigmoid((below + with_time) / 2)
        squash = (
            (lambda u: u) if ungated
            else (lambda u: u.softmax(dim=1)) if apart
            else torch.sigmoid
        )  # fmt: skip
        p, q = squash(below), squash(with_time)
        if product:
            return p * q
        if larger:
            return torch.maximum(p, q)
        if added:
            return p + q
        return p if timeless else q if timed else (p + q) / 2

    return mask


MASK = FunctionExercise(
    chapter=CHAPTER,
    name="mask",
    title="Make the mask",
    level=1,
    task="Write `stc_mask(x, w1, w2, v1, v2)`: equations (1) to (4) up to the mask s, (b, c), from "
    "clips x, (b, c, t, h, w), and W₁, W₂, V₁, V₂.",
    hints=(
        "First the profile: the mean over the last two axes gives (b, c, t). Both branches read "
        "it.",
        "One branch takes its mean over time, (b, c). The other takes all of it, "
        "`z.flatten(1)`, (b, c t), which puts the frames of the first channel first.",
        "Each branch is two layers with a ReLU between them and a sigmoid behind. The mask is the "
        "mean of the two gates.",
    ),
    explanation="One number a channel comes out, whatever the frame: time enters only through what "
    "the second branch has read.",
    reference=_masked(),
    cases=(
        Case("plain", _clips(3, 4, 5, 3, 2)),
        Case("as many channels as frames", _clips(2, 4, 4, 2, 2)),
        Case("one clip", _clips(1, 3, 6, 2, 3)),
        Case("double precision", _clips(2, 5, 3, 2, 2, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "every number of the mask lies from 0 to 1",
            lambda _, s: bool(((s >= 0) & (s <= 1)).all()),
        ),
    ),
    misconceptions=(
        Misconception(
            "a sum over positions",
            "Equation (1) is a mean over positions. A sum would make the scores grow with the "
            "size of the frames.",
            _masked(summed=True),
        ),
        Misconception(
            "a sum over time",
            "The branch without time reads the mean over the frames, not their sum.",
            _masked(total=True),
        ),
        Misconception(
            "the last frame alone",
            "The branch without time reads the mean over all frames. You hand it the last one.",
            _masked(last=True),
        ),
        Misconception(
            "rows put together frame by frame",
            "vec(z) runs through the frames of the first channel first, then through those of the "
            "second. Yours runs through the channels first: flatten z as it is, (b, c, t).",
            _masked(turned=True),
        ),
        Misconception(
            "a lost ReLU",
            "Between the two layers of a branch stands a ReLU. Without it they are one linear "
            "layer.",
            _masked(linear=True),
        ),
        Misconception(
            "no sigmoid",
            "These are scores. A sigmoid makes gates of them before the mean is taken.",
            _masked(ungated=True),
        ),
        Misconception(
            "channels that compete",
            "You take a softmax over the channels. Here every gate is a sigmoid of its own score, "
            "so that several channels may be open.",
            _masked(apart=True),
        ),
        Misconception(
            "gates multiplied",
            "You multiply the two gates. The block takes their mean, so that neither can close a "
            "channel alone.",
            _masked(product=True),
        ),
        Misconception(
            "the larger gate",
            "You take the larger of the two gates. The block takes their mean.",
            _masked(larger=True),
        ),
        Misconception(
            "gates added",
            "The sum of two gates reaches 2. The block takes their mean: divide by 2.",
            _masked(added=True),
        ),
        Misconception(
            "a mean of scores",
            "You average the scores, and take one sigmoid. The block averages the gates, behind "
            "both sigmoids.",
            _masked(scores=True),
        ),
        Misconception(
            "the branch without time alone",
            "This is p. The mask is the mean of p and q.",
            _masked(timeless=True),
        ),
        Misconception(
            "the branch with time alone",
            "This is q. The mask is the mean of p and q.",
            _masked(timed=True),
        ),
    ),
)

# 2. What moves a score -------------------------------------------------------------------


def _gated(b: int, c: int, t: int, h: int, w: int) -> Draw:
    """Draws clips, gates with time, and a gradient of the output, in double precision."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        shape = b, c, t, h, w
        return {"x": normal(*shape), "q": normal(b, c).sigmoid(), "upstream": normal(*shape)}

    return draw


@recipe
def _pulled(
    *,
    whole: bool = False,
    unsquashed: bool = False,
    one_sided: bool = False,
    mean: bool = False,
    weighed: bool = False,
    shared: bool = False,
    blind: bool = False,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The gradient of the scores, with one step changed by each argument."""

    def gradient(x: Tensor, q: Tensor, upstream: Tensor) -> Tensor:
        product = upstream if blind else upstream * x
        product = product * q[_EXPAND] if weighed else product
        asked = product.mean(dim=(2, 3, 4)) if mean else product.sum(dim=(2, 3, 4))
        asked = asked.mean(dim=1, keepdim=True) if shared else asked
        slope = torch.ones_like(q) if unsquashed else q if one_sided else q * (1 - q)
        return asked * slope / (1 if whole else 2)

    return gradient


SCORE_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="score_gradient",
    title="Derive what moves a score",
    level=3,
    task="Let q = σ(u). Write `score_gradient(x, q, upstream)`: from the clips x, "
    "(b, c, t, h, w), the gates q, (b, c), and upstream = ∂L/∂y, (b, c, t, h, w), to ∂L/∂u, "
    "(b, c), without autograd.",
    hints=(
        "Go backwards: from y to the mask s, from s to q, from q to u. Each step is one factor.",
        "s_c multiplies every frame and every position of channel c, so ∂L/∂s_c is a sum over all "
        "of them of upstream times x. q has half a say in s.",
        "The slope of the sigmoid is q (1 - q).",
    ),
    explanation="Half of what reaches the mask reaches each branch, and a gate that is nearly shut "
    "or nearly open hardly moves.",
    reference=_pulled(),
    cases=(
        Case("plain", _gated(2, 3, 4, 3, 2)),
        Case("three of everything", _gated(3, 3, 3, 3, 3)),
        Case("one clip", _gated(1, 4, 2, 2, 2)),
    ),
    gradients=(),
    by_hand=True,
    tolerance=Tolerance(relative=1e-6, absolute=1e-7),
    misconceptions=(
        Misconception(
            "a lost half",
            "s is the mean of p and q, so that q has half a say: a factor 1/2 is missing.",
            _pulled(whole=True),
        ),
        Misconception(
            "the gradient of the gate",
            "This is ∂L/∂q. The score u stands in front of the sigmoid: multiply by its slope.",
            _pulled(unsquashed=True),
        ),
        Misconception(
            "half of the sigmoid's slope",
            "The slope of a sigmoid is q (1 - q), which is small at both ends.",
            _pulled(one_sided=True),
        ),
        Misconception(
            "a mean over the clip",
            "s_c meets every frame and every position, and each adds its part: a sum, not a mean.",
            _pulled(mean=True),
        ),
        Misconception(
            "a gate too many",
            "This has one factor q too many. ∂y/∂s is x itself, and the slope of the sigmoid is "
            "q (1 - q): q occurs there and nowhere else.",
            _pulled(weighed=True),
        ),
        Misconception(
            "one gradient for all channels",
            "Every channel has a score of its own, and a gradient of its own.",
            _pulled(shared=True),
        ),
        Misconception(
            "the clip forgotten",
            "∂y/∂s_c is the clip of channel c: multiply upstream by x before you add up.",
            _pulled(blind=True),
        ),
    ),
)
