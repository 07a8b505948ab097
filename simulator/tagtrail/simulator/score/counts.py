"""Counts by zone and time: traffic, occupancy, and flows between zones."""

from dataclasses import dataclass

import numpy as np

from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.score.stays import HOUR_US, MINUTE_US, Stays


@dataclass(frozen=True)
class Wape:
    """Counts beside true counts.

    Attributes:
        true: Sum of the true counts.
        estimated: Sum of the estimated ones.
        wape: Sum of the absolute errors over the sum of the true counts: weighted absolute percentage error (the
            MAD/mean ratio of Kolassa, Schütz, Foresight 2007). Unlike the mean of percentages it can bear hours in
            which nobody came.
        bias: Sum of the errors over the sum of the true counts; over 0 where too many were counted.
    """

    true: float
    estimated: float
    wape: float
    bias: float


def wape(estimated: Floats, true: Floats) -> Wape:
    """WAPE over all cells of two tables; NaN where the true one is empty."""
    total = float(true.sum())
    if not total:
        return Wape(total, float(estimated.sum()), np.nan, np.nan)
    wrong = estimated - true
    return Wape(total, float(estimated.sum()), float(np.abs(wrong).sum() / total), float(wrong.sum() / total))


def visits_by_hour(stays: Stays, zones: int, start_us: int, hours: int) -> Floats:
    """Visits that began in each zone (row) and hour since ``start_us`` (column)."""
    hour = (stays.enter_us - start_us) // HOUR_US
    inside = (hour >= 0) & (hour < hours)
    return _table(stays.zone[inside] * hours + hour[inside], zones, hours)


def visitors_by_hour(stays: Stays, zones: int, start_us: int, hours: int) -> Floats:
    """Different people (or tags) that were in each zone (row) at some time of each hour (column)."""
    first = np.maximum((stays.enter_us - start_us) // HOUR_US, 0)
    last = np.minimum((np.maximum(stays.exit_us - 1, stays.enter_us) - start_us) // HOUR_US, hours - 1)
    often = np.maximum(last - first + 1, 0)
    stay = np.repeat(np.arange(len(stays)), often)
    hour = first[stay] + np.arange(len(stay)) - np.repeat(np.cumsum(often) - often, often)
    cell = stays.zone[stay] * hours + hour
    different = np.unique(stays.who[stay] * zones * hours + cell) % (zones * hours)
    return _table(different, zones, hours)


def _table(cells: Ints, zones: int, columns: int) -> Floats:
    return np.bincount(cells, minlength=zones * columns).reshape(zones, columns).astype(np.float64)


def occupancy(stays: Stays, zones: int, start_us: int, minutes: int) -> Floats:
    """People in each zone (row), mean over each minute since ``start_us`` (column).

    The time that was spent in a zone until ``t`` is the sum of ``t - enter`` over those who came, minus the sum of
    ``t - exit`` over those who left; its growth within a minute, over the minute, is the mean.
    """
    bounds_us = start_us + MINUTE_US * np.arange(minutes + 1)
    table = np.zeros((zones, minutes))
    for zone in range(zones):
        here = stays.zone == zone
        spent_us = _time_since(stays.enter_us[here], bounds_us) - _time_since(stays.exit_us[here], bounds_us)
        table[zone] = np.diff(spent_us) / MINUTE_US
    return table


def _time_since(moments_us: Ints, bounds_us: Ints) -> Floats:
    """The sum of the times since the moments that are over, at each bound."""
    since_us = np.sort(moments_us) - bounds_us[0]
    count = np.searchsorted(since_us, bounds_us - bounds_us[0])
    total_us = np.append(0.0, np.cumsum(since_us, dtype=np.float64))
    return np.asarray(count * (bounds_us - bounds_us[0]) - total_us[count])


def flows(stays: Stays, trip: Ints, zones: int) -> Floats:
    """How often one went from zone i (row) to zone j (column): visits that follow each other within one trip.

    Visits of the same zone in a row are no step.

    Args:
        stays: Of people or tags.
        trip: What separates trips of one, by stay.
        zones: How many zones there are.
    """
    order = np.lexsort((stays.zone, stays.exit_us, stays.enter_us, trip, stays.who))
    who, trip, zone = stays.who[order], trip[order], stays.zone[order]
    step = (who[1:] == who[:-1]) & (trip[1:] == trip[:-1]) & (zone[1:] != zone[:-1])
    return _table(zone[:-1][step] * zones + zone[1:][step], zones, zones)


def common_part(estimated: Floats, true: Floats) -> float:
    """Common part of commuters, ``2 Σ min(T, T*) / (Σ T + Σ T*)``: 1 for the same flows, 0 for none in common.

    Gargiulo, Lenormand, Huet, Baqueiro Espinosa, JASSS 15(4) 2012; for shoppers' flows between zones: Ying et al.
    2019. It is the Sørensen index of two tables of counts, so it is symmetric. NaN where both are empty.
    """
    total = float(estimated.sum() + true.sum())
    return 2 * float(np.minimum(estimated, true).sum()) / total if total else np.nan


def split_by_gap(stays: Stays, gap_us: int) -> Ints:
    """Number of the trip of each stay: a trip ends where none of one's stays begins for longer than the gap."""
    order = np.lexsort((stays.exit_us, stays.enter_us, stays.who))
    enter_us, exit_us, who = stays.enter_us[order], stays.exit_us[order], stays.who[order]
    new = np.ones(len(stays), dtype=np.bool_)
    new[1:] = (who[1:] != who[:-1]) | (enter_us[1:] - exit_us[:-1] > gap_us)
    trip = np.empty(len(stays), dtype=np.int64)
    trip[order] = np.cumsum(new)
    return trip
