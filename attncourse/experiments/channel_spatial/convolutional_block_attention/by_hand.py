"""Weights set by hand: what CBAM can do on the other order's task, whatever training finds."""

from __future__ import annotations

import torch
from torch import nn

from attncourse.channel_spatial import ConvolutionalBlockAttention
from attncourse.experiments.channel_spatial.convolutional_block_attention.nets import Believer
from attncourse.tasks.whom_to_believe import SIDE, TOLD

#: A logit that opens a gate, or with a minus shuts it, to 1e-13.
_FAR = 30.0


def _silent(
    channels: int, order: str
) -> tuple[Believer, ConvolutionalBlockAttention, nn.BatchNorm2d]:
    """A net, its block and the norm of (4): a scale of one, and zeros in all other weights."""
    block = ConvolutionalBlockAttention(channels, 1, order=order)
    net = Believer(block).double().eval()
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    assert block.norm is not None
    nn.init.ones_(block.norm.weight)
    return net, block, block.norm


@torch.no_grad()
def smear_channels_first() -> Believer:
    """Right on *smear* with channels first.

    A voice of plus opens A and the voice, and shuts B and the voice's negative; minus does the
    reverse.  At a clean place of the open channel the largest is 1 and the mean 1.5 / 5, at a
    smeared one 1 and 2 / 5, elsewhere the largest is 1/2: the kernel opens the first alone.  So
    what is heard of the voice, always as a plus, says whether the open channel is the clean one.
    """
    net, block, norm = _silent(5, "channels first")
    for unit, sign in enumerate((1.0, -1.0)):
        block.reduce.weight[unit, 3] = sign
        for channel, opens in ((0, 1.0), (1, -1.0), (3, 1.0), (4, -1.0)):
            block.expand.weight[channel, unit] = sign * opens * _FAR
    block.conv.weight[0, :, 3, 3] = torch.tensor([60.0, -100.0])
    norm.bias.fill_(-25.0)
    net.head.weight[1] = 1.0
    net.head.bias[1] = -0.6
    return net


@torch.no_grad()
def negative_positions_first() -> Believer:
    """Right on three quarters of *negative* with positions first, by the padding.

    The largest channel is 1 everywhere.  Weights of -k above, -k to the left and k between them
    leave -k at every place but the upper left corner, which has no such neighbours.  So m opens
    one corner alone, and the mean of A says how full A is and whether the corner is marked in it:
    four levels, and in the two in the middle the corner is told.  There its voice is believed,
    else its negative.
    """
    net, block, norm = _silent(4, "positions first")
    opened = 4.0
    high = torch.sigmoid(torch.tensor(opened, dtype=torch.float64))
    low = 0.1 * high
    drop = opened - torch.logit(low)
    for row, column, sign in ((2, 3, -1), (3, 2, -1), (2, 2, 1)):
        block.conv.weight[0, 0, row, column] = sign * drop
    norm.bias.fill_(opened)
    few, many = TOLD, SIDE**2 - TOLD
    levels = [(n * low + marked * (high - low)) / SIDE**2 for n in (few, many) for marked in (0, 1)]
    # The corner has one mark more than its level counts, or none: n marks in all.
    up, down = (2 * _FAR / (levels[k + 1] - levels[k]) for k in (0, 2))
    slopes = (up, -up, -down, down)
    for unit, (level, slope) in enumerate(zip(levels, slopes, strict=True)):
        block.reduce.weight[unit, 0] = 1.0
        block.reduce.bias[unit] = -level
        block.expand.weight[2, unit], block.expand.weight[3, unit] = slope, -slope
    # Both statistics add this bias; the largest value lies above all levels and adds nothing.
    block.expand.bias[2], block.expand.bias[3] = -_FAR / 2, _FAR / 2
    net.head.weight[1] = 1.0
    return net
