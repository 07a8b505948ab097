"""A batch of reads as arrays, from its JSON. Pure.

simdjson writes the numbers of a column where numpy finds them, without an object for each: half the time of a typed
decoder, and no conversion after it. It takes more than our format allows, so whatever looks the least unusual is left
to `parse_batch`, which alone says what is wrong with a message. The same goes for machines without simdjson.
"""

import struct
import threading
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagtrail.hardware.wire import ReadBatch

simdjson: Final = import_module("simdjson") if find_spec("simdjson") else None  # not for every Python
Ints = NDArray[np.integer[Any]]

_INTS: Final = ("tag", "reader", "antenna", "dt", "count")
_COLUMNS: Final = frozenset({*_INTS, "rssi", "tags", "readers"})
_TEXTS: Final = ("agent", "boot", "clock")
_NUMBERS: Final = ("v", "seq", "t0", "first", "shift")
_KNOWN: Final = _COLUMNS | {*_TEXTS, *_NUMBERS}


class _Kept(threading.local):
    """A parser per thread: what it writes into costs more to get anew than to fill."""

    def __init__(self) -> None:
        self.parser: Any = simdjson.Parser() if simdjson is not None else None


_kept: Final = _Kept()


@dataclass(frozen=True, slots=True, eq=False)
class BatchArrays:
    """`ReadBatch` with arrays for columns; see there for the fields."""

    v: int
    agent: str
    boot: str
    seq: int
    t0: int
    tags: list[str]
    readers: list[str]
    tag: Ints
    reader: Ints
    antenna: Ints
    dt: Ints
    rssi: NDArray[np.float64]
    count: Ints
    first: int = 1
    shift: int = 0
    clock: str = ""

    @property
    def sizes(self) -> list[int]:
        """How many values each column has."""
        return [len(column) for column in (self.tag, self.reader, self.antenna, self.dt, self.rssi, self.count)]


def parse_fast(payload: bytes) -> BatchArrays | None:
    """Read a batch without looking at its values; None where it needs a closer look."""
    # simdjson flattens lists of lists and skips a byte order mark.
    if simdjson is None or payload[:1] != b"{" or payload.count(b"[") != len(_COLUMNS):
        return None
    try:
        # It refuses while anything of the document before is still in use: `_read` keeps nothing of it.
        return _read(_kept.parser.parse(payload))
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError):
        return None


def _read(document: Any) -> BatchArrays | None:  # noqa: ANN401 - simdjson has no types
    keys = list(document.keys())
    if len(set(keys)) != len(keys) or not _KNOWN.issuperset(keys):
        return None  # of equal keys the last one counts, and simdjson gives the first
    head = {key: document[key] for key in keys if key not in _COLUMNS}
    if any(type(head[key]) is not int for key in _NUMBERS if key in head):
        return None
    texts = [head[key] for key in _TEXTS if key in head]
    dictionaries = [document["tags"], document["readers"]]
    if not all(hasattr(dictionary, "as_buffer") for dictionary in dictionaries):
        return None  # of an object, list() gives the keys, of a text the letters
    names = [list(dictionary) for dictionary in dictionaries]
    if any(type(text) is not str for text in (*texts, *names[1])) or set(map(type, names[0])) - {str}:
        return None
    columns = {key: np.frombuffer(document[key].as_buffer(of_type="i"), np.int64) for key in _INTS}
    fields = {**head, **columns, "tags": names[0], "readers": names[1], "rssi": _floats(document["rssi"])}
    return BatchArrays(**fields)


def _floats(column: Any) -> NDArray[np.float64]:  # noqa: ANN401
    try:
        return np.frombuffer(column.as_buffer(of_type="d"), np.float64)
    except TypeError:
        values = list(column)  # null, where a reader gives no signal strength
        if set(map(type, values)) - {int, float, type(None)}:
            raise
        return np.array(values, np.float64)


def as_arrays(batch: ReadBatch) -> BatchArrays:
    """The same reads as arrays.

    Raises:
        OverflowError: A value does not fit 64 bits, so `check_batch` refuses it.
    """
    t0, dt = batch.t0, batch.dt
    if t0 and any(not -(2**63) <= value < 2**63 for value in dt):
        t0, dt = 0, [t0 + value for value in dt]  # an absurd t0 that an equally absurd dt makes good
    return BatchArrays(
        v=batch.v,
        agent=batch.agent,
        boot=batch.boot,
        seq=batch.seq,
        t0=t0,
        tags=batch.tags,
        readers=batch.readers,
        tag=_ints(batch.tag),
        reader=_ints(batch.reader),
        antenna=_ints(batch.antenna),
        dt=_ints(dt),
        rssi=np.array(batch.rssi, np.float64),  # None becomes NaN
        count=_ints(batch.count),
        first=batch.first,
        shift=batch.shift,
        clock=batch.clock,
    )


def _ints(values: list[int]) -> Ints:
    try:
        return np.frombuffer(struct.pack(f"{len(values)}q", *values), np.int64)
    except struct.error as error:
        raise OverflowError(str(error)) from None
