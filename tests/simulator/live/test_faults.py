"""Faults by themselves: when they hold, whom they hit, what they do to gains, clocks and the order of messages."""

from collections import Counter

import numpy as np
import pytest

from tagtrail.hardware.store import Store
from tagtrail.simulator.live.faults import (
    YEAR_US,
    Disorder,
    Fault,
    antenna_gain_db,
    at_agent,
    at_reader,
    clock_error_us,
    unchanged_until_s,
)

ANTENNAS = [("r01", 1), ("r01", 2), ("r02", 1)]


def test_a_broken_antenna_loses_each_way_while_it_is_broken() -> None:
    faults = [
        Fault(kind="antenna", reader="r01", antenna=2, loss_db=10.0, at=1.0, minutes=2.0),
        Fault(kind="antenna", reader="r01", antenna=2, loss_db=5.0, at=2.0, minutes=2.0),
        Fault(kind="antenna", reader="r02", antenna=1, at=3.0),
        Fault(kind="silence", reader="r01"),
    ]
    told = {time_s: antenna_gain_db(faults, ANTENNAS, time_s).tolist() for time_s in (0, 59.9, 60, 120, 180, 240)}
    inf = float("inf")
    assert told == {
        0: [0, 0, 0], 59.9: [0, 0, 0], 60: [0, -10, 0], 120: [0, -15, 0], 180: [0, -5, -inf], 240: [0, 0, -inf],
    }  # fmt: skip
    edges, time_s = [], 0.0
    while (time_s := unchanged_until_s(faults, time_s)) != inf:
        edges.append(time_s)
    assert edges == [60, 120, 180, 240]


def test_faults_hit_whom_they_name() -> None:
    faults = [Fault(kind="unplug", reader="r01"), Fault(kind="silence"), Fault(kind="duplicate", agent="edge-2")]
    assert [fault.kind for fault in at_reader(faults, "r01", 1.0)] == ["unplug", "silence"]
    assert [fault.kind for fault in at_reader(faults, "r02", 1.0)] == ["silence"]
    assert list(at_agent(faults, "edge-1", 1.0)) == []
    assert [fault.kind for fault in at_agent(faults, "edge-2", 1.0)] == ["duplicate"]


def test_clocks_are_off_and_slow() -> None:
    faults = [
        Fault(kind="wrong-clock", agent="edge-1", at=1.0, minutes=1.0),
        Fault(kind="slow-clock", agent="edge-1", at=1.0, slow_s_per_hour=36.0),
    ]
    assert clock_error_us(faults, "edge-1", 59.0) == 0
    assert clock_error_us(faults, "edge-1", 60.0) == -26 * YEAR_US
    assert clock_error_us(faults, "edge-1", 160.0) == -1_000_000
    assert clock_error_us(faults, "edge-2", 100.0) == 0


def test_messages_come_twice_and_in_another_order_and_all_come() -> None:
    faults = [Fault(kind="duplicate", share=0.5, minutes=1.0), Fault(kind="reorder", share=1.0, minutes=1.0)]
    messages = [b"%d" % number for number in range(300)]

    def arriving(seed: int) -> list[bytes]:
        way = Disorder(faults, "edge-1", np.random.default_rng(seed))
        got = [got for first in range(0, 300, 10) for got in way.pass_on(messages[first : first + 10], first / 10)]
        return got + way.end()

    got = arriving(1)
    assert set(got) == set(messages)
    assert set(Counter(got).values()) == {1, 2}
    assert got != sorted(got, key=int)
    assert got == arriving(1) != arriving(2)
    well = Disorder(faults, "edge-1", np.random.default_rng(1))
    assert well.pass_on(messages, 60.0) == messages


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(kind="unplug", reader="r9"), "reader: 'r9' is no reader of store 'corner-shop'; it has r01, r02, r03"),
        (Fault(kind="antenna", reader="r01"), "antenna: say which one: reader and antenna"),
        (Fault(kind="antenna", reader="r01", antenna=9), "antenna: reader 'r01' has no antenna 9"),
        (Fault(kind="silence", reader="r01", antenna=1), "antenna: a fault of kind 'silence' is not one of an antenna"),
        (Fault(kind="silence", agent="a"), "agent: a fault of kind 'silence' happens to a reader, not to an agent"),
        (Fault(kind="reorder", reader="r01"), "reader: a fault of kind 'reorder' happens to an agent, not to a reader"),
    ],
)
def test_faults_that_cannot_be_are_told(store: Store, fault: Fault, told: str) -> None:
    assert fault.faults(store) == [told]


def test_faults_that_can_be(store: Store) -> None:
    assert Fault(kind="antenna", reader="r03", antenna=4).faults(store) == []
    assert Fault(kind="wrong-clock").faults(store) == []
