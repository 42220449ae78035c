"""The time machine: a strip of frames, a weight for each, and what is read.

A frame is a handful of named numbers (a mark, borders and digits, how much a joint moves), not an
image, so this machine takes no picture of the reader's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.explorer import _finite
from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import (
    ACTIVATIONS,
    Goal,
    as_lists,
    as_presets,
    checked_temperatures,
    exact,
    machine,
    softmax,
)
from attncourse.views.show import Picture, show
from attncourse.views.style import PALETTE


@dataclass(frozen=True)
class FrameAttention:
    """Every frame asks all frames: ``query`` and ``key`` are (d, c)."""

    query: Any
    key: Any


@dataclass(frozen=True)
class FrameGate:
    """Every frame gets a score by itself, ``weight · x + bias``, and ``act`` makes the weights.

    ``act`` is one of the machines' activations, or ``softmax`` over the frames.
    """

    weight: Any
    bias: float = 0.0
    act: str = "relu"


@dataclass(frozen=True)
class JointGate:
    """The numbers of a frame are joints, weighed by softmax(score tanh(look x + bias))."""

    look: Any
    bias: Any
    score: Any
    score_bias: Any


def time_machine(
    x: np.ndarray,
    weigh: FrameAttention | FrameGate,
    *,
    id: str,
    alt: str,
    frames: Sequence[str],
    features: Sequence[str],
    value: np.ndarray,
    outputs: Sequence[str],
    joints: JointGate | None = None,
    average: bool = False,
    titles: Sequence[str] = (),
    symbols: Sequence[str] = (),
    limits: Sequence[tuple[float, float]] = ((-1.0, 1.0), (0.0, 1.0), (-1.0, 1.0)),
    start: int = 0,
    presets: Mapping[str, np.ndarray] | None = None,
    temperatures: Sequence[float] = (),
    most: float = 1.0,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Paint the numbers of the frames and see scores, weights and what is read.

    Args:
        x: (t, c), 0 to ``most``.
        weigh: attention between frames, or a gate for each.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        frames: names of the frames.
        features: names of the c numbers: features or joints.
        value: (n, c), what a frame gives to the sum.
        outputs: names of the n numbers that are read.
        joints: a gate for the joints of each frame, in front of the values.
        average: divide the sum by the number of frames.
        titles: headings of the steps: frames, joints if there are any, scores, weights, sum.
        symbols: the same in symbols.
        limits: ends of the bars of scores, weights and sum.
        start: the first query.
        presets: name of a button -> the frames that it makes.
        temperatures: settings of a slider that multiplies the scores, 1 among them; with joints
            it multiplies theirs instead.
        most: the largest number that can be painted.
        goals: what there is to reach.

    Raises:
        ValueError: if shapes do not fit or a value is not finite.
    """
    x = _finite(x, "x")
    value = _finite(value, "value")
    if x.ndim != 2 or x.shape != (len(frames), len(features)):
        raise ValueError(
            f"x has the shape {x.shape}, but there are {len(frames)} frames and "
            f"{len(features)} features: pass (t, c)"
        )
    if value.shape != (len(outputs), len(features)):
        raise ValueError(
            f"value has the shape {value.shape}: it must be ({len(outputs)}, {len(features)}), "
            f"a row for each output"
        )
    steps = 5 if joints else 4
    if len(titles) != steps or len(symbols) != steps:
        raise ValueError(
            f"there are {len(titles)} titles and {len(symbols)} symbols: this machine has {steps} "
            f"steps"
        )
    spec: dict[str, Any] = {
        "shape": list(x.shape),
        "x": encode(x),
        "frames": list(frames),
        "features": list(features),
        "outputs": list(outputs),
        "value": value.tolist(),
        "average": average,
        "titles": list(titles),
        "symbols": list(symbols),
        "limits": [list(pair) for pair in limits],
        "start": start,
        "most": most,
        "presets": as_presets({"start again": x, **(presets or {})}, x.shape),
        "temperatures": checked_temperatures(temperatures),
    }
    if isinstance(weigh, FrameAttention):
        spec["attention"] = {
            "query": as_lists(weigh.query, "query", 2),
            "key": as_lists(weigh.key, "key", 2),
        }
    else:
        known = (*ACTIVATIONS, "softmax")
        if weigh.act not in known:
            raise ValueError(f"act={weigh.act!r} is unknown: choose of {', '.join(known)}")
        spec["gate"] = {
            "weight": as_lists(weigh.weight, "weight", 1),
            "bias": float(np.float32(weigh.bias)),
            "act": weigh.act,
        }
    if joints:
        spec["joints"] = {
            "look": as_lists(joints.look, "look", 2),
            "bias": as_lists(joints.bias, "bias", 1),
            "score": as_lists(joints.score, "score", 2),
            "score_bias": as_lists(joints.score_bias, "score_bias", 1),
        }
    numbers = time_numbers(x, weigh, value, joints=joints, average=average, query=start)
    return machine("time", id, alt, spec, _poster(x, numbers, frames, features, most, alt), goals)


def time_numbers(
    x: np.ndarray,
    weigh: FrameAttention | FrameGate,
    value: np.ndarray,
    *,
    joints: JointGate | None = None,
    average: bool = False,
    query: int = 0,
    temperature: float = 1.0,
) -> dict[str, np.ndarray]:
    """What the page computes: scores and weights of the frames, the joints' shares, the sum."""
    x = np.asarray(x, dtype=float)
    found: dict[str, np.ndarray] = {}
    seen = x
    if joints:
        hidden = np.tanh(x @ exact(joints.look).T + exact(joints.bias))
        found["alpha"] = softmax(
            temperature * (hidden @ exact(joints.score).T + exact(joints.score_bias))
        )
        seen = x.shape[1] * found["alpha"] * x
    if isinstance(weigh, FrameAttention):
        q, k = x @ exact(weigh.query).T, x @ exact(weigh.key).T
        found["scores"] = temperature * (k @ q[query])
        found["weights"] = softmax(found["scores"])
    else:
        louder = 1.0 if joints else temperature
        found["scores"] = louder * (x @ exact(weigh.weight) + float(np.float32(weigh.bias)))
        act = softmax if weigh.act == "softmax" else ACTIVATIONS[weigh.act]
        found["weights"] = act(found["scores"])
    total = found["weights"] @ (seen @ exact(value).T)
    found["sum"] = total / len(x) if average else total
    return found


def _poster(
    x: np.ndarray,
    numbers: Mapping[str, np.ndarray],
    frames: Sequence[str],
    features: Sequence[str],
    most: float,
    alt: str,
) -> Picture:
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(7.2, 3.4), sharex=True)
    upper.imshow(x.T, cmap="gray", vmin=0, vmax=most, aspect="auto")
    upper.set_yticks(range(len(features)), features)
    lower.bar(range(len(frames)), numbers["weights"], color=PALETTE["attention"])
    lower.set_ylabel("weight")
    lower.set_xticks(range(len(frames)), frames)
    return show(figure, alt=alt, dpi=100)
