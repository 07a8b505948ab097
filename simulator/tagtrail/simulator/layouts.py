"""Another layout of a store: counters that change places, and the store file that says so. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tagtrail.hardware.store import Point, Store


def renamed(store: Store, store_id: str, name: str) -> Store:
    """The same building as another store, as chains have them."""
    return replace(store, store=replace(store.store, id=store_id, name=name))


def swapped(store: Store, first: str, second: str) -> Store:
    """Two zones change places: each takes the other's floor and outline. Walls and antennas stay where they are."""
    one, other = store.zone_by_id[first], store.zone_by_id[second]
    places = {first: (other.floor, other.polygon), second: (one.floor, one.polygon)}
    return replace(
        store,
        zone=tuple(
            replace(zone, floor=places[zone.id][0], polygon=places[zone.id][1]) if zone.id in places else zone
            for zone in store.zone
        ),
    )


def reshaped(store: Store, outlines: Mapping[str, Sequence[Point]]) -> Store:
    """Zones get other outlines, on the floor on which they are."""
    return replace(
        store,
        zone=tuple(
            replace(zone, polygon=tuple(outlines[zone.id])) if zone.id in outlines else zone for zone in store.zone
        ),
    )


def store_toml(store: Store) -> str:
    """The text of a store file that means this store."""
    return "\n".join(_lines(msgspec.to_builtins(store), "")) + "\n"


def _lines(table: Mapping[str, Any], header: str) -> Iterator[str]:
    """A table: first its values, then the tables in it; what is None is left out."""
    tables = {key: value for key, value in table.items() if _is_table(value) or _is_array(value)}
    for key, value in table.items():
        if key not in tables and value is not None and value != []:
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in tables.items():
        name = f"{header}.{key}" if header else key
        for one in value if _is_array(value) else [value]:
            yield f"\n[[{name}]]" if _is_array(value) else f"\n[{name}]"
            yield from _lines(one, name)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_array(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, dict) for one in value)
