"""Exercises and quiz of the chapter on GCT; those that ask for code are in ``code.py``."""

from __future__ import annotations

import math

from attncourse.exercises.channel.gated_channel_transformation.code import (
    CHAPTER,
    COMPETE_BACKWARD,
    GATES,
)
from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

#: Channels in the exercise on the loudest of them.
LOUD = 8

HOW_LOUD = ValueExercise(
    chapter=CHAPTER,
    name="how_loud",
    title="Predict, then measure: how loud can a channel be?",
    level=2,
    task="A block has eight channels and alpha is 1 everywhere. Give ẑ of a channel that alone has "
    "a signal, with the l2 norm and with the l1 norm, and ẑ of each channel where all eight are "
    "equally loud, with the l2 norm. Leave eps out.",
    hints=(
        "Call the one norm z. What is the mean of z² over eight channels, if seven are zero?",
        "Its root is z/√8. With the l1 norm the divisor is the mean of the sizes, z/8.",
        "Where all are equal, the root mean square is the norm itself.",
    ),
    explanation="In the l2 mode ẑ lies from 0 to √C, in the l1 mode from 0 to C, and 1 is what a "
    "channel has where all are equal.",
    truth=lambda: (math.sqrt(LOUD), float(LOUD), 1.0),
    low=0.0,
    parts=("alone, l2", "alone, l1", "all equal, l2"),
    tolerance=Tolerance(relative=1e-3, absolute=0.0),
    misconceptions=(
        Misconception(
            "a norm in place of a root mean square",
            "Divided by the norm over channels, one alone would have 1. Equation (2) divides by "
            "the root of the mean over channels, which is √8 times smaller.",
            (1.0, 8.0, 1.0),
        ),
        Misconception(
            "a mean square without its root",
            "The mean of squares is z²/8, and the divisor is its root.",
            (8.0, 8.0, 1.0),
        ),
        Misconception(
            "the root in the l1 mode as well",
            "The l1 mode has no squares and no root: the divisor is z/8.",
            (math.sqrt(LOUD), math.sqrt(LOUD), 1.0),
        ),
        Misconception(
            "a sum in place of the mean in the l1 mode",
            "Divided by the sum of sizes, one alone would have 1. The l1 mode divides by the mean.",
            (math.sqrt(LOUD), 1.0, 1.0),
        ),
        Misconception(
            "shares that add up to one",
            "These are no shares: it is their mean square that is 1, so eight equal ones are 1 "
            "each.",
            (math.sqrt(LOUD), 8.0, 1 / 8),
        ),
        Misconception(
            "eight equal channels under a norm",
            "1/√8 comes from a division by the norm over channels. Equation (2) takes the mean.",
            (math.sqrt(LOUD), 8.0, 1 / math.sqrt(LOUD)),
        ),
    ),
)

WHO_NOTICES = TableExercise(
    chapter=CHAPTER,
    name="who_notices",
    title="Predict: who notices?",
    level=2,
    task="Look at the gate of channel 1. For each change name all blocks whose gate it moves, "
    "among SE, SRM (in eval mode) and GCT. Weights are random and not zero, and no mean is zero. "
    "A change that moves none gets `()`.",
    hints=(
        "Ask what the change does to the mean of a channel, to its spread, and to its norm.",
        "SE mixes the means of all channels. SRM looks at its own channel. GCT looks at its own "
        "norm and at what all norms have together.",
        "A factor on all channels cancels in a ratio of two norms.",
    ),
    explanation="GCT hears of the other channels through one number, and of brightness not at all.",
    labels=("SE", "SRM", "GCT"),
    truth={
        "shuffle the pixels of channel 1": frozenset(),
        "turn the sign of channel 1": frozenset({"SE", "SRM"}),
        "double channel 2": frozenset({"SE", "GCT"}),
        "triple all channels": frozenset({"SE", "SRM"}),
        "double channel 1 around its mean": frozenset({"SRM", "GCT"}),
    },
    misconceptions=(
        Misconception(
            "a place that shows in a norm",
            "A sum of squares does not know where a pixel stands.",
            ("shuffle the pixels of channel 1", "GCT"),
        ),
        Misconception(
            "a sign that shows in a norm",
            "The pixels are squared: the norm stays. It is the mean that turns.",
            ("turn the sign of channel 1", "GCT"),
        ),
        Misconception(
            "an SRM without its mean",
            "SRM sees the spread, which stays, and the mean, which turns its sign.",
            ("turn the sign of channel 1", "SRM"),
        ),
        Misconception(
            "channels that do not compete",
            "The norm of channel 2 stands in the divisor of channel 1.",
            ("double channel 2", "GCT"),
        ),
        Misconception(
            "an SRM that hears of channel 2",
            "SRM has two weights for each channel and none between channels.",
            ("double channel 2", "SRM"),
        ),
        Misconception(
            "a brightness that shows in a ratio",
            "Norm and divisor grow threefold together: their ratio stays.",
            ("triple all channels", "GCT"),
        ),
        Misconception(
            "a contrast that shows in the mean",
            "Pixels move away from their mean on both sides; SE sees nothing.",
            ("double channel 1 around its mean", "SE"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "All gamma are positive. One channel of an image becomes twice as loud. What happens "
            "to the gates of the others?",
            (
                Option("They rise with it: the image has more energy.",
                       "The energy of the image is divided out. What rises is the divisor."),
                Option("They fall: the divisor grows and their norms do not.",
                       "Off its diagonal the Jacobian (6) is negative, and a positive gamma keeps "
                       "the sign.", right=True),
                Option("They stay: each gate sees its own norm.",
                       "It sees its own norm over the root mean square of all."),
            ),
        ),
        Question(
            "What does a new GCT do to a trained network into which it is put?",
            (
                Option("It halves every feature, as a new SRM does.",
                       "SRM's gate starts at σ(0) = 1/2, this one at 1 + tanh(0)."),
                Option("It divides every image by its root mean square.",
                       "The division stands in the decision. What is gated is x itself."),
                Option("Nothing, to the last bit.",
                       "gamma and beta are zero, so every gate is exactly 1.", right=True),
            ),
        ),
        Question(
            "Weight decay pulls gamma and alpha towards zero. What does it do to the gates?",
            (
                Option("By alpha nearly nothing, by gamma it pulls them to a constant.",
                       "The scale of alpha cancels in (2), eps aside. A smaller gamma leaves "
                       "1 + tanh(beta).", right=True),
                Option("By both it shuts them.",
                       "A gate with gamma and beta at zero is 1, not 0."),
                Option("Nothing: both cancel in the normaliser.",
                       "gamma comes after it."),
            ),
        ),
        Question(
            "On noisy copies with a random gain, SE on the logarithms of the norms sees the cue as "
            "well. What does GCT have that this rival must learn?",
            (
                Option("The norms themselves.",
                       "Both are handed norms."),
                Option("Gates that do not change with the gain.",
                       "A gain adds the same number to all logarithms; two layers must learn to "
                       "ignore it. In GCT it cancels.", right=True),
                Option("A gate for each channel.",
                       "SE gives one for each channel, too."),
            ),
        ),
        Question(
            "Every channel of an image is doubled. How does the output of a trained GCT change?",
            (
                Option("It is doubled: the gates stay.",
                       "The gates see ratios of norms, eps aside, and y is x times a gate.",
                       right=True),
                Option("It stays: the block normalises brightness away.",
                       "Only the decision is normalised. The brightness of x stays in y."),
                Option("It grows fourfold: gates and input both double.",
                       "The gates are bounded by 2 and do not see the factor."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GATES, HOW_LOUD, WHO_NOTICES, COMPETE_BACKWARD)
