"""What ingest has done, as a log line now and then."""

from collections import Counter
from dataclasses import dataclass, field

from tagtrail.ingest.writer import Outcome


@dataclass
class Counters:
    """Sums since the last line.

    Attributes:
        messages: Committed or put into the quarantine.
        batches: New ones.
        reads: Rows added.
        duplicates: Batches that were in the database already.
        statuses: Agents' statuses.
        quarantined: Messages by reason.
        flushes: Transactions, or several where one was refused.
        commit_s: Time that they took.
        lag_s: Age of the newest read when it was committed, in the store's time; None without reads.
    """

    messages: int = 0
    batches: int = 0
    reads: int = 0
    duplicates: int = 0
    statuses: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    flushes: int = 0
    commit_s: float = 0.0
    lag_s: float | None = None

    def add(self, outcome: Outcome, *, messages: int, took_s: float, now_us: int) -> None:
        """Count a flush."""
        self.messages += messages
        self.batches += outcome.batches
        self.reads += outcome.reads
        self.duplicates += outcome.duplicates
        self.statuses += outcome.statuses
        self.quarantined += outcome.quarantined
        self.flushes += 1
        self.commit_s += took_s
        if outcome.newest_us is not None:
            self.lag_s = (now_us - outcome.newest_us) / 1e6

    def line(self, period_s: float) -> str:
        """For the log."""
        parts = [
            f"{self.reads:,} reads in {self.batches:,} batches",
            f"{self.reads / period_s:,.0f} reads/s",
            f"{self.duplicates} duplicates",
            f"{self.statuses} statuses",
        ]
        if self.quarantined:
            reasons = ", ".join(f"{number} {reason}" for reason, number in self.quarantined.most_common())
            parts.append(f"quarantined {reasons}")
        parts.append(f"{1000 * self.commit_s / max(1, self.flushes):.1f} ms per commit")
        if self.lag_s is not None:
            parts.append(f"lag {self.lag_s:.1f} s")
        return ", ".join(parts)
