"""What only Gather-Excite promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.backbones import ResNet50
from attncourse.channel import GatherExcite, SqueezeExcitation
from attncourse.channel.gather_excite import (
    CARD,
    excite,
    gather_excite_reference,
    gather_mean,
    spread,
)
from attncourse.experiments import experiments_of, published
from attncourse.experiments.channel.gather_excite import ConvolvedGate, ScaledMean
from attncourse.layers import as_affine
from attncourse.measure import count_macs
from tests.channel.test_squeeze_excitation import golden_input
from tests.contract.specimen import Specimen, built, close

GLOBAL = {"channels": 3, "extent": None, "size": (4, 5)}
FORMS = (
    {"channels": 3, "extent": 2},
    {"channels": 3, "extent": 4},
    {"channels": 3, "extent": 2, "learned": False},
    {"channels": 3, "extent": 3, "learned": False},
    {"channels": 3, "extent": None, "learned": False},
    GLOBAL,
    {"channels": 3, "extent": 2, "mlp": True, "reduction": 1},
    {**GLOBAL, "mlp": True, "reduction": 1},
)


def example(seed=0, b=2, c=3, h=4, w=5):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def affine(conv, norm):
    """What follows a convolution as a scale and a shift of each channel."""
    if isinstance(norm, nn.BatchNorm2d):
        factor, shift = as_affine(norm)
        return (factor, shift) if conv.bias is None else (factor, shift + factor * conv.bias)
    return torch.ones_like(conv.bias), conv.bias


def reference(m, x):
    steps = [(c.weight[:, 0], *affine(c, n)) for c, n in zip(m.convs, m.norms, strict=True)]
    layers = None
    if m.mlp:
        layers = (m.reduce.weight[:, :, 0, 0], m.reduce.bias,
                  m.expand.weight[:, :, 0, 0], m.expand.bias)  # fmt: skip
    return gather_excite_reference(x, m.extent, steps, layers, rectify=m.learned)


def influence(module, x, c, u, v):
    """Which inputs the gate of cell (u, v) in channel c depends on, (c, h, w)."""
    x = x[:1].clone().requires_grad_()
    (slope,) = torch.autograd.grad(module.g(x)[0, c, u, v], x)
    return slope[0].abs() > 1e-14


# ---------------------------------------------------------------- promises


def golden_values(make):
    """The facts' global gates of the shared input, and its means over windows of three."""
    wanted = torch.tensor([0.667097, 0.503391, 0.336166, 0.321075], dtype=torch.float64)
    close(make(4, None, learned=False).g(golden_input()).flatten(), wanted, atol=1e-6)
    wanted = torch.tensor([[0.942984, 0.933637], [0.774831, 0.538239]], dtype=torch.float64)
    close(make(4, 2, learned=False).g(golden_input())[0, 0].logit(), wanted, atol=1e-6)


def every_form_equals_the_reference(make):
    """Global forms too, which are tied to a size, and without normalisation."""
    for arguments in (*FORMS, *({**a, "norm": False} for a in (FORMS[0], GLOBAL))):
        module, x = built(make, arguments), example()
        close(module(x), reference(module, x))


def nothing_is_learned_without_learning(make):
    """Theta minus has no parameter at any extent."""
    for extent in (1, 2, 3, 7, None):
        assert not list(make(5, extent, learned=False).parameters())


def one_position_is_silu(make):
    """At 1 x 1, and with an extent of 1 at any size, theta minus is x sigmoid(x)."""
    point, x = example(h=1, w=1), example()
    for extent in (1, 2, 4, None):
        close(make(3, extent, learned=False)(point), F.silu(point))
    close(make(3, 1, learned=False)(x), F.silu(x))


def borders_are_averaged_over_what_is_there(make):
    """A constant channel k becomes k sigmoid(k) everywhere, whatever hangs over the border."""
    constant = torch.tensor([-1.5, 0.5, 3.0], dtype=torch.float64)[None, :, None, None]
    for size in ((4, 4), (5, 7), (3, 2), (1, 6)):
        x = constant.expand(2, 3, *size).contiguous()
        for extent in (2, 3, 4, None):
            close(make(3, extent, learned=False)(x), F.silu(x))


def the_window_reaches_e_minus_1(make):
    """A gate sees 2 e - 1 positions a side of its own channel, mean or learned alike."""
    x = example(h=11, w=9).abs() + 0.1
    i, j = torch.arange(11)[:, None], torch.arange(9)
    for options in ({"learned": False}, {"norm": False}):
        for extent in (2, 4):
            module = built(make, {"channels": 3, "extent": extent}, **options)
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.abs_()  # no ReLU asleep
            for u, v in ((0, 0), (1, 1), (2, 2)):
                seen = influence(module, 0.1 * x, 1, u, v)
                inside = ((i - extent * u).abs() < extent) & ((j - extent * v).abs() < extent)
                assert torch.equal(seen[1], inside)
                assert not seen[[0, 2]].any()


def only_theta_plus_hears_other_channels(make):
    x = example().abs()
    for arguments in FORMS:
        module = built(make, arguments)
        if module.mlp:
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.abs_()
        seen = influence(module, x, 0, 0, 0).any(dim=(1, 2))
        assert seen.tolist() == [True, module.mlp, module.mlp]


def theta_plus_of_means_is_squeeze_and_excitation(make):
    """Global mean and two layers: SE with the same weights, forward and backward."""
    module = built(make, {"channels": 6, "extent": None}, learned=False, mlp=True, reduction=2)
    se = SqueezeExcitation(6, 2).double()
    with torch.no_grad():
        for one, other in zip(se.parameters(), module.parameters(), strict=True):
            one.copy_(other.view_as(one))
    found = []
    for block in (module, se):
        x = example(3, c=6).requires_grad_()
        y = block(x)
        y.backward(example(4, c=6))
        found.append([y.detach(), x.grad, *(p.grad.flatten() for p in block.parameters())])
    for one, other in zip(*found, strict=True):
        close(one, other)


def a_flat_kernel_is_the_mean(make):
    """Without normalisation a kernel of 1 / (h w) makes theta minus of theta."""
    module, x = make(**GLOBAL, norm=False).double(), example()
    with torch.no_grad():
        module.convs[0].weight.fill_(1 / 20)
        module.convs[0].bias.zero_()
    close(module(x), make(3, None, learned=False)(x))


def excite_adds_up_over_cells(make):
    """The gradient at a gate is the sum of x dL/dy over the positions of its cell."""
    for h, w, extent in ((4, 6, 2), (5, 7, 2), (7, 5, 3), (4, 6, None)):
        module, x, upstream = (
            make(3, extent, learned=False),
            example(1, h=h, w=w),
            example(2, h=h, w=w),
        )
        s = module.g(x).requires_grad_()
        (found,) = torch.autograd.grad(module.f(s, x), s, upstream)
        n, m = s.shape[2:]
        wanted = torch.zeros_like(s)
        for i in range(h):
            for j in range(w):
                wanted[:, :, i * n // h, j * m // w] += (upstream * x)[:, :, i, j]
        close(found, wanted)


def cells_are_e_by_e(make):
    """Where e divides the sides, gates are constant on cells of e x e and differ between them."""
    for extent in (2, 3, 4):
        module, x = make(3, extent, learned=False), example(h=12, w=24)
        gate = module.f(module.g(x), torch.ones_like(x))
        cells = gate.unflatten(3, (-1, extent)).unflatten(2, (-1, extent))
        close(cells, cells[:, :, :, :1, :, :1].expand_as(cells), atol=0, rtol=0)
        assert (gate[:, :, extent:] != gate[:, :, :-extent]).all()


def uneven_sides_keep_every_gate(make):
    """Every gate acts somewhere, in order, and cells differ by at most one row."""
    for h in range(1, 25):
        for extent in (2, 3, 4, 8):
            x = torch.ones(1, 1, h, 1, dtype=torch.float64)
            n = -(-h // extent)
            s = torch.arange(n, dtype=torch.float64).view(1, 1, n, 1)
            rows = make(1, extent, learned=False).f(s, x).flatten()
            assert rows.tolist() == [i * n // h for i in range(h)]
            assert set(rows.tolist()) == set(range(n))
            counts = torch.bincount(rows.long())
            assert counts.max() - counts.min() <= 1


def a_shift_by_e_shifts_gates_by_a_cell(make):
    """Away from the border; by less than e it changes them."""
    for options in ({"learned": False}, {}):
        module, x = built(make, {"channels": 3, "extent": 2}, **options), example(h=12, w=12)
        gates = module.g(x)[:, :, 1:-2, 1:-2]
        close(module.g(x.roll((2, 2), (2, 3)))[:, :, 2:-1, 2:-1], gates)
        assert (module.g(x.roll(1, 2))[:, :, 1:-2, 1:-2] - gates).abs().max() > 1e-3


def a_global_kernel_fits_one_size(make):
    """Another size is refused by name; finite extents and means take all."""
    module = built(make, GLOBAL)
    for size in ((5, 4), (8, 10), (4, 4)):
        with pytest.raises(ValueError, match=r"kernels of the size of the map, size=\(4, 5\): "):
            module(example(h=size[0], w=size[1]))
        for arguments in (FORMS[0], FORMS[4]):
            assert built(make, arguments)(example(h=size[0], w=size[1])).isfinite().all()


def one_value_a_channel_is_refused_in_training(make):
    """Where a step leaves one cell of one image; in use it is fine."""
    for arguments in (FORMS[1], GLOBAL):
        module, x = built(make, arguments).train(), example(b=1)
        x = x[:, :, :4, :4] if module.size is None else x
        with pytest.raises(ValueError, match=r"in training mode: .*\.norms\[\d\] would have one"):
            module(x)
        assert module.eval()(x).shape == x.shape


class TheirBranch(nn.Module):
    """The released prototxts: Convolution, BatchNorm, then Sigmoid or ReLU and an MLP, and Axpy."""

    def __init__(self, size, channels, hidden):
        super().__init__()
        self.kernel = nn.Parameter(torch.zeros(channels, *size))
        self.bn = nn.BatchNorm1d(channels)
        self.down = nn.Linear(channels, hidden) if hidden else None
        self.up = nn.Linear(hidden, channels) if hidden else None

    def forward(self, x):
        z = self.bn(torch.einsum("bchw,chw->bc", x, self.kernel))
        if self.down is not None:
            z = self.up(self.down(z.relu()).relu())
        return torch.einsum("bchw,bc->bchw", x, 1 / (1 + (-z).exp()))


def equals_the_released_layout(make):
    """Theta and theta plus, forward, every gradient and statistics, in training and in use."""
    for mlp in (False, True):
        for mode in (True, False):
            module = built(make, {**GLOBAL, "mlp": mlp, "reduction": 1}).train(mode)
            theirs = TheirBranch((4, 5), 3, 3 if mlp else 0).double().train(mode)
            with torch.no_grad():
                for one, other in zip(theirs.parameters(), module.parameters(), strict=True):
                    one.copy_(other.view_as(one))
            for one, other in zip(theirs.buffers(), module.buffers(), strict=True):
                one.copy_(other)
            found = []
            for block in (module, theirs):
                x = example(5, b=4).requires_grad_()
                y = block(x)
                y.backward(example(6, b=4))
                found.append([y.detach(), x.grad, *(p.grad.flatten() for p in block.parameters())])
            for one, other in zip(*found, strict=True):
                close(one, other)
            for one, other in zip(theirs.buffers(), module.buffers(), strict=True):
                close(one, other)


def finite_form(module, x):
    """The same by patches: unfold, a product with each kernel, cells by repetition and a cut."""
    z = x
    for number, (conv, norm) in enumerate(zip(module.convs, module.norms, strict=True)):
        z = z.relu() if number else z
        b, c, h, w = z.shape
        patches = F.unfold(z, 3, padding=1, stride=2).view(b, c, 9, -1)
        z = torch.einsum("bckn,ck->bcn", patches, conv.weight.flatten(1))
        z = norm(z.view(b, c, (h + 1) // 2, (w + 1) // 2))
    e = module.extent
    return x * torch.kron(torch.sigmoid(z), x.new_ones(e, e))


def equals_patches_and_repetition(make):
    """Finite extents that divide the sides, in training and in use, forward and backward."""
    for extent in (2, 4):
        for mode in (True, False):
            found = []
            for form in (lambda m, x: m(x), finite_form):
                module = built(make, {"channels": 3, "extent": extent}).train(mode)
                x = example(7, h=8, w=4).requires_grad_()
                y = form(module, x)
                y.backward(example(8, h=8, w=4))
                found.append([y.detach(), x.grad, *(p.grad for p in module.parameters()),
                              *module.buffers()])  # fmt: skip
            for one, other in zip(*found, strict=True):
                close(one, other)


PROMISES = (
    golden_values, every_form_equals_the_reference, nothing_is_learned_without_learning,
    one_position_is_silu, borders_are_averaged_over_what_is_there, the_window_reaches_e_minus_1,
    only_theta_plus_hears_other_channels, theta_plus_of_means_is_squeeze_and_excitation,
    a_flat_kernel_is_the_mean, excite_adds_up_over_cells, cells_are_e_by_e,
    uneven_sides_keep_every_gate, a_shift_by_e_shifts_gates_by_a_cell,
    a_global_kernel_fits_one_size, one_value_a_channel_is_refused_in_training,
    equals_the_released_layout, equals_patches_and_repetition,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class PaddingCounts(GatherExcite):
    """Means that count the zeros beyond the border."""

    def gather(self, x):
        if self.learned or self.extent is None:
            return super().gather(x)
        return F.avg_pool2d(x, 2 * self.extent - 1, self.extent, self.extent - 1)


class CellMeans(GatherExcite):
    """Means over the cells themselves, which do not overlap."""

    def gather(self, x):
        if self.learned or self.extent is None:
            return super().gather(x)
        return F.avg_pool2d(x, self.extent, self.extent, ceil_mode=True)


class Floors(GatherExcite):
    """Drops what is left over at the lower and right border."""

    def gather(self, x):
        if self.learned or self.extent is None or min(x.shape[2:]) < self.extent:
            return super().gather(x)
        return super().gather(x)[:, :, : x.shape[2] // self.extent, : x.shape[3] // self.extent]


class Bilinear(GatherExcite):
    """Smooth gates: no longer constant on a cell."""

    def f(self, weights, x):
        return x * F.interpolate(weights.to(x.dtype), size=x.shape[2:], mode="bilinear")


class Transposed(GatherExcite):
    """Rows and columns of the gates exchanged."""

    def f(self, weights, x):
        return super().f(weights.mT.contiguous(), x)


class NoSigmoid(GatherExcite):
    """What is gathered, as it is (known error C12)."""

    def g(self, x):
        return torch.logit(super().g(x))


class RectifiesTheLast(GatherExcite):
    """A ReLU after the last step of theta: no gate below one half."""

    def gather(self, x):
        z = super().gather(x)
        return z.relu() if self.learned else z


class NeverRectifies(GatherExcite):
    """No ReLU between the steps."""

    def gather(self, x):
        if not self.learned:
            return super().gather(x)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x))
        return x


class NoReluBeforeTheLayers(GatherExcite):
    """Theta plus without the ReLU behind its gather (known error C38)."""

    def g(self, x):
        if not (self.mlp and self.learned):
            return super().g(x)
        return torch.sigmoid(self.expand(self.reduce(self.gather(x)).relu()))


class ReluBeforeSE(GatherExcite):
    """A ReLU on the means too: no longer SE."""

    def gather(self, x):
        z = super().gather(x)
        return z.relu() if self.mlp and not self.learned else z


class Residual(GatherExcite):
    """x + s x, which cannot suppress (known error C3)."""

    def f(self, weights, x):
        return x + super().f(weights, x)


class BatchMean(GatherExcite):
    """Gathers over the batch as well (known error C4)."""

    def gather(self, x):
        z = super().gather(x)
        return z.mean(dim=0, keepdim=True).expand_as(z)


class Detached(GatherExcite):
    """Gates that carry no gradient to x."""

    def g(self, x):
        return super().g(x.detach())


class SumInPlaceOfTheMean(GatherExcite):
    """The global squeeze is a sum."""

    def gather(self, x):
        if self.learned or self.extent is not None:
            return super().gather(x)
        return x.sum(dim=(2, 3), keepdim=True)


class AnySize(GatherExcite):
    """A kernel larger than it should be is slid over the map without a word."""

    def validate(self, x):
        size, self.size = self.size, None
        try:
            super().validate(x)
        finally:
            self.size = size


class MixesChannels(GatherExcite):
    """The channels of a cell share what they gathered."""

    def gather(self, x):
        z = super().gather(x)
        return z + 0.1 * z.mean(dim=1, keepdim=True)


MUTANTS = (
    PaddingCounts, CellMeans, Floors, Bilinear, Transposed, NoSigmoid, RectifiesTheLast,
    NeverRectifies, NoReluBeforeTheLayers, ReluBeforeSE, Residual, BatchMean, Detached,
    SumInPlaceOfTheMean, AnySize, MixesChannels,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        {"channels": 3, "extent": 2},
        {"channels": 3, "extent": 2, "learned": False},
        {"channels": 2, "mlp": True, "reduction": 1},
        {"channels": 2, "extent": None, "learned": False, "mlp": True, "reduction": 1},
    ),
    reference=reference,
    promises=PROMISES,
    starts=(
        (
            {"channels": 64},
            {
                "convs.*.weight": ("normal", (2 / 9) ** 0.5),
                "norms.*.weight": ("constant", 1.0),
                "norms.*.bias": ("constant", 0.0),
            },
        ),
        (
            {"channels": 64, "extent": None, "size": (4, 5), "norm": False, "mlp": True,
             "reduction": 4},
            {
                "convs.*.weight": ("normal", (2 / 20) ** 0.5),
                "*.bias": ("constant", 0.0),
                "reduce.weight": ("normal", 0.01),
                "expand.weight": ("normal", 0.01),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "extent": 2},
        {"channels": 1, "extent": 1, "learned": False},
        {"channels": 1, "extent": 2, "norm": False, "mlp": True, "reduction": 1},
    ),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 7, "extent": 2, "norm": False},
        {"channels": 5, "extent": 3, "learned": False},
        {"channels": 16, "extent": 8, "mlp": True, "reduction": 4},
        {"channels": 16, "extent": None, "learned": False, "mlp": True},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 4, "extent": 0}, "extent=0 must be at least 1, or None"),
        ({"channels": 4, "extent": 6}, "extent=6 is no power of two"),
        ({"channels": 4, "extent": 1}, "extent=1 is no power of two"),
        ({"channels": 4, "extent": None}, "size=None: .*pass it as size="),
        ({"channels": 4, "size": (7, 7)}, r"size=\(7, 7\) has no use here"),
        ({"channels": 4, "extent": None, "size": (7, 0)}, r"size=\(7, 0\) must be the two sides"),
        ({"channels": 4, "mlp": True}, "reduction=16 leaves no hidden unit"),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of its own

SIDES = {256: 56, 512: 28, 1024: 14, 2048: 7}


def test_resnet_50_grows_by_the_counts_of_the_facts():
    """0, 5,519,360 + 30,208, and with SE's layers 33,637,592 in all."""
    for options, wanted in (
        ({"learned": False}, 25_557_032),
        ({}, 31_106_600),
        ({"mlp": True}, 33_637_592),
    ):
        with torch.device("meta"):
            net = ResNet50(
                lambda c, o=options: GatherExcite(
                    c, None, size=(SIDES[c],) * 2 if o.get("learned", True) else None, **o
                )
            )
        assert sum(p.numel() for p in net.parameters()) == wanted


def test_global_multiply_adds():
    """The card's count where the map has one size, which the suite cannot vary."""
    for mlp in (False, True):
        arguments = {"channels": 16, "extent": None, "size": (4, 5), "mlp": mlp, "reduction": 4}
        module = GatherExcite(**arguments).eval()
        assert count_macs(module, torch.zeros(1, 16, 4, 5)) == CARD.macs(4, 5, **arguments)
        assert sum(p.numel() for p in module.parameters()) == CARD.parameters(**arguments)


def test_every_form_has_its_derivatives():
    for arguments in FORMS:
        module, x = built(GatherExcite, arguments), example(b=1).requires_grad_()
        assert torch.autograd.gradcheck(module, (x,), fast_mode=True)
        assert torch.autograd.gradgradcheck(module, (x,), fast_mode=True)


def test_repr_says_what_differs():
    assert GatherExcite(64).extra_repr() == "64"
    text = GatherExcite(8, None, size=(7, 7), mlp=True, reduction=2, norm=False).extra_repr()
    assert text == "8, extent=None, mlp=True, reduction=2, size=(7, 7), norm=False"


def test_half_precision_gathers_in_single():
    """A sum of 4,096 large values passes float16; the mean is right all the same."""
    x = torch.full((1, 1, 64, 64), 60.0, dtype=torch.float16)
    for extent in (None, 16):
        z = gather_mean(x, extent)
        assert z.dtype == torch.float32
        close(z, torch.full_like(z, 60.0))


def test_one_gate_for_the_map_is_not_spread():
    s, x = example(h=1, w=1), example()
    close(excite(s, x), spread(s, (4, 5)) * x)


# ---------------------------------------------------------------- the networks of its experiment

LOCAL = experiments_of("channel/gather_excite")[0]


def copies(seed=0):
    return torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_the_gates_of_the_experiment_cost_what_is_said():
    """Beside the network without a gate: two numbers a channel, 11 a step, 64 + 2 a global one."""
    weights = {v.name: sum(p.numel() for p in v.build().parameters()) for v in LOCAL.variants}
    plain = weights["no gate"]
    added = {name: number - plain for name, number in weights.items()}
    wanted = {
        "θ⁻, e = 4": 0, "θ⁻, e = 4, turned": 0, "θ⁻, e = 4, times 4": 0,
        "θ⁻, global, turned": 0, "mean, scaled, e = 4": 16, "own mean, scaled, e = 4": 16,
        "θ, e = 2": 88, "θ, e = 4": 176, "θ, e = 8": 264, "θ, global": 8 * 66,
        "θ, e = 4, no norm": 160, "3x3 gate": 88, "3x3 gate, all channels": 592,
    }  # fmt: skip
    assert {name: added[name] for name in wanted} == wanted
    assert weights["CNN"] == pytest.approx(plain, rel=0.2)


def test_a_scaled_mean_is_theta_minus_behind_its_scale():
    x = copies()
    for own in (False, True):
        gate = ScaledMean(8, 4, own=own).eval()
        with torch.no_grad():
            gate.norm.weight.fill_(-2.0), gate.norm.bias.fill_(0.5)
            z = F.avg_pool2d(x, 4) if own else gather_mean(x, 4)
            s = torch.sigmoid(0.5 - 2 * z / (1 + gate.norm.eps) ** 0.5)
            torch.testing.assert_close(gate(x), x * spread(s, (8, 8)))


def test_a_channel_whose_factor_is_zero_is_silent_behind_theta_minus_alone():
    """The hurdle between the signs: no such thing for a scale between mean and sigmoid."""
    x = copies()
    net = LOCAL.variant("θ⁻, e = 4").build()
    affine, gate = net.gate
    nn.init.zeros_(affine.factor)
    assert not gate(affine(x)).any()
    scaled = ScaledMean(8, 4).eval()
    nn.init.zeros_(scaled.norm.weight)
    torch.testing.assert_close(scaled(x), x / 2)


def test_the_turned_gate_shuts_what_is_bright():
    x = torch.full((1, 8, 8, 8), 0.1)
    x[:, :, :4, :4] = 0.5
    for name, sign in (("θ⁻, e = 4", 1), ("θ⁻, e = 4, turned", -1), ("θ⁻, e = 4, times 4", 1)):
        affine, gate = LOCAL.variant(name).build().gate
        s = gate.g(affine(x))[0, 0]
        assert (sign * (s[0, 0] - s[1, 1]) > 0.01).item(), name


def test_convolved_gates_see_one_channel_or_all():
    for groups, heard in ((8, 1), (1, 8)):
        gate, x = ConvolvedGate(8, groups).eval(), copies().requires_grad_()
        (slope,) = torch.autograd.grad(gate(x)[0, 0, 4, 4], x)
        assert slope[0].abs().sum(dim=(1, 2)).gt(0).sum() == heard


def test_recorded_runs_say_what_the_chapter_says():
    """The region, the sign, the window, in this order; and ordinary networks do as well."""
    recorded = published("channel/gather_excite")
    found = recorded.compare("local_corruption", "θ, e = 4")
    means = {"no gate": 0.814, "θ, e = 4": 0.971, "θ, e = 2": 0.960, "θ⁻, e = 4, turned": 0.960,
             "θ⁻, global, turned": 0.848, "mean, scaled, e = 4": 0.945, "θ⁺, e = 4": 0.946,
             "own mean, scaled, e = 4": 0.970, "CNN": 0.965, "3x3 gate, all channels": 0.965,
             "CNN, 3x3": 0.940}  # fmt: skip
    for name, mean in means.items():
        assert found[name].summary.mean == pytest.approx(mean, abs=6e-4), name
    for name in ("SE", "θ, e = 8", "θ, global", "θ⁻, e = 4", "θ⁻, e = 4, times 4", "votes",
                 "θ⁻, global, turned", "mean, scaled, e = 4", "θ⁺, e = 4", "CNN, 3x3"):  # fmt: skip
        assert found[name].gain.verdict == "clear", name
    for name in ("own mean, scaled, e = 4", "θ, e = 4, no norm"):
        assert found[name].gain.verdict == "clearly small", name
    for name in ("CNN", "3x3 gate, all channels", "θ, e = 2", "θ⁻, e = 4, turned"):
        assert found[name].gain.verdict == "no clear effect", name
    plain = recorded.compare("local_corruption", "no gate")
    assert plain["θ, e = 8"].gain.mean == pytest.approx(0.026, abs=6e-4)
    for name in ("θ⁻, e = 4", "θ⁻, e = 4, times 4"):
        assert plain[name].gain.verdict == "clearly small", name
    window = recorded.compare("local_corruption", "mean, scaled, e = 4")
    assert window["own mean, scaled, e = 4"].gain.verdict == "clear"
