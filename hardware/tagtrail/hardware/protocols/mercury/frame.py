"""Mercury frames: build them, and find them in a stream of bytes.

One letter or pair per byte; all numbers are big-endian::

    host to reader   FF  L  O  d d d ... d  C C          L = 0...250
    reader to host   FF  L  O  S S  d d d ... d  C C     L = 0...248

``L`` is the number of data bytes ``d`` alone, ``O`` the opcode, ``S S`` the status, ``C C`` the CRC over everything
between ``FF`` and itself. Nothing in a frame tells its direction, so `framer_for` is for one direction.

Source: Mercury API, ``serial_reader_l3.c``, TMR_SR_sendMessage and TMR_SR_receiveMessage.
"""

from binascii import crc_hqx
from enum import Enum
from struct import Struct, pack
from typing import Final

from tagtrail.hardware.protocols.framing import BAD_CHECKSUM, MORE, NOT_A_FRAME, Framer, Look
from tagtrail.hardware.protocols.interface import Counters

START: Final = 0xFF
SIZE_MAX: Final = 255
"""Longest frame of either direction (Mercury API, serial_reader_imp.h, TMR_SR_MAX_PACKET_SIZE)."""

_CRC_START: Final = 0x1D0F
_TAIL: Final = Struct(">HH")


class Direction(Enum):
    """Who sent the frame."""

    HOST_TO_READER = "host->reader"
    READER_TO_HOST = "reader->host"

    @property
    def overhead(self) -> int:
        """Bytes of a frame that are not data."""
        return 5 if self is Direction.HOST_TO_READER else 7


def crc16(message: bytes) -> int:
    """The CRC of a frame over ``message``, the bytes from the length to the last data byte (at least two).

    Mercury shifts the message into the *bottom* of a register that starts as FFFF, and no zero bits follow
    (serial_reader_l3.c, tm_crc): the register holds R = (FFFF·x^8n + M) mod P, with P = x^16 + x^12 + x^5 + 1 and M the
    n bytes of the message. `binascii.crc_hqx` multiplies by x^16 more: H(m, i) = (i·x^8n + M·x^16) mod P. Cut the
    message into m and its last 16 bits t, so that M = m·x^16 + t. Then R = ((FFFF·x^16)·x^8(n-2) + m·x^16) + t =
    H(m, FFFF·x^16 mod P) + t, and FFFF·x^16 mod P is 1D0F. So the C speed of `crc_hqx` is to be had for one XOR.

    >>> f"{crc16(bytes.fromhex('0003')):04X}"
    '1D0C'
    """
    return crc_hqx(message[:-2], _CRC_START) ^ (message[-2] << 8 | message[-1])


def command(opcode: int, data: bytes = b"") -> bytes:
    """A frame from the host.

    >>> command(0x03).hex()
    'ff00031d0c'
    """
    message = bytes((len(data), opcode)) + data
    return b"\xff" + message + crc16(message).to_bytes(2, "big")


def reply(opcode: int, status: int = 0, data: bytes = b"") -> bytes:
    """A frame from the reader.

    >>> reply(0x28, 0x0423).hex()
    'ff002804232589'
    """
    message = pack(">BBH", len(data), opcode, status) + data
    return b"\xff" + message + crc16(message).to_bytes(2, "big")


def is_frame(candidate: bytes, direction: Direction) -> bool:
    """Whether ``candidate`` is one whole frame of that direction with a right CRC."""
    return (
        direction.overhead <= len(candidate) <= SIZE_MAX
        and candidate[0] == START
        and candidate[1] + direction.overhead == len(candidate)
        and crc16(candidate[1:-2]) == int.from_bytes(candidate[-2:], "big")
    )


def framer_for(direction: Direction, counters: Counters) -> Framer:
    """What finds the frames of one direction in a stream of bytes."""
    return Framer(_look(direction.overhead), counters, start=START)


def _look(overhead: int) -> Look:
    length_max = SIZE_MAX - overhead

    def look(data: bytes, start: int) -> int:
        if start + 1 == len(data):
            return MORE
        length = data[start + 1]
        if length > length_max:
            return NOT_A_FRAME
        end = start + length + overhead
        if end > len(data):
            return MORE
        high, low = _TAIL.unpack_from(data, end - 4)
        if crc_hqx(data[start + 1 : end - 4], _CRC_START) ^ high ^ low:
            return BAD_CHECKSUM
        return length + overhead

    return look
