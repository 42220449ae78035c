"""Exercises and quiz of the chapter on cost.

The exercises that ask for code are in ``code.py`` and ``blocks.py`` beside this file.
"""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.closing.cost.blocks import ONLINE
from attncourse.exercises.closing.cost.code import CHAPTER, LEAST, REASSOCIATE
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise
from attncourse.roofline import Speeds, Work

_C = 128

CROSSOVER = ValueExercise(
    chapter=CHAPTER,
    name="crossover",
    title="Three crossovers of all pairs",
    level=2,
    task=f"A non-local block with C = {_C} channels and C/2 in q, k and v takes 2NC² + N²C "
    "multiply-adds. Give three numbers of positions N: where its pairs cost as much as its "
    "projections; where the whole block costs as much as a 3 × 3 convolution, 9NC²; where "
    "Q (Kᵀ V) costs as much as (Q Kᵀ) V.",
    hints=(
        "Set the two costs equal and divide by what they share: one N, one C.",
        "N²C = 2NC² gives the first. For the second, subtract the projections from 9NC² first.",
        "With C/2 channels on both sides, (Q Kᵀ) V takes N²C/2 + N²C/2 and Q (Kᵀ V) takes "
        "2 N (C/2)².",
    ),
    explanation="N = 2C, 7C and C/2. At 128 channels a map of 30 × 30 is past the second: pairs "
    "are then dearer than the convolution that they stand beside.",
    truth=lambda: (2.0 * _C, 7.0 * _C, _C / 2),
    low=1.0,
    high=1e6,
    unit="a number of positions",
    parts=("pairs = projections", "block = 3 × 3 convolution", "both orders alike"),
    misconceptions=(
        Misconception(
            "one projection in place of two",
            "Three projections into C/2 and one back out of C/2 are 2NC² together.",
            (float(_C), 7.0 * _C, _C / 2),
        ),
        Misconception(
            "a block without its projections",
            "9NC² has to pay for the projections too: N²C = 7NC².",
            (2.0 * _C, 9.0 * _C, _C / 2),
        ),
        Misconception(
            "projections that were added",
            "The projections are on the side of the block: 2NC² + N²C = 9NC².",
            (2.0 * _C, 11.0 * _C, _C / 2),
        ),
        Misconception(
            "the full width in the products",
            "q, k and v have C/2 channels each, so Kᵀ V has (C/2)² numbers.",
            (2.0 * _C, 7.0 * _C, float(_C)),
        ),
        Misconception(
            "a width that is halved twice",
            "Both orders have two products: N²C against NC²/2 in all.",
            (2.0 * _C, 7.0 * _C, _C / 4),
        ),
        Misconception(
            "a side in place of a number of positions",
            "N counts positions. You have taken the root, the side of a square map.",
            ((2.0 * _C) ** 0.5, (7.0 * _C) ** 0.5, (_C / 2) ** 0.5),
            ((16.0, 30.0, 8.0),),
        ),
        Misconception(
            "multiples of C in place of numbers",
            f"Those are the right multiples of C. With C = {_C}, give the numbers themselves.",
            (2.0, 7.0, 0.5),
            ((2.0, 7.0, 2.0),),
        ),
        Misconception(
            "one projection, a block without projections, and the full width",
            "Three projections into C/2 and one back are 2NC² together; the convolution has to pay "
            "for them too; and q, k and v have C/2 channels each.",
            (float(_C), 9.0 * _C, float(_C)),
        ),
    ),
)

#: The machine of the exercise, in round numbers.
MACHINE = Speeds(rate=100e9, bandwidth=40e9)
_SIDE = 56


def _gate(c: int) -> Work:
    n = _SIDE**2
    return Work(2 * c * n + 2 * c * c // 16, 4 * (2 * c * n + 2 * c * c // 16))


def _filter(c: int, taps: int, groups: int = 1) -> Work:
    n, weights = _SIDE**2, taps * c * c // groups
    return Work(weights * n, 4 * (2 * c * n + weights))


def _pairs(c: int) -> Work:
    n = _SIDE**2
    return Work(2 * n * n * c, 4 * 4 * n * c)


#: What is asked about, with its work in a forward pass of one image.
ASKED: dict[str, Work] = {
    "Squeeze-and-Excitation, C = 64": _gate(64),
    "1 × 1 convolution, C = 16": _filter(16, 1),
    "1 × 1 convolution, C = 64": _filter(64, 1),
    "depthwise 3 × 3, C = 64": _filter(64, 9, 64),
    "3 × 3 convolution, C = 16": _filter(16, 9),
    "fused attention, q, k, v of 64": _pairs(64),
}
_WRONG = {
    "Squeeze-and-Excitation, C = 64": (
        "arithmetic in a gate",
        "A mean and a product take each number twice; it is read and written, 8 bytes: a quarter "
        "for a byte, whatever C is.",
    ),
    "1 × 1 convolution, C = 16": (
        "a convolution that is thought to be heavy",
        "Each number is read and written, 8 bytes, and takes part in 16 products: 2 for a byte, "
        "and the machine is in balance at 2.5.",
    ),
    "1 × 1 convolution, C = 64": (
        "a 1 × 1 convolution that is thought to be light",
        "64 products for the 8 bytes of a number are 8 for a byte, above 2.5.",
    ),
    "depthwise 3 × 3, C = 64": (
        "nine products that are thought to be many",
        "9 products for the 8 bytes of a number are about 1.1 for a byte, below 2.5.",
    ),
    "3 × 3 convolution, C = 16": (
        "few channels that are thought to be light",
        "9 × 16 products for the 8 bytes of a number are 18 for a byte, above 2.5.",
    ),
    "fused attention, q, k, v of 64": (
        "a map that is thought to be written",
        "Fused, the map is never written. q, k, v and y are moved, and each number meets all "
        "positions.",
    ),
}

WHAT_BINDS = TableExercise(
    chapter=CHAPTER,
    name="what_binds",
    title="Predict, then measure: what binds",
    level=2,
    task="A machine does 100 G multiply-adds and moves 40 GB in a second. For each block, forward "
    f"on one image of {_SIDE} × {_SIDE} in float32, say which of the two bounds is the greater: "
    "`arithmetic` or `memory`.",
    hints=(
        "At how many multiply-adds for a byte is the machine in balance?",
        "Input and output are 8 bytes for each number of the map. In how many products does a "
        "number take part?",
        "A convolution with C channels and t taps has about tC/8 products for a byte; depthwise it "
        "has t/8.",
    ),
    explanation="One line decides: tC/8 against 2.5. The least number of channels of a 1 × 1 "
    "convolution that this machine does not starve is 20.",
    labels=("arithmetic", "memory"),
    spellings={
        **dict.fromkeys(("arithmetic bound", "compute", "compute bound", "products"), "arithmetic"),
        **dict.fromkeys(("memory bound", "bandwidth", "bandwidth bound", "bytes"), "memory"),
    },
    truth={row: frozenset({work.bound(MACHINE)}) for row, work in ASKED.items()},
    misconceptions=tuple(
        Misconception(
            name, text, (row, frozenset({"arithmetic", "memory"} - {ASKED[row].bound(MACHINE)}))
        )
        for row, (name, text) in _WRONG.items()
    ),
)

#: A timing on a GPU, line by line; one thing is missing.
LISTING = """\
for _ in range(3): block(x)
torch.cuda.synchronize()
start = time.perf_counter()
for _ in range(100): block(x)
seconds = (time.perf_counter() - start) / 100"""
_LINES = LISTING.splitlines()

TIMING = ChoiceExercise(
    chapter=CHAPTER,
    name="timing",
    title="Spot the bug in a timing loop",
    level=1,
    task="The listing times a block on a GPU and prints the same few microseconds for each size. "
    "Name the line before which something is missing.",
    hints=(
        "When does a call return on a GPU: when the work is done, or when it is ordered?",
        "The clock is read twice. Is the work over both times?",
    ),
    options=(
        Option(
            "Line 1",
            "Warming up comes first: the first calls choose kernels and get memory.",
            also=_LINES[0],
        ),
        Option("Line 2", "It waits until the warm-up is over, and it is needed.", also=_LINES[1]),
        Option("Line 3", "The work before it is over, because line 2 has waited.", also=_LINES[2]),
        Option(
            "Line 4",
            "A hundred calls make the sample long against the clock's tick.",
            also=_LINES[3],
        ),
        Option(
            "Line 5",
            "`torch.cuda.synchronize()` is missing in front of it: the calls have been ordered, "
            "not done, and the clock has timed the ordering.",
            right=True,
            also=_LINES[4],
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "A block has a hundred times fewer multiply-adds than another, at the same size. What "
            "do you know of its time?",
            (
                Option("It takes a hundredth.",
                       "Only if both are bound by arithmetic, at the same rate."),
                Option("It is shorter in all likelihood; by how much, the count does not tell.",
                       "In this chapter's runs all 589 pairs with such a ratio or a greater one "
                       "have that order. Pairs with a ratio near 100 differed in time by 1.5 to "
                       "267.", right=True),
                Option("Nothing at all.",
                       "That is nearly so below a ratio of two, where 65 of 100 pairs have the "
                       "order of their counts. At a hundred all have."),
            ),
        ),
        Question(
            "You double the number of images. What changes about which bound is the greater?",
            (
                Option("Nothing, but for the parameters' share.",
                       "Products and bytes of the maps both double, and so do both times.",
                       right=True),
                Option("Arithmetic gains: there are more products.",
                       "There are more bytes, too, in the same proportion."),
                Option("Memory gains: there are more bytes.",
                       "There are more products, too, in the same proportion."),
            ),
        ),
        Question(
            "A block is one convolution, and its input wants a gradient. Why does a training step "
            "have three times the products of a forward pass?",
            (
                Option("The optimiser computes two moments.",
                       "It does, for each parameter once; that is no matrix product."),
                Option("Each product Y = A B gives two on the way back, for A and for B.",
                       "∂L/∂A = G Bᵀ and ∂L/∂B = Aᵀ G have as many multiply-adds each.",
                       right=True),
                Option("The forward pass is run again.",
                       "Only with recomputation, and then it is about four times."),
            ),
        ),
        Question(
            "As it stands, one rule predicts 32 % of the times to a factor of two and another "
            "72 %. With a factor and an exponent from other blocks both predict about 75 %. What "
            "was the second rule's advantage?",
            (
                Option("It knows what binds each block, and the first cannot.",
                       "Then two constants for all blocks could not make up for it."),
                Option("It needs hardly any fit.",
                       "Its scale and slope are nearly right before anything is timed. The first "
                       "rule's are wrong, and a few timings of other blocks give both.",
                       right=True),
                Option("It had none: the fit is made on the answers.",
                       "A block's own times take no part in its fit."),
            ),
        ),
        Question(
            "Fused attention computes its scores again on the way back. Why is it used then?",
            (
                Option("It has fewer multiply-adds.",
                       "It has more: five products in place of four."),
                Option("It never writes the map of all pairs.",
                       "Memory for the map falls from n² to n, and its traffic with it.",
                       right=True),
                Option("It approximates the softmax.",
                       "It is exact: a running maximum and two running sums."),
            ),
        ),
        Question(
            "A kernel takes less than products divided by the rate of a large matrix product. What "
            "is wrong?",
            (
                Option("The clock.", "It may be, but there is a likelier cause."),
                Option("Nothing: the rate was that of another kernel.",
                       "A measured rate is what one library reached. Another kernel may be faster, "
                       "as a convolution is here.", right=True),
                Option("The kernel leaves products out.",
                       "Some algorithms do, and this chapter's convolution does not."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (LEAST, TIMING, WHAT_BINDS, CROSSOVER, REASSOCIATE, ONLINE)
