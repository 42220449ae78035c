"""What only CondConv promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import copy

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import nn

from attncourse.branch import ConditionalConvolution
from attncourse.branch.conditional_convolution import (
    CARD,
    Steps,
    condconv_reference,
    form_for,
    in_groups,
    kernel_mixture_reference,
    mix,
    mix_outputs,
    one_by_one,
    squeeze,
)
from attncourse.branch.conditional_convolution.mixing import MANY_WEIGHTS, WASTE
from attncourse.measure import count_macs
from tests.contract.specimen import SIZES, Specimen, built, close

ARGUMENTS = {"channels": 4, "experts": 3, "groups": 2, "dilation": 2, "bias": True}
#: What circulating copies get wrong: each set has a stride, groups, a dilation, a padding or a
#: bias that the usual 3 x 3 has not.
AWKWARD = (
    {"channels": 4, "out_channels": 6, "experts": 3, "stride": 2, "bias": True},
    {"channels": 4, "out_channels": 6, "experts": 2, "groups": 2, "dilation": 2, "padding": 1},
    {"channels": 3, "out_channels": 2, "experts": 4, "kernel_size": 2, "padding": 0},
    {"channels": 4, "experts": 2, "kernel_size": 5, "groups": 4, "stride": 3, "bias": True},
)  # fmt: skip
FORMS = (in_groups, one_by_one, mix_outputs)


def example(seed=0, b=2, c=4, h=5, w=7):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def reference(m, x):
    router = m.router.weight, m.router.bias
    return condconv_reference(x, router, m.weight, m.bias, m.steps)


def outcome(function, *leaves):
    """Output and the gradients of a random weighting of it."""
    leaves = [leaf.detach().requires_grad_() for leaf in leaves]
    y = function(*leaves)
    direction = torch.randn(y.shape, generator=torch.Generator().manual_seed(7), dtype=y.dtype)
    return [y, *torch.autograd.grad((y * direction).sum(), leaves)]


# ---------------------------------------------------------------- promises


def any_convolution_is_mixed(make):
    """Stride, groups, dilation, padding, biases, even and large kernels, maps that are no square:
    forward and every gradient are those of the loops, for few images and for many.
    """
    for arguments in AWKWARD:
        for b in (2, 5):
            module = built(make, {}, **arguments)
            x = example(b=b, c=arguments["channels"])
            leaves = list(module.parameters())
            found, wanted = module(x), reference(module, x)
            close(found, wanted)
            for y, other in zip(
                torch.autograd.grad(found.square().sum(), leaves),
                torch.autograd.grad(wanted.square().sum(), leaves), strict=True,
            ):  # fmt: skip
                close(y, other, atol=1e-8)


def a_chosen_kernel_is_a_plain_convolution(make):
    """With one-hot weights, set by hand, y is the convolution with that kernel and its bias."""
    module, x = built(make, ARGUMENTS), example(b=3)
    chosen = torch.tensor([2, 0, 1])
    y = module.f(F.one_hot(chosen, 3).double(), x)
    for n, m in enumerate(chosen):
        conv = F.conv2d(x[n : n + 1], module.weight[m], module.bias[m], 1, 2, 2, 2)
        close(y[n : n + 1], conv)


def one_whole_kernel_is_a_convolution(make):
    """With k = 1 and a = 1 there is nothing to mix."""
    module, x = built(make, {**ARGUMENTS, "experts": 1}), example()
    y = module.f(torch.ones(2, 1, dtype=torch.float64), x)
    close(y, F.conv2d(x, module.weight[0], module.bias[0], 1, 2, 2, 2))


def half_of_the_sum_where_nothing_is_routed(make):
    """With a router of zeros every weight is 1/2, and y is half the sum of all convolutions."""
    module, x = built(make, ARGUMENTS), example()
    nn.init.zeros_(module.router.weight), nn.init.zeros_(module.router.bias)
    close(module.g(x), torch.full((2, 3), 0.5, dtype=torch.float64))
    close(module(x), F.conv2d(x, module.weight.sum(0) / 2, module.bias.sum(0) / 2, 1, 2, 2, 2))


def weights_are_sigmoids_of_the_means(make):
    """Golden: means (1, -2, 0) and three routers give sigmoids that do not add up to one."""
    module = built(make, {"channels": 3, "experts": 3})
    with torch.no_grad():
        module.router.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 5], [2, 1, 0]]))
        module.router.bias.copy_(torch.tensor([0.0, 0, 1]))
    x = torch.tensor([1.0, -2, 0]).double()[None, :, None, None] + 0 * example(b=1, c=3)
    x[..., 0, 0] += 3.0
    x[..., -1, -1] -= 3.0  # the mean is as before
    wanted = torch.tensor([[0.7310586, 0.1192029, 0.7310586]], dtype=torch.float64)
    close(module.g(x), wanted, atol=1e-6)


def kernels_have_no_order(make):
    """Permuting the kernels together with the rows of the router changes nothing."""
    module, x, order = built(make, ARGUMENTS), example(), [2, 0, 1]
    other = copy.deepcopy(module)
    with torch.no_grad():
        for part in (other.weight, other.bias, other.router.weight, other.router.bias):
            part.copy_(part[order].clone())
    close(other(x), module(x))


def a_turn_is_invisible_to_the_weights(make):
    """GAP sees no positions: turned, mirrored or shuffled pixels give the same weights."""
    module, x = built(make, ARGUMENTS), example(h=6, w=6)
    shuffled = x.flatten(2)[..., torch.randperm(36)].unflatten(2, (6, 6))
    for moved in (x.rot90(1, (2, 3)), x.flip(3), shuffled):
        close(module.g(moved), module.g(x))
        assert not torch.allclose(module(moved), module(x), atol=1e-3)
    assert not torch.allclose(module.g(1 - x), module.g(x), atol=1e-3)


def kernels_learn_as_they_were_mixed(make):
    """Equations (8) and (9): dL/dW_m sums a_m dL/dW over images; dL/da_m is <dL/dW, W_m>."""
    module, x = built(make, ARGUMENTS), example(b=3)
    weights = module.g(x).detach().requires_grad_()
    upstream = example(seed=9, b=3)
    module.f(weights, x).backward(upstream)
    mixed = mix(weights.detach(), module.weight.detach()).requires_grad_()
    y = torch.cat([F.conv2d(x[n : n + 1], mixed[n], None, 1, 2, 2, 2) for n in range(3)])
    y.backward(upstream)
    close(module.weight.grad, torch.einsum("bm,boipq->moipq", weights, mixed.grad).detach())
    by_bias = torch.einsum("bo,mo->bm", upstream.sum(dim=(2, 3)), module.bias.detach())
    by_kernel = torch.einsum("boipq,moipq->bm", mixed.grad, module.weight.detach())
    close(weights.grad, by_kernel + by_bias)


def as_the_authors_lay_it_out(make):
    """Kernels as rows (k, s s c o), height first, and a loop over images: forward and gradients."""
    arguments = {"channels": 4, "out_channels": 5, "experts": 3, "bias": True}
    module, x = built(make, {}, **arguments), example(b=3)
    rows = module.weight.permute(0, 3, 4, 2, 1).flatten(1)

    def theirs(x, rows, biases, matrix, shift):
        a = torch.sigmoid(x.mean(dim=(2, 3)) @ matrix.T + shift)
        images = []
        for n in range(len(x)):
            kernel = (a[n] @ rows).view(3, 3, 4, 5).permute(3, 2, 0, 1)
            images.append(F.conv2d(x[n : n + 1], kernel, a[n] @ biases, padding=1))
        return torch.cat(images)

    def ours(x, rows, biases, matrix, shift):
        own = {"weight": rows.view(3, 3, 3, 4, 5).permute(0, 4, 3, 1, 2), "bias": biases,
               "router.weight": matrix, "router.bias": shift}  # fmt: skip
        return torch.func.functional_call(module, own, (x,))

    leaves = x, rows, module.bias, module.router.weight, module.router.bias
    for one, two in zip(outcome(ours, *leaves), outcome(theirs, *leaves), strict=True):
        close(one, two, atol=1e-9)


def every_kernel_is_drawn_by_itself(make):
    """Fresh kernels are no copies of one another."""
    torch.manual_seed(0)
    rows = make(16, experts=4).weight.detach().flatten(1)
    assert (torch.corrcoef(rows) - torch.eye(4)).abs().max() < 0.1


def it_stays_the_same_in_training(make):
    """No statistic, no dropout: training mode gives what eval mode gives."""
    module, x = built(make, ARGUMENTS), example()
    wanted = module(x)
    close(module.train()(x), wanted)


def large_maps_do_not_overflow(make):
    """A float16 map whose sum is beyond float16 is averaged all the same."""
    module = make(4, experts=2).half()
    x = torch.full((1, 4, 64, 64), 30.0, dtype=torch.float16)
    close(module.g(x), module.float().g(x.float()).half(), atol=2e-3, rtol=1e-3)


def a_kernel_that_does_not_fit_is_named(make):
    """Without padding a map may be smaller than the kernel."""
    module = built(make, {"channels": 4, "experts": 2, "padding": 0})
    with pytest.raises(ValueError, match="x has 2 x 7 positions, the kernels need 3 x 3: raise"):
        module(example(h=2))
    assert module(example(h=3)).shape == (2, 4, 1, 5)


# ---------------------------------------------------------------- mutants


class Mutant(ConditionalConvolution):
    """CondConv whose ``f`` is written anew."""

    def mixed(self, weights):
        """The mixed kernels and biases."""
        bias = None if self.bias is None else (weights @ self.bias)
        return mix(weights, self.weight), bias

    def convolved(self, x, kernels, bias, groups=None, **changed):
        """The grouped convolution, with some of its steps changed."""
        steps = self.steps
        own = {"stride": steps.stride, "padding": steps.padding, "dilation": steps.dilation}
        groups = len(x) * steps.groups if groups is None else groups
        return F.conv2d(
            x.flatten(0, 1)[None], kernels.flatten(0, 1), bias, groups=groups, **(own | changed)
        )  # fmt: skip

    def f(self, weights, x):
        kernels, bias = self.mixed(weights)
        bias = None if bias is None else bias.flatten()
        return self.shaped(self.convolved(x, kernels, bias, **self.changed()), x)

    def changed(self):
        return {}

    def shaped(self, y, x):
        return y.view(len(x), -1, *y.shape[2:])


class SizesOfTheInput(Mutant):
    """The output takes the input's rows and columns: fails with a stride (known error C10)."""

    def shaped(self, y, x):
        return y.view(len(x), -1, *x.shape[2:])


class SquareMaps(Mutant):
    """One side for both axes."""

    def shaped(self, y, x):
        return y.view(len(x), -1, y.shape[3], y.shape[3])


class ForgetsGroups(Mutant):
    """A group for each image and no more (known error C24)."""

    def f(self, weights, x):
        kernels, bias = self.mixed(weights)
        bias = None if bias is None else bias.flatten()
        return self.shaped(self.convolved(x, kernels, bias, groups=len(x)), x)


class ForgetsStride(Mutant):
    """Every position, whatever the stride."""

    def changed(self):
        return {"stride": 1}


class ForgetsDilation(Mutant):
    """Neighbouring taps, whatever the dilation."""

    def changed(self):
        return {"dilation": 1, "padding": self.kernel_size // 2}


class UsualPadding(Mutant):
    """Half of the kernel, whatever the padding (known error C1)."""

    def changed(self):
        return {"padding": self.kernel_size // 2}


class MixesImages(Mutant):
    """Channels before images: shapes are right, and every image sees the others' channels."""

    def f(self, weights, x):
        kernels, bias = self.mixed(weights)
        side_by_side = x.transpose(0, 1).reshape(x.shape)
        bias = None if bias is None else bias.flatten()
        return self.shaped(self.convolved(side_by_side, kernels, bias), x)


class FirstBias(Mutant):
    """The bias of the first kernel for all."""

    def mixed(self, weights):
        kernels, bias = super().mixed(weights)
        return kernels, None if bias is None else self.bias[:1].expand(len(weights), -1)


class UnweightedBias(Mutant):
    """The sum of all biases, whatever the weights."""

    def mixed(self, weights):
        kernels, bias = super().mixed(weights)
        return kernels, None if bias is None else self.bias.sum(0).expand(len(weights), -1)


class MixesAfterReLU(ConditionalConvolution):
    """Each kernel with a ReLU of its own: a mixture of branches, not of kernels."""

    def f(self, weights, x):
        ones = torch.eye(self.experts).to(x)
        parts = [super(MixesAfterReLU, self).f(row.expand(len(x), -1), x) for row in ones]
        pairs = zip(weights.unbind(1), parts, strict=True)
        return sum(w[:, None, None, None].to(x) * F.relu(part) for w, part in pairs)


class AlwaysOutputs(ConditionalConvolution):
    """Right, at the price of k convolutions."""

    def f(self, weights, x):
        return mix_outputs(x, weights, self.weight, self.bias, self.steps)


class SoftmaxRouting(ConditionalConvolution):
    """Shares that add up to one, as in dynamic convolution."""

    def g(self, x):
        return super().g(x).logit().softmax(dim=1)


class RoutesByTheLargest(ConditionalConvolution):
    """The largest value of each channel in place of its mean."""

    def g(self, x):
        return torch.sigmoid(self.router(x.amax(dim=(2, 3))))


class RoutesTheBatch(ConditionalConvolution):
    """One routing for the whole batch."""

    def g(self, x):
        return super().g(x).mean(dim=0, keepdim=True).expand(len(x), -1)


class RoutesTheNext(ConditionalConvolution):
    """Every image gets the weights of another."""

    def g(self, x):
        return super().g(x).roll(1, dims=0)


class SumsPositions(ConditionalConvolution):
    """A sum in place of the mean: the weights depend on the size of the map (known error C13)."""

    def g(self, x):
        return torch.sigmoid(self.router(x.sum(dim=(2, 3))))


class HalfSqueeze(ConditionalConvolution):
    """Half precision adds up in half precision."""

    def g(self, x):
        s = x.flatten(2).cumsum(2)[..., -1] / (x.shape[2] * x.shape[3])
        return torch.sigmoid(self.router(s))


class Detached(ConditionalConvolution):
    """The router learns, and passes nothing on to x."""

    def g(self, x):
        return super().g(x.detach())


class FrozenWeights(ConditionalConvolution):
    """The router never learns."""

    def g(self, x):
        return super().g(x).detach()


class FlattenedFan(ConditionalConvolution):
    """All kernels drawn as one matrix (k, numbers), with the wrong fan."""

    def _draw(self):
        super()._draw()
        nn.init.kaiming_normal_(self.weight.data.flatten(1), nonlinearity="relu")


class OneDraw(ConditionalConvolution):
    """All kernels start as copies of one another, and stay so under equal weights."""

    def _draw(self):
        super()._draw()
        with torch.no_grad():
            self.weight.copy_(self.weight[:1].expand_as(self.weight).clone())


class NoisyBiases(ConditionalConvolution):
    """Biases that start at random (known error C10)."""

    def _draw(self):
        super()._draw()
        if self.bias is not None:
            nn.init.normal_(self.bias)


class NoRouterBias(ConditionalConvolution):
    """A router without a bias."""

    def __init__(self, channels, out_channels=None, kernel_size=3, experts=8, **options):
        super().__init__(channels, out_channels, kernel_size, experts, **options)
        self.router = nn.Linear(channels, experts, bias=False).to(self.weight)

    def _draw_router(self):
        nn.init.xavier_uniform_(self.router.weight)


class HalfReset(ConditionalConvolution):
    """reset_parameters that forgets the kernels (known error C11)."""

    def reset_parameters(self):
        self.router.reset_parameters()
        self._draw_router()


class Unvalidated(ConditionalConvolution):
    """No check of the input."""

    def validate(self, x):
        pass


MUTANTS = (
    SizesOfTheInput, SquareMaps, ForgetsGroups, ForgetsStride, ForgetsDilation, UsualPadding,
    MixesImages, FirstBias, UnweightedBias, MixesAfterReLU, AlwaysOutputs, SoftmaxRouting,
    RoutesByTheLargest, RoutesTheBatch, RoutesTheNext, SumsPositions, HalfSqueeze, Detached,
    FrozenWeights, FlattenedFan, OneDraw, NoisyBiases, NoRouterBias, HalfReset, Unvalidated,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(ARGUMENTS, {"channels": 6, "experts": 2, "kernel_size": 1}),
    sizes=(SIZES[0], SIZES[1], (5, 3, 2), *SIZES[2:]),  # five images, so that outputs are mixed
    reference=reference,
    promises=(
        a_chosen_kernel_is_a_plain_convolution,
        one_whole_kernel_is_a_convolution,
        half_of_the_sum_where_nothing_is_routed,
        weights_are_sigmoids_of_the_means,
        kernels_have_no_order,
        every_kernel_is_drawn_by_itself,
        a_turn_is_invisible_to_the_weights,
        kernels_learn_as_they_were_mixed,
        it_stays_the_same_in_training,
        large_maps_do_not_overflow,
        a_kernel_that_does_not_fit_is_named,
        as_the_authors_lay_it_out,
        any_convolution_is_mixed,
    ),
    starts=(
        (
            {"channels": 16, "experts": 4, "bias": True, "groups": 2},
            {
                "weight": ("normal", (2 / (8 * 9)) ** 0.5),
                "bias": ("constant", 0.0),
                "router.weight": ("uniform", (6 / 20) ** 0.5),
                "router.bias": ("constant", 0.0),
            },
        ),
    ),
    smallest=({"channels": 1, "experts": 1, "kernel_size": 1},),
    loud={"channels": 256, "groups": 16},
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 8},
        {"channels": 6, "out_channels": 4, "experts": 3, "stride": 2, "bias": True},
        {"channels": 6, "groups": 3, "kernel_size": 5, "dilation": 2, "experts": 1},
        {"channels": 4, "kernel_size": 2, "padding": 3, "stride": 3},
    ),
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 4, "out_channels": 0}, "out_channels=0"),
        ({"channels": 4, "experts": 0}, "experts=0"),
        ({"channels": 4, "kernel_size": 0}, "kernel_size=0"),
        ({"channels": 4, "stride": 0}, "stride=0"),
        ({"channels": 4, "dilation": 0}, "dilation=0"),
        ({"channels": 4, "groups": 0}, "groups=0"),
        ({"channels": 4, "padding": -1}, "padding=-1"),
        ({"channels": 4, "groups": 3}, "groups=3 does not divide channels=4"),
        ({"channels": 4, "out_channels": 3, "groups": 2}, "and out_channels=3"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def drawn(arguments, b=3, h=5, w=7):
    """x, weights, kernels and biases for an awkward set of arguments, and its steps."""
    module = built(ConditionalConvolution, {}, **arguments)
    x = example(b=b, c=arguments["channels"], h=h, w=w)
    return (x, module.g(x).detach(), module.weight, module.bias), module.steps


@pytest.mark.parametrize("arguments", [ARGUMENTS, *AWKWARD], ids=str)
def test_three_forms_and_the_loops_agree_forwards_and_back(arguments):
    (x, weights, kernels, biases), steps = drawn(arguments)
    leaves = [x, weights, kernels] + ([] if biases is None else [biases])

    def by(form):
        return outcome(
            lambda x, a, w, b=None: form(x, a, w, b, steps=steps), *leaves
        )  # fmt: skip

    wanted = by(kernel_mixture_reference)
    for form in FORMS:
        for one, two in zip(by(form), wanted, strict=True):
            close(one, two, atol=1e-9)


def test_a_nonlinearity_between_ends_the_equality():
    (x, weights, kernels, _), steps = drawn({"channels": 3, "experts": 3})
    branches = [F.relu(F.conv2d(x, kernel, padding=1)) for kernel in kernels]
    mixed = sum(
        w[:, None, None, None] * u for w, u in zip(weights.unbind(1), branches, strict=True)
    )
    assert not torch.allclose(mixed, F.relu(in_groups(x, weights, kernels, None, steps)), atol=0.1)


def test_the_rule_is_the_one_that_the_docstring_states():
    kernels, same = (5, 8, 8, 3, 3), Steps(padding=1)
    few, many = WASTE // 4, WASTE // 4 + 1  # (5 - 1) * positions
    assert form_for((4, 8, 1, few), kernels, same) is mix_outputs
    assert form_for((4, 8, 1, many), kernels, same) is in_groups
    assert form_for((3, 8, 1, 1), kernels, same) is in_groups
    assert form_for((4, 8, 2, 2 * few), kernels, Steps(2, 1)) is mix_outputs
    heavy = (2, 1000, MANY_WEIGHTS // 8000, 1, 1)
    assert form_for((8, heavy[2], 9, 9), heavy) is one_by_one
    assert form_for((7, heavy[2], 9, 9), heavy) is in_groups
    assert form_for((8, heavy[2], 9, 9), heavy, on_processor=False) is in_groups


def test_the_form_that_is_named_is_taken():
    """Multiply-adds tell: output mixing convolves three times, kernel mixing once."""
    module = built(ConditionalConvolution, {"channels": 4, "experts": 3})
    for size in ((5, 4, 2, 2), (5, 4, 9, 9)):
        x = torch.randn(size).double()
        arguments = x, module.g(x), module.weight, None, module.steps
        form = form_for(size, module.weight.shape, module.steps)
        assert form is (mix_outputs if size[2] == 2 else in_groups)
        routed = count_macs(module.g, x)
        assert count_macs(module, x) - routed == count_macs(lambda a=arguments, f=form: f(*a))


def test_four_kernels_at_one_half_have_the_spread_of_one():
    """Equation (14): k / 4 times the variance of a kernel, at weights of 1/2."""
    torch.manual_seed(0)
    for experts, times in ((4, 1.0), (8, 2.0)):
        module = ConditionalConvolution(32, experts=experts)
        mixed = mix(torch.full((1, experts), 0.5), module.weight)
        assert float(mixed.var().detach() / module.weight[0].detach().var()) == pytest.approx(
            times, rel=0.1
        )


def test_a_shared_convolution_of_one_image_counts_as_the_paper_says():
    """Mixing adds k / (h w) of the convolution: 16 % at 7 x 7 with eight kernels."""
    parts = {"channels": 64, "experts": 8}
    extra = CARD.macs(7, 7, **parts) - 64 * 49 - 64 * 8
    assert extra / (9 * 64 * 64 * 49) == pytest.approx(1 + 8 / 49)


def test_it_takes_the_place_of_a_convolution_in_a_network():
    """Sizes are those of ``nn.Conv2d`` with the same arguments."""
    for arguments in AWKWARD:
        options = {k: v for k, v in arguments.items() if k not in ("experts", "channels")}
        out, side = options.pop("out_channels", 4), options.pop("kernel_size", 3)
        padding = options.pop("padding", options.get("dilation", 1) * (side - 1) // 2)
        conv = nn.Conv2d(arguments["channels"], out, side, padding=padding, **options)
        x = torch.randn(2, arguments["channels"], 9, 7)
        assert ConditionalConvolution(**arguments)(x).shape == conv(x).shape


@settings(max_examples=20, deadline=None)
@given(
    b=st.integers(1, 5), c=st.integers(1, 6), groups=st.integers(1, 3), side=st.integers(1, 4),
    stride=st.integers(1, 3), dilation=st.integers(1, 2), h=st.integers(4, 7), w=st.integers(4, 7),
)  # fmt: skip
def test_any_size_works_or_says_why(b, c, groups, side, stride, dilation, h, w):
    options = {"groups": groups, "stride": stride, "dilation": dilation, "experts": 2}
    if c % groups:
        with pytest.raises(ValueError, match="does not divide"):
            ConditionalConvolution(c, None, side, **options)
        return
    module = ConditionalConvolution(c, None, side, **options).double()
    x = torch.randn(b, c, h, w).double()
    if min(h, w) + 2 * module.steps.padding < dilation * (side - 1) + 1:
        with pytest.raises(ValueError, match="positions"):
            module(x)
        return
    close(module(x), mix_outputs(x, module.g(x), module.weight, None, module.steps))


def test_squeeze_is_the_mean():
    x = example()
    close(squeeze(x), x.flatten(2).mean(2))


def test_repr_says_what_differs():
    block = ConditionalConvolution(8, 4, stride=2, padding=3, bias=True)
    assert block.extra_repr() == "8, out_channels=4, stride=2, padding=3, bias=True"
