"""Trips: the visits of one tag between two long silences."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import END, ENTER, EPC, EXIT, START, TRIP, TRIPS, ZONE, ZONES, us_of_times

Ints = npt.NDArray[np.int64]

TRIP_GAP_S: Final = 600.0


def number_trips(visits: pd.DataFrame, *, trip_gap_s: float = TRIP_GAP_S) -> Ints:
    """The trip of each visit: the start of its first visit, microseconds since 1970 UTC.

    A trip ends where no visit of the tag begins for more than ``trip_gap_s`` after the exit.

    Args:
        visits: ``epc, enter, exit`` sorted by tag and time.
        trip_gap_s: Silence that ends a trip.
    """
    if visits.empty:
        return np.zeros(0, dtype=np.int64)
    enter_us = us_of_times(visits[ENTER])
    exit_us = us_of_times(visits[EXIT])
    epc = visits[EPC].to_numpy()
    first = np.ones(len(visits), dtype=np.bool_)
    first[1:] = (epc[1:] != epc[:-1]) | (enter_us[1:] - exit_us[:-1] > round(trip_gap_s * 1e6))
    return enter_us[np.maximum.accumulate(np.where(first, np.arange(len(visits)), 0))]


def make_trips(visits: pd.DataFrame) -> pd.DataFrame:
    """``epc, trip, start, end, zones`` of visits that are sorted by tag and time and have a ``trip``."""
    grouped = visits.groupby([EPC, TRIP], sort=True, observed=True)
    trips = grouped.agg(**{START: (ENTER, "first"), END: (EXIT, "last"), ZONES: (ZONE, list)}).reset_index()
    return trips[list(TRIPS)]
