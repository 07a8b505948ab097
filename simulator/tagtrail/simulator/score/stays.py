"""Stays as columns: who was in which zone from when to when; what can be done with them without a loop over rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tagtrail.simulator.geometry import Bools, Floats, Ints

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
MERGED: Final = -1


@dataclass(frozen=True)
class Stays:
    """Columns of one length.

    Attributes:
        who: Index of a person, or of a tag.
        zone: Index of the zone.
        enter_us: Microseconds since 1970 UTC.
        exit_us: Not before ``enter_us``; the first moment at which the stay is over.
        row: Row of the table from which the stay comes, `MERGED` where it comes from several.
    """

    who: Ints
    zone: Ints
    enter_us: Ints
    exit_us: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.who)

    @property
    def dwell_s(self) -> Floats:
        """Seconds."""
        return (self.exit_us - self.enter_us) / SECOND_US

    def take(self, rows: Ints | Bools) -> "Stays":
        """Some of the rows."""
        return Stays(self.who[rows], self.zone[rows], self.enter_us[rows], self.exit_us[rows], self.row[rows])

    def ordered(self) -> "Stays":
        """By who, enter, exit and zone: the result does not depend on the order of the rows."""
        return self.take(np.lexsort((self.zone, self.exit_us, self.enter_us, self.who)))

    def whole(self) -> "Stays":
        """Stays of one in one zone that overlap are joined to one stay.

        So two tags of one person make one stay where both were seen. Stays that only touch are two.
        """
        stays = self.take(np.lexsort((self.exit_us, self.enter_us, self.zone, self.who)))
        if not len(stays):
            return stays
        key = stays.who * (int(stays.zone.max()) + 1) + stays.zone
        first = np.flatnonzero(~_overlaps_earlier(key, stays.enter_us, stays.exit_us))
        alone = np.diff(np.append(first, len(stays))) == 1
        return Stays(
            stays.who[first],
            stays.zone[first],
            stays.enter_us[first],
            np.maximum.reduceat(stays.exit_us, first),
            np.where(alone, stays.row[first], MERGED),
        ).ordered()


def make_stays(who: Ints, zone: Ints, enter_us: Ints, exit_us: Ints) -> Stays:
    """Stays that come from the rows 0, 1, 2 and so on."""
    return Stays(who, zone, enter_us, exit_us, np.arange(len(who)))


class Order:
    """Finds moments among the sorted moments of many: a binary search by (key, time).

    Both are made to one number by the rank of the time, which cannot overflow as the time itself could.

    Args:
        key: Sorted, not negative.
        time_us: Sorted within a key.
    """

    def __init__(self, key: Ints, time_us: Ints) -> None:
        self._times = np.unique(time_us)
        self._base = len(self._times) + 1
        self._codes = key * self._base + np.searchsorted(self._times, time_us)

    def before(self, key: Ints, time_us: Ints) -> Ints:
        """How many moments have a lesser key, or the same and an earlier time."""
        return np.searchsorted(self._codes, key * self._base + np.searchsorted(self._times, time_us))

    def until(self, key: Ints, time_us: Ints) -> Ints:
        """The same, with those of the same time."""
        return np.searchsorted(self._codes, key * self._base + np.searchsorted(self._times, time_us, "right"))


def _overlaps_earlier(key: Ints, enter_us: Ints, exit_us: Ints) -> Bools:
    """Whether an interval begins before all earlier ones of its key are over; sorted by key and enter."""
    times = np.unique(np.concatenate([enter_us, exit_us]))
    base = len(times)
    latest = np.maximum.accumulate(key * base + np.searchsorted(times, exit_us))
    return np.append(False, key[1:] * base + np.searchsorted(times, enter_us[1:]) < latest[:-1])


@dataclass(frozen=True)
class Segments:
    """What a table of stays says at any time: pieces that do not overlap, sorted by who and start.

    Attributes:
        who: Index of a person.
        start_us: Microseconds since 1970 UTC.
        end_us: The first moment after it.
        label: Index into ``labels``.
        labels: The zones that were named at once, that of the stay which began first before the others. The first
            labels are the zones themselves.
    """

    who: Ints
    start_us: Ints
    end_us: Ints
    label: Ints
    labels: tuple[tuple[int, ...], ...]

    @cached_property
    def _order(self) -> Order:
        return Order(self.who, self.start_us)

    def label_at(self, who: Ints, time_us: Ints) -> Ints:
        """The label of somebody at a moment, -1 where there is none."""
        if not len(self.who):
            return np.full(len(who), -1)
        at = self._order.until(who, time_us) - 1
        inside = (at >= 0) & (self.who[at] == who) & (time_us < self.end_us[at])
        return np.where(inside, self.label[at], -1)

    def zone_at(self, who: Ints, time_us: Ints) -> Ints:
        """The zone of somebody at a moment: of several the one that was entered last; -1 where there is none."""
        last = np.array([*(zones[-1] for zones in self.labels), -1], dtype=np.int64)
        return np.asarray(last[self.label_at(who, time_us)])


def cut(stays: Stays, zones: int) -> Segments:
    """Cut stays to pieces that do not overlap. A stay without length within another one is lost, any other is kept."""
    stays = stays.ordered()
    overlaps = _overlaps_earlier(stays.who, stays.enter_us, stays.exit_us) if len(stays) else np.zeros(0, np.bool_)
    cluster = np.cumsum(~overlaps)
    tangled = np.isin(cluster, cluster[overlaps])
    labels: dict[tuple[int, ...], int] = {(zone,): zone for zone in range(zones)}
    plain = stays.take(~tangled)
    clusters = np.split(np.flatnonzero(tangled), np.flatnonzero(np.diff(cluster[tangled])) + 1)
    pieces = [
        (plain.who, plain.enter_us, plain.exit_us, plain.zone),
        *(_untangle(stays.take(rows), labels) for rows in clusters if rows.size),
    ]
    who, start_us, end_us, label = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.lexsort((end_us, start_us, who))
    return Segments(who[order], start_us[order], end_us[order], label[order], tuple(labels))


def _untangle(stays: Stays, labels: dict[tuple[int, ...], int]) -> tuple[Ints, Ints, Ints, Ints]:
    bounds = np.unique(np.concatenate([stays.enter_us, stays.exit_us]))
    inside = (stays.enter_us <= bounds[:-1, None]) & (bounds[1:, None] <= stays.exit_us)
    named = [tuple(dict.fromkeys(stays.zone[row].tolist())) for row in inside]
    label = np.array([labels.setdefault(zones, len(labels)) for zones in named], dtype=np.int64)
    return np.full(len(label), stays.who[0]), bounds[:-1], bounds[1:], label
