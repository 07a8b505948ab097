"""The bound of the quarantine: a sender gone mad must not fill the database's disk.

The oldest messages give way first. Of each, topic, reason, size, hash and the beginning stay: its trace. Only where the
traces alone are too many, the oldest of them become one entry per reason, which has their number and sizes.
"""

from collections import Counter
from typing import Any, Final, NamedTuple

from psycopg import sql

from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.quarantine import size_bytes

HEAD: Final = 256
"""Bytes that are kept of a message that was cut."""
FORGOTTEN: Final = "(forgotten)"
"""The topic of entries that stand for many; no message can have it."""
TARGET: Final = 0.75
"""Share of the limit that is kept: cutting leaves gaps that are only filled again little by little."""

# Bytes of a row on the disk, at most: its texts, which the index of topics has too, the rest of the row, two indexes.
_WORDS: Final = {"head": sql.Literal(HEAD), "row": sql.Literal(300), "forgotten": sql.Literal(FORGOTTEN)}
_WEIGHED: Final = sql.SQL("""
    SELECT quarantine_id,
           -- What was cut takes more than its bytes on the disk, and there is nothing left of it to cut.
           CASE WHEN octet_length(payload) <= {head} THEN 0
                ELSE greatest(pg_column_size(payload) - {head}, 0) END AS more,
           {row} + 2 * octet_length(topic) + octet_length(message) + least(pg_column_size(payload), {head}) AS trace,
           topic <> {forgotten} AS is_message
    FROM quarantine
""").format(**_WORDS)
_WEIGH: Final = sql.SQL("""
    SELECT coalesce(sum(more), 0)::bigint, coalesce(sum(trace), 0)::bigint FROM ({weighed}) weighed
""").format(weighed=_WEIGHED)

# Whoever holds a row now, ingest or a retry, is not waited for, as they might wait for us: next time is early enough.
_CUT: Final = sql.SQL("""
    WITH newest AS (
        SELECT quarantine_id, more, sum(more) OVER (ORDER BY quarantine_id DESC) AS sum FROM ({weighed}) weighed
    ), old AS (
        SELECT quarantine_id FROM quarantine JOIN newest USING (quarantine_id) WHERE more > 0 AND newest.sum > %s
        FOR UPDATE OF quarantine SKIP LOCKED
    )
    UPDATE quarantine SET payload = substring(payload FROM 1 FOR {head})
    FROM old WHERE quarantine.quarantine_id = old.quarantine_id
    RETURNING reason
""").format(weighed=_WEIGHED, **_WORDS)
_FORGET: Final = sql.SQL("""
    WITH newest AS (
        SELECT quarantine_id, sum(trace) OVER (ORDER BY quarantine_id DESC) AS sum
        FROM ({weighed}) weighed WHERE is_message
    ), old AS (
        SELECT quarantine_id FROM quarantine JOIN newest USING (quarantine_id) WHERE newest.sum > %s
        FOR UPDATE OF quarantine SKIP LOCKED
    ), gone AS (
        DELETE FROM quarantine USING old WHERE quarantine.quarantine_id = old.quarantine_id RETURNING quarantine.*
    ), kept AS (
        INSERT INTO quarantine (topic, reason, message, sha256, payload, size, times, received_at, last_at, heard_at)
        SELECT {forgotten}, reason, 'messages of which only their number is kept: the quarantine was full',
               sha256(convert_to(reason, 'UTF8')), '', sum(size), least(sum(times), 2147483647),
               min(received_at), max(last_at), min(heard_at)
        FROM gone GROUP BY reason
        ON CONFLICT (topic, sha256) DO UPDATE
        SET times = least(quarantine.times::bigint + excluded.times, 2147483647),
            size = quarantine.size + excluded.size, last_at = greatest(quarantine.last_at, excluded.last_at)
    )
    SELECT reason FROM gone
""").format(weighed=_WEIGHED, **_WORDS)


class Shed(NamedTuple):
    """What had to give way, in messages by reason.

    Attributes:
        cut: Only their trace is kept.
        forgotten: Only their number is kept.
    """

    cut: Counter[str]
    forgotten: Counter[str]


class QuarantineLimit:
    """Keeps the quarantine to a size on the disk.

    Args:
        limit_bytes: The size. It is passed by as much as comes between two calls of `keep`.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._settled = 0
        """Size on the disk after the last look: what is not larger has room in the gaps."""

    def keep(self, connection: Connection) -> Shed:
        """Cut the oldest messages, where the limit is passed.

        Args:
            connection: In autocommit mode, of the owner of the table: what became free is swept for the next messages.

        Raises:
            psycopg.Error: The database failed.
        """
        shed = Shed(Counter(), Counter())
        if size_bytes(connection) <= max(self._limit, self._settled):
            return shed
        target = int(self._limit * TARGET)
        more, traces = _row(connection, _WEIGH)
        if more + traces > target:
            shed.cut.update(_reasons(connection, _CUT, max(0, target - traces)))
            more, traces = _row(connection, _WEIGH)
            if traces > target:
                shed.forgotten.update(_reasons(connection, _FORGET, target))
        connection.execute("VACUUM quarantine")
        self._settled = size_bytes(connection)
        return shed


def _row(connection: Connection, query: sql.Composed) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def _reasons(connection: Connection, query: sql.Composed, keep_bytes: int) -> list[str]:
    return [reason for (reason,) in connection.execute(query, [keep_bytes]).fetchall()]
