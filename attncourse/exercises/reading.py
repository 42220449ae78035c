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
_NUMBER = re.compile(r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?)(%?)", re.IGNORECASE)
#: How several numbers are kept apart, the clearest sign first: commas also stand inside numbers.
_SPLITS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r";",
        r";|,\s+|\band\b",
        r"\s*(?:[;,]|\band\b|(?<=[\d)\s])[x×](?=[\d(\s]))\s*|\s+",
    )
)
_LETTER = r"[^\W\d_]"
#: A word, such as a unit; hyphens hold one together: ``multiply-adds``.
_A_WORD = rf"(?:{_LETTER}-(?={_LETTER})|{_LETTER})+"
_AROUND = re.compile(rf"^(?:{_A_WORD}:?\s+)+|(?:\s+{_A_WORD})+$")
_TIMES = re.compile(r"^[x×]\s*(?=[0-9.])|(?<=[0-9])\s*[x×]$", re.IGNORECASE)
_WORDS_ALONE = re.compile(rf"(?:{_LETTER}-(?={_LETTER})|{_LETTER}|[\s,;:.])*")
_GROUPS = re.compile(r"(?:[(\[{][^()\[\]{}]*[)\]}][\s,;]*)+")
_PERCENT = re.compile(r"(?<=[0-9)])\s*(?:%|per\s?cent\b)", re.IGNORECASE)
_FACTOR = re.compile(r"(?<=[0-9)])\s*(?=(?:pi|sqrt)\b)")
_A_NUMBER = r"([0-9]+(?:[.,][0-9]+)?|[.][0-9]+)"
_RANGE = re.compile(rf"{_A_NUMBER} *%? *(?:[-−–—]|to) *{_A_NUMBER} *%?")
_COUNTED = (
    "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_A_PART = re.compile(rf"\b(?:an?|one)\s+({'|'.join(_PARTS)})\b", re.IGNORECASE)
_COUNT = re.compile(rf"\b(?:{'|'.join(_COUNTED)})\b", re.IGNORECASE)
_FULL_STOP = re.compile(r"(?<=\w)[.!]+$")
#: Words beside a label that do not change which one is meant.
_ASIDES = re.compile(r"^(?:(?:only|just|both|the)\s+)+|\s+(?:only|alone)$", re.IGNORECASE)
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


def is_range(text: str) -> bool:
    """Whether ``text`` is two numbers, the smaller one first: ``"16.3 - 16.4"``, ``"2 to 3"``."""
    found = _RANGE.fullmatch(bare(text))
    if not found:
        return False
    low, high = (float(number.replace(",", ".")) for number in found.groups())
    return low < high


def numbers_in(text: str, count: int, percent: float = 100) -> tuple[float, ...] | None:
    """The ``count`` numbers that ``text`` holds: ``"36, 13"``, ``"5/8"``, ``"1,021,121"``.

    Args:
        text: what was typed.
        count: how many numbers are asked for.
        percent: what a percent sign divides its number by: 1 where the answer is in percent.

    Returns:
        ``None`` where it cannot be read.  What is no number as it stands is read once more with
        ``"two"``, ``"minus two"``, ``"a tenth"`` and ``"3:1"`` as numbers.
    """
    text = unbracketed(text)
    text = re.sub(r"\w+\s*=", " ", text) if text.count("=") > 1 else text.rpartition("=")[2]
    text = _FILLERS.sub(" ", text)
    text = text.replace("−", "-").replace("·", "*").replace("^", "**").replace("π", "pi")
    text = re.sub(r"\bminus\s+", "-", text, flags=re.IGNORECASE)
    text = re.sub(r"√\s*([\d.]+)", r"sqrt(\1)", text).replace("√(", "sqrt(")
    text = bare(text)
    for form in (text, _in_digits(text)):
        if found := _numbers(_PERCENT.sub("%", form), count, percent):
            return found
    return None


def _in_digits(text: str) -> str:
    """``text`` with numbers in words and ratios as a program has them."""
    text = _A_PART.sub(lambda part: f"1/{_PARTS[part[1].lower()]}", text)
    text = _COUNT.sub(lambda word: str(_COUNTED.index(word[0].lower())), text)
    return re.sub(r"([0-9])( ?):\2(?=[0-9])", r"\1/", text)


def _numbers(text: str, count: int, percent: float) -> tuple[float, ...] | None:
    if count == 1:
        number = _one(text, percent)
        if number is not None:
            return (number,)
    if _GROUPS.fullmatch(text):
        # Pairs in brackets of their own: "(1, 2), (3, 4)".
        text = bare(re.sub(r"[()\[\]{}]", " ", text))
    for separator in _SPLITS:
        parts = [part for part in separator.split(text) if part.strip()]
        if len(parts) == count > 1:
            read = [_one(part, percent) for part in parts]
            if all(number is not None for number in read):
                return tuple(number for number in read if number is not None)
    # Words around the numbers: "36 weights and 13 biases".
    found = _NUMBER.findall(text)
    if len(found) == count and _WORDS_ALONE.fullmatch(_NUMBER.sub(" ", text)):
        values = tuple(float(number) / (percent if sign else 1) for number, sign in found)
        return values if all(map(math.isfinite, values)) else None
    return None


def _one(text: str, percent: float) -> float | None:
    """One number; words around it, such as its unit, and a sign for *times* do not count."""
    text = bare(text)
    for form in (text, _AROUND.sub("", text), _TIMES.sub("", text)):
        number = _number(_FACTOR.sub("*", form), percent)
        if number is not None:
            return number
    return None


def _number(text: str, percent: float) -> float | None:
    text = bare(text)
    if text.endswith("%"):
        number = _number(text[:-1], percent)
        return None if number is None else number / percent
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
    full stop or a word such as *only*; ``spellings`` has further words for labels.
    """
    labels = list(labels)
    spelled = {_plain(words): label for words, label in (spellings or {}).items()}

    def named(text: str) -> str | None:
        forms = (text, _ASIDES.sub("", bare(_FULL_STOP.sub("", text))))
        return next((n for t in forms if (n := known(t, labels) or spelled.get(_plain(t)))), None)

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
