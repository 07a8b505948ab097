"""A score of files, against numbers worked out by hand; and files that cannot be scored."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from tagtrail.hardware.errors import FaultsError
from tagtrail.simulator.score.command import ScoreSettings, run_score
from tagtrail.simulator.truth import PEOPLE_SCHEMA, READS_SCHEMA, TIME, TRUTH_SCHEMA, VISITS_SCHEMA

START = datetime(2026, 3, 14, 2, 0, tzinfo=UTC)
ANNA, BEN, CARL, DORA, EVE, BOX = range(6)
KIND = {ANNA: "shopper", BEN: "shopper", CARL: "shopper", DORA: "shopper", EVE: "staff", BOX: "thing"}
EPCS = {ANNA: ["AAAA", "AB00"], BEN: ["BBBB"], CARL: [], DORA: ["DDDD"], EVE: ["EEEE"], BOX: ["FFFF"]}
INSIDE = {ANNA: (0, 100), BEN: (10, 60), CARL: (0, 30), DORA: (0, 9), EVE: (0, 120), BOX: (0, 120)}
STAYS = [
    (ANNA, "shoes", 0, 40),
    (ANNA, "bags", 50, 100),
    (BEN, "shoes", 10, 60),
    (CARL, "bags", 0, 30),
    (DORA, "bags", 0, 9),
    (EVE, "till", 0, 120),
]
PERFECT = [(EPCS[who][0], zone, enter, leave) for who, zone, enter, leave in STAYS if who not in (CARL, DORA)]
Visit = tuple[str, str, float, float]


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def write(path: Path, schema: pa.Schema, rows: Sequence[Sequence[object]]) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    pq.write_table(pa.table(arrays, schema=schema), path)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Carl carries no tag, that of Dora was never read, the box is no person."""
    folder = tmp_path_factory.mktemp("truth")
    people = [
        (who, KIND[who], "browse", who, None, EPCS[who], at(INSIDE[who][0]), at(INSIDE[who][1])) for who in INSIDE
    ]
    write(folder / "people.parquet", PEOPLE_SCHEMA, people)
    stays = [(who, next(iter(EPCS[who]), None), KIND[who], zone, at(since), at(to)) for who, zone, since, to in STAYS]
    write(folder / "visits_truth.parquet", VISITS_SCHEMA, stays)
    seconds = []
    for second in range(120):
        for who, (since, to) in INSIDE.items():
            if who != BOX and since <= second < to:
                zone = next((zone for one, zone, a, b in STAYS if one == who and a <= second < b), None)
                seconds.append((at(second), who, next(iter(EPCS[who]), None), "1F", 1.0, 1.0, zone))
    write(folder / "truth.parquet", TRUTH_SCHEMA, seconds)
    reads = [(at(1), "r01", 1, epc, -60.0) for epc in ("AAAA", "AB00", "BBBB", "EEEE", "FFFF")]
    write(folder / "reads.parquet", READS_SCHEMA, reads)
    return folder


def visits_file(path: Path, rows: Sequence[Visit], **more: Sequence[object]) -> Path:
    columns: dict[str, Any] = dict(
        zip(("epc", "zone", "enter", "exit"), map(list, zip(*rows, strict=True)), strict=True)
    )
    for name in ("enter", "exit"):
        columns[name] = pa.array([at(second) for second in columns[name]], TIME)
    table = pa.table(columns | {name: list(values) for name, values in more.items()})
    if path.suffix == ".csv":
        pa_csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
    return path


def score_of(truth: Path, visits: Path, **settings: Any) -> Mapping[str, Any]:
    out = visits.with_suffix(".json")
    assert run_score(ScoreSettings(truth=str(truth), visits=str(visits), out=str(out), **settings)) == 0
    result: Mapping[str, Any] = json.loads(out.read_bytes())
    return result


def test_a_perfect_estimate(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score = score_of(truth, visits_file(tmp_path / "visits.csv", PERFECT))
    assert (score["people"], score["missed"]) == (3, 0)
    assert score["apart"] == {"no tag": 1, "no tag that was ever read": 1}
    assert {score["accuracy"][share] for share in ("right", "recall", "precision", "covered", "balanced")} == {1.0}
    for part in ("visits", "stops"):
        assert score[part]["found"]["f1"] == 1.0
        assert score[part]["dwell_s"] == {"count": 4, "mae": 0.0, "median": 0.0, "bias": 0.0}
        assert score[part]["total_dwell_s"]["mae"] == 0.0
        assert score[part]["visits_by_hour"]["wape"] == score[part]["visitors_by_hour"]["wape"] == 0.0
        assert score[part]["flow"] == {"true": 1, "estimated": 1, "cpc": 1.0}
    assert (score["paths"]["same"], score["paths"]["similarity"], score["paths"]["time_distance"]) == (1.0, 1.0, 0.0)
    assert (score["occupancy"]["mae"], score["occupancy"]["wape"]) == (0.0, 0.0)
    text = capsys.readouterr().out
    assert "3 people with a readable tag, 0 of them never found" in text
    assert "apart: 1 people, no tag that was ever read" in text


def test_an_estimate_with_every_fault(truth: Path, tmp_path: Path) -> None:
    rows = [
        ("AAAA", "shoes", 0, 30),  # 10 s short
        ("AB00", "shoes", 20, 36),  # her second tag: both together 0 to 36
        ("AAAA", "bags", 50, 70),  # IoU 0.4
        ("BBBB", "bags", 10, 60),  # the wrong zone
        ("FFFF", "shoes", 0, 60),  # a box
        ("1234", "bags", 0, 12),  # nobody knows
        ("CCCC", "till", 5, 5),
    ]
    score = score_of(truth, visits_file(tmp_path / "visits.parquet", rows), kinds=["shopper"])
    assert (score["people"], score["missed"], score["ghost_visits"], score["left_out_visits"]) == (2, 0, 3, 0)
    assert score["apart"]["staff (not asked for)"] == 1
    # Anna: 36 + 10 outside + 20 of 100 right; Ben: none of 50.
    accuracy = score["accuracy"]
    assert (accuracy["seconds"], accuracy["right"]) == (150, pytest.approx((36 + 10 + 20) / 150))
    assert accuracy["recall"] == pytest.approx(56 / 140)
    assert accuracy["precision"] == pytest.approx(56 / 106)
    assert accuracy["covered"] == pytest.approx(106 / 140)
    assert accuracy["balanced"] == pytest.approx((36 / 90 + 20 / 50) / 2)
    assert score["hours"] == [{"start": "2026-03-14T02:00:00+00:00", "seconds": 150, "right": pytest.approx(0.44)}]
    found = score["visits"]["found"]
    assert (found["true"], found["estimated"], found["matched"]) == (3, 6, 1)
    assert score["visits"]["dwell_s"] == {"count": 1, "mae": 4.0, "median": 4.0, "bias": -4.0}
    # Anna shoes -4, bags -30; Ben shoes -50, bags +50; box +60, nobody +12, a visit without length 0.
    assert score["visits"]["total_dwell_s"]["bias"] == pytest.approx((-4 - 30 - 50 + 50 + 60 + 12 + 0) / 7)
    # By tag: shoes 3 instead of 2, bags 3 instead of 1, till 1 instead of 0.
    assert score["visits"]["visits_by_hour"] == {
        "true": 3.0, "estimated": 7.0, "wape": pytest.approx(4 / 3), "bias": pytest.approx(4 / 3),
    }  # fmt: skip
    assert score["visits"]["flow"] == {"true": 1, "estimated": 1, "cpc": 1.0}
    # Paths: Anna's is right; Ben's is another zone (of one).
    assert score["paths"]["similarity"] == 0.5
    assert score["paths"]["block_distance"] == (0 + 2) / 2
    # Every 10 s from 5 s on: Anna's last 3 of 10 are missed, Ben's 5 are wrong.
    assert score["paths"]["time_distance"] == pytest.approx((2 * 3 + 2 * 5) / 2)
    shoes = next(zone for zone in score["zones"] if zone["zone"] == "shoes")
    assert shoes["found"]["f1"] == pytest.approx(2 / 4)
    # People in shoes: true 40 + 50 s in 2 minutes; estimated 30 + 16 + 60 s, all in the first one.
    assert shoes["occupancy"]["mae"] == pytest.approx((106 - 90) / 60 / 2)


def test_what_is_outside_is_left_out_and_counted(truth: Path, tmp_path: Path) -> None:
    file = visits_file(tmp_path / "visits.parquet", PERFECT)
    assert score_of(truth, file, kinds=["staff"])["left_out_visits"] == 3
    assert score_of(truth, file, kinds=["shopper"])["left_out_visits"] == 1


def test_rows_that_stand_twice_are_counted_once_and_told(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    once = dict(score_of(truth, visits_file(tmp_path / "once.parquet", PERFECT)))
    twice = dict(score_of(truth, visits_file(tmp_path / "twice.parquet", [*PERFECT, *PERFECT[:2], PERFECT[0]])))
    assert twice.pop("duplicate_visits") == 3
    assert once.pop("duplicate_visits") == 0
    assert twice == once
    assert "3 visits stood in the table before; each is counted once" in capsys.readouterr().out


def test_the_order_of_rows_does_not_matter(truth: Path, tmp_path: Path) -> None:
    rows = [*PERFECT, ("AB00", "shoes", 10, 45), ("1234", "bags", 0, 12), ("BBBB", "bags", 40, 70)]
    order = np.random.default_rng(3).permutation(len(rows))
    one = score_of(truth, visits_file(tmp_path / "one.parquet", rows))
    other = score_of(truth, visits_file(tmp_path / "other.parquet", [rows[index] for index in order]))
    assert one == other


def test_intervals_and_trips_are_scored_where_there_are_some(truth: Path, tmp_path: Path) -> None:
    file = visits_file(
        tmp_path / "visits.parquet",
        PERFECT,
        dwell_low_s=[39.0, 51.0, None, 0.0],
        dwell_high_s=[41.0, 60.0, 50.0, 120.0],
        trip=[1, 2, 1, 1],
    )
    trips = tmp_path / "trips.parquet"
    ends = pa.array([at(99), at(20), at(120)], TIME)
    pq.write_table(pa.table({"epc": ["AAAA", "BBBB", "EEEE"], "start": [at(0)] * 3, "end": ends}), trips)
    score = score_of(truth, file, trips=str(trips))
    assert score["intervals"] == [{"of": "dwell", "count": 3, "share": 2 / 3, "width_s": (2 + 9 + 120) / 3}]
    assert (score["trips"]["matched"], score["trips"]["f1"]) == (2, 2 / 3)
    assert score["visits"]["flow"] == {"true": 1, "estimated": 0, "cpc": 0.0}  # two trips, the visits say


def test_a_member_who_comes_again_is_another_person_with_the_same_tag(truth: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    people = [
        (number, "shopper", "", number, "m1", ["AAAA00112233"], at(start), at(start + 50))
        for number, start in ((0, 0), (7, 1000))
    ]
    write(again / "people.parquet", PEOPLE_SCHEMA, people)
    stays = [
        (number, "AAAA00112233", "shopper", "bags", at(start), at(start + 50)) for number, start in ((0, 0), (7, 1000))
    ]
    write(again / "visits_truth.parquet", VISITS_SCHEMA, stays)
    write(again / "truth.parquet", TRUTH_SCHEMA, [])
    # The reader tells only the last digits of the number.
    file = visits_file(tmp_path / "visits.parquet", [("00112233", "bags", 1, 50), ("00112233", "bags", 1002, 1060)])
    score = score_of(again, file)
    assert (score["people"], score["missed"], score["ghost_visits"]) == (2, 0, 0)
    assert score["visits"]["found"]["matched"] == 2
    assert score["accuracy"]["right"] is None  # nobody's second is known


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("AAAA", "shoes", 9, 5)], "visits.parquet: row 1: 'exit' is before 'enter'"),
        ([("AAAA", "moon", 0, 5)], "zone 'moon' is not in the store; is the file of another store?"),
        ([("AAAA", "shoes", 28_800, 28_900)], "they are of another run, or local times were written as UTC"),
    ],
)
def test_visits_that_cannot_be(truth: Path, tmp_path: Path, rows: list[Visit], message: str) -> None:
    with pytest.raises(FaultsError, match=message.replace("?", r"\?").replace(".", r"\.")):
        score_of(truth, visits_file(tmp_path / "visits.parquet", rows))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"zone": None}, r"column 'zone' is missing \(columns: epc, enter, exit, colour\)"),
        ({"enter": pa.array([START.replace(tzinfo=None)])}, "column 'enter': the times have no time zone; write them"),
        ({"enter": [1.5]}, "column 'enter': times with a time zone expected, found double"),
        ({"epc": pa.array([None], pa.string())}, "column 'epc', row 1: the value is missing"),
        ({"epc": [7]}, "column 'epc': text expected, found int64"),
    ],
)
def test_columns_that_are_not_visits(truth: Path, tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "epc": ["AAAA"], "zone": ["shoes"], "enter": pa.array([at(0)], TIME), "exit": pa.array([at(9)], TIME),
        "colour": ["red"],
    }  # fmt: skip
    kept = {name: values for name, values in (good | columns).items() if values is not None}
    pq.write_table(pa.table(kept), tmp_path / "visits.parquet")
    with pytest.raises(FaultsError, match=message):
        score_of(truth, tmp_path / "visits.parquet")


def test_files_that_are_not_there(truth: Path, tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="there is no such file"):
        score_of(truth, tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("not Parquet")
    with pytest.raises(FaultsError, match="cannot be read"):
        score_of(truth, tmp_path / "text.parquet")
    (tmp_path / "text.csv").write_text("epc,zone,enter,exit\nAAAA,shoes,2026-03-14T02:00:00,2026-03-14T02:01:00Z\n")
    with pytest.raises(FaultsError, match="cannot be read: .*zone offset"):
        score_of(truth, tmp_path / "text.csv")
    with pytest.raises(FaultsError, match="no people.parquet in it; expected a folder that"):
        score_of(tmp_path, tmp_path / "text.csv")
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "people.parquet").touch()
    with pytest.raises(FaultsError, match="holds a chain; score one store of it at a time: north"):
        score_of(tmp_path, tmp_path / "text.csv")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kinds": ["ghost"]}, "kinds 'ghost': known are shopper and staff"),
        ({"kinds": []}, "name at least one"),
        ({"stop_s": -1.0}, "stop_s -1: must be a number from 0"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FaultsError, match=message):
        run_score(ScoreSettings(truth="t", visits="v", **settings))
