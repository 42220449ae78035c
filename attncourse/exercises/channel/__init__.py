"""Exercises of the chapters on channel attention."""
