"""The benchmarks measure what they say: same values, true slopes, floors that can break."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from attncourse.catalog import CARDS
from attncourse.roofline import roofline
from benchmarks import __main__ as command
from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.measure import (
    broken,
    forms_of,
    least_work,
    peak_bytes,
    row,
    slope,
    training_step,
    with_fresh_memory,
)

IDS = [f"{case.chapter}: {case.name}" for case in CASES]
TABLE = json.loads(command.TABLE.read_text(encoding="utf-8"))


def test_every_mechanism_has_a_case():
    assert {card.chapter for card in CARDS} == {case.chapter for case in CASES}
    assert len(set(IDS)) == len(IDS)
    assert all(len(case.sizes) == 3 for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.chapter)
def test_all_forms_give_the_same_values_and_gradients(case):
    shape = next(iter(case.sizes.values()))
    forms, x = forms_of(case, shape, dtype=torch.float64)
    expected = None
    for name, form in forms.items():
        y = form(x)
        found = y.detach(), torch.autograd.grad(y, x, torch.ones_like(y))[0]
        expected = expected or found
        for one, two in zip(found, expected, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=case.tolerance, msg=name)


@pytest.mark.parametrize("case", [c for c in CASES if c.floors], ids=lambda c: c.chapter)
def test_the_floors_of_memory_hold(case):
    """Memory is exact, so this cannot be a matter of luck; times are checked by make bench."""
    shape = list(case.sizes.values())[-1]
    wanted = {form: least for form, (_, least) in case.floors.items() if least is not None}
    forms, x = forms_of(case, shape)
    held = {f: peak_bytes(training_step(forms[f], x)) for f in ["ours", *wanted]}
    for form, least in wanted.items():
        assert held[form] / held["ours"] >= least, form


def test_the_recorded_table_keeps_every_floor():
    assert [text for r in TABLE["rows"] for text in broken(r)] == []


def test_the_recorded_table_is_of_these_cases():
    """Cases beside packages that are optional may be missing here, not there."""
    recorded = {(r["chapter"], r["name"]) for r in TABLE["rows"]}
    assert {(case.chapter, case.name) for case in CASES} <= recorded
    for r in TABLE["rows"]:
        for case in CASES:
            if (case.chapter, case.name) == (r["chapter"], r["name"]):
                shapes = [list(shape) for shape in case.sizes.values()]
                assert [size["shape"] for size in r["sizes"]] == shapes
                assert r["along"] == case.along


@pytest.mark.parametrize("power", [0.5, 1, 2, 3])
def test_a_slope_is_the_exponent(power):
    assert slope((n, 7 * n**power) for n in (10, 100, 1000)) == pytest.approx(power)
    with pytest.raises(ValueError, match="one size"):
        slope([(10, 1), (10, 2)])


def test_a_broken_floor_and_ceiling_are_named():
    costs = {"ours": {"seconds": 2.0, "bytes": 8}, "textbook": {"seconds": 3.0, "bytes": 8}}
    made = {
        "chapter": "spatial/x", "name": "x", "sizes": [{"forms": costs}],
        "floors": {"textbook": [2, None]}, "ceilings": {"textbook": 1.1},
        "fresh": {"ours": 2.0, "textbook": 2.5}, "fresh_floors": {"textbook": 1.3},
    }  # fmt: skip
    one, two, three = broken(made)
    assert one == "spatial/x, x: textbook / ours in seconds is 1.50, floor 2"
    assert "at most 1.1" in two
    assert "seconds with fresh memory is 1.25, floor 1.3" in three
    made |= {"floors": {"textbook": [1.5, 2]}, "ceilings": {}, "fresh_floors": {"textbook": 1.2}}
    assert broken(made) == ["spatial/x, x: textbook / ours in bytes is 1.00, floor 2"]
    made["fresh"] = None
    assert len(broken(made)) == 1, "other systems have no such measurement"


class Twice(torch.nn.Module):
    """Two products with one square matrix: the work is known."""

    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(width, width))

    def forward(self, x):
        return x @ self.weight @ self.weight


def test_the_least_work_is_counted():
    case = Case(
        chapter="spatial/x", name="x", sizes={"8 x 16": (8, 16)}, module=lambda shape: Twice(16),
        others={"squared": lambda module, shape: lambda x: x @ (module.weight @ module.weight)},
        grows=lambda shape: shape[0], along="rows",
    )  # fmt: skip
    work = least_work(case, (8, 16))
    # There and back to x for each of two products; squaring first costs 16^3 and saves one pair.
    assert work["products"] == min(4 * 8 * 16 * 16, 16**3 + 2 * 8 * 16 * 16)
    assert work["bytes"] == 4 * (4 * 8 * 16 + 16 * 16)


def test_the_roofline_is_of_this_machine():
    roof = roofline()
    assert roof["bytes_per_second"] > 1e8
    assert roof["multiply_adds_per_second"] > 1e8


@pytest.mark.skipif(sys.platform != "linux", reason="only there does it differ")
def test_fresh_memory_is_measured_in_a_process_of_its_own():
    case = CASES[0]
    shape = next(iter(case.sizes.values()))
    timed = with_fresh_memory(case, shape, repeats=3)
    assert set(timed) == {"ours", *case.others}
    assert all(seconds > 0 for seconds in timed.values())


def test_a_row_is_plain_data_with_slopes():
    roof = {"bytes_per_second": 1e10, "multiply_adds_per_second": 1e10}
    made = row(CASES[0], roof=roof, repeats=3)
    assert json.loads(json.dumps(made)) == made
    assert set(made["slopes"]) == set(made["sizes"][0]["forms"])
    assert made["roofline"] == roof
    assert made["compiled"] is None, "compiling is for those who ask"
    assert made["fresh"] is None, "only where tensors are large enough for it to be certain"


def test_the_machine_is_named():
    here = command.machine("cpu")
    assert here["device"].endswith(", 1 thread")
    assert len(here["device"]) > len(", 1 thread")
    assert set(here) == set(TABLE["machine"])


def test_a_chapter_measured_elsewhere_names_its_machine_and_leaves_the_others():
    row = lambda name, form="textbook": {  # noqa: E731
        "chapter": "a/b", "name": name, "sizes": [{"forms": {form: {}}}]
    }  # fmt: skip
    there, here = {"device": "there"}, {"device": "here"}
    old = {"machine": there, "roofline": 1, "rows": [row("x"), row("gone"), row("z", "timm")]}
    new = {"machine": here, "roofline": 2, "rows": [row("y")]}
    place = {("a/b", "y"): 0, ("a/b", "x"): 1}
    found = command.joined(old, new, place)
    assert [r["name"] for r in found["rows"]] == ["y", "x", "z"]
    assert [r.get("machine") for r in found["rows"]] == [here, None, None]
    assert (found["machine"], found["roofline"]) == (there, 1)
    again = command.joined(found, {**new, "machine": there}, place)
    assert "machine" not in again["rows"][0]


def test_calls_that_make_no_sense_are_refused(capsys):
    assert command.main(["channel/nothing"]) == 2
    assert "no case for channel/nothing; there are: " in capsys.readouterr().out
    assert command.main(["--repeats", "2"]) == 2
    assert "at least 3" in capsys.readouterr().out
    if not torch.cuda.is_available():
        assert command.main(["--device", "cuda"]) == 2
        assert "no GPU here; leave it out" in capsys.readouterr().out
