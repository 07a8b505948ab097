"""An agent that the simulator plays: batches as an edge publishes them, sent until the database has them. Pure."""

from collections import OrderedDict
from collections.abc import Collection
from typing import Final, NamedTuple

import numpy as np

from tagtrail.hardware.wire import (
    CLOCK_CORRECTED,
    CLOCK_UNKNOWN,
    LATEST_US,
    TIME_MIN_US,
    VERSION,
    AgentStatus,
    ReadBatch,
    ReaderStatus,
    decode_committed,
    decode_time_answer,
    encode,
    with_first,
)
from tagtrail.simulator.geometry import Ints
from tagtrail.simulator.live.course import Sightings
from tagtrail.simulator.live.faults import Fault, at_agent, clock_error_us

HEAR_S: Final = 2.0
"""How long batches wait for ingest's word about the time, real seconds; then they go as they are."""
CLOCK_LIMIT_US: Final = 1_000_000
"""A clock that is less wrong, in real time, is right."""
ASKED_MAX: Final = 100
"""Questions for the time that may still be answered."""


Regime = tuple[Fault, ...]
"""The faults that a clock has: while they are the same, one correction holds."""


class _Batch(NamedTuple):
    payload: bytes
    regime: Regime


class Clockwork(NamedTuple):
    """The times of a run.

    Attributes:
        start_us: Its start, on the store's clock.
        rate: How fast the store's clock goes.
    """

    start_us: int
    rate: float


class Agent:
    """One agent. ``time_us`` is the store's true time, ``now_s`` that of a steady real clock.

    Reads carry the time of the agent's own clock, which faults make wrong. Like an edge it asks ingest for the time
    with each status, and its batches say what to add to their times.

    Args:
        name: Its id.
        readers: Those that it serves.
        faults: All of the scenario.
        clockwork: The times of the run.
        boot: New for each run: ingest takes every batch of a boot once.
        batch_reads: Most reads in a batch.
        inflight: Most batches on the way.
        resend_s: Real time without a commit after which batches are sent again.

    Attributes:
        reads: All reads so far.
        published: Batches published so far, each as often as it was.
        committed_seq: All up to this batch are in the database.
    """

    def __init__(
        self,
        name: str,
        readers: Collection[str],
        *,
        faults: Collection[Fault],
        clockwork: Clockwork,
        boot: str,
        batch_reads: int = 500,
        inflight: int = 64,
        resend_s: float = 10.0,
    ) -> None:
        self.name = name
        self.counts = dict.fromkeys(readers, 0)
        self.published = self.committed_seq = 0
        self._faults = [fault for fault in faults if fault.kind in ("slow-clock", "wrong-clock")]
        self._clockwork, self._boot = clockwork, boot
        self._batch_reads, self._inflight, self._resend_s = batch_reads, inflight, resend_s
        self._seq = self._sent_seq = 0
        self._kept: OrderedDict[int, _Batch] = OrderedDict()
        self._moved_s = 0.0
        self._since_s: dict[Regime, float] = {}
        self._shifts_us: dict[Regime, int] = {}
        self._asked: dict[int, Regime] = {}

    @property
    def reads(self) -> int:
        """All so far."""
        return sum(self.counts.values())

    @property
    def waiting(self) -> int:
        """Batches that the database does not have yet."""
        return len(self._kept)

    def add(self, seen: Sightings, rows: Ints) -> None:
        """Take what its readers have seen: these rows of the sightings, in order of time."""
        for first in range(0, len(rows), self._batch_reads):
            part = rows[first : first + self._batch_reads]
            self._seq += 1
            last_us = int(seen.time_us[part[-1]])
            payload = encode(self._batch(seen, part, self._error_us(last_us)))
            self._kept[self._seq] = _Batch(payload, self._regime(last_us))

    def _batch(self, seen: Sightings, rows: Ints, error_us: int) -> ReadBatch:
        times_us = seen.time_us[rows]
        antennas = [seen.antennas[antenna] for antenna in seen.antenna[rows].tolist()]
        tags: dict[str, int] = {}
        readers: dict[str, int] = {}
        for name, _ in antennas:
            self.counts[name] += 1
        return ReadBatch(
            v=VERSION,
            agent=self.name,
            boot=self._boot,
            seq=self._seq,
            t0=int(times_us[0]) + error_us,
            tag=[tags.setdefault(seen.epc[row], len(tags)) for row in rows.tolist()],
            reader=[readers.setdefault(name, len(readers)) for name, _ in antennas],
            tags=list(tags),
            readers=list(readers),
            antenna=[port for _, port in antennas],
            dt=(times_us - times_us[0]).tolist(),
            rssi=np.round(seen.rssi_dbm[rows], 1).tolist(),
            count=[1] * len(rows),
        )

    def due(self, now_s: float) -> list[bytes]:
        """Batches to publish now: new ones, and old ones again where commits have stopped."""
        first = next(iter(self._kept), self._seq + 1)
        if self._sent_seq >= first and now_s - self._moved_s >= self._resend_s:
            self._sent_seq = first - 1
        going = []
        while self._sent_seq < min(self._seq, first - 1 + self._inflight):
            batch = self._kept[self._sent_seq + 1]
            told = not batch.regime or batch.regime in self._shifts_us
            if not told and now_s - self._since_s.setdefault(batch.regime, now_s) < HEAR_S:
                break  # its time will be known in a moment
            self._sent_seq += 1
            going.append(self._corrected(batch, first))
        if going:
            self._moved_s = now_s
            self.published += len(going)
        return going

    def again(self) -> None:
        """The connection is a new one: all that the database does not have is sent again."""
        self._sent_seq = next(iter(self._kept), self._seq + 1) - 1

    def _corrected(self, batch: _Batch, first: int) -> bytes:
        shift_us = self._shifts_us.get(batch.regime)
        if shift_us is not None and abs(shift_us) > CLOCK_LIMIT_US * self._clockwork.rate:
            return with_first(batch.payload, first, shift=shift_us, clock=CLOCK_CORRECTED)
        unknown = shift_us is None and bool(batch.regime)
        return with_first(batch.payload, first, clock=CLOCK_UNKNOWN if unknown else "")

    def received(self, kind: str, payload: bytes, now_s: float) -> None:
        """Ingest has said something: ``committed`` or ``time``.

        Raises:
            BadData: It makes no sense.
        """
        if kind == "time":
            answer = decode_time_answer(payload)
            if regime := self._asked.get(answer.run_us):  # a clock without a fault is right, however late the answer
                self._shifts_us[regime] = answer.time_us - answer.run_us
            return
        committed = decode_committed(payload)
        if committed.boot == self._boot and committed.seq > self.committed_seq:
            self.committed_seq, self._moved_s = committed.seq, now_s
            while self._kept and next(iter(self._kept)) <= committed.seq:
                self._kept.popitem(last=False)
            self._sent_seq = max(self._sent_seq, committed.seq)

    def wants_time(self, time_us: int) -> bool:
        """Whether the clock has become another since ingest was asked last."""
        return self._regime(time_us) not in self._asked.values()

    def status(self, state: str, time_us: int) -> bytes:
        """What it says of itself; with it, it asks for the time."""
        regime = self._regime(time_us)
        run_us = time_us + self._error_us(time_us)
        self._asked[run_us] = regime
        while len(self._asked) > ASKED_MAX:
            del self._asked[next(iter(self._asked))]
        shift_us = self._shifts_us.get(regime, 0)
        reader_state = "streaming" if state == "online" else "closed"
        return encode(
            AgentStatus(
                v=VERSION,
                agent=self.name,
                state=state,
                time_us=run_us + shift_us,
                boot=self._boot,
                seq=self._seq,
                spool_batches=len(self._kept),
                reads_total=self.reads,
                readers=[ReaderStatus(reader, reader_state, reads) for reader, reads in self.counts.items()],
                committed_seq=self.committed_seq,
                inflight=max(0, self._sent_seq - self.committed_seq),
                wall_us=run_us,
                run_us=run_us,
                clock_shift_us=shift_us,
            )
        )

    def _regime(self, time_us: int) -> Regime:
        return tuple(at_agent(self._faults, self.name, (time_us - self._clockwork.start_us) / 1e6))

    def _error_us(self, time_us: int) -> int:
        """A machine whose clock has stopped altogether starts in 2000."""
        error_us = clock_error_us(self._faults, self.name, (time_us - self._clockwork.start_us) / 1e6)
        return max(TIME_MIN_US - self._clockwork.start_us, min(error_us, LATEST_US - self._clockwork.start_us))
