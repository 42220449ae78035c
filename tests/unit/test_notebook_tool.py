"""Text out and in, execution, normalisation, the stamp."""

from __future__ import annotations

import copy
import json

import nbformat
import notebook as tool
import pytest
from chapter_rules import source_hash
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def sample():
    cells = [
        new_markdown_cell("# Title\n\nText with $x^2$."),
        new_code_cell("#@title Setup", metadata={"tags": ["hide-input"], "cellView": "form"}),
        new_code_cell("x = 2\nprint(x)", metadata={"tags": ["nbval-check-output"]}),
        new_markdown_cell("## Next\n\n$$\na = b \\tag{1}\n$$"),
        new_code_cell("x + 1"),
    ]
    nb = new_notebook(cells=cells)
    nb.metadata["kernelspec"] = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    for n, cell in enumerate(nb.cells):
        cell.id = f"cell-{n}"
    nb.cells[2].outputs = [nbformat.v4.new_output("stream", name="stdout", text="2\n")]
    nb.cells[2].execution_count = 2
    nb.cells[4].outputs = [
        nbformat.v4.new_output("execute_result", {"text/plain": "3"}, execution_count=3)
    ]
    nb.cells[4].metadata["mystnb"] = {"image": {"alt": "Three."}}
    return nb


def content(nb):
    return [(c.id, c.cell_type, c.source, c.get("outputs")) for c in nb.cells]


def test_text_and_back_changes_nothing():
    nb = sample()
    back = tool.from_text(tool.to_text(nb), nb)
    assert content(back) == content(nb)
    assert back.cells[4].metadata["mystnb"] == {"image": {"alt": "Three."}}
    assert back.cells[1].metadata["cellView"] == "form"


def test_text_shows_sources_only():
    text = tool.to_text(sample())
    assert "mystnb" not in text
    assert "print(x)" in text
    assert "\n2\n" not in text


def test_a_changed_cell_keeps_its_id_and_loses_its_outputs():
    """A stale picture must not survive a changed source."""
    nb = sample()
    back = tool.from_text(tool.to_text(nb).replace("x = 2", "x = 5"), nb)
    assert [c.id for c in back.cells] == [c.id for c in nb.cells]
    assert back.cells[2].outputs == []
    assert back.cells[2].execution_count is None
    assert back.cells[4].outputs == nb.cells[4].outputs


def test_an_inserted_cell_gets_a_new_id_and_disturbs_no_other():
    nb = sample()
    text = tool.to_text(nb).replace("## Next", "Inserted.\n\n+++\n\n## Next")
    back = tool.from_text(text, nb)
    assert [c.id for c in back.cells if c.id.startswith("cell-")] == [c.id for c in nb.cells]
    assert len(back.cells) == 6
    again = tool.from_text(text, nb)
    assert content(again) == content(back), "new ids are not random"


def test_equal_new_cells_get_different_ids():
    back = tool.from_text(
        tool.to_text(new_notebook(cells=[new_code_cell("1"), new_code_cell("1")])), None
    )
    assert len({c.id for c in back.cells}) == 2


def test_normalising_takes_out_what_means_nothing():
    nb = sample()
    nb.metadata["widgets"] = {"state": {}}
    nb.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    nb.cells[4].metadata["execution"] = {"iopub.busy": "2026"}
    nb.cells[4].outputs = [
        nbformat.v4.new_output(
            "execute_result",
            {
                "text/plain": "<object at 0x7f12ab34cd56>",
                "text/html": "<p>static</p>",
                tool.WIDGET: {},
            },
            execution_count=17,
        ),
        nbformat.v4.new_output(
            "display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": "A rising line."}}
        ),
        nbformat.v4.new_output("display_data", {tool.WIDGET: {"model_id": "abc"}}),
    ]
    tool.normalise(nb)
    assert "widgets" not in nb.metadata
    assert nb.metadata["language_info"] == {"name": "python"}
    shown, picture = nb.cells[4].outputs
    assert shown.data == {"text/plain": "<object at 0xADDRESS>", "text/html": "<p>static</p>"}
    assert shown.execution_count == nb.cells[4].execution_count == 3
    assert nb.cells[4].metadata["mystnb"] == {"image": {"alt": "A rising line."}}
    assert "execution" not in nb.cells[4].metadata
    assert picture.data["image/png"] == "aGk="


def test_the_hash_sees_code_and_neither_prose_nor_address():
    nb = sample()
    before = source_hash(nb)
    nb.cells[0].source = "# Another title"
    assert source_hash(nb) == before
    nb.cells[1].source += '\n"git+https://github.com/attncourse/attncourse@main"'
    with_address = source_hash(nb)
    assert with_address != before
    nb.cells[2].source = "x = 3\nprint(x)"
    assert source_hash(nb) != with_address


def test_pieces_of_one_stream_are_joined():
    nb = sample()
    piece = lambda name, text: nbformat.v4.new_output("stream", name=name, text=text)  # noqa: E731
    nb.cells[2].outputs = [
        piece("stdout", "g(x):"), piece("stdout", " (4,)\n"),
        piece("stderr", "!"), piece("stdout", "b"),
    ]  # fmt: skip
    tool.normalise(nb)
    assert [(o.name, o.text) for o in nb.cells[2].outputs] == [
        ("stdout", "g(x): (4,)\n"), ("stderr", "!"), ("stdout", "b"),
    ]  # fmt: skip


@pytest.mark.slow
def test_executing_twice_changes_no_line(tmp_path):
    path = tmp_path / "chapter.ipynb"
    cells = [
        new_code_cell("import os\nprint(os.environ['ATTNCOURSE_PROGRESS'], os.getcwd() != '/')"),
        new_code_cell("from attncourse import views\nimport matplotlib.pyplot as plt\nviews.use()\n"
                      "fig, ax = plt.subplots(); ax.plot([1, 2])\n"
                      "views.show(fig, alt='One line rises from one to two, from left to right.')"),
        new_code_cell("object()"),
    ]  # fmt: skip
    tool.save(new_notebook(cells=cells), path)
    one = tool.execute(path)
    assert tool.save(one, path)
    two = tool.execute(path)
    assert tool.unchanged(two, one)
    assert one.cells[0].outputs[0].text == "off True\n"
    facts = one.metadata["attncourse"]
    assert facts["source_sha256"] == source_hash(one)
    assert facts["seconds"] > 0
    assert set(facts["versions"]) == {"matplotlib", "numpy", "python", "torch"}
    assert one.cells[1].metadata["mystnb"]["image"]["alt"].startswith("One line rises")
    changed = copy.deepcopy(two)
    changed.cells[2].source = "object"
    assert not tool.unchanged(changed, two)


@pytest.mark.slow
def test_a_failing_notebook_is_not_written(tmp_path):
    from nbclient.exceptions import CellExecutionError

    path = tmp_path / "chapter.ipynb"
    tool.save(new_notebook(cells=[new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        tool.execute(path)
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_recorded_time_is_not_taken_again(tmp_path, monkeypatch, capsys):
    path, out = tmp_path / "chapter.ipynb", tmp_path / "times.json"
    tool.save(new_notebook(cells=[new_code_cell("1 + 1")]), path)
    before = path.read_bytes()
    monkeypatch.setattr(tool, "notebook_path", lambda name: path)
    assert tool.record_times(["c/one"], out) == 0
    times = json.loads(out.read_text(encoding="utf-8"))
    assert list(times) == ["c/one"]
    assert times["c/one"]["seconds"] > 0
    monkeypatch.setattr(tool, "execute", lambda path: pytest.fail("executed once more"))
    assert tool.record_times(["c/one"], out) == 0
    assert "timed already" in capsys.readouterr().out
    assert path.read_bytes() == before, "the notebook itself stays as it is"


def test_saving_says_whether_anything_changed(tmp_path):
    path = tmp_path / "deep" / "chapter.ipynb"
    assert tool.save(sample(), path)
    assert not tool.save(sample(), path)
    assert [p.name for p in path.parent.iterdir()] == ["chapter.ipynb"]


def test_commands_name_what_is_missing(capsys):
    with pytest.raises(SystemExit, match="there is no chapter 'channel/nothing': name one such as"):
        tool.main(["text", "channel/nothing"])
    assert tool.main(["write", "channel/nothing"]) == 1
    assert "make it with 'text channel/nothing'" in capsys.readouterr().out
