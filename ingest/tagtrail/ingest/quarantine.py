"""Messages that cannot be read, kept for a person with the reason."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.intake import Rejected
from tagtrail.ingest.ledger import utc
from tagtrail.ingest.oversize import Original, measure

TEXT_MAX: Final = 1_000
"""Bytes: an entry of an index takes 2,704."""
REFUSED: Final = "refused-by-quarantine"
"""The reason of what only `trace` could keep."""

# What `tagtrail.hardware.wire.with_first` appends changes each time a batch is sent, and says nothing about its reads.
_SENDING: Final = re.compile(rb',"first":\d+(?:,"shift":-?\d+,"clock":"[a-z]*")?\}\Z')
_SENDING_MAX: Final = 200
"""Bytes."""

# Of a batch that came several times, the last copy is kept: its agent may know its clock by then.
_KEEP = """
INSERT INTO quarantine (topic, reason, message, sha256, payload, size, heard_at)
VALUES (%s, %s, %s, %s, %s, %s, coalesce(%s, now()))
ON CONFLICT (topic, sha256) DO UPDATE
SET times = quarantine.times + 1, last_at = now(), reason = excluded.reason, message = excluded.message,
    payload = CASE WHEN quarantine.payload = excluded.payload THEN quarantine.payload ELSE excluded.payload END,
    size = excluded.size
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


def size_bytes(connection: Connection) -> int:
    """What the quarantine takes of the disk."""
    row = connection.execute("SELECT pg_total_relation_size('quarantine')").fetchone()
    assert row is not None
    return int(row[0])


def drop(connection: Connection, entry_id: int) -> bool:
    """Delete an entry for good; False where it was not there."""
    return connection.execute("DELETE FROM quarantine WHERE quarantine_id = %s", [entry_id]).rowcount == 1


def trace(item: Rejected, explanation: str) -> Rejected:
    """The least that can be kept of a message that the quarantine itself refuses: hashes, and why."""
    original = item.original or _identity(item.message.payload)
    topic = "sha256:" + hashlib.sha256(item.message.topic.encode("utf-8", "replace")).hexdigest()
    words = explanation.encode("ascii", "backslashreplace").decode()
    return Rejected(item.message._replace(topic=topic, payload=b""), REFUSED, words, original=original)


def _identity(payload: bytes) -> Original:
    """Size and hash; the hash is the same for a batch however often it is sent."""
    end = _SENDING.search(payload, max(0, len(payload) - _SENDING_MAX))
    return Original(len(payload), measure(payload[: end.start()] if end else payload).sha256)


def _row(item: Rejected) -> tuple[str, str, str, bytes, bytes, int, datetime | None]:
    original = item.original or _identity(item.message.payload)
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
    """A text column takes neither NUL nor half a surrogate pair, and an index no long one.

    What is cut ends in a hash of the whole, so that different texts stay apart.
    """
    whole = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    if len(whole) <= TEXT_MAX:
        return whole.decode()
    end = "… sha256:" + hashlib.sha256(whole).hexdigest()
    return whole[: TEXT_MAX - len(end.encode())].decode("utf-8", "ignore") + end
