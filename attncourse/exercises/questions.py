"""Short quizzes that work on a printed page, in the published book and with a kernel."""

from __future__ import annotations

import html
from dataclasses import dataclass

from attncourse.exercises.choice import Option, letters, read_letter, validate
from attncourse.exercises.markup import rich
from attncourse.exercises.verdict import Result, Status, Verdict, as_text


@dataclass(frozen=True)
class Question:
    """One question with three or four options, each with its reason.

    Attributes:
        text: the question.
        options: exactly one is right.
    """

    text: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        validate(self.options, self.text)


@dataclass(frozen=True, repr=False)
class Quiz:
    """The quiz of a chapter.

    In HTML every option is a native ``<details>``: it opens by mouse, touch and keyboard and is
    read out by screen readers, with neither kernel nor script.  The text form lists questions
    and options and gives no answer away.

    Attributes:
        chapter: path such as ``channel/squeeze_excitation``.
        questions: in order.
    """

    chapter: str
    questions: tuple[Question, ...]

    @property
    def stem(self) -> str:
        """The chapter's file name, by which the quiz is called."""
        return self.chapter.rpartition("/")[2]

    def answer(self, number: int, letter: str) -> Result:
        """Judge one answer; ``attncourse.exercises.quiz`` also keeps it.

        Raises:
            ValueError: if there is no such question or option.
        """
        if not (isinstance(number, int) and 1 <= number <= len(self.questions)):
            raise ValueError(
                f"question {number!r} of the quiz {self.stem!r} does not exist: "
                f"choose a number from 1 to {len(self.questions)}"
            )
        options = self.questions[number - 1].options
        chosen = read_letter(letter, options)
        if chosen is None:
            raise ValueError(
                f"question {number} has no option {letter!r}: "
                f"choose one of {', '.join(letters(options))}"
            )
        option = letters(options)[chosen]
        status = Status.CORRECT if option.right else Status.NOT_YET
        word = "Right." if option.right else "Not this one."
        return Result.of(
            Verdict(status, f"{word} {option.reason}"), f"{self.stem}, question {number} ({chosen})"
        )

    def __repr__(self) -> str:
        blocks = [f"Quiz: {self.stem}, {len(self.questions)} questions"]
        for number, question in enumerate(self.questions, start=1):
            named = tuple((f"{k})", option.text) for k, option in letters(question.options).items())
            blocks.append(as_text(f"{number}. {question.text}", (), named))
        blocks.append(f'Answer with quiz("{self.stem}", 1, "a"): question 1, option a.')
        return "\n\n".join(blocks)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._html()}

    def _html(self) -> str:
        prefix = f"quiz-{self.stem.replace('_', '-')}"
        lines = [
            f'<section id="{prefix}" aria-label="Quiz" style="max-width:46em">',
            '<p style="margin:0.3em 0">Open an option to see whether it is right, and why.</p>',
        ]
        for number, question in enumerate(self.questions, start=1):
            name = f"{prefix}-{number}"
            lines += [
                f'<div role="group" aria-labelledby="{name}" style="margin:1em 0">',
                f'<p id="{name}" style="margin:0.3em 0"><strong>{number}. '
                f"{rich(question.text)}</strong></p>",
                *(_option(letter, o) for letter, o in letters(question.options).items()),
                "</div>",
            ]
        return "\n".join([*lines, "</section>"])


def _option(letter: str, option: Option) -> str:
    word, symbol, colour = ("Right.", "✓", "#009E73") if option.right else (
        "Not this one.", "✗", "#D55E00"
    )  # fmt: skip
    return (
        f'<details style="margin:0.2em 0"><summary style="cursor:pointer;padding:0.3em 0">'
        f"{html.escape(letter)}) {rich(option.text)}</summary>"
        f'<p style="margin:0.2em 0 0.6em 1.1em;padding-left:0.8em;'
        f'border-left:0.3em solid {colour}"><span aria-hidden="true">{symbol}</span> '
        f"<strong>{word}</strong> {rich(option.reason)}</p></details>"
    )
