"""Each batch once, whatever comes in which order; what cannot be stored blocks nothing."""

import dataclasses
import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixture_agent import FakeAgent, in_threads, stored
from tagtrail.hardware.errors import GiveUp, Retry
from tagtrail.hardware.wire import Committed
from tagtrail.ingest import ledger, quarantine
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.partitions import is_native
from tagtrail.ingest.intake import Item, Message, read_message
from tagtrail.ingest.writer import Writer

AGENT = FakeAgent()


def batches(agent: FakeAgent, *seqs: int, first: int = 1) -> list[Item]:
    return [read_message(Message(agent.topic, agent.payload(seq, first))) for seq in seqs]


def message(payload: bytes, topic: str = AGENT.topic) -> Item:
    return read_message(Message(topic, payload))


def changed(seq: int, **change: object) -> Item:
    return message(json.dumps({**json.loads(AGENT.payload(seq)), **change}).encode())


def quarantined(connection: Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT reason, sum(times)::int FROM quarantine GROUP BY 1").fetchall())


def committed(connection: Connection, boot: str = "b1") -> int:
    row = connection.execute("SELECT committed_seq FROM agent_boot WHERE boot = %s", [boot]).fetchone()
    assert row is not None
    return int(row[0])


def test_reads_arrive_as_they_were(connection: Connection) -> None:
    other = FakeAgent(name="edge-2", store="hillside", start_us=AGENT.start_us + 86_400_000_000)
    outcome = Writer().write(connection, [*batches(AGENT, 1, 2, 3), *batches(other, 1)])
    assert stored(connection) == AGENT.expected([1, 2, 3]) + other.expected([1])
    assert (outcome.batches, outcome.reads, outcome.duplicates) == (4, 80, 0)
    assert outcome.messages() == [
        ("riverside", "edge-1", Committed("b1", 3)),
        ("hillside", "edge-2", Committed("b1", 1)),
    ]
    assert outcome.newest_us == max(read.time_us for read in other.reads(1))


def test_the_ledger_says_what_a_batch_holds(connection: Connection) -> None:
    Writer().write(connection, batches(AGENT, 1))
    reads = AGENT.reads(1)
    row = connection.execute("SELECT rows, reads, first_time, last_time FROM batch").fetchone()
    times = [ledger.utc(read.time_us) for read in reads]
    assert row == (20, sum(read.count for read in reads), min(times), max(times))


@pytest.mark.parametrize("flushes", [[[1, 1, 2, 1]], [[1, 2], [2, 1]], [[1], [1, 2, 2], [1], [2]]])
def test_a_batch_that_comes_again_changes_nothing(connection: Connection, flushes: list[list[int]]) -> None:
    writer = Writer()
    duplicates = 0
    for seqs in flushes:
        outcome = writer.write(connection, batches(AGENT, *seqs))
        duplicates += outcome.duplicates
        assert outcome.committed[("riverside", "edge-1")].keys() == {"b1"}  # told again: it may have missed it
    assert stored(connection) == AGENT.expected([1, 2])
    assert duplicates == sum(map(len, flushes)) - 2


def test_only_what_has_all_its_predecessors_is_confirmed(connection: Connection) -> None:
    writer = Writer()
    seen = [
        writer.write(connection, batches(AGENT, *seqs)).committed["riverside", "edge-1"]["b1"]
        for seqs in ([3], [1], [5, 6], [2], [8], [4], [7])
    ]
    assert seen == [0, 1, 1, 3, 3, 6, 8]


def test_a_long_gap_closes_in_one_step(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = dataclasses.replace(AGENT, rows=1)
    writer = Writer()
    later = range(2, ledger.PAGE * 2 + 300)
    assert writer.write(connection, batches(agent, *later)).committed["riverside", "edge-1"] == {"b1": 0}
    assert writer.write(connection, batches(agent, 1)).committed["riverside", "edge-1"] == {"b1": later[-1]}


def test_a_boot_that_is_new_here_begins_where_its_agent_is(connection: Connection) -> None:
    writer = Writer()
    outcome = writer.write(connection, batches(AGENT, 42, first=41))
    assert outcome.committed["riverside", "edge-1"] == {"b1": 40}
    outcome = writer.write(connection, batches(AGENT, 41, first=41))
    assert outcome.committed["riverside", "edge-1"] == {"b1": 42}


def test_a_database_restored_from_a_backup_goes_on(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer()
    writer.write(connection, batches(AGENT, 1, 2))
    outcome = writer.write(connection, batches(AGENT, 6, first=6))  # 3 to 5 were confirmed, and are not here
    assert outcome.committed["riverside", "edge-1"] == {"b1": 2}
    outcome = writer.write(connection, batches(AGENT, 7, first=6))
    assert outcome.committed["riverside", "edge-1"] == {"b1": 7}
    assert "batches 3 to 5 of boot b1" in caplog.text


def test_a_garbled_first_skips_nothing(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer()
    writer.write(connection, batches(AGENT, 1, 2))
    for seq in (500, 600):
        outcome = writer.write(connection, [*batches(AGENT, seq, first=400), *batches(AGENT, seq + 1, first=3)])
        assert outcome.committed["riverside", "edge-1"] == {"b1": 2}
        outcome = writer.write(connection, batches(AGENT, seq + 2, first=3))  # says otherwise
        assert outcome.committed["riverside", "edge-1"] == {"b1": 2}
    assert caplog.messages == []


def test_boots_are_counted_apart_and_the_last_heard_is_told_last(connection: Connection) -> None:
    second = dataclasses.replace(AGENT, boot="b2")
    items = [*batches(second, 1), *batches(AGENT, 1, 2), *batches(second, 2)]
    outcome = Writer().write(connection, items)
    assert [committed.boot for *_, committed in outcome.messages()] == ["b1", "b2"]
    assert len(stored(connection)) == 80


def test_the_latest_boot_is_what_an_agent_is_told_after_a_restart(connection: Connection) -> None:
    writer = Writer()
    writer.write(connection, batches(AGENT, 1, 2))
    writer.write(connection, batches(dataclasses.replace(AGENT, boot="b2"), 1))
    assert ledger.latest(connection) == {("riverside", "edge-1"): Committed("b2", 1)}


def test_poison_goes_to_the_quarantine_and_its_agent_goes_on(connection: Connection) -> None:
    poison = [changed(1, v=9), message(b"\xff"), changed(3, agent="edge-9"), message(b"", AGENT.status_topic)]
    poison += [message(AGENT.payload(1), "tagtrail/v1/riverside/edge-1/nonsense")]
    outcome = Writer().write(connection, [*poison, *batches(AGENT, 2), message(b"\xff")])
    expected = {"version": 1, "not-json": 2, "wrong-agent": 1, "wrong-shape": 1, "topic": 1}
    assert outcome.quarantined == quarantined(connection) == expected
    assert stored(connection) == AGENT.expected([2])
    assert committed(connection) == 2
    row = connection.execute("SELECT payload, topic, times FROM quarantine WHERE reason = 'not-json'").fetchone()
    assert row == (b"\xff", AGENT.topic, 2)


def test_a_readable_copy_takes_the_place_of_an_unreadable_one(connection: Connection) -> None:
    writer = Writer()
    writer.write(connection, [changed(1, v=9)])
    assert committed(connection) == 1
    assert writer.write(connection, batches(AGENT, 1)).batches == 1
    assert writer.write(connection, batches(AGENT, 1)).duplicates == 1
    assert writer.write(connection, [changed(1, v=9)]).batches == 0
    assert stored(connection) == AGENT.expected([1])


def test_a_number_used_twice_for_different_reads_loses_nothing(connection: Connection) -> None:
    writer = Writer()
    writer.write(connection, batches(AGENT, 1))
    twin = dataclasses.replace(AGENT, start_us=AGENT.start_us + 1)
    outcome = writer.write(connection, batches(twin, 1, 2))
    assert (outcome.quarantined, outcome.batches, outcome.duplicates) == ({"seq-reused": 1}, 1, 0)
    assert stored(connection) == AGENT.expected([1]) + twin.expected([2])


@pytest.mark.parametrize("flushes", [[[0, 1, 0, 1]], [[0], [1, 0]], [[0], [1], [0]], [[0], [0, 1]]])
def test_reads_that_differ_in_one_signal_strength_are_other_reads(
    connection: Connection, flushes: list[list[int]]
) -> None:
    copies = [AGENT.payload(1), AGENT.payload(1).replace(b"-41.5", b"-41.6")]
    writer = Writer()
    outcomes = [writer.write(connection, [message(copies[copy]) for copy in flush]) for flush in flushes]
    assert stored(connection) == AGENT.expected([1])
    assert quarantined(connection) == {"seq-reused": 1}
    assert sum(outcome.duplicates for outcome in outcomes) == sum(map(len, flushes)) - 2
    assert committed(connection) == 1


def test_long_payloads_are_cut_and_say_so(connection: Connection) -> None:
    payload = b"x" * 20_000_000
    Writer().write(connection, [message(payload)])
    row = connection.execute("SELECT reason, payload, size, sha256, message FROM quarantine").fetchone()
    assert row is not None
    assert row[:4] == ("too-large", payload[:65_536], len(payload), hashlib.sha256(payload).digest())
    assert row[4] == "message of 20000000 bytes, up to 16777216 allowed; the first 65536 are kept"


LONG = "".join(chr(0x4E00 + i * 7 % 20_000) for i in range(20_000))  # compresses badly, and an index key has a limit
REFUSED: dict[str, dict[str, object]] = {
    "NUL in the boot": {"boot": "b\0"},
    "NUL in a reader": {"readers": ["\0"] * 20},
    "reader too long for an index": {"readers": [LONG] * 20},
    "boot too long for an index": {"boot": LONG},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_database_refuses_is_found_and_kept(connection: Connection, case: str) -> None:
    items = [*batches(AGENT, *range(1, 6)), changed(6, **REFUSED[case]), *batches(AGENT, *range(7, 12))]
    outcome = Writer().write(connection, items)
    assert outcome.quarantined == quarantined(connection) == {"refused-by-database": 1}
    assert stored(connection) == AGENT.expected([1, 2, 3, 4, 5, 7, 8, 9, 10, 11])
    assert committed(connection) == (5 if "boot" in REFUSED[case] else 11)


NOISE = random.Random(1)
FOUR_BYTES = "".join(chr(NOISE.randrange(0x20000, 0x2A000)) for _ in range(950))  # compresses badly


def test_topics_too_long_for_an_index_are_cut_and_stay_apart(connection: Connection) -> None:
    topics = [f"tagtrail/v1/{FOUR_BYTES}/{agent}/reads" for agent in ("edge-1", "edge-2")]
    poison = [message(AGENT.payload(1), topic) for topic in (*topics, topics[0])]
    outcome = Writer().write(connection, [*poison, *batches(AGENT, 1)])
    assert (outcome.quarantined, quarantined(connection)) == ({"topic": 3}, {"topic": 3})
    rows = connection.execute("SELECT topic, octet_length(topic) FROM quarantine").fetchall()
    assert len({topic for topic, _ in rows}) == 2
    assert all(topic.startswith("tagtrail/v1/") and size <= quarantine.TEXT_MAX for topic, size in rows)
    assert stored(connection) == AGENT.expected([1])


@given(st.text(max_size=1500))
def test_what_is_storable_is_short_and_stays_as_it_is(text: str) -> None:
    cut = quarantine.storable(text)
    assert len(cut.encode()) <= quarantine.TEXT_MAX
    assert "\0" not in cut
    assert quarantine.storable(cut) == cut


def test_what_the_quarantine_refuses_leaves_a_trace(connection: Connection) -> None:
    connection.execute("ALTER TABLE quarantine ADD CONSTRAINT dry CHECK (octet_length(payload) = 0)")
    outcome = Writer().write(connection, [changed(1, v=9), *batches(AGENT, 2)])
    assert (outcome.quarantined, outcome.batches) == ({"refused-by-quarantine": 1}, 1)
    row = connection.execute("SELECT topic, message, size, payload FROM quarantine").fetchone()
    assert row is not None
    assert row[0] == "sha256:" + hashlib.sha256(AGENT.topic.encode()).hexdigest()
    assert 'violates check constraint "dry"' in row[1]
    assert row[2:] == (len(changed(1, v=9).message.payload), b"")


def test_what_cannot_be_kept_at_all_stops_nothing(connection: Connection, caplog: pytest.LogCaptureFixture) -> None:
    connection.execute("ALTER TABLE quarantine ADD CONSTRAINT shut CHECK (false)")
    outcome = Writer().write(connection, [message(b"\xff"), *batches(AGENT, 1)])
    assert (outcome.quarantined, outcome.batches) == ({"not-kept": 1}, 1)
    assert f"a message on topic {AGENT.topic!r}, of 1 bytes, cannot be kept and is lost" in caplog.text


def test_a_status_is_kept_and_replaced(connection: Connection) -> None:
    writer = Writer()
    writer.write(connection, [message(AGENT.status("online"), AGENT.status_topic)])
    statuses = [message(AGENT.status(state), AGENT.status_topic) for state in ("online", "stopped")]
    assert writer.write(connection, statuses).statuses == 2
    row = connection.execute("SELECT agent, state, status->>'agent', time FROM agent_status").fetchall()
    assert row == [("edge-1", "stopped", "edge-1", ledger.utc(AGENT.start_us))]


def test_a_status_that_jsonb_refuses_is_quarantined(connection: Connection) -> None:
    status = message(AGENT.status().replace(b"{", b'{"x":"\\u0000",', 1), AGENT.status_topic)
    outcome = Writer().write(connection, [status, *batches(AGENT, 1)])
    assert (outcome.quarantined, outcome.batches) == ({"refused-by-database": 1}, 1)


def test_a_partition_dropped_behind_our_back_is_no_fault_of_the_data(connection: Connection) -> None:
    writer = Writer()
    writer.write(connection, batches(AGENT, 1))
    row = connection.execute("SELECT relkind FROM pg_class WHERE oid = 'tag_read'::regclass").fetchone()
    connection.execute("DROP TABLE tag_read_20260314" if row == ("p",) else "TRUNCATE tag_read")
    outcome = writer.write(connection, batches(AGENT, 2))
    assert (outcome.quarantined, stored(connection)) == ({}, AGENT.expected([2]))


def test_a_partition_dropped_while_poison_is_looked_for_is_no_fault_of_the_data(
    schema: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_native(connection):
        pytest.skip("TimescaleDB makes its chunks while it inserts")
    calls = 0
    enter = ledger.enter

    def enter_and_drop(own: Connection, entries: Iterable[ledger.Entry]) -> set[ledger.Key]:
        nonlocal calls
        calls += 1
        if calls == 3:  # all, all again, the first half
            with connect(schema, autocommit=True) as retention:
                retention.execute("DROP TABLE tag_read_20260314")
        return enter(own, entries)

    monkeypatch.setattr(ledger, "enter", enter_and_drop)
    outcome = Writer().write(connection, [*batches(AGENT, 1), changed(2, readers=[LONG] * 20)])
    assert outcome.quarantined == {"refused-by-database": 1}
    assert stored(connection) == AGENT.expected([1])


@pytest.fixture
def victim(schema: str) -> Iterator[Connection]:
    """A connection that is lost during the test."""
    connection = connect(schema, autocommit=True)
    yield connection
    connection.close()


def test_a_lost_connection_leaves_nothing_and_the_same_batches_go_through_later(
    connection: Connection, victim: Connection, schema: str
) -> None:
    writer = Writer()
    writer.write(victim, batches(AGENT, 1))
    connection.execute("SELECT pg_terminate_backend(%s)", [victim.info.backend_pid])
    with pytest.raises(Retry, match="the database failed"):
        writer.write(victim, batches(AGENT, 2, 3))
    assert stored(connection) == AGENT.expected([1])
    writer.write(connection, batches(AGENT, 2, 3))
    assert stored(connection) == AGENT.expected([1, 2, 3])


def test_ids_of_a_rolled_back_flush_are_not_used(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer()

    def fail(*_: object) -> None:
        raise psycopg.OperationalError("lost")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "advance", fail)
        with pytest.raises(Retry):
            writer.write(connection, batches(AGENT, 1))
    Writer().write(connection, batches(FakeAgent(name="other", store="elsewhere"), 5))  # takes other ids
    writer.write(connection, batches(AGENT, 1))
    assert stored(connection)[:20] == AGENT.expected([1])


def test_a_table_that_is_missing_needs_a_person(connection: Connection) -> None:
    connection.execute("DROP TABLE quarantine")
    with pytest.raises(GiveUp, match="tagtrail db status"):
        Writer().write(connection, [message(b"")])


def test_several_workers_with_the_same_batches_write_them_once(schema: str, connection: Connection) -> None:
    agents = [FakeAgent(name=f"edge-{number}", boot=f"b{number}") for number in range(3)]
    orders: Sequence[range] = [range(1, 31), range(30, 0, -1), range(1, 31)]

    def work(number: int) -> None:
        writer = Writer()
        with connect(schema, autocommit=True) as worker:
            for seq in orders[number]:
                writer.write(worker, [item for agent in agents for item in batches(agent, seq)])

    in_threads(3, work)
    assert len(stored(connection)) == 3 * 30 * 20
    assert connection.execute("SELECT committed_seq FROM agent_boot").fetchall() == [(30,)] * 3
