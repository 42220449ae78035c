"""The repository's own files agree with one another: versions, workflows, README, citation."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import check_jsonschema
import pytest
import yaml
from chapter_rules import source_lines_are_sentences
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from repository import links, repository

import attncourse

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
GUIDES = ("README.md", "CONTRIBUTING.md")
HOSTS_OWN = ("torch", "numpy", "matplotlib", "ipywidgets")  # what Colab brings
FIXED = {"jupyter-book", "torch", "matplotlib", "ipywidgets", "nbval", "numpy"}
GPU = re.compile(r"(nvidia|cuda|triton)\b")  # they follow from torch, on Linux only


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def project() -> dict:
    return tomllib.loads(text("pyproject.toml"))["project"]


def requirements() -> list[Requirement]:
    """Every direct dependency, of the package and of its extras."""
    groups = [project()["dependencies"], *project()["optional-dependencies"].values()]
    return [Requirement(line) for group in groups for line in group]


def pins() -> list[Requirement]:
    lines = [line.split("#")[0].strip() for line in text("constraints.txt").splitlines()]
    return [Requirement(line) for line in lines if line]


def version(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", pin
    assert "*" not in specifier.version, pin
    return specifier.version


def pythons() -> list[str]:
    """The Python versions of the classifiers, such as 3.11."""
    found = [c.rsplit(" ", 1)[1] for c in project()["classifiers"] if "Python :: 3." in c]
    return sorted(found, key=lambda v: int(v.split(".")[1]))


def machines() -> list[dict[str, str]]:
    """The marker environments that the constraints are for."""
    systems = {
        "linux": ("posix", "Linux", "x86_64"),
        "darwin": ("posix", "Darwin", "arm64"),
        "win32": ("nt", "Windows", "AMD64"),
    }
    return [
        {
            "python_version": python,
            "python_full_version": f"{python}.{patch}",
            "sys_platform": system,
            "os_name": os_name,
            "platform_system": platform,
            "platform_machine": machine,
            "extra": "",
        }
        for python in pythons()
        for patch in (0, 9)
        for system, (os_name, platform, machine) in systems.items()
    ]


def applies(requirement: Requirement, machine: dict[str, str] | None = None) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(machine)


def workflow(name: str) -> dict:
    return yaml.safe_load((WORKFLOWS / name).read_text(encoding="utf-8"))


def steps(name: str) -> list[dict]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


WORKFLOW_NAMES = sorted(path.name for path in WORKFLOWS.glob("*.yml"))

# ---------------------------------------------------------------- versions


@pytest.mark.parametrize("machine", machines(), ids=lambda m: " ".join(list(m.values())[1:3]))
def test_each_dependency_has_one_pin_within_its_range(machine):
    for requirement in requirements():
        if not applies(requirement, machine):
            continue
        fitting = [p for p in pins() if same(p, requirement) and applies(p, machine)]
        assert len(fitting) == 1, f"{requirement}: {[str(p) for p in fitting]}"
        assert requirement.specifier.contains(version(fitting[0]), prereleases=True), fitting[0]


def same(one: Requirement, other: Requirement) -> bool:
    return canonicalize_name(one.name) == canonicalize_name(other.name)


def test_no_package_is_pinned_twice_on_one_machine():
    for machine in machines():
        names = [canonicalize_name(p.name) for p in pins() if applies(p, machine)]
        assert len(set(names)) == len(names), sorted({n for n in names if names.count(n) > 1})


def test_pins_are_sorted_and_exact():
    names = [canonicalize_name(p.name) for p in pins()]
    assert names == sorted(names)
    assert all(version(p) for p in pins())


def test_the_pins_are_what_the_course_needs_no_more_no_less():
    """Everything that is reached from pyproject.toml here has a pin, and every pin is reached."""
    here = {canonicalize_name(p.name): version(p) for p in pins() if applies(p)}
    reached: set[str] = set()
    waiting = [(r, "") for r in requirements()]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if GPU.match(name):
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed: not the pinned environment")
        if name in here and distribution.version.split("+")[0] != here[name]:
            pytest.skip(f"{name} {distribution.version}: not the pinned environment")
        reached.add(name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(r), wanted) for r in distribution.requires or []]
    assert reached - set(here) == set(), "without a pin"
    assert set(here) - reached == set(), "pinned, but nothing needs it"


def test_the_package_sets_no_upper_bound():
    """Colab's own packages stay as they are."""
    for requirement in map(Requirement, project()["dependencies"]):
        assert {s.operator for s in requirement.specifier} == {">="}, requirement
        assert requirement.marker is None, requirement
    assert {r.name for r in requirements()} >= set(HOSTS_OWN)
    for requirement in requirements():
        if requirement.name in HOSTS_OWN:
            assert {s.operator for s in requirement.specifier} == {">="}, requirement


def test_conda_installs_the_same():
    environment = yaml.safe_load(text("environment.yml"))
    assert environment["channels"] == ["conda-forge"]
    *conda, pip = environment["dependencies"]
    python = next(d.partition("=")[2] for d in conda if d.startswith("python="))
    assert python in pythons()
    assert {"pip", "make"} <= set(conda)
    options = [line for line in pip["pip"] if line.startswith("-")]
    extras = ",".join(project()["optional-dependencies"])
    assert options == ["-c constraints.txt", f"-e .[{extras}]"]
    named = [Requirement(line) for line in pip["pip"] if not line.startswith("-")]
    assert {r.name for r in named} == FIXED
    for requirement in named:
        (pin,) = [p for p in pins() if same(p, requirement)]
        assert version(requirement) == version(pin)


def test_python_versions_agree():
    bound = SpecifierSet(project()["requires-python"])
    assert str(bound) == f">={pythons()[0]}"
    assert pythons() == [f"3.{n}" for n in range(11, 11 + len(pythons()))]
    found: set[str] = set()
    for name in WORKFLOW_NAMES:
        found |= set(python_versions(workflow(name)))
    assert found == set(pythons())
    assert set(python_versions(workflow("weekly.yml"))) == set(pythons())
    settings = tomllib.loads(text("pyproject.toml"))["tool"]
    assert settings["mypy"]["python_version"] == pythons()[0]


def python_versions(node: object) -> list[str]:
    """All values of python-version; an unquoted 3.10 would be read as 3.1."""
    if not isinstance(node, dict):
        return [v for item in node for v in python_versions(item)] if isinstance(node, list) else []
    here = node.get("python-version", [])
    here = here if isinstance(here, list) else [here]
    assert all(isinstance(v, str) for v in here), f"quote {here}"
    deeper = [v for item in node.values() for v in python_versions(item)]
    return [v for v in here if "${{" not in v] + deeper


# ---------------------------------------------------------------- GitHub


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS.glob("*.yml")),
        ("vendor.github-issue-forms", set(FORMS.glob("*.yml")) - {FORMS / "config.yml"}),
        ("vendor.github-issue-config", [FORMS / "config.yml"]),
        ("vendor.citation-file-format", [ROOT / "CITATION.cff"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_keep_their_schema(schema, files):
    command = ["--builtin-schema", schema, *map(str, sorted(files))]
    done = CliRunner().invoke(check_jsonschema.main, command)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("name", WORKFLOW_NAMES)
def test_workflows_ask_for_little(name):
    flow = workflow(name)
    assert flow["permissions"] == {"contents": "read"}
    assert flow["concurrency"]
    for job in flow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 180
        written = {k for k, v in job.get("permissions", {}).items() if v == "write"}
        deploys = any("deploy-pages" in step.get("uses", "") for step in job["steps"])
        assert written == ({"pages", "id-token"} if deploys else set())
    for step in steps(name):
        if uses := step.get("uses"):
            assert re.fullmatch(r"actions/[\w-]+@v\d+", uses), "GitHub's own actions, by version"
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "text of an event may hold commands: use env"


def test_the_course_is_tested_where_the_readme_says():
    assert set(workflow("test.yml")[True]) >= {"pull_request", "push"}  # YAML 1.1 reads on as True
    assert workflow("test.yml")[True]["push"]["branches"] == ["main"]
    course = workflow("test.yml")["jobs"]["course"]
    assert course["runs-on"] == "ubuntu-latest"
    commands = "\n".join(step.get("run", "") for step in course["steps"])
    assert re.search(
        r"make book\n.*playwright install --with-deps chromium\n.*make test", commands, re.S
    )
    weekly = workflow("weekly.yml")
    assert weekly[True]["schedule"]
    assert {"windows-latest", "macos-latest"} <= set(
        weekly["jobs"]["course"]["strategy"]["matrix"]["os"]
    )
    for job in (course, weekly["jobs"]["course"]):
        assert job["env"]["ATTNCOURSE_REQUIRE_BROWSER"] == "1"
        assert "vars.TORCH_CPU_INDEX" in job["env"]["PIP_EXTRA_INDEX_URL"]
    assert "TORCH_CPU_INDEX" in text("CONTRIBUTING.md")


def test_a_fork_publishes_a_book_that_links_to_itself():
    build, deploy = (workflow("publish.yml")["jobs"][name] for name in ("build", "deploy"))
    order = [step.get("run", "") + step.get("uses", "") for step in build["steps"]]
    wanted = [
        'tools/retarget.py "$GITHUB_REPOSITORY"',
        "tools/course.py book",
        "upload-pages-artifact",
    ]
    places = [next(i for i, line in enumerate(order) if word in line) for word in wanted]
    assert places == sorted(places)
    assert build["steps"][places[2]]["with"]["path"] == "_build/html"
    assert deploy["needs"] == "build"


@pytest.mark.parametrize("name", ["chapter.yml", "wrong_result.yml"])
def test_issue_forms_ask_for_the_doctor(name):
    form = yaml.safe_load((FORMS / name).read_text(encoding="utf-8"))
    (field,) = [f for f in form["body"] if f.get("id") == "doctor"]
    assert "`python -m attncourse doctor`" in field["attributes"]["description"]
    assert field["validations"]["required"] is (name == "chapter.yml")


# ---------------------------------------------------------------- words


@pytest.mark.parametrize("name", GUIDES)
def test_one_sentence_a_line(name):
    cell = {"cell_type": "markdown", "id": name, "source": text(name)}
    assert source_lines_are_sentences(name, {"cells": [cell]}) == []


@pytest.mark.parametrize("name", GUIDES)
def test_local_links_lead_somewhere(name):
    found = re.findall(r"\]\((?!https?:)([^)#]+)(#[^)]*)?\)", text(name))
    found += [(t, "") for t in re.findall(r'(?:src|srcset)="([^"]+)"', text(name))]
    assert found
    missing = sorted({target for target, _ in found if not (ROOT / target).exists()})
    assert not missing
    for target, anchor in found:
        if anchor:
            headings = re.findall(r"^#+ (.+)$", text(target), re.M)
            assert anchor[1:] in {h.lower().replace(" ", "-") for h in headings}, anchor


def test_commands_that_are_named_exist():
    guides = "\n".join(text(name) for name in GUIDES)
    makefile = set(re.findall(r"^(\w+):", text("Makefile"), re.M))
    assert set(re.findall(r"(?:`|^)make (\w+)", guides, re.M)) <= makefile
    for tool, command in set(re.findall(r"tools/(\w+)\.py ([a-z]+)?", guides)):
        path = ROOT / "tools" / f"{tool}.py"
        assert path.exists(), path
        if command and tool in ("course", "notebook"):
            assert re.search(rf'"{command}"', path.read_text(encoding="utf-8")), command
    commands = set(re.findall(r"python -m attncourse (\w+)", guides))
    assert commands == {"list", "doctor", "run", "progress", "exercises", "wings"}
    for command in commands:
        assert f'add_parser("{command}"' in text("attncourse/__main__.py"), command


def test_the_readme_s_module_works_as_shown():
    torch = pytest.importorskip("torch")
    (code, *_) = re.findall(r"```python\n(.+?)```", text("README.md"), re.S)
    names: dict = {}
    exec(code, names)
    assert names["y"].shape == torch.Size([2, 64, 32, 32])
    assert names["weights"].shape == torch.Size([2, 64])


def test_badges_launch_this_repository():
    readme = text("README.md")
    launched = re.findall(r"(?:\.com/github|/v2/gh)/([\w.-]+/[\w.-]+)/", readme)
    assert launched == [repository()] * 2
    for notebook in re.findall(r"(?:blob/main|lab/tree)/([\w./-]+\.ipynb)", readme):
        assert (ROOT / notebook).exists(), notebook


def test_the_address_is_written_one_way():
    """In any other casing the links would work, but retarget.py would not find them."""
    for name in ("README.md", "CITATION.cff", "LICENSE-text", "_config.yml", "pyproject.toml"):
        loose = re.compile(links(repository()).pattern, re.I)
        assert len(loose.findall(text(name))) == len(links(repository()).findall(text(name))), name


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["version"] == project()["version"] == attncourse.__version__
    assert citation["license"] == project()["license"]
    assert citation["repository-code"] == project()["urls"]["Repository"]
    assert citation["url"] == project()["urls"]["Documentation"]
    assert [a["name"] for a in citation["authors"]] == [a["name"] for a in project()["authors"]]


def test_the_licence_of_the_text():
    notice = text("LICENSE-text")
    assert "SPDX-License-Identifier: CC-BY-4.0" in notice
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in notice
    assert f"https://github.com/{repository()}" in notice
    assert set(project()["license-files"]) == {"LICENSE", "LICENSE-text"}


OWN = [*GUIDES, "CITATION.cff", "LICENSE-text", "constraints.txt", "environment.yml",
       *(p.relative_to(ROOT).as_posix() for p in (ROOT / ".github").rglob("*.*"))]  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_no_machine_and_no_package_index_is_named(name):
    content = text(name)
    assert not re.search(r"(?<![\w./-])/(?:root|home|work|tmp|Users|opt)/|[A-Z]:\\", content)
    assert not re.search(r"https?://\S*/(?:simple|whl)\b|index-url[= ]+\S*//", content)


def test_line_ends_are_lf():
    done = subprocess.run(["git", "ls-files", "--eol"], cwd=ROOT, capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert lines
    assert [line for line in lines if re.match(r"i/(?:crlf|mixed)", line)] == []
    assert [name for name in OWN if b"\r" in (ROOT / name).read_bytes()] == []
