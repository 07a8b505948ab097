"""What goes over a port is in its capture, and a capture harms nothing."""

import errno
import logging
import os
import shutil
import tty
from pathlib import Path

import pytest

from fixture_edge import wait_for
from tagtrail.edge.agent import Agent
from tagtrail.edge.link import Link
from tagtrail.edge.recorder import Recorder
from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.capture import Capture, Header, lines
from tagtrail.hardware.store import Antenna, Floor, Reader, Store, StoreInfo

HEADER = Header("r01", "mercury", "/dev/ttyX", 115_200)


class SteppingClock:
    """A second passes whenever somebody looks."""

    def __init__(self) -> None:
        self.time_us = 1_773_453_600_000_000

    def now_us(self) -> int:
        self.time_us += 1_000_000
        return self.time_us

    def seconds_until(self, time_us: int) -> float:
        return 0.0


def recorder(folder: Path, size_max: int = 10_000, files_max: int = 3) -> Recorder:
    return Recorder(folder, HEADER, clock=SteppingClock(), size_max=size_max, files_max=files_max)


def told(path: Path) -> list[tuple[str, bytes]]:
    with path.open("rb") as file:
        capture = Capture(lines(file))
        assert capture.header == HEADER
        records = [(record.kind.value, record.data) for record in capture.records()]
        assert capture.note is None
        return records


def test_all_that_goes_over_a_link_is_recorded(tmp_path: Path) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    tap = recorder(tmp_path / "captures")
    for number in range(2):
        with Link(os.ttyname(slave), 115_200, tap) as link:
            link.write(b"\xff\x00\x03")
            os.write(master, bytes((number, 0xFF)))
            heard = b""
            while len(heard) < 2:
                heard += link.read()
    os.close(master)
    os.close(slave)
    (path,) = (tmp_path / "captures").iterdir()
    assert path.name == "r01-20260314T020001.000000Z.capture"
    records = told(path)
    assert b"".join(data for mark, data in records if mark == "<") == b"\x00\xff\x01\xff"
    assert [record for record in records if record[0] != "<"] == [
        ("!", b"opened"), (">", b"\xff\x00\x03"), ("!", b"closed"),
    ] * 2  # fmt: skip


def test_files_are_bounded_in_size_and_number(tmp_path: Path) -> None:
    for name in ("r01-2-20200101T000000.000000Z.capture", "r01.txt", "r01-notes.capture"):
        (tmp_path / name).write_text("not ours")
    tap = recorder(tmp_path, size_max=300)
    tap.opened()
    for number in range(100):
        tap.received(bytes((number,)))
    tap.closed()
    mine = sorted(tmp_path.glob("r01-2026*.capture"))
    assert len(mine) == 3
    assert all(path.stat().st_size < 350 for path in mine)
    data = [data for path in mine for mark, data in told(path) if mark == "<"]
    assert data == [bytes((number,)) for number in range(100 - len(data), 100)]
    assert len(list(tmp_path.iterdir())) == 6


def test_a_file_that_somebody_deleted_is_begun_anew(tmp_path: Path) -> None:
    tap = recorder(tmp_path / "captures")
    tap.opened()
    tap.closed()
    shutil.rmtree(tmp_path / "captures")
    tap.opened()
    tap.closed()
    (path,) = (tmp_path / "captures").iterdir()
    assert told(path) == [("!", b"opened"), ("!", b"closed")]


def test_a_disk_that_takes_nothing_costs_the_capture_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    tap = recorder(tmp_path / "file" / "captures")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            tap.opened()
            tap.received(b"\x01")
            tap.closed()
    (record,) = caplog.records
    assert record.getMessage() == (
        f"reader r01: no capture in {tmp_path}/file/captures: {os.strerror(errno.ENOTDIR)}; "
        "trying again when the port is opened anew"
    )
    tap = recorder(tmp_path)
    tap.opened()
    monkeypatch.setattr(Recorder, "_append", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    tap.received(b"\x01")
    tap.received(b"\x02")
    tap.closed()
    (path,) = tmp_path.glob("r01-*.capture")
    assert told(path) == [("!", b"opened")]


def test_the_agent_records_where_it_is_told_to(tmp_path: Path) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    store = Store(
        store=StoreInfo(id="riverside", name="Riverside", timezone="UTC"),
        floor=(Floor("1F", 10.0, 10.0),),
        zone=(),
        reader=(Reader("r01", "mercury", (Antenna(1, "1F", (1.0, 1.0, 3.0)),), port=os.ttyname(slave)),),
    )
    settings = EdgeSettings(spool=str(tmp_path / "spool.sqlite"), capture_dir=str(tmp_path / "captures"))
    (task,) = Agent(settings, store)._tasks
    task.start()
    wait_for(lambda: any(b" > FF" in path.read_bytes() for path in tmp_path.glob("captures/r01-*")), "a command")
    task.stop()
    wait_for(lambda: not task.alive, "the reader's thread ends")
    os.close(slave)
    os.close(master)
    (path,) = tmp_path.glob("captures/*")
    with path.open("rb") as file:
        assert Capture(lines(file)).header == Header("r01", "mercury", store.reader[0].port or "", 115_200)
    (none,) = Agent(EdgeSettings(spool=str(tmp_path / "other.sqlite")), store)._tasks
    assert none._tap is None


def test_settings_are_checked() -> None:
    assert EdgeSettings(capture_mb=0, capture_files=0).faults() == [
        "capture_mb 0: 0.001 to 100000 allowed",
        "capture_files 0: 1 to 10000 allowed",
    ]
