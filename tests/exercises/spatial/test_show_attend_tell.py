"""Answers to the exercises on hard and soft attention, and what the exercises claim, computed."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attncourse.exercises.spatial.show_attend_tell import EXERCISES, PENALTY, WHAT_MOVES
from attncourse.spatial import ShowAttendTell
from tests.contract.specimen import built
from tests.exercises.answers import Tried, less_the_mean, trials


def attend(a, h, W_a, W_h, v):
    hidden = torch.tanh(F.linear(a, W_a) + F.linear(h, W_h).unsqueeze(1))
    return torch.softmax(F.linear(hidden, v[None]).squeeze(-1), dim=-1)


def attend_by_einsum(a, h, W_a, W_h, v):
    hidden = torch.einsum("bnc,kc->bnk", a, W_a) + torch.einsum("bd,kd->bk", h, W_h)[:, None, :]
    e = torch.einsum("bnk,k->bn", hidden.tanh(), v)
    e = (e - e.max(dim=1, keepdim=True).values).exp()
    return e / e.sum(dim=1, keepdim=True)


def attend_together(a, h, W_a, W_h, v):
    """One matrix on annotation and state, side by side."""
    both = torch.cat([a, h[:, None].expand(-1, a.shape[1], -1)], dim=2)
    e = torch.tanh(both @ torch.cat([W_a, W_h], dim=1).T) @ v
    return (e - e.logsumexp(dim=1, keepdim=True)).exp()


def pull(a, alpha, d):
    g = (a * d[:, None]).sum(-1)
    return alpha * (g - (alpha * g).sum(-1, keepdim=True))


def pull_in_loops(a, alpha, d):
    rows = []
    for notes, weights, direction in zip(a, alpha, d, strict=True):
        jacobian = torch.diag(weights) - torch.outer(weights, weights)
        rows.append(jacobian @ (notes @ direction))
    return torch.stack(rows)


def pull_by_autograd(a, alpha, d):
    e = alpha.log().requires_grad_()
    return torch.autograd.grad((e.softmax(1)[:, :, None] * a).sum(1), e, d)[0]


def estimate(e, drawn, rewards, guess):
    credit = rewards.flip(0).cumsum(0).flip(0) - guess
    return credit[:, None] * (F.one_hot(drawn, e.shape[1]) - e.softmax(1))


def estimate_in_loops(e, drawn, rewards, guess):
    rows = []
    for t in range(len(e)):
        credit = sum(rewards[u] for u in range(t, len(e))) - guess[t]
        row = -credit * e[t].softmax(0)
        row[drawn[t]] += credit
        rows.append(row)
    return torch.stack(rows)


TRIED = {
    "attend": Tried(
        right={"layers": attend, "einsum": attend_by_einsum, "together": attend_together},
        wrong={
            "batch": (
                lambda a, h, W_a, W_h, v: (torch.tanh(a @ W_a.T + (h @ W_h.T)[:, None]) @ v)
                .softmax(0),
                "over the batch",
            ),
            "mean": (
                lambda a, h, W_a, W_h, v: less_the_mean(
                    torch.tanh(a @ W_a.T + (h @ W_h.T)[:, None]) @ v, 1
                ),
                "NaN",
            ),
            "relu": (
                lambda a, h, W_a, W_h, v: (torch.relu(a @ W_a.T + (h @ W_h.T)[:, None]) @ v)
                .softmax(1),
                "a ReLU",
            ),
            "linear": (
                lambda a, h, W_a, W_h, v: ((a @ W_a.T + (h @ W_h.T)[:, None]) @ v).softmax(1),
                "all words look at the same place",
            ),
            "two bends": (
                lambda a, h, W_a, W_h, v: (
                    (torch.tanh(a @ W_a.T) + torch.tanh(h @ W_h.T)[:, None]) @ v
                ).softmax(1),
                "one tanh around the sum",
            ),
            "no_grad": (torch.no_grad()(attend), "`torch.no_grad()`"),
            "detached": (lambda a, h, *w: attend(a, h.detach(), *w), "`.detach()`"),
            "shape": (lambda *x: attend(*x)[:, :, None], "shape"),
        },
    ),
    "penalty": Tried(
        right={"text": "9, 12, 24", "list": [9, 12, 24], "floats": (9.0, 12.0, 24.0)},
        wrong={
            "order": ((12, 9, 24), "another order"),
            "open": ((9, ..., 24), "Still open: number 2"),
            "mean": ((0.5625, 0.75, 1.5), "16 times smaller"),
        },
    ),
    "what_moves": Tried(
        right={
            "text": {
                "shuffle the positions": "soft map, hard map",
                "add 7 to every score": "none",
                "double v": "soft map and soft words",
                "turn the sign of v": "soft map, soft words, hard map, hard words",
            }
        },
        wrong={"list": (["soft map"], "A dictionary is expected")},
    ),
    "estimate": Tried(
        right={"one-hot": estimate, "loops": estimate_in_loops,
               "no_grad": torch.no_grad()(estimate)},
        wrong={
            "one sign": (lambda e, s, r, b: estimate(e, s, r.abs(), b), "differ"),
            "negative": (lambda *x: -estimate(*x), "exactly the negative"),
            "alone": (
                lambda e, s, r, b: (r - b)[:, None] * (F.one_hot(s, e.shape[1]) - e.softmax(1)),
                "all later words",
            ),
            "guesses": (
                lambda e, s, r, b: estimate(e, s, r - b, 0 * b), "one of the reward to go"),
            "later": (lambda e, s, r, b: estimate(e, s, r, b + r), "begins with that word's"),
            "words": (
                lambda e, s, r, b: (r.flip(0).cumsum(0).flip(0) - b)[:, None]
                * (F.one_hot(s, e.shape[1]) - e.softmax(0)),
                "a map of its own",
            ),
            "summed": (lambda *x: estimate(*x).sum(0), "shape"),
        },
    ),
    "pull": Tried(
        right={"softmax": pull, "jacobian": pull_in_loops},
        wrong={
            "free": (
                lambda a, alpha, d: alpha * (a @ d[:, :, None])[:, :, 0], "the others lose"),
            "half": (lambda *x: pull(*x) / 2, "1/2 times the expected"),
            "autograd": (pull_by_autograd, "autograd"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/show_attend_tell", TRIED)


class _Added(torch.nn.Module):
    """A layer that adds a constant to what another one gives."""

    def __init__(self, inner, constant):
        super().__init__()
        self.inner, self.constant = inner, constant

    def forward(self, x):
        return self.inner(x) + self.constant


def test_the_table_is_what_the_decoder_does():
    """Every row of the table, by changing a decoder that way."""
    x = torch.randn(2, 3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    arguments = {"channels": 3, "words": 4, "steps": 2, "hidden": 5, "width": 4, "embed": 3}
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    changes = {
        "shuffle the positions": lambda m: None,
        "add 7 to every score": lambda m: setattr(m, "score", _Added(m.score, 7.0)),
        "double v": lambda m: m.score.weight.data.mul_(2),
        "turn the sign of v": lambda m: m.score.weight.data.neg_(),
    }
    assert changes.keys() == WHAT_MOVES.truth.keys()
    for name, change in changes.items():
        found = set()
        for kind in ("soft", "hard"):
            plain = built(ShowAttendTell, arguments, hard=kind == "hard")
            other = built(ShowAttendTell, arguments, hard=kind == "hard")
            change(other)
            given = x.flatten(2)[:, :, order].view_as(x) if "shuffle" in name else x
            if not torch.allclose(other.g(given), plain.g(x)):
                found.add(f"{kind} map")
            if not torch.allclose(other(given), plain(x)):
                found.add(f"{kind} words")
        assert found == WHAT_MOVES.truth[name], name


def test_the_pull_is_what_autograd_finds():
    a, e, d = (torch.randn(*s, dtype=torch.float64) for s in ((3, 5, 4), (3, 5), (3, 4)))
    e.requires_grad_()
    context = (e.softmax(1)[:, :, None] * a).sum(1)
    (wanted,) = torch.autograd.grad(context, e, d)
    torch.testing.assert_close(pull(a, e.softmax(1).detach(), d), wanted)


def test_the_penalties_are_those_of_the_text():
    assert PENALTY.truth() == (9.0, 12.0, 24.0)


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "attend", "penalty", "what_moves", "estimate", "pull"
    ]  # fmt: skip
