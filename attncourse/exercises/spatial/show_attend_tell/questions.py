"""Exercises and quiz on hard and soft attention; those that ask for code are in ``code.py``."""

from __future__ import annotations

import torch

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.show_attend_tell.code import ATTEND, CHAPTER, ESTIMATE, PULL
from attncourse.exercises.value import ValueExercise
from attncourse.spatial.show_attend_tell import coverage_penalty

WORDS, POSITIONS = 4, 16


def three_penalties() -> tuple[float, float, float]:
    """The penalty of uniform maps, of one-hot maps on distinct cells, of all words on one cell."""
    uniform = torch.full((WORDS, POSITIONS), 1 / POSITIONS, dtype=torch.float64)
    apart = torch.eye(POSITIONS, dtype=torch.float64)[:WORDS]
    same = apart[:1].expand(WORDS, -1)
    return tuple(float(p) for p in coverage_penalty(torch.stack([uniform, apart, same])))  # type: ignore[return-value]


PENALTY = ValueExercise(
    chapter=CHAPTER,
    name="penalty",
    title="Predict: what does the penalty want?",
    level=2,
    task="Four words on sixteen positions. Give the penalty Σᵢ(1 - Σₜ αₜᵢ)² for uniform maps, for "
    "one-hot maps on four different positions, and for four one-hot maps on the same position.",
    hints=(
        "The total of a position over the words is what counts. Uniform maps give each position "
        "4/16.",
        "A position that no word looks at costs 1. So does a position with a total of two.",
        "Uniform: 16 (1 - 1/4)². Different: 12 positions are left out. The same: 15 are left out, "
        "and one has a total of 4.",
    ),
    explanation="The least penalty belongs to equal totals: to maps that look nowhere, and to maps "
    "that share the positions among them. With fewer words than positions the penalty pulls "
    "against maps that are sharper than N/T positions, four here.",
    truth=three_penalties,
    parts=("uniform maps", "four different positions", "one position four times"),
    low=0.0,
    high=100.0,
    unit="a penalty",
    tolerance=Tolerance(relative=0.0, absolute=5e-3),
    misconceptions=(
        Misconception(
            "full cover assumed",
            "The maps of four words add up to 4 in all, and sixteen positions share it. A total of "
            "1 everywhere would need sixteen words.",
            (0.0, 12.0, 24.0),
            ((0.0, 0.0, 9.0),),
        ),
        Misconception(
            "a mean over the positions",
            "Two ports take the mean over positions, which makes the weight 16 times smaller. "
            "Equation (14) has a sum.",
            (9 / 16, 12 / 16, 24 / 16),
        ),
        Misconception(
            "squares forgotten",
            "Each position's distance from one is squared.",
            (12.0, 12.0, 18.0),
            ((12.0, 12.0, 12.0),),
        ),
        Misconception(
            "the empty positions forgotten",
            "A position that no word looks at has a total of 0, and costs 1.",
            (9.0, 0.0, 9.0),
        ),
    ),
)

WHAT_MOVES = TableExercise(
    chapter=CHAPTER,
    name="what_moves",
    title="Predict: what moves?",
    level=2,
    task="Take one trained decoder with tanh scorers, and read its words in eval mode with the "
    "soft map and with the hard one, which takes the largest weight. For each change name all "
    "that it moves, among soft map, soft words, hard map and hard words (the scores of the "
    "words). A change that moves none gets `()`.",
    hints=(
        "Which equations know the order of the positions? None of (1) to (7).",
        "A softmax does not notice a number that is added to all scores.",
        "Doubling v doubles all scores. Their order stays.",
    ),
    explanation="The decoder treats positions as a set, the softmax knows differences alone, and "
    "the largest weight knows their order alone.",
    labels=("soft map", "soft words", "hard map", "hard words"),
    truth={
        "shuffle the positions": frozenset({"soft map", "hard map"}),
        "add 7 to every score": frozenset(),
        "double v": frozenset({"soft map", "soft words"}),
        "turn the sign of v": frozenset({"soft map", "soft words", "hard map", "hard words"}),
    },
    misconceptions=(
        Misconception(
            "words that know the order",
            "The weights move along with the annotations, and the sum stays what it was.",
            ("shuffle the positions", "soft words"),
            (("shuffle the positions", "hard words"),),
        ),
        Misconception(
            "a constant that is noticed",
            "A factor e⁷ stands above and below the fraction of equation (2).",
            ("add 7 to every score", "soft map"),
            (("add 7 to every score", "soft words"),),
        ),
        Misconception(
            "a maximum that notices the scale",
            "The largest score stays the largest when all are doubled.",
            ("double v", "hard map"),
            (("double v", "hard words"),),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Why does hard attention need REINFORCE, or some stand-in, where soft attention needs "
            "none?",
            (
                Option("A draw of one position is a step function of the scores.",
                       "Between two draws nothing changes, and at a change everything jumps: "
                       "backpropagation finds zero.", right=True),
                Option("The softmax has no gradient.",
                       "It has one, and both readings use it."),
                Option("The words are discrete.",
                       "They are in both readings, and cross-entropy trains both."),
            ),
        ),
        Question(
            "The scorer of equation (1) has no position in it. How can a decoder read cells in "
            "order?",
            (
                Option("Through the order of the softmax's entries.",
                       "A softmax treats its entries alike: permute them, and the weights are "
                       "permuted."),
                Option("Through what the annotations say about their place.",
                       "A table that is added, or zero padding that leaks in at the border.",
                       right=True),
                Option("Through the LSTM, which counts the words.",
                       "It can count, but a count names no cell unless the annotations do."),
            ),
        ),
        Question(
            "A draw at word 2 of a caption of five is credited. Which rewards may be left out "
            "without a bias?",
            (
                Option("That of word 1.",
                       "It was earned before the draw, so its product with the score has mean "
                       "zero.", right=True),
                Option("Those of words 3 to 5.",
                       "The draw changes the state, and with it all later words."),
                Option("None.",
                       "What came before the draw cannot depend on it."),
            ),
        ),
        Question(
            "A caption has 20 words and the map 196 positions. Which maps have the least doubly "
            "stochastic penalty?",
            (
                Option("One-hot maps on 20 different positions.",
                       "They leave 176 positions out, and each costs 1."),
                Option("Maps whose totals are equal, such as uniform ones.",
                       "By Cauchy's inequality equal totals have the least sum of squares: "
                       "196 (1 - 20/196)² = 158.", right=True),
                Option("One-hot maps that follow the objects.",
                       "The penalty knows totals alone, and no objects."),
            ),
        ),
        Question(
            "A soft model's map peaks at the object that its word names. What does that show of "
            "how the word was found?",
            (
                Option("That the word was read there.",
                       "The state saw the mean annotation at the start, and an annotation sees "
                       "beyond its cell. Shut the other ways first."),
                Option("That this map was useful in training; whether the word needs it is another "
                       "question.",
                       "Moving the map, or shutting the other ways, tests it.", right=True),
                Option("Nothing at all.",
                       "Peaks at the right cell in almost all words are no accident."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (ATTEND, PENALTY, WHAT_MOVES, ESTIMATE, PULL)
