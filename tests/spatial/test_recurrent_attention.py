"""What RAM promises beyond the contract, and the mistakes that must not pass."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attncourse.spatial import RecurrentAttention
from attncourse.spatial.recurrent_attention import CARD, sensor
from attncourse.spatial.recurrent_attention.policy import Glimpsed, log_density
from attncourse.spatial.recurrent_attention.sensor import read_glimpse
from tests.contract.specimen import Specimen, built, of_torch
from tests.spatial.glimpses import (
    ARGUMENTS,
    costs_the_same_for_every_image,
    example,
    gradient,
    in_training,
    moves_with_the_image,
    reference,
    scores_the_samples_that_it_drew,
)

PLAIN = {**ARGUMENTS, "features": 6}  # with four, its open weights shut a ReLU for good
ODD = {**PLAIN, "scales": 1, "glimpse": 3}
PRODUCT = {**PLAIN, "steps": 2, "product": True}


# ---------------------------------------------------------------- promises


def answers_from_its_glimpses_alone(make):
    """Given the locations, pixels outside all windows change nothing."""
    module, x = built(make, ARGUMENTS), example()
    corner = torch.full((2, 3, 2), -1.0, dtype=torch.float64)
    other = x.clone()
    other[:, :, 5:, 5:] = 7.0
    torch.testing.assert_close(module.f(corner, other), module.f(corner, x))
    assert not torch.allclose(module.f(-corner, other), module.f(-corner, x))


def one_state_reads_and_decides(make):
    """The state from which the second look is decided is the one that the scores come from."""
    module, x = built(make, {**ARGUMENTS, "steps": 2}), example()
    middle = torch.zeros(2, 2, dtype=torch.float64)
    state = module.lower(module.look(x, middle), module.what_in.weight.new_zeros(2, 5))
    place = module.emit(state).clamp(-1, 1)
    torch.testing.assert_close(module.g(x)[:, 1], place)
    state = module.lower(module.look(x, place), state)
    torch.testing.assert_close(module(x), module.classify(state))
    assert not hasattr(module, "upper")


def where_that_is_zero_leaves_what(make):
    """With f_loc = 0 the glimpse is f_image: a sum, of which a product would leave nothing."""
    module, x = built(make, ARGUMENTS), example()
    with torch.no_grad():
        module.where_out.weight.zero_()
        module.where_out.bias.zero_()
    location = torch.tensor([[0.2, -0.4]] * 2, dtype=torch.float64)
    pixels = read_glimpse(x, location, 2, 2).flatten(1)
    what = F.relu(module.what_out(F.relu(module.what_in(pixels))))
    assert what.any()
    torch.testing.assert_close(module.look(x, location), what)


def looks_at_the_middle_first(make):
    """The first location is (0, 0); all lie in the image."""
    for arguments in (ARGUMENTS, ODD):
        locations = built(make, arguments).g(example())
        assert (locations[:, 0] == 0).all()
        assert (locations.abs() <= 1).all()


def rewards_only_where_it_looked(make):
    """One decision for each location that was decided and visited: none after the last look."""
    for arguments, decisions in ((ARGUMENTS, 2), (PRODUCT, 1)):
        _, seen, _ = in_training(make, arguments)
        assert seen.locations.shape == (64, arguments["steps"], 2)
        assert seen.means.shape == (64, decisions, 2)
        assert seen.log_density.shape == (64, decisions)
        assert seen.states.shape == (64, decisions, 5)
        assert not seen.states.requires_grad


def what_and_where_learn_apart(make):
    """Cross-entropy leaves the location head alone; REINFORCE all but that head, unless joint."""
    module, seen, _ = in_training(make, ARGUMENTS)
    crossed = F.cross_entropy(seen.logits, torch.zeros(64, dtype=torch.long))
    assert not gradient(crossed, module.emit.weight).any()
    assert gradient(crossed, module.lower.weight_ih).any()
    policy = seen.log_density.sum()
    assert gradient(policy, module.emit.weight).any()
    assert not gradient(policy, module.what_in.weight).any()
    assert not gradient(policy, module.lower.weight_ih).any()
    module, seen, _ = in_training(make, {**ARGUMENTS, "joint": True})
    assert gradient(seen.log_density.sum(), module.lower.weight_ih).any()
    assert gradient(seen.log_density.sum(), module.what_in.weight).any()
    assert not gradient(seen.logits.sum(), module.emit.weight).any()


# ---------------------------------------------------------------- mutants


class RowColumn(RecurrentAttention):
    """A location taken as (row, column)."""

    def look(self, x, location):
        return super().look(x, location.flip(1))


class CentreMap(RecurrentAttention):
    """The centre of the window, not the window, is kept inside: half a window leaves."""

    def look(self, x, location):
        sizes = location.new_tensor([x.shape[3], x.shape[2]])
        return super().look(x, location * sizes / (sizes - self.glimpse).clamp(min=1))


class WindowOutside(RecurrentAttention):
    """A window that is wider than the image moves the other way in place of standing still."""

    def look(self, x, location):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sensor, "window_centre", lambda place, size, length:
                          (length - 1) / 2 + place * (length - size) / 2)  # fmt: skip
            return super().look(x, location)


class OneSide(RecurrentAttention):
    """One side length for both axes (known error C33)."""

    def look(self, x, location):
        reach = (location.new_tensor(x.shape[2:]) - self.glimpse).clamp(min=0)
        wrong = torch.stack([location[:, 0], location[:, 1] * reach[1] / reach[0].clamp(min=1)], 1)
        return super().look(x, wrong)


class EqualScales(RecurrentAttention):
    """All squares of the same size, as a default of a known port has it."""

    def look(self, x, location):
        pixels = read_glimpse(x, location, self.glimpse, 1).expand(-1, self.scales, -1, -1, -1)
        what = self.what_out(F.relu(self.what_in(pixels.flatten(1))))
        where = self.where_out(F.relu(self.where_in(location)))
        return F.relu(what) * F.relu(where) if self.product else F.relu(what + where)


class AlignedCorners(RecurrentAttention):
    """Locations scaled as if pixel centres lay on the image's border."""

    def look(self, x, location):
        return super().look(x, location * (1 - 1 / x.shape[3]))


class WholePixels(RecurrentAttention):
    """Windows cut at whole pixels, so that no gradient reaches the location."""

    def look(self, x, location):
        reach = (location.new_tensor([x.shape[3], x.shape[2]]) - self.glimpse).clamp(min=0) / 2
        whole = (location * reach).round() / reach.clamp(min=0.5)
        return super().look(x, whole)


class Squeezed(RecurrentAttention):
    """squeeze() breaks a batch of one (known error C33)."""

    def look(self, x, location):
        return super().look(x, location).squeeze()


class Multiplied(RecurrentAttention):
    """What times where, as in DRAM, in place of the sum."""

    def look(self, x, location):
        product, self.product = self.product, True
        seen = super().look(x, location)
        self.product = product
        return seen


class NoReLU(RecurrentAttention):
    """Two linear layers in a row for *where*."""

    def look(self, x, location):
        pixels = read_glimpse(x, location, self.glimpse, self.scales)
        what = F.relu(self.what_out(F.relu(self.what_in(pixels.flatten(1)))))
        where = F.relu(self.where_out(self.where_in(location)))
        return what * where if self.product else F.relu(what + where)


class Peeks(RecurrentAttention):
    """The mean of the whole image leaks into what is seen."""

    def look(self, x, location):
        return super().look(x, location) + x.mean(dim=(1, 2, 3))[:, None]


class TanhMean(RecurrentAttention):
    """A tanh on the mean, as in a known port; the paper's is linear."""

    def decide(self, state):
        location, mean, density = super().decide(state)
        return (location if self.training else mean.tanh()), mean.tanh(), density


class Reparametrised(RecurrentAttention):
    """A sample that is not cut from the graph: its density has no gradient any more."""

    def decide(self, state):
        if not self.training:
            return super().decide(state)
        mean = self.emit(state)
        sample = mean + self.std * torch.randn_like(mean)
        return sample.clamp(-1, 1), mean, log_density(sample, mean, self.std)


class ClampedDensity(RecurrentAttention):
    """The density of the clamped location, not of the sample."""

    def decide(self, state):
        location, mean, density = super().decide(state)
        return location, mean, log_density(location, mean, self.std) if self.training else density


class NoBorder(RecurrentAttention):
    """Locations that leave the image."""

    def decide(self, state):
        if not self.training:
            mean = self.emit(state)
            return mean, mean, mean.new_zeros(len(mean))
        return super().decide(state)


class AlwaysSamples(RecurrentAttention):
    """Samples in eval mode too."""

    def decide(self, state):
        location, mean, density = super().decide(state)
        return location + 0.01 * torch.randn_like(location), mean, density


class LastDecision(RecurrentAttention):
    """A location after the last look is rewarded, though nobody looks there (C33)."""

    def glimpses(self, x):
        seen = super().glimpses(x)
        if not self.training:
            return seen
        last = [t[:, -1:] for t in seen[2:]]
        more = [torch.cat([t, extra], 1) for t, extra in zip(seen[2:], last, strict=True)]
        return Glimpsed(seen.logits, seen.locations, *more)


class RandomFirst(RecurrentAttention):
    """A first look at the upper left in place of the middle."""

    def glimpses(self, x):
        seen = super().glimpses(x)
        locations = seen.locations.clone()
        locations[:, 0] = -1
        return seen._replace(locations=locations)


class DecidesTooSoon(RecurrentAttention):
    """The next look follows from the state before this one."""

    def _to_decide(self, reading, deciding):
        return deciding


class Forgets(RecurrentAttention):
    """The state starts anew at each look: only the last glimpse answers."""

    def f(self, weights, x):
        return super().f(weights[:, -1:], x)

    def glimpses(self, x):
        seen = super().glimpses(x)
        return seen._replace(logits=self.f(seen.locations, x))


class AlwaysJoint(RecurrentAttention):
    """REINFORCE shapes what is seen although joint is off."""

    def __init__(self, *arguments, joint=False, **options):
        super().__init__(*arguments, joint=True, **options)


class NeverJoint(RecurrentAttention):
    """joint is accepted and ignored."""

    def __init__(self, *arguments, joint=False, **options):
        super().__init__(*arguments, joint=False, **options)


class OpenStart(RecurrentAttention):
    """reset_parameters forgets that the policy starts at the middle."""

    def reset_parameters(self):
        for layer in self.children():
            layer.reset_parameters()


class ForgetsDevice(RecurrentAttention):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class Unvalidated(RecurrentAttention):
    """No check of the input."""

    def validate(self, x):
        pass


MUTANTS = (
    RowColumn, CentreMap, WindowOutside, OneSide, EqualScales, AlignedCorners, WholePixels,
    Squeezed, Multiplied, NoReLU, Peeks, TanhMean, Reparametrised, ClampedDensity, NoBorder,
    AlwaysSamples, LastDecision, RandomFirst, DecidesTooSoon, Forgets, AlwaysJoint, NeverJoint,
    OpenStart, ForgetsDevice, Unvalidated,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(PLAIN, ODD, PRODUCT),
    unrolled={"steps": 2},
    reference=reference,
    promises=(
        moves_with_the_image,
        answers_from_its_glimpses_alone,
        one_state_reads_and_decides,
        where_that_is_zero_leaves_what,
        looks_at_the_middle_first,
        scores_the_samples_that_it_drew,
        rewards_only_where_it_looked,
        what_and_where_learn_apart,
        costs_the_same_for_every_image,
    ),
    starts=(
        (
            {"channels": 1, "scales": 3, "features": 64, "width": 49},
            {
                "what_in.*": of_torch(3 * 64),
                "what_out.*": of_torch(64),
                "where_in.*": of_torch(2),
                "where_out.*": of_torch(64),
                "lower.*": of_torch(49),
                "emit.*": ("constant", 0.0),
                "classify.*": of_torch(49),
            },
        ),
    ),
    smallest=({"channels": 1, "classes": 1, "steps": 2, "glimpse": 1, "features": 1, "width": 1},),
    excused={
        "batch_statistics_are_the_batch_s": "in training the locations are drawn at random, and "
        "the output is a record of them: promises of its own hold both",
    },
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 1},
        {"channels": 1, "product": True, "steps": 2},
        {"channels": 1, "glimpse": 3, "scales": 3},
        ARGUMENTS,
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 1, "scales": 0}, "scales=0 must be at least 1"),
        ({"channels": 1, "steps": 1}, "steps=1 leaves nothing to decide: take at least 2$"),
        ({"channels": 1, "std": 0.0}, "std=0.0 must be positive"),
    ),
)
