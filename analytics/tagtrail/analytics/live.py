"""The live loop of one store: keeps visits and trips up with the reads in the database.

Each pass takes the new batches of the ledger, reads their stretches of time again as a whole, puts them in place of
what memory holds of these stretches, estimates the tags that changed, and commits what became different together with
the cursor. So it does not matter in which order, how late or how often reads arrive, or where the process was killed:
what is written depends on the reads alone.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from tagtrail.analytics import database
from tagtrail.analytics.database import Change, Rows, VisitRow
from tagtrail.analytics.estimator import Estimator
from tagtrail.analytics.memory import (
    Held,
    Memory,
    difference,
    opened,
    reads_frame,
    runs_after,
    runs_between,
    split_by_tag,
    trip_rows,
    visit_rows,
)
from tagtrail.analytics.presence import UNSUPPORTED, Presence, PresenceParameters
from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.database.connection import Connection

log = logging.getLogger("tagtrail.analyze")

BATCHES_PER_PASS: Final = 5_000
SLICE_US: Final = 3_600_000_000
"""Reads are taken from the database an hour at a time, so that catching up with a week needs no more memory."""
JOIN_US: Final = 60_000_000
"""Stretches this close are taken from the database as one: few large queries instead of one per batch."""
FUTURE_US: Final = 300_000_000
"""Reads later than the clock by more than this have a wrong time; they would look like a store that fell silent. They
wait until the clock gets there."""

Ranges = list[tuple[int, int]]
"""Stretches of time, ends included."""


class StoreAnalyzer:
    """The live analysis of one store.

    After an error of the database, or with a new connection, begin with a new `StoreAnalyzer`.

    Args:
        connection: All work is done on it, in transactions of its own; it has the lock of the store while it lives.
        store: Its name.
        store_id: Its number.
        parameters: Of the presence rule.
    """

    def __init__(self, connection: Connection, store: str, store_id: int, parameters: PresenceParameters) -> None:
        self._connection = connection
        self._store = store
        self._store_id = store_id
        self._parameters = parameters
        self._memory = Memory(round(parameters.trip_gap_s * 1e6))
        self._estimator: Estimator | None = None
        self._antennas: dict[int, tuple[str, int]] = {}
        self._is_ready = False
        self._xid = 0
        self._reads_to_us: int | None = None
        self._layout_id = 0
        self._to_redo: Ranges = []
        self._ahead: Ranges = []
        self._horizon_us: int | None = None
        self._told: set[str] = set()

    def step(self, clock_us: int, *, is_quiet: bool) -> bool:
        """One pass.

        Args:
            clock_us: The store's time now.
            is_quiet: Reads would be in the database by now if there were any, so silence up to the clock is silence in
                the store. Otherwise time is taken to have come as far as the newest read.

        Returns:
            Whether there were new batches.

        Raises:
            psycopg.Error: The database failed. What was not committed will be done again.
        """
        if not (self._is_ready or self._begin(clock_us)) or not self._follow_layout():
            return False
        with self._connection.transaction():
            news = database.load_news(self._connection, self._store_id, self._xid, BATCHES_PER_PASS)
        is_quiet = is_quiet and not news.ranges_us and not self._to_redo
        stretches = join_and_cut(self._split_at_clock([*self._to_redo, *news.ranges_us], clock_us))
        for stretch_us in stretches:
            self._pass(stretch_us, clock_us, is_quiet=is_quiet, xid=news.xid if stretch_us == stretches[-1] else None)
        if not stretches:
            self._pass(None, clock_us, is_quiet=is_quiet, xid=news.xid if news.ranges_us else None)
        self._to_redo.clear()
        self._xid = news.xid
        return bool(news.ranges_us)

    def _split_at_clock(self, ranges_us: Ranges, clock_us: int) -> Ranges:
        """What can be taken in of these ranges, and of earlier ones that waited for the clock; the rest waits."""
        timely, ahead = split(ranges_us, clock_us + FUTURE_US)
        # What waited is not taken before its time: the newest read tells what time it is for all the others.
        due, waiting = split(self._ahead, clock_us)
        self._ahead = join([*waiting, *ahead])
        if any(end_us > clock_us + FUTURE_US for _, end_us in self._ahead):
            self._tell(
                f"store {self._store}: there are reads later than the clock by more than {FUTURE_US // 1_000_000} s, "
                "they are left out until it gets there; check the clocks of the readers' machines, or the setting "
                "'clock'"
            )
        return timely + due

    def settle(self, clock_us: int) -> None:
        """Estimate what was put off (`Held.is_due`), before the process ends."""
        while self._estimator is not None and any(held.pending for held in self._memory.held.values()):
            self._pass(None, clock_us, is_quiet=False)

    def _begin(self, clock_us: int) -> bool:
        """Take up where the last process stopped; False while another one is at it."""
        with self._connection.transaction():
            if not database.lock_store(self._connection, self._store_id):
                self._tell(f"store {self._store}: another process analyses it; waiting for that one to end")
                return False
            is_foreign = database.restamp_ledger(self._connection, self._store_id)
            cursor = database.load_cursor(self._connection, self._store_id)
            if cursor is not None:
                self._xid, self._reads_to_us, self._layout_id = cursor
                # No read taken in was later than the clock by more than this, so what waited for the clock is.
                seen_us = None if self._reads_to_us is None else self._reads_to_us - FUTURE_US
                self._ahead = database.load_ranges_after(self._connection, self._store_id, seen_us)
            if self._reads_to_us is not None:
                from_us = self._reads_to_us - 2 * self._memory.silence_us
                self._memory.forgotten_us = from_us - 1
                for tag_id, runs in self._load_runs(None, from_us, self._reads_to_us, clock_us):
                    self._memory.adopt(tag_id, runs)
                database.close_before(self._connection, self._store_id, from_us)
        if is_foreign:
            log.warning(
                "store %s: the ledger counts transactions that this database has yet to begin (was it restored from a "
                "dump?); analysing all of it again", self._store,
            )  # fmt: skip
        self._is_ready = True
        return True

    def _follow_layout(self) -> bool:
        """Take over new versions of the layout, and plan to redo the time that they change; False: there is none."""
        with self._connection.transaction():
            newest = database.newest_layout(self._connection, self._store_id)
            if newest and newest == self._layout_id and self._estimator is not None:
                return True
            if not newest:
                self._tell(f"store {self._store}: the database has no layout of it; waiting for its store file")
                return False
            try:
                layouts = database.load_layouts(self._connection, self._store_id)
            except GiveUp as error:
                self._tell(f"store {self._store}: {error}; its analysis waits for a layout that can be read")
                return False
            first_us = database.first_read_us(self._connection, self._store_id)
        fresh_us = [layout.valid_from_us for number, layout in layouts.items() if number > self._layout_id]
        if fresh_us and first_us is not None and self._reads_to_us is not None:
            # The oldest version also holds for the time before it (`placement.FIRST_LAYOUT_FROM_US`).
            is_oldest = min(fresh_us) == min(layout.valid_from_us for layout in layouts.values())
            from_us = first_us if is_oldest else max(first_us, min(fresh_us))
            if from_us <= self._reads_to_us:
                log.info("store %s: the layout changed; redoing visits from %s", self._store, database.moment(from_us))
                self._to_redo.append((from_us, self._reads_to_us))
        self._layout_id = newest
        self._estimator = Presence(list(layouts.values()), self._parameters)
        for held in self._memory.held.values():
            held.pending = True
        return True

    def _pass(
        self, stretch_us: tuple[int, int] | None, clock_us: int, *, is_quiet: bool, xid: int | None = None
    ) -> None:
        """Take in one stretch of time, bring the database up to date, move the cursor to ``xid``. One transaction."""
        with self._connection.transaction():
            changes = self._take_in(*stretch_us, clock_us) if stretch_us else []
            now_us = clock_us if is_quiet or self._reads_to_us is None else self._reads_to_us
            changes += self._update(now_us)
            database.write_changes(self._connection, self._store_id, changes)
            if xid is not None:
                database.save_cursor(self._connection, self._store_id, xid, self._reads_to_us)
        self._memory.forget(now_us)

    def _take_in(self, from_us: int, to_us: int, clock_us: int) -> list[Change]:
        """Bring all reads of a stretch into memory; returns what changes about runs that are over for good."""
        self._horizon_us = database.hold_horizon(self._connection)
        if self._horizon_us is not None and from_us < self._horizon_us:
            self._tell(
                f"store {self._store}: reads came for the time before {database.moment(self._horizon_us)}, of which "
                "retention has dropped the others; visits of that time stay as they are"
            )
            from_us = self._horizon_us
        if from_us > to_us:
            return []
        rows = self._load(from_us, to_us, clock_us)
        if len(rows):
            self._reads_to_us = max(self._reads_to_us or 0, int(rows["time_us"].max()))
        unknown = self._memory.add(rows, from_us, to_us)
        over = [
            (tag_id, runs)
            for tag_id, runs in self._load_runs(unknown, from_us, to_us, clock_us)
            if not self._memory.adopt(tag_id, runs)
        ]
        visits = self._estimate([runs for _, runs in over])
        return [
            difference(tag_id, Held(runs), mine, trip_rows(mine))
            for tag_id, runs in over
            for mine in [visits.get(tag_id, [])]
        ]

    def _update(self, now_us: int) -> list[Change]:
        """Estimate the tags that are due, and open and close the last visit and trip of all."""
        held = self._memory.held
        due = self._memory.due()
        visits = self._estimate([held[tag_id].rows for tag_id in due])
        for tag_id in due:
            held[tag_id].pending, held[tag_id].waited = False, 0
        estimated = set(due)
        changes = []
        for tag_id, mine in held.items():
            mine.waited += mine.pending
            found = visits.get(tag_id, []) if tag_id in estimated else mine.visits
            if found is None:  # put off, and never estimated yet
                continue
            marked = opened(found, now_us, round(self._parameters.visit_gap_s * 1e6))
            trips = trip_rows(marked, now_us, self._memory.silence_us)
            change = difference(tag_id, mine, marked, trips)
            mine.visits, mine.trips = marked, trips
            if change.visits_us or change.trips_us:
                changes.append(change)
        return changes

    def _estimate(self, parts: Sequence[Rows]) -> dict[int, list[VisitRow]]:
        if not parts or self._estimator is None:
            return {}
        rows = np.concatenate(parts)
        if not self._antennas.keys() >= set(np.unique(rows["antenna_id"]).tolist()):
            self._antennas = database.load_antennas(self._connection, self._store_id)
        visits, unused = self._estimator.estimate(reads_frame(rows, self._antennas))
        for reason in unused.keys() - {UNSUPPORTED}:
            self._tell(f"store {self._store}: {reason}; its reads are left out")
        return visit_rows(visits)

    def _load(self, from_us: int, to_us: int, clock_us: int, tag_ids: Sequence[int] | None = None) -> Rows:
        to_us = min(to_us, clock_us + FUTURE_US)
        if self._horizon_us is not None:
            from_us = max(from_us, self._horizon_us)
        return database.load_reads(self._connection, self._store_id, from_us, to_us, tag_ids)

    def _load_runs(
        self, tag_ids: Sequence[int] | None, from_us: int, to_us: int, clock_us: int
    ) -> Iterable[tuple[int, Rows]]:
        """Whole runs that have a read between two times, of some tags or all."""
        silence_us = self._memory.silence_us
        low_us, high_us = from_us - silence_us, to_us + silence_us
        rows = self._load(low_us, high_us, clock_us, tag_ids)
        while len(rows):
            cut_off = []
            for tag_id, mine in split_by_tag(rows):
                runs = runs_between(mine, from_us, to_us, silence_us)
                if self._horizon_us is not None:  # a run that begins there may have lost its begin
                    runs = runs_after(runs, self._horizon_us + silence_us, silence_us)
                if not len(runs):
                    continue
                if runs["time_us"][0] - silence_us < low_us or runs["time_us"][-1] + silence_us > high_us:
                    cut_off.append(tag_id)
                else:
                    yield tag_id, runs
            if not cut_off:
                return
            span_us = high_us - low_us
            earlier = self._load(low_us - span_us, low_us - 1, clock_us, cut_off)
            later = self._load(high_us + 1, high_us + span_us, clock_us, cut_off)
            rows = np.concatenate([earlier, rows[np.isin(rows["tag_id"], cut_off)], later])
            rows = rows[np.argsort(rows["tag_id"], kind="stable")]
            low_us, high_us = low_us - span_us, high_us + span_us

    def _tell(self, message: str) -> None:
        """Log something once."""
        if message not in self._told:
            self._told.add(message)
            log.warning("%s", message)


def split(ranges_us: Ranges, time_us: int) -> tuple[Ranges, Ranges]:
    """What the ranges have up to a time, and after it."""
    before = [(begin, min(end, time_us)) for begin, end in ranges_us if begin <= time_us]
    after = [(max(begin, time_us + 1), end) for begin, end in ranges_us if end > time_us]
    return before, after


def join(ranges_us: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges in order, those that are less than `JOIN_US` apart as one."""
    joined: Ranges = []
    for begin, end in sorted(ranges_us):
        if joined and begin <= joined[-1][1] + JOIN_US:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((begin, end))
    return joined


def join_and_cut(ranges_us: Iterable[tuple[int, int]]) -> Ranges:
    """Ranges that cover all those given, in order, none longer than `SLICE_US`."""
    return [
        (start, min(start + SLICE_US - 1, end))
        for begin, end in join(ranges_us)
        for start in range(begin, end + 1, SLICE_US)
    ]
