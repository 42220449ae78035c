"""Answers to the exercises on mixed kernels, and what the exercises claim, computed."""

import torch
import torch.nn.functional as F

from attncourse.branch import ConditionalConvolution, DynamicConvolution
from attncourse.exercises.branch.conditional_convolution import OVERHEAD, WHAT_MOVES
from attncourse.measure import count_macs
from tests.contract.specimen import built
from tests.exercises.answers import Tried, trials


def grouped(x, a, kernels, stride):
    (b, c), o = x.shape[:2], kernels.shape[1]
    mixed = torch.einsum("bk,kocpq->bocpq", a, kernels).reshape(b * o, c, 3, 3)
    y = F.conv2d(x.reshape(1, b * c, *x.shape[2:]), mixed, stride=stride, padding=1, groups=b)
    return y.reshape(b, o, *y.shape[2:])


def looped(x, a, kernels, stride):
    rows = []
    for image, weights in zip(x, a, strict=True):
        kernel = sum(w * k for w, k in zip(weights, kernels, strict=True))
        rows.append(F.conv2d(image[None], kernel, stride=stride, padding=1)[0])
    return torch.stack(rows)


def mixed_outputs(x, a, kernels, stride):
    parts = [F.conv2d(x, kernel, stride=stride, padding=1) for kernel in kernels]
    return sum(w.view(-1, 1, 1, 1) * part for w, part in zip(a.T, parts, strict=True))


def merit(x, kernels, g):
    return torch.stack(
        [(g * F.conv2d(x, kernel, padding=1)).flatten(1).sum(1) for kernel in kernels], dim=1
    )


def back(a, x, kernels, g, tau):
    m = merit(x, kernels, g)
    return a * (m - (a * m).sum(1, keepdim=True)) / tau


def back_by_kernels(a, x, kernels, g, tau):
    """Through the gradient of the mixed kernel, (8) and (9)."""
    rows = []
    for n in range(len(x)):
        patches = F.unfold(x[n : n + 1], 3, padding=1)[0]
        kernel_gradient = g[n].flatten(1) @ patches.T
        m = kernels.flatten(2).flatten(1) @ kernel_gradient.flatten()
        rows.append((torch.diag(a[n]) - torch.outer(a[n], a[n])) @ m / tau)
    return torch.stack(rows)


def split(logits, radix, groups):
    t = logits.reshape(len(logits), groups, radix, -1).transpose(1, 2)
    t = torch.sigmoid(t) if radix == 1 else torch.softmax(t, dim=1)
    return t.reshape(len(logits), radix, -1)


def split_stable(logits, radix, groups):
    t = logits.view(len(logits), groups, radix, -1)
    if radix == 1:
        return 1 / (1 + torch.exp(-logits))[:, None]
    e = torch.exp(t - t.amax(dim=2, keepdim=True))
    return (e / e.sum(dim=2, keepdim=True)).movedim(2, 1).flatten(2)


TRIED = {
    "conditional": Tried(
        right={"groups": grouped, "loop": looped, "outputs": mixed_outputs},
        wrong={
            "detached": (lambda x, a, *r: grouped(x, a.detach(), *r), "`.detach()`"),
            "no_grad": (torch.no_grad()(grouped), "`torch.no_grad()`"),
            "negative": (lambda *r: -grouped(*r), "exactly the negative"),
            "stride": (lambda x, a, k, s: grouped(x, a, k, 1), "shape"),
            "next image": (lambda x, a, *r: grouped(x, a.roll(1, 0), *r), "axis 0"),
        },
    ),
    "overhead": Tried(
        right={
            "rounded": 16.3, "text": "16.3", "exact": 800 / 49, "sign": "16.3 %", "close": "16.3%",
            "about": "about 16.3 %", "word": "16.3 percent", "more": "16.3 % more",
        },
        wrong={
            "eight convolutions": (700, "only one convolution"),
            "side": (114.3, "there are h w of them"),
            "ratio": (0.163, "in percent"),
            "ratio with a sign": ("0.163 %", "in percent"),
            "rounded": (16.0, "rounded too far"),
            "range": ("16.3 - 16.4", "'16.3 - 16.4' is a range. Give one number."),
            "dash": ("16.3–16.4 %", "is a range"),
            "words": ("16 to 17", "is a range"),
        },
    ),
    "what_moves": Tried(
        wrong={
            "a turn": (
                {**{row: tuple(cells) for row, cells in WHAT_MOVES.truth.items()},
                 "turn it by 90 degrees": ("CondConv", "dynamic")}, "mean",
            ),
        },
    ),
    "score_gradient": Tried(
        right={"merits": back, "kernels": back_by_kernels},
        wrong={
            "negative": (lambda *r: -back(*r), "exactly the negative"),
            "no temperature": (lambda a, x, k, g, tau: back(a, x, k, g, 1.0), "their gradient is"),
            "merit alone": (lambda a, x, k, g, tau: merit(x, k, g), "The softmax is still to come"),
        },
    ),
    "r_softmax": Tried(
        right={"transpose": split, "stable": split_stable},
        wrong={
            "detached": (lambda *r: split(*r).detach(), "`.detach()`"),
            "one group": (lambda logits, radix, groups: split(logits, radix, 1), "group by group"),
            "splits last": (lambda *r: split(*r).mT, "order: `.mT`"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("branch/conditional_convolution", TRIED)


def test_the_overhead_is_what_counting_says():
    block = ConditionalConvolution(16, experts=8).eval()
    x = torch.randn(1, 16, 7, 7)
    weights = block.g(x)
    total = count_macs(lambda: block.f(weights, x))
    convolution = 9 * 16 * 16 * 49
    assert abs(100 * (total - convolution) / convolution - OVERHEAD.truth()) < 1e-9


def test_what_moves_is_what_moves():
    """Every cell of the table, on routers with random weights."""
    x = torch.rand(1, 1, 6, 6, dtype=torch.float64) * 0.6
    changes = {
        "turn it by 90 degrees": x.rot90(1, (2, 3)),
        "invert it": 1 - x,
        "mirror it": x.flip(3),
        "add 0.1 to every pixel": x + 0.1,
        "shuffle its pixels": x.flatten()[torch.randperm(36)].view_as(x),
    }
    kinds = {"CondConv": ConditionalConvolution, "dynamic": DynamicConvolution}
    for seed in range(3):
        torch.manual_seed(seed)
        for name, kind in kinds.items():
            block = built(kind, {"channels": 1, "experts": 3, "out_channels": 2})
            with torch.no_grad():
                for parameter in block.parameters():
                    parameter.copy_(parameter.abs() * torch.linspace(1, 2, len(parameter)).view(
                        -1, *[1] * (parameter.ndim - 1)))  # fmt: skip
            for change, moved in changes.items():
                there = not torch.allclose(block.g(moved), block.g(x), atol=1e-9)
                assert there == (name in WHAT_MOVES.truth[change]), (name, change)
