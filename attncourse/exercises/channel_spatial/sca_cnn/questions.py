"""Exercises and quiz on SCA-CNN; those that ask for code are in ``code.py``."""

from __future__ import annotations

import torch

from attncourse.channel_spatial import SpatialChannelAttention
from attncourse.exercises.channel_spatial.sca_cnn.code import CHAPTER, PULL, TELL, WHAT
from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

CHANNELS, SIDE = 512, 7


def shrunk() -> tuple[float, float, float]:
    """By what a block without factors and with equal weights divides a map: S, C, and both."""
    found = []
    x = torch.ones(1, CHANNELS, SIDE, SIDE, dtype=torch.float64)
    for order in ("S", "C", "CS"):
        block = SpatialChannelAttention(CHANNELS, 2, 2, order=order, rescale=False).double()
        for scorer in (block.where, block.what):
            if scorer is not None:
                torch.nn.init.zeros_(scorer.score.weight)
        with torch.no_grad():
            found.append(1 / float(block(x).mean()))
    return found[0], found[1], found[2]


FACTORS = ValueExercise(
    chapter=CHAPTER,
    name="factors",
    title="Predict: what do the factors give back?",
    level=1,
    task="A map has 512 channels and 7 × 7 positions. All scores are equal, and the factors N and "
    "C are left out. Say by what every value of the map is divided: in S alone, in C alone, "
    "and in C-S.",
    hints=(
        "Equal weights that add up to 1 over m things are 1/m each.",
        "S alone weighs 49 positions, C alone 512 channels.",
        "One after the other they divide by the product.",
    ),
    explanation="A block of both divides by 25,088 where nothing is preferred. The authors' code "
    "multiplies by it, and equal weights leave the map as it is.",
    truth=shrunk,
    parts=("S alone", "C alone", "C-S"),
    low=1.0,
    high=1e6,
    unit="a divisor",
    tolerance=Tolerance(relative=0.0, absolute=0.5),
    misconceptions=(
        Misconception(
            "added up",
            "One division follows the other: the divisors multiply, and are not added.",
            (49.0, 512.0, 561.0),
        ),
        Misconception(
            "exchanged",
            "S weighs the positions, which are 49, and C the channels, which are 512.",
            (512.0, 49.0, 25_088.0),
        ),
        Misconception(
            "one side alone",
            "A map of 7 × 7 has 49 positions.",
            (7.0, 512.0, 3_584.0),
        ),
    ),
)

MOVES = TableExercise(
    chapter=CHAPTER,
    name="moves",
    title="Predict: which weights move?",
    level=2,
    task="Two blocks with the same random weights, one in each order, look at the same map. Name "
    "for each change all weights that it moves, as a list of these labels: α of S-C, β of S-C, "
    "α of C-S, β of C-S. A change that moves none gets `()`.",
    hints=(
        "Which of the two looks first, and at what does the second one look?",
        "A channel scorer that looks first sees means of the map as it came in. One that looks "
        "second sees sums under α.",
        "A softmax does not notice a number that is added to all scores.",
    ),
    explanation="Who looks second hears all that the first one hears. Who looks first does not "
    "hear the second, and means of whole channels do not tell where a value stands.",
    labels=("α of S-C", "β of S-C", "α of C-S", "β of C-S"),
    truth={
        "ask another question": frozenset({"α of S-C", "β of S-C", "α of C-S", "β of C-S"}),
        "shuffle the positions, all channels alike": frozenset({"α of S-C", "α of C-S"}),
        "exchange two values of one channel": frozenset({"α of S-C", "β of S-C", "α of C-S"}),
        "add 7 to every score of the positions": frozenset(),
        "double w_α": frozenset({"α of S-C", "β of S-C", "α of C-S"}),
        "double w_β": frozenset({"β of S-C", "α of C-S", "β of C-S"}),
    },
    misconceptions=(
        Misconception(
            "a mean that knows places",
            "In C-S the channels are scored first, by their means, and exchanging two values of a "
            "channel leaves its mean.",
            ("exchange two values of one channel", "β of C-S"),
        ),
        Misconception(
            "channels that hear a shuffle",
            "α moves along with the positions, so that sums under α stay, and plain means do.",
            ("shuffle the positions, all channels alike", "β of S-C"),
            (("shuffle the positions, all channels alike", "β of C-S"),),
        ),
        Misconception(
            "a constant that is noticed",
            "A factor e⁷ stands above and below the fraction of the softmax.",
            ("add 7 to every score of the positions", "α of S-C"),
            (("add 7 to every score of the positions", "α of C-S"),),
        ),
        Misconception(
            "a first one that hears the second",
            "In S-C the positions are scored before the channels are: w_β comes too late for α.",
            ("double w_β", "α of S-C"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Two channels have different maps and the same mean. What does the channel attention "
            "of C-S, which looks first, say of them?",
            (
                Option("It gives both the same weight, whatever is asked.",
                       "A score is one curve at the channel's mean, and nothing tells the channels "
                       "apart but that mean. S-C can tell these two apart: its scorer sees sums "
                       "under α.", right=True),
                Option("It depends on the question, which can name one of them.",
                       "The question moves the curve for all channels alike. To name one channel, "
                       "a scorer needs a row of weights for each."),
                Option("It gives more to the one with the larger peak.",
                       "Peaks are seen by CBAM's maximum. Here means alone count."),
            ),
        ),
        Question(
            "A block with equal scores and without the factors N and C stands before a pretrained "
            "layer. What does that layer see?",
            (
                Option("The map as it was.",
                       "That is so with the factors: then equal weights are ones."),
                Option("A map that is smaller by N times C.",
                       "Shares of one: each position has 1/N, each channel 1/C.", right=True),
                Option("A map whose channels add up to one.",
                       "The weights add up to one, and not what they weigh."),
            ),
        ),
        Question(
            "In the order S-C, what does the channel attention look at?",
            (
                Option("The plain means of the channels.",
                       "That is so in C-S, where it looks first."),
                Option("The values at the largest weight.",
                       "The weights are soft: all positions count, by their shares."),
                Option("Sums over the positions under the weights α.",
                       "The mean of N α x is the sum under α: the context of soft attention.",
                       right=True),
            ),
        ),
        Question(
            "Somebody who knows only the colour is right in 62.5 % of all cases at best. S alone "
            "stays near that for 400 steps. Why is the number no strict bound for S alone?",
            (
                Option("Its weights may depend on the attribute as well as on the colour.",
                       "The whole question reaches the scorer, and with more steps it gets past "
                       "the number.", right=True),
                Option("Because 4,000 test images are too few.",
                       "The number was counted, and not measured on images."),
                Option("It is one: positions cannot tell shapes from textures.",
                       "A scorer that is asked for the attribute can weigh positions in another "
                       "way for each."),
            ),
        ),
        Question(
            "FiLM scales and shifts channels by the question, and weighs no position. It solves "
            "the task in as many steps. What does that refute?",
            (
                Option("That the question has to reach the channels.",
                       "It reaches them in FiLM: its factors are gates on channels that the "
                       "question sets, and they alone are right in 99.9 %."),
                Option("That positions must be weighed to answer such questions.",
                       "FiLM weighs none. What weights of positions add is a map that shows where "
                       "a network read, and not why it answers.", right=True),
                Option("Nothing, for FiLM has more parameters.",
                       "It has 6,872 here, against 6,916."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (WHAT, FACTORS, MOVES, TELL, PULL)
