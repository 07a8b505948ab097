"""Plays a capture: what a reader sent in the field, once more on a line.

Only the reader's bytes are played, at their recorded times in the time of the clock, or faster. Nobody thinks up
answers, but what was recorded behind a command of the host waits for the host to send as many bytes as it had then: so
the same host finds its answers when it looks for them, whatever the speed. Who says less is waited for only so long.
"""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tagtrail.hardware.capture import Capture, Kind, lines
from tagtrail.hardware.clock import Clock
from tagtrail.hardware.errors import BadData, GiveUp
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.store import Reader
from tagtrail.simulator.live.follow import WAKE_MAX_S, WAKE_MIN_S
from tagtrail.simulator.live.lines import LineMaker
from tagtrail.simulator.live.ports import BUFFER_SIZE, Port, Ports, keep_alive

HOST_LATE_S: Final = 2.0
"""Longest real time that bytes wait for the host's command before them; the first ones wait for ever."""

log = logging.getLogger("tagtrail.replay")


class CapturedReader:
    """What is on the port: it counts what the host says, and answers nothing by itself.

    See `tagtrail.hardware.protocols.interface.ReaderModel`.
    """

    def __init__(self) -> None:
        self.streaming = False
        self.powers_dbm: dict[int, float] = {}
        self.heard = 0

    def feed(self, data: bytes) -> bytes:
        """Take the host's bytes."""
        self.heard += len(data)
        return b""

    def tag(self, seen: TagSeen) -> bytes:
        """Never asked for: it is not streaming."""
        raise RuntimeError(f"a capture cannot report {seen.epc}")

    def idle(self, reader_time_ms: int) -> bytes:  # noqa: ARG002 - part of the interface
        """Says nothing that was not recorded."""
        return b""

    def reboot(self) -> bytes:
        """Remembers nothing of the host's."""
        return b""


def replay_capture(
    path: Path, *, make_line: LineMaker, clock: Clock, speed: float = 1.0, stop: Callable[[], bool]
) -> None:
    """Play a capture on a line named as its reader, ``speed`` times as fast as it was recorded, until ``stop``.

    Raises:
        GiveUp: The file is no capture, or cannot be read; or there can be no such line.
    """
    try:
        with path.open("rb") as file:
            capture = Capture(lines(file))
            reader = Reader(capture.header.reader, capture.header.protocol, ())
            model = CapturedReader()
            with Ports((reader,), make_line, {reader.id: model}) as ports:
                log.info("%s in %s: waiting for a host to open it", ports.ports[reader.id].line.address, path)
                size = _play(capture, speed, ports, ports.ports[reader.id], model, clock, stop)
                log.info(
                    "the capture is over: %d bytes were sent%s", size, f"; {note}" if (note := capture.note) else ""
                )
                keep_alive(ports, stop)
    except BadData as bad:
        raise GiveUp(f"{path}: {bad}") from None
    except OSError as error:
        raise GiveUp(f"{path}: {error.strerror}") from None


def _play(
    capture: Capture,
    speed: float,
    ports: Ports,
    port: Port,
    model: CapturedReader,
    clock: Clock,
    stop: Callable[[], bool],
) -> int:
    """Send all that the reader sent; returns the number of bytes."""
    size = said = 0
    shift_us: int | None = None  # from the recorded times, as sped up, to the clock's
    for record in capture.records():
        if record.kind is Kind.TO_READER:
            said += len(record.data)
        if record.kind is not Kind.FROM_READER:
            continue
        time_us = round(record.time_us / speed)
        while shift_us is not None and clock.now_us() < time_us + shift_us and not stop():
            ports.serve(min(WAKE_MAX_S, max(WAKE_MIN_S, clock.seconds_until(time_us + shift_us))))
        late_s = math.inf if shift_us is None else time.monotonic() + HOST_LATE_S
        waited = shift_us is None or model.heard < said
        while model.heard < said and time.monotonic() < late_s and not stop():
            ports.serve(WAKE_MAX_S)
        while port.waiting + len(record.data) > BUFFER_SIZE and not stop():
            ports.serve(WAKE_MAX_S)
        if stop():
            break
        if waited:  # all that follows is as late, so that the intervals stay
            shift_us = clock.now_us() - time_us
        port.say(record.data)
        size += len(record.data)
    while ports.waiting and not stop():
        ports.serve(WAKE_MAX_S)
    return size
