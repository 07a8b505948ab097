"""Runs services as child processes: one log with prefixes, restart with back-off, an orderly end.

A service that ends although nobody asked is started again, after 0.5 s at first and 30 s at most. One that gives up
(exit code 2: a person must change something) is not; it ends the whole stack, with the reason that it printed last.
"""

import logging
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Final

from tagtrail.hardware.errors import GiveUp
from tagtrail.stack import process
from tagtrail.stack.cli import EXIT_GAVE_UP
from tagtrail.stack.logs import SUPERVISED, LogFile

logger = logging.getLogger("tagtrail.stack")

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_MAX_S: Final = 30.0
STABLE_S: Final = 60.0
"""After so long without a fall, a service is forgiven, and its back-off starts again."""


@dataclass(frozen=True)
class Service:
    """One child process.

    Attributes:
        name: Prefix of its log lines.
        argv: Command.
        env: Added to our environment.
        user: Operating system user; None for ours.
        stop_signal: What ends it cleanly.
        stop_grace_s: How long it may take to end.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = process.STOP_GRACE_S


class _Child:
    """A service that runs, or is about to run again."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.process: subprocess.Popen[bytes] | None = None
        self.started_s = 0.0
        self.restart_at_s = 0.0
        self.backoff_s = BACKOFF_FIRST_S
        self.restarts = 0
        self.last_lines: deque[str] = deque(maxlen=20)
        self.pump: threading.Thread | None = None

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Owns the children. Call it from the main thread only: on Linux children die with the thread that started them."""

    def __init__(self, *sinks: IO[str] | LogFile) -> None:
        """Write every line of every child to all ``sinks``."""
        self._children: dict[str, _Child] = {}
        self._sinks = sinks
        self._lock = threading.Lock()

    def start(self, service: Service) -> None:
        """Start a service; it comes last when all are stopped."""
        child = _Child(service)
        self._children[service.name] = child
        self._spawn(child)

    def check(self) -> None:
        """Look after the children; call it a few times a second.

        Raises:
            GiveUp: One of them gave up, with what it said.
        """
        now_s = time.monotonic()
        for child in self._children.values():
            if child.process is None:
                if now_s >= child.restart_at_s:
                    self._spawn(child)
                continue
            code = child.process.poll()
            if code is None:
                if now_s - child.started_s > STABLE_S:
                    child.backoff_s = BACKOFF_FIRST_S
                continue
            self._fell(child, code, now_s)

    def running(self, name: str) -> bool:
        """Whether this service runs just now."""
        return self._children[name].running()

    def restarts(self, name: str) -> int:
        """How often it was started again."""
        return self._children[name].restarts

    def pid(self, name: str) -> int | None:
        """Process id of a running service."""
        child = self._children[name].process
        return None if child is None else child.pid

    def last_lines(self, name: str) -> list[str]:
        """What it said last."""
        return list(self._children[name].last_lines)

    def stop(self, name: str) -> None:
        """Stop one service and forget it."""
        child = self._children.pop(name)
        if child.process is not None:
            process.stop(child.process, child.service.stop_signal, child.service.stop_grace_s)
        if child.pump is not None:
            child.pump.join(timeout=2.0)

    def stop_all(self) -> None:
        """Stop all, the last started first."""
        for name in reversed(list(self._children)):
            self.stop(name)

    def _spawn(self, child: _Child) -> None:
        service = child.service
        environment = {**os.environ, SUPERVISED: "1", "PYTHONUNBUFFERED": "1", **service.env}
        child.process = process.start(
            service.argv, env=environment, user=service.user, death_signal=service.stop_signal
        )
        child.started_s = time.monotonic()
        assert child.process.stdout is not None
        child.pump = threading.Thread(
            target=self._pump, args=(child, child.process.stdout), name=f"log-{service.name}", daemon=True
        )
        child.pump.start()

    def _fell(self, child: _Child, code: int, now_s: float) -> None:
        if child.pump is not None:
            child.pump.join(timeout=2.0)
        name = child.service.name
        if code == EXIT_GAVE_UP:
            said = child.last_lines[-1] if child.last_lines else "it did not say why"
            raise GiveUp(f"{name} gave up: {said}")
        how = f"killed by {_signal_name(-code)}" if code < 0 else f"ended with {code}"
        self._write(name, f"-- {how}, starting again in {child.backoff_s:g} s")
        logger.warning("%s %s, starting it again in %g s", name, how, child.backoff_s)
        child.process = None
        child.restarts += 1
        child.restart_at_s = now_s + child.backoff_s
        child.backoff_s = min(child.backoff_s * 2, BACKOFF_MAX_S)

    def _pump(self, child: _Child, stream: IO[bytes]) -> None:
        with stream:
            for raw in stream:
                line = raw.decode(errors="replace").rstrip()
                child.last_lines.append(line)
                self._write(child.service.name, line)

    def _write(self, name: str, line: str) -> None:
        stamp = time.strftime("%H:%M:%S")
        with self._lock:
            for sink in self._sinks:
                # A full disk or a closed terminal must not end the reading: a child stops when nobody takes its lines.
                with suppress(OSError, ValueError):
                    sink.write(f"{stamp} {name:<9} | {line}\n")
                    sink.flush()


def _signal_name(number: int) -> str:
    """Most real-time signals have no name in Python."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
