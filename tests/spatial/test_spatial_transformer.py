"""What only spatial transformers promise, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import nn

from attncourse.measure import peak_bytes
from attncourse.spatial import SpatialTransformer
from attncourse.spatial.spatial_transformer import (
    CARD,
    moment_theta_reference,
    spatial_transformer_reference,
)
from attncourse.spatial.spatial_transformer.localisation import MomentLocalisation
from attncourse.spatial.spatial_transformer.sampler import (
    bilinear_sample,
    sample_reference,
    target_points,
    to_pixels,
)
from attncourse.spatial.spatial_transformer.warps import (
    Affine,
    Projective,
    Rotation,
    Similarity,
    ThinPlateSpline,
    Translation,
    control_points,
    radial,
    spline_basis,
)
from tests.contract.specimen import Specimen, built, of_torch, opened

#: One feature: with more of them the contract's random weights throw most readings off the image.
ARGUMENTS = {"channels": 2, "hidden_channels": 2, "features": 1}
WARPS = (Affine(), Similarity(), Rotation(), Translation(), Projective(), ThinPlateSpline(3))


def example(seed=0, b=2, c=2, h=4, w=5):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def squares():
    """The facts' image: (4 n + m)^2 at row n and column m."""
    return torch.arange(16, dtype=torch.float64).square().view(1, 1, 4, 4)


def holding(make, theta, warp=None, **options):
    """A module of one channel or two that chooses ``theta`` whatever it sees."""
    channels = options.pop("channels", 2)
    module = make(channels, 3, features=5, warp=warp or Affine(), **options).double()
    with torch.no_grad():
        module.regress.weight.zero_()
        module.regress.bias.copy_(torch.tensor(theta, dtype=torch.float64))
    return module


def at_pixel(x, y, size=4):
    """A grid of one point, given in pixels of a square image."""
    point = torch.tensor([x, y], dtype=torch.float64, requires_grad=True)
    return point, ((2 * point + 1) / size - 1).view(1, 1, 1, 2)


# ---------------------------------------------------------------- promises


def starts_as_the_identity(make):
    """A fresh module returns its input, for every warp and alignment, and after a reset too."""
    x = example(h=7, w=5)
    for warp in WARPS:
        for aligned in (False, True):
            module = make(2, 3, warp=warp, align_corners=aligned)
            torch.testing.assert_close(module.double()(x), x)
            opened(module).reset_parameters()
            torch.testing.assert_close(module(x), x)
            torch.testing.assert_close(module.float()(x.float()), x.float(), atol=3e-6, rtol=0)


def reads_whole_pixels_exactly(make):
    """Reading one pixel further right moves the content left; outside there are zeros."""
    x = example()
    y = holding(make, (1, 0, 2 / 5, 0, 1, 0))(x)
    torch.testing.assert_close(y[..., :-1], x[..., 1:])
    torch.testing.assert_close(y[..., -1], torch.zeros_like(y[..., -1]))
    y = holding(make, (1, 0, 0, 0, 1, -2 / 4))(x)
    torch.testing.assert_close(y[:, :, 1:], x[:, :, :-1])


def fades_half_a_pixel_outside(make):
    """Beyond the border the missing neighbours count as zero."""
    x = torch.ones(1, 2, 4, 5, dtype=torch.float64)
    y = holding(make, (1, 0, 1 / 5, 0, 1, 0))(x)
    torch.testing.assert_close(y[..., -1], 0.5 * torch.ones_like(y[..., -1]))
    assert (holding(make, (1, 0, 9, 0, 1, 0))(x) == 0).all()


def turns_as_the_equation_says(make):
    """A quarter turn of the grid, from the x axis to the y axis, on a square image."""
    x = example(h=5, w=5)
    y = holding(make, (0, -1, 0, 1, 0, 0))(x)
    # The reading at (x, y) is at (-y, x): row i of y is column i of x from below.
    torch.testing.assert_close(y, torch.rot90(x, 1, (2, 3)))


def nothing_of_the_grid_reads_the_centre(make):
    """With all six numbers zero every output pixel reads the same point."""
    x = example(h=3, w=5)
    y = holding(make, (0.0,) * 6)(x)
    torch.testing.assert_close(y, x[:, :, 1:2, 2:3].expand_as(y))


def weights_are_places(make):
    """x first, then y; pixel centres at -0.75, -0.25, 0.25, 0.75, or corner to corner."""
    x = example(h=3, w=4)
    grid = holding(make, Affine.identity).g(x)
    wanted = torch.tensor([-0.75, -0.25, 0.25, 0.75], dtype=torch.float64)
    torch.testing.assert_close(grid[0, 0, :, 0], wanted)
    torch.testing.assert_close(grid[0, :, 0, 1], torch.tensor([-2 / 3, 0, 2 / 3]).double())
    grid = holding(make, Affine.identity, align_corners=True).g(x)
    wanted = torch.tensor([-1, -1 / 3, 1 / 3, 1], dtype=torch.float64)
    torch.testing.assert_close(grid[0, 0, :, 0], wanted)


def looks_where_things_are(make):
    """Moving what is seen changes the warp; a mean over the image would not notice."""
    module = opened(make(2, 4, features=8).double())
    x = torch.zeros(2, 2, 16, 16, dtype=torch.float64)
    x[0, :, 5:8, 5:8] = x[1, :, 9:12, 9:12] = 1.0
    first, second = module.theta(x)
    assert (first - second).abs().max() > 0.05


def reading_is_linear_and_convex(make):
    """For a fixed grid f is linear in x, and no reading leaves the range of the pixels."""
    module = built(make, ARGUMENTS)
    x, other = example(), example(seed=1)
    grid = module.g(x)
    torch.testing.assert_close(
        module.f(grid, 2 * x - 3 * other), 2 * module.f(grid, x) - 3 * module.f(grid, other)
    )
    shares = module.f(grid, torch.ones_like(x))
    assert ((shares >= 0) & (shares <= 1 + 1e-12)).all()


def golden_values(make):
    """Value and slopes between the pixels and on one, by both paths."""
    module = make(1, 3)
    for point, value, slopes in (
        ((1.25, 2.5), 130.75, (23.0, 90.0)),
        ((1.0, 2.0), 81.0, (19.0, 88.0)),
    ):
        for read in (module.f, lambda grid, x: F.grid_sample(x, grid, align_corners=False)):
            place, grid = at_pixel(*point)
            y = read(grid, squares())
            (slope,) = torch.autograd.grad(y.sum(), place)
            torch.testing.assert_close(y.sum(), torch.tensor(value, dtype=torch.float64))
            torch.testing.assert_close(slope, torch.tensor(slopes, dtype=torch.float64))


def parameters_stay_small_in_low_precision(make):
    """Places are found in float32 even where the features are half as long."""
    module = make(2, 3)
    x = example(h=3, w=300).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        grid = module.g(x)
    assert grid.dtype == torch.float32
    assert len(grid[0, 0, :, 0].unique()) == 300


def chooses_its_warp_in_single_precision(make):
    """A warp that no half precision can hold is chosen exactly, also under autocast."""
    theta = (1 + 2**-11, 0.1 / 3, 2**-13, 0.0, 1 - 2**-12, 0.7 / 9)
    module = holding(make, theta).float()
    for kind in (torch.float16, torch.bfloat16):
        with torch.autocast("cpu", dtype=kind):
            found = module.theta(example().float())
        torch.testing.assert_close(found[0], torch.tensor(theta))


# ---------------------------------------------------------------- mutants


class Swapped(SpatialTransformer):
    """Row and column exchanged in the grid."""

    def g(self, x):
        return super().g(x).flip(-1)


class Transposed(SpatialTransformer):
    """Points of a transposed mesh (known error C21)."""

    def g(self, x):
        theta = self.theta(x)
        points = target_points(*x.shape[:1:-1], like=theta).transpose(0, 1)
        return self.warp.grid(theta, points)


class OnePixelShort(SpatialTransformer):
    """Coordinates scaled by size - 2 (known error C21)."""

    def g(self, x):
        height, width = x.shape[2:]
        size = torch.tensor([width, height], dtype=x.dtype)
        return super().g(x) * (size - 1) / size


class BorderWeights(SpatialTransformer):
    """Corners clipped before their weights are computed (known error C21): borders repeat."""

    def f(self, weights, x):
        return F.grid_sample(x, weights, padding_mode="border", align_corners=self.align_corners)

    def attend(self, x):
        return self.f(self.g(x), x)


class MixedAlignment(SpatialTransformer):
    """A grid of one alignment, read with the other."""

    def f(self, weights, x):
        return bilinear_sample(x, weights, not self.align_corners)

    def attend(self, x):
        return self.f(self.g(x), x)


class FastMixedAlignment(SpatialTransformer):
    """The same mistake in the fast path alone."""

    def attend(self, x):
        return F.grid_sample(x, self.g(x), align_corners=not self.align_corners)


class Nearest(SpatialTransformer):
    """The nearest pixel: a warp that nothing can learn."""

    def f(self, weights, x):
        return F.grid_sample(x, weights, mode="nearest", align_corners=self.align_corners)

    def attend(self, x):
        return self.f(self.g(x), x)


class Forwards(SpatialTransformer):
    """The matrix read as a map from input to output."""

    def g(self, x):
        theta = self.theta(x)
        if not isinstance(self.warp, Affine):
            return super().g(x)
        matrix = self.warp.matrix(theta)
        turn = torch.linalg.inv(matrix[:, :, :2])
        points = target_points(*x.shape[2:], align_corners=self.align_corners, like=theta)
        moved = points - matrix[:, None, None, :, 2]
        return (turn[:, None, None] @ moved[..., None]).squeeze(-1)


class ShiftTwice(SpatialTransformer):
    """The shift counted from edge to edge: twice as far."""

    def g(self, x):
        grid = super().g(x)
        points = target_points(*x.shape[2:], align_corners=self.align_corners, like=grid)
        return grid + (grid - points).mean(dim=(1, 2), keepdim=True)


class Detached(SpatialTransformer):
    """A grid that carries no gradient: the localisation network cannot learn."""

    def g(self, x):
        return super().g(x).detach()


class RandomStart(SpatialTransformer):
    """The last layer left as it was drawn."""

    def _start_as_identity(self):
        pass


class HalfReset(SpatialTransformer):
    """reset_parameters that forgets the identity."""

    def reset_parameters(self):
        self.localisation.reset_parameters()
        self.regress.reset_parameters()


class OneWarpForAll(SpatialTransformer):
    """The mean of the batch decides."""

    def theta(self, x):
        theta = super().theta(x)
        return theta.mean(dim=0, keepdim=True).expand_as(theta)


class NoPlaces(SpatialTransformer):
    """A localisation network that takes the mean alone: it is blind to places."""

    def theta(self, x):
        return super().theta(x.mean(dim=(2, 3), keepdim=True).expand_as(x))


class LowPrecisionGrid(SpatialTransformer):
    """Places in the features' own type."""

    def g(self, x):
        return super().g(x).to(x.dtype)


class SinglePrecision(SpatialTransformer):
    """Places rounded to float32 in float64."""

    def g(self, x):
        return super().g(x).float().to(x.dtype)


class ForgetsChannelsLast(SpatialTransformer):
    """Copies into the default memory format."""

    def attend(self, x):
        return super().attend(x).contiguous()


class InPlace(SpatialTransformer):
    """Writes into the caller's tensor."""

    def f(self, weights, x):
        x.copy_(super().f(weights, x))
        return x

    def attend(self, x):
        return self.f(self.g(x), x)


class Unvalidated(SpatialTransformer):
    """No check of the input."""

    def validate(self, x):
        pass


class ForgetsDevice(SpatialTransformer):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class Noisy(SpatialTransformer):
    """Dropout that eval mode does not turn off."""

    def theta(self, x):
        return F.dropout(super().theta(x), 0.1, training=True)


def localised(forward):
    """A transformer whose default localisation network runs ``forward`` in place of its own."""

    class Mutant(SpatialTransformer):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            if type(self.localisation) is MomentLocalisation:
                self.localisation.__class__ = Faulty

    class Faulty(MomentLocalisation):
        pass

    Faulty.forward = forward
    Mutant.__name__ = forward.__name__
    return Mutant


def of_maps(self, maps, basis=None):
    points = target_points(*maps.shape[2:], like=maps).flatten(0, 1)
    basis = torch.cat([torch.ones_like(points[:, :1]), basis(points) if basis else points], dim=1)
    numbers = maps.flatten(2) @ basis / points.shape[0]
    return F.relu(self.mix(numbers.flatten(1)))


def DividesByRows(self, x):
    """Moments over the number of rows, not of pixels."""
    maps = F.relu(self.far(F.relu(self.near(x))))
    return of_maps(self, maps * maps.shape[3])


def SquaredPlaces(self, x):
    """Second moments in the place of the first."""
    return of_maps(self, F.relu(self.far(F.relu(self.near(x)))), torch.square)


def LostReLU(self, x):
    """No ReLU between the convolutions."""
    return of_maps(self, F.relu(self.far(self.near(x))))


class ThetaUnderAutocast(SpatialTransformer):
    """The last layer in whatever type autocast likes."""

    def theta(self, x):
        theta = self.regress(self.localisation(x).to(self.regress.weight.dtype))
        return theta.to(torch.promote_types(theta.dtype, torch.float32))


MUTANTS = (
    Swapped, Transposed, OnePixelShort, BorderWeights, MixedAlignment, FastMixedAlignment, Nearest,
    Forwards, ShiftTwice, Detached, RandomStart, HalfReset, OneWarpForAll, NoPlaces,
    LowPrecisionGrid, SinglePrecision, ForgetsChannelsLast, InPlace, Unvalidated, ForgetsDevice,
    Noisy, ThetaUnderAutocast, localised(DividesByRows), localised(SquaredPlaces),
    localised(LostReLU),
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        ARGUMENTS | {"align_corners": True},
        ARGUMENTS | {"warp": Projective()},
        ARGUMENTS | {"warp": ThinPlateSpline(3)},
    ),
    reference=lambda m, x: spatial_transformer_reference(
        x,
        moment_theta_reference(x, dict(m.named_parameters())),
        m.warp,
        align_corners=m.align_corners,
    ),
    # The first map keeps more than one row and column behind two strides: one is traced apart.
    sizes=((2, 6, 5), (1, 3, 3), (3, 1, 1), (2, 1, 5), (2, 5, 1), (1, 8, 7)),
    promises=(
        reads_whole_pixels_exactly,
        fades_half_a_pixel_outside,
        turns_as_the_equation_says,
        nothing_of_the_grid_reads_the_centre,
        weights_are_places,
        looks_where_things_are,
        reading_is_linear_and_convex,
        golden_values,
        parameters_stay_small_in_low_precision,
        chooses_its_warp_in_single_precision,
        starts_as_the_identity,  # every warp, both alignments: the dearest one
    ),
    starts=(
        (
            {"channels": 3, "hidden_channels": 8},
            {
                "localisation.near.*": of_torch(3 * 25),
                "localisation.far.*": of_torch(8 * 9),
                "localisation.mix.*": of_torch(3 * 16),
                "regress.weight": ("constant", 0.0),
                "regress.bias": ("constant", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "hidden_channels": 1, "features": 1, "out_size": (1, 1)},
        {"channels": 1, "hidden_channels": 1, "features": 1, "warp": ThinPlateSpline(2)},
    ),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 1},
        {"channels": 3, "hidden_channels": 5, "features": 7},
        {"channels": 2, "warp": Similarity()},
        {"channels": 2, "warp": Projective(), "align_corners": True},
        {"channels": 2, "warp": ThinPlateSpline(3), "out_size": (3, 6)},
    ),
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 1, "hidden_channels": 0}, "hidden_channels=0"),
        ({"channels": 1, "features": 0}, "features=0"),
        ({"channels": 1, "out_size": (4, 0)}, r"out_size=\(4, 0\)"),
    ),
)

# ---------------------------------------------------------------- tests of its own


@pytest.mark.parametrize("aligned", [False, True])
def test_the_grid_is_the_library_s(aligned):
    theta = torch.randn(3, 6, dtype=torch.float64)
    points = target_points(4, 7, align_corners=aligned, like=theta)
    wanted = F.affine_grid(theta.view(3, 2, 3), [3, 1, 4, 7], align_corners=aligned)
    torch.testing.assert_close(Affine().grid(theta, points), wanted)


@settings(max_examples=25, deadline=None)
@given(
    h=st.integers(1, 6), w=st.integers(1, 6), rows=st.integers(1, 5), columns=st.integers(1, 5),
    aligned=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_sampler_is_the_library_s(h, w, rows, columns, aligned, seed):
    """Values and both gradients, inside, across and beyond the border."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 3, h, w, generator=generator, dtype=torch.float64, requires_grad=True)
    grid = 1.5 * torch.randn(2, rows, columns, 2, generator=generator, dtype=torch.float64)
    grid.requires_grad_()
    ours = bilinear_sample(x, grid, aligned)
    library = F.grid_sample(x, grid, align_corners=aligned)
    torch.testing.assert_close(ours, library)
    up = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad(ours, (x, grid), up),
        torch.autograd.grad(library, (x, grid), up),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_the_printed_rule_fails_on_a_pixel():
    """Facts: the printed cases give the pixel itself, implementations the difference to the right.

    The left difference would be 17, the right one 19.
    """
    image = squares()[0]

    def printed(x, y):
        m = torch.arange(4, dtype=torch.float64)
        sign = torch.where(m >= x, 1.0, -1.0) * ((m - x).abs() < 1)
        return ((1 - (y - m).abs()).clamp(min=0) @ image[0]) @ sign.double()

    assert float(printed(1.25, 2.5)) == 23.0
    assert float(printed(1.0, 2.0)) == 81.0
    point, _ = at_pixel(1.25, 2.5)
    sample_reference(image, point[0], point[1]).sum().backward()
    torch.testing.assert_close(point.grad, torch.tensor([23.0, 90.0], dtype=torch.float64))


def test_the_chain_rule_of_the_chapter():
    """dL/dtheta from dL/d(source points): sums with x, y and 1."""
    theta = torch.randn(1, 6, dtype=torch.float64, requires_grad=True)
    points = target_points(4, 5, like=theta)
    grid = Affine().grid(theta, points)
    up = torch.randn_like(grid)
    (by_autograd,) = torch.autograd.grad(grid, theta, up)
    basis = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)
    by_hand = torch.einsum("hwi,hwj->ij", up[0], basis)
    torch.testing.assert_close(by_autograd.view(2, 3), by_hand)


def test_two_warps_in_a_row_are_one_product_of_matrices():
    """Reading through A2 what was read through A1 is reading at A1 (A2 p)."""
    first, second = torch.randn(2, 2, 3, dtype=torch.float64)

    def whole(matrix):
        return torch.cat([matrix, torch.tensor([[0, 0, 1]], dtype=torch.float64)])

    points = target_points(3, 4, like=first)
    step = Affine().grid(second.reshape(1, 6), points)[0]
    once = Affine().grid((whole(first) @ whole(second))[:2].reshape(1, 6), points)
    torch.testing.assert_close(Affine().grid(first.reshape(1, 6), step), once)


def test_a_projective_warp_with_two_zeros_is_affine():
    theta = torch.randn(2, 6, dtype=torch.float64)
    points = target_points(3, 4, like=theta)
    longer = torch.cat([theta, torch.zeros(2, 2, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(Projective().grid(longer, points), Affine().grid(theta, points))


def test_the_horizon_of_a_projective_warp_stays_finite():
    theta = torch.tensor([[1.0, 0, 0, 0, 1, 0, 1, 0]], dtype=torch.float64, requires_grad=True)
    points = target_points(1, 3, align_corners=True, like=theta)  # the depth is zero at x = -1
    grid = Projective().grid(theta, points)
    y = F.grid_sample(torch.ones(1, 1, 2, 2).double(), grid, align_corners=False)
    y.sum().backward()
    assert torch.isfinite(grid).all()
    assert torch.isfinite(theta.grad).all()


@pytest.mark.parametrize("side", [2, 3, 4])
def test_a_spline_hits_its_control_points(side):
    controls = control_points(side)
    moved = controls + 0.3 * torch.randn_like(controls)
    grid = ThinPlateSpline(side).grid(moved.flatten()[None], controls[None])
    torch.testing.assert_close(grid[0, 0], moved)


def test_an_affine_move_of_the_control_points_bends_nothing():
    warp, controls = ThinPlateSpline(4), control_points(4)
    theta = torch.randn(6, dtype=torch.float64)
    matrix = theta.view(2, 3)
    moved = controls @ matrix[:, :2].T + matrix[:, 2]
    points = target_points(5, 6, like=theta)
    torch.testing.assert_close(
        warp.grid(moved.flatten()[None], points), Affine().grid(theta[None], points)
    )
    bending = (warp.solution @ moved)[3:]
    assert bending.abs().max() < 1e-12


def test_the_spline_s_side_conditions_hold():
    warp, controls = ThinPlateSpline(4), control_points(4)
    bending = (warp.solution @ torch.randn(16, 2, dtype=torch.float64))[3:]
    affine = spline_basis(controls, controls)[:, :3]
    assert (affine.T @ bending).abs().max() < 1e-12
    assert radial(torch.zeros(1)).item() == 0.0
    with pytest.raises(ValueError, match="side=1"):
        ThinPlateSpline(1)


def test_small_families_are_special_cases_of_the_affine_one():
    theta = torch.tensor([[0.3, 0.7, 0.1, -0.2]], dtype=torch.float64)
    matrix = Similarity().matrix(theta)[0]
    torch.testing.assert_close(matrix[:, :2].det().sqrt(), theta[0, 0].exp())
    torch.testing.assert_close(torch.atan2(matrix[1, 0], matrix[0, 0]), theta[0, 1])
    torch.testing.assert_close(matrix[:, 2], theta[0, 2:])
    alone = Similarity().matrix(torch.tensor([[0, 0.7, 0, 0]], dtype=torch.float64))
    torch.testing.assert_close(Rotation().matrix(theta[:, 1:2]), alone)
    moved = Similarity().matrix(torch.tensor([[0, 0, 0.1, -0.2]], dtype=torch.float64))
    torch.testing.assert_close(Translation().matrix(theta[:, 2:]), moved)


def test_the_output_may_have_another_size():
    module = SpatialTransformer(1, out_size=(3, 8))
    y, grid = module(torch.randn(2, 1, 6, 5), need_weights=True)
    assert y.shape == (2, 1, 3, 8)
    assert grid.shape == (2, 3, 8, 2)
    half = SpatialTransformer(1, out_size=(14, 14)).double()
    x = torch.randn(1, 1, 28, 28, dtype=torch.float64)
    # Each output pixel lies on the corner of four pixels: it is their mean.
    torch.testing.assert_close(half(x), F.avg_pool2d(x, 2))


def test_the_gradient_sees_four_pixels_and_no_more():
    """A spot three pixels away from every reading gives the warp no signal."""
    theta = torch.tensor([[1.0, 0, 0, 0, 1, 0]], dtype=torch.float64, requires_grad=True)
    x = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    x[0, 0, 4, 8] = 1.0
    grid = Affine().grid(theta, torch.zeros(1, 1, 2, dtype=torch.float64))
    bilinear_sample(x, grid).sum().backward()
    assert theta.grad.abs().max() == 0


def test_an_empty_sequential_is_kept():
    """It has no layers, so that it counts as false, and is a module all the same."""
    net = nn.Sequential()
    module = SpatialTransformer(1, features=36, localisation=net)
    assert module.localisation is net
    with pytest.raises(ValueError, match=r"localisation gives the shape \(2, 1, 6, 6\)"):
        module(torch.rand(2, 1, 6, 6))


def test_another_localisation_network_can_be_handed_in():
    net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4, 32), nn.ReLU())
    module = SpatialTransformer(1, localisation=net)
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(module(x), x)
    module.reset_parameters()
    assert module.localisation is net


def test_to_pixels_knows_both_alignments():
    ends = torch.tensor([-1.0, 1.0])
    assert to_pixels(ends, 4).tolist() == [-0.5, 3.5]
    assert to_pixels(ends, 4, align_corners=True).tolist() == [0.0, 3.0]


def test_the_fast_path_keeps_no_corners():
    """Corner by corner holds several copies of the output for the way back; one kernel none."""
    x = torch.randn(2, 16, 32, 32, requires_grad=True)
    grid = (0.9 * target_points(32, 32, like=x)).expand(2, -1, -1, -1).contiguous()

    def step(read):
        return torch.autograd.grad(read(x, grid).sum(), x)

    fast = peak_bytes(lambda: step(lambda x, g: F.grid_sample(x, g, align_corners=False)))
    slow = peak_bytes(lambda: step(bilinear_sample))
    assert fast <= 3.1 * x.nbytes
    assert slow > 2 * fast


def test_it_is_a_module_like_any_other():
    net = nn.Sequential(SpatialTransformer(3, warp=Similarity()), nn.Conv2d(3, 4, 3))
    assert net(torch.randn(2, 3, 8, 9)).shape == (2, 4, 6, 7)
    assert repr(SpatialTransformer(3, warp=Similarity())).startswith(
        "SpatialTransformer(\n  3, warp=Similarity()\n"
    )
