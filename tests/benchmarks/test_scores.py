"""A perfect answer has a perfect score, and no answer has none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scores.crude import Run
from scores.lagged import lagged
from scores.recordings import ble_pad, presence, uci
from scores.store_score import score_visits, seconds_of, stays_of
from scores.tables.kinds import LOST, LYING, confusion, true_kinds
from scores.tables.markdown import Goal, Table, of_goals, to_text
from scores.tables.stores import KINDS, RADIOS, runs
from tagtrail.analytics.columns import times_of_us
from tagtrail.analytics.place.place import Place
from tagtrail.analytics.placement import Layout
from walks import START_US, epc_of, frame, row_store


@pytest.fixture(scope="module")
def run() -> Run:
    return next(iter(runs(next(iter(KINDS)), next(iter(RADIOS)), [3], shoppers=6)))


def true_visits(run: Run) -> pd.DataFrame:
    """The truth in the form of an answer that is certain of itself."""
    seconds = seconds_of(run)
    stays = stays_of(seconds).dropna(subset="zone")
    epc = stays["person"].map(seconds.drop_duplicates("person").set_index("person")["epc"])
    dwell_s = (stays["exit"] - stays["enter"]).dt.total_seconds()
    visits = stays.drop(columns="person").assign(epc=epc, confidence=1.0, dwell_low_s=dwell_s, dwell_high_s=dwell_s)
    return visits.reset_index(drop=True)


def test_a_stores_truth_is_a_perfect_answer(run: Run) -> None:
    assert score_visits(run, true_visits(run)) == (1, 1, 0, 1, 0, 1, 0)


def test_half_of_the_truth_is_half_right(run: Run) -> None:
    visits = true_visits(run)
    half = visits[visits["epc"].isin(sorted(visits["epc"].unique())[:3])]
    found = score_visits(run, half)
    assert found.f1 == pytest.approx(2 * len(half) / (len(visits) + len(half)))
    assert found.traffic == pytest.approx(1 - len(half) / len(visits))
    assert found.path == 0.5
    assert found.dwell_mae_s == 0


def test_an_answer_without_intervals_covers_nothing(run: Run) -> None:
    found = score_visits(run, true_visits(run).drop(columns=["dwell_low_s", "dwell_high_s"]))
    assert found.f1 == 1
    assert np.isnan(found.covered)


def test_same_seed_same_reads(run: Run) -> None:
    again = next(iter(runs(next(iter(KINDS)), next(iter(RADIOS)), [3], shoppers=6)))
    pd.testing.assert_frame_equal(run.reads, again.reads)
    pd.testing.assert_frame_equal(run.truth, again.truth)


def test_truth_of_presence_is_a_perfect_answer() -> None:
    made = presence.make(np.random.default_rng(3), tags=3, seconds=600)
    rows = []
    for epc, there in made.here.items():
        edges = np.flatnonzero(np.diff(np.r_[0, there.astype(int), 0])).reshape(-1, 2)
        rows += [(epc, *(presence.START_US + edge * 1_000_000).tolist()) for edge in edges]
    epcs, enter_us, exit_us = (np.array(column) for column in zip(*rows, strict=True))
    visits = pd.DataFrame({"epc": epcs, "enter": times_of_us(enter_us), "exit": times_of_us(exit_us)})
    assert presence.score(visits, made.here) == (0.0, 1.0)
    share = np.mean([there.mean() for there in made.here.values()])
    nothing = presence.score(visits.iloc[:0], made.here)
    assert nothing.error == pytest.approx(share)
    assert nothing.f1 == 0


def trial(*labels: tuple[float, str], gap_max_s: float = 30.0) -> uci.Trial:
    return uci._trial(b"UCI427-S1P01".hex().upper(), list(labels), gap_max_s)


def uci_visits(*stays: tuple[str, float, float]) -> pd.DataFrame:
    zone, enter_s, exit_s = zip(*stays, strict=True)
    enter, exit_ = (times_of_us(uci.START_US + np.rint(np.array(s) * 1e6).astype(np.int64)) for s in (enter_s, exit_s))
    return pd.DataFrame({"epc": trial((0, "bed")).epc, "zone": zone, "enter": enter, "exit": exit_})


def test_a_label_holds_until_the_next_read() -> None:
    one = trial((0, "bed"), (10, "bed"), (20, "walking"), (24, "chair"), (40, "chair"))
    assert one.stays == [("bed", 0, 20), ("walking", 20, 24), ("chair", 24, 40)]
    right, scores = uci.score(uci_visits(("s1-bed", 0, 20), ("s1-chair", 24, 40)), [one])
    assert right == pytest.approx(1)
    assert scores["bed"] == (1, 0, 1, 1)
    assert scores["chair"] == (1, 0, 1, 1)


def test_a_long_silence_between_two_places_is_not_scored_unless_labels_are_held() -> None:
    labels = ((0.0, "bed"), (10.0, "bed"), (70.0, "chair"), (90.0, "chair"))
    visits = uci_visits(("s1-bed", 0, 40), ("s1-chair", 40, 90))
    right, scores = uci.score(visits, [trial(*labels)])
    assert right == pytest.approx(1)
    assert scores["bed"].dwell_mae_s == 0
    _, scores = uci.score(visits, [trial(*labels, gap_max_s=1e9)])
    assert scores["bed"].dwell_mae_s == 30


def test_seconds_of_a_walk_are_compared_at_their_middle() -> None:
    truth = pd.DataFrame(
        {"epc": "A1", "time": times_of_us(np.arange(4) * 1_000_000), "zone": ["z00", "z00", "z01", "z01"]}
    )
    visits = pd.DataFrame(
        {
            "epc": ["A1", "A1"],
            "zone": ["z00", "z01"],
            "enter": times_of_us(np.array([0, 2_400_000])),
            "exit": times_of_us(np.array([2_400_000, 3_400_000])),
        }
    )
    right, changes_per_min = ble_pad.score(visits, truth)
    assert right == 0.75
    assert changes_per_min == 30


def test_what_is_told_later_is_told_of_the_second_itself() -> None:
    reads = [(second + part, epc_of(1), room, -50.0) for room, low in (("door", 0), ("bags", 20), ("shoes", 50))
             for second in range(low, low + 20) for part in (0.2, 0.5, 0.8)]  # fmt: skip
    (told,) = lagged(Place([Layout(0, row_store())]), frame(reads), 5)
    first = (START_US - told.start_us) // 1_000_000
    assert set(told.zone[first + 25 : first + 35]) == {"bags"}
    assert set(told.zone[first + 55 : first + 65]) == {"shoes"}


def test_tables_are_markdown_and_met_goals_bold() -> None:
    goals = [
        Goal("accuracy", 0.9, {"store file only": 0.9, "calibrated": 0.89}),
        Goal("error, s", 6, {"calibrated": 5.5}, at_least=False),
    ]
    *_, first, second = to_text(of_goals(goals)).splitlines()
    assert first == "| accuracy | ≥ 0.9 | **0.9** |  | 0.89 |"
    assert second == "| error, s | ≤ 6 |  |  | **5.5** |"
    assert to_text(Table("T", ["a"], [["b"]])) == "**T**\n\n| a |\n| --- |\n| b |"


def test_a_lost_tag_is_a_thing_from_when_its_person_has_left() -> None:
    rows = [
        ("shopper", ["A1"], 0, 20),
        ("thing", ["A1"], 0, 90),
        ("shopper", ["A2", "A3"], 20, 60),
        ("thing", ["A2"], 20, 90),
        ("thing", ["A4"], 0, 90),
        ("staff", ["A5"], 0, 90),
        ("shopper", [], 0, 90),
    ]
    people = pd.DataFrame(rows, columns=["kind", "epcs", "enter", "exit"])
    for name in ("enter", "exit"):
        people[name] = times_of_us(START_US + people[name].to_numpy() * 60_000_000)
    true = true_kinds(people)
    assert true.to_dict() == {"A1": LYING, "A2": LOST, "A3": "shopper", "A4": LYING, "A5": "staff"}
    told = confusion(pd.DataFrame({"true": true, "kind": true.replace({LYING: "stock", LOST: "shopper"})}))
    assert told["found"].to_dict() == {"shopper": 1, "staff": 1, LYING: 1, LOST: 0}
    assert told.loc[LYING, "stock"] == 2


def test_the_command_says_which_data_are_missing(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "scores" / "run.py"
    done = subprocess.run(
        [sys.executable, str(script), "--only", "uci"],
        env={"TAGTRAIL_DATA": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"uci: no folder {tmp_path / 'uci-rfid-wearable'}; set TAGTRAIL_DATA\n"
