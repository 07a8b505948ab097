"""Which zone an antenna stands for, in the layout that was valid when it read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import ANTENNA, READER, TIME, us_of_times
from tagtrail.hardware.store import Store, antenna_zone

FIRST_LAYOUT_FROM_US: Final = np.iinfo(np.int64).min
"""The oldest layout also holds for the time before it: reads came in before somebody wrote the store file down."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """A version of the store file and since when it is valid, microseconds since 1970 UTC."""

    valid_from_us: int
    store: Store


class Versions:
    """The versions of one store's layout.

    Attributes:
        layouts: In the order in which they became valid.
    """

    def __init__(self, layouts: Sequence[Layout]) -> None:
        if not layouts:
            raise ValueError("no layout")
        self.layouts = sorted(layouts, key=lambda layout: layout.valid_from_us)
        starts = [FIRST_LAYOUT_FROM_US, *(layout.valid_from_us for layout in self.layouts[1:])]
        self._starts_us = np.array(starts, dtype=np.int64)

    def at(self, time_us: Ints) -> Ints:
        """Index of the layout that was valid at each time."""
        return np.searchsorted(self._starts_us, time_us, side="right") - 1


def not_in_store(reader: str, port: int) -> str:
    """Why a read of such an antenna is in no visit."""
    return f"reader {reader}, antenna {port} is not in the store file"


class Placement:
    """Antenna to zone for the versions of one store's layout.

    Attributes:
        zones: Ids of all zones of all versions; a zone's code is its place here.
    """

    def __init__(self, layouts: Sequence[Layout]) -> None:
        self._versions = Versions(layouts)
        ids = dict.fromkeys(zone.id for layout in self._versions.layouts for zone in layout.store.zone)
        self.zones = tuple(ids)
        codes = {zone: code for code, zone in enumerate(ids)}
        self._zone_of: dict[tuple[int, str, int], int] = {}
        self._homeless: set[tuple[int, str, int]] = set()
        for version, layout in enumerate(self._versions.layouts):
            for reader in layout.store.reader:
                for antenna in reader.antenna:
                    key = (version, reader.id, antenna.port)
                    zone = antenna_zone(layout.store, antenna)
                    if zone is None:
                        self._homeless.add(key)
                    else:
                        self._zone_of[key] = codes[zone.id]

    def place(self, reads: pd.DataFrame) -> tuple[Ints, Ints, Counter[str]]:
        """Zone code (-1: none) and layout version of each read, and the reads without a zone, counted by antenna."""
        time_us = us_of_times(reads[TIME])
        version = self._versions.at(time_us)
        reader = reads[READER].cat.codes.to_numpy(dtype=np.int64)
        names = reads[READER].cat.categories
        ports = reads[ANTENNA].to_numpy(dtype=np.int64)
        kinds, first, inverse = np.unique(
            (version << 48) | (reader << 32) | (ports & 0xFFFF_FFFF), return_index=True, return_inverse=True
        )
        zones = np.full(len(kinds), -1, dtype=np.int64)
        unplaced: Counter[str] = Counter()
        for kind, row in enumerate(first):
            key = (int(version[row]), str(names[reader[row]]), int(ports[row]))
            zone = self._zone_of.get(key)
            if zone is not None:
                zones[kind] = zone
                continue
            _, name, port = key
            homeless = key in self._homeless
            reason = f"reader {name}, antenna {port} is over no zone" if homeless else not_in_store(name, port)
            unplaced[reason] += int((inverse == kind).sum())
        return zones[inverse], version, unplaced
