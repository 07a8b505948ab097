"""Faults on the whole way, through the real edge, a real broker and ingest: every read is in the database once."""

import secrets
import time
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest

from fixture_edge import running_edge
from fixture_ingest import IngestProcess, wait_until
from fixture_mqtt import MqttBroker
from tagtrail.hardware.clock import ScaledClock
from tagtrail.hardware.store import Store
from tagtrail.simulator.files import simulate_to_files
from tagtrail.simulator.live.connection import MqttTarget
from tagtrail.simulator.live.faults import YEAR_US, Fault
from tagtrail.simulator.live.lines import LineMaker, parse_tcp_address, pty_lines, tcp_lines
from tagtrail.simulator.live.on_lines import simulate_on_lines
from tagtrail.simulator.live.on_mqtt import Publishing, simulate_on_mqtt
from tagtrail.simulator.live.vendor import Maker
from tagtrail.simulator.scenario import Scenario
from tagtrail.simulator.truth import Summary

Connection = psycopg.Connection[tuple[Any, ...]]


def now_us() -> int:
    return time.time_ns() // 1000


def by_reader(connection: Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT reader, sum(count)::int FROM read GROUP BY reader").fetchall())


def run_on_lines(
    scenario: Scenario,
    folder: Path,
    mqtt: str,
    background: Any,
    connection: Connection,
    *,
    make_line: LineMaker,
    ports: str | None,
    clock: ScaledClock,
    edge_clock: ScaledClock | None = None,
    store: Store | None = None,
) -> Summary:
    """Run a scenario with the edge at the lines; returns when the database has as many reads as were sent."""
    out = folder / "out"
    store = store or scenario.shops[0].store
    work = partial(simulate_on_lines, scenario, make_line=make_line, clock=clock, out=out)
    with background(lambda stop: work(stop=stop)) as running:
        with running_edge(store, folder, mqtt, edge_clock or clock, ports):
            running.until((out / "summary.json").exists, limit_s=120)
            summary = msgspec.json.decode((out / "summary.json").read_bytes(), type=Summary)
            sent = {name: count.reads_sent for name, count in summary.readers.items()}
            wait_until(lambda: sum(by_reader(connection).values()) >= summary.reads_sent, "all reads in the database")
            assert by_reader(connection) == sent
    assert by_reader(connection) == sent
    return summary


def test_unplugged_cables_and_garbage(
    store: Store,
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    background: Any,
    make_scenario: Any,
    scaled: Any,
) -> None:
    faults = [
        Fault(kind="unplug", reader="r01", at=0.3, minutes=0.3),
        Fault(kind="garbage", reader="r02", at=0.1, minutes=1.0, garbage_bytes=25),
        Fault(kind="power-cut", reader="r03", at=0.5, minutes=0.2),
    ]
    clock = scaled(10)
    ingest.start(dsn=schema, mqtt=mqtt_broker.url, clock=clock.text())
    ports = tmp_path / "ports"
    summary = run_on_lines(
        make_scenario(store, minutes=1.5, faults=faults),
        tmp_path,
        mqtt_broker.url,
        background,
        connection,
        make_line=pty_lines(ports),
        ports=f"{ports}/{{reader}}",
        clock=clock,
    )
    assert summary.reads_lost_by_fault > 0
    assert min(count.reads_sent for count in summary.readers.values()) > 20


def test_tcp_lines_and_a_clock_26_years_off(
    store: Store,
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    background: Any,
    make_scenario: Any,
) -> None:
    """The ports stand in the store file; the edge's machine believes that it is 26 years ago."""
    make = tcp_lines("127.0.0.1:0")
    lines = {reader.id: make(reader.id) for reader in store.reader}
    wired = msgspec.structs.replace(
        store,
        reader=tuple(msgspec.structs.replace(reader, port=lines[reader.id].address) for reader in store.reader),
    )
    assert parse_tcp_address(lines["r01"].address.removeprefix("socket://"))[0] == "127.0.0.1"
    start_us = now_us()
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    summary = run_on_lines(
        make_scenario(store, minutes=0.2),
        tmp_path,
        mqtt_broker.url,
        background,
        connection,
        make_line=lines.__getitem__,
        ports=None,
        clock=ScaledClock(start_us, start_us, 1.0),
        edge_clock=ScaledClock(start_us, start_us - 26 * YEAR_US, 1.0),
        store=wired,
    )
    assert summary.reads_sent > 20
    row = connection.execute("SELECT min(time), max(time) FROM read").fetchone()
    assert row is not None
    began, ended = (datetime.fromisoformat(text) for text in (summary.start, summary.end))
    assert (began - row[0]).total_seconds() < 2
    assert (row[1] - ended).total_seconds() < 5


Row = tuple[str, int, str, float | None]


def in_files(scenario: Scenario, folder: Path) -> list[tuple[int, Row]]:
    """The reads that a scenario makes, with microseconds since its start."""
    simulate_to_files(scenario, folder)
    table = pq.read_table(folder / "reads.parquet")
    start_us = scenario.shops[0].start_us
    columns = [table[name].to_pylist() for name in ("reader", "antenna", "epc", "rssi_dbm")]
    times_us = (table["time"].to_numpy().astype("datetime64[us]").astype(np.int64) - start_us).tolist()
    return sorted(zip(times_us, zip(*columns, strict=True), strict=True))


def in_database(connection: Connection, start_us: int) -> list[tuple[int, Row]]:
    rows = connection.execute(
        "SELECT (extract(epoch FROM time) * 1e6)::bigint, reader, antenna, epc, rssi_dbm FROM read"
    ).fetchall()
    return sorted((row[0] - start_us, row[1:]) for row in rows)


def run_on_mqtt(
    scenario: Scenario, folder: Path, mqtt: str, background: Any, clock: ScaledClock, **how: Any
) -> tuple[Summary, int]:
    """Run a scenario straight to the broker; returns its summary, and its start."""
    publishing = Publishing(target=MqttTarget(url=mqtt), boot=secrets.token_hex(4), **how)
    out = folder / "out"
    with background(
        lambda stop: simulate_on_mqtt(scenario, publishing=publishing, clock=clock, out=out, stop=stop)
    ) as running:
        wait_until((out / "summary.json").exists, "the end of the run", 120)
        del running
    summary = msgspec.json.decode((out / "summary.json").read_bytes(), type=Summary)
    return summary, round(datetime.fromisoformat(summary.start).astimezone(UTC).timestamp() * 1e6)


def test_duplicated_and_reordered_messages_of_two_agents(
    store: Store,
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    background: Any,
    make_scenario: Any,
    scaled: Any,
) -> None:
    faults = [Fault(kind="duplicate", share=0.7), Fault(kind="reorder", agent="edge-1", share=0.9)]
    scenario = make_scenario(store, minutes=3, faults=faults)
    clock = scaled(60)
    ingest.start(dsn=schema, mqtt=mqtt_broker.url, clock=clock.text())
    ingest.wait_connected()
    summary, start_us = run_on_mqtt(scenario, tmp_path, mqtt_broker.url, background, clock, agents=2)
    expected = in_files(scenario, tmp_path / "files")
    assert len(expected) == summary.reads_sent > 500
    assert in_database(connection, start_us) == expected
    assert connection.execute("SELECT count(DISTINCT agent) FROM agent_status").fetchone() == (2,)


def test_agents_with_clocks_that_are_wrong_and_slow(
    store: Store,
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    background: Any,
    make_scenario: Any,
) -> None:
    faults = [
        Fault(kind="wrong-clock", agent="edge-1", at=0.05),
        Fault(kind="slow-clock", agent="edge-2", slow_s_per_hour=1800.0),
    ]
    scenario = make_scenario(store, minutes=0.15, faults=faults)
    clock = ScaledClock(now_us(), now_us(), 1.0)
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    summary, start_us = run_on_mqtt(scenario, tmp_path, mqtt_broker.url, background, clock, agents=2)
    expected = in_files(scenario, tmp_path / "files")
    found = in_database(connection, start_us)
    assert Counter(row for _, row in found) == Counter(row for _, row in expected)
    assert summary.reads_sent == len(expected) > 20
    assert -1e6 < found[0][0] < 10e6
    assert found[-1][0] < 10e6
    assert ("corrected",) in connection.execute("SELECT DISTINCT clock FROM batch").fetchall()


@pytest.mark.parametrize("maker", ["impinj", "zebra"])
def test_fixed_readers_that_publish_by_themselves(
    store: Store,
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    background: Any,
    make_scenario: Any,
    scaled: Any,
    maker: Maker,
) -> None:
    scenario = make_scenario(store, minutes=2, faults=[Fault(kind="duplicate"), Fault(kind="reorder")])
    clock = scaled(60)
    ingest.start(dsn=schema, mqtt=mqtt_broker.url, clock=clock.text())
    ingest.wait_connected()
    summary, start_us = run_on_mqtt(scenario, tmp_path, mqtt_broker.url, background, clock, maker=maker)
    wait_until(lambda: sum(by_reader(connection).values()) >= summary.reads_sent, "all reads")
    expected = in_files(scenario, tmp_path / "files")
    assert len(expected) == summary.reads_sent > 200
    found = in_database(connection, start_us)
    if maker == "zebra":  # tells milliseconds
        assert max(abs(a[0] - b[0]) for a, b in zip(found, expected, strict=True)) <= 1000
        assert Counter(row for _, row in found) == Counter(row for _, row in expected)
    else:
        assert found == expected


def test_a_broker_that_comes_late_and_dies_gets_everything_again(
    store: Store,
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    background: Any,
    make_scenario: Any,
    scaled: Any,
) -> None:
    scenario = make_scenario(store, minutes=3)
    clock = scaled(60)
    mqtt_broker.kill()
    publishing = Publishing(target=MqttTarget(url=mqtt_broker.url), boot="b1")
    out = tmp_path / "out"
    with background(lambda stop: simulate_on_mqtt(scenario, publishing=publishing, clock=clock, out=out, stop=stop)):
        wait_until((out / "truth.parquet.part").exists, "the run begins")
        mqtt_broker.start()
        ingest.start(dsn=schema, mqtt=mqtt_broker.url, clock=clock.text())
        ingest.wait_connected()
        wait_until(lambda: by_reader(connection) != {}, "the first reads")
        mqtt_broker.kill()
        mqtt_broker.start()
        wait_until((out / "summary.json").exists, "the end of the run", 120)
    expected = in_files(scenario, tmp_path / "files")
    assert [row for _, row in in_database(connection, 0)]
    assert Counter(row for _, row in in_database(connection, 0)) == Counter(row for _, row in expected)
