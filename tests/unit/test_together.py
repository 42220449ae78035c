"""What stays in one process when tests are shared out."""

from __future__ import annotations

import pytest

from tests.conftest import together


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/book/test_pages.py::test_x[book/channel/gate.html]", "channel/gate"),
        ("tests/book/test_accessibility.py::test_x[book/channel/gate.html-light]", "channel/gate"),
        ("tests/book/test_pages.py::test_x[channel/gate-gate-explorer]", "channel/gate"),
        ("tests/book/test_pages.py::test_x[book/intro.html]", "book/intro"),
        ("tests/book/test_jupyterlab.py::test_x", "tests/book/test_jupyterlab.py"),
        ("tests/unit/test_jobs.py::test_x", "tests/unit/test_jobs.py"),
        ("tests/book/test_epub.py::test_x[book/channel/gate.html]", "tests/book/test_epub.py"),
        ("tests/unit/test_plan.py::test_x[a]", "tests/unit/test_plan.py::test_x[a]"),
    ],
)
def test_a_page_or_what_is_made_once_keeps_tests_together(nodeid, group):
    assert together(nodeid) == group
