"""Exercises and quiz of the chapter on SRM; those that ask for code are in ``code.py``."""

from __future__ import annotations

from attncourse.channel.style_recalibration import EPSILON
from attncourse.exercises.channel.style_recalibration.code import CHAPTER, GATES, SPREAD_BACKWARD
from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

#: The slope of a new batch normalisation in training, and in use where its variance is 1.
_TRAINING, _IN_USE = EPSILON**-0.5, (1 + EPSILON) ** -0.5

FIRST_GRADIENT = ValueExercise(
    chapter=CHAPTER,
    name="first_gradient",
    title="Predict, then measure: the first gradient",
    level=2,
    task="All w are zero, gamma is 1 and eps is 1e-5. By what does the batch normalisation of a "
    "new SRM multiply a gradient whose mean over the batch is zero, on its way from the logits to "
    "z: in training, and in eval mode? Give three digits.",
    hints=(
        "With w = 0 every z is zero. What is their variance over the batch, and what is left "
        "under the root?",
        "A gradient on its way back is multiplied by gamma / √(v + eps). In training v is the "
        "variance of this batch.",
        "In eval mode v is the running variance, which starts at 1.",
    ),
    explanation="The factor is 316.2 in training and 1.000 in eval mode. Plain gradient descent "
    "takes a longer first step; Adam divides a gradient by its own size.",
    truth=lambda: (_TRAINING, _IN_USE),
    low=0.0,
    high=1e6,
    unit="a factor",
    parts=("factor in training", "factor in eval mode"),
    tolerance=Tolerance(relative=2e-3, absolute=0.0),
    misconceptions=(
        Misconception(
            "eps without its root",
            "In training the divisor is the root of v + eps, so with v = 0 it is √eps.",
            (1 / EPSILON, _IN_USE),
        ),
        Misconception(
            "a variance of 1 in training",
            "That is what comes *out* of a normalisation. With w = 0 all z are equal, and their "
            "variance is 0: only eps is left under the root.",
            (_IN_USE, _IN_USE),
        ),
        Misconception(
            "a gradient of zero",
            "Equal z do not stop the gradient: it is asked what would change if one of them moved.",
            (0.0, _IN_USE),
        ),
        Misconception(
            "the slope of the sigmoid counted as well",
            "The sigmoid's 1/4 comes before: the question is about the way from the logits to z.",
            (_TRAINING / 4, _IN_USE / 4),
        ),
        Misconception(
            "batch statistics in eval mode",
            "In eval mode the running variance is used, and a new one is 1.",
            (_TRAINING, _TRAINING),
        ),
    ),
)

WHAT_MOVES = TableExercise(
    chapter=CHAPTER,
    name="what_moves",
    title="Predict: which change moves a gate?",
    level=2,
    task="Look at the gate of channel 1 of image 1. For each change name all blocks whose gate it "
    "moves, among SE, SRM (SRM in eval mode) and training (SRM in training mode). Weights are "
    "random and not zero. A change that moves none gets `()`.",
    hints=(
        "Ask what the change does to the mean of a channel, and what to its spread.",
        "SE mixes the means of all channels. In SRM each channel looks at itself.",
        "In training mode the gate is relative to the z of all images of the batch.",
    ),
    explanation="SE sees means, of all channels. SRM sees mean and spread, of its own channel; in "
    "training mode also those of the same channel in its batch mates.",
    labels=("SE", "SRM", "training"),
    truth={
        "shuffle its pixels": frozenset(),
        "add 1 to its pixels": frozenset({"SE", "SRM", "training"}),
        "double it around its mean": frozenset({"SRM", "training"}),
        "add 1 to channel 2": frozenset({"SE"}),
        "add 1 to image 2": frozenset({"training"}),
    },
    misconceptions=(
        Misconception(
            "a contrast that shows in the mean",
            "Pixels move away from their mean on both sides; the mean stays, and SE sees nothing.",
            ("double it around its mean", "SE"),
        ),
        Misconception(
            "SRM without its spread",
            "Twice the distance from the mean is twice the spread, the second number of (1).",
            ("double it around its mean", "SRM"),
        ),
        Misconception(
            "channels that hear of each other in SRM",
            "SRM has two weights a channel and none between channels: channel 2 stays outside.",
            ("add 1 to channel 2", "SRM"),
        ),
        Misconception(
            "channels that do not hear of each other in SE",
            "Both layers of SE are full: the mean of channel 2 reaches gate 1 by the hidden units.",
            ("add 1 to channel 2", "SE"),
        ),
        Misconception(
            "a training gate that is alone",
            "In training mode z is compared with the z of the whole batch; image 2 moves their "
            "mean.",
            ("add 1 to image 2", "training"),
        ),
        Misconception(
            "batch mates in eval mode",
            "In eval mode the running statistics stand in for the batch: image 2 is not seen.",
            ("add 1 to image 2", "SRM"),
        ),
        Misconception(
            "a place that shows in a mean",
            "Neither a mean nor a spread knows where a pixel stands.",
            ("shuffle its pixels", "SE"),
        ),
    ),
)

NAN_LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="nan_line",
    title="Spot the line that makes NaN",
    level=2,
    task="Name the line that must be mended so that the gradient of x stays finite where a channel "
    "is constant.",
    hints=(
        "The forward pass is finite. Which of these functions has no slope somewhere?",
        "A constant channel has x - mean = 0 everywhere. Follow the gradient back from std to x.",
    ),
    options=(
        Option(
            "Line 1",
            "A mean has the slope 1/(HW) everywhere.",
        ),
        Option(
            "Line 2",
            "Here infinity meets the zero slope of the square and NaN appears, but the infinity "
            "comes from line 3.",
        ),
        Option(
            "Line 3",
            "The root has an infinite slope at zero, and the chain rule then multiplies infinity "
            "by the zero slope of the square: NaN. With eps under the root the slope is finite.",
            right=True,
        ),
        Option(
            "Line 4",
            "The normalisation divides by the spread of z over the batch, and eps is under that "
            "root already.",
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "All weights w are multiplied by 10 in the middle of a training. What happens to the "
            "gates of a training batch?",
            (
                Option("They saturate near 0 and 1.",
                       "Without the batch normalisation they would. It divides z by its spread "
                       "over the batch, which has grown tenfold as well."),
                Option("Next to nothing.",
                       "Mean and spread of z over the batch grow tenfold too, and the quotient "
                       "stays, eps aside. Only the direction of each pair counts.", right=True),
                Option("They all move to 1/2.",
                       "That happens at w = 0, where all z are equal."),
            ),
        ),
        Question(
            "Why does a new SRM halve its input exactly?",
            (
                Option("Its weights are small and random, so the gates are near 1/2.",
                       "Near is not exactly. The weights are zero."),
                Option("w = 0 makes every z equal, so the normalised z are 0 and σ(β) = σ(0).",
                       "This holds in training and in eval mode.", right=True),
                Option("The batch normalisation centres the gates at 1/2.",
                       "It centres the logits at β. With w = 0 there is nothing left to centre."),
            ),
        ),
        Question(
            "A digit without noise is shown with four times the contrast. What does an SRM do that "
            "was trained to shut noisy copies?",
            (
                Option("It shuts the gate, since the spread is large.",
                       "Mean and spread are all that the gate sees, and contrast is spread.",
                       right=True),
                Option("It keeps the gate open, since there is no noise.",
                       "It never saw noise as such. It saw the spread of a channel."),
                Option("It opens the gate further, since the digit is clearer.",
                       "The learned weight of the spread is negative, whatever the spread is made "
                       "of."),
            ),
        ),
        Question(
            "The cue stands in channel A and the content in channel B. SRM stands between them and "
            "a linear readout of B. How far does it get?",
            (
                Option("As far as SE, since it sees even more of A.",
                       "It sees more of A, and uses it for the gate of A alone."),
                Option("It solves the task in training, through the batch normalisation.",
                       "That compares images, channel by channel, and does not mix channels."),
                Option("It stays at the level without the cue.",
                       "The gate of B depends on B (and on other images' B). Nothing carries the "
                       "cue from A to B.", right=True),
            ),
        ),
        Question(
            "A gate without batch normalisation, σ(w₁ mean + w₂ std + b), scores as high as SRM on "
            "noisy copies. What follows?",
            (
                Option("The batch normalisation is of no use.",
                       "One task does not say that. It was one optimiser, a short training and "
                       "one layer of gates."),
                Option("On this task and under Adam, the statistics do the work.",
                       "What is left after the strongest control: the spread has to be seen, and "
                       "how the gate is normalised makes no clear difference here.", right=True),
                Option("SRM is SE with a standard deviation.",
                       "SE mixes channels; neither of these two gates does."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GATES, SPREAD_BACKWARD, FIRST_GRADIENT, WHAT_MOVES, NAN_LINE)
