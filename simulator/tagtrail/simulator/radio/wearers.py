"""The tags of a block of presence, one row per tag and cycle, with all that is the same for every antenna. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tagtrail.simulator.geometry import Ints
from tagtrail.simulator.presence import CYCLE_S, Body, Presence
from tagtrail.simulator.radio.draws import Singles, Words, mixed, normals, quarter, share, word, words
from tagtrail.simulator.radio.model import RadioModel

Indices = NDArray[np.intp]

POSTURE_MAX_SD: Final = 2.5
"""No posture is further out than so many spreads: people bend only so far."""
_TAG, _CYCLE, _POSTURE, _STRAY = range(4)
"""What a draw is for."""


class Wearers:
    """The working tags of some bodies, in columns.

    Attributes:
        number: Running number.
        offset_db: Power that a tag needs beyond the usual.
        height_m: Above the floor.
        ahead: 1 worn in front, -1 behind, 0 at the side.
        tilt: Cosine and sine of how askew it is worn, against level.
        heading_rad: Where it points to, if it is on nobody.
    """

    def __init__(self, bodies: Mapping[int, Body], model: RadioModel, seed: int) -> None:
        self._model, self._seed = model, seed
        tags = [(number, tag) for number, body in bodies.items() for tag in body.tags]
        tags = [(number, tag) for number, tag in tags if math.isfinite(tag.sensitivity_offset_db)]
        self._body: Ints = np.array([number for number, _ in tags], dtype=np.int64)
        self.number: Ints = np.array([tag.number for _, tag in tags], dtype=np.int64)
        numbers = np.array([tag[2:] for _, tag in tags], dtype=np.float32).reshape(-1, 3)
        self.offset_db, self.height_m, self.ahead = (np.ascontiguousarray(column) for column in numbers.T)
        self._key = words(word(seed, _TAG), self.number)
        tilt_rad = np.float32(math.radians(model.tilt_sd_deg)) * normals()[quarter(self._key, 0)]
        self.tilt = (np.cos(tilt_rad), np.sin(tilt_rad))
        self.heading_rad = np.float32(2.0 * math.pi) * share(self._key, 1)
        self._phase = share(self._key, 2)

    def rows(self, presence: Presence) -> "Rows":
        """A row for each tag and cycle."""
        order = np.argsort(self._body, kind="stable")
        bodies = self._body[order]
        first = np.searchsorted(bodies, presence.body, side="left")
        count = np.searchsorted(bodies, presence.body, side="right") - first
        many = int(count.max(initial=0))
        # Most people have one tag: the rows of all first tags, then those of all second ones, and so on.
        of = [np.flatnonzero(count > place) for place in range(many)]
        row = np.concatenate([*of, np.zeros(0, dtype=np.intp)])
        tag = np.concatenate([order[first[rows] + place] for place, rows in enumerate(of)] + [row[:0]])
        return Rows(self, presence, row, tag, self._key, self._seed)

    def postures_db(self, antenna: np.uint64, periods: range) -> Singles:
        """Draws of the posture as one antenna sees it, by tag and period, before they are blended."""
        keys = self._key[:, None] ^ words(word(self._seed, _POSTURE), np.arange(periods.start, periods.stop))
        drawn = np.clip(normals()[quarter(mixed((keys ^ antenna).ravel()), 0)], -POSTURE_MAX_SD, POSTURE_MAX_SD)
        return np.float32(self._model.posture_sd_db) * drawn.reshape(keys.shape)

    def posture_time(self, cycle: Ints, tag: Indices) -> NDArray[np.float64]:
        """Time in periods of posture; each tag's begin at a time of their own."""
        return np.asarray(cycle * (CYCLE_S / self._model.posture_s) + self._phase[tag])

    def strays(self, windows: range, antennas: int) -> NDArray[np.int16]:
        """Which of the antennas of a floor a reflection favours, by tag and window of time; -1 for none."""
        keys = self._key[:, None] ^ words(word(self._seed, _STRAY), np.arange(windows.start, windows.stop))
        drawn = mixed(keys.ravel())
        happens = share(drawn, 0) < min(1.0, self._model.stray_share * antennas)
        which = (share(drawn, 1) * np.float32(antennas)).astype(np.int16)
        return np.where(happens, which, np.int16(-1)).reshape(keys.shape)


@dataclass(frozen=True)
class Blend:
    """A posture at a time: the draw of a period and that of the next, each with its weight.

    The weights are cosine and sine of one angle, so the spread is the same at all times.
    """

    at: Indices
    now: Singles
    next: Singles


class Rows:
    """One row per tag and cycle; columns.

    Attributes:
        tag: Index into the `Wearers`.
        cycle: Cycles since the first one of the block.
        facing: Cosine and sine of the heading.
        worn: 1 on a body, 0 on none.
        key: Of the draws of this tag in this cycle.
    """

    def __init__(
        self, wearers: Wearers, presence: Presence, row: Indices, tag: Indices, keys: Words, seed: int
    ) -> None:
        self.tag = tag
        self.first_cycle = int(presence.cycle[0]) if len(presence.cycle) else 0
        self.cycles = int(presence.cycle[-1]) + 1 - self.first_cycle if len(presence.cycle) else 0
        cycle = presence.cycle[row]
        self.cycle = cycle - self.first_cycle
        self.floor = presence.floor[row]
        self.x_m = presence.x_m[row].astype(np.float32)
        self.y_m = presence.y_m[row].astype(np.float32)
        facing = presence.facing_rad[row].astype(np.float32)
        nobody = np.isnan(facing)
        facing = np.where(nobody, wearers.heading_rad[tag], facing)
        self.facing = (np.cos(facing), np.sin(facing))
        self.worn = np.where(nobody, np.float32(0.0), np.float32(1.0))
        of_cycle = words(word(seed, _CYCLE), np.arange(self.first_cycle, self.first_cycle + self.cycles))
        self.key = mixed(keys[tag] ^ of_cycle[self.cycle])
        time = wearers.posture_time(cycle, tag)
        period = np.floor(time).astype(np.int64)
        angle = ((time - period) * (math.pi / 2.0)).astype(np.float32)
        self.periods = range(int(period.min()), int(period.max()) + 2) if len(period) else range(0)
        first_period = self.periods.start
        self.posture = Blend(tag * len(self.periods) + (period - first_period), np.cos(angle), np.sin(angle))
