"""Exercises of the chapters on the foundations."""
