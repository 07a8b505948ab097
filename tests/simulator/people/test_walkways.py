"""Ways through a store."""

import numpy as np
import pytest
from msgspec.structs import replace

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Store, load_store
from tagtrail.simulator.geometry import distance_between_segments
from tagtrail.simulator.layouts import renamed
from tagtrail.simulator.people.walkways import BUILDINGS_KEPT, CLEARANCE_M, Walkways, walkways_of
from tagtrail.simulator.scenario import store_path


def test_long_ways_over_two_floors_have_the_time_of_the_lift_in_them(store: Store) -> None:
    walkways = Walkways(store)
    start, goal = walkways.spots["door"][0], walkways.spots["coats"][0]
    _, legs = walkways.route(start, goal, np.random.default_rng(0))
    assert [leg.seconds for leg in legs] == [None, 25.0, None]
    assert legs[0].points[0] == start.point
    assert legs[-1].points[-1] == goal.point


def test_straightened_ways_keep_clear_of_all_walls(store: Store) -> None:
    grid = Walkways(store).grids[0]
    spots = [spot for zone in Walkways(store).spots.values() for spot in zone if spot.floor == 0]
    for goal in spots[::5]:
        for start in spots[::3]:
            way = np.array(grid.way(start.cell, goal.cell))
            gaps = distance_between_segments(way[:-1, None], way[1:, None], grid.walls[:, 0], grid.walls[:, 1])
            assert gaps.min(initial=np.inf) >= CLEARANCE_M - 1e-9


def test_a_zone_that_no_link_leads_to_is_left_out_with_a_word(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    walkways = Walkways(replace(store, link=()))
    assert "coats" not in walkways.spots
    assert "coats" in caplog.text


def test_a_store_without_an_entrance_is_refused(store: Store) -> None:
    with pytest.raises(FaultsError, match="entrance"):
        Walkways(replace(store, zone=store.zone[2:]))


def test_nobody_stands_in_the_corner_of_the_building() -> None:
    store = load_store(store_path("riverside"))
    for zone, spots in walkways_of(store).spots.items():
        floor = store.floor[spots[0].floor]
        for x_m, y_m in (spot.point for spot in spots):
            at_the_edge = min(x_m, y_m, floor.width_m - x_m, floor.depth_m - y_m) <= CLEARANCE_M
            assert not at_the_edge or store.zone_by_id[zone].kind == "entrance", zone


def test_stores_in_one_building_share_their_walkways(store: Store) -> None:
    walkways = walkways_of(store)
    assert walkways_of(renamed(store, "other", "Other")) is walkways
    assert walkways_of(replace(store, link=())) is not walkways
    for number in range(BUILDINGS_KEPT):
        walkways_of(replace(store, floor=(replace(store.floor[0], depth_m=20.0 + number), *store.floor[1:])))
    assert walkways_of(store) is not walkways
