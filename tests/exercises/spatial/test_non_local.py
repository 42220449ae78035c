"""Answers to the exercises on non-local networks."""

import torch
import torch.nn.functional as F

from tests.exercises.answers import Tried, trials


def stable(q, k):
    s = torch.matmul(q, k.transpose(1, 2))
    e = torch.exp(s - s.max(dim=-1, keepdim=True)[0])
    return e / e.sum(dim=-1, keepdim=True)


def by_logsumexp(q, k):
    s = torch.bmm(q, k.permute(0, 2, 1))
    return torch.exp(s - s.logsumexp(-1, keepdim=True))


def by_queries(q, k):
    return torch.stack([F.softmax((k * q[:, i : i + 1]).sum(-1), -1) for i in range(q.shape[1])], 1)


def gradient_means(A, v, u):
    d = u @ v.mT
    return A * (d - (A * d).sum(-1, keepdim=True))


def gradient_jacobian(A, v, u):
    jacobian = torch.diag_embed(A) - A[..., :, None] * A[..., None, :]
    return (jacobian @ (u @ v.mT)[..., None])[..., 0]


TRIED = {
    "weights": Tried(
        right={"stable": stable, "logsumexp": by_logsumexp, "by queries": by_queries},
        wrong={
            "overflow": (
                lambda q, k: (e := (q @ k.mT).exp()) / e.sum(-1, keepdim=True), "an overflow"
            ),
            "transposed": (lambda q, k: stable(q, k).mT, "order: `.mT`"),
            "two": (
                lambda q, k: (q @ k.mT / q.shape[2] ** 0.5).sigmoid(),
                "two mistakes at once: a sigmoid in place of the softmax, and scaled scores",
            ),
            "detached": (lambda q, k: stable(q.detach(), k), "`.detach()`"),
            "no_grad": (torch.no_grad()(stable), "`torch.no_grad()`"),
            "first": (lambda q, k: stable(q[:1].expand_as(q), k[:1].expand_as(k)), "first item"),
            "log": (lambda q, k: (q @ k.mT).log_softmax(-1), "an exponential of every number"),
        },
    ),
    "other_order": Tried(
        right={"text": "18", "times": "×18", "times behind": "18 x", "fraction": "2304 / 128"},
        wrong={
            "per cent": (1800, "1800 is too large"),
            "near": (18.1, "18.1 is close, and too large by less than 1 %."),
        },
    ),
    "forms": Tried(
        right={"text": {"gaussian": "sum, sign", "embedded gaussian": "sum and sign",
                        "dot-product": "rank", "concatenation": {"sign": True, "rank": False}}},
        wrong={"two": (
            {"gaussian": "sum sign", "embedded_gaussian": "sum sign", "dot_product": "rank, sum",
             "concatenation": "sign, rank"},
            "a count taken for a sum. The dot product divides by the number of keys, whatever its "
            "row adds up to. And a ReLU that keeps the rank",
        )},
    ),
    "any_source": Tried(
        right={"text": "-1/2", "minus": "−0.5"},
        wrong={
            "sign": (0.5, "other sign"), "small": (-0.8, "-0.8 is too small."),
            "out of range": (3, "3 cannot be meant"),
        },
    ),
    "logit_gradient": Tried(
        right={"means": gradient_means, "Jacobian": gradient_jacobian},
        wrong={
            "negative": (lambda *a: -gradient_means(*a), "exactly the negative"),
            "two": (
                lambda A, v, u: -(u @ v.mT - (u * (A @ v)).sum(2, keepdim=True)),
                "two mistakes at once: a lost factor A, and the opposite sign",
            ),
            "transposed": (lambda *a: gradient_means(*a).mT, "order: `.mT`"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/non_local", TRIED)
