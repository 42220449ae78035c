"""Channel attention: *what* to attend to.  ``g(x)`` gives one weight per channel."""

from attncourse.channel.context_encoding import ContextEncoding, PresenceHead
from attncourse.channel.efficient_channel import EfficientChannel
from attncourse.channel.frequency_channel import FrequencyChannel
from attncourse.channel.gated_channel_transformation import GatedChannelTransformation
from attncourse.channel.gater import GaterNet
from attncourse.channel.gather_excite import GatherExcite
from attncourse.channel.global_second_order_pooling import (
    GlobalSecondOrderPooling,
    SecondOrderPositions,
)
from attncourse.channel.squeeze_excitation import SqueezeExcitation
from attncourse.channel.style_recalibration import StyleRecalibration

__all__ = [
    "ContextEncoding",
    "EfficientChannel",
    "FrequencyChannel",
    "GatedChannelTransformation",
    "GaterNet",
    "GatherExcite",
    "GlobalSecondOrderPooling",
    "PresenceHead",
    "SecondOrderPositions",
    "SqueezeExcitation",
    "StyleRecalibration",
]
