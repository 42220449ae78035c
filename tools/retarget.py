"""Lead every link to the course's repository to another one, such as a fork.

    python tools/retarget.py OWNER/REPO
    python tools/retarget.py OWNER/REPO --dry-run     # only say what would change

The address stands in ``[project.urls] Repository`` of ``pyproject.toml``; this command rewrites it
there and wherever a tracked file depends on it: badges, launch links, the set-up cells of the
notebooks, the book's base address, the citation.  Outputs of notebooks stay valid.  The way back
is the same command with the old name.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from repository import ROOT, links, naming, repository, rewrite, validate

#: Written last, so that a run that was interrupted can be made again.
HOME = "pyproject.toml"


def git(*arguments: str) -> str:
    """What git says about this checkout.

    Raises:
        RuntimeError: if there is no git, or this is no checkout.
    """
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise RuntimeError("git is needed to know which files belong to the course") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"git: {error.stderr.decode(errors='replace').strip()}") from error
    return done.stdout.decode("utf-8")


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Name and content of every tracked text file; line ends as they are."""
    names = [name for name in git("ls-files", "-z").split("\0") if name]
    if HOME not in names:
        raise RuntimeError(f"{HOME} is not tracked by git: run this in a checkout of the course")
    for name in sorted(names, key=lambda n: (n == HOME, n)):
        path = ROOT / name
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        try:
            yield name, content.decode("utf-8")
        except UnicodeDecodeError:
            continue  # a picture


def leftovers(text: str, old: str, new: str) -> Iterator[int]:
    """Lines that still name ``old``, in a form that is not a link, and not in one to ``new``."""
    owner, repo = (re.escape(part) for part in old.split("/"))
    trace = re.compile(
        rf"(?<![\w.-]){owner}/{repo}(?![\w-])|(?<![\w.-]){owner}\.github\.io", re.IGNORECASE
    )
    known = links(new)
    for number, line in enumerate(text.splitlines(), 1):
        if old.split("/")[0].lower() in line.lower() and trace.search(known.sub("", line)):
            yield number


def retarget(new: str, *, dry_run: bool = False) -> None:
    """Rewrite every tracked text file and print what changed.

    Args:
        new: the repository's new name, ``OWNER/REPO``.
        dry_run: change nothing.
    """
    old = repository()
    changes: list[str] = []
    remarks: list[str] = []
    for name, text in tracked_texts():
        present = [line for _, line in naming(new, text.split("\n"))]
        if there := sum(not link["key"] for line in present for link in links(new).finditer(line)):
            remarks.append(f"{name}: {count(there)} to {new} stood there already")
        changed, found = rewrite(text, old, new)
        remarks += [f"{name}:{line}: still names {old}" for line in leftovers(changed, old, new)]
        if found:
            changes.append(f"{name}: {count(found)}")
            if not dry_run:
                (ROOT / name).write_bytes(changed.encode("utf-8"))
    print(f"{old} -> {new}{' (nothing is written)' if dry_run else ''}")
    for line in changes:
        print(f"  {line}")
    if remarks:
        print("To look at:")
        for line in remarks:
            print(f"  {line}")


def count(number: int) -> str:
    """Number and noun."""
    return f"{number} link{'s' * (number != 1)}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status is 0 if all went well, 2 for what it refuses."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="OWNER/REPO")
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument("--force", action="store_true", help="even over changes not committed")
    options = parser.parse_args(arguments)
    try:
        new = validate(options.name)
        if new == repository():
            print(f"{HOME} names {new} already: nothing to do")
            return 0
        dirty = git("status", "--porcelain", "--untracked-files=no")
        if dirty and not (options.force or options.dry_run):
            print("commit or stash these changes first, or give --force:", file=sys.stderr)
            print(dirty, end="", file=sys.stderr)
            return 2
        retarget(new, dry_run=options.dry_run)
    except (OSError, RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
