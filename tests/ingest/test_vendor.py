"""JSON that fixed readers publish by themselves: read, and in the database once."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagtrail.hardware.reads import TagRead
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.intake import Batch, Heard, Item, Message, Rejected, read_message
from tagtrail.ingest.vendor import EARLY_MAX_US, LATE_MAX_US, UNSTAMPED_S, VendorReads, read_vendor, vendor_topic
from tagtrail.ingest.writer import Writer

EPC = "7EDA9038051002710002C0AE"
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
NOON_US = round(NOON.timestamp() * 1e6)
ZEBRA = vendor_topic("zebra", "riverside", "r01")
IMPINJ = vendor_topic("impinj", "riverside", "r02")


def zebra(epc: str = EPC, *, at: datetime | None = NOON, **data: object) -> bytes:
    stamp = {} if at is None else {"timestamp": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}+0000"}
    return json.dumps({"type": "SIMPLE", **stamp, "data": {"idHex": epc, **data}}).encode()


def read(payload: bytes, topic: str = ZEBRA, received_us: int = NOON_US) -> VendorReads:
    return read_vendor(topic, payload, received_us)


def item(payload: bytes, topic: str = ZEBRA, received_us: int = NOON_US) -> Item:
    return read_message(Message(topic, payload, None, received_us))


def test_reads_of_both_makers() -> None:
    text = zebra(antenna=2, peakRssi=-61.5, reads=3) + zebra("E2801170", antenna=1)
    assert read(text).reads == [
        TagRead(NOON_US, "r01", 2, EPC, -61.5, 3),
        TagRead(NOON_US, "r01", 1, "E2801170", None, 1),
    ]
    event = {
        "timestamp": "2026-03-14T11:59:59.123456789Z",
        "tagInventoryEvent": {"epc": "ftqQOAUQAnEAAsCu", "antennaPort": 4, "peakRssiCdbm": -5750},
    }
    found = read(json.dumps([event]).encode(), IMPINJ)
    assert found.reads == [TagRead(NOON_US - 1_000_000 + 123_456, "r02", 4, EPC, -57.5, 1)]
    assert (found.agent, found.topic.store, found.boot) == ("vendor/impinj/r02", "riverside", "2026-03-14")


def test_what_is_not_told_is_filled_in_as_documented() -> None:
    found = read(zebra(at=None), received_us=NOON_US + 7)
    assert found.reads == [TagRead(NOON_US + 7, "r01", 1, EPC, None, 1)]
    assert found.rejected == {}


def test_a_message_is_known_by_its_content() -> None:
    one, two = zebra(antenna=1), zebra(antenna=2)
    later_us = NOON_US + 3600 * 1_000_000
    assert read(one)[1:3] == read(one, received_us=later_us)[1:3] != read(two)[1:3]
    blank = zebra(at=None)
    again_us = NOON_US + (UNSTAMPED_S - 1) * 1_000_000
    assert read(blank)[1:3] == read(blank, received_us=again_us)[1:3] != read(blank, received_us=later_us)[1:3]


def test_each_fault_has_its_reason() -> None:
    late, early = timedelta(microseconds=LATE_MAX_US + 1e6), timedelta(microseconds=EARLY_MAX_US + 1e6)
    text = b"".join(
        [
            zebra("ABC"), zebra("AB"), zebra(antenna=300), zebra(peakRssi=99), zebra(at=NOON - late),
            zebra(at=NOON + early), b'{"type":"SIMPLE","data":{}} {"x":1} oops',
        ]
    )  # fmt: skip
    found = read(text)
    assert found.reads == [TagRead(NOON_US, "r01", 1, EPC, None, 1)]
    assert found.rejected == {
        "bad-epc": 2, "bad-antenna": 1, "bad-rssi": 1, "bad-time": 2, "no-epc": 1, "unknown-event": 1, "not-json": 1,
    }  # fmt: skip


def test_heartbeats_are_heard_and_no_more() -> None:
    assert read(b'{"type":"heartbeat","data":{}}\n\n{"type":"heartbeat","data":{}}').events == {"heartbeat": 2}
    assert isinstance(item(b'{"type":"heartbeat","data":{}}'), Heard)
    assert isinstance(item(b""), Heard)
    assert isinstance(item(b'{"eventType":"overflow"}', IMPINJ), Heard)


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("tagtrail/vendor/zebra/riverside", b"{}", "topic"),
        ("tagtrail/vendor/acme/riverside/r01", b"{}", "topic"),
        ("tagtrail/vendor/zebra/River/r01", b"{}", "topic"),
        (f"tagtrail/vendor/zebra/riverside/{'r' * 65}", b"{}", "topic"),
        (ZEBRA, b"hello", "not-json"),
        (ZEBRA, b"\xff\x00", "not-json"),
        (ZEBRA, zebra("XYZ"), "bad-epc"),
    ],
)
def test_what_cannot_be_read_goes_to_the_quarantine(topic: str, payload: bytes, reason: str) -> None:
    found = item(payload, topic)
    assert isinstance(found, Rejected)
    assert (found.reason, found.key) == (reason, None)


@given(
    st.binary() | st.text().map(str.encode), st.sampled_from([ZEBRA, IMPINJ, "tagtrail/vendor/", "tagtrail/vendor/x"])
)
def test_any_bytes_at_all(payload: bytes, topic: str) -> None:
    found = item(payload, topic)
    assert isinstance(found, Batch | Rejected | Heard)
    if isinstance(found, Rejected):
        assert found.reason in ("topic", "not-json", "unknown-event", "not-an-event")


def stored(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT time, epc, reader, port, rssi_dbm, count FROM tag_read "
        "JOIN tag USING (tag_id) JOIN antenna USING (antenna_id) ORDER BY time, epc"
    ).fetchall()


def test_a_message_that_comes_again_is_in_the_database_once(connection: Connection) -> None:
    one = zebra(antenna=2, peakRssi=-61.5, reads=3)
    two = zebra("E2801170", at=NOON + timedelta(seconds=1)) + zebra("XYZ")
    blank = zebra("E2801171", at=None)
    beat = b'{"type":"heartbeat","data":{}}'
    writer = Writer()
    outcome = writer.write(connection, [item(payload) for payload in (one, two, one, blank, beat)])
    assert (outcome.batches, outcome.reads, outcome.duplicates) == (3, 3, 1)
    assert outcome.quarantined == {"bad-epc": 1}
    assert outcome.messages() == []  # nobody waits for a word
    outcome = writer.write(
        connection, [item(payload, received_us=NOON_US + 5_000_000) for payload in (one, two, blank)]
    )
    assert (outcome.batches, outcome.reads, outcome.duplicates) == (0, 0, 3)
    assert "seq-reused" not in outcome.quarantined
    assert stored(connection) == [
        (NOON, EPC, "r01", 2, -61.5, 3),
        (NOON, "E2801171", "r01", 1, None, 1),
        (NOON + timedelta(seconds=1), "E2801170", "r01", 1, None, 1),
    ]
    assert connection.execute("SELECT count(*) FROM agent_boot").fetchone() == (0,)
