"""Exercises and quiz of the chapter on SpSequenceNet.

The exercises that ask for code are in ``code.py`` beside this file.
"""

from __future__ import annotations

from itertools import product

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial_temporal.sp_sequence.code import CHAPTER, GATE, STOOD
from attncourse.exercises.value import ValueExercise


def ceilings() -> tuple[float, float, float]:
    """Four codes and no mode; the nearest mark, one cluster in four new; one vector added."""
    cases = list(product((0, 1), repeat=4))
    blind = sum(max(sum(codes), 4 - sum(codes)) / 4 for codes in cases) / len(cases)
    return blind, 3 / 4, 1 / 2 + 1 / 2 * 3 / 4


def metres() -> tuple[float, float, float]:
    """The deepest voxel and the radius in metres, and the weight of a point two voxels away."""
    voxel = 0.05 * 2**6
    return voxel, 16 * voxel, 0.5 - 2 / 32


CEILINGS = ValueExercise(
    chapter=CHAPTER,
    name="ceilings",
    title="Predict three ceilings",
    level=3,
    task="First: every present point carries *four* codes, each + or - with equal chances, and "
    "the frame before says which of them is the label. Which share can a network reach that does "
    "not see the frame before? Second: in the task *before* let a cluster be new with the chance "
    "1/4 and else marked + or -. Which share can a network reach that reads the nearest mark "
    "and no distance, and answers each present point by itself? Third: in the task *mode*, which "
    "share can a network reach that adds one vector and answers by a linear layer? Give the three "
    "shares.",
    hints=(
        "First: go through the 16 ways the codes can stand. Whoever is blind follows the majority "
        "of the four.",
        "Second: the nearest mark is right for each point that is not new, and a new point has a "
        "nearest mark, too.",
        "Third: of the four pairs of codes two are settled; of the four cases that are left, (8) "
        "allows three.",
    ),
    explanation="A ceiling comes from what a network cannot tell apart: for each such group it is "
    "the share of the commonest answer.",
    truth=ceilings,
    parts=("four codes, blind", "one in four new, nearest mark", "one vector added"),
    low=0.0,
    high=1.0,
    unit="a share, from 0 to 1",
    tolerance=Tolerance(relative=0.0, absolute=2e-3),
    misconceptions=(
        Misconception(
            "a coin where the codes differ",
            "Where three codes agree and one does not, the majority is right for three modes of "
            "four, and not for two.",
            (0.5625, 0.75, 0.875),
        ),
        Misconception(
            "the ceiling of two codes",
            "3/4 is the ceiling of two codes. With four, count the majority of each of the 16 "
            "cases.",
            (0.75, 0.75, 0.875),
        ),
        Misconception(
            "new points guessed as well",
            "A network that reads a mark and no distance, of each point by itself, does best to "
            "say the mark, everywhere: it is wrong in every new point.",
            (0.6875, 0.875, 0.875),
        ),
        Misconception(
            "more than the new points taken off",
            "For the three in four that are not new the mark of the nearest is right, each time: "
            "only the new ones are lost.",
            (0.6875, 0.625, 0.875),
        ),
        Misconception(
            "two thirds as in the chapter",
            "In the chapter one cluster of three is new. Here it is one of four.",
            (0.6875, 2 / 3, 0.875),
        ),
        Misconception(
            "no use of the added vector",
            "The vector moves all scores of a frame alike. That settles one more of the four open "
            "cases than a network has that does not see the frame before.",
            (0.6875, 0.75, 0.75),
        ),
        Misconception(
            "an added vector that settles all",
            "With a linear layer behind it, an added vector cannot turn the order of two points: "
            "one of the four open cases stays wrong.",
            (0.6875, 0.75, 1.0),
        ),
    ),
)

METRES = ValueExercise(
    chapter=CHAPTER,
    name="metres",
    title="How wide is the cone in metres?",
    level=2,
    task="The released network has voxels of 5 cm and halves its resolution six times before the "
    "interpolation, whose radius is 16 voxels of that level. Give the side of such a voxel in "
    "metres, the radius in metres, and the weight of a point that is two voxels away.",
    hints=(
        "Six halvings make a voxel 2 to the power of 6 times as wide.",
        "The radius is 16 such voxels.",
        "The weight is one half less the distance over twice the radius, 2 / 32.",
    ),
    explanation="A car moves a metre between two scans, which is a third of such a voxel: the "
    "cone is nearly flat, and what distance says is in the second digit of the weights.",
    truth=metres,
    parts=("side of a voxel", "radius", "weight at two voxels"),
    low=0.0,
    high=5000.0,
    unit="metres, and a weight",
    tolerance=Tolerance(relative=4e-3, absolute=1e-4),  # 51 for 51.2 is right
    misconceptions=(
        Misconception(
            "six times as wide",
            "Six halvings multiply the side by 2 six times, and not by 6.",
            (0.3, 4.8, 0.4375),
        ),
        Misconception(
            "five halvings",
            "This is 0.05 m doubled five times. Six halvings double it six times.",
            (1.6, 25.6, 0.4375),
        ),
        Misconception(
            "seven halvings",
            "This is 0.05 m doubled seven times. Six halvings double it six times.",
            (6.4, 102.4, 0.4375),
        ),
        Misconception(
            "the full scale as radius",
            "32 voxels is what distances are divided by; the weight is 0 from half of that on.",
            (3.2, 102.4, 0.4375),
        ),
        Misconception(
            "a weight over the radius",
            "The weight is one half less d / 32 for d in voxels: twice the radius stands below.",
            (3.2, 51.2, 0.375),
        ),
        Misconception(
            "the weight at one voxel",
            "This is the weight at one voxel: 0.5 less 1 / 32. Asked is two.",
            (3.2, 51.2, 0.46875),
        ),
        Misconception(
            "a weight up to one",
            "At distance 0 the weight is one half, and not one.",
            (3.2, 51.2, 0.9375),
        ),
        Misconception(
            "voxels of the first level",
            "16 voxels of the first level are 0.8 m. The interpolation stands at the deepest.",
            (3.2, 0.8, 0.4375),
        ),
    ),
)

READS = TableExercise(
    chapter=CHAPTER,
    name="reads",
    title="What can be read from q?",
    level=2,
    task="Points before carry a mark, and a second feature that is 1 everywhere. For each way to "
    "make q say what a layer behind it can read in the task *before*, without noise: the `mark` of "
    'what stood there, whether it was `absent`, both as `("mark", "absent")`, or neither as '
    "`()`. Marks differ in loudness, so that a faint q of the mark may be either.",
    hints=(
        "The feature that is 1 everywhere makes the sum of the weights readable.",
        "Weights that always add up to the same say nothing of any distance.",
        "Where all weights are 0, q is 0 in every channel, the constant one among them.",
    ),
    explanation="Absence is read from the sum of the weights, or from the end of the cone. "
    "Normalised weights without an end have neither.",
    labels=("mark", "absent"),
    truth={
        "nearest point, weight 1/2": frozenset({"mark"}),
        "cone that ends before the next cluster": frozenset({"mark", "absent"}),
        "the same, divided by the sum where it is not 0": frozenset({"mark", "absent"}),
        "wide cone, not normalised": frozenset({"mark", "absent"}),
        "one over the distance, normalised, k = 1": frozenset({"mark"}),
        "mean over all points before": frozenset(),
    },
    misconceptions=(
        Misconception(
            "an absence that the nearest shows",
            "Some point is always the nearest, and it weighs one half however far it is.",
            ("nearest point, weight 1/2", "absent"),
        ),
        Misconception(
            "a cone without an end",
            "Beyond its radius all weights are 0, and q is 0 in every channel.",
            ("cone that ends before the next cluster", "absent"),
        ),
        Misconception(
            "normalised and therefore blind",
            "Divided by their sum, weights of 0 stay 0: the end of the cone still shows.",
            ("the same, divided by the sum where it is not 0", "absent"),
        ),
        Misconception(
            "wide and therefore blind",
            "The constant feature reads the sum of the weights, and that falls with the distance "
            "at any radius.",
            ("wide cone, not normalised", "absent"),
        ),
        Misconception(
            "a distance that survives the division",
            "Of one weight, divided by itself, 1 is left at any distance.",
            ("one over the distance, normalised, k = 1", "absent"),
        ),
        Misconception(
            "a mean that knows the place",
            "The mean is the same for every present point: it cannot say whose mark was whose.",
            ("mean over all points before", "mark"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "CGA's gates close a channel. For which points of the present frame?",
            (
                Option("For those whose nearest points before were dark.",
                       "The gate knows no places: it comes from a mean over the frame before."),
                Option("For all of them.",
                       "One number a channel multiplies every present point.", right=True),
                Option("For those that moved.",
                       "CGA reads no positions at all."),
            ),
        ),
        Question(
            "The points of the frame before come in another order. What changes?",
            (
                Option("Nothing, as long as no two of its points are equally far.",
                       "A mean and the nearest points do not know an order. On a grid of voxels, "
                       "where distances are often equal, the order can decide who is the k-th.",
                       right=True),
                Option("The gates, since the mean is weighed by the order.",
                       "A mean does not care in which order its terms come."),
                Option("The interpolation, always, since its indices change.",
                       "The indices change with the points they point to; without ties q stays."),
            ),
        ),
        Question(
            "The cone's weights are divided by their sum, its radius is far beyond every "
            "distance, and the features hold no positions. What is lost?",
            (
                Option("The mark of the nearest points.",
                       "A weighted mean of the nearest marks is the mark."),
                Option("Nothing: a factor is taken up by the next layer.",
                       "The factor differs from point to point, and no fixed layer knows it."),
                Option("Whether anything stood there.",
                       "The sum of the weights told the distance, and now it is 1 everywhere. "
                       "Positions, interpolated as well, would tell it again.",
                       right=True),
            ),
        ),
        Question(
            "A vector from the frame before is added to all present points, and a linear layer "
            "answers. Why is a gate better there?",
            (
                Option("The vector moves all points' scores alike; a gate changes which of their "
                       "channels count.",
                       "An added vector keeps the order of two points. With a ReLU behind it that "
                       "is no longer so.", right=True),
                Option("A sigmoid has gradients everywhere.",
                       "So has the sum."),
                Option("A gate has more parameters.",
                       "Here both have the same layers."),
            ),
        ),
        Question(
            "The frame before has two points, and k is 3. What does the package do?",
            (
                Option("It reads both, as the authors' code does.",
                       "The authors' code does so. The package refuses the frame by name."),
                Option("It refuses the frame, and says what is missing.",
                       "It says how many points are needed; ask for fewer neighbours.", right=True),
                Option("It reads one of them twice.",
                       "That would count a point double, unseen."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GATE, STOOD, CEILINGS, METRES, READS)
