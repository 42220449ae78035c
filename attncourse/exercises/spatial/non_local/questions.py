"""Exercises and quiz of the chapter on non-local networks.

The exercises that ask for code are in ``code.py`` beside this file.
"""

from __future__ import annotations

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.non_local.code import CHAPTER, LOGIT_GRADIENT, WEIGHTS
from attncourse.exercises.value import ValueExercise

_CHANNELS, _SIDE = 256, 48
_POSITIONS, _HIDDEN = _SIDE**2, _CHANNELS // 2


def _pairs() -> int:
    return 2 * _POSITIONS**2 * _HIDDEN


def _summary() -> int:
    return 2 * _POSITIONS * _HIDDEN**2


def _whole(reading: int) -> int:
    return 4 * _POSITIONS * _CHANNELS * _HIDDEN + reading


OTHER_ORDER = ValueExercise(
    chapter=CHAPTER,
    name="other_order",
    title="Predict, then count: the other order",
    level=2,
    task="A dot-product block on 256 channels and 48 x 48 positions, d = 128: give the factor by "
    "which the other order of the product lowers the multiply-adds of θ, φ and g's product alone, "
    "projections not counted.",
    hints=(
        "Count both orders: (θ φᵀ) g goes through an n x n matrix, θ (φᵀ g) through a d x d one.",
        "A product of (a x b) with (b x c) takes abc multiply-adds. Each order has two products.",
        "2n²d against 2nd²: what is left of the ratio?",
    ),
    explanation="n / d = 2304 / 128. The gain grows with the number of positions, and turns into a "
    "loss on maps with fewer positions than d.",
    truth=lambda: _pairs() / _summary(),
    low=0.0,
    high=1e6,
    unit="a factor",
    misconceptions=(
        Misconception(
            "the whole block",
            "You counted the four projections too; they are the same in both orders.",
            _whole(_pairs()) / _whole(_summary()),
        ),
        Misconception(
            "C in place of d",
            "Embeddings have d = C / 2 = 128 channels.",
            _POSITIONS / _CHANNELS,
        ),
        Misconception(
            "a square where one factor cancels",
            "2n²d over 2nd² leaves n / d, not its square.",
            (_POSITIONS / _HIDDEN) ** 2,
        ),
        Misconception(
            "rows in place of positions",
            "n is the number of positions, 48 · 48.",
            _SIDE / _HIDDEN,
        ),
        Misconception(
            "the ratio upside down",
            "This is the share that is left. By which factor does the count fall?",
            _HIDDEN / _POSITIONS,
        ),
    ),
)

ANY_SOURCE = ValueExercise(
    chapter=CHAPTER,
    name="any_source",
    title="Predict, then compute: a colour picked at random",
    level=2,
    task="Four pairs. A network answers every query with the colour of one of the four sources, "
    "picked at random. Give the share R² of the colours' variance that it explains.",
    hints=(
        "R² is 1 minus the mean squared error over the variance σ². It can be negative.",
        "With probability 1/4 the picked source is the right one. What is the error otherwise, for "
        "two independent colours?",
        "Two independent colours differ by 2σ² in the mean. So the error is 3/4 · 2σ².",
    ),
    explanation="1 - 2 · 3/4 = -1/2: a guess is worse than silence, and the mean of the four "
    "colours, with 1/4, is the best that one answer for all can be.",
    truth=lambda: 1 - 2 * 3 / 4,
    low=-10.0,
    high=1.0,
    unit="a share of variance",
    tolerance=Tolerance(relative=0.0, absolute=1e-3),
    misconceptions=(
        Misconception(
            "the share of right answers",
            "It is right in 1/4 of cases, but its errors in the others are large. 1/4 is what the "
            "mean colour explains.",
            1 / 4,
        ),
        Misconception(
            "a guess taken for silence",
            "0 is what an answer of zero explains. A wrong colour is further off than zero.",
            0.0,
        ),
        Misconception(
            "a guess that is never right",
            "In 1/4 of cases the picked source is the twin, and the error is zero.",
            -1.0,
        ),
    ),
)

FORMS = TableExercise(
    chapter=CHAPTER,
    name="forms",
    title="Four forms, three properties",
    level=2,
    task="For each pairwise function name the properties that its map A has for any input and any "
    "weights, n positions and n > d: `sum` (every row adds up to 1), `sign` (no weight is "
    "negative), `rank` (the rank of A is at most d, for Gaussian at most C < n).",
    hints=(
        "Look at the last step that makes A: an exponential, a product, or a ReLU.",
        "A product θ φᵀ of (n x d) with (d x n) has a rank of at most d. What does a function that "
        "is applied to every entry do to the rank?",
        "Only a form that divides by its row's own sum has rows that add up to 1; the other two "
        "divide by the number of keys.",
    ),
    explanation="The rank is why the dot product can go through one table of d x d numbers. A "
    "softmax or a ReLU raises it, and no table of that size gives their map exactly.",
    labels=("sum", "sign", "rank"),
    truth={
        "gaussian": frozenset({"sum", "sign"}),
        "embedded_gaussian": frozenset({"sum", "sign"}),
        "dot_product": frozenset({"rank"}),
        "concatenation": frozenset({"sign"}),
    },
    misconceptions=(
        Misconception(
            "a count taken for a sum",
            "The dot product divides by the number of keys, whatever its row adds up to.",
            ("dot_product", "sum"),
        ),
        Misconception(
            "a ReLU row taken for a distribution",
            "The concatenation form divides by the number of keys too: a row may even be all zero.",
            ("concatenation", "sum"),
        ),
        Misconception(
            "a product that is never negative",
            "Two vectors at an obtuse angle have a negative product.",
            ("dot_product", "sign"),
        ),
        Misconception(
            "a softmax that keeps the rank",
            "The logits have rank d at most, but the exponential of each entry raises it.",
            ("embedded_gaussian", "rank"),
        ),
        Misconception(
            "a ReLU that keeps the rank",
            "a_i + b_j has rank 2, its positive part does not: the chapter counts it.",
            ("concatenation", "rank"),
        ),
        Misconception(
            "an exponential below zero",
            "Exponentials are positive, and so is their sum.",
            ("embedded_gaussian", "sign"),
        ),
    ),
)

EXERCISES = (WEIGHTS, OTHER_ORDER, FORMS, ANY_SOURCE, LOGIT_GRADIENT)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "You shuffle all pixels of a feature map before an embedded Gaussian block without "
            "subsampling. What comes out?",
            (
                Option("The same map.", "Each position carries its own x and its own reading."),
                Option("Something unrelated.", "No step of the block asks where a position is."),
                Option("The output, shuffled in the same way.",
                       "The block is equivariant to permutations: it knows no geometry.",
                       right=True),
            ),
        ),
        Question(
            "W_z is zero, without normalisation. Which parameters get a gradient in the first "
            "step?",
            (
                Option("W_z and its bias alone.",
                       "What was read reaches the loss through W_z, which is zero: nothing behind "
                       "it hears anything yet.", right=True),
                Option("None: the block is dead.",
                       "The gradient of W_z is the product of what arrives with y, and y is not "
                       "zero."),
                Option("All of them.",
                       "Everything before W_z gets its gradient through W_z, which is zero."),
            ),
        ),
        Question(
            "Which bias can be left out of the embedded Gaussian without changing any output?",
            (
                Option("That of θ.", "It adds bᵀφ_j to logit ij, which differs from key to key."),
                Option("That of φ.",
                       "It adds θ_iᵀb to the whole row i, and a softmax ignores such a shift.",
                       right=True),
                Option("Neither of the two.", "One of the two shifts whole rows of logits."),
                Option("Both.", "Only a shift of a whole row is ignored."),
            ),
        ),
        Question(
            "After 300 steps a network with a global context block explains 1/3 on three pairs. "
            "What follows?",
            (
                Option("No network with one map for all can explain more.",
                       "The bound 1/K is for a network that outputs one colour. The layers behind "
                       "the block combine the shared vector with each query's own features, and "
                       "with more width and steps it explains more."),
                Option("It paints one query in three in its own colour.",
                       "Then it would err by two variances on the others, and explain less than "
                       "nothing. The mean of the three colours hits none of them and explains "
                       "1/3."),
                Option("It does as well as the best answer that all queries share; what more "
                       "training brings is open.",
                       "The mean of the three colours explains 1/3. That is where shared answers "
                       "end, and not where the network does.", right=True),
            ),
        ),
        Question(
            "On a CPU you pass q, k and v of shape (b, n, d) to PyTorch's fused attention. The "
            "numbers are right. What may still be wrong?",
            (
                Option("Nothing: fused is fused.",
                       "The kernel has conditions, and says nothing where they are not met."),
                Option("The rows may not add up to 1.", "The result is exact on every path."),
                Option("The gradient may be missing.", "Every path has its backward pass."),
                Option("The n x n map was built after all.",
                       "Without an axis of heads the call falls back. The peak of memory shows "
                       "it.", right=True),
            ),
        ),
    ),
)  # fmt: skip
