"""One reader: drives its session over its serial line in a thread of its own, and never gives up."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tagtrail.edge.backoff import Backoff
from tagtrail.edge.link import Link, LinkError, Tap
from tagtrail.edge.usb import Port
from tagtrail.edge.window import COUNT_MAX
from tagtrail.hardware.clock import Clock
from tagtrail.hardware.protocols.interface import (
    Event,
    HostSession,
    ReaderFault,
    State,
    StateChanged,
    TagSeen,
    Temperature,
)
from tagtrail.hardware.reads import EPC_PATTERN, RSSI_MAX_DBM, RSSI_MIN_DBM, TagRead
from tagtrail.hardware.wire import TIME_MAX_US, TIME_MIN_US, ReaderStatus

log = logging.getLogger("tagtrail.edge")

RETRY_FIRST_S: Final = 0.5
RETRY_LIMIT_S: Final = 5.0
"""To look for a port costs next to nothing, and a reader that is plugged in again should not be waited for."""
WAIT_MAX_S: Final = 0.5
"""Longest wait for bytes, so that a stop is seen soon."""
CLOSE_S: Final = 4.5
"""How long a reader may take to stop before the port is closed all the same: two stop commands, each with the time in
which a session waits for queued tags."""
FAULT_SHOWN_S: Final = 60.0
"""How long a fault that the reader reported stays in its status, and is not logged again."""


@dataclass(frozen=True)
class Wiring:
    """What the store file says about one reader, as far as its thread needs it."""

    reader: str
    port: str
    baud: int
    antennas: tuple[int, ...]
    protocol: str = ""


class ReaderTask:
    """Keeps one reader streaming.

    Args:
        wiring: The reader and its port.
        session: The protocol; used by this task's thread alone.
        clock: Gives the time of a read: one stamp for each chunk of bytes, taken on arrival.
        deliver: Takes reads, and may block; called in this task's thread.
        changed: Called in this task's thread whenever the state has changed.
        rng: For the jitter between two tries.
        tap: Hears the bytes of the line.
    """

    def __init__(
        self,
        wiring: Wiring,
        session: HostSession,
        *,
        clock: Clock,
        deliver: Callable[[Sequence[TagRead]], None],
        changed: Callable[[], None],
        rng: random.Random,
        tap: Tap | None = None,
    ) -> None:
        self._wiring = wiring
        self._port = Port(wiring.port)
        self._device = wiring.port
        self._tap = tap
        self._session = session
        self._clock = clock
        self._deliver = deliver
        self._changed = changed
        self._backoff = Backoff(RETRY_FIRST_S, RETRY_LIMIT_S, rng)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader-{wiring.reader}", daemon=True)
        # Read by other threads; each is replaced as a whole.
        self._state = State.CLOSED
        self._error: str | None = None
        self._fault: tuple[float, str] | None = None
        self._faults_logged_s: dict[str, float] = {}
        self._temperature_c: float | None = None
        self._reads = 0
        self._opened = 0

    @property
    def reader(self) -> str:
        """Id of the reader."""
        return self._wiring.reader

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the reader to stop, without waiting for it."""
        self._stopping.set()

    @property
    def alive(self) -> bool:
        """Whether reads may still come."""
        return self._thread.is_alive()

    def status(self, reads_refused: int = 0) -> ReaderStatus:
        """Health of this reader; may be called from any thread.

        Args:
            reads_refused: What became of its reads behind this task.
        """
        counters = self._session.counters
        fault = self._fault
        recent = fault[1] if fault and time.monotonic() - fault[0] < FAULT_SHOWN_S else None
        rejected_by = counters.rejected.copy()
        return ReaderStatus(
            reader=self._wiring.reader,
            state=self._state.value,
            reads=self._reads,
            frames=counters.frames,
            keepalives=counters.keepalives,
            bytes_dropped=counters.bytes_dropped,
            checksum_errors=counters.checksum_errors,
            resyncs=counters.resyncs,
            rejected=sum(rejected_by.values()),
            reconnects=max(0, self._opened - 1),
            temperature_c=self._temperature_c,
            error=self._error or recent,
            port=self._wiring.port,
            bytes_in=counters.bytes_in,
            timeouts=counters.timeouts,
            rejected_by=rejected_by,
            reads_refused=reads_refused,
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                device = self._port.device()
                with Link(device, self._wiring.baud, self._tap) as link:
                    self._opened += 1
                    self._port.opened()
                    self._note_device(device)
                    self._converse(link)
            except LinkError as error:
                self._move(State.FAILED, str(error))
            except Exception as error:
                # A fault of ours must not silence this reader for ever, nor touch the others.
                log.exception("reader %s: unexpected error, its port is opened anew", self._wiring.reader)
                self._move(State.FAILED, f"internal error: {error!r}")
            self._stopping.wait(self._backoff.next_s())
        self._move(State.CLOSED, "the agent stops")

    def _converse(self, link: Link) -> None:
        """Talk until the session has failed or, when stopping, until the reader has stopped.

        Raises:
            LinkError: The line broke.
        """
        session = self._session
        link.write(session.open(time.monotonic()))
        closing_until_s: float | None = None
        while True:
            data = link.read(min(WAIT_MAX_S, max(0.0, session.due_s() - time.monotonic())))
            now_s, time_us = time.monotonic(), self._clock.now_us()
            if data:
                events, answer = session.feed(data, now_s)
                link.write(answer)
                self._handle(events, time_us)
            events, answer = session.tick(now_s)
            link.write(answer)
            self._handle(events, time_us)
            if session.state is State.FAILED or (closing_until_s and session.state is State.CLOSED):
                return
            if closing_until_s is None and self._stopping.is_set():
                closing_until_s = now_s + CLOSE_S
                link.write(session.close(now_s))
            if closing_until_s is not None and now_s >= closing_until_s:
                log.warning("reader %s: did not confirm its stop within %g s", self._wiring.reader, CLOSE_S)
                return

    def _handle(self, events: Sequence[Event], time_us: int) -> None:
        reads = []
        for event in events:
            match event:
                case TagSeen():
                    read = self._read_of(event, time_us)
                    if read is not None:
                        reads.append(read)
                case StateChanged(state, why):
                    self._move(state, why)
                case Temperature(temperature_c):
                    self._temperature_c = temperature_c
                case ReaderFault(code, name):
                    self._note_fault(f"the reader reports {name} ({code:#06x})")
        if reads:
            self._reads += sum(read.count for read in reads)
            self._deliver(reads)

    def _read_of(self, seen: TagSeen, time_us: int) -> TagRead | None:
        """The read that a sighting amounts to, or None (and counted) where ingest would refuse it."""
        only = self._wiring.antennas[0] if len(self._wiring.antennas) == 1 else None
        antenna = only if seen.antenna is None else seen.antenna
        rssi_dbm = seen.rssi_dbm
        if rssi_dbm is not None and not RSSI_MIN_DBM <= rssi_dbm <= RSSI_MAX_DBM:
            self._reject("bad-rssi", f"signal strength {rssi_dbm} dBm, left out of its read")
            rssi_dbm = None
        if not EPC_PATTERN.fullmatch(seen.epc):
            fault = "bad-epc", f"tag {seen.epc!r}"
        elif antenna is None or not 1 <= antenna <= 255:
            fault = "bad-antenna", f"antenna {antenna}, where the store file has {self._wiring.antennas}"
        elif not 1 <= seen.count <= COUNT_MAX:
            fault = "bad-count", f"read count {seen.count}"
        elif not TIME_MIN_US <= time_us <= TIME_MAX_US:
            fault = "bad-time", "the clock of this machine is not set; set it, e.g. by NTP"
        else:
            return TagRead(time_us, self._wiring.reader, antenna, seen.epc, rssi_dbm, seen.count)
        self._reject(*fault)
        return None

    def _reject(self, reason: str, what: str) -> None:
        """Count, and say it the first time."""
        counters = self._session.counters
        counters.reject(reason)
        if counters.rejected[reason] == 1:
            log.warning(
                "reader %s: rejected (%s): %s; more of these are only counted", self._wiring.reader, reason, what
            )

    def _note_device(self, device: str) -> None:
        if device != self._device:
            log.info("reader %s: its port %s is %s now", self._wiring.reader, self._wiring.port, device)
            self._device = device

    def _note_fault(self, text: str) -> None:
        """Note a fault for the status; the log has each at most once in `FAULT_SHOWN_S`, however they alternate."""
        now_s = time.monotonic()
        self._fault = (now_s, text)
        if now_s - self._faults_logged_s.get(text, -math.inf) < FAULT_SHOWN_S:
            return
        log.warning("reader %s: %s", self._wiring.reader, text)
        self._faults_logged_s[text] = now_s
        for other, logged_s in list(self._faults_logged_s.items()):
            if now_s - logged_s >= FAULT_SHOWN_S:
                del self._faults_logged_s[other]

    def _move(self, state: State, why: str) -> None:
        """Note a state; log what is news: each failure once, each recovery, and the steps before the first failure."""
        known = self._error
        if state is State.STREAMING:
            self._backoff.reset()
            self._error = None
            log.info("reader %s: streaming (%s)", self._wiring.reader, why)
        elif state is State.FAILED:
            self._error = why
            level = logging.DEBUG if why == known else logging.WARNING
            log.log(level, "reader %s: %s; trying again for ever", self._wiring.reader, why)
        elif state is not self._state:
            lost = self._state is State.STREAMING and not self._stopping.is_set()
            level = logging.WARNING if lost else logging.DEBUG if known else logging.INFO
            log.log(level, "reader %s: %s (%s)", self._wiring.reader, state.value, why)
        if state is not self._state or self._error != known:
            self._state = state
            self._changed()
