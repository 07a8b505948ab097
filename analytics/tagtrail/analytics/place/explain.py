"""Why the estimator of place told these visits of one tag: where it took the tag to be, second by second.

Nothing is estimated in another way than `Place.estimate` does, so what is seen here is what was told.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import ENTER, EPC, EXIT, TIME, us_of_times
from tagtrail.analytics.estimator import Estimate
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.place.smoother import Posterior
from tagtrail.analytics.place.stretches import SECOND_US, antennas_of_reads
from tagtrail.analytics.place.visits import choose, settle, zone_shares

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Passage(NamedTuple):
    """A stretch of the tag's reads without a silence longer than ``trip_gap_s``, second by second.

    Attributes:
        start_us: When its first second begins; microseconds since 1970 UTC.
        posterior: Of each cell in each second.
        shares: Posterior of each zone, of no zone and of being outside, shape (seconds, zones + 2).
        label: What each second was given to, an index into the columns of ``shares``.
    """

    start_us: int
    posterior: Posterior
    shares: Floats32
    label: Ints

    @property
    def end_us(self) -> int:
        """When its last second ends."""
        return self.start_us + len(self.label) * SECOND_US

    def between(self, from_us: int, to_us: int) -> "Passage":
        """The seconds that lie in a range of time, perhaps none."""
        low = min(max((from_us - self.start_us) // SECOND_US, 0), len(self.label))
        high = min(max(-((self.start_us - to_us) // SECOND_US), low), len(self.label))
        ptr, cell, stand, walk, outside = self.posterior
        first, last = int(ptr[low]), int(ptr[high])
        return Passage(
            self.start_us + low * SECOND_US,
            Posterior(
                ptr[low : high + 1] - first, cell[first:last], stand[first:last], walk[first:last], outside[low:high]
            ),
            self.shares[low:high],
            self.label[low:high],
        )


@dataclass(frozen=True)
class Explanation:
    """What is known of one tag.

    Attributes:
        epc: Of the tag.
        passages: In the order of time.
        reads: Its checked reads, sorted by time, each different one once.
        antenna: Index of each read's antenna in the store file, -1 for one that it does not have.
        estimate: Its visits, and its reads that are in none, by reason.
    """

    epc: str
    passages: tuple[Passage, ...]
    reads: pd.DataFrame
    antenna: Ints
    estimate: Estimate

    def between(self, from_us: int, to_us: int) -> "Explanation":
        """What lies in a range of time; the estimate stays that of all its reads, but for visits elsewhere."""
        time_us = us_of_times(self.reads[TIME])
        kept = (time_us >= from_us) & (time_us < to_us)
        visits = self.estimate.visits
        told = (us_of_times(visits[EXIT]) > from_us) & (us_of_times(visits[ENTER]) < to_us)
        passages = (passage.between(from_us, to_us) for passage in self.passages)
        return replace(
            self,
            passages=tuple(passage for passage in passages if len(passage.label)),
            reads=self.reads[kept].reset_index(drop=True),
            antenna=self.antenna[kept],
            estimate=self.estimate._replace(visits=visits[told].reset_index(drop=True)),
        )


def explain(place: Place, reads: pd.DataFrame, epc: str, version: int = 0) -> Explanation:
    """What the estimator makes of one tag, and why.

    Args:
        place: As it has learned.
        reads: Checked reads, of this tag and perhaps of others, which change nothing.
        epc: Of the tag.
        version: Of the layout that passages are shown of.
    """
    given = reads[reads[EPC] == epc]
    own = given.drop_duplicates().sort_values(TIME, kind="stable", ignore_index=True)
    ground, numbers = place.grounds[version], place.parameters
    zones = len(ground.cells.zones)
    stretches, posteriors = place.posteriors(own, version)
    passages = []
    for start_us, (ptr, cell, stand, walk, outside) in zip(stretches.start_us.tolist(), posteriors, strict=True):
        end = ptr[-1]  # the smoother leaves room behind
        posterior = Posterior(ptr, cell[:end], stand[:end], walk[:end], outside)
        shares = zone_shares(posterior, ground.cells.zone, zones)
        label = choose(shares, np.float32(numbers.change_s))
        settle(label, shares, numbers.visit_min_s)
        passages.append(Passage(start_us, posterior, shares, label))
    return Explanation(epc, tuple(passages), own, antennas_of_reads(own, ground.antennas), place.estimate(given))


def silences_us(explanation: Explanation, least_s: float) -> list[tuple[int, int]]:
    """Between which reads the tag was silent for at least ``least_s``; microseconds since 1970 UTC."""
    times_us = us_of_times(explanation.reads[TIME][explanation.antenna >= 0]).tolist()
    return [(one, other) for one, other in pairwise(times_us) if other - one >= least_s * SECOND_US]
