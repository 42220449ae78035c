"""What only coordinate attention, triplet attention and SimAM promise, and their mutants."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.channel.squeeze_excitation import squeeze
from attncourse.channel_spatial import (
    ConvolutionalBlockAttention,
    CoordinateAttention,
    SimpleAttention,
    TripletAttention,
)
from attncourse.channel_spatial.coordinate_attention import (
    CARD,
    SIMAM_CARD,
    TRIPLET_CARD,
    coordinate_attention_reference,
    least_energy,
    parameter_count,
    simple_attention_reference,
    triplet_attention_reference,
    triplet_parameters,
)
from attncourse.channel_spatial.coordinate_attention.module import lines
from attncourse.channel_spatial.coordinate_attention.triplet import view
from attncourse.layers import as_affine
from tests.contract.specimen import Specimen, built, close, of_torch

LINES = {"channels": 4, "reduction": 2, "least_hidden": 1}
SIDES = {"channels": 4, "kernel_size": 3}
CLEAN = 1e-300  # a ridge that changes nothing in float64


def example(seed=0, b=2, c=4, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def line_layer(conv):
    return conv.weight[..., 0], conv.bias


def lines_reference(m, x):
    return coordinate_attention_reference(
        x, line_layer(m.reduce), as_affine(m.norm), line_layer(m.of_rows), line_layer(m.of_columns)
    )


def sides_reference(m, x):
    return triplet_attention_reference(x, [c.weight for c in m.convs], [*map(as_affine, m.norms)])


def with_zeros(module, *layers):
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    return module


def same_in_both_modes(make, arguments, theirs):
    """Values and all gradients of another layout, on features with ties, in both modes."""
    for train in (False, True):
        found = []
        for layout in (lambda m: m, theirs):
            ours = built(make, arguments).train(train)
            x = example(5).clamp(min=0).requires_grad_()
            y = layout(ours)(x)
            y.backward(example(8))
            found.append([y.detach(), x.grad, *(p.grad for p in ours.parameters())])
        for one, other in zip(*found, strict=True):
            close(one, other)


ROWS, COLUMNS = torch.tensor([2, 0, 3, 1]), torch.tensor([1, 2, 0])

# ---------------------------------------------------------------- coordinate attention


def gates_are_outer_products(make):
    """(5): y / x of every channel is of rank one in rows and columns, and lies in (0, 1)."""
    x, module = example(), built(make, LINES)
    gate = module(x) / x
    assert gate.min() > 0
    assert gate.max() < 1
    singular = torch.linalg.svdvals(gate)
    assert (singular[..., 1] < 1e-12).all()
    assert (singular[..., 0] > 0.1).all()


def a_quarter_at_zero(make):
    """Last layers at zero leave exactly a quarter of x."""
    module = built(make, LINES)
    close(with_zeros(module, module.of_rows, module.of_columns)(example()), example() / 4,
          atol=0, rtol=0)  # fmt: skip


def rows_may_change_places(make):
    """Rows in another order: their gates go with them, those of columns stay."""
    x = example()
    for train in (False, True):
        module = built(make, LINES).train(train)
        p, q = module.g(x)
        p_moved, q_moved = module.g(x[:, :, ROWS][..., COLUMNS])
        close(p_moved, p[..., ROWS])
        close(q_moved, q[..., COLUMNS])
        shuffled = x.flatten(2)[..., torch.randperm(12)].view_as(x)
        assert (module.g(shuffled)[0] - p).abs().max() > 1e-3


def turning_swaps_the_last_layers(make):
    """The transposed picture, with the two last layers exchanged, gives the transposed output."""
    x, module = example(), built(make, LINES)
    wanted = module(x)
    module.of_rows, module.of_columns = module.of_columns, module.of_rows
    close(module(x.mT).mT, wanted)


def lines_hold_what_se_sees(make):
    """The mean over rows of row means, and over columns of column means, is SE's number."""
    z = lines(example())
    close(z[..., :4].mean(dim=2), squeeze(example()))
    close(z[..., 4:].mean(dim=2), squeeze(example()))
    flat = example(w=1).expand(2, 4, 4, 3).contiguous()
    q = built(make, LINES).g(flat)[1]
    close(q, q[..., :1].expand_as(q))


def golden_lines(make):
    """One channel, all layers the identity: sigmoid(psi(mean)) for every line."""
    module = built(make, {"channels": 1, "reduction": 1, "least_hidden": 1})
    with torch.no_grad():
        for layer in (module.reduce, module.of_rows, module.of_columns):
            nn.init.ones_(layer.weight), nn.init.zeros_(layer.bias)
        module.norm.reset_parameters()
    module.norm.eps = 0.0
    p, q = module.g(torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]], dtype=torch.float64))
    # means of rows 1 and 5, of columns 2 and 4: psi = 2/3, 5, 5/3, 4
    close(p, torch.sigmoid(torch.tensor([[[2 / 3, 5.0]]], dtype=torch.float64)))
    close(q, torch.sigmoid(torch.tensor([[[5 / 3, 4.0]]], dtype=torch.float64)))


class TheirLines(nn.Module):
    """The released layout: pooled to one column and to one row, a turned concatenation, 1x1."""

    def __init__(self, ours):
        super().__init__()
        self.ours = ours

    def forward(self, x):
        ours, (h, w) = self.ours, x.shape[2:]
        of_h = F.adaptive_avg_pool2d(x, (h, 1))
        of_w = F.adaptive_avg_pool2d(x, (1, w)).permute(0, 1, 3, 2)
        conv = lambda z, layer: F.conv2d(z, layer.weight[..., None], layer.bias)  # noqa: E731
        u = conv(torch.cat([of_h, of_w], dim=2), ours.reduce)
        u = ours.norm(u[..., 0])[..., None]
        u = u * F.relu6(u + 3) / 6
        u_h, u_w = torch.split(u, [h, w], dim=2)
        a_h = conv(u_h, ours.of_rows).sigmoid()
        a_w = conv(u_w.permute(0, 1, 3, 2), ours.of_columns).sigmoid()
        return x * a_w * a_h


def equals_the_released_lines(make):
    same_in_both_modes(make, LINES, TheirLines)


class Lines(CoordinateAttention):
    """The steps apart, to be replaced one by one."""

    def look(self, x):
        return lines(x)

    def bend(self, t):
        return F.hardswish(t)

    def normal(self, z, rows):
        return self.norm(z)

    def squash(self, t):
        return torch.sigmoid(t)

    def layers(self):
        return self.of_rows, self.of_columns

    def g(self, x):
        rows = x.shape[2]
        u = self.bend(self.normal(self.reduce(self.look(x)), rows))
        of_rows, of_columns = self.layers()
        return self.squash(of_rows(u[..., :rows])), self.squash(of_columns(u[..., rows:]))


class NoSigmoids(Lines):
    """Both sigmoids are missing (known error C12)."""

    def squash(self, t):
        return t


class Rectified(Lines):
    """A ReLU in place of the hard swish (known error C12)."""

    def bend(self, t):
        return F.relu(t)


class Smooth(Lines):
    """The swish itself, t sigmoid(t)."""

    def bend(self, t):
        return F.silu(t)


class NotNormalised(Lines):
    """The normalisation is there and not used."""

    def normal(self, z, rows):
        return z


class NormalisedApart(Lines):
    """Rows and columns are normalised one after the other: batch statistics of their own."""

    def normal(self, z, rows):
        return torch.cat([self.norm(z[..., :rows]), self.norm(z[..., rows:])], dim=2)


class Exchanged(Lines):
    """The layer of the columns judges rows."""

    def layers(self):
        return self.of_columns, self.of_rows


class OneLayer(Lines):
    """One layer for both."""

    def layers(self):
        return self.of_rows, self.of_rows


class LargestOfLines(Lines):
    """Largest values in place of means."""

    def look(self, x):
        return torch.cat([x.amax(dim=3), x.amax(dim=2)], dim=2)


class SumsOfLines(Lines):
    """Sums in place of means: they grow with the map."""

    def look(self, x):
        return torch.cat([x.sum(dim=3), x.sum(dim=2)], dim=2)


class GatesAdded(CoordinateAttention):
    """The mean of the two gates in place of their product."""

    def f(self, weights, x):
        p, q = weights
        return x * (p[..., None] + q[:, :, None]) / 2


class KeepsTheInput(CoordinateAttention):
    """x is added inside the block."""

    def f(self, weights, x):
        return x + super().f(weights, x)


class ColumnsForgotten(CoordinateAttention):
    """The fused form gates rows alone."""

    def attend(self, x):
        return x * self.g(x)[0][..., None]


# ---------------------------------------------------------------- triplet attention


def a_half_at_zero(make):
    """Normalisations at zero leave exactly a half of x, of three views and of two."""
    for spatial in (True, False):
        module = built(make, SIDES, spatial=spatial)
        close(with_zeros(module, *module.norms)(example()), example() / 2)


def gates_are_gates(make):
    """Between 0 and 1, on both sides of a half; y keeps the sign of x and is no larger."""
    x, module = example(3), built(make, SIDES)
    y, gates = module(x, need_weights=True)
    assert len(gates) == 3
    for m in gates:
        assert m.min() > 0
        assert m.max() < 1
    assert min(m.min() for m in gates) < 0.45
    assert max(m.max() for m in gates) > 0.55
    assert (y * x > 0).all()
    assert (y.abs() < x.abs()).all()


def the_front_view_is_cbam_s(make):
    """m3 is CBAM's gate of positions with the same kernel and normalisation, in both modes."""
    for train in (False, True):
        ours = built(make, SIDES).train(train)
        cbam = ConvolutionalBlockAttention(4, 2, kernel_size=3).double().train(train)
        cbam.conv, cbam.norm = ours.convs[2], ours.norms[2]
        close(ours.g(example())[2], cbam.judge_positions(example()))


def channels_have_an_order(make):
    """Channels renamed: m3 does not notice; the two others do, except to a kernel of one."""
    x, order = example(), torch.tensor([2, 0, 3, 1])
    m1, m2, m3 = built(make, SIDES).g(x)
    n1, n2, n3 = built(make, SIDES).g(x[:, order])
    close(n3, m3)
    assert (n1 - m1[:, order]).abs().max() > 1e-2
    assert (n2 - m2[..., order]).abs().max() > 1e-2
    one = built(make, SIDES | {"kernel_size": 1})
    close(one(x[:, order]), one(x)[:, order])


def turning_swaps_two_views(make):
    """The transposed picture with turned kernels, the first two views exchanged."""
    x, module = example(), built(make, SIDES)
    wanted = module(x)
    for conv in module.convs:
        conv.weight.data = conv.weight.data.mT.contiguous()
    module.convs[0], module.convs[1] = module.convs[1], module.convs[0]
    module.norms[0], module.norms[1] = module.norms[1], module.norms[0]
    close(module(x.mT).mT, wanted)


def golden_sides(make):
    """One channel of 0 and 2, 4 and 6, a kernel of one that adds: sigmoid(max + mean)."""
    module = built(make, {"channels": 1, "kernel_size": 1})
    for conv, norm in zip(module.convs, module.norms, strict=True):
        nn.init.constant_(conv.weight, 0.25), norm.reset_parameters()
        norm.eps = 0.0
    x = torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]], dtype=torch.float64)
    m1, m2, m3 = module.g(x)
    close(m1, torch.sigmoid(torch.tensor([[[4 + 2.0, 6 + 4.0]]], dtype=torch.float64) / 4))
    close(m2, torch.sigmoid(torch.tensor([[[2 + 1.0], [6 + 5.0]]], dtype=torch.float64) / 4))
    close(m3, torch.sigmoid(x[:, 0] / 2))


class TheirSides(nn.Module):
    """The released layout: the whole of x is turned, pooled over axis 1, gated, turned back."""

    def __init__(self, ours):
        super().__init__()
        self.ours = ours

    def gated(self, place, x):
        two = torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)
        return x * torch.sigmoid(self.ours.norms[place](self.ours.convs[place](two)))

    def forward(self, x):
        turned = x.permute(0, 2, 1, 3).contiguous()
        one = self.gated(0, turned).permute(0, 2, 1, 3).contiguous()
        turned = x.permute(0, 3, 2, 1).contiguous()
        two = self.gated(1, turned).permute(0, 3, 2, 1).contiguous()
        if len(self.ours.norms) == 2:
            return 0.5 * (one + two)
        return (self.gated(2, x) + one + two) / 3


def equals_the_released_sides(make):
    same_in_both_modes(make, SIDES, TheirSides)
    same_in_both_modes(make, SIDES | {"spatial": False}, TheirSides)


def refuses_one_value(make):
    """Batch normalisation of one value is refused in training, view by view."""
    one = example(b=1, c=1, h=1, w=3)
    with pytest.raises(ValueError, match=r"\.norms\[1\]"):
        make(1, 3).double()(one)
    make(1, 3).double().eval()(one)


class Sides(TripletAttention):
    """The steps apart, to be replaced one by one."""

    def look(self, x, pooled):
        return view(x, pooled)

    def judge(self, place, two):
        return torch.sigmoid(self.norms[place](self.convs[place](two)))

    def g(self, x):
        return tuple(
            self.judge(place, self.look(x, pooled))[:, 0]
            for place, pooled in enumerate((2, 3, 1)[: len(self.norms)])
        )


class RectifiedFirst(Sides):
    """A ReLU before the sigmoid: no gate below a half (known error C15)."""

    def judge(self, place, two):
        return torch.sigmoid(F.relu(self.norms[place](self.convs[place](two))))


class MeanFirst(Sides):
    """The two maps stacked the other way round (known error C15)."""

    def look(self, x, pooled):
        return view(x, pooled).flip(1)


class MeanTwice(Sides):
    """The mean in place of the largest value."""

    def look(self, x, pooled):
        return view(x, pooled)[:, 1:].expand(-1, 2, -1, -1)


class SharedTies(Sides):
    """The gradient of the largest value goes to all that share it."""

    def look(self, x, pooled):
        found = torch.stack([x.amax(dim=pooled), x.mean(dim=pooled)], dim=1)
        return found.mT if pooled == 3 else found


class NotTurned(Sides):
    """The view from the side is convolved with channels down and rows across."""

    def g(self, x):
        found = list(super().g(x))
        found[1] = self.judge(1, view(x, 3).mT)[:, 0].mT
        return tuple(found)


class OneKernel(Sides):
    """The first kernel serves all views."""

    def judge(self, place, two):
        return torch.sigmoid(self.norms[place](self.convs[0](two)))


class NoNorm(Sides):
    """The normalisations are there and not used."""

    def judge(self, place, two):
        return torch.sigmoid(self.convs[place](two))


class SlowStatistics(TripletAttention):
    """Running statistics move by a hundredth a step."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        for norm in self.norms:
            norm.momentum = 0.01


class Summed(TripletAttention):
    """The sum of the gated blocks: no third."""

    def f(self, weights, x):
        return super().f(weights, x) * len(weights)


class AlwaysAThird(TripletAttention):
    """A third of the sum, of two views as well."""

    def f(self, weights, x):
        return super().f(weights, x) * len(weights) / 3


class Product(TripletAttention):
    """The product of the gates in place of their mean."""

    def f(self, weights, x):
        m1, m2, *third = weights
        y = x * m1[:, :, None] * m2.mT[..., None]
        return y * third[0][:, None] if third else y


# ---------------------------------------------------------------- SimAM


def golden_values(make):
    """The map 1 2 / 3 4: half a unit, or one and a half, from the mean of 2.5."""
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], dtype=torch.float64)
    found = make(1, ridge=CLEAN).importance(x)
    close(found, torch.tensor([[[[0.8375, 0.5375], [0.5375, 0.8375]]]], dtype=torch.float64))
    wanted = torch.tensor([[[[0.697934, 1.262460], [1.893690, 2.791737]]]], dtype=torch.float64)
    close(make(1)(x), wanted, atol=1e-6, rtol=0)


def an_impulse_of_64(make):
    """8 x 8, one value of 1: 16 + 1/256 for it and 1/2 + 1/256 for the others."""
    x = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    x[..., 3, 4] = 1
    found = make(1, ridge=CLEAN).importance(x)
    assert found.max().item() == pytest.approx(16.00390625)
    assert found.min().item() == pytest.approx(0.50390625)
    close(found.mean(), torch.tensor(0.5 + 63 / 256, dtype=torch.float64))


def the_mean_importance_is_known(make):
    """1/2 + (N - 1) / 4 N for any map, without a ridge."""
    x = example(h=5)
    close(
        make(4, ridge=CLEAN).importance(x).mean(dim=(2, 3)),
        torch.full((2, 4), 0.5 + 14 / 60, dtype=torch.float64),
    )


def forgets_scale_and_offset(make):
    """Without a ridge the gates of a x + b are those of x, also upside down."""
    x, module = example(), make(4, ridge=CLEAN)
    close(module.g(-3 * x + 7), module.g(x))


def never_shuts(make):
    """No gate below sigmoid(1/2), which a constant map has everywhere, and so has one pixel."""
    floor = torch.sigmoid(torch.tensor(0.5, dtype=torch.float64))
    gates = make(4).g(example())
    assert gates.min() > floor
    assert gates.max() < 1
    flat = torch.full((1, 4, 3, 2), 2.5, dtype=torch.float64)
    close(make(4).g(flat), floor.expand_as(flat))
    close(make(4).g(example(h=1, w=1)), floor.expand(2, 4, 1, 1))
    ridged = make(4, ridge=0.5).importance(example())
    bare = make(4, ridge=CLEAN).importance(example())
    v = example().var(dim=(2, 3), keepdim=True)
    close(ridged - 0.5, (bare - 0.5) * v / (v + 0.5))


def places_and_channels_do_not_matter(make):
    """Values in another order, channels in another order: the gates go with them."""
    x, module = example(), make(4)
    shuffle = torch.randperm(12, generator=torch.Generator().manual_seed(3))
    moved = x.flatten(2)[..., shuffle].view_as(x)
    close(module(moved), module(x).flatten(2)[..., shuffle].view_as(x))
    close(module(x[:, ROWS]), module(x)[:, ROWS])
    close(module(x)[:, :1], make(1)(x[:, :1]))


class TheirEnergy(nn.Module):
    """The released layout: squares by ``pow``, their sum over N - 1, a ridge of 1e-4."""

    def __init__(self, ours):
        super().__init__()

    def forward(self, x):
        n = x.shape[2] * x.shape[3] - 1
        squares = (x - x.mean(dim=[2, 3], keepdim=True)).pow(2)
        v = squares.sum(dim=[2, 3], keepdim=True) / n
        return x * torch.sigmoid(squares / (4 * (v + 1e-4)) + 0.5)


def equals_the_released_energy(make):
    same_in_both_modes(make, {"channels": 4}, TheirEnergy)


class Energy(SimpleAttention):
    """The steps apart, to be replaced one by one."""

    axes = (2, 3)

    def count(self, x):
        return max(x.shape[2] * x.shape[3] - 1, 1)

    def away(self, x):
        return x - x.mean(dim=self.axes, keepdim=True)

    def ratio(self, squares, v):
        return squares / (4 * (v + self.ridge)) + 0.5

    def importance(self, x):
        squares = self.away(x) ** 2
        return self.ratio(squares, squares.sum(dim=self.axes, keepdim=True) / self.count(x))


class Population(Energy):
    """The variance divides by N."""

    def count(self, x):
        return x.shape[2] * x.shape[3]


class NoHalf(Energy):
    """The half is missing: gates from a half on."""

    def ratio(self, squares, v):
        return squares / (4 * (v + self.ridge))


class NoFour(Energy):
    """The four is missing."""

    def ratio(self, squares, v):
        return squares / (v + self.ridge) + 0.5


class Spread(Energy):
    """The distance over the standard deviation, not squared."""

    def ratio(self, squares, v):
        return (squares / (v + self.ridge) + 1e-9).sqrt() / 4 + 0.5


class RidgeOutside(Energy):
    """The ridge is not multiplied by four."""

    def ratio(self, squares, v):
        return squares / (4 * v + self.ridge) + 0.5


class EnergyItself(Energy):
    """The energy in place of one over it: what stands out is shut."""

    def ratio(self, squares, v):
        return 1 / super().ratio(squares, v)


class OverTheBatch(Energy):
    """Mean and variance over all images."""

    axes = (0, 2, 3)


class OverChannels(Energy):
    """Mean and variance over all channels of an image."""

    axes = (1, 2, 3)


class FromZero(Energy):
    """The distance from zero in place of the mean."""

    def away(self, x):
        return x


class MeanHeld(Energy):
    """The mean carries no gradient."""

    def away(self, x):
        return x - x.mean(dim=self.axes, keepdim=True).detach()


class ImportanceAsGate(SimpleAttention):
    """No sigmoid."""

    def g(self, x):
        return self.importance(x)


def named(*mutants):
    return {m.__name__: m for m in mutants}


#: Awkward sizes: no two axes equal, one row, one column, one position, and larger than a kernel.
FEW = ((2, 4, 3), (3, 1, 1), (2, 1, 5), (2, 3, 1), (1, 5, 6))
NORM = {"norm*.weight": ("constant", 1.0), "norm*.bias": ("constant", 0.0)}
SPECIMENS = (
    Specimen(
        card=CARD,
        arguments=(LINES, {"channels": 5, "reduction": 5, "least_hidden": 2}),
        reference=lines_reference,
        promises=(
            gates_are_outer_products, a_quarter_at_zero, rows_may_change_places,
            turning_swaps_the_last_layers, lines_hold_what_se_sees, golden_lines,
            equals_the_released_lines,
        ),
        starts=(
            (
                {"channels": 64, "reduction": 4},
                {"reduce.*": of_torch(64), "of_rows.*": of_torch(16), "of_columns.*": of_torch(16)}
                | NORM,
            ),
        ),
        smallest=({"channels": 1, "reduction": 1, "least_hidden": 1}, {"channels": 1}),
        mutants=named(
            NoSigmoids, Rectified, Smooth, NotNormalised, NormalisedApart, Exchanged, OneLayer,
            LargestOfLines, SumsOfLines, GatesAdded, KeepsTheInput, ColumnsForgotten,
        ),
        sizes=FEW,
        grid=({"channels": 16}, {"channels": 9, "reduction": 2, "least_hidden": 3}),
        refused=(
            ({"channels": 0}, "channels=0"),
            (LINES | {"reduction": 0}, "reduction=0"),
            (LINES | {"least_hidden": 0}, "least_hidden=0"),
        ),
    ),
    Specimen(
        card=TRIPLET_CARD,
        arguments=(SIDES, {"channels": 2, "kernel_size": 5, "spatial": False}),
        reference=sides_reference,
        promises=(
            a_half_at_zero, gates_are_gates, the_front_view_is_cbam_s, channels_have_an_order,
            turning_swaps_two_views, golden_sides, equals_the_released_sides, refuses_one_value,
        ),
        starts=(({"channels": 4}, {"convs.*": of_torch(98)} | NORM),),
        smallest=({"channels": 1, "kernel_size": 1},),
        mutants=named(
            RectifiedFirst, MeanFirst, MeanTwice, SharedTies, NotTurned, OneKernel, NoNorm,
            SlowStatistics, Summed, AlwaysAThird, Product,
        ),
        sizes=FEW,
        loud={"channels": 256, "kernel_size": 3},
        grid=({"channels": 16}, {"channels": 5, "kernel_size": 3, "spatial": False}),
        refused=(
            ({"channels": 0}, "channels=0"),
            (SIDES | {"kernel_size": 4}, "kernel_size=4"),
        ),
    ),
    Specimen(
        card=SIMAM_CARD,
        arguments=({"channels": 3}, {"channels": 2, "ridge": 0.1}),
        reference=lambda m, x: simple_attention_reference(x, m.ridge),
        promises=(
            golden_values, an_impulse_of_64, the_mean_importance_is_known,
            forgets_scale_and_offset, never_shuts, places_and_channels_do_not_matter,
            equals_the_released_energy,
        ),
        starts=(({"channels": 4}, {}),),
        excused={"pruned_weights_are_trained": "nothing is learned, so there is nothing to prune"},
        smallest=({"channels": 1, "ridge": 1e-9},),
        mutants=named(
            Population, NoHalf, NoFour, Spread, RidgeOutside, EnergyItself, OverTheBatch,
            OverChannels, FromZero, MeanHeld, ImportanceAsGate,
        ),
        sizes=FEW,
        grid=({"channels": 16}, {"channels": 5, "ridge": 0.1}),
        refused=(
            ({"channels": 0}, "channels=0"),
            ({"channels": 3, "ridge": 0.0}, "ridge=0.0"),
        ),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of their own


def test_the_energy_is_the_least_of_least_squares():
    """(9) as an ordinary least-squares problem in a slope and an intercept: (10)."""
    g = torch.Generator().manual_seed(4)
    for ridge in (1e-4, 0.3):
        others = torch.randn(9, dtype=torch.float64, generator=g)
        value = torch.tensor(1.7, dtype=torch.float64)
        rows = torch.stack([others, torch.ones_like(others)], 1) / 3  # 1/n of each square
        extra = torch.tensor([[value, 1.0], [ridge**0.5, 0.0]], dtype=torch.float64)
        wanted = torch.cat([-torch.ones(9).double() / 3, torch.tensor([1.0, 0.0]).double()])
        a = torch.cat([rows, extra])
        found = torch.linalg.lstsq(a, wanted[:, None]).solution
        close((a @ found - wanted[:, None]).square().sum(), least_energy(value, others, ridge))


def test_counts_that_papers_and_code_give():
    """1,688 for 64 channels; 300 a block of triplet attention, 4,800 in a ResNet-50."""
    assert parameter_count(64) == 1688
    assert triplet_parameters(64) == 300
    assert triplet_parameters(64, 3) == 60
    assert 16 * triplet_parameters(256) == 4800
