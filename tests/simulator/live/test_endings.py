"""Live runs that end before their time, by a signal or by a full disk: the command itself, in a process of its own."""

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from fixture_mqtt import MqttBroker
from tagtrail.hardware.store import load_store
from tagtrail.simulator.scenario import store_path

CORNER = load_store(store_path("corner"))
# Groups of rows as large as those of a long run would make the tests long.
PROGRAM = """
import sys
from tagtrail.simulator import truth
from tagtrail.stack.cli import main
truth.ROWS_PER_GROUP = 2000
sys.exit(main())
"""


class Run:
    """A live run of the corner shop, a minute per second."""

    def __init__(self, folder: Path, *options: object) -> None:
        self.out = folder / "out"
        self._said = folder / "said"
        scenario = ("--scenario", "hard-store", "--shoppers-per-hour", 200, "--minutes", 600, "--speed", 60)
        argv = (sys.executable, "-c", PROGRAM, "simulate", "run", *scenario, "--out", self.out, *options)
        with self._said.open("wb") as said:
            self.process = subprocess.Popen([str(word) for word in argv], stderr=said)

    @property
    def said(self) -> str:
        return self._said.read_text()

    def until(self, done: Callable[[], object], *hosts: Any) -> None:
        """Turn the hosts until something is so."""
        until_s = time.monotonic() + 60
        while not done():
            assert time.monotonic() < until_s, self.said
            with contextlib.suppress(OSError):  # the line is gone
                for host in hosts:
                    host.turn()
            time.sleep(0.002)

    def ended(self, *hosts: Any) -> int:
        """Its exit code."""
        self.until(lambda: self.process.poll() is not None, *hosts)
        assert "Traceback" not in self.said
        return self.process.returncode

    def summary(self) -> dict[str, Any]:
        """What it left, which is whole, up to when it ended."""
        summary: dict[str, Any] = json.loads((self.out / "summary.json").read_text())
        tables = {path.stem: pd.read_parquet(path) for path in self.out.glob("*.parquet")}
        assert {path.name for path in self.out.iterdir()} == {"summary.json", *(f"{name}.parquet" for name in tables)}
        assert set(tables) == {"truth", "visits_truth", "people", "purchases"}
        start, end = (datetime.fromisoformat(summary[name]) for name in ("start", "end"))
        assert timedelta() <= end - tables["truth"]["time"].max() <= timedelta(seconds=1.5)
        assert tables["people"]["exit"].max() <= end + timedelta(seconds=1)
        assert (tables["visits_truth"]["exit"] <= end + timedelta(seconds=1)).all()
        minutes = re.search(r"stopped: corner after ([\d.]+) of 600 minutes; what is in .* is complete", self.said)
        assert minutes
        assert float(minutes[1]) == pytest.approx((end - start).total_seconds() / 60, abs=0.06)
        return summary


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    begun: list[Run] = []

    def run(*options: object) -> Run:
        begun.append(Run(tmp_path, *options))
        return begun[-1]

    yield run
    for one in begun:
        one.process.kill()
        one.process.wait()


def reading(run: Run, ports: Path, hosts: Any) -> list[Any]:
    """Hosts at all lines of a run, which have seen tags."""
    run.until(lambda: all((ports / reader.id).exists() for reader in CORNER.reader))
    made = [hosts(reader, ports / reader.id) for reader in CORNER.reader]
    run.until(lambda: sum(len(host.seen) for host in made) > 200, *made)
    return made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_on_lines(begin: Any, tmp_path: Path, hosts: Any, number: signal.Signals) -> None:
    ports = tmp_path / "ports"
    run = begin("--ports-dir", ports)
    made = reading(run, ports, hosts)
    run.process.send_signal(number)
    run.process.send_signal(number)  # who is impatient changes nothing
    assert run.ended(*made) == 0
    assert 200 < sum(len(host.seen) for host in made) <= run.summary()["reads_sent"]
    assert not list(ports.iterdir())


def test_a_signal_ends_a_run_that_waits_for_its_readers(begin: Any, tmp_path: Path) -> None:
    run = begin("--ports-dir", tmp_path / "ports")
    run.until(lambda: (tmp_path / "ports" / CORNER.reader[-1].id).exists())
    run.process.send_signal(signal.SIGINT)
    assert run.ended() == 0
    assert "stopped: corner after 0.0 of 600 minutes" in run.said
    assert json.loads((run.out / "summary.json").read_text())["reads_sent"] == 0
    assert len(pd.read_parquet(run.out / "truth.parquet")) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_on_mqtt(begin: Any, mqtt_broker: MqttBroker, number: signal.Signals) -> None:
    batches: list[bytes] = []
    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: batches.append(bytes(message.payload))
    client.connect(mqtt_broker.host, mqtt_broker.port)
    client.subscribe("tagtrail/v1/corner/+/reads", 1)
    client.loop_start()
    run = begin("--mqtt", mqtt_broker.url)
    run.until(lambda: len(batches) > 5)
    run.process.send_signal(number)
    assert run.ended() == 0
    client.loop_stop()
    assert run.summary()["reads_sent"] > 5
    assert "had arrived" in run.said  # nobody has committed them to a database


def test_a_signal_ends_a_run_whose_broker_is_not_there(begin: Any, mqtt_broker: MqttBroker) -> None:
    mqtt_broker.kill()
    run = begin("--mqtt", mqtt_broker.url)
    run.until(lambda: (run.out / "truth.parquet.part").exists())
    run.process.send_signal(signal.SIGTERM)
    assert run.ended() == 0
    assert (run.out / "summary.json").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "out"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs to be root, to mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    hog = folder / "hog"
    with contextlib.suppress(OSError), hog.open("wb", buffering=0) as file:
        while left := shutil.disk_usage(folder).free:
            file.write(bytes(left))
    return hog


def test_a_full_disk_ends_a_live_run_and_what_was_written_can_be_read(
    begin: Any, tmp_path: Path, small_disk: Path, hosts: Any
) -> None:
    ports = tmp_path / "ports"
    run = begin("--ports-dir", ports)
    made = reading(run, ports, hosts)
    hog = fill(small_disk)
    assert run.ended(*made) == 2
    hog.unlink()
    assert run.said.count("the disk is full; free some space") == 1
    assert run.summary()["reads_sent"] > 200


def test_a_disk_without_room_for_the_end_is_told_before_the_run(begin: Any, small_disk: Path) -> None:
    hog = fill(small_disk)
    run = begin("--no-wait-for-readers", "--tcp", "127.0.0.1:0")
    assert run.ended() == 2
    assert "out: cannot be written: No space left on device" in run.said
    assert list(small_disk.iterdir()) == [hog]
