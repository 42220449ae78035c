"""What the chapter on STA-LSTM says about the recorded runs."""

import pytest

from attncourse.experiments import difference, published

RECORDED = published("spatial_temporal/sta_lstm")
LOUD, WIDE, LOUD_S = "plain, scores × 10", "wider, scores × 10", "S, scores × 10"
TASKS = ("cued_joint", "msr_action3d", "utkinect")
UNITS = {
    "cued_joint": "test items",
    "cued_joint_2000": "test items",
    "msr_action3d": "people",
    "utkinect": "people",
}


def gain(experiment, after, before):
    return difference(RECORDED.values(experiment, after), RECORDED.values(experiment, before))


@pytest.mark.parametrize(("experiment", "unit"), UNITS.items())
def test_intervals_are_over_seeds_and_test_items_or_people(experiment, unit):
    for name in RECORDED.variants(experiment):
        values = RECORDED.values(experiment, name)
        assert len(values) == 5
        assert values.unit_name == unit
        assert values.table(list(values)) is not None


def test_the_frame_gate_alone_is_not_told_from_loud_scores():
    for experiment in TASKS:
        found = gain(experiment, "T", LOUD)
        assert found.verdict == "no clear effect"
        assert found.low < 0 < found.high


def test_the_joint_gate_is_clearly_above_the_wider_network_if_both_are_loud():
    assert gain("cued_joint", LOUD_S, WIDE).verdict == "clear"
    assert round(100 * gain("cued_joint", LOUD_S, WIDE).mean) == 13
    quiet = gain("cued_joint", "S", WIDE)
    assert quiet.verdict == "no clear effect"
    assert round(100 * quiet.mean) == 7


def test_most_of_what_the_frame_gate_adds_is_the_factor():
    factor, left = gain("cued_joint", LOUD_S, "S"), gain("cued_joint", "S + T", LOUD_S)
    assert (round(100 * factor.mean, 1), round(100 * left.mean, 1)) == (6.3, 1.3)
    assert factor.verdict == "clear"
    assert left.low > 0
    assert left.verdict == "no clear effect"


def test_static_weights_reach_the_wider_network_with_loud_scores():
    assert abs(gain("cued_joint", "static weights", WIDE).mean) < 0.005
    assert gain("cued_joint", "static weights", "plain").verdict == "clear"


def test_the_sum_is_no_better_for_the_plain_network():
    assert gain("cued_joint", "plain, sum", "plain").verdict == "no clear effect"
    longer = gain("cued_joint_2000", "plain, sum", "plain")
    assert longer.verdict == "clear"
    assert round(100 * longer.mean) == -16


def test_with_more_clips_the_frame_gate_is_the_factor():
    assert gain("cued_joint_2000", "S + T", LOUD_S).verdict == "clearly small"
    joint, static = (gain("cued_joint_2000", n, "plain") for n in ("S", "static weights"))
    assert round(100 * joint.mean, 1) == 3.3
    assert joint.verdict == static.verdict == "clear"
    assert 0.5 * joint.mean < static.mean < joint.mean
    alone = sorted(RECORDED.values("cued_joint_2000", "T").values())
    assert alone[1] < 0.76 < 0.93 < alone[2]


@pytest.mark.parametrize("experiment", ["msr_action3d", "utkinect"])
def test_no_gate_is_clearly_above_the_wider_loud_network_on_real_bodies(experiment):
    for name in ("T", "S", LOUD_S, "S + T"):
        found = gain(experiment, name, WIDE)
        assert not (found.verdict == "clear" and found.mean > 0)
    assert gain(experiment, "S + T", "plain").mean > 0.04


@pytest.mark.parametrize("experiment", ["cued_joint", "msr_action3d"])
def test_joint_gates_depend_on_their_clip_and_frame_gates_do_not(experiment):
    assert gain(experiment, "joint gates exchanged", "S + T").mean < -0.2
    frames = gain(experiment, "frame gates exchanged", "S + T")
    assert -0.01 < frames.low < frames.high < 0.01


def test_a_list_for_the_frames_ends_nearly_as_high_if_it_can_grow():
    short, far = (
        gain("cued_joint", n, "S + T")
        for n in ("S + static frames", "S + static frames, scores × 10")
    )
    assert round(100 * short.mean) == -3
    assert -0.01 < far.mean < 0
    assert far.high < 0


def test_what_changes_to_both_gates_cost():
    without = RECORDED.values("cued_joint", "without K").values()
    assert (round(min(without), 2), round(max(without), 2)) == (0.63, 0.98)
    penalty = gain("cued_joint", "λ₁ = 0.1", "S + T")
    assert penalty.verdict == "clear"
    assert round(-100 * penalty.mean) == 4
    for name in ("in turns", "in stages"):
        assert gain("cued_joint", name, "S + T").mean < 0


def test_the_joint_gate_needs_neither_the_frame_gate_nor_the_factor_at_the_last_frame():
    found = gain("cued_joint", "S, last frame", "S + T")
    assert found.verdict == "no clear effect"
    assert abs(found.mean) < 0.01
    assert gain("cued_joint", "S, last frame", "wider, last frame").verdict == "clear"
    joint, last = (gain("cued_joint_2000", n, "plain") for n in ("S", "wider, last frame"))
    assert last.verdict == "clear"
    assert last.mean == pytest.approx(joint.mean / 2, abs=0.002)
