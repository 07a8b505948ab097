"""The reader's side of an A0 line: a reader with four or eight ports that obeys the host, for the simulator."""

from typing import Final

from tagtrail.hardware.protocols.epc import with_pc
from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.interface import Counters, TagSeen
from tagtrail.hardware.protocols.invelion_a0.frame import EVERYBODY, GROUP, START, frame, look_at_command
from tagtrail.hardware.protocols.invelion_a0.tables import (
    CODE_NAMES,
    FCC,
    FREQUENCIES_KHZ,
    PORTS_MAX,
    POWER_MAX_DBM,
    REGIONS,
    ROUNDS,
    RSSI_DBM,
    Code,
    Command,
)

FIRMWARE: Final = bytes((8, 2))
TAGS_PER_INVENTORY: Final = 10
"""How many tags make an inventory, for a model that knows no time."""
_FREQUENCY_INDEX: Final = {khz: index for index, khz in enumerate(FREQUENCIES_KHZ) if khz is not None}
_RSSI_FLOOR_DBM: Final = RSSI_DBM[0]


class _Refusal(Exception):  # noqa: N818 - an answer, not an error
    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(CODE_NAMES[code])


class InvelionReader:
    """A reader on the other end of the line; see `tagtrail.hardware.protocols.interface.ReaderModel`.

    Region and power are in its flash memory, so they outlive a reboot.

    Attributes:
        streaming: The host has asked for a round, and for another one whenever one had ended.
        powers_dbm: Transmit power of the ports that the last round has used.
        region: Regulation with its first and last frequency index.
        port_powers_dbm: Transmit power of every port.
        flash_writes: How often the flash memory was written.
        temperature_c: What the reader measures.
        missing: Ports without an antenna.
        return_loss_db: Of each port that has one.
        detector_db: Return loss from which a port counts as having one; 0 for never looking.
    """

    def __init__(self, *, ports: int = PORTS_MAX, address: int = 1, knows_stay: bool = True) -> None:
        """Args: ports: four or eight; address: its own; knows_stay: False for firmware before protocol V2.3."""
        self.counters = Counters()
        self.temperature_c = 36
        self.missing: set[int] = set()
        self.return_loss_db = dict.fromkeys(range(1, ports + 1), 20)
        self.detector_db = 3
        self.region = REGIONS["FCC"]
        self.port_powers_dbm = bytes([POWER_MAX_DBM]) * ports
        self.flash_writes = 0
        self._address = address
        self._knows_stay = knows_stay
        self._framer = Framer(look_at_command, self.counters, start=START)
        self._forget()

    def _forget(self) -> None:
        self.streaming = False
        self.powers_dbm: dict[int, float] = {}
        self._antenna = 0
        self._round: int | None = None
        self._tags_left = 0
        self._reads = 0

    @property
    def _ports(self) -> int:
        return len(self.port_powers_dbm)

    def feed(self, data: bytes) -> bytes:
        """Take the host's bytes; returns the reader's answers."""
        return b"".join(self._obey(heard[3], heard[4:-1]) for heard in self._framer.feed(data) if self._means_me(heard))

    def _means_me(self, heard: bytes) -> bool:
        return heard[2] in (self._address, EVERYBODY)

    def tag(self, seen: TagSeen) -> bytes:
        """The frame of one tag, and behind the last one of a round its end; empty between two rounds.

        Signal strengths are whole dBm; -40 has no code and is told as -41.

        Raises:
            RuntimeError: The reader is not streaming.
            ValueError: The EPC is not whole words of hex, or the reader has no such antenna.
        """
        if not self.streaming:
            raise RuntimeError("the reader is not streaming: the host has not started it")
        antenna = (seen.antenna or 1) - 1
        if not 0 <= antenna < self._ports:
            raise ValueError(f"antenna {antenna + 1}: this reader has 1 to {self._ports}")
        index = _FREQUENCY_INDEX.get(seen.frequency_khz or 0, self.region[1])
        strength = _strength(seen.rssi_dbm) | (GROUP if antenna > 3 else 0)
        report = bytes((index << 2 | antenna & 3,)) + with_pc(seen.epc) + bytes((strength,))
        return b"" if self._round is None else self._report(self._round, report)

    def _report(self, command: int, report: bytes) -> bytes:
        self._tags_left -= 1
        self._reads += 1
        end = b"" if self._tags_left > 0 else self._end(command)
        return self._say(command, report) + end

    def idle(self, reader_time_ms: int) -> bytes:  # noqa: ARG002 - no frame of this family tells a time
        """The end of the round, if one is running; a reader that is not asked for another one has stopped."""
        if self._round is None:
            self._forget_round()
            return b""
        return self._end(self._round)

    def _end(self, command: int) -> bytes:
        self._round = None
        total = self._reads
        if command == Command.FAST_SWITCH_ANT_INVENTORY:
            return self._say(command, total.to_bytes(3, "big") + (1000).to_bytes(4, "big"))
        return self._say(command, bytes((self._antenna,)) + total.to_bytes(2, "big") + total.to_bytes(4, "big"))

    def _forget_round(self) -> None:
        self.streaming = False
        self.powers_dbm = {}

    def reboot(self) -> bytes:
        """Forget what is not in flash memory, as after a power cut; it wakes without a word."""
        self._framer.discard()
        self._forget()
        return b""

    def _say(self, command: int, data: bytes) -> bytes:
        return frame(command, data, address=self._address)

    # -- commands

    def _obey(self, command: int, data: bytes) -> bytes:
        if command == Command.RESET:
            self._forget()
            return b""
        try:
            if command in ROUNDS:
                return self._begin(command, data)
            return self._say(command, self._answer(command, data))
        except _Refusal as refusal:
            return self._say(command, bytes((refusal.code,)))

    def _answer(self, command: int, data: bytes) -> bytes:
        match command:
            case Command.GET_FIRMWARE_VERSION:
                return FIRMWARE
            case Command.GET_READER_TEMPERATURE:
                return bytes((self.temperature_c >= 0, abs(self.temperature_c)))
            case Command.GET_RF_PORT_RETURN_LOSS:
                _expect(len(data) == 1 and FREQUENCIES_KHZ[data[0] & 63] is not None, Code.PARAMETER_INVALID)
                port = self._antenna + 1
                return bytes((0 if port in self.missing else self.return_loss_db[port],))
            case Command.GET_ANT_CONNECTION_DETECTOR:
                return bytes((self.detector_db,))
            case Command.GET_WORK_ANTENNA:
                return bytes((self._antenna,))
            case Command.GET_OUTPUT_POWER:
                return self.port_powers_dbm[: 1 if len(set(self.port_powers_dbm)) == 1 else None]
            case Command.GET_FREQUENCY_REGION:
                return self.region
            case Command.SET_WORK_ANTENNA:
                _expect(len(data) == 1, Code.PARAMETER_INVALID)
                _expect(data[0] < self._ports, Code.ANTENNA_ID_OUT_OF_RANGE)
                self._antenna = data[0]
            case Command.SET_OUTPUT_POWER | Command.SET_TEMPORARY_OUTPUT_POWER:
                _expect(len(data) in (1, self._ports), Code.PARAMETER_INVALID)
                _expect(max(data) <= POWER_MAX_DBM, Code.OUTPUT_POWER_OUT_OF_RANGE)
                self.port_powers_dbm = data if len(data) > 1 else data * self._ports
                self.flash_writes += command == Command.SET_OUTPUT_POWER
            case Command.SET_FREQUENCY_REGION:
                _expect(len(data) == 3 and data[0] >= FCC, Code.FREQUENCY_REGION_OUT_OF_RANGE)
                first, last = next(
                    (known[1:] for known in REGIONS.values() if known[0] == data[0]), (len(FREQUENCIES_KHZ), 0)
                )
                _expect(first <= data[1] <= data[2] <= last, Code.INVALID_FREQUENCY_RANGE)
                self.region = data
                self.flash_writes += 1
            case _:
                raise _Refusal(Code.FAIL)
        return bytes((Code.SUCCESS,))

    def _begin(self, command: int, data: bytes) -> bytes:
        """Start a round."""
        if command == Command.FAST_SWITCH_ANT_INVENTORY:
            antennas, repeat = self._switch_list(data)
        else:
            session = command == Command.CUSTOMIZED_SESSION_TARGET_INVENTORY
            _expect(len(data) == (3 if session else 1), Code.PARAMETER_INVALID)
            antennas, repeat = [self._antenna], data[-1]
        self.streaming = True
        self.powers_dbm = {antenna + 1: float(self.port_powers_dbm[antenna]) for antenna in antennas}
        said = b""
        for port in sorted(self.missing & self.powers_dbm.keys()):
            del self.powers_dbm[port]
            said += self._say(command, bytes((port - 1, Code.ANTENNA_MISSING)))
        self._reads = 0
        if not self.powers_dbm:
            return said if command != Command.FAST_SWITCH_ANT_INVENTORY else said + self._end(command)
        self._round = command
        self._tags_left = max(1, repeat) * len(antennas) * TAGS_PER_INVENTORY
        return said

    def _switch_list(self, data: bytes) -> tuple[list[int], int]:
        if self._knows_stay:
            _expect(len(data) in (10, 2 + 2 * self._ports), Code.PARAMETER_INVALID)
            antennas = list(data[:-2:2])
        else:
            _expect(len(data) == 5, Code.PARAMETER_INVALID)
            antennas = list(data[:-1])
        antennas = [antenna for antenna in antennas if antenna < self._ports]
        _expect(bool(antennas), Code.ANTENNA_ID_OUT_OF_RANGE)
        return antennas, data[-1]


def _strength(rssi_dbm: float | None) -> int:
    """The byte of a signal strength; of one that is not known, and must be told, the weakest there is."""
    rounded = _RSSI_FLOOR_DBM if rssi_dbm is None else round(rssi_dbm)
    return max(0, min(RSSI_DBM[-1] + 129, rounded + (129 if rounded >= -39 else 130)))


def _expect(right: bool, otherwise: Code) -> None:
    if not right:
        raise _Refusal(otherwise)
