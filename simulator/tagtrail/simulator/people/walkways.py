"""Where people can walk: a 0.5 m grid per floor, walls and kinds of zones respected, links between floors.

A way costs its length times the cost of what lies under it, so that shoppers keep to the aisles where they can.
"""

import heapq
import logging
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from zlib import crc32

import numpy as np

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Floor, Store, Zone
from tagtrail.simulator.geometry import (
    Bools,
    Floats,
    Ints,
    Polygons,
    distance_between_segments,
    distance_to_segment,
    segments_of,
)
from tagtrail.simulator.people.tracks import ZoneMap

CELL_M: Final = 0.5
CLEARANCE_M: Final = 0.25
"""Between a walked line and a wall: half the depth of a person. A wall on a grid line leaves both sides walkable."""
COST: Final = {"entrance": 1.0, "aisle": 1.0, "lift": 2.0, "counter": 2.5, "checkout": 4.0, "fitting": 4.0}
"""Cost of a metre by the kind of zone. Staff zones are closed to shoppers."""
COST_OUTSIDE_ZONES: Final = 1.2
SPOTS_PER_ZONE: Final = 6
"""Places where people stand in a zone. Few, so that the ways between them can be kept."""
SPOTS_SPREAD_M: Final = 2.5
"""Standard deviation of those places about the middle of the zone, where the counter itself stands."""
BUILDINGS_KEPT: Final = 4
"""Of the last ones asked for; the ways of a department store take some 50 MB."""
_SAMPLE_M: Final = 0.2
_STEPS: Final = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))

log = logging.getLogger("tagtrail.simulate")

Cell = tuple[int, int]
"""Row and column of a floor's grid."""


@dataclass(frozen=True)
class Spot:
    """A place to stand."""

    floor: int
    cell: Cell
    zone: str

    @property
    def point(self) -> tuple[float, float]:
        """Place of the spot, x and y in metres."""
        return (self.cell[1] + 0.5) * CELL_M, (self.cell[0] + 0.5) * CELL_M


@dataclass(frozen=True)
class Leg:
    """A piece of a way: a walk along ``points`` on one floor, or (``seconds``) a ride from the first to the second."""

    floors: tuple[int, int]
    points: tuple[tuple[float, float], ...]
    cells: tuple[Cell, Cell]
    seconds: float | None = None


class FloorGrid:
    """The walkable cells of one floor and the cheapest ways between them."""

    def __init__(self, floor: Floor, index: int, store: Store) -> None:
        self.index = index
        zones = [zone for zone in store.zone if zone.floor == floor.id]
        staff = [segments_of(zone.polygon, closed=True) for zone in zones if zone.kind == "staff"]
        walls = [segments_of(wall.line) for wall in store.wall if wall.floor == floor.id]
        self.walls: Floats = np.concatenate([np.zeros((0, 2, 2)), *walls, *staff])
        self._wall_low, self._wall_high = self.walls.min(axis=1), self.walls.max(axis=1)
        self.shape = (max(1, int(floor.depth_m / CELL_M)), max(1, int(floor.width_m / CELL_M)))
        rows, columns = np.indices(self.shape)
        self._centres = np.stack([columns + 0.5, rows + 0.5], axis=-1) * CELL_M
        flat = self._centres.reshape(-1, 2)
        held = Polygons([zone.polygon for zone in zones]).holding(flat[:, 0], flat[:, 1]) if zones else None
        cost = np.full(len(flat), COST_OUTSIDE_ZONES)
        self.cells_of: dict[str, Bools] = {}
        for number, zone in enumerate(zones):
            assert held is not None
            cost[held[:, number]] = COST.get(zone.kind, np.inf)
            self.cells_of[zone.id] = held[:, number].reshape(self.shape)
        self._cost = cost.reshape(self.shape)
        for start, end in self.walls:
            near = self._window(start, end)
            self._cost[near][distance_to_segment(self._centres[near], start, end) < CLEARANCE_M - 1e-9] = np.inf
        self._step_cost = self._costs_of_steps()
        self._fields: dict[Cell, tuple[Floats, Ints]] = {}
        self._ways: dict[tuple[Cell, Cell], tuple[tuple[float, float], ...]] = {}

    def _window(self, start: Floats, end: Floats) -> tuple[slice, slice]:
        """The cells that a wall can be in the way of."""
        low = np.floor((np.minimum(start, end) - 2 * CELL_M) / CELL_M).astype(int).clip(0)
        high = np.ceil((np.maximum(start, end) + 2 * CELL_M) / CELL_M).astype(int).clip(0)
        return slice(low[1], high[1]), slice(low[0], high[0])

    def _costs_of_steps(self) -> Floats:
        """Cost of the step to each of the 8 neighbours, infinite where a wall is too near; shape (8, rows, columns)."""
        costs = np.full((len(_STEPS), *self.shape), np.inf)
        for cost, (dx, dy) in zip(costs, _STEPS, strict=True):
            here, there = _shifted(self.shape, dx, dy)
            cost[here] = (self._cost[here] + self._cost[there]) / 2 * CELL_M * np.hypot(dx, dy)
            for start, end in self.walls:
                near = self._window(start, end)
                centres = self._centres[near]
                gap = distance_between_segments(centres, centres + np.array([dx, dy]) * CELL_M, start, end)
                cost[near][gap < CLEARANCE_M - 1e-9] = np.inf
        return costs

    def open_cells(self, zone: str) -> Bools:
        """The walkable cells of a zone."""
        return np.asarray(self.cells_of[zone] & np.isfinite(self._cost))

    def field(self, goal: Cell) -> tuple[Floats, Ints]:
        """Cost of the cheapest way from every cell to ``goal``, and the step to take there (-1 at the goal)."""
        if goal not in self._fields:
            cost: Floats = np.full(self.shape, np.inf)
            cost[goal] = 0.0
            moves = [_shifted(self.shape, dx, dy) for dx, dy in _STEPS]
            steps = [
                (cost[here], cost[there], step_cost[here])
                for step_cost, (here, there) in zip(self._step_cost, moves, strict=True)
            ]
            before: Floats = np.zeros(self.shape)
            while not np.array_equal(cost, before):  # Bellman-Ford on whole arrays, direction by direction
                before = cost.copy()
                for to_here, to_there, step_cost in steps:
                    np.minimum(to_here, to_there + step_cost, out=to_here)
            choices = np.full((len(_STEPS), *self.shape), np.inf)
            for choice, step_cost, (here, there) in zip(choices, self._step_cost, moves, strict=True):
                choice[here] = step_cost[here] + cost[there]
            step = choices.argmin(axis=0)
            step[goal] = -1
            self._fields[goal] = cost, step
        return self._fields[goal]

    def way(self, start: Cell, goal: Cell) -> tuple[tuple[float, float], ...]:
        """Corners of the cheapest walk, both ends included. There must be one."""
        key = (start, goal)
        if key not in self._ways:
            self._ways[key] = self._straightened(self._corners(start, goal), goal)
        return self._ways[key]

    def _corners(self, start: Cell, goal: Cell) -> list[Cell]:
        steps = self.field(goal)[1]
        corners, cell, before = [start], start, -2
        while cell != goal:
            step = int(steps[cell])
            if step != before and cell != start:
                corners.append(cell)
            before = step
            cell = (cell[0] + _STEPS[step][1], cell[1] + _STEPS[step][0])
        return [*corners, goal]

    def _straightened(self, corners: list[Cell], goal: Cell) -> tuple[tuple[float, float], ...]:
        """Cut corners where the straight line costs no more: a grid only knows eight directions."""
        to_goal = self.field(goal)[0]
        kept, here = [corners[0]], 0
        while here < len(corners) - 1:
            ahead = corners[here + 1 :]
            by_steps = to_goal[corners[here]] - np.array([to_goal[corner] for corner in ahead])
            cheap = np.flatnonzero(self._costs_of_lines(corners[here], ahead) <= by_steps + 1e-6)
            free = (int(end) for end in reversed(cheap) if self._is_free(corners[here], ahead[end]))
            here += next(free, 0) + 1
            kept.append(corners[here])
        return tuple(((column + 0.5) * CELL_M, (row + 0.5) * CELL_M) for row, column in kept)

    def _costs_of_lines(self, start: Cell, ends: list[Cell]) -> Floats:
        """Costs of the straight walks from a cell to others; walls are another question."""
        (row, column), (rows, columns) = start, np.array(ends).T
        lengths = np.hypot(rows - row, columns - column)
        shares = np.linspace(0.0, 1.0, 2 + int(lengths.max() * CELL_M / _SAMPLE_M))[:, None]
        on_row = (row + 0.5 + shares * (rows - row)).astype(np.int64)
        on_column = (column + 0.5 + shares * (columns - column)).astype(np.int64)
        return np.asarray(lengths * CELL_M * self._cost[on_row, on_column].mean(axis=0))

    def _is_free(self, start: Cell, end: Cell) -> bool:
        """Whether a straight walk keeps its clearance from all walls."""
        a, b = self._centres[start], self._centres[end]
        low, high = np.minimum(a, b) - CLEARANCE_M, np.maximum(a, b) + CLEARANCE_M
        near = self.walls[((self._wall_high >= low) & (self._wall_low <= high)).all(axis=1)]
        gaps_m = distance_between_segments(a, b, near[:, 0], near[:, 1])
        return bool((gaps_m >= CLEARANCE_M - 1e-9).all())


def _shifted(shape: tuple[int, int], dx: int, dy: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Index of the cells that have a neighbour at (dx, dy), and of those neighbours."""

    def pair(size: int, shift: int) -> tuple[slice, slice]:
        return slice(max(0, -shift), size - max(0, shift)), slice(max(0, shift), size - max(0, -shift))

    (rows, rows_there), (columns, columns_there) = pair(shape[0], dy), pair(shape[1], dx)
    return (rows, columns), (rows_there, columns_there)


class Walkways:
    """All floors of a store: where people can stand, and how they get from one place to another.

    What has been asked once is kept, so use `walkways_of` rather than the class.

    Raises:
        FaultsError: The store has no entrance that a person can stand in.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.floor_index = {floor.id: index for index, floor in enumerate(store.floor)}
        self.grids = [FloorGrid(floor, index, store) for index, floor in enumerate(store.floor)]
        self.zones = {zone.id: zone for zone in store.zone}
        reached = self._reached()
        self.spots: dict[str, tuple[Spot, ...]] = {}
        closed = []
        for zone in store.zone:
            if zone.kind == "staff":
                continue
            spots = self._spots(zone, reached[self.floor_index[zone.floor]])
            if spots:
                self.spots[zone.id] = spots
            else:
                closed.append(zone.id)
        if closed:
            log.warning("no way leads from an entrance to %s; shoppers stay away from there", ", ".join(closed))

    def of_kind(self, kind: str) -> list[str]:
        """Ids of the zones of a kind that shoppers can get to."""
        return [zone for zone in self.spots if self.zones[zone].kind == kind]

    def _grid(self, zone: str) -> FloorGrid:
        return self.grids[self.floor_index[self.zones[zone].floor]]

    def _reached(self) -> list[Bools]:
        """Per floor, the cells that a shopper can get to from some entrance."""
        reached = [np.zeros(grid.shape, dtype=bool) for grid in self.grids]
        zones = [zone.id for zone in self.store.zone if zone.kind == "entrance"]
        if not any(self._grid(zone).open_cells(zone).any() for zone in zones):
            raise FaultsError(
                f"store {self.store.id}", ["no shopper can come in: it needs a zone of kind entrance, free of walls"]
            )
        while zones:
            zone = zones.pop()
            grid = self._grid(zone)
            open_cells = grid.open_cells(zone)
            here = reached[grid.index]
            while (left := np.argwhere(open_cells & ~here)).size:
                here |= np.isfinite(grid.field((int(left[0][0]), int(left[0][1])))[0])
                for link in self.store.link:
                    for end, other in ((link.from_zone, link.to_zone), (link.to_zone, link.from_zone)):
                        if self._grid(end) is grid and (grid.open_cells(end) & here).any():
                            zones.append(other)
        return reached

    def _spots(self, zone: Zone, reached: Bools) -> tuple[Spot, ...]:
        floor = self.floor_index[zone.floor]
        cells = np.argwhere(self.grids[floor].open_cells(zone.id) & reached)
        if not len(cells):
            return ()
        centres = np.asarray((cells[:, ::-1] + 0.5) * CELL_M, dtype=np.float64)
        edges = segments_of(zone.polygon, closed=True)
        inside_m = distance_to_segment(centres[:, None], edges[:, 0], edges[:, 1]).min(axis=1)
        size = np.array([self.store.floor[floor].width_m, self.store.floor[floor].depth_m])
        to_outside = np.minimum(centres, size - centres).min(axis=1)
        if zone.kind == "lift":  # all get on and off at one place
            chosen = cells[[int(inside_m.argmax())]]
        elif zone.kind == "entrance":  # people appear at the doors, on the edge of the building
            chosen = cells[np.argsort(to_outside, kind="stable")[:SPOTS_PER_ZONE]]
        else:  # away from the edge, so that who stands still does not change zones
            inner = inside_m >= min(CLEARANCE_M, inside_m.max())
            cells, centres = cells[inner], centres[inner]
            off_m = np.hypot(*(centres - centres.mean(axis=0)).T)
            weights = np.exp(-0.5 * (np.minimum(off_m, 5 * SPOTS_SPREAD_M) / SPOTS_SPREAD_M) ** 2)
            rng = np.random.default_rng(crc32(zone.id.encode()))
            count = min(SPOTS_PER_ZONE, len(cells))
            drawn = rng.choice(len(cells), size=count, replace=False, p=weights / weights.sum())
            # The tail of the draw reaches the outside of the building, where nobody stands nose to the wall.
            free = drawn[to_outside[inner][drawn] > CLEARANCE_M + 1e-9]
            chosen = cells[free if len(free) else drawn]
        return tuple(Spot(floor, (int(row), int(column)), zone.id) for row, column in chosen)

    @cached_property
    def zone_map(self) -> ZoneMap:
        """Which zone holds a place."""
        return ZoneMap(self.store)

    @cached_property
    def rides(self) -> list[tuple[Spot, Spot, float]]:
        """Every link that shoppers can get to, in both directions."""
        rides = []
        for link in self.store.link:
            if link.from_zone in self.spots and link.to_zone in self.spots:
                a, b = self.spots[link.from_zone][0], self.spots[link.to_zone][0]
                rides += [(a, b, link.seconds), (b, a, link.seconds)]
        return rides

    def cost(self, start: Spot, goal: Spot) -> float:
        """Cost in metres of aisle of the walk between two spots of one floor; infinite if there is none."""
        if start.floor != goal.floor:
            return float("inf")
        return float(self.grids[goal.floor].field(goal.cell)[0][start.cell])

    def route(self, start: Spot, goal: Spot, rng: np.random.Generator) -> tuple[float, list[Leg]]:
        """The cheapest way between two spots, riding links where needed; returns its cost and its legs.

        Who has several links to choose from does not always take the best: each gets up to a minute of whim.

        Raises:
            ValueError: There is none (no pair of `spots` is like that).
        """
        direct = self.cost(start, goal)
        if np.isfinite(direct):
            return direct, [self._walk(start, goal)]
        whims = rng.uniform(0.0, 60.0, len(self.rides))
        # Dijkstra over the ends of the links; a place is a spot that was reached by a ride (or the start, the goal).
        queue: list[tuple[float, int, Spot, list[Leg]]] = [(0.0, 0, start, [])]
        done: set[Spot] = set()
        pushed = 0
        while queue:
            cost, _, here, legs = heapq.heappop(queue)
            if here == goal:
                return cost, legs
            if here in done:
                continue
            done.add(here)
            onward = (
                [(cost + self.cost(here, goal), goal, [*legs, self._walk(here, goal)])]
                if (np.isfinite(self.cost(here, goal)))
                else []
            )
            for (end, other, seconds), whim in zip(self.rides, whims, strict=True):
                if np.isfinite(walk := self.cost(here, end)):
                    ride = Leg((end.floor, other.floor), (end.point, other.point), (end.cell, other.cell), seconds)
                    onward.append((cost + walk + seconds + float(whim), other, [*legs, self._walk(here, end), ride]))
            for total, spot, way in onward:
                pushed += 1
                heapq.heappush(queue, (total, pushed, spot, way))
        raise ValueError(f"no way from {start} to {goal}")

    def _walk(self, start: Spot, goal: Spot) -> Leg:
        ends = (start.cell, goal.cell)
        return Leg((start.floor, goal.floor), self.grids[goal.floor].way(*ends), ends)


_kept: dict[tuple[object, ...], Walkways] = {}


def walkways_of(store: Store) -> Walkways:
    """The walkways of a store.

    Ways follow from the building alone, so that all branches of a chain, and all days in one layout, share them.

    Raises:
        FaultsError: The store has no entrance that a person can stand in.
    """
    building = (store.floor, store.zone, store.wall, store.link)
    walkways = _kept.pop(building, None) or Walkways(store)
    _kept[building] = walkways  # the latest last
    while len(_kept) > BUILDINGS_KEPT:
        _kept.pop(next(iter(_kept)), None)
    return walkways
