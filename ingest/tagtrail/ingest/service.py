"""The ingest service: from the broker's messages to committed rows, and the word back to the agents."""

import logging
import threading
import time
from collections import Counter
from typing import Final

from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import Retry
from tagtrail.hardware.prometheus import MetricsServer
from tagtrail.hardware.shutdown import stop_on_signals
from tagtrail.ingest import ledger
from tagtrail.ingest.clocks import Skews
from tagtrail.ingest.counters import Counters
from tagtrail.ingest.database.connection import Connection, wait_for_database
from tagtrail.ingest.database.link import Link
from tagtrail.ingest.database.migrate import check_schema
from tagtrail.ingest.inbox import BYTES_MAX, Inbox
from tagtrail.ingest.intake import Item, read_messages
from tagtrail.ingest.known import Known
from tagtrail.ingest.metrics import Metrics
from tagtrail.ingest.settings import IngestSettings
from tagtrail.ingest.subscriber import Subscriber
from tagtrail.ingest.tuning import tune_process
from tagtrail.ingest.turns import Turn, Turns
from tagtrail.ingest.upkeep import Upkeep
from tagtrail.ingest.writer import Writer

log = logging.getLogger("tagtrail.ingest")

APPLICATION: Final = "tagtrail ingest"
IDLE_S: Final = 0.25
QUIET_S: Final = 0.02
"""Nothing came for this long: the broker has sent all that its window lets out, so waiting for more is in vain."""
ENOUGH_READS: Final = 10_000
"""More in one transaction make the database hardly any faster."""
TOGETHER: Final = 64
"""Most messages read as one: numpy's price for a call is paid once for all."""
COUNTERS_S: Final = 10.0
RETELL_S: Final = 5.0
"""An agent of which nothing more comes is told the last word after this time, however much others send."""


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
    """Takes messages from the subscriber, has them written, then acknowledges them and tells the agents.

    While one writer waits for the database, the next one makes its rows ready: two keep the database busy.
    """

    def __init__(self, settings: IngestSettings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._clock = parse_clock(settings.clock)
        self._received = Inbox(settings.inflight_messages)
        self._gathering = threading.Lock()
        self._turns = Turns()
        self._known = Known()
        self._subscriber = Subscriber(settings, self._received)
        self._links = [
            Link(settings.dsn, application=APPLICATION, silence_s=settings.database_silence_s, stop=stop)
            for _ in range(settings.writers)
        ]
        self._skews = Skews()
        self._upkeep = Upkeep(settings)
        self._counting = threading.Lock()
        self._counters = Counters()
        self._counted_s = time.monotonic()
        self._writing = Counter(dict.fromkeys(self._links, 0))
        self._told: set[tuple[str, str]] = set()
        """Agents to tell again: perhaps another writer told them more, and we told them less after that."""
        self._retold_s = time.monotonic()
        self._failure: BaseException | None = None
        self._metrics = Metrics(
            waiting=lambda: len(self._received) + self._writing.total(),
            at_broker=lambda: self._subscriber.connected,
            at_database=lambda: all(link.connected for link in self._links),
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
        threads = [
            threading.Thread(target=self._write_until_stop, args=[link], name=f"writer {number}", daemon=True)
            for number, link in enumerate(self._links, 1)
        ]
        for thread in threads:
            thread.start()
        while not self._stop.wait(IDLE_S):
            self._log_counters()
        self._subscriber.close()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End all connections."""
        if self._metrics_server is not None:
            self._metrics_server.close()
        self._subscriber.stop()
        self._upkeep.close()
        for link in self._links:
            link.close()
        self._log_counters(force=True)

    def _write_until_stop(self, link: Link) -> None:
        try:
            self._write(link, Writer(self._known, self._skews))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that runs the service
            self._failure = error
            self._stop.set()

    def _write(self, link: Link, writer: Writer) -> None:
        link.do(lambda _connection: True)  # so that it shows whether the database is there, before anything comes
        while not self._stop.is_set():
            if self._subscriber.renewed.is_set():
                self._subscriber.renewed.clear()
                # Agents may have missed what was said while there was no connection, or before we were killed.
                link.do(self._tell_all)
            items, turn = self._gather()
            self._flush(link, writer, items, turn)
            if self._told and (not items or time.monotonic() - self._retold_s >= RETELL_S):
                self._tell_again(link)
        while True:
            items, turn = self._gather()
            if not self._flush(link, writer, items, turn) or not items:
                return

    def _gather(self) -> tuple[list[Item], Turn]:
        """Messages for one transaction, in one writer at a time, and its turn, which has to be taken.

        What comes within ``flush_s``, at most about ``flush_reads`` reads. Where many are there already, none is waited
        for: what comes while they are written makes the next transaction.
        """
        items: list[Item] = []
        rows = size = 0
        left_s = self._settings.flush_s
        most = self._settings.inflight_messages
        with self._gathering:
            while rows < self._settings.flush_reads and len(items) < most and size < BYTES_MAX:
                waits = not self._stop.is_set() and rows < ENOUGH_READS
                begun_s = time.monotonic()
                messages = self._received.take(
                    TOGETHER, IDLE_S if waits and not items else 0.0, QUIET_S, left_s if waits else 0.0
                )
                items += read_messages(messages)
                if len(messages) < TOGETHER:
                    break
                rows = sum(item.rows for item in items)
                size += sum(len(message.payload) for message in messages)
                left_s = max(0.0, left_s - (time.monotonic() - begun_s))
            return items, self._turns.next(items)

    def _flush(self, link: Link, writer: Writer, items: list[Item], turn: Turn) -> bool:
        """Have messages written, and say so; False where the database did not take them before the stop."""
        with turn.taken():
            return not items or self._flush_now(link, writer, items)

    def _flush_now(self, link: Link, writer: Writer, items: list[Item]) -> bool:
        begun_s = time.monotonic()
        self._writing[link] = len(items)
        outcome = link.do(lambda connection: writer.write(connection, items))
        self._writing[link] = 0
        if outcome is None:
            log.warning("stopped with %d messages not written; the broker or the agents send them again", len(items))
            return False
        took_s = time.monotonic() - begun_s
        now_us = self._clock.now_us()
        with self._counting:
            self._counters.add(outcome, messages=len(items), took_s=took_s, now_us=now_us)
        self._metrics.add(outcome, messages=len(items), took_s=took_s, now_us=now_us, skews_us=self._skews.measured())
        deliveries = (item.message.delivery for item in items)
        self._subscriber.acknowledge(delivery for delivery in deliveries if delivery is not None)
        self._subscriber.tell(outcome.messages())
        if len(self._links) > 1 or self._settings.share is not None:
            with self._counting:
                self._told |= outcome.committed.keys()
        return True

    def _tell_again(self, link: Link) -> None:
        with self._counting:
            told, self._told = self._told, set()
            self._retold_s = time.monotonic()
        link.do(lambda connection: self._tell(connection, told))

    def _tell_all(self, connection: Connection) -> bool:
        return self._tell(connection, None)

    def _tell(self, connection: Connection, agents: set[tuple[str, str]] | None) -> bool:
        """Tell these agents what is complete by now; None: all."""
        messages = ledger.latest(connection).items()
        self._subscriber.tell((*agent, committed) for agent, committed in messages if agents is None or agent in agents)
        return True

    def _log_counters(self, *, force: bool = False) -> None:
        period_s = time.monotonic() - self._counted_s
        if period_s < COUNTERS_S and not force:
            return
        with self._counting:
            counted, self._counters = self._counters, Counters()
        self._counted_s += period_s
        if counted.messages:
            level = logging.WARNING if counted.quarantined else logging.INFO
            log.log(level, "%s", counted.line(period_s))
