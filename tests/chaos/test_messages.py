"""Messages that come too often, in any order, or from two agents of one name; a broker that forgets them."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from chaos.proxy import Weather
from chaos.size import SEED, full_run
from chaos.world import World
from fixture_agent import FakeAgent, stored
from fixture_ingest import Agents, IngestProcess, wait_until
from fixture_mqtt import MqttBroker
from tagtrail.hardware.wire import Committed
from tagtrail.ingest.database.connection import connect

FLEET = [FakeAgent(name=f"edge-{number}", boot=f"b{number}", rows=25) for number in range(2)]
BATCHES = 40


def told_all(agents: Agents) -> Callable[[], bool]:
    return lambda: agents.told == {agent.name: Committed(agent.boot, BATCHES) for agent in FLEET}


def assert_each_once(dsn: str) -> None:
    with connect(dsn) as connection:
        rows = stored(connection)
        quarantined = connection.execute("SELECT count(*) FROM quarantine").fetchone()
    assert sorted(map(str, rows)) == sorted(
        str(row) for agent in FLEET for row in agent.expected(range(1, BATCHES + 1))
    )
    assert quarantined == (0,)


def send(broker: MqttBroker, messages: list[tuple[str, bytes]]) -> None:
    """Publish over a connection of its own, and leave when the broker has them."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(0)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for sent in [client.publish(topic, payload, qos=1) for topic, payload in messages]:
        sent.wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


def test_the_same_messages_a_hundred_times_and_ingest_killed_meanwhile(
    schema: str, mqtt_broker: MqttBroker, ingest: IngestProcess
) -> None:
    agents = Agents(mqtt_broker.host, mqtt_broker.port)
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    messages = [(agent.topic, agent.payload(seq)) for agent in FLEET for seq in range(1, BATCHES + 1)]
    for again in range(100):
        send(mqtt_broker, messages)
        if again in (2, 50):
            ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    wait_until(told_all(agents), "commits")
    assert ingest.terminate() == 0
    assert_each_once(schema)
    agents.close()


def test_messages_are_shuffled_across_reconnects(schema: str, mqtt_broker: MqttBroker, ingest: IngestProcess) -> None:
    rng = random.Random(SEED)
    agents = Agents(mqtt_broker.host, mqtt_broker.port)
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    # Each message three times, each time as it would be sent with another part of the spool freed.
    messages = [
        (agent.topic, agent.payload(seq, first=1)) for agent in FLEET for seq in range(1, BATCHES + 1) for _ in range(3)
    ]
    rng.shuffle(messages)
    while messages:
        count = rng.randint(1, 20)
        send(mqtt_broker, messages[:count])
        del messages[:count]
        if rng.random() < 0.1:
            ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    wait_until(told_all(agents), "commits")
    assert ingest.terminate() == 0
    assert_each_once(schema)
    agents.close()


@full_run
def test_two_agents_of_one_name_lose_nothing(server_path: Path) -> None:
    """Each throws the other off the broker, and hears what is meant for it."""
    server = os.environ.get("TAGTRAIL_TEST_DSN")
    with World(server_path, server=server, agents=2, reads_per_s=300.0, twins=True) as world:
        for name in world.edges:
            world.wait(lambda: "is gone" in world.edges[name].said, f"{name} is thrown off")  # noqa: B023
        world.wait(lambda: min(world.accepted(name) for name in world.edges) > 2000, "reads of both")
        verdict = world.settle()
        assert verdict.right, verdict.table()
        assert len({line.boot for line in verdict.lines}) == 2


@full_run
def test_a_spool_cloned_to_a_second_agent_loses_nothing(server_path: Path) -> None:
    """Both go on from the same boot and number; what one of them numbered as the other did is in the quarantine."""
    server = os.environ.get("TAGTRAIL_TEST_DSN")
    with World(server_path, server=server, agents=2, reads_per_s=300.0, clones=True, edge={"batch_s": "0.1"}) as world:
        world.wait(lambda: world.committed() > 500, "reads of the first")
        world.edge_network.set(Weather.CUT)
        before = world.accepted()
        world.wait(lambda: world.accepted() > before + 500, "a backlog, which both will have")
        world.clone()
        world.edge_network.set(Weather.PASS)
        for name in world.edges:
            begun = world.accepted(name)
            world.wait(lambda: world.accepted(name) > begun + 2000, f"reads of {name}")  # noqa: B023
        assert any("its spool is an old copy" in edge.log for edge in world.edges.values())
        verdict = world.settle_clones()
        assert all(line.lost == line.double == 0 for line in verdict.lines), verdict.table()
        assert not verdict.foreign, verdict.table()


@full_run
@pytest.mark.parametrize("emptied", [True, False])
def test_a_broker_that_forgets_what_it_acknowledged(server_path: Path, *, emptied: bool) -> None:
    """Ingest is away: the broker has acknowledged all that was sent, and forgets it, or goes back to an old state."""
    with World(server_path, server=os.environ.get("TAGTRAIL_TEST_DSN"), edge={"batch_s": "0.1"}) as world:
        for _ in range(3):
            before = world.accepted()
            world.wait(lambda: world.committed() > before, "reads arrive")  # noqa: B023
            world.ingest.kill(float("inf"))
            world.wait(lambda: world.accepted() > before + 2000, "the broker has taken more")  # noqa: B023
            if emptied:
                world.empty_broker()
            else:
                world.broker.kill()
            world.ingest.kill(0.0)
        verdict = world.settle()
        assert verdict.right, verdict.table()
