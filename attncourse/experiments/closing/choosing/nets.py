"""What may stand in the one slot of the one network: sixteen mechanisms, one of them twice, and
their rivals.

A mechanism stands as its module makes it, with a reduction that suits sixteen channels.  The
rivals are what a reader would have without any of them: no block, a wider network, a deeper one,
and layers that are handed an average of the map and decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attncourse.backbones import PixelResNet
from attncourse.branch import SelectiveKernel
from attncourse.channel import (
    EfficientChannel,
    GatedChannelTransformation,
    GatherExcite,
    GlobalSecondOrderPooling,
    SqueezeExcitation,
    StyleRecalibration,
)
from attncourse.channel_spatial import (
    ConvolutionalBlockAttention,
    CoordinateAttention,
    DualAttention,
    SimpleAttention,
)
from attncourse.spatial import CrissCross, DeformableConvolution, GlobalContext, NonLocal
from attncourse.spatial.vision_transformer import MultiHeadAttention

Block = Callable[[int], nn.Module]
WIDTH = 16


class MeanAdded(nn.Module):
    """A linear map of the map's mean, added at every pixel: context without a decision.

    Args:
        channels: of the features.
        lines: add linear maps of the means of the pixel's row and column too.

    Shape:
        - x: (b, channels, h, w)
        - y: (b, channels, h, w)
    """

    def __init__(self, channels: int, *, lines: bool = False) -> None:
        super().__init__()
        self.lines = lines
        self.maps = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(1 + 2 * lines))

    def forward(self, x: Tensor) -> Tensor:
        """``x + W mean(x)``, and the same of rows and columns."""
        axes: tuple[tuple[int, ...], ...] = ((2, 3), (3,), (2,))
        return x + sum(
            layer(x.mean(dim=dim, keepdim=True))
            for layer, dim in zip(self.maps, axes, strict=False)
        )


@dataclass(frozen=True)
class Candidate:
    """A mechanism in the slot.

    Attributes:
        name: short, as figures have it.
        label: of its card in the catalogue.
        block: ``channels -> block``.
    """

    name: str
    label: str
    block: Block


#: Sixteen of the book's drop-in blocks for images, in its order; their relatives are left out.
CANDIDATES = (
    Candidate("SE", "channel/squeeze_excitation", lambda c: SqueezeExcitation(c, 4)),
    Candidate(
        "GSoP", "channel/global_second_order_pooling", lambda c: GlobalSecondOrderPooling(c, 8)
    ),
    Candidate("SRM", "channel/style_recalibration", StyleRecalibration),
    Candidate("GCT", "channel/gated_channel_transformation", GatedChannelTransformation),
    Candidate("ECA", "channel/efficient_channel", lambda c: EfficientChannel(c, 3)),
    Candidate("GE", "channel/gather_excite", lambda c: GatherExcite(c, 4)),
    Candidate("non-local", "spatial/non_local", lambda c: NonLocal(c, 2)),
    Candidate("criss-cross", "spatial/criss_cross", lambda c: CrissCross(c, 4)),
    Candidate("GC", "spatial/global_context", lambda c: GlobalContext(c, 4)),
    Candidate("self-attention", "spatial/vision_transformer", lambda c: MultiHeadAttention(c, 4)),
    Candidate("one head", "spatial/vision_transformer", lambda c: MultiHeadAttention(c, 1)),
    Candidate("DCN", "spatial/deformable_convolution", DeformableConvolution),
    Candidate(
        "SK", "branch/selective_kernel", lambda c: SelectiveKernel(c, 4, groups=4, min_hidden=4)
    ),
    Candidate(
        "CBAM",
        "channel_spatial/convolutional_block_attention",
        lambda c: ConvolutionalBlockAttention(c, 4),
    ),
    Candidate("DANet", "channel_spatial/dual_attention", lambda c: DualAttention(c, 4)),
    Candidate("coordinate", "channel_spatial/coordinate_attention", CoordinateAttention),
    Candidate("SimAM", "channel_spatial/coordinate_attention:simple_attention", SimpleAttention),
)


@dataclass(frozen=True)
class Rival:
    """A network without a mechanism.

    Attributes:
        name: short, as figures have it.
        why: what it has in place of one.
        block: what stands in the slot.
        width: channels.
        depth: residual blocks.
    """

    name: str
    why: str
    block: Block | None = None
    width: int = WIDTH
    depth: int = 1


RIVALS = (
    Rival("plain", "no block"),
    Rival("equal", "18 channels: as many parameters as any block but DCN brings", width=18),
    Rival("wider", "28 channels: more than twice the parameters", width=28),
    Rival("deeper", "five blocks: sees 23 x 23 pixels, which is all of every map", depth=5),
    Rival("mean added", "the map's mean beside each pixel", MeanAdded),
    Rival("lines added", "means of map, row and column", lambda c: MeanAdded(c, lines=True)),
)


def network(
    channels: int, outputs: int, block: Block | None, *, pooled: bool, width: int = WIDTH,
    depth: int = 1,
) -> Callable[[], nn.Module]:  # fmt: skip
    """A factory of the one network, with ``block`` in its slot."""
    return lambda: PixelResNet(
        channels, outputs, width=width, depth=depth, attention=block, pooled=pooled
    )


def opened(block: nn.Module, seed: int = 0) -> nn.Module:
    """The block in float64 and evaluation, with every parameter moved at random.

    A gate that starts at zero hides everything behind it; here none is left shut.  The constant
    that keeps a divisor from zero, which random maps do not need, is taken out: with it a block
    notices a little of what it divides out.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        block = block.double().eval()
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    if isinstance(block, GatedChannelTransformation):
        block.eps = 0.0
    if isinstance(block, SimpleAttention):
        block.ridge = 0.0
    return block
