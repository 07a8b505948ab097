"""Recordings, played through simulated readers in their own time or faster, and without losing a read."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from tagtrail.hardware.clock import Clock
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.store import Store
from tagtrail.simulator.live.follow import WAKE_MAX_S, WAKE_MIN_S
from tagtrail.simulator.live.lines import LineMaker
from tagtrail.simulator.live.ports import Port, Ports, keep_alive
from tagtrail.simulator.progress import Pace
from tagtrail.simulator.truth import TEXT, TIME, ReaderCount, Summary, Table, begin, iso, schema

LABELS_SCHEMA: Final = schema(epc=TEXT, trial=TEXT, time=TIME, place=TEXT)

log = logging.getLogger("tagtrail.replay")


class RecordedRead(msgspec.Struct, frozen=True, gc=False):
    """One line of a recording.

    Attributes:
        time_s: Seconds since the start of the recording.
        reader: Id of the reader in the store file.
        seen: What the reader reports.
        trial: Name of the trial that it belongs to.
        place: Where the person was according to the label: a zone of the store file; '' where there is no label.
    """

    time_s: float
    reader: str
    seen: TagSeen
    trial: str = ""
    place: str = ""


def check(reads: Sequence[RecordedRead], store: Store) -> None:
    """See that the store has what the recording was made with.

    Raises:
        FaultsError: It lacks a reader, an antenna or a zone.
    """
    antennas = {(reader.id, antenna.port) for reader in store.reader for antenna in reader.antenna}
    zones = {zone.id for zone in store.zone}
    faults = [
        f"reader {reader} has no antenna {antenna}, which is in the recording"
        for reader, antenna in sorted({(read.reader, read.seen.antenna or 1) for read in reads} - antennas)
    ]
    faults += [f"there is no zone {place}, which is in the recording" for place in sorted(_places(reads) - zones)]
    if faults:
        raise FaultsError(f"store {store.id}", faults)


def _places(reads: Sequence[RecordedRead]) -> set[str]:
    return {read.place for read in reads if read.place}


class Player:
    """Feeds the ports with the reads of a recording, each when its time has come.

    A reader whose host has not started it, or does not keep up, is waited for; the others go on meanwhile.
    """

    def __init__(
        self, reads: Sequence[RecordedRead], ports: Mapping[str, Port], clock: Clock, start_us: int, speed: float
    ) -> None:
        self._clock = clock
        self._queues: list[tuple[Port, set[int], deque[tuple[int, TagSeen]]]] = []
        for name, port in ports.items():
            mine = [read for read in reads if read.reader == name]
            queue = deque((start_us + round(read.time_s / speed * 1e6), read.seen) for read in mine)
            self._queues.append((port, {read.seen.antenna or 1 for read in mine}, queue))

    @property
    def left(self) -> int:
        """Reads that no port has been given yet."""
        return sum(len(queue) for _, _, queue in self._queues)

    @property
    def waited_for(self) -> list[str]:
        """Readers with reads left that no host has started with all antennas of the recording."""
        return [
            port.reader.id for port, antennas, queue in self._queues if queue and not antennas <= set(port.powers_dbm)
        ]

    def play(self) -> float:
        """Send what is due; returns the real seconds until more is."""
        now_us = self._clock.now_us()
        next_s = WAKE_MAX_S
        for port, antennas, queue in self._queues:
            if not antennas <= port.powers_dbm.keys():
                continue
            while queue and queue[0][0] <= now_us and port.has_room:
                port.send(queue.popleft()[1])
            if queue:
                next_s = min(next_s, self._clock.seconds_until(queue[0][0]))
        return max(next_s, WAKE_MIN_S)


def replay(
    reads: Sequence[RecordedRead],
    store: Store,
    *,
    make_line: LineMaker,
    clock: Clock,
    speed: float = 1.0,
    out: Path | None,
    stop: Callable[[], bool],
) -> None:
    """Play a recording, in order of time, ``speed`` times as fast as it was made, until ``stop``.

    The recording starts when hosts have started all readers that are in it. After its last read, ``labels.parquet``
    (where there are labels) and then ``summary.json`` are written into ``out``, and the readers stay alive until
    ``stop``.

    Raises:
        FaultsError: See `check`.
    """
    check(reads, store)
    if out:
        begin(out, ["labels"])  # the recording itself may lie there
    with Ports(store.reader, make_line) as ports:
        for port in ports.ports.values():
            log.info("%s: %s", port.reader.id, port.line.address)
        waiting = Player(reads, ports.ports, clock, 0, speed)
        pace = Pace(slower=True)
        while waiting.waited_for and not stop():
            ports.serve(WAKE_MAX_S)
            if pace.due():
                log.info("waiting for a host to start %s with all antennas", ", ".join(waiting.waited_for))
        start_us = clock.now_us()
        player, pace = Player(reads, ports.ports, clock, start_us, speed), Pace()
        while (player.left or ports.waiting or ports.unsent) and not stop():
            ports.serve(player.play())
            if pace.due():
                log.info("%s: %d of %d reads sent", iso(clock.now_us()), ports.sent, len(reads))
        if out:
            _write(reads, store, ports, start_us, clock.now_us(), speed, out)
        log.info("the recording is over; %d of %d reads were sent", ports.sent, len(reads))
        keep_alive(ports, stop)


def _write(
    reads: Sequence[RecordedRead], store: Store, ports: Ports, start_us: int, end_us: int, speed: float, out: Path
) -> None:
    labelled = [read for read in reads if read.place]
    if labelled:
        with Table(out / "labels.parquet", LABELS_SCHEMA) as labels:
            labels.append(
                pa.array([read.seen.epc for read in labelled], TEXT),
                pa.array([read.trial for read in labelled], TEXT),
                pa.array([start_us + round(read.time_s / speed * 1e6) for read in labelled], TIME),
                pa.array([read.place for read in labelled], TEXT),
            )
    Summary(
        store=store.id,
        start=iso(start_us),
        end=iso(end_us),
        reads_sent=ports.sent,
        readers={name: ReaderCount(port.sent, port.dropped) for name, port in ports.ports.items()},
    ).write(out)
