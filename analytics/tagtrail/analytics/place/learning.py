"""The radio map is learned from the store's own reads; nobody has to say where the tags were.

Maps are made in several ways, and the one that foretells best by which antenna held-back reads come is taken
(`foretelling`). First the reach of the antennas: maps of distance alone. Then expectation maximisation, from the best
of these: where tags probably were (the smoother) says how often each antenna reads a tag in a cell and how strongly. It
is done twice, as it may lead astray: where rates tell the place, strengths draw it wrong, since a body in the way looks
like distance; where all antennas hear everything, strengths are all there is.
"""

from dataclasses import replace

import numpy as np

from tagtrail.analytics.place.compiled import compiled
from tagtrail.analytics.place.curves import Counts, Learning, first_hearing, fit_hearing
from tagtrail.analytics.place.evidence import Tables, Trust, awake, make_tables
from tagtrail.analytics.place.foretelling import foretell
from tagtrail.analytics.place.ground import Ground
from tagtrail.analytics.place.hearing import LEVEL_MIN_DBM, LEVELS, Floats, Hearing, Ints
from tagtrail.analytics.place.smoother import smooth
from tagtrail.analytics.place.stretches import Stretches
from tagtrail.analytics.place.walking import Walking


def learn_hearing(ground: Ground, stretches: Stretches, numbers: Learning, trust: Trust) -> Hearing:
    """The radio map of one layout that foretells its reads best.

    Stretches are taken evenly over all tags and times if there are more than are needed, so the same reads give the
    same map, in whatever order they come.
    """
    inside = ground.cells.zone >= 0
    best = first_hearing(ground.distance_m, inside, numbers.reaches[0])
    told, reads = _foretell(ground, stretches, best, numbers, trust)
    if not reads:
        return best
    margin = numbers.lead + numbers.lead_in_all / reads

    def better_of(hearing: Hearing, by: float) -> tuple[Hearing, float]:
        other, _ = _foretell(ground, stretches, hearing, numbers, trust)
        return (hearing, other) if other > told + by else (best, told)

    for reach in numbers.reaches[1:]:
        best, told = better_of(first_hearing(ground.distance_m, inside, reach), margin)
    start = best
    # How often tags are read is learned even where it does not help to tell one antenna from another.
    for hears_strength, by in ((True, -margin), (False, margin)):
        hearing = start
        for _ in range(numbers.rounds):
            counts = _count(ground, stretches, hearing, numbers, trust, hears_strength=hears_strength)
            hearing = fit_hearing(ground.distance_m, counts, numbers)
        best, told = better_of(hearing, by)
    return best


def _foretell(
    ground: Ground, stretches: Stretches, hearing: Hearing, numbers: Learning, trust: Trust
) -> tuple[float, int]:
    """Mean log chance of the antenna of held-back reads, nats, and how many these are."""
    share = hearing.rate / hearing.rate.sum(axis=0)
    return foretell(
        _evenly(stretches, numbers.steps_foretold), stretches.step_ptr, stretches.first, stretches.kind,
        make_tables(hearing, trust, ground.is_door_cell), ground.walking, share, trust.stray,
    )  # fmt: skip


def _count(
    ground: Ground, stretches: Stretches, hearing: Hearing, numbers: Learning, trust: Trust, *, hears_strength: bool
) -> Counts:
    """What was seen, where tags probably were."""
    counts = Counts.none(*ground.distance_m.shape)
    deaf = replace(hearing, sd_db=np.full(len(hearing.sd_db), np.inf))
    count_all(
        _evenly(stretches, numbers.steps), stretches.step_ptr, stretches.first, stretches.kind,
        make_tables(hearing if hears_strength else deaf, trust, ground.is_door_cell), ground.walking,
        counts.seconds, counts.reads, counts.known, counts.sum_dbm, counts.sum2_dbm, awake(hearing, trust),
    )  # fmt: skip
    return counts


def _evenly(stretches: Stretches, steps: int) -> Ints:
    """Every n-th stretch, for about so many steps."""
    return np.arange(len(stretches))[:: max(1, -(-int(stretches.step_ptr[-1]) // steps))]


@compiled
def count_all(
    chosen: Ints, step_ptr: Ints, first: Ints, kind: Ints, tables: Tables, walking: Walking,
    seconds: Floats, reads: Floats, known: Floats, sum_dbm: Floats, sum2_dbm: Floats,
    awake: Floats,
) -> None:  # fmt: skip
    """Add what the chosen stretches say to the columns of `Counts`."""
    for stretch in chosen:
        low, high = step_ptr[stretch], step_ptr[stretch + 1]
        ptr, cell, stand, walk, _ = smooth(first[low : high + 1], kind, tables, walking)
        age = 0
        for t in range(high - low):
            age = 0 if first[low + t] < first[low + t + 1] else min(age + 1, len(awake) - 1)
            for i in range(ptr[t], ptr[t + 1]):
                c = cell[i]
                p = stand[i] + walk[i]
                seconds[c] += p * awake[age, c]
                for r in range(first[low + t], first[low + t + 1]):
                    antenna, level = kind[r] // (LEVELS + 1), kind[r] % (LEVELS + 1)
                    reads[antenna, c] += p
                    if level < LEVELS:
                        dbm = level + LEVEL_MIN_DBM
                        known[antenna, c] += p
                        sum_dbm[antenna, c] += p * dbm
                        sum2_dbm[antenna, c] += p * dbm * dbm
