"""Small numbers for names: ids of stores, antennas and tags.

Several processes may meet a new name at once; each gets the one id that the database gave it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from psycopg import sql

from tagtrail.ingest.database.connection import Connection

K = TypeVar("K", str, tuple[int, str, int])

STORES_CACHED: Final = 10_000
ANTENNAS_CACHED: Final = 100_000
TAGS_CACHED: Final = 200_000
"""About 200 bytes each."""


class Names(Generic[K]):
    """The ids of one table, with those used last in memory.

    The memory has two generations: what is used moves to the young one, and when that is full, the old one is dropped.
    That is four times as fast as moving each name to the end of a list.

    Ids met in a transaction are remembered when `commit` says that it was committed: the id of a name that was rolled
    back may be given to another one.

    Args:
        table: The table.
        id_column: Its id.
        columns: Columns that make up a name, with their types; a name of one column is its value, else a tuple.
        capacity: At least as many of the names used last are remembered, and at most twice as many.
    """

    def __init__(self, table: str, id_column: str, columns: Mapping[str, str], capacity: int) -> None:
        self._capacity = capacity
        self._single = len(columns) == 1
        self._young: dict[K, int] = {}
        self._old: dict[K, int] = {}
        self._met: dict[K, int] = {}
        parts = {
            "table": sql.Identifier(table),
            "id": sql.Identifier(id_column),
            "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
            "arrays": sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.SQL(kind)) for kind in columns.values()),
        }
        self._find = sql.SQL(
            "SELECT {columns}, {id} FROM {table} JOIN unnest({arrays}) AS wanted ({columns}) USING ({columns})"
        ).format(**parts)
        self._add = sql.SQL(
            "INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) "
            "ON CONFLICT DO NOTHING RETURNING {columns}, {id}"
        ).format(**parts)

    def ids(self, connection: Connection, names: Iterable[K]) -> dict[K, int]:
        """The ids of these names, new ones added within the transaction of ``connection``."""
        known: dict[K, int] = {}
        missing: list[K] = []
        for name in set(names):
            found = self._young.get(name)
            if found is None:
                found = self._recall(name)
            if found is None:
                missing.append(name)
            else:
                known[name] = found
        if missing:
            added = self._ask(connection, missing)
            self._met.update(added)
            known.update(added)
        return known

    def column(self, connection: Connection, names: Sequence[K]) -> list[int]:
        """As `ids`, one after the other: for many names, most of them known and some there several times."""
        found = list(map(self._young.get, names))
        if None not in found:
            return [number for number in found if number is not None]
        known = self.ids(connection, {name for name, number in zip(names, found, strict=True) if number is None})
        return [known[name] if number is None else number for name, number in zip(names, found, strict=True)]

    def commit(self) -> None:
        """The transaction was committed: remember what it met."""
        self._young.update(self._met)
        self._met.clear()
        if len(self._young) > self._capacity:
            self._old, self._young = self._young, {}

    def rollback(self) -> None:
        """The transaction came to nothing, or perhaps did: forget what it met."""
        self._met.clear()

    def forget(self) -> None:
        """Ask the database again for everything."""
        for part in (self._met, self._young, self._old):
            part.clear()

    def _recall(self, name: K) -> int | None:
        if (found := self._old.get(name)) is not None:
            self._young[name] = found
            return found
        return self._met.get(name)

    def _ask(self, connection: Connection, missing: list[K]) -> dict[K, int]:
        # Look first: an INSERT that meets a conflict still uses up an id, and those of stores are small.
        # Sorted: two processes that add the same names wait for each other instead of deadlocking.
        found: dict[K, int] = {}
        for query in (self._find, self._add, self._find):
            wanted = sorted(set(missing) - found.keys())
            if not wanted:
                break
            rows = connection.execute(query, self._arrays(wanted)).fetchall()
            found.update({row[0] if self._single else row[:-1]: row[-1] for row in rows})
        return found

    def _arrays(self, names: list[K]) -> list[list[Any]]:
        return [list(names)] if self._single else [list(column) for column in zip(*names, strict=True)]


def store_names() -> Names[str]:
    """Ids of stores by the id of the store file."""
    return Names("store", "store_id", {"store": "text"}, STORES_CACHED)


def antenna_names() -> Names[tuple[int, str, int]]:
    """Ids of antennas by store_id, reader and port."""
    return Names(
        "antenna", "antenna_id", {"store_id": "smallint", "reader": "text", "port": "smallint"}, ANTENNAS_CACHED
    )


def tag_names() -> Names[str]:
    """Ids of tags by EPC."""
    return Names("tag", "tag_id", {"epc": "text"}, TAGS_CACHED)
