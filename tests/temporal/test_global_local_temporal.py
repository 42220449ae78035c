"""What only GLTR promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from attncourse.measure import peak_bytes
from attncourse.temporal import DilatedTemporalPyramid, GlobalLocalTemporal, TemporalSelfAttention
from attncourse.temporal.global_local_temporal import CARD, global_local_temporal_reference
from attncourse.temporal.global_local_temporal.attention import attend, temporal_weights
from attncourse.temporal.global_local_temporal.pyramid import (
    coupled_lags,
    pyramid,
    pyramid_reference,
)
from tests.contract.specimen import Specimen, built, of_torch

ARGUMENTS = {"channels": 3}
COLLAPSED = {"channels": 3, "rates": (1, 2, 4), "keep_input": False}


def randn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


# ---------------------------------------------------------------- promises


def every_frame_spends_one_unit(make):
    """The softmax runs over the keys: rows sum to 1, columns do not."""
    weights = built(make, ARGUMENTS).g(randn(2, 6, 3))
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, 6, dtype=torch.float64))
    assert not torch.allclose(weights.sum(dim=1), torch.ones(2, 6, dtype=torch.float64), atol=0.1)


def starts_as_its_pyramid(make):
    """The last normalisation starts at zero: a fresh block adds nothing, in training and after."""
    module, x = make(**ARGUMENTS).double(), randn(2, 7, 3)
    assert torch.equal(module(x), module.pyramid(x))
    assert torch.equal(module.eval()(x), module.pyramid(x))
    assert 0 < module.pyramid.weight.std() < 0.002


def only_the_normalisation_learns_first(make):
    """Behind a closed gate nothing moves: scale and shift open it in the first step."""
    module = make(**ARGUMENTS).double()
    module(randn(4, 7, 3)).square().mean().backward()
    moved = {n for n, p in module.attention.named_parameters() if p.grad.abs().max() > 0}
    assert moved == {"norm.weight", "norm.bias"}


def attention_does_not_know_the_order(make):
    """Shuffled frames give shuffled outputs and the same mean; the pyramid is another matter."""
    module, u = built(make, ARGUMENTS), randn(2, 8, 12)
    order = torch.tensor([5, 0, 7, 2, 1, 6, 3, 4])
    attention = module.attention
    torch.testing.assert_close(attention(u[:, order]), attention(u)[:, order])
    torch.testing.assert_close(attention(u[:, order]).mean(dim=1), attention(u).mean(dim=1))
    shuffled = attention.g(u[:, order])
    torch.testing.assert_close(shuffled, attention.g(u)[:, order][:, :, order])
    assert not torch.allclose(attention(u), u, atol=0.1), "an idle block would pass as well"
    x = randn(2, 8, 3)
    assert not torch.allclose(module(x[:, order]), module(x)[:, order], atol=0.1)


def equal_frames_are_attended_alike(make):
    """No frame stands out, so every one of n frames gets 1/n."""
    module = built(make, ARGUMENTS)
    u = randn(2, 1, 12).expand(2, 5, 12)
    torch.testing.assert_close(module.attention.g(u), torch.full((2, 5, 5), 0.2).double())


def scores_are_plain_products(make):
    """Log odds of two frames are q . (k - k'), with no square root, divided by the temperature."""
    for temperature in (1.0, 2.5):
        module = built(make, ARGUMENTS, temperature=temperature)
        u = 0.3 * randn(1, 5, 12)
        a = module.attention
        q, k = a.query(u)[0], a.key(u)[0]
        odds = a.g(u)[0].log()
        wanted = (q @ (k - k[:1]).T) / temperature
        torch.testing.assert_close(odds - odds[:, :1], wanted)


def the_bias_of_the_keys_is_idle(make):
    """It adds the same to all scores of a query, and the softmax takes it away."""
    module, x = built(make, ARGUMENTS), randn(2, 6, 3)
    before = module(x)
    with torch.no_grad():
        module.attention.key.bias.add_(randn(6, seed=3))
    torch.testing.assert_close(module(x), before)


def all_but_that_bias_learn(make):
    """Every other weight gets a gradient, once the gate is open."""
    for arguments in SPECIMEN.arguments:
        module = built(make, arguments)
        x = randn(2, 6, arguments["channels"])
        (module(x) * randn(*module(x).shape, seed=4)).sum().backward()
        for name, parameter in module.named_parameters():
            learns = parameter.grad is not None and float(parameter.grad.abs().sum()) > 1e-12
            assert learns != (name == "attention.key.bias"), name


def branches_read_three_frames(make):
    """Output frame t of rate r depends on input frames t - r, t and t + r, and on no other."""
    module = built(make, COLLAPSED)
    jacobian = torch.autograd.functional.jacobian(module.pyramid, randn(1, 11, 3))[0, :, :, 0]
    reach = jacobian.abs().sum(dim=3)  # frame, output channel, frame read
    for n, rate in enumerate((1, 2, 4)):
        seen = reach[:, 3 * n : 3 * n + 3].sum(dim=1) > 0
        lags = torch.arange(11)[None] - torch.arange(11)[:, None]
        assert torch.equal(seen, (lags == 0) | (lags.abs() == rate))


def taps_are_past_present_future(make):
    """Tap 0 as the identity delays by r frames, tap 1 copies, tap 2 looks ahead; zeros around."""
    module, x = built(make, ARGUMENTS), randn(2, 9, 3)
    for tap in range(3):
        with torch.no_grad():
            module.pyramid.weight.zero_()
            module.pyramid.weight[:, :, :, tap] = torch.eye(3)
        u = module.pyramid(x)
        torch.testing.assert_close(u[:, :, :3], x)
        for n, rate in enumerate((1, 2, 3), start=1):
            wanted = F.pad(x, (0, 0, rate, rate)).narrow(1, tap * rate, 9)
            torch.testing.assert_close(u[:, :, 3 * n : 3 * n + 3], wanted)


def the_mean_forgets_what_the_pyramid_saw(make):
    """Away from the ends, the mean of the linear pyramid is a map of the mean frame."""
    module = built(make, ARGUMENTS)
    x = F.pad(randn(2, 6, 3), (0, 0, 3, 3))  # no frame within reach of an end
    summed = module.pyramid.weight.sum(dim=3).flatten(0, 1)
    mean = x.mean(dim=1)
    wanted = torch.cat([mean, mean @ summed.T], dim=1)
    torch.testing.assert_close(module.pyramid(x).mean(dim=1), wanted)


def later_is_the_same_later(make):
    """A clip that is silent at both ends, moved by one frame, gives the same pyramid moved."""
    module = built(make, ARGUMENTS)
    x = F.pad(randn(1, 5, 3), (0, 0, 4, 4))
    u, moved = module.pyramid(x), module.pyramid(x.roll(1, dims=1))
    torch.testing.assert_close(moved[:, 1:], u[:, :-1])


def golden_values(make):
    """Two channels, rates 1 and 2, four frames: numbers of an independent computation."""
    module = make(2, (1, 2), 3).double().eval()
    c, l = torch.arange(2.0).double(), torch.arange(3.0).double()
    t = torch.arange(4.0).double()
    a = module.attention
    with torch.no_grad():
        module.pyramid.weight.copy_(
            torch.cos(c[:, None, None, None] + c[:, None, None] + 2 * c[:, None] + 3 * l) / 2
        )
        for number, layer in enumerate((a.query, a.key, a.value, a.output), start=1):
            rows, columns = (torch.arange(n, dtype=torch.float64) for n in layer.weight.shape)
            layer.weight.copy_(torch.sin(number + rows[:, None] + 0.7 * columns))
            layer.bias.fill_(0.1 * number)
        a.norm.weight.copy_(torch.arange(1.0, 7.0) / 6)
        a.norm.bias.copy_(-a.norm.weight)
    x = torch.sin(t[:, None] + 1 + 0.5 * c)[None]
    y, weights = module(x, need_weights=True)
    wanted = [
        [0.150666, 0.249173, 0.482934, 0.117227], [0.136253, 0.256395, 0.435839, 0.171513],
        [0.070353, 0.232050, 0.564296, 0.133301], [0.304440, 0.232263, 0.183725, 0.279571],
    ]  # fmt: skip
    torch.testing.assert_close(weights[0], torch.tensor(wanted).double(), atol=1e-6, rtol=0)
    clip = torch.tensor([0.154561, -0.231572, -0.282753, -0.282918, -0.300682, -0.426418])
    torch.testing.assert_close(y.mean(dim=1)[0], clip.double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(module(x), y)


# ---------------------------------------------------------------- mutants


class Mutant(GlobalLocalTemporal):
    """GLTR with one half exchanged for a faulty one."""

    attention_class = TemporalSelfAttention
    pyramid_class = DilatedTemporalPyramid

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.attention.__class__ = self.attention_class
        self.pyramid.__class__ = self.pyramid_class


class Explicit(TemporalSelfAttention):
    """Attention without a fast path, whose weights come from ``shares``."""

    def g(self, x):
        return self.shares(self.query(x) @ self.key(x).mT / self.temperature)

    def attend(self, x):
        return self.f(self.g(x), x)


class QueryAxisAttention(Explicit):
    def shares(self, logits):
        return logits.softmax(dim=1)


class QueryAxis(Mutant):
    """A softmax over the queries: columns sum to 1, rows do not."""

    attention_class = QueryAxisAttention


class BatchAxisAttention(Explicit):
    def shares(self, logits):
        return logits.softmax(dim=0)


class BatchAxis(Mutant):
    """A softmax over the clips of the batch (known error C4)."""

    attention_class = BatchAxisAttention


class ScaledAttention(Explicit):
    def shares(self, logits):
        return (logits / math.sqrt(self.query.out_features)).softmax(dim=2)


class Scaled(Mutant):
    """Divided by the square root of the width, which the authors do not do (C43)."""

    attention_class = ScaledAttention


class SigmoidAttention(Explicit):
    def shares(self, logits):
        return logits.sigmoid()


class SigmoidInstead(Mutant):
    """Frames that do not compete."""

    attention_class = SigmoidAttention


class RawAttention(Explicit):
    def shares(self, logits):
        return logits / logits.shape[1]


class NoSoftmax(Mutant):
    """The dot-product form of non-local attention."""

    attention_class = RawAttention


class NotItselfAttention(Explicit):
    def shares(self, logits):
        own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
        return logits.masked_fill(own, -1e9).softmax(dim=2)


class NotItself(Mutant):
    """A frame may not look at itself."""

    attention_class = NotItselfAttention


class CausalAttention(Explicit):
    def shares(self, logits):
        later = torch.ones_like(logits[0], dtype=torch.bool).triu(1)
        return logits.masked_fill(later, -1e9).softmax(dim=2)


class Causal(Mutant):
    """A frame may not look ahead."""

    attention_class = CausalAttention


class SwappedAttention(Explicit):
    def g(self, x):
        return self.shares(self.key(x) @ self.query(x).mT / self.temperature)

    def shares(self, logits):
        return logits.softmax(dim=2)


class Swapped(Mutant):
    """Queries and keys exchanged: the scores are transposed."""

    attention_class = SwappedAttention


class GivingAttention(TemporalSelfAttention):
    def f(self, weights, x):
        return super().f(weights.mT, x)

    def attend(self, x):
        return self.f(self.g(x), x)


class Giving(Mutant):
    """Frames give by their rows in place of taking: the transposed weights are applied."""

    attention_class = GivingAttention


class NoResidualAttention(TemporalSelfAttention):
    def f(self, weights, x):
        return super().f(weights, x) - x

    def attend(self, x):
        return super().attend(x) - x


class NoResidual(Mutant):
    """The frame itself is lost."""

    attention_class = NoResidualAttention


class NoNormAttention(TemporalSelfAttention):
    def _project(self, taken):
        return self.output(taken)


class NoNorm(Mutant):
    """No normalisation: the block does not start as the identity."""

    attention_class = NoNormAttention


class MisreadAttention(TemporalSelfAttention):
    def _project(self, taken):
        mixed = self.output(taken)
        b, t, d = mixed.shape
        return self.norm(mixed.reshape(b, d, t)).reshape(b, t, d)


class Misread(Mutant):
    """A reshape where a transpose is meant: time and channels are mixed up (known error C32)."""

    attention_class = MisreadAttention


class ForgetsTemperatureAttention(TemporalSelfAttention):
    def g(self, x):
        return temporal_weights(self.query(x), self.key(x))

    def attend(self, x):
        return self.f(self.g(x), x)


class ForgetsTemperature(Mutant):
    """An argument that is accepted and dropped (known error C40)."""

    attention_class = ForgetsTemperatureAttention


class DefaultScaleAttention(TemporalSelfAttention):
    def attend(self, x):
        q, k, v = (layer(x)[:, None] for layer in (self.query, self.key, self.value))
        return x + self._project(F.scaled_dot_product_attention(q, k, v)[:, 0])


class DefaultScale(Mutant):
    """A fast path that keeps PyTorch's own scale."""

    attention_class = DefaultScaleAttention


class DetachedAttention(TemporalSelfAttention):
    def g(self, x):
        return super().g(x).detach()

    def attend(self, x):
        return self.f(self.g(x), x)


class Detached(Mutant):
    """Weights that carry no gradient."""

    attention_class = DetachedAttention


class OpenAttention(TemporalSelfAttention):
    def reset_parameters(self):
        for layer in (self.query, self.key, self.value, self.output, self.norm):
            layer.reset_parameters()


class Open(Mutant):
    """The normalisation starts at one: a trained backbone is disturbed at once (C13)."""

    attention_class = OpenAttention

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        torch.nn.init.ones_(self.attention.norm.weight)


class HalfResetAttention(TemporalSelfAttention):
    def reset_parameters(self):
        self.query.reset_parameters()
        self._close()


class HalfReset(Mutant):
    """reset_parameters that forgets three layers (known error C11)."""

    attention_class = HalfResetAttention


class UndilatedPyramid(DilatedTemporalPyramid):
    def forward(self, x):
        return pyramid(x, self.weight, (1,) * len(self.rates), self.keep_input)


class Undilated(Mutant):
    """Every branch with rate 1."""

    pyramid_class = UndilatedPyramid


class FlippedPyramid(DilatedTemporalPyramid):
    def forward(self, x):
        return pyramid(x, self.weight.flip(3), self.rates, self.keep_input)


class Flipped(Mutant):
    """Time runs backwards: a convolution where a cross-correlation is meant."""

    pyramid_class = FlippedPyramid


class TransposedTapsPyramid(DilatedTemporalPyramid):
    def forward(self, x):
        return pyramid(x, self.weight.transpose(1, 2), self.rates, self.keep_input)


class TransposedTaps(Mutant):
    """Input and output channels of every tap exchanged."""

    pyramid_class = TransposedTapsPyramid


class CircularPyramid(DilatedTemporalPyramid):
    def forward(self, x):
        reach = max(self.rates)
        around = torch.cat([x] * (2 * reach + 1), dim=1)
        u = pyramid(around, self.weight, self.rates, self.keep_input)
        return u[:, reach * x.shape[1] : (reach + 1) * x.shape[1]]


class Circular(Mutant):
    """The clip's end is taken for what came before its beginning."""

    pyramid_class = CircularPyramid


class RectifiedPyramid(DilatedTemporalPyramid):
    def forward(self, x):
        u = super().forward(x)
        kept = self.channels * int(self.keep_input)
        return torch.cat([u[:, :, :kept], u[:, :, kept:].relu()], dim=2)


class Rectified(Mutant):
    """A ReLU behind the branches, which the authors do not have."""

    pyramid_class = RectifiedPyramid


class InputLastPyramid(DilatedTemporalPyramid):
    def forward(self, x):
        return super().forward(x).roll(-self.channels * int(self.keep_input), dims=2)


class InputLast(Mutant):
    """The frame itself behind the branches: weights of the authors do not fit."""

    pyramid_class = InputLastPyramid


class BroadPyramid(DilatedTemporalPyramid):
    def reset_parameters(self):
        torch.nn.init.kaiming_uniform_(self.weight)


class BroadStart(Mutant):
    """Taps that start large."""

    pyramid_class = BroadPyramid

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.pyramid.reset_parameters()


class ThroughThePyramidTwice(GlobalLocalTemporal):
    """A fast path that does the local half twice."""

    def attend(self, x):
        return self.f(self.g(x), x)


class InPlace(GlobalLocalTemporal):
    """Writes into the caller's tensor (known error C5)."""

    def attend(self, x):
        y = super().attend(x)
        x.mul_(0.5)
        return y


class Unvalidated(GlobalLocalTemporal):
    """No check of the input."""

    def validate(self, x):
        pass


class ForgetsDevice(GlobalLocalTemporal):
    """device and dtype are accepted and dropped."""

    def __init__(self, channels, rates=(1, 2, 3), reduction=2, *, device=None, dtype=None, **more):
        super().__init__(channels, rates, reduction, **more)


class Noisy(GlobalLocalTemporal):
    """Dropout on the weights that eval mode does not turn off."""

    def g(self, x):
        return F.dropout(super().g(x), 0.1, training=True)

    def attend(self, x):
        return self.f(self.g(x), x)


class NormAsInEvalAttention(TemporalSelfAttention):
    def _project(self, taken):
        training, self.norm.training = self.norm.training, False
        mixed = super()._project(taken)
        self.norm.training = training
        return mixed


class NormAsInEval(Mutant):
    """Normalised by the running statistics, which then never move."""

    attention_class = NormAsInEvalAttention


class LowPrecisionAttention(Explicit):
    def shares(self, logits):
        return logits.softmax(dim=2)


class LowPrecision(Mutant):
    """Logits in whatever type autocast likes: they are rounded, or overflow."""

    attention_class = LowPrecisionAttention


MUTANTS = (
    QueryAxis, BatchAxis, Scaled, SigmoidInstead, NoSoftmax, NotItself, Causal, Swapped, Giving,
    NoResidual, NoNorm, Misread, ForgetsTemperature, DefaultScale, Detached, Open, HalfReset,
    Undilated, Flipped, TransposedTaps, Circular, Rectified, InputLast, BroadStart,
    ThroughThePyramidTwice, InPlace, Unvalidated, ForgetsDevice, Noisy, NormAsInEval,
    LowPrecision,
)  # fmt: skip


def wrong_clips(x):
    """Wrong rank, wrong channels, time and channels exchanged, no frames."""
    return (
        (x[0], "2 axes"),
        (x[None], "4 axes"),
        (torch.cat([x, x], dim=2), "6 channels"),
        (x.mT, "if time comes last"),
        (x[:, :0], "no frames"),
    )


SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 2, "rates": (1, 2, 4), "keep_input": False, "reduction": 3},
        {"channels": 2, "rates": (2,), "temperature": 1.5, "bias": False},
    ),
    reference=lambda m, x: global_local_temporal_reference(x, m.pyramid, m.attention),
    promises=(
        every_frame_spends_one_unit,
        starts_as_its_pyramid,
        only_the_normalisation_learns_first,
        attention_does_not_know_the_order,
        equal_frames_are_attended_alike,
        scores_are_plain_products,
        the_bias_of_the_keys_is_idle,
        all_but_that_bias_learn,
        branches_read_three_frames,
        taps_are_past_present_future,
        the_mean_forgets_what_the_pyramid_saw,
        later_is_the_same_later,
        golden_values,
    ),
    excused={
        "every_parameter_learns": "the bias of the keys adds one number to all scores of a query, "
        "which the softmax takes out: a promise of its own says that all others learn",
    },
    starts=(
        (
            {"channels": 16},
            {
                "pyramid.weight": ("normal", 0.001),
                "attention.output.*": of_torch(32),
                "attention.norm.*": ("constant", 0.0),
                "attention.[!no]*": of_torch(64),
            },
        ),
    ),
    smallest=(
        {"channels": 1, "rates": (1,), "reduction": 2},
        {"channels": 1, "rates": (1,), "reduction": 1, "keep_input": False},
    ),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 128},
        {"channels": 6, "rates": (1, 2, 4), "keep_input": False},
        {"channels": 5, "rates": (3,), "reduction": 4, "bias": False},
        {"channels": 1, "reduction": 1, "temperature": 2.0},
    ),
    refused=(
        ({"channels": 0}, "channels=0"),
        ({"channels": 4, "rates": ()}, "holds no rate"),
        ({"channels": 4, "rates": (1, 1)}, "must be different integers"),
        ({"channels": 4, "rates": (0, 1)}, "must be different integers of at least 1"),
        ({"channels": 4, "reduction": 0}, "reduction=0"),
        ({"channels": 1, "reduction": 5}, "leaves no width for frames of 4 numbers"),
        ({"channels": 4, "temperature": 0.0}, "temperature=0.0"),
    ),
    input_shape=lambda arguments, b, t: (b, t, arguments["channels"]),
    sizes=((2, 5), (1, 4), (3, 1), (1, 2), (2, 9)),
    small=(2, 3),
    wrong=wrong_clips,
    dynamic=(0, 1),
)

# ---------------------------------------------------------------- tests of its own


def test_the_published_size():
    """128 numbers a frame, as in the authors' code: 147,456 in the pyramid, 674,048 in all."""
    with torch.device("meta"):
        block = GlobalLocalTemporal(128)
    halves = [sum(p.numel() for p in h.parameters()) for h in (block.pyramid, block.attention)]
    assert halves == [147_456, 526_592]
    assert CARD.parameters(128) == sum(halves) == 674_048
    d = 512
    assert CARD.parameters(128) == 9 * 128**2 + 2 * d**2 + 9 * d // 2
    assert CARD.macs(16, 128) == 16 * (9 * 128**2 + 2 * d**2) + 16**2 * d


def test_the_one_channel_image_of_the_authors_is_a_conv1d():
    """They write a (3, c) kernel over a one-channel t x c image: it leaves one column."""
    x, weight = randn(2, 9, 4), randn(3, 4, 4, 3, seed=1)
    image = x[:, None]
    columns = [
        F.conv2d(image, taps.mT[:, None], padding=(rate, 0), dilation=(rate, 1))[..., 0].mT
        for taps, rate in zip(weight, (1, 2, 3), strict=True)
    ]
    torch.testing.assert_close(torch.cat([x, *columns], dim=2), pyramid(x, weight, (1, 2, 3)))


@settings(max_examples=30, deadline=None)
@given(
    channels=st.integers(1, 5), frames=st.integers(1, 9), keep=st.booleans(),
    rates=st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True),
)  # fmt: skip
def test_any_rates_and_lengths_work(channels, frames, keep, rates):
    """Clips shorter than the reach of a branch included."""
    x = randn(2, frames, channels)
    weight = randn(len(rates), channels, channels, 3, seed=1)
    u = pyramid(x, weight, rates, keep)
    torch.testing.assert_close(u, pyramid_reference(x, weight, rates, keep))
    y, weights = GlobalLocalTemporal(channels, rates, 1, keep_input=keep).double()(
        x, need_weights=True
    )
    assert y.shape == u.shape == (2, frames, channels * (len(rates) + keep))
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, frames).double())


@settings(max_examples=30, deadline=None)
@given(rates=st.lists(st.integers(1, 7), min_size=1, max_size=4, unique=True))
def test_coupled_lags_are_those_of_pairs_of_taps(rates):
    pairs = {abs(a - b) for r in rates for a in (-r, 0, r) for b in (-r, 0, r)} - {0}
    assert coupled_lags(rates) == tuple(sorted(pairs))


def test_coupled_lags_of_the_two_pyramids():
    assert coupled_lags((1, 2, 3)) == (1, 2, 3, 4, 6)
    assert coupled_lags((1, 2, 4)) == (1, 2, 4, 8)


@pytest.mark.parametrize("backward", [False, True])
def test_the_fast_path_holds_no_square_of_the_length(backward):
    """By the largest sum of live tensors, forward and through a whole training step."""
    frames = 1_500
    square = frames * frames * 4
    block = GlobalLocalTemporal(4).eval()
    x = torch.randn(1, frames, 4, requires_grad=backward)

    def run(need_weights):
        y = block(x, need_weights)
        y = y[0] if need_weights else y
        return torch.autograd.grad(y.square().sum(), x) if backward else y

    assert peak_bytes(lambda: run(False)) < square / 3
    assert peak_bytes(lambda: run(True)) > square


def test_the_fast_path_goes_through_the_pyramid_once():
    block, calls = GlobalLocalTemporal(4), []
    block.pyramid.register_forward_hook(lambda *a: calls.append(1))
    block(torch.randn(1, 5, 4))
    assert len(calls) == 1


def test_the_gradient_of_a_query_compares_keys():
    """Derivation of the chapter: dA_ij / dq_i = A_ij (k_j - sum_m A_im k_m) / temperature."""
    q, k, tau = randn(1, 5, 3), randn(1, 5, 3, seed=1), 1.7
    by_autograd = torch.autograd.functional.jacobian(lambda q: temporal_weights(q, k, tau), q)
    weights = temporal_weights(q, k, tau)[0]
    derived = weights[:, :, None] * (k - (weights @ k[0])[:, None]) / tau
    i = torch.arange(5)
    torch.testing.assert_close(by_autograd[0, i, :, 0, i], derived)
    # A query moves its own row alone.
    assert by_autograd[0, 0, :, 0, 1:].abs().max() == 0


def test_a_weight_answers_to_its_score_by_a_quarter_at_most():
    logits = 3 * randn(40, 6)
    for tau in (0.5, 1.0, 4.0):
        p = (logits / tau).softmax(dim=1)
        jacobian = (torch.diag_embed(p) - p[:, :, None] * p[:, None]) / tau
        assert jacobian.abs().max() <= 1 / (4 * tau) + 1e-12
        assert jacobian.sum(dim=1).abs().max() < 1e-12


def test_a_fresh_block_is_far_from_saturated():
    """PyTorch's default layers and near-zero branches keep the scores small in the beginning."""
    torch.manual_seed(0)
    weights = GlobalLocalTemporal(128).g(torch.randn(16, 16, 128))
    entropy = -(weights * weights.log()).sum(dim=2).mean()
    assert 1.9 < entropy.item() < 2.4 < math.log(16)


def test_huge_scores_stay_finite_in_half_precision():
    q = torch.full((1, 3, 64), 100.0, dtype=torch.float16)
    weights = temporal_weights(q, q)
    assert weights.dtype == torch.float32
    assert torch.isfinite(weights).all()
    torch.testing.assert_close(weights.float().sum(dim=2), torch.ones(1, 3), atol=1e-3, rtol=0)


def test_attend_is_both_in_one():
    q, k, v = (randn(2, 7, 5, seed=n) for n in range(3))
    for tau in (1.0, 2.2):
        torch.testing.assert_close(
            attend(q, k, v, tau), temporal_weights(q, k, tau) @ v, atol=1e-12, rtol=0
        )


def test_one_frame_attends_to_itself():
    y, weights = GlobalLocalTemporal(4).eval()(torch.randn(3, 1, 4), need_weights=True)
    assert torch.equal(weights, torch.ones(3, 1, 1))
    assert y.shape == (3, 1, 16)


def test_the_attention_is_a_block_of_its_own():
    block = TemporalSelfAttention(8, 4, temperature=2.0, bias=False)
    x = torch.randn(2, 5, 8)
    assert torch.equal(block(x), x)
    assert repr(block).startswith(
        "TemporalSelfAttention(\n  8, reduction=4, temperature=2.0, bias=False\n"
    )
    with pytest.raises(ValueError, match="4 axes"):
        block(x[None])
    fresh = DilatedTemporalPyramid(3, (2, 5), keep_input=False)
    assert repr(fresh) == "DilatedTemporalPyramid(3, rates=(2, 5), keep_input=False)"
