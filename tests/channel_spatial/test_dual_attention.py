"""What only dual attention promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import nn

from attncourse.channel_spatial import DualAttention, DualChannelAttention, DualPositionAttention
from attncourse.channel_spatial.dual_attention import (
    CARD,
    CHANNEL_CARD,
    POSITION_CARD,
    dual_attention_reference,
)
from attncourse.channel_spatial.dual_attention.channel import (
    channel_attention_reference,
    channel_map,
)
from attncourse.channel_spatial.dual_attention.position import (
    BLOCK,
    FORMS,
    position_attention_reference,
    position_map,
    position_parameters,
)
from attncourse.measure import count_macs, peak_bytes
from tests.contract.specimen import Specimen, built, of_torch

ARGUMENTS = {"channels": 6, "reduction": 2}


def example(seed=0, b=2, c=6, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def with_values(module, **values):
    """The module with some parameters set, by the last part of their names."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            for end, value in values.items():
                if name.endswith(end.replace("__", ".")):
                    parameter.copy_(torch.as_tensor(value).expand_as(parameter))
    return module


# ---------------------------------------------------------------- promises


def is_the_identity_at_the_start(make):
    """Bit for bit, and then only the two scales learn: d beta is <dy, T x>."""
    module = make(**ARGUMENTS).double()
    x, upstream = example(), example(seed=5)
    y = module(x)
    assert torch.equal(y, x)
    y.backward(upstream)
    learns = {n for n, p in module.named_parameters() if p.grad.abs().sum() > 0}
    assert learns == {"position.alpha", "channel.beta"}
    _, t = module.g(x)
    wanted = (upstream.flatten(2) * (t @ x.flatten(2))).sum()
    torch.testing.assert_close(module.channel.beta.grad[0], wanted)


def rows_sum_to_one(make):
    for weights in built(make, ARGUMENTS).g(example()):
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones_like(weights[..., 0]))
        assert (weights > 0).all()
        assert (weights.sum(dim=-2) - 1).abs().max() > 0.1  # columns do not


def positions_have_no_order(make):
    """S follows a permutation of positions, T ignores it, the output follows."""
    module, x = built(make, ARGUMENTS), example()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    shuffled = x.flatten(2)[:, :, order].view_as(x)
    (s, t), (s_shuffled, t_shuffled) = module.g(x), module.g(shuffled)
    torch.testing.assert_close(s_shuffled, s[:, order][:, :, order])
    torch.testing.assert_close(t_shuffled, t)
    torch.testing.assert_close(module(shuffled), module(x).flatten(2)[:, :, order].view_as(x))


def renamed_channels_are_the_same_channels(make):
    """T follows a permutation of channels, S ignores it if the projections follow."""
    module, other, x = built(make, ARGUMENTS), built(make, ARGUMENTS), example()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with torch.no_grad():
        for layer, twin in (
            (module.position.query, other.position.query),
            (module.position.key, other.position.key),
        ):
            twin.weight.copy_(layer.weight[:, order])
        value, twin = module.position.value, other.position.value
        twin.weight.copy_(value.weight[order][:, order])
        twin.bias.copy_(value.bias[order])
    (s, t), (s_renamed, t_renamed) = module.g(x), other.g(x[:, order])
    torch.testing.assert_close(s_renamed, s)
    torch.testing.assert_close(t_renamed, t[:, order][:, :, order])
    torch.testing.assert_close(other(x[:, order]), module(x)[:, order])


def golden_channel_map(make):
    """Three channels, two positions: T X of the paper and of the released code."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64).view(1, 3, 1, 2)
    golden = {
        1: [[0.844638, 0.577681], [0.577681, 0.844638], [0.788058, 0.788058]],
        -1: [[0.423883, 0.788058], [0.788058, 0.423883], [0.577681, 0.577681]],
    }
    for sign, wanted in golden.items():
        module = with_values(make(3, 1, sign=sign).double(), alpha=0.0, beta=1.0)
        wanted = torch.tensor(wanted, dtype=torch.float64)
        torch.testing.assert_close((module(x) - x)[0, :, 0], wanted, atol=1e-6, rtol=0)


def golden_position_map(make):
    """One channel, identity projections, x = (1, 2, 3), no scale."""
    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).view(1, 1, 1, 3)
    module = with_values(make(1, 1).double(), weight=1.0, bias=0.0, alpha=1.0, beta=0.0)
    wanted = torch.tensor([2.575210, 2.850900, 2.948000], dtype=torch.float64)
    torch.testing.assert_close((module(x) - x).flatten(), wanted, atol=5e-5, rtol=0)
    row = torch.tensor([0.090031, 0.244728, 0.665241], dtype=torch.float64)
    torch.testing.assert_close(module.g(x)[0][0, 0], row, atol=1e-6, rtol=0)


def the_bias_of_the_keys_is_dead(make):
    """A key bias shifts whole rows of logits; a query bias does not."""
    module, x = built(make, ARGUMENTS), example()
    before = module(x)
    moved = with_values(built(make, ARGUMENTS), key__bias=7.0)
    torch.testing.assert_close(moved(x), before)
    moved = with_values(built(make, ARGUMENTS), query__bias=7.0)
    assert not torch.allclose(moved(x), before)


def all_but_the_bias_of_the_keys_learn(make):
    module = built(make, ARGUMENTS)
    (module(example()) * example(seed=5)).sum().backward()
    idle = {n for n, p in module.named_parameters() if p.grad.abs().sum() < 1e-12}
    assert idle == {"position.key.bias"}


def collapses_to_one_answer_for_all(make):
    """Constant queries give one row for all (global context); zero queries give the mean."""
    module, x = built(make, ARGUMENTS), example()
    with_values(module, query__weight=0.0, beta=0.0)
    s, _ = module.g(x)
    torch.testing.assert_close(s, s[:, :1].expand_as(s))
    assert s[0, 0].std() > 1e-3
    with_values(module, query__bias=0.0)
    s, _ = module.g(x)
    torch.testing.assert_close(s, torch.full_like(s, 1 / 12))
    mean = module.position.value(x.mean(dim=(2, 3), keepdim=True))
    torch.testing.assert_close(module(x), x + module.position.alpha * mean)


def the_released_sign_is_the_softmax_of_minus_g(make):
    """max - G is no stabiliser: each channel turns from the most alike to the least alike."""
    x = example(c=8, h=5, w=5).relu()
    g = x.flatten(2) @ x.flatten(2).mT
    flipped = (g.amax(dim=-1, keepdim=True) - g).softmax(dim=-1)
    _, paper = make(8).double().g(x)
    _, released = make(8, sign=-1).double().g(x)
    torch.testing.assert_close(released, flipped)
    torch.testing.assert_close(paper, (g - g.amax(dim=-1, keepdim=True)).softmax(dim=-1))
    own = torch.arange(8)
    assert (paper.argmax(dim=-1) == own).sum() >= 14  # 16 rows
    assert (released.argmax(dim=-1) == own).sum() == 0


def power_makes_the_map_independent_of_the_resolution(make):
    """Every pixel shown twice: G doubles, so T changes unless G is divided by n."""
    x = example()
    twice = x.repeat_interleave(2, dim=3)
    for power, same in ((0.0, False), (0.5, False), (1.0, True)):
        module = make(6, 2, power=power).double()
        assert torch.allclose(module.g(twice)[1], module.g(x)[1], atol=1e-12) is same


def blocks_of_queries_are_exact(make):
    """More positions than one block holds: values and gradients of every form."""
    x, upstream = example(b=1, c=2, h=19, w=29), example(seed=3, b=1, c=2, h=19, w=29)
    assert 2 * BLOCK < 19 * 29
    found = []
    for form in FORMS:
        module = built(make, {"channels": 2}, form=form)
        features = x.clone().requires_grad_()
        y = module(features)
        inputs = [features, *module.parameters()]
        found.append((y, *torch.autograd.grad(y, inputs, upstream)))
    module = built(make, {"channels": 2})
    found.append((module.f(module.g(x), x), *found[0][1:]))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=1e-9, rtol=1e-9)


def never_holds_the_map(make):
    """The default forward pass holds less than 0.6 of what S alone would take."""
    module, x = make(4), torch.zeros(1, 4, 32, 32)
    with torch.no_grad():
        assert peak_bytes(lambda: module(x)) < 4 * 1024**2 * 0.6


def half_precision_does_not_overflow(make):
    """An energy of 90,000 does not exist in float16; the map is right all the same."""
    x = 30 * torch.ones(1, 3, 10, 10)
    x[:, 1] *= -1
    module = with_values(make(3), alpha=0.0, beta=1.0)
    with torch.autocast("cpu", dtype=torch.float16):
        _, t = module.g(x)
        y = module(x)
    wanted = torch.tensor([[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]])
    torch.testing.assert_close(t[0].float(), wanted)
    torch.testing.assert_close(y.float(), 2 * x)


# ---------------------------------------------------------------- mutants


def other(position=DualPositionAttention, channel=DualChannelAttention):
    """Dual attention with a branch of another class."""

    def make(*arguments, **options):
        block = DualAttention(*arguments, **options)
        block.position.__class__, block.channel.__class__ = position, channel
        return block

    return make


class ByMap(DualPositionAttention):
    """Holds the map, so that what is wrong with it shows in every path."""

    def projected(self, x):
        return (layer(x).flatten(2) for layer in (self.query, self.key, self.value))

    def attend(self, x):
        return self.f(self.g(x), x)


class OverQueries(ByMap):
    """Softmax over the axis of the queries."""

    def g(self, x):
        q, k, _ = self.projected(x)
        return (q.mT @ k).softmax(dim=-2)


class Scaled(ByMap):
    """Logits divided by the root of the width (known error C2)."""

    def g(self, x):
        q, k, _ = self.projected(x)
        return position_map(q / q.shape[1] ** 0.5, k)


class NoSoftmax(ByMap):
    """Inner products, divided by the number of keys."""

    def g(self, x):
        q, k, _ = self.projected(x)
        return q.mT @ k / k.shape[2]


class TransposedProduct(ByMap):
    """V S in place of V S^T: what a position sends, not what it receives."""

    def f(self, weights, x):
        return x + self.alpha * (self.value(x).flatten(2) @ weights).view_as(x)


class Scrambled(ByMap):
    """A (b, n, c) result read as (b, c, n), which mixes channels and positions."""

    def f(self, weights, x):
        gathered = self.value(x).flatten(2) @ weights.mT
        return x + self.alpha * gathered.mT.reshape(x.shape)


class NoValues(ByMap):
    """x itself in place of the values."""

    def f(self, weights, x):
        return x + self.alpha * (x.flatten(2) @ weights.mT).view_as(x)


class DroppedOut(ByMap):
    """Dropout that eval mode does not turn off (known error C2)."""

    def f(self, weights, x):
        return super().f(F.dropout(weights, 0.1, training=True), x)


class BlocksOfKeys(ByMap):
    """Keys split in place of queries: each block has a softmax of its own."""

    def attend(self, x):
        q, k, v = self.projected(x)
        parts = list(zip(k.split(BLOCK, 2), v.split(BLOCK, 2), strict=True))
        gathered = sum(b @ position_map(q, a).mT for a, b in parts) / len(parts)
        return x + self.alpha * gathered.view_as(x)


class DefaultScale(ByMap):
    """Fused attention with its own default scale."""

    def attend(self, x):
        tokens = (t.mT[:, None] for t in self.projected(x))
        return x + self.alpha * F.scaled_dot_product_attention(*tokens)[:, 0].mT.reshape(x.shape)


class LowPrecisionPositions(ByMap):
    """Logits in whatever type autocast likes: they are rounded, or overflow."""

    def g(self, x):
        q, k, _ = self.projected(x)
        return (q.mT @ k).softmax(dim=-1)


class ReleasedSign(DualChannelAttention):
    """max - G, taken for a stabiliser (known error C22)."""

    def g(self, x):
        g = x.flatten(2) @ x.flatten(2).mT
        return (g.amax(dim=-1, keepdim=True) - g).softmax(dim=-1)


class SignDropped(DualChannelAttention):
    """The sign is accepted and not used."""

    def g(self, x):
        return channel_map(x.flatten(2), 1, self.power)


class OverRows(DualChannelAttention):
    """Softmax over the channel that attends."""

    def g(self, x):
        g = x.flatten(2) @ x.flatten(2).mT
        return (self.sign * g / x[0, 0].numel() ** self.power).softmax(dim=-2)


class DividedByN(DualChannelAttention):
    """The energy divided by the number of positions, which the paper does not do."""

    def g(self, x):
        return channel_map(x.flatten(2), self.sign, 1.0)


class Cosine(DualChannelAttention):
    """Cosines in place of inner products."""

    def g(self, x):
        return channel_map(F.normalize(x.flatten(2), dim=2), self.sign, self.power)


class Centred(DualChannelAttention):
    """Covariances in place of inner products."""

    def g(self, x):
        return channel_map((x - x.mean(dim=(2, 3), keepdim=True)).flatten(2), self.sign, self.power)


class LowPrecision(DualChannelAttention):
    """The energy in whatever type autocast likes: it overflows."""

    def g(self, x):
        g = x.flatten(2) @ x.flatten(2).mT
        return (self.sign * g / x[0, 0].numel() ** self.power).softmax(dim=-1)


class ChannelsTransposed(DualChannelAttention):
    """T^T X."""

    def f(self, weights, x):
        return super().f(weights.mT, x)


class Detached(DualChannelAttention):
    """A map that carries no gradient."""

    def g(self, x):
        return super().g(x).detach()


class FullWidth(DualAttention):
    """Queries and keys as wide as x (known error C16)."""

    def __init__(self, channels, reduction=8, **options):
        super().__init__(channels, 1, **options)
        self.position.reduction = reduction


class OpenAtTheStart(DualAttention):
    """Scales that start at one."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.open()

    def open(self):
        nn.init.ones_(self.position.alpha)
        nn.init.ones_(self.channel.beta)

    def reset_parameters(self):
        super().reset_parameters()
        self.open()


class WithoutResidual(DualAttention):
    """The gathered features alone (known error C2)."""

    def f(self, weights, x):
        return super().f(weights, x) - x

    def attend(self, x):
        return super().attend(x) - x


class TwoResiduals(DualAttention):
    """The plain sum of both branches: 2x at the start."""

    def f(self, weights, x):
        return super().f(weights, x) + x

    def attend(self, x):
        return super().attend(x) + x


class OneAfterTheOther(DualAttention):
    """The channel branch reads what the position branch wrote."""

    def attend(self, x):
        return self.channel.attend(self.position.attend(x))

    def f(self, weights, x):
        return self.attend(x)


class OneScale(DualAttention):
    """Both branches scaled by alpha."""

    def f(self, weights, x):
        s, t = weights
        mixed = (self.position.alpha * t @ x.flatten(2)).view_as(x)
        return self.position.f(s, x) + mixed

    def attend(self, x):
        return self.f(self.g(x), x)


class HoldsTheMap(DualAttention):
    """The map as a whole, whatever form was asked for."""

    def attend(self, x):
        return self.f(self.g(x), x)


class SwappedMaps(DualAttention):
    """Channel map first."""

    def g(self, x):
        return super().g(x)[::-1]

    def f(self, weights, x):
        return super().f(weights[::-1], x)


class InPlace(DualAttention):
    """Adds into the caller's tensor (known error C5)."""

    def attend(self, x):
        return x.add_(self.position(x) + self.channel(x) - 2 * x)


class OneSize(DualAttention):
    """Built for 49 positions (known error C2)."""

    def validate(self, x):
        super().validate(x)
        if x.shape[2] * x.shape[3] != 49:
            raise ValueError("x must be 7 x 7: resize it")


class ForgetsDevice(DualAttention):
    """device and dtype are accepted and dropped."""

    def __init__(self, channels, reduction=8, *, device=None, dtype=None, **options):
        super().__init__(channels, reduction, **options)


class UncheckedPosition(DualPositionAttention):
    """No check of the input."""

    def validate(self, x):
        pass


class UncheckedChannel(DualChannelAttention):
    """No check of the input."""

    def validate(self, x):
        pass


class Unvalidated(DualAttention):
    """No check of the input, in the block and in its branches."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.position.__class__, self.channel.__class__ = UncheckedPosition, UncheckedChannel

    def validate(self, x):
        pass


class HalfReset(DualAttention):
    """reset_parameters that forgets a branch."""

    def reset_parameters(self):
        self.channel.reset_parameters()


MUTANTS = (
    {
        c.__name__: other(position=c)
        for c in (
            OverQueries, Scaled, NoSoftmax, TransposedProduct, Scrambled, NoValues, DroppedOut,
            BlocksOfKeys, DefaultScale, LowPrecisionPositions,
        )
    }
    | {
        c.__name__: other(channel=c)
        for c in (
            ReleasedSign, SignDropped, OverRows, DividedByN, Cosine, Centred, LowPrecision,
            ChannelsTransposed, Detached,
        )
    }
    | {
        c.__name__: c
        for c in (
            FullWidth, OpenAtTheStart, WithoutResidual, TwoResiduals, OneAfterTheOther, OneScale,
            HoldsTheMap, SwappedMaps, InPlace, OneSize, ForgetsDevice, Unvalidated, HalfReset,
        )
    }
)  # fmt: skip


def projections(branch):
    """Weights and biases of query, key and value, and alpha."""
    layers = (branch.query, branch.key, branch.value)
    return (*(t for m in layers for t in (m.weight.flatten(1), m.bias)), branch.alpha)


SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 5, "reduction": 2, "sign": -1, "form": "fused"},
        {"channels": 4, "power": 1.0, "form": "whole"},
    ),
    reference=lambda m, x: dual_attention_reference(
        x, *projections(m.position), beta=m.channel.beta, sign=m.channel.sign,
        power=m.channel.power,
    ),
    promises=(
        is_the_identity_at_the_start,
        rows_sum_to_one,
        positions_have_no_order,
        renamed_channels_are_the_same_channels,
        golden_channel_map,
        golden_position_map,
        the_bias_of_the_keys_is_dead,
        all_but_the_bias_of_the_keys_learn,
        collapses_to_one_answer_for_all,
        the_released_sign_is_the_softmax_of_minus_g,
        power_makes_the_map_independent_of_the_resolution,
        blocks_of_queries_are_exact,
        never_holds_the_map,
        half_precision_does_not_overflow,
    ),
    starts=(
        (
            {"channels": 64, "reduction": 2},
            {
                "position.query.*": of_torch(64),
                "position.key.*": of_torch(64),
                "position.value.*": of_torch(64),
                "position.alpha": ("constant", 0.0),
                "channel.beta": ("constant", 0.0),
            },
        ),
    ),
    smallest=tuple({"channels": 1, "reduction": 1, "form": form} for form in FORMS),
    mutants=MUTANTS,
    grid=(
        {"channels": 64},
        {"channels": 24, "reduction": 3},
        {"channels": 7},
        {"channels": 16, "form": "fused"},
        {"channels": 16, "form": "whole", "sign": -1, "power": 0.5},
    ),
    excused={
        "every_parameter_learns": "the bias of the keys adds one number to a whole row of logits, "
        "which the softmax takes out: a promise of its own says that all others learn",
    },
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 8, "reduction": 0}, "reduction=0"),
        ({"channels": 8, "sign": 0}, "sign=0"),
        ({"channels": 8, "power": -1.0}, "power=-1.0"),
        ({"channels": 8, "form": "flash"}, "form='flash' is unknown: choose one of blocks, fused"),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- each branch alone


def a_fresh_branch_is_the_identity(make):
    x = example()
    assert torch.equal(make(channels=6).double()(x), x)


def rows_of_the_map_sum_to_one(make):
    weights = built(make, {"channels": 6}).g(example())
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones_like(weights[..., 0]))


def moves_with_its_positions(make):
    """Positions in another order give the same answers in that order."""
    branch, x = built(make, {"channels": 6}), example()
    order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(2))
    moved = x.flatten(2)[..., order].view_as(x)
    torch.testing.assert_close(branch(moved), branch(x).flatten(2)[..., order].view_as(x))


def of(mutants):
    """The mutants of one branch by their names."""
    return {mutant.__name__: mutant for mutant in mutants}


POSITION = Specimen(
    card=POSITION_CARD,
    arguments=({"channels": 6, "reduction": 3}, {"channels": 5, "form": "fused"},
               {"channels": 4, "form": "whole"}),
    reference=lambda m, x: position_attention_reference(x, *projections(m)),
    promises=(a_fresh_branch_is_the_identity, rows_of_the_map_sum_to_one, moves_with_its_positions),
    mutants=of((OverQueries, Scaled, NoSoftmax, TransposedProduct, Scrambled, NoValues,
                BlocksOfKeys, UncheckedPosition)),
    starts=(
        (
            {"channels": 64, "reduction": 2},
            {name: of_torch(64) for name in ("query.*", "key.*", "value.*")}
            | {"alpha": ("constant", 0.0)},
        ),
    ),
    smallest=SPECIMEN.smallest,
    grid=({"channels": 64}, {"channels": 24, "reduction": 3}, {"channels": 16, "form": "fused"}),
    excused={"every_parameter_learns": SPECIMEN.excused["every_parameter_learns"]},
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 8, "reduction": 0}, "reduction=0"),
        ({"channels": 8, "form": "flash"}, "form='flash' is unknown: choose one of blocks, fused"),
    ),
)  # fmt: skip
CHANNEL = Specimen(
    card=CHANNEL_CARD,
    arguments=({"channels": 6}, {"channels": 5, "sign": -1}, {"channels": 4, "power": 1.0}),
    reference=lambda m, x: channel_attention_reference(x, m.beta, sign=m.sign, power=m.power),
    promises=(a_fresh_branch_is_the_identity, rows_of_the_map_sum_to_one, moves_with_its_positions),
    mutants=of((ReleasedSign, SignDropped, OverRows, DividedByN, Cosine, Centred,
                ChannelsTransposed, UncheckedChannel)),
    starts=(({"channels": 6}, {"beta": ("constant", 0.0)}),),
    smallest=({"channels": 1},),
    grid=({"channels": 64}, {"channels": 7}, {"channels": 16, "sign": -1, "power": 0.5}),
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 8, "sign": 0}, "sign=0"),
        ({"channels": 8, "power": -1.0}, "power=-1.0"),
    ),
)  # fmt: skip
SPECIMENS = (SPECIMEN, POSITION, CHANNEL)

# ---------------------------------------------------------------- tests of its own


@pytest.mark.parametrize("build", [DualPositionAttention, DualChannelAttention])
def test_each_branch_alone_keeps_its_word(build):
    """Reference, f(g(x)), identity at the start and validation, outside of the pair."""
    x = example()
    assert torch.equal(build(6).double()(x), x)
    branch = built(build, {"channels": 6})
    y, weights = branch(x, need_weights=True)
    torch.testing.assert_close(branch(x), y)
    torch.testing.assert_close(weights, branch.g(x))
    reference = (
        position_attention_reference(x, *projections(branch))
        if build is DualPositionAttention
        else channel_attention_reference(x, branch.beta)
    )
    torch.testing.assert_close(y, reference)
    with pytest.raises(ValueError, match="build it with channels=5"):
        branch(x[:, :5])
    branch.reset_parameters()
    assert torch.equal(branch(x), x)


def test_the_two_branches_make_the_block():
    block, x = built(DualAttention, ARGUMENTS), example()
    torch.testing.assert_close(block(x), block.position(x) + block.channel(x) - x)


def test_published_counts():
    """Facts: 5 C^2 / 4 + 5 C / 4 + 1 for positions, one number for channels."""
    for channels, wanted in ((64, 5_201), (512, 328_321)):
        assert position_parameters(channels) == wanted
        with torch.device("meta"):
            position, channel = DualPositionAttention(channels), DualChannelAttention(channels)
        assert sum(p.numel() for p in position.parameters()) == wanted
        assert sum(p.numel() for p in channel.parameters()) == 1


def test_the_channel_branch_is_linear_in_the_positions():
    counts = {n: count_macs(DualChannelAttention(8), torch.zeros(1, 8, n, 8)) for n in (8, 16)}
    assert counts[8] == 2 * 64 * 64 + 64
    assert counts[16] - counts[8] == 2 * 64 * 64


@pytest.mark.parametrize(("form", "leaner"), [("blocks", 2.5), ("fused", 2.5), ("whole", 0.9)])
def test_memory_of_a_training_step_against_the_textbook(form, leaner):
    """256 x 48 x 48: the textbook keeps the map, its softmax and a gradient of each."""
    torch.manual_seed(0)
    x = torch.randn(1, 256, 48, 48, requires_grad=True)
    block = with_values(DualPositionAttention(256, form=form), alpha=0.3)

    def textbook(x):
        s = block.g(x)
        gathered = torch.bmm(block.value(x).flatten(2), s.transpose(1, 2))
        return block.alpha * gathered.view_as(x) + x

    def step(function):
        x.grad = None
        function(x).square().sum().backward()

    peaks = [peak_bytes(lambda f=f: step(f)) for f in (textbook, block)]
    assert peaks[0] / peaks[1] > leaner


def test_the_fused_form_is_fused():
    """Without the padding the same call builds the map: the reason for the padding."""
    x = torch.randn(1, 32, 40, 40)
    block = with_values(DualPositionAttention(32, form="fused"), alpha=0.3)
    q, k, v = (m(x).flatten(2).mT.contiguous()[:, None] for m in
               (block.query, block.key, block.value))  # fmt: skip
    whole = 1600**2 * 4
    with torch.no_grad():
        bare = peak_bytes(lambda: F.scaled_dot_product_attention(q, k, v, scale=1.0))
        assert bare >= whole
        assert peak_bytes(lambda: block(x)) < whole / 4


def test_the_diagonal_rules_the_paper_s_map():
    """Facts: on rectified noise softmax(G) is nearly the identity, softmax(-G) is far from it."""
    paper, released = [], []
    for seed in range(20):
        x = example(seed, b=1, c=16, h=8, w=8).relu().flatten(2)
        paper.append(channel_map(x)[0].diagonal().mean())
        released.append(channel_map(x, -1)[0].diagonal().max())
    assert 0.98 < torch.stack(paper).mean() < 1
    assert max(released) < 1e-4


def test_backward_of_the_channel_branch():
    """The formula of the chapter against autograd, for both signs."""
    x, upstream = example().requires_grad_(), example(seed=5)
    for sign in (1, -1):
        branch = with_values(DualChannelAttention(6, sign=sign).double(), beta=0.7)
        (gradient,) = torch.autograd.grad(branch(x), x, upstream)
        with torch.no_grad():
            flat, up, t = x.flatten(2), upstream.flatten(2), branch.g(x)
            to_t = branch.beta * up @ flat.mT
            to_g = sign * t * (to_t - (t * to_t).sum(dim=-1, keepdim=True))
            wanted = up + branch.beta * t.mT @ up + (to_g + to_g.mT) @ flat
        torch.testing.assert_close(gradient, wanted.view_as(x))


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 20), reduction=st.integers(1, 30), form=st.sampled_from(list(FORMS)),
    b=st.integers(1, 3), h=st.integers(1, 5), w=st.integers(1, 5),
)  # fmt: skip
def test_any_width_works(channels, reduction, form, b, h, w):
    x = torch.randn(b, channels, h, w)
    block = built(DualAttention, {"channels": channels, "reduction": reduction, "form": form})
    y, (s, t) = block.float()(x, need_weights=True)
    assert y.shape == x.shape
    assert s.shape == (b, h * w, h * w)
    assert t.shape == (b, channels, channels)
    torch.testing.assert_close(y, block(x), atol=1e-4, rtol=1e-3)


def test_it_is_a_module_like_any_other():
    net = nn.Sequential(nn.Conv2d(3, 16, 3), DualAttention(16), nn.ReLU())
    assert net(torch.randn(2, 3, 8, 8)).shape == (2, 16, 6, 6)
    shown = repr(DualAttention(16, 4, sign=-1, form="fused"))
    assert shown.startswith("DualAttention(\n  16, reduction=4, form='fused', sign=-1\n")
