"""Numpy columns into a table by one binary COPY: the client's share is 0.1 µs a row, a tenth of the server's.

Format: PostgreSQL manual, COPY, "Binary Format".
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from tagtrail.ingest.database.connection import Connection

Column = NDArray[Any]

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01 UTC, where timestamptz counts from


class Copier:
    """Appends rows to a table.

    Keeps the memory in which it encodes them, as much as the most rows at once took: fresh memory costs several times
    what the encoding costs.

    Args:
        table: The table.
        columns: Names of its columns.
    """

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self._query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        self._kept: dict[tuple[str | None, ...], Column] = {}

    def copy(self, connection: Connection, columns: Sequence[Column]) -> None:
        """Append rows.

        ``int16``, ``int32``, ``int64``, ``float32``, ``float64`` become smallint, integer, bigint, real, double
        precision; ``datetime64[us]`` (UTC) becomes timestamptz. NaN and NaT become NULL; rows with NULLs come last.

        Args:
            connection: The rows belong to its transaction.
            columns: In the order of the names, all of one length.

        Raises:
            TypeError: A column of another type.
        """
        values = [_wire(column) for column in columns]
        nulls = [np.isnan(column) if column.dtype.kind in "fM" else None for column in columns]
        with connection.cursor() as cursor, cursor.copy(self._query) as copy:
            copy.write(_HEADER)
            for rows in self._blocks(values, nulls):
                copy.write(rows)
            copy.write(_TRAILER)

    def _blocks(self, values: Sequence[Column], nulls: Sequence[Column | None]) -> Iterator[memoryview]:
        count = len(values[0])
        if not any(null is not None and null.any() for null in nulls):
            yield self._rows(values, count)
            return
        # Which columns are NULL, as a bit mask per row: a NULL has no bytes, so the rows of each mask have one width.
        masks = np.zeros(count, np.int64)
        for bit, null in enumerate(nulls):
            if null is not None:
                masks |= null.astype(np.int64) << bit
        for mask in np.unique(masks).tolist():
            chosen = masks == mask
            fields = [None if mask >> bit & 1 else value[chosen] for bit, value in enumerate(values)]
            yield self._rows(fields, int(np.count_nonzero(chosen)))

    def _rows(self, values: Sequence[Column | None], count: int) -> memoryview:
        """Rows of one width; good until the next call."""
        layout = tuple(None if value is None else value.dtype.str for value in values)
        rows = self._kept.get(layout)
        if rows is None or len(rows) < count:
            rows = self._kept[layout] = _blank(layout, count)
        rows = rows[:count]
        for index, value in enumerate(values):
            if value is not None:
                rows[f"value{index}"] = value
        return rows.view(np.uint8).data


def _blank(layout: Sequence[str | None], count: int) -> Column:
    """Rows with all but their values."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for index, kind in enumerate(layout):
        fields.append((f"length{index}", ">i4"))
        if kind is not None:
            fields.append((f"value{index}", np.dtype(kind).newbyteorder(">").str))
    rows = np.empty(count, dtype=fields)
    rows["fields"] = len(layout)
    for index, kind in enumerate(layout):
        rows[f"length{index}"] = -1 if kind is None else np.dtype(kind).itemsize
    return rows


def _wire(column: Column) -> Column:
    """What goes over the wire: times as microseconds since 2000."""
    if column.dtype.kind == "M":
        if column.dtype != np.dtype("datetime64[us]"):
            raise TypeError(f"a time column of {column.dtype}, expected datetime64[us]")
        return column.view(np.int64) - _POSTGRES_EPOCH_US
    if column.dtype.kind not in "if" or column.dtype.itemsize not in (2, 4, 8):
        raise TypeError(f"COPY of {column.dtype} is not supported")
    return column
