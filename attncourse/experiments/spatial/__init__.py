"""Experiments of the spatial attentions."""
