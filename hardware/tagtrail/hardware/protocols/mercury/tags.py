"""Tag records: the metadata that the host asked for by flags, then the EPC block.

::

    m m ... m   B B   P P   [X X [Y Y]]   E E ... E   K K

``m`` are the metadata fields in the order of their flags, ``B B`` the number of bits from ``P`` to the end, ``P P`` the
PC word, ``X X`` and ``Y Y`` the XPC words (each only where a bit before it says so), ``E`` the EPC, ``K K`` the tag's
own CRC over PC, XPC and EPC. Tags of other protocols than Gen2 have no PC.

Source: Mercury API, ``serial_reader_l3.c``, TMR_SR_parseMetadataOnly and TMR_SR_parseMetadataFromMessage, and
``tmr_tag_data.h``, TMR_TRD_MetadataFlag; the CRC and the PC word: GS1 EPC Gen2 v2, 6.3.2.1.2 and annex F.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct, error
from typing import Final

import msgspec

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.epc import EPC_SIZE_MAX, EPC_SIZE_MIN, epc_crc, with_pc
from tagtrail.hardware.protocols.interface import TagSeen
from tagtrail.hardware.protocols.mercury.tables import GEN2

COUNT: Final = 0x0001
RSSI: Final = 0x0002
ANTENNA: Final = 0x0004
TIMESTAMP: Final = 0x0010
PROTOCOL: Final = 0x0040
EMBEDDED_DATA: Final = 0x0080
GPIO: Final = 0x0100
_GEN2_ONLY: Final = 0x0E00
_TAG_TYPE: Final = 0x2000
_L1_VERIFICATION: Final = 0x8000
_LAST: Final = _TAG_TYPE | _L1_VERIFICATION
_UNKNOWN: Final = 0x4000

_BEFORE_DATA: Final = (
    (COUNT, "B", ("read_count",)),
    (RSSI, "b", ("rssi_dbm",)),
    (ANTENNA, "B", ("antenna_raw",)),
    (0x0008, "BH", ("frequency_high", "frequency_khz")),
    (TIMESTAMP, "I", ("timestamp_ms",)),
    (0x0020, "H", ("phase_raw",)),
    (PROTOCOL, "B", ("protocol",)),
)
_AFTER_DATA: Final = (
    (GPIO, "B", ("gpio_raw",)),
    (0x0200, "B", ("gen2_q",)),
    (0x0400, "B", ("gen2_link_frequency_raw",)),
    (0x0800, "B", ("gen2_target",)),
    (0x1000, "H", ("brand_id",)),
)
_DATA_ERROR: Final = 0x8000
_BITS: Final = Struct(">H")
_MULTIPLEXER: Final = 0x0C
"""GPIO lines that tell how many times 16 a port is above what its nibble says."""
_PC_HAS_XPC: Final = 0x02
_XPC_HAS_SECOND: Final = 0x80
_TAG_TYPE_SIZE_MAX: Final = 8


class Record(msgspec.Struct, frozen=True, gc=False):
    """One tag as a module reports it.

    Attributes:
        fields: Metadata by name; all are numbers.
        data: Memory that the module read along; with ``data_error`` it is empty.
        data_error: Status code of that embedded read; 0 where it worked or was not asked for.
        pc: PC word and XPC words; empty for other protocols than Gen2.
        epc_crc_ok: Whether the tag's own CRC fits; True where the protocol's CRC is not known to us.
    """

    fields: dict[str, int]
    data: bytes | None
    data_error: int
    epc_bits: int
    pc: bytes
    epc: bytes
    epc_crc: bytes
    epc_crc_ok: bool


@lru_cache(maxsize=64)
def _layout(flags: int) -> tuple[Struct, tuple[str, ...], Struct, tuple[str, ...]]:
    """Packed form and names of the fixed fields before and after the embedded data."""
    before = [field for field in _BEFORE_DATA if flags & field[0]]
    after = [field for field in _AFTER_DATA if flags & field[0]]
    return (
        Struct(">" + "".join(code for _, code, _ in before)),
        tuple(name for _, _, names in before for name in names),
        Struct(">" + "".join(code for _, code, _ in after)),
        tuple(name for _, _, names in after for name in names),
    )


def unpack_fields(source: bytes, position: int, flags: int) -> tuple[dict[str, int], bytes | None, int, int]:
    """Read the metadata that ``flags`` announce.

    Returns:
        Fields, embedded data (None without), status of the embedded read, and the position behind it all.

    Raises:
        BadData: ``truncated``, or ``metadata-flags`` for a flag whose size nobody has published.
    """
    if flags & _UNKNOWN:
        raise BadData("metadata-flags", f"metadata flags {flags:04X} have a bit of unknown meaning")
    before, names, after, after_names = _layout(flags)
    data, data_error = None, 0
    try:
        fields: dict[str, int] = dict(zip(names, before.unpack_from(source, position), strict=True))
        position += before.size
        if "frequency_high" in fields:
            fields["frequency_khz"] |= fields.pop("frequency_high") << 16
        if flags & EMBEDDED_DATA:
            (bits,) = _BITS.unpack_from(source, position)
            position += 2
            fields["data_bits"] = bits
            if bits & _DATA_ERROR:
                data = b""
                (data_error,) = _BITS.unpack_from(source, position)
                position += 2
            else:
                data, position = _take(source, position, (bits + 7) // 8)
        if after_names:
            if flags & _GEN2_ONLY and fields.get("protocol", GEN2) != GEN2:
                _, _, after, after_names = _layout(flags & ~_GEN2_ONLY)
            fields.update(zip(after_names, after.unpack_from(source, position), strict=True))
            position += after.size
        if flags & _LAST:
            if flags & _TAG_TYPE:
                fields["tag_type"], position = unpack_ebv(source, position)
            if flags & _L1_VERIFICATION:
                (fields["l1_verification"],) = _BITS.unpack_from(source, position)
                position += 2
    except error:
        raise BadData("truncated", "the frame ends within the metadata") from None
    return fields, data, data_error, position


def pack_fields(flags: int, values: Mapping[str, int]) -> bytes:
    """Write the metadata that ``flags`` ask for; what ``values`` lack is 0, and embedded data is empty."""
    before, names, after, after_names = _layout(flags)
    return b"".join(
        (
            before.pack(*[values.get(name, 0) for name in names]),
            b"\0\0" if flags & EMBEDDED_DATA else b"",
            after.pack(*[values.get(name, 0) for name in after_names]),
            pack_ebv(values.get("tag_type", 0)) if flags & _TAG_TYPE else b"",
            _BITS.pack(values.get("l1_verification", 0)) if flags & _L1_VERIFICATION else b"",
        )
    )


def pack_ebv(value: int) -> bytes:
    """Write an extensible bit vector.

    >>> pack_ebv(0x81).hex()
    '8101'
    """
    packed = bytes((value & 0x7F,))
    while value := value >> 7:
        packed = bytes((value & 0x7F | 0x80,)) + packed
    return packed


def unpack_ebv(source: bytes, position: int) -> tuple[int, int]:
    """Read an extensible bit vector: seven bits per byte, the top bit says that one more follows.

    Returns:
        The value and the position behind it.

    Raises:
        BadData: ``truncated``.
    """
    value = 0
    for byte in source[position : position + _TAG_TYPE_SIZE_MAX]:
        value = value << 7 | byte & 0x7F
        position += 1
        if not byte & 0x80:
            return value, position
    raise BadData("truncated", "an extensible bit vector has no end")


def unpack_record(source: bytes, position: int, flags: int, *, short: bool = False) -> tuple[Record, int]:
    """Read one tag record.

    Args:
        source: Where it is.
        position: Where it begins.
        flags: The metadata in it.
        short: The length of the EPC block is one number of bytes, as Silion modules write it, not two of bits.

    Returns:
        The record and the position behind it.

    Raises:
        BadData: ``truncated``, ``metadata-flags``, or ``epc-length`` where the bits do not hold PC and CRC.
    """
    fields, data, data_error, position = unpack_fields(source, position, flags)
    length, position = _take(source, position, 1 if short else 2)
    bits = length[0] << 3 if short else length[0] << 8 | length[1]
    block, position = _take(source, position, (bits + 7) // 8)
    pc, epc, crc, crc_ok = _cut_block(block, fields.get("protocol", GEN2) == GEN2)
    return Record(fields, data, data_error, bits, pc, epc, crc, crc_ok), position


@lru_cache(maxsize=4096)
def _cut_block(block: bytes, gen2: bool) -> tuple[bytes, bytes, bytes, bool]:
    """PC with XPC, EPC, CRC, and whether that fits; remembered, since the same tags are read over and over."""
    pc_size = 0
    if gen2:
        pc_size = 2
        if len(block) > pc_size and block[0] & _PC_HAS_XPC:
            pc_size = 6 if block[2] & _XPC_HAS_SECOND else 4
    if len(block) < pc_size + 2:
        raise BadData("epc-length", f"{len(block)} bytes do not hold PC, EPC and CRC")
    crc = block[-2:]
    crc_ok = not gen2 or epc_crc(block[:-2]) == crc[0] << 8 | crc[1]
    return block[:pc_size], block[pc_size:-2], crc, crc_ok


@lru_cache(maxsize=4096)
def epc_block(epc: str, *, short: bool = False) -> bytes:
    """The EPC block of a Gen2 tag: length, PC word, EPC, CRC.

    >>> epc_block("000000000000000000001545").hex()
    '00803000000000000000000000001545e94a'

    Args:
        epc: Hex digits.
        short: As of `unpack_record`.

    Raises:
        ValueError: Not hex, not whole 16-bit words, or longer than a PC word can say.
    """
    block = with_pc(epc)
    size = len(block) + 2
    length = bytes((size,)) if short else (size * 8).to_bytes(2, "big")
    return length + block + epc_crc(block).to_bytes(2, "big")


def antenna_port(raw: int, *, plain: bool | None, gpio_raw: int = 0) -> int:
    """The port as printed on the reader, from the antenna byte of a tag record.

    M6e and its kin report transmit and receive port in a nibble each, where 0 means 16; an M6e that has ports above 16
    behind a multiplexer tells by the states of its third and fourth GPIO line how often 16 comes on top. M7e reports
    the plain number (serial_reader_l3.c, TMR_SR_postprocessReaderSpecificMetadata).

    Args:
        raw: The byte.
        plain: Whether the module reports plain numbers; None while the model is not known: then a byte without a
            transmit nibble is taken as plain, since 16 as transmit port with another receive port is all but unused.
        gpio_raw: States of the GPIO lines; 0 where they do not drive a multiplexer.
    """
    if plain or (plain is None and 0 < raw < 16):
        return raw
    return (raw >> 4 or 16) + (gpio_raw & _MULTIPLEXER) * 4


def fault(record: Record) -> str | None:
    """Why the EPC of a record is no identifier to trust: ``epc-crc`` or ``epc-length``; None where it is."""
    if record.epc_crc_ok and EPC_SIZE_MIN <= len(record.epc) <= EPC_SIZE_MAX:
        return None
    return "epc-length" if record.epc_crc_ok else "epc-crc"


def tag_seen(record: Record, *, plain_antenna: bool | None, multiplexed: bool = False) -> TagSeen:
    """The read that a record reports.

    Args:
        record: What was reported.
        plain_antenna: ``plain`` of `antenna_port`.
        multiplexed: The GPIO lines drive a multiplexer.

    Raises:
        BadData: ``epc-crc`` or ``epc-length``, as of `fault`.
    """
    if reason := fault(record):
        raise BadData(reason, f"EPC {record.epc.hex().upper()} with the CRC {record.epc_crc.hex().upper()}")
    get = record.fields.get
    antenna = get("antenna_raw")
    return TagSeen(
        epc=record.epc.hex().upper(),
        antenna=None
        if antenna is None
        else antenna_port(antenna, plain=plain_antenna, gpio_raw=get("gpio_raw", 0) if multiplexed else 0),
        rssi_dbm=get("rssi_dbm"),
        count=get("read_count") or 1,
        frequency_khz=get("frequency_khz"),
        phase_deg=get("phase_raw"),
        reader_time_ms=get("timestamp_ms"),
    )


def _take(source: bytes, position: int, size: int) -> tuple[bytes, int]:
    end = position + size
    if end > len(source):
        raise BadData("truncated", f"the frame ends {end - len(source)} bytes early")
    return source[position:end], end
