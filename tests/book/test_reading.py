"""What counts as a chapter's main path, and how what lies beside it folds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx")
sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))

from attnbook import deeper, reading
from docutils import nodes


def markdown(*lines):
    return {"cell_type": "markdown", "source": "\n".join(lines), "metadata": {}}


def code(*lines, tags=(), html=""):
    outputs = [{"output_type": "display_data", "data": {"text/html": html}}] if html else []
    return {"cell_type": "code", "source": "\n".join(lines), "metadata": {"tags": list(tags)},
            "outputs": outputs}  # fmt: skip


def measured(*cells):
    return reading.measure({"cells": list(cells)})


def test_words_formulas_lines_tables_and_figures_are_counted():
    found = measured(
        markdown("## The maths", "", "Two words, $x + y = z$.", "", "$$", "a = b \\tag{1}", "$$"),
        markdown("| a | b |", "|---|---|", "| 1 | 2 |", "", "**Figure 1.** See [a map](x.ipynb)."),
        code("x = 1", "", "y = 2"),
        markdown("```python", "z = 3", "# no heading", "```"),
    )
    assert found.path == reading.Part(words=10, formulas=1, lines=4, tables=1, rows=2, figures=1)
    assert found.deeper == reading.Part()


def test_minutes_grow_with_everything():
    part = reading.Part(words=1500, formulas=6, lines=40, figures=3, machines=2)
    assert part.minutes == 10 + 3 + 2 + 1 + 2
    assert reading.Part(printed=40, tables=3, rows=12).minutes == 1 + 0.5 + 0.5
    assert [reading.rounded(m) for m in (0.2, 7.4, 12, 38)] == [1, 7, 10, 40]


def test_what_is_printed_tried_and_promised_counts():
    """Text that a cell shows, not that of a picture; a machine; a cell of promises."""
    printed = code("print(x)")
    printed["outputs"] = [
        {"output_type": "stream", "text": ["one\n", "\n", "two\n"]},
        {"output_type": "execute_result", "data": {"text/plain": "three"}},
        {"output_type": "display_data", "data": {"text/plain": "a figure", "image/png": ""}},
    ]
    live = code("views.machines.gate_machine(", "    x,", ")", tags=["hide-input"])
    proof = code("views.promises((1, 2, 3))", html="<table><tr></tr><tr></tr></table>")
    found = measured(markdown("## A"), printed, live, proof, markdown("## Deeper: more"), proof)
    assert found.path == reading.Part(
        words=1, lines=2, printed=3, tables=1, rows=2, machines=1, promises=1
    )
    assert found.deeper.promises == 1


@pytest.mark.parametrize("tag", ["hide-input", "hide-cell", "remove-cell", "remove-input"])
def test_what_is_folded_does_not_count(tag):
    found = measured(
        code("a = 1", "b = 2", tags=[tag], html="<table></table>"),
        markdown("Before.", "<details>", "<summary>Proof</summary>", "", "Long.", "</details>"),
    )
    assert found.path == reading.Part(words=1, tables=1)


def test_a_deeper_section_ends_at_the_next_heading_of_its_level():
    found = measured(
        markdown("## One", "path", "", "### Deeper: more", "away"),
        code("away = 1"),
        markdown("#### Within", "away too", "", "### Back", "path again"),
        code("path = 1"),
        markdown("### Deeper: last", "away"),
        markdown("## Two", "path"),
    )
    assert found.path.lines == found.deeper.lines == 1
    assert found.path.words == 7, "One, path, Back, path, again, Two, path"


def test_exercises_count_by_their_levels():
    found = measured(
        markdown("## Exercises", "### Exercise 1: a thing (level 1)", "many words here"),
        markdown("### Exercise 2: another (level 3)"),
        code("quiz('x')", html='<div role="group"></div><div role="group"></div>'),
        markdown("## Sources", "end"),
    )
    assert found.levels == ["1", "3"]
    assert found.exercise_minutes == reading.rounded(4 + 12 + 2)
    assert found.path.words == 2


def section(title, *rest):
    return nodes.section("", nodes.title(text=title), *rest)


def test_a_section_that_deepens_becomes_a_fold_with_its_heading_as_summary():
    inner = nodes.paragraph(text="more")
    page = nodes.document(None, None)
    page += [section("Plain", nodes.paragraph(text="x")), section("Deeper: more", inner)]
    plain, deep = page.children
    assert [deeper.is_deeper(s) for s in (plain, deep)] == [False, True]
    deeper.fold(deep)
    kinds = [c.astext() if isinstance(c, nodes.raw) else type(c).__name__ for c in deep.children]
    assert kinds == [
        '<details class="ac-deeper"><summary>', "title", "</summary>", "paragraph", "</details>",
    ]  # fmt: skip


def test_folded_code_stands_behind_its_figure():
    given, shown = (nodes.container(classes=[name]) for name in ("cell_input", "cell_output"))
    cell = nodes.container("", given, shown, classes=["cell", "tag_hide-input"])
    deeper.figure_first(cell)
    assert cell.children == [shown, given]
    alone = nodes.container("", nodes.container(classes=["cell_input"]), classes=["cell"])
    before = list(alone.children)
    deeper.figure_first(alone)
    assert alone.children == before
