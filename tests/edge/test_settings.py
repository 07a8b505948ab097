import random
import threading

import pytest

from tagtrail.edge.backoff import Backoff
from tagtrail.edge.inbox import Inbox
from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.reads import TagRead


def test_the_defaults_are_right() -> None:
    assert EdgeSettings().faults() == []
    fine = EdgeSettings(ports="/run/x/{reader}", mqtt="mqtts://broker.example", mqtt_user="u", mqtt_password="p")
    assert fine.faults() == []


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "Edge 1"},
        {"agent": ""},
        {"ports": "/dev/ttyUSB0"},
        {"mqtt": "localhost:1883"},
        {"mqtt": "http://localhost"},
        {"mqtt": "mqtt://host:port"},
        {"mqtt": "mqtt://"},
        {"mqtt": "mqtt://a..b:1883"},
        {"mqtt": "mqtt://user:secret@host"},
        {"mqtt_password": "p"},
        {"window_s": -1.0},
        {"window_s": float("nan")},
        {"batch_reads": 0},
        {"batch_reads": 1_000_000},
        {"batch_s": 0.0},
        {"status_s": float("inf")},
        {"resend_s": -1.0},
        {"inflight": 0},
        {"metrics_port": 70_000},
        {"clock": "yesterday"},
    ],
)
def test_each_fault_is_named(change: dict[str, object]) -> None:
    (fault,) = EdgeSettings(**change).faults()  # type: ignore[arg-type]
    assert next(iter(change)) in fault
    assert "secret" not in fault


def test_all_faults_are_told_at_once() -> None:
    assert len(EdgeSettings(agent="!", batch_reads=0, clock="?").faults()) == 3


def test_a_back_off_doubles_up_to_its_limit_and_starts_again() -> None:
    backoff = Backoff(0.5, 30.0, random.Random(1))
    delays = [backoff.next_s() for _ in range(10)]
    for delay, whole in zip(delays, [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30], strict=True):
        assert 0.75 * whole <= delay <= whole
    backoff.reset()
    assert backoff.next_s() <= 0.5


def test_a_full_inbox_makes_readers_wait_and_lets_events_pass() -> None:
    inbox: Inbox[str] = Inbox(2)
    read = TagRead(0, "r01", 1, "00000000", None)
    inbox.put_reads([read, read])
    writer = threading.Thread(target=inbox.put_reads, args=([read],))
    writer.start()
    inbox.put_event("news")
    first, events = inbox.take(30)
    assert (len(first), events) == (2, ["news"])
    writer.join(30)
    assert inbox.take(30) == ([read], [])
    assert inbox.take(0.001) == ([], [])
