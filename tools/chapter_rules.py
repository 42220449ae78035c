"""What every chapter must keep, each rule a function from a chapter to a list of problems.

The rules need neither torch nor a kernel, so that they run anywhere in a second.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import setup_cell
import teaching_rules
from chapter_files import (
    BOOK,
    ROOT,
    Notebook,
    as_named,
    chapters,
    code_cells,
    is_mechanism,
    load,
    notebook_path,
    prose,
    source_hash,
    tags_of,
)
from repository import normalise_address

__all__ = [
    "BOOK",
    "ROOT",
    "as_named",
    "chapters",
    "load",
    "notebook_path",
    "problems",
    "source_hash",
]
CHECK_TAG = "nbval-check-output"
#: What is computed from numbers near 1 and lies below this is rounding, and another processor's
#: rounding is another number.
ROUNDING = 5e-16
LARGEST = 1_000_000
FEWEST_CHECKED = 5
#: Characters in a line of code: what the book's column shows without scrolling.
WIDEST_CODE = 80
#: Columns of a block diagram, with which its text keeps its size in the book's column.
WIDEST_DIAGRAM = 8.6
FEWEST_EXERCISES = 3

#: Headings of a mechanism's chapter, in order; the title comes before them.
SECTIONS = (
    "The question",
    "The idea",
    "The maths",
    "From scratch",
    "Proof by check",
    "Does it help, and why?",
    "Look inside",
    "What it costs",
    "What goes wrong",
    "Exercises",
    "Sources",
)

#: A path from the root of some machine, on Unix or Windows, that is no part of an address.
_ABSOLUTE_PATH = re.compile(
    r"(?<![\w.:/<~\])}])/(?:[\w.-]+/){2,}[\w.-]+|\b[A-Z]:\\\\?[A-Za-z]+\\\\?"
)


def problems(name: str) -> list[str]:
    """All problems of one chapter."""
    notebook = load(name)
    return [p for rule in RULES for p in rule(name, notebook)]


# ---------------------------------------------------------------- the rules


def outputs_are_fresh(name: str, notebook: Notebook) -> list[str]:
    """The stamp's hash is that of the code cells; every cell has run."""
    facts = notebook["metadata"].get("attncourse", {})
    if not facts:
        return [f"has never been executed: python tools/notebook.py execute {name}"]
    found = []
    if facts.get("source_sha256") != source_hash(notebook):
        found.append(f"outputs are stale: python tools/notebook.py execute {name}")
    for key in ("seconds", "device", "versions"):
        if key not in facts:
            found.append(f"the stamp lacks {key!r}")
    found += [
        f"cell {c['id']} has not run"
        for c in code_cells(notebook)
        if c.get("execution_count") is None
    ]
    return found


def headings_are_the_course_s(name: str, notebook: Notebook) -> list[str]:
    """One title, then the twelve rooms of a chapter in order."""
    text = re.sub(r"```.*?```", "", prose(notebook), flags=re.DOTALL)
    titles = re.findall(r"^# (.+)$", text, re.MULTILINE)
    found = [] if len(titles) == 1 else [f"has {len(titles)} titles (# ...), not one"]
    levels = [len(m) for m in re.findall(r"^(#+) ", text, re.MULTILINE)]
    for before, after in itertools.pairwise(levels):
        if after > before + 1:
            found.append(f"a heading of level {after} follows one of level {before}")
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    if is_mechanism(name) and sections != list(SECTIONS):
        found.append(f"sections are {sections}, not {list(SECTIONS)}")
    return found


def figures_have_alt_text(name: str, notebook: Notebook) -> list[str]:
    """Every picture says what is seen, and every cell shows one at the most."""
    found = []
    for cell in code_cells(notebook):
        kinds = {"image/png", "image/svg+xml"}
        pictures = [o for o in cell["outputs"] if kinds & set(o.get("data", {}))]
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        if len(pictures) > 1:
            found.append(f"cell {cell['id']} shows {len(pictures)} pictures: one a cell")
        if pictures and len(alt) < 30:
            found.append(f"the picture of cell {cell['id']} has no alt text: views.show(..., alt=)")
        for output in cell["outputs"]:
            html = "".join(output.get("data", {}).get("text/html", ""))
            for image in re.findall(r"<img[^>]*>", html):
                if not re.search(r'alt="[^"]{10,}"', image):
                    found.append(f"an image in the HTML of cell {cell['id']} has no alt text")
    for image in re.findall(r"!\[([^\]]*)\]\(", prose(notebook)):
        if len(image) < 30:
            found.append(f"the image ![{image}] has no alt text")
    return found


def outputs_are_clean(name: str, notebook: Notebook) -> list[str]:
    """No error, no warning, no widget without a kernel, no path of somebody's machine."""
    found = []
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            if output["output_type"] == "error" and "raises-exception" not in tags_of(cell):
                found.append(f"cell {cell['id']} ended in {output['ename']}")
            if output.get("name") == "stderr":
                found.append(f"cell {cell['id']} wrote to stderr: {output['text']!r:.80}")
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                found.append(f"cell {cell['id']} stores a widget that is dead without a kernel")
            shown = "".join(output.get("text", "")) + "".join(
                output.get("data", {}).get("text/plain", "")
            )
            if _ABSOLUTE_PATH.search(shown):
                found.append(f"an output of cell {cell['id']} shows an absolute path")
    if _ABSOLUTE_PATH.search(json.dumps(notebook["metadata"])):
        found.append("the notebook's metadata show an absolute path")
    for cell in notebook["cells"]:
        if _ABSOLUTE_PATH.search(cell["source"]):
            found.append(f"cell {cell['id']} names an absolute path")
    return found


def claims_are_checked(name: str, notebook: Notebook) -> list[str]:
    """Enough cells whose outputs nbval compares, each with an output, none with mere rounding."""
    checked = [c for c in code_cells(notebook) if CHECK_TAG in tags_of(c)]
    found = []
    if len(checked) < FEWEST_CHECKED:
        found.append(f"has {len(checked)} cells tagged {CHECK_TAG}, at least {FEWEST_CHECKED}")
    for cell in checked:
        if not cell["outputs"]:
            found.append(f"cell {cell['id']} is tagged {CHECK_TAG} but shows nothing")
        shown = "".join("".join(o.get("text", "")) for o in cell["outputs"])
        for number in re.findall(r"\d(?:\.\d+)?e-\d+", shown):
            if float(number) < ROUNDING:
                found.append(
                    f"cell {cell['id']} is compared, but {number} is rounding, which depends on "
                    f"the processor: state it with views.promises"
                )
    return found


def exercises_exist(name: str, notebook: Notebook) -> list[str]:
    """Enough exercises, each with a check; a quiz."""
    code = "\n".join(c["source"] for c in code_cells(notebook))
    stem = name.rsplit("/", 1)[-1]
    ids = set(re.findall(r"""check\(\s*["']([a-z_0-9.]+)["']""", code))
    found = [
        f"exercise {i} belongs to another chapter" for i in ids if not i.startswith(f"{stem}.")
    ]
    if len(ids) < FEWEST_EXERCISES:
        found.append(f"has {len(ids)} exercises with a check, at least {FEWEST_EXERCISES}")
    if f'quiz("{stem}")' not in code:
        found.append(f'has no quiz: quiz("{stem}")')
    headings = re.findall(r"^### Exercise \d+: .+\(level [123]\)", prose(notebook), re.M)
    if len(headings) < len(ids):
        found.append(f"has {len(headings)} headings '### Exercise N: ... (level L)' for {len(ids)}")
    return found


def maths_renders_everywhere(name: str, notebook: Notebook) -> list[str]:
    r"""The silent pitfalls of MyST: ``\\`` with ``\tag``, display maths in a line, ``\eqref``."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        text = re.sub(r"```.*?```|`[^`\n]*`", "", cell["source"], flags=re.DOTALL)
        for block in re.findall(r"\$\$(.*?)\$\$", text, re.DOTALL):
            if r"\tag" in block and re.search(r"\\\\", block):
                found.append(rf"cell {cell['id']}: \\ with \tag in a $$ block; use \cr")
        for line in text.splitlines():
            if "$$" in line and not re.fullmatch(r"\s*\$\$(.*\$\$)?\s*", line):
                found.append(f"cell {cell['id']}: display maths inside a line: {line[:50]!r}")
        if r"\eqref" in text:
            found.append(rf"cell {cell['id']}: \eqref does not resolve; write the number")
        if re.search(r"^:::|^```\{|^\([\w-]+\)=|\{(eq|ref|numref|cite)[:}]", text, re.MULTILINE):
            found.append(f"cell {cell['id']}: a directive that reads badly outside the book")
    return found


def equations_are_numbered(name: str, notebook: Notebook) -> list[str]:
    """Tags count 1, 2, 3, ... and every number cited exists."""
    text = prose(notebook)
    tags = [int(t) for t in re.findall(r"\\tag\{(\d+)\}", text)]
    if is_mechanism(name) and not tags:
        return ["has no numbered equation"]
    if tags != list(range(1, len(tags) + 1)):
        return [f"equation tags are {tags}, not 1, 2, 3, ..."]
    return []


def figures_and_tables_are_numbered(name: str, notebook: Notebook) -> list[str]:
    """Captions count 1, 2, 3, ..., figures and tables apart."""
    found = []
    for kind in ("Figure", "Table"):
        captions = re.findall(rf"^\*\*{kind} (\d+)\.\*\*", prose(notebook), re.MULTILINE)
        numbers = [int(number) for number in captions]
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(f"captions of {kind.lower()}s are numbered {numbers}, not 1, 2, 3, ...")
    return found


def captions_follow_their_figures(name: str, notebook: Notebook) -> list[str]:
    """A caption stands behind the cell that shows its figure: a cell shows its last line."""
    found = []
    before: Notebook = {}
    for cell in notebook["cells"]:
        caption = re.match(r"\*\*Figure \d+\.\*\*", cell["source"])
        shown = [set(o.get("data", {})) - {"text/plain"} for o in before.get("outputs", [])]
        if cell["cell_type"] == "markdown" and caption and not any(shown):
            found.append(
                f"no figure stands before {caption[0]}: end the cell with the call that shows it"
            )
        before = cell
    return found


def source_lines_are_sentences(name: str, notebook: Notebook) -> list[str]:
    """One sentence a line, so that a change shows what it changed."""
    found = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        text = re.sub(r"```.*?```|\$\$.*?\$\$|<[^>]+>", "", cell["source"], flags=re.DOTALL)
        for line in text.splitlines():
            bare = re.sub(r"\$[^$]*\$|`[^`]*`|\[[^\]]*\]\([^)]*\)", "x", line)
            bare = re.sub(r"\b(e\.g|i\.e|et al|vs|Fig|Eq|No|cf|St|Dr)\.", "x", bare)
            if not line.startswith(("|", "#", ">")) and re.search(r"[a-z)*]{2,}[.?!] +[A-Z]", bare):
                found.append(f"cell {cell['id']}: two sentences in a line: {line[:70]!r}")
    return found


def stays_light(name: str, notebook: Notebook) -> list[str]:
    """Under a megabyte with all outputs."""
    size = notebook_path(name).stat().st_size
    return [f"weighs {size / 1e6:.2f} MB, at most {LARGEST / 1e6:.0f}"] if size > LARGEST else []


def starts_with_the_setup(name: str, notebook: Notebook) -> list[str]:
    """The first code cell is the course's: it installs what is missing, and only that."""
    first = code_cells(notebook)[0]
    found = []
    if not first["source"].startswith("#@title Setup"):
        found.append("the first code cell is not the setup cell")
    elif normalise_address(first["source"]) != normalise_address(setup_cell.source()):
        found.append("the setup cell is not the course's: python tools/setup_cell.py")
    if "remove-cell" not in tags_of(first):
        found.append("the setup cell shows in the book (tag remove-cell)")
    if first["outputs"]:
        found.append("the setup cell prints something")
    return found


def code_fits_the_column(name: str, notebook: Notebook) -> list[str]:
    """No line of code is cut off by the text column."""
    found = []
    for cell in code_cells(notebook):
        # The repository's address may be longer in a fork.
        for line in normalise_address(cell["source"]).splitlines():
            if len(line) > WIDEST_CODE:
                found.append(f"cell {cell['id']}: {len(line)} characters: {line.strip()[:50]!r}")
    return found


def diagrams_fit_the_column(name: str, notebook: Notebook) -> list[str]:
    """No block diagram has to be moved sideways at a desk."""
    code = "\n".join(cell["source"] for cell in code_cells(notebook))
    widths = [float(found) for found in re.findall(r"Schematic\([^)]*?columns=([\d.]+)", code)]
    return [
        f"a block diagram has {width:g} columns, at most {WIDEST_DIAGRAM}: use one more row"
        for width in widths
        if width > WIDEST_DIAGRAM
    ]


def cells_are_well_formed(name: str, notebook: Notebook) -> list[str]:
    """Unique ids, folded solutions, no empty cell."""
    ids = [c.get("id") for c in notebook["cells"]]
    found = [] if len(set(ids)) == len(ids) and all(ids) else ["cell ids are missing or repeated"]
    for cell in notebook["cells"]:
        if not cell["source"].strip():
            found.append(f"cell {cell['id']} is empty")
        if cell["source"].startswith("#@title Solution") and (
            "hide-input" not in tags_of(cell) and "hide-cell" not in tags_of(cell)
        ):
            found.append(f"solution cell {cell['id']} is not folded (tag hide-input)")
    return found


RULES: tuple[Callable[[str, Notebook], list[str]], ...] = (
    outputs_are_fresh,
    headings_are_the_course_s,
    figures_have_alt_text,
    outputs_are_clean,
    claims_are_checked,
    exercises_exist,
    maths_renders_everywhere,
    equations_are_numbered,
    figures_and_tables_are_numbered,
    captions_follow_their_figures,
    source_lines_are_sentences,
    stays_light,
    starts_with_the_setup,
    code_fits_the_column,
    diagrams_fit_the_column,
    cells_are_well_formed,
    *teaching_rules.RULES,
)
