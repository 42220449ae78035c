"""Answers to the exercises on SpSequenceNet, and what the exercises claim, computed."""

import torch
import torch.nn.functional as F

from attncourse.exercises.spatial_temporal.sp_sequence import EXERCISES, METRES, READS
from attncourse.exercises.spatial_temporal.sp_sequence.code import GATE, STOOD
from attncourse.spatial_temporal import CrossFrameGlobalAttention
from attncourse.spatial_temporal.sp_sequence import cone, interpolate, nearest
from attncourse.tasks.two_frames import APART, MOTION
from tests.exercises.answers import Tried, trials


def gate_textbook(p, w1, w2):
    return torch.sigmoid((w2 @ F.relu(w1 @ p)).mean(dim=-1))


def gate_rows(p, w1, w2):
    rows = p.transpose(1, 2)
    return F.linear(F.relu(F.linear(rows, w1)).mean(dim=1), w2).sigmoid()


def gate_convolved(p, w1, w2):
    hidden = F.conv1d(p, w1[:, :, None]).clamp(min=0)
    return 1 / (1 + torch.exp(-F.adaptive_avg_pool1d(F.conv1d(hidden, w2[..., None]), 1)[..., 0]))


def gate_loop(p, w1, w2):
    rows = []
    for scene in p:
        total = sum(w2 @ torch.relu(w1 @ point) for point in scene.T)
        rows.append(torch.sigmoid(total / scene.shape[1]))
    return torch.stack(rows)


def stood_cdist(now, before, p, k, radius):
    d, index = torch.cdist(now, before).topk(k, dim=2, largest=False)
    w = 0.5 - torch.clamp(d / (2 * radius), 0, 0.5)
    b = torch.arange(len(p))[:, None, None]
    return (w[..., None] * p.transpose(1, 2)[b, index]).sum(dim=2).transpose(1, 2)


def stood_sorted(now, before, p, k, radius):
    d = (now.unsqueeze(2) - before.unsqueeze(1)).pow(2).sum(-1).sqrt()
    index = d.argsort(dim=2)[..., :k]
    w = torch.relu(1 - d.gather(2, index) / radius) / 2
    dense = torch.zeros_like(d).scatter(2, index, w)
    return p @ dense.mT


def stood_loop(now, before, p, k, radius):
    scenes = []
    for a, b, features in zip(now, before, p, strict=True):
        columns = []
        for point in a:
            d = (b - point).norm(dim=1)
            q = 0
            for j in d.argsort()[:k]:
                q = q + (0.5 - (d[j] / (2 * radius)).clamp(max=0.5)) * features[:, j]
            columns.append(q)
        scenes.append(torch.stack(columns, dim=1))
    return torch.stack(scenes)


def stood_far(now, before, p, k, radius):
    d = torch.cdist(now, before)
    index = d.argsort(dim=2)[..., -k:]
    w = 0.5 - (d.gather(2, index) / (2 * radius)).clamp(max=0.5)
    return p @ torch.zeros_like(d).scatter(2, index, w).mT


def stood_softmax(now, before, p, k, radius):
    d, index = torch.cdist(now, before).topk(k, dim=2, largest=False)
    w = (0.5 - (d / (2 * radius)).clamp(max=0.5)).softmax(dim=2)
    return p @ torch.zeros(*d.shape[:2], p.shape[2], dtype=p.dtype).scatter(2, index, w).mT


def stood_inverse(now, before, p, k, radius):
    d, index = torch.cdist(now, before).topk(k, dim=2, largest=False)
    w = (1 / d) / (1 / d).sum(dim=2, keepdim=True)
    return p @ torch.zeros(*d.shape[:2], p.shape[2], dtype=p.dtype).scatter(2, index, w).mT


TRIED = {
    "gate": Tried(
        right={
            "textbook": gate_textbook, "rows": gate_rows, "convolved": gate_convolved,
            "loop": gate_loop,
        },
        wrong={
            "mean first": (
                lambda p, w1, w2: torch.sigmoid((w1 @ p.mean(2, keepdim=True)).relu().squeeze(2)
                                                @ w2.T),
                "mean of the points first",
            ),
            "sigmoid first": (
                lambda p, w1, w2: (w2 @ (w1 @ p).relu()).sigmoid().mean(2), "mean of sigmoids",
            ),
            "sum": (lambda p, w1, w2: (w2 @ (w1 @ p).relu()).sum(2).sigmoid(), "a sum over"),
            "second turned": (lambda p, a, b: gate_textbook(p, a, b.T), "second layer turned"),
            "swapped": (lambda p, a, b: gate_textbook(p, b, a), "other order"),
            "late ReLU": (
                lambda p, a, b: (b @ (a @ p).relu()).relu().mean(2).sigmoid(),
                "ReLU behind the second",
            ),
            "moved ReLU": (
                lambda p, a, b: (b @ (a @ p)).relu().mean(2).sigmoid(), "ReLU behind the second",
            ),
            "detached": (lambda p, *w: gate_textbook(p.detach(), *w), "`.detach()`"),
            "negative": (lambda *a: -gate_textbook(*a), "exactly the negative"),
            "twice": (
                lambda p, w1, w2: (w2 @ (w1 @ p)).mean(2), "two mistakes at once",
            ),
        },
    ),
    "stood": Tried(
        right={"cdist": stood_cdist, "sorted": stood_sorted, "loop": stood_loop},
        wrong={
            "normalised": (
                lambda *a: (stood_cdist(*a) / stood_cdist(*a[:2], torch.ones_like(a[2]), *a[3:])
                            .clamp(min=1e-6)),
                "divide the weights by their sum",
            ),
            "far": (stood_far, "farthest"),
            "half": (lambda n, b, p, k, r: stood_cdist(n, b, p, k, r / 2), "half of the radius"),
            "full scale": (lambda n, b, p, k, r: 2 * stood_cdist(n, b, p, k, r), "twice as large"),
            "one": (lambda n, b, p, k, r: stood_cdist(n, b, p, 1, r), "one neighbour"),
            "softmax": (stood_softmax, "softmax over the neighbours"),
            "inverse": (stood_inverse, "one over the distance"),
            "mean": (lambda n, b, p, k, r: stood_cdist(n, b, p, k, r) / k, "k times too small"),
            "swapped": (lambda *a: stood_cdist(*a).mT, "order"),
            "negative": (lambda *a: -stood_cdist(*a), "exactly the negative"),
        },
    ),
    "ceilings": Tried(
        right={
            "numbers": (0.6875, 0.75, 0.875), "text": "11/16, 3/4, 7/8",
            "fractions": [11 / 16, 3 / 4, 7 / 8],
        },
        wrong={
            "coin": ((0.5625, 0.75, 0.875), "majority is right for three modes"),
            "two codes": ((0.75, 0.75, 0.875), "ceiling of two codes"),
            "off twice": ((0.6875, 0.625, 0.875), "only the new ones are lost"),
            "guessed": ((0.6875, 0.875, 0.875), "wrong in every new point"),
            "chapter": ((0.6875, 2 / 3, 0.875), "one of four"),
            "unused": ((0.6875, 0.75, 0.75), "settles one more"),
            "all": ((0.6875, 0.75, 1.0), "stays wrong"),
        },
    ),
    "metres": Tried(
        right={"numbers": (3.2, 51.2, 0.4375), "text": "3.2, 51.2, 0.4375",
               "computed": (0.05 * 64, 0.05 * 64 * 16, 7 / 16),
               "whole metres": (3.2, 51, 0.4375)},
        wrong={
            "six": ((0.3, 4.8, 0.4375), "2 six times"),
            "five": ((1.6, 25.6, 0.4375), "doubled five times"),
            "seven": ((6.4, 102.4, 0.4375), "doubled seven times"),
            "scale": ((3.2, 102.4, 0.4375), "half of that"),
            "radius": ((3.2, 51.2, 0.375), "twice the radius"),
            "one voxel": ((3.2, 51.2, 0.46875), "at one voxel"),
            "up to one": ((3.2, 51.2, 0.9375), "not one"),
            "first level": ((3.2, 0.8, 0.4375), "first level"),
        },
    ),
    "reads": Tried(
        right={
            "text": {
                "nearest point, weight 1/2": "mark",
                "cone that ends before the next cluster": "mark and absent",
                "the same, divided by the sum where it is not 0": ["mark", "absent"],
                "wide cone, not normalised": ("absent", "mark"),
                "one over the distance, normalised, k = 1": ("mark",),
                "mean over all points before": "none",
            }
        },
        wrong={
            "open": ({"mean over all points before": ()}, "Still open"),
            "none": ({**READS.truth, "mean over all points before": None}, "labels is `()`"),
            "blind": (
                {**READS.truth, "wide cone, not normalised": ("mark",)}, "at any radius",
            ),
            "nearest": (
                {**READS.truth, "nearest point, weight 1/2": ("mark", "absent")},
                "always the nearest",
            ),
        },
    ),
}  # fmt: skip
test_right_answers, test_wrong_answers = trials("spatial_temporal/sp_sequence", TRIED)


def test_the_chapter_has_its_five():
    assert [e.name for e in EXERCISES] == ["gate", "stood", "ceilings", "metres", "reads"]


def test_the_first_two_exercises_are_the_blocks():
    torch.manual_seed(0)
    module = CrossFrameGlobalAttention(3).double().eval()
    module.norm.eps = 0.0
    p = torch.randn(2, 3, 5, dtype=torch.float64)
    found = GATE.reference(p, module.first.weight[..., 0], module.second.weight[..., 0])
    torch.testing.assert_close(found, module.gates(p))
    now, before = torch.rand(2, 2, 5, 3, dtype=torch.float64)
    index = nearest(now.mT, before.mT, 3)
    q = interpolate(cone(now.mT, before.mT, index, 0.4), index, p)
    torch.testing.assert_close(STOOD.reference(now, before, p, 3, 0.4), q)


def test_metres_are_what_the_package_weighs():
    voxel, radius, weight = METRES.truth()
    now, before = torch.zeros(1, 3, 1), torch.tensor([[[2 * voxel], [0.0], [0.0]]])
    found = cone(now, before, torch.zeros(1, 1, 1, dtype=torch.long), radius)
    torch.testing.assert_close(found, torch.full_like(found, weight))


def test_the_table_is_what_q_says():
    """The same mark at two loudnesses, near and far: what differs in the constant channel?"""
    near, far = MOTION, APART
    loud = torch.tensor([0.5, 1.5])

    def q(weigh):
        """Rows: near and loud 0.5, near 1.5, far 0.5, far 1.5; columns: mark and constant."""
        return torch.tensor([[weigh(d) * v, weigh(d)] for d in (near, far) for v in loud])

    ways = {
        "nearest point, weight 1/2": lambda d: 0.5,
        "cone that ends before the next cluster": lambda d: max(0.0, 1 - d / (3 * MOTION)) / 2,
        "the same, divided by the sum where it is not 0": lambda d: float(d < 3 * MOTION),
        "wide cone, not normalised": lambda d: (1 - d / (50 * MOTION)) / 2,
        "one over the distance, normalised, k = 1": lambda d: (1 / d) / (1 / d),
    }
    for name, weigh in ways.items():
        constant = q(weigh)[:, 1]
        assert (constant[0] != constant[2]) == ("absent" in READS.truth[name]), name
        assert q(weigh)[0, 0] > 0, name
