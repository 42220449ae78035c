"""Quiz of the chapter on EncNet, and its exercises that ask for numbers."""

from __future__ import annotations

import torch

from attncourse.channel.context_encoding import assign, encode
from attncourse.exercises.channel.context_encoding.code import CHAPTER, CODE, WAY_BACK
from attncourse.exercises.channel.context_encoding.present import PRESENT
from attncourse.exercises.choice import Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise


def grown() -> tuple[float, float, float, float]:
    """The first codeword's sum: four words, one word, one word on a map twice as large, over n."""
    found = []
    for size, side in ((4, 14), (1, 14), (1, 28)):
        u = torch.full((1, side * side, 1), 0.3, dtype=torch.float64)
        words = torch.full((size, 1), 0.1, dtype=torch.float64)
        found.append(float(encode(u, words, torch.zeros(size, dtype=torch.float64))[0, 0, 0]))
    return found[0], found[1], found[2], found[2] / 28**2


GROWTH = ValueExercise(
    chapter=CHAPTER,
    name="growth",
    title="Predict: how large is a code?",
    level=1,
    task="A channel is 0.3 on average, and the codewords hold 0.1 there. All smoothing factors are "
    "zero. Give four numbers for this channel: e₁ on a map of 14 × 14 with four codewords; the "
    "same with one codeword; with one codeword on a map of 28 × 28; and the last divided by the "
    "number of positions.",
    hints=(
        "With factors of zero every share is 1/k.",
        "e₁ is then n/k times the mean residual. n counts the positions.",
        "196 / 4 · (0.3 - 0.1) for the first.",
    ),
    explanation="Only the mean is left of the image, and the size of the map is multiplied in: a "
    "normalisation that was calibrated on one size meets four times the numbers on the other.",
    truth=grown,
    parts=("four codewords", "one codeword", "twice the side", "over the positions"),
    low=0,
    high=1000,
    unit="a sum of residuals, or a mean of them",
    tolerance=Tolerance(relative=1e-3, absolute=1e-3),
    misconceptions=(
        Misconception(
            "means in place of sums",
            "(3) is a sum over all positions: there are 196 and 784 of them.",
            (0.05, 0.2, 0.2, 0.2),
            ((0.2, 0.2, 0.2, 0.2),),
        ),
        Misconception(
            "shares that are left out",
            "Four codewords share each pixel: each has a quarter of it.",
            (39.2, 39.2, 156.8, 0.2),
        ),
        Misconception(
            "codewords that are not taken away",
            "Residuals are added up: 0.3 - 0.1 for each pixel, not 0.3.",
            (14.7, 58.8, 235.2, 0.3),
        ),
        Misconception(
            "twice the pixels",
            "Twice the side is four times the pixels.",
            (9.8, 39.2, 78.4, 0.1),
            ((9.8, 39.2, 78.4, 0.2),),
        ),
        Misconception(
            "a side in place of an area",
            "A map of 14 × 14 has 196 positions.",
            (0.7, 2.8, 5.6, 0.2),
        ),
        Misconception(
            "a size that does not count",
            "The sum runs over more positions on the larger map.",
            (9.8, 39.2, 39.2, 0.05),
            ((9.8, 39.2, 39.2, 0.2),),
        ),
    ),
)


def near_share(near: float, far: float) -> float:
    """Share of the near codeword of two, at squared distances 1 and 9, with these factors."""
    u = torch.zeros(1, 1, 1, dtype=torch.float64)
    words = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    return float(assign(u, words, torch.tensor([near, far], dtype=torch.float64))[0, 0, 0])


SIGN = ValueExercise(
    chapter=CHAPTER,
    name="sign",
    title="Spot the bug: a factor without a sign",
    level=2,
    task="In the released code nothing keeps the smoothing factors negative, or alike. A pixel "
    "lies at distance 1 of codeword 1 and at distance 3 of codeword 2. Give the share of codeword "
    "1, the near one, for τ = (-0.5, -0.5), for τ = (0.5, 0.5) and for τ = (-1, 0), to two digits.",
    hints=(
        "The squared distances are 1 and 9.",
        "The logits are τ₁ · 1 and τ₂ · 9: -0.5 and -4.5 in the first case.",
        "For two logits the share of the first is 1 / (1 + exp(second - first)).",
    ),
    explanation="A positive factor prefers the far codeword. So does the pair (-1, 0), with no "
    "positive factor in it: a codeword whose factor is zero takes in what lies far from the "
    "others.",
    truth=lambda: (near_share(-0.5, -0.5), near_share(0.5, 0.5), near_share(-1.0, 0.0)),
    parts=("both -0.5", "both 0.5", "-1 and 0"),
    low=0,
    high=1,
    unit="a share from 0 to 1",
    tolerance=Tolerance(relative=1e-3, absolute=0.0),
    digits=2,
    misconceptions=(
        Misconception(
            "distances that are not squared",
            "(2) takes squared distances: 1 and 9, not 1 and 3.",
            (0.731, 0.269, 0.269),
        ),
        Misconception(
            "the sign of the paper",
            "The minus is in τ already: with -0.5 the logits are -0.5 and -4.5, and the near "
            "codeword wins. Or did you give the shares of codeword 2?",
            (0.018, 0.982, 0.731),
        ),
        Misconception(
            "a sign that does not matter",
            "A positive factor makes the larger distance the larger logit.",
            (0.982, 0.982, 0.269),
            ((0.982, 0.982, 0.731),),
        ),
        Misconception(
            "near ones that always win",
            "In the third case the logits are -1 and 0: the second is larger.",
            (0.982, 0.018, 0.731),
            ((0.982, 0.018, 0.982),),
        ),
        Misconception(
            "logits without a softmax",
            "These are logits. The shares are their softmax and lie from 0 to 1.",
            (0.5, 0.5, 1.0),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "All smoothing factors are zero. What do the gates depend on?",
            (
                Option("On the shape of the cloud of features.",
                       "Every share is 1/k, whatever the distances."),
                Option("On the mean of the mixed features alone.",
                       "Each sum is n/k times the mean less a codeword.", right=True),
                Option("On nothing in the image.",
                       "The residuals still hold the features."),
            ),
        ),
        Question(
            "Which part of EncNet goes with success on the look-alikes?",
            (
                Option("The codebook: a mean loses the small square.",
                       "One codeword leaves a mean, and lies within five points of eight."),
                Option("Unequal shares: rare pixels get a codeword of their own.",
                       "Equal shares do as well."),
                Option("The normalisation of the code.",
                       "With it four or five seeds of five learn, in every network that was "
                       "tried; without it at most two, but for the maximum.", right=True),
            ),
        ),
        Question(
            "Most seeds of SE fail on the look-alikes at 300 steps, none at 1,200. What follows?",
            (
                Option("A mean cannot hold a rare texture.",
                       "It does hold it: with more steps the same network reads it."),
                Option("The mean holds the cue, and training is slow to find it.",
                       "What EncNet brings here is speed.", right=True),
                Option("1,200 steps are too many for a fair test.",
                       "A longer test says what the short one could not."),
            ),
        ),
        Question(
            "A network was trained on crops of 480 × 480 and is used on images twice as wide and "
            "high. What happens to the sums of residuals?",
            (
                Option("Nothing: a softmax adds up to one.",
                       "It does so for each pixel, and there are four times as many pixels."),
                Option("They are about four times as large, and the normalisation in use does not "
                       "know it.",
                       "Its running statistics are those of the crops. Dividing by n is a cure.",
                       right=True),
                Option("They are halved.",
                       "More pixels add more residuals."),
            ),
        ),
        Question(
            "What does SE stand for in SE-loss?",
            (
                Option("Squeeze-and-excitation.",
                       "The gates are of that kind, the loss is not about them."),
                Option("Semantic encoding: which classes are in the image.",
                       "One yes or no for each class, from the code.", right=True),
                Option("Squared error.",
                       "It is a binary cross-entropy for each class."),
            ),
        ),
        Question(
            "Why is the plain expansion of ‖u - d‖² dangerous in single precision?",
            (
                Option("It is slower.",
                       "It is faster: one matrix product and no residuals."),
                Option("Far from zero it subtracts large, nearly equal numbers.",
                       "Around 1000 with a spread of 0.01 no digit is left. Subtract a common "
                       "centre first.", right=True),
                Option("It is another function.",
                       "In exact numbers it is the same."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (CODE, GROWTH, PRESENT, SIGN, WAY_BACK)
