"""Answers that learners write, and what a chapter's exercises must say to them.

A chapter's file beside this one lists them, and lets one runner try them::

    TRIED = {
        "select": Tried(
            right={"subtract the maximum": lambda z, scores, k: ...},
            wrong={"detached": (lambda z, scores, k: ..., "`.detach()`")},
        ),
    }
    test_right_answers, test_wrong_answers = trials("branch/selective_kernel", TRIED)

Right answers are textbook forms, three or more with the exercise's own; they must pass on fifty
seeds, under both default types.  Wrong ones, six or more with the known mistakes, come with words
that their message must hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from attncourse.exercises import Status, register
from attncourse.exercises.choice import ChoiceExercise, TableExercise
from attncourse.exercises.exercise import Exercise
from attncourse.exercises.function import FunctionExercise
from attncourse.exercises.module import ModuleExercise
from tests.untraced import untraced

SEEDS = range(50)
_FEWEST_RIGHT, _FEWEST_WRONG = 3, 6


def less_the_mean(scores: torch.Tensor, axis: int) -> torch.Tensor:
    """A softmax that takes away the mean, so that a score far above the others overflows."""
    powers = (scores - scores.mean(axis, keepdim=True)).exp()
    return powers / powers.sum(axis, keepdim=True)


@dataclass(frozen=True)
class Tried:
    """Answers to one exercise.

    Attributes:
        right: name -> an answer that must pass.
        wrong: name -> (answer, words that its message must hold).
    """

    right: Mapping[str, Any] = field(default_factory=dict)
    wrong: Mapping[str, tuple[Any, str]] = field(default_factory=dict)


def all_pass(exercise: Exercise, answers: Mapping[str, Any], seed: int) -> None:
    """Assert that every answer is right on the draws of one seed."""
    for form, answer in answers.items():
        found = exercise.check(answer, seed)
        assert found.status is Status.CORRECT, (form, seed, found.message, found.details)


def trials(chapter: str, tried: Mapping[str, Tried]) -> tuple[Callable[..., None], ...]:
    """The two tests of a chapter: right answers pass, wrong ones are told what is wrong."""
    exercises = {exercise.name: exercise for exercise in register.exercises_of(chapter)}
    assert tried.keys() <= exercises.keys(), tried.keys() - exercises.keys()
    every = pytest.mark.parametrize("name", exercises)

    @every
    def test_right_answers(name: str) -> None:
        exercise, own = exercises[name], tried.get(name, Tried())
        reference, *others = exercise.right_answers()
        answers = {str(n): a for n, a in enumerate(others)} | dict(own.right)
        assert 1 + len(answers) >= _FEWEST_RIGHT, "too few textbook forms"
        assert exercise.check(reference, 0).status is Status.CORRECT
        drawn = isinstance(exercise, FunctionExercise | ModuleExercise)
        all_pass(exercise, answers, 0)
        with untraced():
            for seed in SEEDS[1:] if drawn else ():  # the draws of a seed serve all answers
                all_pass(exercise, answers, seed)
            before = torch.get_default_dtype()
            torch.set_default_dtype(torch.float64)
            try:
                with torch.no_grad():
                    all_pass(exercise, answers, 0)
            finally:
                torch.set_default_dtype(before)

    @every
    def test_wrong_answers(name: str) -> None:
        exercise, own = exercises[name], tried.get(name, Tried())
        known = {} if isinstance(exercise, ChoiceExercise) else dict(exercise.wrong_answers())
        few = isinstance(exercise, ChoiceExercise | TableExercise)
        assert few or len(own.wrong) + len(known) >= _FEWEST_WRONG, "too few wrong answers"
        for form, (answer, words) in own.wrong.items():
            for seed in (0, 1):
                found = exercise.check(answer, seed)
                assert found.status is Status.NOT_YET, form
                assert words in found.message, (form, seed, found.message, found.details)

    return test_right_answers, test_wrong_answers
