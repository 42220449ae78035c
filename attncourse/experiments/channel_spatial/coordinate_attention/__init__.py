"""Rows and columns, three views, one energy: what each can tell."""

from attncourse.experiments.channel_spatial.coordinate_attention.experiment import (
    EXPERIMENTS,
    FILLING,
    ORDER,
)

__all__ = ["EXPERIMENTS", "FILLING", "ORDER"]
