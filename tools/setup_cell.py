"""The setup cell, the same in every chapter: it stands here, and one command writes it everywhere.

    python tools/setup_cell.py          # into every notebook, outputs kept

The cell installs the package where it is missing and asks for the version that the chapters need.
It prints nothing and sets no random state, so that no output becomes stale by a change of it.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from chapter_files import ROOT, chapters, notebook_path, source_hash
from repository import repository

_CELL = """\
#@title Setup (run me first)
import importlib.util, subprocess, sys
from importlib.metadata import version
source = "git+https://github.com/{repository}@main"
if importlib.util.find_spec("attncourse") is None:  # Colab, or a bare machine
    hosts = ["torch", "numpy", "matplotlib", "ipywidgets"]
    hosts = [name for name in hosts if importlib.util.find_spec(name)]
    keep = [f"{{name}}=={{version(name)}}" for name in hosts]  # as they are
    pip = [sys.executable, "-m", "pip", "install", "-q", source, *keep]
    subprocess.run(pip, check=True)

import attncourse
here = attncourse.__version__
if tuple(map(int, here.split(".")[:2])) < ({numbers}):
    raise ImportError(f"this chapter needs attncourse {needs} or newer, "
                      f"here is {{here}}: run  pip install -U {{source}}  "
                      f"and restart the kernel")"""


def source() -> str:
    """The cell's code, for the version and the address in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    numbers = project["version"].split(".")[:2]
    return _CELL.format(
        repository=repository(), needs=".".join(numbers), numbers=", ".join(numbers)
    )


def write(path: Path) -> bool:
    """Put the cell into a notebook and stamp it; say whether anything changed."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    cell = next(c for c in notebook.cells if c.cell_type == "code")
    if cell.source == source():
        return False
    cell.source = source()
    plain = json.loads(nbformat.writes(notebook))
    if "attncourse" in notebook.metadata:
        notebook.metadata["attncourse"]["source_sha256"] = source_hash(plain)
    text = nbformat.writes(notebook, indent=1) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")
    return True


if __name__ == "__main__":
    for name in chapters():
        print(f"{name}: {'written' if write(notebook_path(name)) else 'up to date'}")
