"""Exercises and quiz of the chapter on FcaNet; those that ask for code are in ``code.py``."""

from __future__ import annotations

import math

from attncourse.exercises.channel.frequency_channel.code import CHAPTER, COEFFICIENT, SEEN
from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise


def factor(height: int, width: int, scale: str) -> float:
    """What the lowest coefficient is, in units of the mean."""
    return {"mean square 1": 1.0, "orthonormal": math.sqrt(height * width),
            "no constants": float(height * width)}[scale]  # fmt: skip


FACTORS = ValueExercise(
    chapter=CHAPTER,
    name="factors",
    title="How many times the mean?",
    level=2,
    task="Give the lowest coefficient of a map whose mean is 1, for three scales: the released "
    "code's at 56 × 56, the same at 7 × 7, and the paper's equation without constants at 7 × 7.",
    hints=(
        "With u = v = 0 every wave is a constant. Which one, and how many pixels are added up?",
        "The released waves have length 1 along each axis, so their constants are 1/√H and 1/√W. "
        "In the paper's equation the constant is 1.",
        "H W pixels of 1, times the constant: 56 · 56 / 56 for the first.",
    ),
    explanation="SE's gates get the mean at every size. In the released code the same two layers "
    "get 56 times the mean in the first stage of a ResNet on 224 × 224, and 7 times in the last.",
    truth=lambda: (
        factor(56, 56, "orthonormal"), factor(7, 7, "orthonormal"), factor(7, 7, "no constants")
    ),
    parts=("released, 56 × 56", "released, 7 × 7", "no constants, 7 × 7"),
    low=0.0,
    unit="a factor of the mean",
    misconceptions=(
        Misconception(
            "all pixels counted in the released scale",
            "The sum of all pixels is H W times the mean. The released waves have length 1, so it "
            "is divided by √(H W).",
            (56.0 * 56, 49.0, 49.0),
        ),
        Misconception(
            "the mean itself in the released scale",
            "That is the scale of this package. The released waves have length 1, not mean "
            "square 1.",
            (1.0, 1.0, 49.0),
        ),
        Misconception(
            "one axis alone in the released scale",
            "There is a wave down and a wave across, each with a factor of 1/√size: √56 · √56.",
            (math.sqrt(56.0), math.sqrt(7.0), 49.0),
        ),
        Misconception(
            "a root in the equation without constants",
            "Without constants the filter is 1 everywhere, and 49 pixels add up.",
            (56.0, 7.0, 7.0),
        ),
        Misconception(
            "a mean in the equation without constants",
            "That equation is a sum, not a mean.",
            (56.0, 7.0, 1.0),
        ),
        Misconception(
            "the index scaled with the map",
            "The index is multiplied by 8 at 56 × 56, but 8 · 0 is 0: the lowest wave stays "
            "constant, and only the number of pixels counts.",
            (8.0, 1.0, 49.0),
        ),
    ),
)  # fmt: skip

_MIRROR, _UPSIDE, _TURN = "mirror", "upside down", "half turn"

FLIPS = TableExercise(
    chapter=CHAPTER,
    name="flips",
    title="Predict, then measure: which coefficients survive a flip?",
    level=2,
    task="For each pair (u, v) name the changes of a map that turn the coefficient's sign, among "
    "mirror (left to right), upside down, and half turn (both). A pair that none turns gets `()`.",
    hints=(
        "Draw the wave of number 1: it falls from one end to the other. What does a mirror make of "
        "it, and what of the wave of number 2?",
        "At the place h - 1 - i the cosine of number u is (-1)^u times that at i.",
        "A mirror multiplies by (-1)^v, upside down by (-1)^u, a half turn by both.",
    ),
    explanation="All of it is about a map that is mirrored. Where an image is mirrored, its "
    "feature map follows only behind kernels that are symmetric themselves.",
    labels=(_MIRROR, _UPSIDE, _TURN),
    truth={
        "(0, 0)": frozenset(),
        "(0, 1)": frozenset({_MIRROR, _TURN}),
        "(1, 0)": frozenset({_UPSIDE, _TURN}),
        "(1, 1)": frozenset({_MIRROR, _UPSIDE}),
        "(2, 2)": frozenset(),
        "(3, 2)": frozenset({_UPSIDE, _TURN}),
    },
    misconceptions=(
        Misconception(
            "a mean that minds flips",
            "(0, 0) is the mean: it stays whatever is moved.",
            ("(0, 0)", _MIRROR),
        ),
        Misconception(
            "down and across exchanged",
            "v counts half waves across, and a mirror exchanges left and right: (0, 1) turns.",
            ("(0, 1)", _MIRROR),
        ),
        Misconception(
            "rows that a mirror moves",
            "A mirror keeps every pixel in its row, so the wave down is met as before.",
            ("(1, 0)", _MIRROR),
        ),
        Misconception(
            "two changes of sign that do not cancel",
            "A half turn multiplies (1, 1) by -1 twice: the sign is back.",
            ("(1, 1)", _TURN),
        ),
        Misconception(
            "an even wave that turns",
            "The wave of number 2 goes down and up again: it is its own mirror image.",
            ("(2, 2)", _MIRROR),
        ),
        Misconception(
            "a half turn that changes nothing",
            "In (3, 2) the wave down is odd and the wave across is even: one change of sign.",
            ("(3, 2)", _TURN),
        ),
    ),
)


def mirrored(classes: int = 10) -> float:
    """Share of right answers when a perfect reader is told the wrong digit of two."""
    return 1 / classes


MIRRORED_CUE = ValueExercise(
    chapter=CHAPTER,
    name="mirrored_cue",
    title="Predict, then measure: the cue in a mirror",
    level=2,
    task="A network answers the dct row without a mistake. You mirror the cue, and leave the "
    "digits alone. Give the share of answers that are right now.",
    hints=(
        "What happens to the coefficient (0, 1) in the mirror, and which digit does the network "
        "then name?",
        "It names the other digit of the pair. When is that right all the same?",
        "Both digits are drawn from ten classes, each as often as the others.",
    ),
    explanation="It is far below the level without the cue: the network is not blind, it reads the "
    "opposite. SE sees the mean alone, which a mirror keeps: its answers would not change.",
    truth=mirrored,
    low=0.0,
    high=1.0,
    unit="a share (per cent divided by 100)",
    tolerance=Tolerance(relative=0.0, absolute=0.02),
    misconceptions=(
        Misconception(
            "a cue that a mirror leaves alone",
            "That holds for a mean, and so for SE. The wave (0, 1) is odd: its sign turns.",
            1.0,
        ),
        Misconception(
            "a network that loses the cue",
            "55 % is right without any cue. Here there is one, and it says the opposite.",
            0.55,
        ),
        Misconception(
            "a coin",
            "The network does not toss a coin: it follows a cue that says the opposite.",
            0.5,
        ),
        Misconception(
            "no answer that is right",
            "The network names the other digit. In some pairs that is the same one.",
            0.0,
        ),
        Misconception(
            "the share that is wrong",
            "This is the share of pairs with two different digits: those are wrong now.",
            0.9,
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "All groups of FcaNet get the frequency (0, 0). What is the block?",
            (
                Option("The identity: a constant filter changes nothing.",
                       "The filter does not stand in the way of x. It decides what the gates see."),
                Option("SE, up to a factor in front of the first layer.",
                       "The coefficient is the mean, times √(HW) if the waves are orthonormal, and "
                       "the first layer can hold the factor.", right=True),
                Option("A static gate: every channel gives the same number.",
                       "Every channel gives its own mean, and it differs from image to image."),
            ),
        ),
        Question(
            "A released layer is built for maps of 4 × 4, with sixteen frequencies. What happens?",
            (
                Option("It raises an error, since 7 × 7 frequencies do not fit.",
                       "Nothing is raised: 4 // 7 is a valid whole number."),
                Option("Each index is 4 // 7 = 0 times itself: all filters are the mean.",
                       "The block turns into SE without an error.", right=True),
                Option("The frequencies above 3 are cut off, the others work.",
                       "This package moves those above 3 to 3. The released code multiplies all "
                       "of them by 0."),
            ),
        ),
        Question(
            "A cue shows in the coefficient (0, 1) of channel 5 alone. The group of channel 5 has "
            "the frequency (0, 2). Can the gates depend on the cue?",
            (
                Option("Yes: some other group has (0, 1).",
                       "That group applies it to its own channels, which do not hold the cue."),
                Option("Yes: (0, 2) is near enough to (0, 1).",
                       "Waves are orthogonal, so the coefficient (0, 2) does not change at all."),
                Option("No: each channel is seen through one wave only.",
                       "A convolution in front could copy the cue into channels of other groups; "
                       "this block alone cannot.", right=True),
            ),
        ),
        Question(
            "On the dct row, filters that are learned reach what FcaNet reaches. What remains of "
            "FcaNet's case there?",
            (
                Option("Nothing: learned filters are the same.",
                       "They cost a plane of weights for each channel."),
                Option("It needs no parameters for its filters, if the frequency is known.",
                       "The same numbers, without learning a plane for each channel; the price is "
                       "that somebody has to know the frequency.", right=True),
                Option("Its accuracy on faint cues.",
                       "There as well the learned filters come as near as the runs can tell."),
                Option("Cosines are the only filters that see the cue.",
                       "Step filters and random ones see it too, as far as they overlap with it."),
            ),
        ),
        Question(
            "A fixed filter is drawn at random on 64 pixels. Which share of the energy of a given "
            "pattern does it see, on average?",
            (
                Option("None: random directions are orthogonal.",
                       "Nearly, but not quite, and the network can amplify what is left."),
                Option("1/64",
                       "The squared cosines with 64 orthogonal directions add up to 1, and none "
                       "of them is preferred.", right=True),
                Option("1/8",
                       "This is about the size of the cosine itself; energy is its square."),
            ),
        ),
        Question(
            "You move a pattern sideways by a few pixels. Which coefficients change?",
            (
                Option("All, the mean among them.",
                       "The mean of the map stays, if nothing leaves it."),
                Option("Those with v > 0.",
                       "They say where along a row the pattern is high. Waves that only run down, "
                       "and the mean, do not notice.",
                       right=True),
                Option("None: convolutional features move along.",
                       "The features do, the waves do not: they are fixed to the map."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (COEFFICIENT, FACTORS, FLIPS, MIRRORED_CUE, SEEN)
