"""TOML files that people write: reading them, and every value against the type that a struct gives it.

Each fault tells its line and key. What values say together is for those who know the file, as
`tagtrail.hardware.store_check` does.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import msgspec

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.toml_lines import KeyPath, TomlLines


class TomlFileError(FaultsError):
    """A file that cannot be used. Each fault starts with ``FILE:LINE:``, which editors and terminals can open."""

    what: ClassVar = "file"

    def __init__(self, source: str, faults: list[str]) -> None:
        super().__init__(source, faults)
        if len(self.faults) == 1:  # the fault names the file already
            self.args = self.faults


def read_text(path: Path, error_type: type[TomlFileError]) -> str:
    """The text of a file.

    Raises:
        TomlFileError: As ``error_type``: the file is missing, a folder, or not UTF-8.
    """
    source = str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise error_type(source, [f"{source}: there is no such file"]) from None
    except IsADirectoryError:
        raise error_type(source, [f"{source}: this is a folder; name the {error_type.what} in it"]) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise error_type(source, [f"{source}: cannot be read: {reason}"]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fault = f"{source}:{line}: not UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8"
        raise error_type(source, [fault]) from None
    return text


def parse_toml(text: str, source: str, error_type: type[TomlFileError]) -> dict[str, Any]:
    """The document that a text means; ``source`` names it in messages.

    Raises:
        TomlFileError: As ``error_type``: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise error_type(source, [_syntax_fault(str(error), text, source)]) from None
    except (ValueError, RecursionError) as error:  # a number of 5000 digits, brackets 500 deep
        raise error_type(source, [f"{source}: not TOML that can be read: {error}"]) from None


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
            name = shown(self.raw["id"])
        elif "port" in self.raw:
            name = f"port {shown(self.raw['port'])}"
        owner = f" of {self.parent.label}" if self.parent else ""
        return f"[[{self.header}]] {name}{owner}"


class TomlCheck:
    """Reads tables against structs and keeps the faults, each with its line."""

    def __init__(self, lines: TomlLines) -> None:
        self.lines = lines
        self.tables: dict[str, list[Table]] = {}
        self.faults: list[tuple[int, str]] = []

    def fault(self, table: Table, key: str | None, text: str) -> None:
        """Note what is wrong with a key of a table, or with the table."""
        line = self.lines.of((*table.path, key) if key else table.path) or 0
        self.faults.append((line, f"{table.label}: {text}" if table.label else text))

    def told(self, source: str) -> list[str]:
        """All faults in the order of their lines, as a terminal can open them."""
        faults = sorted(self.faults, key=lambda fault: fault[0])
        return [f"{source}:{line}: {fault}" if line else f"{source}: {fault}" for line, fault in faults]

    def all(self, header: str) -> list[Table]:
        """All tables under a header."""
        return self.tables.get(header, [])

    def read(self, model: type[msgspec.Struct], table: Table) -> None:
        """Check keys and values of a table against its struct, and go on with the tables in it."""
        self.tables.setdefault(table.header, []).append(table)
        fields = {info.encode_name: info for info in msgspec.structs.fields(model)}
        meant = set()
        for key in (key for key in table.raw if key not in fields):
            absent = [known for known in fields if known not in table.raw]
            meant.update(_close_match(key, absent))
            self.fault(table, key, f"unknown key {shown(key)}{did_you_mean(key, absent)}")
        for key, info in fields.items():
            required = info.required and key not in meant
            if inner := _inner_struct(info.type):
                self._read_inner(inner, table, key, get_origin(info.type), required=required)
            elif key in table.raw:
                self._read_value(info.type, table, key)
            elif required:
                self.fault(table, None, f"key '{key}' is missing: {described(info.type)}")
            elif not info.required:
                table.good[key] = info.default

    def _read_inner(self, model: type[msgspec.Struct], table: Table, key: str, kind: object, *, required: bool) -> None:
        """One table, an array of tables (``kind`` tuple), or tables under names that the file chooses (dict)."""
        header = f"{table.header}.{key}" if table.header else key
        written = f"[[{header}]]" if kind is tuple else f"[{header}.NAME]" if kind is dict else f"[{header}]"
        raw = table.raw.get(key)
        inner: Mapping[str | int, object] | None
        if kind is tuple:
            inner = dict(enumerate(raw)) if isinstance(raw, list) else {} if raw is None else None
        elif kind is dict:
            inner = raw if isinstance(raw, dict) else {} if raw is None else None
        else:
            inner = {} if raw is None else {-1: raw}
        if inner is None or not all(isinstance(item, dict) for item in inner.values()):
            self.fault(table, key, f"{key} = {shown(raw)} must be written as {written} with keys below it")
        elif not inner and required:
            self.fault(table, None, f"{written} is missing{', at least one is needed' if kind is tuple else ''}")
        else:
            parent = table if table.path else None
            for place, item in inner.items():
                name = f"{header}.{place}" if kind is dict else header
                path = (*table.path, key) if place == -1 else (*table.path, key, place)
                assert isinstance(item, dict)
                self.read(model, Table(name, path, item, parent))

    def _read_value(self, type_: object, table: Table, key: str) -> None:
        raw = table.raw[key]
        try:
            table.good[key] = msgspec.convert(raw, type_)
        except msgspec.ValidationError as error:
            self.fault(table, key, self.wrong_value(type_, key, raw, error))

    def wrong_value(self, type_: object, key: str, raw: object, error: msgspec.ValidationError) -> str:  # noqa: ARG002
        """What to say of a value that its type does not allow; here the ``Meta`` of a type describes what it may be."""
        return f"{key} = {shown(raw)} is not {described(type_)}{did_you_mean(raw, choices_of(type_))}"


def _inner_struct(type_: object) -> type[msgspec.Struct] | None:
    """``Struct`` of a table, of an array ``tuple[Struct, ...]``, or of names ``dict[str, Struct]``, else None."""
    arguments = get_args(type_)
    origin = get_origin(type_)
    model = arguments[0] if origin is tuple else arguments[1] if origin is dict else type_
    return model if isinstance(model, type) and issubclass(model, msgspec.Struct) else None


def _plain(type_: object) -> object:
    """The type without ``| None``: TOML has no null."""
    return get_args(type_)[0] if get_origin(type_) in {Union, UnionType} else type_


def choices_of(type_: object) -> tuple[str, ...]:
    """The words of a ``Literal``, else none."""
    plain = _plain(type_)
    return get_args(plain) if get_origin(plain) is Literal else ()


def described(type_: object) -> str:
    """What a value must be, from the ``Meta`` of its type."""
    if choices := choices_of(type_):
        return f"one of {', '.join(choices)}"
    plain = _plain(type_)
    assert get_origin(plain) is Annotated, f"{plain} needs a description for people"
    return str(next(meta.description for meta in get_args(plain)[1:] if isinstance(meta, msgspec.Meta)))


def _close_match(wrong: object, known: Iterable[object]) -> list[str]:
    """The known name that was probably meant, if any."""
    names = sorted(name for name in known if isinstance(name, str))
    return difflib.get_close_matches(wrong, names, n=1) if isinstance(wrong, str) else []


def did_you_mean(wrong: object, known: Iterable[object]) -> str:
    """``; did you mean 'perfume'?``, or nothing."""
    return "".join(f"; did you mean {shown(name)}?" for name in _close_match(wrong, known))


def shown(value: object) -> str:
    """A value as a person wrote it, cut where it is long."""
    try:
        text = str(value).lower() if isinstance(value, bool) else repr(value)
    except ValueError:  # a hexadecimal number of more than 4300 decimal digits
        return "that number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _syntax_fault(message: str, text: str, source: str) -> str:
    """``tomllib`` ends its message with ``(at line 3, column 5)`` or ``(at end of document)``."""
    what, _, where = message.removesuffix(")").rpartition(" (at ")
    if where.startswith("line "):
        line, column = where.removeprefix("line ").split(", ")
    else:
        line, column = str(text.count("\n") + 1), where
    return f"{source}:{line}: not TOML: {what} ({column})"
