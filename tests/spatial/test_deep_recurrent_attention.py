"""What DRAM promises beyond the contract and beyond RAM, and the mistakes that must not pass."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from attncourse.spatial import DeepRecurrentAttention, RecurrentAttention
from attncourse.spatial.recurrent_attention import (
    DEEP_CARD,
    deep_multiply_adds,
    deep_parameter_count,
    multiply_adds,
    parameter_count,
)
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

CONTEXT = {**ARGUMENTS, "steps": 2, "context": 2}
SUM = {**ARGUMENTS, "glimpse": 3, "scales": 1, "product": False}


# ---------------------------------------------------------------- promises


def answers_from_its_glimpses_alone(make):
    """Given the locations, pixels outside all windows change nothing, context or not."""
    for arguments in (ARGUMENTS, CONTEXT):
        module, x = built(make, arguments), example()
        corner = torch.full((2, arguments["steps"], 2), -1.0, dtype=torch.float64)
        other = x.clone()
        other[:, :, 5:, 5:] = 7.0
        torch.testing.assert_close(module.f(corner, other), module.f(corner, x))
        assert not torch.allclose(module.f(-corner, other), module.f(-corner, x))


def the_upper_state_decides_and_the_lower_answers(make):
    """The upper layer moves locations; with locations fixed it does not touch the scores."""
    module, x = built(make, CONTEXT), example()
    locations = module.g(x)
    scores = module.f(locations, x)
    with torch.no_grad():
        module.upper.weight_ih.mul_(-0.5)
        module.coarse.weight.mul_(-0.5)
        module.emit.bias.fill_(0.3)
    assert not torch.allclose(module.g(x), locations)
    torch.testing.assert_close(module.f(locations, x), scores)


def where_that_is_one_leaves_what(make):
    """With f_loc = 1 the glimpse is f_image: a product, not a sum."""
    module, x = built(make, ARGUMENTS), example()
    with torch.no_grad():
        module.where_out.weight.zero_()
        module.where_out.bias.fill_(1)
    location = torch.tensor([[0.2, -0.4]] * 2, dtype=torch.float64)
    pixels = read_glimpse(x, location, 2, 2).flatten(1)
    what = F.relu(module.what_out(F.relu(module.what_in(pixels))))
    torch.testing.assert_close(module.look(x, location), what)


def looks_first_where_the_coarse_view_says(make):
    """Without context the first location is (0, 0); with it, it follows from the whole image."""
    assert not built(make, ARGUMENTS).g(example())[:, 0].any()
    module, x = built(make, CONTEXT), example()
    small = F.interpolate(x, (2, 2), mode="bilinear").flatten(1)
    wanted = module.emit(F.relu(module.coarse(small))).clamp(-1, 1)
    torch.testing.assert_close(module.g(x)[:, 0], wanted)
    assert wanted.any()


def rewards_only_where_it_looked(make):
    """One decision for each location that was decided and visited; context adds the first."""
    for arguments, decisions in ((ARGUMENTS, 2), (CONTEXT, 2)):
        _, seen, _ = in_training(make, arguments)
        assert seen.locations.shape == (64, arguments["steps"], 2)
        assert seen.means.shape == (64, decisions, 2)
        assert seen.log_density.shape == (64, decisions)
        assert seen.states.shape == (64, decisions, 5)
        assert not seen.states.requires_grad


def what_and_where_learn_apart(make):
    """Cross-entropy leaves the policy alone; REINFORCE leaves what reads alone, unless joint."""
    module, seen, _ = in_training(make, ARGUMENTS)
    crossed = F.cross_entropy(seen.logits, torch.zeros(64, dtype=torch.long))
    for layer in (module.emit, module.upper):
        for parameter in layer.parameters():
            assert not gradient(crossed, parameter).any()
    policy = seen.log_density.sum()
    assert gradient(policy, module.emit.weight).any()
    assert gradient(policy, module.upper.weight_ih).any()
    assert not gradient(policy, module.what_in.weight).any()
    assert not gradient(policy, module.lower.weight_ih).any()
    module, seen, _ = in_training(make, {**ARGUMENTS, "joint": True})
    assert gradient(seen.log_density.sum(), module.what_in.weight).any()
    assert not gradient(seen.logits.sum(), module.emit.weight).any()


# ---------------------------------------------------------------- mutants


class Added(DeepRecurrentAttention):
    """What plus where, in place of the product."""

    def look(self, x, location):
        product, self.product = self.product, False
        seen = super().look(x, location)
        self.product = product
        return seen


class ReadsTheUpper(DeepRecurrentAttention):
    """The classifier reads the state that decides: with context it can skip the glimpses."""

    def glimpses(self, x):
        seen = super().glimpses(x)
        if not self.context:
            return seen
        small = F.interpolate(x, (self.context, self.context), mode="bilinear")
        return seen._replace(logits=seen.logits + self.classify(self.coarse(small.flatten(1))))


class OneState(DeepRecurrentAttention):
    """The lower state decides, as in RAM; the upper layer is there and does nothing."""

    def _to_decide(self, reading, deciding):
        return reading


class ForgetsTheUpper(DeepRecurrentAttention):
    """The upper state starts anew after each look, and loses what the coarse view said."""

    def _to_decide(self, reading, deciding):
        return self.upper(reading, torch.zeros_like(deciding))


class SwappedStates(DeepRecurrentAttention):
    """Input and state of the upper layer in the other order."""

    def _to_decide(self, reading, deciding):
        return self.upper(deciding, reading)


class StartsBoth(DeepRecurrentAttention):
    """The coarse view starts the lower state too, which answers from it."""

    def _first_states(self, x):
        _, upper = super()._first_states(x)
        return upper, upper


class MiddleFirst(DeepRecurrentAttention):
    """The first look is in the middle although the coarse view has said where."""

    def decide(self, state):
        location, mean, density = super().decide(state)
        first, self.looked = self.context and not getattr(self, "looked", False), True
        return (torch.zeros_like(location) if first else location), mean, density

    def glimpses(self, x):
        self.looked = False
        return super().glimpses(x)


class SignedView(DeepRecurrentAttention):
    """A coarse view without its ReLU."""

    def _first_states(self, x):
        lower, upper = super()._first_states(x)
        if self.context:
            small = F.interpolate(x, (self.context, self.context), mode="bilinear")
            upper = self.coarse(small.flatten(1))
        return lower, upper


class AlwaysJoint(DeepRecurrentAttention):
    """REINFORCE shapes what is seen although joint is off."""

    def __init__(self, *arguments, joint=False, **options):
        super().__init__(*arguments, joint=True, **options)


class NeverJoint(DeepRecurrentAttention):
    """joint is accepted and ignored."""

    def __init__(self, *arguments, joint=False, **options):
        super().__init__(*arguments, joint=False, **options)


class ForgetsDevice(DeepRecurrentAttention):
    """device and dtype are accepted and dropped."""

    def __init__(self, *arguments, device=None, dtype=None, **options):
        super().__init__(*arguments, **options)


class Unvalidated(DeepRecurrentAttention):
    """No check of the input."""

    def validate(self, x):
        pass


MUTANTS = (
    Added, ReadsTheUpper, OneState, ForgetsTheUpper, SwappedStates, StartsBoth, MiddleFirst,
    SignedView, AlwaysJoint, NeverJoint, ForgetsDevice, Unvalidated,
)  # fmt: skip

SPECIMEN = Specimen(
    card=DEEP_CARD,
    arguments=(ARGUMENTS, CONTEXT, SUM),
    unrolled={"steps": 2},
    reference=reference,
    promises=(
        moves_with_the_image,
        answers_from_its_glimpses_alone,
        the_upper_state_decides_and_the_lower_answers,
        where_that_is_one_leaves_what,
        looks_first_where_the_coarse_view_says,
        scores_the_samples_that_it_drew,
        rewards_only_where_it_looked,
        what_and_where_learn_apart,
        costs_the_same_for_every_image,
    ),
    starts=(
        (
            {"channels": 1, "scales": 3, "features": 64, "width": 49, "context": 4},
            {
                "what_in.*": of_torch(3 * 64),
                "what_out.*": of_torch(64),
                "where_in.*": of_torch(2),
                "where_out.*": of_torch(64),
                "lower.*": of_torch(49),
                "upper.*": of_torch(49),
                "coarse.*": of_torch(16),
                "emit.*": ("constant", 0.0),
                "classify.*": of_torch(49),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "classes": 1, "steps": 2, "glimpse": 1, "features": 1, "width": 1},
        {
            "channels": 1, "classes": 1, "steps": 1, "glimpse": 1, "features": 1, "width": 1,
            "context": 1,
        },
    ),
    excused={
        "batch_statistics_are_the_batch_s": "in training the locations are drawn at random, and "
        "the output is a record of them: promises of its own hold both",
    },
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 1, "product": False},
        {"channels": 3, "steps": 2, "context": 5},
        {"channels": 1, "glimpse": 3, "scales": 3},
        CONTEXT,
    ),
    refused=(
        ({"channels": 0}, "channels=0 must be at least 1"),
        ({"channels": 1, "width": 0}, "width=0 must be at least 1"),
        ({"channels": 1, "steps": 1}, "take at least 2, or 1 with context"),
        ({"channels": 1, "steps": 0, "context": 2}, "steps=0 leaves nothing .* at least 1$"),
        ({"channels": 1, "context": -1}, "context=-1"),
        ({"channels": 1, "std": 0.0}, "std=0.0 must be positive"),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- tests of its own


def test_every_argument_arrives():
    """What DRAM's constructor hands on to RAM's, each with a value of its own."""
    given = {
        "classes": 3, "steps": 4, "glimpse": 5, "scales": 2, "features": 7, "width": 9,
        "product": False, "std": 0.7, "joint": True, "context": 6,
    }  # fmt: skip
    net = DeepRecurrentAttention(2, **given)
    assert {name: getattr(net, name) for name in given} == given
    shown = net.extra_repr()
    assert all(f"{name}={value}" in shown for name, value in given.items())
    assert DeepRecurrentAttention(2).extra_repr() == RecurrentAttention(2).extra_repr() == "2"


def test_it_is_ram_with_a_second_state_and_a_product():
    """With the lower layers of RAM and fixed locations, product alike, the scores are RAM's."""
    deep, x = built(DeepRecurrentAttention, SUM), example()
    ram = built(RecurrentAttention, SUM)
    missing, _ = ram.load_state_dict(deep.state_dict(), strict=False)
    assert not missing
    places = 2 * torch.rand(2, 3, 2, dtype=torch.float64) - 1
    torch.testing.assert_close(deep.f(places, x), ram.f(places, x))
    assert not torch.allclose(deep.g(x), ram.g(x))


@pytest.mark.parametrize("context", [0, 4])
def test_the_second_state_is_what_it_costs_more(context):
    """The closed forms' difference, counted by hand: D = 256, 6 looks, 5 of them decide."""
    more = deep_parameter_count(1, context=context) - parameter_count(1)
    assert more == 2 * 256 * 257 + (17 * 256 if context else 0)
    more = deep_multiply_adds(60, 60, 1, context=context) - multiply_adds(60, 60, 1, product=True)
    assert more == 5 * 2 * 256**2 + (16 * (4 + 256) + 512 if context else 0)
