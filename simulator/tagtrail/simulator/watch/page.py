"""The HTML file: styles, script and data in one, nothing comes from anywhere else."""

import base64
import gzip
import html
import json
from importlib import resources
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tagtrail.hardware.store import Store, antenna_zone
from tagtrail.simulator.geometry import Floats, Ints
from tagtrail.simulator.watch.recording import Recording, Sightings, Tracks

UNIT_M: Final = 0.01
"""Positions are told to the centimetre."""
SCRIPTS: Final = ("data.js", "draw.js", "play.js")
"""One module, in this order."""
_TYPES: Final = {"u1": "Uint8Array", "u2": "Uint16Array", "u4": "Uint32Array"}


def render(recording: Recording) -> str:
    """The page of a recording; the same recording gives the same page."""
    columns = _track_columns(recording.tracks)
    if recording.sightings:
        columns |= _sighting_columns(recording.sightings)
    directory, data = _pack(columns)
    about = _about(recording) | {"columns": directory}
    parts = {
        "title": html.escape(f"{recording.store.store.name}, {recording.window.start:%Y-%m-%d %H:%M}"),
        "style": _file("page.css"),
        "script": "\n".join(map(_file, SCRIPTS)),
        "about": json.dumps(about, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "data": base64.b64encode(data).decode("ascii"),
    }
    page = _file("page.html")
    for name, text in parts.items():
        page = page.replace(f"<!--{name}-->", text, 1)
    return page


def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _about(recording: Recording) -> dict[str, Any]:
    """All that is not a long column."""
    store, window, people = recording.store, recording.window, recording.people
    zones = [zone.id for zone in store.zone]
    offset = window.start.utcoffset()
    return {
        "store": store.store.name,
        "start_ms": window.start_us // 1000,
        "offset_ms": 0 if offset is None else round(offset.total_seconds() * 1000),
        "seconds": window.seconds,
        "unit_m": UNIT_M,
        "floors": [_floor(store, floor.id) for floor in store.floor],
        "zones": [
            {"name": zone.name or zone.id, "floor": _floor_index(store, zone.floor), "polygon": zone.polygon}
            for zone in store.zone
        ],
        "antennas": [
            {
                "name": f"{reader}, antenna {antenna.port}",
                "floor": _floor_index(store, antenna.floor),
                "x": antenna.position_m[0],
                "y": antenna.position_m[1],
                "zone": zones.index(zone.id) if (zone := antenna_zone(store, antenna)) else -1,
            }
            for reader, antenna in recording.antennas
        ],
        "people": {"number": people.number, "kind": people.kind, "errand": people.errand, "group": people.group},
        "owners": recording.sightings.owner if recording.sightings else None,
    }  # fmt: skip


def _floor(store: Store, floor: str) -> dict[str, Any]:
    one = store.floor_by_id[floor]
    return {
        "name": one.name or one.id,
        "width": one.width_m,
        "depth": one.depth_m,
        "walls": [wall.line for wall in store.wall if wall.floor == floor],
    }


def _floor_index(store: Store, floor: str) -> int:
    return list(store.floor_by_id).index(floor)


def _track_columns(tracks: Tracks) -> dict[str, tuple[str, Ints]]:
    return {
        "track_person": ("u4", tracks.person),
        "track_floor": ("u1", tracks.floor),
        "track_start": ("u4", tracks.start_s),
        "track_length": ("u4", tracks.length),
        "x": ("u4", _steps(tracks.x_m, tracks.length)),
        "y": ("u4", _steps(tracks.y_m, tracks.length)),
        "zone": ("u2", tracks.zone + 1),
    }


def _sighting_columns(sightings: Sightings) -> dict[str, tuple[str, Ints]]:
    return {
        "seen_tag": ("u4", sightings.tag),
        "seen_antenna": ("u2", sightings.antenna),
        "seen_first": ("u4", sightings.first_s),
        "seen_last": ("u4", sightings.last_s),
        "reads": ("u2", np.minimum(sightings.reads.ravel(), 65_535)),
    }


def _steps(positions_m: Floats, length: Ints) -> Ints:
    """Positions as steps from second to second, which are small; a track begins with its place.

    Signs go to the last bit, so that small steps are small numbers.
    """
    units = np.rint(positions_m / UNIT_M).astype(np.int64)
    steps = np.diff(units, prepend=0)
    first = np.cumsum(length) - length
    steps[first] = units[first]
    return np.where(steps < 0, -2 * steps - 1, 2 * steps)


def _pack(columns: dict[str, tuple[str, Ints]]) -> tuple[dict[str, list[Any]], bytes]:
    """The columns one after the other, compressed, and where each begins: type, first byte, length."""
    directory: dict[str, list[Any]] = {}
    parts: list[bytes] = []
    at = 0
    for name, (kind, values) in columns.items():
        column: NDArray[Any] = values.astype(f"<{kind}")
        directory[name] = [_TYPES[kind], at, len(column)]
        data = column.tobytes()
        data += bytes(-len(data) % 4)  # typed arrays begin at multiples of their size
        parts.append(data)
        at += len(data)
    return directory, gzip.compress(b"".join(parts), compresslevel=9, mtime=0)
