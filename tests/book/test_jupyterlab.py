"""Chapters in JupyterLab: explorers that play where trusted, posters where not, live sliders."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tests.book.conftest import PATIENCE

TimeoutError = pytest.importorskip("playwright.sync_api").TimeoutError

pytestmark = pytest.mark.browser
CHAPTER = Path(__file__).parents[2] / "book" / "channel" / "squeeze_excitation.ipynb"
LIVE = """
from attncourse import views

control = views.control(
    lambda slope: {"line": [slope * t for t in range(5)]},
    id="line", alt="A straight line that begins at the origin and rises with the slope chosen.",
    sliders={"slope": [1, 2, 3]}, series={"line": "attention"},
    x=("t", list(range(5))), y=("value", (0, 12)),
)
control
"""


def beginning(notebook):
    """The chapter's first cell and its first explorer: more takes JupyterLab long, adds nothing."""
    cells = notebook["cells"]
    mark = json.dumps('<figure class="ac"').strip('"')
    first = next(n for n, cell in enumerate(cells) if mark in json.dumps(cell))
    return notebook | {"cells": [cells[0], cells[first]]}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab of its own, with its own settings and keys."""
    pytest.importorskip("jupyterlab")

    home = tmp_path_factory.mktemp("lab")
    work = home / "work"
    work.mkdir()
    chapter = beginning(json.loads(CHAPTER.read_text(encoding="utf-8")))
    (work / "trusted.ipynb").write_text(json.dumps(chapter), encoding="utf-8")
    foreign = copy.deepcopy(chapter)
    foreign["cells"][0]["source"].append("\n\nChanged by somebody else.")
    (work / "untrusted.ipynb").write_text(json.dumps(foreign), encoding="utf-8")
    live = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LIVE.strip())])
    live.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(live, work / "live.ipynb")
    variables = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = os.environ | {f"JUPYTER_{name}": str(home / name) for name in variables}
    environment |= {"HOME": str(home), "IPYTHONDIR": str(home / "ipython")}
    jupyter = [sys.executable, "-m", "jupyter"]
    subprocess.run(
        [*jupyter, "trust", str(work / "trusted.ipynb")], env=environment, check=True,
        capture_output=True,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [*jupyter, "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
             "--LabApp.expose_app_in_browser=True",
             "--IdentityProvider.token=", f"--ServerApp.root_dir={work}"],
            env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{address}/api")
                break
            except (urllib.error.URLError, ConnectionError):
                if server.poll() is not None:
                    pytest.fail(f"JupyterLab does not start: {(home / 'log').read_text()[-2000:]}")
                time.sleep(0.3)
        yield address
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def app(lab, browser):
    """One page with JupyterLab, which takes longer to start than to open a notebook."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    page = context.new_page()
    page.goto(f"{lab}/lab?reset", wait_until="load")
    page.wait_for_function("window.jupyterapp", timeout=PATIENCE)
    page.evaluate("jupyterapp.restored")
    yield page
    context.close()


@pytest.fixture
def notebook(app):
    """A function that opens a notebook in front of the others and gives its panel."""

    def opened(name):
        app.evaluate(
            "path => jupyterapp.commands.execute('docmanager:open', { path })", f"{name}.ipynb"
        )
        tab = app.locator(".lm-DockPanel-tabBar .lm-mod-current", has_text=f"{name}.ipynb")
        tab.wait_for(timeout=PATIENCE)
        panel = app.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        panel.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=PATIENCE)
        return panel

    return opened


def test_a_trusted_chapter_plays_its_explorers(notebook):
    panel = notebook("trusted")
    figure = panel.locator("figure.ac[data-ready]").first
    figure.wait_for(state="attached", timeout=60_000)
    figure.scroll_into_view_if_needed()
    status = figure.locator("[role=status], [aria-live]").first
    control = figure.locator("canvas[tabindex='0'], input[type=range]").first
    before = status.text_content()  # not what is in sight: JupyterLab lays out cells near by alone
    control.focus()
    for key in ("ArrowRight", "ArrowDown"):
        panel.page.keyboard.press(key)
    assert status.text_content() != before, "the explorer does not answer the keyboard"


def test_an_untrusted_chapter_shows_the_posters(notebook):
    panel = notebook("untrusted")
    poster = panel.locator("figure.ac .ac-poster").last
    poster.wait_for(state="attached", timeout=60_000)
    poster.scroll_into_view_if_needed()
    panel.page.wait_for_function("poster => poster.naturalWidth > 0", arg=poster.element_handle())
    assert poster.is_visible()
    assert poster.get_attribute("alt")
    assert panel.locator("figure.ac[data-ready]").count() == 0, "a script of a stranger ran"


def test_a_slider_with_a_kernel_computes_again(notebook):
    panel = notebook("live")
    panel.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
    output = panel.locator(".jp-Cell").first.locator(".jp-OutputArea-child")
    for _ in range(5):  # a run that comes too early is forgotten
        panel.locator(".jp-Cell .cm-content").first.click()
        panel.page.keyboard.press("Control+Enter")
        try:
            output.first.wait_for(timeout=20_000)
            break
        except TimeoutError:
            continue
    picture = panel.locator(".jp-OutputArea-output .widget-output img, .jupyter-widgets img").first
    picture.wait_for(state="visible", timeout=60_000)
    assert panel.locator("figure.ac").count() == 0, "its static form stands beside it"
    before = picture.get_attribute("src")
    assert panel.locator(".jupyter-widgets", has_text="line 4.000").count()
    panel.locator(".jupyter-widgets [role=slider], .noUi-handle").first.focus()
    panel.page.keyboard.press("ArrowRight")
    panel.locator(".widget-label", has_text="line 8.000").wait_for(timeout=30_000)
    assert picture.get_attribute("src") != before, "the picture is the old one"
