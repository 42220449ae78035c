"""Exercises on STA-LSTM that ask for a function: gated joints, and the shift by one."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.shelf import overflow, wrong_axes
from attncourse.spatial_temporal.sta_lstm import before, gated

CHAPTER = "spatial_temporal/sta_lstm"
Draw = Callable[[torch.Generator], dict[str, Tensor]]

# 1. Gated joints -------------------------------------------------------------------------


def _skeletons(
    b: int, t: int, k: int, dtype: torch.dtype = torch.float32, spread: float = 1, level: float = 0
) -> Draw:
    """Draws scores of joints (b, t, k), stretched and raised, and skeletons (b, t, k, 3)."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        scores = level + spread * torch.randn(b, t, k, generator=generator, dtype=dtype)
        return {"scores": scores, "x": torch.randn(b, t, k, 3, generator=generator, dtype=dtype)}

    return draw


def _gate_joints(scores: Tensor, x: Tensor) -> Tensor:
    return gated(scores.softmax(dim=2), x).view_as(x)


def _by(gates: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda scores, x: gates(scores)[..., None] * x


GATE_JOINTS = FunctionExercise(
    chapter=CHAPTER,
    name="gate_joints",
    title="Gate the joints",
    level=1,
    task="Write `gate_joints(scores, x)`: from the scores of the joints, (b, t, k), and the "
    "skeletons, (b, t, k, 3), to the gated skeletons of equation (3), (b, t, k, 3).",
    hints=(
        "Two steps: scores to gates, then gates times coordinates. Which joints compete, those of "
        "one frame or those of one moment after another?",
        "`scores.softmax(dim=2)` adds up to 1 over the joints of a frame. It has no axis for the "
        "three coordinates: add one with `[..., None]`.",
        "Even gates must leave the skeleton as it is. Each of them is 1/K, so something has to be "
        "multiplied by K, which is `x.shape[2]`.",
    ),
    explanation="With the factor K the gates say which joints count more than others, and the size "
    "of the input stays as it was.",
    reference=_gate_joints,
    alternatives=(
        lambda scores, x: x.shape[2] * torch.einsum("btk,btkd->btkd", scores.softmax(-1), x),
        lambda scores, x: (
            x.shape[2] * (scores - scores.logsumexp(dim=2, keepdim=True)).exp()[..., None] * x
        ),
    ),
    cases=(
        Case("plain", _skeletons(2, 5, 4)),
        Case("one frame of one clip", _skeletons(1, 1, 6)),
        Case("scores far apart", _skeletons(3, 4, 5, spread=5)),
        Case("scores that `exp` cannot hold", _skeletons(2, 3, 6, spread=150, level=200.0)),
        Case("double precision", _skeletons(4, 3, 7, dtype=torch.float64)),
    ),
    properties=(
        Property(
            "a joint keeps its direction and never turns round",
            lambda inputs, y: bool((y * inputs["x"] >= 0).all()),
        ),
    ),
    tolerance=Tolerance(relative=1e-3, absolute=1e-4),
    misconceptions=(
        Misconception(
            "a missing factor K",
            "Your gates add up to 1, so the whole skeleton shrinks to about 1/K of its size. "
            "Multiply by K: even gates then change nothing.",
            _by(lambda s: s.softmax(dim=2)),
        ),
        *wrong_axes(
            lambda axis: _by(lambda s: s.shape[2] * s.softmax(dim=axis)),
            2,
            "the joints of one frame",
            {1: "the frames", 0: "the batch"},
            {1: "A joint then competes with itself at other moments."},
        ),
        overflow(lambda weigh: _by(lambda s: s.shape[2] * weigh(s)), 2),
        Misconception(
            "a factor T in place of K",
            "The gates of a frame share 1 among K joints. How many frames there are does not "
            "enter.",
            _by(lambda s: s.shape[1] * s.softmax(dim=2)),
        ),
        Misconception(
            "the coordinates counted in place of the joints",
            "Your factor is 3, the coordinates of a joint, `x.shape[-1]`. The gates share 1 among "
            "the K joints: `x.shape[2]`.",
            _by(lambda s: 3 * s.softmax(dim=2)),
        ),
        Misconception(
            "a softmax over joints and frames together",
            "All joints of all frames share 1 in yours, so that a joint competes with itself at "
            "other moments. Each frame has 1 of its own: normalise along axis 2 alone.",
            _by(lambda s: s.shape[2] * s.flatten(1).softmax(dim=1).view_as(s)),
        ),
        Misconception(
            "scores with a turned sign",
            "Your largest score gets the smallest gate.",
            _by(lambda s: s.shape[2] * (-s).softmax(dim=2)),
        ),
        Misconception(
            "a sigmoid in place of the softmax",
            "Each of your joints is gated by itself. In equation (2) a joint gains what others "
            "lose.",
            _by(torch.sigmoid),
        ),
        Misconception(
            "the gated skeleton added to the skeleton",
            "x + gate x can only turn joints up. Equation (3) is a product alone, so that a joint "
            "can be shut out.",
            lambda scores, x: x + _gate_joints(scores, x),
        ),
        Misconception(
            "the scores themselves as gates",
            "A score may be negative and turn a joint round. Take the softmax first.",
            _by(lambda s: s.shape[2] * s),
        ),
    ),
)

# 2. The shift by one ---------------------------------------------------------------------


def _states(b: int, t: int, u: int, dtype: torch.dtype = torch.float32) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        return {"h": torch.randn(b, t, u, generator=generator, dtype=dtype)}

    return draw


BEFORE = FunctionExercise(
    chapter=CHAPTER,
    name="before",
    title="What was remembered when the frame came",
    level=1,
    task="Write `before(h)`: from the states h₁ … h_T, (b, t, u), to h₀ … h_{T-1}, (b, t, u), "
    "without a loop; h₀ is zero.",
    hints=(
        "The result is as long as the input. Which state is lost, and what comes in its place at "
        "the other end?",
        "The last state is not needed: no frame comes after it. The first frame has nothing before "
        "it, and gets zeros.",
        "`torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], dim=1)`, or `F.pad` on the axis of "
        "time.",
    ),
    explanation="One library call makes all states, one shift makes them past: no loop over frames "
    "is needed, because the gates do not feed back into their own memory.",
    reference=before,
    no_loop=(0, 1, 2),
    alternatives=(
        lambda h: torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], dim=1),
        lambda h: torch.cat([h.new_zeros(len(h), 1, h.shape[2]), h], dim=1)[:, :-1],
    ),
    cases=(
        # As many frames as units, so that a shift along the wrong axis has the right shape too.
        Case("plain", _states(2, 5, 5)),
        Case("one clip", _states(1, 3, 4)),
        Case("double precision", _states(3, 4, 2, dtype=torch.float64)),
    ),
    properties=(
        Property("the first state is zero", lambda _, past: bool((past[:, 0] == 0).all())),
    ),
    misconceptions=(
        Misconception(
            "states that are not shifted",
            "h_t has seen frame t already. Equations (2) and (4) take frame t by itself, and "
            "h_{t-1} for what came before.",
            lambda h: h.clone(),
        ),
        Misconception(
            "a shift the other way",
            "Yours is h_{t+1}: the gate of a frame would know the next one.",
            lambda h: F.pad(h, (0, 0, 0, 1))[:, 1:],
        ),
        Misconception(
            "a roll",
            "`torch.roll` brings the last state to the front: the first frame would know the end "
            "of the clip. It needs zeros.",
            lambda h: h.roll(1, dims=1),
        ),
        Misconception(
            "a shift along the units",
            "You moved the units of each state. The axis of time is 1.",
            lambda h: F.pad(h, (1, 0))[..., :-1],
        ),
        Misconception(
            "a shift of the clips",
            "You moved the clips of the batch: each would remember another one. The axis of time "
            "is 1.",
            lambda h: F.pad(h, (0, 0, 0, 0, 1, 0))[:-1],
        ),
        Misconception(
            "a roll of all numbers in a row",
            "`torch.roll` without `dims` takes the tensor as one long row. The axis of time is 1, "
            "and what comes round must be zero.",
            lambda h: h.roll(1),
        ),
        Misconception(
            "a roll the other way",
            "Yours is h_{t+1}, and the last frame gets the first state. Shift towards later "
            "frames, and put zeros in front.",
            lambda h: h.roll(-1, dims=1),
        ),
        Misconception(
            "a shift by two frames",
            "Yours is h_{t-2}. The frame just before this one is remembered too.",
            lambda h: F.pad(h, (0, 0, 2, 0))[:, :-2],
        ),
        Misconception(
            "the first state twice",
            "You repeat h₁ where h₀ belongs. Before the first frame nothing is remembered: zeros.",
            lambda h: torch.cat([h[:, :1], h[:, :-1]], dim=1),
        ),
    ),
)
