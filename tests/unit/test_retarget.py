"""tools/retarget.py on checkouts of their own: a small one with every form, and this course."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repository import PLACEHOLDER, links, normalise_address, repository, rewrite, validate

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = "Old-Owner/course.py", "jane/seeing"
TOOLS = ("tools/repository.py", "tools/retarget.py")

# Every link, before and after.
LINKS = {
    "https://github.com/Old-Owner/course.py": "https://github.com/jane/seeing",
    "git+https://github.com/Old-Owner/course.py@main": "git+https://github.com/jane/seeing@main",
    "https://github.com/Old-Owner/course.py.git": "https://github.com/jane/seeing.git",
    "git@github.com:Old-Owner/course.py.git": "git@github.com:jane/seeing.git",
    "api.github.com/repos/Old-Owner/course.py/pulls": "api.github.com/repos/jane/seeing/pulls",
    "https://raw.githubusercontent.com/Old-Owner/course.py/main/a.png": (
        "https://raw.githubusercontent.com/jane/seeing/main/a.png"
    ),
    "https://colab.research.google.com/github/Old-Owner/course.py/blob/main/a.ipynb": (
        "https://colab.research.google.com/github/jane/seeing/blob/main/a.ipynb"
    ),
    "https://mybinder.org/v2/gh/Old-Owner/course.py/main?urlpath=lab": (
        "https://mybinder.org/v2/gh/jane/seeing/main?urlpath=lab"
    ),
    "git-pull?repo=https%3A%2F%2Fgithub.com%2FOld-Owner%2Fcourse.py&b=main": (
        "git-pull?repo=https%3A%2F%2Fgithub.com%2Fjane%2Fseeing&b=main"
    ),
    "At https://old-owner.github.io/course.py/. Then": "At https://jane.github.io/seeing/. Then",
    "See github.com/Old-Owner/course.py.": "See github.com/jane/seeing.",
    "notfound_urls_prefix: /course.py/": "notfound_urls_prefix: /seeing/",
}
# Links to others, which must stay as they are.
OTHERS = (
    "https://github.com/Old-Owner/course.py-extra",
    "https://github.com/Old-Owner/course.python",
    "https://github.com/Old-Owner/course.py.github",
    "https://github.com/Old-Owner/courseXpy",
    "https://github.com/Another-Old-Owner/course.py",
    "https://github.com/old-owner2/course.py",
    "https://bold-owner.github.io/course.py/",
    "prefix: /course.py/",
    "Old-Owner.course.py",
)


@pytest.mark.parametrize(("before", "after"), LINKS.items())
def test_every_form_is_led_to_the_new_name(before, after):
    assert rewrite(before, OLD, NEW) == (after, 1)


@pytest.mark.parametrize("text", OTHERS)
def test_links_to_others_stay(text):
    assert rewrite(text, OLD, NEW) == (text, 0)


def test_a_hash_does_not_depend_on_the_repository():
    before, after = "\n".join(LINKS), "\n".join(LINKS.values())
    assert normalise_address(before, OLD) == normalise_address(after, NEW)
    assert normalise_address(before, OLD) != normalise_address(before + "!", OLD)


def test_normalising_takes_the_name_from_pyproject():
    here = f'"git+https://github.com/{repository()}@main"'
    assert normalise_address(here) == f'"git+https://github.com/{PLACEHOLDER}@main"'
    assert normalise_address(normalise_address(here)) == normalise_address(here)


@pytest.mark.parametrize(
    "name",
    ["", "course", "a/b/c", "/b", "a/", "-a/b", "a b/c", "a/b c", "a/b\n", "a/..", "a/b.git",
     "a/b.", "Jane/jane.github.io", "jane/Jane.github.io", "https://github.com/a/b", "a;b/c",
     "a/$(b)", "é/b", "a" * 40 + "/b"],
)  # fmt: skip
def test_a_malformed_name_is_refused(name):
    with pytest.raises(ValueError, match=r"OWNER/REPO|can be called|published"):
        validate(name)


@pytest.mark.parametrize("name", ["a/b", "jane-doe/attention", "Jane_corp/A.b_c-1", "a/.github"])
def test_a_good_name_is_taken(name):
    assert validate(name) == name


# ---------------------------------------------------------------- the command


def git(root: Path, *arguments: str) -> str:
    # Neither the user's settings nor a hook's GIT_DIR may lead this to another repository.
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "core.autocrlf=false"]
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=root, env=env, check=True, capture_output=True
    )
    return done.stdout.decode()


def commit(root: Path) -> None:
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "all")


def retarget(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tools/retarget.py", *arguments],
        cwd=root,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"},
    )


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }


@pytest.fixture(scope="module")
def loose(tmp_path_factory) -> Path:
    """A tree in which every form stands in some file, not yet a checkout."""
    root = tmp_path_factory.mktemp("loose") / "a tree"
    for name in TOOLS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "pyproject.toml").write_bytes(
        b'[project]\nname = "x"\n[project.urls]\nRepository = "https://github.com/%s"\n'
        % OLD.encode()
    )
    (root / "README.md").write_bytes("\n".join([*LINKS, *OTHERS, "é"]).encode())
    (root / "dos.txt").write_bytes(b"a\r\nhttps://github.com/Old-Owner/course.py\r\n\r\n")
    cell = {"cell_type": "code", "source": [f'"git+https://github.com/{OLD}@main"\n', "x"]}
    (root / "a.ipynb").write_text(json.dumps({"cells": [cell]}, indent=1), encoding="utf-8")
    (root / "picture.png").write_bytes(b"\x89PNG\x00\xffhttps://github.com/Old-Owner/course.py")
    return root


@pytest.fixture(scope="module")
def checkout(loose, tmp_path_factory) -> Path:
    root = shutil.copytree(loose, tmp_path_factory.mktemp("checkout") / "a checkout")
    commit(root)
    return root


@pytest.fixture
def small(checkout, tmp_path) -> Path:
    """A checkout of one's own."""
    return shutil.copytree(checkout, tmp_path / "a checkout")


def test_nothing_of_the_old_name_remains(small):
    done = retarget(small, NEW)
    assert done.returncode == 0, done.stderr
    after = contents(small)
    del after["picture.png"]  # pictures are left alone
    for name, content in after.items():
        rest = content.decode()
        for other in OTHERS:
            rest = rest.replace(other, "")
        assert "old-owner" not in rest.lower(), name
    assert json.loads(after["a.ipynb"])["cells"][0]["source"][0] == (
        '"git+https://github.com/jane/seeing@main"\n'
    )
    assert repository(small) == NEW
    assert after["dos.txt"] == b"a\r\nhttps://github.com/jane/seeing\r\n\r\n"
    for line in ("README.md: 12 links", "a.ipynb: 1 link\n", "pyproject.toml: 1 link\n"):
        assert line in done.stdout
    assert "picture.png" not in done.stdout


def test_a_second_time_is_a_no_op_and_the_way_back_restores_every_byte(small):
    before = contents(small)
    assert retarget(small, NEW).returncode == 0
    there = contents(small)
    assert there != before
    again = retarget(small, NEW)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert contents(small) == there
    git(small, "commit", "-qam", "moved")
    assert retarget(small, OLD).returncode == 0
    assert contents(small) == before


def test_a_dry_run_writes_nothing(small):
    before = contents(small)
    done = retarget(small, NEW, "--dry-run")
    assert done.returncode == 0
    assert "README.md: 12 links" in done.stdout
    assert contents(small) == before


def test_uncommitted_changes_are_refused_unless_forced(small):
    (small / "dos.txt").write_bytes(b"https://github.com/Old-Owner/course.py, changed")
    before = contents(small)
    refused = retarget(small, NEW)
    assert refused.returncode == 2
    assert "dos.txt" in refused.stderr
    assert contents(small) == before
    assert retarget(small, NEW, "--force").returncode == 0
    assert (small / "dos.txt").read_bytes() == b"https://github.com/jane/seeing, changed"


def test_an_interrupted_run_can_be_made_again(small):
    """pyproject.toml is written last: until then, the old name is known."""
    written = re.findall(r"^  (.+): \d+ links?$", retarget(small, NEW).stdout, re.M)
    assert written == ["README.md", "a.ipynb", "dos.txt", "pyproject.toml"]
    whole = contents(small)
    git(small, "checkout", "-q", "pyproject.toml", "a.ipynb")
    assert retarget(small, NEW, "--force").returncode == 0
    assert contents(small) == whole


def test_a_mention_that_is_no_link_is_named(small):
    (small / "note.md").write_text(f"one\nclone {OLD} first\n", encoding="utf-8")
    git(small, "add", "note.md")
    git(small, "commit", "-qm", "note")
    assert "note.md:2: still names Old-Owner/course.py" in retarget(small, NEW).stdout


@pytest.mark.parametrize("name", ["course", "a/b/c", "https://github.com/a/b"])
def test_the_command_refuses_a_malformed_name(small, name):
    done = retarget(small, name)
    assert done.returncode == 2
    assert "OWNER/REPO" in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_a_checkout_it_says_so(loose, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(loose.parent))
    done = retarget(loose, NEW)
    assert done.returncode == 2
    assert "git" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_course_itself_can_move_and_come_back(tmp_path):
    root = tmp_path / "course"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode()  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    commit(root)
    old, new, before = repository(root), "somebody-else/another-course", contents(root)
    done = retarget(root, new)
    assert done.returncode == 0, done.stderr
    assert "To look at" not in done.stdout, done.stdout
    owner, repo = old.lower().split("/")
    for name, content in contents(root).items():
        text = content.decode("utf-8", errors="ignore")
        lines = [v for v in text.splitlines() if owner in v.lower() or repo in v.lower()]
        assert not links(old).search("\n".join(lines)), name
        assert f"{owner}.github.io" not in text.lower(), name
        assert f"github.com/{old}".lower() not in text.lower(), name
        if name.endswith(".ipynb"):  # so the hash of its sources is still that of its stamp
            assert normalise_address(before[name].decode(), old) == normalise_address(text, new)
    for name in ("README.md", "CITATION.cff", "LICENSE-text", ".github/ISSUE_TEMPLATE/config.yml"):
        assert new in (root / name).read_text(encoding="utf-8"), name
    git(root, "commit", "-qam", "moved")
    assert retarget(root, old).returncode == 0
    assert contents(root) == before
