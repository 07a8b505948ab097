"""What ``tagtrail analyze explain`` runs."""

import difflib
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from tagtrail.analytics import files
from tagtrail.analytics.columns import EPC, TIME, us_of_times
from tagtrail.analytics.explain.page import render
from tagtrail.analytics.explain.settings import ExplainSettings
from tagtrail.analytics.explain.words import make_case, render_text
from tagtrail.analytics.offline import make_place
from tagtrail.analytics.place.explain import explain
from tagtrail.analytics.placement import Layout
from tagtrail.hardware.clock import utc_us
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Store, load_store
from tagtrail.hardware.whole_file import whole_file

NEAR_MAX: Final = 5
"""Tags that are named where the one that was asked for is not there."""
DAYS_MAX: Final = 7
"""What a page can hold, and a person can look at."""
_NEVER_US: Final = 2**62


def run_explain(settings: ExplainSettings) -> int:
    """Write the page, or print the text.

    Raises:
        FaultsError: The settings or files have faults, the tag or the time has no reads, or the page cannot be written.
    """
    if faults := settings.faults():
        raise FaultsError("settings", faults)
    store = load_store(Path(settings.store))
    _say(f"reading {settings.reads}")
    reads = files.read_reads(Path(settings.reads))
    epc = find_epc(settings.epc, reads, settings.reads)
    bounds_us = _bounds_us(reads[TIME][reads[EPC] == epc], epc, store, settings)
    place = make_place([Layout(0, store)], reads, settings, _say)
    learned = (
        f"from the {len(reads)} reads of {Path(settings.reads).name}"
        if settings.calibration is None
        else f"from the known places in {Path(settings.calibration).name}"
    )
    case = make_case(explain(place, reads, epc), store, learned, *bounds_us)
    if settings.page is None:
        print(render_text(case))
        return 0
    days = (case.explanation.reads[TIME].iloc[-1] - case.explanation.reads[TIME].iloc[0]).total_seconds() / 86_400
    if days > DAYS_MAX:
        raise FaultsError(
            settings.reads,
            [f"tag {epc} was read over {days:.0f} days, a page holds {DAYS_MAX}; say --from and --to"],
        )
    page = render(case, place.grounds[0].cells).encode()
    out = Path(settings.page)
    with whole_file(out) as part:
        part.write_bytes(page)
    _say(f"{out}: {len(case.told)} visits of {epc}, {len(page) / 1e6:.1f} MB; open it in a browser")
    return 0


def find_epc(asked: str, reads: pd.DataFrame, source: str) -> str:
    """The tag that is asked for, by all its digits or by its last ones.

    Args:
        asked: Hex digits.
        reads: Checked reads.
        source: What to call them.

    Raises:
        FaultsError: There is no such tag, or there are several.
    """
    wanted = asked.strip().upper()
    tags = sorted(map(str, reads[EPC].cat.remove_unused_categories().cat.categories))
    if wanted in tags:
        return wanted
    if not tags:
        raise FaultsError(source, ["there are no reads in it"])
    ending = [tag for tag in tags if tag.endswith(wanted)]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise FaultsError(source, [f"{len(ending)} tags end in {wanted}: {_listed(ending)}; give more digits"])
    holding = [tag for tag in tags if wanted in tag]
    near = holding or difflib.get_close_matches(wanted, tags, n=NEAR_MAX, cutoff=0.0)
    count = "the only tag in it is" if len(tags) == 1 else f"{len(tags)} tags are in it, near ones are"
    raise FaultsError(source, [f"no read of tag {wanted}; {count} {_listed(near)}"])


def _listed(tags: Sequence[str]) -> str:
    return ", ".join(tags[:NEAR_MAX]) + (" …" if len(tags) > NEAR_MAX else "")


def _bounds_us(times: "pd.Series[pd.Timestamp]", epc: str, store: Store, settings: ExplainSettings) -> tuple[int, int]:
    """The time that is asked for; hours alone are of the day of the tag's first read.

    Raises:
        FaultsError: It is no time, or none of the tag's reads lies in it.
    """
    zone = ZoneInfo(store.store.timezone)
    begin, end = (f"{moment.tz_convert(zone):%Y-%m-%d %H:%M:%S}" for moment in (times.min(), times.max()))
    faults: list[str] = []
    bounds_us = [0, _NEVER_US]
    asked = ""
    for index, (name, text) in enumerate((("from", settings.first), ("to", settings.last))):
        if text is None:
            continue
        try:
            moment = datetime.fromisoformat(text if len(text) > len("HH:MM:SS") else f"{begin[:10]}T{text}")
        except ValueError:
            faults.append(f"{name} {text!r}: expected HH:MM, HH:MM:SS or ISO 8601")
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        bounds_us[index] = utc_us(moment)
        asked += f" {name} {moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if faults:
        raise FaultsError("settings", faults)
    low_us, high_us = bounds_us
    times_us = us_of_times(times)
    if not ((times_us >= low_us) & (times_us < high_us)).any():
        fault = f"no read of tag {epc}{asked}; it was read from {begin} to {end}"
        raise FaultsError(settings.reads, [fault])
    return low_us, high_us


def _say(line: str) -> None:
    print(line, file=sys.stderr)
