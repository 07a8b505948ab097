"""What every Gen2 reader reports of a tag: PC word, EPC, and the tag's own CRC.

Source: GS1 EPC Gen2 v2, 6.3.2.1.2 (PC word) and annex F (CRC-16).
"""

from binascii import crc_hqx
from functools import lru_cache

EPC_SIZE_MIN, EPC_SIZE_MAX = 2, 62
"""Bytes. One word is the shortest EPC that is any, 31 words the longest that a PC word can announce."""


def epc_crc(message: bytes) -> int:
    """The CRC that a tag sends behind its PC, XPC and EPC (CRC-16/GENIBUS).

    >>> f"{epc_crc(bytes.fromhex('340030751FEB705C5904E3D50D70')):04X}"
    '3A76'
    """
    return crc_hqx(message, 0xFFFF) ^ 0xFFFF


def epc_size(pc_high: int) -> int:
    """Bytes of EPC that a PC word announces, given its first byte.

    >>> epc_size(0x30)
    12
    """
    return pc_high >> 3 << 1


@lru_cache(maxsize=4096)
def with_pc(epc: str) -> bytes:
    """PC word and EPC of a Gen2 tag.

    >>> with_pc("E2801160").hex()
    '1000e2801160'

    Raises:
        ValueError: Not hex, not whole 16-bit words, or longer than a PC word can say.
    """
    code = bytes.fromhex(epc)
    if len(code) % 2 or len(code) > EPC_SIZE_MAX:
        raise ValueError(f"EPC {epc}: a Gen2 EPC is 0 to {EPC_SIZE_MAX // 2} words of 4 hex digits")
    return (len(code) // 2 << 11).to_bytes(2, "big") + code
