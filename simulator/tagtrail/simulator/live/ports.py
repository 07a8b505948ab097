"""Readers on lines: what a host opens is a serial line, and at its end a reader obeys.

The kernel's buffer behind a line holds some KiB; behind that each reader has a buffer of its own, and when both are
full it drops tag frames, as a real reader does. A host may close, die and come back.
"""

import logging
import math
import select
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Final, Self

import numpy as np

from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import ReaderModel, TagSeen
from tagtrail.hardware.store import Reader
from tagtrail.simulator.live.faults import Fault
from tagtrail.simulator.live.follow import WAKE_MAX_S
from tagtrail.simulator.live.lines import Line, LineMaker

BUFFER_SIZE: Final = 64 * 1024
"""Bytes of answers and tags that a reader keeps for a host that does not read."""
UNTOLD_MAX: Final = 1024
"""Tags that a reader which reads in rounds keeps for the next one; a host that works asks for it at once."""
IDLE_S: Final = 1.0
"""A reader that sees no tags says so about once a second, in the time of the host's watchdog."""
OPENING_S: Final = 1.5
"""Hosts empty a port after they have opened it. A reader waits with what it has to say for the first words of its host,
or for so long where the host never says any."""
TORN_S: Final = 0.2
"""How long a host that was reading may take to make room for the rest of a frame; others wait meanwhile."""
_FRAME_MAX: Final = 300
"""Bytes of the longest tag frame of any family."""
_KERNEL_FRAMES: Final = 16 * 1024
"""Tag frames that the kernel's buffers can hold at most."""
_WRITE_SIZE: Final = 16 * 1024

log = logging.getLogger("tagtrail.simulate")


class Port:
    """One reader on one line.

    Attributes:
        reader: What the store file says.
        line: What a host opens.
        sent: Tag frames whose last byte the line took, and kept.
        dropped: Tags that did not fit the buffer, or found no round.
        lost: Tags that nobody could hear: the line was out, or the reader silent or without power.
    """

    def __init__(self, reader: Reader, line: Line, model: ReaderModel | None = None) -> None:
        self.reader, self.line = reader, line
        self.sent = self.dropped = self.lost = 0
        self._model = model or load_family(reader.protocol).reader()
        self._buffer = bytearray()
        self._taken = self._queued = 0
        self._tag_ends: deque[int] = deque()
        self._told_ends: deque[int] = deque(maxlen=_KERNEL_FRAMES)
        self._untold: deque[TagSeen] = deque()
        self._streaming_since_s: float | None = None
        self._last_frame_s = 0.0
        self._quiet_until_s = math.inf
        self._troubles: frozenset[str] = frozenset()
        self._waking = b""

    @property
    def powers_dbm(self) -> Mapping[int, float]:
        """Transmit power per antenna port that the reader searches now; none while it is not reading."""
        return self._model.powers_dbm if self._model.streaming and "power-cut" not in self._troubles else {}

    @property
    def waiting(self) -> int:
        """Bytes that the line has not taken yet."""
        return len(self._buffer)

    @property
    def unsent(self) -> int:
        """Tags that the line has not taken yet: in the buffer, or kept for the next round."""
        return len(self._tag_ends) + len(self._untold)

    @property
    def has_room(self) -> bool:
        """Whether another tag will not be dropped."""
        return len(self._untold) < UNTOLD_MAX and len(self._buffer) + _FRAME_MAX * (1 + len(self._untold)) < BUFFER_SIZE

    @property
    def writable(self) -> bool:
        """Whether somebody is there to hear, and the reader may speak."""
        return not self._troubles and time.monotonic() >= self._quiet_until_s

    def send(self, seen: TagSeen) -> bool:
        """Report a tag, in this round of reading or the next; False if nobody will hear of it."""
        if self._troubles:
            self.lost += 1
            return False
        if len(self._untold) >= UNTOLD_MAX:
            self.dropped += 1
            return False
        dropped = self.dropped
        self._untold.append(seen)
        self._tell()
        return self.dropped == dropped

    def suffer(self, troubles: Collection[str]) -> None:
        """From now on these are wrong: of ``unplug``, ``silence`` and ``power-cut``; none is well."""
        before, self._troubles = self._troubles, frozenset(troubles)
        if before == self._troubles:
            return
        begun, over = self._troubles - before, before - self._troubles
        log.info("%s: %s", self.reader.id, ", ".join(sorted(self._troubles)) or "all is well again")
        if "unplug" in begun:
            self._lose_last(self.line.unplug())
            self._quiet_until_s = math.inf
        if self._troubles:
            self.lost += self._forget_waiting()
        if "power-cut" in begun:
            self._waking = self._model.reboot()
        if "unplug" in over:
            self._plug()
        if "power-cut" in over:
            self.say(self._waking)

    def _plug(self) -> None:
        try:
            self.line.plug()
        except OSError as error:
            raise GiveUp(f"{self.line.address} cannot come back: {error}") from None

    def _lose_last(self, size: int) -> None:
        """The last bytes that the line took have not been heard."""
        while self._told_ends and self._told_ends[-1] > self._taken - size:
            self._told_ends.pop()
            self.sent -= 1
            self.lost += 1

    def _tell(self) -> None:
        """Report the tags that are kept, as far as the round goes."""
        while self._untold and self._model.streaming and (frame := self._model.tag(self._untold[0])):
            self._untold.popleft()
            if len(self._buffer) + len(frame) > BUFFER_SIZE:
                self.dropped += 1
            else:
                self.say(frame)
                self._tag_ends.append(self._queued)

    def receive(self) -> None:
        """Take what the host has said, and notice whether one is there."""
        data = self.line.read()
        if not self.line.attached:
            self._quiet_until_s = math.inf
        elif data:
            self._quiet_until_s = 0.0
        elif self._quiet_until_s == math.inf:
            self._quiet_until_s = time.monotonic() + OPENING_S
        if not data or self._troubles:
            return
        answer = self._model.feed(data)
        if len(self._buffer) + len(answer) > 2 * BUFFER_SIZE:
            log.warning("%s: the host asks and never reads the answers; some are lost", self.reader.id)
        else:
            self.say(answer)
            self._tell()

    def idle(self, now_s: float) -> None:
        """Say that there are no tags, when it is time."""
        if not self._model.streaming or self._troubles:
            self._streaming_since_s = None
        elif self._streaming_since_s is None:
            self._streaming_since_s = self._last_frame_s = now_s
        elif now_s - self._last_frame_s >= IDLE_S:
            self._last_frame_s = now_s
            if not self._buffer:  # a host that does not read needs no more of these
                self.say(self._model.idle(int((now_s - self._streaming_since_s) * 1000)))

    def flush(self, now_s: float) -> None:
        """Give the line as much as it takes.

        A reader does not pause within a frame, and hosts give up one that stays unfinished. So where the kernel took a
        part, the host gets a moment to make room for the rest.
        """
        torn = False
        while self._buffer and self.writable:
            piece = bytes(self._buffer[:_WRITE_SIZE])
            taken = self.line.write(piece)
            if not taken and not (torn and self._gets_room()):
                break
            torn = 0 < taken < len(piece)
            del self._buffer[:taken]
            self._taken += taken
            while self._tag_ends and self._tag_ends[0] <= self._taken:
                self._told_ends.append(self._tag_ends.popleft())
                self.sent += 1
                self._last_frame_s = now_s

    def _gets_room(self) -> bool:
        end = self.line.writes_to()
        if end is None:
            return False
        poll = select.poll()
        poll.register(end, select.POLLOUT)
        return bool(poll.poll(TORN_S * 1000))

    def give_up_waiting(self) -> None:
        """Drop the tags that no host has read, and all else that waits with them."""
        self.dropped += self._forget_waiting()

    def _forget_waiting(self) -> int:
        tags = self.unsent
        self._tag_ends.clear()
        self._untold.clear()
        self._buffer.clear()
        self._queued = self._taken
        return tags

    def close(self) -> None:
        """Take the reader away."""
        self.line.unplug()

    def say(self, data: bytes) -> None:
        """Send bytes that are no tag frame."""
        self._buffer += data
        self._queued += len(data)


class Ports:
    """All readers of a store, served by one loop.

    Args:
        readers: What the store file says.
        make_line: Makes the line of each.
        models: By reader, what is on its port instead of a simulated reader of its protocol.
        folder: Goes before the names of the lines, where several stores share their maker.

    Raises:
        GiveUp: A line cannot be had.
    """

    def __init__(
        self,
        readers: tuple[Reader, ...],
        make_line: LineMaker,
        models: Mapping[str, ReaderModel] | None = None,
        folder: str = "",
    ) -> None:
        self.ports: dict[str, Port] = {}
        try:
            for reader in readers:
                model = (models or {}).get(reader.id)
                self.ports[reader.id] = Port(reader, make_line(folder + reader.id), model)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def serve(self, timeout_s: float) -> None:
        """Exchange bytes with all hosts; return after ``timeout_s``, or earlier when a host has spoken."""
        serve([self], timeout_s)

    @property
    def waiting(self) -> int:
        """Bytes that the lines have not taken yet."""
        return sum(port.waiting for port in self.ports.values())

    @property
    def unsent(self) -> int:
        """Tags that the lines have not taken yet."""
        return sum(port.unsent for port in self.ports.values())

    @property
    def sent(self) -> int:
        """Tag frames sent by all readers."""
        return sum(port.sent for port in self.ports.values())

    @property
    def asleep(self) -> list[str]:
        """Readers that no host has started."""
        return [name for name, port in self.ports.items() if not port.powers_dbm]

    def close(self) -> None:
        """Take all readers away."""
        for port in self.ports.values():
            port.close()
        self.ports.clear()


def serve(several: Collection[Ports], timeout_s: float) -> None:
    """Exchange bytes with the hosts of several stores; return after ``timeout_s``, or earlier when one has spoken."""
    now_s = time.monotonic()
    poll, heard_by = select.poll(), dict[int, Port]()
    for port in (port for ports in several for port in ports.ports.values()):
        port.receive()
        port.idle(now_s)
        port.flush(now_s)
        for end in port.line.waits_for():
            poll.register(end, select.POLLIN)
            heard_by[end] = port
        end_written = port.line.writes_to()
        if port.waiting and port.writable and end_written in heard_by:
            poll.modify(end_written, select.POLLIN | select.POLLOUT)
    for end, _ in poll.poll(timeout_s * 1000):
        port = heard_by[end]
        port.receive()
        port.flush(time.monotonic())


def keep_alive(ports: Ports, stop: Callable[[], bool]) -> None:
    """Serve the lines, without tags, until told to stop: hosts end their readers in their own time."""
    while not stop():
        ports.serve(WAKE_MAX_S)


class LineFaults:
    """Makes the faults of a scenario happen to the readers of a store and their lines.

    Args:
        faults: All of the scenario.
        ports: Whom they happen to.
        rng: What garbage is made of.
    """

    def __init__(self, faults: Collection[Fault], ports: Ports, rng: np.random.Generator) -> None:
        self._rng = rng
        self._by_port = [
            (port, mine)
            for port in ports.ports.values()
            if (mine := [fault for fault in faults if fault.reader in ("", port.reader.id)])
        ]

    def turn(self, time_s: float) -> None:
        """It is so many seconds after the start; to be told once per cycle at least."""
        for port, faults in self._by_port:
            active = [fault for fault in faults if fault.active(time_s)]
            port.suffer({fault.kind for fault in active} & {"unplug", "silence", "power-cut"})
            for fault in active:
                if fault.kind == "garbage" and port.has_room:
                    port.say(self._rng.bytes(fault.garbage_bytes))

    def end(self) -> None:
        """All is well from now on."""
        for port, _ in self._by_port:
            port.suffer(())
