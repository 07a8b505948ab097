"""What a person can set about a simulation, a replay and a recording of ports."""

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from tagtrail.hardware.clock import Clock, ScaledClock, parse_clock
from tagtrail.hardware.errors import GiveUp
from tagtrail.simulator.live.lines import LineMaker, parse_tcp_address, pty_lines, tcp_lines
from tagtrail.simulator.live.vendor import Maker
from tagtrail.simulator.scenario import MINUTES_MAX, YEARS

Format = Literal["uci-rfid-wearable", "capture", "reads"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MAKERS: Final[tuple[Maker, ...]] = get_args(Maker)
SPEED_MAX: Final = 1000.0


class SimulateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Simulate a scenario: into files as fast as it goes, or live where --ports-dir, --tcp or --mqtt says where to."""

    scenario: Annotated[str, Meta(description="a scenario file, or the name of one that comes along")] = "everyday"
    out: Annotated[str | None, Meta(description="folder for what really happened; if not live, for the reads too")] = (
        None
    )
    minutes: Annotated[
        float | None, Meta(description="store time to simulate, instead of the scenario's; 0 is endless, live only")
    ] = None
    seed: Annotated[int | None, Meta(description="instead of the scenario's; the same seed gives the same bytes")] = (
        None
    )
    start: Annotated[
        str | None, Meta(description="local time of the store at which it starts, instead of the scenario's; ISO 8601")
    ] = None
    store: Annotated[
        str | None, Meta(description="store file or bundled store instead of the scenario's; its zones must fit")
    ] = None
    shoppers_per_hour: Annotated[
        float | None, Meta(description="so many shoppers day and night, instead of the scenario's calendar")
    ] = None
    ports_dir: Annotated[str | None, Meta(description="live: folder for one pseudo-terminal link per reader")] = None
    tcp: Annotated[
        str | None, Meta(description="live: HOST:PORT of the first reader's serial line over TCP; others follow")
    ] = None
    publish: Annotated[
        str | None, Meta(description="live: broker to publish to as edges do, mqtt://HOST:PORT or mqtts://HOST:PORT")
    ] = None
    agents: Annotated[int, Meta(description="with publish: how many agents share the readers of a store")] = 1
    maker: Annotated[
        str | None, Meta(description=f"with publish: fixed readers publish by themselves, {' or '.join(MAKERS)}")
    ] = None
    mqtt_user: Annotated[str | None, Meta(description="with publish: user name at the broker")] = None
    mqtt_password: Annotated[
        str | None, Meta(description="with publish: password at the broker", extra={"secret": True})
    ] = None
    mqtt_ca: Annotated[str | None, Meta(description="with publish: PEM file of the broker's authority")] = None
    speed: Annotated[float, Meta(description="live: store seconds per second")] = 1.0
    clock: Annotated[
        str, Meta(description="live: 'real' or 'ANCHOR_US,ORIGIN_US,RATE', the same for all processes")
    ] = "real"
    wait_for_readers: Annotated[bool, Meta(description="live: start when the hosts have started all readers")] = True

    @property
    def destinations(self) -> list[str]:
        """The settings that say where a live run goes."""
        return [name for name in ("ports_dir", "tcp", "publish") if getattr(self, name) is not None]

    @property
    def make_line(self) -> LineMaker:
        """Where the readers of a live run are.

        Raises:
            GiveUp: There can be no line.
        """
        return line_maker(self.ports_dir, self.tcp)

    def faults(self) -> list[str]:
        """What is wrong with the settings, one sentence each; looks at no file."""
        faults = [*_clock_faults(self.clock, self.speed), *_tcp_faults(self.tcp)]
        if self.seed is not None and self.seed < 0:
            faults.append(f"seed {self.seed}: must not be negative")
        if self.minutes is not None and not 0 <= self.minutes <= MINUTES_MAX:
            faults.append(f"minutes {self.minutes:g}: must be a number from 0 to {MINUTES_MAX:g}, a year")
        if self.shoppers_per_hour is not None and not 0 <= self.shoppers_per_hour < float("inf"):
            faults.append(f"shoppers_per_hour {self.shoppers_per_hour:g}: must be a number from 0")
        if len(self.destinations) > 1:
            faults.append(f"{' and '.join(self.destinations)}: choose one")
        if not self.destinations and (self.out is None or self.minutes == 0):
            faults.append("without ports_dir, tcp or publish it goes into files: set out, and minutes over 0")
        if self.maker is not None and self.maker not in MAKERS:
            faults.append(f"maker {self.maker!r}: known are {' and '.join(MAKERS)}")
        if self.agents < 1:
            faults.append(f"agents {self.agents}: must be 1 or more")
        return [*faults, *_start_faults(self.start)]

    def overrides(self) -> dict[str, object]:
        """What the scenario file is told otherwise."""
        chosen = {
            "minutes": self.minutes or None,
            "seed": self.seed,
            "start": datetime.fromisoformat(self.start) if self.start else None,
            "store": self.store,
            "shoppers_per_hour": self.shoppers_per_hour,
        }
        return {key: value for key, value in chosen.items() if value is not None}


class ScenariosSettings(msgspec.Struct, frozen=True, kw_only=True):
    """List the scenarios that come along, one line each."""

    keys: Annotated[bool, Meta(description="print all that a scenario file can say, with its defaults, instead")] = (
        False
    )


class ReplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Play a recording through readers on pseudo-terminals or TCP; nothing of it is ever dropped."""

    recording: Annotated[str, Meta(description="folder or file of the recording")]
    format: Annotated[str, Meta(description=f"format of the recording: {', '.join(FORMATS)}")] = FORMATS[0]
    ports_dir: Annotated[str | None, Meta(description="folder for one pseudo-terminal link per reader")] = None
    tcp: Annotated[str | None, Meta(description="HOST:PORT of the first reader's serial line over TCP")] = None
    store: Annotated[str, Meta(description="store file, or the name of a bundled store; a capture needs none")] = "ward"
    out: Annotated[
        str | None, Meta(description="folder for labels.parquet and summary.json; a capture has no labels")
    ] = None
    speed: Annotated[float, Meta(description="how many times as fast as it was recorded")] = 1.0
    clock: Annotated[str, Meta(description="'real' or 'ANCHOR_US,ORIGIN_US,RATE', the same for all processes")] = "real"

    def faults(self) -> list[str]:
        """What is wrong with the settings, one sentence each; looks at no file."""
        faults = [*_clock_faults(self.clock, self.speed), *_tcp_faults(self.tcp)]
        if self.format not in FORMATS:
            faults.append(f"format {self.format!r}: known are {', '.join(FORMATS)}")
        if (self.ports_dir is None) == (self.tcp is None):
            faults.append("set ports_dir or tcp: where the readers are to be")
        return faults

    @property
    def make_line(self) -> LineMaker:
        """Where the readers are.

        Raises:
            GiveUp: There can be no line.
        """
        return line_maker(self.ports_dir, self.tcp)


class RecordSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Record ports into captures: start the readers as a host does, and keep all bytes of both directions."""

    store: Annotated[str, Meta(description="store file, or the name of a bundled store")]
    out: Annotated[str, Meta(description="folder for one capture per reader, READER.capture")]
    ports: Annotated[
        str | None, Meta(description="where the readers are instead, e.g. 'ports/{reader}'; a path or pyserial URL")
    ] = None
    readers: Annotated[list[str], Meta(description="which readers; none: all")] = []
    minutes: Annotated[float, Meta(description="how long, in real time; 0: until told to stop")] = 0.0
    clock: Annotated[str, Meta(description="'real' or 'ANCHOR_US,ORIGIN_US,RATE', the same for all processes")] = "real"

    def faults(self) -> list[str]:
        """What is wrong with the settings, one sentence each; looks at no file."""
        faults = _clock_faults(self.clock)
        if not 0 <= self.minutes < float("inf"):
            faults.append(f"minutes {self.minutes:g}: must be a number from 0")
        return faults


def line_maker(ports_dir: str | None, tcp: str | None) -> LineMaker:
    """Lines in a folder, or on TCP ports."""
    if tcp is not None:
        return tcp_lines(tcp)
    assert ports_dir is not None
    return pty_lines(Path(ports_dir))


def clock_of(text: str, speed: float) -> Clock:
    """The clock of a run: the one that all processes have, or one of its own that begins now."""
    clock = parse_clock(text)
    if speed == 1.0:
        return clock
    now_us = time.time_ns() // 1000
    return ScaledClock(now_us, now_us, speed)


def _start_faults(start: str | None) -> list[str]:
    try:
        year = datetime.fromisoformat(start or "2026-03-14").year
    except ValueError:
        return [f"start {start!r}: expected ISO 8601, e.g. 2026-03-14T10:00:00"]
    if not YEARS[0] <= year <= YEARS[1]:
        return [f"start {start!r}: the year {year} is not from {YEARS[0]} to {YEARS[1]}"]
    return []


def _clock_faults(clock: str, speed: float = 1.0) -> list[str]:
    faults = []
    try:
        parse_clock(clock)
    except GiveUp as error:
        faults.append(str(error))
    if not 0 < speed <= SPEED_MAX:
        faults.append(f"speed {speed:g}: must be more than 0 and at most {SPEED_MAX:g}")
    elif speed != 1.0 and clock != "real":
        faults.append(f"speed {speed:g}: the clock {clock!r} has a rate already; leave one out")
    return faults


def _tcp_faults(tcp: str | None) -> list[str]:
    try:
        if tcp is not None:
            parse_tcp_address(tcp)
    except GiveUp as error:
        return [str(error)]
    return []
