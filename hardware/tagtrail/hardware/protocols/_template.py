"""A reader family to copy: a whole one, of readers that do not exist. See docs/adding-a-reader.md.

Begin the docstring with who makes these readers, then draw their frames. One letter or pair per byte::

    54  L  K  d d ... d  C C       both directions; 54 is the letter T

``L`` is the number of bytes from ``K`` to the last ``d``, 1 to 64; ``K`` the kind; ``C C`` the CRC-16/XMODEM over
everything between ``54`` and itself. A command has a capital letter, its reply the small one and a status:

====  ========  =========================  ====  ===============================================
kind  command   data                       kind  report
====  ========  =========================  ====  ===============================================
I     identify  none; reply: model, text   T     a tag: antenna, RSSI in dBm (signed), EPC
R     region    1 EU, 2 NA                 A     alive: nothing seen for a second
P     power     antenna, dBm               W     woken: just switched on
G     go        none
S     stop      none
====  ========  =========================  ====  ===============================================

End it with the sources: name the manual, its version and sections. Never paste code of others.
"""

from binascii import crc_hqx
from struct import error, unpack
from typing import Final

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols.family import Meaning, SerialFamily, Side, one_by_one
from tagtrail.hardware.protocols.framing import BAD_CHECKSUM, MORE, NOT_A_FRAME, Framer
from tagtrail.hardware.protocols.interface import Counters, ReaderSettings, State, TagSeen
from tagtrail.hardware.protocols.session import CHECK_LINE, Session, Step

PORTS_MAX: Final = 4
POWER_MIN_DBM, POWER_MAX_DBM = 5, 30
REGIONS: Final = {"EU": 1, "NA": 2}
NAMES: Final = {"I": "identify", "R": "region", "P": "power", "G": "go", "S": "stop"}
STATUSES: Final = {0: "ok", 1: "unknown_command", 2: "bad_value", 3: "no_antenna"}

_START: Final = 0x54
_OVERHEAD: Final = 4
_LENGTH_MAX: Final = 64


# -- 1. Frames: build one, and recognise one. The framer hunts through noise; `look` only judges one position.


def frame(kind: str, data: bytes = b"") -> bytes:
    """One frame; both directions look the same.

    >>> frame("G").hex()
    '5401470b12'
    """
    body = bytes((1 + len(data),)) + kind.encode("ascii") + data
    return b"T" + body + crc_hqx(body, 0).to_bytes(2, "big")


def look(data: bytes, start: int) -> int:
    """Whether a frame begins at ``start``; see `tagtrail.hardware.protocols.framing.Look`."""
    if start + 1 == len(data):
        return MORE
    length = data[start + 1]
    if not 1 <= length <= _LENGTH_MAX:
        return NOT_A_FRAME  # as soon as it is known: what is waited for must be bounded
    end = start + length + _OVERHEAD
    if end > len(data):
        return MORE
    # The CRC of a message and its own CRC is 0.
    return length + _OVERHEAD if crc_hqx(data[start + 1 : end], 0) == 0 else BAD_CHECKSUM


def framer_for(counters: Counters) -> Framer:
    """What finds frames in a stream of bytes."""
    return Framer(look, counters, start=_START)


def tag_of(data: bytes) -> TagSeen | None:
    """What a tag report says; None where it makes no sense. Host and `describe` share this."""
    try:
        antenna, rssi_dbm, epc = unpack(f">Bb{len(data) - 2}s", data)
    except error:
        return None
    if not 1 <= antenna <= PORTS_MAX or not 4 <= len(epc) <= 62:
        return None
    return TagSeen(epc=epc.hex().upper(), antenna=antenna, rssi_dbm=rssi_dbm)


# -- 2. The meaning of any frame, for people: `tagtrail decode`. It must never raise.


def describe_command(whole: bytes) -> Meaning:
    """What a good frame of the host says."""
    return {"kind": "command", "name": NAMES.get(chr(whole[2]), "unknown"), "data": whole[3:-2].hex().upper()}


def describe_report(whole: bytes) -> Meaning:
    """What a good frame of the reader says."""
    kind, data = chr(whole[2]), whole[3:-2]
    match kind:
        case "T":
            seen = tag_of(data)
            if seen is None:
                return {"kind": "tag_read", "fault": "bad-tag"}
            return {"kind": "tag_read", "epc": seen.epc, "antenna": seen.antenna, "rssi_dbm": seen.rssi_dbm}
        case "A":
            return {"kind": "keepalive"}
        case "W":
            return {"kind": "rebooted"}
        case _ if kind.upper() in NAMES and data:
            status = {"status": data[0], "status_name": STATUSES.get(data[0], "unknown")}
            return {"kind": "response", "name": NAMES[kind.upper()], "data": data[1:].hex().upper()} | status
        case _:
            return {"kind": "unknown", "fault": "unknown-kind"}


# -- 3. The host's side. `Session` brings the state machine; a family tells its commands, and what its frames say.


class TemplateHost(Session):
    """Host session of one reader.

    Raises:
        FaultsError: The settings cannot be obeyed by any reader of this family.
    """

    stop_command = frame("S")
    # Other times than `Session` has them would go here, each with its reason.

    def __init__(self, settings: ReaderSettings) -> None:
        _check(settings)
        super().__init__("template", settings, framer_for(Counters()))

    def probe(self) -> list[Step]:
        """What finds the reader."""
        return [Step("ask who it is", (frame("I"),), CHECK_LINE)]

    def configuration(self) -> list[Step]:
        """What sets it up. A reader without a continuous mode leaves the last step out and has `rounds`."""
        steps = []
        if self.settings.region is not None:
            code = bytes((REGIONS[self.settings.region.upper()],))
            steps.append(Step("set the region", (frame("R", code),), "give a region that the reader is built for"))
        for antenna in self.settings.antennas:
            data = bytes((antenna.port, round(antenna.power_dbm)))
            advice = f"change power_dbm of port {antenna.port}; now {antenna.power_dbm:g}"
            steps.append(Step(f"set the power of port {antenna.port}", (frame("P", data),), advice))
        return [*steps, Step("start reading", (frame("G"),))]

    def hear(self, whole: bytes) -> None:
        """One good frame came."""
        kind, data = chr(whole[2]), whole[3:-2]
        if kind == "T":
            seen = tag_of(data)
            if seen is None:
                self.counters.reject("bad-tag")  # nothing is dropped silently
            else:
                self.seen(seen)
        elif kind == "A":
            self.alive()
        elif kind == "W":
            self.rebooted()
        elif data and self.outstanding[2:3] == kind.upper().encode("latin-1", "replace"):
            if self.state is State.PROBING:
                self.found = f"found a {data[1:].decode('ascii', 'replace')}"
            if data[0] == 0:
                self.answered()
            else:
                self.refused(data[0], STATUSES.get(data[0], "unknown"), not_known=data[0] == 1)
        else:
            self.counters.reject("unexpected-reply")


def _check(settings: ReaderSettings) -> None:
    """All faults at once, each with what to do."""
    faults = [
        f"antenna port {antenna.port}: expected 1 to {PORTS_MAX}"
        for antenna in settings.antennas
        if not 1 <= antenna.port <= PORTS_MAX
    ]
    faults += [
        f"antenna port {antenna.port}: power_dbm {antenna.power_dbm:g}, expected {POWER_MIN_DBM} to {POWER_MAX_DBM}"
        for antenna in settings.antennas
        if not POWER_MIN_DBM <= antenna.power_dbm <= POWER_MAX_DBM
    ]
    if not settings.antennas:
        faults.append("no antenna: give at least one")
    if settings.region is not None and settings.region.upper() not in REGIONS:
        faults.append(f"region {settings.region!r} is unknown; known are {', '.join(REGIONS)}")
    if faults:
        raise FaultsError("settings of a template reader", faults)


# -- 4. The reader's side, for the simulator. It obeys commands, and refuses what the real one refuses.


class TemplateReader:
    """A reader; see `tagtrail.hardware.protocols.interface.ReaderModel`."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._framer = framer_for(self.counters)
        self.streaming = False
        self.powers_dbm: dict[int, float] = {}

    def feed(self, data: bytes) -> bytes:
        """Take the host's bytes; returns the reader's answers."""
        return b"".join(self._obey(chr(whole[2]), whole[3:-2]) for whole in self._framer.feed(data))

    def tag(self, seen: TagSeen) -> bytes:
        """The report of one tag; an RSSI that is not known is told as the weakest there is.

        Raises:
            RuntimeError: The reader is not streaming.
            ValueError: The EPC is not hex, or the antenna is not a port of this reader.
        """
        if not self.streaming:
            raise RuntimeError("the reader is not streaming: the host has not started it")
        rssi_dbm = -128 if seen.rssi_dbm is None else max(-128, min(127, round(seen.rssi_dbm)))
        data = bytes((seen.antenna or 1,)) + rssi_dbm.to_bytes(1, "big", signed=True) + bytes.fromhex(seen.epc)
        if tag_of(data) is None:
            raise ValueError(f"a tag report cannot carry {seen}")
        return frame("T", data)

    def idle(self, reader_time_ms: int) -> bytes:  # noqa: ARG002 - this reader has no clock
        """Once a second without tags."""
        return frame("A") if self.streaming else b""

    def reboot(self) -> bytes:
        """Forget everything that the host has set."""
        self._framer.discard()
        self.streaming = False
        self.powers_dbm = {}
        return frame("W")

    def _obey(self, kind: str, data: bytes) -> bytes:
        if kind not in NAMES:
            return frame("E", b"\1")
        status, more = 0, b""
        match kind:
            case "I":
                more = b"Template 1.0"
            case "R":
                status = 0 if len(data) == 1 and data[0] in REGIONS.values() else 2
            case "P":
                if len(data) != 2 or not 1 <= data[0] <= PORTS_MAX or not POWER_MIN_DBM <= data[1] <= POWER_MAX_DBM:
                    status = 2
                else:
                    self.powers_dbm[data[0]] = float(data[1])
            case "G":
                status = 0 if self.powers_dbm else 3
                self.streaming = status == 0
            case "S":
                self.streaming = False
        return frame(kind.lower(), bytes((status,)) + more)


# -- 5. The declaration puts it together. One line in `protocols/__init__.py` makes it known.


def family() -> SerialFamily:
    """The family that this module is."""
    return SerialFamily(
        name="template",
        default_baud=115_200,
        tag_frame_size=_OVERHEAD + 3 + 12,
        ports_max=PORTS_MAX,
        host=TemplateHost,
        reader=TemplateReader,
        answers=Side(framer_for, one_by_one(describe_report)),
        commands=Side(framer_for, one_by_one(describe_command)),
        # What these readers cannot tell would go here, and an `inquire` where they can be asked about their set-up.
    )
