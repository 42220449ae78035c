"""Four questions: every answer stands in another cell, and what can be counted is what is."""

from __future__ import annotations

import pytest
import torch

from attncourse.tasks.four_questions import (
    CODE,
    QUESTIONS,
    STEPS,
    FourQuestions,
    answer_loss,
    best_product_of_lines,
    counted,
    explained_items,
    mean_of_neighbours,
    mean_of_others,
    one_product_in_two,
    one_question_in_two,
    two_questions,
)
from tests.unit.of_tasks import Says, batch_of


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_another_cell_s_numbers(question):
    task = FourQuestions(question, test_size=64)
    x, y = batch_of(task)
    assert (x.shape, y.shape) == ((16, 16, 6, 6), (16, 5, 6, 6))
    x, y, asked = task.test_cases()
    numbers, flat = x[:, :4].flatten(2), asked.flatten(1)
    counts = flat >= 0
    assert torch.equal(counts.float(), y[:, 4].flatten(1))
    assert (flat != torch.arange(36)).all()
    read = numbers.gather(2, flat.clamp(min=0)[:, None].expand(-1, 4, -1))
    assert torch.equal(read * counts[:, None], y[:, :4].flatten(2))


def test_what_tells_which():
    x, _, asked = FourQuestions("match").test_cases()
    code, key = x[:, 4:10].flatten(2), x[:, 10:].flatten(2)
    assert torch.equal(key.gather(2, asked.flatten(1)[:, None].expand(-1, CODE, -1)), code)
    assert (key.mT @ key).triu(1).max() < CODE, "no two keys are equal"
    x, _, asked = FourQuestions("pointer").test_cases()
    row, column = torch.arange(36).view(6, 6) // 6, torch.arange(36).view(6, 6) % 6
    steps = torch.tensor(STEPS)[x[:, 4:8].argmax(dim=1)]
    there = row + steps[..., 0], column + steps[..., 1]
    inside = torch.stack([(t >= 0) & (t < 6) for t in there]).all(dim=0)
    assert torch.equal(torch.where(inside, there[0] * 6 + there[1], -1), asked)
    x, _, asked = FourQuestions("salient").test_cases()
    assert torch.equal(x[:, 4].flatten(1).argmax(dim=1), asked.flatten(1).amax(dim=1))
    assert (x[:, 4].sum(dim=(1, 2)) == 1).all()
    _, _, asked = FourQuestions("shift").test_cases()
    assert (asked[:, :, 0] == -1).all()
    assert torch.equal(asked[0, :, 1:], torch.arange(36).view(6, 6)[:, :-1])


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_number_is_the_same_in_all_cells(question):
    """What a query could be made of is as often one number as its negative, but for the arrows."""
    x = FourQuestions(question, test_size=2_000).test_set()[0]
    means = x.mean(dim=(0, 2, 3))
    named = {"pointer": slice(4, 8), "salient": slice(4, 5)}.get(question, slice(0, 0))
    free = torch.ones(16, dtype=torch.bool)
    free[named] = False
    assert means[free].abs().max() < 0.03
    if question == "pointer":
        torch.testing.assert_close(x[:, 4:8].sum(dim=1), torch.ones(2_000, 6, 6))


def test_readers_score_what_is_counted():
    """The mean of the others, the mean of the neighbours, and one half found, on many images."""
    task = FourQuestions("pointer", test_size=4_000)
    x, y, _ = task.test_cases()

    def score(reader, x=x, y=y):
        return float(explained_items(Says(reader), x, y).mean())

    def near(x):
        around = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]).expand(4, 1, 3, 3)
        total = torch.nn.functional.conv2d(x[:, :4], around, padding=1, groups=4)
        ones = torch.nn.functional.conv2d(
            torch.ones_like(x[:, :4]), around, padding=1, groups=4
        )  # fmt: skip
        return total / ones

    assert score(near) == pytest.approx(mean_of_neighbours(), abs=0.01)
    assert score(lambda x: torch.zeros_like(x[:, :4])) == pytest.approx(0, abs=1e-9)

    def others(x):
        return (x[:, :4].sum(dim=(2, 3), keepdim=True) - x[:, :4]) / 35

    x, y, asked = FourQuestions("match", test_size=4_000).test_cases()
    assert score(others, x, y) == pytest.approx(mean_of_others(), abs=0.005)

    def half(x):
        found = x[:, :4].flatten(2).gather(2, asked.flatten(1)[:, None].expand(-1, 4, -1))
        rest = (x[:, :4].sum(dim=(2, 3))[..., None] - found) / 35
        sees = (x[:, 4] > 0).flatten(1)[:, None]  # by chance
        return (35 / 36 * torch.where(sees, found, rest)).view_as(x[:, :4])

    def both(x):
        found = x[:, :4].flatten(2).gather(2, asked.flatten(1)[:, None].expand(-1, 4, -1))
        rest = (x[:, :4].sum(dim=(2, 3))[..., None] - found) / 35
        return (35 / 36 * (found + rest)).view_as(x[:, :4])

    assert score(half, x, y) == pytest.approx(one_question_in_two(), abs=0.01)
    assert score(both, x, y) == pytest.approx(two_questions(), abs=0.005)


def test_the_best_product_of_lines():
    """The four neighbours have two equal singular values: one product explains an eighth."""
    near = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=torch.float64) / 4
    values = torch.linalg.svdvals(near)
    torch.testing.assert_close(values.square(), torch.tensor([0.125, 0.125, 0], dtype=values.dtype))
    best, rows, columns = best_product_of_lines()
    assert 0.145 < best < 0.155
    for line in (rows, columns):
        assert line[4:7].sum() > 0.97
        assert 1.1 < line[5] / line[4] < 1.5


def best_of_opposite_scores(heads, *, product, starts=12, target=14, side=6):
    """The most that a question and its opposite explain together, over all scores of all cells.

    The scores of the opposite question are the opposite scores, and every head has a factor of the
    best readout.  Optimised in double precision from ``starts`` random starts at once.
    """
    generator = torch.Generator().manual_seed(5)
    sizes = (starts, heads, 2 * side if product else side**2)
    given = 2 * torch.randn(sizes, generator=generator, dtype=torch.float64)
    given.requires_grad_()

    def explained():
        s = given
        if product:
            rows, columns = given.split(side, dim=2)
            s = (rows[..., :, None] + columns[..., None, :]).flatten(2)
        both = torch.stack([s.softmax(2), (-s).softmax(2)])
        found = both[..., target].mean(dim=0)
        gram = (both @ both.mT).mean(dim=0) + 1e-9 * torch.eye(heads, dtype=s.dtype)
        return (found * torch.linalg.solve(gram, found)).sum(dim=1)

    optimiser = torch.optim.LBFGS([given], max_iter=1500, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = -explained().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return float(explained().max().detach())


@pytest.mark.parametrize(
    ("heads", "product", "cap"), [(1, False, 35 / 72), (1, True, 25 / 52), (2, True, 25 / 26)]
)
def test_all_or_nothing_is_the_best_of_opposite_scores(heads, product, cap):
    """By optimising every cell's score, as a product of a row and a column or not."""
    best = best_of_opposite_scores(heads, product=product)
    assert best == pytest.approx(cap, abs=2e-3)
    assert best <= cap + 1e-6


def test_opposite_scores_bind_every_cell():
    """a a' is one number for all cells, and without that one half each would explain more."""
    scores = torch.randn(36, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    one, other = scores.softmax(0), (-scores).softmax(0)
    torch.testing.assert_close(one * other, (one * other)[:1].expand(36))
    half = torch.full((36,), 0.5 / 35, dtype=torch.float64)
    half[0] = 0.5
    assert half[0] ** 2 / half.square().sum() == pytest.approx(35 / 36)  # (7) alone allows it


def test_counts_of_the_matrix():
    table = counted()
    assert [table[q][t] for q, t in zip(QUESTIONS, "1234", strict=True)] == [1.0] * 4
    assert table["pointer"]["4"] == pytest.approx(0.30)
    assert table["salient"]["1"] == 35 / 72
    assert table["shift"]["2"] == one_product_in_two() == 25 / 52
    assert (two_questions(), two_questions(product=True)) == (35 / 36, 25 / 26)
    values = [v for row in table.values() for v in row.values()]
    assert values.count(1 / 35) == 9


def test_the_loss_counts_answers_alone():
    _, y = FourQuestions("shift").train_batch(0, 0, 4)
    wrong = y[:, :4] + 1
    assert answer_loss(wrong, y) == pytest.approx(1.0)
    wrong[:, :, :, 0] += 100
    assert answer_loss(wrong, y) == pytest.approx(1.0)


def test_what_does_not_suit_is_refused():
    with pytest.raises(ValueError, match="question='where' is unknown"):
        FourQuestions("where")
    with pytest.raises(ValueError, match="side=9 must lie between 2 and 8"):
        FourQuestions("match", side=9)
