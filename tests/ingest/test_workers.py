"""Several ingest processes that share the messages between them (``$share``)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixture_agent import FakeAgent, stored
from fixture_ingest import Agents, IngestProcess, wait_until
from fixture_mqtt import MqttBroker
from tagtrail.hardware.wire import Committed
from tagtrail.ingest.database.connection import connect

FLEET = [FakeAgent(name=f"edge-{number}", boot=f"b{number}", rows=30) for number in range(3)]


@pytest.fixture
def workers(schema: str, mqtt_broker: MqttBroker, tmp_path: Path) -> Iterator[list[IngestProcess]]:
    processes = [IngestProcess(tmp_path / f"worker-{number}.log") for number in range(2)]
    for number, process in enumerate(processes):
        process.start(dsn=schema, mqtt=mqtt_broker.url, client_id=f"worker-{number}", share="workers", flush_reads=100)
        process.wait_connected()
    yield processes
    for process in processes:
        process.kill()


@pytest.fixture
def agents(mqtt_broker: MqttBroker) -> Iterator[Agents]:
    client = Agents(mqtt_broker.host, mqtt_broker.port)
    yield client
    client.close()


def publish(agents: Agents, seqs: range) -> None:
    for seq in seqs:
        for agent in FLEET:
            agents.publish(agent.topic, agent.payload(seq))


def assert_each_once(dsn: str, seqs: range) -> None:
    with connect(dsn) as connection:
        rows = stored(connection)
        entries = connection.execute("SELECT agent, seq FROM batch ORDER BY 1, 2").fetchall()
    assert entries == [(agent.name, seq) for agent in FLEET for seq in seqs]
    assert sorted(map(str, rows)) == sorted(str(row) for agent in FLEET for row in agent.expected(seqs))


def test_two_workers_write_each_batch_once_and_tell_the_end_of_the_gapless_run(
    schema: str, agents: Agents, workers: list[IngestProcess]
) -> None:
    publish(agents, range(1, 61))
    wait_until(
        lambda: agents.told == {agent.name: Committed(agent.boot, 60) for agent in FLEET}, "the last batch is confirmed"
    )
    assert_each_once(schema, range(1, 61))
    for worker in workers:
        assert worker.terminate() == 0
        written = int(worker.log.partition(" reads in ")[2].partition(" ")[0])
        assert 0 < written < 180  # consecutive batches of an agent went to different workers
    assert all(told.seq == 60 for told in agents.told.values())


def test_a_worker_is_killed_and_the_other_goes_on(schema: str, agents: Agents, workers: list[IngestProcess]) -> None:
    publish(agents, range(1, 31))
    wait_until(lambda: len(agents.told) == 3, "some are confirmed")
    workers[0].kill()
    publish(agents, range(31, 61))
    # What the dead one had is in the agents' spools, and comes again.
    publish(agents, range(1, 61))
    wait_until(
        lambda: agents.told == {agent.name: Committed(agent.boot, 60) for agent in FLEET}, "the last batch is confirmed"
    )
    assert_each_once(schema, range(1, 61))
