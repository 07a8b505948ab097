"""A simulated day as a recording."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagtrail.hardware.errors import GiveUp
from tagtrail.simulator.recordings.reads_parquet import load
from tagtrail.simulator.truth import READS_SCHEMA

START = datetime(2026, 3, 14, 10, tzinfo=UTC)
EPC = "E28011606000020512345678"


def write(folder: Path, seconds: list[float]) -> None:
    count = len(seconds)
    columns: list[list[Any]] = [
        [START + timedelta(seconds=second) for second in seconds],
        ["r01"] * count,
        list(range(1, count + 1)),
        [EPC] * count,
        [-60.5] * count,
    ]
    pq.write_table(
        pa.table(dict(zip(READS_SCHEMA.names, columns, strict=True)), READS_SCHEMA), folder / "reads.parquet"
    )


def test_reads_come_in_order_from_the_first_on(tmp_path: Path) -> None:
    write(tmp_path, [7.25, 5.0, 6.0])
    for path in (tmp_path, tmp_path / "reads.parquet"):
        reads = load(path)
        assert [(read.time_s, read.seen.antenna) for read in reads] == [(0.0, 2), (1.0, 3), (2.25, 1)]
        assert {(read.reader, read.seen.epc, read.seen.rssi_dbm) for read in reads} == {("r01", EPC, -60.5)}


def test_what_is_no_file_of_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GiveUp, match="no file of reads with the columns time, reader"):
        load(tmp_path)
    write(tmp_path, [])
    with pytest.raises(GiveUp, match="there are no reads in it"):
        load(tmp_path)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(GiveUp, match="no file of reads"):
        load(tmp_path / "other.parquet")
