"""Measures of small tables that can be checked by hand."""

from datetime import timedelta

import pandas as pd

from tagtrail.analytics.measures import (
    compute_dwell,
    compute_floor_traffic,
    compute_flows,
    compute_occupancy,
    compute_paths,
)
from walks import START

Stay = tuple[str, str, float, float]


def table(*stays: Stay) -> pd.DataFrame:
    rows = [(epc, zone, START + timedelta(seconds=a), START + timedelta(seconds=b)) for epc, zone, a, b in stays]
    visits = pd.DataFrame(rows, columns=["epc", "zone", "enter", "exit"])
    return visits.astype({"enter": "datetime64[us, UTC]", "exit": "datetime64[us, UTC]", "epc": "str", "zone": "str"})


VISITS = table(
    ("B", "till", 700, 720),
    ("A", "door", 0, 4),
    ("A", "bags", 4, 44),
    ("A", "bags", 120, 130),
    ("A", "till", 130, 190),
    ("A", "door", 900, 905),  # a second trip
    ("B", "door", 299, 303),
    ("B", "bags", 303, 363),
)
NOTHING = VISITS.iloc[:0]


def test_floor_traffic() -> None:
    total = compute_floor_traffic(visits=VISITS)
    assert total.to_numpy().tolist() == [["bags", 3, 2], ["door", 3, 2], ["till", 2, 2]]
    bins = compute_floor_traffic(visits=VISITS, bin_s=300)
    at = [(time - START).total_seconds() for time in bins["time"]]
    assert list(zip(bins["zone"], at, bins["visits"], bins["visitors"], strict=True)) == [
        ("bags", 0, 2, 1), ("bags", 300, 1, 1), ("door", 0, 2, 2), ("door", 900, 1, 1), ("till", 0, 1, 1),
        ("till", 600, 1, 1),
    ]  # fmt: skip


def test_flows_stay_within_a_trip_and_leave_out_returns_to_the_same_zone() -> None:
    flows = compute_flows(visits=VISITS)
    assert flows.to_numpy().tolist() == [["bags", "till", 2, 1.0], ["door", "bags", 2, 1.0]]
    assert compute_flows(visits=VISITS, trip_gap_s=60).to_numpy().tolist() == [
        ["door", "bags", 2, 1.0],
        ["bags", "till", 1, 1.0],
    ]


def test_paths_are_the_zones_stopped_at() -> None:
    paths = compute_paths(visits=VISITS)
    assert paths["path"].tolist() == [("bags", "till")]
    assert paths["trips"].tolist() == [2]
    assert paths["share"].tolist() == [1.0]
    short = compute_paths(visits=VISITS, stop_s=0)
    assert short["path"].tolist() == [("door", "bags", "till")]
    assert compute_paths(visits=VISITS, zones=["door"], stop_s=0).empty  # one zone is no path
    assert compute_paths(visits=VISITS, zones=["bags", "till"], stop_s=15)["trips"].tolist() == [2]


def test_dwell_quantiles_and_presets() -> None:
    dwell = compute_dwell(visits=VISITS, zones=["bags", "door"]).set_index("zone")
    assert dwell.to_numpy().tolist() == [[3, 40.0, 56.0, 110.0, 0, 1, 2], [3, 4.0, 4.8, 13.0, 2, 1, 0]]
    assert (dwell[["pass_bys", "stops", "engaged"]].sum(axis=1) == dwell["visits"]).all()


def test_occupancy_counts_the_enter_and_not_the_exit() -> None:
    at = pd.DatetimeIndex([START + timedelta(seconds=s) for s in (-1, 0, 4, 302, 303, 362, 363)])
    occupancy = compute_occupancy(visits=VISITS, at=at.tz_convert("Asia/Shanghai"))
    assert occupancy["door"].tolist() == [0, 1, 0, 1, 0, 0, 0]
    assert occupancy["bags"].tolist() == [0, 0, 1, 0, 1, 1, 0]


def test_nothing_measures_nothing() -> None:
    assert compute_floor_traffic(visits=NOTHING, bin_s=300).empty
    assert compute_flows(visits=NOTHING).empty
    assert compute_paths(visits=NOTHING).empty
    assert compute_dwell(visits=NOTHING).empty
    assert compute_occupancy(visits=NOTHING, at=pd.DatetimeIndex([START])).shape == (1, 0)
