"""Each rule of a chapter can fail: a good chapter, then one slip at a time."""

from __future__ import annotations

import copy

import chapter_rules as rules
import pytest
import setup_cell
import teaching_rules as teaching

NAME = "channel/sample"


def markdown(text, name):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def code(text, name, tags=(), outputs=(), **metadata):
    return {
        "cell_type": "code", "id": name, "metadata": {"tags": list(tags), **metadata},
        "source": text, "outputs": list(outputs), "execution_count": 1,
    }  # fmt: skip


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def picture():
    return {"output_type": "display_data", "data": {"image/png": "aGk=", "text/plain": "Figure"}}


def good():
    cells = [
        markdown("# A title", "title"),
        code(setup_cell.source(), "setup", ["remove-cell"]),
    ]
    for n, section in enumerate(rules.SECTIONS):
        cells.append(markdown(f"## {section}\n\nOne sentence.\nAnother one.", f"s{n}"))
        if section == "The idea":
            cells.append(code("gate_machine(\n    x)", "machine"))
        if section == "Proof by check":
            cells.append(code("views.promises(('x', 0, 0))", "proof", [], [stream("x: exact")]))
        if section == "What it costs":
            deeper = {"jp-MarkdownHeadingCollapsed": True}
            cells.append(markdown("### Deeper: more\n\nAside.", "deeper") | {"metadata": deeper})
    cells.append(markdown("$$\nz = 1 \\tag{1}\n$$\n\nBy (1), all is well.", "maths"))
    for n in range(rules.FEWEST_CHECKED):
        cells.append(code(f"print({n})", f"k{n}", [rules.CHECK_TAG], [stream(f"{n}\n")]))
    alt = {"image": {"alt": "One line rises from one to two, from left to right."}}
    cells.append(code("show()", "figure", [], [picture()], mystnb=alt))
    for n in (1, 2, 3):
        cells.append(markdown(f"### Exercise {n}: gate (level {n})", f"e{n}"))
        cells.append(code(f'check("sample.gate_{n}", f)', f"x{n}", [], [stream("Not attempted")]))
    cells.append(code('quiz("sample")', "quiz", [], [stream("A quiz")]))
    cells.append(code("#@title Solution 1\npass", "solution", ["hide-input"]))
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook["metadata"]["attncourse"] = {
        "source_sha256": rules.source_hash(notebook),
        "seconds": 1.0, "device": "CPU", "versions": {},
    }  # fmt: skip
    return notebook


def cell(notebook, name):
    return next(c for c in notebook["cells"] if c["id"] == name)


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    file = tmp_path / "sample.ipynb"
    file.write_text("{}")
    monkeypatch.setattr(rules, "notebook_path", lambda name: file)
    return good()


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda r: r.__name__)
def test_a_good_chapter_keeps_every_rule(rule, notebook):
    assert rule(NAME, notebook) == []


def stale(nb):
    cell(nb, "k0")["source"] += "\n"


def never_run(nb):
    del nb["metadata"]["attncourse"]


def not_all_run(nb):
    cell(nb, "k0")["execution_count"] = None


def two_titles(nb):
    cell(nb, "s3")["source"] = "# The maths"


def a_section_is_missing(nb):
    cell(nb, "s3")["source"] = "No heading."


def a_level_is_skipped(nb):
    cell(nb, "s3")["source"] += "\n\n#### Detail"


def no_alt(nb):
    del cell(nb, "figure")["metadata"]["mystnb"]


def two_pictures(nb):
    cell(nb, "figure")["outputs"].append(picture())


def no_alt_in_html(nb):
    html = {"output_type": "display_data", "data": {"text/html": '<img src="data:">'}}
    cell(nb, "figure")["outputs"] = [html]


def a_warning(nb):
    cell(nb, "k0")["outputs"].append(stream("UserWarning: careful", "stderr"))


def an_error(nb):
    cell(nb, "k0")["outputs"].append({"output_type": "error", "ename": "ValueError"})


def a_dead_widget(nb):
    data = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "IntSlider()"}
    cell(nb, "k0")["outputs"].append({"output_type": "display_data", "data": data})


def somebody_s_path(nb):
    cell(nb, "k0")["outputs"].append(stream("saved to /home/ada/course/run.txt"))


def a_path_in_the_source(nb):
    cell(nb, "k0")["source"] = 'open("/data/sets/mnist.gz")'


def a_windows_path(nb):
    cell(nb, "k0")["outputs"].append(stream(r"saved to C:\Users\ada"))


def too_few_checks(nb):
    cell(nb, "k0")["metadata"]["tags"] = []


def a_check_of_mere_rounding(nb):
    cell(nb, "k0")["outputs"].append(stream("second singular value: 2.8e-17"))


def a_check_without_output(nb):
    cell(nb, "k0")["outputs"] = []


def another_chapter_s_exercise(nb):
    cell(nb, "x1")["source"] = 'check("other.gate", f)'


def too_few_exercises(nb):
    cell(nb, "x1")["source"] = "pass"


def no_quiz(nb):
    cell(nb, "quiz")["source"] = "pass"


def an_exercise_without_heading(nb):
    cell(nb, "e1")["source"] = "Do this."


def a_tag_beside_a_line_break(nb):
    cell(nb, "maths")["source"] = "$$\na \\\\ b \\tag{1}\n$$"


def display_maths_in_a_line(nb):
    cell(nb, "maths")["source"] += "\n\nSee $$x$$ here."


def an_eqref(nb):
    cell(nb, "maths")["source"] += "\n\nSee \\eqref{a}."


def a_directive(nb):
    cell(nb, "maths")["source"] += "\n\n:::{note}\nHello.\n:::"


def a_gap_in_the_numbers(nb):
    cell(nb, "maths")["source"] = "$$\nz = 1 \\tag{2}\n$$"


def a_figure_is_left_out(nb):
    cell(nb, "s1")["source"] += "\n\n**Figure 1.** One.\n\n**Figure 3.** Another."


def a_table_begins_late(nb):
    cell(nb, "s1")["source"] += "\n\n**Figure 1.** One.\n\n**Table 2.** Numbers."


def a_figure_is_not_shown(nb):
    """The call that shows it is not the last line of its cell, and a print stands behind it."""
    at = next(n for n, c in enumerate(nb["cells"]) if c["id"] == "figure")
    nb["cells"][at]["outputs"] = [stream("87 %")]
    nb["cells"].insert(at + 1, markdown("**Figure 1.** A line.", "caption"))


def two_sentences_in_a_line(nb):
    cell(nb, "s1")["source"] += "\nThis is one. This is two."


def the_setup_is_not_first(nb):
    nb["cells"].insert(1, code("import torch", "early"))


def the_setup_is_another(nb):
    cell(nb, "setup")["source"] += "\nprint('ready')"


def the_setup_talks(nb):
    cell(nb, "setup")["outputs"].append(stream("installed"))


def the_setup_shows(nb):
    cell(nb, "setup")["metadata"]["tags"] = []


def a_long_line(nb):
    cell(nb, "k0")["source"] = "x = " + " + ".join(["one"] * 15)


def a_wide_diagram(nb):
    cell(nb, "k0")["source"] = 's = Schematic(id="gate", columns=9.2, rows=2, alt="x")'


def an_open_solution(nb):
    cell(nb, "solution")["metadata"]["tags"] = []


def an_empty_cell(nb):
    nb["cells"].append(markdown(" ", "empty"))


def equal_ids(nb):
    nb["cells"].append(copy.deepcopy(cell(nb, "s1")))


def a_column_of_true(nb):
    cell(nb, "k0")["outputs"] = [stream("rows sum to one: True\n")]


def no_promise(nb):
    cell(nb, "proof")["source"] = "pass"


def many_proofs(nb):
    index = nb["cells"].index(cell(nb, "proof"))
    nb["cells"][index:index] = [
        code("views.promises(('x', 0, 0))", f"p{n}", [], [stream("x")]) for n in range(5)
    ]


def many_words(nb):
    cell(nb, "s1")["source"] += "\nword" * 3001


def much_code(nb):
    cell(nb, "k0")["source"] = "\n".join(["x = 1"] * 251)


def many_figures(nb):
    cell(nb, "s1")["source"] += "".join(f"\n\n**Figure {n}.** One." for n in range(1, 11))


def a_long_path_of_little_each(nb):
    cell(nb, "s1")["source"] += "\nword" * 2900
    cell(nb, "k0")["source"] = "\n".join(["x = 1"] * 249)
    cell(nb, "maths")["source"] += "\n\n$$\nx\n$$" * 25


def plotting_in_sight(nb):
    cell(nb, "k0")["source"] = "views.show(figure, alt='A line.')"


def no_machine(nb):
    cell(nb, "machine")["source"] = "x = 1"


def a_late_machine(nb):
    late = cell(nb, "machine")
    nb["cells"].remove(late)
    nb["cells"].append(late)


def a_deeper_section_that_is_open(nb):
    cell(nb, "deeper")["metadata"] = {}


def a_deeper_heading_inside_a_cell(nb):
    cell(nb, "s1")["source"] += "\n\n### Deeper: more"


def an_impossible_interval(nb):
    cell(nb, "k0")["outputs"] = [stream("SE: 99.1 [97.2, 101.0] %\n")]


def a_symbol_with_two_meanings(nb):
    rows = "| symbol | is |\n|---|---|\n| $g$ | gate |\n| $x$, $g$ | gradient |"
    cell(nb, "s1")["source"] += f"\n\n{rows}"


SLIPS = {
    teaching.claims_show_numbers: [a_column_of_true, no_promise, many_proofs],
    teaching.main_path_is_short: [many_words, much_code, many_figures, a_long_path_of_little_each],
    teaching.plotting_is_folded: [plotting_in_sight],
    teaching.the_mechanism_works_early: [no_machine, a_late_machine],
    teaching.deeper_sections_fold_in_jupyterlab: [
        a_deeper_section_that_is_open, a_deeper_heading_inside_a_cell,
    ],
    teaching.intervals_stay_in_bounds: [an_impossible_interval],
    teaching.symbols_are_declared_once: [a_symbol_with_two_meanings],
    rules.outputs_are_fresh: [stale, never_run, not_all_run],
    rules.headings_are_the_course_s: [two_titles, a_section_is_missing, a_level_is_skipped],
    rules.figures_have_alt_text: [no_alt, two_pictures, no_alt_in_html],
    rules.outputs_are_clean: [
        a_warning, an_error, a_dead_widget, somebody_s_path, a_path_in_the_source, a_windows_path,
    ],
    rules.claims_are_checked: [
        too_few_checks, a_check_without_output, a_check_of_mere_rounding,
    ],
    rules.exercises_exist: [
        another_chapter_s_exercise, too_few_exercises, no_quiz, an_exercise_without_heading,
    ],
    rules.maths_renders_everywhere: [
        a_tag_beside_a_line_break, display_maths_in_a_line, an_eqref, a_directive,
    ],
    rules.equations_are_numbered: [a_gap_in_the_numbers],
    rules.figures_and_tables_are_numbered: [a_figure_is_left_out, a_table_begins_late],
    rules.captions_follow_their_figures: [a_figure_is_not_shown],
    rules.source_lines_are_sentences: [two_sentences_in_a_line],
    rules.starts_with_the_setup: [
        the_setup_is_not_first, the_setup_talks, the_setup_shows, the_setup_is_another,
    ],
    rules.code_fits_the_column: [a_long_line],
    rules.diagrams_fit_the_column: [a_wide_diagram],
    rules.cells_are_well_formed: [an_open_solution, an_empty_cell, equal_ids],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "slip"),
    [(rule, slip) for rule, slips in SLIPS.items() for slip in slips],
    ids=lambda f: f.__name__,
)
def test_each_slip_is_noticed(rule, slip, notebook):
    slip(notebook)
    assert rule(NAME, notebook), f"{rule.__name__} does not notice: {slip.__name__}"


def test_a_heavy_chapter_is_noticed(notebook, tmp_path):
    (tmp_path / "sample.ipynb").write_text(" " * (rules.LARGEST + 1))
    assert rules.stays_light(NAME, notebook)


def test_a_deeper_section_does_not_count(notebook):
    cell(notebook, "deeper")["source"] += "\nword" * 3001
    assert teaching.main_path_is_short(NAME, notebook) == []


def test_every_rule_has_a_slip_that_breaks_it():
    assert set(SLIPS) | {rules.stays_light} == set(rules.RULES)
