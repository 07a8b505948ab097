"""Whatever comes over a real broker: kept with its reason, acknowledged, counted, and in nobody's way."""

import hashlib
import json
import random
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fixture_agent import FakeAgent, stored
from fixture_edge import READER, STORE_FILE
from fixture_ingest import Agents, IngestProcess, wait_until
from fixture_metrics import get
from fixture_mqtt import MqttBroker
from tagtrail.hardware.wire import Committed
from tagtrail.ingest import quarantine
from tagtrail.ingest.database.connection import Connection
from tagtrail.ingest.database.layouts import add_layout
from tagtrail.ingest.ledger import utc
from tagtrail.ingest.quarantine import Choice, Entry
from tagtrail.ingest.retry import retry

AGENT = FakeAgent()
MIB = 1024 * 1024
NOISE = random.Random(1)
FOUR_BYTES = "".join(chr(NOISE.randrange(0x20000, 0x2A000)) for _ in range(950))  # too long for an index


@pytest.fixture
def agents(mqtt_broker: MqttBroker) -> Iterator[Agents]:
    client = Agents(mqtt_broker.host, mqtt_broker.port)
    yield client
    client.close()


@pytest.fixture
def metrics_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def changed(number: int, **change: object) -> bytes:
    return json.dumps({**json.loads(AGENT.payload(number)), **change}).encode()


def kept(connection: Connection) -> dict[str, Entry]:
    return {entry.reason: entry for entry in quarantine.entries(connection, Choice())}


POISON = {
    "not-json": b'{"v":1,"agent":"edge-1","boot":"b1","seq":1,',
    "wrong-shape": changed(2, tag="all"),
    "version": changed(3, v=2),
    "unequal-columns": changed(4, rssi=[-60.0]),
    "bad-index": changed(5, tag=[20] * 20),
    "bad-time": changed(6, t0=-1),
    "bad-epc": changed(7, tags=["nothing"] * 20),
    "bad-antenna": changed(8, antenna=[256] * 20),
    "bad-count": changed(9, count=[0] * 20),
    "bad-rssi": changed(10, rssi=[900.0] * 20),
    "wrong-agent": changed(11, agent="edge-2"),
    "unknown-reader": changed(12, readers=["r07", "r08", "r09"]),
    "bad-seq": changed(1, seq=2**62),
    "bad-header": changed(13, boot=""),
    "refused-by-database": changed(14, boot="b\0"),
}


def test_every_kind_of_poison_is_kept_and_delays_nothing(
    connection: Connection,
    schema: str,
    mqtt_broker: MqttBroker,
    agents: Agents,
    ingest: IngestProcess,
    metrics_port: int,
) -> None:
    text = STORE_FILE + "".join(READER.format(id=f"r0{number}") for number in range(3))
    assert add_layout(connection, text, utc(AGENT.start_us))
    ingest.start(dsn=schema, mqtt=mqtt_broker.url, metrics_port=metrics_port)
    ingest.wait_connected()
    stranger = FakeAgent(store="nowhere")
    poison = [(AGENT.topic, payload) for payload in POISON.values()]
    poison += [(stranger.topic, stranger.payload(1)), ("tagtrail/v1/riverside/Edge 1/reads", AGENT.payload(1))]
    poison += [(f"tagtrail/v1/{FOUR_BYTES}/edge-1/reads", AGENT.payload(1))]
    poison += [(AGENT.status_topic, b"[]"), ("tagtrail/vendor/impinj/riverside/r09", b"{")]
    good = FakeAgent(name="edge-9", boot="good")
    for seq, (topic, payload) in enumerate(poison, 1):
        agents.publish(topic, payload)
        agents.publish(good.topic, good.payload(seq))
    wait_until(lambda: agents.told.get("edge-9") == Committed("good", len(poison)), "the good ones")
    wait_until(lambda: len(quarantine.entries(connection, Choice())) == len(poison), "the others")
    assert stored(connection) == good.expected(range(1, len(poison) + 1))
    reasons = {*POISON, "unknown-store", "topic"}
    assert kept(connection).keys() == reasons
    for reason, payload in POISON.items():
        if reason not in ("wrong-shape", "not-json"):  # of which there are two
            assert quarantine.payload(connection, kept(connection)[reason].id) == payload
    # Where the header was legible and plausible, the agent hears that it is done with: 1 was not.
    assert (agents.told["edge-1"].boot, agents.told["edge-1"].seq) == ("b1", 0)
    found = get(metrics_port)["tagtrail_ingest_quarantined_total"]
    assert {reason for ((_, reason),) in found} == reasons
    assert sum(found.values()) == len(poison)
    assert ingest.terminate() == 0
    assert "Traceback" not in ingest.log
    # All were acknowledged: the next one finds nothing.
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    agents.publish(good.topic, good.payload(len(poison) + 1))
    wait_until(lambda: agents.told.get("edge-9") == Committed("good", len(poison) + 1), "a later one")
    assert sum(entry.times for entry in quarantine.entries(connection, Choice())) == len(poison)


def test_a_hundred_megabytes(
    connection: Connection, schema: str, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()
    giant = AGENT.payload(1)[:-1] + b',"x":"' + b"y" * 100 * MIB + b'"}'
    agents.publish(AGENT.topic, giant)
    agents.publish(AGENT.topic, AGENT.payload(2))
    wait_until(lambda: "edge-1" in agents.told, "the one behind it")
    entry = kept(connection)["too-large"]
    assert (entry.size, entry.kept) == (len(giant), 65_536)
    assert quarantine.payload(connection, entry.id) == giant[:65_536]
    row = connection.execute("SELECT sha256 FROM quarantine").fetchone()
    assert row == (hashlib.sha256(giant).digest(),)
    assert stored(connection) == AGENT.expected([2])
    assert ingest.terminate() == 0


def test_numbers_that_lie(
    connection: Connection, schema: str, mqtt_broker: MqttBroker, agents: Agents, ingest: IngestProcess
) -> None:
    ingest.start(dsn=schema, mqtt=mqtt_broker.url)
    ingest.wait_connected()

    def publish(agent: FakeAgent, *seqs: int, first: int = 1) -> None:
        for seq in seqs:
            agents.publish(agent.topic, agent.payload(seq, first))

    liar = replace(AGENT, start_us=AGENT.start_us + 1)  # other reads under the same agent and boot
    publish(AGENT, 1, 2, 3)
    wait_until(lambda: agents.told.get("edge-1") == Committed("b1", 3), "what is true so far")
    for seq in (2**62, 2**40, 2**36):  # absurd, absurd, and not absurd by itself but after 3
        agents.publish(AGENT.topic, changed(8, seq=seq, first=seq))
    publish(liar, 7)  # far ahead
    publish(liar, 2)  # used before
    publish(AGENT, *range(4, 11))
    wait_until(lambda: agents.told["edge-1"].seq == 10, "the run without gaps")
    assert {entry.topic for entry in quarantine.entries(connection, Choice())} == {AGENT.topic}
    found = {tally.reason: tally.messages for tally in quarantine.tallies(connection, Choice())}
    assert found == {"bad-seq": 2, "seq-reused": 2}
    assert "is known to it as committed, and we are at 3: ignored" in ingest.log

    # What the true agent had under the number that was taken is not lost.
    reused = [entry.id for entry in quarantine.entries(connection, Choice(reason="seq-reused"))]
    assert [result.reads for result in retry(connection, reused)] == [20, 20]
    rows = Counter(map(str, stored(connection)))
    sent = Counter(map(str, [*AGENT.expected([*range(1, 11), 8]), *liar.expected([2, 7])]))
    assert rows == sent, "each once, that of the number 2**36 too: it is the eighth with another number"
