"""Scenario files (TOML): a store, who comes to it, its radio, and what goes wrong; see ``docs/simulator.md``.

A scenario that cannot be is refused as a whole: every fault with the file, the line and the key where it stands.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from msgspec import Meta
from msgspec.structs import replace

from tagtrail.hardware.clock import utc_us
from tagtrail.hardware.store import Id, Point, Store, StoreFileError, load_store, parse_store
from tagtrail.hardware.toml_check import (
    Table,
    TomlCheck,
    TomlFileError,
    choices_of,
    did_you_mean,
    parse_toml,
    read_text,
    shown,
)
from tagtrail.hardware.toml_lines import KeyPath, TomlLines
from tagtrail.simulator.layouts import renamed, reshaped, store_toml, swapped
from tagtrail.simulator.live.faults import Fault
from tagtrail.simulator.people.calendar import Calendar
from tagtrail.simulator.people.model import Habits
from tagtrail.simulator.presence import CYCLE_US
from tagtrail.simulator.radio.model import RadioModel

HERE: Final = Path(__file__).parent
STORES: Final = HERE / "stores"
SCENARIOS: Final = HERE / "scenarios"
MINUTES_MAX: Final = 366 * 24 * 60.0
YEARS: Final = (1970, 2199)


class LayoutChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another layout of the store from a night on: zones that change places, other outlines, or another store file."""

    valid_from: Annotated[datetime, Meta(description="local time from which it holds; best at night")]
    swap: Annotated[list[str], Meta(description="two zones that change places")] = []
    outline: Annotated[dict[str, list[Point]], Meta(description="zones that get another outline")] = {}
    store: Annotated[str, Meta(description="store file of the new layout, beside the scenario")] = ""


class Branch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A store of a chain: the same building under another id, with shoppers of its own."""

    id: Annotated[Id, Meta(description="its store id: a-z, 0-9 and '-'")]
    name: Annotated[str, Meta(description="what people call it")] = ""
    shoppers: Annotated[float, Meta(ge=0, le=100, description="how many shoppers, as a share of the scenario's")] = 1.0


class ScenarioFile(Habits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario file; its sections of people are the fields of `Habits`."""

    name: Annotated[str, Meta(description="a few words")]
    about: Annotated[str, Meta(description="one sentence")] = ""
    store: Annotated[str, Meta(description="bundled store, or a store file beside the scenario")]
    start: Annotated[datetime, Meta(description="local time of the store")]
    minutes: Annotated[float, Meta(gt=0, le=MINUTES_MAX, description="store time to simulate, up to a year")] = 60.0
    seed: Annotated[int, Meta(ge=0, description="the same seed gives the same shoppers")] = 1
    radio: RadioModel = RadioModel()
    fault: tuple[Fault, ...] = ()
    layout: tuple[LayoutChange, ...] = ()
    branch: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A layout and the local time from which it holds."""

    store: Store
    valid_from: datetime


@dataclass(frozen=True)
class Shop:
    """One store of a scenario: all that a run needs.

    Attributes:
        layouts: The first holds from the start.
        faults: What goes wrong with readers and lines.
        start: Local, zone-aware.
        minutes: Store time to simulate.
    """

    layouts: tuple[Layout, ...]
    habits: Habits
    radio: RadioModel
    faults: tuple[Fault, ...]
    start: datetime
    minutes: float
    seed: int

    @property
    def store(self) -> Store:
        """With the first layout."""
        return self.layouts[0].store

    @property
    def start_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return utc_us(self.start)

    @property
    def end_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self.start_us + round(self.minutes * 60e6)


@dataclass(frozen=True)
class Stage:
    """The time of one layout, with a world of its own; the same people come, whatever the layout."""

    layout: Layout
    start_us: int
    cycles: int

    @property
    def start(self) -> datetime:
        """Local, zone-aware."""
        return self.layout.valid_from


def stages(shop: Shop) -> Iterator[Stage]:
    """The layouts that hold within the time of a run, in their order."""
    starts_us = [utc_us(layout.valid_from) for layout in shop.layouts]
    for index, (layout, start_us) in enumerate(zip(shop.layouts, starts_us, strict=True)):
        end_us = min([shop.end_us, *starts_us[index + 1 : index + 2]])
        if start_us < end_us:
            yield Stage(layout, start_us, (end_us - start_us) // CYCLE_US)


@dataclass(frozen=True)
class Scenario:
    """A checked scenario; more than one shop is a chain."""

    name: str
    about: str
    shops: tuple[Shop, ...]


class ScenarioFileError(TomlFileError):
    """A scenario that cannot be."""

    what = "scenario file"


def shipped() -> list[Path]:
    """The scenario files that come along, by name."""
    return sorted(SCENARIOS.glob("*.toml"))


def scenario_path(scenario: str) -> Path:
    """The file that is meant: a path, or the name of a scenario that comes along."""
    return _beside(SCENARIOS, scenario, Path())


def store_path(store: str, folder: Path = Path()) -> Path:
    """The store file that is meant: a path from a folder, or the name of a store that comes along."""
    return _beside(STORES, store, folder)


def _beside(bundle: Path, name: str, folder: Path) -> Path:
    bundled = bundle / f"{name}.toml"
    return bundled if "/" not in name and bundled.is_file() else folder / name


def load_scenario(path: Path, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Read and check a scenario file, its store files too.

    Args:
        path: The file.
        overrides: Values that a person set beside the file, such as ``minutes`` and ``seed``; a ``store`` among them
            is a path from the working directory, or a bundled store.

    Raises:
        ScenarioFileError: All that is wrong with it, with line and key.
        StoreFileError: A store file has faults.
    """
    document, check = _read(path)
    chosen = dict(overrides or {})
    store_file = store_path(chosen.pop("store")) if "store" in chosen else Path(document["store"])
    if not store_file.exists():
        check.key_fault("store", f"there is no file {store_file}; bundled are {', '.join(_names(STORES))}")
        raise ScenarioFileError(str(path), check.told(str(path)))
    file = msgspec.convert(document, ScenarioFile)
    if "shoppers_per_hour" in chosen:
        chosen["calendar"] = round_the_clock(chosen.pop("shoppers_per_hour"))
    file = replace(file, **chosen)
    moments = {"start": file.start} | {f"layout.{at}.valid_from": one.valid_from for at, one in enumerate(file.layout)}
    for key, moment in moments.items():
        if not YEARS[0] <= moment.year <= YEARS[1]:
            check.key_fault(key, f"the year {moment.year} is not from {YEARS[0]} to {YEARS[1]}")
    if check.faults:
        raise ScenarioFileError(str(path), check.told(str(path)))
    layouts = _layouts(file, load_store(store_file), path.parent, check)
    for fault in _section_faults(file, layouts):
        key, _, reason = fault.partition(": ")
        check.key_fault(key, reason)
    _check_branches(file, check)
    if check.faults:
        raise ScenarioFileError(str(path), check.told(str(path)))
    return Scenario(file.name, file.about, tuple(_shops(file, layouts)))


def round_the_clock(shoppers_per_hour: float) -> Calendar:
    """As many shoppers at night as by day."""
    return Calendar(
        opens="00:00",
        closes="24:00",
        by_hour=(1.0,) * 24,
        by_weekday=(1.0,) * 7,
        shoppers_per_day=24 * shoppers_per_hour,
    )


def _read(path: Path, above: tuple[Path, ...] = ()) -> tuple[dict[str, Any], "_Check"]:
    """The document of a file whose values are sound, with all that it has from the one that it is like."""
    source, text = str(path), read_text(path, ScenarioFileError)
    document = parse_toml(text, source, ScenarioFileError)
    check = _Check(TomlLines(text))
    like = document.pop("like", None)
    if like is not None:
        other = _beside(SCENARIOS, str(like), path.parent)
        if other.resolve() in (*above, path.resolve()):
            check.key_fault("like", f"{shown(like)} leads back to this file")
        elif not other.is_file():
            check.key_fault("like", f"there is no file {other}; bundled are {', '.join(_names(SCENARIOS))}")
        if check.faults:
            raise ScenarioFileError(source, check.told(source))
        base, _ = _read(other, (*above, path.resolve()))
    if isinstance(document.get("store"), str):
        document["store"] = str(store_path(document["store"], path.parent))
    if like is not None:
        document = _merged(base, document)
    check.read(ScenarioFile, Table("", (), document))
    if check.faults:
        raise ScenarioFileError(source, check.told(source))
    return document, check


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; what is no table, arrays too, is the file's own."""
    both = {
        key: _merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in own.items()
    }
    return {**base, **both}


def _names(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*.toml"))


def _layouts(file: ScenarioFile, store: Store, folder: Path, check: "_Check") -> tuple[Layout, ...]:
    zone = ZoneInfo(store.store.timezone)
    layouts = [Layout(store, _local(file.start, zone))]
    for index, change in enumerate(file.layout):
        key = f"layout.{index}"
        latest = layouts[-1]
        valid_from = _local(change.valid_from, zone)
        if valid_from <= latest.valid_from:
            check.key_fault(f"{key}.valid_from", f"{valid_from:%Y-%m-%d %H:%M} is not after what it follows")
        if changed := _changed(change, latest.store, folder, key, check):
            layouts.append(Layout(changed, valid_from))
    return tuple(layouts)


def _changed(change: LayoutChange, store: Store, folder: Path, key: str, check: "_Check") -> Store | None:
    """The store after a change, or None if it cannot be."""
    known = store.zone_by_id
    named = [*((f"{key}.swap", zone) for zone in change.swap), *((f"{key}.outline", zone) for zone in change.outline)]
    unknown = [(where, zone) for where, zone in named if zone not in known]
    for where, zone in unknown:
        check.key_fault(where, f"{shown(zone)} is no zone of store {shown(store.id)}{did_you_mean(zone, known)}")
    if change.swap and (len(change.swap) != 2 or change.swap[0] == change.swap[1]):
        check.key_fault(f"{key}.swap", "must be two different zones")
        return None
    if unknown:
        return None
    if change.store:
        other = load_store(store_path(change.store, folder))
        if other.store.timezone != store.store.timezone:
            check.key_fault(f"{key}.store", f"lies in {other.store.timezone}, not in {store.store.timezone}")
            return None
        store = renamed(other, store.id, store.store.name)
    elif not named:
        check.key_fault(key, "changes nothing; give swap, outline or store")
    if change.swap:
        store = swapped(store, *change.swap)
    store = reshaped(store, change.outline)
    try:
        return parse_store(store_toml(store), "the new layout")
    except StoreFileError as error:
        for fault in error.faults:
            _, _, what = fault.partition(": ")  # the line is one of a text that nobody wrote
            check.key_fault(key, f"makes a layout that cannot be: {what}")
        return None


def _section_faults(file: ScenarioFile, layouts: tuple[Layout, ...]) -> Iterator[str]:
    """What the sections say of the store, each thing once."""
    told: set[str] = set()
    for layout in layouts:
        faults = [*file.faults(layout.store), *file.radio.faults(layout.store)]
        faults += [
            f"fault.{index}.{text}" for index, fault in enumerate(file.fault) for text in fault.faults(layout.store)
        ]
        yield from (fault for fault in faults if fault not in told)
        told.update(faults)


def _check_branches(file: ScenarioFile, check: "_Check") -> None:
    seen: set[str] = set()
    for index, branch in enumerate(file.branch):
        if branch.id in seen:
            check.key_fault(f"branch.{index}.id", f"{shown(branch.id)} is already taken")
        seen.add(branch.id)


def _shops(file: ScenarioFile, layouts: tuple[Layout, ...]) -> Iterator[Shop]:
    habits = Habits(**{name: getattr(file, name) for name in Habits.__struct_fields__})
    shop = Shop(
        layouts=layouts,
        habits=habits,
        radio=file.radio,
        faults=file.fault,
        start=layouts[0].valid_from,
        minutes=file.minutes,
        seed=file.seed,
    )
    if not file.branch:
        yield shop
    for index, branch in enumerate(file.branch):
        stores = [
            Layout(renamed(layout.store, branch.id, branch.name or branch.id), layout.valid_from) for layout in layouts
        ]
        calendar = replace(habits.calendar, shoppers_per_day=habits.calendar.shoppers_per_day * branch.shoppers)
        yield Shop(
            layouts=tuple(stores),
            habits=replace(habits, calendar=calendar),
            radio=shop.radio,
            faults=shop.faults,
            start=shop.start,
            minutes=shop.minutes,
            seed=stream_of(file.seed, index),
        )


def stream_of(seed: int, index: int) -> int:
    """The seed of the n-th part of something that has a seed."""
    return int(np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(1)[0])


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """A time of a file as the store's clock shows it; without a zone it is already that."""
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


_PLAIN_WORDS: Final = (
    (" | null", ""),
    ("datetime.datetime", "date and time"),
    ("datetime.date", "date"),
    ("datetime.time", "time of day"),
    ("datetime", "date and time such as 2026-03-14T10:00:00"),
)
"""For msgspec's names of types that no TOML file knows."""


class _Check(TomlCheck):
    """Values of a scenario: the ``Meta`` of a key describes what it means, so the reason is msgspec's."""

    def wrong_value(self, type_: object, key: str, raw: object, error: msgspec.ValidationError) -> str:
        reason = str(error).split(" - at `$")[0].replace("`", "")
        for name, words in _PLAIN_WORDS:
            reason = reason.replace(name, words)
        return f"{key} = {shown(raw)}: {reason[0].lower()}{reason[1:]}{did_you_mean(raw, choices_of(type_))}"

    def key_fault(self, key: str, reason: str) -> None:
        """Note a fault under a dotted key such as ``layout.0.swap``."""
        path: KeyPath = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
        self.faults.append((self.lines.of(path) or 0, f"{key}: {reason}"))
