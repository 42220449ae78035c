"""What the pages around the chapters say of all mechanisms, runs and measurements, computed."""

from __future__ import annotations

import inspect
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest

from attncourse.catalog import CARDS
from attncourse.plan import CHAPTERS

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
RESULTS = sorted((BOOK / "results").rglob("*.json"))


def page(name: str) -> str:
    """A page as one line."""
    return " ".join((BOOK / f"{name}.md").read_text(encoding="utf-8").split())


def experiments():
    """Wing, experiment's name, record."""
    for path in RESULTS:
        found = json.loads(path.read_text(encoding="utf-8"))["experiments"]
        for name, record in found.items():
            yield path.parent.name, name, record


def test_the_glossary_is_sorted_and_whole():
    lines = (BOOK / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line[:2] == "| "]
    found = [re.fullmatch(r"\[(.+)\]\((.+)\)|(.+)", row[0]) for row in rows[1:]]
    terms = [(one[1] or one[3]).lower() for one in found]
    assert terms == sorted(terms)
    assert len(terms) == len(set(terms))
    assert all(len(row) == 3 and all(row) for row in rows)
    led = [one[2] for one in found if one[2]]
    assert all((BOOK / place).exists() for place in led)
    assert len(led) > 0.9 * len(terms), "a term leads to the chapter that treats it"


def test_chapters_have_the_names_that_readers_look_for():
    """All of them, and no name means two chapters."""
    names = tomllib.loads((BOOK / "_data" / "names.toml").read_text(encoding="utf-8"))
    assert list(names) == [chapter.path for chapter in CHAPTERS]
    every = [name.lower() for row in names.values() for name in row]
    assert len(every) == len(set(every))


def test_seeds_are_the_first_ones():
    """Of every network, as the page on results says; one experiment has twenty."""
    assert "0 to 4, or 0 to 9." in page("results_policy")
    more = set()
    for wing, name, record in experiments():
        seeds: dict[str, list[int]] = {}
        for run in record["runs"]:
            seeds.setdefault(run["variant"], []).append(run["seed"])
        for variant, found in seeds.items():
            assert sorted(found) == list(range(len(found))), (wing, name, variant)
            assert len(found) >= 5, (wing, name, variant)
            if len(found) not in (5, 10):
                more.add((wing, name, len(found)))
    assert more == {("branch", "scale", 20)}


@pytest.mark.parametrize(
    "wing",
    ["channel", "spatial", "temporal", "branch", "channel_spatial", "spatial_temporal"],
)
def test_every_wing_has_a_result_on_data_that_were_not_made_for_it(wing):
    given = ("scikit-learn digits, 1,400 for training", "Fashion-MNIST", "CamVid", "MSR Action3D",
             "UTKinect")  # fmt: skip
    assert any(record["data"].startswith(given) for w, _, record in experiments() if w == wing)


def test_what_modules_take_and_give():
    text = page("how_to_use")
    takes = {c.title: list(inspect.signature(c.module).parameters) for c in CARDS}
    assert [title for title, words in takes.items() if words[0] != "channels"] == ["STA-LSTM"]
    assert "STA-LSTM takes the number of joints first." in text
    scores = {title for title, words in takes.items() if {"classes", "words"} & {*words}}
    assert scores == {
        "RAM", "DRAM", "Hard and soft attention", "STA-LSTM", "RSTAN",
    }  # fmt: skip
    assert "(RAM and DRAM, the caption decoder, STA-LSTM, RSTAN) give scores" in text
    assert sum(c.drop_in for c in CARDS) > len(CARDS) / 2


def test_what_the_page_on_costs_does_not_time():
    code = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "benchmarks").rglob("*.py"))
    missing = {c.title for c in CARDS if not re.search(rf"\b{c.module.__name__}\b", code)}
    assert missing == {
        "BAM", "Highway layer", "RAM", "DRAM", "DANet", "DANet, channel branch",
    }  # fmt: skip
    assert "Six were not timed here: BAM, the Highway layer, RAM and DRAM" in page("costs")


def test_every_measured_row_has_a_name_of_its_own():
    """The table of distances shows a row by its name alone."""
    rows = json.loads((BOOK / "_data" / "benchmarks.json").read_text(encoding="utf-8"))["rows"]
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names))


def test_how_far_products_of_pairs_are_from_their_bound():
    sys.path.insert(0, str(BOOK / "_ext"))
    from attnbook import costs

    rows = costs.read(BOOK / "_data" / "benchmarks.json")["rows"]
    ratio = {}
    for row in rows:
        ours, least, binds = costs.distance(row)
        ratio[row["chapter"], row["name"]] = (f"{ours / least:.1f}", binds)
    pairs = [
        ratio[key]
        for key in (
            ("spatial/non_local", "Dot product"),
            ("spatial/non_local", "Gaussian"),
            ("spatial/non_local", "Embedded Gaussian"),
            ("channel_spatial/dual_attention", "Position attention, form='blocks'"),
            ("channel_spatial/dual_attention", "Position attention, form='fused'"),
            ("spatial/vision_transformer", "Multi-head attention"),
        )
    ]
    assert {binds for _, binds in pairs} == {"products"}
    low, high = min(r for r, _ in pairs), max(r for r, _ in pairs)
    four = ratio["spatial/four_terms", "All four terms"][0]
    assert f"takes {low} to {high} times its bound; the four terms take {four} times" in page(
        "costs"
    )
