"""What the chapter on RSTAN says about the recorded runs."""

import pytest
import torch

from attncourse.experiments import difference, experiments_of, published
from attncourse.experiments.spatial_temporal.rstan import FOLLOW_THE_CHAIN
from attncourse.tasks.follow_chain import share_of_the_commonest

CHAPTER = "spatial_temporal/rstan"
RECORDED = published(CHAPTER)


def percent(experiment, name):
    scores = RECORDED.values(experiment, name).values()
    return round(100 * sum(scores) / len(scores), 1)


def gain(experiment, after, before="RSTAN"):
    return difference(RECORDED.values(experiment, after), RECORDED.values(experiment, before))


def test_all_of_it_is_recorded():
    """Five seeds of every variant, with intervals over the digits of the test set."""
    for experiment in experiments_of(CHAPTER):
        assert RECORDED.variants(experiment.name) == [v.name for v in experiment.variants]
        for name in RECORDED.variants(experiment.name):
            values = RECORDED.values(experiment.name, name)
            assert len(values) == 5
            assert values.unit_name == "digits"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mean", 17.0), ("frames alone", 19.3), ("places alone", 30.5), ("clock", 32.1),
        ("reader", 33.3), ("self-attention", 34.2), ("RSTAN", 95.4), ("flat", 95.3),
        ("hops", 96.1),
    ],
)  # fmt: skip
def test_who_follows_the_chain(name, wanted):
    assert percent("follow_the_chain", name) == wanted


def test_what_was_read_moves_the_look():
    found = gain("follow_the_chain", "clock")
    assert found.verdict == "clear"
    assert [round(-100 * v) for v in (found.mean, found.high, found.low)] == [63, 61, 65]
    assert percent("where_it_looks", "clock") == 20.2
    assert percent("where_it_looks", "RSTAN") > 99.9


def test_nobody_else_passes_the_line():
    for name in ("mean", "reader", "self-attention", "places alone", "frames alone", "clock"):
        assert percent("follow_the_chain", name) < 100 * share_of_the_commonest(5)


def test_one_token_learns_it_too():
    found = gain("follow_the_chain", "hops")
    assert found.verdict == "clearly small"
    assert [round(100 * v, 1) for v in (found.mean, found.low, found.high)] == [0.7, -0.2, 1.7]


def test_frames_alone_does_not_follow_and_could_not_read():
    assert percent("where_it_looks", "frames alone") == 20.5
    assert round(100 * share_of_the_commonest(4), 2) == 38.35


def test_some_parameters_are_not_used():
    """A parameter without a gradient is not used; nor is a scorer of places in a mean."""
    for name, used in (
        ("RSTAN", 46_714), ("mean", 35_770), ("places alone", 41_242), ("frames alone", 41_242)
    ):  # fmt: skip
        net = FOLLOW_THE_CHAIN.variant(name).build()
        net(torch.randn(2, 128, 6, 2, 2)).sum().backward()
        assert sum(p.numel() for p in net.parameters() if p.grad is not None) == used, name


def test_one_softmax_does_as_well_as_two():
    found = gain("follow_the_chain", "flat")
    assert found.verdict == "clearly small"
    assert [round(100 * v, 1) for v in (found.mean, found.low, found.high)] == [-0.1, -0.6, 0.4]


def test_it_goes_on():
    assert percent("further_on", "RSTAN") == 95.6
    assert percent("further_on", "flat") == 95.0
    assert percent("further_on", "hops") == 80.9
    for name in ("mean", "places alone", "frames alone"):
        assert abs(percent("further_on", name) - percent("follow_the_chain", name)) < 2
