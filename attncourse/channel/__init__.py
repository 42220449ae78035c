"""Channel attention: *what* to attend to.  ``g(x)`` gives one weight per channel."""

from attncourse.channel.frequency_channel import FrequencyChannel
from attncourse.channel.squeeze_excitation import SqueezeExcitation
from attncourse.channel.style_recalibration import StyleRecalibration

__all__ = ["FrequencyChannel", "SqueezeExcitation", "StyleRecalibration"]
