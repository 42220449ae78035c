"""Experiments of the closing chapters."""
