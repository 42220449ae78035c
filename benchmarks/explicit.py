"""The form that every mechanism shares: build the weights g(x), then apply them with f."""

from __future__ import annotations

from torch import nn

from benchmarks.case import Form


def explicit(module: nn.Module, shape: tuple[int, ...]) -> Form:
    """``f(g(x), x)``, as the survey's formula has it."""
    return lambda x: module.f(module.g(x), x)
