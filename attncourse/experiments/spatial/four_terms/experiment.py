"""Four questions and four terms: the matrix of who can answer what, and who else can.

One experiment for each question, with the same networks and the question's own controls, so that
a term's score on a question is one cell of the matrix.
"""

from __future__ import annotations

from functools import partial

from attncourse.experiments.base import Experiment, Variant
from attncourse.experiments.scores import Score
from attncourse.experiments.spatial.four_terms.nets import (
    Deformed,
    Dynamic,
    TermNet,
    convolutions,
    perceptron,
)
from attncourse.tasks.four_questions import (
    QUESTIONS,
    FourQuestions,
    answer_loss,
    explained_items,
)
from attncourse.training import Budget

BUDGET = Budget(steps=500, batch_size=32, learning_rate=2e-2, clip=1.0)

#: The four terms as the chapter numbers them: name of the variant -> switches.
TERMS = {"1 query, key": "1000", "2 query, place": "0100", "3 key": "0010", "4 place": "0001"}

_TERM = {
    name: Variant(name, "ablation", partial(TermNet, terms), f"one term alone: {name[2:]}")
    for name, terms in TERMS.items()
}
RIVALS = (
    Variant("no term", "plain", partial(TermNet, "0000"), "the mean of all cells"),
    Variant("perceptron", "plain", perceptron, "all numbers of the image at once"),
    Variant("convolutions", "plain", convolutions, "three layers of 5 x 5, 64 channels"),
)
FRAME = (
    Variant("dynamic", "ablation", Dynamic, "each cell predicts its 3 x 3 shares"),
    Variant("deformable", "ablation", Deformed, "each cell predicts where one tap reads"),
    Variant(
        "deformable, key",
        "ablation",
        partial(Deformed, key=True),
        "the tap beside the third term, which the paper recommends",
    ),
)
ALL = Variant("all four", "mechanism", partial(TermNet, "1111"), "the mechanism")

#: Question -> networks that could refute how an off-diagonal value is explained.
CONTROLS = {
    "match": (),
    "pointer": (
        Variant(
            "4, free table",
            "ablation",
            partial(TermNet, "0001", free=True),
            "the fourth term with a number for every displacement of rows and of columns",
        ),
        Variant(
            "4, free, two heads",
            "ablation",
            partial(TermNet, "0001", 2, free=True),
            "the same, twice",
        ),
        Variant(
            "4, joint table",
            "ablation",
            partial(TermNet, "0001", joint=True),
            "the fourth term with a number for every pair of displacements, down and across",
        ),
    ),
    "salient": (
        Variant(
            "1 and a constant",
            "ablation",
            partial(TermNet, "1000", constant=True),
            "the first term, where every cell holds a number that is 1",
        ),
        Variant("1, two heads", "ablation", partial(TermNet, "1000", 2), "the first term, twice"),
    ),
    "shift": (
        Variant(
            "2 and a constant",
            "ablation",
            partial(TermNet, "0100", constant=True),
            "the second term, where every cell holds a number that is 1",
        ),
        Variant(
            "2, free table",
            "ablation",
            partial(TermNet, "0100", free=True),
            "the second term with a number for every displacement of rows and of columns",
        ),
        Variant(
            "2, free, two heads",
            "ablation",
            partial(TermNet, "0100", 2, free=True),
            "the same, twice",
        ),
    ),
}

_ASKS = {
    "match": "Can a cell find the one whose key repeats its code?",
    "pointer": "Can a cell read the neighbour that its content names?",
    "salient": "Can a cell read the one that is marked?",
    "shift": "Can a cell read its left neighbour?",
}

EXPERIMENTS = tuple(
    Experiment(
        name=question,
        question=_ASKS[question],
        task=partial(FourQuestions, question),
        variants=(*RIVALS, *_TERM.values(), *CONTROLS[question], *FRAME, ALL),
        quick=BUDGET,
        full=BUDGET,
        data=f"{question}: 6 x 6 cells of 16 numbers, drawn anew",
        loss=answer_loss,
        score=Score(explained_items, bounds=(None, 1.0)),
        metric="share of the answers' variance explained",
        matters=0.02,
        learned=0.9,
    )
    for question in QUESTIONS
)
