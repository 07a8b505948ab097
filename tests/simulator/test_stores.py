"""The demo's store is a whole department store in which everybody can get everywhere."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tagtrail.hardware import geometry
from tagtrail.hardware.store import Point, Store, Zone, ZoneKind, load_store, zone_at

STORES = Path(__file__).resolve().parents[2] / "simulator" / "tagtrail" / "simulator" / "stores"
STEP_M = 0.25
DOOR_M = 1.5


@pytest.fixture(scope="module")
def riverside() -> Store:
    return load_store(STORES / "riverside.toml")


def along(polygon: tuple[Point, ...]) -> Iterator[Point]:
    """The middles of pieces of `STEP_M` of the outline."""
    for (ax, ay), (bx, by) in geometry.edges(polygon):
        pieces = round(max(abs(bx - ax), abs(by - ay)) / STEP_M)
        for piece in range(pieces):
            share = (piece + 0.5) / pieces
            yield ax + share * (bx - ax), ay + share * (by - ay)


def doors(store: Store) -> dict[str, dict[str, float]]:
    """Zone, neighbour on the same floor → metres of their border without a wall."""
    widths: dict[str, dict[str, float]] = {zone.id: defaultdict(float) for zone in store.zone}
    for zone in store.zone:
        walls = [
            pair
            for wall in store.wall
            if wall.floor == zone.floor
            for pair in zip(wall.line, wall.line[1:], strict=False)
        ]
        others = [other for other in store.zone if other.floor == zone.floor and other is not zone]
        for point in along(zone.polygon):
            if all(geometry.segment_distance(point, *wall) > geometry.BORDER_M for wall in walls):
                for other in others:
                    if geometry.contains(other.polygon, point):
                        widths[zone.id][other.id] += STEP_M
    return widths


def test_it_is_a_department_store(riverside: Store) -> None:
    kinds = Counter(zone.kind for zone in riverside.zone)
    assert (len(riverside.floor), len(riverside.zone)) == (2, 32)
    assert set(kinds) == set(get_args(ZoneKind))
    assert (kinds["entrance"], kinds["counter"], kinds["aisle"], kinds["checkout"]) == (2, 14, 8, 2)
    assert all(zone.name for zone in riverside.zone)


def test_zones_tile_the_floors(riverside: Store) -> None:
    for floor in riverside.floor:
        covered = sum(geometry.area(zone.polygon) for zone in riverside.zone if zone.floor == floor.id)
        assert covered == pytest.approx(floor.width_m * floor.depth_m)


def test_every_zone_has_an_antenna(riverside: Store) -> None:
    antennas = [antenna for reader in riverside.reader for antenna in reader.antenna]
    below = Counter(zone_at(riverside, antenna.floor, *antenna.position_m[:2]) for antenna in antennas)
    assert below == Counter(riverside.zone)
    assert [reader.id for reader in riverside.reader] == [f"r0{number}" for number in range(1, 9)]
    assert {(reader.protocol, reader.region, reader.port) for reader in riverside.reader} == {("mercury", "prc", None)}
    assert {len(reader.antenna) for reader in riverside.reader} == {4}, "a reader has four ports"
    assert all(24 <= antenna.power_dbm <= 30 for antenna in antennas)


def test_every_zone_opens_to_an_aisle_or_another_open_zone(riverside: Store) -> None:
    open_kinds = {"aisle", "counter", "entrance"}
    widths = doors(riverside)

    def opens(zone: Zone) -> bool:
        return any(
            width >= DOOR_M and riverside.zone_by_id[other].kind in open_kinds
            for other, width in widths[zone.id].items()
        )

    assert [zone.id for zone in riverside.zone if not opens(zone)] == []
    to_aisles = {
        zone.id
        for zone in riverside.zone
        if any(
            riverside.zone_by_id[other].kind == "aisle" and width >= DOOR_M for other, width in widths[zone.id].items()
        )
    }
    assert {zone.id for zone in riverside.zone} - to_aisles == {"fitting", "staff"}, (
        "these two are in the back of clothes"
    )


@pytest.mark.parametrize("closed", ["lift-1", "escalator-1"])
def test_every_zone_is_reached_from_every_entrance_without_crossing_staff_rooms(riverside: Store, closed: str) -> None:
    """Also while the lift or the escalator is out of order."""
    ways = {
        zone: {other for other, width in widths.items() if width >= DOOR_M} for zone, widths in doors(riverside).items()
    }
    for link in riverside.link:
        if closed not in {link.from_zone, link.to_zone}:
            ways[link.from_zone].add(link.to_zone)
            ways[link.to_zone].add(link.from_zone)
    for entrance in (zone.id for zone in riverside.zone if zone.kind == "entrance"):
        reached, todo = {entrance}, [entrance]
        while todo:
            for other in ways[todo.pop()] - reached:
                reached.add(other)
                if riverside.zone_by_id[other].kind != "staff":
                    todo.append(other)
        assert reached == set(riverside.zone_by_id)
