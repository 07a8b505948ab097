"""Clocks, passed in from outside, so that a simulated day can run faster than a real one.

A time is an integer of microseconds since 1970-01-01 UTC (``…_us``); an interval is seconds (``…_s``).
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tagtrail.hardware.errors import GiveUp


class Clock(Protocol):
    """Tells the time of the store that is being watched."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...

    def seconds_until(self, time_us: int) -> float:
        """Real seconds to sleep until the store's clock shows ``time_us``; 0 when that is past."""
        ...


@dataclass(frozen=True)
class WallClock:
    """The clock of this machine."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    def seconds_until(self, time_us: int) -> float:
        """Seconds to sleep until ``time_us``."""
        return max(0.0, (time_us - self.now_us()) / 1e6)


@dataclass(frozen=True)
class ScaledClock:
    """A clock that showed ``origin_us`` when this machine showed ``anchor_us``, and runs ``rate`` times as fast.

    Every process of a demo gets the same three numbers and so agrees on the store's time.
    """

    anchor_us: int
    origin_us: int
    rate: float

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, in the store's time."""
        return self.at(time.time_ns() // 1000)

    def at(self, machine_us: int) -> int:
        """What it shows when this machine shows ``machine_us``."""
        return self.origin_us + int((machine_us - self.anchor_us) * self.rate)

    def seconds_until(self, time_us: int) -> float:
        """Real seconds to sleep until the store's clock shows ``time_us``."""
        return max(0.0, (time_us - self.now_us()) / 1e6 / self.rate)

    def text(self) -> str:
        """The form that `parse_clock` reads."""
        return f"{self.anchor_us},{self.origin_us},{self.rate:g}"


def parse_clock(text: str) -> Clock:
    """Read the ``clock`` setting: ``real``, or ``ANCHOR_US,ORIGIN_US,RATE`` of a `ScaledClock`.

    >>> parse_clock("real")
    WallClock()
    >>> parse_clock("1700000000000000,1600000000000000,60").rate
    60.0

    Raises:
        GiveUp: The text is neither.
    """
    if text == "real":
        return WallClock()
    try:
        anchor, origin, rate = text.split(",")
        clock = ScaledClock(int(anchor), int(origin), float(rate))
    except ValueError:
        raise GiveUp(f"clock {text!r}: expected 'real' or 'ANCHOR_US,ORIGIN_US,RATE'") from None
    if not 0 < clock.rate < float("inf"):
        raise GiveUp(f"clock {text!r}: the rate must be a positive number")
    return clock


def utc_us(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC of an aware ``datetime``.

    Raises:
        ValueError: The time has no zone, so it could mean any of 38 moments.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return round(moment.timestamp() * 1_000_000)
