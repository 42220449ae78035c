"""Answers to the exercises on what attention is."""

import torch
import torch.nn.functional as F

from tests.exercises.answers import Tried, trials


def softmax_rows(scores, temperature):
    flat = (scores / temperature).reshape(-1, scores.shape[-1])
    rows = [(row - row.max()).exp() / (row - row.max()).exp().sum() for row in flat]
    return torch.stack(rows).reshape(scores.shape)


def softmax_detached_maximum(scores, temperature):
    s = scores / temperature
    e = torch.exp(s - s.max(dim=-1, keepdim=True).values.detach())
    return e / e.sum(-1, keepdim=True)


def softmax_detached(scores, temperature):
    s = (scores / temperature).detach()
    return torch.exp(s - torch.logsumexp(s, -1, keepdim=True))


def softmax_early_maximum(scores, temperature):
    e = torch.exp(scores / temperature - scores.max(-1, keepdim=True).values)
    return e / e.sum(-1, keepdim=True)


def softmax_less(s, shift):
    e = (s - shift).exp()
    return e / e.sum(-1, keepdim=True)


def softmax_mean(scores, temperature):
    s = scores / temperature
    return softmax_less(s, s.mean(-1, keepdim=True))


def softmax_first_row(scores, temperature):
    e = torch.zeros_like(scores)
    e[0] = (scores[0] / temperature).softmax(-1)
    return e


def backward_jacobian(p, g):
    jacobian = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    return (jacobian @ g[:, :, None])[:, :, 0]


def backward_loops(p, g):
    rows = []
    for pi, gi in zip(p, g, strict=True):
        rows.append(torch.stack([pi[j] * (gi[j] - (pi * gi).sum()) for j in range(len(pi))]))
    return torch.stack(rows)


def attend_loops(q, k, v, mask):
    images = []
    for qi, ki, vi, allowed in zip(q, k, v, mask, strict=True):
        powers = ((qi @ ki.T) / k.shape[2] ** 0.5).masked_fill(~allowed, -1e30)
        powers = (powers - powers.amax(1, keepdim=True)).exp() * allowed
        images.append(powers / powers.sum(1, keepdim=True) @ vi)
    return torch.stack(images)


def attend_added(q, k, v, mask):
    s = torch.einsum("bnd,bmd->bnm", q, k) / torch.tensor(k.shape[-1]).sqrt()
    s = s + torch.zeros_like(s).masked_fill(mask.logical_not(), float("-inf"))
    e = torch.exp(s - s.max(-1, keepdim=True)[0])
    return torch.einsum("bnm,bme->bne", e / e.sum(-1, keepdim=True), v)


def plain(q, k, v, mask, *, lowest=-torch.inf):
    return (q @ k.mT / k.shape[-1] ** 0.5).masked_fill(~mask, lowest).softmax(-1) @ v


TRIED = {
    "softmax": Tried(
        right={
            "logsumexp": lambda s, t: torch.exp(s / t - torch.logsumexp(s / t, -1, keepdim=True)),
            "rows": softmax_rows,
            "detached maximum": softmax_detached_maximum,
            "differences": lambda s, t: 1 / ((s[..., None, :] - s[..., None]) / t).exp().sum(-1),
        },
        wrong={
            "detached": (softmax_detached, "`.detach()`"),
            "no_grad": (torch.no_grad()(softmax_detached_maximum), "`torch.no_grad()`"),
            "early maximum": (softmax_early_maximum, "a maximum of other scores"),
            "mean": (softmax_mean, "the mean in place of the maximum"),
            "least": (lambda s, t: softmax_less(s / t, (s / t).amin(-1, keepdim=True)), "NaN"),
            "torch's": (lambda s, t: torch.softmax(s / t, -1), "an operator of PyTorch"),
            "a layer": (lambda s, t: torch.nn.Softmax(-1)(s / t), "an operator of PyTorch"),
            "its logarithm": (lambda s, t: (s / t).log_softmax(-1).exp(), "an operator of PyTorch"),
            "first row": (softmax_first_row, "only the first item"),
            "negative": (lambda s, t: -(s / t).softmax(-1), "exactly the negative"),
            "transposed": (lambda s, t: (s / t).softmax(-1).mT, "last two axes exchanged: `.mT`"),
            "twice": (lambda s, t: 2 * (s / t).softmax(-1), "2 times the expected one"),
            "logits": (lambda s, t: (s / t).log_softmax(-1), "an exponential of every number"),
            "noise": (lambda s, t: F.dropout((s / t).softmax(-1), 0.1), "Two calls on the same"),
        },
    ),
    "score_spread": Tried(
        right={"text": "2", "fraction": " 6/3 ", "list": [2.0], "word": "two"},
        wrong={
            "negative": (-2, "With the other sign"),
            "upside down": (0.5, "1 over the answer"),
            "near": (2.1, "2.1 is too large."),
            "out of range": (40, "cannot be meant"),
            "words": ("a few", "cannot be read"),
        },
    ),
    "softmax_backward": Tried(
        right={"jacobian": backward_jacobian, "loops": backward_loops},
        wrong={
            "batch mates": (lambda p, g: p * (g - (p * g).sum()), "one mean for the whole batch"),
            "halved": (lambda p, g: backward_jacobian(p, g) / 2, "1/2 times the expected"),
            "two": (
                lambda p, g: -p * (g - g.mean(-1, keepdim=True)),
                "two mistakes at once: a plain mean, and the opposite sign",
            ),
            "whole Jacobian": (
                lambda p, g: torch.diag_embed(p) - p[:, :, None] * p[:, None, :],
                "shape is not the expected one",
            ),
        },
    ),
    "attend": Tried(
        right={"loops": attend_loops, "added": attend_added},
        wrong={
            "two": (
                lambda q, k, v, mask: (q @ k.mT).masked_fill(mask, -torch.inf).softmax(-1) @ v,
                "two mistakes at once: scores that are not scaled, and a mask read as 'ignore'",
            ),
            "minus 300": (lambda *given: plain(*given, lowest=-300.0), "not low enough"),
            "minus 10000": (lambda *given: plain(*given, lowest=-1e4), "not low enough"),
            "minus fifty": (lambda *given: plain(*given, lowest=-50.0), "not low enough"),
            "transposed": (
                lambda q, k, v, mask: plain(q, k, v, mask).mT,
                "axes in another order: `.mT`",
            ),
            "no gradient for q": (
                lambda q, k, v, mask: plain(q.detach(), k, v, mask),
                "`.detach()`, which cuts it off",
            ),
            "NumPy": (lambda q, k, v, mask: plain(q, k, v, mask).detach().numpy(), "NumPy"),
            "no_grad": (torch.no_grad()(plain), "`torch.no_grad()`"),
            "first": (
                lambda q, k, v, mask: plain(q, k, v, mask)[:1].expand(len(q), -1, -1),
                "only the first item of your result is right. The others are copies",
            ),
        },
    ),
    "probe": Tried(
        right={
            "text": {"a": "where", "b": "what", "c": "when, where", "d": "none",
                     "e": "'when'", "f": "what and where"},
        },
        wrong={
            "both": (
                {"A": "where", "B": "what", "C": "where", "D": "where", "E": "when",
                 "F": "what where"},
                "a fixed mask taken for attention",
            ),
            "turned": (
                {"A": ("what", "when"), "B": ("where", "when"), "C": "what",
                 "D": "what, where, when", "E": ("what", "where"), "F": "when"},
                "Every cell is turned round",
            ),
            "unknown": ({"A": "whre"}, "Did you mean 'where'?"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("foundations/what_is_attention", TRIED)
