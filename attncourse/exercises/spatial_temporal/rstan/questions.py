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
    "the same frame score, and under two if its frame has the score 3 and all others 0.",
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
    tolerance=Tolerance(relative=0.0, absolute=5e-3),
    misconceptions=(
        Misconception(
            "the frame's weight forgotten",
            "Within its frame the place weighs 0.87. It is then multiplied by the weight of its "
            "frame, which is 1/6 where all frames have the same score.",
            (0.466, 0.870, 0.697),
            ((0.466, 0.870, 0.870),),
        ),
        Misconception(
            "places of other frames counted in",
            "With two softmaxes a place competes with the three other places of its own frame.",
            (0.466, 0.0777, 0.373),
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
            (0.4556, 0.1390, 0.6415),
        ),
    ),
)

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
        "add 7 to every place score of one frame": frozenset({"flat: frames"}),
        "add 7 to every place score of the clip": frozenset(),
        "double v": frozenset({"two: places", "two: frames", "flat: places", "flat: frames"}),
        "double w": frozenset({"two: frames"}),
        "double W_h": frozenset(),
    },
    misconceptions=(
        Misconception(
            "scores of places that frames hear",
            "With two softmaxes the frame score reads what was found, uₜ, and 7 more on every "
            "place of the frame changes nothing of that.",
            ("add 7 to every place score of one frame", "two: frames"),
        ),
        Misconception(
            "a constant that is noticed",
            "A factor e⁷ stands above and below every fraction.",
            ("add 7 to every place score of the clip", "flat: frames"),
            (("add 7 to every place score of one frame", "two: places"),),
        ),
        Misconception(
            "a frame weight that does not hear the places",
            "Other weights of places give another uₜ, and (4) reads uₜ.",
            ("double v", "two: frames"),
        ),
        Misconception(
            "a state before the first step",
            "h₀ is zero, and so is W_h h₀. The second step would tell.",
            ("double W_h", "two: places"),
            (("double W_h", "two: frames"), ("double W_h", "flat: places")),
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
                Option("A thousandth of what it would tell if the frame were all that is read.",
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
