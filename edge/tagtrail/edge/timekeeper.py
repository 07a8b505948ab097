"""What time it is, on a machine whose clock may be wrong, may be set, and may start in the year 2000.

Reads are stamped by a steady clock, which nobody sets: it runs since the machine was started, and its zero is what the
machine's clock showed when the agent first asked. What is learned later (the clock was set; ingest says otherwise)
corrects whatever is still in the spool, without touching it: a batch goes out with a ``shift``.

Ingest answers each status with its own time, and so bounds how wrong the steady clock is: not more than the time since
the question was asked can have passed since the answer was written (F. Cristian, "Probabilistic clock synchronization",
Distributed Computing 3, 1989).
"""

import secrets
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tagtrail.hardware.clock import Clock
from tagtrail.hardware.wire import CLOCK_CORRECTED, CLOCK_UNKNOWN, LATEST_US, PLAUSIBLE_US, TIME_MIN_US

ANSWERS: Final = 8
"""The best of so many answers counts: old enough to contain a quick one, young enough for clocks that drift."""


class Correction(NamedTuple):
    """What to add to times of the steady clock, and whether that makes them right (as ``clock`` of a batch).

    ``wall_us`` is what the machine's clock was ahead of the steady one when this was decided.
    """

    shift_us: int = 0
    state: str = ""
    wall_us: int = 0


class Run(NamedTuple):
    """The steady clock of one start of a machine: it shows ``epoch_us`` plus the time since then."""

    run: int
    machine: str
    epoch_us: int
    correction: Correction = Correction()


class Bounds(NamedTuple):
    """True time minus the steady clock's is from ``low_us`` to ``high_us``."""

    low_us: int
    high_us: int

    def admit(self, shift_us: int, limit_us: int) -> bool:
        """Whether a correction is right to within the limit, for all that is known."""
        return self.low_us - limit_us <= shift_us <= self.high_us + limit_us

    @property
    def middle_us(self) -> int:
        """The best guess."""
        return (self.low_us + self.high_us) // 2


def choose(applied: Correction, wall_us: int, bounds: Bounds | None, *, limit_us: int, plausible: bool) -> Correction:
    """The correction to apply from now on. Pure.

    It only moves when it is wrong by more than the limit, so that clocks which are disciplined by small steps reorder
    no reads. Ingest is believed before the machine's clock, since all agents are compared there.

    Args:
        applied: The one applied until now.
        wall_us: Machine's clock minus steady clock.
        bounds: What ingest says; None if it never answered.
        limit_us: How far off a clock may be.
        plausible: Whether the machine's clock may be right at all.
    """
    was_set = abs(wall_us - applied.wall_us) > limit_us
    seen_us = wall_us if was_set else applied.wall_us
    if bounds is not None:
        candidates = (applied.shift_us, 0, wall_us, bounds.middle_us)
        shift_us = next(shift for shift in candidates if bounds.admit(shift, limit_us))
    elif not plausible:
        return Correction(applied.shift_us, applied.state or CLOCK_UNKNOWN, seen_us)
    elif was_set or applied.state == CLOCK_UNKNOWN:
        shift_us = wall_us if abs(wall_us) > limit_us else 0
    else:
        shift_us = applied.shift_us
    return Correction(shift_us, CLOCK_CORRECTED if shift_us else "", seen_us)


def machine_start() -> str:
    """Names this start of the machine; where the system has no name for it, this start of the process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return secrets.token_hex(8)


def steady_us() -> int:
    """Microseconds since this machine was started: nobody sets it, and where possible it goes on in a suspend."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000


class Timekeeper:
    """The clock of an agent, from which reads get their times; they never run backwards.

    `now_us` and `seconds_until` may be called by any thread.

    Args:
        wall: The clock of the machine.
        limit_s: How far off that may be before times are corrected, in real seconds.
        steady: Microseconds since the machine was started.
    """

    def __init__(self, wall: Clock, *, limit_s: float, steady: Callable[[], int] = steady_us) -> None:
        self._wall = wall
        self._rate: float = getattr(wall, "rate", 1.0)
        self._steady = steady
        self._limit_us = round(limit_s * 1e6 * self._rate)
        start_us = wall.now_us()
        if not TIME_MIN_US <= start_us <= LATEST_US:
            start_us = TIME_MIN_US  # ingest takes no others, and a correction counts from here as well
        self._epoch_us = start_us - self._elapsed_us()
        self._answers: deque[Bounds] = deque(maxlen=ANSWERS)
        self.correction = Correction()

    @property
    def epoch_us(self) -> int:
        """What the steady clock shows at the machine's start."""
        return self._epoch_us

    def resume(self, run: Run) -> None:
        """Go on with the clock of an earlier run, before the first read is stamped."""
        self._epoch_us, self.correction = run.epoch_us, run.correction

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC, before any correction."""
        return self._epoch_us + self._elapsed_us()

    def seconds_until(self, time_us: int) -> float:
        """Real seconds until `now_us` is ``time_us``; 0 when that is past."""
        return max(0.0, (time_us - self.now_us()) / 1e6 / self._rate)

    def wall_us(self) -> int:
        """What the machine's clock shows."""
        return self._wall.now_us()

    def answered(self, asked_us: int, told_us: int) -> None:
        """Ingest was asked at ``asked_us`` (as of `now_us`), and its clock showed ``told_us`` when it heard that."""
        now_us = self.now_us()
        if asked_us <= now_us and self._plausible(told_us):
            self._answers.append(Bounds(told_us - now_us, told_us - asked_us))

    def correct(self) -> bool:
        """Look at all that is known now; returns whether `correction` has changed."""
        wall_us = self._wall.now_us()
        best = min(self._answers, key=lambda bounds: bounds.high_us - bounds.low_us, default=None)
        before, self.correction = self.correction, choose(
            self.correction,
            wall_us - self.now_us(),
            best,
            limit_us=self._limit_us,
            plausible=self._plausible(wall_us),
        )  # fmt: skip
        return self.correction != before

    def _plausible(self, time_us: int) -> bool:
        """Whether a clock that shows this may be right; a simulated one shows any time."""
        return PLAUSIBLE_US <= time_us <= LATEST_US or self._rate != 1.0

    def _elapsed_us(self) -> int:
        return self._steady() if self._rate == 1.0 else int(self._steady() * self._rate)
