"""Gather-Excite: one gate for each cell of each channel, judged from a wider neighbourhood."""

from attncourse.channel.gather_excite.functional import excite, gather_mean, spread
from attncourse.channel.gather_excite.module import CARD, GatherExcite
from attncourse.channel.gather_excite.reference import gather_excite_reference

__all__ = ["CARD", "GatherExcite", "excite", "gather_excite_reference", "gather_mean", "spread"]
