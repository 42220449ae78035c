"""Exercises and quiz of the chapter on GLTR.

The exercises that ask for code are in ``code.py`` beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.temporal.global_local_temporal.code import (
    BRANCH,
    CHAPTER,
    QUERY_GRADIENT,
    WEIGHTS,
)
from attncourse.exercises.value import ValueExercise
from attncourse.temporal.global_local_temporal.pyramid import coupled_lags

#: Rates and number of lags that are asked for.
_ASKED = (((1, 4), 6), ((1, 2, 3), 8))


def lag_accuracy(rates: Sequence[int], lags: int) -> float:
    """Accuracy on lags 1 to ``lags``: those that are coupled, and one right guess in the rest."""
    seen = sum(lag <= lags for lag in coupled_lags(rates))
    return (seen + (seen < lags)) / lags


LAG_ACCURACY = ValueExercise(
    chapter=CHAPTER,
    name="lag_accuracy",
    title="Predict, then measure: which lag?",
    level=2,
    task="Give two accuracies of the pyramid with a ReLU: rates (1, 4) on the lags 1 to 6, and "
    "rates (1, 2, 3) on the lags 1 to 8, as fractions.",
    hints=(
        "Which lags does one output of the pyramid see? A branch of rate r reads three frames: "
        "list the distances of every two of them.",
        "Rates (1, 4) couple 1, 2, 4 and 8, rates (1, 2, 3) couple 1, 2, 3, 4 and 6. What can the "
        "network do with a lag that is not among them?",
        "It knows that none of its lags occurred, and guesses among the rest: one of those is "
        "right on average. With s of n lags seen, the accuracy is (s + 1)/n.",
    ),
    explanation="Three of six and five of eight lags are seen, and one guess in the rest is right: "
    "4/6 and 6/8.",
    truth=lambda: tuple(lag_accuracy(rates, lags) for rates, lags in _ASKED),
    parts=("rates (1, 4), lags 1 to 6", "rates (1, 2, 3), lags 1 to 8"),
    low=0.0,
    high=1.0,
    unit="a share (per cent divided by 100)",
    tolerance=Tolerance(relative=0.0, absolute=6e-3),
    misconceptions=(
        Misconception(
            "the rates alone",
            "A branch of rate r also sees the pair of its outer taps, at the distance 2r.",
            (3 / 6, 4 / 8),
        ),
        Misconception(
            "unseen lags that always fail",
            "Among the lags that it cannot see, the network guesses, and is right once for all of "
            "them together.",
            (3 / 6, 5 / 8),
        ),
        Misconception(
            "guesses among all lags",
            "The network sees that none of its lags is there, so it guesses among the others only.",
            ((3 + 3 / 6) / 6, (5 + 3 / 8) / 8),
        ),
        Misconception(
            "everything within reach",
            "A dilated branch reaches 2r + 1 frames but reads three of them.",
            (1.0, 7 / 8),
        ),
        Misconception(
            "the outer taps alone",
            "The centre tap and an outer one also make a pair, at the distance r.",
            (2 / 6, 4 / 8),
        ),
    ),
)

WHO_SEES = TableExercise(
    chapter=CHAPTER,
    name="who_sees",
    title="Who can tell the order, who can compare?",
    level=2,
    task="For each way to make one vector of a clip name what it can do: notice the `order` of the "
    "frames, compare `far pairs`, both or, as `()`, neither.",
    hints=(
        "Order: exchange two frames in mind. Which sums change? Far pairs: does what one frame "
        "adds to the result depend on a frame far away?",
        "A mean of something linear is that linear thing of the mean. And what every frame "
        "computes from the set of all frames knows no order.",
        "Of these five, only what reads neighbours and is not linear notices the order. Only what "
        "multiplies or compares two frames, whatever their distance, sees a far pair.",
    ),
    explanation="Each half of GLTR does one of the two things, and since the second half is not "
    "linear, the first half's order survives the mean.",
    labels=("order", "far pairs"),
    truth={
        "mean": frozenset(),
        "TSA, mean": frozenset({"far pairs"}),
        "linear pyramid, mean": frozenset(),
        "pyramid, ReLU, mean": frozenset({"order"}),
        "GLTR, mean": frozenset({"order", "far pairs"}),
    },
    misconceptions=(
        Misconception(
            "a mean that remembers",
            "A sum does not know in which order it was added up.",
            ("mean", "order"),
        ),
        Misconception(
            "a convolution whose order survives the mean",
            "Each branch knows it, but the branch is linear: its mean is a map of the mean frame.",
            ("linear pyramid, mean", "order"),
        ),
        Misconception(
            "attention that knows the order",
            "Scores are products of two frames, wherever these stand: shuffled frames give "
            "shuffled outputs, and the same mean.",
            ("TSA, mean", "order"),
        ),
        Misconception(
            "attention that does not compare",
            "Every score is a product of a query and a key, and any two frames of a clip meet.",
            ("TSA, mean", "far pairs"),
        ),
        Misconception(
            "a pyramid that reaches across the clip",
            "With the rates 1, 2 and 3 no output reads two frames that are more than 6 apart.",
            ("pyramid, ReLU, mean", "far pairs"),
        ),
        Misconception(
            "a ReLU that changes nothing",
            "It is not linear: the mean of rectified sums depends on which frames were summed.",
            ("pyramid, ReLU, mean", "order"),
        ),
        Misconception(
            "an order lost in the softmax",
            "The scores compare frames that know their neighbours, and the softmax of a score is "
            "not linear: what the pyramid saw reaches the mean.",
            ("GLTR, mean", "order"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "A column of A sums to 3 in a clip of 8 frames. What does that say?",
            (
                Option("There is an error: sums of A are 1.",
                       "Rows sum to 1. A column may sum to anything between 0 and the number of "
                       "frames."),
                Option("The frame of that column takes from three others.",
                       "What a frame takes stands in its row."),
                Option("The frame of that column counts three times as much as the average frame.",
                       "Its value does, but each frame also enters the clip through itself, as "
                       "the residual of (5), whatever its column says."),
                Option("The value of that frame is gathered three times as much as the average.",
                       "All columns together sum to 8, so the average column sums to 1. In the "
                       "mean over frames, a value counts by the sum of its column.", right=True),
            ),
        ),
        Question(
            "A fresh GLTR block takes its first step. Which parameters of the attention receive a "
            "gradient that is not zero?",
            (
                Option("The scale and the shift of the last normalisation.",
                       "The scale is zero, so nothing passes through it to what stands before. It "
                       "and the shift move first and open the way.", right=True),
                Option("All of them.",
                       "Before the scale leaves zero, no gradient reaches the four linear layers."),
                Option("None: a block that starts as the identity never learns.",
                       "The gradient of the scale is a sum of what arrives times the normalised "
                       "branch, and that is not zero."),
            ),
        ),
        Question(
            "The rates are 1, 2 and 4. Two events lie 3 frames apart. Which output of the pyramid "
            "reads both?",
            (
                Option("One of rate 2, since 3 lies within its reach of 5 frames.",
                       "It reaches 5 frames and reads three: -2, 0 and 2."),
                Option("One of rate 4, since it reaches 9 frames.",
                       "It reads -4, 0 and 4: distances 4 and 8."),
                Option("Two branches together, of rates 1 and 2.",
                       "Their outputs stand side by side in u, but each is read from its own three "
                       "frames; -1 and 2 meet only behind something that is not linear."),
                Option("None.",
                       "The branches couple the distances 1, 2, 4 and 8. The authors' rates 1, 2 "
                       "and 3 couple 1, 2, 3, 4 and 6.", right=True),
            ),
        ),
        Question(
            "In cue recall, four networks score about 30 % where one tenth would be chance. What "
            "does that number say?",
            (
                Option("They have learned to match the cue in a third of the clips.",
                       "A network that reads all seven digits and never matches the cue already "
                       "gets 31.7 %."),
                Option("They read the digits and do not know which one is asked for.",
                       "Naming the most frequent of seven digits is right in 31.7 % of all clips, "
                       "and all four lie below that.", right=True),
                Option("They are trained badly; with more steps they would get there.",
                       "Not with four times the steps: the LSTM, one query and a readout of two "
                       "layers behind the mean stay below that line. For the mean, read linearly, "
                       "the least loss is that of the blind, as *The maths* shows."),
            ),
        ),
        Question(
            "The clip becomes twice as long. What happens to the cost of GLTR?",
            (
                Option("All of it doubles.",
                       "The pyramid and the linear layers do. The number of pairs is quadratic."),
                Option("The pyramid and the layers double, the pairs become four times as many, "
                       "and the fast path's memory doubles.",
                       "2 t² e of the multiply-adds belong to pairs, and the fast path never holds "
                       "all weights at once.", right=True),
                Option("All of it becomes four times as large.",
                       "Only the products of queries and keys, and of weights and values, do."),
                Option("Nothing: the parameters stay.",
                       "Parameters do stay. Multiply-adds and memory follow the length."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (WEIGHTS, BRANCH, QUERY_GRADIENT, LAG_ACCURACY, WHO_SEES)
