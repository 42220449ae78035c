"""Exercises and quiz of the chapter on Highway and SKNet.

The exercises that ask for code are in ``code.py`` and
``highway.py`` beside this file.
"""

from __future__ import annotations

import math

from attncourse.branch.selective_kernel.cost import hidden_width, parameter_count
from attncourse.exercises.branch.selective_kernel.code import CHAPTER, SCORE_GRADIENT, SELECT
from attncourse.exercises.branch.selective_kernel.highway import HIGHWAY
from attncourse.exercises.choice import Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

_LAYERS = 50
#: SKNet-50: width of the branches in each stage, and how many blocks it has.
_STAGES = ((128, 3), (256, 4), (512, 6), (1024, 3))


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


GATE_BIAS = ValueExercise(
    chapter=CHAPTER,
    name="gate_bias",
    title="How negative is negative enough?",
    level=2,
    task=f"Give the gate bias, to two decimals, at which a constant gate lets one half of a "
    f"gradient through the carries of {_LAYERS} layers.",
    hints=(
        "Each layer carries the share 1 - σ(b). What is left after 50 of them?",
        "(1 - σ(b))⁵⁰ = 1/2, so one layer carries q = 2^(-1/50), which is close to 1.",
        "σ(b) = 1 - q turns into b = ln((1 - q) / q).",
    ),
    explanation="At twice the depth the same gain asks for a bias lower by about ln 2.",
    truth=lambda: _logit(1 - 2 ** (-1 / _LAYERS)),
    low=-20.0,
    high=20.0,
    unit="a bias",
    tolerance=Tolerance(relative=0.0, absolute=0.005),
    misconceptions=(
        Misconception(
            "the share that is transformed, taken for the one that is carried",
            "σ(b) is the share of the transformed branch, 1 - σ(b) that of x. The sign turns.",
            _logit(2 ** (-1 / _LAYERS)),
        ),
        Misconception(
            "the bias for a single layer",
            "σ(0) = 1/2 halves the gradient in each layer; after 50 of them 10⁻¹⁵ is left.",
            0.0,
        ),
        Misconception(
            "fifty shares that add up",
            "50 σ(b) = 1/2 adds up what is lost. What is carried multiplies: the 50th power.",
            _logit(0.5 / _LAYERS),
        ),
        Misconception(
            "a logarithm to the base 10",
            "The sigmoid is built from e, so its inverse takes the natural logarithm.",
            _logit(1 - 2 ** (-1 / _LAYERS)) / math.log(10),
        ),
        Misconception(
            "the carried share in place of the bias",
            "This is q = 2^(-1/50), the share that one layer carries. Which b gives it?",
            2 ** (-1 / _LAYERS),
        ),
        Misconception(
            "the transformed share in place of the bias",
            "This is 1 - q, the share that one layer transforms, or close to it. Which b gives it?",
            1 - 2 ** (-1 / _LAYERS),
            also=(0.5 / _LAYERS, 1 / _LAYERS),
        ),
        Misconception(
            "the logarithm of a share",
            "σ(b) = 1 - q has the solution b = ln((1 - q) / q). You leave out the q below, or take "
            "the logarithm of another share.",
            math.log(1 - 2 ** (-1 / _LAYERS)),
            also=(math.log(0.5 / _LAYERS), -math.log(_LAYERS)),
        ),
        Misconception(
            "half of the layers",
            "The product runs over all 50 layers, and half of the gradient is left at its end.",
            _logit(1 - 2 ** (-2 / _LAYERS)),
        ),
    ),
)


def _selection(channels: int) -> int:
    """Learned numbers of one block's selection."""
    branches = 2 * (9 * channels * channels // 32 + 2 * channels)
    return parameter_count(channels) - branches


def _total() -> int:
    return sum(n * _selection(c) for c, n in _STAGES)


SELECTION_COUNT = ValueExercise(
    chapter=CHAPTER,
    name="selection_count",
    title="Predict, then count: the selections of SKNet-50",
    level=2,
    task="Give the number of learned numbers in the 16 selections of SKNet-50: W, its "
    "normalisation and both A_m of every block, the branches not counted.",
    hints=(
        "One selection has C d weights in W, 2 d in the normalisation and 2 C d in A₁ and A₂.",
        "The branches are C = 128, 256, 512 and 1024 channels wide, in 3, 4, 6 and 3 blocks, and "
        "d = max(C/16, 32).",
        "d is 32, 32, 32 and 64. Sum n (3 C d + 2 d) over the four stages.",
    ),
    explanation="About 4 % of the network's 27.5 million: the selection is cheap, the second "
    "branch is what one pays for.",
    truth=_total,
    low=1e4,
    high=1e8,
    unit="a count of learned numbers",
    tolerance=Tolerance(relative=0.0, absolute=0.5),
    misconceptions=(
        Misconception(
            "no normalisation",
            "The hidden units are normalised: a scale and a shift for each of them, 2 d a block.",
            float(_total() - sum(n * 2 * hidden_width(c) for c, n in _STAGES)),
        ),
        Misconception(
            "no least width",
            "C/16 is 8 in the first stage, but d never falls below 32.",
            float(sum(n * (3 * c + 2) * (c // 16) for c, n in _STAGES)),
        ),
        Misconception(
            "two matrices in place of three",
            "A selection holds three matrices of C d numbers: W, and an A_m for each of the two "
            "branches.",
            float(_total() - sum(n * c * hidden_width(c) for c, n in _STAGES)),
        ),
        Misconception(
            "the width of the blocks' outputs",
            "Outputs are 256 to 2048 wide. The selection stands between the two 1x1 convolutions, "
            "where the width is half of that.",
            float(sum(n * _selection(2 * c) for c, n in _STAGES)),
        ),
        Misconception(
            "a hidden width of 32 everywhere",
            "32 is the least value of d. In the last stage C/16 is 64.",
            float(sum(n * (3 * c + 2) * 32 for c, n in _STAGES)),
        ),
        Misconception(
            "biases in the score matrices",
            "A₁ and A₂ are matrices without biases, as (7) has them.",
            float(_total() + sum(n * 2 * c for c, n in _STAGES)),
            also=(float(_total() + sum(n * (2 * c + hidden_width(c)) for c, n in _STAGES)),),
        ),
        Misconception(
            "a bias beside the normalisation's shift",
            "W has no bias: the normalisation brings the shift.",
            float(_total() + sum(n * hidden_width(c) for c, n in _STAGES)),
        ),
        Misconception(
            "one number for each hidden unit in the normalisation",
            "A normalisation learns two numbers for each unit, a scale and a shift.",
            float(_total() - sum(n * hidden_width(c) for c, n in _STAGES)),
        ),
        Misconception(
            "running averages that are counted",
            "The running mean and variance of a normalisation are kept, and not learned.",
            float(_total() + sum(n * 2 * hidden_width(c) for c, n in _STAGES)),
        ),
        Misconception(
            "one block a stage",
            "The formula is right. The stages have 3, 4, 6 and 3 blocks.",
            float(sum(_selection(c) for c, _ in _STAGES)),
        ),
        Misconception(
            "a count that holds the branches",
            "The two convolutions of each block, with their normalisations, are not part of the "
            "selection.",
            float(sum(n * parameter_count(c) for c, n in _STAGES)),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Both score matrices of a trained block get the same matrix added to them. What "
            "happens to y?",
            (
                Option("It grows, since all scores change.",
                       "Scores are not weights. A softmax over the branches sees only how the "
                       "scores of one channel differ."),
                Option("It moves towards the mean of the branches.",
                       "That happens when the differences shrink, and here they stay."),
                Option("Nothing.",
                       "Each channel's scores move by the same amount in both branches, and a "
                       "softmax over branches does not see a common shift.", right=True),
            ),
        ),
        Question(
            "Fifty layers with a constant gate at σ(-4) come close to Highway layers with a bias "
            "of -4, and so do fifty plain layers that start as the identity. What does this say?",
            (
                Option("A gate that looks at x is not what trains these fifty layers.",
                       "Neither control has one, and both train.", right=True),
                Option("It is the way around the layers that trains them.",
                       "Plain layers have no way around, and train if they start as the identity."),
                Option("Gates that look at the input are of no use.",
                       "One task and one size cannot say that. They say what this experiment does "
                       "not need."),
                Option("The learned gates have collapsed to a constant.",
                       "Equal accuracy does not make equal gates. To know, look at T."),
            ),
        ),
        Question(
            "A learned share for each channel and branch, the same for every image, takes the "
            "place of the selection. What can the block do that plain addition cannot?",
            (
                Option("Prefer the larger kernel where it works better.",
                       "The normalisation of each branch has a scale for each channel, which does "
                       "just that before the addition."),
                Option("Nothing: the share can be folded into the branch's normalisation.",
                       "a δ(γv + β) = δ(aγv + aβ) for a > 0. What a selection adds, it adds by "
                       "looking.", right=True),
                Option("Shut a branch off.",
                       "A scale and a shift of zero shut it off as well."),
            ),
        ),
        Question(
            "A trained selective kernel gives the larger kernel more weight for a digit of 20 "
            "pixels than for the same digit at 8 pixels. What may you conclude?",
            (
                Option("The selection measures the size of the object.",
                       "The larger digit also has more ink. In the chapter's networks copies of "
                       "the small digit, which keep the size and add ink, move the weight as "
                       "well."),
                Option("Where the weight crosses one half, a 3x3 kernel becomes too small.",
                       "The level differs from seed to seed: the scales of both branches are "
                       "learned and can move it at will."),
                Option("The weight follows something that differs between the two pictures. What "
                       "it is takes pictures in which one thing changes at a time.",
                       "Size and ink change together here, and the selection sees averages only.",
                       right=True),
                Option("Nothing, since weights differ from seed to seed.",
                       "Their level does. The rise is a comparison within one network, and its "
                       "direction is the same in all ten recorded seeds."),
            ),
        ),
        Question(
            "A 3x3 kernel of dilation 2 takes the place of a 5x5 kernel. What is the same?",
            (
                Option("The number of weights.", "There are 9 in place of 25."),
                Option("How far it reaches.",
                       "Both span five pixels. The dilated kernel sees 9 of the 25 positions.",
                       right=True),
                Option("Which functions it can compute.",
                       "A pattern on the positions that it skips is invisible to it."),
                Option("The multiply-adds.", "They follow the weights: 9 in place of 25."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (SELECT, HIGHWAY, GATE_BIAS, SCORE_GRADIENT, SELECTION_COUNT)
