"""MQTT topics and messages: what crosses the network between edge and ingest.

A batch of reads is UTF-8 JSON, columnar, with a dictionary of tags: 26 bytes a read, and legible in a terminal.
Times are integer microseconds UTC (``t0`` + ``dt``), signal strengths dBm with one decimal or null.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.reads import EPC_PATTERN, RSSI_MAX_DBM, RSSI_MIN_DBM, TagRead, are_epcs

VERSION: Final = 1
PREFIX: Final = "tagtrail/v1"

TIME_MIN_US: Final = 946_684_800_000_000  # 2000-01-01: readers without a clock battery start there, so it is let in
TIME_MAX_US: Final = 4_102_444_800_000_000  # 2100-01-01
PLAUSIBLE_US: Final = 1_735_689_600_000_000
"""2025-01-01: this program is younger, so a clock that shows less has not been set."""
LATEST_US: Final = TIME_MAX_US - 366 * 86_400 * 1_000_000
"""A clock that shows more than this is not right either: a year before the end of the times that ingest takes."""
SPAN_MAX_US: Final = 24 * 3600 * 1_000_000
"""A batch covers seconds; one that claims more than a day would touch partitions without end."""
READS_MAX: Final = 100_000
"""Reads in one batch; larger messages are a mistake or an attack."""
ANTENNA_MAX: Final = 255
COUNT_MAX: Final = 32_767


class Topic(NamedTuple):
    """``tagtrail/v1/{store}/{agent}/{kind}``."""

    store: str
    agent: str
    kind: str


def reads_topic(store: str, agent: str) -> str:
    """Where an agent publishes its batches."""
    return f"{PREFIX}/{store}/{agent}/reads"


def status_topic(store: str, agent: str) -> str:
    """Where an agent keeps its retained status, and its last will."""
    return f"{PREFIX}/{store}/{agent}/status"


def committed_topic(store: str, agent: str) -> str:
    """Where ingest says, retained, up to which batch the database has committed."""
    return f"{PREFIX}/{store}/{agent}/committed"


def time_topic(store: str, agent: str) -> str:
    """Where ingest answers an agent's question for the time."""
    return f"{PREFIX}/{store}/{agent}/time"


def parse_topic(topic: str) -> Topic:
    """Split a topic of ours.

    Raises:
        BadData: ``topic``; it is not of the form ``tagtrail/v1/{store}/{agent}/{kind}``.
    """
    parts = topic.split("/")
    if len(parts) != 5 or parts[:2] != PREFIX.split("/") or not all(parts):
        raise BadData("topic", f"topic {topic!r} is not {PREFIX}/STORE/AGENT/KIND")
    return Topic(*parts[2:])


class ReadBatch(msgspec.Struct, frozen=True, omit_defaults=True):
    """A batch of reads as it goes over the wire; column ``i`` of each list describes read ``i``.

    Attributes:
        v: Version of this format.
        agent: Id of the edge agent.
        boot: New each time the agent's spool is created, so that ``seq`` may start again.
        seq: Counts up by one per batch, from 1.
        t0: Base time, microseconds UTC.
        tags: Dictionary of EPCs (upper-case hex).
        readers: Dictionary of reader ids.
        tag: Index into ``tags`` per read.
        reader: Index into ``readers`` per read.
        antenna: Antenna port per read.
        dt: Microseconds after ``t0`` per read.
        rssi: dBm per read, or null.
        count: Reads merged into each.
        first: Oldest ``seq`` that the agent still keeps. All before it has been confirmed to the agent, so ingest may
            count the committed batches of an unknown ``boot`` from here (its database may be younger than the agent).
        shift: Microseconds to add to each time: what the agent has learned of its clock since it stamped the reads.
        clock: How far the times can be trusted after that, see `CLOCK_UNKNOWN`.
    """

    v: int
    agent: str
    boot: str
    seq: int
    t0: int
    tags: list[str]
    readers: list[str]
    tag: list[int]
    reader: list[int]
    antenna: list[int]
    dt: list[int]
    rssi: list[float | None]
    count: list[int]
    first: int = 1
    shift: int = 0
    clock: str = ""


CLOCK_CORRECTED: Final = "corrected"
"""The clock was wrong by a known amount, which is in ``shift``."""
CLOCK_UNKNOWN: Final = "unknown"
"""The clock was wrong, nobody knows by how much: the times of a batch are right only among themselves."""


class BatchHeader(msgspec.Struct, frozen=True):
    """Who sent which batch: readable even where the rest of a batch is not."""

    agent: str
    boot: str
    seq: int
    first: int = 1


class Committed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Ingest to edge: the database has every batch of ``boot`` up to and including ``seq``.

    ``beyond`` are ranges (first and last seq) of later ones that it has just taken; those it took before are not
    repeated, so this frees nothing: it only tells the agent what it need not wait for.
    """

    boot: str
    seq: int
    beyond: list[tuple[int, int]] = []


class TimeAnswer(msgspec.Struct, frozen=True):
    """Ingest to edge, not retained: when it got the status with this ``run_us``, its clock showed ``time_us``."""

    run_us: int
    time_us: int


class ReaderStatus(msgspec.Struct, frozen=True):
    """Health of one reader, counters since the agent started.

    ``port`` is the name in the store file, ``rejected_by`` counts what is ``rejected`` under its reason, and
    ``reads_refused`` is this reader's part of that of the agent.
    """

    reader: str
    state: str
    reads: int = 0
    frames: int = 0
    keepalives: int = 0
    bytes_dropped: int = 0
    checksum_errors: int = 0
    resyncs: int = 0
    rejected: int = 0
    reconnects: int = 0
    temperature_c: float | None = None
    error: str | None = None
    port: str = ""
    bytes_in: int = 0
    timeouts: int = 0
    rejected_by: dict[str, int] = {}
    reads_refused: int = 0


class AgentStatus(msgspec.Struct, frozen=True):
    """Edge to everybody, retained. ``state`` is ``online``, ``stopped`` (clean) or ``offline`` (last will).

    ``reads_refused`` counts reads that neither the disk nor the memory had room for; ``error`` says why just now.
    ``inflight`` batches are published and not committed; all of ``boot`` up to ``committed_seq`` are in the database.

    ``time_us`` is the agent's best knowledge, ``wall_us`` what the clock of its machine shows (0: not told), ``run_us``
    the steady clock that it stamps reads with (0: it wants no answer). ``clock_shift_us`` and ``clock`` are what a
    batch that is stamped now would say.
    """

    v: int
    agent: str
    state: str
    time_us: int
    boot: str = ""
    seq: int = 0
    spool_batches: int = 0
    spool_reads: int = 0
    reads_total: int = 0
    reads_refused: int = 0
    error: str | None = None
    readers: list[ReaderStatus] = []
    committed_seq: int = 0
    inflight: int = 0
    wall_us: int = 0
    run_us: int = 0
    clock_shift_us: int = 0
    clock: str = ""


_batch_decoder: Final = msgspec.json.Decoder(ReadBatch)
_header_decoder: Final = msgspec.json.Decoder(BatchHeader)
_committed_decoder: Final = msgspec.json.Decoder(Committed)
_status_decoder: Final = msgspec.json.Decoder(AgentStatus)
_time_decoder: Final = msgspec.json.Decoder(TimeAnswer)
_encoder: Final = msgspec.json.Encoder()


def pack_reads(reads: Sequence[TagRead], *, agent: str, boot: str, seq: int) -> ReadBatch:
    """Turn reads into the columns of a batch, keeping their order.

    Raises:
        ValueError: There are no reads; an empty batch would only cost a sequence number.
    """
    if not reads:
        raise ValueError("a batch needs at least one read")
    t0 = min(read.time_us for read in reads)
    tags: dict[str, int] = {}
    readers: dict[str, int] = {}
    return ReadBatch(
        v=VERSION,
        agent=agent,
        boot=boot,
        seq=seq,
        t0=t0,
        tag=[tags.setdefault(read.epc, len(tags)) for read in reads],
        reader=[readers.setdefault(read.reader, len(readers)) for read in reads],
        tags=list(tags),
        readers=list(readers),
        antenna=[read.antenna for read in reads],
        dt=[read.time_us - t0 for read in reads],
        rssi=[None if read.rssi_dbm is None else round(read.rssi_dbm, 1) for read in reads],
        count=[read.count for read in reads],
    )


def unpack_reads(batch: ReadBatch) -> list[TagRead]:
    """The reads of a checked batch, in order: the inverse of `pack_reads`."""
    return [
        TagRead(batch.t0 + dt, batch.readers[reader], antenna, batch.tags[tag], rssi, count)
        for tag, reader, antenna, dt, rssi, count in zip(
            batch.tag, batch.reader, batch.antenna, batch.dt, batch.rssi, batch.count, strict=True
        )
    ]


def encode(message: ReadBatch | Committed | AgentStatus | TimeAnswer) -> bytes:
    """A message as UTF-8 JSON."""
    return _encoder.encode(message)


def with_first(payload: bytes, first: int, *, shift: int = 0, clock: str = "") -> bytes:
    """An encoded batch with its ``first``, ``shift`` and ``clock`` set; spooled bytes need not be decoded to be sent.

    JSON readers take the last of two equal keys, so a value that was encoded is replaced.
    """
    tail = b',"first":%d' % first
    if shift or clock:
        tail += b',"shift":%d,"clock":"%s"' % (shift, clock.encode())
    return payload[:-1] + tail + b"}"


def decode_header(payload: bytes) -> BatchHeader | None:
    """Who sent this batch and which it is, also where `decode_batch` refuses it; None where even that is unreadable."""
    try:
        header = _header_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return header if header.seq >= 1 and header.agent and header.boot else None


def decode_batch(payload: bytes) -> ReadBatch:
    """Read and check a batch: all that a database or an index could choke on later is refused here.

    Raises:
        BadData: See `parse_batch` and `check_batch`.
    """
    batch = parse_batch(payload)
    check_batch(batch)
    return batch


def parse_batch(payload: bytes) -> ReadBatch:
    """Read a batch without looking at its values.

    Raises:
        BadData: ``not-json`` or ``wrong-shape``.
    """
    try:
        return _batch_decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise BadData("wrong-shape", f"batch of the wrong shape: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadData("not-json", f"batch is not JSON: {error}") from None


def check_batch(batch: ReadBatch) -> None:
    """Refuse a batch whose values cannot be.

    Raises:
        BadData: with one of the reasons ``version``, ``unequal-columns``, ``too-large``, ``bad-header``, ``bad-index``,
            ``bad-epc``, ``bad-antenna``, ``bad-count``, ``bad-rssi``, ``bad-time``.
    """
    columns = (batch.tag, batch.reader, batch.antenna, batch.dt, batch.rssi, batch.count)
    check_frame(batch.v, batch.agent, batch.boot, batch.seq, batch.first, [len(column) for column in columns])
    _check_indexes("tag", batch.tag, len(batch.tags))
    _check_indexes("reader", batch.reader, len(batch.readers))
    if not are_epcs(batch.tags):
        wrong = next(epc for epc in batch.tags if not EPC_PATTERN.fullmatch(epc))
        raise BadData("bad-epc", f"tag {wrong!r} is not 4 to 128 upper-case hex digits")
    if min(batch.antenna) < 1 or max(batch.antenna) > ANTENNA_MAX:
        raise BadData(
            "bad-antenna", f"antenna {min(batch.antenna)} to {max(batch.antenna)}, 1 to {ANTENNA_MAX} allowed"
        )
    if min(batch.count) < 1 or max(batch.count) > COUNT_MAX:
        raise BadData("bad-count", f"count {min(batch.count)} to {max(batch.count)}, 1 to {COUNT_MAX} allowed")
    for rssi in batch.rssi:
        if rssi is not None and not RSSI_MIN_DBM <= rssi <= RSSI_MAX_DBM:
            raise BadData("bad-rssi", f"signal strength of {rssi} dBm")
    zero = batch.t0 + batch.shift
    check_times(zero + min(batch.dt), zero + max(batch.dt), batch.shift)


def check_frame(v: int, agent: str, boot: str, seq: int, first: int, sizes: Sequence[int]) -> None:
    """What `check_batch` does without a look at the columns' values, of which ``sizes`` tells how many there are."""
    if v != VERSION:
        raise BadData("version", f"batch of version {v}, this ingest reads {VERSION}")
    if seq < 1 or seq >= 2**63 or not agent or not boot or first < 1:
        raise BadData("bad-header", f"batch of agent {agent!r}, boot {boot!r}, seq {seq}")
    reads = sizes[0]
    if sizes.count(reads) != len(sizes):
        raise BadData("unequal-columns", f"columns of {[*sizes]} values")
    if not 0 < reads <= READS_MAX:
        raise BadData("too-large" if reads else "unequal-columns", f"batch of {reads} reads, 1 to {READS_MAX} allowed")


def _check_indexes(name: str, indexes: list[int], size: int) -> None:
    if min(indexes) < 0 or max(indexes) >= size:
        raise BadData("bad-index", f"{name} {min(indexes)} to {max(indexes)} of a dictionary of {size}")


def check_times(first_us: int, last_us: int, shift: int) -> None:
    """What `check_batch` does about the earliest and the latest time, ``shift`` added."""
    if first_us < TIME_MIN_US or last_us > TIME_MAX_US or abs(shift) > TIME_MAX_US:
        raise BadData("bad-time", f"reads at {first_us} to {last_us} µs, years 2000 to 2100 allowed")
    if last_us - first_us > SPAN_MAX_US:
        raise BadData("bad-time", f"batch spans {(last_us - first_us) / 3.6e9:.1f} h, 24 h allowed")


def decode_committed(payload: bytes) -> Committed:
    """Read what ingest says.

    Raises:
        BadData: ``wrong-shape``.
    """
    try:
        return _committed_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadData("wrong-shape", f"unreadable commit message: {error}") from None


def decode_time_answer(payload: bytes) -> TimeAnswer:
    """Read what time it is at ingest.

    Raises:
        BadData: ``wrong-shape``.
    """
    try:
        return _time_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadData("wrong-shape", f"unreadable time: {error}") from None


def decode_status(payload: bytes) -> AgentStatus:
    """Read an agent's status.

    Raises:
        BadData: ``wrong-shape``.
    """
    try:
        return _status_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadData("wrong-shape", f"unreadable agent status: {error}") from None
