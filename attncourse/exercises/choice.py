"""Exercises that ask to choose: one option of several, or the true cells of a table."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase
from typing import Any, ClassVar

from attncourse.exercises.exercise import Exercise, Misconception
from attncourse.exercises.reading import bare, known, labels_in, literal
from attncourse.exercises.verdict import NotAttempted, Verdict, not_yet

Row = str
Label = str


@dataclass(frozen=True)
class Option:
    """One of several answers.

    Attributes:
        text: the option as it is read.
        reason: why it is right, or why it is not.
        right: whether it is.
        also: what it is called besides, such as the text of the line that it names.
    """

    text: str
    reason: str
    right: bool = False
    also: str = ""


def letters(options: Sequence[Option]) -> dict[str, Option]:
    """Letter -> option: a, b, c."""
    return dict(zip(ascii_lowercase, options, strict=False))


def read_letter(answer: Any, options: Sequence[Option]) -> str | None:
    """The letter that is meant by ``b``, ``(B)``, ``"b) its text"``, ``3`` for line 3 or the text.

    Returns:
        ``None`` if no option, or more than one, can be meant.
    """
    named = letters(options)
    if isinstance(answer, list | tuple | set | frozenset) and len(answer) == 1:
        answer = next(iter(answer))
    if isinstance(answer, int) and not isinstance(answer, bool):
        answer = str(answer)
    if not isinstance(answer, str):
        return None
    text = bare(answer)
    written = " ".join(text.split())
    meant = [name for name, o in named.items() if o.also and " ".join(o.also.split()) == written]
    if len(meant) == 1:
        return meant[0]
    text = re.sub(r"^(before|in front of|at|in|on)\s+(?=line\b)", "", text, flags=re.IGNORECASE)
    text = f"line {text}" if text.isdecimal() else text
    letter = re.sub(r"^(option|answer|letter)\s+", "", text.lower()).strip("().: ")
    if letter in named:
        return letter
    if spelled := re.match(r"\(?([a-z])\s*[).:]\s*(.*)", text, re.IGNORECASE | re.DOTALL):
        letter, rest = spelled[1].lower(), spelled[2].lower()
        if letter in named and named[letter].text.lower().startswith(rest):
            return letter
    words = text.lower()
    meant = [
        name
        for name, option in named.items()
        if option.text.lower() == words
        or (len(words) > 1 and re.match(rf"{re.escape(words)}\b", option.text, re.IGNORECASE))
    ]
    return meant[0] if len(meant) == 1 else None


def validate(options: Sequence[Option], where: str) -> None:
    """Raise a ``ValueError`` unless there are three or more options, all reasoned, one right."""
    right = sum(option.right for option in options)
    texts = {option.text for option in options}
    if len(texts) < 3 or len(texts) < len(options):
        raise ValueError(f"{where}: give at least three options, all different")
    if right != 1:
        raise ValueError(f"{where}: {right} options are right, make it exactly one")
    if not all(option.reason for option in options):
        raise ValueError(f"{where}: every option needs a reason")


@dataclass(frozen=True, kw_only=True)
class ChoiceExercise(Exercise):
    """Choose one option, such as the line with the bug.

    Attributes:
        options: one of them is right.
    """

    options: tuple[Option, ...]

    remedy: ClassVar[str] = "Put the letter of your choice in place of `...`."

    def __post_init__(self) -> None:
        validate(self.options, self.id)
        super().__post_init__()

    def judge(self, answer: Any, seed: int) -> Verdict:
        """Tell the reason of the chosen option."""
        letter = read_letter(answer, self.options)
        if letter is None:
            raise not_yet(f"{answer!r} is not an option: choose one of {', '.join(self._named)}.")
        option = self._named[letter]
        if option.right:
            return self.correct(option.reason)
        raise not_yet(f"Not this one. {option.reason}", misconception=option.text)

    def not_attempted(self) -> Verdict:
        """As for any exercise, with the options."""
        rows = tuple((f"{letter})", option.text) for letter, option in self._named.items())
        plain = super().not_attempted()
        return Verdict(plain.status, plain.message, details=rows)

    def right_answers(self) -> Sequence[str]:
        """The right letter in two spellings, and the option's own text."""
        right = [(letter, option) for letter, option in self._named.items() if option.right]
        return [s for a, option in right for s in (a, f"({a.upper()})", option.text)]

    def wrong_answers(self) -> Sequence[tuple[str, str]]:
        """Every option that is not right."""
        return [(o.text, letter) for letter, o in self._named.items() if not o.right]

    def stubs(self) -> Sequence[Any]:
        """The dots of the untouched cell, and None."""
        return (..., None)

    @property
    def _named(self) -> dict[str, Option]:
        return letters(self.options)


@dataclass(frozen=True, kw_only=True)
class TableExercise(Exercise):
    """Say for every row of a table which labels belong to it.

    The answer is a dictionary: row -> label, or several labels, or none, as ``()``.

    Attributes:
        truth: row -> its labels.
        labels: all labels.
        spellings: what is read as a label besides: other words -> the label.
        misconceptions: ``wrong`` is a cell (row, label) that a learner is known to get wrong; or
            a row with all the labels that he gives it, (row, frozenset of labels).
    """

    truth: Mapping[Row, frozenset[Label]]
    labels: tuple[Label, ...]
    spellings: Mapping[str, Label] = field(default_factory=dict)
    misconceptions: tuple[Misconception[tuple[Row, Label | frozenset[Label]]], ...]

    remedy: ClassVar[str] = "Fill in every row in place of `...` and run the cell again."

    def judge(self, answer: Any, seed: int) -> Verdict:
        """Check the form, then look for a known mistake among the wrong cells."""
        table = self._table(answer)
        filled = {row: v for row, v in table.items() if v is not None and v is not ...}
        if not filled:
            raise NotAttempted
        given = {row: self._read(value) for row, value in filled.items()}
        if missing := [row for row in self.truth if row not in given]:
            raise not_yet(f"Still open: {', '.join(missing)}. A row without labels is `()`.")
        wrong = {(row, label) for row in self.truth for label in given[row] ^ self.truth[row]}
        if not wrong:
            return self.correct("Every row is right.")
        rows = {row for row, _ in wrong}
        score = f"{len(self.truth) - len(rows)} of {len(self.truth)} rows are right."
        if len(rows) > 1 and (finding := self._one_for_all(given)):
            raise not_yet(f"{score} {finding}")
        made = [
            mistake
            for mistake in self.misconceptions
            if any(form in wrong or given[form[0]] == form[1] for form in mistake.forms)
        ]
        if made:
            more = f" And {made[1].name}: {made[1].explanation}" if len(made) > 1 else ""
            name = ", and ".join(mistake.name for mistake in made[:2])
            raise not_yet(f"{score} {made[0].message}{more}", misconception=name)
        first = next(row for row in self.truth if row in rows)
        raise not_yet(f"{score} Look again at the row {first!r}.")

    def _table(self, answer: Any) -> dict[Row, Any]:
        """The answer as row -> entry, its rows spelled as here."""
        if isinstance(answer, str):
            answer = literal(answer)
        if not isinstance(answer, Mapping):
            try:
                answer = dict(answer)
            except (TypeError, ValueError):
                raise not_yet(
                    f"A dictionary is expected, row -> labels, but the answer is a "
                    f"{type(answer).__name__}. The rows are: {', '.join(self.truth)}."
                ) from None
        spelled = {known(row, self.truth) or row: value for row, value in answer.items()}
        self._demand_known(spelled, self.truth, "row")
        return spelled

    def _one_for_all(self, given: Mapping[Row, frozenset[Label]]) -> str | None:
        """Whether every entry is the complement of what it should be."""
        everything = frozenset(self.labels)
        if all(given[row] == everything - self.truth[row] for row in self.truth):
            return "Every cell is turned round: name the labels that belong to a row."
        return None

    def right_answers(self) -> Sequence[Any]:
        """The truth as sets, as lists and as text; a single label may stand bare."""
        return (
            dict(self.truth),
            {row: min(v) if len(v) == 1 else sorted(v) for row, v in self.truth.items()},
            {f" {row} ": ", ".join(sorted(v)) or "none" for row, v in self.truth.items()},
        )

    def wrong_answers(self) -> Sequence[tuple[str, Any]]:
        """For every misconception, the truth with its one cell turned round, or its row."""
        found = []
        for mistake in self.misconceptions:
            row, what = mistake.wrong
            entry = what if isinstance(what, frozenset) else self.truth[row] ^ {what}
            found.append((mistake.name, {**self.truth, row: entry}))
        return found

    def stubs(self) -> Sequence[Any]:
        """Dots, an empty table, and a table of dots."""
        return (..., None, {}, dict.fromkeys(self.truth, ...), dict.fromkeys(self.truth))

    def _read(self, value: Any) -> frozenset[Label]:
        several = labels_in(value, self.labels, self.spellings)
        if several is None:
            raise not_yet(f"{value!r} is not a label or a list of labels: {', '.join(self.labels)}")
        self._demand_known(several, self.labels, "label")
        return frozenset(several)

    @staticmethod
    def _demand_known(given: Iterable[Any], known: Iterable[str], what: str) -> None:
        names = list(known)
        for name in given:
            if name not in names:
                close = difflib.get_close_matches(str(name), names, n=1)
                meant = f" Did you mean {close[0]!r}?" if close else ""
                raise not_yet(f"{name!r} is not a {what}: they are {', '.join(names)}.{meant}")
