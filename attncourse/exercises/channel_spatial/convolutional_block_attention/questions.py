"""Exercises and quiz on CBAM, BAM and scSE; those that ask for code are in ``code.py``."""

from __future__ import annotations

from math import comb

from attncourse.channel_spatial.convolutional_block_attention import BAM_CARD, CARD, SCSE_CARD
from attncourse.exercises.channel_spatial.convolutional_block_attention.code import (
    CHAPTER,
    GATES,
    LEFT,
    POSITIONS,
)
from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise


def _counts() -> tuple[float, ...]:
    return tuple(float(card.parameters(128)) for card in (CARD, BAM_CARD, SCSE_CARD))


COUNTS = ValueExercise(
    chapter=CHAPTER,
    name="counts",
    title="Predict, then count: three blocks of 128 channels",
    level=2,
    task="Count the parameters of CBAM, BAM and scSE for 128 channels, each with the reduction of "
    "its paper (16, 16, 2), CBAM with a 7x7 kernel and its normalisation.",
    hints=(
        "CBAM: 2·128·8 + 8 + 128 for the layers, 2·49 for the kernel, 2 for the normalisation.",
        "BAM has d = 8: layers with a normalised hidden unit, 2·128·8 + 8 + 16 + 128; a 1x1 to 8 "
        "channels, two 3x3 of 8 to 8, each with a bias and a normalisation of 16, and 8 + 1.",
        "scSE has d = 64: 2·128·64 + 64 + 128, and 128 + 1 for the positions.",
    ),
    explanation="2,284, 4,457 and 16,705: scSE has the simplest branches and, with r = 2, most "
    "parameters.",
    truth=_counts,
    low=0.0,
    high=1e6,
    unit="parameters",
    parts=("CBAM", "BAM", "scSE"),
    tolerance=Tolerance(relative=0.0, absolute=0.5),
    misconceptions=(
        Misconception(
            "a kernel for one map",
            "CBAM convolves two maps, the largest and the mean: 2·49 weights.",
            (2235.0, 4457.0, 16705.0),
        ),
        Misconception(
            "layers for each statistic",
            "Both statistics pass the same two layers, which count once.",
            (4468.0, 4457.0, 16705.0),
            also=((4470.0, 4457.0, 16705.0),),
        ),
        Misconception(
            "CBAM without its normalisation",
            "CBAM's one map is normalised: 2 parameters more.",
            (2282.0, 4457.0, 16705.0),
        ),
        Misconception(
            "BAM without its normalisations",
            "BAM has four normalisations, one in (6) and three in (7), each with a scale and a "
            "shift: 2·8 parameters.",
            (2284.0, 4393.0, 16705.0),
            also=tuple((2284.0, bam, 16705.0) for bam in (4409.0, 4425.0, 4441.0)),
        ),
        Misconception(
            "no biases",
            "All three have biases in their layers, as in the released code.",
            (2148.0, 4288.0, 16512.0),
        ),
        Misconception(
            "one reduction for all",
            "scSE's reduction is 2, so that d = 64.",
            (2284.0, 4457.0, 2313.0),
        ),
    ),
)

#: Two channels over four places -> which of CBAM's gates can tell its channels, or places, apart.
PICTURES = {
    "A = 1 0 0 0, B = 0 1 1 1": frozenset({"channels"}),
    "A = 1 0 1 0, B = 0 1 1 0": frozenset({"positions"}),
    "A = 1 1 0 0, B = 1 0 0 0": frozenset({"channels", "positions"}),
    "A = 1 0 1 0, B = 0 1 0 1": frozenset(),
}

ORDER = TableExercise(
    chapter=CHAPTER,
    name="order",
    title="Predict: which gate can be judged first?",
    level=2,
    task="Two channels, A and B, over four places in a row. Say which of CBAM's gates can tell its "
    "channels or its places apart by their means and largest values in the input itself: "
    "`channels`, `positions`, `channels, positions` or `none`. A kernel of one place, no padding.",
    hints=(
        "Channels: the sum and the largest value of each row. Are they equal for A and B?",
        "Positions: the sum and the largest value of each column. Are all four columns alike?",
        "What cannot be told apart from the input may be told apart from what the other gate left.",
    ),
    explanation="The first picture is the chapter's *negative*, the second its *smear* without the "
    "third channel: there the gates that you did not name see equal numbers in the input. "
    "*Negative* gives *parallel* nothing; *smear* can also be solved channels first, by weights "
    "that treat A and B unlike.",
    labels=("channels", "positions"),
    truth=PICTURES,
    misconceptions=(
        Misconception(
            "places that look different",
            "In every column one channel is 1 and the other 0: the same sum, the same largest "
            "value.",
            ("A = 1 0 0 0, B = 0 1 1 1", "positions"),
        ),
        Misconception(
            "the paper's order",
            "Both rows hold two ones, so that neither channel can be told from the other by its "
            "numbers.",
            ("A = 1 0 1 0, B = 0 1 1 0", "channels"),
        ),
        Misconception(
            "a pattern seen",
            "Each column holds one 1, each row two: no statistic differs.",
            ("A = 1 0 1 0, B = 0 1 0 1", "positions"),
        ),
    ),
)


def _majority(payloads: int) -> float:
    """How often the majority of so many signs, or a coin, is a given one of them."""
    right = 0.0
    for others in range(payloads):
        total = 2 * (1 + others) - payloads
        share = comb(payloads - 1, others) / 2 ** (payloads - 1)
        right += share * (1.0 if total > 0 else 0.5 if total == 0 else 0.0)
    return right


def _ceilings() -> tuple[float, ...]:
    return _majority(3), _majority(2), (1 + _majority(3)) / 2


CEILINGS = ValueExercise(
    chapter=CHAPTER,
    name="ceilings",
    title="Derive: how often is the majority right?",
    level=2,
    task="A blind gate leaves some signs of +1 or -1, each as likely, and one of them is the "
    "answer. It answers with the majority, and tosses a coin for a tie. Say how often it is right "
    "for three signs, for two, and for three if one half of the pictures is seen and always right.",
    hints=(
        "Say the relevant sign is +1. Of three, the majority is wrong only if both others are -1.",
        "Of two signs, the other one agrees in one half of the cases; else there is a tie.",
        "Half of the pictures count 1, the other half as much as for three signs.",
    ),
    explanation="3/4, 3/4 and 7/8. For four signs it is 11/16: more others can outvote the right "
    "sign.",
    truth=_ceilings,
    low=0.0,
    high=1.0,
    unit="a share",
    parts=("three signs", "two signs", "half of them seen"),
    tolerance=Tolerance(relative=0.0, absolute=4e-3),
    misconceptions=(
        Misconception(
            "a coin",
            "The relevant sign is one of those that are counted: it makes its own majority "
            "likelier.",
            (0.5, 0.5, 0.75),
        ),
        Misconception(
            "a pick at random",
            "You pick one sign at random, right once in so many and in half of the other cases. "
            "For three signs the majority does better.",
            (2 / 3, 0.75, 5 / 6),
        ),
        Misconception(
            "a tie counted wrong",
            "In a tie of two a coin is right in one half of the cases.",
            (0.75, 0.5, 0.875),
        ),
        Misconception(
            "a tie counted right",
            "In a tie of two a coin is wrong in one half of the cases.",
            (0.75, 1.0, 0.875),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Which order matters in CBAM?",
            (
                Option("In which the two gates are multiplied with x.",
                       "a_c m_i x_ci is a product of numbers, and does not change."),
                Option("In which the two gates are judged.",
                       "In the paper m is judged from a x.", right=True),
                Option("None, multiplication commutes.",
                       "The product does; but m is judged from a x, and not from x."),
            ),
        ),
        Question(
            "CBAM's gates are of rank one in channels and positions. What can one block not do?",
            (
                Option("Shut a channel everywhere.", "That is a_c near 0."),
                Option("Shut channel 1 on the left alone and channel 2 on the right alone.",
                       "Open and shut would have to be exchanged between the two halves, and a "
                       "product of two vectors cannot do that.", right=True),
                Option("Shut a position in all channels.", "That is m_i near 0."),
            ),
        ),
        Question(
            "A gate by means alone is blind for a single bright pixel if the means are equal. Does "
            "a network need the largest value, then?",
            (
                Option("Yes, no mean can tell.", "The mean of a ReLU can."),
                Option("No: behind a layer with a ReLU a mean can find it too.",
                       "Of five seeds one solved the task so, and four passed the ceiling of a "
                       "mean; the largest value does it without such a layer.", right=True),
                Option("No, the means will differ after training.",
                       "They are equal in the input, and a gate on the input sees nothing else."),
            ),
        ),
        Question(
            "What does sSE alone, y_i = σ(w_3·x_i + b_3) x_i, tell a pixel of the rest of the "
            "picture?",
            (
                Option("Nothing: it is made from that pixel's own column.",
                       "It is a per-pixel bend, like a ReLU layer.", right=True),
                Option("Where the object is.", "It sees one position at a time."),
                Option("The mean of the picture.", "That is cSE's."),
            ),
        ),
        Question(
            "The code of BAM multiplies its votes, the paper adds them. Which can open a gate in a "
            "channel that votes against, η < 0?",
            (
                Option("Only the sum.", "With ζ < 0 the product η ζ is positive."),
                Option("Only the product.", "With ζ > -η the sum is positive."),
                Option("Both, at other places: the sum where ζ is large, the product where ζ is "
                       "negative.", "So signs of votes do not mean the same in both.", right=True),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GATES, ORDER, POSITIONS, COUNTS, CEILINGS, LEFT)
