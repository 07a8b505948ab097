"""Daily partitions of ``tag_read`` on plain PostgreSQL; TimescaleDB makes its chunks itself."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from psycopg import sql

from tagtrail.ingest.database.connection import Connection

DAY_US: Final = 86_400_000_000
LOCK_KEY: Final = 0x7461_675F_7061_7274  # "tag_part"; one partition is made at a time per database

_EPOCH: Final = date(1970, 1, 1)


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
                row = connection.execute("SELECT relkind FROM pg_class WHERE oid = 'tag_read'::regclass").fetchone()
                self._native = row == ("p",)
            if self._native:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
                for day in missing:
                    _make(connection, _EPOCH + timedelta(days=day))
        self._known.update(missing)


def partition_name(day: date) -> str:
    """``tag_read_YYYYMMDD``."""
    return f"tag_read_{day:%Y%m%d}"


def _make(connection: Connection, day: date) -> None:
    name = sql.Identifier(partition_name(day))
    row = connection.execute(
        "SELECT relispartition FROM pg_class WHERE oid = to_regclass(%s)", [partition_name(day)]
    ).fetchone()
    if row == (True,):
        return
    if row is None:
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE tag_read)").format(name))
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    bounds = [sql.Literal(moment.isoformat()) for moment in (begin, begin + timedelta(days=1))]
    connection.execute(
        sql.SQL("ALTER TABLE tag_read ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(name, *bounds)
    )
