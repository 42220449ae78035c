"""What only STC's block promises, and the mistakes that must be noticed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from attncourse.channel import SqueezeExcitation
from attncourse.measure import peak_bytes
from attncourse.spatial_temporal import ChannelCorrelation
from attncourse.spatial_temporal.channel_correlation import (
    CARD,
    channel_correlation_reference,
    hidden_widths,
    mask,
    parameter_count,
    profile,
    scale,
)
from tests.contract.specimen import Specimen, built, close, of_torch, outcomes_agree

ARGUMENTS = {"channels": 4, "frames": 3, "reduction": 2}
DOUBLE = torch.float64


def example(seed=0, b=2, c=4, t=3, h=3, w=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, t, h, w, dtype=DOUBLE, generator=generator)


# ---------------------------------------------------------------- promises


def gates_stay_open_and_differ(make):
    """Both branches give gates between 0 and 1, of their own, which differ from clip to clip."""
    p, q = built(make, ARGUMENTS).g(example())
    for gates in (p, q):
        assert gates.shape == (2, 4)
        assert ((gates > 0) & (gates < 1)).all()
        assert gates.std(dim=0).max() > 1e-3
    assert (p - q).abs().max() > 1e-3


def one_number_a_channel(make):
    """The mask is the mean of both gates, the same in every frame and at every position."""
    module, x = built(make, ARGUMENTS), example()
    y, (p, q) = module(x, need_weights=True)
    close(y, ((p + q) / 2)[:, :, None, None, None] * x)


def closed_layers_halve_the_clip(make):
    """Without a word from either branch the mask is one half."""
    module, x = built(make, ARGUMENTS), example()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    close(module(x), x / 2)


def only_one_branch_hears_the_order(make):
    """Frames in another order: p is the same, q is not; the mask moves by less than one half."""
    module, x = built(make, ARGUMENTS), 5 * example()
    for order in ([2, 1, 0], [1, 2, 0], [0, 2, 1]):
        (p, q), (p_other, q_other) = module.g(x), module.g(x[:, :, order])
        close(p_other, p)
        assert (q_other - q).abs().max() > 1e-3
        assert (mask(p_other, q_other) - mask(p, q)).abs().max() < 0.5


def places_and_their_number_do_not_matter(make):
    """Pixels moved, and each shown twice: the same gates."""
    module, x = built(make, ARGUMENTS), example()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    moved = x.flatten(3)[..., order].view_as(x)
    for other in (moved, x.repeat_interleave(2, dim=3), x.flip(2, 3).flip(2)):
        for one, two in zip(module.g(other), module.g(x), strict=True):
            close(one, two)


def channels_hear_one_another(make):
    """In both branches a gate depends on every channel, and in one of them on every frame."""
    module, x = built(make, {**ARGUMENTS, "reduction": 1}), example()
    p, q = module.g(x)
    for channel in range(4):
        for frame in range(3):
            other = x.clone()
            other[:, channel, frame] += 1
            for gates, before in zip(module.g(other), (p, q), strict=True):
                assert ((gates - before).abs().amax(dim=0) > 1e-9).all()


def columns_run_through_the_frames_first(make):
    """Column c t + s of V_1 belongs to frame s of channel c."""
    module, x = built(make, ARGUMENTS), example()
    with torch.no_grad():
        module.scb.reduce.weight.zero_()
        module.scb.reduce.weight[0, 2 * 3 + 1] = 1.0
        module.scb.expand.weight.fill_(1.0)
    heard = profile(x)[:, 2, 1].clamp(min=0)
    close(module.g(x)[1], torch.sigmoid(heard)[:, None].expand(-1, 4))


def golden_values(make):
    """One channel of two frames of one pixel, 1 and 3, by hand.

    Without time: mean 2, score ln 2, gate 2/3.  With time: units (3 - 1) and 0, score ln 3, gate
    3/4.  The mask is 17/24.
    """
    module = make(1, 2, 1).double().eval()
    with torch.no_grad():
        module.tcb.reduce.weight.fill_(1.0)
        module.tcb.expand.weight.fill_(math.log(2) / 2)
        module.scb.reduce.weight.copy_(torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))
        module.scb.expand.weight.copy_(torch.tensor([[math.log(3) / 2, 5.0]], dtype=DOUBLE))
    x = torch.tensor([1.0, 3.0], dtype=DOUBLE).view(1, 1, 2, 1, 1)
    y, (p, q) = module(x, need_weights=True)
    close(p.flatten(), torch.tensor([2 / 3], dtype=DOUBLE))
    close(q.flatten(), torch.tensor([3 / 4], dtype=DOUBLE))
    close(y.flatten(), torch.tensor([17 / 24, 51 / 24], dtype=DOUBLE))


def gradients_of_the_textbook_form(make):
    """Forward and gradients of two squeezes, two scaled clips, and their mean, channels last."""
    module = built(make, ARGUMENTS)
    w1, w2, v1, v2 = (
        layer.weight for b in (module.tcb, module.scb) for layer in (b.reduce, b.expand)
    )

    def textbook(x):
        last = x.permute(0, 3, 4, 2, 1)  # b h w t c
        z_tcb = last.mean(dim=(1, 2, 3))
        z_scb = last.mean(dim=(1, 2)).transpose(1, 2).reshape(len(x), -1)
        p = ((z_tcb @ w1.T).relu() @ w2.T).sigmoid()
        q = ((z_scb @ v1.T).relu() @ v2.T).sigmoid()
        both = torch.stack([last * gates[:, None, None, None] for gates in (p, q)])
        return both.mean(dim=0).permute(0, 4, 3, 1, 2)

    outcomes_agree((module, textbook), example(7), list(module.parameters()), example(8))


PROMISES = (
    gates_stay_open_and_differ, one_number_a_channel, closed_layers_halve_the_clip,
    only_one_branch_hears_the_order, places_and_their_number_do_not_matter,
    channels_hear_one_another, columns_run_through_the_frames_first, golden_values,
    gradients_of_the_textbook_form,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


def mixing(mix):
    """The block with another way to bring the two gates together."""

    class Mixing(ChannelCorrelation):
        def f(self, weights, x):
            return scale(mix(*weights), x)

    return Mixing


def squeezing(timeless, timed=lambda z: z.flatten(1), look=profile):
    """The block with other numbers for the branch without time, or for the one with it."""

    class Squeezing(ChannelCorrelation):
        def g(self, x):
            z = look(x)
            return self.tcb(timeless(z)), self.scb(timed(z))

    return Squeezing


def mean_of_time(z):
    return z.mean(dim=2)


def exciting(excite):
    """The block whose branches end in another function: (reduce, expand, z) -> gates."""

    class Exciting(ChannelCorrelation):
        def g(self, x):
            z = profile(x)
            return (
                excite(self.tcb.reduce, self.tcb.expand, z.mean(dim=2)),
                excite(self.scb.reduce, self.scb.expand, z.flatten(1)),
            )

    return Exciting


class DetachedTime(ChannelCorrelation):
    """The branch with time carries no gradient."""

    def g(self, x):
        p, q = super().g(x)
        return p, q.detach()


class BiasAnyway(ChannelCorrelation):
    """Biases that nobody asked for."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **{**options, "bias": True})


MUTANTS = {
    "added gates": mixing(lambda p, q: p + q),
    "multiplied gates": mixing(lambda p, q: p * q),
    "mean of scores": mixing(lambda p, q: torch.sigmoid((p.logit() + q.logit()) / 2)),
    "without time alone": mixing(lambda p, q: (p + p + 0 * q) / 2),
    "with time alone": mixing(lambda p, q: (q + q + 0 * p) / 2),
    "residual": mixing(lambda p, q: 1 + (p + q) / 2),
    "last frame": squeezing(lambda z: z[:, :, -1]),
    "sum over time": squeezing(lambda z: z.sum(dim=2)),
    "channels first": squeezing(mean_of_time, lambda z: z.mT.flatten(1)),
    "time forgotten": squeezing(
        mean_of_time, lambda z: z.mean(dim=2, keepdim=True).expand_as(z).flatten(1)
    ),
    "sum over positions": squeezing(mean_of_time, look=lambda x: x.sum(dim=(3, 4))),
    "lost ReLU": exciting(lambda a, b, z: torch.sigmoid(b(a(z)))),
    "lost sigmoid": exciting(lambda a, b, z: b(a(z).relu())),
    "softmax": exciting(lambda a, b, z: b(a(z).relu()).softmax(dim=1)),
    "DetachedTime": DetachedTime,
    "BiasAnyway": BiasAnyway,
}


def by_loops(m, x):
    """The reference, with the numbers of both branches."""
    layers = (m.tcb.reduce, m.tcb.expand, m.scb.reduce, m.scb.expand)
    biases = tuple(layer.bias for layer in layers) if m.bias else None
    return channel_correlation_reference(x, *(layer.weight for layer in layers), biases)


def wrong_clips(x):
    """Wrong rank, wrong channels, wrong length, no positions."""
    return (
        (x[0], "axes"),
        (x[None], "axes"),
        (torch.cat([x, x], dim=1), "channels"),
        (torch.cat([x, x], dim=2), "frames"),
        (x[..., :0], "positions"),
    )


SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 3, "frames": 3, "reduction": 1, "bias": True},
    ),
    reference=by_loops,
    promises=PROMISES,
    starts=(
        (
            {"channels": 64, "frames": 8, "reduction": 4},
            {
                "tcb.reduce.weight": of_torch(64),
                "tcb.expand.weight": of_torch(16),
                "scb.reduce.weight": of_torch(512),
                "scb.expand.weight": of_torch(128),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "frames": 1, "reduction": 1},
        {"channels": 2, "frames": 1, "reduction": 2, "bias": True},
    ),
    mutants=MUTANTS,
    grid=(
        {"channels": 64, "frames": 3},
        {"channels": 33, "frames": 3, "reduction": 8},
        {"channels": 4, "frames": 3, "reduction": 1, "bias": True},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 8}, "reduction=16 leaves no hidden unit for channels=8"),
        ({"channels": 8, "reduction": 0}, "reduction=0"),
        ({"channels": 16, "frames": 0}, "frames=0"),
    ),
    input_shape=lambda arguments, b, t, h, w: (b, arguments["channels"], arguments["frames"], h, w),
    sizes=((2, 3, 4, 3), (1, 3, 1, 1), (2, 3, 1, 5), (2, 3, 5, 1)),
    small=(2, 3, 2, 3),
    wrong=wrong_clips,
    dynamic=(0, 3, 4),
    loud={"channels": 256},
)

# ---------------------------------------------------------------- tests of its own


def test_golden_costs():
    """The paper's sizes as far as they are known: 256 channels, 8 frames, r = 16."""
    assert hidden_widths(256, 8, 16) == (16, 128)
    assert 2 * 256 * 16 == 8_192
    assert (8 + 1) * 256 * 128 == 294_912
    assert parameter_count(256, 8, 16) == 8_192 + 294_912
    assert parameter_count(256, 16, 16) == 8_192 + 17 * 256 * 256
    with_bias = sum(p.numel() for p in ChannelCorrelation(256, bias=True).parameters())
    assert with_bias == parameter_count(256, bias=True) == 8_192 + 294_912 + 16 + 128 + 512


def test_a_clip_of_one_frame_sees_two_blocks_of_one_form():
    """With one frame both branches are squeeze-and-excitation."""
    module, x = (
        built(ChannelCorrelation, {"channels": 4, "frames": 1, "reduction": 2}),
        example(t=1),
    )
    for branch, gates in zip((module.tcb, module.scb), module.g(x), strict=True):
        se = SqueezeExcitation(4, 2, bias=False).double()
        se.load_state_dict(branch.state_dict())
        close(se.g(x[:, :, 0]), gates)


def test_the_branch_without_time_is_squeeze_and_excitation_of_the_mean_frame():
    module, x = built(ChannelCorrelation, ARGUMENTS), example()
    se = SqueezeExcitation(4, 2, bias=False).double()
    se.load_state_dict(module.tcb.state_dict())
    close(se.g(x.mean(dim=2)), module.g(x)[0])


def test_without_biases_only_the_sign_of_a_score_survives_a_brighter_clip():
    """Scores grow with the clip's brightness, so that gates move away from one half."""
    module, x = built(ChannelCorrelation, ARGUMENTS), example()
    for gates, brighter in zip(module.g(x), module.g(3 * x), strict=True):
        close(brighter.logit(), 3 * gates.logit())


def test_with_time_on_its_own_the_mask_hears_no_more_than_half():
    """Equal gates without time: masks of two clips differ by half of what q does."""
    module, x = built(ChannelCorrelation, ARGUMENTS), example()
    (p, q), (_, other) = module.g(x), module.g(x.flip(2))
    close(mask(p, other) - mask(p, q), (other - q) / 2)


def test_no_second_scaled_clip_is_held():
    """The textbook scales the clip twice and adds; one mask scales it once."""
    x = torch.randn(2, 16, 8, 20, 20)
    p, q = torch.rand(2, 2, 16).unbind()

    def textbook():
        return (scale(p, x) + scale(q, x)) / 2

    assert peak_bytes(lambda: scale(mask(p, q), x)) < 0.6 * peak_bytes(textbook)


@pytest.mark.parametrize("owned", ["tcb", "scb"])
def test_hooks_on_both_branches_are_heard(owned):
    module, x, heard = built(ChannelCorrelation, ARGUMENTS), example(), []
    branch: nn.Module = getattr(module, owned)
    branch.register_forward_hook(lambda *_: heard.append(owned))
    module(x)
    assert heard == [owned]
