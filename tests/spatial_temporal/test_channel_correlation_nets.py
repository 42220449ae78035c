"""What the networks of STC's experiments can hear, before any training, and by hand."""

from __future__ import annotations

import pytest
import torch

from attncourse.experiments.spatial_temporal.channel_correlation import IN_STEP, RISING
from attncourse.experiments.spatial_temporal.channel_correlation.nets import ClipNet, mixed, vector
from attncourse.tasks.digit_courses import DigitCourses
from tests.contract.specimen import opened

#: Networks that give a clip and its reverse one answer, whatever their weights: equation (5).
DEAF = {
    "no mask", "without time", "kernels on a ring", "units over channels", "no mask, apart",
}  # fmt: skip


def net(name, experiment=RISING):
    torch.manual_seed(0)
    return opened(experiment.variant(name).build().double()).eval()


def clips(asks="rising", size=6):
    return DigitCourses(asks, test_size=size).test_cases()


@pytest.mark.parametrize("name", [v.name for v in RISING.variants])
@torch.no_grad()
def test_who_hears_that_a_clip_runs_backwards(name):
    x = clips()[0].double()
    model = net(name)
    apart = (model(x) - model(x.flip(2))).abs().max()
    assert (apart < 1e-9) == (name in DEAF), apart


@pytest.mark.parametrize("name", [v.name for v in IN_STEP.variants])
@torch.no_grad()
def test_who_hears_the_order_of_flickering_frames(name):
    x = clips("in step")[0].double()
    model = net(name, IN_STEP)
    order = torch.tensor([3, 0, 6, 1, 7, 2, 5, 4])
    apart = (model(x) - model(x[:, :, order])).abs().max()
    assert (apart < 1e-9) == (name in DEAF), apart


def chosen_right(model, asks, size=400):
    """How often a gate opens the channel that counts wider than the other digit's."""
    x, _, wanted = clips(asks, size)
    gates = model.block.g(x)[:, :2]
    rows = torch.arange(size)
    return (gates[rows, wanted] > gates[rows, 1 - wanted]).double().mean().item()


def pass_through(excite, compare):
    """Set both layers to gates of +-5 times what ``compare`` makes of the squeezed numbers."""
    with torch.no_grad():
        for layer in (excite[0], excite[2]):
            layer.weight.zero_(), layer.bias.zero_()
        excite[0].weight[:2, :] = torch.stack([compare, -compare])
        excite[2].weight[0, :2] = torch.tensor([5.0, -5.0])
        excite[2].weight[1, :2] = torch.tensor([-5.0, 5.0])


@torch.no_grad()
def test_a_ramp_over_time_is_enough_for_rising():
    model = ClipNet(vector, 2)
    model.block.squeeze.weight.copy_(torch.arange(8.0) - 3.5)
    pass_through(model.block.excite, torch.tensor([1.0, -1.0]))
    assert chosen_right(model, "rising") > 0.99


@torch.no_grad()
def test_two_units_over_channels_are_enough_for_in_step():
    """The light less a digit, where it is positive: small for the digit that keeps step."""
    model = ClipNet(mixed, 3)
    mix = model.block.squeeze.mix
    mix.weight.zero_(), mix.bias.zero_()
    mix.weight[0, :, 0] = torch.tensor([-1.0, 0.0, 1.0])
    mix.weight[1, :, 0] = torch.tensor([0.0, -1.0, 1.0])
    compare = torch.zeros(8)
    compare[:2] = torch.tensor([-1.0, 1.0])
    pass_through(model.block.excite, compare)
    assert chosen_right(model, "in step") > 0.99


def test_no_rival_is_larger_than_the_mechanism():
    for experiment, most in ((RISING, 296), (IN_STEP, 666)):
        sizes = {
            v.name: sum(p.numel() for p in v.build().block.parameters())
            for v in experiment.variants
        }
        assert sizes.pop("STC, biases", 318) == 318
        assert sizes.pop("two with time", 576) == 576
        assert sizes["STC"] == most == max(sizes.values())
