"""An exercise on Squeeze-and-Excitation that asks for a module: the gate that does not look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncourse.exercises.demands import Trainable
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.module import ModuleExercise, Requirement, Workbench

_CHANNELS = 6
_SMALL = 1e-4


def _gate_module(
    forward: Callable[[Tensor, Tensor], Tensor],
    keep: Callable[[Tensor], Tensor] = nn.Parameter,
    size: tuple[int, ...] = (),
) -> type[nn.Module]:
    """A class with one tensor, of ``size`` or else one number a channel, and this forward pass."""

    class Gate(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.logits = keep(torch.zeros(size or (channels,)))

        def forward(self, x: Tensor) -> Tensor:
            return forward(self.logits, x)

    return Gate


def _wide(t: Tensor) -> Tensor:
    return t[:, None, None]


@dataclass(frozen=True)
class _Seen:
    """Input and output of the learner's module, with its parameters away from their start.

    A gate that starts at the same value everywhere would hide most mistakes.
    """

    module: nn.Module
    x: Tensor
    y: Tensor

    @property
    def gates(self) -> Tensor:
        """Output over input, (b, c, h, w)."""
        return self.y / self.x

    @property
    def count(self) -> int:
        """Learned numbers."""
        return sum(parameter.numel() for parameter in self.module.parameters())


def _see(bench: Workbench, number: int = 0, sign: int = 1) -> _Seen:
    # As wide as it has channels: a gate along the wrong axis then fits, and is caught.
    x = bench.randn(3, _CHANNELS, 4, _CHANNELS, number=number).abs() + 0.5
    module = bench.build(channels=_CHANNELS)
    with torch.no_grad():
        for index, parameter in enumerate(module.parameters(), start=10):
            parameter.copy_(2 * sign * bench.randn(*parameter.shape, number=index))
    return _Seen(module, x, bench.run(module, x=x.clone()).detach())


def _demand(
    statement: str,
    measure: Callable[[_Seen], object],
    wrong: Callable[[_Seen], bool],
    text: str,
    misconception: Misconception[type[nn.Module]] | None = None,
) -> Requirement:
    """A requirement on what is seen; the measured value takes the place of {} in ``text``."""

    def violation(bench: Workbench) -> str | None:
        seen = _see(bench)
        return text.format(measure(seen)) if wrong(seen) else None

    return Requirement(statement, violation, misconception)


def _spread(values: Tensor, *dims: int) -> float:
    """Largest difference along ``dims``."""
    return float((values.amax(dims) - values.amin(dims)).max())


def _change(seen: _Seen) -> float:
    return float((seen.y - seen.x).abs().max())


def _extreme(seen: _Seen) -> float:
    return float(seen.gates.flatten()[(seen.gates - 0.5).abs().argmax()])


def _between_batches(bench: Workbench) -> str | None:
    gap = float((_see(bench).gates - _see(bench, 1).gates).abs().max())
    return f"gates that differ by up to {gap:.3g} between two batches" if gap > _SMALL else None


def _sum_to_one(bench: Workbench) -> str | None:
    """With both signs of the parameters: free gates may add up to 1 once, by chance."""
    totals = [float(_see(bench, sign=sign).gates[0, :, 0, 0].sum()) for sign in (1, -1)]
    if any(abs(total - 1) > _SMALL for total in totals):
        return None
    return f"gates of all channels that add up to {totals[0]:.3g}"


def _never_shut(bench: Workbench) -> str | None:
    """With both signs of the parameters, so that every gate has its chance."""
    least = min(float(_see(bench, sign=sign).gates.min()) for sign in (1, -1))
    return f"no gate below {least:.3g}" if least > 0.5 - _SMALL else None


STATIC_GATE = ModuleExercise(
    chapter="channel/squeeze_excitation",
    name="static_gate",
    title="A control: the gate that does not look",
    level=2,
    task="Write `class StaticGate(nn.Module)`, built with the number of channels: one learned "
    "gate in (0, 1) for each channel, the same for every image.",
    hints=(
        "What does SE's gate need of the image? Leave out just that, and keep the product.",
        "One `nn.Parameter` of `channels` numbers takes the place of the squeeze and both layers.",
        "`self.logits = nn.Parameter(torch.zeros(channels))`, and in `forward` "
        "`torch.sigmoid(self.logits)[:, None, None] * x`.",
    ),
    explanation="Put it where SE stood: what SE gains over this control is not the gain of a fixed "
    "scale. SE also has more parameters; the control that adds SE's output rules those out.",
    reference=_gate_module(lambda p, x: _wide(p.sigmoid()) * x),
    alternatives=(_gate_module(lambda p, x: x * (1 + p.view(1, -1, 1, 1).tanh()) / 2),),
    demands=(
        _demand(
            "an output of the input's shape, (3, 6, 4, 6)",
            lambda seen: tuple(seen.y.shape),
            lambda seen: seen.y.shape != seen.x.shape,
            "{}",
        ),
        _demand(
            "a learned number for each of 6 channels",
            lambda seen: seen.count,
            lambda seen: seen.count == 0,
            "{}",
            Misconception(
                "a gate that is not registered",
                "A plain tensor or a buffer is not trained. Wrap it in `nn.Parameter`.",
                _gate_module(lambda p, x: _wide(p.sigmoid()) * x, keep=lambda tensor: tensor),
            ),
        ),
        _demand(
            "gate times x",
            _change,
            lambda seen: _spread(seen.y - seen.x, 0, 2, 3) < _SMALL < _change(seen),
            "x plus a number, up to {:.3g}",
            Misconception(
                "a sum in place of the product",
                "You add the gate to x. A gate multiplies.",
                _gate_module(lambda p, x: _wide(p.sigmoid()) + x),
            ),
        ),
        _demand(
            "the same gate for every image",
            lambda seen: _spread(seen.gates, 0),
            lambda seen: _spread(seen.gates, 0) > _SMALL,
            "gates that differ by up to {:.3g} between two images of a batch",
            Misconception(
                "a gate that looks at the image",
                "That is attention; the control must not depend on x at all.",
                _gate_module(lambda p, x: (_wide(p) + x.mean((2, 3), keepdim=True)).sigmoid() * x),
            ),
        ),
        Requirement(
            "the same gate for every batch",
            _between_batches,
            Misconception(
                "a gate that looks at the batch",
                "All images of a batch get the same gate, and still it depends on them.",
                _gate_module(lambda p, x: _wide((p + x.mean((0, 2, 3))).sigmoid()) * x),
            ),
        ),
        _demand(
            "the same gate at all positions of a channel",
            lambda seen: _spread(seen.gates, 2, 3),
            lambda seen: _spread(seen.gates, 2, 3) > _SMALL,
            "gates that differ by up to {:.3g} within a channel",
            Misconception(
                "a gate along the width",
                "`(c,) * (b, c, h, w)` lines up the last axes. Move the gate to the channel axis "
                "with `gate[:, None, None]`.",
                _gate_module(lambda p, x: p.sigmoid() * x),
            ),
        ),
        _demand(
            "a gate for each channel",
            lambda seen: _spread(seen.gates, 1),
            lambda seen: _spread(seen.gates, 1) < _SMALL,
            "gates that differ by {:.3g} between channels",
            Misconception(
                "one gate for all channels",
                "A single number scales everything alike. Give each channel its own.",
                _gate_module(lambda p, x: p.sigmoid() * x, size=(1,)),
            ),
        ),
        Requirement(
            "gates that are free of each other",
            _sum_to_one,
            Misconception(
                "a softmax over the channels",
                "With it one channel can only open if another closes. Take a sigmoid, as SE does.",
                _gate_module(lambda p, x: _wide(p.softmax(dim=0)) * x),
            ),
        ),
        _demand(
            "gates from 0 to 1",
            _extreme,
            lambda seen: abs(_extreme(seen) - 0.5) > 0.5 + _SMALL,
            "a gate of {:.3g}",
            Misconception(
                "a gate without bounds",
                "You multiply by the parameter itself. Squash it with a sigmoid first.",
                _gate_module(lambda p, x: _wide(p) * x),
            ),
        ),
        Requirement(
            "gates below one half, too",
            _never_shut,
            Misconception(
                "a ReLU in front of the sigmoid",
                "Nothing negative reaches the sigmoid, so no channel can be shut.",
                _gate_module(lambda p, x: _wide(p.relu().sigmoid()) * x),
            ),
        ),
        _demand(
            "one learned number for each of 6 channels, and no more",
            lambda seen: seen.count,
            lambda seen: seen.count != _CHANNELS,
            "{}",
        ),
        Trainable(
            {"channels": _CHANNELS},
            {"x": (3, _CHANNELS, 4, _CHANNELS)},
            cut_off=_gate_module(lambda p, x: _wide(p.detach().sigmoid()) * x),
            frozen=_gate_module(
                lambda p, x: _wide(p.sigmoid()) * x, lambda t: nn.Parameter(t, requires_grad=False)
            ),
        ),
    ),
)
