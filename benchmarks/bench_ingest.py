"""Reads per second from MQTT to committed rows, beside a server-side binary COPY of the same rows from a file.

Real parts: Mosquitto (amqtt where that is not installed), the ingest process, the embedded PostgreSQL, fsync on. All
share the machine, and so does the publisher, which sends messages that were encoded beforehand. The time runs from the
first publish until the agents have heard that the last batch is committed, so it includes broker, decoding, ledger,
dictionaries and the answer; COPY's is the time of that one statement into a table of the same columns and index. Tags
and antennas are known to the database before the clock starts, as they mostly are in a store.
"""

import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from row import Row
from tagtrail.hardware.wire import ReadBatch, decode_committed, encode, reads_topic
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.migrate import migrate
from tagtrail.stack import process
from tagtrail.stack.broker import prepare_broker
from tagtrail.stack.postgres import free_port, prepare_cluster

SIZES = {"50k": 50_000, "200k": 200_000, "800k": 800_000}
ROUNDS = 5
BATCH = 500
AGENTS = 10
READERS = 50
TAGS = 20_000
TAGS_PER_BATCH = 120
T0_US = 1_773_453_600_000_000
COPY = "server-side binary COPY of the same rows from a file"


def measure() -> list[Row]:
    """Rows per size of the work, and for the largest one under the plain names."""
    with running() as (connection, publisher, folder):
        publisher.send(messages(SIZES["800k"], "warm-up"))  # dictionaries, caches
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in SIZES}
        for number in range(ROUNDS):
            for name in random.sample(list(SIZES), len(SIZES)):
                work = messages(SIZES[name], f"{number}-{name}")
                connection.execute("TRUNCATE tag_read, copied")
                ingest_s = publisher.send(work)
                copy_s = copy_back(connection, folder / "reads.copy", SIZES[name])
                rates[name].append((SIZES[name] / ingest_s, SIZES[name] / copy_s))
    rows = []
    for name, pairs in rates.items():
        rate = statistics.median(ingest for ingest, _ in pairs)
        ratio = statistics.median(ingest / copy for ingest, copy in pairs)
        rows.append(Row(f"ingest_reads_per_s_{name}", rate, "reads/s", COPY, ratio))
    rows.append(Row("ingest_reads_per_s", rate, "reads/s", COPY, ratio))
    rows.append(Row("ingest_vs_copy", ratio, "ratio of rates", COPY, ratio))
    return rows


def messages(reads: int, boot: str) -> list[tuple[str, bytes]]:
    """Encoded batches of all agents, in turns; the same reads each time, from agents that began anew."""
    return [
        (topic, payload.replace(b'"boot":""', b'"boot":"%s"' % boot.encode(), 1)) for topic, payload in drawn(reads)
    ]


@cache
def drawn(reads: int) -> list[tuple[str, bytes]]:
    """Batches without boot."""
    generator = np.random.default_rng(reads)
    made = []
    for number in range(reads // BATCH):
        agent, seq = f"edge-{number % AGENTS}", number // AGENTS + 1
        tags = generator.choice(TAGS, TAGS_PER_BATCH, replace=False)
        batch = ReadBatch(
            v=1,
            agent=agent,
            boot="",
            seq=seq,
            t0=T0_US + seq * 500_000,
            tags=[f"E28011606000{tag:012X}" for tag in tags],
            readers=[f"r{agent[5:]}{reader}" for reader in range(READERS // AGENTS)],
            tag=generator.integers(0, TAGS_PER_BATCH, BATCH).tolist(),
            reader=generator.integers(0, READERS // AGENTS, BATCH).tolist(),
            antenna=generator.integers(1, 5, BATCH).tolist(),
            dt=np.sort(generator.integers(0, 500_000, BATCH)).tolist(),
            rssi=np.round(generator.uniform(-75, -40, BATCH), 1).tolist(),
            count=generator.integers(1, 10, BATCH).tolist(),
        )
        made.append((reads_topic("riverside", agent), encode(batch)))
    return made


def copy_back(connection: Connection, file: Path, rows: int) -> float:
    """Write what ingest stored to a file, and take the time to copy that into another table."""
    connection.execute(f"COPY (SELECT * FROM tag_read) TO '{file}' (FORMAT BINARY)".encode())
    begun_s = time.perf_counter()
    copied = connection.execute(f"COPY copied FROM '{file}' (FORMAT BINARY)".encode()).rowcount
    took_s = time.perf_counter() - begun_s
    if copied != rows:
        raise AssertionError(f"ingest stored {copied} reads of {rows}")
    return took_s


class Publisher:
    """Sends batches and waits until ingest says that they are committed."""

    def __init__(self, port: int) -> None:
        self._awaited: dict[str, tuple[str, int]] = {}
        self._done = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="publisher", clean_session=True)
        self._client.max_inflight_messages_set(0)
        self._client.on_connect = lambda client, *_: client.subscribe("tagtrail/v1/+/+/committed", 1)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def send(self, work: list[tuple[str, bytes]]) -> float:
        """Returns the seconds from the first publish to the last commit."""
        ends: dict[str, tuple[str, int]] = {}
        for topic, payload in work[-AGENTS:]:
            start = payload[:200].decode()
            boot, seq = start.partition('"boot":"')[2].partition('"')[0], start.partition('"seq":')[2].partition(",")[0]
            ends[topic.rpartition("/")[0] + "/committed"] = (boot, int(seq))
        self._done.clear()
        self._awaited = ends
        begun_s = time.perf_counter()
        for topic, payload in work:
            self._client.publish(topic, payload, qos=1)
        if not self._done.wait(60):
            raise TimeoutError("ingest did not commit everything within a minute")
        return time.perf_counter() - begun_s

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        committed = decode_committed(bytes(message.payload))
        if self._awaited.get(message.topic) == (committed.boot, committed.seq):
            del self._awaited[message.topic]
            if not self._awaited:
                self._done.set()


@contextmanager
def running() -> Iterator[tuple[Connection, Publisher, Path]]:
    """Database, broker, ingest and publisher."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagtrail-bench-")))
        cluster = prepare_cluster(folder)
        database = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, database, signal.SIGINT)
        cluster.wait_ready()
        migrate(cluster.dsn())
        exchange = folder / "exchange"
        exchange.mkdir()
        exchange.chmod(0o777)  # the server writes there, perhaps as another user
        connection = stack.enter_context(connect(cluster.dsn(), autocommit=True))
        connection.execute("CREATE TABLE copied (LIKE tag_read)")
        connection.execute("CREATE INDEX ON copied USING brin (time)")

        broker = prepare_broker(folder, free_port())
        child = process.start(broker.argv, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, child, signal.SIGTERM)
        broker.wait_ready()

        environment = {**os.environ, "TAGTRAIL_DSN": cluster.dsn(), "TAGTRAIL_MQTT": broker.url}
        ingest = process.start(
            [sys.executable, "-P", "-m", "tagtrail.stack", "ingest"], env=environment, stdout=subprocess.DEVNULL
        )
        stack.callback(process.stop, ingest, signal.SIGTERM)
        wait_for_ingest(connection)
        publisher = Publisher(broker.port)
        stack.callback(publisher.close)
        yield connection, publisher, exchange


def wait_for_ingest(connection: Connection) -> None:
    """Wait until ingest has come back from the database, which it does when it is connected to the broker."""
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        query = "SELECT FROM pg_stat_activity WHERE application_name = 'tagtrail ingest' AND query LIKE '%agent_boot%'"
        if connection.execute(query).fetchone() is not None:
            return
        time.sleep(0.05)
    raise TimeoutError("ingest did not start")
