"""Exercises of the chapters on channel and spatial attention."""
