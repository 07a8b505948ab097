"""What a message is; never an exception, whatever it is."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixture_agent import FakeAgent
from tagtrail.ingest.intake import Batch, BatchKey, Message, Rejected, Status, read_message

AGENT = FakeAgent()


def changed(**change: object) -> bytes:
    """A good batch with some of its fields changed."""
    return json.dumps({**json.loads(AGENT.payload(7)), **change}).encode()


def test_a_batch_becomes_columns_that_hold_its_reads() -> None:
    batch = read_message(Message(AGENT.topic, AGENT.payload(7, first=5)))
    assert isinstance(batch, Batch)
    assert batch.key == BatchKey("riverside", "edge-1", "b1", 7)
    assert batch.confirmed == 4
    back = [
        (int(time), *batch.antennas[antenna], batch.tags[tag], None if np.isnan(rssi) else float(rssi), int(count))
        for time, antenna, tag, rssi, count in zip(
            batch.time.astype(int), batch.antenna, batch.tag, batch.rssi_dbm, batch.count, strict=True
        )
    ]
    assert back == [
        (read.time_us, read.reader, read.antenna, read.epc, read.rssi_dbm, read.count) for read in AGENT.reads(7)
    ]


POISON = {
    "not-json": b"\x00\x01{",
    "wrong-shape": changed(tag="x"),
    "version": changed(v=2),
    "unequal-columns": changed(dt=[0]),
    "bad-header": changed(first=0),
    "bad-index": changed(tag=[99] * AGENT.rows),
    "bad-epc": changed(tags=["nonsense"] * AGENT.rows),
    "bad-antenna": changed(antenna=[0] * AGENT.rows),
    "bad-count": changed(count=[0] * AGENT.rows),
    "bad-rssi": changed(rssi=[1e9] * AGENT.rows),
    "bad-time": changed(t0=0),
    "too-large": changed(**{name: [0] * 100_001 for name in ("tag", "reader", "antenna", "dt", "rssi", "count")}),
    "wrong-agent": changed(agent="edge-2"),
}


@pytest.mark.parametrize("reason", POISON)
def test_each_poison_has_its_reason(reason: str) -> None:
    item = read_message(Message(AGENT.topic, POISON[reason]))
    assert isinstance(item, Rejected)
    assert item.reason == reason
    # The agent is told about batch 7 wherever it can be sure that it sent it.
    known = reason not in ("not-json", "wrong-agent")
    assert item.key == (BatchKey("riverside", "edge-1", "b1", 7) if known else None)


@pytest.mark.parametrize(
    "topic",
    [
        "tagtrail/v1/riverside/edge-1",
        "other/v1/a/b/reads",
        "tagtrail/v1/A b/edge-1/reads",
        "tagtrail/v1/a/b/committed",
        f"tagtrail/v1/riverside/{'x' * 65}/reads",
    ],
)
def test_a_topic_that_is_not_ours(topic: str) -> None:
    item = read_message(Message(topic, AGENT.payload(1)))
    assert isinstance(item, Rejected)
    assert item.reason == "topic"


@pytest.mark.parametrize(("first", "seq", "confirmed"), [(1, 9, 0), (9, 9, 8), (400, 9, 8)])
def test_an_agent_confirms_nothing_beyond_its_batch(first: int, seq: int, confirmed: int) -> None:
    item = read_message(Message(AGENT.topic, AGENT.payload(seq, first=first)))
    assert isinstance(item, Batch)
    assert item.confirmed == confirmed


def test_a_number_beyond_the_ledgers_is_not_entered() -> None:
    item = read_message(Message(AGENT.topic, changed(seq=2**63)))
    assert isinstance(item, Rejected)
    assert (item.reason, item.key) == ("bad-header", None)


def test_a_status() -> None:
    item = read_message(Message(AGENT.status_topic, AGENT.status("offline")))
    assert isinstance(item, Status)
    assert (item.store, item.status.agent, item.status.state) == ("riverside", "edge-1", "offline")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "wrong-shape"),
        (b'{"v":1}', "wrong-shape"),
        (FakeAgent(name="edge-2").status(), "wrong-agent"),
        (AGENT.status().replace(b'"v":1', b'"v":2'), "version"),
        (FakeAgent(start_us=-1).status(), "bad-time"),
    ],
)
def test_a_bad_status(payload: bytes, reason: str) -> None:
    item = read_message(Message(AGENT.status_topic, payload))
    assert isinstance(item, Rejected)
    assert item.reason == reason


@given(payload=st.binary(max_size=200), kind=st.sampled_from(["reads", "status"]))
def test_noise_never_raises(payload: bytes, kind: str) -> None:
    assert isinstance(read_message(Message(f"tagtrail/v1/riverside/edge-1/{kind}", payload)), Rejected)


@given(position=st.integers(0, 2000), byte=st.integers(0, 255), length=st.integers(0, 2000))
def test_a_damaged_batch_never_raises(position: int, byte: int, length: int) -> None:
    payload = bytearray(AGENT.payload(3))
    payload[position % len(payload)] = byte
    read_message(Message(AGENT.topic, bytes(payload)))
    read_message(Message(AGENT.topic, bytes(payload[:length])))


@pytest.mark.parametrize("start", [b'{"x":', b'{"agent":"edge-1","boot":"b1","seq":1,"x":'])
def test_nesting_without_end_is_no_way_in(start: bytes) -> None:
    for topic in (AGENT.topic, AGENT.status_topic):
        assert isinstance(read_message(Message(topic, start + b"[" * 100_000)), Rejected)
