"""Exercises and quiz of the chapter on STC-Net.

The exercises that ask for code are in ``code.py`` beside this file.
"""

from __future__ import annotations

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial_temporal.channel_correlation.code import (
    CHAPTER,
    MASK,
    SCORE_GRADIENT,
)
from attncourse.exercises.value import ValueExercise

#: The profile and the kernel of exercise 3.
_PROFILE, _KERNEL = (2.0, 3.0, 5.0, 10.0), (-1.0, 0.0, 1.0)


def heard_at_the_ends() -> tuple[float, float, float]:
    """The mean of a linear convolution over time: of the profile, of its reverse, on a ring."""

    def heard(profile: tuple[float, ...], ring: bool = False) -> float:
        frames, total = len(profile), 0.0
        for t in range(frames):
            for k, tap in enumerate(_KERNEL):
                s = t + k - 1
                if ring or 0 <= s < frames:
                    total += tap * profile[s % frames]
        return total / frames

    return heard(_PROFILE), heard(_PROFILE[::-1]), heard(_PROFILE, ring=True)


def contrasts() -> tuple[float, float]:
    """Ratio of the masks at p = 1/2, and the p at which the ratio is 11, for q = 1 against 0."""
    return (0.5 + 1) / (0.5 + 0), 1 / (11 - 1)


ENDS = ValueExercise(
    chapter=CHAPTER,
    name="ends",
    title="Hear the ends",
    level=2,
    task="A channel's profile is 2, 3, 5, 10. It is convolved with the taps (-1, 0, 1), with zeros "
    "outside, and the four results are averaged. Give what comes out; what comes out of the "
    "reversed profile; and what comes out of the first one on a ring, where frame 4 stands before "
    "frame 1. Tap 0 takes the frame before.",
    hints=(
        "Write down the four results: the first one is 3, as nothing stands before frame 1.",
        "Add them up and look which frames occur once, and which occur twice with opposite signs.",
        "The sum is the last frame less the first. Divide by 4; and on a ring no frame is last.",
    ),
    explanation="Every inner frame is added once and taken away once. What is left are the ends: a "
    "linear layer and a mean hear rising from falling only because the clip ends somewhere.",
    truth=heard_at_the_ends,
    parts=("the profile", "its reverse", "on a ring"),
    low=-20.0,
    high=20.0,
    unit="a mean of differences of brightness",
    tolerance=Tolerance(relative=0.0, absolute=6e-3),
    misconceptions=(
        Misconception(
            "a sum in place of the mean",
            "These are the sums. Divide them by the four frames.",
            (8.0, -8.0, 0.0),
        ),
        Misconception(
            "a mean that hears no ends",
            "The taps add up to 0, but the sum over time does not vanish: with zeros outside, the "
            "first and the last frame lack a neighbour to cancel them.",
            (0.0, 0.0, 0.0),
        ),
        Misconception(
            "a ring that has ends",
            "On a ring every frame is taken once by the tap -1 and once by the tap 1.",
            (2.0, -2.0, 2.0),
        ),
        Misconception(
            "taps that run backwards",
            "Tap 0 takes the frame before, with -1; tap 2 takes the frame after, with 1.",
            (-2.0, 2.0, 0.0),
        ),
        Misconception(
            "a reverse that sounds alike",
            "In the reversed profile first and last are exchanged, and the sign with them.",
            (2.0, 2.0, 0.0),
        ),
        Misconception(
            "a mean over the differences inside",
            "All four results count, also the first and the last, which have one neighbour only.",
            (2.5, -2.5, 0.0),
        ),
    ),
)

CONTRAST = ValueExercise(
    chapter=CHAPTER,
    name="contrast",
    title="Count the contrast",
    level=2,
    task="The branch with time is sure: q is 1 for the channel that counts and 0 for the other. "
    "The branch without time gives both the same p. Give the ratio of the two numbers of the mask "
    "for p = 1/2, and the p for which it is 11.",
    hints=(
        "The mask is (p + q) / 2, for each of the two channels.",
        "The two halves cancel in the ratio: (p + 1) / (p + 0).",
        "Solve 1 + 1/p = 11.",
    ),
    explanation="A gate that does not know holds the door half open. The contrast is 1 + 1/p: it "
    "is large only if the branch without time shuts both channels.",
    truth=contrasts,
    parts=("ratio at p = 1/2", "p for a ratio of 11"),
    low=0.0,
    high=100.0,
    unit="a positive number",
    tolerance=Tolerance(relative=0.0, absolute=2e-3),
    misconceptions=(
        Misconception(
            "a difference in place of a ratio",
            "0.75 less 0.25 is 0.5, the difference. Asked is the ratio, 0.75 over 0.25.",
            (0.5, 0.1),
        ),
        Misconception(
            "the open channel's own gate",
            "The ratio is (p + 1) / p, with the 1 of q in it, not 1 / p.",
            (2.0, 1 / 11),
        ),
        Misconception(
            "the inverse of p",
            "1 + 1/p = 11 gives 1/p = 10. Asked is p itself.",
            (3.0, 10.0),
        ),
        Misconception(
            "one over the ratio",
            "The ratio is 1 + 1/p, not 1/p: take 1 off before you invert.",
            (3.0, 1 / 11),
        ),
        Misconception(
            "the ratio upside down",
            "Asked is how much larger the channel that counts comes out: 0.75 over 0.25.",
            (1 / 3, 0.1),
        ),
        Misconception(
            "the mask of the open channel",
            "0.75 is the mask of the channel that counts. The other one has 0.25: divide.",
            (0.75, 0.1),
        ),
    ),
)

HEARS = TableExercise(
    chapter=CHAPTER,
    name="hears",
    title="Which squeeze hears what?",
    level=2,
    task="Clips have 8 frames. For each squeeze of the profiles say which change of a clip it can "
    "notice for some choice of its weights: that the frames run `reversed`, that they are "
    '`shuffled` in some other order, both as `("reversed", "shuffled")`, or neither as `()`.',
    hints=(
        "Ask of each squeeze whether its sum over time would come out the same.",
        "A mean over time of something that is found for each frame by itself does not know the "
        "order. A linear layer before a mean can be taken out of it, up to the ends.",
        "A mirrored kernel, such as (1, 2, 1), gives the reversed clip the reversed result. Which "
        "of the two changes survives a mean?",
    ),
    explanation="Order is heard through weights that belong to frames, through the ends of the "
    "clip, or through a ReLU over neighbours. A mirrored kernel on a ring hears who is whose "
    "neighbour and not who comes first.",
    labels=("reversed", "shuffled"),
    truth={
        "mean over time": frozenset(),
        "one weight a frame, sum": frozenset({"reversed", "shuffled"}),
        "layer over channels, ReLU, mean": frozenset(),
        "linear convolution on a ring, mean": frozenset(),
        "linear convolution, zeros outside, mean": frozenset({"reversed", "shuffled"}),
        "mirrored kernel on a ring, ReLU, mean": frozenset({"shuffled"}),
    },
    misconceptions=(
        Misconception(
            "a mean that knows the order",
            "A sum does not care in which order its terms come.",
            ("mean over time", "reversed"),
        ),
        Misconception(
            "a mean that knows a shuffle",
            "A sum does not care in which order its terms come.",
            ("mean over time", "shuffled"),
        ),
        Misconception(
            "weights that do not hear a reverse",
            "Take a ramp for the weights: a channel that rises gives a larger sum than one that "
            "falls.",
            ("one weight a frame, sum", "reversed"),
        ),
        Misconception(
            "weights that do not hear a shuffle",
            "Each frame has a weight of its own. Moved, it meets another one.",
            ("one weight a frame, sum", "shuffled"),
        ),
        Misconception(
            "a ReLU that brings time in",
            "The layer sees one frame at a time, and the mean forgets which it was. The ReLU lets "
            "it hear how channels go together, in no order.",
            ("layer over channels, ReLU, mean", "reversed"),
        ),
        Misconception(
            "a ReLU that hears a shuffle",
            "The layer sees one frame at a time, and the mean forgets which it was. Shuffled "
            "alike, all channels keep what they have in common.",
            ("layer over channels, ReLU, mean", "shuffled"),
        ),
        Misconception(
            "a linear layer under a mean",
            "On a ring each frame meets each tap once: the mean is the sum of the taps times the "
            "mean of the profile.",
            ("linear convolution on a ring, mean", "reversed"),
        ),
        Misconception(
            "neighbours under a mean",
            "On a ring each frame meets each tap once, whoever its neighbours are.",
            ("linear convolution on a ring, mean", "shuffled"),
        ),
        Misconception(
            "ends that are not heard",
            "The first and the last frame lack a neighbour, and miss a tap: the mean hears which "
            "frames stand there.",
            ("linear convolution, zeros outside, mean", "reversed"),
        ),
        Misconception(
            "ends that a shuffle keeps",
            "A shuffle may put other frames at the ends, and these miss a tap.",
            ("linear convolution, zeros outside, mean", "shuffled"),
        ),
        Misconception(
            "a mirrored kernel that hears a reverse",
            "A kernel equal to its mirror image gives the reversed clip the reversed result, and "
            "the mean does not see that.",
            ("mirrored kernel on a ring, ReLU, mean", "reversed"),
        ),
        Misconception(
            "neighbours behind a ReLU",
            "A shuffle gives frames other neighbours, and a ReLU keeps the sums of neighbours from "
            "adding up to the same.",
            ("mirrored kernel on a ring, ReLU, mean", "shuffled"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Which branch of the block hears in which order the frames come?",
            (
                Option("The temporal correlation branch, as its name says.",
                       "Its squeeze is a mean over time, too: any order gives the same gates."),
                Option("The spatial correlation branch.",
                       "It pools positions and keeps time: it reads a number for every channel of "
                       "every frame.", right=True),
                Option("Both, each in its way.",
                       "The mean over time cannot know the order, whatever stands behind it."),
            ),
        ),
        Question(
            "A channel rises in the first half of a clip and falls in the second. In which frames "
            "can the block close it?",
            (
                Option("In the second half.",
                       "The mask has one number for a channel, and every frame gets it."),
                Option("In all or in none.",
                       "Time enters through how the mask is computed; the mask itself has no time.",
                       right=True),
                Option("In single frames, since one branch keeps time.",
                       "That branch reads the frames, and writes one gate for each channel."),
            ),
        ),
        Question(
            "In all five recorded seeds the branch with time alone is right in more clips of "
            "rising than STC. What does the mean with p do to its mask?",
            (
                Option("It adds the same p to both channels, which lowers their ratio.",
                       "A p that does not know which channel counts holds both partly open: the "
                       "ratio stays below 1 + 1/p, until training shuts p.", right=True),
                Option("It halves what q can change in the mask, and that is what costs.",
                       "It halves it, and that alone is harmless: with the mask q/2 the network is "
                       "as good as with q. A common factor leaves the ratio as it was."),
                Option("It keeps the branch with time from learning at all.",
                       "Half of the gradient still reaches it, and it learns."),
            ),
        ),
        Question(
            "Could the branch with time do what the other one does?",
            (
                Option("No: it never sees the mean over time.",
                       "A mean is a sum with equal weights, and its first layer can have these."),
                Option("Only if it had as many layers more.",
                       "One layer is enough for a mean."),
                Option("Yes: with the weights of W₁ / T in all columns of a channel, and spare "
                       "units at rest.",
                       "Then V₁ vec(z) = W₁ z̄. It has T times as many units, more than enough.",
                       right=True),
            ),
        ),
        Question(
            "A network for clips of 8 frames is to read clips of 16. What happens in its blocks?",
            (
                Option("The branch without time takes them, the other one does not.",
                       "V₁ has a column for every channel of every frame. The package refuses the "
                       "clip by name.", right=True),
                Option("Both take them: time is pooled away in the end.",
                       "Only one branch pools it; the other has weights that belong to frames."),
                Option("Neither takes them.",
                       "A mean over time takes any length."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (MASK, SCORE_GRADIENT, ENDS, CONTRAST, HEARS)
