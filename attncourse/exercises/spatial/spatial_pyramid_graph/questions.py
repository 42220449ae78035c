"""Exercises and quiz on graph reasoning; those that ask for code are in ``code.py``."""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.spatial_pyramid_graph.code import APPLY_L, CHAPTER, KIND_LINE
from attncourse.exercises.value import ValueExercise

#: Positions and compared features in the exercise on the spectrum.
N, M = 12, 4

SPECTRUM = ValueExercise(
    chapter=CHAPTER,
    name="spectrum",
    title="Predict: the eigenvalues of L",
    level=2,
    task=f"A graph has {N} positions, all of them with positive degrees, and {M} compared "
    "features, drawn at random. Name the least eigenvalue of L = I - S, the largest one, and how "
    "many are equal to 1.",
    hints=(
        "A product of a matrix with its own transpose has no negative eigenvalue.",
        f"S has the rank of phi, which has {M} rows. What does I - S do where S is zero?",
        "S takes the root of the degrees to itself.",
    ),
    explanation="0, 1 and 8. All directions but four pass L unchanged: L takes away at most what "
    "m features can describe.",
    truth=lambda: (0.0, 1.0, float(N - M)),
    low=-2.0,
    high=20.0,
    unit="two eigenvalues, and a number of them",
    parts=("least", "largest", "equal to 1"),
    tolerance=Tolerance(relative=0.0, absolute=1e-6),
    misconceptions=(
        Misconception(
            "the bound of any graph",
            "Laplacians of graphs in general reach up to 2. Here A is a product of a matrix with "
            "its transpose, so S has no negative eigenvalue, and L none above 1.",
            (0.0, 2.0, 8.0),
        ),
        Misconception(
            "the rank itself",
            "4 is the rank of S. The others are eigenvalues 0 of S, and so 1 of L.",
            (0.0, 1.0, 4.0),
        ),
        Misconception(
            "no direction that vanishes",
            "S takes the root of the degrees to itself, so L takes it to 0.",
            (1.0, 1.0, 8.0),
        ),
        Misconception(
            "the eigenvalues of S",
            "Where S has 0, L = I - S has 1.",
            (0.0, 1.0, 1.0),
        ),
        Misconception(
            "a full rank",
            f"With {M} features S has at most {M} eigenvalues that are not 0.",
            (0.0, 1.0, 0.0),
        ),
    ),
)

#: The map, features and channels in the exercise on the cost.
SIDE, FEATURES, WIDE = 96, 64, 512


def _multiplied() -> tuple[float, ...]:
    n = SIDE**2
    return n * n / 1e6, n * (FEATURES + WIDE) / (2 * FEATURES * WIDE)


MULTIPLIED = ValueExercise(
    chapter=CHAPTER,
    name="multiplied",
    title="Predict: what the brackets save",
    level=1,
    task=f"A map of {SIDE} x {SIDE} positions has c = {WIDE} channels and m = {FEATURES} compared "
    "features. Name how many numbers S has, in millions; and how many times as many multiply-adds "
    "the form takes that makes S, N N m, and reads with it, N N c, as the two products of (6).",
    hints=(
        "N is the number of positions: 96 times 96.",
        "The two products of (6) take N c m each.",
    ),
    explanation="84.9 million numbers, and 81 times the work. Both grow with the side squared.",
    truth=_multiplied,
    low=0.0,
    high=20_000.0,
    unit="millions, and a ratio",
    parts=("numbers in S", "ratio"),
    tolerance=Tolerance(relative=1e-3, absolute=0.0),
    misconceptions=(
        Misconception(
            "one product",
            "There are two products of N c m: down to c x m numbers, and up again.",
            (84.93, 162.0),
        ),
        Misconception(
            "sides in place of positions",
            "N is 96 x 96 = 9,216.",
            (0.0092, 0.84),
            ((0.0092, 81.0), (0.0092, 162.0)),
        ),
        Misconception(
            "reading forgotten",
            "With S made, x has still to be read by it: N N c, which is the larger part.",
            (84.93, 9.0),
        ),
        Misconception(
            "making forgotten",
            "S has to be made first: N N m.",
            (84.93, 72.0),
        ),
        Misconception(
            "numbers in place of millions",
            "This counts single numbers. The task names them in millions: divide by 1,000,000.",
            (float(SIDE**4), 81.0),
        ),
        Misconception(
            "numbers of x",
            "This is what x holds, N c. S has a number for every pair of positions.",
            (4.72, 81.0),
        ),
    ),
)

#: A layer on a map, as one that circulates has it; one line mixes up positions and channels.
LISTING = """\
phi = relu(compare(x))
lam = sigmoid(decide(x.mean(dim=(2, 3))))
rows = phi.reshape(b, h * w, m)
degrees = rows @ (lam * rows.sum(dim=1))[..., None]
p = rows / degrees.sqrt()
common = p @ (lam[..., None] * (p.mT @ x.flatten(2).mT))"""

LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="scrambled",
    title="Spot the line",
    level=2,
    task="The listing gives what every position has in common with its neighbours, one row a "
    "position. x is (b, c, h, w), compare a 1x1 convolution to m channels. It runs without an "
    "error. Name the line that computes something else than the equations do.",
    hints=(
        "Which axis of phi holds the features of one position?",
        "A reshape keeps the order of the numbers in memory. What stands beside each other there?",
    ),
    options=(
        Option("Line 1", "Features without a sign, one column a position."),
        Option("Line 2", "The diagonal is decided from the mean of all positions."),
        Option("Line 3", "In memory all positions of one feature lie side by side. Read as rows of "
               "m numbers they are m positions of one feature: `flatten(2).mT` exchanges the axes.",
               right=True),
        Option("Line 4", "Row sums of A without A, equation (7)."),
        Option("Line 5", "The root of the degree, by row."),
        Option("Line 6", "The two products of (6), with rows as positions."),
    ),
)  # fmt: skip

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Every pixel is asked for the mean of its kind. Why does the layer without a "
            "residual, ReLU(Theta X L), not find it?",
            (
                Option("Because its graph cannot tell who is alike.",
                       "With S in place of L the same layers explain far more."),
                Option("Because X - X S has what a pixel shares with its kind taken away.",
                       "And nothing adds it again. With x added, Theta may take either sign.",
                       right=True),
                Option("Because a ReLU cuts off negative numbers.",
                       "S without a residual has the same ReLU and finds it."),
            ),
        ),
        Question(
            "Every lambda is doubled. What happens to S, epsilon aside?",
            (
                Option("It is doubled.", "Degrees double as well."),
                Option("Nothing.", "Edges and degrees grow alike: only relative lambdas matter.",
                       right=True),
                Option("It is divided by the root of two.", "Both roots together divide by two, "
                       "and A was doubled."),
            ),
        ),
        Question(
            "What does the factored form save?",
            (
                Option("The map of all pairs, and most of the products.",
                       "c x m numbers in place of n x n.", right=True),
                Option("Nothing but memory.", "It also multiplies far less."),
                Option("Parameters.", "Both forms have the same layers."),
            ),
        ),
        Question(
            "A softmax is put over every row of A. May (6) still be used?",
            (
                Option("Yes, with other degrees.", "The exponential of a product is no product of "
                       "few features."),
                Option("No: the map no longer has the rank m.",
                       "This is the price of the non-local block's softmax.", right=True),
                Option("Yes, where lambda is one.", "Lambda has nothing to do with it."),
            ),
        ),
        Question(
            "The pixels of a picture are shuffled, and the answers with them. Which of these "
            "notices nothing?",
            (
                Option("One graph over all pixels.", "It treats all orders of pixels alike.",
                       right=True),
                Option("A graph on each level of a pyramid.",
                       "Levels pool neighbours, and after shuffling these are others."),
                Option("A 7x7 convolution.", "Its window holds other pixels now."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (APPLY_L, SPECTRUM, KIND_LINE, MULTIPLIED, LINE)
