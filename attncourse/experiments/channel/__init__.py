"""Experiments of the channel attentions."""
