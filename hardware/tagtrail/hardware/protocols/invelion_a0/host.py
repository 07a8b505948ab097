"""The host's side of an A0 line: find the reader, configure it, ask it for one round of inventories after the other."""

from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.check import check_settings
from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.heat import TOO_HOT, Heat
from tagtrail.hardware.protocols.interface import Counters, ReaderFault, ReaderSettings, State, Temperature
from tagtrail.hardware.protocols.invelion_a0.describe import temperature_c
from tagtrail.hardware.protocols.invelion_a0.frame import (
    ANTENNA_ERROR_LENGTH,
    EVERYBODY,
    START,
    frame,
    is_round_end,
    is_tag,
    look_at_answer,
    tag_seen,
)
from tagtrail.hardware.protocols.invelion_a0.tables import (
    PORTS_MAX,
    POWER_MAX_DBM,
    REGIONS,
    ROUNDS,
    Code,
    Command,
    code_name,
)
from tagtrail.hardware.protocols.session import CHECK_LINE, Session, Step

FAMILY: Final = "invelion-a0"
INVENTORIES: Final = 20
"""Inventories in a round, over all antennas. One takes 30 to 50 ms, so a round lasts about a second: long enough that
asking for the next one costs little, short enough to stop soon."""
ROUND_S: Final = 2.0
"""A round without tags is silent; it has ended long before."""
TEMPERATURE_S: Final = 60.0
"""Between two questions for the temperature."""
SKIP: Final = 0xFF
"""In the place of an antenna: none (section 2.2, cmd_fast_switch_ant_inventory)."""

_NOT_KNOWN: Final = frozenset({Code.FAIL, Code.PARAMETER_INVALID, Code.ANTENNA_ID_OUT_OF_RANGE})
"""Refusals that another form of the command may get around."""


class InvelionHost(Session):
    """Host session of one A0 reader; see `tagtrail.hardware.protocols.interface.HostSession`.

    The reader has neither continuous reading nor a stop command: it makes one round, says that it has ended, and waits.
    Region and power are kept in its flash memory, which wears, so they are set only where they differ.

    Raises:
        FaultsError: The settings cannot be obeyed by any reader.
    """

    cycle_s = 1.5  # a round without tags is silent to its end

    def __init__(self, settings: ReaderSettings) -> None:
        check_settings(FAMILY, settings, ports_max=PORTS_MAX, power_max_dbm=POWER_MAX_DBM, regions=REGIONS)
        super().__init__(FAMILY, settings, Framer(look_at_answer, Counters(), start=START))
        self._ports = [antenna.port for antenna in settings.antennas]
        self._address = EVERYBODY
        self._powers = b""
        self._region = b""
        self._one_by_one = len(self._ports) == 1
        self._missing: set[int] = set()
        self._measured_s: float | None = None
        self._tells_temperature = True
        self._heat = Heat()

    # -- what is asked

    def probe(self) -> list[Step]:
        """Which firmware, and what its flash memory holds."""
        self._address = EVERYBODY
        self._powers = self._region = b""
        self._one_by_one = len(self._ports) == 1
        self._missing.clear()
        self._measured_s = None
        self._tells_temperature = True
        self._heat = Heat()
        return [
            Step("ask for the firmware version", (frame(Command.GET_FIRMWARE_VERSION),), CHECK_LINE),
            Step("ask for the transmit power", (frame(Command.GET_OUTPUT_POWER),)),
            Step("ask for the region", (frame(Command.GET_FREQUENCY_REGION),)),
        ]

    def configuration(self) -> list[Step]:
        """Region and transmit power, where they are not what they should be."""
        steps = []
        name = self.settings.region
        if name is not None and REGIONS[name.upper()] != self._region:
            command = self._command_for(Command.SET_FREQUENCY_REGION, REGIONS[name.upper()])
            advice = f"give another region than {name}, one that the reader is built for"
            steps.append(Step("set the region", (command,), advice))
        wanted = {antenna.port: int(antenna.power_dbm) for antenna in self.settings.antennas}
        known = self._powers * PORTS_MAX if len(self._powers) == 1 else self._powers
        if any(port > len(known) or known[port - 1] != power for port, power in wanted.items()):
            shown = ", ".join(f"{power} on port {port}" for port, power in wanted.items())
            commands = tuple(self._command_for(Command.SET_OUTPUT_POWER, form) for form in self._power_forms(wanted))
            advice = f"give a power_dbm that the reader has, and the same for all antennas if it has one; now {shown}"
            steps.append(Step("set the transmit power per antenna", commands, advice))
        return steps

    def _power_forms(self, wanted: dict[int, int]) -> list[bytes]:
        """Whole dBm, never more than was given; one value per port, or one for all where that is the same."""
        each = bytes(wanted.get(port, min(wanted.values())) for port in range(1, PORTS_MAX + 1))
        forms = [each] if max(wanted) > 4 or len(self._powers) == PORTS_MAX else [each[:4], each]
        if len(set(wanted.values())) == 1:
            forms.insert(0 if len(self._powers) == 1 else len(forms), each[:1])
        return forms

    def rounds(self) -> list[Step]:
        """One round over all antennas; the temperature when it is time, and alone while the reader rests."""
        due = self._measured_s is None or self.now_s - self._measured_s >= TEMPERATURE_S
        if self._tells_temperature and (due or self._heat.rests):
            return [Step("ask for the temperature", (self._command_for(Command.GET_READER_TEMPERATURE),))]
        if not self._one_by_one:
            return [self._switching_round()]
        steps = []
        repeat = bytes((max(1, INVENTORIES // len(self._ports)),))
        for port in self._ports:  # always named: after a power cut the reader is back at the first one
            antenna = self._command_for(Command.SET_WORK_ANTENNA, bytes((port - 1,)))
            read = self._command_for(Command.REAL_TIME_INVENTORY, repeat)
            advice = f"give only antenna ports that the reader has; now {port}"
            steps.append(Step(f"choose antenna port {port}", (antenna,), advice))
            steps.append(Step(f"read on antenna port {port}", (read,), timeout_s=ROUND_S))
        return steps

    def _switching_round(self) -> Step:
        """All antennas in one command: antenna and stay for each of four or eight, or in old firmware four without."""
        antennas = [port - 1 for port in self._ports]
        repeat = max(1, INVENTORIES // len(antennas))
        places = 4 if max(self._ports) <= 4 else PORTS_MAX
        antennas += [SKIP] * (places - len(antennas))
        with_stay = b"".join(bytes((antenna, antenna != SKIP)) for antenna in antennas)
        forms = [with_stay + bytes((0, repeat))]
        if places == 4:
            forms.append(bytes((*antennas, repeat)))
        commands = tuple(self._command_for(Command.FAST_SWITCH_ANT_INVENTORY, form) for form in forms)
        return Step("read on all antennas in turn", commands, timeout_s=ROUND_S)

    def _command_for(self, command: Command, data: bytes = b"") -> bytes:
        return frame(command, data, address=self._address)

    # -- what is heard

    def hear(self, frame: bytes) -> None:
        """One good frame came."""
        if self._address not in (frame[2], EVERYBODY):
            self.counters.reject("address")
        elif is_tag(frame):
            try:
                self.seen(tag_seen(frame))
            except BadData as bad:
                self.counters.reject(bad.reason)
        elif is_round_end(frame):
            self._round_ended(frame[3])
        elif frame[3] in ROUNDS and frame[1] == ANTENNA_ERROR_LENGTH:
            self._antenna_error(frame[3], frame[4], frame[5])
        elif self._asked(frame[3]):
            self._reply(frame[3], frame[2], frame[4:-1])
        else:
            self.counters.reject("unexpected-reply")

    def _asked(self, command: int) -> bool:
        return self.outstanding[3:4] == bytes((command,))

    def _reply(self, command: int, address: int, data: bytes) -> None:
        failed = len(data) == 1 and data[0] != Code.SUCCESS
        match command:
            case Command.GET_FIRMWARE_VERSION if len(data) == 2:
                self._address = address
                self.found = f"found a reader with address {address}, firmware {data[0]}.{data[1]}"
                self.answered()
            case Command.GET_OUTPUT_POWER:
                self._powers = data if max(data) <= POWER_MAX_DBM else b""
                self.answered()
            case Command.GET_FREQUENCY_REGION:
                self._region = b"" if failed else data
                self.answered()
            case Command.GET_READER_TEMPERATURE:
                self._temperature(data)
            case Command.FAST_SWITCH_ANT_INVENTORY if failed and self._last_form():
                self._one_by_one = True
                self.run(self.rounds())
            case _ if failed:
                name = code_name(data[0])
                if self.state is State.STREAMING and self.step is not None:
                    name += f": {self.step.advice}"
                self.refused(data[0], name, not_known=data[0] in _NOT_KNOWN)
            case _:
                self.answered(worked=command != Command.SET_WORK_ANTENNA)

    def _last_form(self) -> bool:
        return self.step is not None and self.outstanding == self.step.commands[-1]

    def _temperature(self, data: bytes) -> None:
        self._measured_s = self.now_s
        if len(data) != 2:
            self._tells_temperature = False
            self._heat = Heat()
            self.answered()
            return
        degrees = temperature_c(data)
        self.tell(Temperature(degrees))
        too_hot = self._heat.measured(degrees)  # it does not protect itself
        if too_hot and self.state is State.STREAMING:
            self.refused(Command.GET_READER_TEMPERATURE, TOO_HOT)
        else:
            self.answered()

    def _antenna_error(self, command: int, antenna: int, code: int) -> None:
        if code == Code.ANTENNA_MISSING:
            self._missing.add(antenna + 1)
        else:
            self.tell(ReaderFault(code, f"{code_name(code)} on antenna port {antenna + 1}"))
        if command != Command.FAST_SWITCH_ANT_INVENTORY:  # stands in the place of the end of the round
            self._round_ended(command)

    def _round_ended(self, command: int) -> None:
        """Go on with the next one; without haste where no antenna of this one worked."""
        self.alive()
        missing, self._missing = self._missing, set()
        if self.state in (State.STOPPING, State.DRAINING):
            self.answered()
            return
        if not self._asked(command):
            return
        ports = set(self._ports) if command == Command.FAST_SWITCH_ANT_INVENTORY else missing
        text = _missing_line(missing)
        if missing and missing >= ports:
            self.refused(Code.ANTENNA_MISSING, text)
            return
        if missing:
            self.tell(ReaderFault(Code.ANTENNA_MISSING, text))
        self.answered()


def _missing_line(ports: set[int]) -> str:
    where = ", ".join(map(str, sorted(ports)))
    return f"antenna_missing on port {where}: connect the antenna or take the port out of the store file"
