"""What ingest makes of the agents' clocks. Pure."""

import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixture_agent import FakeAgent, in_threads, stored
from tagtrail.hardware.wire import TIME_MAX_US, TIME_MIN_US, AgentStatus, decode_time_answer, encode, with_first
from tagtrail.ingest.clocks import AHEAD_US, BEHIND_US, MEASURED_US, RIGHT, ClockNote, Skews, note_clock, time_answer
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.intake import Batch, Message, read_message
from tagtrail.ingest.writer import Writer

NOW_US = 1_773_453_600_000_000
AGENT = FakeAgent()
STATUS = AgentStatus(v=1, agent="edge-1", state="online", time_us=NOW_US, wall_us=NOW_US, run_us=5)


@pytest.mark.parametrize(
    ("said", "first_us", "last_us", "note"),
    [
        ({}, NOW_US, NOW_US, RIGHT),
        ({"shift": 7, "clock": "corrected"}, NOW_US, NOW_US, ClockNote("corrected", 7)),
        ({"shift": 7}, NOW_US, NOW_US, ClockNote("corrected", 7)),
        ({"clock": "unknown"}, NOW_US, NOW_US, ClockNote("unknown", None)),
        ({"clock": "of a later version"}, NOW_US, NOW_US, ClockNote("unknown", None)),
        ({}, NOW_US, NOW_US + AHEAD_US + 1, ClockNote("unknown", None)),
        ({}, NOW_US, NOW_US + AHEAD_US, RIGHT),
        ({}, NOW_US - BEHIND_US - 1, NOW_US, ClockNote("unknown", None)),
        ({}, NOW_US - BEHIND_US, NOW_US, RIGHT),
        ({"shift": -7}, NOW_US, NOW_US + AHEAD_US + 1, ClockNote("unknown", -7)),
    ],
)
def test_what_the_ledger_says(said: dict[str, object], first_us: int, last_us: int, note: ClockNote) -> None:
    batch = msgspec.structs.replace(AGENT.batch(1), **said)
    assert note_clock(batch.clock, batch.shift, first_us=first_us, last_us=last_us, received_us=NOW_US) == note
    if not said:
        assert note_clock(batch.clock, batch.shift, first_us=first_us, last_us=last_us, received_us=0) == RIGHT, (
            "not known when it came"
        )


def test_only_an_agent_that_asks_is_told_the_time() -> None:
    answer = time_answer(AGENT.status_topic, encode(STATUS), NOW_US)
    assert answer is not None
    assert answer[0] == "tagtrail/v1/riverside/edge-1/time"
    told = decode_time_answer(answer[1])
    assert (told.run_us, told.time_us) == (5, NOW_US)
    for topic, status in (
        (AGENT.topic, STATUS),
        (AGENT.status_topic, msgspec.structs.replace(STATUS, run_us=0)),
        (AGENT.status_topic, msgspec.structs.replace(STATUS, state="offline")),
    ):
        assert time_answer(topic, encode(status), NOW_US) is None
    assert time_answer(AGENT.status_topic, b"nonsense", NOW_US) is None
    assert time_answer("a/status", encode(STATUS), NOW_US) is None
    for never_set_us in (0, TIME_MIN_US, TIME_MAX_US):
        assert time_answer(AGENT.status_topic, encode(STATUS), never_set_us) is None


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.tuples(st.integers(0, MEASURED_US), st.integers(0, 10**9)), min_size=1, max_size=50),
)
def test_the_skew_is_the_least_of_the_last_minutes(skew_us: int, steps: list[tuple[int, int]]) -> None:
    skews, received_us = Skews(), NOW_US
    came: list[tuple[int, int]] = []
    for wait_us, late_us in steps:
        received_us += wait_us
        status = msgspec.structs.replace(STATUS, wall_us=received_us - skew_us - late_us)
        came.append((received_us, skew_us + late_us))
        least = min(late for at_us, late in came if at_us >= received_us - MEASURED_US)
        assert skews.measure("riverside", status, received_us) == least


def test_a_status_that_does_not_tell_measures_nothing() -> None:
    for status, received_us in (
        (msgspec.structs.replace(STATUS, wall_us=0), NOW_US),
        (msgspec.structs.replace(STATUS, state="stopped"), NOW_US),
        (STATUS, 0),
    ):
        assert Skews().measure("riverside", status, received_us) is None
    absurd = msgspec.structs.replace(STATUS, wall_us=-(10**30))
    assert Skews().measure("riverside", absurd, NOW_US) == 2**62


def test_a_batch_that_comes_again_with_another_correction_is_the_same(connection: Connection) -> None:
    writer = Writer()
    payload = encode(AGENT.batch(1))
    hour_us = 3_600_000_000
    items = [
        read_message(Message(AGENT.topic, with_first(payload, 1, shift=shift, clock=clock)))
        for shift, clock in ((0, ""), (hour_us, "corrected"), (-hour_us, "corrected"))
    ]
    assert all(isinstance(item, Batch) for item in items)
    outcomes = [writer.write(connection, [item]) for item in (items[1], items[0], items[2])]
    assert [(outcome.batches, outcome.duplicates) for outcome in outcomes] == [(1, 0), (0, 1), (0, 1)]
    assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)
    first = min(row[0] for row in stored(connection))
    assert round(first.timestamp() * 1e6) == min(read.time_us for read in AGENT.reads(1)) + hour_us
    assert connection.execute("SELECT clock, clock_shift_us FROM batch").fetchone() == ("corrected", hour_us)


@pytest.mark.parametrize("shift", [-(10**15), 10**16, 10**40])
def test_a_correction_out_of_all_time_is_refused(shift: int) -> None:
    item = read_message(Message(AGENT.topic, with_first(encode(AGENT.batch(1)), 1, shift=shift, clock="corrected")))
    assert getattr(item, "reason", None) == "bad-time"


def test_what_lies_beyond_a_gap_is_told(connection: Connection) -> None:
    writer = Writer()
    items = [read_message(Message(AGENT.topic, AGENT.payload(seq))) for seq in (1, 2, 5, 6, 9)]
    ((*_, told),) = writer.write(connection, items).messages()
    assert (told.seq, told.beyond) == (2, [(5, 6), (9, 9)])
    items = [read_message(Message(AGENT.topic, AGENT.payload(seq))) for seq in (3, 8)]
    ((*_, told),) = writer.write(connection, items).messages()
    assert (told.seq, told.beyond) == (3, [(8, 8)])
    items = [read_message(Message(AGENT.topic, AGENT.payload(seq))) for seq in (4, 7)]
    ((*_, told),) = writer.write(connection, items).messages()
    assert (told.seq, told.beyond) == (9, [])


def test_several_writers_measure_at_once() -> None:
    skews = Skews()
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def measure(writer: int) -> None:
        for round_ in range(60):
            for number in range(100):
                status = AgentStatus(
                    v=1, agent=f"edge-{number}-{round_}", state="online", time_us=1, wall_us=NOW_US - writer - number
                )
                skews.measure("riverside", status, NOW_US + round_)
            skews.measured()

    try:
        in_threads(2, measure)
    finally:
        sys.setswitchinterval(interval_s)
    assert len(skews.measured()) == 6_000
