"""The estimator of place: reads in, visits out, by the probability of every place at every second.

Hidden are the cells of the floor and whether one stands or walks (`cells`, `walking`); heard are reads, their strength
and silence (`hearing`), by a radio map that the store's own reads have taught (`learning`). A forward and a backward
pass over a whole trip (`smoother`) give the posterior of each zone at each second, and that the visits (`visits`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import (
    ANTENNA,
    CENSORED,
    CONFIDENCE,
    COUNT,
    DWELL_HIGH_S,
    DWELL_LOW_S,
    ENTER,
    EPC,
    EXIT,
    READER,
    TIME,
    TRIP,
    ZONE,
    epc_ranks,
    times_of_us,
    us_of_times,
)
from tagtrail.analytics.estimator import Estimate
from tagtrail.analytics.place.calibration import count_at, interpolated
from tagtrail.analytics.place.curves import Learning, first_hearing, fit_hearing
from tagtrail.analytics.place.evidence import Tables, Trust, make_tables
from tagtrail.analytics.place.ground import Ground
from tagtrail.analytics.place.learning import learn_hearing
from tagtrail.analytics.place.smoother import Posterior, smooth
from tagtrail.analytics.place.stretches import SECOND_US, Stretches, antennas_of_reads, make_stretches
from tagtrail.analytics.place.visits import find_runs
from tagtrail.analytics.place.walking import Gait
from tagtrail.analytics.placement import Layout, Versions, not_in_store
from tagtrail.analytics.trips import TRIP_GAP_S, number_trips

Ints = npt.NDArray[np.int64]

TOO_SHORT: Final = "tag seen for less than visit_min_s"
OUTSIDE: Final = "tag probably in no zone"


@dataclass(frozen=True, kw_only=True)
class PlaceParameters:
    """The numbers of the estimator of place; the same for all stores.

    Attributes:
        gait: How people walk.
        learning: How soon what is seen is believed.
        trust: How far evidence is believed.
        change_s: Seconds that a change of zone must gain to be told.
        pad_s: How long before the first and after the last read a tag is looked for.
        visit_min_s: Shortest visit that is told, and shortest time that a tag must be seen.
        doubt_factor: Half the 90 % interval of a dwell over its doubt (`visits.Runs`).
        visit_gap_s: Silence after which a visit counts as over for the live loop.
        trip_gap_s: Silence that parts a tag's reads into stretches without influence on each other.
    """

    gait: Gait = field(default_factory=Gait)
    learning: Learning = field(default_factory=Learning)
    trust: Trust = field(default_factory=Trust)
    change_s: float = 0.8
    pad_s: int = 15
    visit_min_s: int = 2
    doubt_factor: float = 2.7
    visit_gap_s: float = 60.0
    trip_gap_s: float = TRIP_GAP_S


class Place:
    """The estimator of place for the versions of one store's layout; an `Estimator`.

    Args:
        layouts: Versions of the store file.
        parameters: See there.

    Attributes:
        hearings: Radio map of each version: at first what the store file alone says.
    """

    def __init__(
        self,
        layouts: Sequence[Layout],
        parameters: PlaceParameters | None = None,
    ) -> None:
        self.parameters = parameters or PlaceParameters()
        self._versions = Versions(layouts)
        self.grounds = [Ground(layout.store, self.parameters.gait) for layout in self._versions.layouts]
        self.hearings = [first_hearing(ground.distance_m, ground.cells.zone >= 0) for ground in self.grounds]

    @property
    def visit_gap_s(self) -> float:
        """Silence after which a visit is over."""
        return self.parameters.visit_gap_s

    @property
    def trip_gap_s(self) -> float:
        """Silence after which a trip is over."""
        return self.parameters.trip_gap_s

    def learn(self, reads: pd.DataFrame) -> None:
        """Make the radio maps by checked reads; nobody has to say where the tags were (`learning`)."""
        _, tag = epc_ranks(reads[EPC])
        for version, ground in enumerate(self.grounds):
            stretches, _ = self._stretches(reads, tag, version)
            if len(stretches):
                self.hearings[version] = learn_hearing(
                    ground, stretches, self.parameters.learning, self.parameters.trust
                )

    def calibrate(self, reads: pd.DataFrame, points: pd.DataFrame, version: int = -1) -> None:
        """Make a radio map by reads of tags whose places are known; see `calibration`.

        Args:
            reads: Checked reads.
            points: ``epc, time, floor, x_m, y_m``: where a tag was in the second that begins at a time.
            version: Of the layout.
        """
        ground = self.grounds[version]
        counts = count_at(ground, reads, points)
        hearing = fit_hearing(ground.distance_m, counts, self.parameters.learning)
        self.hearings[version] = interpolated(hearing, ground, counts, self.parameters.learning)

    def estimate(self, reads: pd.DataFrame) -> Estimate:
        """Visits with an interval of each dwell, and whether it is cut off by silence; see `Estimator`."""
        epcs, tag = epc_ranks(reads[EPC])
        unused: Counter[str] = Counter()
        tables = [self._version_visits(reads, tag, epcs, version, unused) for version in range(len(self.grounds))]
        visits = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
        visits = visits.sort_values([EPC, ENTER], kind="stable", ignore_index=True)
        return Estimate(visits.assign(**{TRIP: number_trips(visits, trip_gap_s=self.trip_gap_s)}), +unused)

    def posteriors(self, reads: pd.DataFrame, version: int = 0) -> tuple[Stretches, list[Posterior]]:
        """Where tags probably were in each second of their stretches, as `estimate` takes it.

        Args:
            reads: Checked reads.
            version: Of the layout.
        """
        _, tag = epc_ranks(reads[EPC])
        stretches, _ = self._stretches(reads, tag, version)
        tables, walking = self._tables(version), self.grounds[version].walking
        return stretches, [
            smooth(stretches.first[low : high + 1], stretches.kind, tables, walking)
            for low, high in pairwise(stretches.step_ptr)
        ]

    def _tables(self, version: int) -> Tables:
        return make_tables(self.hearings[version], self.parameters.trust, self.grounds[version].is_door_cell)

    def _stretches(self, reads: pd.DataFrame, tag: Ints, version: int) -> tuple[Stretches, Counter[str]]:
        """The reads of one layout version, and those that are of no antenna of it."""
        antenna = antennas_of_reads(reads, self.grounds[version].antennas)
        unknown: Counter[str] = Counter()
        here = self._versions.at(us_of_times(reads[TIME])) == version
        strange = np.flatnonzero(here & (antenna < 0))
        if len(strange):
            few = reads.iloc[strange].value_counts([READER, ANTENNA], sort=False).reset_index(name=COUNT)
            for reader, port, count in zip(few[READER], few[ANTENNA], few[COUNT], strict=True):
                if count:
                    unknown[not_in_store(reader, port)] += int(count)
        numbers = self.parameters
        antenna = np.where(here, antenna, -1)
        return make_stretches(reads, tag, antenna, gap_s=numbers.trip_gap_s, pad_s=numbers.pad_s), unknown

    def _version_visits(
        self, reads: pd.DataFrame, tag: Ints, epcs: npt.NDArray[np.object_], version: int, unused: Counter[str]
    ) -> pd.DataFrame:
        numbers, ground = self.parameters, self.grounds[version]
        stretches, unknown = self._stretches(reads, tag, version)
        unused += unknown
        zones = len(ground.cells.zones)
        runs = find_runs(
            stretches.step_ptr, stretches.first, stretches.kind, self._tables(version), ground.walking,
            ground.cells.zone, zones, numbers.change_s, numbers.visit_min_s,
        )  # fmt: skip
        seen = stretches.seen_s >= numbers.visit_min_s
        first_step = stretches.step_ptr[:-1] + numbers.pad_s
        last_step = stretches.step_ptr[:-1] + (stretches.last_us - stretches.start_us) // SECOND_US
        # Ways that a tag may have taken unheard, before its first read and after its last one, are no visits.
        heard = (runs.exit > first_step[runs.stretch]) & (runs.enter <= last_step[runs.stretch])
        told = (runs.zone < zones) & seen[runs.stretch] & heard
        total = np.diff(stretches.first[stretches.step_ptr])
        in_runs = np.bincount(
            runs.stretch[told], (stretches.first[runs.exit] - stretches.first[runs.enter])[told], len(stretches)
        )
        unused[TOO_SHORT] += int(total[~seen].sum())
        unused[OUTSIDE] += int((total - in_runs)[seen].sum())
        stretch, zone = runs.stretch[told], runs.zone[told]
        offset_us = stretches.start_us - stretches.step_ptr[:-1] * SECOND_US
        enter_us, exit_us = (offset_us[stretch] + steps[told] * SECOND_US for steps in (runs.enter, runs.exit))
        if ground.is_closed:  # nobody comes or goes, so nothing says when but the reads
            first_us = stretches.start_us + numbers.pad_s * SECOND_US
            enter_us = np.maximum(enter_us, first_us[stretch])
            exit_us = np.minimum(exit_us, -(-stretches.last_us // SECOND_US)[stretch] * SECOND_US)
        dwell_s = (exit_us - enter_us) / SECOND_US
        half_s = numbers.doubt_factor * (runs.doubt_s[told].astype(np.float64) + 0.5)
        return pd.DataFrame(
            {
                EPC: pd.Series(epcs[stretches.tag[stretch]], dtype="str"),
                ZONE: pd.Series(np.array(ground.cells.zones, dtype=np.object_)[zone], dtype="str"),
                ENTER: times_of_us(enter_us),
                EXIT: times_of_us(exit_us),
                CONFIDENCE: runs.confidence[told],
                DWELL_LOW_S: np.maximum(dwell_s - half_s, 0.0).astype(np.float32),
                DWELL_HIGH_S: (dwell_s + half_s).astype(np.float32),
                CENSORED: (exit_us >= stretches.last_us[stretch]) & ~ground.is_door[zone],
            }
        )
