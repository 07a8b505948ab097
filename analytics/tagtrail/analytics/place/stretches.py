"""Reads in the form of the smoother: by tag and second, cut where a tag is silent for long."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import ANTENNA, READER, RSSI_DBM, TIME, us_of_times
from tagtrail.analytics.place.hearing import LEVELS, levels_of

Ints = npt.NDArray[np.int64]
SECOND_US: Final = 1_000_000
LONGEST_S: Final = 86_400
"""A tag that never falls silent is cut all the same: the smoother holds a stretch in memory."""


class Stretches(NamedTuple):
    """Stretches of tags, sorted by tag and time; steps are seconds.

    Attributes:
        tag: Of each stretch.
        start_us: Time of each one's first step.
        last_us: Time of each one's last read.
        step_ptr: First step of each stretch, and one more.
        first: First read of each step, and one more.
        kind: Antenna and level of each read: ``antenna * (LEVELS + 1) + level``.
        seen_s: Time between each stretch's first and last read.
    """

    tag: Ints
    start_us: Ints
    last_us: Ints
    step_ptr: Ints
    first: Ints
    kind: Ints
    seen_s: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.tag)


def antennas_of_reads(reads: pd.DataFrame, index: Mapping[tuple[str, int], int]) -> Ints:
    """Index of each read's antenna, -1 for one that is not in the store file."""
    reader, port = reads[READER].cat.codes.to_numpy(dtype=np.int64), reads[ANTENNA].to_numpy(dtype=np.int64)
    names = reads[READER].cat.categories
    table = np.full((len(names), 256), -1, dtype=np.int64)
    for row, name in enumerate(names):
        for number in range(256):
            table[row, number] = index.get((str(name), number), -1)
    return np.asarray(table[reader, port])


def make_stretches(reads: pd.DataFrame, tag: Ints, antenna: Ints, *, gap_s: float, pad_s: int) -> Stretches:
    """Different reads of known antennas, cut where a tag is silent for more than ``gap_s``.

    Args:
        reads: Checked reads.
        tag: Of each read.
        antenna: Of each read, -1 to leave it out.
        gap_s: See above.
        pad_s: Steps before the first and after the last read of a stretch.
    """
    time_us = us_of_times(reads[TIME])
    kind = antenna * (LEVELS + 1) + levels_of(reads[RSSI_DBM].to_numpy(dtype=np.float32))
    kept = np.flatnonzero(antenna >= 0)
    order = kept[np.lexsort((kind[kept], time_us[kept], tag[kept]))]
    tag, time_us, kind = tag[order], time_us[order], kind[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(tag) != 0) | (np.diff(time_us) != 0) | (np.diff(kind) != 0)
    tag, time_us, kind = tag[new], time_us[new], kind[new]
    cut = np.ones(len(tag), dtype=np.bool_)
    cut[1:] = (np.diff(tag) != 0) | (np.diff(time_us) > round(gap_s * SECOND_US))
    begin = np.flatnonzero(cut)
    begin_us = np.repeat(time_us[begin], np.diff(np.append(begin, len(tag))))
    cut[1:] |= np.diff((time_us - begin_us) // (LONGEST_S * SECOND_US)) != 0
    begin = np.flatnonzero(cut)
    last = np.append(begin[1:], len(tag))[: len(begin)] - 1
    start = time_us[begin] // SECOND_US - pad_s
    steps = time_us[last] // SECOND_US + pad_s + 1 - start
    step_ptr = np.concatenate([[0], np.cumsum(steps)])
    step = time_us // SECOND_US + np.repeat(step_ptr[:-1] - start, last - begin + 1)
    first = np.concatenate([[0], np.cumsum(np.bincount(step, minlength=int(step_ptr[-1])))])
    seen_s = (time_us[last] - time_us[begin]) / SECOND_US
    return Stretches(tag[begin], start * SECOND_US, time_us[last], step_ptr, first, kind, seen_s)
