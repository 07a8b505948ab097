"""Recordings of others: what is read from files, and that every line comes out of a port."""

import os
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from tagtrail.hardware.clock import ScaledClock
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.store import load_store
from tagtrail.simulator.live.lines import pty_lines
from tagtrail.simulator.recordings.replay import check, replay
from tagtrail.simulator.recordings.uci_rfid_wearable import epc_of, labelled_dwell, load
from tagtrail.simulator.scenario import store_path
from tagtrail.simulator.truth import Summary

DATA = Path(os.environ.get("TAGTRAIL_DATA", Path(__file__).parents[3].parent / "shared" / "data")) / "uci-rfid-wearable"
WARD = load_store(store_path("ward"))


def line(time_s: float, antenna: int, rssi_dbm: float, label: int) -> str:
    return f"{time_s:g},0.5,0.1,-0.2,{antenna},{rssi_dbm:g},3.1416,920.25,{label}"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "recording"
    (folder / "S1_Dataset").mkdir(parents=True)
    (folder / "S2_Dataset").mkdir()
    first = [line(0, 1, -57.5, 1), line(2, 3, -58.5, 3), "", line(60, 2, -61, 2), line(61, 2, -61.5, 2)]
    (folder / "S1_Dataset" / "d1p01M").write_text("\n".join(first))  # no newline at the end
    (folder / "S1_Dataset" / "d1p02F").write_text("\r\n".join([line(1, 4, -50, 4), line(1, 1, -50, 4), ""]))
    many = [line(0.01 * number, 1 + number % 3, -40 - number % 30, 1 + number % 4) for number in range(6000)]
    (folder / "S2_Dataset" / "d2p07F").write_text("\n".join(many) + "\n")
    (folder / "S2_Dataset" / "README.txt").write_text("not a trial")
    return folder


def test_every_line_is_a_read(recording: Path) -> None:
    reads = load(recording)
    assert len(reads) == 4 + 2 + 6000
    assert [read.time_s for read in reads] == sorted(read.time_s for read in reads)
    mine = [read for read in reads if read.trial == "d1p01M"]
    assert [read.place for read in mine] == ["s1-bed", "s1-bed", "s1-chair", "s1-chair"]
    assert [read.seen.rssi_dbm for read in mine] == [-58, -58, -61, -62]  # halves go to the even number
    assert {read.seen.epc for read in mine} == {epc_of(1, 1)}
    assert bytes.fromhex(epc_of(1, 1)) == b"UCI427-S1P01"
    check(reads, WARD)


def test_labelled_dwell_leaves_out_long_gaps(recording: Path) -> None:
    dwell = labelled_dwell(load(recording), gap_max_s=30)
    bed, chair = dwell["d1p01M", "s1-bed"], dwell["d1p01M", "s1-chair"]
    assert (bed.labelled_s, bed.censored_s, bed.reads) == (2.0, 58.0, 2)
    assert (chair.labelled_s, chair.censored_s, chair.reads) == (1.0, 0.0, 2)


def test_malformed_lines_are_told_with_file_and_line(recording: Path) -> None:
    path = recording / "S1_Dataset" / "d1p01M"
    bad = ["1,2,3", line(2, 1, -500, 1), line(3, 1, -50, 7), "a" + line(1, 1, -50, 1)]
    path.write_text("\n".join([line(0, 1, -57.5, 1), *bad]))
    with pytest.raises(FaultsError) as told:
        load(recording)
    assert len(told.value.faults) == 4
    for number, fault in enumerate(told.value.faults, start=2):
        assert fault.startswith(f"S1_Dataset/d1p01M:{number}: ")


def test_a_folder_without_trials_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="no trials"):
        load(tmp_path)


def test_a_store_without_the_antennas_of_the_recording_is_refused(recording: Path) -> None:
    (recording / "S2_Dataset" / "d2p01M").write_text(line(0, 9, -50, 1))
    with pytest.raises(FaultsError, match="reader s2 has no antenna 9"):
        check(load(recording), WARD)


@pytest.mark.parametrize("chunk", [65536, 700])
def test_lines_in_are_tags_out(recording: Path, tmp_path: Path, hosts: Any, background: Any, chunk: int) -> None:
    """Also when the host reads slower than the recording plays."""
    reads, out, ports = load(recording), tmp_path / "out", tmp_path / "ports"
    clock = ScaledClock(time.time_ns() // 1000, 1_600_000_000_000_000, 60.0)
    work: Callable[..., None] = partial(
        replay, reads, WARD, make_line=pty_lines(ports), clock=clock, speed=10.0, out=out
    )
    with background(lambda stop: work(stop=stop)) as running:
        running.until(lambda: all((ports / reader.id).exists() for reader in WARD.reader))
        lines = [hosts(reader, ports / reader.id) for reader in WARD.reader]
        for host in lines:
            host.chunk = chunk
        running.until(lambda: (out / "summary.json").exists(), *lines)
        running.until(lambda: sum(len(host.seen) for host in lines) >= len(reads), *lines)
        for host in lines:
            host.stop()
        running.until(lambda: all(host.closed for host in lines), *lines)
    summary = msgspec.json.decode((out / "summary.json").read_bytes(), type=Summary)
    assert summary.reads_sent == len(reads)
    assert summary.reads_dropped_by_reader == 0
    for host, reader in zip(lines, WARD.reader, strict=True):
        sent = Counter((r.seen.epc, r.seen.antenna, r.seen.rssi_dbm) for r in reads if r.reader == reader.id)
        assert Counter((seen.epc, seen.antenna, seen.rssi_dbm) for seen in host.seen) == sent
    labels = pq.read_table(out / "labels.parquet")
    assert labels.num_rows == len(reads)
    assert set(labels["place"].to_pylist()) == {read.place for read in reads}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings in {DATA} (set TAGTRAIL_DATA)")
def test_the_published_recording_loads_line_for_line() -> None:
    reads = load(DATA)
    files = [path for room in (1, 2) for path in (DATA / f"S{room}_Dataset").iterdir()]
    assert len(reads) == sum(sum(1 for row in path.read_text().split("\n") if row.strip()) for path in files)
    assert len({read.seen.epc for read in reads}) == len(files)
    check(reads, WARD)
    dwell = labelled_dwell(reads)
    assert sum(place.labelled_s for place in dwell.values()) > 3600
