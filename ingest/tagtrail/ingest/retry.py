"""Reads messages of the quarantine again, after an upgrade or after what was wrong was put right.

By the intake and the writer of the live service. What becomes of a message, and what becomes of its entry, is one
transaction. Reads that the database has already, to the microsecond and the signal strength, are not added again: so a
message that was partly taken gives its rest, and a batch whose number was used twice gives its reads, under a boot of
their own in the ledger.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from tagtrail.ingest import quarantine
from tagtrail.ingest.clocks import ClockNote
from tagtrail.ingest.columns import CONTENT_BYTES, Columns, whole
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.intake import Batch, Message, Rejected, Status, read_message
from tagtrail.ingest.known import Known
from tagtrail.ingest.ledger import utc
from tagtrail.ingest.quarantine import Choice, Entry
from tagtrail.ingest.writer import Writer

Read = tuple[int, str, int, str, float | None, int]
"""Microseconds since 1970 UTC, reader, port, EPC, dBm, count."""

_PLACES: Final = """
SELECT boot, rows, content, clock, clock_shift_us FROM batch JOIN store USING (store_id)
WHERE (store, agent, seq) = (%s, %s, %s) AND boot = ANY (%s)
"""
_THINNED: Final = """
SELECT FROM agent_boot JOIN store USING (store_id)
WHERE (store, agent, boot) = (%s, %s, %s) AND thinned_seq >= %s
"""
ROUNDS: Final = 3
"""A copy that arrives just now may take the batch's place in the ledger between the look and the writing."""
_READS: Final = """
SELECT extract(epoch FROM time) * 1000000, reader, antenna, epc, rssi_dbm, count
FROM read WHERE store = %s AND time BETWEEN %s AND %s AND epc = ANY (%s)
"""
_NEWER_STATUS: Final = """
SELECT FROM agent_status JOIN store USING (store_id) WHERE store = %s AND agent = %s AND time >= %s
"""
_STAYS: Final = "UPDATE quarantine SET reason = %s, message = %s WHERE quarantine_id = %s"
_NOT_AGAIN: Final = """
UPDATE quarantine SET times = %s, last_at = %s WHERE quarantine_id = %s RETURNING reason, message
"""


class Result(NamedTuple):
    """What became of an entry.

    Attributes:
        entry: As it was.
        gone: It is not in the quarantine any more.
        reads: Rows added to the database.
        words: For a person.
    """

    entry: Entry
    gone: bool
    reads: int
    words: str


def retry(connection: Connection, ids: Sequence[int]) -> Iterator[Result]:
    """Try entries again, one by one; each result is committed when it is given out.

    Args:
        connection: In autocommit mode.
        ids: Numbers of entries; one that is gone meanwhile gives no result.

    Raises:
        Retry: The database failed. What was given out before is done.
        GiveUp: The database's schema or permissions do not fit.
    """
    writer = Writer(Known())
    for entry_id in ids:
        with connection.transaction():
            # A copy that arrives just now waits for the end of this transaction.
            connection.execute("SELECT FROM quarantine WHERE quarantine_id = %s FOR UPDATE", [entry_id])
            found = quarantine.entries(connection, Choice([entry_id]))
            result = _again(connection, writer, found[0]) if found else None
        if result is not None:
            yield result


def _again(connection: Connection, writer: Writer, entry: Entry) -> Result:
    if not entry.whole:
        return Result(entry, gone=False, reads=0, words=f"only {entry.kept} of its {entry.size} bytes were kept")
    heard_us = round(entry.heard.timestamp() * 1e6)
    item = read_message(Message(entry.topic, quarantine.payload(connection, entry.id), None, heard_us))
    if isinstance(item, Rejected):
        return _stay(connection, entry, item, 0)
    if isinstance(item, Batch):
        return _again_batch(connection, writer, entry, item)
    words = "there is nothing to keep in it"
    if isinstance(item, Status):
        words = "the status is taken"
        if connection.execute(_NEWER_STATUS, [item.store, item.status.agent, utc(item.status.time_us)]).rowcount:
            words = "a status older than the one that the database has"
        elif writer.write(connection, [item]).quarantined:
            return _stay_as_written(connection, entry, 0)
    quarantine.drop(connection, entry.id)
    return Result(entry, gone=True, reads=0, words=words)


def _again_batch(connection: Connection, writer: Writer, entry: Entry, batch: Batch) -> Result:
    reads, words = 0, "the database has all of its reads"
    for _ in range(ROUNDS):
        if (rest := _rest(connection, batch)) is None:
            break
        outcome = writer.write(connection, [replace(rest, partly=None)])
        reads += outcome.reads
        words = f"{reads} reads are in the database now"
        if outcome.quarantined:
            return _stay_as_written(connection, entry, reads)
        if outcome.reads == rest.rows:
            break
    else:
        return Result(entry, gone=False, reads=reads, words="its place in the ledger is taken, nothing was lost")
    if batch.partly is not None:
        return _stay(connection, entry, batch.partly, reads)
    quarantine.drop(connection, entry.id)
    return Result(entry, gone=True, reads=reads, words=words)


def _stay(connection: Connection, entry: Entry, rejected: Rejected, reads: int) -> Result:
    """An entry that is wrong, perhaps by now for another reason."""
    connection.execute(_STAYS, [rejected.reason, quarantine.storable(rejected.explanation), entry.id])
    return Result(entry, gone=False, reads=reads, words=f"{rejected.reason}: {rejected.explanation}")


def _stay_as_written(connection: Connection, entry: Entry, reads: int) -> Result:
    """An entry that the writer has put into the quarantine again; it did not come once more."""
    row = connection.execute(_NOT_AGAIN, [entry.times, entry.last, entry.id]).fetchone()
    assert row is not None
    return Result(entry, gone=False, reads=reads, words=f"{row[0]}: {row[1]}")


def _rest(connection: Connection, batch: Batch) -> Batch | None:
    """What of a batch the database lacks; None if nothing."""
    if "\0" in batch.key.boot:
        return batch  # not even a question to the database; the writer says why it is refused
    content = batch.extent.content
    # No agent waits to be told of such a boot, and no agent's boot has a plus.
    boots = [batch.key.boot, f"{batch.key.boot}+{content.hex()}"]
    rows = connection.execute(_PLACES, [batch.key.store, batch.key.agent, batch.key.seq, boots]).fetchall()
    places = {row[0]: row[1] for row in rows}
    for _, count, known, clock, shift_us in rows:
        if count and known == content:  # the same batch, perhaps stamped by a clock that was known better or worse
            if count >= batch.rows:
                return None
            batch = _stamped(batch, ClockNote(clock, shift_us))
            break
    thinned = connection.execute(_THINNED, batch.key).rowcount > 0
    fresh = places[boots[0]] == 0 if boots[0] in places else not thinned
    if fresh and batch.confirmed is not None:
        return batch
    # What a reader published by itself has its number from its content, as far as that could be read.
    there = _there(connection, batch)
    lacking = np.zeros(batch.rows, np.bool_)
    own = batch.columns.of([batch.extent.rows])
    for index, read in enumerate(_reads(own)):
        lacking[index] = there[read] <= 0
        there[read] -= 1
    if fresh and lacking.all():
        return batch
    if not lacking.any():
        return None
    rest = own.at(np.flatnonzero(lacking))
    boot = boots[1]
    if boot in places:
        reads = repr(sorted(_reads(rest), key=repr)).encode()
        boot = f"{boot}+{hashlib.sha256(reads).digest()[:CONTENT_BYTES].hex()}"
    return replace(batch, key=batch.key._replace(boot=boot), confirmed=None, columns=rest, extent=whole(rest, content))


def _stamped(batch: Batch, clock: ClockNote) -> Batch:
    """A batch with the clock that the ledger has for it."""
    delta_us = (clock.shift_us or 0) - (batch.clock.shift_us or 0)
    own = batch.columns.of([batch.extent.rows])
    own = replace(own, time=own.time + np.timedelta64(delta_us, "us"))
    return replace(batch, columns=own, extent=whole(own, batch.extent.content), clock=clock)


def _there(connection: Connection, batch: Batch) -> Counter[Read]:
    """Reads of these tags at the time of this batch that the database has, whichever batch brought them."""
    tags = batch.columns.of([batch.extent.rows]).tags
    span = (utc(batch.extent.first_us), utc(batch.extent.last_us))
    rows = connection.execute(_READS, [batch.key.store, *span, tags]).fetchall()
    return Counter((int(row[0]), row[1], row[2], row[3], _same(row[4]), row[5]) for row in rows)


def _reads(reads: Columns) -> Iterator[Read]:
    columns = (reads.time.astype(np.int64), reads.antenna, reads.tag, reads.rssi_dbm, reads.count)
    for time_us, antenna, tag, rssi_dbm, count in zip(*(column.tolist() for column in columns), strict=True):
        _, reader, port = reads.antennas[antenna]
        yield time_us, reader, port, reads.tags[tag], _same(rssi_dbm), count


def _same(rssi_dbm: float | None) -> float | None:
    """As it lies in a column of type real."""
    return None if rssi_dbm is None or math.isnan(rssi_dbm) else float(np.float32(rssi_dbm))
