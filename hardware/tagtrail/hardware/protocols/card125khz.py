"""Readers of 125 kHz cards (EM4100 and alike): they only transmit, one frame of text per sighting.

::

    02  V V  T T T T T T T T  C C  [0D 0A]  03

``V V`` is the version byte and ``T…`` the 32-bit number of the card, ``C C`` the XOR of these five bytes, all as
upper-case hex digits. RDM6300 sends 14 bytes, again and again while a card is in the field (about every 65 ms); ID-12LA
and ID-20LA send 16, once per presentation. One decoder takes both. There are no commands and no sign of life: a reader
that is not connected is as quiet as one without a card.

Sources: ID-12LA / ID-20LA data sheet, "Output data structure - ASCII"; RDM630 specification, "Data format".
"""

from binascii import Error, unhexlify
from functools import partial
from typing import Final

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols.family import SerialFamily, Side, one_by_one
from tagtrail.hardware.protocols.framing import BAD_CHECKSUM, MORE, NOT_A_FRAME, Framer
from tagtrail.hardware.protocols.interface import Counters, ReaderSettings, TagSeen
from tagtrail.hardware.protocols.session import Session

CARD_BYTES: Final = 5
"""Version byte and number; their 10 hex digits are the card's EPC here."""
NOMINAL_POWER_DBM: Final = 10.0
"""Stands for a field that nobody can set."""

_STX: Final = 0x02
_ETX: Final = b"\x03"
_LINE_ETX: Final = b"\r\n\x03"
_LINES_ETX: Final = (_LINE_ETX, b"\r\x03", b"\n\x03")
"""What can stand behind the digits instead of the end alone: the first is what data sheets print."""


def card_framer(counters: Counters) -> Framer:
    """Finds cards in a stream of bytes.

    An XOR of eight bits is a weak check, so everything else must be right too: both ends, the number of digits, and
    upper case. What has both ends and is wrong within is rejected as ``not-hex`` or ``lower-case`` (a bad contact).
    """

    def look(data: bytes, start: int) -> int:
        digits = data[start + 1 : start + 13]
        if _STX in digits:
            return NOT_A_FRAME
        tail = data[start + 13 : start + 16]
        if tail[:1] == _ETX:
            size = 14
        elif tail in _LINES_ETX or tail[:2] in _LINES_ETX:
            size = 16 if tail == _LINE_ETX else 15
        else:
            return MORE if any(end.startswith(tail) for end in _LINES_ETX) else NOT_A_FRAME
        try:
            code = unhexlify(digits)
        except Error:
            counters.reject("not-hex")
            return NOT_A_FRAME
        if digits != digits.upper():
            counters.reject("lower-case")
            return NOT_A_FRAME
        return size if code[0] ^ code[1] ^ code[2] ^ code[3] ^ code[4] == code[5] else BAD_CHECKSUM

    return Framer(look, counters, start=_STX)


def card_of(frame: bytes) -> str:
    """The ten digits of a whole frame."""
    return frame[1:11].decode("ascii")


def card_frame(card: str, *, new_line: bool) -> bytes:
    """The frame of a card; with a new line as ID-12LA sends it, without as RDM6300.

    >>> card_frame("62E3086CED", new_line=False).hex()
    '0236324533303836434544303803'

    Raises:
        ValueError: Not ten hex digits.
    """
    code = bytes.fromhex(card)
    if len(code) != CARD_BYTES or len(card) != 2 * CARD_BYTES:
        raise ValueError(f"EPC {card}: a 125 kHz card has {2 * CARD_BYTES} hex digits")
    check = code[0] ^ code[1] ^ code[2] ^ code[3] ^ code[4]
    return b"\x02%s%02X%s" % (card.upper().encode("ascii"), check, _LINE_ETX if new_line else _ETX)


def describe(frame: bytes) -> dict[str, object]:
    """The meaning of one whole frame, with the number in the two ways in which cards are printed."""
    card = card_of(frame)
    number = int(card[2:], 16)
    return {
        "kind": "card_read",
        "epc": card,
        "antenna": None,
        "rssi_dbm": None,
        "version": card[:2],
        "tag_id": card[2:],
        "raw_hex10": card,
        "checksum": frame[11:13].decode("ascii"),
        "decimal10": f"{number:010d}",
        "decimal_3_5": f"{number >> 16 & 0xFF:03d},{number & 0xFFFF:05d}",
    }


class CardHost(Session):
    """Host session of one card reader: it listens, and nothing else.

    Raises:
        FaultsError: Not exactly one antenna, on port 1: a frame does not tell where its card was.
    """

    obeys_commands = False

    def __init__(self, settings: ReaderSettings, protocol: str) -> None:
        ports = [antenna.port for antenna in settings.antennas]
        if ports != [1]:
            given = ", ".join(map(str, ports)) or "none"
            fault = f"a card reader has exactly one antenna, and its port is 1; the ports given are: {given}"
            raise FaultsError(f"settings of a reader of protocol {protocol}", [fault])
        super().__init__(protocol, settings, card_framer(Counters()))

    def hear(self, frame: bytes) -> None:
        """A card was seen."""
        self.seen(TagSeen(epc=card_of(frame)))


class CardReader:
    """A card reader for the simulator; see `tagtrail.hardware.protocols.interface.ReaderModel`. It hears nothing."""

    def __init__(self, *, new_line: bool) -> None:
        self.streaming = True
        self.powers_dbm = {1: NOMINAL_POWER_DBM}
        self._new_line = new_line

    def feed(self, data: bytes) -> bytes:  # noqa: ARG002 - part of the interface
        """Take the host's bytes, which mean nothing to it."""
        return b""

    def tag(self, seen: TagSeen) -> bytes:
        """The frame of a card.

        Raises:
            ValueError: The EPC is not ten hex digits.
        """
        return card_frame(seen.epc, new_line=self._new_line)

    def idle(self, reader_time_ms: int) -> bytes:  # noqa: ARG002 - part of the interface
        """Without a card it says nothing."""
        return b""

    def reboot(self) -> bytes:
        """Nothing was set, so nothing is forgotten."""
        return b""


def card_family(name: str, *, new_line: bool) -> SerialFamily:
    """One make of card readers; their hosts say nothing."""
    return SerialFamily(
        name=name,
        default_baud=9600,
        tag_frame_size=len(card_frame("00" * CARD_BYTES, new_line=new_line)),
        ports_max=1,
        obeys_commands=False,
        tells_antenna=False,
        tells_rssi_dbm=False,
        epc_bytes=CARD_BYTES,
        host=partial(CardHost, protocol=name),
        reader=partial(CardReader, new_line=new_line),
        answers=Side(card_framer, one_by_one(describe)),
        commands=Side(partial(Framer, _no_frame), one_by_one(describe)),
    )


def _no_frame(_data: bytes, _start: int) -> int:
    return NOT_A_FRAME
