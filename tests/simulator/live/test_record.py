"""Ports are recorded, and what was recorded is played: the same tags come out."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tagtrail.hardware.capture import Capture, Kind, lines
from tagtrail.hardware.clock import WallClock
from tagtrail.hardware.errors import FaultsError, GiveUp
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import Counters
from tagtrail.hardware.store import Store
from tagtrail.simulator.live.lines import pty_lines
from tagtrail.simulator.live.on_lines import simulate_on_lines
from tagtrail.simulator.live.record import record
from tagtrail.simulator.recordings.play_capture import replay_capture


def tags_in(path: Path) -> list[str]:
    """EPCs of a capture, in order."""
    with path.open("rb") as file:
        capture = Capture(lines(file))
        data = [one.data for connection in capture.connections(Kind.FROM_READER) for one in connection]
        meanings = load_family(capture.header.protocol).decode(data, Counters())
        return [str(meaning["epc"]) for meaning in meanings if "epc" in meaning]


def test_a_running_simulation_is_recorded_and_played_again(
    store: Store, tmp_path: Path, background: Any, hosts: Any, make_scenario: Any, scaled: Any
) -> None:
    out, ports, captures = tmp_path / "out", tmp_path / "ports", tmp_path / "captures"
    live = partial(
        simulate_on_lines, make_scenario(store, minutes=1), make_line=pty_lines(ports), clock=scaled(60), out=out
    )
    tape = partial(record, store, out=captures, clock=WallClock(), ports=f"{ports}/{{reader}}")
    with background(lambda stop: live(stop=stop)) as running:
        running.until(lambda: all((ports / reader.id).exists() for reader in store.reader))
        with background(lambda stop: tape(stop=stop)):
            running.until((out / "summary.json").exists, limit_s=60)
    files = {reader.id: captures / f"{reader.id}.capture" for reader in store.reader}
    assert min(len(tags_in(file)) for file in files.values()) > 10
    again = partial(
        replay_capture, files["r01"], make_line=pty_lines(tmp_path / "again"), clock=WallClock(), speed=20.0
    )
    with background(lambda stop: again(stop=stop)) as running:
        running.until((tmp_path / "again" / "r01").exists)
        host = hosts(store.reader[0], tmp_path / "again" / "r01")
        running.until(lambda: len(host.seen) >= len(tags_in(files["r01"])), host)
    assert [seen.epc for seen in host.seen] == tags_in(files["r01"])


def test_what_cannot_be_recorded_is_told(store: Store, tmp_path: Path) -> None:
    def tape(**how: Any) -> None:
        record(store, out=tmp_path, clock=WallClock(), stop=lambda: True, **how)

    with pytest.raises(FaultsError, match="there is no reader r99"):
        tape(ports="/dev/{reader}", readers=["r99"])
    with pytest.raises(FaultsError, match="would share one port"):
        tape(ports="/dev/ttyUSB0")
    with pytest.raises(FaultsError, match="reader r01: say where it is"):
        tape()
    (tmp_path / "r02.capture").write_text("")
    with pytest.raises(GiveUp, match="r02.capture is there already"):
        tape(ports="/dev/{reader}", readers=["r02"])


def test_a_port_that_is_not_there_is_waited_for(store: Store, tmp_path: Path) -> None:
    counts = record(
        store,
        out=tmp_path / "out",
        clock=WallClock(),
        ports=f"{tmp_path}/{{reader}}",
        readers=["r01"],
        minutes=0.005,
        stop=lambda: False,
    )
    assert counts == {"r01": 0}
    assert (tmp_path / "out" / "r01.capture").read_bytes().startswith(b"tagtrail-capture 1 ")
