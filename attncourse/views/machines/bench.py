"""What the machines share in Python: goals, lists of numbers, the figure around a machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attncourse.views.explorer import _colours, _finite, live_figure
from attncourse.views.fragment import Fragment, _asset, encode
from attncourse.views.show import Picture
from attncourse.views.style import MAGNITUDE


def sigmoid(v: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-v)."""
    return 1 / (1 + np.exp(-v))


#: What a layer of a machine may end with; the page has the same.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda v: v,
    "relu": lambda v: np.maximum(v, 0),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "1 + tanh": lambda v: 1 + np.tanh(v),
}


def softmax(logits: np.ndarray, axis: int = -1) -> np.ndarray:
    """Shares of one, in double precision and without overflow."""
    powers: np.ndarray = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


@dataclass(frozen=True)
class Goal:
    """Something to reach: a number of the machine's state that passes a bound.

    Attributes:
        text: what to try, as an order.
        path: keys and indices that lead to the number in the state, such as ("gates", 2).
        above: reached when the number is larger, if given.
        below: reached when it is smaller, if given.
    """

    text: str
    path: tuple[str | int, ...]
    above: float | None = None
    below: float | None = None

    def as_data(self) -> dict[str, Any]:
        """For the page."""
        if (self.above is None) == (self.below is None):
            raise ValueError(
                f"goal {self.text!r} has above={self.above} and below={self.below}: give one"
            )
        bound = {"above": self.above} if self.below is None else {"below": self.below}
        return {"text": self.text, "path": list(self.path), **bound}


def exact(values: Any) -> np.ndarray:
    """The numbers that the page has: those of float32, computed with as float64."""
    return np.asarray(values, dtype=np.float32).astype(float)


def checked_temperatures(temperatures: Sequence[float]) -> list[float] | None:
    """Settings of a slider that starts at 1; nothing for none.

    Raises:
        ValueError: if there are some, and 1 is not among them.
    """
    if temperatures and 1 not in temperatures:
        raise ValueError(f"temperatures={tuple(temperatures)} must hold 1, where the slider starts")
    return list(temperatures) or None


def as_lists(values: Any, name: str, ndim: int) -> Any:
    """An array of ``ndim`` axes as nested lists of the numbers that float32 holds.

    Raises:
        ValueError: for another number of axes, or a value that is not finite.
    """
    array = _finite(values, name)
    if array.ndim != ndim:
        raise ValueError(f"{name} has the shape {array.shape}: it needs {ndim} axes")
    return array.tolist()


def grey_image(values: Any) -> np.ndarray:
    """An image x of one channel.

    Raises:
        ValueError: for another number of axes, or a value that is not finite.
    """
    x = _finite(values, "x")
    if x.ndim != 2:
        raise ValueError(f"x has the shape {x.shape}: pass one grey image, (h, w)")
    return x


def square_kernels(kernels: Any, count: int) -> list[Any]:
    """``count`` kernels of one odd side, as nested lists.

    Raises:
        ValueError: for another shape, or a value that is not finite.
    """
    shape = np.shape(kernels)
    if len(shape) != 3 or shape[0] != count or shape[1] != shape[2] or shape[1] % 2 == 0:
        raise ValueError(
            f"kernels have the shape {shape}: pass ({count}, side, side) with an odd side"
        )
    return as_lists(kernels, "kernels", 3)


def convolved(
    x: np.ndarray, kernel: np.ndarray, bias: float = 0.0, dilation: int = 1
) -> np.ndarray:
    """The convolution of x with a kernel, its taps ``dilation`` apart, with zeros outside."""
    padded = np.pad(np.asarray(x, dtype=float), len(kernel) // 2 * dilation)
    height, width = x.shape
    total = np.full((height, width), float(bias))
    for p, row in enumerate(kernel):
        for q, tap in enumerate(row):
            total += tap * padded[p * dilation :, q * dilation :][:height, :width]
    return total


def as_presets(presets: Mapping[str, Any], shape: tuple[int, ...]) -> list[list[str]]:
    """Name of a button -> the numbers that it sets, encoded.

    Raises:
        ValueError: if a preset has another shape than the machine's numbers.
    """
    found = []
    for name, values in presets.items():
        array = _finite(values, f"presets[{name!r}]")
        if array.shape != shape:
            raise ValueError(f"presets[{name!r}] has the shape {array.shape}: it must be {shape}")
        found.append([name, encode(array)])
    return found


def machine(
    kind: str, id: str, alt: str, spec: dict[str, Any], poster: Picture, goals: Sequence[Goal]
) -> Fragment:
    """The figure: poster, data, and the script of one machine."""
    spec = {
        "kind": f"machine:{kind}",
        **spec,
        "map": _colours(MAGNITUDE),
        "goals": [goal.as_data() for goal in goals],
    }
    script = f"({_asset('machines/bench.js')})({_asset(f'machines/{kind}.js')})"
    mark = f' data-machine="{kind}"'
    made = live_figure(id, alt, spec, poster, script, called="Live machine", mark=mark)
    return Fragment(f"<style>{_asset('machines/machine.css')}</style>{made.html}", made.text)
