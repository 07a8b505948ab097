"""What a message is; never an exception, whatever it is."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixture_agent import FakeAgent
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import with_first
from tagtrail.ingest.intake import Batch, BatchKey, Message, Rejected, Status, read_message, read_messages

AGENT = FakeAgent()


def changed(**change: object) -> bytes:
    """A good batch with some of its fields changed."""
    return json.dumps({**json.loads(AGENT.payload(7)), **change}).encode()


def reads_of(batch: Batch) -> list[TagRead]:
    own = batch.columns.of([batch.extent.rows])
    columns = (own.time.astype(int), own.antenna, own.tag, own.rssi_dbm, own.count)
    return [
        TagRead(
            time_us=time,
            reader=own.antennas[antenna].reader,
            antenna=own.antennas[antenna].port,
            epc=own.tags[tag],
            rssi_dbm=None if np.isnan(rssi) else rssi,
            count=count,
        )
        for time, antenna, tag, rssi, count in zip(*(column.tolist() for column in columns), strict=True)
    ]


def test_a_batch_becomes_columns_that_hold_its_reads() -> None:
    batch = read_message(Message(AGENT.topic, AGENT.payload(7, first=5)))
    assert isinstance(batch, Batch)
    assert batch.key == BatchKey("riverside", "edge-1", "b1", 7)
    assert batch.confirmed == 4
    assert reads_of(batch) == AGENT.reads(7)


def test_batches_that_are_read_together_keep_their_reads_and_their_order() -> None:
    other = FakeAgent(name="edge-2", store="hillside", rows=33)
    messages = [Message(agent.topic, agent.payload(seq)) for seq in (1, 2, 3) for agent in (AGENT, other)]
    messages[3:3] = [Message(AGENT.topic, POISON["bad-rssi"]), Message(AGENT.status_topic, AGENT.status())]
    items = read_messages(messages)
    assert [item.message for item in items] == messages
    assert [type(item) for item in items] == [Batch] * 3 + [Rejected, Status] + [Batch] * 3
    for item in items:
        if isinstance(item, Batch):
            agent = AGENT if item.key.agent == AGENT.name else other
            assert reads_of(item) == agent.reads(item.key.seq)
            assert {antenna.store for antenna in item.columns.of([item.extent.rows]).antennas} == {agent.store}


def test_a_repetition_has_the_same_content_whatever_it_adds() -> None:
    payload = AGENT.payload(7)
    other = changed(rssi=[-70.0] * AGENT.rows)
    again = with_first(payload, 5, shift=1_000_000, clock="corrected")
    contents = [
        item.extent.content
        for item in read_messages([Message(AGENT.topic, text) for text in (payload, again, other)])
        if isinstance(item, Batch)
    ]
    assert contents[0] == contents[1] != contents[2]


POISON: dict[str, bytes] = {
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
        "tagtrail/v1/a/b/nonsense",
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


@pytest.mark.parametrize("change", [{"seq": 2**63}, {"seq": 2**36 + 1, "first": 2**36}, {"seq": 2**28, "first": 1}])
@pytest.mark.parametrize("also", [{}, {"v": 9}])
def test_a_number_that_cannot_be_is_not_entered(change: dict[str, int], also: dict[str, int]) -> None:
    item = read_message(Message(AGENT.topic, changed(**change, **also)))
    assert isinstance(item, Rejected)
    assert (item.reason, item.key) == ("bad-seq", None)


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
