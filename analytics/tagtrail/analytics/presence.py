"""The presence rule: a tag is in the zone whose antennas hear it strongest, and a stay needs some support.

Per tag, reads are cut into *segments* wherever it is silent for more than ``visit_gap_s`` or the layout changes. Within
a segment time is cut into steps. Each read gives its zone an evidence that grows with the signal's amplitude; evidence
is smoothed over neighbouring steps by a triangle; a step belongs to the zone with most of it. Runs of steps that their
own zone's antennas do not support for ``visit_min_s``, or that another zone nearly equals, are in doubt: they are
judged together with the doubtful runs beside them, or go to a neighbour (`stays`). docs/analytics.md has the formulae.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import (
    ANTENNA,
    CONFIDENCE,
    COUNT,
    ENTER,
    EPC,
    EXIT,
    READER,
    RSSI_DBM,
    TIME,
    TRIP,
    ZONE,
    epc_ranks,
    times_of_us,
    us_of_times,
)
from tagtrail.analytics.estimator import Estimate
from tagtrail.analytics.placement import Layout, Placement
from tagtrail.analytics.stays import Evidence, Stays, find_stays, starts_of_equal
from tagtrail.analytics.trips import TRIP_GAP_S, number_trips

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

REFERENCE_DBM: Final = -90.0
"""Below the sensitivity of every UHF reader, so that the weakest read still has an evidence of about 1."""
NO_RSSI_DBM: Final = -65.0
"""Assumed where a reader gives no signal strength: the middle of what readers report. Its reads then count alike."""
CHUNK_CELLS: Final = 2_000_000
"""Steps x zones that are smoothed at once: 16 MB per array, whatever the input's length."""

UNSUPPORTED: Final = "stay shorter than visit_min_s"


@dataclass(frozen=True, kw_only=True)
class PresenceParameters:
    """The presence rule's numbers, in seconds.

    Attributes:
        step_s: Length of a step.
        smooth_s: A read gives evidence to the steps less than this far before and after its own.
        visit_min_s: Time between the first and the last read by a zone's own antennas that a visit there needs.
        lead: How many times as much evidence as for any other zone there must be for a stay to stand beyond doubt.
        visit_gap_s: Silence that ends a visit, at its last read.
        trip_gap_s: Silence that ends a trip; at least ``visit_gap_s``.
    """

    step_s: float = 1.0
    smooth_s: float = 4.0
    visit_min_s: float = 2.0
    lead: float = 3.0
    visit_gap_s: float = 60.0
    trip_gap_s: float = TRIP_GAP_S


class Presence:
    """The presence rule for the versions of one store's layout; an `Estimator`."""

    def __init__(self, layouts: Sequence[Layout], parameters: PresenceParameters | None = None) -> None:
        self.parameters = parameters or PresenceParameters()
        self.placement = Placement(layouts)
        self._zone_names = np.array(self.placement.zones, dtype=np.object_)

    @property
    def visit_gap_s(self) -> float:
        """Silence after which a visit is over."""
        return self.parameters.visit_gap_s

    @property
    def trip_gap_s(self) -> float:
        """Silence after which a trip is over."""
        return self.parameters.trip_gap_s

    def estimate(self, reads: pd.DataFrame) -> Estimate:
        """The visits in checked reads; see `Estimator`."""
        zone, version, unused = self.placement.place(reads)
        epcs, tag = epc_ranks(reads[EPC])
        found = [
            find_stays(
                chunk,
                zones=len(self._zone_names),
                half_width=round(self.parameters.smooth_s / self.parameters.step_s),
                minimum_us=_us(self.parameters.visit_min_s),
                lead=self.parameters.lead,
            )
            for chunk in self._chunks(self._segment(_order(reads, tag, zone, version)))
        ]
        unused[UNSUPPORTED] += sum(count for _, count in found)
        return Estimate(self._table([stays for stays, _ in found], epcs), +unused)

    def _segment(self, reads: "_Ordered") -> Evidence:
        """Cut where the tag changes or is silent, or the layout changes."""
        cut = np.diff(reads.time_us, prepend=reads.time_us[:1]) > _us(self.visit_gap_s)
        cut[starts_of_equal(reads.tag, reads.version)] = True
        step = reads.time_us // _us(self.parameters.step_s)
        return Evidence(reads.tag, np.cumsum(cut), step, reads.time_us, reads.zone, reads.weight)

    def _chunks(self, reads: Evidence) -> Iterator[Evidence]:
        """Whole segments with about `CHUNK_CELLS` cells together."""
        if not len(reads.segment):
            return
        start = starts_of_equal(reads.segment)
        last = np.append(start[1:], len(reads.segment)) - 1
        cells = np.cumsum(reads.step[last] - reads.step[start] + 1) * len(self._zone_names)
        begin = start[starts_of_equal(cells // CHUNK_CELLS)].tolist()
        for low, high in zip(begin, [*begin[1:], len(reads.segment)], strict=True):
            yield Evidence._make(column[low:high] for column in reads)

    def _table(self, found: Sequence[Stays], epcs: Texts) -> pd.DataFrame:
        nothing = Stays._make([np.zeros(0, dtype=np.int64)] * 4 + [np.zeros(0)] * 2)
        stays = Stays._make(np.concatenate(columns) for columns in zip(nothing, *found, strict=True))
        visits = pd.DataFrame(
            {
                EPC: pd.Series(epcs[stays.tag], dtype="str"),
                ZONE: pd.Series(self._zone_names[stays.zone], dtype="str"),
                ENTER: times_of_us(stays.enter_us),
                EXIT: times_of_us(stays.exit_us),
                CONFIDENCE: (stays.own / stays.total).astype(np.float32),
            }
        )
        return visits.assign(**{TRIP: number_trips(visits, trip_gap_s=self.trip_gap_s)})


class _Ordered(NamedTuple):
    """Different reads that have a zone, sorted by tag and time."""

    tag: Ints
    time_us: Ints
    version: Ints
    zone: Ints
    weight: Floats


def evidence_of(rssi_dbm: npt.NDArray[np.float32], count: Ints) -> Floats:
    """Whole-number weight of reads: ``count * max(1, round(10 ** ((rssi_dbm - REFERENCE_DBM) / 20)))``."""
    known_dbm = np.where(np.isnan(rssi_dbm), NO_RSSI_DBM, rssi_dbm.astype(np.float64))
    amplitude: Floats = 10.0 ** ((known_dbm - REFERENCE_DBM) / 20.0)
    return np.asarray(count * np.maximum(1.0, np.rint(amplitude)))


def _order(reads: pd.DataFrame, tag: Ints, zone: Ints, version: Ints) -> _Ordered:
    """Leave out reads without a zone and exact duplicates, and sort."""
    time_us = us_of_times(reads[TIME])
    rssi_dbm = reads[RSSI_DBM].to_numpy(dtype=np.float32)
    count = reads[COUNT].to_numpy(dtype=np.int64)
    source = reads[READER].cat.codes.to_numpy(dtype=np.int64) << 8 | reads[ANTENNA].to_numpy(dtype=np.int64)
    detail = (source << 15 | count) << 32 | np.nan_to_num(rssi_dbm, nan=-999.0).view(np.uint32).astype(np.int64)
    order = np.lexsort((detail, time_us, tag))
    order = order[zone[order] >= 0]
    order = order[starts_of_equal(tag[order], time_us[order], detail[order])]
    weight = evidence_of(rssi_dbm[order], count[order])
    return _Ordered(tag[order], time_us[order], version[order], zone[order], weight)


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
