"""The ingest service: from the broker's messages to committed rows, and the word back to the agents."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import psycopg

from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import Retry
from tagtrail.hardware.prometheus import MetricsServer
from tagtrail.hardware.shutdown import stop_on_signals
from tagtrail.ingest import ledger
from tagtrail.ingest.counters import Counters
from tagtrail.ingest.database.connection import Connection, connect, explain, wait_for_database
from tagtrail.ingest.database.migrate import check_schema
from tagtrail.ingest.database.silence import Session, end_sessions, own_session
from tagtrail.ingest.inbox import Inbox
from tagtrail.ingest.intake import Item
from tagtrail.ingest.known import Known
from tagtrail.ingest.metrics import Metrics
from tagtrail.ingest.settings import IngestSettings
from tagtrail.ingest.subscriber import Subscriber
from tagtrail.ingest.tuning import tune_process
from tagtrail.ingest.upkeep import Upkeep
from tagtrail.ingest.writer import Writer

log = logging.getLogger("tagtrail.ingest")

T = TypeVar("T")

APPLICATION: Final = "tagtrail ingest"
IDLE_S: Final = 0.25
QUIET_S: Final = 0.02
"""Nothing came for this long: the broker has sent all that its window lets out, so waiting for more is in vain."""
ENOUGH_READS: Final = 10_000
"""More in one transaction make the database hardly any faster."""
COUNTERS_S: Final = 10.0
RETRY_FIRST_S: Final = 0.1
RETRY_LIMIT_S: Final = 5.0


def run(settings: IngestSettings) -> int:
    """Run until SIGTERM or SIGINT; what has been received by then is committed and acknowledged.

    Raises:
        GiveUp: The database cannot be used as it is; the message says what to do.
    """
    tune_process()
    stop = threading.Event()
    stop_on_signals(stop, log)
    if not _wait_for_schema(settings.dsn, stop):
        return 0
    ingest = Ingest(settings, stop)
    try:
        ingest.run()
    finally:
        ingest.close()
    return 0


def _wait_for_schema(dsn: str, stop: threading.Event) -> bool:
    while wait_for_database(dsn, log, stop, application=APPLICATION):
        try:
            check_schema(dsn)
        except Retry:
            continue
        return True
    return False


class Ingest:
    """Takes messages from the subscriber, has them written, then acknowledges them and tells the agents."""

    def __init__(self, settings: IngestSettings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._clock = parse_clock(settings.clock)
        self._received = Inbox(settings.inflight_messages)
        self._subscriber = Subscriber(settings, self._received)
        self._writer = Writer(Known())
        self._upkeep = Upkeep(settings)
        self._connection: Connection | None = None
        self._sessions: list[Session] = []
        """Ours at the database: the last one is the connection's, of those before it the server may know no end."""
        self._counters = Counters()
        self._counted_s = time.monotonic()
        self._writing = 0
        self._overtaken = False
        """Perhaps another process of the group told the agents more, and we told them less after that."""
        self._metrics = Metrics(
            waiting=lambda: len(self._received) + self._writing,
            at_broker=lambda: self._subscriber.connected,
            at_database=lambda: self._connection is not None,
            quarantine_bytes=lambda: self._upkeep.quarantine_bytes,
            quarantine_shed=lambda: self._upkeep.quarantine_shed,
        )
        self._metrics_server = self._serve_metrics()

    def _serve_metrics(self) -> MetricsServer | None:
        settings = self._settings
        if not settings.metrics_port:
            return None
        return MetricsServer(settings.metrics_host, settings.metrics_port, self._metrics.text)

    def run(self) -> None:
        """Work until told to stop, then finish what was received.

        Raises:
            GiveUp: The database's schema or permissions do not fit.
        """
        self._subscriber.start()
        self._upkeep.start()
        while not self._stop.is_set():
            if self._subscriber.renewed.is_set():
                self._subscriber.renewed.clear()
                # Agents may have missed what was said while there was no connection, or before we were killed.
                self._in_database(self._tell_all)
            items = self._gather()
            self._flush(items)
            if not items and self._overtaken:
                self._overtaken = False
                self._in_database(self._tell_all)
            self._log_counters()
        self._subscriber.close()
        while items := self._gather():
            if not self._flush(items):
                return

    def close(self) -> None:
        """End both connections."""
        if self._metrics_server is not None:
            self._metrics_server.close()
        self._subscriber.stop()
        self._upkeep.close()
        self._disconnect()
        self._log_counters(force=True)

    def _gather(self) -> list[Item]:
        """Messages for one transaction.

        What comes within ``flush_s``, at most about ``flush_reads`` reads. Where many are there already, none is waited
        for: what comes while they are written makes the next transaction.
        """
        items: list[Item] = []
        rows = 0
        deadline_s = time.monotonic() + IDLE_S
        while rows < self._settings.flush_reads and len(items) < self._settings.inflight_messages:
            wait_s = 0.0 if self._stop.is_set() or rows >= ENOUGH_READS else max(0.0, deadline_s - time.monotonic())
            more = self._received.take(self._settings.flush_reads - rows, min(QUIET_S, wait_s) if items else wait_s)
            if not more:
                break
            if not items:
                deadline_s = time.monotonic() + self._settings.flush_s
            items += more
            rows += sum(item.rows for item in more)
        return items

    def _flush(self, items: list[Item]) -> bool:
        """Have messages written, and say so; False where the database did not take them before the stop."""
        if not items:
            return True
        begun_s = time.monotonic()
        self._writing = len(items)
        outcome = self._in_database(lambda connection: self._writer.write(connection, items))
        self._writing = 0
        if outcome is None:
            log.warning("stopped with %d messages not written; the broker or the agents send them again", len(items))
            return False
        took_s = time.monotonic() - begun_s
        now_us = self._clock.now_us()
        self._counters.add(outcome, messages=len(items), took_s=took_s, now_us=now_us)
        self._metrics.add(outcome, messages=len(items), took_s=took_s, now_us=now_us, skews_us=self._writer.skews_us)
        deliveries = (item.message.delivery for item in items)
        self._subscriber.acknowledge(delivery for delivery in deliveries if delivery is not None)
        self._subscriber.tell(outcome.messages())
        self._overtaken = self._settings.share is not None
        return True

    def _tell_all(self, connection: Connection) -> bool:
        messages = ledger.latest(connection).items()
        self._subscriber.tell((store, agent, committed) for (store, agent), committed in messages)
        return True

    def _in_database(self, act: Callable[[Connection], T]) -> T | None:
        """Do something in the database, again and again while that may help; None when told to stop first."""
        delay_s = RETRY_FIRST_S
        while True:
            try:
                try:
                    return act(self._connect())
                except psycopg.Error as error:
                    raise explain(error) from error
            except Retry as reason:
                log.warning("%s; nothing is lost, trying again", reason)
                self._disconnect()
            self._stop.wait(delay_s)
            delay_s = min(RETRY_LIMIT_S, delay_s * 2)
            if self._stop.is_set() or not wait_for_database(
                self._settings.dsn, log, self._stop, application=APPLICATION
            ):
                return None

    def _connect(self) -> Connection:
        """The connection; a new one first ends the sessions of those that were lost, and with them their locks."""
        if self._connection is None:
            self._connection = connect(
                self._settings.dsn,
                application=APPLICATION,
                autocommit=True,
                silence_s=self._settings.database_silence_s,
            )
            if ended := end_sessions(self._connection, self._sessions):
                log.info("ended %d sessions at the database whose connections were lost", ended)
            self._sessions = [own_session(self._connection)]
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _log_counters(self, *, force: bool = False) -> None:
        period_s = time.monotonic() - self._counted_s
        if period_s >= COUNTERS_S or (force and self._counters.messages):
            if self._counters.messages:
                level = logging.WARNING if self._counters.quarantined else logging.INFO
                log.log(level, "%s", self._counters.line(period_s))
            self._counters = Counters()
            self._counted_s += period_s
