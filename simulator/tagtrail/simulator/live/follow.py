"""Goes with the store's clock: how far a live run may be by now, and how long it may sleep."""

import logging
import time
from typing import Final

from tagtrail.hardware.clock import Clock, ScaledClock
from tagtrail.simulator.presence import CYCLE_US
from tagtrail.simulator.progress import Pace

LAG_MAX_S: Final = 1.0
"""Real seconds behind the clock that are worth a word."""
CATCH_UP: Final = 4.0
"""Who is late goes at most so many times as fast as the clock: hosts must be able to follow."""
WAKE_MIN_S: Final = 0.004
"""Reads are sent in bunches of so much real time at least; waking for each would cost more than the reads."""
WAKE_MAX_S: Final = 0.1

log = logging.getLogger("tagtrail.simulate")


class Follower:
    """Tells how far a run may be.

    Where the machine was too slow, or asleep, the run goes on from where it was, at most `CATCH_UP` times as fast as
    the clock, until it has caught up.

    Args:
        clock: The store's.
        start_us: Where the run begins.

    Attributes:
        now_us: How far the run may be.
        block_cycles: Cycles worth looking at together: as many as pass while nobody wakes.
    """

    def __init__(self, clock: Clock, start_us: int) -> None:
        self.now_us = start_us
        self._clock = clock
        self._rate = clock.rate if isinstance(clock, ScaledClock) else 1.0
        self.block_cycles = max(1, int(WAKE_MAX_S * self._rate * 1e6 / CYCLE_US))
        self._turn_s = time.monotonic()
        self._warning = Pace()

    def turn(self) -> None:
        """Look at the clock."""
        clock_us = self._clock.now_us()
        turn_s, self._turn_s = self._turn_s, time.monotonic()
        furthest_us = min(self._turn_s - turn_s, WAKE_MAX_S) * self._rate * CATCH_UP * 1e6
        self.now_us = min(clock_us, self.now_us + round(furthest_us))
        lag_s = (clock_us - self.now_us) / 1e6 / self._rate
        if lag_s > LAG_MAX_S and self._warning.due():
            log.warning("%.1f s behind the clock; catching up, nothing is left out", lag_s)

    def seconds_until(self, time_us: int) -> float:
        """Real seconds that may be slept."""
        return min(max(self._clock.seconds_until(time_us), WAKE_MIN_S), WAKE_MAX_S)
