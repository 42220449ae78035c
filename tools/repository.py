"""The repository's address: where it stands, and every form in which it is written elsewhere.

It stands in one place, ``[project.urls] Repository`` of ``pyproject.toml``.  Everything else that
names it depends on it: ``tools/retarget.py`` rewrites those places for a fork, and the hash of a
notebook's sources leaves the address out, so that such a change makes no output stale.

Only the standard library is needed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: What stands for the address where it must not count.
PLACEHOLDER = "OWNER/REPO"

_OWNER = r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}"
_REPO = r"[A-Za-z0-9._-]{1,100}"


def repository(root: Path = ROOT) -> str:
    """The repository as ``OWNER/REPO``, from pyproject.toml.

    Raises:
        ValueError: if the address there is not one of GitHub.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = project["urls"]["Repository"]
    found = re.fullmatch(rf"https://github\.com/({_OWNER}/{_REPO})", url)
    if not found:
        raise ValueError(
            f"pyproject.toml: Repository = {url!r} is not https://github.com/OWNER/REPO"
        )
    return validate(found[1])


def validate(name: str) -> str:
    """Return ``name`` if a repository can be called so.

    Raises:
        ValueError: if not; the message says why.
    """
    if not re.fullmatch(rf"{_OWNER}/{_REPO}", name):
        raise ValueError(f"{name!r} is not OWNER/REPO, such as jane-doe/attention")
    owner, repo = name.split("/")
    if repo.endswith((".", ".git", ".wiki")):
        raise ValueError(f"{name!r}: no repository can be called {repo!r}")
    if repo.lower() == f"{owner}.github.io".lower():
        raise ValueError(
            f"{name!r} is published at the root of its host, which these links do not provide "
            f"for: give the repository another name"
        )
    return name


def links(name: str) -> re.Pattern[str]:
    """Every form in which ``name`` is written: three groups a form, before, separator, after."""
    owner, repo = (re.escape(part) for part in validate(name).split("/"))
    # A longer name is another repository; a full stop, or .git, may follow this one.
    end = r"(?![A-Za-z0-9_-])(?!\.(?!git(?![A-Za-z0-9_-]))[A-Za-z0-9_-])"
    slash = r"(?:/|%2F)"
    return re.compile(
        # github.com and its api, git@github.com:..., raw files, .../github/... (Colab, nbviewer),
        # .../gh/... (Binder)
        rf"(?P<host>(?:github\.com(?:/repos)?|raw\.githubusercontent\.com|{slash}(?:github|gh))"
        rf"(?:{slash}|:)){owner}(?P<slash>{slash}){repo}{end}"
        rf"|(?<![A-Za-z0-9.-]){owner.lower()}\.github\.io(?P<pages>{slash}){repo}{end}"
        # the folder of the published book, for links of its page "not found"
        rf"|(?P<key>notfound_urls_prefix[\"']? *[:=] *[\"']?/){repo}(?=/)"
    )


def naming(name: str, lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Those lines, from 0, that may hold a link to ``name``: most of a notebook is pictures."""
    owner, repo = name.split("/")
    for number, line in enumerate(lines):
        if owner in line or owner.lower() in line or repo in line:
            yield number, line


def rewrite(text: str, old: str, new: str) -> tuple[str, int]:
    """``text`` with every link to ``old`` led to ``new``, and how many there were."""
    owner, repo = new.split("/")

    def replacement(found: re.Match[str]) -> str:
        if found["host"] is not None:
            return f"{found['host']}{owner}{found['slash']}{repo}"
        if found["pages"] is not None:
            return f"{owner.lower()}.github.io{found['pages']}{repo}"
        return f"{found['key']}{repo}"

    pattern, lines, count = links(old), text.split("\n"), 0
    for number, line in naming(old, lines):
        lines[number], found = pattern.subn(replacement, line)
        count += found
    return "\n".join(lines), count


def normalise_address(text: str, name: str | None = None) -> str:
    """``text`` with the repository's address replaced by a placeholder.

    Args:
        text: what may name the repository.
        name: the repository; that of pyproject.toml if not given.
    """
    return rewrite(text, repository() if name is None else name, PLACEHOLDER)[0]
