"""Experiments on STC-Net: one that asks for the order of frames, and one that does not.

``rising`` asks for the digit that grows brighter, ``in_step`` for the one that flickers with the
light.  ``longer`` gives the block and its branch with time four times the steps of ``rising``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.spatial_temporal.channel_correlation.nets import (
    Block,
    Branch,
    ClipNet,
    TwoBranches,
    both,
    convolutions,
    frame_gates,
    kernels,
    mixed,
    nothing,
    vector,
)
from attncourse.tasks.digit_courses import DigitCourses
from attncourse.training import Budget

_SHORT = Budget(steps=500, batch_size=64, learning_rate=5e-3)
_LONG = Budget(steps=800, batch_size=64, learning_rate=5e-3)
_LONGER = Budget(steps=2_000, batch_size=64, learning_rate=5e-3)
#: The least difference that would matter, in all experiments.
MATTERS = 0.02
#: Midway between a coin between two digits and no mistake.
LEARNED = 0.75


def _variant(
    channels: int, name: str, role: str, block: Block, why: str, **options: Any
) -> Variant:
    return Variant(name, role, partial(ClipNet, block, channels, **options), why)


def _shared(channels: int) -> dict[str, Variant]:
    """Variants of both experiments, for clips of so many channels."""
    rows = (
        ("no mask", "plain", nothing, "the mean over time of the clip as it is"),
        ("without time", "ablation", partial(Branch, timed=False), "the TCB: SE of the mean frame"),
        ("with time", "ablation", partial(Branch, timed=True), "the SCB alone"),
        ("STC", "mechanism", both, "the mean of both branches"),
        ("one vector over time", "plain", vector, "one weight a frame for all channels, then SE"),
        ("units over channels", "plain", mixed, "units over channels, ReLU, mean, then SE"),
        (
            "units over three frames",
            "plain",
            partial(mixed, reach=3),
            "units over channels and three frames, ReLU, mean, then SE",
        ),
        ("frames as channels", "plain", frame_gates, "SE on frames as channels: gates of frames"),
        ("two convolutions", "plain", convolutions, "convolutions over time, and no gate"),
    )
    return {name: _variant(channels, name, *rest) for name, *rest in rows}  # type: ignore[arg-type]


_TWO, _THREE = _shared(2), _shared(3)

RISING = Experiment(
    name="rising",
    question="Which of two digits grows brighter, where a mean over time does not tell?",
    task=DigitCourses,
    variants=(
        *_TWO.values(),
        _variant(2, "kernels over time", "plain", kernels, "four linear kernels, mean, then SE"),
        _variant(
            2,
            "kernels on a ring",
            "ablation",
            partial(kernels, circular=True),
            "the same, where the clip is closed to a ring",
        ),
        _variant(2, "STC, biases", "ablation", partial(both, bias=True), "biases in all layers"),
        _variant(
            2,
            "with time, halved",
            "ablation",
            partial(Branch, timed=True, share=0.5),
            "the SCB alone, and half of its gates",
        ),
        _variant(2, "two with time", "ablation", TwoBranches, "the mean of two branches with time"),
        _variant(
            2,
            "one vector, two units",
            "ablation",
            partial(vector, small=True),
            "one weight a frame, then the layers of the TCB: two units, no biases",
        ),
        _variant(2, "no mask, apart", "plain", nothing, "channels side by side", apart=True),
        _variant(
            2,
            "with time, apart",
            "ablation",
            partial(Branch, timed=True),
            "the SCB, channels side by side",
            apart=True,
        ),
        _variant(2, "STC, apart", "ablation", both, "both, channels side by side", apart=True),
    ),
    quick=_SHORT,
    full=_SHORT,
    data="digit courses, rising: 2 digits in 8 frames, drawn anew",
    matters=MATTERS,
    learned=LEARNED,
)

IN_STEP = Experiment(
    name="in_step",
    question="Which of two digits flickers with the light?",
    task=partial(DigitCourses, "in step"),
    variants=tuple(_THREE.values()),
    quick=_LONG,
    full=_LONG,
    data="digit courses, in step: 2 digits and a light in 8 frames, drawn anew",
    matters=MATTERS,
    learned=LEARNED,
)

LONGER = Experiment(
    name="longer",
    question="Does the branch without time get out of the way, given more steps?",
    task=DigitCourses,
    variants=(_TWO["one vector over time"], _TWO["with time"], _TWO["STC"]),
    quick=_LONGER,
    full=_LONGER,
    data="digit courses, rising: 2 digits in 8 frames, drawn anew",
    matters=MATTERS,
    learned=LEARNED,
)

EXPERIMENTS = (RISING, IN_STEP, LONGER)
