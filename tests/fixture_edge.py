"""A reader on a pseudo-terminal, an ingest that only remembers, and the edge as a process of its own."""

import fcntl
import json
import math
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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tagtrail.hardware.clock import ScaledClock
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import ReaderModel, TagSeen
from tagtrail.hardware.reads import TagRead
from tagtrail.hardware.store import Store
from tagtrail.hardware.wire import (
    AgentStatus,
    Committed,
    ReadBatch,
    TimeAnswer,
    committed_topic,
    decode_batch,
    decode_status,
    encode,
    reads_topic,
    status_topic,
    time_topic,
    unpack_reads,
)
from tagtrail.simulator.layouts import store_toml

if TYPE_CHECKING:
    from fixture_mqtt import MqttBroker

STORE, AGENT = "riverside", "edge-1"
LINE_BYTES_MAX = 2000
"""A pseudo-terminal holds 4096 bytes; what comes on top of that would be lost, as on a real line."""

OPENING_S = 1.5
"""A port is flushed while it is opened: a reader waits for the first words of its host, or for so long where the host
never says any. On a real line it would not, and what it says in that instant is lost."""


def wait_for(condition: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
    until_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until_s:
            pytest.fail(f"waited {limit_s:g} s in vain for: {what}")
        time.sleep(0.01)


class PtyReader:
    """The model of a reader behind a real pseudo-terminal; of a Mercury reader unless another one is given.

    As on a real line, bytes reach nobody while nobody has the port open; so nothing is said then.
    """

    def __init__(self, path: Path, model: ReaderModel | None = None, *, spoken_to: bool = True) -> None:
        self.model = model or load_family("mercury").reader()
        self.mute = False
        """Hears nothing and says nothing, but reads on."""
        self.tags_per_turn = 20
        self.said = [bytearray()]
        """What reached the port; broken off where the reader lost its power."""
        self._path = path
        self._spoken_to = spoken_to
        self._todo: list[TagSeen] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._master: int | None = None
        self._idle_s = 0.0
        self.plug()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def plug(self) -> None:
        """Appear as a new port at the same path."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        self._slave_name = os.ttyname(slave)
        os.close(slave)  # so the master is told whether anybody has the port open
        with self._lock:
            self._master, self._quiet_until_s = master, math.inf
        self._path.symlink_to(self._slave_name)

    def unplug(self) -> None:
        """Disappear; what is still in the line is lost."""
        with self._lock:
            self._path.unlink()
            assert self._master is not None
            os.close(self._master)
            self._master = None

    def see(self, epcs: list[str], antenna: int = 1, rssi_dbm: float = -60.0) -> None:
        """Report these tags as soon as the reader streams."""
        self.see_tags([TagSeen(epc=epc, antenna=antenna, rssi_dbm=rssi_dbm) for epc in epcs])

    def see_tags(self, seen: list[TagSeen]) -> None:
        """Report these sightings as soon as the reader streams."""
        with self._lock:
            self._todo += seen

    @property
    def told(self) -> bool:
        with self._lock:
            return not self._todo

    @property
    def alone(self) -> bool:
        """Nobody has the port open, or not for long."""
        with self._lock:
            return self._quiet_until_s > 0

    def reboot(self, during: TagSeen | None = None) -> None:
        """Lose power for a moment, perhaps in the middle of the report of a tag."""
        with self._lock:
            report = b"" if during is None else self.model.tag(during)
            while during is not None and not report:  # between two rounds nothing is reported
                if self._turn() and self.model.streaming:
                    report = self.model.tag(during)
            self._say(report[: len(report) // 2])
            self._say(self.model.reboot())
            self.said.append(bytearray())

    def say(self, data: bytes) -> None:
        """Say something that the model has made."""
        with self._lock:
            self._say(data)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        if self._master is not None:
            self.unplug()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                heard = self._turn()
            if not heard:
                self._stop.wait(0.01)

    def _turn(self) -> bool:
        """Hear and say what is due; returns whether anything was heard."""
        if self._master is None:
            return False
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        ready = dict(poll.poll(0)).get(self._master, 0)
        heard = os.read(self._master, 4096) if ready & select.POLLIN else b""
        now_s = time.monotonic()
        if ready & select.POLLHUP:
            self._quiet_until_s = math.inf
        elif heard:
            self._quiet_until_s = 0.0
        elif self._quiet_until_s == math.inf and not self._spoken_to:
            self._quiet_until_s = now_s + OPENING_S
        if self.mute:
            return False
        if heard:
            self._say(self.model.feed(heard))
        if self.model.streaming and now_s >= self._quiet_until_s and self._waiting() < LINE_BYTES_MAX:
            self._tell_tags()
            if now_s > self._idle_s:
                self._idle_s = now_s + 0.5
                self._say(self.model.idle(0))
        return bool(heard)

    def _tell_tags(self) -> None:
        for seen in self._todo[: self.tags_per_turn]:
            report = self.model.tag(seen) if self.model.streaming else b""
            if not report:  # between two rounds nothing is seen: it waits for the next one
                return
            self._say(report)
            del self._todo[0]

    def _say(self, data: bytes) -> None:
        if self._master is not None and data and time.monotonic() >= self._quiet_until_s:
            os.write(self._master, data)
            self.said[-1] += data

    def _waiting(self) -> int:
        """Bytes that wait in the port."""
        slave = os.open(self._slave_name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            return int(struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0" * 4))[0])
        finally:
            os.close(slave)


class MemoryIngest:
    """Takes batches as ingest does, into memory that outlives the broker and the edge."""

    def __init__(self, host: str, port: int) -> None:
        self.batches: dict[tuple[str, int], ReadBatch] = {}
        self.repeated = 0
        self.statuses: list[AgentStatus] = []
        self.committing = True
        self.answering = True
        self.ahead_us = 0
        """Its clock minus this machine's."""
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
            status = decode_status(bytes(message.payload))
            self.statuses.append(status)
            answer = encode(TimeAnswer(status.run_us, time.time_ns() // 1000 + self.ahead_us))
            if status.run_us and self.answering:
                self._client.publish(time_topic(STORE, AGENT), answer)
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


@contextmanager
def running_edge(store: Store, folder: Path, mqtt: str, clock: ScaledClock, ports: str | None) -> Iterator[None]:
    """The edge as it runs in a shop; ends it in good order."""
    (folder / "store.toml").write_text(store_toml(store))
    settings = {
        "store": str(folder / "store.toml"),
        "ports": ports,
        "mqtt": mqtt,
        "spool": str(folder / "spool.sqlite"),
        "window_s": 0.0,
        "batch_s": 0.05,
        "status_s": 0.5,
        "resend_s": 1.0,
        "clock": clock.text(),
    }
    with (folder / "edge.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVE, json.dumps(settings)], stderr=log)
    try:
        yield
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        print((folder / "edge.log").read_text())


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
