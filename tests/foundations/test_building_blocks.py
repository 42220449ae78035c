"""The facts of the chapter on the building blocks, each held to numbers that nobody typed twice.

The chapter shows them in cells; here they stand in float64, with the golden values of the facts'
sheet and with the wrong formulas that must not pass for right.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.exercises.foundations.building_blocks import LEAKY_SCALE, WHICH_ORDER
from attncourse.exercises.foundations.building_blocks.backward import BN_BACKWARD
from attncourse.measure import count_macs
from attncourse.tasks import ROWS, StatisticLadder


@pytest.fixture(autouse=True)
def _in_double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_default_dtype(before)


def golden_input():
    """The facts' shared input: x[c, i, j] = sin(c + 1 + i/2 + j/4), 4 channels of 4 x 4."""
    c, i, j = torch.meshgrid(*[torch.arange(4.0)] * 3, indexing="ij")
    return torch.sin(c + 1 + 0.5 * i + 0.25 * j)


# ---------------------------------------------------------------- convolution


@pytest.mark.parametrize("side", [1, 3, 5])
def test_a_convolution_is_a_sum_over_offsets(side):
    x, weight = torch.randn(2, 3, 6, 7), torch.randn(4, 3, side, side)
    padded, y = F.pad(x, [side // 2] * 4), torch.zeros(2, 4, 6, 7)
    for p in range(side):
        for q in range(side):
            there = padded[:, :, p : p + 6, q : q + 7]
            y += torch.einsum("oc,bchw->bohw", weight[:, :, p, q], there)
    torch.testing.assert_close(y, F.conv2d(x, weight, padding=side // 2))


def test_parameters_and_multiply_adds_of_a_convolution():
    conv = nn.Conv2d(5, 7, 3, padding=1)
    assert sum(p.numel() for p in conv.parameters()) == 9 * 5 * 7 + 7
    assert count_macs(conv, torch.randn(1, 5, 8, 6)) == 9 * 5 * 7 * 8 * 6


@pytest.mark.parametrize(("mode", "layers"), [("zeros", 1), ("zeros", 3), ("circular", 3)])
def test_the_border_reaches_one_pixel_further_with_each_layer(mode, layers):
    convs = [nn.Conv2d(1, 1, 3, padding=1, padding_mode=mode) for _ in range(layers)]
    net, x = nn.Sequential(*convs), torch.randn(1, 1, 12, 12)
    gap = net(x.roll(1, 3)) - net(x).roll(1, 3)
    differ = torch.nonzero(gap.abs().amax(dim=(0, 1, 2)) > 1e-12).flatten().tolist()
    border = [*range(layers + 1), *range(12 - layers, 12)]
    assert differ == (border if mode == "zeros" else [])


def test_the_expected_squared_gradient_is_a_walk_with_variance_two_thirds():
    layers, reach = 4, torch.arange(-4.0, 5.0)
    energy = torch.zeros(1, 1, 9, 9)
    energy[0, 0, 4, 4] = 1
    for _ in range(layers):
        energy = F.conv2d(energy, torch.full((1, 1, 3, 3), 1 / 9), padding=1)
    along = energy[0, 0].sum(dim=0)
    assert (along > 0).all(), "the reach is L"
    torch.testing.assert_close((along * reach**2).sum(), torch.tensor(2 * layers / 3))


def test_zero_padding_pulls_the_mean_of_small_maps():
    for side in (3, 7, 56):
        box = torch.full((1, 1, 3, 3), 1 / 9)
        mean = F.conv2d(torch.ones(1, 1, side, side), box, padding=1).mean()
        torch.testing.assert_close(mean, torch.tensor((1 - 2 / (3 * side)) ** 2))


# ---------------------------------------------------------------- ReLU


def test_stepped_sigmoids_and_softplus_at_the_golden_points():
    z = torch.tensor([-2.0, 0, 1, 3, 5])
    copies = torch.sigmoid(z[:, None] - torch.arange(1, 200) + 0.5)
    close = {"rtol": 0, "atol": 5e-6}
    mean = torch.tensor([0.12260, 0.68257, 1.30503, 3.04675, 5.00645])
    variance = torch.tensor([0.11585, 0.50000, 0.73500, 0.95425, 0.99357])
    torch.testing.assert_close(copies.sum(1), mean, **close)
    torch.testing.assert_close((copies * (1 - copies)).sum(1), variance, **close)
    softplus = torch.tensor([0.12693, 0.69315, 1.31326, 3.04859, 5.00672])
    torch.testing.assert_close(F.softplus(z), softplus, **close)


def test_how_close_the_integrals_are_to_the_sums():
    z = torch.linspace(-8, 8, 1601)
    copies = torch.sigmoid(z[:, None] - torch.arange(1, 101) + 0.5)
    assert (copies.sum(1) - F.softplus(z)).abs().max() == pytest.approx(0.01058, abs=1e-5)
    assert ((copies * (1 - copies)).sum(1) - z.sigmoid()).abs().max() < 0.0042


def test_moments_of_a_rectified_gaussian_and_of_a_leaky_one():
    u = torch.linspace(-12, 12, 400_001)
    density = torch.exp(-(u**2) / 2) / math.sqrt(2 * math.pi)

    def expect(values):
        return torch.trapezoid(values * density, u).item()

    assert expect(F.relu(u)) == pytest.approx(1 / math.sqrt(2 * math.pi))
    assert expect(F.relu(u) ** 2) == pytest.approx(1 / 2)
    variance = expect(F.relu(u) ** 2) - expect(F.relu(u)) ** 2
    assert variance == pytest.approx(1 / 2 - 1 / (2 * math.pi))
    leaky = expect(F.leaky_relu(u, 0.5) ** 2)
    assert LEAKY_SCALE.truth() == pytest.approx(1 / leaky, rel=1e-6) == pytest.approx(8 / 5)
    noise = math.sqrt(0.5) * u  # the noisy ReLU at z = 0
    assert expect(F.relu(noise)) == pytest.approx(0.28209, abs=1e-5)


def test_relu_is_positively_homogeneous_and_commutes_with_positive_gates():
    x, s = torch.randn(2, 3, 4, 4), torch.rand(2, 3, 1, 1)
    torch.testing.assert_close(F.relu(s * x), s * F.relu(x), rtol=0, atol=0)
    assert not torch.allclose(F.relu(-s * x), -s * F.relu(x))
    torch.testing.assert_close(F.relu(x), x * (x > 0), rtol=0, atol=0)


# ---------------------------------------------------------------- batch norm


def backward(x, gamma, g, eps):
    """The chapter's equation (13), one channel."""
    rho = (x.var(correction=0) + eps).sqrt()
    x_hat = (x - x.mean()) / rho
    return gamma / rho * (g - g.mean() - x_hat * (g * x_hat).mean())


def test_golden_batch_norm_forward_and_backward():
    x, g = torch.tensor([1.0, 2, 3, 6]), torch.tensor([1.0, 0, 0, 0])
    assert x.mean() == 3
    assert x.var(correction=0) == 3.5
    assert x.var() == pytest.approx(14 / 3)
    x_hat = (x - 3) / math.sqrt(3.5)
    close = {"rtol": 0, "atol": 1e-6}
    golden = torch.tensor([-1.0690450, -0.5345225, 0, 1.6035675])
    torch.testing.assert_close(x_hat, golden, **close)
    golden = torch.tensor([0.248171, -0.209991, -0.133631, 0.095450])
    torch.testing.assert_close(backward(x, 1, g, 0), golden, **close)


@pytest.mark.parametrize("eps", [1e-5, 0.1, 2.0])
def test_the_derived_backward_pass_equals_autograd_for_any_eps(eps):
    x, g = torch.randn(30, requires_grad=True), torch.randn(30)
    y = F.batch_norm(x[:, None], None, None, torch.tensor([1.7]), None, True, eps=eps)[:, 0]
    by_autograd = torch.autograd.grad(y, x, g)[0]
    torch.testing.assert_close(backward(x.detach(), 1.7, g, eps), by_autograd, rtol=0, atol=1e-12)


def test_the_gradient_is_the_residual_of_a_regression():
    x, g = torch.randn(25), torch.randn(25)
    x_hat = (x - x.mean()) / x.std(correction=0)
    line = np.polynomial.Polynomial.fit(x_hat, g, 1)
    residual = g - torch.from_numpy(line(x_hat.numpy()))
    torch.testing.assert_close(x.std(correction=0) * backward(x, 1, g, 0), residual)


def test_what_batch_norm_cannot_hear():
    def normalised(x):
        return F.batch_norm(x, None, None, training=True, eps=1e-16)

    x, target = torch.randn(6, 3, 4, 4), torch.randn(6, 5, 4, 4)
    conv = nn.Conv2d(3, 5, 3, padding=1)
    gate = (1 + torch.rand(5, 1, 1)).requires_grad_()
    (F.relu(normalised(gate * conv(x))) - target).square().mean().backward()
    assert conv.bias.grad.abs().max() < 1e-12
    assert (conv.weight * conv.weight.grad).sum(dim=(1, 2, 3)).abs().max() < 1e-12
    assert gate.grad.abs().max() < 1e-12
    assert conv.weight.grad.abs().max() > 1e-4, "the filter's direction does learn"
    torch.testing.assert_close(normalised(5 * x + 2), normalised(x))


def test_the_projection_on_x_hat_is_exact_only_without_eps():
    x, g, eps = torch.randn(20), torch.randn(20), 0.3
    v = x.var(correction=0)
    x_hat = (x - x.mean()) / (v + eps).sqrt()
    got = backward(x, 1.0, g, eps)
    left = (1 - v / (v + eps)) / (v + eps).sqrt() * (g * x_hat).sum()
    assert got.sum().abs() < 1e-12
    torch.testing.assert_close((x_hat * got).sum(), left)


def test_running_statistics_folding_and_the_identity_at_the_start():
    x = 2 + torch.randn(8, 3, 5, 5)
    bn = nn.BatchNorm2d(3)
    bn(x)
    torch.testing.assert_close(bn.running_mean, 0.1 * x.mean(dim=(0, 2, 3)))
    torch.testing.assert_close(bn.running_var, 0.9 + 0.1 * x.var(dim=(0, 2, 3)))
    biased = 0.9 + 0.1 * x.var(dim=(0, 2, 3), correction=0)
    assert not torch.allclose(bn.running_var, biased)
    nn.init.zeros_(bn.weight)
    torch.testing.assert_close(F.relu(x).add(bn(x)), F.relu(x), rtol=0, atol=0)


def test_batches_of_one_and_two_vectors():
    bn = nn.BatchNorm1d(4)
    with pytest.raises(ValueError, match="more than 1 value"):
        bn(torch.randn(1, 4))
    torch.testing.assert_close(
        bn(100 * torch.randn(2, 4)).abs(), torch.ones(2, 4), rtol=0, atol=1e-4
    )


def test_the_mean_of_gap_behind_batch_norm_is_beta():
    bn = nn.BatchNorm2d(3)
    nn.init.normal_(bn.bias)
    z = bn(torch.randn(9, 3, 4, 4) + 3 * torch.randn(9, 3, 1, 1)).mean(dim=(2, 3))
    torch.testing.assert_close(z.mean(dim=0), bn.bias)
    assert z.std(dim=0).min() > 0.1, "single images lie elsewhere"


# ---------------------------------------------------------------- pooling


def dct_matrix(n):
    """Orthonormal DCT-II, one frequency a row."""
    u, i = torch.arange(float(n))[:, None], torch.arange(float(n))
    matrix = math.sqrt(2 / n) * torch.cos(math.pi * u * (i + 0.5) / n)
    matrix[0] /= math.sqrt(2)
    return matrix


def test_parseval_and_the_golden_statistics():
    x, d = golden_input(), dct_matrix(4)
    torch.testing.assert_close(d @ d.T, torch.eye(4))
    coefficients = d @ x @ d.T
    norms, means, spreads = x.norm(dim=(1, 2)), x.mean((1, 2)), x.std((1, 2), correction=0)
    torch.testing.assert_close(coefficients.square().sum((1, 2)), norms**2)
    torch.testing.assert_close(norms**2, 16 * (means**2 + spreads**2))
    torch.testing.assert_close(coefficients[:, 0, 0], 4 * means)
    close = {"rtol": 0, "atol": 1e-6}
    golden = torch.tensor([0.695084, 0.013563, -0.680428, -0.748837])
    torch.testing.assert_close(means, golden, **close)
    golden = torch.tensor([0.326778, 0.546203, 0.338792, 0.275682])
    torch.testing.assert_close(spreads, golden, **close)
    chosen = coefficients[torch.arange(4), [0, 0, 1, 1], [0, 1, 0, 1]]
    golden = torch.tensor([2.780337, 0.928454, 1.091647, 0.512461])
    torch.testing.assert_close(chosen, golden, **close)


def test_gradients_of_the_statistics():
    x = torch.randn(4, 5, requires_grad=True)
    mean, std = x.detach().mean(), x.detach().std(correction=0)
    for value, expected in (
        (x.mean(), torch.full((4, 5), 1 / 20)),
        (x.std(correction=0), (x.detach() - mean) / (20 * std)),
        (x.norm(), x.detach() / x.detach().norm()),
    ):
        torch.testing.assert_close(torch.autograd.grad(value, x)[0], expected)
    ties = torch.tensor([1.0, 3, 3, 2], requires_grad=True)
    assert torch.autograd.grad(ties.amax(), ties)[0].tolist() == [0, 0.5, 0.5, 0]
    assert (torch.autograd.grad(ties.max(dim=0).values, ties)[0] > 0).sum() == 1


def test_a_root_without_eps_has_no_slope_at_a_constant_map():
    for pool, finite in ((lambda v: v.sqrt() + 1e-5, False), (lambda v: (v + 1e-5).sqrt(), True)):
        x = torch.full((4, 4), 2.0, requires_grad=True)
        pool(x.var(correction=0)).backward()
        assert bool(x.grad.isfinite().all()) is finite


# ---------------------------------------------------------------- what a statistic sees


WAVE = torch.cos(torch.pi * (torch.arange(8, dtype=torch.float64) + 0.5) / 8)
STATISTICS = {
    "mean": lambda a, b: a.mean((1, 2)),
    "std": lambda a, b: a.std((1, 2), correction=0),
    "norm": lambda a, b: a.norm(dim=(1, 2)),
    "wave": lambda a, b: (a * WAVE).sum((1, 2)),
    "cov": lambda a, b: (a * b).mean((1, 2)) - a.mean((1, 2)) * b.mean((1, 2)),
    "max": lambda a, b: a.amax((1, 2)),
    "ReLU → mean": lambda a, b: F.relu(a).mean((1, 2)),
}
SEES = {
    "mean": {"mean"},
    "std": {"std"},
    "norm": {"std"},
    "wave": {"dct"},
    "cov": {"cov"},
    "max": {"mean", "std", "code"},
    "ReLU → mean": {"mean", "std", "code"},
}


def d_prime(t, bit):
    """Distance of the two bits in units of their spread, above a floor for rounding errors."""
    t = t + 1e-3 * torch.randn(len(t))
    on, off = t[bit == 1], t[bit == 0]
    return float((on.mean() - off.mean()).abs() / (on.var() / 2 + off.var() / 2).sqrt())


def ladder(row):
    """Cues and bits of the test set, in double precision."""
    torch.set_default_dtype(torch.float32)
    x, _, bit = StatisticLadder(row).test_cases()
    torch.set_default_dtype(torch.float64)
    return x[:, 2:].double(), bit


def test_each_statistic_sees_the_rows_that_the_chapter_says():
    found = {name: set() for name in STATISTICS}
    for row in ROWS:
        x, bit = ladder(row)
        for name, statistic in STATISTICS.items():
            value = d_prime(statistic(x[:, 0], x[:, 1]), bit)
            assert value < 0.3 or value > 1.5, f"{name} on {row}: {value:.2f} is in between"
            if value > 1:
                found[name].add(row)
    assert found == SEES


ORDERS = {
    "average": lambda x: x,
    "ReLU → average": F.relu,
    "batch norm → average": lambda x: F.batch_norm(x, None, None, training=True),
    "batch norm → ReLU → average": lambda x: F.relu(F.batch_norm(x, None, None, training=True)),
    "instance norm → average": F.instance_norm,
    "instance norm → ReLU → average": lambda x: F.relu(F.instance_norm(x)),
}


def test_the_six_orders_of_the_exercise_are_measured_not_typed():
    seen = {name: set() for name in ORDERS}
    for row in ("mean", "std", "code"):
        x, bit = ladder(row)
        for name, order in ORDERS.items():
            if d_prime(order(x)[:, 0].mean((1, 2)), bit) > 1:
                seen[name].add(row)
    assert seen == {name: set(labels) for name, labels in WHICH_ORDER.truth.items()}


def test_a_filter_in_front_of_batch_norm_grows_by_the_squares_of_its_steps():
    filters, head = torch.randn(6, 3, 3, 3), nn.Conv2d(6, 2, 1)
    target, rate = torch.randn(8, 2, 5, 5), 0.3
    for decay in (0.0, 0.1):
        w = filters.clone().requires_grad_()
        account = w.detach().square().sum()
        for _ in range(20):
            features = F.conv2d(torch.randn(8, 3, 5, 5), w, padding=1)
            y = head(F.relu(F.batch_norm(features, None, None, training=True, eps=1e-12)))
            slope = torch.autograd.grad((y - target).square().mean(), w)[0]
            account = (1 - rate * decay) ** 2 * account + rate**2 * slope.square().sum()
            w = ((1 - rate * decay) * w - rate * slope).detach().requires_grad_()
        torch.testing.assert_close(w.detach().square().sum(), account)
        grown = w.detach().square().sum() > filters.square().sum()
        assert bool(grown) is (decay == 0)


def test_a_norm_hides_what_its_set_shares_and_layer_norm_spreads_the_rest():
    norms = {
        "none": lambda x: x,
        "batch": lambda x: F.batch_norm(x, None, None, training=True),
        "layer": lambda x: F.group_norm(x, 1),
        "group": lambda x: F.group_norm(x, 2),
        "instance": F.instance_norm,
    }
    bit = torch.randint(2, (2000,))
    seen = {}
    for stretched in (1, 2, 4):
        x = torch.randn(2000, 4, 8, 8)
        x -= x.mean((2, 3), keepdim=True)
        x[:, :stretched] *= torch.where(bit == 1, 1.4, 0.6).view(-1, 1, 1, 1)
        for channel in (0, 3):
            values = {
                n: d_prime(F.relu(f(x))[:, channel].mean((1, 2)), bit) for n, f in norms.items()
            }
            assert all(v < 0.4 or v > 1.5 for v in values.values()), values
            seen[stretched, channel] = {n for n, v in values.items() if v > 1}
    everywhere = {"none", "batch"}
    assert seen == {
        (1, 0): {*everywhere, "layer", "group"},
        (2, 0): {*everywhere, "layer"},
        (4, 0): everywhere,
        (1, 3): {"layer"},
        (2, 3): {"layer"},
        (4, 3): everywhere,
    }


def test_a_bias_in_front_of_instance_norm_leaves_a_trace_of_the_spread():
    x, bit = ladder("std")
    hidden = F.relu(F.instance_norm(x))[:, 0].mean((1, 2))
    traced = F.relu(F.instance_norm(F.relu(x - 0.5)))[:, 0].mean((1, 2))
    assert d_prime(hidden, bit) < 0.3
    assert d_prime(traced, bit) > 2


# ---------------------------------------------------------------- what learners write


def test_a_backward_pass_over_the_wrong_axes_of_gamma_is_told_in_words():
    def along_the_width(x, gamma, g, eps):  # gamma lines up with the last axis
        shared = {"dim": (0, 2, 3), "keepdim": True}
        rho = (x.var(correction=0, **shared) + eps).sqrt()
        x_hat = (x - x.mean(**shared)) / rho
        rest = g - g.mean(**shared) - x_hat * (g * x_hat).mean(**shared)
        return gamma / rho * rest

    verdict = BN_BACKWARD.check(along_the_width, 0)
    assert verdict.status == "not yet"
    assert "RuntimeError" in verdict.message
