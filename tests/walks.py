"""Walks through a row of rooms, and the reads that antennas in the middle of each room would give."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from tagtrail.analytics.columns import validate_reads
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence, PresenceParameters
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.store import Store, parse_store

START = datetime(2026, 3, 14, 2, 0, tzinfo=UTC)
START_US = round(START.timestamp() * 1e6)
ROOMS = ("door", "bags", "shoes", "till")

Sighting = tuple[float, str, str, float]
"""Seconds after `START`, EPC, room, dBm."""


def store_text(rooms: Sequence[str] = ROOMS) -> str:
    """A store file: rooms of 6 x 6 m in a row, an antenna over each, and one more (port 9) far from all."""
    zones = "".join(
        f'[[zone]]\nid = "{room}"\nfloor = "1F"\nkind = "{"entrance" if room == "door" else "counter"}"\n'
        f"polygon = [[{6.0 * i}, 0.0], [{6.0 * i + 6}, 0.0], [{6.0 * i + 6}, 6.0], [{6.0 * i}, 6.0]]\n"
        for i, room in enumerate(rooms)
    )
    antennas = "".join(
        f'[[reader.antenna]]\nport = {i + 1}\nfloor = "1F"\nposition_m = [{6.0 * i + 3}, 3.0, 3.0]\n'
        for i in range(len(rooms))
    )
    return (
        '[store]\nid = "row"\nname = "Row"\ntimezone = "Europe/Berlin"\n'
        '[[floor]]\nid = "1F"\nwidth_m = 60.0\ndepth_m = 60.0\n'
        f'{zones}[[reader]]\nid = "r01"\nprotocol = "mercury"\n{antennas}'
        '[[reader.antenna]]\nport = 9\nfloor = "1F"\nposition_m = [50.0, 50.0, 3.0]\n'
    )


def row_store(rooms: Sequence[str] = ROOMS) -> Store:
    return parse_store(store_text(rooms))


def presence(parameters: PresenceParameters | None = None) -> Presence:
    return Presence([Layout(0, row_store())], parameters)


def epc_of(number: int) -> str:
    return f"E2801160{number:016X}"


def frame(sightings: Iterable[Sighting]) -> pd.DataFrame:
    """The checked reads of these sightings."""
    rows = [
        (START + timedelta(seconds=second), "r01", ROOMS.index(room) + 1, epc, dbm)
        for second, epc, room, dbm in sightings
    ]
    table = pd.DataFrame(rows, columns=["time", "reader", "antenna", "epc", "rssi_dbm"])
    return validate_reads(
        table.astype(
            {"time": "datetime64[us, UTC]", "reader": "str", "antenna": "int64", "epc": "str", "rssi_dbm": "float32"}
        )
    )


def frame_of(reads: Sequence[TagRead]) -> pd.DataFrame:
    """The checked reads of tag reads as they come over the wire."""
    table = pd.DataFrame(
        {
            "time": pd.to_datetime([read.time_us for read in reads], unit="us", utc=True).as_unit("us"),
            "reader": pd.Series([read.reader for read in reads], dtype="str"),
            "antenna": pd.Series([read.antenna for read in reads], dtype="int64"),
            "epc": pd.Series([read.epc for read in reads], dtype="str"),
            "rssi_dbm": pd.Series([read.rssi_dbm for read in reads], dtype="float64"),
            "count": pd.Series([read.count for read in reads], dtype="int64"),
        }
    )
    return validate_reads(table)


def stay(epc: str, room: str, begin_s: float, end_s: float, every_s: float = 1.0, dbm: float = -55.0) -> list[Sighting]:
    """Reads of somebody who stays in a room, at both ends and regularly in between."""
    return [(second, epc, room, dbm) for second in np.arange(begin_s, end_s + every_s / 2, every_s).tolist()]


def random_reads(seed: int, tags: int, *, hours: float = 2.0) -> list[TagRead]:
    """Shoppers who come, wander through the rooms, are lost for short and long, leave, and sometimes come back."""
    rng = np.random.default_rng(seed)
    reads: list[TagRead] = []
    for tag in range(tags):
        second = float(rng.uniform(0, hours * 3600 * 0.6))
        room = 0
        for _ in range(int(rng.integers(3, 12))):
            end = second + float(rng.exponential(40)) + 2
            while second < end:
                second += float(rng.exponential(1.2))
                heard = room if rng.random() < 0.85 else int(np.clip(room + rng.choice([-1, 1]), 0, len(ROOMS) - 1))
                rssi = None if rng.random() < 0.05 else round(float(rng.normal(-55 if heard == room else -66, 4)), 1)
                time_us = START_US + round(second * 1e6)
                reads.append(TagRead(time_us, "r01", heard + 1, epc_of(tag), rssi, int(rng.integers(1, 4))))
            room = int(np.clip(room + rng.choice([-1, 1]), 0, len(ROOMS) - 1))
            if rng.random() < 0.2:  # out of sight, or out of the store
                second += float(rng.choice([20, 61, 300, 599, 601, 1500]))
    return sorted(reads, key=lambda read: (read.time_us, read.epc))
