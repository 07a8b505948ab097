"""A process that is killed and started again."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tagtrail.stack import process

CRASH_S: Final = 5.0
"""A server that was just killed may not start at once: its old children must go first."""


def environment() -> dict[str, str]:
    """For child processes: ours, less what sets services up, and with these modules importable."""
    path = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TAGTRAIL_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(path)}


class Worker:
    """One service. Its log is kept over all its lives.

    Args:
        name: For messages, and of the log file.
        argv: The command.
        log: The log file.
        env: Added to `environment`.
        user: Operating system user; None for ours.
        stop_signal: Ends it in order.
        retries: Whether it may fail to start after a kill.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        retries: bool = False,
    ) -> None:
        self.name = name
        self.argv = argv
        self.killed = 0
        self._log = log
        self._env = {**environment(), **(env or {})}
        self._user = user
        self._stop_signal = stop_signal
        self._retries = retries
        self._child: subprocess.Popen[bytes] | None = None
        self._again_s = 0.0
        self._begin = 0
        self._started_s = 0.0

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def log(self) -> str:
        """All that it has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def said(self) -> str:
        """What it has said in this life."""
        return self.log[self._begin :]

    def start(self) -> None:
        """Start it."""
        self._started_s = time.monotonic()
        self._begin = len(self.log)
        with self._log.open("ab") as log:
            self._child = process.start(
                self.argv, env=self._env, user=self._user, death_signal=signal.SIGKILL, stdout=log.fileno()
            )

    def kill(self, pause_s: float = 0.0) -> None:
        """Kill -9; `look_after` starts it again after ``pause_s``."""
        if self.up:
            assert self._child is not None
            self._child.kill()
            self._child.wait()
            self.killed += 1
            self._begin = len(self.log)
        self._child = None
        self._again_s = time.monotonic() + pause_s

    def stop(self, limit_s: float = 30.0) -> int:
        """End it in order; returns its exit code, that of a kill where it takes longer."""
        assert self._child is not None, f"{self.name} does not run"
        code = process.stop(self._child, self._stop_signal, limit_s)
        self._child, self._again_s = None, float("inf")
        return code

    def look_after(self) -> None:
        """Start it again if that is due; fails where it ended although nobody killed it."""
        now_s = time.monotonic()
        if self._child is None:
            if now_s >= self._again_s:
                self.start()
            return
        code = self._child.poll()
        if code is None:
            return
        if self._retries and code > 0 and now_s - self._started_s < CRASH_S:
            self._child, self._again_s = None, now_s + 0.2
            return
        raise AssertionError(f"{self.name} ended by itself with {code}:\n{self.log[-3000:]}")
