"""Chafon frames: build them, and recognise them in a stream of bytes. There is no start byte.

One letter or pair per byte::

    host to reader   L  A  C  d d d ... d  K K            L = data + 4
    reader to host   L  A  R  S  d d d ... d  K K         L = data + 5

``L`` counts the bytes after itself, ``A`` is the reader's address (FF: any), ``C`` the command, ``R`` the command that
is answered, ``S`` the status, ``K K`` the CRC over everything before it, low byte first.

Source: UHFReader18 User's Manual V2.0, 2 and 3; UHF RFID Reader UR-SERIES User Manual v1.14, 8.
"""

from binascii import crc_hqx
from typing import Final

from tagtrail.hardware.protocols.chafon.tables import COMMAND_NAMES, Command
from tagtrail.hardware.protocols.framing import BAD_CHECKSUM, MORE, NOT_A_FRAME

ANY_ADDRESS: Final = 0xFF
SIZE_MAX: Final = 256
"""Longest frame: a length byte and what it can count."""

_COMMAND_OVERHEAD, _REPLY_OVERHEAD = 4, 5
_CRC_START: Final = 0xFFFF
_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_REPLIED: Final = frozenset(COMMAND_NAMES) | {Command.UNKNOWN}
_STATUS_LOW_END, _STATUS_HIGH = 0x30, 0xF0
"""All statuses of the manuals are below the one or from the other on."""


def crc16(message: bytes) -> int:
    """The CRC of a frame (CRC-16/MCRF4XX): poly 1021 with the bits of bytes and register mirrored, FFFF at the start.

    `binascii.crc_hqx` is the same division, not mirrored. So mirror each byte on its way in (`bytes.translate`) and the
    16 bits on their way out; FFFF is its own mirror image. Both run at the speed of C.

    >>> f"{crc16(b'123456789'):04X}"
    '6F91'
    """
    mirrored = crc_hqx(message.translate(_MIRRORED), _CRC_START)
    return _MIRRORED[mirrored & 0xFF] << 8 | _MIRRORED[mirrored >> 8]


def command(code: int, data: bytes = b"", address: int = ANY_ADDRESS) -> bytes:
    """A frame from the host.

    >>> command(0x21, address=0).hex()
    '040021d96a'
    """
    message = bytes((len(data) + _COMMAND_OVERHEAD, address, code)) + data
    return message + crc16(message).to_bytes(2, "little")


def reply(code: int, status: int, data: bytes = b"", address: int = 0) -> bytes:
    """A frame from the reader.

    >>> reply(0x01, 0x01, bytes((1, 0))).hex()
    '0700010101001e4b'
    """
    message = bytes((len(data) + _REPLY_OVERHEAD, address, code, status)) + data
    return message + crc16(message).to_bytes(2, "little")


def look_for_reply(data: bytes, start: int) -> int:
    """How long the reader's frame at ``start`` is; see `tagtrail.hardware.protocols.framing.Look`.

    Length, command and status must be possible before the rest is waited for: of random bytes 2 in 100 pass.
    """
    length = data[start]
    if length < _REPLY_OVERHEAD:
        return NOT_A_FRAME
    end = start + length + 1
    size = len(data)
    if start + 2 < size:
        code = data[start + 2]
        if code not in _REPLIED:
            return NOT_A_FRAME
        if start + 3 < size:
            status = data[start + 3]
            if status < _STATUS_HIGH and (status >= _STATUS_LOW_END or code == Command.UNKNOWN):
                return NOT_A_FRAME
    return _checked(data, start, end)


def look_for_command(data: bytes, start: int) -> int:
    """How long the host's frame at ``start`` is; see `tagtrail.hardware.protocols.framing.Look`."""
    if data[start] < _COMMAND_OVERHEAD or (start + 2 < len(data) and data[start + 2] not in COMMAND_NAMES):
        return NOT_A_FRAME
    return _checked(data, start, start + data[start] + 1)


def _checked(data: bytes, start: int, end: int) -> int:
    """Length and CRC: the CRC over a frame with its own CRC is 0."""
    if end > len(data):
        return MORE
    return end - start if crc_hqx(data[start:end].translate(_MIRRORED), _CRC_START) == 0 else BAD_CHECKSUM
