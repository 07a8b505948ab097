"""Scores of presence at one reader, where nobody has told how often it reads."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd

from scores.baselines.edgex import EdgeX
from scores.baselines.last_antenna import LastAntenna
from scores.baselines.smurf import Smurf
from scores.baselines.strongest import Strongest
from scores.baselines.zone_hmm import ZoneHmm, told
from scores.recordings import presence
from scores.recordings.presence import START_US, Presences
from scores.tables.markdown import STORE_FILE, UNLABELLED, Goal, Section, Table
from tagtrail.analytics.columns import times_of_us
from tagtrail.analytics.estimator import Estimator
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence

RADIOS: Final = ((0.15, 0.01), (0.3, 0.01), (0.6, 0.03))
"""Chance of an answer, and share of seconds with a read of a tag that is not there."""
WANTED: Final = 1
"""The one for which there are goals."""
TAGS: Final = 20
SECONDS: Final = 3600
STORE: Final = presence.store_of()
PLACE: Final = "Place, store file only"
LEARNED: Final = "Place, learned without labels"


def _told(made: Presences) -> Estimator:
    seconds = times_of_us(START_US + np.arange(SECONDS) * 1_000_000)
    rows = [
        pd.DataFrame({"epc": epc, "time": seconds, "zone": np.where(there, "here", "")})
        for epc, there in made.here.items()
    ]
    return ZoneHmm(STORE, told(STORE, made.reads, pd.concat(rows, ignore_index=True)))


def _learned(made: Presences) -> Estimator:
    place = Place([Layout(0, STORE)])
    place.learn(made.reads)
    return place


ESTIMATORS: Final[dict[str, Callable[[Presences], Estimator]]] = {
    "last antenna: every second with a read": lambda _: LastAntenna(STORE, hold_s=0),
    "strongest antenna, 5 s": lambda _: Strongest(STORE, hold_s=0),
    "SMURF": lambda _: Smurf(STORE),
    "EdgeX mobility profile": lambda _: EdgeX(STORE),
    "zone HMM, untold": lambda _: ZoneHmm(STORE),
    "zone HMM, told the truth": _told,
    "presence rule": lambda _: Presence([Layout(0, STORE)]),
    PLACE: lambda _: Place([Layout(0, STORE)]),
    LEARNED: _learned,
}


def measure(seeds: Sequence[int]) -> Section:
    """Errors and F1 by estimator and share of answers, and the goals."""
    found = {name: [_mean(make, *radio, seeds) for radio in RADIOS] for name, make in ESTIMATORS.items()}
    rows = [[name, *(f"{one.error:.3f} / {one.f1:.2f}" for one in scores)] for name, scores in found.items()]
    columns = [
        "estimator",
        *(f"{answer:.0%} answers, {cross:.0%} cross-reads: error / stay F1" for answer, cross in RADIOS),
    ]
    own = {STORE_FILE: found[PLACE][WANTED], UNLABELLED: found[LEARNED][WANTED]}
    what = "presence, 30 % answers, 1 % cross-reads"
    goals = [
        Goal(f"{what}: stay F1", 0.85, {given: one.f1 for given, one in own.items()}),
        Goal(f"{what}: error", 0.025, {given: one.error for given, one in own.items()}, at_least=False),
    ]
    return Section([Table("Presence with unknown read rates", columns, rows)], goals)


def _mean(make: Callable[[Presences], Estimator], answer: float, cross: float, seeds: Sequence[int]) -> presence.Score:
    scores = []
    for seed in seeds:
        made = presence.make(np.random.default_rng(seed), tags=TAGS, seconds=SECONDS, answer=answer, cross=cross)
        scores.append(presence.score(make(made).estimate(made.reads).visits, made.here))
    return presence.Score(*np.mean(scores, axis=0).tolist())
