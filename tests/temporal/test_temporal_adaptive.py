"""What only TAM promises, and the mistakes that must be noticed."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.layers import as_affine
from attncourse.measure import peak_bytes
from attncourse.temporal import TemporalAdaptive
from attncourse.temporal.temporal_adaptive import (
    CARD,
    aggregate,
    as_matrices,
    parameter_count,
    profile,
    temporal_adaptive_reference,
)
from tests.contract.specimen import Specimen, built, close, of_torch

ARGUMENTS = {"channels": 6, "frames": 4, "reduction": 2}
DOUBLE = torch.float64


def example(seed=0, b=2, c=6, t=4, h=3, w=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, t, h, w, dtype=DOUBLE, generator=generator)


def ones_for(x):
    return torch.ones(x.shape[:3], dtype=x.dtype)


def one_tap(x, tap, taps=3):
    return F.one_hot(torch.tensor(tap), taps).to(x).expand(*x.shape[:2], taps)


# ---------------------------------------------------------------- promises


def taps_add_up_and_gates_stay_open(make):
    """Kernels are shares of one over the taps; gates stay between 0 and 1 and differ in time."""
    kernel, importance = built(make, ARGUMENTS).g(example())
    close(kernel.sum(dim=2), torch.ones(2, 6, dtype=DOUBLE))
    assert (kernel > 0).all()
    assert ((importance > 0) & (importance < 1)).all()
    assert importance.std(dim=2).min() > 1e-3
    assert kernel.std(dim=1).max() > 1e-3


def corners_are_shifts(make):
    """One tap of 1 moves the clip by one frame, keeps it, or moves it back; zeros come in."""
    module, x = built(make, ARGUMENTS), example()
    padded = F.pad(x, (0, 0, 0, 0, 1, 1))
    for tap in range(3):
        y = module.f((one_tap(x, tap), ones_for(x)), x)
        close(y, padded[:, :, tap : tap + 4])


def averages_keep_what_stands_still(make):
    """With open gates, a clip that stands still keeps its inner frames; the outer ones lose."""
    module = built(make, ARGUMENTS)
    x = example()[:, :, :1].expand(-1, -1, 4, -1, -1).contiguous()
    kernel, _ = module.g(example(3))
    y = module.f((kernel, ones_for(x)), x)
    close(y[:, :, 1:3], x[:, :, 1:3])
    close(y[:, :, 0], x[:, :, 0] * (1 - kernel[:, :, 0, None, None]))
    close(y[:, :, 3], x[:, :, 3] * (1 - kernel[:, :, 2, None, None]))


def gates_come_before_the_kernel(make):
    """A frame is weighed by its own gate, whoever takes it."""
    module, x = built(make, ARGUMENTS), example()
    importance = ones_for(x)
    importance[:, :, 2] = 0.5
    kernel = module.g(x)[0]
    louder = x.clone()
    louder[:, :, 2] *= 0.5
    close(module.f((kernel, importance), x), module.f((kernel, ones_for(x)), louder))


def reach_is_local_for_gates_and_global_for_kernels(make):
    """A gate depends on the frames beside it, of all channels; a kernel on all of its own."""
    module = built(make, {**ARGUMENTS, "frames": 6})
    x = example(t=6)
    moved = x.clone()
    moved[:, 0, 5] += 1
    kernel, importance = module.g(x)
    other_kernel, other_importance = module.g(moved)
    changed = (other_importance - importance).abs().amax(dim=(0, 1)) > 1e-12
    assert changed.tolist() == [False] * 4 + [True] * 2
    assert ((other_importance - importance)[:, 1:].abs() > 1e-12).any()
    by_channel = (other_kernel - kernel).abs().amax(dim=(0, 2)) > 1e-12
    assert by_channel.tolist() == [True] + [False] * 5


def channels_share_the_kernel_s_maker(make):
    """Two channels with one profile get one kernel."""
    x = example()
    x[:, 4] = x[:, 1]
    kernel, importance = built(make, ARGUMENTS).g(x)
    close(kernel[:, 4], kernel[:, 1])
    assert (importance[:, 4] - importance[:, 1]).abs().max() > 1e-3


def places_do_not_matter(make):
    """Pixels moved alike in all frames give the same weights and the moved output."""
    module, x = built(make, ARGUMENTS), example()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    moved = x.flatten(3)[..., order].view_as(x)
    close(module.g(moved)[0], module.g(x)[0])
    close(module(moved), module(x).flatten(3)[..., order].view_as(x))


def kernel_gradient_is_a_correlation(make):
    """dL/dTheta_k is the sum over frames and positions of dL/dy_t times V_s x_s."""
    module, x, upstream = built(make, ARGUMENTS), example(), example(5)
    kernel, importance = (w.detach() for w in module.g(x))
    kernel.requires_grad_()
    module.f((kernel, importance), x).backward(upstream)
    padded = F.pad(x * importance[..., None, None], (0, 0, 0, 0, 1, 1))
    wanted = [(upstream * padded[:, :, k : k + 4]).sum(dim=(2, 3, 4)) for k in range(3)]
    close(kernel.grad, torch.stack(wanted, dim=2))


def golden_values(make):
    """Three frames of one pixel, by hand: z = x = (1, 2, 4), kernel and gates from rational logits.

    W_1 keeps the profile, W_2 scores ln 2 times the first frame for tap 0: shares (2, 1, 1) / 4.
    The local branch sees the frame itself, times ln 3 after it: gates 3^x / (1 + 3^x).
    """
    module = make(1, 3, 1, expansion=1).double().eval()
    with torch.no_grad():
        for norm in (module.kernel.norm, module.importance.norm):
            norm.eps = 0.0
        module.kernel.hidden.weight.copy_(torch.eye(3))
        module.kernel.score.weight.zero_()
        module.kernel.score.weight[0, 0] = math.log(2)
        module.importance.shrink.weight.copy_(torch.tensor([[[0.0, 1.0, 0.0]]]))
        module.importance.expand.weight.fill_(math.log(3))
    x = torch.tensor([1.0, 2.0, 4.0], dtype=DOUBLE).view(1, 1, 3, 1, 1)
    y, (kernel, importance) = module(x, need_weights=True)
    close(kernel.flatten(), torch.tensor([0.5, 0.25, 0.25], dtype=DOUBLE))
    close(importance.flatten(), torch.tensor([3 / 4, 9 / 10, 81 / 82], dtype=DOUBLE))
    z = [3 / 4, 18 / 10, 324 / 82]
    wanted = [(z[0] + z[1]) / 4, z[0] / 2 + (z[1] + z[2]) / 4, z[1] / 2 + z[2] / 4]
    close(y.flatten(), torch.tensor(wanted, dtype=DOUBLE))


def equals_the_published_layout(make):
    """Forward and gradients of frames as a batch and one grouped convolution, in training mode."""
    module, outcomes = built(make, ARGUMENTS).train(), []
    names = [name for name, _ in module.named_parameters()]

    def published(x):
        b, c, t, h, w = x.shape
        frames = x.movedim(2, 1).reshape(b * t, c, h, w)
        clip = frames.view(b, t, c, h, w).permute(0, 2, 1, 3, 4).contiguous()
        pooled = F.adaptive_avg_pool2d(clip.view(b * c, t, h, w), 1).view(b * c, t)
        kernel = module.kernel.score(F.relu(module.kernel.norm(module.kernel.hidden(pooled))))
        kernel = kernel.softmax(dim=-1).view(b * c, 1, -1, 1)
        gate = module.importance
        gate = gate.expand(F.relu(gate.norm(gate.shrink(pooled.view(b, c, t))))).sigmoid()
        weighed = (clip * gate.view(b, c, t, 1, 1)).view(1, b * c, t, h * w)
        return F.conv2d(weighed, kernel, padding=(1, 0), groups=b * c).view(b, c, t, h, w)

    for form in (module, published):
        x = example(7).requires_grad_()
        y = form(x)
        grads = torch.autograd.grad(y, [x, *module.parameters()], example(8))
        outcomes.append([y.detach(), *grads])
    for one, other in zip(*outcomes, strict=True):
        close(one, other)
    assert len(names) == len(outcomes[0]) - 2


PROMISES = (
    taps_add_up_and_gates_stay_open, corners_are_shifts, averages_keep_what_stands_still,
    gates_come_before_the_kernel, reach_is_local_for_gates_and_global_for_kernels,
    channels_share_the_kernel_s_maker, places_do_not_matter, kernel_gradient_is_a_correlation,
    golden_values, equals_the_published_layout,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


def loop(x, kernel, importance, *, flip=False):
    """Equation (4) by slices, to be broken."""
    taps, frames = kernel.shape[2], x.shape[2]
    z = F.pad(x * importance[..., None, None], (0, 0, 0, 0, taps // 2, taps // 2))
    places = range(taps - 1, -1, -1) if flip else range(taps)
    return sum(
        kernel[:, :, k, None, None, None] * z[:, :, s : s + frames] for k, s in enumerate(places)
    )


class Flipped(TemporalAdaptive):
    """A convolution in the sense of mathematics: the taps run backwards."""

    def f(self, weights, x):
        return loop(x, *weights, flip=True)


class GateBehind(TemporalAdaptive):
    """The importance of the frame that takes, in place of the frame that is taken."""

    def f(self, weights, x):
        kernel, importance = weights
        return loop(x, kernel, torch.ones_like(importance)) * importance[..., None, None]


class NoGate(TemporalAdaptive):
    """The importance is computed and dropped."""

    def f(self, weights, x):
        return loop(x, weights[0], 0 * weights[1] + 1)


class Wraps(TemporalAdaptive):
    """The clip as a ring: the last frame stands before the first."""

    def f(self, weights, x):
        kernel, importance = weights
        z = x * importance[..., None, None]
        rim = self.kernel_size // 2
        parts = [z.roll(rim - k, dims=2) for k in range(self.kernel_size)]
        return sum(kernel[:, :, k, None, None, None] * part for k, part in enumerate(parts))


class Renormalised(TemporalAdaptive):
    """Outer frames divided by the taps that fell inside."""

    def f(self, weights, x):
        matrices = as_matrices(weights[0], torch.ones_like(weights[1]))
        return aggregate(x, *weights) / matrices.sum(dim=3)[..., None, None]


class OverChannels(TemporalAdaptive):
    """The softmax over the channels in place of the taps."""

    def g(self, x):
        kernel, importance = super().g(x)
        return kernel.log().softmax(dim=1), importance


class Sigmoids(TemporalAdaptive):
    """Independent taps in place of shares of one."""

    def g(self, x):
        kernel, importance = super().g(x)
        return torch.sigmoid(kernel.log()), importance


class OneKernelForAll(TemporalAdaptive):
    """The kernel from the mean of the channels' profiles."""

    def g(self, x):
        z = profile(x)
        mean = z.mean(dim=1, keepdim=True)
        return self.kernel(mean).expand(-1, z.shape[1], -1), self.importance(z)


class Summed(TemporalAdaptive):
    """A sum over positions in place of the mean."""

    def g(self, x):
        z = x.sum(dim=(3, 4))
        return self.kernel(z), self.importance(z)


class Maximum(TemporalAdaptive):
    """The largest value of a frame in place of its mean."""

    def g(self, x):
        z = x.amax(dim=(3, 4))
        return self.kernel(z), self.importance(z)


class GateFromKernelled(TemporalAdaptive):
    """The kernel is made of the weighed clip, after the gates, in place of the clip itself."""

    def g(self, x):
        z = profile(x)
        importance = self.importance(z)
        return self.kernel(z * importance), importance


class Detached(TemporalAdaptive):
    """Kernels that carry no gradient."""

    def g(self, x):
        kernel, importance = super().g(x)
        return kernel.detach(), importance


class NoNorm(TemporalAdaptive):
    """The paper's equations to the letter: no batch normalisation in the global branch."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.kernel.norm = nn.Identity()


class WithBias(TemporalAdaptive):
    """Biases in the last layer of the global branch."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        score = self.kernel.score
        self.kernel.score = nn.Linear(
            score.in_features, score.out_features, device=score.weight.device,
            dtype=score.weight.dtype,
        )  # fmt: skip


MUTANTS = (
    Flipped, GateBehind, NoGate, Wraps, Renormalised, OverChannels, Sigmoids, OneKernelForAll,
    Summed, Maximum, GateFromKernelled, Detached, NoNorm, WithBias,
)  # fmt: skip


def by_loops(m, x):
    """The reference, with the numbers of both branches."""
    gate, kernel = m.importance, m.kernel
    return temporal_adaptive_reference(
        x, gate.shrink.weight, as_affine(gate.norm), gate.expand.weight[:, :, 0],
        kernel.hidden.weight, as_affine(kernel.norm), kernel.score.weight,
    )  # fmt: skip


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
        {"channels": 5, "frames": 4, "expansion": 1, "kernel_size": 5},
        {"channels": 3, "frames": 4, "reduction": 1, "expansion": 3},
    ),
    reference=by_loops,
    promises=PROMISES,
    starts=(
        (
            {"channels": 64, "frames": 16},
            {
                "importance.shrink.weight": of_torch(192),
                "importance.expand.weight": of_torch(16),
                "kernel.hidden.weight": of_torch(16),
                "kernel.score.weight": of_torch(32),
                "*.norm.weight": ("constant", 1.0),
                "*.norm.bias": ("constant", 0.0),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "frames": 1, "reduction": 1},
        {"channels": 1, "frames": 1, "reduction": 1, "expansion": 1, "kernel_size": 1},
    ),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64, "frames": 4},
        {"channels": 33, "frames": 4, "reduction": 8, "kernel_size": 5},
        {"channels": 4, "frames": 4, "reduction": 1, "expansion": 3},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 3}, "reduction=4 leaves no hidden unit for 3 channels"),
        ({"channels": 8, "reduction": 0}, "reduction=0"),
        ({"channels": 8, "frames": 0}, "frames=0"),
        ({"channels": 8, "expansion": 0}, "expansion=0"),
        ({"channels": 8, "kernel_size": 2}, "kernel_size=2 must be odd"),
    ),
    input_shape=lambda arguments, b, t, h, w: (b, arguments["channels"], arguments["frames"], h, w),
    sizes=((2, 4, 4, 3), (1, 4, 3, 3), (3, 4, 1, 1), (2, 4, 1, 5), (2, 4, 5, 1)),
    small=(2, 4, 2, 3),
    wrong=wrong_clips,
    dynamic=(0, 3, 4),
    loud={"channels": 256},
)

# ---------------------------------------------------------------- tests of its own


def test_a_kernel_of_one_tap_leaves_the_gates():
    """A softmax over one tap gives 1, and the block weighs frames and mixes none."""
    module, x = built(TemporalAdaptive, {**ARGUMENTS, "kernel_size": 1}), example()
    y, (kernel, importance) = module(x, need_weights=True)
    assert torch.equal(kernel, torch.ones(2, 6, 1, dtype=DOUBLE))
    close(y, x * importance[..., None, None])


@pytest.mark.parametrize(("frames", "wanted"), [(8, 1_262_688), (16, 1_270_112)])
def test_sixteen_blocks_in_a_resnet_50(frames, wanted):
    """One in every bottleneck, at the bottleneck's width."""
    stages = ((3, 64), (4, 128), (6, 256), (3, 512))
    assert sum(n * parameter_count(c, frames) for n, c in stages) == wanted


def test_averaging_kernels_cannot_raise_a_frequency():
    """The gain of shares of one is at most the gain of what stands still, at every frequency."""
    generator = torch.Generator().manual_seed(0)
    kernel = torch.randn(50, 3, dtype=DOUBLE, generator=generator).softmax(dim=1)
    gain = torch.fft.fft(F.pad(kernel, (0, 29)), dim=1).abs()
    assert gain.max() <= 1 + 1e-12
    ends = torch.tensor([[0.5, 0.0, 0.5]], dtype=DOUBLE)  # and yet not every one blurs
    assert torch.fft.fft(F.pad(ends, (0, 1))).abs()[0, 2] == 1


def test_no_weighed_clip_is_held():
    """The textbook keeps the weighed clip beside the input; the matrix product does not."""
    x = torch.randn(2, 16, 8, 20, 20)
    module = TemporalAdaptive(16, 8).eval()
    kernel, importance = (w.detach() for w in module.g(x))

    def textbook():
        return loop(x, kernel, importance)

    assert peak_bytes(lambda: aggregate(x, kernel, importance)) < 0.6 * peak_bytes(textbook)
