"""What a notebook recorded when it was last executed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def stamp_of(notebook: Path) -> dict[str, Any] | None:
    """The ``attncourse`` stamp that the command which executed the notebook left in it."""
    try:
        return json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["attncourse"]
    except (OSError, KeyError, TypeError, json.JSONDecodeError):
        return None


def device(stamp: dict[str, Any]) -> str:
    """Where the notebook ran."""
    return re.sub(r"\b1 threads\b", "1 thread", str(stamp.get("device", "")))


def duration(seconds: float) -> str:
    """Seconds as a reader says them."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
