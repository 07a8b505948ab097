"""Constants of the radio model fitted to recorded trials: the ones that a recording of worn tags can tell. Pure.

What the recording cannot tell is left as it is: where antennas hung and what gain they had is not published with it,
so path loss and body loss by heading stay those of the literature. Its tag is a sensor that needs more power than a
shopper's card; level and threshold of the recording are therefore those of this tag alone (`as_recorded`).
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec.structs import replace

from tagtrail.hardware.store import Store
from tagtrail.simulator.compare.measures import Measures, measure
from tagtrail.simulator.compare.trials import Trial
from tagtrail.simulator.compare.wearing import simulated_trials
from tagtrail.simulator.radio.model import RadioModel

GRID: Final[dict[str, tuple[float, ...]]] = {
    "tag_gain_dbi": (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0),
    "answer_share": (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.75, 0.9),
    "multipath_k_db": (6.0, 9.0, 12.0, 15.0, 18.0),
    "fading_k_db": (12.0, 15.0, 18.0, 21.0, 24.0, 27.0),
    "posture_sd_db": (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0),
    "posture_s": (10.0, 30.0, 60.0, 120.0),
}
"""Values that are tried, one constant after the other."""
STARTS: Final = (0.2, 0.6)
"""Of `answer_share`: reads are rare because answers are lost, or because the tag hardly wakes, and a descent that
begins at the one does not find the other."""
PASSES: Final = 2
ROOMS: Final = 3
"""How many sets of shadows, spots and headings each value is tried in, lest it fits one of them."""
OF_THE_TAG: Final = ("tag_gain_dbi", "tag_sensitivity_dbm")
"""What is fitted, but holds for the recording's tag alone."""


RECORDED_ANSWER_SHARE: Final = 0.2
"""As `fit` found it for the recording's tag."""


def as_recorded(model: RadioModel, trials: Sequence[Trial], power_dbm: float) -> RadioModel:
    """The model with the recording's tag, which sends what its sensor measures: it is deafer, and is told less often.

    A tag that just wakes is the weakest that is heard: RSSI = P + 2 G - M with G = S - P, so S = (RSSI + P + M) / 2.
    Taken is the 1st percentile of the recorded RSSI.
    """
    weakest_dbm = float(np.nanquantile(np.concatenate([trial.rssi_dbm for trial in trials]), 0.01))
    sensitivity_dbm = round((weakest_dbm + power_dbm + model.modulation_loss_db) / 2.0, 1)
    return replace(model, tag_sensitivity_dbm=sensitivity_dbm, answer_share=RECORDED_ANSWER_SHARE)


def fit(trials: Sequence[Trial], store: Store, model: RadioModel, seed: int) -> RadioModel:
    """The model, with the constants of `GRID` at which simulated trials come nearest to recorded ones.

    By coordinate descent over the grid. The seeds are the same for all values, so that chance does not choose.
    """
    recorded = measure(trials)
    best, least = model, math.inf
    for start in STARTS:
        found, misfit = _descended(recorded, trials, store, replace(model, answer_share=start), seed)
        if misfit < least:
            best, least = found, misfit
    return best


def _descended(
    recorded: Measures, trials: Sequence[Trial], store: Store, model: RadioModel, seed: int
) -> tuple[RadioModel, float]:
    best, least = model, _misfit(recorded, trials, store, model, seed)
    for _ in range(PASSES):
        for name, values in GRID.items():
            for value in values:
                tried = replace(best, **{name: value})
                misfit = _misfit(recorded, trials, store, tried, seed)
                if misfit < least:
                    best, least = tried, misfit
    return best, least


def _misfit(recorded: Measures, trials: Sequence[Trial], store: Store, model: RadioModel, seed: int) -> float:
    rooms = (simulated_trials(trials, store, model, seed + room) for room in range(ROOMS))
    return sum(misfit(recorded, measure(room)) for room in rooms) / ROOMS


def misfit(recorded: Measures, simulated: Measures) -> float:
    """How far apart two sets of measures are: a mean of squares of log ratios, and of RSSI means in units of 6 dB.

    Places count by the time that was spent there.
    """
    terms: list[tuple[float, float]] = []
    whole_s = sum(recorded.seconds.values())
    for place, seconds in recorded.seconds.items():
        weight = seconds / whole_s
        terms.append((weight, _log_ratio(simulated.rate[place], recorded.rate[place])))
        quantiles = zip(simulated.gap_quantiles_s(place), recorded.gap_quantiles_s(place), strict=True)
        terms += [(weight / 3.0, _log_ratio(one, other)) for one, other in quantiles]
    for spread in ("fast_sd_db", "stay_sd_db", "trial_sd_db"):
        terms.append((0.33, _log_ratio(getattr(simulated, spread), getattr(recorded, spread))))
    terms.append((1.0, (_level_dbm(simulated) - _level_dbm(recorded)) / 6.0))
    return sum(weight * term**2 for weight, term in terms)


def _log_ratio(one: float, other: float) -> float:
    """Natural logarithm of a ratio, bounded to a factor of 20; that also stands for what is not there at all."""
    most = math.log(20.0)
    if not (one > 0 and other > 0):
        return most
    return min(most, max(-most, math.log(one / other)))


def _level_dbm(measures: Measures) -> float:
    """Mean RSSI of all reads."""
    reads = sum(strength.reads for strength in measures.strength.values())
    return sum(strength.reads * strength.mean_db for strength in measures.strength.values()) / max(reads, 1)
