"""The smoother beside the same model worked out with whole matrices."""

import numpy as np
import numpy.typing as npt

from tagtrail.analytics.place.cells import make_cells
from tagtrail.analytics.place.curves import first_hearing
from tagtrail.analytics.place.evidence import AGES, CROWDS, Tables, Trust, make_tables
from tagtrail.analytics.place.hearing import LEVELS, distances_m
from tagtrail.analytics.place.smoother import STAYS, Posterior, lag, look_ahead, smooth
from tagtrail.analytics.place.visits import choose, settle
from tagtrail.analytics.place.walking import Gait, Walking, make_walking
from walks import row_store

Floats = npt.NDArray[np.float64]
ANTENNAS = 5


def matrix(walking: Walking) -> Floats:
    """Chances from state to state: standing in each cell, walking in each, outside."""
    cells = len(walking.start)
    chances = np.zeros((2 * cells + 1, 2 * cells + 1))
    for c in range(cells):
        chances[c, c], chances[c, cells + c] = 1 - walking.start[c], walking.start[c]
        chances[cells + c, c] = walking.stop[c]
        for k in range(walking.to_ptr[c], walking.to_ptr[c + 1]):
            chances[cells + c, cells + walking.to_cell[k]] += walking.to_chance[k]
        chances[cells + c, -1] = walking.leave[c]
    chances[-1, cells:-1] = walking.enter
    chances[-1, -1] = 1 - walking.enter.sum()
    return chances


def whole(kinds: list[list[int]], tables: Tables, walking: Walking, stays: float) -> Floats:
    """Posterior of all states at each step; being inside after the last one is worth ``stays`` as much."""
    chances = matrix(walking)
    rows = (ANTENNAS * (LEVELS + 1)) * np.searchsorted(CROWDS, range(10), side="right")
    heard = []
    age = 0
    for reads in kinds:
        age = 0 if reads else min(age + 1, AGES)
        more = rows[len(reads)] - rows[1]
        inside = tables.silence[age] * np.prod([tables.read[kind + more] for kind in reads], axis=0)
        outside = np.prod([tables.read_outside[kind + more] for kind in reads])
        heard.append(np.concatenate([inside, inside, [outside]]))
    state = np.zeros(len(chances))
    state[-1] = 1
    forward = []
    for one in heard:
        state = state @ chances * one
        state /= state.sum()
        forward.append(state)
    back = np.full(len(chances), stays)
    back[-1] = 1
    found = [forward[-1] * back / (forward[-1] @ back)]
    for one, state in zip(heard[:0:-1], forward[-2::-1], strict=True):
        back = chances @ (one * back)
        back /= back.max()
        found.append(state * back / (state @ back))
    return np.array(found[::-1])


class Heard:
    """What a tag in a small store is heard of, and what it means."""

    def __init__(self) -> None:
        store = row_store()
        self.cells = make_cells(store)
        self.walking = make_walking(store, self.cells, Gait())
        hearing = first_hearing(distances_m(store, self.cells), self.cells.zone >= 0)
        assert len(hearing.rate) == ANTENNAS
        self.tables = make_tables(hearing, Trust(), self.cells.zone == 0)
        rng = np.random.default_rng(1)
        levels = [[] if t < 5 else rng.integers(35, 50, rng.integers(0, 4)).tolist() for t in range(40)]
        self.kinds = [[(t // 14) * (LEVELS + 1) + level for level in some] for t, some in enumerate(levels)]
        self.first = np.cumsum([0, *map(len, self.kinds)])
        self.flat = np.array([kind for reads in self.kinds for kind in reads], dtype=np.int64)

    def agrees(self, found: Posterior, t: int, expected: Floats) -> bool:
        """Half the sum of the differences; the smoother lets go of what is nearly impossible."""
        count = len(self.cells)
        low, high = found.ptr[t], found.ptr[t + 1]
        by_cell = np.zeros(count)
        by_cell[found.cell[low:high]] = found.stand[low:high] + found.walk[low:high]
        apart = np.abs(by_cell - expected[:count] - expected[count:-1]).sum() / 2
        return bool(apart < 0.05 and abs(found.outside[t] - expected[-1]) < 0.05)


def test_the_posterior_is_that_of_the_whole_model() -> None:
    heard = Heard()
    found = smooth(heard.first, heard.flat, heard.tables, heard.walking)
    expected = whole(heard.kinds, heard.tables, heard.walking, float(STAYS))
    for t in range(len(heard.kinds)):
        assert heard.agrees(found, t, expected[t]), t


def test_with_a_lag_each_step_knows_what_follows_so_long_and_no_more() -> None:
    heard = Heard()
    found = lag(look_ahead(heard.first, heard.flat, heard.tables, heard.walking), heard.walking, 5)
    for t in range(len(heard.kinds)):
        expected = whole(heard.kinds[: t + 6], heard.tables, heard.walking, 1.0)
        assert heard.agrees(found, t, expected[t]), t


def test_a_change_must_gain_more_than_it_costs() -> None:
    shares = np.tile(np.array([0.9, 0.1], dtype=np.float32), (20, 1))
    shares[10] = 0.3, 0.7
    assert choose(shares, np.float32(1.0)).tolist() == [0] * 20
    shares[10:16] = 0.1, 0.9
    assert choose(shares, np.float32(1.0)).tolist() == [0] * 10 + [1] * 6 + [0] * 4


def test_short_runs_go_to_the_likelier_neighbour() -> None:
    shares = np.full((9, 3), 0.1, dtype=np.float32)
    shares[4, 2] = 0.5
    label = np.array([0, 0, 0, 0, 1, 2, 2, 2, 2])
    settle(label, shares, 2)
    assert label.tolist() == [0, 0, 0, 0, 2, 2, 2, 2, 2]
