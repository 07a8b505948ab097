"""Reads from files, visits and trips into files (Parquet or CSV, by the ending)."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from tagtrail.analytics.columns import (
    ANTENNA,
    COUNT,
    DOUBTS,
    EPC,
    FLOOR,
    READER,
    READS,
    RSSI_DBM,
    TIME,
    TIME_TYPE,
    TRIPS,
    VISITS,
    empty_reads,
    validate_points,
    validate_reads,
)
from tagtrail.analytics.known_tags import KnownTags, parse_known_tags
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Store
from tagtrail.hardware.whole_file import whole_file

_ZONED: Final = re.compile(r"(?:Z|[+-]\d\d:?\d\d)\s*$", re.IGNORECASE)


def read_reads(path: Path) -> pd.DataFrame:
    """The checked reads of a ``.parquet`` or ``.csv`` file; a file without rows gives none.

    Columns are ``time`` (with a time zone), ``reader``, ``antenna``, ``epc``, ``rssi_dbm`` and optionally ``count``;
    others are left alone. In CSV, times are ISO 8601 and an empty ``rssi_dbm`` is unknown.

    Raises:
        FaultsError: The file is not there, cannot be read, or holds something else; with the column and row (rows
            count from 1, without the header).
    """
    return validate_reads(_read(path, {".parquet": _read_parquet, ".csv": _read_csv}), str(path))


def read_points(path: Path, store: Store) -> pd.DataFrame:
    """Where tags were: the checked ``epc, time, floor, x_m, y_m`` of a ``.parquet`` or ``.csv`` file.

    Raises:
        FaultsError: As `read_reads`, or a point lies on no floor of the store.
    """
    return validate_points(_read(path, {".parquet": pd.read_parquet, ".csv": _read_points_csv}), store, str(path))


def read_known_tags(path: Path) -> KnownTags:
    """The list of known tags in a ``.csv`` file; see `parse_known_tags`.

    Raises:
        FaultsError: The file is not there, cannot be read, or has faults, with their lines.
    """
    try:
        return parse_known_tags(path.read_text(encoding="utf-8-sig"), str(path))
    except FileNotFoundError:
        raise FaultsError(str(path), ["there is no such file"]) from None
    except OSError as error:
        raise FaultsError(str(path), [f"cannot be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise FaultsError(str(path), ["is no text; write a .csv file with the columns epc,kind"]) from None


def _read(path: Path, readers: Mapping[str, Callable[[Path], pd.DataFrame]]) -> pd.DataFrame:
    if path.suffix not in readers:
        raise FaultsError(str(path), [f"expected a file that ends in {' or '.join(readers)}"])
    try:
        return readers[path.suffix](path)
    except FileNotFoundError:
        raise FaultsError(str(path), ["there is no such file"]) from None
    except FaultsError:
        raise
    except (OSError, ValueError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise FaultsError(str(path), [f"cannot be read: {str(error).partition(chr(10))[0]}"]) from None


def _read_points_csv(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, dtype={EPC: str, FLOOR: str})
    faults: list[str] = []
    if TIME in frame:
        frame[TIME] = _times(frame[TIME].astype(str), faults)
    if faults:
        raise FaultsError(str(path), faults)
    return frame


def write_visits(visits: pd.DataFrame, path: Path) -> None:
    """``epc, zone, enter, exit, confidence``, and of each dwell an interval and whether it is cut off, where known."""
    write_table(visits[[*VISITS, *(name for name in DOUBTS if name in visits)]], path)


def write_trips(trips: pd.DataFrame, path: Path) -> None:
    """``epc, trip, start, end, zones``."""
    write_table(trips[list(TRIPS)], path)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table; the file appears when it is complete.

    Raises:
        FaultsError: The folder cannot be written.
    """
    with whole_file(path) as part:
        if path.suffix == ".csv":
            table.to_csv(part, index=False)
        else:
            pq.write_table(pa.Table.from_pandas(table, preserve_index=False), part, compression="zstd")


def _read_parquet(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        present = pq.read_schema(file)
        # Dictionaries: a store-day holds millions of reads of a few thousand tags.
        names = [name for name in READS if name in present.names]
        table = pq.read_table(file, columns=names, read_dictionary=[n for n in (READER, EPC) if n in names])
    return table.to_pandas()


def _read_csv(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        header = file.readline().decode("utf-8-sig").strip().split(",")
        if not file.read(1):  # pyarrow takes a header without rows for a fault
            return empty_reads()
        file.seek(0)
        # As text, so that a fault can be told with its row; thanks to the dictionary few different texts are checked.
        types = {name: pa.dictionary(pa.int32(), pa.string()) for name in READS if name != TIME} | {TIME: pa.string()}
        table = pa_csv.read_csv(
            file,
            convert_options=pa_csv.ConvertOptions(
                column_types=types,
                include_columns=[name for name in READS if name in header],
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    frame = table.to_pandas()
    faults: list[str] = []
    if TIME in frame:
        frame[TIME] = _times(frame[TIME], faults)
    for name in (ANTENNA, RSSI_DBM, COUNT):
        if name in frame:
            frame[name] = _numbers(frame[name], faults, whole=name != RSSI_DBM)
    if faults:
        raise FaultsError(str(path), faults)
    return frame


def _times(texts: "pd.Series[str]", faults: list[str]) -> "pd.Series[pd.Timestamp]":
    given = texts.notna()
    naive = given & ~texts.str.contains(_ZONED, na=True)
    if naive.any():
        row = int(naive.to_numpy().argmax())
        faults.append(f"column {TIME!r}, row {row + 1}: {texts.iloc[row]!r} has no time zone; add Z or +HH:MM")
    times = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    wrong = given & times.isna()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        faults.append(f"column {TIME!r}, row {row + 1}: {texts.iloc[row]!r} is not an ISO 8601 time")
    return times.astype(TIME_TYPE)


def _numbers(texts: "pd.Series[str]", faults: list[str], *, whole: bool) -> "pd.Series[Any]":
    numbers = pd.to_numeric(texts.cat.categories.to_series(), errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~np.isfinite(numbers) | (whole & (np.rint(numbers) != numbers))
    codes = texts.cat.codes.to_numpy()
    if wrong.any():
        row = int((wrong[codes] & (codes >= 0)).argmax())
        kind = "a whole number" if whole else "a number"
        faults.append(f"column {texts.name!r}, row {row + 1}: {texts.iloc[row]!r} is not {kind}")
    column = np.append(numbers, np.nan)[codes]  # code -1, a missing value, takes the last
    series = pd.Series(column, index=texts.index)
    return series.astype("Int64") if whole and not wrong.any() else series  # Int64 can hold a missing value
