"""An exercise on EncNet that asks for a function: which classes are in an image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from attncourse.channel.context_encoding import classes_present
from attncourse.exercises.channel.context_encoding.code import CHAPTER, Draw
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property


def _labels(b: int, h: int, w: int, classes: int, ignored: int = -1) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        few = torch.randint(classes, (b, 2), generator=generator)
        pick = torch.randint(2, (b, h, w), generator=generator)
        labels = few[torch.arange(b)[:, None, None], pick]
        hidden = torch.rand(b, h, w, generator=generator) < 0.2
        return {"labels": labels.masked_fill(hidden, ignored), "classes": torch.tensor(classes)}

    return draw


def _counts(labels: Tensor, classes: Tensor) -> Tensor:
    kinds = torch.arange(int(classes))
    return (labels.flatten(1)[:, :, None] == kinds).float().sum(dim=1)


def _reference(labels: Tensor, classes: Tensor) -> Tensor:
    return classes_present(labels, int(classes))


PRESENT = FunctionExercise(
    chapter=CHAPTER,
    name="present",
    title="Say which classes are there",
    level=1,
    task="Write `present(labels, classes)`: from labels, (b, h, w) whole numbers, to the targets t "
    "of (6), (b, classes) in single precision: 1 for each class with a pixel in the image, 0 for "
    "the others. Labels outside 0 to classes - 1, such as -1, belong to no class.",
    hints=(
        "For one image and one class: is any label equal to it?",
        "`labels.flatten(1)[:, :, None] == torch.arange(classes)` asks all questions at once.",
        "`.any(dim=1).float()` is (b, classes).",
    ),
    explanation="A histogram that is cut at one gives the same, and so does `one_hot` with its "
    "maximum over the pixels.",
    reference=_reference,
    alternatives=(
        lambda labels, classes: (_counts(labels, classes) > 0).float(),
        lambda labels, classes: _counts(labels, classes).clamp(max=1),
    ),
    cases=(
        Case("plain", _labels(3, 4, 5, 6)),
        Case("one image", _labels(1, 3, 3, 4)),
        Case("255 is ignored", _labels(2, 4, 4, 5, ignored=255)),
    ),
    properties=(
        Property(
            "every number is 0 or 1",
            lambda _, t: bool(((t == 0) | (t == 1)).all()),
        ),
    ),
    gradients=(),
    misconceptions=(
        Misconception(
            "counts of pixels",
            "You count pixels. The loss asks whether a class is there, so a class of one pixel "
            "counts as much as one of a thousand.",
            _counts,
        ),
        Misconception(
            "shares of pixels",
            "These are shares of the pixels. The loss asks whether a class is there at all.",
            lambda labels, classes: _counts(labels, classes) / labels[0].numel(),
        ),
        Misconception(
            "the most frequent class alone",
            "Several classes can be there at once: this is no choice of one.",
            lambda labels, classes: F.one_hot(
                _counts(labels, classes).argmax(dim=1), int(classes)
            ).float(),
        ),
        Misconception(
            "one answer for the batch",
            "Each image has its own targets: nothing is pooled over axis 0.",
            lambda labels, classes: (
                (_counts(labels, classes).sum(dim=0, keepdim=True) > 0)
                .float()
                .expand(len(labels), -1)
            ),
        ),
        Misconception(
            "the wrong way around",
            "1 stands for a class that is there.",
            lambda labels, classes: (_counts(labels, classes) == 0).float(),
        ),
        Misconception(
            "ignored pixels that become a class",
            "A label outside the classes is no class. Clamping it makes one of it.",
            lambda labels, classes: _reference(labels.clamp(0, int(classes) - 1), classes),
            (lambda labels, classes: _reference(labels % int(classes), classes),),
        ),
    ),
)
