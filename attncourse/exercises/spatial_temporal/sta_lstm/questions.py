"""Exercises and quiz of the chapter on STA-LSTM.

The exercises that ask for code are in ``code.py`` and ``gradient.py`` beside this file.
"""

from __future__ import annotations

import torch

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial_temporal.sta_lstm.code import (
    BEFORE,
    CHAPTER,
    GATE_JOINTS,
)
from attncourse.exercises.spatial_temporal.sta_lstm.gradient import FRAME_GRADIENT
from attncourse.exercises.value import ValueExercise
from attncourse.spatial_temporal.sta_lstm.loss import joint_penalty

_JOINTS = 20


def _range() -> tuple[float, ...]:
    """The penalty of even gates and of gates on one joint, measured."""
    even = torch.full((1, 4, _JOINTS), 1 / _JOINTS, dtype=torch.float64)
    one = torch.zeros_like(even)
    one[..., 0] = 1
    return joint_penalty(even).item(), joint_penalty(one).item()


PENALTY_RANGE = ValueExercise(
    chapter=CHAPTER,
    name="penalty_range",
    title="Predict, then measure: what the penalty can reach",
    level=2,
    task="Give the least and the largest value of the penalty (11) for K = 20 joints, as a pair: "
    "`(least, largest)`.",
    hints=(
        "The mean gates aₖ of a clip are at least 0 and add up to 1. Which aₖ would make every "
        "(1 - aₖ)² zero, and can they be had?",
        "Use (12): the penalty is K - 2 + Σ aₖ². Only the sum of squares can change.",
        "Σ aₖ² is smallest when all aₖ are 1/K, and then it is 1/K. It is largest when one aₖ is "
        "1, and then it is 1.",
    ),
    explanation="The penalty moves by less than one in all: from 18.05 to 19. Its target is out of "
    "reach; what is left of it pulls towards even gates.",
    truth=_range,
    parts=("least value", "largest value"),
    low=-1.0,
    high=1000.0,
    unit="a sum of 20 squares",
    tolerance=Tolerance(relative=0.0, absolute=5e-3),
    misconceptions=(
        Misconception(
            "a target that is met",
            "Zero needs a mean gate of 1 for each of the 20 joints, 20 in all. A softmax has 1 to "
            "give.",
            (0.0, 19.0),
        ),
        Misconception(
            "gates that may all be shut",
            "20 would need all mean gates at 0, but they add up to 1. And zero is out of reach at "
            "the other end.",
            (0.0, 20.0),
        ),
        Misconception(
            "even gates and one joint changed places",
            "Both numbers are right, in the other order: even gates have the smallest sum of "
            "squares.",
            (19.0, 18.05),
        ),
        Misconception(
            "a sum of squares of zero",
            "K - 2 is 18, but Σ aₖ² cannot be zero when the aₖ add up to 1. What is the least?",
            (18.0, 19.0),
        ),
        Misconception(
            "the sum of squares alone",
            "These are the ends of Σ aₖ². By (12) the penalty is K - 2 more.",
            (0.05, 1.0),
        ),
        Misconception(
            "mean gates that need not add up to 1",
            "K - 2 + Σ aₖ² with sums of squares of 0 and 2: can aₖ that add up to 1 have these?",
            (18.0, 20.0),
        ),
        Misconception(
            "the range of the penalty on K times the gates",
            "This is what Σ (1 - K aₖ)² can reach. Equation (11) has no K inside.",
            (0.0, 380.0),
        ),
        Misconception(
            "a mean in place of the sum",
            "You divided by K. The penalty adds up over the joints.",
            (18.05 / 20, 19 / 20),
        ),
    ),
)

NORMALISER = TableExercise(
    chapter=CHAPTER,
    name="normaliser",
    title="Predict: ReLU or softmax over the frames?",
    level=2,
    task="Name for each property the frame gates that have it: `relu`, as in (4), and `softmax`, "
    "the same scores through a softmax over the frames. Both may have it, or neither: `()`.",
    hints=(
        "Write both down for a clip of three frames. What does the gate of the first frame need "
        "to know?",
        "The denominator of a softmax holds all frames, those to come too. A softmax is never "
        "exactly zero.",
        "Double all the scores in front. Which gates are doubled, and which only become more "
        "peaked? Where is the slope zero?",
    ),
    explanation="The ReLU keeps the gates causal and lets frames be shut out, and pays twice: a "
    "gate that is shut does not learn, and the total weight of a clip is free, so that it can grow "
    "only to make the network sound surer.",
    labels=("relu", "softmax"),
    truth={
        "known before later frames come": frozenset({"relu"}),
        "can be exactly zero": frozenset({"relu"}),
        "adds up to 1 over the clip": frozenset({"softmax"}),
        "gets a gradient at every frame": frozenset({"softmax"}),
        "can scale all scores of a clip up": frozenset({"relu"}),
        "sees what the main LSTM remembers": frozenset(),
    },
    misconceptions=(
        Misconception(
            "a softmax that does not look ahead",
            "Its denominator needs the scores of all frames, so no gate is known before the last "
            "frame.",
            ("known before later frames come", "softmax"),
        ),
        Misconception(
            "a ReLU that needs the whole clip",
            "Equation (4) uses frame t and the memory of those before it. Nothing else.",
            ("known before later frames come", "relu"),
        ),
        Misconception(
            "a softmax that reaches zero",
            "An exponential is positive. A frame can be faint, not shut.",
            ("can be exactly zero", "softmax"),
        ),
        Misconception(
            "frame gates taken for shares",
            "Nothing in (4) divides by a sum. Only the joint gates are normalised.",
            ("adds up to 1 over the clip", "relu"),
        ),
        Misconception(
            "a ReLU that always learns",
            "Where its input is negative, its slope is zero: a frame that is shut gets none.",
            ("gets a gradient at every frame", "relu"),
        ),
        Misconception(
            "a softmax that can be louder",
            "Its gates add up to 1, whatever the scores are. The mean of the zₜ can be shifted "
            "between frames, not blown up.",
            ("can scale all scores of a clip up", "softmax"),
        ),
        Misconception(
            "gates that read the main memory",
            "Both gates have an LSTM of their own, which reads the skeleton as it is. Some ports "
            "read the main one, which is another network.",
            ("sees what the main LSTM remembers", "relu"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "The scoring layer of the joint gate is all zero: U = 0 and b_U = 0. What does the "
            "main LSTM read?",
            (
                Option("Nothing: every joint is shut.",
                       "A softmax of equal scores is 1/K for every joint, not 0."),
                Option("The skeleton, divided by K.",
                       "That is so without the factor K. With it, even gates multiply by 1."),
                Option("The skeleton as it is.",
                       "Every gate is 1/K, and K times 1/K is 1: the network is a plain LSTM with "
                       "a frame gate.", right=True),
                Option("One joint, chosen at random.",
                       "Equal scores give equal gates."),
            ),
        ),
        Question(
            "You replace the last five frames of a clip by others. Which gates of the first frames "
            "change?",
            (
                Option("None.",
                       "Both gates of frame t are computed from frames 1 to t. They are causal.",
                       right=True),
                Option("The joint gates, because they are normalised.",
                       "They are normalised over the joints of one frame, not over time."),
                Option("The frame gates, because frames compete.",
                       "They do not compete: each is a ReLU of its own score."),
            ),
        ),
        Question(
            "All frame gates of a trained network are made larger by the same factor, and the "
            "training loss falls. What does the factor do?",
            (
                Option("It chooses the frames that matter.",
                       "A common factor prefers no frame."),
                Option("It sharpens the prediction: it scales all class scores of the clip.",
                       "β multiplies the scores, so its size works like an inverse temperature of "
                       "the softmax. This is not selection.", right=True),
                Option("It takes the penalty on β away.",
                       "The penalty grows with it. It does not say what the growth is good for."),
                Option("It opens gates that were shut.",
                       "A shut gate is 0, and 0 times any factor is 0."),
            ),
        ),
        Question(
            "You test a trained network with the frame gates of another clip, and the accuracy "
            "stays. What follows?",
            (
                Option("The frame gate is useless: leave it out of training.",
                       "It may have helped as one fixed profile of weights, or in training. The "
                       "test says only that it does not depend on the clip."),
                Option("What it does for the accuracy does not depend on the clip it looks at.",
                       "In testing, a fixed profile over time would do as well. Whether a network "
                       "trained with one ends as high is another question.", right=True),
                Option("All its gates are equal.",
                       "They may differ much between frames, as long as they do so in the same way "
                       "in every clip."),
                Option("The two clips were of the same class.",
                       "Over hundreds of clips dealt at random most are not."),
            ),
        ),
        Question(
            "Averaged over the frames, the frame gate alone beats a plain LSTM. Added up over the "
            "frames, the two do about as well as each other. What may the frame gate have added "
            "to the average, if one account is to fit both results?",
            (
                Option("A choice of the frame in which the hand moves.",
                       "It should then help with the sum too. And in this chapter it does not rise "
                       "at the move."),
                Option("Louder scores: it gave part of the divisor T back.",
                       "A gate that grows in all frames does what the sum does by itself.",
                       right=True),
                Option("Parameters.",
                       "It has as many of them with the sum, and does not win there."),
                Option("Nothing: the gain was an accident of the seeds.",
                       "It may well be repeated with every seed, and still belong to the divisor."),
            ),
        ),
        Question(
            "What does the penalty (11) ask for, and what does it do?",
            (
                Option("It asks for gates of 1, which a softmax with K > 1 joints cannot have on "
                       "average; what is left of it is the sum of squares of the mean gates.",
                       "By (12) the rest is a constant. The sum of squares pulls towards even mean "
                       "gates.", right=True),
                Option("It asks for a sum of 1, which a softmax has anyway, so it is constant.",
                       "It asks a mean gate of 1 of every joint, and goes from (K-1)²/K to K - 1."),
                Option("Its gradient is zero wherever the target is out of reach.",
                       "The gradient is that of the sum of squares, and with scores that are "
                       "finite it is zero at even mean gates alone."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GATE_JOINTS, BEFORE, PENALTY_RANGE, FRAME_GRADIENT, NORMALISER)
