"""What is measured of trials, recorded and simulated alike: read rates, gaps between reads, signal strength. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tagtrail.simulator.compare.trials import Trial
from tagtrail.simulator.compare.wearing import stay_seconds
from tagtrail.simulator.geometry import Bools, Floats

GAP_QUANTILES: Final = (0.5, 0.9, 0.99)
FAST_S: Final = 2.0
"""RSSI that differs between reads no further apart differs by fading, not by a move."""
READS_MIN: Final = 5
"""Of an antenna, place and trial, for a mean and a spread to be looked at."""


@dataclass(frozen=True)
class Strength:
    """RSSI of one antenna at one place.

    Attributes:
        reads: How many.
        mean_db: Mean, in dBm.
        sd_db: Spread of all reads.
    """

    reads: int
    mean_db: float
    sd_db: float


@dataclass(frozen=True)
class Measures:
    """Of a set of trials.

    Attributes:
        seconds: By place.
        rate: Reads per second, by place.
        antenna_rate: Reads per second by place and antenna port.
        gaps_s: Times between consecutive reads within a stay, by place.
        strength: RSSI by place and antenna port.
        fast_sd_db: Spread between reads of an antenna at most `FAST_S` apart in a stay.
        stay_sd_db: Spread within a trial, place and antenna.
        trial_sd_db: Spread between trials of the means of a place and antenna.
    """

    seconds: dict[str, float]
    rate: dict[str, float]
    antenna_rate: dict[tuple[str, int], float]
    gaps_s: dict[str, Floats]
    strength: dict[tuple[str, int], Strength]
    fast_sd_db: float
    stay_sd_db: float
    trial_sd_db: float

    def gap_quantiles_s(self, place: str) -> tuple[float, ...]:
        """`GAP_QUANTILES` of a place; NaN without gaps."""
        gaps = self.gaps_s[place]
        return tuple(np.quantile(gaps, GAP_QUANTILES).tolist()) if len(gaps) else (float("nan"),) * len(GAP_QUANTILES)


def measure(trials: Sequence[Trial]) -> Measures:
    """Measure trials."""
    seconds: dict[str, float] = {}
    gaps: dict[str, list[Floats]] = {}
    rssi: dict[tuple[str, int], list[Floats]] = {}
    reads: dict[str, int] = {}
    fast: list[Floats] = [np.zeros(0)]
    for trial in trials:
        for place, stayed_s in stay_seconds(trial.stays).items():
            seconds[place] = seconds.get(place, 0.0) + stayed_s
        for place, mine in _by_place(trial):
            reads[place] = reads.get(place, 0) + int(np.count_nonzero(mine))
            same_stay = np.diff(trial.stay[mine]) == 0
            gaps.setdefault(place, []).append(np.diff(trial.time_s[mine])[same_stay])
            for port in np.unique(trial.port[mine]).tolist():
                at = np.flatnonzero(mine & (trial.port == port))
                rssi.setdefault((place, port), []).append(trial.rssi_dbm[at])
                near = (np.diff(trial.time_s[at]) <= FAST_S) & (np.diff(trial.stay[at]) == 0)
                fast.append(np.diff(trial.rssi_dbm[at])[near])
    parts = {key: [part for part in parts if len(part) >= READS_MIN] for key, parts in sorted(rssi.items())}
    within = [part - part.mean() for of_key in parts.values() for part in of_key]
    means = [np.array([part.mean() for part in of_key]) for of_key in parts.values() if len(of_key) > 1]
    return Measures(
        seconds=dict(sorted(seconds.items())),
        rate={place: reads.get(place, 0) / stayed_s for place, stayed_s in sorted(seconds.items()) if stayed_s},
        antenna_rate={
            (place, port): sum(map(len, rssi[place, port])) / seconds[place]
            for place, port in sorted(rssi)
            if seconds.get(place)
        },
        gaps_s={place: np.concatenate(gaps.get(place, [np.zeros(0)])) for place in sorted(seconds)},
        strength={key: _strength(np.concatenate(parts)) for key, parts in sorted(rssi.items())},
        fast_sd_db=_spread([np.concatenate(fast) / np.sqrt(2.0)]),  # a difference has twice the variance
        stay_sd_db=_spread(within),
        trial_sd_db=_spread([mean - mean.mean() for mean in means]),
    )


def _by_place(trial: Trial) -> Iterator[tuple[str, Bools]]:
    places = np.array([stay.place for stay in trial.stays])[trial.stay]
    for place in sorted({stay.place for stay in trial.stays}):
        yield place, np.asarray(places == place)


def _strength(rssi_dbm: Floats) -> Strength:
    return Strength(len(rssi_dbm), float(rssi_dbm.mean()), float(rssi_dbm.std()))


def _spread(parts: Sequence[Floats]) -> float:
    """Root mean square of values whose mean is taken off already; NaN of none."""
    values = np.concatenate([*parts, np.zeros(0)])
    return float(np.sqrt(np.mean(values**2))) if len(values) else float("nan")
