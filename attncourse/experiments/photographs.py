"""Plain classification of photographs at a size that wants a GPU: nothing is arranged."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from attncourse.backbones import SmallResNet
from attncourse.experiments.base import Experiment, Variant
from attncourse.tasks import cifar10_task
from attncourse.training import Budget

#: Four residual blocks on maps of 32, 16, 8 and 4 pixels.
WIDTHS = (64, 128, 256, 512)


def photograph_net(
    attention: Callable[[int], nn.Module] | None = None, widths: tuple[int, ...] = WIDTHS
) -> SmallResNet:
    """A residual network for CIFAR-10, with a block in every branch."""
    return SmallResNet(in_channels=3, widths=widths, attention=attention)


def photographs(question: str, *variants: Variant) -> Experiment:
    """An experiment on CIFAR-10: thirty epochs on a GPU, or one to look at on a processor."""
    return Experiment(
        name="cifar10",
        question=question,
        task=cifar10_task,
        variants=variants,
        quick=Budget(steps=390, learning_rate=3e-3, weight_decay=0.05),
        full=Budget(steps=11_700, learning_rate=3e-3, weight_decay=0.05),
        data="CIFAR-10, 50,000 for training, moved and mirrored, 10,000 for testing",
        matters=0.005,
    )
