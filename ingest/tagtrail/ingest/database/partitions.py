"""Parts of ``tag_read``: partitions on plain PostgreSQL, which are made here; chunks on TimescaleDB, which makes them.

A part is a UTC day. What is older than `DAYS_FROM` can only come from clocks that were not set, or from recordings, and
goes by the year: clocks that show anything make 25 partitions, not thousands.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from tagtrail.ingest.database.connection import Connection

DAY_US: Final = 86_400_000_000
DAYS_FROM: Final = date(2025, 1, 1)
LOCK_KEY: Final = 0x7461_675F_7061_7274  # "tag_part"; one partition is made at a time per database

_EPOCH: Final = date(1970, 1, 1)
_ATTACHED: Final = r"""
    SELECT relname, (bound[1])::timestamptz AS begin, (bound[2])::timestamptz AS end
    FROM (
        SELECT relname, regexp_match(pg_get_expr(relpartbound, c.oid), $$FROM \('(.*)'\) TO \('(.*)'\)$$) AS bound
        FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'tag_read'::regclass
    ) partition
    WHERE bound IS NOT NULL  -- one that is just being dropped has none any more
    ORDER BY 2
"""
_CHUNKS: Final = """
    SELECT chunk_name, range_start, range_end FROM timescaledb_information.chunks
    WHERE hypertable_schema = current_schema() AND hypertable_name = 'tag_read' ORDER BY range_start
"""


class Part(NamedTuple):
    """A partition or a chunk.

    Attributes:
        name: Of the table.
        begin: Its first time.
        end: The first time after it.
    """

    name: str
    begin: datetime
    end: datetime


class Partitions:
    """Makes partitions before they are needed, and remembers which there are."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._native: bool | None = None

    def forget(self) -> None:
        """Look again next time: somebody may have dropped one."""
        self._known.clear()
        self._native = None

    def ensure(self, connection: Connection, days: Iterable[int]) -> None:
        """Make the partitions of these days, in a transaction of its own.

        A partition outlives the flush that needed it, so that flush may roll back, and the locks are held briefly: a
        table is made beside ``tag_read`` and attached, which neither waits for queries nor makes them wait.

        Args:
            connection: Outside of a transaction.
            days: Days since 1970-01-01 UTC.
        """
        missing = sorted(set(days) - self._known)
        if not missing:
            return
        with connection.transaction():
            if self._native is None:
                self._native = is_native(connection)
            if self._native:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
                for day in missing:
                    _make_for(connection, _EPOCH + timedelta(days=day))
        self._known.update(missing)


def is_native(connection: Connection) -> bool:
    """Whether PostgreSQL's own partitioning is used, and not TimescaleDB's."""
    row = connection.execute("SELECT relkind FROM pg_class WHERE oid = 'tag_read'::regclass").fetchone()
    return row == ("p",)


def parts(connection: Connection) -> list[Part]:
    """All parts of ``tag_read``, in order."""
    query = _ATTACHED if is_native(connection) else _CHUNKS
    return [Part(*row) for row in connection.execute(query).fetchall()]


def drop(connection: Connection, part: Part) -> None:
    """Drop a part, in the transaction of ``connection``; everybody who uses ``tag_read`` is waited for."""
    if is_native(connection):
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(part.name)))
    else:
        connection.execute("SELECT drop_chunks('tag_read', older_than => %s, newer_than => %s)", [part.end, part.begin])


def partition_name(day: date) -> str:
    """``tag_read_YYYYMMDD``, or ``tag_read_YYYY`` of days before `DAYS_FROM`."""
    return f"tag_read_{day:%Y%m%d}" if day >= DAYS_FROM else f"tag_read_{day:%Y}"


def _part_of(day: date) -> Part:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if day >= DAYS_FROM:
        return Part(partition_name(day), begin, begin + timedelta(days=1))
    return Part(partition_name(day), begin.replace(month=1, day=1), begin.replace(year=day.year + 1, month=1, day=1))


def _make_for(connection: Connection, day: date) -> None:
    try:
        with connection.transaction():
            _make(connection, _part_of(day))
    except psycopg.errors.InvalidObjectDefinition:
        # An earlier version made a partition per day for all times, and there is one within this year.
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        _make(connection, Part(f"tag_read_{day:%Y%m%d}", begin, begin + timedelta(days=1)))


def _make(connection: Connection, part: Part) -> None:
    name = part.name
    row = connection.execute("SELECT relispartition FROM pg_class WHERE oid = to_regclass(%s)", [name]).fetchone()
    if row == (True,):
        return
    if row is None:
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE tag_read)").format(sql.Identifier(name)))
    connection.execute(
        sql.SQL("ALTER TABLE tag_read ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(name), *(sql.Literal(moment.isoformat()) for moment in (part.begin, part.end))
        )
    )
