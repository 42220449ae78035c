"""MathJax from a pinned package, copied at build time: only what a page can ask for.

The package ``sphinx-mathjax-offline`` is used for its files alone.  Its own extension copies all
of them and loads one big script; here a page loads the parts that typeset TeX, and the menu
(right click on a formula) with its accessibility tools comes when it is asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_PACKAGE, _FOLDER = "sphinx-mathjax-offline", "static/mathjax/"

#: What the page loads, relative to ``_static``.
ENTRY = "mathjax/startup.js"

#: MathJax's configuration; Sphinx writes it into pages that have formulas, and only there.
CONFIG = {
    "loader": {"load": ["core", "input/tex", "output/chtml", "a11y/assistive-mml"]},
    # Matched to the text's height, a formula would be wider on one reader's system than on
    # another's, and would fit the column on one of them only.
    "chtml": {"matchFontHeight": False, "scale": 1.1},
}

#: What may be asked for: typesetting, TeX packages on demand, menu, explorer and speech.
WANTED = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions/*.js",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "output/chtml/fonts/woff-v2/*.woff",
    "a11y/*.js",
    "ui/menu.js",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
    "sre/mathmaps/nemeth.json",
)
#: Large, and a union of files that are there one by one.
UNWANTED = ("input/tex/extensions/all-packages.js",)


def select(names: Iterable[str]) -> list[str]:
    """Those of MathJax's files (paths relative to its folder) that the book needs, sorted.

    Raises:
        ExtensionError: if one that every formula needs is not among them.
    """
    chosen = sorted(
        name
        for name in names
        if any(fnmatch(name, pattern) for pattern in WANTED) and name not in UNWANTED
    )
    for needed in ("startup.js", "core.js", "input/tex.js", "output/chtml.js"):
        if needed not in chosen:
            raise ExtensionError(f"{_PACKAGE} has no {needed}: its layout has changed")
    return chosen


def installed() -> dict[str, Path]:
    """MathJax's files as the package brings them: name relative to its folder -> file."""
    try:
        listed = files(_PACKAGE) or []
    except PackageNotFoundError:
        raise ExtensionError(
            f"{_PACKAGE} is not installed: install the book's requirements with "
            f"pip install -e '.[book]'"
        ) from None
    found = {}
    for file in listed:
        _, folder, name = file.as_posix().partition(_FOLDER)
        if folder:
            found[name] = Path(str(file.locate()))
    return found


def copy_files(app: Sphinx, error: Exception | None) -> None:
    """Put the chosen files under ``_static/mathjax``."""
    if error is not None:
        return
    source = installed()
    target = Path(app.outdir) / "_static" / "mathjax"
    for name in select(source):
        destination = target / name
        if not destination.exists():
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source[name], destination)
