"""Exercises and quiz on the vision transformer; those that ask for code are in ``code.py``."""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.vision_transformer.code import CHAPTER, MULTI_HEAD, ROLLOUT
from attncourse.exercises.value import ValueExercise
from attncourse.spatial.vision_transformer import vit_parameter_count

#: Image, patch, width, heads and depth of the exercise on sizes: S/16 at 384 pixels.
IMAGE, PATCH, WIDTH, HEADS, DEPTH = 384, 16, 384, 6, 12


def _sizes() -> tuple[float, ...]:
    """Tokens, weights of one layer's maps, and how many parameters there are more than at 224."""
    n = (IMAGE // PATCH) ** 2 + 1
    rest = (PATCH, 3, 1000, WIDTH, DEPTH)
    more = vit_parameter_count(IMAGE, *rest) - vit_parameter_count(224, *rest)
    return float(n), float(HEADS * n * n), float(more)


SIZES = ValueExercise(
    chapter=CHAPTER,
    name="sizes",
    title="Predict: a larger image",
    level=1,
    task=f"A ViT-S/16 has patches of {PATCH} pixels, width {WIDTH} and {HEADS} heads. It was "
    f"trained at 224 x 224 pixels and is to read {IMAGE} x {IMAGE}. Give the number of tokens "
    "then, the number of weights in the maps of one layer, and how many parameters the network has "
    "more than before.",
    hints=(
        "Patches along a side: 384 / 16. Do not forget the class token.",
        "Each head has a map of its own, n x n.",
        "Which parameters know how many patches there are? At 224 pixels there are 196.",
    ),
    explanation="577 tokens, 6 · 577² weights; of the parameters the position table alone grows, "
    "by 380 rows of 384 numbers. The image has three times the pixels, the maps have 8.6 times "
    "the weights.",
    truth=_sizes,
    low=0.0,
    high=1e8,
    unit="a number",
    parts=("tokens", "weights of the maps of one layer", "more parameters"),
    tolerance=Tolerance(relative=0.0, absolute=1e-6),
    misconceptions=(
        Misconception(
            "the class token forgotten",
            "24 x 24 patches are 576 tokens, and the class token is one more.",
            (576.0, 6.0 * 576**2, 145_920.0),
            ((576.0, 6.0 * 577**2, 145_920.0),),
        ),
        Misconception(
            "the class token forgotten, and a whole new table",
            "Two things: 24 x 24 patches are 576 tokens, and the class token is one more. And the "
            "table had rows before: count those that are added.",
            (576.0, 6.0 * 576**2, 576.0 * 384),
            ((576.0, 6.0 * 576**2, 577.0 * 384), (576.0, 6.0 * 577**2, 576.0 * 384)),
        ),
        Misconception(
            "one map a layer",
            "Each of the six heads has a map of its own.",
            (577.0, 577.0**2, 145_920.0),
        ),
        Misconception(
            "no new parameters",
            "Layers are shared by all tokens, but the position table has a row for each.",
            (577.0, 6.0 * 577**2, 0.0),
        ),
        Misconception(
            "a whole new table",
            "The table had 197 rows before. Count those that are added.",
            (577.0, 6.0 * 577**2, 577.0 * 384),
            ((577.0, 6.0 * 577**2, 576.0 * 384),),
        ),
    ),
)

WHO_NOTICES = TableExercise(
    chapter=CHAPTER,
    name="who_notices",
    title="Predict: who notices?",
    level=2,
    task="Two vision transformers with random weights answer an image: `table` has a position "
    "table, `set` has none. For each change name those whose class scores move. A change that "
    "moves none gets `()`.",
    hints=(
        "Without a table the patches are a set.",
        "What does a softmax do with a number that is added to a whole row of logits?",
        "Which rows of W_q, W_k and W_v belong to a head, and which columns of W_o?",
    ),
    explanation="Order enters by the table alone, and heads have no order: what is renamed on both "
    "sides is the same function. The bias of the keys is dead.",
    labels=("table", "set"),
    truth={
        "exchange two patches of the image": frozenset({"table"}),
        "exchange two patches, and their rows of the table if there is one": frozenset(),
        "add 7 to every bias of the keys": frozenset(),
        "add 7 to every bias of the values": frozenset({"table", "set"}),
        "exchange two heads in W_q, W_k and W_v, and their columns of W_o": frozenset(),
        "exchange two heads in W_q alone": frozenset({"table", "set"}),
        "double W_k and halve W_q, biases included": frozenset(),
    },
    misconceptions=(
        Misconception(
            "a set with an order",
            "Without a table nothing says where a patch stood: the class token reads the same set.",
            ("exchange two patches of the image", "set"),
        ),
        Misconception(
            "rows that stay behind",
            "Patch and row are added up before anything else. Exchanged together they give the "
            "same tokens in another order.",
            ("exchange two patches, and their rows of the table if there is one", "table"),
        ),
        Misconception(
            "a bias of the keys that counts",
            "It adds q·b to all logits of a row, and the softmax takes it out.",
            ("add 7 to every bias of the keys", "table"),
        ),
        Misconception(
            "heads with an order",
            "Heads are added up behind W_o. Renamed before and after, they are the same.",
            ("exchange two heads in W_q, W_k and W_v, and their columns of W_o", "table"),
        ),
        Misconception(
            "the two scales apart",
            "Only the products q·k count: 2 times one half is 1.",
            ("double W_k and halve W_q, biases included", "set"),
        ),
    ),
)

#: Attention with several heads (b, n, c); one line goes wrong.
LISTING = """\
q, k, v = (t.unflatten(2, (heads, -1)) for t in (q, k, v))
q, k, v = (t.transpose(1, 2) for t in (q, k, v))
s = q @ k.mT / q.shape[-1] ** 0.5
a = s.softmax(dim=-1)
y = (a @ v).flatten(2)
y = y.reshape(b, n, c)"""

LOST_LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="lost_line",
    title="Spot the line",
    level=2,
    task="The listing raises no error and gives the right shape. Name the line that makes it wrong "
    "for two heads or more.",
    hints=(
        "Write the shape behind each line.",
        "Behind line 2 the axes are b, heads, n, d. Which two does `flatten(2)` join?",
    ),
    options=(
        Option("Line 1", "It gives b, n, heads, d: head m has d channels in a row."),
        Option("Line 2", "It moves the heads beside the batch, so that tokens meet tokens."),
        Option("Line 3", "The last axis is d, the width of one head."),
        Option("Line 4", "The last axis is that of the keys."),
        Option(
            "Line 5",
            "It joins tokens and channels while the heads still stand in front: transpose first. "
            "The shape comes out right, and tokens are mixed up with heads.",
            right=True,
        ),
        Option("Line 6", "It only gives the shape back that line 5 has spoilt."),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "There is one layer. What can the class token not *ask*?",
            (
                Option("Where the blank is.",
                       "The blank looks the same in every image, so one fixed query finds it."),
                Option("Which cell has the blank's pattern.",
                       "In the first layer its query is the same for all images, and the pattern "
                       "is another one each time: it must be fetched first.",
                       right=True),
                Option("What the mean pattern of all cells with the first glyph is.",
                       "A fixed query finds these cells, and the values are their patterns."),
            ),
        ),
        Question(
            "A layer of width c has M heads instead of one. What happens to parameters and "
            "multiply-adds of the four projections and the two products?",
            (
                Option("Both grow M times.", "Each head has c / M of the width."),
                Option("Both stay.",
                       "4 c² + 4 c parameters, 4 n c² + 2 n² c multiply-adds, whatever M is.",
                       right=True),
                Option("Parameters stay, multiply-adds grow M times.",
                       "M maps, each from products of length c / M."),
            ),
        ),
        Question(
            "One head read 'v of the red one minus v of the blue one' to a half at most. Which "
            "change got past it in our runs?",
            (
                Option("Tokens twice as wide.", "It stayed at one half: the bound does not "
                       "know the width."),
                Option("A hidden layer behind it.", "In our runs it stayed there, too."),
                Option("A second layer of one head.",
                       "One question after the other. Two heads ask both at once.", right=True),
            ),
        ),
        Question(
            "A small CNN with a two-layer head solves *same or different* as the ViT does. What "
            "follows?",
            (
                Option("That attention is not needed there.",
                       "It was not there, and every image was right.", right=True),
                Option("That CNNs compare any two things.",
                       "With fresh patterns instead of a fixed alphabet they stayed at the level "
                       "of counting."),
                Option("That the ViT was trained too briefly.",
                       "Both are near 100 %."),
            ),
        ),
        Question(
            "Without the root of d the softmax of a fresh layer is nearly hard. What happened to "
            "the gradients of W_q and W_k?",
            (
                Option("They vanished.", "That is what is often written. They were larger."),
                Option("They were several times larger.",
                       "The chain rule no longer divides by the root of d, and the mean norm of "
                       "the softmax's Jacobian even grows.", right=True),
                Option("They stayed the same.", "Compare the table under Deeper."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (SIZES, MULTI_HEAD, WHO_NOTICES, LOST_LINE, ROLLOUT)
