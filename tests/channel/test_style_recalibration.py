"""What only style-based recalibration promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from attncourse.backbones import ResNet50, SmallResNet
from attncourse.channel import StyleRecalibration
from attncourse.channel.squeeze_excitation import scale
from attncourse.channel.style_recalibration import (
    CARD,
    EPSILON,
    integrate,
    style,
    style_recalibration_reference,
)
from attncourse.experiments import experiments_of, published
from attncourse.layers import as_affine
from attncourse.measure import peak_bytes
from tests.contract.specimen import Specimen, built, close

ARGUMENTS = {"channels": 5}


def example(seed=0, b=3, c=5, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def golden_input():
    """The facts' shared input: x[c, i, j] = sin(c + 1 + i/2 + j/4), 4 channels of 4 x 4."""
    c, i, j = torch.meshgrid(*[torch.arange(4, dtype=torch.float64)] * 3, indexing="ij")
    return torch.sin(c + 1 + 0.5 * i + 0.25 * j)[None]


def reference(m, x):
    return style_recalibration_reference(
        x, m.weight, as_affine(m.norm), unbiased=m.unbiased, eps=m.eps
    )


# ---------------------------------------------------------------- promises


def starts_at_one_half(make):
    """A new block halves its input, to the last bit, in training as in use."""
    x = example()
    for mode in (True, False):
        module = make(**ARGUMENTS).double().train(mode)
        y, gates = module(x, need_weights=True)
        assert torch.equal(gates, torch.full((3, 5), 0.5, dtype=torch.float64))
        assert torch.equal(y, x / 2)


def each_channel_judges_itself(make):
    """In eval mode the gate of a channel depends on this channel and on no other."""
    module, x = built(make, ARGUMENTS), example().requires_grad_()
    gates = module.g(x)
    for c in range(5):
        (slope,) = torch.autograd.grad(gates[:, c].sum(), x, retain_graph=True)
        touched = slope.abs().sum(dim=(0, 2, 3)) > 1e-12
        assert touched.tolist() == [k == c for k in range(5)]


def where_a_pixel_stands_does_not_count(make):
    """Gates are invariant to a permutation of positions."""
    module, x = built(make, ARGUMENTS), example()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    close(module.g(x.flatten(2)[:, :, order].view_as(x)), module.g(x))


def only_the_direction_of_the_weights_counts(make):
    """In training, three times the weights make the same gates, and w has no gradient along w."""
    module, x = built(make, ARGUMENTS).train(), example(b=8)
    module.norm.eps = 1e-12  # else the scale counts a little
    gates = module.g(x)
    direction = example(5, 8, 5, 1, 1)[..., 0, 0]
    (slope,) = torch.autograd.grad((gates * direction).sum(), module.weight)
    assert slope.abs().max() > 1e-3
    close((slope * module.weight).sum(dim=1), torch.zeros(5).double(), atol=1e-9)
    with torch.no_grad():
        module.weight.mul_(3)
    close(module.g(x), gates, atol=1e-8)


def logits_are_normal_over_the_batch(make):
    """In training every channel's logits have mean beta and spread |gamma| sqrt(v / (v + eps))."""
    module, x = built(make, ARGUMENTS).train(), example(b=16)
    logits, norm = torch.logit(module.g(x)), module.norm
    v = integrate(*style(x), module.weight).var(dim=0, correction=0)
    close(logits.mean(dim=0), norm.bias)
    shrunk = norm.weight.abs() * (v / (v + norm.eps)).sqrt()
    close(logits.std(dim=0, correction=0), shrunk)


def the_first_gradient_is_multiplied(make):
    """At zero weights the normalisation multiplies the gradient by gamma / sqrt(eps), and no
    more: what reaches z is that times the centred gradient behind it."""
    module, x = make(**ARGUMENTS).double().train(), example(b=8)
    upstream = example(2, 8)
    (found,) = torch.autograd.grad(module(x), module.weight, upstream)
    behind = (upstream * x).sum(dim=(2, 3)) / 4  # at the logits: times s (1 - s)
    reaching = (behind - behind.mean(dim=0)) / 1e-5**0.5
    wanted = torch.stack([(reaching * number).sum(dim=0) for number in style(x)], dim=1)
    close(found, wanted, rtol=1e-8, atol=1e-8)


def golden_values(make):
    """The facts' biased and unbiased deviations, seen through the logits of single columns."""
    for unbiased, wanted in (
        (False, [0.326778, 0.546203, 0.338792, 0.275682]),
        (True, [0.337495, 0.564116, 0.349903, 0.284723]),
    ):
        module = make(4, unbiased=unbiased, eps=1e-14).double().eval()
        for column, numbers in enumerate(([0.695084, 0.013563, -0.680428, -0.748837], wanted)):
            with torch.no_grad():
                module.weight.zero_()[:, column] = 1
            logits = torch.logit(module.g(golden_input()))[0] * (1 + EPSILON) ** 0.5
            close(logits, torch.tensor(numbers, dtype=torch.float64), atol=1e-6)


def large_means_lose_no_digits(make):
    """In float32, at a mean of 1000 and a spread of 0.01, the gates are float64's."""
    torch.manual_seed(0)
    x = (1000 + 0.01 * torch.randn(4, 3, 16, 16, dtype=torch.float64)).float()
    module = make(3).train()
    with torch.no_grad():
        module.weight[:, 1] = 1.0
    exact = copy.deepcopy(module).double().g(x.double())
    assert exact.std() > 0.01
    close(module.g(x), exact.float(), atol=1e-3, rtol=1e-3)


def constant_channels_have_all_their_derivatives(make):
    """A dead channel passes finite gradients, of first and second order."""
    module, x = built(make, ARGUMENTS), example()
    x[:, 1] = 0.0
    x[:, 2] = 4.0
    x.requires_grad_()
    y = module(x)
    (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    assert torch.isfinite(slope).all()
    second = torch.autograd.grad(slope.square().sum(), [x, module.weight])
    assert all(torch.isfinite(part).all() for part in second)


def one_position_has_a_spread_unless_unbiased(make):
    """1 x 1 maps: the biased spread is sqrt(eps); the unbiased one is refused by name."""
    x = example(h=1, w=1)
    gates = built(make, ARGUMENTS).g(x)
    assert torch.isfinite(gates).all()
    with pytest.raises(ValueError, match=r"one position .*: build the block with unbiased=False"):
        built(make, ARGUMENTS, unbiased=True)(x)


def a_batch_of_one_is_refused_in_training(make):
    """By name and with remedies; in eval mode, or without batch statistics, it is fine."""
    module, x = built(make, ARGUMENTS).train(), example(b=1)
    with pytest.raises(ValueError, match=r"in training mode: .*\.eval\(\)"):
        module(x)
    assert module.eval()(x).shape == x.shape


def authors(weight, norm, x):
    """Their layout: a flattened map, two columns, a normalisation over (b, c, 1, 1)."""
    flat = x.flatten(2)
    columns = torch.stack([flat.mean(dim=2), (flat.var(dim=2) + 1e-5).sqrt()], dim=2)
    z = (columns * weight).sum(dim=2)[:, :, None, None]
    return torch.sigmoid(norm(z)) * x


def equals_the_authors_layout(make):
    """Forward, gradients and running statistics, in training and in use, with ``unbiased``."""
    for mode in (True, False):
        module, x = built(make, ARGUMENTS, unbiased=True).train(mode), example(b=4)
        norm = nn.BatchNorm2d(5).double().train(mode)
        norm.load_state_dict(module.norm.state_dict())
        ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
        y, other = module(ours), authors(module.weight, norm, theirs)
        close(y, other)
        upstream = example(3, 4)
        found = torch.autograd.grad(y, [ours, module.weight, *module.norm.parameters()], upstream)
        wanted = torch.autograd.grad(other, [theirs, module.weight, *norm.parameters()], upstream)
        for one, two in zip(found, wanted, strict=True):
            close(one, two, atol=1e-9)
        for one, two in zip(module.norm.buffers(), norm.buffers(), strict=True):
            close(one, two)


# ---------------------------------------------------------------- mutants


def gates(m, z):
    return torch.sigmoid(m.norm(z))


class NoEpsilon(StyleRecalibration):
    """The root of a bare variance (known error C17)."""

    def g(self, x):
        z = integrate(x.mean(dim=(2, 3)), x.var(dim=(2, 3), correction=0).sqrt(), self.weight)
        return gates(self, z)


class AlwaysUnbiased(StyleRecalibration):
    """Divides by HW - 1 whatever it is told: NaN on 1 x 1 maps (known error C17)."""

    def g(self, x):
        return gates(self, integrate(*style(x, unbiased=True), self.weight))


class Cancels(StyleRecalibration):
    """A mean of squares less the square of the mean."""

    def g(self, x):
        mean = x.mean(dim=(2, 3))
        n = x.shape[2] * x.shape[3]
        variance = (x.square().mean(dim=(2, 3)) - mean.square()).clamp(min=0)
        variance = variance * n / (n - self.unbiased)
        return gates(self, integrate(mean, (variance + self.eps).sqrt(), self.weight))


class ByANorm(StyleRecalibration):
    """A norm of the centred map: no second derivative where a channel is constant."""

    def g(self, x):
        mean = x.mean(dim=(2, 3))
        length = torch.linalg.vector_norm(x - mean[:, :, None, None], dim=(2, 3))
        variance = length.square() / (x.shape[2] * x.shape[3] - self.unbiased)
        return gates(self, integrate(mean, (variance + self.eps).sqrt(), self.weight))


class Variance(StyleRecalibration):
    """The variance in the place of its root."""

    def g(self, x):
        mean, std = style(x, unbiased=self.unbiased, eps=self.eps)
        return gates(self, integrate(mean, std.square(), self.weight))


class NotCentred(StyleRecalibration):
    """The root of the mean square: mean and spread in one number."""

    def g(self, x):
        power = (x.square().mean(dim=(2, 3)) + self.eps).sqrt()
        return gates(self, integrate(x.mean(dim=(2, 3)), power, self.weight))


class MeanOnly(StyleRecalibration):
    """The second column is learned and never used."""

    def g(self, x):
        mean, std = style(x, unbiased=self.unbiased, eps=self.eps)
        return gates(self, integrate(mean, 0 * std, self.weight))


class SwappedColumns(StyleRecalibration):
    """Spread first: the authors' weights would not fit."""

    def g(self, x):
        mean, std = style(x, unbiased=self.unbiased, eps=self.eps)
        return gates(self, integrate(std, mean, self.weight))


class BatchStyle(StyleRecalibration):
    """Mean and spread over the batch as well (known error C4)."""

    def g(self, x):
        together = x.transpose(0, 1).flatten(1)[None, :, :, None]
        found = style(together, unbiased=self.unbiased, eps=self.eps)
        mean, std = (number.expand(len(x), -1) for number in found)
        return gates(self, integrate(mean, std, self.weight))


class NoNorm(StyleRecalibration):
    """Without the normalisation: its scale and shift alone."""

    def g(self, x):
        z = integrate(*style(x, unbiased=self.unbiased, eps=self.eps), self.weight)
        return torch.sigmoid(self.norm.weight * z + self.norm.bias)


class OverChannels(StyleRecalibration):
    """Normalised over the channels of an image in place of the images of a batch."""

    def g(self, x):
        z = integrate(*style(x, unbiased=self.unbiased, eps=self.eps), self.weight)
        even = nn.functional.layer_norm(z, z.shape[1:])
        return torch.sigmoid(self.norm.weight * even + self.norm.bias)


class BatchInUse(StyleRecalibration):
    """The statistics of the batch also in eval mode."""

    def g(self, x):
        z = integrate(*style(x, unbiased=self.unbiased, eps=self.eps), self.weight)
        return torch.sigmoid(
            nn.functional.batch_norm(
                z, None, None, self.norm.weight, self.norm.bias, training=len(x) > 1
            )
            if len(x) > 1
            else self.norm(z)
        )


class NoSigmoid(StyleRecalibration):
    """The normalised numbers themselves (known error C12)."""

    def g(self, x):
        return torch.logit(super().g(x))


class Softmax(StyleRecalibration):
    """Channels that compete."""

    def g(self, x):
        return torch.logit(super().g(x)).softmax(dim=1)


class RandomStart(StyleRecalibration):
    """Weights drawn at random, as one port has them (known error C17)."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.reset_parameters()

    def reset_parameters(self):
        super().reset_parameters()
        nn.init.uniform_(self.weight, -(0.5**0.5), 0.5**0.5)


class Residual(StyleRecalibration):
    """x + s x, which cannot suppress (known error C3)."""

    def f(self, weights, x):
        return x + super().f(weights, x)


class Detached(StyleRecalibration):
    """Gates that carry no gradient to x."""

    def g(self, x):
        return super().g(x.detach())


class LeavesBatchesOfOneToTorch(StyleRecalibration):
    """No word of its own on a batch of one (known error C17)."""

    def validate(self, x):
        was = self.norm.training
        self.norm.training = False
        try:
            super().validate(x)
        finally:
            self.norm.training = was


class LetsNaNThrough(StyleRecalibration):
    """Says nothing of one position without a spread."""

    def validate(self, x):
        was, self.unbiased = self.unbiased, False
        try:
            super().validate(x)
        finally:
            self.unbiased = was


MUTANTS = (
    NoEpsilon, AlwaysUnbiased, Cancels, ByANorm, Variance, NotCentred, MeanOnly, SwappedColumns,
    BatchStyle, NoNorm, OverChannels, BatchInUse, NoSigmoid, Softmax, RandomStart, Residual,
    Detached, LeavesBatchesOfOneToTorch, LetsNaNThrough,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=({"channels": 3}, {"channels": 2, "eps": 1e-3}),
    reference=reference,
    promises=(
        starts_at_one_half,
        each_channel_judges_itself,
        where_a_pixel_stands_does_not_count,
        only_the_direction_of_the_weights_counts,
        logits_are_normal_over_the_batch,
        the_first_gradient_is_multiplied,
        golden_values,
        large_means_lose_no_digits,
        constant_channels_have_all_their_derivatives,
        one_position_has_a_spread_unless_unbiased,
        a_batch_of_one_is_refused_in_training,
        equals_the_authors_layout,
    ),
    starts=(
        (
            {"channels": 8},
            {
                "weight": ("constant", 0.0),
                "norm.weight": ("constant", 1.0),
                "norm.bias": ("constant", 0.0),
            },
        ),
    ),
    smallest=({"channels": 1},),
    mutants={m.__name__: m for m in MUTANTS},
    grid=({"channels": 64}, {"channels": 17, "eps": 1e-3}, {"channels": 6, "unbiased": True}),
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 4, "eps": 0.0}, "eps=0.0 must be positive"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_resnet_50_grows_by_the_published_count():
    """4 numbers for each of 15,104 gated channels: 25.62 M, as the authors' table has it."""
    with torch.device("meta"):
        gated = ResNet50(StyleRecalibration)
    blocks = [m for m in gated.modules() if isinstance(m, StyleRecalibration)]
    assert sum(CARD.parameters(m.channels) for m in blocks) == 60_416
    assert sum(p.numel() for p in gated.parameters()) == 25_617_448


def test_the_shortcut_of_residual_srm_is_not_gated():
    """y = ReLU(SRM(F(x)) + shortcut): shut gates leave the shortcut."""
    block = SmallResNet(widths=(4, 4), attention=StyleRecalibration).blocks[0].double().eval()
    assert isinstance(block.attention, StyleRecalibration)
    x = example(c=4, b=2).abs()
    close(block(x), (block.branch(x) / 2 + x).relu())
    nn.init.constant_(block.attention.norm.bias, -60.0)
    close(block(x), x)


def test_the_way_back_of_mean_and_spread():
    """The mean passes a constant, the spread a contrast: the chapter's formula (5)."""
    x, unbiased = example().requires_grad_(), example().requires_grad_()
    mean, std = style(x)
    (of_mean,) = torch.autograd.grad(mean.sum(), x, retain_graph=True)
    (of_std,) = torch.autograd.grad(std.sum(), x)
    close(of_mean, torch.full_like(x, 1 / 12))
    away = x - mean[:, :, None, None]
    close(of_std, away / (12 * std[:, :, None, None]))
    close(of_std.sum(dim=(2, 3)), torch.zeros(3, 5).double())
    (theirs,) = torch.autograd.grad(style(unbiased, unbiased=True)[1].sum(), unbiased)
    assert (theirs.abs() > of_std.abs()).all()


def test_it_holds_no_more_than_two_maps_at_the_peak_beside_input_and_output():
    """The variance form of torch holds one map less, and takes longer."""
    module = StyleRecalibration(16).train()
    x = torch.randn(4, 16, 12, 12, requires_grad=True)
    with torch.no_grad():
        assert peak_bytes(lambda: module(x)) / x.nbytes < 2.2
    assert peak_bytes(lambda: module(x).sum().backward()) / x.nbytes < 5.2


def test_half_precision_sums_in_single():
    """A float16 map whose squares are beyond float16 has its spread all the same."""
    x = torch.zeros(2, 3, 8, 8, dtype=torch.float16)
    x[:, :, 0] = 1000.0
    mean, std = style(x)
    assert mean.dtype == torch.float32
    close(std, style(x.double())[1].float(), rtol=1e-5, atol=1e-5)


def test_repr_says_what_differs():
    assert repr(StyleRecalibration(8)).startswith("StyleRecalibration(\n  8\n")
    text = StyleRecalibration(8, unbiased=True, eps=1e-3).extra_repr()
    assert text == "8, unbiased=True, eps=0.001"


def test_gates_and_scaling_are_squeeze_and_excitation_s():
    module, x = built(StyleRecalibration, ARGUMENTS), example()
    close(module.f(module.g(x), x), scale(module.g(x), x))


# ---------------------------------------------------------------- the rivals of its experiment


def noisy_copies(name):
    return experiments_of("channel/style_recalibration")[0].variant(name).build()


def copies(seed=0):
    return torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_one_column_sees_the_other_number_not_at_all():
    x = copies()
    louder = x.mean(dim=(2, 3), keepdim=True) + 2 * (x - x.mean(dim=(2, 3), keepdim=True))
    for name, seen, unseen in (("mean only", x + 1, louder), ("std only", louder, x + 1)):
        gate = noisy_copies(name).gate.eval()
        nn.init.constant_(gate.weight, 0.7)
        assert (gate.g(seen) - gate.g(x)).abs().min() > 1e-3
        torch.testing.assert_close(gate.g(unseen), gate.g(x))


def test_the_gate_without_norm_is_srm_s_in_eval_mode():
    """With SRM's scale and shift folded into its weights and bias."""
    srm, rival, x = noisy_copies("SRM").gate.eval(), noisy_copies("no batch norm").gate, copies()
    with torch.no_grad():
        srm.weight.normal_()
        srm.norm.running_mean.fill_(0.3)
        scaled, shift = as_affine(srm.norm)
        rival.weight.copy_(scaled[:, None] * srm.weight)
        rival.bias.copy_(shift)
        torch.testing.assert_close(rival(x), srm(x))


def test_votes_are_the_mean_of_single_answers():
    net, x = noisy_copies("votes").eval(), copies()
    single = torch.stack([net.readout(x[:, c].flatten(1)) for c in range(8)])
    torch.testing.assert_close(net(x), single.mean(dim=0))


def test_one_over_the_variance_weighs_by_it():
    x = copies()
    y = noisy_copies("1 / variance").gate(x)
    torch.testing.assert_close(y, x / (x.var((2, 3), correction=0, keepdim=True) + 1e-5))


def test_rivals_are_about_as_large():
    size = {v.name: sum(p.numel() for p in v.build().parameters())
            for v in experiments_of("channel/style_recalibration")[0].variants}  # fmt: skip
    assert size["SRM"] - size["no gate"] == CARD.parameters(8) == 32
    assert size["votes"] == size["no gate"]
    assert max(size.values()) / min(size.values()) < 1.09


def test_recorded_runs_say_what_the_chapter_says():
    """The spread is what counts, and four rivals that see it are not behind by what matters."""
    recorded = published("channel/style_recalibration")
    found = recorded.compare("noisy_copies", "SRM")
    for name in ("no gate", "SE", "mean only"):
        assert found[name].summary.mean < 0.72
        assert found[name].gain.verdict == "clear"
    for name in ("std only", "SRM, authors'", "SE, mean and std"):
        assert found[name].gain.verdict == "clearly small"
    for name, points in (("no batch norm", 0.8), ("1 / variance", 0.8), ("votes", -1.2)):
        assert found[name].gain.verdict == "no clear effect"
        assert found[name].gain.mean == pytest.approx(points / 100, abs=0.001)
    other = recorded.compare("other_numbers", "SRM")
    assert other["mean size"].gain.verdict == "clearly small"
    assert other["maximum"].gain.mean == pytest.approx(-0.009, abs=0.003)
    gained = recorded.compare("random_gain", "SRM")
    for name in ("votes", "1 / variance", "SE, mean and std"):
        assert gained[name].gain.verdict == "clear"
        assert gained[name].gain.mean > 0
