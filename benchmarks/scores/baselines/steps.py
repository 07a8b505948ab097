"""What the baselines share: reads of a tag by the second in, a zone for each second out, and visits made of that."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import (
    CONFIDENCE,
    ENTER,
    EPC,
    EXIT,
    RSSI_DBM,
    TIME,
    TRIP,
    ZONE,
    epc_ranks,
    times_of_us,
    us_of_times,
)
from tagtrail.analytics.estimator import Estimate
from tagtrail.analytics.place.stretches import antennas_of_reads
from tagtrail.analytics.trips import TRIP_GAP_S, number_trips
from tagtrail.hardware.store import Store, antenna_zone

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SECOND_US: Final = 1_000_000
NOWHERE: Final = -1
NO_RSSI_DBM: Final = -65.0
"""Assumed where a reader gives no signal strength."""
NO_ANTENNA: Final = "antenna not in the store file"


class Antennas(NamedTuple):
    """The antennas of a store: row by reader and port, zone of each (`NOWHERE` for none), ids of the zones."""

    row: dict[tuple[str, int], int]
    zone: Ints
    zones: tuple[str, ...]


class Stretch(NamedTuple):
    """The reads of one tag without a long silence, in order of time.

    Attributes:
        epc: The tag.
        start_us: Begin of step 0, a whole second.
        steps: How many seconds there are.
        time_s: Of each read, since the start.
        antenna: Index.
        rssi_dbm: Of each read.
    """

    epc: str
    start_us: int
    steps: int
    time_s: Floats
    antenna: Ints
    rssi_dbm: Floats

    def counts(self, antennas: int) -> Floats:
        """Reads by step and antenna."""
        return self._by_step(np.ones(len(self.antenna)), antennas)

    def sums_dbm(self, antennas: int) -> Floats:
        """Sum of the reads' strengths by step and antenna."""
        return self._by_step(self.rssi_dbm, antennas)

    def _by_step(self, value: Floats, antennas: int) -> Floats:
        sums = np.zeros((self.steps, antennas))
        np.add.at(sums, (self.time_s.astype(np.int64), self.antenna), value)
        return sums


def antennas_of(store: Store) -> Antennas:
    """The antennas of a store, in the order of its file."""
    codes = {zone.id: code for code, zone in enumerate(store.zone)}
    row: dict[tuple[str, int], int] = {}
    zones = []
    for reader in store.reader:
        for antenna in reader.antenna:
            row[reader.id, antenna.port] = len(row)
            zone = antenna_zone(store, antenna)
            zones.append(codes[zone.id] if zone else NOWHERE)
    return Antennas(row, np.array(zones, dtype=np.int64), tuple(codes))


def stretches(reads: pd.DataFrame, antennas: Antennas, gap_s: float) -> Iterator[Stretch]:
    """Reads of known antennas without exact duplicates, by tag, cut where a tag is silent for more than ``gap_s``."""
    antenna = antennas_of_reads(reads, antennas.row)
    rssi_dbm = np.nan_to_num(reads[RSSI_DBM].to_numpy(dtype=np.float64), nan=NO_RSSI_DBM)
    epcs, tag = epc_ranks(reads[EPC])
    time_us = us_of_times(reads[TIME])
    kept = np.flatnonzero(antenna >= 0)
    order = kept[np.lexsort((rssi_dbm[kept], antenna[kept], time_us[kept], tag[kept]))]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.any([np.diff(column[order]) != 0 for column in (tag, time_us, antenna, rssi_dbm)], axis=0)
    order = order[new]
    tag, time_us, antenna, rssi_dbm = tag[order], time_us[order], antenna[order], rssi_dbm[order]
    cut = np.ones(len(tag), dtype=np.bool_)
    cut[1:] = (np.diff(tag) != 0) | (np.diff(time_us) > gap_s * SECOND_US)
    begin = np.flatnonzero(cut).tolist()
    for low, high in zip(begin, [*begin[1:], len(tag)][: len(begin)], strict=True):
        start_us = int(time_us[low]) // SECOND_US * SECOND_US
        time_s = (time_us[low:high] - start_us) / SECOND_US
        epc = str(epcs[tag[low]])
        yield Stretch(epc, start_us, int(time_s[-1]) + 1, time_s, antenna[low:high], rssi_dbm[low:high])


class Baseline:
    """An `Estimator` that gives each second a zone.

    Args:
        store: The layout.
        trip_gap_s: Silence that parts a tag's reads.
    """

    def __init__(self, store: Store, trip_gap_s: float = TRIP_GAP_S) -> None:
        self.store = store
        self.antennas = antennas_of(store)
        self._trip_gap_s = trip_gap_s

    @property
    def visit_gap_s(self) -> float:
        """Silence after which a visit is over."""
        return self._trip_gap_s

    @property
    def trip_gap_s(self) -> float:
        """Silence after which a trip is over."""
        return self._trip_gap_s

    def label(self, stretch: Stretch) -> Ints:
        """Zone of each step, `NOWHERE` for none."""
        raise NotImplementedError

    def estimate(self, reads: pd.DataFrame) -> Estimate:
        """See `Estimator`."""
        known = int((antennas_of_reads(reads, self.antennas.row) >= 0).sum())
        found = [(one, self.label(one)) for one in stretches(reads, self.antennas, self._trip_gap_s)]
        visits = visits_of(found, self.antennas.zones)
        trip = number_trips(visits, trip_gap_s=self._trip_gap_s)
        return Estimate(visits.assign(**{TRIP: trip}), +Counter({NO_ANTENNA: len(reads) - known}))


def visits_of(found: Sequence[tuple[Stretch, Ints]], zones: Sequence[str]) -> pd.DataFrame:
    """Runs of equal labels as a table of visits."""
    rows: list[tuple[str, str, int, int]] = []
    for stretch, label in found:
        starts = np.flatnonzero(np.diff(label, prepend=NOWHERE - 1))
        for low, high in zip(starts.tolist(), [*starts[1:].tolist(), len(label)], strict=True):
            if label[low] != NOWHERE:
                enter_us, exit_us = (stretch.start_us + step * SECOND_US for step in (low, high))
                rows.append((stretch.epc, zones[label[low]], enter_us, exit_us))
    epc, zone, enter, exit_ = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pd.DataFrame(
        {
            EPC: pd.Series(epc, dtype="str"),
            ZONE: pd.Series(zone, dtype="str"),
            ENTER: times_of_us(np.array(enter, dtype=np.int64)),
            EXIT: times_of_us(np.array(exit_, dtype=np.int64)),
            CONFIDENCE: np.ones(len(rows), dtype=np.float32),
        }
    )


def hold(label: Ints, hold_s: int) -> Ints:
    """Fill steps of `NOWHERE` with the last zone before, for at most ``hold_s`` steps."""
    steps = np.arange(len(label))
    last = np.maximum.accumulate(np.where(label != NOWHERE, steps, -1))
    near = (last >= 0) & (steps - last <= hold_s)
    return np.where(near, label[np.maximum(last, 0)], NOWHERE)


def window_sum(values: Floats, before: int, after: int) -> Floats:
    """Sum over the steps from ``before`` steps earlier to ``after`` steps later, itself included."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    steps = np.arange(len(values))
    low, high = np.maximum(steps - before, 0), np.minimum(steps + after + 1, len(values))
    return np.asarray(total[high] - total[low])
