"""An exercise on the building blocks that asks for a function: the norm of groups of channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.foundations.building_blocks.fold import CHAPTER, Draw, Function
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe


def _features(
    *shape: int,
    groups: int,
    eps: float = 0.05,
    shift: float = 0.0,
    dtype: torch.dtype = torch.float32,
) -> Draw:
    """Draws features whose channels differ in level and spread, around 1 + ``shift``."""

    def draw(generator: torch.Generator) -> dict[str, Tensor | float]:
        def randn(*sizes: int) -> Tensor:
            return torch.randn(sizes, generator=generator, dtype=dtype)

        spread = 0.5 + torch.rand(1, shape[1], 1, 1, generator=generator, dtype=dtype)
        level = 1 + shift + randn(1, shape[1], 1, 1)
        return {"x": level + spread * randn(*shape), "groups": groups, "eps": eps}

    return draw


@recipe
def _norm(
    *,
    sets: str = "groups",
    images: bool = False,
    correction: int = 0,
    centred: bool = True,
    divided: bool = True,
    rooted: bool = True,
    eps_at: str = "inside",
) -> Function:
    """The norm of groups, with one step changed or left out by each argument."""

    def norm(x: Tensor, groups: int, eps: float) -> Tensor:
        c = x.shape[1]
        count = {"groups": groups, "sizes": c // groups, "layer": 1, "instance": c}.get(sets)
        if sets == "interleaved":
            y = x.unflatten(1, (-1, groups)).transpose(1, 2)
        else:
            y = x.unflatten(1, (count or 1, -1))
        axes = (0, 2, 3, 4) if images else (2, 3, 4)
        rest = y - y.mean(axes, keepdim=True)
        size = rest.numel() // rest.mean(axes).numel()
        var = rest.square().sum(axes, keepdim=True) / rest.new_tensor(size - correction)
        inside = var + (eps if eps_at == "inside" else 0)
        rho = (inside.sqrt() if rooted else inside) + (eps if eps_at == "outside" else 0)
        y = (rest if centred else y) / (rho if divided else 1)
        return (y.transpose(1, 2) if sets == "interleaved" else y).flatten(1, 2)

    return norm


GROUPED = FunctionExercise(
    chapter=CHAPTER,
    name="grouped",
    title="One formula, three norms",
    level=2,
    task="Write `grouped(x, groups, eps)`: (x - mean) / √(var + eps) with a mean and a biased "
    "variance that c / groups neighbouring channels of one image share; x and the result are "
    "(b, c, h, w).",
    hints=(
        "Split the axis of the channels into two: groups, and channels of a group. "
        "`x.unflatten(1, (groups, -1))` does it.",
        "Which axes of (b, G, c/G, h, w) does one set span? All but image and group.",
        "`y.mean((2, 3, 4), keepdim=True)`, and the same with `var(..., correction=0)`; then "
        "`flatten(1, 2)`.",
    ),
    explanation="With one group it is layer normalisation, with c groups instance normalisation.",
    reference=lambda x, groups, eps: F.group_norm(x, groups, eps=eps),
    alternatives=(_norm(),),
    cases=(
        Case("two groups", _features(2, 6, 4, 5, groups=2)),
        Case("three groups of one image", _features(1, 6, 3, 4, groups=3, eps=0.1)),
        Case("one group", _features(2, 4, 3, 2, groups=1)),
        Case("as many groups as channels", _features(3, 4, 3, 5, groups=4)),
        Case("one position", _features(3, 8, 1, 1, groups=2)),
        Case("bright maps of little contrast", _features(2, 6, 4, 5, groups=2, shift=300.0)),
        Case("double precision", _features(2, 6, 4, 3, groups=3, dtype=torch.float64)),
    ),
    # Around 300 a number in single precision is known to 3e-5 alone.
    tolerance=Tolerance(relative=1e-4, absolute=5e-4),
    properties=(
        Property(
            "the mean of every group is zero",
            lambda inputs, got: bool(
                (got.unflatten(1, (inputs["groups"], -1)).mean((2, 3, 4)).abs() < 1e-4).all()
            ),
        ),
    ),
    misconceptions=(
        Misconception(
            "one mean for all channels",
            "That is layer normalisation, one group whatever `groups` says.",
            _norm(sets="layer"),
        ),
        Misconception(
            "one mean for every channel",
            "That is instance normalisation. The channels of a group share their mean: it is "
            "taken over them as well.",
            _norm(sets="instance"),
        ),
        Misconception(
            "the number of groups taken for their size",
            "There are `groups` groups of c / groups channels, not the other way round.",
            _norm(sets="sizes"),
        ),
        Misconception(
            "groups that interleave",
            "A group holds neighbouring channels, 0, 1, 2, ..., not every third one: the group's "
            "axis comes first, `x.unflatten(1, (groups, -1))`.",
            _norm(sets="interleaved"),
        ),
        Misconception(
            "a mean over the batch",
            "No image may depend on its batch mates here: the set holds values of one image.",
            _norm(images=True),
        ),
        Misconception(
            "an unbiased variance",
            "What normalises is the biased variance: `correction=0`.",
            _norm(correction=1),
        ),
        Misconception(
            "a mean that is not subtracted",
            "You divide by the spread. First the mean is subtracted.",
            _norm(centred=False),
        ),
        Misconception(
            "a forgotten division",
            "The mean is gone. Divide by √(var + eps) as well.",
            _norm(divided=False),
        ),
        Misconception(
            "a variance without its root",
            "What divides is √(var + eps), which has the unit of x.",
            _norm(rooted=False),
        ),
        Misconception(
            "an eps outside the root",
            "The eps stands under the root: √(var + eps).",
            _norm(eps_at="outside"),
        ),
        Misconception(
            "a missing eps",
            "What divides is √(var + eps): a constant group would divide by zero.",
            _norm(eps_at="nowhere"),
        ),
    ),
)
