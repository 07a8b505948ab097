import logging
import os
import pty
import random
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from fixture_edge import wait_for
from tagtrail.edge import reader_task
from tagtrail.edge.link import Link, Tap
from tagtrail.edge.reader_task import ReaderTask, Wiring
from tagtrail.edge.usb import Port
from tagtrail.hardware.protocols.interface import Counters, Event, ReaderFault, State, StateChanged, TagSeen
from tagtrail.hardware.reads import TagRead

NOW_US = 1_773_453_600_000_000
EPC = "E28011606000020512345678"


class FixedClock:
    def __init__(self, time_us: int = NOW_US) -> None:
        self.time_us = time_us

    def now_us(self) -> int:
        return self.time_us

    def seconds_until(self, time_us: int) -> float:
        return 0.0


class ByteSession:
    """A session that turns each byte into the event that the test has put under it."""

    def __init__(self, events: dict[bytes, Event]) -> None:
        self.state = State.CLOSED
        self.counters = Counters()
        self.events = events
        self.closes = True
        self._told: list[Event] = []

    def _enter(self, state: State, why: str) -> None:
        self.state = state
        self._told.append(StateChanged(state, why))

    def open(self, now_s: float) -> bytes:
        self._enter(State.STREAMING, "opened")
        return b"?"

    def feed(self, data: bytes, now_s: float) -> tuple[list[Event], bytes]:
        for i in range(len(data)):
            byte = data[i : i + 1]
            if byte == b"!":
                raise ZeroDivisionError
            if byte == b"F":
                self._enter(State.FAILED, "it said F")
            elif byte in self.events:
                self._told.append(self.events[byte])
        return self.tick(now_s)

    def tick(self, now_s: float) -> tuple[list[Event], bytes]:
        told, self._told = self._told, []
        return told, b""

    def due_s(self) -> float:
        return float("inf")

    def close(self, now_s: float) -> bytes:
        if self.closes:
            self._enter(State.CLOSED, "closed")
        return b"."


class Bench:
    """One task on a pseudo-terminal; the test holds the other end."""

    def __init__(self, events: dict[bytes, Event], antennas: tuple[int, ...], time_us: int) -> None:
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.session = ByteSession(events)
        self.reads: list[TagRead] = []
        self.changes = 0
        wiring = Wiring("r01", os.ttyname(self.slave), 115_200, antennas)
        self.task = ReaderTask(
            wiring,
            self.session,
            clock=FixedClock(time_us),
            deliver=self.deliver,
            changed=self.changed,
            rng=random.Random(1),
        )
        self.task.start()

    def deliver(self, reads: Sequence[TagRead]) -> None:
        self.reads += reads

    def changed(self) -> None:
        self.changes += 1

    def wait_open(self) -> None:
        assert os.read(self.master, 1) == b"?"

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    def close(self) -> None:
        self.task.stop()
        wait_for(lambda: not self.task.alive, "the end of the task")
        os.close(self.master)
        os.close(self.slave)


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeBench]:
    monkeypatch.setattr(reader_task, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(reader_task, "CLOSE_S", 0.2)
    made: list[Bench] = []

    def make(
        events: dict[bytes, Event] | None = None, antennas: tuple[int, ...] = (1, 2), time_us: int = NOW_US
    ) -> Bench:
        made.append(Bench(events or {}, antennas, time_us))
        made[-1].wait_open()  # opening a port throws away what came before
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    ("seen", "read", "reason"),
    [
        (TagSeen(epc=EPC, antenna=2, rssi_dbm=-50, count=3), TagRead(NOW_US, "r01", 2, EPC, -50, 3), None),
        (TagSeen(epc=EPC, antenna=1), TagRead(NOW_US, "r01", 1, EPC, None), None),
        (TagSeen(epc=EPC, antenna=1, rssi_dbm=-400), TagRead(NOW_US, "r01", 1, EPC, None), "bad-rssi"),
        (TagSeen(epc=EPC, antenna=1, rssi_dbm=float("nan")), TagRead(NOW_US, "r01", 1, EPC, None), "bad-rssi"),
        (TagSeen(epc=EPC), None, "bad-antenna"),
        (TagSeen(epc=EPC, antenna=0), None, "bad-antenna"),
        (TagSeen(epc="", antenna=1), None, "bad-epc"),
        (TagSeen(epc=EPC.lower(), antenna=1), None, "bad-epc"),
        (TagSeen(epc=EPC, antenna=1, count=0), None, "bad-count"),
        (TagSeen(epc=EPC, antenna=1, count=40_000), None, "bad-count"),
    ],
)
def test_what_ingest_would_refuse_is_counted_here(
    bench: MakeBench, seen: TagSeen, read: TagRead | None, reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    one = bench({b"T": seen, b"E": TagSeen(epc="00" * 4, antenna=1)})
    one.say(b"TTE")
    wait_for(lambda: one.reads and one.reads[-1].epc == "00" * 4, "the reads")
    assert one.reads[:-1] == ([read, read] if read else [])
    assert one.session.counters.rejected == ({reason: 2} if reason else {})
    status = one.task.status()
    assert status.rejected == (2 if reason else 0)
    assert status.reads == sum(r.count for r in one.reads)
    assert len([message for message in caplog.messages if "rejected" in message]) == (1 if reason else 0)


def test_a_reader_with_one_antenna_need_not_name_it(bench: MakeBench) -> None:
    one = bench({b"T": TagSeen(epc=EPC)}, antennas=(4,))
    one.say(b"T")
    wait_for(lambda: one.reads, "the read")
    assert one.reads[0].antenna == 4


def test_reads_without_a_clock_are_refused(bench: MakeBench, caplog: pytest.LogCaptureFixture) -> None:
    one = bench({b"T": TagSeen(epc=EPC, antenna=1)}, time_us=0)
    one.say(b"T")
    wait_for(lambda: one.session.counters.rejected == {"bad-time": 1}, "the rejection")
    assert "the clock of this machine is not set" in caplog.text


def test_a_failed_session_is_opened_anew_and_told_once(bench: MakeBench, caplog: pytest.LogCaptureFixture) -> None:
    one = bench({b"T": TagSeen(epc=EPC, antenna=1)})
    for _ in range(3):
        one.say(b"F")
        one.wait_open()
    one.say(b"T")
    wait_for(lambda: one.reads, "a read after all")
    status = one.task.status()
    assert (status.state, status.error, status.reconnects) == ("streaming", None, 3)
    assert "reader r01: it said F; trying again for ever" in caplog.messages
    assert one.changes >= 7


def test_a_missing_port_is_tried_again_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader_task, "RETRY_FIRST_S", 0.01)
    tries: list[str] = []

    def link(port: str, baud: int, tap: Tap | None) -> Link:
        tries.append(port)
        return Link(port, baud, tap)

    monkeypatch.setattr(reader_task, "Link", link)
    wiring = Wiring("r01", str(tmp_path / "ttyX"), 115_200, (1,))
    task = ReaderTask(
        wiring,
        ByteSession({}),
        clock=FixedClock(),
        deliver=lambda _: None,
        changed=lambda: None,
        rng=random.Random(1),
    )
    task.start()
    wait_for(lambda: len(tries) >= 4, "tries")
    task.stop()
    wait_for(lambda: not task.alive, "the end")
    assert sum("there is no such port" in message for message in caplog.messages) == 1


def test_a_reader_plugged_in_elsewhere_is_found_by_its_serial_number(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [pty.openpty(), pty.openpty()]
    plugged: list[ListPortInfo] = []
    monkeypatch.setattr(reader_task, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(reader_task, "Port", lambda name: Port(name, lambda: plugged))
    task = ReaderTask(
        Wiring("r01", "usb:A1", 115_200, (1,)),
        ByteSession({}),
        clock=FixedClock(),
        deliver=lambda _: None,
        changed=lambda: None,
        rng=random.Random(1),
    )
    task.start()
    for times, (master, slave) in enumerate(lines):
        wait_for(lambda: "usb:A1 is not plugged in" in str(task.status().error), "a word about it")
        tty.setraw(slave)
        port = ListPortInfo(os.ttyname(slave), skip_link_detection=True)
        port.serial_number = "A1"
        plugged.append(port)
        wait_for(lambda: task.status().state == "streaming", "streaming")
        assert task.status().reconnects == times
        assert f"reader r01: its port usb:A1 is {port.device} now" in caplog.messages
        plugged.clear()
        os.close(slave)
        os.close(master)
    task.stop()
    wait_for(lambda: not task.alive, "the end")


def test_an_unexpected_error_does_not_end_the_task(bench: MakeBench, caplog: pytest.LogCaptureFixture) -> None:
    one = bench({b"T": TagSeen(epc=EPC, antenna=1)})
    one.say(b"!")
    one.wait_open()
    one.say(b"T")
    wait_for(lambda: one.reads, "a read after all")
    assert "unexpected error" in caplog.text


def test_a_fault_of_the_reader_shows_in_its_status(bench: MakeBench, caplog: pytest.LogCaptureFixture) -> None:
    one = bench({b"H": ReaderFault(0x0504, "too hot"), b"A": ReaderFault(0x0503, "no antenna")})
    one.say(b"HAHAHAH")
    wait_for(lambda: "no antenna" in caplog.text and "too hot" in (one.task.status().error or ""), "the faults")
    assert one.task.status().error == "the reader reports too hot (0x0504)"
    assert sum("no antenna" in message for message in caplog.messages) == 1
    assert sum("too hot" in message for message in caplog.messages) == 1


def test_a_stop_asks_the_reader_and_takes_what_still_comes(bench: MakeBench) -> None:
    one = bench({b"T": TagSeen(epc=EPC, antenna=1)})
    one.session.closes = False
    one.task.stop()
    assert os.read(one.master, 1) == b"."
    one.say(b"T")
    wait_for(lambda: not one.task.alive, "the end")
    assert len(one.reads) == 1
    assert one.task.status().state == "closed"


def test_a_stop_does_not_wait_for_a_reader_that_says_nothing(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    one = bench()
    one.session.closes = False
    one.task.stop()
    wait_for(lambda: not one.task.alive, "the end")
    assert "did not confirm its stop" in caplog.text


def test_a_full_inbox_holds_the_task_up_and_loses_nothing(bench: MakeBench) -> None:
    one = bench({b"T": TagSeen(epc=EPC, antenna=1)})
    full = threading.Event()
    gate = threading.Event()
    kept: list[TagRead] = []

    def slow(reads: Sequence[TagRead]) -> None:
        full.set()
        gate.wait(30)
        kept.extend(reads)

    one.task._deliver = slow
    one.say(b"T")
    assert full.wait(30)
    one.say(b"T" * 100)
    assert kept == []
    gate.set()
    wait_for(lambda: len(kept) == 101, "all reads")


@pytest.fixture(autouse=True)
def all_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tagtrail.edge")
