"""Every fault of a store file in one pass, each with its line and key, in a person's words.

First each value by itself, against its type; then what values say together. A value that failed the first is absent
from the second, so that one mistake gives one message.
"""

import difflib
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from tagtrail.hardware import geometry
from tagtrail.hardware.protocols import FAMILIES
from tagtrail.hardware.toml_lines import KeyPath, TomlLines

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


@dataclass
class Table:
    """One table of the file. ``table[key]`` is its value, or None where that is absent or wrong."""

    header: str
    path: KeyPath
    raw: Mapping[str, object]
    parent: "Table | None" = None
    good: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - its struct says what it is
        return self.good.get(key)

    @property
    def label(self) -> str:
        """How a person finds it: ``[[zone]] 'perfume'``."""
        if not self.path:
            return ""
        place = self.path[-1]
        if not isinstance(place, int):
            return f"[{self.header}]"
        name = f"number {place + 1}"
        if "id" in self.raw:
            name = _shown(self.raw["id"])
        elif "port" in self.raw:
            name = f"port {_shown(self.raw['port'])}"
        owner = f" of {self.parent.label}" if self.parent else ""
        return f"[[{self.header}]] {name}{owner}"


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
    faults = sorted(check.faults, key=lambda fault: fault[0])
    return [f"{source}:{line}: {fault}" if line else f"{source}: {fault}" for line, fault in faults]


class _Check:
    def __init__(self, lines: TomlLines) -> None:
        self.lines = lines
        self.tables: dict[str, list[Table]] = {}
        self.faults: list[tuple[int, str]] = []

    def fault(self, table: Table, key: str | None, text: str) -> None:
        line = self.lines.of((*table.path, key) if key else table.path) or 0
        self.faults.append((line, f"{table.label}: {text}" if table.label else text))

    def all(self, header: str) -> list[Table]:
        return self.tables.get(header, [])

    # Each value by itself.

    def read(self, model: type[msgspec.Struct], table: Table) -> None:
        """Check keys and values of a table against its struct, and go on with the tables in it."""
        self.tables.setdefault(table.header, []).append(table)
        fields = {info.encode_name: info for info in msgspec.structs.fields(model)}
        meant = set()
        for key in (key for key in table.raw if key not in fields):
            absent = [known for known in fields if known not in table.raw]
            meant.update(_close_match(key, absent))
            self.fault(table, key, f"unknown key {_shown(key)}{_did_you_mean(key, absent)}")
        for key, info in fields.items():
            required = info.required and key not in meant
            if inner := _inner_struct(info.type):
                self.read_inner(inner, table, key, required=required, many=get_origin(info.type) is tuple)
            elif key in table.raw:
                self.read_value(info.type, table, key)
            elif required:
                self.fault(table, None, f"key '{key}' is missing: {_described(info.type)}")
            elif not info.required:
                table.good[key] = info.default

    def read_inner(self, model: type[msgspec.Struct], table: Table, key: str, *, required: bool, many: bool) -> None:
        header = f"{table.header}.{key}" if table.header else key
        written = f"[[{header}]]" if many else f"[{header}]"
        raw = table.raw.get(key)
        inner = raw if many and isinstance(raw, list) else [] if raw is None else [raw]
        if not inner and required:
            self.fault(table, None, f"{written} is missing{', at least one is needed' if many else ''}")
        elif (many and not isinstance(raw, list | None)) or not all(isinstance(item, dict) for item in inner):
            self.fault(table, key, f"{key} = {_shown(raw)} must be written as {written} with keys below it")
        else:
            parent = table if table.path else None
            for index, item in enumerate(inner):
                path = (*table.path, key, index) if many else (*table.path, key)
                self.read(model, Table(header, path, item, parent))

    def read_value(self, type_: object, table: Table, key: str) -> None:
        raw = table.raw[key]
        try:
            table.good[key] = msgspec.convert(raw, type_)
        except msgspec.ValidationError:
            hint = _did_you_mean(raw, _choices(type_))
            self.fault(table, key, f"{key} = {_shown(raw)} is not {_described(type_)}{hint}")

    # What values say together.

    def unique(self) -> None:
        for header, key in _UNIQUE:
            first: dict[object, Table] = {}
            for table in self.all(header):
                scope = table.parent.path if table.parent else None
                if table[key] is not None and (other := first.setdefault((scope, table[key]), table)) is not table:
                    self.fault(table, key, f"{key} = {_shown(table[key])} is already taken{self.line_of(other, key)}")

    def references(self) -> None:
        for header, key, target in _REFERENCES:
            ids = [table.raw["id"] for table in self.all(target) if "id" in table.raw]
            for table in self.all(header):
                if table[key] is not None and table[key] not in ids:
                    self.fault(
                        table, key, f"{key} = {_shown(table[key])} is no [[{target}]]{_did_you_mean(table[key], ids)}"
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
                    table, "protocol", f"protocol = {_shown(name)} is unknown{_did_you_mean(name, FAMILIES) or known}"
                )

    def links(self) -> None:
        for table in self.all("link"):
            if table["from"] is not None and table["from"] == table["to"]:
                self.fault(table, "to", f"leads from zone {_shown(table['from'])} to itself")

    def on_floor(self) -> None:
        floors = {table["id"]: (table["width_m"], table["depth_m"]) for table in self.all("floor") if table["id"]}
        for header, key, what in _POINTS:
            for table in self.all(header):
                width_m, depth_m = floors.get(table["floor"], (None, None))
                if width_m is None or depth_m is None or table[key] is None:
                    continue
                for x, y, *_ in [table[key]] if key == "position_m" else table[key]:
                    if not (0 <= x <= width_m and 0 <= y <= depth_m):
                        size = f"floor {_shown(table['floor'])} ({width_m} x {depth_m} m)"
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


def _inner_struct(type_: object) -> type[msgspec.Struct] | None:
    """``Struct`` of a table ``Struct`` or an array of tables ``tuple[Struct, ...]``, else None."""
    inner = get_args(type_)[0] if get_origin(type_) is tuple else type_
    return inner if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else None


def _plain(type_: object) -> object:
    """The type without ``| None``: TOML has no null."""
    return get_args(type_)[0] if get_origin(type_) in {Union, UnionType} else type_


def _choices(type_: object) -> tuple[str, ...]:
    plain = _plain(type_)
    return get_args(plain) if get_origin(plain) is Literal else ()


def _described(type_: object) -> str:
    """What a value must be, from the ``Meta`` of its type."""
    if choices := _choices(type_):
        return f"one of {', '.join(choices)}"
    plain = _plain(type_)
    assert get_origin(plain) is Annotated, f"{plain} needs a description for people"
    return str(next(meta.description for meta in get_args(plain)[1:] if isinstance(meta, msgspec.Meta)))


def _timezone_fault(name: str) -> str | None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:
            return "this machine has no time zones to check against; install the package 'tzdata'"
        return f"timezone = {_shown(name)} is unknown{_did_you_mean(name, known) or ', expected e.g. Europe/Berlin'}"
    return None


def _close_match(wrong: object, known: Iterable[object]) -> list[str]:
    """The known name that was probably meant, if any."""
    names = sorted(name for name in known if isinstance(name, str))
    return difflib.get_close_matches(wrong, names, n=1) if isinstance(wrong, str) else []


def _did_you_mean(wrong: object, known: Iterable[object]) -> str:
    return "".join(f"; did you mean {_shown(name)}?" for name in _close_match(wrong, known))


def _shown(value: object) -> str:
    """A value as a person wrote it, cut where it is long."""
    try:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
    except ValueError:  # a hexadecimal number of more than 4300 decimal digits
        return "that number"
    return text if len(text) <= 60 else f"{text[:57]}..."
