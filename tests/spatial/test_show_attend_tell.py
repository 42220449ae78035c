"""What hard and soft attention promises beyond the contract, and mistakes that must not pass."""

from __future__ import annotations

import torch

from attncourse.spatial import ShowAttendTell
from attncourse.spatial.show_attend_tell import (
    CARD,
    show_attend_tell_reference,
)
from tests.contract.specimen import Specimen, built, of_torch

SMALL = {"channels": 3, "words": 4, "steps": 3, "hidden": 5, "width": 4, "embed": 3}
GATED = {**SMALL, "gate": True, "steps": 2}
WIDE = {"channels": 2, "words": 3, "steps": 2, "hidden": 3, "width": 6, "embed": 4}
HARD = {**SMALL, "hard": True}


def example(seed=0, b=2, c=3, h=4, w=5):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def reference(module, x):
    """The loops, with the module's own parameters."""
    return show_attend_tell_reference(
        x, dict(module.named_parameters()), steps=module.steps, hard=module.hard
    )


def gradient(value, parameter):
    found = torch.autograd.grad(value, parameter, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(parameter) if found is None else found


def off(found, wanted):
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=1e-10)


# ---------------------------------------------------------------- promises


def positions_have_no_order(make):
    """Annotations in another order: maps in that order, and the same words."""
    module, x = built(make, SMALL), example()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    mixed = x.flatten(2)[:, :, order].view_as(x)
    off(module(mixed), module(x))
    off(module.g(mixed), module.g(x)[:, :, order])


def maps_add_up_to_one_over_positions(make):
    """Each word shares out one unit of weight over the positions of its own image."""
    maps = built(make, SMALL).g(example())
    off(maps.sum(dim=2), torch.ones(2, 3, dtype=torch.float64))
    assert maps.min() > 0
    assert (maps.amax(2) - maps.amin(2)).min() > 1e-3, "a map is flat"


def a_scorer_of_zeros_takes_the_mean(make):
    """v = 0: all weights 1/n, and the context is the mean annotation."""
    module, x = built(make, SMALL), example()
    with torch.no_grad():
        module.score.weight.zero_()
    off(module.g(x), torch.full((2, 3, 20), 1 / 20, dtype=torch.float64))
    values = x.flatten(2).mT
    uniform = torch.full((2, 20), 1 / 20, dtype=torch.float64)
    off(module.context(uniform, values, values[:, 0, :1].expand(-1, 4)), values.mean(1))


def decides_from_the_state_before(make):
    """The first map follows from the start (7), and the second from the state after one word."""
    module, x = built(make, SMALL), example()
    values = x.flatten(2).mT
    state, cell = module.first(values)
    keys = module.key(values)
    weights = module.log_weights(keys, state).exp()
    off(module.g(x)[:, 0], weights)
    context = module.context(weights, values, state)
    nothing = torch.zeros(2, 3, dtype=torch.float64)
    logits, state, cell = module.step(nothing, context, state, cell)
    off(module(x)[:, 0], logits)
    off(module.g(x)[:, 1], module.log_weights(keys, state).exp())


def hears_its_caption_or_itself(make):
    """With its own words as caption nothing changes; with others only later words do."""
    module, x = built(make, SMALL), example()
    said = module(x).argmax(dim=2)
    off(module.tell(x, said).logits, module(x))
    other = said.clone()
    other[:, 1] = (other[:, 1] + 1) % 4
    changed = module.tell(x, other).logits
    off(changed[:, :2], module(x)[:, :2])
    assert (changed[:, 2] - module(x)[:, 2]).abs().max() > 1e-3


def the_scalar_multiplies_the_context(make):
    """One number for each image and word, the same for all channels; shut, nothing is read."""
    module, x = built(make, GATED), example()
    values = x.flatten(2).mT
    state, _ = module.first(values)
    weights = module.log_weights(module.key(values), state).exp()
    ratio = module.context(weights, values, state) / (weights[:, None] @ values)[:, 0]
    off(ratio, torch.sigmoid(module.gate(state)).expand(-1, 3))
    with torch.no_grad():
        module.gate.bias.fill_(-1e3)
    assert not module.context(weights, values, state).any()


def hard_takes_the_largest_at_test(make):
    """In eval mode a hard map is one-hot, at the largest weight of the softmax."""
    module, x = built(make, HARD), example()
    told = module.tell(x)
    off(told.weights.sum(2), torch.ones(2, 3, dtype=torch.float64))
    assert ((told.weights == 0) | (told.weights == 1)).all()
    assert torch.equal(told.weights.argmax(2), told.log_weights.argmax(2))
    off(module(x), reference(module, x))


def hard_draws_as_often_as_the_weights_say(make):
    """In training the mean of many draws is the soft map, and no gradient passes a draw."""
    module = built(make, {**HARD, "steps": 1}).train()
    x = example(b=1).expand(20_000, -1, -1, -1)
    torch.manual_seed(0)
    told = module.tell(x)
    assert told.drawn.all()
    assert set(told.weights.unique().tolist()) == {0.0, 1.0}
    soft = told.log_weights[0, 0].exp()
    assert (told.weights.mean(0)[0] - soft).abs().max() < 0.015
    off(told.log_weights.exp().sum(2), torch.ones(20_000, 1, dtype=torch.float64))
    assert not gradient(told.logits.sum(), module.score.weight).any()
    assert gradient(told.log_weights[:, 0, 0].sum(), module.score.weight).any()


def the_mixture_keeps_as_many_means_as_it_says(make):
    """One coin for each image and word: a kept map is the softmax with its gradient."""
    module = built(make, {**HARD, "mix": 0.3, "steps": 2}).train()
    x = example(b=1).expand(4_000, -1, -1, -1)
    torch.manual_seed(0)
    told = module.tell(x)
    kept = ~told.drawn
    assert (kept.double().mean(0) - 0.3).abs().max() < 0.03
    assert (kept[:, 0] != kept[:, 1]).any(), "one coin for all words"
    assert (kept[0] != kept).any(), "one coin for all images"
    off(told.weights[kept], told.log_weights[kept].exp())
    assert (told.weights[told.drawn].amax(1) == 1).all()
    assert gradient(told.weights[kept].square().sum(), module.score.weight).any()


def baselines_do_not_shape_the_state(make):
    """The states that a baseline reads are those of the decisions, cut from the graph."""
    module, x = built(make, SMALL), example()
    told = module.tell(x)
    assert told.states.shape == (2, 3, 4)
    assert not told.states.requires_grad
    off(told.states[:, 0], module.first(x.flatten(2).mT)[0].detach())


# ---------------------------------------------------------------- mutants


class OverWords(ShowAttendTell):
    """A softmax over the batch."""

    def log_weights(self, keys, state):
        return self.score(torch.tanh(keys + self.query(state)[:, None])).squeeze(-1).log_softmax(0)


class ReLUScorer(ShowAttendTell):
    """A ReLU inside the scorer, as in the best-known port (known error C34)."""

    def log_weights(self, keys, state):
        scores = self.score(torch.relu(keys + self.query(state)[:, None])).squeeze(-1)
        return scores.log_softmax(dim=1)


class NoTanh(ShowAttendTell):
    """A linear scorer: the state adds the same number to all scores, and falls out."""

    def log_weights(self, keys, state):
        return self.score(keys + self.query(state)[:, None]).squeeze(-1).log_softmax(dim=1)


class SigmoidMaps(ShowAttendTell):
    """A sigmoid for each position in place of the softmax."""

    def log_weights(self, keys, state):
        scores = self.score(torch.tanh(keys + self.query(state)[:, None])).squeeze(-1)
        return torch.nn.functional.logsigmoid(scores)


class AfterTheWord(ShowAttendTell):
    """The state after the word asks: h_t in place of h_{t-1}, as a second look at the start."""

    def first(self, values):
        state, cell = super().first(values)
        mean = values.mean(dim=1)
        _, state, cell = self.step(state.new_zeros(len(state), self.embed), mean, state, cell)
        return state, cell


class ForgetsFirst(ShowAttendTell):
    """The state starts at zero, not from the mean annotation."""

    def first(self, values):
        state, cell = super().first(values)
        return 0 * state, 0 * cell


class LinearFirst(ShowAttendTell):
    """No tanh in (7)."""

    def first(self, values):
        mean = values.mean(dim=1)
        return self.first_state(mean), self.first_cell(mean)


class ChannelGate(ShowAttendTell):
    """A gate that differs from channel to channel (known error C34)."""

    def context(self, weights, values, state):
        context = super().context(weights, values, state)
        ramp = torch.linspace(0.5, 1.5, self.channels, dtype=context.dtype)
        return context if self.gate is None else ramp * context


class GateNotSquashed(ShowAttendTell):
    """No sigmoid on the scalar."""

    def context(self, weights, values, state):
        context = (weights[:, None].to(values.dtype) @ values).squeeze(1)
        return context if self.gate is None else self.gate(state) * context


class SummedContext(ShowAttendTell):
    """A context that grows with the number of positions."""

    def context(self, weights, values, state):
        return super().context(weights, values, state) * values.shape[1]


class GatesMixedUp(ShowAttendTell):
    """Forget and input gate exchanged."""

    def step(self, word, context, state, cell):
        together = self.lstm(torch.cat([word, state, context], dim=1))
        keep, admit, show, new = together.chunk(4, dim=1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(admit) * torch.tanh(new)
        state = torch.sigmoid(show) * torch.tanh(cell)
        return self.answer(word + self.from_state(state) + self.from_context(context)), state, cell


class OldStateAnswers(ShowAttendTell):
    """The output layer reads h_{t-1}."""

    def step(self, word, context, state, cell):
        _, new, cell = super().step(word, context, state, cell)
        inner = word + self.from_state(state) + self.from_context(context)
        return self.answer(inner), new, cell


class NoDeepContext(ShowAttendTell):
    """The context does not reach the output layer."""

    def step(self, word, context, state, cell):
        _, state, cell = super().step(word, context, state, cell)
        silent = 0 * self.from_context(context)
        return self.answer(word + self.from_state(state) + silent), state, cell


class TanhOutput(ShowAttendTell):
    """A tanh in (6), as in the authors' code and not in the paper."""

    def step(self, word, context, state, cell):
        _, state, cell = super().step(word, context, state, cell)
        inner = word + self.from_state(state) + self.from_context(context)
        return self.answer(torch.tanh(inner)), state, cell


class StartsWithAWord(ShowAttendTell):
    """Before the first word it hears word 0 in place of nothing."""

    def tell(self, x, caption=None, weights=None):
        self.early = True
        return super().tell(x, caption, weights)

    def step(self, word, context, state, cell):
        if self.early:
            word = word + self.embedding.weight[0]
            self.early = False
        return super().step(word, context, state, cell)


class DeafToTheCaption(ShowAttendTell):
    """Teacher forcing is accepted and ignored."""

    def tell(self, x, caption=None, weights=None):
        return super().tell(x, None, weights)


class KeepsOneMap(ShowAttendTell):
    """The first word's map serves all words."""

    def tell(self, x, caption=None, weights=None):
        if weights is None:
            weights = super().tell(x, caption).weights[:, :1].expand(-1, self.steps, -1)
        return super().tell(x, caption, weights)


class SoftAtTest(ShowAttendTell):
    """A hard model takes the mean at test time, as the authors' code does."""

    def choose(self, log_weights):
        used, drawn = super().choose(log_weights)
        return (used if self.training else log_weights.exp()), drawn


class LargestInTraining(ShowAttendTell):
    """No draw: the largest weight in training too."""

    def choose(self, log_weights):
        training, self.training = self.training, False
        used, _ = super().choose(log_weights)
        self.training = training
        return used, torch.full_like(used[:, 0], self.hard and training, dtype=torch.bool)


class LeakyDraw(ShowAttendTell):
    """Straight-through: a draw through which a gradient passes."""

    def choose(self, log_weights):
        used, drawn = super().choose(log_weights)
        soft = log_weights.exp()
        return (soft + (used - soft).detach() if self.hard else used), drawn


class OneCoin(ShowAttendTell):
    """One coin for the whole batch, as in the authors' code."""

    def choose(self, log_weights):
        if not (self.hard and self.training):
            return super().choose(log_weights)
        mix, self.mix = self.mix, float(torch.rand(()) < self.mix)
        used, drawn = super().choose(log_weights)
        self.mix = mix
        return used, drawn


class SaysDrawn(ShowAttendTell):
    """Kept means are counted as draws."""

    def choose(self, log_weights):
        used, drawn = super().choose(log_weights)
        return used, drawn | self.hard


class JoinedStates(ShowAttendTell):
    """The baseline's states are not cut from the graph, and are those after the word."""

    def tell(self, x, caption=None, weights=None):
        told = super().tell(x, caption, weights)
        return told._replace(states=told.states.roll(-1, dims=1))


class Flattened(ShowAttendTell):
    """Channels and positions exchanged."""

    def tell(self, x, caption=None, weights=None):
        wrong = x.flatten(2).mT.reshape(x.shape)
        return super().tell(wrong, caption, weights)


class HalfWeights(ShowAttendTell):
    """The softmax stays in half precision."""

    def log_weights(self, keys, state):
        return super().log_weights(keys, state).to(keys.dtype)


class ForgetsDevice(ShowAttendTell):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class Unvalidated(ShowAttendTell):
    """No check of the input."""

    def validate(self, x):
        pass


MUTANTS = (
    OverWords, ReLUScorer, NoTanh, SigmoidMaps, AfterTheWord, ForgetsFirst, LinearFirst,
    ChannelGate, GateNotSquashed, SummedContext, GatesMixedUp, OldStateAnswers, NoDeepContext,
    TanhOutput, StartsWithAWord, DeafToTheCaption, KeepsOneMap, SoftAtTest, LargestInTraining,
    LeakyDraw, OneCoin, SaysDrawn, JoinedStates, Flattened, HalfWeights, ForgetsDevice,
    Unvalidated,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(WIDE, SMALL, GATED),
    reference=reference,
    promises=(
        positions_have_no_order,
        maps_add_up_to_one_over_positions,
        a_scorer_of_zeros_takes_the_mean,
        decides_from_the_state_before,
        hears_its_caption_or_itself,
        the_scalar_multiplies_the_context,
        hard_takes_the_largest_at_test,
        hard_draws_as_often_as_the_weights_say,
        the_mixture_keeps_as_many_means_as_it_says,
        baselines_do_not_shape_the_state,
    ),
    starts=(
        (
            {"channels": 25, "words": 30, "hidden": 49, "width": 36, "embed": 40, "gate": True},
            {
                "key.*": of_torch(25),
                "query.*": of_torch(36),
                "score.*": of_torch(49),
                "gate.*": of_torch(36),
                "first_*": of_torch(25),
                "embedding.*": ("normal", 1.0),
                "lstm.*": of_torch(40 + 36 + 25),
                "from_state.*": of_torch(36),
                "from_context.*": of_torch(25),
                "answer.*": of_torch(40),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "words": 1, "steps": 1, "hidden": 1, "width": 1, "embed": 1, "mix": 1.0},
    ),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 3},
        {"channels": 4, "words": 7, "steps": 2, "hidden": 5, "gate": True},
        {"channels": 2, "width": 9, "embed": 6, "steps": 1},
        SMALL,
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 3, "steps": 0}, "steps=0 must be at least 1"),
        ({"channels": 3, "words": -1}, "words=-1 must be at least 1"),
        ({"channels": 3, "mix": 1.5}, "mix=1.5 is a probability"),
    ),
)
