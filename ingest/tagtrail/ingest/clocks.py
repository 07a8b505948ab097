"""What ingest knows of the agents' clocks: tells them the time, measures how far they are off, marks what is wrong."""

import threading
from collections import deque
from typing import Final, NamedTuple

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.wire import (
    CLOCK_CORRECTED,
    CLOCK_UNKNOWN,
    LATEST_US,
    PLAUSIBLE_US,
    AgentStatus,
    TimeAnswer,
    decode_status,
    encode,
    parse_topic,
    time_topic,
)

AHEAD_US: Final = 10_000_000
"""Reads further in the future cannot be: the clock they were stamped by is fast."""
BEHIND_US: Final = 366 * 86_400 * 1_000_000
"""Nor can an agent have kept reads for longer than this: a clock that has never been set."""
MEASURED_US: Final = 300 * 1_000_000
"""The least delay of this time counts: what a message was late is never less than nothing."""
SKEW_MAX_US: Final = 2**62


class ClockNote(NamedTuple):
    """What the ledger says of the clock that a batch was stamped by; None: nothing is wrong, nothing was added."""

    state: str | None = None
    shift_us: int | None = None


RIGHT: Final = ClockNote()


def note_clock(clock: str, shift_us: int, *, first_us: int, last_us: int, received_us: int) -> ClockNote:
    """Judge the times of a batch.

    Args:
        clock: What the agent says of its clock, see `ReadBatch`.
        shift_us: Its correction, which is in the times.
        first_us: Time of its first read, with the agent's correction.
        last_us: Time of its last read.
        received_us: When it came, by ingest's clock; 0 if that is not known.
    """
    state = None
    if clock == CLOCK_CORRECTED or shift_us:
        state = CLOCK_CORRECTED
    if received_us and not (received_us - BEHIND_US <= first_us and last_us <= received_us + AHEAD_US):
        state = CLOCK_UNKNOWN
    if clock not in ("", CLOCK_CORRECTED):  # also what only a later version can say
        state = CLOCK_UNKNOWN
    return ClockNote(state, shift_us or None)


def time_answer(topic: str, payload: bytes, now_us: int) -> tuple[str, bytes] | None:
    """Topic and payload that tell an agent the time, where this message is a status that asks for it.

    None too where ingest cannot know the time, as on a machine whose clock has not been set.
    """
    if not topic.endswith("/status") or not PLAUSIBLE_US <= now_us <= LATEST_US:
        return None
    try:
        store, agent, _ = parse_topic(topic)
        status = decode_status(payload)
    except BadData:
        return None
    if status.state != "online" or not status.run_us:
        return None
    return time_topic(store, agent), encode(TimeAnswer(status.run_us, now_us))


class Skews:
    """How much later it is here than on the clocks of the agents' machines, from the statuses they send.

    May be used by several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], deque[tuple[int, int]]] = {}

    def measure(self, store: str, status: AgentStatus, received_us: int) -> int | None:
        """Microseconds, the least of the last minutes; None where the status does not tell."""
        if status.state != "online" or not status.wall_us or not received_us:
            return None
        skew_us = max(-SKEW_MAX_US, min(received_us - status.wall_us, SKEW_MAX_US))
        # Kept are those that may still become the least: each is greater than all before it.
        with self._lock:
            seen = self._seen.setdefault((store, status.agent), deque())
            while seen and (seen[0][0] < received_us - MEASURED_US or seen[0][0] > received_us):
                seen.popleft()
            while seen and seen[-1][1] >= skew_us:
                seen.pop()
            seen.append((received_us, skew_us))
            return seen[0][1]

    def measured(self) -> dict[tuple[str, str], int]:
        """Microseconds per store and agent, as measured last."""
        with self._lock:
            return {agent: seen[0][1] for agent, seen in self._seen.items()}
