"""What a database needs now and then, beside the writing: partitions ahead, antenna health, retention, quarantine."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import psycopg

from tagtrail.hardware.clock import Clock, parse_clock
from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.ingest import quarantine
from tagtrail.ingest.database.antenna_health import update_antenna_health
from tagtrail.ingest.database.connection import Connection, connect, explain, wait_for_database
from tagtrail.ingest.database.partitions import DAY_US, Partitions
from tagtrail.ingest.database.retention import drop_reads, drop_visits
from tagtrail.ingest.quarantine_limit import HEAD, QuarantineLimit
from tagtrail.ingest.settings import IngestSettings

log = logging.getLogger("tagtrail.ingest")

APPLICATION: Final = "tagtrail upkeep"
LOCK_KEY: Final = 0x7461_675F_7570_6B65  # "tag_upke"; one process per database does it, whoever comes first
PASS_S: Final = 15.0
RETENTION_S: Final = 3600.0
DAYS_AHEAD: Final = 2
JOIN_S: Final = 5.0
SILENCE_S: Final = 3600.0
"""A lost connection is noticed so late here, since a statement may rightly take minutes before its first byte."""
MB: Final = 1_000_000
LOOK_SHARE: Final = 0.5
"""Of the quarantine's limit; beyond it somebody should look."""


class Upkeep:
    """A thread with a connection of its own, so that ingest never waits for it.

    Args:
        settings: Of ingest.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._clock: Clock = parse_clock(settings.clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._dropped_s = float("-inf")
        self._quarantine_bytes: int | None = None
        self._quarantine_limit = QuarantineLimit(settings.quarantine_limit_mb * MB)
        self._shed = Counter({"cut": 0, "forgotten": 0})

    @property
    def quarantine_bytes(self) -> int | None:
        """What the quarantine takes of the disk; None where another process does the upkeep."""
        return self._quarantine_bytes

    @property
    def quarantine_shed(self) -> Mapping[str, int]:
        """Messages that this process has ``cut`` to a trace, and those ``forgotten`` but for their number."""
        return self._shed

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; a statement that takes longer is left alone, and rolled back when the process ends."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        told = ""
        while not self._stop.is_set():
            try:
                if wait_for_database(self._settings.dsn, log, self._stop, application=APPLICATION):
                    with connect(
                        self._settings.dsn, application=APPLICATION, autocommit=True, silence_s=SILENCE_S
                    ) as connection:
                        self._work(connection)
            except (Retry, GiveUp, psycopg.Error) as error:
                # Reads are written all the same, so this thread is not what the service ends for.
                reason = str(explain(error) if isinstance(error, psycopg.Error) else error)
                if reason != told:
                    log.warning("upkeep of the database waits: %s", reason)
                told = reason
            self._stop.wait(PASS_S)

    def _work(self, connection: Connection) -> None:
        is_mine = False
        self._quarantine_bytes = None
        partitions = Partitions()
        while not self._stop.is_set():
            begun_s = time.monotonic()
            if not is_mine:
                is_mine = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone() == (True,)
            if is_mine:
                self._pass(connection, partitions)
            # Where a pass takes long, the database is left alone for as long.
            self._stop.wait(max(PASS_S, time.monotonic() - begun_s))

    def _pass(self, connection: Connection, partitions: Partitions) -> None:
        now_us = self._clock.now_us()
        today = now_us // DAY_US
        partitions.ensure(connection, range(today, today + DAYS_AHEAD + 1))
        update_antenna_health(connection)
        self._look_at_quarantine(connection)
        if time.monotonic() - self._dropped_s >= RETENTION_S:
            now = datetime.fromtimestamp(now_us / 1e6, UTC)
            if self._settings.retention_days:
                drop_reads(connection, now, self._settings.retention_days)
            if self._settings.visit_retention_days:
                drop_visits(connection, now, self._settings.visit_retention_days)
            self._dropped_s = time.monotonic()

    def _look_at_quarantine(self, connection: Connection) -> None:
        """Keep it to its limit, and say so before it comes to that, and when it does."""
        limit_mb = self._settings.quarantine_limit_mb
        before, size = self._quarantine_bytes or 0, quarantine.size_bytes(connection)
        self._quarantine_bytes = size
        if before <= limit_mb * MB * LOOK_SHARE < size:
            log.warning(
                "the quarantine takes %.3g MB of the database's disk: see 'tagtrail ingest quarantine list'. From "
                "%d MB on (quarantine_limit_mb), only traces of its oldest messages are kept", size / MB, limit_mb
            )  # fmt: skip
        shed = self._quarantine_limit.keep(connection)
        for name, messages, what in (
            ("cut", shed.cut, f"the first {HEAD} bytes are kept, with topic, reason, size and hash"),
            ("forgotten", shed.forgotten, "number and sizes are kept, in one entry per reason"),
        ):
            if messages:
                self._shed[name] += messages.total()
                log.error(
                    "the quarantine has reached its %d MB (quarantine_limit_mb): of its %d oldest messages (%s) only "
                    "%s. See 'tagtrail ingest quarantine list' for who sends them",
                    limit_mb,
                    messages.total(),
                    ", ".join(f"{count} {reason}" for reason, count in messages.most_common()),
                    what,
                )
