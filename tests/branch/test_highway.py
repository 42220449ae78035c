"""What a Highway layer promises, and the mistakes that circulate under its name."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.branch import Highway
from attncourse.branch.selective_kernel.highway import CARD, carry, highway_reference
from tests.contract.specimen import Specimen, close, of_torch


def example(seed=0, b=3, c=5):
    return torch.randn(b, c, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def built(make=Highway, channels=5, gate_bias=-0.5):
    torch.manual_seed(4)
    layer = make(channels, gate_bias=gate_bias).double()
    nn.init.normal_(layer.transform.bias)
    return layer


# ---------------------------------------------------------------- promises


def equals_the_loops(make):
    layer, x = built(make), example()
    parts = (layer.transform.weight, layer.transform.bias, layer.gate.weight, layer.gate.bias)
    close(layer(x), highway_reference(x, *parts))


def is_the_identity_when_shut_and_plain_when_open(make):
    x = example()
    close(built(make, gate_bias=-40.0)(x), x)
    layer = built(make, gate_bias=40.0)
    close(layer(x), F.relu(layer.transform(x)))


def lies_between_its_branches(make):
    layer, x = built(make), example(b=50)
    h, y = F.relu(layer.transform(x)), layer(x)
    slack = 1e-12
    assert (y >= torch.minimum(x, h) - slack).all()
    assert (y <= torch.maximum(x, h) + slack).all()


def has_two_layers_and_no_more(make):
    assert sum(p.numel() for p in built(make).parameters()) == 2 * (5 * 5 + 5)


def has_the_jacobian_of_equation_14(make):
    layer, x = built(make), example()[0]
    jacobian = torch.autograd.functional.jacobian(lambda v: layer(v[None])[0], x)
    with torch.no_grad():
        h, t = F.relu(layer.transform(x)), torch.sigmoid(layer.gate(x))
        wanted = t[:, None] * (h > 0).double()[:, None] * layer.transform.weight
        wanted += torch.diag(1 - t) + ((h - x) * t * (1 - t))[:, None] * layer.gate.weight
    close(jacobian, wanted)


PROMISES = (
    equals_the_loops,
    is_the_identity_when_shut_and_plain_when_open,
    lies_between_its_branches,
    has_two_layers_and_no_more,
    has_the_jacobian_of_equation_14,
)


# ---------------------------------------------------------------- mutants


class LearnedCarry(Highway):
    """A layer in the place of the carried x (known error C26)."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.carried = nn.Linear(self.channels, self.channels)

    def f(self, weights, x):
        return carry(weights, F.relu(self.transform(x)), self.carried(x))


class DefaultBias(Highway):
    """The gate's bias at the library's default (known error C26)."""

    def _draw(self):
        super()._draw()
        self.gate.reset_parameters()


class Swapped(Highway):
    """The shares changed places."""

    def g(self, x):
        return 1 - super().g(x)


class CarriesAll(Highway):
    """x + T H."""

    def f(self, weights, x):
        return x + weights * F.relu(self.transform(x))


class Linear(Highway):
    """No ReLU."""

    def f(self, weights, x):
        return carry(weights, self.transform(x), x)


class Detached(Highway):
    """No gradient through the gate."""

    def g(self, x):
        return super().g(x).detach()


class Unvalidated(Highway):
    """No check of the input."""

    def validate(self, x):
        pass


class ForgetsDevice(Highway):
    """device and dtype are accepted and dropped."""

    def __init__(self, channels, gate_bias=-4.0, *, device=None, dtype=None):
        super().__init__(channels, gate_bias)


def units(arguments, b):
    """The shape (b, channels)."""
    return b, arguments["channels"]


SPECIMEN = Specimen(
    card=CARD,
    arguments=({"channels": 5}, {"channels": 3, "gate_bias": -1.0}, {"channels": 1}),
    reference=lambda m, x: highway_reference(
        x, m.transform.weight, m.transform.bias, m.gate.weight, m.gate.bias
    ),
    promises=PROMISES,
    mutants={
        mutant.__name__: mutant
        for mutant in (
            LearnedCarry, DefaultBias, Swapped, CarriesAll, Linear, Detached, Unvalidated,
            ForgetsDevice,
        )
    },
    grid=({"channels": 1}, {"channels": 7}, {"channels": 64, "gate_bias": -2.0}),
    refused=(({"channels": 0}, "channels=0"),),
    input_shape=units,
    sizes=((2,), (1,), (5,)),
    small=(2,),
    wrong=lambda x: ((x[0], r"this layer takes \(b, "), (x[:, :-1], r"this layer takes \(b, ")),
    dynamic=(0,),
    starts=(
        (
            {"channels": 64},
            {
                "transform.weight": ("normal", (2 / 64) ** 0.5),
                "transform.bias": ("constant", 0.0),
                "gate.weight": of_torch(64),
                "gate.bias": ("constant", -4.0),
            },
        ),
    ),
    smallest=({"channels": 1},),
)  # fmt: skip


# ---------------------------------------------------------------- tests of its own


def test_a_gate_is_a_softmax_against_zero():
    layer, x = built(), example()
    u = layer.gate(x)
    close(layer.g(x), torch.stack([u, torch.zeros_like(u)]).softmax(dim=0)[0])


def test_gradients_are_right_and_weights_come_on_demand():
    layer, x = built(), example().requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,))
    y, share = layer(x, need_weights=True)
    close(y, layer(x))
    close(share, layer.g(x))
    assert layer(x.expand(2, 3, 5)).shape == (2, 3, 5)


def test_reset_repeats_the_construction():
    torch.manual_seed(3)
    fresh = Highway(5)
    other = built(gate_bias=-4.0).float()
    torch.manual_seed(3)
    other.reset_parameters()
    for one, two in zip(fresh.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert (fresh.gate.bias == -4).all()


def test_what_does_not_fit_is_refused():
    for wrong in (torch.zeros(5), torch.zeros(2, 4)):
        with pytest.raises(ValueError, match=r"this layer takes \(b, 5\)"):
            Highway(5)(wrong)
    with pytest.raises(ValueError, match="channels=0"):
        Highway(0)
    assert repr(Highway(5)).startswith("Highway(\n  5\n")
    assert "5, gate_bias=-1.0" in repr(Highway(5, gate_bias=-1.0))
    assert Highway(5, device="meta", dtype=torch.float64).gate.weight.dtype == torch.float64
