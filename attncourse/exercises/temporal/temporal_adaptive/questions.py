"""Exercises and quiz of the chapter on TAM.

The exercises that ask for code are in ``code.py`` beside this file.
"""

from __future__ import annotations

from collections import Counter

from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.temporal.temporal_adaptive.code import (
    AGGREGATE,
    CHAPTER,
    KERNEL_GRADIENT,
    KERNELS,
)
from attncourse.exercises.value import ValueExercise

#: The kinds of clip of the task, (direction, backwards), and what training leaves out.
_ALL = [(d, r) for d in range(4) for r in range(2)]
_LEFT_OUT = [(0, 1), (2, 0)]


def ceilings() -> tuple[float, float, float]:
    """The best that is left without a clue, counted over the six trained kinds and the two others.

    Returns:
        on the trained kinds, with the light and without the motion; on the trained kinds, with the
        motion and without the light; the same reader on the kinds left out.
    """
    trained = [kind for kind in _ALL if kind not in _LEFT_OUT]
    by_light = [Counter(d for d, r in trained if r == light) for light in (0, 1)]
    by_motion = {
        shown: Counter(d for d, r in trained if d ^ r == shown).most_common(1)[0]
        for shown in range(4)
    }
    new = sum(by_motion[d ^ r][0] == d for d, r in _LEFT_OUT)
    return (
        sum(max(seen.values()) for seen in by_light) / len(trained),
        sum(count for _, count in by_motion.values()) / len(trained),
        new / len(_LEFT_OUT),
    )


CEILINGS = ValueExercise(
    chapter=CHAPTER,
    name="ceilings",
    title="Count the ceilings",
    level=2,
    task="Give three accuracies as fractions: the best on the six trained kinds of clip for a "
    "network that sees the light and no motion; the best there for one that sees the motion and no "
    "light; and what the latter then reaches on the two kinds that training leaves out, (right, "
    "backwards) and (down, forwards).",
    hints=(
        "List the six kinds that are trained, each with its label and with what it seems to be: "
        "right or left, up or down.",
        "A fading light says *backwards*. How many labels are left, and how often does each occur?",
        "Whoever sees the motion alone has one answer for each motion that is seen. Where two "
        "trained kinds seem alike, half of them are right; where one is, all.",
    ),
    explanation="The light leaves three labels, each equally frequent: 1/3. The motion leaves two "
    "labels in two cases and one in the other two: (1 + 1 + 1 + 1)/6. A kind left out seems like a "
    "trained kind with another label, and gets that label: 0. The light rules out the right label, "
    "too: a fading one never went with right, a growing one never with down. So whoever adds up "
    "the clues scores 0 by construction, and not 1/4.",
    truth=ceilings,
    parts=("light, no motion", "motion, no light", "motion, on the kinds left out"),
    low=0.0,
    high=1.0,
    unit="a share (per cent divided by 100)",
    tolerance=Tolerance(relative=0.0, absolute=6e-3),
    misconceptions=(
        Misconception(
            "four equally likely labels",
            "Training leaves out a label for each light: three remain, not four.",
            (1 / 4, 2 / 3, 0.0),
        ),
        Misconception(
            "two answers for every motion",
            "That holds where all eight kinds are trained. With two left out, two of the four "
            "motions have one label only.",
            (1 / 3, 1 / 2, 0.0),
        ),
        Misconception(
            "chance on what is new",
            "On a kind left out the network does not guess: it names the label that this motion "
            "had in training, and that is always the wrong one.",
            (1 / 3, 2 / 3, 1 / 4),
        ),
        Misconception(
            "a coin on what is new",
            "On a kind left out the network does not toss a coin: what it sees had one label in "
            "training, and that is the wrong one.",
            (1 / 3, 2 / 3, 1 / 2),
        ),
        Misconception(
            "the rule taken for granted",
            "Whoever sees no light cannot know that the film runs backwards, and names the label "
            "that this motion had in training.",
            (1 / 3, 2 / 3, 1.0),
        ),
        Misconception(
            "the light's ceiling on what is new",
            "On a kind left out the motion decides, not a choice among three labels: what it seems "
            "to be had one label in training, and that is the wrong one.",
            (1 / 3, 2 / 3, 1 / 3),
        ),
    ),
)

READS = TableExercise(
    chapter=CHAPTER,
    name="reads",
    title="What does a decision depend on?",
    level=2,
    task="In eval mode, with a kernel of three taps: for each number name what it depends on "
    "beside its own channel and its own and the neighbouring frames: `far frames`, `other "
    'channels`, the two as `("far frames", "other channels")`, or none as `()`.',
    hints=(
        "Follow the axes: which layer sums over time, which over channels, and how far?",
        "W₁ reads a whole profile, of one channel. W_s reads three frames, of all channels.",
        "The output at a frame is a sum of three frames times gates times taps, so it depends on "
        "all that gates and taps depend on.",
    ),
    explanation="The gates are local in time and global over channels, the kernels global in time "
    "and local to a channel. The names of the branches speak of time.",
    labels=("far frames", "other channels"),
    truth={
        "a gate V": frozenset({"other channels"}),
        "a kernel Θ": frozenset({"far frames"}),
        "an output y": frozenset({"far frames", "other channels"}),
        "a fixed kernel's output": frozenset(),
    },
    misconceptions=(
        Misconception(
            "a gate that sees the clip",
            "The local branch reads three frames.",
            ("a gate V", "far frames"),
        ),
        Misconception(
            "gates of channels apart",
            "W_s is an ordinary convolution over time: it adds up all channels.",
            ("a gate V", "other channels"),
        ),
        Misconception(
            "a kernel that sees three frames",
            "W₁ has a column for every frame of the clip.",
            ("a kernel Θ", "far frames"),
        ),
        Misconception(
            "kernels that ask other channels",
            "The channels share W₁ and W₂, and each hands in its own profile. Channels do not meet "
            "there, once the normalisation has its statistics.",
            ("a kernel Θ", "other channels"),
        ),
        Misconception(
            "an output that forgets its gates",
            "Each output is a sum of frames times gates, and the gates read all channels.",
            ("an output y", "other channels"),
        ),
        Misconception(
            "an output that forgets its kernel",
            "The taps of the sum are made of the whole profile.",
            ("an output y", "far frames"),
        ),
        Misconception(
            "a fixed kernel that reaches far",
            "Its taps are the same for all clips, and it adds up three frames of one channel.",
            ("a fixed kernel's output", "far frames"),
        ),
        Misconception(
            "a fixed kernel that mixes channels",
            "Each channel has a kernel of its own, which adds up frames of that channel.",
            ("a fixed kernel's output", "other channels"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Θ = (1, 0, 0), and all gates are 1. What does the block do?",
            (
                Option("It takes the difference of two frames.",
                       "A difference needs taps of both signs, and these are positive."),
                Option("It shows every frame one step later.",
                       "Tap 0 brings the frame before: y_t = x_(t-1), and zeros come in at the "
                       "first frame.", right=True),
                Option("It keeps the first frame only.",
                       "The kernel is the same at every frame; it moves the whole clip."),
            ),
        ),
        Question(
            "Can the kernel of one channel sharpen a motion, as the difference of two frames does?",
            (
                Option("Yes, after enough training.",
                       "No training makes a softmax negative."),
                Option("No. But the next layer can take differences of channels with different "
                       "kernels.",
                       "Taps that add up to one keep what stands still, and a difference removes "
                       "it. Motion comes from mixing channels that were moved differently.",
                       right=True),
                Option("No, and so the block cannot serve motion at all.",
                       "The spatial convolution behind it mixes channels, with weights of any "
                       "sign."),
            ),
        ),
        Question(
            "A network for clips of 8 frames gets a clip of 16. What happens in its TAM blocks?",
            (
                Option("The gates could be computed, the kernels could not.",
                       "W_s is a convolution and takes any length; W₁ has one column for each of 8 "
                       "frames. The package's block refuses the clip by name.", right=True),
                Option("Nothing special: a convolution takes any length.",
                       "The aggregation is a convolution, and what makes its kernel is not."),
                Option("Neither could be computed.",
                       "The local branch is made of convolutions over time, and these take any "
                       "length."),
            ),
        ),
        Question(
            "CondConv, of the next part of the course, adds up a few learned kernels in shares "
            "that the image decides. In which way is TAM's kernel unlike that?",
            (
                Option("It is made for each clip, CondConv's is not.",
                       "CondConv's kernel is made for each image, too."),
                Option("It is made directly of the signal's course over time, of positive taps "
                       "that add up to one; CondConv mixes learned kernels of any sign.",
                       "Here a small network writes the taps of every channel, and there a few "
                       "learned kernels are mixed in shares that the image decides.", right=True),
                Option("It is larger.",
                       "It has three numbers for a channel."),
            ),
        ),
        Question(
            "A fixed kernel reaches 100 % on the kinds of clip it was trained on, and 0 % on two "
            "others, where a blind guess has 25 %. What does 0 % say?",
            (
                Option("The network has learned nothing.",
                       "It knows all trained kinds."),
                Option("It answers by rules that hold for the trained kinds and are wrong, not "
                       "missing, for the others.",
                       "Both clues rule out the right label: what seems to move so had another "
                       "label in training, and so had such a light. Whoever adds up clues scores "
                       "0 % by construction, not 25 %.", right=True),
                Option("The test is broken: no network can do worse than a blind guess.",
                       "Whoever always names a wrong label does."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (KERNELS, AGGREGATE, KERNEL_GRADIENT, CEILINGS, READS)
