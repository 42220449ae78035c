"""Exercises of the chapters on temporal attention."""
