"""What came out of the stack beside what really happened, as plain text tables.

The same functions measure both sides, so a difference is one of the visits, not of the counting.
"""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import psycopg
import pyarrow.parquet as pq

from tagtrail.analytics.measures import STOP_S, compute_dwell, compute_floor_traffic, compute_flows
from tagtrail.hardware.store import Store
from tagtrail.simulator.recordings.uci_rfid_wearable import GAP_MAX_S, labelled_dwell, load
from tagtrail.stack.tables import render

TOP_PATHS: Final = 12


def load_visits(database: psycopg.Connection[tuple[Any, ...]], store: Store, since: datetime) -> pd.DataFrame:
    """Visits of a store that began after ``since``: ``epc, zone, enter, exit``."""
    rows = database.execute(
        "SELECT epc, zone, enter, exit FROM visit JOIN tag USING (tag_id) JOIN store USING (store_id) "
        "WHERE store = %s AND enter >= %s ORDER BY epc, enter",
        [store.id, since],
    ).fetchall()
    visits = pd.DataFrame(rows, columns=["epc", "zone", "enter", "exit"])
    return visits.astype({"epc": "str", "zone": "str"} | dict.fromkeys(("enter", "exit"), "datetime64[us, UTC]"))


def tables_beside_truth(visits: pd.DataFrame, store: Store, truth_dir: Path) -> str:
    """Floor traffic, most walked paths and dwell per counter, as estimated and as it was.

    Args:
        visits: What analytics made of the reads.
        store: The store file.
        truth_dir: Has the simulator's ``visits_truth.parquet``.
    """
    truth = pq.read_table(truth_dir / "visits_truth.parquet").to_pandas()
    truth = truth[truth["zone"].isin([zone.id for zone in store.zone])]
    return "\n\n".join((_traffic(visits, truth, store), _paths(visits, truth, store), _dwell(visits, truth, store)))


def _traffic(visits: pd.DataFrame, truth: pd.DataFrame, store: Store) -> str:
    found, real = (compute_floor_traffic(visits=side).set_index("zone") for side in (visits, truth))
    rows = [
        [_names(store)[zone.id], zone.floor, zone.kind, *_pair(found, real, zone.id, "visitors", 0),
         *_pair(found, real, zone.id, "visits", 0)]
        for zone in store.zone
    ]  # fmt: skip
    columns = ["zone", "floor", "kind", "visitors", "truth", "visits", "truth"]
    return render("Floor traffic: different tags in a zone, and how often one came in", columns, rows)


def _paths(visits: pd.DataFrame, truth: pd.DataFrame, store: Store) -> str:
    names = _names(store)
    places = [zone.id for zone in store.zone if zone.kind not in ("aisle", "lift")]
    found, real = (
        compute_flows(visits=_stops(side, places)).set_index(["from_zone", "to_zone"])["steps"]
        for side in (visits, truth)
    )
    both = pd.DataFrame({"found": found, "real": real}).fillna(0).astype(int)
    both = both.sort_values(["real", "found"], ascending=False, kind="stable").head(TOP_PATHS)
    counts = zip(both.index, both["found"].tolist(), both["real"].tolist(), strict=True)
    rows = [[names[origin], "→ " + names[goal], shoppers, truth] for (origin, goal), shoppers, truth in counts]
    title = f"Most walked paths: from one visit of {STOP_S:g} s or more to the next, aisles left out"
    return render(title, ["from", "to", "shoppers", "truth"], rows)


def _dwell(visits: pd.DataFrame, truth: pd.DataFrame, store: Store) -> str:
    counters = [zone for zone in store.zone if zone.kind == "counter"]
    ids = [zone.id for zone in counters]
    found, real = (compute_dwell(visits=_stops(side, ids)).set_index("zone") for side in (visits, truth))
    rows = [
        [_names(store)[zone.id], *_pair(found, real, zone.id, "visits", 0), *_pair(found, real, zone.id, "median_s"),
         *_pair(found, real, zone.id, "total_s", 0.0, 1 / 60)]
        for zone in counters
    ]  # fmt: skip
    columns = ["counter", "visits", "truth", "median s", "truth", "total min", "truth"]
    return render(f"Dwell per counter: visits of {STOP_S:g} s or more", columns, rows)


def _names(store: Store) -> dict[str, str]:
    """What people call each zone; with its floor where two have one name."""
    names = {zone.id: zone.name or zone.id for zone in store.zone}
    often = Counter(names.values())
    return {
        zone.id: f"{names[zone.id]} {zone.floor}" if often[names[zone.id]] > 1 else names[zone.id]
        for zone in store.zone
    }


def _stops(visits: pd.DataFrame, zones: list[str]) -> pd.DataFrame:
    dwell_s = (visits["exit"] - visits["enter"]).dt.total_seconds()
    return visits[visits["zone"].isin(zones) & (dwell_s >= STOP_S)]


def _pair(
    found: pd.DataFrame, real: pd.DataFrame, zone: str, column: str, missing: float | None = None, factor: float = 1
) -> list[float | None]:
    """Estimate and truth of one number; whole numbers stay whole."""
    values = [dict(zip(side.index, side[column].tolist(), strict=True)).get(zone, missing) for side in (found, real)]
    return [value if value is None or factor == 1 else value * factor for value in values]


def dwell_beside_labels(visits: pd.DataFrame, store: Store, recording: Path) -> str:
    """Dwell per place as estimated, and as the labels of a recording say.

    Args:
        visits: What analytics made of the reads.
        store: The store file; its zones are the recording's places.
        recording: Folder of the recording ``uci-rfid-wearable``.
    """
    reads = load(recording)
    epc_of_trial = {read.trial: read.seen.epc for read in reads}
    labels = {(epc_of_trial[trial], place): dwell.labelled_s for (trial, place), dwell in labelled_dwell(reads).items()}
    dwell_s = (visits["exit"] - visits["enter"]).dt.total_seconds()
    found = dwell_s.groupby([visits["epc"], visits["zone"]]).sum()
    both = pd.DataFrame({"found": found, "real": pd.Series(labels)}).fillna(0.0)
    rows: list[list[object]] = []
    for zone in store.zone:
        here = both[both.index.get_level_values(1) == zone.id]
        if not here.empty:
            error_s = (here["found"] - here["real"]).abs().mean()
            rows.append([zone.id, len(here), float(here["found"].sum()), float(here["real"].sum()), float(error_s)])
    title = f"Dwell per place beside the labels (gaps over {GAP_MAX_S:g} s between reads are nobody's)"
    return render(title, ["place", "people", "dwell s", "labels s", "mean error s per person"], rows)
