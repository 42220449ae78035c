"""Exercises of the chapters on spatial attention."""
