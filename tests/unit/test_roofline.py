"""Work that is counted operator by operator, and the least time that it takes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.measure import count_products
from attncourse.roofline import (
    Operator,
    Speeds,
    Work,
    arithmetic_seconds,
    operators_of,
    seconds_by_operator,
    speeds_of,
    work_of,
)

SPEEDS = Speeds(rate=100.0, bandwidth=10.0, call=0.5, of_products=50.0)


def test_the_greater_of_both_times_counts():
    assert SPEEDS.balance == 10
    light, heavy = Work(products=50, bytes=10), Work(products=2000, bytes=10)
    assert (light.bound(SPEEDS), light.least_seconds(SPEEDS)) == ("memory", 1.0)
    assert (heavy.bound(SPEEDS), heavy.least_seconds(SPEEDS)) == ("arithmetic", 20.0)
    assert heavy.intensity == 200


def test_operators_have_the_rate_of_their_kind_and_a_call():
    work = Work(products=2000, bytes=10, calls=1)
    assert seconds_by_operator([Operator("mm", work)], SPEEDS) == 2000 / 50 + 0.5
    assert seconds_by_operator([Operator("convolution", work)], SPEEDS) == 2000 / 100 + 0.5
    twice = [Operator("mm", work), Operator("convolution", work)]
    assert seconds_by_operator(twice, SPEEDS) == 60 + 1
    assert arithmetic_seconds(twice, SPEEDS) == 60
    assert arithmetic_seconds(twice, Speeds(rate=100.0, bandwidth=10.0)) == 40


def test_a_product_reads_two_and_writes_one():
    a, b = torch.randn(3, 4), torch.randn(4, 5)
    assert work_of(lambda: a @ b) == Work(60, 4 * (12 + 20 + 15), 1)
    assert [o.name for o in operators_of(lambda: (a @ b).relu())] == ["mm", "relu"]


def test_views_move_nothing_and_copies_do():
    x = torch.randn(4, 6)
    assert work_of(lambda: x.view(6, 4).T[1:]).calls == 0
    assert work_of(lambda: torch.empty(100)).calls == 0
    assert work_of(lambda: x.T.contiguous()).bytes == 2 * 4 * 24


def test_an_expanded_axis_is_read_once():
    x, gate = torch.randn(8, 100), torch.randn(8, 1)
    assert work_of(lambda: x * gate.expand(8, 100)).bytes == 4 * (800 + 8 + 800)
    assert work_of(lambda: x * gate).bytes == 4 * (800 + 8 + 800)


def test_in_place_is_work_too():
    x = torch.randn(10)
    assert work_of(lambda: x.mul_(2)).bytes >= 4 * 10


def test_the_way_back_is_seen():
    x, w = torch.randn(3, 4, requires_grad=True), torch.randn(4, 5, requires_grad=True)
    step = work_of(lambda: torch.autograd.grad((x @ w).sum(), (x, w)))
    assert step.products == 3 * 60


def test_fused_attention_takes_two_products_there_and_five_back():
    q, k, v = (torch.randn(1, 2, 9, 4, requires_grad=True) for _ in range(3))
    pairs = 2 * 9 * 9 * 4
    assert work_of(lambda: F.scaled_dot_product_attention(q, k, v)).products == 2 * pairs

    def step():
        y = F.scaled_dot_product_attention(q, k, v)
        return torch.autograd.grad(y.sum(), (q, k, v))

    assert work_of(step).products == 7 * pairs


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_the_way_back_through_a_convolution_is_two_forward_passes(kind, groups):
    """Torch's own formula has too many for the weights, by the number of groups."""
    layer = kind(8, 16, 3, groups=groups, stride=2)
    x = torch.randn(2, 8, 9, 7, requires_grad=True)
    y = layer(x)
    ahead = count_products(lambda: layer(x))
    direction = torch.ones_like(y)
    for wanted in ([x], [layer.weight], [x, layer.weight]):
        back = count_products(
            lambda w=wanted: torch.autograd.grad(y, w, direction, retain_graph=True)
        )
        assert back == len(wanted) * ahead


def test_the_speeds_are_of_this_machine():
    found = speeds_of()
    assert found.rate >= found.of_products > 1e8
    assert found.bandwidth > 1e8
    assert 1e-8 < found.call < 1e-3
