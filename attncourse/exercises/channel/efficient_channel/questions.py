"""Exercises and quiz of the chapter on ECA-Net; those that ask for code are in ``code.py``."""

from __future__ import annotations

from attncourse.channel.efficient_channel import psi
from attncourse.exercises.channel.efficient_channel.code import CHAPTER, GATES, KERNEL_GRADIENT
from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

#: Widths in the exercise on the size of the kernel.
WIDTHS = (4, 64, 128, 512, 2048)

SIZES = ValueExercise(
    chapter=CHAPTER,
    name="sizes",
    title="Predict: how far does a gate see?",
    level=1,
    task="Give the kernel's size ψ(C) of equation (5), as the code rounds it, for C = 4, 64, 128, "
    "512 and 2048.",
    hints=(
        "log₂ of 4, 64, 128, 512 and 2048 is 2, 6, 7, 9 and 11. Add one and halve.",
        "This gives 1.5, 3.5, 4, 5 and 6. Take the whole part.",
        "Where the whole part is even, the code adds one.",
    ),
    explanation="The kernel grows by two when C grows sixteenfold. Below eight channels it has one "
    "weight, and no channel sees another.",
    truth=lambda: tuple(float(psi(width)) for width in WIDTHS),
    low=1.0,
    high=11.0,
    unit="a size",
    parts=("C = 4", "C = 64", "C = 128", "C = 512", "C = 2048"),
    tolerance=Tolerance(relative=0.0, absolute=1e-6),
    misconceptions=(
        Misconception(
            "ties that go down",
            "At 128 and at 2048 the value is exactly 4 and 6, as near to the odd number below as "
            "to the one above. The code goes up.",
            (1.0, 3.0, 3.0, 5.0, 5.0),
        ),
        Misconception(
            "even sizes",
            "An even kernel has no middle. The code makes it odd by adding one.",
            (1.0, 3.0, 4.0, 5.0, 6.0),
        ),
        Misconception(
            "three at least",
            "So does timm. The formula gives 1 below eight channels.",
            (3.0, 3.0, 5.0, 5.0, 7.0),
        ),
        Misconception(
            "rounded to the nearest whole number first",
            "The code cuts 3.5 to 3 and leaves it, since 3 is odd.",
            (3.0, 5.0, 5.0, 5.0, 7.0),
            ((1.0, 5.0, 5.0, 5.0, 7.0),),
        ),
        Misconception(
            "gamma left out",
            "You did not halve: γ = 2 divides log₂ C + 1.",
            (3.0, 7.0, 9.0, 11.0, 13.0),
            ((3.0, 7.0, 8.0, 10.0, 12.0),),
        ),
        Misconception(
            "b left out",
            "b = 1 is added to the logarithm before it is halved.",
            (1.0, 3.0, 3.5, 4.5, 5.5),
        ),
    ),
)

WHO_MOVES = TableExercise(
    chapter=CHAPTER,
    name="who_moves",
    title="Predict: who notices?",
    level=2,
    task="Six channels stand in a row, and you look at the gate of channel 1, the first. For each "
    "change name all blocks whose gate it moves, among SE, ECA with k = 3, and the ring: ECA with "
    "k = 3 whose row of channels is closed. Weights are random and not zero, and all means differ. "
    "A change that moves none gets `()`.",
    hints=(
        "A kernel of three weights reaches one channel to each side.",
        "SE mixes the means of all channels, and each has weights of its own.",
        "In the ring the neighbours of channel 1 are channels 2 and 6.",
    ),
    explanation="A gate of ECA hears of its neighbours and of nobody else. Who is a neighbour is "
    "decided by the order of channels.",
    labels=("SE", "ECA", "ring"),
    truth={
        "double channel 2": frozenset({"SE", "ECA", "ring"}),
        "double channel 4": frozenset({"SE"}),
        "double channel 6": frozenset({"SE", "ring"}),
        "exchange channels 3 and 4": frozenset({"SE"}),
        "exchange channels 2 and 6": frozenset({"SE", "ECA", "ring"}),
        "shuffle the pixels of channel 2": frozenset(),
    },
    misconceptions=(
        Misconception(
            "a kernel that reaches far",
            "With k = 3 a gate sees one channel on each side. Channel 4 is three away.",
            ("double channel 4", "ECA"),
        ),
        Misconception(
            "a ring that sees everything",
            "Closing the row joins its two ends. Channel 4 is three away on either side.",
            ("double channel 4", "ring"),
        ),
        Misconception(
            "a row with joined ends",
            "Beyond channel 1 there are zeros, not channel 6.",
            ("double channel 6", "ECA"),
        ),
        Misconception(
            "strangers that are noticed",
            "Neither channel 3 nor channel 4 is a neighbour of channel 1.",
            ("exchange channels 3 and 4", "ECA"),
        ),
        Misconception(
            "a place that shows in a mean",
            "A mean does not know where a pixel stands.",
            ("shuffle the pixels of channel 2", "ECA"),
        ),
        Misconception(
            "a place that shows in SE",
            "SE sees the means alone.",
            ("shuffle the pixels of channel 2", "SE"),
        ),
    ),
)

#: The block of the exercise, line by line; one thing is missing.
LISTING = """\
z = x.mean(dim=(2, 3))
t = F.conv1d(z[:, None], w[None, None], padding=1)
s = t[:, 0, :, None, None]
return s * x"""

LOST_LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="lost_line",
    title="Spot what is missing",
    level=2,
    task="Name the line of the listing that must be mended so that it is ECA.",
    hints=(
        "Put in a kernel of zeros. What should ECA give, and what does this give?",
        "Which numbers can s be? Compare with equation (2).",
    ),
    options=(
        Option("Line 1", "It is the squeeze: one mean for each channel, (b, c)."),
        Option(
            "Line 2",
            "The row of means is a signal with one channel, and padding=1 keeps its length for "
            "k = 3. There is no bias in ECA.",
        ),
        Option(
            "Line 3",
            "The sigmoid of equation (2) is missing here. With a kernel of zeros ECA gives x/2, "
            "this listing gives zero, and its s can be negative. The listing in the paper ends "
            "without it, too.",
            right=True,
        ),
        Option("Line 4", "It applies the gates as equation (3) does: the mistake is in s."),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "The channels in front of a trained ECA are permuted, and its output is put back in "
            "order. What happens?",
            (
                Option("Nothing: a mean has no order.",
                       "The mean of each channel stays, but its neighbours change."),
                Option("The gates are others: each sees other neighbours.",
                       "The kernel meets other channels, and no other kernel of this size makes up "
                       "for it in general.", right=True),
                Option("The gates are permuted and otherwise the same.",
                       "That holds for a gate without neighbours, k = 1."),
            ),
        ),
        Question(
            "Before training, the filters of the convolution in front of ECA are put in another "
            "order. How well will the network train?",
            (
                Option("Worse: the neighbourhood is destroyed.",
                       "Before training there is no neighbourhood to destroy. The filters are "
                       "drawn independently, so every order is as likely."),
                Option("As well, apart from the luck of the draw.",
                       "The filters learn which order suits the kernel; all orders start alike.",
                       right=True),
                Option("Better: random orders mix the channels.",
                       "The first order was random as well."),
            ),
        ),
        Question(
            "With k = 3, a cue channel stands to the right of a map of A and to the right of a map "
            "of B. Can the shared kernel open one and shut the other?",
            (
                Option("Yes, with weights of opposite sign.",
                       "Both maps see the cue through the same weight, the one of the right "
                       "neighbour."),
                Option("Yes, with a large enough weight.",
                       "A larger weight moves both gates, in the same direction."),
                Option("Not through the cue: both gates move alike.",
                       "It is one weight. A linear readout may still subtract the gated map from "
                       "one that is not gated.", right=True),
            ),
        ),
        Question(
            "ResNet-50 with ECA has 80 more parameters in the paper's abstract. Which kernels have "
            "80 weights?",
            (
                Option("The sizes of the formula.",
                       "For 256, 512, 1024 and 2048 channels it gives 5, 5, 5, 7: 86 weights."),
                Option("The sizes 3, 5, 5, 7 of the released model, set by hand.",
                       "3·3 + 4·5 + 6·5 + 3·7 = 80.", right=True),
                Option("Five weights in each of sixteen blocks.",
                       "That is 80, too, but the stages have other sizes."),
            ),
        ),
        Question(
            "In the paper's tables ECA is compared with a plain ResNet and with SE. What should "
            "you know before you read off a gain?",
            (
                Option("That they were trained for longer.",
                       "What matters is by whom: their numbers are from the paper on SE."),
                Option("That their numbers are copied from another paper's training.",
                       "The gain then holds the difference between two recipes as well.",
                       right=True),
                Option("That SE was trained without its reduction.",
                       "It is SE as published."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GATES, SIZES, WHO_MOVES, LOST_LINE, KERNEL_GRADIENT)
