"""What an MQTT message is: a batch of reads, an agent's status, or something that nobody can read. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.store import ID_PATTERN
from tagtrail.hardware.wire import (
    READS_MAX,
    TIME_MAX_US,
    TIME_MIN_US,
    VERSION,
    AgentStatus,
    BatchHeader,
    Topic,
    check_batch,
    decode_header,
    decode_status,
    pack_reads,
    parse_batch,
    parse_topic,
)
from tagtrail.ingest.clocks import RIGHT, ClockNote, note_clock
from tagtrail.ingest.columns import Columns, Extent, SuspectError, pack
from tagtrail.ingest.numbering import check_numbers, plausible
from tagtrail.ingest.oversize import HEAD, PAYLOAD_MAX, Original, measure
from tagtrail.ingest.parsing import BatchArrays, as_arrays, parse_fast
from tagtrail.ingest.vendor import is_vendor_topic, read_vendor

FROM_INGEST: Final = ("committed", "time")
"""What ingest itself says to agents."""
ID_MAX: Final = 64


class Delivery(NamedTuple):
    """What the broker wants acknowledged: a message id counts within one connection only."""

    connection: int
    mid: int


class Message(NamedTuple):
    """A message as it came; ``delivery`` is None where the broker wants no acknowledgement.

    Readers that publish by themselves may tell no time: their reads were at ``received_us``, microseconds UTC.
    """

    topic: str
    payload: bytes
    delivery: Delivery | None = None
    received_us: int = 0


class BatchKey(NamedTuple):
    """What the ledger knows a batch by."""

    store: str
    agent: str
    boot: str
    seq: int


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """A batch of reads.

    Attributes:
        message: Where it came from.
        key: Its place in the ledger.
        confirmed: All batches of this boot up to here have been confirmed to the agent before; None where no agent
            waits for a word, since a reader published by itself.
        columns: Its reads, among those of other batches.
        extent: Which of them are its, and a summary.
        partly: What of the message could not be used, for the quarantine.
        clock: What is known of the clock that stamped its reads.
    """

    message: Message
    key: BatchKey
    confirmed: int | None
    columns: Columns
    extent: Extent
    partly: "Rejected | None" = None
    clock: ClockNote = RIGHT

    @property
    def rows(self) -> int:
        """Reads as rows of the database."""
        return int(self.extent.rows.stop - self.extent.rows.start)


@dataclass(frozen=True, eq=False)
class Status:
    """An agent's status."""

    message: Message
    store: str
    status: AgentStatus
    rows = 0


@dataclass(frozen=True, eq=False)
class Rejected:
    """A message that goes to the quarantine.

    Attributes:
        message: As it came.
        reason: Short, stable name of what is wrong.
        explanation: For a person.
        key: The batch that it was, where that could be read: its agent is told that it is done with.
        confirmed: As in `Batch`.
        original: Of a message that was cut, what it was.
    """

    message: Message
    reason: str
    explanation: str
    key: BatchKey | None = None
    confirmed: int = 0
    original: Original | None = None
    rows = 0


@dataclass(frozen=True, eq=False)
class Heard:
    """Signs of life of a reader that publishes by itself: nothing to keep, and to be acknowledged."""

    message: Message
    rows = 0


Item = Batch | Status | Rejected | Heard


def read_messages(messages: Iterable[Message]) -> list[Item]:
    """Say what messages are, in their order; never raises."""
    items: list[Item] = []
    waiting: list[_Parsed] = []
    reads = 0
    for message in messages:
        item = _read(message)
        if isinstance(item, _Parsed):
            waiting.append(item)
            reads += len(item.batch.tag)
            if reads < READS_MAX:
                continue
        items += _pack(waiting)
        waiting, reads = [], 0
        if not isinstance(item, _Parsed):
            items.append(item)
    return items + _pack(waiting)


def read_message(message: Message) -> Item:
    """Say what a message is; never raises."""
    return read_messages([message])[0]


def reject(item: Batch | Status | Heard, explanation: str) -> Rejected:
    """An item that looked right, and that the database does not take."""
    if isinstance(item, Batch) and item.confirmed is not None:
        return Rejected(item.message, "refused-by-database", explanation, item.key, item.confirmed)
    return Rejected(item.message, "refused-by-database", explanation)


def _too_long(message: Message) -> Rejected:
    """Without its payload, so that what waits for the database stays small."""
    original = measure(message.payload)
    explanation = f"message of {original.size} bytes, up to {PAYLOAD_MAX} allowed; the first {HEAD} are kept"
    return Rejected(message._replace(payload=message.payload[:HEAD]), "too-large", explanation, original=original)


class _Parsed(NamedTuple):
    """A batch whose values nobody has looked at yet."""

    message: Message
    topic: Topic
    batch: BatchArrays


def _read(message: Message) -> Item | _Parsed:
    if len(message.payload) > PAYLOAD_MAX:
        return _too_long(message)
    if is_vendor_topic(message.topic):
        return _read_vendor(message)
    try:
        topic = _parse_topic(message.topic)
    except BadData as bad:
        return Rejected(message, bad.reason, str(bad))
    if topic.kind in FROM_INGEST:
        return Heard(message)  # some brokers hand a new client retained messages of topics that it never asked for
    return _parse(message, topic) if topic.kind == "reads" else _read_status(message, topic)


@lru_cache(maxsize=1024)
def _parse_topic(text: str) -> Topic:
    topic = parse_topic(text)
    if topic.kind not in ("reads", "status", *FROM_INGEST):
        raise BadData("topic", f"nothing is expected on a topic that ends in {topic.kind!r}")
    for name, value in (("store", topic.store), ("agent", topic.agent)):
        if len(value) > ID_MAX or not re.fullmatch(ID_PATTERN, value):
            raise BadData("topic", f"{name} {value[:ID_MAX]!r}: an id has up to {ID_MAX} of a-z, 0-9 and -")
    return topic


def _parse(message: Message, topic: Topic) -> _Parsed | Rejected:
    try:
        batch = parse_fast(message.payload) or _parse_carefully(message.payload)
        check_numbers(batch)
        if batch.agent != topic.agent:
            check_batch(parse_batch(message.payload))
            # Who sent this is not known, so nobody is told that it is done with.
            raise BadData("wrong-agent", f"batch of agent {batch.agent!r} on the topic of {topic.agent!r}")
    except BadData as bad:
        return _refuse(message, topic, bad)
    return _Parsed(message, topic, batch)


def _parse_carefully(payload: bytes) -> BatchArrays:
    batch = parse_batch(payload)
    check_numbers(batch)
    try:
        return as_arrays(batch)
    except OverflowError:
        check_batch(batch)
        raise


def _refuse(message: Message, topic: Topic, bad: BadData) -> Rejected:
    header = decode_header(message.payload)
    if header is None or header.agent != topic.agent or not plausible(header):
        return Rejected(message, bad.reason, str(bad))
    return Rejected(message, bad.reason, str(bad), _key(topic, header), _confirmed(header))


def _pack(parsed: Sequence[_Parsed]) -> list[Item]:
    """Check batches and make columns of them: all together, and one by one where something is wrong."""
    if not parsed:
        return []
    try:
        columns, extents = pack([item.topic.store for item in parsed], [item.batch for item in parsed])
    except SuspectError:
        return [_read_alone(item) for item in parsed]
    return [_batch(item, columns, extent) for item, extent in zip(parsed, extents, strict=True)]


def _read_alone(item: _Parsed) -> Item:
    try:
        check_batch(parse_batch(item.message.payload))
    except BadData as bad:
        return _refuse(item.message, item.topic, bad)
    columns, (extent,) = pack([item.topic.store], [item.batch])
    return _batch(item, columns, extent)


def _batch(item: _Parsed, columns: Columns, extent: Extent) -> Batch:
    clock = note_clock(
        item.batch.clock,
        item.batch.shift,
        first_us=extent.first_us,
        last_us=extent.last_us,
        received_us=item.message.received_us,
    )
    return Batch(item.message, _key(item.topic, item.batch), _confirmed(item.batch), columns, extent, clock=clock)


def _read_vendor(message: Message) -> Batch | Rejected | Heard:
    try:
        found = read_vendor(message.topic, message.payload, message.received_us)
    except BadData as bad:
        return Rejected(message, bad.reason, str(bad))
    partly = None
    if found.rejected:
        reasons = ", ".join(f"{reason} {number}" for reason, number in found.rejected.items())
        partly = Rejected(message, next(iter(found.rejected)), f"{len(found.reads)} reads are taken, not so: {reasons}")
    if not found.reads:
        return partly or Heard(message)
    key = BatchKey(found.topic.store, found.agent, found.boot, found.seq)
    batch = pack_reads(found.reads, agent=found.agent, boot=key.boot, seq=key.seq)
    columns, (extent,) = pack([key.store], [as_arrays(batch)], checked=True)
    return Batch(message, key, None, columns, extent, partly)


def _read_status(message: Message, topic: Topic) -> Status | Rejected:
    try:
        status = decode_status(message.payload)
        if status.v != VERSION:
            raise BadData("version", f"status of version {status.v}, this ingest reads {VERSION}")
        if not TIME_MIN_US <= status.time_us <= TIME_MAX_US:
            raise BadData("bad-time", f"status at {status.time_us} µs, years 2000 to 2100 allowed")
        if status.agent != topic.agent:
            raise BadData("wrong-agent", f"status of agent {status.agent!r} on the topic of {topic.agent!r}")
    except BadData as bad:
        return Rejected(message, bad.reason, str(bad))
    return Status(message, topic.store, status)


def _key(topic: Topic, header: BatchArrays | BatchHeader) -> BatchKey:
    return BatchKey(topic.store, topic.agent, header.boot, header.seq)


def _confirmed(header: BatchArrays | BatchHeader) -> int:
    """Never beyond the batch itself: a garbled ``first`` must not free what has not been sent."""
    return max(1, min(header.first, header.seq)) - 1
