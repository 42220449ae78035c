"""Test items: one number each, whose mean is the score, and what a file keeps of them."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from attncourse.experiments import ACCURACY, Results, Score, all_experiments, published, record
from attncourse.experiments.items import LEVELS, packed, test_set_of, units_in, unpacked
from attncourse.experiments.runner import told
from attncourse.tasks import StatisticLadder, Units, digits_task
from attncourse.tasks.cue_and_look import CueAndLook
from attncourse.tasks.cue_recall import CueRecall
from attncourse.tasks.object_scale import ObjectScale
from attncourse.tasks.reference_discs import ReferenceDiscs
from attncourse.tasks.segmentation import mean_iou, mean_iou_items, scene_confusions
from attncourse.tasks.skeletons import Folds, SkeletonTask
from attncourse.tasks.warped_digits import WarpedDigits
from tests.unit.grid import NARROW
from tests.unit.grid import experiment as grid_experiment

test_set_of.__test__ = False  # type: ignore[attr-defined]  # a name, not a test


def test_zeros_and_ones_come_back_exactly():
    bits = np.random.default_rng(0).integers(0, 2, 397).astype(float)
    stored = json.loads(json.dumps(packed(bits)))
    np.testing.assert_array_equal(unpacked(stored, 397, bits.mean()), bits)
    assert len(stored["bits"]) < 100


@pytest.mark.parametrize("count", [2, 33, 1024])
def test_other_numbers_are_rounded_and_their_mean_is_kept(count):
    values = np.random.default_rng(count).standard_normal(count) ** 3
    stored = packed(values)
    step = np.ptp(values) / LEVELS
    plain = unpacked(stored, count, 0.0)
    plain += (stored["low"] + stored["step"] * LEVELS) - plain.max()
    assert abs(plain.mean() - values.mean()) <= step / (2 * count) + 1e-12
    found = unpacked(stored, count, values.mean())
    assert found.mean() == pytest.approx(values.mean(), abs=1e-12)
    assert np.abs(found - values).max() <= 1.01 * step
    if count > 1000:
        assert found.std() == pytest.approx(values.std(), rel=0.02)
        assert len(stored["levels"]) < 900


@pytest.mark.parametrize("parts", [2, 3, 6])
def test_shares_lose_nothing_at_the_last_level(parts):
    """Halves of a level are frequent among them, and many of them are 1."""
    values = np.random.default_rng(parts).integers(0, parts + 1, 512).clip(1) / parts
    values[0] = 0
    stored = packed(values)
    levels = np.frombuffer(zlib.decompress(base64.b64decode(stored["levels"])), "u1")
    drift = abs(stored["low"] + stored["step"] * levels.mean() - values.mean())
    assert drift <= stored["step"] / (2 * len(values)) + 1e-12


def test_items_that_cannot_be_kept_are_refused():
    with pytest.raises(ValueError, match="not a finite number"):
        packed(np.array([0.0, np.nan]))
    with pytest.raises(ValueError, match="holds 4 items of 5"):
        unpacked(packed(np.array([0.1, 0.2, 0.3, 0.5])), 5, 0.0)
    with pytest.raises(ValueError, match=r"bounds=\(1, 0\) must be a range"):
        Score(lambda m, x, y: y, bounds=(1, 0))
    with pytest.raises(ValueError, match=r"the shape \(2, 3\)"):
        Score(lambda m, x, y: torch.zeros(2, 3)).measure(nn.Identity(), *digits_task().test_set())
    constant = np.full(5, 0.3)
    np.testing.assert_allclose(unpacked(packed(constant), 5, 0.3), constant)


# ---------------------------------------------------------------- scores


class Guess(nn.Module):
    """Logits that are a fixed function of the image, wrong now and then."""

    def __init__(self, classes):
        super().__init__()
        self.body = nn.Conv2d(3, classes, 3, padding=1)

    def forward(self, x):
        return self.body(x)


def test_mean_iou_is_the_mean_of_its_items_and_their_influences_are_slopes():
    torch.manual_seed(0)
    x, y = ReferenceDiscs(test_size=12).test_set()
    model = Guess(3)
    items = mean_iou_items(model, x, y)
    assert float(items.mean()) == pytest.approx(mean_iou(model, x, y), abs=1e-12)
    matrices = scene_confusions(model, x, y).double()

    def score(weights):
        m = (weights[:, None, None] * matrices).sum(dim=0)
        both = m.diagonal()
        return (both / (m.sum(dim=0) + m.sum(dim=1) - both)).mean()

    weights = torch.ones(12, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(score(weights), weights)
    torch.testing.assert_close(items - items.mean(), 12 * slope)


def test_the_slope_of_angles_is_the_mean_of_its_items():
    from attncourse.experiments.spatial.spatial_transformer.experiment import (
        ANGLE,
        angle_slope,
        angle_slope_items,
    )  # fmt: skip

    task = WarpedDigits(test_size=60)
    x, _, pose = task.test_cases()
    torch.manual_seed(0)
    model = ANGLE.variant("flattened localisation").build()
    model.transformer.regress.weight.data.normal_(0, 0.3)
    items = angle_slope_items(model, x, pose[:, 0])
    assert items.std() > 1e-3
    assert float(items.mean()) == pytest.approx(angle_slope(model, x, pose[:, 0]), abs=1e-12)


def test_every_experiment_keeps_items_within_bounds_and_says_what_matters():
    for chapter, experiments in all_experiments(large=True).items():
        for e in experiments:
            assert isinstance(e.score, Score), (chapter, e.name)
            assert e.matters is not None, (chapter, e.name)
    with pytest.raises(ValueError, match="matters=0 must be positive"):
        replace(e, matters=0)


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    "task", [StatisticLadder("mean"), CueAndLook(), CueRecall(), ObjectScale(), WarpedDigits()]
)
def test_units_are_the_digits_that_the_labels_belong_to(task):
    """All items of one unit have one label, and there are fewer units than items."""
    units, (_, y) = task.test_units(), task.test_set()
    assert units.name == "digits"
    assert len(units.of) == len(y)
    label = {}
    for unit, answer in zip(units.of.tolist(), y.tolist(), strict=True):
        assert label.setdefault(unit, answer) == answer
    assert 300 < len(label) <= 397


def test_enlarged_digits_are_their_own_units():
    task = ObjectScale()
    _, labels = task.enlarged(8)
    units = task.enlarged_units()
    pairs = set(zip(units.of.tolist(), labels.tolist(), strict=True))
    assert len(pairs) == len(set(units.of.tolist()))


def test_people_are_the_units_of_skeletons():
    clips, labels = torch.zeros(3, 6, 2, 3), torch.tensor([0, 1, 0])
    task = SkeletonTask(clips, labels, clips, labels, classes=2, source="s")
    assert task.test_units() is None
    one, two = (replace(task, test_people=torch.full((3,), p)) for p in (0, 1))
    assert Folds((one, two), "f").test_units().of.tolist() == [0, 0, 0, 1, 1, 1]
    assert Folds((one, task), "f").test_units() is None


def test_a_test_set_is_known_by_what_is_in_it():
    one = test_set_of(ACCURACY, StatisticLadder("mean"))
    assert one == test_set_of(ACCURACY, StatisticLadder("mean"))
    np.testing.assert_array_equal(
        units_in(one, 2000), StatisticLadder("mean").test_units().of.numpy()
    )
    other = test_set_of(ACCURACY, StatisticLadder("mean", test_size=1999))
    apart = test_set_of(replace(ACCURACY, units=lambda task: None), StatisticLadder("mean"))
    renamed = test_set_of(
        replace(ACCURACY, units=lambda t: Units("strokes", t.test_units().of)),
        StatisticLadder("mean"),
    )
    assert len({t["id"] for t in (one, other, apart, renamed)}) == 4
    np.testing.assert_array_equal(units_in(apart, 3), [0, 1, 2])


# ---------------------------------------------------------------- recording


def _recorded(out, lines=None):
    say = (lambda line: None) if lines is None else lines.append
    return record("c/x", [grid_experiment("one", NARROW)], range(2), out, say=say)


def test_recorded_items_aggregate_to_the_score(tmp_path):
    results = _recorded(tmp_path / "x.json")
    again = Results.load(tmp_path / "x.json", "c/x")
    for found in (results, again):
        scores = found.values("one", "narrow")
        assert sorted(scores.by_item) == [0, 1]
        for seed, score in scores.items():
            assert scores.by_item[seed].mean() == score
    assert len((tmp_path / "x.json").read_text().splitlines()) < 60


def test_a_recorded_run_without_items_is_made_again_for_them(tmp_path):
    out = tmp_path / "x.json"
    _recorded(out)
    whole = out.read_bytes()
    stored = json.loads(whole)
    old, changed = stored["experiments"]["one"]["runs"]
    del old["items"], changed["items"]
    old["seconds"], changed["score"] = 99.0, 0.123
    out.write_text(json.dumps(stored))
    lines = []
    record("c/x", [grid_experiment("one", NARROW)], range(2), out, renew=False, say=lines.append)
    assert all("recorded already" in line for line in lines)
    lines.clear()
    _recorded(out, lines)
    first, second = json.loads(out.read_text())["experiments"]["one"]["runs"]
    assert first["seconds"] == 99.0  # the same score: the recorded run, with items
    assert "replaces" not in first
    assert second["replaces"]["score"] == 0.123
    assert "another number" in lines[1]
    assert "another number" not in lines[0]
    lines.clear()
    _recorded(out, lines)
    assert all("recorded already" in line for line in lines)


def test_recording_one_experiment_leaves_the_summaries_of_the_others(tmp_path):
    """The bounds of the others are not at hand when only one is run."""
    out = tmp_path / "x.json"
    one, two = (grid_experiment(name, NARROW) for name in ("one", "two"))
    record("c/x", [one, two], range(2), out, say=lambda line: None)
    before = json.loads(out.read_text())["experiments"]
    assert before["one"]["summary"]["narrow"]["over"] == "2 seeds and 397 test items"
    assert before["one"]["summary"]["narrow"]["low"] >= 0  # two seeds alone would go below
    record("c/x", [two], range(3), out, say=lambda line: None)
    after = json.loads(out.read_text())["experiments"]
    assert after["one"] == before["one"]
    assert after["two"]["summary"]["narrow"]["seeds"] == 3


def test_another_test_set_is_another_run(tmp_path):
    out = tmp_path / "x.json"
    _recorded(out)
    stored = json.loads(out.read_text())
    entry = stored["experiments"]["one"]
    entry["runs"][0]["items"]["test_set"] = "00000000"
    entry["test_sets"]["00000000"] = {}
    out.write_text(json.dumps(stored))
    mixed = Results.load(out, "c/x").values("one", "narrow")
    assert not mixed.by_item  # items of different test sets are never put side by side
    lines = []
    _recorded(out, lines)
    assert ["already" in line for line in lines] == [False, True]
    assert sorted(Results.load(out, "c/x").values("one", "narrow").by_item) == [0, 1]


def test_a_line_says_when_a_run_replaces_another():
    from attncourse.experiments import Cell

    row = {"score": 0.5, "seconds": 1.0, "device": "here"}
    row["replaces"] = {"score": 0.6, "device": "there"}
    assert told(Cell("c", "e", "v", 0), "accuracy", row).endswith(
        "recorded before: 0.6000 on there, another number"
    )


def test_published_items_aggregate_to_the_published_scores():
    found = 0
    for chapter in all_experiments():
        results = published(chapter)
        for name, entry in results.experiments.items():
            for run in entry["runs"]:
                if "items" not in run:
                    continue
                stored, score = run["items"], run["score"]
                items = unpacked(stored, stored["count"], score)
                assert items.mean() == pytest.approx(score, abs=1e-9), (chapter, name)
                if "levels" in stored:
                    levels = np.frombuffer(
                        zlib.decompress(base64.b64decode(stored["levels"])), "u1"
                    )
                    assert levels.max() <= LEVELS, (chapter, name)
                    drift = abs(stored["low"] + stored["step"] * levels.mean() - score)
                    # The score is a sum in float32: a constant's items are finer than that.
                    assert drift <= stored["step"] / stored["count"] + 1e-7, (chapter, name)
                found += 1
    assert found > 0
