"""Exercises and quiz of the chapter on spatial transformers.

The exercises that ask for code are in ``grid.py``, ``read.py`` and ``bend.py`` beside this file.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attncourse.exercises.choice import Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.spatial_transformer.bend import SPLINE
from attncourse.exercises.spatial.spatial_transformer.grid import CHAPTER, COMPOSE, GRID
from attncourse.exercises.spatial.spatial_transformer.read import SAMPLE
from attncourse.exercises.value import ValueExercise


def slopes() -> tuple[float, float]:
    """At column 2 of row 1 of the image (4 n + m)^2: by the printed rule, and by autograd."""
    image = torch.arange(16, dtype=torch.float64).square().view(1, 1, 4, 4)
    place = torch.tensor([2.0, 1.0], dtype=torch.float64, requires_grad=True)
    grid = ((2 * place + 1) / 4 - 1).view(1, 1, 1, 2)
    value = F.grid_sample(image, grid, align_corners=False).sum()
    (slope,) = torch.autograd.grad(value, place)
    m = torch.arange(4, dtype=torch.float64)
    cases = ((m >= 2).double() - (m < 2).double()) * ((m - 2).abs() < 1)
    return float(image[0, 0, 1] @ cases), float(slope[0])


SLOPES = ValueExercise(
    chapter=CHAPTER,
    name="slopes_on_a_pixel",
    title="Predict, then measure: the slope on a pixel",
    level=2,
    task="The image is (4n + m)² at row n and column m, and one reading is in column 2 and row 1, "
    "on a pixel. Give its slope ∂y/∂pˣ by the printed rule (6), and as `grid_sample` computes it.",
    hints=(
        "Row 1 of the image is 16, 25, 36, 49. On row 1 no other row has a share, so this is a "
        "question about four numbers.",
        "The printed rule: which of the pixels m = 1, 2, 3 have |m - p| < 1 at p = 2, and what is "
        "the sign of each?",
        "`grid_sample` takes floor(2) = 2 as the left neighbour. Its right neighbour is pixel 3, "
        "although that one's share is zero.",
    ),
    explanation="The printed cases leave the pixel itself, 36. The floor gives the difference to "
    "the right, 49 - 36 = 13. The slopes on the two sides of the kink are 11 and 13: 13 is a "
    "sub-gradient, and 36, which is not between them, is none.",
    truth=slopes,
    parts=("slope by the printed rule (6)", "slope of `grid_sample`"),
    low=-100.0,
    high=100.0,
    unit="two slopes",
    tolerance=Tolerance(relative=0.0, absolute=1e-6),
    misconceptions=(
        Misconception(
            "one rule for both",
            "13 is what the floor gives. In the printed rule the neighbour m = 3 is at distance 1 "
            "and falls into the case 0.",
            (13.0, 13.0),
        ),
        Misconception(
            "the printed rule for both",
            "36 is right for the printed rule. `grid_sample` subtracts the left neighbour from "
            "the right one.",
            (36.0, 36.0),
        ),
        Misconception(
            "a difference to the left",
            "floor(2) is 2, not 1: the reading belongs to the cell on its right.",
            (36.0, 11.0),
        ),
        Misconception(
            "a mean of both sides",
            "12 is a sub-gradient too, but `grid_sample` looks to one side only.",
            (36.0, 12.0),
        ),
        Misconception(
            "a slope of zero at the kink",
            "No share is stationary there: the right pixel's share grows from 0 as the place "
            "moves right.",
            (36.0, 0.0),
        ),
        Misconception(
            "both neighbours in the printed rule",
            "You count the neighbour m = 3, or m = 1, in the printed rule. Both are at distance 1, "
            "which falls into the case 0; the pixel itself is left.",
            (60.0, 13.0),
            also=((24.0, 13.0), (11.0, 13.0), (85.0, 13.0)),
        ),
        Misconception(
            "a slope in half widths",
            "That is the slope in the place from -1 to 1, where four pixels are two units. "
            "Asked is the slope in pixels.",
            (36.0, 26.0),
            also=((72.0, 26.0),),
        ),
        Misconception(
            "an exchange of the two",
            "The numbers are right, in the other order: printed rule first.",
            (13.0, 36.0),
        ),
        Misconception(
            "a slope along y",
            "49 - 36 would be along the row. You went down a column: 100 - 36 = 64.",
            (36.0, 64.0),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "θ₁₃ = 0.5, everything else is the identity. What does the output show?",
            (
                Option("The content moved to the right by a quarter of the width.",
                       "The grid moves right. What it reads there is shown further left."),
                Option("The content moved to the left by a quarter of the width.",
                       "The output pixel at x reads at x + 0.5, and the range from -1 to 1 is two "
                       "units long: a quarter.", right=True),
                Option("The content moved to the left by half of the width.",
                       "The image is two units wide, so 0.5 is a quarter."),
            ),
        ),
        Question(
            "You want the output to show the middle of the image twice as large. The matrix is",
            (
                Option("[0.5 0 0; 0 0.5 0]",
                       "The grid covers the middle half of each side, which then fills the output.",
                       right=True),
                Option("[2 0 0; 0 2 0]",
                       "A grid twice as wide reads beyond the image: it is shown half as large."),
                Option("[1 0 0.5; 0 1 0.5]", "This moves the grid and leaves its size."),
            ),
        ),
        Question(
            "Every reading lies a pixel or more outside the image. What does the localisation "
            "network learn from this example?",
            (
                Option("To come back: the loss is large there.",
                       "The loss may be large, but it does not change with a small move of the "
                       "grid."),
                Option("To come back slowly: the slope is small.",
                       "It is exactly zero: no reading has a pixel near. Less than half a pixel "
                       "from the edge it would not be."),
                Option("Nothing: all slopes of the readings are zero.",
                       "Zeros all around have no slope. Only other examples can bring the grid "
                       "back.", right=True),
            ),
        ),
        Question(
            "Why is the last layer of the localisation network started with weights zero and the "
            "identity as its bias?",
            (
                Option("So that it gets no gradient in the first step.",
                       "It does get one: the gradient of a weight is its input times the slope of "
                       "θ."),
                Option("So that training starts from the whole image, unmoved, with all readings "
                       "inside it.",
                       "The classifier sees the whole image at first. No grid starts outside, "
                       "where slopes are zero.", right=True),
                Option("Because a random start cannot learn.",
                       "Four of five recorded runs learned with one from N(0, 1); the fifth stayed "
                       "at chance."),
                Option("Because the sampler is not differentiable elsewhere.",
                       "It has slopes almost everywhere, whatever θ is."),
            ),
        ),
        Question(
            "Against which network should a spatial transformer on shifted digits be measured?",
            (
                Option("A CNN that flattens its last map, with as many parameters.",
                       "Its linear layer has other weights for every place, and of our networks it "
                       "reads digits of any pose worst: any gain over it looks large."),
                Option("The same network with its warp held at the identity.",
                       "A useful ablation, but a weak reader of shifted digits: it shows that the "
                       "warp matters, not that a warp is the best way."),
                Option("An MLP on the pixels.",
                       "Weaker still: it has no idea of neighbours."),
                Option("A CNN with global max pooling, with as many parameters.",
                       "It is insensitive to shifts by construction. What a transformer gains over "
                       "it, it gains by more than finding the place.", right=True),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GRID, COMPOSE, SLOPES, SAMPLE, SPLINE)
