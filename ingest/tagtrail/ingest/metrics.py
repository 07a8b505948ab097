"""What ingest has done since it was started, as metrics for Prometheus."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tagtrail.hardware import prometheus
from tagtrail.hardware.prometheus import Histogram, Metric, Sample
from tagtrail.ingest.writer import Outcome

PREFIX: Final = "tagtrail_ingest_"
READS: Final = (0, 10, 100, 1_000, 5_000, 10_000, 25_000, 50_000, 100_000)
COMMIT_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LAG_S: Final = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0)
"""Up to a second a reader's read is on its way; minutes mean an agent that catches up after it was cut off."""


class Metrics:
    """Counts in the service's thread, and is read in another one.

    Args:
        waiting: How many messages are in memory and not yet committed.
        at_broker: Whether the connection to the broker stands.
        at_database: Whether the connection to the database stands.
        quarantine_bytes: What the quarantine takes of the disk; None where that is not known here.
        quarantine_shed: Messages that gave way as the quarantine was full, by what became of them.
    """

    def __init__(
        self,
        *,
        waiting: Callable[[], int],
        at_broker: Callable[[], bool],
        at_database: Callable[[], bool],
        quarantine_bytes: Callable[[], int | None],
        quarantine_shed: Callable[[], Mapping[str, int]],
    ) -> None:
        self._waiting = waiting
        self._at_broker = at_broker
        self._at_database = at_database
        self._quarantine_bytes = quarantine_bytes
        self._quarantine_shed = quarantine_shed
        self._lock = threading.Lock()
        self._sums = Counter[str]()
        self._quarantined = Counter[str]()
        self._reads = Histogram(READS)
        self._commit_s = Histogram(COMMIT_S)
        self._lag_s = Histogram(LAG_S)
        self._last_lag_s: float | None = None
        self._skews_us: dict[tuple[str, str], int] = {}

    def add(
        self, outcome: Outcome, *, messages: int, took_s: float, now_us: int, skews_us: dict[tuple[str, str], int]
    ) -> None:
        """Count a flush; as `Counters.add`, and the agents' skews by store and agent."""
        with self._lock:
            self._skews_us = skews_us
            for name, number in (
                ("messages", messages),
                ("batches", outcome.batches),
                ("reads", outcome.reads),
                ("duplicates", outcome.duplicates),
                ("statuses", outcome.statuses),
            ):
                self._sums[name] += number
            self._quarantined += outcome.quarantined
            self._reads.observe(outcome.reads)
            self._commit_s.observe(took_s)
            if outcome.newest_us is not None:
                self._last_lag_s = (now_us - outcome.newest_us) / 1e6
                self._lag_s.observe(self._last_lag_s)

    def text(self) -> str:
        """For Prometheus; in any thread."""
        with self._lock:
            return prometheus.render(PREFIX, self._metrics())

    def _metrics(self) -> Iterable[Metric]:
        for name, help_text in (
            ("messages", "Messages committed or put into the quarantine."),
            ("batches", "Batches of reads that were new."),
            ("reads", "Reads added to the database."),
            ("duplicates", "Batches that were in the database already."),
            ("statuses", "Statuses of agents."),
        ):
            yield Metric(f"{name}_total", "counter", help_text, [Sample({}, self._sums[name])])
        quarantined = [Sample({"reason": reason}, number) for reason, number in sorted(self._quarantined.items())]
        yield Metric("quarantined_total", "counter", "Messages put into the quarantine, by reason.", quarantined)
        size = self._quarantine_bytes()
        sizes = [] if size is None else [Sample({}, size)]
        yield Metric("quarantine_bytes", "gauge", "What the quarantine takes of the database's disk.", sizes)
        shed = [Sample({"how": how}, number) for how, number in self._quarantine_shed().items()]
        yield Metric("quarantine_shed_total", "counter", "Messages that gave way in a full quarantine.", shed)
        yield Metric("transaction_reads", "histogram", "Reads per transaction.", self._reads.samples())
        yield Metric(
            "commit_seconds", "histogram", "Time from taking messages to their commit.", self._commit_s.samples()
        )
        yield Metric("lag_seconds", "histogram", "Age of the newest read at its commit.", self._lag_s.samples())
        lag = [] if self._last_lag_s is None else [Sample({}, self._last_lag_s)]
        yield Metric("last_lag_seconds", "gauge", "Age of the newest read at the last commit.", lag)
        skews = [
            Sample({"store": store, "agent": agent}, skew_us / 1e6)
            for (store, agent), skew_us in sorted(self._skews_us.items())
        ]
        yield Metric("agent_clock_skew_seconds", "gauge", "How far an agent's clock is behind ours.", skews)
        for name, help_text, value in (
            ("waiting_messages", "Messages in memory that are not yet committed.", self._waiting()),
            ("broker_connected", "1 while the connection to the broker stands.", int(self._at_broker())),
            ("database_connected", "1 while the connection to the database stands.", int(self._at_database())),
        ):
            yield Metric(name, "gauge", help_text, [Sample({}, value)])
