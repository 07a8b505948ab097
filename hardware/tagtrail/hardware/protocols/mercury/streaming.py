"""Continuous reading: the plan that starts it, and the notifications that follow.

The start command; what follows the protocol ``p`` is a list of inner commands, of which there is one::

    2F  t t  01  22  o o  p  n   22  [88] v  f f  w w  [r r]  m m  [s s]
        |    |   |   |    |  |   |   |    |  |    |    |      |    statistics that are wanted
        |    |   |   |    |  |   |   |    |  |    |    |      metadata flags
        |    |   |   |    |  |   |   |    |  |    |    time off, ms (only with the duty cycle flag)
        |    |   |   |    |  |   |   |    |  |    time on, ms
        |    |   |   |    |  |   |   |    |  search flags
        |    |   |   |    |  |   |   |    option: 10 = metadata wanted, low bits = select filter
        |    |   |   |    |  |   |   88 = form with multiple selects
        |    |   |   |    |  |   inner opcode
        |    |   |   |    |  bytes after the inner opcode
        |    |   |   |    protocol
        |    |   |   outer search flags
        |    01 start, 02 stop, 04 a command while reading
        time-out, ignored

A notification, status first::

    22  S S  [88] v  f f  [m m]  k  ...     k: 00 end, 01 a tag record, 02 statistics, 03 round summary

Status 0400 is a cycle without tags: no data, or the head with a time stamp. The reply to a search that was asked for
once has the same opcode, and a number of tags ``c`` in one, two or four bytes::

    22  S S  c c            old modules
    22  S S  [88] v  f f  c c

Source: Mercury API,
``serial_reader_l3.c``, TMR_SR_msgSetupReadTagMultipleWithMetadata, TMR_SR_cmdMultipleProtocolSearch,
TMR_SR_parseMetadataFromMessage, TMR_SR_cmdStopReading.
"""

from enum import IntEnum, IntFlag
from functools import lru_cache
from struct import pack, unpack_from
from typing import Final

import msgspec

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.mercury.tables import GEN2, Op
from tagtrail.hardware.protocols.mercury.tags import unpack_ebv

MULTISELECT: Final = 0x88
OPTION_METADATA: Final = 0x10
TEMPERATURE: Final = b"\x82\x00"
"""The statistics flag for the temperature, 0x100 as an extensible bit vector (tm_reader.h, TMR_Reader_StatsFlag)."""


class Action(IntEnum):
    """What a 2F command wants; a reply names the action that it answers."""

    START = 1
    STOP = 2
    AUTHENTICATION = 3
    COMMAND = 4


class Search(IntFlag):
    """Search flags (serial_reader_imp.h, TMR_SR_SearchFlag)."""

    USE_ANTENNA_LIST = 0x0003
    STREAM_TAGS = 0x0008
    LARGE_POPULATION = 0x0010
    STREAM_STATISTICS = 0x0100
    DUTY_CYCLE = 0x0400


class Kind(IntEnum):
    """Response types of a notification."""

    END = 0
    TAG = 1
    STATISTICS = 2
    ROUND_SUMMARY = 3


STOP: Final = b"\0\0" + bytes((Action.STOP,))
_HEAD_SIZE_MAX: Final = 7
COUNT_SIZE_MAX: Final = 8
"""No reply that tells a number of tags is longer."""
_COUNT_SIZES: Final = frozenset({1, 2, 4})


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How to read continuously, as the start command says it."""

    search_flags: int
    metadata_flags: int
    on_time_ms: int = 1000
    off_time_ms: int = 0
    statistics: bytes = b""
    option: int = OPTION_METADATA
    multiselect: bool = False
    protocol: int = GEN2
    outer_search_flags: int = 0
    timeout_ms: int = 0

    def data(self) -> bytes:
        """Data bytes of the 2F command."""
        inner = bytes((MULTISELECT, self.option)) if self.multiselect else bytes((self.option,))
        inner += pack(">HH", self.search_flags, self.on_time_ms)
        if self.search_flags & Search.DUTY_CYCLE:
            inner += self.off_time_ms.to_bytes(2, "big")
        inner += self.metadata_flags.to_bytes(2, "big") + self.statistics
        outer = pack(
            ">HBBHB", self.timeout_ms, Action.START, Op.READ_TAG_MULTIPLE, self.outer_search_flags, self.protocol
        )
        return outer + bytes((len(inner), Op.READ_TAG_MULTIPLE)) + inner


def parse_plan(data: bytes) -> Plan:
    """Read the data bytes of a start command; a select filter is kept in ``statistics`` with what precedes it.

    Raises:
        BadData: ``plan``: not a start command of the form above.
    """
    if len(data) < 10 or data[2] != Action.START or data[3] != Op.READ_TAG_MULTIPLE or data[8] != Op.READ_TAG_MULTIPLE:
        raise BadData("plan", "not a start of continuous reading")
    inner = data[9:]
    if len(inner) != data[7]:
        raise BadData("plan", f"{len(inner)} bytes follow the inner opcode, {data[7]} were announced")
    multiselect = inner[0] & MULTISELECT == MULTISELECT
    position = 1 if multiselect else 0
    duty_cycle = len(inner) >= position + 3 and inner[position + 1] << 8 & Search.DUTY_CYCLE
    end = position + (9 if duty_cycle else 7)
    if len(inner) < end:
        raise BadData("plan", "the plan ends before the metadata flags")
    search_flags, on_time_ms = unpack_from(">HH", inner, position + 1)
    return Plan(
        search_flags=search_flags,
        metadata_flags=int.from_bytes(inner[end - 2 : end], "big"),
        on_time_ms=on_time_ms,
        off_time_ms=int.from_bytes(inner[end - 4 : end - 2], "big") if duty_cycle else 0,
        statistics=inner[end:],
        option=inner[position],
        multiselect=multiselect,
        protocol=data[6],
        outer_search_flags=int.from_bytes(data[4:6], "big"),
        timeout_ms=int.from_bytes(data[:2], "big"),
    )


class Head(msgspec.Struct, frozen=True, gc=False):
    """What a notification says before its record; ``body`` is the position of the record in the frame's data."""

    multiselect: bool
    option: int
    search_flags: int
    metadata_flags: int | None
    kind: int
    body: int

    def data(self) -> bytes:
        """Data bytes up to the record."""
        start = bytes((MULTISELECT, self.option)) if self.multiselect else bytes((self.option,))
        metadata = b"" if self.metadata_flags is None else self.metadata_flags.to_bytes(2, "big")
        return start + self.search_flags.to_bytes(2, "big") + metadata + bytes((self.kind,))


def parse_head(data: bytes) -> Head:
    """Read the head of a notification.

    Raises:
        BadData: ``truncated``.
    """
    return _parse_head(data[:_HEAD_SIZE_MAX])


@lru_cache(maxsize=256)  # a stream has the same head on all its tags
def _parse_head(data: bytes) -> Head:
    multiselect = bool(data) and data[0] & MULTISELECT == MULTISELECT
    position = 1 if multiselect else 0
    if len(data) < position + 4:
        raise BadData("truncated", "a notification ends within its head")
    option = data[position]
    search_flags = data[position + 1] << 8 | data[position + 2]
    position += 3
    metadata_flags = None
    if option & OPTION_METADATA:
        if len(data) < position + 3:
            raise BadData("truncated", "a notification ends within its head")
        metadata_flags = data[position] << 8 | data[position + 1]
        position += 2
    return Head(multiselect, option, search_flags, metadata_flags, data[position], position + 1)


def parse_count(data: bytes) -> int | None:
    """The number of tags in the reply to a search; None where the data are a notification.

    >>> parse_count(bytes.fromhex("00001305"))
    5
    """
    at = 0
    if len(data) > 2:
        at = 4 if data[0] & MULTISELECT == MULTISELECT else 3
    if len(data) - at not in _COUNT_SIZES or (at and data[at - 1] & Search.STREAM_TAGS):
        return None
    return int.from_bytes(data[at:], "big")


def parse_temperature(statistics: bytes) -> int | None:
    """The temperature in °C from the statistics of a notification or of a 6C reply; None where they do not tell it.

    ``f f`` announced flags, then per statistic ``g g l x ... x``: flag, length, value; flags are extensible bit
    vectors (serial_reader_l3.c, TMR_fillReaderStats).

    Raises:
        BadData: ``truncated``.
    """
    _, position = unpack_ebv(statistics, 0)
    temperature_flag, _ = unpack_ebv(TEMPERATURE, 0)
    while position < len(statistics):
        flag, position = unpack_ebv(statistics, position)
        if position == len(statistics):
            raise BadData("truncated", "a statistic has no length")
        end = position + 1 + statistics[position]
        if end > len(statistics):
            raise BadData("truncated", "a statistic ends early")
        if flag == temperature_flag and end == position + 2:
            return int.from_bytes(statistics[position + 1 : end], "big", signed=True)
        position = end
    return None
