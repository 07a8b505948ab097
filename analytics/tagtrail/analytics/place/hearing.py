"""What each antenna hears of a tag in each cell: reads per second and signal strength."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from tagtrail.analytics.place.cells import Cells
from tagtrail.hardware.store import Antenna, Store

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

TAG_HEIGHT_M: Final = 1.2
LEVEL_MIN_DBM: Final = -100
LEVELS: Final = 90
"""Signal strengths from -100 to -11 dBm in steps of 1 dB; one more level stands for none given."""
UNKNOWN_LEVEL: Final = LEVELS


@dataclass(frozen=True)
class Hearing:
    """A radio map.

    Attributes:
        rate: Reads per second of a tag in a cell, shape (antennas, cells).
        mean_dbm: Mean strength of such a read, same shape.
        sd_db: Standard deviation about it, by antenna.
    """

    rate: Floats
    mean_dbm: Floats
    sd_db: Floats


def antennas_of(store: Store) -> list[tuple[str, Antenna]]:
    """Reader and antenna, in the order of the store file."""
    return [(reader.id, antenna) for reader in store.reader for antenna in reader.antenna]


def distances_m(store: Store, cells: Cells) -> Floats:
    """From each antenna to each cell, in the mean of its points; infinite from floor to floor."""
    floors = [floor.id for floor in store.floor]
    rows = []
    for _, antenna in antennas_of(store):
        x, y, height = antenna.position_m
        point_m = np.sqrt(
            (cells.point_m[:, 0] - x) ** 2 + (cells.point_m[:, 1] - y) ** 2 + (height - TAG_HEIGHT_M) ** 2
        )
        same = cells.floor == floors.index(antenna.floor)
        rows.append(np.where(same, np.exp(cells.mean(np.log(np.maximum(point_m, 0.3)))), np.inf))
    return np.array(rows)


def levels_of(rssi_dbm: Floats32) -> Ints:
    """Level of each signal strength."""
    known = np.clip(np.rint(np.nan_to_num(rssi_dbm, nan=0.0)) - LEVEL_MIN_DBM, 0, LEVELS - 1).astype(np.int64)
    return np.where(np.isnan(rssi_dbm), UNKNOWN_LEVEL, known)
