"""The demo as a person runs it: a process, its output, its children."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tagtrail.stack.postgres import free_port


class Demo:
    """A running ``tagtrail demo``."""

    def __init__(self, arguments: list[str], scratch: Path) -> None:
        scratch.mkdir(mode=0o711, exist_ok=True)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("TAGTRAIL_")}
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tagtrail.stack", "demo", "--port", str(self.port), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**clean, "TMPDIR": str(scratch)},
        )  # fmt: skip
        self.scratch = scratch
        self._lines: list[str] = []
        self._pump = threading.Thread(target=self._read, daemon=True)
        self._pump.start()
        self._seen: dict[int, psutil.Process] = {}

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def child(self, command: str) -> psutil.Process:
        """The process of one service, e.g. ``ingest``."""
        for process in self.children():
            arguments = process.cmdline()
            if "tagtrail.stack" in arguments and command in arguments:
                return process
        raise AssertionError(f"no child runs {command}")

    def children(self) -> list[psutil.Process]:
        found = psutil.Process(self.process.pid).children(recursive=True)
        self._seen.update({process.pid: process for process in found})
        return found

    def wait_for(self, condition: Callable[[], bool], limit_s: float = 120.0) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def wait_for_line(self, pattern: str, limit_s: float = 120.0) -> str:
        self.wait_for(lambda: re.search(pattern, self.output) is not None, limit_s)
        match = re.search(pattern, self.output)
        assert match is not None
        return match[0]

    def end(self, limit_s: float = 240.0) -> int:
        """Wait until it ends by itself; then nothing may be left behind."""
        code = self.process.wait(limit_s)
        self._pump.join(10)
        self.assert_nothing_left()
        return code

    def interrupt(self) -> int:
        """Ctrl-C."""
        self.children()
        self.process.send_signal(signal.SIGINT)
        return self.end(60.0)

    def assert_nothing_left(self) -> None:
        _, alive = psutil.wait_procs(list(self._seen.values()), timeout=10)
        assert not alive, [process.cmdline() for process in alive]
        assert not list(self.scratch.glob("tagtrail-*"))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            self._lines.extend(iter(self.process.stdout.readline, ""))


@pytest.fixture
def demo(server_path: Path) -> Iterator[Callable[..., Demo]]:
    """Starts demos; what is still running at the end of the test is killed."""
    started: list[Demo] = []

    def start(*arguments: str) -> Demo:
        started.append(Demo(list(arguments), server_path / "scratch"))
        return started[-1]

    yield start
    for one in started:
        one.kill()
