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


class Placement:
    """Antenna to zone for the versions of one store's layout.

    Attributes:
        zones: Ids of all zones of all versions; a zone's code is its place here.
    """

    def __init__(self, layouts: Sequence[Layout]) -> None:
        if not layouts:
            raise ValueError("no layout")
        versions = sorted(layouts, key=lambda layout: layout.valid_from_us)
        starts = [FIRST_LAYOUT_FROM_US, *(layout.valid_from_us for layout in versions[1:])]
        self._starts = np.array(starts, dtype=np.int64)
        self._versions = versions
        ids = dict.fromkeys(zone.id for layout in versions for zone in layout.store.zone)
        self.zones = tuple(ids)
        codes = {zone: code for code, zone in enumerate(ids)}
        self._zone_of: dict[tuple[int, str, int], int] = {}
        self._homeless: set[tuple[int, str, int]] = set()
        for version, layout in enumerate(versions):
            for reader in layout.store.reader:
                for antenna in reader.antenna:
                    key = (version, reader.id, antenna.port)
                    zone = antenna_zone(layout.store, antenna)
                    if zone is None:
                        self._homeless.add(key)
                    else:
                        self._zone_of[key] = codes[zone.id]

    @property
    def changes_us(self) -> tuple[int, ...]:
        """When one layout gives way to the next."""
        return tuple(self._starts[1:].tolist())

    def place(self, reads: pd.DataFrame) -> tuple[Ints, Ints, Counter[str]]:
        """Zone code (-1: none) and layout version of each read, and the reads without a zone, counted by antenna."""
        time_us = us_of_times(reads[TIME])
        version = np.searchsorted(self._starts, time_us, side="right") - 1
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
            reason = "is over no zone" if key in self._homeless else "is not in the store file"
            unplaced[f"reader {key[1]}, antenna {key[2]} {reason}"] += int((inverse == kind).sum())
        return zones[inverse], version, unplaced
