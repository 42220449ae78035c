"""Exercises and quiz of the comparison; those that ask for code are beside it."""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.closing.choosing.code import CHAPTER, DEFECT
from attncourse.exercises.closing.choosing.interval import INTERVAL
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

COMPARISONS = 40


def _alarms() -> tuple[float, ...]:
    return 0.05 * COMPARISONS, 1 - 0.95**COMPARISONS, 0.05 / COMPARISONS


_COUNT, _CHANCE, _LEVEL = _alarms()
FALSE_ALARMS = ValueExercise(
    chapter=CHAPTER,
    name="false_alarms",
    title="Derive: what 40 comparisons do by chance",
    level=1,
    task="Suppose that none of 40 blocks differs from its rival, and that each interval covers "
    "95 %. How many intervals leave zero out, on average? With which chance does at least one, "
    "if they are independent? And at which level must each be tested, in place of 0.05, so that "
    "the chance of any false alarm is at most 0.05, however they depend on each other? Give three "
    "numbers, each to three digits; chance and level as shares of one.",
    hints=(
        "Means add up, whether the intervals depend on each other or not.",
        "None of them does with the chance 0.95 to the power of 40.",
        "The chance of any is at most the sum of all chances: 40 α ≤ 0.05.",
    ),
    explanation="Two false alarms, at least one in 87.1 % of such tables, and a level of 0.00125.",
    truth=_alarms,
    low=0.0,
    high=100.0,
    unit="a count, a chance, a level",
    parts=("intervals", "chance of one", "level"),
    tolerance=Tolerance(relative=1e-3, absolute=1e-9),
    misconceptions=(
        Misconception(
            "one side",
            "An interval leaves zero out on either side: 5 % in all, 2.5 % on each.",
            (1.0, _CHANCE, _LEVEL),
        ),
        Misconception(
            "those that cover",
            "38 of them hold zero on average. The others are asked for.",
            (38.0, _CHANCE, _LEVEL),
        ),
        Misconception(
            "the chance of none",
            "0.95 to the power of 40 is the chance of no false alarm at all.",
            (_COUNT, 1 - _CHANCE, _LEVEL),
            also=((_COUNT, round(1 - _CHANCE, 3), _LEVEL),),
        ),
        Misconception(
            "chances that add up",
            "40 times 5 % is 200 %, no chance. Take one minus the chance that none does.",
            (_COUNT, _COUNT, _LEVEL),
            also=((_COUNT, 1.0, _LEVEL),),
        ),
        Misconception(
            "a level in per cent",
            "0.125 is the level in per cent. As a share of one, like 0.05, it is a hundredth of "
            "that.",
            (_COUNT, _CHANCE, 0.125),
        ),
        Misconception(
            "the level left alone",
            "At 0.05 each the chance of any is what you found before. Share the 0.05 among the 40.",
            (_COUNT, _CHANCE, 0.05),
            also=((_COUNT, _CHANCE, 5.0),),
        ),
        Misconception(
            "a chance in per cent",
            "The second number is a chance, between 0 and 1.",
            (_COUNT, 100 * _CHANCE, _LEVEL),
            also=((_COUNT, 100 * _CHANCE, 0.125),),
        ),
        Misconception(
            "independence taken for granted",
            "This level solves (1 - α)^40 = 0.95, which holds for independent intervals. However "
            "they depend on each other, the sum of the chances bounds the chance of any.",
            (_COUNT, _CHANCE, 1 - 0.95 ** (1 / COMPARISONS)),
            also=((_COUNT, _CHANCE, round(1 - 0.95 ** (1 / COMPARISONS), 5)),),
        ),
    ),
)

BLIND, FOLLOWS, SEES = "blind", "follows", "sees"
#: Block and change -> what the block does.
NOTICED_ROWS = {
    "SE: pixels shuffled": frozenset({BLIND}),
    "GCT: everything doubled": frozenset({BLIND}),
    "non-local: pixels shuffled": frozenset({FOLLOWS}),
    "criss-cross: two rows swapped": frozenset({FOLLOWS}),
    "criss-cross: pixels shuffled": frozenset({SEES}),
    "SimAM: channels renamed": frozenset({FOLLOWS}),
    "ECA: channels renamed": frozenset({SEES}),
    "3x3 convolution, then SE: pixels shuffled": frozenset({SEES}),
}

NOTICED = TableExercise(
    chapter=CHAPTER,
    name="noticed",
    title="Predict, then measure: who notices?",
    level=2,
    task="Eight blocks with opened gates and random weights, each with a change of its input. Say "
    "`blind` if the decision g stays as it was, `follows` if the decision changes and the output "
    "is the old output with the same change, and `sees` otherwise. Predict first; the solution "
    "measures it.",
    hints=(
        "What does g see of the map: a mean, a norm, all pixels as a set, lines, neighbours?",
        "A block that weighs pixels by what they hold moves its weights along with them.",
        "A renamed channel meets another weight, unless there are no weights of channels.",
    ),
    explanation="A decision made of sums over all pixels is blind to their order; one made of "
    "pairs of pixels follows it; lines follow what keeps lines together.",
    labels=(BLIND, FOLLOWS, SEES),
    spellings={
        **dict.fromkeys(("is blind", "unchanged", "invariant", "same"), BLIND),
        **dict.fromkeys(("follow", "equivariant", "moves along"), FOLLOWS),
        **dict.fromkeys(("see", "changes", "changed", "neither"), SEES),
    },
    truth=NOTICED_ROWS,
    misconceptions=(
        Misconception(
            "SE moved along",
            "SE's gates come from means, which no order of pixels changes: the decision itself "
            "stays. *Blind* is the stronger word.",
            ("SE: pixels shuffled", FOLLOWS),
        ),
        Misconception(
            "GCT's size",
            "GCT divides the norms by their size: doubling all channels cancels.",
            ("GCT: everything doubled", SEES),
        ),
        Misconception(
            "a set",
            "The weights of non-local stand in another order after a shuffle: g has changed, and "
            "its output is the old one, shuffled.",
            ("non-local: pixels shuffled", BLIND),
        ),
        Misconception(
            "two rows",
            "Swapped rows are still rows, and every column has the same pixels as before.",
            ("criss-cross: two rows swapped", SEES),
        ),
        Misconception(
            "lines survive",
            "A shuffle tears rows and columns apart: a pixel has other pixels on its cross.",
            ("criss-cross: pixels shuffled", FOLLOWS),
        ),
        Misconception(
            "SimAM's weights",
            "SimAM has no weights, and treats every channel by itself.",
            ("SimAM: channels renamed", SEES),
        ),
        Misconception(
            "ECA's kernel",
            "ECA's kernel runs along the channels: after a renaming each has other neighbours.",
            ("ECA: channels renamed", FOLLOWS),
        ),
        Misconception(
            "blind for good",
            "SE alone is blind; the convolution before it has made other means from the shuffled "
            "map.",
            ("3x3 convolution, then SE: pixels shuffled", BLIND),
        ),
    ),
)

UNFAIR_LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="unfair_line",
    title="Spot the line",
    level=2,
    task="The listing compares a block with the plain network. Name the line that makes its "
    "interval worthless.",
    hints=(
        "Which numbers had a say in what was compared?",
        "Follow the test set through the listing.",
    ),
    options=(
        Option("Line 1", "Three rates for either network: the same effort for both."),
        Option("Line 2", "Five seeds, fixed before any run."),
        Option(
            "Line 3",
            "The rate of the block is the one that does best on the test set, and so are its "
            "scores afterwards: it is judged on what it was chosen by. The plain network has its "
            "rate from a held-out part of the training set, as both should.",
            right=True,
        ),
        Option("Line 4", "The plain network's rate is chosen on a held-out part of the training "
               "set."),
        Option("Line 5", "Scores of both, with the same seeds, on the test set: once, at the end."),
        Option("Line 6", "Differences seed by seed: both networks had the same batches."),
    ),
)  # fmt: skip

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "A block commutes with every shuffle of the pixels. What may you conclude of a "
            "network that holds it?",
            (
                Option("It cannot tell a picture from its shuffle.",
                       "Its convolutions can. The proposition needs every other layer to commute "
                       "as well."),
                Option("Nothing, unless all its other layers commute with shuffles too.",
                       "One 3x3 convolution in front, and the network is not blind.", right=True),
                Option("It cannot use the places of things at all.",
                       "The block gets what convolutions have written about places."),
            ),
        ),
        Question(
            "On one task a mechanism beats the plain network clearly. The same network with the "
            "map's mean added at every pixel does as well. What has the mechanism shown?",
            (
                Option("That attention is needed for this task.",
                       "The mean decides nothing, and it is enough."),
                Option("Nothing at all: the result is an accident.",
                       "It is no accident: the task asks for word from far away."),
                Option("That context is needed here, and that it brings context.",
                       "Whether its decision matters takes a task that the mean cannot solve.",
                       right=True),
            ),
        ),
        Question(
            "Sixteen mechanisms lie within a point of each other on one set of test "
            "pictures. You take the first of the list. What did you choose by?",
            (
                Option("By the noise of seeds and test items.",
                       "With other seeds another one leads. Choose by cost, or by your question.",
                       right=True),
                Option("By quality: somebody has to lead.",
                       "Somebody leads in every table, also where nothing differs."),
                Option("By the data: that is what a test set is for.",
                       "It would tell differences larger than its own uncertainty. These are "
                       "not."),
            ),
        ),
        Question(
            "Of 40 intervals at 95 %, eight leave zero out. What is a fair sentence?",
            (
                Option("Eight mechanisms work.",
                       "About two would leave zero out where nothing differs."),
                Option("Nothing was found.",
                       "Eight are more than three; some of them may be large."),
                Option("About two are expected by chance alone, so look at sizes, and confirm "
                       "on fresh seeds.",
                       "The count has to be read against what chance gives.", right=True),
            ),
        ),
        Question(
            "A gate on the spread of channels won clearly where it stood on eight copies of a "
            "picture, and little or nothing in the middle of a network that sees the same copies. "
            "A gate on their means won in neither place. What fits both?",
            (
                Option("Which copy is spoilt shows in its spread and in no mean, and behind a "
                       "convolution a channel is no copy any more.",
                       "What the gate hears has to decide the answer, and it has to be there where "
                       "the gate stands.", right=True),
                Option("Gates on means are the weaker kind.",
                       "Where the mean decides, as in the chapter on SE, they are enough."),
                Option("The slot in the middle is too deep for gates of channels.",
                       "Then neither would have a task there; and the gate on means failed in "
                       "front as well."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (DEFECT, FALSE_ALARMS, NOTICED, INTERVAL, UNFAIR_LINE)
