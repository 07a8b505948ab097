"""Scores on stores that are simulated by a model of its own (`crude`), as a table per kind of store and radio."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from scores.baselines.edgex import EdgeX
from scores.baselines.last_antenna import LastAntenna
from scores.baselines.settled import Settled
from scores.baselines.smurf import Smurf
from scores.baselines.strongest import Strongest
from scores.baselines.zone_hmm import ZoneHmm, told
from scores.crude import Air, Plan, Run, make_store, simulate
from scores.store_score import StoreScore, score_visits, seconds_of
from scores.tables.markdown import STORE_FILE, UNLABELLED, Goal, Section, Table
from tagtrail.analytics.estimator import Estimator
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence


class Radio(NamedTuple):
    """Bounds between which a store's radio is drawn."""

    shadow_db: tuple[float, float]
    body_db: tuple[float, float]


class Kind(NamedTuple):
    """Stores of one kind, and the figures that are wanted there: accuracy, F1, dwell MAE, path, traffic error."""

    plans: Sequence[Plan]
    wanted: tuple[float, float, float, float, float]


WANTED: Final = (0.90, 0.76, 4.7, 0.75, 0.10)
"""Where each zone has an antenna or more."""
LARGE: Final = [
    Plan(columns, 2, aisles_are_zones=False, width_m=(9.0, 14.0), depth_m=(8.0, 12.0)) for columns in (2, 3)
]
KINDS: Final = {
    "an antenna or more per zone": Kind((Plan(3, 2), Plan(4, 2)), WANTED),
    "two floors, bare zones": Kind(
        (Plan(3, 2, 2, 0.3, aisles_are_zones=False), Plan(4, 2, 2, 0.35)), (0.75, 0.58, 18.0, 0.62, 0.18)
    ),
    "large zones, bare aisles": Kind(LARGE, WANTED),
}
RADIOS: Final = {"easy radio": Radio((1.0, 2.5), (1.0, 4.0)), "hard radio": Radio((4.0, 6.0), (3.0, 7.0))}
PLACE: Final = "Place, store file only"
LEARNED: Final = "Place, learned without labels"


def _hmm_told(run: Run) -> ZoneHmm:
    return ZoneHmm(run.store, told(run.store, run.reads, seconds_of(run).fillna({"zone": ""})))


def _learned(run: Run) -> Estimator:
    place = Place([Layout(0, run.store)])
    place.learn(run.reads)
    return place


ESTIMATORS: Final[dict[str, Callable[[Run], Estimator]]] = {
    "last antenna": lambda run: LastAntenna(run.store),
    "strongest antenna, 5 s": lambda run: Strongest(run.store),
    "strongest antenna, 5 s, stays of 6 s": lambda run: Settled(Strongest(run.store)),
    "SMURF": lambda run: Smurf(run.store),
    "EdgeX mobility profile": lambda run: EdgeX(run.store),
    "zone HMM, untold": lambda run: ZoneHmm(run.store),
    "zone HMM, told the truth": _hmm_told,
    "zone HMM, told the truth, stays of 6 s": lambda run: Settled(_hmm_told(run)),
    "presence rule": lambda run: Presence([Layout(0, run.store)]),
    PLACE: lambda run: Place([Layout(0, run.store)]),
    LEARNED: _learned,
}
COLUMNS: Final = (
    "estimator", "zone accuracy", "visit F1", "dwell MAE s", "path", "traffic error", "90 % interval holds", "width s"
)  # fmt: skip
World = tuple[str, str]
"""Kind of store, and radio."""


def runs(kind: str, radio: str, seeds: Sequence[int], shoppers: int) -> Iterator[Run]:
    """The stores of a world, each with its crowd; the same numbers make the same reads."""
    shadow_db, body_db = RADIOS[radio]
    for seed in seeds:
        for index, plan in enumerate(KINDS[kind].plans):
            rng = np.random.default_rng([list(KINDS).index(kind) + 1, index, seed])
            store = make_store(plan, rng)
            exponent, shadow = rng.uniform(2.3, 3), rng.uniform(*shadow_db)
            memory_s, body = rng.uniform(0.2, 1.5), rng.uniform(*body_db)
            air = Air(exponent, shadow, memory_s, body, int(rng.integers(2, 5)), rng.uniform(2, 3))
            yield simulate(store, shoppers=shoppers, rng=rng, air=air)


def measure(seeds: Sequence[int], shoppers: int) -> dict[World, dict[str, StoreScore]]:
    """Mean score of each estimator over the stores of each world."""
    return {(kind, radio): _world(kind, radio, seeds, shoppers) for radio in RADIOS for kind in KINDS}


def _world(kind: str, radio: str, seeds: Sequence[int], shoppers: int) -> dict[str, StoreScore]:
    scores: dict[str, list[StoreScore]] = {name: [] for name in ESTIMATORS}
    for run in runs(kind, radio, seeds, shoppers):
        for name, make in ESTIMATORS.items():
            scores[name].append(score_visits(run, make(run).estimate(run.reads).visits))
    return {name: StoreScore(*np.mean(each, axis=0).tolist()) for name, each in scores.items()}


def section(found: dict[World, dict[str, StoreScore]]) -> Section:
    """The tables of all worlds, and the goals."""
    tables = [
        Table(f"Simulated stores: {kind}, {radio}", COLUMNS, [_row(name, score) for name, score in by_name.items()])
        for (kind, radio), by_name in found.items()
    ]
    return Section(tables, [goal for world, by_name in found.items() for goal in _goals(world, by_name)])


def _row(name: str, score: StoreScore) -> list[str]:
    interval = ["", ""] if np.isnan(score.covered) else [f"{score.covered:.1%}", f"{score.width_s:.1f}"]
    return [
        name, f"{score.accuracy:.3f}", f"{score.f1:.3f}", f"{score.dwell_mae_s:.1f}", f"{score.path:.3f}",
        f"{score.traffic:.1%}", *interval,
    ]  # fmt: skip


def _goals(world: World, by_name: dict[str, StoreScore]) -> list[Goal]:
    names = ("zone accuracy", "visit F1", "dwell MAE, s", "path similarity", "traffic error")
    return [
        Goal(
            f"{', '.join(world)}: {what}",
            bound,
            {STORE_FILE: by_name[PLACE][index], UNLABELLED: by_name[LEARNED][index]},
            at_least=index in (0, 1, 3),
        )
        for index, (what, bound) in enumerate(zip(names, KINDS[world[0]].wanted, strict=True))
    ]
