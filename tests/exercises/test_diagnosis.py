"""Slips that the check finds in any exercise: named when they were made, and only then."""

import itertools
import warnings

import pytest
import torch
from torch import nn

from attncourse.exercises import Status
from attncourse.exercises.compare import Tolerance, permutation_call
from attncourse.exercises.demands import Agreement, Trainable
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.module import ModuleExercise
from attncourse.exercises.recipe import changed_steps, pairs, recipe

BASE = {
    "chapter": "channel/gating",
    "level": 1,
    "task": "Do it.",
    "title": "T",
    "hints": ("Think.", "Do."),
}


@recipe
def pooled(*, scale=True, centred=True, gate=True):
    """(b, c, h, w) -> (b, c, h, w): centred, divided by √c, gated."""

    def answer(x):
        y = x - x.mean(dim=(2, 3), keepdim=True) if centred else x
        y = y / x.shape[1] ** 0.5 if scale else y
        return torch.tanh(y) if gate else y

    return answer


right = pooled()


def maps(*shape):
    return lambda generator: {"x": torch.randn(shape, generator=generator)}


def exercise(**changes):
    settings = {
        "name": "pooled",
        "reference": right,
        "cases": (
            Case("plain", maps(3, 4, 5, 6)),
            Case("one image", maps(1, 2, 3, 7)),
            Case("square", maps(2, 3, 4, 4)),
        ),
        "misconceptions": (
            Misconception("a lost scale", "Divide by √c.", pooled(scale=False)),
            Misconception("a missing gate", "Squash it.", pooled(gate=False)),
            Misconception("maps that are not centred", "Subtract.", pooled(centred=False)),
        ),
    }
    return FunctionExercise(**BASE | settings | changes)


def first_only(x):
    return torch.cat([right(x[:1]), torch.zeros_like(x[1:])])


def copied(x):
    return right(x)[:1].expand_as(x)


def batch_mean(x):
    y = (x - x.mean(dim=(0, 2, 3), keepdim=True)) / x.shape[1] ** 0.5
    return torch.tanh(y)


def square_only(x):
    flat = x.reshape(len(x), x.shape[1], x.shape[3], x.shape[2])
    if x.shape[2] != x.shape[3]:
        flat = flat.flip(3)
    return right(flat).reshape(x.shape)


class Remembers:
    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return right(x) + 0.1 * self.calls


SLIPS = {
    "negative": (lambda x: -right(x), "the opposite sign", "exactly the negative"),
    "factor": (lambda x: right(x) * 3, "a constant factor", "3 times the expected one"),
    "part": (lambda x: right(x) / 2, "a constant factor", "1/2 times the expected one"),
    "root": (lambda x: right(x) * 2**0.5, "a constant factor", "√2 times"),
    "sum": (
        lambda x: right(x) * x.shape[2] * x.shape[3],
        "a factor that follows from the sizes",
        "too large by one factor, and this factor is the product of the last two axes of `x`",
    ),
    "channels": (
        lambda x: right(x) / x.shape[1],
        "a factor that follows from the sizes",
        "too small by one factor, and this factor is the length of axis 1 of `x`",
    ),
    "transposed": (lambda x: right(x).mT, "axes in another order", "`.mT`"),
    "permuted": (
        lambda x: right(x).permute(0, 2, 3, 1),
        "axes in another order",
        "`.movedim(3, 1)`",
    ),
    "swapped": (lambda x: right(x).transpose(0, 2), "axes in another order", "`.transpose(0, 2)`"),
    "reshaped": (
        lambda x: right(x).movedim(1, 3).reshape(x.shape),
        "a reshape in place of a transposition",
        "never reorder",
    ),
    "shift": (lambda x: right(x) + 1, "a constant that is added", "same number everywhere, 1."),
    "log": (lambda x: torch.atanh(right(x)).exp().log(), "a missing gate", "Squash it."),
    "square": (lambda x: right(x).square(), None, "The values differ."),
    "mirrored": (lambda x: right(x).flip(3), "an axis read backwards", "mirrored along axis 3"),
    "rolled": (lambda x: right(x).roll(1, 3), "a shift by one place", "one place too late"),
    "first": (first_only, "only the first of the batch", "only the first item"),
    "copies": (copied, "only the first of the batch", "copies of it"),
    "batch": (batch_mean, "right for one item only", "where axis 0 has the length 1"),
    "squares": (square_only, "right where two lengths are equal", "have the same length"),
    "random": (lambda x: right(x) + torch.rand(1), "two calls that differ", "draws random numbers"),
    "state": (Remembers(), "two calls that differ", "from one call to the next"),
    "two steps": (
        pooled(scale=False, gate=False),
        "a lost scale, and a missing gate",
        "two mistakes at once",
    ),
    "step and sign": (
        lambda x: -pooled(gate=False)(x),
        "a missing gate, and the opposite sign",
        "two mistakes at once",
    ),
    "step and axes": (
        lambda x: pooled(scale=False)(x).mT,
        "a lost scale, and axes in another order",
        "two mistakes at once",
    ),
    "nothing known": (lambda x: right(x) + 0.1 * x**2, None, "The values differ."),
    "wrong once": (lambda x: -right(x) if len(x) == 3 else right(x), None, "The values differ."),
    "noise in one case": (lambda x: right(x) * (2 + (x[0, 0, 0, 0] > 0)), None, "The values"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_named_when_it_was_made(slip):
    answer, name, words = SLIPS[slip]
    for seed in range(3):
        found = exercise().check(answer, seed)
        assert found.status is Status.NOT_YET
        assert found.misconception == name, found.message
        assert words in found.message


def test_independent_errors_that_add_up_or_multiply_are_both_named():
    def draw(generator):
        return dict(zip("abc", 1 + torch.rand(3, 2, 4, generator=generator), strict=True))

    sums = exercise(
        reference=lambda a, b, c: a + b * c,
        cases=(Case("plain", draw),),
        misconceptions=(
            Misconception("a lost a", "Add a.", lambda a, b, c: b * c),
            Misconception("a lost c", "Multiply.", lambda a, b, c: a + b),
        ),
    )
    assert sums.check(lambda a, b, c: b, 0).misconception == "a lost a, and a lost c"
    products = exercise(
        reference=lambda a, b, c: a * b * c.sqrt(),
        cases=(Case("plain", draw),),
        misconceptions=(
            Misconception("a lost a", "Times a.", lambda a, b, c: b * c.sqrt()),
            Misconception("a lost root", "Root.", lambda a, b, c: a * b * c),
        ),
    )
    assert products.check(lambda a, b, c: b * c, 0).misconception == "a lost a, and a lost root"
    assert products.check(lambda a, b, c: b * c + a, 0).misconception is None


def test_a_remedy_that_holds_by_chance_is_tried_on_fresh_inputs():
    """On the draw of the check this answer is the negative; on others it is not."""
    drawn = []

    def answer(x):
        drawn.append(float(x.sum()))
        return -right(x) if drawn[-1] in drawn[:3] else right(x) * 0.3

    assert exercise().check(answer, 5).misconception != "the opposite sign"


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_a_call_does_what_it_says(rank):
    x = torch.randn(2, 3, 4, 5)[(0,) * (4 - rank)]
    for order in itertools.permutations(range(rank)):
        if order != tuple(range(rank)):
            call = permutation_call(order)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert torch.equal(eval(f"x{call}"), x.permute(order)), call
            assert (call == ".T") is (rank == 2)


def test_axes_in_another_order_name_a_call_for_their_rank():
    shaped = exercise(cases=(Case("plain", maps(3, 4, 5, 6)),), misconceptions=())
    found = shaped.check(lambda x: x.square().mT, 0)
    assert "`.mT` would make the shape right" in found.message
    found = shaped.check(lambda x: x.square().permute(0, 2, 3, 1), 0)
    assert "`.movedim(3, 1)` would make the shape right" in found.message


# Gradients ----------------------------------------------------------------------------------


CUT = {
    "detach": (lambda x: right(x).detach(), "Your code uses `.detach()`"),
    "data": (lambda x: right(x.data), "Your code uses `.data`"),
    "inner detach": (
        lambda x: torch.tanh((x - x.mean((2, 3), keepdim=True).detach()) / x.shape[1] ** 0.5),
        "Your code uses `.detach()`, which cuts it off: without it the gradient is right.",
    ),
    "no_grad": (torch.no_grad()(lambda x: right(x)), "Your code uses `torch.no_grad()`"),
    "switched off": (lambda x: right(x.requires_grad_(False)), "uses `requires_grad=False`"),
    "tensor": (lambda x: torch.tensor(right(x).tolist(), dtype=x.dtype), "`.tolist()`"),
    "inference": (torch.inference_mode()(lambda x: right(x)), "no gradient can pass"),
}


@pytest.mark.parametrize("how", CUT)
@pytest.mark.filterwarnings("ignore:To copy construct")
def test_what_cuts_a_gradient_is_named(how):
    answer, words = CUT[how]
    found = exercise().check(answer, 0)
    assert found.status is Status.NOT_YET
    assert words in found.message


def test_lost_digits_are_told_from_a_wrong_formula():
    def spread(x):
        return x.var(dim=1, correction=0)

    wanted = exercise(
        reference=spread,
        cases=(Case("bright", lambda g: {"x": 3000 + torch.randn(4, 9, generator=g)}),),
        misconceptions=(),
    )
    for seed in range(20):
        found = wanted.check(lambda x: x.square().mean(1) - x.mean(1).square(), seed)
        assert found.misconception == "digits lost to rounding"
        assert wanted.check(lambda x: x.var(1), seed).misconception != "digits lost to rounding"


def test_nan_everywhere_is_no_mistake_by_itself():
    known = Misconception("a division by zero", "Look.", lambda x: x / 0 * 0)
    found = exercise(misconceptions=(known,)).check(lambda x: (x - x) / 0, 0)
    assert found.misconception is None
    assert "NaN or infinity" in found.message


def test_right_on_short_axes_is_not_taken_for_right_on_equal_ones():
    def long_wrong(x):
        return right(x) if x.shape[3] <= 4 else right(x) * x[0, 0, 0, 0]

    assert exercise().check(long_wrong, 0).misconception is None
    varied = exercise(cases=(Case("matrix", maps(3, 4, 5, 6)), Case("image", maps(2, 2, 2, 2))))
    assert varied.check(lambda x: right(x) * x[0, 0, 0, 0], 0).misconception is None


def test_a_mistake_may_have_several_forms():
    def other(x):
        return x.sum() + 0 * x

    known = Misconception("a sum", "Look.", lambda x: x.sum() + 1 + 0 * x, also=(other,))
    assert exercise(misconceptions=(known,)).check(other, 0).misconception == "a sum"


def test_a_detach_that_does_no_harm_is_not_blamed():
    def stable(s):
        powers = (s - s.amax(dim=-1, keepdim=True).detach()).exp()
        return powers / powers.sum(dim=-1, keepdim=True)

    def cut(s):
        powers = (s - s.amax(dim=-1, keepdim=True).detach()).exp()
        with torch.no_grad():
            total = powers.sum(dim=-1, keepdim=True)
        return powers / total

    softmax = exercise(
        reference=lambda s: s.softmax(-1),
        cases=(Case("plain", lambda g: {"s": 4 * torch.randn(4, 9, generator=g)}),),
        misconceptions=(),
    )
    for seed in range(50):
        assert softmax.check(stable, seed).status is Status.CORRECT
    assert "`torch.no_grad()`" in softmax.check(cut, 0).message


def test_gradients_are_compared_wherever_the_reference_has_one():
    assert "gradients" in exercise().check(right, 0).message
    assert "gradients" not in exercise(gradients=()).check(right, 0).message
    assert exercise(gradients=()).check(torch.no_grad()(lambda x: right(x)), 0)


# Modules ------------------------------------------------------------------------------------


class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Linear(channels, channels)

    def forward(self, x):
        return self.layer(x).sigmoid() * x


def gate(**methods):
    return type("Learners", (Gate,), methods)


def frozen(self, channels):
    Gate.__init__(self, channels)
    self.layer.bias.requires_grad_(False)


MODULES = {
    "negative": (gate(forward=lambda s, x: -s.layer(x).sigmoid() * x), "exactly the negative"),
    "factor": (gate(forward=lambda s, x: 2 * s.layer(x).sigmoid() * x), "2 times the expected"),
    "detached": (gate(forward=lambda s, x: s.layer(x).sigmoid().detach() * x), "`.detach()`"),
    "input": (gate(forward=lambda s, x: s.layer(x.detach()).sigmoid() * x), "`.detach()`"),
    "no_grad": (gate(forward=torch.no_grad()(Gate.forward)), "`torch.no_grad()`"),
    "frozen": (gate(__init__=frozen), "`layer.bias` has `requires_grad=False`"),
    "dropout": (
        gate(forward=lambda s, x: Gate.forward(s, nn.functional.dropout(x, 0.5))),
        "Two calls",
    ),
}


@pytest.mark.parametrize("how", MODULES)
def test_modules_are_told_the_same(how):
    answer, words = MODULES[how]
    agreement = Agreement(Gate, {"channels": 4}, {"x": (3, 4)}, tolerance=Tolerance())
    written = ModuleExercise(**BASE, name="gate", reference=Gate, demands=(agreement,))
    assert written.check(Gate, 0).status is Status.CORRECT
    assert words in written.check(answer, 0).message


@pytest.mark.parametrize("how", ["detached", "no_grad", "frozen"])
def test_training_is_a_demand_of_its_own(how):
    answer, words = MODULES[how]
    trained = Trainable({"channels": 4}, {"x": (3, 4)})
    written = ModuleExercise(**BASE, name="gate", reference=Gate, demands=(trained,))
    assert written.check(Gate, 0).status is Status.CORRECT
    assert words in written.check(answer, 0).message


# Recipes ------------------------------------------------------------------------------------


def test_a_recipe_remembers_and_joins_its_steps():
    assert changed_steps(pooled(scale=False)).steps == {"scale": False}
    assert changed_steps(abs) is None
    joined = list(pairs(exercise().misconceptions))
    assert len(joined) == 3
    assert joined[0].name == "a lost scale, and a missing gate"
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(joined[0].wrong(x), pooled(scale=False, gate=False)(x))
