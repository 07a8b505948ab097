"""A real MQTT broker for tests: Mosquitto on a free port, to be killed and started again."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def find_mosquitto(name: str = "mosquitto") -> str:
    """Path of a program of Mosquitto; skips the test where it is not installed."""
    program = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


def start_mosquitto(command: list[str], port: int) -> subprocess.Popen[bytes]:
    """Start it, and wait until it answers."""
    process = subprocess.Popen(command)
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "mosquitto did not start"
            time.sleep(0.01)
        else:
            return process
    pytest.fail("mosquitto does not answer")


class MqttBroker:
    """A Mosquitto that keeps nothing over a kill."""

    host = "127.0.0.1"

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server((self.host, 0)) as free:
            self.port: int = free.getsockname()[1]
        conf = folder / "mosquitto.conf"
        conf.write_text(
            f"listener {self.port} {self.host}\nallow_anonymous true\npersistence false\nuser root\n"
            "max_queued_messages 0\nmax_inflight_messages 1000\nlog_type error\n"
        )
        self._command = [program, "-c", str(conf)]
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        self._process = start_mosquitto(self._command, self.port)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def mqtt_broker(tmp_path: Path) -> Iterator[MqttBroker]:
    broker = MqttBroker(find_mosquitto(), tmp_path)
    yield broker
    broker.kill()
