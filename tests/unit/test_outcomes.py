"""Recorded runs as tables and dots: intervals, clusters, verdicts, the number of comparisons."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

from attncourse import views
from attncourse.experiments import Results, Scale
from attncourse.views.fragment import unsigned_zero


def results(scale, metric="test accuracy", **scores):
    """Recorded runs of variants, the first plain, the last a mechanism."""
    roles = ["plain", *["ablation"] * (len(scores) - 2), "mechanism"]
    runs = [
        {"variant": name, "role": role, "seed": seed, "score": score}
        for (name, values), role in zip(scores.items(), roles, strict=True)
        for seed, score in enumerate(values)
    ]
    entry = {"data": "digits", "budget": {"steps": 400}, "metric": metric, "runs": runs}
    return Results("c/x", {"e": entry}, {"e": scale})


SHARE = Scale((0.0, 1.0), matters=0.01)
RUNS = {
    "plain": (0.50, 0.51, 0.50, 0.51, 0.50),
    "same": (0.50, 0.51, 0.50, 0.51, 0.502),
    "RAM": (0.75, 0.75, 0.95, 0.94, 0.75),
    "SE": (0.97, 0.98, 0.97, 0.96, 0.97),
}


def cells(shown):
    lines = [line.strip().split("  ") for line in shown.text.splitlines()[3:]]
    return {name: [cell for cell in rest if cell] for name, *rest in lines}


def test_a_table_has_verdicts_and_says_how_they_came_about():
    shown = views.outcome_table(results(SHARE, **RUNS).compare("e"), caption="Five seeds.")
    rows = cells(shown)
    assert rows["plain"] == ["50.4%", "49.7% to 51.1%"]
    assert rows["same"] == ["50.4%", "49.8% to 51.1%", "0.0, -0.1 to +0.2", "clearly small"]
    assert rows["SE"][-1] == "clear"
    assert rows["RAM"] == [
        "from 75.0% to 95.0%",
        "2 of 5 seeds in the upper cluster",
        "2 of 5 seeds in the upper cluster, against 0",
        "no clear effect",
    ]
    caption, columns, heading = shown.text.splitlines()[:3]
    assert caption.startswith("Five seeds. Differences are paired seed by seed, in points,")
    assert "3 comparisons: where nothing differs" in caption
    assert "up to 14 % of such tables" in caption
    assert "less plain" in columns
    assert heading == "digits, 400 steps; 5 seeds alone; what matters: 1 point"
    assert shown.html.count("ac-mech") == 1  # the mechanism's row stands out


def test_comparisons_of_several_experiments_are_counted_together():
    one = results(SHARE, **RUNS).compare("e")
    slope = results(
        Scale((None, None), matters=0.1), metric="slope", still=(0.0, -1e-5), moves=(0.8, 0.9)
    ).compare("e")
    shown = views.outcome_table({"first": one, "second": slope})
    assert "4 comparisons" in shown.text
    assert "in points" not in shown.text
    assert "less the one without a difference" in shown.text
    assert cells(shown)["still"][0] == "0.000"  # and never -0.000


def test_counts_stand_beside_intervals_where_another_row_has_two_clusters():
    scale = Scale((0.0, 1.0), matters=0.01, learned=0.85)
    rows = cells(views.outcome_table(results(scale, **RUNS).compare("e")))
    assert rows["SE"][1].endswith("5 of 5 seeds learned")
    assert rows["RAM"][1] == "2 of 5 seeds learned"
    alone = {name: RUNS[name] for name in ("plain", "SE")}
    assert "learned" not in views.outcome_table(results(scale, **alone).compare("e")).text


def test_dots_show_an_interval_or_how_many_seeds_learned():
    figure = views.outcome_dots(
        results(SHARE, **RUNS).compare("e"), references={"chance": 0.5}, limits=(0.4, 1)
    )
    (axes,) = figure.axes
    lines = [list(line.get_xdata()) for line in axes.lines]
    assert [line for line in lines if len(line) == 5] == [list(v) for v in RUNS.values()]
    bars = [line for line in lines if len(line) == 2 and line[0] != line[1]]
    assert len(bars) == 3  # none for two clusters
    assert all(0.4 < low < high < 1 for low, high in bars)
    assert "2 of 5 in the upper cluster" in [text.get_text() for text in axes.texts]
    assert axes.get_xlabel() == "test accuracy"
    assert axes.get_xlim() == (0.4, 1)
    plt.close(figure)


@pytest.mark.parametrize(("value", "shown"), [(0.01, "1 point"), (0.005, "0.5 points")])
def test_sizes_read_as_points(value, shown):
    found = results(Scale((0.0, 1.0), matters=value), **RUNS).compare("e")
    assert f"what matters: {shown}" in views.outcome_table(found).text


@pytest.mark.parametrize("heading", ["fashion_mnist", "fashion_mnist: 60,000 for training"])
def test_a_heading_is_said_in_words(heading):
    with pytest.raises(ValueError, match="say it in words"):
        views.outcome_table({heading: results(SHARE, **RUNS).compare("e")})
    shown = views.outcome_table({"Fashion-MNIST": results(SHARE, **RUNS).compare("e")})
    assert "Fashion-MNIST; " in shown.text


@pytest.mark.parametrize(
    ("number", "shown"),
    [("-0.0", "0.0"), ("+0.00", "0.00"), ("-0 %", "0 %"), ("-0.1", "-0.1"), ("+2.0%", "+2.0%")],
)
def test_zero_has_no_sign(number, shown):
    assert unsigned_zero(number) == shown
