"""Trials: what readers saw of one tag, and where its wearer was all the while. Of recordings, and simulated. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.recordings.replay import RecordedRead

GAP_MAX_S: Final = 30.0
"""After a longer silence nobody knows where the person was: that time counts for no place."""


@dataclass(frozen=True)
class Stay:
    """A time in which the wearer was at one place, in seconds of the trial."""

    place: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Trial:
    """One person's reads, in order of time; columns of one length.

    Attributes:
        name: Of the trial.
        reader: Id of the reader in the store file.
        stays: In order of time; what lies between them is not known.
        stay: Index of the stay in which each read falls.
    """

    name: str
    reader: str
    stays: tuple[Stay, ...]
    time_s: Floats
    port: Ints
    rssi_dbm: Floats
    stay: Ints


def recorded_trials(reads: Sequence[RecordedRead]) -> list[Trial]:
    """The trials of a recording, by reader and name.

    A stay lasts from its first read to the first read elsewhere. Reads after a silence begin a new stay.
    """
    by_trial: dict[tuple[str, str], list[RecordedRead]] = {}
    for read in reads:
        by_trial.setdefault((read.reader, read.trial), []).append(read)
    return [_trial(reader, name, mine) for (reader, name), mine in sorted(by_trial.items())]


def _trial(reader: str, name: str, reads: Sequence[RecordedRead]) -> Trial:
    stays: list[Stay] = []
    stay = []
    for index, read in enumerate(reads):
        before = reads[index - 1] if index else None
        if before is None or read.time_s - before.time_s > GAP_MAX_S:
            stays.append(Stay(read.place, read.time_s, read.time_s))
        else:
            stays[-1] = Stay(stays[-1].place, stays[-1].start_s, read.time_s)
            if read.place != before.place:
                stays.append(Stay(read.place, read.time_s, read.time_s))
        stay.append(len(stays) - 1)
    return Trial(
        name=name,
        reader=reader,
        stays=tuple(stays),
        time_s=np.array([read.time_s for read in reads]),
        port=np.array([read.seen.antenna or 1 for read in reads], dtype=np.int64),
        rssi_dbm=np.array([np.nan if read.seen.rssi_dbm is None else read.seen.rssi_dbm for read in reads]),
        stay=np.array(stay, dtype=np.int64),
    )
