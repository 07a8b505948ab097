"""What a person can set about a simulation and about a replay."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tagtrail.hardware.clock import parse_clock
from tagtrail.hardware.errors import GiveUp

STORES: Final = Path(__file__).parent / "stores"
FORMATS: Final = ("uci-rfid-wearable", "capture")


def store_path(store: str) -> Path:
    """The store file that a setting means: a path, or the name of one that comes along (``riverside``, ``ward``)."""
    bundled = STORES / f"{store}.toml"
    return bundled if "/" not in store and bundled.is_file() else Path(store)


class SimulateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Simulate a store: live on pseudo-terminals with ``ports_dir``, else as fast as possible into files."""

    store: Annotated[str, Meta(description="store file, or the name of a bundled store")] = "riverside"
    ports_dir: Annotated[
        str | None, Meta(description="folder for one pseudo-terminal link per reader; without it, write files only")
    ] = None
    out: Annotated[str | None, Meta(description="folder for what really happened (and the reads, without ports)")] = (
        None
    )
    seed: Annotated[int, Meta(description="the same seed gives the same shoppers")] = 1
    minutes: Annotated[float, Meta(description="store time to simulate; 0 is endless and keeps no truth")] = 0.0
    start: Annotated[
        str, Meta(description="store time at which a simulation into files starts, ISO 8601 with zone")
    ] = "2026-03-14T10:00:00+08:00"
    clock: Annotated[str, Meta(description="'real' or 'ANCHOR_US,ORIGIN_US,RATE', the same for all processes")] = "real"
    shoppers_per_hour: Annotated[float, Meta(description="shoppers who come in, all entrances together")] = 90.0
    warm_up_minutes: Annotated[float, Meta(description="how long shoppers have been coming in before the start")] = 20.0
    wait_for_readers: Annotated[bool, Meta(description="start when the hosts have started all readers")] = True

    def faults(self) -> list[str]:
        """What is wrong with the settings, one sentence each; looks at no file."""
        faults = _clock_faults(self.clock)
        if self.seed < 0:
            faults.append(f"seed {self.seed}: must not be negative")
        for name in ("minutes", "shoppers_per_hour", "warm_up_minutes"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                faults.append(f"{name} {value:g}: must be a number from 0")
        if self.ports_dir is None and (self.out is None or self.minutes == 0):
            faults.append("without ports_dir the simulation goes into files: set out and minutes")
        try:
            if datetime.fromisoformat(self.start).tzinfo is None:
                faults.append(f"start {self.start!r}: add a time zone, e.g. +08:00")
        except ValueError:
            faults.append(f"start {self.start!r}: expected ISO 8601, e.g. 2026-03-14T10:00:00+08:00")
        return faults


class ReplaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Play a recording through readers on pseudo-terminals; nothing of it is ever dropped."""

    recording: Annotated[str, Meta(description="folder of the recording, or the capture file")]
    ports_dir: Annotated[str, Meta(description="folder for one pseudo-terminal link per reader")]
    store: Annotated[str, Meta(description="store file, or the name of a bundled store; a capture needs none")] = "ward"
    format: Annotated[str, Meta(description=f"format of the recording: {' or '.join(FORMATS)}")] = FORMATS[0]
    out: Annotated[
        str | None, Meta(description="folder for labels.parquet and summary.json; a capture has no labels")
    ] = None
    clock: Annotated[str, Meta(description="'real' or 'ANCHOR_US,ORIGIN_US,RATE', the same for all processes")] = "real"

    def faults(self) -> list[str]:
        """What is wrong with the settings, one sentence each; looks at no file."""
        faults = _clock_faults(self.clock)
        if self.format not in FORMATS:
            faults.append(f"format {self.format!r}: known are {' and '.join(FORMATS)}")
        return faults


def _clock_faults(clock: str) -> list[str]:
    try:
        parse_clock(clock)
    except GiveUp as error:
        return [str(error)]
    return []
