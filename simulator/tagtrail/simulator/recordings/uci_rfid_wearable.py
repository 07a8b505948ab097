"""Loader for UCI 427, a passive UHF tag worn on the chest by older people in two rooms.

Shinmoto Torres, Visvanathan, Ranasinghe: Activity recognition with healthy older people using a batteryless wearable
sensor. UCI Machine Learning Repository, 2016, https://doi.org/10.24432/C5GG6B.

Folders ``S1_Dataset`` (four antennas) and ``S2_Dataset`` (three) hold a file per trial, ``d1p01M``: room, trial, sex.
Each line is one read, without a header: time in s, three accelerations in g, antenna, RSSI in dBm, phase in rad,
frequency in MHz, label. The accelerations are left out, a shopper's card has none.

- Each trial becomes a tag; its EPC is the ASCII of ``UCI427-S1P01`` (room, trial) in hex.
- Room S1 is reader ``s1``, room S2 reader ``s2``. All trials start at time 0, as if all people were in the
  room at once: that gives some 100 reads in the busiest second of a room, which a serial line carries.
- RSSI comes in halves of a dB and readers report whole ones: it is rounded to the nearest, halves to the even one.
- Labels become zones: 1 (sitting on the bed) and 3 (lying) are ``s1-bed``, 2 is ``s1-chair``, 4 is ``s1-walking``.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.reads import RSSI_MAX_DBM, RSSI_MIN_DBM
from tagtrail.simulator.recordings.replay import RecordedRead

PLACES: Final = {1: "bed", 2: "chair", 3: "bed", 4: "walking"}
GAP_MAX_S: Final = 30.0
"""Default of `labelled_dwell`: ten times the 99th percentile of the time between reads (3.3 and 4.5 s)."""
FAULTS_MAX: Final = 20
_FILE_NAME: Final = re.compile(r"d([12])p(\d{2})[MF]")
_COLUMNS: Final = 9


def epc_of(room: int, trial: int) -> str:
    """The tag of a trial: ``UCI427-S1P01`` as ASCII in hex."""
    return f"UCI427-S{room}P{trial:02d}".encode("ascii").hex().upper()


def load(folder: Path) -> list[RecordedRead]:
    """All reads of the rooms that are there, in order of time (of equal times, in the order of the files).

    Raises:
        FaultsError: There is no trial in the folder, or lines are malformed; all are named with file and line.
    """
    files = sorted(path for room in (1, 2) for path in (folder / f"S{room}_Dataset").glob("d*") if _trial(path))
    if not files:
        raise FaultsError(str(folder), ["no trials here; expected files like S1_Dataset/d1p01M or S2_Dataset/d2p01F"])
    faults: list[str] = []
    reads: list[RecordedRead] = []
    for path in files:
        reads += _load_trial(path, faults)
    if faults:
        more = len(faults) - FAULTS_MAX
        raise FaultsError(str(folder), faults[:FAULTS_MAX] + ([f"and {more} more"] if more > 0 else []))
    return sorted(reads, key=lambda read: read.time_s)


def _trial(path: Path) -> tuple[int, int] | None:
    """Room and trial number of a file, by its name."""
    match = _FILE_NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2])) if match and path.parent.name == f"S{match[1]}_Dataset" else None


def _load_trial(path: Path, faults: list[str]) -> Iterable[RecordedRead]:
    trial = _trial(path)
    assert trial is not None
    room = f"s{trial[0]}"
    epc = epc_of(*trial)
    for number, line in enumerate(path.read_text("utf-8", errors="replace").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            time_s, seen, label = _parse(line, epc)
        except ValueError as error:
            faults.append(f"{path.parent.name}/{path.name}:{number}: {error}")
            continue
        yield RecordedRead(time_s, room, seen, path.name, f"{room}-{PLACES[label]}")


def _parse(line: str, epc: str) -> tuple[float, TagSeen, int]:
    fields = line.split(",")
    if len(fields) != _COLUMNS:
        raise ValueError(f"{len(fields)} columns, {_COLUMNS} expected")
    time_s, rssi_dbm, phase, frequency_mhz = (float(fields[column]) for column in (0, 5, 6, 7))
    antenna, label = int(fields[4]), int(fields[8])
    if not 0 <= time_s < math.inf:
        raise ValueError(f"time of {time_s} s")
    if not RSSI_MIN_DBM <= rssi_dbm <= RSSI_MAX_DBM:
        raise ValueError(f"signal strength of {rssi_dbm} dBm")
    if not (math.isfinite(phase) and 0 < frequency_mhz < math.inf):
        raise ValueError(f"phase of {phase} rad, frequency of {frequency_mhz} MHz")
    if antenna < 1:
        raise ValueError(f"antenna {antenna}")
    if label not in PLACES:
        raise ValueError(f"label {label}, 1 to 4 expected")
    seen = TagSeen(
        epc=epc,
        antenna=antenna,
        rssi_dbm=round(rssi_dbm),  # Python rounds halves to the even number
        frequency_khz=round(frequency_mhz * 1000),
        phase_deg=math.degrees(phase),
        reader_time_ms=round(time_s * 1000),
    )
    return time_s, seen, label


@dataclass
class Dwell:
    """What the labels say about one trial and place.

    Attributes:
        labelled_s: Time between consecutive reads, counted for the label of the first.
        censored_s: Time in gaps that are too long to know where the person was; not part of ``labelled_s``.
        reads: Reads with a label of this place.
    """

    labelled_s: float = 0.0
    censored_s: float = 0.0
    reads: int = 0


def labelled_dwell(reads: Sequence[RecordedRead], gap_max_s: float = GAP_MAX_S) -> dict[tuple[str, str], Dwell]:
    """Seconds by trial and place, to put beside what an analysis says.

    Args:
        reads: A recording, in order of time.
        gap_max_s: Gaps between reads that are longer than this are censored.
    """
    by_trial: dict[str, list[RecordedRead]] = {}
    for read in reads:
        by_trial.setdefault(read.trial, []).append(read)
    dwell: dict[tuple[str, str], Dwell] = {}
    for trial, mine in by_trial.items():
        for read in mine:
            dwell.setdefault((trial, read.place), Dwell()).reads += 1
        for first, second in pairwise(mine):
            gap_s = second.time_s - first.time_s
            place = dwell[trial, first.place]
            if gap_s <= gap_max_s:
                place.labelled_s += gap_s
            else:
                place.censored_s += gap_s
    return dwell
