"""What RSTAN promises beyond the contract, and mistakes that must not pass."""

from __future__ import annotations

import pytest
import torch

from attncourse.spatial_temporal import RecurrentSpatialTemporal
from attncourse.spatial_temporal.rstan import (
    CARD,
    actor_penalty,
    clip_prediction,
    joint_weights,
    multiply_adds,
    parameter_count,
    rstan_reference,
    spread,
)
from attncourse.spatial_temporal.rstan.scorers import (
    frame_weights,
    gathered,
    place_weights,
    scores,
    totals,
)
from tests.contract.specimen import Specimen, built, of_torch

SMALL = {"channels": 3, "classes": 4, "steps": 3, "hidden": 5, "width": 4}
FLAT = {**SMALL, "flat": True}
WIDE = {"channels": 2, "classes": 3, "steps": 2, "hidden": 3, "width": 6}
DOUBLE = torch.float64


def example(seed=0, b=2, c=3, t=4, h=2, w=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, t, h, w, dtype=DOUBLE, generator=generator)


def reference(module, x):
    """The loops, with the module's own parameters."""
    return rstan_reference(x, dict(module.named_parameters()), steps=module.steps)


def off(found, wanted):
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=1e-10)


def ones(*shape):
    return torch.ones(*shape, dtype=DOUBLE)


# ---------------------------------------------------------------- promises


def weights_are_shares(make):
    """Places of a frame share one unit, frames of a step share one, and so does their product."""
    for arguments in (SMALL, FLAT):
        alpha, gamma = built(make, arguments).g(example())
        off(alpha.sum(3), ones(2, 3, 4))
        off(gamma.sum(2), ones(2, 3))
        off(joint_weights(alpha, gamma).sum((2, 3)), ones(2, 3))
        assert min(alpha.min(), gamma.min()) > 0
        assert (alpha.amax(3) - alpha.amin(3)).min() > 1e-3, "a frame is looked at evenly"
        assert (gamma.amax(2) - gamma.amin(2)).min() > 1e-3, "frames weigh the same"


def a_clip_is_a_set(make):
    """Frames in another order, and places in another order: weights move along, answers stay."""
    module, x = built(make, SMALL), example()
    frames, places = torch.tensor([2, 0, 3, 1]), torch.tensor([4, 1, 5, 0, 3, 2])
    mixed = x[:, :, frames].flatten(3)[..., places].view_as(x)
    off(module(mixed), module(x))
    alpha, gamma = module.g(x)
    off(module.g(mixed)[0], alpha[:, :, frames][..., places])
    off(module.g(mixed)[1], gamma[:, :, frames])


def equal_frames_weigh_the_same(make):
    """A film that stands still has even weights of frames, whatever is looked at in them."""
    for arguments in (SMALL, FLAT):
        module = built(make, arguments)
        still = example()[:, :, :1].expand(-1, -1, 4, -1, -1)
        alpha, gamma = module.g(still)
        off(gamma, ones(2, 3, 4) / 4)
        off(alpha, alpha[:, :, :1].expand_as(alpha))


def scorers_of_zeros_read_the_mean(make):
    """v = 0 in both: every step reads the mean of the clip."""
    module, x = built(make, SMALL), example()
    with torch.no_grad():
        module.score.weight.zero_()
        module.frame_score.weight.zero_()
    mean = x.mean((2, 3, 4), keepdim=True).expand_as(x)
    off(module(x), module(mean))
    off(module(x), module.f((ones(2, 3, 4, 6) / 6, ones(2, 3, 4) / 4), x))


def decides_from_the_state_before(make):
    """The first look knows no state, the second one the state after one step."""
    for arguments in (SMALL, FLAT):
        module, x = built(make, arguments), example()
        told = module.tell(x)
        values = x.flatten(3).movedim(1, 3)
        state = cell = torch.zeros(2, 4, dtype=DOUBLE)
        for s in range(3):
            off(told.states[:, s], state)
            e = scores(module.key(values), module.query(state), module.score)
            alpha = place_weights(e)
            u = gathered(alpha, values)
            if module.flat:
                gamma = frame_weights(totals(e))
            else:
                asked = module.frame_query(state)
                gamma = frame_weights(scores(module.frame_key(u), asked, module.frame_score))
            off(told.alpha[:, s], alpha)
            off(told.gamma[:, s], gamma)
            z = (gamma[..., None] * u).sum(1)
            admit, keep, show, new = module.lstm(torch.cat([z, state], 1)).chunk(4, 1)
            cell = keep.sigmoid() * cell + admit.sigmoid() * new.tanh()
            state = show.sigmoid() * cell.tanh()
            off(told.scores[:, s], module.answer(state))


def flat_is_one_softmax(make):
    """Equation (12): shares of frames times shares of places are one softmax over all places."""
    module, x = built(make, FLAT), example()
    told = module.tell(x)
    keys = module.key(x.flatten(3).movedim(1, 3))
    for s in range(3):
        e = scores(keys, module.query(told.states[:, s]), module.score)
        wanted = e.flatten(1).softmax(1).view_as(e)
        off(joint_weights(told.alpha[:, s : s + 1], told.gamma[:, s : s + 1])[:, 0], wanted)


def goes_on_for_any_number_of_steps(make):
    """All steps share their weights: the first three of five are the three."""
    module, x = built(make, SMALL), example()
    longer = module.tell(x, steps=5)
    assert longer.scores.shape == (2, 5, 4)
    off(longer.scores[:, :3], module(x))
    assert (longer.gamma[:, 4] - longer.gamma[:, 3]).abs().max() > 1e-4


def reads_where_it_is_told_to(make):
    """With one-hot weights only one place of one frame counts, at each step another one."""
    module, x = built(make, SMALL), example()
    alpha, gamma = torch.zeros(2, 3, 4, 6, dtype=DOUBLE), torch.zeros(2, 3, 4, dtype=DOUBLE)
    for s, (t, i) in enumerate(((2, 5), (0, 1), (3, 3))):
        alpha[:, s, :, i], gamma[:, s, t] = 1, 1
    y = module.f((alpha, gamma), x)
    moved = x.flatten(3).clone()
    moved[:, :, 2, [0, 1, 2, 3, 4]] += 1
    moved[:, :, 1] -= 2
    off(module.f((alpha, gamma), moved.view_as(x)), y)
    moved[:, :, 0, 1] += 1  # what the second step reads
    changed = module.f((alpha, gamma), moved.view_as(x))
    off(changed[:, 0], y[:, 0])
    assert (changed[:, 1] - y[:, 1]).abs().min() > 1e-6


# ---------------------------------------------------------------- mutants


def beside(asked, keys):
    """The state's part with an axis for each of frames and places."""
    return asked.view(len(asked), *(1,) * (keys.ndim - 2), -1)


class _Looks(RecurrentSpatialTemporal):
    """A network whose look is put together from parts that a mutant may change."""

    def place(self, e):
        return place_weights(e)

    def frame(self, e):
        return frame_weights(e)

    def total(self, e):
        return totals(e)

    def scored(self, keys, asked, score):
        return scores(keys, asked, score)

    def of_frames(self, u, values, asked):
        return self.scored(self.frame_key(u), self.frame_query(asked), self.frame_score)

    def look(self, keys, values, asked):
        e = self.scored(keys, self.query(asked), self.score)
        alpha = self.place(e)
        u = gathered(alpha, values)
        gamma = self.frame(self.total(e) if self.flat else self.of_frames(u, values, asked))
        return alpha, gamma, u


class PlacesOverFrames(_Looks):
    """The softmax of places runs over the frames."""

    def place(self, e):
        return e.softmax(1)


class PlacesOverAll(_Looks):
    """The softmax of places runs over all places of all frames, and frames are weighed again."""

    def place(self, e):
        return e.flatten(1).softmax(1).view_as(e)


class FramesOverBatch(_Looks):
    """The softmax of frames runs over the batch."""

    def frame(self, e):
        return e.softmax(0)


class SigmoidFrames(_Looks):
    """Each frame has a gate of its own, and no softmax."""

    def frame(self, e):
        return e.sigmoid()


class ReLUFrames(_Looks):
    """Frames as STA-LSTM weighs them: not normalised."""

    def frame(self, e):
        return e.relu()


class ReLUScorer(_Looks):
    """A ReLU inside the scorers."""

    def scored(self, keys, asked, score):
        return score((keys + beside(asked, keys)).relu())[..., 0]


class NoBend(_Looks):
    """Linear scorers: the state adds the same number to all scores, and falls out."""

    def scored(self, keys, asked, score):
        return score(keys + 0 * beside(asked, keys))[..., 0]


class TwoBends(_Looks):
    """A tanh around each part in place of one around the sum."""

    def scored(self, keys, asked, score):
        return score(keys.tanh() + beside(asked, keys).tanh())[..., 0]


class FramesByTheirMean(_Looks):
    """The frame scorer reads the mean of a frame, not what was looked at in it."""

    def of_frames(self, u, values, asked):
        return super().of_frames(values.mean(2), values, asked)


class FramesWithoutState(_Looks):
    """The frame scorer does not hear the state."""

    def of_frames(self, u, values, asked):
        return super().of_frames(u, values, 0 * asked)


class FlatByMax(_Looks):
    """The largest score of a frame in place of the logarithm of the sum."""

    def total(self, e):
        return e.amax(2)


class FlatByMean(_Looks):
    """The mean score of a frame in place of the logarithm of the sum."""

    def total(self, e):
        return e.mean(2)


class SummedFrames(_Looks):
    """What is read grows with the number of frames."""

    def step(self, z, state, cell):
        return super().step(4 * z, state, cell)


class GatesMixedUp(RecurrentSpatialTemporal):
    """Admit and keep exchanged."""

    def step(self, z, state, cell):
        keep, admit, show, new = self.lstm(torch.cat([z, state], dim=1)).chunk(4, dim=1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(admit) * torch.tanh(new)
        return torch.sigmoid(show) * torch.tanh(cell), cell


class ForgetsState(RecurrentSpatialTemporal):
    """Every look starts from a state of zeros."""

    def asking(self, state, step):
        return 0 * state


class OnlyTheFirstLook(RecurrentSpatialTemporal):
    """The first step's weights serve all steps."""

    def tell(self, x, weights=None, steps=None):
        if weights is None:
            first = super().tell(x, steps=steps)
            weights = tuple(w[:, :1].expand_as(w) for w in (first.alpha, first.gamma))
        return super().tell(x, weights, steps)


class DeafToWeights(RecurrentSpatialTemporal):
    """Weights that are given are not used."""

    def tell(self, x, weights=None, steps=None):
        return super().tell(x, None, steps)


class StatesAfter(RecurrentSpatialTemporal):
    """The states are those after the steps."""

    def tell(self, x, weights=None, steps=None):
        told = super().tell(x, weights, steps)
        return told._replace(states=told.states.roll(-1, dims=1))


class KnowsItsOrder(RecurrentSpatialTemporal):
    """Later frames are a little louder."""

    def tell(self, x, weights=None, steps=None):
        ramp = 1 + 0.1 * torch.arange(x.shape[2], dtype=x.dtype)[:, None, None]
        return super().tell(x * ramp, weights, steps)


class FramesForChannels(RecurrentSpatialTemporal):
    """Channels and frames taken for each other."""

    def tell(self, x, weights=None, steps=None):
        wrong = x.transpose(1, 2).reshape(x.shape)
        return super().tell(wrong, weights, steps)


class FixedSteps(RecurrentSpatialTemporal):
    """Another number of steps is accepted and ignored."""

    def tell(self, x, weights=None, steps=None):
        return super().tell(x, weights)


class HalfWeights(_Looks):
    """Softmaxes in half precision."""

    def place(self, e):
        return e.softmax(2)

    def frame(self, e):
        return e.to(self.key.weight.dtype).softmax(1)


class ForgetsDevice(RecurrentSpatialTemporal):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class Unvalidated(RecurrentSpatialTemporal):
    """No check of the input."""

    def validate(self, x):
        pass


MUTANTS = (
    PlacesOverFrames, FramesOverBatch, ReLUScorer, NoBend, FramesByTheirMean, FlatByMax,
    OnlyTheFirstLook, DeafToWeights, StatesAfter, FixedSteps, HalfWeights, ForgetsDevice,
    Unvalidated,
)  # fmt: skip
#: Relatives of these: it is enough that they die at their first promise.
RELATIVES = (
    PlacesOverAll, SigmoidFrames, ReLUFrames, TwoBends, FramesWithoutState, FlatByMean,
    SummedFrames, GatesMixedUp, ForgetsState, KnowsItsOrder, FramesForChannels,
)  # fmt: skip


def wrong_clips(x):
    """Wrong rank, wrong channels, no frames, no positions."""
    return (
        (x[0], "axes"),
        (x[None], "axes"),
        (torch.cat([x, x], dim=1), "channels"),
        (x[:, :, :0], "frames"),
        (x[..., :0], "positions"),
    )


SPECIMEN = Specimen(
    card=CARD,
    arguments=(WIDE, {**FLAT, "steps": 2}),
    reference=reference,
    promises=(
        weights_are_shares,
        a_clip_is_a_set,
        equal_frames_weigh_the_same,
        scorers_of_zeros_read_the_mean,
        decides_from_the_state_before,
        flat_is_one_softmax,
        goes_on_for_any_number_of_steps,
        reads_where_it_is_told_to,
    ),
    starts=(
        (
            {"channels": 25, "classes": 30, "hidden": 49, "width": 36},
            {
                "key.*": of_torch(25),
                "query.*": of_torch(36),
                "score.*": of_torch(49),
                "frame_key.*": of_torch(25),
                "frame_query.*": of_torch(36),
                "frame_score.*": of_torch(49),
                "lstm.*": of_torch(25 + 36),
                "answer.*": of_torch(36),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "classes": 1, "steps": 1, "hidden": 1, "width": 1},
        {"channels": 1, "classes": 1, "steps": 1, "hidden": 1, "width": 1, "flat": True},
    ),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 3, "classes": 2, "steps": 1},
        {"channels": 2, "classes": 1, "width": 9, "steps": 1, "flat": True},
        SMALL,
    ),
    refused=(
        ({"channels": 0, "classes": 2}, "channels=0 must be at least 1"),
        ({"channels": 3, "classes": -1}, "classes=-1 must be at least 1"),
        ({"channels": 3, "classes": 2, "steps": 0}, "steps=0 must be at least 1"),
        ({"channels": 3, "classes": 2, "hidden": 0}, "hidden=0 must be at least 1"),
        ({"channels": 3, "classes": 2, "width": 0}, "width=0 must be at least 1"),
    ),
    input_shape=lambda a, b, t, h, w: (b, a["channels"], t, h, w),
    sizes=((2, 3, 2, 2), (1, 2, 1, 3), (3, 1, 2, 1)),
    small=(2, 2, 1, 2),
    wrong=wrong_clips,
    dynamic=(0, 2, 3, 4),
    unrolled={"steps": 2},
    loud={"channels": 256, "steps": 1},  # the state is bounded: a second step adds nothing loud
)

# ---------------------------------------------------------------- tests of its own


@pytest.mark.parametrize("mutant", RELATIVES, ids=lambda m: m.__name__)
def test_a_relative_of_a_mutant_breaks_a_promise(mutant):
    def breaks(promise):
        try:
            promise(mutant)
        except AssertionError:
            return True
        return False

    assert any(map(breaks, SPECIMEN.promises))


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=DOUBLE)


def test_the_gradients_of_the_chapter_are_those_of_autograd():
    """Equations (13) and (14), for the scores of one step."""
    net = built(RecurrentSpatialTemporal, {"channels": 3, "classes": 2, "hidden": 4, "width": 5})
    x, h, d = draw(2, 3, 4, 3), draw(2, 5, seed=1), draw(2, 3, seed=2)
    hidden = torch.tanh(net.key(x) + net.query(h)[:, None, None])
    e = net.score(hidden)[..., 0].detach().requires_grad_()
    alpha = e.softmax(2)
    u = (alpha[..., None] * x).sum(2)
    bend = torch.tanh(net.frame_key(u) + net.frame_query(h)[:, None])
    eps = net.frame_score(bend)[..., 0]
    gamma = eps.softmax(1)
    z = (gamma[..., None] * u).sum(1)
    of_eps, of_e = torch.autograd.grad((z * d).sum(), (eps, e))
    by_13 = gamma * ((u - z[:, None]) * d[:, None]).sum(2)
    slope = (net.frame_score.weight * (1 - bend**2)) @ net.frame_key.weight
    arrives = gamma[..., None] * d[:, None] + by_13[..., None] * slope
    by_14 = alpha * ((x - u[:, :, None]) * arrives[:, :, None]).sum(3)
    torch.testing.assert_close(of_eps, by_13)
    torch.testing.assert_close(of_e, by_14)


def test_the_closed_forms_of_the_facts():
    """a(h + C + 1) + a for each scorer, and 4h(C + h + 1) for the LSTM with one bias."""
    c, a, h, k = 48, 40, 64, 10
    wanted = 2 * (a * (h + c + 1) + a) + 4 * h * (c + h + 1) + k * (h + 1)
    assert parameter_count(c, k, hidden=a, width=h) == wanted
    once = 6 * 4 * c * a  # W_x x is not computed anew
    one, two = (multiply_adds(6, 2, 2, c, k, steps=s, hidden=a, width=h) for s in (1, 2))
    assert one - (two - one) == once


def test_a_clip_s_prediction_is_a_mean_of_probabilities():
    psi = draw(3, 4, 5)
    found = clip_prediction(psi)
    torch.testing.assert_close(found.sum(1), torch.ones(3, dtype=DOUBLE))
    torch.testing.assert_close(found[1], torch.stack([p.softmax(0) for p in psi[1]]).mean(0))


def test_the_spread_counts_places():
    """Even weights over m places spread over m of them."""
    alpha, gamma = torch.full((1, 1, 6, 4), 1 / 4), torch.full((1, 1, 6), 1 / 6)
    torch.testing.assert_close(spread(joint_weights(alpha, gamma)), torch.tensor([[24.0]]))
    gamma = torch.tensor([[[0.5, 0.5, 0, 0, 0, 0]]])
    torch.testing.assert_close(spread(joint_weights(alpha, gamma)), torch.tensor([[8.0]]))


def test_the_actor_penalty():
    """Zero on the actors, scaled masks are the same, frames without an actor are left out."""
    mask = torch.tensor([[[0.0, 2.0], [3.0, 3.0]]])
    wanted = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert actor_penalty(wanted, mask) == 0
    torch.testing.assert_close(actor_penalty(wanted.flip(3), mask), torch.tensor([2.0]))
    torch.testing.assert_close(actor_penalty(wanted.flip(3), 7 * mask), torch.tensor([2.0]))
    mask[0, 0] = 0
    assert actor_penalty(wanted.flip(3), mask) == 0
    with pytest.raises(ValueError, match=r"actors holds negative numbers: pass a mask"):
        actor_penalty(wanted, -mask)
