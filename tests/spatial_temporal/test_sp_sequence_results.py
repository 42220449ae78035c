"""What the chapter on SpSequenceNet says about the recorded runs."""

import pytest

from attncourse.experiments import difference, experiments_of, published

CHAPTER = "spatial_temporal/sp_sequence"
RECORDED = published(CHAPTER)


def scores(experiment, name):
    return list(RECORDED.values(experiment, name).values())


def gain(experiment, one, two):
    return difference(RECORDED.values(experiment, one), RECORDED.values(experiment, two))


@pytest.mark.parametrize("experiment", experiments_of(CHAPTER), ids=lambda e: e.name)
def test_five_seeds_of_every_variant(experiment):
    assert RECORDED.variants(experiment.name) == [v.name for v in experiment.variants]
    for name in RECORDED.variants(experiment.name):
        assert len(scores(experiment.name, name)) == 5


def test_the_mode_comes_from_the_frame_before():
    for name in ("present alone", "SE"):
        assert all(0.74 < score < 0.76 for score in scores("mode", name))
    for name in ("CGA", "added", "PointNet, both", "CGA, one layer"):
        assert min(scores("mode", name)) > 0.998
    assert sum(score > 0.998 for score in scores("mode", "joined")) == 4
    assert max(scores("mode", "added, one layer")) < 7 / 8
    for name in ("added", "PointNet, both"):
        assert gain("mode", name, "CGA").verdict == "clearly small"


def test_absence_is_read_by_the_sum_or_by_the_end():
    for name in ("CLI", "CLI, wide", "CLI, normalised", "nearest, distance"):
        assert min(scores("before", name)) > 0.99
    for name in ("nearest", "CLI, wide, normalised", "inverse distance"):
        assert all(0.66 < score < 0.7 for score in scores("before", name))
        assert gain("before", name, "CLI").verdict == "clear"
    assert all(0.44 < score < 0.49 for score in scores("before", "mean of all"))
    assert max(scores("before", "present alone")) < 0.36
    for name in ("CLI, wide", "CLI, normalised", "nearest, distance"):
        assert min(scores("before", name)) > max(scores("before", "CLI"))
        assert gain("before", name, "CLI").verdict == "clearly small"


def test_inverse_distances_that_interpolate_positions_know_the_new_ones():
    offset = "inverse distance, with offset"
    assert min(scores("before", offset)) > 0.998
    assert gain("before", offset, "CLI").verdict == "clearly small"
    assert gain("before", offset, "inverse distance").verdict == "clear"


def test_an_ordinary_network_comes_near():
    assert all(0.8 < score < 0.9 for score in scores("before", "PointNet, both"))
    assert all(0.935 < score < 0.95 for score in scores("longer", "PointNet, wide"))
    assert min(scores("longer", "CLI")) > 0.997
    assert gain("longer", "PointNet, wide", "CLI").verdict == "clear"
