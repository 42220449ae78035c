"""What only SCA-CNN promises, and the mistakes that must be noticed."""

from __future__ import annotations

import math

import pytest
import torch

from attncourse.channel_spatial import SpatialChannelAttention
from attncourse.channel_spatial.sca_cnn import (
    CARD,
    ORDERS,
    parameter_count,
    rescaled,
    sca_cnn_reference,
)
from attncourse.spatial import ShowAttendTell
from tests.contract.specimen import Specimen, built, close, of_torch, outcomes_agree

SMALL = {"channels": 4, "hidden": 5, "state": 3}
EVERY = tuple((order, rescale) for order in ORDERS for rescale in (True, False))


def example(seed=0, b=2, c=4, h=3, w=2):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def asked(seed=1, b=2, d=3):
    return torch.randn(b, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def reference(module, x, state=None):
    """The loops, with the module's own parameters, and its own question where none is given."""
    state = module.question.expand(len(x), -1) if state is None else state
    return sca_cnn_reference(
        x, state, dict(module.named_parameters()), order=module.order, rescale=module.rescale
    )


def shares(scores):
    powers = [math.exp(s) for s in scores]
    return [p / sum(powers) for p in powers]


# ---------------------------------------------------------------- promises


def golden_values(make):
    """One hidden unit, all weights 1, question 0.5: positions and channels by hand."""
    x = torch.tensor([[0.0, 1.0, 2.0], [1.0, 1.0, -1.0]], dtype=torch.float64).view(1, 2, 1, 3)
    h = torch.tensor([[0.5]], dtype=torch.float64)
    sums, means = (1.0, 2.0, 1.0), (1.0, 1 / 3)
    alpha = shares([math.tanh(s + 0.5) for s in sums])
    beta = shares([math.tanh(m + 0.5) for m in means])
    for order, axis, weights in (("S", 1, alpha), ("C", 2, beta)):
        module = make(2, 1, 1, order=order).double()
        with torch.no_grad():
            for name, p in module.named_parameters():
                p.fill_(0.0 if name.endswith("bias") else 1.0)
        found = torch.tensor(weights, dtype=torch.float64)
        shape = (1, 1, 1, 3) if axis == 1 else (1, 2, 1, 1)
        close(module(x, state=h), x * len(weights) * found.view(shape))


def asked_form_is_the_loops(make):
    """With a question for each image, in every order: values, and gradients in all there is."""
    for order, rescale in EVERY:
        module, h = built(make, SMALL, order=order, rescale=rescale), asked().requires_grad_()
        parameters = [p for n, p in module.named_parameters() if n != "question"]
        outcomes_agree(
            [
                lambda x, m=module, h=h: reference(m, x, h),
                lambda x, m=module, h=h: m(x, state=h),
                lambda x, m=module, h=h: m.f(m.g(x, h), x),
            ],
            example(),
            [h, *parameters],
            example(5),
        )


def questions_belong_to_their_images(make):
    """Another question to the second image moves both of its weights, and the first one's none."""
    module, x, h = built(make, SMALL), example(), asked()
    other = h.clone()
    other[1] += 1
    for one, two in zip(module.g(x, h), module.g(x, other), strict=True):
        close(one[0], two[0])
        assert (one[1] - two[1]).abs().max() > 1e-3


def asks_its_own_where_nobody_does(make):
    """D numbers, zero at first; not heard where somebody asks, trained where nobody does."""
    module, x = built(make, SMALL), example()
    own = module.question
    close(module(x), module(x, state=own.expand(2, -1)))
    assert not make(**SMALL).question.any()
    heard = torch.autograd.grad((module(x) * example(5)).sum(), own)[0]
    assert heard.abs().min() > 1e-9
    given = module(x, state=asked()).sum()
    assert torch.autograd.grad(given, own, allow_unused=True)[0] is None


def equal_scores_change_nothing(make):
    """Rescaled, equal weights are the identity; without, they divide by their numbers."""
    x = example()
    for order, rescale in EVERY:
        module = built(make, SMALL, order=order, rescale=rescale)
        with torch.no_grad():
            for scorer in (module.where, module.what):
                if scorer is not None:
                    scorer.score.weight.zero_()
        count = 1 if rescale else {"S": 6, "C": 4}.get(order, 24)
        close(module(x, state=asked()), x / count)


def weights_are_shares(make):
    """alpha adds up to 1 over the positions, beta over the channels; what is left out is equal."""
    for order in ORDERS:
        alpha, beta = built(make, SMALL, order=order).g(example(), asked())
        close(alpha.sum(1), torch.ones(2, dtype=torch.float64))
        close(beta.sum(1), torch.ones(2, dtype=torch.float64))
        assert bool(alpha.std() > 1e-3) == ("S" in order)
        assert bool(beta.std() > 1e-3) == ("C" in order)


def the_second_looks_at_what_the_first_left(make):
    """Both in turn are one after the other, and the other order gives something else."""
    x, h = example(), asked()
    for rescale in (True, False):
        for order in ("CS", "SC"):
            both = built(make, SMALL, order=order, rescale=rescale)
            parts = {}
            for letter in order:
                parts[letter] = make(**SMALL, order=letter, rescale=rescale).double()
                state = both.state_dict()
                parts[letter].load_state_dict({k: state[k] for k in parts[letter].state_dict()})
            once = parts[order[0]](x, state=h)
            close(both(x, state=h), parts[order[1]](once, state=h))
            swapped = parts[order[0]](parts[order[1]](x, state=h), state=h)
            assert (both(x, state=h) - swapped).abs().max() > 1e-4


def channels_are_known_by_their_mean_alone(make):
    """Equal means get equal weights, whatever the maps; other channels in, the same curve."""
    module, x, h = built(make, SMALL, order="C"), example(), asked()
    x[:, 1] = x[:, 0].flatten(1).flip(1).view(2, 3, 2)
    beta = module.g(x, h)[1]
    close(beta[:, 0], beta[:, 1])
    order = torch.tensor([2, 0, 3, 1])
    close(module(x[:, order], state=h), module(x, state=h)[:, order])
    wide = make(9, 5, 3, order="C").double()
    wide.load_state_dict(module.state_dict())
    gaps = wide.g(example(c=9), h)[1]
    assert gaps.shape == (2, 9)


def positions_have_no_order(make):
    """Shuffled positions: the output shuffled, alpha shuffled, beta as it was."""
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    for kind in ("CS", "SC"):
        module, x, h = built(make, SMALL, order=kind), example(), asked()
        mixed = x.flatten(2)[:, :, order].view_as(x)
        alpha, beta = module.g(x, h)
        close(module(mixed, state=h), module(x, state=h).flatten(2)[:, :, order].view_as(x))
        close(module.g(mixed, h)[0], alpha[:, order])
        close(module.g(mixed, h)[1], beta)


def many_questions_are_told_at_once(make):
    """``tell`` gives the means of the output for each question, in every order."""
    x, states = example(), torch.stack([asked(n) for n in (1, 2, 3)], dim=1)
    for order, rescale in EVERY:
        module = built(make, SMALL, order=order, rescale=rescale)
        told = module.tell(x, states)
        assert told.shape == (2, 3, 4)
        for t in range(3):
            close(told[:, t], module(x, state=states[:, t]).mean((2, 3)))


def its_mean_is_the_context_of_soft_attention(make):
    """S alone, then the mean: the context of the decoder of Show, Attend and Tell, same weights."""
    module, x, h = built(make, SMALL, order="S"), example(), asked()
    decoder = built(ShowAttendTell, {"channels": 4, "hidden": 5, "width": 3, "words": 2})
    with torch.no_grad():
        decoder.key.load_state_dict(module.where.look.state_dict())
        decoder.query.weight.copy_(module.where.ask.weight)
        decoder.score.weight.copy_(module.where.score.weight)
    values = x.flatten(2).mT
    alpha = decoder.log_weights(decoder.key(values), h).exp()
    close(module.tell(x, h[:, None])[:, 0], decoder.context(alpha, values, h))


def questions_that_do_not_fit_are_refused(make):
    """One for each image, of the block's width."""
    module, x = built(make, SMALL), example()
    for bad in (asked(b=1), asked(d=4), asked()[0]):
        with pytest.raises(ValueError, match="one question for each image"):
            module(x, state=bad)


def half_precision_takes_questions(make):
    """A question in half precision to a block and a map in half precision, near single's answer."""
    torch.manual_seed(0)
    module = make(8, 6, 3).eval()
    x, h = torch.randn(2, 8, 4, 3), torch.randn(2, 3)
    wanted = module(x, state=h)
    for kind in (torch.float16, torch.bfloat16):
        with torch.autocast("cpu", dtype=kind):
            y, weights = module(x.to(kind), True, state=h)
        assert y.dtype == kind
        assert all(w.dtype == torch.float32 for w in weights)
        close(y.float(), wanted, atol=0.1, rtol=0.1)
        torch.manual_seed(0)
        small = make(8, 6, 3).eval().to(kind)
        close(small(x.to(kind), state=h.to(kind)).float(), wanted, atol=0.1, rtol=0.1)


PROMISES = (
    golden_values, asked_form_is_the_loops, questions_belong_to_their_images,
    asks_its_own_where_nobody_does, equal_scores_change_nothing, weights_are_shares,
    the_second_looks_at_what_the_first_left, channels_are_known_by_their_mean_alone,
    positions_have_no_order, many_questions_are_told_at_once,
    its_mean_is_the_context_of_soft_attention, questions_that_do_not_fit_are_refused,
    half_precision_takes_questions,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class OverTheBatch(SpatialChannelAttention):
    """Weights of positions by a softmax over the images."""

    def _where(self, x, h):
        return self.where(x.flatten(2).mT, h).softmax(dim=0)


class ChannelsOverTheBatch(SpatialChannelAttention):
    """Weights of channels by a softmax over the images."""

    def _what(self, means, h):
        return self.what(means[:, :, None], h).softmax(dim=0)


class Sigmoids(SpatialChannelAttention):
    """A gate for each channel by itself, as in SE."""

    def _what(self, means, h):
        return self.what(means[:, :, None], h).sigmoid()


class NeverRescaled(SpatialChannelAttention):
    """The factors are left out, whatever is asked for."""

    def f(self, weights, x):
        alpha, beta = weights
        y = x if self.what is None else x * beta[:, :, None, None]
        return y if self.where is None else y * alpha.view(len(x), 1, *x.shape[2:])


class FactorsExchanged(SpatialChannelAttention):
    """Positions times C, channels times n."""

    def f(self, weights, x):
        y, n = super().f(weights, x), x.shape[2] * x.shape[3]
        if not self.rescale or len(self.order) > 1:
            return y
        return y * (self.channels / n if self.order == "S" else n / self.channels)


class Parallel(SpatialChannelAttention):
    """Both look at the map as it came in."""

    def g(self, x, state=None):
        h = self.question.expand(len(x), -1) if state is None else state
        alpha, beta = super().g(x, state)
        if self.where is not None and self.what is not None:
            return self._where(x, h), self._what(x.mean((2, 3)), h)
        return alpha, beta


class AlwaysChannelsFirst(SpatialChannelAttention):
    """The order is accepted and ignored."""

    def g(self, x, state=None):
        order, self.order = self.order, self.order.replace("SC", "CS")
        weights = super().g(x, state)
        self.order = order
        return weights


class SumsForMeans(SpatialChannelAttention):
    """Channels are scored by their sums."""

    def _what(self, means, h):
        return super()._what(6 * means, h)


class DeafPositions(SpatialChannelAttention):
    """The question does not reach the positions."""

    def _where(self, x, h):
        return super()._where(x, 0 * h)


class DeafChannels(SpatialChannelAttention):
    """The question does not reach the channels."""

    def _what(self, means, h):
        return super()._what(means, 0 * h)


class OneQuestionForAll(SpatialChannelAttention):
    """Every image is asked what the first one is asked."""

    def g(self, x, state=None):
        return super().g(x, None if state is None else state[:1].expand_as(state))


class BothQuestions(SpatialChannelAttention):
    """The block's own question is added to what is asked."""

    def g(self, x, state=None):
        return super().g(x, None if state is None else state + self.question)


class DetachedQuestion(SpatialChannelAttention):
    """No gradient reaches whoever asks."""

    def g(self, x, state=None):
        return super().g(x, None if state is None else state.detach())


class ReLUs(SpatialChannelAttention):
    """A ReLU in place of the tanh."""

    def _where(self, x, h):
        looks = self.where.look(x.flatten(2).mT)
        hidden = torch.relu(looks + self.where.ask(h)[:, None])
        return self.where.score(hidden)[:, :, 0].softmax(dim=1)


class NoBend(SpatialChannelAttention):
    """No tanh: the question adds one number to all scores, and falls out."""

    def _what(self, means, h):
        looks = self.what.look(means[:, :, None])
        return self.what.score(looks + self.what.ask(h)[:, None])[:, :, 0].softmax(dim=1)


class TwoBends(SpatialChannelAttention):
    """Map and question are bent apart."""

    def _where(self, x, h):
        looks = self.where.look(x.flatten(2).mT).tanh()
        return self.where.score(looks + self.where.ask(h).tanh()[:, None])[:, :, 0].softmax(dim=1)


class TellsTheUnweighed(SpatialChannelAttention):
    """``tell`` forgets the channels."""

    def tell(self, x, states):
        what, self.what = self.what, None
        told = super().tell(x, states)
        self.what = what
        return told


class StartsWithAQuestion(SpatialChannelAttention):
    """The own question is drawn at random."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.reset_parameters()

    def reset_parameters(self):
        super().reset_parameters()
        torch.nn.init.normal_(self.question)


class HalfWeights(SpatialChannelAttention):
    """The softmax stays in half precision."""

    def g(self, x, state=None):
        return tuple(w.to(x.dtype) for w in super().g(x, state))


class ForgetsDevice(SpatialChannelAttention):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class Unvalidated(SpatialChannelAttention):
    """No check of what comes in."""

    def validate(self, x, state=None):
        pass


MUTANTS = (
    OverTheBatch, ChannelsOverTheBatch, Sigmoids, NeverRescaled, FactorsExchanged, Parallel,
    AlwaysChannelsFirst, SumsForMeans, DeafPositions, DeafChannels, OneQuestionForAll,
    BothQuestions, DetachedQuestion, ReLUs, NoBend, TwoBends, TellsTheUnweighed,
    StartsWithAQuestion, HalfWeights, ForgetsDevice, Unvalidated,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        SMALL,
        {**SMALL, "order": "SC"},
        {"channels": 3, "hidden": 4, "state": 2, "order": "SC", "rescale": False},
        {**SMALL, "order": "C"},
        {**SMALL, "order": "S"},
    ),
    reference=reference,
    promises=PROMISES,
    starts=(
        (
            {"channels": 100, "hidden": 49, "state": 64},
            {
                "question": ("constant", 0.0),
                "where.look.*": of_torch(100),
                "what.look.*": of_torch(1),
                "*.ask.*": of_torch(64),
                "*.score.*": of_torch(49),
            },
        ),
    ),
    smallest=({"channels": 1, "hidden": 1, "state": 1},),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 16},
        {"channels": 5, "hidden": 7, "state": 3, "order": "SC"},
        {"channels": 6, "hidden": 4, "state": 9, "order": "C", "rescale": False},
        {"channels": 6, "hidden": 4, "state": 9, "order": "S"},
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 3, "hidden": 0}, "hidden=0 must be at least 1"),
        ({"channels": 3, "state": -1}, "state=-1 must be at least 1"),
        ({"channels": 3, "order": "SS"}, "order='SS' is unknown: choose one of CS, SC, C, S"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_the_channel_scorer_has_as_many_parameters_for_512_channels_as_for_2048():
    """At the authors' widths; one number a scorer less than theirs, which a softmax takes away."""
    widths = {"hidden": 512, "state": 1000}
    for channels in (512, 2048):
        assert parameter_count(channels, order="C", **widths) - 1000 == 513_537 - 1
    assert parameter_count(512, order="S", **widths) - 1000 == 775_169 - 1
    assert parameter_count(2048, order="S", **widths) - 1000 == 1_561_601 - 1


def test_rescaled_weights_have_a_mean_of_one():
    weights = torch.rand(3, 7).softmax(dim=1)
    torch.testing.assert_close(rescaled(weights).mean(dim=1), torch.ones(3))
    assert torch.equal(rescaled(weights, by_count=False), weights)
