"""What the networks of TAM's experiments can see, before any training."""

from __future__ import annotations

import pytest
import torch

from attncourse.experiments.temporal.temporal_adaptive import RUN_BACKWARDS
from attncourse.experiments.temporal.temporal_adaptive.nets import (
    ClipNet,
    FixedKernels,
    Kernels,
    MirroredKernels,
    ShiftAndGate,
    nothing,
)
from attncourse.tasks.run_backwards import films, kinds
from tests.contract.specimen import opened

BLIND = ("frames apart", "gates")


def clips():
    """Every kind of clip, with one first place and one light, without noise."""
    start = torch.tensor([[1, 4]]).expand(8, 2)
    return films(torch.tensor(kinds()), start, torch.full((8,), 0.1)).double()


def net(name):
    torch.manual_seed(0)
    return opened(RUN_BACKWARDS.variant(name).build().double()).eval()


@pytest.mark.parametrize("name", [v.name for v in RUN_BACKWARDS.variants])
@torch.no_grad()
def test_who_sees_the_motion(name):
    """Clips with the same light and four motions: only frames apart and gates see no difference."""
    forwards = net(name)(clips()[::2])
    apart = (forwards - forwards[:1]).abs().max()
    assert (apart < 1e-9) == (name in BLIND), apart


@torch.no_grad()
def test_frames_apart_do_not_even_see_the_order():
    """A clip and its reverse are one set of frames."""
    model, x = net("frames apart"), clips()
    torch.testing.assert_close(model(x), model(x.flip(2)))
    gates = net("gates")
    assert (gates(x) - gates(x.flip(2))).abs().max() > 1e-6


class Following(Kernels):
    """Kernels that mirror exactly when the light does, by hand."""

    def kernels(self, x):
        rises = x.mean(dim=(1, 3, 4)) @ (torch.arange(x.shape[2]) - 2.5).double()
        ways = torch.tensor([0.7, 0.2, 0.1]).double()
        taps = torch.where(rises[:, None] > 0, ways, ways.flip(0))
        return taps[:, None].expand(-1, x.shape[1], -1)


@torch.no_grad()
def test_kernels_that_follow_the_film_give_it_and_its_reverse_one_answer():
    """Equation (8), through a whole network: so do mirrored fixed kernels, and free ones do not."""
    x = clips()
    for between, same in (
        (Following, True), (MirroredKernels, True), (FixedKernels, False), (ShiftAndGate, False),
    ):  # fmt: skip
        torch.manual_seed(1)
        model = opened(ClipNet(between).double()).eval()
        # light that falls must read as light that falls behind the first layers, too
        if between is Following:
            model.before = torch.nn.Sequential(model.before[0][0], torch.nn.Identity())
            model.before[0].weight.abs_()
        apart = (model(x) - model(x.flip(2))).abs().max()
        assert (apart < 1e-9) == same, (between, apart)


def test_parameters_are_as_the_text_compares_them():
    """All but the wide one lie within 1.7 times the fixed kernels."""
    sizes = {v.name: sum(p.numel() for p in v.build().parameters()) for v in RUN_BACKWARDS.variants}
    assert sizes["fixed kernels"] == sizes["fixed shares"] == 2_860
    assert sizes["fixed kernels from one third"] == 2_860
    assert sizes["mirrored fixed kernels"] == 2_848 < sizes["kernels"]
    assert sizes["kernels"] == sizes["kernels, no softmax"]
    assert sizes["two layers, wide"] > 4.5 * sizes["TAM"]
    others = set(sizes) - {"two layers, wide"}
    assert max(sizes[name] for name in others) < 1.7 * sizes["fixed kernels"]
    assert isinstance(nothing(3, 4), torch.nn.Identity)
