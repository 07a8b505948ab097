"""Readers of every UHF family in one store, while services fall, freeze and come back: what was sent is stored."""

import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from fixture_demo import Demo
from tagtrail.hardware.protocols import load_family
from tagtrail.simulator.scenario import store_path

PROTOCOLS = (
    "mercury", "mercury-silion", "invelion-a0", "magicrf-bb", "chafon", "mercury-silion", "invelion-a0", "chafon",
)  # fmt: skip
MINUTES = float(os.environ.get("TAGTRAIL_SOAK_MINUTES", "12"))
SPEED = 60.0 if MINUTES > 60 else 40.0
SEED = 5

READER = "[[reader]]\n"
ANTENNA = "[[reader.antenna]]"


def mixed_store(text: str) -> str:
    """A store file with readers of other families; those with one antenna port keep the first antenna."""
    head, *readers = text.split(READER)
    for number, protocol in enumerate(PROTOCOLS):
        reader = readers[number].replace('"mercury"', f'"{protocol}"')
        if load_family(protocol).ports_max == 1:
            reader = ANTENNA.join(reader.split(ANTENNA)[:2])
        readers[number] = reader
    return READER.join([head, *readers])


class Faults:
    """What happens to the services of a running demo, drawn at random."""

    def __init__(self, run: Demo, seed: int) -> None:
        self._run = run
        self._random = random.Random(seed)
        self.done: list[str] = []

    def happen(self) -> None:
        """One fault, and the pause after it."""
        kind = self._random.choice([self._kill, self._kill, self._freeze])
        kind()
        time.sleep(self._random.uniform(1.0, 4.0))

    def _kill(self) -> None:
        name = self._random.choice(["ingest", "broker", "database", "analyze"])
        self._hit(name, signal.SIGKILL)

    def _freeze(self) -> None:
        name = self._random.choice(["ingest", "edge"])
        process = self._hit(name, signal.SIGSTOP)
        time.sleep(self._random.uniform(1.0, 3.0))
        if process is not None:
            process.send_signal(signal.SIGCONT)

    def _hit(self, name: str, number: signal.Signals) -> psutil.Process | None:
        """Send the signal to a service, unless it lies down already."""
        for process in psutil.Process(self._run.process.pid).children():
            if runs(process, name):
                process.send_signal(number)
                self.done.append(f"{number.name} {name}")
                return process
        return None


def runs(process: psutil.Process, name: str) -> bool:
    """Whether a child of the demo is this service."""
    try:
        arguments = process.cmdline()
    except psutil.Error:
        return False
    programs = {"database": "postgres", "broker": "mosquitto"}
    return name in arguments or programs.get(name, name) in {Path(argument).name for argument in arguments[:3]}


@pytest.mark.slow
@pytest.mark.timeout(300 + MINUTES * 60 / SPEED)
def test_every_read_sent_is_stored_whatever_falls_meanwhile(
    demo: Callable[..., Demo], server_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, kept = server_path / "mixed.toml", server_path / "kept"
    store.write_text(mixed_store(store_path("riverside").read_text(encoding="utf-8")), encoding="utf-8")
    bounds = ["--minutes", f"{MINUTES:g}", "--speed", f"{SPEED:g}"]
    run = demo("--once", "--store", str(store), "--data-dir", str(kept), *bounds)
    run.wait_for_line("8 of 8 readers streaming")
    run.children()
    faults = Faults(run, SEED)
    while "reads sent" not in run.output and run.process.poll() is None:
        faults.happen()
    run.children()
    code = run.end()
    log = (kept / "log" / "tagtrail.log").read_text(encoding="utf-8")
    told = re.search(r"Reads in the database: ([\d,]+), all of them", run.output)
    assert code == 0, f"{faults.done}\n{run.output}\n{log[-20_000:]}"
    assert told, run.output
    assert int(told[1].replace(",", "")) > 1000
    assert len(faults.done) >= 3
    summary = (kept / "truth" / "summary.json").read_text(encoding="utf-8")
    sent = {reader: count["reads_sent"] for reader, count in msgspec.json.decode(summary)["readers"].items()}
    assert min(sent.values()) > 0, sent
    with capsys.disabled():
        counted = ", ".join(f"{count} x {fault}" for fault, count in Counter(faults.done).items())
        print(f"\n{MINUTES:g} simulated minutes, {counted}\n{told[0]}\n{summary}")
