"""Fingerprints: a person is among the reference points whose signal strengths are most alike.

After LANDMARC (Ni, Liu, Lau, Patil 2003): distances of vectors of mean strengths, the nearest few weighted by the
inverse square of their distance.
"""

from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from scores.baselines.steps import NOWHERE, Baseline, Floats, Ints, Stretch, antennas_of, hold, stretches, window_sum
from tagtrail.hardware.store import Store

UNHEARD_DBM: Final = -100.0
"""Stands for an antenna that does not read."""


class Fingerprints(NamedTuple):
    """Mean strength by reference point and antenna, and the zone of each point."""

    mean_dbm: Floats
    zone: Ints


def fingerprints_of(store: Store, reads: pd.DataFrame, zone_of: dict[str, str]) -> Fingerprints:
    """Fingerprints of tags that lay still.

    Args:
        store: The layout.
        reads: Checked reads of reference tags.
        zone_of: Zone of each tag.
    """
    antennas = antennas_of(store)
    codes = {zone: code for code, zone in enumerate(antennas.zones)}
    rows, zones = [], []
    for one in stretches(reads, antennas, 1e9):
        count, total = one.counts(len(antennas.zone)).sum(axis=0), one.sums_dbm(len(antennas.zone)).sum(axis=0)
        rows.append(np.where(count > 0, total / np.maximum(count, 1), UNHEARD_DBM))
        zones.append(codes[zone_of[one.epc]])
    return Fingerprints(np.array(rows), np.array(zones, dtype=np.int64))


class Knn(Baseline):
    """Zone with most weight among the nearest fingerprints, of the mean strengths in a window.

    Args:
        store: The layout.
        fingerprints: See there.
        before_s: Seconds of the window before each second.
        after_s: Seconds after it.
        nearest: How many reference points count.
    """

    def __init__(
        self, store: Store, fingerprints: Fingerprints, before_s: int = 2, after_s: int = 2, nearest: int = 4
    ) -> None:
        super().__init__(store)
        self._points, self._nearest = fingerprints, nearest
        self._before_s, self._after_s = before_s, after_s

    def label(self, stretch: Stretch) -> Ints:
        """Zone of each second."""
        antennas = len(self.antennas.zone)
        count = window_sum(stretch.counts(antennas), self._before_s, self._after_s)
        total = window_sum(stretch.sums_dbm(antennas), self._before_s, self._after_s)
        heard = np.where(count > 0, total / np.maximum(count, 1), UNHEARD_DBM)
        apart = ((heard[:, None, :] - self._points.mean_dbm) ** 2).sum(axis=2)
        near = np.argsort(apart, axis=1, kind="stable")[:, : self._nearest]
        weight = 1 / np.maximum(np.take_along_axis(apart, near, axis=1), 1e-6)
        votes = np.zeros((stretch.steps, len(self.antennas.zones)))
        np.add.at(votes, (np.arange(stretch.steps)[:, None], self._points.zone[near]), weight)
        label = np.where(count.any(axis=1), votes.argmax(axis=1), NOWHERE)
        return hold(label, 60)
