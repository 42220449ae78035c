"""Self-contained pieces of HTML that follow the page's light or dark theme.

A fragment brings its own style and asks no other host for anything, so that it looks the same
in the published page, in JupyterLab, in Colab and in a saved file.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from html import escape
from importlib.resources import files

import numpy as np

__all__ = ["Fragment", "checked_id", "data_uri", "encode", "escape", "unsigned_zero"]


class Fragment:
    """HTML with a plain-text equivalent, for a notebook's output.

    Attributes:
        html: the fragment without its style.
        text: what a reader gets where HTML does not show.
    """

    def __init__(self, html: str, text: str) -> None:
        self.html, self.text = html, text

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {
            "text/html": f"<style>{_asset('fragment.css')}</style>{self.html}",
            "text/plain": self.text,
        }


@cache
def _asset(name: str) -> str:
    """Text of a file that stands beside this module, without indentation and comments."""
    text = files("attncourse.views").joinpath(name).read_text(encoding="utf-8")
    return re.sub(r"(?:(?<=\s)|^)//.*|(?<=\n)\s+", "", text).strip()


def checked_id(identifier: str) -> str:
    """``identifier`` if it can stand in HTML and in a file name.

    Raises:
        ValueError: otherwise.  Identifiers are given by the author, so that outputs repeat.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{2,40}", identifier):
        raise ValueError(
            f"id={identifier!r} must be 3 to 41 small letters, digits and hyphens, "
            f"starting with a letter, such as 'se-gates'"
        )
    return identifier


def unsigned_zero(shown: str) -> str:
    """A number as text, with ``0.0`` in place of ``-0.0`` and ``+0.0``."""
    return shown.lstrip("+-−") if not shown.strip("+-−0.% ") else shown


def encode(array: np.ndarray) -> str:
    """Little-endian bytes of ``array`` in base64, for the explorer's script.

    Float32, but for arrays that are uint8 or float16 themselves.
    """
    kinds = {np.dtype(np.uint8): "u1", np.dtype(np.float16): "<f2"}
    kind = np.dtype(kinds.get(array.dtype, "<f4"))
    return base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode("ascii")


def data_uri(png: bytes) -> str:
    """A PNG as an address that needs no file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
