"""M100 frames: build them, know them in a stream of bytes, and read the tags in them.

One letter or pair per byte; all numbers are big-endian::

    BB  T  c  L L  p p ... p  K  7E                 T = 00 command, 01 answer, 02 notice
    BB  02 22 L L  R  P P  E E ... E  C C  K  7E    a tag

``c`` is the command, ``L L`` the number of parameter bytes ``p``, ``K`` the sum from ``T`` to the last ``p``. In a tag
notice ``R`` is the signal strength in dBm, ``P P`` the PC word, ``E`` the EPC, ``C C`` the tag's own CRC. Some firmware
(and the examples of the manual) have AA and DD in the places of BB and 7E; all of these bytes occur within frames too.

One frame of noise in 256 has a right sum, so the shape must be right as well: both ends, a known command, a length that
it can have, and for tags an EPC as long as its PC word says.

Source: "R200 user protocol" V2.3.3, section 3 (frames) and 4 (commands).
"""

from enum import Enum
from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.epc import EPC_SIZE_MAX, EPC_SIZE_MIN, epc_crc, epc_size
from tagtrail.hardware.protocols.framing import BAD_CHECKSUM, MORE, NOT_A_FRAME
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.protocols.magicrf_bb.tables import COMMAND_NAMES, Command

COMMAND, ANSWER, NOTICE = 0, 1, 2
OVERHEAD: Final = 7
"""Bytes of a frame that are not parameters."""
_HEAD: Final = 5
TAG_OVERHEAD: Final = 5
"""Parameter bytes of a tag notice that are not EPC."""
_ENDS: Final = {0xBB: 0x7E, 0xAA: 0xDD}


class Variant(Enum):
    """First and last byte of all frames of a reader."""

    BB_7E = (0xBB, 0x7E)
    AA_DD = (0xAA, 0xDD)


_MEMORY_MAX: Final = 255
_TAG_MAX: Final = 1 + 2 + EPC_SIZE_MAX + 1
_ANSWER_SIZES_MAX: Final[dict[int, int]] = dict.fromkeys(COMMAND_NAMES, 1) | {
    Command.GET_INFO: 64,
    Command.IDLE: 3,
    Command.GET_SELECT: 7 + 32,
    Command.GET_QUERY: 2,
    Command.READ: _MEMORY_MAX,
    Command.WRITE: _TAG_MAX,
    Command.KILL: _TAG_MAX,
    Command.LOCK: _TAG_MAX,
    Command.GET_POWER: 2,
    Command.BLOCK_PERMALOCK: _TAG_MAX,
    Command.BLOCK_PERMALOCK_STATUS: _MEMORY_MAX,
    Command.NXP_CHANGE_CONFIG: _TAG_MAX + 2,
    Command.NXP_READ_PROTECT: _TAG_MAX,
    Command.NXP_RESET_READ_PROTECT: _TAG_MAX,
    Command.NXP_CHANGE_EAS: _TAG_MAX,
    Command.NXP_EAS_ALARM: 64,
    Command.QT: _TAG_MAX + 2,
    Command.QT_READ: _TAG_MAX + 2,
    Command.GET_DEMODULATOR: 4,
    Command.SCAN_JAMMER: _MEMORY_MAX,
    Command.SCAN_RSSI: _MEMORY_MAX,
    Command.ERROR: 1 + _TAG_MAX,
}
"""Parameter bytes that an answer can have, by command; most only say that all went well."""


def frame(command: int, parameters: bytes = b"", *, kind: int = COMMAND, variant: Variant = Variant.BB_7E) -> bytes:
    """A frame of either direction.

    >>> frame(0x22).hex()
    'bb00220000227e'
    """
    body = bytes((kind, command)) + len(parameters).to_bytes(2, "big") + parameters
    start, end = variant.value
    return bytes((start,)) + body + bytes((sum(body) & 0xFF, end))


def in_any_variant(command: int, parameters: bytes = b"") -> bytes:
    """A command for a module whose variant is not known; of the other one it takes no notice."""
    return b"".join(frame(command, parameters, variant=variant) for variant in Variant)


def look_at_answer(data: bytes, start: int) -> int:
    """Whether a frame of the reader begins at ``start``; see `tagtrail.hardware.protocols.framing.Look`."""
    if data[start] not in _ENDS:
        return NOT_A_FRAME
    head = data[start + 1 : start + _HEAD + 3]
    if len(head) < 4:
        return _begins(head, (ANSWER, NOTICE))
    kind, command, size = head[0], head[1], head[2] << 8 | head[3]
    if kind == NOTICE and command == Command.SINGLE_POLL:
        if not TAG_OVERHEAD <= size <= TAG_OVERHEAD + EPC_SIZE_MAX:
            return NOT_A_FRAME
        if len(head) > 5 and epc_size(head[5]) != size - TAG_OVERHEAD and not _has_epc_crc(data, start, size):
            return NOT_A_FRAME
    elif kind != ANSWER or not 1 <= size <= _ANSWER_SIZES_MAX.get(command, 0):
        return NOT_A_FRAME
    return _whole(data, start, size)


def _has_epc_crc(data: bytes, start: int, size: int) -> bool:
    """Whether the tag's own CRC vouches for an EPC whose PC word announces another length, or may when all has come."""
    end = start + _HEAD + size
    return len(data) < end or epc_crc(data[start + _HEAD + 1 : end - 2]) == data[end - 2] << 8 | data[end - 1]


def look_at_command(data: bytes, start: int) -> int:
    """Whether a frame of the host begins at ``start``; see `tagtrail.hardware.protocols.framing.Look`."""
    if data[start] not in _ENDS:
        return NOT_A_FRAME
    head = data[start + 1 : start + _HEAD]
    if len(head) < 4:
        return _begins(head, (COMMAND,))
    if head[0] != COMMAND or head[1] not in COMMAND_NAMES or head[2]:
        return NOT_A_FRAME
    return _whole(data, start, head[3])


def _begins(head: bytes, kinds: tuple[int, ...]) -> int:
    return MORE if not head or head[0] in kinds else NOT_A_FRAME


def _whole(data: bytes, start: int, size: int) -> int:
    last = start + size + OVERHEAD - 1
    if last >= len(data):
        return MORE
    if data[last] != _ENDS[data[start]]:
        return NOT_A_FRAME
    return size + OVERHEAD if sum(data[start + 1 : last - 1]) & 0xFF == data[last - 1] else BAD_CHECKSUM


def is_tag(answer: bytes) -> bool:
    """Whether a frame of the reader reports a tag."""
    return answer[1] == NOTICE


def tag_seen(answer: bytes) -> TagSeen:
    """The read that a tag notice reports.

    Raises:
        BadData: ``epc-crc`` or ``epc-length``: this is no identifier to trust.
    """
    epc = answer[8:-4]
    if epc_crc(answer[6:-4]) != answer[-4] << 8 | answer[-3]:
        raise BadData("epc-crc", f"EPC {epc.hex().upper()} does not fit its CRC {answer[-4:-2].hex().upper()}")
    if len(epc) < EPC_SIZE_MIN:
        raise BadData("epc-length", f"an EPC of {len(epc)} bytes")
    strength = answer[5]
    return TagSeen(epc=epc.hex().upper(), rssi_dbm=strength - 256 if strength > 127 else strength)
