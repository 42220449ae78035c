"""Read, write, execute and check the course's notebooks.

The ``.ipynb`` with its outputs is the one source of a chapter.  Every change goes through here:

    python tools/notebook.py text    channel/squeeze_excitation   # -> build/text/...md
    python tools/notebook.py write   channel/squeeze_excitation   # text back, ids and outputs kept
    python tools/notebook.py execute channel/squeeze_excitation   # run, normalise, stamp
    python tools/notebook.py check                                # every chapter, every rule
    python tools/notebook.py time --out times.json                # run, and keep only the times

``text`` and ``write`` use jupytext's MyST Markdown.  A cell whose source changed loses its
outputs, so that no stale picture survives; ``execute`` fills them again.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).parent))
import chapter_rules
from chapter_rules import BOOK, ROOT, as_named, chapters, notebook_path, source_hash
from course import path_of
from teaching_rules import COLLAPSED, DEEPER

TEXT = ROOT / "build" / "text"
#: What a figure is stored as.
PICTURES = ("image/svg+xml", "image/png")
WIDGET = "application/vnd.jupyter.widget-view+json"
_TIMEOUT = 600


def read(path: Path) -> NotebookNode:
    """The notebook at ``path``, as format 4."""
    return nbformat.read(path, as_version=4)


def save(notebook: NotebookNode, path: Path) -> bool:
    """Write ``notebook`` if it differs from the file; say whether it did."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, indent=1) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    _replace(path, text)
    return True


def _replace(path: Path, text: str) -> None:
    """Write ``path`` as a whole: whoever reads it sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    os.replace(temporary, path)


# ---------------------------------------------------------------- text and back


def to_text(notebook: NotebookNode) -> str:
    """The notebook as MyST Markdown, without outputs and without generated metadata."""
    import jupytext

    bare = nbformat.from_dict(notebook)
    kept = {k: v for k, v in notebook.metadata.items() if k == "kernelspec"}
    bare.metadata = nbformat.from_dict(kept)
    for cell in bare.cells:
        cell.metadata.pop("mystnb", None)
    return jupytext.writes(bare, fmt="md:myst")


def from_text(text: str, old: NotebookNode | None) -> NotebookNode:
    """The notebook that ``text`` describes, with the ids and outputs of ``old`` where they fit.

    A heading that deepens begins a cell of its own, for JupyterLab to collapse.
    """
    import jupytext

    text = re.sub(rf"(?<!\+\+\+\n\n)^(?=#+ {DEEPER})", "+++\n\n", text, flags=re.MULTILINE)
    new = jupytext.reads(text, fmt="md:myst")
    new.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    if old is not None and "attncourse" in old.metadata:
        new.metadata["attncourse"] = old.metadata["attncourse"]
    _adopt(new, old.cells if old is not None else [])
    fold_deeper(new)
    new.nbformat, new.nbformat_minor = 4, 5
    return new


def _adopt(new: NotebookNode, old_cells: list[NotebookNode]) -> None:
    """Give each new cell the id of the old one it continues, and its outputs if it is the same."""
    keys = [[(c.cell_type, c.source) for c in cells] for cells in (old_cells, new.cells)]
    matcher = difflib.SequenceMatcher(a=keys[0], b=keys[1], autojunk=False)
    taken: set[str] = set()
    for kind, a, b, c, d in matcher.get_opcodes():
        for offset, cell in enumerate(new.cells[c:d]):
            before = old_cells[a + offset] if a + offset < b else None
            same = kind == "equal" and before is not None
            if before is not None and before.cell_type == cell.cell_type:
                cell.id = before.id
            else:
                cell.id = _fresh_id(cell, taken)
            taken.add(cell.id)
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                if same and before is not None:
                    cell.outputs = before.outputs
                    cell.execution_count = before.execution_count
                    if "mystnb" in before.metadata:
                        cell.metadata["mystnb"] = before.metadata["mystnb"]


def _fresh_id(cell: NotebookNode, taken: set[str]) -> str:
    text = cell.cell_type + cell.source
    while (name := hashlib.sha256(text.encode()).hexdigest()[:8]) in taken:
        text += "+"
    return name


# ---------------------------------------------------------------- executing


def execute(path: Path) -> NotebookNode:
    """Run the notebook in a fresh kernel of this interpreter, normalise and stamp it.

    Raises:
        CellExecutionError: if a cell fails; nothing is written then.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    notebook = read(path)
    for cell in notebook.cells:
        cell.metadata.pop("mystnb", None)
    with tempfile.TemporaryDirectory() as home:
        settings = {
            "ATTNCOURSE_PROGRESS": "off",
            "ATTNCOURSE_HOME": home,
            "PYTHONHASHSEED": "0",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            started = time.perf_counter()
            NotebookClient(
                notebook,
                km=ThisInterpreter(),
                timeout=_TIMEOUT,
                store_widget_state=False,
                resources={"metadata": {"path": str(path.parent)}},
            ).execute()
            seconds = time.perf_counter() - started
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
    normalise(notebook)
    notebook.metadata["attncourse"] = stamp(notebook, seconds)
    return notebook


def normalise(notebook: NotebookNode) -> None:
    """Take out what differs from run to run without meaning anything."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    count = 0
    fold_deeper(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = _joined(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
            if "text" in output:
                output.text = _mask(output.text)
            data = output.get("data", {})
            # A widget without its kernel is a dead control: its static alternative stays.
            data.pop(WIDGET, None)
            if isinstance(data.get("text/plain"), str):
                data["text/plain"] = _mask(data["text/plain"])
            shown = output.get("metadata", {})
            alt = next((shown[kind].get("alt") for kind in PICTURES if kind in shown), None)
            if alt:
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
        cell.outputs = [o for o in cell.outputs if o.output_type == "stream" or o.get("data", True)]


def fold_deeper(notebook: NotebookNode) -> None:
    """Have JupyterLab open sections that deepen collapsed."""
    for cell in notebook.cells:
        cell.metadata.pop(COLLAPSED, None)
        if cell.cell_type == "markdown" and re.match(rf"#+ {DEEPER}", cell.source):
            cell.metadata[COLLAPSED] = True


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Neighbouring pieces of one stream in one piece: where it was cut depends on the clock."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _mask(text: str) -> str:
    return re.sub(r"0x[0-9a-fA-F]{6,}", "0xADDRESS", text)


def stamp(notebook: NotebookNode, seconds: float) -> dict[str, object]:
    """What the outputs were made from, with and on."""
    import matplotlib
    import numpy
    import torch

    gpu = torch.cuda.is_available()
    threads = torch.get_num_threads()
    cpu = f"CPU, {threads} thread" + ("s" if threads > 1 else "")
    return {
        "device": torch.cuda.get_device_name() if gpu else cpu,
        "seconds": round(seconds, 1),
        "source_sha256": source_hash(notebook),
        "versions": {
            "matplotlib": matplotlib.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__.split("+")[0],
        },
    }


def unchanged(new: NotebookNode, old: NotebookNode) -> bool:
    """Whether two executions agree in everything but the clock."""

    def content(notebook: NotebookNode) -> str:
        copy = nbformat.from_dict(notebook)
        copy.metadata = nbformat.from_dict(dict(notebook.metadata))
        facts = dict(copy.metadata.get("attncourse", {}))
        facts.pop("seconds", None)
        copy.metadata["attncourse"] = facts
        return nbformat.writes(copy)

    return content(new) == content(old)


# ---------------------------------------------------------------- commands


def _text(names: list[str]) -> int:
    for name in names:
        path = notebook_path(name)
        target = TEXT / f"{name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(to_text(read(path)), encoding="utf-8", newline="\n")
        print(f"{path.relative_to(ROOT)} -> {target.relative_to(ROOT)}")
    return 0


def _write(names: list[str]) -> int:
    for name in names:
        source, path = TEXT / f"{name}.md", BOOK / f"{name}.ipynb"
        if not source.exists():
            print(f"{source.relative_to(ROOT)} is not there: make it with 'text {name}'")
            return 1
        old = read(path) if path.exists() else None
        changed = save(from_text(source.read_text(encoding="utf-8"), old), path)
        print(f"{path.relative_to(ROOT)}: {'written' if changed else 'unchanged'}")
    return 0


def _execute(names: list[str]) -> int:
    for name in names:
        path = notebook_path(name)
        old = read(path)
        new = execute(path)
        facts = new.metadata["attncourse"]
        if unchanged(new, old):
            print(f"{path.relative_to(ROOT)}: outputs unchanged ({facts['seconds']} s)")
            continue
        save(new, path)
        size = path.stat().st_size / 1e6
        print(f"{path.relative_to(ROOT)}: {facts['seconds']} s on {facts['device']}, {size:.2f} MB")
    return 0


def record_times(names: list[str], out: Path) -> int:
    """Execute notebooks as they are, leave them untouched, and write how long each took.

    A notebook that ``out`` has already, unchanged and on the same device, is not executed again.
    """
    times = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    failed = 0
    for name in names:
        notebook = read(notebook_path(name))
        here = stamp(notebook, 0.0)
        known = times.get(name, {})
        if all(known.get(key) == here[key] for key in ("device", "source_sha256")):
            print(f"{name}: {known['seconds']} s on {known['device']}, timed already")
            continue
        try:
            facts = execute(notebook_path(name)).metadata["attncourse"]
        except Exception as error:
            print(f"{name}: FAILED: {str(error).strip().splitlines()[-1]}")
            failed += 1
            continue
        times[name] = facts
        _replace(out, json.dumps(times, indent=1) + "\n")
        print(f"{name}: {facts['seconds']} s on {facts['device']}", flush=True)
    return 1 if failed else 0


def _check(names: list[str]) -> int:
    problems = 0
    for name in names or chapters():
        for problem in chapter_rules.problems(name):
            problems += 1
            print(f"{name}: {problem}")
    print(f"{problems} problem(s)" if problems else "every chapter keeps every rule")
    return 1 if problems else 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0 if all went well."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    commands = {"text": _text, "write": _write, "execute": _execute, "check": _check}
    parser.add_argument("command", choices=[*commands, "time"])
    parser.add_argument(
        "chapter", nargs="*", help="such as channel/squeeze_excitation; all if none"
    )
    parser.add_argument("--out", type=Path, help="of 'time': the file to write")
    options = parser.parse_args(arguments)
    if (options.command == "time") != (options.out is not None):
        parser.error("'time' needs --out FILE, and nothing else takes it")
    names = [path_of(name) for name in options.chapter]
    if options.command != "write":  # which also makes a chapter that was not there
        names = as_named(names)
    if not names and options.command in ("text", "execute", "time"):
        names = chapters()
    if not names and options.command == "write":
        names = [p.relative_to(TEXT).with_suffix("").as_posix() for p in TEXT.rglob("*.md")]
    if options.command == "time":
        return record_times(names, options.out)
    return commands[options.command](names)


if __name__ == "__main__":
    sys.exit(main())
