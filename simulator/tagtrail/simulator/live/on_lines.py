"""A scenario on the lines of its readers, as fast as the store's clock goes: pseudo-terminals or TCP serial servers."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np

from tagtrail.hardware.clock import Clock
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.simulator.disk import Room
from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.live.course import Course, open_course
from tagtrail.simulator.live.follow import WAKE_MAX_S, WAKE_MIN_S, Follower
from tagtrail.simulator.live.lines import LineMaker
from tagtrail.simulator.live.ports import LineFaults, Port, Ports, serve
from tagtrail.simulator.presence import CYCLE_US
from tagtrail.simulator.progress import Pace
from tagtrail.simulator.scenario import Scenario
from tagtrail.simulator.truth import ReaderCount, Summary, iso

DRAIN_S: Final = 10.0
"""How long a host may take for the last tags before they count as dropped."""
_GARBAGE: Final = 7
"""Random stream of the seed."""

log = logging.getLogger("tagtrail.simulate")


class ShopOnLines:
    """One shop, its readers on their lines.

    Each read is sent when its time has come. Faults happen at the cycle in which they begin.
    """

    def __init__(self, course: Course, ports: Ports) -> None:
        self.course, self.ports = course, ports
        shop = course.shop
        rng = np.random.default_rng(np.random.SeedSequence(shop.seed, spawn_key=(_GARBAGE,)))
        self._faults = LineFaults(shop.faults, ports, rng)
        self._pending: deque[tuple[int, Port, TagSeen]] = deque()
        self._fault_us = 0

    def begin(self, clock: Clock) -> None:
        """The hosts have started the readers; now is the start."""
        self.course.begin(clock.now_us())
        self._fault_us = self.course.start_us
        self._follower = Follower(clock, self.course.start_us)

    @property
    def over(self) -> bool:
        """Whether all has happened that will."""
        return self.course.over and not self._pending

    def go_on(self) -> float:
        """Do what is due; returns the real seconds until the next thing is."""
        follower, course = self._follower, self.course
        follower.turn()
        while course.time_us <= follower.now_us and not course.over and course.ready:
            self._look(follower.block_cycles)
        self._send(follower.now_us)
        next_us = self._pending[0][0] if self._pending else course.time_us
        return follower.seconds_until(next_us)

    def end(self) -> None:
        """No more faults: hosts end their readers in their own time."""
        self._faults.end()
        self.course.end()

    def _send(self, now_us: int) -> None:
        pending = self._pending
        while pending and pending[0][0] <= now_us:
            time_us, port, seen = pending.popleft()
            self._turn_faults(time_us)
            if port.powers_dbm:  # the host may have stopped the reader since
                port.send(seen)
        self._turn_faults(now_us)

    def _turn_faults(self, time_us: int) -> None:
        while self._fault_us <= time_us:
            self._faults.turn((self._fault_us - self.course.start_us) / 1e6)
            self._fault_us += CYCLE_US

    def _look(self, cycles: int) -> None:
        seen = self.course.block(cycles, self._powers_dbm)
        ports = [(self.ports.ports.get(reader), number) for reader, number in seen.antennas]
        columns = (seen.time_us, seen.offset_us, seen.antenna, seen.rssi_dbm)
        for time_us, offset_us, antenna, rssi_dbm, epc in zip(*(c.tolist() for c in columns), seen.epc, strict=True):
            port, number = ports[antenna]
            assert port is not None  # it would not be on
            tag = TagSeen(epc=epc, antenna=number, rssi_dbm=rssi_dbm, reader_time_ms=offset_us // 1000)
            self._pending.append((time_us, port, tag))

    def _powers_dbm(self, antennas: Sequence[tuple[str, int]]) -> Floats:
        """As the hosts have set it."""
        powers = {name: port.powers_dbm for name, port in self.ports.ports.items()}
        return np.array([powers.get(reader, {}).get(number, -np.inf) for reader, number in antennas])

    def tell(self) -> None:
        """Say in the log how far it is."""
        course = self.course
        time_text = iso(course.time_us)
        log.info("%s: %s: %d inside, %d reads sent", course.shop.store.id, time_text, course.inside, self.ports.sent)

    def summary(self, scenario: str) -> Summary:
        """What has happened."""
        ports = self.ports.ports
        readers = {name: ReaderCount(port.sent, port.dropped) for name, port in ports.items()}
        return self.course.summary(scenario, readers, reads_lost_by_fault=sum(port.lost for port in ports.values()))


def simulate_on_lines(
    scenario: Scenario,
    *,
    make_line: LineMaker,
    clock: Clock,
    out: Path | None = None,
    forever: bool = False,
    wait: bool = True,
    stop: Callable[[], bool],
    room: Room | None = None,
) -> list[Summary]:
    """Run a scenario on lines until ``stop``.

    The people live in the scenario's time; its start is when the run starts, whatever the clock shows then. The tags
    end with the scenario's time; truth and summary are then in ``out`` (of a chain, in ``out/STORE_ID``), the summary
    last, and the readers stay alive until ``stop``. With one seed the hosts find the same tags, byte for byte, as long
    as they start all readers at once and follow.

    Args:
        scenario: What happens.
        make_line: Where the readers are; those of a chain are named ``STORE_ID/READER_ID``.
        clock: The time of the store, the same for all processes.
        out: Folder for what really happened.
        forever: There is no end and no truth, only the summary.
        wait: The start is when hosts have started all readers.
        stop: Whether to end.
        room: For what is to be finished when the disk is full.

    Returns:
        The summaries of all stores.

    Raises:
        GiveUp: A line cannot be had.
    """
    chain = len(scenario.shops) > 1
    with ExitStack() as files, ExitStack() as lines:
        if room:
            files.enter_context(room)
        courses = [open_course(shop, out, files, chain=chain, forever=forever, room=room) for shop in scenario.shops]
        shops = []  # only now, since a host that finds a reader expects it to answer
        for course in courses:
            store = course.shop.store
            ports = Ports(store.reader, make_line, folder=f"{store.id}/" if chain else "")
            shops.append(ShopOnLines(course, lines.enter_context(ports)))
            for port in ports.ports.values():
                log.info("%s of %s: %s", port.reader.id, store.store.name, port.line.address)
        every = [shop.ports for shop in shops]
        if wait:
            _wait_for_readers(every, stop)
        for shop in shops:
            shop.begin(clock)
        pace = Pace()
        while not all(shop.over for shop in shops) and not stop():
            serve(every, min([shop.go_on() for shop in shops]))
            if pace.due():
                for shop in shops:
                    shop.tell()
        for shop in shops:
            shop.end()
        _drain(every, stop)
        files.close()
        summaries = [shop.summary(scenario.name) for shop in shops]
        for summary in summaries:
            if out:
                summary.write(out / summary.store if chain else out)
        log.info("no more tags; %d reads were sent", sum(ports.sent for ports in every))
        while not stop():
            serve(every, WAKE_MAX_S)
    return summaries


def _wait_for_readers(every: Sequence[Ports], stop: Callable[[], bool]) -> None:
    """Serve the lines until hosts have started all readers."""
    pace = Pace(slower=True)
    while (asleep := [name for ports in every for name in ports.asleep]) and not stop():
        serve(every, WAKE_MAX_S)
        if pace.due():
            log.info("waiting for a host to start %s", ", ".join(asleep))


def _drain(every: Sequence[Ports], stop: Callable[[], bool]) -> None:
    """Wait until the hosts have taken the last tags; what they leave for too long is dropped and counted."""
    until_s = time.monotonic() + DRAIN_S
    while any(ports.waiting or ports.unsent for ports in every) and time.monotonic() < until_s and not stop():
        serve(every, WAKE_MIN_S)
    for port in (port for ports in every for port in ports.ports.values()):
        if port.waiting or port.unsent:
            why = "the run was stopped before the host had all" if stop() else "the host has stopped reading"
            log.warning("%s: %s; %d tags are dropped", port.reader.id, why, port.unsent)
            port.give_up_waiting()
