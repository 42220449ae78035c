"""Experiments of the branch attentions."""
