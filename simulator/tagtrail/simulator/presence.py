"""Who and what is in the store, and where: what the people hand to the radio, to the truth and to a viewer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from tagtrail.simulator.geometry import Floats, Ints

CYCLE_S: Final = 0.5
"""Readers give each of their antennas one turn per cycle; the world is looked at once per cycle."""
CYCLES_PER_SECOND: Final = 2
CYCLE_US: Final = 500_000


class Tag(NamedTuple):
    """A tag in the store.

    Attributes:
        number: Running number, from 0 since the start of the world.
        epc: Upper-case hex.
        sensitivity_offset_db: How much more (+) or less power than the usual one this one needs; infinite where dead.
        height_m: Above the floor.
        ahead: Where it is worn: 1 in front of the body, -1 behind it, 0 at the side or on nobody.
    """

    number: int
    epc: str
    sensitivity_offset_db: float = 0.0
    height_m: float = 1.2
    ahead: float = 1.0


class Body(NamedTuple):
    """A person, or a thing that carries tags.

    Attributes:
        number: Running number, from 0 since the start of the world.
        kind: ``shopper``, ``staff`` or ``thing`` (a forgotten tag, a tagged article).
        tags: None where a shopper carries none.
        group: Running number of the group (couple, family) that came together.
        member: Id of a person who comes again, or None.
        errand: What a shopper came for, as the scenario calls it (``errands``, ``browse``, ``pass``), else ''.
    """

    number: int
    kind: str
    tags: tuple[Tag, ...]
    group: int
    member: str | None = None
    errand: str = ""


@dataclass(frozen=True)
class Presence:
    """Where all bodies are, once per cycle; columns of one length, ordered by cycle, then body.

    Attributes:
        cycle: Cycles since the world's time 0.
        body: Running number.
        floor: Index of the floor in the store file.
        x_m: Metres.
        y_m: Metres.
        facing_rad: From x towards y; NaN for things.
        zone: Index of the zone in the store file, -1 outside all zones.
        bodies: All bodies that occur, by number.
    """

    cycle: Ints
    body: Ints
    floor: Ints
    x_m: Floats
    y_m: Floats
    facing_rad: Floats
    zone: Ints
    bodies: Mapping[int, Body]


@dataclass(frozen=True)
class Reads:
    """What the readers see, ordered by time, antenna and tag; columns of one length.

    Attributes:
        time_us: Microseconds since the world's time 0.
        antenna: Index into ``Radio.antennas``.
        tag: Running number of the tag.
        rssi_dbm: As the family of the reader reports it.
    """

    time_us: Ints
    antenna: Ints
    tag: Ints
    rssi_dbm: Floats
