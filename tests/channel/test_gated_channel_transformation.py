"""What only the gated channel transformation promises, and mistakes that must be noticed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attncourse.backbones import ResNet50
from attncourse.channel import GatedChannelTransformation, SqueezeExcitation
from attncourse.channel.gated_channel_transformation import (
    CARD,
    EPSILON,
    compete,
    embed,
    gated_channel_transformation_reference,
)
from attncourse.experiments import experiments_of, published
from tests.channel.test_squeeze_excitation import golden_input
from tests.contract.specimen import Specimen, built, close

ARGUMENTS = {"channels": 5}
MODES = ("l2", "l1")


def example(seed=0, b=3, c=5, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def exponents(module, x):
    """gamma z hat + beta, read off the gates."""
    return torch.atanh(module.g(x) - 1)


# ---------------------------------------------------------------- promises


def starts_as_the_identity(make):
    """A new block gives its input back, to the last bit; alpha has no gradient yet."""
    x = example()
    for norm in MODES:
        module = make(**ARGUMENTS, norm=norm).double()
        y, gates = module(x, need_weights=True)
        assert torch.equal(gates, torch.ones(3, 5, dtype=torch.float64))
        assert torch.equal(y, x)
        y.square().sum().backward()
        assert module.alpha.grad.abs().max() == 0
        behind = 2 * x.square().sum(dim=(2, 3))
        close(module.beta.grad, behind.sum(dim=0))
        z = compete(embed(x, module.alpha, norm=norm), norm=norm)
        close(module.gamma.grad, (behind * z).sum(dim=0))


def golden_values(make):
    """The facts' gates of the shared input, for both signs of gamma."""
    for slope, wanted in (
        (0.5, [1.485107, 1.359896, 1.480899, 1.500717]),
        (-0.5, [0.514893, 0.640104, 0.519101, 0.499283]),
    ):
        module = make(4).double()
        nn.init.constant_(module.gamma, slope)
        close(module.g(golden_input())[0], torch.tensor(wanted).double(), atol=1e-6)
    close(exponents(module, golden_input())[0] / -0.5,
          torch.tensor([1.059284, 0.753532, 1.048306, 1.100526]).double(), atol=1e-6)  # fmt: skip


def brightness_does_not_count(make):
    """The gates of a x are those of x, also for a negative a, so that y(a x) = a y(x)."""
    x = example()
    for norm in MODES:
        module = built(make, ARGUMENTS, norm=norm, eps=1e-12)
        for factor in (7.0, 0.2, -1.0):
            close(module.g(factor * x), module.g(x), atol=1e-8)
            close(module(factor * x), factor * module(x), atol=1e-7)


def relative_norms_have_mean_square_one(make):
    """The squares of z hat add up to C; in the other mode its sizes do."""
    x = example()
    for norm, power in (("l2", 2), ("l1", 1)):
        module = built(make, ARGUMENTS, norm=norm, eps=1e-12)
        with torch.no_grad():
            module.gamma.fill_(0.3), module.beta.zero_()
        total = (exponents(module, x) / 0.3).abs().pow(power).sum(dim=1)
        close(total, torch.full((3,), 5.0).double(), atol=1e-8)


def the_scale_of_alpha_does_not_count(make):
    """Three times alpha gives the same gates, and alpha has no gradient along itself (Euler)."""
    x = example()
    for norm in MODES:
        module = built(make, ARGUMENTS, norm=norm, eps=1e-12)
        gates = module.g(x)
        direction = example(5, 3, 5, 1, 1)[..., 0, 0]
        (slope,) = torch.autograd.grad((gates * direction).sum(), module.alpha)
        assert slope.abs().max() > 1e-3
        close((slope * module.alpha).sum(), torch.zeros(()).double(), atol=1e-8)
        with torch.no_grad():
            module.alpha.mul_(3)
        close(module.g(x), gates, atol=1e-8)


def a_louder_channel_pushes_the_others(make):
    """Raise channel 0: with gamma > 0 its gate rises and all others fall; with gamma < 0 not so."""
    x = example().abs()
    louder = x.clone()
    louder[:, 0] *= 2
    for norm in MODES:
        module = make(**ARGUMENTS, norm=norm).double()
        for sign in (1, -1):
            nn.init.constant_(module.gamma, 0.4 * sign)
            moved = sign * (module.g(louder) - module.g(x))
            assert (moved[:, 0] > 1e-3).all()
            assert (moved[:, 1:] < -1e-3).all()


def where_and_with_which_sign_does_not_count(make):
    """Gates are invariant to the order of positions and to the sign of a channel."""
    x = example()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    flipped = x * torch.tensor([1.0, -1, 1, 1, -1]).double()[:, None, None]
    for norm in MODES:
        module = built(make, ARGUMENTS, norm=norm)
        close(module.g(x.flatten(2)[:, :, order].view_as(x)), module.g(x))
        close(module.g(flipped), module.g(x))


def channels_may_change_places(make):
    """With their parameters moved along, the output moves along."""
    module, x = built(make, ARGUMENTS), example()
    y, order = module(x), [3, 1, 4, 0, 2]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter[order].clone())
    close(module(x[:, order]), y[:, order])


def dead_channels_have_all_their_derivatives(make):
    """A channel of zeros, or all of them, passes finite gradients, of first and second order."""
    for dead in (slice(1, 2), slice(0, 5)):
        module, x = built(make, ARGUMENTS), example()
        x[:, dead] = 0.0
        x.requires_grad_()
        (slope,) = torch.autograd.grad(module(x).square().sum(), x, create_graph=True)
        assert torch.isfinite(slope).all()
        second = torch.autograd.grad((slope.square().sum() + module.g(x).sum()), [x, module.alpha])
        assert all(torch.isfinite(part).all() for part in second)
    # The curvature at zero is that of the square: alpha / sqrt(eps) along each pixel.
    x = torch.zeros(1, 1, 1, 1, dtype=torch.float64, requires_grad=True)
    module = make(1, eps=1e-2).double()
    nn.init.constant_(module.gamma, 0.1)
    (slope,) = torch.autograd.grad(module.g(x).sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert curvature > 0.1


def squares_do_not_overflow(make):
    """In float16 a pixel of 1000 squared is beyond the type; the gates are float32's."""
    x = torch.zeros(2, 3, 8, 8, dtype=torch.float16)
    x[:, :, 0] = 1000.0
    x[:, 1] /= 4
    module = make(3)
    nn.init.constant_(module.gamma, 0.5)
    close(module.half().g(x).double(), module.double().g(x.double()), atol=2e-3, rtol=0)


def an_unknown_norm_is_refused(make):
    """By name and with what there is, in place of a line that is printed."""
    with pytest.raises(ValueError, match=r"norm='max' is unknown: choose 'l2' or 'l1'"):
        make(3, norm="max")


class TheirLayer(nn.Module):
    """The authors' layout: parameters (1, c, 1, 1), one factor of the normaliser and gamma."""

    def __init__(self, module, after_relu=False):
        super().__init__()
        shaped = {n: p.detach()[None, :, None, None] for n, p in module.named_parameters()}
        self.alpha, self.gamma, self.beta = (
            nn.Parameter(shaped[n].clone()) for n in ("alpha", "gamma", "beta")
        )
        self.mode, self.eps, self.after_relu = module.norm, module.eps, after_relu

    def forward(self, x):
        if self.mode == "l2":
            size = torch.pow(x.pow(2).sum((2, 3), keepdim=True) + self.eps, 0.5) * self.alpha
            factor = self.gamma / torch.pow(size.pow(2).mean(1, keepdim=True) + self.eps, 0.5)
        else:
            seen = x if self.after_relu else torch.abs(x)
            size = seen.sum((2, 3), keepdim=True) * self.alpha
            factor = self.gamma / (torch.abs(size).mean(1, keepdim=True) + self.eps)
        return x * (1.0 + torch.tanh(size * factor + self.beta))


def equals_the_authors_layer(make):
    """Forward and every gradient in float64, in training and in use; small maps, where eps is."""
    for norm in MODES:
        for mode in (True, False):
            for scaled in (1.0, 1e-3):
                module = built(make, ARGUMENTS, norm=norm).train(mode)
                theirs = TheirLayer(module).train(mode)
                found = []
                for layer in (module, theirs):
                    x = (scaled * example(7)).requires_grad_()
                    y = layer(x)
                    y.backward(example(8))
                    found.append([y.detach(), x.grad, *(p.grad for p in layer.parameters())])
                assert len(found[0]) == len(found[1]) == 5
                for one, other in zip(*found, strict=True):
                    close(one, other.view_as(one))


PROMISES = (
    starts_as_the_identity, golden_values, brightness_does_not_count,
    relative_norms_have_mean_square_one, the_scale_of_alpha_does_not_count,
    a_louder_channel_pushes_the_others, where_and_with_which_sign_does_not_count,
    channels_may_change_places, dead_channels_have_all_their_derivatives,
    squares_do_not_overflow, an_unknown_norm_is_refused, equals_the_authors_layer,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Mutant(GatedChannelTransformation):
    """The steps of the module, each to be replaced by one with a mistake."""

    def embedded(self, x):
        return embed(x, self.alpha, norm=self.norm, eps=self.eps)

    def normal(self, z):
        return compete(z, norm=self.norm, eps=self.eps)

    def gate(self, z):
        return 1 + torch.tanh(self.gamma * z + self.beta)

    def g(self, x):
        return self.gate(self.normal(self.embedded(x)))


class NoEpsilon(Mutant):
    """The bare root of a sum of squares: NaN gradients for a channel of zeros."""

    def embedded(self, x):
        if self.norm == "l1":
            return super().embedded(x)
        return self.alpha * x.square().sum(dim=(2, 3)).sqrt()


class ByVectorNorm(Mutant):
    """A built-in norm: no curvature at a channel of zeros."""

    def embedded(self, x):
        if self.norm == "l1":
            return super().embedded(x)
        length = torch.linalg.vector_norm(x, dim=(2, 3))
        return self.alpha * (length * length + self.eps).sqrt()


class MeanOverPositions(Mutant):
    """A mean square in place of the sum: the normaliser hides it, but for eps."""

    def embedded(self, x):
        if self.norm == "l1":
            return super().embedded(x)
        return self.alpha * (x.square().mean(dim=(2, 3)) + self.eps).sqrt()


class Centred(Mutant):
    """The spread in place of the norm."""

    def embedded(self, x):
        return super().embedded(x - x.mean(dim=(2, 3), keepdim=True))


class Signed(Mutant):
    """A sum without absolute values (their switch, on inputs that are no ReLU's)."""

    def embedded(self, x):
        return self.alpha * x.sum(dim=(2, 3)) if self.norm == "l1" else super().embedded(x)


class ModeForgotten(GatedChannelTransformation):
    """``norm`` is accepted and dropped."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.norm = "l2"


class AcceptsAnyMode(GatedChannelTransformation):
    """An unknown norm is taken for l2, with a line that is printed at most."""

    def __init__(self, *arguments, norm="l2", **options):
        super().__init__(*arguments, norm=norm if norm in MODES else "l2", **options)


class AlphaAfterwards(Mutant):
    """Alpha multiplies what was normalised already."""

    def embedded(self, x):
        return super().embedded(x) / self.alpha

    def normal(self, z):
        return self.alpha * super().normal(z)


class WithoutNormaliser(Mutant):
    """No competition."""

    def normal(self, z):
        return z


class WithoutRootOfC(Mutant):
    """Divided by the norm over channels in place of the root mean square."""

    def normal(self, z):
        return super().normal(z) / math.sqrt(z.shape[1])


class PapersEpsilon(Mutant):
    """eps inside a sum over channels in place of a mean."""

    def normal(self, z):
        if self.norm == "l1":
            return super().normal(z)
        return z * z.shape[1] ** 0.5 / (z.square().sum(dim=1, keepdim=True) + self.eps).sqrt()


class OverTheBatch(Mutant):
    """Normalised over the images of a batch (known error C4)."""

    def normal(self, z):
        return super().normal(z.T).T


class SignedDivisor(Mutant):
    """The l1 divisor is a mean of signed numbers."""

    def normal(self, z):
        if self.norm == "l1":
            return z / (z.mean(dim=1, keepdim=True) + self.eps)
        return super().normal(z)


class Gaussian(Mutant):
    """exp(-z**2 / 2) of centred numbers: the other module called GCT (known error C14)."""

    def gate(self, z):
        even = (z - z.mean(dim=1, keepdim=True)) / (z.std(dim=1, keepdim=True) + self.eps)
        return torch.exp(-(even.square() / 2) * self.gamma.square()) + 0 * self.beta


class Sigmoid(Mutant):
    """SE's gate in place of 1 + tanh: a new block halves its input."""

    def gate(self, z):
        return torch.sigmoid(self.gamma * z + self.beta)


class Tanh(Mutant):
    """Without the 1: a new block gives zero (known error C12)."""

    def gate(self, z):
        return super().gate(z) - 1


class DetachedDivisor(Mutant):
    """The other channels carry no gradient."""

    def normal(self, z):
        return z * (super().normal(z) / z).detach()


class Residual(GatedChannelTransformation):
    """x + s x, with the 1 counted twice (known error C3)."""

    def f(self, weights, x):
        return x + super().f(weights, x)


class RandomStart(GatedChannelTransformation):
    """gamma drawn at random: no identity."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.reset_parameters()

    def reset_parameters(self):
        super().reset_parameters()
        nn.init.normal_(self.gamma, std=0.1)


class SquaresInHalf(Mutant):
    """Squares in the type of x."""

    def embedded(self, x):
        if self.norm == "l1":
            return super().embedded(x)
        return self.alpha * ((x * x).sum(dim=(2, 3)) + self.eps).sqrt()


class ForgetsDevice(GatedChannelTransformation):
    """device and dtype are accepted and dropped."""

    def __init__(self, channels, *, device=None, dtype=None, **options):
        super().__init__(channels, **options)


MUTANTS = (
    NoEpsilon, ByVectorNorm, MeanOverPositions, Centred, Signed, ModeForgotten, AcceptsAnyMode,
    AlphaAfterwards, WithoutNormaliser, WithoutRootOfC, PapersEpsilon, OverTheBatch,
    SignedDivisor, Gaussian, Sigmoid, Tanh, DetachedDivisor, Residual, RandomStart, SquaresInHalf,
    ForgetsDevice,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=({"channels": 3}, {"channels": 4, "norm": "l1"}, {"channels": 2, "eps": 1e-3}),
    reference=lambda m, x: gated_channel_transformation_reference(
        x, m.alpha, m.gamma, m.beta, norm=m.norm, eps=m.eps
    ),
    promises=PROMISES,
    starts=(
        ({"channels": 6}, {"alpha": ("constant", 1.0), "gamma": ("constant", 0.0),
                           "beta": ("constant", 0.0)}),
    ),
    smallest=({"channels": 1}, {"channels": 1, "norm": "l1"}),
    mutants={m.__name__: m for m in MUTANTS},
    grid=({"channels": 16}, {"channels": 7, "norm": "l1"}, {"channels": 5, "eps": 1e-3}),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 3, "norm": "max"}, "norm='max' is unknown"),
        ({"channels": 3, "eps": 0.0}, "eps=0.0 must be positive"),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of its own


def test_after_a_relu_the_absolute_value_changes_nothing():
    """Their switch for inputs after a ReLU is no other mechanism."""
    module, x = built(GatedChannelTransformation, ARGUMENTS, norm="l1"), example().relu()
    close(module(x), TheirLayer(module, after_relu=True)(x))


def test_the_jacobian_of_the_competition_is_a_projector():
    """Equation (6), and that it takes away the direction of z."""
    z = example(b=1, h=1, w=1)[:, :, 0, 0].abs() + 0.1
    leaf = z.clone().requires_grad_()
    hat = compete(leaf, eps=1e-15)[0]
    rows = [torch.autograd.grad(number, leaf, retain_graph=True)[0][0] for number in hat]
    found = torch.stack(rows)
    length = z.norm()
    unit = z[0] / length
    close(found, math.sqrt(5) / length * (torch.eye(5).double() - torch.outer(unit, unit)))
    close(found @ z[0], torch.zeros(5).double(), atol=1e-8)
    assert found[~torch.eye(5, dtype=torch.bool)].max() < 0


def test_mean_and_spread_are_not_told_apart():
    """Equation (5): the squared norm is HW (mean**2 + std**2)."""
    x = example()
    z = embed(x, torch.ones(5).double(), eps=1e-15)
    close(z.square() / 12, x.mean(dim=(2, 3)).square() + x.var(dim=(2, 3), correction=0))


def test_alpha_and_gamma_at_zero_stay_there():
    """Their gradients are zero together; beta alone still learns."""
    module, x = GatedChannelTransformation(3).double(), example(c=3)
    nn.init.zeros_(module.alpha)
    module(x).square().sum().backward()
    assert module.alpha.grad.abs().max() == module.gamma.grad.abs().max() == 0
    assert module.beta.grad.abs().min() > 0


def test_one_channel_has_nobody_to_compete_with():
    module = built(GatedChannelTransformation, {"channels": 1})
    close(module.g(example(c=1, b=2)).std(dim=0), torch.zeros(1).double(), atol=1e-5)


def test_before_every_convolution_of_resnet_50():
    """The count of our own sum over the 53 convolutions of ResNet-50: 22,531 channels."""
    with torch.device("meta"):
        widths = [m.in_channels for m in ResNet50().modules() if isinstance(m, nn.Conv2d)]
    assert (len(widths), sum(widths)) == (53, 22_531)
    assert sum(CARD.parameters(width) for width in widths) == 67_593


def test_repr_says_what_differs():
    assert repr(GatedChannelTransformation(8)) == "GatedChannelTransformation(8)"
    text = GatedChannelTransformation(8, norm="l1", eps=1e-3).extra_repr()
    assert text == "8, norm='l1', eps=0.001"


# ---------------------------------------------------------------- the rivals of its experiment


def rival(name):
    return experiments_of("channel/gated_channel_transformation")[0].variant(name).build()


def copies(seed=0):
    return torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_only_what_compares_within_the_image_ignores_the_gain():
    """Three times x: the gates of GCT and the ratios of 1 / energy stay, the others' move."""
    x = copies() * torch.linspace(0.5, 2, 8)[:, None, None]
    for name, still in (("GCT", True), ("no normaliser", False), ("1 / energy", True),
                        ("SE on norms", False), ("SRM", False)):  # fmt: skip
        torch.manual_seed(0)
        gate = rival(name).gate.eval()
        with torch.no_grad():
            for parameter in gate.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        ratios = [gate(factor * x) / (factor * x) for factor in (1, 3)]
        shares = [r / r.mean(dim=1, keepdim=True) for r in ratios]
        assert torch.allclose(*shares, atol=1e-3) == still, name


def test_the_ablation_is_gct_but_for_the_divisor():
    gate, x = rival("no normaliser").gate, copies()
    with torch.no_grad():
        gate.gamma.fill_(0.3)
    root = (x.square().sum(dim=(2, 3)) + EPSILON).sqrt() / 8
    close(gate.g(x), 1 + torch.tanh(0.3 * root), atol=1e-6, rtol=1e-5)


def test_votes_are_the_mean_of_single_answers():
    net, x = rival("votes").eval(), copies()
    single = torch.stack([net.readout(x[:, c].flatten(1)) for c in range(8)])
    torch.testing.assert_close(net(x), single.mean(dim=0))


def test_the_logarithm_turns_a_gain_into_a_sum():
    torch.manual_seed(0)
    gate, seen = rival("SE on log norms").gate, []
    gate.reduce.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    for factor in (1, 3):
        gate(factor * copies())
    torch.testing.assert_close(seen[1] - seen[0], torch.full((4, 8), math.log(3.0)))


def test_rivals_are_about_as_large():
    variants = experiments_of("channel/gated_channel_transformation")[0].variants
    size = {v.name: sum(p.numel() for p in v.build().parameters()) for v in variants}
    assert size["GCT"] - size["no gate"] == CARD.parameters(8) == 24
    assert size["GCT"] == size["no normaliser"]
    assert size["votes"] == size["no gate"] == size["1 / energy"]
    assert max(size.values()) / min(size.values()) < 1.06
    assert SqueezeExcitation(8, 2).hidden_channels == 4


def test_recorded_runs_say_what_the_chapter_says():
    """The division does the work; a rival without parameters and SE on logarithms come as far."""
    recorded = published("channel/gated_channel_transformation")
    found = recorded.compare("random_gain", "GCT")
    for name, lost in (("no gate", 0.234), ("SE", 0.238), ("SRM", 0.052), ("SE on norms", 0.024),
                       ("no normaliser", 0.048)):  # fmt: skip
        assert found[name].gain.verdict == "clear"
        assert found[name].gain.mean == pytest.approx(-lost, abs=0.002)
    assert found["1 / energy"].gain.verdict == "clearly small"
    for name in ("SE on log norms", "votes"):
        assert found[name].gain.verdict == "no clear effect"
    even = recorded.compare("one_brightness", "GCT")
    for name in ("SRM", "no normaliser"):
        assert -0.01 < even[name].gain.mean < 0
        assert even[name].gain.verdict == "no clear effect"
