"""The attention machine: query, keys, products, scale, mask, weights, and the weighted sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from attncourse.views.explorer import _finite
from attncourse.views.fragment import Fragment, encode
from attncourse.views.machines.bench import Goal, as_lists, checked_temperatures, exact, machine
from attncourse.views.machines.terms import check_codes, four_terms
from attncourse.views.show import Picture, show
from attncourse.views.style import MAGNITUDE, PALETTE

MASKS = ("all", "row and column", "window", "anchors", "not itself")
NORMALISERS = ("softmax", "number of keys", "none")


@dataclass(frozen=True)
class Head:
    """One head: how tokens become queries, keys and values.

    Attributes:
        name: as the reader sees it.
        query: (d, c).
        key: (d, c).
        value: (e, c); the tokens themselves without it.
        query_bias: (d,), or nothing.
        key_bias: (d,), or nothing.
        value_bias: (e,), or nothing.
        place: (d, p), what the code of a displacement means to the head, or nothing.
        asks_key: (d,), a question that every query asks of contents, or nothing.
        asks_place: (d,), a question that every query asks of places, or nothing.
    """

    name: str
    query: Any
    key: Any
    value: Any = None
    query_bias: Any = None
    key_bias: Any = None
    value_bias: Any = None
    place: Any = None
    asks_key: Any = None
    asks_place: Any = None

    def tokens(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Queries, keys and values of (n, c) tokens."""
        found = []
        for weight, bias in (
            (self.query, self.query_bias),
            (self.key, self.key_bias),
            (self.value, self.value_bias),
        ):
            part = x if weight is None else x @ exact(weight).T
            found.append(part if bias is None else part + exact(bias))
        return found[0], found[1], found[2]


def attention_machine(
    x: np.ndarray,
    grid: tuple[int, int],
    heads: Sequence[Head],
    *,
    id: str,
    alt: str,
    features: Sequence[str],
    colours: np.ndarray | None = None,
    limits: tuple[float, float] = (0.0, 1.0),
    start: int = 0,
    key: int = 0,
    scaled: bool = True,
    scale_choice: bool = True,
    normaliser: str = "softmax",
    masks: Sequence[str] = ("all",),
    reach: int = 1,
    every: int = 4,
    temperatures: Sequence[float] = (),
    most: float = 1.0,
    place: str = "row {row}, column {column}",
    places: Mapping[int, str] | None = None,
    presets: Mapping[str, tuple[int, int]] | None = None,
    own_picture: bool = False,
    codes: np.ndarray | None = None,
    terms: Sequence[bool] = (True, True, True, True),
    titles: Sequence[str] = ("Choose the query: drag the ring",),
    formula: str = "s_ij = q_i·k_j / √d, a_ij = softmax_j(s_ij)",
    label: str = "The query: arrow keys, mouse or finger choose a position",
    goals: Sequence[Goal] = (),
) -> Fragment:
    """Choose a query and a key, and see one product, one weight and the sum that is read.

    Args:
        x: (n, c), one token a position.
        grid: rows and columns; one row for tokens in a line.
        heads: one, or several side by side.
        id: fixed identifier, unique in its page.
        alt: what there is to see, in a sentence.
        features: names of the numbers that are read.
        colours: (3, c) that makes red, green and blue of a token, or of what is read; without it
            a token shows its first number.
        limits: ends of the bars of what is read.
        start: the first query.
        key: the first key that is looked at.
        scaled: whether products are divided by the root of d at first.
        scale_choice: whether the reader may change that.
        normaliser: ``softmax``; ``number of keys`` for forms without one; ``none`` where the
            products are weights already.
        masks: which of :data:`MASKS` the reader may choose; the first holds at first.
        reach: half width of the window.
        every: distance of the anchors.
        temperatures: settings of a slider, 1 among them; none without.
        most: the weight at the upper end of the colour scale, fixed for all queries.
        place: how a position is called, with {row}, {column} and {n}, counted from 1.
        places: position -> name, for those that have one; short names stand in the picture.
        presets: name of a button -> (query, key).
        own_picture: let the reader put a picture of his own in; tokens begin with red, green, blue.
        codes: (2 rows - 1, 2 columns - 1, p), the code of every displacement from the query to the
            key, from the most negative on; with it the score is a sum of four terms, each
            with a switch, and every head needs ``place``, ``asks_key`` and ``asks_place``.
        terms: which of the four count at first.
        titles: heading of the first step.
        formula: of the second.
        label: what a screen reader says of the picture.
        goals: what there is to reach.

    Raises:
        ValueError: if shapes do not fit, a name is unknown or a value is not finite.
    """
    x = _finite(x, "x")
    rows, columns = grid
    if x.ndim != 2 or len(x) != rows * columns:
        raise ValueError(
            f"x has the shape {x.shape}, but a grid of {rows} x {columns} positions needs "
            f"({rows * columns}, c): pass one token for each position"
        )
    for name in masks:
        if name not in MASKS:
            raise ValueError(f"mask {name!r} is unknown: choose of {', '.join(MASKS)}")
    if normaliser not in NORMALISERS:
        raise ValueError(f"normaliser={normaliser!r} must be one of {', '.join(NORMALISERS)}")
    width = x.shape[1]
    codes = None if codes is None else _finite(codes, "codes")
    for head in heads:
        _check(head, width, len(features))
        check_codes(head, grid, codes)
    spec: dict[str, Any] = {
        "grid": [rows, columns],
        "x": encode(x),
        "width": width,
        "heads": [_as_data(head) for head in heads],
        "features": list(features),
        "colours": None if colours is None else as_lists(colours, "colours", 2),
        "limits": list(limits),
        "start": start,
        "key": key,
        "scaled": scaled,
        "scale_choice": scale_choice,
        "normaliser": normaliser,
        "masks": list(masks),
        "reach": reach,
        "every": every,
        "temperatures": checked_temperatures(temperatures),
        "most": most,
        "place": place,
        "places": {str(n): name for n, name in (places or {}).items()},
        "presets": [[name, *pair] for name, pair in (presets or {}).items()],
        "own": own_picture,
        "codes": None if codes is None else codes.tolist(),
        "terms": [int(on) for on in terms],
        "titles": list(titles),
        "formula": formula,
        "label": label,
    }
    numbers = attention_numbers(
        x, grid, heads, start, scaled=scaled, normaliser=normaliser, mask=masks[0],
        reach=reach, every=every, codes=codes, terms=terms,
    )  # fmt: skip
    picture = x if colours is None else x @ np.asarray(colours, dtype=float).T
    poster = _poster(picture, grid, start, numbers, [head.name for head in heads], most, alt)
    return machine("attention", id, alt, spec, poster, goals)


def attention_numbers(
    x: np.ndarray,
    grid: tuple[int, int],
    heads: Sequence[Head],
    query: int,
    *,
    scaled: bool = True,
    normaliser: str = "softmax",
    mask: str = "all",
    temperature: float = 1.0,
    reach: int = 1,
    every: int = 4,
    codes: Any = None,
    terms: Sequence[bool] = (True, True, True, True),
) -> list[dict[str, np.ndarray]]:
    """What the page computes for one query: products, logits, weights, sum of every head."""
    x = np.asarray(x, dtype=float)
    open_ = _open(mask, grid, query, reach, every)
    found = []
    for head in heads:
        q, k, v = head.tokens(x)
        products = k @ q[query]
        if codes is not None:
            products = four_terms(head, q[query], k, grid, query, exact(codes)) @ exact(terms)
        logits = products / (np.sqrt(q.shape[1]) if scaled else 1.0) / temperature
        if normaliser == "softmax":
            weights = np.where(open_, np.exp(logits - logits[open_].max()), 0.0)
            weights /= weights.sum()
        else:
            weights = np.where(open_, logits if normaliser == "none" else logits / len(x), 0.0)
        found.append(
            {"products": products, "logits": logits, "weights": weights, "sum": weights @ v}
        )
    return found


def _open(mask: str, grid: tuple[int, int], query: int, reach: int, every: int) -> np.ndarray:
    """Which positions a query may read."""
    row, column = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    here = divmod(query, grid[1])
    if mask == "row and column":
        return (row == here[0]) | (column == here[1])
    if mask == "window":
        return (abs(row - here[0]) <= reach) & (abs(column - here[1]) <= reach)
    if mask == "anchors":
        return (row % every == 0) & (column % every == 0)
    if mask == "not itself":
        return np.arange(len(row)) != query
    return np.ones(len(row), dtype=bool)


def _check(head: Head, width: int, read: int) -> None:
    q, k = np.shape(head.query), np.shape(head.key)
    if q != k or len(q) != 2 or q[1] != width:
        raise ValueError(
            f"{head.name!r} has a query of shape {q} and a key of shape {k}: both must be "
            f"(d, {width})"
        )
    given = width if head.value is None else np.shape(head.value)[0]
    if given != read:
        raise ValueError(
            f"{head.name!r} reads {given} numbers, but features names {read}: name each of them"
        )


def _as_data(head: Head) -> dict[str, Any]:
    data: dict[str, Any] = {"name": head.name}
    for part, ndim in (("query", 2), ("key", 2), ("value", 2), ("query_bias", 1),
                       ("key_bias", 1), ("value_bias", 1), ("place", 2), ("asks_key", 1),
                       ("asks_place", 1)):  # fmt: skip
        given = getattr(head, part)
        data[part] = None if given is None else as_lists(given, part, ndim)
    return data


def _poster(
    picture: np.ndarray,
    grid: tuple[int, int],
    query: int,
    numbers: Sequence[dict[str, np.ndarray]],
    names: Sequence[str],
    most: float,
    alt: str,
) -> Picture:
    rows, columns = grid
    side = max(1.2, min(3.4, 3.4 * rows / columns))
    count = len(names) + 1
    # Tokens in a line are long: one under the other.
    tall = columns > 3 * rows
    shape = (count, 1) if tall else (1, count)
    size = (7.2, side * count) if tall else (min(7.2, 3.4 * count), side + 0.4)
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False)
    coloured = picture.shape[1] == 3
    shown = picture.reshape(rows, columns, -1)
    axes.flat[0].imshow(
        np.clip(shown, 0, 1) if coloured else shown[..., 0], cmap=None if coloured else MAGNITUDE
    )
    axes.flat[0].set_title("x")
    for axis, name, found in zip(axes.flat[1:], names, numbers, strict=True):
        drawn = axis.imshow(found["weights"].reshape(grid), cmap=MAGNITUDE, vmin=0, vmax=most)
        axis.set_title(f"{name}: weights")
        figure.colorbar(drawn, ax=axis, fraction=0.046)
    for axis in axes.flat:
        axis.plot(
            query % columns, query // columns, "o", mfc="none", mec=PALETTE["attention"], mew=2.5
        )
        axis.axis("off")
    return show(figure, alt=alt, dpi=100)
