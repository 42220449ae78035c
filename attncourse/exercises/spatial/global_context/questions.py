"""Exercises and quiz of the chapter on GCNet; those that ask for code are in ``code.py``."""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.global_context.code import CHAPTER, CONTEXT, SCORE_GRADIENT
from attncourse.exercises.value import ValueExercise

#: The map of the exercise on costs: positions and channels, and the bottleneck's width.
N, C, D = 1_024, 64, 4

COSTS = ValueExercise(
    chapter=CHAPTER,
    name="costs",
    title="Predict: what does each step save?",
    level=1,
    task="x has 1,024 positions and 64 channels. Give the multiply-adds of what stands behind the "
    "map α: W_v at every position and then the weighted sum, as in (2); the weighted sum and then "
    "W_v once, as in (3); the weighted sum and then a bottleneck of 4, as in (4) and (5). All "
    "without the scores, biases, and normalisation.",
    hints=(
        "A product with W_v takes 64² multiply-adds for one position. In (2) there are 1,024.",
        "The weighted sum takes one multiply-add for each number of x: 1,024 · 64.",
        "In (3) one product of 64² follows the sum, in (5) two of 64 · 4.",
    ),
    explanation="What is linear can be done once, after the sum. What is left is the pass over x, "
    "and the bottleneck saves parameters more than time.",
    truth=lambda: (
        float(N * C * C + N * C), float(N * C + C * C), float(N * C + 2 * C * D)
    ),
    low=0.0,
    high=1e8,
    unit="multiply-adds",
    parts=("as in (2)", "as in (3)", "as in (4) and (5)"),
    tolerance=Tolerance(relative=0.0, absolute=0.5),
    misconceptions=(
        Misconception(
            "the sum left out",
            "The weighted sum itself takes a multiply-add for each of the 1,024 · 64 numbers.",
            (float(N * C * C), float(C * C), float(2 * C * D)),
        ),
        Misconception(
            "a product for each position in (3)",
            "In (3) W_v stands in front of the sum and acts once.",
            (float(N * C * C + N * C), float(N * C + N * C * C), float(N * C + 2 * C * D)),
        ),
        Misconception(
            "one of the two products",
            "The bottleneck has a product down and one back: 2 · 64 · 4.",
            (float(N * C * C + N * C), float(N * C + C * C), float(N * C + C * D)),
        ),
        Misconception(
            "a bottleneck that multiplies",
            "The width of the bottleneck is 4, not 4 times 64.",
            (float(N * C * C + N * C), float(N * C + C * C), float(N * C + 2 * C * 4 * C)),
        ),
    ),
)  # fmt: skip

WHO_MOVES = TableExercise(
    chapter=CHAPTER,
    name="who_moves",
    title="Predict: what notices?",
    level=2,
    task="Three opened blocks: `GC` as in (4) to (6), `average`, the same with every weight 1/n, "
    "and `non-local`. You look at what each adds at position 1. Name for each change all blocks "
    "for which that changes. Weights are random and not zero, and all positions differ. A change "
    "that moves none gets `()`.",
    hints=(
        "What does GC add at position 1, and what at position 2?",
        "None of the three knows where a position stands: exchanged positions give the same sums, "
        "unless one of them asks.",
        "Position 1 asks in the non-local block alone. A bias in front of a softmax over positions "
        "adds the same to all.",
    ),
    explanation="GC adds one vector for the whole image. Only in the non-local block does it "
    "matter who asks.",
    labels=("GC", "average", "non-local"),
    truth={
        "add 1 to position 5": frozenset({"GC", "average", "non-local"}),
        "exchange positions 4 and 5": frozenset(),
        "exchange positions 1 and 5": frozenset({"non-local"}),
        "add 1 to position 4 and take 1 from position 5": frozenset({"GC", "non-local"}),
        "add 7 to the bias of the scores, or of the keys": frozenset(),
        "double w_k, or the keys": frozenset({"GC", "non-local"}),
    },
    misconceptions=(
        Misconception(
            "a place that counts",
            "A sum over positions does not know their order, with equal or with other weights.",
            ("exchange positions 4 and 5", "GC"),
            (
                ("exchange positions 4 and 5", "average"),
                ("exchange positions 4 and 5", "non-local"),
            ),
        ),
        Misconception(
            "a question that GC does not ask",
            "GC adds the same at every position, so nobody asks, and the sum is the same.",
            ("exchange positions 1 and 5", "GC"),
            (("exchange positions 1 and 5", "average"),),
        ),
        Misconception(
            "a mean that notices a shift of weight",
            "The mean over all positions stays: what one gains the other loses.",
            ("add 1 to position 4 and take 1 from position 5", "average"),
        ),
        Misconception(
            "a bias that is alive",
            "One number added to all scores of a query leaves its softmax as it is. What the bias "
            "adds to the keys is ⟨query, bias⟩ for each of them alike.",
            ("add 7 to the bias of the scores, or of the keys", "GC"),
            (("add 7 to the bias of the scores, or of the keys", "non-local"),),
        ),
        Misconception(
            "scores in the average",
            "With average pooling there is no w_k.",
            ("double w_k, or the keys", "average"),
        ),
    ),
)

#: The block of the exercise, line by line; one thing is wrong at the start of training.
LISTING = """\
a = score(x).flatten(2).softmax(dim=2)
c = (x.flatten(2) * a).sum(dim=2)
t = expand(torch.relu(norm(reduce(c))))
return x * torch.sigmoid(t)[:, :, None, None]"""

HALVED = ChoiceExercise(
    chapter=CHAPTER,
    name="halved",
    title="Spot what happens at the start",
    level=2,
    task="`expand` starts with a weight and a bias of zero, so that the block shall be the "
    "identity at first. Name the line because of which it is not.",
    hints=(
        "Follow t = 0 to the end.",
        "What is the sigmoid of zero?",
    ),
    options=(
        Option("Line 1", "The weights add up to 1, whatever the scores are."),
        Option("Line 2", "A weighted sum of the columns of x: the context."),
        Option("Line 3", "With zeros in `expand`, t is zero. For adding that is the identity."),
        Option(
            "Line 4",
            "σ(0) is 1/2: thirteen such blocks in a row would leave 1/8192 of x. Adding t, or "
            "multiplying by 2 σ(t), starts as the identity.",
            right=True,
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "GCNet's authors found that maps of trained non-local blocks hardly depend on the "
            "query. When does one map for all lose nothing?",
            (
                Option("Always: they measured it.",
                       "They measured it on their data. In the twin task every query needs "
                       "another position, and after 300 steps one map for all explains a third."),
                Option("Where all queries need the same from the image.",
                       "Then the maps may be equal, and one suffices.", right=True),
                Option("Where the image is small.",
                       "On a small image queries may still need different things."),
            ),
        ),
        Question(
            "The answer stands at one of 256 positions. Why can attention pooling bring it, and "
            "a plain mean of the features not?",
            (
                Option("Its weights depend on the features, so that the others fade.",
                       "In the plain mean the answer is one of 256 equal terms, and nothing behind "
                       "it can tell them apart.", right=True),
                Option("It has more parameters.",
                       "Five more. A large network behind the plain mean has more and explains "
                       "1/256 on average at most."),
                Option("Only attention can.",
                       "A pointwise layer with a ReLU in front of the plain mean can silence the "
                       "others, too."),
            ),
        ),
        Question(
            "Two digits, and a cue that says which one counts; a linear layer reads what the "
            "block gives. GC adds its context. What happens?",
            (
                Option("It works, as SE does.",
                       "SE multiplies. Here the digits pass unchanged, whatever is added."),
                Option("Both digits' votes stay, so the cue cannot silence one of them.",
                       "A linear layer adds up the digits' votes and a vote of the context. A "
                       "ReLU behind the sum changes that.", right=True),
                Option("It works once the last layer has left zero.",
                       "Whatever is added, the two digits' votes stay in the sum."),
            ),
        ),
        Question(
            "A bottleneck of one channel stands before a layer normalisation. What comes out?",
            (
                Option("The channel, divided by its spread over the batch.",
                       "Layer normalisation looks at one image, along its channels."),
                Option("Plus or minus one.", "That is what comes out of two channels, nearly."),
                Option("Its shift, whatever comes in.",
                       "One number less itself is zero, so the branch says the same to every "
                       "image.", right=True),
            ),
        ),
        Question(
            "Why may W_v be pulled in front of the weighted sum, as (3) does with (2)?",
            (
                Option("Because the weights add up to 1.",
                       "That is needed for a bias. For the matrix linearity is enough."),
                Option("Because W_v is square.", "Its shape does not matter."),
                Option("Because a matrix times a sum is the sum of the products.",
                       "It is the same function, and the product is made once.", right=True),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (CONTEXT, COSTS, WHO_MOVES, HALVED, SCORE_GRADIENT)
