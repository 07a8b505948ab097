"""JSON that fixed readers publish to the broker by themselves: from topic, payload and time to a batch of reads. Pure.

``tagtrail/vendor/{impinj|zebra}/{store}/{reader}``: there is no edge agent, so nothing is spooled before it is sent and
nobody waits for a commit. A message is known in the ledger by its content: ``vendor/{maker}/{reader}`` is its agent (no
real agent can have this name), its day its boot, its SHA-256 its number. So a message that the broker delivers again
counts once, as long as it tells times. A message without any is the same as another with the same tags: such a one
counts once in `UNSTAMPED_S`, by the time at which it came, and a delivery repeated later than that counts twice. Switch
time stamps on.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Final, NamedTuple

from tagtrail.hardware.decoding import decode_stream
from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols import load_json_format
from tagtrail.hardware.protocols.interface import Counters
from tagtrail.hardware.protocols.json_documents import JsonFormat
from tagtrail.hardware.reads import EPC_PATTERN, RSSI_MAX_DBM, RSSI_MIN_DBM, TagRead
from tagtrail.hardware.store import ID_PATTERN
from tagtrail.hardware.wire import READS_MAX

PREFIX: Final = "tagtrail/vendor"
FORMATS: Final = {"impinj": "impinj-iot-json", "zebra": "zebra-iotc-json"}
"""Maker in the topic → format."""
UNSTAMPED_S: Final = 10
ANTENNA_UNTOLD: Final = 1
"""A reader whose messages name no antenna has one built in; where it has several, switch the field on."""
ID_MAX: Final = 64
COUNT_MAX: Final = 32_767
LATE_MAX_US: Final = 7 * 24 * 3600 * 1_000_000
EARLY_MAX_US: Final = 3600 * 1_000_000
"""A reader that was cut off sends later what it has kept. A stamp further away, or ahead, comes from a clock that is
not set."""
_SECOND_SIZE: Final = len("2026-03-14T12:00:00")
_ID: Final = re.compile(rf"(?=.{{1,{ID_MAX}}}\Z){ID_PATTERN}")


class VendorTopic(NamedTuple):
    """``tagtrail/vendor/{maker}/{store}/{reader}``."""

    maker: str
    store: str
    reader: str


class VendorReads(NamedTuple):
    """What a message holds.

    Attributes:
        topic: Where it came from.
        boot: With ``seq``, what the ledger knows it by.
        seq: See ``boot``.
        reads: Reads of tags, in order.
        events: Other events by kind: heartbeats, states, antennas that come and go.
        rejected: Events that could not be used, by reason.
    """

    topic: VendorTopic
    boot: str
    seq: int
    reads: list[TagRead]
    events: dict[str, int]
    rejected: dict[str, int]

    @property
    def agent(self) -> str:
        """Name in the ledger."""
        return f"vendor/{self.topic.maker}/{self.topic.reader}"


def vendor_topic(maker: str, store: str, reader: str) -> str:
    """Where a reader publishes."""
    return f"{PREFIX}/{maker}/{store}/{reader}"


def is_vendor_topic(topic: str) -> bool:
    """Whether `read_vendor` is the one to read it."""
    return topic.startswith(PREFIX + "/")


def read_vendor(topic: str, payload: bytes, received_us: int) -> VendorReads:
    """Read a message.

    Args:
        topic: As it came.
        payload: One object, an array, lines of objects, or objects glued together.
        received_us: When it came, microseconds since 1970 UTC: the time of reads that have none of their own.

    Raises:
        BadData: ``topic``, ``too-large``, or ``not-json`` where there is no whole object in it.
    """
    where = _parse_topic(topic)
    counters = Counters()
    reads: list[TagRead] = []
    others: Counter[str] = Counter()
    stamps_us: list[int] = []
    for event in decode_stream(_format(where.maker), [payload], counters):
        if event["kind"] == "tag_read":
            stamp_us = _time_us(event)
            stamps_us += [] if stamp_us is None else [stamp_us]
            try:
                reads.append(_read(event, where.reader, stamp_us, received_us, counters))
            except BadData as bad:
                counters.reject(bad.reason)
        elif "fault" not in event:
            others[str(event["kind"])] += 1
    if counters.bytes_dropped:
        counters.reject("not-json")
    if payload.strip() and not counters.frames:
        raise BadData("not-json", f"no JSON object in {len(payload)} bytes")
    if len(reads) > READS_MAX:
        raise BadData("too-large", f"message of {len(reads)} reads, up to {READS_MAX} allowed")
    day = datetime.fromtimestamp(min(stamps_us, default=received_us) // 1_000_000, UTC)
    content = payload if stamps_us else payload + b"%d" % (received_us // 1_000_000 // UNSTAMPED_S)
    seq = int.from_bytes(hashlib.sha256(content).digest()[:8], "big") >> 1 or 1
    return VendorReads(where, f"{day:%Y-%m-%d}", seq, reads, dict(others), counters.rejected)


@cache
def _format(maker: str) -> JsonFormat:
    return load_json_format(FORMATS[maker])


@lru_cache(maxsize=1024)
def _parse_topic(text: str) -> VendorTopic:
    parts = text.split("/")
    if len(parts) != 5 or parts[2] not in FORMATS or not all(map(_ID.fullmatch, parts[3:])):
        raise BadData(
            "topic", f"topic {text[:200]!r} is not {PREFIX}/{'|'.join(FORMATS)}/STORE/READER with ids of a-z, 0-9 and -"
        )
    return VendorTopic(*parts[2:])


def _time_us(event: Mapping[str, object]) -> int | None:
    stamp = event.get("timestamp_utc") or event.get("last_seen_utc")
    if not isinstance(stamp, str):
        return None
    digits = stamp[_SECOND_SIZE + 1 : _SECOND_SIZE + 7].removesuffix("Z")
    return _second_us(stamp[:_SECOND_SIZE]) + int(digits.ljust(6, "0"))


@lru_cache(maxsize=1024)  # a reader sees hundreds of tags in a second
def _second_us(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()) * 1_000_000


def _read(
    event: Mapping[str, object], reader: str, stamp_us: int | None, received_us: int, counters: Counters
) -> TagRead:
    epc, antenna, rssi_dbm = event["epc"], event["antenna"], event["rssi_dbm"]
    count = event.get("read_count", 1)
    if not isinstance(epc, str) or not EPC_PATTERN.fullmatch(epc):
        raise BadData("bad-epc", f"tag {epc!r}")
    if not isinstance(antenna, int):
        antenna = ANTENNA_UNTOLD
    if not 1 <= antenna <= 255:
        raise BadData("bad-antenna", f"antenna {antenna}")
    if not isinstance(rssi_dbm, int | float):
        rssi_dbm = None
    elif not RSSI_MIN_DBM <= rssi_dbm <= RSSI_MAX_DBM:
        counters.reject("bad-rssi")  # left out of its read, as the edge does
        rssi_dbm = None
    if stamp_us is not None and not received_us - LATE_MAX_US <= stamp_us <= received_us + EARLY_MAX_US:
        raise BadData("bad-time", "the reader's clock is not set: set it by NTP")
    counted = min(max(int(count), 1), COUNT_MAX) if isinstance(count, int | float) else 1
    return TagRead(received_us if stamp_us is None else stamp_us, reader, antenna, epc, rssi_dbm, counted)
