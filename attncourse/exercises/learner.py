"""Run a learner's code and turn whatever it does into a value or a friendly sentence."""

from __future__ import annotations

import dis
import functools
import inspect
import io
import linecache
import os
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from attncourse.exercises.verdict import NotAttempted, Stop, not_yet

#: Code below these folders is Python's or this package's; the learner's lies elsewhere.
_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_PYTHON = tuple(
    {f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")} | {"<frozen"}
)
_INSTALLED = {"site-packages", "dist-packages"}
_EMPTY_BODY = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "POP_TOP"}
_LONGEST = 300


@dataclass(frozen=True)
class Outcome:
    """What a call returned and printed."""

    value: Any
    printed: str

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        """The end of what was printed, as a row of a verdict."""
        return (("It printed", self.printed.strip()[-_LONGEST:]),) if self.printed.strip() else ()


def call(
    function: Callable[..., Any],
    inputs: Mapping[str, Any],
    details: tuple[tuple[str, str], ...] = (),
) -> Outcome:
    """Call ``function`` on the values of ``inputs``, in order.

    Args:
        function: the learner's.
        inputs: name -> value; pass copies, since the learner may change them.
        details: rows that say which input this was.

    Raises:
        NotAttempted: if it raises ``NotImplementedError`` itself, returns ``...`` or has no body.
        Stop: if it raises, changes an input, or returns nothing.
    """
    before = {name: _snapshot(value) for name, value in inputs.items()}
    stream = io.StringIO()
    body = function.forward if isinstance(function, nn.Module) else function
    _demand_signature(body, inputs)
    try:
        with redirect_stdout(stream):
            value = function(*inputs.values())
    except (Exception, SystemExit) as error:
        if _is_stub(error):
            raise NotAttempted from None
        printed = Outcome(None, stream.getvalue()).details
        raise _complaint(error, details + printed, before) from None
    outcome = Outcome(value, stream.getvalue())
    for name, old in before.items():
        if isinstance(old, Tensor) and not _unchanged(old, inputs[name].detach()):
            raise not_yet(
                f"Your code changes its input `{name}` in place, so whoever called it finds "
                f"other numbers there afterwards. Make a new tensor: `x * s` in place of "
                f"`x *= s`, `relu(x)` in place of `relu_(x)`.",
                details=details,
                inputs=before,
            )
    if value is ... or (value is None and not outcome.printed and _has_no_body(body)):
        raise NotAttempted
    if value is None:
        raise not_yet(_nothing_returned(outcome), details=details + outcome.details, inputs=before)
    return outcome


def _nothing_returned(outcome: Outcome) -> str:
    if outcome.printed:
        return (
            "Your code prints a result but returns None. Nobody can calculate with what is "
            "printed: end it with `return` in place of `print`."
        )
    return "Your code returns None. Does it end with `return` and the result?"


def _snapshot(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _unchanged(old: Tensor, new: Tensor) -> bool:
    if (old.shape, old.dtype) != (new.shape, new.dtype):
        return False
    return torch.equal(old, new) or bool(((old == new) | (old.isnan() & new.isnan())).all())


def _demand_signature(function: Callable[..., Any], inputs: Mapping[str, Any]) -> None:
    signature = _signature(function)
    if signature is None:
        return
    try:
        signature.bind(*inputs.values())
    except TypeError as error:
        names = ", ".join(inputs)
        raise not_yet(
            f"Your code is called with {len(inputs)} arguments in this order: ({names}). "
            f"It does not take them: {error}."
        ) from None


@functools.lru_cache(maxsize=32)
def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """What ``function`` takes; ``None`` for some built-in functions, which cannot say it."""
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):
        return None


def _complaint(
    error: BaseException, details: tuple[tuple[str, str], ...], inputs: Mapping[str, Any]
) -> Stop:
    where = _learner_entry(error.__traceback__)
    rows: tuple[tuple[str, str], ...] = ()
    if where is not None:
        line = where.tb_lineno
        filename = where.tb_frame.f_code.co_filename
        source = linecache.getline(filename, line, where.tb_frame.f_globals).strip()
        rows = (("Your line", f"{line}, `{source}`" if source else str(line)),)
    if isinstance(error, RecursionError):
        message = (
            "Your code calls itself without end (RecursionError). Look for a function that "
            "calls its own name where it should call another."
        )
    else:
        text = " ".join(str(error).split())
        text = text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
        message = f"Your code raised {type(error).__name__}" + (f": {text}" if text else ".")
    return not_yet(message, details=rows + details, inputs=inputs)


def _learner_entry(trace: TracebackType | None) -> TracebackType | None:
    """The innermost entry of a traceback that lies in the learner's own code."""
    found = None
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not filename.startswith(_OURS) and not _is_library(filename):
            found = trace
        trace = trace.tb_next
    return found


def _is_library(filename: str) -> bool:
    return filename.startswith(_PYTHON) or not _INSTALLED.isdisjoint(Path(filename).parts)


def _is_stub(error: BaseException) -> bool:
    """Whether a ``raise NotImplementedError`` outside any library was reached.

    Torch raises the same type for operations that a type or a device lacks; there the last
    instruction of the learner's line is a call and not a raise.
    """
    if not isinstance(error, NotImplementedError) or error.__traceback__ is None:
        return False
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    code = last.tb_frame.f_code
    if _is_library(code.co_filename) and not code.co_filename.startswith(_OURS):
        return False
    return code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _has_no_body(function: Callable[..., Any]) -> bool:
    """Whether a function consists of ``...``, ``pass`` or a docstring."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return isinstance(code, CodeType) and all(
        step.opname in _EMPTY_BODY for step in dis.get_instructions(code)
    )
