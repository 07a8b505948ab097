"""Tables as Markdown, and goals beside what was reached."""

from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """A table with a title; the first column is the name of a row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Goal(NamedTuple):
    """A figure that is wanted, beside the one that was reached.

    Attributes:
        what: What is measured, and on which data.
        wanted: The bound.
        reached: The figure.
        how: What the estimator had been given.
        at_least: Whether the figure should be at least the bound; else at most.
    """

    what: str
    wanted: float
    reached: float
    how: str
    at_least: bool = True

    @property
    def is_met(self) -> bool:
        """Whether the figure is within the bound."""
        return self.reached >= self.wanted if self.at_least else self.reached <= self.wanted


class Section(NamedTuple):
    """The scores on one kind of data."""

    tables: Sequence[Table]
    goals: Sequence[Goal]


def to_text(table: Table) -> str:
    """The table as Markdown, with its title before it."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join([f"**{table.title}**", "", *(f"| {' | '.join(cells)} |" for cells in lines)])


def of_goals(goals: Sequence[Goal]) -> Table:
    """What was wanted, beside what was reached."""
    rows = [
        [
            goal.what, f"{'≥' if goal.at_least else '≤'} {goal.wanted:.3g}", f"{goal.reached:.3g}", goal.how,
            "yes" if goal.is_met else "no",
        ]
        for goal in goals
    ]  # fmt: skip
    return Table("Target and reached", ["what", "target", "reached", "by Place with", "met"], rows)
