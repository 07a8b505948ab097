"""Memory and CPU time of the edge agent with eight readers.

The agent is the real process, `tagtrail edge`, as shipped, with eight Mercury readers on pseudo-terminals, whose models
run in a process of their own, a real broker, and an ingest that commits at once. Idle: the readers stream, see nothing,
and send their sign of life once a second. Busy: each reports 50 tags a second, one by one, every 20 ms.
"""

import multiprocessing
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import paho.mqtt.client as mqtt
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from row import Row
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.wire import Committed, committed_topic, decode_batch, decode_status, encode
from tagtrail.stack import process
from tagtrail.stack.broker import prepare_broker
from tagtrail.stack.postgres import free_port

READERS = 8
ANTENNAS = 4
TAGS = 200
TAGS_PER_S = 50
IDLE_S = 15.0
BUSY_S = 10.0
SETTLE_S = 2.0
KEEPALIVE_S = 1.0

STORE = """
[store]
id = "riverside"
name = "Riverside"
timezone = "UTC"
[[floor]]
id = "1F"
width_m = 20.0
depth_m = 10.0
[[zone]]
id = "door"
floor = "1F"
kind = "entrance"
polygon = [[0.0, 0.0], [5.0, 0.0], [5.0, 5.0], [0.0, 5.0]]
"""
READER = """
[[reader]]
id = "r{number:02}"
protocol = "mercury"
region = "eu"
"""
ANTENNA = """
[[reader.antenna]]
port = {port}
floor = "1F"
position_m = [{port}.0, 3.0, 3.0]
"""


def measure() -> list[Row]:
    """Three rows."""
    with running() as (agent, ingest, tags_per_s):
        idle_percent = cpu_percent(agent, IDLE_S)
        tags_per_s.value = TAGS_PER_S
        time.sleep(SETTLE_S)
        before = ingest.reads
        busy_percent = cpu_percent(agent, BUSY_S)
        if ingest.reads - before < 0.9 * READERS * TAGS_PER_S * BUSY_S:
            raise AssertionError(f"the agent told {ingest.reads - before} reads, too few")
        memory_mb = agent.memory_info().rss / 1e6
    return [
        Row("edge_memory_mb", memory_mb, "MB"),
        Row("edge_idle_cpu_percent", idle_percent, "% of a core"),
        Row("edge_busy_cpu_percent", busy_percent, "% of a core"),
    ]


def cpu_percent(agent: psutil.Process, span_s: float) -> float:
    """CPU time that the process takes in this time."""
    begun_s, before = time.perf_counter(), agent.cpu_times()
    time.sleep(span_s)
    after, took_s = agent.cpu_times(), time.perf_counter() - begun_s
    return 100 * (after.user + after.system - before.user - before.system) / took_s


class Ingest:
    """Commits each batch at once, and knows what the agent says of itself."""

    def __init__(self, port: int) -> None:
        self.reads = 0
        self.streaming = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="ingest")
        self._client.on_connect = lambda client, *_: client.subscribe("tagtrail/v1/+/+/+", 1)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if message.topic.endswith("/reads"):
            batch = decode_batch(bytes(message.payload))
            self.reads += sum(batch.count)
            topic = committed_topic("riverside", batch.agent)
            client.publish(topic, encode(Committed(batch.boot, batch.seq)), qos=1, retain=True)
        elif message.topic.endswith("/status"):
            status = decode_status(bytes(message.payload))
            if status.readers and all(reader.state == "streaming" for reader in status.readers):
                self.streaming.set()


@contextmanager
def running() -> Iterator[tuple[psutil.Process, Ingest, "Synchronized[int]"]]:
    """Readers, broker, ingest and an agent whose readers all stream; and the rate, to be set."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagtrail-bench-")))
        antennas = "".join(ANTENNA.format(port=port) for port in range(1, ANTENNAS + 1))
        readers = "".join(READER.format(number=number) + antennas for number in range(READERS))
        (folder / "store.toml").write_text(STORE + readers)

        spawn = multiprocessing.get_context("spawn")
        tags_per_s = spawn.Value("i", 0)
        models = spawn.Process(target=serve, args=(folder, tags_per_s), daemon=True)
        models.start()
        stack.callback(models.join)
        stack.callback(models.terminate)

        broker = prepare_broker(folder, free_port())
        child = process.start(broker.argv, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, child, signal.SIGTERM)
        broker.wait_ready()
        ingest = Ingest(broker.port)
        stack.callback(ingest.close)

        argv: list[str | Path] = [
            *(sys.executable, "-P", "-m", "tagtrail.stack", "edge", "--store", folder / "store.toml"),
            *("--ports", folder / "{reader}", "--spool", folder / "spool.sqlite", "--mqtt", broker.url),
        ]
        agent = process.start(argv, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, agent, signal.SIGTERM)
        if not ingest.streaming.wait(30):
            raise TimeoutError("the readers do not stream within half a minute")
        time.sleep(SETTLE_S)
        yield psutil.Process(agent.pid), ingest, tags_per_s


def serve(folder: Path, tags_per_s: "Synchronized[int]") -> None:
    """Be the readers, until killed."""
    models = {}
    kept_open = []
    for number in range(READERS):
        master, slave = pty.openpty()
        tty.setraw(slave)
        kept_open.append(slave)  # a terminal that nobody has open would give an error instead of silence
        (folder / f"r{number:02}").symlink_to(os.ttyname(slave))
        models[master] = load_family("mercury").reader()
    told = 0
    next_s = 0.0
    while True:
        ready, _, _ = select.select(list(models), [], [], max(0.0, min(0.05, next_s - time.monotonic())))
        for master in ready:
            if answer := models[master].feed(os.read(master, 4096)):
                os.write(master, answer)
        now_s = time.monotonic()
        if now_s < next_s:
            continue
        rate = tags_per_s.value
        next_s = max(next_s, now_s - 1.0) + (1 / rate if rate else KEEPALIVE_S)
        told += 1
        for master, model in models.items():
            if model.streaming:
                seen = TagSeen(epc=f"E28011606000{told % TAGS:012X}", antenna=1 + told % ANTENNAS, rssi_dbm=-60.0)
                os.write(master, model.tag(seen) if rate else model.idle(0))
