"""What the chapter on STA-LSTM says about the recorded runs."""

import pytest

from attncourse.experiments import difference, published

RECORDED = published("spatial_temporal/sta_lstm")
LOUD = "plain, scores × 10"
BODIES = ("plain", "wider", "T", "S", "S, scores × 10", "S + T")


def gain(experiment, after, before):
    return difference(RECORDED.values(experiment, after), RECORDED.values(experiment, before))


def test_the_frame_gate_alone_is_not_told_from_loud_scores():
    for experiment in ("cued_joint", "msr_action3d", "utkinect"):
        found = gain(experiment, "T", LOUD)
        assert found.verdict == "no clear effect"
        assert found.low < 0 < found.high


def test_the_joint_gate_is_clearly_above_loud_scores():
    assert gain("cued_joint", "S", LOUD).verdict == "clear"
    assert gain("cued_joint", "S, scores × 10", LOUD).verdict == "clear"


def test_most_of_what_the_frame_gate_adds_is_the_factor():
    added = gain("cued_joint", "S + T", "S").mean
    left = gain("cued_joint", "S + T", "S, scores × 10").mean
    assert 0 < left < added / 4
    assert left < 0.015


@pytest.mark.parametrize(
    ("experiment", "above"), [("msr_action3d", ["S, scores × 10"]), ("utkinect", [])]
)
def test_what_is_clearly_above_loud_scores_on_real_bodies(experiment, above):
    clear = [
        name
        for name in BODIES
        if (found := gain(experiment, name, LOUD)).verdict == "clear" and found.mean > 0
    ]
    assert clear == above
    best_bare = max(sum(RECORDED.values(experiment, name).values()) for name in ("plain", "wider"))
    assert sum(RECORDED.values(experiment, "S + T").values()) > best_bare


@pytest.mark.parametrize("experiment", ["cued_joint", "msr_action3d"])
def test_joint_gates_depend_on_their_clip_and_frame_gates_do_not(experiment):
    assert gain(experiment, "joint gates exchanged", "S + T").mean < -0.2
    frames = gain(experiment, "frame gates exchanged", "S + T")
    assert -0.01 < frames.low < frames.high < 0.01


def test_what_changes_to_both_gates_cost():
    without = RECORDED.values("cued_joint", "without K").values()
    assert (round(min(without), 2), round(max(without), 2)) == (0.66, 0.98)
    penalty = gain("cued_joint", "λ₁ = 0.1", "S + T")
    assert (round(-100 * penalty.high), round(-100 * penalty.low)) == (3, 6)
    for name in ("in turns", "in stages"):
        assert gain("cued_joint", name, "S + T").mean < 0
