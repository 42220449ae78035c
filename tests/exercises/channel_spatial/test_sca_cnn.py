"""Answers to the exercises on SCA-CNN, and what the exercises claim, computed."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attncourse.channel_spatial import SpatialChannelAttention
from attncourse.exercises.channel_spatial.sca_cnn import EXERCISES, FACTORS, MOVES
from tests.contract.specimen import built
from tests.exercises.answers import Tried, less_the_mean, trials


def what(x, h, w_c, b_c, W_hc, w):
    v = x.flatten(2).mean(2, keepdim=True)
    units = torch.tanh(F.linear(v, w_c[:, None], b_c) + F.linear(h, W_hc).unsqueeze(1))
    return torch.softmax(F.linear(units, w[None]).squeeze(-1), dim=-1)


def what_by_einsum(x, h, w_c, b_c, W_hc, w):
    v = torch.einsum("bchw->bc", x) / (x.shape[2] * x.shape[3])
    units = torch.einsum("bc,a->bca", v, w_c) + torch.einsum("bd,ad->ba", h, W_hc)[:, None] + b_c
    s = torch.einsum("bca,a->bc", units.tanh(), w)
    s = (s - s.max(dim=1, keepdim=True).values).exp()
    return s / s.sum(dim=1, keepdim=True)


def what_in_loops(x, h, w_c, b_c, W_hc, w):
    images = []
    for image, question in zip(x, h, strict=True):
        scores = [w @ torch.tanh(w_c * one.mean() + b_c + W_hc @ question) for one in image]
        images.append(torch.stack(scores))
    s = torch.stack(images)
    return (s - s.logsumexp(dim=1, keepdim=True)).exp()


def tell(x, alpha, beta):
    c = x.shape[1]
    return c * beta * (x.flatten(2) * alpha[:, None]).sum(dim=2)


def tell_by_maps(x, alpha, beta):
    b, c, h, w = x.shape
    y = c * beta.view(b, c, 1, 1) * h * w * alpha.view(b, 1, h, w) * x
    return y.mean(dim=(2, 3))


def tell_in_loops(x, alpha, beta):
    rows = []
    for image, a, share in zip(x.flatten(2), alpha, beta, strict=True):
        rows.append(
            torch.stack([len(image) * s * (a @ row) for s, row in zip(share, image, strict=True)])
        )
    return torch.stack(rows)


def pull(v, beta, d):
    g = v.shape[1] * v * d
    return beta * (g - (beta * g).sum(1, keepdim=True))


def pull_in_loops(v, beta, d):
    rows = []
    for means, weights, direction in zip(v, beta, d, strict=True):
        jacobian = torch.diag(weights) - torch.outer(weights, weights)
        rows.append(jacobian @ (len(means) * means * direction))
    return torch.stack(rows)


def pull_by_einsum(v, beta, d):
    c = v.shape[1]
    inner = torch.einsum("bc,bc,bc->b", beta, v, d)
    return c * (torch.einsum("bc,bc,bc->bc", beta, v, d) - beta * inner[:, None])


def pull_by_autograd(v, beta, d):
    s = beta.log().requires_grad_()
    return torch.autograd.grad(v.shape[1] * s.softmax(1) * v, s, d)[0]


def pull_by_differences(v, beta, d):
    scores, step = beta.log(), 1e-5
    found = torch.empty_like(v)
    for c in range(v.shape[1]):
        ends = []
        for sign in (1, -1):
            moved = scores.clone()
            moved[:, c] += sign * step
            ends.append((v.shape[1] * moved.softmax(1) * v * d).sum(1))
        found[:, c] = (ends[0] - ends[1]) / (2 * step)
    return found


TRIED = {
    "what": Tried(
        right={"layers": what, "einsum": what_by_einsum, "loops": what_in_loops},
        wrong={
            "batch": (
                lambda x, h, w_c, b_c, W_hc, w: (
                    torch.tanh(x.mean((2, 3))[..., None] * w_c + b_c + (h @ W_hc.T)[:, None]) @ w
                ).softmax(0),
                "over the batch",
            ),
            "mean": (
                lambda x, h, w_c, b_c, W_hc, w: less_the_mean(
                    torch.tanh(x.mean((2, 3))[..., None] * w_c + b_c + (h @ W_hc.T)[:, None]) @ w, 1
                ),
                "NaN",
            ),
            "late bias": (
                lambda x, h, w_c, b_c, W_hc, w: (
                    (torch.tanh(x.mean((2, 3))[..., None] * w_c + (h @ W_hc.T)[:, None]) + b_c) @ w
                ).softmax(1),
                "outside the tanh",
            ),
            "not asked": (lambda x, h, *w: what(x, 0 * h, *w), "do not depend on the question"),
            "sums": (
                lambda x, h, *w: what(x * x.shape[2] * x.shape[3], h, *w),
                "so that a larger image asks alike",
            ),
            "linear": (
                lambda x, h, w_c, b_c, W_hc, w: (
                    (x.mean((2, 3))[..., None] * w_c + b_c + (h @ W_hc.T)[:, None]) @ w
                ).softmax(1),
                "takes it away",
            ),
            "rescaled": (lambda x, *w: x.shape[1] * what(x, *w), "belongs to (6)"),
            "no_grad": (torch.no_grad()(what), "`torch.no_grad()`"),
            "detached": (lambda x, h, *w: what(x, h.detach(), *w), "`.detach()`"),
            "shape": (lambda *x: what(*x)[:, :, None], "shape"),
        },
    ),
    "factors": Tried(
        right={
            "text": "49, 512, 25088",
            "list": [49, 512, 25_088],
            "floats": (49.0, 512.0, 25_088.0),
        },
        wrong={
            "sum": ((49, 512, 561), "multiply"),
            "near": ((49, 512, 25_063), "is close"),
            "order": ((49, 25_088, 512), "another order"),
            "open": ((49, ..., 25_088), "Still open: number 2"),
        },
    ),
    "moves": Tried(
        right={
            "text": {
                "ask another question": "α of S-C, β of S-C, α of C-S, β of C-S",
                "shuffle the positions, all channels alike": "α of S-C, α of C-S",
                "exchange two values of one channel": "α of S-C, β of S-C and α of C-S",
                "add 7 to every score of the positions": "none",
                "double w_α": "α of S-C, β of S-C, α of C-S",
                "double w_β": "β of S-C, α of C-S, β of C-S",
            },
            "names": {
                row: [label.replace("α", "alpha").replace("β", "beta") for label in labels]
                for row, labels in MOVES.truth.items()
            },
        },
        wrong={
            "list": (["α of S-C"], "A dictionary is expected"),
            "numbers": ({row: [1, 2] for row in MOVES.truth}, "is not a label"),
        },
    ),
    "tell": Tried(
        right={"sum": tell, "maps": tell_by_maps, "loops": tell_in_loops},
        wrong={
            "bare": (lambda x, a, b: tell(x, a, b) / x.shape[1] / a.shape[1], "as they are"),
            "no C": (lambda x, a, b: tell(x, a, b) / x.shape[1], "C times too small"),
            "no N": (lambda x, a, b: tell(x, a, b) / a.shape[1], "N times too small"),
            "N twice": (lambda x, a, b: tell(x, a, b) * a.shape[1], "the factor N twice"),
            "plain": (lambda x, a, b: x.shape[1] * b * x.mean((2, 3)), "depend on alpha"),
            "flat": (lambda x, a, b: tell(x, a, 0 * b + 1 / b.shape[1]), "depend on beta"),
            "columns": (
                lambda x, a, b: tell(x.mT, a, b),
                "goes along the rows",
            ),
        },
    ),
    "pull": Tried(
        right={"softmax": pull, "jacobian": pull_in_loops, "einsum": pull_by_einsum},
        wrong={
            "free": (lambda v, b, d: v.shape[1] * b * v * d, "the others lose"),
            "no C": (lambda v, b, d: pull(v, b, d) / v.shape[1], "has the factor C"),
            "no v": (lambda v, b, d: pull(torch.ones_like(v), b, d), "v is missing"),
            "no beta": (
                lambda v, b, d: v.shape[1] * (v * d - (b * v * d).sum(1, keepdim=True)),
                "hardly hears",
            ),
            "plain": (
                lambda v, b, d: v.shape[1] * b * (v * d - (v * d).mean(1, keepdim=True)),
                "under its own",
            ),
            "autograd": (pull_by_autograd, "autograd"),
            "differences": (pull_by_differences, "as a difference of two values"),
            "v lost": (
                lambda v, b, d: v.shape[1] * b * (v * d - (b * d).sum(1, keepdim=True)),
                "the mean of d under beta",
            ),
            "batch": (
                lambda v, b, d: v.shape[1] * b * (v * d - (b * v * d).sum(0, keepdim=True)),
                "axis 0",
            ),
            "sum": (
                lambda v, b, d: v.shape[1] * b * (v * d - (v * d).sum(1, keepdim=True)),
                "the sum of v d",
            ),
            "diagonal": (lambda v, b, d: v.shape[1] * b * (1 - b) * v * d, "to its own score"),
            "squared": (lambda v, b, d: b * pull(v, b, d), "too many"),
        },
    ),
}
test_right_answers, test_wrong_answers = trials("channel_spatial/sca_cnn", TRIED)


class _Added(torch.nn.Module):
    """A layer that adds a constant to what another one gives."""

    def __init__(self, inner, constant):
        super().__init__()
        self.inner, self.constant = inner, constant

    def forward(self, x):
        return self.inner(x) + self.constant


def test_the_table_is_what_the_blocks_do():
    """Every row of the table, by changing the blocks or what they get."""

    def randn(*shape):
        return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    x, h = randn(2, 4, 2, 3), randn(2, 3)
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    exchanged = x.clone()
    exchanged[:, 1, 0, 0], exchanged[:, 1, 1, 2] = x[:, 1, 1, 2], x[:, 1, 0, 0]
    given = {
        "ask another question": (x, h + 1),
        "shuffle the positions, all channels alike": (x.flatten(2)[:, :, order].view_as(x), h),
        "exchange two values of one channel": (exchanged, h),
    }
    changes = {
        "add 7 to every score of the positions": lambda m: setattr(
            m.where, "score", _Added(m.where.score, 7.0)
        ),
        "double w_α": lambda m: m.where.score.weight.data.mul_(2),
        "double w_β": lambda m: m.what.score.weight.data.mul_(2),
    }
    assert given.keys() | changes.keys() == MOVES.truth.keys()
    for name, truth in MOVES.truth.items():
        found = set()
        for order_of, title in (("SC", "S-C"), ("CS", "C-S")):
            arguments = {"channels": 4, "hidden": 5, "state": 3, "order": order_of}
            plain = built(SpatialChannelAttention, arguments)
            other = built(SpatialChannelAttention, arguments)
            changes.get(name, lambda m: None)(other)
            after = other.g(*given.get(name, (x, h)))
            for letter, one, two in zip("αβ", plain.g(x, h), after, strict=True):
                if not torch.allclose(one, two):
                    found.add(f"{letter} of {title}")
        assert found == truth, name


def test_the_pull_is_what_autograd_finds():
    v, beta, d = torch.randn(3, 3, 5, dtype=torch.float64)
    beta = beta.softmax(1)
    torch.testing.assert_close(pull(v, beta, d), pull_by_autograd(v, beta, d))


def test_the_divisors_are_those_of_the_text():
    torch.testing.assert_close(torch.tensor(FACTORS.truth()), torch.tensor([49.0, 512.0, 25088.0]))


def test_the_chapter_has_its_five():
    assert [e.name for e in EXERCISES] == ["what", "factors", "moves", "tell", "pull"]
