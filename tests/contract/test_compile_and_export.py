"""``torch.compile(fullgraph=True)`` and ``torch.export`` with dynamic b, h, w."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from attncourse.catalog import CARDS

SCRIPT = Path(__file__).with_name("compile_and_export.py")


@pytest.fixture(scope="module")
def verdicts(request):
    """Of the mechanisms whose tests were chosen, all in one process."""
    here = [item for item in request.session.items if item.fspath == request.fspath]
    wanted = {item.callspec.params["chapter"] for item in here}
    call = [sys.executable, str(SCRIPT), *sorted(wanted)]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("what", ["compile", "export"])
@pytest.mark.parametrize("chapter", [card.label for card in CARDS])
def test_captured_as_one_graph(verdicts, chapter, what, record_property):
    record_property("share", verdicts[chapter][what]["seconds"])
    assert verdicts[chapter][what]["found"] == "ok"
