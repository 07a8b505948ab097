"""The commands that turn a freshly found module into a store reader, in their order."""

from dataclasses import dataclass
from struct import pack
from typing import Final

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols.interface import ReaderSettings
from tagtrail.hardware.protocols.mercury.frame import command
from tagtrail.hardware.protocols.mercury.streaming import TEMPERATURE, Plan, Search
from tagtrail.hardware.protocols.mercury.tables import GEN2, M7E, REGIONS, Op, Status
from tagtrail.hardware.protocols.mercury.tags import ANTENNA, COUNT, PROTOCOL, RSSI, TIMESTAMP

METADATA: Final = COUNT | RSSI | ANTENNA | TIMESTAMP | PROTOCOL
"""What is asked for with each tag: what the analysis uses. More would cost reads, for the serial line is the limit."""

_SEARCH: Final = Search.USE_ANTENNA_LIST | Search.STREAM_TAGS | Search.LARGE_POPULATION
PLANS: Final = (
    Plan(search_flags=_SEARCH | Search.STREAM_STATISTICS, metadata_flags=METADATA, statistics=TEMPERATURE),
    Plan(search_flags=_SEARCH, metadata_flags=METADATA),
)
"""With the temperature in each cycle, and without for firmware that does not know it. On for 1000 ms, never off: the
module rests by itself when it is too hot and says so (0504), while a duty cycle would cost reads on every reader."""

PORT_MAX: Final = 16
"""The antenna nibbles of a tag record cannot tell more ports apart."""
_POWER_MAX_DBM: Final = 40.0
_READ_FILTER: Final = 0x0C
_SESSION: Final = 0x00
_TARGET: Final = 0x01
_READ_POWER: Final = 0x01


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the configuration.

    Attributes:
        what: What it does, as the object of a sentence.
        commands: Frames; the second and further ones are for firmware that does not know the first.
        advice: What a person can change when the module refuses.
        optional: Firmware that does not know it needs it not.
    """

    what: str
    commands: tuple[bytes, ...]
    advice: str = "update the module's firmware"
    optional: bool = False


NOT_KNOWN: Final = frozenset(
    {
        Status.WRONG_DATA_LENGTH,
        Status.INVALID_OPCODE,
        Status.UNIMPLEMENTED_OPCODE,
        Status.INVALID_PARAMETER,
        Status.UNIMPLEMENTED_FEATURE,
    }
)
"""Refusals that another form of the command may get around."""


def check(settings: ReaderSettings) -> None:
    """Check what no module could obey.

    Raises:
        FaultsError: Everything that is wrong.
    """
    ports = [antenna.port for antenna in settings.antennas]
    faults = [f"antenna port {port} is given twice" for port in sorted({p for p in ports if ports.count(p) > 1})]
    faults += [f"antenna port {port}: expected 1 to {PORT_MAX}" for port in ports if not 1 <= port <= PORT_MAX]
    faults += [
        f"antenna port {antenna.port}: power_dbm {antenna.power_dbm:g} is no transmit power of a reader"
        for antenna in settings.antennas
        if not 0 <= antenna.power_dbm <= _POWER_MAX_DBM
    ]
    if not ports:
        faults.append("no antenna: give at least one")
    if settings.region is not None and settings.region.upper() not in REGIONS:
        faults.append(f"region {settings.region!r} is unknown; known are {', '.join(REGIONS).lower()}")
    if faults:
        raise FaultsError("settings of a mercury reader", faults)


def steps(settings: ReaderSettings, hardware: bytes) -> list[Step]:
    """The whole configuration of a module, from nothing to streaming.

    The read filter must be off, or a tag that stays is reported once. The Gen2 session and target are set because
    another program may have left some with which a tag answers only once; S0 and A let it answer in every round.

    Args:
        settings: Checked settings.
        hardware: The four hardware bytes of the version reply.
    """
    ports = [antenna.port for antenna in settings.antennas]
    powers = [(antenna.port, round(antenna.power_dbm * 100)) for antenna in settings.antennas]
    if hardware[0] == M7E:  # names a port once, the others name it for transmission and reception
        search_list = b"\x82" + bytes(ports)
    else:
        search_list = b"\x02" + bytes(port for port in ports for _ in range(2))
    power_commands = [
        command(Op.SET_ANTENNA_PORT, bytes((0x04, _READ_POWER)) + b"".join(pack(">Bh", *power) for power in powers)),
        command(Op.SET_ANTENNA_PORT, b"\x03" + b"".join(pack(">Bhh", port, power, power) for port, power in powers)),
    ]
    if len({power for _, power in powers}) == 1:
        power_commands.append(command(Op.SET_READ_POWER, pack(">h", powers[0][1])))
    if settings.region is None:
        region = Step("ask for the region", (command(Op.GET_REGION),))
    else:
        advice = f"give another region than {settings.region}, one that the module is built for"
        region = Step("set the region", (command(Op.SET_REGION, bytes((REGIONS[settings.region.upper()],))),), advice)
    return [
        region,
        Step("set the protocol Gen2", (command(Op.SET_PROTOCOL, GEN2.to_bytes(2, "big")),)),
        Step(
            "set the list of antennas",
            (command(Op.SET_ANTENNA_PORT, search_list),),
            f"give only antenna ports that the reader has; now {', '.join(map(str, ports))}",
        ),
        Step(
            "set the transmit power per antenna",
            tuple(power_commands),
            f"change power_dbm; now {', '.join(f'{power / 100:g} on port {port}' for port, power in powers)}",
        ),
        Step(
            "switch the read filter off",
            (command(Op.SET_READER_CONFIG, bytes((1, _READ_FILTER, 0))),),
            optional=True,
        ),
        Step(
            "set the Gen2 session S0",
            (command(Op.SET_PROTOCOL_CONFIG, bytes((GEN2, _SESSION, 0))),),
            optional=True,
        ),
        Step(
            "set the Gen2 target A",
            (command(Op.SET_PROTOCOL_CONFIG, bytes((GEN2, _TARGET, 1, 0))),),
            optional=True,
        ),
        Step(
            "start continuous reading",
            tuple(command(Op.MULTI_PROTOCOL_TAG_OP, plan.data()) for plan in PLANS),
            "check region and antennas, and that the module can read continuously (M6e and later)",
        ),
    ]
