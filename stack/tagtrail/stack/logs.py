"""One way of logging for all commands."""

import logging
import os
import sys
from pathlib import Path
from typing import Final

SUPERVISED: Final = "TAGTRAIL_SUPERVISED"
"""Set in the environment of children whose lines the supervisor stamps and prefixes."""


def set_up(level: str) -> None:
    """Log to standard error; a supervised process leaves time and name to its supervisor."""
    stamped = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    text = "%(levelname)s %(message)s" if os.environ.get(SUPERVISED) else stamped
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format=text)
    for chatty in ("transitions", "asyncio", "passlib"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class LogFile:
    """A file for lines that keeps its newest part: a full one becomes ``….old``, in place of the one before."""

    SIZE_MAX: Final = 20_000_000

    def __init__(self, path: Path) -> None:
        """Append to ``path``."""
        self.path = path
        self._file = path.open("a", encoding="utf-8")

    def write(self, text: str) -> None:
        """Append text; raises OSError where the disk is full."""
        if self._file.tell() > self.SIZE_MAX:
            self._file.close()
            self.path.replace(self.path.with_suffix(".old"))
            self._file = self.path.open("a", encoding="utf-8")
        self._file.write(text)

    def flush(self) -> None:
        """Let others see what was written."""
        self._file.flush()

    def tail(self, lines: int) -> str:
        """The newest lines."""
        with self.path.open(encoding="utf-8", errors="replace") as file:
            file.seek(max(0, self.path.stat().st_size - 400 * lines))
            return "\n".join(file.read().splitlines()[-lines:])

    def close(self) -> None:
        """Done."""
        self._file.close()
