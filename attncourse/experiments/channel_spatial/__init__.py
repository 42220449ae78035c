"""Experiments of the channel and spatial attentions."""
