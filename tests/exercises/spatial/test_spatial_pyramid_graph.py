"""Answers to the exercises on graph reasoning, and what they claim, computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.exercises.spatial.spatial_pyramid_graph import (
    EXERCISES,
    LISTING,
    MULTIPLIED,
    SPECTRUM,
)
from attncourse.measure import count_macs
from attncourse.spatial.spatial_pyramid_graph import balanced, smoothed
from tests.exercises.answers import Tried, trials


def by_factors(phi, lam, x):
    d = (lam * phi.sum(dim=2))[:, None] @ phi
    p = phi / d.sqrt()
    return x - ((x @ p.mT) * lam[:, None]) @ p


def by_einsum(phi, lam, x):
    d = torch.einsum("bmi,bm,bmj->bi", phi, lam, phi)
    read = torch.einsum("bcj,bmj,bj->bcm", x, phi, d.rsqrt())
    return x - torch.einsum("bcm,bm,bmi,bi->bci", read, lam, phi, d.rsqrt())


def written_out(phi, lam, x):
    a = torch.einsum("bmi,bm,bmj->bij", phi, lam, phi)
    root = a.sum(dim=2).rsqrt()
    return x - x @ (root[:, :, None] * a * root[:, None])


def with_epsilon(phi, lam, x):
    p = balanced(phi, lam)
    return x - smoothed(x, p, lam)


def unbalanced(phi, lam, x):
    a = torch.einsum("bmi,bm,bmj->bij", phi, lam, phi)
    return x @ (torch.diag_embed(a.sum(dim=2)) - a)


def without_loops(phi, lam, x):
    a = torch.einsum("bmi,bm,bmj->bij", phi, lam, phi)
    a = a * (1 - torch.eye(a.shape[1], dtype=a.dtype))
    root = a.sum(dim=2).rsqrt()
    return x - x @ (root[:, :, None] * a * root[:, None])


def own_degree_lost(phi, lam, x):
    d = (lam * phi.sum(dim=2))[:, None] @ phi - (lam[:, :, None] * phi**2).sum(1, keepdim=True)
    p = phi / d.sqrt()
    return x - ((x @ p.mT) * lam[:, None]) @ p


def lambda_squared(phi, lam, x):
    d = (lam * phi.sum(dim=2))[:, None] @ phi
    p = phi / d.sqrt() * lam[:, :, None]
    return x - (x @ p.mT) @ p


def by_matrices(phi, lam, x):
    found = []
    for f, each, v in zip(phi, lam, x, strict=True):
        a = f.T @ torch.diag(each) @ f
        root = torch.diag(a.sum(dim=1) ** -0.5)
        found.append(v @ (torch.eye(f.shape[1], dtype=f.dtype) - root @ a @ root))
    return torch.stack(found)


def by_bmm(phi, lam, x):
    total = torch.bmm(lam[:, None] * phi.sum(dim=2)[:, None], phi)
    p = phi * total.rsqrt()
    return torch.baddbmm(x, torch.bmm(x, (lam[:, :, None] * p).mT), p, alpha=-1)


def in_single(kind):
    flat = kind.flatten(1)
    n = F.one_hot(flat).sum(dim=1).gather(1, flat)
    return (1 / 3 / (1 / 3 + 2.25 / n)).mean()


def kinds_alike_in_each_image(kind):
    found = []
    for image in kind:
        n = image.unique(return_counts=True)[1].double()
        found.append((1 / 3 / (1 / 3 + 2.25 / n)).mean())
    return torch.stack(found).mean()


def by_gather(kind):
    flat = kind.flatten(1)
    n = F.one_hot(flat).sum(dim=1).gather(1, flat).double()
    return (1 / 3 / (1 / 3 + 2.25 / n)).mean()


def by_pairs(kind):
    flat = kind.flatten(1)
    n = (flat[:, :, None] == flat[:, None]).sum(dim=2)
    return (n / (n + 6.75)).double().mean()


def by_loops(kind):
    found = []
    for image in kind:
        for k in image.flatten():
            n = (image == k).sum().double()
            found.append(1 / (1 + 6.75 / n))
    return torch.stack(found).mean()


TRIED = {
    "apply_laplacian": Tried(
        right={"factors": by_factors, "einsum": by_einsum, "batched": by_bmm},
        wrong={
            "detached": (lambda phi, lam, x: by_factors(phi.detach(), lam, x), "`.detach()`"),
            "no_grad": (torch.no_grad()(by_factors), "`torch.no_grad()`"),
            "negative": (lambda phi, lam, x: -by_factors(phi, lam, x), "exactly the negative"),
            "twice": (lambda phi, lam, x: 2 * by_factors(phi, lam, x), "2"),
            "common": (lambda phi, lam, x: x - by_factors(phi, lam, x), "x S"),
            "plus": (lambda phi, lam, x: 2 * x - by_factors(phi, lam, x), "add what is common"),
            "written out": (written_out, "larger than"),
            "matrix by matrix": (by_matrices, "larger than"),
            "epsilon": (with_epsilon, "an epsilon"),
            "D - A": (unbalanced, "D - A"),
            "no loops": (without_loops, "edge to itself"),
            "own degree lost": (own_degree_lost, "edge to itself"),
            "lambda squared": (lambda_squared, "Yours is squared"),
        },
    ),
    "spectrum": Tried(
        right={"text": "0, 1, 8", "list": [0.0, 1.0, 8], "tuple": (0, 1, 8)},
        wrong={"open": ((0, ..., 8), "Still open"), "order": ((1, 0, 8), "another order")},
    ),
    "kind_line": Tried(
        right={
            "gather": by_gather,
            "pairs": by_pairs,
            "loops": by_loops,
            "single precision": in_single,
            "a Python number": lambda kind: by_gather(kind).item(),
        },
        wrong={
            "twice": (lambda kind: 2 * by_gather(kind), "2"),
            "shares": (
                lambda kind: F.one_hot(kind.flatten(1)).double().mean(dim=1).square().sum(1).mean(),
                "squared shares",
            ),
            "each": (lambda kind: by_gather(kind).expand(3), "One number is expected"),
            "kinds alike": (kinds_alike_in_each_image, "average over kinds"),
        },
    ),
    "multiplied": Tried(
        right={"text": "84.9, 81", "list": [84.93, 81.0]},
        wrong={
            "open": ((84.9, ...), "Still open"),
            "near": ((84.93, 80.5), "number 2: 80.5 is close, and too small"),
            "order": ((81.0, 84.93), "another order"),
            "not in millions": ((84_934_656, 81), "in millions"),
        },
    ),
    "scrambled": Tried(right={"number": 3, "text": "line 3"}, wrong={"five": ("e", "root")}),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial/spatial_pyramid_graph", TRIED)


def test_the_listing_goes_wrong_in_one_line():
    x = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(2)).double()
    torch.manual_seed(0)
    compare, decide = nn.Conv2d(5, 3, 1).double(), nn.Linear(5, 3).double()
    nn.init.constant_(compare.bias, 2.0)
    given = {"compare": compare, "decide": decide, "relu": F.relu, "sigmoid": torch.sigmoid}
    phi = F.relu(compare(x)).flatten(2)
    lam = torch.sigmoid(decide(x.mean(dim=(2, 3))))
    wanted = smoothed(x.flatten(2), balanced(phi, lam, 0.0), lam).mT
    lines = LISTING.splitlines()
    mended = [*lines[:2], "rows = phi.flatten(2).mT", *lines[3:]]
    for body, right in ((lines, False), (mended, True)):
        scope = given | {"x": x, "b": 2, "h": 3, "w": 4, "m": 3}
        exec("\n".join(body), scope)
        assert torch.allclose(scope["common"], wanted, atol=1e-10) == right


def test_the_spectrum_is_computed():
    phi = torch.rand(1, 4, 12, generator=torch.Generator().manual_seed(0)).double()
    lam = torch.rand(1, 4, generator=torch.Generator().manual_seed(1)).double()
    p = balanced(phi, lam, 0.0)[0]
    values = torch.linalg.eigvalsh(torch.eye(12).double() - (p * lam[0][:, None]).T @ p)
    found = (float(values[0]), float(values[-1]), int((values > 1 - 1e-9).sum()))
    assert found == pytest.approx(SPECTRUM.truth(), abs=1e-9)


def test_what_the_brackets_save_is_counted():
    n, m, c = 60, 3, 5
    x, p = torch.randn(1, c, n), torch.randn(1, m, n)
    dear = count_macs(lambda: x @ (p.mT @ p))
    cheap = count_macs(lambda: (x @ p.mT) @ p)
    assert dear / cheap == pytest.approx(n * (m + c) / (2 * m * c))
    assert MULTIPLIED.truth() == pytest.approx((84.93, 81.0), rel=1e-3)


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "apply_laplacian", "spectrum", "kind_line", "multiplied", "scrambled"
    ]  # fmt: skip
