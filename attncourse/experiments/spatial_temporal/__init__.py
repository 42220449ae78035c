"""Experiments of the spatial and temporal attentions."""
