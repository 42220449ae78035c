"""What only efficient channel attention promises, and the mistakes that must be noticed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.backbones import ResNet50
from attncourse.channel import EfficientChannel, SqueezeExcitation
from attncourse.channel.efficient_channel import (
    CARD,
    band,
    efficient_channel_reference,
    psi,
    usual_size,
)
from attncourse.channel.squeeze_excitation import squeeze
from attncourse.experiments import experiments_of, published
from attncourse.experiments.channel.efficient_channel import (
    CUES,
    NOISE,
    OF_A,
    OF_B,
    Blocks,
    Reordered,
    between,
    informed,
    opposite,
    random_order,
    shielded,
)
from attncourse.training import seed_everything
from tests.channel.test_squeeze_excitation import golden_input
from tests.contract.specimen import Specimen, built, close, of_torch

ARGUMENTS = {"channels": 6, "kernel_size": 3}
FORMS = ({}, {"shared": False}, {"padding": "circular"}, {"shared": False, "padding": "circular"})


def example(seed=0, b=3, c=6, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def jacobian(module, x):
    """How the gates of the first image move with the means of its channels, (c, c)."""
    rows = []
    x = x[:1].clone().requires_grad_()
    for gate in module.g(x)[0]:
        (slope,) = torch.autograd.grad(gate, x, retain_graph=True)
        rows.append(slope[0].sum(dim=(1, 2)))
    return torch.stack(rows)


# ---------------------------------------------------------------- promises


def golden_values(make):
    """The facts' gates of the shared input, with the kernel (1/4, 1/2, 1/4)."""
    module = make(4, 3).double()
    with torch.no_grad():
        module.conv.weight.copy_(torch.tensor([0.25, 0.5, 0.25]))
    wanted = torch.tensor([0.586844, 0.502611, 0.371910, 0.367135], dtype=torch.float64)
    close(module.g(golden_input())[0], wanted, atol=1e-6)


def size_follows_the_formula(make):
    """The facts' table, with the tie at 128 that goes up, the one at 2048, and the clamp at 1."""
    table = {1: 1, 7: 1, 8: 3, 64: 3, 127: 3, 128: 5, 256: 5, 1024: 5, 2047: 5, 2048: 7}
    for channels, size in table.items():
        assert make(channels).kernel_size == psi(channels) == size


def one_weight_is_one_channel(make):
    """With k = 1 every gate is sigmoid(w z) of its own channel; a kernel of zeros halves x."""
    module, x = built(make, {"channels": 6, "kernel_size": 1}), example()
    close(module.g(x), torch.sigmoid(module.conv.weight.item() * squeeze(x)))
    nn.init.zeros_(module.conv.weight)
    close(module(x), x / 2)


def reaches_exactly_its_neighbours(make):
    """No slope beyond (k - 1)/2 channels, a slope everywhere within; in the ring around its end."""
    for size in (1, 3, 5):
        for form in FORMS:
            module = built(make, ARGUMENTS | {"kernel_size": size}, **form)
            c = torch.arange(6)
            apart = (c[:, None] - c).abs()
            if "padding" in form:
                apart = torch.minimum(apart, 6 - apart)
            near = apart <= size // 2
            slopes = jacobian(module, example())
            assert (slopes[~near] == 0).all()
            assert (slopes[near].abs() > 1e-6).all()


def matrix_is_what_the_gates_see(make):
    """sigmoid(W z) with the matrix of the module; shared, its diagonals are constant (Toeplitz)."""
    x = example()
    for form in FORMS:
        for size in (1, 3, 5):
            module = built(make, ARGUMENTS | {"kernel_size": size}, **form)
            matrix = module.matrix()
            close(module.g(x), torch.sigmoid(squeeze(x) @ matrix.T))
            toeplitz = torch.allclose(matrix[1:, 1:], matrix[:-1, :-1])
            assert toeplitz == form.get("shared", True)


def only_the_ring_can_be_turned(make):
    """A cyclic shift of channels shifts the gates in the ring, and not between two ends."""
    x = example()
    for form in ({}, {"padding": "circular"}):
        module = built(make, ARGUMENTS, **form)
        turned = torch.allclose(module.g(x.roll(2, 1)), module.g(x).roll(2, 1))
        assert turned == bool(form)


def mirrors_only_with_an_even_kernel(make):
    """Channels in reverse give gates in reverse if and only if the kernel reads the same."""
    module, x = built(make, ARGUMENTS), example()
    assert not torch.allclose(module.g(x.flip(1)), module.g(x).flip(1))
    with torch.no_grad():
        module.conv.weight.copy_(torch.tensor([0.7, -0.2, 0.7]))
    close(module.g(x.flip(1)), module.g(x).flip(1))


def order_of_channels_counts(make):
    """Channels in another order have other gates, unlike for SE; positions may be shuffled."""
    module, x = built(make, ARGUMENTS), example()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert (module.g(x[:, order]) - module.g(x)[:, order]).abs().max() > 0.05
    places = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    close(module.g(x.flatten(2)[:, :, places].view_as(x)), module.g(x))


def gradient_is_a_correlation(make):
    """dL/dw_m is the sum over channels of delta_c z_{c+m}; without sharing, each term by itself."""
    x, upstream = example(), example(5)
    for form in FORMS:
        module = built(make, ARGUMENTS, **form)
        (module(x) * upstream).sum().backward()
        with torch.no_grad():
            s, z = module.g(x), squeeze(x)
            delta = (upstream * x).sum(dim=(2, 3)) * s * (1 - s)
            ring = "padding" in form
            sides = (z[:, -1:], z[:, :1]) if ring else (torch.zeros(3, 1), torch.zeros(3, 1))
            padded = torch.cat([sides[0].double(), z, sides[1].double()], dim=1)
            terms = torch.stack([(delta * padded[:, m : m + 6]).sum(dim=0) for m in range(3)], 1)
        found = module.conv.weight.grad[:, 0]
        close(found, terms if "shared" in form else terms.sum(dim=0, keepdim=True))


class TheirLayer(nn.Module):
    """The authors' layout: pooled maps (b, c, 1, 1), turned to (b, 1, c) for the convolution."""

    def __init__(self, weight, *, own=False):
        super().__init__()
        size = weight.shape[-1]
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        rows = len(weight) if own else 1
        padding = 0 if own else (size - 1) // 2
        self.conv = nn.Conv1d(rows, rows, size, padding=padding, bias=False, groups=rows).double()
        self.unfold = nn.Unfold((1, size), padding=(0, (size - 1) // 2)) if own else None
        self.sigmoid = nn.Sigmoid()
        self.conv.weight.data = weight.detach().clone()

    def forward(self, x):
        y = self.avg_pool(x).squeeze(-1).transpose(-1, -2)  # b 1 c
        if self.unfold is None:
            y = self.conv(y).transpose(-1, -2)  # b c 1
        else:
            y = self.conv(self.unfold(y.unsqueeze(2)).transpose(-1, -2))
        return x * self.sigmoid(y.unsqueeze(-1)).expand_as(x)


def equals_the_authors_layer(make):
    """Forward and every gradient in float64, shared and not, in training and in use."""
    for own in (False, True):
        for size in (1, 3, 5):
            for mode in (True, False):
                arguments = ARGUMENTS | {"kernel_size": size, "shared": not own}
                module = built(make, arguments).train(mode)
                found = []
                for layer in (module, TheirLayer(module.conv.weight, own=own).train(mode)):
                    x = example(7).requires_grad_()
                    y = layer(x)
                    y.backward(example(8))
                    found.append([y.detach(), x.grad, *(p.grad for p in layer.parameters())])
                assert len(found[0]) == len(found[1]) == 3
                for one, other in zip(*found, strict=True):
                    close(one, other)


def one_image_keeps_its_axes(make):
    """A batch of one, and a single channel: nothing is squeezed away."""
    assert built(make, ARGUMENTS).g(example(b=1)).shape == (1, 6)
    assert built(make, {"channels": 1}).g(example(b=2, c=1)).shape == (2, 1)


PROMISES = (
    golden_values, size_follows_the_formula, one_weight_is_one_channel,
    reaches_exactly_its_neighbours, matrix_is_what_the_gates_see, only_the_ring_can_be_turned,
    mirrors_only_with_an_even_kernel, order_of_channels_counts, gradient_is_a_correlation,
    equals_the_authors_layer, one_image_keeps_its_axes,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Mutant(EfficientChannel):
    """The steps of the module, each to be replaced by one with a mistake."""

    def pooled(self, x):
        return squeeze(x)

    def padded(self, z):
        reach = self.kernel_size // 2
        mode = "circular" if self.padding == "circular" else "constant"
        return F.pad(z[:, None], (reach, reach), mode=mode)

    def logits(self, z):
        z = self.padded(z)
        if not self.shared:
            z = z[:, 0].unfold(1, self.kernel_size, 1)
        return self.conv(z).flatten(1)

    def g(self, x):
        return torch.sigmoid(self.logits(self.pooled(x)))


class NoSigmoid(Mutant):
    """The listing of the paper's Figure 3: the sums themselves as gates (known error C12)."""

    def g(self, x):
        return self.logits(self.pooled(x))


class Biased(Mutant):
    """A bias in the convolution (known error C6)."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.conv.bias = nn.Parameter(torch.zeros_like(self.conv.weight[:, 0, 0]))


class AlwaysThree(Mutant):
    """k = 3 whatever the width (known error C6)."""

    def __init__(self, channels, kernel_size=None, **options):
        super().__init__(channels, 3 if kernel_size is None else kernel_size, **options)


class TiesDown(Mutant):
    """An even size is made odd downwards: 3 at 128 channels, where the code has 5."""

    def __init__(self, channels, kernel_size=None, **options):
        up = psi(channels)
        even = int(abs((torch.tensor(float(channels)).log2().item() + 1) / 2)) == up - 1
        down = max(up - 2, 1) if even else up
        super().__init__(channels, down if kernel_size is None else kernel_size, **options)


class NaturalLogarithm(Mutant):
    """The natural logarithm in place of that to base 2."""

    def __init__(self, channels, kernel_size=None, **options):
        size = int((torch.tensor(max(1.0, channels)).log().item() + 1) / 2)
        size += 1 - size % 2
        super().__init__(channels, size if kernel_size is None else kernel_size, **options)


class AlongTheBatch(Mutant):
    """The kernel slides along the images of the batch (known error C4)."""

    def logits(self, z):
        if not self.shared:
            return super().logits(z)
        return self.conv(self.padded(z.T)).flatten(1).T


class Mirrored(Mutant):
    """The kernel turned around, as in a true convolution."""

    def logits(self, z):
        if not self.shared:
            return super().logits(z)
        return F.conv1d(self.padded(z), self.conv.weight.flip(2)).flatten(1)


class Shifted(Mutant):
    """Padded on one side only: every gate sees the channels before it."""

    def padded(self, z):
        if self.padding == "circular":
            return super().padded(z)
        return F.pad(z[:, None], (2 * (self.kernel_size // 2), 0))


class NeverCloses(Mutant):
    """The ring is accepted and left open."""

    def padded(self, z):
        reach = self.kernel_size // 2
        return F.pad(z[:, None], (reach, reach))


class Reflects(Mutant):
    """Channels beyond the ends are mirror images."""

    def padded(self, z):
        reach = self.kernel_size // 2
        if self.padding == "circular" or reach >= z.shape[1]:
            return super().padded(z)
        return F.pad(z[:, None], (reach, reach), mode="reflect")


class SharesAnyway(Mutant):
    """``shared=False`` is accepted, and the first kernel serves all channels."""

    def logits(self, z):
        if self.shared:
            return super().logits(z)
        return F.conv1d(self.padded(z), self.conv.weight[:1]).flatten(1)


class BatchOfOneIsLost(Mutant):
    """``squeeze()`` without an axis: a batch of one loses it."""

    def g(self, x):
        return super().g(x).squeeze()


class Summed(Mutant):
    """A sum in place of the mean."""

    def pooled(self, x):
        return x.sum(dim=(2, 3))


class Detached(Mutant):
    """Means that carry no gradient."""

    def pooled(self, x):
        return squeeze(x).detach()


MUTANTS = (
    NoSigmoid, Biased, AlwaysThree, TiesDown, NaturalLogarithm, AlongTheBatch, Mirrored, Shifted,
    NeverCloses, Reflects, SharesAnyway, BatchOfOneIsLost, Summed, Detached,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        {"channels": 5, "kernel_size": 3},
        {"channels": 4, "kernel_size": 3, "shared": False},
        {"channels": 3, "kernel_size": 3, "padding": "circular"},
        {"channels": 2, "kernel_size": 5},
    ),
    reference=lambda m, x: efficient_channel_reference(
        x, m.kernels(), circular=m.padding == "circular"
    ),
    promises=PROMISES,
    starts=(
        ({"channels": 64, "kernel_size": 63}, {"conv.*": of_torch(63)}),
        ({"channels": 64, "kernel_size": 5, "shared": False}, {"conv.*": of_torch(5)}),
    ),
    smallest=(
        {"channels": 1},
        {"channels": 1, "kernel_size": 1, "padding": "circular", "shared": False},
    ),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 130},
        {"channels": 7, "kernel_size": 5, "shared": False},
        {"channels": 5, "kernel_size": 5, "padding": "circular"},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 8, "kernel_size": 4}, "kernel_size=4 must be odd"),
        ({"channels": 8, "kernel_size": 0}, "kernel_size=0 must be odd"),
        ({"channels": 8, "padding": "reflect"}, "padding='reflect' is unknown"),
        ({"channels": 4, "kernel_size": 5, "padding": "circular"}, "choose at most 3"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_resnet_50_with_80_and_with_86_weights():
    """80 is the released model's with 3, 5, 5, 7 by hand; equation (5) gives 5, 5, 5, 7 and 86."""
    by_hand = {256: 3, 512: 5, 1024: 5, 2048: 7}
    for gate, wanted in (
        (lambda c: EfficientChannel(c, by_hand[c]), 80),
        (EfficientChannel, 86),
    ):
        with torch.device("meta"):
            net = ResNet50(gate)
        blocks = [m for m in net.modules() if isinstance(m, EfficientChannel)]
        assert len(blocks) == 16
        assert sum(p.numel() for m in blocks for p in m.parameters()) == wanted
    widths = [m.channels for m in blocks]
    assert sum(EfficientChannel(c, by_hand[c], shared=False).conv.weight.numel()
               for c in widths[:3]) == 3 * 256 * 3  # fmt: skip


def test_psi_inverts_the_exponential():
    """C = 2 ** (2 k - 1): at the widths 2, 32, 512 the size is exactly 1, 3, 5."""
    assert [psi(2 ** (2 * k - 1)) for k in (1, 3, 5, 7)] == [1, 3, 5, 7]
    assert psi(64, gamma=1.0) == 7
    edges = [2**n + step for n in range(1, 40) for step in (-1, 0, 1)]
    assert [usual_size(c) for c in edges] == [psi(c) for c in edges]
    with pytest.raises(ValueError, match="divides by zero"):
        psi(64, gamma=0.0)


def test_every_gate_sees_every_channel_from_2c_minus_1_on():
    assert (band(torch.ones(4, 7)) == 1).all()
    assert (band(torch.ones(4, 5)) == 0).sum() == 2
    assert (band(torch.ones(4, 3), circular=True) == 0).sum() == 4
    assert (band(torch.ones(5, 5), circular=True) == 1).all()


def test_repr_says_what_differs():
    assert EfficientChannel(64).extra_repr() == "64"
    text = EfficientChannel(64, 5, shared=False, padding="circular").extra_repr()
    assert text == "64, kernel_size=5, shared=False, padding='circular'"


def test_any_order_in_front_is_a_banded_matrix_no_more():
    """SE with its weights in the new order is the same; ECA's matrix then leaves its band."""
    x, order = example(), torch.tensor([3, 0, 5, 1, 4, 2])
    se = built(SqueezeExcitation, {"channels": 6, "reduction": 2})
    moved = built(SqueezeExcitation, {"channels": 6, "reduction": 2})
    with torch.no_grad():
        moved.reduce.weight.copy_(se.reduce.weight[:, order])
        moved.expand.weight.copy_(se.expand.weight[order])
        moved.expand.bias.copy_(se.expand.bias[order])
    close(Reordered(moved, order)(x), se(x))
    eca = built(EfficientChannel, ARGUMENTS)
    back = order.argsort()
    close(Reordered(eca, order).g(x), torch.sigmoid(squeeze(x) @ eca.matrix()[back][:, back].T))
    outside = (torch.arange(6)[:, None] - torch.arange(6)).abs() > 1
    assert (eca.matrix()[back][:, back][outside] != 0).any()


def test_a_convolution_takes_up_any_order():
    """A permutation between a convolution and ECA is a permutation of the convolution's filters."""
    x, order = example(c=2), torch.tensor([3, 0, 5, 1, 4, 2])
    conv, gate = nn.Conv2d(2, 6, 3).double(), built(EfficientChannel, ARGUMENTS)
    other = nn.Conv2d(2, 6, 3).double()
    with torch.no_grad():
        other.weight.copy_(conv.weight[order]), other.bias.copy_(conv.bias[order])
    close(Reordered(gate, order)(conv(x))[:, order], gate(other(x)))


# ---------------------------------------------------------------- the networks of its experiment


def weights_of(experiment, name):
    model = experiments_of("channel/efficient_channel")[experiment].variant(name).build()
    return sum(p.numel() for p in model.parameters())


def test_five_matrices_and_their_parameters():
    """Beside the network without a gate: k, c, c c / 4, c c, k c; and those of the rivals."""
    plain = weights_of(0, "no gate")
    added = {v.name: weights_of(0, v.name) - plain for v in WHICH_STREAM.variants}
    wanted = {"k = 1": 1, "diagonal": 32, "blocks": 256, "full matrix": 1024, "SE": 552,
              "ECA-NS": 96, "ECA": 3}  # fmt: skip
    assert {name: added[name] for name in wanted} == wanted
    for name in ("CNN", "deep CNN"):
        assert weights_of(0, name) == pytest.approx(plain, rel=0.05)


WHICH_STREAM = experiments_of("channel/efficient_channel")[0]


def test_blocks_are_a_diagonal_a_full_matrix_or_between():
    x = example()
    for groups in (1, 2, 6):
        module = built(Blocks, {"channels": 6, "groups": groups})
        mask = torch.block_diag(*[torch.ones(6 // groups, 6 // groups)] * groups).bool()
        assert ((jacobian(module, x) != 0) == mask).all()


def test_who_sees_the_cue_in_which_order():
    """As built four maps, all behind the cue's left; opposite: B's from the other side."""
    built_order = torch.arange(32)
    assert informed(built_order, 3) == [5, 13, 21, 29]
    assert informed(built_order, 1) == informed(shielded(), 3) == []
    assert len(informed(opposite(), 3)) == 4
    assert len(informed(between(), 3)) == 8
    assert informed(built_order, 63) == list(OF_A + OF_B)
    for order, side_of_b in ((built_order, -1), (opposite(), 1)):
        place = order.argsort()
        apart = [int(place[c] - place[cue]) for c in informed(order, 3) for cue in CUES]
        sides = {step for step in apart if abs(step) == 1}
        assert sides == {-1, side_of_b}
    for order in (opposite(), between(), shielded(), random_order()):
        assert sorted(order.tolist()) == list(range(32))
    assert sorted(OF_A + OF_B + CUES + NOISE) == list(range(32))


def test_a_shielded_network_never_sees_the_cue():
    """Its answers do not change with it, so no training can help; as built they do."""
    x = torch.rand(2, 4, 8, 8)
    other = torch.cat([x[:, :2], torch.rand(2, 1, 8, 8), x[:, 3:]], dim=1)
    order = experiments_of("channel/efficient_channel")[1]
    for name, blind in (("shielded", True), ("as built", False), ("opposite sides", False)):
        net = order.variant(name).build()
        assert torch.equal(net(x), net(other)) == blind, name
    for name, blind in (("k = 1", True), ("diagonal", True), ("ECA", False)):
        net = WHICH_STREAM.variant(name).build()
        assert torch.equal(net(x), net(other)) == blind, name


def test_recorded_runs_say_what_the_chapter_says():
    """No exchange, no gain; every gate that sees more does better, and so do ordinary networks."""
    recorded = published("channel/efficient_channel")
    found = recorded.compare("which_stream", "ECA")
    for name in ("no gate", "k = 1", "diagonal"):
        assert found[name].summary.high < 0.57
    better = {"blocks": 0.036, "full matrix": 0.055, "SE": 0.059, "mixed SE": 0.06, "CNN": 0.036,
              "deep CNN": 0.058, "ECA-NS": 0.032}  # fmt: skip
    for name, gain in better.items():
        assert found[name].gain.verdict == "clear"
        assert found[name].gain.mean == pytest.approx(gain, abs=1e-3)
    assert found["ECA"].summary.mean == pytest.approx(0.909, abs=1e-3)
    assert found["SE"].summary.mean == pytest.approx(0.969, abs=1e-3)


def test_the_recorded_orders_say_what_the_chapter_says():
    """The other side for B helps; near no map nothing does, unless a layer before it mixes."""
    recorded = published("channel/efficient_channel")
    found = recorded.compare("order", "as built")
    for name in ("opposite sides", "between", "random", "shielded, mixed", "shielded SE"):
        assert found[name].gain.verdict == "clear"
    assert found["opposite sides"].gain.mean == pytest.approx(0.023, abs=1e-3)
    assert found["shielded"].summary.high < 0.57
    beside = recorded.compare("order", "opposite sides")
    assert beside["between"].gain.verdict == "clearly small"
    assert beside["random"].gain.verdict == "no clear effect"
    mixed = recorded.compare("order", "shielded SE")["shielded, mixed"]
    assert mixed.gain.verdict == "clearly small"
    seen = []
    for seed in range(10):
        seed_everything(seed)
        net = experiments_of("channel/efficient_channel")[1].variant("random").build()
        seen.append(len(informed(net.gate.order, 3)))
    assert (min(seen), max(seen)) == (3, 8)
