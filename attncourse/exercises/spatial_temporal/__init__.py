"""Exercises of the chapters on spatial and temporal attention."""
