"""A capture comes out of a port as it went in."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tagtrail.hardware.capture import Header, Kind, Record, encode_header, encode_record
from tagtrail.hardware.clock import ScaledClock, WallClock
from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import AntennaSettings, ReaderSettings, State, TagSeen
from tagtrail.simulator.live.lines import pty_lines
from tagtrail.simulator.recordings.play_capture import CapturedReader, replay_capture
from tagtrail.simulator.service import run_replay
from tagtrail.simulator.settings import ReplaySettings

Line = tuple[float, str, bytes]
"""Seconds since the start, mark, bytes."""


def write(path: Path, lines: list[Line], reader: str = "r01") -> Path:
    records = [Record(1_700_000_000_000_000 + round(at_s * 1e6), Kind(mark), data) for at_s, mark, data in lines]
    path.write_bytes(encode_header(Header(reader, "mercury")) + b"".join(map(encode_record, records)))
    return path


@contextmanager
def playing(path: Path, ports_dir: Path, rate: float, speed: float = 1.0) -> Iterator[int]:
    """The descriptor of the port that a capture is played on."""
    stop = threading.Event()
    clock = ScaledClock(time.time_ns() // 1000, 1_000_000_000_000_000, rate)
    thread = threading.Thread(
        target=replay_capture,
        args=(path,),
        kwargs={"make_line": pty_lines(ports_dir), "clock": clock, "speed": speed, "stop": stop.is_set},
    )
    thread.start()
    until_s = time.monotonic() + 10
    while not (ports_dir / "r01").exists():
        assert time.monotonic() < until_s
        time.sleep(0.005)
    port = os.open(ports_dir / "r01", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield port
    finally:
        os.close(port)
        stop.set()
        thread.join()


def hear(port: int, enough: Callable[[bytes], bool], limit_s: float = 10.0) -> bytes:
    heard = b""
    until_s = time.monotonic() + limit_s
    while not enough(heard):
        assert time.monotonic() < until_s, heard
        try:
            heard += os.read(port, 65536)
        except BlockingIOError:
            time.sleep(0.002)
    return heard


def test_what_the_reader_sent_comes_behind_what_the_host_sent_before(tmp_path: Path) -> None:
    lines = [
        (0.0, "!", b"opened"), (0.1, ">", b"ab"), (0.2, "<", b"1"), (5.0, ">", b"cd"), (5.1, "<", b"2"),
        (6.0, "<", b"3"), (6.0, "!", b"closed"),
    ]  # fmt: skip
    with playing(write(tmp_path / "x.capture", lines), tmp_path / "ports", rate=100) as port:
        os.write(port, b"a")
        with pytest.raises(AssertionError):
            hear(port, bool, limit_s=0.3)  # the host has said half of its command
        os.write(port, b"b")
        assert hear(port, bool) == b"1"
        os.write(port, b"cd")
        assert hear(port, lambda heard: len(heard) >= 2) == b"23"


def test_a_host_that_says_less_is_not_waited_for_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagtrail.simulator.recordings.play_capture.HOST_LATE_S", 0.05)
    lines = [(0.0, "<", b"1"), (0.1, ">", b"ab"), (0.2, "<", b"2"), (0.3, "<", b"3")]
    with playing(write(tmp_path / "x.capture", lines), tmp_path / "ports", rate=10) as port:
        assert hear(port, lambda heard: len(heard) >= 3) == b"123"


def test_many_bytes_keep_their_order(tmp_path: Path) -> None:
    lines = [(0.001 * number, "<", bytes((number % 256,)) * 100) for number in range(3000)]
    expected = b"".join(data for _, _, data in lines)
    with playing(write(tmp_path / "x.capture", lines), tmp_path / "ports", rate=1, speed=100) as port:
        assert hear(port, lambda heard: len(heard) >= len(expected)) == expected


def test_the_same_session_reads_the_same_tags_again(tmp_path: Path) -> None:
    family = load_family("mercury")
    settings = ReaderSettings("eu", (AntennaSettings(1, 20.0),))
    host, reader = family.host(settings), family.reader()
    lines: list[Line] = [(0.0, ">", host.open(0.0))]
    now_s = 0.0
    while host.state is not State.STREAMING:
        now_s += 0.01
        if answer := reader.feed(lines[-1][2] if lines[-1][1] == ">" else b""):
            lines.append((now_s, "<", answer))
        out = host.feed(answer, now_s)[1] + host.tick(now_s)[1]
        if out:
            lines.append((now_s, ">", out))
    tags = [f"E2801160600002{number:010X}" for number in range(20)]
    lines += [(now_s + 0.1 * n, "<", reader.tag(TagSeen(epc=epc, antenna=1))) for n, epc in enumerate(tags)]
    again, seen = family.host(settings), list[str]()
    with playing(write(tmp_path / "x.capture", lines), tmp_path / "ports", rate=20) as port:
        os.write(port, again.open(time.monotonic()))
        until_s = time.monotonic() + 10
        while len(seen) < len(tags):
            assert time.monotonic() < until_s, again.state
            try:
                data = os.read(port, 65536)
            except BlockingIOError:
                data = b""
                time.sleep(0.002)
            events, out = again.feed(data, time.monotonic())
            more, late = again.tick(time.monotonic())
            os.write(port, out + late)
            seen += [event.epc for event in events + more if isinstance(event, TagSeen)]
    assert seen == tags


def test_what_cannot_be_played_is_told(tmp_path: Path) -> None:
    def play(path: Path) -> None:
        replay_capture(path, make_line=pty_lines(tmp_path / "ports"), clock=WallClock(), stop=lambda: True)

    (tmp_path / "text").write_text("hello\n")
    with pytest.raises(GiveUp, match="text: not a capture"):
        play(tmp_path / "text")
    with pytest.raises(GiveUp, match="No such file"):
        play(tmp_path / "none")
    with pytest.raises(FaultsError, match="format 'mp3': known are uci-rfid-wearable, capture, reads"):
        run_replay(ReplaySettings(recording="x", ports_dir="y", format="mp3"))
    model = CapturedReader()
    assert (model.idle(0), model.reboot()) == (b"", b"")
    with pytest.raises(RuntimeError):
        model.tag(TagSeen(epc="E280"))
