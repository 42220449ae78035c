"""The chapters as plain data: which there are, what their cells hold.

Needs neither torch nor a kernel.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from course import named
from repository import normalise_address

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"

Notebook = dict[str, Any]


def chapters() -> list[str]:
    """Every notebook of the table of contents, as ``category/mechanism``."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in entries(part)]
    return [f.removeprefix("book/") for f in files if (ROOT / f"{f}.ipynb").exists()]


def entries(part: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of a part of the table of contents, and those below them."""
    found = []
    for entry in part.get("chapters", []) + part.get("sections", []):
        found += [entry, *entries(entry)]
    return found


def notebook_path(name: str) -> Path:
    """Where a chapter's notebook lies.

    Raises:
        FileNotFoundError: if it is not there; the message lists what is.
    """
    path = BOOK / f"{name}.ipynb"
    if not path.exists():
        raise FileNotFoundError(f"no chapter {name!r}; the book has: {', '.join(chapters())}")
    return path


def as_named(names: Iterable[str]) -> list[str]:
    """Chapters as somebody names them -> their paths: ``book/channel/gater.ipynb`` is meant, too.

    Raises:
        SystemExit: with a sentence, if the book has no such chapter.
    """
    return [named(name) for name in names]


def load(name: str) -> Notebook:
    """A chapter's notebook as plain data, every source one string."""
    notebook = json.loads(notebook_path(name).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def source_hash(notebook: Notebook) -> str:
    """Hash of all code, in which the repository's address does not count."""
    code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    return hashlib.sha256(normalise_address("\n\x00\n".join(code)).encode()).hexdigest()


def code_cells(notebook: Notebook) -> list[dict[str, Any]]:
    """The cells that hold code."""
    return [c for c in notebook["cells"] if c["cell_type"] == "code"]


def prose(notebook: Notebook) -> str:
    """All Markdown of a chapter."""
    return "\n\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")


def tags_of(cell: dict[str, Any]) -> list[str]:
    """A cell's tags."""
    return cell["metadata"].get("tags", [])


def is_mechanism(name: str) -> bool:
    """Whether a chapter presents a mechanism, as opposed to foundations and closing chapters."""
    return not name.startswith(("foundations/", "closing/"))


def joined(output: dict[str, Any]) -> dict[str, Any]:
    """An output whose texts are single strings, as ``nbformat`` may split them into lines."""
    data = {k: "".join(v) for k, v in output.get("data", {}).items() if isinstance(v, str | list)}
    return output | {"text": "".join(output.get("text", "")), "data": data}
