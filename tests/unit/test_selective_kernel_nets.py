"""The controls of the experiments on Highway and SKNet are the controls that they claim to be."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from attncourse.branch import Highway
from attncourse.exercises.branch.selective_kernel import GATE_BIAS, SELECTION_COUNT
from attncourse.experiments.branch.selective_kernel.nets import (
    ConstantGate,
    DeepNet,
    EvenMixture,
    Shuffled,
    highway,
    preference,
    rise,
    selective,
)
from attncourse.tasks import digits
from attncourse.tasks.object_scale import ObjectScale


def test_a_constant_gate_is_a_highway_layer_that_does_not_look():
    x, gate, layer = torch.randn(4, 6), ConstantGate(6, -1.0), Highway(6, gate_bias=-1.0)
    with torch.no_grad():
        layer.transform.load_state_dict(gate.transform.state_dict())
        layer.gate.weight.zero_()
    torch.testing.assert_close(gate(x), layer(x))
    assert sum(p.numel() for p in gate.parameters()) == 6 * 6 + 6


def test_deep_nets_standardise_the_digits():
    train = digits()[0]
    seen = []
    net = DeepNet(lambda width: torch.nn.Identity(), 1)
    net.stem.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    assert net(train).shape == (1400, 10)
    assert abs(float(seen[0].mean())) < 1e-3
    assert abs(float(seen[0].std()) - 1) < 1e-3
    assert len(highway(-4.0).layers) == 50


def test_an_even_mixture_averages_and_has_nothing_to_select_with():
    block = EvenMixture(8, groups=2, min_hidden=4)
    x = torch.randn(1, 8, 5, 5)
    torch.testing.assert_close(block(x), torch.stack(block.branches(x)).mean(dim=0))
    assert sum(p.numel() for p in block.parameters()) == 2 * (9 * 8 * 8 // 2 + 2 * 8)


def test_shuffled_weights_are_those_of_another_image():
    torch.manual_seed(0)
    block = Shuffled(8, groups=2, min_hidden=4).eval()
    for p in (block.reduce.weight, block.scores.weight):
        torch.nn.init.normal_(p)
    x = torch.randn(3, 8, 5, 5)
    own = super(Shuffled, block).weigh(block.branches(x))
    torch.testing.assert_close(block.g(x)[1], own[0])
    assert not torch.allclose(block.g(x), own, atol=1e-3)


def test_the_rise_is_that_of_the_second_branch_from_small_to_large():
    torch.manual_seed(0)
    net = selective().eval()
    torch.nn.init.normal_(net.first.scores.weight)
    small, large = (net.attention(ObjectScale().enlarged(side)[0])[0] for side in (8, 20))
    gaps = [(a[:, 1] - a[:, 0]).mean(dim=1) for a in (small, large)]
    found = rise(net, torch.empty(0), torch.empty(0))
    torch.testing.assert_close(found, gaps[1] - gaps[0])
    assert found.abs().min() > 1e-9
    assert not rise(selective(EvenMixture).eval(), torch.empty(0), torch.empty(0)).any()
    assert preference(net, 14).shape == (400,)


def test_both_branches_of_a_net_get_a_gradient():
    net = selective()
    x, y = ObjectScale().train_batch(0, 0, 8)
    F.cross_entropy(net(x), y).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_numbers_asked_for_are_what_counting_says():
    assert SELECTION_COUNT.truth() == 1_021_120
    carried = (1 - torch.sigmoid(torch.tensor(GATE_BIAS.truth(), dtype=torch.float64))) ** 50
    assert math.isclose(float(carried), 0.5, rel_tol=1e-9)
    wrong = {name: round(value) for name, value in SELECTION_COUNT.wrong_answers()}
    assert wrong["a count that holds the branches"] > 1_021_120 > wrong["no normalisation"]
