"""Exercises and quiz on the three mechanisms; those that ask for code are in ``code.py``."""

from __future__ import annotations

from math import exp, log10

from attncourse.channel_spatial.coordinate_attention import CARD, TRIPLET_CARD
from attncourse.exercises.channel_spatial.coordinate_attention.code import (
    CHAPTER,
    LINES,
    SIDE,
    SIMAM,
)
from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

#: What is done about two equal boxes of one colour -> whether inside and ghost can differ.
REMEDIES = {
    "ten blocks of coordinate attention": frozenset({"equal"}),
    "coordinate attention, then SE": frozenset({"equal"}),
    "a 3x3 convolution in front: beside the outline": frozenset({"can differ"}),
    "a 3x3 convolution in front: the middle": frozenset({"equal"}),
    "each box in a channel of its own": frozenset({"can differ"}),
    "a ReLU behind the row means": frozenset({"equal"}),
}

GHOSTS = TableExercise(
    chapter=CHAPTER,
    name="ghosts",
    title="Predict: what tells a box from its ghost?",
    level=2,
    task="Two boxes of one shape and one colour, 5 pixels wide and high inside, far from each "
    "other and from the border; layers of one pixel around blocks. What can be done so that a "
    "pixel inside a box and the pixel at the same place of a ghost get different outputs? Say "
    "`equal` where their outputs must be equal, whatever the weights, and `can differ` else. "
    "Two rows say which pixel is meant; the others mean any.",
    hints=(
        "A pixel is empty, its row goes through the inside of a box, its column as well. Does the "
        "change let it see more than functions of these three?",
        "Means over lines, over pictures, and layers of one pixel do not.",
        "A 3x3 convolution sees the outline from a pixel that touches it, and from no other. Means "
        "of what it gives are still equal for both boxes. Two channels make a row of one box "
        "unlike a row of the other.",
    ),
    explanation="Depth does not help: after any number of blocks a feature is a function of what "
    "the pixel, its row and its column are. A 3x3 convolution adds what the pixel touches, and the "
    "middle touches nothing. A second channel is of another kind.",
    labels=("equal", "can differ"),
    spellings={
        **dict.fromkeys(
            ("same", "the same", "must be equal", "are equal", "always equal", "identical"), "equal"
        ),
        **dict.fromkeys(
            (
                "differ", "different", "may differ", "can be different", "may be different",
                "can be unequal", "not equal", "unequal",
            ),
            "can differ",
        ),
    },
    truth=REMEDIES,
    misconceptions=(
        Misconception(
            "depth",
            "Ten blocks pass on means of features that are equal for both boxes: rows of both stay "
            "alike, and so do columns.",
            ("ten blocks of coordinate attention", "can differ"),
        ),
        Misconception(
            "SE tells",
            "SE multiplies the whole channel by one number, the same for both pixels.",
            ("coordinate attention, then SE", "can differ"),
        ),
        Misconception(
            "a bend tells",
            "A function of equal means gives equal numbers.",
            ("a ReLU behind the row means", "can differ"),
        ),
        Misconception(
            "a small reach",
            "A pixel that touches the outline sees it through the kernel; one of a ghost touches "
            "none.",
            ("a 3x3 convolution in front: beside the outline", "equal"),
        ),
        Misconception(
            "a long reach",
            "The middle is three pixels from the outline, and the kernel sees one. Means over "
            "lines do not bring the rest: exchange the rows and columns of the two boxes, and the "
            "picture is the same, so they are equal for both.",
            ("a 3x3 convolution in front: the middle", "can differ"),
        ),
        Misconception(
            "one channel for all",
            "A row of the first box then has ones in channel 1, a row of the second in channel 2.",
            ("each box in a channel of its own", "equal"),
        ),
    ),
)  # fmt: skip


def _counts() -> tuple[float, ...]:
    found = CARD.parameters(128), CARD.parameters(512), TRIPLET_CARD.parameters(512)
    return tuple(map(float, found))


COUNTS = ValueExercise(
    chapter=CHAPTER,
    name="counts",
    title="Predict, then count: what grows with the channels?",
    level=2,
    task="Count the parameters of coordinate attention for 128 and for 512 channels, with "
    "d = max(8, C // 32), and those of triplet attention for 512 channels with 7x7 kernels. Count "
    "biases, where there are any, and normalisations; triplet attention's kernels have none.",
    hints=(
        "First layer: C d + d, normalisation: 2 d, and twice C d + C.",
        "128 channels give d = 8, 512 give d = 16.",
        "Triplet attention: three times 2·49 weights and a normalisation of one map.",
    ),
    explanation="3,352, 25,648 and 300: triplet attention's kernels do not know how many channels "
    "there are.",
    truth=_counts,
    low=0.0,
    high=1e6,
    unit="parameters",
    parts=("coordinate, 128", "coordinate, 512", "triplet, 512"),
    tolerance=Tolerance(relative=0.0, absolute=0.5),
    misconceptions=(
        Misconception(
            "four hidden units",
            "128 // 32 is 4, but the hidden width is 8 at least.",
            (1804.0, 25648.0, 300.0),
        ),
        Misconception(
            "no normalisation",
            "The hidden units are normalised: a scale and a shift each.",
            (3336.0, 25616.0, 300.0),
            also=((3336.0, 25616.0, 294.0),),
        ),
        Misconception(
            "no biases",
            "All three layers have biases, as in the released code.",
            (3088.0, 24608.0, 300.0),
        ),
        Misconception(
            "one layer back",
            "Rows and columns have a layer of their own each.",
            (2200.0, 16944.0, 300.0),
        ),
        Misconception(
            "triplet attention without its normalisations",
            "Each view's map is normalised: 2 parameters more for each.",
            (3352.0, 25648.0, 294.0),
        ),
        Misconception(
            "one kernel of triplet attention",
            "There are three views, each with a kernel of its own.",
            (3352.0, 25648.0, 100.0),
        ),
        Misconception(
            "one map of triplet attention",
            "Each kernel convolves two maps, the largest and the mean.",
            (3352.0, 25648.0, 153.0),
        ),
        Misconception(
            "a bias in each kernel of triplet attention",
            "The kernels have no bias: the normalisation behind them shifts.",
            (3352.0, 25648.0, 303.0),
        ),
    ),
)


def _floor() -> tuple[float, ...]:
    least = 1 / (1 + exp(-0.5))
    return least, -20 * log10(least)


FLOOR = ValueExercise(
    chapter=CHAPTER,
    name="floor",
    title="Derive: how far can SimAM turn the background down?",
    level=2,
    task="Say the least gate that (11) can give, and by how many decibels, 20 log10 of a ratio of "
    "sizes, a value with that gate falls behind one whose gate is 1. Give decimal numbers, the "
    "gate to three decimals, the decibels to two and above zero.",
    hints=(
        "A square is never negative: what is left in the sigmoid at a distance of zero?",
        "σ(½) = 1 / (1 + e^-0.5).",
        "20 log10(1 / σ(½)).",
    ),
    explanation="0.622 and 4.12 dB: whatever the picture, SimAM cannot do more than that.",
    truth=_floor,
    low=0.0,
    high=100.0,
    unit="a gate, then decibels",
    parts=("least gate", "decibels"),
    # 0.622 and 4.12 pass; 0.623, 4.115 and 4.1 do not.
    tolerance=Tolerance(relative=5.4e-4, absolute=1.65e-4),
    misconceptions=(
        Misconception(
            "a half",
            "At a distance of zero ½ is left in the sigmoid, and not 0: σ(½).",
            (0.5, 6.0206),
            also=((0.5, 4.1178),),
        ),
        Misconception(
            "ten in place of twenty",
            "Sizes take 20 log10, powers 10 log10.",
            (0.62246, 2.0589),
        ),
        Misconception(
            "the natural logarithm",
            "Decibels take the logarithm to the base of ten.",
            (0.62246, 9.4815),
        ),
        Misconception(
            "a sign too many",
            "The question is how far it falls behind: that is a number above zero. Take 20 log10 "
            "of 1 over the gate.",
            (0.62246, -4.1178),
            also=((0.62246, -4.1),),
        ),
        Misconception(
            "rounded too far",
            "That is right and rounded too far: the gate to three decimals, the decibels to two.",
            (0.62246, 4.1),
            also=((0.62, 4.1178), (0.62, 4.1), (0.6, 4.1178), (0.6, 4.1)),
        ),
        Misconception(
            "the sigmoid turned round",
            "1 - σ(½) = σ(-½) = 0.378: the ½ is added in (11), not subtracted.",
            (0.37754, 8.4607),
            also=((0.378, 8.4607),),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "In one channel coordinate attention opens two cells, (1, 1) and (2, 2), to 0.9 each. "
            "What of the cells (1, 2) and (2, 1)?",
            (
                Option("They may be shut.", "Their gates multiply to 0.81 as well."),
                Option("Their two gates multiply to 0.81.",
                       "p₁ q₂ p₂ q₁ = (p₁ q₁)(p₂ q₂): a matrix of rank one.", right=True),
                Option("They are open to 0.9 each.",
                       "Only their product is fixed: p may be larger in one row."),
            ),
        ),
        Question(
            "Why can no stack of coordinate attention and layers of one pixel tell two equal boxes "
            "from their ghosts?",
            (
                Option("Training does not find the weights.", "There are none to be found."),
                Option("Rows of both boxes stay alike, and so do columns, after every block.",
                       "A feature stays a function of what pixel, row and column are.", right=True),
                Option("The gates are of rank one.",
                       "One channel's are; sums over channels and further blocks are not. The "
                       "reason lies in what is pooled."),
            ),
        ),
        Question(
            "The channels of a trained network are renamed, with all weights that belong to a "
            "channel. Which block gives other outputs?",
            (
                Option("Coordinate attention.", "Each of its channels has its own weights."),
                Option("SimAM.", "It has no weights, and judges each channel by itself."),
                Option("Triplet attention.",
                       "Its kernels slide along the channels; no weight belongs to one.",
                       right=True),
            ),
        ),
        Question(
            "A channel holds as many values of +1 as of -1. What does SimAM do?",
            (
                Option("It multiplies all by one and the same number.",
                       "All lie equally far from the mean of 0.", right=True),
                Option("It opens for +1 and shuts for -1.", "It sees squares."),
                Option("It leaves all as they are.", "The gate is about σ(¾) = 0.68, not 1."),
            ),
        ),
        Question(
            "On *one box* a network without any gate, given the same two means, does as well as "
            "coordinate attention. What follows?",
            (
                Option("Directional means are useless.",
                       "Layers of one pixel have nothing else to solve the task by."),
                Option("In these networks of one-pixel layers, what is needed are means of rows "
                       "and columns; a gate is one way to use them.",
                       "SE has one mean a channel, and is half right.", right=True),
                Option("Gates are always better than layers.", "Not here."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (LINES, GHOSTS, SIDE, SIMAM, COUNTS, FLOOR)
