"""Stores and the versions of their layout."""

from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from zoneinfo import ZoneInfo

from psycopg.rows import class_row, scalar_row

from tagtrail.api import models
from tagtrail.api.refusal import Refusal
from tagtrail.hardware.store import Store, parse_store
from tagtrail.ingest.database.connection import Connection


class Version(NamedTuple):
    """A layout of a store, and since when it counts."""

    store_id: int
    layout_id: int
    valid_from: datetime
    store: Store

    @property
    def zone(self) -> ZoneInfo:
        """The store's time zone."""
        return ZoneInfo(self.store.store.timezone)


class _Row(NamedTuple):
    store_id: int
    layout_id: int
    valid_from: datetime
    document: str


# A store that has been set up for later already shows how it will look: without a valid version, the first one counts.
_VERSION = """
    SELECT store_id, layout_id, valid_from, document
    FROM store_layout JOIN store USING (store_id)
    WHERE store = %(store)s
    ORDER BY valid_from <= %(at)s DESC, abs(extract(epoch FROM valid_from - %(at)s))
    LIMIT 1
"""


@lru_cache(maxsize=64)
def _parsed(document: str) -> Store:
    return parse_store(document, "store_layout")


def list_stores(connection: Connection, at: datetime, default: str | None) -> models.Stores:
    """All stores with a layout, by id."""
    names = connection.cursor(row_factory=scalar_row).execute(
        "SELECT store FROM store WHERE EXISTS (SELECT FROM store_layout l WHERE l.store_id = store.store_id) ORDER BY 1"
    )
    stores = [entry(find_version(connection, str(name), at)) for name in names.fetchall()]
    ids = [store.id for store in stores]
    return models.Stores(default=default if default in ids else next(iter(ids), None), stores=stores)


def find_version(connection: Connection, store: str, at: datetime) -> Version:
    """The layout of a store that is valid at a time.

    Raises:
        Refusal: ``unknown-store``, or ``no-layout``.
    """
    cursor = connection.cursor(row_factory=class_row(_Row))
    row = cursor.execute(_VERSION, {"store": store, "at": at}).fetchone()
    if row is not None:
        return Version(row.store_id, row.layout_id, row.valid_from, _parsed(row.document))
    if connection.execute("SELECT FROM store WHERE store = %s", [store]).fetchone() is not None:
        raise Refusal(
            HTTPStatus.NOT_FOUND, "no-layout", f"store {store!r} has no layout: add one with 'tagtrail store add FILE'"
        )
    raise Refusal(HTTPStatus.NOT_FOUND, "unknown-store", f"there is no store {store!r}; /api/stores lists them")


def entry(version: Version) -> models.StoreEntry:
    """A store in brief."""
    info = version.store.store
    return models.StoreEntry(id=info.id, name=info.name, timezone=info.timezone)


def layout_of(version: Version) -> models.Layout:
    """A layout as the page draws it."""
    store = version.store
    return models.Layout(
        store=entry(version),
        layout_id=version.layout_id,
        valid_from=version.valid_from.astimezone(version.zone),
        floors=[
            models.LayoutFloor(id=floor.id, name=floor.name or floor.id, width_m=floor.width_m, depth_m=floor.depth_m)
            for floor in store.floor
        ],
        zones=[
            models.LayoutZone(
                id=zone.id, name=zone.name or zone.id, floor=zone.floor, kind=zone.kind, polygon=list(zone.polygon)
            )
            for zone in store.zone
        ],
        walls=[models.LayoutWall(floor=wall.floor, line=list(wall.line)) for wall in store.wall],
        links=[models.LayoutLink(zones=(link.from_zone, link.to_zone), seconds=link.seconds) for link in store.link],
        antennas=[
            models.LayoutAntenna(
                reader=reader.id, port=antenna.port, floor=antenna.floor, position_m=antenna.position_m
            )
            for reader in store.reader
            for antenna in reader.antenna
        ],
    )
