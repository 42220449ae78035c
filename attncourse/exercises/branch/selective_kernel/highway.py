"""An exercise of the chapter on Highway and SKNet that asks for a module: the Highway layer."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from attncourse.exercises.branch.selective_kernel.gates import (
    GateOfH,
    LearnedCarry,
    NumberGate,
    OneGate,
    WithoutBias,
    layer,
)
from attncourse.exercises.demands import Agreement
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.module import ModuleExercise, Requirement, Workbench

_CHANNELS = 5
_SMALL = 1e-4
_START = -7.25  # a gate bias that no initialisation draws


def _count(bench: Workbench) -> int:
    module = bench.build(channels=_CHANNELS, gate_bias=-1.0)
    return sum(parameter.numel() for parameter in module.parameters())


def _counted(*counts: int) -> Callable[[Workbench], str | None]:
    def violation(bench: Workbench) -> str | None:
        return f"{count} learned numbers" if (count := _count(bench)) in counts else None

    return violation


def _shut(bench: Workbench) -> str | None:
    """At a gate bias of -30 nothing of the transformed branch is left, whatever its weights."""
    x = bench.randn(4, _CHANNELS)
    module = bench.build(channels=_CHANNELS, gate_bias=-30.0)
    gap = float((bench.run(module, x=x.clone()).detach() - x).abs().max())
    return f"an output that is off by {gap:.3g}" if gap > _SMALL else None


def _starts(*names: str, at: float = _START) -> Callable[[Workbench], str | None]:
    """Whether exactly these of W_H, b_H, W_T and b_T start at ``at`` when the gate bias is -7.25.

    The weights were carried over before, so the module has these four, in this order.
    """

    def violation(bench: Workbench) -> str | None:
        module = bench.build(channels=_CHANNELS, gate_bias=_START)
        parameters = zip(("W_H", "b_H", "W_T", "b_T"), module.parameters(), strict=True)
        found = tuple(name for name, parameter in parameters if bool((parameter == at).all()))
        return f"{' and '.join(found)} start at {at:g}" if found == names else None

    return violation


def _weights_filled(bench: Workbench) -> str | None:
    module = bench.build(channels=_CHANNELS, gate_bias=_START)
    count = sum(int((p == _START).sum()) for p in module.parameters() if p.ndim > 1)
    return f"{count} weights that start at the gate bias" if count else None


def _highway(x: Tensor, h: Tensor, t: Tensor) -> Tensor:
    return x + t.sigmoid() * (h.relu() - x)


_PAIR, _THREE = 2 * _CHANNELS * (_CHANNELS + 1), 3 * _CHANNELS * (_CHANNELS + 1)

HIGHWAY = ModuleExercise(
    chapter="branch/selective_kernel",
    name="highway",
    title="Write a Highway layer",
    level=2,
    task="Write `class Highway(nn.Module)`, built with `channels` and `gate_bias`: equations (1) "
    "and (2), with the layer of H first and that of T second.",
    hints=(
        "Two linear layers of the same size, made in the order H, T. What does each of them get as "
        "its non-linearity?",
        "`nn.init.constant_(self.gate.bias, gate_bias)` sets where the gate starts.",
        "In `forward`: `t = torch.sigmoid(self.gate(x))`, then `t * relu(self.transform(x)) + "
        "(1 - t) * x`.",
    ),
    explanation="With a very negative bias the layer is the identity at the start, at any depth.",
    reference=layer(lambda x, h, t: t.sigmoid() * h.relu() + (1 - t.sigmoid()) * x),
    alternatives=(layer(_highway),),
    demands=(
        Requirement(
            f"two linear layers with biases, {_PAIR} learned numbers for {_CHANNELS} channels",
            _counted(_THREE),
            Misconception(
                "a learned layer on the way around",
                "What is carried is x itself. With a layer there, no bias of the gate makes the "
                "block an identity. The same slip circulates in public code.",
                LearnedCarry,
            ),
        ),
        Requirement(
            "a gate that looks at x, through a linear layer",
            _counted(_CHANNELS * (_CHANNELS + 2)),
            Misconception(
                "a gate that does not look",
                "One learned number a unit is the same gate for every input. T is a function of x.",
                NumberGate,
            ),
        ),
        Requirement(
            "one share for each unit",
            _counted((_CHANNELS + 1) ** 2),
            Misconception(
                "one share for all units",
                "T has as many entries as x: its layer goes from `channels` to `channels`.",
                OneGate,
            ),
        ),
        Requirement(
            "both layers have a bias",
            _counted(2 * _CHANNELS**2, 2 * _CHANNELS**2 + _CHANNELS),
            Misconception(
                "a layer without its bias",
                "Both layers of (2) have a learned bias, b_H and b_T.",
                WithoutBias,
            ),
        ),
        Agreement(
            reference=layer(_highway),
            arguments={"channels": _CHANNELS, "gate_bias": -0.5},
            shapes={"x": (6, _CHANNELS)},
            misconceptions=(
                Misconception(
                    "the two shares changed places",
                    "T is the share of the transformed branch, 1 - T that of x.",
                    layer(lambda x, h, t: _highway(x, h, -t)),
                ),
                Misconception(
                    "x carried whole",
                    "You add T ⊙ H to x. The shares add up to 1, so x is multiplied by 1 - T.",
                    layer(lambda x, h, t: x + t.sigmoid() * h.relu()),
                ),
                Misconception(
                    "a missing ReLU",
                    "H is the transformed branch after its non-linearity.",
                    layer(lambda x, h, t: x + t.sigmoid() * (h - x)),
                ),
                Misconception(
                    "a gate without its sigmoid",
                    "T must lie between 0 and 1 to be a share.",
                    layer(lambda x, h, t: x + t * (h.relu() - x)),
                ),
                Misconception(
                    "nothing carried",
                    "This is T ⊙ H alone. The other share, 1 - T, goes to x.",
                    layer(lambda x, h, t: t.sigmoid() * h.relu()),
                ),
                Misconception(
                    "a ReLU that reaches x",
                    "The ReLU belongs to H alone. What is carried stays as it is, below zero too.",
                    layer(lambda x, h, t: _highway(x, h, t).relu()),
                    also=(layer(lambda x, h, t: _highway(x.relu(), h, t)),),
                ),
                Misconception(
                    "another non-linearity of H",
                    "δ is the ReLU in this course.",
                    layer(lambda x, h, t: x + t.sigmoid() * (h.tanh() - x)),
                    also=(
                        layer(lambda x, h, t: x + t.sigmoid() * (F.gelu(h) - x)),
                        layer(lambda x, h, t: x + t.sigmoid() * (h.sigmoid() - x)),
                    ),
                ),
                Misconception(
                    "another gate than a sigmoid",
                    "T is the sigmoid of W_T x + b_T, taken once, for every unit by itself.",
                    layer(lambda x, h, t: x + t.softmax(-1) * (h.relu() - x)),
                    also=(
                        layer(lambda x, h, t: x + t.relu() * (h.relu() - x)),
                        layer(lambda x, h, t: x + t.sigmoid().sigmoid() * (h.relu() - x)),
                        layer(lambda x, h, t: x + F.hardsigmoid(t) * (h.relu() - x)),
                    ),
                ),
                Misconception(
                    "a residual layer",
                    "You add H to x whole. (1) gives H the share T and x the share 1 - T.",
                    layer(lambda x, h, t: x + h.relu()),
                ),
                Misconception(
                    "a gate that looks at H",
                    "T is made from x, as H is, and not from H.",
                    GateOfH,
                ),
                Misconception(
                    "the shares without the branches",
                    "This is T alone. The layer returns what T mixes, y in (1).",
                    layer(lambda x, h, t: t.sigmoid()),
                ),
                Misconception(
                    "H and T made in the other order",
                    "The layer that was made first feeds the sigmoid. Make the layer of H first, "
                    "so that the check can hand both their weights.",
                    layer(lambda x, h, t: x + h.sigmoid() * (t.relu() - x)),
                ),
            ),
        ),
        Requirement(
            "weights that are left alone",
            _weights_filled,
            Misconception(
                "weights filled with the gate bias",
                "`gate_bias` is where the bias starts. Leave the weights as the library makes "
                "them.",
                layer(_highway, filled=("gate.weight",)),
            ),
        ),
        Requirement(
            "a bias of the gate that starts at the gate bias, and not at minus the gate bias",
            _starts("b_T", at=-_START),
            Misconception(
                "a gate bias with its sign turned",
                "b_T starts at `gate_bias` as it is given, which is negative for a layer that "
                "carries at the start.",
                layer(_highway, sign=-1.0),
            ),
        ),
        Requirement(
            "b_T alone starts at the gate bias",
            _starts("b_H"),
            Misconception(
                "the gate's bias given to H in its place",
                "`gate_bias` says where b_T starts. Here b_H starts there, and b_T where the "
                "library leaves it.",
                layer(_highway, bias=0.0, filled=("transform.bias",)),
            ),
        ),
        Requirement(
            "b_T alone starts at the gate bias, and b_H does not",
            _starts("b_H", "b_T"),
            Misconception(
                "the gate's bias given to H as well",
                "`gate_bias` says where the gate starts. With it H would start far below zero too, "
                "and its ReLU would pass nothing. Leave H's own bias as the library makes it.",
                layer(_highway, filled=("transform.bias",)),
            ),
        ),
        Requirement(
            "x itself when the gate bias is -30",
            _shut,
            Misconception(
                "a gate bias that is not set",
                "At `gate_bias=-30` the layer has to return x, and yours does not. Fill the gate's "
                "bias with `gate_bias`.",
                layer(_highway, bias=0.0),
            ),
        ),
    ),
)
