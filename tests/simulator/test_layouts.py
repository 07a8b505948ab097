"""Counters that change places, and the store files that say so."""

import pytest

from tagtrail.hardware.store import Store, load_store, parse_store
from tagtrail.simulator.layouts import renamed, reshaped, store_toml, swapped
from tagtrail.simulator.scenario import STORES


@pytest.mark.parametrize("name", ["riverside", "ward", "corner"])
def test_a_store_is_what_its_text_says(name: str) -> None:
    store = load_store(STORES / f"{name}.toml")
    assert parse_store(store_toml(store)) == store


def test_swapped_zones_change_places_and_nothing_else(store: Store) -> None:
    moved = swapped(store, "shoes", "coats")
    shoes, coats = store.zone_by_id["shoes"], store.zone_by_id["coats"]
    assert (moved.zone_by_id["shoes"].floor, moved.zone_by_id["shoes"].polygon) == (coats.floor, coats.polygon)
    assert (moved.zone_by_id["coats"].floor, moved.zone_by_id["coats"].polygon) == (shoes.floor, shoes.polygon)
    assert [zone.id for zone in moved.zone] == [zone.id for zone in store.zone]
    assert swapped(moved, "coats", "shoes") == store
    assert parse_store(store_toml(moved)) == moved


def test_outlines_and_names_change_alone(store: Store) -> None:
    outline = [(10.0, 0.0), (15.0, 0.0), (15.0, 4.0), (10.0, 4.0)]
    assert reshaped(store, {"hats": outline}).zone_by_id["hats"].polygon == tuple(outline)
    assert reshaped(store, {}) == store
    other = renamed(store, "north", "North")
    assert (other.id, other.store.name, other.zone) == ("north", "North", store.zone)
