"""What analytics asks the database and writes into it. Times are microseconds since 1970 UTC."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString, NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from tagtrail.analytics.placement import Layout
from tagtrail.hardware.clock import utc_us
from tagtrail.hardware.store import parse_store
from tagtrail.ingest.database.connection import Connection

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_POSTGRES_EPOCH_US: Final = utc_us(datetime(2000, 1, 1, tzinfo=UTC))
_LOCK_CLASS: Final = 0x7461_6E61  # "tana"; with the store's id it makes the key of an advisory lock

ROW: Final = np.dtype([("time_us", "i8"), ("tag_id", "i8"), ("antenna_id", "i4"), ("rssi_dbm", "f4"), ("count", "i2")])
"""A read as the live loop holds it; ``rssi_dbm`` is NaN where unknown."""
Rows = npt.NDArray[np.void]

PIECE_US: Final = 600_000_000
"""Reads come ten minutes at a time, which bounds the memory that the server needs to put them into arrays."""
_ARRAY_HEADER: Final = 20
"""Bytes before the elements of a one-dimensional array in binary form: dimensions, flags, type, size, lower bound."""


class Cursor(NamedTuple):
    """How far a store was analysed.

    Attributes:
        xid: All batches of lower transactions are done.
        reads_to_us: Newest read so far.
        layout_id: Newest layout that was there at the last update.
    """

    xid: int
    reads_to_us: int | None
    layout_id: int


class News(NamedTuple):
    """What the ledger has got since a cursor.

    Attributes:
        xid: The cursor after these batches.
        ranges_us: First and last read of the batches; of those that begin in the same minute, together.
    """

    xid: int
    ranges_us: list[tuple[int, int]]


class VisitRow(NamedTuple):
    """A row of ``visit``, without store and tag."""

    trip: int
    zone: str
    enter_us: int
    exit_us: int
    confidence: float
    open: bool


class TripRow(NamedTuple):
    """A row of ``trip``, without store and tag."""

    trip: int
    end_us: int
    zones: tuple[str, ...]
    open: bool


Span = tuple[int, int]


class Change(NamedTuple):
    """New rows of one tag.

    Attributes:
        tag_id: The tag.
        visits_us: Visits that begin within this span, ends included, are replaced; None: no visit changes.
        visits: By these.
        trips_us: Trips that start within this span, ends included, are replaced; None: no trip changes.
        trips: By these.
    """

    tag_id: int
    visits_us: Span | None
    visits: Sequence[VisitRow]
    trips_us: Span | None
    trips: Sequence[TripRow]


def load_stores(connection: Connection) -> dict[str, int]:
    """Ids of the stores by name."""
    return dict(connection.execute("SELECT store, store_id FROM store ORDER BY store").fetchall())


def lock_store(connection: Connection, store_id: int) -> bool:
    """Be the only one who analyses a store, as long as the connection lives."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_CLASS, store_id]).fetchone()
    return row == (True,)


def load_layouts(connection: Connection, store_id: int) -> dict[int, Layout]:
    """All versions of a store's layout, by layout_id.

    Raises:
        StoreFileError: This installation cannot read one.
    """
    rows = connection.execute(
        "SELECT layout_id, valid_from, document FROM store_layout WHERE store_id = %s ORDER BY layout_id", [store_id]
    )
    return {
        layout_id: Layout(utc_us(valid_from), parse_store(document, f"layout {layout_id}"))
        for layout_id, valid_from, document in rows
    }


def newest_layout(connection: Connection, store_id: int) -> int:
    """The highest layout_id of a store; 0 if it has no layout."""
    row = connection.execute("SELECT max(layout_id) FROM store_layout WHERE store_id = %s", [store_id]).fetchone()
    return (row and row[0]) or 0


def first_read_us(connection: Connection, store_id: int) -> int | None:
    """Time of the oldest read that ever came; None: there was none."""
    row = connection.execute("SELECT min(first_time) FROM batch WHERE store_id = %s", [store_id]).fetchone()
    return None if row is None or row[0] is None else utc_us(row[0])


def hold_horizon(connection: Connection) -> int | None:
    """The time before which retention has dropped reads or visits; it drops no more until the transaction ends."""
    row = connection.execute(
        "SELECT nullif(max(dropped_before), '-infinity') FROM (SELECT dropped_before FROM retention FOR SHARE) held"
    ).fetchone()
    return None if row is None or row[0] is None else utc_us(row[0])


def load_antennas(connection: Connection, store_id: int) -> dict[int, tuple[str, int]]:
    """Reader and port by antenna_id."""
    rows = connection.execute("SELECT antenna_id, reader, port FROM antenna WHERE store_id = %s", [store_id])
    return {antenna_id: (reader, port) for antenna_id, reader, port in rows}


def load_epcs(connection: Connection, tag_ids: Sequence[int]) -> dict[int, str]:
    """EPC by tag_id."""
    rows = connection.execute(
        "SELECT tag_id, epc FROM tag JOIN unnest(%s::bigint[]) AS wanted (tag_id) USING (tag_id)", [list(tag_ids)]
    )
    return dict(rows.fetchall())


def load_ledger(connection: Connection, store_id: int, from_us: int, to_us: int) -> tuple[int, int]:
    """Batches with reads between two times, both included: how many, and the newest one's transaction (0: none).

    Where neither has changed, no read has come.
    """
    row = connection.execute(
        "SELECT count(*), coalesce(max(xid), '0')::text FROM batch"
        " WHERE store_id = %s AND first_time <= %s AND last_time >= %s",
        [store_id, moment(to_us), moment(from_us)],
    ).fetchone()
    assert row is not None
    return row[0], int(row[1])


def reads_dropped_before_us(connection: Connection) -> int | None:
    """The time before which retention has dropped reads; None: it has dropped none."""
    row = connection.execute(
        "SELECT nullif(dropped_before, '-infinity') FROM retention WHERE what = 'tag_read'"
    ).fetchone()
    return None if row is None or row[0] is None else utc_us(row[0])


def load_cursor(connection: Connection, store_id: int) -> Cursor | None:
    """How far the store was analysed; None: not at all.

    A layout from the minute before the last update may have been committed after it, and is not counted as known.
    """
    row = connection.execute(
        "SELECT xid::text, reads_to, (SELECT coalesce(max(layout_id), 0) FROM store_layout l WHERE"
        " l.store_id = c.store_id AND loaded_at < updated_at - interval '1 minute')"
        " FROM analysis_cursor c WHERE store_id = %s",
        [store_id],
    ).fetchone()
    return None if row is None else Cursor(int(row[0]), None if row[1] is None else utc_us(row[1]), row[2])


def save_cursor(connection: Connection, store_id: int, xid: int, reads_to_us: int | None) -> None:
    """Note how far the store was analysed."""
    connection.execute(
        "INSERT INTO analysis_cursor (store_id, xid, reads_to) VALUES (%s, %s::text::xid8, %s) ON CONFLICT (store_id)"
        " DO UPDATE SET xid = excluded.xid, reads_to = excluded.reads_to, updated_at = now()",
        [store_id, str(xid), None if reads_to_us is None else moment(reads_to_us)],
    )


def restamp_ledger(connection: Connection, store_id: int) -> bool:
    """Make a ledger that came with a dump of another cluster one of this cluster, to be analysed from its begin.

    There the ids of transactions may have been higher. The loop would not see such a batch, and behind such a cursor no
    new one, until the ids of this cluster get there.

    Args:
        connection: In a transaction.
        store_id: The store.

    Returns:
        Whether there was a batch or a cursor of a transaction that this cluster has yet to begin.
    """
    ahead = connection.execute(
        "SELECT FROM batch WHERE store_id = %(store)s AND xid >= pg_snapshot_xmax(pg_current_snapshot())"
        " UNION ALL SELECT FROM analysis_cursor"
        " WHERE store_id = %(store)s AND xid > pg_snapshot_xmax(pg_current_snapshot()) LIMIT 1",
        {"store": store_id},
    ).fetchone()
    if ahead is None:
        return False
    connection.execute(
        "UPDATE batch SET xid = pg_current_xact_id()"
        " WHERE store_id = %s AND xid >= pg_snapshot_xmax(pg_current_snapshot())",
        [store_id],
    )
    connection.execute("UPDATE analysis_cursor SET xid = '0' WHERE store_id = %s", [store_id])
    return True


def load_news(connection: Connection, store_id: int, xid: int, limit: int) -> News:
    """About ``limit`` batches of the ledger from ``xid`` on, of transactions that nobody older can still join."""
    row = connection.execute(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, (SELECT xid::text FROM batch WHERE store_id = %(store)s"
        " AND xid > %(xid)s::text::xid8 ORDER BY batch.xid OFFSET %(limit)s LIMIT 1)",
        {"store": store_id, "xid": str(xid), "limit": limit},
    ).fetchone()
    assert row is not None
    end = min(int(bound) for bound in row if bound is not None)
    ranges = connection.execute(
        "SELECT min(first_time), max(last_time) FROM batch WHERE store_id = %s AND xid >= %s::text::xid8"
        " AND xid < %s::text::xid8 AND first_time IS NOT NULL GROUP BY date_trunc('minute', first_time)",
        [store_id, str(xid), str(end)],
    ).fetchall()
    return News(max(xid, end), [(utc_us(first), utc_us(last)) for first, last in ranges])


def load_ranges_after(connection: Connection, store_id: int, time_us: int | None) -> list[tuple[int, int]]:
    """What the batches below the cursor have of the time after ``time_us``, or of all time, as in `News`."""
    ranges = connection.execute(
        "SELECT greatest(min(first_time), %(begin)s), max(last_time) FROM batch JOIN analysis_cursor c USING (store_id)"
        " WHERE store_id = %(store)s AND batch.xid < c.xid AND last_time > coalesce(%(begin)s, '-infinity')"
        " GROUP BY date_trunc('minute', first_time)",
        {"store": store_id, "begin": None if time_us is None else moment(time_us)},
    ).fetchall()
    return [(utc_us(first), utc_us(last)) for first, last in ranges]


def load_reads(
    connection: Connection, store_id: int, from_us: int, to_us: int, tag_ids: Sequence[int] | None = None
) -> Rows:
    """Reads between two times, both included, of all tags or some; sorted by tag and time."""
    # A join and not "= ANY": the server looks the tag up in a hash table, instead of in the list from its begin.
    wanted = "" if tag_ids is None else "JOIN unnest(%(tags)s::bigint[]) AS wanted (tag_id) USING (tag_id)"
    query = sql.SQL(
        "SELECT count(*), array_agg(time), array_agg(tag_id), array_agg(antenna_id),"
        " array_agg(coalesce(rssi_dbm, 'NaN')), array_agg(count) FROM tag_read {}"
        " WHERE store_id = %(store)s AND time BETWEEN %(begin)s AND %(end)s"
    ).format(sql.SQL(wanted))
    values: dict[str, object] = {"store": store_id, "tags": None if tag_ids is None else list(tag_ids)}
    pieces = [np.empty(0, dtype=ROW)]
    with connection.cursor(binary=True) as cursor:
        for begin_us in range(from_us, to_us + 1, PIECE_US):
            end_us = min(begin_us + PIECE_US - 1, to_us)
            cursor.execute(query, values | {"begin": moment(begin_us), "end": moment(end_us)})
            pieces.append(_rows_of_arrays(cursor))
    rows = np.concatenate(pieces)
    return rows[np.lexsort((rows["time_us"], rows["tag_id"]))]


def _rows_of_arrays(cursor: psycopg.Cursor[TupleRow]) -> Rows:
    """Rows from a result of a count and an array per column: 46 bytes a read, and no Python object per read."""
    result = cursor.pgresult
    assert result is not None
    values = [result.get_value(0, column) or b"" for column in range(1 + len(ROW.names or ()))]
    rows = np.empty(int.from_bytes(values[0], "big"), dtype=ROW)
    for name, value in zip(ROW.names or (), values[1:], strict=True):
        kind = ROW[name].newbyteorder(">")
        elements = np.frombuffer(value[_ARRAY_HEADER:], dtype=[("length", ">i4"), ("value", kind)])
        rows[name] = elements["value"]
    rows["time_us"] += _POSTGRES_EPOCH_US
    return rows


# Most of what changes is that a visit goes on: that is an update in place, which touches no index. One statement each:
# the triggers of the rollups take a statement for what it did to the table as a whole.
_NEW_VISITS: Final = "CREATE TEMPORARY TABLE IF NOT EXISTS new_visit (LIKE visit) ON COMMIT DELETE ROWS"
_DELETE_VISITS: Final = """
    DELETE FROM visit USING unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS span (tag, low, high)
    WHERE store_id = %s AND tag_id = tag AND enter BETWEEN low AND high
      AND NOT EXISTS (SELECT FROM pg_temp.new_visit n WHERE n.tag_id = visit.tag_id AND n.enter = visit.enter)
"""
_UPDATE_VISITS: Final = """
    UPDATE visit v SET trip = n.trip, zone = n.zone, exit = n.exit, confidence = n.confidence, open = n.open
    FROM pg_temp.new_visit n
    WHERE (v.store_id, v.tag_id, v.enter) = (n.store_id, n.tag_id, n.enter) AND v IS DISTINCT FROM n
"""
_INSERT_VISITS: Final = """
    INSERT INTO visit (store_id, tag_id, trip, zone, enter, exit, confidence, open)
    SELECT store_id, tag_id, trip, zone, enter, exit, confidence, open FROM pg_temp.new_visit n
    WHERE NOT EXISTS (
        SELECT FROM visit v WHERE (v.store_id, v.tag_id, v.enter) = (n.store_id, n.tag_id, n.enter)
    )
"""


def write_changes(connection: Connection, store_id: int, changes: Sequence[Change]) -> None:
    """Replace visits and trips, within the transaction of ``connection``."""
    if spans := [(change.tag_id, *change.visits_us) for change in changes if change.visits_us is not None]:
        connection.execute(_NEW_VISITS)
        _copy(
            connection,
            "COPY pg_temp.new_visit (store_id, tag_id, trip, zone, enter, exit, confidence, open) FROM STDIN",
            (
                (store_id, tag, v.trip, v.zone, moment(v.enter_us), moment(v.exit_us), v.confidence, v.open)
                for tag, _, visits, _, _ in changes
                for v in visits
            ),
        )
        tags, begins, ends = zip(*spans, strict=True)
        connection.execute(_DELETE_VISITS, [list(tags), [*map(moment, begins)], [*map(moment, ends)], store_id])
        connection.execute(_UPDATE_VISITS)
        connection.execute(_INSERT_VISITS)
    if spans := [(change.tag_id, *change.trips_us) for change in changes if change.trips_us is not None]:
        connection.execute(
            "DELETE FROM trip USING unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS gone (tag, low, high)"
            " WHERE store_id = %s AND tag_id = tag AND trip BETWEEN low AND high",
            [*map(list, zip(*spans, strict=True)), store_id],
        )
        _copy(
            connection,
            'COPY trip (store_id, tag_id, trip, start, "end", zones, open) FROM STDIN',
            (
                (store_id, tag, t.trip, moment(t.trip), moment(t.end_us), list(t.zones), t.open)
                for tag, _, _, _, trips in changes
                for t in trips
            ),
        )


def _copy(connection: Connection, query: LiteralString, rows: Iterable[tuple[object, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for row in rows:
            copy.write_row(row)


def close_before(connection: Connection, store_id: int, time_us: int) -> None:
    """Close visits and trips that ended before a time: those that a process left open when it was stopped."""
    for query in (
        "UPDATE visit SET open = false WHERE store_id = %s AND open AND exit < %s",
        'UPDATE trip SET open = false WHERE store_id = %s AND open AND "end" < %s',
    ):
        connection.execute(query, [store_id, moment(time_us)])


def moment(time_us: int) -> datetime:
    """The exact ``datetime`` of microseconds since 1970 UTC."""
    return EPOCH + timedelta(microseconds=time_us)
