"""Exercises of the chapters on branch attention."""
