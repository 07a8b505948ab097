"""From reads to batches: merge what one antenna repeats, then gather. Pure: times come from outside."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from tagtrail.hardware.reads import TagRead

COUNT_MAX: Final = 32_767
"""Most reads that one merged read of the wire format stands for."""

BATCH_SPAN_MAX_US: Final = 3600 * 1_000_000
"""A batch is cut where the machine's clock was set, so that it never spans more than the wire format lets it."""


class Window:
    """Merges reads of the same reader, antenna and tag within ``window_s`` after the first of them.

    A merged read has the first one's time, the strongest signal, and the sum of the counts. Reads come out when their
    window closes, in the order in which they came in.
    """

    def __init__(self, window_s: float) -> None:
        self._window_us = round(window_s * 1e6)
        self._open: OrderedDict[tuple[str, int, str], TagRead] = OrderedDict()

    def add(self, reads: Iterable[TagRead]) -> list[TagRead]:
        """Take reads; returns those that a later read of the same tag has closed."""
        if self._window_us <= 0:
            return list(reads)
        closed: list[TagRead] = []
        for read in reads:
            closed += self._pop_while(self._over, read.time_us)
            key = (read.reader, read.antenna, read.epc)
            earlier = self._open.get(key)
            if earlier is None:
                self._open[key] = read
            elif not self._outside(read.time_us, earlier) and earlier.count + read.count <= COUNT_MAX:
                self._open[key] = _merged(earlier, read)
            else:
                # Out and in again, so that the dict stays in order of first reads.
                closed.append(self._open.pop(key))
                self._open[key] = read
        return closed

    def due(self, now_us: int) -> list[TagRead]:
        """The reads whose window is over at ``now_us``."""
        return self._pop_while(self._outside, now_us)

    def due_us(self) -> int | None:
        """When the next window is over; None while none is open."""
        first = next(iter(self._open.values()), None)
        return None if first is None else first.time_us + self._window_us

    def flush(self) -> list[TagRead]:
        """All reads that are still open."""
        closed = list(self._open.values())
        self._open.clear()
        return closed

    def _pop_while(self, over: Callable[[int, TagRead], bool], time_us: int) -> list[TagRead]:
        """Take reads out, oldest first, up to the first that is not over."""
        closed = []
        while self._open and over(time_us, next(iter(self._open.values()))):
            closed.append(self._open.popitem(last=False)[1])
        return closed

    def _over(self, time_us: int, first: TagRead) -> bool:
        return first.time_us + self._window_us <= time_us

    def _outside(self, time_us: int, first: TagRead) -> bool:
        # A time before the first read means that the clock was set back: that window is over too.
        return time_us < first.time_us or self._over(time_us, first)


def _merged(first: TagRead, later: TagRead) -> TagRead:
    strengths_dbm = [rssi_dbm for rssi_dbm in (first.rssi_dbm, later.rssi_dbm) if rssi_dbm is not None]
    rssi_dbm = max(strengths_dbm, default=None)
    return TagRead(first.time_us, first.reader, first.antenna, first.epc, rssi_dbm, first.count + later.count)


class Batcher:
    """Gathers reads until a batch is full or its oldest read has waited long enough.

    Args:
        batch_reads: Most reads in a batch.
        batch_s: Longest wait of a read, in real time.
        held_max: Most reads in memory. More are refused: it takes a disk that stays full to get there.
    """

    def __init__(self, batch_reads: int, batch_s: float, held_max: int) -> None:
        self._batch_reads = batch_reads
        self._batch_s = batch_s
        self._held_max = held_max
        self._held: deque[tuple[float, TagRead]] = deque()
        self.refused: Counter[str] = Counter()
        """Reads (before merging) that there was no room for, since the start, by reader."""

    def add(self, reads: list[TagRead], now_s: float) -> None:
        """Take reads at ``now_s`` (monotonic)."""
        room = self._held_max - len(self._held)
        self._held.extend((now_s, read) for read in reads[:room])
        for read in reads[room:]:
            self.refused[read.reader] += read.count

    def due_s(self) -> float:
        """When the next batch should be written: long ago if one is full, never (infinite) if there are no reads."""
        if len(self._held) >= self._batch_reads:
            return 0.0
        return self._held[0][0] + self._batch_s if self._held else float("inf")

    def __len__(self) -> int:
        return len(self._held)

    def peek(self) -> list[TagRead]:
        """The next batch, full or not. It stays held until `drop`, so that a failed write loses nothing."""
        batch: list[TagRead] = []
        low = high = self._held[0][1].time_us if self._held else 0
        for _, read in islice(self._held, self._batch_reads):
            low, high = min(low, read.time_us), max(high, read.time_us)
            if high - low > BATCH_SPAN_MAX_US:
                break
            batch.append(read)
        return batch

    def drop(self, count: int) -> None:
        """Forget the oldest ``count`` reads: they are safe."""
        for _ in range(count):
            self._held.popleft()
