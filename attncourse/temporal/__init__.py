"""Temporal attention: *when* to attend.  ``g(x)`` gives weights of frames."""
