"""Exercises and quiz of the chapter on Squeeze-and-Excitation.

The exercises that ask for code are in ``code.py`` and
``static_gate.py`` beside this file.
"""

from __future__ import annotations

from collections.abc import Callable

from attncourse.backbones.resnet import STAGES
from attncourse.channel.squeeze_excitation import parameter_count
from attncourse.exercises.channel.squeeze_excitation.code import BACKWARD, CHAPTER, EXCITE
from attncourse.exercises.channel.squeeze_excitation.static_gate import STATIC_GATE
from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

_WIDTHS = [4 * width for width, _ in STAGES]
_BLOCKS = [blocks for _, blocks in STAGES]


def _share(per_block: Callable[[int], int]) -> float:
    """Share of the last stage in a sum over all blocks."""
    parts = [n * per_block(c) for c, n in zip(_WIDTHS, _BLOCKS, strict=True)]
    return parts[-1] / sum(parts)


def se_weights(channels: int) -> int:
    """Weights of one SE block of SE-ResNet-50, biases not counted."""
    return parameter_count(channels, 16, bias=False)


LAST_STAGE = ValueExercise(
    chapter=CHAPTER,
    name="last_stage_share",
    title="Predict, then count: SE in the last stage",
    level=2,
    task="Give the share of SE-ResNet-50's SE weights (r = 16, biases not counted) that is gone "
    "when SE is removed from the last stage.",
    hints=(
        "One SE block on C channels has 2C²/16 weights. How many blocks are in each stage, and how "
        "wide are their outputs?",
        "Stages 2 to 5 have 3, 4, 6 and 3 blocks with 256, 512, 1024 and 2048 output channels. "
        "Only the ratios of nC² matter.",
        "In units of 256²: 3·1, 4·4, 6·16 and 3·64. Which share is the last of the four?",
    ),
    explanation="1,572,864 of 2,514,944 weights sit in 3 of the 16 blocks: the cost grows with the "
    "square of the width.",
    truth=lambda: _share(se_weights),
    low=0.0,
    high=1.0,
    unit="a share (per cent divided by 100)",
    tolerance=Tolerance(relative=0.0, absolute=5e-4),
    misconceptions=(
        Misconception(
            "one of four stages",
            "The stages are not equally expensive: blocks and channels both differ.",
            1 / len(STAGES),
        ),
        Misconception(
            "a count of blocks",
            "3 of 16 blocks are in the last stage, but a wide block has more weights than a narrow "
            "one.",
            _share(lambda c: 1),
        ),
        Misconception(
            "a share by C in place of C²",
            "Both layers of the bottleneck grow with C: 2 · C · C/16.",
            _share(lambda c: c),
        ),
        Misconception(
            "one block per stage",
            "The squares are right. Now count the blocks of each stage: 3, 4, 6 and 3.",
            _WIDTHS[-1] ** 2 / sum(c**2 for c in _WIDTHS),
        ),
        Misconception(
            "the share that stays",
            "This is what is left in stages 2 to 4; the question is what is gone.",
            1 - _share(se_weights),
        ),
        Misconception(
            "a count with biases",
            "Close: you counted the C/16 + C biases of each block too. The question is about "
            "weights.",
            _share(lambda c: parameter_count(c, 16, bias=True)),
        ),
    ),
)

SQUEEZE_FOR_ROW = TableExercise(
    chapter=CHAPTER,
    name="squeeze_for_row",
    title="Predict, then train: which squeeze sees which row?",
    level=2,
    task="For each row of the statistic ladder name the squeezes of SE that see it, among mean, "
    "std and max: those with which the trained network scores above 60 %. A row that none sees "
    "gets `()`.",
    hints=(
        "Ask of each row: if the bit flips, does this number of one field change? A squeeze looks "
        "at each field alone.",
        "All rows but the first are centred for each image. The dct row mirrors a wave left to "
        "right, the cov row changes how two fields go together.",
        "The code row keeps mean and spread. Draw its four clusters, on the axes and at the "
        "corners, and look at the largest first coordinate.",
    ),
    explanation="The maximum sees three rows, the mean row less surely than the mean does. None "
    "of the three sees dct or cov: dct asks where in a field, cov how two fields go together. "
    "`attncourse.exercises.ladder.ladder_accuracy` measures each cell.",
    labels=("mean", "std", "max"),
    truth={
        "mean": frozenset({"mean", "max"}),
        "std": frozenset({"std", "max"}),
        "dct": frozenset(),
        "cov": frozenset(),
        "code": frozenset({"max"}),
    },
    misconceptions=(
        Misconception(
            "a shift taken for spread",
            "In the mean row all pixels move by the same amount, and their std stays as it is.",
            ("mean", "std"),
        ),
        Misconception(
            "a maximum that misses a shift",
            "In the mean row all pixels move up or down, the largest one with them.",
            ("mean", "max"),
        ),
        Misconception(
            "a spread that shows in the mean",
            "In the std row every field is centred: its mean is zero whatever the bit.",
            ("std", "mean"),
        ),
        Misconception(
            "a maximum that misses the spread",
            "In the std row the field is stretched by 1.4 or by 0.6, its largest value too.",
            ("std", "max"),
        ),
        Misconception(
            "a maximum that sees a pattern",
            "In the dct row the bit mirrors the wave left to right. The largest value changes "
            "sides, not size.",
            ("dct", "max"),
        ),
        Misconception(
            "a mean that sees a pattern",
            "In the dct row the wave has as much above zero as below.",
            ("dct", "mean"),
        ),
        Misconception(
            "correlation taken for spread",
            "In the cov row each field by itself has the same spread for both bits. The bit is in "
            "how the two go together.",
            ("cov", "std"),
        ),
        Misconception(
            "a shape that shows in the spread",
            "In the code row the clusters are turned by 45 degrees. Their std per field is the "
            "same: half of the pixels at ±√2 and half at 0, or all of them at ±1.",
            ("code", "std"),
        ),
        Misconception(
            "a maximum that misses the shape",
            "In the code row the largest first coordinate is about √2 on the axes and about 1 at "
            "the corners, noise aside.",
            ("code", "max"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "You shuffle the pixels of every channel, each channel in its own way. What happens to "
            "SE's gates?",
            (
                Option("They change, since the image is destroyed.",
                       "SE sees an image through one mean a channel, and a mean has no order."),
                Option("They stay as they are.",
                       "No channel mean changes, and the gates are a function of the means.",
                       right=True),
                Option("They stay only if all channels are shuffled alike.",
                       "Each mean is taken within its channel, so the shuffles need not agree."),
            ),
        ),
        Question(
            "W₂ and b₂ are zero, as they nearly are after a small initialisation. What is y?",
            (
                Option("x: the block starts as the identity.",
                       "That would need gates of 1, which a sigmoid reaches only for b₂ → ∞."),
                Option("0: the block starts closed.",
                       "That would need b₂ → -∞. Zero is the middle of the sigmoid."),
                Option("x / 2: the block halves what passes.",
                       "σ(0) = 1/2 for every channel. SE is not neutral at the start.", right=True),
            ),
        ),
        Question(
            "You double the number of channels and keep r. The weights of the two layers, biases "
            "aside, grow by a factor of",
            (
                Option("2", "The hidden width C/r doubles as well: both sides of each layer."),
                Option("4", "2C²/r is quadratic in C.", right=True),
                Option("8", "Each of the two layers grows fourfold, and so does their sum."),
                Option("1: SE shares its weights over channels",
                       "ECA does that. SE has its own weight for each pair of channel and unit."),
            ),
        ),
        Question(
            "The class shows only in the spread of one field that is centred in each image. SE "
            "stands right behind it. What can help?",
            (
                Option("A wider bottleneck, r = 1.",
                       "The bottleneck gets the mean, zero for every image. No width brings back "
                       "what the squeeze has lost."),
                Option("A linear 1x1 convolution in front of SE.",
                       "Means of linear mixtures are mixtures of the means: all zero."),
                Option("A 1x1 convolution and a ReLU in front of SE.",
                       "The mean of a rectified field grows with its spread. It is the squeeze of "
                       "linear features that is blind, not every network with SE.", right=True),
                Option("Longer training.",
                       "The gates get the same input for both classes; there is nothing to learn."),
            ),
        ),
        Question(
            "A linear layer reads x + τ, where SE's two layers make τ from the cue's mean alone. "
            "The network stays at the level without the cue. Which single change lets it use the "
            "cue?",
            (
                Option("A sigmoid on τ, so that the sum is x + s.",
                       "The scores are still a part from the digits and a part from the cue. Such "
                       "a sum cannot switch between the digits."),
                Option("A ReLU on the sum, before the linear layer.",
                       "Cue and content then pass a non-linearity together: a very negative τ "
                       "silences a map, as a shut gate does. No product is needed.", right=True),
                Option("A wider bottleneck, so that τ carries more of the cue.",
                       "The cue is in τ already. What is missing is a place where it can act on "
                       "the content."),
                Option("None: only a product of cue and content can choose.",
                       "A sum followed by a ReLU is an interaction, too, and so is a readout of "
                       "two layers: with time and width it reads this sum as well as SE reads its "
                       "product."),
            ),
        ),
        Question(
            "SE beats a static gate, which has 32 parameters where SE has 552. Somebody says that "
            "SE wins by its parameters. Which network answers that?",
            (
                Option("The static gate: it has parameters as well.",
                       "It has 520 fewer, so it leaves the question open."),
                Option("The one that adds SE's output in place of multiplying by it.",
                       "It has every parameter of SE and the same information, and with the same "
                       "400 steps it stays at the level without the cue.", right=True),
                Option("The one with an empty gate.",
                       "It differs from SE in everything at once: parameters, information and "
                       "product."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (EXCITE, BACKWARD, LAST_STAGE, SQUEEZE_FOR_ROW, STATIC_GATE)
