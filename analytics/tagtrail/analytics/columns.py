"""Tables of reads, visits and trips: names of their columns, and the check where one enters.

Times are ``datetime64[us, UTC]``. A table that passes its check needs no further one.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.reads import EPC_PATTERN, RSSI_MAX_DBM, RSSI_MIN_DBM
from tagtrail.hardware.store import Store

TIME: Final = "time"
READER: Final = "reader"
ANTENNA: Final = "antenna"
EPC: Final = "epc"
RSSI_DBM: Final = "rssi_dbm"
COUNT: Final = "count"
ZONE: Final = "zone"
ENTER: Final = "enter"
EXIT: Final = "exit"
CONFIDENCE: Final = "confidence"
DWELL_LOW_S: Final = "dwell_low_s"
DWELL_HIGH_S: Final = "dwell_high_s"
CENSORED: Final = "censored"
TRIP: Final = "trip"
START: Final = "start"
END: Final = "end"
ZONES: Final = "zones"

FLOOR: Final = "floor"
X_M: Final = "x_m"
Y_M: Final = "y_m"

TIME_TYPE: Final = pd.DatetimeTZDtype("us", "UTC")

ANTENNA_MAX: Final = 255
COUNT_MAX: Final = 32_767
"""The wire's limits (`wire.check_batch`)."""

READS: Final = (TIME, READER, ANTENNA, EPC, RSSI_DBM, COUNT)
POINTS: Final = (EPC, TIME, FLOOR, X_M, Y_M)
VISITS: Final = (EPC, ZONE, ENTER, EXIT, CONFIDENCE)
DOUBTS: Final = (DWELL_LOW_S, DWELL_HIGH_S, CENSORED)
"""What not every estimator says of a visit: the 90 % interval of its dwell, and whether silence cut it off."""
TRIPS: Final = (EPC, TRIP, START, END, ZONES)

_KINDS: Final[Mapping[str, str]] = {
    TIME: "time", READER: "text", ANTENNA: "whole", EPC: "text", RSSI_DBM: "number", COUNT: "whole",
    ZONE: "text", ENTER: "time", EXIT: "time", CONFIDENCE: "number", TRIP: "whole", START: "time", END: "time",
    FLOOR: "text", X_M: "number", Y_M: "number",
}  # fmt: skip
_EXPECTED: Final = {
    "time": "times with a time zone",
    "text": "text",
    "whole": "whole numbers",
    "number": "numbers",
}


def validate_reads(frame: pd.DataFrame, source: str = "reads") -> pd.DataFrame:
    """The reads in the order and types of `READS`; ``count`` is 1 where the table has no such column.

    Text columns become categories (a store-day holds few different readers and tags). The input is not changed.

    Raises:
        FaultsError: Columns are missing or of the wrong kind, values are missing (only ``rssi_dbm`` may be), or values
            cannot be.
    """
    if COUNT not in frame:
        frame = frame.assign(**{COUNT: 1})
    _check(frame, READS, source, may_be_missing=(RSSI_DBM,))
    _check_ranges(frame, source)
    return pd.DataFrame(
        {
            TIME: _utc(frame[TIME]),
            READER: frame[READER].astype("category"),
            ANTENNA: frame[ANTENNA].astype("int32"),
            EPC: frame[EPC].astype("category"),
            RSSI_DBM: frame[RSSI_DBM].astype("float32"),
            COUNT: frame[COUNT].astype("int32"),
        }
    ).reset_index(drop=True)


def validate_visits(frame: pd.DataFrame, source: str = "visits") -> pd.DataFrame:
    """The columns ``epc, zone, enter, exit``, sorted by tag and time; visits from elsewhere may lack the others.

    Raises:
        FaultsError: Columns are missing or of the wrong kind, a value is missing, or a visit ends before it begins.
    """
    _check(frame, (EPC, ZONE, ENTER, EXIT), source)
    checked = pd.DataFrame(
        {
            EPC: frame[EPC].astype("str"),
            ZONE: frame[ZONE].astype("str"),
            ENTER: _utc(frame[ENTER]),
            EXIT: _utc(frame[EXIT]),
        }
    )
    backward = (checked[EXIT] < checked[ENTER]).to_numpy()
    if backward.any():
        raise FaultsError(source, [f"row {int(backward.argmax()) + 1}: the visit ends before it begins"])
    return checked.sort_values([EPC, ENTER, EXIT, ZONE], kind="stable", ignore_index=True)


def validate_points(frame: pd.DataFrame, store: Store, source: str = "points") -> pd.DataFrame:
    """The columns of `POINTS`: where tags were in the seconds that begin at the times.

    Raises:
        FaultsError: Columns are missing or of the wrong kind, a value is missing, or a point lies on no floor.
    """
    _check(frame, POINTS, source)
    points = frame[list(POINTS)].assign(**{TIME: _utc(frame[TIME])}).reset_index(drop=True)
    sizes = {floor.id: (floor.width_m, floor.depth_m) for floor in store.floor}
    for row, (floor, x_m, y_m) in enumerate(zip(points[FLOOR], points[X_M], points[Y_M], strict=True), 1):
        if floor not in sizes:
            raise FaultsError(source, [f"row {row}: there is no floor {floor!r} in store {store.store.id}"])
        width_m, depth_m = sizes[floor]
        if not (0 <= x_m <= width_m and 0 <= y_m <= depth_m):
            raise FaultsError(source, [f"row {row}: ({x_m:g}, {y_m:g}) lies outside floor {floor!r}"])
    return points


def empty_reads() -> pd.DataFrame:
    """A table of reads without rows."""
    frame = pd.DataFrame(columns=list(READS), dtype="str")
    types = {ANTENNA: "int32", COUNT: "int32", RSSI_DBM: "float32"}
    return validate_reads(frame.astype({TIME: TIME_TYPE, **types}))


def epc_ranks(epcs: "pd.Series[str]") -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """The different EPCs of checked reads in alphabetic order, and the place of each read's EPC among them."""
    names = epcs.cat.categories.to_numpy(dtype=np.object_)
    order = np.argsort(names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return names[order], rank[epcs.cat.codes.to_numpy()]


def us_of_times(times: "pd.Series[pd.Timestamp]") -> npt.NDArray[np.int64]:
    """Microseconds since 1970 UTC of times of `TIME_TYPE`."""
    return times.to_numpy(dtype="datetime64[us]").astype(np.int64)


def times_of_us(time_us: npt.NDArray[np.int64]) -> pd.DatetimeIndex:
    """Times of `TIME_TYPE` from microseconds since 1970 UTC."""
    return pd.DatetimeIndex(time_us.astype("datetime64[us]")).tz_localize("UTC")


def _utc(times: "pd.Series[pd.Timestamp]") -> "pd.Series[pd.Timestamp]":
    return times.dt.tz_convert("UTC").astype(TIME_TYPE)


def _check(frame: pd.DataFrame, names: tuple[str, ...], source: str, may_be_missing: tuple[str, ...] = ()) -> None:
    present = ", ".join(map(str, frame.columns)) or "none"
    missing = [name for name in names if name not in frame]
    if missing:
        raise FaultsError(source, [f"column {name!r} is missing (columns: {present})" for name in missing])
    faults = []
    for name in names:
        column, kind = frame[name], _KINDS[name]
        if not _is_kind(column, kind):
            naive = kind == "time" and pd.api.types.is_datetime64_dtype(column.dtype)
            found = "times without a time zone" if naive else str(column.dtype)
            faults.append(f"column {name!r}: {_EXPECTED[kind]} expected, found {found}")
        elif name not in may_be_missing and (holes := column.isna().to_numpy()).any():
            faults.append(f"column {name!r}, row {int(holes.argmax()) + 1}: the value is missing")
    if faults:
        raise FaultsError(source, faults)


def _check_ranges(reads: pd.DataFrame, source: str) -> None:
    """Refuse what the wire refuses, too."""
    epcs = reads[EPC].astype("category")
    wrong = [not EPC_PATTERN.fullmatch(epc) for epc in epcs.cat.categories]
    faults = []
    if any(wrong):
        row = int(np.array(wrong)[epcs.cat.codes].argmax())
        faults.append(f"column {EPC!r}, row {row + 1}: {epcs.iloc[row]!r} is not 4 to 128 upper-case hex digits")
    limits = ((ANTENNA, 1, ANTENNA_MAX), (COUNT, 1, COUNT_MAX), (RSSI_DBM, RSSI_MIN_DBM, RSSI_MAX_DBM))
    for name, low, high in limits:
        outside = ((reads[name] < low) | (reads[name] > high)).to_numpy(dtype=np.bool_, na_value=False)
        if outside.any():
            row = int(outside.argmax())
            faults.append(f"column {name!r}, row {row + 1}: {reads[name].iloc[row]}; {low:g} to {high:g} allowed")
    if faults:
        raise FaultsError(source, faults)


def _is_kind(column: "pd.Series[str]", kind: str) -> bool:
    types = pd.api.types
    if kind == "time":
        return isinstance(column.dtype, pd.DatetimeTZDtype)
    if kind == "whole":
        return types.is_integer_dtype(column.dtype)
    if kind == "number":
        return types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
    dtype = column.dtype.categories.dtype if isinstance(column.dtype, pd.CategoricalDtype) else column.dtype
    return types.is_string_dtype(dtype) or (types.is_object_dtype(dtype) and column.empty)
