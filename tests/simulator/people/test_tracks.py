"""Where bodies are between their knots, and in which zone."""

import numpy as np
from msgspec.structs import replace

from tagtrail.hardware.store import Store, zone_at
from tagtrail.simulator.people.tracks import Track, ZoneMap, look
from tagtrail.simulator.presence import CYCLE_US, Body


def track(number: int, enters_us: int, *knots: tuple[float, ...]) -> Track:
    made = Track(Body(number, "shopper", (), number), enters_us)
    for knot in knots:
        made.knots.extend(knot)
    return made


def test_places_lie_on_the_line_between_knots_and_rest_after_the_last(store: Store) -> None:
    one = track(3, 1_000_000, (1_000_000, 0, 1.0, 1.0, 0.5), (3_000_000, 0, 3.0, 1.0, 1.5))
    other = track(4, 1_700_000, (1_700_000, 0, 5.0, 5.0, 0.0), (2_000_000, 0, 5.0, 5.0, 0.0), (2_000_000, 1, 1, 1, 2.0))
    other.leaves_us = 4_000_000
    seen = look([one, other], ZoneMap(store), 0, 10)
    rows = seen.body == 3
    assert seen.cycle[rows].tolist() == list(range(2, 10))
    assert seen.x_m[rows].tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 3.0, 3.0, 3.0]
    assert seen.facing_rad[rows].tolist() == [0.5] * 4 + [1.5] * 4
    rows = seen.body == 4
    assert seen.cycle[rows].tolist() == [4, 5, 6, 7]
    assert seen.floor[rows].tolist() == [1] * 4
    assert np.lexsort((seen.body, seen.cycle)).tolist() == list(range(len(seen.cycle)))


def test_what_is_forgotten_was_not_needed(store: Store) -> None:
    knots = [(second * 1e6, 0, 1.0 + second * 0.3, 2.0, 0.0) for second in range(20)]
    whole, cut = (track(0, 0, *knots) for _ in range(2))
    cut.forget(7 * CYCLE_US)
    assert len(cut.knots) < len(whole.knots)
    zones = ZoneMap(store)
    np.testing.assert_array_equal(look([whole], zones, 7, 50).x_m, look([cut], zones, 7, 50).x_m)


def test_the_raster_of_zones_agrees_with_their_outlines(store: Store) -> None:
    slanted = replace(store.zone[2], polygon=((0.1, 4.0), (13.7, 4.3), (12.9, 6.0), (0.3, 5.2)))
    store = replace(store, zone=(*store.zone[:2], slanted, *store.zone[3:]))
    rng = np.random.default_rng(1)
    floor = rng.integers(0, 2, 4000)
    x_m, y_m = rng.uniform(0, 12, 4000), rng.uniform(0, 8, 4000)
    found = ZoneMap(store).zone_at(floor, x_m, y_m)
    zones = list(store.zone_by_id)
    for index in range(len(floor)):
        zone = zone_at(store, store.floor[floor[index]].id, float(x_m[index]), float(y_m[index]))
        assert found[index] == (zones.index(zone.id) if zone else -1)
