"""Readers on pseudo-terminals: what a host opens is a serial line, and at its end a reader obeys.

The kernel's buffer behind a pseudo-terminal holds some KiB; behind that each reader has a buffer of its own, and when
both are full it drops tag frames, as a real reader does. The slave end stays open here, so that a host may close, die
and come back; what it has not read is still there then.
"""

import logging
import os
import selectors
import time
import tty
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import ReaderModel, TagSeen
from tagtrail.hardware.store import Reader

BUFFER_SIZE: Final = 64 * 1024
"""Bytes of answers and tags that a reader keeps for a host that does not read."""
UNTOLD_MAX: Final = 1024
"""Tags that a reader which reads in rounds keeps for the next one; a host that works asks for it at once."""
IDLE_S: Final = 1.0
"""A reader that sees no tags says so about once a second, in the time of the host's watchdog."""
_FRAME_MAX: Final = 300
"""Bytes of the longest tag frame of any family."""
_READ_SIZE: Final = 4096
_WRITE_SIZE: Final = 16 * 1024

log = logging.getLogger("tagtrail.simulate")


class Port:
    """One reader on one pseudo-terminal.

    Attributes:
        reader: What the store file says.
        link: The path that a host opens.
        sent: Tag frames whose last byte the pseudo-terminal took.
        dropped: Tags that did not fit the buffer, or found no round.
    """

    def __init__(self, reader: Reader, link: Path, model: ReaderModel | None = None) -> None:
        self.reader = reader
        self.link = link
        self.sent = self.dropped = 0
        self._model = model or load_family(reader.protocol).reader()
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self._buffer = bytearray()
        self._taken = self._queued = 0
        self._tag_ends: deque[int] = deque()
        self._untold: deque[TagSeen] = deque()
        self._streaming_since_s: float | None = None
        self._last_frame_s = 0.0
        new = link.with_name(link.name + ".new")
        new.unlink(missing_ok=True)
        new.symlink_to(os.ttyname(self._slave))
        new.replace(link)

    @property
    def powers_dbm(self) -> Mapping[int, float]:
        """Transmit power per antenna port that the reader searches now; none while it is not reading."""
        return self._model.powers_dbm if self._model.streaming else {}

    @property
    def waiting(self) -> int:
        """Bytes that the pseudo-terminal has not taken yet."""
        return len(self._buffer)

    @property
    def unsent(self) -> int:
        """Tags that the pseudo-terminal has not taken yet: in the buffer, or kept for the next round."""
        return len(self._tag_ends) + len(self._untold)

    @property
    def has_room(self) -> bool:
        """Whether another tag will not be dropped."""
        return len(self._untold) < UNTOLD_MAX and len(self._buffer) + _FRAME_MAX * (1 + len(self._untold)) < BUFFER_SIZE

    def send(self, seen: TagSeen) -> bool:
        """Report a tag, in this round of reading or the next; False if it was dropped."""
        if len(self._untold) >= UNTOLD_MAX:
            self.dropped += 1
            return False
        dropped = self.dropped
        self._untold.append(seen)
        self._tell()
        return self.dropped == dropped

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
        """Take what the host has written."""
        try:
            data = os.read(self.master, _READ_SIZE)
        except BlockingIOError:
            return
        answer = self._model.feed(data)
        if len(self._buffer) + len(answer) > 2 * BUFFER_SIZE:
            log.warning("%s: the host asks and never reads the answers; some are lost", self.reader.id)
        else:
            self.say(answer)
            self._tell()

    def idle(self, now_s: float) -> None:
        """Say that there are no tags, when it is time."""
        if not self._model.streaming:
            self._streaming_since_s = None
        elif self._streaming_since_s is None:
            self._streaming_since_s = self._last_frame_s = now_s
        elif now_s - self._last_frame_s >= IDLE_S:
            self._last_frame_s = now_s
            if not self._buffer:  # a host that does not read needs no more of these
                self.say(self._model.idle(int((now_s - self._streaming_since_s) * 1000)))

    def flush(self, now_s: float) -> None:
        """Give the pseudo-terminal as much as it takes."""
        while self._buffer:
            try:
                taken = os.write(self.master, bytes(self._buffer[:_WRITE_SIZE]))
            except BlockingIOError:
                break
            del self._buffer[:taken]
            self._taken += taken
            while self._tag_ends and self._tag_ends[0] <= self._taken:
                self._tag_ends.popleft()
                self.sent += 1
                self._last_frame_s = now_s

    def give_up_waiting(self) -> None:
        """Drop the tags that no host has read, and all else that waits with them."""
        self.dropped += self.unsent
        self._tag_ends.clear()
        self._untold.clear()
        self._buffer.clear()
        self._queued = self._taken

    def close(self) -> None:
        """Take the reader away."""
        if self.link.is_symlink() and str(self.link.readlink()) == os.ttyname(self._slave):
            self.link.unlink()
        os.close(self.master)
        os.close(self._slave)

    def say(self, data: bytes) -> None:
        """Send bytes that are no tag frame."""
        self._buffer += data
        self._queued += len(data)


class Ports:
    """All readers of a store, served by one loop.

    Args:
        readers: What the store file says.
        ports_dir: Where the links go.
        models: By reader, what is on its port instead of a simulated reader of its protocol.

    Raises:
        GiveUp: The folder for the links cannot be used.
    """

    def __init__(
        self, readers: tuple[Reader, ...], ports_dir: Path, models: Mapping[str, ReaderModel] | None = None
    ) -> None:
        self.ports: dict[str, Port] = {}
        self._selector = selectors.DefaultSelector()
        try:
            ports_dir.mkdir(parents=True, exist_ok=True)
            for reader in readers:
                port = self.ports[reader.id] = Port(reader, ports_dir / reader.id, (models or {}).get(reader.id))
                self._selector.register(port.master, selectors.EVENT_READ, port)
        except OSError as error:
            self.close()
            raise GiveUp(f"ports_dir {ports_dir}: cannot make the links of the serial ports: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def serve(self, timeout_s: float) -> None:
        """Exchange bytes with all hosts; return after ``timeout_s``, or earlier when a host has spoken."""
        now_s = time.monotonic()
        for port in self.ports.values():
            port.idle(now_s)
            port.flush(now_s)
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if port.waiting else 0)
            if self._selector.get_key(port.master).events != events:
                self._selector.modify(port.master, events, port)
        for key, events in self._selector.select(timeout_s):
            port = key.data
            if events & selectors.EVENT_READ:
                port.receive()
            port.flush(time.monotonic())

    @property
    def waiting(self) -> int:
        """Bytes that the pseudo-terminals have not taken yet."""
        return sum(port.waiting for port in self.ports.values())

    @property
    def unsent(self) -> int:
        """Tags that the pseudo-terminals have not taken yet."""
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
        self._selector.close()
        for port in self.ports.values():
            port.close()
        self.ports.clear()
