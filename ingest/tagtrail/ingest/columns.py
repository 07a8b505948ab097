"""Reads of many batches as numpy columns, made and checked for all batches at once. Pure.

What Python does per value is what limits ingest: one conversion and one look per column of some ten thousand reads cost
a fifth of what the same cost batch by batch and value by value.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.reads import RSSI_MAX_DBM, RSSI_MIN_DBM, are_epcs
from tagtrail.hardware.wire import ANTENNA_MAX, COUNT_MAX, check_frame, check_times
from tagtrail.ingest.parsing import BatchArrays, Ints

PORTS: Final = ANTENNA_MAX + 1
CONTENT_BYTES: Final = 16
EPC_BYTES_MAX: Final = 15
"""Most tags have 12."""

EpcKeys = NDArray[np.uint64]


class Antenna(NamedTuple):
    """An antenna by its names."""

    store: str
    reader: str
    port: int


@dataclass(frozen=True, eq=False)
class Columns:
    """Reads of one or more batches, one batch after the other.

    Attributes:
        time: ``datetime64[us]`` UTC per read.
        tags: EPCs; one may be there several times.
        tag_keys: `epc_keys` of them.
        tag: Index into ``tags`` per read.
        antennas: Each once.
        antenna: Index into ``antennas`` per read.
        rssi_dbm: float32 per read; NaN where the reader gave none.
        count: int16 per read.
    """

    time: NDArray[np.datetime64]
    tags: list[str]
    tag_keys: EpcKeys | None
    tag: Ints
    antennas: list[Antenna]
    antenna: Ints
    rssi_dbm: NDArray[np.float32]
    count: NDArray[np.int16]

    def __len__(self) -> int:
        """Number of reads."""
        return len(self.time)

    def of(self, parts: Sequence[slice]) -> "Columns":
        """The reads of some of the batches, and no names but theirs."""
        if sum(part.stop - part.start for part in parts) == len(self):
            return self
        return self.at(np.concatenate([np.arange(part.start, part.stop) for part in parts]))

    def at(self, rows: NDArray[np.integer[Any]]) -> "Columns":
        """Some of the reads, and no names but theirs."""
        tags, tag = np.unique(self.tag[rows], return_inverse=True)
        antennas, antenna = np.unique(self.antenna[rows], return_inverse=True)
        return Columns(
            time=self.time[rows],
            tags=[self.tags[index] for index in tags.tolist()],
            tag_keys=None if self.tag_keys is None else self.tag_keys[tags],
            tag=tag,
            antennas=[self.antennas[index] for index in antennas.tolist()],
            antenna=antenna,
            rssi_dbm=self.rssi_dbm[rows],
            count=self.count[rows],
        )


class Extent(NamedTuple):
    """One batch within `Columns`.

    Attributes:
        rows: Which reads are its.
        reads: Sum of their counts.
        first_us: Time of the earliest, microseconds UTC.
        last_us: Time of the latest.
        content: Hash of all that the agent said about them, to tell a repetition from other reads under the same key.
            What an agent may add when it sends a batch again (``first``, ``shift``, ``clock``) is not in it.
    """

    rows: slice
    reads: int
    first_us: int
    last_us: int
    content: bytes


def epc_keys(epcs: Sequence[str]) -> EpcKeys | None:
    """EPCs as numbers, shape (n, 2), never all zeros; None unless all are of one length that fits."""
    digits = len(epcs[0]) if epcs else 0
    size = digits // 2
    if not 0 < size <= EPC_BYTES_MAX or digits % 2 or set(map(len, epcs)) != {digits}:
        return None
    padded = np.zeros((len(epcs), 16), np.uint8)
    padded[:, 0] = size  # 00 and 0000 are two tags
    padded[:, 16 - size :] = np.frombuffer(bytes.fromhex("".join(epcs)), np.uint8).reshape(-1, size)
    return padded.view(np.uint64)


def whole(columns: Columns, content: bytes) -> Extent:
    """All of some columns as one batch."""
    times_us = columns.time.view(np.int64)
    return Extent(
        rows=slice(0, len(columns)),
        reads=int(columns.count.sum(dtype=np.int64)),
        first_us=int(times_us.min()),
        last_us=int(times_us.max()),
        content=content,
    )


class SuspectError(Exception):
    """At least one of the batches is not as `check_batch` wants it."""


def pack(
    stores: Sequence[str], batches: Sequence[BatchArrays], *, checked: bool = False
) -> tuple[Columns, list[Extent]]:
    """Make columns of batches.

    Args:
        stores: Where each batch comes from.
        batches: At least one.
        checked: They are known to be right.

    Returns:
        The columns, and where in them each batch is.

    Raises:
        SuspectError: `check_batch` refuses at least one of the batches; which, and why, is for that to say.
    """
    try:
        return _pack(stores, batches, checked=checked)
    except (BadData, OverflowError) as error:
        raise SuspectError(str(error)) from None


def _pack(stores: Sequence[str], batches: Sequence[BatchArrays], *, checked: bool) -> tuple[Columns, list[Extent]]:
    epcs = list(chain.from_iterable(batch.tags for batch in batches))
    if not checked:
        for batch in batches:
            check_frame(batch.v, batch.agent, batch.boot, batch.seq, batch.first, batch.sizes)
        _require(are_epcs(epcs))
    zeros = [batch.t0 + batch.shift for batch in batches]
    sizes = np.array([len(batch.tag) for batch in batches])
    starts = np.cumsum(sizes) - sizes
    tag, reader, port, dt, count = (
        np.concatenate(columns)
        for columns in zip(*((batch.tag, batch.reader, batch.antenna, batch.dt, batch.count) for batch in batches),
                           strict=True)
    )  # fmt: skip
    rssi_dbm = np.concatenate([batch.rssi for batch in batches])
    first, last = np.minimum.reduceat(dt, starts).tolist(), np.maximum.reduceat(dt, starts).tolist()
    if not checked:
        for batch, zero, dt_min, dt_max in zip(batches, zeros, first, last, strict=True):
            check_times(zero + dt_min, zero + dt_max, batch.shift)
        _check_index(tag, starts, [len(batch.tags) for batch in batches])
        _check_index(reader, starts, [len(batch.readers) for batch in batches])
        _require(port.min() >= 1 and port.max() <= ANTENNA_MAX)
        _require(count.min() >= 1 and count.max() <= COUNT_MAX)
        _require(not ((rssi_dbm < RSSI_MIN_DBM) | (rssi_dbm > RSSI_MAX_DBM)).any())

    antennas, antenna = _antennas(stores, batches, reader, port, sizes)
    told: tuple[NDArray[Any], ...] = (
        tag.astype(np.uint32), reader.astype(np.uint32), port.astype(np.uint8), dt, rssi_dbm, count.astype(np.int16),
    )  # fmt: skip
    columns = Columns(
        # The sum is right also where an absurd t0 is made good by an equally absurd dt: both wrap around.
        time=(dt + np.repeat(np.array([_wrapped(zero) for zero in zeros], np.int64), sizes)).view("datetime64[us]"),
        tags=epcs,
        tag_keys=epc_keys(epcs),
        tag=tag + _bases([len(batch.tags) for batch in batches], sizes),
        antennas=antennas,
        antenna=antenna,
        rssi_dbm=rssi_dbm.astype(np.float32),
        count=told[-1],
    )
    reads = np.add.reduceat(count, starts).tolist()
    extents = [
        Extent(
            rows=slice(start, start + size),
            reads=reads[index],
            first_us=zeros[index] + first[index],
            last_us=zeros[index] + last[index],
            content=_content(batches[index], [column[start : start + size] for column in told]),
        )
        for index, (start, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True))
    ]
    return columns, extents


def _require(true: object) -> None:
    if not true:
        raise SuspectError


def _wrapped(value: int) -> int:
    """A whole number modulo 2**64, as a signed one."""
    return (value + 2**63) % 2**64 - 2**63


def _check_index(index: Ints, starts: Ints, sizes: list[int]) -> None:
    _require(index.min() >= 0 and bool((np.maximum.reduceat(index, starts) < sizes).all()))


def _bases(dictionaries: list[int], sizes: Ints) -> Ints:
    """Per read, where the dictionary of its batch begins when all of them follow one another."""
    return np.repeat(np.cumsum(dictionaries) - dictionaries, sizes)


def _antennas(
    stores: Sequence[str], batches: Sequence[BatchArrays], reader: Ints, port: Ints, sizes: Ints
) -> tuple[list[Antenna], Ints]:
    numbers: dict[tuple[str, str], int] = {}
    of_batches = [
        numbers.setdefault((store, name), len(numbers))
        for store, batch in zip(stores, batches, strict=True)
        for name in batch.readers
    ]
    of_reads = np.array(of_batches)[reader + _bases([len(batch.readers) for batch in batches], sizes)]
    codes, antenna = _distinct(of_reads * PORTS + port, len(numbers) * PORTS)
    names = list(numbers)
    found = [(*names[code // PORTS], code % PORTS) for code in codes.tolist()]
    return [Antenna(store, name, port) for store, name, port in found], antenna


def _distinct(codes: Ints, end: int) -> tuple[Ints, Ints]:
    """`np.unique` with its inverse, without sorting where the codes are dense."""
    if end > 8 * len(codes) + 2**16:
        return np.unique(codes, return_inverse=True)
    there = np.zeros(end, bool)
    there[codes] = True
    distinct = np.flatnonzero(there)
    rank = np.empty(end, np.int32)
    rank[distinct] = np.arange(len(distinct))
    return distinct, rank[codes]


def _content(batch: BatchArrays, columns: Sequence[NDArray[Any]]) -> bytes:
    head = msgspec.json.encode((batch.t0, batch.tags, batch.readers))
    return hashlib.sha256(b"".join((head, *(column.data for column in columns)))).digest()[:CONTENT_BYTES]
