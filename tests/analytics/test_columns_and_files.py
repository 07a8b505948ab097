"""What enters is checked, and every kind of bad input has one message that says where."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

from tagtrail.analytics.columns import READS, empty_reads, validate_reads, validate_visits
from tagtrail.analytics.files import read_reads, write_table, write_trips, write_visits
from tagtrail.analytics.trips import make_trips
from tagtrail.hardware.errors import FaultsError
from walks import epc_of, frame, frame_of, presence, random_reads, stay

HEADER = "time,reader,antenna,epc,rssi_dbm,count"
GOOD = f"2026-03-14T10:00:00.25+08:00,r01,2,{epc_of(1)},-55.5,3"


def test_parquet_and_csv_give_the_same_reads(tmp_path: Path) -> None:
    reads = frame_of(random_reads(1, tags=3))
    assert reads["rssi_dbm"].isna().any()
    for name in ("reads.parquet", "reads.csv"):
        write_table(reads, tmp_path / name)
        assert_frame_equal(read_reads(tmp_path / name), reads, check_categorical=False)


def test_a_row_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n2026-03-14T02:00:01Z,r01,2,{epc_of(1)},,1\n")
    reads = read_reads(path)
    assert reads["time"].tolist() == [
        datetime(2026, 3, 14, 2, 0, 0, 250_000, tzinfo=UTC),
        datetime(2026, 3, 14, 2, 0, 1, tzinfo=UTC),
    ]
    assert reads["rssi_dbm"].isna().tolist() == [False, True]
    assert reads["count"].tolist() == [3, 1]


def test_count_is_optional_and_other_columns_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(f"phase,{HEADER.removesuffix(',count')}\n7,{GOOD.removesuffix(',3')}\n")
    reads = read_reads(path)
    assert tuple(reads.columns) == READS
    assert reads["count"].tolist() == [1]


@pytest.mark.parametrize("text", ["", HEADER, f"{HEADER}\n"])
def test_no_rows_are_no_fault(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(text)
    visits, unused = presence().estimate(read_reads(path))
    assert visits.empty
    assert not unused
    write_table(empty_reads(), tmp_path / "reads.parquet")
    assert read_reads(tmp_path / "reads.parquet").empty


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (GOOD.replace("+08:00", ""), "column 'time', row 2: '2026-03-14T10:00:00.25' has no time zone"),
        (GOOD.replace("2026-03-14", "14.3.2026"), "column 'time', row 2: '14.3.2026T10:00:00.25+08:00' is not an ISO"),
        (GOOD.replace("2026-03-14T10:00:00.25+08:00", ""), "column 'time', row 2: the value is missing"),
        (GOOD.replace("E280", "xyz0"), "column 'epc', row 2: 'xyz01160"),
        (GOOD.replace(",2,", ",two,"), "column 'antenna', row 2: 'two' is not a whole number"),
        (GOOD.replace(",2,", ",2.5,"), "column 'antenna', row 2: '2.5' is not a whole number"),
        (GOOD.replace(",2,", ",0,"), "column 'antenna', row 2: 0; 1 to 255 allowed"),
        (GOOD.replace("r01", ""), "column 'reader', row 2: the value is missing"),
        (GOOD.replace("-55.5", "loud"), "column 'rssi_dbm', row 2: 'loud' is not a number"),
        (GOOD.replace("-55.5", "inf"), "column 'rssi_dbm', row 2: 'inf' is not a number"),
        (GOOD.replace("-55.5", "55.5"), "column 'rssi_dbm', row 2: 55.5; -150 to 30 allowed"),
        (GOOD.replace(",3", ",0"), "column 'count', row 2: 0; 1 to 32767 allowed"),
        ("2026-03-14T10:00:00Z,r01", "cannot be read: CSV parse error: Expected 6 columns, got 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, words: str) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n{row}\n")
    with pytest.raises(FaultsError) as caught:
        read_reads(path)
    assert str(caught.value).startswith(f"{path}: {words}")


def test_all_missing_columns_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text("time,reader,port\n2026-03-14T10:00:00Z,r01,2\n")
    with pytest.raises(FaultsError) as caught:
        read_reads(path)
    assert [fault.split(" is")[0] for fault in caught.value.faults] == [
        "column 'antenna'", "column 'epc'", "column 'rssi_dbm'",
    ]  # fmt: skip


def no_file(path: Path) -> Path:
    return path / "none.parquet"


def a_folder(path: Path) -> Path:
    (path / "folder.csv").mkdir()
    return path / "folder.csv"


def not_parquet(path: Path) -> Path:
    (path / "reads.parquet").write_text("PAR1 it is not")
    return path / "reads.parquet"


def another_ending(path: Path) -> Path:
    return path / "reads.xlsx"


def naive_parquet(path: Path) -> Path:
    reads = frame(stay(epc_of(1), "bags", 0, 3))
    write_table(reads.assign(time=reads["time"].dt.tz_localize(None)), path / "reads.parquet")
    return path / "reads.parquet"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_file, "there is no such file"),
        (a_folder, "cannot be read"),
        (not_parquet, "cannot be read"),
        (another_ending, "expected a file that ends in .parquet or .csv"),
        (naive_parquet, "column 'time': times with a time zone expected, found times without a time zone"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    path = make(tmp_path)
    with pytest.raises(FaultsError, match=words) as caught:
        read_reads(path)
    assert str(path) in str(caught.value)


def test_a_table_in_memory_is_checked_too() -> None:
    reads = frame(stay(epc_of(1), "bags", 0, 3))
    with pytest.raises(FaultsError, match="whole numbers expected, found float64"):
        validate_reads(reads.assign(antenna=1.0))
    visits = presence().estimate(reads).visits
    with pytest.raises(FaultsError, match="row 1: the visit ends before it begins"):
        validate_visits(visits.assign(exit=visits["enter"] - pd.Timedelta(seconds=1)))


def test_results_have_the_columns_of_the_contract(tmp_path: Path) -> None:
    visits = presence().estimate(frame(stay(epc_of(1), "bags", 0, 30) + stay(epc_of(1), "till", 31, 60))).visits
    write_visits(visits, tmp_path / "visits.parquet")
    write_trips(make_trips(visits), tmp_path / "trips.parquet")
    assert pq.read_schema(tmp_path / "visits.parquet").names == ["epc", "zone", "enter", "exit", "confidence"]
    trips = pq.read_table(tmp_path / "trips.parquet")
    assert trips.schema.names == ["epc", "trip", "start", "end", "zones"]
    assert trips["zones"].to_pylist() == [["bags", "till"]]
    with pytest.raises(FaultsError, match="cannot be written"):
        write_visits(visits, tmp_path / "none" / "visits.parquet")
