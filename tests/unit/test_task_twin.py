"""Find your twin: the colour stands at the source alone, and only the identity leads there."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks.twin import VARIANCE, Twins, colour_loss, explained
from tests.unit.of_tasks import Says, batch_of


def columns(x, cells):
    """The vectors in ``cells`` (b, k) of (b, c, h, w), as (b, k, c)."""
    flat = x.flatten(2).mT
    return flat.gather(1, cells[:, :, None].expand(-1, -1, flat.shape[2]))


def test_batches_are_a_function_of_seed_and_step():
    task = Twins()
    x, y = batch_of(task, size=8)
    assert x.shape == (8, 8, 8, 8)
    assert y.shape == (8, 4, 8, 8)
    assert x.dtype == y.dtype == torch.float32


def test_source_and_query_share_their_identity_and_only_the_source_has_the_colour():
    x, y, cells = Twins(pairs=4, test_size=64).test_cases()
    source, query = columns(x, cells[:, 0]), columns(x, cells[:, 1])
    answer = columns(y, cells[:, 1])
    torch.testing.assert_close(source[..., :4], query[..., :4])
    torch.testing.assert_close(source[..., :4].norm(dim=2), torch.ones(64, 4))
    torch.testing.assert_close(source[..., 4:7], answer[..., :3])
    assert (query[..., 4:7] == 0).all()
    assert (query[..., 7] == 1).all()
    assert (source[..., 7] == 0).all()


def test_all_other_cells_are_empty():
    x, y, cells = Twins(test_size=64).test_cases()
    assert ((x != 0).any(dim=1).sum(dim=(1, 2)) == 6).all()
    assert (y[:, 3].sum(dim=(1, 2)) == 3).all()
    assert all(len(set(image.flatten().tolist())) == 6 for image in cells)


def test_neither_place_nor_identity_tells_the_colour():
    """Linear and squared features of place and identity explain nothing of a colour."""
    x, y, cells = Twins(test_size=4_000).test_cases()
    query = columns(x, cells[:, 1]).flatten(0, 1)[:, :4]
    place = torch.stack([cells[:, 1] // 8, cells[:, 1] % 8], dim=2).flatten(0, 1) / 8.0
    offset = (cells[:, 1] - cells[:, 0]).flatten()[:, None] / 64.0
    features = torch.cat([query, query**2, place, place**2, offset], dim=1)
    features = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    colour = columns(y, cells[:, 1]).flatten(0, 1)[:, :3]
    fit = features @ torch.linalg.lstsq(features, colour).solution
    assert float(((colour - fit) ** 2).mean() / colour.var()) > 0.99
    assert float(colour.var()) == pytest.approx(VARIANCE, rel=0.02)


def test_no_training_image_is_a_test_image():
    task = Twins(test_size=256)
    test = {image.numpy().tobytes() for image in task.test_set()[0]}
    for seed in range(3):
        for step in range(3):
            x, _ = task.train_batch(seed, step, 64)
            assert sum(image.numpy().tobytes() in test for image in x) == 0


def test_the_score_is_one_for_the_truth_and_one_over_k_for_the_mean_colour():
    task = Twins(pairs=3, test_size=4_096)
    x, y = task.test_set()

    def says(colours):
        return Says(lambda _: colours)

    truth = y[:, :3]
    mean = (truth.sum(dim=(2, 3), keepdim=True) / 3).expand_as(truth)
    assert explained(says(truth), x, y) == 1.0
    assert explained(says(0 * truth), x, y) == pytest.approx(0, abs=0.02)
    assert explained(says(mean), x, y) == pytest.approx(1 / 3, abs=0.02)
    assert explained(says(mean + (1 - y[:, 3:]) * 9), x, y) == explained(says(mean), x, y)
    assert float(colour_loss(truth, y)) == 0.0


def test_too_many_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs=5 does not fit a grid of 3 x 3"):
        Twins(pairs=5, side=3)
    with pytest.raises(ValueError, match="pairs=0"):
        Twins(pairs=0)
