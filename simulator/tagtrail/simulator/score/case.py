"""What is compared: the people of a run, their true visits, and the visits that were made of the reads."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import load_store
from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.score.stays import HOUR_US, Stays, make_stays
from tagtrail.simulator.tables import (
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    WHOLE,
    Column,
    check_order,
    codes,
    iso,
    optional_seconds,
    read_table,
    texts,
    us,
)

ROWS_AT_ONCE: Final = 1_000_000
BOUNDS: Final = ("enter", "exit", "dwell")
_INTERVALS: Final = {f"{of}_{side}": TIME for of in BOUNDS[:2] for side in ("low", "high")} | {
    "dwell_low_s": NUMBER,
    "dwell_high_s": NUMBER,
}
"""Columns of visits that carry intervals."""


@dataclass(frozen=True)
class People:
    """Columns of one length: those who are scored, ordered by number."""

    number: Ints
    enter_us: Ints
    exit_us: Ints


@dataclass(frozen=True)
class Case:
    """Truth and estimate of one run.

    Attributes:
        truth_dir: Where the truth stands.
        zones: Ids; zones are indices into it.
        people: Persons are indices into its columns.
        start_us: First second of the run.
        end_us: End of the run.
        true: True visits by person.
        estimated: Estimated visits by person; those of tags that nobody carries have persons of their own, after all
            others, one per tag.
        by_tag: The same visits by tag, as the table has them: what is counted in a store.
        true_trips: Presences in the store, zone 0.
        trips: Estimated ones by person, if a table of them is given.
        trip: Number of the trip of each row of ``by_tag``; None where the visits have none.
        intervals: Of the visits' rows: low and high by what they are of; seconds (since 1970 for times).
        apart: How many people are not scored, by the reason why.
        ghosts: Estimated visits of tags that nobody carries.
        left_out: Estimated visits of people who are not scored.
        duplicates: Rows of the table of visits that were dropped, since an earlier one says the same.
    """

    truth_dir: Path
    zones: tuple[str, ...]
    people: People
    start_us: int
    end_us: int
    true: Stays
    estimated: Stays
    by_tag: Stays
    true_trips: Stays
    trips: Stays | None
    trip: Ints | None
    intervals: dict[str, tuple[Floats, Floats]]
    apart: dict[str, int]
    ghosts: int
    left_out: int
    duplicates: int

    @property
    def first_hour_us(self) -> int:
        """The hour of the clock in which the run begins."""
        return self.start_us // HOUR_US * HOUR_US

    def seconds(self) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Person, time and zone (-1 for none) of every second of the people who are scored, in pieces."""
        path = self.truth_dir / "truth.parquet"
        kinds = {"time": TIME, "person": WHOLE, "zone": TEXT}
        for batch in _batches(path, kinds):
            number = batch["person"].to_numpy()
            person = np.minimum(np.searchsorted(self.people.number, number), len(self.people.number) - 1)
            known = self.people.number[person] == number
            yield person[known], us(batch["time"])[known], codes(batch["zone"], self.zones)[known]


def _batches(path: Path, kinds: dict[str, str]) -> Iterator[pa.Table]:
    try:
        file = pq.ParquetFile(path)
        if missing := [name for name in kinds if name not in file.schema_arrow.names]:
            raise FaultsError(str(path), [f"column {name!r} is missing" for name in missing])
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(kinds)):
            yield pa.table(batch)
    except FileNotFoundError:
        raise FaultsError(str(path), ["there is no such file; it is one of the files of a simulation"]) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise FaultsError(str(path), [f"cannot be read: {str(error).partition(chr(10))[0]}"]) from None


def load_case(
    truth_dir: Path, visits: Path, *, trips: Path | None = None, store: Path | None = None, kinds: Sequence[str]
) -> Case:
    """Read and check all files.

    Args:
        truth_dir: Folder that ``tagtrail simulate run`` wrote.
        visits: ``epc, zone, enter, exit`` and, where there are some, ``trip``, ``enter_low``, ``enter_high``,
            ``exit_low``, ``exit_high`` (times) and ``dwell_low_s``, ``dwell_high_s``; ``.parquet`` or ``.csv``.
        trips: ``epc, start, end``.
        store: The store file; without it, those that the simulation wrote say which zones there are.
        kinds: Who is scored: ``shopper``, ``staff``.

    Raises:
        FaultsError: A file cannot be read, holds something else, or is of another run.
    """
    _check_folder(truth_dir)
    people = read_table(
        truth_dir / "people.parquet",
        {"person": WHOLE, "kind": TEXT, "epcs": TEXTS, "enter": TIME, "exit": TIME},
    )
    true = read_table(truth_dir / "visits_truth.parquet", {"person": WHOLE, "zone": TEXT, "enter": TIME, "exit": TIME})
    found = read_table(visits, {"epc": TEXT, "zone": TEXT, "enter": TIME, "exit": TIME}, {"trip": WHOLE, **_INTERVALS})
    check_order(visits, found, "enter", "exit")
    rows = found.num_rows
    found = _without_duplicates(found)
    zones = _zones(truth_dir, store, true, found, visits)
    everybody = _Everybody(people, kinds, _tags_read(truth_dir), set(texts(found["epc"])))
    start_us, end_us = everybody.span()
    _check_time(visits, found, start_us, end_us)

    who, tag = everybody.owners(found["epc"], us(found["enter"]), us(found["exit"]))
    stays = make_stays(tag, codes(found["zone"], zones), us(found["enter"]), us(found["exit"]))
    kept = who >= 0
    by_person = Stays(who, stays.zone, stays.enter_us, stays.exit_us, stays.row).take(kept)
    chosen = everybody.index(true["person"].to_numpy())
    true_stays = make_stays(chosen, codes(true["zone"], zones), us(true["enter"]), us(true["exit"]))
    return Case(
        truth_dir=truth_dir,
        zones=tuple(zones),
        people=everybody.people,
        start_us=start_us,
        end_us=end_us,
        true=true_stays.take(chosen >= 0).whole(),
        estimated=by_person.whole(),
        by_tag=stays.take(kept),
        true_trips=everybody.presences(),
        trips=_trips(trips, everybody),
        trip=np.asarray(found["trip"].to_numpy(), dtype=np.int64)[kept] if "trip" in found.column_names else None,
        intervals=_intervals(found),
        apart=everybody.apart,
        ghosts=int((who >= len(everybody.people.number)).sum()),
        left_out=int((~kept).sum()),
        duplicates=rows - found.num_rows,
    )


def _without_duplicates(found: pa.Table) -> pa.Table:
    """The first row of each tag, zone, begin and end."""
    columns = [codes(found[name], texts(found[name])) for name in ("epc", "zone")]
    columns += [us(found[name]) for name in ("enter", "exit")]
    first = np.unique(np.stack(columns), axis=1, return_index=True)[1]
    return found if len(first) == found.num_rows else found.take(np.sort(first))


class _Everybody:
    """All who were in the store, who of them is scored, and whose tag is which."""

    def __init__(self, people: pa.Table, kinds: Sequence[str], read: set[str] | None, seen: set[str]) -> None:
        order = np.argsort(people["person"].to_numpy(), kind="stable")
        people = people.take(order)
        self._kind = people["kind"].to_pylist()
        self._tags: list[list[str]] = [tags or [] for tags in people["epcs"].to_pylist()]
        self._number = people["person"].to_numpy().astype(np.int64)
        self._enter_us, self._exit_us = us(people["enter"]), us(people["exit"])
        read = read and read | seen
        self._lengths = sorted({len(epc) for epc in read or seen})
        self.apart: dict[str, int] = Counter()
        chosen = np.array([self._reason(row, kinds, read) for row in range(len(self._kind))], dtype=np.bool_)
        self._chosen = np.flatnonzero(chosen)
        self._of_row = np.full(len(chosen), -1)
        self._of_row[self._chosen] = np.arange(len(self._chosen))
        self.people = People(*(column[self._chosen] for column in (self._number, self._enter_us, self._exit_us)))
        if not len(self._chosen):
            raise FaultsError("people.parquet of the truth", [f"nobody with a readable tag is {' or '.join(kinds)}"])

    def _reason(self, row: int, kinds: Sequence[str], read: set[str] | None) -> bool:
        """Whether somebody is scored; if not, why is counted."""
        kind, tags = self._kind[row], self._tags[row]
        if kind == "thing":
            return False
        if kind not in kinds:
            self.apart[f"{kind} (not asked for)"] += 1
        elif not tags:
            self.apart["no tag"] += 1
        elif read is not None and not any(short in read for epc in tags for short in self._shortened(epc)):
            self.apart["no tag that was ever read"] += 1
        else:
            return True
        return False

    def _shortened(self, epc: str) -> list[str]:
        """A tag's number as its readers tell it: a 125 kHz reader tells the last digits."""
        return [epc[-length:] for length in self._lengths if length <= len(epc)]

    def span(self) -> tuple[int, int]:
        """From when to when there was somebody in the store."""
        return int(self._enter_us.min()), int(self._exit_us.max())

    def index(self, number: Ints) -> Ints:
        """Index among the scored of a person's number, -1 for others."""
        row = np.minimum(np.searchsorted(self._number, number), len(self._number) - 1)
        return np.where(self._number[row] == number, self._of_row[row], -1)

    def presences(self) -> Stays:
        """The scored in the store as one zone."""
        many = len(self.people.number)
        return make_stays(np.arange(many), np.zeros(many, np.int64), self.people.enter_us, self.people.exit_us)

    def owners(self, epc: Column, start_us: Ints, end_us: Ints) -> tuple[Ints, Ints]:
        """Whose tag it was at a time: person and tag of each row.

        A member who comes again has the same tag with another number: the presence nearest to the middle of the time
        counts. A tag that nobody carries gets a person of its own; the person is -1 where it is not scored.
        """
        tags = texts(epc)
        tag = codes(epc, tags)
        rows_of: dict[str, list[int]] = {}
        for row, own in enumerate(self._tags):
            if self._kind[row] != "thing":
                for short in {short for one in own for short in self._shortened(one)}:
                    rows_of.setdefault(short, []).append(row)
        who = np.full(len(tag), -1)
        order = np.argsort(tag, kind="stable")
        bounds = np.searchsorted(tag[order], np.arange(len(tags) + 1))
        ghosts = len(self._chosen)
        middle_us = start_us + (end_us - start_us) // 2
        for index, name in enumerate(tags):
            here = order[bounds[index] : bounds[index + 1]]
            rows = np.array(rows_of.get(name, ()), dtype=np.int64)
            if not rows.size:
                who[here] = ghosts
                ghosts += 1
            elif rows.size == 1:
                who[here] = self._of_row[rows[0]]
            else:
                early = self._enter_us[rows] - middle_us[here, None]
                late = middle_us[here, None] - self._exit_us[rows]
                who[here] = self._of_row[rows[np.maximum(np.maximum(early, late), 0).argmin(axis=1)]]
        return who, tag


def _check_folder(folder: Path) -> None:
    if (folder / "people.parquet").is_file():
        return
    stores = sorted(file.parent.name for file in folder.glob("*/people.parquet"))
    if stores:
        raise FaultsError(str(folder), [f"holds a chain; score one store of it at a time: {', '.join(stores)}"])
    raise FaultsError(
        str(folder), ["no people.parquet in it; expected a folder that `tagtrail simulate run --out DIR` has written"]
    )


def _zones(truth_dir: Path, store: Path | None, true: pa.Table, found: pa.Table, visits: Path) -> list[str]:
    stores = [load_store(file) for file in ([store] if store else sorted(truth_dir.glob("layouts/*.toml")))]
    there = list(dict.fromkeys(zone.id for one in stores for zone in one.zone))
    in_truth, in_visits = texts(true["zone"]), texts(found["zone"])
    known = set(there or in_truth)
    unknown = sorted(set(in_visits) - known)
    if unknown and (there or len(unknown) == len(in_visits)):
        raise FaultsError(
            str(visits),
            [f"zone {name!r} is not in the store; is the file of another store?" for name in unknown[:5]],
        )
    if store and (foreign := sorted(set(in_truth) - known)):
        raise FaultsError(str(store), [f"has no zone {name!r}, which is in {truth_dir}" for name in foreign[:5]])
    return there or sorted({*in_truth, *in_visits})


def _check_time(visits: Path, found: pa.Table, start_us: int, end_us: int) -> None:
    if not found.num_rows:
        return
    first_us, last_us = int(us(found["enter"]).min()), int(us(found["exit"]).max())
    if first_us < end_us and start_us < last_us:
        return
    times = f"visits from {iso(first_us)} to {iso(last_us)}, but the run is from {iso(start_us)} to {iso(end_us)}"
    raise FaultsError(str(visits), [f"{times}; they are of another run, or local times were written as UTC"])


def _tags_read(truth_dir: Path) -> set[str] | None:
    """All tags that any reader has read; None where the reads went elsewhere."""
    path = truth_dir / "reads.parquet"
    if not path.exists():
        return None
    epcs: set[str] = set()
    for batch in _batches(path, {"epc": TEXT}):
        epcs.update(texts(batch["epc"]))
    return epcs


def _trips(path: Path | None, everybody: _Everybody) -> Stays | None:
    if path is None:
        return None
    table = read_table(path, {"epc": TEXT, "start": TIME, "end": TIME})
    check_order(path, table, "start", "end")
    start_us, end_us = us(table["start"]), us(table["end"])
    who, _ = everybody.owners(table["epc"], start_us, end_us)
    return make_stays(who, np.zeros(len(who), np.int64), start_us, end_us).take(who >= 0).whole()


def _intervals(found: pa.Table) -> dict[str, tuple[Floats, Floats]]:
    intervals = {}
    for of in BOUNDS:
        names = [f"{of}_{side}{'_s' if of == 'dwell' else ''}" for side in ("low", "high")]
        if all(name in found.column_names for name in names):
            low, high = (optional_seconds(found[name]) for name in names)
            intervals[of] = (low, high)
    return intervals
