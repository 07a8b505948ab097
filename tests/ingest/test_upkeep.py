"""What is done beside the writing, by one of all processes."""

import random
from collections.abc import Iterator

import pytest

from fixture_agent import T0_US, FakeAgent
from fixture_ingest import wait_until
from tagtrail.ingest import quarantine, upkeep
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.partitions import is_native, parts
from tagtrail.ingest.intake import Message, Rejected, read_message
from tagtrail.ingest.settings import IngestSettings
from tagtrail.ingest.upkeep import Upkeep
from tagtrail.ingest.writer import Writer

DAY_US = 86_400_000_000


@pytest.fixture
def workers(schema: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Upkeep]]:
    """Two that are not started yet; the store's clock stands still at the agent's time."""
    monkeypatch.setattr(upkeep, "PASS_S", 0.05)
    settings = IngestSettings(dsn=schema, clock=f"0,{T0_US},0.000001", retention_days=30, quarantine_limit_mb=1)
    workers = [Upkeep(settings), Upkeep(settings)]
    yield workers
    for worker in workers:
        worker.close()


def write(connection: Connection, agent: FakeAgent, seq: int) -> None:
    Writer().write(connection, [read_message(Message(agent.topic, agent.payload(seq)))])


def test_partitions_antennas_and_retention(connection: Connection, workers: list[Upkeep]) -> None:
    old, new = FakeAgent(boot="b0", start_us=T0_US - 90 * DAY_US), FakeAgent()
    write(connection, old, 1)
    connection.execute("UPDATE batch SET committed_at = committed_at - interval '31 days'")
    write(connection, new, 1)
    for worker in workers:
        worker.start()
    expected = [0, 1, 2] if is_native(connection) else [0]

    def days() -> list[int]:
        return [round(part.begin.timestamp() * 1e6) // DAY_US - T0_US // DAY_US for part in parts(connection)]

    wait_until(lambda: days() == expected, "three days ahead, and the old one dropped")
    write(connection, new, 2)
    wait_until(lambda: antenna_rows(connection) >= 40, "the reads that are kept are counted")


def test_a_large_quarantine_is_told_of_before_and_when_it_is_full(
    connection: Connection, workers: list[Upkeep], caplog: pytest.LogCaptureFixture
) -> None:
    def flood(messages: int) -> None:
        payloads = (random.randbytes(100_000) for _ in range(messages))
        quarantine.keep(connection, [Rejected(Message("t", payload), "not-json", "") for payload in payloads])

    flood(6)
    workers[0].start()
    wait_until(lambda: "the quarantine takes" in caplog.text, "a warning at half of it")
    assert workers[0].quarantine_shed == {"cut": 0, "forgotten": 0}
    flood(6)
    wait_until(lambda: workers[0].quarantine_shed["cut"] > 0, "the bound")
    wait_until(lambda: "oldest messages (" in caplog.text, "the word of it")
    assert caplog.text.count("the quarantine takes") == 1
    assert connection.execute("SELECT count(*), sum(size) FROM quarantine").fetchone() == (12, 1_200_000)


def test_the_next_one_takes_over(connection: Connection, workers: list[Upkeep]) -> None:
    write(connection, FakeAgent(), 1)
    for worker in workers:
        worker.start()
    wait_until(lambda: antenna_rows(connection) == 20, "the first one counts")
    workers[0].close()
    write(connection, FakeAgent(), 2)
    wait_until(lambda: antenna_rows(connection) == 40, "the other one goes on")
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'tagtrail upkeep' AND datname = current_database()"
    )
    write(connection, FakeAgent(), 3)
    wait_until(lambda: antenna_rows(connection) == 60, "a lost connection is made again")


def antenna_rows(connection: Connection) -> int:
    row = connection.execute("SELECT coalesce(sum(rows), 0)::int FROM antenna_1min").fetchone()
    assert row is not None
    return int(row[0])
