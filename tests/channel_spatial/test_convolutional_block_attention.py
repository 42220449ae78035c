"""What only CBAM, BAM and scSE promise, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.channel_spatial import (
    BottleneckAttention,
    ConcurrentSqueezeExcitation,
    ConvolutionalBlockAttention,
)
from attncourse.channel_spatial.convolutional_block_attention import (
    BAM_CARD,
    CARD,
    ORDERS,
    SCSE_CARD,
    bottleneck_attention_reference,
    concurrent_squeeze_excitation_reference,
    convolutional_block_attention_reference,
    parameter_count,
)
from attncourse.channel_spatial.convolutional_block_attention.bottleneck import (
    bottleneck_parameters,
)
from attncourse.channel_spatial.convolutional_block_attention.module import largest, look_across
from attncourse.layers import as_affine
from tests.contract.specimen import Specimen, built, close, of_torch

SMALL = {"channels": 4, "reduction": 2}
CBAM = SMALL | {"kernel_size": 3}


def example(seed=0, b=2, c=4, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def layers(m):
    return m.reduce.weight, m.reduce.bias, m.expand.weight, m.expand.bias


def cbam_reference(m, x):
    return convolutional_block_attention_reference(
        x, layers(m), m.conv.weight, None if m.norm is None else as_affine(m.norm),
        statistics=m.statistics, order=m.order,
    )  # fmt: skip


def shuffled(x, order):
    return x.flatten(2)[:, :, order].view_as(x)


def with_zeros(module, *names):
    """The module with the parameters of some layers at zero."""
    for name in names:
        for parameter in getattr(module, name).parameters():
            nn.init.zeros_(parameter)
    return module


POSITIONS = torch.randperm(12, generator=torch.Generator().manual_seed(3))
CHANNELS = torch.tensor([2, 0, 3, 1])

# ---------------------------------------------------------------- promises of CBAM


def only_shrinks(make):
    """Both gates lie in (0, 1): every value keeps its sign and loses size; zero stays zero."""
    for order in ORDERS:
        x, module = example(), built(make, CBAM, order=order)
        y, (a, m) = module(x, need_weights=True)
        assert a.min() > 0
        assert a.max() < 1
        assert m.min() > 0
        assert m.max() < 1
        assert (y * x > 0).all()
        assert (y.abs() < x.abs()).all()
        assert torch.equal(module(torch.zeros_like(x)), torch.zeros_like(x))


def gates_are_a_product(make):
    """(5): y / x is of rank one in channels and positions, in every order."""
    for order in ORDERS:
        x, module = example(), built(make, CBAM, order=order)
        singular = torch.linalg.svdvals((module(x) / x).flatten(2))
        assert (singular[:, 1] < 1e-12).all()
        assert (singular[:, 0] > 0.1).all()


def a_quarter_at_zero(make):
    """Layers at zero and a shut normalisation leave exactly a quarter of x."""
    module = with_zeros(built(make, CBAM), "reduce", "expand", "norm")
    close(module(example()), example() / 4, atol=0, rtol=0)
    shut = make(**CBAM, zero_scale=True).double().eval()
    close(shut.g(example())[1], torch.full((2, 4, 3), 0.5, dtype=torch.float64), atol=0, rtol=0)
    close(make(**CBAM).norm.weight.detach(), torch.ones(1))


def knows_no_places_and_no_names(make):
    """a ignores the order of positions, m that of channels; m does see where things stand."""
    x, module = example(), built(make, CBAM, order="parallel")
    a, m = module.g(x)
    a_shuffled, m_shuffled = module.g(shuffled(x, POSITIONS))
    close(a_shuffled, a)
    assert (m_shuffled - m.flatten(1)[:, POSITIONS].view_as(m)).abs().max() > 1e-3
    a_renamed, m_renamed = module.g(x[:, CHANNELS])
    close(m_renamed, m)
    assert (a_renamed - a[:, CHANNELS]).abs().max() > 1e-3


def the_second_looks_at_what_the_first_left(make):
    """In turn: each second gate is the parallel one's, of x gated by the first."""
    x = example()
    parallel = built(make, CBAM, order="parallel")
    a, m = parallel.g(x)
    close(built(make, CBAM).g(x)[0], a)
    close(built(make, CBAM).g(x)[1], parallel.g(a[:, :, None, None] * x)[1])
    first = built(make, CBAM, order="positions first")
    close(first.g(x)[1], m)
    close(first.g(x)[0], parallel.g(m[:, None] * x)[0])
    assert (first(x) - built(make, CBAM)(x)).abs().max() > 1e-4


def layers_serve_both_statistics(make):
    """Constant channels have mean = max: the logits are twice those of one statistic."""
    x = example(h=1, w=1).expand(2, 4, 4, 3)
    both, mean, top = (built(make, CBAM, statistics=s).g(x)[0] for s in ("both", "mean", "max"))
    close(mean, top)
    close(torch.logit(both), 2 * torch.logit(mean))


def golden_values(make):
    """One channel, one hidden unit, one tap: 1 + e^-(mean + max) and 1 + e^-(2 max + mean)."""
    module = built(make, {"channels": 1, "reduction": 1, "kernel_size": 1, "norm": False})
    with torch.no_grad():
        for layer in (module.reduce, module.expand):
            nn.init.ones_(layer.weight), nn.init.zeros_(layer.bias)
        module.conv.weight.copy_(torch.tensor([2.0, 1.0])[None, :, None, None])
    x = torch.tensor([[0.0, 1.0], [2.0, 1.0]], dtype=torch.float64)[None, None]
    a, m = module.g(x)
    close(a, torch.tensor([[0.9525741268]], dtype=torch.float64))  # sigmoid(1 + 2)
    gated = a.item() * x[0, 0]
    close(m[0], torch.sigmoid(3 * gated))


class TheirBlock(nn.Module):
    """The released layout: pooling windows, an MLP for each pool, a three-axis stack, BN."""

    def __init__(self, ours):
        super().__init__()
        self.ours = ours

    def forward(self, x):
        ours, total = self.ours, None
        for pool in (F.avg_pool2d, F.max_pool2d):
            z = pool(x, x.shape[2:]).flatten(1)
            logits = ours.expand(F.relu(ours.reduce(z)))
            total = logits if total is None else total + logits
        x = x * torch.sigmoid(total)[:, :, None, None].expand_as(x)
        two = torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)
        return x * torch.sigmoid(ours.norm(ours.conv(two)))


def equals_the_released_layout(make):
    """Values and all gradients, on features with ties as behind a ReLU, in both modes."""
    for train in (False, True):
        for seed in (5, 6):
            found = []
            for layout in (lambda m: m, TheirBlock):
                ours = built(make, CBAM).train(train)
                x = example(seed).clamp(min=0).requires_grad_()
                y = layout(ours)(x)
                y.backward(example(8))
                found.append([y.detach(), x.grad, *(p.grad for p in ours.parameters())])
            for one, other in zip(*found, strict=True):
                close(one, other)


def refuses_one_value(make):
    """Batch normalisation of one value is refused in training; without it all is allowed."""
    one = example(b=1, h=1, w=1)
    with pytest.raises(ValueError, match=r"\.norm"):
        make(**CBAM).double()(one)
    make(**CBAM, norm=False).double()(one)


# ---------------------------------------------------------------- promises of BAM


def only_opens(make):
    """Gates in (1, 2); at zero exactly 1.5, by sum and by product."""
    for combine in ("sum", "product"):
        x, module = example(), built(make, SMALL, combine=combine)
        grown = module(x) / x
        assert grown.min() > 1
        assert grown.max() < 2
        with_zeros(module, "expand", "last")
        close(module(x), 1.5 * x, atol=0, rtol=0)


def votes_are_added_or_multiplied(make):
    """The logits of the gates: minus row and column means nothing is left; or rank one."""
    x = example()
    for combine, rank in (("sum", 2), ("product", 1)):
        module = built(make, SMALL, combine=combine)
        logits = torch.logit(module.g(x)).flatten(2)
        singular = torch.linalg.svdvals(logits)
        assert (singular[:, rank] < 1e-10).all()
        assert (singular[:, rank - 1] > 1e-3).all()
        u, v = module.votes(x)
        wanted = u[:, :, None] + v.flatten(1)[:, None]
        wanted = u[:, :, None] * v.flatten(1)[:, None] if combine == "product" else wanted
        close(logits, wanted)


def sees_far(make):
    """Two convolutions of dilation D reach 2 D to every side, and no further."""
    x = example(b=1, h=1, w=9).requires_grad_()
    for dilation in (1, 2):
        module = built(make, SMALL, dilation=dilation)
        for norm in module.norms:
            nn.init.constant_(norm.bias, 20.0)  # no ReLU hides a gradient
        grad = torch.autograd.grad(module.votes(x)[1][0, 0, 4], x)[0][0, :, 0].abs().amax(0)
        at = (torch.arange(9) - 4).abs()
        reached = (at % dilation == 0) & (at <= 2 * dilation)
        assert (grad[reached] > 1e-6).all()
        assert (grad[~reached] == 0).all()


def takes_oblong_maps(make):
    """The channels' vote is one for all shapes: it is a mean over all positions."""
    x, module = example(h=2, w=6), built(make, SMALL)
    close(module.votes(x)[0], module.votes(x.view(2, 4, 6, 2))[0])
    close(module.votes(x)[0], module.votes(x.view(2, 4, 1, 12))[0])


# ---------------------------------------------------------------- promises of scSE


def doubles_a_half(make):
    """All at zero the sum is the identity, and the larger of two halves is a half."""
    for combine, factor in (("sum", 1.0), ("max", 0.5)):
        module = with_zeros(built(make, SMALL, combine=combine), "reduce", "expand", "score")
        close(module(example()), factor * example(), atol=0, rtol=0)


def adds_what_each_gates(make):
    """cSE is constant over positions, sSE over channels; their sum is of rank two."""
    x, module = example(), built(make, SMALL)
    y, (a, m) = module(x, need_weights=True)
    close(y, a[:, :, None, None] * x + m[:, None] * x)
    singular = torch.linalg.svdvals((y / x).flatten(2))
    assert (singular[:, 2] < 1e-12).all()
    assert (singular[:, 1] > 1e-3).all()


def commutes_with_shuffled_positions(make):
    """Neither gate knows where anything stands."""
    x, module = example(), built(make, SMALL)
    close(module(shuffled(x, POSITIONS)), shuffled(module(x), POSITIONS))


def a_position_hears_of_nobody(make):
    """m_i is made from x_i alone, a from all."""
    x, module = example(), built(make, {"channels": 4, "reduction": 1})
    moved = x.clone()
    moved[:, :, 0, 0] += 1.0
    (a, m), (a_moved, m_moved) = module.g(x), module.g(moved)
    close(m_moved.flatten(1)[:, 1:], m.flatten(1)[:, 1:])
    assert (m_moved - m)[:, 0, 0].abs().min() > 1e-4
    assert (a_moved - a).abs().max() > 1e-6


def the_larger_is_of_the_values(make):
    """Of a negative value the larger product belongs to the smaller gate."""
    x, module = -example().abs(), built(make, SMALL, combine="max")
    y, (a, m) = module(x, need_weights=True)
    close(y / x, torch.minimum(a[:, :, None, None], m[:, None].expand_as(x)))


# ---------------------------------------------------------------- mutants


class MeanTwice(ConvolutionalBlockAttention):
    """The mean in place of the largest value (known error C19)."""

    def judge_channels(self, x):
        if self.statistics != "both":
            return super().judge_channels(x)
        z = x.mean(dim=(2, 3))
        return torch.sigmoid(2 * self.expand(F.relu(self.reduce(z))))


class AddedBeforeTheLayers(ConvolutionalBlockAttention):
    """The statistics are added and go through the layers once."""

    def judge_channels(self, x):
        if self.statistics != "both":
            return super().judge_channels(x)
        return torch.sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3)) + largest(x)))))


class SigmoidsAdded(ConvolutionalBlockAttention):
    """A sigmoid for each statistic, then the sum: gates up to 2."""

    def judge_channels(self, x):
        if self.statistics != "both":
            return super().judge_channels(x)
        gates = [self.expand(F.relu(self.reduce(z))) for z in (x.mean((2, 3)), largest(x))]
        return gates[0].sigmoid() + gates[1].sigmoid()


class MeanFirst(ConvolutionalBlockAttention):
    """The two maps stacked the other way round."""

    def judge_positions(self, x):
        logits = self.conv(look_across(x).flip(1))
        return torch.sigmoid(logits if self.norm is None else self.norm(logits))[:, 0]


class LooksAtTheInput(ConvolutionalBlockAttention):
    """m is made from x, not from what a has left."""

    def _in_turn(self, x):
        a, m = self.judge_channels(x), self.judge_positions(x)
        return a, m, (m[:, None] if self.order == "positions first" else a[:, :, None, None]) * x


class NoNorm(ConvolutionalBlockAttention):
    """The normalisation is there and not used."""

    def judge_positions(self, x):
        return torch.sigmoid(self.conv(look_across(x)))[:, 0]


class KeepsTheInput(ConvolutionalBlockAttention):
    """x is added inside the block (known error C3)."""

    def f(self, weights, x):
        return x + super().f(weights, x)

    def attend(self, x):
        return x + super().attend(x)


class SharedTies(ConvolutionalBlockAttention):
    """The gradient of the largest value goes to all that share it."""

    def judge_positions(self, x):
        logits = self.conv(torch.stack([x.amax(dim=1), x.mean(dim=1)], dim=1))
        return torch.sigmoid(logits if self.norm is None else self.norm(logits))[:, 0]


class SecondForgotten(ConvolutionalBlockAttention):
    """The fused form leaves the positions' gate out."""

    def attend(self, x):
        return self.judge_channels(x)[:, :, None, None] * x


class BamMutant(BottleneckAttention):
    """The step in which the votes meet, to be replaced."""

    def meet(self, u, v):
        return u + v if self.combine == "sum" else u * v

    def g(self, x):
        u, v = self.votes(x)
        return torch.sigmoid(self.meet(u[:, :, None, None], v[:, None]))


class AlwaysMultiplied(BamMutant):
    """The code's product, whatever was asked for."""

    def meet(self, u, v):
        return u * v


class NoInput(BottleneckAttention):
    """The gated features alone."""

    def f(self, weights, x):
        return weights * x


class SigmoidFirst(BamMutant):
    """A sigmoid for each vote, then the mean."""

    def g(self, x):
        u, v = self.votes(x)
        return (u.sigmoid()[:, :, None, None] + v.sigmoid()[:, None]) / 2


class SquareWindow(BottleneckAttention):
    """A mean over a square window with the height as its side (known error C20)."""

    def votes(self, x):
        _, v = super().votes(x)
        z = x[..., : x.shape[2]].mean(dim=(2, 3))
        return self.expand(F.relu(self.norm(self.reduce(z)))), v


class Narrow(BottleneckAttention):
    """No dilation."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        for conv in self.convs[1:]:
            conv.dilation, conv.padding = (1, 1), (1, 1)


class NoHiddenNorm(BottleneckAttention):
    """The channels' hidden units are not normalised."""

    def votes(self, x):
        _, v = super().votes(x)
        return self.expand(F.relu(self.reduce(x.mean(dim=(2, 3))))), v


class NormFirst(BottleneckAttention):
    """The ReLU before the normalisation."""

    def votes(self, x):
        u, v = self.expand(self.norm(F.relu(self.reduce(x.mean(dim=(2, 3)))))), x
        for conv, norm in zip(self.convs, self.norms, strict=True):
            v = F.relu(norm(conv(v)))
        return u, self.last(v)[:, 0]


class SilentPlaces(BottleneckAttention):
    """The positions' vote carries no gradient."""

    def votes(self, x):
        u, v = super().votes(x)
        return u, v.detach()


class LargerGate(ConcurrentSqueezeExcitation):
    """The larger gate times x, in place of the larger value."""

    def f(self, weights, x):
        if self.combine != "max":
            return super().f(weights, x)
        return torch.maximum(*torch.broadcast_tensors(
            weights[0][:, :, None, None], weights[1][:, None])) * x  # fmt: skip


class InTurn(ConcurrentSqueezeExcitation):
    """Positions are judged by what the channels' gate has left."""

    def g(self, x):
        a, _ = super().g(x)
        return a, torch.sigmoid(self.score(a[:, :, None, None] * x))[:, 0]


class Halved(ConcurrentSqueezeExcitation):
    """The mean of both in place of the sum."""

    def f(self, weights, x):
        return super().f(weights, x) / (2 if self.combine == "sum" else 1)


class Multiplied(ConcurrentSqueezeExcitation):
    """A product of the gates, as CBAM has it."""

    def f(self, weights, x):
        if self.combine != "sum":
            return super().f(weights, x)
        return weights[0][:, :, None, None] * weights[1][:, None] * x


class OverPositions(ConcurrentSqueezeExcitation):
    """A softmax over positions in place of sigmoids."""

    def g(self, x):
        a, _ = super().g(x)
        return a, self.score(x).flatten(1).softmax(dim=1).view(x.shape[0], *x.shape[2:])


class MapAlone(ConcurrentSqueezeExcitation):
    """The code's larger value, whatever was asked for."""

    def f(self, weights, x):
        a, m = weights
        return torch.maximum(a[:, :, None, None] * x, m[:, None] * x)


class LargestSqueezed(ConcurrentSqueezeExcitation):
    """Largest values in place of means."""

    def g(self, x):
        a = torch.sigmoid(self.expand(F.relu(self.reduce(x.amax(dim=(2, 3))))))
        return a, super().g(x)[1]


class NoSecondSigmoid(ConcurrentSqueezeExcitation):
    """Scores of positions as they are."""

    def g(self, x):
        return super().g(x)[0], self.score(x)[:, 0]


def named(*mutants):
    return {m.__name__: m for m in mutants}


LAYERS = {"reduce.*": of_torch(64), "expand.*": of_torch(16)}
SPECIMENS = (
    Specimen(
        card=CARD,
        arguments=(
            CBAM,
            {"channels": 5, "reduction": 1, "order": "positions first", "norm": False},
            {"channels": 5, "reduction": 1, "kernel_size": 1, "order": "parallel"},
            {"channels": 6, "reduction": 1, "statistics": "max", "zero_scale": True},
        ),
        reference=cbam_reference,
        promises=(
            only_shrinks, gates_are_a_product, a_quarter_at_zero, knows_no_places_and_no_names,
            the_second_looks_at_what_the_first_left, layers_serve_both_statistics, golden_values,
            equals_the_released_layout, refuses_one_value,
        ),
        starts=(
            (
                {"channels": 64, "reduction": 4},
                LAYERS
                | {
                    "conv.weight": of_torch(98),
                    "norm.weight": ("constant", 1.0),
                    "norm.bias": ("constant", 0.0),
                },
            ),
            (
                {"channels": 64, "zero_scale": True, "reduction": 4},
                LAYERS
                | {
                    "conv.weight": of_torch(98),
                    "norm.weight": ("constant", 0.0),
                    "norm.bias": ("constant", 0.0),
                },
            ),
        ),
        smallest=({"channels": 1, "reduction": 1, "kernel_size": 1},),
        mutants=named(
            MeanTwice, AddedBeforeTheLayers, SigmoidsAdded, MeanFirst, LooksAtTheInput, NoNorm,
            KeepsTheInput, SharedTies, SecondForgotten,
        ),
        grid=(
            {"channels": 64},
            {"channels": 33, "reduction": 4, "kernel_size": 3, "norm": False},
            {"channels": 16, "reduction": 2, "statistics": "mean", "order": "parallel"},
            {"channels": 16, "reduction": 2, "statistics": "max", "order": "positions first"},
        ),
        refused=(
            ({"channels": 0}, "channels=0"),
            ({"channels": 8}, "reduction=16 leaves no hidden unit"),
            (SMALL | {"kernel_size": 4}, "kernel_size=4"),
            (SMALL | {"statistics": "median"}, "statistics='median' is unknown"),
            (SMALL | {"order": "sideways"}, "order='sideways' is unknown"),
            (SMALL | {"norm": False, "zero_scale": True}, "pass norm=True"),
        ),
    ),
    Specimen(
        card=BAM_CARD,
        arguments=(
            SMALL | {"dilation": 2},
            {"channels": 3, "reduction": 1, "dilation": 1, "combine": "product"},
        ),
        reference=lambda m, x: bottleneck_attention_reference(x, m),
        promises=(only_opens, votes_are_added_or_multiplied, sees_far, takes_oblong_maps),
        starts=(
            (
                {"channels": 64, "reduction": 4},
                LAYERS
                | {
                    "convs.0.*": of_torch(64), "convs.1.*": of_torch(144),
                    "convs.2.*": of_torch(144), "last.*": of_torch(16),
                    "norm*.weight": ("constant", 1.0), "norm*.bias": ("constant", 0.0),
                },
            ),
        ),
        smallest=({"channels": 1, "reduction": 1, "dilation": 1},),
        mutants=named(
            AlwaysMultiplied, NoInput, SigmoidFirst, SquareWindow, Narrow, NoHiddenNorm, NormFirst,
            SilentPlaces,
        ),
        grid=(
            {"channels": 64},
            {"channels": 33, "reduction": 4, "dilation": 1, "combine": "product"},
        ),
        refused=(
            ({"channels": 8}, "reduction=16 leaves no hidden unit"),
            (SMALL | {"dilation": 0}, "dilation=0"),
            (SMALL | {"combine": "mean"}, "combine='mean' is unknown"),
        ),
    ),
    Specimen(
        card=SCSE_CARD,
        arguments=(SMALL, {"channels": 3, "reduction": 1, "combine": "max"}),
        reference=lambda m, x: concurrent_squeeze_excitation_reference(
            x, layers(m), (m.score.weight, m.score.bias), m.combine
        ),
        promises=(
            doubles_a_half, adds_what_each_gates, commutes_with_shuffled_positions,
            a_position_hears_of_nobody, the_larger_is_of_the_values,
        ),
        starts=(({"channels": 64, "reduction": 4}, LAYERS | {"score.*": of_torch(64)}),),
        smallest=({"channels": 1, "reduction": 1},),
        mutants=named(
            LargerGate, InTurn, Halved, Multiplied, OverPositions, MapAlone, LargestSqueezed,
            NoSecondSigmoid,
        ),
        grid=({"channels": 64}, {"channels": 33, "reduction": 4, "combine": "max"}),
        refused=(
            ({"channels": 1}, "reduction=2 leaves no hidden unit"),
            (SMALL | {"combine": "mean"}, "combine='mean' is unknown"),
        ),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of their own


def test_a_resnet_50_gets_the_published_number_of_parameters():
    """CBAM in all sixteen blocks: 2.53 million; BAM behind three stages: 0.36 million."""
    blocks = ((3, 256), (4, 512), (6, 1024), (3, 2048))
    assert sum(n * parameter_count(c) for n, c in blocks) == 2_532_592
    assert sum(bottleneck_parameters(c) for c in (256, 512, 1024)) == 358_067
