"""Straightforward decoders, as one would write them first: byte by byte, a table for the CRC, fixed offsets.

They are what `bench_decode` compares with, and they do less than the families: they read the one layout of a tag frame
that the benchmark sends, count nothing, and lose the good frame behind a false start.
"""

from collections.abc import Callable
from typing import NamedTuple

from tagtrail.hardware.protocols.interface import TagSeen

Decoder = Callable[[bytes], list[TagSeen]]


class Layout(NamedTuple):
    """One family: ``size`` tells the whole frame's bytes from its first ones, 0 while it cannot."""

    start: int | None
    size: Callable[[bytearray], int]
    good: Callable[[bytearray], bool]
    tag: Callable[[bytearray], TagSeen | None]


def decoder(layout: Layout) -> Decoder:
    """A decoder of a whole stream."""

    def decode(data: bytes) -> list[TagSeen]:
        tags: list[TagSeen] = []
        frame = bytearray()
        for byte in data:
            if not frame and layout.start is not None and byte != layout.start:
                continue
            frame.append(byte)
            size = layout.size(frame)
            if size and len(frame) >= size:
                if layout.good(frame):
                    seen = layout.tag(frame)
                    if seen is not None:
                        tags.append(seen)
                frame = bytearray()
        return tags

    return decode


def _table(polynomial: int, *, mirrored: bool) -> list[int]:
    table = []
    for byte in range(256):
        crc = byte if mirrored else byte << 8
        for _ in range(8):
            if mirrored:
                crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
            else:
                crc = (crc << 1 ^ (polynomial if crc & 0x8000 else 0)) & 0xFFFF
        table.append(crc)
    return table


_CCITT = _table(0x1021, mirrored=False)
_MCRF = _table(0x8408, mirrored=True)


def _ccitt(data: bytearray) -> int:
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _CCITT[crc >> 8 ^ byte]
    return crc


def _mcrf(data: bytearray) -> int:
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _MCRF[(crc ^ byte) & 0xFF]
    return crc


def _bottom(data: bytearray) -> int:
    """Mercury's CRC: the bits come in at the bottom of the register."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc << 8 & 0xFFFF | byte) ^ _CCITT[crc >> 8]
    return crc


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _hex(part: bytearray) -> str:
    return part.hex().upper()


def _mercury(frame: bytearray) -> TagSeen | None:
    """Search flags, metadata 0057: count, RSSI, antenna, time, protocol."""
    if frame[2] != 0x22 or frame[3:5] != b"\0\0" or frame[10] != 1:
        return None
    return TagSeen(
        epc=_hex(frame[23:-4]),
        antenna=frame[13] >> 4,
        rssi_dbm=_signed(frame[12]),
        count=frame[11],
        reader_time_ms=int.from_bytes(frame[14:18], "big"),
    )


def _silion(frame: bytearray) -> TagSeen | None:
    if frame[2] != 0xAA or frame[3:5] != b"\0\0" or frame[5:9] == b"Modu":
        return None
    return TagSeen(
        epc=_hex(frame[18:-4]),
        antenna=frame[9] >> 4,
        rssi_dbm=_signed(frame[8]),
        count=frame[7],
        reader_time_ms=int.from_bytes(frame[10:14], "big"),
    )


def _a0(frame: bytearray) -> TagSeen | None:
    if frame[1] < 11 or frame[3] not in (0x89, 0x8A, 0x8B):
        return None
    index, raw = frame[4] >> 2, frame[-2]
    return TagSeen(
        epc=_hex(frame[7:-2]),
        antenna=(frame[4] & 3) + 1,
        rssi_dbm=raw - 129 if raw >= 90 else raw - 130,
        frequency_khz=865_000 + 500 * index if index < 7 else 902_000 + 500 * (index - 7),
    )


def _bb(frame: bytearray) -> TagSeen | None:
    if frame[1] != 2 or frame[2] != 0x22:
        return None
    return TagSeen(epc=_hex(frame[8:-4]), rssi_dbm=_signed(frame[5]))


def _chafon(frame: bytearray) -> TagSeen | None:
    if frame[2] != 1 or frame[3] != 3:
        return None
    return TagSeen(epc=_hex(frame[7:-3]), antenna=frame[4].bit_length(), rssi_raw=frame[-3])


def _card(frame: bytearray) -> TagSeen | None:
    return TagSeen(epc=frame[1:11].decode())


def _card_good(frame: bytearray) -> bool:
    code = bytes.fromhex(frame[1:13].decode())
    return code[0] ^ code[1] ^ code[2] ^ code[3] ^ code[4] == code[5]


def _template(frame: bytearray) -> TagSeen | None:
    if frame[2] != ord("T"):
        return None
    return TagSeen(epc=_hex(frame[5:-2]), antenna=frame[3], rssi_dbm=_signed(frame[4]))


def _mercury_size(frame: bytearray) -> int:
    return frame[1] + 7 if len(frame) > 1 else 0


def _mercury_good(frame: bytearray) -> bool:
    return _bottom(frame[1:-2]) == frame[-2] << 8 | frame[-1]


DECODERS: dict[str, Decoder] = {
    name: decoder(layout)
    for name, layout in {
        "template": Layout(0x54, lambda f: f[1] + 4 if len(f) > 1 else 0, lambda f: _ccitt(f[1:]) == 0, _template),
        "mercury": Layout(0xFF, _mercury_size, _mercury_good, _mercury),
        "mercury-silion": Layout(0xFF, _mercury_size, _mercury_good, _silion),
        "invelion-a0": Layout(0xA0, lambda f: f[1] + 2 if len(f) > 1 else 0, lambda f: sum(f) & 0xFF == 0, _a0),
        "magicrf-bb": Layout(
            0xBB,
            lambda f: (f[3] << 8 | f[4]) + 7 if len(f) > 4 else 0,
            lambda f: f[-1] == 0x7E and sum(f[1:-2]) & 0xFF == f[-2],
            _bb,
        ),
        "chafon": Layout(None, lambda f: f[0] + 1, lambda f: _mcrf(f) == 0, _chafon),
        "rdm6300": Layout(0x02, lambda _: 14, _card_good, _card),
        "id12la": Layout(0x02, lambda _: 16, _card_good, _card),
    }.items()
}
