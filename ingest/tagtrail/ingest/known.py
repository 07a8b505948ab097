"""Which stores and readers there are: those of the store files in the database.

Names that nobody has declared come from a mistake or from somebody who should not be there. They go to the quarantine,
so that they neither fill the dictionaries nor vanish: after ``tagtrail store add``, a retry takes what is there. A
database without any store file takes everything.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.store import parse_store
from tagtrail.ingest.columns import Columns, whole
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.intake import Batch, Heard, Item, Rejected, Status
from tagtrail.ingest.vendor import is_vendor_topic

log = logging.getLogger("tagtrail.ingest")

LOOK_S: Final = 1.0
"""Least time between two looks at the database for what is not known."""
_LAYOUTS: Final = """
SELECT layout_id, store, document FROM store_layout JOIN store USING (store_id) WHERE layout_id <> ALL (%s)
"""


class Known:
    """Remembers the readers of each store, of all versions of its store file; for all writers.

    Args:
        now_s: A clock that goes on steadily.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._looked_s = -LOOK_S
        self._layouts: list[int] = []
        self._readers: dict[str, set[str]] = {}
        self._unreadable: set[str] = set()
        self._told = False

    def sift(self, connection: Connection, items: Sequence[Item]) -> list[Item]:
        """The items, those of unknown stores and readers rejected."""
        with self._lock:
            return self._sift(connection, list(items))

    def _sift(self, connection: Connection, chosen: list[Item]) -> list[Item]:
        if self._knows_all(chosen):
            return chosen
        now_s = self._now_s()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            self._look(connection)
        if self._layouts:
            return [self._judge(item) for item in chosen]
        if not self._told:
            self._told = True
            log.warning("the database has no store file, so every name is taken: put it in with 'tagtrail store add'")
        return chosen

    def _look(self, connection: Connection) -> None:
        for layout_id, store, document in connection.execute(_LAYOUTS, [self._layouts]).fetchall():
            self._layouts.append(layout_id)
            readers = self._readers.setdefault(store, set())
            try:
                readers.update(reader.id for reader in parse_store(document).reader)
            except GiveUp:  # made by another version: that its readers are known cannot be said, nor the contrary
                self._unreadable.add(store)

    def _knows_all(self, items: Sequence[Item]) -> bool:
        """What is nearly always so: a look per antenna, not per batch."""
        if not {_store(item) for item in items} - {None} <= self._readers.keys():
            return False
        together = {id(item.columns): item for item in items if isinstance(item, Batch) and self._has_readers(item)}
        antennas = (antenna for item in together.values() for antenna in item.columns.antennas)
        return all(antenna.reader in self._readers[antenna.store] for antenna in antennas)

    def _has_readers(self, batch: Batch) -> bool:
        """Whether the readers of its store are known. Those that publish by themselves are in no store file yet."""
        return batch.key.store not in self._unreadable and not is_vendor_topic(batch.message.topic)

    def _judge(self, item: Item) -> Item:
        store = _store(item)
        if store is None:
            return item
        if store in self._readers:
            if not isinstance(item, Batch) or not self._has_readers(item):
                return item
            own = item.columns.of([item.extent.rows])
            unknown = {antenna.reader for antenna in own.antennas} - self._readers[store]
            return _split(item, own, unknown) if unknown else item
        if isinstance(item, Batch):
            # Its agent is told nothing, so it keeps its reads and sends them again.
            return Rejected(
                item.message, "unknown-store", f"there is no store file of {store!r}: add it with 'tagtrail store add'"
            )
        if isinstance(item, Rejected):
            return replace(item, key=None, confirmed=0)  # the ledger has no place for it, as for a batch that is right
        return Heard(item.message)  # a status comes every few seconds; the batches, which are kept, say the same


def _store(item: Item) -> str | None:
    if isinstance(item, Batch | Rejected):
        return None if item.key is None else item.key.store
    return item.store if isinstance(item, Status) else None


def _split(batch: Batch, own: Columns, unknown: set[str]) -> Item:
    strange = np.array([antenna.reader in unknown for antenna in own.antennas])[own.antenna]
    names = ", ".join(sorted(repr(name[:64]) for name in unknown)[:10])
    explanation = (
        f"{int(strange.sum())} of {batch.rows} reads are of readers that the store file of {batch.key.store!r} "
        f"does not have: {names}; the others are taken. Put the new file in with 'tagtrail store add', then retry"
    )
    if strange.all():
        return Rejected(batch.message, "unknown-reader", explanation, batch.key, batch.confirmed or 0)
    taken = own.at(np.flatnonzero(~strange))
    return replace(
        batch,
        columns=taken,
        extent=whole(taken, batch.extent.content),
        partly=Rejected(batch.message, "unknown-reader", explanation),
    )
