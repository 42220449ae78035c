"""Set up, build, test and serve the course: the same jobs on every system.

    python tools/course.py book                 # environment, then the book; prints its address
    python tools/course.py serve                # the same, served on localhost
    python tools/course.py test [CHAPTER]       # environment, then every check (of one chapter)
    python tools/course.py archive              # the site as one zip; likewise print, epub
    python tools/course.py lab                  # environment, then JupyterLab
    python tools/course.py execute CHAPTER      # run a notebook anew and store its outputs
    python tools/course.py bench [CHAPTER]      # time and memory beside the textbook forms
    python tools/course.py gpu [CHAPTER]        # benchmarks, chapters, full experiments on a GPU
    python tools/course.py clean                # forget environment and builds

Only the standard library is needed to start; everything else goes into ``.venv``.  ``make book``
and ``make test`` are short forms of these.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  (so that an old Python gets a sentence)
    sys.exit(
        f"the course needs Python 3.11 or newer, this is {sys.version.split()[0]}: "
        f"name a newer one, as in  make book PYTHON=python3.12"
    )

import tomllib

import time_table

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BUILD = ROOT / "_build"
HTML = BUILD / "html"
PORT = 8000
# These two have no ``python -m`` form, and a script's name differs between systems.
_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"
_LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
#: Where the tests and the notebooks leave their processor times.
TIMES = ("build/time-tests.json", "build/time-own.json", "build/time-notebooks.json")


def say(text: str) -> None:
    """One line on what happens now."""
    print(f"\033[1m· {text}\033[0m" if sys.stdout.isatty() else f"· {text}", flush=True)


def python() -> Path:
    """The environment's interpreter."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def call(*arguments: str | Path, env: dict[str, str] | None = None) -> int:
    """Run a command from the root and return its exit status."""
    return subprocess.run(
        [str(a) for a in arguments], cwd=ROOT, env={**os.environ, **(env or {})}
    ).returncode


# ---------------------------------------------------------------- environment


def requirements(extras: tuple[str, ...]) -> list[str]:
    """The requirements of some extras, read from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [r for extra in extras for r in project["optional-dependencies"][extra]]


def environment(purpose: str) -> None:
    """Create ``.venv`` and install the pinned set for ``book`` (no torch) or for ``all``."""
    key = hashlib.sha256(sys.version.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        key.update((ROOT / name).read_bytes())
    digest = key.hexdigest()
    stamps = {name: VENV / f".installed-{name}" for name in ("book", "all")}
    good = [s for s in (stamps[purpose], stamps["all"]) if s.exists() and s.read_text() == digest]
    if good and python().exists():
        return
    if not python().exists():
        say(f"creating {VENV.relative_to(ROOT)} with Python {sys.version.split()[0]}")
        import venv

        venv.EnvBuilder(with_pip=True, clear=VENV.exists()).create(VENV)
    say(f"installing the pinned packages ({purpose}); the first time takes a few minutes")
    what: list[str] = requirements(("book",)) if purpose == "book" else ["-e", ".[book,lab,test]"]
    pip: list[str | Path] = [python(), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    if call(*pip, "-c", "constraints.txt", *what):
        sys.exit("installing failed: see the lines above; then run the same command again")
    stamps[purpose].write_text(digest)


# ---------------------------------------------------------------- the book


def book(*, always: bool = False) -> int:
    """Build the book with warnings as errors, unless nothing changed since the last build."""
    environment("book")
    digest, stamp = _book_inputs(), BUILD / ".built-from"
    if not always and stamp.exists() and stamp.read_text() == digest and HTML.exists():
        say("the book is up to date")
        return 0
    say("building the book from the notebooks' stored outputs, warnings as errors")
    started = time.perf_counter()
    shutil.rmtree(BUILD, ignore_errors=True)  # an incremental build does not repeat its warnings
    options = ["build", ".", "-W", "--keep-going", "-q"]
    if status := call(python(), "-c", _JUPYTER_BOOK, *options):
        say("the book has errors: see the lines above")
        return status
    stamp.write_text(digest)
    say(f"built in {time.perf_counter() - started:.0f} s")
    return 0


def _book_inputs() -> str:
    key = hashlib.sha256()
    places = [ROOT / n for n in ("_config.yml", "_toc.yml", "constraints.txt", "book")]
    places.append(ROOT / "attncourse" / "plan.toml")
    for place in places:
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file() and "__pycache__" not in file.parts:
                key.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return key.hexdigest()


def cmd_book(options: argparse.Namespace) -> int:
    """Build the book and say where it is."""
    if status := book(always=options.always):
        return status
    print(f"\nThe book: {(HTML / 'index.html').as_uri()}\nServe it: make serve")
    return 0


def cmd_serve(options: argparse.Namespace) -> int:
    """Build the book and serve it on localhost until interrupted."""
    if status := book():
        return status
    print(f"\nThe book: http://localhost:{options.port}/  (Ctrl-C ends)", flush=True)
    try:
        return call(
            python(), "-m", "http.server", str(options.port), "--bind", "127.0.0.1", "-d", HTML
        )
    except KeyboardInterrupt:
        return 0


# ---------------------------------------------------------------- the tests


def steps(chapter: str | None) -> list[tuple[str, list[str | Path]]]:
    """Every check with its command, for the whole course or for one chapter."""
    py = python()
    pytest: list[str | Path] = [py, "-m", "pytest", "-q", "-n", "2", "--dist", "loadscope"]
    pytest += ["-p", "tests.processor_time"]
    pytest += ["-p", "no:nbval"]  # it takes seconds to load, and these steps execute no notebook
    tests, own_tests, _ = (f"--processor-time={file}" for file in TIMES)
    if chapter:
        stem = chapter.rsplit("/", 1)[-1]
        folder = chapter.rsplit("/", 1)[0]
        own = sorted((ROOT / "tests" / folder).glob(f"test_{stem}*.py"))
        return [
            ("book", []),
            ("its own tests", [*pytest, own_tests, *own] if own else []),
            ("contract, exercises, rules, page", [*pytest, tests, "-k", stem, "tests/contract",
             "tests/exercises", "tests/book"]),
            ("notebook", [py, "tools/run_notebooks.py", chapter]),
        ]  # fmt: skip
    return [
        ("ruff", [py, "-m", "ruff", "check", "."]),
        ("format", [py, "-m", "ruff", "format", "--check", "."]),
        ("mypy", [py, "-m", "mypy"]),
        ("layers", [py, "-c", _LINT_IMPORTS, "--no-cache"]),
        ("book", []),
        ("tests", [*pytest, tests, "--cov", "--cov-report=term:skip-covered",
         "--cov-fail-under=90", "tests"]),
        ("notebooks", [py, "tools/run_notebooks.py"]),
    ]  # fmt: skip


def cmd_test(options: argparse.Namespace) -> int:
    """Run every check, go on after a failure, and print where the time went."""
    environment("all")
    for file in TIMES:
        (ROOT / file).unlink(missing_ok=True)
    # One thread a process, texts in UTF-8 whatever the user's locale is, and each source compiled
    # once, not in every process anew: an empty value is as good as none.
    fixed = {
        "OMP_NUM_THREADS": "1",
        "ATTNCOURSE_PROGRESS": "off",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    if options.chapter:
        fixed["ATTNCOURSE_KILL_MATRIX"] = "full"
    rows: list[tuple[str, float, float, bool]] = []
    for name, command in steps(options.chapter):
        say(name)
        started, before = time.perf_counter(), _children()
        if name == "book":
            status = book(always=not options.chapter)
        else:
            status = call(*command, env=fixed) if command else 0
        taken = time.perf_counter() - started
        rows.append((name, taken, _children() - before, status == 0))
    print("\nWhere the time went")
    for name, seconds, processor, good in rows:
        busy = f"{processor:8.1f} s of processors" if processor else ""
        print(f"  {name:34} {seconds:7.1f} s  {busy}  {'passed' if good else 'FAILED'}")
    print(f"  {'together':34} {sum(r[1] for r in rows):7.1f} s")
    chapters = [options.chapter] if options.chapter else time_table.written(ROOT / "book")
    apart = ("tests", "notebooks", "book")
    steps_alone = sum(row[2] for row in rows if row[0] not in apart)
    times = time_table.Times.read(ROOT / file for file in TIMES)
    if not options.chapter:
        built = sum(row[2] for row in rows if row[0] == "book")
        times.tests.update(time_table.pages(HTML, built))
    print(*time_table.lines(times, chapters, 0.0 if options.chapter else steps_alone), sep="\n")
    print("\nThe slowest, in processor seconds", *time_table.slowest(times), sep="\n")
    return 0 if all(row[-1] for row in rows) else 1


def _children() -> float:
    """Processor seconds of all commands that have ended; 0 where the system does not tell."""
    times = os.times()
    return times.children_user + times.children_system


# ---------------------------------------------------------------- the rest


def cmd_lab(options: argparse.Namespace) -> int:
    """Open the notebooks in JupyterLab."""
    environment("all")
    return call(python(), "-m", "jupyterlab", "book")


def cmd_execute(options: argparse.Namespace) -> int:
    """Run a chapter's notebook anew and store its outputs."""
    environment("all")
    chapters = [options.chapter] if options.chapter else []
    return call(python(), "tools/notebook.py", "execute", *chapters)


def cmd_bench(options: argparse.Namespace) -> int:
    """Time every mechanism beside its textbook form; quiet machines tell more."""
    environment("all")
    chapters = [options.chapter] if options.chapter else []
    return call(python(), "-m", "benchmarks", *chapters)


def cmd_gpu(options: argparse.Namespace) -> int:
    """Measure and record everything on a GPU; --trial does it on the processor, tiny."""
    if not options.here:
        environment("all")
    return call(sys.executable if options.here else python(), "tools/gpu.py", *options.rest)


def _takeaway(options: argparse.Namespace) -> int:
    environment("all" if options.command == "print" else "book")
    if options.command != "epub" and (status := book()):
        return status
    chapters = [options.chapter] if getattr(options, "chapter", None) else []
    return call(python(), "tools/takeaway.py", options.command, *chapters)


def cmd_archive(options: argparse.Namespace) -> int:
    """Build the book and zip it; the zip opens from the file system."""
    return _takeaway(options)


def cmd_print(options: argparse.Namespace) -> int:
    """Build the book and print a chapter, or all, to PDF."""
    return _takeaway(options)


def cmd_epub(options: argparse.Namespace) -> int:
    """Build the book as an EPUB."""
    return _takeaway(options)


def cmd_clean(options: argparse.Namespace) -> int:
    """Remove the environment and everything that was built; sources and results stay."""
    for place in (VENV, BUILD, ROOT / "build"):
        if place.exists():
            say(f"removing {place.relative_to(ROOT)}")
            shutil.rmtree(place)
    return 0


def path_of(name: str) -> str:
    """A chapter as somebody names it -> its path: ``book/channel/gater.ipynb`` is meant, too."""
    return name.removeprefix("book/").removesuffix(".ipynb")


def named(name: str) -> str:
    """The same, of a chapter that must be there.

    Raises:
        SystemExit: with a sentence, if the book has no such chapter.
    """
    path = path_of(name)
    if not (ROOT / "book" / f"{path}.ipynb").exists():
        sys.exit(f"there is no chapter {path!r}: name one such as channel/squeeze_excitation")
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0 if all went well."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (
        ("book", cmd_book),
        ("serve", cmd_serve),
        ("test", cmd_test),
        ("lab", cmd_lab),
        ("execute", cmd_execute),
        ("bench", cmd_bench),
        ("gpu", cmd_gpu),
        ("archive", cmd_archive),
        ("print", cmd_print),
        ("epub", cmd_epub),
        ("clean", cmd_clean),
    ):
        sub = commands.add_parser(name, help=function.__doc__)
        sub.set_defaults(function=function)
        if name in ("test", "execute", "bench", "print"):
            sub.add_argument("chapter", nargs="?", help="such as channel/squeeze_excitation")
        if name == "book":
            sub.add_argument("--always", action="store_true", help="even if nothing changed")
        if name == "serve":
            sub.add_argument("--port", type=int, default=PORT)
        if name == "gpu":
            sub.add_argument("--here", action="store_true", help="without .venv: this very Python")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "gpu":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest  # what tools/gpu.py understands
    if getattr(options, "chapter", None):
        options.chapter = named(options.chapter)
    return options.function(options)


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):  # a letter that the code page lacks is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
