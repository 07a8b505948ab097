"""Reads of machines whose clock is wrong, from the agent to the database."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixture_ingest import IngestProcess, wait_until
from fixture_mqtt import MqttBroker
from tagtrail.edge import agent as agent_module
from tagtrail.edge.agent import Agent
from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.clock import WallClock
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.store import Antenna, Floor, Reader, Store, StoreInfo
from tagtrail.ingest.database.connection import Connection

STORE = Store(
    store=StoreInfo(id="riverside", name="Riverside", timezone="UTC"),
    floor=(Floor("1F", 10.0, 10.0),),
    zone=(),
    reader=(Reader("r01", "mercury", (Antenna(1, "1F", (1.0, 1.0, 3.0)),), port="/nowhere"),),
)
HOUR_US = 3600 * 1_000_000
YEAR_2000_US = 946_684_800_000_000
LATE_US = 1_500_000
"""A correction is good to the limit of 1 s, and to the way of the answer."""


class WrongClock:
    """The clock of a machine that somebody sets."""

    def __init__(self, wrong_us: int) -> None:
        self.wrong_us = wrong_us

    def now_us(self) -> int:
        return WallClock().now_us() + self.wrong_us

    def seconds_until(self, time_us: int) -> float:
        return max(0.0, (time_us - self.now_us()) / 1e6)


class Edge:
    """An agent in this process, so that its clock can be set."""

    def __init__(self, agent: Agent, clock: WrongClock) -> None:
        self.agent = agent
        self.clock = clock
        self.seen_us: dict[str, int] = {}
        self.times: list[int] = []

    def see(self, count: int) -> None:
        """See new tags now, one after the other."""
        for _ in range(count):
            epc = f"E2801160{len(self.seen_us):016X}"
            self.seen_us[epc] = WallClock().now_us()
            self.times.append(self.agent._timekeeper.now_us())
            self.agent._inbox.put_reads([TagRead(self.times[-1], "r01", 1, epc, -60.0)])

    def spooled(self, reads: int) -> None:
        wait_until(lambda: self.agent._spool.reads >= reads, "reads in the spool")


@contextmanager
def running(folder: Path, mqtt: str, wrong_us: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    clock = WrongClock(wrong_us)
    monkeypatch.setattr(agent_module, "parse_clock", lambda _text: clock)
    settings = EdgeSettings(
        spool=str(folder / "spool.sqlite"), mqtt=mqtt, window_s=0.0, batch_reads=10, batch_s=0.01, status_s=0.2
    )
    made: queue.Queue[Agent] = queue.Queue()
    stop = threading.Event()

    def run() -> None:
        agent = Agent(settings, STORE)  # here, since its spool belongs to one thread
        made.put(agent)
        agent.run(stop)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Edge(made.get(timeout=10), clock)
    finally:
        stop.set()
        thread.join()


def in_database(connection: Connection, edge: Edge) -> dict[str | None, list[int]]:
    """How wrong the reads are in the database, by what the ledger says of their batch's clock."""

    def all_there() -> bool:
        return connection.execute("SELECT count(*) FROM read").fetchone() == (len(edge.seen_us),)

    wait_until(all_there, "all reads")
    rows = connection.execute(
        "SELECT epc, (extract(epoch FROM time) * 1e6)::bigint, clock FROM read "
        "JOIN batch b ON read.time BETWEEN b.first_time AND b.last_time ORDER BY time"
    ).fetchall()
    found: dict[str | None, list[int]] = {}
    for epc, time_us, clock in rows:
        found.setdefault(clock, []).append(time_us - edge.seen_us[epc])
    assert edge.times == sorted(edge.times), "time never runs backwards"
    return found


def skew_us(connection: Connection) -> int:
    row = connection.execute("SELECT clock_skew_us FROM agent_status").fetchone()
    return 0 if row is None or row[0] is None else int(row[0])


def test_an_edge_that_starts_in_2000_and_is_set_right_later(
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mqtt_broker.kill()
    with running(tmp_path, mqtt_broker.url, YEAR_2000_US - time.time_ns() // 1000, monkeypatch) as edge:
        edge.see(25)
        edge.spooled(25)
        assert max(edge.times) < YEAR_2000_US + 24 * HOUR_US
        edge.clock.wrong_us = 0
        edge.see(25)
        edge.spooled(50)
        mqtt_broker.start()
        ingest.start(dsn=schema, mqtt=mqtt_broker.url)
        found = in_database(connection, edge)
    assert found.keys() == {"corrected"}
    assert max(map(abs, found["corrected"])) < LATE_US
    (shift,) = connection.execute("SELECT DISTINCT clock_shift_us FROM batch").fetchall()
    assert shift[0] > 20 * 365 * 24 * HOUR_US


def test_an_edge_that_is_never_set(
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    wrong_us = YEAR_2000_US - time.time_ns() // 1000
    with running(tmp_path, mqtt_broker.url, wrong_us, monkeypatch) as edge:
        edge.see(25)
        found = in_database(connection, edge)
    assert found.keys() == {"corrected"}
    assert max(map(abs, found["corrected"])) < LATE_US


@pytest.mark.parametrize("wrong_us", [3 * HOUR_US, -3 * HOUR_US])
def test_an_edge_that_is_wrong_for_ever(
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    monkeypatch: pytest.MonkeyPatch,
    wrong_us: int,
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    with running(tmp_path, mqtt_broker.url, wrong_us, monkeypatch) as edge:
        for _ in range(3):
            edge.see(10)
            found = in_database(connection, edge)
        wait_until(lambda: abs(skew_us(connection) + wrong_us) < LATE_US, "the measured skew")
    with running(tmp_path, mqtt_broker.url, wrong_us, monkeypatch) as again:
        again.seen_us, again.times = edge.seen_us, edge.times
        again.see(10)
        found = in_database(connection, again)
    assert found.keys() == {"corrected"}
    assert max(map(abs, found["corrected"])) < LATE_US


def test_an_edge_whose_clock_jumps_back_an_hour(
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    with running(tmp_path, mqtt_broker.url, 0, monkeypatch) as edge:
        edge.see(20)
        in_database(connection, edge)
        edge.clock.wrong_us = -HOUR_US
        edge.see(20)
        found = in_database(connection, edge)
        # The least of the last minutes is shown, and the clock was right until now.
        assert abs(skew_us(connection)) < LATE_US
    assert found.keys() == {None}
    assert max(map(abs, found[None])) < LATE_US


def test_an_edge_nobody_tells_the_time_is_marked(
    tmp_path: Path,
    schema: str,
    connection: Connection,
    mqtt_broker: MqttBroker,
    ingest: IngestProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    monkeypatch.setattr(Agent, "_take_time", lambda _self, _payload: None)
    with running(tmp_path, mqtt_broker.url, YEAR_2000_US - time.time_ns() // 1000, monkeypatch) as edge:
        edge.see(10)
        found = in_database(connection, edge)
    assert found.keys() == {"unknown"}
    assert connection.execute("SELECT extract(year FROM min(time))::int FROM read").fetchone() == (2000,)
