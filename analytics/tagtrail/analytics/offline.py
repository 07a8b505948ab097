"""Files in, files out, without a database."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tagtrail.analytics import files
from tagtrail.analytics.estimator import Estimator
from tagtrail.analytics.measures import compute_dwell, compute_floor_traffic, compute_flows
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence
from tagtrail.analytics.settings import PRESENCE, AnalyzeSettings
from tagtrail.analytics.trips import make_trips
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import Store, load_store

BIN_S = 300.0


class Analysis(NamedTuple):
    """What was found in a file of reads.

    Attributes:
        reads: Number of reads, exact duplicates included.
        unused: Reads in no visit, counted by reason.
        visits: ``epc, zone, enter, exit, confidence, trip``.
        trips: ``epc, trip, start, end, zones``.
    """

    reads: int
    unused: Mapping[str, int]
    visits: pd.DataFrame
    trips: pd.DataFrame


def analyze(settings: AnalyzeSettings, progress: Callable[[str], None] = lambda _: None) -> Analysis:
    """Read the files that the settings name, write the results into their folder, and return them.

    ``visits.parquet``, ``trips.parquet``, and as CSV: ``traffic`` (per zone and 5 minutes), ``flows``, ``dwell``.

    Raises:
        FaultsError: The settings, the store file or the reads have faults, or the folder cannot be written.
    """
    if faults := settings.faults():
        raise FaultsError("settings", faults)
    if settings.reads is None or settings.store is None or settings.out is None:
        raise FaultsError("settings", ["reads, store and out are needed to analyse a file"])
    store = load_store(Path(settings.store))
    progress(f"reading {settings.reads}")
    reads = files.read_reads(Path(settings.reads))
    progress(f"looking for visits in {len(reads)} reads")
    visits, unused = _estimator(store, reads, settings, progress).estimate(reads)
    trips = make_trips(visits)
    out = Path(settings.out)
    progress(f"writing into {out}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FaultsError(str(out), [f"cannot be made: {error.strerror or error}"]) from None
    files.write_visits(visits, out / "visits.parquet")
    files.write_trips(trips, out / "trips.parquet")
    files.write_table(compute_floor_traffic(visits=visits, bin_s=BIN_S), out / "traffic.csv")
    files.write_table(compute_flows(visits=visits, trip_gap_s=settings.trip_gap_s), out / "flows.csv")
    files.write_table(compute_dwell(visits=visits), out / "dwell.csv")
    return Analysis(len(reads), unused, visits, trips)


def _estimator(
    store: Store, reads: pd.DataFrame, settings: AnalyzeSettings, progress: Callable[[str], None]
) -> Estimator:
    layouts = [Layout(0, store)]
    if settings.estimator == PRESENCE:
        return Presence(layouts, settings.presence())
    # Compiled when it is first used, so whoever does not need it does not wait for it.
    from tagtrail.analytics.place.place import Place

    place = Place(layouts, settings.place())
    if settings.calibration is not None:
        path = Path(settings.calibration)
        progress(f"learning the radio map from the known places in {path}")
        place.calibrate(reads, files.read_points(path, store))
    else:
        progress("learning the radio map from the reads")
        place.learn(reads)
    return place


def summarize(analysis: Analysis) -> str:
    """A table of zones for a terminal, and what could not be used."""
    visits = analysis.visits
    lines = [
        f"{analysis.reads} reads, {visits['epc'].nunique()} tags, {len(analysis.trips)} trips, {len(visits)} visits"
    ]
    if len(visits):
        table = compute_floor_traffic(visits=visits).merge(
            compute_dwell(visits=visits)[["zone", "median_s", "p90_s", "engaged"]], on="zone"
        )
        lines.append(table.to_string(index=False, float_format="{:.1f}".format))
    lines += [f"not used: {count} reads, {reason}" for reason, count in sorted(analysis.unused.items())]
    return "\n".join(lines)


def run_analyze(settings: AnalyzeSettings) -> int:
    """Analyse a file: progress on stderr, the summary on stdout.

    Raises:
        FaultsError: See `analyze`.
    """
    analysis = analyze(settings, progress=lambda line: print(line, file=sys.stderr))
    print(summarize(analysis))
    return 0
