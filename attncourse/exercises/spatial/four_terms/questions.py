"""Exercises and quiz on the four terms; those that ask for code are in ``code.py``."""

from __future__ import annotations

from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.spatial.four_terms.code import CHAPTER, SCORES, TURNED
from attncourse.exercises.value import ValueExercise
from attncourse.tasks.four_questions import (
    mean_of_neighbours,
    mean_of_others,
    one_question_in_two,
)

#: Rows and columns of the grid in the exercise on counting.
SIDE = 4

WHICH = TableExercise(
    chapter=CHAPTER,
    name="which",
    title="Predict: which term can do it alone?",
    level=2,
    task="One head, one term, a linear readout, and no number that is the same in all cells. For "
    "each job name all terms that can do it alone: `first` (query and key), `second` (query "
    "and place), `third` (key), `fourth` (place).",
    hints=(
        "Ask of each job: does the answer's cell depend on who asks, on what it holds, on where it "
        "stands from there?",
        "A term that looks at places cannot be told what a cell holds, and the other way round.",
        "With all scores equal, every term gives the plain mean.",
    ),
    explanation="Who asks, what is held, where it stands: a term that does not see what a job "
    "depends on cannot do it.",
    labels=("first", "second", "third", "fourth"),
    truth={
        "read the cell below": frozenset({"fourth"}),
        "read the cell with the largest number in channel 3": frozenset({"third"}),
        "read the cell whose key is the opposite of my code": frozenset({"first"}),
        "read the cell two steps to where my arrow (one of four) points": frozenset({"second"}),
        "read the mean of all cells": frozenset({"first", "second", "third", "fourth"}),
    },
    misconceptions=(
        Misconception(
            "a question that all ask, from the query",
            "The second term asks what the cell's own content asks, which changes its sign from "
            "cell to cell: it has no question that all cells share.",
            ("read the cell below", "second"),
        ),
        Misconception(
            "the same for all, from pairs",
            "With the first term half of the cells would ask the opposite. What all cells ask "
            "alike is the third term.",
            ("read the cell with the largest number in channel 3", "first"),
        ),
        Misconception(
            "one map for a partner of one's own",
            "The third term gives all cells the same map, and every cell has another partner.",
            ("read the cell whose key is the opposite of my code", "third"),
        ),
        Misconception(
            "one place for four arrows",
            "The fourth term reads the same displacement from every cell, whatever its arrow says.",
            ("read the cell two steps to where my arrow (one of four) points", "fourth"),
        ),
        Misconception(
            "contents that know where they stand",
            "Without places no cell can be told from its neighbours.",
            ("read the cell two steps to where my arrow (one of four) points", "first"),
        ),
    ),
)


def _count() -> tuple[float, ...]:
    return mean_of_others(SIDE), mean_of_neighbours(SIDE), one_question_in_two(SIDE)


COUNT = ValueExercise(
    chapter=CHAPTER,
    name="count",
    title="Predict: what can be explained by counting?",
    level=2,
    task=f"The questions of the chapter on a grid of {SIDE} x {SIDE} cells. Give the shares of "
    "variance that these readers explain: who answers with the mean of all other cells, when "
    "each is as likely; who answers a pointer with the mean of the neighbours that exist, over all "
    "pairs of a cell and a neighbour; and who finds the right cell for one half of the questions "
    "and spreads its weight over all other cells for the other half, with one readout, equation "
    "(8).",
    hints=(
        "The mean of p equally likely answers explains 1/p.",
        f"There are {SIDE * SIDE} cells and {4 * SIDE * (SIDE - 1)} ordered pairs of neighbours. A "
        "cell with p neighbours occurs in p pairs, and explains 1/p in each: together 1 a cell.",
        f"(n - 1) / (2n), with n = {SIDE * SIDE}.",
    ),
    explanation="1/15, 16/48 and 15/32.",
    truth=_count,
    low=0.0,
    high=1.0,
    unit="a share of variance",
    parts=("mean of the others", "mean of the neighbours", "one half found"),
    tolerance=Tolerance(relative=0.0, absolute=4e-3),
    misconceptions=(
        Misconception(
            "oneself among the others",
            f"A cell is never asked for its own numbers: {SIDE * SIDE - 1} others.",
            (1 / 16, 1 / 3, 15 / 32),
        ),
        Misconception(
            "four neighbours everywhere",
            "A cell at the border has three neighbours or two, and the mean of fewer explains "
            "more.",
            (1 / 15, 0.25, 15 / 32),
        ),
        Misconception(
            "a mean over cells",
            "Pairs count, not cells: a cell with four neighbours is asked twice as often as one "
            "with two.",
            (1 / 15, (4 / 4 + 8 / 3 + 4 / 2) / 16, 15 / 32),
        ),
        Misconception(
            "half is half",
            "The same readout serves the half that finds nothing, where it adds error: (n - 1) / "
            "(2n), a little less than one half.",
            (1 / 15, 1 / 3, 0.5),
        ),
        Misconception(
            "one readout forgotten",
            "With the readout set for the half that is found alone, the other half would lose; "
            "but half of the answers found are worth nearly half, not a quarter.",
            (1 / 15, 1 / 3, 0.25),
        ),
        Misconception(
            "the chapter's grid",
            f"These are the numbers of 6 x 6 cells. Here there are {SIDE} x {SIDE}.",
            (1 / 35, 0.3, 35 / 72),
        ),
    ),
)

HALF = ChoiceExercise(
    chapter=CHAPTER,
    name="half",
    title="Choose: what does the first term lack?",
    level=2,
    task="One head with the first term alone answers the marked cell's numbers for one half of the "
    "cells. Choose the change with which it can answer for all.",
    hints=(
        "Whose sign decides which half?",
        "What would every cell have to hold, so that q_i holds one number that is the same "
        "for all?",
    ),
    options=(
        Option(
            "Scores over the root of d",
            "A factor makes the softmax softer. For a query and its opposite the scores still are "
            "opposite.",
        ),
        Option(
            "Longer training",
            "No training changes that the scores of opposite queries are opposite numbers.",
        ),
        Option(
            "A number in every cell that is 1",
            "Then W_q can make a query that all cells share. This is the third term, by another "
            "way.",
            right=True,
        ),
        Option(
            "A longer code of displacements",
            "The marked cell stands anywhere, and the first term sees no displacement.",
        ),
    ),
)

QUIZ = Quiz(
    CHAPTER,
    (
        Question(
            "Why is there no fifth term, the query alone?",
            (
                Option("It would cost too much.", "It would be one number a position."),
                Option("It adds the same number to all scores of a row.",
                       "A softmax does not notice a number that it adds to all.", right=True),
                Option("The third term contains it.", "The third holds the key, not the query."),
            ),
        ),
        Question(
            "A network with the third term alone: what is added to two different positions?",
            (
                Option("The same vector.",
                       "Scores do not depend on who asks, so one mean serves all.", right=True),
                Option("Two vectors, by their queries.", "There is no query."),
                Option("Two vectors, by their places.", "There is no place."),
            ),
        ),
        Question(
            "With one head the fourth term explains 0.13 of the pointer's answers, less than the "
            "0.30 of a mean of neighbours. Why?",
            (
                Option("It was not trained for long enough.",
                       "The best product of lines, found by optimisation, reaches 0.15."),
                Option("Its weights are a distribution over rows times one over columns, and the "
                       "four neighbours are no such product.",
                       "Two heads with a free table come near 0.30.", right=True),
                Option("It cannot see the arrows.",
                       "That is why it cannot pass 0.30; the rest is another matter."),
            ),
        ),
        Question(
            "The fast form writes the sum of four terms as one product. What does a key carry?",
            (
                Option("The code of every displacement to it.", "That would be a number a pair."),
                Option("Its content, and a one for its row and for its column.",
                       "What a row or a column is worth, the query brings.", right=True),
                Option("Its content alone.", "Then the terms of places would be lost."),
            ),
        ),
        Question(
            "In the re-runs of mmdetection, attention with all four terms beside deformable "
            "convolutions has 42.1 AP, and with the third alone 42.0. What does this show?",
            (
                Option("That queries are useless in vision.",
                       "It is one detector with deformable convolutions, which already read where "
                       "each position's content sends them."),
                Option("That with deformable convolutions in place the other three terms added "
                       "0.1 there.",
                       "And without them the four terms had 40.0 against 39.1.", right=True),
                Option("That the third term alone replaces deformable convolution.",
                       "Alone it has 39.1, with deformable convolutions 42.0."),
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = (SCORES, WHICH, COUNT, TURNED, HALF)
