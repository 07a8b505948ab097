"""What the other threads tell the main loop.

Reads are bounded: a reader's thread waits while too many are untaken, so a slow disk slows the serial lines down and
nothing is dropped. Events are few and never wait, so the network's thread keeps the connection alive meanwhile.
"""

from collections.abc import Sequence
from threading import Condition
from typing import Generic, TypeVar

from tagtrail.hardware.reads import TagRead

EventT = TypeVar("EventT")


class Inbox(Generic[EventT]):
    """Many writers, one taker who always takes all there is."""

    def __init__(self, reads_max: int) -> None:
        self._reads_max = reads_max
        self._reads: list[TagRead] = []
        self._events: list[EventT] = []
        self._changed = Condition()

    def put_reads(self, reads: Sequence[TagRead]) -> None:
        """Hand over reads, waiting for room; one call's reads stay together."""
        with self._changed:
            while len(self._reads) >= self._reads_max:
                self._changed.wait()
            self._reads.extend(reads)
            self._changed.notify_all()

    def put_event(self, event: EventT) -> None:
        """Hand over an event at once."""
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def take(self, timeout_s: float) -> tuple[list[TagRead], list[EventT]]:
        """All that came, in order; waits up to ``timeout_s`` for anything."""
        with self._changed:
            if not self._reads and not self._events:
                self._changed.wait(timeout_s)
            reads, events = self._reads, self._events
            self._reads, self._events = [], []
            self._changed.notify_all()
            return reads, events
