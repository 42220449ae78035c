"""Answers to the exercises on GCNet, and what the exercises claim, computed."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from attncourse.exercises.spatial.global_context import EXERCISES, LISTING, WHO_MOVES
from attncourse.spatial import GlobalContext, NonLocal
from attncourse.spatial.global_context import Transform
from attncourse.tasks import seeded
from tests.contract.specimen import built, opened
from tests.exercises.answers import Tried, less_the_mean, trials


def context(x, w_k):
    x = x.flatten(2)
    a = F.softmax((w_k[None, :, None] * x).sum(1), dim=-1)
    return (x * a.unsqueeze(1)).sum(-1)


def context_by_a_convolution(x, w_k):
    b, c, h, w = x.shape
    mask = F.conv2d(x, w_k.view(1, c, 1, 1)).view(b, 1, h * w).softmax(dim=2)
    return torch.matmul(x.view(b, c, h * w), mask.transpose(1, 2)).squeeze(-1)


def context_in_loops(x, w_k):
    rows = []
    for image in x:
        columns = image.flatten(1).T
        scores = torch.stack([w_k @ v for v in columns])
        terms = torch.exp(scores - scores.max())
        rows.append((terms[:, None] * columns).sum(dim=0) / terms.sum())
    return torch.stack(rows)


def slope(x, alpha, d):
    c = (x * alpha[:, None]).sum(dim=2, keepdim=True)
    return alpha * ((x - c) * d[:, :, None]).sum(dim=1)


def slope_of_pulls(x, alpha, d):
    pull = torch.einsum("bcn,bc->bn", x, d)
    return alpha * (pull - (alpha * pull).sum(dim=1, keepdim=True))


def context_by_powers(x, w):
    powers = (w @ x).exp()
    return (x * (powers / powers.sum(1, keepdim=True))[:, None]).sum(2)


def context_less_the_mean(x, w):
    x = x.flatten(2)
    return (x @ less_the_mean(w @ x, 1)[..., None])[..., 0]


TRIED = {
    "context": Tried(
        right={"steps": context, "mask": context_by_a_convolution, "loops": context_in_loops},
        wrong={
            "overflow": (
                lambda x, w: context_by_powers(x.flatten(2), w),
                "Subtract the largest score",
            ),
            "mean": (context_less_the_mean, "NaN"),
            "detached": (lambda x, w: context(x, w.detach()), "`.detach()`"),
            "no_grad": (torch.no_grad()(context), "`torch.no_grad()`"),
            "shape": (lambda x, w: context(x, w)[:, :, None, None], "shape"),
            "negative": (lambda x, w: -context(x, w), "exactly the negative"),
            "first": (lambda x, w: context(x[:1], w).expand(len(x), -1), "only the first item"),
        },
    ),
    "costs": Tried(
        right={"text": "4259840, 69632, 66048", "list": [4_259_840, 69_632, 66_048]},
        wrong={
            "order": ((69_632, 4_259_840, 66_048), "another order"),
            "open": ((4_259_840, ..., 66_048), "Still open: number 2"),
        },
    ),
    "who_moves": Tried(
        right={
            "text": {
                "add 1 to position 5": "GC, average and non-local",
                "exchange positions 4 and 5": "none",
                "exchange positions 1 and 5": ["non-local"],
                "add 1 to position 4 and take 1 from position 5": "non-local, GC",
                "add 7 to the bias of the scores, or of the keys": (),
                "double w_k, or the keys": ("GC", "non-local"),
            }
        },
        wrong={"list": (["average"], "A dictionary is expected")},
    ),
    "halved": Tried(right={"number": 4, "text": "line 4"}, wrong={"three": (3, "the identity")}),
    "score_gradient": Tried(
        right={"steps": slope, "pulls": slope_of_pulls},
        wrong={
            "negative": (lambda x, a, d: -slope(x, a, d), "exactly the negative"),
            "shape": (lambda x, a, d: slope(x, a, d)[:, None], "shape"),
        },
    ),
}
test_right_answers, test_wrong_answers = trials("spatial/global_context", TRIED)


def test_the_slope_is_what_autograd_finds():
    x, d = (torch.randn(2, 3, *n, dtype=torch.float64, generator=seeded(4)) for n in ((5,), ()))
    s = torch.randn(2, 5, dtype=torch.float64, generator=seeded(5)).requires_grad_()
    alpha = s.softmax(dim=1)
    torch.einsum("bcn,bn,bc->", x, alpha, d).backward()
    torch.testing.assert_close(slope(x, alpha.detach(), d), s.grad)


def changes(x):
    """The changes of the table to x of six positions, made; those of weights are made below."""
    made = {name: x.clone() for name in WHO_MOVES.truth}
    made["add 1 to position 5"][..., 4] += 1
    made["add 1 to position 4 and take 1 from position 5"][..., 3] += 1
    made["add 1 to position 4 and take 1 from position 5"][..., 4] -= 1
    for a, b in ((4, 5), (1, 5)):
        order = list(range(6))
        order[a - 1], order[b - 1] = order[b - 1], order[a - 1]
        made[f"exchange positions {a} and {b}"] = x[..., order]
    return made


def test_the_table_of_changes_is_what_the_blocks_do():
    x = torch.randn(1, 4, 1, 6, dtype=torch.float64, generator=seeded(1))
    forms = {
        "GC": built(GlobalContext, {"channels": 4, "reduction": 1}),
        "average": built(GlobalContext, {"channels": 4, "reduction": 1, "pooling": "average"}),
        "non-local": built(NonLocal, {"channels": 4, "norm": False}),
    }
    before = {name: (m(x) - x)[..., 0] for name, m in forms.items()}

    def moved(name, x):
        return (((forms[name](x) - x)[..., 0] - before[name]).abs() > 1e-9).any()

    asked = changes(x)
    for change in list(asked)[:4]:
        assert {n for n in forms if moved(n, asked[change])} == WHO_MOVES.truth[change], change
    weights = {"GC": forms["GC"].score, "non-local": forms["non-local"].pairwise.phi}
    for change, touch in (
        ("add 7 to the bias of the scores, or of the keys", lambda m: m.bias.add_(7)),
        ("double w_k, or the keys", lambda m: m.weight.mul_(2)),
    ):
        for layer in weights.values():
            with torch.no_grad():
                touch(layer)
        assert {n for n in forms if moved(n, x)} == WHO_MOVES.truth[change], change


def test_the_listing_halves_x_at_the_start():
    transform, score = Transform(4, 2), nn.Conv2d(4, 1, 1)
    x = torch.randn(2, 4, 3, 3, generator=seeded(2))
    scope = {"x": x, "score": score, "reduce": transform.reduce, "norm": transform.norm,
             "expand": transform.expand, "torch": torch}  # fmt: skip
    exec(LISTING.replace("return", "y ="), scope)
    torch.testing.assert_close(scope["y"], x / 2)
    opened(transform)
    exec(LISTING.replace("return", "y ="), scope)
    assert not torch.allclose(scope["y"], x / 2)


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "context", "costs", "who_moves", "halved", "score_gradient"
    ]  # fmt: skip
