"""The one exception of the data layer."""

from __future__ import annotations


class DataError(RuntimeError):
    """A data set cannot be had.

    The message names the file, says what is wrong with it, and what you can do about it.
    """
