"""Exercises and quiz of the chapter on deformable convolution.

The exercises that ask for code are in ``places.py`` and ``code.py`` beside this file.
"""

from __future__ import annotations

import torch

from attncourse.exercises.choice import Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.deformable_convolution.code import LAYER
from attncourse.exercises.spatial.deformable_convolution.places import CHAPTER, PLACES
from attncourse.exercises.value import ValueExercise
from attncourse.spatial.deformable_convolution import reading


def dilating(dilation: int = 3) -> tuple[float, ...]:
    """Offsets (row, column) of the first and of the sixth of nine taps."""
    taps = ((-1, -1), (0, 1))
    return tuple(float((dilation - 1) * v) for tap in taps for v in tap)


DILATE = ValueExercise(
    chapter=CHAPTER,
    name="dilate",
    title="Predict: offsets that dilate",
    level=1,
    task="A kernel of 3 x 3 taps has dilation 1. Which offsets make it read as with dilation 3? "
    "The tap in the middle stays. Give row and column of the offset of the first tap, up and to "
    "the left, and of the one to the right of the middle.",
    hints=(
        "Where does the first tap stand with dilation 1, counted from the middle? And where with "
        "dilation 3?",
        "The offset is the difference: (-3, -3) less (-1, -1).",
    ),
    explanation="Δp = (D - 1) r, with r counted from the middle tap. A dilated convolution is a "
    "deformable one whose offsets are the same everywhere.",
    truth=dilating,
    parts=("row, first tap", "column, first tap", "row, right tap", "column, right tap"),
    low=-10.0,
    high=10.0,
    unit="offsets in pixels",
    tolerance=Tolerance(relative=0.0, absolute=1e-6),
    misconceptions=(
        Misconception(
            "places in place of offsets",
            "These are the places of the dilated taps. An offset is added to where the tap stands "
            "already.",
            (-3.0, -3.0, 0.0, 3.0),
        ),
        Misconception(
            "offsets towards the middle",
            "You draw the taps together. Dilation spreads them.",
            (2.0, 2.0, 0.0, -2.0),
        ),
        Misconception(
            "offsets for dilation 2",
            "With these the taps stand two pixels apart.",
            (-1.0, -1.0, 0.0, 1.0),
        ),
        Misconception(
            "row and column exchanged",
            "The tap to the right of the middle moves along its row: row 0, column 2.",
            (-2.0, -2.0, 2.0, 0.0),
        ),
        Misconception(
            "one offset for both",
            "The tap to the right stands at (0, 1): it has another way to go than the first one.",
            (-2.0, -2.0, -2.0, -2.0),
        ),
    ),
)


def first_slopes() -> tuple[float, float, float]:
    """Of the output: along the row offset, along the column offset, and along the mask."""
    image = torch.tensor([[[2.0, 6.0], [4.0, 16.0]]], dtype=torch.float64)
    place = torch.tensor([0.25, 0.5], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    y = 2 * mask * reading(image, place[0], place[1]).sum()
    by_place, by_mask = torch.autograd.grad(y, (place, mask))
    return float(by_place[0]), float(by_place[1]), float(by_mask)


SLOPES = ValueExercise(
    chapter=CHAPTER,
    name="slopes",
    title="Derive: what one tap learns",
    level=2,
    task="A tap has the weight w = 2 and the mask m = 0.5. It reads a quarter of the way down and "
    "half of the way to the right, among the pixels 2 and 6 in the upper row and 4 and 16 in the "
    "lower one. Give the slopes of the output with respect to the row offset, the column offset "
    "and the mask.",
    hints=(
        "Equation (6): differences of neighbours. Along the rows there are two of them, 4 - 2 on "
        "the left and 16 - 6 on the right.",
        "They are weighed by the shares along the other axis. On the way down both columns count "
        "half; on the way right the upper row counts three quarters.",
        "The slopes of the reading are 6 and 6, the reading itself is 5.5. Now w and m.",
    ),
    explanation="Down: half of 2 and half of 10 are 6. To the right: three quarters of 4 and one "
    "of 12 are 6. Both times w m = 1. The reading is 5.5, and for the mask it counts w-fold.",
    truth=first_slopes,
    parts=("row offset", "column offset", "mask"),
    low=-100.0,
    high=100.0,
    unit="three slopes",
    tolerance=Tolerance(relative=0.0, absolute=1e-6),
    misconceptions=(
        Misconception(
            "a mask left out of the offsets' slopes",
            "The offsets' slopes are those of w x. The mask stands before the reading, too.",
            (12.0, 12.0, 11.0),
        ),
        Misconception(
            "a weight left out",
            "The weight multiplies what the tap reads, and so every slope.",
            (3.0, 3.0, 5.5),
        ),
        Misconception(
            "slopes of the reading alone",
            "Six and six are the slopes of x, and here w m = 1. The mask's slope is w x, not x.",
            (6.0, 6.0, 5.5),
        ),
        Misconception(
            "a mask's slope with the mask in it",
            "y is linear in m: its slope is w x, without m.",
            (6.0, 6.0, 2.75),
            also=((6.0, 6.0, 1.0),),
        ),
        Misconception(
            "shares of the wrong axis",
            "On the way down the columns are weighed, and on the way right the rows.",
            (4.0, 8.0, 11.0),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "The side convolution's weights and biases start at zero. What does a fresh layer of "
            "the first form compute?",
            (
                Option("Zero.", "The kernel itself is drawn as usual: only offsets are zero."),
                Option("An ordinary convolution with its kernel.",
                       "Every tap stands on the lattice, where a reading is the pixel itself.",
                       right=True),
                Option("Half of an ordinary convolution.",
                       "So starts the modulated form, whose masks are σ(0) = 1/2."),
            ),
        ),
        Question(
            "Does a side convolution whose weights are all zero get a gradient?",
            (
                Option("No: zero weights pass nothing on.",
                       "They pass nothing on to x. Their own gradient is x times the slope of the "
                       "offsets."),
                Option("Yes, where neighbouring pixels differ.",
                       "The slope of an offset is a difference of neighbours times the kernel's "
                       "weight, and it is not zero at zero offsets.", right=True),
                Option("Only from the second step on.",
                       "That is so where two zero factors meet, as in two layers that both start "
                       "at zero. Here the kernel is not zero."),
            ),
        ),
        Question(
            "A tap should read ten pixels further right. When does its gradient say so?",
            (
                Option("Always: the loss is large there.",
                       "A large loss scales the slope, but the slope itself is a difference of two "
                       "neighbouring pixels where the tap is now."),
                Option("Where what it reads here tells something of what stands there, as in a "
                       "smooth image.",
                       "The slope looks one pixel far. In white noise it says nothing of a place "
                       "ten pixels away.", right=True),
                Option("Never: a place has no gradient.",
                       "It has one almost everywhere: the difference of its neighbours."),
            ),
        ),
        Question(
            "x has 512 channels and the kernel 3 x 3 taps. How does the number of offset channels "
            "change with 4 offset groups?",
            (
                Option("From 18 to 72.",
                       "Two numbers for each of nine taps, in each group.", right=True),
                Option("It stays at 18: groups share the channels among them.",
                       "Groups share the channels of x; each has offsets of its own."),
                Option("From 18 to 4.5.", "More groups mean more places, not fewer."),
            ),
        ),
        Question(
            "A port takes weights of a side convolution from mmcv. What must be the same for the "
            "taps to go where they went?",
            (
                Option("Nothing but the shapes.",
                       "There are several orders with the same shapes: rows and columns in turn or "
                       "in planes, taps by rows or by columns."),
                Option("The order of rows and columns, and of taps.",
                       "Here as there: row and column in turn, taps in reading order, group by "
                       "group, then masks.", right=True),
                Option("The size of the image.",
                       "Offsets are in pixels and do not depend on the size."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (PLACES, DILATE, LAYER, SLOPES)
