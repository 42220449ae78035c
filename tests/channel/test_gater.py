"""What only GaterNet promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.channel import GaterNet
from attncourse.channel.gater import (
    CARD,
    SATURATION,
    backbone_multiply_adds,
    discretise,
    estimator_mean,
    gater_multiply_adds,
    gater_reference,
    on_probability,
    parts_of,
    saturating_sigmoid,
    share_on,
    true_slope,
)
from attncourse.layers import as_affine
from attncourse.measure import count_macs
from tests.contract.owned_layers import replaced_and_hooked_layers_are_heard
from tests.contract.specimen import Specimen, built, close, of_torch

SMALL = {"gater_widths": (3,), "bottleneck": 3}
SOFT = {"channels": 2, "widths": (3, 2), **SMALL, "noise": 0.0, "discrete": False}
HARD = {"channels": 3, "widths": (2, 3), "gater_widths": (2, 2), "bottleneck": 4,
        "noise": 0.0, "hard": 1.0}  # fmt: skip
SCORES = (-3.0, -1.0, 0.0, 1.0, 3.0)


def example(seed=0, b=2, c=2, h=5, w=4):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def with_scores(make, scores=SCORES, **options):
    """A module of five filters whose scores are set by hand, whatever it sees."""
    module = built(make, {"channels": 2, "widths": (3, 2), **SMALL, **options})
    with torch.no_grad():
        module.gater.expand.weight.zero_()
        module.gater.expand.bias.copy_(torch.tensor(scores))
    return module


def borrowed(score):
    """The slope of a soft gate, by hand."""
    p = torch.sigmoid(score)
    return torch.where(score.abs() < math.log(11), 1.2 * p * (1 - p), 0.0 * p)


# ---------------------------------------------------------------- promises


def gates_in_use_are_zero_or_one(make):
    """Exactly so, the same every time, and shut at a score of exactly zero."""
    module, x = with_scores(make), example()
    s = module.g(x)
    assert torch.equal(s, torch.tensor([0.0, 0, 0, 1, 1], dtype=torch.float64).expand(2, 5))
    free = built(make, HARD)
    s = free.g(example(c=3, b=400))
    assert bool(((s == 0) | (s == 1)).all()), "a gate is neither 0 nor 1"
    assert 0.05 < float(s.detach().mean()) < 0.95, "the example opens or shuts everything"


def soft_gates_are_the_facts(make):
    """Golden: 0, 0.2227, 1/2, 0.7773, 1, and 0.0430 and 0.9570 at -2 and 2."""
    wanted = {SCORES: [0.0, 0.222730, 0.5, 0.777270, 1.0],
              (-2.0, 2.0, 2.3, math.log(11), 9.0):
                  [0.043044, 0.956956, 0.990653, 1.0, 1.0]}  # fmt: skip
    for scores, gates in wanted.items():
        module = with_scores(make, scores, discrete=False)
        close(module.g(example(b=1))[0], torch.tensor(gates).double(), atol=2e-6)


def ten_times_the_scores_changes_nothing_in_use(make):
    """Only the sign counts."""
    module, x = built(make, HARD), example(c=3)
    wanted = module(x)
    with torch.no_grad():
        module.gater.expand.weight.mul_(10), module.gater.expand.bias.mul_(10)
    assert torch.equal(module(x), wanted)


def noise_opens_as_often_as_it_should(make):
    """In training, P(s = 1) = Phi(tau), and the mean of soft gates at 1 is 0.7336."""
    torch.manual_seed(0)
    x = example(b=4000, h=1, w=1)
    module = with_scores(make, (-1.0, 0.0, 0.5, 1.0, 2.0), hard=1.0).train()
    s = module.g(x)
    assert bool(((s == 0) | (s == 1)).all())
    wanted = on_probability(torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0]).double())
    close(s.mean(0), wanted, atol=0.035)
    apart = torch.corrcoef(s.detach().T[:4]) - torch.eye(4)
    assert apart.abs().max() < 0.08, "gates share their noise"
    soft = with_scores(make, (-1.0, 0.0, 0.5, 1.0, 2.0), hard=0.0).train()
    close(soft.g(x).mean(0)[3], torch.tensor(0.7336).double(), atol=0.02)
    quiet = with_scores(make, noise=0.0, hard=0.0).train()
    close(quiet.g(x)[0], saturating_sigmoid(torch.tensor(SCORES).double()))


def an_image_is_hard_or_soft_as_a_whole(make):
    """About one half of the images is hard, and then in all its gates."""
    torch.manual_seed(1)
    module = with_scores(make, (0.0,) * 5, noise=0.1).train()
    s = module.g(example(b=1000, h=1, w=1))
    hard = (s == 0) | (s == 1)
    assert bool((hard.all(1) == hard.any(1)).all()), "an image has gates of both kinds"
    assert 0.42 < float(hard.all(1).double().mean()) < 0.58
    share = with_scores(make, (0.0,) * 5, noise=0.1, hard=0.2).train()
    assert 0.1 < float((share.g(example(b=1000, h=1, w=1)) == 1).any(1).double().mean()) < 0.3


def hard_gates_borrow_the_slope_of_soft_ones(make):
    """By hand, 1.2 p (1 - p) within ln 11 and 0 beyond; in use, and with noise in training."""
    for options in ({"noise": 0.0}, {"noise": 0.7, "hard": 1.0}, {"noise": 0.7, "hard": 0.0}):
        module, x = with_scores(make, **options), example(b=6)
        module.train(options["noise"] > 0)
        torch.manual_seed(5)
        tau = module.gater(x)
        noise = options["noise"] * torch.randn_like(tau) if module.training else 0.0
        torch.manual_seed(5)
        upstream = torch.linspace(-1, 2, 30).double().view(6, 5)
        (found,) = torch.autograd.grad((module.g(x) * upstream).sum(), module.gater.expand.bias)
        close(found, (upstream * borrowed(tau + noise)).sum(0).detach(), atol=1e-9)


def all_open_is_the_backbone(make):
    """Gates of one leave an ordinary stack of convolutions, in training too."""
    module, x = built(make, HARD), example(c=3)
    parts = zip(module.convs, module.norms, strict=True)
    plain = nn.Sequential(*(m for conv, norm in parts for m in (conv, norm, nn.ReLU())))
    ones = torch.ones(2, 5, dtype=torch.float64)
    close(module.f(ones, x), plain(x))
    module.train(), plain.train()
    close(module.f(ones, x), plain(x))


def what_is_off_is_not_heard_and_does_not_learn(make):
    """A shut filter gives zeros, its kernel gets no gradient, nor do the taps that read it."""
    module, x = built(make, HARD), example(c=3)
    gates = torch.tensor([[1.0, 0, 0, 1, 1]]).double().expand(2, 5)
    y = module.f(gates, x)
    assert not y[:, 0].any()
    y.square().sum().backward()
    first, second = (conv.weight.grad for conv in module.convs)
    assert first[0].any()
    assert not first[1].any()
    assert second[1:, 0].any()
    assert not second[:, 1].any()
    assert not second[0].any()


def statistics_know_nothing_of_gates(make):
    """The gate stands behind the normalisation, which sees all images of each filter."""
    found = []
    for first in (1.0, 0.0):
        module = built(make, HARD).train()
        gates = torch.tensor([[first, 1, 1, 1, 1], [1, 1, 1, 1, 1]]).double()
        module.f(gates, example(c=3))
        found.append(module.norms[0].running_mean.clone())
    close(*found)


def filters_that_are_off_can_be_skipped(make):
    """The same values with the multiply-adds of the open filters alone."""
    module, x = built(make, {**HARD, "widths": (4, 5, 3)}), example(c=3, b=5)
    close(module.skipped(x), module(x))
    whole = 0
    for image in x:
        on = [int(part.sum()) for part in module.g(image[None])[0].split(module.widths)]
        if 0 not in on:
            whole += 1
            decided = gater_multiply_adds(5, 4, 3, 12, (2, 2), 4)
            normalised = 20 * sum(on) + 12
            counted = count_macs(module.skipped, image[None])
            assert counted == backbone_multiply_adds(5, 4, 3, on) + decided + normalised
    assert whole, "the example shuts a whole layer everywhere"
    for scores in ((-1.0,) * 5, (1.0, 1, 1, -1, -1), (-1.0, -1, -1, 1, 1)):
        shut = with_scores(make, scores)
        close(shut.skipped(example()), shut(example()))


def what_cannot_be_skipped_says_so(make):
    """Soft gates, training mode and hooked layers are refused."""
    x = example()
    for module in (with_scores(make, discrete=False), with_scores(make).train()):
        with pytest.raises(ValueError, match="only gates of 0 and 1 skip anything: call"):
            module.skipped(x)
    module = with_scores(make)
    module.convs[0].register_forward_hook(lambda *call: None)
    with pytest.raises(ValueError, match="no plain one: call the module"):
        module.skipped(x)


def layers_of_soft_gates_are_heard(make):
    """What the contract checks of layers, where every layer shows in the output."""
    specimen = dataclasses.replace(SPECIMEN, arguments=(SOFT,))
    replaced_and_hooked_layers_are_heard(specimen, make)


def one_image_cannot_be_normalised(make):
    """In training mode the bottleneck's statistics need two images."""
    with pytest.raises(ValueError, match=r"\.gater\.norm would have one value"):
        built(make, SOFT).train()(example(b=1))


# ---------------------------------------------------------------- mutants


class Mutant(GaterNet):
    """GaterNet whose gates are made anew from the scores."""

    def g(self, x):
        return self.made(self.gater(x))

    def noise_for(self, tau):
        return self.noise * torch.randn_like(tau) if self.training and self.noise else 0 * tau

    def coin(self, tau):
        return torch.rand(len(tau), 1) < (self.hard if self.training else 1.0)

    def made(self, tau):
        noisy = tau + self.noise_for(tau)
        soft = self.squash(noisy)
        if not self.discrete:
            return soft
        return torch.where(self.coin(tau), self.threshold(noisy, soft), soft)

    def squash(self, noisy):
        return saturating_sigmoid(noisy)

    def threshold(self, noisy, soft):
        return (noisy > 0).to(soft) + (soft - soft.detach())


class NoisyInUse(Mutant):
    """Noise at test time."""

    def noise_for(self, tau):
        return torch.randn_like(tau)


class NeverNoisy(Mutant):
    """No noise in training."""

    def noise_for(self, tau):
        return 0 * tau


class OneNoiseForAll(Mutant):
    """One number for all gates of an image."""

    def noise_for(self, tau):
        return super().noise_for(tau)[:, :1].expand_as(tau)


class SoftInUse(Mutant):
    """Soft gates wherever nothing is trained."""

    def coin(self, tau):
        return super().coin(tau) & torch.tensor(self.training)


class AlwaysHard(Mutant):
    """Hard gates for every image."""

    def coin(self, tau):
        return torch.ones(len(tau), 1, dtype=torch.bool)


class CoinForEachGate(Mutant):
    """Hard or soft by the gate."""

    def coin(self, tau):
        return torch.rand_like(tau) < (self.hard if self.training else 1.0)


class PlainSigmoid(Mutant):
    """A sigmoid that never reaches 0 or 1."""

    def squash(self, noisy):
        return torch.sigmoid(noisy)


class NotCutOff(Mutant):
    """The stretched sigmoid without its ends."""

    def squash(self, noisy):
        return 1.2 * torch.sigmoid(noisy) - 0.1


class NoSlope(Mutant):
    """A threshold, whose slope is zero."""

    def threshold(self, noisy, soft):
        return (noisy > 0).to(soft)


class SlopeOfOne(Mutant):
    """The straight-through estimator of the identity."""

    def threshold(self, noisy, soft):
        return (noisy > 0).to(soft) + (noisy - noisy.detach())


class HigherThreshold(Mutant):
    """Open from a score of 1/2 on."""

    def threshold(self, noisy, soft):
        return (noisy > 0.5).to(soft) + (soft - soft.detach())


class AlmostOne(Mutant):
    """Rounding: without a bracket the last digit is lost."""

    def threshold(self, noisy, soft):
        return (noisy > 0).to(soft) + soft - soft.detach()


class GatesOfTheNext(GaterNet):
    """Every image gets the gates of another."""

    def g(self, x):
        return super().g(x).roll(1, dims=0)


class LastLayerFirst(GaterNet):
    """The gates of the layers in another order."""

    def f(self, weights, x):
        return super().f(weights.flip(1), x)


class GatesBeforeNorm(GaterNet):
    """The gate multiplies what the normalisation is to see."""

    def f(self, weights, x):
        parts = weights.split(self.widths, dim=1)
        for conv, norm, gates in zip(self.convs, self.norms, parts, strict=True):
            x = F.relu(norm(gates[:, :, None, None].to(x.dtype) * conv(x)))
        return x


class Detached(GaterNet):
    """The gater learns nothing from below and passes nothing on."""

    def g(self, x):
        return super().g(x.detach())


class ForgetsShift(GaterNet):
    """Skips the shifts with the filters."""

    def _one(self, image, gates):
        y = super()._one(image, gates)
        return y - as_affine(self.norms[-1])[1][:, None, None].clamp(min=0) * (y > 0)


class HalfReset(GaterNet):
    """reset_parameters forgets the gater (known error C11)."""

    def reset_parameters(self):
        for conv in self.convs:
            conv.reset_parameters()


class Unvalidated(GaterNet):
    """No check of the input."""

    def validate(self, x):
        pass


MUTANTS = (
    NoisyInUse, NeverNoisy, OneNoiseForAll, SoftInUse, AlwaysHard, CoinForEachGate, PlainSigmoid,
    NotCutOff, NoSlope, SlopeOfOne, HigherThreshold, AlmostOne, GatesOfTheNext, LastLayerFirst,
    GatesBeforeNorm, Detached, ForgetsShift, HalfReset, Unvalidated,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(SOFT, HARD),
    reference=lambda m, x: gater_reference(x, **parts_of(m)),
    promises=(
        gates_in_use_are_zero_or_one,
        soft_gates_are_the_facts,
        ten_times_the_scores_changes_nothing_in_use,
        noise_opens_as_often_as_it_should,
        an_image_is_hard_or_soft_as_a_whole,
        hard_gates_borrow_the_slope_of_soft_ones,
        all_open_is_the_backbone,
        what_is_off_is_not_heard_and_does_not_learn,
        statistics_know_nothing_of_gates,
        filters_that_are_off_can_be_skipped,
        what_cannot_be_skipped_says_so,
        layers_of_soft_gates_are_heard,
        one_image_cannot_be_normalised,
    ),
    starts=(
        (
            {"channels": 3, "widths": (16, 8), "gater_widths": (8,), "bottleneck": 16},
            {
                "convs.0.weight": of_torch(27),
                "convs.1.weight": of_torch(144),
                "gater.convs.0.weight": of_torch(27),
                "gater.reduce.*": of_torch(8),
                "gater.expand.*": of_torch(16),
                "norms.*.weight": ("constant", 1.0),
                "norms.*.bias": ("constant", 0.0),
                "gater.norm*.weight": ("constant", 1.0),
                "gater.norm*.bias": ("constant", 0.0),
            },
        ),
    ),
    smallest=(
        {
            "channels": 1,
            "widths": (1,),
            "gater_widths": (1,),
            "bottleneck": 1,
            "noise": 0.0,
            "hard": 0.0,
        },
        {"channels": 1, "widths": (1,), "gater_widths": (1,), "bottleneck": 1, "hard": 1.0},
    ),
    loud={"channels": 64},
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 3},
        {"channels": 2, "widths": (5,), "gater_widths": (4, 3, 2), "bottleneck": 7},
        {"channels": 1, "widths": (2, 3, 4, 5), "gater_widths": (6,), "discrete": False},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 2, "widths": ()}, r"widths=\(\) must be at least 1"),
        ({"channels": 2, "widths": (4, 0)}, r"widths=\(4, 0\) must be"),
        ({"channels": 2, "gater_widths": (0,)}, r"gater_widths=\(0,\)"),
        ({"channels": 2, "bottleneck": 0}, "bottleneck=0"),
        ({"channels": 2, "noise": -1.0}, "noise=-1.0 must be at least 0"),
        ({"channels": 2, "hard": 1.5}, "hard=1.5 must be a chance"),
    ),
    excused={
        "replaced_and_hooked_layers_are_heard": "a gate of 0 or 1 keeps its value when its score "
        "grows by a quarter; the soft gates are checked among the promises",
    },
)

# ---------------------------------------------------------------- tests of its own


def test_the_sigmoid_saturates_at_the_logarithm_of_eleven():
    assert pytest.approx(2.3978952727983707) == SATURATION
    edge = torch.tensor([SATURATION], dtype=torch.float64)
    close(1.2 * torch.sigmoid(edge) - 0.1, torch.ones(1).double())
    v = torch.linspace(-5, 5, 201).double()
    close(saturating_sigmoid(-v), 1 - saturating_sigmoid(v))
    (slope,) = torch.autograd.grad(
        saturating_sigmoid(zero := torch.zeros((), requires_grad=True)), zero
    )
    assert float(slope) == pytest.approx(0.3)


def test_the_estimator_is_biased_as_the_facts_say():
    tau = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    close(true_slope(tau), torch.tensor([0.3989, 0.2420, 0.0540, 0.0044]).double(), atol=5e-5)
    wanted = torch.tensor([0.2468, 0.2082, 0.1196, 0.0410]).double()
    close(estimator_mean(tau), wanted, atol=5e-5)
    torch.manual_seed(0)
    leaf = tau.clone().requires_grad_()
    noise = torch.randn(200_000, 4).double()
    (sampled,) = torch.autograd.grad(discretise(leaf.expand(200_000, 4), noise).mean(0).sum(), leaf)
    close(sampled, wanted, atol=2e-3)
    close(discretise(tau.expand(200_000, 4), noise).mean(0), on_probability(tau), atol=4e-3)


def test_the_true_slope_is_that_of_the_probability():
    tau = torch.linspace(-3, 3, 25).double().requires_grad_()
    (slope,) = torch.autograd.grad(on_probability(tau).sum(), tau)
    close(true_slope(tau), slope)


def test_the_penalty_of_hard_gates_is_the_share_that_is_on():
    gates = torch.tensor([[1.0, 0, 0, 1], [1, 1, 1, 0]])
    assert float(share_on(gates)) == pytest.approx(gates.abs().sum(1).mean() / 4)


def test_a_gate_of_a_half_precision_network_is_exact():
    torch.manual_seed(0)
    net = GaterNet(3, (8, 8)).bfloat16().eval()
    s = net.g(torch.randn(6, 3, 9, 9).bfloat16())
    assert set(s.unique().tolist()) == {0.0, 1.0}
