"""Readers on pseudo-terminals, with a host at the other end."""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from tagtrail.hardware.clock import Clock, ScaledClock
from tagtrail.hardware.errors import GiveUp
from tagtrail.hardware.protocols.interface import State, TagSeen
from tagtrail.hardware.store import Store
from tagtrail.simulator.live import simulate_live
from tagtrail.simulator.ports import BUFFER_SIZE, Ports
from tagtrail.simulator.truth import Summary

ORIGIN_US = 1_773_453_600_000_000
TAG = TagSeen(epc="E28011606000020512345678", antenna=1, rssi_dbm=-60.0)


def scaled(rate: float) -> Clock:
    return ScaledClock(time.time_ns() // 1000, ORIGIN_US, rate)


def serving(ports: Ports, lock: threading.Lock, stop: Callable[[], bool]) -> None:
    while not stop():
        with lock:
            ports.serve(0.001)
        time.sleep(0.0005)


def test_a_host_starts_a_reader_reads_tags_and_stops_it(
    store: Store, tmp_path: Path, hosts: Any, background: Any
) -> None:
    lock = threading.Lock()
    with Ports(store.reader, tmp_path) as ports, background(partial(serving, ports, lock)) as running:
        port = ports.ports["r01"]
        assert port.link.is_symlink()
        assert sorted(ports.asleep) == ["r01", "r02", "r03"]
        assert port.send(TAG)
        assert (port.sent, port.unsent) == (0, 1)  # it is told when reading begins
        host = hosts(store.reader[0], port.link)
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
    assert not port.link.is_symlink()


def test_a_host_that_does_not_read_loses_tags_and_they_are_counted(
    store: Store, tmp_path: Path, hosts: Any, background: Any
) -> None:
    lock = threading.Lock()
    with Ports(store.reader, tmp_path) as ports, background(partial(serving, ports, lock)) as running:
        port = ports.ports["r01"]
        host = hosts(store.reader[0], port.link)
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
    with Ports(store.reader, tmp_path) as ports, background(partial(serving, ports, lock)) as running:
        port = ports.ports["r02"]
        host = hosts(store.reader[1], port.link)
        running.until(lambda: host.session.state is State.STREAMING, host)
        host.vanish()
        with lock:
            assert port.send(TAG)
        running.until(lambda: port.sent == 1)
        again = hosts(store.reader[1], port.link)
        running.until(lambda: again.session.state is State.STREAMING and len(again.seen) == 1, again)


def test_a_link_of_an_earlier_run_is_replaced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "r01").symlink_to("/dev/pts/none")
    with Ports(store.reader, tmp_path) as ports:
        assert ports.ports["r01"].link.exists()


def test_a_folder_that_cannot_be_used_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GiveUp, match="ports_dir"):
        Ports(store.reader, tmp_path / "file")


@pytest.mark.parametrize("protocols", [("mercury",) * 3, ("chafon", "invelion-a0", "mercury-silion")])
def test_a_live_store_sends_what_it_says_it_sent(
    store: Store, tmp_path: Path, hosts: Any, background: Any, protocols: tuple[str, ...]
) -> None:
    readers = zip(store.reader, protocols, strict=True)
    store = replace(store, reader=tuple(replace(reader, protocol=protocol) for reader, protocol in readers))
    out = tmp_path / "out"
    work = partial(
        simulate_live,
        store,
        ports_dir=tmp_path / "ports",
        clock=scaled(60),
        seed=3,
        minutes=2,
        out=out,
        shoppers_per_hour=200,
        warm_up_minutes=10,
        wait=True,
    )
    with background(lambda stop: work(stop=stop)) as running:
        running.until(lambda: all((tmp_path / "ports" / reader.id).exists() for reader in store.reader))
        lines = [hosts(reader, tmp_path / "ports" / reader.id) for reader in store.reader]
        running.until(lambda: (out / "summary.json").exists(), *lines)
        summary = msgspec.json.decode((out / "summary.json").read_bytes(), type=Summary)
        running.until(lambda: sum(len(host.seen) for host in lines) >= summary.reads_sent, *lines)
        for host in lines:
            host.stop()
        running.until(lambda: all(host.closed for host in lines), *lines)
    assert summary.reads_sent > 500
    assert summary.reads_dropped_by_reader == 0
    for host, reader in zip(lines, store.reader, strict=True):
        assert len(host.seen) == summary.readers[reader.id].reads_sent
    epcs = set(pq.read_table(out / "truth.parquet")["epc"].to_pylist())
    unknown = {seen.epc for host in lines for seen in host.seen} - epcs
    assert len(unknown) <= 1  # who came in after the last full second
    assert pq.read_table(out / "visits_truth.parquet").num_rows > 10


def test_an_endless_store_ends_when_told_and_keeps_no_truth(store: Store, tmp_path: Path, background: Any) -> None:
    out = tmp_path / "out"
    work = partial(
        simulate_live,
        store,
        ports_dir=tmp_path / "ports",
        clock=scaled(1),
        seed=3,
        minutes=0,
        out=out,
        shoppers_per_hour=20,
        warm_up_minutes=1,
        wait=False,
    )
    with background(lambda stop: work(stop=stop)) as running:
        running.until(lambda: all((tmp_path / "ports" / reader.id).exists() for reader in store.reader))
    assert [path.name for path in out.iterdir()] == ["summary.json"]
    assert list((tmp_path / "ports").iterdir()) == []
