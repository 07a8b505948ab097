"""The store file as cells to be in: pieces of zones a few metres wide, and of the floor outside them, with borders.

A floor is looked at in fine points. Points of one zone that lie in one piece of its box, and that can be walked
between without crossing a wall, are a cell; so a cell lies in one zone or outside all, and on one side of a wall.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tagtrail.hardware.store import Floor, Store

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CELLS: Final = 250
"""About how many cells a store is cut into, where that makes them no smaller or larger than the sizes below."""
SIDE_MIN_M: Final = 1.0
SIDE_MAX_M: Final = 3.0
POINTS_PER_SIDE: Final = 6
"""Fine points along the side of a cell."""
NOWHERE: Final = -1
"""Zone of a cell outside all zones."""


@dataclass(frozen=True)
class Cells:
    """The cells of a store.

    Attributes:
        zones: Ids of the zones, in the order of the store file.
        floor: Index of each cell's floor.
        zone: Index of each cell's zone, `NOWHERE` outside all.
        area_m2: Of each cell.
        point_cell: Cell of each fine point.
        point_m: x and y of each fine point, shape (points, 2).
        borders: Pairs of cells with a common border that can be walked over, each pair once, shape (borders, 2).
        border_m: Length of each border.
    """

    zones: tuple[str, ...]
    floor: Ints
    zone: Ints
    area_m2: Floats
    point_cell: Ints
    point_m: Floats
    borders: Ints
    border_m: Floats

    def __len__(self) -> int:
        return len(self.zone)

    def mean(self, of_points: Floats) -> Floats:
        """Mean over the fine points of each cell; the last axis is that of the points."""
        order = np.argsort(self.point_cell, kind="stable")
        first = np.searchsorted(self.point_cell[order], np.arange(len(self)))
        sums = np.add.reduceat(of_points[..., order], first, axis=-1)
        return np.asarray(sums / np.bincount(self.point_cell, minlength=len(self)))


def make_cells(store: Store) -> Cells:
    """Cut the floors of a store into cells."""
    area_m2 = sum(floor.width_m * floor.depth_m for floor in store.floor)
    side_m = min(max((area_m2 / CELLS) ** 0.5, SIDE_MIN_M), SIDE_MAX_M)
    step_m = side_m / POINTS_PER_SIDE
    grids = [_Grid(store, floor, step_m, side_m) for floor in store.floor]
    offsets = np.cumsum([0, *(grid.cells for grid in grids)])
    cell = np.concatenate([grid.cell + offset for grid, offset in zip(grids, offsets[:-1], strict=True)])
    floor = np.repeat(np.arange(len(grids)), [grid.cells for grid in grids])
    borders, lengths = zip(*(grid.borders() for grid in grids), strict=True)
    return Cells(
        zones=tuple(zone.id for zone in store.zone),
        floor=floor,
        zone=np.concatenate([grid.zone_of_cell for grid in grids]),
        area_m2=np.bincount(cell, minlength=int(offsets[-1])) * step_m**2,
        point_cell=cell,
        point_m=np.concatenate([grid.point_m for grid in grids]),
        borders=np.concatenate([pairs + offset for pairs, offset in zip(borders, offsets[:-1], strict=True)]),
        border_m=np.concatenate(lengths) * step_m,
    )


class _Grid:
    """The fine points of one floor, row by row."""

    def __init__(self, store: Store, floor: Floor, step_m: float, side_m: float) -> None:
        columns, rows = (max(1, round(length / step_m)) for length in (floor.width_m, floor.depth_m))
        x, y = np.meshgrid((np.arange(columns) + 0.5) * step_m, (np.arange(rows) + 0.5) * step_m)
        self.point_m = np.stack([x.ravel(), y.ravel()], axis=1)
        zone = np.full(len(self.point_m), NOWHERE)
        piece = _pieces(self.point_m, np.zeros(2), np.array([floor.width_m, floor.depth_m]), side_m)
        for index, one in enumerate(store.zone):
            if one.floor == floor.id:
                corners = np.array(one.polygon)
                inside = holds(corners, self.point_m) & (zone == NOWHERE)
                zone[inside] = index
                low, high = corners.min(axis=0), corners.max(axis=0)
                piece[inside] = _pieces(self.point_m[inside], low, high, side_m)
        self._steps = self._walkable(store, floor, rows, columns)
        self.cell = _connected((zone + 1) * (piece.max() + 1) + piece, self._steps)
        self.cells = int(self.cell.max()) + 1
        self.zone_of_cell = np.zeros(self.cells, dtype=np.int64)
        self.zone_of_cell[self.cell] = zone

    def _walkable(self, store: Store, floor: Floor, rows: int, columns: int) -> Ints:
        """Pairs of neighbouring points without a wall between."""
        number = np.arange(rows * columns).reshape(rows, columns)
        steps = np.concatenate(
            [
                np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1),
                np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1),
            ]
        )
        start, end = self.point_m[steps[:, 0]], self.point_m[steps[:, 1]]
        for wall in store.wall:
            if wall.floor == floor.id:
                for a, b in zip(wall.line[:-1], wall.line[1:], strict=True):
                    free = ~_crosses(start, end, np.array(a), np.array(b))
                    steps, start, end = steps[free], start[free], end[free]
        return steps

    def borders(self) -> tuple[Ints, Ints]:
        """Pairs of cells, and how many steps lead over their border."""
        cells = np.sort(self.cell[self._steps], axis=1)
        cells = cells[cells[:, 0] != cells[:, 1]]
        pairs, count = np.unique(cells[:, 0] * self.cells + cells[:, 1], return_counts=True)
        return np.stack([pairs // self.cells, pairs % self.cells], axis=1), count


def _pieces(point_m: Floats, low: Floats, high: Floats, side_m: float) -> Ints:
    """Which equal piece of a box holds each point; pieces are no wider than ``side_m``."""
    often = np.maximum(np.ceil((high - low) / side_m - 0.01), 1)
    place = np.clip((point_m - low) / (high - low) * often, 0, often - 1).astype(np.int64)
    return np.asarray(place[:, 1] * 1024 + place[:, 0])


def holds(corners: Floats, point_m: Floats) -> Bools:
    """Whether a polygon holds each point (even-odd rule)."""
    x, y = point_m[:, :1], point_m[:, 1:]
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
    straddles = (y0 > y) != (y1 > y)
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    return np.asarray(np.count_nonzero(straddles & (x < x0 + (y - y0) / rise * (x1 - x0)), axis=1) % 2 == 1)


def _crosses(start: Floats, end: Floats, a: Floats, b: Floats) -> Bools:
    """Whether steps cross a wall; a step that touches it does."""

    def side(p: Floats, q: Floats, r: Floats) -> Floats:
        return np.asarray(
            (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        )

    return np.asarray((side(start, end, a) * side(start, end, b) <= 0) & (side(a, b, start) * side(a, b, end) <= 0))


def _connected(label: Ints, steps: Ints) -> Ints:
    """Numbers of the connected sets of points of one label, from 0."""
    one, other = steps[label[steps[:, 0]] == label[steps[:, 1]]].T
    lowest = np.arange(len(label))
    while True:
        before = lowest.copy()
        np.minimum.at(lowest, one, before[other])
        np.minimum.at(lowest, other, before[one])
        lowest = lowest[lowest]
        if (lowest == before).all():
            return np.unique(lowest, return_inverse=True)[1]
