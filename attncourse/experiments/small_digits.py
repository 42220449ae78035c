"""Scikit-learn's digits read by a small residual network: nothing is arranged."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from attncourse.backbones import SmallResNet
from attncourse.experiments.base import Experiment, Variant
from attncourse.tasks import digits_task
from attncourse.training import Budget


def reader(attention: Callable[[int], nn.Module] | None = None) -> Callable[[], nn.Module]:
    """A factory of networks for digits, with a block in every branch."""
    return lambda: SmallResNet(widths=(16, 32, 64), attention=attention)


def small_digits(question: str, *variants: Variant) -> Experiment:
    """An experiment on these digits, the same in every chapter that has one."""
    return Experiment(
        name="digits",
        question=question,
        task=digits_task,
        variants=variants,
        quick=Budget(steps=220, learning_rate=5e-3),
        full=Budget(steps=220, learning_rate=5e-3),
        data="scikit-learn digits, 1,400 for training, 397 for testing",
        matters=0.005,
    )
