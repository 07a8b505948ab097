"""The quarantine's messages, read again: what can be read by now is in the database once, however often it is tried."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fixture_agent import FakeAgent, Row, in_threads, stored
from fixture_edge import READER, STORE_FILE
from tagtrail.hardware.wire import Committed, encode, with_first
from tagtrail.ingest import ledger, quarantine
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.database.partitions import DAY_US
from tagtrail.ingest.database.retention import drop_reads
from tagtrail.ingest.intake import Item, Message, read_message
from tagtrail.ingest.known import Known
from tagtrail.ingest.quarantine import Choice, Entry
from tagtrail.ingest.retry import Result, retry
from tagtrail.ingest.writer import Writer

AGENT = FakeAgent()
HEARD_US = AGENT.start_us + 5_000_000
LONG = "".join(chr(0x4E00 + i * 7 % 20_000) for i in range(20_000))  # compresses badly, and an index key has a limit
VENDOR = "tagtrail/vendor/impinj/riverside/r09"


def item(payload: bytes, topic: str = AGENT.topic, heard_us: int = HEARD_US) -> Item:
    return read_message(Message(topic, payload, None, heard_us))


def entries(connection: Connection) -> list[Entry]:
    return quarantine.entries(connection, Choice())


def retry_all(connection: Connection) -> list[Result]:
    return list(retry(connection, [entry.id for entry in entries(connection)]))


def mend(connection: Connection, payload: bytes) -> None:
    """Stands for an upgrade: the one message of the quarantine becomes one that this version reads."""
    connection.execute("UPDATE quarantine SET payload = %s, size = %s", [payload, len(payload)])


def ledger_rows(connection: Connection) -> dict[tuple[str, int], int]:
    rows = connection.execute("SELECT boot, seq, rows FROM batch").fetchall()
    return {(boot, seq): count for boot, seq, count in rows}


def test_a_version_that_is_known_after_an_upgrade(connection: Connection) -> None:
    later = AGENT.payload(2).replace(b'"v":1', b'"v":2')
    writer = Writer()
    writer.write(connection, [item(AGENT.payload(1)), item(later), item(AGENT.payload(3)), item(later)])
    (entry,) = entries(connection)
    assert (entry.reason, entry.times, entry.size) == ("version", 2, len(later))
    assert ledger_rows(connection) == {("b1", 1): 20, ("b1", 2): 0, ("b1", 3): 20}

    (result,) = retry_all(connection)
    assert (result.gone, result.reads) == (False, 0)
    assert result.words == "version: batch of version 2, this ingest reads 1"
    assert entries(connection) == [entry], "a retry is no arrival"

    mend(connection, AGENT.payload(2))
    (result,) = retry_all(connection)
    assert (result.gone, result.reads) == (True, 20)
    assert (entries(connection), retry_all(connection)) == ([], [])
    assert list(retry(connection, [entry.id])) == []
    assert stored(connection) == AGENT.expected([1, 2, 3])
    assert ledger_rows(connection) == {("b1", 1): 20, ("b1", 2): 20, ("b1", 3): 20}
    assert writer.write(connection, [item(AGENT.payload(2))]).duplicates == 1
    assert ledger.latest(connection) == {("riverside", "edge-1"): Committed("b1", 3)}


def test_what_the_database_refused_is_taken_after_it_was_mended(connection: Connection) -> None:
    connection.execute("ALTER TABLE antenna ADD CONSTRAINT few CHECK (port <= 2)")
    Writer().write(connection, [item(AGENT.payload(1))])
    (entry,) = entries(connection)
    assert entry.reason == "refused-by-database"
    for _ in range(2):
        (result,) = retry_all(connection)
        assert not result.gone
        assert 'violates check constraint "few"' in result.words
        assert entries(connection) == [entry]
    connection.execute("ALTER TABLE antenna DROP CONSTRAINT few")
    assert [result.gone for result in retry_all(connection)] == [True]
    assert stored(connection) == AGENT.expected([1])


def test_a_copy_that_came_through_meanwhile_counts_once(connection: Connection) -> None:
    writer = Writer()
    writer.write(connection, [item(AGENT.payload(1).replace(b'"v":1', b'"v":2'))])
    mend(connection, AGENT.payload(1))
    writer.write(connection, [item(AGENT.payload(1))])
    (result,) = retry_all(connection)
    assert (result.gone, result.reads, result.words) == (True, 0, "the database has all of its reads")
    assert stored(connection) == AGENT.expected([1])


def test_several_at_once_take_it_once(schema: str, connection: Connection) -> None:
    Writer().write(connection, [item(AGENT.payload(1).replace(b'"v":1', b'"v":2'))])
    mend(connection, AGENT.payload(1))
    (entry,) = entries(connection)

    def work(number: int) -> None:
        with connect(schema, autocommit=True) as own:
            if number % 2:
                list(retry(own, [entry.id]))
            else:
                Writer().write(own, [item(AGENT.payload(1))])

    in_threads(4, work)
    assert stored(connection) == AGENT.expected([1])
    assert entries(connection) == []


def test_a_failure_leaves_message_and_database_as_they_were(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    Writer().write(connection, [item(AGENT.payload(1).replace(b'"v":1', b'"v":2'))])
    mend(connection, AGENT.payload(1))
    before = entries(connection)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> bool:
            raise OSError("killed here")

        patch.setattr(quarantine, "drop", fail)
        with pytest.raises(OSError, match="killed here"):
            retry_all(connection)
    assert (entries(connection), stored(connection), ledger_rows(connection)) == (before, [], {("b1", 1): 0})
    assert [result.reads for result in retry_all(connection)] == [20]


def test_a_number_that_was_used_twice_gives_its_reads_too(connection: Connection) -> None:
    twin = FakeAgent(start_us=AGENT.start_us + 1)
    Writer().write(connection, [item(AGENT.payload(1)), item(twin.payload(1))])
    assert [entry.reason for entry in entries(connection)] == ["seq-reused"]
    assert [(result.gone, result.reads) for result in retry_all(connection)] == [(True, 20)]
    assert sorted(map(str, stored(connection))) == sorted(map(str, AGENT.expected([1]) + twin.expected([1])))
    assert ledger.latest(connection) == {("riverside", "edge-1"): Committed("b1", 1)}, "no agent hears of that boot"


def test_reads_that_an_agent_has_sent_again_under_a_new_boot_are_not_doubled(connection: Connection) -> None:
    twin = FakeAgent(start_us=AGENT.start_us + 1)
    Writer().write(connection, [item(AGENT.payload(1)), item(twin.payload(1))])
    again = FakeAgent(start_us=AGENT.start_us + 1, boot="b2")
    Writer().write(connection, [item(again.payload(1))])
    before = stored(connection)
    assert [(result.gone, result.reads) for result in retry_all(connection)] == [(True, 0)]
    assert stored(connection) == before


def sent(seq: int, shift_us: int = 0, first: int = 1, agent: FakeAgent = AGENT, version: int = 1) -> Item:
    """As an agent sends it that perhaps knows its clock by then, and has more or less to send."""
    clock = "corrected" if shift_us else ""
    payload = encode(agent.batch(seq)).replace(b'"v":1', b'"v":%d' % version)
    return item(with_first(payload, first, shift=shift_us, clock=clock))


def add_store(connection: Connection, *readers: str, store: str = "riverside", at_us: int = AGENT.start_us) -> None:
    text = STORE_FILE.replace("riverside", store) + "".join(READER.format(id=reader) for reader in readers)
    assert add_layout(connection, text, ledger.utc(at_us))


def upgrade(connection: Connection) -> None:
    """Stands for a version that reads what is in the quarantine."""
    query = """UPDATE quarantine SET payload = decode(replace(encode(payload, 'escape'), '"v":2', '"v":1'), 'escape')"""
    connection.execute(query.encode())


SHIFT_US = 5_000_000


def shifted(seqs: list[int], agent: FakeAgent = AGENT) -> list[Row]:
    return replace(agent, start_us=agent.start_us + SHIFT_US).expected(seqs)


def test_a_batch_is_one_entry_however_often_it_is_sent_and_the_last_copy_counts(connection: Connection) -> None:
    writer = Writer()
    for shift_us, first in ((0, 1), (0, 2), (SHIFT_US, 2)):
        writer.write(connection, [sent(2, shift_us, first, version=2)])
    (entry,) = entries(connection)
    assert entry.times == 3
    upgrade(connection)
    assert [(result.gone, result.reads) for result in retry_all(connection)] == [(True, 20)]
    assert stored(connection) == shifted([2])


def test_a_batch_whose_clock_was_corrected_meanwhile_is_the_same(connection: Connection) -> None:
    add_store(connection, "r00", store="hillside")
    Writer(Known()).write(connection, [sent(1)])
    assert [entry.reason for entry in entries(connection)] == ["unknown-store"]
    add_store(connection, "r00", "r01", "r02")
    Writer(Known()).write(connection, [sent(1, SHIFT_US)])
    assert [(result.gone, result.reads) for result in retry_all(connection)] == [(True, 0)]
    assert stored(connection) == shifted([1])


@pytest.mark.parametrize("version", [1, 2], ids=["number used twice", "not readable"])
def test_two_entries_of_one_batch_give_its_reads_once(connection: Connection, version: int) -> None:
    twin = FakeAgent(start_us=AGENT.start_us + 1)
    if version == 1:
        Writer().write(connection, [sent(1)])
    before = stored(connection)
    Writer().write(connection, [sent(1, agent=twin, version=version)])
    # As before the hash left out what an agent appends.
    connection.execute("UPDATE quarantine SET sha256 = sha256(payload)")
    Writer().write(connection, [sent(1, SHIFT_US, agent=twin, version=version)])
    assert len(entries(connection)) == 2
    upgrade(connection)
    assert sorted((result.gone, result.reads) for result in retry_all(connection)) == [(True, 0), (True, 20)]
    assert len(stored(connection)) == len(before) + 20


def test_the_rest_of_a_batch_has_the_clock_of_what_was_taken(connection: Connection) -> None:
    add_store(connection, "r00")
    Writer(Known()).write(connection, [sent(1, SHIFT_US)])
    Writer(Known()).write(connection, [sent(1)])
    for number, readers in enumerate((["r00", "r01"], ["r00", "r01", "r02"]), 1):
        add_store(connection, *readers, at_us=AGENT.start_us + number)
        retry_all(connection)
    assert entries(connection) == []
    assert stored(connection) == shifted([1])
    clocks = connection.execute("SELECT DISTINCT clock, clock_shift_us FROM batch").fetchall()
    assert clocks == [("corrected", SHIFT_US)]


def thin(connection: Connection) -> None:
    """Retention drops everything that is there."""
    connection.execute("UPDATE batch SET committed_at = committed_at - interval '400 days'")
    assert drop_reads(connection, ledger.utc(AGENT.start_us + 400 * DAY_US), 180) == 1
    assert stored(connection) == []


@pytest.mark.parametrize("place_kept", [True, False])
def test_what_was_not_readable_is_taken_after_retention_went_over_it(
    connection: Connection, *, place_kept: bool
) -> None:
    writer = Writer()
    writer.write(connection, [sent(1), sent(2, version=2), sent(3)])
    thin(connection)
    assert ledger_rows(connection) == {("b1", 2): 0}
    if not place_kept:  # an earlier version let go of it
        connection.execute("DELETE FROM batch")
    upgrade(connection)
    assert [(result.gone, result.reads) for result in retry_all(connection)] == [(True, 20)]
    assert stored(connection) == AGENT.expected([2])
    assert writer.write(connection, [sent(1), sent(2), sent(3)]).duplicates == 3


def test_a_number_used_twice_gives_its_reads_after_retention_too(connection: Connection) -> None:
    twin = FakeAgent(start_us=AGENT.start_us + 1)
    Writer().write(connection, [sent(1), sent(1, agent=twin)])
    thin(connection)
    assert [(result.gone, result.reads) for result in retry_all(connection)] == [(True, 20)]
    assert stored(connection) == twin.expected([1])


@pytest.mark.parametrize("boot", ["b\0", LONG])
def test_names_that_no_database_takes_stay(connection: Connection, boot: str) -> None:
    Writer().write(connection, [item(FakeAgent(boot=boot).payload(1))])
    for _ in range(2):
        ((gone, reads),) = [(result.gone, result.reads) for result in retry_all(connection)]
        assert (gone, reads) == (False, 0)
        (entry,) = entries(connection)
        assert (entry.reason, entry.times) == ("refused-by-database", 1)


def event(epc: str, second: int, antenna: int = 1) -> dict[str, object]:
    moment = datetime.fromtimestamp(AGENT.start_us / 1e6 + second, UTC)
    return {
        "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S}.500Z",
        "eventType": "tagInventory",
        "tagInventoryEvent": {"epcHex": epc, "antennaPort": antenna, "peakRssiCdbm": -4160},
    }


EPCS = ["E28011606000020000000001", "E28011606000020000000002"]


@pytest.mark.parametrize("stamped", [True, False])
def test_the_rest_of_what_a_reader_published_is_taken_once(connection: Connection, stamped: bool) -> None:
    events = [event(EPCS[0], 1), event(EPCS[0], 1), event("nonsense", 2), event(EPCS[1], 3)]
    for each in events:
        if not stamped:
            del each["timestamp"]
    payload = json.dumps(events).encode()
    Writer().write(connection, [item(payload, VENDOR)])
    (entry,) = entries(connection)
    assert len(stored(connection)) == 3
    for _ in range(2):
        assert [(result.gone, result.reads) for result in retry_all(connection)] == [(False, 0)]
    assert entries(connection) == [entry]

    # The upgrade: what was nonsense is a tag. The reads that were taken keep their time and are known by it.
    mend(connection, payload.replace(b"nonsense", EPCS[1].encode()))
    assert [(result.gone, result.reads) for result in retry_all(connection)] == [(True, 1)]
    tags = sorted(row[4] for row in stored(connection))
    assert tags == [EPCS[0], EPCS[0], EPCS[1], EPCS[1]]
    assert entries(connection) == []


def test_a_status_never_replaces_a_newer_one(connection: Connection) -> None:
    def status(name: str, second: int) -> bytes:
        return json.dumps({"v": 1, "agent": name, "state": "online", "time_us": AGENT.start_us + second}).encode()

    writer = Writer()
    bad = status("edge-1", 1).replace(b'"v": 1', b'"v": 2')
    writer.write(connection, [item(bad, AGENT.status_topic), item(status("edge-1", 2), AGENT.status_topic)])
    mend(connection, status("edge-1", 1))
    (result,) = retry_all(connection)
    assert (result.gone, result.words) == (True, "a status older than the one that the database has")
    assert connection.execute("SELECT time FROM agent_status").fetchall() == [(ledger.utc(AGENT.start_us + 2),)]

    other = FakeAgent(name="edge-2")
    writer.write(connection, [item(status("edge-2", 1).replace(b'"v": 1', b'"v": 2'), other.status_topic)])
    mend(connection, status("edge-2", 1))
    assert [(result.gone, result.words) for result in retry_all(connection)] == [(True, "the status is taken")]
    assert connection.execute("SELECT count(*) FROM agent_status").fetchone() == (2,)


def test_what_was_cut_stays(connection: Connection) -> None:
    Writer().write(connection, [item(b"x" * 17_000_000)])
    (result,) = retry_all(connection)
    assert (result.gone, result.words) == (False, "only 65536 of its 17000000 bytes were kept")


def test_entries_are_found_by_reason_store_and_time(connection: Connection) -> None:
    other = FakeAgent(store="hillside")
    messages = [item(b"\xff"), item(b"\xfe"), item(b"\xff", other.topic), item(b"[", VENDOR)]
    Writer().write(connection, [*messages, item(AGENT.payload(1).replace(b'"v":1', b'"v":2')), item(b"\xff")])

    def count(**choice: Any) -> int:
        return len(quarantine.entries(connection, Choice(**choice)))

    assert [count(), count(reason="version"), count(store="hillside"), count(store="riverside")] == [5, 1, 1, 4]
    assert count(reason="not-json", store="riverside") == 3
    now = connection.execute("SELECT now()").fetchone()
    assert now is not None
    assert count(since=now[0]) == 0
    found = {tally.reason: (tally.messages, tally.times) for tally in quarantine.tallies(connection, Choice())}
    assert found == {"not-json": (4, 5), "version": (1, 1)}
    assert len(quarantine.entries(connection, Choice(), limit=2)) == 2
