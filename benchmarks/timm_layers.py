"""Modules of timm where timm is installed, also without torchvision.

``import timm`` needs torchvision, which has no CPU build on every system.  A single file of
``timm.layers`` often does not: it is loaded beside an empty package of that name.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def layer(file: str, name: str) -> Any:
    """A class of ``timm.layers.<file>``, or None where it cannot be had."""
    if find_spec("timm") is None:
        return None
    before = {key: value for key, value in sys.modules.items() if key.split(".")[0] == "timm"}
    try:
        try:
            return getattr(import_module(f"timm.layers.{file}"), name)
        except ImportError:
            _forget()
            root = find_spec("timm").submodule_search_locations[0]  # type: ignore[union-attr, index]
            for package, folder in (("timm", root), ("timm.layers", f"{root}/layers")):
                empty = ModuleType(package)
                empty.__path__ = [folder]
                sys.modules[package] = empty
            return getattr(import_module(f"timm.layers.{file}"), name)
    except ImportError:
        return None
    finally:
        _forget()
        sys.modules.update(before)


def _forget() -> None:
    for key in [key for key in sys.modules if key.split(".")[0] == "timm"]:
        del sys.modules[key]
