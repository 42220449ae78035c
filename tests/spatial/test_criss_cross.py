"""What only criss-cross attention promises, and the mistakes that must be noticed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.measure import peak_bytes
from attncourse.precision import softmax
from attncourse.spatial import CrissCross
from attncourse.spatial.criss_cross import (
    CARD,
    as_map,
    criss_cross_reference,
    cross_mask,
    gather,
    multiply_adds,
    parameter_count,
)
from attncourse.spatial.criss_cross.functional import lines_first
from benchmarks.spatial.criss_cross import full, released
from tests.contract.specimen import Specimen, built, close, of_torch, outcomes_agree

ARGUMENTS = {"channels": 6, "reduction": 2}


def example(seed=0, b=2, c=6, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def projections(module):
    layers = (module.query, module.key, module.value)
    return (*(t for m in layers for t in (m.weight.flatten(1), m.bias)), module.gamma)


def bare(make, recurrence):
    """One channel, identity projections, an open scale."""
    module = make(1, recurrence=recurrence).double()
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.fill_(0.0 if name.endswith("bias") else 1.0)
    return module


# ---------------------------------------------------------------- promises


def golden_values(make):
    """The facts' map of four pixels: what is read, and the block after one and two passes."""
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)[None, None]
    read = torch.tensor([[2.575210, 3.956830], [3.952227, 3.981361]], dtype=torch.float64)
    twice = torch.tensor([[10.499860, 13.938180], [14.932785, 15.962443]], dtype=torch.float64)
    close(bare(make, 1)(x)[0, 0], x[0, 0] + read, atol=1e-6)
    close(bare(make, 2)(x)[0, 0], twice, atol=1e-6)


def is_the_identity_at_the_start(make):
    """Bit for bit; then gamma alone learns, and its slope is R times that of one pass."""
    x, upstream = example(), example(seed=5)
    slopes = []
    for recurrence in (1, 2, 3):
        torch.manual_seed(0)
        module = make(**ARGUMENTS, recurrence=recurrence).double()
        y = module(x)
        assert torch.equal(y, x)
        y.backward(upstream)
        learns = {n for n, p in module.named_parameters() if p.grad.abs().sum() > 0}
        assert learns == {"gamma"}
        slopes.append(module.gamma.grad)
    close(torch.cat(slopes), slopes[0] * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))


def weights_sum_to_one_over_the_cross(make):
    """h + w slots, the own one of the column exactly 0, all others positive; on lines, too."""
    for h, w in ((4, 3), (1, 5), (5, 1), (1, 1)):
        for weights in built(make, ARGUMENTS).g(example(h=h, w=w)):
            close(weights.sum(dim=3), torch.ones_like(weights[..., 0]))
            own = torch.eye(h, h + w, dtype=torch.bool)[None, :, None].expand_as(weights)
            assert (weights[own] == 0).all()
            assert (weights[~own] > 0).all()


def is_the_full_map_behind_a_mask(make):
    """Both passes are softmaxes of all pairs with a mask that leaves row and column."""
    module, x = built(make, ARGUMENTS), example()
    for weights in module.g(x):
        q, k = (m(x).flatten(2).mT for m in (module.query, module.key))
        wanted = (q @ k.mT).masked_fill(~cross_mask(4, 3), -torch.inf).softmax(dim=2)
        close(as_map(weights), wanted)
        v = module.value(x).flatten(2).mT
        x = x + (module.gamma * wanted @ v).mT.view_as(x)
    close(module(example()), x)


def zero_queries_give_plain_means(make):
    """Uniform weights 1 / (h + w - 1), and what is left is a mean over the cross."""
    module = built(make, ARGUMENTS | {"recurrence": 1})
    nn.init.zeros_(module.query.weight), nn.init.zeros_(module.query.bias)
    x = example()
    (weights,) = module.g(x)
    close(as_map(weights), cross_mask(4, 3).double().expand(2, -1, -1) / 6)
    v = module.value(x)
    mean = (v.sum(dim=2, keepdim=True) + v.sum(dim=3, keepdim=True) - v) / 6
    close(module(x), x + module.gamma * mean)


def reaches_a_cross_and_then_everything(make):
    """A 7 x 9 map: 15 pixels have a slope to a pixel after one pass, 63 after two."""
    for recurrence, count in ((1, 15), (2, 63)):
        module = built(make, ARGUMENTS, recurrence=recurrence)
        x = example(b=1, h=7, w=9).requires_grad_()
        (slope,) = torch.autograd.grad(module(x)[0, :, 2, 3].sum(), x)
        reached = slope[0].abs().sum(dim=0) > 0
        assert reached.sum() == count
        assert reached[2].all()
        assert reached[:, 3].all()


def rows_and_columns_may_be_shuffled(make):
    """Whole rows and whole columns in another order, and no more than that."""
    module, x = built(make, ARGUMENTS), example()
    rows, columns = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 0])
    close(module(x[:, :, rows][..., columns]), module(x)[:, :, rows][..., columns])
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    shuffled = module(x.flatten(2)[..., order].view_as(x))
    assert (shuffled - module(x).flatten(2)[..., order].view_as(x)).abs().max() > 1e-3


def turns_with_the_map(make):
    """Rows and columns have the same rights."""
    module, x = built(make, ARGUMENTS), example()
    close(module(x.mT), module(x).mT)


def passes_share_their_weights(make):
    """Two passes are one pass applied to its own result; the count does not grow."""
    once, twice = built(make, ARGUMENTS, recurrence=1), built(make, ARGUMENTS)
    x = example()
    close(twice(x), once(once(x)))
    (first,), (second,) = once.g(x), once.g(once(x))
    close(twice.g(x), (first, second))
    assert len(twice.state_dict()) == len(once.state_dict()) == 7


def the_bias_of_the_keys_is_dead(make):
    """It shifts all logits of a position; every other parameter learns."""
    module, x = built(make, ARGUMENTS), example()
    before = module(x)
    (before * example(seed=5)).sum().backward()
    idle = {n for n, p in module.named_parameters() if p.grad.abs().sum() < 1e-12}
    assert idle == {"key.bias"}
    with torch.no_grad():
        module.key.bias.add_(7.0)
    close(module(x), before)


def einsum_layout(module, x):
    """Our own writing of the layout that mmcv has: pixels' products by ``einsum`` on (b, c, h, w).

    The own slot of the column is closed by a diagonal of minus infinity that is added, gamma
    scales what is read, and one or two passes are made by calling it again.
    """
    for _ in range(module.recurrence):
        q, k, v = module.query(x), module.key(x), module.value(x)
        h = x.shape[2]
        shut = torch.diag_embed(torch.full((h,), -torch.inf, dtype=x.dtype))
        down = torch.einsum("bdij,bdmj->bijm", q, k) + shut[None, :, None]
        along = torch.einsum("bdij,bdim->bijm", q, k)
        a = F.softmax(torch.cat([down, along], dim=-1), dim=-1)
        read = torch.einsum("bcmj,bijm->bcij", v, a[..., :h])
        read = read + torch.einsum("bcim,bijm->bcij", v, a[..., h:])
        x = module.gamma * read + x
    return x


def stored_slots(module, x):
    """The older layout: h + w - 1 slots, first the row with oneself, then the rest of the column.

    Every slot is a gathered pixel, so that there is nothing to close.
    """
    h, w = x.shape[2:]
    i, j = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    row = i[..., None] * w + torch.arange(w)
    others = torch.arange(h - 1) + (torch.arange(h - 1) >= i[..., None])
    slots = torch.cat([row, others * w + j[..., None]], dim=2).view(h * w, h + w - 1)
    for _ in range(module.recurrence):
        q, k, v = (m(x).flatten(2) for m in (module.query, module.key, module.value))
        a = (q[..., None] * k[:, :, slots]).sum(dim=1).softmax(dim=2)
        x = x + module.gamma * (a[:, None] * v[:, :, slots]).sum(dim=3).view_as(x)
    return x


def equals_other_layouts(make):
    """Forward and every gradient in float64, for one and two passes, on maps of all sides."""
    for recurrence in (1, 2):
        for b, h, w in ((2, 5, 4), (1, 3, 7), (2, 1, 4), (2, 4, 1), (1, 1, 1)):
            module = built(make, ARGUMENTS, recurrence=recurrence)
            x, upstream = example(1, b, 6, h, w), example(2, b, 6, h, w)
            outcomes_agree(
                (
                    module,
                    lambda x, m=module: einsum_layout(m, x),
                    lambda x, m=module: stored_slots(m, x),
                    released(module, x.shape),
                    full(module, x.shape),
                ),
                x,
                list(module.parameters()),
                upstream,
            )


def equals_two_softmaxes_merged(make):
    """Row and column apart, each with its own softmax, joined by their log-sums."""
    module, x = built(make, ARGUMENTS | {"recurrence": 1}), example()
    q, k, v = (m(x).permute(0, 2, 3, 1) for m in (module.query, module.key, module.value))
    along = q @ k.mT
    down = (q.transpose(1, 2) @ k.permute(0, 2, 3, 1)).masked_fill(
        torch.eye(4, dtype=torch.bool), -torch.inf
    )
    of_row = along.softmax(dim=3) @ v
    of_column = (down.softmax(dim=3) @ v.transpose(1, 2)).transpose(1, 2)
    share = (along.logsumexp(dim=3) - down.logsumexp(dim=3).mT).sigmoid()[..., None]
    read = share * of_row + (1 - share) * of_column
    close(module(x), x + module.gamma * read.permute(0, 3, 1, 2))


def never_holds_a_map_of_all_pairs(make):
    """On 24 x 24 positions, forward and backward: less than half of one map of pairs."""
    for b in (1, 3):
        module = built(make, {"channels": 4})
        x = example(b=b, c=4, h=24, w=24).requires_grad_()

        def step(module=module, x=x):
            return torch.autograd.grad(module(x).sum(), x)

        assert peak_bytes(step) < 0.5 * b * 8 * 24**4


def large_products_stay_finite(make):
    """Products far beyond 65,504 in float16 input, on both paths."""
    torch.manual_seed(0)
    module = make(64, 1).half()
    nn.init.ones_(module.gamma)
    x = 300 * torch.randn(1, 64, 3, 4, generator=torch.Generator().manual_seed(2)).half()
    for y in (module(x), module(x, need_weights=True)[0]):
        assert y.isfinite().all()
        assert y.dtype == torch.float16


PROMISES = (
    golden_values, is_the_identity_at_the_start, weights_sum_to_one_over_the_cross,
    is_the_full_map_behind_a_mask, zero_queries_give_plain_means,
    reaches_a_cross_and_then_everything, rows_and_columns_may_be_shuffled, turns_with_the_map,
    passes_share_their_weights, the_bias_of_the_keys_is_dead, equals_other_layouts,
    equals_two_softmaxes_merged, never_holds_a_map_of_all_pairs, large_products_stay_finite,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Mutant(CrissCross):
    """The steps of a pass, each to be replaced by one with a mistake."""

    def logits(self, x):
        """Column (b, h, w, h), with its own slot open, and row (b, h, w, w)."""
        q, k = (lines_first(m(x)) for m in (self.query, self.key))
        q, k = (t.to(torch.promote_types(t.dtype, torch.float32)) for t in (q, k))
        return (q.transpose(1, 2) @ k.permute(0, 2, 3, 1)).transpose(1, 2), q @ k.mT

    def shut(self, column):
        own = torch.eye(column.shape[1], dtype=torch.bool, device=column.device)
        return column.masked_fill(own[:, None], -torch.inf)

    def weigh(self, x):
        column, row = self.logits(x)
        return softmax(torch.cat([self.shut(column), row], dim=3), dim=3)


class CountedTwice(Mutant):
    """The position stands in its row and in its column, and counts twice."""

    def shut(self, column):
        return column


class SelfLeftOut(Mutant):
    """The position does not read itself at all."""

    def weigh(self, x):
        column, row = self.logits(x)
        own = torch.eye(row.shape[2], dtype=torch.bool, device=row.device)
        if row.shape[2] + column.shape[1] == 2:
            return super().weigh(x)
        row = row.masked_fill(own, -torch.inf)
        return softmax(torch.cat([self.shut(column), row], dim=3), dim=3)


class ZeroTimesInfinity(Mutant):
    """The mask as the unit matrix times infinity, which is not a number off the diagonal."""

    def shut(self, column):
        return column - (torch.eye(column.shape[1]) * torch.inf).to(column)[:, None]


class TwoSoftmaxes(Mutant):
    """Row and column each add up to one."""

    def weigh(self, x):
        column, row = self.logits(x)
        column = self.shut(column) if column.shape[1] > 1 else column
        return torch.cat([softmax(column, dim=3), softmax(row, dim=3)], dim=3)


class HalvedSoftmaxes(TwoSoftmaxes):
    """The mean of a softmax over the row and one over the column."""

    def weigh(self, x):
        return super().weigh(x) / 2


class OverQueries(Mutant):
    """The softmax over those who ask along the row."""

    def weigh(self, x):
        column, row = self.logits(x)
        return softmax(torch.cat([self.shut(column), row], dim=3), dim=2)


class Scaled(Mutant):
    """Logits over the root of d, which neither the paper nor the code has."""

    def logits(self, x):
        return tuple(t / self.query.out_channels**0.5 for t in super().logits(x))


class SmallMask(Mutant):
    """Three subtracted in place of infinity: the own slot stays open a little."""

    def shut(self, column):
        return column - 3.0 * torch.eye(column.shape[1]).to(column)[:, None]


class RowsOnly(Mutant):
    """No column at all."""

    def shut(self, column):
        if column.shape[1] == 1:
            return super().shut(column)
        return torch.full_like(column, -torch.inf)


class SwappedParts(Mutant):
    """The row's slots first, the column's last (which axis belongs to which part)."""

    def weigh(self, x):
        weights = super().weigh(x)
        return torch.cat([weights[..., x.shape[2] :], weights[..., : x.shape[2]]], dim=3)


class ColumnTransposed(CrissCross):
    """Values of the column are read by the weights of those who ask, transposed."""

    def step(self, weights, x):
        h = x.shape[2]
        turned = torch.cat([weights[..., :h].permute(0, 3, 2, 1), weights[..., h:]], dim=3)
        return super().step(turned, x)


class OnePassForTwo(CrissCross):
    """``recurrence`` is accepted, and one pass is made."""

    def attend(self, x):
        return self.step(self.weigh(x), x)

    def g(self, x):
        return (self.weigh(x),) * self.recurrence

    def f(self, weights, x):
        return self.step(weights[0], x)


class OldWeights(CrissCross):
    """The second pass reads by the weights of the first."""

    def g(self, x):
        return (self.weigh(x),) * self.recurrence

    def attend(self, x):
        return self.f(self.g(x), x)


class ReadsTheInput(CrissCross):
    """Every pass reads the values of the block's input."""

    def f(self, weights, x):
        y = x
        for of_pass in weights:
            y = y + self.step(of_pass, x) - x
        return y

    def attend(self, x):
        return self.f(self.g(x), x)


class OneResidual(CrissCross):
    """The input is added after the last pass alone."""

    def f(self, weights, x):
        y = x
        for of_pass in weights:
            y = self.step(of_pass, y) - y
        return x + y

    def attend(self, x):
        return self.f(self.g(x), x)


class OpenAtTheStart(CrissCross):
    """gamma = 1, as the paper's equation reads."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        nn.init.ones_(self.gamma)

    def reset_parameters(self):
        super().reset_parameters()
        nn.init.ones_(self.gamma)


class Detached(CrissCross):
    """Weights that carry no gradient."""

    def weigh(self, x):
        return super().weigh(x).detach()


class SinglePrecisionMask(Mutant):
    """Infinity made as a float32 tensor on the processor (known error C8), which casts float64."""

    def weigh(self, x):
        column, row = self.logits(x)
        shut = torch.diag(torch.full((column.shape[1],), torch.inf))
        both = torch.cat([column.float() - shut[:, None], row.float()], dim=3)
        return softmax(both, dim=3).to(x.dtype)


class HalfProducts(Mutant):
    """Products in whatever type the input has."""

    def logits(self, x):
        q, k = (lines_first(m(x)) for m in (self.query, self.key))
        return (q.transpose(1, 2) @ k.permute(0, 2, 3, 1)).transpose(1, 2), q @ k.mT


MUTANTS = (
    CountedTwice, SelfLeftOut, ZeroTimesInfinity, TwoSoftmaxes, HalvedSoftmaxes, OverQueries,
    Scaled, SmallMask, RowsOnly, SwappedParts, ColumnTransposed, OnePassForTwo, OldWeights,
    ReadsTheInput, OneResidual, OpenAtTheStart, Detached, SinglePrecisionMask, HalfProducts,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(ARGUMENTS, {"channels": 5}),
    unrolled={"recurrence": 1},
    reference=lambda m, x: criss_cross_reference(x, *projections(m), m.recurrence),
    promises=PROMISES,
    starts=(
        (
            {"channels": 64, "reduction": 2},
            {name: of_torch(64) for name in ("query.*", "key.*", "value.*")}
            | {"gamma": ("constant", 0.0)},
        ),
    ),
    smallest=({"channels": 1}, {"channels": 1, "reduction": 1, "recurrence": 1}),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 7, "recurrence": 1},
        {"channels": 24, "reduction": 3, "recurrence": 3},
    ),
    excused={
        "every_parameter_learns": "the bias of the keys adds one number to all logits of a "
        "position: a promise of its own says that all others learn",
    },
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 8, "reduction": 0}, "reduction=0 must be an integer divisor"),
        ({"channels": 8, "recurrence": 0}, "recurrence=0 must be at least one pass"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_published_counts():
    """Parameters of the facts, and the multiply-adds behind the paper's 16.5 and 108 GFLOPs."""
    assert (parameter_count(64), parameter_count(512)) == (5_201, 328_321)
    n, side, c = 97 * 97, 2 * 97 - 1, 512
    once = 5 * c * c * n // 4 + 9 * c * n * side // 8
    dense = 5 * c * c * n // 4 + 9 * c * n * n // 8
    assert round(2 * once / 1e9, 2) == 8.26
    assert (round(4 * once / 1e9, 1), round(2 * dense / 1e9, 1)) == (16.5, 108.2)
    doubled = 9 * c * n // 8 + c * c + c  # the closed slots, and gamma in the values' kernel
    assert multiply_adds(97, 97, c, recurrence=1) == once + doubled


def test_two_steps_along_the_pattern():
    """B B has 2 ways around a corner, W along the row, H along the column, H + W - 1 at home."""
    h, w = 4, 5
    b = cross_mask(h, w).double()
    ways = (b @ b).view(h, w, h, w)
    row, column = torch.arange(h), torch.arange(w)
    same_row = row[:, None, None, None] == row[None, None, :, None]
    same_column = column[None, :, None, None] == column[None, None, None, :]
    both = torch.full((h, w, h, w), 2.0, dtype=torch.float64)
    both[same_row.expand_as(both)] = w
    both[same_column.expand_as(both)] = h
    both[(same_row & same_column).expand_as(both)] = h + w - 1
    assert torch.equal(ways, both)
    assert (b @ b).sum(dim=1).unique().tolist() == [(h + w - 1) ** 2]
    found = torch.linalg.eigvalsh(b).round().long()
    values, counts = found.unique(return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {
        -1: (h - 1) * (w - 1), h - 1: w - 1, w - 1: h - 1, h + w - 1: 1,
    }  # fmt: skip


def test_no_line_is_copied_where_rows_come_first():
    """In the order h, b, w, c one copy of the values is a batch of rows and a batch of columns."""
    v = lines_first(example(b=3))
    for lines in (v.transpose(0, 1).flatten(0, 1), v.transpose(1, 2).flatten(0, 1)):
        assert lines.data_ptr() == v.data_ptr()
    weights = torch.rand(3, 4, 3, 7, dtype=torch.float64)
    close(gather(weights, v), gather(weights, v.contiguous()))


def test_repr_says_what_differs():
    assert CrissCross(64).extra_repr() == "64"
    assert CrissCross(64, 4, recurrence=1).extra_repr() == "64, reduction=4, recurrence=1"


@pytest.mark.parametrize("missing", ["bias", "plain"])
def test_gamma_is_folded_into_plain_convolutions_alone(missing):
    """A value layer without a bias, or another kind of layer, is called as it is."""
    module, x = built(CrissCross, ARGUMENTS), example()
    layer = nn.Conv2d(6, 6, 1, bias=missing != "bias").double()
    module.value = layer if missing == "bias" else nn.Sequential(layer)
    close(module.scaled_values(x), module.gamma * layer(x))
