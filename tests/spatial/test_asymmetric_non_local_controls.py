"""Task and controls of the chapter on asymmetric non-local blocks, and what its runs bear out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attncourse.experiments import experiments_of, published
from attncourse.experiments.spatial.asymmetric_non_local.nets import Averaged, Picked, Smoothed
from attncourse.spatial import NonLocal
from attncourse.tasks.patch_twins import COLOUR_NOISE, IDENTITY_NOISE, PatchTwins
from attncourse.tasks.twin import explained_items
from tests.contract.specimen import built
from tests.unit.of_tasks import Says

CHAPTER = "spatial/asymmetric_non_local"


def sources_and_queries(task):
    """Which pixels each source covers, (n, k, side, side), and the cells of test images."""
    x, y, cells = task.test_cases()
    row, column = cells[:, 0] // task.side, cells[:, 0] % task.side
    at = torch.arange(task.side)
    rows = (at - row[..., None]) % task.side < task.patch
    columns = (at - column[..., None]) % task.side < task.patch
    return x, y, cells, rows[..., :, None] & columns[..., None, :]


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("p", [1, 2, 4])
def test_a_source_is_a_patch_and_its_query_a_free_pixel(p, shifted):
    task = PatchTwins(patch=p, shifted=shifted)
    x, y, cells, covered = sources_and_queries(task)
    assert (covered.sum(dim=(2, 3)) == p * p).all()
    assert (covered.sum(dim=1) <= 1).all()  # no two sources share a pixel
    flag = x[:, 7]
    assert torch.equal(flag, y[:, 3])
    assert (flag.sum(dim=(1, 2)) == 3).all()
    assert not (covered.any(dim=1) & (flag > 0)).any()
    on_raster = (cells[:, 0] // 8 % p == 0) & (cells[:, 0] % 8 % p == 0)
    assert bool(on_raster.all()) == (p == 1 or not shifted)
    queries = x.flatten(2).gather(2, cells[:, 1, None].expand(-1, 8, -1))
    assert torch.allclose(queries[:, :4].norm(dim=1), torch.ones(len(x), 3), atol=1e-5)
    assert (queries[:, 4:7] == 0).all()


@pytest.mark.parametrize("p", [1, 2, 4])
def test_the_mean_over_a_source_is_equally_noisy_for_every_size(p):
    task = PatchTwins(patch=p, test_size=2_048)
    x, y, cells, covered = sources_and_queries(task)
    mean = torch.einsum("bchw,bkhw->bck", x, covered.float()) / p**2
    asks = cells[:, 1, None]
    identity = x[:, :4].flatten(2).gather(2, asks.expand(-1, 4, -1))
    colour = y[:, :3].flatten(2).gather(2, asks.expand(-1, 3, -1))
    assert float((mean[:, :4] - identity).std()) == pytest.approx(IDENTITY_NOISE, rel=0.03)
    assert float((mean[:, 4:7] - colour).std()) == pytest.approx(COLOUR_NOISE, rel=0.03)
    background = x[:, :4].movedim(1, -1)[~covered.any(dim=1) & (x[:, 7] == 0)]
    assert float(background.std()) == pytest.approx(IDENTITY_NOISE * p, rel=0.03)


def test_what_noise_allows():
    """The mean over the right source, shrunk as least squares has it, explains 97.1 %."""
    task = PatchTwins(test_size=2_048)
    x, y, cells, covered = sources_and_queries(task)
    mean = torch.einsum("bchw,bkhw->bck", x[:, 4:7], covered.float()) / 16
    best = task.most_explained()
    answer = torch.zeros(len(x), 3, 64).scatter(2, cells[:, 1, None].expand(-1, 3, -1), best * mean)
    found = explained_items(Says(lambda _: answer.unflatten(2, (8, 8))), x, y).mean()
    assert float(found) == pytest.approx(best, abs=0.005)
    assert best == pytest.approx(0.9709, abs=1e-4)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="patch=3 must divide side=8"):
        PatchTwins(patch=3)
    with pytest.raises(ValueError, match="pairs=4 sources of 4 x 4"):
        PatchTwins(pairs=4, patch=4)


def test_variants_differ_in_their_keys_alone():
    """As many parameters each, and the keys that they say; all take part in the output."""
    x = torch.randn(2, 6, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    made = {
        "full": (lambda channels: NonLocal(channels, norm=False), x.flatten(2).mT),
        "cells": (
            lambda channels: Averaged(channels, 4),
            F.avg_pool2d(x, 2).flatten(2).mT,
        ),
        "picked": (lambda channels: Picked(channels, 4), x[..., 2::4, 2::4].flatten(2).mT),
        "windows": (lambda channels: Smoothed(channels, 4), None),
    }
    for name, (make, keys) in made.items():
        module = built(make, {"channels": 6})
        assert sum(p.numel() for p in module.parameters()) == 87
        if keys is None:  # the window from (i, j) on, around the edges
            rolled = [torch.roll(x, (-i, -j), (2, 3)) for i in range(4) for j in range(4)]
            keys = torch.stack(rolled).mean(dim=0).flatten(2).mT
        torch.testing.assert_close(module.keys(x), keys)
        torch.testing.assert_close(module(x), module(x, need_weights=True)[0])
        q, k, v = module.pairwise.theta(x.flatten(2).mT), module.pairwise.phi(keys), module.value
        wanted = x + module.out((q @ k.mT).softmax(dim=2) @ v(keys)).mT.view_as(x)
        torch.testing.assert_close(module(x), wanted, msg=name)


def test_all_variants_have_the_same_parameters():
    for experiment in experiments_of(CHAPTER)[:3]:
        counts = {sum(p.numel() for p in v.build().parameters()) for v in experiment.variants}
        assert len(counts) == 1


def values(experiment, variant):
    return list(published(CHAPTER).values(experiment, variant).values())


def test_the_runs_cross():
    """Large sources on the raster: four cells win in every seed; small ones: they lose there."""
    large = {v: values("patches", v) for v in ("64 pixels", "4 cells", "4 pixels")}
    assert min(large["4 cells"]) > max(large["64 pixels"])
    assert max(large["4 pixels"]) < min(large["64 pixels"])
    small = {v: values("pixels", v) for v in ("64 pixels", "4 cells")}
    assert max(small["4 cells"]) < min(small["64 pixels"])
