"""The report: recorded and simulated numbers beside each other, and where they differ, in words. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tagtrail.simulator.compare.fit import GRID, OF_THE_TAG, misfit
from tagtrail.simulator.compare.measures import FAST_S, GAP_QUANTILES, Measures
from tagtrail.simulator.compare.model_plot import MODEL
from tagtrail.simulator.compare.plots import GAPS, RATES, STRENGTHS
from tagtrail.simulator.radio.model import RadioModel

FACTOR: Final = 1.5
"""Rates, gaps and spreads that differ by no more than this factor count as alike."""
LEVEL_DB: Final = 6.0
"""RSSI that differs by no more than this counts as alike: 3 dB one way."""
SPREADS: Final = {
    "fast_sd_db": f"between reads of an antenna at most {FAST_S:g} s apart",
    "stay_sd_db": "within a trial, place and antenna",
    "trial_sd_db": "of the means of a place and antenna, between trials",
}


@dataclass(frozen=True)
class Comparison:
    """What is reported.

    Attributes:
        fitted_on: Names of the trials whose reads the constants were fitted to; none where the model came as it is.
        shown: Names of the trials that are compared, none of them among those.
    """

    recording: str
    model: RadioModel
    fitted_on: Sequence[str]
    shown: Sequence[str]
    recorded: Measures
    simulated: Measures


def markdown(comparison: Comparison) -> str:
    """The report's text."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    recorded, simulated = comparison.recorded, comparison.simulated
    yield "# Simulated reads beside recorded ones\n"
    yield (
        f"Recording: {comparison.recording}. Compared are {len(comparison.shown)} trials, "
        f"{sum(recorded.seconds.values()) / 60:.0f} minutes in which the place of the wearer is known. The simulated "
        "wearers stay at the same places for the same times, in rooms whose plan is a guess.\n"
    )
    if comparison.fitted_on:
        yield f"The constants are fitted to {len(comparison.fitted_on)} other trials of the recording:\n"
    else:
        yield "The constants are those of the model, of which these were once fitted to such a recording:\n"
    yield "| constant | value |\n|---|---|"
    for name in (*GRID, "tag_sensitivity_dbm"):
        of_tag = " (of the recording's tag)" if name in OF_THE_TAG else ""
        yield f"| `{name}`{of_tag} | {getattr(comparison.model, name):g} |"
    yield f"\nMisfit of these trials: {misfit(recorded, simulated):.2f} (0 is alike; see docs/radio-model.md).\n"
    yield "## Where they differ\n"
    yield from (f"- {sentence}" for sentence in differences(recorded, simulated))
    yield f"\n## Read rate\n\n![Read rate]({RATES})\n"
    yield "| place | seconds | recorded /s | simulated /s | simulated / recorded |\n|---|---|---|---|---|"
    for place, rate in recorded.rate.items():
        other = simulated.rate.get(place, 0.0)
        yield f"| {place} | {recorded.seconds[place]:.0f} | {rate:.2f} | {other:.2f} | {_ratio(other, rate)} |"
    yield f"\n## Gaps between reads\n\n![Gaps]({GAPS})\n"
    heads = " | ".join(f"{100 * quantile:g} % s" for quantile in GAP_QUANTILES)
    yield f"| place | | {heads} |\n|---|---|{'---|' * len(GAP_QUANTILES)}"
    for place in recorded.gaps_s:
        for name, measures in (("recorded", recorded), ("simulated", simulated)):
            yield f"| {place} | {name} | {' | '.join(f'{gap:.2f}' for gap in measures.gap_quantiles_s(place))} |"
    yield f"\n## Signal strength\n\n![Signal strength]({STRENGTHS})\n"
    yield "| spread | recorded dB | simulated dB |\n|---|---|---|"
    for name, meaning in SPREADS.items():
        yield f"| {meaning} | {getattr(recorded, name):.1f} | {getattr(simulated, name):.1f} |"
    yield "\n| place | antenna | recorded reads | mean dBm | sd dB | simulated reads | mean dBm | sd dB |"
    yield "|---|---|---|---|---|---|---|---|"
    for place, port in sorted(set(recorded.strength) | set(simulated.strength)):
        cells = [
            f"{strength.reads} | {strength.mean_db:.1f} | {strength.sd_db:.1f}" if strength else "0 | | "
            for strength in (recorded.strength.get((place, port)), simulated.strength.get((place, port)))
        ]
        yield f"| {place} | {port} | {cells[0]} | {cells[1]} |"
    yield f"\n## The model in a store\n\n![Model]({MODEL})\n"
    yield "A shopper's card in the demo store: reads at each place, by distance, and by tags in view."


def differences(recorded: Measures, simulated: Measures) -> list[str]:
    """A sentence for each thing that differs, the number of those that do not at the end."""
    found: list[str] = []
    looked_at = 0
    for place, rate in recorded.rate.items():
        looked_at += 1
        found += _differs(f"{place}: reads per second", simulated.rate.get(place, 0.0), rate, "")
        ours, theirs = simulated.gap_quantiles_s(place), recorded.gap_quantiles_s(place)
        for quantile, one, other in zip(GAP_QUANTILES, ours, theirs, strict=True):
            looked_at += 1
            found += _differs(f"{place}: {100 * quantile:g} % of the gaps are shorter than", one, other, " s")
    for name, meaning in SPREADS.items():
        looked_at += 1
        found += _differs(f"RSSI spread {meaning}", getattr(simulated, name), getattr(recorded, name), " dB")
    for key, strength in recorded.strength.items():
        same = simulated.strength.get(key)
        if strength.reads < 20:
            continue
        looked_at += 1
        where = f"{key[0]}, antenna {key[1]}: mean RSSI"
        if same is None:
            found.append(f"{where}: never read in the simulation, {strength.mean_db:.1f} dBm recorded.")
        elif abs(same.mean_db - strength.mean_db) > LEVEL_DB:
            found.append(f"{where}: {same.mean_db:.1f} dBm simulated, {strength.mean_db:.1f} dBm recorded.")
    alike = (
        f"{looked_at - len(found)} of {looked_at} numbers are alike: "
        f"within a factor of {FACTOR:g}, mean RSSI within {LEVEL_DB:g} dB."
    )
    return [*found, alike]


def _differs(what: str, simulated: float, recorded: float, unit: str) -> list[str]:
    if recorded > 0 and simulated > 0 and max(simulated / recorded, recorded / simulated) <= FACTOR:
        return []
    ratio = f" ({_ratio(simulated, recorded)})" if recorded > 0 and simulated > 0 else ""
    return [f"{what}: {simulated:.2f}{unit} simulated, {recorded:.2f}{unit} recorded{ratio}."]


def _ratio(one: float, other: float) -> str:
    return f"×{one / other:.2f}" if other else ""
