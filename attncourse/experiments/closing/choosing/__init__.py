"""One network, one slot, every question: the comparison of the closing chapter."""

from attncourse.experiments.closing.choosing import blindness, reading
from attncourse.experiments.closing.choosing.experiment import EXPERIMENTS, QUESTIONS
from attncourse.experiments.closing.choosing.nets import CANDIDATES, RIVALS, opened

__all__ = [
    "CANDIDATES",
    "EXPERIMENTS",
    "QUESTIONS",
    "RIVALS",
    "blindness",
    "opened",
    "reading",
]
