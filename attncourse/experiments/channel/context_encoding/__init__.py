"""Experiments on EncNet: scenes whose classes look alike, and a row of the statistic ladder."""

from attncourse.experiments.channel.context_encoding.experiment import EXPERIMENTS

__all__ = ["EXPERIMENTS"]
