"""Measure and record on a GPU what the book shows: one line, for whenever one is at hand.

    make gpu                                       # everything
    python tools/course.py gpu spatial/non_local   # one chapter
    python tools/course.py gpu --here              # with this Python's packages, without .venv
    python tools/course.py gpu --only experiments  # or benchmarks, or chapters
    python tools/course.py gpu --trial CHAPTER     # on the processor, at a tiny budget

It runs the benchmarks with the bandwidth and the matrix rate of the same run, executes every
notebook for its time, and trains every experiment at its full budget.  Times and trainings that
are recorded already are not made again.  Real data are read from the folder that
``ATTNCOURSE_DATA`` names.  The page *On a GPU* shows what was found.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from course import ROOT, call, say

#: Where the page *On a GPU* looks.
RECORD = ROOT / "book" / "_data" / "gpu"
STEPS = ("benchmarks", "chapters", "experiments")
TRIAL = ROOT / "build" / "gpu-trial"


def steps(options: argparse.Namespace, out: Path) -> list[tuple[str, list[str]]]:
    """(what, command) of everything that is measured."""
    py, chapters = sys.executable, options.chapter
    bench = [py, "-m", "benchmarks", *chapters, "--out", str(out / "benchmarks.json")]
    train = ["--full", "--jobs", str(options.jobs), "--out", str(out / "results")]
    if options.trial:
        bench += ["--repeats", "3"]
        train += ["--seeds", "1", "--steps", "1"]
    else:
        bench += ["--device", "cuda", "--compiled"]
        train += ["--seeds", str(options.seeds)]
    times = str(out / "chapters.json")
    every = [
        ("benchmarks", bench),
        ("chapters", [py, "tools/notebook.py", "time", *chapters, "--out", times]),
        *(
            (f"experiments {which}", [py, "-m", "attncourse", "run", which, *train])
            for which in chapters or ["--all"]
        ),
    ]
    return [(what, command) for what, command in every if what.split()[0] in options.only]


def main(arguments: list[str] | None = None) -> int:
    """Run all steps, go on after a failure; 0 if all went well, 2 if there is no GPU."""
    parser = argparse.ArgumentParser(
        prog="python tools/course.py gpu", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("chapter", nargs="*", help="such as spatial/non_local; all if none")
    parser.add_argument("--seeds", type=int, default=10, help="of each experiment (default 10)")
    parser.add_argument("--jobs", type=int, default=4, help="trainings at a time (default 4)")
    parser.add_argument(
        "--only", nargs="+", choices=STEPS, default=STEPS, metavar="STEP",
        help=f"some of {', '.join(STEPS)}",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder to write to")
    parser.add_argument(
        "--trial", action="store_true",
        help="on the processor: three repeats, one seed, one step; writes to build/gpu-trial",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    out = (options.out or (TRIAL if options.trial else RECORD)).resolve()
    if options.trial and out == RECORD:
        print(f"--trial does not write to {RECORD.relative_to(ROOT)}, which holds whole runs: "
              f"name another --out")  # fmt: skip
        return 2
    if not options.trial and not has_gpu():
        print("torch sees no GPU here: run this where there is one, or add --trial to see it work "
              "on the processor")  # fmt: skip
        return 2
    rows = []
    for what, command in steps(options, out):
        say(what)
        started = time.perf_counter()
        status = call(*command)
        rows.append((what, time.perf_counter() - started, status == 0))
    print(f"\nWritten to {out}")
    for what, seconds, good in rows:
        print(f"  {what:34} {seconds:7.1f} s  {'done' if good else 'FAILED'}")
    if not all(good for *_, good in rows):
        print("The same command goes on from there.")
        return 1
    return 0


def has_gpu() -> bool:
    """Whether torch can use one."""
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    sys.exit(main())
