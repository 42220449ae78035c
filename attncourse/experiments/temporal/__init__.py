"""Experiments of the temporal attentions."""
