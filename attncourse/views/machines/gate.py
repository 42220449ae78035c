"""The gate machine: channels, a statistic of each, layers, gates, gated channels."""

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
    exact,
    machine,
    softmax,
)
from attncourse.views.show import show
from attncourse.views.style import PALETTE

#: What a layer may end with besides: shares of one, times how many there are.
COUNT_SOFTMAX = "count softmax"
STATISTICS = ("mean", "max", "std", "norm", "covariance", "frequency")


@dataclass(frozen=True)
class Filter:
    """What becomes of a reader's own picture in one channel: a filter of 3x3 cells.

    The weighted sum of its colours is filtered, with its rim repeated outside, and cut to 0 ... 1.

    Attributes:
        name: what the channel then shows, such as ``edges along x``.
        kernel: (3, 3), not turned around.
        colours: weights of red, green and blue.
        bias: added to what the kernel gives.
    """

    name: str
    kernel: Any
    colours: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    bias: float = 0.0


#: Filters for :func:`gate_machine`.
BRIGHTNESS = Filter("brightness", [[0, 0, 0], [0, 1, 0], [0, 0, 0]])
EDGES_ACROSS = Filter("brighter to the right", [[-0.5, 0, 0.5], [-1, 0, 1], [-0.5, 0, 0.5]])
EDGES_DOWN = Filter("brighter downwards", [[-0.5, -1, -0.5], [0, 0, 0], [0.5, 1, 0.5]])
WARMTH = Filter("red against blue", BRIGHTNESS.kernel, (0.5, 0, -0.5), 0.5)


@dataclass(frozen=True)
class GateLayer:
    """One affine layer and what follows it.

    Attributes:
        weight: (out, in).
        bias: (out,), or nothing.
        act: one of :data:`~attncourse.views.machines.bench.ACTIVATIONS`, or ``count softmax``: the
            softmax times the number of units, so that equal ones are 1.
        title: what the layer does, as the heading of its step.
        formula: the same in symbols.
        units: names of what comes out; the channels' names for the last layer.
        limits: values at the ends of its bars.
        normalise: divide what comes in by the root of its mean square first.
    """

    weight: Any
    bias: Any = None
    act: str = "none"
    title: str = "Layer"
    formula: str = ""
    units: Sequence[str] = ()
    limits: tuple[float, float] = (0.0, 1.0)
    normalise: bool = False


@dataclass(frozen=True)
class Squeeze:
    """A statistic of every channel, and the layers that make gates of it.

    Attributes:
        name: as the reader chooses it.
        statistics: of :data:`STATISTICS`, one after the other; covariance gives c * c numbers.
        layers: the last has one output a channel.
        title: heading of the statistic's step.
        formula: the same in symbols.
        units: names of the statistics, if they are not one a channel.
        limits: values at the ends of its bars.
    """

    name: str
    statistics: Sequence[str]
    layers: Sequence[GateLayer]
    title: str = "Squeeze: one number a channel"
    formula: str = ""
    units: Sequence[str] = ()
    limits: tuple[float, float] = (0.0, 1.0)


def gate_machine(
    x: np.ndarray,
    squeezes: Sequence[Squeeze],
    *,
    id: str,
    alt: str,
    names: Sequence[str],
    presets: Mapping[str, np.ndarray] | None = None,
    frequencies: Sequence[tuple[int, int]] = (),
    epsilon: float = 0.0,
    symbols: Mapping[str, str] | None = None,
    own_picture: Sequence[Filter] = (),
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Paint channels and watch every number of the gate change.

    Args:
        x: (c, h, w), the first channels, values 0 to 1.
        squeezes: statistic and layers; where there are several the reader chooses.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        names: of the channels.
        presets: name of a button -> the channels that it makes.
        frequencies: (down, across) of each channel, for the statistic ``frequency``, the mean of
            the channel times a cosine wave of mean square 1.
        epsilon: under the roots of std and norm and of the normalisation.
        symbols: formulas of the first and last step, keys ``x`` and ``y``.
        own_picture: a filter for each channel, where the reader may put a picture of his own in.
        goals: what there is to reach.

    Raises:
        ValueError: if shapes do not fit, a name is unknown or a value is not finite.
    """
    x = _finite(x, "x")
    if x.ndim != 3 or len(x) != len(names):
        raise ValueError(
            f"x has the shape {x.shape} and there are {len(names)} names: pass (c, h, w) and a "
            f"name for each channel"
        )
    if len(own_picture) not in (0, len(names)):
        raise ValueError(
            f"own_picture has {len(own_picture)} filters for {len(names)} channels: give one each"
        )
    for squeeze in squeezes:
        _check(squeeze, len(names), bool(frequencies))
    spec = {
        "shape": list(x.shape),
        "x": encode(x),
        "names": list(names),
        "presets": as_presets({"start again": x, **(presets or {})}, x.shape),
        "frequencies": [list(pair) for pair in frequencies],
        "epsilon": epsilon,
        "symbols": {"x": "x", "y": "y = s ⊙ x", **(symbols or {})},
        "variants": [_as_data(squeeze) for squeeze in squeezes],
        "own": [_filter_data(each) for each in own_picture] or None,
    }
    numbers = gate_numbers(x, squeezes[0], frequencies=frequencies, epsilon=epsilon)
    return machine("gate", id, alt, spec, _poster(x, numbers[-1], names, alt), goals)


def gate_numbers(
    x: np.ndarray,
    squeeze: Squeeze,
    *,
    frequencies: Sequence[tuple[int, int]] = (),
    epsilon: float = 0.0,
) -> list[np.ndarray]:
    """What the page computes: the statistic, then the output of every layer, the gates last."""
    x = np.asarray(x, dtype=float)
    values = [
        np.concatenate([_statistic(x, name, frequencies, epsilon) for name in squeeze.statistics])
    ]
    for layer in squeeze.layers:
        before = values[-1]
        if layer.normalise:
            before = before / np.sqrt(np.mean(before**2) + epsilon)
        bias = 0 if layer.bias is None else exact(layer.bias)
        out = exact(layer.weight) @ before + bias
        shared = layer.act == COUNT_SOFTMAX
        values.append(len(out) * softmax(out) if shared else ACTIVATIONS[layer.act](out))
    return values


def filtered(picture: np.ndarray, filters: Sequence[Filter]) -> np.ndarray:
    """(c, h, w), the channels that the page makes of a reader's picture (h, w, 3)."""
    picture = np.asarray(picture, dtype=float)
    h, w = picture.shape[:2]
    found = []
    for each in filters:
        padded = np.pad(picture @ exact(each.colours), 1, mode="edge")
        total = np.full((h, w), float(np.float32(each.bias)))
        for p, row in enumerate(exact(each.kernel)):
            for q, weight in enumerate(row):
                total += weight * padded[p : p + h, q : q + w]
        found.append(np.clip(total, 0, 1))
    return np.stack(found)


def _filter_data(each: Filter) -> dict[str, Any]:
    kernel, colours = as_lists(each.kernel, "kernel", 2), as_lists(each.colours, "colours", 1)
    if np.shape(kernel) != (3, 3) or len(colours) != 3:
        raise ValueError(
            f"{each.name!r} has a kernel of shape {np.shape(kernel)} and {len(colours)} colours: "
            f"pass (3, 3) and 3"
        )
    return {
        "name": each.name,
        "kernel": kernel,
        "colours": colours,
        "bias": float(np.float32(each.bias)),
    }


def _statistic(
    x: np.ndarray, name: str, frequencies: Sequence[tuple[int, int]], epsilon: float
) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    if name == "mean":
        return flat.mean(axis=1)
    if name == "max":
        return flat.max(axis=1)
    if name == "std":
        return np.sqrt(flat.var(axis=1) + epsilon)
    if name == "norm":
        return np.sqrt((flat**2).sum(axis=1) + epsilon)
    if name == "covariance":
        centred = flat - flat.mean(axis=1, keepdims=True)
        return (centred @ centred.T / flat.shape[1]).ravel()
    waves = [
        _wave(down, x.shape[1])[:, None] * _wave(across, x.shape[2]) for down, across in frequencies
    ]
    return np.array([(channel * wave).mean() for channel, wave in zip(x, waves, strict=True)])


def _wave(number: int, size: int) -> np.ndarray:
    """A cosine of so many half waves, of mean square 1."""
    wave = np.cos(np.pi * number * (np.arange(size) + 0.5) / size)
    return wave * np.sqrt(2) if number else wave


def _check(squeeze: Squeeze, channels: int, has_frequencies: bool) -> None:
    for name in squeeze.statistics:
        if name not in STATISTICS:
            raise ValueError(f"statistic {name!r} is unknown: choose of {', '.join(STATISTICS)}")
        if name == "frequency" and not has_frequencies:
            raise ValueError(
                "the statistic 'frequency' needs frequencies=, a pair for each channel"
            )
    size = sum(channels**2 if name == "covariance" else channels for name in squeeze.statistics)
    for layer in squeeze.layers:
        shape = np.shape(layer.weight)
        if len(shape) != 2 or shape[1] != size:
            raise ValueError(
                f"{layer.title!r} has a weight of shape {shape}, but {size} numbers come in: "
                f"pass (out, {size})"
            )
        known = (*ACTIVATIONS, COUNT_SOFTMAX)
        if layer.act not in known:
            raise ValueError(f"act={layer.act!r} is unknown: choose of {', '.join(known)}")
        size = shape[0]
    if size != channels:
        raise ValueError(f"the last layer of {squeeze.name!r} gives {size} gates for {channels}")


def _as_data(squeeze: Squeeze) -> dict[str, Any]:
    return {
        "name": squeeze.name,
        "statistics": list(squeeze.statistics),
        "title": squeeze.title,
        "formula": squeeze.formula,
        "units": [list(squeeze.units), *(list(layer.units) for layer in squeeze.layers)],
        "limits": [list(squeeze.limits), *(list(layer.limits) for layer in squeeze.layers)],
        "layers": [
            {
                "weight": as_lists(layer.weight, "weight", 2),
                "bias": None if layer.bias is None else as_lists(layer.bias, "bias", 1),
                "act": layer.act,
                "title": layer.title,
                "formula": layer.formula,
                "normalise": layer.normalise,
            }
            for layer in squeeze.layers
        ],
    }


def _poster(x: np.ndarray, gates: np.ndarray, names: Sequence[str], alt: str) -> Any:
    figure, axes = plt.subplots(3, len(x), figsize=(7.2, 3.6), height_ratios=(2, 1, 2))
    for k, name in enumerate(names):
        for row, picture in ((0, x[k]), (2, gates[k] * x[k])):
            axes[row, k].imshow(picture, cmap="gray", vmin=0, vmax=1)
            axes[row, k].axis("off")
        axes[0, k].set_title(name)
        axes[1, k].barh([0], [gates[k]], color=PALETTE["attention"])
        axes[1, k].set(xlim=(0, max(1.0, float(gates.max()))), yticks=[], xticks=[])
        axes[1, k].set_title(f"gate {gates[k]:.2f}")
    return show(figure, alt=alt, dpi=100)
