"""From a reader's frame to a committed row, with eight busy readers, all processes as shipped and with their defaults.

Each EPC is unique and holds the time at which the simulated reader wrote its frame to the pseudo-terminal. The row has
the time at which the edge got it; a subscriber beside ingest sees when its batch leaves the broker; the database tells
when its transaction began and when it was committed (``track_commit_timestamp``). All clocks are one.
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
from pathlib import Path
from typing import Final

import numpy as np
import paho.mqtt.client as mqtt
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

from bench_edge import ANTENNA, ANTENNAS, READER, READERS, STORE
from row import Row
from tagtrail.edge.settings import EdgeSettings
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.wire import decode_batch, decode_status
from tagtrail.ingest.database.connection import Connection, connect
from tagtrail.ingest.database.migrate import migrate
from tagtrail.stack import process
from tagtrail.stack.broker import prepare_broker
from tagtrail.stack.postgres import free_port, prepare_cluster

TAGS_PER_S: Final = 50
"""Of each reader: reads of a busy aisle."""
SETTLE_S: Final = 3.0
BUSY_S: Final = 15.0
DRAIN_S: Final = 30.0

_TIMES: Final = """
SELECT epc, (extract(epoch FROM r.time) * 1000000)::bigint,
       (extract(epoch FROM b.committed_at) * 1000000)::bigint,
       (extract(epoch FROM pg_xact_commit_timestamp(r.xmin)) * 1000000)::bigint
FROM tag_read r JOIN tag USING (tag_id) JOIN LATERAL (
    SELECT committed_at FROM batch WHERE batch.xid::xid = r.xmin LIMIT 1
) b ON true
"""


def measure() -> list[Row]:
    """Median and 99th percentile, and the median of each part of the way."""
    with running() as (connection, tap):
        time.sleep(SETTLE_S)
        since_us = time.time_ns() // 1000
        time.sleep(BUSY_S)
        until_us = time.time_ns() // 1000
        expected = 0.9 * READERS * TAGS_PER_S * BUSY_S
        stamps = times(connection, tap, since_us, until_us, expected)
    written, arrived, left, begun, committed = stamps.T / 1000
    window = EdgeSettings().window_s * 1000
    whole = committed - written
    rows = [
        Row(name, value, "ms", f"{limit_ms} ms, the promise", value / limit_ms)
        for name, value, limit_ms in (
            ("latency_median_ms", float(np.median(whole)), 300),
            ("latency_p99_ms", float(np.percentile(whole, 99)), 1000),
        )
    ]
    for name, part in (
        ("line", arrived - written),
        ("edge_window", np.full(len(written), window)),
        ("edge_batch_spool_broker", left - arrived - window),
        ("ingest_gather", begun - left),
        ("ingest_commit", committed - begun),
    ):
        rows.append(Row(f"latency_{name}_median_ms", float(np.median(part)), "ms"))
    return rows


def times(connection: Connection, tap: "Tap", since_us: int, until_us: int, expected: float) -> NDArray[np.int64]:
    """Per read that was written between these moments: written, arrived, left the broker, begun, committed."""
    deadline_s = time.monotonic() + DRAIN_S
    found: list[tuple[int, ...]] = []
    while time.monotonic() < deadline_s:
        time.sleep(3 * SETTLE_S)  # far longer than any read takes
        rows = [(written_us(epc), *stamps, tap.left_us.get(epc, 0)) for epc, *stamps in connection.execute(_TIMES)]
        found = [row for row in rows if since_us <= row[0] < until_us]
        if len(found) >= expected:
            return np.array(found, np.int64)[:, [0, 1, 4, 2, 3]]
    raise TimeoutError(f"{len(found)} of {expected:.0f} reads came")


def written_us(epc: str) -> int:
    """The time in an EPC."""
    return int(epc[8:], 16)


class Tap:
    """Hears what ingest hears, and when."""

    def __init__(self, port: int) -> None:
        self.left_us: dict[str, int] = {}
        self.streaming = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="tap")
        self._client.on_connect = lambda client, *_: client.subscribe("tagtrail/v1/+/+/+", 0)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        now_us = time.time_ns() // 1000
        if message.topic.endswith("/reads"):
            for epc in decode_batch(bytes(message.payload)).tags:
                self.left_us.setdefault(epc, now_us)
        elif message.topic.endswith("/status"):
            status = decode_status(bytes(message.payload))
            if status.readers and all(reader.state == "streaming" for reader in status.readers):
                self.streaming.set()


@contextmanager
def running() -> Iterator[tuple[Connection, Tap]]:
    """Readers that report tags, edge, broker, ingest, database."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tagtrail-bench-")))
        cluster = prepare_cluster(folder)
        argv = [*cluster.argv, "-c", "track_commit_timestamp=on"]
        database = process.start(argv, user=cluster.user, death_signal=signal.SIGINT, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, database, signal.SIGINT)
        cluster.wait_ready()
        migrate(cluster.dsn())
        connection = stack.enter_context(connect(cluster.dsn(), autocommit=True))

        antennas = "".join(ANTENNA.format(port=port) for port in range(1, ANTENNAS + 1))
        readers = "".join(READER.format(number=number) + antennas for number in range(READERS))
        (folder / "store.toml").write_text(STORE + readers)
        models = multiprocessing.get_context("spawn").Process(target=serve, args=(folder,), daemon=True)
        models.start()
        stack.callback(models.join)
        stack.callback(models.terminate)

        broker = prepare_broker(folder, free_port())
        child = process.start(broker.argv, stdout=subprocess.DEVNULL)
        stack.callback(process.stop, child, signal.SIGTERM)
        broker.wait_ready()
        tap = Tap(broker.port)
        stack.callback(tap.close)

        environment = {**os.environ, "TAGTRAIL_DSN": cluster.dsn(), "TAGTRAIL_MQTT": broker.url}
        for arguments in (
            ("ingest",),
            (
                "edge",
                "--store",
                folder / "store.toml",
                "--ports",
                folder / "{reader}",
                "--spool",
                folder / "spool.sqlite",
            ),
        ):
            argv = [sys.executable, "-P", "-m", "tagtrail.stack", *map(str, arguments)]
            service = process.start(argv, env=environment, stdout=subprocess.DEVNULL)
            stack.callback(process.stop, service, signal.SIGTERM)
        if not tap.streaming.wait(30):
            raise TimeoutError("the readers do not stream within half a minute")
        yield connection, tap


def serve(folder: Path) -> None:
    """Be the readers, each with its own moments, until killed."""
    models = {}
    kept_open = []
    next_s = {}
    for number in range(READERS):
        master, slave = pty.openpty()
        tty.setraw(slave)
        kept_open.append(slave)  # a terminal that nobody has open would give an error instead of silence
        (folder / f"r{number:02}").symlink_to(os.ttyname(slave))
        models[master] = load_family("mercury").reader()
        next_s[master] = time.monotonic() + number / READERS / TAGS_PER_S
    last_us = 0
    while True:
        ready, _, _ = select.select(list(models), [], [], max(0.0, min(next_s.values()) - time.monotonic()))
        for master in ready:
            if answer := models[master].feed(os.read(master, 4096)):
                os.write(master, answer)
        for master, model in models.items():
            if next_s[master] <= time.monotonic():
                next_s[master] += 1 / TAGS_PER_S
                if model.streaming:
                    last_us = max(last_us + 1, time.time_ns() // 1000)
                    seen = TagSeen(epc=f"E2801160{last_us:016X}", antenna=1 + last_us % ANTENNAS, rssi_dbm=-60.0)
                    os.write(master, model.tag(seen))
