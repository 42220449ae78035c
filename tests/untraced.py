"""Coverage looks away where a test repeats what another has run.

Tracing every line makes Python a third slower.  Fifty seeds of one answer, a mutant under the
checks that its module has passed, a compiler and a browser reach no line that the other tests do
not reach; what the bar of coverage holds is the same without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath

#: What only repeats: a folder, or a file.
REPEATS = (
    "tests/book",
    "tests/contract/test_compile_and_export.py",
    "tests/unit/test_virtual_gpu.py",
)


def repeats(file: PurePath, root: PurePath) -> bool:
    """Whether a file's tests run only what others run."""
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else ""
    return any(name == place or name.startswith(f"{place}/") for place in REPEATS)


@contextmanager
def untraced() -> Iterator[None]:
    """No line is traced in here; outside of a run with ``--cov`` nothing changes."""
    from coverage import Coverage

    measuring = Coverage.current()
    if measuring is None:
        yield
        return
    measuring.stop()
    try:
        yield
    finally:
        measuring.start()
