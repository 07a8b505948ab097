"""A reader on a pseudo-terminal, an ingest that only remembers, and the edge as a process of its own."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.wire import (
    AgentStatus,
    Committed,
    ReadBatch,
    committed_topic,
    decode_batch,
    decode_status,
    encode,
    reads_topic,
    status_topic,
    unpack_reads,
)

if TYPE_CHECKING:
    from fixture_mqtt import MqttBroker

STORE, AGENT = "riverside", "edge-1"
LINE_BYTES_MAX = 2000
"""A pseudo-terminal holds 4096 bytes; what comes on top of that would be lost, as on a real line."""


def wait_for(condition: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
    until_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until_s:
            pytest.fail(f"waited {limit_s:g} s in vain for: {what}")
        time.sleep(0.01)


class PtyReader:
    """The model of a Mercury reader behind a real pseudo-terminal."""

    def __init__(self, path: Path) -> None:
        self.model = load_family("mercury").reader()
        self._path = path
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        path.symlink_to(os.ttyname(self._slave))
        self._todo: list[TagSeen] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._rebooting = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def see(self, epcs: list[str], antenna: int = 1, rssi_dbm: float = -60.0) -> None:
        """Report these tags as soon as the reader streams."""
        with self._lock:
            self._todo += [TagSeen(epc=epc, antenna=antenna, rssi_dbm=rssi_dbm) for epc in epcs]

    @property
    def told(self) -> bool:
        with self._lock:
            return not self._todo

    def reboot(self) -> None:
        """Lose power for a moment."""
        self._rebooting.set()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)
        self._path.unlink()

    def _run(self) -> None:
        idle_s = 0.0
        while not self._stop.is_set():
            ready, _, _ = select.select([self._master], [], [], 0.01)
            out = self.model.feed(os.read(self._master, 4096)) if ready else b""
            if self._rebooting.is_set():
                self._rebooting.clear()
                out += self.model.reboot()
            waiting = struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, b"\0" * 4))[0]
            if self.model.streaming and waiting < LINE_BYTES_MAX:
                with self._lock:
                    now, self._todo = self._todo[:20], self._todo[20:]
                out += b"".join(map(self.model.tag, now))
                if time.monotonic() > idle_s:
                    idle_s = time.monotonic() + 0.5
                    out += self.model.idle(0)
            if out and waiting < LINE_BYTES_MAX:
                os.write(self._master, out)


class MemoryIngest:
    """Takes batches as ingest does, into memory that outlives the broker and the edge."""

    def __init__(self, host: str, port: int) -> None:
        self.batches: dict[tuple[str, int], ReadBatch] = {}
        self.repeated = 0
        self.statuses: list[AgentStatus] = []
        self.committing = True
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="ingest", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.connect(host, port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def reads(self) -> list[TagRead]:
        return [read for _, batch in sorted(self.batches.copy().items()) for read in unpack_reads(batch)]

    @property
    def epcs(self) -> list[str]:
        return [read.epc for read in self.reads]

    def committed(self, boot: str) -> int:
        seq = 0
        while (boot, seq + 1) in self.batches:
            seq += 1
        return seq

    def commit(self) -> None:
        for boot in {boot for boot, _ in self.batches.copy()}:
            message = encode(Committed(boot, self.committed(boot)))
            self.publish(committed_topic(STORE, AGENT), message)

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1, retain=True)

    def status(self, state: str) -> AgentStatus | None:
        return self.statuses[-1] if self.statuses and self.statuses[-1].state == state else None

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe([(reads_topic(STORE, AGENT), 1), (status_topic(STORE, AGENT), 1)])

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if message.topic == status_topic(STORE, AGENT):
            self.statuses.append(decode_status(bytes(message.payload)))
            return
        batch = msgspec.structs.replace(decode_batch(bytes(message.payload)), first=1)
        key = (batch.boot, batch.seq)
        if key in self.batches:
            self.repeated += 1
            assert self.batches[key] == batch, "a number came again with other reads"
        self.batches[key] = batch
        if self.committing:
            self.commit()


SERVE = """
import logging, sys, msgspec
from tagtrail.edge.service import run
from tagtrail.edge.settings import EdgeSettings
logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
sys.exit(run(msgspec.json.decode(sys.argv[1], type=EdgeSettings)))
"""

STORE_FILE = """
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
id = "{id}"
protocol = "mercury"
region = "eu"
[[reader.antenna]]
port = 1
floor = "1F"
position_m = [3.0, 3.0, 3.0]
[[reader.antenna]]
port = 2
floor = "1F"
position_m = [9.0, 3.0, 3.0]
"""


class Shop:
    """A shop with two reader ports, an ingest, and an edge that can be started, killed and stopped."""

    def __init__(self, folder: Path, broker: "MqttBroker") -> None:
        self.folder = folder
        (folder / "ports").mkdir()
        (folder / "log").touch()
        self.store_path = folder / "store.toml"
        self.store_path.write_text(STORE_FILE + READER.format(id="r01") + READER.format(id="r02"))
        self.readers: dict[str, PtyReader] = {}
        self.connect("r01")
        self.broker = broker
        self.ingest = MemoryIngest(broker.host, broker.port)
        self.edge: subprocess.Popen[bytes] | None = None
        self.spool_path = folder / "spool.sqlite"

    def port(self, reader: str) -> Path:
        return self.folder / "ports" / reader

    def connect(self, reader: str) -> None:
        self.readers[reader] = PtyReader(self.port(reader))

    def settings(self, **changes: object) -> dict[str, Any]:
        return {
            "store": str(self.store_path),
            "readers": ["r01"],
            "ports": str(self.port("{reader}")),
            "mqtt": self.broker.url,
            "spool": str(self.spool_path),
            "window_s": 0.0,
            "batch_reads": 50,
            "batch_s": 0.05,
            "status_s": 0.5,
            "resend_s": 0.5,
            **changes,
        }

    def start(self, **changes: object) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-c", SERVE, json.dumps(self.settings(**changes))]
            self.edge = subprocess.Popen(command, stderr=log)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def kill(self) -> None:
        assert self.edge is not None
        self.edge.kill()
        self.edge.wait()

    def stop(self) -> int:
        assert self.edge is not None
        self.edge.terminate()
        return self.edge.wait(20)

    def close(self) -> None:
        if self.edge is not None:
            self.kill()
        self.ingest.close()
        for reader in self.readers.values():
            reader.close()


@pytest.fixture
def shop(tmp_path: Path, mqtt_broker: "MqttBroker") -> Iterator[Shop]:
    shop = Shop(tmp_path, mqtt_broker)
    yield shop
    shop.close()
    print(shop.log())  # pytest shows it where a test fails
