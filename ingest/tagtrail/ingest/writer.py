"""Writes messages to the database: many per transaction, each batch once."""

import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import psycopg

from tagtrail.hardware.wire import Committed
from tagtrail.ingest import ledger, quarantine
from tagtrail.ingest.clocks import Skews
from tagtrail.ingest.columns import CONTENT_BYTES
from tagtrail.ingest.database.connection import Connection, explain
from tagtrail.ingest.database.copy import Column, Copier
from tagtrail.ingest.database.names import antenna_names, store_names
from tagtrail.ingest.database.partitions import DAY_US, Partitions
from tagtrail.ingest.database.tag_ids import TagIds
from tagtrail.ingest.intake import Batch, BatchKey, Item, Rejected, Status, reject
from tagtrail.ingest.known import Known

log = logging.getLogger("tagtrail.ingest")

_STATUS = """
INSERT INTO agent_status (store_id, agent, time, state, clock_skew_us, status) VALUES (%s, %s, %s, %s, %s, %s::jsonb)
ON CONFLICT (store_id, agent) DO UPDATE
SET received_at = now(), time = excluded.time, state = excluded.state, status = excluded.status,
    clock_skew_us = coalesce(excluded.clock_skew_us, agent_status.clock_skew_us)
"""

NOT_KEPT: Final = "not-kept"
"""Counted where even the quarantine takes nothing of a message, which only the log tells then."""
READ_COLUMNS: Final = ("time", "tag_id", "antenna_id", "rssi_dbm", "store_id", "count")

_DATA_CLASSES: Final = ("22", "23", "54")
"""SQLSTATE classes that blame the data: data exception, integrity violation, limit exceeded (a long index key)."""


@dataclass
class Outcome:
    """What one call of `Writer.write` has committed.

    Attributes:
        batches: New ones.
        reads: Rows added.
        duplicates: Batches that were there already, or twice among the messages.
        statuses: Agents' statuses.
        quarantined: Messages by reason.
        newest_us: Time of the newest read, microseconds since 1970 UTC; None without reads.
        committed: Per store and agent, what it should be told, by boot; the boot heard last is the last one.
        beyond: Per store, agent and boot, numbers of batches of which some lie beyond that.
    """

    batches: int = 0
    reads: int = 0
    duplicates: int = 0
    statuses: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    newest_us: int | None = None
    committed: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    beyond: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """Add what a later transaction has committed."""
        self.batches += other.batches
        self.reads += other.reads
        self.duplicates += other.duplicates
        self.statuses += other.statuses
        self.quarantined += other.quarantined
        self.newest_us = max((us for us in (self.newest_us, other.newest_us) if us is not None), default=None)
        for agent, boots in other.committed.items():
            self.committed.setdefault(agent, {}).update(boots)
        for boot, seqs in other.beyond.items():
            self.beyond.setdefault(boot, []).extend(seqs)

    def messages(self) -> list[tuple[str, str, Committed]]:
        """(store, agent, what to tell it)."""
        return [
            (
                *agent,
                Committed(
                    boot, seq, ledger.runs(later for later in self.beyond.get((*agent, boot), ()) if later > seq)
                ),
            )
            for agent, boots in self.committed.items()
            for boot, seq in boots.items()
        ]


class Writer:
    """Writes to the database, with the ids that it has met in memory.

    Args:
        known: Which stores and readers are let in; None lets all in.
        skews: Of the agents' clocks, where other writers measure too.
    """

    def __init__(self, known: Known | None = None, skews: Skews | None = None) -> None:
        self._stores = store_names()
        self._antennas = antenna_names()
        self._tags = TagIds()
        self._partitions = Partitions()
        self._skews = Skews() if skews is None else skews
        self._known = known
        self._copier = Copier("tag_read", READ_COLUMNS)

    def write(self, connection: Connection, items: Sequence[Item]) -> Outcome:
        """Commit these messages; when this returns, they may be acknowledged.

        What the database refuses for its content is found by halving, and goes to the quarantine.

        Args:
            connection: In autocommit mode, so that each transaction is this module's own.
            items: In the order in which they came.

        Raises:
            Retry: The database failed. Whatever was committed before that does no harm when written again.
            GiveUp: The database's schema or permissions do not fit.
        """
        if self._known is not None:
            items = self._known.sift(connection, items)
        try:
            return self._commit(connection, items)
        except _RefusedError as refused:
            # Perhaps what is in memory is wrong, not the data: somebody dropped a partition, or deleted an antenna.
            log.warning("looking again at what the database refused: %s", refused)
            self._forget()
            return self._commit_parts(connection, items)

    def _commit_parts(self, connection: Connection, items: Sequence[Item]) -> Outcome:
        try:
            return self._commit(connection, items)
        except _RefusedError as refused:
            self._partitions.forget()  # one may have been dropped since, by retention
            if len(items) == 1:
                return self._set_aside(connection, items[0], str(refused))
        outcome = Outcome()
        middle = len(items) // 2
        for part in (items[:middle], items[middle:]):
            outcome.add(self._commit_parts(connection, part))
        return outcome

    def _set_aside(self, connection: Connection, item: Item, explanation: str) -> Outcome:
        """A single message that the database refuses: whatever it is, it must not come for ever."""
        for attempt in (item, *_simpler(item, explanation)):
            try:
                return self._commit(connection, [attempt])
            except _RefusedError as refused:
                log.warning("looking for a way to keep a message that the database refuses: %s", refused)
        log.error("a message on topic %.200r, of %d bytes, cannot be kept and is lost: %s",
                  item.message.topic, len(item.message.payload), explanation)  # fmt: skip
        return Outcome(quarantined=Counter({NOT_KEPT: 1}))

    def _commit(self, connection: Connection, items: Sequence[Item]) -> Outcome:
        try:
            self._partitions.ensure(connection, {int(day) for item in items for day in _days(item)})
            with connection.transaction():
                outcome = self._write(connection, items)
        except (psycopg.Error, UnicodeError) as error:
            for names in (self._stores, self._antennas, self._tags):
                names.rollback()
            if isinstance(error, psycopg.Error) and not _blames_data(error):
                raise explain(error) from error
            raise _RefusedError(str(error).partition("\n")[0]) from None
        for names in (self._stores, self._antennas, self._tags):
            names.commit()
        return outcome

    def _forget(self) -> None:
        for names in (self._stores, self._antennas, self._tags):
            names.forget()
        self._partitions.forget()

    def _write(self, connection: Connection, items: Sequence[Item]) -> Outcome:
        came = [item for item in items if isinstance(item, Batch)]
        batches, twins = _once(came)
        statuses = [item for item in items if isinstance(item, Status)]
        rejected = [item for item in items if isinstance(item, Rejected)]
        keys = [item.key for item in items if isinstance(item, Batch | Rejected) and item.key is not None]
        stores = self._stores.ids(connection, [key.store for key in keys] + [status.store for status in statuses])

        unreadable = {item.key for item in rejected if item.key is not None and item.key not in batches}
        entries = [ledger.Entry(stores[key.store], *key[1:]) for key in unreadable]
        entries += [_entry(batch, stores) for batch in batches.values()]
        new = ledger.enter(connection, entries)
        fresh = [batch for key, batch in batches.items() if (stores[key.store], *key[1:]) in new]
        known = [batch for key, batch in batches.items() if (stores[key.store], *key[1:]) not in new] + twins
        # What a reader published by itself is known by its content, so it cannot come again with another one.
        known = [batch for batch in known if batch.confirmed is not None]
        there = ledger.contents(connection, [(stores[batch.key.store], *batch.key[1:]) for batch in known])
        # Of batches that retention has thinned out of the ledger, the content is not known any more.
        reused = [
            batch
            for batch in known
            if (key := (stores[batch.key.store], *batch.key[1:])) in there and _differs(batch, there[key])
        ]
        rejected += [
            Rejected(
                batch.message,
                "seq-reused",
                f"batch {batch.key.seq} of boot {batch.key.boot!r} is there with other reads",
            )
            for batch in reused
        ]
        rejected += [batch.partly for batch in batches.values() if batch.partly is not None]

        self._copy_reads(connection, fresh, stores)
        quarantine.keep(connection, rejected)
        self._write_statuses(connection, statuses, stores)
        outcome = Outcome(
            batches=len(fresh),
            reads=sum(batch.rows for batch in fresh),
            duplicates=len(came) - len(fresh) - len(reused),
            statuses=len(statuses),
            quarantined=Counter(item.reason for item in rejected),
            newest_us=max((batch.extent.last_us for batch in fresh), default=None),
        )
        # Last, and in the order of the messages: these rows are locked until the commit.
        confirmed: dict[ledger.Boot, int] = {}
        for item in items:
            if isinstance(item, Batch | Rejected) and item.key is not None and item.confirmed is not None:
                boot = (stores[item.key.store], item.key.agent, item.key.boot)
                confirmed[boot] = max(confirmed.pop(boot, 0), item.confirmed)
                outcome.beyond.setdefault(item.key[:3], []).append(item.key.seq)
        complete = ledger.advance(connection, confirmed)
        names = {store_id: store for store, store_id in stores.items()}
        for store_id, agent, boot_id in confirmed:
            boots = outcome.committed.setdefault((names[store_id], agent), {})
            boots[boot_id] = complete[store_id, agent, boot_id]
        return outcome

    def _write_statuses(self, connection: Connection, statuses: Sequence[Status], stores: dict[str, int]) -> None:
        rows = {}
        for item in statuses:
            status, agent = item.status, (stores[item.store], item.status.agent)
            skew_us = self._skews.measure(item.store, status, item.message.received_us)
            payload = item.message.payload.decode()
            rows[agent] = (*agent, ledger.utc(status.time_us), status.state, skew_us, payload)
        if rows:
            with connection.cursor() as cursor:
                cursor.executemany(_STATUS, [row for _, row in sorted(rows.items())])

    def _copy_reads(self, connection: Connection, batches: Sequence[Batch], stores: dict[str, int]) -> None:
        if not batches:
            return
        together: dict[int, list[Batch]] = {}
        for batch in batches:
            together.setdefault(id(batch.columns), []).append(batch)
        reads = [part[0].columns.of([batch.extent.rows for batch in part]) for part in together.values()]
        antennas = [(stores[store], reader, port) for part in reads for store, reader, port in part.antennas]
        antenna_ids = np.array(self._antennas.column(connection, antennas), np.int32)
        store_ids = np.array([store_id for store_id, *_ in antennas], np.int16)
        tag_ids = self._tags.column(connection, [(part.tags, part.tag_keys) for part in reads])
        antenna = _joined([part.antenna for part in reads], [len(part.antennas) for part in reads])
        tag = _joined([part.tag for part in reads], [len(part.tags) for part in reads])
        columns: dict[str, Column] = {
            "time": np.concatenate([part.time for part in reads]),
            "tag_id": tag_ids[tag],
            "antenna_id": antenna_ids[antenna],
            "rssi_dbm": np.concatenate([part.rssi_dbm for part in reads]),
            "store_id": store_ids[antenna],
            "count": np.concatenate([part.count for part in reads]),
        }
        self._copier.copy(connection, [columns[name] for name in READ_COLUMNS])


def _joined(indexes: Sequence[Column], dictionaries: Sequence[int]) -> Column:
    """Indexes into dictionaries that follow one another."""
    begins = itertools.accumulate(dictionaries, initial=0)
    return np.concatenate([index + begin for index, begin in zip(indexes, begins)])  # noqa: B905 - one begin too many


class _RefusedError(Exception):
    """The database took none of it, because of something in it."""


def _blames_data(error: psycopg.Error) -> bool:
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError)  # found before it was sent, e.g. a NUL in a text
    return error.sqlstate.startswith(_DATA_CLASSES)


def _simpler(item: Item, explanation: str) -> Iterator[Rejected]:
    """What to try one after the other with a message that the database refuses, each with less in it."""
    rejected = item if isinstance(item, Rejected) else reject(item, explanation)
    if rejected is not item:
        yield rejected
    if rejected.key is not None:
        yield replace(rejected, key=None, confirmed=0)
    yield quarantine.trace(rejected, explanation)


def _days(item: Item) -> Sequence[int]:
    if not isinstance(item, Batch):
        return ()
    return range(item.extent.first_us // DAY_US, item.extent.last_us // DAY_US + 1)


def _once(batches: Sequence[Batch]) -> tuple[dict[BatchKey, Batch], list[Batch]]:
    """The first batch of each key, and those that came with the same key and other reads, each once."""
    by_key: dict[BatchKey, Batch] = {}
    twins: dict[tuple[BatchKey, bytes], Batch] = {}
    for batch in batches:
        content = batch.extent.content
        if by_key.setdefault(batch.key, batch).extent.content != content:
            twins.setdefault((batch.key, content), batch)
    return by_key, list(twins.values())


def _differs(batch: Batch, content: bytes | None) -> bool:
    """Whether other reads are there under the batch's key; what an earlier version hashed in its way is not told."""
    return content is None or (len(content) == CONTENT_BYTES and content != batch.extent.content)


def _entry(batch: Batch, stores: dict[str, int]) -> ledger.Entry:
    extent = batch.extent
    return ledger.Entry(
        stores[batch.key.store],
        *batch.key[1:],
        rows=batch.rows,
        reads=extent.reads,
        first_time=ledger.utc(extent.first_us),
        last_time=ledger.utc(extent.last_us),
        content=extent.content,
        clock=batch.clock.state,
        clock_shift_us=batch.clock.shift_us,
    )
