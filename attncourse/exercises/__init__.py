"""Exercises that answer at once: right, not yet (and which mistake it looks like), or untouched.

A chapter's exercises stand in ``exercises/<category>/<stem>``, a file or a package of several, as
``EXERCISES``, a tuple, and ``QUIZ``.  They are found through the chapter's identity card;
``tests/exercises`` holds every one of them to its promises.  The kinds:

=================  ==============================================================================
FunctionExercise   a function, against a reference on fresh inputs; and gradients too
ModuleExercise     a class, against requirements and, with its own weights, a reference
ValueExercise      a number or several: predict, then measure
ChoiceExercise     one option, such as the line with the bug
TableExercise      the labels that belong to each row of a table
=================  ==============================================================================

Known mistakes are written once: ``recipe`` builds answers with one step changed, so that two
changes can be recognised together, and ``shelf`` holds the mistakes that chapters share, such as a
softmax over another axis.  ``remedies`` and ``partial`` find what any exercise may meet, such as a
sign, a factor or exchanged axes, by undoing it.

Examples:
    >>> from attncourse.exercises import check
    >>> check("squeeze_excitation.last_stage_share", 0.25, record=False).misconception
    'one of four stages'
"""

from attncourse.exercises import progress
from attncourse.exercises.api import Hint, check, hint, quiz
from attncourse.exercises.progress import progress_report
from attncourse.exercises.questions import Quiz
from attncourse.exercises.register import UnknownName
from attncourse.exercises.verdict import Result, Status

__all__ = [
    "Hint",
    "Quiz",
    "Result",
    "Status",
    "UnknownName",
    "check",
    "hint",
    "progress",
    "progress_report",
    "quiz",
]
