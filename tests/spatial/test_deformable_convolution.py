"""What only deformable convolutions promise, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.measure import peak_bytes
from attncourse.spatial import DeformableConvolution
from attncourse.spatial.deformable_convolution import (
    CARD,
    Lattice,
    by_corners,
    deformable_convolution,
    deformable_convolution_reference,
    reading,
)
from attncourse.spatial.spatial_transformer import sample_reference
from tests.contract.specimen import Specimen, opened

ARGUMENTS = {"channels": 2}
SHAPES = (
    {},
    {"stride": 2},
    {"stride": 3, "padding": 2, "dilation": 2},
    {"out_channels": 6, "kernel_size": 2, "padding": 0, "groups": 2, "offset_groups": 4},
    {"kernel_size": 5, "padding": 1, "offset_groups": 2, "modulated": True, "gain": 2.0},
)
TOLERANCE = {"atol": 1e-10, "rtol": 1e-10}


def example(b=2, c=4, h=7, w=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, h, w, dtype=torch.float64, generator=generator)


def standing(make, channels=4, **options):
    """A fresh module in float64, whose taps stand on the lattice."""
    torch.manual_seed(1)
    return make(channels, **options).double()


def moved(module, row=0.0, column=0.0):
    """The module with the same offset for every tap."""
    taps = module.kernel_size**2 * module.offset_groups
    with torch.no_grad():
        shift = torch.tensor([row, column], dtype=torch.float64).repeat(taps)
        module.side.bias[: 2 * taps].copy_(shift)
    return module


def ordinary(module, x, **changes):
    """``conv2d`` with the module's weights and arguments."""
    names = ("stride", "padding", "dilation", "groups")
    options = {name: getattr(module, name) for name in names} | changes
    return F.conv2d(x, module.weight, module.bias, **options)


def by_loops(module, x):
    """The reference with the module's own parameters and a side convolution of PyTorch's."""
    numbers = F.conv2d(
        x, module.side.weight, module.side.bias, module.stride, module.padding, module.dilation
    )
    taps = module.kernel_size**2 * module.offset_groups
    offsets = torch.stack([numbers[:, : 2 * taps : 2], numbers[:, 1 : 2 * taps : 2]], dim=-1)
    mask = None
    if module.modulated:
        mask = module.gain / (1 + torch.exp(-numbers[:, 2 * taps :]))
    return deformable_convolution_reference(
        x, module.weight, module.bias, offsets, mask, stride=module.stride,
        padding=module.padding, dilation=module.dilation, groups=module.groups,
    )  # fmt: skip


def outcome(y, *inputs):
    """Output, and the gradients of a fixed random weighting of it."""
    up = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(2))
    return [y, *torch.autograd.grad((y * up).sum(), inputs, materialize_grads=True)]


def same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)


# ---------------------------------------------------------------- promises


def starts_as_a_convolution(make):
    """Forward and the kernel's gradient, at every stride, dilation, padding and group."""
    x = example()
    for options in SHAPES:
        for gain in (1.0, 2.0):
            module = standing(make, **(options | {"gain": gain, "bias": False}))
            factor = gain / 2 if module.modulated else 1
            same(
                outcome(module(x), module.weight),
                outcome(factor * ordinary(module, x), module.weight),
            )


def equals_loops_in_every_shape(make):
    """Strides, dilations and groups, by both forms, with taps that go anywhere."""
    x = example(b=1, h=5, w=4).requires_grad_()
    for options in SHAPES[1:]:
        module = opened(standing(make, **options))
        inputs = (x, *module.parameters())
        wanted = outcome(by_loops(module, x), *inputs)
        same(outcome(module(x), *inputs), wanted)
        same(outcome(module(x, need_weights=True)[0], *inputs), wanted)


def moves_rows_and_columns(make):
    """A row further down reads the image shifted up; the padding's zeros are not read again."""
    x = example()
    module = standing(make)
    below = F.pad(x, (0, 0, 0, 1))[:, :, 1:]
    right = F.pad(x, (0, 1))[..., 1:]
    y = moved(module, row=1.0)(x)
    torch.testing.assert_close(y[:, :, 1:], ordinary(module, below)[:, :, 1:], **TOLERANCE)
    y = moved(module, column=1.0)(x)
    torch.testing.assert_close(y[..., 1:], ordinary(module, right)[..., 1:], **TOLERANCE)
    halfway = moved(module, row=0.5)(x)[:, :, 1:]
    wanted = 0.5 * (ordinary(module, x) + ordinary(module, below))[:, :, 1:]
    torch.testing.assert_close(halfway, wanted, **TOLERANCE)


def offsets_can_dilate(make):
    """Each tap's own place as its offset gives dilation 2; twice that gives 3."""
    x = example(h=9, w=8)
    for times in (2, 3):
        module = standing(make)
        places = torch.cartesian_prod(*[torch.arange(-1.0, 2)] * 2).double()
        with torch.no_grad():
            module.side.bias.copy_((times - 1) * places.flatten())
        wanted = ordinary(module, x, padding=times, dilation=times)
        torch.testing.assert_close(module(x), wanted, **TOLERANCE)


def groups_of_offsets_are_split_channels(make):
    """The first half of the channels follows the first half of the offsets."""
    x = example()
    module = standing(make, offset_groups=2)
    with torch.no_grad():
        module.side.bias[:18].copy_(torch.tensor([0.0, 1.0]).repeat(9))
    alone = standing(make)
    alone.weight, alone.bias = module.weight, module.bias
    first, second = x.clone(), x.clone()
    first[:, 2:], second[:, :2] = 0, 0
    wanted = moved(alone, column=1.0)(first) + moved(alone)(second)
    wanted = wanted - alone.bias[:, None, None]
    torch.testing.assert_close(module(x), wanted, **TOLERANCE)


def fades_over_one_pixel(make):
    """Half a pixel outside half of the border is read; a whole one outside nothing is."""
    x = torch.ones(1, 1, 3, 4, dtype=torch.float64)
    for row, share in ((-0.5, 0.5), (-1.0, 0.0), (-7.3, 0.0)):
        module = standing(make, 1, kernel_size=1, bias=False)
        y = moved(module, row=row)(x)
        torch.testing.assert_close(y[0, 0, 0], share * module.weight[0, 0, 0].expand(4))


def slopes_on_a_pixel_look_right_and_down(make):
    """At the start all readings are on pixels: both forms take the same one of two slopes."""
    x = example(h=56, w=45).requires_grad_()
    for kind in (torch.float32, torch.float64):
        module = standing(make, modulated=True).to(kind)
        given = x.detach().to(kind).requires_grad_()
        fast, explicit = (
            outcome(y, given, *module.parameters())
            for y in (module(given), module(given, need_weights=True)[0])
        )
        for one, other in zip(fast, explicit, strict=True):
            size = float(other.detach().abs().max()) + 1e-3
            assert float((one - other).detach().abs().max()) < 1e-4 * size


def weights_are_rows_and_columns_in_pixels(make):
    """Channels of the side convolution: row and column in turn; then masks."""
    module = standing(make, modulated=True, gain=2.0)
    with torch.no_grad():
        module.side.bias.copy_(torch.arange(27.0))
    offsets, mask = module.g(example())
    assert offsets.shape == (2, 9, 7, 6, 2)
    assert mask.shape == (2, 9, 7, 6)
    wanted = torch.arange(18).double().view(9, 2)
    torch.testing.assert_close(offsets[1, :, 3, 2], wanted, **TOLERANCE)
    torch.testing.assert_close(
        mask[1, :, 3, 2], 2 * torch.sigmoid(torch.arange(18, 27).double()), **TOLERANCE
    )


def is_linear_in_the_image_for_fixed_taps(make):
    """f, not g: with the offsets held, outputs of sums are sums of outputs."""
    module = opened(standing(make, bias=False))
    x, other = example(), example(seed=1)
    weights = module.g(x)
    torch.testing.assert_close(
        module.f(weights, 2 * x - other),
        2 * module.f(weights, x) - module.f(weights, other), **TOLERANCE,
    )  # fmt: skip


def places_stay_single_in_half_precision(make):
    """Under autocast an offset of 60 pixels and a thousandth is not rounded to 60."""
    module = moved(standing(make), row=60.001).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        offsets = module.g(example().float())
    assert offsets.dtype == torch.float32
    assert (offsets[..., 0] - 60.001).abs().max() < 1e-5


# ---------------------------------------------------------------- mutants


class Swapped(DeformableConvolution):
    """Column first in the side convolution's channels."""

    def g(self, x):
        found = super().g(x)
        if isinstance(found, tuple):
            return found[0].flip(-1), found[1]
        return found.flip(-1)


class RowsThenColumns(DeformableConvolution):
    """All rows, then all columns, as the chunks of the ports suggest."""

    def g(self, x):
        found = super().g(x)
        offsets, *rest = found if isinstance(found, tuple) else (found,)
        planes = offsets.movedim(-1, 2).flatten(1, 2).unflatten(1, (2, -1)).movedim(1, -1)
        return (planes, *rest) if rest else planes


class TapsByColumns(DeformableConvolution):
    """Taps counted down the columns, as in the third version's reference code."""

    def _convolve(self, weights, x, read):
        offsets, *rest = weights if isinstance(weights, tuple) else (weights,)
        side = self.kernel_size
        offsets = offsets.unflatten(1, (-1, side, side)).transpose(2, 3).flatten(1, 3)
        return super()._convolve((offsets, *rest) if rest else offsets, x, read)


class Negative(DeformableConvolution):
    """Taps that go the other way."""

    def g(self, x):
        found = super().g(x)
        return (-found[0], found[1]) if isinstance(found, tuple) else -found


class UnzeroedBiases(DeformableConvolution):
    """Weights of the side convolution zeroed, its biases forgotten (known error C36)."""

    def _start(self):
        super()._start()
        nn.init.uniform_(self.side.bias, -0.1, 0.1)


class RandomStart(DeformableConvolution):
    """The side convolution as PyTorch draws it."""

    def _start(self):
        super()._start()
        self.side.reset_parameters()


class FixedOrigin(DeformableConvolution):
    """The lattice begins as if padding were one (known error C36)."""

    @property
    def lattice(self):
        return Lattice((self.kernel_size, self.kernel_size), self.stride, 1, self.dilation)

    def _convolve(self, weights, x, read):
        offsets, *rest = weights if isinstance(weights, tuple) else (weights,)
        offsets = offsets + (self.padding - 1)
        return super()._convolve((offsets, *rest) if rest else offsets, x, read)


class SideWithoutStride(DeformableConvolution):
    """A side convolution that knows no dilation."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        if self.dilation > 1:
            reach = self.dilation * (self.kernel_size - 1) + 1
            self.side.dilation = (1, 1)
            self.side.padding = (self.padding - (reach - self.kernel_size) // 2,) * 2


class NoSigmoid(DeformableConvolution):
    """A mask without bounds, as in the fourth version."""

    def g(self, x):
        found = super().g(x)
        if not isinstance(found, tuple):
            return found
        return found[0], self.gain * torch.logit(found[1] / self.gain)


class SoftmaxMask(DeformableConvolution):
    """Masks that add up to one over the taps, as in the third version."""

    def g(self, x):
        found = super().g(x)
        if not isinstance(found, tuple):
            return found
        logits = torch.logit(found[1] / self.gain)
        return found[0], self.gain * logits.softmax(dim=1)


class LostGain(DeformableConvolution):
    """gamma is ignored."""

    def g(self, x):
        found = super().g(x)
        return (found[0], found[1] / self.gain) if isinstance(found, tuple) else found


class DetachedOffsets(DeformableConvolution):
    """Places without a gradient: taps that never learn."""

    def g(self, x):
        found = super().g(x)
        if isinstance(found, tuple):
            return found[0].detach(), found[1]
        return found.detach()


class RoundedOffsets(DeformableConvolution):
    """Whole pixels."""

    def g(self, x):
        found = super().g(x)
        return (found[0].round(), found[1]) if isinstance(found, tuple) else found.round()


class OneMaskForAll(DeformableConvolution):
    """The mask of the first group for all groups."""

    def g(self, x):
        found = super().g(x)
        if not isinstance(found, tuple):
            return found
        taps = self.kernel_size**2
        return found[0], found[1][:, :taps].repeat(1, self.offset_groups, 1, 1)


class RepeatedBorder(DeformableConvolution):
    """Outside the image the border is read again."""

    def _convolve(self, weights, x, read):
        def border(x, grid):
            return F.grid_sample(x, grid, padding_mode="border", align_corners=False)

        return super()._convolve(weights, x, border)


class HardBorder(DeformableConvolution):
    """Nothing at all is read outside the first and last pixel's centres, as in the first code."""

    def _convolve(self, weights, x, read):
        def hard(x, grid):
            size = torch.tensor([x.shape[3], x.shape[2]]).to(grid)
            inside = (grid.abs() <= 1 - 1 / size + 1e-9).all(dim=-1)
            return read(x, grid) * inside[:, None]

        return super()._convolve(weights, x, hard)


class AlignedCorners(DeformableConvolution):
    """Places of one alignment, read with the other."""

    def attend(self, x):
        def aligned(x, grid):
            return F.grid_sample(x, grid, align_corners=True)

        return self._convolve(self.g(x), x, aligned)


class EitherSide(DeformableConvolution):
    """Places whose rounding picks the side of a pixel."""

    def attend(self, x):
        def unmoved(x, grid):
            size = torch.tensor([x.shape[3], x.shape[2]]).to(grid)
            eps = 4 * torch.finfo(grid.dtype).eps * (size + 1)
            return F.grid_sample(x, grid - 2 * eps / size, align_corners=False)

        return self._convolve(self.g(x), x, unmoved)


class LowPrecision(DeformableConvolution):
    """Offsets in whatever type autocast likes."""

    def g(self, x):
        numbers = self.side(x)
        if self.modulated:
            return super().g(x)
        return numbers.unflatten(1, (-1, 2)).movedim(2, -1).to(torch.promote_types(
            numbers.dtype, torch.float32))  # fmt: skip


class ForgetsChannelsLast(DeformableConvolution):
    """Copies into the default memory format."""

    def attend(self, x):
        return super().attend(x).contiguous()


class Unvalidated(DeformableConvolution):
    """No check of the input."""

    def validate(self, x):
        pass


class ForgetsDevice(DeformableConvolution):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class OneTapForAll(DeformableConvolution):
    """The mean of the batch decides where taps go."""

    def g(self, x):
        found = super().g(x)
        if isinstance(found, tuple):
            return found
        return found.mean(dim=0, keepdim=True).expand_as(found)


MUTANTS = (
    Swapped, RowsThenColumns, TapsByColumns, Negative, UnzeroedBiases, RandomStart, FixedOrigin,
    SideWithoutStride, NoSigmoid, SoftmaxMask, LostGain, DetachedOffsets, RoundedOffsets,
    OneMaskForAll, RepeatedBorder, HardBorder, AlignedCorners, EitherSide, LowPrecision,
    ForgetsChannelsLast, Unvalidated, ForgetsDevice, OneTapForAll,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(ARGUMENTS, ARGUMENTS | {"modulated": True, "gain": 2.0, "offset_groups": 2}),
    reference=by_loops,
    sizes=((2, 3, 2), (1, 2, 2), (3, 1, 1), (1, 1, 4), (1, 4, 1), (1, 4, 3)),
    promises=(
        starts_as_a_convolution,
        equals_loops_in_every_shape,
        moves_rows_and_columns,
        offsets_can_dilate,
        groups_of_offsets_are_split_channels,
        fades_over_one_pixel,
        slopes_on_a_pixel_look_right_and_down,
        weights_are_rows_and_columns_in_pixels,
        is_linear_in_the_image_for_fixed_taps,
        places_stay_single_in_half_precision,
    ),
    starts=(
        (
            {"channels": 3, "modulated": True},
            {"side.*": ("constant", 0.0), "weight": ("uniform", 27**-0.5),
             "bias": ("uniform", 27**-0.5)},
        ),
    ),
    smallest=({"channels": 1, "kernel_size": 1},),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 1},
        {"channels": 4, "out_channels": 6, "groups": 2, "offset_groups": 4, "bias": False},
        {"channels": 3, "modulated": True, "stride": 2, "dilation": 2},
        {"channels": 2, "kernel_size": 2, "padding": 1, "modulated": True},
    ),
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 1, "kernel_size": 0}, "kernel_size=0"),
        ({"channels": 1, "stride": 0}, "stride=0"),
        ({"channels": 1, "padding": -1}, "padding=-1"),
        ({"channels": 1, "kernel_size": 2}, "kernel_size=2"),
        ({"channels": 4, "out_channels": 3, "groups": 2}, "groups=2"),
        ({"channels": 4, "offset_groups": 3}, "offset_groups=3"),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of its own


@pytest.mark.parametrize("where", ["anywhere", "at whole pixels", "at zero", "all outside"])
def test_three_forms_agree_in_values_and_gradients(where):
    """By one kernel, by corners and by loops, in float64, kinks and borders included."""
    generator = torch.Generator().manual_seed(4)
    x = example(h=5, w=6).requires_grad_()
    module = standing(DeformableConvolution, stride=2, dilation=2, padding=2, offset_groups=2)
    shape = (2, 18, *module.lattice.out_size(5, 6), 2)
    offsets = 4 * torch.randn(shape, dtype=torch.float64, generator=generator)
    offsets = {"anywhere": offsets, "at whole pixels": offsets.round(), "at zero": 0 * offsets,
               "all outside": offsets.sign() * 20}[where].requires_grad_()  # fmt: skip
    mask = torch.rand(shape[:-1], dtype=torch.float64, generator=generator).requires_grad_()
    inputs = (x, module.weight, offsets, mask)
    options = {"stride": 2, "dilation": 2, "padding": 2}
    arguments = (x, module.weight, module.bias, offsets, mask)
    wanted = outcome(deformable_convolution_reference(*arguments, **options), *inputs)
    same(outcome(deformable_convolution(*arguments, **options), *inputs), wanted)
    same(outcome(deformable_convolution(*arguments, **options, read=by_corners), *inputs), wanted)


def authors_layout(x, weight, numbers, mask, stride, padding, dilation, parts):
    """As the authors' kernel goes: a column matrix, one row a channel and tap, then one product.

    ``numbers`` is the side convolution's output in their order; a sample counts while it lies
    within one pixel of the image.
    """
    b, c, h, w = x.shape
    size = weight.shape[2]
    rows, columns = numbers.shape[2:]
    buffer = x.new_zeros(b, c, size * size, rows, columns)
    i, j = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    for part in range(parts):
        own = slice(part * c // parts, (part + 1) * c // parts)
        for u in range(size):
            for v in range(size):
                tap = u * size + v
                first = part * 2 * size * size + 2 * tap
                p = numbers[:, first] + (i * stride - padding + u * dilation)
                q = numbers[:, first + 1] + (j * stride - padding + v * dilation)
                p0, q0 = p.floor().long(), q.floor().long()
                lp, lq = p - p0, q - q0
                value = x.new_zeros(b, c // parts, rows, columns)
                for dp, sp in ((0, 1 - lp), (1, lp)):
                    for dq, sq in ((0, 1 - lq), (1, lq)):
                        r, s = p0 + dp, q0 + dq
                        valid = (r >= 0) & (r <= h - 1) & (s >= 0) & (s <= w - 1)
                        r, s = r.clamp(0, h - 1), s.clamp(0, w - 1)
                        pixels = torch.stack([x[n, own][:, r[n], s[n]] for n in range(b)])
                        value = value + (sp * sq * valid)[:, None] * pixels
                inside = (p > -1) & (q > -1) & (p < h) & (q < w)
                value = value * inside[:, None]
                if mask is not None:
                    value = value * mask[:, part * size * size + tap][:, None]
                buffer = buffer.clone()
                buffer[:, own, tap] = value
    return torch.einsum("dck,bckpq->bdpq", weight.flatten(2), buffer)


@pytest.mark.parametrize("modulated", [False, True])
def test_weights_of_the_authors_layout_do_the_same_here(modulated):
    """Interleaved rows and columns, group by group, then masks: values and gradients, to 1e-10."""
    x = example(h=6, w=5).requires_grad_()
    module = opened(standing(
        DeformableConvolution, stride=2, dilation=2, offset_groups=2, modulated=modulated,
        bias=False,
    ))  # fmt: skip
    numbers = module.side(x)
    mask = torch.sigmoid(numbers[:, 36:]) if modulated else None
    theirs = authors_layout(x, module.weight, numbers[:, :36], mask, 2, 2, 2, 2)
    inputs = (x, *module.parameters())
    same(outcome(module(x), *inputs), outcome(theirs, *inputs))


def test_the_offset_s_gradient_is_that_of_the_chapter():
    """Equations (5) to (7): kernel times mask times the difference of neighbours."""
    x = example(b=1, c=3, h=6, w=6)
    weight = torch.randn(2, 3, 3, 3, dtype=torch.float64)
    offsets = (0.4 + 0.2 * torch.rand(1, 9, 6, 6, 2, dtype=torch.float64)).requires_grad_()
    mask = torch.rand(1, 9, 6, 6, dtype=torch.float64).requires_grad_()
    y = deformable_convolution(x, weight, None, offsets, mask, padding=1)
    up = torch.randn_like(y)
    slope, of_mask = torch.autograd.grad(y, (offsets, mask), up)
    i, j, k = 2, 3, 5  # tap 5 is the middle row's right one, so row 2, column 4
    a, b = offsets[0, k, i, j].tolist()
    n = x[0, :, 2:4, 4:6]
    down = (1 - b) * (n[:, 1, 0] - n[:, 0, 0]) + b * (n[:, 1, 1] - n[:, 0, 1])
    right = (1 - a) * (n[:, 0, 1] - n[:, 0, 0]) + a * (n[:, 1, 1] - n[:, 1, 0])
    back = up[0, :, i, j] @ weight[:, :, 1, 2]
    wanted = mask[0, k, i, j] * torch.stack([back @ down, back @ right])
    torch.testing.assert_close(slope[0, k, i, j], wanted, **TOLERANCE)
    value = reading(x[0], *torch.tensor([2 + a, 4 + b], dtype=torch.float64))
    torch.testing.assert_close(of_mask[0, k, i, j], back @ value, **TOLERANCE)


def test_a_reading_is_the_sum_of_the_chapter_on_spatial_transformers():
    image = example()[0]
    for down, across in ((1.25, 2.5), (3.0, 0.0), (-0.5, 2.2), (6.7, 5.0), (-3.0, 9.0)):
        place = torch.tensor([down, across], dtype=torch.float64)
        torch.testing.assert_close(
            reading(image, *place), sample_reference(image, place[1], place[0]), **TOLERANCE
        )


def test_one_tap_is_the_sampler():
    """A 1 x 1 kernel of ones reads what a grid of the same places reads."""
    x = example(c=1)
    module = opened(standing(DeformableConvolution, 1, kernel_size=1, bias=False))
    offsets = module.g(x)[:, 0]
    down = offsets[..., 0] + torch.arange(7)[:, None]
    across = offsets[..., 1] + torch.arange(6)
    grid = torch.stack([2 * across / 5 - 1, 2 * down / 6 - 1], dim=-1)
    wanted = module.weight[0, 0, 0, 0] * F.grid_sample(x, grid, align_corners=True)
    torch.testing.assert_close(module(x), wanted, **TOLERANCE)


def test_the_facts_sizes_of_side_convolutions():
    """82,962 and 331,848 for 512 channels in one and four groups; 124,443 with masks."""
    for options, wanted in (({}, 82_962), ({"offset_groups": 4}, 331_848),
                            ({"modulated": True}, 124_443)):  # fmt: skip
        module = DeformableConvolution(512, **options, device="meta")
        assert sum(p.numel() for p in module.side.parameters()) == wanted


def test_a_map_smaller_than_the_kernel_is_refused():
    with pytest.raises(ValueError, match="raise padding=0"):
        DeformableConvolution(1, kernel_size=5, padding=0)(torch.zeros(1, 1, 4, 9))


def test_the_kernel_keeps_no_corners():
    module = DeformableConvolution(16)
    nn.init.normal_(module.side.weight, std=0.02)
    x = torch.randn(1, 16, 24, 24, requires_grad=True)
    peaks = [
        peak_bytes(lambda full=full: torch.autograd.grad(
            (module(x, need_weights=True)[0] if full else module(x)).sum(), x))
        for full in (True, False)
    ]  # fmt: skip
    assert peaks[0] > 2.5 * peaks[1]
