"""Antenna health per minute: rows, reads, different tags, mean signal strength.

Recomputed as a whole for the minutes that new batches of the ledger touch, so it does not matter when and how often
reads come. Not within ingest's transactions: see ``docs/decisions``.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from tagtrail.ingest.database.connection import Connection

log = logging.getLogger("tagtrail.ingest")

SLICE: Final = timedelta(hours=1)
"""Minutes that are recomputed in one transaction."""

# A cursor that came with a dump of another cluster may be ahead of all transactions here: begin anew.
_CURSORS = """
    SELECT s.store_id, s.store,
           CASE WHEN c.xid <= pg_snapshot_xmax(pg_current_snapshot()) THEN c.xid::text ELSE '0' END AS begin,
           pg_snapshot_xmin(pg_current_snapshot())::text AS end
    FROM store s LEFT JOIN antenna_cursor c USING (store_id)
"""
_NEWS = """
    SELECT date_trunc('minute', first_time) AS begin, date_trunc('minute', last_time) + INTERVAL '1 minute' AS end,
           sum(rows)::bigint AS rows
    FROM batch
    WHERE store_id = %(store_id)s AND xid >= %(begin)s::text::xid8 AND xid < %(end)s::text::xid8 AND rows > 0
    GROUP BY 1, 2 ORDER BY 1
"""
# Held until the end of the transaction, so that retention drops nothing of the stretch meanwhile.
_HORIZON = """
    SELECT nullif(max(dropped_before), '-infinity') FROM (SELECT dropped_before FROM retention FOR SHARE) held
"""
_FORGET = "DELETE FROM antenna_1min WHERE store_id = %(store_id)s AND time >= %(begin)s AND time < %(end)s"
# Tags are counted in two steps: count(DISTINCT) would sort all reads.
_COUNT = """
    INSERT INTO antenna_1min (time, antenna_id, store_id, rows, reads, tags, rssi_dbm)
    SELECT minute, antenna_id, %(store_id)s, sum(rows), sum(reads), count(*), sum(dbm) / nullif(sum(heard), 0)
    FROM (
        SELECT date_trunc('minute', time) AS minute, antenna_id, tag_id, count(*) AS rows, sum(count) AS reads,
               sum(rssi_dbm::float8) AS dbm, count(rssi_dbm) AS heard
        FROM tag_read
        WHERE store_id = %(store_id)s AND time >= %(begin)s AND time < %(end)s
        GROUP BY 1, 2, 3
    ) tag
    GROUP BY 1, 2
"""
_SAVE = """
    INSERT INTO antenna_cursor (store_id, xid) VALUES (%s, %s::text::xid8)
    ON CONFLICT (store_id) DO UPDATE SET xid = excluded.xid
"""

Span = tuple[datetime, datetime]


def update_antenna_health(connection: Connection) -> int:
    """Bring the minutes of all stores up to date with the ledger.

    Only one process may do this at a time. Interrupted, it goes on where it was.

    Args:
        connection: In autocommit mode.

    Returns:
        How many stretches of up to an hour were recomputed.
    """
    count = 0
    for store_id, store, begin, end in connection.execute(_CURSORS).fetchall():
        if int(end) <= int(begin):
            continue
        news = connection.execute(_NEWS, {"store_id": store_id, "begin": begin, "end": end}).fetchall()
        for span in slices([(first, last) for first, last, _ in news]):
            with connection.transaction():
                count += _recompute(connection, store_id, span)
        if news:
            connection.execute(_SAVE, [store_id, end])
            _tell_late(connection, store, news)
    return count


def slices(spans: list[Span]) -> list[Span]:
    """What the spans cover, in order, joined where they touch and cut to `SLICE`."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    cut = []
    for begin, end in joined:
        while begin < end:
            cut.append((begin, min(begin + SLICE, end)))
            begin += SLICE
    return cut


def _recompute(connection: Connection, store_id: int, span: Span) -> bool:
    horizon = _horizon(connection)
    begin, end = span if horizon is None else (max(span[0], horizon), span[1])
    if begin >= end:
        return False
    values = {"store_id": store_id, "begin": begin, "end": end}
    connection.execute(_FORGET, values)
    connection.execute(_COUNT, values)
    return True


def _horizon(connection: Connection) -> datetime | None:
    row = connection.execute(_HORIZON).fetchone()
    return None if row is None else row[0]


def _tell_late(connection: Connection, store: str, news: Sequence[tuple[datetime, datetime, int]]) -> None:
    horizon = _horizon(connection)
    if horizon is not None and (rows := sum(rows for begin, _, rows in news if begin < horizon)):
        log.warning(
            "store %s: %d reads came for the time before %s, of which retention has dropped the others: they are kept, "
            "but do not change visits and rollups", store, rows, horizon.date(),
        )  # fmt: skip
