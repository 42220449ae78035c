"""Spatial attention: *where* to attend.  ``g(x)`` gives weights or places of positions."""
