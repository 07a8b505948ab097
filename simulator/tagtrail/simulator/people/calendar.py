"""When the store is open, and how many people come in which hour."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

TIME_OF_DAY: Final = r"^(([01]\d|2[0-3]):[0-5]\d|24:00)\Z"
TimeOfDay = Annotated[str, Meta(pattern=TIME_OF_DAY, description="a time of day such as '10:00'")]
DATE: Final = "%Y-%m-%d"
HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S

BY_HOUR: Final = (
    0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 1.0, 1.25, 1.2, 1.0, 1.0, 1.1, 1.3, 1.45, 1.3,
    1.0, 0.7, 0.4, 0.3,
)  # fmt: skip
"""A peak at noon and a higher one after work, as door counters of city stores show them."""
BY_WEEKDAY: Final = (0.85, 0.85, 0.9, 0.95, 1.15, 1.6, 1.2)
Weight = Annotated[float, Meta(ge=0)]


class Opening(NamedTuple):
    """The hours of one day, in seconds since the world's time 0; clocks may change in between."""

    day: date
    opens_s: float
    closes_s: float


class Calendar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[calendar]`` of a scenario."""

    opens: TimeOfDay = "10:00"
    closes: TimeOfDay = "22:00"
    shoppers_per_day: Annotated[
        float, Meta(ge=0, le=200_000, description="shoppers on a day whose factor is 1, groups counted by heads")
    ] = 1500.0
    by_hour: Annotated[
        tuple[Weight, ...],
        Meta(min_length=24, max_length=24, description="24 weights, the first for 0:00 to 1:00"),
    ] = BY_HOUR
    by_weekday: Annotated[
        tuple[Weight, ...],
        Meta(min_length=7, max_length=7, description="factors for Monday to Sunday; 0 is closed"),
    ] = BY_WEEKDAY
    days: Annotated[
        dict[str, Weight],
        Meta(description='factors of special days, which count instead of the weekday\'s: "2026-12-24" = 0.5'),
    ] = {}

    def faults(self) -> list[str]:
        """What cannot be, as ``key: reason``."""
        found = []
        if hour_of(self.opens) >= hour_of(self.closes):
            found.append(f"calendar.closes: the store closes at {self.closes}, but opens only at {self.opens}")
        elif self.shoppers_per_day and not any(weight for _, weight in self._hours()):
            found.append("calendar.by_hour: all weights within the opening hours are 0, so nobody can come")
        for day in self.days:
            try:
                datetime.strptime(day, DATE)  # noqa: DTZ007 - a date has no zone
            except ValueError:
                found.append(f"calendar.days: {day!r} is no date such as '2026-12-24'")
        return found

    def factor(self, day: date) -> float:
        """How many times the usual shoppers come on a day."""
        return self.days.get(day.strftime(DATE), self.by_weekday[day.weekday()])

    def opening(self, day: date, start: datetime) -> Opening | None:
        """The hours of a day in a world that starts at ``start``; None if the store stays closed."""
        if not self.factor(day):
            return None
        return Opening(day, seconds_at(day, hour_of(self.opens), start), seconds_at(day, hour_of(self.closes), start))

    def next_opening(self, start: datetime) -> datetime | None:
        """When the store opens next from a local time on, or since when it is open then; None: not within a year."""
        for days in range(366):
            day = start.date() + timedelta(days=days)
            opening = self.opening(day, start)
            if opening and opening.closes_s > 0:
                return datetime.combine(day, time(), start.tzinfo) + timedelta(hours=hour_of(self.opens))
        return None

    def rates(self, day: date, start: datetime) -> Iterator[tuple[float, float, float]]:
        """Shoppers per second as steps: from, until (seconds since ``start``), rate. The steps of a day follow on."""
        hours = list(self._hours())
        total = sum((high - low) * weight for (low, high), weight in hours)
        shoppers = self.shoppers_per_day * self.factor(day)
        for (low, high), weight in hours:
            since_s, until_s = seconds_at(day, low, start), seconds_at(day, high, start)
            if weight and until_s > since_s:
                yield since_s, until_s, shoppers * (high - low) * weight / total / (until_s - since_s)

    def arrivals_s(self, day: date, start: datetime, group_size: float, rng: np.random.Generator) -> Iterator[float]:
        """When groups come on a day: a non-homogeneous Poisson process.

        Unit exponential steps are laid along the integral of the rate (Cinlar 1975, time change).

        Args:
            day: Local date.
            start: Local, zone-aware; time 0.
            group_size: Mean heads of a group.
            rng: The day's own.
        """
        needed = float(rng.exponential())
        for since_s, until_s, rate in self.rates(day, start):
            groups_per_s = rate / group_size
            while groups_per_s * (until_s - since_s) > needed:
                since_s += needed / groups_per_s
                yield since_s
                needed = float(rng.exponential())
            needed -= groups_per_s * (until_s - since_s)

    def _hours(self) -> Iterator[tuple[tuple[float, float], float]]:
        """The hours within the opening hours, cut where these begin or end within an hour, and their weights."""
        opens, closes = hour_of(self.opens), hour_of(self.closes)
        for hour, weight in enumerate(self.by_hour):
            low, high = max(float(hour), opens), min(hour + 1.0, closes)
            if low < high:
                yield (low, high), weight


def hour_of(text: str) -> float:
    """Hours since midnight of a time of day."""
    return int(text[:2]) + int(text[3:]) / 60


def seconds_at(day: date, hour: float, start: datetime) -> float:
    """Seconds from ``start`` until an hour of a day on the store's clock."""
    local = datetime.combine(day + timedelta(days=hour // 24), time(), start.tzinfo) + timedelta(hours=hour % 24)
    return local.timestamp() - start.timestamp()
