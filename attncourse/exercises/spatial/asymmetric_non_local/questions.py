"""Exercises and quiz on asymmetric non-local blocks; those that ask for code are in ``code.py``."""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.asymmetric_non_local.code import CHAPTER, NOISE, READ_ANCHORS
from attncourse.exercises.value import ValueExercise
from attncourse.spatial.asymmetric_non_local import SIZES

#: The sides of the map in the exercise on what is saved.
SIDE = 96


def _saved() -> tuple[float, ...]:
    count = sum(side * side for side in SIZES)
    return float(count), SIDE**2 / count, (2 * SIDE) ** 2 / count


SAVED = ValueExercise(
    chapter=CHAPTER,
    name="saved",
    title="Predict: how many weights are saved?",
    level=1,
    task=f"A pyramid has 1, 3, 6 and 8 cells a side. Name the number of its anchors; how many "
    f"times as many weights the map of all pairs has on {SIDE} x {SIDE} positions; and the same "
    f"on {2 * SIDE} x {2 * SIDE}.",
    hints=(
        "A level with s cells a side has s times s anchors.",
        "All pairs are N times N weights, the anchors are N times 110.",
    ),
    explanation="110, 83.8 and 335.1. The number of anchors is fixed, so what is saved grows with "
    "the number of positions.",
    truth=_saved,
    low=0.0,
    high=2_000.0,
    unit="a number, and two ratios",
    parts=("anchors", f"{SIDE} x {SIDE}", f"{2 * SIDE} x {2 * SIDE}"),
    tolerance=Tolerance(relative=3e-3, absolute=0.0),
    misconceptions=(
        Misconception(
            "sides added up",
            "A level with s cells a side has s * s anchors: 1 + 9 + 36 + 64.",
            (18.0, 512.0, 2048.0),
            ((18.0, SIDE**2 / 110, 4 * SIDE**2 / 110),),
        ),
        Misconception(
            "the square of the ratio",
            "Queries are not sampled: N N over N m is N over m, once.",
            (110.0, (SIDE**2 / 110) ** 2, (4 * SIDE**2 / 110) ** 2),
        ),
        Misconception(
            "twice the side, twice the gain",
            "With twice the side the map has four times the positions.",
            (110.0, SIDE**2 / 110, 2 * SIDE**2 / 110),
        ),
        Misconception(
            "the finest level alone",
            "64 are those of the finest level. The coarser ones are anchors, too.",
            (64.0, SIDE**2 / 64, 4 * SIDE**2 / 64),
        ),
    ),
)

#: A block made faster; one line changes what it computes.
LISTING = """\
cells = anchors(x)[..., None]
values = out(value(cells)).flatten(2)
keys = relu(norm(key(cells))).flatten(2)
queries = relu(norm(key(x))).flatten(2)
a = (queries.mT @ keys / d**0.5).softmax(dim=2)
y = x + (values @ a.mT).view_as(x)"""

LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="too_early",
    title="Spot the line",
    level=2,
    task="The listing is the block with a plain sum at the end, and averages x before anything "
    "else. Name the line that computes something else than the equations do.",
    hints=(
        "A mean may be exchanged with what is linear.",
        "Take a cell with two pixels whose key has the first number 1 and -1. What does its "
        "anchor hold, before and after?",
    ),
    options=(
        Option("Line 1", "It averages the input, once for all. This alone changes nothing."),
        Option("Line 2", "Both layers are linear, and the shares of a cell add up to 1, so that "
               "the biases pass as well."),
        Option("Line 3", "The mean of ReLUs is not the ReLU of the mean. The keys have to be made "
               "at all positions first.", right=True),
        Option("Line 4", "Queries are made at all positions, as they should."),
        Option("Line 5", "It is one softmax over all anchors, and the root of d belongs there."),
        Option("Line 6", "Values are read by the weights of each position."),
    ),
)  # fmt: skip

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Why does the output keep its resolution though there are 110 anchors?",
            (
                Option("Because the anchors are enlarged again.", "Nothing is enlarged."),
                Option("Because queries are not sampled.",
                       "The output has a row for each query.", right=True),
                Option("Because the finest level has 8 x 8 cells.",
                       "This sets how fine the keys are, not the output."),
            ),
        ),
        Question(
            "On large sources in the raster of the cells, four means over cells did better than 64 "
            "pixels. What was it that helped?",
            (
                Option("That there were fewer keys to choose from.",
                       "Four picked pixels are as few, and did far worse than all pixels."),
                Option("That noise was averaged away before the softmax.",
                       "64 overlapping means, as many keys as pixels, were better than pixels in "
                       "most seeds as well.", right=True),
                Option("That the block had fewer parameters.", "All have the same number."),
            ),
        ),
        Question(
            "A thing of one pixel, a cell of 4 x 4. What is left of it in the anchor?",
            (
                Option("A sixteenth of it, among the noise of 16 pixels.",
                       "Noise falls by 4, the signal by 16.", right=True),
                Option("All of it: the largest value counts.", "This would be max pooling."),
                Option("Nothing.", "It is diluted, and still there."),
            ),
        ),
        Question(
            "May x be averaged first, and then projected to keys and values?",
            (
                Option("Yes, both.", "Between x and the keys stands a ReLU."),
                Option("The values, but not the keys.",
                       "The values are linear in x; the keys have passed a ReLU.", right=True),
                Option("Neither.", "The mean of a linear map is the map of the mean."),
            ),
        ),
        Question(
            "On a map of 8 x 8 positions, what does the pyramid save?",
            (
                Option("Nothing: it has more anchors than there are positions.",
                       "110 against 64.", right=True),
                Option("Half of the weights.", "110 anchors are more than 64 positions."),
                Option("About 64 weights of 110.", "It is the other way round."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (READ_ANCHORS, SAVED, NOISE, LINE)
