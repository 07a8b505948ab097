"""The page about the store file knows every key, every default and every name."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from tagtrail.hardware.protocols import FAMILIES
from tagtrail.hardware.store import (
    REGIONS,
    Antenna,
    Floor,
    Link,
    Reader,
    Store,
    StoreInfo,
    Wall,
    Zone,
    ZoneKind,
    parse_store,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "store-file.md").read_text(encoding="utf-8")
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "[store]": StoreInfo,
    "[[floor]]": Floor,
    "[[zone]]": Zone,
    "[[wall]]": Wall,
    "[[link]]": Link,
    "[[reader]]": Reader,
    "[[reader.antenna]]": Antenna,
}


def section(header: str) -> str:
    return PAGE.split(f"\n## `{header}`\n")[1].split("\n## ")[0]


def default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "needed"
    return "none" if field.default is None else f"`{msgspec.json.encode(field.default).decode()}`"


def test_every_table_has_a_section() -> None:
    tables = {f.encode_name for f in msgspec.structs.fields(Store)}
    assert {header.strip("[]").split(".")[0] for header in SECTIONS} == tables


@pytest.mark.parametrize(("header", "struct"), SECTIONS.items(), ids=SECTIONS)
def test_every_key_with_its_default(header: str, struct: type[msgspec.Struct]) -> None:
    table = section(header).split("\n\n| kind |")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", table, flags=re.MULTILINE)
    assert rows == [(field.encode_name, default(field)) for field in msgspec.structs.fields(struct)]


def names(text: str) -> set[str]:
    return set(re.findall(r"`([a-z0-9-]+)`", text))


def test_every_kind_region_and_protocol() -> None:
    assert names(section("[[zone]]").split("| kind |")[1]) == set(get_args(ZoneKind))
    assert names(section("[[reader]]").split("Regions are")[1]) == set(REGIONS)
    assert set(FAMILIES) <= names(section("[[reader]]"))


def test_the_example_is_a_store() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(parse_store(example).zone) == 2


def test_the_examples_in_the_tables_are_good_values() -> None:
    for header, struct in SECTIONS.items():
        types: dict[str, Any] = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
        for key, example in re.findall(r"^\| `(\w+)` .*\| `([^`]+)` \|$", section(header), flags=re.MULTILINE):
            msgspec.convert(msgspec.json.decode(example), types[key])
