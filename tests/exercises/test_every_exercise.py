"""Every registered exercise: what is right passes, every known mistake is called by its name."""

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from attncourse import exercises
from attncourse.backbones import ResNet50
from attncourse.channel import SqueezeExcitation
from attncourse.channel.squeeze_excitation import excite
from attncourse.exercises import Status, check, register
from attncourse.exercises.channel.squeeze_excitation import EXERCISES, LAST_STAGE, SQUEEZE_FOR_ROW
from attncourse.exercises.channel.squeeze_excitation.code import BACKWARD
from attncourse.exercises.ladder import SQUEEZES, SqueezedGate, ladder_accuracy
from attncourse.tasks import StatisticLadder, seeded

SEEDS = (0, 1)
ALL = [exercise for group in register.all_exercises().values() for exercise in group]
MISTAKES = [
    pytest.param(exercise, name, answer, id=f"{exercise.id}: {name}")
    for exercise in ALL
    for name, answer in exercise.wrong_answers()
]
every_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.id)
every_chapter = pytest.mark.parametrize("chapter", register.chapters())


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNCOURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(exercises.progress, "_FILE", exercises.progress.ProgressFile())


@every_exercise
@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers_are_correct(exercise, seed):
    for answer in exercise.right_answers():
        found = exercise.check(answer, seed)
        assert found.status is Status.CORRECT, (found.message, found.details)


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


@pytest.mark.parametrize(("exercise", "name", "answer"), MISTAKES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_mistake_is_called_by_its_own_name(exercise, name, answer, seed):
    found = exercise.check(answer, seed)
    assert found.status is Status.NOT_YET
    assert found.misconception == name
    others = {other for other, _ in exercise.wrong_answers()} - {name}
    assert not any(f"looks like {other}." in found.message for other in others)


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


# Squeeze-and-Excitation: what its exercises claim ---------------------------------------------


def test_the_share_of_the_last_stage_is_what_counting_says():
    with torch.device("meta"):
        network = ResNet50(lambda channels: SqueezeExcitation(channels, bias=False))

    def weights(module):
        blocks = [m for m in module.modules() if isinstance(m, SqueezeExcitation)]
        return sum(p.numel() for block in blocks for p in block.parameters())

    last, total = weights(network.stages[-1]), weights(network)
    assert (last, total) == (1_572_864, 2_514_944)
    assert f"{last:,} of {total:,}" in LAST_STAGE.explanation
    assert LAST_STAGE.truth() == pytest.approx(last / total, abs=1e-6)
    wrong = {name: round(value, 4) for name, value in LAST_STAGE.wrong_answers()}
    assert wrong == {
        "one of four stages": 0.25,
        "a count of blocks": 0.1875,
        "a share by C in place of C²": 0.4068,
        "one block per stage": 0.7529,
        "the share that stays": 0.3746,
        "a count with biases": 0.624,
    }


def test_the_derived_gradient_is_autograds_in_double_precision():
    by_autograd, derived = BACKWARD.right_answers()
    for number, case in enumerate(BACKWARD.cases):
        inputs = case.draw(seeded(7, number)).values()
        torch.testing.assert_close(derived(*inputs), by_autograd(*inputs), rtol=1e-12, atol=1e-12)


def test_an_exponential_that_overflows_is_told():
    def overflowing(z, w1, b1, w2, b2):
        t = torch.relu(z @ w1.T + b1) @ w2.T + b2
        return t.exp() / (1 + t.exp())

    found = check("squeeze_excitation.excite", overflowing, seed=0)
    assert "an `exp` of something large" in found.message
    assert "large values" in dict(found.details)["Input"]


@pytest.mark.parametrize("row", SQUEEZE_FOR_ROW.truth)
def test_a_squeeze_sees_a_row_where_its_numbers_tell_the_bit(row):
    def draw(size, seed):
        generator = seeded(seed)
        bit = torch.randint(2, (size,), generator=generator)
        fields = StatisticLadder(row).cue(bit, generator)
        # Without a little noise, the rounding of a mean that is zero would tell the bit.
        numbers = {k: squeeze(fields) for k, squeeze in SQUEEZES.items()}
        noise = 0.01 * torch.randn(size, 2, generator=generator)
        return {k: (v + noise).numpy() for k, v in numbers.items()}, bit.numpy()

    (train, train_bit), (test, test_bit) = draw(4_000, 1), draw(2_000, 2)
    seen = set()
    for name in SQUEEZE_FOR_ROW.labels:
        model = KNeighborsClassifier(101).fit(train[name], train_bit)
        if model.score(test[name], test_bit) > 0.57:
            seen.add(name)
    assert seen == SQUEEZE_FOR_ROW.truth[row]


def test_the_quiz_on_shuffled_pixels_and_on_the_start_tells_the_truth():
    x = torch.randn(2, 32, 5, 6)
    shuffled = torch.stack([f[:, torch.randperm(30)] for f in x.flatten(2).unbind(1)], dim=1)
    block = SqueezeExcitation(32)
    torch.testing.assert_close(block.g(x), block.g(shuffled.view_as(x)))
    with torch.no_grad():
        block.expand.weight.zero_()
        block.expand.bias.zero_()
    torch.testing.assert_close(block(x), x / 2)


def test_a_gate_can_be_tried_on_a_row_of_the_ladder():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert 0 <= ladder_accuracy("mean", lambda c: SqueezedGate(c, "max"), steps=2) <= 1
    assert torch.equal(before, torch.get_rng_state())
    gate = SqueezedGate(8, lambda x: x.flatten(2)[:, :, 0])
    x = torch.randn(2, 8, 3, 3)
    expected = excite(
        x[:, :, 0, 0], gate.reduce.weight, gate.reduce.bias, gate.expand.weight, gate.expand.bias
    )
    torch.testing.assert_close(gate(x), expected[:, :, None, None] * x)
    with pytest.raises(ValueError, match="choose one of mean, std, max"):
        SqueezedGate(8, "median")


def test_the_chapter_has_its_five():
    assert [exercise.name for exercise in EXERCISES] == [
        "excite", "backward", "last_stage_share", "squeeze_for_row", "static_gate"
    ]  # fmt: skip
