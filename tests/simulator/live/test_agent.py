"""An agent that the simulator plays, without a broker."""

from typing import Any

import numpy as np
import pytest

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols import load_json_format
from tagtrail.hardware.protocols.interface import Counters
from tagtrail.hardware.wire import Committed, TimeAnswer, decode_batch, decode_status, encode, unpack_reads
from tagtrail.simulator.live.agent import HEAR_S, Agent, Clockwork
from tagtrail.simulator.live.course import Sightings
from tagtrail.simulator.live.faults import YEAR_US, Fault
from tagtrail.simulator.live.vendor import EVENTS_MAX, Maker, vendor_messages

START_US = 1_773_453_600_000_000
WRONG = Fault(kind="wrong-clock")


def sightings(count: int) -> Sightings:
    index = np.arange(count)
    return Sightings(
        time_us=START_US + index * 1000,
        offset_us=index * 1000,
        antenna=index % 2,
        epc=np.array([f"E280{number % 7:020X}" for number in range(count)], dtype=object),
        rssi_dbm=(-40.0 - index % 30).astype(np.float64),
        antennas=[("r01", 1), ("r02", 4)],
    )


def agent(*faults: Fault, **changes: int) -> Agent:
    return Agent(
        "edge-1", ["r01", "r02"], faults=faults, clockwork=Clockwork(START_US, 1.0), boot="b1", resend_s=5.0, **changes
    )


def test_batches_hold_all_reads_and_are_kept_until_committed() -> None:
    mine, seen = agent(batch_reads=10, inflight=3), sightings(95)
    mine.add(seen, np.arange(95))
    assert (mine.reads, mine.waiting, mine.counts) == (95, 10, {"r01": 48, "r02": 47})
    first = [decode_batch(payload) for payload in mine.due(0.0)]
    assert [batch.seq for batch in first] == [1, 2, 3]  # no more on the way
    assert mine.due(1.0) == []
    mine.received("committed", encode(Committed("other", 9)), 1.0)
    assert mine.waiting == 10
    mine.received("committed", encode(Committed("b1", 2)), 1.0)
    second = [decode_batch(payload) for payload in mine.due(1.0)]
    assert [(batch.seq, batch.first) for batch in second] == [(4, 3), (5, 3)]
    assert mine.due(5.9) == []
    assert [decode_batch(payload).seq for payload in mine.due(6.0)] == [3, 4, 5]  # commits have stopped
    mine.again()
    assert [decode_batch(payload).seq for payload in mine.due(6.0)] == [3, 4, 5]  # a new connection
    mine.received("committed", encode(Committed("b1", 10)), 6.0)
    assert (mine.waiting, mine.due(60.0)) == (0, [])
    reads = [read for batch in first for read in unpack_reads(batch)]
    assert [(read.time_us, read.reader, read.antenna, read.epc, read.rssi_dbm) for read in reads] == [
        (time_us, *seen.antennas[antenna], epc, rssi_dbm)
        for time_us, antenna, epc, rssi_dbm in zip(
            seen.time_us[:30].tolist(), seen.antenna[:30].tolist(), seen.epc[:30], seen.rssi_dbm[:30], strict=True
        )
    ]


def test_a_wrong_clock_is_corrected_when_ingest_has_told_the_time() -> None:
    mine = agent(WRONG)
    assert mine.wants_time(START_US)
    status = decode_status(mine.status("online", START_US))
    assert status.run_us == START_US - 26 * YEAR_US
    assert not mine.wants_time(START_US)
    mine.add(sightings(5), np.arange(5))
    assert mine.due(0.1) == []  # it listens first
    mine.received("time", encode(TimeAnswer(status.run_us, START_US + 2000)), 0.2)
    (batch,) = map(decode_batch, mine.due(0.3))
    assert (batch.shift, batch.clock) == (26 * YEAR_US + 2000, "corrected")
    assert batch.t0 + batch.shift == START_US + 2000
    assert decode_status(mine.status("stopped", START_US)).time_us == START_US + 2000


def test_a_wrong_clock_that_nobody_corrects_is_said_to_be_unknown() -> None:
    mine = agent(WRONG)
    mine.status("online", START_US)
    mine.add(sightings(5), np.arange(5))
    assert mine.due(0.0) == []
    (batch,) = map(decode_batch, mine.due(HEAR_S))
    assert (batch.shift, batch.clock, batch.t0) == (0, "unknown", START_US - 26 * YEAR_US)


def test_a_clock_that_is_right_says_nothing() -> None:
    mine = agent()
    status = decode_status(mine.status("online", START_US))
    mine.received("time", encode(TimeAnswer(status.run_us, START_US + 9_000_000)), 0.2)  # ingest was busy
    mine.add(sightings(5), np.arange(5))
    (batch,) = map(decode_batch, mine.due(0.3))
    assert (batch.shift, batch.clock) == (0, "")


def test_what_ingest_cannot_have_said_is_refused() -> None:
    with pytest.raises(BadData):
        agent().received("committed", b"?", 0.0)


@pytest.mark.parametrize(("maker", "name"), [("impinj", "impinj-iot-json"), ("zebra", "zebra-iotc-json")])
def test_fixed_readers_say_what_their_decoders_read(maker: Maker, name: str) -> None:
    seen, rows = sightings(2 * EVENTS_MAX + 2), np.arange(1, 2 * EVENTS_MAX + 2, 2)
    messages = vendor_messages(maker, seen, rows, 0)
    assert len(messages) == 2
    events: list[Any] = [*load_json_format(name).decode(messages, Counters())]
    tags = [tag for event in events for tag in event["tags"]]
    told = [(tag["epc"], tag["antenna"], tag["rssi_dbm"]) for tag in tags]
    assert told == [(seen.epc[row], 4, seen.rssi_dbm[row]) for row in rows.tolist()]
    assert tags[0]["timestamp_utc"].startswith("2026-03-14T02:00:00.001")
