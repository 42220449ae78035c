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

#: What a layer of a machine may end with; the page has the same.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda v: v,
    "relu": lambda v: np.maximum(v, 0),
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "tanh": np.tanh,
    "1 + tanh": lambda v: 1 + np.tanh(v),
}


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
