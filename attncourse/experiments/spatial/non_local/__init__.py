"""Experiments on the non-local block: one built for it, three that take it apart."""

from attncourse.experiments.spatial.non_local.experiment import (
    CIFAR10,
    CONTEXT,
    DIGITS,
    EXPERIMENTS,
    FORMS,
    FROZEN,
    LARGE,
    NO_BLOCK,
    NON_LOCAL,
    SIX_PAIRS,
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
    "NON_LOCAL",
    "NO_BLOCK",
    "SIX_PAIRS",
    "TWIN",
    "TWO_PAIRS",
    "WINDOW",
]
