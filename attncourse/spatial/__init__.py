"""Spatial attention: *where* to attend.  ``g(x)`` gives weights or places of positions."""

from attncourse.spatial.recurrent_attention import RecurrentAttention

__all__ = ["RecurrentAttention"]
