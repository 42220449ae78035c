"""The numerical facts of the chapter on what attention is, in double precision."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from attncourse.exercises.foundations.what_is_attention import score_spread
from attncourse.exercises.foundations.what_is_attention.attend import ATTEND
from attncourse.exercises.foundations.what_is_attention.probe import BLOCKS, PROBE
from attncourse.exercises.register import exercises_of, quiz_of
from attncourse.exercises.verdict import Status

CHAPTER = "foundations/what_is_attention"
KEYS = 196


def randn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def entropy(p):
    return -torch.special.xlogy(p, p).sum(dim=-1)


def jacobian(p):
    return p.diag() - torch.outer(p, p)


# ---------------------------------------------------------------- softmax


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 12), seed=st.integers(0, 10_000), tau=st.floats(0.3, 10.0))
def test_jacobian_of_the_softmax(n, seed, tau):
    s = randn(n, seed=seed)
    p = (s / tau).softmax(dim=0)
    found = torch.autograd.functional.jacobian(lambda s: (s / tau).softmax(dim=0), s)
    torch.testing.assert_close(found, jacobian(p) / tau, atol=1e-12, rtol=0)


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 12), seed=st.integers(0, 10_000))
def test_four_facts_of_the_jacobian(n, seed):
    p, v = randn(n, seed=seed).softmax(dim=0), randn(n, seed=seed + 1)
    J = jacobian(p)
    assert torch.equal(J, J.T)
    assert (J.sum(dim=1).abs() < 1e-12).all()
    variance = p @ v.square() - (p @ v) ** 2
    torch.testing.assert_close(v @ J @ v, variance)
    assert torch.linalg.matrix_rank(J, rtol=1e-10) == n - 1
    torch.testing.assert_close(J.trace(), 1 - p.square().sum())
    assert J.trace() <= 1 - 1 / n + 1e-12


@settings(deadline=None, max_examples=25)
@given(n=st.integers(2, 12), seed=st.integers(0, 10_000), spread=st.floats(0.0, 20.0))
def test_what_passes_through_the_jacobian(n, seed, spread):
    """Equation (10), and the largest eigenvalue: at most that of two equal weights."""
    p = (spread * randn(n, seed=seed)).softmax(dim=0)
    J = jacobian(p)
    squares = p.square().sum()
    told = squares - 2 * p.pow(3).sum() + squares.square()
    torch.testing.assert_close(J.square().sum(), told, atol=1e-12, rtol=1e-9)
    assert torch.linalg.eigvalsh(J)[-1] <= 0.5 + 1e-12


def test_the_trace_does_not_tell_how_much_passes():
    """Uniform weights have the larger trace, two that share pass seven times as much."""
    uniform = jacobian(torch.full((KEYS,), 1 / KEYS, dtype=torch.float64))
    two = torch.zeros(KEYS, dtype=torch.float64)
    two[:2] = 0.5
    two = jacobian(two)
    assert uniform.trace() > 1.9 * two.trace()
    assert two.norm() / uniform.norm() == pytest.approx(7.0, abs=0.1)
    eigenvalues = torch.linalg.eigvalsh(uniform)[1:]
    torch.testing.assert_close(eigenvalues, torch.full_like(eigenvalues, 1 / KEYS))
    assert torch.linalg.eigvalsh(two)[-1].item() == pytest.approx(0.5)


def test_a_shift_of_all_scores_changes_nothing():
    s = randn(4, 7)
    shifted = (s + randn(4, 1, seed=1)).softmax(dim=1)
    torch.testing.assert_close(shifted, s.softmax(dim=1))


def test_limits_of_the_temperature():
    s = randn(9)
    hard = F.one_hot(s.argmax(), 9).double()
    torch.testing.assert_close((s / 1e-4).softmax(dim=0), hard)
    torch.testing.assert_close((s / 1e9).softmax(dim=0), torch.full_like(s, 1 / 9))
    tied = torch.tensor([1.0, 3.0, 3.0], dtype=torch.float64)
    wanted = torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64)
    torch.testing.assert_close((tied / 1e-4).softmax(dim=0), wanted)


def test_entropy_falls_with_the_temperature_by_the_variance():
    s = randn(8)
    beta = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    p = (beta * s).softmax(dim=0)
    (slope,) = torch.autograd.grad(entropy(p), beta)
    variance = p @ s.square() - (p @ s) ** 2
    torch.testing.assert_close(slope, -beta * variance)
    assert slope < 0


def test_sigmoid_is_a_softmax_of_two():
    s = randn(20)
    two = torch.stack([s, torch.zeros_like(s)]).softmax(dim=0)
    torch.testing.assert_close(two[0], torch.sigmoid(s))


# ---------------------------------------------------------------- the root of d


@pytest.mark.parametrize("d", [1, 16, 64, 256])
def test_variance_of_a_dot_product_is_its_length(d):
    score = (randn(20_000, d) * randn(20_000, d, seed=1)).sum(dim=1)
    assert score.var().item() == pytest.approx(d, rel=0.05)
    assert (score / d**0.5).var().item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize(
    ("variance", "largest", "nats", "trace"),
    [(1, 0.05, 4.79, 0.99), (4, 0.21, 3.54, 0.91), (16, 0.52, 1.70, 0.63), (64, 0.76, 0.70, 0.33)],
)
def test_what_the_spread_of_scores_does_to_the_weights(variance, largest, nats, trace):
    """The course's own measurement of 20,000 rows, recorded in its facts."""
    p = (variance**0.5 * randn(5_000, KEYS)).softmax(dim=1)
    assert p.amax(dim=1).mean().item() == pytest.approx(largest, abs=0.015)
    assert entropy(p).mean().item() == pytest.approx(nats, abs=0.04)
    assert (1 - p.square().sum(dim=1)).mean().item() == pytest.approx(trace, abs=0.015)
    assert math.log(KEYS) == pytest.approx(5.28, abs=0.005)


def gradients(d, gamma):
    """Of 600 queries: lengths of the gradients at the scores and at the query, by autograd."""
    q, k = randn(600, d).requires_grad_(), randn(KEYS, d, seed=1)
    s = gamma * q @ k.T
    s.retain_grad()
    s.softmax(dim=1).backward(randn(600, KEYS, seed=2))
    return s.grad.norm(dim=1), q.grad.norm(dim=1)


def top_tenth(size):
    squares = size.square().sort(descending=True).values
    return squares[: len(size) // 10].sum() / squares.sum()


def test_what_the_root_of_d_does_to_gradients():
    """More for the median query up to 256, less from 1,024 on; uneven at every length."""
    ratio, at_scores, uneven = {}, {}, []
    for d in (16, 64, 256, 1024, 4096):
        raw, scaled = gradients(d, 1.0), gradients(d, d**-0.5)
        ratio[d] = (raw[1].median() / scaled[1].median()).item()
        at_scores[d] = (raw[0].median() / scaled[0].median()).item()
        uneven.append((top_tenth(raw[1]) - top_tenth(scaled[1])).item())
        assert raw[1].mean() > 5 * scaled[1].mean()
    assert ratio[64] == pytest.approx(10, abs=2)
    assert min(ratio[d] for d in (16, 64, 256)) > 2
    assert max(ratio[d] for d in (1024, 4096)) < 0.5
    assert 1 < at_scores[64] < 1.6
    assert at_scores[256] < 0.5
    assert uneven == sorted(uneven)
    assert uneven[0] > 0.05


def test_gradients_of_a_matrix_of_queries_grow_with_the_length():
    """The chapter's Deeper: W_Q of a layer, without the division over with it."""
    grown = []
    for d in (16, 64, 256):
        found = []
        for gamma in (1, d**-0.5):
            x, (wq, wk, wv) = randn(KEYS, d), randn(3, d, d, seed=1) / d**0.5
            wq.requires_grad_()
            y = (gamma * (x @ wq) @ (x @ wk).T).softmax(dim=1) @ (x @ wv)
            y.backward(randn(KEYS, d, seed=2))
            found.append(wq.grad.norm().item())
        grown.append(found[0] / found[1])
    assert grown == pytest.approx([4.5, 13, 26], rel=0.3)


def test_scaled_scores_of_correlated_pairs_grow_again():
    for d in (16, 256):
        q = randn(20_000, d)
        k = 0.5 * q + 0.75**0.5 * randn(20_000, d, seed=1)
        assert k.var().item() == pytest.approx(1, rel=0.01)
        scaled = (q * k).sum(dim=1) / d**0.5
        assert scaled.mean().item() == pytest.approx(0.5 * d**0.5, rel=0.02)


def test_the_spread_that_the_exercise_asks_for():
    generator = torch.Generator().manual_seed(0)
    q, k = 2 * torch.rand(2, 100_000, 36, generator=generator) - 1
    assert (q * k).sum(dim=1).std().item() == pytest.approx(score_spread(), rel=0.01)


# ---------------------------------------------------------------- what g gives


def test_rank_of_masks():
    gate, mask = torch.sigmoid(randn(5, 1, 1)), torch.sigmoid(randn(1, 6, 7, seed=1))
    rank = lambda g: int(torch.linalg.matrix_rank(g.flatten(1), rtol=1e-10))  # noqa: E731
    assert rank(gate * mask) == 1
    assert rank(gate + mask) == 2
    assert rank(torch.sigmoid(randn(5, 6, 7))) == 5


def test_a_mask_depends_on_the_order_of_channels():
    """The chapter's mask of red minus blue: exchanged, it becomes its own negative picture."""
    x = torch.rand(3, 5, 6, dtype=torch.float64)

    def where(x):
        red = x[0] - x[2]
        return torch.sigmoid(4 * (red - red.mean()) / red.std())

    torch.testing.assert_close(where(x[[2, 1, 0]]), 1 - where(x))
    assert (where(x[[2, 1, 0]]) - where(x)).abs().max() > 0.1


def test_weights_that_are_summed_stay_within_the_inputs():
    v, p = randn(10, 4), randn(6, 10, seed=1).softmax(dim=1)
    y = p @ v
    assert (y >= v.amin(dim=0)).all()
    assert (y <= v.amax(dim=0)).all()


def test_product_of_normalised_steps_is_normalised():
    frames = randn(4).softmax(dim=0)
    within = randn(4, 30, seed=1).softmax(dim=1)
    joint = frames[:, None] * within
    torch.testing.assert_close(joint.sum(dim=1), frames)
    torch.testing.assert_close(joint.sum(), torch.tensor(1.0, dtype=torch.float64))


def test_attention_does_not_know_the_order():
    x, (wq, wk, wv) = randn(9, 4), randn(3, 4, 4, seed=1)
    attend = lambda x: ((x @ wq) @ (x @ wk).T / 2).softmax(dim=1) @ (x @ wv)  # noqa: E731
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(attend(x[order]), attend(x)[order])
    q, keys, values = randn(1, 4, seed=3), x @ wk, x @ wv
    one = (q @ keys.T).softmax(dim=1) @ values
    torch.testing.assert_close((q @ keys[order].T).softmax(dim=1) @ values[order], one)


def test_a_row_without_keys():
    """NaN forward; with an added mask NaN backward as well, even where it is replaced."""
    allowed = torch.tensor([[True, True], [False, False]])
    added = torch.zeros(2, 2).masked_fill(~allowed, -torch.inf)
    for mask, poisoned in (
        (lambda s: s.masked_fill(~allowed, -torch.inf), False),
        (lambda s: s + added, True),
    ):
        s = torch.zeros(2, 2, requires_grad=True)
        weights = mask(s).softmax(dim=1)
        assert weights[1].isnan().all()
        torch.where(allowed, weights, 0.0).square().sum().backward()
        assert bool(s.grad.isnan().any()) is poisoned


# ---------------------------------------------------------------- exercises


def test_blocks_are_what_the_answer_says():
    """Probed as the exercise asks, on several clips of other shapes."""
    axes = {"what": (1,), "where": (2, 3), "when": (0,)}
    for seed, shape in enumerate([(6, 4, 7, 5), (2, 3, 8, 8), (5, 16, 3, 4)]):
        first, second = (torch.rand(shape, dtype=torch.float64) + 0.5 for _ in range(2))
        for letter, block in BLOCKS.items():
            gate, other = block(first) / first, block(second) / second
            looks = not torch.allclose(gate, other, atol=1e-4)
            told = {a for a, d in axes.items() if looks and gate.std(dim=d).max() > 1e-4}
            assert told == PROBE.truth[letter], (letter, seed)


def test_exercises_of_the_chapter():
    names = [exercise.id for exercise in exercises_of(CHAPTER)]
    assert names == [
        f"what_is_attention.{n}"
        for n in ("softmax", "score_spread", "softmax_backward", "attend", "probe")
    ]
    assert len(quiz_of(CHAPTER).questions) == 5


@pytest.mark.parametrize("exercise", exercises_of(CHAPTER), ids=lambda e: e.name)
def test_exercise_judges_as_it_should(exercise):
    for answer in exercise.stubs():
        assert exercise.check(answer, 1).status is Status.NOT_ATTEMPTED
    for answer in exercise.right_answers():
        assert exercise.check(answer, 1).status is Status.CORRECT
    for name, answer in exercise.wrong_answers():
        assert exercise.check(answer, 1).misconception == name


def test_the_mask_of_the_exercise_is_never_trivial():
    """Every query may attend somewhere and not everywhere, whichever way True is read."""
    for case in ATTEND.cases:
        for seed in range(20):
            mask = case.draw(torch.Generator().manual_seed(seed))["mask"]
            for axis in (-1, -2):
                assert mask.any(dim=axis).all()
                assert (~mask).any(dim=axis).all()
