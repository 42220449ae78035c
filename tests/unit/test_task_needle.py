"""Needle average: the answer stands at the needle alone, and a mean keeps 1/n of it."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks.needle import VARIANCE, NeedleAverage
from tests.unit.of_tasks import batch_of


def test_batches_are_a_function_of_seed_and_step():
    task = NeedleAverage()
    x, y = batch_of(task, size=8)
    assert x.shape == (8, 4, 16, 16)
    assert y.shape == (8, 1)


def test_the_needle_is_marked_and_holds_the_answer():
    x, y, needle = NeedleAverage(test_size=500).test_cases()
    flat = x.flatten(2)
    assert torch.equal(flat[:, 0].argmax(dim=1), needle)
    assert torch.equal(flat[torch.arange(500), 1, needle], y[:, 0])
    assert flat[:, 0].sort(dim=1).values[:, -2].max() <= 0.2
    assert flat[torch.arange(500), 0, needle].min() >= 0.8


def test_the_means_explain_one_part_in_n():
    """A linear reader of the channels' means, fitted to many images of 4 x 4."""
    x, y, _ = NeedleAverage(side=4, test_size=20_000).test_cases()
    means = torch.cat([x.mean(dim=(2, 3)), torch.ones(len(x), 1)], dim=1).double()
    fitted = means @ torch.linalg.lstsq(means, y.double()).solution
    left = (fitted - y).square().mean() / VARIANCE
    assert 1 - left == pytest.approx(1 / 16, abs=0.01)


def test_neither_place_nor_mark_tells_the_answer():
    x, y, needle = NeedleAverage(test_size=20_000).test_cases()
    mark = x.flatten(2)[torch.arange(len(x)), 0, needle]
    features = torch.stack([torch.ones(len(x)), needle / 256, (needle % 16) / 16, mark], dim=1)
    fitted = features @ torch.linalg.lstsq(features, y).solution
    assert (fitted - y).square().mean() / VARIANCE > 0.997


def test_an_image_of_one_pixel_is_refused():
    with pytest.raises(ValueError, match="side=1"):
        NeedleAverage(side=1)
