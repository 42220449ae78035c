"""What the pages that open the wings say was found, from the recorded runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from statistics import mean

import pytest

from attncourse.experiments import published

BOOK = Path(__file__).parents[2] / "book"
NUMBERS = ["none", "one", "two", "three", "four", "all five"]


@cache
def page(wing: str) -> str:
    """A wing's page as one line."""
    return " ".join((BOOK / wing / "index.md").read_text(encoding="utf-8").split())


def scores(chapter: str, experiment: str, variant: str) -> list[float]:
    return list(published(chapter).values(experiment, variant).values())


def verdicts(chapter: str, experiment: str, against: str) -> dict[str, str]:
    """Variant -> what the table says of its difference."""
    rows = published(chapter).compare(experiment, against=against).rows
    return {row.name: row.gain.verdict for row in rows if row.gain is not None}


def solved(chapter: str, experiment: str, variant: str, least: float = 0.97) -> str:
    """In how many of five seeds, in words."""
    found = scores(chapter, experiment, variant)
    assert len(found) == 5
    return NUMBERS[sum(score > least for score in found)]


CBAM, COORDINATE = (
    f"channel_spatial/{stem}" for stem in ("convolutional_block_attention", "coordinate_attention")
)


def test_what_the_orders_of_cbam_find():
    first, second = ("channels first", "positions first")
    a, b = (solved(CBAM, "negative", order) for order in (first, second))
    c, d = (solved(CBAM, "smear", order) for order in (second, first))
    assert (
        f"One task is solved *{first}* in {a} seeds and *{second}* in {b}; "
        f"another one *{second}* in {c} and *{first}* in {d}, although" in page("channel_spatial")
    )
    for network in ("BAM", "wide net"):
        assert {solved(CBAM, task, network) for task in ("negative", "smear")} == {"all five"}


def test_what_rows_and_columns_take():
    text = page("channel_spatial")
    found = solved(COORDINATE, "one", "means given")
    assert f"gets these means solves it in {found} seeds of five, and a wider one in all" in text
    assert solved(COORDINATE, "one", "means given, wide") == "all five"
    for variant in ("coordinate", "coordinate, three", "means given", "means given, wide"):
        assert scores(COORDINATE, "two", variant) == pytest.approx([0.5] * 5, abs=1e-6)


def test_what_a_question_at_every_position_takes():
    chapter, text = "channel_spatial/dual_attention", page("channel_spatial")
    one = mean(scores(chapter, "find_your_twin", "global context"))
    assert "one answer for all explains a third" in text
    assert one == pytest.approx(1 / 3, abs=0.01)
    channel = [mean(scores(chapter, "find_your_twin", f"channel, {s}G")) for s in "+-"]
    assert "the channel branch about 70 %" in text
    assert channel == pytest.approx([0.7, 0.7], abs=0.025)
    found = solved(chapter, "find_your_twin", "position", 0.85)
    assert f"the position branch more than 85 % in {found} seeds of five" in text
    assert verdicts(chapter, "reference_discs", "global context")["position"] == "no clear effect"
    assert "five convolutions that see the whole scene solve that task as well" in text
    assert solved(chapter, "discs_longer", "five convolutions", 0.85) == "all five"


def test_what_sca_cnn_does_not_need():
    chapter = "channel_spatial/sca_cnn"
    for experiment, variant in (
        ("asked", "S-C"), ("asked", "FiLM"), ("longer", "question at each cell")
    ):  # fmt: skip
        assert solved(chapter, experiment, variant) == "all five"


def test_what_two_frames_take():
    blind = max(scores("temporal/global_local_temporal", "cue_recall", "one query"))
    for variant in ("mean pooling", "content pooling", "LSTM", "one query"):
        assert max(scores("temporal/global_local_temporal", "cue_recall", variant)) <= blind < 0.31
    for variant in ("pairs, no weights", "TSA"):
        assert min(scores("temporal/global_local_temporal", "cue_recall", variant)) > 0.9
    assert "Of six networks" in page("temporal")


def test_what_a_rule_of_reversal_takes():
    text, chapter = page("temporal"), "temporal/temporal_adaptive"
    a, b, c, d = (
        solved(chapter, "run_backwards", variant)
        for variant in ("kernels", "fixed kernels", "mirrored fixed kernels", "TAM")
    )
    assert f"left out in {a} seeds, fixed kernels in {b}." in text
    assert f"their own mirror image keep it in {c}, TAM as published in {d}." in text


def test_what_joints_and_frames_add():
    chapter, text = "spatial_temporal/sta_lstm", page("spatial_temporal")
    own, other = (
        round(100 * mean(scores(chapter, "cued_joint", variant)))
        for variant in ("S + T", "joint gates exchanged")
    )
    assert f"falls from {own} to {other} %" in text
    for experiment in ("msr_action3d", "utkinect"):
        found = verdicts(chapter, experiment, "wider, scores × 10")
        assert "clear" not in {found[gates] for gates in ("S", "T", "S + T")}


def test_what_moves_the_look():
    chapter, text = "spatial_temporal/rstan", page("spatial_temporal")
    clock, own = (
        round(100 * mean(scores(chapter, "follow_the_chain", variant)))
        for variant in ("clock", "RSTAN")
    )
    assert f"{clock} % of the later answers are right, in place of {own} %" in text
    found = verdicts(chapter, "follow_the_chain", "RSTAN")
    assert found["flat"] == "clearly small"
    assert found["hops"] == "clearly small"


def test_what_hears_the_order():
    found = verdicts("spatial_temporal/channel_correlation", "rising", "with time")
    assert found["one vector over time"] == found["two convolutions"] == "clearly small"
    assert found["STC"] == "no clear effect"


def test_what_the_frame_before_gives():
    chapter = "spatial_temporal/sp_sequence"
    assert verdicts(chapter, "mode", "CGA")["added"] == "clearly small"
    for variant in ("SE", "present alone"):
        assert mean(scores(chapter, "mode", variant)) == pytest.approx(0.75, abs=0.01)
    assert min(scores(chapter, "before", "nearest, distance")) >= max(
        scores(chapter, "before", "CLI")
    )
