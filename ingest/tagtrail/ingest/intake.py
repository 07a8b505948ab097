"""What an MQTT message is: a batch of reads, an agent's status, or something that nobody can read. Pure."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.store import ID_PATTERN
from tagtrail.hardware.wire import (
    TIME_MAX_US,
    TIME_MIN_US,
    VERSION,
    AgentStatus,
    BatchHeader,
    ReadBatch,
    Topic,
    decode_batch,
    decode_header,
    decode_status,
    pack_reads,
    parse_topic,
)
from tagtrail.ingest.vendor import is_vendor_topic, read_vendor

ID_MAX: Final = 64
PORTS: Final = 256  # antenna ports are 1 to 255
SEQ_END: Final = 2**63
CONTENT_BYTES: Final = 8


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


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of reads, in columns.

    Attributes:
        message: Where it came from.
        key: Its place in the ledger.
        confirmed: All batches of this boot up to here have been confirmed to the agent before; None where no agent
            waits for a word, since a reader published by itself.
        time: ``datetime64[us]`` UTC per read.
        tags: EPCs.
        tag: Index into ``tags`` per read.
        antennas: (reader, port).
        antenna: Index into ``antennas`` per read.
        rssi_dbm: float32 per read; NaN where the reader gave none.
        count: int16 per read.
        content: Hash of all reads, to tell a repetition from other reads under the same key.
        partly: What of the message could not be used, for the quarantine.
    """

    message: Message
    key: BatchKey
    confirmed: int | None
    time: NDArray[np.datetime64]
    tags: list[str]
    tag: NDArray[np.int64]
    antennas: list[tuple[str, int]]
    antenna: NDArray[np.int64]
    rssi_dbm: NDArray[np.float32]
    count: NDArray[np.int16]
    content: bytes
    partly: "Rejected | None" = None

    @property
    def rows(self) -> int:
        """Reads as rows of the database."""
        return len(self.tag)


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
    """

    message: Message
    reason: str
    explanation: str
    key: BatchKey | None = None
    confirmed: int = 0
    rows = 0


@dataclass(frozen=True, eq=False)
class Heard:
    """Signs of life of a reader that publishes by itself: nothing to keep, and to be acknowledged."""

    message: Message
    rows = 0


Item = Batch | Status | Rejected | Heard


def read_message(message: Message) -> Item:
    """Say what a message is; never raises."""
    if is_vendor_topic(message.topic):
        return _read_vendor(message)
    try:
        topic = _parse_topic(message.topic)
    except BadData as bad:
        return Rejected(message, bad.reason, str(bad))
    return _read_batch(message, topic) if topic.kind == "reads" else _read_status(message, topic)


def reject(item: Batch | Status | Heard, explanation: str) -> Rejected:
    """An item that looked right, and that the database does not take."""
    if isinstance(item, Batch) and item.confirmed is not None:
        return Rejected(item.message, "refused-by-database", explanation, item.key, item.confirmed)
    return Rejected(item.message, "refused-by-database", explanation)


def _parse_topic(text: str) -> Topic:
    topic = parse_topic(text)
    if topic.kind not in ("reads", "status"):
        raise BadData("topic", f"nothing is expected on a topic that ends in {topic.kind!r}")
    for name, value in (("store", topic.store), ("agent", topic.agent)):
        if len(value) > ID_MAX or not re.fullmatch(ID_PATTERN, value):
            raise BadData("topic", f"{name} {value[:ID_MAX]!r}: an id has up to {ID_MAX} of a-z, 0-9 and -")
    return topic


def _read_batch(message: Message, topic: Topic) -> Batch | Rejected:
    try:
        batch = decode_batch(message.payload)
    except BadData as bad:
        header = decode_header(message.payload)
        if header is None or header.agent != topic.agent or header.seq >= SEQ_END:
            return Rejected(message, bad.reason, str(bad))
        return Rejected(message, bad.reason, str(bad), _key(topic, header), _confirmed(header))
    if batch.agent != topic.agent:
        # Who sent this is not known, so nobody is told that it is done with.
        return Rejected(message, "wrong-agent", f"batch of agent {batch.agent!r} on the topic of {topic.agent!r}")
    return _columns(message, _key(topic, batch), _confirmed(batch), batch)


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
    return _columns(message, key, None, pack_reads(found.reads, agent=found.agent, boot=key.boot, seq=key.seq), partly)


def _columns(
    message: Message, key: BatchKey, confirmed: int | None, batch: ReadBatch, partly: Rejected | None = None
) -> Batch:
    tag, reader, port, dt = (
        np.array(column, np.int64) for column in (batch.tag, batch.reader, batch.antenna, batch.dt)
    )
    codes, antenna = np.unique(reader * PORTS + port, return_inverse=True)
    antennas = [(batch.readers[code // PORTS], code % PORTS) for code in codes.tolist()]
    time = dt + batch.t0
    rssi_dbm = np.array(batch.rssi, np.float32)  # None becomes NaN
    count = np.array(batch.count, np.int16)
    return Batch(
        message=message,
        key=key,
        confirmed=confirmed,
        time=time.view("datetime64[us]"),
        tags=batch.tags,
        tag=tag,
        antennas=antennas,
        antenna=antenna,
        rssi_dbm=rssi_dbm,
        count=count,
        content=_content((batch.tags, antennas), time, tag, antenna, rssi_dbm, count),
        partly=partly,
    )


def _content(names: object, *columns: NDArray[Any]) -> bytes:
    """Of the values that are stored: not of the payload, whose ``first`` differs from one repetition to the next."""
    content = hashlib.blake2b(msgspec.json.encode(names), digest_size=CONTENT_BYTES)
    for column in columns:
        content.update(column.data)
    return content.digest()


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


def _key(topic: Topic, header: ReadBatch | BatchHeader) -> BatchKey:
    return BatchKey(topic.store, topic.agent, header.boot, header.seq)


def _confirmed(header: ReadBatch | BatchHeader) -> int:
    """Never beyond the batch itself: a garbled ``first`` must not free what has not been sent."""
    return max(1, min(header.first, header.seq)) - 1
