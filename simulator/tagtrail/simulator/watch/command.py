"""What ``tagtrail simulate watch`` runs."""

import logging
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.whole_file import whole_file
from tagtrail.simulator.watch.page import render
from tagtrail.simulator.watch.recording import end_of, load_recording

MINUTES_MAX: Final = 1440.0

log = logging.getLogger("tagtrail.simulate")


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Make one HTML file that plays a part of a simulated run."""

    truth: Annotated[str, Meta(description="folder that a simulation wrote")]
    start: Annotated[
        str | None, Meta(description="local time of the store, HH:MM or ISO 8601; else the start of the run")
    ] = None
    minutes: Annotated[float, Meta(description="how long")] = 60.0
    out: Annotated[str, Meta(description="the HTML file")] = "watch.html"

    def faults(self) -> list[str]:
        """What is wrong with the settings, one sentence each; looks at no file."""
        if 0 < self.minutes <= MINUTES_MAX:
            return []
        return [f"minutes {self.minutes:g}: must be a number over 0 and up to {MINUTES_MAX:g}, a day"]


def run_watch(settings: WatchSettings) -> int:
    """Write the page, and say where it is.

    Raises:
        FaultsError: The settings or files have faults, too much happens for one page, or it cannot be written.
    """
    if faults := settings.faults():
        raise FaultsError("watch settings", faults)
    recording = load_recording(Path(settings.truth), settings.start, settings.minutes)
    page = render(recording).encode()
    out = Path(settings.out)
    with whole_file(out) as part:
        part.write_bytes(page)
    window = recording.window
    log.info(
        "%s: %d people, %s to %s, %.1f MB; open it in a browser",
        out, len(recording.people.number), f"{window.start:%Y-%m-%d %H:%M}", f"{end_of(window):%H:%M}", len(page) / 1e6,
    )  # fmt: skip
    if recording.sightings and recording.sightings.unknown:
        log.warning("%d reads of antennas that the layout does not have are left out", recording.sightings.unknown)
    return 0
