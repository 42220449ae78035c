"""The command line: ``python -m attncourse`` and what to do, such as ``list`` or ``run``."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attncourse.experiments import Experiment


#: Where the recorded runs of a checkout are.
RESULTS = "book/results"


def _list(options: argparse.Namespace) -> int:
    """Print the course's chapters, or the cards as data."""
    if options.json:
        from attncourse.catalog import as_records

        _print_json(as_records())
        return 0
    from attncourse.exercises.register import chapters
    from attncourse.plan import CHAPTERS

    category, written = "", chapters()
    for chapter in CHAPTERS:
        if chapter.category != category:
            category = chapter.category
            print(f"\n{category.replace('_', ' & ')} ({chapter.question})")
        mark = "  " if chapter.path in written else "· "
        print(f"  {mark}{chapter.path:47} {chapter.title}")
    if any(chapter.path not in written for chapter in CHAPTERS):
        print("\n· coming")
    return 0


def _exercises(options: argparse.Namespace) -> int:
    """Print the exercises by chapter, or as data those that a page can judge."""
    if options.json:
        from attncourse.exercises.page import as_records

        _print_json(as_records())
        return 0
    from attncourse.exercises.register import all_exercises

    for chapter, group in all_exercises().items():
        print(f"\n{chapter}")
        for exercise in group:
            print(f"  {exercise.id:44} level {exercise.level}  {exercise.title}")
    return 0


def _wings(options: argparse.Namespace) -> int:
    """Print as data what the pages that open the wings show: influences, maps and diagrams."""
    from attncourse.experiments import ladder, reading_places
    from attncourse.views import wings

    _print_json(
        {
            "channel": ladder.as_records(),
            "spatial": reading_places.as_records(),
            "branch": wings.branch(),
        }
    )
    return 0


def _print_json(records: object) -> None:
    # Escapes are JSON, too, where the code page does not know a letter.
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(records, indent=2, ensure_ascii=not unicode))


def _doctor(options: argparse.Namespace) -> int:
    """Print what a bug report needs, and say what is wrong with this machine."""
    from attncourse.doctor import examine

    report, healthy = examine()
    print(report)
    return 0 if healthy else 1


def _run(options: argparse.Namespace) -> int:
    """Run a mechanism's experiments over several seeds and record them."""
    from attncourse.experiments import (
        all_experiments,
        every_experiment_of,
        experiments_of,
        record,
    )
    from attncourse.training.parallel import is_main

    if bool(options.chapter) == options.all:
        print("name one chapter, such as channel/squeeze_excitation, or give --all, not both")
        return 2
    if options.chapter:
        options.chapter = options.chapter.removeprefix("book/").removesuffix(".ipynb")
    if options.steps and Path(options.out).resolve() == Path(RESULTS).resolve():
        print(f"--steps cuts the runs short, and {RESULTS} holds whole ones: name another --out")
        return 2
    try:
        find = every_experiment_of if options.full else experiments_of
        wanted = (
            all_experiments(large=options.full)
            if options.all
            else {options.chapter: find(options.chapter)}
        )
    except KeyError as error:
        print(error.args[0])
        return 2
    if options.experiment:
        for chapter, experiments in wanted.items():
            chosen = tuple(e for e in experiments if e.name == options.experiment)
            if not chosen:
                names = ", ".join(e.name for e in experiments)
                print(f"{chapter} has no experiment {options.experiment!r}; it has: {names}")
                return 2
            wanted[chapter] = chosen
    try:
        if options.jobs or options.shard:
            return _run_in_jobs(wanted, options)
        for chapter, experiments in wanted.items():
            out = Path(options.out) / f"{chapter}.json"
            record(
                chapter, experiments, range(options.seeds), out,
                full=options.full, steps=options.steps, renew=not options.new_only,
            )  # fmt: skip
            if is_main():
                print(f"recorded in {out}")
    except KeyboardInterrupt:
        print("\nstopped: finished runs are recorded, and the same command goes on from there")
        return 130
    return 0


def _run_in_jobs(wanted: dict[str, tuple[Experiment, ...]], options: argparse.Namespace) -> int:
    """Run a grid, or a share of it, in processes of its own; the status is 1 if a run failed."""
    from attncourse.experiments import (
        Ledger,
        ShardLedger,
        cells_of,
        cells_of_shard,
        record_in_jobs,
        shard_folder,
    )
    from attncourse.training.parallel import launched

    if launched():
        print("accelerate launch trains one run on many processes, --jobs and --shard run many "
              "at once: choose one of the two")  # fmt: skip
        return 2
    out = Path(options.out)
    cells = [
        cell
        for chapter, experiments in wanted.items()
        for cell in cells_of(chapter, experiments, range(options.seeds))
    ]
    ledgers: dict[str, Ledger] = {}
    if options.shard:
        folder = shard_folder(out, *options.shard)
        folder.mkdir(parents=True, exist_ok=True)  # there even if it has nothing to run
        cells = cells_of_shard(cells, *options.shard)
        for chapter, experiments in wanted.items():
            name = f"{chapter}.json"
            ledgers[chapter] = ShardLedger(
                chapter, experiments, folder / name, out / name, renew=not options.new_only
            )
    else:
        for chapter, experiments in wanted.items():
            path = out / f"{chapter}.json"
            ledgers[chapter] = Ledger(chapter, experiments, path, renew=not options.new_only)
    failed = record_in_jobs(
        cells, ledgers, options.jobs or 1, full=options.full, steps=options.steps
    )
    for chapter in dict.fromkeys(cell.chapter for cell in cells):
        print(f"recorded in {ledgers[chapter].out}")
    if failed:
        print(f"\n{len(failed)} of {len(cells)} runs failed; the same command tries them again:")
        for cell, reason in failed.items():
            print(f"\n{cell}\n{reason.rstrip()}")
        return 1
    return 0


def _merge(options: argparse.Namespace) -> int:
    """Take the runs of all shards over into the results files."""
    from attncourse.experiments import merge

    try:
        print(f"{merge(Path(options.out))} runs taken over")
    except (FileNotFoundError, KeyError, ValueError) as error:
        print(error.args[0])
        return 1
    return 0


def _progress(options: argparse.Namespace) -> int:
    """Print which exercises are done."""
    from attncourse.exercises import progress_report

    print(progress_report())
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 if all went well, 2 for a call that makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m attncourse", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    listing = commands.add_parser("list", help=_list.__doc__)
    listing.add_argument("--json", action="store_true", help="the identity cards as data")
    listing.set_defaults(function=_list)

    exercises = commands.add_parser("exercises", help=_exercises.__doc__)
    exercises.add_argument("--json", action="store_true", help="what the pages judge answers by")
    exercises.set_defaults(function=_exercises)

    wings = commands.add_parser("wings", help=_wings.__doc__)
    wings.set_defaults(function=_wings)

    doctor = commands.add_parser("doctor", help=_doctor.__doc__)
    doctor.set_defaults(function=_doctor)

    run = commands.add_parser("run", help=_run.__doc__)
    run.add_argument("chapter", nargs="?", help="such as channel/squeeze_excitation")
    run.add_argument("--all", action="store_true", help="every chapter's experiments")
    run.add_argument("--experiment", help="only this one of the chapter's experiments")
    run.add_argument("--seeds", type=_positive, default=5, help="how many seeds (default 5)")
    run.add_argument(
        "--full", action="store_true",
        help="the budget for a GPU, and the experiments that want one",
    )  # fmt: skip
    run.add_argument(
        "--steps", type=_positive, help="at most so many steps a run, for a trial; needs --out"
    )
    run.add_argument(
        "--new-only", action="store_true",
        help="leave recorded runs that have no test items as they are",
    )  # fmt: skip
    run.add_argument("--out", default=RESULTS, help=f"folder of the results files ({RESULTS})")
    run.add_argument(
        "--jobs", type=_positive, metavar="N",
        help="N runs at a time, each in a process with one thread; a failure does not end the rest",
    )  # fmt: skip
    run.add_argument(
        "--shard", type=_shard, metavar="I/N",
        help="run only share I of N, into a folder of its own; see merge",
    )  # fmt: skip
    run.set_defaults(function=_run)

    merging = commands.add_parser("merge", help=_merge.__doc__)
    merging.add_argument("--out", default=RESULTS, help="folder of the results files")
    merging.set_defaults(function=_merge)

    progress = commands.add_parser("progress", help=_progress.__doc__)
    progress.set_defaults(function=_progress)

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that the code page lacks is escaped
            stream.reconfigure(errors="backslashreplace")
    options = parser.parse_args(arguments)
    try:
        return options.function(options)
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        sys.stderr.close()
        return 0


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} must be I/N with I from 1 to N, such as 1/4")
    return int(index), int(count)


if __name__ == "__main__":
    sys.exit(main())
