"""Exercises and quiz of the chapter on what attention is.

The other exercises are in ``softmax.py``, ``attend.py`` and
``probe.py`` beside this file.
"""

from __future__ import annotations

from attncourse.exercises.choice import Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.foundations.what_is_attention.attend import ATTEND
from attncourse.exercises.foundations.what_is_attention.probe import PROBE
from attncourse.exercises.foundations.what_is_attention.softmax import BACKWARD, CHAPTER, SOFTMAX
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

_LENGTH = 36


def uniform_variance(half_width: float) -> float:
    """Variance of a number that is uniform between ``-half_width`` and ``half_width``."""
    return (2 * half_width) ** 2 / 12


def score_spread() -> float:
    """Standard deviation of q·k for independent entries, uniform between -1 and 1."""
    return (_LENGTH * uniform_variance(1) ** 2) ** 0.5


SPREAD = ValueExercise(
    chapter=CHAPTER,
    name="score_spread",
    title="Predict, then measure: the spread of a score",
    level=1,
    task="Give the standard deviation of q·k for vectors of 36 independent entries, each uniform "
    "between -1 and 1, before any scaling.",
    hints=(
        "Equation (13) took entries of variance 1. Redo its last step with entries of variance v.",
        "Each of the d terms q_l k_l has mean 0 and variance v². What is v for a uniform number "
        "between -1 and 1?",
        "v = (1 - (-1))²/12 = 1/3, so the variance of the sum is 36/9.",
    ),
    explanation="Divided by √d = 6 this spread becomes 1/3 and not 1: the square root of d is "
    "right for entries of variance 1.",
    truth=score_spread,
    low=0.0,
    high=float(_LENGTH),
    unit="a standard deviation of numbers between -36 and 36",
    tolerance=Tolerance(relative=0.01, absolute=0.0),
    misconceptions=(
        Misconception(
            "a variance of 1 taken for granted",
            "√d is the spread for entries of variance 1. A uniform number between -1 and 1 varies "
            "less.",
            _LENGTH**0.5,
        ),
        Misconception(
            "the variance in place of its root",
            "This is the variance. The standard deviation is its square root.",
            score_spread() ** 2,
        ),
        Misconception(
            "the variance of one factor alone",
            "Each term is a product of two entries, so both variances enter: v · v, not v.",
            (_LENGTH * uniform_variance(1)) ** 0.5,
        ),
        Misconception(
            "a sum of spreads",
            "Variances of independent terms add up; standard deviations do not. Add the "
            "variances, then take the root.",
            _LENGTH * uniform_variance(1),
        ),
        Misconception(
            "a score that is scaled already",
            "The question is about q·k itself, before it is divided by √d.",
            score_spread() / _LENGTH**0.5,
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "You add 5 to all scores of one query, then take the softmax over the keys. What "
            "happens to its weights?",
            (
                Option("They become sharper.",
                       "Scaling all scores up would do that. A shift cancels in the fraction."),
                Option("They grow and no longer add up to 1.",
                       "Whatever the scores, a softmax adds up to 1."),
                Option("They stay as they are.",
                       "e⁵ stands in the numerator and in every term of the sum.", right=True),
            ),
        ),
        Question(
            "g(x) has the shape (b, k, c, 1, 1), is positive and adds up to 1 over k. y is the sum "
            "over k of g times k feature maps. What is this?",
            (
                Option("Channel attention: there is a weight for each channel.",
                       "There is, but the weights compete over k. Each channel chooses among k "
                       "maps."),
                Option("Branch attention.",
                       "The axis that is normalised and summed is k: g decides *which* map, for "
                       "each channel. Selective kernels work like this.", right=True),
                Option("Temporal attention: k can only be frames.",
                       "The formula would be the same. What k counts decides the name, and here it "
                       "counts maps computed from one input."),
                Option("Spatial attention.", "All positions of a map share one weight."),
            ),
        ),
        Question(
            "An image shows nothing of what was looked for. Which weights can then let next to "
            "nothing through, whatever the values are?",
            (
                Option("Sigmoids at all positions, multiplied with x.",
                       "Each gate is judged by itself, so all of them can be close to 0, and the "
                       "product with them.",
                       right=True),
                Option("A softmax over 196 positions, followed by the weighted sum.",
                       "Each weight may be as small as 1/196, but together they are 1: an average "
                       "of the values comes out. A silent rival, one more key whose value is 0, "
                       "would change that."),
                Option("A softmax with a small temperature, followed by the weighted sum.",
                       "Sharper, but the sum is still 1: one position is read nearly whole."),
                Option("Both alike.",
                       "The sum of n sigmoids may be anything between 0 and n, that of a softmax "
                       "is 1."),
            ),
        ),
        Question(
            "You forget to divide by √d. What does the chapter measure at initialisation, with "
            "d = 64 and 196 keys?",
            (
                Option("The weights are nearly uniform.",
                       "That is what dividing by d, without the root, would give."),
                Option("The exponentials overflow.",
                       "Not if the largest score is subtracted first; and the spread is only 8."),
                Option("One random key has most of the weight, and the gradient at the median "
                       "query vanishes.",
                       "The first half is right. But the median gradient is about ten times larger "
                       "than with the division: what passes the softmax is multiplied by keys that "
                       "are not divided by 8, and two rivals pass more than 196 equal keys. Only "
                       "from d of several hundred on does the median query get less."),
                Option("One random key has most of the weight, and the gradients differ far more "
                       "from query to query.",
                       "On average three quarters of the weight are on one key that chance chose. "
                       "The median gradient is larger than with the division, one in twenty "
                       "queries gets next to nothing, and a few carry most of the square.",
                       right=True),
            ),
        ),
        Question(
            "Self-attention without position codes gets the positions of an image in another "
            "order. Its output",
            (
                Option("stays as it is.",
                       "Each output belongs to a query, and the queries moved. A mean over all "
                       "outputs would stay."),
                Option("is reordered in the same way.",
                       "It is equivariant: it cannot know where a position is.", right=True),
                Option("is another one, since neighbours changed.",
                       "It knows no neighbours: every pair is compared in the same way."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (SOFTMAX, SPREAD, BACKWARD, ATTEND, PROBE)
