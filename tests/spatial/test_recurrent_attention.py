"""What RAM and DRAM promise beyond the contract, and the mistakes that must not pass."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from attncourse.measure import count_macs, peak_bytes
from attncourse.spatial import RecurrentAttention
from attncourse.spatial.recurrent_attention import CARD, parameter_count, sensor
from attncourse.spatial.recurrent_attention.policy import (
    Baseline,
    Glimpsed,
    expected_reward,
    hybrid_loss,
    log_density,
)
from attncourse.spatial.recurrent_attention.reference import recurrent_attention_reference
from attncourse.spatial.recurrent_attention.sensor import (
    read_glimpse,
    read_glimpse_reference,
    window_centre,
)
from tests.contract.specimen import Specimen, built, of_torch

ARGUMENTS = {
    "channels": 2, "classes": 3, "steps": 3, "glimpse": 2, "scales": 2, "features": 4, "width": 5,
}  # fmt: skip
RAM = {**ARGUMENTS, "scales": 1, "glimpse": 3, "product": False, "layers": 1}
DRAM = {**ARGUMENTS, "steps": 2, "context": 2}


def example(seed=0, b=2, c=2, h=9, w=12):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def in_training(make, arguments, seed=4):
    """A module with opened gates in training mode, what it saw, and the noise that it drew."""
    module, x = built(make, arguments).train(), example(b=64)
    torch.manual_seed(seed)
    noise = torch.randn(64, 2, dtype=torch.float64)  # that of the first decision
    torch.manual_seed(seed)
    return module, module(x), noise


def gradient(value, parameter):
    found = torch.autograd.grad(value, parameter, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(parameter) if found is None else found


# ---------------------------------------------------------------- promises


def moves_with_the_image(make):
    """Image and window shifted alike by whole pixels: what is seen stays."""
    module, x = built(make, ARGUMENTS), example(h=14, w=18)
    with torch.no_grad():
        module.where_out.weight.zero_()
        module.where_out.bias.fill_(1)
    reach = torch.tensor([18 - 2, 14 - 2], dtype=torch.float64) / 2
    here = torch.tensor([[-1.3, 0.4]] * 2, dtype=torch.float64) / reach
    there = here + torch.tensor([3.0, -2.0], dtype=torch.float64) / reach
    moved = torch.roll(x, (-2, 3), dims=(2, 3))
    torch.testing.assert_close(module.look(moved, there), module.look(x, here))
    assert not torch.allclose(module.look(moved, here), module.look(x, here))


def answers_from_its_glimpses_alone(make):
    """Given the locations, pixels outside all windows change nothing, context or not."""
    for arguments in (ARGUMENTS, DRAM):
        module, x = built(make, arguments), example()
        corner = torch.full((2, arguments["steps"], 2), -1.0, dtype=torch.float64)
        other = x.clone()
        other[:, :, 5:, 5:] = 7.0
        torch.testing.assert_close(module.f(corner, other), module.f(corner, x))
        assert not torch.allclose(module.f(-corner, other), module.f(-corner, x))


def the_upper_state_decides_and_the_lower_answers(make):
    """The upper layer moves locations; with locations fixed it does not touch the scores."""
    module, x = built(make, DRAM), example()
    locations = module.g(x)
    scores = module.f(locations, x)
    with torch.no_grad():
        module.upper.weight_ih.mul_(-0.5)
        module.coarse.weight.mul_(-0.5)
        module.emit.bias.fill_(0.3)
    assert not torch.allclose(module.g(x), locations)
    torch.testing.assert_close(module.f(locations, x), scores)


def where_that_is_one_leaves_what(make):
    """With f_loc = 1 the glimpse is f_image: a product, not a sum."""
    module, x = built(make, ARGUMENTS), example()
    with torch.no_grad():
        module.where_out.weight.zero_()
        module.where_out.bias.fill_(1)
    location = torch.tensor([[0.2, -0.4]] * 2, dtype=torch.float64)
    pixels = read_glimpse(x, location, 2, 2).flatten(1)
    what = F.relu(module.what_out(F.relu(module.what_in(pixels))))
    torch.testing.assert_close(module.look(x, location), what)


def looks_at_the_middle_first(make):
    """Without context the first location is (0, 0); all lie in the image."""
    for arguments in (ARGUMENTS, RAM):
        locations = built(make, arguments).g(example())
        assert (locations[:, 0] == 0).all()
        assert (locations.abs() <= 1).all()
    assert (built(make, DRAM).g(example())[:, 0] != 0).any()


def scores_the_samples_that_it_drew(make):
    """The log-density is that of mean + std * noise, before the border; (10) and (11)."""
    module, seen, noise = in_training(make, ARGUMENTS)
    wanted = -noise.square().sum(1) / 2 - math.log(2 * math.pi * module.std**2)
    torch.testing.assert_close(seen.log_density[:, 0], wanted)
    sample = seen.means[:, 0] + module.std * noise
    torch.testing.assert_close(seen.locations[:, 1], sample.clamp(-1, 1))
    assert (seen.locations[:, 1].abs() == 1).any(), "the border was not tried"
    weight = torch.linspace(-1, 2, 64, dtype=torch.float64)
    pull = gradient((weight * seen.log_density[:, 0]).sum(), module.emit.bias)
    torch.testing.assert_close(pull, (weight[:, None] * noise).sum(0) / module.std)


def rewards_only_where_it_looked(make):
    """One decision for each location that was decided and visited: none after the last look."""
    for arguments, decisions in ((ARGUMENTS, 2), (RAM, 2), (DRAM, 2)):
        _, seen, _ = in_training(make, arguments)
        assert seen.locations.shape == (64, arguments["steps"], 2)
        assert seen.means.shape == (64, decisions, 2)
        assert seen.log_density.shape == (64, decisions)
        assert seen.states.shape == (64, decisions, 5)
        assert not seen.states.requires_grad


def what_and_where_learn_apart(make):
    """Cross-entropy leaves the policy alone; REINFORCE leaves what reads alone, unless joint."""
    module, seen, _ = in_training(make, ARGUMENTS)
    crossed = F.cross_entropy(seen.logits, torch.zeros(64, dtype=torch.long))
    for layer in (module.emit, module.upper):
        for parameter in layer.parameters():
            assert not gradient(crossed, parameter).any()
    policy = seen.log_density.sum()
    assert gradient(policy, module.emit.weight).any()
    assert gradient(policy, module.upper.weight_ih).any()
    assert not gradient(policy, module.what_in.weight).any()
    assert not gradient(policy, module.lower.weight_ih).any()
    module, seen, _ = in_training(make, {**ARGUMENTS, "joint": True})
    assert gradient(seen.log_density.sum(), module.what_in.weight).any()
    assert not gradient(seen.logits.sum(), module.emit.weight).any()


def costs_the_same_for_every_image(make):
    """Neither multiply-adds nor memory know how large the image is."""
    module = make(1, steps=3, scales=2, features=16, width=16).eval()
    small, large = torch.rand(2, 1, 20, 30), torch.rand(2, 1, 200, 150)
    with torch.no_grad():
        assert count_macs(module, small) == count_macs(module, large)
        assert peak_bytes(lambda: module(small)) == peak_bytes(lambda: module(large))


# ---------------------------------------------------------------- mutants


class RowColumn(RecurrentAttention):
    """A location taken as (row, column)."""

    def look(self, x, location):
        return super().look(x, location.flip(1))


class CentreMap(RecurrentAttention):
    """The centre of the window, not the window, is kept inside: half a window leaves."""

    def look(self, x, location):
        sizes = location.new_tensor([x.shape[3], x.shape[2]])
        return super().look(x, location * sizes / (sizes - self.glimpse).clamp(min=1))


class WindowOutside(RecurrentAttention):
    """A window that is wider than the image moves the other way in place of standing still."""

    def look(self, x, location):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sensor, "window_centre", lambda place, size, length:
                          (length - 1) / 2 + place * (length - size) / 2)  # fmt: skip
            return super().look(x, location)


class OneSide(RecurrentAttention):
    """One side length for both axes (known error C33)."""

    def look(self, x, location):
        reach = (location.new_tensor(x.shape[2:]) - self.glimpse).clamp(min=0)
        wrong = torch.stack([location[:, 0], location[:, 1] * reach[1] / reach[0].clamp(min=1)], 1)
        return super().look(x, wrong)


class EqualScales(RecurrentAttention):
    """All squares of the same size, as a default of a known port has it."""

    def look(self, x, location):
        pixels = read_glimpse(x, location, self.glimpse, 1).expand(-1, self.scales, -1, -1, -1)
        what = self.what_out(F.relu(self.what_in(pixels.flatten(1))))
        where = self.where_out(F.relu(self.where_in(location)))
        return F.relu(what) * F.relu(where) if self.product else F.relu(what + where)


class AlignedCorners(RecurrentAttention):
    """Locations scaled as if pixel centres lay on the image's border."""

    def look(self, x, location):
        return super().look(x, location * (1 - 1 / x.shape[3]))


class WholePixels(RecurrentAttention):
    """Windows cut at whole pixels, so that no gradient reaches the location."""

    def look(self, x, location):
        reach = (location.new_tensor([x.shape[3], x.shape[2]]) - self.glimpse).clamp(min=0) / 2
        whole = (location * reach).round() / reach.clamp(min=0.5)
        return super().look(x, whole)


class Squeezed(RecurrentAttention):
    """squeeze() breaks a batch of one (known error C33)."""

    def look(self, x, location):
        return super().look(x, location).squeeze()


class Added(RecurrentAttention):
    """What plus where, in place of the product."""

    def look(self, x, location):
        product, self.product = self.product, False
        seen = super().look(x, location)
        self.product = product
        return seen


class NoReLU(RecurrentAttention):
    """Two linear layers in a row for *where*."""

    def look(self, x, location):
        pixels = read_glimpse(x, location, self.glimpse, self.scales)
        what = F.relu(self.what_out(F.relu(self.what_in(pixels.flatten(1)))))
        where = F.relu(self.where_out(self.where_in(location)))
        return what * where if self.product else F.relu(what + where)


class Peeks(RecurrentAttention):
    """The mean of the whole image leaks into what is seen."""

    def look(self, x, location):
        return super().look(x, location) + x.mean(dim=(1, 2, 3))[:, None]


class TanhMean(RecurrentAttention):
    """A tanh on the mean, as in a known port; the paper's is linear."""

    def decide(self, state):
        location, mean, density = super().decide(state)
        return (location if self.training else mean.tanh()), mean.tanh(), density


class Reparametrised(RecurrentAttention):
    """A sample that is not cut from the graph: its density has no gradient any more."""

    def decide(self, state):
        if not self.training:
            return super().decide(state)
        mean = self.emit(state)
        sample = mean + self.std * torch.randn_like(mean)
        return sample.clamp(-1, 1), mean, log_density(sample, mean, self.std)


class ClampedDensity(RecurrentAttention):
    """The density of the clamped location, not of the sample."""

    def decide(self, state):
        location, mean, density = super().decide(state)
        return location, mean, log_density(location, mean, self.std) if self.training else density


class NoBorder(RecurrentAttention):
    """Locations that leave the image."""

    def decide(self, state):
        if not self.training:
            mean = self.emit(state)
            return mean, mean, mean.new_zeros(len(mean))
        return super().decide(state)


class AlwaysSamples(RecurrentAttention):
    """Samples in eval mode too."""

    def decide(self, state):
        location, mean, density = super().decide(state)
        return location + 0.01 * torch.randn_like(location), mean, density


class LastDecision(RecurrentAttention):
    """A location after the last look is rewarded, though nobody looks there (C33)."""

    def glimpses(self, x):
        seen = super().glimpses(x)
        if not self.training:
            return seen
        last = [t[:, -1:] for t in seen[2:]]
        more = [torch.cat([t, extra], 1) for t, extra in zip(seen[2:], last, strict=True)]
        return Glimpsed(seen.logits, seen.locations, *more)


class RandomFirst(RecurrentAttention):
    """A first look at the upper left in place of the middle."""

    def glimpses(self, x):
        seen = super().glimpses(x)
        locations = seen.locations.clone()
        locations[:, 0] = -1
        return seen._replace(locations=locations)


class ReadsTheUpper(RecurrentAttention):
    """The classifier reads the state that decides: with context it can skip the glimpses."""

    def glimpses(self, x):
        seen = super().glimpses(x)
        if not self.context:
            return seen
        small = F.interpolate(x, (self.context, self.context), mode="bilinear")
        return seen._replace(logits=seen.logits + self.classify(self.coarse(small.flatten(1))))


class AlwaysJoint(RecurrentAttention):
    """REINFORCE shapes what is seen although joint is off."""

    def __init__(self, *arguments, joint=False, **options):
        super().__init__(*arguments, joint=True, **options)


class NeverJoint(RecurrentAttention):
    """joint is accepted and ignored."""

    def __init__(self, *arguments, joint=False, **options):
        super().__init__(*arguments, joint=False, **options)


class OpenStart(RecurrentAttention):
    """reset_parameters forgets that the policy starts at the middle."""

    def reset_parameters(self):
        for layer in self.children():
            layer.reset_parameters()


class ForgetsDevice(RecurrentAttention):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class Unvalidated(RecurrentAttention):
    """No check of the input."""

    def validate(self, x):
        pass


MUTANTS = (
    RowColumn, CentreMap, WindowOutside, OneSide, EqualScales, AlignedCorners, WholePixels,
    Squeezed, Added, NoReLU, Peeks, TanhMean, Reparametrised, ClampedDensity, NoBorder,
    AlwaysSamples, LastDecision, RandomFirst, ReadsTheUpper, AlwaysJoint, NeverJoint, OpenStart,
    ForgetsDevice, Unvalidated,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(ARGUMENTS, RAM, DRAM),
    reference=lambda m, x: recurrent_attention_reference(
        x,
        dict(m.named_parameters()),
        steps=m.steps,
        glimpse=m.glimpse,
        scales=m.scales,
        product=m.product,
        context=m.context,
    ),
    promises=(
        moves_with_the_image,
        answers_from_its_glimpses_alone,
        the_upper_state_decides_and_the_lower_answers,
        where_that_is_one_leaves_what,
        looks_at_the_middle_first,
        scores_the_samples_that_it_drew,
        rewards_only_where_it_looked,
        what_and_where_learn_apart,
        costs_the_same_for_every_image,
    ),
    starts=(
        (
            {"channels": 1, "scales": 3, "features": 64, "width": 49, "context": 4},
            {
                "what_in.*": of_torch(3 * 64),
                "what_out.*": of_torch(64),
                "where_in.*": of_torch(2),
                "where_out.*": of_torch(64),
                "lower.*": of_torch(49),
                "upper.*": of_torch(49),
                "coarse.*": of_torch(16),
                "emit.*": ("constant", 0.0),
                "classify.*": of_torch(49),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "classes": 1, "steps": 2, "glimpse": 1, "features": 1, "width": 1},
        {
            "channels": 1,
            "classes": 1,
            "steps": 1,
            "glimpse": 1,
            "features": 1,
            "width": 1,
            "context": 1,
        },
    ),
    excused={
        "batch_statistics_are_the_batch_s": "in training the locations are drawn at random, and "
        "the output is a record of them: promises of its own hold both",
    },
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 1, "layers": 1, "product": False},
        {"channels": 3, "steps": 2, "context": 5},
        {"channels": 1, "glimpse": 3, "scales": 3},
        ARGUMENTS,
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 1, "scales": 0}, "scales=0 must be at least 1"),
        ({"channels": 1, "layers": 3}, r"layers=3 must be 1 \(RAM\) or 2"),
        ({"channels": 1, "steps": 1}, "steps=1 leaves nothing to decide"),
        ({"channels": 1, "context": -1}, "context=-1"),
        ({"channels": 1, "context": 4, "layers": 1}, "context=4 needs layers=2"),
        ({"channels": 1, "std": 0.0}, "std=0.0 must be positive"),
    ),
)

# ---------------------------------------------------------------- the sensor


@settings(max_examples=20, deadline=None)
@given(
    h=st.integers(1, 9), w=st.integers(1, 9), size=st.integers(1, 4), scales=st.integers(1, 3),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_the_sensor_is_its_loops(h, w, size, scales, seed):
    x = example(seed, 2, 1, h, w)
    location = 2 * torch.rand(2, 2, dtype=torch.float64) - 1
    torch.testing.assert_close(
        read_glimpse(x, location, size, scales), read_glimpse_reference(x, location, size, scales)
    )


def test_windows_end_at_the_border():
    """At -1 and 1 the finest square is the corner itself, to the last pixel."""
    x = example(b=4, h=10, w=13)
    corners = torch.tensor([[-1, -1], [1, -1], [-1, 1], [1, 1]], dtype=torch.float64)
    seen = read_glimpse(x, corners, 4)[:, 0]
    for n, (rows, columns) in enumerate(
        ((slice(4), slice(4)), (slice(4), slice(9, 13)), (slice(6, 10), slice(4)),
         (slice(6, 10), slice(9, 13)))
    ):  # fmt: skip
        torch.testing.assert_close(seen[n], x[n, :, rows, columns])


def test_a_constant_image_is_constant_at_every_scale():
    x = torch.full((1, 1, 40, 40), 3.0)
    seen = read_glimpse(x, torch.tensor([[0.1, -0.2]]), 4, 3)
    torch.testing.assert_close(seen, torch.full((1, 3, 1, 4, 4), 3.0))


def test_a_coarse_square_is_a_mean_of_blocks():
    x = example(b=1, c=1, h=16, w=16)
    middle = torch.zeros(1, 2, dtype=torch.float64)
    seen = read_glimpse(x, middle, 4, 3)
    torch.testing.assert_close(seen[:, 1], F.avg_pool2d(x[:, :, 4:12, 4:12], 2))
    torch.testing.assert_close(seen[:, 2], F.avg_pool2d(x, 4))


def test_the_sensor_does_not_copy_the_image():
    x, location = torch.rand(4, 1, 500, 500), torch.zeros(4, 2)
    assert peak_bytes(lambda: read_glimpse(x, location, 8, 3)) < x.nbytes / 4


def test_half_precision_finds_the_pixel_in_a_large_image():
    x = torch.rand(1, 1, 8, 2048)
    location = torch.tensor([[0.7003, 0.0]])
    exact = read_glimpse(x, location, 8)
    half = read_glimpse(x.bfloat16(), location, 8)
    assert (window_centre(location[:, 0], 8, 2048) - 1737.8).abs() < 1
    torch.testing.assert_close(half.float(), exact, atol=0.05, rtol=0)


# ---------------------------------------------------------------- learning


def test_the_published_sizes_are_counted():
    """Facts sheet: RAM at 8 x 8 with its baseline has 209,677 parameters, 205,056 MACs a look."""
    net = RecurrentAttention(1, product=False, layers=1)
    whole = sum(p.numel() for m in (net, Baseline(256)) for p in m.parameters())
    assert whole == 209_677
    assert parameter_count(1, product=False, layers=1) + 257 == whole
    two, three = (
        count_macs(RecurrentAttention(1, product=False, layers=1, steps=t).eval(), x)
        for t, x in ((2, torch.rand(1, 1, 28, 28)), (3, torch.rand(1, 1, 100, 60)))
    )
    reading = 4 * 64
    assert three - two == 205_056 + reading + 2 * 256


def test_the_gradient_of_a_known_policy_and_its_variance():
    """Closed form of the chapter, (19): N(0.3, 0.5^2), reward -(l - 1)^2."""
    mean, std, target = 0.3, 0.5, 1.0
    gap = mean - target
    best = -(gap**2 + 3 * std**2)
    noise = torch.randn(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    reward, score = -((mean + std * noise - target) ** 2), noise / std
    for baseline, variance in ((0.0, 11.570), (-(gap**2 + std**2), 6.420), (best, 5.420)):
        a = -(gap**2 + baseline)
        exact = (a**2 - 6 * a * std**2 + 12 * gap**2 * std**2 + 15 * std**4) / std**2 - 4 * gap**2
        assert exact == pytest.approx(variance, abs=5e-4)
        sampled = (reward - baseline) * score
        assert float(sampled.mean()) == pytest.approx(-2 * gap, abs=0.03)
        assert float(sampled.var()) == pytest.approx(exact, rel=0.03)


def test_the_loss_is_the_sum_of_its_parts():
    _, seen, _ = in_training(RecurrentAttention, ARGUMENTS)
    y, guess = torch.arange(64) % 3, torch.linspace(0, 1, 128).view(64, 2).double()
    reward = seen.logits.softmax(1)[torch.arange(64), y]
    torch.testing.assert_close(expected_reward(seen.logits, y), reward)
    wanted = (
        F.cross_entropy(seen.logits, y)
        - 0.5 * ((reward[:, None] - guess) * seen.log_density).sum(1).mean()
        + ((guess - reward[:, None]) ** 2).mean()
        + 2 * F.relu(seen.means.abs() - 1).square().sum((1, 2)).mean()
    )
    got = hybrid_loss(seen, y, guess, policy_weight=0.5, fence_weight=2.0)
    torch.testing.assert_close(got, wanted)
    given_reward = hybrid_loss(seen, y, guess, reward=torch.zeros(64).double())
    assert not torch.allclose(given_reward, wanted)


def test_nobody_learns_from_anothers_signal():
    """For the policy the reward is a constant; the baseline learns from its regression alone."""
    module, seen, _ = in_training(RecurrentAttention, ARGUMENTS)
    baseline, y = Baseline(5).double(), torch.arange(64) % 3
    guess = baseline(seen.states)
    whole = gradient(hybrid_loss(seen, y, guess), baseline.guess.weight)
    alone = gradient(hybrid_loss(seen, y, guess, policy_weight=0.0), baseline.guess.weight)
    torch.testing.assert_close(whole, alone)
    assert whole.any()
    core = [gradient(hybrid_loss(seen, y, guess, policy_weight=w), module.lower.weight_ih)
            for w in (0.0, 1.0)]  # fmt: skip
    torch.testing.assert_close(*core)
    assert not expected_reward(seen.logits, y).requires_grad


def test_the_fence_pulls_back_what_no_sample_can():
    mean = torch.tensor([[[1.5, 0.2]]], requires_grad=True)
    seen = Glimpsed(torch.zeros(1, 2), mean.detach(), mean, mean.new_zeros(1, 1), mean.detach())
    y = torch.zeros(1, dtype=torch.long)
    (pull,) = torch.autograd.grad(hybrid_loss(seen, y), mean)
    torch.testing.assert_close(pull, torch.tensor([[[1.0, 0.0]]]))


def test_a_fresh_policy_looks_at_the_middle():
    locations = RecurrentAttention(1, steps=4).eval().g(torch.rand(3, 1, 30, 30))
    assert not locations.any()


def test_training_returns_what_the_loss_needs():
    net = RecurrentAttention(1, steps=3)
    seen, locations = net(torch.rand(2, 1, 16, 16), need_weights=True)
    assert isinstance(seen, Glimpsed)
    assert torch.equal(seen.locations, locations)


def test_it_runs_in_half_precision():
    net = RecurrentAttention(1, steps=3, dtype=torch.bfloat16).eval()
    scores, locations = net(torch.rand(2, 1, 16, 16).bfloat16(), need_weights=True)
    assert scores.dtype == torch.bfloat16
    assert locations.dtype == torch.float32
