"""What both recurrent networks with glimpses promise, and what their tests are made of."""

from __future__ import annotations

import math

import torch

from attncourse.measure import count_macs, peak_bytes
from attncourse.spatial.recurrent_attention.reference import recurrent_attention_reference
from tests.contract.specimen import built

ARGUMENTS = {
    "channels": 2, "classes": 3, "steps": 3, "glimpse": 2, "scales": 2, "features": 4, "width": 5,
}  # fmt: skip


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


def reference(module, x):
    """The loops, with the module's own parameters."""
    return recurrent_attention_reference(
        x,
        dict(module.named_parameters()),
        steps=module.steps,
        glimpse=module.glimpse,
        scales=module.scales,
        product=module.product,
        context=module.context,
    )


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


def costs_the_same_for_every_image(make):
    """Neither multiply-adds nor memory know how large the image is."""
    module = make(1, steps=3, scales=2, features=16, width=16).eval()
    small, large = torch.rand(2, 1, 20, 30), torch.rand(2, 1, 200, 150)
    with torch.no_grad():
        assert count_macs(module, small) == count_macs(module, large)
        assert peak_bytes(lambda: module(small)) == peak_bytes(lambda: module(large))
