"""uci-rfid-wearable: older people with a passive tag on the chest, in bed, on a chair, or walking; stays are scored.

The labels stand at the reads. A true stay is a run of reads of one place; it lasts until the first read of the next
place. Where the tag is silent for more than ``gap_max_s`` between reads of two places, nobody knows when the person
moved: that time is not scored, neither for the truth nor for the visits. Nor are stays of less than `STAY_MIN_S` in
what remains. A stay is found by a visit to its place with a temporal intersection over union of at least 0.5.
"""

from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tagtrail.analytics.columns import EPC, TIME_TYPE, us_of_times, validate_reads
from tagtrail.hardware.store import Store, load_store
from tagtrail.simulator.recordings import uci_rfid_wearable

START_US: Final = 1_400_000_000_000_000
GAP_MAX_S: Final = uci_rfid_wearable.GAP_MAX_S
STAY_MIN_S: Final = 1.0
IOU_MIN: Final = 0.5
PLACES: Final = ("bed", "chair", "walking")

Floats = npt.NDArray[np.float64]


class Stay(NamedTuple):
    """Somebody was at a place for a time, seconds since the start of the trial."""

    place: str
    enter_s: float
    exit_s: float


class Trial(NamedTuple):
    """What the labels of one trial say: its stays, and the times that nobody knows."""

    epc: str
    room: int
    stays: list[Stay]
    unknown: list[tuple[float, float]]
    label_s: Floats
    label: list[str]


class PlaceScore(NamedTuple):
    """Stays at one place: F1, mean error of the dwell of those found, and how many are true and told."""

    f1: float
    dwell_mae_s: float
    true: int
    told: int


def load(folder: Path, gap_max_s: float = GAP_MAX_S) -> tuple[pd.DataFrame, list[Trial]]:
    """Checked reads of all trials, and the trials in order of their names."""
    recorded = uci_rfid_wearable.load(folder)
    times = pd.DatetimeIndex(
        np.array([START_US + round(read.time_s * 1e6) for read in recorded], dtype="datetime64[us]")
    )
    reads = pd.DataFrame(
        {
            "time": pd.Series(times.tz_localize("UTC").astype(TIME_TYPE)),
            "reader": [read.reader for read in recorded],
            "antenna": [read.seen.antenna for read in recorded],
            "epc": [read.seen.epc for read in recorded],
            "rssi_dbm": [float(read.seen.rssi_dbm or 0) for read in recorded],
        }
    )
    by_epc: dict[str, list[tuple[float, str]]] = {}
    for read in recorded:
        by_epc.setdefault(read.seen.epc, []).append((read.time_s, read.place.partition("-")[2]))
    trials = [_trial(epc, labels, gap_max_s) for epc, labels in sorted(by_epc.items())]
    return validate_reads(reads), trials


def _trial(epc: str, labels: list[tuple[float, str]], gap_max_s: float) -> Trial:
    stays, unknown = [], []
    begin = labels[0][0]
    for (first_s, first), (second_s, second) in pairwise(labels):
        if first != second:
            if second_s - first_s > gap_max_s:
                unknown.append((first_s, second_s))
                stays.append(Stay(first, begin, first_s))
            else:
                stays.append(Stay(first, begin, second_s))
            begin = second_s
    stays.append(Stay(labels[-1][1], begin, labels[-1][0]))
    room = int(bytes.fromhex(epc).decode("ascii").partition("-S")[2][0])
    kept = [stay for stay in stays if stay.exit_s - stay.enter_s >= STAY_MIN_S]
    return Trial(epc, room, kept, unknown, np.array([s for s, _ in labels]), [place for _, place in labels])


def store_of(file: Path) -> Store:
    """The layout of both rooms."""
    return load_store(file)


def stays_of(visits: pd.DataFrame, trial: Trial) -> list[Stay]:
    """A trial's visits, without the times that nobody knows and what is before the first or after the last read."""
    mine = visits[visits[EPC] == trial.epc]
    enter_s, exit_s = ((us_of_times(mine[side]) - START_US) / 1e6 for side in ("enter", "exit"))
    stays = []
    edges = [-1e9, trial.label_s[0], *(edge for gap in trial.unknown for edge in gap), trial.label_s[-1], 1e9]
    known = list(zip(edges[1:-1:2], edges[2:-1:2], strict=True))
    for zone, low, high in zip(mine["zone"], enter_s.tolist(), exit_s.tolist(), strict=True):
        for begin, end in known:
            clipped = Stay(zone.partition("-")[2], max(low, begin), min(high, end))
            if clipped.exit_s - clipped.enter_s >= STAY_MIN_S:
                stays.append(clipped)
    return stays


def score(visits: pd.DataFrame, trials: Collection[Trial]) -> tuple[float, dict[str, PlaceScore]]:
    """Share of known time at the right place, and the score of each place.

    No visit at all counts as walking, the place that has no antenna of its own.
    """
    right = total = 0.0
    found: dict[str, list[float]] = {place: [] for place in PLACES}
    true, told = dict.fromkeys(PLACES, 0), dict.fromkeys(PLACES, 0)
    for trial in trials:
        stays = stays_of(visits, trial)
        middle_s = np.arange(trial.label_s[0] + 0.05, trial.label_s[-1], 0.1)
        at = np.searchsorted(trial.label_s, middle_s, side="right") - 1
        says = np.full(len(middle_s), PLACES.index("walking"))
        for stay in stays:
            says[(middle_s >= stay.enter_s) & (middle_s < stay.exit_s)] = PLACES.index(stay.place)
        known = ~np.any([(middle_s >= a) & (middle_s < b) for a, b in trial.unknown] or [middle_s < 0], axis=0)
        truth = np.array([PLACES.index(place) for place in trial.label])[at]
        right += float((says == truth)[known].sum())
        total += float(known.sum())
        for place in PLACES:
            here = [stay for stay in trial.stays if stay.place == place]
            there = [stay for stay in stays if stay.place == place]
            true[place] += len(here)
            told[place] += len(there)
            found[place] += _errors_s(here, there)
    scores = {}
    for place in PLACES:
        errors = found[place]
        f1 = 2 * len(errors) / max(true[place] + told[place], 1)
        scores[place] = PlaceScore(f1, float(np.mean(errors)) if errors else np.nan, true[place], told[place])
    return right / max(total, 1e-9), scores


def _errors_s(true: list[Stay], told: list[Stay]) -> list[float]:
    """Errors of the dwell of pairs that belong together, the best pairs first."""
    pairs = []
    for i, one in enumerate(true):
        for j, other in enumerate(told):
            both = min(one.exit_s, other.exit_s) - max(one.enter_s, other.enter_s)
            iou = both / (max(one.exit_s, other.exit_s) - min(one.enter_s, other.enter_s))
            if iou >= IOU_MIN:
                pairs.append((iou, i, j))
    left, right = set(range(len(true))), set(range(len(told)))
    errors = []
    for _, i, j in sorted(pairs, reverse=True):
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            errors.append(abs((true[i].exit_s - true[i].enter_s) - (told[j].exit_s - told[j].enter_s)))
    return errors
