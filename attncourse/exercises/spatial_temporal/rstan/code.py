"""Exercises on RSTAN that ask for a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe
from attncourse.exercises.shelf import Weigh, adds_up, no_softmax, wrong_axes

CHAPTER = "spatial_temporal/rstan"
Function = Callable[..., Tensor]
Draw = Callable[[torch.Generator], dict[str, Any]]


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Numbers of the exercises' inputs, in float64."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


# 1. Where to look in each frame ----------------------------------------------------------


def _clips(b: int, t: int, n: int, c: int, d: int, a: int, loud: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Any]:
        return {
            "x": normal(generator, b, t, n, c), "h": normal(generator, b, d),
            "W_x": normal(generator, a, c), "W_h": normal(generator, a, d),
            "v": loud * normal(generator, a),
        }  # fmt: skip

    return draw


@recipe
def _places(
    *,
    weigh: Weigh = lambda e: e.softmax(dim=2),
    bend: Callable[[Tensor], Tensor] = torch.tanh,
    ask: Callable[[Tensor], Tensor] = lambda q: q,
    join: Callable[[Tensor, Tensor], Tensor] = torch.add,
    last: Callable[[Tensor, Tensor], Tensor] = torch.matmul,
) -> Function:
    """Equations (1) and (2), with one step changed by each argument."""

    def places(x: Tensor, h: Tensor, W_x: Tensor, W_h: Tensor, v: Tensor) -> Tensor:
        return weigh(last(bend(join(x @ W_x.T, ask(h @ W_h.T)[:, None, None])), v))

    return places


def _weighed(weigh: Weigh) -> Function:
    return _places(weigh=weigh)


def _frame_by_frame(x: Tensor, h: Tensor, W_x: Tensor, W_h: Tensor, v: Tensor) -> Tensor:
    asked = (h @ W_h.T)[:, None]
    frames = [(torch.tanh(x[:, t] @ W_x.T + asked) @ v).softmax(1) for t in range(x.shape[1])]
    return torch.stack(frames, dim=1)


PLACES = FunctionExercise(
    chapter=CHAPTER,
    name="places",
    title="Write where a step looks in each frame",
    level=1,
    task="Write `places(x, h, W_x, W_h, v)`: from a clip x (b, t, n, C) and a state h (b, D), with "
    "W_x (A, C), W_h (A, D) and v (A,), to the place weights α of equation (2), (b, t, n). Leave "
    "the bias b out.",
    hints=(
        "Every place of every frame gets a vector of A numbers, and so does the state. The "
        "state's vector is the same for all places of all frames of its clip.",
        "`x @ W_x.T` is (b, t, n, A) and `h @ W_h.T` is (b, A): give the second one an axis for "
        "frames and one for places before you add.",
        "`(torch.tanh(x @ W_x.T + (h @ W_h.T)[:, None, None]) @ v).softmax(dim=2)`.",
    ),
    explanation="The places of one frame compete with each other alone. How the frames compare is "
    "decided later, by (4) and (5).",
    reference=_places(),
    alternatives=(_frame_by_frame,),
    cases=(
        Case("plain", _clips(3, 4, 6, 5, 7, 2)),
        Case("one clip", _clips(1, 3, 4, 2, 5, 6)),
        Case("as many frames as places", _clips(2, 4, 4, 3, 3, 5)),
        Case("loud scores", _clips(2, 3, 5, 4, 6, 6, loud=1000.0)),
    ),
    properties=(adds_up("the weights of a frame add up to 1"),),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        *wrong_axes(
            lambda axis: _weighed(lambda e: e.softmax(axis)),
            2,
            "the places of a frame",
            {0: "the batch", 1: "the frames"},
        ),
        Misconception(
            "one softmax over the whole clip",
            "Your weights add up to 1 over all places of all frames. That is the flat form, "
            "equation (11). In (2) each frame has a softmax of its own.",
            _weighed(lambda e: e.flatten(1).softmax(1).view_as(e)),
        ),
        *no_softmax(_weighed, 2),
        Misconception(
            "a ReLU in the scorer",
            "Equation (1) has a tanh around the sum, and you have a ReLU there.",
            _places(bend=torch.relu),
        ),
        Misconception(
            "a sigmoid in the scorer",
            "Equation (1) has a tanh around the sum, and you have a sigmoid there.",
            _places(bend=torch.sigmoid),
        ),
        Misconception(
            "a product of place and state",
            "You multiply what the place gives by what the state gives. Equation (1) adds the two.",
            _places(join=torch.mul),
        ),
        Misconception(
            "no bend in the scorer",
            "Without the tanh the state adds the same number to every score, the softmax takes it "
            "away, and every step looks at the same places.",
            _places(bend=lambda t: t),
        ),
        Misconception(
            "a state that is not asked",
            "Your weights do not depend on the state, so that every step looks alike. Add the "
            "state inside the bend: one tanh around the sum, not two.",
            _places(ask=torch.zeros_like),
        ),
        Misconception(
            "a tanh around the score",
            "The tanh stands inside, before v. Outside it would hold every score between -1 and 1.",
            _places(bend=lambda t: t, last=lambda t, v: torch.tanh(t @ v)),
        ),
    ),
)

# 2. Read the clip ------------------------------------------------------------------------


def read_inputs(b: int, t: int, n: int, c: int) -> Draw:
    """A clip with weights of places and of frames."""

    def draw(generator: torch.Generator) -> dict[str, Any]:
        return {
            "x": normal(generator, b, t, n, c),
            "alpha": (2 * normal(generator, b, t, n)).softmax(dim=2),
            "gamma": (2 * normal(generator, b, t)).softmax(dim=1),
        }

    return draw


@recipe
def _read(
    *,
    places: Callable[[Tensor], Tensor] = lambda alpha: alpha,
    frames: Callable[[Tensor], Tensor] = lambda gamma: gamma,
    last: Callable[[Tensor], Tensor] = lambda z: z,
) -> Function:
    """Equations (3) and (6), with one step changed by each argument."""

    def read(x: Tensor, alpha: Tensor, gamma: Tensor) -> Tensor:
        u = (places(alpha)[..., None] * x).sum(dim=2)
        return last((frames(gamma)[..., None] * u).sum(dim=1))

    return read


READ = FunctionExercise(
    chapter=CHAPTER,
    name="read",
    title="Write what a step reads",
    level=1,
    task="Write `read(x, alpha, gamma)`: from a clip x (b, t, n, C), place weights alpha (b, t, n) "
    "and frame weights gamma (b, t) to what one step reads, z (b, C).",
    hints=(
        "First one vector for each frame, by (3); then one for the clip, by (6).",
        "Or weigh each place by the product of both weights, by (10), and add up once.",
        '`torch.einsum("bt,btn,btnc->bc", gamma, alpha, x)`.',
    ),
    explanation="A mean of means. The weight of one place is the weight of its frame times its "
    "weight within the frame.",
    reference=_read(),
    alternatives=(lambda x, alpha, gamma: torch.einsum("bt,btn,btnc->bc", gamma, alpha, x),),
    cases=(
        Case("plain", read_inputs(3, 4, 5, 2)),
        Case("one clip", read_inputs(1, 3, 2, 4)),
        Case("as many frames as places", read_inputs(2, 3, 3, 3)),
        Case("one frame", read_inputs(2, 1, 4, 3)),
    ),
    tolerance=Tolerance(relative=1e-5, absolute=1e-7),
    misconceptions=(
        Misconception(
            "even frames",
            "You weigh places, and take the plain mean of the frames. Each frame has the weight "
            "gamma.",
            _read(frames=lambda gamma: torch.full_like(gamma, 1 / gamma.shape[1])),
        ),
        Misconception(
            "frames added up",
            "You weigh places, and add the frames up as they are. Each frame has the weight gamma.",
            _read(frames=torch.ones_like),
        ),
        Misconception(
            "even places",
            "You weigh frames, and take the plain mean of their places. Each place has the weight "
            "alpha.",
            _read(places=lambda alpha: torch.full_like(alpha, 1 / alpha.shape[2])),
        ),
        Misconception(
            "places added up",
            "You weigh frames, and add their places up as they are. Each place has the weight "
            "alpha.",
            _read(places=torch.ones_like),
        ),
        Misconception(
            "the likeliest frame alone",
            "You read the one frame with the largest weight. (6) is a mean of all frames.",
            _read(frames=lambda g: torch.zeros_like(g).scatter(1, g.argmax(1, True), 1.0)),
        ),
        Misconception(
            "the likeliest place alone",
            "In each frame you read the one place with the largest weight. (3) is a mean of all "
            "places.",
            _read(places=lambda a: torch.zeros_like(a).scatter(2, a.argmax(2, True), 1.0)),
        ),
        Misconception(
            "a second softmax",
            "The weights that you are given are shares already. You put a softmax on top of them.",
            _read(frames=lambda gamma: gamma.softmax(dim=1)),
        ),
        Misconception(
            "a mean in place of the sum",
            "The weights add up to 1, so that the sum over frames is a mean already. You divide it "
            "by the number of frames once more.",
            lambda x, alpha, gamma: _read()(x, alpha, gamma) / x.shape[1],
        ),
    ),
)
