"""What a bug report needs to know about a machine, and what is wrong with it."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "attncourse", "torch", "numpy", "matplotlib", "ipywidgets", "accelerate", "scikit-learn",
    "scikit-image", "safetensors", "pooch", "jupyterlab", "jupyter-book",
)  # fmt: skip
_OPTIONAL = {"jupyterlab", "jupyter-book"}


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``remedy`` is set if something is wrong."""

    name: str
    value: str
    remedy: str = ""


def examine() -> tuple[str, bool]:
    """The report, and whether nothing is wrong."""
    findings = list(_findings())
    width = max(len(f.name) for f in findings)
    lines = [
        f"{'!' if f.remedy else ' '} {f.name:{width}}  {f.value}"
        + (f"\n  {'':{width}}  -> {f.remedy}" if f.remedy else "")
        for f in findings
    ]
    healthy = not any(f.remedy for f in findings)
    lines.append("\nNothing is wrong." if healthy else "\nLines with ! need attention.")
    return "\n".join(lines), healthy


def _findings() -> Iterator[Finding]:
    yield Finding("system", f"{platform.system()} {platform.release()} {platform.machine()}")
    yield Finding("Python", platform.python_version())
    for package in _PACKAGES:
        try:
            yield Finding(package, version(package))
        except PackageNotFoundError:
            if package in _OPTIONAL:
                yield Finding(package, "not installed (only needed to work on the book)")
            else:
                yield Finding(package, "missing", f"pip install {package}")
    yield _device()
    yield Finding("processor threads", str(os.cpu_count()))
    yield _data_folder()
    yield _progress_folder()


def _device() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("device", f"torch does not load ({error})", "pip install torch")
    if torch.cuda.is_available():
        bf16 = "with" if torch.cuda.is_bf16_supported() else "without"
        return Finding("device", f"{torch.cuda.get_device_name()} ({bf16} bfloat16)")
    return Finding("device", "CPU (no GPU found: every chapter runs all the same)")


def _data_folder() -> Finding:
    folder = os.environ.get("ATTNCOURSE_DATA")
    if not folder:
        return Finding("ATTNCOURSE_DATA", "not set (data are downloaded when asked for)")
    if not Path(folder).is_dir():
        return Finding("ATTNCOURSE_DATA", folder, "no such folder: correct or unset the variable")
    return Finding("ATTNCOURSE_DATA", folder)


def _progress_folder() -> Finding:
    from attncourse.exercises.store import ProgressFile

    try:
        return _writable("progress folder", ProgressFile().path.parent)
    except OSError as error:
        return Finding("progress folder", str(error), "set ATTNCOURSE_HOME to a folder of yours")


def _writable(name: str, folder: Path) -> Finding:
    """Whether a file can be made in ``folder`` or in its nearest existing parent."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return Finding(name, str(folder))
    except OSError as error:
        return Finding(
            name,
            f"{folder} ({error.strerror})",
            "progress is not kept: set ATTNCOURSE_HOME to a folder you may write to",
        )
