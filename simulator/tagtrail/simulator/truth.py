"""What really happened in a simulated store, and the reads of a simulation into files; all as Parquet.

Rows are written as they come, so that a long simulation needs no more memory than a short one. Files appear under
their names when they are complete.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagtrail.hardware.store import Store
from tagtrail.simulator.world import Crowd, ZoneMap

TIME: Final = pa.timestamp("us", tz="UTC")
TEXT: Final = pa.string()


def schema(**columns: pa.DataType) -> pa.Schema:
    """The columns of a file, in their order."""
    return pa.schema(list(columns.items()))


TRUTH_SCHEMA: Final = schema(time=TIME, epc=TEXT, floor=TEXT, x_m=pa.float32(), y_m=pa.float32(), zone=TEXT)
VISITS_SCHEMA: Final = schema(epc=TEXT, zone=TEXT, enter=TIME, exit=TIME)
READS_SCHEMA: Final = schema(time=TIME, reader=TEXT, antenna=pa.int16(), epc=TEXT, rssi_dbm=pa.float32())
ROWS_PER_GROUP: Final = 200_000


class Table:
    """A Parquet file in the making: columns come in pieces, the file is renamed to its name when it is complete."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._schema = schema
        self._writer = pq.ParquetWriter(self._part, schema, compression="zstd")
        self._columns: list[list[object]] = [[] for _ in schema]

    def append(self, *columns: Sequence[object]) -> None:
        """Add rows, given column by column in the order of the schema."""
        for kept, column in zip(self._columns, columns, strict=True):
            kept.extend(column)
        self.rows += len(columns[0])
        if len(self._columns[0]) >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        arrays = [pa.array(column, field.type) for column, field in zip(self._columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._columns = [[] for _ in self._schema]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()
        if kind is None:
            self._part.replace(self._path)


class Truth:
    """Writes ``truth.parquet`` (a row per person and second) and ``visits_truth.parquet`` (stays in zones).

    A stay begins with the first second at which a person is in a zone and ends with the first at which not any more.
    Who is in a zone at the end of the simulation has stayed until then.
    """

    def __init__(self, out: Path, store: Store) -> None:
        self._zones: list[str | None] = [*ZoneMap(store).ids, None]  # index -1 is no zone
        self._floors = [floor.id for floor in store.floor]
        self._files = ExitStack()
        self._seconds = self._files.enter_context(Table(out / "truth.parquet", TRUTH_SCHEMA))
        self._visits = self._files.enter_context(Table(out / "visits_truth.parquet", VISITS_SCHEMA))
        self._staying: dict[str, tuple[int, int]] = {}  # EPC → zone, since when

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def second(self, time_us: int, crowd: Crowd, epcs: Sequence[str]) -> None:
        """Note where everybody is; ``epcs`` in the order of the crowd."""
        zones = crowd.zone.tolist()
        self._seconds.append(
            [time_us] * len(epcs),
            epcs,
            [self._floors[floor] for floor in crowd.floor.tolist()],
            np.round(crowd.x_m, 3).tolist(),
            np.round(crowd.y_m, 3).tolist(),
            [self._zones[zone] for zone in zones],
        )
        now = {epc: zone for epc, zone in zip(epcs, zones, strict=True) if zone != ZoneMap.NONE}
        for epc, (zone, _) in list(self._staying.items()):
            if now.get(epc) != zone:
                self._leave(epc, time_us)
        for epc, zone in now.items():
            self._staying.setdefault(epc, (zone, time_us))

    def end(self, time_us: int) -> None:
        """End the stays of those who are still there."""
        for epc in list(self._staying):
            self._leave(epc, time_us)

    def _leave(self, epc: str, time_us: int) -> None:
        zone, enter_us = self._staying.pop(epc)
        self._visits.append([epc], [self._zones[zone]], [enter_us], [time_us])


class ReaderCount(msgspec.Struct, frozen=True):
    """Reads of one reader."""

    reads_sent: int
    reads_dropped: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What ``summary.json`` says. It is written last, so that who finds it finds all.

    Attributes:
        reads_sent: Tag frames whose last byte the serial line took.
        reads_dropped_by_reader: Tag frames that did not fit the reader's buffer, because the host did not read.
        reads_crowded_out: Reads that did not happen because the reader was at what its line can carry.
    """

    store: str
    start: str
    end: str
    reads_sent: int
    reads_dropped_by_reader: int = 0
    reads_crowded_out: int = 0
    readers: dict[str, ReaderCount] = {}
    seed: int | None = None
    shoppers: int | None = None

    def write(self, out: Path) -> None:
        """Write ``summary.json`` into a folder, in one piece or not at all."""
        part = out / "summary.json.part"
        part.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        part.replace(out / "summary.json")


def begin(out: Path) -> None:
    """Make the folder, and take away the summary of an earlier run: it would speak of files that are written anew."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").unlink(missing_ok=True)


def iso(time_us: int) -> str:
    """A time as ISO 8601 in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).isoformat()
