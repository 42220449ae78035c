"""The setup cell in clean environments: it installs the package and leaves the host's alone.

Pip decides by names, versions and requirements alone, so that empty stand-ins with the metadata
of the real packages serve: the host's torch, numpy, matplotlib and ipywidgets are the oldest that
are supported, those that CI tests, and ones that do not exist yet; everything else is offered as
it is installed here.  The cell itself runs, with pip told to resolve everything and to install
nothing.  Pip sees no index and no configuration of the user's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import chapter_rules as rules
import pytest

import attncourse

ROOT = Path(__file__).parents[2]
#: Releases for hosts with an old NumPy, which an index offers beside the present ones.
OLDER = {("scipy", "1.16.3"): ["numpy<2.6,>=1.25.2"]}
HOST = ("torch", "numpy", "matplotlib", "ipywidgets")


def setup_cell(name):
    cells = json.loads((ROOT / "book" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def oldest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = dict(re.fullmatch(r"([\w-]+)>=([\d.]+)", r).groups() for r in project["dependencies"])
    return {name: bounds[name] for name in HOST}


def pinned():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return {name: re.search(rf"(?m)^{name}==([\d.]+)", text)[1] for name in HOST}


def to_come():
    """NumPy stays: others, such as SciPy, do cap it."""
    ahead = {name: f"{int(version.split('.')[0]) + 1}.0" for name, version in pinned().items()}
    return ahead | {"numpy": pinned()["numpy"]}


def stand_in(folder, name, version, requires=()):
    """A wheel with a name, a version, requirements and an empty module."""
    stem = re.sub(r"[-.]+", "_", name)
    info = f"{stem}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    wheel = folder / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
        file.writestr(f"{stem}.py", "")
    return wheel


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """What an index would offer: every package that is installed here, as a stand-in."""
    folder = tmp_path_factory.mktemp("shelf")
    for found in metadata.distributions():
        bare = [r for r in found.requires or () if "extra ==" not in r]
        stand_in(folder, found.metadata["Name"], found.version.split("+")[0], bare)
    for (name, version), requires in OLDER.items():
        stand_in(folder, name, version, requires)
    return folder


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """The interpreter of an environment that holds pip alone."""
    folder = tmp_path_factory.mktemp("host")
    venv.create(folder, with_pip=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def pip_alone(shelf, **more):
    """The environment's variables, without those by which a user configures pip or Python."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    own = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shelf)}
    return kept | own | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"} | more


@pytest.mark.parametrize("versions", [oldest, pinned, to_come], ids=lambda f: f.__name__)
def test_the_cell_leaves_the_hosts_packages_as_they_are(versions, shelf, host, tmp_path):
    wheels = [str(stand_in(tmp_path, name, v)) for name, v in versions().items()]
    subprocess.run(
        [host, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", *wheels],
        env=pip_alone(shelf), check=True,
    )  # fmt: skip
    cell = setup_cell(rules.chapters()[0])
    here, changed = re.subn(r"git\+https://[^\"]+", "attncourse", cell)
    assert changed == 1
    (tmp_path / "after").mkdir()  # what the dry run does not install, for the cell's last lines
    (tmp_path / "after" / "attncourse.py").write_text(f"__version__ = '{attncourse.__version__}'")
    here = here.replace("\nimport attncourse", "\nsys.path.append('after')\nimport attncourse")
    report = tmp_path / "report.json"
    done = subprocess.run(
        [host, "-c", here], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=pip_alone(shelf, PIP_DRY_RUN="1", PIP_REPORT=str(report)),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    chosen = {
        item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"]
        for item in json.loads(report.read_text(encoding="utf-8"))["install"]
    }
    assert "attncourse" in chosen
    assert not chosen.keys() & set(HOST), f"pip would replace {chosen.keys() & set(HOST)}"


def test_pip_would_replace_what_the_package_refuses(shelf, host, tmp_path):
    """The stand-ins can tell: an upper pin on torch shows in pip's report."""
    pinned_torch = stand_in(tmp_path, "narrow", "1.0", ["torch<=2.13.0"])
    ahead = stand_in(tmp_path, "torch", "3.0")
    pip = [host, "-m", "pip", "install", "-q"]
    subprocess.run(
        [*pip, "--no-deps", "--force-reinstall", ahead], env=pip_alone(shelf), check=True
    )
    report = tmp_path / "report.json"
    subprocess.run(
        [*pip, "--dry-run", "--report", report, pinned_torch], env=pip_alone(shelf), check=True
    )
    install = json.loads(report.read_text(encoding="utf-8"))["install"]
    assert {"torch", "narrow"} <= {item["metadata"]["name"] for item in install}


def test_the_cell_does_nothing_where_the_package_is(tmp_path):
    (tmp_path / "attncourse.py").write_text(f"__version__ = '{attncourse.__version__}'")
    blocked = {"PIP_NO_INDEX": "1", "PYTHONPATH": str(tmp_path), "PIP_DRY_RUN": "1"}
    done = subprocess.run(
        [sys.executable, "-c", setup_cell(rules.chapters()[0])], env=os.environ | blocked,
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("old", ["0.1.0", "0.1"])
def test_an_older_package_is_told_how_to_get_the_newer(old, tmp_path):
    (tmp_path / "attncourse.py").write_text(f"__version__ = {old!r}")
    done = subprocess.run(
        [sys.executable, "-c", setup_cell(rules.chapters()[0])], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)}, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert re.fullmatch(
        rf"ImportError: this chapter needs attncourse [\d.]+ or newer, here is {old}: "
        rf"run  pip install -U git\+https://\S+  and restart the kernel",
        last,
    )


def test_the_cell_is_the_same_in_every_chapter():
    assert len({setup_cell(name) for name in rules.chapters()}) == 1
