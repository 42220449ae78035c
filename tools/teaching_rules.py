"""The rules of a chapter that teaches: short, with numbers in place of claims, honest intervals.

Each is a function from a chapter to a list of problems, like those of ``chapter_rules``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from chapter_files import ROOT, Notebook, code_cells, is_mechanism, joined, prose, tags_of

sys.path.insert(0, str(Path(ROOT) / "book" / "_ext"))
from attnbook import reading
from attnbook.reading import DEEPER

#: Cells that prove promises, at most; sections that deepen have their own.
MOST_PROOFS = 5
#: The main path, which takes forty minutes.
MOST_WORDS, MOST_LINES, MOST_FIGURES, MOST_MINUTES = 3000, 250, 9, 40
#: What JupyterLab notes in a heading's cell whose section is collapsed.
COLLAPSED = "jp-MarkdownHeadingCollapsed"


def claims_show_numbers(name: str, notebook: Notebook) -> list[str]:
    """No column of True and False: a promise is a row of ``views.promises``, with its deviation."""
    found = []
    for cell in code_cells(notebook):
        text = "".join(o.get("text", "") for o in map(joined, cell["outputs"]))
        bare = re.findall(r"^.*\b(?:True|False)$", text, re.MULTILINE)
        if bare:
            found.append(f"cell {cell['id']} prints {bare[0].strip()!r}: show the number and bound")
    proofs = reading.measure(notebook).path.promises
    if proofs > MOST_PROOFS or (is_mechanism(name) and not proofs):
        found.append(f"has {proofs} cells of promises on its main path, 1 to {MOST_PROOFS}")
    return found


def main_path_is_short(name: str, notebook: Notebook) -> list[str]:
    """Forty minutes for what is not marked as deeper: words, code in sight, figures, minutes."""
    path = reading.measure(notebook).path
    found = []
    for what, most in (("words", MOST_WORDS), ("lines", MOST_LINES), ("figures", MOST_FIGURES)):
        value = getattr(path, what)
        if value > most:
            found.append(f"the main path has {value} {what}, at most {most}: move some to Deeper")
    if path.minutes > MOST_MINUTES:
        found.append(f"the main path takes {path.minutes:.1f} minutes, at most {MOST_MINUTES}")
    return found


def plotting_is_folded(name: str, notebook: Notebook) -> list[str]:
    """Code that draws is folded behind its figure."""
    found = []
    for cell in code_cells(notebook):
        draws = "views.show(" in cell["source"] or "Schematic(" in cell["source"]
        folded = {"hide-input", "remove-input", "hide-cell"} & set(tags_of(cell))
        if draws and not folded:
            found.append(f"cell {cell['id']} draws in sight: tag it hide-input")
    return found


def the_mechanism_works_early(name: str, notebook: Notebook) -> list[str]:
    """A live machine stands in *The idea*; in chapters of other kinds, in one of the first two."""
    sections: list[str] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            sections += re.findall(r"^## (.+)$", cell["source"], re.MULTILINE)
        elif reading.LIVE.search(cell["source"]):
            break
    else:
        return ["has no live machine: the mechanism works under the reader's finger first"]
    here = sections[-1] if sections else ""
    if is_mechanism(name) and not here.startswith("The idea"):
        return [f"its first live machine stands under {here!r}: put it into 'The idea'"]
    if len(sections) > 2:
        return [f"its first live machine stands under {here!r}: put it before the maths"]
    return []


def deeper_sections_fold_in_jupyterlab(name: str, notebook: Notebook) -> list[str]:
    """A cell that begins with such a heading is collapsed when the notebook is opened."""
    found = []
    for cell in notebook["cells"]:
        begins = re.match(rf"#+ {DEEPER}", cell["source"])
        inside = re.search(rf"^#+ {DEEPER}", cell["source"], re.MULTILINE)
        if cell["cell_type"] == "markdown" and inside:
            if not begins:
                found.append(f"cell {cell['id']}: a Deeper heading begins a cell of its own")
            elif not cell["metadata"].get(COLLAPSED):
                found.append(f"cell {cell['id']} is not collapsed: python tools/notebook.py write")
    return found


def intervals_stay_in_bounds(name: str, notebook: Notebook) -> list[str]:
    """No interval of a score beyond 100 %, or of an accuracy beyond 1."""
    found = []
    for cell in code_cells(notebook):
        for output in map(joined, cell["outputs"]):
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            for low, high, unit in re.findall(r"\[(-?[\d.]+),? (?:to )?(-?[\d.]+)\]( ?%)?", text):
                if unit and (float(high) > 100 or float(low) < -100):
                    found.append(f"cell {cell['id']}: the interval [{low}, {high}] % is impossible")
    return found


def symbols_are_declared_once(name: str, notebook: Notebook) -> list[str]:
    """The chapter's table of symbols, if it has one, names no letter twice."""
    found = []
    for table in re.findall(r"^\| *symbol.*\n(?:\|.*\n?)+", prose(notebook), re.M | re.I):
        cells = [row.split("|")[1] for row in table.strip().splitlines()[2:]]
        letters = [letter for cell in cells for letter in re.findall(r"\$([^$]+)\$", cell)]
        for letter in sorted({x for x in letters if letters.count(x) > 1}):
            found.append(f"the symbol ${letter}$ is declared twice")
    return found


RULES = (
    claims_show_numbers,
    main_path_is_short,
    plotting_is_folded,
    the_mechanism_works_early,
    deeper_sections_fold_in_jupyterlab,
    intervals_stay_in_bounds,
    symbols_are_declared_once,
)
