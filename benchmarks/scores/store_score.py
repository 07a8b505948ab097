"""Scores of visits in a simulated store, by the scorer of ``tagtrail simulate score``."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from scores.crude import START_US, Run, epc_of
from tagtrail.analytics.columns import times_of_us
from tagtrail.analytics.files import write_table, write_visits
from tagtrail.simulator.score import counts
from tagtrail.simulator.score.case import load_case
from tagtrail.simulator.score.score import score

STOP_S = 5.0
SECOND_US = 1_000_000


class StoreScore(NamedTuple):
    """How well visits agree with the truth.

    Attributes:
        accuracy: Share of person-seconds in the right zone, or rightly in none.
        f1: Of visits, at a temporal IoU of 0.5.
        dwell_mae_s: Of the visits found.
        path: Similarity of the sequences of zones.
        traffic: WAPE of the visits per zone.
        covered: Share of the visits found whose 90 % interval holds the true dwell; NaN where none is told.
        width_s: Mean width of these intervals.
    """

    accuracy: float
    f1: float
    dwell_mae_s: float
    path: float
    traffic: float
    covered: float
    width_s: float


def score_visits(run: Run, visits: pd.DataFrame) -> StoreScore:
    """Compare visits with the truth of a run."""
    with tempfile.TemporaryDirectory(prefix="tagtrail-scores-") as name:
        folder = Path(name)
        write_truth(run, folder)
        write_visits(visits, folder / "visits.parquet")
        result = score(load_case(folder, folder / "visits.parquet", kinds=("shopper",)), STOP_S)
    found, true = (
        np.array([[getattr(zone.found, side) for zone in result.zones]], dtype=np.float64)
        for side in ("estimated", "true")
    )
    dwell = next((one for one in result.intervals if one.of == "dwell"), None)
    return StoreScore(
        accuracy=result.accuracy.right,
        f1=result.visits.found.f1,
        dwell_mae_s=result.visits.dwell_s.mae,
        path=result.paths.similarity,
        traffic=counts.wape(found, true).wape,
        covered=dwell.share if dwell else np.nan,
        width_s=dwell.width_s if dwell else np.nan,
    )


def write_truth(run: Run, folder: Path) -> None:
    """The files of a simulation's truth that the scorer needs."""
    seconds = seconds_of(run)
    write_table(seconds[["time", "person", "zone"]], folder / "truth.parquet")
    stays = stays_of(seconds)
    write_table(stays[stays["zone"].notna()], folder / "visits_truth.parquet")
    whole = stays.groupby("person").agg(enter=("enter", "min"), exit=("exit", "max")).reset_index()
    epcs = pd.Series([[epc_of(person)] for person in whole["person"].tolist()], dtype=object)
    write_table(whole.assign(kind="shopper", epcs=epcs), folder / "people.parquet")


def seconds_of(run: Run) -> pd.DataFrame:
    """``epc, person, time, zone`` of each second of everybody; the zone is None outside all."""
    names = np.array([*(zone.id for zone in run.store.zone), None], dtype=object)
    person = run.truth["person"].to_numpy(dtype=np.int64)
    time_us = START_US + np.rint(run.truth["t"].to_numpy() * SECOND_US).astype(np.int64)
    return pd.DataFrame(
        {
            "epc": pd.Series([epc_of(one) for one in person.tolist()], dtype="str"),
            "person": person,
            "time": times_of_us(time_us),
            "zone": pd.Series(names[run.truth["zone"].to_numpy()], dtype="str"),
        }
    )


def stays_of(seconds: pd.DataFrame) -> pd.DataFrame:
    """``person, zone, enter, exit`` of seconds that follow each other in one zone, sorted by person and time."""
    person, zone = seconds["person"], seconds["zone"].fillna("")
    run = ((person != person.shift()) | (zone != zone.shift())).cumsum()
    stays = seconds.groupby(run).agg(
        person=("person", "first"), zone=("zone", "first"), enter=("time", "first"), exit=("time", "last")
    )
    return stays.assign(exit=stays["exit"] + pd.Timedelta(seconds=1)).reset_index(drop=True)
