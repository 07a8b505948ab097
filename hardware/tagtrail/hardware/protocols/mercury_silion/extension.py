"""The extension of Silion modules: what they say and hear with opcode AA.

Commands, and the replies to them::

    AA  "Moduletech"  u u  x ... x  s  BB        u u sub-command, s the low byte of the sum from u to the last x
    AA  S S  "Moduletech"  u u  x ... x          S S status

Reading is started by sub-command AA48, ``m m v f f`` (metadata flags, option, search flags), and ended by AA49. In
between come, with opcode AA and status 0::

    m m  m ... m  n  P P  E ... E  K K           a tag: flags, metadata, bytes from P to the end, PC, EPC, CRC
    "XTSJ"  f f                                  a sign of life, with the search flags of the start

All three begin alike, but as metadata flags the two texts would hold bit 4000, which no module knows. Sources: Silion,
"UHF RFID module communication protocol", 5.5 (asynchronous inventory); the modules' Java and C programming interfaces.
"""

from enum import IntEnum
from struct import Struct
from typing import Final

import msgspec

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.mercury.frame import command, reply
from tagtrail.hardware.protocols.mercury.streaming import Search
from tagtrail.hardware.protocols.mercury.tables import Op, Status
from tagtrail.hardware.protocols.mercury.tags import Record, unpack_record

MARKER: Final = b"Moduletech"
HEARTBEAT: Final = b"XTSJ"
_END: Final = 0xBB
_BODY: Final = len(MARKER)
_START: Final = Struct(">HBH")

SEARCH_FLAGS: Final = Search.USE_ANTENNA_LIST | 0x8000
"""As the maker's own programs start reading; the signs of life repeat it."""
PHASE_STEPS: Final = 4096
"""The phase of a tag is 12 bits for a full turn."""

REGIONS: Final = {
    "NA": 0x01,
    "EU": 0x02,
    "KR": 0x03,
    "IN": 0x04,
    "JP": 0x05,
    "PRC": 0x06,
    "EU2": 0x07,
    "EU3": 0x08,
    "PRC2": 0x0A,
    "CE_HIGH": 0x0C,
    "HK": 0x0D,
    "TW": 0x0E,
    "MY": 0x0F,
    "SOUTH_AFRICA": 0x10,
    "BRAZIL": 0x11,
    "TH": 0x12,
    "SG": 0x13,
    "AU": 0x14,
    "URUGUAY": 0x16,
    "VN": 0x17,
    "IS": 0x18,
    "PH": 0x19,
    "ID": 0x1A,
    "NZ": 0x1B,
    "PERU": 0x1C,
    "RU": 0x1D,
    "CE_LOW_AND_HIGH": 0x1E,
    "JP2": 0x1F,
    "JP3": 0x20,
    "OPEN": 0xFF,
}
"""Region name → code (Region_Conf of the programming interface). From 0B on ThingMagic numbers differently."""
REGION_NAMES: Final = {code: name for name, code in REGIONS.items()} | {0: "NONE"}


class Sub(IntEnum):
    """Sub-commands of opcode AA."""

    START = 0xAA48
    STOP = 0xAA49


class Extended(msgspec.Struct, frozen=True):
    """A command or reply of the extension; ``checksum`` and ``end`` are None in a reply."""

    code: int
    data: bytes
    checksum: int | None = None
    end: int | None = None

    @property
    def whole(self) -> bool:
        """Whether a command has the right checksum and end."""
        return self.checksum == _sum(self.code, self.data) and self.end == _END


def extended(code: int, data: bytes = b"") -> bytes:
    """The frame of a command.

    >>> extended(Sub.STOP).hex()
    'ff0eaa4d6f64756c6574656368aa49f3bb0391'
    """
    return command(Op.SILION_EXTENDED, MARKER + code.to_bytes(2, "big") + data + bytes((_sum(code, data), _END)))


class Start(msgspec.Struct, frozen=True):
    """How to read: the data of the command that starts it. An option other than 0 has a select filter behind it."""

    metadata_flags: int
    search_flags: int = SEARCH_FLAGS
    option: int = 0

    def frame(self) -> bytes:
        """The command."""
        return extended(Sub.START, _START.pack(self.metadata_flags, self.option, self.search_flags))


def parse_start(data: bytes) -> Start:
    """Read the data of the sub-command that starts reading; what is behind the search flags is left out.

    Raises:
        BadData: ``extension``: too short.
    """
    if len(data) < _START.size:
        raise BadData("extension", "a start that ends before its search flags")
    metadata_flags, option, search_flags = _START.unpack_from(data)
    return Start(metadata_flags, search_flags, option)


def parse_command(data: bytes) -> Extended:
    """Read the data of a command.

    Raises:
        BadData: ``extension``: no marker, or too short.
    """
    if not data.startswith(MARKER) or len(data) < _BODY + 4:
        raise BadData("extension", "no command of the extension")
    return Extended(int.from_bytes(data[_BODY : _BODY + 2], "big"), data[_BODY + 2 : -2], data[-2], data[-1])


def parse_acknowledgement(data: bytes) -> Extended | None:
    """Read the data of a reply; None where it is not one to a command."""
    if not data.startswith(MARKER) or len(data) < _BODY + 2:
        return None
    return Extended(int.from_bytes(data[_BODY : _BODY + 2], "big"), data[_BODY + 2 :])


def heartbeat(search_flags: int) -> bytes:
    """The frame of a sign of life.

    >>> heartbeat(0x8003).hex()
    'ff06aa00005854534a80031724'
    """
    return reply(Op.SILION_EXTENDED, Status.OK, HEARTBEAT + search_flags.to_bytes(2, "big"))


def parse_tag(data: bytes) -> tuple[int, Record]:
    """Read a tag.

    Returns:
        The metadata flags, and the record.

    Raises:
        BadData: ``truncated``, ``metadata-flags`` or ``epc-length``.
    """
    if len(data) < 2:
        raise BadData("truncated", "a notification without metadata flags")
    flags = data[0] << 8 | data[1]
    record, _ = unpack_record(data, 2, flags, short=True)
    return flags, record


def _sum(code: int, data: bytes) -> int:
    return ((code >> 8) + code + sum(data)) & 0xFF
