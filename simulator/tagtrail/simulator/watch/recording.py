"""A part of a simulated run as small columns: where everybody was, and which antenna read whose tag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagtrail.hardware.clock import utc_us
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Antenna, Store, load_store
from tagtrail.simulator.geometry import Bools, Floats, Ints
from tagtrail.simulator.tables import codes, texts, us
from tagtrail.simulator.truth import TIME

SECOND_US: Final = 1_000_000
ROWS_MAX: Final = 4_000_000
"""Person-seconds that a page can hold: some 15 MB, and what a browser still plays without a stutter."""
NOBODY: Final = -1
GAP_MAX_S: Final = 3
"""Reads of a tag at one antenna that are no further apart are one sighting; gaps of this size are usual."""


@dataclass(frozen=True)
class Window:
    """Which part of a run.

    Attributes:
        start: Local time of the store, zone-aware.
        seconds: How long.
    """

    start: datetime
    seconds: int

    @property
    def start_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return utc_us(self.start)


@dataclass(frozen=True)
class People:
    """Columns of one length; those who were there within the window."""

    number: list[int]
    kind: list[str]
    errand: list[str]
    group: list[int]


@dataclass(frozen=True)
class Tracks:
    """Where people walked: a track is somebody on one floor without a pause; its seconds follow each other.

    Attributes:
        person: Index into the people, by track.
        floor: Index of the floor, by track.
        start_s: First second since the start of the window, by track.
        length: Number of seconds, by track.
        x_m: By second, one track after the other.
        y_m: The same.
        zone: The same; index of the zone, -1 for none.
    """

    person: Ints
    floor: Ints
    start_s: Ints
    length: Ints
    x_m: Floats
    y_m: Floats
    zone: Ints


@dataclass(frozen=True)
class Sightings:
    """What the readers saw: the antenna that read a tag most strongly in a second, runs of seconds joined.

    Attributes:
        owner: Index of the person by tag, `NOBODY` for the others.
        tag: Index of the tag; sorted by tag and time.
        antenna: Index of the antenna.
        first_s: Seconds since the start of the window.
        last_s: The last second with a read.
        reads: Number of reads by antenna (row) and second (column).
        unknown: Reads of antennas that the layout does not have.
    """

    owner: list[int]
    tag: Ints
    antenna: Ints
    first_s: Ints
    last_s: Ints
    reads: Ints
    unknown: int


@dataclass(frozen=True)
class Recording:
    """A part of a run.

    Attributes:
        store: The layout at its start.
        antennas: In the order of the store file, with the reader's id.
        sightings: None where the reads went elsewhere.
    """

    store: Store
    window: Window
    antennas: list[tuple[str, Antenna]]
    people: People
    tracks: Tracks
    sightings: Sightings | None


def load_recording(folder: Path, start: str | None, minutes: float) -> Recording:
    """Read a part of a run from the files that ``tagtrail simulate run --out`` wrote.

    Args:
        folder: Where they are.
        start: Local time of the store, as ISO 8601 or ``HH:MM`` of the first day; None is the start of the run.
        minutes: How long; less where the run is over before.

    Raises:
        FaultsError: The folder holds no run, the time is outside of it, or too much happened within it for one page.
    """
    layouts = _layouts(folder)
    zone = ZoneInfo(layouts[0][1].store.timezone)
    truth = folder / "truth.parquet"
    first_us, end_us = _span(truth)
    begin = _moment(start, datetime.fromtimestamp(first_us / SECOND_US, zone))
    seconds = min(round(minutes * 60), (end_us - utc_us(begin)) // SECOND_US)
    if utc_us(begin) < first_us or seconds <= 0:
        times = (datetime.fromtimestamp(moment / SECOND_US, zone).isoformat() for moment in (first_us, end_us))
        raise FaultsError(str(folder), [f"nobody is there at {begin.isoformat()}; the run is {' to '.join(times)}"])
    window = Window(begin, seconds)
    store = [layout for since, layout in layouts if since <= begin.replace(tzinfo=None)] or [layouts[0][1]]
    antennas = [(reader.id, antenna) for reader in store[-1].reader for antenna in reader.antenna]
    rows = _read(truth, ("time", "person", "floor", "x_m", "y_m", "zone"), window)
    _check_size(folder, rows.num_rows, window)
    people, tags = _people(folder, rows)
    return Recording(
        store=store[-1],
        window=window,
        antennas=antennas,
        people=people,
        tracks=_tracks(rows, store[-1], people.number, window),
        sightings=_sightings(folder / "reads.parquet", antennas, tags, window),
    )


def _layouts(folder: Path) -> list[tuple[datetime, Store]]:
    files = sorted(folder.glob("layouts/*.toml"))
    if not files:
        stores = sorted(file.parent.parent.name for file in folder.glob("*/layouts/*.toml"))
        reason = f"holds a chain; watch one store of it at a time: {', '.join(dict.fromkeys(stores))}"
        other = "no layouts in it; expected a folder that `tagtrail simulate run --out DIR` has written"
        raise FaultsError(str(folder), [reason if stores else other])
    return [(datetime.fromisoformat(file.stem), load_store(file)) for file in files]


def _moment(text: str | None, first: datetime) -> datetime:
    """A time of the store; a clock time alone is one of the run's first day."""
    if text is None:
        return first
    try:
        day = "" if len(text) > len("HH:MM:SS") else f"{first.date().isoformat()}T"
        moment = datetime.fromisoformat(day + text)
    except ValueError:
        raise FaultsError("watch settings", [f"start {text!r}: expected HH:MM or ISO 8601"]) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=first.tzinfo)


def _span(truth: Path) -> tuple[int, int]:
    """The first second of a run and its end, from the statistics of the file."""
    try:
        metadata = pq.ParquetFile(truth).metadata
        column = metadata.schema.names.index("time")
        groups = [metadata.row_group(row).column(column).statistics for row in range(metadata.num_row_groups)]
    except FileNotFoundError:
        raise FaultsError(str(truth), ["there is no such file; it is one of the files of a simulation"]) from None
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise FaultsError(str(truth), [f"cannot be read: {str(error).partition(chr(10))[0]}"]) from None
    known: list[Any] = [group for group in groups if group is not None and group.has_min_max]
    if not known:
        raise FaultsError(str(truth), ["nobody ever was in the store"])
    first, last = min(group.min for group in known), max(group.max for group in known)
    return utc_us(first), utc_us(last) + SECOND_US


def _check_size(folder: Path, rows: int, window: Window) -> None:
    if rows <= ROWS_MAX:
        return
    fit = int(window.seconds * ROWS_MAX / rows / 60)
    people = f"{window.seconds / 60:g} minutes of {rows / window.seconds:.0f} people on average"
    full = f"{rows} person-seconds; a page holds {ROWS_MAX}: ask for {max(fit, 1)} minutes (--minutes)"
    raise FaultsError(str(folder), [f"{people} are {full}"])


def _read(path: Path, columns: Sequence[str], window: Window) -> pa.Table:
    start, end = pa.array([window.start_us, window.start_us + window.seconds * SECOND_US], TIME)
    inside = (pc.field("time") >= start) & (pc.field("time") < end)
    try:
        return pq.read_table(path, columns=list(columns), filters=inside)
    except (OSError, pa.ArrowInvalid) as error:
        raise FaultsError(str(path), [f"cannot be read: {str(error).partition(chr(10))[0]}"]) from None


def _people(folder: Path, rows: pa.Table) -> tuple[People, dict[str, int]]:
    """Those who occur, ordered by number; and whose tag is which."""
    try:
        table = pq.read_table(folder / "people.parquet", columns=["person", "kind", "errand", "group", "epcs"])
    except (OSError, pa.ArrowInvalid) as error:
        raise FaultsError(str(folder / "people.parquet"), [str(error).partition(chr(10))[0]]) from None
    present = np.unique(rows["person"].to_numpy())
    here = {person["person"]: person for person in table.to_pylist()}
    one: dict[str, Any] = {"kind": "shopper", "errand": "", "group": -1, "epcs": []}
    people = [here.get(number, one) for number in present.tolist()]
    tags = {epc: index for index, person in enumerate(people) for epc in person["epcs"] or []}
    columns = ([person[name] for person in people] for name in ("kind", "errand", "group"))
    return People(present.tolist(), *columns), tags


def _tracks(rows: pa.Table, store: Store, numbers: Sequence[int], window: Window) -> Tracks:
    second = (us(rows["time"]) - window.start_us) // SECOND_US
    person = np.searchsorted(np.array(numbers, dtype=np.int64), rows["person"].to_numpy())
    floor = codes(rows["floor"], [one.id for one in store.floor])
    order = np.lexsort((second, person))
    order = order[floor[order] >= 0]
    second, person, floor = second[order], person[order], floor[order]
    first = np.flatnonzero(_changes(person, floor, second - np.arange(len(second))))
    return Tracks(
        person=person[first],
        floor=floor[first],
        start_s=second[first],
        length=np.diff(np.append(first, len(order))),
        x_m=rows["x_m"].to_numpy().astype(np.float64)[order],
        y_m=rows["y_m"].to_numpy().astype(np.float64)[order],
        zone=codes(rows["zone"], [one.id for one in store.zone])[order],
    )


def _sightings(
    path: Path, antennas: Sequence[tuple[str, Antenna]], tags: Mapping[str, int], window: Window
) -> Sightings | None:
    if not path.exists():
        return None
    rows = _read(path, ("time", "reader", "antenna", "epc", "rssi_dbm"), window)
    readers = list(dict.fromkeys(reader for reader, _ in antennas))
    index = np.full((len(readers) + 1, 256), NOBODY)
    for number, (reader, antenna) in enumerate(antennas):
        index[readers.index(reader), antenna.port] = number
    antenna = index[codes(rows["reader"], readers), rows["antenna"].to_numpy()]
    known = antenna >= 0
    names = texts(rows["epc"])
    second = ((us(rows["time"]) - window.start_us) // SECOND_US)[known]
    tag, antenna = codes(rows["epc"], names)[known], antenna[known]
    rssi_dbm = np.nan_to_num(rows["rssi_dbm"].to_numpy().astype(np.float64)[known], nan=-np.inf)
    reads = np.bincount(antenna * window.seconds + second, minlength=len(antennas) * window.seconds)
    rows_of_seconds = np.lexsort((antenna, -rssi_dbm, second, tag))
    tag, second, antenna = tag[rows_of_seconds], second[rows_of_seconds], antenna[rows_of_seconds]
    best = _changes(tag, second)
    tag, second, antenna = tag[best], second[best], antenna[best]
    pauses = np.cumsum(np.diff(second, prepend=second[:1]) > GAP_MAX_S)
    new = np.flatnonzero(_changes(tag, antenna, pauses))
    last = np.append(new, len(tag))[1:] - 1
    short = {epc[-length:]: owner for length in {len(name) for name in names} for epc, owner in tags.items()}
    return Sightings(
        owner=[short.get(name, NOBODY) for name in names],
        tag=tag[new],
        antenna=antenna[new],
        first_s=second[new],
        last_s=second[last],
        reads=reads.reshape(len(antennas), window.seconds),
        unknown=int((~known).sum()),
    )


def _changes(*columns: Ints) -> Bools:
    """Which rows differ from the one before in any column; the first does."""
    changes = np.ones(len(columns[0]), dtype=np.bool_)
    changes[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return changes


def end_of(window: Window) -> datetime:
    """Local time of the end."""
    return window.start + timedelta(seconds=window.seconds)
