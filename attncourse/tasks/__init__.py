"""Small tasks in which the reason a mechanism helps can be seen.

A task gives batches that are a pure function of ``(seed, step)``, so that a run can be resumed,
repeated and split over processes without any other state.  Tasks know nothing of mechanisms.
"""

from attncourse.tasks.base import Task, Units, seeded
from attncourse.tasks.images import (
    ImageTask,
    cifar10_task,
    digits,
    digits_task,
    fashion_mnist_task,
    image_task,
)
from attncourse.tasks.statistic_ladder import ROWS, StatisticLadder

__all__ = [
    "ROWS",
    "ImageTask",
    "StatisticLadder",
    "Task",
    "Units",
    "cifar10_task",
    "digits",
    "digits_task",
    "fashion_mnist_task",
    "image_task",
    "seeded",
]
