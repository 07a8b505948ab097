"""The store file (`store.toml`): floors, zones, walls, links, readers and their antennas.

All lengths are metres, x to the right and y up (from the front of the store) on each floor. A polygon is a list of
corners. What a value may be stands with its type; the check of the file and its messages are made from the ``Meta``.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from tagtrail.hardware import geometry
from tagtrail.hardware.store_check import find_faults
from tagtrail.hardware.toml_check import TomlFileError, parse_toml, read_text

Point = geometry.Point
ZoneKind = Literal["entrance", "aisle", "counter", "checkout", "fitting", "lift", "staff"]
Region = Literal[
    "na", "na2", "na3", "na4", "eu", "eu2", "eu3", "eu4", "prc", "prc2", "jp", "jp2", "jp3", "kr", "kr2", "in", "au",
    "nz", "is", "is2", "my", "id", "ph", "tw", "mo", "ru", "sg", "vn", "th", "ar", "hk", "bd", "open",
]  # fmt: skip
REGIONS: Final[tuple[str, ...]] = get_args(Region)
"""Radio rules by the names that makers of UHF readers use. A number marks a variant: other bands, other etiquette."""

ID_PATTERN: Final = r"^[a-z0-9-]+\Z"
PORT_PATTERN: Final = r"^(?!usb:\s*\Z)."
"""Any name, except that of a USB adapter without its serial number."""

Id = Annotated[str, Meta(pattern=ID_PATTERN, description="an id of a-z, 0-9 and '-'")]
FloorId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]+\Z", description="a floor id of A-Z, a-z, 0-9 and '-'")]
Name = Annotated[str, Meta(description="a text")]
Length = Annotated[float, Meta(gt=0, le=1000, description="a length over 0 and up to 1000 metres")]
Coordinate = Annotated[float, Meta(ge=-1e6, le=1e6)]
"""Any finite number; whether it lies on its floor is another question, with a better answer."""
Corner = tuple[Coordinate, Coordinate]
Height = Annotated[float, Meta(gt=0, le=20)]

NEAREST_ZONE_M: Final = 3.0
"""An antenna on no zone belongs to the nearest one within this distance: about what its beam covers on the floor."""


class Floor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One storey, a rectangle from (0, 0) to (width_m, depth_m)."""

    id: FloorId
    width_m: Length
    depth_m: Length
    name: Name = ""


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named piece of a floor that people can be in."""

    id: Id
    floor: FloorId
    kind: ZoneKind
    polygon: Annotated[
        tuple[Corner, ...], Meta(min_length=3, description="a list of 3 or more corners [x, y] in metres")
    ]
    name: Name = ""


class Wall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that nobody walks through."""

    floor: FloorId
    line: Annotated[tuple[Corner, ...], Meta(min_length=2, description="a list of 2 or more points [x, y] in metres")]


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"from_zone": "from", "to_zone": "to"}):
    """A way between two zones that is not walking on one floor: lift, stairs, escalator. Usable both ways."""

    from_zone: Id
    to_zone: Id
    seconds: Annotated[float, Meta(gt=0, le=3600, description="a time over 0 and up to 3600 seconds")]


class Antenna(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One antenna; ``port`` is the number printed on the reader, ``position_m`` is x, y and height."""

    port: Annotated[int, Meta(ge=1, le=255, description="a whole number from 1 to 255, as printed on the reader")]
    floor: FloorId
    position_m: Annotated[
        tuple[Coordinate, Coordinate, Height],
        Meta(description="[x, y, height] in metres with a height over 0 and up to 20"),
    ]
    power_dbm: Annotated[float, Meta(ge=0, le=36, description="a power from 0 to 36 dBm")] = 30.0
    gain_dbi: Annotated[float, Meta(ge=-10, le=20, description="a gain from -10 to 20 dBi")] = 6.0
    beamwidth_deg: Annotated[float, Meta(ge=1, le=360, description="an angle from 1 to 360 degrees")] = 70.0


class Reader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reader on one serial port.

    ``region`` names the radio rules that the reader must keep (``eu``, ``na``, ``prc``, ``jp``…); without it the reader
    keeps the region that it was set up with, and is not started where it has none.
    """

    id: Id
    protocol: Annotated[str, Meta(description="the name of a reader protocol")]
    antenna: tuple[Antenna, ...]
    port: Annotated[str, Meta(pattern=PORT_PATTERN, description="a serial port, usb:SERIAL or pyserial URL")] | None = (
        None
    )
    baud: Annotated[int, Meta(gt=0, le=10_000_000, description="a whole number of bits per second over 0")] | None = (
        None
    )
    region: Region | None = None


class StoreInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ``[store]`` table."""

    id: Id
    name: Name
    timezone: Annotated[str, Meta(description="a time zone such as 'Europe/Berlin'")]


class Store(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """A whole store file, checked. Field names are those of the file."""

    store: StoreInfo
    floor: tuple[Floor, ...]
    zone: tuple[Zone, ...]
    reader: tuple[Reader, ...]
    wall: tuple[Wall, ...] = ()
    link: tuple[Link, ...] = ()

    @property
    def id(self) -> str:
        """Id of the store, as in MQTT topics."""
        return self.store.id

    @cached_property
    def floor_by_id(self) -> dict[str, Floor]:
        """Floors in the order of the file."""
        return {floor.id: floor for floor in self.floor}

    @cached_property
    def zone_by_id(self) -> dict[str, Zone]:
        """Zones in the order of the file."""
        return {zone.id: zone for zone in self.zone}


class StoreFileError(TomlFileError):
    """A store file that cannot be used."""

    what = "store file"


def load_store(path: Path) -> Store:
    """Read and check a store file.

    Raises:
        StoreFileError: The file is missing, is not TOML, or has faults; all of them are named with line and key.
    """
    return parse_store(read_text(path, StoreFileError), str(path))


def parse_store(text: str, source: str = "store.toml") -> Store:
    """Read and check the text of a store file; ``source`` names it in messages.

    Raises:
        StoreFileError: see `load_store`.
    """
    document = parse_toml(text, source, StoreFileError)
    if faults := find_faults(document, text, source, Store):
        raise StoreFileError(source, faults)
    return msgspec.convert(document, Store)


def zone_at(store: Store, floor: str, x_m: float, y_m: float) -> Zone | None:
    """The zone at a point of a floor, the first in the file where several share a border."""
    on_floor = (zone for zone in store.zone if zone.floor == floor)
    return next((zone for zone in on_floor if geometry.contains(zone.polygon, (x_m, y_m))), None)


def antenna_zone(store: Store, antenna: Antenna) -> Zone | None:
    """The zone that an antenna hangs over, else the nearest one on its floor within `NEAREST_ZONE_M`, else None."""
    point = antenna.position_m[:2]
    distances = [(geometry.distance(point, zone.polygon), zone) for zone in store.zone if zone.floor == antenna.floor]
    distance_m, nearest = min(distances, key=lambda pair: pair[0], default=(float("inf"), None))
    return nearest if distance_m <= NEAREST_ZONE_M else None
