"""Cells follow zones and walls; a step's chances sum to one."""

import numpy as np

from tagtrail.analytics.place.cells import Cells, make_cells
from tagtrail.analytics.place.walking import Gait, make_walking
from tagtrail.hardware.store import parse_store
from walks import ROOMS, row_store, store_text


def reach(cells: Cells, start: int) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        for one, other in cells.borders.tolist():
            for near, far in ((one, other), (other, one)):
                if near == here and far not in found:
                    found.add(far)
                    waiting.append(far)
    return found


def test_cells_cover_the_floor_and_each_lies_in_one_zone() -> None:
    cells = make_cells(row_store())
    assert np.isclose(cells.area_m2.sum(), 60 * 60, rtol=0.03)
    for zone in range(len(ROOMS)):
        assert np.isclose(cells.area_m2[cells.zone == zone].sum(), 36, rtol=0.1)
    assert reach(cells, 0) == set(range(len(cells)))


def test_a_closed_wall_parts_the_floor() -> None:
    wall = '[[wall]]\nfloor = "1F"\nline = [[0.0, 30.0], [60.0, 30.0]]\n'
    cells = make_cells(parse_store(store_text() + wall))
    middle = cells.mean(cells.point_m[:, 1])
    for cell in reach(cells, 0):
        assert middle[cell] < 30


def test_chances_of_a_step_sum_to_one() -> None:
    store = row_store()
    cells = make_cells(store)
    walking = make_walking(store, cells, Gait())
    moved = np.add.reduceat(walking.to_chance, walking.to_ptr[:-1])
    assert np.allclose(moved + walking.stop + walking.leave, 1, atol=1e-5)
    assert (walking.to_chance >= 0).all()
    assert 0 < walking.enter.sum() < 1
