"""A simulated store on pseudo-terminals, as fast as the store's clock goes."""

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import numpy as np

from tagtrail.hardware.clock import Clock, ScaledClock
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.ports import Port, Ports
from tagtrail.simulator.progress import Pace
from tagtrail.simulator.simulate import Simulation
from tagtrail.simulator.truth import ReaderCount, Summary, Truth, begin, iso

LAG_MAX_S: Final = 1.0
"""Real seconds behind the clock that are worth a word."""
CATCH_UP: Final = 4.0
"""Who is late goes at most so many times as fast as the clock: hosts must be able to follow."""
WAKE_MIN_S: Final = 0.004
"""Reads are sent in bunches of so much real time at least; waking for each would cost more than the reads."""
WAKE_MAX_S: Final = 0.1
DRAIN_S: Final = 10.0
"""How long a host may take for the last tags before they count as dropped."""

log = logging.getLogger("tagtrail.simulate")


def wait_for_readers(ports: Ports, stop: Callable[[], bool]) -> None:
    """Serve the ports until hosts have started all readers."""
    pace = Pace(slower=True)
    while ports.asleep and not stop():
        ports.serve(WAKE_MAX_S)
        if pace.due():
            log.info("waiting for a host to start %s", ", ".join(ports.asleep))


def drain(ports: Ports, stop: Callable[[], bool]) -> None:
    """Wait until the hosts have taken the last tags; what they leave for too long is dropped and counted."""
    until_s = time.monotonic() + DRAIN_S
    while (ports.waiting or ports.unsent) and time.monotonic() < until_s and not stop():
        ports.serve(WAKE_MIN_S)
    for port in ports.ports.values():
        if port.waiting or port.unsent:
            log.warning("%s: the host has stopped reading; %d tags are dropped", port.reader.id, port.unsent)
            port.give_up_waiting()


def keep_alive(ports: Ports, stop: Callable[[], bool]) -> None:
    """Serve the ports, without tags, until told to stop: hosts end their readers in their own time."""
    while not stop():
        ports.serve(WAKE_MAX_S)


class LiveStore:
    """Steps a simulation with the clock and sends each read when its time has come.

    Where the machine was too slow, or asleep, the store goes on from where it was, at most `CATCH_UP` times as fast as
    the clock, until it has caught up.
    """

    def __init__(self, simulation: Simulation, ports: Ports, clock: Clock, end_us: int | None) -> None:
        self._simulation, self._ports, self._clock, self._end_us = simulation, ports, clock, end_us
        self._rate = clock.rate if isinstance(clock, ScaledClock) else 1.0
        self._antennas: list[tuple[Port, int]] = [
            (ports.ports[simulation.world.store.reader[reader].id], antenna.port)
            for reader, antenna in simulation.radio.antennas
        ]
        self._pending: deque[tuple[int, Port, TagSeen]] = deque()
        self._now_us = simulation.time_us
        self._turn_s = time.monotonic()
        self._progress, self._warning = Pace(), Pace()

    @property
    def over(self) -> bool:
        """Whether the simulated time is over."""
        return self._end_us is not None and self._simulation.time_us >= self._end_us and not self._pending

    def go_on(self) -> None:
        """Do what is due, then serve the hosts until the next thing is."""
        clock_us = self._clock.now_us()
        turn_s, self._turn_s = self._turn_s, time.monotonic()
        furthest_us = min(self._turn_s - turn_s, WAKE_MAX_S) * self._rate * CATCH_UP * 1e6
        self._now_us = min(clock_us, self._now_us + round(furthest_us))
        simulation = self._simulation
        while simulation.time_us <= self._now_us and (self._end_us is None or simulation.time_us < self._end_us):
            self._step()
        self._send()
        next_us = self._pending[0][0] if self._pending else simulation.time_us
        self._ports.serve(min(max(self._clock.seconds_until(next_us), WAKE_MIN_S), WAKE_MAX_S))
        self._report((clock_us - self._now_us) / 1e6 / self._rate)

    def _send(self) -> None:
        pending = self._pending
        while pending and pending[0][0] <= self._now_us:
            _, port, seen = pending.popleft()
            if port.powers_dbm:  # the host may have stopped the reader since
                port.send(seen)

    def _step(self) -> None:
        cycle_us = self._simulation.time_us
        reads, epcs = self._simulation.step(self._powers_dbm())
        columns = (reads.offset_s.tolist(), reads.antenna.tolist(), epcs, reads.rssi_dbm.tolist())
        for offset_s, antenna, epc, rssi_dbm in zip(*columns, strict=True):
            port, number = self._antennas[antenna]
            seen = TagSeen(epc=epc, antenna=number, rssi_dbm=rssi_dbm, reader_time_ms=int(offset_s * 1000))
            self._pending.append((cycle_us + round(offset_s * 1e6), port, seen))

    def _powers_dbm(self) -> Floats:
        """Transmit power per antenna as the hosts have set it; -inf for those that are off."""
        return np.array([port.powers_dbm.get(number, -np.inf) for port, number in self._antennas])

    def _report(self, lag_s: float) -> None:
        if lag_s > LAG_MAX_S and self._warning.due():
            log.warning("%.1f s behind the clock; catching up, nothing is left out", lag_s)
        if self._progress.due():
            time_text = iso(self._simulation.time_us)
            log.info("%s: %d shoppers inside, %d reads sent", time_text, self._simulation.inside, self._ports.sent)


def simulate_live(
    store: Store,
    *,
    ports_dir: Path,
    clock: Clock,
    seed: int,
    minutes: float,
    out: Path | None,
    shoppers_per_hour: float,
    warm_up_minutes: float,
    wait: bool,
    stop: Callable[[], bool],
) -> None:
    """Run a store on pseudo-terminals until ``stop``.

    With ``minutes`` the tags end after that store time; truth and summary are then written into ``out``, the summary
    last, and the readers stay alive until ``stop``.
    """
    if out:
        begin(out)
    truth = Truth(out, store) if out and minutes else None
    simulation = Simulation(
        store, seed=seed, shoppers_per_hour=shoppers_per_hour, warm_up_minutes=warm_up_minutes, truth=truth
    )
    with Ports(store.reader, ports_dir) as ports:  # only now: a host that finds a reader expects it to answer
        log.info("%d readers of %s in %s", len(store.reader), store.store.name, ports_dir)
        with truth or nullcontext():
            if wait:
                wait_for_readers(ports, stop)
            simulation.start(clock.now_us())
            end_us = simulation.start_us + round(minutes * 60e6) if minutes else None
            live = LiveStore(simulation, ports, clock, end_us)
            while not live.over and not stop():
                live.go_on()
            drain(ports, stop)
            if truth:
                truth.end(simulation.time_us)
        if out:
            _summary(simulation, ports, seed).write(out)
        log.info("no more tags; %d reads were sent", ports.sent)
        keep_alive(ports, stop)


def _summary(simulation: Simulation, ports: Ports, seed: int) -> Summary:
    return Summary(
        store=simulation.world.store.id,
        start=iso(simulation.start_us),
        end=iso(simulation.time_us),
        reads_sent=ports.sent,
        reads_dropped_by_reader=sum(port.dropped for port in ports.ports.values()),
        reads_crowded_out=simulation.radio.crowded_out,
        readers={name: ReaderCount(port.sent, port.dropped) for name, port in ports.ports.items()},
        seed=seed,
        shoppers=simulation.world.arrived,
    )
