"""SMURF: a window of presence that adapts itself to how often a tag answers.

Jeffery, Garofalakis, Franklin: Adaptive Cleaning for RFID Data Streams, VLDB 2006.
"""

from math import ceil, log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from scores.baselines.steps import NOWHERE, Baseline, Floats, Ints, Stretch, window_sum

DELTA: Final = 0.05
"""Chance that a window misses a tag that is there."""


def smurf_windows(responses: Floats, interrogations: float) -> Ints:
    """Length of the window that ends at each epoch.

    Args:
        responses: How often the tag answered in each epoch.
        interrogations: How often it was asked.
    """
    share = np.minimum(responses / interrogations, 1.0)
    windows = np.ones(len(share), dtype=np.int64)
    window = 1
    for t in range(len(share)):
        inside = share[max(0, t - window + 1) : t + 1]
        read = inside[inside > 0]
        if not len(read):
            window = 1
        else:
            mean = float(read.mean())
            expected = len(inside) * mean  # at the start there is less than a window
            complete = max(ceil(log(1 / DELTA) / mean), 1)
            if len(read) < expected and expected - len(read) > 2 * sqrt(max(expected * (1 - mean), 0.0)):
                window = max(min(window // 2, complete), 1)
            elif complete > window:
                window = min(window + 2, complete)
        windows[t] = window
    return windows


def smurf_presence(responses: Floats, interrogations: float) -> npt.NDArray[np.bool_]:
    """Whether a tag is there in each epoch: whether it answered in its window, which slides at its middle."""
    windows = smurf_windows(responses, interrogations)
    steps = np.arange(len(responses))
    answered = np.concatenate([[0], np.cumsum(responses > 0)])
    middle = np.minimum(steps + windows // 2, len(steps) - 1)
    low = np.maximum(middle - windows[middle] + 1, 0)
    return np.asarray(answered[middle + 1] > answered[low])


class Smurf(Baseline):
    """SMURF for each zone; of the zones where a tag is present, the one with most reads in 5 s around counts."""

    def label(self, stretch: Stretch) -> Ints:
        """Zone of each second."""
        zones = len(self.antennas.zones)
        by_antenna = stretch.counts(len(self.antennas.zone))
        counts = np.zeros((stretch.steps, zones + 1))
        np.add.at(counts.T, self.antennas.zone, by_antenna.T)
        counts = counts[:, :zones]
        most = max(float(counts.max()), 1.0)
        present = np.zeros(counts.shape, dtype=np.bool_)
        for zone in np.flatnonzero(counts.any(axis=0)).tolist():
            present[:, zone] = smurf_presence(counts[:, zone], most)
        heard = np.where(present, window_sum(counts, 2, 2) + 1e-3, 0.0)
        return np.where(present.any(axis=1), heard.argmax(axis=1), NOWHERE)
