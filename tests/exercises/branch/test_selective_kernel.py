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


def bias_of_h(self, channels, gate_bias):
    Highway.__init__(self, channels, 0.0)
    self.h.bias.data.fill_(gate_bias)


def turned(self, channels, gate_bias):
    Highway.__init__(self, channels, -gate_bias)


def weights_too(self, channels, gate_bias):
    Highway.__init__(self, channels, gate_bias)
    self.t.weight.data.fill_(gate_bias)


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
            "scores over their sum": (
                lambda z, s, k: (t := (z @ s.T).view(len(z), k, -1)) / t.sum(1, keepdim=True),
                "scores without their exponential",
            ),
            "what a ReLU leaves": (
                lambda z, s, k: F.normalize(F.linear(z, s).view(len(z), k, -1).relu(), 1, 1, 1e-6),
                "scores without their exponential",
            ),
            "one-hot": (
                lambda z, s, k: F.one_hot(by_image(z, s, k).argmax(1), k).movedim(2, 1).to(z),
                "a hard choice",
            ),
            "twice": (lambda *a: stable(*a).softmax(dim=1), "take the softmax twice"),
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
            "bias to H": (highway(__init__=bias_of_h), "given to H in its place"),
            "minus the bias": (highway(__init__=turned), "its sign turned"),
            "weights too": (highway(__init__=weights_too), "weights filled with the gate bias"),
            "x rectified": (
                highway(lambda m, x: mixed(m, x, carried=F.relu)), "a ReLU that reaches x"
            ),
            "sigmoid twice": (
                highway(lambda m, x: mixed(m, x, t=torch.sigmoid)), "another gate than a sigmoid"
            ),
            "GELU": (
                highway(lambda m, x: torch.lerp(x, F.gelu(m.h(x)), m.t(x).sigmoid())),
                "another non-linearity of H",
            ),
            "dropout": (highway(lambda m, x: F.dropout(Highway.forward(m, x), 0.5)), "Two calls"),
        },
    ),
    "gate_bias": Tried(
        right={"rounded": -4.27, "text": "-4.27"},
        wrong={
            "sign": (4.26, "4.26 is too large."),
            "positive": ("20.5", "20.5 cannot be meant"),
            "rounded": (-4.3, "-4.3 is rounded too far"),
            "rounded wrongly": (-4.28, "-4.28 is close, and too small by less than 1 %."),
            "49 layers": (-4.2513, "too large by less than 1 %"),
            "a hundredth": (0.01, "the transformed share in place of the bias"),
            "ln 0.01": (-4.6052, "the logarithm of a share"),
            "-ln 50": (-3.912, "the logarithm of a share"),
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
            "mean over channels": (
                lambda a, u, g: a * ((m := torch.einsum("bchw,bkchw->bkc", g, u))
                                     - (a * m).sum(2, keepdim=True)),
                "a mixture over all channels",
            ),
            "a squared": (lambda a, *b: a * gradient_merits(a, *b), "a factor a too many"),
            "first channel only": (
                lambda a, u, g: gradient_merits(a[:, :, :1], u[:, :, :1], g[:, :1]),
                "shape is not the expected one",
            ),
        },
    ),
    "selection_count": Tried(
        right={
            "separators": "1,021,120", "two words": "1,021,120 learned numbers",
            "words": "1 021 120 numbers", "exact": 1021120,
        },
        wrong={
            "one more": (1021121, "1021121 is close, and too large by less than 0.1 %."),
            "rounded": (1.02e6, "1020000 is rounded too far"),
            "words": ("a million", "cannot be read"),
            "bias in W and A": (1036832, "biases in the score matrices"),
            "without W": (681152, "W, and an A_m for each of the two branches"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("branch/selective_kernel", TRIED)
