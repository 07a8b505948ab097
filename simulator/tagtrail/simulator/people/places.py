"""What a place offers: how far the zones are, which counters are in view, and which ones the eye meets on a walk."""

from functools import cached_property, lru_cache

import numpy as np

from tagtrail.simulator.geometry import Bools, Floats, Polygons, distance_to_segment, segments_cross, segments_of
from tagtrail.simulator.people.walkways import BUILDINGS_KEPT, CELL_M, Leg, Spot, Walkways

_GLANCE_CELLS = 2
"""The eye is asked once per so many cells of the grid, which is once per step of a person."""


class Places:
    """The counters of a store, seen from everywhere.

    Args:
        walkways: Of the store.
        sight_m: How far a counter draws the eye.
        impulse_m: How near a walk must pass a counter for an impulse.

    Attributes:
        counters: Ids of the counters that people can get to, in the order of the store file.
        area_m2: Their areas.
    """

    def __init__(self, walkways: Walkways, *, sight_m: float, impulse_m: float) -> None:
        self.walkways = walkways
        self.counters = walkways.of_kind("counter")
        self.index = {zone: index for index, zone in enumerate(self.counters)}
        self.area_m2: Floats = np.array([_area_m2(walkways.zones[zone].polygon) for zone in self.counters])
        self._sight_m, self._impulse_m = sight_m, impulse_m
        self._metres: dict[str, list[Floats]] = {}
        self._to_counters: dict[Spot, Floats] = {}
        self._sights: dict[Spot, Floats] = {}
        self._met: dict[tuple[int, tuple[tuple[int, int], tuple[int, int]]], tuple[int, ...]] = {}
        self._rooms: dict[Spot, float] = {}

    def metres_to(self, spot: Spot, zone: str) -> float:
        """Metres of aisle from a spot to the nearest spot of a zone; a second of a ride counts as one."""
        if zone not in self._metres:
            self._metres[zone] = self._metres_from_everywhere(zone)
        return float(self._metres[zone][spot.floor][spot.cell])

    def metres(self, spot: Spot) -> Floats:
        """`metres_to` each counter."""
        if spot not in self._to_counters:
            self._to_counters[spot] = np.array([self.metres_to(spot, zone) for zone in self.counters])
        return self._to_counters[spot]

    def _metres_from_everywhere(self, zone: str) -> list[Floats]:
        grids = self.walkways.grids
        metres = [np.full(grid.shape, np.inf) for grid in grids]
        for spot in self.walkways.spots[zone]:
            np.minimum(metres[spot.floor], grids[spot.floor].field(spot.cell)[0], out=metres[spot.floor])
        for _ in self.walkways.rides:  # Bellman-Ford: a way takes each ride once at most
            for start, end, seconds in self.walkways.rides:
                onward = seconds + metres[end.floor][end.cell]
                if np.isfinite(onward):
                    by_ride = grids[start.floor].field(start.cell)[0] + onward
                    np.minimum(metres[start.floor], by_ride, out=metres[start.floor])
        return metres

    def sight(self, spot: Spot) -> Floats:
        """For each counter, which share of it is in view: near enough and not behind walls."""
        if spot not in self._sights:
            here = np.array(spot.point)
            walls = self.walkways.grids[spot.floor].walls
            shares = np.zeros(len(self.counters))
            for index, zone in enumerate(self.counters):
                spots = self.walkways.spots[zone]
                if spots[0].floor == spot.floor:
                    points = np.array([other.point for other in spots])
                    near = np.hypot(*(points - here).T) <= self._sight_m
                    shares[index] = float((near & _in_view(here, points, walls)).mean())
            self._sights[spot] = shares
        return self._sights[spot]

    def met(self, leg: Leg) -> tuple[int, ...]:
        """The counters that come into view close by on a walk, in the order in which they do (indices)."""
        key = (leg.floors[0], leg.cells)
        if key not in self._met:
            corners = np.array(leg.points)
            glances = self._glances[leg.floors[0]]
            steps = np.hypot(*np.diff(corners, axis=0).T)
            along = np.concatenate([[0.0], np.cumsum(steps)])
            at = np.arange(0.0, along[-1] + CELL_M, CELL_M)
            columns = (np.interp(at, along, corners[:, 0]) / (CELL_M * _GLANCE_CELLS)).astype(int)
            rows = (np.interp(at, along, corners[:, 1]) / (CELL_M * _GLANCE_CELLS)).astype(int)
            seen = glances[rows, columns]
            first = np.where(seen.any(axis=0), seen.argmax(axis=0), len(at))
            order = np.argsort(first, kind="stable")
            self._met[key] = tuple(order[first[order] < len(at)].tolist())
        return self._met[key]

    @cached_property
    def _glances(self) -> list[Bools]:
        """Per floor, shape (rows, columns, counters): whether a counter is near and in view."""
        glances = []
        for grid in self.walkways.grids:
            shape = tuple(-(-size // _GLANCE_CELLS) for size in grid.shape)
            rows, columns = np.indices(shape)
            points = np.stack([columns + 0.5, rows + 0.5], axis=-1).reshape(-1, 2) * (CELL_M * _GLANCE_CELLS)
            seen = np.zeros((len(points), len(self.counters)), dtype=bool)
            for index, zone in enumerate(self.counters):
                spots = self.walkways.spots[zone]
                if spots[0].floor != grid.index:
                    continue
                polygon = self.walkways.zones[zone].polygon
                edges = segments_of(polygon, closed=True)
                near = distance_to_segment(points[:, None], edges[:, 0], edges[:, 1]).min(axis=1) <= self._impulse_m
                near |= Polygons([polygon]).holding(points[:, 0], points[:, 1])[:, 0]
                targets = np.array([spot.point for spot in spots])
                view = _in_view(points[near][:, None], targets, grid.walls)
                seen[near, index] = view.any(axis=1)
            glances.append(seen.reshape(*shape, len(self.counters)))
        return glances

    def room_m(self, spot: Spot) -> float:
        """How far one can step from a spot in any direction without coming to a wall or out of the zone."""
        if spot not in self._rooms:
            edges = segments_of(self.walkways.zones[spot.zone].polygon, closed=True)
            lines = np.concatenate([edges, self.walkways.grids[spot.floor].walls])
            self._rooms[spot] = float(distance_to_segment(np.array(spot.point), lines[:, 0], lines[:, 1]).min())
        return self._rooms[spot]


@lru_cache(BUILDINGS_KEPT)
def places_of(walkways: Walkways, sight_m: float, impulse_m: float) -> Places:
    """The places of walkways; what they have found out is kept."""
    return Places(walkways, sight_m=sight_m, impulse_m=impulse_m)


def _in_view(points: Floats, targets: Floats, walls: Floats) -> Bools:
    """Whether no wall is between; the two (…, 2) broadcast against each other."""
    a, b = points[..., None, :], targets[..., None, :]
    return np.asarray(~segments_cross(a, b, walls[:, 0], walls[:, 1]).any(axis=-1))


def _area_m2(polygon: tuple[tuple[float, float], ...]) -> float:
    """Gauss's area formula."""
    x, y = np.array(polygon).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
