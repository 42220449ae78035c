"""Closed forms as expressions, so that a page without Python can evaluate them.

A card's ``parameters`` and ``macs`` are Python functions of whole numbers.  :func:`expression`
runs such a function on symbols that write down what is done with them.  Where the function
asks a question of a symbol (``if reduction < 1``), both answers are followed, and the answer
becomes a conditional.  :func:`javascript` translates the outcome into the only language that a
published page can run; tests evaluate it in a browser and compare it with the function.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from math import nan
from typing import Any

from attncourse.attention import Card

#: What the comparison page lets its reader set, and where it starts: channels, rows, columns,
#: frames, joints.  The reduction, r, starts at each mechanism's own.
SETTINGS = {"C": 256, "H": 14, "W": 14, "T": 16, "K": 20}
_SIZES = {"h": "H", "w": "W", "t": "T", "n": "(H * W)"}
_ARGUMENTS = {"channels": "C", "joints": "K", "frames": "T"}
_REDUCTION = "reduction"
#: Arguments that a form asks for and the page does not vary.
_FIXED = {"classes": 10}
_MOST_PATHS = 64


def closed_forms(card: Card) -> dict[str, Any]:
    """A card's closed forms in JavaScript, in C, H, W, T, K and r, with its own r."""
    taken = inspect.signature(card.parameters).parameters
    own = taken[_REDUCTION].default if _REDUCTION in taken else None
    named = {name: letter for name, letter in _ARGUMENTS.items() if name in taken}
    if own is not None:
        named[_REDUCTION] = "r"
    fixed = {name: value for name, value in _FIXED.items() if name in taken}
    start = values(card, SETTINGS)
    forms: dict[str, Any] = {"reduction": own, "at_start": start}
    for key, form, sizes in (
        ("parameters", card.parameters, ()),
        ("macs", card.macs, _sizes(card)),
    ):
        text = expression(partial(form, **fixed), sizes, **named)
        if evaluate(text, SETTINGS | {"r": own}) != start[key]:
            raise RuntimeError(
                f"{card.stem}: {key} does something that cannot be written down, "
                f"such as a loop over a size: write the sum out"
            )
        forms[key] = javascript(text)
    return forms


def values(card: Card, settings: Mapping[str, int], reduction: int | None = None) -> dict[str, int]:
    """The closed forms' values at ``settings``, by the functions themselves.

    ``reduction`` replaces the mechanism's own where it has one.
    """
    taken = inspect.signature(card.parameters).parameters
    named = {name: settings[letter] for name, letter in _ARGUMENTS.items() if name in taken}
    named |= {name: value for name, value in _FIXED.items() if name in taken}
    if reduction is not None and _REDUCTION in taken:
        named[_REDUCTION] = reduction
    sizes = [int(evaluate(size, settings)) for size in _sizes(card)]
    return {"parameters": card.parameters(**named), "macs": card.macs(*sizes, **named)}


def formulas(card: Card) -> dict[str, str]:
    """A card's closed forms as Python expressions in C, H, W, T and K, with its own reduction."""
    taken = inspect.signature(card.parameters).parameters
    named = {name: letter for name, letter in _ARGUMENTS.items() if name in taken}
    fixed = {name: value for name, value in _FIXED.items() if name in taken}
    return {
        key: expression(partial(form, **fixed), sizes, **named)
        for key, form, sizes in (
            ("parameters", card.parameters, ()),
            ("macs", card.macs, _sizes(card)),
        )
    }


def _sizes(card: Card) -> tuple[str, ...]:
    """The sizes that the multiply-adds depend on, in the page's letters: n points are H W."""
    return tuple(_SIZES[axis] for axis in card.input.split()[1:] if axis in _SIZES)


def evaluate(text: str, numbers: Mapping[str, Any]) -> float:
    """What an expression comes to."""
    return eval(text, {"__builtins__": {}, "nan": nan}, dict(numbers))


# ---------------------------------------------------------------- writing down


class _Run:
    """One run of a form: the answers to give, and the questions that were asked."""

    def __init__(self, answers: tuple[bool, ...]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def answer(self, question: str) -> bool:
        self.asked.append(question)
        place = len(self.asked) - 1
        return self.answers[place] if place < len(self.answers) else True


class _Question:
    """A comparison of symbols; asking for its truth chooses a path."""

    def __init__(self, run: _Run, text: str) -> None:
        self.run, self.text = run, text

    def __bool__(self) -> bool:
        return self.run.answer(self.text)


class _Symbol(int):
    """A whole number that writes down its own history; as an int it is worth nothing."""

    run: _Run
    text: str

    def __new__(cls, run: _Run, text: str) -> _Symbol:
        made = super().__new__(cls, 0)
        made.run, made.text = run, text
        return made

    def __neg__(self) -> _Symbol:
        return _Symbol(self.run, f"(-{self.text})")

    def __bool__(self) -> bool:
        return self.run.answer(f"({self.text} != 0)")

    __hash__ = None  # type: ignore[assignment]


def _text(value: int) -> str:
    if isinstance(value, bool):  # a switch that counts as a number
        return str(int(value))
    return value.text if isinstance(value, _Symbol) else str(value)


def _define(name: str, sign: str, kind: type[_Symbol] | type[_Question]) -> None:
    """Give symbols one operation, forward and reflected."""

    def forward(self: _Symbol, other: Any) -> Any:
        return kind(self.run, f"({self.text} {sign} {_text(other)})")

    def reflected(self: _Symbol, other: Any) -> Any:
        return kind(self.run, f"({_text(other)} {sign} {self.text})")

    setattr(_Symbol, f"__{name}__", forward)
    setattr(_Symbol, f"__r{name}__", reflected)


for _name, _sign in zip(
    ("add", "sub", "mul", "floordiv", "mod", "pow"), ["+", "-", "*", "//", "%", "**"], strict=True
):
    _define(_name, _sign, _Symbol)
for _name, _sign in zip(
    ("lt", "le", "gt", "ge", "eq", "ne"), ["<", "<=", ">", ">=", "==", "!="], strict=True
):
    _define(_name, _sign, _Question)


def expression(form: Callable[..., int], sizes: tuple[str, ...], **symbols: str) -> str:
    """What ``form(*sizes, **symbols)`` computes, as a Python expression.

    Args:
        form: a closed form on whole numbers.
        sizes: names for its positional arguments.
        symbols: argument -> name, for those given by keyword.

    Returns:
        the expression; it is ``nan`` where the form raises a ``ValueError``.

    Raises:
        RuntimeError: if the form has too many paths.
    """
    paths = 0

    def follow(answers: tuple[bool, ...]) -> str:
        nonlocal paths
        paths += 1
        if paths > _MOST_PATHS:
            raise RuntimeError(f"{form} has over {_MOST_PATHS} paths: write it with fewer branches")
        run = _Run(answers)
        named = {argument: _Symbol(run, name) for argument, name in symbols.items()}
        try:
            text = _text(form(*(_Symbol(run, name) for name in sizes), **named))
        except ValueError:
            text = "nan"
        if len(run.asked) == len(answers):
            return text
        yes, no = follow((*answers, True)), follow((*answers, False))
        return yes if yes == no else f"({yes} if {run.asked[len(answers)]} else {no})"

    return follow(())


# ---------------------------------------------------------------- translating

_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Mod: "%", ast.Pow: "**", ast.Lt: "<",
    ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "===", ast.NotEq: "!==",
}  # fmt: skip


def javascript(text: str) -> str:
    """A Python expression of :func:`expression` in JavaScript."""
    return _translated(ast.parse(text, mode="eval").body)


def _translated(node: ast.expr) -> str:
    match node:
        case ast.Name(id="nan"):
            return "NaN"
        case ast.Name(id=name):
            return name
        case ast.Constant(value=value):
            return str(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(-{_translated(operand)})"
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return f"Math.floor({_translated(left)} / {_translated(right)})"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            return f"({_translated(left)} {_SIGNS[type(op)]} {_translated(right)})"
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _SIGNS:
            return f"({_translated(left)} {_SIGNS[type(op)]} {_translated(right)})"
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return f"({_translated(test)} ? {_translated(body)} : {_translated(orelse)})"
    raise TypeError(f"a closed form may not hold {ast.unparse(node)}")
