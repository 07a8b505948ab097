"""Scores on BLE-PAD: walks over a grid of 4 x 4 zones, and tags that lie still."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from scores.baselines.edgex import EdgeX
from scores.baselines.knn import Knn, fingerprints_of
from scores.baselines.last_antenna import LastAntenna
from scores.baselines.smurf import Smurf
from scores.baselines.strongest import Strongest
from scores.baselines.zone_hmm import ZoneHmm
from scores.data import DATA
from scores.lagged import lagged
from scores.recordings import ble_pad
from scores.recordings.ble_pad import Walk
from scores.tables.markdown import CALIBRATION, STORE_FILE, UNLABELLED, Goal, Section, Table
from tagtrail.analytics.columns import us_of_times
from tagtrail.analytics.estimator import Estimator
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence
from tagtrail.hardware.store import Store

LAG_S: Final = 5
FOLDS: Final = 4
PLACE: Final = "Place, store file only"
LEARNED: Final = "Place, learned from still tags without labels"
CALIBRATED: Final = "Place, calibrated with still tags"
Make = Callable[[Store, Walk], Estimator]
"""An estimator from the layout and the still tags, of which it may take what it needs."""


class Score(NamedTuple):
    """Shares of seconds in the right zone, and changes of zone of tags that lie still."""

    walks: float
    lagged: float
    still: float
    changes_per_min: float


def _knn(store: Store, still: Walk) -> Estimator:
    known = still.truth.drop_duplicates("epc")
    return Knn(store, fingerprints_of(store, still.reads, dict(zip(known["epc"], known["zone"], strict=True))))


def _place(store: Store, _: Walk) -> Estimator:
    return Place([Layout(0, store)])


def _learned(store: Store, still: Walk) -> Estimator:
    place = Place([Layout(0, store)])
    place.learn(still.reads)
    return place


def _calibrated(store: Store, still: Walk) -> Estimator:
    place = Place([Layout(0, store)])
    place.calibrate(still.reads, still.truth.assign(floor="1F"))
    return place


ESTIMATORS: Final[dict[str, Make]] = {
    "last antenna": lambda store, _: LastAntenna(store),
    "strongest antenna, 5 s": lambda store, _: Strongest(store),
    "SMURF": lambda store, _: Smurf(store),
    "EdgeX mobility profile": lambda store, _: EdgeX(store),
    "zone HMM, untold": lambda store, _: ZoneHmm(store),
    "presence rule": lambda store, _: Presence([Layout(0, store)]),
    "kNN fingerprint": _knn,
    PLACE: _place,
    LEARNED: _learned,
    CALIBRATED: _calibrated,
}
KNOWN: Final = ("kNN fingerprint", CALIBRATED)
"""These know where the still tags lie, so they are scored only on points that they have not been told."""


def measure() -> Section:
    """The table and the goals."""
    folder = DATA / "ble-pad"
    store, walks, still = ble_pad.store_of(folder), ble_pad.load_walks(folder), ble_pad.load_still(folder)
    found = {name: _score(name, make, store, walks, still) for name, make in ESTIMATORS.items()}
    columns = ["estimator", "walks", f"walks, {LAG_S} s lag", "still", "still: changes/min"]
    rows = [
        [name, f"{one.walks:.3f}", "" if np.isnan(one.lagged) else f"{one.lagged:.3f}", f"{one.still:.3f}",
         f"{one.changes_per_min:.2f}"]
        for name, one in found.items()
    ]  # fmt: skip
    own = {STORE_FILE: found[PLACE], UNLABELLED: found[LEARNED], CALIBRATION: found[CALIBRATED]}
    goals = [
        Goal(f"ble-pad, {what}", wanted, {given: one[index] for given, one in own.items()}, at_least)
        for index, (what, wanted, at_least) in enumerate(
            [
                ("walks: zone accuracy", 0.62, True),
                (f"walks, {LAG_S} s lag: zone accuracy", 0.56, True),
                ("still tags: zone accuracy", 0.62, True),
                ("still tags: changes a minute", 0.3, False),
            ]
        )
    ]
    points = still.truth["epc"].nunique()
    return Section([Table(f"ble-pad: zone accuracy, {len(walks)} walks, {points} still points", columns, rows)], goals)


def _score(name: str, make: Make, store: Store, walks: list[Walk], still: Walk) -> Score:
    estimator = make(store, still)
    seconds = [len(walk.truth) for walk in walks]
    shares = [ble_pad.score(estimator.estimate(walk.reads).visits, walk.truth)[0] for walk in walks]
    later = np.nan
    if isinstance(estimator, Place):
        later = float(np.average([_lagged_share(estimator, walk) for walk in walks], weights=seconds))
    visits = (
        pd.concat([make(store, known).estimate(asked.reads).visits for known, asked in _folds(still)])
        if name in KNOWN
        else estimator.estimate(still.reads).visits
    )
    return Score(float(np.average(shares, weights=seconds)), later, *ble_pad.score(visits, still.truth))


def _lagged_share(place: Place, walk: Walk) -> float:
    (told,) = lagged(place, walk.reads, LAG_S)
    at = (us_of_times(walk.truth["time"]) - told.start_us) // 1_000_000
    return float((told.zone[at] == walk.truth["zone"].to_numpy()).mean())


def _folds(still: Walk) -> Iterator[tuple[Walk, Walk]]:
    """The points in a few parts: all but one to learn from, and that one to be asked for."""
    points = sorted(still.truth["epc"].unique())
    fold = np.random.default_rng(0).integers(0, FOLDS, len(points))
    for number in range(FOLDS):
        asked = {point for point, own in zip(points, fold.tolist(), strict=True) if own == number}
        yield _part(still, set(points) - asked), _part(still, asked)


def _part(still: Walk, epcs: set[str]) -> Walk:
    reads = still.reads[still.reads["epc"].isin(epcs)].reset_index(drop=True)
    reads["epc"] = reads["epc"].cat.remove_unused_categories()
    return Walk(still.name, reads, still.truth[still.truth["epc"].isin(epcs)])
