"""Several variants of one experiment side by side, as tables and figures show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attncourse.experiments.summaries import (
    Difference,
    Scale,
    SeedScores,
    Summary,
    difference,
    summarise,
)


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        name: of the variant.
        role: plain, mechanism or ablation.
        scores: seed -> score.
        summary: mean and interval.
        gain: its difference from the variant that all are compared with; ``None`` for that one.
    """

    name: str
    role: str
    scores: SeedScores
    summary: Summary
    gain: Difference | None


@dataclass(frozen=True)
class Comparison:
    """Variants of one experiment and their differences from one of them.

    Attributes:
        rows: one for each variant.
        against: the variant that the others are compared with.
        metric: what the score is called.
        title: data and budget.
        scale: how the numbers are read.
    """

    rows: tuple[Row, ...]
    against: str
    metric: str
    title: str
    scale: Scale

    def __getitem__(self, name: str) -> Row:
        """The row of a variant.

        Raises:
            KeyError: if there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        known = ", ".join(row.name for row in self.rows)
        raise KeyError(f"no variant {name!r} in this comparison; it has: {known}")

    @property
    def percent(self) -> bool:
        """Whether the score is a share that reads best in per cent, such as an accuracy."""
        return self.scale.bounds == (0.0, 1.0) and "accuracy" in self.metric

    @property
    def comparisons(self) -> int:
        """How many differences are judged."""
        return sum(row.gain is not None for row in self.rows)

    @property
    def over(self) -> str:
        """What the intervals cover, each different case once."""
        found = [row.summary.over for row in self.rows if not row.summary.two_clusters]
        return "; ".join(dict.fromkeys(found)) or self.rows[0].summary.over


def compare(
    scores: Mapping[str, SeedScores],
    *,
    against: str,
    base: SeedScores,
    roles: Mapping[str, str],
    metric: str,
    title: str = "",
) -> Comparison:
    """Build the rows of a comparison.

    Args:
        scores: variant -> its recorded scores.
        against: the variant that the others are compared with.
        base: its scores.
        roles: variant -> role.
        metric: what the score is called.
        title: data and budget.
    """
    rows = tuple(
        Row(
            name,
            roles[name],
            values,
            summarise(values),
            None if name == against else difference(values, base),
        )
        for name, values in scores.items()
    )
    return Comparison(rows, against, metric, title, base.scale)
