"""What was concluded of a tag, and why, in sentences and tables; times are the store's own."""

from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tagtrail.analytics.columns import (
    ANTENNA,
    CENSORED,
    CONFIDENCE,
    DWELL_HIGH_S,
    DWELL_LOW_S,
    ENTER,
    EXIT,
    READER,
    RSSI_DBM,
    TIME,
    ZONE,
    us_of_times,
)
from tagtrail.analytics.place.explain import Explanation, silences_us
from tagtrail.analytics.place.stretches import SECOND_US
from tagtrail.hardware.store import Store, antenna_zone

SILENCE_S: Final = 10.0
"""From which length on a silence is told of."""
NO_ZONE: Final = "in no zone"
OUTSIDE: Final = "outside"
RIVAL_LEAST: Final = 0.05
"""Smaller shares are no rival of a visit's zone."""


class Told(NamedTuple):
    """A visit, and what speaks for it.

    Attributes:
        zone: Name.
        enter_us: Microseconds since 1970 UTC.
        exit_us: The same.
        low_s: Of the 90 % interval of the dwell.
        high_s: The same.
        confidence: Mean posterior of the zone.
        censored: Whether silence cut it off.
        reads: During the visit.
        antenna: That read most of them, and its share; empty where there are none.
        rival: The place next in posterior during the visit, and its share; empty where there is none.
    """

    zone: str
    enter_us: int
    exit_us: int
    low_s: float
    high_s: float
    confidence: float
    censored: bool
    reads: int
    antenna: str
    rival: str

    @property
    def dwell_s(self) -> float:
        """Exit less enter."""
        return (self.exit_us - self.enter_us) / SECOND_US


class Case(NamedTuple):
    """A tag, or a part of its time, as it is shown.

    Attributes:
        explanation: What is shown, with at least one read.
        told: Its visits.
        store: Where.
        learned: From what the radio map was learned: "from …".
    """

    explanation: Explanation
    told: list[Told]
    store: Store
    learned: str

    @property
    def zone(self) -> ZoneInfo:
        """The store's time zone."""
        return ZoneInfo(self.store.store.timezone)


def make_case(explanation: Explanation, store: Store, learned: str, from_us: int, to_us: int) -> Case:
    """What lies in a range of time; what is said of a visit is of the whole visit all the same."""
    told = [visit for visit in tell_visits(explanation, store) if visit.exit_us > from_us and visit.enter_us < to_us]
    return Case(explanation.between(from_us, to_us), told, store, learned)


def places(store: Store) -> list[str]:
    """Names of the columns of `Passage.shares`; zones of one name, as an escalator's, are told with their floor."""
    names = [zone.name or zone.id for zone in store.zone]
    return [
        *(
            name if names.count(name) == 1 else f"{name} {zone.floor}"
            for name, zone in zip(names, store.zone, strict=True)
        ),
        NO_ZONE,
        OUTSIDE,
    ]


def antenna_names(store: Store) -> list[str]:
    """By index: reader, port, and the zone that it hangs over or near."""
    zones, names = dict(zip(store.zone_by_id, places(store), strict=False)), []
    for reader in store.reader:
        for antenna in reader.antenna:
            zone = antenna_zone(store, antenna)
            names.append(f"{reader.id}/{antenna.port}" + (f" {zones[zone.id]}" if zone else ""))
    return names


def tell_visits(explanation: Explanation, store: Store) -> list[Told]:
    """The visits in the order of time."""
    names, antennas, ids = places(store), antenna_names(store), [zone.id for zone in store.zone]
    read_us = us_of_times(explanation.reads[TIME])
    told = []
    for visit in explanation.estimate.visits.to_dict("records"):
        enter_us, exit_us = (int(visit[name].value) // 1000 for name in (ENTER, EXIT))
        zone = ids.index(visit[ZONE])
        own = explanation.antenna[(read_us >= enter_us) & (read_us < exit_us) & (explanation.antenna >= 0)]
        often = np.bincount(own, minlength=1)
        shares = [
            part.shares for passage in explanation.passages if len((part := passage.between(enter_us, exit_us)).label)
        ]
        mean = np.concatenate(shares).mean(axis=0) if shares else np.zeros(len(names))
        mean[zone] = 0.0
        rival = int(mean.argmax())
        told.append(
            Told(
                names[zone], enter_us, exit_us, float(visit[DWELL_LOW_S]), float(visit[DWELL_HIGH_S]),
                float(visit[CONFIDENCE]), bool(visit[CENSORED]), len(own),
                f"{antennas[often.argmax()]} {often.max() / len(own):.0%}" if len(own) else "",
                f"{names[rival]} {mean[rival]:.2f}" if mean[rival] >= RIVAL_LEAST else "",
            )
        )  # fmt: skip
    return told


def sentences(case: Case) -> list[str]:
    """What was concluded, and why."""
    zone, reads, visits = case.zone, case.explanation.reads, case.told
    times_us = us_of_times(reads[TIME])
    first_us, last_us = int(times_us[0]), int(times_us[-1])
    found = [
        f"{_count(len(reads), 'read')} by {_count(_antennas(reads), 'antenna')} from {_day(first_us, zone)} to "
        f"{clock(last_us, zone)}, {duration((last_us - first_us) / SECOND_US)}." + _silent(case.explanation, zone)
    ]
    if visits:
        surest, least = (best(visits, key=lambda visit: visit.confidence) for best in (max, min))
        total = duration(sum(visit.dwell_s for visit in visits))
        text = f"{_count(len(visits), 'visit')} told, {total} together"
        if len(visits) > 1:
            text += f"; the surest is {_short(surest, zone)}, the least sure {_short(least, zone)}"
        else:
            text += f": {_short(surest, zone)}"
        cut = sum(visit.censored for visit in visits)
        found.append(text + (f"; {cut} cut off by silence away from the doors." if cut else "."))
    else:
        found.append("No visit told.")
    unused = case.explanation.estimate.unused
    if unused:
        listed = "; ".join(f"{_count(count, 'read')}, {reason}" for reason, count in sorted(unused.items()))
        found.append(f"Not told (of all reads of the tag): {listed}.")
    else:
        found.append("Every read of the tag is in a visit.")
    found.append(f"The radio map was learned {case.learned}.")
    return found


def render_text(case: Case) -> str:
    """All of it for a terminal."""
    zone, store = case.zone, case.store.store
    lines = [f"Tag {case.explanation.epc} in {store.name}, local time ({store.timezone})", "", *sentences(case), ""]
    visits = [
        {
            "zone": visit.zone, "enter": clock(visit.enter_us, zone), "exit": clock(visit.exit_us, zone),
            "dwell_s": f"{visit.dwell_s:.0f}", "90 %": f"{visit.low_s:.0f} to {visit.high_s:.0f}",
            "confidence": f"{visit.confidence:.2f}", "cut off": "yes" if visit.censored else "no",
            "reads": str(visit.reads), "most by": visit.antenna, "else": visit.rival,
        }
        for visit in case.told
    ]  # fmt: skip
    if visits:
        lines += [_table(visits, ("dwell_s", "90 %", "confidence", "reads")), ""]
    lines.append(_table(_reads_by_antenna(case), ("reads", "median_dbm", "best_dbm")))
    return "\n".join(lines)


def _reads_by_antenna(case: Case) -> list[dict[str, str]]:
    zone, names = case.zone, antenna_names(case.store)
    rows = []
    table = case.explanation.reads.assign(index=case.explanation.antenna)
    for (reader, port), reads in table.groupby([READER, ANTENNA], observed=True):
        index = int(reads["index"].iloc[0])
        dbm = reads[RSSI_DBM].dropna().to_numpy()
        times_us = us_of_times(reads[TIME])
        rows.append(
            {
                "antenna": names[index] if index >= 0 else f"{reader}/{port} not in the store file",
                "reads": str(len(reads)),
                "median_dbm": f"{np.median(dbm):.1f}" if len(dbm) else "-",
                "best_dbm": f"{dbm.max():.1f}" if len(dbm) else "-",
                "first": clock(int(times_us[0]), zone),
                "last": clock(int(times_us[-1]), zone),
            }
        )
    return sorted(rows, key=lambda row: (-int(row["reads"]), row["antenna"]))


def _table(rows: list[dict[str, str]], right: tuple[str, ...]) -> str:
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}

    def line(row: dict[str, str]) -> str:
        cells = (text.rjust(widths[name]) if name in right else text.ljust(widths[name]) for name, text in row.items())
        return "  ".join(cells).rstrip()

    return "\n".join(map(line, [{name: name for name in rows[0]}, *rows]))


def clock(time_us: int, zone: ZoneInfo) -> str:
    """Time of day."""
    return f"{_local(time_us, zone):%H:%M:%S}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours.

    >>> duration(59), duration(150), duration(7260)
    ('59 s', '2 min 30 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    unit, large, small = (60, "min", "s") if whole < 3600 else (3600, "h", "min")
    rest = whole % unit if unit == 60 else whole % unit // 60
    return f"{whole // unit} {large}" + (f" {rest} {small}" if rest else "")


def _silent(explanation: Explanation, zone: ZoneInfo) -> str:
    silences = silences_us(explanation, SILENCE_S)
    if not silences:
        return f" Never silent for {SILENCE_S:.0f} s."
    one, other = max(silences, key=lambda silence: silence[1] - silence[0])
    longest = f"{duration((other - one) / SECOND_US)} from {clock(one, zone)}"
    if len(silences) == 1:
        return f" Silent once for {SILENCE_S:.0f} s or more: {longest}."
    return f" Silent {len(silences)} times for {SILENCE_S:.0f} s or more, longest {longest}."


def _short(visit: Told, zone: ZoneInfo) -> str:
    return f"{visit.zone} at {clock(visit.enter_us, zone)} ({visit.confidence:.2f})"


def _antennas(reads: pd.DataFrame) -> int:
    return len(reads[[READER, ANTENNA]].drop_duplicates())


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _local(time_us: int, zone: ZoneInfo) -> pd.Timestamp:
    return pd.Timestamp(time_us, unit="us", tz="UTC").tz_convert(zone)


def _day(time_us: int, zone: ZoneInfo) -> str:
    return f"{_local(time_us, zone):%Y-%m-%d %H:%M:%S}"
