"""Answers to the exercises on cost."""

import torch
import torch.nn.functional as F

from attncourse.exercises.closing.cost import questions
from tests.exercises.answers import Tried, trials


def least_loop(products, moved, rate, bandwidth):
    pairs = zip(products.tolist(), moved.tolist(), strict=True)
    return torch.tensor([max(p / rate, b / bandwidth) for p, b in pairs], dtype=products.dtype)


def least_stacked(products, moved, rate, bandwidth):
    return torch.stack([products / rate, moved / bandwidth]).amax(dim=0)


def dot_by_image(q, k, v):
    return torch.stack([a @ (b.T @ c) / len(b) for a, b, c in zip(q, k, v, strict=True)])


def dot_by_bmm(q, k, v):
    return torch.bmm(q, torch.bmm(k.mT, v)) / k.size(1)


def in_blocks(q, k, v, size):
    most = torch.full_like(q[:, :1], -torch.inf)
    total, read = torch.zeros_like(most), 0.0
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        scores = torch.einsum("nd,md->nm", q, keys)
        new = torch.maximum(most, scores.max(dim=1, keepdim=True).values)
        e = torch.exp(scores - new)
        shrink = torch.exp(most - new)
        total, read, most = shrink * total + e.sum(1, True), shrink * read + e @ values, new
    return read / total


def query_by_query(q, k, v, size):
    return torch.stack([(k @ one).softmax(0) @ v for one in q])


def few_queries(q, k, v, size):
    return torch.cat([(some @ k.T).softmax(1) @ v for some in q.split(max(1, len(q) - 1))])


def fused(q, k, v, size):
    wide = max(k.shape[1], v.shape[1])

    def padded(t):
        return F.pad(t, (0, wide - t.shape[1]))[None, None]

    y = F.scaled_dot_product_attention(padded(q), padded(k), padded(v), scale=1.0)
    return y[0, 0, :, : v.shape[1]]


def stacked(q, k, v, size):
    """Each block's result, weighed at the end by its share of all exponentials."""
    parts = [
        (q @ keys.T, values) for keys, values in zip(k.split(size), v.split(size), strict=True)
    ]
    reads = torch.stack([scores.softmax(1) @ values for scores, values in parts])
    shares = torch.stack([scores.logsumexp(1) for scores, _ in parts]).softmax(0)
    return (shares[..., None] * reads).sum(0)


def falling_maximum(q, k, v, size):
    most, total, read = torch.full_like(q[:, :1], -torch.inf), 0.0, 0.0
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        new = (q @ keys.T).amax(1, keepdim=True)
        e = (q @ keys.T - new).exp()
        total = total * (most - new).exp() + e.sum(1, keepdim=True)
        read = read * (most - new).exp() + e @ values
        most = new
    return read / total


TABLE = {row: next(iter(labels)) for row, labels in questions.WHAT_BINDS.truth.items()}

TRIED = {
    "least_seconds": Tried(
        right={"loop": least_loop, "stacked": least_stacked},
        wrong={
            "sum": (lambda p, m, r, b: p / r + m / b, "may not add what may overlap"),
            "negative": (lambda *a: -least_stacked(*a), "exactly the negative"),
            "one number": (
                lambda p, m, r, b: torch.maximum(p.sum() / r, m.sum() / b), "shape"
            ),
        },
    ),
    "dot_product": Tried(
        right={"by image": dot_by_image, "bmm": dot_by_bmm},
        wrong={
            "the map": (lambda q, k, v: (q @ k.mT) @ v / q.shape[1], "larger than it may be"),
            "softmax": (lambda q, k, v: (q @ k.mT).softmax(-1) @ v, "may not be moved"),
            "images": (lambda q, k, v: dot_by_bmm(q, k, v) / len(q), "factor"),
            "map by map": (
                lambda q, k, v: torch.stack([
                    torch.stack([(a @ keys.T) @ values for a in one]) / len(one)
                    for one, keys, values in zip(q, k, v, strict=True)
                ]),
                "another order does",
            ),
            "by c": (lambda q, k, v: q @ (k.mT @ v) / v.shape[2], "You divide by c"),
            "by b": (lambda q, k, v: q @ (k.mT @ v) / len(q), "You divide by b"),
            "detached": (lambda q, k, v: dot_by_bmm(q.detach(), k, v), "`.detach()`"),
        },
    ),
    "online_softmax": Tried(
        right={"in blocks": in_blocks, "stacked": stacked},
        wrong={
            "the map": (lambda q, k, v, size: (q @ k.T).softmax(1) @ v, "larger than it may be"),
            "query by query": (query_by_query, "larger than it may be"),
            "few queries": (few_queries, "larger than it may be"),
            "fused": (fused, "fused attention found them"),
            "falling maximum": (falling_maximum, "Keep the larger of both"),
            "other axis": (lambda q, k, v, size: (q @ k.T).softmax(0) @ v, "differ"),
        },
    ),
    "crossover": Tried(
        right={"text": "256; 896; 64", "list": [256, 896, 64]},
        wrong={
            "order": ((896, 256, 64), "another order"),
            "two": ((128, 896, 128), "two mistakes at once"),
            "sides": ((16, 30, 8), "the side of a square map"),
            "multiples": ((2, 7, 0.5), "give the numbers themselves"),
            "three": ((128, 1152, 128), "has to pay for them too"),
            "near": ((256, 897, 64), "number 2"),
        },
    ),
    "what_binds": Tried(
        right={"plain": TABLE, "bound": {row: f"{label} bound" for row, label in TABLE.items()}},
        wrong={
            "incomplete": (dict(list(TABLE.items())[:3]), "Still open"),
            "turned round": (
                {row: "memory" if label == "arithmetic" else "arithmetic"
                 for row, label in TABLE.items()},
                "turned round",
            ),
            "fused": (TABLE | {"fused attention, q, k, v of 64": "memory"}, "never written"),
            "gate": (
                TABLE | {"Squeeze-and-Excitation, C = 64": "arithmetic"}, "a quarter for a byte"
            ),
            "light": (TABLE | {"1 × 1 convolution, C = 16": "arithmetic"}, "in balance at 2.5"),
        },
    ),
    "timing": Tried(
        right={
            "number": 5,
            "before": "before line 5",
            "its text": "seconds = (time.perf_counter() - start) / 100",
        },
        wrong={"line": ("Line 2", "it is needed"), "other": ("z", "is not an option")},
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("closing/cost", TRIED)
