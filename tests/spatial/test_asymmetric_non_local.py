"""What only asymmetric non-local blocks promise, and the mistakes that must be noticed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.layers import as_affine
from attncourse.measure import peak_bytes
from attncourse.precision import attention_map
from attncourse.spatial import AsymmetricNonLocal
from attncourse.spatial.asymmetric_non_local import (
    CARD,
    SIZES,
    anchors,
    asymmetric_non_local_reference,
    parameter_count,
    pooling_matrix,
)
from benchmarks.spatial.asymmetric_non_local import full, released
from tests.contract.specimen import Specimen, built, close, of_torch, outcomes_agree

ARGUMENTS = {"channels": 6, "sizes": (1, 2, 3)}


def example(seed=0, b=2, c=6, h=4, w=5):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


# ---------------------------------------------------------------- promises


def weights_sum_to_one(make):
    """Over S anchors, on maps smaller and larger than the pyramid, and all positive."""
    for h, w in ((4, 5), (1, 1), (9, 2), (13, 17)):
        weights = built(make, {"channels": 6}).g(example(h=h, w=w))
        assert weights.shape == (2, h * w, 110)
        close(weights.sum(dim=2), torch.ones_like(weights[..., 0]))
        assert (weights > 0).all()


def an_anchor_for_each_pixel_is_the_full_map(make):
    """sizes = (h,) on h x h pixels: P is the unit matrix, and nothing has been sampled."""
    module, x = built(make, ARGUMENTS | {"sizes": (5,)}), example(h=5)
    k = F.relu(module.key_norm(module.key(x))).flatten(2).mT
    wanted = (k @ k.mT / 3**0.5).softmax(dim=2)
    close(module.g(x), wanted)
    o = module.out((wanted @ module.value(x).flatten(2).mT).mT.view(2, 3, 5, 5))
    close(module(x), F.relu(module.norm(module.fuse(torch.cat([o, x], dim=1)))))


def one_anchor_is_the_mean(make):
    """sizes = (1,): everybody reads the mean of all values, whatever was asked."""
    module, x = built(make, ARGUMENTS | {"sizes": (1,), "residual": True}), example()
    close(module.g(x), torch.ones(2, 20, 1, dtype=torch.float64))
    close(module(x) - x, module.out(module.value(x).mean(dim=(2, 3), keepdim=True)).expand_as(x))


def zero_keys_read_the_mean_anchor(make):
    """With silent keys all 14 anchors count alike, the global one like any other."""
    module, x = built(make, ARGUMENTS | {"residual": True}), example()
    nn.init.zeros_(module.key_norm.weight), nn.init.zeros_(module.key_norm.bias)
    mean = anchors(module.value(x), (1, 2, 3)).mean(dim=2)[..., None, None]
    close(module(x) - x, module.out(mean).expand_as(x))


def a_constant_map_reads_a_constant(make):
    x = example(h=1, w=1).expand(-1, -1, 7, 5).contiguous()
    y = built(make, ARGUMENTS)(x)
    close(y, y[..., :1, :1].expand_as(y))


def neighbours_may_be_shuffled_within_the_finest_cell(make):
    """8 x 8 pixels, levels of 1, 2 and 4: what asks elsewhere notices no order within a cell."""
    module, x = built(make, ARGUMENTS | {"sizes": (1, 2, 4)}), example(h=8, w=8)
    moved = x.clone()
    moved[..., 0, 0], moved[..., 1, 1] = x[..., 1, 1], x[..., 0, 0]
    close(module(moved)[..., 2:, 2:], module(x)[..., 2:, 2:])
    moved[..., 0, 0], moved[..., 2, 2] = x[..., 2, 2], x[..., 0, 0]
    assert (module(moved) - module(x))[..., 4:, 4:].abs().max() > 1e-6


def queries_and_keys_are_one_layer(make):
    """Nine parameters and more behind two layers with one normalisation; products are >= 0."""
    module = built(make, ARGUMENTS)
    assert not any(name.startswith("query") for name in module.state_dict())
    x = example()
    logits = module.g(x).log()
    k = F.relu(module.key_norm(module.key(x)))
    products = torch.einsum("bdn,bds->bns", k.flatten(2), anchors(k, (1, 2, 3))) / 3**0.5
    assert (products >= 0).all()
    close(logits - logits[..., :1], products - products[..., :1])


def starts_without_a_word_of_others(make):
    """W_o is zero: no slope to other positions, and W_o alone of the attention learns."""
    torch.manual_seed(0)
    for residual in (True, False):
        module = make(**ARGUMENTS, residual=residual).double().eval()
        x = example().requires_grad_()
        y = module(x)
        (slope,) = torch.autograd.grad(y[..., 1, 2].sum(), x, retain_graph=True)
        assert slope[..., 1, 2].abs().sum() > 0
        assert slope.abs().sum() == slope[..., 1, 2].abs().sum()
        assert torch.equal(y, x) == residual
        (y * example(seed=5)).sum().backward()
        idle = {n for n, p in module.named_parameters() if p.grad.abs().sum() == 0}
        assert idle == {
            f"{name}.{kind}" for name in ("key", "key_norm", "value") for kind in ("weight", "bias")
        }


def rank_of_the_map(make):
    """The map of all pairs that it amounts to, E P, has the rank of P at most."""
    module, x = built(make, {"channels": 6, "sizes": (1, 2, 4)}), example(h=8, w=8)
    p = pooling_matrix(8, 8, (1, 2, 4))
    assert torch.linalg.matrix_rank(p) == 16  # coarse cells are sums of fine ones
    assert torch.linalg.matrix_rank(module.g(x) @ p).max() <= 16
    close((module.g(x) @ p).sum(dim=2), torch.ones(2, 64, dtype=torch.float64))


def by_hooks_of_pooling(module, x):
    """Our own writing of mmsegmentation's order: pool projected keys and values, then multiply.

    Windows are cut by hand; normalisations are scale and shift.
    """

    def bn(norm, t):
        scale, shift = as_affine(norm)
        return t * scale[:, None, None] + shift[:, None, None]

    def pool(t):
        h, w = t.shape[2:]
        found = []
        for m in module.sizes:
            for i in range(m):
                for j in range(m):
                    rows = slice(i * h // m, ((i + 1) * h + m - 1) // m)
                    columns = slice(j * w // m, ((j + 1) * w + m - 1) // m)
                    found.append(t[..., rows, columns].mean(dim=(2, 3)))
        return torch.stack(found, dim=2)

    k = torch.clamp_min(bn(module.key_norm, module.key(x)), 0)
    logits = torch.einsum("bdij,bds->bijs", k, pool(k)) / k.shape[1] ** 0.5
    a = F.softmax(logits, dim=-1)
    o = module.out(torch.einsum("bijs,bds->bdij", a, pool(module.value(x))))
    if module.fuse is None:
        return o + x
    mixed = torch.einsum("oc,bcij->boij", module.fuse.weight.flatten(1), torch.cat([o, x], 1))
    return torch.clamp_min(bn(module.norm, mixed + module.fuse.bias[:, None, None]), 0)


def equals_other_layouts(make):
    """Forward and every gradient in float64, joined and added, on maps of all sides."""
    for residual in (False, True):
        for b, h, w in ((2, 5, 4), (1, 3, 7), (2, 1, 4), (1, 1, 1), (1, 9, 9)):
            module = built(make, ARGUMENTS, residual=residual)
            x, upstream = example(1, b, 6, h, w), example(2, b, 6, h, w)
            outcomes_agree(
                (
                    module,
                    lambda x, m=module: by_hooks_of_pooling(m, x),
                    released(module, x.shape),
                    full(module, x.shape),
                ),
                x,
                list(module.parameters()),
                upstream,
            )


def statistics_are_those_of_all_positions(make):
    """In training the keys are normalised over images and positions, before they are averaged."""
    module, x = built(make, ARGUMENTS).train(), example()
    k = module.key(x)
    mean, var = k.mean(dim=(0, 2, 3)), k.var(dim=(0, 2, 3), unbiased=False)
    old = module.key_norm.running_mean.clone()
    scaled = (k - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
    k = F.relu(scaled * module.key_norm.weight[:, None, None] + module.key_norm.bias[:, None, None])
    wanted = attention_map(k.flatten(2).mT, anchors(k, (1, 2, 3)).mT, 3**-0.5)
    close(module.g(x), wanted)
    close(module.key_norm.running_mean, 0.9 * old + 0.1 * mean)  # moved once


def never_holds_a_map_of_all_pairs(make):
    """On 32 x 32 positions, forward and backward: less than half of one map of pairs."""
    for b in (1, 3):
        module = built(make, {"channels": 4, "sizes": (1, 3, 6)})
        x = example(b=b, c=4, h=32, w=32).requires_grad_()

        def step(module=module, x=x):
            return torch.autograd.grad(module(x).sum(), x)

        assert peak_bytes(step) < 0.5 * b * 8 * 32**4


def large_products_stay_finite(make):
    """Products far beyond 65,504 in float16 input."""
    torch.manual_seed(0)
    module = make(64, 1).half().eval()
    x = 300 * torch.randn(1, 64, 3, 4, generator=torch.Generator().manual_seed(2)).half()
    for y in (module(x), module(x, need_weights=True)[0]):
        assert y.isfinite().all()
        assert y.dtype == torch.float16


PROMISES = (
    weights_sum_to_one, an_anchor_for_each_pixel_is_the_full_map, one_anchor_is_the_mean,
    zero_keys_read_the_mean_anchor, a_constant_map_reads_a_constant,
    neighbours_may_be_shuffled_within_the_finest_cell, queries_and_keys_are_one_layer,
    starts_without_a_word_of_others, rank_of_the_map, equals_other_layouts,
    statistics_are_those_of_all_positions, never_holds_a_map_of_all_pairs,
    large_products_stay_finite,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Mutant(AsymmetricNonLocal):
    """The steps, each to be replaced by one with a mistake."""

    def pool(self, t):
        return anchors(t, self.sizes)

    def keys(self, x):
        return F.relu(self.key_norm(self.key(x)))

    def pooled_keys(self, k, x):
        return self.pool(k)

    def queries(self, k):
        return k

    def weigh(self, q, k):
        return attention_map(q, k, q.shape[2] ** -0.5)

    def g(self, x):
        k = self.keys(x)
        return self.weigh(self.queries(k).flatten(2).mT, self.pooled_keys(k, x).mT)

    def values(self, x):
        return self.out(self.value(self.pool(x)[..., None])).flatten(2)

    def mix(self, o, x):
        if self.fuse is None:
            return x + o
        return F.relu(self.norm(self.fuse(torch.cat([o, x], dim=1))))

    def f(self, weights, x):
        values = self.values(x)
        return self.mix((values @ weights.to(values.dtype).mT).to(x.dtype).view_as(x), x)


class MaxPooled(Mutant):
    """The largest value of each cell in place of the mean."""

    def pool(self, t):
        return torch.cat([F.adaptive_max_pool2d(t, n).flatten(2) for n in self.sizes], dim=2)


class DisjointCells(Mutant):
    """Windows that end where the next begins, as if n always divided h and w."""

    def pool(self, t):
        h, w = t.shape[2:]
        found = []
        for n in self.sizes:
            for i in range(n):
                for j in range(n):
                    a, b = i * h // n, j * w // n
                    rows = slice(a, max(a + 1, (i + 1) * h // n))
                    columns = slice(b, max(b + 1, (j + 1) * w // n))
                    found.append(t[..., rows, columns].mean(dim=(2, 3)))
        return torch.stack(found, dim=2)


class PickedPixels(Mutant):
    """One pixel of each cell."""

    def pool(self, t):
        return torch.cat(
            [F.interpolate(t, size=(n, n), mode="nearest").flatten(2) for n in self.sizes], dim=2
        )


class SumOfCells(Mutant):
    """Sums in place of means."""

    def pool(self, t):
        area = t.shape[2] * t.shape[3]
        return torch.cat(
            [F.adaptive_avg_pool2d(t, n).flatten(2) * area / n**2 for n in self.sizes], dim=2
        )


class PooledFirst(Mutant):
    """x averaged before the keys' ReLU, which is not linear."""

    def pooled_keys(self, k, x):
        return self.keys(self.pool(x)[..., None]).flatten(2)


class WithoutReLU(Mutant):
    def keys(self, x):
        return self.key_norm(self.key(x))


class Unscaled(Mutant):
    """No division by the root of d."""

    def weigh(self, q, k):
        return attention_map(q, k)


class OverQueries(Mutant):
    """The softmax over those who ask."""

    def weigh(self, q, k):
        return attention_map(k, q, q.shape[2] ** -0.5).mT


class OneSoftmaxForEachLevel(Mutant):
    """Each level adds up to one, divided by their number."""

    def weigh(self, q, k):
        counts = [n * n for n in self.sizes]
        parts = [super(OneSoftmaxForEachLevel, self).weigh(q, t) for t in k.split(counts, dim=1)]
        return torch.cat(parts, dim=2) / len(counts)


class WithoutTheGlobalAnchor(Mutant):
    """The first level is closed."""

    def weigh(self, q, k):
        weights = super().weigh(q, k)
        if weights.shape[2] == 1:
            return weights
        first = torch.arange(weights.shape[2], device=weights.device) >= self.sizes[0] ** 2
        return weights * first / (weights * first).sum(dim=2, keepdim=True).clamp_min(1e-9)


class SampledQueries(Mutant):
    """Queries averaged over the cells of the finest level, too, and spread out again."""

    def queries(self, k):
        coarse = F.adaptive_avg_pool2d(k, max(self.sizes))
        return F.interpolate(coarse, size=k.shape[2:], mode="nearest")


class FuseExchanged(Mutant):
    """x first, what was read last."""

    def mix(self, o, x):
        if self.fuse is None:
            return x + o
        return F.relu(self.norm(self.fuse(torch.cat([x, o], dim=1))))


class AddedAndMixed(Mutant):
    """x is added once more behind W_f."""

    def mix(self, o, x):
        return super().mix(o, x) + x


class NoLastReLU(Mutant):
    """As in the block for two levels."""

    def mix(self, o, x):
        return self.norm(self.fuse(torch.cat([o, x], dim=1))) if self.fuse else x + o


class OutBiasForEachAnchor(Mutant):
    """W_o applied to values that were scaled by their number: its bias no longer fits."""

    def values(self, x):
        return super().values(x) + self.out.bias[:, None]


class OpenAtTheStart(AsymmetricNonLocal):
    """W_o as PyTorch draws it."""

    def _shut(self):
        self.out.reset_parameters()


class Detached(AsymmetricNonLocal):
    """Weights that carry no gradient."""

    def g(self, x):
        return super().g(x).detach()


class HalfProducts(Mutant):
    """Products in whatever type the input has."""

    def weigh(self, q, k):
        return (q.shape[2] ** -0.5 * (q @ k.mT)).softmax(dim=2)


class CalledTwice(Mutant):
    """The layer called once for queries and once for keys: its running statistics move twice."""

    def pooled_keys(self, k, x):
        return self.pool(self.keys(x))


MUTANTS = (
    MaxPooled, DisjointCells, PickedPixels, SumOfCells, PooledFirst, WithoutReLU, Unscaled,
    OverQueries, OneSoftmaxForEachLevel, WithoutTheGlobalAnchor, SampledQueries, FuseExchanged,
    AddedAndMixed, NoLastReLU, OutBiasForEachAnchor, OpenAtTheStart, Detached, HalfProducts,
    CalledTwice,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(ARGUMENTS, {"channels": 5, "sizes": (2,), "residual": True}),
    reference=lambda m, x: asymmetric_non_local_reference(x, m),
    promises=PROMISES,
    starts=(
        (
            {"channels": 64},
            {
                "key.*": of_torch(64),
                "key_norm.weight": ("constant", 1.0),
                "key_norm.bias": ("constant", 0.0),
                "value.*": of_torch(64),
                "out.*": ("constant", 0.0),
                "fuse.*": of_torch(128),
                "norm.weight": ("constant", 1.0),
                "norm.bias": ("constant", 0.0),
            },
        ),
    ),
    smallest=({"channels": 1}, {"channels": 1, "reduction": 1, "sizes": (1,)}),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 7, "reduction": 3, "residual": True},
        {"channels": 24, "sizes": (2, 5)},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 8, "reduction": 0}, "reduction=0 must be an integer divisor"),
        ({"channels": 8, "sizes": ()}, r"sizes=\(\) must name at least one level"),
        ({"channels": 8, "sizes": (3, 0)}, r"sizes=\(3, 0\) must name at least one level"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_published_counts():
    """The facts' parameters of the released block, and 110 anchors."""
    assert parameter_count(512) == 920_576
    assert sum(n * n for n in SIZES) == 110


def test_the_pyramid_as_a_matrix():
    """Rows sum to 1; columns to 110 / N where 24 divides the sides; nested cells are redundant."""
    x = example(h=13, w=17)
    p = pooling_matrix(13, 17)
    close(anchors(x), x.flatten(2) @ p.T)
    close(p.sum(dim=1), torch.ones(110, dtype=torch.float64))
    even = pooling_matrix(24, 24)
    close(even.sum(dim=0), torch.full((576,), 110 / 576, dtype=torch.float64))
    assert p.sum(dim=0).std() > 1e-3
    assert torch.linalg.matrix_rank(even) == 96
    assert torch.linalg.matrix_rank(p) == 94
    assert torch.linalg.matrix_rank(pooling_matrix(8, 8)) == 64


def test_the_mean_passes_a_linear_layer_and_not_a_relu():
    layer, x = nn.Conv2d(6, 4, 1).double(), example(h=9, w=7)
    close(anchors(layer(x)), layer(anchors(x)[..., None]).flatten(2))
    gap = anchors(layer(x).relu()) - layer(anchors(x)[..., None]).relu().flatten(2)
    assert gap.abs().max() > 1e-2


def test_averaged_keys_are_averaged_logits():
    q, k, p = torch.randn(3, 20, dtype=torch.float64), example(b=1, c=3)[0], pooling_matrix(4, 5)
    close(q.T @ anchors(k[None])[0], (q.T @ k.flatten(1)) @ p.T)


def test_repr_says_what_differs():
    assert AsymmetricNonLocal(64).extra_repr() == "64"
    made = AsymmetricNonLocal(64, 4, (1, 2), residual=True)
    assert made.extra_repr() == "64, reduction=4, sizes=(1, 2), residual=True"


@pytest.mark.parametrize("missing", ["bias", "plain"])
def test_only_a_plain_fuse_is_taken_apart(missing):
    module, x = built(AsymmetricNonLocal, ARGUMENTS), example()
    layer = nn.Conv2d(12, 6, 1, bias=missing != "bias").double()
    module.fuse = layer if missing == "bias" else nn.Sequential(layer)
    o = module.out(module.value(anchors(x, (1, 2, 3))[..., None])).flatten(2) @ module.g(x).mT
    wanted = F.relu(module.norm(layer(torch.cat([o.view_as(x), x], dim=1))))
    close(module(x), wanted)
