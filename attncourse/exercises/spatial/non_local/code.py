"""Exercises on the non-local block that ask for a function: the map, and a logit's gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import (
    Weigh,
    no_softmax,
    scaled_anyway,
    softmax_backward,
    wrong_axes,
)
from attncourse.spatial.non_local.functional import softmax_weights

CHAPTER = "spatial/non_local"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Function = Callable[..., Tensor]

# 1. The map ------------------------------------------------------------------------------


def _queries(
    b: int, n: int, m: int, d: int, dtype: torch.dtype = torch.float32, scale: float = 1
) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        q = torch.randn(b, n, d, generator=generator, dtype=dtype)
        k = torch.randn(b, m, d, generator=generator, dtype=dtype)
        return {"q": scale * q, "k": k}

    return draw


@recipe
def _map(
    weigh: Weigh = lambda s: s.softmax(2), scale: Callable[[int], float] = lambda d: 1.0
) -> Function:
    """The map, with one step changed by each argument."""
    return lambda q, k: weigh(scale(q.shape[2]) * (q @ k.mT))


def _weighed(weigh: Weigh) -> Function:
    return _map(weigh=weigh)


def _scaled(scale: Callable[[int], float]) -> Function:
    return _map(scale=scale)


WEIGHTS = FunctionExercise(
    chapter=CHAPTER,
    name="weights",
    title="Write the map",
    level=1,
    task="Write `weights(q, k)`: from queries (b, n, d) and keys (b, m, d) to the map A of the "
    "embedded Gaussian, (b, n, m), as in the paper.",
    hints=(
        "A row of A belongs to one query. Which axis is left when you compare it with every key, "
        "and along which must the weights add up to 1?",
        "`q @ k.mT` holds all logits, (b, n, m). The paper does not scale them.",
        "`(q @ k.mT).softmax(dim=-1)`.",
    ),
    explanation="Every query divides one unit of weight among all keys.",
    reference=lambda q, k: softmax_weights(q, k),
    alternatives=(
        lambda q, k: torch.einsum("bnd,bmd->bnm", q, k).log_softmax(dim=2).exp(),
        lambda q, k: torch.stack(
            [(k @ q[:, i, :, None])[:, :, 0].softmax(dim=1) for i in range(q.shape[1])], dim=1
        ),
    ),
    cases=(
        Case("plain", _queries(3, 6, 5, 4)),
        Case("as many keys as queries", _queries(2, 5, 5, 3)),
        Case("large values", _queries(2, 4, 7, 8, scale=40.0)),
        Case("double precision", _queries(4, 3, 6, 2, dtype=torch.float64)),
        Case("one query", _queries(3, 1, 4, 3)),
    ),
    properties=(
        Property(
            "every row adds up to 1",
            lambda _, a: bool(torch.isclose(a.sum(dim=-1), torch.ones_like(a[..., 0])).all()),
        ),
    ),
    tolerance=Tolerance(relative=1e-4, absolute=1e-4),
    misconceptions=(
        *wrong_axes(
            lambda axis: _weighed(lambda s: s.softmax(axis)),
            2,
            "the keys of a query",
            {1: "the queries", 0: "the batch"},
        ),
        *no_softmax(_weighed, 2),
        scaled_anyway(_scaled, "The authors' code does so as well, the paper's equation does not."),
        Misconception(
            "the dot-product form",
            "This divides the bare products by the number of keys: equation (5). Here every "
            "product is exponentiated and divided by the sum of its row.",
            lambda q, k: q @ k.mT / k.shape[1],
        ),
    ),
)

# 2. The gradient of a logit --------------------------------------------------------------


def _gradient_inputs(b: int, n: int, m: int, d: int) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        return {"A": randn(b, n, m).softmax(dim=2), "v": randn(b, m, d), "u": randn(b, n, d)}

    return draw


def _by_autograd(A: Tensor, v: Tensor, u: Tensor) -> Tensor:
    """What autograd finds at logits whose softmax is A."""
    logits = A.log().requires_grad_()
    return torch.autograd.grad(logits.softmax(dim=2) @ v, logits, u)[0]


def _derived(A: Tensor, v: Tensor, u: Tensor) -> Tensor:
    return A * (u @ v.mT - (u * (A @ v)).sum(dim=2, keepdim=True))


LOGIT_GRADIENT = FunctionExercise(
    chapter=CHAPTER,
    name="logit_gradient",
    title="Derive the gradient of a logit",
    level=3,
    task="Write `logit_gradient(A, v, u)`: y = A v with A a softmax over keys, and u = ∂L/∂y, "
    "(b, n, d). Return ∂L/∂s for the logits s, (b, n, m).",
    hints=(
        "Go in two steps: from y back to A, then from A back through the softmax.",
        "∂L/∂A_ij is the product of u_i with v_j, so `dA = u @ v.mT`.",
        "The softmax of a row has the Jacobian A_ij (1[j = k] - A_ik). Put it in: what is left is "
        "A_ij times the distance of dA_ij from the row's weighted mean of dA.",
        "That weighted mean is u_i times y_i: `A * (dA - (u * (A @ v)).sum(-1, keepdim=True))`.",
    ),
    explanation="A logit rises if its value would pull y further along -u than the average does; "
    "a key that is not looked at does not learn.",
    reference=_by_autograd,
    alternatives=(
        _derived,
        lambda A, v, u: torch.einsum("bij,bijd,bid->bij", A, v[:, None] - (A @ v)[:, :, None], u),
    ),
    cases=(
        Case("plain", _gradient_inputs(2, 5, 4, 3)),
        Case("as many keys as queries", _gradient_inputs(2, 4, 4, 4)),
        Case("one image", _gradient_inputs(1, 3, 7, 2)),
        Case("one query", _gradient_inputs(3, 1, 5, 3)),
    ),
    properties=(
        Property(
            "the gradient of every row adds up to 0, because a shift of all its logits does "
            "nothing",
            lambda _, g: bool((g.sum(dim=2).abs() < 1e-8).all()),
        ),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-8),
    misconceptions=(
        *softmax_backward(lambda rule: lambda A, v, u: rule(A, u @ v.mT, 2), weight="A"),
        Misconception(
            "the softmax of the queries",
            "You sum over the queries. The logits of one query share a softmax: subtract the mean "
            "over the keys, axis 2.",
            lambda A, v, u: A * (u @ v.mT - (A * (u @ v.mT)).sum(dim=1, keepdim=True)),
        ),
    ),
)
