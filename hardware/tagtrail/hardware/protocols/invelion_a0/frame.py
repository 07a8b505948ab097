"""A0 frames: build them, know them in a stream of bytes, and read the tags in them.

One letter or pair per byte; all numbers are big-endian::

    A0  L  A  c  d d ... d  K                     L = 3 and more: the bytes behind itself
    A0  L  A  c  F  P P  E E ... E  R [H H]  K    a tag, while reading

``A`` is the reader's address, ``c`` the command, ``d`` its data, ``K`` makes the sum of all bytes 0. In a tag frame
``F`` holds frequency index (6 bits) and antenna (2 bits), ``P P`` the PC word, ``E`` the EPC, ``R`` the signal
strength, ``H H`` the phase that newer firmware can add. Nothing tells the direction; the length tells what
kind of answer it is.

One frame of noise in 256 has a right sum, so the shape must be right as well: a known command, a length that its answer
can have, and for tags an EPC as long as its PC word says.

Source: "UHF RFID Reader Serial Interface Protocol" V3.7, sections 1.2 to 1.4 (frames) and 2.2 (inventory answers).
"""

from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.epc import EPC_SIZE_MAX, EPC_SIZE_MIN, epc_size
from tagtrail.hardware.protocols.framing import BAD_CHECKSUM, MORE, NOT_A_FRAME
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.protocols.invelion_a0.tables import COMMAND_NAMES, FREQUENCIES_KHZ, ROUNDS, RSSI_DBM, Command

START: Final = 0xA0
EVERYBODY: Final = 0xFF
"""Address that every reader obeys; it answers with its own."""
_LENGTH_MIN: Final = 3
_TAG_LENGTH_MIN: Final = 7
_TAG_LENGTH_MAX: Final = _TAG_LENGTH_MIN + EPC_SIZE_MAX + 2
ANTENNA_ERROR_LENGTH: Final = 5
GROUP: Final = 0x80
"""Bit of the signal strength by which readers with eight ports tell the second four."""

_ROUND_ENDS: Final[dict[int, frozenset[int]]] = {
    Command.REAL_TIME_INVENTORY: frozenset({0x08, 0x0A}),
    Command.FAST_SWITCH_ANT_INVENTORY: frozenset({0x0A, 0x0B}),
    Command.CUSTOMIZED_SESSION_TARGET_INVENTORY: frozenset({0x08, 0x0A}),
}
"""Lengths of the frame that ends a round; the shorter ones of real time inventory and the longer one of the antenna
switch are of old firmware."""

_ANSWER_LENGTHS: Final[dict[int, frozenset[int]]] = {
    Command.READ_GPIO_VALUE: frozenset({4, 5}),
    Command.GET_READER_IDENTIFIER: frozenset({4, 15}),
    Command.GET_FIRMWARE_VERSION: frozenset({4, 5}),
    Command.GET_OUTPUT_POWER: frozenset({4, 7, 11}),
    Command.GET_OUTPUT_POWER_8_PORTS: frozenset({4, 7, 11}),
    Command.GET_FREQUENCY_REGION: frozenset({4, 6, 9}),
    Command.GET_READER_TEMPERATURE: frozenset({4, 5}),
    Command.INVENTORY_TO_BUFFER: frozenset({4, 12}),
    Command.GET_BUFFER_TAG_COUNT: frozenset({4, 5}),
    Command.ISO18000_6B_INVENTORY: frozenset({4, 5, 12}),
    Command.ISO18000_6B_LOCK: frozenset({4, 5}),
    Command.ISO18000_6B_QUERY_LOCK: frozenset({4, 5}),
}
_STATUS_LENGTH: Final = frozenset({4})
_ANY_LENGTH: Final = frozenset(range(4, 256))
_OF_TAGS: Final = (
    Command.READ,
    Command.WRITE,
    Command.LOCK,
    Command.KILL,
    Command.GET_ACCESS_EPC_MATCH,
    Command.GET_BUFFER,
    Command.GET_AND_RESET_BUFFER,
    Command.BLOCK_WRITE,
    Command.TAG_SELECT,
    Command.ISO18000_6B_READ,
    Command.ISO18000_6B_WRITE,
)
_LENGTHS: Final[dict[int, frozenset[int]]] = (
    dict.fromkeys(COMMAND_NAMES, _STATUS_LENGTH)
    | _ANSWER_LENGTHS
    | dict.fromkeys(_OF_TAGS, _ANY_LENGTH)
    | {command: ends | {4, ANTENNA_ERROR_LENGTH} for command, ends in _ROUND_ENDS.items()}
)


def frame(command: int, data: bytes = b"", *, address: int = EVERYBODY) -> bytes:
    """A frame of either direction.

    >>> frame(0x72, address=1).hex()
    'a0030172ea'
    """
    body = bytes((START, _LENGTH_MIN + len(data), address, command)) + data
    return body + bytes((-sum(body) & 0xFF,))


def look_at_answer(data: bytes, start: int) -> int:
    """Whether a frame of the reader begins at ``start``; see `tagtrail.hardware.protocols.framing.Look`."""
    size = len(data) - start
    if data[start] != START:
        return NOT_A_FRAME
    if size < 4:
        return MORE
    length, command = data[start + 1], data[start + 3]
    if command in ROUNDS and length & 1 and length >= _TAG_LENGTH_MIN:
        if size < 6:
            return MORE if length <= _TAG_LENGTH_MAX else NOT_A_FRAME
        if not _fits(length, data[start + 5]) and length not in _ROUND_ENDS[command]:
            return _alone(data, start, length)
    elif length not in _LENGTHS.get(command, ()):
        return NOT_A_FRAME
    return _whole(data, start, length)


def look_at_command(data: bytes, start: int) -> int:
    """Whether a frame of the host begins at ``start``; see `tagtrail.hardware.protocols.framing.Look`."""
    if data[start] != START:
        return NOT_A_FRAME
    if len(data) - start < 4:
        return MORE
    if data[start + 1] < _LENGTH_MIN or data[start + 3] not in COMMAND_NAMES:
        return NOT_A_FRAME
    return _whole(data, start, data[start + 1])


def _whole(data: bytes, start: int, length: int) -> int:
    end = start + length + 2
    if end > len(data):
        return MORE
    return BAD_CHECKSUM if sum(data[start:end]) & 0xFF else length + 2


def _alone(data: bytes, start: int, length: int) -> int:
    """A tag whose PC word announces another length than the frame has: only if what follows begins anew.

    A sum of eight bits is not enough to take it for one within a stream, where the PC word mostly tells noise.
    """
    end = start + length + 2
    if length > _TAG_LENGTH_MAX or (end < len(data) and data[end] != START):
        return NOT_A_FRAME
    return _whole(data, start, length)


def _fits(length: int, pc_high: int) -> bool:
    """Whether a tag frame of this length holds the EPC that the PC word announces, and perhaps the phase."""
    rest = length - _TAG_LENGTH_MIN - epc_size(pc_high)
    return rest in (0, 2)


def is_tag(answer: bytes) -> bool:
    """Whether a frame of the reader reports a tag, and not the end or an error of a round.

    Only ends of old firmware have an odd length; the PC word tells them from a tag.
    """
    length = answer[1]
    if not length & 1 or length < _TAG_LENGTH_MIN or answer[3] not in ROUNDS:
        return False
    return length not in _ROUND_ENDS[answer[3]] or _fits(length, answer[5])


def epc_end(answer: bytes) -> int:
    """Where the EPC of a tag frame ends: as the PC word says; where that cannot be, the EPC is all that there is."""
    length = answer[1]
    return 7 + epc_size(answer[5]) if _fits(length, answer[5]) else length


def is_round_end(answer: bytes) -> bool:
    """Whether a frame of the reader ends a round."""
    return answer[1] in _ROUND_ENDS.get(answer[3], ()) and not is_tag(answer)


def tag_seen(answer: bytes) -> TagSeen:
    """The read that a tag frame reports.

    Raises:
        BadData: ``epc-length`` or ``pc-length``: this is no identifier to trust.
    """
    end = 7 + epc_size(answer[5])
    if end != (length := answer[1]) and end != length - 2:
        raise BadData("pc-length", f"an EPC of {length - 7} bytes, its PC word announces {end - 7}")
    if end < 7 + EPC_SIZE_MIN:
        raise BadData("epc-length", f"an EPC of {end - 7} bytes")
    where, strength = answer[4], answer[end]
    return TagSeen(
        epc=answer[7:end].hex().upper(),
        antenna=(where & 3) + (5 if strength & GROUP else 1),
        rssi_dbm=RSSI_DBM[strength & ~GROUP],
        frequency_khz=FREQUENCIES_KHZ[where >> 2],
    )
