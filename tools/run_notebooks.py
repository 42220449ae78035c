"""Execute every notebook of the table of contents under nbval and hold each to its time.

    python tools/run_notebooks.py                             # the whole course
    python tools/run_notebooks.py channel/squeeze_excitation

There is no skip list: the set that is executed is the set in ``_toc.yml``.  Outputs of cells
tagged ``nbval-check-output`` are compared with the stored ones.
"""

from __future__ import annotations

import os
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from chapter_rules import BOOK, ROOT, chapters, notebook_path
from course import NOTEBOOK_SECONDS, call


def main(names: list[str]) -> int:
    """Run the notebooks; fail if one fails, was not run, or took too long.

    One that took too long beside others runs once more alone: its budget is for two cores that
    have nothing else to do.
    """
    wanted = names or chapters()
    status, seconds = _run(wanted, jobs=2)
    late = [name for name, taken in seconds.items() if taken > NOTEBOOK_SECONDS]
    for name in late:
        print(f"{name} took {seconds[name]:.1f} s beside others; once more, alone", flush=True)
        again, alone = _run([name], jobs=1)
        status, seconds = status or again, seconds | alone
    print("\nSeconds a notebook")
    for name in sorted(seconds, key=lambda n: -seconds[n]):
        over = " over budget" if seconds[name] > NOTEBOOK_SECONDS else ""
        print(f"  {name:48} {seconds[name]:6.1f}{over}")
        status = status or int(bool(over))
    if missing := set(wanted) - set(seconds):
        print(f"not executed: {', '.join(sorted(missing))}")
        return 1
    return status


def _run(names: list[str], jobs: int) -> tuple[int, dict[str, float]]:
    """Execute some notebooks, ``jobs`` at a time: exit status, and seconds of each."""
    with tempfile.TemporaryDirectory() as home:
        report = Path(home) / "report.xml"
        status = call(
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
            "--nbval-lax", "--nbval-current-env",
            "--nbval-sanitize-with", ROOT / "tests" / "sanitize.cfg",
            "--nbval-cell-timeout=300", "--nbval-kernel-startup-timeout=120",
            "-n", str(jobs), "--dist", "loadfile", f"--junitxml={report}",
            "-o", "junit_family=xunit1", "-o", "timeout=900",
            *(notebook_path(name) for name in names),
            env={
                "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
                "ATTNCOURSE_HOME": home,
                "ATTNCOURSE_PROGRESS": "off",
            },
        )  # fmt: skip
        return status, _seconds(report)


def _seconds(report: Path) -> dict[str, float]:
    """Chapter -> time of all its cells, from pytest's report."""
    total: dict[str, float] = defaultdict(float)
    if report.exists():
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            file = ROOT / case.get("file", case.get("classname", ""))
            if file.suffix == ".ipynb" and file.is_relative_to(BOOK):
                name = file.relative_to(BOOK).with_suffix("").as_posix()
                total[name] += float(case.get("time", 0))
    return dict(total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
