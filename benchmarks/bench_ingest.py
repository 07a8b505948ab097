"""Reads per second from MQTT to committed rows, beside what else there is, in turns in the same run.

Real parts: Mosquitto (amqtt where that is not installed), ingest processes, the embedded PostgreSQL as the stack runs
it, fsync on. All share the machine, and so does the publisher, which sends messages of 500 reads that were encoded
beforehand. The time runs from the first publish until the agents have heard that the last batch is committed, so it
includes broker, decoding, validation, ledger, dictionaries and the answer. Tags and antennas are known to the database
before the clock starts, as they mostly are in a store.

Beside it:

- COPY: the same rows in the server's own binary COPY from files of 10,000 rows, each a transaction of its own, into a
  table of the same columns and index.
- executemany: `peer_executemany.py`, what people glue together, on the same broker and server.
- Node-RED: `peer_node_red.py`, its fastest flow that we know, on the same broker and server; where it is installed.
- two workers: ingest processes that share the messages (``$share``), beside one.

CPU per read is the ingest process's own, user and system. The cores used are those of workers, server, broker and
publisher together: where one worker has nearly all of the machine busy, a second one has nothing to run on.
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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import psutil
from paho.mqtt.enums import CallbackAPIVersion

import peer_node_red
from row import Row
from tagtrail.hardware.wire import ReadBatch, decode_committed, encode, reads_topic
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.migrate import migrate
from tagtrail.stack import process
from tagtrail.stack.broker import prepare_broker
from tagtrail.stack.postgres import free_port, prepare_cluster

SIZES = {"50k": 50_000, "200k": 200_000, "800k": 800_000, "2400k": 2_400_000}
ROUNDS = 5
PEER_READS = 50_000
WORKERS_READS = 2_400_000
BATCH = 500
AGENTS = 10
READERS = 50
TAGS = 20_000
TAGS_PER_BATCH = 120
T0_US = 1_773_453_600_000_000
COPY_ROWS = 10_000
COPY_HEADER, COPY_TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
COPY = f"server-side binary COPY of the same rows from files of {COPY_ROWS}"
PEER_SCRIPT = str(Path(__file__).with_name("peer_executemany.py"))
PEER = "paho, json and executemany"
NODE_RED = "Node-RED, one INSERT FROM unnest() per message"
ONE, TWO, GLUED, FLOW = "riverside", "hillside", "lakeside", "brookside"
"""Stores: of one ingest process, of two that share it, of the peer, of Node-RED."""


def measure() -> list[Row]:
    """Rows per size of the work, and for the largest one under the plain names."""
    with running() as bench:
        for store in (ONE, TWO, GLUED, *([FLOW] if bench.node_red else [])):
            bench.send(store, SIZES["200k"], "warm-up")  # dictionaries, caches
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in SIZES}
        cpu_us: list[float] = []
        peers: list[float] = []
        flows: list[float] = []
        pairs: list[tuple[float, float]] = []
        cores: dict[str, list[float]] = {ONE: [], TWO: []}
        for number in range(ROUNDS):
            for name in random.sample(list(SIZES), len(SIZES)):
                reads = SIZES[name]
                cpu_s = bench.cpu_s()
                rate = reads / bench.send(ONE, reads, f"{number}-{name}")
                cpu_us.append((bench.cpu_s() - cpu_s) / reads * 1e6)
                rates[name].append((rate, reads / bench.copy_back(reads)))
            peers.append(rates["200k"][-1][0] * bench.send(GLUED, PEER_READS, f"{number}-peer") / PEER_READS)
            if bench.node_red:
                took_s = bench.send(FLOW, SIZES["200k"], f"{number}-flow")
                flows.append(rates["200k"][-1][0] * took_s / SIZES["200k"])
            times_s: dict[str, float] = {}
            for store in random.sample((ONE, TWO), 2):
                cpu_s, begun_s = bench.all_cpu_s(), time.perf_counter()
                times_s[store] = bench.send(store, WORKERS_READS, f"{number}-workers")
                cores[store].append((bench.all_cpu_s() - cpu_s) / (time.perf_counter() - begun_s))
            pairs.append((WORKERS_READS / times_s[TWO], times_s[ONE] / times_s[TWO]))
    rows = []
    for name, found in rates.items():
        rate = statistics.median(ingest for ingest, _ in found)
        ratio = statistics.median(ingest / copy for ingest, copy in found)
        rows.append(Row(f"ingest_reads_per_s_{name}", rate, "reads/s", COPY, ratio))
    rows.append(Row("ingest_reads_per_s", rate, "reads/s", COPY, ratio))
    rows.append(Row("ingest_vs_copy", ratio, "ratio of rates", COPY, ratio))
    rows.append(Row("ingest_cpu_us_per_read", statistics.median(cpu_us), "µs of the ingest process"))
    rows.append(
        Row("ingest_vs_executemany", statistics.median(peers), "ratio of rates", PEER, statistics.median(peers))
    )
    if flows:
        rows.append(
            Row("ingest_vs_node_red", statistics.median(flows), "ratio of rates", NODE_RED, statistics.median(flows))
        )
    two_rate, two_ratio = (statistics.median(column) for column in zip(*pairs, strict=True))
    rows.append(Row("ingest_two_workers_reads_per_s", two_rate, "reads/s", "one worker", two_ratio))
    rows.append(Row("ingest_two_workers_vs_one", two_ratio, "ratio of rates", "one worker", two_ratio))
    unit = f"of {psutil.cpu_count()} cores: workers, server, broker, publisher"
    rows.append(Row("ingest_cores_used_one_worker", statistics.median(cores[ONE]), unit))
    rows.append(Row("ingest_cores_used_two_workers", statistics.median(cores[TWO]), unit))
    return rows


def messages(store: str, reads: int, boot: str) -> list[tuple[str, bytes]]:
    """Encoded batches of all agents, in turns; the same reads each time, from agents that began anew."""
    return [
        (reads_topic(store, agent), payload.replace(b'"boot":""', b'"boot":"%s"' % boot.encode(), 1))
        for agent, payload in drawn(reads)
    ]


@cache
def drawn(reads: int) -> list[tuple[str, bytes]]:
    """Agents and batches without boot."""
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
        made.append((agent, encode(batch)))
    return made


@dataclass(frozen=True)
class Bench:
    """What is running."""

    connection: Connection
    publisher: "Publisher"
    exchange: Path
    ingest: psutil.Process
    parts: list[psutil.Process]
    node_red: bool

    def send(self, store: str, reads: int, boot: str) -> float:
        """Publish, and return the seconds until all is committed."""
        self.connection.execute("TRUNCATE tag_read, copied, peer_read")
        return self.publisher.send(messages(store, reads, boot))

    def cpu_s(self) -> float:
        """CPU time of the one ingest process so far."""
        times = self.ingest.cpu_times()
        return times.user + times.system

    def all_cpu_s(self) -> float:
        """CPU time so far of all that carries reads from the publisher, which is this process, to committed rows."""
        total_s = 0.0
        for part in self.parts:
            # The parent after its children: the time of one that has just ended is in the parent's.
            for member in (*part.children(), part):
                with suppress(psutil.NoSuchProcess):
                    times = member.cpu_times()
                    total_s += times.user + times.system + times.children_user + times.children_system
        own = psutil.Process().cpu_times()
        return total_s + own.user + own.system

    def copy_back(self, rows: int) -> float:
        """Write what ingest stored to files; the seconds that the server needs to copy them into another table."""
        with self.connection.cursor() as cursor, cursor.copy("COPY (SELECT * FROM tag_read) TO STDOUT BINARY") as copy:
            stored = b"".join(copy)
        header, body = stored[: len(COPY_HEADER)], stored[len(COPY_HEADER) : -len(COPY_TRAILER)]
        width = len(body) // rows
        if header != COPY_HEADER or len(body) != rows * width:
            raise AssertionError(f"ingest did not store {rows} reads")
        files = []
        for begin in range(0, len(body), COPY_ROWS * width):
            files.append(self.exchange / f"{begin}.copy")
            files[-1].write_bytes(header + body[begin : begin + COPY_ROWS * width] + COPY_TRAILER)
        begun_s = time.perf_counter()
        for file in files:
            self.connection.execute(f"COPY copied FROM '{file}' (FORMAT BINARY)".encode())
        took_s = time.perf_counter() - begun_s
        for file in files:
            file.unlink()
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
def running() -> Iterator[Bench]:
    """Database, broker, ingest, peer and publisher."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagtrail-bench-")))
        cluster = prepare_cluster(folder)
        database = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, database, signal.SIGINT)
        cluster.wait_ready()
        migrate(cluster.dsn())
        exchange = folder / "exchange"
        exchange.mkdir()
        exchange.chmod(0o755)  # the server reads there, perhaps as another user
        connection = stack.enter_context(connect(cluster.dsn(), autocommit=True))
        connection.execute("CREATE TABLE copied (LIKE tag_read)")
        connection.execute("CREATE INDEX ON copied USING brin (time)")

        broker = prepare_broker(folder, free_port())
        child = process.start(broker.argv, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, child, signal.SIGTERM)
        broker.wait_ready()

        def ingest(store: str, client_id: str, **settings: str) -> int:
            environment = {"DSN": cluster.dsn(), "MQTT": broker.url}
            environment |= {"INGEST_STORES": store, "INGEST_CLIENT_ID": client_id, **settings}
            worker = process.start(
                [sys.executable, "-P", "-m", "tagtrail.stack", "ingest"],
                env={**os.environ, **{f"TAGTRAIL_{key}": value for key, value in environment.items()}},
                stdout=subprocess.DEVNULL,
            )
            stack.callback(process.stop, worker, signal.SIGTERM)
            return worker.pid

        one = ingest(ONE, "one")
        two = [ingest(TWO, f"worker-{number}", INGEST_SHARE="bench") for number in range(2)]
        parts = [psutil.Process(pid) for pid in (database.pid, child.pid, one, *two)]
        wait_for_ingest(connection, 3)
        peer = subprocess.Popen(
            [sys.executable, PEER_SCRIPT, cluster.dsn(), "127.0.0.1", str(broker.port), GLUED], stdout=subprocess.PIPE
        )
        stack.callback(process.stop, peer, signal.SIGTERM)
        assert peer.stdout is not None
        peer.stdout.readline()  # it has subscribed
        if program := peer_node_red.find():
            flow = folder / "node-red"
            child = peer_node_red.start(program, flow, cluster.dsn(), broker.port, FLOW)
            stack.callback(process.stop, child, signal.SIGTERM)
            peer_node_red.wait_ready(flow, broker.port, FLOW)
        else:
            print(peer_node_red.MISSING, file=sys.stderr)
        publisher = Publisher(broker.port)
        stack.callback(publisher.close)
        yield Bench(connection, publisher, exchange, psutil.Process(one), parts, program is not None)


def wait_for_ingest(connection: Connection, processes: int) -> None:
    """Wait until they have come back from the database, which they do when they are connected to the broker."""
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        query = "SELECT FROM pg_stat_activity WHERE application_name = 'tagtrail ingest' AND query LIKE '%agent_boot%'"
        if connection.execute(query).rowcount == processes:
            return
        time.sleep(0.05)
    raise TimeoutError("ingest did not start")
