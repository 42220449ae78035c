"""Answers to the exercises on Highway and SKNet."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.exercises.answers import Tried, trials


def stable(z, scores, k):
    s = (z @ scores.T).reshape(len(z), k, -1)
    e = torch.exp(s - s.max(dim=1, keepdim=True).values)
    return e / e.sum(dim=1, keepdim=True)


def by_branch(z, scores, k):
    branches = [F.linear(z, a) for a in scores.chunk(k)]
    total = torch.logsumexp(torch.stack(branches), dim=0)
    return torch.stack([torch.exp(s - total) for s in branches], dim=1)


def by_image(z, scores, k):
    return torch.stack([F.softmax((scores @ row).view(k, -1), dim=0) for row in z])


def gradient_merits(a, u, g):
    merit = torch.einsum("bchw,bkchw->bkc", g, u)
    return a * (merit - torch.einsum("bkc,bkc->bc", a, merit)[:, None])


def gradient_jacobian(a, u, g):
    merit = (g.unsqueeze(1) * u).flatten(3).sum(-1).movedim(1, 2)
    p = a.movedim(1, 2)
    jacobian = torch.diag_embed(p) - p[..., :, None] * p[..., None, :]
    return (jacobian @ merit[..., None])[..., 0].movedim(2, 1)


class Highway(nn.Module):
    def __init__(self, channels, gate_bias):
        super().__init__()
        self.h = nn.Linear(channels, channels)
        self.t = nn.Linear(channels, channels)
        self.t.bias.data.fill_(gate_bias)

    def forward(self, x):
        t = self.t(x).sigmoid()
        return F.relu(self.h(x)) * t + x * (1 - t)


class Written(nn.Module):
    def __init__(self, channels, gate_bias):
        super().__init__()
        self.wh = nn.Parameter(torch.randn(channels, channels) / channels**0.5)
        self.bh = nn.Parameter(torch.zeros(channels))
        self.wt = nn.Parameter(torch.randn(channels, channels) / channels**0.5)
        self.bt = nn.Parameter(torch.full((channels,), gate_bias))

    def forward(self, x):
        h = (x @ self.wh.T + self.bh).clamp(min=0)
        return torch.lerp(x, h, torch.sigmoid(x @ self.wt.T + self.bt))


def highway(forward=None, **methods):
    return type("Learners", (Highway,), ({"forward": forward} if forward else {}) | methods)


def mixed(m, x, h=lambda v: v, t=lambda v: v, carried=lambda v: v):
    share = t(m.t(x).sigmoid())
    return h(m.h(x).relu()) * share + carried(x) * (1 - share)


def both_biases(self, channels, gate_bias):
    Highway.__init__(self, channels, gate_bias)
    self.h.bias.data.fill_(gate_bias)


def frozen(self, channels, gate_bias):
    Highway.__init__(self, channels, gate_bias)
    self.t.bias.requires_grad_(False)


TRIED = {
    "select": Tried(
        right={"stable": stable, "branch by branch": by_branch, "image by image": by_image},
        wrong={
            "detached": (lambda *a: stable(*a).detach(), "`.detach()`"),
            "no_grad": (torch.no_grad()(stable), "`torch.no_grad()`"),
            "overflow": (
                lambda z, s, k: (e := (z @ s.T).view(len(z), k, -1).exp()) / e.sum(1, keepdim=True),
                "an overflow",
            ),
            "transposed": (lambda *a: stable(*a).mT, "order: `.mT`"),
            "axes": (lambda *a: stable(*a).movedim(0, 2), "axes in another order"),
            "first": (lambda z, s, k: stable(z[:1], s, k).expand(len(z), -1, -1), "first item"),
            "branches backwards": (lambda *a: stable(*a).flip(1), "mirrored along axis 1"),
            "times k": (lambda z, s, k: k * stable(z, s, k), "this factor is `k`"),
        },
    ),
    "highway": Tried(
        right={"own names": Highway, "written out": Written},
        wrong={
            "T detached": (
                highway(lambda m, x: mixed(m, x, t=torch.Tensor.detach)), "`.detach()`, which cuts"
            ),
            "H detached": (
                highway(lambda m, x: mixed(m, x, h=torch.Tensor.detach)), "`.detach()`, which cuts"
            ),
            "x detached": (
                highway(lambda m, x: mixed(m, x, carried=torch.Tensor.detach)), "`.detach()`"
            ),
            "no_grad": (highway(torch.no_grad()(Highway.forward)), "`torch.no_grad()`"),
            "frozen": (highway(__init__=frozen), "`t.bias` has `requires_grad=False`"),
            "bias to both": (highway(__init__=both_biases), "the gate's bias given to H as well"),
            "negative": (highway(lambda m, x: -Highway.forward(m, x)), "exactly the negative"),
            "twice": (highway(lambda m, x: 2 * Highway.forward(m, x)), "2 times the expected"),
            "dropout": (highway(lambda m, x: F.dropout(Highway.forward(m, x), 0.5)), "Two calls"),
        },
    ),
    "gate_bias": Tried(
        right={"rounded": -4.27, "text": "-4.27"},
        wrong={
            "sign": (4.26, "4.26 is too large."),
            "positive": ("20.5", "20.5 cannot be meant"),
            "rounded": (-4.3, "-4.3 is rounded too far"),
        },
    ),
    "score_gradient": Tried(
        right={"merits": gradient_merits, "Jacobian": gradient_jacobian},
        wrong={
            "negative": (lambda *a: -gradient_merits(*a), "exactly the negative"),
            "mean": (
                lambda a, u, g: gradient_merits(a, u, g) / u.shape[-1] / u.shape[-2],
                "a mean over the positions",
            ),
            "first channel only": (
                lambda a, u, g: gradient_merits(a[:, :, :1], u[:, :, :1], g[:, :1]),
                "shape is not the expected one",
            ),
        },
    ),
    "selection_count": Tried(
        right={"separators": "1,021,120", "words": "1 021 120 numbers", "exact": 1021120},
        wrong={
            "one more": (1021121, "1021121 is close, and too large by less than 0.1 %."),
            "rounded": (1.02e6, "1020000 is rounded too far"),
            "words": ("a million", "cannot be read"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("branch/selective_kernel", TRIED)
