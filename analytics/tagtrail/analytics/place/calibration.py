"""A radio map by tags whose places are known: reference tags, or somebody who walked and wrote down where."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tagtrail.analytics.columns import EPC, RSSI_DBM, TIME, us_of_times
from tagtrail.analytics.place.curves import Counts, Learning, spread_db
from tagtrail.analytics.place.ground import Ground
from tagtrail.analytics.place.hearing import Floats, Hearing
from tagtrail.analytics.place.stretches import SECOND_US, antennas_of_reads


def count_at(ground: Ground, reads: pd.DataFrame, points: pd.DataFrame) -> Counts:
    """What was read of tags at known places.

    Args:
        ground: Of the store.
        reads: Checked reads.
        points: ``epc, time, floor, x_m, y_m``: where a tag was in the second that begins at a time.
    """
    counts = Counts.none(*ground.distance_m.shape)
    at_s = us_of_times(points[TIME]) // SECOND_US
    seconds = pd.DataFrame({"epc": points[EPC].astype(str), "s": at_s, "cell": ground.cells_at(points)})
    seconds = seconds.drop_duplicates(["epc", "s"])
    counts.seconds += np.bincount(seconds["cell"], minlength=len(ground.cells))
    heard = pd.DataFrame(
        {
            "epc": reads[EPC].astype(str),
            "s": us_of_times(reads[TIME]) // SECOND_US,
            "antenna": antennas_of_reads(reads, ground.antennas),
            "dbm": reads[RSSI_DBM].to_numpy(dtype=np.float64),
        }
    )
    heard = heard[heard["antenna"] >= 0].merge(seconds, on=["epc", "s"])
    antenna, cell, dbm = (heard[name].to_numpy() for name in ("antenna", "cell", "dbm"))
    known = ~np.isnan(dbm)
    np.add.at(counts.reads, (antenna, cell), 1.0)
    at, dbm = (antenna[known], cell[known]), dbm[known]
    for sums, value in ((counts.known, np.ones(len(dbm))), (counts.sum_dbm, dbm), (counts.sum2_dbm, dbm**2)):
        np.add.at(sums, at, value)
    return counts


def interpolated(hearing: Hearing, ground: Ground, counts: Counts, numbers: Learning) -> Hearing:
    """A map with what its curves leave of the strengths at known places."""
    mean = hearing.mean_dbm + _residual_db(hearing.mean_dbm, counts, numbers, ground.apart_m())
    return replace(hearing, mean_dbm=mean, sd_db=spread_db(mean, np.isfinite(ground.distance_m), counts, numbers))


def _residual_db(mean: Floats, counts: Counts, numbers: Learning, apart_m: Floats) -> Floats:
    """What the curves leave of the strengths, interpolated between the cells where it was seen (kriging).

    Its covariance falls exponentially with distance (Gudmundson 1991); the reads of one cell share an error of their
    own, so that many reads at one place are not believed more than one place is worth.
    """
    seen = np.flatnonzero((counts.known > 0.5).any(axis=0))
    covariance = numbers.map_sd_db**2 * np.exp(-apart_m[:, seen] / numbers.map_m)
    residual = np.zeros_like(mean)
    for antenna in range(len(mean)):
        known = counts.known[antenna, seen]
        here = np.flatnonzero(known > 0.5)
        if not len(here):
            continue
        off = counts.sum_dbm[antenna, seen[here]] / known[here] - mean[antenna, seen[here]]
        noise = numbers.map_noise_db**2 * (1 + numbers.map_reads / known[here])
        own = covariance[seen[here]][:, here] + np.diag(noise)
        residual[antenna] = covariance[:, here] @ np.linalg.solve(own, off)
    return residual
