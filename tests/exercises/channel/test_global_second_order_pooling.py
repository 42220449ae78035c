"""Answers to the exercises on GSoP, and what the exercises claim, computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attncourse.channel.global_second_order_pooling import centring, covariance, square_root
from attncourse.exercises.channel.global_second_order_pooling import EXERCISES, STEPS, WRONG_SIZE
from attncourse.tasks import seeded
from tests.exercises.answers import Tried, trials


def by_moments(z):
    mean = z.mean(dim=2)
    return z @ z.mT / z.shape[2] - mean[:, :, None] * mean[:, None]


def by_torch(z):
    return torch.stack([torch.cov(image, correction=0) for image in z])


def by_einsum(z):
    away = z - z.mean(-1, keepdim=True)
    return torch.einsum("bim,bjm->bij", away, away) / z.shape[-1]


def back(z, g):
    away = z - z.mean(dim=2, keepdim=True)
    return (g @ away + g.transpose(1, 2) @ away) / z.shape[2]


def back_by_a_matrix(z, g):
    return (g + g.mT) @ z @ centring(z.shape[2], dtype=z.dtype)


def rows_in_loops(rows, weight):
    found = [rows[:, i] @ weight[i].T for i in range(rows.shape[1])]
    return torch.cat(found, dim=1)


def rows_as_an_image(rows, weight):
    d, e, m = weight.shape
    image = rows[..., None]
    return F.conv2d(image, weight.reshape(d * e, 1, m, 1), groups=d).flatten(1)


TRIED = {
    "covariance": Tried(
        right={"moments": by_moments, "einsum": by_einsum},
        wrong={
            "loop": (by_torch, "more calls where axis 0"),
            "two": (lambda z: z @ z.mT, "two mistakes at once"),
            "detached": (lambda z: covariance(z.detach()), "`.detach()`"),
            "negative": (lambda z: -covariance(z), "exactly the negative"),
            "first": (lambda z: covariance(z[:1]).expand(len(z), -1, -1), "only the first item"),
            "list": (lambda z: covariance(z).tolist(), "a torch tensor"),
        },
    ),
    "way_back": Tried(
        right={"terms": back, "matrix": back_by_a_matrix},
        wrong={
            "negative": (lambda z, g: -back(z, g), "exactly the negative"),
            "two": (lambda z, g: (g + g.mT) @ z / 2 / z.shape[2], "two mistakes at once"),
            "transposed": (lambda z, g: back(z, g).mT, "`.mT`"),
        },
    ),
    "rows": Tried(
        right={"loops": rows_in_loops, "image": rows_as_an_image},
        wrong={
            "apart": (lambda r, w: torch.einsum("bdm,dem->bde", r, w), "shape"),
            "detached": (lambda r, w: rows_in_loops(r.detach(), w), "`.detach()`"),
            "negative": (lambda r, w: -rows_in_loops(r, w), "exactly the negative"),
        },
    ),
    "steps": Tried(
        right={"text": "6, 8, 9, 11", "list": [6, 8, 9, 11]},
        wrong={
            "order": ((6, 9, 8, 11), "another order"),
            "open": ((6, 8, ..., 11), "Still open: number 3"),
        },
    ),
    "wrong_size": Tried(
        right={"text": "1, -3, 255", "list": [1, -3, 255]},
        wrong={"close": ((1, -2, 255), "look again at number 2")},
    ),
}
test_right_answers, test_wrong_answers = trials("channel/global_second_order_pooling", TRIED)


@pytest.mark.parametrize("place", range(4))
def test_the_steps_are_those_of_the_iteration(place):
    size, condition = ((16, 0.0), (16, 2.0), (256, 0.0), (256, 2.0))[place]
    eigenvalues = torch.logspace(0, condition, size, dtype=torch.float64)
    errors = []
    for steps in (STEPS.truth()[place] - 1, STEPS.truth()[place]):
        found = square_root(eigenvalues.diag(), steps).diagonal()
        errors.append((found - eigenvalues.sqrt()).norm() / eigenvalues.sqrt().norm())
    assert errors[1] < 0.01 <= errors[0]


def test_the_wrong_size_is_what_the_eigenvalues_say():
    across, along, positive = WRONG_SIZE.truth()
    found = 64 * torch.linalg.eigvalsh(centring(256, 64, dtype=torch.float64))
    assert found.tolist() == pytest.approx([along] + 255 * [across])
    assert positive == 255


def test_a_variance_of_sums_holds_the_covariance():
    """The quiz's identity: 4 Cov(a, b) = Var(a + b) - Var(a - b)."""
    a, b = torch.randn(2, 30, dtype=torch.float64, generator=seeded(2))
    both = covariance(torch.stack([a, b, a + b, a - b])[None])[0]
    assert float(both[2, 2] - both[3, 3]) == pytest.approx(4 * float(both[0, 1]))


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "covariance", "way_back", "rows", "steps", "wrong_size"
    ]  # fmt: skip
