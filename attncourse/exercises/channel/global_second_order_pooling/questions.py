"""Quiz of the chapter on GSoP, and its exercises that ask for numbers."""

from __future__ import annotations

import torch

from attncourse.channel.global_second_order_pooling import centring
from attncourse.exercises.channel.global_second_order_pooling.code import (
    CHAPTER,
    COVARIANCE,
    WAY_BACK,
)
from attncourse.exercises.channel.global_second_order_pooling.rows import ROWS
from attncourse.exercises.choice import Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.value import ValueExercise


def steps_to(size: int, condition: float, bound: float = 0.01) -> int:
    """Newton-Schulz steps to a relative error, for eigenvalues log-spaced from 1 to condition."""
    share = torch.logspace(0, torch.tensor(condition).log10().item(), size, dtype=torch.float64)
    share = share / share.sum()
    p, steps = share.clone(), 0
    while (share * (1 - p.sqrt()) ** 2).sum().sqrt() >= bound:
        p, steps = p * (3 - p) ** 2 / 4, steps + 1
    return steps


STEPS = ValueExercise(
    chapter=CHAPTER,
    name="steps",
    title="Predict, then measure: how many steps to the root?",
    level=3,
    task="How many steps of (9) bring the relative Frobenius error below 1 %? Give four numbers: "
    "for 16 equal eigenvalues, for 16 that are log-spaced from 1 to 100, and the same two for 256.",
    hints=(
        "Equation (10) follows one eigenvalue. It starts at the eigenvalue's share of the trace.",
        "Follow all shares a at once: ρ starts at a, and the squared error is the sum of "
        "a (1 - √ρ)².",
        "`a = lam / lam.sum(); rho = a.clone()`, then `rho = rho * (3 - rho) ** 2 / 4` until "
        "`(a * (1 - rho.sqrt()) ** 2).sum().sqrt() < 0.01`, counting.",
    ),
    explanation="Sixteen times as many equal eigenvalues cost three steps more, and a condition "
    "number of 100 costs two. The trace is the reason for the three: it gives each of d equal "
    "eigenvalues a share of 1/d, from which it has to grow.",
    truth=lambda: (steps_to(16, 1), steps_to(16, 100), steps_to(256, 1), steps_to(256, 100)),
    parts=("16 equal", "16 from 1 to 100", "256 equal", "256 from 1 to 100"),
    low=0,
    high=100,
    unit="a number of steps",
    tolerance=Tolerance(relative=0.0, absolute=0.01),
    misconceptions=(
        Misconception(
            "the authors' number",
            "Three steps is what the authors train with. They are far from the root: with 256 "
            "equal eigenvalues four fifths are missing.",
            (3.0, 3.0, 3.0, 3.0),
        ),
        Misconception(
            "a count that the size does not enter",
            "The trace is divided out, so each of d equal eigenvalues starts at 1/d: the larger d, "
            "the longer the way.",
            (6.0, 8.0, 6.0, 8.0),
            ((8.0, 8.0, 8.0, 8.0), (6.0, 6.0, 6.0, 6.0)),
        ),
        Misconception(
            "a count that the condition number does not enter",
            "At a given d it costs steps too: most of 16 eigenvalues from 1 to 100 start lower "
            "than 1/16.",
            (6.0, 6.0, 9.0, 9.0),
            ((8.0, 8.0, 11.0, 11.0),),
        ),
        Misconception(
            "the growth alone",
            "This is how long √d takes to grow at 1.5 a step. The last steps, where the error is "
            "squared, come on top, and so does the spread of the eigenvalues.",
            (4.0, 4.0, 7.0, 7.0),
        ),
        Misconception(
            "one step too few",
            "After this many steps each error is still above 1 %.",
            (5.0, 7.0, 8.0, 10.0),
        ),
    ),
)


def of_the_wrong_size(size: int = 256, constant: int = 64) -> tuple[float, float, float]:
    """Eigenvalues in units of 1 / constant: across, along the ones, and how many are positive."""
    bar = constant * centring(size, constant, dtype=torch.float64)
    ones = torch.ones(size, dtype=torch.float64)
    across = ones.clone()
    across[1::2] = -1
    along = float(ones @ bar @ ones / size)
    positive = int((torch.linalg.eigvalsh(bar) > 1e-9).sum())
    return float(across @ bar @ across / size), along, float(positive)


WRONG_SIZE = ValueExercise(
    chapter=CHAPTER,
    name="wrong_size",
    title="Spot the bug: a centring matrix of the wrong size",
    level=2,
    task="The released spatial branch builds a d x d matrix with the constants of 64 positions, "
    "1/64 (I - 1/64 · ones). Take d = 256. In units of 1/64, give the eigenvalue of a direction "
    "whose entries add up to zero and that of the constant direction, and how many of the 256 "
    "eigenvalues are positive.",
    hints=(
        "Multiply the matrix by a vector whose entries add up to zero, and by the vector of ones.",
        "The matrix of ones sends a vector to its sum, everywhere. What is the sum of 256 ones, "
        "over 64?",
        "1 - 256/64 for the constant direction.",
    ),
    explanation="For d = 64 the constant direction has 0, and the matrix centres. For any other d "
    "it does not, and above 64 it turns the direction around: the result is no covariance.",
    truth=of_the_wrong_size,
    parts=("entries that add up to zero", "the constant direction", "how many are positive"),
    low=-256,
    high=256,
    unit="a number of 64ths, or a count",
    misconceptions=(
        Misconception(
            "a matrix of the right size",
            "The constant direction has 0 only where both sizes agree. Here 256 ones are added up "
            "and divided by 64.",
            (1.0, 0.0, 255.0),
        ),
        Misconception(
            "the chapter's size",
            "This holds for d = 128. Here d is 256.",
            (1.0, -1.0, 255.0),
            ((1.0, -1.0, 127.0),),
        ),
        Misconception(
            "a lost minus",
            "1 - 256/64 is negative: the direction is turned around.",
            (1.0, 3.0, 255.0),
            ((1.0, 3.0, 256.0),),
        ),
        Misconception(
            "a forgotten identity",
            "The identity gives every direction 1; the ones take 256/64 away from one of them.",
            (1.0, -4.0, 255.0),
            ((0.0, -4.0, 0.0),),
        ),
        Misconception(
            "other units",
            "Give the eigenvalues in units of 1/64.",
            (1 / 64, -3 / 64, 255.0),
        ),
        Misconception(
            "all counted as positive",
            "One of the 256 is negative: that of the constant direction.",
            (1.0, -3.0, 256.0),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Two images have the same variance in every channel, and their covariances differ. "
            "Which gates can tell them apart?",
            (
                Option("SE's, if their means differ.",
                       "Nothing was said of the means; SE does not see what differs here."),
                Option("Those of a block that reads the variance of each channel.",
                       "The variances are the same."),
                Option("GSoP's, and those of variances behind a 1x1 convolution.",
                       "The variance of a sum of two channels holds twice their covariance.",
                       right=True),
            ),
        ),
        Question(
            "Var(a + b) - Var(a - b) is",
            (
                Option("0, since a and b have their own variances.",
                       "The squares cancel, the products add up."),
                Option("2 Cov(a, b).",
                       "Each of the two variances holds 2 Cov(a, b), with opposite signs."),
                Option("4 Cov(a, b).",
                       "So a mixing before the square does the work of the pairs after it.",
                       right=True),
            ),
        ),
        Question(
            "On the row cov the diagonal alone, behind GSoP's own reduction, comes as far as GSoP. "
            "What does that say?",
            (
                Option("The entries off the diagonal carry nothing.",
                       "Without the reduction they are what solves the task."),
                Option("Mixing before the square can replace the pairs after it on this task.",
                       "Take both away, and the network falls to the level without the cue.",
                       right=True),
                Option("A variance is enough, with or without mixing.",
                       "The variances of the channels themselves do not see the cue."),
            ),
        ),
        Question(
            "A map has 7 x 7 positions and is reduced to 128 channels. What is the largest rank of "
            "the covariance?",
            (
                Option("128", "49 positions span at most 49 directions, and the mean takes one."),
                Option("49", "The centred columns add up to zero: one direction is lost."),
                Option("48", "One less than the positions.", right=True),
            ),
        ),
        Question(
            "Without the ReLUs of the released code, which parameters of the block get no gradient "
            "at all?",
            (
                Option("The bias of the reduction and the shift of its normalisation.",
                       "Both add a constant to a channel, and a covariance does not see it.",
                       right=True),
                Option("The bias behind the rows.",
                       "It moves the gates directly."),
                Option("None: batch normalisation passes a gradient to all.",
                       "It does, but the covariance behind it passes none to constants."),
            ),
        ),
        Question(
            "Three Newton-Schulz steps, and d = 256. What has become of small eigenvalues?",
            (
                Option("They are the root to 1 %.",
                       "For 256 equal ones that takes nine steps."),
                Option("They were multiplied by nearly the same number: the map is close to "
                       "linear there.",
                       "Each step multiplies by about 1.5 while the share is small.", right=True),
                Option("They diverged.",
                       "Shares of a trace lie from 0 to 1, where the iteration converges."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (COVARIANCE, WAY_BACK, ROWS, STEPS, WRONG_SIZE)
