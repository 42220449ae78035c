"""Exercises and quiz of the chapter on DANet.

The exercises that ask for code are in ``code.py`` beside this file.
"""

from __future__ import annotations

from attncourse.exercises.channel_spatial.dual_attention.code import (
    BACKWARD,
    CHANNEL_MAP,
    CHAPTER,
    POSITION,
)
from attncourse.exercises.choice import ChoiceExercise, Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

TURNED_LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="turned_line",
    title="Spot the line that turns the map round",
    level=1,
    task="Name the line after which the most alike channels get the least weight.",
    hints=(
        "Take two channels with energies 3 and 1 in a row, and go through the lines by hand.",
        "After which line does the larger energy stand for the smaller weight?",
        "Subtracting the same number from a row changes nothing for a softmax. Subtracting the row "
        "from that number does.",
    ),
    options=(
        Option(
            "line 1: flat = x.flatten(2)",
            "It lays the positions of a channel side by side, in the same order for all channels.",
        ),
        Option(
            "line 2: energy = flat @ flat.mT",
            "These are the inner products of (4): the more alike, the larger.",
        ),
        Option(
            "line 3: energy = energy.amax(-1, keepdim=True) - energy",
            "It looks like the usual guard against overflow, `energy - max`, but the order is the "
            "other one, and with it the sign.",
            right=True,
        ),
        Option(
            "line 4: t = energy.softmax(-1)",
            "It gives the largest entry the largest weight, whatever the entries mean.",
        ),
    ),
)


def growth(factor: int = 2) -> tuple[float, float, float, float]:
    """Factors by which energy, both maps and the rows of one block grow with the side."""
    area = float(factor**2)
    return area, area**2, 1.0, area


RESOLUTION = ValueExercise(
    chapter=CHAPTER,
    name="resolution",
    title="Predict, then measure: twice the side",
    level=2,
    task="Every pixel of x is repeated, so that both sides double. Give four factors: by how much "
    "the entries of G, the memory of the whole map S, the memory of T, and the memory of 256 rows "
    "of S grow.",
    hints=(
        "Doubling both sides makes n four times as large. Which of the four depend on n, and how "
        "often?",
        "G adds up n products, S has n rows of n entries, T has c rows of c entries, and a block "
        "of S has 256 rows.",
        "An entry of G that adds up four copies of each product is four times as large.",
    ),
    explanation="The map of channels stays as small as it was, but it sharpens: its logits grow "
    "fourfold. That is why resolution acts on the channel branch like a temperature.",
    truth=growth,
    parts=("entries of G", "memory of S", "memory of T", "memory of 256 rows of S"),
    low=0.0,
    high=64.0,
    unit="a factor",
    tolerance=Tolerance(relative=0.0, absolute=1e-6),
    misconceptions=(
        Misconception(
            "a count of sides in place of positions",
            "Both sides double, so n grows by 2 · 2.",
            (2.0, 4.0, 1.0, 2.0),
        ),
        Misconception(
            "an energy that is a mean",
            "The paper's energy is a sum over positions. Only with `power=1` it would stay.",
            (1.0, 16.0, 1.0, 4.0),
        ),
        Misconception(
            "a map of positions with one axis",
            "S has a row and a column for each position: both grow.",
            (4.0, 4.0, 1.0, 4.0),
        ),
        Misconception(
            "a map of channels that grows with the image",
            "T compares channels: c rows and c columns, whatever n is.",
            (4.0, 16.0, 4.0, 4.0),
        ),
        Misconception(
            "a block that grows like the map",
            "A block has 256 rows, however large the image is. Only its rows get longer.",
            (4.0, 16.0, 1.0, 16.0),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "A fresh block has α = β = 0. Which parameters get a gradient in the first step?",
            (
                Option("All of them.",
                       "The projections act on y only through α, which is zero: so is their "
                       "gradient."),
                Option("α and β alone.",
                       "What they scale is not zero, so they move, and from the second step on the "
                       "projections learn, too.", right=True),
                Option("None: the block is stuck at the identity.",
                       "y is the identity, but dy/dα is V Sᵀ, which is not zero."),
            ),
        ),
        Question(
            "You shuffle the positions of x, all channels alike. What happens to the channel map "
            "T?",
            (
                Option("Its rows and columns are shuffled likewise.",
                       "That is what happens to S, the map of positions."),
                Option("It changes, since neighbours are no longer neighbours.",
                       "Neither branch knows which positions are neighbours."),
                Option("It stays as it is.",
                       "An inner product of two channels is a sum over positions in any order.",
                       right=True),
                Option("It is transposed.", "G is symmetric, and the order of terms does not "
                       "matter in a sum."),
            ),
        ),
        Question(
            "Someone replaces `energy - max` by `max - energy` in front of a softmax, in any "
            "network. What changes?",
            (
                Option("The weights: the least likely entry becomes the most likely.",
                       "A shift is harmless, a change of sign is not.", right=True),
                Option("Nothing: a softmax takes out what is common to a row.",
                       "It takes out the maximum. The minus in front of the energy stays."),
                Option("Only the numerics: overflow becomes possible.",
                       "`max - energy` has no upper bound either, but that is the smaller "
                       "problem."),
            ),
        ),
        Question(
            "In most seeds the channel branch solves the disc scenes with either sign. What "
            "follows?",
            (
                Option("The sign is a matter of notation.",
                       "The maps are different, and without training their effect is opposite."),
                Option("Accuracy alone cannot tell which formula a code computes.",
                       "What stands behind the map is trained with it and may make up for a sign. "
                       "Look at the map, or test it.", right=True),
                Option("Channels do not matter for the task.",
                       "Without the block the network tosses a coin."),
            ),
        ),
        Question(
            "PyTorch's fused attention is called with queries and keys of width 32 and values of "
            "width 256, on a CPU. What happens?",
            (
                Option("It raises an error about the widths.",
                       "The widths are allowed, which is why the slip is silent."),
                Option("It gives another result than the plain form.",
                       "The result is right."),
                Option("It pads queries and keys by itself.",
                       "You have to do that; zeros change no inner product."),
                Option("It builds the n × n map without a word.",
                       "The fused kernel wants equal widths. Watch the memory, not the result.",
                       right=True),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (CHANNEL_MAP, POSITION, BACKWARD, TURNED_LINE, RESOLUTION)
