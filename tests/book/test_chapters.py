"""Every notebook of the table of contents keeps every rule, and belongs to its wings."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import chapter_rules as rules
import pytest
import yaml

from attncourse.catalog import CARDS
from attncourse.exercises.register import exercises_of, quiz_of
from attncourse.plan import CHAPTERS

NAMES = rules.chapters()
#: Folders of the package that hold a file or a package of every mechanism.
WINGS = ("", "exercises", "experiments")


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda r: r.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_chapter_keeps(name, rule):
    assert rule(name, rules.load(name)) == []


def test_the_table_of_contents_is_the_set_of_notebooks():
    notebooks = [p for p in rules.BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    there = {p.relative_to(rules.BOOK).with_suffix("").as_posix() for p in notebooks}
    assert there == set(NAMES)


def test_every_mechanism_has_all_its_wings(repository):
    for card in (card for card in CARDS if card.leads):
        for place in (
            f"book/{card.chapter}.ipynb", f"book/results/{card.chapter}.json",
            f"tests/{card.category}/test_{card.stem}.py",
        ):  # fmt: skip
            assert (repository / place).exists(), place
        for wing in WINGS:
            path = repository / "attncourse" / wing / card.chapter
            assert path.is_dir() != path.with_suffix(".py").exists(), path


def test_a_folder_of_a_wing_shows_its_mechanisms_and_nothing_else(repository):
    planned = {c.path for c in CHAPTERS}
    for wing in WINGS:
        for category in {c.category for c in CHAPTERS}:
            folder = repository / "attncourse" / wing / category
            if not folder.is_dir():
                continue
            found = {p.stem for p in folder.iterdir() if p.suffix == ".py" or _is_package(p)}
            assert {f"{category}/{name}" for name in found - {"__init__"}} <= planned


def _is_package(path):
    return (path / "__init__.py").exists()


@pytest.mark.parametrize("wing", WINGS)
def test_a_mechanism_of_one_file_is_that_file(repository, wing):
    """A package holds more than one file beside its ``__init__``."""
    for card in CARDS:
        folder = repository / "attncourse" / wing / card.chapter
        if folder.is_dir():
            assert len(list(folder.rglob("*.py"))) > 2, folder


def test_chapters_stand_in_the_order_of_the_plan():
    planned = [c.path for c in CHAPTERS]
    places = [planned.index(name) for name in NAMES]
    assert places == sorted(places)


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_of_the_chapter_is_registered_and_asked(name):
    code = "\n".join(c["source"] for c in rules.load(name)["cells"] if c["cell_type"] == "code")
    asked = set(re.findall(r"""check\(\s*["']([a-z_0-9.]+)["']""", code))
    assert asked == {e.id for e in exercises_of(name)}
    assert len(quiz_of(name).questions) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_hints_stand_folded_in_the_page(name):
    """The page has no kernel to ask for a hint; its words are those of the package."""
    cells = [c["source"] for c in rules.load(name)["cells"] if c["cell_type"] == "markdown"]
    prose = " ".join(" ".join(cells).split())
    for exercise in exercises_of(name):
        for number, text in enumerate(exercise.hints, 1):
            wanted = (
                f"<details><summary>Hint {number}</summary> {' '.join(text.split())} </details>"
            )
            assert wanted in prose, f"{exercise.id}, hint {number}"


@pytest.mark.parametrize("name", NAMES)
def test_the_citation_of_the_chapter_is_on_the_references_page(name, repository):
    chapter = next(c for c in CHAPTERS if c.path == name)
    keys = re.findall(
        r"^@\w+\{([^,]+),", (repository / "book/references.bib").read_text(encoding="utf-8"), re.M
    )
    assert set(chapter.keys) <= set(keys)


@pytest.mark.parametrize("name", NAMES)
def test_every_linked_paper_is_on_the_references_page(name, repository):
    bib = (repository / "book/references.bib").read_text(encoding="utf-8")
    text = "\n".join(c["source"] for c in rules.load(name)["cells"] if c["cell_type"] == "markdown")
    linked = re.findall(r"arxiv\.org/abs/([\d.]+\d)", text)
    linked += [unquote(d) for d in re.findall(r"doi\.org/([^\s>]+?)\)?[)>\s,;]", text)]
    assert linked
    missing = [i for i in linked if i.split("(")[0] not in bib]
    assert not missing, f"add to book/references.bib: {missing}"


@pytest.mark.parametrize("name", NAMES)
def test_local_links_lead_somewhere(name):
    """JupyterLab and Colab follow relative links to files, without Sphinx's help."""
    text = "\n".join(c["source"] for c in rules.load(name)["cells"] if c["cell_type"] == "markdown")
    here = rules.notebook_path(name).parent
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text):
        assert (here / target).exists(), target


def test_configuration_is_offline(repository):
    config = yaml.safe_load((repository / "_config.yml").read_text(encoding="utf-8"))
    assert config["execute"]["execute_notebooks"] in ("off", False)
    assert not config["launch_buttons"].get("thebe", False)


def test_text_files_hold_no_path_of_a_machine(repository):
    """Neither sources nor results name a folder of somebody's computer."""
    found = []
    for pattern in (
        "attncourse/**/*.py",
        "tools/*.py",
        "book/**/*.md",
        "book/results/**/*.json",
        "*.yml",
        "*.md",
    ):
        for path in repository.glob(pattern):
            text = path.read_text(encoding="utf-8")
            found += [f"{path.name}: {m}" for m in re.findall(r"(?:/home|/root|/Users)/\w+", text)]
    assert not found


def test_results_are_plain_data(repository):
    for path in (repository / "book/results").rglob("*.json"):
        stored = json.loads(path.read_text(encoding="utf-8"))
        assert (
            stored["chapter"]
            == path.relative_to(repository / "book/results").with_suffix("").as_posix()
        )
        page = repository / "book" / stored["chapter"]
        assert page.with_suffix(".ipynb").exists() or page.with_suffix(".md").exists()
