"""What walls, shelves and reflections do to each antenna at each place: a fixed field over the floor.

Shadowing is Gaussian in dB and correlates over places as exp(-d / D) (Gudmundson 1991). On top, waves of several paths
add up differently every half wave: a Rician power, drawn for nodes at about that distance.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagtrail.simulator.geometry import Floats
from tagtrail.simulator.radio.draws import LEVELS, Singles, rician_db
from tagtrail.simulator.radio.model import RadioModel

Indices = NDArray[np.intp]

CELL_M: Final = 0.2
"""Distance of nodes: somewhat more than half a wave of 915 MHz, 0.16 m."""


@dataclass(frozen=True)
class Spots:
    """Places among the nodes of a grid: the node at the lower left, and how far on to the next in x and in y."""

    node: Indices
    along_x: Singles
    along_y: Singles

    def __getitem__(self, chosen: Indices) -> "Spots":
        return Spots(self.node[chosen], self.along_x[chosen], self.along_y[chosen])


class Grid:
    """The nodes over a floor at which fields are given, by rows of equal y; between them, they are interpolated."""

    def __init__(self, width_m: float, depth_m: float) -> None:
        self.shape = (math.ceil(depth_m / CELL_M) + 1, math.ceil(width_m / CELL_M) + 1)

    def spots(self, x_m: Singles, y_m: Singles) -> Spots:
        """Where places are; those outside the floor count as at its edge."""
        rows, columns = self.shape
        x = np.clip(x_m * np.float32(1 / CELL_M), 0.0, np.float32(columns - 1.001))
        y = np.clip(y_m * np.float32(1 / CELL_M), 0.0, np.float32(rows - 1.001))
        column, row = x.astype(np.int32), y.astype(np.int32)
        return Spots((row * columns + column).astype(np.intp), x - column, y - row)

    def interpolated(self, field: Singles, spots: Spots) -> Singles:
        """A field at places, linear in x and in y."""
        columns = self.shape[1]
        node, x, y = spots.node, spots.along_x, spots.along_y
        below = field[node] * (1 - x) + field[node + 1] * x
        above = field[node + columns] * (1 - x) + field[node + columns + 1] * x
        return np.asarray(below * (1 - y) + above * y)

    def most_around(self, field: Singles) -> Singles:
        """The largest of the field in the cell to the upper right of each node."""
        grid = field.reshape(self.shape)
        wide = np.maximum(grid, np.pad(grid[:, 1:], ((0, 0), (0, 1)), mode="edge"))
        return np.asarray(np.maximum(wide, np.pad(wide[1:], ((0, 1), (0, 0)), mode="edge")).ravel())

    def middles(self) -> tuple[Singles, Singles]:
        """X and y of the middle of the cell to the upper right of each node."""
        rows, columns = self.shape
        y_m, x_m = np.divmod(np.arange(rows * columns), columns)
        return ((x_m + 0.5) * CELL_M).astype(np.float32), ((y_m + 0.5) * CELL_M).astype(np.float32)

    def field_db(self, model: RadioModel, key: np.uint64) -> Singles:
        """Gain of one antenna by node; the same key, the same field."""
        rng = np.random.Generator(np.random.PCG64(int(key)))
        field = model.shadowing_sd_db * correlated(rng, self.shape, model.shadowing_distance_m / CELL_M)
        field += rician_db(model.multipath_k_db)[rng.integers(0, LEVELS, self.shape)]
        return field.astype(np.float32).ravel()


def correlated(rng: np.random.Generator, shape: tuple[int, int], distance: float) -> Floats:
    """A Gaussian field of mean 0 and spread 1 that correlates as exp(-d / distance), lengths in nodes.

    By circulant embedding: noise times the root of the spectrum of the correlation, on a torus larger than the field.
    """
    root = _root_of_spectrum(shape, distance)
    rows, columns = root.shape[0], 2 * (root.shape[1] - 1)
    noise = np.fft.rfft2(rng.standard_normal((rows, columns)))
    return np.asarray(np.fft.irfft2(noise * root, (rows, columns))[: shape[0], : shape[1]])


@lru_cache(maxsize=16)
def _root_of_spectrum(shape: tuple[int, int], distance: float) -> Floats:
    """For a torus four distances larger than the field, and a spread of 1.

    The little that is negative in the spectrum is cut off.
    """
    rows, columns = (_even(size + 4 * distance) for size in shape)
    down = np.minimum(np.arange(rows), rows - np.arange(rows))[:, None]
    across = np.minimum(np.arange(columns), columns - np.arange(columns))[None, :]
    spectrum = np.maximum(np.fft.rfft2(np.exp(-np.hypot(down, across) / distance)).real, 0.0)
    variance = np.fft.irfft2(spectrum, (rows, columns))[0, 0]
    return np.asarray(np.sqrt(spectrum / variance))


def _even(size: float) -> int:
    return 2 * int(np.ceil(size / 2))
