"""The reader's side of a Chafon line: a reader that obeys the host, for the simulator.

It has no clock, so a round of reading lasts until the simulator says that nothing comes (`ChafonReader.idle`), until it
has told `ROUND_TAGS` tags, or until the host wants something else.
"""

from typing import Final

import msgspec

from tagtrail.hardware.protocols.chafon.frame import ANY_ADDRESS, look_for_command, reply
from tagtrail.hardware.protocols.chafon.tables import BANDS, REGIONS, Command, Layout, Status
from tagtrail.hardware.protocols.chafon.tags import ANTENNA_CODE, PORT_MAX, Info
from tagtrail.hardware.protocols.epc import with_pc
from tagtrail.hardware.protocols.framing import NOT_A_FRAME, Framer
from tagtrail.hardware.protocols.interface import Counters, TagSeen

POWER_MAX_DBM: Final = 30
ROUND_TAGS: Final = 64
UNASKED_MAX: Final = 3
"""Seconds without a command after which the host is taken to be gone."""

_READER_TYPES: Final = {Layout.WITH_ANTENNA: 0x20, Layout.WITHOUT_ANTENNA: 0x09}
_NOT_SAVED: Final = 0x80
_ANSWER, _REAL_TIME = 0, 1
_ALWAYS_HEARD: Final = frozenset({Command.GET_READER_INFO, Command.SET_WORK_MODE, Command.GET_WORK_MODE})
"""All that a reader in real time mode answers (UHF RFID Reader UR-SERIES User Manual v1.14, p. 72)."""


class _Refusal(Exception):  # noqa: N818 - an answer, not an error
    def __init__(self, status: Status) -> None:
        self.status = status
        super().__init__(status.name)


class _Saved(msgspec.Struct):
    """What outlives a power cut."""

    powers_dbm: bytes = bytes((20,)) * PORT_MAX
    antenna_mask: int = 0x01
    band: bytes = REGIONS["NA"].setting()
    scan_time_100ms: int = 20
    beeper: int = 1
    work_mode: int = _ANSWER


class ChafonReader:
    """A reader on the other end of the line; see `tagtrail.hardware.protocols.interface.ReaderModel`.

    Attributes:
        streaming: The host has asked for a round, or the reader is in real time mode.
        powers_dbm: Transmit power of the ports that are switched on.
        missing_ports: Ports without an antenna, as a person has left them.
        return_loss_db: Of each port that has one.
        saved: What outlives a power cut.
        temperature_c: What the reader measures.
    """

    def __init__(self, layout: Layout = Layout.WITH_ANTENNA, *, address: int = 0, real_time: bool = False) -> None:
        self.counters = Counters()
        self.layout = layout
        self.address = address
        self.missing_ports: set[int] = set()
        self.return_loss_db = dict.fromkeys(range(1, PORT_MAX + 1), 18)
        self.saved = _Saved(work_mode=_REAL_TIME if real_time else _ANSWER)
        self.temperature_c = 36
        self._framer = Framer(self._look, self.counters)
        self._wake()

    def _wake(self) -> None:
        self.streaming = self.saved.work_mode == _REAL_TIME
        self._powers = self.saved.powers_dbm
        self._antenna_mask = self.saved.antenna_mask
        self._radiate()
        self._in_round = False
        self._round_mask = 1
        self._told = 0
        self._unasked = 0
        self._heartbeats = 0

    @property
    def info(self) -> Info:
        """What the reader says of itself."""
        tells_antennas = self.layout is Layout.WITH_ANTENNA
        return Info(
            version=(1, 15),
            reader_type=_READER_TYPES[self.layout],
            protocols=3,
            channel_max=self.saved.band[0],
            channel_min=self.saved.band[1],
            power_dbm=self._powers[0],
            scan_time_100ms=self.saved.scan_time_100ms,
            antenna_mask=self._antenna_mask if tells_antennas else None,
            beeper=self.saved.beeper if tells_antennas else None,
            check_antennas=0 if tells_antennas else None,
        )

    def feed(self, data: bytes) -> bytes:
        """Take the host's bytes; returns the reader's answers."""
        return b"".join(self._obey(frame[2], frame[3:-2]) for frame in self._framer.feed(data))

    def tag(self, seen: TagSeen) -> bytes:
        """The frame that reports a tag; between two rounds nothing, it is not seen then.

        A signal strength in dBm is told as a signed byte, which is a scale as good as any.

        Raises:
            RuntimeError: The reader is not streaming.
            ValueError: The EPC is not whole words of hex, or the antenna is not 1 to 8.
        """
        if not self.streaming:
            raise RuntimeError("the reader is not streaming: the host has not asked for a round")
        if not 1 <= (seen.antenna or 1) <= PORT_MAX:
            raise ValueError(f"antenna {seen.antenna}: a tag report tells 1 to {PORT_MAX}")
        record = self._record(seen)
        if self.saved.work_mode == _REAL_TIME:
            return self._say(Command.AUTO_REPORT, Status.OK, self._mask(seen) + record)
        if not self._in_round:
            return b""
        self._told += 1
        said = self._say(Command.INVENTORY, Status.MORE_FRAMES, self._mask(seen) + b"\x01" + record)
        return said + self._end_round() if self._told >= ROUND_TAGS else said

    def idle(self, reader_time_ms: int) -> bytes:  # noqa: ARG002 - it tells no times
        """The end of a round, or a heartbeat in real time mode; a reader that nobody asks again falls silent."""
        if self.saved.work_mode == _REAL_TIME:
            self._heartbeats += 1
            states = bytes(2 if port in self.missing_ports else 1 for port in range(1, 5))
            data = self._heartbeats.to_bytes(4, "big") + states + bytes(4)
            return self._say(Command.AUTO_REPORT, Status.HEARTBEAT, data)
        self._unasked += 1
        if self._in_round:
            return self._end_round()
        if self._unasked >= UNASKED_MAX:
            self.streaming = False
        return b""

    def fault(self, status: int) -> bytes:
        """The end of a round that went wrong.

        Raises:
            RuntimeError: No round is running.
        """
        if not self._in_round:
            raise RuntimeError("no round is running")
        self._in_round = False
        return self._say(Command.INVENTORY, status)

    def reboot(self) -> bytes:
        """Forget everything that is not saved, as after a power cut; these readers wake in silence."""
        self._framer.discard()
        self._wake()
        return b""

    # -- frames

    def _look(self, data: bytes, start: int) -> int:
        """A command for this reader: half a command before it would be forgotten by now, after 15 ms."""
        if start + 1 < len(data) and data[start + 1] not in (self.address, ANY_ADDRESS):
            return NOT_A_FRAME
        return look_for_command(data, start)

    def _say(self, code: int, status: int, data: bytes = b"") -> bytes:
        return reply(code, status, data, self.address)

    def _mask(self, seen: TagSeen) -> bytes:
        return b"" if self.layout is Layout.WITHOUT_ANTENNA else bytes((1 << (seen.antenna or 1) - 1,))

    def _record(self, seen: TagSeen) -> bytes:
        epc = with_pc(seen.epc)[2:]
        if self.layout is Layout.WITHOUT_ANTENNA:
            return epc if self.saved.work_mode == _REAL_TIME else bytes((len(epc),)) + epc
        raw = seen.rssi_raw
        if raw is None:
            raw = 0 if seen.rssi_dbm is None else max(-128, min(127, round(seen.rssi_dbm)))
        return bytes((len(epc),)) + epc + bytes((raw & 0xFF,))

    def _end_round(self) -> bytes:
        self._in_round = False
        mask = b"" if self.layout is Layout.WITHOUT_ANTENNA else bytes((self._round_mask,))
        return self._say(Command.INVENTORY, Status.INVENTORY_DONE, mask + b"\0")

    # -- commands

    def _obey(self, code: int, data: bytes) -> bytes:
        self._unasked = 0
        real_time = self.saved.work_mode == _REAL_TIME
        if real_time and self.layout is Layout.WITH_ANTENNA and code not in _ALWAYS_HEARD:
            return b""
        try:
            if code == Command.INVENTORY:
                return self._begin_round(data)
            ended = self._end_round() if self._in_round else b""
            return ended + self._say(code, Status.OK, self._answer(code, data))
        except _Refusal as refusal:
            not_known = refusal.status in (Status.WRONG_LENGTH, Status.ILLEGAL_COMMAND)
            return self._say(Command.UNKNOWN if not_known else code, refusal.status)

    def _answer(self, code: int, data: bytes) -> bytes:
        saved = self.saved
        match code:
            case Command.GET_READER_INFO:
                return self.info.data()
            case Command.SET_FREQUENCY:
                _expect(len(data) == 2, Status.WRONG_LENGTH)
                band = BANDS.get(data[0] >> 6 << 2 | data[1] >> 6)
                _expect(band is not None and data[1] & 0x3F <= data[0] & 0x3F <= band.channel_max)
                saved.band = data
            case Command.SET_SCAN_TIME:
                saved.scan_time_100ms = _one(data)
            case Command.SET_POWER:
                self._set_power(data)
            case Command.STOP_INVENTORY:
                _expect(self.layout is Layout.WITH_ANTENNA, Status.ILLEGAL_COMMAND)
                self.streaming = False
            case Command.GET_WORK_MODE_18 if self.layout is Layout.WITHOUT_ANTENNA:
                return bytes((0, 30, 10, 15, saved.work_mode, 2, 4, 2, 6, 0, 0, 0))
            case Command.SET_WORK_MODE_18 if self.layout is Layout.WITHOUT_ANTENNA:
                _expect(len(data) == 6, Status.WRONG_LENGTH)
                self._set_work_mode(data[0])
            case _ if self.layout is Layout.WITH_ANTENNA:
                return self._answer_288(code, data)
            case _:
                raise _Refusal(Status.ILLEGAL_COMMAND)
        return b""

    def _answer_288(self, code: int, data: bytes) -> bytes:
        match code:
            case Command.SET_ANTENNAS:
                _expect(len(data) == 3, Status.WRONG_LENGTH)  # whether not to save, and 16 ports
                _expect(data[1] == 0 and data[2] != 0)
                self._antenna_mask = data[2]
                self._radiate()
                if not data[0]:
                    self.saved.antenna_mask = data[2]
            case Command.SET_BUZZER:
                self.saved.beeper = _one(data)
            case Command.SET_WORK_MODE:
                _expect(_one(data) in (_ANSWER, _REAL_TIME))
                self._set_work_mode(data[0])
            case Command.GET_WORK_MODE:
                return bytes((self.saved.work_mode, 0, 0, 0, 4, 0))
            case Command.RETURN_LOSS:
                _expect(len(data) == 5, Status.WRONG_LENGTH)
                _expect(data[4] + 1 in self.return_loss_db)
                return bytes((0 if data[4] + 1 in self.missing_ports else self.return_loss_db[data[4] + 1],))
            case Command.GET_TEMPERATURE:
                return bytes((self.temperature_c >= 0, abs(self.temperature_c)))
            case _:
                raise _Refusal(Status.ILLEGAL_COMMAND)
        return b""

    def _set_power(self, data: bytes) -> None:
        """One for all ports, or one for each; the bit that says "do not save" is for one, and old readers lack it."""
        not_saved = len(data) == 1 and self.layout is Layout.WITH_ANTENNA and data[0] & _NOT_SAVED
        if not_saved:
            data = bytes((data[0] & ~_NOT_SAVED,))
        _expect(len(data) in (1, PORT_MAX), Status.WRONG_LENGTH)
        _expect(max(data) <= POWER_MAX_DBM)
        self._powers = data * PORT_MAX if len(data) == 1 else data
        self._radiate()
        if not not_saved:
            self.saved.powers_dbm = self._powers

    def _radiate(self) -> None:
        powers = enumerate(self._powers, start=1)
        self.powers_dbm = {port: float(power) for port, power in powers if self._antenna_mask & 1 << port - 1}

    def _set_work_mode(self, mode: int) -> None:
        self.saved.work_mode = mode
        self.streaming = mode == _REAL_TIME
        self._in_round = False

    def _begin_round(self, data: bytes) -> bytes:
        mask = self._antenna_mask & -self._antenna_mask
        if self.layout is Layout.WITH_ANTENNA:
            _expect(len(data) in (2, 5), Status.WRONG_LENGTH)
            if len(data) == 5:
                _expect(ANTENNA_CODE <= data[3] < ANTENNA_CODE + PORT_MAX)
                mask = 1 << data[3] - ANTENNA_CODE
        port = mask.bit_length()
        if port in self.missing_ports:
            raise _Refusal(Status.ANTENNA_ERROR)
        self._round_mask = mask
        self.streaming = self._in_round = True
        self._told = 0
        return b""


def _one(data: bytes) -> int:
    _expect(len(data) == 1, Status.WRONG_LENGTH)
    return data[0]


def _expect(right: bool, otherwise: Status = Status.WRONG_PARAMETER) -> None:
    if not right:
        raise _Refusal(otherwise)
