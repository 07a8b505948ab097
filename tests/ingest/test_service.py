"""The service as it runs: real broker, real database, killed and cut off."""

import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fixture_agent import FakeAgent, stored
from fixture_ingest import Agents, IngestProcess, wait_until
from fixture_mqtt import MqttBroker
from tagtrail.hardware.wire import Committed
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.migrate import migrate
from tagtrail.stack import process
from tagtrail.stack.postgres import Cluster, prepare_cluster

FLEET = [FakeAgent(name=f"edge-{number}", boot=f"b{number}", rows=40) for number in range(3)]


@pytest.fixture
def agents(mqtt_broker: MqttBroker) -> Iterator[Agents]:
    client = Agents(mqtt_broker.host, mqtt_broker.port)
    yield client
    client.close()


def publish(agents: Agents, seqs: range) -> None:
    for seq in seqs:
        for agent in FLEET:
            agents.publish(agent.topic, agent.payload(seq))


def batches(dsn: str) -> int:
    with connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM batch").fetchone()
    assert row is not None
    return int(row[0])


def has_batches(dsn: str, wanted: int) -> bool:
    return batches(dsn) >= wanted


def has_logged(ingest: IngestProcess, text: str, times: int) -> bool:
    return ingest.log.count(text) >= times


def all_told(agents: Agents, seq: int) -> Callable[[], bool]:
    return lambda: agents.told == {agent.name: Committed(agent.boot, seq) for agent in FLEET}


def assert_each_once(dsn: str, seqs: range) -> None:
    with connect(dsn) as connection:
        rows = stored(connection)
        entries = connection.execute("SELECT agent, seq, rows FROM batch ORDER BY 1, 2").fetchall()
    assert entries == [(agent.name, seq, agent.rows) for agent in FLEET for seq in seqs]
    assert sorted(map(str, rows)) == sorted(str(row) for agent in FLEET for row in agent.expected(seqs))


def test_batches_become_rows_and_agents_hear_of_it(
    schema: str, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    publish(agents, range(1, 11))
    agents.publish(FLEET[0].topic, b"nonsense")
    agents.publish(FLEET[0].status_topic, FLEET[0].status())
    wait_until(all_told(agents, 10), "commits")
    assert_each_once(schema, range(1, 11))
    with connect(schema) as connection:
        wait_until(lambda: count(connection, "quarantine") == 1, "quarantine")
        wait_until(lambda: count(connection, "agent_status") == 1, "status")
    assert ingest.terminate() == 0
    assert "1,200 reads in 30 batches" in ingest.log
    assert "quarantined 1 not-json" in ingest.log


def count(connection: Connection, table: str) -> int:
    with connection.transaction():
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("inflight_messages", [7, 1000])
def test_killed_again_and_again(
    schema: str, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess, inflight_messages: int
) -> None:
    settings = {"dsn": schema, "mqtt": mqtt_broker.url, "flush_reads": 200, "inflight_messages": inflight_messages}
    ingest.start(**settings)
    ingest.wait_connected()
    for part in range(4):
        done = part * 40
        publish(agents, range(done + 1, done + 41))
        wait_until(partial(has_batches, schema, done * 3 + 20), "a part of the batches")
        ingest.kill()
        ingest.start(**settings)
    wait_until(all_told(agents, 160), "commits")
    assert_each_once(schema, range(1, 161))


def test_sigterm_finishes_and_acknowledges_what_was_received(
    schema: str, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url, client_id="worker", flush_s=30.0)
    ingest.wait_connected()
    publish(agents, range(1, 21))
    wait_until(lambda: batches(schema) > 0, "a commit")
    assert ingest.terminate() == 0
    committed = batches(schema)

    # The broker still has what was not committed. It may have more: a socket that is closed while the broker's own
    # confirmations lie unread in it is reset, and the last acknowledgements with it. The ledger knows those batches.
    received: list[str] = []

    def on_message(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        received.append(message.topic)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="worker", clean_session=False)
    client.on_message = on_message
    client.connect(mqtt_broker.host, mqtt_broker.port)
    client.loop_start()
    agents.publish("tagtrail/v1/riverside/last/reads", b"")
    wait_until(lambda: "tagtrail/v1/riverside/last/reads" in received, "the last message")
    client.disconnect()
    client.loop_stop()
    assert len(received) - 1 >= 60 - committed


def test_a_broker_that_forgets_everything_is_told_again(
    schema: str, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    publish(agents, range(1, 6))
    wait_until(all_told(agents, 5), "commits")
    agents.close()
    mqtt_broker.kill()
    wait_until(lambda: "cannot be reached" in ingest.log, "the loss of the broker")
    mqtt_broker.start()
    later = Agents(mqtt_broker.host, mqtt_broker.port)
    try:
        wait_until(all_told(later, 5), "retained commits")
        publish(later, range(3, 9))
        wait_until(all_told(later, 8), "commits")
    finally:
        later.close()
    assert_each_once(schema, range(1, 9))


def test_a_database_without_schema_is_refused(database: str, mqtt_broker: MqttBroker, ingest: IngestProcess) -> None:
    ingest.start(dsn=database, mqtt=mqtt_broker.url)
    assert ingest.wait() == 1
    assert "run 'tagtrail db migrate'" in ingest.log
    assert "Traceback" not in ingest.log


def test_a_schema_that_changes_under_the_writers_ends_the_service(
    schema: str, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    publish(agents, range(1, 3))
    wait_until(all_told(agents, 2), "commits")
    with psycopg.connect(schema) as connection:
        connection.execute("ALTER TABLE tag_read RENAME COLUMN tag_id TO tag_number")
    publish(agents, range(3, 5))
    assert ingest.wait() == 1
    assert "tag_id" in ingest.log
    assert "Traceback" not in ingest.log


class OwnServer:
    """A database server of our own, to be killed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.dsn = cluster.dsn()
        self.start()

    def start(self) -> None:
        self._child = process.start(
            self._cluster.argv, user=self._cluster.user, death_signal=signal.SIGINT, stdout=None
        )
        self._cluster.wait_ready()

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        process.stop(self._child, signal.SIGINT)


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with tempfile.TemporaryDirectory(prefix="tagtrail-test-") as folder:
        server = OwnServer(prepare_cluster(Path(folder)))
        yield server
        server.stop()


def test_the_database_is_stopped_and_killed(
    server: OwnServer, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess
) -> None:
    migrate(server.dsn)
    ingest.start(dsn=server.dsn, mqtt=mqtt_broker.url, flush_reads=200, inflight_messages=50)
    ingest.wait_connected()
    for part, end in enumerate((server.stop, server.kill, server.stop)):
        done = part * 40
        publish(agents, range(done + 1, done + 21))
        wait_until(partial(has_batches, server.dsn, done * 3 + 10), "a part of the batches")
        end()
        publish(agents, range(done + 21, done + 41))
        wait_until(partial(has_logged, ingest, "nobody listens there", part + 1), "the loss")
        server.start()
    wait_until(all_told(agents, 120), "commits")
    assert_each_once(server.dsn, range(1, 121))
    assert ingest.terminate() == 0
    assert "Traceback" not in ingest.log


def test_it_waits_for_a_database_that_comes_later_and_stops_while_waiting(
    server: OwnServer, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess
) -> None:
    migrate(server.dsn)
    server.stop()
    ingest.start(dsn=server.dsn, mqtt="mqtt://127.0.0.1:1", flush_reads=200)
    wait_until(lambda: "nobody listens there; trying again" in ingest.log, "waiting")
    assert ingest.terminate() == 0
    ingest.start(dsn=server.dsn, mqtt=mqtt_broker.url)
    server.start()
    ingest.wait_connected()
    publish(agents, range(1, 4))
    wait_until(all_told(agents, 3), "commits")
    with psycopg.connect(server.dsn) as connection:
        assert connection.execute("SELECT count(*) FROM tag_read").fetchone() == (360,)
