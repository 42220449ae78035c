"""Hard and soft attention against the authors' layout, and what trains them against enumeration."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from attncourse.experiments import experiments_of, published
from attncourse.experiments.spatial.show_attend_tell import (
    READ_THE_GRID,
    WHERE_IT_LOOKS,
    Encoder,
    Learner,
    looks_right,
    loss,
    words_right,
)
from attncourse.experiments.spatial.show_attend_tell.experiment import STEPS
from attncourse.experiments.spatial.show_attend_tell.nets import (
    Blank,
    FlatContext,
    MeanContext,
    StraightThrough,
)
from attncourse.spatial import ShowAttendTell
from attncourse.spatial.show_attend_tell import (
    Told,
    coverage_penalty,
    hard_loss,
    reward_to_go,
    soft_loss,
)
from attncourse.spatial.show_attend_tell.policy import entropy, word_losses
from attncourse.tasks.images import digits_of
from attncourse.tasks.read_the_grid import ReadTheGrid, cells_in_order, occupied_cells
from attncourse.training import Budget, seed_everything
from tests.contract.specimen import built

CHAPTER = "spatial/show_attend_tell"
SMALL = {"channels": 3, "words": 4, "steps": 3, "hidden": 5, "width": 4, "embed": 3, "gate": True}


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# ---------------------------------------------------------------- the authors' layout


def in_the_authors_layout(module, x, caption):
    """The decoder with one matrix for each input of the LSTM, time first, after their equations.

    Their names: U and W for the recurrent and the word's part, Wc for the context's; gates in the
    order i, f, o, g; the selector is their name of beta.  Without the tanh around (6).
    """
    w = dict(module.named_parameters())
    m, n = module.embed, module.width
    W, U, Wc = w["lstm.weight"].split([m, n, module.channels], dim=1)
    context = x.permute(2, 3, 0, 1).reshape(-1, *x.shape[:2])  # positions, images, channels
    pctx = context @ w["key.weight"].T + w["key.bias"]
    mean = context.mean(0)
    h = torch.tanh(mean @ w["first_state.weight"].T + w["first_state.bias"])
    c = torch.tanh(mean @ w["first_cell.weight"].T + w["first_cell.bias"])
    emb = F.embedding(caption, w["embedding.weight"]).transpose(0, 1)
    shifted = torch.cat([torch.zeros_like(emb[:1]), emb[:-1]])
    logits, alphas = [], []
    for word in shifted:
        e = (torch.tanh(pctx + h @ w["query.weight"].T) * w["score.weight"][0]).sum(-1)
        alpha = torch.exp(e - e.max()) / torch.exp(e - e.max()).sum(0, keepdim=True)
        ctx = (context * alpha[:, :, None]).sum(0)
        ctx = torch.sigmoid(h @ w["gate.weight"].T + w["gate.bias"]) * ctx
        pre = h @ U.T + word @ W.T + ctx @ Wc.T + w["lstm.bias"]
        i, f, o = (torch.sigmoid(pre[:, k * n : (k + 1) * n]) for k in range(3))
        c = f * c + i * torch.tanh(pre[:, 3 * n :])
        h = o * torch.tanh(c)
        logit = h @ w["from_state.weight"].T + w["from_state.bias"] + word
        logit = logit + ctx @ w["from_context.weight"].T
        logits.append(logit @ w["answer.weight"].T + w["answer.bias"])
        alphas.append(alpha.T)
    return torch.stack(logits, 1), torch.stack(alphas, 1)


def test_it_is_the_authors_decoder_in_another_layout():
    """Scores, maps and all gradients, in float64."""
    module, x = built(ShowAttendTell, SMALL), draw(2, 3, 3, 4).requires_grad_()
    caption = torch.tensor([[0, 3, 1], [2, 2, 0]])
    told = module.tell(x, caption)
    logits, maps = in_the_authors_layout(module, x, caption)
    torch.testing.assert_close(told.logits, logits, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(told.weights, maps, atol=1e-10, rtol=1e-10)
    weights, wanted = [x, *module.parameters()], []
    for scores in (told.logits, logits):
        value = F.cross_entropy(scores.flatten(0, 1), caption.flatten())
        wanted.append(torch.autograd.grad(value, weights))
    for one, other in zip(*wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


def test_the_published_sizes_are_counted():
    """L = 196, D = 512, m = 512, n = 1800, 10,000 words: 5 of the facts, with a square scorer."""
    made = ShowAttendTell(
        512, 10_000, steps=20, hidden=512, width=1800, embed=512, gate=True, device="meta"
    )
    counted = sum(p.numel() for p in made.parameters())
    scorer = 512 * 512 + 1800 * 512 + 512 + 512
    lstm = 4 * 1800 * (512 + 1800 + 512) + 4 * 1800
    output = 512 * (1800 + 1 + 512) + 10_000 * 512 + 10_000 + 10_000 * 512
    assert counted == scorer + 1801 + lstm + 2 * (512 * 1800 + 1800) + output


# ---------------------------------------------------------------- what trains it


def expected_total(e, rewards):
    """Exact expected reward of two draws among n positions, the second of which knows the first."""
    first, second = e
    ln1, ln2 = first.log_softmax(0), second.log_softmax(1)
    path = (ln1[:, None] + ln2).exp()
    return (path * (rewards[0][:, None] + rewards[1])).sum(), path.detach(), ln1, ln2


@pytest.mark.parametrize("base", [0.0, -2.0, 0.7])
def test_rewards_to_go_give_the_exact_gradient(base):
    """Two words on three positions, every path enumerated: (10) to (12) for any baseline."""
    e = [draw(3, seed=1).requires_grad_(), draw(3, 3, seed=2).requires_grad_()]
    rewards = draw(3, seed=3), draw(3, 3, seed=4)
    value, path, ln1, ln2 = expected_total(e, rewards)
    exact = torch.autograd.grad(value, e, retain_graph=True)
    total = rewards[0][:, None] + rewards[1]
    for credit in ((total, total), (total, rewards[1])):  # all, and from the draw on
        loss = (path * ((credit[0] - base) * ln1[:, None] + (credit[1] - base) * ln2)).sum()
        found = torch.autograd.grad(loss, e, retain_graph=True)
        for one, other in zip(found, exact, strict=True):
            torch.testing.assert_close(one, other, atol=1e-14, rtol=1e-12)


def test_rewards_add_up_from_the_end():
    found = reward_to_go(torch.tensor([[1.0, 2.0, 4.0], [0.5, 0.0, -1.0]]))
    torch.testing.assert_close(found, torch.tensor([[7.0, 6.0, 4.0], [-0.5, -1.0, -1.0]]))


def test_the_gradient_of_the_bound_by_enumeration():
    """One word, four positions: the mean of the hard loss's gradient is that of the bound."""
    arguments = {**SMALL, "gate": False, "steps": 1, "hard": True}
    module, x = built(ShowAttendTell, arguments), draw(1, 3, 2, 2, seed=5)
    caption = torch.tensor([[2]])
    weights = list(module.parameters())
    soft = module.tell(x, caption).log_weights.exp()[0, 0]
    bound, mean = 0.0, [torch.zeros_like(p) for p in weights]
    for place in range(4):
        one_hot = torch.zeros(1, 1, 4, dtype=torch.float64)
        one_hot[..., place] = 1
        told = module.tell(x, caption, one_hot)
        told = told._replace(drawn=torch.ones(1, 1, dtype=torch.bool))
        ln_p = -word_losses(told, caption)
        bound = bound + soft[place] * ln_p.sum()
        value = -hard_loss(told, caption, rewards=ln_p, entropy_weight=0.0)
        for total, g in zip(
            mean,
            torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True),
            strict=True,
        ):
            if g is not None:
                total += soft[place].detach() * g
    exact = torch.autograd.grad(bound, weights, allow_unused=True)
    for found, wanted in zip(mean, exact, strict=True):
        wanted = torch.zeros_like(found) if wanted is None else wanted
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-10)


def test_the_loss_is_the_sum_of_its_parts():
    logits, logs = draw(2, 3, 4), draw(2, 3, 5).log_softmax(2)
    drawn = torch.tensor([[True, False, True], [True, True, False]])
    place = torch.tensor([[0, 1, 2], [4, 4, 3]])
    weights = torch.where(drawn[..., None], F.one_hot(place, 5).double(), logs.exp())
    told = Told(logits, weights, logs, drawn, draw(2, 3, 6))
    y, guess = torch.tensor([[0, 1, 2], [3, 3, 0]]), draw(2, 3, seed=8)
    p = logits.softmax(2).gather(2, y[..., None])[..., 0]
    to_go = torch.stack([p.sum(1), p[:, 1:].sum(1), p[:, 2]], 1)
    density = logs.gather(2, place[..., None])[..., 0]
    wanted = (
        -p.log().sum(1).mean()
        - 0.5 * ((to_go - guess) * density * drawn).sum(1).mean()
        + (guess - to_go).square().mean()
        - 0.3 * -(logs.exp() * logs).sum((1, 2)).mean()
    )
    got = hard_loss(told, y, guess, policy_weight=0.5, entropy_weight=0.3)
    torch.testing.assert_close(got, wanted)


def test_the_baseline_and_the_policy_learn_apart():
    guess = draw(1, 2).requires_grad_()
    logs = draw(1, 2, 3).requires_grad_()
    told = Told(
        draw(1, 2, 4), F.one_hot(torch.tensor([[0, 2]]), 3).double(), logs.log_softmax(2),
        torch.ones(1, 2, dtype=torch.bool), draw(1, 2, 4),
    )  # fmt: skip
    y = torch.tensor([[1, 3]])
    both = torch.autograd.grad(hard_loss(told, y, guess), guess, retain_graph=True)[0]
    alone = torch.autograd.grad(
        hard_loss(told, y, guess, policy_weight=0.0), guess, retain_graph=True
    )[0]
    torch.testing.assert_close(both, alone)
    assert both.any()


def test_the_gradient_of_the_entropy():
    """dH / de_i = -alpha_i (ln alpha_i + H)."""
    e = draw(3, 7).requires_grad_()
    logs = e.log_softmax(1)
    h = entropy(logs)
    found = torch.autograd.grad(h.sum(), e)[0]
    alpha = logs.exp()
    torch.testing.assert_close(found, (-alpha * (logs + h[:, None])).detach())
    assert float(entropy(torch.zeros(9).log_softmax(0))) == pytest.approx(math.log(9), rel=1e-5)


def test_the_least_penalty_is_that_of_equal_totals():
    """Goldens of the facts: 4 against 6 for C = 3, L = 9; 158.04 against 176 for 20 and 196."""
    for words, positions, least, sharp in ((3, 9, 4.0, 6.0), (20, 196, 158.04, 176.0)):
        uniform = torch.full((1, words, positions), 1 / positions, dtype=torch.float64)
        apart = torch.eye(positions, dtype=torch.float64)[None, :words]
        one = apart[:, :1].expand(-1, words, -1)
        assert float(coverage_penalty(uniform)) == pytest.approx(least, abs=5e-3)
        assert float(coverage_penalty(uniform)) == pytest.approx(
            positions * (1 - words / positions) ** 2
        )
        assert float(coverage_penalty(apart)) == pytest.approx(sharp)
        assert float(coverage_penalty(one)) == positions - 1 + (words - 1) ** 2
        other = draw(64, words, positions).softmax(2)
        assert (coverage_penalty(other) > coverage_penalty(uniform)).all()


def test_the_soft_loss_adds_the_penalty():
    told = built(ShowAttendTell, SMALL).tell(draw(2, 3, 2, 2))
    y = torch.tensor([[0, 1, 2], [3, 3, 0]])
    bare = F.cross_entropy(told.logits.flatten(0, 1), y.flatten()) * 3
    torch.testing.assert_close(soft_loss(told, y), bare)
    torch.testing.assert_close(
        soft_loss(told, y, coverage=0.2), bare + 0.2 * coverage_penalty(told.weights).mean()
    )


def test_a_geometric_mean_is_one_pass_with_the_mean():
    """NWGM: the normalised geometric mean of softmaxes is the softmax of the mean scores, while
    the marginal is another number."""
    n, alpha = draw(6, 4), draw(6, seed=9).softmax(0)
    geometric = (alpha[:, None] * n.log_softmax(1)).sum(0).exp()
    geometric = geometric / geometric.sum()
    torch.testing.assert_close(geometric, (alpha @ n).softmax(0))
    marginal = alpha @ n.softmax(1)
    assert (geometric - marginal).abs().max() > 0.01


def test_cold_scores_make_soft_hard():
    soft, hard = (built(ShowAttendTell, SMALL, hard=h) for h in (False, True))
    x = draw(2, 3, 3, 3)
    for module in (soft, hard):
        module.score.weight.data.mul_(1e5)
    torch.testing.assert_close(soft.g(x), hard.g(x), atol=1e-10, rtol=0)


# ---------------------------------------------------------------- the task and the networks


def test_the_grid_is_read_in_order():
    """Each cell named by the hidden part holds the digit that the caption names there."""
    task = ReadTheGrid(test_size=60)
    x, y, cells = task.test_cases()
    assert x.shape == (60, 1, 24, 24)
    assert (cells[:, 1:] > cells[:, :-1]).all()
    assert torch.equal(cells_in_order(x, 3), cells)
    assert occupied_cells(x).sum() == 180
    assert len(task.test_units().of) == y.numel() == 180
    images, labels = digits_of(False)
    asked = task.test_units().of.view(60, 3)
    assert torch.equal(labels[asked], y)
    for n, t in itertools.product(range(5), range(3)):
        r, c = divmod(int(cells[n, t]), 3)
        cell = x[n, 0, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
        assert torch.equal(cell, images[asked[n, t], 0])


def test_words_already_said_tell_nothing():
    """The share of the second digit is the same after each first digit, but for chance."""
    y = ReadTheGrid().draw(20_000, torch.Generator().manual_seed(0), train=True)[1]
    table = torch.zeros(10, 10).index_put((y[:, 0], y[:, 1]), torch.ones(20_000), accumulate=True)
    share = table / table.sum(1, keepdim=True)
    assert (share - share.mean(0)).abs().max() < 0.04


def test_a_wrapped_encoder_knows_no_place():
    """Moved by whole cells around the grid, its annotations move along; with zeros they do not."""
    x = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    moved = x.roll((8, 16), (2, 3))
    for padding, same in (("circular", True), ("zeros", False), ("apart", True)):
        seed_everything(0)
        net = Encoder(padding, table=False).double()
        found = torch.allclose(net(moved), net(x).roll((1, 2), (2, 3)))
        assert found == same, padding


def test_cells_apart_see_their_own_pixels_alone():
    x = torch.rand(1, 1, 24, 24, requires_grad=True)
    for padding, outside in (("apart", False), ("zeros", True)):
        seed_everything(0)
        (g,) = torch.autograd.grad(Encoder(padding)(x)[0, :, 1, 1].sum(), x)
        own = g[0, 0, 8:16, 8:16].clone()
        assert own.any()
        assert bool((g.abs().sum() - own.abs().sum()) > 1e-6) == outside


def test_the_rivals_have_no_map():
    """The mean and the flattened map give every word one context."""
    values, state = torch.rand(2, 9, 32), torch.rand(2, 64)
    for kind in (MeanContext, FlatContext):
        seed_everything(0)
        net = kind(32)
        keys = net.key(values)
        contexts = [
            net.context(net.log_weights(keys, s).exp(), values, s) for s in (state, -3 * state)
        ]
        torch.testing.assert_close(*contexts)


def test_a_warm_start_draws_only_after_its_steps():
    seed_everything(0)
    learner = Learner(hard=True, soft_steps=2).train()
    x, y = ReadTheGrid().train_batch(0, 0, 4)
    drawn = []
    for _ in range(3):
        ready = learner(x)
        drawn.append(bool(learner.decoder.tell(ready.annotations, y).drawn.any()))
        assert torch.isfinite(loss(ready, y))
    assert drawn == [False, False, True]
    learner.eval()
    assert learner.decoder(learner.encoder(x), need_weights=True)[1].unique().tolist() == [0, 1]


def test_scores_count_words():
    seed_everything(0)
    x, y = ReadTheGrid(test_size=7).test_set()
    learner = Learner()
    told = learner.eval().told(x)
    right = words_right(learner, x, y)
    assert right.shape == (21,)
    assert torch.equal(right.view(7, 3), (told.logits.argmax(2) == y).double())
    assert looks_right(learner, x, y).shape == (21,)
    learner.decoder.score.weight.data.zero_()
    assert READ_THE_GRID.score.measure(learner, x, y).value <= 1


@pytest.mark.parametrize("experiment", experiments_of(CHAPTER), ids=lambda e: e.name)
def test_every_variant_has_five_recorded_seeds_with_items(experiment):
    recorded = published(CHAPTER)
    for variant in experiment.variants:
        found = recorded.values(experiment.name, variant.name)
        assert sorted(found) == sorted(found.by_item) == [0, 1, 2, 3, 4], variant.name


def test_one_training_serves_every_score():
    """A variant of two experiments is trained once, and a second training gives the same run."""
    from attncourse.experiments.trained_once import TRAINED

    budget, task = Budget(steps=3, batch_size=8), ReadTheGrid(test_size=40)
    found = []
    for _ in range(2):
        TRAINED.clear()
        run, words = READ_THE_GRID.measure("hard, mixed", 3, budget=budget, task=task)
        again, looks = WHERE_IT_LOOKS.measure("hard, mixed", 3, budget=budget, task=task)
        assert again is run
        assert looks.items is not None
        assert torch.equal(looks.items, looks_right(run.model, *task.test_set()))
        found.append((run.losses, words.value, looks.value))
    assert found[0] == found[1]
    TRAINED.clear()


def test_a_variant_differs_from_soft_or_hard_in_one_thing():
    """Parts named in the tables are those that are trained."""
    fields = ("hard", "soft_steps", "forget", "coverage", "entropy", "log_reward")
    plain = {
        "decoder": ShowAttendTell, "hard": False, "soft_steps": 0, "forget": False,
        "coverage": 0.0, "entropy": 0.02, "log_reward": False, "mix": 0.0, "gate": False,
        "table": True, "padding": "zeros", "apart": False, "blank": False,
    }  # fmt: skip
    half = STEPS // 2
    changed = {
        "soft": {}, "hard": {"hard": True}, "hard, mixed": {"hard": True, "mix": 0.5},
        "hard, warm start": {"hard": True, "soft_steps": half},
        "hard, reader first": {"hard": True, "soft_steps": half, "forget": True},
        "soft, scorer anew": {"soft_steps": half, "forget": True},
        "hard, ways shut": {"hard": True, "apart": True, "blank": True},
        "hard, more entropy": {"hard": True, "entropy": 0.2},
        "hard, reward ln p": {"hard": True, "log_reward": True},
        "hard, straight-through": {"hard": True, "decoder": StraightThrough},
        "mean": {"decoder": MeanContext}, "flattened map": {"decoder": FlatContext},
        "soft, no place": {"padding": "circular", "table": False},
        "soft, no table": {"table": False}, "soft, wrapped": {"padding": "circular"},
        "soft, penalty": {"coverage": 1.0}, "soft, beta": {"gate": True},
    }  # fmt: skip
    for variant in READ_THE_GRID.variants:
        net = variant.build()
        found = {name: getattr(net, name) for name in fields} | {
            "decoder": type(net.decoder), "mix": net.decoder.mix,
            "gate": net.decoder.gate is not None, "table": net.encoder.table is not None,
            "padding": net.encoder.around.padding_mode, "apart": net.encoder.apart,
            "blank": isinstance(net.decoder.first_state, Blank),
        }  # fmt: skip
        assert found == plain | changed[variant.name], variant.name


def test_the_chapter_says_what_was_recorded():
    """Its sentences, as numbers: a recorded run that changes them has to change the text."""
    found = published(CHAPTER)
    words = found.compare("read_the_grid", against="soft")
    for name in ("hard, mixed", "hard, warm start", "hard, straight-through", "soft, no table"):
        assert abs(words[name].gain.mean) < 0.02, name
    for name in ("mean", "flattened map", "hard", "hard, ways shut", "soft, no place"):
        assert words[name].gain.verdict == "clear", name
        assert max(words[name].scores.values()) < 0.75, name
    assert words["soft, penalty"].gain.mean < 0
    looks = found.compare("where_it_looks", against="soft")
    sure = {row.name for row in looks.rows if min(row.scores.values()) > 0.9}
    assert {"hard, mixed", "hard, warm start", "hard, straight-through", "soft, no table"} <= sure
    assert not {"hard", "hard, ways shut", "hard, more entropy", "hard, reward ln p"} & sure
    aided = looks["hard, reader first"].scores.values()
    assert min(aided) > max(looks["hard"].scores.values())
