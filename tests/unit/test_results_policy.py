"""The worked example of the page on results is computed from the recorded runs."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

PAGE = Path(__file__).parents[2] / "book" / "results_policy.md"


def test_the_worked_example_is_what_the_recorded_runs_give():
    text = PAGE.read_text(encoding="utf-8")
    ((code, shown),) = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(code, {})  # the page's own code
    assert printed.getvalue() == shown, "copy what the code prints into the page, and read it again"
    # What the sentences under the example say of these numbers.
    low, high = map(float, re.search(r"SE: \S+ \[(\S+), (\S+)\]", shown).groups())
    mean = float(re.search(r"SE: (\S+)", shown)[1])
    assert mean - low > high - mean
    assert high < 1
    alone, both = (
        [float(end) for end in re.search(rf"{name}: \S+ \[(\S+), (\S+)\]", shown).groups()]
        for name in ("difference, seeds alone", "difference")
    )
    assert both[1] - both[0] > alone[1] - alone[0]
    assert both[0] < -0.005
    assert both[1] < 0.005
    assert "verdict: no clear effect" in shown
