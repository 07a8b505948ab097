"""Stores and readers that no store file names: kept aside, and taken after the file was put in."""

import msgspec
import pytest

from fixture_agent import T0_US, FakeAgent, stored
from fixture_edge import READER, STORE_FILE
from tagtrail.hardware.wire import Committed, encode
from tagtrail.ingest import known, quarantine
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.intake import Item, Message, read_message, read_messages
from tagtrail.ingest.known import Known
from tagtrail.ingest.ledger import utc
from tagtrail.ingest.quarantine import Choice
from tagtrail.ingest.retry import Result, retry
from tagtrail.ingest.writer import Writer

AGENT = FakeAgent()
OTHER = FakeAgent(store="hillside")


@pytest.fixture(autouse=True)
def look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "LOOK_S", 0.0)


def items(agent: FakeAgent, *seqs: int) -> list[Item]:
    return read_messages(Message(agent.topic, agent.payload(seq)) for seq in seqs)


def add_store(connection: Connection, *readers: str, store: str = "riverside", at_us: int = T0_US) -> None:
    text = STORE_FILE.replace("riverside", store) + "".join(READER.format(id=reader) for reader in readers)
    assert add_layout(connection, text, utc(at_us))


def reasons(connection: Connection) -> dict[str, int]:
    return {tally.reason: tally.messages for tally in quarantine.tallies(connection, Choice())}


def retry_all(connection: Connection) -> list[Result]:
    return list(retry(connection, [entry.id for entry in quarantine.entries(connection, Choice())]))


def test_without_any_store_file_everything_is_taken(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer(Known())
    writer.write(connection, items(AGENT, 1))
    writer.write(connection, items(OTHER, 1))
    assert (len(stored(connection)), reasons(connection)) == (40, {})
    assert caplog.text.count("the database has no store file") == 1


def test_stores_beyond_all_numbers_are_refused_and_said_so(connection: Connection) -> None:
    connection.execute("SELECT setval(pg_get_serial_sequence('store', 'store_id'), 32767)")
    outcome = Writer(Known()).write(connection, items(AGENT, 1))
    assert outcome.quarantined == {"refused-by-database": 1}
    assert "reached maximum value of sequence" in quarantine.entries(connection, Choice())[0].explanation


def test_a_store_that_nobody_has_declared_gets_no_number(connection: Connection) -> None:
    add_store(connection, "r00", "r01", "r02")
    writer = Writer(Known())
    status = read_message(Message(OTHER.status_topic, OTHER.status()))
    outcome = writer.write(connection, [*items(OTHER, 1), status, *items(AGENT, 1), *items(OTHER, 2)])
    assert (outcome.quarantined, outcome.batches, outcome.statuses) == ({"unknown-store": 2}, 1, 0)
    assert outcome.messages() == [("riverside", "edge-1", Committed("b1", 1))], "its agent keeps what it has"
    assert connection.execute("SELECT store FROM store").fetchall() == [("riverside",)]

    add_store(connection, "r00", "r01", "r02", store="hillside")
    assert writer.write(connection, [*items(OTHER, 1), status]).batches == 1, "sent again by the agent"
    assert {(result.gone, result.reads) for result in retry_all(connection)} == {(True, 0), (True, 20)}
    assert sorted(map(str, stored(connection))) == sorted(map(str, AGENT.expected([1]) + OTHER.expected([1, 2])))


def test_what_cannot_be_read_gives_an_unknown_store_no_number_either(connection: Connection) -> None:
    add_store(connection, "r00", "r01", "r02")
    payload = OTHER.payload(1).replace(b'"v":1', b'"v":2')
    strangers = [read_message(Message(f"tagtrail/v1/s{number}/edge-1/reads", payload)) for number in range(5)]
    known = read_message(Message(AGENT.topic, payload))
    outcome = Writer(Known()).write(connection, [*strangers, known])
    assert outcome.quarantined == {"version": 6}
    assert outcome.messages() == [("riverside", "edge-1", Committed("b1", 1))]
    assert connection.execute("SELECT store FROM store").fetchall() == [("riverside",)]


def test_reads_of_unknown_readers_wait_and_the_others_do_not(connection: Connection) -> None:
    add_store(connection, "r00", "r01")
    writer = Writer(Known())
    outcome = writer.write(connection, items(AGENT, 1, 2))
    expected = AGENT.expected([1, 2])
    assert (outcome.quarantined, outcome.messages()) == (
        {"unknown-reader": 2},
        [("riverside", "edge-1", Committed("b1", 2))],
    )
    assert stored(connection) == [row for row in expected if row[2] != "r02"]
    assert "'r02'" in quarantine.entries(connection, Choice())[0].explanation
    for _ in range(2):
        assert [(result.gone, result.reads) for result in retry_all(connection)] == [(False, 0)] * 2
    assert writer.write(connection, items(AGENT, 1)).duplicates == 1

    add_store(connection, "r00", "r01", "r02", at_us=T0_US + 1)
    assert [result.gone for result in retry_all(connection)] == [True, True]
    assert stored(connection) == expected
    outcome = writer.write(connection, items(AGENT, 1, 2, 3))
    assert (outcome.duplicates, outcome.batches, outcome.quarantined) == (2, 1, {})


def test_a_batch_of_unknown_readers_alone_blocks_no_agent(connection: Connection) -> None:
    add_store(connection, "r00")
    batch = msgspec.structs.replace(AGENT.batch(1), readers=["r07", "r08", "r09"])
    outcome = Writer(Known()).write(connection, [read_message(Message(AGENT.topic, encode(batch)))])
    assert outcome.messages() == [("riverside", "edge-1", Committed("b1", 1))]
    assert (stored(connection), reasons(connection)) == ([], {"unknown-reader": 1})
    add_store(connection, "r07", "r08", "r09", at_us=T0_US + 1)
    assert [(result.gone, result.reads) for result in retry_all(connection)] == [(True, 20)]
    assert len(stored(connection)) == 20


def test_a_store_file_that_this_version_cannot_read_refuses_nobody(connection: Connection) -> None:
    add_store(connection, "r00")
    connection.execute("UPDATE store_layout SET document = 'of a later version'")
    outcome = Writer(Known()).write(connection, [*items(AGENT, 1), *items(OTHER, 1)])
    assert (outcome.quarantined, stored(connection)) == ({"unknown-store": 1}, AGENT.expected([1]))


def test_the_database_is_not_asked_for_each_message(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "LOOK_S", 1.0)
    add_store(connection, "r00")
    now_s = [0.0]
    sieve = Known(lambda: now_s[0])
    assert [type(item).__name__ for item in sieve.sift(connection, items(OTHER, 1))] == ["Rejected"]
    add_store(connection, "r00", "r01", "r02", store="hillside")
    assert [type(item).__name__ for item in sieve.sift(connection, items(OTHER, 1))] == ["Rejected"]
    now_s[0] = 1.0
    assert [type(item).__name__ for item in sieve.sift(connection, items(OTHER, 1))] == ["Batch"]
