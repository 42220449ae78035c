"""Spatial and temporal attention: *where and when*.  ``g(x)`` weighs places and frames."""
