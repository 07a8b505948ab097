"""What a benchmark returns."""

from typing import NamedTuple


class Row(NamedTuple):
    """One figure.

    Attributes:
        name: Stable, so that results can be compared over time.
        value: The figure.
        unit: Its unit.
        compared_with: What was measured beside it, in the same run; empty where there is nothing to compare with.
        ratio: Value relative to that; None without a comparison.
        fault: Why the figure must not be; empty where it may.
    """

    name: str
    value: float
    unit: str
    compared_with: str = ""
    ratio: float | None = None
    fault: str = ""
