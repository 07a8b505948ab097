"""What one shopper does: comes in, has errands, walks, stops, tries on, pays, leaves.

A whole visit is planned when the shopper comes in, from a random stream of the shopper's own. So what a shopper does
depends on the store, the seed and the shopper's number, never on how fast or in which steps the world is watched.
"""

from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np

from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.walkways import Leg, Spot, Walkways

SPEED_MEAN_M_S: Final = 1.0
"""Slower than commuters (1.3 to 1.4 m/s): shoppers look around."""
SPEED_SD_M_S: Final = 0.2
SPEED_RANGE_M_S: Final = (0.5, 1.6)
SWAY_M: Final = 0.15
"""Largest distance from the planned line. Less than `walkways.CLEARANCE_M` also where the line turns by 90 degrees."""

DWELL_SIGMA: Final = 0.8
"""Of the logarithm of a stay: a median of 60 s has its middle half at 35 to 103 s."""
COUNTER_DWELL_MEDIANS_S: Final = (20.0, 240.0)
FITTING_DWELL_MEDIAN_S: Final = 180.0
CHECKOUT_DWELL_MEDIAN_S: Final = 75.0
DWELL_RANGE_S: Final = (3.0, 1800.0)
SHUFFLE_MEAN_S: Final = 40.0
SHUFFLE_M: Final = 4.0
"""Who stays long turns, or steps to another spot nearby, now and then."""

KIND_SHARES: Final = {"passer": 0.15, "browser": 0.45, "buyer": 0.40}
ERRANDS_MEAN: Final = {"passer": 0.5, "browser": 3.0, "buyer": 6.0}
"""Mean number of counters; browsers and buyers have one more."""
FITTING_SHARE: Final = 0.25
CHECKOUT_SHARE: Final = {"passer": 0.0, "browser": 0.1, "buyer": 0.95}
DOOR_S: Final = 1.0
"""The moment that everybody takes at the door, coming and going."""
SAME_DOOR_SHARE: Final = 0.7
NEAREST_FIRST_SHARE: Final = 0.7
"""How often the next errand is the nearest one; else it is any."""


@dataclass(frozen=True)
class Visit:
    """One shopper's whole visit.

    Attributes:
        epc: The tag that the shopper carries.
        kind: ``passer``, ``browser`` or ``buyer``.
        knots: Shape (n, 5): time in seconds after the start, floor index, x, y in metres, facing in radians. Between
            two knots the floor and the facing are those of the first, the place moves in a straight line.
        sway: Amplitudes, angular frequencies and phases of the sway about that line, shape (3, 4).
    """

    epc: str
    kind: str
    knots: Floats
    sway: Floats


class Habits:
    """How the shoppers of a store behave: what draws them, and for how long.

    How well liked a counter is hangs on its id alone, so that a store keeps its favourites under every seed.
    """

    def __init__(self, walkways: Walkways) -> None:
        self.walkways = walkways
        self.entrances = walkways.of_kind("entrance")
        self.counters = walkways.of_kind("counter")
        self.checkouts = walkways.of_kind("checkout")
        self.fitting = walkways.of_kind("fitting")
        low, high = np.log(COUNTER_DWELL_MEDIANS_S)
        liking = {counter: np.random.default_rng(crc32(counter.encode())) for counter in self.counters}
        weights = np.array([rng.lognormal(0.0, 0.7) for rng in liking.values()])
        self.weights: Floats = weights / weights.sum() if len(weights) else weights
        self.median_s = {counter: float(np.exp(rng.uniform(low, high))) for counter, rng in liking.items()}
        self.median_s |= dict.fromkeys(self.fitting, FITTING_DWELL_MEDIAN_S)
        self.median_s |= dict.fromkeys(self.checkouts, CHECKOUT_DWELL_MEDIAN_S)

    def plan(self, rng: np.random.Generator, arrival_s: float) -> Visit:
        """Plan the visit of a shopper who comes in at ``arrival_s``."""
        epc = f"E2801160{int(rng.integers(2**64, dtype=np.uint64)):016X}"
        kind = str(rng.choice(list(KIND_SHARES), p=list(KIND_SHARES.values())))
        entrance = self._pick(rng, self.entrances)
        trip = _Trip(self.walkways, rng, arrival_s, entrance)
        trip.stay(DOOR_S)
        for zone in self._errands(rng, kind, entrance):
            trip.go(self._nearest(trip, [zone]))
            trip.stay(self._dwell_s(rng, zone))
            if self.fitting and kind == "buyer" and rng.random() < FITTING_SHARE / 2:
                cabin = self._nearest(trip, self.fitting)
                trip.go(cabin)
                trip.stay(self._dwell_s(rng, cabin.zone))
        if self.checkouts and rng.random() < CHECKOUT_SHARE[kind]:
            till = self._nearest(trip, self.checkouts)
            trip.go(till)
            trip.stay(self._dwell_s(rng, till.zone))
        if trip.here == entrance:  # no errand: look around and leave
            trip.go(self._pick(rng, list(self.walkways.spots)))
        trip.go(entrance if rng.random() < SAME_DOOR_SHARE else self._pick(rng, self.entrances))
        trip.stay(DOOR_S)
        frequencies = 2 * np.pi / rng.uniform(6.0, 20.0, 4)
        sway = np.stack([np.full(4, SWAY_M / np.sqrt(8.0)), frequencies, rng.uniform(0, 2 * np.pi, 4)])
        return Visit(epc, kind, np.array(trip.knots), sway)

    def _pick(self, rng: np.random.Generator, zones: list[str]) -> Spot:
        spots = self.walkways.spots[zones[int(rng.integers(len(zones)))]]
        return spots[int(rng.integers(len(spots)))]

    def _dwell_s(self, rng: np.random.Generator, zone: str) -> float:
        return float(np.clip(self.median_s[zone] * rng.lognormal(0.0, DWELL_SIGMA), *DWELL_RANGE_S))

    def _errands(self, rng: np.random.Generator, kind: str, entrance: Spot) -> list[str]:
        """The counters on a shopper's list, in the order of the walk."""
        wanted = int(rng.poisson(ERRANDS_MEAN[kind])) + (kind != "passer")
        wanted = min(wanted, len(self.counters))
        if not wanted:
            return []
        left = [str(zone) for zone in rng.choice(self.counters, size=wanted, replace=False, p=self.weights)]
        order: list[str] = []
        here = entrance
        while left:
            nearest = min(left, key=lambda zone: self.walkways.cost(here, self.walkways.spots[zone][0]))
            zone = nearest if rng.random() < NEAREST_FIRST_SHARE else left[int(rng.integers(len(left)))]
            left.remove(zone)
            order.append(zone)
            here = self.walkways.spots[zone][0]
        return order

    def _nearest(self, trip: "_Trip", zones: list[str]) -> Spot:
        """A spot of the nearest of some zones (any of them where all are on other floors)."""
        choices = [self._pick(trip.rng, [zone]) for zone in zones]
        costs = [self.walkways.cost(trip.here, spot) for spot in choices]
        if not np.isfinite(min(costs)):
            return choices[int(trip.rng.integers(len(choices)))]
        return choices[int(np.argmin(costs))]


class _Trip:
    """A visit in the making: where the shopper is, and the knots so far."""

    def __init__(self, walkways: Walkways, rng: np.random.Generator, start_s: float, entrance: Spot) -> None:
        self.walkways = walkways
        self.rng = rng
        self.here = entrance
        self.speed_m_s = float(np.clip(rng.normal(SPEED_MEAN_M_S, SPEED_SD_M_S), *SPEED_RANGE_M_S))
        self.time_s = start_s
        self.facing = float(rng.uniform(-np.pi, np.pi))
        self.knots: list[tuple[float, float, float, float, float]] = []
        self._knot(entrance.floor, entrance.point)

    def _knot(self, floor: int, point: tuple[float, float]) -> None:
        self.knots.append((self.time_s, floor, *point, self.facing))

    def go(self, goal: Spot) -> None:
        """Walk and ride to a spot."""
        for leg in self.walkways.route(self.here, goal, self.rng)[1]:
            if leg.seconds is None:
                self._walk(leg)
            else:
                self._ride(leg, leg.seconds)
        self.here = goal

    def _walk(self, leg: Leg) -> None:
        for (x0, y0), (x1, y1) in zip(leg.points, leg.points[1:], strict=False):
            if (x0, y0) != (x1, y1):
                self.facing = float(np.arctan2(y1 - y0, x1 - x0))
                self._knot(leg.floors[0], (x0, y0))
                self.time_s += float(np.hypot(x1 - x0, y1 - y0)) / self.speed_m_s
                self._knot(leg.floors[0], (x1, y1))

    def _ride(self, leg: Leg, seconds: float) -> None:
        """The first half of a ride is spent at its one end, the second half at the other."""
        for floor, point in zip(leg.floors, leg.points, strict=True):
            self._knot(floor, point)
            self.time_s += seconds / 2
            self._knot(floor, point)

    def stay(self, seconds: float) -> None:
        """Stand in the zone where the shopper is, turning, and stepping to other spots of it that are near."""
        until_s = self.time_s + seconds
        grid = self.walkways.grids[self.here.floor]
        while self.time_s < until_s:
            pause_s = min(max(5.0, float(self.rng.exponential(SHUFFLE_MEAN_S))), until_s - self.time_s)
            self.facing = float(self.rng.uniform(-np.pi, np.pi))
            self._knot(self.here.floor, self.here.point)
            self.time_s += pause_s
            self._knot(self.here.floor, self.here.point)
            spots = self.walkways.spots[self.here.zone]
            other = spots[int(self.rng.integers(len(spots)))]
            way = grid.way(self.here.cell, other.cell)
            if self.time_s < until_s and len(way) == 2 and np.hypot(*np.subtract(*way)) <= SHUFFLE_M:
                self.go(other)
