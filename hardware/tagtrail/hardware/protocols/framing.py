"""Finds frames in a stream of bytes; a reader family only says what a frame looks like.

A false start costs one byte and the scan goes on behind it, so a good frame is never lost to the noise before it. How
the bytes are cut into chunks does not matter.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tagtrail.hardware.protocols.interface import Counters

MORE: Final = 0
NOT_A_FRAME: Final = -1
BAD_CHECKSUM: Final = -2

Look = Callable[[bytes, int], int]
"""``look(data, start)``: the size of the whole, good frame that begins at ``start``; `MORE` if one may begin there and
its rest has not come; `NOT_A_FRAME` if none can; `BAD_CHECKSUM` if one would, were it not for its check. It must decide
with a bounded number of bytes, never raise, and answer `MORE` only as long as what it waits for is short of that
bound."""


class Framer:
    """Cuts a stream into frames.

    Attributes:
        counters: Bytes and frames seen; always bytes_in = bytes of good frames + bytes_dropped + buffered.
    """

    def __init__(self, look: Look, counters: Counters, *, start: int | None = None) -> None:
        """``start`` is the byte that every frame begins with, where the family has one: noise is skipped faster."""
        self.counters = counters
        self._look = look
        self._start = start
        self._rest = b""
        self._in_step = True

    @property
    def buffered(self) -> int:
        """Bytes that may be the beginning of a frame."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes that arrived; returns the whole frames that they complete, in order."""
        self.counters.bytes_in += len(data)
        return self._scan(self._rest + data if self._rest else bytes(data), final=False)

    def flush(self) -> list[bytes]:
        """Give up waiting for the rest of a frame; returns good frames that hid behind its false start.

        Call it when the line has been quiet for far longer than a frame takes.
        """
        return self._scan(self._rest, final=True)

    def discard(self) -> None:
        """Drop what is buffered: the next byte belongs to another connection."""
        self.counters.bytes_dropped += len(self._rest)
        self._rest = b""

    def _scan(self, data: bytes, *, final: bool) -> list[bytes]:
        frames: list[bytes] = []
        counters, look, start = self.counters, self._look, self._start
        size = len(data)
        position = dropped = 0
        while position < size:
            if start is not None and data[position] != start:
                found = data.find(start, position)
                end = size if found < 0 else found
                dropped += self._out_of_step(end - position)
                position = end
                continue
            length = look(data, position)
            if length > 0:
                frames.append(data[position : position + length])
                self._in_step = True
                position += length
                continue
            if length == MORE and not final:
                break
            if length == BAD_CHECKSUM:
                counters.checksum_errors += 1
            dropped += self._out_of_step(1)
            position += 1
        self._rest = data[position:]
        counters.bytes_dropped += dropped
        counters.frames += len(frames)
        return frames

    def _out_of_step(self, count: int) -> int:
        if self._in_step:
            self._in_step = False
            self.counters.resyncs += 1
        return count


def cut(framer: Framer, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """All frames of a stream that ends."""
    for chunk in chunks:
        yield from framer.feed(chunk)
    yield from framer.flush()
