"""Answers to the exercises on TAM, and what the exercises claim, computed."""

import pytest
import torch
import torch.nn.functional as F

from attncourse.exercises.temporal.temporal_adaptive import CEILINGS, EXERCISES, READS
from attncourse.exercises.temporal.temporal_adaptive.code import KERNEL_GRADIENT
from attncourse.tasks import run_backwards
from attncourse.temporal import TemporalAdaptive
from attncourse.temporal.temporal_adaptive import aggregate
from tests.contract.specimen import built
from tests.exercises.answers import Tried, trials


def kernels_textbook(z, first, second):
    scores = torch.relu(z @ first.T) @ second.T
    grown = (scores - scores.max(dim=-1, keepdim=True).values).exp()
    return grown / grown.sum(dim=-1, keepdim=True)


def kernels_loop(z, first, second):
    clips = []
    for clip in z:
        rows = [torch.softmax(second @ torch.relu(first @ profile), dim=0) for profile in clip]
        clips.append(torch.stack(rows))
    return torch.stack(clips)


def apply_conv(x, kernel, importance):
    b, c, t, h, w = x.shape
    z = (x * importance.view(b, c, t, 1, 1)).reshape(1, b * c, t, h * w)
    y = F.conv2d(z, kernel.reshape(b * c, 1, 3, 1), padding=(1, 0), groups=b * c)
    return y.view(b, c, t, h, w)


def apply_loop(x, kernel, importance):
    frames = []
    for t in range(x.shape[2]):
        y = torch.zeros_like(x[:, :, 0])
        for k in range(3):
            s = t + k - 1
            if 0 <= s < x.shape[2]:
                weight = kernel[:, :, k] * importance[:, :, s]
                y = y + weight[..., None, None] * x[:, :, s]
        frames.append(y)
    return torch.stack(frames, dim=2)


def apply_backwards(x, kernel, importance):
    return apply_loop(x, kernel.flip(2), importance)


def apply_gate_behind(x, kernel, importance):
    return apply_loop(x, kernel, torch.ones_like(importance)) * importance[..., None, None]


def gradient_textbook(x, importance, g):
    z = x * importance[..., None, None]
    zero = torch.zeros_like(z[:, :, :1])
    earlier = torch.cat([zero, z[:, :, :-1]], dim=2)
    later = torch.cat([z[:, :, 1:], zero], dim=2)
    return torch.stack([(g * part).flatten(2).sum(2) for part in (earlier, z, later)], dim=-1)


def gradient_loop(x, importance, g):
    t = x.shape[2]
    found = []
    for k in range(3):
        total = 0
        for at in range(t):
            s = at + k - 1
            if 0 <= s < t:
                part = (g[:, :, at] * x[:, :, s]).sum(dim=(2, 3))
                total = total + importance[:, :, s] * part
        found.append(total)
    return torch.stack(found, dim=2)


def gradient_autograd(x, importance, upstream):
    with torch.enable_grad():
        kernel = x.new_zeros(*x.shape[:2], 3).requires_grad_()
        y = aggregate(x, kernel, importance)
        return torch.autograd.grad(y, kernel, upstream)[0]


def gradient_gate_behind(x, importance, upstream):
    return gradient_loop(x, torch.ones_like(importance), upstream * importance[..., None, None])


def gradient_ring(x, importance, upstream):
    z = x * importance[..., None, None]
    return torch.stack(
        [(upstream * z.roll(1 - k, dims=2)).sum(dim=(2, 3, 4)) for k in range(3)], dim=2
    )


def apply_padded(before, after):
    """Equation (4) with frames of the clip beyond its ends."""

    def apply(x, kernel, importance):
        z = x * importance[..., None, None]
        longer = torch.cat([z[:, :, before], z, z[:, :, after]], dim=2)
        t = x.shape[2]
        return sum(kernel[:, :, k, None, None, None] * longer[:, :, k : k + t] for k in range(3))

    return apply


def apply_renormalised(x, kernel, importance):
    ones = torch.ones_like(x[:, :, :, :1, :1])
    inside = apply_conv(ones, kernel, torch.ones_like(importance))
    return apply_conv(x, kernel, importance) / inside


TRIED = {
    "kernels": Tried(
        right={
            "textbook": kernels_textbook, "loop": kernels_loop,
        },
        wrong={
            "channels": (
                lambda z, a, b: (torch.relu(z @ a.T) @ b.T).softmax(1),
                "a softmax over the channels",
            ),
            "no ReLU": (lambda z, a, b: (z @ a.T @ b.T).softmax(-1), "a lost ReLU"),
            "detached": (lambda z, a, b: kernels_loop(z.detach(), a, b), "`.detach()`"),
            "overflow": (
                lambda z, a, b: (e := (torch.relu(z @ a.T) @ b.T).exp()) / e.sum(-1, keepdim=True),
                "an overflow",
            ),
            "sigmoid": (
                lambda z, a, b: torch.sigmoid(torch.relu(z @ a.T) @ b.T),
                "a sigmoid in place of the softmax",
            ),
            "turned": (lambda *a: kernels_loop(*a).mT, "order: `.mT`"),
            "ReLU twice": (
                lambda z, a, b: torch.relu(torch.relu(z @ a.T) @ b.T).softmax(-1),
                "a ReLU after both layers",
            ),
        },
    ),
    "aggregate": Tried(
        right={"convolution": apply_conv},
        wrong={
            "backwards": (apply_backwards, "taps that run backwards"),
            "gate behind": (apply_gate_behind, "the gate of the wrong frame"),
            "no gate": (
                lambda x, k, v: apply_conv(x, k, torch.ones_like(v)), "no gates",
            ),
            "detached": (lambda x, k, v: apply_loop(x, k.detach(), v), "`.detach()`"),
            "negative": (lambda *a: -apply_conv(*a), "exactly the negative"),
            "reflected": (
                apply_padded(slice(1, 2), slice(-2, -1)), "ends that are reflected",
            ),
            "repeated": (apply_padded(slice(0, 1), slice(-1, None)), "ends that are repeated"),
            "renormalised": (apply_renormalised, "ends that are renormalised"),
            "one kernel": (
                lambda x, k, v: apply_loop(x, k.mean(1, keepdim=True), v),
                "one kernel for all channels",
            ),
            "two": (
                lambda x, k, v: apply_loop(x, k.flip(2), torch.ones_like(v)),
                "two mistakes at once",
            ),
        },
    ),
    "kernel_gradient": Tried(
        right={
            "textbook": gradient_textbook, "loop": gradient_loop,
        },
        wrong={
            "backwards": (lambda *a: gradient_loop(*a).flip(2), "taps that run backwards"),
            "no gates": (
                lambda x, v, g: gradient_loop(x, torch.ones_like(v), g), "no gates",
            ),
            "autograd": (gradient_autograd, "autograd found them"),
            "gate behind": (gradient_gate_behind, "the gate of the wrong frame"),
            "ring": (gradient_ring, "a clip that is closed to a ring"),
            "negative": (lambda *a: -gradient_loop(*a), "exactly the negative"),
            "halved": (lambda *a: gradient_loop(*a) / 2, "1/2 times the expected one"),
            "turned": (lambda *a: gradient_loop(*a).mT, "order: `.mT`"),
            "all channels": (
                lambda *a: gradient_loop(*a).mean(1, keepdim=True).expand(-1, a[0].shape[1], -1),
                "one gradient for all channels",
            ),
        },
    ),
    "ceilings": Tried(
        right={
            "fractions": "1/3, 2/3, 0", "rounded": (0.33, 0.67, 0),
            "percent": "33.3 %, 66.7 %, 0 %",
        },
        wrong={
            "percent": ((100 / 3, 200 / 3, 0), "33.33333333 cannot be meant"),
            "chance": ((1 / 3, 2 / 3, 0.25), "chance on what is new"),
            "rule": ("1/3, 2/3, 1", "the rule taken for granted"),
            "third": ("1/3, 2/3, 1/3", "the light's ceiling"),
        },
    ),
    "reads": Tried(
        right={"text": {"a gate V": "other channels", "a kernel Θ": ["far frames"],
                        "an output y": "far frames and other channels",
                        "a fixed kernel's output": "none"}},
        wrong={
            "open": ({"a gate V": ("other channels",)}, "Still open"),
            "fixed": (
                {**READS.truth, "a fixed kernel's output": "other channels"},
                "a fixed kernel that mixes channels",
            ),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("temporal/temporal_adaptive", TRIED)


def test_the_chapter_has_its_five():
    assert [e.name for e in EXERCISES] == [
        "kernels", "aggregate", "kernel_gradient", "ceilings", "reads"
    ]  # fmt: skip


def test_the_gradient_by_hand_is_autograd_s():
    """The exercise's reference is derived, so that autograd may be refused."""
    generator = torch.Generator().manual_seed(3)
    x, upstream = torch.randn(2, 2, 3, 5, 2, 2, dtype=torch.float64, generator=generator)
    importance = torch.rand(2, 3, 5, dtype=torch.float64, generator=generator)
    found = KERNEL_GRADIENT.reference(x, importance, upstream)
    torch.testing.assert_close(found, gradient_autograd(x, importance, upstream))


def test_the_ceilings_are_counted_over_the_task_s_own_kinds():
    """What a reader of one clue scores on clips that the task draws."""
    out = run_backwards.LEFT_OUT
    trained = run_backwards.kinds(out)
    answer = {s: [k[0] for k in trained if run_backwards.seems(k) == s] for s in range(4)}
    seen = sum(1 / len(answer[run_backwards.seems(k)]) for k in trained) / len(trained)
    new = sum(answer[run_backwards.seems(k)].count(k[0]) > 0 for k in out) / len(out)
    lights = [[k[0] for k in trained if k[1] == light] for light in (0, 1)]
    light = sum(1 / len(set(lights[k[1]])) for k in trained) / len(trained)
    assert CEILINGS.truth() == pytest.approx((light, seen, new))


@torch.no_grad()
def test_the_table_is_what_the_module_does():
    module = built(TemporalAdaptive, {"channels": 4, "frames": 9, "reduction": 1})
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 4, 9, 2, 2, dtype=torch.float64, generator=generator)

    def decisions(clip):
        kernel, importance = module.g(clip)
        return {
            "a gate V": importance[0, 1, 2],
            "a kernel Θ": kernel[0, 1],
            "an output y": module(clip)[0, 1, 2],
            "a fixed kernel's output": module.f(
                (module.g(x)[0], torch.ones_like(importance)), clip
            )[0, 1, 2],
        }

    moves = {"far frames": (1, slice(7, 9)), "other channels": (2, slice(1, 4))}
    found = {name: set() for name in READS.truth}
    for label, (channel, frames) in moves.items():
        changed = x.clone()
        changed[0, channel, frames] += 1.0
        for name, value in decisions(changed).items():
            if (value - decisions(x)[name]).abs().max() > 1e-9:
                found[name].add(label)
    assert found == {name: set(what) for name, what in READS.truth.items()}
