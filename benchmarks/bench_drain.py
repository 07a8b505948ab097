"""An edge that comes back after a week: how fast its spool drains, and what that does to the reads of the moment.

Real parts: `tagtrail edge` with a Mercury reader on a pseudo-terminal, Mosquitto (amqtt where that is not installed),
`tagtrail ingest`, the embedded PostgreSQL, fsync on; all share the machine. The latency of a live read runs from its
bytes being written to the pseudo-terminal until ingest says that the database has committed its batch; it includes the
agent's window and batch, of 0.1 s each. It is measured without a backlog, then while a spool of a million reads drains.

The spool alone is measured at a tenth, the whole, and ten times of that (a week of a store), to show that it stays as
quick: opening, a batch more, and what reading, freeing and deleting a batch takes.
"""

import os
import pty
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fixture_edge import READER, STORE_FILE
from row import Row
from tagtrail.edge.spool import Spool
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import (
    ReadBatch,
    committed_topic,
    decode_batch,
    decode_committed,
    decode_header,
    decode_status,
    encode,
    pack_reads,
    reads_topic,
    status_topic,
)
from tagtrail.ingest.database.connection import connect
from tagtrail.ingest.database.migrate import migrate
from tagtrail.stack import process
from tagtrail.stack.broker import prepare_broker
from tagtrail.stack.postgres import free_port, prepare_cluster

STORE, AGENT = "riverside", "edge-1"
BACKLOG_READS = 1_000_000
BATCH_READS = 500
TAGS_PER_BATCH = 120
SPOOLS = {"100k": 100_000, "1M": 1_000_000, "10M": 10_000_000}
SAMPLES = 20
PAGE = 16
TAGS_PER_S = 20
QUIET_S = 8.0
DAY_US = 86_400_000_000
DRAIN_LIMIT_S = 300.0


def measure() -> list[Row]:
    """Rows of the drain, of the latencies, and of the spool by size."""
    with tempfile.TemporaryDirectory(prefix="tagtrail-bench-") as folder:
        rows = [row for name, reads in SPOOLS.items() for row in spool_rows(Path(folder), name, reads)]
    with running() as (folder, mqtt_url, watch, database):
        spool_path = folder / "spool.sqlite"
        with agent(folder, mqtt_url, spool_path, watch) as reader:
            quiet = latencies(reader, watch, until_s=time.monotonic() + QUIET_S)
        watch.forget()
        spool_path = folder / "backlog.sqlite"
        batches = fill(spool_path, BACKLOG_READS)
        watch.await_backlog(batches)
        with agent(folder, mqtt_url, spool_path, watch) as reader:
            busy = latencies(reader, watch, until_s=time.monotonic() + DRAIN_LIMIT_S)
        with connect(database) as connection:
            (stored,) = connection.execute("SELECT count(*) FROM tag_read").fetchone() or (0,)
    expected = BACKLOG_READS + len(quiet) + len(busy)
    if stored < expected:
        raise AssertionError(f"{stored} reads are in the database, {expected} were told")
    rate = BACKLOG_READS / watch.drain_s
    return [
        Row("edge_drain_reads_per_s", rate, "reads/s"),
        *latency_rows("p50", statistics.median(quiet), statistics.median(busy)),
        *latency_rows("p99", statistics.quantiles(quiet, n=100)[-1], statistics.quantiles(busy, n=100)[-1]),
        *rows,
    ]


def latency_rows(name: str, quiet_s: float, busy_s: float) -> list[Row]:
    """Of live reads without and with a backlog."""
    return [
        Row(f"live_latency_{name}_ms", 1000 * quiet_s, "ms"),
        Row(f"live_latency_{name}_while_draining_ms", 1000 * busy_s, "ms", "without a backlog", busy_s / quiet_s),
    ]


def spool_rows(folder: Path, name: str, reads: int) -> list[Row]:
    """How quick a spool of this size is."""
    path = folder / f"{name}.sqlite"
    batches = fill(path, reads)
    begun_s = time.perf_counter()
    spool = Spool(path, store=STORE, agent=AGENT)
    open_s = time.perf_counter() - begun_s
    sample = batch_reads(time.time_ns() // 1000)
    appends = []
    for _ in range(SAMPLES):
        begun_s = time.perf_counter()
        spool.append(sample)
        appends.append(time.perf_counter() - begun_s)
    begun_s = time.perf_counter()
    while spool.batches:
        taken = spool.pending(spool.freed_seq, PAGE)
        spool.free(taken[-1].seq)
        spool.trim()
    drain_s = time.perf_counter() - begun_s
    spool.close()
    path.unlink()
    return [
        Row(f"spool_open_ms_{name}", 1000 * open_s, "ms"),
        Row(f"spool_append_ms_{name}", 1000 * statistics.median(appends), "ms"),
        Row(f"spool_drain_us_per_batch_{name}", 1e6 * drain_s / batches, "µs"),
    ]


def batch_reads(time_us: int) -> list[TagRead]:
    """A batch as a busy store makes them."""
    return [
        TagRead(
            time_us + 997 * i, "r01", 1, f"E28011606000{(time_us + i % TAGS_PER_BATCH) % 20_000:012X}", -60.0 - i % 9
        )
        for i in range(BATCH_READS)
    ]


def fill(path: Path, reads: int) -> int:
    """A spool as an agent leaves it that was offline; returns its batches."""
    spool = Spool(path, store=STORE, agent=AGENT)
    count = reads // BATCH_READS
    start_us = time.time_ns() // 1000 - DAY_US
    batch = pack_reads(batch_reads(start_us), agent=AGENT, boot=spool.boot, seq=1)
    head, tail = encode(batch).split(b'"seq":1,"t0":%d' % batch.t0)
    rows = (
        (seq, BATCH_READS, head + b'"seq":%d,"t0":%d' % (seq, start_us + seq * 40_000) + tail)
        for seq in range(1, count + 1)
    )
    database = spool._db  # one by one, as the agent does it, would take a minute
    database.execute("BEGIN")
    database.executemany("INSERT INTO batch (seq, reads, payload) VALUES (?, ?, ?)", rows)
    database.execute("UPDATE spool SET last_seq = ?", (count,))
    database.execute("COMMIT")
    database.close()
    return count


class Watch:
    """Listens at the broker: which tag is in which batch, and when that is committed."""

    def __init__(self, port: int) -> None:
        self.streaming = threading.Event()
        self.committed_s: dict[str, float] = {}
        self.drained = threading.Event()
        self.drain_s = 0.0
        self._backlog = 0
        self._begun_s = 0.0
        self._waiting: dict[int, ReadBatch] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="watch")
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(topic(STORE, AGENT), 1) for topic in (reads_topic, committed_topic, status_topic)]
        )
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def await_backlog(self, batches: int) -> None:
        """Batches up to this one are the backlog."""
        self._backlog = batches
        self.drained.clear()

    def forget(self) -> None:
        """Another agent comes."""
        self.streaming.clear()
        self.committed_s = {}
        self._waiting = {}

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        now_s = time.perf_counter()
        payload = bytes(message.payload)
        if message.topic.endswith("/status"):
            status = decode_status(payload)
            if status.readers and all(reader.state == "streaming" for reader in status.readers):
                self.streaming.set()
        elif message.topic.endswith("/reads"):
            header = decode_header(payload)
            if header is not None and header.seq > self._backlog:
                self._waiting[header.seq] = decode_batch(payload)
            elif self._backlog and not self._begun_s:
                self._begun_s = now_s
        elif not message.retain:
            committed = decode_committed(payload)
            done = [
                seq for seq in self._waiting if seq <= committed.seq or any(a <= seq <= b for a, b in committed.beyond)
            ]
            for seq in done:
                self.committed_s.update(dict.fromkeys(self._waiting.pop(seq).tags, now_s))
            if self._backlog and committed.seq >= self._backlog and not self.drained.is_set():
                self.drain_s = now_s - self._begun_s
                self.drained.set()


class PtyReader:
    """A Mercury reader on a pseudo-terminal, served between the tags that it reports."""

    def __init__(self, path: Path) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self._slave = slave  # a terminal that nobody has open would give an error instead of silence
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(slave))
        self._model = load_family("mercury").reader()

    def serve(self, until_s: float) -> None:
        """Answer the agent until then."""
        while (left_s := until_s - time.monotonic()) > 0:
            ready, _, _ = select.select([self._master], [], [], left_s)
            if ready and (answer := self._model.feed(os.read(self._master, 4096))):
                os.write(self._master, answer)

    def report(self, epc: str) -> float:
        """Report a tag; returns when."""
        os.write(self._master, self._model.tag(TagSeen(epc=epc, antenna=1, rssi_dbm=-60.0)))
        return time.perf_counter()

    def close(self) -> None:
        """Unplug."""
        os.close(self._master)
        os.close(self._slave)


def latencies(reader: PtyReader, watch: Watch, until_s: float) -> list[float]:
    """Report a new tag some times a second, until then or until the backlog is drained; seconds until each is there."""
    told_s: dict[str, float] = {}
    while time.monotonic() < until_s and not watch.drained.is_set():
        epc = f"E2BBBBBB{len(told_s):016X}"
        told_s[epc] = reader.report(epc)
        reader.serve(time.monotonic() + 1 / TAGS_PER_S)
    limit_s = time.monotonic() + 30
    while not told_s.keys() <= watch.committed_s.keys():
        if time.monotonic() > limit_s:
            raise TimeoutError(f"{len(told_s.keys() - watch.committed_s.keys())} live reads did not arrive")
        reader.serve(time.monotonic() + 0.05)
    return [watch.committed_s[epc] - at_s for epc, at_s in told_s.items()]


@contextmanager
def agent(folder: Path, url: str, spool: Path, watch: Watch) -> Iterator[PtyReader]:
    """An agent with its reader, which streams."""
    port = folder / "r01"
    reader = PtyReader(port)
    argv: list[str | Path] = [
        *(sys.executable, "-P", "-m", "tagtrail.stack", "edge", "--store", folder / "store.toml"),
        *("--ports", folder / "{reader}", "--spool", spool, "--mqtt", url),
        *("--window-s", "0.1", "--batch-s", "0.1"),
    ]
    child = process.start(argv, stdout=subprocess.DEVNULL)
    try:
        limit_s = time.monotonic() + 30
        while not watch.streaming.is_set():
            reader.serve(time.monotonic() + 0.02)
            if time.monotonic() > limit_s:
                raise TimeoutError("the reader does not stream")
        yield reader
        stopper = threading.Thread(target=process.stop, args=(child, signal.SIGTERM))
        stopper.start()
        while stopper.is_alive():
            reader.serve(time.monotonic() + 0.05)
    finally:
        process.stop(child, signal.SIGTERM)
        reader.close()


@contextmanager
def running() -> Iterator[tuple[Path, str, Watch, str]]:
    """Database, broker, ingest, and somebody who listens."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagtrail-bench-")))
        (folder / "store.toml").write_text(STORE_FILE + READER.format(id="r01"))
        cluster = prepare_cluster(folder)
        database = process.start(cluster.argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, database, signal.SIGINT)
        cluster.wait_ready()
        migrate(cluster.dsn())
        broker = prepare_broker(folder, free_port())
        child = process.start(broker.argv, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, child, signal.SIGTERM)
        broker.wait_ready()
        environment = {**os.environ, "TAGTRAIL_DSN": cluster.dsn(), "TAGTRAIL_MQTT": broker.url}
        ingest = process.start(
            [sys.executable, "-P", "-m", "tagtrail.stack", "ingest"], env=environment, stdout=subprocess.DEVNULL
        )
        stack.callback(process.stop, ingest, signal.SIGTERM)
        watch = Watch(broker.port)
        stack.callback(watch.close)
        yield folder, broker.url, watch, cluster.dsn()
