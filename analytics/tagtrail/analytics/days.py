"""A store-day: from midnight to midnight of the store's time zone, and the reads whose visits belong to it.

A tag's reads between two silences of more than ``trip_gap_s`` are a run. It belongs, whole, to the day of its first
read, however far it goes past midnight, so no trip is told twice or cut. Only a run that fills a whole day, from before
its begin until after its end, is cut at that end: what lies in the store for weeks is told day by day then, and nobody
needs more than the neighbours of a day to know what belongs to it.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from tagtrail.analytics.database import Rows
from tagtrail.hardware.clock import utc_us

PIECE_US: Final = 3_600_000_000
"""Neighbours are looked at by the hour, since hardly any run goes far past midnight."""

Ints = npt.NDArray[np.int64]
Load = Callable[[int, int, Sequence[int] | None], Rows]
"""Reads between two times, both included, of all tags or some, sorted by tag and time."""


class Bounds(NamedTuple):
    """Midnights around a day, microseconds since 1970 UTC.

    Attributes:
        before_us: Begin of the day before.
        begin_us: Begin of the day.
        end_us: Its end.
        after_us: End of the day after.
    """

    before_us: int
    begin_us: int
    end_us: int
    after_us: int


def bounds_of(day: date, zone: ZoneInfo) -> Bounds:
    """The midnights around a day; it has 23 or 25 hours when clocks change."""
    return Bounds(*(utc_us(datetime.combine(day + timedelta(days=n), time(), zone)) for n in (-1, 0, 1, 2)))


def last_day(now_us: int, zone: ZoneInfo) -> date:
    """The last day that is over."""
    return datetime.fromtimestamp(now_us / 1e6, zone).date() - timedelta(days=1)


class DayReads(NamedTuple):
    """The reads that belong to a day.

    Attributes:
        rows: Sorted by tag and time.
        earlier: Reads within the day that belong to the day before.
        from_us: Nothing before this time has a say in what belongs to the day,
        to_us: nor has anything after this one.
    """

    rows: Rows
    earlier: int
    from_us: int
    to_us: int


def load_day(load: Load, bounds: Bounds, gap_us: int) -> DayReads:
    """The runs that belong to a day.

    Args:
        load: Where reads come from.
        bounds: Of the day.
        gap_us: Silence that ends a run.
    """
    begin_us, end_us = bounds.begin_us, bounds.end_us
    from_us = begin_us - gap_us
    rows = load(from_us, end_us - 1, None)
    first, last = _runs(rows, gap_us)
    run = np.repeat(np.arange(len(first)), last - first + 1)
    begun_us, ended_us = rows["time_us"][first], rows["time_us"][last]
    # What reaches into the day from before is its own only where it is cut: at the end of a day that it fills.
    reaching = np.flatnonzero((begun_us < begin_us) & (ended_us >= begin_us))
    known, from_us = _follow(load, rows[first[reaching]], from_us, bounds.before_us - gap_us, gap_us, back=True)
    fills = np.isin(rows["tag_id"][first], known["tag_id"][known["time_us"] < bounds.before_us])
    own = begun_us >= begin_us
    own[reaching] = fills[reaching]
    within = rows["time_us"] >= begin_us
    kept, earlier = within & own[run], within & ~own[run]
    going_on = last[(begun_us >= begin_us) & (ended_us + gap_us >= end_us)]
    parts: list[Rows] = [rows[kept]]
    _, to_us = _follow(load, rows[going_on], end_us, bounds.after_us, gap_us, found=parts)
    whole = np.concatenate(parts)
    return DayReads(
        whole[np.lexsort((whole["time_us"], whole["tag_id"]))], int(np.count_nonzero(earlier)), from_us, to_us - 1
    )


def _runs(rows: Rows, gap_us: int) -> tuple[Ints, Ints]:
    """First and last row of each run."""
    cut = np.ones(len(rows), dtype=np.bool_)
    cut[1:] = (np.diff(rows["tag_id"]) != 0) | (np.diff(rows["time_us"]) > gap_us)
    first = np.flatnonzero(cut)
    return first, np.append(first[1:], len(rows))[: len(first)] - 1


def _follow(
    load: Load, ends: Rows, at_us: int, limit_us: int, gap_us: int, *, back: bool = False,
    found: list[Rows] | None = None,
) -> tuple[Rows, int]:  # fmt: skip
    """Follow runs beyond what is known of them, until each is silent or a limit is reached.

    Args:
        load: Where reads come from.
        ends: The last read that is known of each, a tag once, sorted by tag; going back, the first one.
        at_us: So far they are known.
        limit_us: So far they are followed.
        gap_us: Silence that ends a run.
        back: Against time.
        found: Takes what is found of them.

    Returns:
        The read of each that is furthest away, in the order of ``ends``, and how far they were followed.
    """
    ends = ends.copy()
    while at_us != limit_us:
        next_us = at_us - 1 if back else at_us
        alive = np.abs(ends["time_us"] - next_us) <= gap_us
        if not alive.any():
            break
        to_us = max(at_us - PIECE_US, limit_us) if back else min(at_us + PIECE_US, limit_us)
        low_us, high_us = (to_us, at_us - 1) if back else (at_us, to_us - 1)
        more = load(low_us, high_us, ends["tag_id"][alive].tolist())
        both = np.concatenate([ends[alive], more])
        both = both[np.lexsort((-both["time_us"] if back else both["time_us"], both["tag_id"]))]
        is_new = np.ones(len(both), dtype=np.bool_)
        is_new[1:] = np.diff(both["tag_id"]) != 0
        begin = np.flatnonzero(is_new)
        cut = np.zeros(len(both), dtype=np.int64)
        cut[1:] = ~is_new[1:] & (np.abs(np.diff(both["time_us"])) > gap_us)
        cuts = np.cumsum(cut)
        goes_on = cuts == np.repeat(cuts[begin], np.diff(np.append(begin, len(both))))
        if found is not None:
            found.append(both[goes_on & ~is_new])
        furthest = np.add.reduceat(goes_on, begin, dtype=np.int64) + begin - 1
        ends[alive] = both[furthest]
        at_us = to_us
    return ends, at_us
