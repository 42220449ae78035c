"""Exercises and quiz of the chapter on CondConv and dynamic convolution.

The exercises that ask for code are in ``code.py`` and ``splits.py`` beside this file.
"""

from __future__ import annotations

from attncourse.exercises.branch.conditional_convolution.code import (
    CHAPTER,
    CONDITIONAL,
    SCORE_GRADIENT,
)
from attncourse.exercises.branch.conditional_convolution.splits import R_SOFTMAX
from attncourse.exercises.choice import Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise

_KERNELS, _SIDE = 8, 7

OVERHEAD = ValueExercise(
    chapter=CHAPTER,
    name="overhead",
    title="Predict: what does mixing cost?",
    level=2,
    task=f"A layer mixes {_KERNELS} kernels of 3 x 3 and convolves a map of {_SIDE} x {_SIDE}, "
    f"with stride 1. Give, to one decimal, by how many percent the multiply-adds of the mixing "
    f"raise those of the convolution.",
    hints=(
        "A kernel has 9 c o weights. How often does the convolution use each of them, and how "
        "often the mixing?",
        f"The convolution uses each weight once at each of {_SIDE * _SIDE} positions.",
        f"The mixing uses each weight of each of the {_KERNELS} kernels once: k / (h w).",
    ),
    explanation="k / (h w): at 14 x 14 positions it is 4.1 %, at a single position 800 %.",
    truth=lambda: 100 * _KERNELS / _SIDE**2,
    low=0.0,
    high=2000.0,
    unit="a number of percent",
    percent=True,
    tolerance=Tolerance(relative=0.0, absolute=0.05),
    misconceptions=(
        Misconception(
            "k convolutions",
            "Mixing outputs takes k convolutions. Here the kernels are mixed, and only one "
            "convolution is made.",
            100.0 * (_KERNELS - 1),
            also=(100.0 * _KERNELS,),
        ),
        Misconception(
            "one side in place of the area",
            "The convolution uses a weight at every position, and there are h w of them.",
            100 * _KERNELS / _SIDE,
        ),
        Misconception(
            "k - 1 kernels",
            "Each of the k kernels is multiplied by its weight, the first one as well.",
            100 * (_KERNELS - 1) / _SIDE**2,
        ),
        Misconception(
            "a share in place of percent",
            "This is the ratio itself. Give it in percent.",
            _KERNELS / _SIDE**2,
        ),
        Misconception(
            "a ratio upside down",
            "This is how often the mixing fits into the convolution.",
            _SIDE**2 / _KERNELS,
            also=(100 * _SIDE**2 / _KERNELS,),
        ),
        Misconception(
            "the taps counted once more",
            "Both counts have the 9 taps of a kernel: they cancel.",
            100 * _KERNELS / (9 * _SIDE**2),
        ),
        Misconception(
            "a map that shrinks",
            "A padding of 1 keeps 7 x 7 positions.",
            100 * _KERNELS / (_SIDE - 2) ** 2,
        ),
    ),
)

WHAT_MOVES = TableExercise(
    chapter=CHAPTER,
    name="what_moves",
    title="Predict: which change moves the weights of the first layer?",
    level=2,
    task="Three networks whose first layer sees a grey image: CondConv, dynamic convolution, and "
    "one whose layer mixes nothing (static). For each change of the image name all of CondConv, "
    "dynamic and static whose *kernel in use* in this first layer changes. Routers are random and "
    "not zero, the temperature is 1. A change that moves none gets `()`.",
    hints=(
        "Both routers see one number of a grey image: its mean.",
        "Which of the changes keep the mean of the image?",
        "A static layer has one kernel, whatever it sees.",
    ),
    explanation="The first router sees the mean and nothing else. Later layers see means of "
    "feature maps, and those may tell a turn.",
    labels=("CondConv", "dynamic", "static"),
    truth={
        "turn it by 90 degrees": frozenset(),
        "invert it": frozenset({"CondConv", "dynamic"}),
        "mirror it": frozenset(),
        "add 0.1 to every pixel": frozenset({"CondConv", "dynamic"}),
        "shuffle its pixels": frozenset(),
    },
    misconceptions=(
        Misconception(
            "a turn that shows in a mean",
            "A turn moves pixels to other places. Their mean stays, and the router sees the mean.",
            ("turn it by 90 degrees", "CondConv"),
        ),
        Misconception(
            "a hidden layer that sees more",
            "The two layers of dynamic convolution see the same mean as CondConv's one.",
            ("turn it by 90 degrees", "dynamic"),
        ),
        Misconception(
            "an inversion that the mean hides",
            "1 - x has the mean 1 - mean. It stays only where the mean is one half.",
            ("invert it", "CondConv"),
        ),
        Misconception(
            "a softmax that does not see brightness",
            "A softmax ignores what is added to all scores alike. Here each score moves by its own "
            "amount.",
            ("add 0.1 to every pixel", "dynamic"),
        ),
        Misconception(
            "a static kernel that changes",
            "Its output changes; its kernel is the same for all images.",
            ("invert it", "static"),
        ),
        Misconception(
            "an order that shows in a mean",
            "The mean of an image does not know where its pixels stand.",
            ("shuffle its pixels", "CondConv"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "When does mixing kernels give what mixing outputs gives?",
            (
                Option("Where nothing but the convolution stands between kernels and mixture.",
                       "A convolution is linear in its kernel, so the sum may move inside.",
                       right=True),
                Option("Always.",
                       "With a ReLU or a normalisation between each kernel and the mixture it does "
                       "not: those are not linear."),
                Option("Where the weights add up to one.",
                       "Linearity asks nothing of the weights; sigmoids do as well."),
            ),
        ),
        Question(
            "All shares of a dynamic convolution stay at 1/k for the whole training, with SGD and "
            "no weight decay. What have the k kernels learned?",
            (
                Option("k different filters.",
                       "They get one and the same gradient, so the differences between them stay "
                       "where they started."),
                Option("What a single kernel would have learned: their mean moves, their "
                       "differences stay.",
                       "Every kernel gets 1/k of the static kernel's gradient.", right=True),
                Option("Nothing, since 1/k of a gradient is too small.",
                       "The mean kernel moves. It is the differences that do not."),
            ),
        ),
        Question(
            "A network that is trained with the routing of *another* image reads better than a "
            "static one. What may you conclude?",
            (
                Option("Conditional computation works.",
                       "Nothing here is conditional on the image that is read."),
                Option("The routing of another image is as good as the own.",
                       "To say that, compare it with CondConv, not with the static network."),
                Option("A part of the gain of CondConv over the static network needs no routing "
                       "by the image.",
                       "More kernels and the jitter of the weights are left in this control, and "
                       "the look at the own image is not.", right=True),
            ),
        ),
        Question(
            "Why does the temperature belong into a buffer and not into a plain attribute?",
            (
                Option("A buffer gets a gradient.",
                       "Parameters get gradients, buffers do not."),
                Option("A buffer is saved and loaded with the weights.",
                       "A network that was annealed to 1 and loaded with a plain attribute would "
                       "start again at 30.", right=True),
                Option("A buffer is faster.", "It is one number either way."),
            ),
        ),
        Question(
            "A static network with CondConv's number of parameters reads better than CondConv. "
            "What does CondConv have for it?",
            (
                Option("Nothing: the wider network wins in every respect.",
                       "Count the multiply-adds: the wider network needs more than twice as many "
                       "for an image."),
                Option("It needs fewer multiply-adds for each image.",
                       "Parameters that are mixed cost little; parameters that are convolved cost "
                       "a pass over the map.", right=True),
                Option("It needs less memory for its weights.",
                       "By construction both hold about as many."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (CONDITIONAL, OVERHEAD, WHAT_MOVES, SCORE_GRADIENT, R_SOFTMAX)
