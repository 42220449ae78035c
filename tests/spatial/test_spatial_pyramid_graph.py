"""What only spatial pyramid graph reasoning promises, and the mistakes that must be noticed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.layers import accepted
from attncourse.measure import peak_bytes
from attncourse.precision import at_least_single, exact
from attncourse.spatial import SpatialPyramidGraph
from attncourse.spatial.spatial_pyramid_graph import (
    CARD,
    EPSILON,
    affinity,
    balanced,
    multiply_adds,
    parameter_count,
    pyramid,
    smoothed,
    spatial_pyramid_graph_reference,
)
from attncourse.transforms import in_format_of
from benchmarks.spatial.spatial_pyramid_graph import explicit
from tests.contract.specimen import Specimen, built, close, of_torch, outcomes_agree

ARGUMENTS = {"channels": 6, "reduction": 2}
ONE = {"channels": 6, "reduction": 2, "levels": 1}


def example(seed=0, b=2, c=6, h=4, w=5):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def by_hand(make, **options):
    """Two channels; phi is the first, every lambda is a half, Theta is the unit matrix."""
    module = make(2, 2, 1, **options).double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p.zero_()
        module.phi[0].weight[:, 0] = 1.0
        module.theta[0].weight[:, :, 0, 0] = torch.eye(2)
    return module


# ---------------------------------------------------------------- promises


def golden_values(make):
    """The facts' three positions: phi = (1, 2, 2), degrees 5, 10, 10, and L (1, 0, 2)."""
    x = torch.tensor([[1.0, 2.0, 2.0], [1.0, 0.0, 2.0]], dtype=torch.float64)[None, :, None]
    wanted = torch.tensor([0.234315, -1.082843, 0.917157], dtype=torch.float64)
    near = {"atol": 2e-6, "rtol": 1e-6}
    close(by_hand(make)(x)[0, 1, 0], wanted.relu(), **near)
    close((by_hand(make, residual=True)(x) - x)[0, 1, 0], wanted, **near)
    s = by_hand(make, smoothing=True)
    close(s(x)[0, 1, 0], (x[0, 1, 0] - wanted).relu(), **near)
    root = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64) / torch.tensor([5, 10, 10]).sqrt()
    close(s.g(x)[0][0], root[:, None] * root, **near)


def maps_are_symmetric_and_not_negative(make):
    for s in built(make, ARGUMENTS).g(example()):
        close(s, s.mT)
        assert (s >= 0).all()


def spectrum_lies_between_zero_and_one(make):
    """L has n - m eigenvalues that are 1, and one that is 0, at the root of the degrees."""
    module, x = built(make, ONE), example(b=1)
    with torch.no_grad():
        module.phi[0].bias.add_(3.0)  # every position has edges
    s = module.g(x)[0][0]
    values = torch.linalg.eigvalsh(torch.eye(20, dtype=torch.float64) - s)
    assert -1e-9 < values[0] < 1e-6  # epsilon lifts it a little
    assert values[-1] < 1 + 1e-9
    assert int((values > 1 - 1e-9).sum()) >= 20 - 3
    p, diagonal = module.factors(0, x)
    root = ((p * diagonal[:, :, None]).sum(dim=2)[:, None] @ p)[0, 0]  # S 1, for its degrees
    assert root.min() > 0
    phi = F.relu(module.phi[0](x)).flatten(2)
    degrees = torch.einsum("bmi,bm,bmj->bij", phi, diagonal, phi).sum(dim=2)[0]
    close(s @ degrees.sqrt(), degrees.sqrt(), atol=1e-5, rtol=1e-5)


def a_scale_of_phi_changes_nothing(make):
    """Only relative features and relative lambdas matter, epsilon aside."""
    one, other = built(make, ONE), built(make, ONE)
    with torch.no_grad():
        for module in (one, other):
            module.phi[0].bias.add_(3.0)
        other.phi[0].weight.mul_(3)
        other.phi[0].bias.mul_(3)
    close(one.g(example())[0], other.g(example())[0], atol=1e-6, rtol=1e-6)


def a_constant_map_has_no_differences(make):
    """L takes it away and S keeps it, on one level."""
    x = example(h=1, w=1).expand(-1, -1, 4, 3).contiguous()
    for smoothing in (False, True):
        module = built(make, ONE, smoothing=smoothing)
        with torch.no_grad():
            module.phi[0].bias.fill_(9.0)
        wanted = module.theta[0](x if smoothing else torch.zeros_like(x)).relu()
        close(module(x), wanted, atol=1e-6, rtol=1e-6)


def the_two_operators_add_up_to_theta(make):
    """S + L = I: with a residual and equal weights the two results add up to Theta x."""
    x = example()
    both = [built(make, ONE, smoothing=s, residual=True) for s in (True, False)]
    theta = both[0].theta[0]
    together = sum(module(x) - x for module in both)
    close(together, theta(x) + theta.bias[:, None, None])


def pixels_may_be_exchanged_on_one_level(make):
    order = torch.randperm(20, generator=torch.Generator().manual_seed(3))
    x = example()
    moved = x.flatten(2)[..., order].view_as(x)
    single = built(make, ONE)
    close(single(moved).flatten(2), single(x).flatten(2)[..., order])
    several = built(make, ARGUMENTS)
    assert (several(moved).flatten(2) - several(x).flatten(2)[..., order]).abs().max() > 1e-3


def levels_are_largest_values(make):
    """Two levels, silent fine one: what is not the largest of its square says nothing."""
    module, x = built(make, {"channels": 6, "reduction": 2, "levels": 2}), example(h=6, w=6)
    with torch.no_grad():
        for layer in (module.theta[0],):
            layer.weight.zero_(), layer.bias.zero_()
    x[..., 1, 1] = x[..., 0:2, 0:2].amin(dim=(2, 3)) - 1
    lower = x.clone()
    lower[..., 1, 1] -= 5
    close(module(lower), module(x))
    lower[..., 1, 1] += 50
    assert (module(lower) - module(x)).abs().max() > 1e-3


def starts_as_the_identity_with_a_residual(make):
    for smoothing in (False, True):
        module, x = make(**ARGUMENTS, residual=True, smoothing=smoothing).double(), example()
        close(module(x), x, atol=0, rtol=0)
        (module(x) * example(seed=4)).sum().backward()
        idle = {n for n, p in module.named_parameters() if p.grad.abs().sum() == 0}
        assert idle == {n for n, _ in module.named_parameters() if not n.startswith("theta")}


def a_silent_position_is_left_as_it_is(make):
    """phi = 0: no edges and no degree, so that L x = x, and no division by zero."""
    module, x = by_hand(make, residual=True), example(c=2)
    x[:, 0] = x[:, 0].abs() + 1
    x[:, 0, 1, 2] = -1.0
    x.requires_grad_()
    y = module(x) - x
    close(y[..., 1, 2], x[..., 1, 2])
    (slope,) = torch.autograd.grad(y.square().sum(), x)
    assert slope.isfinite().all()


def never_holds_a_map_of_all_pairs(make):
    """On 32 x 32 positions, forward and backward: less than half of one map of pairs."""
    for b in (1, 2):
        module, x = built(make, {"channels": 4}), example(b=b, c=4, h=32, w=32).requires_grad_()

        def step(module=module, x=x):
            return torch.autograd.grad(module(x).sum(), x)

        assert peak_bytes(step) < 0.5 * b * 8 * 32**4


def equals_other_layouts(make):
    """Forward and every gradient in float64, by tokens first and with L written out."""
    for options in ({}, {"smoothing": True}, {"residual": True}):
        for b, h, w in ((2, 5, 4), (1, 3, 7), (2, 1, 4), (1, 1, 1), (1, 9, 9)):
            module = built(make, ARGUMENTS, **options)
            x, upstream = example(1, b, 6, h, w), example(2, b, 6, h, w)
            outcomes_agree(
                (module, lambda x, m=module: tokens_first(m, x), explicit(module, x.shape)),
                x,
                list(module.parameters()),
                upstream,
            )


def tokens_first(module, x):
    """Our own writing with rows as positions."""
    y = None
    maps = pyramid(x, module.levels)
    for level in reversed(range(module.levels)):
        rows = maps[level].flatten(2).mT
        phi = F.relu(F.linear(rows, module.phi[level].weight.flatten(1), module.phi[level].bias))
        lam = torch.sigmoid(module.diagonal[level](rows.mean(dim=1)))
        a = torch.einsum("bim,bm,bjm->bij", phi, lam, phi)
        root = (a.sum(dim=2) + EPSILON).rsqrt()
        s = root[:, :, None] * a * root[:, None]
        operator = s if module.smoothing else torch.eye(rows.shape[1], dtype=x.dtype) - s
        theta = module.theta[level]
        mixed = F.linear(operator @ rows, theta.weight.flatten(1), theta.bias)
        mixed = (mixed if module.residual else F.relu(mixed)).mT.view_as(maps[level])
        if y is not None:
            y = F.interpolate(y, size=mixed.shape[2:], mode="bilinear", align_corners=False)
        y = mixed if y is None else y + mixed
    return x + y if module.residual else y


def large_products_stay_finite(make):
    """Degrees far beyond 65,504 in float16 input."""
    torch.manual_seed(0)
    module = make(64, 1).half().eval()
    x = 300 * torch.randn(1, 64, 6, 4, generator=torch.Generator().manual_seed(2)).half()
    for y in (module(x), module(x, need_weights=True)[0]):
        assert y.isfinite().all()
        assert y.dtype == torch.float16


PROMISES = (
    golden_values, maps_are_symmetric_and_not_negative, spectrum_lies_between_zero_and_one,
    a_scale_of_phi_changes_nothing, a_constant_map_has_no_differences,
    the_two_operators_add_up_to_theta, pixels_may_be_exchanged_on_one_level,
    levels_are_largest_values, starts_as_the_identity_with_a_residual,
    a_silent_position_is_left_as_it_is, never_holds_a_map_of_all_pairs, equals_other_layouts,
    large_products_stay_finite,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Mutant(SpatialPyramidGraph):
    """The steps, each to be replaced by one with a mistake."""

    def compared(self, level, x):
        phi = self.phi[level]
        return F.relu(phi(accepted(phi, x))).flatten(2).to(at_least_single(x))

    def weighed(self, level, x, phi):
        decide = self.diagonal[level]
        return torch.sigmoid(decide(accepted(decide, x.mean(dim=(2, 3))))).to(phi.dtype)

    def normalised(self, phi, diagonal):
        return balanced(phi, diagonal)

    def factors(self, level, x):
        phi = self.compared(level, x)
        diagonal = self.weighed(level, x, phi)
        return self.normalised(phi, diagonal), diagonal

    def halve(self, x):
        return F.max_pool2d(x, 2, ceil_mode=True)

    def maps(self, x):
        found = [x]
        for _ in range(self.levels - 1):
            found.append(self.halve(found[-1]))
        return found

    def operated(self, part, common):
        return common if self.smoothing else part - common

    def finished(self, mixed):
        return mixed if self.residual else F.relu(mixed)

    def enlarge(self, y, size):
        return F.interpolate(y, size=size, mode="bilinear", align_corners=False)

    def together(self, parts):
        y = parts[-1]
        for part in reversed(parts[:-1]):
            y = part + self.enlarge(y, part.shape[2:])
        return y

    def reason(self, x, smooth):
        parts = []
        for level, part in enumerate(self.maps(x)):
            with exact(x):
                flat = part.flatten(2).to(at_least_single(part))
                common = smooth(level, part, flat).to(part.dtype).view_as(part)
            theta = self.theta[level]
            parts.append(self.finished(theta(accepted(theta, self.operated(part, common)))))
        y = self.together(parts)
        return (x + y if self.residual else in_format_of(x, y)).to(x.dtype)

    def g(self, x):
        factors = [self.factors(i, part) for i, part in enumerate(self.maps(x))]
        with exact(x):
            return tuple(affinity(*both) for both in factors)

    def f(self, weights, x):
        return self.reason(x, lambda level, part, flat: flat @ weights[level])

    def attend(self, x):
        return self.reason(x, lambda level, part, flat: smoothed(flat, *self.factors(level, part)))


class NoDegrees(Mutant):
    """A as it is."""

    def normalised(self, phi, diagonal):
        return phi


class DividedByPositions(Mutant):
    """A over n, as a non-local block with a dot product does."""

    def normalised(self, phi, diagonal):
        return phi / phi.shape[2] ** 0.5


class DegreesNotRooted(Mutant):
    """Divided by the degree on both sides."""

    def normalised(self, phi, diagonal):
        return phi / ((diagonal * phi.sum(dim=2))[:, None] @ phi + EPSILON)


class DegreesWithoutTheDiagonal(Mutant):
    def normalised(self, phi, diagonal):
        return balanced(phi, torch.ones_like(diagonal))


class DegreesOfTheBatch(Mutant):
    """One sum over all images."""

    def normalised(self, phi, diagonal):
        total = (diagonal * phi.sum(dim=2)).mean(dim=0, keepdim=True)
        return phi / torch.sqrt(total[:, None] @ phi + EPSILON)


class WithoutEpsilon(Mutant):
    def normalised(self, phi, diagonal):
        return balanced(phi, diagonal, 0.0)


class SignedFeatures(Mutant):
    """No ReLU: degrees may be negative."""

    def compared(self, level, x):
        return self.phi[level](x).flatten(2)


class SoftmaxDiagonal(Mutant):
    """As in one of the ports."""

    def weighed(self, level, x, phi):
        return self.diagonal[level](x.mean(dim=(2, 3))).softmax(dim=1)


class FreeDiagonal(Mutant):
    """No sigmoid, as in the other port."""

    def weighed(self, level, x, phi):
        return self.diagonal[level](x.mean(dim=(2, 3)))


class NoDiagonal(Mutant):
    def weighed(self, level, x, phi):
        return torch.ones_like(phi[:, :, 0])


class DiagonalOfTheLargest(Mutant):
    """Decided by the maximum of each channel."""

    def weighed(self, level, x, phi):
        return torch.sigmoid(self.diagonal[level](x.amax(dim=(2, 3))))


class DetachedDiagonal(Mutant):
    def weighed(self, level, x, phi):
        return super().weighed(level, x, phi).detach()


class OtherSign(Mutant):
    """I + S."""

    def operated(self, part, common):
        return common if self.smoothing else part + common


class OperatorsExchanged(Mutant):
    """S where L was asked for."""

    def operated(self, part, common):
        return part - common if self.smoothing else common


class Unrectified(Mutant):
    def finished(self, mixed):
        return mixed


class RectifiedResidual(Mutant):
    def finished(self, mixed):
        return F.relu(mixed)


class MeanPooled(Mutant):
    def halve(self, x):
        return F.avg_pool2d(x, 2, ceil_mode=True)


class LastRowDropped(Mutant):
    """Floors odd sides, down to one."""

    def halve(self, x):
        return F.max_pool2d(x, [min(2, side) for side in x.shape[2:]])


class NearestEnlarged(Mutant):
    def enlarge(self, y, size):
        return F.interpolate(y, size=size, mode="nearest")


class CornersAligned(Mutant):
    def enlarge(self, y, size):
        return F.interpolate(y, size=size, mode="bilinear", align_corners=True)


class EachFromTheFinest(Mutant):
    """Every level enlarged at once, not step by step."""

    def together(self, parts):
        return parts[0] + sum(self.enlarge(part, parts[0].shape[2:]) for part in parts[1:])


class Reinterpreted(Mutant):
    """(c, h, w) read as (n, c) in memory, as in one of the ports."""

    def compared(self, level, x):
        phi = F.relu(self.phi[level](x))
        return phi.reshape(phi.shape[0], -1, phi.shape[1]).mT


class OneThetaForAll(Mutant):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        for layers in (self.theta,):
            for i in range(1, len(layers)):
                layers[i] = layers[0]


class HoldsTheMap(Mutant):
    """The explicit form, always."""

    def attend(self, x):
        return self.f(self.g(x), x)


class OpenAtTheStart(Mutant):
    """Theta as PyTorch draws it, with a residual, too."""

    def _shut(self):
        pass


class HalfDegrees(Mutant):
    """Sums in whatever type the input has."""

    def compared(self, level, x):
        return F.relu(self.phi[level](x)).flatten(2)


MUTANTS = (
    NoDegrees, DividedByPositions, DegreesNotRooted, DegreesWithoutTheDiagonal, DegreesOfTheBatch,
    WithoutEpsilon, SignedFeatures, SoftmaxDiagonal, FreeDiagonal, NoDiagonal,
    DiagonalOfTheLargest, DetachedDiagonal, OtherSign, OperatorsExchanged, Unrectified,
    RectifiedResidual, MeanPooled, LastRowDropped, NearestEnlarged, CornersAligned,
    EachFromTheFinest, Reinterpreted, OneThetaForAll, HoldsTheMap, OpenAtTheStart, HalfDegrees,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 5, "reduction": 1, "levels": 1, "smoothing": True, "residual": True},
        {"channels": 4, "levels": 2, "smoothing": True},
    ),
    reference=lambda m, x: spatial_pyramid_graph_reference(x, m),
    promises=PROMISES,
    starts=(
        (
            {"channels": 64},
            {"phi.*": of_torch(64), "diagonal.*": of_torch(64), "theta.*": of_torch(64)},
        ),
        (
            {"channels": 64, "residual": True},
            {
                "phi.*": of_torch(64),
                "diagonal.*": of_torch(64),
                "theta.*": ("constant", 0.0),
            },
        ),
    ),
    smallest=({"channels": 1}, {"channels": 1, "reduction": 1, "levels": 1}),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 7, "reduction": 3, "levels": 2, "residual": True},
        {"channels": 24, "levels": 1, "smoothing": True},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 8, "reduction": 0}, "reduction=0 must be an integer divisor"),
        ({"channels": 8, "levels": 0}, "levels=0 must be at least 1"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_counts_of_the_facts():
    assert parameter_count(64, 4, 1) == 6_240
    assert parameter_count(512, 8, 1) == 328_320
    n, c, m = 97 * 97, 512, 64
    bare = 2 * n * m * c  # what is left when phi, Theta and what is linear in n are taken off
    assert multiply_adds(97, 97, 512, 8, 1) == pytest.approx(bare + n * c * (m + c), rel=0.01)
    assert multiply_adds(96, 96, 64) / multiply_adds(96, 96, 64, levels=1) == pytest.approx(
        21 / 16, rel=0.1
    )


def test_the_factors_make_the_map_in_any_batch():
    phi = example(c=3).relu().flatten(2)
    diagonal = torch.tensor([[0.2, 1.0, 0.7], [1.0, 0.1, 0.4]], dtype=torch.float64)
    a = phi.mT @ torch.diag_embed(diagonal) @ phi
    d = a.sum(dim=2) + EPSILON
    p = balanced(phi, diagonal)
    close(affinity(p, diagonal), a / torch.sqrt(d[:, :, None] * d[:, None]))
    x = example(seed=1, c=4).flatten(2)
    close(smoothed(x, p, diagonal), x @ affinity(p, diagonal))
    assert torch.linalg.matrix_rank(affinity(p, diagonal)).max() <= 3


def test_repr_says_what_differs():
    assert SpatialPyramidGraph(64).extra_repr() == "64"
    made = SpatialPyramidGraph(64, 4, 1, smoothing=True, residual=True)
    assert made.extra_repr() == "64, reduction=4, levels=1, smoothing=True, residual=True"


def test_layers_are_a_list_for_each_level():
    assert all(
        isinstance(m, nn.ModuleList) and len(m) == 3 for m in SpatialPyramidGraph(8).children()
    )
