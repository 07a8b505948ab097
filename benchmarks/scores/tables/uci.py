"""Scores on uci-rfid-wearable: stays in bed and on a chair, in both rooms with one configuration."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from scores.baselines.edgex import EdgeX
from scores.baselines.last_antenna import LastAntenna
from scores.baselines.smurf import Smurf
from scores.baselines.strongest import Strongest
from scores.baselines.zone_hmm import ZoneHmm, told
from scores.data import DATA, WARD
from scores.recordings import uci
from scores.tables.markdown import STORE_FILE, UNLABELLED, Goal, Section, Table
from tagtrail.analytics.columns import times_of_us
from tagtrail.analytics.estimator import Estimator
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence
from tagtrail.hardware.store import Store

ROOMS: Final = (1, 2)
CHOSEN: Final = {1: 20, 2: 4}
"""The first trials of each room were used to choose by; the others are scored."""
HOLD_S: Final = 600
"""Nobody leaves the room, so the simplest baselines hold their answer through silence."""
FOREVER_S: Final = 1e9
PLACE: Final = "Place, store file only"
LEARNED: Final = "Place, learned without labels"
Sets = Mapping[int, Sequence[uci.Trial]]


def _halves(trials: Sequence[uci.Trial]) -> tuple[Sets, Sets]:
    """The trials that were chosen by and those that are scored, by room."""
    of = {room: [trial for trial in trials if trial.room == room] for room in ROOMS}
    return {room: of[room][: CHOSEN[room]] for room in ROOMS}, {room: of[room][CHOSEN[room] :] for room in ROOMS}


def _truth(trials: Sequence[uci.Trial]) -> pd.DataFrame:
    """``epc, time, zone`` of the seconds that the labels tell."""
    rows = []
    for trial in trials:
        second = np.arange(int(trial.label_s[-1]) + 1)
        at = np.maximum(np.searchsorted(trial.label_s, second + 0.5, side="right") - 1, 0)
        known = ~np.any([(second >= a) & (second < b) for a, b in trial.unknown] or [second < 0], axis=0)
        zones = [f"s{trial.room}-{trial.label[index]}" for index in at[known].tolist()]
        time = times_of_us(uci.START_US + second[known] * 1_000_000)
        rows.append(pd.DataFrame({"epc": trial.epc, "time": time, "zone": zones}))
    return pd.concat(rows, ignore_index=True)


def _learned(store: Store, reads: pd.DataFrame) -> Estimator:
    place = Place([Layout(0, store)])
    place.learn(reads)
    return place


def measure() -> Section:
    """The tables of both conventions, and the goals."""
    store = uci.store_of(WARD)
    reads, trials = uci.load(DATA / "uci-rfid-wearable")
    _, held = uci.load(DATA / "uci-rfid-wearable", FOREVER_S)
    chosen, scored = _halves(trials)
    seen = _truth([trial for room in ROOMS for trial in chosen[room]])
    estimators: dict[str, Callable[[], Estimator]] = {
        "last antenna": lambda: LastAntenna(store, HOLD_S),
        "strongest antenna, 5 s": lambda: Strongest(store, hold_s=HOLD_S),
        "SMURF": lambda: Smurf(store),
        "EdgeX mobility profile": lambda: EdgeX(store),
        "zone HMM, untold": lambda: ZoneHmm(store),
        "zone HMM, told the other trials": lambda: ZoneHmm(store, told(store, reads, seen)),
        "presence rule": lambda: Presence([Layout(0, store)]),
        PLACE: lambda: Place([Layout(0, store)]),
        LEARNED: lambda: _learned(store, reads),
    }
    visits = {name: make().estimate(reads).visits for name, make in estimators.items()}
    masked = f"silence over {uci.GAP_MAX_S:g} s between two places not scored"
    tables = [
        _table(f"uci-rfid-wearable, scored trials, {masked}", visits, scored),
        _table("uci-rfid-wearable, scored trials, labels held through every silence", visits, _halves(held)[1]),
        _table(f"uci-rfid-wearable, the trials chosen by, {masked}", {LEARNED: visits[LEARNED]}, chosen),
    ]
    return Section(
        tables, _goals(visits, scored, "long silence not scored") + _goals(visits, _halves(held)[1], "labels held")
    )


def _table(title: str, visits: Mapping[str, pd.DataFrame], trials: Sets) -> Table:
    both = [trial for room in ROOMS for trial in trials[room]]
    columns = ["estimator"]
    for name in ("S1", "S2", "both"):
        columns += [f"{name} bed F1 / MAE s", f"{name} chair", f"{name} time right"]
    rows = []
    for estimator, found in visits.items():
        cells = [estimator]
        for part in (trials[1], trials[2], both):
            right, scores = uci.score(found, part)
            cells += [_cell(scores[place]) for place in ("bed", "chair")]
            cells.append(f"{right:.2f}")
        rows.append(cells)
    return Table(f"{title} ({len(trials[1])} + {len(trials[2])} trials)", columns, rows)


def _cell(score: uci.PlaceScore) -> str:
    if not score.true:
        return f"{score.told} told, none true"
    return f"{score.f1:.2f} / " + ("–" if np.isnan(score.dwell_mae_s) else f"{score.dwell_mae_s:.1f}")


def _goals(visits: Mapping[str, pd.DataFrame], trials: Sets, convention: str) -> list[Goal]:
    both = [trial for room in ROOMS for trial in trials[room]]
    own = {STORE_FILE: uci.score(visits[PLACE], both)[1], UNLABELLED: uci.score(visits[LEARNED], both)[1]}
    goals = []
    for place, f1 in (("chair", 0.85), ("bed", 0.90)):
        what = f"UCI, both rooms, {convention}: {place}"
        goals += [
            Goal(f"{what} stay F1", f1, {given: scores[place].f1 for given, scores in own.items()}),
            Goal(
                f"{what} dwell MAE, s",
                6.0,
                {given: one[place].dwell_mae_s for given, one in own.items()},
                at_least=False,
            ),
        ]
    return goals
