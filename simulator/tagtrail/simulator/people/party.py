"""People who came together: how they walk, ride, stand and wait. Each follows the first at a small distance."""

import math
from typing import Final

import numpy as np

from tagtrail.simulator.people.agenda import SECOND_US
from tagtrail.simulator.people.places import Places
from tagtrail.simulator.people.tracks import KNOT, Track
from tagtrail.simulator.people.walkways import Leg, Spot

BEHIND_S: Final = 0.8
"""Who walks together is so far apart: a step."""
STEP_M: Final = 1.2
"""How far from its spot one stands, where there is room."""
STEP_SPEED_M_S: Final = 0.6
ROOM_LEFT_M: Final = 0.2
"""Left to the next wall for the sway, see `tracks.SWAY_M`."""
PAUSE_MEAN_S: Final = 40.0
PAUSE_MIN_S: Final = 5.0
"""Who stays long turns, or makes a step, now and then."""
_FULL_TURN: Final = 2 * math.pi


class Party:
    """One or more people in motion.

    Attributes:
        tracks: The first leads.
        here: The spot at which they are, or to which they belong while they stand about it.
        free_us: When the first can do something else.
    """

    def __init__(self, tracks: list[Track], places: Places, rng: np.random.Generator, speed_m_s: float) -> None:
        self.tracks = tracks
        self.places = places
        self.rng = rng
        self.speed_m_s = speed_m_s
        self.here: Spot
        self.free_us = 0

    def enter(self, spot: Spot, time_us: int) -> None:
        """Come in at a spot."""
        self.here, self.free_us = spot, time_us
        facing = self._any_direction()
        for track in self.tracks:
            self._knot(track, time_us, spot.floor, *spot.point, facing)

    def walk(self, legs: list[Leg], goal: Spot) -> int:
        """Walk and ride to a spot; returns when the first is there."""
        time_us = self._back(self.free_us)
        for leg in legs:
            time_us = self._ride(leg, leg.seconds, time_us) if leg.seconds else self._pace(leg, time_us)
        self.here, self.free_us = goal, time_us
        return time_us

    def _pace(self, leg: Leg, time_us: int) -> int:
        floor = leg.floors[0]
        (x0, y0), *onward = leg.points
        for x1, y1 in onward:
            length_m = math.hypot(x1 - x0, y1 - y0)
            if length_m:
                facing = math.atan2(y1 - y0, x1 - x0)
                there_us = time_us + math.ceil(length_m / self.speed_m_s * SECOND_US)
                for track in self.tracks:
                    self._knot(track, time_us, floor, x0, y0, facing)
                    self._knot(track, there_us, floor, x1, y1, facing)
                x0, y0, time_us = x1, y1, there_us
        return time_us

    def _ride(self, leg: Leg, seconds: float, time_us: int) -> int:
        """The first half of a ride is spent at its one end, the second half at the other."""
        for floor, point in zip(leg.floors, leg.points, strict=True):
            there_us = time_us + round(seconds / 2 * SECOND_US)
            for track in self.tracks:
                facing = track.knots[-1]
                self._knot(track, time_us, floor, *point, facing)
                self._knot(track, there_us, floor, *point, facing)
            time_us = there_us
        return time_us

    def stay(self, seconds: float) -> int:
        """Stand about the spot, turning and stepping; returns when the first is free again."""
        end_us = self.free_us + round(seconds * SECOND_US)
        for track in self.tracks:
            self._stand(track, self.free_us, end_us)
        self.free_us = max(end_us, *(self._done_us(track) for track in self.tracks))
        return self.free_us

    def _stand(self, track: Track, time_us: int, end_us: int) -> None:
        reach_m = self._reach_m()
        back_us = math.ceil(reach_m / STEP_SPEED_M_S * SECOND_US)
        while end_us - time_us - 2 * back_us > PAUSE_MIN_S * SECOND_US:
            time_us = self._step(track, time_us, reach_m)
            pause_us = round(max(PAUSE_MIN_S, self.rng.exponential(PAUSE_MEAN_S)) * SECOND_US)
            time_us = min(time_us + pause_us, end_us - back_us)
            self._hold(track, time_us)
        self._go_back(track, time_us)
        if self._done_us(track) < end_us:
            self._hold(track, end_us)

    def settle(self) -> None:
        """Stand about the spot, for nobody knows how long; what comes next begins with the way back to the spot."""
        reach_m = self._reach_m()
        self.free_us = max(self._step(track, self.free_us, reach_m) for track in self.tracks)

    def leave(self) -> None:
        """Out of the door at which they are."""
        for track in self.tracks:
            track.leaves_us = self.free_us + track.delay_us + 1

    def wake(self, now_us: int) -> None:
        """Time has passed while they stood."""
        self.free_us = max(self.free_us, now_us)

    @staticmethod
    def _done_us(track: Track) -> int:
        """When the last planned move of a track ends, on the clock of the first."""
        return int(track.knots[-KNOT]) - track.delay_us

    def _reach_m(self) -> float:
        return max(0.0, min(STEP_M, self.places.room_m(self.here) - ROOM_LEFT_M))

    def _any_direction(self) -> float:
        return float(self.rng.random()) * _FULL_TURN - math.pi

    def _step(self, track: Track, time_us: int, reach_m: float) -> int:
        """To any place within reach of the spot, then turn anywhere; returns when that is done."""
        distance, direction = self.rng.random(2).tolist()
        distance, direction = reach_m * math.sqrt(distance), direction * _FULL_TURN
        x_m, y_m = self.here.point
        return self._stroll(track, time_us, x_m + distance * math.cos(direction), y_m + distance * math.sin(direction))

    def _back(self, time_us: int) -> int:
        """All to the spot itself, where ways begin; returns when the last has got there."""
        return max(self._go_back(track, time_us) for track in self.tracks)

    def _go_back(self, track: Track, time_us: int) -> int:
        if (track.knots[-3], track.knots[-2]) == self.here.point:
            return time_us
        return self._stroll(track, time_us, *self.here.point)

    def _stroll(self, track: Track, time_us: int, x_m: float, y_m: float) -> int:
        floor, x0, y0, facing = track.knots[-4:]
        length_m = math.hypot(x_m - x0, y_m - y0)
        if length_m:
            facing = math.atan2(y_m - y0, x_m - x0)
        there_us = time_us + math.ceil(length_m / STEP_SPEED_M_S * SECOND_US)
        self._knot(track, time_us, floor, x0, y0, facing)
        self._knot(track, there_us, floor, x_m, y_m, facing)
        self._knot(track, there_us, floor, x_m, y_m, self._any_direction())
        return there_us

    def _hold(self, track: Track, time_us: int) -> None:
        self._knot(track, time_us, *track.knots[-4:])

    def _knot(self, track: Track, time_us: int, floor: float, x_m: float, y_m: float, facing: float) -> None:
        track.knots.extend((time_us + track.delay_us, floor, x_m, y_m, facing))
