"""Invariants of the simulated shoppers, over seeds."""

from itertools import pairwise

import numpy as np
import pytest

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Store
from tagtrail.simulator.geometry import Floats, segments_cross, segments_of
from tagtrail.simulator.shoppers import Habits
from tagtrail.simulator.walkways import Walkways
from tagtrail.simulator.world import World, ZoneMap

STEP_S = 0.5
Track = list[tuple[float, int, float, float, int]]  # time, floor, x, y, zone


def tracks(store: Store, seed: int, minutes: float) -> dict[int, Track]:
    world = World(store, seed, shoppers_per_hour=200, warm_up_s=0)
    seen: dict[int, Track] = {}
    for step in range(round(minutes * 60 / STEP_S)):
        crowd = world.at(step * STEP_S)
        columns = (crowd.number, crowd.floor, crowd.x_m, crowd.y_m, crowd.zone)
        for number, *place in zip(*(column.tolist() for column in columns), strict=True):
            seen.setdefault(number, []).append((step * STEP_S, *place))
    return {number: track for number, track in seen.items() if number not in world.visits}


@pytest.fixture(scope="module", params=[1, 2])
def walked(request: pytest.FixtureRequest, store: Store) -> dict[int, Track]:
    found = tracks(store, request.param, 45)
    assert len(found) > 80
    return found


def walls(store: Store, floor: str) -> Floats:
    lines = [segments_of(wall.line) for wall in store.wall if wall.floor == floor]
    staff = [segments_of(z.polygon, closed=True) for z in store.zone if z.floor == floor and z.kind == "staff"]
    return np.concatenate([*lines, *staff])


def test_nobody_walks_through_walls_or_into_staff_rooms(store: Store, walked: dict[int, Track]) -> None:
    for index, floor in enumerate(store.floor):
        steps = [
            ((a[2], a[3]), (b[2], b[3]))
            for track in walked.values()
            for a, b in pairwise(track)
            if a[1] == b[1] == index
        ]
        moved = np.array(steps)[:, :, None]
        solid = walls(store, floor.id)[None]
        assert len(moved)
        assert not segments_cross(moved[:, 0], moved[:, 1], solid[:, :, 0], solid[:, :, 1]).any()
        x, y = moved[:, :, 0, 0], moved[:, :, 0, 1]
        assert 0 < x.min() < x.max() < floor.width_m
        assert 0 < y.min() < y.max() < floor.depth_m


def test_speeds_are_human_and_floors_change_by_lift(store: Store, walked: dict[int, Track]) -> None:
    lifts = {index for index, zone in enumerate(store.zone) if zone.kind == "lift"}
    rides = 0
    for track in walked.values():
        for a, b in pairwise(track):
            if a[1] == b[1]:
                assert np.hypot(b[2] - a[2], b[3] - a[3]) <= 1.9 * STEP_S
            else:
                rides += 1
                assert {a[4], b[4]} <= lifts
    assert rides > 5


def test_everybody_comes_and_goes_by_an_entrance(store: Store, walked: dict[int, Track]) -> None:
    doors = {index for index, zone in enumerate(store.zone) if zone.kind == "entrance"}
    used = set()
    for track in walked.values():
        assert track[0][4] in doors
        assert track[-1][4] in doors
        used |= {track[0][4], track[-1][4]}
    assert used == doors


def test_all_that_a_store_offers_is_used(store: Store, walked: dict[int, Track]) -> None:
    visited = {place[4] for track in walked.values() for place in track} - {ZoneMap.NONE}
    assert {store.zone[index].id for index in visited} == {zone.id for zone in store.zone if zone.kind != "staff"}


def test_the_steps_in_which_a_world_is_watched_do_not_change_it(store: Store) -> None:
    fine, coarse = World(store, 3, warm_up_s=600), World(store, 3, warm_up_s=600)
    for step in range(1200):
        crowd = fine.at(step * 0.25)
    other = coarse.at(1199 * 0.25)
    np.testing.assert_array_equal(crowd.number, other.number)
    np.testing.assert_allclose(crowd.x_m, other.x_m)
    np.testing.assert_array_equal(crowd.zone, other.zone)
    assert [visit.epc for visit in fine.visits.values()] == [visit.epc for visit in coarse.visits.values()]
    with pytest.raises(ValueError, match="cannot go back"):
        fine.at(0.0)


def test_another_seed_is_another_day(store: Store) -> None:
    first, second = (World(store, seed, shoppers_per_hour=600, warm_up_s=600).visits for seed in (1, 2))
    assert not {visit.epc for visit in first.values()} & {visit.epc for visit in second.values()}


def test_arrivals_come_at_the_rate_that_was_asked_for(store: Store) -> None:
    world = World(store, 5, shoppers_per_hour=240, warm_up_s=0)
    world.at(2 * 3600)
    assert abs(world.arrived - 480) < 4 * np.sqrt(480)


def test_an_empty_store_stays_empty(store: Store) -> None:
    assert len(World(store, 1, shoppers_per_hour=0).at(3600).number) == 0


def test_long_ways_over_two_floors_have_the_time_of_the_lift_in_them(store: Store) -> None:
    walkways = Walkways(store)
    start, goal = walkways.spots["door"][0], walkways.spots["coats"][0]
    _, legs = walkways.route(start, goal, np.random.default_rng(0))
    assert [leg.seconds for leg in legs] == [None, 25.0, None]
    assert legs[0].points[0] == start.point
    assert legs[-1].points[-1] == goal.point


def test_a_zone_behind_walls_is_left_out_with_a_word(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    cut_off = Store(**{name: getattr(store, name) for name in ("store", "floor", "zone", "reader", "wall")})
    walkways = Walkways(cut_off)
    assert "coats" not in walkways.spots
    assert "coats" not in Habits(walkways).counters
    assert "coats" in caplog.text


def test_a_store_without_an_entrance_is_refused(store: Store) -> None:
    closed = Store(store=store.store, floor=store.floor, zone=store.zone[2:], reader=store.reader)
    with pytest.raises(FaultsError, match="entrance"):
        World(closed, 1)
