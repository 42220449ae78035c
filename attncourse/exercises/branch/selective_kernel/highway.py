"""An exercise of the chapter on Highway and SKNet that asks for a module: the Highway layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attncourse.exercises.demands import Agreement
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.module import ModuleExercise, Requirement, Workbench

_CHANNELS = 5
_SMALL = 1e-4


def _layer(
    forward: Callable[[Tensor, Tensor, Tensor], Tensor],
    bias: float | None = None,
    both: bool = False,
) -> type[nn.Module]:
    """A class with two linear layers; ``forward`` gets x, W_H x + b_H and W_T x + b_T."""

    class Layer(nn.Module):
        def __init__(self, channels: int, gate_bias: float) -> None:
            super().__init__()
            self.transform = nn.Linear(channels, channels)
            self.gate = nn.Linear(channels, channels)
            nn.init.constant_(self.gate.bias, gate_bias if bias is None else bias)
            if both:
                nn.init.constant_(self.transform.bias, gate_bias)

        def forward(self, x: Tensor) -> Tensor:
            return forward(x, self.transform(x), self.gate(x))

    return Layer


class _LearnedCarry(nn.Module):
    """A third linear layer in the place of the carried x (known error C26)."""

    def __init__(self, channels: int, gate_bias: float) -> None:
        super().__init__()
        self.transform, self.gate, self.carried = (nn.Linear(channels, channels) for _ in range(3))
        nn.init.constant_(self.gate.bias, gate_bias)

    def forward(self, x: Tensor) -> Tensor:
        t = torch.sigmoid(self.gate(x))
        return t * F.relu(self.transform(x)) + (1 - t) * self.carried(x)


class _NumberGate(nn.Module):
    """One learned number a unit in the place of the gate's layer."""

    def __init__(self, channels: int, gate_bias: float) -> None:
        super().__init__()
        self.transform = nn.Linear(channels, channels)
        self.logits = nn.Parameter(torch.full((channels,), gate_bias))

    def forward(self, x: Tensor) -> Tensor:
        t = torch.sigmoid(self.logits)
        return t * F.relu(self.transform(x)) + (1 - t) * x


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


def _filled(bench: Workbench) -> str | None:
    """Only the gate's biases start at the gate bias."""
    module = bench.build(channels=_CHANNELS, gate_bias=-7.25)
    count = sum(int((parameter == -7.25).sum()) for parameter in module.parameters())
    return f"{count} numbers that start at the gate bias" if count > _CHANNELS else None


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
    reference=_layer(lambda x, h, t: t.sigmoid() * h.relu() + (1 - t.sigmoid()) * x),
    alternatives=(_layer(_highway),),
    demands=(
        Requirement(
            f"two linear layers with biases, {_PAIR} learned numbers for {_CHANNELS} channels",
            _counted(_THREE),
            Misconception(
                "a learned layer on the way around",
                "What is carried is x itself. With a layer there, no bias of the gate makes the "
                "block an identity. The same slip circulates in public code.",
                _LearnedCarry,
            ),
        ),
        Requirement(
            "a gate that looks at x, through a linear layer",
            _counted(_CHANNELS * (_CHANNELS + 2)),
            Misconception(
                "a gate that does not look",
                "One learned number a unit is the same gate for every input. T is a function of x.",
                _NumberGate,
            ),
        ),
        Agreement(
            reference=_layer(_highway),
            arguments={"channels": _CHANNELS, "gate_bias": -0.5},
            shapes={"x": (6, _CHANNELS)},
            misconceptions=(
                Misconception(
                    "the two shares changed places",
                    "T is the share of the transformed branch, 1 - T that of x.",
                    _layer(lambda x, h, t: _highway(x, h, -t)),
                ),
                Misconception(
                    "x carried whole",
                    "You add T ⊙ H to x. The shares add up to 1, so x is multiplied by 1 - T.",
                    _layer(lambda x, h, t: x + t.sigmoid() * h.relu()),
                ),
                Misconception(
                    "a missing ReLU",
                    "H is the transformed branch after its non-linearity.",
                    _layer(lambda x, h, t: x + t.sigmoid() * (h - x)),
                ),
                Misconception(
                    "a gate without its sigmoid",
                    "T must lie between 0 and 1 to be a share.",
                    _layer(lambda x, h, t: x + t * (h.relu() - x)),
                ),
                Misconception(
                    "nothing carried",
                    "This is T ⊙ H alone. The other share, 1 - T, goes to x.",
                    _layer(lambda x, h, t: t.sigmoid() * h.relu()),
                ),
                Misconception(
                    "a ReLU on the whole sum",
                    "The ReLU belongs to H. Around the sum, it also cuts what is carried.",
                    _layer(lambda x, h, t: _highway(x, h, t).relu()),
                ),
                Misconception(
                    "H and T made in the other order",
                    "The layer that was made first feeds the sigmoid. Make the layer of H first, "
                    "so that the check can hand both their weights.",
                    _layer(lambda x, h, t: x + h.sigmoid() * (t.relu() - x)),
                ),
            ),
        ),
        Requirement(
            "x itself when the gate bias is -30",
            _shut,
            Misconception(
                "a gate bias that is not set",
                "With the library's default the gate starts near one half. Fill the gate's bias "
                "with `gate_bias`.",
                _layer(_highway, bias=0.0),
            ),
        ),
        Requirement(
            f"a bias of H that is left alone: {_CHANNELS} numbers start at the gate bias",
            _filled,
            Misconception(
                "the gate's bias given to H as well",
                "`gate_bias` says where the gate starts. With it H would start far below zero too, "
                "and its ReLU would pass nothing. Leave H's own bias as the library makes it.",
                _layer(_highway, both=True),
            ),
        ),
    ),
)
