"""Exercises and quiz on RSTAN; those that ask for code are in ``code`` and ``derived``."""

from __future__ import annotations

import torch

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial_temporal.rstan.code import (
    CHAPTER,
    PLACES,
    READ,
)
from attncourse.exercises.spatial_temporal.rstan.derived import FRAME_SHARES, PULL
from attncourse.exercises.value import ValueExercise

FRAMES, POSITIONS, SCORE = 6, 4, 3.0


def three_shares() -> tuple[float, float, float]:
    """The weight of one place with score 3 among zeros: flat, with even frames, with two scores."""
    e = torch.zeros(FRAMES, POSITIONS, dtype=torch.float64)
    e[0, 0] = SCORE
    flat = e.flatten().softmax(0)[0]
    place = e[0].softmax(0)[0]
    frame = torch.tensor([SCORE] + [0.0] * (FRAMES - 1)).double().softmax(0)[0]
    return float(flat), float(place / FRAMES), float(place * frame)


SHARES = ValueExercise(
    chapter=CHAPTER,
    name="shares",
    title="Predict: how much of the right place is read?",
    level=2,
    task="A clip has six frames of four places. One place has the score e = 3, all others have "
    "e = 0. Give the weight of this place under one flat softmax, under two if all frames have "
    "the same frame score, and under two if its frame has the score 3 and all others 0, to "
    "three decimals.",
    hints=(
        "exp(3) is 20.09. Under a flat softmax it stands against 23 ones.",
        "Within its frame it stands against 3 ones. The frame weighs 1/6 if all have one score.",
        "20.09 / (20.09 + 23), then 20.09 / (20.09 + 3) / 6, then 20.09 / (20.09 + 3) times "
        "20.09 / (20.09 + 5).",
    ),
    explanation="With a softmax for each frame, a good place in it says nothing of the frame: that "
    "is left to the frame score. Two scores of 3 then select more sharply than one.",
    truth=three_shares,
    parts=("one softmax", "two, even frames", "two, frame score 3"),
    low=0.0,
    high=1.0,
    unit="a weight",
    tolerance=Tolerance(relative=0.0, absolute=6e-4),
    digits=3,
    misconceptions=(
        Misconception(
            "a rounding to two decimals",
            "The task asks for three, since the second number is small.",
            (0.47, 0.15, 0.7),
            ((0.47, 0.14, 0.7), (0.47, 0.145, 0.7), (0.466, 0.15, 0.697), (0.466, 0.14, 0.697)),
        ),
        Misconception(
            "the frame's weight forgotten",
            "Within its frame the place weighs 0.87. It is then multiplied by the weight of its "
            "frame, which is 1/6 where all frames have the same score.",
            (0.4662, 0.8700, 0.6966),
            ((0.4662, 0.8700, 0.8700),),
        ),
        Misconception(
            "places of other frames counted in",
            "With two softmaxes a place competes with the three other places of its own frame.",
            (0.4662, 0.0777, 0.3733),
        ),
        Misconception(
            "shares without the exponential",
            "You divide scores by their sum. A softmax divides their exponentials.",
            (1.0, 1 / 6, 1.0),
        ),
        Misconception(
            "one place forgotten",
            "The place itself stands in the sum, too: 23 others in the clip, 3 others in the "
            "frame, 5 other frames.",
            (0.4556, 0.1390, 0.6421),
        ),
    ),
)

_ONE, _CLIP = "add 7 to every place score of one frame", "add 7 to every place score of the clip"
_SHORT = {"tp": "two: places", "tf": "two: frames", "fp": "flat: places", "ff": "flat: frames"}
Row = tuple[str, str | frozenset[str]]


def _given(row: str, *entries: str) -> tuple[Row, ...]:
    """Some entries of a row, each with all its labels in short names."""
    return tuple((row, frozenset(_SHORT[name] for name in entry.split())) for entry in entries)


def _first(rows: tuple[Row, ...]) -> tuple[Row, tuple[Row, ...]]:
    """The first of them, and the others."""
    return rows[0], rows[1:]


WHAT_MOVES = TableExercise(
    chapter=CHAPTER,
    name="what_moves",
    title="Predict: what moves?",
    level=2,
    task="Take a network with two softmaxes and one that is flat, both at their first step. For "
    "each change name all weights that it moves, among two: places, two: frames, flat: places and "
    "flat: frames, where the flat weights of places are those within each frame. A change that "
    "moves none gets `()`.",
    hints=(
        "A softmax does not notice a number that is added to all its scores.",
        "With two softmaxes, (4) reads uₜ, and no score of a place. In the flat form the frame "
        "score is ln Σ exp(e).",
        "A flat network has no w, and at the first step the state is zero.",
    ),
    explanation="In the flat form one score says where and when. With two, the frames hear of the "
    "places only through what is read there.",
    labels=("two: places", "two: frames", "flat: places", "flat: frames"),
    truth={
        _ONE: frozenset({"flat: frames"}),
        _CLIP: frozenset(),
        "double v": frozenset({"two: places", "two: frames", "flat: places", "flat: frames"}),
        "double w": frozenset({"two: frames"}),
        "double W_h": frozenset(),
    },
    misconceptions=(
        Misconception(
            "scores of places that frames hear",
            "With two softmaxes the frame score reads what was found, uₜ, and 7 more on every "
            "place of a frame changes nothing of that.",
            (_ONE, "two: frames"),
            _given(_CLIP, "tf", "tf fp"),
        ),
        Misconception(
            "a constant that the places of the frame notice",
            "Within the frame a factor e⁷ stands above and below every fraction: its α stays.",
            *_first(_given(_ONE, "tp", "tp fp", "tp ff", "tp fp ff", "fp", "fp ff")),
        ),
        Misconception(
            "a flat form that weighs each frame apart",
            "One softmax runs over all frames there: 7 more on one frame takes from the others.",
            (_ONE, frozenset()),
        ),
        Misconception(
            "a constant that is noticed",
            "A factor e⁷ stands above and below every fraction.",
            (_CLIP, "flat: frames"),
            _given(_CLIP, "tp", "fp", "tp fp", "tp tf", "tp tf fp"),
        ),
        Misconception(
            "a frame weight that does not hear the places",
            "Other weights of places give another uₜ, and (4) reads uₜ.",
            *_first(_given("double v", "tp", "tp fp", "tp ff", "tp fp ff")),
        ),
        Misconception(
            "a factor that a softmax does not notice",
            "A factor makes all differences of scores twice as large. It is a number added to all "
            "scores that is not noticed.",
            ("double v", frozenset()),
            (("double w", frozenset()),),
        ),
        Misconception(
            "a flat form without v",
            "Its scores of places are those of (1), too: it has v, and no w.",
            *_first(_given("double v", "tp tf")),
        ),
        Misconception(
            "flat shares of frames that stay",
            "A frame's share is the total of its places in one softmax. Scores twice as far apart "
            "make other totals.",
            *_first(_given("double v", "tp tf fp")),
        ),
        Misconception(
            "flat weights of places that stay",
            "Within a frame they are the softmax of its place scores, and these are doubled.",
            *_first(_given("double v", "tp tf ff")),
        ),
        Misconception(
            "a flat form with w",
            "The flat form has no scorer of frames: there is no w in it to be doubled.",
            ("double w", "flat: frames"),
        ),
        Misconception(
            "places that hear the frame score",
            "Places are weighed first, by v. The vector w stands in (4), which comes after.",
            ("double w", "two: places"),
        ),
        Misconception(
            "a state before the first step",
            "h₀ is zero, and so is W_h h₀. The second step would tell.",
            ("double W_h", "two: places"),
            tuple(("double W_h", label) for label in list(_SHORT.values())[1:]),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "STA-LSTM also weighs places and frames. What is the difference that this chapter "
            "begins with?",
            (
                Option("STA-LSTM weighs a frame when it passes; RSTAN looks over the whole clip at "
                       "every step.",
                       "So the third step may go back to the first frame.", right=True),
                Option("STA-LSTM has no weights of frames.",
                       "It has: a ReLU for each frame, which is not normalised."),
                Option("RSTAN has no memory.",
                       "It has one, and the memory is what asks."),
            ),
        ),
        Question(
            "At the first step h is zero. What decides where RSTAN looks then?",
            (
                Option("Nothing: all weights are even.",
                       "W_x x and the bias are left in the tanh, so that the scores differ."),
                Option("The content of the places alone.",
                       "The same scorer with an empty state: in the chapter it finds the frame "
                       "with the code of the start.", right=True),
                Option("The order of the frames.",
                       "No frame number stands in (1) to (8)."),
            ),
        ),
        Question(
            "A frame has the weight γ = 0.001. What does this step's gradient tell the place "
            "scores of that frame, apart from what comes through γ itself?",
            (
                Option("As much as any other frame: each has its own softmax.",
                       "The softmax is its own, but what comes out of it is multiplied by γ."),
                Option("For the same d, a thousandth of what it would tell if the frame were all "
                       "that is read.",
                       "By (14) every pull within a frame has the factor γ.", right=True),
                Option("Exactly nothing.",
                       "Weights of a softmax are never exactly zero, but for rounding."),
            ),
        ),
        Question(
            "Two networks reach the same digits, one with two softmaxes and one with a flat one. "
            "Which statement holds for both?",
            (
                Option("Each has weights of places and of frames, and their product adds up to 1.",
                       "The flat weights have shares of frames, too: their totals.", right=True),
                Option("Each has two scorers.",
                       "The flat form has one: the frame score is ln Σ exp(e)."),
                Option("Both give the same answers if their place scorers are the same.",
                       "Only if the frame scores are ln Σ exp(e), up to a constant."),
            ),
        ),
        Question(
            "You want to show that the *content* of the state moves the look, and not the number "
            "of the step. Which control does that?",
            (
                Option("A network whose scorers ask with one learned vector for each step.",
                       "It knows the number of the step, and nothing that was read.", right=True),
                Option("A network with h = 0 at every step.",
                       "It knows neither content nor number, so it cannot tell them apart."),
                Option("A map that moves from frame to frame.",
                       "A clock would move it as well."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (PLACES, READ, SHARES, WHAT_MOVES, FRAME_SHARES, PULL)
