"""Read answers as a person means them: numbers in text, labels in a sentence, quotes and spaces.

``book/_static/answers.js`` reads numbers by the same rules; a test holds both to the same answers.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_QUOTES = "\"'`“”‘’«»„ \t\n"
_FILLERS = re.compile(r"\b(about|approximately|roughly|circa|ca\.|exactly)|[≈~]", re.IGNORECASE)
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:[,' \u2009\u00a0_]\d{3})+(?:\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?", re.IGNORECASE)
_SPLIT = re.compile(r"\s*(?:[;,]|\band\b|(?<=[\d)\s])[x×](?=[\d(\s]))\s*|\s+", re.IGNORECASE)
_COUNTED = (
    "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_A_PART = re.compile(rf"\b(?:an?|one)\s+({'|'.join(_PARTS)})\b", re.IGNORECASE)
_WORD = re.compile(rf"\b(?:{'|'.join(_COUNTED)})\b", re.IGNORECASE)
_FULL_STOP = re.compile(r"(?<=\w)[.!]+$")
_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ"}
_ALL = {"all", "all of them", "everything", "every one", "each"}
_NOTHING = {"", "-", "--", "()", "[]", "{}", "none", "nothing", "no", "neither", "empty", "∅"}

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def bare(text: str) -> str:
    """``text`` without the quotes and spaces around it."""
    return text.strip(_QUOTES)


def unbracketed(text: str) -> str:
    """``text`` without quotes and one pair of brackets around all of it."""
    text = bare(text)
    for opening, closing in ("()", "[]", "{}"):
        inner = text[1:-1]
        if text.startswith(opening) and text.endswith(closing) and opening not in inner:
            return bare(inner)
    return text


def numbers_in(text: str, count: int) -> tuple[float, ...] | None:
    """The ``count`` numbers that ``text`` holds: ``"36, 13"``, ``"5/8"``, ``"1,021,121"``.

    Returns:
        ``None`` where it cannot be read.  A percent sign divides by 100.  What is no number as it
        stands is read once more with ``"two"``, ``"minus two"``, ``"a tenth"`` and ``"3:1"`` as
        numbers.
    """
    text = _FILLERS.sub(" ", unbracketed(text).rpartition("=")[2])
    text = text.replace("−", "-").replace("·", "*").replace("^", "**").replace("π", "pi")
    text = re.sub(r"\bminus\s+", "-", text, flags=re.IGNORECASE)
    text = re.sub(r"√\s*([\d.]+)", r"sqrt(\1)", text).replace("√(", "sqrt(")
    text = bare(text)
    return _numbers(text, count) or _numbers(_in_digits(text), count)


def _in_digits(text: str) -> str:
    """``text`` with numbers in words, ratios and spaces before a percent sign as a program has."""
    text = _A_PART.sub(lambda part: f"1/{_PARTS[part[1].lower()]}", text)
    text = _WORD.sub(lambda word: str(_COUNTED.index(word[0].lower())), text)
    text = re.sub(r"([0-9])( ?):\2(?=[0-9])", r"\1/", text)
    return re.sub(r"([0-9])\s+%", r"\1%", text)


def _numbers(text: str, count: int) -> tuple[float, ...] | None:
    if count == 1:
        # Words around the number, such as its unit, do not count.
        for form in (text, re.sub(r"^[^\W\d_]+\s+|\s+[^\W\d_]+$", "", text)):
            number = _number(form)
            if number is not None:
                return (number,)
    parts = [part for part in _SPLIT.split(text) if part]
    if len(parts) == count:
        read = [_number(part) for part in parts]
        if all(number is not None for number in read):
            return tuple(number for number in read if number is not None)
    # Words around the numbers: "36 weights and 13 biases".
    found = _NUMBER.findall(text)
    rest = _NUMBER.sub(" ", text)
    if len(found) == count and re.fullmatch(r"(?:[^\W\d_]|[\s,;:.%])*", rest):
        share = 100 if "%" in rest else 1
        values = tuple(float(number) / share for number in found)
        return values if all(map(math.isfinite, values)) else None
    return None


def _number(text: str) -> float | None:
    text = bare(text)
    if text.endswith("%"):
        number = _number(text[:-1])
        return None if number is None else number / 100
    if _THOUSANDS.fullmatch(text):
        text = re.sub(r"[,' \u2009\u00a0_]", "", text)
    elif _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        value = _evaluate(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        return None
    return value if math.isfinite(value) else None


def _evaluate(node: ast.expr) -> float:
    """Arithmetic on numbers, ``pi`` and ``sqrt(...)``; nothing is run."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _evaluate(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            value = _BINARY[type(op)](_evaluate(left), _evaluate(right))
            if isinstance(value, complex):
                raise ValueError("not real")
            return value
        case ast.Name(id="pi"):
            return math.pi
        case ast.Call(func=ast.Name(id="sqrt"), args=[argument], keywords=[]):
            return math.sqrt(_evaluate(argument))
    raise ValueError("not arithmetic")


def literal(text: str) -> Any:
    """The Python value that ``text`` spells out, such as a dictionary; else ``text`` itself."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def known(name: Any, names: Iterable[str]) -> str | None:
    """The one of ``names`` that is meant: exactly, or but for case, quotes and spaces."""
    names = list(names)
    if not isinstance(name, str):
        return None
    return next(
        (n for same in (str, bare, _plain) for n in names if same(n) == same(name)),
        None,
    )


def _plain(text: str) -> str:
    text = _FULL_STOP.sub("", bare(text))
    words = re.sub(r"[\s_\-→>,:()`'\"]+", " ", text).strip().lower()
    return re.sub(rf"\b({'|'.join(_GREEK)})\b", lambda name: _GREEK[name[1]], words)


def labels_in(
    value: Any, labels: Iterable[str], spellings: Mapping[str, str] | None = None
) -> list[Any] | None:
    """The labels that an entry of a table names; ``None`` if it is no entry at all.

    ``"mean, max"``, ``"mean and max"``, ``("mean", "max")``, ``{"mean": True, "max": False}``,
    ``"none"``, ``"all"`` and, of two labels, ``"both"`` are read as they are meant, also with a
    full stop; ``spellings`` has further words for labels.
    """
    labels = list(labels)
    spelled = {_plain(words): label for words, label in (spellings or {}).items()}

    def named(text: str) -> str | None:
        return known(text, labels) or spelled.get(_plain(text))

    if isinstance(value, Mapping):
        if not all(isinstance(chosen, bool) for chosen in value.values()):
            return None
        value = [name for name, chosen in value.items() if chosen]
    if isinstance(value, str):
        if found := named(value):
            return [found]
        inner = literal(value)
        if not isinstance(inner, str):
            return [] if inner is None else labels_in(inner, labels, spellings)
        text = _FULL_STOP.sub("", unbracketed(value))
        if text.lower() in _NOTHING:
            return []
        if text.lower() in (_ALL | {"both"} if len(labels) == 2 else _ALL):
            return labels
        parts = [p for p in re.split(r"\s*[,;+&/]\s*|\s+and\s+", text) if p]
        if len(parts) == 1 and not named(text):
            parts = text.split()
        return [named(part) or bare(part) for part in parts]
    if not isinstance(value, Iterable):
        return None
    entries = list(value)
    if not all(isinstance(entry, str) for entry in entries):
        return None
    return [named(e) or bare(e) for e in entries if bare(e).lower() not in _NOTHING]
