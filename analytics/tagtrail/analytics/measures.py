"""Measures of visits: floor traffic, flows, paths, dwell, occupancy.

Pure functions on a table with ``epc, zone, enter, exit`` (one row per visit), be it an estimate or the truth. Intervals
include their begin and not their end. Each docstring is the definition; docs/analytics.md says where they come from.
"""

from collections import Counter
from collections.abc import Collection
from typing import Final

import numpy as np
import pandas as pd

from tagtrail.analytics.columns import ENTER, EPC, EXIT, TIME_TYPE, TRIP, ZONE, us_of_times, validate_visits
from tagtrail.analytics.trips import TRIP_GAP_S, number_trips

STOP_S: Final = 5.0
"""From here on a visit is a stop, shorter ones are a pass-by: in this time one walks 6 m, the length of a counter."""
ENGAGED_S: Final = 30.0
"""From here on a stop is an engaged visit (Palexy's section visit: a stay over 30 s)."""

_BIN_ORIGIN: Final = pd.Timestamp("2000-01-01", tz="UTC")


def compute_floor_traffic(*, visits: pd.DataFrame, bin_s: float | None = None) -> pd.DataFrame:
    """Visits that began in a zone, and the different tags among them.

    ``visits = |{v : v.zone = z, v.enter in bin}|``; ``visitors = |{v.epc : …}|``.

    Args:
        visits: ``epc, zone, enter, exit``.
        bin_s: Length of the time bins, which start at multiples of it since 2000-01-01 UTC; None: the whole table.

    Returns:
        ``zone``, ``time`` (start of the bin; only with ``bin_s``), ``visits``, ``visitors``; bins without visits have
        no row.
    """
    visits = validate_visits(visits)
    keys = [ZONE]
    if bin_s is not None:
        visits["time"] = _bin(visits[ENTER], bin_s)
        keys.append("time")
    counts = visits.groupby(keys, sort=True).agg(visits=(EPC, "size"), visitors=(EPC, "nunique"))
    return counts.reset_index()


def compute_flows(*, visits: pd.DataFrame, trip_gap_s: float = TRIP_GAP_S) -> pd.DataFrame:
    """Steps from a zone to the next other zone of the same trip.

    A step is a pair of consecutive visits of one tag in different zones with at most ``trip_gap_s`` between them; a
    zone left and entered again with nothing in between is no step.
    ``share = steps / all steps out of from_zone``.

    Returns:
        ``from_zone, to_zone, steps, share``, the most walked first.
    """
    visits = _with_trips(visits, trip_gap_s)
    following = visits.shift(-1)
    is_step = (visits[EPC] == following[EPC]) & (visits[TRIP] == following[TRIP]) & (visits[ZONE] != following[ZONE])
    pairs = pd.DataFrame({"from_zone": visits[ZONE][is_step], "to_zone": following[ZONE][is_step]}, dtype="str")
    flows = pairs.groupby(["from_zone", "to_zone"], sort=True).size().rename("steps").reset_index()
    flows["share"] = flows["steps"] / flows.groupby("from_zone")["steps"].transform("sum")
    return flows.sort_values("steps", ascending=False, kind="stable", ignore_index=True)


def compute_paths(
    *,
    visits: pd.DataFrame,
    zones: Collection[str] | None = None,
    stop_s: float = STOP_S,
    top: int = 20,
    trip_gap_s: float = TRIP_GAP_S,
) -> pd.DataFrame:
    """The most walked paths: sequences of zones stopped at within a trip.

    A path is the zones of a trip's visits of at least ``stop_s`` to ``zones``, in order, a zone that follows itself
    written once. Zones only passed and zones not asked for are left out, so a path of counters does not depend on the
    aisles between them. Paths of one zone are no paths.

    Args:
        visits: ``epc, zone, enter, exit``.
        zones: Zones that count, e.g. all counters; None: all.
        stop_s: Shortest visit that counts, seconds.
        top: Number of paths to return.
        trip_gap_s: Silence that ends a trip.

    Returns:
        ``path`` (tuple of zones), ``trips``, ``share`` (of all trips with a path), the most walked first, equals in
        alphabetic order.
    """
    visits = _with_trips(visits, trip_gap_s)
    counts = _dwell_s(visits) >= stop_s
    if zones is not None:
        counts &= visits[ZONE].isin(list(zones))
    stops = visits[counts]
    again = (
        (stops[EPC] == stops[EPC].shift()) & (stops[TRIP] == stops[TRIP].shift()) & (stops[ZONE] == stops[ZONE].shift())
    )
    paths = Counter(path for path in stops[~again].groupby([EPC, TRIP])[ZONE].agg(tuple) if len(path) > 1)
    ranked = sorted(paths.items(), key=lambda item: (-item[1], item[0]))[:top]
    walked = paths.total()
    return pd.DataFrame(
        {
            "path": pd.Series([path for path, _ in ranked], dtype="object"),
            "trips": pd.Series([count for _, count in ranked], dtype="int64"),
            "share": pd.Series([count / walked for _, count in ranked], dtype="float64"),
        }
    )


def compute_dwell(
    *,
    visits: pd.DataFrame,
    zones: Collection[str] | None = None,
    stop_s: float = STOP_S,
    engaged_s: float = ENGAGED_S,
) -> pd.DataFrame:
    """How long visits last, per zone; ``dwell = exit - enter``, seconds.

    Args:
        visits: ``epc, zone, enter, exit``.
        zones: Zones that count, e.g. all counters; None: all.
        stop_s: Visits shorter than this are pass-bys.
        engaged_s: Visits from here on are engaged.

    Returns:
        ``zone, visits, median_s, p90_s, total_s, pass_bys, stops, engaged``. Quantiles are of all visits, linearly
        interpolated; ``stops`` last from ``stop_s`` to below ``engaged_s``, so the last three add up to ``visits``.
    """
    visits = validate_visits(visits)
    if zones is not None:
        visits = visits[visits[ZONE].isin(list(zones))]
    dwell_s = _dwell_s(visits)
    table = pd.DataFrame(
        {
            ZONE: visits[ZONE],
            "dwell_s": dwell_s,
            "pass_by": dwell_s < stop_s,
            "engaged": dwell_s >= engaged_s,
        }
    )
    dwell = (
        table.groupby(ZONE, sort=True)
        .agg(
            visits=("dwell_s", "size"),
            median_s=("dwell_s", "median"),
            p90_s=("dwell_s", lambda seconds: seconds.quantile(0.9)),
            total_s=("dwell_s", "sum"),
            pass_bys=("pass_by", "sum"),
            engaged=("engaged", "sum"),
        )
        .reset_index()
    )
    dwell.insert(6, "stops", dwell["visits"] - dwell["pass_bys"] - dwell["engaged"])
    return dwell


def compute_occupancy(*, visits: pd.DataFrame, at: pd.DatetimeIndex) -> pd.DataFrame:
    """Tags in each zone at given times: ``|{v : v.zone = z, v.enter <= t < v.exit}|``.

    Args:
        visits: ``epc, zone, enter, exit``.
        at: Times with a time zone.

    Returns:
        One row per time (index ``time``), one column per zone of the table, in alphabetic order.
    """
    visits = validate_visits(visits)
    times = at.tz_convert("UTC").astype(TIME_TYPE)
    time_us = times.astype("int64").to_numpy()
    tags = {}
    for zone, group in visits.groupby(ZONE, sort=True):
        entered = np.searchsorted(np.sort(us_of_times(group[ENTER])), time_us, side="right")
        left = np.searchsorted(np.sort(us_of_times(group[EXIT])), time_us, side="right")
        tags[zone] = entered - left
    return pd.DataFrame(tags, index=times.rename("time"), dtype="int64")


def _with_trips(visits: pd.DataFrame, trip_gap_s: float) -> pd.DataFrame:
    visits = validate_visits(visits)
    return visits.assign(**{TRIP: number_trips(visits, trip_gap_s=trip_gap_s)})


def _dwell_s(visits: pd.DataFrame) -> "pd.Series[float]":
    return (visits[EXIT] - visits[ENTER]).dt.total_seconds()


def _bin(times: "pd.Series[pd.Timestamp]", bin_s: float) -> "pd.Series[pd.Timestamp]":
    width = pd.Timedelta(seconds=bin_s)
    return (_BIN_ORIGIN + ((times - _BIN_ORIGIN) // width) * width).astype(TIME_TYPE)
