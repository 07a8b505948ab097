"""The reader's side of an M100 line: a module that obeys the host, for the simulator."""

from typing import Final

from tagtrail.hardware.protocols.epc import epc_crc, with_pc
from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.interface import Counters, TagSeen
from tagtrail.hardware.protocols.magicrf_bb.frame import ANSWER, NOTICE, Variant, frame, look_at_command
from tagtrail.hardware.protocols.magicrf_bb.tables import REGION_NAMES, Command, Error

POWER_MIN_CDBM, POWER_MAX_CDBM = 0, 3000
RSSI_MIN_DBM: Final = -128
WAKING: Final = b"M100 V1.0\r\n"
"""Modules say some text when they get power."""
_INFO: Final = {0: b"M100 30dBm V1.0", 1: b"V2.3.5", 2: b"MagicRF"}
_CHINA900: Final = 1


class _Refusal(Exception):  # noqa: N818 - an answer, not an error
    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(hex(code))


class MagicRfReader:
    """A module on the other end of the line; see `tagtrail.hardware.protocols.interface.ReaderModel`.

    Attributes:
        streaming: The host has started polling, and it has not stopped nor come to its end.
        powers_dbm: Transmit power of the only port.
        region: Region code.
        hopping: It changes its channel by itself.
        select_mode: When it selects tags before a poll: 0 always, 1 never, 2 for access only.
        query: How it polls.
        polls_left: Until it stops by itself.
    """

    def __init__(self, *, variant: Variant = Variant.BB_7E) -> None:
        self.counters = Counters()
        self._variant = variant
        self._framer = Framer(look_at_command, self.counters, start=variant.value[0])
        self._forget()

    def _forget(self) -> None:
        self.streaming = False
        self.powers_dbm = {1: POWER_MAX_CDBM / 100}
        self.region = _CHINA900
        self.hopping = False
        self.select_mode = 0
        self.query = b"\x10\x20"
        self.polls_left = 0
        self._channel = 0

    def feed(self, data: bytes) -> bytes:
        """Take the host's bytes; returns the module's answers."""
        return b"".join(self._obey(heard[2], heard[5:-2]) for heard in self._framer.feed(data))

    def tag(self, seen: TagSeen) -> bytes:
        """The notice of one tag.

        Raises:
            RuntimeError: The reader is not streaming.
            ValueError: The EPC is not whole words of hex.
        """
        if not self.streaming:
            raise RuntimeError("the reader is not streaming: the host has not started it, or all polls are done")
        rssi_dbm = RSSI_MIN_DBM if seen.rssi_dbm is None else max(RSSI_MIN_DBM, min(127, round(seen.rssi_dbm)))
        tag = with_pc(seen.epc)
        notice = rssi_dbm.to_bytes(1, "big", signed=True) + tag + epc_crc(tag).to_bytes(2, "big")
        self._poll_done()
        return frame(Command.SINGLE_POLL, notice, kind=NOTICE, variant=self._variant)

    def idle(self, reader_time_ms: int) -> bytes:  # noqa: ARG002 - no frame of this family tells a time
        """What a poll without a tag says."""
        if not self.streaming:
            return b""
        self._poll_done()
        return self._error(Error.INVENTORY_FAIL_NO_TAG)

    def reboot(self) -> bytes:
        """Forget everything that the host has set, as after a power cut; returns what the reader says on waking."""
        self._framer.discard()
        self._forget()
        return WAKING

    def _poll_done(self) -> None:
        self.polls_left -= 1
        self.streaming = self.polls_left > 0

    def _error(self, code: int) -> bytes:
        return frame(Command.ERROR, bytes((code,)), kind=ANSWER, variant=self._variant)

    # -- commands

    def _obey(self, command: int, data: bytes) -> bytes:
        if self.streaming and command != Command.STOP_MULTI_POLL:
            return b""  # nothing else is heard while polling
        try:
            if command == Command.MULTI_POLL:
                _expect(len(data) == 3)
                self.polls_left = int.from_bytes(data[1:], "big")
                self.streaming = self.polls_left > 0
                return self.idle(0)  # nothing says that they have begun; the first one finds no tag
            if command == Command.SINGLE_POLL:
                return self._error(Error.INVENTORY_FAIL_NO_TAG)
            return frame(command, self._answer(command, data), kind=ANSWER, variant=self._variant)
        except _Refusal as refusal:
            return self._error(refusal.code)

    def _answer(self, command: int, data: bytes) -> bytes:
        match command:
            case Command.GET_INFO:
                _expect(len(data) == 1 and data[0] in _INFO)
                return data + _INFO[data[0]]
            case Command.GET_REGION:
                return bytes((self.region,))
            case Command.GET_QUERY:
                return self.query
            case Command.GET_POWER:
                return round(self.powers_dbm[1] * 100).to_bytes(2, "big")
            case Command.GET_CHANNEL:
                return bytes((self._channel,))
            case Command.SET_REGION:
                _expect(len(data) == 1 and data[0] in REGION_NAMES)
                self.region, self.hopping, self._channel = data[0], False, 0
            case Command.SET_QUERY:
                _expect(len(data) == 2)
                self.query = data
            case Command.SET_POWER:
                power_cdbm = int.from_bytes(data, "big")
                _expect(len(data) == 2 and POWER_MIN_CDBM <= power_cdbm <= POWER_MAX_CDBM)
                self.powers_dbm = {1: power_cdbm / 100}
            case Command.SET_CHANNEL:
                _expect(len(data) == 1)
                self._channel = data[0]
            case Command.SET_FHSS:
                _expect(data in (b"\xff", b"\0"))
                self.hopping = data == b"\xff"
            case Command.SET_SELECT_MODE:
                _expect(len(data) == 1 and data[0] <= 2)
                self.select_mode = data[0]
            case Command.STOP_MULTI_POLL:
                self.streaming = False
                self.polls_left = 0
            case _:
                raise _Refusal(Error.COMMAND_ERROR)
        return b"\0"


def _expect(right: bool) -> None:
    if not right:
        raise _Refusal(Error.COMMAND_ERROR)
