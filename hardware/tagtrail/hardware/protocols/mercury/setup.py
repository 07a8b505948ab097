"""The commands that turn a freshly found module into a store reader, in their order."""

from collections.abc import Mapping, Sequence
from struct import pack
from typing import Final

from tagtrail.hardware.protocols.interface import ReaderSettings
from tagtrail.hardware.protocols.mercury.frame import command
from tagtrail.hardware.protocols.mercury.streaming import TEMPERATURE, Plan, Search
from tagtrail.hardware.protocols.mercury.tables import GEN2, M7E, REGIONS, WITH_MULTIPLEXER, Op, Status
from tagtrail.hardware.protocols.mercury.tags import ANTENNA, COUNT, PROTOCOL, RSSI, TIMESTAMP
from tagtrail.hardware.protocols.session import Step

METADATA: Final = COUNT | RSSI | ANTENNA | TIMESTAMP | PROTOCOL
"""What is asked for with each tag: what the analysis uses. More would cost reads, for the serial line is the limit."""

_SEARCH: Final = Search.USE_ANTENNA_LIST | Search.STREAM_TAGS | Search.LARGE_POPULATION
ON_MS, OFF_MS = 300, 700
"""Of a module that must not get hotter: it reads for a third of each second."""

PORT_MAX: Final = 64
NIBBLE_PORT_MAX: Final = 16
"""The antenna nibbles of a tag record cannot tell more ports apart; for the others an M6e has GPIO lines."""
POWER_MAX_DBM: Final = 40.0
"""More than any reader may transmit; what a module takes is less, and it says so."""
_READ_FILTER: Final = 0x0C
_SESSION: Final = 0x00
_TARGET: Final = 0x01
_READ_POWER: Final = 0x01

CANNOT_STREAM: Final = frozenset({Status.INVALID_OPCODE, Status.UNIMPLEMENTED_OPCODE, Status.UNIMPLEMENTED_FEATURE})
"""Refusals of a start by a module that has no continuous reading, an M5e for one."""

NOT_KNOWN: Final = CANNOT_STREAM | frozenset(
    {
        Status.WRONG_DATA_LENGTH,
        Status.INVALID_PARAMETER,
    }
)
"""Refusals that another form of the command may get around."""


def steps(settings: ReaderSettings, hardware: bytes) -> list[Step]:
    """The configuration of a module, up to the start.

    Args:
        settings: Checked settings.
        hardware: The four hardware bytes of the version reply.
    """
    ports = [antenna.port for antenna in settings.antennas]
    powers = powers_cdbm(settings)
    per_port = b"".join(pack(">Bh", *power) for power in powers)
    power_commands = [
        command(Op.SET_ANTENNA_PORT, bytes((0x04, _READ_POWER)) + per_port),
        power_of_both(powers),
    ]
    if len({power for _, power in powers}) == 1:
        power_commands.append(command(Op.SET_READ_POWER, pack(">h", powers[0][1])))
    m7e = hardware[0] == M7E  # names a port once, the others name it for transmission and reception
    return [
        region_step(settings, REGIONS),
        *radio_steps(settings, b"\x82" + bytes(ports) if m7e else search_list(settings), power_commands),
    ]


def multiplexed(settings: ReaderSettings, hardware: bytes) -> bool:
    """Whether the module's GPIO lines tell the higher ports apart; how they are wired is set with the maker's tool."""
    return hardware[0] in WITH_MULTIPLEXER and any(each.port > NIBBLE_PORT_MAX for each in settings.antennas)


def start_step(metadata_flags: int) -> Step:
    """Starts reading: with the temperature in each cycle, or without for firmware that does not know that."""
    flags = _SEARCH | Search.STREAM_STATISTICS
    plans = (
        Plan(search_flags=flags, metadata_flags=metadata_flags, statistics=TEMPERATURE),
        Plan(search_flags=_SEARCH, metadata_flags=metadata_flags),
    )
    return Step(
        "start continuous reading",
        tuple(command(Op.MULTI_PROTOCOL_TAG_OP, plan.data()) for plan in plans),
        "check region and antennas",
    )


def start_with_rests(metadata_flags: int) -> Step:
    """Starts reading with the transmitter off for most of each second, so that the module cools."""
    plan = Plan(
        search_flags=_SEARCH | Search.STREAM_STATISTICS | Search.DUTY_CYCLE,
        metadata_flags=metadata_flags,
        on_time_ms=ON_MS,
        off_time_ms=OFF_MS,
        statistics=TEMPERATURE,
    )
    return Step("start continuous reading with rests", (command(Op.MULTI_PROTOCOL_TAG_OP, plan.data()),))


def region_step(settings: ReaderSettings, regions: Mapping[str, int]) -> Step:
    """Sets the region, or asks for the one that the module has."""
    if settings.region is None:
        return Step("ask for the region", (command(Op.GET_REGION),))
    code = regions[settings.region.upper()]
    advice = f"give another region than {settings.region}, one that the module is built for"
    return Step("set the region", (command(Op.SET_REGION, bytes((code,))),), advice)


def powers_cdbm(settings: ReaderSettings) -> list[tuple[int, int]]:
    """Port and transmit power of each antenna, in hundredths of a dBm."""
    return [(antenna.port, round(antenna.power_dbm * 100)) for antenna in settings.antennas]


def power_of_both(powers: Sequence[tuple[int, int]]) -> bytes:
    """The command that sets the power per port, for reading and for writing alike."""
    return command(Op.SET_ANTENNA_PORT, b"\x03" + b"".join(pack(">Bhh", port, power, power) for port, power in powers))


def search_list(settings: ReaderSettings) -> bytes:
    """The antennas to read on: option, then transmit and receive port of each."""
    return b"\x02" + bytes(antenna.port for antenna in settings.antennas for _ in range(2))


def radio_steps(settings: ReaderSettings, antennas: bytes, power_commands: Sequence[bytes]) -> list[Step]:
    """What stands between the region and the start on every module.

    The read filter must be off, or a tag that stays is reported once. The Gen2 session and target are set because
    another program may have left some with which a tag answers only once; S0 and A let it answer in every round.

    Args:
        settings: Checked settings.
        antennas: The data bytes of the search list.
        power_commands: Frames that set the powers, the best first.
    """
    powers = powers_cdbm(settings)
    return [
        Step("set the protocol Gen2", (command(Op.SET_PROTOCOL, GEN2.to_bytes(2, "big")),)),
        Step(
            "set the list of antennas",
            (command(Op.SET_ANTENNA_PORT, antennas),),
            f"give only antenna ports that the reader has; now {', '.join(str(port) for port, _ in powers)}",
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
    ]
