"""Which reader is on a port: asked on pseudo-terminals."""

import copy
import os
import threading
import tomllib
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tagtrail.edge import probe
from tagtrail.edge.link import LinkError
from tagtrail.hardware.protocols import FAMILIES, load_family
from tagtrail.hardware.protocols.chafon.reader import ChafonReader
from tagtrail.hardware.protocols.interface import ReaderModel
from tagtrail.hardware.protocols.invelion_a0.frame import frame as invelion_frame
from tagtrail.hardware.protocols.invelion_a0.reader import InvelionReader
from tagtrail.hardware.protocols.invelion_a0.tables import REGIONS as INVELION_REGIONS
from tagtrail.hardware.protocols.invelion_a0.tables import Command
from tagtrail.hardware.protocols.magicrf_bb.frame import Variant
from tagtrail.hardware.protocols.magicrf_bb.reader import MagicRfReader
from tagtrail.hardware.protocols.magicrf_bb.tables import REGIONS as MAGICRF_REGIONS
from tagtrail.hardware.protocols.mercury.reader import MercuryReader
from tagtrail.hardware.protocols.mercury.tables import REGIONS
from tagtrail.stack.cli import main

OBEDIENT = [name for name in FAMILIES if load_family(name).obeys_commands]


@contextmanager
def on_a_port(model: ReaderModel) -> Iterator[str]:
    """A reader on a pseudo-terminal, served by a thread."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    stop = threading.Event()

    def serve() -> None:
        while not stop.wait(0.002):
            try:
                answer = model.feed(os.read(master, 4096))
            except BlockingIOError:
                continue
            if answer:
                os.write(master, answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        stop.set()
        thread.join()
        os.close(slave)
        os.close(master)


@pytest.mark.parametrize("name", OBEDIENT)
def test_a_reader_of_each_family_is_found_and_left_as_it_was(name: str) -> None:
    model = load_family(name).reader()
    with on_a_port(model) as port:
        found = probe.probe(port, load_family(name), load_family(name).default_baud)
    assert isinstance(found, probe.Found)
    assert found.what
    assert not model.streaming
    lines = "\n".join(probe.report(found))
    table = tomllib.loads(lines.partition("For the store file:")[2])
    assert table["reader"][0]["protocol"] == name
    assert table["reader"][0]["port"] == port
    assert table["reader"][0]["antenna"][0]["port"] == 1


def test_mercury_tells_region_antennas_and_return_loss() -> None:
    model = MercuryReader()
    model.region = REGIONS["EU3"]
    model.return_loss_db = {1: 18, 3: 6}
    with on_a_port(model) as port:
        found = probe.probe(port, load_family("mercury"), 115_200)
    assert isinstance(found, probe.Found)
    assert model.powers_dbm == {}
    lines = list(probe.report(found))
    assert lines[:6] == [
        f"{port}: M6e, firmware 01.21.01.07 (mercury, 115200 baud)",
        "  region       eu3",
        "  antennas     1, 3",
        "  return loss  18 dB on port 1",
        "  return loss  6 dB on port 3  - poor: check antenna and cable",
        "",
    ]
    reader = tomllib.loads("\n".join(lines[7:]))["reader"][0]
    assert reader["region"] == "eu3"
    assert [antenna["port"] for antenna in reader["antenna"]] == [1, 3]


def probed(name: str, model: ReaderModel) -> list[str]:
    """What is told behind the first line."""
    family = load_family(name)
    with on_a_port(model) as port:
        found = probe.probe(port, family, family.default_baud)
    assert isinstance(found, probe.Found)
    return list(probe.report(found))[1:]


def test_invelion_tells_region_antennas_and_return_loss_and_keeps_its_work_antenna() -> None:
    model = InvelionReader(ports=4)
    model.region = INVELION_REGIONS["EU"]
    model.missing = {1, 2}
    model.return_loss_db |= {4: 6}
    model.feed(invelion_frame(Command.SET_WORK_ANTENNA, b"\1"))
    lines = probed("invelion-a0", model)
    assert lines[:4] == [
        "  region       eu",
        "  antennas     3, 4",
        "  return loss  20 dB on port 3",
        "  return loss  6 dB on port 4  - poor: check antenna and cable",
    ]
    reader = tomllib.loads("\n".join(lines[6:]))["reader"][0]
    assert [antenna["port"] for antenna in reader["antenna"]] == [3, 4]
    assert model.feed(invelion_frame(Command.GET_WORK_ANTENNA))[4] == 1
    assert model.flash_writes == 0


def test_chafon_tells_region_antennas_and_return_loss() -> None:
    model = ChafonReader()
    model.return_loss_db = {1: 18, 2: 1, 3: 9, 4: 0}
    saved = copy.copy(model.saved)
    lines = probed("chafon", model)
    assert lines[:4] == [
        "  region       na",
        "  antennas     1, 3",
        "  return loss  18 dB on port 1",
        "  return loss  9 dB on port 3  - poor: check antenna and cable",
    ]
    assert model.saved == saved


def test_magicrf_tells_its_region() -> None:
    model = MagicRfReader(variant=Variant.AA_DD)
    model.region = MAGICRF_REGIONS["KR"]
    lines = probed("magicrf-bb", model)
    assert lines[0] == "  region       kr"
    assert not [line for line in lines if "antennas" in line]
    assert tomllib.loads("\n".join(lines[3:]))["reader"][0]["region"] == "kr"


def test_a_reader_that_was_left_streaming_is_found() -> None:
    model = MercuryReader(in_bootloader=True)
    with on_a_port(model) as port:
        found = probe.probe(port, load_family("mercury"), 115_200)
    assert isinstance(found, probe.Found)


def test_a_reader_of_a_sister_family_is_told() -> None:
    with on_a_port(load_family("mercury-silion").reader()) as port:
        missed = probe.probe(port, load_family("mercury"), 115_200)
    assert isinstance(missed, probe.NotFound)
    assert 'set protocol = "mercury-silion"' in str(missed.why)


def test_a_line_where_nobody_answers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(probe, "TRY_S", 0.1)
    with on_a_port(load_family("rdm6300").reader()) as port:
        assert main(["edge", "probe", port]) == 1
    said = capsys.readouterr()
    assert said.out == f"{port}: no reader answers: check power and cable, and that TX and RX are not swapped\n"
    assert said.err.count("asking") == len(OBEDIENT) * len(probe.BAUDS)


def test_the_command_finds_the_family(capsys: pytest.CaptureFixture[str]) -> None:
    with on_a_port(MercuryReader()) as port:
        assert main(["edge", "probe", port, "--protocol", "mercury", "--baud", "57600"]) == 0
    said = capsys.readouterr().out
    assert f"{port}: M6e, firmware 01.21.01.07 (mercury, 57600 baud)\n  region       none is set: name" in said
    assert "baud = 57600\n" in said


def test_each_family_is_asked_at_its_usual_rate_first() -> None:
    asked = [(family.name, baud) for family, baud in probe.tries(list(FAMILIES), None)]
    assert asked[: len(OBEDIENT)] == [(name, load_family(name).default_baud) for name in OBEDIENT]
    assert len(set(asked)) == len(asked) == len(OBEDIENT) * len(probe.BAUDS)


def test_a_port_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LinkError):
        probe.probe(str(tmp_path / "ttyX"), load_family("mercury"), 115_200)
    assert main(["edge", "probe", str(tmp_path / "ttyX")]) == 2
    assert "there is no such port" in capsys.readouterr().err


def test_names_that_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "ttyUSB0"
    device.touch()
    folder = tmp_path / "by-id"
    folder.mkdir()
    (folder / "usb-FTDI_0001-if00-port0").symlink_to(device)
    monkeypatch.setattr(probe, "BY_ID", folder)
    assert probe.stable_name(str(device)) == str(folder / "usb-FTDI_0001-if00-port0")
    assert probe.stable_name(str(tmp_path / "ttyS0")) == str(tmp_path / "ttyS0")
    assert probe.stable_name("socket://10.0.0.5:4001") == "socket://10.0.0.5:4001"


def test_without_a_port_the_ports_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["edge", "probe"])
    assert code in (0, 1)
    assert (code == 1) == ("no serial port" in capsys.readouterr().out)
