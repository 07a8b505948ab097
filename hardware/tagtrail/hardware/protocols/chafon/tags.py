"""What a reader tells: tags in both layouts, and itself; both ways.

Tags of an inventory, by the layout of the reader::

    18     n  then n times  l e e ... e
    288    a  n  then n times  l e e ... e  r  [p p p p f f f]

``a`` antennas as a bit mask (bit 0 = port 1), ``n`` tags, ``l`` length of the EPC ``e``, ``r`` signal strength on a
scale that no manual documents. In layout 288 the length has two flags: 80 = the last 12 bytes of ``e`` are the TID,
40 = phase ``p`` and frequency ``f`` in kHz follow (newer firmware).

A reader in real time mode reports ``a l e ... e r`` (288) or the bare EPC (18).

Source: UHFReader18 User's Manual V2.0, 8.2.1; UHF RFID Reader UR-SERIES User Manual v1.14, 8.2.1 and p. 72 (real time).
"""

from typing import Final

import msgspec

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.chafon.tables import BANDS, TYPE_NAMES, Band, Layout
from tagtrail.hardware.protocols.epc import EPC_SIZE_MAX, EPC_SIZE_MIN
from tagtrail.hardware.protocols.interface import TagSeen

PORT_MAX: Final = 8
"""The antenna mask of a tag report has eight bits."""
ANTENNA_CODE: Final = 0x80
"""An inventory names its antenna as 80 for port 1, 81 for port 2…"""

UHF_MIN_KHZ, UHF_MAX_KHZ = 840_000, 960_000
"""What the bands of all countries lie within."""

_HAS_TID, _HAS_PHASE, _SIZE = 0x80, 0x40, 0x3F
_TID_SIZE: Final = 12
_PHASE_SIZE, _FREQUENCY_SIZE = 4, 3


class Record(msgspec.Struct, frozen=True, gc=False):
    """One tag of a report.

    Attributes:
        mask: Antennas that saw it, bit 0 for port 1; None where the layout has none.
        epc: EPC; whatever else the reader was set to report in its place, e.g. the TID.
        rssi_raw: Signal strength, one unsigned byte; None where the layout has none.
        tid: Where the reader was asked for both (FastID).
        phase: Undocumented, as it came.
        frequency_khz: None where the reader does not tell it.
        count: How often it was seen; only a reader's buffer tells it.
    """

    mask: int | None
    epc: bytes
    rssi_raw: int | None = None
    tid: bytes | None = None
    phase: bytes | None = None
    frequency_khz: int | None = None
    count: int | None = None


def temperature_c(data: bytes) -> int:
    """Degrees from the reply to `Command.GET_TEMPERATURE`: sign (0 is below zero), then degrees.

    Raises:
        BadData: ``temperature``: not two bytes.
    """
    if len(data) != 2:
        raise BadData("temperature", f"{len(data)} bytes that are no temperature")
    return data[1] if data[0] else -data[1]


def parse_inventory(data: bytes, layout: Layout) -> list[Record]:
    """The tags of an inventory reply.

    Raises:
        BadData: ``layout``: the data are not so many tags, exactly.
    """
    with_antenna = layout is Layout.WITH_ANTENNA
    try:
        number = data[1] if with_antenna else data[0]
        position = 2 if with_antenna else 1
        records = []
        for _ in range(number):
            if with_antenna:
                record, position = _unpack(data, position, data[0])
            else:
                end = position + 1 + data[position]
                record, position = Record(None, data[position + 1 : end]), end
            records.append(record)
    except IndexError:
        position = -1
    if position != len(data):
        raise BadData("layout", f"{len(data)} bytes that are no inventory in layout {layout.value}")
    return records


def parse_report(data: bytes) -> Record:
    """The tag of a report in real time mode.

    Readers that answer in layout 288 may report in the form of 18, so it is the report itself that tells: an EPC is
    whole words, so the bare EPC has an even number of bytes, and the form of 288 an odd one, but where phase and
    frequency follow.

    Raises:
        BadData: ``layout``.
    """
    if len(data) > 2 and (len(data) % 2 or data[1] & _HAS_PHASE):
        try:
            record, end = _unpack(data, 1, data[0])
        except IndexError:
            end = -1
        if end == len(data) and len(record.epc) % 2 == 0 and _is_uhf(record.frequency_khz):
            return record
    if not EPC_SIZE_MIN <= len(data) <= EPC_SIZE_MAX or len(data) % 2:
        raise BadData("layout", f"{len(data)} bytes that are no report in real time mode")
    return Record(None, data)


def _is_uhf(frequency_khz: int | None) -> bool:
    return frequency_khz is None or UHF_MIN_KHZ <= frequency_khz <= UHF_MAX_KHZ


def parse_buffer(data: bytes) -> list[Record]:
    """The tags of a reader's buffer: the records of layout 288, each with its antennas before and its count behind.

    Raises:
        BadData: ``layout``.
    """
    records, position = [], 1
    try:
        for _ in range(data[0]):
            record, position = _unpack(data, position + 1, data[position])
            records.append(msgspec.structs.replace(record, count=data[position]))
            position += 1
    except IndexError:
        position = -1
    if position != len(data):
        raise BadData("layout", f"{len(data)} bytes that are no buffer of tags")
    return records


def _unpack(data: bytes, position: int, mask: int) -> tuple[Record, int]:
    """One record of layout 288 from its length byte on, and the position behind it.

    Raises:
        IndexError: The data end before the signal strength.
    """
    length = data[position]
    start = position + 1
    end = start + (length & _SIZE)
    epc, rssi_raw = data[start:end], data[end]
    if length <= _SIZE:
        return Record(mask, epc, rssi_raw), end + 1
    tid = phase = frequency_khz = None
    if length & _HAS_TID and len(epc) > _TID_SIZE:
        epc, tid = epc[:-_TID_SIZE], epc[-_TID_SIZE:]
    end += 1
    if length & _HAS_PHASE:
        phase = data[end : end + _PHASE_SIZE]
        frequency_khz = int.from_bytes(data[end + _PHASE_SIZE : end + _PHASE_SIZE + _FREQUENCY_SIZE], "big")
        end += _PHASE_SIZE + _FREQUENCY_SIZE
    return Record(mask, epc, rssi_raw, tid, phase, frequency_khz), end


def antenna_port(mask: int | None) -> int | None:
    """The port as printed on the reader; None where the mask names none or several.

    >>> antenna_port(0x04), antenna_port(0x05)
    (3, None)
    """
    return mask.bit_length() if mask and not mask & (mask - 1) else None


def tag_seen(record: Record) -> TagSeen:
    """The read that a record reports.

    Raises:
        BadData: ``epc-length``: this is no identifier.
    """
    if not EPC_SIZE_MIN <= len(record.epc) <= EPC_SIZE_MAX:
        raise BadData("epc-length", f"an EPC of {len(record.epc)} bytes")
    mask = record.mask
    return TagSeen(
        epc=record.epc.hex().upper(),
        antenna=mask.bit_length() if mask and not mask & (mask - 1) else None,
        rssi_raw=record.rssi_raw,
        count=record.count or 1,
        frequency_khz=record.frequency_khz,
    )


class Info(msgspec.Struct, frozen=True):
    """What a reader says of itself; older ones tell less, and what they do not tell is None.

    Attributes:
        antenna_mask: Antennas that are switched on, bit 0 for port 1.
        beeper: Whether it beeps at each tag.
        check_antennas: Whether it looks for missing antennas before it reads.
    """

    version: tuple[int, int]
    reader_type: int
    protocols: int
    channel_max: int
    channel_min: int
    power_dbm: int
    scan_time_100ms: int
    antenna_mask: int | None = None
    beeper: int | None = None
    check_antennas: int | None = None

    @property
    def layout(self) -> Layout:
        """That of the reader's type; where it is unknown, a reader that tells its antennas here tells them always."""
        for layout in Layout:
            if self.reader_type in layout.types:
                return layout
        return Layout.WITHOUT_ANTENNA if self.antenna_mask is None else Layout.WITH_ANTENNA

    @property
    def band_code(self) -> int:
        """Number of the frequency band: two bits each of both channel bytes."""
        return self.channel_max >> 6 << 2 | self.channel_min >> 6

    @property
    def band(self) -> Band | None:
        """The frequency band; None for one that no manual knows."""
        return BANDS.get(self.band_code)

    @property
    def model(self) -> str:
        """Name for people."""
        return TYPE_NAMES.get(self.reader_type, f"reader of unknown type {self.reader_type:02X}")

    def data(self) -> bytes:
        """Data bytes of the reply: eight, or twelve where antennas are told."""
        said = bytes((*self.version, self.reader_type, self.protocols, self.channel_max, self.channel_min))
        said += bytes((self.power_dbm, self.scan_time_100ms))
        if self.antenna_mask is None:
            return said
        return said + bytes((self.antenna_mask, self.beeper or 0, 0, self.check_antennas or 0))


INFO_SIZES: Final = {8: "18", 10: "188", 12: "288"}
"""Data bytes of the information of a reader → who sends so many."""


def parse_info(data: bytes) -> Info:
    """Read what a reader says of itself.

    Raises:
        BadData: ``truncated``.
    """
    if len(data) < min(INFO_SIZES):
        raise BadData("truncated", f"{len(data)} bytes are too few for the information of a reader")
    more = (data[8], data[9], data[11]) if len(data) >= max(INFO_SIZES) else (None, None, None)
    return Info((data[0], data[1]), *data[2:8], *more)
