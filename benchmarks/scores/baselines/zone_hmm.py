"""A plain hidden Markov model: one state per zone and one for no zone, reads of each antenna by Poisson's law."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from scores.baselines.steps import NOWHERE, SECOND_US, Baseline, Floats, Ints, Stretch, antennas_of, stretches
from tagtrail.analytics.columns import EPC, TIME, ZONE, us_of_times
from tagtrail.hardware.store import Store

OWN_RATE, OTHER_RATE = 2.0, 0.1
"""Reads per second by an antenna of one's zone and by another, where nobody has told."""
STAY_S = 20.0


class Statistics(NamedTuple):
    """Of one second; the last state is being in no zone.

    Attributes:
        rate: Reads by state and antenna.
        mean_dbm: Mean strength, same shape.
        sd_db: Its spread.
        step: Chance of each state after each.
    """

    rate: Floats
    mean_dbm: Floats
    sd_db: float
    step: Floats


def assumed(store: Store) -> Statistics:
    """What the store file makes one think."""
    antennas = antennas_of(store)
    states = len(antennas.zones) + 1
    rate = np.full((states, len(antennas.zone)), OTHER_RATE)
    for antenna, zone in enumerate(antennas.zone.tolist()):
        if zone != NOWHERE:
            rate[zone, antenna] = OWN_RATE
    step = np.full((states, states), 1 / (STAY_S * (states - 1)))
    np.fill_diagonal(step, 1 - 1 / STAY_S)
    return Statistics(rate, np.full_like(rate, -60.0), 1e3, step)


def told(store: Store, reads: pd.DataFrame, truth: pd.DataFrame, gap_s: float = 600.0) -> Statistics:
    """What a calibration tells, or the truth.

    Args:
        store: The layout.
        reads: Checked reads.
        truth: ``epc, time, zone`` for each second; zones that are not in the layout mean none.
        gap_s: Silence that parts a tag's reads.
    """
    antennas = antennas_of(store)
    codes = {zone: code for code, zone in enumerate(antennas.zones)}
    states = len(codes) + 1
    seconds, moved = np.full(states, 1e-3), np.full((states, states), 1e-2 / states)
    count, total, square = (np.zeros((states, len(antennas.zone))) for _ in range(3))
    by_tag = dict(iter(truth.groupby(EPC, observed=True)))
    for one in stretches(reads, antennas, gap_s):
        if one.epc not in by_tag:
            continue
        rows = by_tag[one.epc].sort_values(TIME)
        at = (us_of_times(rows[TIME]) - one.start_us) // SECOND_US
        state = rows[ZONE].map(codes).fillna(states - 1).to_numpy(dtype=np.int64)
        by_step = np.full(one.steps, -1)
        inside = (at >= 0) & (at < one.steps)
        by_step[at[inside]] = state[inside]
        np.add.at(seconds, by_step[by_step >= 0], 1)
        both = (by_step[1:] >= 0) & (by_step[:-1] >= 0)
        np.add.at(moved, (by_step[:-1][both], by_step[1:][both]), 1)
        of_read = by_step[one.time_s.astype(np.int64)]
        known = of_read >= 0
        at_cell = (of_read[known], one.antenna[known])
        np.add.at(count, at_cell, 1)
        np.add.at(total, at_cell, one.rssi_dbm[known])
        np.add.at(square, at_cell, one.rssi_dbm[known] ** 2)
    overall = total.sum() / max(count.sum(), 1)
    mean = (total + 5 * overall) / (count + 5)
    variance = (square - 2 * mean * total + count * mean**2).sum() / max(count.sum(), 1)
    rate = (count + 0.02) / (seconds + 1.0)[:, None]
    return Statistics(rate, mean, float(np.sqrt(max(variance, 1.0))), moved / moved.sum(axis=1, keepdims=True))


class ZoneHmm(Baseline):
    """The likeliest zone of each second (forward-backward).

    Args:
        store: The layout.
        statistics: `assumed` where nobody has told them.
        lag_s: None for the smoother, else how many seconds later each second is told.
    """

    def __init__(self, store: Store, statistics: Statistics | None = None, lag_s: int | None = None) -> None:
        super().__init__(store)
        self._statistics = statistics or assumed(store)
        self._lag_s = lag_s

    def label(self, stretch: Stretch) -> Ints:
        """Zone of each second."""
        rate, mean, sd, step = self._statistics
        count, total = stretch.counts(rate.shape[1]), stretch.sums_dbm(rate.shape[1])
        square = np.bincount(
            stretch.time_s.astype(np.int64), (stretch.rssi_dbm + 60.0) ** 2, minlength=stretch.steps
        )  # the same for all states: of no use but to keep numbers small
        shift = mean + 60.0
        log_heard = count @ np.log(rate).T - rate.sum(axis=1)
        log_heard += (total + 60.0 * count) @ (shift / sd**2).T - count @ (shift**2 / (2 * sd**2)).T
        log_heard -= (square / (2 * sd**2))[:, None]
        heard = np.exp(log_heard - log_heard.max(axis=1, keepdims=True)) + 1e-12
        shares = posterior(heard, step, self._lag_s)
        label = shares.argmax(axis=1)
        return np.where(label == len(self.antennas.zones), NOWHERE, label)


def posterior(heard: Floats, step: Floats, lag_s: int | None) -> Floats:
    """Shares of the states at each second, by what was heard until then and after it."""
    steps, states = heard.shape
    past = np.empty_like(heard)
    now = np.full(states, 1 / states)
    for t in range(steps):
        now = (now @ step if t else now) * heard[t]
        now /= now.sum()
        past[t] = now
    if lag_s is None:
        future = np.ones(states)
        shares = past.copy()
        for t in range(steps - 2, -1, -1):
            future = step @ (future * heard[t + 1])
            future /= future.max()
            shares[t] *= future
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))
    shares = past.copy()
    for t in range(steps):
        future = np.ones(states)
        for later in range(min(t + lag_s, steps - 1), t, -1):
            future = step @ (future * heard[later])
            future /= future.max()
        shares[t] *= future
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
