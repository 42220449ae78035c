"""Coverage looks away where it is told to, and only there."""

import subprocess
import sys

from tests.untraced import repeats

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from coverage import Coverage
from tests.untraced import untraced
with untraced():
    pass  # without coverage nothing happens
measuring = Coverage(data_file=None, config_file=False, include=["*/few_lines.py"])
measuring.start()
import few_lines
few_lines.before()
with untraced():
    few_lines.inside()
try:
    with untraced():
        raise ValueError
except ValueError:
    few_lines.after()
measuring.stop()
(file,) = measuring.get_data().measured_files()
print(sorted(measuring.get_data().lines(file)))
"""
FEW_LINES = """def before():
    return 1
def inside():
    return 2
def after():
    return 3
"""


def test_nothing_is_traced_inside_and_all_is_outside(tmp_path, repository):
    (tmp_path / "few_lines.py").write_text(FEW_LINES, encoding="utf-8")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(root=str(repository)), encoding="utf-8")
    command = [sys.executable, script]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[1, 2, 3, 5, 6]"


def test_only_what_repeats_is_left_out(repository):
    tests = repository / "tests"
    assert repeats(tests / "book" / "test_pages.py", repository)
    assert repeats(tests / "contract" / "test_compile_and_export.py", repository)
    assert not repeats(tests / "contract" / "test_contract.py", repository)
    assert not repeats(tests / "book_of_others.py", repository)
