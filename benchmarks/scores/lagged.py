"""The zone of each second by the estimator of place, told some seconds later: what a live display could show."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import EPC, epc_ranks
from tagtrail.analytics.place.evidence import make_tables
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.place.smoother import lag, look_ahead
from tagtrail.analytics.place.stretches import antennas_of_reads, make_stretches
from tagtrail.analytics.place.visits import zone_shares


class Seconds(NamedTuple):
    """The likeliest zone of each second from a time on; empty for none."""

    epc: str
    start_us: int
    zone: npt.NDArray[np.object_]


def lagged(place: Place, reads: pd.DataFrame, lag_s: int) -> list[Seconds]:
    """What is told of each second ``lag_s`` later, by the place's first layout."""
    ground, numbers = place.grounds[0], place.parameters
    epcs, tag = epc_ranks(reads[EPC])
    antenna = antennas_of_reads(reads, ground.antennas)
    stretches = make_stretches(reads, tag, antenna, gap_s=numbers.trip_gap_s, pad_s=numbers.pad_s)
    tables = make_tables(place.hearings[0], numbers.trust, ground.is_door_cell)
    names = np.array([*ground.cells.zones, "", ""], dtype=object)
    told = []
    for row in range(len(stretches)):
        first = stretches.first[stretches.step_ptr[row] : stretches.step_ptr[row + 1] + 1]
        posterior = lag(look_ahead(first, stretches.kind, tables, ground.walking), ground.walking, lag_s)
        shares = zone_shares(posterior, ground.cells.zone, len(ground.cells.zones))
        told.append(Seconds(str(epcs[stretches.tag[row]]), int(stretches.start_us[row]), names[shares.argmax(axis=1)]))
    return told
