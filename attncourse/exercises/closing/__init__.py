"""Exercises of the closing chapters."""
