"""Reads that may still matter, per tag, and what was written of them.

A *run* of a tag is its reads between two silences of more than the trip gap. Memory holds the runs that are not over
for good; those that ended before `Memory.forgotten_us` are only in the database.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from tagtrail.analytics.columns import (
    ANTENNA,
    CONFIDENCE,
    COUNT,
    ENTER,
    EPC,
    EXIT,
    READER,
    RSSI_DBM,
    TIME,
    TRIP,
    ZONE,
    times_of_us,
    us_of_times,
)
from tagtrail.analytics.database import Change, Rows, TripRow, VisitRow

READS_PER_PASS: Final = 600
WAIT_PASSES_MAX: Final = 30
"""A tag with n reads is looked at again after n / 600 passes, at most 30: the work per new read stays bounded for trips
of hours, and what is shown of a trip is late by less than a six-hundredth of its reads or half a minute."""

READS_AT_ONCE: Final = 200_000
"""A pass estimates tags with this many reads together, some 0.2 s of work; the others wait for the next one."""

NEVER_US: Final = -(2**62)
ALWAYS_US: Final = 2**62


@dataclass
class Held:
    """One tag in memory.

    Attributes:
        rows: All its reads from a start on, sorted by time.
        visits: Its visits as they are in the database; None: what is there within the time of ``rows`` is unknown.
        trips: Likewise.
        pending: Whether ``rows`` has changed since the visits were estimated.
        waited: Passes since then.
    """

    rows: Rows
    visits: list[VisitRow] | None = None
    trips: list[TripRow] = field(default_factory=list)
    pending: bool = True
    waited: int = 0

    @property
    def first_us(self) -> int:
        """Time of the first read held."""
        return int(self.rows["time_us"][0])

    @property
    def last_us(self) -> int:
        """Time of the last read held."""
        return int(self.rows["time_us"][-1])

    def is_due(self) -> bool:
        """Whether the visits are to be estimated anew in this pass."""
        return self.pending and self.waited >= min(len(self.rows) // READS_PER_PASS, WAIT_PASSES_MAX)

    def replace(self, rows: Rows, from_us: int, to_us: int) -> None:
        """Put ``rows`` in place of what is held between two times."""
        time_us = self.rows["time_us"]
        low, high = np.searchsorted(time_us, from_us, "left"), np.searchsorted(time_us, to_us, "right")
        if np.array_equal(self.rows[low:high].view(np.uint8), rows.view(np.uint8)):
            return
        self.rows = np.concatenate([self.rows[:low], rows, self.rows[high:]])
        self.pending = True


@dataclass
class Memory:
    """The tags of one store that may still be there.

    Attributes:
        silence_us: The trip gap.
        held: By tag_id.
        forgotten_us: No run that ended later is missing in ``held``.
    """

    silence_us: int
    held: dict[int, Held] = field(default_factory=dict)
    forgotten_us: int = NEVER_US

    def add(self, rows: Rows, from_us: int, to_us: int) -> list[int]:
        """Take in all reads of a store between two times.

        Args:
            rows: Sorted by tag and time.
            from_us: First time.
            to_us: Last time.

        Returns:
            Tags whose reads may belong to a forgotten run, and were not taken in.
        """
        unknown = []
        for tag_id, mine in split_by_tag(rows):
            held = self.held.get(tag_id)
            first_us = int(mine["time_us"][0])
            is_recent = first_us - self.silence_us > self.forgotten_us
            if held is not None and (is_recent or first_us >= held.first_us):
                held.replace(mine, from_us, to_us)
            elif is_recent:
                self.held[tag_id] = Held(mine)
            else:
                unknown.append(tag_id)
        return unknown

    def due(self) -> list[int]:
        """Tags to estimate in this pass, those that waited longest first, at least one if any is due."""
        due = sorted(
            (tag_id for tag_id, held in self.held.items() if held.is_due()), key=lambda t: -self.held[t].waited
        )
        reads = np.cumsum([len(self.held[tag_id].rows) for tag_id in due])
        return due[: max(1, int(np.searchsorted(reads, READS_AT_ONCE, "right")))]

    def adopt(self, tag_id: int, rows: Rows) -> bool:
        """Hold whole runs that came from the database, if they are not over; else they are the caller's."""
        held = self.held.get(tag_id)
        if held is None:
            is_mine = int(rows["time_us"][-1]) > self.forgotten_us
        else:
            is_mine = int(rows["time_us"][-1]) >= held.first_us
            if is_mine:  # the runs were read until they are over, so all that was held is among them
                rows = np.concatenate([rows, held.rows[held.rows["time_us"] > rows["time_us"][-1]]])
        if is_mine:
            self.held[tag_id] = Held(rows)
        return is_mine

    def forget(self, now_us: int) -> None:
        """Let go of runs that have been over for as long as the silence that ended them, to be ready for some delay."""
        limit_us = now_us - 2 * self.silence_us
        for tag_id, held in list(self.held.items()):
            if held.pending:
                continue
            time_us = held.rows["time_us"]
            ends = np.append(np.flatnonzero(np.diff(time_us) > self.silence_us), len(time_us) - 1)
            over = ends[time_us[ends] <= limit_us]
            if not len(over):
                continue
            if over[-1] == len(time_us) - 1:
                del self.held[tag_id]
            else:
                held.rows = held.rows[over[-1] + 1 :]
                first_us = held.first_us
                held.visits = None if held.visits is None else [v for v in held.visits if v.enter_us >= first_us]
                held.trips = [trip for trip in held.trips if trip.trip >= first_us]
        self.forgotten_us = max(self.forgotten_us, limit_us)


def split_by_tag(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Each tag and its rows; ``rows`` are sorted by tag."""
    cuts = np.flatnonzero(np.diff(rows["tag_id"])) + 1
    for mine in np.split(rows, cuts) if len(rows) else []:
        yield int(mine["tag_id"][0]), mine


def runs_between(rows: Rows, from_us: int, to_us: int, silence_us: int) -> Rows:
    """One tag's rows from the begin of its first to the end of its last run with a read between two times."""
    time_us = rows["time_us"]
    begins = np.flatnonzero(np.diff(time_us, prepend=NEVER_US) > silence_us)
    low, high = np.searchsorted(time_us, from_us, "left"), np.searchsorted(time_us, to_us, "right")
    if low == high:
        return rows[:0]
    first = begins[np.searchsorted(begins, low, "right") - 1]
    after = np.append(begins, len(rows))[np.searchsorted(begins, high - 1, "right")]
    return rows[first:after]


def runs_after(rows: Rows, time_us: int, silence_us: int) -> Rows:
    """One tag's rows without the runs that begin before a time."""
    time = rows["time_us"]
    begins = np.flatnonzero(np.diff(time, prepend=NEVER_US) > silence_us)
    kept = begins[time[begins] >= time_us]
    return rows[kept[0] :] if len(kept) else rows[:0]


def reads_frame(rows: Rows, antennas: Mapping[int, tuple[str, int]]) -> pd.DataFrame:
    """Checked reads for the estimator; the tag's number in hex stands for its EPC."""
    ids, antenna = np.unique(rows["antenna_id"], return_inverse=True)
    readers = sorted({antennas[int(number)][0] for number in ids})
    reader_code = np.array([readers.index(antennas[int(number)][0]) for number in ids], dtype=np.int64)
    port = np.array([antennas[int(number)][1] for number in ids], dtype=np.int32)
    tags, tag = np.unique(rows["tag_id"], return_inverse=True)
    return pd.DataFrame(
        {
            TIME: times_of_us(rows["time_us"]),
            READER: pd.Categorical.from_codes(reader_code[antenna], categories=pd.Index(readers, dtype="str")),
            ANTENNA: port[antenna],
            EPC: pd.Categorical.from_codes(
                tag, categories=pd.Index([f"{number:016X}" for number in tags], dtype="str")
            ),
            RSSI_DBM: rows["rssi_dbm"].copy(),
            COUNT: rows["count"].astype(np.int32),
        }
    )


def visit_rows(visits: pd.DataFrame) -> dict[int, list[VisitRow]]:
    """Visits of an estimate by tag_id, none of them open."""
    columns = (
        visits[EPC].to_list(), visits[TRIP].to_list(), visits[ZONE].to_list(),
        us_of_times(visits[ENTER]).tolist(), us_of_times(visits[EXIT]).tolist(), visits[CONFIDENCE].to_list(),
    )  # fmt: skip
    found: dict[int, list[VisitRow]] = {}
    for epc, trip, zone, enter_us, exit_us, confidence in zip(*columns, strict=True):
        visit = VisitRow(trip, zone, enter_us, exit_us, confidence, open=False)
        found.setdefault(int(epc, 16), []).append(visit)
    return found


def opened(visits: Sequence[VisitRow], now_us: int, visit_gap_us: int) -> list[VisitRow]:
    """The visits of one tag, the last one open if its silence is not yet long enough to end it."""
    marked = [visit._replace(open=False) for visit in visits]
    if marked and now_us - marked[-1].exit_us <= visit_gap_us:
        marked[-1] = marked[-1]._replace(open=True)
    return marked


def trip_rows(visits: Sequence[VisitRow], now_us: int = ALWAYS_US, trip_gap_us: int = 0) -> list[TripRow]:
    """The trips of one tag's visits, the last one open if its silence is not yet long enough to end it."""
    trips: dict[int, list[VisitRow]] = {}
    for visit in visits:
        trips.setdefault(visit.trip, []).append(visit)
    rows = [TripRow(trip, of[-1].exit_us, tuple(visit.zone for visit in of), open=False) for trip, of in trips.items()]
    if rows and now_us - rows[-1].end_us <= trip_gap_us:
        rows[-1] = rows[-1]._replace(open=True)
    return rows


def difference(tag_id: int, held: Held, visits: list[VisitRow], trips: list[TripRow]) -> Change:
    """What has to be written to make the database say ``visits`` and ``trips``, perhaps nothing."""
    if held.visits is None:
        span_us = held.first_us, held.last_us
        return Change(tag_id, span_us, visits, span_us, trips)
    kept, kept_trips = _common(held.visits, visits), _common(held.trips, trips)
    begins = [visit.enter_us for visit in (*held.visits[kept:], *visits[kept:])]
    trip_begins = [trip.trip for trip in (*held.trips[kept_trips:], *trips[kept_trips:])]
    return Change(
        tag_id,
        (min(begins), max(begins)) if begins else None,
        visits[kept:],
        (min(trip_begins), max(trip_begins)) if trip_begins else None,
        trips[kept_trips:],
    )


def _common(old: Sequence[object], new: Sequence[object]) -> int:
    """How many entries at the begin are equal."""
    for place, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return place
    return min(len(old), len(new))
