"""Tables from files, with their columns checked."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from tagtrail.hardware.errors import FaultsError
from tagtrail.simulator.geometry import Floats, Ints

TIME: Final = "times with a time zone"
TEXT: Final = "text"
WHOLE: Final = "whole numbers"
NUMBER: Final = "numbers"
TEXTS: Final = "lists of text"

Kinds = Mapping[str, str]
Column: TypeAlias = "pa.ChunkedArray[Any]"


def read_table(path: Path, kinds: Kinds, optional: Kinds | None = None, *, may_miss: Sequence[str] = ()) -> pa.Table:
    """Some columns of a ``.parquet`` or ``.csv`` file.

    Args:
        path: The file.
        kinds: The columns that it must have, and what they hold.
        optional: Columns that it may have; values may be missing.
        may_miss: Columns of ``kinds`` in which values may be missing.

    Raises:
        FaultsError: The file cannot be read, or holds something else; with the column and row (rows count from 1,
            without the header).
    """
    everything = {**kinds, **(optional or {})}
    try:
        table = _read_csv(path, everything) if path.suffix == ".csv" else _read_parquet(path, everything)
    except FileNotFoundError:
        raise FaultsError(str(path), ["there is no such file"]) from None
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FaultsError(str(path), [f"cannot be read: {str(error).partition(chr(10))[0]}"]) from None
    found = [name for name in everything if name in table.column_names]
    faults = [
        f"column {name!r} is missing (columns: {', '.join(table.column_names) or 'none'})"
        for name in kinds
        if name not in found
    ]
    faults += [fault for name in found if (fault := _type_fault(name, everything[name], table.schema.field(name).type))]
    faults = faults or [
        f"column {name!r}, row {pc.index(pc.is_null(table[name]), True).as_py() + 1}: the value is missing"
        for name in kinds
        if name not in may_miss and table[name].null_count
    ]
    if faults:
        raise FaultsError(str(path), faults)
    return table.select(found)


def check_order(path: Path, table: pa.Table, first: str, second: str) -> None:
    """Refuse a table in which something is over before it begins.

    Raises:
        FaultsError: With the row.
    """
    backward = us(table[second]) < us(table[first])
    if backward.any():
        row = int(backward.argmax()) + 1
        raise FaultsError(str(path), [f"row {row}: {second!r} is before {first!r}"])


def us(column: Column) -> Ints:
    """Microseconds since 1970 UTC; times have a zone, so they are UTC within."""
    return np.asarray(column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).to_numpy(), dtype=np.int64)


def optional_seconds(column: Column) -> Floats:
    """Seconds, since 1970 UTC where they are times; NaN where there is no value."""
    if pa.types.is_timestamp(column.type):
        micros = column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).cast(pa.float64(), safe=False)
        return np.asarray(micros.to_numpy(), dtype=np.float64) / 1e6
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def codes(column: Column, names: Sequence[str]) -> Ints:
    """Index of each text in a list of names, -1 where it is not in it."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    index = pc.index_in(column, value_set=pa.array(names, pa.string()), skip_nulls=True)
    return np.asarray(index.fill_null(-1).to_numpy(), dtype=np.int64)


def texts(column: Column) -> list[str]:
    """The different texts of a column, in the order in which they come; missing ones are none."""
    return [str(text) for text in pc.unique(column).to_pylist() if text is not None]


def iso(time_us: int) -> str:
    """A time as ISO 8601 in UTC, to the second."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).isoformat(timespec="seconds")


def _read_parquet(path: Path, kinds: Kinds) -> pa.Table:
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    table = file.read(columns=[name for name in kinds if name in names])
    if len(table.column_names) < len(names):  # for the message: what else is there
        return table if all(name in names for name in kinds) else file.read()
    return table


def _read_csv(path: Path, kinds: Kinds) -> pa.Table:
    types = {TIME: pa.timestamp("us", "UTC"), TEXT: pa.string(), WHOLE: pa.int64(), NUMBER: pa.float64()}
    options = pa_csv.ConvertOptions(
        column_types={name: types[kind] for name, kind in kinds.items() if kind in types},
        null_values=[""],
        strings_can_be_null=True,
    )
    return pa_csv.read_csv(path, convert_options=options)


def _type_fault(name: str, kind: str, found: pa.DataType) -> str | None:
    kept = found.value_type if pa.types.is_dictionary(found) else found
    good = {
        TIME: pa.types.is_timestamp(kept) and kept.tz is not None,
        TEXT: pa.types.is_string(kept) or pa.types.is_large_string(kept) or pa.types.is_null(kept),
        WHOLE: pa.types.is_integer(kept),
        NUMBER: pa.types.is_integer(kept) or pa.types.is_floating(kept),
        TEXTS: pa.types.is_list(kept) and pa.types.is_string(kept.value_type),
    }[kind]
    if good:
        return None
    if kind == TIME and pa.types.is_timestamp(kept):
        return f"column {name!r}: the times have no time zone; write them with one, e.g. as UTC"
    return f"column {name!r}: {kind} expected, found {found}"
