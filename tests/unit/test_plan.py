"""The plan of the course: complete, in order, and in step with what exists."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from attncourse.plan import CHAPTERS, SOURCES, Chapter

ROOT = Path(__file__).parents[2]
BIBLIOGRAPHY = ROOT / "book" / "references.bib"
ORDER = [
    "foundations",
    "channel",
    "spatial",
    "temporal",
    "branch",
    "channel_spatial",
    "spatial_temporal",
    "closing",
]


def keys() -> list[str]:
    return re.findall(r"^@\w+\{([^,]+),", BIBLIOGRAPHY.read_text(encoding="utf-8"), re.MULTILINE)


def test_there_are_thirty_six_chapters() -> None:
    assert len(CHAPTERS) == 36
    sizes = Counter(chapter.category for chapter in CHAPTERS)
    assert [sizes[name] for name in ORDER] == [2, 9, 11, 2, 2, 4, 4, 2]


def test_stems_are_unique_and_in_snake_case() -> None:
    stems = [chapter.stem for chapter in CHAPTERS]
    assert len(set(stems)) == len(stems)
    assert all(re.fullmatch(r"[a-z][a-z_]*[a-z]", stem) for stem in stems)


def test_titles_are_unique() -> None:
    assert len({chapter.title for chapter in CHAPTERS}) == 36
    assert len({chapter.short for chapter in CHAPTERS}) == 36


def test_categories_stand_in_the_order_of_the_course() -> None:
    places = [ORDER.index(chapter.category) for chapter in CHAPTERS]
    assert places == sorted(places)


def test_categories_and_questions_are_those_of_the_package() -> None:
    attention = pytest.importorskip("attncourse.attention")
    asked = {
        chapter.category: chapter.question
        for chapter in CHAPTERS
        if chapter.category not in ("foundations", "closing")
    }
    assert list(asked.items()) == list(attention.CATEGORIES.items())


def test_every_card_is_in_the_plan_under_the_same_names() -> None:
    catalog = pytest.importorskip("attncourse.catalog")
    plan = {chapter.path: chapter for chapter in CHAPTERS}
    for card in catalog.CARDS:
        chapter = plan[card.chapter]
        if card.leads:
            assert (card.key, card.year) == (chapter.key, chapter.year)
            several = {c.key for c in catalog.cards_of(card.chapter)} != {card.key}
            assert several or card.title == chapter.title, "one mechanism: the chapter has its name"
        else:
            assert card.key in chapter.keys, "the chapter's further keys name it"
    leads = [card.chapter for card in catalog.CARDS if card.leads]
    assert sorted(leads) == sorted(catalog.CHAPTERS_WRITTEN), "one card gives a chapter its name"
    assert len({card.stem for card in catalog.CARDS}) == len(catalog.CARDS)


def named_beside(title: str, others: list[str]) -> list[str]:
    """Which of ``others`` begin with a word that stands in ``title``, too."""

    def words(text: str) -> list[str]:
        return re.findall(r"[\w-]+", text.lower())

    return [other for other in others if words(other)[0] in words(title)]


def test_a_card_is_called_after_its_own_mechanism_alone() -> None:
    catalog = pytest.importorskip("attncourse.catalog")
    for card in catalog.CARDS:
        beside = [c.title for c in catalog.cards_of(card.chapter) if c.key != card.key]
        assert not named_beside(card.title, beside), card.title
    # Titles of chapters name several mechanisms; parts of a name are other names.
    assert named_beside("Highway and SKNet", ["Highway layer"]) == ["Highway layer"]
    assert named_beside("CBAM, BAM, scSE", ["scSE", "BAM"]) == ["scSE", "BAM"]
    assert named_beside("Coordinate, triplet, SimAM", ["Triplet attention"])
    assert not named_beside("CBAM", ["scSE", "BAM"])


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_a_row_is_complete(chapter: Chapter) -> None:
    assert chapter.source
    assert set(chapter.source) <= set(SOURCES)
    assert chapter.decides.endswith(".")
    assert len(chapter.decides) <= 100
    assert chapter.decides.count(". ") == 0, "one sentence"
    if chapter.source == ("ours",):
        assert not chapter.keys
        assert chapter.year is None
    else:
        assert chapter.key
        assert 2010 <= (chapter.year or 0) <= 2022
        assert set(chapter.keys) <= set(keys())


def test_the_key_carries_the_year() -> None:
    for chapter in CHAPTERS:
        if chapter.key:
            assert str(chapter.year) in chapter.key


def test_the_bibliography_has_no_double_and_no_bare_entry() -> None:
    found = keys()
    assert len(set(found)) == len(found)
    for entry in BIBLIOGRAPHY.read_text(encoding="utf-8").split("\n@")[1:]:
        for field in ("author = {", "title = {{", "year = {"):
            assert field in entry, entry.splitlines()[0]


def test_every_written_chapter_is_in_the_plan() -> None:
    paths = {chapter.path for chapter in CHAPTERS}
    for notebook in (ROOT / "book").glob("*/*.ipynb"):
        assert f"{notebook.parent.name}/{notebook.stem}" in paths


def test_the_file_lists_what_the_module_reads() -> None:
    plan = tomllib.loads((ROOT / "attncourse" / "plan.toml").read_text(encoding="utf-8"))
    listed = [row["stem"] for category in plan["category"] for row in category["chapter"]]
    assert listed == [chapter.stem for chapter in CHAPTERS]


def test_reading_the_plan_does_not_import_torch() -> None:
    code = "import sys, attncourse.plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
