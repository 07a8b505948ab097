"""The analysis of one store-day, from the reads in the database to tables; it writes nothing, so it can be repeated."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd
import psycopg
from psycopg import IsolationLevel

from tagtrail.analytics import database
from tagtrail.analytics.columns import EPC
from tagtrail.analytics.days import Bounds, DayReads, bounds_of, load_day
from tagtrail.analytics.kinds import find_kinds
from tagtrail.analytics.memory import reads_frame
from tagtrail.analytics.offline import make_estimator
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.settings import PLACE, AnalyzeSettings
from tagtrail.analytics.trips import make_trips
from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.ingest.database.connection import Connection, connect, explain

log = logging.getLogger("tagtrail.analyze")

APPLICATION: Final = "tagtrail analyze days"
PATIENCE_S: Final = 600.0
"""A database that is away for longer fails the day: on another machine nobody might see that it waits."""
PAUSE_FIRST_S: Final = 0.1
PAUSE_LIMIT_S: Final = 5.0

T = TypeVar("T")


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What the result of a day follows from; the same again gives the same result.

    Attributes:
        begin_us: Begin of the day.
        end_us: End of the day.
        from_us: Reads since this time were looked at,
        to_us: up to this one.
        batches: Batches of the ledger with reads between them.
        newest_batch: Transaction of the newest one.
        layouts: The versions of the layout that were valid then (layout_id).
        numbers: The settings that have a say.
        version: Of Tagtrail.
    """

    begin_us: int
    end_us: int
    from_us: int
    to_us: int
    batches: int
    newest_batch: int
    layouts: list[int]
    numbers: dict[str, str | float]
    version: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """``summary.json`` of a day.

    Attributes:
        store: The store's id.
        day: The day.
        reads: Reads of the trips that began on the day.
        tags: Tags among them.
        trips: Trips that began on the day.
        visits: Visits of these trips.
        unused: Reads in no visit, counted by the reason why.
        earlier: Reads within the day that belong to a trip of an earlier day.
        basis: See there.
    """

    store: str
    day: date
    reads: int
    tags: int
    trips: int
    visits: int
    unused: dict[str, int]
    earlier: int
    basis: Basis


class StoreDay(NamedTuple):
    """A day to analyse.

    Attributes:
        store: The store's id.
        store_id: Its number.
        day: The day.
        zone: The store's time zone.
        settings: How to analyse; without the secret.
        known: What an earlier result follows from; None: there is none, or it is not wanted.
    """

    store: str
    store_id: int
    day: date
    zone: str
    settings: AnalyzeSettings
    known: Basis | None

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.store} {self.day}"


class Result(NamedTuple):
    """What was found."""

    summary: Summary
    visits: pd.DataFrame
    trips: pd.DataFrame
    kinds: pd.DataFrame


class Unchanged(NamedTuple):
    """The earlier result still holds."""


class Failure(NamedTuple):
    """The day could not be analysed."""

    reason: str


Outcome = Result | Unchanged | Failure


def analyze_day(task: StoreDay, dsn: str, stop: threading.Event, patience_s: float = PATIENCE_S) -> Outcome:
    """Analyse a day; a database that is away is waited for.

    Args:
        task: The day.
        dsn: Database.
        stop: Ends all waiting.
        patience_s: So long.
    """

    def attempt() -> Outcome:
        try:
            with connect(dsn, application=APPLICATION, autocommit=True) as connection:
                return _analyze(task, connection)
        except psycopg.Error as error:
            raise explain(error) from error

    try:
        return with_patience(attempt, stop, patience_s)
    except (GiveUp, Retry) as error:
        return Failure(str(error))


def with_patience(act: Callable[[], T], stop: threading.Event, patience_s: float = PATIENCE_S) -> T:
    """Do something, again and again while that may help.

    Raises:
        GiveUp: It cannot help.
        Retry: It has not helped for ``patience_s``, or ``stop`` was set.
    """
    until_s = time.monotonic() + patience_s
    pause_s, told = PAUSE_FIRST_S, ""
    while True:
        try:
            return act()
        except Retry as reason:
            if time.monotonic() > until_s or stop.is_set():
                raise
            if str(reason) != told:
                told = str(reason)
                log.warning("%s; trying again for %.0f minutes", reason, patience_s / 60)
        stop.wait(pause_s)
        pause_s = min(PAUSE_LIMIT_S, 2 * pause_s)


def _analyze(task: StoreDay, connection: Connection) -> Outcome:
    bounds = bounds_of(task.day, ZoneInfo(task.zone))
    connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
    with connection.transaction():  # one moment of the database: the reads are those of the ledger
        layouts = database.load_layouts(connection, task.store_id)
        known = task.known
        now = None if known is None else _basis(task, connection, bounds, layouts, known.from_us, known.to_us)
        if known is not None and now == known:
            return Unchanged()
        gap_us = round(task.settings.trip_gap_s * 1e6)
        dropped_us = database.reads_dropped_before_us(connection)
        if dropped_us is not None and bounds.begin_us - gap_us < dropped_us:
            if now is not None and known is not None:  # the ledger goes with the reads
                now = msgspec.structs.replace(now, batches=known.batches, newest_batch=known.newest_batch)
            if known is not None and now == known:
                return Unchanged()
            raise GiveUp(
                f"reads before {database.moment(dropped_us):%Y-%m-%d %H:%M} UTC are not kept any more (retention_days);"
                " what was found earlier is left as it is"
            )
        found = load_day(
            lambda from_us, to_us, tags: database.load_reads(connection, task.store_id, from_us, to_us, tags),
            bounds,
            gap_us,
        )
        basis = _basis(task, connection, bounds, layouts, found.from_us, found.to_us)
        reads = _frame(connection, task.store_id, found)
    in_use = [layouts[number] for number in basis.layouts]  # each costs a model of its own
    visits, unused = make_estimator(in_use, reads, task.settings).estimate(reads)
    trips = make_trips(visits)
    kinds = find_kinds(reads, visits, in_use[-1].store)
    summary = Summary(
        store=task.store, day=task.day, reads=len(reads), tags=len(reads[EPC].cat.categories), trips=len(trips),
        visits=len(visits), unused=dict(sorted(unused.items())), earlier=found.earlier, basis=basis,
    )  # fmt: skip
    return Result(summary, visits, trips, kinds)


def _basis(
    task: StoreDay, connection: Connection, bounds: Bounds, layouts: dict[int, Layout], from_us: int, to_us: int
) -> Basis:
    batches, newest = database.load_ledger(connection, task.store_id, from_us, to_us)
    return Basis(
        begin_us=bounds.begin_us, end_us=bounds.end_us, from_us=from_us, to_us=to_us, batches=batches,
        newest_batch=newest, layouts=_in_use(layouts, from_us, to_us), numbers=_numbers(task.settings),
        version=version("tagtrail"),
    )  # fmt: skip


def _in_use(layouts: dict[int, Layout], from_us: int, to_us: int) -> list[int]:
    """The versions that were valid between two times; the oldest also holds for the time before it."""
    numbers = sorted(layouts, key=lambda number: layouts[number].valid_from_us)
    last = max(sum(layouts[number].valid_from_us <= to_us for number in numbers), 1)
    first = max(sum(layouts[number].valid_from_us <= from_us for number in numbers), 1)
    return numbers[first - 1 : last]


def _numbers(settings: AnalyzeSettings) -> dict[str, str | float]:
    names = ["estimator", "visit_min_s", "visit_gap_s", "trip_gap_s"]
    if settings.estimator != PLACE:
        names += ["step_s", "smooth_s", "lead"]
    return {name: getattr(settings, name) for name in names}


def _frame(connection: Connection, store_id: int, found: DayReads) -> pd.DataFrame:
    """Checked reads with their EPCs."""
    reads = reads_frame(found.rows, database.load_antennas(connection, store_id))
    numbers = [int(name, 16) for name in reads[EPC].cat.categories]
    epcs = database.load_epcs(connection, numbers)
    return reads.assign(**{EPC: reads[EPC].cat.rename_categories([epcs[number] for number in numbers])})
