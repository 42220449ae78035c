"""What the chapter on STC-Net says about the recorded runs."""

import pytest

from attncourse.experiments import difference, published

RECORDED = published("spatial_temporal/channel_correlation")
DEAF = ("no mask", "without time", "kernels on a ring", "units over channels", "no mask, apart")


def scores(experiment, variant):
    return list(RECORDED.values(experiment, variant).values())


def pairs(experiment, one, other):
    return zip(scores(experiment, one), scores(experiment, other), strict=True)


@pytest.mark.parametrize("experiment", ["rising", "in_step"])
def test_five_seeds_of_each_and_intervals_over_digits(experiment):
    for name in RECORDED.variants(experiment):
        values = RECORDED.values(experiment, name)
        assert len(values) == 5
        assert values.unit_name == "digits"


def test_nobody_passes_the_derived_ceilings():
    for name in DEAF:
        assert all(0.44 < score < 0.5 for score in scores("rising", name)), name
    for name in ("no mask", "without time"):
        assert max(scores("in_step", name)) < 0.5


def test_the_branch_with_time_is_above_stc_in_every_seed():
    for experiment, other in (
        ("rising", "STC"), ("rising", "STC, biases"), ("in_step", "STC"),
    ):  # fmt: skip
        assert all(one > two for one, two in pairs(experiment, "with time", other))
    gain = difference(RECORDED.values("rising", "with time"), RECORDED.values("rising", "STC"))
    assert round(100 * gain.mean, 1) == 2.9
    assert gain.low > 0
    assert gain.verdict == "no clear effect"


@pytest.mark.parametrize(
    ("experiment", "variant"),
    [
        ("rising", "one vector over time"), ("longer", "one vector over time"),
        ("rising", "frames as channels"), ("rising", "two convolutions"),
        ("rising", "kernels over time"), ("rising", "with time, halved"),
        ("rising", "two with time"), ("rising", "with time, apart"),
    ],
)  # fmt: skip
def test_what_differs_little_from_the_branch_with_time(experiment, variant):
    values = (RECORDED.values(experiment, name) for name in (variant, "with time"))
    assert difference(*values).verdict == "clearly small"


def test_one_vector_in_front_of_two_units_learns_once():
    assert [score > 0.75 for score in scores("rising", "one vector, two units")].count(True) == 1


def test_biases_alone_do_not_bring_stc_to_its_branch_with_time():
    values = (RECORDED.values("rising", name) for name in ("STC, biases", "with time"))
    loss = difference(*values)
    assert round(100 * loss.mean, 1) == -1.9
    assert loss.high < 0


def test_who_learns_in_step():
    learned = {
        name: sum(score > 0.75 for score in scores("in_step", name))
        for name in RECORDED.variants("in_step")
    }
    assert learned["with time"] == learned["units over three frames"] == 5
    assert learned["units over channels"] == learned["STC"] == 4
    assert learned["one vector over time"] == 2


def test_two_seeds_of_stc_catch_up_and_three_stay_behind():
    behind = [100 * (one - two) for one, two in pairs("longer", "with time", "STC")]
    assert all(gap < 0.5 for gap in behind[:2])
    assert all(2 < gap < 3 for gap in behind[2:])
