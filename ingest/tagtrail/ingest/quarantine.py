"""Messages that cannot be read, kept for a person with the reason."""

import hashlib
from collections.abc import Iterable
from typing import Final

from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.intake import Rejected

PAYLOAD_MAX: Final = 4 * 1024 * 1024
"""Above the largest batch that any agent sends; what is longer is cut, and its message says so."""
TEXT_MAX: Final = 1_000

_KEEP = """
INSERT INTO quarantine (topic, reason, message, sha256, payload) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (topic, sha256) DO UPDATE
SET times = quarantine.times + 1, last_at = now(), reason = excluded.reason, message = excluded.message
"""


def keep(connection: Connection, items: Iterable[Rejected]) -> None:
    """Put messages into the quarantine; one that is there already is counted."""
    rows = sorted(_row(item) for item in items)
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_KEEP, rows)


def _row(item: Rejected) -> tuple[str, str, str, bytes, bytes]:
    payload, explanation = item.message.payload, item.explanation
    if len(payload) > PAYLOAD_MAX:
        explanation = f"{explanation} (the first {PAYLOAD_MAX} of {len(payload)} bytes are kept)"
    return (
        _storable(item.message.topic),
        item.reason,
        _storable(explanation),
        hashlib.sha256(payload).digest(),
        payload[:PAYLOAD_MAX],
    )


def _storable(text: str) -> str:
    """A text column takes neither NUL nor half a surrogate pair, and an index no long one."""
    return text[:TEXT_MAX].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
