"""What one store file says of where one can be and how antennas lie to it."""

import numpy as np
import pandas as pd

from tagtrail.analytics.place.cells import Bools, Cells, Floats, Ints, make_cells
from tagtrail.analytics.place.hearing import antennas_of, distances_m
from tagtrail.analytics.place.walking import Gait, Walking, make_walking
from tagtrail.hardware.store import Store


class Ground:
    """Cells, ways and distances.

    Attributes:
        cells: Where one can be.
        walking: How one gets from cell to cell.
        distance_m: From each antenna to each cell.
        antennas: Index of each antenna by reader and port.
        is_door_cell: Whether one can come and go at each cell.
        is_closed: Whether the store file names no entrance: a closed room.
        is_door: Whether a visit of each zone may end with leaving the store.
    """

    def __init__(self, store: Store, gait: Gait) -> None:
        self.cells: Cells = make_cells(store)
        self.walking: Walking = make_walking(store, self.cells, gait)
        self.distance_m = distances_m(store, self.cells)
        self.antennas = {(reader, antenna.port): index for index, (reader, antenna) in enumerate(antennas_of(store))}
        doors = [index for index, zone in enumerate(store.zone) if zone.kind == "entrance"]
        self.is_door_cell: Bools = np.isin(self.cells.zone, doors)
        self.is_closed = not doors
        self.is_door: Bools = np.isin(np.arange(len(store.zone)), doors) | self.is_closed
        self._floors = {floor.id: index for index, floor in enumerate(store.floor)}

    def middles_m(self) -> Floats:
        """The middle of each cell, shape (cells, 2)."""
        return np.stack([self.cells.mean(self.cells.point_m[:, axis]) for axis in (0, 1)], axis=1)

    def apart_m(self) -> Floats:
        """From cell to cell; infinite from floor to floor."""
        middle = self.middles_m()
        apart = np.sqrt(((middle[:, None] - middle) ** 2).sum(axis=2))
        return np.where(self.cells.floor[:, None] == self.cells.floor, apart, np.inf)

    def cells_at(self, points: pd.DataFrame) -> Ints:
        """The cell of each point: that of the nearest fine point of its floor."""
        place, back = np.unique(points[["x_m", "y_m"]].to_numpy(dtype=np.float64), axis=0, return_inverse=True)
        floor = points["floor"].map(self._floors).to_numpy()
        cell = np.zeros(len(points), dtype=np.int64)
        of_point = self.cells.floor[self.cells.point_cell]
        for number in np.unique(floor).tolist():
            there = np.flatnonzero(of_point == number)
            near = [there[((self.cells.point_m[there] - one) ** 2).sum(axis=1).argmin()] for one in place]
            cell = np.where(floor == number, self.cells.point_cell[np.array(near)][back], cell)
        return cell
