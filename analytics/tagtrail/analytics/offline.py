"""Files in, files out, without a database."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from tagtrail.analytics import files
from tagtrail.analytics.estimator import Estimator
from tagtrail.analytics.kinds import find_kinds, only_shoppers, summarize_kinds
from tagtrail.analytics.measures import compute_dwell, compute_floor_traffic, compute_flows
from tagtrail.analytics.placement import Layout
from tagtrail.analytics.presence import Presence
from tagtrail.analytics.settings import PRESENCE, AnalyzeSettings
from tagtrail.analytics.trips import make_trips
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import load_store

if TYPE_CHECKING:
    from tagtrail.analytics.place.place import Place

BIN_S = 300.0


class Analysis(NamedTuple):
    """What was found in a file of reads.

    Attributes:
        reads: Number of reads, exact duplicates included.
        unused: Reads in no visit, counted by reason.
        visits: ``epc, zone, enter, exit, confidence, trip``.
        trips: ``epc, trip, start, end, zones``.
        kinds: What each tag is (`kinds.find_kinds`).
    """

    reads: int
    unused: Mapping[str, int]
    visits: pd.DataFrame
    trips: pd.DataFrame
    kinds: pd.DataFrame


def analyze(settings: AnalyzeSettings, progress: Callable[[str], None] = lambda _: None) -> Analysis:
    """Read the files that the settings name, write the results into their folder, and return them.

    ``visits.parquet``, ``trips.parquet`` and ``tags.parquet`` of all tags, and of shoppers alone, as CSV: ``traffic``
    (per zone and 5 minutes), ``flows``, ``dwell``.

    Raises:
        FaultsError: The settings, the store file, the list of known tags or the reads have faults, or the folder
            cannot be written.
    """
    if faults := settings.faults():
        raise FaultsError("settings", faults)
    if settings.reads is None or settings.store is None or settings.out is None:
        raise FaultsError("settings", ["reads, store and out are needed to analyse a file"])
    store = load_store(Path(settings.store))
    known = None if settings.tags is None else files.read_known_tags(Path(settings.tags))
    progress(f"reading {settings.reads}")
    reads = files.read_reads(Path(settings.reads))
    progress(f"looking for visits in {len(reads)} reads")
    visits, unused = make_estimator([Layout(0, store)], reads, settings, progress).estimate(reads)
    trips = make_trips(visits)
    kinds = find_kinds(reads, visits, store, known)
    out = Path(settings.out)
    progress(f"writing into {out}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FaultsError(str(out), [f"cannot be made: {error.strerror or error}"]) from None
    write_results(visits, trips, out, trip_gap_s=settings.trip_gap_s, kinds=kinds)
    return Analysis(len(reads), unused, visits, trips, kinds)


def write_results(
    visits: pd.DataFrame, trips: pd.DataFrame, out: Path, *, trip_gap_s: float, kinds: pd.DataFrame | None = None
) -> None:
    """Visits, trips and measures as files in a folder that is there; with kinds, the measures are of shoppers alone.

    Raises:
        FaultsError: The folder cannot be written.
    """
    files.write_visits(visits, out / "visits.parquet")
    files.write_trips(trips, out / "trips.parquet")
    if kinds is not None:
        files.write_table(kinds, out / "tags.parquet")
        visits = only_shoppers(visits, kinds)
    files.write_table(compute_floor_traffic(visits=visits, bin_s=BIN_S), out / "traffic.csv")
    files.write_table(compute_flows(visits=visits, trip_gap_s=trip_gap_s), out / "flows.csv")
    files.write_table(compute_dwell(visits=visits), out / "dwell.csv")


def make_estimator(
    layouts: Sequence[Layout],
    reads: pd.DataFrame,
    settings: AnalyzeSettings,
    progress: Callable[[str], None] = lambda _: None,
) -> Estimator:
    """The estimator that the settings name; that of place has learned from the reads that it is for."""
    if settings.estimator == PRESENCE:
        return Presence(layouts, settings.presence())
    return make_place(layouts, reads, settings, progress)


def make_place(
    layouts: Sequence[Layout], reads: pd.DataFrame, settings: AnalyzeSettings, progress: Callable[[str], None]
) -> "Place":
    """The estimator of place, as it has learned from known places or from the reads."""
    # Compiled when it is first used, so whoever does not need it does not wait for it.
    from tagtrail.analytics.place.place import Place

    place = Place(layouts, settings.place())
    if settings.calibration is not None:
        path = Path(settings.calibration)
        progress(f"learning the radio map from the known places in {path}")
        place.calibrate(reads, files.read_points(path, layouts[-1].store))
    else:
        progress("learning the radio map from the reads")
        place.learn(reads)
    return place


def summarize(analysis: Analysis) -> str:
    """A table of zones for a terminal, the tags that do not count in it, and the reads that could not be used."""
    visits = analysis.visits
    lines = [
        f"{analysis.reads} reads, {visits['epc'].nunique()} tags, {len(analysis.trips)} trips, {len(visits)} visits"
    ]
    visits = only_shoppers(visits, analysis.kinds)
    if len(visits):
        table = compute_floor_traffic(visits=visits).merge(
            compute_dwell(visits=visits)[["zone", "median_s", "p90_s", "engaged"]], on="zone"
        )
        lines.append(table.to_string(index=False, float_format="{:.1f}".format))
    lines += summarize_kinds(analysis.kinds)
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
