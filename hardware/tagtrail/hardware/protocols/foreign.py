"""Tells the bytes of another reader family, or of another baud rate, from a line that is silent or merely noisy."""

from typing import Final

from tagtrail.hardware.protocols.framing import Framer

FOREIGN_S: Final = 10.0
"""A reader that obeys no commands and sends bytes for so long, but no good frame, is of another family."""
_SIZE_MIN: Final = 16
"""Bytes; fewer are the noise of plugging in."""
_SHARE: Final = 0.9
"""Of the bytes in no good frame; not all, since a short checksum is right by chance now and then."""


class Foreign:
    """What has arrived since the port was opened, or the reader started again."""

    def __init__(self, framer: Framer) -> None:
        self._framer = framer
        self._in = self._dropped = 0
        self._since_s: float | None = None

    def begin(self) -> None:
        """Forget what came before."""
        counters = self._framer.counters
        self._in, self._dropped = counters.bytes_in, counters.bytes_dropped
        self._since_s = None

    @property
    def suspected(self) -> bool:
        """Bytes arrive, and next to none is in a good frame."""
        counters = self._framer.counters
        arrived = counters.bytes_in - self._in
        dropped = counters.bytes_dropped - self._dropped + self._framer.buffered
        return arrived >= _SIZE_MIN and dropped >= _SHARE * arrived

    def certain(self, now_s: float) -> bool:
        """Whether that has been so for long; to be asked again and again."""
        if not self.suspected:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        return self._since_s is not None and now_s - self._since_s >= FOREIGN_S

    def due_s(self) -> float:
        """When `certain` should be asked again if no byte comes."""
        return float("inf") if self._since_s is None else self._since_s + FOREIGN_S


def foreign_line(family: str) -> str:
    """The remedy."""
    return f"bytes arrive but none is a frame of {family}: wrong protocol or wrong baud rate in the store file?"
