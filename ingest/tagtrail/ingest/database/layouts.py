"""Versions of the store file. A measure belongs to the version that was valid at its time."""

import hashlib
from datetime import datetime
from typing import NamedTuple

from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.hardware.store import Store, parse_store
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.names import store_names


class Layout(NamedTuple):
    """A version of the store file; valid until the next one of its store."""

    layout_id: int
    valid_from: datetime
    store: Store


def add_layout(connection: Connection, document: str, valid_from: datetime) -> Layout | None:
    """Make a store file valid from a time on.

    Args:
        connection: The version belongs to its transaction.
        document: Text of the store file.
        valid_from: With a time zone.

    Returns:
        The new version; None where the one valid then is the same text.

    Raises:
        StoreFileError: The file has faults.
        GiveUp: Another version is valid from the very same time.
        ValueError: ``valid_from`` has no time zone.
    """
    if valid_from.tzinfo is None:
        raise ValueError(f"valid_from {valid_from.isoformat()} has no time zone")
    store = parse_store(document)
    sha256 = hashlib.sha256(document.encode()).digest()
    store_id = store_names().ids(connection, [store.id])[store.id]
    # The row lock makes two processes with the same new file add it once.
    connection.execute("SELECT FROM store WHERE store_id = %s FOR NO KEY UPDATE", [store_id])
    valid = connection.execute(
        "SELECT sha256, valid_from FROM store_layout WHERE store_id = %s AND valid_from <= %s "
        "ORDER BY valid_from DESC LIMIT 1",
        [store_id, valid_from],
    ).fetchone()
    if valid is not None and bytes(valid[0]) == sha256:
        return None
    if valid is not None and valid[1] == valid_from:
        raise GiveUp(
            f"store {store.id!r} already has another layout valid from {valid_from.isoformat()}: choose another time"
        )
    row = connection.execute(
        "INSERT INTO store_layout (store_id, valid_from, sha256, document) VALUES (%s, %s, %s, %s) RETURNING layout_id",
        [store_id, valid_from, sha256, document],
    ).fetchone()
    assert row is not None
    return Layout(row[0], valid_from, store)


def load_layout(connection: Connection, store: str, at: datetime | None = None) -> Layout:
    """The version that was valid at a time (now if None).

    Raises:
        Retry: There is none yet.
        StoreFileError: This installation cannot read it.
    """
    row = connection.execute(
        "SELECT layout_id, valid_from, document FROM store_layout JOIN store USING (store_id) "
        "WHERE store = %s AND valid_from <= coalesce(%s, now()) ORDER BY valid_from DESC LIMIT 1",
        [store, at],
    ).fetchone()
    if row is None:
        when = "" if at is None else f" that was valid at {at.isoformat()}"
        raise Retry(f"the database has no layout of store {store!r}{when}: add its store file")
    return Layout(row[0], row[1], parse_store(row[2], f"layout {row[0]} of store {store}"))
