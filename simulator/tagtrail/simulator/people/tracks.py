"""Where bodies are at any time: each has knots in time and space, and all are looked at at once, per reader cycle."""

from array import array
from collections.abc import Iterable
from typing import Final

import numpy as np

from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Bools, Floats, Ints, Polygons, segments_of
from tagtrail.simulator.people.agenda import NEVER
from tagtrail.simulator.presence import CYCLE_US, Body, Presence

SWAY_M: Final = 0.1
"""Amplitude, in x and in y, of the sway about the planned line; together less than `walkways.CLEARANCE_M`."""
SWAY_PERIOD_S: Final = (6.0, 20.0)
KNOT: Final = 5
_TIME_BITS: Final = 48
"""Times of a block fit: 2^48 us are nine years. What is left counts 32,768 bodies at a time."""


class Track:
    """The way of one body through the store; after its last knot it stands still until there is another.

    Attributes:
        delay_us: How long it walks behind the first of its group.
        knots: `KNOT` numbers each, in the order of time: microseconds since the world's time 0, floor, x, y, facing.
            Between two knots the floor and the facing are those of the first, the place moves in a straight line.
        leaves_us: When it is not there any more.
        sway: Angular frequencies and phases of x and y; nothing for things.
    """

    __slots__ = ("body", "delay_us", "enters_us", "knots", "leaves_us", "sway")

    def __init__(self, body: Body, enters_us: int, *, delay_us: int = 0, sway: tuple[float, ...] | None = None) -> None:
        self.body = body
        self.delay_us = delay_us
        self.enters_us = enters_us
        self.leaves_us = NEVER
        self.knots = array("d")
        self.sway = sway

    def forget(self, before_us: int) -> None:
        """Drop the knots that no time from ``before_us`` on needs."""
        needed = 0
        while needed + KNOT < len(self.knots) and self.knots[needed + KNOT] <= before_us:
            needed += KNOT
        del self.knots[:needed]


class ZoneMap:
    """Which zone holds a place: a raster, with a look at the outlines only in cells through which one runs."""

    NONE: Final = -1
    _CUT: Final = -2
    CELL_M: Final = 0.25

    def __init__(self, store: Store) -> None:
        floors = list(store.floor_by_id)
        self._zone_floor = np.array([floors.index(zone.floor) for zone in store.zone], dtype=np.int64)
        self._polygons = Polygons([zone.polygon for zone in store.zone])
        rows = int(max(floor.depth_m for floor in store.floor) / self.CELL_M) + 1
        columns = int(max(floor.width_m for floor in store.floor) / self.CELL_M) + 1
        self._raster = np.zeros((len(floors), rows, columns), dtype=np.int64)
        row, column = (index.ravel() for index in np.indices((rows, columns)))
        x_m, y_m = (np.asarray((index + 0.5) * self.CELL_M, dtype=np.float64) for index in (column, row))
        for index, floor in enumerate(floors):
            zone = self._exactly(np.full(len(x_m), index), x_m, y_m)
            outlines = [segments_of(zone.polygon, closed=True) for zone in store.zone if zone.floor == floor]
            for start, end in np.concatenate([np.zeros((0, 2, 2)), *outlines]):
                zone[self._cut_by(x_m, y_m, start, end)] = self._CUT
            self._raster[index] = zone.reshape(rows, columns)

    def _cut_by(self, x_m: Floats, y_m: Floats, start: Floats, end: Floats) -> Bools:
        """The cells through whose inside a segment runs (separating axes: x, y and the segment's normal)."""
        half = self.CELL_M / 2 - 1e-9
        low, high = np.minimum(start, end), np.maximum(start, end)
        normal = np.array([start[1] - end[1], end[0] - start[0]])
        off = (x_m - start[0]) * normal[0] + (y_m - start[1]) * normal[1]
        beside = np.abs(off) < half * np.abs(normal).sum()
        x_meets = (x_m + half > low[0]) & (x_m - half < high[0])
        return np.asarray(beside & x_meets & (y_m + half > low[1]) & (y_m - half < high[1]))

    def _exactly(self, floor: Ints, x_m: Floats, y_m: Floats) -> Ints:
        holds = self._polygons.holding(x_m, y_m) & (floor[:, None] == self._zone_floor)
        return np.where(holds.any(axis=1), holds.argmax(axis=1), self.NONE)

    def zone_at(self, floor: Ints, x_m: Floats, y_m: Floats) -> Ints:
        """Index of the zone of each place, `NONE` outside all."""
        row = (y_m * (1 / self.CELL_M)).astype(np.int64)
        column = (x_m * (1 / self.CELL_M)).astype(np.int64)
        zone = np.asarray(self._raster[floor, row, column])
        cut = np.flatnonzero(zone == self._CUT)
        if len(cut):
            zone[cut] = self._exactly(floor[cut], x_m[cut], y_m[cut])
        return zone


def look(tracks: Iterable[Track], zones: ZoneMap, first_cycle: int, end_cycle: int) -> Presence:
    """Where all bodies are in the cycles from the first one until before the end; ``tracks`` in the order of bodies."""
    seen, counts, starts = [], [], []
    for track in tracks:
        enters = max(first_cycle, -(-track.enters_us // CYCLE_US))
        leaves = min(end_cycle, -(-track.leaves_us // CYCLE_US))
        if enters < leaves and track.knots:
            seen.append(track)
            counts.append(leaves - enters)
            starts.append(enters)
    bodies = {track.body.number: track.body for track in seen}
    if not seen:
        none, nowhere = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Presence(none, none, none, nowhere, nowhere, nowhere, none, bodies)
    count = np.array(counts)
    row = np.repeat(np.arange(len(seen)), count)
    firsts = np.array(starts) - (np.cumsum(count) - count)
    cycle = np.arange(len(row)) + firsts[row]
    order = np.argsort((cycle - first_cycle).astype(np.int32), kind="stable")
    row, cycle = row[order], cycle[order]
    floor, x_m, y_m, facing = _along(seen, row, cycle * CYCLE_US)
    sway = np.array([track.sway or (0.0,) * 4 for track in seen]).T
    moves = np.array([SWAY_M if track.sway else 0.0 for track in seen])[row]
    time_s = cycle * (CYCLE_US / 1e6)
    x_m += moves * np.sin(sway[0][row] * time_s + sway[1][row])
    y_m += moves * np.sin(sway[2][row] * time_s + sway[3][row])
    number = np.array([track.body.number for track in seen], dtype=np.int64)[row]
    return Presence(cycle, number, floor, x_m, y_m, facing, zones.zone_at(floor, x_m, y_m), bodies)


def _along(tracks: list[Track], row: Ints, time_us: Ints) -> tuple[Ints, Floats, Floats, Floats]:
    """Floor, x, y and facing of the tracks (by row) at times."""
    lengths = np.array([len(track.knots) // KNOT for track in tracks])
    knots = np.frombuffer(b"".join(track.knots for track in tracks)).reshape(-1, KNOT)
    knot_us = knots[:, 0].astype(np.int64)
    of_track = np.repeat(np.arange(len(tracks)), lengths)
    since_us = int(knot_us.min())
    # One search for all: the times of each track follow on those of the track before it.
    keys = (of_track << _TIME_BITS) + (knot_us - since_us)
    at = np.searchsorted(keys, (row << _TIME_BITS) + (time_us - since_us), side="right") - 1
    after = np.minimum(at + 1, np.cumsum(lengths)[row] - 1)
    # Floats hold whole microseconds exactly up to 2^53.
    length_us = knots[after, 0] - knots[at, 0]
    share = np.where(length_us > 0, (time_us - knots[at, 0]) / np.maximum(length_us, 1.0), 0.0)
    x_m, y_m = knots[at, 2], knots[at, 3]
    x_m = x_m + share * (knots[after, 2] - x_m)
    y_m = y_m + share * (knots[after, 3] - y_m)
    return knots[at, 1].astype(np.int64), x_m, y_m, knots[at, 4]
