"""The exercise engine: every way to answer gets its outcome and its sentence."""

import functools
import html.parser
import itertools
import linecache

import numpy as np
import pytest
import torch
from torch import nn

from attncourse import exercises
from attncourse.exercises import Status, check, hint, quiz, register
from attncourse.exercises.choice import Option
from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise, Property
from attncourse.exercises.questions import Question, Quiz
from attncourse.exercises.verdict import Result

_NUMBERS = itertools.count()
QUESTIONS = len(register.quiz_of("squeeze_excitation").questions)
BASE = {
    "chapter": "channel/gating",
    "level": 1,
    "task": "Do it.",
    "title": "T",
    "hints": ("Think.", "Do."),
}


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNCOURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(exercises.progress, "_FILE", exercises.progress.ProgressFile())


def _draw(*shape):
    def draw(generator):
        return {
            "x": torch.randn(shape, generator=generator),
            "w": torch.randn(shape[-1], generator=generator),
        }

    return draw


def scaled(x, w):
    """The reference of most tests here."""
    return torch.sigmoid(w) * x


def function_exercise(**changes):
    settings = {
        "name": "scaled",
        "reference": scaled,
        "cases": (Case("plain", _draw(4, 3)), Case("one row", _draw(1, 5))),
        "misconceptions": (
            Misconception("a missing sigmoid", "Add it.", lambda x, w: w * x),
            Misconception("a transposed result", "Turn it.", lambda x, w: scaled(x, w).T),
        ),
        "properties": (
            Property("signs stay", lambda inputs, y: bool((y * inputs["x"] >= 0).all())),
        ),
    }
    return FunctionExercise(**BASE | settings | changes)


def verdict(answer, seed=3, **changes):
    return function_exercise(**changes).check(answer, seed)


def details(result):
    return dict(result.details)


def learner(source):
    """A function as a notebook cell makes it: its source known to linecache only."""
    filename = f"/tmp/ipykernel_1/cell-{next(_NUMBERS)}.py"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    space = {"torch": torch, "nn": nn, "np": np}
    exec(compile(source, filename, "exec"), space)
    return space["answer"]


# Functions: the three outcomes -------------------------------------------------------------


def test_a_right_function_is_correct_and_says_why_it_matters():
    found = verdict(lambda x, w: x / (1 + torch.exp(-w)), explanation="Gates attenuate.")
    assert found.status == "correct"
    assert found.message == "The values and gradients agree on all 2 inputs. Gates attenuate."


@pytest.mark.parametrize(
    "source",
    [
        "def answer(x, w):\n    raise NotImplementedError",
        "def answer(x, w):\n    raise NotImplementedError('your turn')",
        "def answer(x, w):\n    ...",
        "def answer(x, w):\n    '''Doc.'''",
        "def answer(x, w):\n    return ...",
        "def inner():\n    raise NotImplementedError\ndef answer(x, w):\n    return inner() + x",
    ],
)
def test_an_untouched_function_is_not_attempted(source):
    found = verdict(learner(source))
    assert found.status is Status.NOT_ATTEMPTED
    assert found.message == verdict(...).message == verdict(None, seed=9).message


def test_not_implemented_from_torch_is_the_learners_error_and_not_a_stub():
    found = verdict(learner("def answer(x, w):\n    return x.to_sparse().cholesky()"))
    assert found.status is Status.NOT_YET
    found = verdict(learner("class answer(nn.Module):\n    pass")())
    assert found.status is Status.NOT_YET
    assert "forward" in found.message


def test_a_case_left_open_after_an_answered_one_is_not_yet():
    source = (
        "def answer(x, w):\n    if len(x) == 1:\n        raise NotImplementedError\n"
        "    return torch.sigmoid(w) * x"
    )
    found = verdict(learner(source))
    assert found.status is Status.NOT_YET
    assert "leaves this input open" in found.message
    assert "one row" in details(found)["Input"]


# Functions: not yet, with the reason -------------------------------------------------------


def test_a_misconception_is_called_by_name_with_the_input_and_both_values():
    found = verdict(lambda x, w: w * x)
    assert found.misconception == "a missing sigmoid"
    assert found.message == "This looks like a missing sigmoid. Add it."
    assert details(found)["Input"] == "x (4, 3), w (3,), float32 (case 1 of 2: plain; seed=3)"
    assert "12 of 12 numbers differ" in details(found)["Yours"]
    x, w = found.inputs.values()
    worst = (scaled(x, w) - w * x).abs().argmax()
    assert details(found)["Expected"].startswith(f"{scaled(x, w).flatten()[worst]:.6g} at [")


def test_a_misconception_that_changes_the_shape_is_recognised_all_the_same():
    assert verdict(lambda x, w: scaled(x, w).T).misconception == "a transposed result"


def test_a_mistake_seen_on_some_inputs_only_is_not_given_a_name():
    found = verdict(lambda x, w: w * x if len(x) == 1 else scaled(x, w))
    assert found.status is Status.NOT_YET
    assert found.misconception is None
    assert "case 2 of 2: one row" in details(found)["Input"]
    assert details(found)["Stuck?"] == '`hint("gating.scaled")`; `_.inputs` holds this input'


def test_a_broken_property_is_named_where_no_mistake_is_recognised():
    assert "What must hold, and does not: signs stay." in verdict(lambda x, w: -x).message
    assert "signs" not in verdict(lambda x, w: x / 3).message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, w: scaled(x, w)[:, None], "axes of length 1"),
        (lambda x, w: scaled(x, w).sum(), "reduced to one number"),
        (lambda x, w: scaled(x, w)[:, 1:], "shape is not the expected one."),
        (lambda x, w: scaled(x, w).double(), "`dtype=x.dtype`"),
        (lambda x, w: scaled(x, w).to("meta"), "another device"),
        (lambda x, w: scaled(x, w) * float("nan"), "NaN or infinity"),
        (lambda x, w: scaled(x, w) / 0, "NaN or infinity"),
        (lambda x, w: scaled(x, w) * 1j, "`dtype=x.dtype`"),
        (lambda x, w: scaled(x, w).numpy(), "NumPy carries no gradient"),
        (lambda x, w: list(scaled(x, w)), "`torch.stack`"),
        (lambda x, w: 0.5, "`.item()`"),
        (lambda x, w: "0.5", "text"),
        (lambda x, w: nn.Identity(), "Call it"),
        (lambda x, w: scaled, "Call it"),
        (lambda x, w: (row for row in x), "`yield`"),
        (lambda x, w: {1}, "type set"),
        (lambda x, w: x.mul_(torch.sigmoid(w)), "changes its input `x` in place"),
        (lambda x, w: w.unsqueeze_(0) * x, "changes its input `w` in place"),
        (lambda x: x, "2 arguments in this order: (x, w)"),
        (lambda x, w: print("gates", w), "prints a result but returns None"),
        (lambda x, w: setattr(nn.Identity(), "y", x), "returns None. Does it end with `return`"),
    ],
)
def test_every_slip_gets_its_own_sentence(answer, words):
    found = verdict(answer, misconceptions=())
    assert found.status is Status.NOT_YET
    assert words in found.message


def test_axes_in_another_order_are_told():
    assert "another order" in verdict(lambda x, w: scaled(x, w).T, misconceptions=()).message


def test_what_was_printed_is_shown_with_a_wrong_result(capsys):
    found = verdict(lambda x, w: print("sum", 7) or x)
    assert details(found)["It printed"].startswith("sum 7")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (torch.zeros(3), "a Tensor"),
        (torch.tensor(float("nan")), "a Tensor that holds NaN or infinity"),
        (int, "a class"),
        ("scaled", "a str"),
    ],
)
def test_the_function_itself_is_asked_for(answer, what):
    found = verdict(answer)
    assert f"but got {what}. Pass its name without parentheses" in found.message


def test_callables_of_other_kinds_are_taken():
    assert verdict(functools.partial(scaled)).status is Status.CORRECT
    assert verdict(torch.mul).misconception == "a missing sigmoid"  # it has no signature


def test_an_error_is_shown_at_the_learners_line_and_nowhere_deeper():
    source = "def answer(x, w):\n    y = x * 2\n    return torch.softmax(y @ x, dim=9)"
    found = verdict(learner(source))
    assert found.message.startswith("Your code raised ")
    assert details(found)["Your line"] == "3, `return torch.softmax(y @ x, dim=9)`"
    assert "attncourse" not in str(found.details) + found.message


def test_long_errors_are_cut_and_those_without_text_stay_short():
    assert len(verdict(learner("def answer(x, w):\n    raise ValueError('a' * 999)")).message) < 400
    found = verdict(learner("def answer(x, w):\n    assert False"))
    assert found.message == "Your code raised AssertionError."
    assert "SystemExit" in verdict(learner("def answer(x, w):\n    raise SystemExit")).message


def test_source_that_is_gone_leaves_the_line_number():
    answer = learner("def answer(x, w):\n    return x.nothing")
    linecache.cache.pop(answer.__code__.co_filename)
    assert details(verdict(answer))["Your line"] == "2"


def test_endless_recursion_is_told_in_a_sentence():
    found = verdict(learner("def answer(x, w):\n    return answer(x, w)"))
    assert "calls itself without end" in found.message
    assert details(found)["Your line"].startswith("2, ")


# Functions: gradients and numbers ----------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, w: scaled(x, w).detach(), "no gradient can pass"),
        (lambda x, w: scaled(x, w.detach()), "gradient with respect to `w` is not"),
        (lambda x, w: torch.sigmoid(w).mul(x).sqrt().square() + 0 * x, "NaN or infinity"),
        (
            lambda x, w: (s := torch.sigmoid(w)) * x + 0 * s.mul_(1),
            "the backward pass fails",
        ),
    ],
)
def test_right_values_with_a_wrong_gradient_are_not_yet(answer, words):
    def positive(generator):
        return {k: v.abs() for k, v in _draw(4, 3)(generator).items()} | {"x": torch.eye(3)}

    found = verdict(answer, gradients=("x", "w"), cases=(Case("eye", positive),))
    assert found.status is Status.NOT_YET
    assert words in found.message
    assert verdict(scaled, gradients=("x", "w")).message.startswith("The values and gradients")


def test_functions_that_return_numbers_are_compared_as_numbers():
    exercise = function_exercise(
        reference=lambda c, r: 2 * c * c // r,
        cases=(
            Case("small", lambda g: {"c": int(torch.randint(64, 99, (), generator=g)), "r": 4}),
        ),
        misconceptions=(Misconception("half", "Two layers.", lambda c, r: c * c // r),),
        properties=(),
    )
    assert exercise.check(lambda c, r: np.int64(2 * c * c // r)).status is Status.CORRECT
    assert exercise.check(lambda c, r: c * c // r).misconception == "half"
    wrong = exercise.check(lambda c, r: 2 * c * c, 1)
    assert details(wrong)["Yours"].isdigit()
    assert details(wrong)["Input"].startswith("c=")
    assert "real number" in exercise.check(lambda c, r: [c]).message


# What a check leaves alone -----------------------------------------------------------------


def test_the_callers_random_state_modes_and_defaults_do_not_matter_and_stay():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with torch.no_grad():
        assert verdict(lambda x, w: scaled(x, w) + 0 * torch.rand(1), gradients=("x",))
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert verdict(scaled, gradients=("x",)).status is Status.CORRECT
    assert torch.equal(before, torch.get_rng_state())
    verdict(lambda x, w: torch.set_grad_enabled(False) and None)
    assert torch.is_grad_enabled()


def test_a_seed_gives_the_same_text_again_and_none_gives_fresh_inputs():
    wrong = function_exercise()
    assert wrong.check(lambda x, w: x, 5).details == wrong.check(lambda x, w: x, 5).details
    seeds = {float(wrong.check(lambda x, w: x).inputs["x"].sum()) for _ in range(5)}
    assert len(seeds) > 1


OPTIONS = (Option("Line 1", "It is fine."), Option("Line 2", "Yes.", True), Option("3", "Fine."))

# The public calls ------------------------------------------------------------------------------


class Tags(html.parser.HTMLParser):
    """Checks that tags balance and collects names, ids and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.ids, self.words = [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.names.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize(
    ("answer", "headline"),
    [(0.625, "Correct"), (0.25, "Not yet"), ("<b>&", "Not yet"), (..., "Not attempted yet")],
)
def test_results_read_the_same_as_text_and_as_html(answer, headline):
    result = check("squeeze_excitation.last_stage_share", answer)
    bundle = result._repr_mimebundle_()
    page = Tags(bundle["text/html"])
    assert bundle["text/plain"] == repr(result)
    assert repr(result).startswith(f"{headline}: squeeze_excitation.last_stage_share\n  ")
    assert headline in page.words
    assert set(page.names) <= {"div", "p", "strong", "span", "em", "code"}
    assert "http" not in bundle["text/html"]
    assert bool(result) is (headline == "Correct")


def test_a_name_that_does_not_exist_lists_those_near_it():
    with pytest.raises(KeyError) as error:
        check("squeeze_excitation.exite", 1)
    assert str(error.value) == (
        "no exercise is called 'squeeze_excitation.exite'; "
        "did you mean 'squeeze_excitation.excite'?"
    )
    with pytest.raises(KeyError, match=r"squeeze_excitation\.excite"):
        check("sqeeze_excitation.excite", 1)
    with pytest.raises(KeyError, match="there are: '"):
        hint("zzz")
    with pytest.raises(KeyError, match="did you mean 'squeeze_excitation'"):
        quiz("squeeze_exitation")
    with pytest.raises(TypeError, match="named by a string"):
        check(0.25)


def test_hints_go_on_by_themselves_and_end_at_the_solution():
    name = "squeeze_excitation.excite"
    texts = [hint(name) for _ in range(4)]
    assert [t.headline for t in texts] == [
        "Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "No more hints"
    ]  # fmt: skip
    assert f'Another one: `hint("{name}")`.' in repr(texts[0]).replace("\n  ", " ")
    assert texts[2].next.startswith("That was the last hint. The worked solution is folded")
    assert "channel/squeeze_excitation" in texts[3].next
    assert repr(hint(name, 1)) == repr(texts[0])
    assert "Hint 1 of 3" in Tags(texts[0]._repr_mimebundle_()["text/html"]).words
    for stage in (0, 4, "1"):
        with pytest.raises(ValueError, match="stages 1 to 3"):
            hint(name, stage)


def test_a_quiz_needs_neither_kernel_nor_script_and_its_text_gives_nothing_away():
    bundle = quiz("channel/squeeze_excitation")._repr_mimebundle_()
    page = Tags(bundle["text/html"])
    count = sum(len(q.options) for q in quiz("squeeze_excitation").questions)
    assert page.names.count("details") == page.names.count("summary") == count
    assert page.words.count("Right.") == QUESTIONS
    assert page.words.count("Not this one.") == count - QUESTIONS
    assert not {"script", "style", "img", "link"} & set(page.names)
    assert "http" not in bundle["text/html"]
    assert len(page.ids) == len(set(page.ids)) == QUESTIONS + 1
    text = bundle["text/plain"]
    for question in quiz("squeeze_excitation").questions:
        assert not any(option.reason in text for option in question.options)
        assert "ight" not in text.replace("digits", "").replace("right behind", "").replace(
            "weights", ""
        )


def test_a_quiz_can_be_answered_in_the_notebook():
    questions = Quiz("channel/gating", (Question("Which?", OPTIONS),))
    assert questions.answer(1, "b").message == "Right. Yes."
    assert questions.answer(1, "C").message == "Not this one. Fine."
    assert isinstance(quiz("squeeze_excitation", 2, "c"), Result)
    assert quiz("squeeze_excitation", 2, "c")
    assert not quiz("squeeze_excitation", 2, "a")
    for number, letter, words in (
        (0, "a", f"from 1 to {QUESTIONS}"),
        (9, "a", f"from 1 to {QUESTIONS}"),
        (1, "z", "a, b"),
    ):
        with pytest.raises(ValueError, match=words):
            quiz("squeeze_excitation", number, letter)
    with pytest.raises(ValueError, match="name both"):
        quiz("squeeze_excitation", 1)


def test_chapters_without_exercises_are_passed_over(monkeypatch):
    monkeypatch.setattr(register, "EXTRA_CHAPTERS", ("foundations/nothing_yet", "nowhere/at_all"))
    assert not {"foundations/nothing_yet", "nowhere/at_all"} & set(register.chapters())
    assert list(register.all_exercises()) == list(register.chapters())


def test_equal_shapes_are_compared_and_others_are_not_the_same():
    tolerance = Tolerance()
    assert tolerance.same(torch.ones(2), torch.ones(2))
    assert not tolerance.same(torch.ones(2), torch.ones(3))
    assert not tolerance.same(torch.ones(2), torch.ones(2) * 1j)
    assert tolerance.difference(torch.tensor(2.0), torch.tensor(1.0)).got == "2"
