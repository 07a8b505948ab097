"""Radio maps of curves over distance: one that is assumed, and the one that explains what was seen.

All antennas share the curves of rate and strength; each has a factor and a level of its own, in the measure of what was
seen of it.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tagtrail.analytics.place.hearing import Bools, Floats, Hearing

SLOPE_DB: Final = 25.0
"""Loss per decade of distance that is assumed at first."""
REACH_MIN_M: Final = 2.0
REACH_MAX_M: Final = 6.0
COVERED_M: Final = 15.0
"""Beyond this no antenna reads a passive tag; such cells say nothing of how dense the antennas hang."""
READS_PER_S: Final = 2.5
"""Of one tag by all antennas, that is assumed at first."""
LEVEL_DBM: Final = -62.0
"""Strength at that reach that is assumed at first."""
FIRST_SD_DB: Final = 9.0
"""Spread of strengths that is assumed at first: next to nothing is known of them."""
SD_MIN_DB: Final = 9.0
"""Strengths are never believed closer than this: a body that is in the way now is in the way in the next second too."""
BINS: Final = 24
"""Steps of distance, of equal ratio, over which the shared curve of rates is held."""


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How radio maps are learned, and how much is needed to believe what was seen.

    Attributes:
        reaches: How far antennas may hear well, over the median distance to the nearest antenna; the first one is
            assumed where nothing is known.
        rounds: Of expectation maximisation.
        steps: Seconds of tags that are learned from at most: enough for hundreds of cells.
        steps_foretold: Seconds of tags by which maps are compared, at most.
        lead: Another map is taken only if it foretells reads better, by so many nats a read.
        lead_in_all: And so many nats besides, whatever the number of reads.
        cell_s: Seconds in a cell after which its own rate weighs as much as the curve's.
        cell_reads: Reads after which a cell's own strength weighs as much as the curve's.
        antenna_reads: Reads after which an antenna's own level and rate weigh as much as those of all.
        map_sd_db: How much strengths at known places differ from the curve.
        map_m: Over what distance such differences are alike.
        map_noise_db: Spread of the reads at one place.
        map_reads: Reads at one place that are worth as much as the place itself.
    """

    reaches: tuple[float, ...] = (1.0, 0.7, 0.5, 1.4, 2.0)
    rounds: int = 4
    steps: int = 50_000
    steps_foretold: int = 30_000
    lead: float = 0.001
    lead_in_all: float = 5.0
    cell_s: float = 1e5
    cell_reads: float = 1e5
    antenna_reads: float = 100.0
    map_sd_db: float = 3.0
    map_m: float = 3.0
    map_noise_db: float = 4.0
    map_reads: float = 20.0


@dataclass
class Counts:
    """What was seen: seconds by cell; reads, reads with a strength, and its sums by antenna and cell."""

    seconds: Floats
    reads: Floats
    known: Floats
    sum_dbm: Floats
    sum2_dbm: Floats

    @staticmethod
    def none(antennas: int, cells: int) -> "Counts":
        """Nothing seen."""
        return Counts(np.zeros(cells), *(np.zeros((antennas, cells)) for _ in range(4)))


def first_hearing(distance_m: Floats, inside: Bools, reach: float = 1.0) -> Hearing:
    """A radio map from distances alone.

    Args:
        distance_m: Antennas x cells; infinite where an antenna hears nothing.
        inside: Whether each cell is in a zone: how dense the antennas hang is asked there.
        reach: How far an antenna hears well, over the median distance to the nearest antenna.
    """
    finite = np.isfinite(distance_m)
    nearest = distance_m.min(axis=0)
    covered = nearest[inside & (nearest < COVERED_M)]
    reach_m = min(max(REACH_MIN_M, float(np.median(covered)) * reach), REACH_MAX_M) if len(covered) else REACH_MAX_M
    shape = np.where(finite, np.exp(-0.5 * (np.where(finite, distance_m, 0.0) / reach_m) ** 2), 0.0)
    near = inside & (nearest < 2 * reach_m)
    rate = shape * READS_PER_S / max(float(shape.sum(axis=0)[near].mean()) if near.any() else 1.0, 0.1)
    mean = LEVEL_DBM - SLOPE_DB * np.log10(np.where(finite, distance_m, 100.0) / reach_m)
    return Hearing(rate, mean, np.full(len(distance_m), FIRST_SD_DB))


def fit_hearing(distance_m: Floats, counts: Counts, numbers: Learning) -> Hearing:
    """The radio map that explains what was seen."""
    curve = _Curve(distance_m)
    rate = _rates(curve, counts, numbers)
    mean, sd = _strengths(curve, counts, numbers)
    return Hearing(rate, mean, sd)


def _rates(curve: "_Curve", counts: Counts, numbers: Learning) -> Floats:
    factor = np.ones(len(curve.finite))
    seconds = np.where(curve.finite, counts.seconds, 0.0)
    for _ in range(3):  # the shared curve and the antennas' own factors in turn
        exposed = curve.spread(seconds * factor[:, None]) + 1.0
        shape = curve.at(_falling((curve.spread(counts.reads) + 1e-3) / exposed, exposed))
        shape = np.where(curve.finite, shape, 0.0)
        expected = (shape * seconds).sum(axis=1)
        factor = (counts.reads.sum(axis=1) + numbers.antenna_reads) / (expected + numbers.antenna_reads)
    shape = np.maximum(shape * factor[:, None], 1e-6)
    return np.asarray((counts.reads + numbers.cell_s * shape) / (counts.seconds + numbers.cell_s))


def _falling(value: Floats, weight: Floats) -> Floats:
    """The nearest values that never rise (pool adjacent violators)."""
    blocks: list[list[float]] = []
    for one, own in zip(value.tolist(), weight.tolist(), strict=True):
        blocks.append([one, own, 1])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            v, w, n = blocks.pop()
            u, x, m = blocks.pop()
            blocks.append([(u * x + v * w) / (x + w), x + w, m + n])
    return np.repeat([block[0] for block in blocks], [int(block[2]) for block in blocks])


def _strengths(curve: "_Curve", counts: Counts, numbers: Learning) -> tuple[Floats, Floats]:
    finite = curve.finite
    weight = np.where(finite, counts.known, 0.0)
    total = float(weight.sum())
    if total < 1.0:
        return -65.0 - SLOPE_DB * curve.decades, np.full(len(weight), 7.0)
    own = weight.sum(axis=1)
    level = np.zeros(len(weight))
    first = float(counts.sum_dbm[finite].sum()) / total
    far = -SLOPE_DB * curve.middle_decades
    far = far - float((curve.spread(weight) * far).sum()) / total + first
    for _ in range(3):  # the shared curve and the antennas' own levels in turn
        seen = curve.spread(weight)
        sums = curve.spread(np.where(finite, counts.sum_dbm - level[:, None] * counts.known, 0.0))
        values = _falling((sums + 20.0 * far) / (seen + 20.0), seen + 20.0)
        shape = curve.at(values)
        level = np.where(finite, counts.sum_dbm - shape * counts.known, 0.0).sum(axis=1) / (own + numbers.antenna_reads)
    mean = shape + level[:, None]
    mean = (np.where(finite, counts.sum_dbm, 0.0) + numbers.cell_reads * mean) / (weight + numbers.cell_reads)
    return mean, spread_db(mean, finite, counts, numbers)


def spread_db(mean_dbm: Floats, finite: Bools, counts: Counts, numbers: Learning) -> Floats:
    """Standard deviation of the strengths about a map, by antenna."""
    square = counts.sum2_dbm - 2 * mean_dbm * counts.sum_dbm + mean_dbm**2 * counts.known
    square, known = (np.where(finite, one, 0.0) for one in (square, counts.known))
    pooled = float(square.sum()) / max(float(known.sum()), 1.0)
    variance = (square.sum(axis=1) + numbers.antenna_reads * pooled) / (known.sum(axis=1) + numbers.antenna_reads)
    return np.asarray(np.sqrt(np.maximum(variance, SD_MIN_DB**2)))


class _Curve:
    """A curve over distance, by its values at `BINS` distances of equal ratio and straight lines between them."""

    def __init__(self, distance_m: Floats) -> None:
        self.finite = np.isfinite(distance_m)
        self.decades = np.log10(np.where(self.finite, distance_m, 100.0))
        inside = self.decades[self.finite]
        low, high = float(inside.min()), float(inside.max()) + 1e-9
        place = np.clip((self.decades - low) / (high - low) * (BINS - 1), 0, BINS - 1)
        self._left = np.minimum(place.astype(np.int64), BINS - 2)
        self._share = place - self._left
        self.middle_decades = low + (high - low) * np.arange(BINS) / (BINS - 1)

    def spread(self, value: Floats) -> Floats:
        """Sum of what there is of each antenna and cell, at the distances of the curve."""
        sums = np.zeros(BINS)
        for at, weight in ((self._left, 1 - self._share), (self._left + 1, self._share)):
            sums += np.bincount(at[self.finite], (weight * value)[self.finite], minlength=BINS)
        return sums

    def at(self, values: Floats) -> Floats:
        """The curve at each antenna and cell."""
        return np.asarray(values[self._left] * (1 - self._share) + values[self._left + 1] * self._share)
