"""Experiments, their records, and what may be concluded from them."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import torch
from torch import nn

from attncourse.catalog import CHAPTERS_WRITTEN
from attncourse.channel import SqueezeExcitation
from attncourse.experiments import (
    Experiment,
    Results,
    Variant,
    all_experiments,
    difference,
    every_experiment_of,
    experiments_of,
    ladder,
    published,
    reading_places,
    record,
    summarise,
)
from attncourse.experiments.controls import Added, StaticGate
from attncourse.experiments.register import EXTRA_CHAPTERS, WINGS
from attncourse.experiments.runner import commit, fingerprint
from attncourse.tasks import digits_task
from attncourse.training import Budget


def tiny(width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def experiment(steps=5, **changes):
    options = {
        "name": "tiny",
        "question": "Does width help?",
        "task": digits_task,
        "variants": (
            Variant("narrow", "plain", tiny, "the baseline"),
            Variant("wide", "mechanism", lambda: tiny(16), "more units"),
        ),
        "quick": Budget(steps, batch_size=32),
        "full": Budget(2 * steps, batch_size=32),
        "data": "digits",
    }
    return Experiment(**(options | changes))


# ---------------------------------------------------------------- statistics


def test_interval_is_student_s():
    s = summarise([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445105 * math.sqrt(2.5) / math.sqrt(5)  # t of 4 degrees of freedom, 97.5 %
    assert s.mean == 3.0
    assert s.low == pytest.approx(3 - half)
    assert s.high == pytest.approx(3 + half)
    assert s.seeds == 5


def test_one_value_has_no_interval():
    with pytest.raises(ValueError, match=r"1 value\(s\) have no interval"):
        summarise([0.5])


def test_differences_are_paired_by_seed():
    before = {0: 0.10, 1: 0.50, 2: 0.90}
    after = {0: 0.12, 1: 0.52, 2: 0.92, 7: 0.0}
    gain = difference(after, before)
    assert gain.mean == pytest.approx(0.02)
    assert gain.seeds == 3
    assert gain.excludes_zero
    assert not difference({0: 1.0, 1: 0.0}, {0: 0.0, 1: 1.0}).excludes_zero


# ---------------------------------------------------------------- running


def test_runs_are_recorded_with_all_that_they_depend_on(tmp_path):
    out = tmp_path / "channel" / "x.json"
    lines = []
    results = record("channel/x", [experiment()], range(2), out, say=lines.append)
    stored = json.loads(out.read_text(encoding="utf-8"))
    entry = stored["experiments"]["tiny"]
    assert entry["budget"]["steps"] == 5
    assert [(r["variant"], r["seed"]) for r in entry["runs"]] == [
        ("narrow", 0), ("narrow", 1), ("wide", 0), ("wide", 1),
    ]  # fmt: skip
    for run in entry["runs"]:
        assert {"score", "seconds", "device", "versions", "commit", "parameters"} <= set(run)
        assert run["versions"]["torch"] == torch.__version__
    assert entry["summary"]["wide"]["seeds"] == 2
    assert len(lines) == 4
    assert results.values("tiny", "wide") == Results.load(out, "channel/x").values("tiny", "wide")


def test_finished_runs_are_not_made_again(tmp_path):
    out = tmp_path / "x.json"
    record("channel/x", [experiment()], range(2), out, say=lambda line: None)
    before = out.read_bytes()
    lines = []
    record("channel/x", [experiment()], range(3), out, say=lines.append)
    again = [line for line in lines if "recorded already" in line]
    assert len(again) == 4
    assert len(lines) == 6
    assert len(json.loads(out.read_text())["experiments"]["tiny"]["runs"]) == 6
    assert before != out.read_bytes()


def test_an_interruption_loses_only_the_run_in_flight(tmp_path):
    out = tmp_path / "x.json"

    class Interrupt(Exception):
        pass

    def interrupts():
        interrupts.calls += 1
        if interrupts.calls > 2:  # a fingerprint and a run for seed 0, then trouble
            raise Interrupt
        return tiny(16)

    interrupts.calls = 0
    variants = (Variant("narrow", "plain", tiny, ""), Variant("wide", "mechanism", interrupts, ""))
    with pytest.raises(Interrupt):
        record("c/x", [experiment(variants=variants)], range(2), out, say=lambda line: None)
    runs = json.loads(out.read_text())["experiments"]["tiny"]["runs"]
    assert [(r["variant"], r["seed"]) for r in runs] == [("narrow", 0), ("narrow", 1), ("wide", 0)]


def test_a_changed_budget_or_network_is_run_again(tmp_path):
    out = tmp_path / "x.json"
    record("c/x", [experiment()], range(1), out, say=lambda line: None)
    lines = []
    record("c/x", [experiment(steps=6)], range(1), out, say=lines.append)
    assert not [line for line in lines if "already" in line]
    wider = (Variant("narrow", "plain", lambda: tiny(9), ""), experiment().variants[1])
    lines.clear()
    record("c/x", [experiment(steps=6, variants=wider)], range(1), out, say=lines.append)
    assert ["already" in line for line in lines] == [False, True]
    assert len(Results.load(out, "c/x").experiments["tiny"]["runs"]) == 2


def test_a_network_may_have_a_learning_rate_of_its_own(tmp_path):
    """It is used, it is recorded, and with another one the run is made again."""
    path, out = tmp_path / "own.json", []
    for rate in (None, 1e-12, 1e-12, 0.1):
        wide = Variant("wide", "plain", lambda: tiny(16), "", rate)
        made = experiment(variants=(wide,))
        results = record("c/m", [made], [0], path, say=out.append)
        (row,) = results.experiments["tiny"]["runs"]
        assert row.get("learning_rate") == rate
    assert ["recorded already" in line for line in out] == [False, False, True, False]


def test_a_learning_rate_of_its_own_is_the_one_that_is_used():
    moved = []
    for rate in (1e-12, 0.1):
        made = experiment(variants=(Variant("wide", "plain", lambda: tiny(16), "", rate),))
        run, _ = made.run("wide", 0)
        torch.manual_seed(0)
        moved.append(float((run.model[1].weight - tiny(16)[1].weight).detach().abs().max()))
    assert moved[0] < 1e-6 < 0.01 < moved[1]


def test_the_fingerprint_sees_the_forward_pass_and_not_the_name():
    class Doubled(nn.Sequential):
        def forward(self, x):
            return 2 * super().forward(x)

    task, budget = digits_task(), Budget(1, batch_size=32)

    def start(build, seed=0):
        e = experiment(variants=(Variant("only", "plain", build, ""),))
        return fingerprint(e, "only", task, seed, budget)

    plain = start(tiny)
    assert start(lambda: tiny(8)) == plain
    assert start(lambda: Doubled(*tiny())) != plain
    assert start(tiny, seed=1) != plain


def test_equal_seeds_give_equal_numbers():
    one, two = (experiment().run("wide", 3)[1] for _ in range(2))
    assert one == two


def test_commit_names_a_revision():
    assert commit() == "unknown" or len(commit().rstrip("+")) == 12


# ---------------------------------------------------------------- files and names


def test_a_file_of_another_kind_is_refused_and_kept(tmp_path):
    out = tmp_path / "x.json"
    for text in ("{", "[]", '{"chapter": "c/x"}'):
        out.write_text(text)
        with pytest.raises(ValueError, match="is not a results file"):
            Results.load(out, "c/x")
        assert out.read_text() == text
    out.write_text('{"chapter": "c/y", "experiments": {}}')
    with pytest.raises(ValueError, match="holds results of c/y, not of c/x"):
        Results.load(out, "c/x")


def test_saving_is_all_or_nothing(tmp_path, monkeypatch):
    out = tmp_path / "x.json"
    record("c/x", [experiment()], range(1), out, say=lambda line: None)
    good = out.read_bytes()

    def refuse(*arguments):
        raise PermissionError("read-only")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(PermissionError):
        Results.load(out, "c/x").save(out)
    assert out.read_bytes() == good
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_unknown_names_say_what_there_is(tmp_path):
    results = record("c/x", [experiment()], range(1), tmp_path / "x.json", say=lambda line: None)
    with pytest.raises(KeyError, match=r"no runs of 'other'.*recorded: tiny"):
        results.values("other", "wide")
    with pytest.raises(KeyError, match=r"no runs of variant 'huge'.*recorded: narrow, wide"):
        results.values("tiny", "huge")
    with pytest.raises(KeyError, match="has no variant 'huge'; it has: narrow, wide"):
        experiment().variant("huge")
    with pytest.raises(KeyError, match="the course has: channel/squeeze_excitation"):
        experiments_of("channel/nothing")
    with pytest.raises(ValueError, match="role='best' is unknown"):
        Variant("x", "best", tiny, "")
    with pytest.raises(FileNotFoundError, match="python -m attncourse run c/nothing"):
        published("c/nothing")


# ---------------------------------------------------------------- every chapter's experiments


@pytest.mark.parametrize("chapter", CHAPTERS_WRITTEN)
def test_every_experiment_compares_fairly(chapter):
    """A plain net first, the mechanism, an ablation; a question; one budget for all."""
    experiments = all_experiments()[chapter]
    assert len({e.name for e in experiments}) == len(experiments)
    for e in experiments:
        roles = [v.role for v in e.variants]
        assert roles[0] == "plain"
        assert {"mechanism", "ablation"} <= set(roles)
        assert e.question.endswith("?")
        assert len({v.name for v in e.variants}) == len(e.variants)


@pytest.mark.parametrize("chapter", [*CHAPTERS_WRITTEN, *EXTRA_CHAPTERS, *WINGS])
def test_published_results_are_those_of_the_experiments(chapter):
    """At least five seeds of every variant, with the task and budget that the code now has."""
    results = published(chapter)
    for e in experiments_of(chapter):
        entry = results.experiments[e.name]
        assert entry["question"] == e.question
        assert entry["budget"]["steps"] in (e.quick.steps, e.full.steps)
        assert results.variants(e.name) == [v.name for v in e.variants]
        for run in entry["runs"]:
            assert run.get("learning_rate") == e.variant(run["variant"]).rate
        for v in e.variants:
            assert len(results.values(e.name, v.name)) >= 5
            stored = entry["summary"][v.name]
            fresh = summarise(results.values(e.name, v.name))
            assert stored["mean"] == pytest.approx(fresh.mean)
            assert (stored["low"], stored["high"]) == pytest.approx((fresh.low, fresh.high))
            assert stored["over"] == fresh.over


def test_a_wing_s_figure_shows_what_its_gates_do_now(repository):
    """``python -m attncourse wings > book/_data/wings.json``."""
    stored = json.loads((repository / "book/_data/wings.json").read_text(encoding="utf-8"))
    before, now = stored["channel"], ladder.as_records()
    assert [gate["stem"] for gate in before] == [gate["stem"] for gate in now]
    for one, other in zip(before, now, strict=True):
        matrices = [[row.split() for row in gate["influences"]] for gate in (one, other)]
        numbers = torch.tensor([[[int(v) for v in row] for row in m] for m in matrices])
        assert (numbers[0] - numbers[1]).abs().max() <= 1, one["stem"]


def test_a_wing_s_maps_show_what_its_members_read_now(repository):
    """``python -m attncourse wings > book/_data/wings.json``."""
    stored = json.loads((repository / "book/_data/wings.json").read_text(encoding="utf-8"))
    before, now = stored["spatial"], reading_places.as_records()
    assert before["things"] == now["things"]
    assert len(before["members"]) == len(now["members"])
    for one, other in zip(before["members"], now["members"], strict=True):
        assert (one["stem"], one["form"]) == (other["stem"], other["form"])
        maps = [[[row.split() for row in m] for m in member["maps"]] for member in (one, other)]
        numbers = torch.tensor([[[[int(v) for v in r] for r in m] for m in each] for each in maps])
        assert (numbers[0] - numbers[1]).abs().max() <= 1, one["stem"]


def test_every_written_chapter_of_the_wing_reads_the_image():
    written = {c.removeprefix("spatial/") for c in CHAPTERS_WRITTEN if c.startswith("spatial/")}
    assert {member.stem for member in reading_places.MEMBERS} == written


def test_where_is_read_is_where_a_change_would_be_heard():
    """A pixel that a map leaves dark may change; the query reads the same, with g held fixed."""
    for reader in (reading_places.pairs(), reading_places.crosses(1), reading_places.taps()):
        x = reading_places.image()
        dark = reading_places.read_from(reader, 0) < 1e-12
        before, elsewhere = reader(x, 0), torch.where(dark, x + 1e-6, x)
        seen = torch.where(dark, x, x + 1e-6)
        assert (reader(seen, 0) - before).abs().max() > 1e-8
        # non-local weights are positive everywhere, so that nothing is dark there
        assert not dark.any() or (reader(elsewhere, 0) - before).abs().max() < 1e-8


def test_influences_tell_who_moves_whose_gate():
    shared = ladder.influences(lambda c: SqueezeExcitation(c, reduction=1), 6)
    alone = ladder.influences(ladder.GATES["style_recalibration"], 6)
    assert (shared > 0).all()
    assert torch.equal(alone, alone.diag().diag())
    assert shared.max() == alone.max() == 1
    assert (alone.diag() > 0).all()


@pytest.mark.parametrize("chapter", CHAPTERS_WRITTEN)
def test_large_experiments_are_run_in_full_only(chapter):
    small, every = experiments_of(chapter), every_experiment_of(chapter)
    assert every[: len(small)] == small
    assert all_experiments(large=True)[chapter] == every
    assert len({e.name for e in every}) == len(every)
    for e in every[len(small) :]:
        roles = [v.role for v in e.variants]
        assert roles[0] == "plain"
        assert {"mechanism", "ablation"} <= set(roles)
        assert e.full.steps > e.quick.steps


@pytest.mark.parametrize("chapter", ["channel/squeeze_excitation", "spatial/non_local"])
def test_networks_for_photographs_are_of_one_size(chapter):
    """The wider plain network has the mechanism's parameters, to one in a hundred of them."""
    (e,) = [e for e in every_experiment_of(chapter) if e.name == "cifar10"]
    x = torch.randn(2, 3, 32, 32)
    sizes = {}
    for v in e.variants:
        network = v.build()
        assert network(x).shape == (2, 10), v.name
        sizes[v.name] = sum(p.numel() for p in network.parameters())
    mechanism = sizes[e.variants[-1].name]
    assert abs(sizes["wider"] - mechanism) < 0.03 * (mechanism - sizes["plain"])


def test_a_budget_is_cut_and_never_grown():
    e = experiment()
    assert e.budget() == e.quick
    assert e.budget(full=True) == e.full
    assert e.budget(full=True, steps=1) == dataclasses.replace(e.full, steps=1)
    assert e.budget(steps=10**6) == e.quick


def test_published_runs_can_be_had_again():
    """The first recorded cell of the live experiment, run now, gives the recorded number."""
    e = experiments_of("channel/squeeze_excitation")[0]
    stored = published("channel/squeeze_excitation").values(e.name, "SE")[0]
    assert e.run("SE", 0)[1] == pytest.approx(stored, abs=0.01)


# ---------------------------------------------------------------- controls


def test_a_static_gate_does_not_look_at_the_image():
    gate = StaticGate(4)
    with torch.no_grad():
        gate.logits.normal_()
    x = torch.randn(3, 4, 5, 5)
    ratio = gate(x) / x
    torch.testing.assert_close(ratio, ratio[:1, :, :1, :1].expand_as(ratio))


def test_the_added_control_shares_information_without_a_product():
    block = SqueezeExcitation(4, 2)
    x = torch.randn(2, 4, 5, 5)
    added = Added(block)(x) - x
    torch.testing.assert_close(added, block.g(x)[:, :, None, None].expand_as(x))
