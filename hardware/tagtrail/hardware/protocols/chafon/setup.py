"""The commands that turn a freshly found reader into a store reader, and the rounds that it then reads in.

What a reader keeps over a power cut lies in flash memory, which wears out: a saved setting that the reader already has
is not sent again, and power and antennas are set without being saved where the firmware can do so.

Source: UHF RFID Reader UR-SERIES User Manual v1.14, 8.2.1 and 8.4; UHFReader18 User's Manual V2.0, 8.4.
"""

from math import floor
from typing import Final

from tagtrail.hardware.protocols.chafon.frame import command
from tagtrail.hardware.protocols.chafon.tables import REGIONS, Command, Layout
from tagtrail.hardware.protocols.chafon.tags import ANTENNA_CODE, PORT_MAX, Info
from tagtrail.hardware.protocols.check import check_settings
from tagtrail.hardware.protocols.interface import AntennaSettings, ReaderSettings
from tagtrail.hardware.protocols.session import CHECK_LINE, Step

INFO: Final = Step("ask what reader it is", (command(Command.GET_READER_INFO),), CHECK_LINE)
CHECK: Final = Step("ask whether its settings are still there", INFO.commands, CHECK_LINE)
TEMPERATURE: Final = Step("ask for the temperature", (command(Command.GET_TEMPERATURE),), optional=True)
WORK_MODE: Final = Step("ask for the work mode", (command(Command.GET_WORK_MODE),), optional=True)
WORK_MODE_18: Final = Step("ask for the work mode", (command(Command.GET_WORK_MODE_18),), optional=True)
ANSWER_MODE: Final = Step("leave the real time mode", (command(Command.SET_WORK_MODE, b"\0"),))

POWER_MAX_DBM: Final = 33.0
"""The strongest reader of the family; most stop at 30, and refuse more."""
_NOT_SAVED: Final = 0x80
_BYTE_MASK_PORTS: Final = 4
_PORT_COUNTS: Final = (4, 8, 16)

_CYCLE_100MS: Final = 10
_SCAN_MIN_100MS: Final = 3
"""A shorter scan may find nothing (UR-SERIES User Manual, 8.2.1)."""
_LATE_S: Final = 1.5
"""How far behind its scan time a round may end: the manual has 75 ms, the full line of a crowd more."""
_Q: Final = 4
"""About 16 tags at a time; the reader adapts."""
_SESSION_S0: Final = 0
_TARGET_A: Final = 0


def check(settings: ReaderSettings) -> None:
    """Check what no reader of the family could obey.

    Raises:
        FaultsError: Everything that is wrong.
    """
    check_settings("chafon", settings, ports_max=PORT_MAX, power_max_dbm=POWER_MAX_DBM, regions=REGIONS)


def whole_dbm(antenna: AntennaSettings) -> int:
    """The power that a reader can be set to: whole dBm, never more than was asked for."""
    return floor(antenna.power_dbm)


def one_power(settings: ReaderSettings) -> bool:
    """Whether all antennas have the same power."""
    return len({whole_dbm(antenna) for antenna in settings.antennas}) == 1


def answer_mode_18(parameters: bytes) -> Step:
    """Leave the active mode of an UHFReader18, all else as it is.

    Args:
        parameters: The reply to `WORK_MODE_18`: four bytes of its Wiegand output, then the six of the work mode.
    """
    return Step("leave the active mode", (command(Command.SET_WORK_MODE_18, b"\0" + parameters[5:10]),))


def mode_18(parameters: bytes) -> int:
    """The work mode in the reply to `WORK_MODE_18`; 0 is the answer mode."""
    return parameters[4] if len(parameters) >= 10 else 0


def steps(settings: ReaderSettings, info: Info) -> list[Step]:
    """The configuration of a reader; what its ``info`` says to be right already is left out."""
    todo = []
    if settings.region is not None:
        setting = REGIONS[settings.region.upper()].setting()
        if setting != bytes((info.channel_max, info.channel_min)):
            advice = f"give another region than {settings.region}, one that the reader is built for"
            todo.append(Step("set the frequency band", (command(Command.SET_FREQUENCY, setting),), advice))
    if info.layout is Layout.WITHOUT_ANTENNA:
        if info.scan_time_100ms != _CYCLE_100MS:
            todo.append(Step("set the scan time", (command(Command.SET_SCAN_TIME, bytes((_CYCLE_100MS,))),)))
    else:
        todo.append(_antennas(settings))
        if info.beeper:
            todo.append(Step("switch the beeper off", (command(Command.SET_BUZZER, b"\0"),), optional=True))
    if info.layout is Layout.WITH_ANTENNA or whole_dbm(settings.antennas[0]) != info.power_dbm:
        todo.append(_power(settings, info.layout))
    return todo


def round_of(antenna: AntennaSettings, settings: ReaderSettings, layout: Layout) -> Step:
    """One round of reading on one antenna. Session S0 and target A let each tag answer in every round."""
    what = f"read on antenna {antenna.port}"
    scan_100ms = max(_SCAN_MIN_100MS, _CYCLE_100MS // len(settings.antennas))
    timeout_s = scan_100ms / 10 + _LATE_S
    if layout is Layout.WITHOUT_ANTENNA:
        return Step(what, (command(Command.INVENTORY),), timeout_s=timeout_s)
    short = bytes((_Q, _SESSION_S0))
    full = short + bytes((_TARGET_A, ANTENNA_CODE + antenna.port - 1, scan_100ms))
    forms = [command(Command.INVENTORY, full)]
    if len(settings.antennas) == 1:  # old firmware reads on the antenna that is switched on
        forms.append(command(Command.INVENTORY, short))
    return Step(what, tuple(forms), timeout_s=timeout_s)


def _antennas(settings: ReaderSettings) -> Step:
    """Switch on the antennas; a reader with one antenna does not know the command.

    Readers with up to four ports take a byte, whose top bit says "do not save"; those with more take three bytes.
    """
    ports = [antenna.port for antenna in settings.antennas]
    mask = sum(1 << port - 1 for port in ports)
    forms = [b"\x01" + mask.to_bytes(2, "big"), bytes((mask,))]
    if max(ports) <= _BYTE_MASK_PORTS:
        forms.insert(0, bytes((mask | _NOT_SAVED,)))
    return Step(
        "switch the antennas on",
        tuple(command(Command.SET_ANTENNAS, form) for form in forms),
        f"give only antenna ports that the reader has; now {', '.join(map(str, ports))}",
        optional=mask == 1,
    )


def _power(settings: ReaderSettings, layout: Layout) -> Step:
    """Set one power for all ports, or one for each: as many bytes as the reader has ports, the first for port 1."""
    powers = {antenna.port: whole_dbm(antenna) for antenna in settings.antennas}
    lowest = min(powers.values())
    if one_power(settings):
        forms = [bytes((lowest,))]
        if layout is Layout.WITH_ANTENNA:
            forms.insert(0, bytes((lowest | _NOT_SAVED,)))
        advice = "give a power_dbm that the reader can transmit; most go from 0 to 30"
    else:
        ports = [count for count in _PORT_COUNTS if count >= max(powers)]
        forms = [bytes(powers.get(port, lowest) for port in range(1, count + 1)) for count in ports]
        advice = "give the same power_dbm to all antennas of this reader, and not more than it can transmit"
    dbm = ", ".join(f"{power} on port {port}" for port, power in powers.items())
    return Step(
        "set the transmit power", tuple(command(Command.SET_POWER, form) for form in forms), f"{advice}; now {dbm}"
    )
