"""Networks that take any block which maps (b, c, h, w) to the same shape.

A network here never names a mechanism: it is handed a factory ``channels -> block``.
"""

from attncourse.backbones.averaged_copies import AveragedCopies
from attncourse.backbones.pixels import PixelResNet
from attncourse.backbones.resnet import ResNet50
from attncourse.backbones.small import SmallResNet
from attncourse.backbones.two_streams import TwoStreams

__all__ = ["AveragedCopies", "PixelResNet", "ResNet50", "SmallResNet", "TwoStreams"]
