"""A scenario on lines: what is said to be sent is what hosts get, and one seed gives the same frames."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import Counters
from tagtrail.hardware.store import Store
from tagtrail.simulator.layouts import swapped
from tagtrail.simulator.live.faults import Fault
from tagtrail.simulator.live.lines import pty_lines
from tagtrail.simulator.live.on_lines import simulate_on_lines
from tagtrail.simulator.scenario import Layout, Scenario
from tagtrail.simulator.truth import Summary

Scaled = Callable[..., Any]


class Run:
    """A finished run: what the simulator and the hosts say."""

    def __init__(self, summary: Summary, hosts: Sequence[Any], store: Store) -> None:
        self.summary = summary
        self.hosts = dict(zip([reader.id for reader in store.reader], hosts, strict=True))
        self._store = store

    def frames(self) -> dict[str, list[str]]:
        """The frames with tags, by reader, as hex."""
        found = {}
        for reader in self._store.reader:
            meanings = load_family(reader.protocol).decode([bytes(self.hosts[reader.id].heard)], Counters())
            found[reader.id] = [str(m["hex"]) for m in meanings if "epc" in m or m.get("tags")]
        return found


def run(
    scenario: Scenario, folder: Path, hosts: Any, background: Any, clock: Any, check: Callable[..., object] = list
) -> Run:
    """Run a scenario with a host at each line, to its end."""
    store, out, ports = scenario.shops[0].store, folder / "out", folder / "ports"
    work = partial(simulate_on_lines, scenario, make_line=pty_lines(ports), clock=clock, out=out)
    with background(lambda stop: work(stop=stop)) as running:
        running.until(lambda: all((ports / reader.id).exists() for reader in store.reader))
        lines = [hosts(reader, ports / reader.id) for reader in store.reader]
        running.until(lambda: (out / "summary.json").exists(), *lines, limit_s=60)
        summary = msgspec.json.decode((out / "summary.json").read_bytes(), type=Summary)
        running.until(lambda: sum(len(host.seen) for host in lines) >= summary.reads_sent, *lines)
        for host in lines:
            host.stop()
        running.until(lambda: all(host.closed for host in lines), *lines)
    return Run(summary, lines, store)


@pytest.mark.parametrize("protocols", [("mercury",) * 3, ("chafon", "invelion-a0", "mercury-silion")])
def test_a_live_store_sends_what_it_says_it_sent(
    store: Store,
    tmp_path: Path,
    hosts: Any,
    background: Any,
    make_scenario: Any,
    scaled: Scaled,
    protocols: tuple[str, ...],
) -> None:
    readers = zip(store.reader, protocols, strict=True)
    store = replace(store, reader=tuple(replace(reader, protocol=protocol) for reader, protocol in readers))
    done = run(make_scenario(store, minutes=2), tmp_path, hosts, background, scaled(60))
    summary = done.summary
    assert summary.reads_sent > 500
    assert (summary.reads_dropped_by_reader, summary.reads_lost_by_fault) == (0, 0)
    for name, host in done.hosts.items():
        assert len(host.seen) == summary.readers[name].reads_sent
    people = pq.read_table(tmp_path / "out" / "people.parquet")
    known = {epc for epcs in people["epcs"].to_pylist() for epc in epcs or ()}
    assert {seen.epc for host in done.hosts.values() for seen in host.seen} <= known
    assert pq.read_table(tmp_path / "out" / "truth.parquet").num_rows > 1000


@pytest.mark.parametrize("protocol", ["mercury", "chafon"])
def test_the_same_seed_gives_the_same_tag_frames(
    store: Store, tmp_path: Path, hosts: Any, background: Any, make_scenario: Any, scaled: Scaled, protocol: str
) -> None:
    readers = tuple(
        replace(reader, protocol=protocol, antenna=reader.antenna[: load_family(protocol).ports_max])
        for reader in store.reader
    )
    scenario = make_scenario(replace(store, reader=readers), minutes=1.5)
    first = run(scenario, tmp_path / "1", hosts, background, scaled(45)).frames()
    # Another rate, another time of day: the people live in the scenario's time.
    second = run(scenario, tmp_path / "2", hosts, background, scaled(60, 1_700_000_123_456_789)).frames()
    assert first == second
    assert sum(map(len, first.values())) > 200
    other = run(make_scenario(store, minutes=0.5, seed=4), tmp_path / "3", hosts, background, scaled(60)).frames()
    assert other["r01"][:20] != first["r01"][:20]


def test_faults_of_lines_lose_what_they_say(
    store: Store, tmp_path: Path, hosts: Any, background: Any, make_scenario: Any, scaled: Scaled
) -> None:
    faults = [
        Fault(kind="garbage", reader="r01", at=0.2, minutes=1.0, garbage_bytes=30),
        Fault(kind="antenna", reader="r01", antenna=3, at=0.0),
        Fault(kind="silence", reader="r02", at=0.5, minutes=0.5),
        Fault(kind="antenna", reader="r02", antenna=1, loss_db=15.0),
    ]
    well = run(make_scenario(store, minutes=2), tmp_path / "well", hosts, background, scaled(60))
    ill = run(make_scenario(store, minutes=2, faults=faults), tmp_path / "ill", hosts, background, scaled(60))
    assert ill.summary.reads_lost_by_fault > 10
    for name, host in ill.hosts.items():
        assert len(host.seen) == ill.summary.readers[name].reads_sent
    assert ill.hosts["r01"].session.counters.bytes_dropped > 1000
    assert {seen.antenna for seen in ill.hosts["r01"].seen} == {1, 2}
    assert {seen.antenna for seen in well.hosts["r01"].seen} == {1, 2, 3}
    weak, strong = ([seen.rssi_dbm for seen in done.hosts["r02"].seen if seen.antenna == 1] for done in (ill, well))
    assert len(weak) < len(strong)
    of_r01 = [[(s.epc, s.antenna, s.rssi_dbm) for s in d.hosts["r01"].seen if s.antenna != 3] for d in (ill, well)]
    assert of_r01[0] == of_r01[1]  # garbage takes nothing away, nor does another antenna's fault


def test_the_layout_changes_while_it_runs(
    store: Store, tmp_path: Path, hosts: Any, background: Any, make_scenario: Any, scaled: Scaled
) -> None:
    scenario = make_scenario(store, minutes=2)
    first = scenario.shops[0].layouts[0]
    change = Layout(swapped(store, "shoes", "coats"), first.valid_from + timedelta(minutes=1))
    done = run(make_scenario(store, minutes=2, layouts=[change]), tmp_path, hosts, background, scaled(60))
    assert sum(len(host.seen) for host in done.hosts.values()) == done.summary.reads_sent
    times_us = (
        pq.read_table(tmp_path / "out" / "truth.parquet")["time"].to_numpy().astype("datetime64[us]").astype(np.int64)
    )
    assert times_us.max() - times_us.min() == 119_000_000


def test_an_endless_store_ends_when_told_and_keeps_no_truth(
    store: Store, tmp_path: Path, background: Any, make_scenario: Any, scaled: Scaled
) -> None:
    out, ports = tmp_path / "out", tmp_path / "ports"
    work = partial(
        simulate_on_lines,
        make_scenario(store, minutes=1),
        make_line=pty_lines(ports),
        clock=scaled(600),
        out=out,
        forever=True,
        wait=False,
    )
    with background(lambda stop: work(stop=stop)) as running:
        running.until(lambda: all((ports / reader.id).exists() for reader in store.reader))
        until_s = time.monotonic() + 0.5  # five minutes of the scenario's one
        running.until(lambda: time.monotonic() > until_s)
    assert [path.name for path in out.iterdir()] == ["summary.json"]
    assert list(ports.iterdir()) == []


def test_a_chain_has_a_folder_per_store(
    store: Store, tmp_path: Path, background: Any, make_scenario: Any, scaled: Scaled
) -> None:
    out, ports = tmp_path / "out", tmp_path / "ports"
    shop = make_scenario(store, minutes=0.1).shops[0]
    other = replace(store, store=replace(store.store, id="other"))
    second = make_scenario(other, minutes=0.1).shops[0]
    work = partial(
        simulate_on_lines,
        Scenario("Chain", "", (shop, second)),
        make_line=pty_lines(ports),
        clock=scaled(60),
        out=out,
        wait=False,
    )
    with background(lambda stop: work(stop=stop)) as running:
        running.until(lambda: (out / "other" / "summary.json").exists())
        assert {path.parent.name for path in ports.glob("*/r01")} == {"corner-shop", "other"}
    assert (out / "corner-shop" / "truth.parquet").exists()
