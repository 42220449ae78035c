"""What only dynamic convolution promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import io
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.branch import DynamicConvolution
from attncourse.branch.conditional_convolution import annealed, dynamic_reference, shares
from attncourse.branch.conditional_convolution.dynamic import CARD
from attncourse.precision import softmax
from tests.branch.test_conditional_convolution import AWKWARD, close, example, outcome
from tests.contract.specimen import SIZES, Specimen, built, of_torch

ARGUMENTS = {"channels": 4, "experts": 3, "groups": 2, "dilation": 2}
#: Facts sheet: logits (2, 1, 0, -1), temperature -> shares and their entropy.
GOLDEN = {
    1.0: ((0.6439, 0.2369, 0.0871, 0.0321), 0.9475),
    10.0: ((0.2887, 0.2612, 0.2363, 0.2138), 1.3801),
    30.0: ((0.2626, 0.2540, 0.2457, 0.2376), 1.3856),
}


def reference(m, x):
    first, second = ((part.weight, part.bias) for part in (m.reduce, m.score))
    return dynamic_reference(x, first, second, float(m.temperature), m.weight, m.bias, m.steps)


# ---------------------------------------------------------------- promises


def shares_add_up_to_one(make):
    """Positive, over the kernels and nothing else, at every temperature."""
    for temperature in (0.5, 1.0, 30.0):
        module, x = built(make, ARGUMENTS, temperature=temperature), example(b=3)
        weights = module.g(x)
        assert (weights > 0).all()
        close(weights.sum(dim=1), torch.ones(3, dtype=torch.float64))
        assert not torch.allclose(weights.sum(dim=0), torch.ones(()).double(), atol=1e-3)


def golden_temperatures(make):
    """Scores (2, 1, 0, -1): shares at 1, 10 and 30."""
    module = built(make, {"channels": 3, "experts": 4})
    with torch.no_grad():
        for parameter in (module.reduce.weight, module.reduce.bias, module.score.weight):
            parameter.zero_()
        module.score.bias.copy_(torch.tensor([2.0, 1, 0, -1]))
    for temperature, (wanted, entropy) in GOLDEN.items():
        module.anneal(temperature)
        found = module.g(example(c=3, b=1))[0].detach()
        close(found, torch.tensor(wanted, dtype=torch.float64), atol=6e-5)
        assert float(-(found * found.log()).sum()) == pytest.approx(entropy, abs=6e-5)


def hot_is_the_mean_kernel_and_cold_the_best(make):
    """tau -> infinity: one static convolution with the mean kernel; tau -> 0: the argmax."""
    module, x = built(make, ARGUMENTS), example(b=3)
    module.anneal(1e9)
    mean = F.conv2d(x, module.weight.mean(0), module.bias.mean(0), 1, 2, 2, 2)
    close(module(x), mean, atol=1e-7)
    module.anneal(1e-6)
    best = module.logits(x).argmax(dim=1)
    close(module.g(x), F.one_hot(best, 3).double())


def equal_kernels_need_no_choice(make):
    """With all kernels and biases equal y does not depend on the shares."""
    module, x = built(make, ARGUMENTS), example()
    with torch.no_grad():
        for part in (module.weight, module.bias):
            part.copy_(part[:1].clone().expand_as(part))
    close(module(x), F.conv2d(x, module.weight[0], module.bias[0], 1, 2, 2, 2))


def only_differences_of_scores_count(make):
    """One number added to all scores changes nothing."""
    module, x = built(make, ARGUMENTS), example()
    before = module(x)
    with torch.no_grad():
        module.score.bias += 3.0
    close(module(x), before)


def even_shares_teach_every_kernel_the_same(make):
    """Equation (11): under uniform shares all kernels get one gradient, 1/k of the static one."""
    module, x = built(make, ARGUMENTS), example(b=3)
    nn.init.zeros_(module.score.weight), nn.init.zeros_(module.score.bias)
    upstream = example(seed=9, b=3)
    module(x).backward(upstream)
    static = module.weight.detach().mean(0).requires_grad_()
    F.conv2d(x, static, None, 1, 2, 2, 2).backward(upstream)
    for m in range(3):
        close(module.weight.grad[m], static.grad / 3)
        close(module.bias.grad[m], upstream.sum(dim=(0, 2, 3)) / 3)


def the_temperature_is_kept(make):
    """In a checkpoint, in the module's copies, and not among the parameters."""
    module = make(4, experts=2, temperature=30.0)
    module.anneal(annealed(4))
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    fresh = make(4, experts=2)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    assert float(fresh.temperature) == float(module.temperature) == pytest.approx(18.4)
    assert "temperature" not in dict(module.named_parameters())
    fresh.reset_parameters()
    assert float(fresh.temperature) == 1.0


def the_temperature_divides_what_the_scores_get(make):
    """An entry of the Jacobian is at most 1 / (4 tau)."""
    module, x = built(make, {"channels": 4, "experts": 2, "temperature": 5.0}), example(b=1)
    seen = []
    module.score.register_forward_hook(lambda m, i, u: seen.append(u) or u.retain_grad())
    module.g(x)[0, 0].backward()
    a = module.g(x)[0]
    close(seen[0].grad[0, 0], (a[0] * (1 - a[0]) / 5).detach())
    assert seen[0].grad.abs().max() <= 1 / 20 + 1e-12


def any_convolution_is_mixed(make):
    """The awkward convolutions of CondConv, forwards, for few images and for many."""
    for arguments in AWKWARD:
        for b in (2, 5):
            module = built(make, {}, **{**arguments, "bias": True})
            x = example(b=b, c=arguments["channels"])
            close(module(x), reference(module, x))


def as_a_port_lays_it_out(make):
    """Kernels and biases as one matrix of rows, images as groups: forward and gradients."""
    module, x = built(make, {"channels": 4, "out_channels": 6, "experts": 3, "temperature": 4.0,
                             "groups": 2}), example(b=3)  # fmt: skip

    def port(x, kernels, biases, one, two):
        hidden = F.conv2d(x.mean(dim=(2, 3), keepdim=True), one[:, :-1, None, None], one[:, -1])
        scores = F.conv2d(hidden.relu(), two[:, :-1, None, None], two[:, -1]).flatten(1)
        a = F.softmax(scores / 4.0, dim=-1)
        rows = torch.mm(a, kernels.view(3, -1)).view(3 * 6, 2, 3, 3)
        y = F.conv2d(x.view(1, 12, 5, 7), rows, torch.mm(a, biases).view(-1), 1, 1, 1, 6)
        return y.view(3, 6, 5, 7)

    def ours(x, kernels, biases, one, two):
        own = {
            "weight": kernels, "bias": biases, "reduce.weight": one[:, :-1],
            "reduce.bias": one[:, -1], "score.weight": two[:, :-1], "score.bias": two[:, -1],
        }  # fmt: skip
        return torch.func.functional_call(module, own, (x,))

    pairs = [
        torch.cat([part.weight, part.bias[:, None]], 1) for part in (module.reduce, module.score)
    ]
    leaves = x, module.weight, module.bias, *pairs
    for one, two in zip(outcome(ours, *leaves), outcome(port, *leaves), strict=True):
        close(one, two, atol=1e-9)


# ---------------------------------------------------------------- mutants


class Multiplied(DynamicConvolution):
    """The scores times the temperature."""

    def g(self, x):
        return softmax(self.logits(x) * self.temperature, dim=1)


class NoTemperature(DynamicConvolution):
    """The temperature is kept and never used."""

    def g(self, x):
        return softmax(self.logits(x), dim=1)


class Lost(DynamicConvolution):
    """The temperature is a plain attribute, which checkpoints lose."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        kept = self.temperature
        del self._buffers["temperature"]
        self.temperature = kept


class CoolsTheHiddenUnits(DynamicConvolution):
    """The temperature divides the hidden units, and leaves the bias of the scores alone."""

    def g(self, x):
        hidden = F.relu(self.reduce(x.mean(dim=(2, 3)).to(self.reduce.weight)))
        return softmax(self.score(hidden / self.temperature), dim=1)


class CoolsTheShares(DynamicConvolution):
    """The temperature divides the shares, which then add up to 1 / tau."""

    def g(self, x):
        return softmax(self.logits(x), dim=1) / self.temperature


class Sigmoids(DynamicConvolution):
    """CondConv's weights."""

    def g(self, x):
        return torch.sigmoid(self.logits(x) / self.temperature)


class BatchSoftmax(DynamicConvolution):
    """Images compete (known error C4)."""

    def g(self, x):
        return softmax(self.logits(x) / self.temperature, dim=0)


class Twice(DynamicConvolution):
    """A softmax of the shares."""

    def g(self, x):
        return softmax(super().g(x), dim=1)


class NoHiddenReLU(DynamicConvolution):
    """Two linear layers in a row."""

    def logits(self, x):
        return self.score(self.reduce(x.mean(dim=(2, 3)).to(self.reduce.weight)))


class Hard(DynamicConvolution):
    """All of the share to the best kernel, without a gradient for the scores."""

    def g(self, x):
        return F.one_hot(self.logits(x).argmax(dim=1), self.experts).to(self.weight)


class HalfShares(DynamicConvolution):
    """A softmax in half precision."""

    def g(self, x):
        return (self.logits(x) / self.temperature).softmax(dim=1)


class SharedBias(DynamicConvolution):
    """One bias for all kernels."""

    def __init__(self, channels, *arguments, bias=True, **options):
        super().__init__(channels, *arguments, bias=bias, **options)
        if self.bias is not None:
            self.bias = nn.Parameter(self.bias.detach()[:1].clone())

    def f(self, weights, x):
        y = super().f(weights, x) if self.bias is None else None
        if y is None:
            kept, self.bias = self.bias, None
            y = super().f(weights, x) + kept[0][:, None, None]
            self.bias = kept
        return y


class Hidden(DynamicConvolution):
    """A hidden width of c // r + 1, as a port has it."""

    def __init__(self, channels, *arguments, device=None, dtype=None, **options):
        super().__init__(channels, *arguments, device=device, dtype=dtype, **options)
        width = channels // self.reduction + 1
        self.reduce = nn.Linear(channels, width, device=device, dtype=dtype)
        self.score = nn.Linear(width, self.experts, device=device, dtype=dtype)


class UniformNoise(DynamicConvolution):
    """Kernels that start as numbers from 0 to 1, all positive (known error C24)."""

    def _draw(self):
        super()._draw()
        nn.init.uniform_(self.weight)


class StaysCool(DynamicConvolution):
    """reset_parameters leaves the temperature where it is."""

    def reset_parameters(self):
        self._draw()
        self.reduce.reset_parameters()
        self.score.reset_parameters()


class ForgetsDevice(DynamicConvolution):
    """device and dtype are accepted and dropped."""

    def __init__(self, channels, *arguments, device=None, dtype=None, **options):
        super().__init__(channels, *arguments, **options)


MUTANTS = (
    Multiplied, NoTemperature, Lost, CoolsTheHiddenUnits, CoolsTheShares, Sigmoids, BatchSoftmax,
    Twice, NoHiddenReLU, Hard, HalfShares, SharedBias, Hidden, UniformNoise, StaysCool,
    ForgetsDevice,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 6, "experts": 2, "kernel_size": 1, "reduction": 2, "bias": False,
         "temperature": 3.0},
    ),
    sizes=(SIZES[0], SIZES[1], (5, 3, 2), *SIZES[2:]),
    reference=reference,
    promises=(
        shares_add_up_to_one,
        golden_temperatures,
        hot_is_the_mean_kernel_and_cold_the_best,
        equal_kernels_need_no_choice,
        only_differences_of_scores_count,
        even_shares_teach_every_kernel_the_same,
        the_temperature_is_kept,
        the_temperature_divides_what_the_scores_get,
        as_a_port_lays_it_out,
        any_convolution_is_mixed,
    ),
    starts=(
        (
            {"channels": 16, "min_hidden": 8},
            {
                "weight": ("normal", (2 / (16 * 9)) ** 0.5),
                "bias": ("constant", 0.0),
                "reduce.*": of_torch(16),
                "score.*": of_torch(8),
            },
        ),
    ),
    smallest=({"channels": 1, "experts": 1, "kernel_size": 1, "reduction": 1, "min_hidden": 1},),
    loud={"channels": 256, "groups": 16},
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 8},
        {"channels": 32, "bias": False, "experts": 2},
        {"channels": 6, "out_channels": 4, "experts": 3, "stride": 2, "reduction": 2,
         "min_hidden": 1},
        {"channels": 6, "groups": 3, "kernel_size": 5, "dilation": 2, "temperature": 30.0},
    ),
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 4, "experts": 0}, "experts=0"),
        ({"channels": 4, "reduction": 0}, "reduction=0"),
        ({"channels": 4, "min_hidden": 0}, "min_hidden=0"),
        ({"channels": 4, "temperature": 0.0}, "temperature=0.0 must be a positive number"),
        ({"channels": 4, "temperature": math.inf}, "temperature=inf"),
        ({"channels": 4, "temperature": math.nan}, "temperature=nan"),
        ({"channels": 4, "groups": 3}, "groups=3 does not divide"),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of its own


def test_the_schedule_falls_from_thirty_to_one_in_ten_epochs():
    assert [annealed(epoch) for epoch in (0, 5, 10, 11, 300)] == [30.0, 15.5, 1.0, 1.0, 1.0]
    assert annealed(3, warm_up=6, hot=3.0) == 2.0


def test_no_entry_of_the_jacobian_exceeds_its_bound_and_one_comes_near():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(200, 3, generator=generator, dtype=torch.float64)
    logits[0] = torch.tensor([0.0, 0.0, -40.0])
    for temperature in (1.0, 7.0, 30.0):
        given = logits * temperature  # as far apart as at 1
        jacobian = torch.func.vmap(
            torch.func.jacrev(lambda u, t=temperature: shares(u[None], t)[0])
        )(given)
        largest = float(jacobian.abs().max())
        assert largest <= 1 / (4 * temperature) + 1e-12
        assert largest == pytest.approx(1 / (4 * temperature), rel=1e-6)


def test_a_temperature_that_is_no_temperature_is_refused():
    block = DynamicConvolution(4)
    for bad in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="must be a positive number"):
            block.anneal(bad)
    assert float(block.temperature) == 1.0


def test_repr_says_what_differs():
    block = DynamicConvolution(8, experts=3, temperature=30.0, bias=False, min_hidden=2)
    assert block.extra_repr() == "8, experts=3, bias=False, min_hidden=2, temperature=30.0"
