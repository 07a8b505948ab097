"""Every fault of a store file in one pass, each with its line and key, in a person's words.

First each value by itself, against its type; then what values say together. A value that failed the first is absent
from the second, so that one mistake gives one message.
"""

import zoneinfo
from collections.abc import Mapping
from itertools import combinations
from typing import Final

import msgspec

from tagtrail.hardware import geometry
from tagtrail.hardware.protocols import FAMILIES
from tagtrail.hardware.toml_check import Table, TomlCheck, did_you_mean, shown
from tagtrail.hardware.toml_lines import TomlLines

AREA_MIN_M2: Final = 0.01
"""A zone smaller than a sheet of paper is a slip of the pen."""
OVERLAP_MAX_M2: Final = 1e-6
"""What rounding may do to two zones that share a border."""

_UNIQUE: Final = (("floor", "id"), ("zone", "id"), ("reader", "id"), ("reader", "port"), ("reader.antenna", "port"))
_REFERENCES: Final = (
    ("zone", "floor", "floor"),
    ("wall", "floor", "floor"),
    ("reader.antenna", "floor", "floor"),
    ("link", "from", "zone"),
    ("link", "to", "zone"),
)
_POINTS: Final = (
    ("zone", "polygon", "corner"),
    ("wall", "line", "point"),
    ("reader.antenna", "position_m", "position"),
)


def find_faults(document: Mapping[str, object], text: str, source: str, model: type[msgspec.Struct]) -> list[str]:
    """All faults of a store file, in the order of its lines.

    Args:
        document: The parsed file.
        text: The file itself, to find lines in.
        source: Its name for messages.
        model: The type of the whole, `tagtrail.hardware.store.Store`.
    """
    check = _Check(TomlLines(text))
    check.read(model, Table("", (), document))
    check.unique()
    check.references()
    check.names()
    check.links()
    check.on_floor()
    check.outlines()
    return check.told(source)


class _Check(TomlCheck):
    def unique(self) -> None:
        for header, key in _UNIQUE:
            first: dict[object, Table] = {}
            for table in self.all(header):
                scope = table.parent.path if table.parent else None
                if table[key] is not None and (other := first.setdefault((scope, table[key]), table)) is not table:
                    self.fault(table, key, f"{key} = {shown(table[key])} is already taken{self.line_of(other, key)}")

    def references(self) -> None:
        for header, key, target in _REFERENCES:
            ids = [table.raw["id"] for table in self.all(target) if "id" in table.raw]
            for table in self.all(header):
                if table[key] is not None and table[key] not in ids:
                    self.fault(
                        table, key, f"{key} = {shown(table[key])} is no [[{target}]]{did_you_mean(table[key], ids)}"
                    )

    def names(self) -> None:
        """Names that are given outside the file: time zones and reader protocols."""
        for table in self.all("store"):
            if table["timezone"] is not None and (fault := _timezone_fault(table["timezone"])):
                self.fault(table, "timezone", fault)
        for table in self.all("reader"):
            name = table["protocol"]
            if name is not None and name not in FAMILIES:
                known = f"; known are {', '.join(sorted(FAMILIES))}"
                self.fault(
                    table, "protocol", f"protocol = {shown(name)} is unknown{did_you_mean(name, FAMILIES) or known}"
                )

    def links(self) -> None:
        for table in self.all("link"):
            if table["from"] is not None and table["from"] == table["to"]:
                self.fault(table, "to", f"leads from zone {shown(table['from'])} to itself")

    def on_floor(self) -> None:
        floors = {table["id"]: (table["width_m"], table["depth_m"]) for table in self.all("floor") if table["id"]}
        for header, key, what in _POINTS:
            for table in self.all(header):
                width_m, depth_m = floors.get(table["floor"], (None, None))
                if width_m is None or depth_m is None or table[key] is None:
                    continue
                for x, y, *_ in [table[key]] if key == "position_m" else table[key]:
                    if not (0 <= x <= width_m and 0 <= y <= depth_m):
                        size = f"floor {shown(table['floor'])} ({width_m} x {depth_m} m)"
                        self.fault(table, key, f"{what} {(x, y)} lies outside {size}")

    def outlines(self) -> None:
        """Polygons must be simple, must have an area, and must not overlap on a floor."""
        sound = []
        for table in self.all("zone"):
            polygon = table["polygon"]
            if polygon is None:
                continue
            if contact := geometry.self_contact(polygon):
                where = f"({contact[0]:.2f}, {contact[1]:.2f})"
                self.fault(table, "polygon", f"the outline crosses or touches itself at {where}")
            elif geometry.area(polygon) < AREA_MIN_M2:
                self.fault(table, "polygon", f"has an area of {geometry.area(polygon):.4f} m²")
            else:
                sound.append(table)
        for first, second in combinations(sound, 2):
            if first["floor"] is None or first["floor"] != second["floor"]:
                continue
            area_m2 = geometry.overlap_area(first["polygon"], second["polygon"])
            if area_m2 > OVERLAP_MAX_M2:
                other = f"{first.label}{self.line_of(first, 'polygon')}"
                self.fault(second, "polygon", f"overlaps {other} by about {area_m2:.2g} m²")

    def line_of(self, table: Table, key: str) -> str:
        line = self.lines.of((*table.path, key))
        return f" in line {line}" if line else ""


def _timezone_fault(name: str) -> str | None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:
            return "this machine has no time zones to check against; install the package 'tzdata'"
        return f"timezone = {shown(name)} is unknown{did_you_mean(name, known) or ', expected e.g. Europe/Berlin'}"
    return None
