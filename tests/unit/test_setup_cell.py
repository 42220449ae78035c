"""The setup cell in clean environments: it installs the package and leaves the host's alone.

The host's torch, numpy, matplotlib and ipywidgets are stand-ins with a name and a version, since
pip decides by these alone: the oldest that are supported, those that CI tests, and ones that do
not exist yet.  The cell itself runs, with pip told to resolve everything and to install nothing.
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
from pathlib import Path

import chapter_rules as rules
import pytest

ROOT = Path(__file__).parents[2]
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


def stand_in(folder, name, version):
    """A wheel with a name, a version and an empty module."""
    info = f"{name}-{version}.dist-info"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
        file.writestr(f"{name}.py", "")
    return wheel


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package as a wheel; building it needs an index, and so does what follows."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    if subprocess.run(build, capture_output=True, check=False).returncode:
        if os.environ.get("ATTNCOURSE_REQUIRE_BROWSER"):  # set where the whole set must run
            pytest.fail("pip cannot build the package: is an index within reach?")
        pytest.skip("pip cannot build the package: it needs an index within reach")
    return next(folder.glob("attncourse-*.whl"))


@pytest.mark.parametrize("versions", [oldest, pinned, to_come], ids=lambda f: f.__name__)
def test_the_cell_leaves_the_hosts_packages_as_they_are(versions, package, tmp_path):
    host = tmp_path / "host"
    venv.create(host, with_pip=True)
    python = host / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wheels = [str(stand_in(tmp_path, name, v)) for name, v in versions().items()]
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", *wheels], check=True
    )
    cell = setup_cell(rules.chapters()[0])
    here, changed = re.subn(r"git\+https://[^\"]+", package.as_posix(), cell)
    assert changed == 1
    report = tmp_path / "report.json"
    told = {"PYTHONPATH": "", "PIP_DRY_RUN": "1", "PIP_REPORT": str(report), "PIP_CONSTRAINT": ""}
    done = subprocess.run(
        [python, "-c", here], env=os.environ | told, cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    chosen = {
        item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"]
        for item in json.loads(report.read_text(encoding="utf-8"))["install"]
    }
    assert "attncourse" in chosen
    assert not chosen.keys() & set(HOST), f"pip would replace {chosen.keys() & set(HOST)}"


@pytest.mark.parametrize("name", rules.chapters())
def test_the_cell_does_nothing_where_the_package_is(name, tmp_path):
    (tmp_path / "attncourse.py").touch()
    blocked = {"PIP_NO_INDEX": "1", "PYTHONPATH": str(tmp_path), "PIP_DRY_RUN": "1"}
    done = subprocess.run(
        [sys.executable, "-c", setup_cell(name)], env=os.environ | blocked, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_cell_is_the_same_in_every_chapter():
    assert len({setup_cell(name) for name in rules.chapters()}) == 1
