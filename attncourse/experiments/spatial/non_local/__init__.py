"""Experiments on the non-local block: one built for it, and those that take it apart."""

from attncourse.experiments.spatial.non_local.experiment import (
    CIFAR10,
    CONTEXT,
    DIGITS,
    EXPERIMENTS,
    FORMS,
    FROZEN,
    LARGE,
    LONGER,
    NO_BLOCK,
    NON_LOCAL,
    SIX_PAIRS,
    SIX_THIRD,
    TWIN,
    TWO_PAIRS,
    WINDOW,
)

__all__ = [
    "CIFAR10",
    "CONTEXT",
    "DIGITS",
    "EXPERIMENTS",
    "FORMS",
    "FROZEN",
    "LARGE",
    "LONGER",
    "NON_LOCAL",
    "NO_BLOCK",
    "SIX_PAIRS",
    "SIX_THIRD",
    "TWIN",
    "TWO_PAIRS",
    "WINDOW",
]
