"""Exercises and quiz of the chapter on GaterNet; those that ask for code are in ``code.py``."""

from __future__ import annotations

import math

import torch

from attncourse.channel.gater import (
    SATURATION,
    backbone_multiply_adds,
    estimator_mean,
    on_probability,
    true_slope,
)
from attncourse.exercises.channel.gater.code import CHAPTER, GATES, SKIP
from attncourse.exercises.choice import ChoiceExercise, Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise


def _numbers() -> tuple[float, ...]:
    zero, two = torch.tensor(0.0).double(), torch.tensor(2.0).double()
    return (
        SATURATION,
        0.3,
        float(true_slope(zero)),
        float(estimator_mean(two) / true_slope(two)),
    )


NUMBERS = ValueExercise(
    chapter=CHAPTER,
    name="numbers",
    title="Derive: where the sigmoid ends, and how biased its slope is",
    level=2,
    task="Give four numbers to two decimals: the score from which on the saturating sigmoid is "
    "exactly 1; its slope at a score of 0; the true slope of the mean of a hard gate at a score "
    "of 0; and the factor by which the straight-through estimator overstates it at a score of 2, "
    "where its mean is 0.1196.",
    hints=(
        "Set 1.2 σ(v) - 0.1 = 1 and solve for v. The slope of a sigmoid at zero is a quarter.",
        "The mean of a hard gate is Φ(τ), and its slope the normal density φ(τ).",
        "φ(0) = 1/√(2π), and φ(2) = 0.0540.",
    ),
    explanation="Near zero the borrowed slope is too small, in the tails too large: a gate that "
    "noise hardly ever turns over still hears that it should.",
    truth=_numbers,
    low=0.0,
    high=20.0,
    unit="four numbers",
    parts=(
        "score from which on it is 1",
        "slope at 0",
        "true slope at 0",
        "factor at a score of 2",
    ),
    digits=2,
    misconceptions=(
        Misconception(
            "the odds in place of the score",
            "The odds are 11 at the end. The score is their logarithm.",
            (11.0, 0.3, 0.3989, 2.215),
        ),
        Misconception(
            "a slope that is not stretched",
            "A plain sigmoid has a slope of 1/4 at zero; this one is stretched by 1.2.",
            (SATURATION, 0.25, 0.3989, 2.215),
        ),
        Misconception(
            "the borrowed slope for the true one",
            "0.3 and 0.2468 are the borrowed slope and its mean. The true slope is φ(0).",
            (SATURATION, 0.3, 0.3, 2.215),
            ((SATURATION, 0.3, 0.2468, 2.215),),
        ),
        Misconception(
            "the factor upside down",
            "Divide the estimator's mean by the true slope, not the other way round.",
            (SATURATION, 0.3, 0.3989, 0.4514),
        ),
        Misconception(
            "the probability for its slope",
            "Φ(0) = 0.5 is the chance that the gate is open. Its slope is asked for.",
            (SATURATION, 0.3, 0.5, 2.215),
        ),
        Misconception(
            "the end at the odds of 10",
            "At the end σ = 1.1 / 1.2 = 11/12, and the odds are 11 to 1.",
            (math.log(10), 0.3, 0.3989, 2.215),
        ),
    ),
)


def _saved() -> tuple[float, ...]:
    whole = backbone_multiply_adds(8, 8, 1, (16, 16, 16))
    half = backbone_multiply_adds(8, 8, 1, (8, 8, 8))
    return float(whole), float(half), float(on_probability(torch.tensor(1.0).double()) * 1000)


SAVED = ValueExercise(
    chapter=CHAPTER,
    name="saved",
    title="Predict: what half of the filters cost",
    level=2,
    task="A backbone of three layers with 16 filters of 3 x 3 taps each reads an image of 8 x 8 "
    "pixels and one channel, and keeps its size. Give its multiply-adds; those that are left "
    "if half of the filters of every layer are really skipped; and how many of 1,000 hard gates "
    "with a score of 1 are open in training, to the nearest whole number.",
    hints=(
        "A layer has 64 places, and at each every filter has 9 taps for every channel it reads.",
        "The first layer reads one channel: half of its filters, half of its cost. The others "
        "lose rows and columns.",
        "Noise of spread 1 leaves the gate open with chance Φ(1) = 0.8413.",
    ),
    explanation="Half of the filters leave a quarter of all layers but the first.",
    truth=_saved,
    low=1.0,
    high=1e7,
    unit="multiply-adds and gates",
    parts=("all filters", "half of the filters", "open gates of 1,000"),
    tolerance=Tolerance(relative=0.0, absolute=0.5),
    misconceptions=(
        Misconception(
            "half of the cost",
            "A filter that is off also spares the taps that would have read it: from the second "
            "layer on a quarter is left.",
            (304128.0, 152064.0, 841.3447),
        ),
        Misconception(
            "a quarter everywhere",
            "The first layer reads the image, of which nothing is off.",
            (304128.0, 76032.0, 841.3447),
        ),
        Misconception(
            "one tap for a filter",
            "Every filter has 3 x 3 taps for each channel.",
            (33792.0, 8704.0, 841.3447),
        ),
        Misconception(
            "the soft gate for the chance",
            "0.7773 is the soft gate at a score of 1. A hard gate is open with chance Φ(1).",
            (304128.0, 78336.0, 777.3),
            ((304128.0, 78336.0, 777.0),),
        ),
        Misconception(
            "a sigmoid for the chance",
            "The noise is normal: the chance is Φ(1), not σ(1).",
            (304128.0, 78336.0, 731.0586),
            ((304128.0, 78336.0, 731.0),),
        ),
        Misconception(
            "no noise",
            "In training noise is added, and a gate with a score of 1 is sometimes shut.",
            (304128.0, 78336.0, 1000.0),
        ),
    ),
)

#: A layer in training, line by line; one thing is in the wrong place.
LISTING = """\
tau = tau + torch.randn_like(tau)
soft = (1.2 * torch.sigmoid(tau) - 0.1).clamp(0, 1)
s = (tau > 0).float() + soft - soft.detach()
maps = conv(x) * s[:, :, None, None]
return torch.relu(norm(maps))"""

WRONG_PLACE = ChoiceExercise(
    chapter=CHAPTER,
    name="wrong_place",
    title="Spot the mistake",
    level=1,
    task="Name the line that puts something in the wrong place: the layer of training, with hard "
    "gates, should be equation (1).",
    hints=(
        "Shut a filter for half of the images. What does the normalisation then see?",
        "What does a filter that is off give to the next layer: zeros?",
    ),
    options=(
        Option("Line 1", "In training noise is added to the scores before anything else."),
        Option("Line 2", "This is equation (4)."),
        Option("Line 3", "A value of 0 or 1, up to rounding, with the slope of the soft gate."),
        Option(
            "Line 4",
            "The gate stands in front of the normalisation. Its statistics then mix open and shut "
            "images, and after its shift a filter that is off gives no zeros. Multiply behind "
            "the ReLU.",
            right=True,
        ),
        Option("Line 5", "Normalisation, then ReLU, is the usual order: look at what comes in."),
    ),
)

QUIZ = Quiz(
    chapter=CHAPTER,
    questions=(
        Question(
            "What does GaterNet change about SE's gates?",
            (
                Option("They are larger.", "They are 0 or 1; SE's are between."),
                Option("Another network that has seen the whole image makes them, before the "
                       "first filter runs, and they are 0 or 1.",
                       "So a filter that is off need not run at all.", right=True),
                Option("They are the same for all images.",
                       "That is a mask, the control of this chapter."),
            ),
        ),
        Question(
            "A hard gate has no slope. How does the gater learn from it?",
            (
                Option("It does not: only images with soft gates teach it.",
                       "Hard gates borrow the slope of the soft ones."),
                Option("By a reward, as glimpses do.",
                       "REINFORCE would do as well; here the slope is borrowed."),
                Option("The backward pass uses the slope of the soft gate in its place.",
                       "That is the straight-through estimator, and it is biased.", right=True),
            ),
        ),
        Question(
            "At which scores does the borrowed slope overstate the true one?",
            (
                Option("Near zero.", "There its mean is 0.25 where the truth is 0.40."),
                Option("Far from zero.",
                       "It is the true one, smeared by the sigmoid's slope, and so lower and "
                       "wider: at a score of 3 it is nine times too large.", right=True),
                Option("Nowhere: its mean is right.", "Only its sign is always right."),
            ),
        ),
        Question(
            "Half of all gates are 0 for an image, and gates multiply maps. What is saved?",
            (
                Option("Half of the multiply-adds.",
                       "All filters ran, and zeros were multiplied."),
                Option("Three quarters of them.",
                       "That is what skipping saves, from the second layer on."),
                Option("Nothing, unless the filters are really skipped.",
                       "Multiplying by zero costs as much as by any other number.", right=True),
            ),
        ),
        Question(
            "Gates of another image with the same style and another digit ruin the answer. What "
            "follows?",
            (
                Option("The gates tell the style.", "The style was the same."),
                Option("The gates hold much about the digit: the gater has read it.",
                       "So the gater itself is a rival: let it answer.", right=True),
                Option("The backbone is not needed.",
                       "That takes another control: the gater alone, trained to answer."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (NUMBERS, GATES, WRONG_PLACE, SAVED, SKIP)
