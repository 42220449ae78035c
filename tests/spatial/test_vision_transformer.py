"""What only multi-head attention and the vision transformer promise, and mistakes to notice."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.measure import peak_bytes
from attncourse.precision import softmax
from attncourse.spatial import MultiHeadAttention, VisionTransformer
from attncourse.spatial.vision_transformer import (
    CARD,
    head_maps,
    mean_distance,
    multi_head_reference,
    parameter_count,
    rollout,
    streamed,
    streamed_backward,
    vit_multiply_adds,
    vit_parameter_count,
)
from attncourse.spatial.vision_transformer.encoder import EncoderBlock
from attncourse.spatial.vision_transformer.functional import joined, split
from benchmarks.spatial.vision_transformer import explicit, of_torch
from tests.contract.specimen import Specimen, built, close, opened, outcomes_agree

ARGUMENTS = {"channels": 6, "heads": 2}


def example(seed=0, b=2, c=6, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


# ---------------------------------------------------------------- promises


def golden_values(make):
    """Two tokens, two heads of width 1, identity projections: computed by hand in the chapter."""
    module = make(2, heads=2).double()
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(torch.zeros(2) if name.endswith("bias") else torch.eye(2))
    x = torch.tensor([[0.0, 1.0], [2.0, 1.0]], dtype=torch.float64).view(1, 2, 1, 2)
    y, weights = module(x, need_weights=True)
    # token 1 holds (0, 2), token 2 holds (1, 1): head 1 compares 0 and 1, head 2 compares 2 and 1
    e = math.e
    first = [[0.5, 0.5], [1 / (1 + e), e / (1 + e)]]
    second = [[e**2 / (1 + e**2), 1 / (1 + e**2)], [e / (1 + e), 1 / (1 + e)]]
    close(weights[0], torch.tensor([first, second], dtype=torch.float64))
    read = [[0.5, e / (1 + e)], [1 + e**2 / (1 + e**2), 1 + e / (1 + e)]]
    close(y[0, :, 0], torch.tensor(read, dtype=torch.float64))


def rows_sum_to_one(make):
    """Every row of every head, also for a single position."""
    for h, w in ((4, 3), (1, 5), (1, 1)):
        weights = built(make, ARGUMENTS).g(example(h=h, w=w))
        assert weights.shape == (2, 2, h * w, h * w)
        assert (weights > 0).all()
        close(weights.sum(dim=3), torch.ones_like(weights[..., 0]))


def positions_may_be_shuffled(make):
    """Any order of positions: outputs follow, and nothing else changes."""
    module, x = built(make, ARGUMENTS), example()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    shuffled = module(x.flatten(2)[..., order].view_as(x))
    close(shuffled.flatten(2), module(x).flatten(2)[..., order])


def heads_add_up(make):
    """The output is a sum over heads of A x W_v W_o, each of rank d, and the biases."""
    module, x = built(make, ARGUMENTS), example()
    z, total = x.flatten(2).mT, module.out.bias
    for m, weights in enumerate(module.g(x).unbind(dim=1)):
        own = slice(3 * m, 3 * m + 3)
        both = module.out.weight[:, own] @ module.value.weight[own]
        assert torch.linalg.matrix_rank(both) == 3
        total = total + weights @ z @ both.T + module.out.weight[:, own] @ module.value.bias[own]
    close(module(x).flatten(2).mT, total)


def one_head_is_the_non_local_map(make):
    """With one head: softmax of q k over the root of d, values, a last layer."""
    module, x = built(make, {"channels": 6, "heads": 1}), example()
    q, k, v = (m(x.flatten(2).mT) for m in (module.query, module.key, module.value))
    read = (q @ k.mT / 6**0.5).softmax(dim=2) @ v
    close(module(x), module.out(read).mT.view_as(x))


def zero_queries_give_plain_means(make):
    """Every token reads the mean of all values."""
    module, x = built(make, ARGUMENTS), example()
    nn.init.zeros_(module.query.weight), nn.init.zeros_(module.query.bias)
    mean = module.out(module.value(x.flatten(2).mT).mean(dim=1))
    close(module(x), mean[:, :, None, None].expand_as(x))


def the_bias_of_the_keys_is_dead(make):
    """It shifts all logits of a row; every other parameter learns."""
    module, x = built(make, ARGUMENTS), example()
    before = module(x)
    (before * example(seed=5)).sum().backward()
    idle = {n for n, p in module.named_parameters() if p.grad.abs().sum() < 1e-12}
    assert idle == {"key.bias"}
    with torch.no_grad():
        module.key.bias.add_(7.0)
    close(module(x), before)


def equals_torch_s_module(make):
    """``nn.MultiheadAttention`` with the same weights, and the textbook's einsums."""
    for heads in (1, 2, 3, 6):
        module = built(make, {"channels": 6, "heads": heads})
        forms = (module, of_torch(module, (2, 6, 4, 3)), explicit(module, (2, 6, 4, 3)))
        outcomes_agree(forms, example(), list(module.parameters()), example(seed=2))


def never_holds_the_maps(make):
    """On 24 x 24 positions, forward and backward: less than a fifth of the maps of four heads."""
    module = built(make, {"channels": 8, "heads": 4})
    x = example(b=1, c=8, h=24, w=24).requires_grad_()
    assert peak_bytes(lambda: torch.autograd.grad(module(x).sum(), x)) < 0.2 * 4 * 8 * 24**4


def large_products_stay_finite(make):
    """Logits far beyond 65,504 in float16, on both paths."""
    torch.manual_seed(0)
    module = make(64, 1).half()
    x = 300 * torch.randn(1, 64, 3, 4, generator=torch.Generator().manual_seed(2)).half()
    for y in (module(x), module(x, need_weights=True)[0]):
        assert y.isfinite().all()
        assert y.dtype == torch.float16


PROMISES = (
    golden_values, rows_sum_to_one, positions_may_be_shuffled, heads_add_up,
    one_head_is_the_non_local_map, zero_queries_give_plain_means, the_bias_of_the_keys_is_dead,
    equals_torch_s_module, never_holds_the_maps, large_products_stay_finite,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Mutant(MultiHeadAttention):
    """The explicit path, each step to be replaced by one with a mistake."""

    def logits(self, q, k):
        kind = torch.promote_types(q.dtype, torch.float32)
        return q.to(kind) @ k.to(kind).mT / q.shape[3] ** 0.5

    def normalise(self, s):
        return softmax(s, dim=3)

    def maps(self, z):
        q, k = (split(m(z), self.heads) for m in (self.query, self.key))
        return self.normalise(self.logits(q, k))

    def of_tokens(self, z):
        return self.read_with(self.maps(z), z)


class OverQueries(Mutant):
    """The softmax over those who ask."""

    def normalise(self, s):
        return softmax(s, dim=2)


class OverHeads(Mutant):
    """The softmax over the heads."""

    def normalise(self, s):
        return softmax(s, dim=1)


class Unscaled(Mutant):
    """No root of d."""

    def logits(self, q, k):
        return super().logits(q, k) * q.shape[3] ** 0.5


class RootOfC(Mutant):
    """The root of the whole width in place of a head's."""

    def logits(self, q, k):
        return super().logits(q, k) / self.heads**0.5


class NoRoot(Mutant):
    """Divided by d."""

    def logits(self, q, k):
        return super().logits(q, k) / q.shape[3] ** 0.5


class HeadsInterleaved(Mutant):
    """Channels dealt out in turn: heads of every M-th channel (view without the transpose)."""

    def maps(self, z):
        q, k = (
            m(z).unflatten(2, (-1, self.heads)).permute(0, 3, 1, 2) for m in (self.query, self.key)
        )
        return self.normalise(self.logits(q, k))


class JoinedWrong(Mutant):
    """Flattened without moving the heads behind the tokens."""

    def read_with(self, weights, z):
        v = split(self.value(z), self.heads)
        return self.out((weights.to(v.dtype) @ v).reshape(z.shape))


class MeanOfHeads(Mutant):
    """Every head reads by the mean of all maps."""

    def maps(self, z):
        maps = super().maps(z)
        return maps.mean(dim=1, keepdim=True).expand_as(maps)


class NoOutput(Mutant):
    """The last layer is left out."""

    def read_with(self, weights, z):
        v = split(self.value(z), self.heads)
        return joined(weights.to(v.dtype) @ v) + 0 * self.out(z)


class Transposed(Mutant):
    """Read by columns of the maps."""

    def read_with(self, weights, z):
        return super().read_with(weights.mT, z)


class Detached(Mutant):
    """Weights that carry no gradient."""

    def maps(self, z):
        return super().maps(z).detach()


class DefaultStart(MultiHeadAttention):
    """PyTorch's own start in place of Xavier's."""

    def _start(self):
        pass


class AddsInput(MultiHeadAttention):
    """The residual sum inside the block as well."""

    def _as_map(self, y, x):
        return super()._as_map(y, x) + x


class HalfProducts(Mutant):
    """Products in whatever type the input has."""

    def logits(self, q, k):
        return q @ k.mT / q.shape[3] ** 0.5


MUTANTS = (
    OverQueries, OverHeads, Unscaled, RootOfC, NoRoot, HeadsInterleaved, JoinedWrong, MeanOfHeads,
    NoOutput, Transposed, Detached, DefaultStart, AddsInput, HalfProducts,
)  # fmt: skip


def reference(module, x):
    layers = (module.query, module.key, module.value, module.out)
    y = multi_head_reference(x.flatten(2).mT, *layers, module.heads)
    return y.mT.reshape(x.shape)


SPECIMEN = Specimen(
    card=CARD,
    arguments=(ARGUMENTS, {"channels": 4}, {"channels": 3, "heads": 1}),
    reference=reference,
    promises=PROMISES,
    sizes=((2, 4, 3), (1, 3, 3), (3, 1, 1), (2, 1, 5), (2, 5, 1), (1, 5, 4)),
    starts=(
        (
            {"channels": 64},
            {"*.weight": ("uniform", (3 / 64) ** 0.5), "*.bias": ("constant", 0.0)},
        ),
    ),
    smallest=({"channels": 1, "heads": 1}, {"channels": 2, "heads": 2}),
    mutants={m.__name__: m for m in MUTANTS},
    grid=({"channels": 64}, {"channels": 12, "heads": 3}, {"channels": 7, "heads": 1}),
    excused={
        "every_parameter_learns": "the bias of the keys adds one number to a whole row of logits, "
        "which the softmax takes out: a promise of its own says that all others learn",
    },
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 8, "heads": 0}, "heads=0 must be at least 1"),
        ({"channels": 8, "heads": 3}, "heads=3 must divide channels=8"),
    ),
)

# ---------------------------------------------------------------- tests of its own

SIZES = (
    ((224, 16, 3, 1000, 192, 12), 5_717_416, 1.254),
    ((224, 16, 3, 1000, 384, 12), 22_050_664, 4.599),
    ((224, 16, 3, 1000, 768, 12), 86_567_656, 17.564),
    ((224, 32, 3, 1000, 768, 12), 88_224_232, 4.409),
    ((224, 16, 3, 1000, 1024, 24), 304_326_632, 61.555),
    ((224, 14, 3, 1000, 1280, 32), 632_045_800, 167.295),
)


@pytest.mark.parametrize(("arguments", "parameters", "gmacs"), SIZES)
def test_published_sizes(arguments, parameters, gmacs):
    """The table of the facts: parameters and multiply-adds of the usual sizes."""
    assert vit_parameter_count(*arguments) == parameters
    assert round(vit_multiply_adds(*arguments) / 1e9, 3) == gmacs


def small(**changes):
    torch.manual_seed(0)
    arguments = {"side": 8, "patch": 2, "in_channels": 3, "classes": 5, "width": 12, "heads": 3}
    net = VisionTransformer(**(arguments | {"depth": 2} | changes))
    return opened(net.double()).eval()


def test_closed_forms_are_counted():
    from attncourse.measure import count_macs

    net = small().float()
    assert sum(p.numel() for p in net.parameters()) == vit_parameter_count(8, 2, 3, 5, 12, 2)
    assert count_macs(net, torch.zeros(1, 3, 8, 8)) == vit_multiply_adds(8, 2, 3, 5, 12, 2)
    assert parameter_count(64, 8) == 16_640


def test_a_fresh_head_says_nothing():
    """Zero head: all logits 0, a loss of ln K; class token 0 and positions of spread 0.02."""
    net = VisionTransformer(16, 2, 1, 10, 64, 4, 1)
    y = net(torch.randn(3, 1, 16, 16))
    assert torch.equal(y, torch.zeros(3, 10))
    assert F.cross_entropy(y, torch.tensor([0, 3, 9])).item() == pytest.approx(math.log(10))
    assert torch.equal(net.cls, torch.zeros(1, 1, 64))
    assert net.positions.std().item() == pytest.approx(0.02, rel=0.05)


def test_patches_are_a_linear_layer():
    """The convolution is a reshape and a product; channels come first in a patch."""
    net, x = small(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    patches = x.view(2, 3, 4, 2, 4, 2).permute(0, 2, 4, 1, 3, 5).reshape(2, 16, 12)
    wanted = patches @ net.embed.weight.flatten(1).T + net.embed.bias
    close(net.tokens(x)[:, 1:] - net.positions[:, 1:], wanted)


def test_order_enters_by_the_table_alone():
    """Without it the class is blind to order; with it, patches and rows move together."""
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(4))
    moved = F.fold(F.unfold(x, 2, stride=2)[:, :, order], (8, 8), 2, stride=2)
    blind, net = small(positions=False), small()
    close(blind(moved), blind(x))
    assert (net(moved) - net(x)).abs().max() > 1e-3
    wanted = net(x)
    with torch.no_grad():
        net.positions[:, 1:] = net.positions[:, 1:][:, order]
    close(net(moved), wanted)


def test_maps_are_those_it_reads_with():
    net, x = small(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    maps = net.maps(x)
    assert maps.shape == (2, 2, 3, 17, 17)
    z = net.tokens(x)
    for block, wanted in zip(net.blocks, maps, strict=True):
        normed = block.norm1(z)
        close(head_maps(block.attention.query(normed), block.attention.key(normed), 3), wanted)
        z, again = block.with_maps(z)
        close(again, wanted)
    close(net.norm(z), net.encode(x))


def test_wrong_images_and_patches_are_refused():
    with pytest.raises(ValueError, match="patch=3 must divide side=8"):
        VisionTransformer(8, 3, 1, 2, 4, 1, 1)
    with pytest.raises(ValueError, match="4 x 8 pixels"):
        small()(torch.zeros(1, 3, 4, 8, dtype=torch.float64))


def test_rollout_is_a_distribution_and_its_order_counts():
    maps = torch.rand(3, 2, 4, 6, 6, dtype=torch.float64).softmax(dim=-1)
    found = rollout(maps)
    close(found.sum(dim=2), torch.ones(2, 6, dtype=torch.float64))
    steps = [(layer.mean(dim=1) + torch.eye(6)) / 2 for layer in maps]
    close(found, steps[2] @ steps[1] @ steps[0])
    assert (found - steps[0] @ steps[1] @ steps[2]).abs().max() > 1e-4
    unit = torch.eye(6, dtype=torch.float64).expand(3, 2, 4, 6, 6)
    close(rollout(unit), unit[0, :, 0])
    uniform = torch.full((1, 1, 1, 6, 6), 1 / 6, dtype=torch.float64)
    close(rollout(uniform)[0, 0, 1], torch.tensor(1 / 12, dtype=torch.float64))


def test_mean_distance_of_uniform_weights():
    """14 x 14 patches of 16 pixels: 116.49 pixels; a map of its own diagonal: none."""
    uniform = torch.full((1, 197, 197), 1 / 197, dtype=torch.float64)
    assert mean_distance(uniform, 14, 16.0).item() == pytest.approx(116.49, abs=0.005)
    assert mean_distance(torch.eye(197, dtype=torch.float64), 14, 16.0).item() == 0


def test_streamed_attention_by_hand():
    """The facts' numbers: scores 1, 3, 2, 5, values 1 to 4, blocks of two."""
    q = torch.ones(1, 1, dtype=torch.float64)
    k = torch.tensor([[1.0], [3.0], [2.0], [5.0]], dtype=torch.float64)
    v = torch.arange(1.0, 5.0, dtype=torch.float64)[:, None]
    o, lse = streamed(q, k, v, block=2)
    assert o.item() == pytest.approx(3.688057, abs=1e-6)
    assert lse.item() == pytest.approx(5.185182, abs=1e-6)


@pytest.mark.parametrize("block", [1, 4, 7, 23, 30])
def test_streamed_attention_is_exact(block):
    """Forward and backward, for every size of block, also one that does not divide."""
    generator = torch.Generator().manual_seed(3)
    q, k, v, do = torch.randn(4, 2, 23, 5, dtype=torch.float64, generator=generator)
    for t in (q, k, v):
        t.requires_grad_()
    wanted = F.scaled_dot_product_attention(q, k, v)
    slopes = torch.autograd.grad((wanted * do).sum(), (q, k, v))
    with torch.no_grad():
        o, lse = streamed(q, k, v, block)
        close(o, wanted)
        close(lse, (q @ k.mT / 5**0.5).logsumexp(dim=-1))
        for found, slope in zip(streamed_backward(q, k, v, o, lse, do, block), slopes, strict=True):
            close(found, slope)


def test_repr_says_what_differs():
    assert MultiHeadAttention(64).extra_repr() == "64"
    assert MultiHeadAttention(64, 8).extra_repr() == "64, heads=8"


def test_a_block_keeps_sixteen_times_its_tokens_beside_its_maps():
    """For the way back, maps written out: n / (1024 + n) of it is maps, with 64 numbers a head."""
    n, c, heads = 11, 128, 2
    block, kept = EncoderBlock(c, heads), {}

    def keep(t):
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes() // 4
        return t

    z = torch.randn(1, n, c, requires_grad=True)
    weights = {p.untyped_storage().data_ptr() for p in block.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        y = block.norm1(z)
        read = explicit(block.attention, ())(y.mT[..., None])[..., 0].mT
        z_ = z + read
        out = z_ + block.mlp(block.norm2(z_))
    assert out.shape == z.shape
    numbers = sum(size for at, size in kept.items() if at not in weights)
    maps = heads * n**2
    assert abs(numbers - maps - 16 * n * c) < 8 * n
    assert maps / (16 * n * c + maps) == pytest.approx(n / (1024 + n))
