"""The ingest service as a process of its own, and an MQTT client that plays the agents."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tagtrail.hardware.wire import Committed, decode_committed

RUN = """
import logging, sys, msgspec
from tagtrail.hardware.errors import GiveUp
from tagtrail.ingest.service import run
from tagtrail.ingest.settings import IngestSettings
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
try:
    sys.exit(run(msgspec.json.decode(sys.argv[1], type=IngestSettings)))
except GiveUp as error:
    sys.exit(str(error))
"""


def wait_until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Wait on a condition; fails when it takes too long."""
    until_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until_s:
            pytest.fail(f"not within {limit_s:g} s: {what}")
        time.sleep(0.01)


class IngestProcess:
    """Ingest, to be started, stopped and killed."""

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **settings: object) -> None:
        self.kill()
        with self._log_file.open("ab") as log:
            argv = [sys.executable, "-c", RUN, msgspec.json.encode(settings).decode()]
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)

    def wait_connected(self) -> None:
        """Wait until the broker keeps messages for it."""
        wait_until(lambda: "connected to the broker" in self.log, "ingest connects")

    def kill(self) -> None:
        """As a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def wait(self) -> int:
        """Wait until it ends by itself; returns the exit code."""
        assert self._process is not None
        return self._process.wait(30)

    @property
    def log(self) -> str:
        return self._log_file.read_text()


class Agents:
    """Publishes for agents, and hears what ingest tells them."""

    def __init__(self, host: str, port: int) -> None:
        self.told: dict[str, Committed] = {}
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="agents", clean_session=True)
        self._client.max_inflight_messages_set(0)
        self._client.on_connect = lambda client, *_: client.subscribe("tagtrail/v1/+/+/committed", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect(host, port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self.told[message.topic.split("/")[3]] = decode_committed(bytes(message.payload))


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[IngestProcess]:
    process = IngestProcess(tmp_path / "ingest.log")
    yield process
    process.kill()
