"""What a person sees while the stack starts."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """One line per step: a name while it runs, what came of it when it is done."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Write to ``stream``, standard output if not given; a line is only redrawn on a terminal."""
        self._stream = stream or sys.stdout
        self._redraw = self._stream.isatty()
        self._step: tuple[str, float] | None = None

    def say(self, text: str = "") -> None:
        """A line of its own."""
        print(text, file=self._stream, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator["Step"]:
        """A step; what it became is set through the yielded `Step`."""
        started_s = time.monotonic()
        if self._redraw:
            print(f"  …  {name}", end="\r", file=self._stream, flush=True)
        step = Step(self, name)
        try:
            yield step
        except BaseException:
            print(f"  ✗  {name:<12}{step.result}", file=self._stream, flush=True)
            raise
        print(f"  ✓  {name:<12}{step.result:<58}{time.monotonic() - started_s:5.1f} s", file=self._stream, flush=True)

    def update(self, text: str) -> None:
        """A line that the next one replaces; on something that is no terminal, a line of its own."""
        if self._redraw:
            print(f"\x1b[2K  …  {text}", end="\r", file=self._stream, flush=True)
        else:
            print(f"  …  {text}", file=self._stream, flush=True)


class Step:
    """A step of the progress."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self.result = ""

    def update(self, text: str) -> None:
        """How far it is."""
        self._progress.update(f"{self._name:<12}{text}")
