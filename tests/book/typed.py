"""What readers type into the fields of an exercise, right and wrong: one list for both checkers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from attncourse.exercises.choice import ChoiceExercise, TableExercise
from attncourse.exercises.exercise import Exercise
from attncourse.exercises.value import ValueExercise, numbers_of, shown

#: Texts that any field may get.
TEXTS = (
    "0,5", " 36, 13 ", "1/2", "3e4", "50 %", "50%", "many", "don't know", 'say "no"', 'it\'s "x"',
    "1/0", "9**9**9**9", "2**-1", "-2**2", "2^3", "2**3**0", "--5", "007", "0_0", "1_000", "1__0",
    "0x10", "1.5e3", "5.", ".5", "5e", "1.2.3", "sqrt(16)", "sqrt(-1)", "√2", "√ 9", "√(4)", "2π",
    "π", "pi", "PI", "2*pi", "3 x 4", "3x4", "5 # five", "1,021,121", "1 021 121", "1'021'121",
    "½", "(2)", "[2]", "((2))", "{2}", "()", "1+", "(-8)**(1/3)", "2pi", "5j", "1e999", "5 weights",
    "w = 5", "about 5", "≈5", "~ 0,625", "circa 0.625", "roundabout 5", "36 weights and 13 biases",
    "36 weights, 13 biases 2", "−4", "–4", "4·4", "4//2", "7 % 2", "x", "True", "None", "nan",
    "inf", "-inf", "1;2", "1 and 2", "1and2", "36 und 13", "a\u00a0b", "５", "٣", "²", "3²",
    "1e-7", "0.00001234567", "123456.789012345", "1e15", "1e16", "-0", "0", "1 2", "[1, 2)",
    "'5'", "“5”", "`5`", "5\\", "é 5", "5 é", "1,5,", "+5", "+ 5", "5 +5", "(1+2)*3", "2(3)",
    "60 percent", "100 % sure", "about about 5", "__import__('os')", "__proto__", "sqrt", "sqrt()",
    "2, 87.1 %, 0.125 %", "16.3 percent", "87.1 per cent", "304,128; 78,336; 841", "1 % and 2",
    "577, 1,997,574, 145,920", "(-2, -2), (0, 2)", "[(1, 2); (3, 4)]", "(1) (2", "2√2, 8, 1", "×18",
    "18 ×", "x 18", "1,021,120 learned numbers", "7 multiply-adds", "7 -x", "a: 7; b: 1,997", "2 π",
    "a = 1, b₂ = 2", "0,5, 0,25", "0,5; 0,25", "2, and 3", "16.3 %.", "% 5", "3 sqrt(4)", "2pix",
    "5" + " " * 60 + "?", "-.5", "1:2", "a" * 100, "007*2", "1/10**400", "0**-1*0 + 2",
    "16.3 - 16.4", "16,3-16,4", "16.3% – 16.4 %", "2 to 3", "4 - 3", "1-2-3", ".5—.6", "2 − 7",
)  # fmt: skip


def plain(value: float) -> str:
    """A number as somebody types it."""
    return shown(value) if float(shown(value)) == value else repr(value)


def clothed(value: float) -> tuple[str, ...]:
    """One number in many clothes."""
    text = plain(value)
    return (
        text, f" {text} ", f"y = {text}", f"about {text}", f"{text}/1", f"{value * 100!r} %",
        f"{value:e}", text.replace("-", "−"), text.replace(".", ","), f"{text} units", f"'{text}'",
        f"({text})", f"{value:,}", f"{value / 3!r} * 3", f"{value:.2f}", f"{value:.4f}",
    )  # fmt: skip


@singledispatch
def typed(exercise: Exercise) -> Iterator[tuple[Any, Any]]:
    """(what ``check`` is given, what the form is given) for every trial."""
    raise TypeError(type(exercise))


@typed.register
def _(exercise: ValueExercise) -> Iterator[tuple[Any, Any]]:
    truth = numbers_of(exercise.truth())
    wrong = [numbers_of(form) for m in exercise.misconceptions for form in m.forms]
    moved = [
        tuple(f(v) for v in truth)
        for f in (
            lambda v: -v, lambda v: 100 * v, lambda v: 1 / v if v else 7.0, lambda v: 1.0004 * v,
            lambda v: 1.004 * v, lambda v: 0.9995 * v, lambda v: 1.5 * v,
            lambda v: float(f"{v:.2g}"), lambda v: float(f"{v:.5g}"),
            lambda v: max(exercise.low, -1e9) - 1,
            lambda v: min(exercise.high, 1e9) + 1,
        )
    ]  # fmt: skip
    if len(truth) == 1:
        for text in itertools.chain(
            ("", "  "), TEXTS, clothed(truth[0]), (plain(v[0]) for v in (*wrong, *moved))
        ):
            yield text, [text]
        return
    right = [plain(value) for value in truth]
    yield from (([""] * len(truth),) * 2, ([" "] * len(truth),) * 2)
    for numbers in (truth, *wrong, *moved, truth[::-1]):
        fields = [plain(value) for value in numbers]
        yield tuple(fields), fields
        for place in range(len(fields)):
            for text in (fields[place], ""):
                mixed = [*right[:place], text, *right[place + 1 :]]
                yield tuple(mixed), mixed
    for first, second in itertools.combinations(wrong, 2):
        both = [a if a != t else b for t, a, b in zip(truth, first, second, strict=True)]
        fields = [plain(value) for value in both]
        yield tuple(fields), fields
    rest = [""] * (len(truth) - 1)
    apart = [f"{value:,}" for value in truth]
    together = ("; ".join(apart), ", ".join(apart), " and ".join(f"{text} units" for text in apart))
    for text in (", ".join(right), f"({'; '.join(right)})", *together, *TEXTS, *right[:1]):
        yield (text, *rest), [text, *rest]
        yield (text, *right[1:]), [text, *right[1:]]
        yield (*right[:-1], text), [*right[:-1], text]


@typed.register
def _(exercise: ChoiceExercise) -> Iterator[tuple[Any, Any]]:
    yield None, None
    for letter in "abcdefgh"[: len(exercise.options)]:
        yield letter, letter


@typed.register
def _(exercise: TableExercise) -> Iterator[tuple[Any, Any]]:
    truth = {row: sorted(labels) for row, labels in exercise.truth.items()}
    everything = frozenset(exercise.labels)

    def turned(*cells: tuple[str, str]) -> dict[str, list[str]]:
        table = {row: set(labels) for row, labels in truth.items()}
        for row, label in cells:
            table[row] ^= {label}
        return {row: sorted(labels) for row, labels in table.items()}

    forms = [form for mistake in exercise.misconceptions for form in mistake.forms]
    rows = [form for form in forms if isinstance(form[1], frozenset)]
    cells = [form for form in forms if form not in rows]
    every = [(row, label) for row in truth for label in exercise.labels]
    draw = random.Random(0)
    tables = [
        truth, {}, {row: [] for row in truth}, dict.fromkeys(truth, sorted(everything)),
        {row: sorted(everything - exercise.truth[row]) for row in truth},
        *({k: v for k, v in truth.items() if k != row} for row in truth),
        *({**truth, row: sorted(labels)} for row, labels in rows),
        *(turned(cell) for cell in every), *(turned(*pair) for pair in itertools.pairwise(cells)),
        *(turned(*draw.sample(every, 4)) for _ in range(20)),
    ]  # fmt: skip
    for table in tables:
        yield {row: table.get(row, ...) for row in truth}, table
