"""Many store-days again, each by itself: from the reads in the database into files, here or on a Dask cluster.

``OUT/STORE/YYYY-MM-DD`` is there whole or not at all, and this process alone writes it: who analyses a day only sends
back what it found, so it may be killed, and a day may be analysed twice.
"""

import fcntl
import logging
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import psycopg

from tagtrail.analytics import database
from tagtrail.analytics.days import last_day
from tagtrail.analytics.offline import write_results
from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.analytics.store_day import (
    APPLICATION,
    Basis,
    Failure,
    Outcome,
    Result,
    StoreDay,
    Summary,
    Unchanged,
    analyze_day,
    with_patience,
)
from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.hardware.store import StoreFileError
from tagtrail.ingest.database.connection import Connection, connect, explain

log = logging.getLogger("tagtrail.analyze")

SUMMARY: Final = "summary.json"
INCOMPLETE: Final = 1
"""Exit code when a day is missing."""


def run_days(settings: AnalyzeSettings, stop: threading.Event) -> int:
    """Analyse the days that the settings name: progress and failures on stderr, what came of it on stdout.

    Args:
        settings: With ``from``.
        stop: Ends it; what is done is kept.

    Returns:
        0 if all days are in the folder now, else 1.

    Raises:
        GiveUp: A person must change something before any day can be analysed.
    """
    dsn = settings.dsn
    if dsn is None or settings.out is None:
        raise FaultsError("settings", ["dsn and out are needed to analyse days"])
    out = Path(settings.out)
    with locked(out):
        tasks, failures = _plan(settings, dsn, out, stop)
        progress = _Progress(len(tasks))
        for task, outcome in _outcomes(tasks, settings, dsn, stop):
            if isinstance(outcome, Result):
                write_day(outcome, out, trip_gap_s=settings.trip_gap_s)
            elif isinstance(outcome, Failure):
                failures.append(f"{task.name}: {outcome.reason}")
            progress.tell(task, outcome)
    print(f"{progress.summary()}; results in {out}")
    if progress.left:
        print(f"stopped with {progress.left} store-days left; the same command goes on from there", file=sys.stderr)
    if failures:
        print("not analysed:", *(f"  {failure}" for failure in failures), sep="\n", file=sys.stderr)
    return INCOMPLETE if failures or progress.left else 0


def _outcomes(
    tasks: list[StoreDay], settings: AnalyzeSettings, dsn: str, stop: threading.Event
) -> Iterator[tuple[StoreDay, Outcome]]:
    if settings.dask is not None:
        from tagtrail.analytics.distributed import analyze_on

        yield from analyze_on(settings.dask, tasks, dsn, stop)
        return
    for task in tasks:
        outcome = analyze_day(task, dsn, stop)
        if stop.is_set():  # it may have failed for that reason alone
            return
        yield task, outcome


class _Progress:
    """A line per finished day."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._counts = {Result: 0, Unchanged: 0, Failure: 0}
        self._begun_s = time.monotonic()

    @property
    def left(self) -> int:
        """Days without an outcome."""
        return self._total - sum(self._counts.values())

    def tell(self, task: StoreDay, outcome: Outcome) -> None:
        """Count an outcome, and say how far it is."""
        self._counts[type(outcome)] += 1
        if isinstance(outcome, Result):
            found = outcome.summary
            words = f"{found.reads:,} reads, {found.tags:,} tags, {found.trips:,} trips, {found.visits:,} visits"
        else:
            words = "as it was, no new reads" if isinstance(outcome, Unchanged) else f"failed, {outcome.reason}"
        done = self._total - self.left
        print(f"{done} of {self._total}  {task.name}: {words}{self._outlook()}", file=sys.stderr, flush=True)

    def _outlook(self) -> str:
        worked = self._counts[Result]
        if not self.left or not worked:
            return ""
        minutes = (time.monotonic() - self._begun_s) / worked * self.left / 60
        return f"; {self.left} left, " + ("less than a minute" if minutes < 1 else f"about {minutes:.0f} min")

    def summary(self) -> str:
        """All outcomes."""
        counts = self._counts
        return (
            f"{self._total} store-days: {counts[Result]} analysed, {counts[Unchanged]} as they were,"
            f" {counts[Failure]} failed"
        )


def _plan(settings: AnalyzeSettings, dsn: str, out: Path, stop: threading.Event) -> tuple[list[StoreDay], list[str]]:
    """The days to analyse, and what is wrong with whole stores.

    Raises:
        GiveUp: A day is not over yet, there is no store, or the database cannot be used.
    """

    def attempt() -> tuple[dict[str, tuple[int, str]], list[str]]:
        try:
            with connect(dsn, application=APPLICATION, autocommit=True) as connection:
                return _load_zones(connection, settings.stores)
        except psycopg.Error as error:
            raise explain(error) from error

    stores, failures = with_patience(attempt, stop)
    if not stores:
        raise FaultsError("settings", [*failures, "stores: there is none to analyse"])
    first, last = settings.days()
    now_us = parse_clock(settings.clock).now_us()
    for store, (_, zone) in stores.items():
        if last > (whole := last_day(now_us, ZoneInfo(zone))):
            raise FaultsError(
                "settings", [f"to {last}: the last day of store {store} that is over is {whole} ({zone})"]
            )
    bare = msgspec.structs.replace(settings, dsn=None)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [
        StoreDay(store, store_id, day, zone, bare, None if settings.again else known_basis(out, store, day))
        for day in days
        for store, (store_id, zone) in stores.items()
    ], failures


def _load_zones(connection: Connection, wanted: list[str]) -> tuple[dict[str, tuple[int, str]], list[str]]:
    """Number and time zone of each store; a store that moved counts its days by its newest layout."""
    there = database.load_stores(connection)
    found, failures = {}, []
    for store in wanted or there:
        if store not in there:
            failures.append(f"{store}: the database has no such store, but {', '.join(there) or 'none'}")
            continue
        try:
            layouts = database.load_layouts(connection, there[store])
        except StoreFileError as error:
            failures.append(f"{store}: {error}")
            continue
        if not layouts:
            failures.append(f"{store}: the database has no layout of it; add one with 'tagtrail store add'")
            continue
        newest = max(layouts.values(), key=lambda layout: layout.valid_from_us)
        found[store] = there[store], newest.store.store.timezone
    return found, failures


def known_basis(out: Path, store: str, day: date) -> Basis | None:
    """What the result in the folder follows from; None where there is none that can be read."""
    try:
        return msgspec.json.decode((day_folder(out, store, day) / SUMMARY).read_bytes(), type=Summary).basis
    except (OSError, msgspec.MsgspecError):
        return None


def day_folder(out: Path, store: str, day: date) -> Path:
    """Where the files of a day are."""
    return out / store / day.isoformat()


def write_day(result: Result, out: Path, *, trip_gap_s: float) -> None:
    """Put the files of a day in place of those that are there.

    Raises:
        FaultsError: The folder cannot be written.
    """
    summary = result.summary
    folder = day_folder(out, summary.store, summary.day)
    part, old = (folder.with_name(f".{folder.name}.{state}") for state in ("part", "old"))
    try:
        for left in (part, old):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        part.mkdir(parents=True)
        write_results(result.visits, result.trips, part, trip_gap_s=trip_gap_s, kinds=result.kinds)
        (part / SUMMARY).write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n")
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise FaultsError(str(folder), [f"cannot be written: {error.strerror or error}"]) from None


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Be the only one who writes into a folder; it is made where missing.

    Raises:
        GiveUp: Another process writes there, or the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise FaultsError(str(out), [f"cannot be made: {error.strerror or error}"]) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise GiveUp(f"{out}: another tagtrail analyses days into it; wait for it, or choose another out") from None
        yield
