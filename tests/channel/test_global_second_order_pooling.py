"""What only GSoP's two branches promise, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.backbones import ResNet50
from attncourse.channel import GlobalSecondOrderPooling, SecondOrderPositions
from attncourse.channel.global_second_order_pooling import (
    CARD,
    POSITIONS,
    centring,
    covariance,
    covariance_gradient,
    global_second_order_pooling_reference,
    off_centre,
    row_products,
    second_order_positions_reference,
    square_root,
)
from attncourse.experiments import experiments_of, published
from attncourse.layers import as_affine
from tests.channel.test_squeeze_excitation import golden_input
from tests.contract.specimen import Specimen, built, close, of_torch

ARGUMENTS = {"channels": 3, "reduced_channels": 4, "expansion": 2}
CELLS = {"channels": 3, "reduced_channels": 4, "expansion": 2, "grid": 2}


def example(seed=0, b=2, c=3, h=5, w=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, h, w, dtype=torch.float64, generator=generator)


def layers(m):
    """What both references take, from a module in eval mode."""
    return (
        (m.reduce.weight, m.reduce.bias), as_affine(m.norm), as_affine(m.row_norm),
        (m.rows.weight, m.rows.bias), (m.expand.weight, m.expand.bias),
    )  # fmt: skip


def unreduced(make, **options):
    """A block whose reduction passes its channels on."""
    module = built(make, {"channels": 4, "reduced_channels": 4, **options})
    with torch.no_grad():
        module.reduce.weight.copy_(torch.eye(4)[:, :, None, None])
        module.reduce.bias.zero_()
    module.norm.reset_parameters()
    module.norm.eps = 0.0
    return module


# ---------------------------------------------------------------- promises


def golden_values(make):
    """The covariance of the shared input, which has rank 2: sines span two dimensions."""
    rows = ((0.106784, 0.157493, 0.063403, -0.088979), (0.298338, 0.164892, -0.120154),
            (0.114780, -0.040861), (0.076000,))  # fmt: skip
    sigma = unreduced(make).covariances(golden_input())[0]
    for i, row in enumerate(rows):
        close(sigma[i, i:], torch.tensor(row, dtype=torch.float64), atol=1e-6, rtol=0)
    assert int(torch.linalg.matrix_rank(sigma, tol=1e-9)) == 2


def covariances_are_symmetric_and_not_negative(make):
    """Sigma equals its transpose, and no direction has a negative variance."""
    sigma = built(make, ARGUMENTS).covariances(example()).detach()
    close(sigma, sigma.mT)
    assert float(torch.linalg.eigvalsh(sigma).min()) > -1e-12


def constants_and_the_order_of_pixels_do_not_count(make):
    """Add a number to a channel, or permute the positions: the gates stay."""
    module, x = built(make, ARGUMENTS), example()
    wanted = module.g(x)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    close(module.g(x.flatten(2)[:, :, order].view_as(x)), wanted)
    close(module.g(x + torch.tensor([1.0, -2.0, 5.0]).double()[:, None, None]), wanted)
    assert (module.g(2 * x) - wanted).abs().max() > 1e-3


def a_mean_leaks_through_their_relu(make):
    """With the released ReLUs a constant does count."""
    module, x = built(make, ARGUMENTS | {"rectify": True}), example()
    assert (module.g(x + 1) - module.g(x)).abs().max() > 1e-3


def the_sign_of_a_pair_counts(make):
    """Turn the sign of one channel in half of the positions: variances stay, gates move."""
    module = unreduced(make)
    a = golden_input()[:, :1] - golden_input()[:, :1].mean()
    x = torch.cat([a, a, a, a], dim=1)
    other = torch.cat([a, -a, a, a], dim=1)
    close(x.var(dim=(2, 3)), other.var(dim=(2, 3)))
    assert (module.g(x) - module.g(other)).abs().max() > 1e-3


def zero_weights_halve_the_input(make):
    """With an expansion of zero, bias and all, y is x / 2."""
    module, x = built(make, ARGUMENTS), example()
    nn.init.zeros_(module.expand.weight), nn.init.zeros_(module.expand.bias)
    close(module(x), x / 2)


def a_row_speaks_for_its_own_channel(make):
    """The first e values behind the rows depend on the first row of the covariance alone."""
    module = built(make, ARGUMENTS)
    seen = []
    module.rows.register_forward_hook(lambda m, i, o: seen.append((i[0].detach(), o.detach())))
    module.g(example())
    rows, found = seen[0]
    weight = module.rows.weight.view(4, 2, 4)
    wanted = row_products(rows, weight) + module.rows.bias.view(4, 2)
    close(found.reshape(2, 4, 2), wanted)


PROMISES = (
    golden_values, covariances_are_symmetric_and_not_negative,
    constants_and_the_order_of_pixels_do_not_count, a_mean_leaks_through_their_relu,
    the_sign_of_a_pair_counts, zero_weights_halve_the_input, a_row_speaks_for_its_own_channel,
)  # fmt: skip


def one_gate_for_each_position(make):
    """All channels of a position share its gate."""
    module, x = built(make, CELLS), example()
    y, gates = module(x, need_weights=True)
    close(y, x * gates[:, None])
    assert gates.std(dim=(1, 2)).min() > 1e-6


def positions_are_compared_over_channels(make):
    """What all reduced channels of a position have in common does not count."""
    module, x = built(make, CELLS), example()
    wanted = module.covariances(x).detach()
    close(wanted, wanted.mT)
    assert float(torch.linalg.eigvalsh(wanted).min()) > -1e-12
    with torch.no_grad():
        module.norm.bias.add_(3.0)
    close(module.covariances(x), wanted)


def their_centring_is_no_projector(make):
    """With d above g^2, a common value of all channels gives a negative eigenvalue."""
    arguments = CELLS | {"reduced_channels": 7, "released_centring": True}
    module = built(make, arguments)
    nn.init.zeros_(module.norm.weight), nn.init.ones_(module.norm.bias)
    sigma = module.covariances(example()).detach()
    close(torch.linalg.eigvalsh(sigma)[:, 0], torch.full((2,), 7 * 4 * (1 - 7 / 4) / 4).double())


def cells_keep_their_places(make):
    """A map of the grid's own size is neither pooled nor resized, and rows stay rows."""
    module, x = built(make, CELLS), example(h=2, w=2)
    z = module.norm(module.reduce(x)).flatten(2)
    close(module.covariances(x), covariance(z.mT))
    wide = module.g(example(h=2, w=6))
    close(wide[:, :, :3], wide[:, :, :1].expand(-1, -1, 3))
    assert (wide[:, :, 0] - wide[:, :, 5]).abs().min() > 1e-6


CELL_PROMISES = (
    one_gate_for_each_position, positions_are_compared_over_channels,
    their_centring_is_no_projector, cells_keep_their_places,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Uncentred(GlobalSecondOrderPooling):
    """Second moments without the mean taken away."""

    def covariances(self, x):
        z = self.reduced(x)
        return z @ z.mT / z.shape[2]


class Unbiased(GlobalSecondOrderPooling):
    """Divided by one less than the positions."""

    def covariances(self, x):
        m = self.reduced(x).shape[2]
        return super().covariances(x) * m / max(m - 1, 1)


class Summed(GlobalSecondOrderPooling):
    """Not divided: gates depend on the size of the map (known error C13)."""

    def covariances(self, x):
        return super().covariances(x) * self.reduced(x).shape[2]


class Correlation(GlobalSecondOrderPooling):
    """Divided by the spreads: how strongly a channel varies is lost."""

    def covariances(self, x):
        sigma = super().covariances(x)
        spread = (sigma.diagonal(dim1=1, dim2=2) + 1e-6).sqrt()
        return sigma / (spread[:, :, None] * spread[:, None])


class DiagonalOnly(GlobalSecondOrderPooling):
    """Variances alone."""

    def covariances(self, x):
        return torch.diag_embed(super().covariances(x).diagonal(dim1=1, dim2=2))


class Mixed(GlobalSecondOrderPooling):
    """Values behind the rows in another order: row i no longer speaks for channel i."""

    def g(self, x):
        rows = self.rows(self.row_norm(self.covariances(x)))
        turned = rows.view(len(x), -1, self.expansion).mT.flatten(1)
        return torch.sigmoid(self.expand(F.leaky_relu(turned, self.slope)))


class WithoutRowNorm(GlobalSecondOrderPooling):
    """Rows are not normalised: entries of very different size."""

    def g(self, x):
        rows = F.leaky_relu(self.rows(self.covariances(x)).flatten(1), self.slope)
        return torch.sigmoid(self.expand(rows))


class SlopeForgotten(GlobalSecondOrderPooling):
    """``slope`` is accepted and dropped."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.slope = 0.1


class Softmax(GlobalSecondOrderPooling):
    """Gates that compete."""

    def g(self, x):
        gates = super().g(x)
        return torch.softmax(torch.logit(gates), dim=1)


class GatesTheReduced(GlobalSecondOrderPooling):
    """The gates act on the rectified input."""

    def f(self, weights, x):
        return super().f(weights, F.relu(x))


class Residual(GlobalSecondOrderPooling):
    """x + s x, which cannot suppress (known error C3)."""

    def f(self, weights, x):
        return x + super().f(weights, x)


class Detached(GlobalSecondOrderPooling):
    """A covariance that carries no gradient."""

    def covariances(self, x):
        return super().covariances(x).detach()


class StrideForgotten(GlobalSecondOrderPooling):
    """``stride`` is accepted and dropped."""

    def __init__(self, *arguments, stride=1, **options):
        super().__init__(*arguments, **options)
        self.stride = stride


class WrongCentring(SecondOrderPositions):
    """The released matrix whatever was asked for (known error C28)."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.released_centring = True


class CentredOverCells(SecondOrderPositions):
    """The mean over positions is taken away, not that over channels."""

    def covariances(self, x):
        z = self.norm(self.reduce(F.relu(x) if self.rectify else x))
        cells = F.adaptive_avg_pool2d(z, self.grid).flatten(2)
        away = cells - cells.mean(dim=2, keepdim=True)
        return away.mT @ away / self.reduced_channels


class Nearest(SecondOrderPositions):
    """The gates are resized by repeating."""

    def g(self, x):
        v = F.leaky_relu(self.rows(self.row_norm(self.covariances(x))).flatten(1), self.slope)
        gates = torch.sigmoid(self.expand(v)).view(-1, 1, self.grid, self.grid)
        return F.interpolate(gates, x.shape[2:])[:, 0]


class Transposed(SecondOrderPositions):
    """Rows and columns of the grid exchanged."""

    def g(self, x):
        return super().g(x.mT).mT


class TwiceRectified(SecondOrderPositions):
    """A ReLU behind the product in every case."""

    def f(self, weights, x):
        return F.relu(super().f(weights, x))


class LeakyAlways(SecondOrderPositions):
    """``slope`` is accepted and dropped."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.slope = 0.1


class GateOfTheImage(SecondOrderPositions):
    """One gate for all positions."""

    def g(self, x):
        gates = super().g(x)
        return gates.mean(dim=(1, 2), keepdim=True).expand_as(gates)


class CellsDetached(SecondOrderPositions):
    """A covariance that carries no gradient."""

    def covariances(self, x):
        return super().covariances(x).detach()


def of(*mutants):
    """The mutants by their names."""
    return {mutant.__name__: mutant for mutant in mutants}


def _starts(c, d, m, e):
    return {
        "reduce.*": of_torch(c), "rows.*": of_torch(m), "expand.*": of_torch(e * m),
        "*norm.weight": ("constant", 1.0), "*norm.bias": ("constant", 0.0),
    }  # fmt: skip


_REFUSED = (
    ({"channels": 0}, "channels=0"),
    ({"channels": 4, "reduced_channels": 0}, "reduced_channels=0"),
    ({"channels": 4, "expansion": 0}, "expansion=0"),
    ({"channels": 4, "slope": 1.5}, "slope=1.5"),
)

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 2, "reduced_channels": 3, "expansion": 1, "slope": 1.0, "rectify": True,
         "stride": 2},
    ),
    reference=lambda m, x: global_second_order_pooling_reference(
        x, *layers(m), slope=m.slope, rectify=m.rectify, stride=m.stride
    ),
    promises=PROMISES,
    mutants=of(Uncentred, Unbiased, Summed, Correlation, DiagonalOnly, Mixed, WithoutRowNorm,
               SlopeForgotten, Softmax, GatesTheReduced, Residual, Detached, StrideForgotten),
    starts=(({"channels": 64, "reduced_channels": 16}, _starts(64, 16, 16, 4)),),
    smallest=({"channels": 1, "reduced_channels": 1, "expansion": 1},),
    grid=(
        {"channels": 64, "reduced_channels": 16},
        {"channels": 17, "reduced_channels": 8, "expansion": 3, "stride": 2},
        {"channels": 6, "reduced_channels": 4, "slope": 1.0, "rectify": True},
    ),
    refused=(*_REFUSED, ({"channels": 4, "stride": 0}, "stride=0")),
    excused={
        "every_parameter_learns": "a covariance does not change with the means of its channels, so "
        "neither the reduction's bias nor the shift behind it gets a gradient unless rectify is set"
    },
)  # fmt: skip
POSITION = Specimen(
    card=POSITIONS,
    arguments=(
        CELLS,
        {"channels": 2, "reduced_channels": 5, "expansion": 1, "grid": 2, "slope": 0.2,
         "rectify": True, "released_centring": True},
    ),
    reference=lambda m, x: second_order_positions_reference(
        x, *layers(m), grid=m.grid, slope=m.slope, rectify=m.rectify,
        released_centring=m.released_centring,
    ),
    promises=CELL_PROMISES,
    mutants=of(WrongCentring, CentredOverCells, Nearest, Transposed, TwiceRectified, LeakyAlways,
               GateOfTheImage, CellsDetached),
    starts=(({"channels": 64, "reduced_channels": 16, "grid": 4}, _starts(64, 16, 16, 4)),),
    smallest=({"channels": 1, "reduced_channels": 1, "expansion": 1, "grid": 1},),
    grid=(
        {"channels": 32, "reduced_channels": 16},
        {"channels": 17, "reduced_channels": 8, "expansion": 3, "grid": 3},
        {"channels": 6, "reduced_channels": 4, "grid": 2, "rectify": True,
         "released_centring": True},
    ),
    refused=(*_REFUSED, ({"channels": 4, "grid": 0}, "grid=0")),
)  # fmt: skip
SPECIMENS = (SPECIMEN, POSITION)

# ---------------------------------------------------------------- the authors' layers


def _explicit(z, size, constant):
    """z times a centring matrix that stands written out, times z."""
    ones = torch.ones(size, size, dtype=z.dtype) / constant / constant
    eye = torch.eye(size, dtype=z.dtype) / constant
    return z.matmul(eye - ones).matmul(z.transpose(1, 2))


class Theirs(nn.Module):
    """The released layout: matrices as images of one column, convolutions throughout."""

    def __init__(self, channels, d, m, out, *, positions, stride=1):
        super().__init__()
        self.d, self.m, self.positions = d, m, positions
        self.relu_normal = nn.ReLU()
        self.conv_for_dr = nn.Conv2d(channels, d, 1, stride=stride, bias=True)
        self.bn_for_dr = nn.BatchNorm2d(d)
        self.row_bn = nn.BatchNorm2d(m)
        self.row_conv_group = nn.Conv2d(m, 4 * m, (m, 1), groups=m, bias=True)
        self.fc_adapt_channels = nn.Conv2d(4 * m, out, 1, bias=True)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        out = self.bn_for_dr(self.conv_for_dr(self.relu_normal(x)))
        if self.positions:
            out = F.adaptive_avg_pool2d(out, (8, 8)).reshape(len(x), self.d, 64)
            matrix = _explicit(out.transpose(1, 2), self.d, 64)
        else:
            out = self.relu_normal(out).flatten(2)
            matrix = _explicit(out, out.shape[2], out.shape[2])
        out = self.row_conv_group(self.row_bn(matrix.unsqueeze(-1)))
        if self.positions:
            out = self.relu_normal(out)
        out = self.sigmoid(self.fc_adapt_channels(out))
        if not self.positions:
            return x * out
        gates = F.adaptive_avg_pool2d(out.view(len(x), 1, 8, 8), x.shape[2:])
        return self.relu_normal(x * gates)


def _copied(ours, theirs):
    """The same numbers in both, running statistics among them."""
    theirs = theirs.double()
    pairs = zip(
        (ours.reduce, ours.norm, ours.row_norm, ours.rows, ours.expand),
        (theirs.conv_for_dr, theirs.bn_for_dr, theirs.row_bn, theirs.row_conv_group,
         theirs.fc_adapt_channels), strict=True,
    )  # fmt: skip
    for one, other in pairs:
        other.load_state_dict(
            {name: value.view_as(other.state_dict()[name])
             for name, value in one.state_dict().items()}
        )  # fmt: skip
    return theirs


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("which", ["channels", "channels, stride 2", "positions"])
def test_with_their_switches_it_is_the_authors_layer(which, training):
    """Forward, every gradient and running statistic, in float64."""
    if which == "positions":
        arguments = {"channels": 6, "reduced_channels": 10, "rectify": True,
                     "released_centring": True}  # fmt: skip
        ours = built(SecondOrderPositions, arguments)
        theirs = Theirs(6, 10, 64, 64, positions=True)
    else:
        stride = 2 if "2" in which else 1
        arguments = {"channels": 6, "reduced_channels": 5, "slope": 1.0, "rectify": True,
                     "stride": stride}  # fmt: skip
        ours = built(GlobalSecondOrderPooling, arguments)
        theirs = Theirs(6, 5, 5, 6, positions=False, stride=stride)
    theirs = _copied(ours, theirs)
    found = []
    for layer in (ours.train(training), theirs.train(training)):
        x = example(seed=3, b=3, c=6, h=9, w=11).requires_grad_()
        y = layer(x)
        y.backward(example(seed=4, b=3, c=6, h=9, w=11))
        gradients = [p.grad.flatten() for p in layer.parameters()]
        found.append([y.detach(), x.grad, *gradients, *layer.buffers()])
    assert len(found[0]) == len(found[1]) == 18
    for one, other in zip(*found, strict=True):
        close(one, other)


# ---------------------------------------------------------------- covariance and its gradient


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_centring_matrix_is_a_projector_over_its_size(size):
    bar = centring(size, dtype=torch.float64)
    p = size * bar
    close(p @ p, p)
    close(p, p.mT)
    close(p.sum(dim=0), torch.zeros(size, dtype=torch.float64))
    z = example(h=1, w=size).flatten(2)
    close(covariance(z), z @ bar @ z.mT)


def test_the_gradient_by_hand_is_autograds():
    z, g = example(b=2, c=3).flatten(2).requires_grad_(), example(1, b=2, c=3, h=3, w=1)[..., 0]
    (wanted,) = torch.autograd.grad(covariance(z), z, g)
    close(covariance_gradient(z, g), wanted)
    bar = centring(20, dtype=torch.float64)
    close((g + g.mT) @ z @ bar, wanted)
    close(wanted.sum(dim=2), torch.zeros(2, 3, dtype=torch.float64))


@pytest.mark.parametrize(("d", "m"), [(4, 3), (4, 5), (4, 20), (5, 1)])
def test_the_rank_is_at_most_one_less_than_the_positions(d, m):
    sigma = covariance(torch.randn(1, d, m, dtype=torch.float64))
    assert int(torch.linalg.matrix_rank(sigma[0], tol=1e-10)) == min(d, m - 1)


def test_row_products_are_a_grouped_convolution():
    rows, weight = example(b=2, c=4, h=6, w=1)[..., 0], example(2, b=4, c=3, h=6, w=1)[..., 0]
    grouped = F.conv1d(rows, weight.reshape(12, 1, 6), groups=4)
    close(row_products(rows, weight).flatten(1), grouped.flatten(1))


def test_the_wrong_sized_matrix_turns_the_constant_direction():
    """d = 128 values with the constants of 64: 127 times 1/64, and once -1/64."""
    found = torch.linalg.eigvalsh(centring(128, 64, dtype=torch.float64))
    close(found, torch.tensor([-1.0] + 127 * [1.0], dtype=torch.float64) / 64)
    z = example(c=5, h=8, w=2).flatten(2)
    close(off_centre(z, 7), z @ centring(16, 7, dtype=torch.float64) @ z.mT)
    close(off_centre(z, 16), covariance(z))


def test_a_centring_matrix_needs_sizes():
    with pytest.raises(ValueError, match="size=0"):
        centring(0)


# ---------------------------------------------------------------- the square root


def spectrum(d, condition):
    return torch.logspace(0, math.log10(condition), d, dtype=torch.float64)


def error(eigenvalues, steps):
    """Relative Frobenius error of so many steps, for a matrix in a random basis."""
    q = torch.linalg.qr(example(h=len(eigenvalues), w=len(eigenvalues))[0, 0]).Q
    found = square_root(q @ eigenvalues.diag() @ q.T, steps)
    wanted = q @ eigenvalues.sqrt().diag() @ q.T
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(
    ("d", "condition", "steps"),
    [(16, 1, 6), (16, 100, 8), (16, 1e4, 10), (16, 1e8, 10), (256, 1, 9), (256, 100, 11)],
)
def test_the_steps_to_one_per_cent_go_with_the_size(d, condition, steps):
    eigenvalues = spectrum(d, condition)
    assert error(eigenvalues, steps) < 0.01 <= error(eigenvalues, steps - 1)


def test_the_error_is_that_of_the_scalar_map():
    """p -> p (3 - p)^2 / 4 from each share of the trace; y is the root times root p."""
    eigenvalues = spectrum(16, 100)
    share = eigenvalues / eigenvalues.sum()
    p = share.clone()
    for steps in range(9):
        wanted = (share * (1 - p.sqrt()) ** 2).sum().sqrt()
        assert error(eigenvalues, steps) == pytest.approx(float(wanted), abs=1e-9)
        e = 1 - p
        p = p * (3 - p) ** 2 / 4
        close(1 - p, e**2 * (3 + e) / 4)


def test_three_steps_are_far_from_the_root_of_the_identity():
    """A A^T / 64 from numpy's seed 0 is not ours to draw; multiples of the identity are."""
    for steps, wanted in ((3, 0.79), (5, 0.55), (8, 0.047)):
        assert error(torch.ones(256, dtype=torch.float64), steps) == pytest.approx(
            wanted, abs=0.006
        )
    close(square_root(torch.eye(6, dtype=torch.float64), 25), torch.eye(6, dtype=torch.float64))


def test_square_roots_take_batches_and_matrices_of_zero():
    sigma = covariance(example(b=3, c=4).flatten(2))
    root = square_root(sigma, 25)
    close(root @ root, sigma)
    assert torch.equal(square_root(torch.zeros(2, 3, 3), 3), torch.zeros(2, 3, 3))
    with pytest.raises(ValueError, match="square"):
        square_root(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="steps=-1"):
        square_root(sigma, -1)


# ---------------------------------------------------------------- tests of its own


def test_the_authors_parameters():
    """The four blocks of ResNet-50, and what they add."""
    counts = [CARD.parameters(c) for c in (256, 512, 1024, 2048)]
    assert counts == [230_784, 394_880, 723_072, 1_379_456]
    with torch.device("meta"):
        plain = sum(p.numel() for p in ResNet50().parameters())
        blocks = [GlobalSecondOrderPooling(c) for c in (256, 512, 1024, 2048)]
    assert plain + sum(p.numel() for b in blocks for p in b.parameters()) == 28_285_224


@pytest.mark.parametrize(
    ("rectify", "dead"), [(False, {"reduce.bias", "norm.bias"}), (True, set())]
)
def test_constants_learn_only_behind_a_relu(rectify, dead):
    """Centring takes both constants away; in use, not in training, where the norm does too."""
    module = built(GlobalSecondOrderPooling, ARGUMENTS | {"rectify": rectify})
    (module(example()) * example(1)).sum().backward()
    found = {n for n, p in module.named_parameters() if float(p.grad.abs().max()) < 1e-12}
    assert found == dead


@pytest.mark.parametrize("block", [GlobalSecondOrderPooling, SecondOrderPositions])
def test_one_image_of_one_position_is_refused_in_training(block):
    with pytest.raises(ValueError, match="more images or positions"):
        block(3, 2)(torch.zeros(1, 3, 1, 1))


# ---------------------------------------------------------------- the networks of its experiments


@torch.no_grad()
def change_of(name, x, other):
    """How far apart a new network's answers to two inputs are."""
    network = which_pair(name).eval()
    return float((network(x) - network(other)).abs().max())


def which_pair(name):
    return experiments_of("channel/global_second_order_pooling")[0].variant(name).build()


def other_pair(x):
    """The same image with the second cue field turned around: the covariance changes its sign."""
    return torch.cat([x[:, :3], -x[:, 3:]], dim=1)


def test_only_networks_with_a_mixing_or_pairs_see_the_pair():
    """In fields without a mean, turn one around: its mean and variance stay."""
    torch.manual_seed(0)
    x = torch.rand(2, 4, 8, 8)
    x[:, 2:] -= x[:, 2:].mean(dim=(2, 3), keepdim=True)
    blind = ("no gate", "SE", "variances")
    for name in ("mixing", "pairs", "cue only", "mixed SE", "GSoP, theirs", "GSoP", *blind):
        assert (change_of(name, x, other_pair(x)) < 1e-6) == (name in blind), name


def test_only_a_relu_before_the_covariance_lets_a_mean_through():
    torch.manual_seed(0)
    x = torch.rand(2, 4, 8, 8)
    moved = torch.cat([x[:, :2], x[:, 2:] + 0.5], dim=1)
    blind = ("variances", "mixing", "pairs", "cue only", "GSoP")
    for name in ("GSoP, theirs", "mixed SE", *blind):
        assert (change_of(name, x, moved) < 1e-5) == (name in blind), name


def test_the_cue_alone_hides_its_mirror_image():
    torch.manual_seed(0)
    x = torch.rand(2, 4, 8, 8)
    other = torch.cat([x[:, :2], x[:, 2:].flip(3)], dim=1)
    for name, sees in (("cue only", False), ("GSoP", True), ("mixing", True)):
        assert (change_of(name, x, other) > 1e-5) == sees, name


def test_ablations_keep_the_parameters_of_what_is_left():
    count = {name: sum(p.numel() for p in which_pair(name).parameters()) for name in (
        "no gate", "SE", "mixing", "cue only", "GSoP, theirs", "GSoP", "pairs", "variances",
        "mixed SE",
    )}  # fmt: skip
    own = CARD.parameters(32, 12)
    for name in ("mixing", "cue only", "GSoP, theirs", "GSoP"):
        assert count[name] - count["no gate"] == own
    assert count["pairs"] == count["variances"]
    assert count["pairs"] - count["no gate"] == CARD.parameters(32, 32) - 32 * 33
    assert count["mixed SE"] - count["no gate"] < own


def test_recorded_runs_say_what_the_chapter_says():
    """Either of the two is enough, none is too little, and the rival comes as far."""
    recorded = published("channel/global_second_order_pooling")
    found = recorded.compare("which_pair", "GSoP")
    for name in ("no gate", "SE", "variances"):
        assert found[name].summary.mean < 0.55
        assert found[name].gain.verdict == "clear"
    for name in ("mixing", "pairs", "cue only", "mixed SE", "GSoP, theirs"):
        assert found[name].gain.verdict == "clearly small"
    assert found["deep CNN"].gain.verdict == "no clear effect"
    assert found["deep CNN"].gain.mean == pytest.approx(-0.0055, abs=0.003)
    assert found["CNN"].gain.mean == pytest.approx(-0.12, abs=0.01)
    solved = {
        "mean": {"SE", "mixed SE", "GSoP, theirs"},
        "spread": {"variances", "mixing", "cue only", "mixed SE", "GSoP, theirs", "GSoP"},
        "wave": {"mixing", "mixed SE", "GSoP, theirs", "GSoP"},
    }
    for row, names in solved.items():
        for variant in recorded.compare(row, "GSoP").rows:
            right = variant.summary.mean
            assert right > 0.95 if variant.name in names else right < 0.56, (row, variant.name)


@pytest.mark.parametrize("block", [GlobalSecondOrderPooling, SecondOrderPositions])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_one_image_has_the_right_gradient_in_training(block, layout):
    """Where PyTorch's batch normalisation gets a transposed gradient of one image it errs."""
    module = built(block, {"channels": 6, "reduced_channels": 5}).train()
    x = example(b=1, c=6, h=7, w=6).contiguous(memory_format=layout).requires_grad_()
    y = module(x)
    way, direction = example(1, b=1, c=6, h=7, w=6), example(2, b=1, c=6, h=7, w=6)
    (slope,) = torch.autograd.grad(y, x, direction)
    with torch.no_grad():
        moved = (module(x + 1e-5 * way) - module(x - 1e-5 * way)) / 2e-5
    assert float((slope * way).sum()) == pytest.approx(float((moved * direction).sum()), rel=1e-5)
