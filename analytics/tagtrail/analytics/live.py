"""The live loop of one store: keeps visits and trips up with the reads in the database.

Each pass takes the new batches of the ledger, reads their stretches of time again as a whole, puts them in place of what
memory holds of these stretches, estimates the tags that changed, and commits what became different together with the
cursor. So it does not matter in which order, how late or how often reads arrive, or where the process was killed: what is
written depends on the reads alone.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from tagtrail.analytics import database
from tagtrail.analytics.database import Change, Rows
from tagtrail.analytics.estimator import Estimator
from tagtrail.analytics.memory import (
    Held,
    Memory,
    difference,
    opened,
    reads_frame,
    split_by_tag,
    trip_rows,
    visit_rows,
)
from tagtrail.analytics.presence import Presence, PresenceParameters
from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.database.connection import Connection

log = logging.getLogger("tagtrail.analyze")

BATCHES_PER_PASS: Final = 5_000
SLICE_US: Final = 3_600_000_000
"""Reads are taken from the database an hour at a time, so that catching up with a day needs no more memory."""
FUTURE_US: Final = 300_000_000
"""Reads later than the clock by more than this have a wrong time, and would look like a store that fell silent."""


class StoreAnalyzer:
    """The live analysis of one store.

    Args:
        connection: All work is done on it; with a new connection begin with a new `StoreAnalyzer`.
        store: Its name.
        store_id: Its number.
        parameters: Of the presence rule.

    Attributes:
        reads_to_us: Time of the newest read so far; None: there was none.
    """

    def __init__(self, connection: Connection, store: str, store_id: int, parameters: PresenceParameters) -> None:
        self.store = store
        self.reads_to_us: int | None = None
        self._connection = connection
        self._store_id = store_id
        self._parameters = parameters
        self._visit_gap_us = round(parameters.visit_gap_s * 1e6)
        self._trip_gap_us = round(parameters.trip_gap_s * 1e6)
        self._memory = Memory(self._trip_gap_us)
        self._estimator: Estimator | None = None
        self._antennas: dict[int, tuple[str, int]] = {}
        self._xid = 0
        self._layout_id = 0
        self._told: set[str] = set()
        self._stretches_us: list[tuple[int, int]] = []
        self._is_ready = False

    def step(self, clock_us: int, *, is_quiet: bool) -> bool:
        """One pass.

        Args:
            clock_us: The store's time now.
            is_quiet: Reads would have come by now if there were any: silence up to the clock is silence in the store.
                Otherwise time is believed to have come as far as the newest read.

        Returns:
            Whether there were new batches.

        Raises:
            psycopg.Error: The database failed; what was not committed is done again by the next `StoreAnalyzer`.
        """
        if not self._is_ready and not self._begin(clock_us):
            return False
        self._follow_layout()
        if self._estimator is None:
            return False
        with self._connection.transaction():
            news = database.load_news(self._connection, self._store_id, self._xid, BATCHES_PER_PASS)
        stretches = slices([*self._stretches_us, *news.ranges_us], SLICE_US)
        for stretch in stretches[:-1]:
            self._pass(stretch, clock_us, is_quiet=False)
        if news.ranges_us or news.xid > self._xid or stretches:
            is_quiet = is_quiet and not stretches
        self._pass(stretches[-1] if stretches else None, clock_us, is_quiet=is_quiet, xid=news.xid)
        self._stretches_us.clear()
        return bool(news.ranges_us)

    def settle(self, clock_us: int) -> None:
        """Estimate what was put off (`memory.READS_PER_PASS`), before the process ends."""
        for held in self._memory.held.values():
            held.waited = max(held.waited, 1_000_000)
        if self._estimator is not None:
            self._pass(None, clock_us, is_quiet=False)

    def _begin(self, clock_us: int) -> bool:
        """Take up where the last process stopped; False while another process is at it."""
        with self._connection.transaction():
            if not database.lock_store(self._connection, self._store_id):
                self._tell_once(f"store {self.store}: another process analyses it; waiting for that to end")
                return False
            cursor = database.load_cursor(self._connection, self._store_id)
            self._layout_id = 0 if cursor is None else cursor.layout_id
            if cursor is not None and cursor.reads_to_us is not None:
                self._xid, self.reads_to_us = cursor.xid, cursor.reads_to_us
                from_us = cursor.reads_to_us - 2 * self._trip_gap_us
                self._memory.forgotten_us = from_us - 1
                rows = self._load(from_us, cursor.reads_to_us, clock_us)
                tags = np.unique(rows["tag_id"]).tolist()
                for tag_id, run in self._load_runs(tags, from_us, cursor.reads_to_us, clock_us):
                    self._memory.adopt(tag_id, run)
                database.close_before(self._connection, self._store_id, from_us)
        self._is_ready = True
        return True

    def _follow_layout(self) -> None:
        """Take over new versions of the layout, and do the time again for which they are valid."""
        with self._connection.transaction():
            newest = database.newest_layout(self._connection, self._store_id)
            if newest == 0:
                self._tell_once(f"store {self.store}: the database has no layout of it; waiting for its store file")
                return
            if newest == self._layout_id and self._estimator is not None:
                return
            try:
                layouts = database.load_layouts(self._connection, self._store_id)
            except GiveUp as error:
                self._tell_once(f"store {self.store}: {error}")
                return
        fresh = [layout.valid_from_us for number, layout in layouts.items() if number > self._layout_id]
        had_reads = self.reads_to_us is not None
        if had_reads and fresh and min(fresh) <= (self.reads_to_us or 0):
            # With a single version the first read counts, see `placement.FIRST_LAYOUT_FROM_US`.
            self._stretches_us.append((min(fresh), self.reads_to_us or 0))
        self._layout_id = newest
        self._estimator = Presence(list(layouts.values()), self._parameters)
        for held in self._memory.held.values():
            held.pending = True

    def _pass(self, stretch_us: tuple[int, int] | None, clock_us: int, *, is_quiet: bool, xid: int | None = None) -> None:
        """Work off one stretch of time; with ``xid`` also move the cursor. One transaction."""
        with self._connection.transaction():
            changes: list[Change] = []
            if stretch_us is not None:
                changes += self._take_in(*stretch_us, clock_us)
            now_us = clock_us if is_quiet or self.reads_to_us is None else min(self.reads_to_us, clock_us)
            changes += self._estimate_due(now_us)
            changes += self._close_silent(now_us)
            database.write_changes(self._connection, self._store_id, changes)
            if xid is not None and xid > self._xid and (stretch_us is not None or self._has_moved(xid)):
                database.save_cursor(self._connection, self._store_id, xid, self.reads_to_us)
                self._xid = xid
        self._memory.forget(now_us)
