"""Exercises and quiz on criss-cross attention; those that ask for code are in ``code.py``."""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.criss_cross.code import CHAPTER, CROSS_WEIGHTS, MERGE
from attncourse.exercises.value import ValueExercise
from attncourse.spatial.criss_cross import cross_mask

#: Rows and columns of the map in the exercise on ways.
ROWS, COLUMNS = 5, 7


def _ways() -> tuple[float, ...]:
    """From the pixel (0, 0): to another row and column, along the row, down the column, home."""
    steps = cross_mask(ROWS, COLUMNS).double()
    ways = (steps @ steps)[0].view(ROWS, COLUMNS)
    return tuple(float(ways[p]) for p in ((2, 3), (0, 3), (2, 0), (0, 0)))


WAYS = ValueExercise(
    chapter=CHAPTER,
    name="ways",
    title="Predict: by how many ways?",
    level=2,
    task=f"A map has {ROWS} rows and {COLUMNS} columns. A step goes from a pixel to any pixel of "
    "its row or column, or stays. Count the ways of exactly two steps from a pixel to one in "
    "another row and column, to another one in its row, to another one in its column, and back to "
    "itself.",
    hints=(
        "Name the pixel after the first step. It must lie on the cross of the start and on that of "
        "the end.",
        "Two crosses with different rows and columns meet in two corners. Two crosses in one row "
        "share the whole row.",
        "Two crosses of one pixel share everything: h + w - 1 pixels.",
    ),
    explanation="2, w, h and h + w - 1. None is zero, so two passes reach every pixel; but they "
    "are not equal, and far pixels have the fewest ways.",
    truth=_ways,
    low=0.0,
    high=200.0,
    unit="a number of ways",
    parts=("another row and column", "the same row", "the same column", "itself"),
    tolerance=Tolerance(relative=0.0, absolute=1e-6),
    misconceptions=(
        Misconception(
            "one corner",
            "There are two corners: along the row first, or down the column first.",
            (1.0, 7.0, 5.0, 11.0),
        ),
        Misconception(
            "rows and columns exchanged",
            "Two crosses in one row share that row, which has w = 7 pixels.",
            (2.0, 5.0, 7.0, 11.0),
        ),
        Misconception(
            "oneself counted twice",
            "The cross of a pixel has h + w - 1 pixels: it stands in its row and in its column, "
            "and is one pixel.",
            (2.0, 7.0, 5.0, 12.0),
            ((2.0, 9.0, 7.0, 14.0),),
        ),
        Misconception(
            "staying is no step",
            "A pixel reads itself as well, so one of the two steps may stay: start and end count "
            "as pixels in between.",
            (2.0, 5.0, 3.0, 10.0),
            ((2.0, 5.0, 3.0, 11.0),),
        ),
        Misconception(
            "one way each",
            "That they are connected is right. Count all pixels that can lie in between.",
            (1.0, 1.0, 1.0, 1.0),
        ),
        Misconception(
            "home by the line alone",
            "From a pixel to itself the pixel in between may be any of its cross.",
            (2.0, 7.0, 5.0, 1.0),
        ),
    ),
)

WHO_NOTICES = TableExercise(
    chapter=CHAPTER,
    name="who_notices",
    title="Predict: who notices?",
    level=2,
    task="A map has 7 rows and 9 columns, and you look at the output at row 3, column 4. For each "
    "change name all blocks whose output there moves, among `one` (one pass), `two` (two passes) "
    "and `all` (a non-local block, which reads all pairs). Weights are random, γ and W_z "
    "are not zero, and all pixels differ. A change that moves none gets `()`.",
    hints=(
        "Which pixels can each block hear of? And does it hear where they stand?",
        "A softmax does not know the order of its slots: it only counts who is on the cross.",
        "When two whole rows are exchanged, every cross still holds the same pixels, unless it "
        "lies in one of them.",
    ),
    explanation="A non-local block knows what there is and not where. Criss-cross attention knows "
    "one thing about places: who shares a row or a column with whom.",
    labels=("one", "two", "all"),
    truth={
        "brighten the pixel in row 3, column 8": frozenset({"one", "two", "all"}),
        "brighten the pixel in row 6, column 8": frozenset({"two", "all"}),
        "exchange rows 5 and 6": frozenset(),
        "exchange the pixels (3, 8) and (6, 8)": frozenset({"one", "two"}),
        "exchange the pixels (5, 6) and (6, 8)": frozenset({"two"}),
        "exchange the pixels (3, 6) and (3, 8)": frozenset({"two"}),
    },
    misconceptions=(
        Misconception(
            "a pass that sees around a corner",
            "Row 6, column 8 shares neither the row nor the column of the pixel you look at.",
            ("brighten the pixel in row 6, column 8", "one"),
        ),
        Misconception(
            "rows that have an order",
            "After the exchange every pixel has the same pixels in its row and in its column, in "
            "another order. A softmax over them gives the same.",
            ("exchange rows 5 and 6", "two"),
        ),
        Misconception(
            "a column that has an order",
            "The column still holds the same pixels.",
            ("exchange rows 5 and 6", "one"),
        ),
        Misconception(
            "all pairs with places",
            "A non-local block reads the same set of pixels after any exchange of two others.",
            ("exchange the pixels (3, 8) and (6, 8)", "all"),
        ),
        Misconception(
            "a far exchange that is heard at once",
            "Neither pixel is on the cross of (3, 4) before or after.",
            ("exchange the pixels (5, 6) and (6, 8)", "one"),
        ),
        Misconception(
            "an order along the row",
            "One pass reads the same nine pixels of row 3, in another order.",
            ("exchange the pixels (3, 6) and (3, 8)", "one"),
        ),
    ),
)

#: One pass for queries, keys and values (b, h, w, d); one line goes wrong.
LISTING = """\
down = torch.einsum("bijd,bmjd->bijm", q, k)
along = torch.einsum("bijd,bimd->bijm", q, k)
down = down - (torch.eye(h) * torch.inf)[:, None]
a = torch.cat([down, along], dim=3).softmax(dim=3)
y = torch.einsum("bijm,bmjd->bijd", a[..., :h], v)
y = y + torch.einsum("bijm,bimd->bijd", a[..., h:], v)"""

LOST_LINE = ChoiceExercise(
    chapter=CHAPTER,
    name="lost_line",
    title="Spot the line",
    level=2,
    task="The listing is one pass without γ and without the residual. Name the line that spoils "
    "every output.",
    hints=(
        "Compute one entry of each line by hand. What is zero times infinity?",
        "Which numbers stand off the diagonal of the mask?",
    ),
    options=(
        Option("Line 1", "It compares the query at (i, j) with the keys (m, j) of its column."),
        Option("Line 2", "It compares the query at (i, j) with the keys (i, m) of its row."),
        Option(
            "Line 3",
            "Off the diagonal stands 0 times infinity, which is not a number, and the softmax "
            "spreads it over all weights. Fill the diagonal instead.",
            right=True,
        ),
        Option("Line 4", "It is one softmax over both parts, as equation (3) has it."),
        Option("Line 5", "It reads the column with its own h weights."),
        Option("Line 6", "It adds what is read in the row."),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "After two passes every pixel has a slope to every other. What follows?",
            (
                Option("The block does what a non-local block does, at less cost.",
                       "The slope says that something gets through, not that the right thing "
                       "does. Between far pixels all of it passes one of two corners."),
                Option("No pixel is out of reach.",
                       "This is what connectivity means, and no more.", right=True),
                Option("All pixels count alike.",
                       "With equal weights a pixel of the same row has w ways, one around the "
                       "corner has two."),
            ),
        ),
        Question(
            "Why is the own slot of the column closed?",
            (
                Option("To make the softmax sum to one.",
                       "It sums to one in any case."),
                Option("Because a pixel must not read itself.",
                       "It does read itself, in its row."),
                Option("Because a pixel stands in both lines and would count twice.",
                       "Row and column have h + w - 1 pixels together.", right=True),
            ),
        ),
        Question(
            "A non-local block reads every pixel that criss-cross attention reads. Why can it not "
            "answer the rooks better than a quarter of the variance?",
            (
                Option("It has too few parameters.",
                       "It has more: 1,491 in the whole network against 948."),
                Option("It cannot know which of the rooks share its row or column.",
                       "Without word of places, any two of the eight may be its own.", right=True),
                Option("Its softmax spreads over too many pixels.",
                       "It may concentrate on the eight rooks. It then still has to take them "
                       "all."),
            ),
        ),
        Question(
            "The mean over row and column, without queries, answers the rooks nearly as well. "
            "What does this say?",
            (
                Option("That the pattern, not the weights, brings what matters here.",
                       "Which cells are read is fixed in both; who is asked differs.", right=True),
                Option("That weights never matter.",
                       "In our budget the mean did not find a twin in its line, and criss-cross "
                       "attention did."),
                Option("That the task can be solved pixel by pixel.",
                       "Without any block, nothing is explained."),
            ),
        ),
        Question(
            "The image is enlarged from 64 to 128 pixels a side. What happens to the number of "
            "weights of one pass?",
            (
                Option("Four times as many.", "The pixels are, and each has a longer cross."),
                Option("About eight times as many.",
                       "Four times the pixels, each with twice the slots.", right=True),
                Option("Sixteen times as many.", "This holds for all pairs."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (CROSS_WEIGHTS, WAYS, WHO_NOTICES, LOST_LINE, MERGE)
