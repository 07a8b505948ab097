"""What turns reads into visits. The presence rule is the first; a probabilistic one takes the same place."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import pandas as pd


class Estimate(NamedTuple):
    """What an estimator made of some reads.

    Attributes:
        visits: ``epc, zone, enter, exit, confidence, trip``, sorted by tag and time. Visits of one tag do not overlap.
        unused: Reads that are in no visit, counted by the reason why.
    """

    visits: pd.DataFrame
    unused: Mapping[str, int]


class Estimator(Protocol):
    """Reads of any number of tags in, their visits out.

    The result for a tag depends on its reads alone, neither on their order nor on exact duplicates. Two reads of a tag
    with a silence of more than ``trip_gap_s`` between them have no influence on each other: a caller may split there,
    and forget what lies before.

    Attributes:
        visit_gap_s: Silence after which a visit is over; a later read begins another one.
        trip_gap_s: Silence after which a trip is over.
    """

    @property
    def visit_gap_s(self) -> float: ...  # noqa: D102

    @property
    def trip_gap_s(self) -> float: ...  # noqa: D102

    def estimate(self, reads: pd.DataFrame) -> Estimate:
        """The visits in checked reads (`columns.validate_reads`); the input is not changed."""
        ...
