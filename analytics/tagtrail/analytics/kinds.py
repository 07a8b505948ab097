"""Tags that are no shoppers: staff, and things that lie still; each with the reason why.

A list of known tags wins over every rule (`known_tags`). What the rules cannot tell is a shopper. docs/analytics.md has
the rules in words, and how many tags they find.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tagtrail.analytics.columns import EPC, times_of_us, us_of_times, validate_visits
from tagtrail.analytics.known_tags import FORGOTTEN, KINDS, SHOPPER, STAFF, STOCK, STUCK, KnownTags
from tagtrail.analytics.stillness import WINDOW_S, Heard, Ints, Moves, Rest, Windows, find_moves
from tagtrail.hardware.store import Store, antenna_zone

KIND: Final = "kind"
REASON: Final = "reason"
HOUR_S: Final = 3600
NAMES_MAX: Final = 3
"""Antennas that a reason names."""
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Rules:
    """From where on a tag is no shopper.

    Attributes:
        staff_s: Heard for so long on one day: staff. No shopper stays for half a shift.
        post_s: Heard for so long on one day, much of it at one post, and come back there often: staff.
        post_share: Share of the time that is much.
        post_returns: Times that is often. Who sits in a café gets up once or twice.
        staff_zone_s: So long in zones of kind ``staff``: staff.
        regular_s: Heard for so long on each of many days: staff.
        regular_days: Days that are many.
        still_s: At rest for so long and never elsewhere: stuck, or stock.
        edge_s: So near the first and the last reads of a day is there all day.
        left_s: At rest for so long after it was elsewhere: forgotten.
        left_at_end_s: The same two for a rest that lasts until the day's reads end: nobody waits for closing time.
        end_s: So near the day's last read is its end.
        day_s: Reads of less than this are no day, and have no end that means anything.
        change_db: Up to this change of strength from window to window a tag is at rest, beyond it somebody carries it.
    """

    staff_s: float = 4 * HOUR_S
    post_s: float = 2 * HOUR_S
    post_share: float = 0.3
    post_returns: int = 3
    staff_zone_s: float = 600
    regular_s: float = 2 * HOUR_S
    regular_days: int = 4
    still_s: float = 2 * HOUR_S
    edge_s: float = 1800
    left_s: float = 3 * HOUR_S
    left_at_end_s: float = HOUR_S
    end_s: float = 600
    day_s: float = 4 * HOUR_S
    change_db: float = 2.0


class _Days:
    """The local days of a store: which one a window belongs to, and when its first and last reads are."""

    def __init__(self, windows: Sequence[Windows], store: Store) -> None:
        number = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *(one.number for one in windows)]))
        local = times_of_us(number * WINDOW_S * _SECOND_US).tz_convert(ZoneInfo(store.store.timezone)).tz_localize(None)
        self._number, self._day = number, local.to_numpy().astype("datetime64[D]").astype(np.int64)

    def of(self, number: Ints) -> Ints:
        """The day of each window."""
        return self._day[np.searchsorted(self._number, number)]

    def bounds_s(self, window: int) -> tuple[int, int]:
        """Begin of the first and end of the last window with reads on the day of a window, seconds since 1970."""
        row = np.searchsorted(self._number, window)
        first, end = np.searchsorted(self._day, self._day[row] + np.arange(2))
        return int(self._number[first]) * WINDOW_S, int(self._number[end - 1] + 1) * WINDOW_S


class _Tag(NamedTuple):
    """What the rules look at.

    Attributes:
        windows: See there.
        moves: See there.
        day: The day of each window.
        present_s: Heard for so long on the day with the most; of this day are:
        share: Share of its windows at home,
        returns: how often it came back there.
        staff_zone_s: In visits to zones of kind ``staff``.
        home: The home's antennas in words.
    """

    windows: Windows
    moves: Moves
    day: Ints
    present_s: int
    share: float
    returns: int
    staff_zone_s: float
    home: str


def find_kinds(
    reads: pd.DataFrame,
    visits: pd.DataFrame,
    store: Store,
    known: KnownTags | None = None,
    rules: Rules | None = None,
) -> pd.DataFrame:
    """What each tag is, and why.

    Args:
        reads: Checked reads, of a whole day or more; of a few hours only little can be told.
        visits: ``epc, zone, enter, exit`` of these reads.
        store: The store file.
        known: Tags of which somebody has said what they are.
        rules: See there.

    Returns:
        A row per tag, by EPC: ``epc``; ``kind`` (`KINDS`); ``reason``, a sentence; ``span_s``, from its first to its
        last read; ``present_s``, time in windows of five minutes with reads on the day with the most; ``still_s``, its
        longest rest; ``change_db``, by how much its strength changed from window to window in this rest; and of the
        day with the most, ``home_share``, share of its windows where it mostly was, and ``returns``, how often it came
        back there.
    """
    known, rules = known or KnownTags(), rules or Rules()
    heard = Heard(reads)
    names = _antenna_names(heard, store)
    windows = list(heard.windows())
    days = _Days(windows, store)
    staff_zone_s = _staff_zone_s(visits, store)
    rows = []
    for epc, one in zip(heard.epcs, windows, strict=True):
        tag = _look_at(one, days.of(one.number), staff_zone_s.get(epc, 0.0), names)
        kind, reason = known.of(epc) or _at_rest(tag, days, rules) or _at_work(tag, rules) or _shopping(tag)
        rest = max(tag.moves.rests, key=lambda rest: rest.still_s, default=Rest(0, -1, 0.0))
        rows.append(
            (epc, kind, reason, one.last_s - one.first_s, tag.present_s, rest.still_s, rest.change_db,
             tag.share, tag.returns)
        )  # fmt: skip
    columns = [EPC, KIND, REASON, "span_s", "present_s", "still_s", "change_db", "home_share", "returns"]
    types = dict.fromkeys((EPC, KIND, REASON), "str") | dict.fromkeys(("span_s", "present_s", "still_s"), "int64")
    types |= {"change_db": "float64", "home_share": "float64", "returns": "int64"}
    return pd.DataFrame(rows, columns=columns).astype(types)


def only_shoppers(table: pd.DataFrame, kinds: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table with ``epc`` whose tags are shoppers, or of no known kind."""
    others = kinds.loc[kinds[KIND] != SHOPPER, EPC]
    return table[~table[EPC].isin(others)]


def summarize_kinds(kinds: pd.DataFrame) -> list[str]:
    """A line for each kind that is left out, with an example of the reason."""
    lines = []
    for kind in KINDS:
        these = kinds[kinds[KIND] == kind]
        if kind != SHOPPER and len(these):
            first = these.sort_values(["span_s", EPC], ascending=[False, True], kind="stable").iloc[0]
            lines.append(f"not counted: {len(these)} tags, {kind}; such as {first[EPC]}: {first[REASON]}")
    return lines


def _look_at(windows: Windows, day: Ints, staff_zone_s: float, names: list[str]) -> _Tag:
    moves = find_moves(windows)
    counted, times = np.unique(day, return_counts=True)
    longest = day == counted[times.argmax()]
    is_away = moves.is_away[longest]
    return _Tag(
        windows=windows,
        moves=moves,
        day=day,
        present_s=int(times.max()) * WINDOW_S,
        share=float(moves.is_home[longest].mean()),
        returns=int((is_away[:-1] & ~is_away[1:]).sum()),
        staff_zone_s=staff_zone_s,
        home=_listed([names[antenna] for antenna in moves.home.tolist()]),
    )


def _at_rest(tag: _Tag, days: _Days, rules: Rules) -> tuple[str, str] | None:
    """Whether it is a thing that lies somewhere."""
    rests = [rest for rest in tag.moves.rests if rest.change_db <= rules.change_db]
    if not rests:
        return None
    rest = max(rests, key=lambda rest: rest.still_s)
    first_s, last_s = days.bounds_s(rest.first)[0], days.bounds_s(rest.last)[1]
    begin_s, end_s = (
        max(rest.first * WINDOW_S, tag.windows.first_s),
        min((rest.last + 1) * WINDOW_S, tag.windows.last_s),
    )
    lasts = last_s - first_s >= rules.day_s and last_s - end_s <= rules.end_s and rest == tag.moves.rests[-1]
    lay = f"lay {_hours(end_s - begin_s)} in one place, within reach of {tag.home} alone"
    until = f"{lay} until the reads ended" if lasts else lay
    if not tag.moves.is_away.any():
        if rest.still_s < (rules.left_at_end_s if lasts else rules.still_s):
            return None
        if begin_s - first_s <= rules.edge_s and last_s - end_s <= rules.edge_s:
            return STOCK, f"{lay}, from the first reads of a day to the last, and was never elsewhere"
        return STUCK, f"{until}, and was never elsewhere"
    elsewhere = (tag.windows.number < rest.first) | (tag.windows.number > rest.last)
    if _longest_s(tag.day[elsewhere]) >= rules.staff_s:
        return None  # staff who stood still for a while
    if rest.still_s < (rules.left_at_end_s if lasts else rules.left_s):
        return None
    return FORGOTTEN, f"{until}, after it had been elsewhere"


def _at_work(tag: _Tag, rules: Rules) -> tuple[str, str] | None:
    """Whether it is worn by staff."""
    if tag.staff_zone_s >= rules.staff_zone_s:
        return STAFF, f"{tag.staff_zone_s / 60:.0f} min in zones that only staff enter"
    heard = (
        f"heard for {_hours(tag.present_s)} on a day, {tag.share:.0%} of it within reach of {tag.home}, "
        f"and came back there {tag.returns} times"
    )
    if tag.present_s >= rules.staff_s:
        return STAFF, heard
    if tag.present_s >= rules.post_s and tag.share >= rules.post_share and tag.returns >= rules.post_returns:
        return STAFF, heard
    days = np.unique(tag.day, return_counts=True)[1] * WINDOW_S >= rules.regular_s
    if days.sum() >= rules.regular_days:
        return STAFF, f"heard for {_hours(rules.regular_s)} and more on each of {days.sum()} days"
    return None


def _shopping(tag: _Tag) -> tuple[str, str]:
    return SHOPPER, f"heard for {_hours(tag.present_s)} on a day"


def _longest_s(day: Ints) -> int:
    """Seconds in windows of the day that has the most of them."""
    return int(np.unique(day, return_counts=True)[1].max(initial=0)) * WINDOW_S


def _hours(seconds: float) -> str:
    return f"{seconds / HOUR_S:.1f} h" if seconds >= HOUR_S else f"{seconds / 60:.0f} min"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more


def _antenna_names(heard: Heard, store: Store) -> list[str]:
    zones = {
        (reader.id, antenna.port): zone.id
        for reader in store.reader
        for antenna in reader.antenna
        if (zone := antenna_zone(store, antenna)) is not None
    }
    return [
        f"antenna {port} of {reader}" + (f" ({zones[reader, port]})" if (reader, port) in zones else "")
        for reader, port in heard.antennas
    ]


def _staff_zone_s(visits: pd.DataFrame, store: Store) -> dict[str, float]:
    staff = [zone.id for zone in store.zone if zone.kind == STAFF]
    visits = validate_visits(visits[visits["zone"].isin(staff)])
    dwell_us = us_of_times(visits["exit"]) - us_of_times(visits["enter"])
    total_us = pd.Series(dwell_us, index=visits[EPC]).groupby(level=0).sum()
    return {str(epc): us / _SECOND_US for epc, us in total_us.items()}
