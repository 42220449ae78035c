"""Frequency channel attention: SE with a cosine frequency of each channel in place of its mean."""

from attncourse.channel.frequency_channel.cosines import TOP16, index, planes, project, waves
from attncourse.channel.frequency_channel.module import (
    CARD,
    FrequencyChannel,
    frequency_channel_reference,
    multiply_adds,
    parameter_count,
)

__all__ = [
    "CARD",
    "TOP16",
    "FrequencyChannel",
    "frequency_channel_reference",
    "index",
    "multiply_adds",
    "parameter_count",
    "planes",
    "project",
    "waves",
]
