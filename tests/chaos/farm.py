"""``python -m chaos.farm FOLDER READERS READS_PER_S``: readers on pseudo-terminals that see tags without end.

Each reader is the model of its family; a tag stays for a while and makes room for the next, as shoppers do.
"""

import os
import pty
import select
import sys
import time
import tty
from pathlib import Path
from typing import Final

from chaos.witness import epc
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import TagSeen

TURN_S: Final = 0.02
PRESENT: Final = 800
"""Tags that a reader sees at one time."""
STAY_ROUNDS: Final = 55
"""How often it sees each of them: each time a little more weakly, so no two of its reads are the same."""
STRONGEST_DBM: Final = -31.0
BURST_S: Final = 0.1
"""Reads that were not asked for in time are not made up for, beyond this."""
PENDING_MAX: Final = 4096
"""Bytes that wait for the port: the model is asked for no more tags then."""


class Reader:
    """One reader behind a pseudo-terminal. What the port does not take waits: its line loses nothing."""

    def __init__(self, number: int, path: Path, reads_per_s: float) -> None:
        self._number = number
        self._rate = reads_per_s
        self._model = load_family("mercury").reader()
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        path.symlink_to(os.ttyname(slave))
        os.close(slave)  # so that we are told whether anybody has the port open
        self._pending = b""
        self._due = 0.0
        self._next = 0
        self._idle_s = 0.0

    def turn(self, events: int, passed_s: float, now_s: float) -> None:
        """Hear and say what is due."""
        if events & select.POLLIN:
            self._pending += self._model.feed(os.read(self.master, 4096))
        elif events & select.POLLHUP:
            self._pending = b""
            return
        self._due = min(self._due + self._rate * passed_s, self._rate * BURST_S)
        if self._model.streaming and len(self._pending) < PENDING_MAX:
            count = int(self._due)
            self._due -= count
            self._pending += b"".join(self._model.tag(self._seen()) for _ in range(count))
            if now_s >= self._idle_s:
                self._idle_s = now_s + 0.5
                self._pending += self._model.idle(0)
        if self._pending:
            try:
                self._pending = self._pending[os.write(self.master, self._pending) :]
            except BlockingIOError:
                return

    def _seen(self) -> TagSeen:
        number = self._next
        self._next += 1
        turn, place = divmod(number, PRESENT)
        group, meeting = divmod(turn, STAY_ROUNDS)
        tag = group * PRESENT + place
        return TagSeen(epc=epc(self._number, tag), antenna=1 + tag % 2, rssi_dbm=STRONGEST_DBM - meeting)


def serve(folder: Path, readers: int, reads_per_s: float) -> None:
    """Play readers ``r01``, ``r02``, … until killed."""
    poll = select.poll()
    lines: dict[int, Reader] = {}
    for number in range(1, readers + 1):
        reader = Reader(number, folder / f"r{number:02d}", reads_per_s)
        poll.register(reader.master, select.POLLIN)
        lines[reader.master] = reader
    before_s = time.monotonic()
    while True:
        events = dict(poll.poll(0))
        now_s = time.monotonic()
        for master, line in lines.items():
            line.turn(events.get(master, 0), now_s - before_s, now_s)
        before_s = now_s
        time.sleep(max(0.0, TURN_S - (time.monotonic() - now_s)))


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
