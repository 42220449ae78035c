"""Answers to the exercises on RSTAN, and what the exercises claim, computed."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F

from attncourse.exercises.spatial_temporal.rstan import EXERCISES, SHARES, WHAT_MOVES
from attncourse.spatial_temporal import RecurrentSpatialTemporal
from tests.contract.specimen import built
from tests.exercises.answers import Tried, trials


def places(x, h, W_x, W_h, v):
    hidden = torch.tanh(F.linear(x, W_x) + F.linear(h, W_h).unsqueeze(1).unsqueeze(1))
    return torch.softmax(F.linear(hidden, v[None]).squeeze(-1), dim=-1)


def places_by_einsum(x, h, W_x, W_h, v):
    hidden = (
        torch.einsum("btnc,ac->btna", x, W_x) + torch.einsum("bd,ad->ba", h, W_h)[:, None, None]
    )
    e = torch.einsum("btna,a->btn", hidden.tanh(), v)
    e = (e - e.amax(dim=2, keepdim=True)).exp()
    return e / e.sum(dim=2, keepdim=True)


def places_together(x, h, W_x, W_h, v):
    """One matrix on place and state, side by side, and frames folded into the batch."""
    b, t, n, _ = x.shape
    both = torch.cat([x, h[:, None, None].expand(b, t, n, -1)], dim=3).flatten(0, 1)
    e = torch.tanh(both @ torch.cat([W_x, W_h], dim=1).T) @ v
    return (e - e.logsumexp(dim=1, keepdim=True)).exp().view(b, t, n)


def read(x, alpha, gamma):
    omega = gamma.unsqueeze(-1) * alpha
    return (omega.flatten(1)[:, None] @ x.flatten(1, 2))[:, 0]


def read_in_loops(x, alpha, gamma):
    clips = []
    for clip, a, g in zip(x, alpha, gamma, strict=True):
        clips.append(sum(g[t] * (a[t] @ clip[t]) for t in range(len(g))))
    return torch.stack(clips)


def read_by_matmul(x, alpha, gamma):
    u = (alpha[:, :, None] @ x).squeeze(2)
    return (gamma[:, None] @ u).squeeze(1)


def shares_by_exp(e):
    powers = (e - e.amax(dim=(1, 2), keepdim=True)).exp()
    return powers.sum(2) / powers.sum((1, 2))[:, None]


def shares_by_ratio(e):
    """The single softmax over alpha, at each frame's best place."""
    whole, own = e.flatten(1).softmax(1).view_as(e), e.softmax(2)
    best = e.argmax(2, keepdim=True)
    return (whole.gather(2, best) / own.gather(2, best))[..., 0]


def shares_by_logs(e):
    frames = torch.logsumexp(e, -1)
    return torch.exp(frames - torch.logsumexp(frames, -1, keepdim=True))


def pull(x, alpha, gamma, d):
    g = gamma[..., None] * torch.einsum("btnc,bc->btn", x, d)
    return alpha * (g - (alpha * g).sum(-1, keepdim=True))


def pull_in_loops(x, alpha, gamma, d):
    rows = torch.zeros_like(alpha)
    for b in range(len(x)):
        for t in range(x.shape[1]):
            jacobian = torch.diag(alpha[b, t]) - torch.outer(alpha[b, t], alpha[b, t])
            rows[b, t] = gamma[b, t] * (jacobian @ (x[b, t] @ d[b]))
    return rows


def pull_by_autograd(x, alpha, gamma, d):
    e = alpha.log().requires_grad_()
    z = (gamma[..., None, None] * e.softmax(2)[..., None] * x).sum((1, 2))
    return torch.autograd.grad(z, e, d)[0]


def hidden(x, h, W_x, W_h):
    return x @ W_x.T + (h @ W_h.T)[:, None, None]


ONE, CLIP = "add 7 to every place score of one frame", "add 7 to every place score of the clip"


def moves(rows):
    """The table with some rows answered otherwise."""
    return {**WHAT_MOVES.truth, **rows}


TRIED = {
    "places": Tried(
        right={"layers": places, "einsum": places_by_einsum, "together": places_together},
        wrong={
            "frames": (
                lambda x, h, W_x, W_h, v: (torch.tanh(hidden(x, h, W_x, W_h)) @ v).softmax(1),
                "over the frames",
            ),
            "batch": (
                lambda x, h, W_x, W_h, v: (torch.tanh(hidden(x, h, W_x, W_h)) @ v).softmax(0),
                "over the batch",
            ),
            "flat": (
                lambda x, h, W_x, W_h, v: (torch.tanh(hidden(x, h, W_x, W_h)) @ v)
                .flatten(1).softmax(1).view(x.shape[:3]),
                "That is the flat form, equation (11)",
            ),
            "relu": (
                lambda x, h, W_x, W_h, v: (torch.relu(hidden(x, h, W_x, W_h)) @ v).softmax(2),
                "a ReLU",
            ),
            "linear": (
                lambda x, h, W_x, W_h, v: (hidden(x, h, W_x, W_h) @ v).softmax(2),
                "every step looks at the same places",
            ),
            "two bends": (
                lambda x, h, W_x, W_h, v: (
                    (torch.tanh(x @ W_x.T) + torch.tanh(h @ W_h.T)[:, None, None]) @ v
                ).softmax(2),
                "one tanh around the sum",
            ),
            "sigmoid": (
                lambda x, h, W_x, W_h, v: (torch.sigmoid(hidden(x, h, W_x, W_h)) @ v).softmax(2),
                "a sigmoid there",
            ),
            "product": (
                lambda x, h, W_x, W_h, v: (
                    torch.tanh((x @ W_x.T) * (h @ W_h.T)[:, None, None]) @ v
                ).softmax(2),
                "adds the two",
            ),
            "scores": (
                lambda x, h, W_x, W_h, v: torch.tanh(hidden(x, h, W_x, W_h)) @ v, "bare scores"),
            "no_grad": (torch.no_grad()(places), "`torch.no_grad()`"),
            "detached": (lambda x, h, *w: places(x, h.detach(), *w), "`.detach()`"),
            "shape": (lambda *a: places(*a).flatten(1), "shape"),
        },
    ),
    "read": Tried(
        right={"one sum": read, "loops": read_in_loops, "matmul": read_by_matmul},
        wrong={
            "even frames": (lambda x, a, g: (a[..., None] * x).sum(2).mean(1), "weight gamma"),
            "even places": (lambda x, a, g: (g[..., None] * x.mean(2)).sum(1), "weight alpha"),
            "best place": (
                lambda x, a, g: read(x, F.one_hot(a.argmax(2), a.shape[2]).to(a), g),
                "In each frame you read the one place",
            ),
            "mean": (lambda x, a, g: read(x, a, g) / x.shape[1], "once more"),
            "negative": (lambda *a: -read(*a), "exactly the negative"),
            "frames": (lambda x, a, g: (a[..., None] * x).sum(2), "shape"),
            "first": (
                lambda x, a, g: torch.cat([read(x, a, g)[:1], 0 * read(x, a, g)[1:]]), "first"),
            "detached": (lambda x, a, g: read(x, a.detach(), g), "`.detach()`"),
        },
    ),
    "shares": Tried(
        right={"text": "0.466, 0.145, 0.697", "list": [0.466, 0.145, 0.697],
               "floats": (0.46618, 0.14501, 0.69663), "long": "0.4662, 0.1450, 0.6966"},
        wrong={
            "order": ((0.145, 0.466, 0.697), "another order"),
            "open": ((0.466, ..., 0.697), "Still open: number 2"),
            "two decimals": ((0.47, 0.15, 0.70), "asks for three"),
            "cut off": ((0.47, 0.14, 0.70), "asks for three"),
            "one short": ((0.466, 0.14, 0.697), "asks for three"),
            "no frames": ((0.466, 0.87, 0.697), "multiplied by the weight of its frame"),
            "ratio": ((1.0, 0.1667, 1.0), "divides their exponentials"),
        },
    ),
    "what_moves": Tried(
        right={
            "text": {
                "add 7 to every place score of one frame": "flat: frames",
                "add 7 to every place score of the clip": "none",
                "double v": "two: places, two: frames, flat: places, flat: frames",
                "double w": "two: frames",
                "double W_h": (),
            },
            "no colons": moves(
                {ONE: "flat frames", "double w": ("two frames",)},
            ),
        },
        wrong={
            "list": (["two: places"], "A dictionary is expected"),
            "one frame, flat places": (moves({ONE: ("flat: places",)}), "its α stays"),
            "one frame, none": (moves({ONE: ()}), "takes from the others"),
            "one frame, heard": (moves({ONE: ("two: frames", "flat: frames")}), "changes nothing"),
            "clip, two frames": (moves({CLIP: "two: frames"}), "changes nothing"),
            "clip, places": (moves({CLIP: ("two: places", "flat: places")}), "e⁷ stands above"),
            "v, none": (moves({"double v": ()}), "differences of scores twice"),
            "v, no frames": (
                moves({"double v": ("two: places", "flat: places", "flat: frames")}), "another uₜ"),
            "v, two alone": (moves({"double v": ("two: places", "two: frames")}), "it has v"),
            "v, no flat frames": (
                moves({"double v": ("two: places", "two: frames", "flat: places")}),
                "make other totals"),
            "w, flat": (moves({"double w": ("two: frames", "flat: frames")}), "no w in it"),
            "w, places": (moves({"double w": ("two: places", "two: frames")}), "comes after"),
            "W_h, flat frames": (moves({"double W_h": "flat: frames"}), "The second step"),
        },
    ),
    "frame_shares": Tried(
        right={"exp": shares_by_exp, "ratio": shares_by_ratio, "logs": shares_by_logs},
        wrong={
            "max": (lambda e: e.amax(2).softmax(1), "largest scores"),
            "mean": (lambda e: e.mean(2).softmax(1), "mean scores"),
            "sum": (lambda e: e.sum(2).softmax(1), "sums of their scores"),
            "even": (lambda e: torch.full_like(e[..., 0], 1 / e.shape[1]), "says nothing"),
            "bare": (lambda e: e.logsumexp(2), "These are frame scores"),
            "overflow": (lambda e: e.exp().sum(2) / e.exp().sum((1, 2))[:, None], "infinite"),
            "places": (lambda e: e.flatten(1).softmax(1).view_as(e), "the single softmax itself"),
        },
    ),
    "pull": Tried(
        right={"softmax": pull, "loops": pull_in_loops},
        wrong={
            "free": (
                lambda x, a, g, d: g[..., None] * a * (x @ d[:, None, :, None])[..., 0],
                "other places of its frame lose",
            ),
            "no gamma": (lambda x, a, g, d: pull(x, a, torch.ones_like(g), d), "multiply by gamma"),
            "flat": (
                lambda x, a, g, d: g[..., None] * a * (
                    (x - read(x, a, g)[:, None, None]) @ d[:, None, :, None])[..., 0],
                "what the whole clip gives",
            ),
            "gamma twice": (lambda x, a, g, d: pull(x, a, g**2, d), "by gamma twice"),
            "half": (lambda *a: pull(*a) / 2, "1/2 times the expected"),
            "autograd": (pull_by_autograd, "autograd"),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial_temporal/rstan", TRIED)


class _Added(torch.nn.Module):
    """A layer that adds to what another one gives, at every place or at those of one frame."""

    def __init__(self, inner, added):
        super().__init__()
        self.inner, self.added = inner, added

    def forward(self, x):
        return self.inner(x) + self.added


def test_the_table_is_what_the_networks_do():
    """Every row of the table, by changing a network that way."""
    x = torch.randn(2, 3, 4, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    one = torch.zeros(4, 1, 1, dtype=torch.float64)
    one[2] = 7

    def double(name):
        return lambda m: hasattr(m, name) and getattr(m, name).weight.data.mul_(2)

    changes = {
        "add 7 to every place score of one frame": lambda m: setattr(
            m, "score", _Added(m.score, one)
        ),
        "add 7 to every place score of the clip": lambda m: setattr(m, "score", _Added(m.score, 7)),
        "double v": double("score"),
        "double w": double("frame_score"),
        "double W_h": lambda m: (double("query")(m), double("frame_query")(m)),
    }
    assert changes.keys() == WHAT_MOVES.truth.keys()
    for name, change in changes.items():
        found = set()
        for kind in ("two", "flat"):
            arguments = {"channels": 3, "classes": 4, "steps": 1, "hidden": 5, "width": 4}
            plain, other = (
                built(RecurrentSpatialTemporal, arguments, flat=kind == "flat") for _ in range(2)
            )
            change(other)
            for what, before, after in zip(
                ("places", "frames"), plain.g(x), other.g(x), strict=True
            ):
                if not torch.allclose(before, after):
                    found.add(f"{kind}: {what}")
        assert found == WHAT_MOVES.truth[name], name


def test_a_table_names_no_mistake_that_was_not_made():
    """Nobody who leaves a row empty is told of another one's half of it."""
    empty = WHAT_MOVES.check(moves({"double v": ()})).message
    assert "uₜ" not in empty
    for row in WHAT_MOVES.truth:
        for entry in map(frozenset, itertools.product(*[(a, None) for a in WHAT_MOVES.labels])):
            labels = entry - {None}
            if labels != WHAT_MOVES.truth[row]:
                said = WHAT_MOVES.check(moves({row: labels})).message
                assert said.count("This looks like") <= 1
                first, _, second = said.partition(" And ")
                assert not second or second.split(":")[0] not in first


def test_the_pull_is_what_autograd_finds():
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64)  # noqa: E731
    x, e, gamma, d = draw(2, 3, 4, 5), draw(2, 3, 4), draw(2, 3).softmax(1), draw(2, 5)
    wanted = pull_by_autograd(x, e.softmax(2), gamma, d)
    torch.testing.assert_close(pull(x, e.softmax(2), gamma, d), wanted)


def test_the_shares_are_those_of_the_text():
    torch.testing.assert_close(
        torch.tensor(SHARES.truth()), torch.tensor([0.4662, 0.1450, 0.6967]), atol=1e-4, rtol=0
    )


def test_the_chapter_has_its_six():
    assert [exercise.name for exercise in EXERCISES] == [
        "places", "read", "shares", "what_moves", "frame_shares", "pull"
    ]  # fmt: skip
