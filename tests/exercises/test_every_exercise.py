"""Every registered exercise: what is right passes, every known mistake is called by its name."""

import itertools

import pytest
import torch

from attncourse import exercises
from attncourse.exercises import Status, check, register

SEEDS = (0, 1)
ALL = [exercise for group in register.all_exercises().values() for exercise in group]
every_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.id)
every_chapter = pytest.mark.parametrize("chapter", register.chapters())


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNCOURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(exercises.progress, "_FILE", exercises.progress.ProgressFile())


@every_exercise
def test_stubs_are_not_attempted_and_the_text_never_changes(exercise):
    texts = set()
    for stub in exercise.stubs():
        result = check(exercise.id, stub)
        assert result.status is Status.NOT_ATTEMPTED
        texts.add(repr(result))
        texts.add(result._repr_mimebundle_()["text/plain"])
    assert len(texts) == 1
    assert texts.pop().startswith(f"Not attempted yet: {exercise.id}\n")


@every_exercise
def test_every_mistake_is_called_by_its_own_name(exercise):
    mistakes = exercise.wrong_answers()
    for (name, answer), seed in itertools.product(mistakes, SEEDS):
        found = exercise.check(answer, seed)
        assert found.status is Status.NOT_YET, name
        assert found.misconception == name, (name, seed, found.message)
        others = {other for other, _ in mistakes} - {name}
        assert not any(f"looks like {other}." in found.message for other in others), name


@every_exercise
def test_there_are_mistakes_and_staged_hints(exercise):
    assert len(exercise.wrong_answers()) >= 2
    assert len(exercise.hints) >= 2
    assert exercise.id == f"{exercise.chapter.split('/')[1]}.{exercise.name}"
    assert exercise.task.endswith(".")


@every_exercise
def test_no_answer_at_all_breaks_a_check(exercise):
    for answer in (
        77, 0.5, float("nan"), "x", b"x", [], [1.0], {}, {"a": 1}, (), object(), int, len, print,
        torch.zeros(2, 3), torch.tensor(float("nan")), torch.nn.Linear, torch.nn.Linear(2, 2),
        lambda *a: a, lambda *a: a[0], lambda: None, iter([1]),
    ):  # fmt: skip
        result = check(exercise.id, answer, record=False)
        assert result.status is not Status.CORRECT
        assert result.message
        assert "text/html" in result._repr_mimebundle_()


@every_chapter
def test_answers_of_learners_are_tried(chapter, repository):
    folder, _, stem = chapter.partition("/")
    text = (repository / "tests/exercises" / folder / f"test_{stem}.py").read_text("utf-8")
    assert f'test_right_answers, test_wrong_answers = trials("{chapter}", TRIED)' in text


@every_chapter
def test_ids_are_unique_and_levels_are_graded(chapter):
    group = register.exercises_of(chapter)
    assert 3 <= len(group) <= 6
    assert len({exercise.id for exercise in group}) == len(group)
    assert {exercise.chapter for exercise in group} == {chapter}
    assert len({exercise.level for exercise in group}) >= 2


@every_chapter
def test_every_question_has_one_right_option_and_a_reason_for_each(chapter):
    questions = register.quiz_of(chapter).questions
    assert register.quiz_of(chapter).chapter == chapter
    assert len({question.text for question in questions}) == len(questions) >= 3
    for question in questions:
        assert 3 <= len(question.options) <= 4
        assert sum(option.right for option in question.options) == 1
        assert all(option.reason.endswith(".") for option in question.options)
        assert len({option.reason for option in question.options}) == len(question.options)
    places = [[option.right for option in q.options].index(True) for q in questions]
    assert len(set(places)) > 1, "the right option always stands in the same place"
