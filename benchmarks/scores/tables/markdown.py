"""Tables as Markdown, and goals beside what was reached."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

STORE_FILE, UNLABELLED, CALIBRATION = GIVEN = ("store file only", "learned without labels", "calibrated")
"""What the estimator of place may have been given."""


class Table(NamedTuple):
    """A table with a title; the first column is the name of a row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Goal(NamedTuple):
    """A figure that is wanted, beside those that were reached.

    Attributes:
        what: What is measured, and on which data.
        wanted: The bound.
        reached: Figures of the estimator of place, by what it had been given (`GIVEN`).
        at_least: Whether the figure should be at least the bound; else at most.
    """

    what: str
    wanted: float
    reached: Mapping[str, float]
    at_least: bool = True

    def is_met(self, value: float) -> bool:
        """Whether a figure is within the bound."""
        return value >= self.wanted if self.at_least else value <= self.wanted


class Section(NamedTuple):
    """The scores on one kind of data."""

    tables: Sequence[Table]
    goals: Sequence[Goal]


def to_text(table: Table) -> str:
    """The table as Markdown, with its title before it."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join([f"**{table.title}**", "", *(f"| {' | '.join(cells)} |" for cells in lines)])


def of_goals(goals: Sequence[Goal]) -> Table:
    """What was wanted, beside what was reached; bold where it is within the bound."""
    rows = []
    for goal in goals:
        shown = {
            given: f"**{value:.3g}**" if goal.is_met(value) else f"{value:.3g}" for given, value in goal.reached.items()
        }
        target = f"{'≥' if goal.at_least else '≤'} {goal.wanted:.3g}"
        rows.append([goal.what, target, *(shown.get(given, "") for given in GIVEN)])
    return Table("Target, and what Place reached (bold: within the target)", ["what", "target", *GIVEN], rows)
