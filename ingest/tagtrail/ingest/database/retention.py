"""Drops what is older than it may be, the same way on PostgreSQL and TimescaleDB.

Reads go by part (`partitions`): a part is dropped when all its time is past, and nothing has come for it for as long.
So reads that come late, or from a clock that was not set, are kept for the whole period too. Reads from before
``retention.dropped_before`` may be gone: what was made of them is not made again from the few that may still come
(`tagtrail.analytics`, `antenna_health`).
"""

import logging
from datetime import datetime, timedelta
from typing import Final

import psycopg

from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.partitions import Part, drop, parts

log = logging.getLogger("tagtrail.ingest")

LEDGER_DAYS_MIN: Final = 30
"""The ledger stays at least this long. Readers that publish by themselves are known by it alone, and may send what is a
week old."""
LOCK_TIMEOUT_MS: Final = 100
"""Everybody else has to wait behind a part that waits to be dropped; it is tried again at the next pass."""

_ARRIVED = """
    SELECT EXISTS (
        SELECT FROM batch
        WHERE first_time < %(end)s AND last_time >= %(begin)s AND committed_at > now() - make_interval(days => %(days)s)
    )
"""
_MOVE = """
    UPDATE retention SET dropped_before = greatest(dropped_before, %s), updated_at = now() WHERE what = %s
"""
_UNANALYSED = """
    SELECT count(*) FROM batch JOIN analysis_cursor c USING (store_id)
    WHERE first_time < %s AND last_time >= %s AND batch.xid >= c.xid
"""
# Only below the end of the gapless prefix: there a batch that comes again is known without its row (`thinned_seq`).
# What could not be read keeps its row, and with it the place that a retry gives its reads.
_THIN = """
    WITH thinned AS (
        DELETE FROM batch b
        WHERE rows > 0 AND committed_at < now() - make_interval(days => %(days)s)
          AND last_time < (SELECT dropped_before FROM retention WHERE what = 'tag_read')
          AND NOT EXISTS (SELECT FROM analysis_cursor c WHERE c.store_id = b.store_id AND b.xid >= c.xid)
          AND NOT EXISTS (SELECT FROM antenna_cursor c WHERE c.store_id = b.store_id AND b.xid >= c.xid)
          AND seq <= coalesce((
              SELECT committed_seq FROM agent_boot a
              WHERE (a.store_id, a.agent, a.boot) = (b.store_id, b.agent, b.boot)
          ), seq)
        RETURNING store_id, agent, boot, seq
    ), highest AS (
        SELECT store_id, agent, boot, max(seq) AS seq, count(*) AS batches FROM thinned GROUP BY 1, 2, 3
    ), noted AS (
        UPDATE agent_boot a SET thinned_seq = greatest(thinned_seq, h.seq) FROM highest h
        WHERE (a.store_id, a.agent, a.boot) = (h.store_id, h.agent, h.boot)
    )
    SELECT coalesce(sum(batches), 0)::bigint FROM highest
"""


def drop_reads(connection: Connection, now: datetime, days: int) -> int:
    """Drop the reads of days that are past, and their ledger.

    Args:
        connection: In autocommit mode.
        now: The store's time.
        days: How long reads are kept.

    Returns:
        How many parts were dropped.
    """
    dropped = 0
    for part in parts(connection):
        if part.end > now - timedelta(days=days):
            break
        if not _has_news(connection, part, days):
            dropped += _drop(connection, part, days)
    if dropped:
        row = connection.execute(_THIN, {"days": max(days, LEDGER_DAYS_MIN)}).fetchone()
        log.info("dropped %d days of reads, and %d batches from the ledger", dropped, row[0] if row else 0)
    return dropped


def drop_visits(connection: Connection, now: datetime, days: int) -> int:
    """Delete visits and trips that began before a day that is past, and the antennas' minutes; rollups of visits stay.

    Args:
        connection: In autocommit mode.
        now: The store's time.
        days: How long visits are kept.

    Returns:
        How many rows were deleted.
    """
    limit = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    with connection.transaction():
        connection.execute("SET LOCAL tagtrail.rollups = 'keep'")
        rows = sum(
            connection.execute(query, [limit]).rowcount
            for query in (
                "DELETE FROM visit WHERE enter < %s",
                "DELETE FROM trip WHERE start < %s",
                "DELETE FROM antenna_1min WHERE time < %s",
            )
        )
        if rows:
            connection.execute(_MOVE, [limit, "visit"])
    if rows:
        log.info("dropped %d visits, trips and antennas' minutes from before %s", rows, limit.date())
    return rows


def _has_news(connection: Connection, part: Part, days: int) -> bool:
    return connection.execute(_ARRIVED, part._asdict() | {"days": days}).fetchone() != (False,)


def _drop(connection: Connection, part: Part, days: int) -> bool:
    is_dropped = False
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}".encode())
            # Who reads a stretch that must be whole holds this row.
            connection.execute(_MOVE, [part.end, "tag_read"])
            connection.execute("LOCK TABLE tag_read IN ACCESS EXCLUSIVE MODE")
            # Only now it is sure that nobody is writing something for this part: who waits for the lock will find it
            # gone, and make it again.
            if _has_news(connection, part, days):
                raise psycopg.Rollback
            drop(connection, part)
            is_dropped = True
    except psycopg.errors.LockNotAvailable:
        log.info("the reads of %s are in use, they are dropped later", part.begin.date())
    if not is_dropped:
        return False
    unanalysed = connection.execute(_UNANALYSED, [part.end, part.begin]).fetchone()
    if unanalysed is not None and unanalysed[0]:
        log.warning(
            "retention dropped the reads of %s before %d batches of them were analysed: does 'tagtrail analyze' run?",
            part.begin.date(), unanalysed[0],
        )  # fmt: skip
    return True
