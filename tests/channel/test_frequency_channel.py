"""What only FcaNet promises, and the mistakes that must not go unnoticed."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attncourse.backbones import ResNet50
from attncourse.channel import FrequencyChannel, SqueezeExcitation
from attncourse.channel.frequency_channel import (
    CARD,
    TOP16,
    frequency_channel_reference,
    index,
    planes,
    project,
    waves,
)
from attncourse.experiments import experiments_of, published
from tests.channel.test_squeeze_excitation import golden_input
from tests.contract.specimen import Specimen, built, of_torch

FOUR = ((0, 0), (0, 1), (1, 0), (1, 1))
ARGUMENTS = {"channels": 8, "reduction": 2, "frequencies": FOUR}


def example(seed=0, b=2, c=8, h=8, w=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, c, h, w, dtype=torch.float64, generator=generator)


def basis(size, grid=7):
    """All grid x grid planes for maps of size x size, flattened, (grid**2, size**2)."""
    u, v = (n.flatten() for n in torch.meshgrid(*[torch.arange(grid)] * 2, indexing="ij"))
    return planes(u, v, size, size, torch.zeros(1, dtype=torch.float64)).flatten(1)


def squeezed(module, x):
    """The numbers before the layers, read off the module's own first layer."""
    seen = []
    hook = module.reduce.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    module.g(x)
    hook.remove()
    return seen[0]


# ---------------------------------------------------------------- promises


def golden_values(make):
    """The shared input, a frequency for each of its channels, orthonormal."""
    module = built(make, {"channels": 4, "reduction": 1, "frequencies": FOUR, "orthonormal": True})
    wanted = torch.tensor([2.780337, 0.928454, 1.091647, 0.512461], dtype=torch.float64)
    torch.testing.assert_close(squeezed(module, golden_input())[0], wanted, atol=1e-6, rtol=0)


def the_lowest_is_the_mean(make):
    """With (0, 0) in every group the gates are SE's; orthonormal waves give sqrt(HW) times it."""
    x, lowest = example(), ((0, 0),) * 4
    for orthonormal, factor in ((False, 1.0), (True, math.sqrt(56))):
        arguments = ARGUMENTS | {"frequencies": lowest, "orthonormal": orthonormal}
        module = built(make, arguments)
        torch.testing.assert_close(squeezed(module, x), factor * x.mean(dim=(2, 3)))
        se = SqueezeExcitation(8, 2, bias=False).double()
        with torch.no_grad():
            se.reduce.weight.copy_(factor * module.reduce.weight)
            se.expand.weight.copy_(module.expand.weight)
        torch.testing.assert_close(module(x), se(x))


def flips_change_signs(make):
    """A mirror image turns the sign of odd v, an image upside down that of odd u."""
    module, x = built(make, ARGUMENTS), example()
    z = squeezed(module, x)
    across = torch.tensor([1.0, 1, -1, -1, 1, 1, -1, -1], dtype=torch.float64)
    down = torch.tensor([1.0, 1, 1, 1, -1, -1, -1, -1], dtype=torch.float64)
    torch.testing.assert_close(squeezed(module, x.flip(3)), across * z)
    torch.testing.assert_close(squeezed(module, x.flip(2)), down * z)


def a_constant_shows_in_the_lowest_only(make):
    """A channel without a pattern has no other coefficient."""
    module = built(make, ARGUMENTS)
    flat = torch.arange(1.0, 9.0, dtype=torch.float64)[None, :, None, None].expand(1, 8, 5, 6)
    wanted = torch.tensor([[1.0, 2, 0, 0, 0, 0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(squeezed(module, flat), wanted)


def groups_stand_one_after_the_other(make):
    """Channels 0 and 1 have the first frequency, 2 and 3 the second: a wave tells them apart."""
    module = built(make, ARGUMENTS)
    wave = torch.cos(math.pi * (torch.arange(6, dtype=torch.float64) + 0.5) / 6)
    z = squeezed(module, wave.expand(1, 8, 5, 6))
    wanted = torch.tensor([[0, 0, 1, 1, 0, 0, 0, 0]], dtype=torch.float64) / math.sqrt(2)
    torch.testing.assert_close(z, wanted)


def small_maps_keep_their_waves(make):
    """On maps below 7 x 7 the squeeze is still no mean, and no plane is zero."""
    module = built(make, {"channels": 16, "reduction": 4})
    x = example(c=16, h=4, w=5)
    assert (squeezed(module, x)[:, 1:] - x.mean(dim=(2, 3))[:, 1:]).abs().max() > 0.1
    assert (module.planes(x).flatten(1).norm(dim=1) > 1).all()


def large_maps_scale_the_index(make):
    """On 14 x 14 the pair (0, 1) means two half waves across: the released code's rule."""
    module = built(make, ARGUMENTS)
    wave = math.sqrt(2) * torch.cos(math.pi * 2 * (torch.arange(14.0).double() + 0.5) / 14)
    z = squeezed(module, wave.expand(1, 8, 14, 14))
    torch.testing.assert_close(z[0, 2:4], torch.ones(2).double())
    assert z[0, :2].abs().max() < 1e-12


PROMISES = (
    golden_values, the_lowest_is_the_mean, flips_change_signs, a_constant_shows_in_the_lowest_only,
    groups_stand_one_after_the_other, small_maps_keep_their_waves, large_maps_scale_the_index,
)  # fmt: skip

# ---------------------------------------------------------------- mutants


class Collapsed(FrequencyChannel):
    """Indices times size // 7 on small maps: every filter becomes the mean (known error C29)."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.collapse = True


class Turned(FrequencyChannel):
    """Rows and columns exchanged: v goes down and u across."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.pairs = self.pairs.flip(0)


class Interleaved(FrequencyChannel):
    """Frequencies dealt out channel by channel, not group by group."""

    def squeeze(self, x):
        c, k = x.shape[1], len(self.frequencies)
        order = torch.arange(c, device=x.device).view(k, c // k).T.reshape(-1)
        return project(x[:, order.argsort()], self.planes(x))[:, order]


class WithoutHalf(FrequencyChannel):
    """Cosines at i in place of i + 1/2: they are not orthogonal."""

    def planes(self, x):
        made = []
        for numbers, size in zip(self.pairs, x.shape[2:], strict=True):
            u = index(numbers, size).to(x)
            place = torch.arange(size).to(x)
            wave = torch.cos(math.pi * u[:, None] * place / size)
            made.append(torch.where(u[:, None] > 0, math.sqrt(2) * wave, wave))
        return made[0][:, :, None] * made[1][:, None, :]


class WithoutKappa(FrequencyChannel):
    """The root of two is missing: the waves have a mean square of 1/2."""

    def planes(self, x):
        plain = (self.pairs > 0).sum(dim=0).to(x)[:, None, None]
        return super().planes(x) / 2 ** (plain / 2)


class Summed(FrequencyChannel):
    """A sum in place of the mean: the gates depend on the map's size (known error C13)."""

    def squeeze(self, x):
        return super().squeeze(x) * x.shape[2] * x.shape[3]


class ScaleForgotten(FrequencyChannel):
    """``orthonormal`` is accepted and dropped."""

    def planes(self, x):
        made = super().planes(x)
        return made / math.sqrt(x.shape[2] * x.shape[3]) if self.orthonormal else made


class Magnitude(FrequencyChannel):
    """The size of each coefficient without its sign."""

    def squeeze(self, x):
        return super().squeeze(x).abs()


class Unscaled(FrequencyChannel):
    """The index is used as it is on maps of any size."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.grid = 10_000


class Softmax(FrequencyChannel):
    """Gates that compete: softmax over channels in place of the sigmoid."""

    def g(self, x):
        return self.expand(F.relu(self.reduce(self.squeeze(x)))).softmax(dim=1)


class NoReLU(FrequencyChannel):
    """Two linear layers in a row are one."""

    def g(self, x):
        return torch.sigmoid(self.expand(self.reduce(self.squeeze(x))))


class ReLUBeforeSigmoid(FrequencyChannel):
    """A gate that never falls below one half (known error C15)."""

    def g(self, x):
        return torch.sigmoid(F.relu(self.expand(F.relu(self.reduce(self.squeeze(x))))))


class BatchPooled(FrequencyChannel):
    """A mean over the batch as well (known error C4)."""

    def squeeze(self, x):
        return super().squeeze(x).mean(dim=0, keepdim=True).expand(len(x), -1)


class SinglePrecision(FrequencyChannel):
    """Waves that are made in float32 whatever comes."""

    def planes(self, x):
        return super().planes(x.float()).to(x.dtype)


class Residual(FrequencyChannel):
    """x + s x, which cannot suppress (known error C3)."""

    def f(self, weights, x):
        return x + super().f(weights, x)


class Detached(FrequencyChannel):
    """A squeeze that carries no gradient."""

    def squeeze(self, x):
        return super().squeeze(x).detach()


class ForgetsDevice(FrequencyChannel):
    """device and dtype are accepted and dropped."""

    def __init__(self, channels, *arguments, device=None, dtype=None, **options):
        super().__init__(channels, *arguments, **options)


MUTANTS = (
    Collapsed, Turned, Interleaved, WithoutHalf, WithoutKappa, Summed, ScaleForgotten, Magnitude,
    Unscaled, Softmax, NoReLU, ReLUBeforeSigmoid, BatchPooled, SinglePrecision, Residual, Detached,
    ForgetsDevice,
)  # fmt: skip

SPECIMEN = Specimen(
    card=CARD,
    arguments=(
        ARGUMENTS,
        {"channels": 4, "hidden_channels": 3, "bias": True, "orthonormal": True,
         "frequencies": ((6, 2), (0, 3))},
        {"channels": 4, "hidden_channels": 5, "frequencies": ((1, 2), (0, 1)), "grid": 3,
         "collapse": True},
    ),
    reference=lambda m, x: frequency_channel_reference(
        x, m.frequencies, m.reduce.weight, m.reduce.bias, m.expand.weight, m.expand.bias,
        grid=m.grid, orthonormal=m.orthonormal, collapse=m.collapse,
    ),
    promises=PROMISES,
    starts=(
        ({"channels": 64, "reduction": 4}, {"reduce.*": of_torch(64), "expand.*": of_torch(16)}),
    ),
    smallest=(
        {"channels": 1, "reduction": 1, "frequencies": ((0, 0),)},
        {"channels": 16, "hidden_channels": 1},
        {"channels": 2, "reduction": 1, "frequencies": ((0, 0),), "grid": 1, "size": (1, 1)},
    ),
    mutants={m.__name__: m for m in MUTANTS},
    grid=(
        {"channels": 64},
        {"channels": 64, "reduction": 4, "bias": True},
        {"channels": 12, "hidden_channels": 5, "frequencies": FOUR},
    ),
    refused=(
        ({"channels": 40}, "channels=40 cannot be divided among 16 frequencies"),
        ({"channels": 16, "frequencies": ()}, "among 0 frequencies"),
        ({"channels": 16, "frequencies": ((0, 7),)}, r"\(0, 7\)"),
        ({"channels": 16, "grid": 0}, "grid=0"),
        ({"channels": 16, "size": (0, 7)}, r"size=\(0, 7\)"),
        ({"channels": 8, "frequencies": FOUR}, "leaves no hidden unit"),
    ),
)  # fmt: skip

# ---------------------------------------------------------------- the authors' layer


class TheirLayer(nn.Module):
    """The released layout: a plane for each channel, orthonormal, indices times size // 7."""

    def __init__(self, channels, height, width, reduction=16, pairs=TOP16):
        super().__init__()
        self.height, self.width = height, width
        weight = torch.zeros(channels, height, width, dtype=torch.float64)
        share = channels // len(pairs)
        for group, (u, v) in enumerate(pairs):
            for i in range(height):
                for j in range(width):
                    value = 1.0
                    for number, place, size in ((u, i, height), (v, j, width)):
                        number = number * (size // 7)
                        value *= math.cos(math.pi * number * (place + 0.5) / size) / math.sqrt(size)
                        value *= math.sqrt(2) if number else 1.0
                    weight[group * share : (group + 1) * share, i, j] = value
        self.register_buffer("weight", weight)
        self.layers = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        ).double()

    def forward(self, x):
        seen = x
        if x.shape[2:] != (self.height, self.width):
            seen = F.adaptive_avg_pool2d(x, (self.height, self.width))
        gates = self.layers((seen * self.weight).sum(dim=(2, 3)))
        return x * gates[:, :, None, None]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("side", "map_"), [(7, (7, 7)), (14, (14, 14)), (14, (9, 23)), (4, (4, 4))]
)
def test_with_their_switches_it_is_the_authors_layer(side, map_, training):
    """Forward and every gradient, in float64: also where maps are pooled, or all collapses."""
    options = {"size": (side, side), "orthonormal": True, "collapse": True}
    ours = built(FrequencyChannel, {"channels": 32, **options}).train(training)
    theirs = TheirLayer(32, side, side).train(training)
    with torch.no_grad():
        theirs.layers[0].weight.copy_(ours.reduce.weight)
        theirs.layers[2].weight.copy_(ours.expand.weight)
    found = []
    for layer in (ours, theirs):
        x = example(seed=3, b=3, c=32, h=map_[0], w=map_[1]).requires_grad_()
        y = layer(x)
        y.backward(example(seed=4, b=3, c=32, h=map_[0], w=map_[1]))
        found.append([y.detach(), x.grad, *(p.grad for p in layer.parameters())])
    assert len(found[0]) == len(found[1]) == 4
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


def test_their_layer_is_se_below_seven_rows_and_ours_is_not():
    x = example(c=16, h=6, w=6)
    mean = x.mean(dim=(2, 3))
    collapsed = FrequencyChannel(16, collapse=True).double()
    torch.testing.assert_close(collapsed.squeeze(x), mean)
    assert (FrequencyChannel(16).double().squeeze(x) - mean)[:, 1:].abs().max() > 0.1


def test_what_is_stored_is_far_smaller_than_the_released_layout():
    """The issue asks for a tenth; the index pairs are less than a ten-thousandth."""
    ours, theirs = FrequencyChannel(256), TheirLayer(256, 28, 28)
    stored = sum(b.numel() * b.element_size() for b in ours.buffers())
    released = theirs.weight.float().nbytes
    assert (stored, released) == (256, 802_816)
    made = ours.planes(torch.zeros(1, 256, 28, 28)).nbytes
    assert released / made == 16
    assert not {name for name in ours.state_dict() if "weight" not in name}


# ---------------------------------------------------------------- tests of its own


@pytest.mark.parametrize("size", [7, 8, 9, 14])
def test_the_planes_are_orthogonal(size):
    found = basis(size, grid=min(size, 9))
    gram = found @ found.T / size**2
    torch.testing.assert_close(gram, torch.eye(len(gram)).double(), atol=1e-12, rtol=0)


def test_all_planes_together_keep_the_energy():
    x = example(c=1, h=7, w=7)
    z = x.flatten(1) @ basis(7).T / 7
    torch.testing.assert_close(z.square().sum(), x.square()[0].sum() + x.square()[1].sum())


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_on_larger_maps_the_pattern_is_repeated_and_mirrored(factor):
    """The seven-point wave, every second tile reversed: the same period in pixels."""
    u = torch.arange(7)
    tile = waves(u, 7, torch.zeros(1).double())
    tiles = [tile if n % 2 == 0 else tile.flip(1) for n in range(factor)]
    found = waves(index(u, 7 * factor), 7 * factor, torch.zeros(1).double())
    torch.testing.assert_close(found, torch.cat(tiles, dim=1))


@pytest.mark.parametrize("size", range(1, 15))
def test_no_index_leaves_the_map(size):
    found = index(torch.arange(7), size)
    assert found.max() <= size - 1
    assert found[1:].min() >= min(1, size - 1)
    if size >= 7:
        assert found.tolist() == [u * (size // 7) for u in range(7)]


def test_resnet_50_grows_by_the_published_count():
    with torch.device("meta"):
        gated = ResNet50(FrequencyChannel)
    assert sum(p.numel() for p in gated.parameters()) == 28_071_976


# ---------------------------------------------------------------- the rivals of its experiment


def which_wave(name):
    return experiments_of("channel/frequency_channel")[0].variant(name).build()


def weights_of(name):
    return sum(p.numel() for p in which_wave(name).parameters() if p.requires_grad)


def test_rivals_have_the_parameters_that_the_chapter_says():
    wanted = weights_of("FcaNet")
    for name in ("all at (0, 0)", "published list", "random filters", "step filters"):
        assert weights_of(name) == wanted
    for name in ("CNN", "deep CNN"):
        assert weights_of(name) == pytest.approx(wanted, rel=0.01)
    assert wanted - weights_of("no gate") == CARD.parameters(32, 4, bias=True) == 552
    assert weights_of("learned filters") - wanted == 32 * 64
    assert weights_of("mixed SE") - wanted == 32 * 33


def test_only_networks_with_a_suitable_filter_see_the_cue():
    """Mirror the cue: the mean of a channel stays, its half wave turns its sign."""
    torch.manual_seed(0)
    x = torch.rand(2, 4, 8, 8)
    other = torch.cat([x[:, :2], x[:, 2:].flip(3)], dim=1)
    blind = ("no gate", "all at (0, 0)")
    for name in ("FcaNet", "random filters", "step filters", "learned filters", *blind):
        network = which_wave(name)
        assert torch.allclose(network(x), network(other), atol=1e-6) == (name in blind), name


def test_the_published_list_is_orthogonal_to_the_cue():
    net = which_wave("published list")
    wave = math.sqrt(2) * torch.cos(math.pi * (torch.arange(8) + 0.5) / 8)
    z = net.gate.squeeze(wave.expand(1, 32, 8, 8))[0]
    cues = [c for c in range(32) if c % 8 >= 6]
    assert z[cues].abs().max() < 1e-6
    assert z.max() == pytest.approx(1.0, abs=1e-6), "other channels would see it"


def test_recorded_runs_say_what_the_chapter_says():
    """Blind squeezes, rivals that equal FcaNet, and windows that lose where the cue is faint."""
    recorded = published("channel/frequency_channel")
    found = recorded.compare("which_wave", "FcaNet")
    for name in ("no gate", "all at (0, 0)", "published list"):
        assert found[name].summary.mean < 0.55
        assert found[name].gain.verdict == "clear"
    for name in ("step filters", "learned filters", "mixed SE", "deep CNN", "FcaNet, theirs"):
        assert found[name].gain.verdict == "clearly small"
    assert found["CNN"].gain.verdict == "clear"
    assert found["CNN"].gain.mean == pytest.approx(-0.02, abs=0.005)
    assert max(found["random filters"].scores.values()) < found["CNN"].summary.mean
    details = recorded.compare("variations", "FcaNet")
    assert details["mixed SE, cue only"].summary.mean < 0.55
    assert details["group filters"].gain.verdict == "clearly small"
    small = sorted(details["FcaNet, r = 16"].scores.values())
    assert small[0] < 0.85 < 0.95 < small[1]
    longer = recorded.compare("faint_wave_longer", "FcaNet")
    assert all(longer[n].gain.verdict == "clear" for n in ("CNN", "deep CNN", "mixed SE"))
    assert longer["deep CNN"].gain.mean == pytest.approx(-0.029, abs=0.005)
    faint = recorded.compare("faint_wave", "FcaNet")
    assert faint["learned filters"].gain.verdict == "clearly small"
    assert faint["step filters"].gain.verdict == "no clear effect"
    assert -0.025 < faint["step filters"].gain.mean < -0.015
    for name, lost in (("CNN", -0.093), ("deep CNN", -0.065)):
        assert faint[name].gain.verdict == "clear"
        assert faint[name].gain.mean == pytest.approx(lost, abs=0.005)


def test_all_at_the_lowest_is_the_se_of_the_other_chapter():
    """The same weights give the same network: the name in the figure is no second mechanism."""
    torch.manual_seed(0)
    ours = which_wave("all at (0, 0)")
    theirs = experiments_of("channel/squeeze_excitation")[0].variant("SE").build()
    theirs.load_state_dict(ours.state_dict())
    x = torch.rand(3, 4, 8, 8)
    torch.testing.assert_close(ours(x), theirs(x))
