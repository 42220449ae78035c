"""Modules of timm where timm is installed, also without torchvision.

``import timm`` needs torchvision, which has no CPU build on every system.  A single file of
``timm.layers`` does without: it is loaded beside empty packages of those names, in which one
class that no layer here makes use of is only named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from torch import nn

from benchmarks.case import Case, Form


def layer(file: str, name: str) -> Any:
    """A class of ``timm.layers.<file>``, or None where it cannot be had."""
    if find_spec("timm") is None:
        return None
    before = {key: value for key, value in sys.modules.items() if _is_ours(key)}
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
            for package in ("torchvision", "torchvision.ops", "torchvision.ops.misc"):
                sys.modules[package] = ModuleType(package)
            sys.modules["torchvision.ops.misc"].FrozenBatchNorm2d = nn.Module  # type: ignore[attr-defined]
            return getattr(import_module(f"timm.layers.{file}"), name)
    except ImportError:
        return None
    finally:
        _forget()
        sys.modules.update(before)


def as_fast_as_timm(
    case: Case, theirs: Any, form: Callable[[nn.Module, tuple[int, ...]], Form]
) -> tuple[Case, ...]:
    """The same case beside timm's layer, which is written alike; nothing where there is no timm.

    Args:
        case: ours, at some sizes.
        theirs: what :func:`layer` found.
        form: from our module and the shape of x, theirs with the same weights.
    """
    if theirs is None:
        return ()
    twin = replace(
        case,
        name=f"{case.name} and timm's",
        others={"timm": form},
        exponents={"ours": 1.0, "timm": 1.0},
        floors={"timm": (0.9, None)},
        ceilings={"timm": 1.1},
    )
    return (twin,)


def take_over(theirs: nn.Module, ours: nn.Module) -> None:
    """Give a layer of timm the weights of ours: a linear layer is a 1 x 1 convolution."""
    pairs = zip(theirs.parameters(), ours.parameters(), strict=True)
    for own, given in pairs:
        own.data = given.detach().reshape(own.shape).clone()


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in ("timm", "torchvision")


def _forget() -> None:
    for key in [key for key in sys.modules if _is_ours(key)]:
        del sys.modules[key]
