"""What only Squeeze-and-Excitation promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import nn

from attncourse.backbones import ResNet50, TwoStreams
from attncourse.channel import SqueezeExcitation
from attncourse.channel.squeeze_excitation import (
    CARD,
    excite,
    squeeze,
    squeeze_excitation_reference,
)
from attncourse.experiments import experiments_of, published
from attncourse.experiments.controls import Shifted
from tests.contract.specimen import Specimen, built, of_torch

ARGUMENTS = {"channels": 6, "reduction": 2}


def example(seed=0, b=2, c=6, h=4, w=3):
    return torch.randn(
        b, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def golden_input():
    """The facts' shared input: x[c, i, j] = sin(c + 1 + i/2 + j/4), 4 channels of 4 x 4."""
    c, i, j = torch.meshgrid(*[torch.arange(4, dtype=torch.float64)] * 3, indexing="ij")
    return torch.sin(c + 1 + 0.5 * i + 0.25 * j)[None]


# ---------------------------------------------------------------- promises


def ignores_the_order_of_pixels(make):
    """The gates are invariant to a permutation of positions, the output is equivariant."""
    module, x = built(make, ARGUMENTS), example()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    shuffled = x.flatten(2)[:, :, order].view_as(x)
    torch.testing.assert_close(module.g(shuffled), module.g(x))
    torch.testing.assert_close(module(shuffled), module(x).flatten(2)[:, :, order].view_as(x))


def halves_without_an_excitation(make):
    """With the expansion at zero every gate is 1/2; with a large bias it opens fully."""
    module, x = built(make, ARGUMENTS), example()
    with torch.no_grad():
        module.expand.weight.zero_()
        module.expand.bias.zero_()
        torch.testing.assert_close(module(x), x / 2)
        module.expand.bias.fill_(60.0)
        torch.testing.assert_close(module(x), x)


def only_attenuates(make):
    """Gates lie in (0, 1), below and above 1/2 alike; the sign of x is kept; y / x is constant."""
    module, x = built(make, ARGUMENTS), example()
    gates, y = module.g(x), module(x)
    assert ((gates > 0) & (gates < 1)).all()
    assert (gates < 0.5).any()
    assert (y.abs() <= x.abs()).all()
    assert (y * x >= 0).all()
    ratio = (y / x).flatten(2)
    torch.testing.assert_close(ratio, ratio[:, :, :1].expand_as(ratio))


def renamed_channels_are_the_same_channels(make):
    """Permuting channels and the weights' channel axes permutes the output."""
    module, x = built(make, ARGUMENTS), example()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    other = built(make, ARGUMENTS)
    with torch.no_grad():
        other.reduce.weight.copy_(module.reduce.weight[:, order])
        other.expand.weight.copy_(module.expand.weight[order])
        other.expand.bias.copy_(module.expand.bias[order])
    torch.testing.assert_close(other(x[:, order]), module(x)[:, order])


def logits_have_low_rank(make):
    """Over many images the logits span no more than c // r dimensions around one point."""
    module = built(make, ARGUMENTS)
    gates = module.g(example(b=64))
    logits = torch.logit(gates)
    assert torch.linalg.matrix_rank(logits - logits.mean(dim=0), atol=1e-9) <= 3


def golden_values(make):
    """Four channels, two hidden units, no bias: the facts sheet's numbers."""
    module = make(4, 2, bias=False).double()
    c, a = torch.arange(4.0), torch.arange(2.0)
    with torch.no_grad():
        module.reduce.weight.copy_((a[:, None] + 1) * (-1) ** c[None] / 4)
        module.expand.weight.copy_((c[:, None] + 1) * (-1) ** a[None] / 4)
    gates = module.g(golden_input())[0]
    wanted = torch.tensor([0.488284, 0.476582, 0.464905, 0.453266], dtype=torch.float64)
    torch.testing.assert_close(gates, wanted, atol=1e-6, rtol=0)


# ---------------------------------------------------------------- mutants


class Softmax(SqueezeExcitation):
    """Gates that compete: softmax over channels in place of the sigmoid."""

    def g(self, x):
        return self.expand(F.relu(self.reduce(squeeze(x)))).softmax(dim=1)


class NoSigmoid(SqueezeExcitation):
    """The logits themselves as gates (known error C12)."""

    def g(self, x):
        return self.expand(F.relu(self.reduce(squeeze(x))))


class NoReLU(SqueezeExcitation):
    """Two linear layers in a row are one."""

    def g(self, x):
        return torch.sigmoid(self.expand(self.reduce(squeeze(x))))


class ReLUBeforeSigmoid(SqueezeExcitation):
    """A gate that never falls below one half (known error C15)."""

    def g(self, x):
        return torch.sigmoid(F.relu(self.expand(F.relu(self.reduce(squeeze(x))))))


class NoBias(SqueezeExcitation):
    """Biases that are learned but never used."""

    def g(self, x):
        return excite(squeeze(x), self.reduce.weight, None, self.expand.weight, None)


class Summed(SqueezeExcitation):
    """A sum in place of the mean: the gate depends on the map's size (known error C13)."""

    def g(self, x):
        return super().g(x * x.shape[2] * x.shape[3])


class MaxPooled(SqueezeExcitation):
    """The largest value in place of the mean."""

    def g(self, x):
        return super().g(x.amax(dim=(2, 3), keepdim=True))


class BatchPooled(SqueezeExcitation):
    """A mean over the batch as well (known error C4)."""

    def g(self, x):
        return super().g(x.mean(dim=0, keepdim=True).expand_as(x))


class RowPooled(SqueezeExcitation):
    """A mean over rows only, then the first column."""

    def g(self, x):
        return super().g(x[..., :1])


class Residual(SqueezeExcitation):
    """x + s x, which cannot suppress (known error C3)."""

    def f(self, weights, x):
        return x + super().f(weights, x)


class Transposed(SqueezeExcitation):
    """Gates in the reverse order of channels."""

    def f(self, weights, x):
        return super().f(weights.flip(1), x)


class InPlace(SqueezeExcitation):
    """Writes into the caller's tensor (known error C5)."""

    def f(self, weights, x):
        return x.mul_(weights[:, :, None, None])


class Detached(SqueezeExcitation):
    """Gates that carry no gradient."""

    def g(self, x):
        return super().g(x).detach()


class SinglePrecision(SqueezeExcitation):
    """Gates that are rounded to float32."""

    def g(self, x):
        return super().g(x).float().to(x.dtype)


class ForgetsChannelsLast(SqueezeExcitation):
    """Copies into the default memory format."""

    def f(self, weights, x):
        return super().f(weights, x).contiguous()


class RoundedWidth(SqueezeExcitation):
    """A hidden width rounded up to a multiple of eight, as one library has it (C41)."""

    def __init__(self, channels, reduction=16, *, hidden_channels=None, **options):
        width = hidden_channels or max(8, channels // reduction // 8 * 8)
        super().__init__(channels, hidden_channels=width, **options)


class Unregistered(SqueezeExcitation):
    """A layer kept in a plain list, which nothing trains or saves (known error C5)."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.layers = [self.reduce]
        self.kept = self.layers
        del self.reduce

    @property
    def reduce_layer(self):
        return self.layers[0]

    def reset_parameters(self):
        self.reduce_layer.reset_parameters()
        self.expand.reset_parameters()

    def g(self, x):
        return torch.sigmoid(self.expand(F.relu(self.reduce_layer.to(x.dtype)(squeeze(x)))))


class Unvalidated(SqueezeExcitation):
    """No check of the input."""

    def validate(self, x):
        pass


class WeightsChangeTheOutput(SqueezeExcitation):
    """Another result when the weights are asked for."""

    def forward(self, x, need_weights=False):
        out = super().forward(x, need_weights)
        return (out[0] * 1.001, out[1]) if need_weights else out


class ForgetsDevice(SqueezeExcitation):
    """device and dtype are accepted and dropped."""

    def __init__(self, channels, reduction=16, *, device=None, dtype=None, **options):
        super().__init__(channels, reduction, **options)


class Noisy(SqueezeExcitation):
    """Dropout on the gates that eval mode does not turn off."""

    def g(self, x):
        return F.dropout(super().g(x), 0.1, training=True)


class HalfReset(SqueezeExcitation):
    """reset_parameters that forgets a layer (known error C11)."""

    def reset_parameters(self):
        self.reduce.reset_parameters()


class AroundTheLayers(SqueezeExcitation):
    """Multiplies by the weights of its layers and never calls them."""

    def g(self, x):
        one, two = self.reduce, self.expand
        return excite(x.mean(dim=(2, 3)), one.weight, one.bias, two.weight, two.bias)


MUTANTS = (
    Softmax, NoSigmoid, NoReLU, ReLUBeforeSigmoid, NoBias, Summed, MaxPooled, BatchPooled,
    RowPooled, Residual, Transposed, InPlace, Detached, SinglePrecision, ForgetsChannelsLast,
    RoundedWidth, Unregistered, Unvalidated, WeightsChangeTheOutput, ForgetsDevice, Noisy,
    HalfReset, AroundTheLayers,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 5, "reduction": 2, "bias": False},
        {"channels": 4, "hidden_channels": 7},
    ),
    reference=lambda m, x: squeeze_excitation_reference(
        x, m.reduce.weight, m.reduce.bias, m.expand.weight, m.expand.bias
    ),
    promises=(
        ignores_the_order_of_pixels,
        halves_without_an_excitation,
        only_attenuates,
        renamed_channels_are_the_same_channels,
        logits_have_low_rank,
        golden_values,
    ),
    starts=(
        ({"channels": 64, "reduction": 4}, {"reduce.*": of_torch(64), "expand.*": of_torch(16)}),
    ),
    smallest=({"channels": 1, "reduction": 1}, {"channels": 1, "hidden_channels": 1}),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 64, "reduction": 4},
        {"channels": 100, "reduction": 16},
        {"channels": 17, "reduction": 3, "bias": False},
        {"channels": 8, "hidden_channels": 4},
    ),
    refused=(
        ({"channels": 8}, "reduction=16 leaves no hidden unit for channels=8"),
        ({"channels": 0}, "channels=0"),
        ({"channels": 8, "reduction": 0}, "reduction=0"),
        ({"channels": 8, "hidden_channels": 0}, "hidden_channels=0"),
    ),
)

# ---------------------------------------------------------------- tests of its own


def test_squeeze_is_the_mean_of_the_golden_input():
    wanted = torch.tensor([0.695084, 0.013563, -0.680428, -0.748837], dtype=torch.float64)
    torch.testing.assert_close(squeeze(golden_input())[0], wanted, atol=1e-6, rtol=0)


def test_resnet_50_grows_by_the_published_count():
    """Counted from the package's own network: 2,514,944 weights and 16,048 biases."""
    with torch.device("meta"):
        plain, gated = ResNet50(), ResNet50(SqueezeExcitation)
    blocks = [m for m in gated.modules() if isinstance(m, SqueezeExcitation)]
    weights = sum(m.reduce.weight.numel() + m.expand.weight.numel() for m in blocks)
    biases = sum(m.reduce.bias.numel() + m.expand.bias.numel() for m in blocks)
    assert (len(blocks), weights, biases) == (16, 2_514_944, 16_048)
    assert sum(p.numel() for p in plain.parameters()) == 25_557_032
    assert sum(p.numel() for p in gated.parameters()) == 28_088_024
    last = sum(m.reduce.weight.numel() + m.expand.weight.numel() for m in blocks[-3:])
    assert last / weights == pytest.approx(0.6254, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 40), reduction=st.integers(1, 40),
    b=st.integers(1, 3), h=st.integers(1, 5), w=st.integers(1, 5),
)  # fmt: skip
def test_any_width_works_or_says_why(channels, reduction, b, h, w):
    if reduction > channels:
        with pytest.raises(ValueError, match="leaves no hidden unit"):
            SqueezeExcitation(channels, reduction)
        return
    x = torch.randn(b, channels, h, w)
    y, gates = SqueezeExcitation(channels, reduction)(x, need_weights=True)
    assert y.shape == x.shape
    assert gates.shape == (b, channels)


def test_backward_has_a_local_and_a_global_term():
    """Facts sheet, derivation 1: the formula of the chapter against autograd."""
    module, x = built(SqueezeExcitation, ARGUMENTS), example().requires_grad_()
    y = module(x)
    upstream = example(seed=5)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    with torch.no_grad():
        z, s = squeeze(x), module.g(x)
        open_units = (module.reduce(z) > 0).double()
        to_gates = (upstream * x).sum(dim=(2, 3))
        back = ((to_gates * s * (1 - s)) @ module.expand.weight * open_units) @ module.reduce.weight
        local = s[:, :, None, None] * upstream
        spread = back[:, :, None, None] / (x.shape[2] * x.shape[3])
    torch.testing.assert_close(gradient, local + spread.expand_as(x))


def test_shapes_in_signatures_are_enforced_here():
    """The import hook is on: a wrong shape inside the functional core is an error in tests."""
    from jaxtyping import TypeCheckError

    with pytest.raises(TypeCheckError):
        squeeze(torch.zeros(2, 3, 4))


def test_it_is_a_module_like_any_other():
    net = nn.Sequential(nn.Conv2d(3, 32, 3), SqueezeExcitation(32), nn.ReLU())
    assert net(torch.randn(2, 3, 8, 8)).shape == (2, 32, 6, 6)
    assert repr(SqueezeExcitation(32, 4)).startswith("SqueezeExcitation(\n  32, reduction=4\n")


# ---------------------------------------------------------------- the rivals of its experiment


def which_stream(name):
    return experiments_of("channel/squeeze_excitation")[0].variant(name).build()


def weights_of(name):
    return sum(p.numel() for p in which_stream(name).parameters())


def test_a_shift_followed_by_a_relu_opens_and_shuts_channels():
    """On features that are not negative: 0 leaves a channel alone, minus its maximum silences."""
    module, x = Shifted(built(SqueezeExcitation, ARGUMENTS), rectify=True), example().abs()
    with torch.no_grad():
        module.attention.expand.weight.zero_()
        module.attention.expand.bias.copy_(torch.tensor([0.0, -9.0] * 3))
        y = module(x)
    assert x.max() < 9
    torch.testing.assert_close(y[:, ::2], x[:, ::2])
    assert (y[:, 1::2] == 0).all()


def test_the_shift_is_the_logit_of_the_gate():
    attention, x = built(SqueezeExcitation, ARGUMENTS), example()
    shifted = Shifted(attention, rectify=False)
    torch.testing.assert_close(shifted.shift(x).sigmoid(), attention.g(x))
    torch.testing.assert_close(shifted(x), x + torch.logit(attention.g(x))[:, :, None, None])


def test_rivals_have_the_parameters_of_the_mechanism():
    wanted = weights_of("SE")
    for name in ("SE, added", "shift", "shift, ReLU"):
        assert weights_of(name) == wanted
    for name in ("CNN", "deep CNN"):
        assert weights_of(name) == pytest.approx(wanted, rel=0.01)
    gates = TwoStreams.channels
    assert weights_of("static gate") - weights_of("no gate") == gates
    assert wanted - weights_of("no gate") == CARD.parameters(gates, 4) == 552


def test_no_gate_cuts_the_cue_off_and_the_cnn_sees_it():
    x = torch.rand(2, 4, 8, 8)
    other = torch.cat([x[:, :2], torch.rand(2, 2, 8, 8)], dim=1)
    for name, differs in (("no gate", False), ("static gate", False), ("CNN", True), ("SE", True)):
        network = which_stream(name)
        assert torch.allclose(network(x), network(other)) != differs, name


def test_a_shift_by_the_cue_alone_keeps_cue_and_digits_apart():
    """Its scores are a part from the digits and a part from the cue; no other network's are."""
    variants = experiments_of("channel/squeeze_excitation")[3].variants
    torch.manual_seed(0)
    nets = {v.name: v.build().double() for v in variants}
    digits, cues = 8 * torch.rand(2, 2, 8, 8).double(), 3 * torch.randn(8, 2, 8, 8).double()
    digits[1] /= 20

    def joint(net):
        """How far the effect of exchanging the cue depends on the digits, for eight cues."""
        pairs = [torch.cat([pair.expand(8, 2, 8, 8), cues], dim=1) for pair in digits]
        scores = torch.stack([net(pair) for pair in pairs])
        effect = scores - scores[:, :1]
        return (effect[0] - effect[1]).abs().max().item()

    assert {name for name, net in nets.items() if joint(net) < 1e-12} == {"shift, cue alone"}
    wanted = weights_of("SE")
    sizes = {name: sum(p.numel() for p in net.parameters()) for name, net in nets.items()}
    wide = {name: 83_648 for name in nets if name.endswith("wide layers")}
    assert {name: size - wanted for name, size in sizes.items() if size != wanted} == {
        "shift, two layers": 110, **wide
    }  # fmt: skip


def test_recorded_sums_say_what_the_chapter_says():
    """What a linear readout and one of two layers make of sums after 1,600 steps."""
    found = published("channel/squeeze_excitation").compare("two_layers", "SE")

    def between(name, low, high):
        scores = published("channel/squeeze_excitation").values("two_layers", name).values()
        return low <= min(scores) and max(scores) <= high

    assert between("shift, cue alone", 0.53, 0.56)
    assert between("shift", 0.59, 0.875)
    assert between("SE, added", 0.54, 0.81)
    assert found["shift"].gain.verdict == "clear"
    assert found["shift, cue alone, two wide layers"].gain.verdict == "clearly small"
    for name in ("shift, cue alone, two wide layers", "shift, two wide layers"):
        assert between(name, 0.96, 0.98)
    assert between("shift, two layers", 0.61, 0.91)
    unsettled = ("shift, two layers", "shift, two wide layers", "SE, added, two wide layers")
    for name in unsettled:
        assert found[name].gain.verdict == "no clear effect"


def test_recorded_runs_say_what_the_chapter_says():
    """Four networks at the level without the cue, two that equal SE, one two points below."""
    found = published("channel/squeeze_excitation").compare("which_stream", "SE")
    for name in ("no gate", "static gate", "SE, added", "shift"):
        assert found[name].summary.mean < 0.55
        assert found[name].gain.verdict == "clear"
    for name in ("shift, ReLU", "deep CNN"):
        assert found[name].gain.verdict == "clearly small"
    assert found["CNN"].gain.verdict == "clear"
    assert found["CNN"].gain.mean == pytest.approx(-0.02, abs=0.005)
    assert found["SE, paper's"].summary.count.startswith("4 of 5 seeds")


def test_where_nothing_was_arranged_no_effect_is_clear():
    """Half a point is what matters; on the garments the interval of SE alone reaches beyond."""
    recorded = published("channel/squeeze_excitation")
    garments = recorded.compare("fashion_mnist", "plain")
    assert garments["SE"].gain.verdict == "no clear effect"
    assert -0.0075 < garments["SE"].gain.low < -0.006
    assert 0.003 < garments["SE"].gain.high < 0.004
    for name in ("wider", "static gate"):
        assert garments[name].gain.verdict == "clearly small"
    for name in ("wider", "static gate", "SE"):
        assert recorded.compare("digits", "plain")[name].gain.verdict == "no clear effect"
