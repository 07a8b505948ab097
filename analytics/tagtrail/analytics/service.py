"""The service: offline with a file of reads, days again, else the live loop over all stores of a database."""

import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import psycopg

from tagtrail.analytics import database
from tagtrail.analytics.live import StoreAnalyzer
from tagtrail.analytics.offline import run_analyze
from tagtrail.analytics.presence import PresenceParameters
from tagtrail.analytics.reanalysis import run_days
from tagtrail.analytics.settings import AnalyzeSettings
from tagtrail.hardware.clock import Clock, parse_clock
from tagtrail.hardware.errors import FaultsError, GiveUp, Retry
from tagtrail.hardware.shutdown import stop_on_signals
from tagtrail.ingest.database.connection import Connection, connect, explain, wait_for_database

log = logging.getLogger("tagtrail.analyze")

APPLICATION: Final = "tagtrail analyze"
PAUSE_S: Final = 1.0
"""After an error of the database that waiting can mend."""


def run(settings: AnalyzeSettings) -> int:
    """Analyse a file or days and return, or keep up with a database until SIGTERM or SIGINT.

    Raises:
        GiveUp: A person must change something first: settings, files, the DSN, the schema.
    """
    if faults := settings.faults():
        raise FaultsError("settings", faults)
    if settings.reads is not None:
        return run_analyze(settings)
    stop = threading.Event()
    stop_on_signals(stop, log)
    if settings.from_ is not None:
        return run_days(settings, stop)
    keep_up(settings, stop)
    return 0


def keep_up(settings: AnalyzeSettings, stop: threading.Event) -> None:
    """Keep visits and trips up with the reads until ``stop`` is set; a lost database is waited for.

    Raises:
        GiveUp: As in `run`.
    """
    dsn = settings.dsn
    if dsn is None:
        raise FaultsError("settings", ["dsn: needed to work on a database"])
    clock = parse_clock(settings.clock)
    told = ""
    while wait_for_database(dsn, log, stop, application=APPLICATION):
        try:
            with connect(dsn, application=APPLICATION, autocommit=True) as connection:
                log.info("analysing %s", ", ".join(settings.stores) or "all stores")
                _Loop(connection, settings.presence(), clock, settings.stores, settings.quiet_s).run(
                    settings.poll_s, stop
                )
        except (Retry, psycopg.Error) as error:
            trouble = _explain(error)
            if isinstance(trouble, GiveUp):
                raise trouble from None
            if str(trouble) != told:
                told = str(trouble)
                log.warning("%s; trying again until it works", trouble)
        stop.wait(PAUSE_S)


def _explain(error: Retry | psycopg.Error) -> Retry | GiveUp:
    if isinstance(error, Retry):
        return error
    if isinstance(error, psycopg.errors.UndefinedTable):  # ingest may still be at the migration
        return Retry("the database lacks our tables: run 'tagtrail db migrate'")
    return explain(error)


@dataclass
class _Store:
    analyzer: StoreAnalyzer
    news_at_s: float


class _Loop:
    """The loop on one connection."""

    def __init__(
        self,
        connection: Connection,
        parameters: PresenceParameters,
        clock: Clock,
        wanted: Collection[str],
        quiet_s: float,
    ) -> None:
        self._connection = connection
        self._parameters = parameters
        self._clock = clock
        self._wanted = wanted
        self._quiet_s = quiet_s
        self._stores: dict[str, _Store] = {}

    def run(self, poll_s: float, stop: threading.Event) -> None:
        """Pass after pass, at most one per ``poll_s``."""
        while not stop.is_set():
            began_s = time.monotonic()
            self._find_stores(began_s)
            for store in self._stores.values():
                is_quiet = time.monotonic() - store.news_at_s > self._quiet_s
                if store.analyzer.step(self._clock.now_us(), is_quiet=is_quiet):
                    store.news_at_s = time.monotonic()
            stop.wait(max(0.0, poll_s - (time.monotonic() - began_s)))
        for store in self._stores.values():
            store.analyzer.settle(self._clock.now_us())

    def _find_stores(self, now_s: float) -> None:
        for name, store_id in database.load_stores(self._connection).items():
            if name not in self._stores and (not self._wanted or name in self._wanted):
                analyzer = StoreAnalyzer(self._connection, name, store_id, self._parameters)
                self._stores[name] = _Store(analyzer, now_s)
