"""Readers on pseudo-terminals and TCP lines, with a host at the other end."""

import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import AntennaSettings, ReaderSettings, State, TagSeen
from tagtrail.hardware.store import Store
from tagtrail.simulator.live.lines import parse_tcp_address, pty_lines, tcp_lines
from tagtrail.simulator.live.ports import BUFFER_SIZE, Ports

TAG = TagSeen(epc="E28011606000020512345678", antenna=1, rssi_dbm=-60.0)


def serving(ports: Ports, lock: threading.Lock, stop: Callable[[], bool]) -> None:
    while not stop():
        with lock:
            ports.serve(0.001)
        time.sleep(0.0005)


def test_a_host_starts_a_reader_reads_tags_and_stops_it(
    store: Store, tmp_path: Path, hosts: Any, background: Any
) -> None:
    lock = threading.Lock()
    with Ports(store.reader, pty_lines(tmp_path)) as ports, background(partial(serving, ports, lock)) as running:
        port = ports.ports["r01"]
        assert Path(port.line.address).is_symlink()
        assert sorted(ports.asleep) == ["r01", "r02", "r03"]
        assert port.send(TAG)
        assert (port.sent, port.unsent) == (0, 1)  # it is told when reading begins
        host = hosts(store.reader[0], Path(port.line.address))
        running.until(lambda: host.session.state is State.STREAMING, host)
        assert dict(port.powers_dbm) == {1: 30.0, 2: 30.0, 3: 30.0}
        with lock:
            assert port.send(TAG)
        running.until(lambda: len(host.seen) == 2, host)
        assert (host.seen[0].epc, host.seen[0].antenna, host.seen[0].rssi_dbm) == (TAG.epc, 1, -60)
        running.until(lambda: host.session.counters.keepalives >= 1, host)  # nothing to say is said, too
        host.stop()
        running.until(lambda: host.closed, host)
        assert port.powers_dbm == {}
        assert (port.sent, port.unsent) == (2, 0)
    assert not Path(port.line.address).is_symlink()


def test_a_host_that_does_not_read_loses_tags_and_they_are_counted(
    store: Store, tmp_path: Path, hosts: Any, background: Any
) -> None:
    lock = threading.Lock()
    with Ports(store.reader, pty_lines(tmp_path)) as ports, background(partial(serving, ports, lock)) as running:
        port = ports.ports["r01"]
        host = hosts(store.reader[0], Path(port.line.address))
        running.until(lambda: host.session.state is State.STREAMING, host)
        tried = 0
        with lock:
            while port.dropped < 100:
                tried += 1
                port.send(TAG)
                port.flush(time.monotonic())
        assert port.waiting <= BUFFER_SIZE
        running.until(lambda: port.sent + port.dropped == tried, host)
        running.until(lambda: len(host.seen) == port.sent, host)
        assert port.dropped == 100


def test_a_killed_host_finds_its_reader_again(store: Store, tmp_path: Path, hosts: Any, background: Any) -> None:
    lock = threading.Lock()
    with Ports(store.reader, pty_lines(tmp_path)) as ports, background(partial(serving, ports, lock)) as running:
        port = ports.ports["r02"]
        host = hosts(store.reader[1], Path(port.line.address))
        running.until(lambda: host.session.state is State.STREAMING, host)
        host.vanish()
        running.until(lambda: not port.line.attached)
        with lock:
            assert port.send(TAG)
        assert (port.sent, port.unsent) == (0, 1)  # nobody is there to hear it
        again = hosts(store.reader[1], Path(port.line.address))
        running.until(lambda: again.session.state is State.STREAMING and len(again.seen) == 1, again)


def test_a_link_of_an_earlier_run_is_replaced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "r01").symlink_to("/dev/pts/none")
    with Ports(store.reader, pty_lines(tmp_path)) as ports:
        assert Path(ports.ports["r01"].line.address).exists()


def test_a_folder_that_cannot_be_used_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GiveUp, match="ports_dir"):
        Ports(store.reader, pty_lines(tmp_path / "file"))


def test_tcp_lines_take_one_host_each(store: Store, background: Any) -> None:
    lock = threading.Lock()
    with Ports(store.reader, tcp_lines("127.0.0.1:0")) as ports, background(partial(serving, ports, lock)) as running:
        addresses = {port.line.address for port in ports.ports.values()}
        assert len(addresses) == 3
        line = ports.ports["r01"].line
        host, number = parse_tcp_address(line.address.removeprefix("socket://"))
        with socket.create_connection((host, number)) as first:
            running.until(lambda: line.attached)
            with socket.create_connection((host, number)) as second:
                assert second.recv(1) == b""  # turned away
            family = load_family("mercury")
            session = family.host(ReaderSettings("eu", (AntennaSettings(1, 30.0),)))
            first.sendall(session.open(time.monotonic()))
            assert session.feed(first.recv(1000), time.monotonic())
        running.until(lambda: not line.attached)
        with socket.create_connection((host, number)):
            running.until(lambda: line.attached)


@pytest.mark.parametrize("address", ["7000", ":7000", "here:", "here:x", "here:70000"])
def test_a_tcp_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(GiveUp, match="expected HOST:PORT"):
        tcp_lines(address)


def test_a_tcp_port_that_is_taken_is_told(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(GiveUp, match="for reader r01"):
            Ports(store.reader, tcp_lines(f"127.0.0.1:{taken.getsockname()[1]}"))


@pytest.mark.parametrize("trouble", ["unplug", "silence", "power-cut"])
def test_what_a_host_has_not_got_is_not_sent(
    store: Store, tmp_path: Path, hosts: Any, background: Any, trouble: str
) -> None:
    """Each tag is sent, dropped or lost, and what is sent is what the host has."""
    lock = threading.Lock()
    with Ports(store.reader, pty_lines(tmp_path)) as ports, background(partial(serving, ports, lock)) as running:
        port = ports.ports["r01"]
        host = hosts(store.reader[0], Path(port.line.address))
        running.until(lambda: host.session.state is State.STREAMING, host)
        with lock:
            for _ in range(200):
                port.send(TAG)
        running.until(lambda: port.sent > 20, host)
        host.chunk = 0  # it reads no more
        running.until(lambda: port.waiting > 0 or port.sent == 200, host)
        with lock:
            port.suffer({trouble})
            assert not port.send(TAG)
            assert port.sent + port.lost == 201
        assert Path(port.line.address).exists() is (trouble != "unplug")
        host.chunk = 65536
        if trouble == "unplug":
            with pytest.raises(OSError):
                running.until(lambda: len(host.seen) > port.sent, host)
            assert len(host.seen) == port.sent
            host.vanish()
        else:
            running.until(lambda: len(host.seen) == port.sent, host)
        with lock:
            port.suffer(())
        assert (port.powers_dbm == {}) is (trouble == "power-cut")
        if trouble != "silence":
            host = hosts(store.reader[0], Path(port.line.address))
        running.until(lambda: port.powers_dbm != {} and host.session.state is State.STREAMING, host)
        sent, seen = port.sent, len(host.seen)
        with lock:
            assert port.send(TAG)
        running.until(lambda: len(host.seen) - seen == port.sent - sent == 1, host)
