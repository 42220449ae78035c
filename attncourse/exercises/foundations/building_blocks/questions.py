"""Exercises and quiz of the chapter on the building blocks.

The exercises that ask for code are in ``fold.py`` and
``backward.py`` beside this file.
"""

from __future__ import annotations

import math

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.foundations.building_blocks.backward import BN_BACKWARD
from attncourse.exercises.foundations.building_blocks.fold import CHAPTER, FOLD, STD_POOL
from attncourse.exercises.foundations.building_blocks.norm import GROUPED
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

_SLOPE = 0.5
#: E[ψ(z)²] and Var[ψ(z)] of a leaky ReLU for z ~ N(0, 1).
_SECOND = (1 + _SLOPE**2) / 2
_VARIANCE = _SECOND - (1 - _SLOPE) ** 2 / (2 * math.pi)

LEAKY_SCALE = ValueExercise(
    chapter=CHAPTER,
    name="leaky_scale",
    title="He's scale for a leaky ReLU",
    level=2,
    task="Give the number that takes the place of 2 in Var(W) = 2/(k²c) when the ReLU becomes "
    "leaky: ψ(z) = z for z > 0 and ψ(z) = z/2 otherwise.",
    hints=(
        "Where does the 2 come from? Go back to the variance of a layer: which moment of the "
        "activation is in it?",
        "The second moment: k²c · Var(W) · E[ψ(z)²] must equal Var(z). Split the expectation at "
        "zero.",
        "Each half of a Gaussian has the second moment 1/2. The negative half is multiplied by 1/2 "
        "before it is squared.",
    ),
    explanation="E[ψ(z)²] = (1 + 1/4)/2 = 5/8, so Var(W) = 8/(5k²c). With the slope 1 the network "
    "is linear and the number is 1; with the slope 0 it is 2.",
    truth=lambda: 1 / _SECOND,
    low=0.0,
    high=8.0,
    unit="a number that takes the place of 2",
    misconceptions=(
        Misconception(
            "the ReLU's own number",
            "A leaky ReLU lets more through than a ReLU, so its weights must be smaller.",
            2.0,
        ),
        Misconception(
            "the second moment itself",
            "E[ψ(z)²] is right. The variance of the weights has to undo it: k²c Var(W) E[ψ²] = 1.",
            _SECOND,
        ),
        Misconception(
            "a slope that is not squared",
            "The slope acts on z, and the second moment squares it.",
            2 / (1 + _SLOPE),
        ),
        Misconception(
            "a forgotten half",
            "Each sign has only half of the probability: E[ψ²] = (1 + slope²)/2.",
            1 / (1 + _SLOPE**2),
        ),
        Misconception(
            "a difference in place of the sum",
            "The negative half adds to the second moment, whatever its sign.",
            2 / (1 - _SLOPE**2),
        ),
        Misconception(
            "a variance in place of the second moment",
            "The weights have the mean zero, so the mean of ψ does not drop out: what counts is "
            "E[ψ²], not Var[ψ].",
            1 / _VARIANCE,
        ),
        Misconception(
            "a standard deviation",
            "You have the root of the answer. Asked is the variance's number.",
            _SECOND**-0.5,
        ),
    ),
)

WHICH_ORDER = TableExercise(
    chapter=CHAPTER,
    name="which_order",
    title="Predict, then measure: six orders of the same parts",
    level=2,
    task="For each order of the parts name the rows of the statistic ladder that its average can "
    "see, among mean, std and code: those with d' > 1. An order that sees none gets `()`.",
    hints=(
        "Ask of each part what it makes equal: an instance norm gives every map the mean 0 and the "
        "spread 1, a batch norm gives them to the batch as a whole.",
        "Behind a plain average only a shift survives. A ReLU turns spread and shape into a mean, "
        "if they have survived until then.",
        "The code row's first field takes the values 0, 0, √2, -√2 for one bit and 1, 1, -1, -1 "
        "for the other: same mean, same spread. Rectify both and average.",
    ),
    explanation="A batch norm treats all images alike, so it keeps their differences. An instance "
    "norm erases mean and spread, and still leaves the shape.",
    labels=("mean", "std", "code"),
    truth={
        "average": frozenset({"mean"}),
        "ReLU → average": frozenset({"mean", "std", "code"}),
        "batch norm → average": frozenset({"mean"}),
        "batch norm → ReLU → average": frozenset({"mean", "std", "code"}),
        "instance norm → average": frozenset(),
        "instance norm → ReLU → average": frozenset({"code"}),
    },
    misconceptions=(
        Misconception(
            "a spread that shows in an average",
            "Every field of the std row has the mean zero, so a plain average gets zero for both "
            "bits.",
            ("average", "std"),
        ),
        Misconception(
            "a shape that shows in an average",
            "Every field of the code row has the mean zero, so a plain average gets zero for both "
            "bits.",
            ("average", "code"),
        ),
        Misconception(
            "a ReLU that hides the shift",
            "A brighter field has more above zero, and more of it.",
            ("ReLU → average", "mean"),
        ),
        Misconception(
            "a ReLU that leaves the average blind to spread",
            "The mean of a rectified field is its spread over √(2π).",
            ("ReLU → average", "std"),
        ),
        Misconception(
            "a ReLU that leaves the average blind to shape",
            "Rectify 0, 0, √2, -√2 and 1, 1, -1, -1, and average: √2/4 and 1/2.",
            ("ReLU → average", "code"),
        ),
        Misconception(
            "a batch norm that levels every image",
            "It subtracts the mean of the batch, the same number from every image. Bright images "
            "stay brighter than dark ones.",
            ("batch norm → average", "mean"),
        ),
        Misconception(
            "a batch norm that makes a spread visible",
            "It shifts and scales all images alike; an average of a field with mean zero stays "
            "where it was.",
            ("batch norm → average", "std"),
        ),
        Misconception(
            "a batch norm that levels every spread",
            "It divides all images by the same number. Rough fields stay rougher than calm ones.",
            ("batch norm → ReLU → average", "std"),
        ),
        Misconception(
            "an instance norm that leaves the mean",
            "It gives every channel of every image the mean zero.",
            ("instance norm → average", "mean"),
        ),
        Misconception(
            "an instance norm whose mean comes back",
            "The shift is gone before the ReLU; a rectified standard field has the same mean for "
            "both bits.",
            ("instance norm → ReLU → average", "mean"),
        ),
        Misconception(
            "an instance norm that leaves the spread",
            "It divides every image by its own spread. Calm and rough become alike.",
            ("instance norm → ReLU → average", "std"),
        ),
        Misconception(
            "an instance norm that erases the shape",
            "Mean and spread were equal for both bits anyway; the norm changes nothing that tells "
            "them apart. The ReLU makes the shape visible.",
            ("instance norm → ReLU → average", "code"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "A convolution with a bias stands in front of BatchNorm in training. What happens to "
            "the bias?",
            (
                Option("It learns the channel's mean.",
                       "Whatever it is, the batch's mean is subtracted right behind it."),
                Option("Its gradient is zero: it stays where it started, weight decay aside.",
                       "The gradients of a channel sum to zero. Beta does the work.", right=True),
                Option("It is scaled by gamma and learns more slowly.",
                       "It does not learn at all: a shift of the channel changes nothing."),
            ),
        ),
        Question(
            "A filter stands in front of BatchNorm and is trained by plain SGD without weight "
            "decay. Its gradient is orthogonal to it. What happens to its length?",
            (
                Option("It stays: no gradient points along it.",
                       "No gradient does, and still a step at a right angle makes it longer: "
                       "think of Pythagoras."),
                Option("It grows in every step that has a gradient.",
                       "The squared length gains η² times the squared gradient, whatever the loss "
                       "wants.", right=True),
                Option("It shrinks to zero.",
                       "A step at a right angle never brings it closer to zero. Weight decay "
                       "would shrink it, against the growth."),
                Option("It grows and the output with it.",
                       "It grows; but the output behind BatchNorm does not depend on it."),
            ),
        ),
        Question(
            "A cue makes all channels of an image twice as large. Behind which norm, each "
            "without its gamma and beta, can a gate still read it?",
            (
                Option("Batch norm.",
                       "Mean and spread are those of all images together, so a loud image stays "
                       "loud beside the others.", right=True),
                Option("Layer norm.", "All channels of one image are its set: the factor is gone."),
                Option("Group norm with two groups.",
                       "Each group is stretched as a whole, and each norm undoes it."),
                Option("Instance norm.", "Each map is stretched as a whole: the factor is gone."),
            ),
        ),
        Question(
            "A network of convolutions without bias and ReLUs, without any norm, gets the same "
            "image three times as bright. What happens to its last features?",
            (
                Option("They are three times as large.",
                       "Convolution and ReLU are both positively homogeneous.", right=True),
                Option("They stay the same.",
                       "That would need a normalisation, over the image or over the batch."),
                Option("They grow by 3 to the power of the depth.",
                       "The factor is passed on by each layer, not multiplied again."),
                Option("It depends on the weights.",
                       "A positive factor changes no sign, so each ReLU opens exactly as before."),
            ),
        ),
        Question(
            "GAP stands right behind a BatchNorm in training mode, with its gamma and beta. What "
            "do you know of the numbers that it gives?",
            (
                Option("Each one is beta.",
                       "That would be InstanceNorm. Single images lie around beta, as far as "
                       "they differ."),
                Option("Averaged over the batch, each channel's number is beta.",
                       "The mean of means is the mean of all values, and that is beta.",
                       right=True),
                Option("They lie between 0 and 1.", "Nothing bounds them; a sigmoid would."),
            ),
        ),
        Question(
            "A mechanism squeezes each channel to its L2 norm. A cue shifts the mean of one field "
            "with mean zero by +0.5 or by -0.5. Can the gate tell which?",
            (
                Option("Yes, a norm contains the mean.",
                       "It contains its square: mean² + std²."),
                Option("No, the norm is the same for both.",
                       "The norm does not change when the field is negated, so the sign is lost.",
                       right=True),
                Option("Only with a bias in the convolution before it.",
                       "Then it could: a bias makes 0.5 and -0.5 unequal in size. But nothing of "
                       "that kind is there."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (STD_POOL, GROUPED, WHICH_ORDER, BN_BACKWARD, FOLD, LEAKY_SCALE)
