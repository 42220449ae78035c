"""Exercises and quiz of the chapter on Gather-Excite; those in code stand in ``code.py``."""

from __future__ import annotations

from attncourse.exercises.channel.gather_excite.code import CHAPTER, GATE_GRADIENT, GATED
from attncourse.exercises.channel.gather_excite.resize import RESIZED
from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz

WHO_MOVES = TableExercise(
    chapter=CHAPTER,
    name="who_moves",
    title="Predict: which gates notice?",
    level=2,
    task="Two channels of 8 × 8 positions, counted from (0, 0), and you look at the gate of "
    "channel 1 at position (0, 0). For each change of x name all forms whose gate moves: `global` "
    "is the mean of the whole map, `mean` the mean at e = 2, `learned` is θ at e = 2, and `plus` "
    "is θ⁺ at e = 2. Changes are made in channel 1 unless another is named. A change that moves "
    "none gets `()`.",
    hints=(
        "At e = 2 a window is three positions wide, and the first one is centred on (0, 0). Which "
        "positions of the map does it hold?",
        "A mean does not know where in its window a value stands. A kernel does.",
        "Only θ⁺ has layers that mix channels.",
    ),
    explanation="The extent says how far a gate hears, the kernel what it hears there, and the "
    "two layers whom it asks besides.",
    labels=("global", "mean", "learned", "plus"),
    truth={
        "add 1 at (1, 1)": frozenset({"global", "mean", "learned", "plus"}),
        "add 1 at (2, 2)": frozenset({"global"}),
        "add 1 at (1, 1) of channel 2": frozenset({"plus"}),
        "exchange (0, 0) and (1, 1)": frozenset({"learned", "plus"}),
        "exchange (1, 1) and (2, 2)": frozenset({"mean", "learned", "plus"}),
        "turn the map upside down": frozenset({"mean", "learned", "plus"}),
    },
    misconceptions=(
        Misconception(
            "a window of five",
            "The window reaches e - 1 = 1 position from (0, 0). Position (2, 2) is outside.",
            ("add 1 at (2, 2)", "mean"),
        ),
        Misconception(
            "a kernel that reaches further",
            "One kernel of 3 × 3 reaches one position from its centre, as far as the window of "
            "the mean.",
            ("add 1 at (2, 2)", "learned"),
        ),
        Misconception(
            "channels that are mixed",
            "The kernels are depthwise: a channel is gathered by itself. Only θ⁺ mixes after it.",
            ("add 1 at (1, 1) of channel 2", "learned"),
        ),
        Misconception(
            "a mean that knows places",
            "Both positions lie in the window, and their sum stays.",
            ("exchange (0, 0) and (1, 1)", "mean"),
        ),
        Misconception(
            "a map whose mean moves",
            "The mean of the whole map stays when values change places.",
            ("turn the map upside down", "global"),
        ),
    ),
)

#: The gate of the exercise, line by line; one of them is wrong.
LISTING = """\
z = F.avg_pool2d(x, 2 * e - 1, stride=e, padding=e - 1)
s = torch.sigmoid(z)
s = F.interpolate(s, size=x.shape[2:], mode="nearest")
return s * x"""

LOST_LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="lost_line",
    title="Spot the line that spoils the border",
    level=2,
    task="Name the line of the listing that must be mended so that it is the gate without "
    "parameters.",
    hints=(
        "Put in a map of ones. What should every mean be, and what is it in the corner?",
        "What does PyTorch divide by where a window hangs over the border?",
    ),
    options=(
        Option(
            "Line 1",
            "By default the zeros of the padding count. A map of ones has the mean 4/9 in its "
            "corner at e = 2, and gates at the border drift towards one half. "
            "`count_include_pad=False` divides by the positions inside.",
            right=True,
        ),
        Option("Line 2", "The gate is the sigmoid of the mean, as in equation (2)."),
        Option(
            "Line 3", "Nearest neighbours give every position of a cell the same gate, as in (3)."
        ),
        Option("Line 4", "It applies the gates as equation (3) does."),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Which member of the family is Squeeze-and-Excitation?",
            (
                Option("θ at global extent.",
                       "θ gathers by a learned kernel, and no channel hears of another."),
                Option("The mean over the whole map, then the two layers.",
                       "Gather by the mean, extent global, with SE's layers and no ReLU before "
                       "them.", right=True),
                Option("θ⁺ at global extent, as released.",
                       "Its gather is a kernel with a batch normalisation and a ReLU. With a flat "
                       "kernel it comes near, but the normalisation stays."),
            ),
        ),
        Question(
            "The gate without parameters stands on maps of 1 × 1. What is the block?",
            (
                Option("The identity.", "It multiplies by σ(x), which is below one."),
                Option("SiLU, x σ(x).",
                       "The mean of one position is the position itself, at any extent.",
                       right=True),
                Option("A constant factor of one half.", "That would be σ(0)."),
            ),
        ),
        Question(
            "Why is the window of the mean 2e − 1 positions wide and not e?",
            (
                Option("So that the mean of a cell is taken over its own positions.",
                       "That would be a window of e."),
                Option("k steps of stride 2 with kernels of 3 × 3 see exactly that much.",
                       "Their reach doubles and grows by one at each step: 3, 7, 15, which is "
                       "2e − 1 for e = 2ᵏ.", right=True),
                Option("So that no padding is needed.",
                       "It needs e − 1 positions of padding on each side."),
            ),
        ),
        Question(
            "On covered copies the gate without parameters gains nothing when it starts at +x, and "
            "a lot when the layer before it starts at −4x. What follows?",
            (
                Option("That such a gate cannot find covered regions.",
                       "It does find them, once its input has the right sign."),
                Option("That which way it opens is left to the layer before, and training from +x "
                       "did not turn it.",
                       "The gate is the same in both; the start decided.", right=True),
                Option("That a larger factor is always better.",
                       "It is the sign that turns open cells into shut ones."),
            ),
        ),
        Question(
            "In ResNet-50 the kernels of θ at global extent have the size of the map. Which stage "
            "holds most of their weights?",
            (
                Option("The first: few channels, but maps of 56 × 56.",
                       "C·H·W halves from stage to stage: the map shrinks fourfold while the "
                       "channels double.", right=True),
                Option("The last: most channels.",
                       "Its maps are 7 × 7. SE is heaviest there; θ is lightest."),
                Option("All alike.", "C·H·W halves from stage to stage, and blocks differ."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GATED, WHO_MOVES, LOST_LINE, RESIZED, GATE_GRADIENT)
