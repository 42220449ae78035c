"""Exercises that ask for a number, a choice, a table or a module."""

import numpy as np
import pytest
import torch
from torch import nn

from attncourse.exercises import Status
from attncourse.exercises.choice import ChoiceExercise, Option, TableExercise
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.demands import Agreement
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.module import ModuleExercise, Requirement
from attncourse.exercises.questions import Question
from attncourse.exercises.value import ValueExercise

BASE = {
    "chapter": "channel/gating",
    "level": 1,
    "task": "Do it.",
    "title": "T",
    "hints": ("Think.", "Do."),
}


def details(result):
    return dict(result.details)


# Numbers ------------------------------------------------------------------------------------


def value_exercise(**changes):
    settings = {
        "name": "share",
        "truth": lambda: 0.625,
        "low": 0.0,
        "high": 1.0,
        "unit": "a share",
        "misconceptions": (Misconception("one of four", "No.", 0.25),),
    }
    return ValueExercise(**BASE | settings | changes)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (5 / 8, "That is right."),
        (np.float32(0.625), "That is right."),
        (torch.tensor([0.625], requires_grad=True), "That is right."),
        (0.25, "This looks like one of four. No."),
        (0.5, "0.5 is too small."),
        (0.7, "0.7 is too large."),
        (62.5, "right share in percent: divide it by 100"),
        (-0.625, "With the other sign"),
        (1.6, "1 over the answer"),
        (62, "62 cannot be meant: the answer is a share, from 0 to 1."),
        (0.62, "0.62 is rounded too far: give more digits"),
        (0.63, "0.63 is close, and too large by less than 1 %."),
        (float("nan"), "The answer is nan"),
        (float("inf"), "The answer is inf"),
        (torch.tensor(float("nan")), "The answer is nan"),
        ("0.625", "That is right."),
        (" '5/8' ", "That is right."),
        ("62.5 %", "That is right."),
        ("about 0,625", "That is right."),
        ("share = 5 / 2**3", "That is right."),
        ("five : eight", "That is right."),
        ("62.5 percent", "That is right."),
        ("62.5 per cent of them", "That is right."),
        ("0.625 of all weights", "That is right."),
        ("×0.625", "That is right."),
        ("√25/√64", "That is right."),
        ("ten", "10 cannot be meant"),
        ("0.6 - 0.65", "One number is expected, and '0.6 - 0.65' is a range. Give one number."),
        ("0,6 to 0,65", "is a range"),
        ("1 - 0.375", "That is right."),
        ("many", "One number is expected, and 'many' cannot be read as that."),
        ("__import__('os')", "cannot be read as that"),
        ("9**9**9**9", "cannot be read as that"),
        ({"share": 0.625}, "That is right."),
        ({0.1, 0.2}, "A set has no order"),
        (True, "bool True"),
        (0.625 + 0j, "complex"),
        (torch.zeros(2), "cannot be read as one"),
        (np.zeros(2), "cannot be read as one"),
        (10**400, "cannot be read as one"),
        ([0.625], "That is right."),
        ([0.625, 1], "One number is expected, but the answer holds 2."),
        (value_exercise, "One real number is expected"),
    ],
)
def test_numbers_in_any_clothes(answer, words):
    assert words in value_exercise().check(answer).message


def test_fields_are_read_one_by_one():
    pair = value_exercise(truth=lambda: (2.0, 3.0), high=9.0, misconceptions=())
    assert pair.check(("2", " 6/2 ")).status is Status.CORRECT
    assert pair.check(("2, 3", "")).status is Status.CORRECT
    assert pair.check(("2", "")).message == "Still open: number 2."
    assert pair.check((2, ...)).message == "Still open: number 2."
    assert pair.check(("", "3")).message == "Still open: number 1."
    triple = value_exercise(truth=lambda: (1.0, 2.0, 3.0), high=9.0, misconceptions=())
    assert triple.check(("1", "", "")).message == "Still open: numbers 2 and 3."
    assert triple.check(("5", "7", "8")).message.endswith("look again at numbers 1, 2 and 3.")
    assert pair.check(("2", "few")).message == "'few' cannot be read as number 2."
    assert details(pair.check(("2", "4,0")))["Read as"] == "2, 4"
    assert pair.check(("Two", "minus minus three")).status is Status.CORRECT
    halves = value_exercise(truth=lambda: (0.5, -0.1), misconceptions=())
    for words in ("a half and minus a tenth", ("50 %", "minus 10 %"), "1:2; -10 %"):
        assert halves.check(words).status is Status.CORRECT
    for untouched in ("", " ", ("", ""), (..., ...), [None, ""]):
        assert pair.check(untouched).status is Status.NOT_ATTEMPTED


@pytest.mark.timeout(60)
def test_no_text_takes_for_ever_to_read():
    assert "cannot be read" in value_exercise().check("5" + " " * 500 + "?").message
    assert "cannot be read" in value_exercise().check("1e999").message


def test_several_numbers_are_asked_for_by_count_and_place():
    pair = value_exercise(truth=lambda: (2.0, 3.0), high=9.0, misconceptions=())
    assert all(pair.check(answer).status is Status.CORRECT for answer in pair.right_answers())
    assert "2 numbers are expected, but the answer holds 1" in pair.check(2.0).message
    assert "holds 3" in pair.check(torch.ones(3)).message
    assert "look again at number 2: 4 is too large" in pair.check([2, 4]).message
    assert "another order" in pair.check((3, 2)).message
    assert "2, 5" in details(pair.check("2, 5"))["Read as"]


@pytest.mark.parametrize(
    "answer",
    [
        "2, 3", "(2, 3)", " [2;3] ", "2 3", "2 and 3", "2 x 3", "'2', '3'", "2 rows, 3 columns",
        ("2", "3"), {"a": 2, "b": "3"}, "4/2, sqrt(9)", "(2), (3)", "rows: 2; columns: 3",
        "rows = 2, columns = 3", "2,0; 3,0", "2,0, 3,0", "200 %, 3", "1√4 and 3", "x2, ×3",
        "2 multiply-adds, 3", "2.0, 3", "a = 2, 3", np.array([[2, 3]]),
    ],
)  # fmt: skip
def test_several_numbers_are_read_as_they_are_meant(answer):
    pair = value_exercise(truth=lambda: (2.0, 3.0), high=9.0, misconceptions=())
    assert pair.check(answer).status is Status.CORRECT


@pytest.mark.parametrize(
    "answer",
    [
        "1,021,120",
        "1021120",
        "1 021 120",
        "1_021_120",
        "1.02112e6",
        "1,021,120 weights",
        "1,021,120 learned numbers",
    ],
)
def test_large_counts_are_read_with_their_separators(answer):
    count = value_exercise(truth=lambda: 1021120.0, high=1e9, misconceptions=(),
                           tolerance=Tolerance(0.0, 0.5))  # fmt: skip
    assert count.check(answer).status is Status.CORRECT
    assert count.check(1021121).message == "1021121 is close, and too large by less than 0.1 %."


@pytest.mark.parametrize(
    "answer",
    ["1,021,120; 577; 0.5", "1,021,120, 577, 0.5", "1,021,120 weights, 577 tokens and 50 %",
     "1 021 120; 577; 0,5"],
)  # fmt: skip
def test_several_large_counts_are_read_with_their_separators(answer):
    three = value_exercise(truth=lambda: (1021120.0, 577.0, 0.5), high=1e9, misconceptions=())
    assert three.check(answer).status is Status.CORRECT


@pytest.mark.parametrize("answer", [16.3, "16.3", "16.3 %", "about 16.3%", "16.3 percent more"])
def test_an_answer_in_percent_may_have_its_sign(answer):
    percent = value_exercise(truth=lambda: 800 / 49, high=1e3, digits=1, percent=True)
    assert percent.check(answer).status is Status.CORRECT
    assert percent.check("0.163 %").status is Status.NOT_YET


def test_an_answer_rounded_to_the_digits_asked_for_is_right():
    third = value_exercise(truth=lambda: 2 / 3, misconceptions=(), digits=2)
    assert third.check(0.67).status is Status.CORRECT
    assert third.check(0.66).status is Status.NOT_YET
    assert third.check(2 / 3).status is Status.CORRECT


def test_two_mistakes_in_two_numbers_are_both_named():
    pair = value_exercise(
        truth=lambda: (2.0, 3.0),
        high=9.0,
        misconceptions=(Misconception("a", "A.", (4.0, 3.0)), Misconception("b", "B.", (2.0, 7.0))),
    )
    assert pair.check((4, 7)).misconception == "a, and b"
    assert pair.check((4, 8)).misconception is None


# Choices and tables ---------------------------------------------------------------------------

OPTIONS = (Option("Line 1", "It is fine."), Option("Line 2", "Yes.", True), Option("3", "Fine."))


def test_a_choice_tells_its_reason():
    exercise = ChoiceExercise(**BASE, name="bug", options=OPTIONS)
    assert exercise.check(" (B) ").message == "Yes."
    assert exercise.check("a").message == "Not this one. It is fine."
    assert "choose one of a, b, c" in exercise.check("d").message
    for meant in (2, "2", "line 2", "Line 2", "b) Line 2", "option b", ["b"], "'b'", "b."):
        assert exercise.check(meant).message == "Yes.", meant
    for unclear in (7, "line", "a, b", ("a", "b"), True, 2.0, "b) Line 1"):
        assert "choose one of a, b, c" in exercise.check(unclear).message
    assert details(exercise.check(...)) == {"a)": "Line 1", "b)": "Line 2", "c)": "3"}
    assert [answer for _, answer in exercise.wrong_answers()] == ["a", "c"]
    assert all(exercise.check(answer).status is Status.CORRECT for answer in ("b", "(B)"))
    assert list(exercise.right_answers()) == ["b", "(B)", "Line 2"]
    assert all(exercise.check(s).status is Status.NOT_ATTEMPTED for s in exercise.stubs())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (OPTIONS[:2], "at least three"),
        ((*OPTIONS, OPTIONS[0]), "all different"),
        ((*OPTIONS[::2], Option("4", "No.")), "0 options are right"),
        ((*OPTIONS, Option("4", "")), "needs a reason"),
    ],
)
def test_careless_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        ChoiceExercise(**BASE, name="bug", options=options)
    with pytest.raises(ValueError, match=words):
        Question("Which?", options)


def table_exercise():
    return TableExercise(
        **BASE,
        name="rows",
        labels=("mean", "max"),
        truth={"mean": frozenset({"mean", "max"}), "dct": frozenset(), "std": frozenset({"max"})},
        misconceptions=(Misconception("a pattern", "No.", ("dct", "max")),),
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"mean": ["max", "mean"], "dct": "", "std": "max"}, "Every row is right."),
        (
            {"mean": ["max", "mean"], "dct": "max", "std": "max"},
            "2 of 3 rows are right. This looks",
        ),
        (
            {"mean": "max", "dct": (), "std": ()},
            "1 of 3 rows are right. Look again at the row 'mean'",
        ),
        ({"mean": "max", "dct": ...}, "Still open: dct, std."),
        ({"maen": "max"}, "they are mean, dct, std. Did you mean 'mean'?"),
        ({"mean": "min"}, "'min' is not a label"),
        ({"mean": 3}, "3 is not a label or a list of labels: mean, max"),
        ({"mean": [3]}, "is not a label or a list"),
        ({"Mean ": "mean and max", "DCT": "none", "'std'": " Max "}, "Every row is right."),
        ({"mean": {"mean": True, "max": True}, "dct": [], "std": {"max"}}, "Every row is right."),
        ("{'mean': 'max, mean', 'dct': '()', 'std': ['max']}", "Every row is right."),
        ([("mean", "mean max"), ("dct", "-"), ("std", "max")], "Every row is right."),
        ({"mean": "mean, max", "dct": "None", "std": "max"}, "Every row is right."),
        ({"mean": "both", "dct": "none", "std": "max"}, "Every row is right."),
        ({"mean": "All", "dct": "none", "std": "max"}, "Every row is right."),
        ({"mean": "both.", "dct": "none.", "std": "max!"}, "Every row is right."),
        ({"mean": "both mean and max", "dct": "none", "std": "only max"}, "Every row is right."),
        ({"mean": "the mean, the max", "dct": "none", "std": "max alone."}, "Every row is right."),
        ({"mean": "both", "dct": "none", "std": "not max"}, "'not' is not a label"),
        ({"mean": "both", "dct": "...", "std": "max"}, "'...' is not a label"),
        ({"mean": "both", "dct": "both", "std": "max"}, "2 of 3 rows are right. This looks"),
        ({"mean": (), "dct": "mean, max", "std": "mean"}, "Every cell is turned round"),
        ({"mean": "max, nim", "dct": (), "std": ()}, "'nim' is not a label"),
        (["mean"], "A dictionary is expected"),
    ],
)
def test_tables(answer, words):
    assert words in table_exercise().check(answer).message


# Modules ------------------------------------------------------------------------------------


class Scale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels))

    def forward(self, x):
        return torch.sigmoid(self.weight) * x


class Bare(Scale):
    def forward(self, x):
        return self.weight * x


def module_exercise(*demands):
    agreement = Agreement(
        Scale, {"channels": 3}, {"x": (2, 3)}, (Misconception("a bare weight", "No.", Bare),)
    )
    return ModuleExercise(**BASE, name="scale", reference=Scale, demands=(*demands, agreement))


def changed(**methods):
    return type("Learners", (Scale,), methods)


def test_a_module_is_held_to_the_reference_with_its_own_weights():
    exercise = module_exercise()
    assert exercise.check(Scale).message == "All 1 requirements hold."
    assert exercise.check(Bare).misconception == "a bare weight"
    assert exercise.wrong_answers() == [("a bare weight", Bare)]
    other = exercise.check(changed(forward=lambda self, x: 3 * x))
    assert other.message == "The values differ."
    assert set(other.inputs) == {"x"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Scale(3), "but got a Scale. Pass the bare name"),
        (details, "but got a function"),
        (int, "a class that is no nn.Module, int"),
        (nn.Linear, "does not take them"),
        (nn.Identity, "parameters are not those of the equations"),
        (changed(forward=lambda self, x: x.tolist()), "returns a list"),
        (changed(forward=lambda self, x: self.eval() and None), "returns None"),
        (changed(forward=lambda self, x, y: x), "1 arguments in this order: (x)"),
        (changed(__init__=lambda self, channels: setattr(self, "w", nn.Identity())), "__init__"),
    ],
)
def test_modules_that_cannot_be_compared_are_told_why(answer, words):
    assert words in module_exercise().check(answer).message


def test_requirements_come_first_and_show_what_was_seen():
    few = Requirement("two parameters", lambda bench: f"{len(list(bench.build(c=3).parameters()))}")
    found = module_exercise(few).check(Scale)
    assert found.message == "What must hold, and does not: two parameters."
    assert details(found)["Yours"] == "1"


def test_modules_without_a_body_are_not_attempted():
    empty = changed(forward=lambda self, x: None)
    for stub in (*module_exercise().stubs(), empty):
        assert module_exercise().check(stub).status is Status.NOT_ATTEMPTED


# Definitions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chapter": "gating"}, "must be a path"),
        ({"name": "a b"}, "must be a Python name"),
        ({"level": 4}, "level=4 must be one of"),
        ({"hints": ("One.",)}, "at least two hints"),
        ({"hints": ("One.", "One.")}, "all different"),
        ({"misconceptions": (Misconception("a", "b", 1.0), Misconception("a", "c", 2.0))}, "same"),
    ],
)
def test_careless_definitions_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        value_exercise(**changes)
