"""How a shop's day goes, block by block and layout by layout: its people, what the readers see of them, the truth."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagtrail.hardware.protocols import load_family
from tagtrail.simulator.disk import Room
from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.live.faults import antenna_gain_db, unchanged_until_s
from tagtrail.simulator.people.purchases import Purchase
from tagtrail.simulator.people.world import World
from tagtrail.simulator.presence import CYCLE_S, CYCLE_US, Presence, Reads
from tagtrail.simulator.radio.radio import Radio
from tagtrail.simulator.scenario import Shop, Stage, stages
from tagtrail.simulator.truth import ReaderCount, Summary, Truth, begin, iso

ENDLESS_MINUTES: Final = 100 * 366 * 24 * 60.0

PowersOf = Callable[[Sequence[tuple[str, int]]], Floats]
"""Transmit power in dBm of each antenna, given as reader id and port number; -inf for those that are off."""


@dataclass(frozen=True)
class Sightings:
    """What the readers have seen in a block; columns of one length, ordered by time.

    Attributes:
        time_us: Microseconds since 1970-01-01 UTC, on the clock that the run follows.
        offset_us: Microseconds since the reader began the cycle.
        antenna: Index into ``antennas``.
        epc: As the reader reports it: a 125 kHz reader reads the shopper's card, whose number is the tag's last digits.
        rssi_dbm: As the family of the reader reports it.
        antennas: Reader id and port number of each.
    """

    time_us: Ints
    offset_us: Ints
    antenna: Ints
    epc: NDArray[np.object_]
    rssi_dbm: Floats
    antennas: Sequence[tuple[str, int]]


def endless(shop: Shop) -> Shop:
    """The same shop, for longer than anybody watches."""
    return replace(shop, minutes=ENDLESS_MINUTES)


class _Scene:
    """One layout with its people and its readers. It takes a while to make one: a store does not begin empty."""

    def __init__(self, shop: Shop, stage: Stage) -> None:
        self.stage = stage
        store = stage.layout.store
        self.world = World(store, shop.habits, seed=shop.seed, start=stage.start)
        self.radio = Radio(store, shop.radio, seed=shop.seed)
        families = [load_family(reader.protocol) for reader in store.reader]
        self.antennas = [(store.reader[reader].id, antenna.port) for reader, antenna in self.radio.antennas]
        self._digits = np.array([2 * families[reader].epc_bytes for reader, _ in self.radio.antennas])

    def epcs(self, presence: Presence, reads: Reads) -> NDArray[np.object_]:
        """The texts of the EPCs; all tags in full, then all again for each shorter kind of number."""
        known = sorted((tag.number, tag.epc) for body in presence.bodies.values() for tag in body.tags)
        lengths = np.unique(self._digits)
        names = np.array([epc[-digits:] for digits in lengths.tolist() for _, epc in known], dtype=object)
        numbers = np.array([number for number, _ in known], dtype=np.int64)
        kind = np.searchsorted(lengths, self._digits)[reads.antenna]
        epcs: NDArray[np.object_] = names[kind * len(known) + np.searchsorted(numbers, reads.tag)]
        return epcs


class Course:
    """A shop in the making. Its people live in the scenario's time; a run begins when `begin` says.

    Args:
        shop: What happens.
        truth: Where to note what really happened, if anywhere.
        ahead: Make the scene of the next layout in another thread, while this one goes on.

    Attributes:
        time_us: When the next block begins, on the clock that the run follows.
        inside: People in the store in the last block.
        shoppers: Those who came so far.
        crowded_out: Reads that did not happen because readers were at what they can do.
    """

    def __init__(self, shop: Shop, truth: Truth | None = None, *, ahead: bool = False) -> None:
        self.shop = shop
        self.inside = 0
        self.start_us = self.time_us = shop.start_us
        self._truth = truth
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="scene") if ahead else None
        self._done_shoppers = self._done_crowded_out = 0
        self._stages = stages(shop)
        self._scene: _Scene | None = _Scene(shop, next(self._stages))
        self._look_ahead()

    def begin(self, start_us: int) -> None:
        """Set the time of the first block. The people were there before: it takes a while to get a store going."""
        self.start_us = self.time_us = start_us
        self._begin_stage()

    @property
    def over(self) -> bool:
        """Whether the scenario's time is over."""
        return self._scene is None and self._next is None

    @property
    def ready(self) -> bool:
        """Whether the next block can be had now: the scene of a new layout may be in the making."""
        return self._coming is None or self._scene is not None or self._coming.done()

    @property
    def shoppers(self) -> int:
        """Those who came so far."""
        return self._done_shoppers + (0 if self._scene is None else self._scene.world.arrived)

    @property
    def crowded_out(self) -> int:
        """Reads that did not happen because readers were at what they can do."""
        return self._done_crowded_out + (0 if self._scene is None else self._scene.radio.crowded_out)

    def summary(self, scenario: str, readers: Mapping[str, ReaderCount], *, reads_lost_by_fault: int = 0) -> Summary:
        """What has happened, with what became of the reads of each reader."""
        return Summary(
            store=self.shop.store.id,
            scenario=scenario,
            start=iso(self.start_us),
            end=iso(self.time_us),
            reads_sent=sum(count.reads_sent for count in readers.values()),
            reads_dropped_by_reader=sum(count.reads_dropped for count in readers.values()),
            reads_lost_by_fault=reads_lost_by_fault,
            reads_crowded_out=self.crowded_out,
            readers=dict(readers),
            seed=self.shop.seed,
            shoppers=self.shoppers,
            purchases=self._truth.purchases if self._truth else None,
        )

    def block(self, cycles: int, powers: PowersOf | None = None) -> Sightings:
        """The next so many cycles, or fewer: up to the next change of the layout or of a broken antenna.

        Without ``powers`` the antennas have those of the store file.
        """
        scene, faults = self._entered(), self.shop.faults
        world, radio, antennas = scene.world, scene.radio, scene.antennas
        at_s = (self.time_us - self.start_us) / 1e6
        until_change = int(min(np.ceil((unchanged_until_s(faults, at_s) - at_s) / CYCLE_S), cycles))
        presence = world.block(min(until_change, scene.stage.cycles - world.now_cycle))
        events = world.take_events()
        if self._truth:
            self._truth.add(presence, world.now_cycle)
            self._truth.bought(event for event in events if isinstance(event, Purchase))
        powers_dbm = radio.store_powers_dbm if powers is None else powers(antennas)
        gain_db = antenna_gain_db(faults, antennas, at_s)
        reads = radio.reads(presence, powers_dbm + gain_db)
        sightings = Sightings(
            time_us=self._stage_us + reads.time_us,
            offset_us=reads.time_us % CYCLE_US,
            antenna=reads.antenna,
            epc=scene.epcs(presence, reads),
            rssi_dbm=reads.rssi_dbm + gain_db[reads.antenna],
            antennas=antennas,
        )
        self.inside = len(presence.bodies)
        self.time_us = self._stage_us + world.now_cycle * CYCLE_US
        if world.now_cycle >= scene.stage.cycles:
            self._end_stage()
        return sightings

    def end(self) -> None:
        """Stop here; the stays in the truth end now."""
        if self._scene is not None and self._truth:
            self._truth.end()
        if self._maker:
            self._maker.shutdown(cancel_futures=True)

    def _look_ahead(self) -> None:
        self._next = next(self._stages, None)
        self._coming = self._maker.submit(_Scene, self.shop, self._next) if self._maker and self._next else None

    def _entered(self) -> _Scene:
        """The scene that holds now."""
        if self._scene is None:
            assert self._next is not None, "the scenario's time is over"
            self._scene = self._coming.result() if self._coming else _Scene(self.shop, self._next)
            self._look_ahead()
            self._begin_stage()
        return self._scene

    def _begin_stage(self) -> None:
        assert self._scene is not None
        self._stage_us = self.time_us
        if self._truth:
            self._truth.begin(self._scene.stage.layout.store, self._stage_us)

    def _end_stage(self) -> None:
        self._done_shoppers, self._done_crowded_out = self.shoppers, self.crowded_out
        if self._truth:
            self._truth.end()
        self._scene = None


def open_course(
    shop: Shop, out: Path | None, files: ExitStack, *, chain: bool, forever: bool, room: Room | None
) -> Course:
    """A shop to run, with its truth in ``out``, of a chain in ``out/STORE_ID``; none where there is no end.

    ``files`` closes what is opened.
    """
    truth = None
    if out:
        folder = out / shop.store.id if chain else out
        begin(folder)
        truth = None if forever else files.enter_context(Truth(folder, room))
    return Course(endless(shop) if forever else shop, truth, ahead=True)
