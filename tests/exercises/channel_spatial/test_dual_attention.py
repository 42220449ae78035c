"""Answers to the exercises on DANet."""

import torch
import torch.nn.functional as F

from tests.exercises.answers import Tried, less_the_mean, trials


def energy(x):
    flat = x.reshape(x.shape[0], x.shape[1], -1)
    return torch.bmm(flat, flat.permute(0, 2, 1))


def map_stable(x):
    e = torch.exp(energy(x) - energy(x).max(dim=-1, keepdim=True).values)
    return e / e.sum(-1, keepdim=True)


def map_logsumexp(x):
    g = torch.einsum("bchw,bdhw->bcd", x, x)
    return torch.exp(g - g.logsumexp(2, keepdim=True))


def map_rows(x):
    flat = x.flatten(2)
    return torch.stack([F.softmax((flat * flat[:, c : c + 1]).sum(2), 1) for c in
                        range(x.shape[1])], 1)  # fmt: skip


def gather_stable(q, k, v):
    s = torch.einsum("bdi,bdj->bij", q, k)
    e = (s - s.amax(2, keepdim=True)).exp()
    return torch.einsum("bij,bcj->bci", e / e.sum(2, keepdim=True), v)


def gather_fused(q, k, v):
    y = F.scaled_dot_product_attention(q.mT, k.mT, v.mT, scale=1.0)
    return y.mT


def backward_autograd(x, g, beta):
    leaf = x.detach().requires_grad_()
    y = leaf + beta * (leaf @ leaf.mT).softmax(-1) @ leaf
    return torch.autograd.grad(y, leaf, g)[0]


def backward_steps(x, g, beta):
    t = (x @ x.mT).softmax(-1)
    u = beta * g @ x.mT
    d = t * (u - (t * u).sum(-1, keepdim=True))
    return g + beta * t.mT @ g + d @ x + d.mT @ x


TRIED = {
    "channel_map": Tried(
        right={"stable": map_stable, "logsumexp": map_logsumexp, "rows": map_rows},
        wrong={
            "turned": (
                lambda x: (energy(x).amax(-1, keepdim=True) - energy(x)).softmax(-1),
                "the map of the released code",
            ),
            "overflow": (lambda x: (e := energy(x).exp()) / e.sum(-1, keepdim=True), "overflow"),
            "positions": (
                lambda x: (x.flatten(2).mT @ x.flatten(2)).softmax(-1), "shape is not the expected"
            ),
            "detached": (lambda x: map_stable(x.detach()), "`.detach()`"),
            "half detached": (
                lambda x: (x.flatten(2) @ x.flatten(2).mT.detach()).softmax(-1), "`.detach()`"
            ),
            "no_grad": (torch.no_grad()(map_stable), "`torch.no_grad()`"),
            "transposed": (lambda x: map_stable(x).mT, "the channel"),
        },
    ),
    "gather_positions": Tried(
        right={"stable": gather_stable, "fused": gather_fused},
        wrong={
            "two": (
                lambda q, k, v: v @ (q.mT @ k / q.shape[1] ** 0.5).softmax(-1), "values differ"
            ),
            "transposed": (lambda *a: gather_stable(*a).mT, "order: `.mT`"),
            "mean": (lambda q, k, v: v @ less_the_mean(q.mT @ k, 2).mT, "NaN"),
            "overflow": (
                lambda q, k, v: v @ ((e := (q.mT @ k).exp()) / e.sum(-1, keepdim=True)).mT,
                "an overflow",
            ),
            "v detached": (lambda q, k, v: gather_stable(q, k, v.detach()), "`.detach()`"),
            "first": (
                lambda q, k, v: gather_stable(q[:1], k[:1], v[:1]).expand_as(v), "copies of it"
            ),
        },
    ),
    "backward": Tried(
        right={"autograd": backward_autograd, "steps": backward_steps},
        wrong={
            "two": (
                lambda x, g, beta: backward_steps(x, g, beta) - g - (
                    lambda t, u: (t * (u - (t * u).sum(-1, keepdim=True))).mT @ x
                )((x @ x.mT).softmax(-1), beta * g @ x.mT),
                "two mistakes at once: half of the energy's gradient, and a forgotten residual",
            ),
            "negative": (lambda *a: -backward_steps(*a), "exactly the negative"),
        },
    ),
    "turned_line": Tried(
        right={"number": 3, "text": "line 3", "letter": "C)"},
        wrong={"other": (2, "Not this one. These are the inner products"),
               "many": ("2 and 3", "choose one of a, b, c, d")},
    ),
    "resolution": Tried(
        right={"text": "4, 16, 1, 4", "factors": ("4", 16, "1", 4.0)},
        wrong={
            "two": ((4, 4, 4, 4), "two mistakes at once: a map of positions with one axis, and a "
                                  "map of channels that grows with the image"),
            "three": ((4, 16, 1), "4 numbers are expected, but the answer holds 3"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("channel_spatial/dual_attention", TRIED)
