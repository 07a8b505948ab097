"""The queue between the thread of the broker and those that write."""

import threading
import time

from tagtrail.ingest.inbox import Inbox
from tagtrail.ingest.intake import Message


def message(number: int, size: int = 1) -> Message:
    return Message(f"topic/{number}", bytes(size))


def test_messages_come_out_in_order_and_in_the_groups_asked_for() -> None:
    inbox = Inbox(100)
    assert inbox.put([message(0), message(1)], 0)
    assert inbox.put([message(2)], 0)
    assert len(inbox) == 3
    assert inbox.take(2, 0) == [message(0), message(1)]
    assert inbox.take(2, 0) == [message(2)]
    assert inbox.take(2, 0) == []


def test_a_full_inbox_takes_no_more_until_something_is_taken() -> None:
    inbox = Inbox(2)
    assert inbox.put([message(0), message(1), message(2)], 0)  # as long as there is room for one
    assert not inbox.put([message(3)], 0.01)
    inbox.take(2, 0)
    assert inbox.put([message(3)], 0)


def test_long_messages_fill_it_sooner_and_none_is_too_long_for_it() -> None:
    inbox = Inbox(100, most_bytes=10)
    assert inbox.put([message(0, size=1_000)], 0)
    assert not inbox.put([message(1)], 0.01)
    inbox.take(1, 0)
    assert inbox.put([message(1, size=9)], 0)
    assert inbox.put([message(2, size=9)], 0)


def test_it_waits_for_more_only_while_more_comes() -> None:
    inbox = Inbox(100)

    def come() -> None:
        for number in range(3):
            inbox.put([message(number)], 0)

    threading.Timer(0.02, come).start()
    begun_s = time.monotonic()
    taken: list[Message] = []
    while len(taken) < 3:
        taken += inbox.take(64, timeout_s=30, quiet_s=0.05, longest_s=30)
    assert taken == [message(number) for number in range(3)]
    assert time.monotonic() - begun_s < 30
