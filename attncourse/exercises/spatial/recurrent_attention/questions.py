"""Exercises and quiz of the chapter on RAM; those that ask for code are beside this file."""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.recurrent_attention.code import CHAPTER, ESTIMATE, GLIMPSE
from attncourse.exercises.value import ValueExercise

_MEAN, _STD, _TARGET = 0.0, 0.5, 2.0
_GAP = (_MEAN - _TARGET) ** 2


def best_baseline() -> tuple[float, float]:
    """Expected reward and least-variance baseline of -(l - 2)^2 under N(0, 0.5^2)."""
    return -(_GAP + _STD**2), -(_GAP + 3 * _STD**2)


BASELINE = ValueExercise(
    chapter=CHAPTER,
    name="best_baseline",
    title="Derive the best baseline",
    level=3,
    task="A location is drawn from N(0, 0.5²) on a line and earns R = -(l - 2)². Give two numbers: "
    "the expected reward, and the constant baseline with the least variance.",
    hints=(
        "Write l = μ + τ ε with ε standard normal, and e = μ - 2. Then R = -(e + τ ε)², and the "
        "score is ε/τ.",
        "For ε you need E ε² = 1, E ε³ = 0 and E ε⁴ = 3. The best baseline weighs each reward by "
        "the squared score: E[R ε²]/E[ε²].",
        "E[R] = -(e² + τ²). In E[R ε²] = -(e² E ε² + τ² E ε⁴) the last factor is 3.",
    ),
    explanation="The best baseline lies below the expected reward: samples far from the mean have "
    "large scores and, here, small rewards, and they weigh more.",
    truth=best_baseline,
    parts=("expected reward", "best baseline"),
    low=-20.0,
    high=20.0,
    unit="a pair of rewards",
    tolerance=Tolerance(relative=0.0, absolute=5e-3),
    misconceptions=(
        Misconception(
            "the expected reward as the best baseline",
            "It is the usual cheap choice, not the best one. Weigh each reward by its squared "
            "score.",
            (-(_GAP + _STD**2), -(_GAP + _STD**2)),
        ),
        Misconception(
            "the reward of the mean",
            "R at l = μ leaves out the spread: E[(e + τ ε)²] is e² + τ².",
            (-_GAP, -_GAP),
        ),
        Misconception(
            "a lost sign",
            "The rewards are negative: R = -(l - 2)².",
            (_GAP + _STD**2, _GAP + 3 * _STD**2),
        ),
        Misconception(
            "a spread that is not squared",
            "The variance of l is τ² = 0.25.",
            (-(_GAP + _STD), -(_GAP + 3 * _STD)),
        ),
        Misconception(
            "the two numbers in the other order",
            "First the expected reward, then the best baseline, which lies below it.",
            (-(_GAP + 3 * _STD**2), -(_GAP + _STD**2)),
        ),
    ),
)

BUG = ChoiceExercise(
    chapter=CHAPTER,
    name="silent_line",
    title="Find the line that teaches nothing",
    level=2,
    task="In this training step one line makes the gradient of the policy term zero, whatever the "
    "reward. Give its letter.",
    hints=(
        "The step runs without an error and the classifier learns. Follow the mean into the "
        "log-density: by how many ways does it get there?",
        "Put l = μ + τ ε into ‖l - μ‖²/(2τ²) and simplify before you differentiate.",
    ),
    explanation="Draw without a gradient, by `sample()` or `.detach()`; `rsample()` is for losses "
    "that are differentiable in the sample.",
    options=(
        Option(
            "sample = policy.rsample()",
            "The sample carries the mean along, l - μ = τ ε does not depend on μ any more, and the "
            "log-density is a constant.",
            right=True,
        ),
        Option(
            "density = policy.log_prob(sample).sum(dim=1)",
            "The density of the sample under the policy is what REINFORCE differentiates, and a "
            "sum over x and y is the density in the plane.",
        ),
        Option(
            "location = sample.clamp(-1, 1)",
            "The window is read at the border, and the density was taken before: that is the right "
            "order.",
        ),
        Option(
            "advantage = (reward - guess).detach()",
            "The advantage must be a constant here, or the policy term would train the baseline.",
        ),
    ),
)

_PARTS = ("what", "policy", "baseline")

GRADIENTS = TableExercise(
    chapter=CHAPTER,
    name="who_learns",
    title="Predict, then measure: who learns from which term?",
    level=2,
    task="For each term of the loss (15) name the parts of DRAM that it trains with joint=False: "
    "what (f_image, f_loc, f1, classifier), policy (f2, location head) or baseline.",
    hints=(
        "Brackets in (15) hold constants. Ask of each part: does the term depend on it by a way "
        "that no bracket cuts?",
        "Locations are cut from the graph when they are drawn, and the state that reads is cut "
        "before the state that decides gets it.",
        "The fence is a function of the means alone.",
    ),
    explanation="Each part learns from one signal of its own; `joint=True` adds one way more, from "
    "the policy term to what is seen.",
    labels=_PARTS,
    truth={
        "cross-entropy": frozenset({"what"}),
        "REINFORCE": frozenset({"policy"}),
        "regression": frozenset({"baseline"}),
        "fence": frozenset({"policy"}),
    },
    misconceptions=(
        Misconception(
            "a policy trained by cross-entropy",
            "The sampled locations are constants: cross-entropy does not know that they came from "
            "a policy.",
            ("cross-entropy", "policy"),
        ),
        Misconception(
            "a classifier that reads without learning",
            "With the locations fixed, the scores are an ordinary function of what was seen.",
            ("cross-entropy", "what"),
        ),
        Misconception(
            "a reward that trains the classifier",
            "The reward stands in brackets: REINFORCE moves where the network looks, not what it "
            "answers.",
            ("REINFORCE", "what"),
        ),
        Misconception(
            "a baseline trained by the policy term",
            "R - b stands in brackets. Without them the term would push b up or down without end.",
            ("REINFORCE", "baseline"),
        ),
        Misconception(
            "a baseline that shapes the policy",
            "The baseline reads a state that is cut from the graph, so its regression ends there.",
            ("regression", "policy"),
        ),
        Misconception(
            "a fence without an effect",
            "The fence is a function of the means, and the means come from the location head.",
            ("fence", "policy"),
        ),
        Misconception(
            "a fence around the baseline",
            "The fence looks at the means alone.",
            ("fence", "baseline"),
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "You double both sides of the image and keep glimpse and number of looks. The "
            "multiply-adds of RAM",
            (
                Option("grow fourfold.", "That is what a convolutional network pays."),
                Option("stay as they are.",
                       "Every window has the same number of points, wherever it lies.", right=True),
                Option("double.", "No side of the image enters the count."),
            ),
        ),
        Question(
            "All samples of a batch earn the same reward R, and b = R. What does REINFORCE do?",
            (
                Option("It pulls the mean to all samples a little.",
                       "With b = 0 it would, and the pulls would cancel on average only."),
                Option("It pushes the mean away from all samples.",
                       "That would need a reward below the baseline."),
                Option("Nothing: every estimate is exactly zero.",
                       "No sample did better than expected, so there is nothing to learn, and no "
                       "noise either.", right=True),
            ),
        ),
        Question(
            "The baseline is a function of the state from which the location is drawn. Is the "
            "estimate still unbiased?",
            (
                Option("Yes, since the baseline does not depend on the sample itself.",
                       "Given the state, b is a constant, and the expected score is zero.",
                       right=True),
                Option("No, since the baseline is learned.",
                       "It may be any function of the state, good or bad: only the variance "
                       "changes."),
                Option("Only if b is the expected reward.",
                       "That choice is good for the variance; the mean is right for every b."),
                Option("Only after the baseline has converged.",
                       "A bad guess makes the estimate noisier, not biased."),
            ),
        ),
        Question(
            "On the task of this chapter a narrow start fails with REINFORCE. You replace it by "
            "plain backpropagation with the same narrow noise. What was measured?",
            (
                Option("It solves the task: an exact slope leads to the corners.",
                       "A slope tells what happens a little further on, and the digits are far "
                       "from the middle."),
                Option("It does not solve the task either.",
                       "It gets further, to some of the corners, but both gradients learn from "
                       "the places that the draws visit, and few of them show the named digit.",
                       right=True),
                Option("It solves the task, only more slowly.",
                       "With equal steps all five recorded seeds stay far below a wide start; more "
                       "steps were not tried."),
            ),
        ),
        Question(
            "With the same wide start, in which case does plain backpropagation give the policy "
            "no gradient at all, while REINFORCE learns?",
            (
                Option("Windows are cut at whole pixels.",
                       "The crop is a step function of the location: its slope is zero wherever "
                       "it has one.", right=True),
                Option("Windows are read bilinearly between pixels.",
                       "Then the glimpse has a slope with respect to its location, and "
                       "backpropagation learned as well as REINFORCE." ),
                Option("The loss is the cross-entropy of the answer.",
                       "That loss is smooth, and it is the one that backpropagation used here."),
                Option("The location is drawn at random.",
                       "The noise is added to the mean, and the gradient passes through a sum."),
            ),
        ),
        Question(
            "You replace the reward of (14) by 1 for a right answer and 0 for a wrong one. With "
            "the steps of this chapter, what was measured?",
            (
                Option("REINFORCE fails with both: it needs a reward with a slope.",
                       "It differentiates the density, never the reward, and with the best answer "
                       "all five recorded seeds learn."),
                Option("It learns if the best answer counts, and not if a drawn answer does.",
                       "The drawn answer's reward has the mean of (14) and adds the noise of the "
                       "draw; no recorded seed learns from it.", right=True),
                Option("Both learn alike: their means are alike.",
                       "Only the drawn answer's reward has the mean of (14), and it is the one "
                       "that fails here: an equal mean says nothing of the noise."),
            ),
        ),
        Question(
            "DRAM's classifier reads the lower state, and a coarse view of the whole image starts "
            "the upper one. What does this arrangement prevent?",
            (
                Option("An answer read off the coarse view, past the glimpses.",
                       "The upper state only moves the window; nothing flows from it to the "
                       "scores.", right=True),
                Option("A policy that depends on the image.",
                       "It depends on it all the more: the first location comes from the view."),
                Option("A vanishing gradient.", "That is not what the two layers are for."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (GLIMPSE, ESTIMATE, BASELINE, BUG, GRADIENTS)
