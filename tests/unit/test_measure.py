"""Counting, weighing and timing."""

from __future__ import annotations

import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.measure import (
    Timing,
    _summary,
    compare,
    count_macs,
    count_products,
    one_thread,
    peak_bytes,
)


def test_macs_of_known_layers():
    x = torch.randn(2, 3, 8, 8)
    assert count_macs(nn.Conv2d(3, 5, 3, padding=1), x) == 2 * 64 * 5 * 3 * 9
    assert count_macs(nn.Linear(8, 7), x) == 2 * 3 * 8 * 8 * 7
    assert count_macs(lambda x: x.mean(dim=(2, 3)), x) == x.numel()
    assert count_macs(lambda x: x * x, x) == x.numel()
    assert count_macs(lambda x: torch.sigmoid(x) + 1, x) == 0
    assert count_macs(lambda x: 2 * x, x) == 0, "a constant factor is no product of tensors"


def test_normalisation_is_not_counted():
    """Whatever its kind and mode: as the field does, and as the module says."""
    x = torch.randn(2, 4, 6, 5)
    for norm in (nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.LayerNorm([6, 5]), nn.InstanceNorm2d(4)):
        for mode in (norm.train(), norm.eval()):
            assert count_macs(mode, x) == 0, f"{norm} in mode {mode.training}"
    convolution = nn.Conv2d(4, 3, 1)
    both = nn.Sequential(convolution, nn.BatchNorm2d(3))
    assert count_macs(both, x) == count_macs(convolution, x)


def test_the_spread_is_half_the_distance_of_the_quartiles():
    found = _summary([5.0, 1.0, 2.0, 4.0, 3.0, 100.0, 0.0])
    assert found == Timing(seconds=3.0, spread=(4.5 - 1.5) / 2, repeats=7)
    assert _summary([2.0, 2.0, 2.0]).spread == 0


def test_fused_attention_does_not_hide_its_products():
    q = torch.randn(1, 2, 16, 4)
    counted = count_macs(lambda q: F.scaled_dot_product_attention(q, q, q), q)
    assert counted >= 2 * 2 * 16 * 16 * 4


def test_peak_is_the_largest_sum_of_live_tensors():
    def chain(steps):
        x = torch.ones(1000)  # 4000 bytes
        for _ in range(steps):
            x = x + 1
        return x

    assert peak_bytes(lambda: chain(1)) == 8000
    assert peak_bytes(lambda: chain(50)) == 8000, "what was freed does not count"
    kept = []
    assert peak_bytes(lambda: kept.extend(torch.ones(1000) for _ in range(3))) == 12_000


def test_views_and_outside_tensors_are_not_counted_twice():
    x = torch.ones(1000)
    assert peak_bytes(lambda: x.view(10, 100)) == 0, "it was there before"
    assert peak_bytes(lambda: x.view(10, 100) + 1) == x.nbytes
    made = peak_bytes(lambda: [torch.ones(500).view(5, 100) for _ in range(1)])
    assert made == 2000


@pytest.mark.parametrize("pool", [lambda x: x.mean((2, 3)), lambda x: x.flatten(2).mean(-1)])
def test_a_view_of_an_input_is_no_copy_on_the_way_back_either(pool):
    """As the system counts it, too: four copies of x at the peak of the step."""
    x = torch.randn(4, 64, 28, 28, requires_grad=True)

    def step():
        x.grad = None
        (pool(x).sigmoid()[:, :, None, None] * x).square().sum().backward()

    assert peak_bytes(step) / x.nbytes == pytest.approx(4.0, abs=0.01)


def test_quadratic_memory_is_seen():
    q = torch.randn(1, 1, 512, 16)

    def explicit():
        return (q @ q.transpose(-1, -2)).softmax(-1) @ q

    assert peak_bytes(explicit) >= 512 * 512 * 4
    assert peak_bytes(lambda: F.scaled_dot_product_attention(q, q, q)) < 512 * 512


def test_compare_ranks_by_work():
    small, large = torch.randn(64, 64), torch.randn(512, 512)
    timed = compare({"small": lambda: small @ small, "large": lambda: large @ large}, repeats=5)
    assert timed["large"] / timed["small"] > 10
    assert timed["small"].repeats == 5


def test_compare_does_not_count_sleep_on_the_cpu():
    timed = compare(
        {
            "work": lambda: sum(range(20_000)),
            "sleep": lambda: (sum(range(20_000)), time.sleep(0.002)),
        },
        repeats=3,
    )
    assert timed["sleep"] / timed["work"] < 3


def test_compare_refuses_what_has_no_median():
    with pytest.raises(ValueError, match="candidates is empty"):
        compare({})
    with pytest.raises(ValueError, match="repeats=2 is too few"):
        compare({"a": lambda: None}, repeats=2)
    with pytest.raises(ValueError, match="warmup=0"):
        compare({"a": lambda: None}, warmup=0)


def test_one_thread_puts_the_number_back():
    before = torch.get_num_threads()

    def fails_inside():
        with one_thread():
            assert torch.get_num_threads() == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_inside()
    assert torch.get_num_threads() == before


def test_ratio_of_timings():
    assert Timing(3.0, 0.1, 5) / Timing(1.5, 0.1, 5) == 2.0


def test_products_are_counted_there_and_back():
    x = torch.randn(4, 3, requires_grad=True)
    w = torch.randn(3, 5, requires_grad=True)
    assert count_products(lambda: x @ w) == 4 * 3 * 5
    assert count_products(lambda: torch.autograd.grad((x @ w).sum(), x)) == 2 * 4 * 3 * 5
    assert count_products(lambda: torch.autograd.grad((x @ w).sum(), (x, w))) == 3 * 4 * 3 * 5
    assert count_products(lambda: (x * 2).relu().mean()) == 0, "no product of matrices"


def test_what_a_fused_kernel_computes_twice_counts_once():
    """Attention: two products there, four back; the fused kernel takes five on the way back."""
    q = torch.randn(1, 1, 16, 8, requires_grad=True)

    def step():
        y = torch.nn.functional.scaled_dot_product_attention(q, q, q)
        return torch.autograd.grad(y.sum(), q)

    assert count_products(step) == 6 * 16 * 16 * 8


def test_the_products_of_an_lstm_are_counted():
    lstm, x = torch.nn.LSTM(3, 5, batch_first=True), torch.randn(2, 7, 3, requires_grad=True)
    there = 2 * 7 * 4 * 5 * (3 + 5)
    assert count_products(lambda: lstm(x)[0]) == there
    assert count_products(lambda: torch.autograd.grad(lstm(x)[0].sum(), x)) == 3 * there
