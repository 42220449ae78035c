"""Experiments on EncNet: scenes whose classes look alike."""

from attncourse.experiments.channel.context_encoding.experiment import EXPERIMENTS

__all__ = ["EXPERIMENTS"]
