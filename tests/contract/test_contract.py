"""Every mechanism passes every check; every mutant fails at least one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import itertools
import json
import os

import pytest
import torch

from tests.conftest import KILLS
from tests.contract import checks
from tests.contract.checks import CHECKS
from tests.contract.specimen import specimens
from tests.untraced import untraced

#: Set, as when one chapter is tested, the matrix names every check that kills a mutant; the whole
#: course stops at the first.
FULL_MATRIX = "ATTNCOURSE_KILL_MATRIX"
SPECIMENS = {s.card.label: s for s in specimens()}
#: Checks that build a module and little more, and those that take seconds for some mechanism.
QUICK = {
    checks.wrong_inputs_are_refused, checks.wrong_arguments_are_refused,
    checks.factory_arguments_are_passed_on, checks.reset_draws_every_parameter,
    checks.repr_names_what_differs, checks.input_is_left_alone, checks.shape_and_kind_are_kept,
}  # fmt: skip
DEAR = {
    checks.loud_features_stay_finite, checks.runs_and_counts_without_data,
    checks.macs_follow_the_card, checks.half_precision_is_finite,
    checks.replaced_and_hooked_layers_are_heard, checks.parametrised_weights_are_used,
}  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("chapter", SPECIMENS)
def test_mechanism_keeps(chapter, check):
    specimen = SPECIMENS[chapter]
    if check.__name__ not in specimen.excused:
        check(specimen, specimen.card.module)


@pytest.mark.parametrize("chapter", SPECIMENS)
def test_no_excuse_outlives_its_reason(chapter):
    specimen = SPECIMENS[chapter]
    names = {c.__name__: c for c in CHECKS}
    for name, reason in specimen.excused.items():
        assert len(reason) > 20, f"{name}: say why"
        assert fails(names[name], specimen, specimen.card.module), f"{name} holds: drop the excuse"


@pytest.mark.parametrize("chapter", SPECIMENS)
def test_mechanism_keeps_its_own_promises(chapter):
    specimen = SPECIMENS[chapter]
    assert len(specimen.promises) >= 3, "a mechanism promises more than the contract does"
    for promise in specimen.promises:
        promise(specimen.card.module)


@pytest.mark.parametrize("chapter", SPECIMENS)
def test_mechanism_is_documented(chapter):
    """Equation, source, arguments, shapes, errors and an example.

    Not among the checks, because a mutant's one-line docstring would always be killed by it.
    """
    module = SPECIMENS[chapter].card.module
    text = inspect.getdoc(module) or ""
    for word in ("math::", "Source:", "Args:", "Shape:", "Raises:", "Examples:"):
        assert word in text, f"the docstring has no {word}"
    for name in inspect.signature(module).parameters:
        assert f"{name}:" in text, f"the docstring does not explain {name}"


@pytest.mark.parametrize("chapter", SPECIMENS)
def test_docstring_examples_run(chapter):
    module = importlib.import_module(SPECIMENS[chapter].card.module.__module__)
    failures, tried = doctest.testmod(module, extraglobs={"torch": torch})
    assert tried >= 1
    assert failures == 0


@pytest.mark.parametrize("chapter", SPECIMENS)
def test_every_mutant_is_killed(chapter):
    specimen = SPECIMENS[chapter]
    assert len(specimen.mutants) >= 5, "keep at least five mutants a mechanism"
    most = None if os.environ.get(FULL_MATRIX) else 1
    with untraced():
        kills = {name: killers(specimen, make, most) for name, make in specimen.mutants.items()}
    KILLS.mkdir(parents=True, exist_ok=True)
    report = KILLS / f"{chapter.replace('/', '.').replace(':', '.')}.json"
    report.write_text(json.dumps({"chapter": chapter, "kills": kills}), encoding="utf-8")
    survivors = [name for name, names in kills.items() if not names]
    assert not survivors, f"these mistakes go unnoticed: {', '.join(survivors)}"


def killers(specimen, make, most=None):
    """Names of the checks and promises that a mutant fails; of ``most`` of them, if given."""
    held = [(c, (specimen, make)) for c in CHECKS if c.__name__ not in specimen.excused]
    own = [(promise, (make,)) for promise in specimen.promises]
    ways = sorted([*own, *held], key=lambda way: at_what_price(way[0]))
    failing = (way.__name__ for way, arguments in ways if fails(way, *arguments))
    return list(itertools.islice(failing, most))


def at_what_price(check):
    """Where a check stands in the search for the first kill: little work before much."""
    return (check not in QUICK) + (check in DEAR)


def fails(function, *arguments):
    try:
        function(*arguments)
    except (Exception, pytest.fail.Exception):
        return True
    return False


def test_the_matrix_notices_a_survivor():
    """The mechanism itself, counted as its own mutant, would survive: the suite can fail."""
    specimen = next(iter(SPECIMENS.values()))
    assert killers(specimen, specimen.card.module) == []
