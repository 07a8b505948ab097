"""What really happened in a simulated store, as Parquet files.

Rows are written as they come, so that a long simulation needs no more memory than a short one. Files appear under
their names when they are complete. Everything is columns: no loop runs over rows.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Store
from tagtrail.simulator.disk import Room, RoomyFile, writing
from tagtrail.simulator.geometry import Ints
from tagtrail.simulator.people.purchases import Purchase
from tagtrail.simulator.presence import CYCLE_US, CYCLES_PER_SECOND, Body, Presence

TIME: Final = pa.timestamp("us", tz="UTC")
TEXT: Final = pa.string()
SECOND_US: Final = 1_000_000
Column: TypeAlias = "pa.Array[Any]"


def schema(**columns: pa.DataType) -> pa.Schema:
    """The columns of a file, in their order."""
    return pa.schema(list(columns.items()))


TRUTH_SCHEMA: Final = schema(
    time=TIME, person=pa.int32(), epc=TEXT, floor=TEXT, x_m=pa.float32(), y_m=pa.float32(), zone=TEXT
)
VISITS_SCHEMA: Final = schema(person=pa.int32(), epc=TEXT, kind=TEXT, zone=TEXT, enter=TIME, exit=TIME)
PEOPLE_SCHEMA: Final = schema(
    person=pa.int32(), kind=TEXT, errand=TEXT, group=pa.int32(), member=TEXT, epcs=pa.list_(TEXT), enter=TIME, exit=TIME
)
PURCHASES_SCHEMA: Final = schema(time=TIME, person=pa.int32(), epc=TEXT, counter=TEXT, till=TEXT, amount=pa.float64())
READS_SCHEMA: Final = schema(time=TIME, reader=TEXT, antenna=pa.int16(), epc=TEXT, rssi_dbm=pa.float32())
TABLES: Final = ("truth", "visits_truth", "people", "purchases", "reads")
ROWS_PER_GROUP: Final = 200_000


class Table:
    """A Parquet file in the making: columns come in pieces, the file is renamed to its name when it is complete.

    Where the disk is full, what is begun is written into the space that ``room`` has kept; see `Room`.

    Raises:
        FaultsError: It cannot be written; every method raises it.
    """

    def __init__(self, path: Path, schema: pa.Schema, room: Room | None = None) -> None:
        self.rows = 0
        self._path, self._part = path, path.with_name(path.name + ".part")
        self._schema = schema
        with writing(path.parent):
            self._file = RoomyFile(self._part, room)
            self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")
        self._pieces: list[pa.RecordBatch] = []
        self._waiting = 0

    def append(self, *columns: Column) -> None:
        """Add rows, given column by column in the order of the schema."""
        piece = pa.RecordBatch.from_arrays(list(columns), schema=self._schema)
        self.rows += piece.num_rows
        self._waiting += piece.num_rows
        self._pieces.append(piece)
        if self._waiting >= ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        # Whole groups whatever the pieces: the same rows give the same bytes.
        rows = pa.Table.from_batches(self._pieces, schema=self._schema)
        whole = self._waiting - self._waiting % ROWS_PER_GROUP
        with writing(self._path.parent):
            self._writer.write_table(rows.slice(0, whole), row_group_size=ROWS_PER_GROUP)
        self._pieces = rows.slice(whole).to_batches()
        self._waiting -= whole

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._give_up()
            return
        try:
            with writing(self._path.parent):
                self._writer.write_table(pa.Table.from_batches(self._pieces, schema=self._schema))
                self._writer.close()
                self._file.close()
                self._part.replace(self._path)
        except FaultsError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        with suppress(OSError):  # what went wrong has been told
            self._writer.close()
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


def times(time_us: Ints) -> Column:
    """A column of times from microseconds since 1970-01-01 UTC."""
    return pa.array(time_us, TIME)


def texts(names: Sequence[str | None], index: Ints) -> Column:
    """A column of names by their index; -1 is null."""
    rows: Column = pa.array(index, pa.int64(), mask=index < 0)
    return pa.array(names, TEXT).take(rows)


class Truth:
    """Writes ``truth.parquet``, ``visits_truth.parquet``, ``people.parquet`` and ``purchases.parquet``.

    A stay in a zone begins with the first second at which a person is in it and ends with the first at which not any
    more. Who is in a zone at the end has stayed until then. Things that carry tags stand in ``people.parquet`` alone.
    """

    def __init__(self, out: Path, room: Room | None = None) -> None:
        self._files = ExitStack()
        self._seconds = self._files.enter_context(Table(out / "truth.parquet", TRUTH_SCHEMA, room))
        self._visits = self._files.enter_context(Table(out / "visits_truth.parquet", VISITS_SCHEMA, room))
        self._people = self._files.enter_context(Table(out / "people.parquet", PEOPLE_SCHEMA, room))
        self._purchases = self._files.enter_context(Table(out / "purchases.parquet", PURCHASES_SCHEMA, room))
        self._first_person = self._next_person = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, trace)

    @property
    def purchases(self) -> int:
        """How many there were so far."""
        return self._purchases.rows

    def begin(self, store: Store, start_us: int) -> None:
        """A world begins, with a layout, at a store time; its persons are numbered after those of the world before."""
        self._start_us = start_us
        self._zones = [zone.id for zone in store.zone]
        self._floors = [floor.id for floor in store.floor]
        self._first_person = self._next_person
        self._bodies: dict[int, Body] = {}
        self._in_zone = self._in_store = np.zeros((4, 0), dtype=np.int64)

    def add(self, presence: Presence, until_cycle: int) -> None:
        """Note where everybody is, block by block; ``until_cycle`` is the first one after the block."""
        self._bodies = {one: self._bodies[one] for one in self._in_store[_NUMBER].tolist()} | dict(presence.bodies)
        second = np.flatnonzero(presence.cycle % CYCLES_PER_SECOND == 0)
        number, zone = presence.body[second], presence.zone[second]
        time_us = self._start_us + presence.cycle[second] * CYCLE_US
        persons = sorted(number for number, body in presence.bodies.items() if body.kind != "thing")
        person = np.isin(number, np.array(persons, dtype=np.int64))
        self._add_seconds(presence, second[person], time_us[person], persons)
        if presence.bodies:
            self._next_person = max(self._next_person, self._first_person + max(presence.bodies) + 1)
        in_store = _runs(self._in_store, number, np.zeros_like(number), time_us)
        in_zone = _runs(self._in_zone, number[person], zone[person], time_us[person])
        self._end_stays(in_store, in_zone, self._start_us + (until_cycle - 1) // CYCLES_PER_SECOND * SECOND_US)

    def _add_seconds(self, presence: Presence, rows: Ints, time_us: Ints, persons: list[int]) -> None:
        number = presence.body[rows]
        epcs = [_epc(presence.bodies[person]) for person in persons]
        self._seconds.append(
            times(time_us),
            self._persons(number),
            texts(epcs, np.searchsorted(np.array(persons, dtype=np.int64), number)),
            texts(self._floors, presence.floor[rows]),
            pa.array(np.round(presence.x_m[rows], 3).astype(np.float32)),
            pa.array(np.round(presence.y_m[rows], 3).astype(np.float32)),
            texts(self._zones, presence.zone[rows]),
        )

    def bought(self, purchases: Iterable[Purchase]) -> None:
        """Note what was bought, in the order of time; the buyers are in the store, or were in the last block."""
        rows = list(purchases)
        persons = pa.array([row.body.number + self._first_person for row in rows], pa.int32())
        self._purchases.append(
            pa.array([self._start_us + round(row.time_s * SECOND_US) for row in rows], TIME),
            persons,
            pa.array([_epc(row.body) for row in rows], TEXT),
            pa.array([row.counter for row in rows], TEXT),
            pa.array([row.till for row in rows], TEXT),
            pa.array([row.amount for row in rows], pa.float64()),
        )

    def end(self) -> None:
        """The world ends, and with it the stays of those who are still there."""
        self._end_stays(self._in_store, self._in_zone, _LATER_US)

    def _end_stays(self, in_store: Ints, in_zone: Ints, latest_us: int) -> None:
        """Write the stays that are over; those of ``latest_us`` may go on."""
        self._in_zone, over = _split(in_zone, latest_us)
        number, zone, since_us, last_us = over[:, over[_ZONE] >= 0]
        who = [self._bodies[one] for one in number.tolist()]
        self._visits.append(
            self._persons(number),
            pa.array([_epc(body) for body in who], TEXT),
            pa.array([body.kind for body in who], TEXT),
            texts(self._zones, zone),
            times(since_us),
            times(last_us + SECOND_US),
        )
        self._in_store, (number, _, since_us, last_us) = _split(in_store, latest_us)
        who = [self._bodies[one] for one in number.tolist()]
        self._people.append(
            self._persons(number),
            pa.array([body.kind for body in who], TEXT),
            pa.array([body.errand for body in who], TEXT),
            pa.array([body.group for body in who], pa.int32()),
            pa.array([body.member for body in who], TEXT),
            pa.array([[tag.epc for tag in body.tags] for body in who], pa.list_(TEXT)),
            times(since_us),
            times(last_us + SECOND_US),
        )

    def _persons(self, number: Ints) -> Column:
        return pa.array((number + self._first_person).astype(np.int32))


_NUMBER, _ZONE, _SINCE, _LAST = range(4)
"""Rows of a table of stays: person, zone, first second, last second."""
_LATER_US: Final = 2**62
"""A time by which everybody has left."""


def _runs(open_stays: Ints, number: Ints, zone: Ints, time_us: Ints) -> Ints:
    """Join seconds to stays: those that follow each other, of one person in one zone; the open ones go on."""
    rows = np.concatenate([open_stays, np.stack([number, zone, time_us, time_us])], axis=1)
    rows = rows[:, np.lexsort((rows[_LAST], rows[_NUMBER]))]
    if not rows.size:
        return rows
    same = (rows[:2, 1:] == rows[:2, :-1]).all(axis=0) & (rows[_SINCE, 1:] - rows[_LAST, :-1] <= SECOND_US)
    first = np.flatnonzero(np.append(True, ~same))
    last = np.append(first[1:], rows.shape[1]) - 1
    return np.concatenate([rows[:_LAST, first], rows[_LAST:, last]])


def _split(runs: Ints, latest_us: int) -> tuple[Ints, Ints]:
    """The stays that may go on, and those that are over, ordered by their ends."""
    open_runs, over = runs[:, runs[_LAST] >= latest_us], runs[:, runs[_LAST] < latest_us]
    return open_runs, over[:, np.lexsort((over[_NUMBER], over[_LAST]))]


def _epc(body: Body) -> str | None:
    """The first tag that a person carries stands for the person."""
    return body.tags[0].epc if body.tags else None


class ReaderCount(msgspec.Struct, frozen=True):
    """Reads of one reader."""

    reads_sent: int
    reads_dropped: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What ``summary.json`` says. It is written last, so that who finds it finds all.

    Attributes:
        scenario: Name of the scenario; None for a recording.
        reads_sent: Tag frames whose last byte the serial line took; into files, all reads.
        reads_dropped_by_reader: Tag frames that did not fit the reader's buffer, because the host did not read.
        reads_lost_by_fault: Tags that readers saw while a fault kept them from telling anybody.
        reads_crowded_out: Reads that did not happen because the reader was at what its line can carry.
    """

    store: str
    start: str
    end: str
    reads_sent: int
    reads_dropped_by_reader: int = 0
    reads_lost_by_fault: int = 0
    reads_crowded_out: int = 0
    readers: dict[str, ReaderCount] = {}
    scenario: str | None = None
    seed: int | None = None
    shoppers: int | None = None
    purchases: int | None = None

    def write(self, out: Path) -> None:
        """Write ``summary.json`` into a folder, in one piece or not at all.

        Raises:
            FaultsError: It cannot be written.
        """
        part = out / "summary.json.part"
        with writing(out):
            part.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
            part.replace(out / "summary.json")


def span_s(summary: Summary) -> float:
    """Store time that a run has simulated, seconds."""
    return (datetime.fromisoformat(summary.end) - datetime.fromisoformat(summary.start)).total_seconds()


def begin(out: Path, tables: Sequence[str] = TABLES) -> None:
    """Make the folder, and take away what an earlier run has left: who stops this one is to find no part of that one.

    Raises:
        FaultsError: The folder cannot be made or written to.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for name in ("summary.json", *(f"{table}.parquet" for table in tables)):
            for file in (out / name, out / f"{name}.part"):
                file.unlink(missing_ok=True)


def iso(time_us: int) -> str:
    """A time as ISO 8601 in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)).isoformat()
