"""RAM's sensor against its loops, and what trains where it looks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from attncourse.measure import count_macs, peak_bytes
from attncourse.spatial import DeepRecurrentAttention, RecurrentAttention
from attncourse.spatial.recurrent_attention import parameter_count
from attncourse.spatial.recurrent_attention.policy import (
    Baseline,
    Glimpsed,
    expected_reward,
    hybrid_loss,
)
from attncourse.spatial.recurrent_attention.sensor import (
    read_glimpse,
    read_glimpse_reference,
    window_centre,
)
from tests.spatial.glimpses import ARGUMENTS, example, gradient, in_training

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

BOTH = pytest.mark.parametrize("kind", [RecurrentAttention, DeepRecurrentAttention])


def test_the_published_sizes_are_counted():
    """Facts sheet: RAM at 8 x 8 with its baseline has 209,677 parameters, 205,056 MACs a look."""
    net = RecurrentAttention(1)
    whole = sum(p.numel() for m in (net, Baseline(256)) for p in m.parameters())
    assert whole == 209_677
    assert parameter_count(1) + 257 == whole
    two, three = (
        count_macs(RecurrentAttention(1, steps=t).eval(), x)
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


@BOTH
def test_the_loss_is_the_sum_of_its_parts(kind):
    _, seen, _ = in_training(kind, ARGUMENTS)
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


@BOTH
def test_nobody_learns_from_anothers_signal(kind):
    """For the policy the reward is a constant; the baseline learns from its regression alone."""
    module, seen, _ = in_training(kind, ARGUMENTS)
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


@BOTH
def test_a_fresh_policy_looks_at_the_middle(kind):
    locations = kind(1, steps=4).eval().g(torch.rand(3, 1, 30, 30))
    assert not locations.any()


@BOTH
def test_training_returns_what_the_loss_needs(kind):
    net = kind(1, steps=3)
    seen, locations = net(torch.rand(2, 1, 16, 16), need_weights=True)
    assert isinstance(seen, Glimpsed)
    assert torch.equal(seen.locations, locations)


@BOTH
def test_it_runs_in_half_precision(kind):
    net = kind(1, steps=3, dtype=torch.bfloat16).eval()
    scores, locations = net(torch.rand(2, 1, 16, 16).bfloat16(), need_weights=True)
    assert scores.dtype == torch.bfloat16
    assert locations.dtype == torch.float32
