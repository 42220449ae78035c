"""The blindness machine: change a small map, and see which decisions notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.explorer import _finite
from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import Goal, as_presets, machine, sigmoid, softmax
from attncourse.views.show import Picture, show
from attncourse.views.style import MAGNITUDE

#: The deciders, in the order in which the page has them.
DECIDERS = ("SE", "GCT", "ECA", "coordinate", "non-local", "criss-cross")
#: Below this share of the largest number of a decision a deviation is rounding.
NOTHING = 1e-6
UNCHANGED, FOLLOWS, CHANGED = "unchanged", "follows", "changed"


@dataclass(frozen=True)
class Deciders:
    """Weights of the six deciders, all set by hand, for c channels.

    Attributes:
        reduce: (hidden, c), SE's first layer.
        reduce_bias: (hidden,).
        expand: (c, hidden), SE's second layer.
        expand_bias: (c,).
        neighbours: ECA's three weights, for the channel before, the channel itself, the next one.
        gamma: (c,), GCT's.
        factor: (c,), what each channel's means of lines count in the coordinate gate.
        shift: added to their sum.
        query: (d, c), makes the question of the pixel that asks, in the two that compare pixels.
        key: (d, c), makes what the question is compared with.
    """

    reduce: Sequence[Sequence[float]] = ((2.0, -1.0, 0.5), (-1.0, 2.0, 1.0))
    reduce_bias: Sequence[float] = (0.1, -0.2)
    expand: Sequence[Sequence[float]] = ((2.0, -1.0), (-2.0, 1.5), (1.0, 1.0))
    expand_bias: Sequence[float] = (0.0, 0.2, -0.4)
    neighbours: Sequence[float] = (-2.0, 3.0, 1.0)
    gamma: Sequence[float] = (1.0, -0.5, 0.7)
    factor: Sequence[float] = (4.0, 1.0, 3.0)
    shift: float = -2.5
    query: Sequence[Sequence[float]] = ((2.0, 0.5, 0.0), (0.0, 1.0, -1.0))
    key: Sequence[Sequence[float]] = ((1.5, 0.0, 0.5), (0.5, 2.0, 0.0))


@dataclass(frozen=True)
class Move:
    """What a press did to the map, as far as a decision can follow it.

    Attributes:
        pixels: (h w,) which pixel of before stands at each place now.
        channels: (c,) which channel of before stands at each place now.
    """

    pixels: Sequence[int] = field(default_factory=tuple)
    channels: Sequence[int] = field(default_factory=tuple)


def blind_machine(
    x: np.ndarray,
    *,
    id: str,
    alt: str,
    shuffle: Sequence[int],
    query: int = 0,
    deciders: Deciders = Deciders(),
    presets: Mapping[str, np.ndarray] | None = None,
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Paint, shuffle, mirror, swap and rescale a map, and see which of six decisions notice.

    Args:
        x: (c, h, w), 0 to 1, of three channels.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        shuffle: which pixel the button *shuffle* puts at each place, (h w,).
        query: the pixel that asks in non-local and criss-cross.
        deciders: their weights.
        presets: name of a button -> the map that it makes.
        goals: what there is to reach.

    Raises:
        ValueError: if the map or the shuffle has another shape, or a value is not finite.
    """
    x = _finite(x, "x")
    if x.ndim != 3 or len(x) != len(deciders.expand):
        raise ValueError(
            f"x has the shape {x.shape}: pass ({len(deciders.expand)}, h, w), one map a channel"
        )
    size = x[0].size
    if sorted(shuffle) != list(range(size)) or not 0 <= query < size:
        raise ValueError(f"shuffle must hold each of 0 to {size - 1} once, and query={query} too")
    spec = {
        "shape": list(x.shape),
        "x": encode(x),
        "shuffle": [int(n) for n in shuffle],
        "query": int(query),
        "names": list(DECIDERS),
        "deciders": asdict(deciders),
        "presets": as_presets({"start again": x, **(presets or {})}, x.shape),
        "nothing": NOTHING,
    }
    return machine("blind", id, alt, spec, _poster(x, decisions(x, query, deciders), alt), goals)


def decisions(x: np.ndarray, query: int, weights: Deciders = Deciders()) -> dict[str, np.ndarray]:
    """What the six decide about x: gates (c,) of the first three, maps (h, w) of the others.

    Args:
        x: (c, h, w).
        query: the pixel that asks.
        weights: of the deciders.
    """
    x = np.asarray(x, dtype=float)
    c, h, w = x.shape
    z = x.mean(axis=(1, 2))
    hidden = np.maximum(np.asarray(weights.reduce) @ z + weights.reduce_bias, 0)
    before, itself, after = weights.neighbours
    around = np.pad(z, 1)
    norm = np.sqrt((x**2).sum(axis=(1, 2)))
    share = norm * np.sqrt(c) / max(float(np.sqrt((norm**2).sum())), 1e-12)
    light = np.tensordot(weights.factor, x, axes=1)
    rows, columns = (light.mean(axis=axis) + weights.shift for axis in (1, 0))
    asked = np.asarray(weights.query) @ x.reshape(c, -1)[:, query]
    scores = np.tensordot(asked @ np.asarray(weights.key), x, axes=1)
    i, j = divmod(query, w)
    on_cross = (np.arange(h)[:, None] == i) | (np.arange(w) == j)
    return {
        "SE": sigmoid(np.asarray(weights.expand) @ hidden + weights.expand_bias),
        "GCT": 1 + np.tanh(np.asarray(weights.gamma) * (share - 1)),
        "ECA": sigmoid(before * around[:-2] + itself * z + after * around[2:]),
        "coordinate": sigmoid(rows)[:, None] * sigmoid(columns),
        "non-local": softmax(scores.ravel()).reshape(h, w),
        "criss-cross": softmax(np.where(on_cross, scores, -np.inf).ravel()).reshape(h, w),
    }


def deviations(
    before: np.ndarray, now: np.ndarray, queries: tuple[int, int], move: Move,
    weights: Deciders = Deciders(),
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """How far each decision is from what it was, and from what it was once it is moved along.

    Both are shares of the largest number of the decision, before or now.

    Args:
        before: the map before, (c, h, w).
        now: the map now.
        queries: the pixel that asks, before and now.
        move: what became of pixels and channels.
        weights: of the deciders.
    """
    old, new = decisions(before, queries[0], weights), decisions(now, queries[1], weights)
    found = {}
    for name in DECIDERS:
        was, order = old[name].ravel(), move.channels if old[name].ndim == 1 else move.pixels
        moved = was[list(order)]
        here = new[name].ravel()
        top = max(was.max(), here.max())
        found[name] = (float(abs(here - was).max() / top), float(abs(here - moved).max() / top))
    return found


def verdict(unmoved: float, moved: float) -> str:
    """The word for two shares: *unchanged*, *follows*, or *changed*."""
    if unmoved < NOTHING:
        return UNCHANGED
    return FOLLOWS if moved < NOTHING else CHANGED


def _poster(x: np.ndarray, found: Mapping[str, np.ndarray], alt: str) -> Picture:
    figure, axes = plt.subplots(1, 3 + len(found), figsize=(7.2, 1.5))
    for n, ax in enumerate(axes):
        ax.axis("off")
        if n < len(x):
            ax.imshow(x[n], cmap="gray", vmin=0, vmax=1)
            ax.set_title("ABC"[n], fontsize=8)
        else:
            name = DECIDERS[n - len(x)]
            values = np.atleast_2d(found[name])
            ax.imshow(values, cmap=MAGNITUDE, vmin=0, vmax=max(1.0, values.max()))
            ax.set_title(name, fontsize=8)
    return show(figure, alt=alt, dpi=100)
