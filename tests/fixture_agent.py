"""An edge agent's messages, without an edge agent."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
import pytest

from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import AgentStatus, ReadBatch, encode, pack_reads, reads_topic, status_topic, with_first
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.migrate import migrate

T0_US = 1_773_453_600_000_000  # 2026-03-14 02:00 UTC

Row = tuple[datetime, str, str, int, str, float | None, int]
"""time, store, reader, antenna, epc, rssi_dbm, count: what the view `read` shows."""


@dataclass(frozen=True)
class FakeAgent:
    """Batches whose reads follow from their number."""

    name: str = "edge-1"
    store: str = "riverside"
    boot: str = "b1"
    rows: int = 20
    start_us: int = T0_US

    @property
    def topic(self) -> str:
        return reads_topic(self.store, self.name)

    @property
    def status_topic(self) -> str:
        return status_topic(self.store, self.name)

    def reads(self, seq: int) -> list[TagRead]:
        return [
            TagRead(
                time_us=self.start_us + seq * 1_000_000 + i * 7_001,
                reader=f"r{(seq + i) % 3:02d}",
                antenna=1 + i % 4,
                epc=f"E280{(seq * 13 + i * i) % 97:020X}",
                rssi_dbm=None if (seq + i) % 7 == 0 else -40.5 - i % 30,
                count=1 + i % 5,
            )
            for i in range(self.rows)
        ]

    def batch(self, seq: int) -> ReadBatch:
        return pack_reads(self.reads(seq), agent=self.name, boot=self.boot, seq=seq)

    def payload(self, seq: int, first: int = 1) -> bytes:
        return with_first(encode(self.batch(seq)), first)

    def status(self, state: str = "online") -> bytes:
        return encode(AgentStatus(v=1, agent=self.name, state=state, time_us=self.start_us))

    def expected(self, seqs: Iterable[int]) -> list[Row]:
        """The rows that these batches make, sorted by time."""
        rows = [
            (
                datetime.fromtimestamp(read.time_us / 1e6, UTC),
                self.store,
                read.reader,
                read.antenna,
                read.epc,
                read.rssi_dbm,
                read.count,
            )
            for seq in seqs
            for read in self.reads(seq)
        ]
        return sorted(rows, key=lambda row: row[0])


def stored(connection: psycopg.Connection) -> list[Row]:
    """All reads of the database, sorted by time."""
    return connection.execute(
        "SELECT time, store, reader, antenna, epc, rssi_dbm, count FROM read ORDER BY time"
    ).fetchall()


def in_threads(count: int, act: Callable[[int], None]) -> None:
    """Call ``act`` with 0, 1, … in as many threads at once; raises what they raise."""
    with ThreadPoolExecutor(count) as executor:
        for _ in executor.map(act, range(count), timeout=60):
            pass


@pytest.fixture
def schema(database: str) -> str:
    """DSN of a new database with the schema."""
    migrate(database)
    return database


@pytest.fixture
def connection(schema: str) -> Iterator[Connection]:
    """A connection to a new database with the schema, in autocommit mode."""
    with connect(schema, autocommit=True) as connection:
        yield connection
