"""Answers to the exercises on STC-Net, and what the exercises claim, computed."""

import pytest
import torch
import torch.nn.functional as F

from attncourse.exercises.spatial_temporal.channel_correlation import (
    CONTRAST,
    ENDS,
    EXERCISES,
    HEARS,
)
from attncourse.exercises.spatial_temporal.channel_correlation.code import MASK, SCORE_GRADIENT
from attncourse.spatial_temporal import ChannelCorrelation
from attncourse.spatial_temporal.channel_correlation import mask
from tests.exercises.answers import Tried, trials


def mask_textbook(x, w1, w2, v1, v2):
    z = x.mean(dim=(-1, -2))
    p = torch.sigmoid(F.linear(F.relu(F.linear(z.mean(-1), w1)), w2))
    q = torch.sigmoid(F.linear(F.relu(F.linear(z.reshape(len(x), -1), v1)), v2))
    return 0.5 * (p + q)


def mask_pooled(x, w1, w2, v1, v2):
    b, c, t = x.shape[:3]
    short = F.adaptive_avg_pool3d(x, 1).view(b, c)
    row = F.adaptive_avg_pool3d(x, (t, 1, 1)).view(b, c * t)
    gates = [
        1 / (1 + torch.exp(-(z @ a.T).clamp(min=0) @ e.T))
        for z, a, e in ((short, w1, w2), (row, v1, v2))
    ]
    return torch.stack(gates).mean(dim=0)


def mask_loop(x, w1, w2, v1, v2):
    rows = []
    for clip in x:
        z = clip.flatten(2).mean(dim=2)
        p = torch.sigmoid(w2 @ torch.relu(w1 @ z.mean(dim=1)))
        q = torch.sigmoid(v2 @ torch.relu(v1 @ torch.cat(list(z))))
        rows.append((p + q) / 2)
    return torch.stack(rows)


def mask_frames_first(x, w1, w2, v1, v2):
    z = x.mean(dim=(3, 4))
    p = ((z.mean(2) @ w1.T).relu() @ w2.T).sigmoid()
    q = ((z.movedim(2, 1).reshape(len(x), -1) @ v1.T).relu() @ v2.T).sigmoid()
    return (p + q) / 2


def mask_two(x, w1, w2, v1, v2):
    z = x.mean(dim=(3, 4))
    p = (z.mean(2) @ w1.T @ w2.T).sigmoid()
    q = (z.flatten(1) @ v1.T @ v2.T).sigmoid()
    return p + q


def gradient_textbook(x, q, upstream):
    asked = torch.einsum("bcthw,bcthw->bc", x, upstream)
    return 0.5 * q * (1 - q) * asked


def gradient_loop(x, q, upstream):
    found = torch.zeros_like(q)
    for b in range(len(x)):
        for c in range(x.shape[1]):
            found[b, c] = (x[b, c] * upstream[b, c]).sum() / 2 * (q[b, c] - q[b, c] ** 2)
    return found


def gradient_flat(x, q, upstream):
    ask = (x * upstream).flatten(2).sum(-1) / 2
    return ask * q - ask * q.square()


def gradient_autograd(x, q, upstream):
    with torch.enable_grad():
        u = q.logit().requires_grad_()
        y = (torch.sigmoid(u) / 2)[..., None, None, None] * x
        return torch.autograd.grad(y, u, upstream)[0]


#: What the table takes for granted of shuffling and reversing both.
ALL = ("reversed", "shuffled")

TRIED = {
    "mask": Tried(
        right={"textbook": mask_textbook, "pooled": mask_pooled, "loop": mask_loop},
        wrong={
            "frames first": (mask_frames_first, "the channels first"),
            "sum": (
                lambda x, *w: mask_textbook(x * x[0, 0, 0].numel(), *w), "a sum over positions",
            ),
            "added": (lambda *a: 2 * mask_textbook(*a), "reaches 2"),
            "detached": (lambda x, *w: mask_textbook(x.detach(), *w), "`.detach()`"),
            "turned": (lambda *a: mask_textbook(*a).T, "order: `.T`"),
            "negative": (lambda *a: -mask_textbook(*a), "exactly the negative"),
            "two": (mask_two, "two mistakes at once"),
        },
    ),
    "score_gradient": Tried(
        right={"textbook": gradient_textbook, "loop": gradient_loop, "flat": gradient_flat},
        wrong={
            "whole": (lambda *a: 2 * gradient_textbook(*a), "a factor 1/2 is missing"),
            "gate": (
                lambda x, q, g: (x * g).sum(dim=(2, 3, 4)) / 2, "The score u stands in front",
            ),
            "autograd": (gradient_autograd, "autograd found them"),
            "mean": (
                lambda x, q, g: q * (1 - q) * (x * g).mean(dim=(2, 3, 4)) / 2, "a sum, not a mean",
            ),
            "squared": (lambda x, q, g: q * gradient_textbook(x, q, g), "one factor q too many"),
            "negative": (lambda *a: -gradient_textbook(*a), "exactly the negative"),
            "turned": (lambda *a: gradient_textbook(*a).T, "order: `.T`"),
        },
    ),
    "ends": Tried(
        right={
            "numbers": (2, -2, 0), "text": "2, -2, 0", "list": [2.0, -2.0, 0.0],
            "words": "two, minus two, zero",
        },
        wrong={
            "sums": ((8, -8, 0), "the sums"),
            "deaf": ((0, 0, 0), "does not vanish"),
            "inside": ((2.5, -2.5, 0), "All four results count"),
            "flipped": ((-2, 2, 0), "Tap 0 takes the frame before"),
        },
    ),
    "contrast": Tried(
        right={
            "numbers": (3, 0.1), "text": "3, 1/10", "ratio": (0.75 / 0.25, 1 / 10),
            "a ratio": ("3:1", "1/10"), "percent": "3:1 and 10 %", "words": ("three", "a tenth"),
        },
        wrong={
            "difference": ((0.5, 0.1), "Asked is the ratio"),
            "inverse": ((3, 10), "Asked is p itself"),
            "eleventh": ((3, 1 / 11), "take 1 off"),
            "down": ((1 / 3, 0.1), "0.75 over 0.25"),
        },
    ),
    "hears": Tried(
        right={
            "text": {
                "mean over time": "none", "one weight a frame, sum": "reversed and shuffled",
                "layer over channels, ReLU, mean": (), "linear convolution on a ring, mean": [],
                "linear convolution, zeros outside, mean": ALL,
                "mirrored kernel on a ring, ReLU, mean": "shuffled",
            }
        },
        wrong={
            "open": ({"mean over time": ()}, "Still open"),
            "ReLU": (
                {**HEARS.truth, "layer over channels, ReLU, mean": ("shuffled",)},
                "one frame at a time",
            ),
            "ends": (
                {**HEARS.truth, "linear convolution, zeros outside, mean": ()}, "at the ends",
            ),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial_temporal/channel_correlation", TRIED)


def test_the_chapter_has_its_five():
    assert [e.name for e in EXERCISES] == ["mask", "score_gradient", "ends", "contrast", "hears"]


def test_the_first_exercise_is_the_block():
    torch.manual_seed(0)
    module = ChannelCorrelation(3, 4, 1).double()
    x = torch.randn(2, 3, 4, 2, 3, dtype=torch.float64)
    layers = (module.tcb.reduce, module.tcb.expand, module.scb.reduce, module.scb.expand)
    found = MASK.reference(x, *(layer.weight for layer in layers))
    torch.testing.assert_close(found, mask(*module.g(x)))


def test_the_gradient_by_hand_is_autograd_s():
    generator = torch.Generator().manual_seed(3)
    x, upstream = torch.randn(2, 2, 3, 5, 2, 2, dtype=torch.float64, generator=generator)
    q = torch.rand(2, 3, dtype=torch.float64, generator=generator)
    found = SCORE_GRADIENT.reference(x, q, upstream)
    torch.testing.assert_close(found, gradient_autograd(x, q, upstream))


def test_ends_and_contrast_are_computed():
    profile, taps = torch.tensor([2.0, 3.0, 5.0, 10.0]), torch.tensor([[[-1.0, 0.0, 1.0]]])

    def heard(z, mode):
        return F.conv1d(F.pad(z[None, None], (1, 1), mode), taps).mean().item()

    assert ENDS.truth() == pytest.approx(
        (heard(profile, "constant"), heard(profile.flip(0), "constant"), heard(profile, "circular"))
    )
    ratio, p = CONTRAST.truth()
    for other, found in ((0.5, ratio), (p, 11.0)):
        one, two = mask(torch.tensor([[other, other]]), torch.tensor([[1.0, 0.0]]))[0]
        assert (one / two).item() == pytest.approx(found)


def squeezes(generator):
    """Each row of the table, with weights drawn at random: (c, t) -> numbers."""

    def normal(*shape):
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    weights, mix, taps = normal(8), normal(5, 3), normal(1, 1, 3)
    mirrored = taps[..., [0, 1, 0]]

    def convolved(z, kernel, mode):
        return F.conv1d(F.pad(z[:, None], (1, 1), mode), kernel)

    return {
        "mean over time": lambda z: z.mean(dim=1),
        "one weight a frame, sum": lambda z: z @ weights,
        "layer over channels, ReLU, mean": lambda z: (mix @ z).relu().mean(dim=1),
        "linear convolution on a ring, mean": lambda z: convolved(z, taps, "circular").mean(dim=2),
        "linear convolution, zeros outside, mean": (
            lambda z: convolved(z, taps, "constant").mean(dim=2)
        ),
        "mirrored kernel on a ring, ReLU, mean": (
            lambda z: convolved(z, mirrored, "circular").relu().mean(dim=2)
        ),
    }


def test_the_table_is_what_the_squeezes_do():
    generator = torch.Generator().manual_seed(2)
    z = torch.randn(3, 8, dtype=torch.float64, generator=generator)
    orders = {"reversed": [7, 6, 5, 4, 3, 2, 1, 0], "shuffled": [2, 0, 6, 3, 5, 1, 7, 4]}
    found = {}
    for name, squeeze in squeezes(generator).items():
        moved = {o: (squeeze(z[:, order]) - squeeze(z)).abs().max() for o, order in orders.items()}
        found[name] = {order for order, by in moved.items() if by > 1e-9}
    assert found == {name: set(what) for name, what in HEARS.truth.items()}
