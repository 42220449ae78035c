"""Execute every notebook of the table of contents under nbval and hold each to its time.

    python tools/run_notebooks.py                             # the whole course
    python tools/run_notebooks.py channel/squeeze_excitation

There is no skip list: the set that is executed is the set in ``_toc.yml``.  Outputs of cells
tagged ``nbval-check-output`` are compared with the stored ones.  What is held is processor time,
over that of a fixed piece of work in the same run: a machine that is slow, or has other things to
do, changes neither.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import time_table
from chapter_rules import ROOT, as_named, chapters, notebook_path
from course import TIMES, call

#: Seconds after which a cell hangs; no budget.
PATIENCE = 1800


def main(names: list[str]) -> int:
    """Run the notebooks; fail if one fails, was not run, or took too much processor time."""
    wanted = as_named(names) or chapters()
    record = ROOT / TIMES[-1]
    record.unlink(missing_ok=True)
    status = _run(wanted, record)
    times = time_table.Times.read([record])
    seconds: dict[str, float] = defaultdict(float)
    for node, taken in times.tests.items():
        seconds[node.split("::")[0].removeprefix("book/").removesuffix(".ipynb")] += taken
    allowed = time_table.NOTEBOOK * times.slowness
    print(f"\nProcessor seconds a notebook, at most {allowed:.0f} on this machine")
    for name in sorted(seconds, key=lambda n: -seconds[n]):
        over = " over budget" if seconds[name] > allowed else ""
        print(f"  {name:48} {seconds[name]:6.1f}{over}")
        status = status or int(bool(over))
    if missing := set(wanted) - set(seconds):
        print(f"not executed: {', '.join(sorted(missing))}")
        return 1
    return status


def _run(names: list[str], record: Path) -> int:
    """Execute some notebooks, two at a time, and leave each cell's processor time in ``record``."""
    with tempfile.TemporaryDirectory() as home:
        return call(
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "-p", "tests.processor_time", f"--processor-time={record}",
            "--nbval-lax", "--nbval-current-env",
            "--nbval-sanitize-with", ROOT / "tests" / "sanitize.cfg",
            f"--nbval-cell-timeout={PATIENCE}", f"--nbval-kernel-startup-timeout={PATIENCE}",
            "-n", "2", "--dist", "loadfile", "-o", f"timeout={PATIENCE}",
            *(notebook_path(name) for name in names),
            env={
                "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
                "ATTNCOURSE_HOME": home,
                "ATTNCOURSE_PROGRESS": "off",
            },
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
