"""A progress bar that shows where a person watches and is silent where nobody does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from attncourse.training.parallel import is_main

#: Set to "off" by the tools that execute notebooks, so that no bar lands in stored outputs.
SWITCH = "ATTNCOURSE_PROGRESS"


def progress_bar(steps: Iterable[int], *, title: str, total: int, start: int = 0) -> Iterable[int]:
    """Wrap ``steps`` in a tqdm bar: a widget in a notebook, a line in a terminal.

    The bar is off where the environment variable ``ATTNCOURSE_PROGRESS`` is ``off``, and where
    standard error is a file or a pipe.  Of several processes only the main one shows it.
    """
    from tqdm.auto import tqdm

    watched = _in_a_notebook() or sys.stderr.isatty()
    off = os.environ.get(SWITCH, "").lower() == "off" or not watched or not is_main()
    return tqdm(steps, desc=title, total=total, initial=start, leave=False, disable=off)


def _in_a_notebook() -> bool:
    """Whether this code runs in a kernel, as opposed to a program that merely loaded one."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and "ipykernel" in type(shell).__module__
