"""The networks that take any block."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attncourse.backbones import AveragedCopies, PixelResNet, ResNet50, SmallResNet, TwoStreams
from attncourse.measure import count_macs


class Spy(nn.Module):
    """Passes its input on and notes how many channels it was built for and given."""

    def __init__(self, channels):
        super().__init__()
        self.channels, self.seen = channels, None

    def forward(self, x):
        self.seen = x.shape
        return x


def test_resnet_50_has_the_published_size_and_cost():
    with torch.device("meta"):
        assert sum(p.numel() for p in ResNet50().parameters()) == 25_557_032
    net = ResNet50().eval()
    assert count_macs(net, torch.randn(1, 3, 224, 224)) == 4_089_284_608


def test_resnet_blocks_stand_after_the_last_normalisation():
    net = ResNet50(Spy, classes=10).eval()
    assert net(torch.randn(2, 3, 64, 64)).shape == (2, 10)
    spies = [m for m in net.modules() if isinstance(m, Spy)]
    assert [s.channels for s in spies] == [256] * 3 + [512] * 4 + [1024] * 6 + [2048] * 3
    assert [tuple(s.seen[1:]) for s in spies[::5]] == [
        (256, 16, 16),
        (512, 8, 8),
        (1024, 4, 4),
        (2048, 2, 2),
    ]


def test_the_shortcut_is_not_gated():
    class Shut(nn.Module):
        def __init__(self, channels):
            super().__init__()

        def forward(self, x):
            return 0 * x

    block = ResNet50(Shut).eval().stages[0][1]
    x = torch.rand(1, 256, 4, 4)
    torch.testing.assert_close(block(x), x)


@pytest.mark.parametrize("side", [8, 28])
def test_small_resnet(side):
    net = SmallResNet(in_channels=3, classes=7, widths=(4, 6), attention=Spy)
    assert net(torch.randn(2, 3, side, side)).shape == (2, 7)
    spies = [m for m in net.modules() if isinstance(m, Spy)]
    assert [s.channels for s in spies] == [4, 6]


def test_two_streams_meet_in_the_gate_only():
    """Without a gate, no gradient flows from the answer to the cue, nor from one digit's maps
    to the other digit."""
    net = TwoStreams(lambda channels: nn.Identity())
    x = torch.randn(2, 4, 8, 8, requires_grad=True)
    net(x).sum().backward()
    assert x.grad[:, :2].abs().sum() > 0
    assert x.grad[:, 2:].abs().sum() == 0
    features = net.features(torch.randn(2, 4, 8, 8))
    assert features.shape == (2, TwoStreams.channels, 8, 8)


def test_the_cue_stands_in_every_group_beside_the_content():
    net = TwoStreams(Spy)
    x = torch.randn(1, 4, 8, 8)
    groups = net.features(x).unflatten(1, (4, 8))
    for group in range(4):
        torch.testing.assert_close(groups[:, group, 6:], x[:, 2:])
    torch.testing.assert_close(groups[:, :2, :6].flatten(1, 2), net.stream_a(x[:, :1]))
    torch.testing.assert_close(groups[:, 2:, :6].flatten(1, 2), net.stream_b(x[:, 1:2]))
    assert net.gate.channels == 32


def test_copies_are_gated_then_averaged_and_meet_nowhere_else():
    """Two examples with one average get one answer, whatever their copies are."""
    net = AveragedCopies(Spy, copies=4).eval()
    x = torch.randn(3, 4, 8, 8)
    torch.testing.assert_close(net.average(x), x.mean(dim=1))
    torch.testing.assert_close(net(x), net(x.mean(dim=1, keepdim=True).expand_as(x)))
    assert (net.gate.channels, net.gate.seen) == (4, x.shape)
    assert net(x).shape == (3, 10)
    torch.testing.assert_close(net(x), net(7 * x), atol=1e-3, rtol=1e-3)


def test_the_pixel_network_answers_at_every_pixel_or_once():
    net = PixelResNet(3, 5, width=8, depth=2, attention=Spy).eval()
    x = torch.randn(2, 3, 6, 7)
    assert net(x).shape == (2, 5, 6, 7)
    assert [m.seen for m in net.modules() if isinstance(m, Spy)] == [(2, 8, 6, 7)] * 2
    pooled = PixelResNet(3, 5, width=8, depth=2, attention=Spy, pooled=True).eval()
    pooled.load_state_dict(net.state_dict())
    torch.testing.assert_close(pooled(x), net(x).mean(dim=(2, 3)))
