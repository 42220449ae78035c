"""A score as a sum of four terms: query and key, query and place, key, place."""

from __future__ import annotations

from typing import Any

import numpy as np

from attncourse.views.machines.bench import exact


def four_terms(
    head: Any, q: np.ndarray, k: np.ndarray, grid: tuple[int, int], query: int, codes: np.ndarray
) -> np.ndarray:
    """What each of the four terms gives for every key, (n, 4)."""
    row, column = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    here = divmod(query, grid[1])
    apart = codes[row - here[0] + grid[0] - 1, column - here[1] + grid[1] - 1]
    places = apart @ exact(head.place).T
    return np.stack(
        [k @ q, places @ q, k @ exact(head.asks_key), places @ exact(head.asks_place)], 1
    )


def check_codes(head: Any, grid: tuple[int, int], codes: np.ndarray | None) -> None:
    """Raise a ``ValueError`` unless a head has what codes of displacements ask for."""
    if codes is None:
        return
    wanted = (2 * grid[0] - 1, 2 * grid[1] - 1)
    if codes.shape[:-1] != wanted:
        raise ValueError(
            f"codes have the shape {codes.shape}, but a grid of {grid[0]} x {grid[1]} positions "
            f"has displacements {wanted}: pass {wanted} + (p,)"
        )
    d = len(head.query)
    for name, shape in (
        ("place", (d, codes.shape[-1])), ("asks_key", (d,)), ("asks_place", (d,))
    ):  # fmt: skip
        if np.shape(getattr(head, name)) != shape:
            raise ValueError(
                f"{head.name!r} has {name} of shape {np.shape(getattr(head, name))}: with codes it "
                f"must be {shape}"
            )
