"""A tag read: one tag, seen by one antenna of one reader, at one time."""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

EPC_DIGITS: Final = b"0123456789ABCDEF"
EPC_LENGTHS: Final = frozenset(range(4, 129))
EPC_PATTERN: Final = re.compile(rf"[{EPC_DIGITS.decode()}]{{{min(EPC_LENGTHS)},{max(EPC_LENGTHS)}}}")
"""Upper-case hex. 4 digits is the shortest EPC of a Gen2 tag, 128 (512 bit) the longest that the PC
word can announce (GS1 EPC Gen2 v2, 6.3.2.1.2.2: five length bits, in words); a 125 kHz card has 10."""

RSSI_MIN_DBM: Final = -150.0
RSSI_MAX_DBM: Final = 30.0
"""What a UHF reader can report at all: below thermal noise, above its own transmit power, something is broken."""


def are_epcs(tags: Iterable[str]) -> bool:
    """Whether all of them match `EPC_PATTERN`, by one look at their lengths and digits: eight times as fast."""
    tags = list(tags)
    lengths = set(map(len, tags))
    digits = "".join(tags).encode(errors="replace")
    return lengths <= EPC_LENGTHS and not digits.translate(None, EPC_DIGITS)


class TagRead(msgspec.Struct, frozen=True, gc=False):
    """One read, or ``count`` reads of the same tag and antenna merged by the edge's window.

    Attributes:
        time_us: When it was seen (merged: first seen), microseconds since 1970-01-01 UTC.
        reader: Reader id of the store file.
        antenna: Port as printed on the reader, from 1.
        epc: Upper-case hex.
        rssi_dbm: Signal strength (merged: the strongest); None where the reader gives no dBm.
        count: Number of reads merged into this one, at least 1.
    """

    time_us: int
    reader: str
    antenna: int
    epc: str
    rssi_dbm: float | None
    count: int = 1
