"""Whether tags move: what each antenna hears of a tag in one window of time, beside what it hears in others.

A tag that lies still is heard by the same antennas at the same strength all the time, however it flickers between
them from second to second. So windows of minutes are compared, not reads.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import ANTENNA, EPC, READER, RSSI_DBM, TIME, epc_ranks, us_of_times
from tagtrail.hardware.reads import RSSI_MAX_DBM, RSSI_MIN_DBM

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WINDOW_S: Final = 300
"""Long enough that fades and passers-by even out, short enough for an errand to the next counter."""
HOME_SHARE: Final = 0.05
"""Antennas that hear less than this of a tag at home (cross-reads, reflections) are not within its reach there."""
AWAY_READS_MIN: Final = 3
"""Antenna-seconds in a window that can tell of another place; fewer may be stray reads."""
SILENCE_S: Final = 3600
"""A longer silence ends a rest: nobody knows where the tag was."""
_SECOND_US: Final = 1_000_000
_LEVELS: Final = round(RSSI_MAX_DBM - RSSI_MIN_DBM) + 2


class Windows(NamedTuple):
    """Windows in which a tag was heard, in order of time.

    Attributes:
        number: Of each window, since 1970.
        seconds: By window and antenna: seconds in which the antenna heard the tag.
        level_dbm: By window and antenna: mean of the strongest read of each of these seconds; NaN where unknown.
        first_s, last_s: Seconds since 1970 of the first and the last read.
    """

    number: Ints
    seconds: Floats
    level_dbm: Floats
    first_s: int
    last_s: int


class Rest(NamedTuple):
    """Windows in a row in which a tag was at home.

    Attributes:
        first, last: Numbers of the windows.
        change_db: Median change of the strength at the home's loudest antenna from window to window; 0 where unknown.
    """

    first: int
    last: int
    change_db: float

    @property
    def still_s(self) -> int:
        """How long it lasted."""
        return (self.last + 1 - self.first) * WINDOW_S


class Moves(NamedTuple):
    """Where a tag was mostly, and when it was not.

    Attributes:
        home: Indices of the antennas within whose reach it was mostly, the loudest first.
        is_home: Whether it was there, of each window.
        is_away: Whether it was elsewhere; neither can be said where few reads are of other antennas.
        rests: Stays at home, by time.
    """

    home: Ints
    is_home: Bools
    is_away: Bools
    rests: list[Rest]


class Heard:
    """Checked reads by tag, window and antenna; order, duplicates and counts of reads play no part.

    Attributes:
        epcs: The tags, in alphabetic order.
        antennas: Reader and port of each antenna that was heard, in order.
        first_s, last_s: Seconds since 1970 of the first and the last read of each tag.
    """

    def __init__(self, reads: pd.DataFrame) -> None:
        names, tag = epc_ranks(reads[EPC])
        second = us_of_times(reads[TIME]) // _SECOND_US
        start = int(second.min()) // WINDOW_S * WINDOW_S if len(reads) else 0
        second -= start
        self.antennas, antenna = _antennas(reads)
        level = np.rint(reads[RSSI_DBM].to_numpy(dtype=np.float64) - RSSI_MIN_DBM)
        level = np.where(np.isnan(level), 0, level + 1).astype(np.int64)  # 0: unknown
        window, antenna_s = second // WINDOW_S, second % WINDOW_S
        sizes = len(names), int(window.max(initial=0)) + 1, max(1, len(self.antennas)), WINDOW_S, _LEVELS
        # One number for each read, as sorting numbers is much faster than sorting rows.
        key = np.sort(np.ravel_multi_index((tag, window, antenna, antenna_s, level), sizes))
        loudest = np.ones(len(key), dtype=np.bool_)
        loudest[:-1] = np.diff(key // _LEVELS) != 0
        tag, window, antenna, antenna_s, level = np.unravel_index(key[loudest], sizes)
        present, first = np.unique(tag, return_index=True)
        self.epcs: list[str] = names[present].tolist()
        second = window * WINDOW_S + antenna_s + start
        self.first_s, self.last_s = _at(np.minimum, second, first), _at(np.maximum, second, first)
        begin = np.flatnonzero(_changes(tag, window, antenna))
        self._window, self._antenna = window[begin] + start // WINDOW_S, antenna[begin]
        self._seconds = np.diff(np.append(begin, len(tag)))
        with np.errstate(invalid="ignore"):
            self._level_dbm = _at(np.add, level - (level > 0), begin) / _at(np.add, level > 0, begin) + RSSI_MIN_DBM
        self._bounds = np.searchsorted(tag[begin], np.append(present, np.iinfo(np.int64).max))

    def __len__(self) -> int:
        return len(self.epcs)

    def windows(self) -> Iterator[Windows]:
        """Of each tag."""
        for tag in range(len(self)):
            rows = slice(self._bounds[tag], self._bounds[tag + 1])
            number, window = np.unique(self._window[rows], return_inverse=True)
            seconds = np.zeros((len(number), len(self.antennas)))
            level_dbm = np.full(seconds.shape, np.nan)
            seconds[window, self._antenna[rows]] = self._seconds[rows]
            level_dbm[window, self._antenna[rows]] = self._level_dbm[rows]
            yield Windows(number, seconds, level_dbm, int(self.first_s[tag]), int(self.last_s[tag]))


def find_moves(windows: Windows) -> Moves:
    """A tag's home, and its windows there and elsewhere.

    The loudest antenna in most windows, and the others that hear at least `HOME_SHARE` of the tag in these windows,
    make the home. A window is away if the home's antennas heard less than half of what was heard in it.
    """
    loudest = windows.seconds.argmax(axis=1)
    most = int(np.bincount(loudest).argmax())
    there = windows.seconds[loudest == most].sum(axis=0)
    home = np.flatnonzero(there >= HOME_SHARE * there.sum())
    heard = windows.seconds.sum(axis=1)
    elsewhere = heard - windows.seconds[:, home].sum(axis=1)
    is_strange = elsewhere > heard / 2
    is_away = is_strange & (heard >= AWAY_READS_MIN)
    return Moves(
        home=home[np.argsort(-there[home], kind="stable")],
        is_home=~is_strange,
        is_away=is_away,
        rests=list(_rests(windows.number, is_away, windows.level_dbm[:, most])),
    )


def _rests(number: Ints, is_away: Bools, level_dbm: Floats) -> Iterator[Rest]:
    ends = np.ones(len(number), dtype=np.bool_)
    ends[:-1] = is_away[1:] | (np.diff(number) > SILENCE_S // WINDOW_S)
    first = 0
    for last in np.flatnonzero(ends):
        rows = np.flatnonzero(~is_away[first : last + 1]) + first
        if len(rows):
            levels = level_dbm[rows]
            changes = np.abs(np.diff(levels[~np.isnan(levels)]))
            yield Rest(int(number[rows[0]]), int(number[last]), float(np.median(changes)) if len(changes) else 0.0)
        first = int(last) + 1


def _antennas(reads: pd.DataFrame) -> tuple[list[tuple[str, int]], Ints]:
    """The antennas of reads by name and port, and the place of each read's among them."""
    reader, port = reads[READER].cat.codes.to_numpy(dtype=np.int64), reads[ANTENNA].to_numpy(dtype=np.int64)
    keys, antenna = np.unique(reader << 8 | port, return_inverse=True)
    names = [(str(reads[READER].cat.categories[key >> 8]), int(key & 255)) for key in keys.tolist()]
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    return [names[key] for key in order], rank[antenna]


def _at(operation: np.ufunc, values: npt.NDArray[np.generic], begin: Ints) -> Ints:
    """An operation on each group of values that begins at one place and ends at the next."""
    return operation.reduceat(values.astype(np.int64), begin) if len(begin) else np.zeros(0, dtype=np.int64)


def _changes(*columns: Ints) -> Bools:
    """Where a row differs from the one before; the first does."""
    changes = np.ones(len(columns[0]), dtype=np.bool_)
    changes[1:] = np.any([np.diff(column) != 0 for column in columns], axis=0)
    return changes
