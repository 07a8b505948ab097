"""Messages that cannot be read, kept for a person with the reason."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.intake import Rejected
from tagtrail.ingest.ledger import utc
from tagtrail.ingest.oversize import measure

TEXT_MAX: Final = 1_000

_KEEP = """
INSERT INTO quarantine (topic, reason, message, sha256, payload, size, heard_at)
VALUES (%s, %s, %s, %s, %s, %s, coalesce(%s, now()))
ON CONFLICT (topic, sha256) DO UPDATE
SET times = quarantine.times + 1, last_at = now(), reason = excluded.reason, message = excluded.message
"""
_COLUMNS = "quarantine_id, topic, reason, message, times, received_at, last_at, heard_at, size, octet_length(payload)"
_CHOSEN = """
FROM quarantine
WHERE (%(ids)s::bigint[] IS NULL OR quarantine_id = ANY (%(ids)s))
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(since)s::timestamptz IS NULL OR last_at >= %(since)s)
  AND (%(store)s::text IS NULL OR
       %(store)s = split_part(topic, '/', CASE WHEN starts_with(topic, 'tagtrail/vendor/') THEN 4 ELSE 3 END))
"""


class Choice(NamedTuple):
    """Which entries are meant; None does not narrow it.

    Attributes:
        ids: Numbers of entries.
        reason: Why they are there.
        store: Id of the store in the topic.
        since: They came, perhaps again, at or after this time.
    """

    ids: Sequence[int] | None = None
    reason: str | None = None
    store: str | None = None
    since: datetime | None = None


class Entry(NamedTuple):
    """A message in the quarantine, without its payload.

    Attributes:
        id: Its number.
        topic: Where it came from.
        reason: Short, stable name of what is wrong.
        explanation: For a person.
        times: How often it came.
        first: When it came first, by the database's clock.
        last: When it came last.
        heard: When it came first, in the store's time.
        size: Bytes as it came.
        kept: Bytes that are kept.
    """

    id: int
    topic: str
    reason: str
    explanation: str
    times: int
    first: datetime
    last: datetime
    heard: datetime
    size: int
    kept: int

    @property
    def whole(self) -> bool:
        """Whether all of it is kept."""
        return self.kept == self.size


class Tally(NamedTuple):
    """How much there is of one reason."""

    reason: str
    messages: int
    times: int
    last: datetime
    size: int


def keep(connection: Connection, items: Iterable[Rejected]) -> None:
    """Put messages into the quarantine; one that is there already is counted."""
    rows = sorted((_row(item) for item in items), key=lambda row: (row[0], row[3]))
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_KEEP, rows)


def entries(connection: Connection, choice: Choice, limit: int | None = None) -> list[Entry]:
    """Entries, those that came last first."""
    query = f"SELECT {_COLUMNS} {_CHOSEN} ORDER BY last_at DESC, quarantine_id DESC LIMIT %(limit)s"
    rows = connection.execute(query.encode(), {**choice._asdict(), "limit": limit}).fetchall()
    return [Entry(*row) for row in rows]


def tallies(connection: Connection, choice: Choice) -> list[Tally]:
    """Per reason, what there is of it; the most frequent first."""
    query = (
        f"SELECT reason, count(*), sum(times)::bigint, max(last_at), sum(size)::bigint {_CHOSEN} "
        "GROUP BY reason ORDER BY 2 DESC, 1"
    )
    return [Tally(*row) for row in connection.execute(query.encode(), choice._asdict()).fetchall()]


def payload(connection: Connection, entry_id: int) -> bytes:
    """What is kept of a message."""
    row = connection.execute("SELECT payload FROM quarantine WHERE quarantine_id = %s", [entry_id]).fetchone()
    return b"" if row is None else bytes(row[0])


def drop(connection: Connection, entry_id: int) -> bool:
    """Delete an entry for good; False where it was not there."""
    return connection.execute("DELETE FROM quarantine WHERE quarantine_id = %s", [entry_id]).rowcount == 1


def _row(item: Rejected) -> tuple[str, str, str, bytes, bytes, int, datetime | None]:
    original = item.original or measure(item.message.payload)
    return (
        storable(item.message.topic),
        item.reason,
        storable(item.explanation),
        original.sha256,
        item.message.payload,
        original.size,
        utc(item.message.received_us) if item.message.received_us else None,
    )


def storable(text: str) -> str:
    """A text column takes neither NUL nor half a surrogate pair, and an index no long one."""
    return text[:TEXT_MAX].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
