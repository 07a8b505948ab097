"""The people in a store at any time: who is there, where, and which way they face. Pure; time comes from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Floats, Ints, Polygons
from tagtrail.simulator.shoppers import Habits, Visit
from tagtrail.simulator.walkways import Walkways

_ARRIVALS, _SHOPPER = range(2)
"""Which random stream of the seed: when people come, and what the n-th of them does."""


@dataclass(frozen=True)
class Crowd:
    """Everybody in the store at one time, in the order in which they came in.

    Attributes:
        number: Running number of the shopper, from 0 since the start of the world.
        floor: Index of the floor in the store file.
        x_m: Metres.
        y_m: Metres.
        facing: Radians, counted from x towards y.
        zone: Index of the zone in the store file, -1 outside all zones.
    """

    number: Ints
    floor: Ints
    x_m: Floats
    y_m: Floats
    facing: Floats
    zone: Ints


class World:
    """The shoppers of a store, from some minutes before its time 0 on, so that it is not empty then.

    Args:
        store: The checked store file.
        seed: Same seed, same shoppers.
        shoppers_per_hour: Mean of the Poisson process by which they come, all entrances together.
        warm_up_s: How long before time 0 the first of them may come.
    """

    def __init__(self, store: Store, seed: int, *, shoppers_per_hour: float = 90.0, warm_up_s: float = 1200.0) -> None:
        self.store = store
        self.visits: dict[int, Visit] = {}
        """Visits of the people who are in the store, by running number."""
        self.arrived = 0
        self._seed = seed
        self._habits = Habits(Walkways(store))
        self._zones = ZoneMap(store)
        self._rate_per_s = shoppers_per_hour / 3600.0
        self._arrivals = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ARRIVALS,)))
        self._time_s = self._next_arrival_s = -warm_up_s
        self._knot: dict[int, int] = {}
        self._number = np.zeros(0, dtype=np.int64)
        self._segments = np.zeros((0, 10))  # each shopper's knot and the one after it
        self._sway = np.zeros((0, 3, 4))
        self._wait_for_next()
        self.at(0.0)

    def _wait_for_next(self) -> None:
        gap_s = self._arrivals.exponential(1.0 / self._rate_per_s) if self._rate_per_s else float("inf")
        self._next_arrival_s += gap_s

    def at(self, time_s: float) -> Crowd:
        """The crowd at a time.

        Raises:
            ValueError: The time lies before one that was asked for earlier.
        """
        if time_s < self._time_s:
            raise ValueError(f"the world is at {self._time_s:g} s and cannot go back to {time_s:g} s")
        self._time_s = time_s
        while self._next_arrival_s <= time_s:
            self._admit(self._next_arrival_s)
            self._wait_for_next()
        self._advance(time_s)
        return self._crowd(time_s)

    def _admit(self, arrival_s: float) -> None:
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(_SHOPPER, self.arrived)))
        visit = self._habits.plan(rng, arrival_s)
        self.visits[self.arrived], self._knot[self.arrived] = visit, 0
        self._number = np.append(self._number, self.arrived)
        self._segments = np.concatenate([self._segments, visit.knots[:2].reshape(1, 10)])
        self._sway = np.concatenate([self._sway, visit.sway[None]])
        self.arrived += 1

    def _advance(self, time_s: float) -> None:
        """Move on everybody whose segment has ended; who has no further one has left."""
        stays = np.ones(len(self._number), dtype=bool)
        for row in np.flatnonzero(self._segments[:, 5] <= time_s):
            number = int(self._number[row])
            knots = self.visits[number].knots
            knot = self._knot[number]
            while knot + 1 < len(knots) and knots[knot + 1, 0] <= time_s:
                knot += 1
            if knot + 1 < len(knots):
                self._knot[number] = knot
                self._segments[row] = knots[knot : knot + 2].reshape(10)
            else:
                stays[row] = False
                del self.visits[number], self._knot[number]
        if not stays.all():
            self._number, self._segments, self._sway = self._number[stays], self._segments[stays], self._sway[stays]

    def _crowd(self, time_s: float) -> Crowd:
        t0, floors, x0, y0, facing, t1, _, x1, y1, _ = self._segments.T
        share = (time_s - t0) / (t1 - t0)
        amplitudes, frequencies, phases = self._sway.transpose(1, 0, 2)
        sway = amplitudes * np.sin(frequencies * time_s + phases)
        floor = floors.astype(np.int64)
        x_m = x0 + share * (x1 - x0) + sway[:, 0] + sway[:, 1]
        y_m = y0 + share * (y1 - y0) + sway[:, 2] + sway[:, 3]
        return Crowd(self._number, floor, x_m, y_m, facing.copy(), self._zones.zone_at(floor, x_m, y_m))


class ZoneMap:
    """Which zone holds a place."""

    NONE: Final = -1

    def __init__(self, store: Store) -> None:
        floors = {floor.id: index for index, floor in enumerate(store.floor)}
        self.ids: Sequence[str] = [zone.id for zone in store.zone]
        self._floor = np.array([floors[zone.floor] for zone in store.zone], dtype=np.int64)
        self._polygons = Polygons([zone.polygon for zone in store.zone])

    def zone_at(self, floor: Ints, x_m: Floats, y_m: Floats) -> Ints:
        """Index of the zone of each place, `NONE` outside all."""
        holds = self._polygons.holding(x_m, y_m) & (floor[:, None] == self._floor)
        return np.where(holds.any(axis=1), holds.argmax(axis=1), self.NONE)
