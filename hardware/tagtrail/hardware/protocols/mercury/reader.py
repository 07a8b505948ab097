"""The reader's side of a Mercury line: a module that obeys the host, for the simulator.

It answers as an M6e does: the same statuses for what it cannot do, the same notifications for what its plan asks.
"""

from collections.abc import Mapping
from struct import unpack_from
from typing import ClassVar, Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.interface import Counters, TagSeen
from tagtrail.hardware.protocols.mercury.frame import Direction, framer_for, reply
from tagtrail.hardware.protocols.mercury.replies import CONNECTED, RETURN_LOSS
from tagtrail.hardware.protocols.mercury.setup import NIBBLE_PORT_MAX, PORT_MAX
from tagtrail.hardware.protocols.mercury.streaming import (
    OPTION_METADATA,
    TEMPERATURE,
    Action,
    Head,
    Kind,
    Plan,
    Search,
    parse_plan,
)
from tagtrail.hardware.protocols.mercury.tables import GEN2, M6E, REGION_NAMES, Op, Status
from tagtrail.hardware.protocols.mercury.tags import GPIO, TIMESTAMP, epc_block, pack_fields

POWER_MIN_CDBM, POWER_MAX_CDBM = 500, 3150
"""Transmit power of an M6e (M6e hardware guide: 5 to 31.5 dBm)."""
RSSI_MIN_DBM: Final = -128
PORTS: Final = 4
"""An M6e has four sockets."""
_HARDWARE: Final = bytes((M6E, 0, 0, 1))
_IDENTITY: Final = bytes.fromhex("12121301") + _HARDWARE + bytes.fromhex("2016122001210107")
_GEN2_ONLY: Final = 1 << (GEN2 - 1)
_BOOTLOADER: Final = 0x11
_APPLICATION: Final = 0x12
_POWERS: Final = {1: "read", 2: "write"}


class Refusal(Exception):  # noqa: N818 - an answer, not an error
    """The module answers with this status instead of obeying."""

    def __init__(self, status: Status) -> None:
        self.status = status
        super().__init__(status.name)


class MercuryReader:
    """A module on the other end of the line; see `tagtrail.hardware.protocols.interface.ReaderModel`.

    Attributes:
        streaming: The host has started continuous reading.
        powers_dbm: Transmit power of the ports in the host's search list.
        region: Region code, 0 while the host has set none.
        config: Reader configuration by key, as the host set it.
        protocol_config: Configuration of the protocols by protocol and key, as the host set it.
        temperature_c: What the module measures.
        return_loss_db: Of the ports with an antenna on them.
    """

    identity: ClassVar[bytes] = _IDENTITY
    """Bootloader, hardware, date and number of the firmware."""
    region_names: ClassVar[Mapping[int, str]] = REGION_NAMES
    control: ClassVar[int] = Op.MULTI_PROTOCOL_TAG_OP
    """The opcode that starts and stops reading: nothing else is heard while reading."""
    hears_while_reading: ClassVar[bool] = False
    """It reads in rounds, so there is time in between."""
    report: ClassVar[int] = Op.READ_TAG_MULTIPLE
    """The opcode of what is told while reading."""
    short_length: ClassVar[bool] = False
    """How the length of an EPC is told; see `tags.epc_block`."""

    def __init__(self, *, in_bootloader: bool = False) -> None:
        self.counters = Counters()
        self.temperature_c = 36
        self.return_loss_db = dict.fromkeys(range(1, PORTS + 1), 18)
        self._in_bootloader = in_bootloader
        self._framer = framer_for(Direction.HOST_TO_READER, self.counters)
        self._forget()

    def _forget(self) -> None:
        self.streaming = False
        self.powers_dbm: dict[int, float] = {}
        self.region = 0
        self.config: dict[int, bytes] = {}
        self.protocol_config: dict[tuple[int, int], bytes] = {}
        self._protocol = 0
        self._ports: list[int] = []
        self._power_cdbm = {"read": POWER_MAX_CDBM - 150, "write": POWER_MAX_CDBM - 150}
        self._port_cdbm: dict[tuple[str, int], int] = {}
        self._plan = Plan(search_flags=0, metadata_flags=0)
        self._head = b""

    def feed(self, data: bytes) -> bytes:
        """Take the host's bytes; returns the reader's answers."""
        return b"".join(self._obey(frame[2], frame[3:-2]) for frame in self._framer.feed(data))

    def tag(self, seen: TagSeen) -> bytes:
        """The notification of one tag, with the metadata that the host asked for.

        A record cannot leave out what was asked for: an RSSI that is not known is told as the weakest there is.

        Raises:
            RuntimeError: The reader is not streaming.
            ValueError: The EPC is not whole words of hex, or the record cannot tell the antenna.
        """
        self._must_stream()
        fields = pack_fields(self._plan.metadata_flags, self._values(seen))
        return reply(self.report, Status.OK, self._head + fields + epc_block(seen.epc, short=self.short_length))

    def _values(self, seen: TagSeen) -> dict[str, int]:
        antenna = seen.antenna or 1
        port_max = PORT_MAX if self._plan.metadata_flags & GPIO else NIBBLE_PORT_MAX
        if not 1 <= antenna <= port_max:
            raise ValueError(f"antenna {antenna}: a tag record tells 1 to {port_max}")
        nibble = antenna & 0x0F
        values = {
            "read_count": min(seen.count, 0xFF),
            "rssi_dbm": RSSI_MIN_DBM if seen.rssi_dbm is None else max(RSSI_MIN_DBM, min(127, round(seen.rssi_dbm))),
            "antenna_raw": nibble << 4 | nibble,
            "timestamp_ms": (seen.reader_time_ms or 0) & 0xFFFFFFFF,
            "protocol": GEN2,
            "gpio_raw": (antenna - 1) // NIBBLE_PORT_MAX << 2,
        }
        if seen.frequency_khz is not None:
            values["frequency_high"], values["frequency_khz"] = divmod(seen.frequency_khz, 1 << 16)
        if seen.phase_deg is not None:
            values["phase_raw"] = round(seen.phase_deg) % 180
        return values

    def idle(self, reader_time_ms: int) -> bytes:
        """What a cycle without tags says: "no tags", and the temperature where the host asked for it."""
        if not self.streaming:
            return b""
        plan = self._plan
        data = b""
        if plan.multiselect:
            head = Head(True, OPTION_METADATA, plan.search_flags, TIMESTAMP, Kind.TAG, 0)  # noqa: FBT003
            data = head.data() + pack_fields(TIMESTAMP, {"timestamp_ms": reader_time_ms & 0xFFFFFFFF})
        said = reply(Op.READ_TAG_MULTIPLE, Status.NO_TAGS_FOUND, data)
        if plan.search_flags & Search.STREAM_STATISTICS and TEMPERATURE in plan.statistics:
            head = Head(plan.multiselect, 0, plan.search_flags, None, Kind.STATISTICS, 0)
            value = self.temperature_c.to_bytes(1, "big", signed=True)
            statistics = TEMPERATURE + TEMPERATURE + bytes((len(value),)) + value
            said += reply(Op.READ_TAG_MULTIPLE, Status.OK, head.data() + statistics)
        return said

    def fault(self, status: int) -> bytes:
        """The notification of a fault while reading, e.g. 0504 when the module is too hot.

        Raises:
            RuntimeError: The reader is not streaming.
        """
        self._must_stream()
        return reply(self.report, status)

    def reboot(self) -> bytes:
        """Forget everything that the host has set, as after a power cut; returns what the reader says on waking."""
        self._framer.discard()
        self._forget()
        return reply(Op.BOOT_FIRMWARE, Status.OK, self._version())

    def _must_stream(self) -> None:
        if not self.streaming:
            raise RuntimeError("the reader is not streaming: the host has not started it")

    # -- commands

    def _obey(self, opcode: int, data: bytes) -> bytes:
        if self.streaming and opcode != self.control and not self.hears_while_reading:
            return b""
        try:
            return reply(opcode, Status.OK, self._answer(opcode, data))
        except Refusal as refusal:
            return reply(opcode, refusal.status)

    def _answer(self, opcode: int, data: bytes) -> bytes:
        if self._in_bootloader and opcode not in (Op.VERSION, Op.BOOT_FIRMWARE, Op.GET_CURRENT_PROGRAM):
            raise Refusal(Status.INVALID_OPCODE)
        match opcode:
            case Op.VERSION:
                return self._version()
            case Op.BOOT_FIRMWARE:
                self._in_bootloader = False
                return self._version()
            case Op.GET_CURRENT_PROGRAM:
                return bytes((_BOOTLOADER if self._in_bootloader else _APPLICATION,))
            case Op.GET_TEMPERATURE:
                return self.temperature_c.to_bytes(1, "big", signed=True)
            case Op.GET_REGION:
                return bytes((self.region,))
            case Op.SET_REGION:
                return self._set_region(data)
            case Op.GET_PROTOCOL:
                return self._protocol.to_bytes(2, "big")
            case Op.SET_PROTOCOL:
                return self._set_protocol(data)
            case Op.GET_ANTENNA_PORT:
                return self._get_antenna(data)
            case Op.SET_ANTENNA_PORT:
                return self._set_antenna(data)
            case Op.GET_READ_POWER:
                return self._get_power("read", data)
            case Op.GET_WRITE_POWER:
                return self._get_power("write", data)
            case Op.SET_READ_POWER:
                return self._set_power("read", data)
            case Op.SET_WRITE_POWER:
                return self._set_power("write", data)
            case Op.GET_READER_CONFIG:
                expect(len(data) == 2 and data[0] == 1)
                return data + self.config.get(data[1], b"\0")
            case Op.SET_READER_CONFIG:
                expect(len(data) >= 3 and data[0] == 1)
                self.config[data[1]] = data[2:]
                return b""
            case Op.SET_PROTOCOL_CONFIG:
                expect(len(data) >= 3 and data[0] == GEN2)
                self.protocol_config[data[0], data[1]] = data[2:]
                return b""
            case Op.CLEAR_TAG_BUFFER:
                return b""
            case Op.MULTI_PROTOCOL_TAG_OP:
                return self._stream(data)
            case _:
                raise Refusal(Status.INVALID_OPCODE)

    def _version(self) -> bytes:
        return self.identity + (0 if self._in_bootloader else _GEN2_ONLY).to_bytes(4, "big")

    def _set_region(self, data: bytes) -> bytes:
        expect(len(data) in (1, 2), Status.WRONG_DATA_LENGTH)
        expect(data[0] != 0 and data[0] in self.region_names, Status.INVALID_REGION)
        self.region = data[0]
        return b""

    def _set_protocol(self, data: bytes) -> bytes:
        expect(len(data) == 2, Status.WRONG_DATA_LENGTH)
        expect(int.from_bytes(data, "big") == GEN2, Status.INVALID_PROTOCOL)
        self._protocol = GEN2
        return b""

    def _get_antenna(self, data: bytes) -> bytes:
        if data in (b"", b"\0"):
            port = self._ports[0] if self._ports else 1
            return bytes((port, port))
        if data[0] == CONNECTED:
            return data[:1] + b"".join(bytes((port, port in self.return_loss_db)) for port in range(1, PORTS + 1))
        if data[0] == RETURN_LOSS:
            expect(self.region != 0, Status.INVALID_REGION)
            return data[:1] + b"".join(map(bytes, sorted(self.return_loss_db.items())))
        expect(len(data) == 2 and data[0] == 0x04 and data[1] in _POWERS)
        kind = _POWERS[data[1]]
        return data + b"".join(bytes((port,)) + self._cdbm(kind, port).to_bytes(2, "big") for port in self._ports)

    def _set_antenna(self, data: bytes) -> bytes:
        expect(len(data) >= 2, Status.WRONG_DATA_LENGTH)
        if len(data) == 2:  # one antenna: transmit and receive port
            self._search(list(data[:1]))
        elif data[0] == 0x02:
            expect(len(data) % 2 == 1, Status.WRONG_DATA_LENGTH)
            self._search([data[at] for at in range(1, len(data), 2)])
        elif data[0] == 0x03:
            expect(len(data) % 5 == 1, Status.WRONG_DATA_LENGTH)
            powers = [unpack_from(">Bhh", data, at) for at in range(1, len(data), 5)]
            self._set_port_powers(
                {("read", port): read for port, read, _ in powers}
                | {("write", port): write for port, _, write in powers}
            )
        else:
            expect(data[0] == 0x04 and data[1] in _POWERS)
            expect(len(data) % 3 == 2, Status.WRONG_DATA_LENGTH)
            pairs = [unpack_from(">Bh", data, at) for at in range(2, len(data), 3)]
            self._set_port_powers({(_POWERS[data[1]], port): power for port, power in pairs})
        return b""

    def _must_be_set_up(self) -> None:
        expect(self.region != 0, Status.INVALID_REGION)
        expect(self._protocol == GEN2, Status.NO_PROTOCOL_DEFINED)
        expect(bool(self._ports), Status.INVALID_ANTENNA_CONFIG)

    def _search(self, ports: list[int]) -> None:
        expect(all(1 <= port <= PORT_MAX for port in ports))
        self._ports = ports
        self._radiate()

    def _set_port_powers(self, powers: dict[tuple[str, int], int]) -> None:
        for (_, port), power in powers.items():
            expect(1 <= port <= PORT_MAX)
            _check_power(power)
        self._port_cdbm |= powers
        self._radiate()

    def _get_power(self, kind: str, data: bytes) -> bytes:
        expect(data in (b"", b"\0", b"\1"))
        power = self._power_cdbm[kind].to_bytes(2, "big")
        if data != b"\1":
            return data + power
        return data + power + POWER_MAX_CDBM.to_bytes(2, "big") + POWER_MIN_CDBM.to_bytes(2, "big")

    def _set_power(self, kind: str, data: bytes) -> bytes:
        expect(len(data) == 2, Status.WRONG_DATA_LENGTH)
        power = int.from_bytes(data, "big", signed=True)
        _check_power(power)
        self._power_cdbm[kind] = power
        self._port_cdbm = {key: value for key, value in self._port_cdbm.items() if key[0] != kind}
        self._radiate()
        return b""

    def _cdbm(self, kind: str, port: int) -> int:
        return self._port_cdbm.get((kind, port), self._power_cdbm[kind])

    def _radiate(self) -> None:
        self.powers_dbm = {port: self._cdbm("read", port) / 100 for port in self._ports}

    def _stream(self, data: bytes) -> bytes:
        expect(len(data) >= 3, Status.WRONG_DATA_LENGTH)
        if data[2] == Action.STOP:
            self.streaming = False
            return data[2:3]
        if data[2] == Action.COMMAND or self.streaming:
            raise Refusal(Status.UNIMPLEMENTED_FEATURE)
        try:
            plan = parse_plan(data)
        except BadData:
            raise Refusal(Status.INVALID_PARAMETER) from None
        expect(plan.protocol == GEN2, Status.INVALID_PROTOCOL)
        self._must_be_set_up()
        self._plan = plan
        with_metadata = plan.metadata_flags if plan.option & OPTION_METADATA else None
        self._head = Head(plan.multiselect, plan.option, plan.search_flags, with_metadata, Kind.TAG, 0).data()
        self.streaming = True
        return data[2:3]


def expect(right: bool, otherwise: Status = Status.INVALID_PARAMETER) -> None:
    """Refuse a command that is not right.

    Raises:
        Refusal: With the status ``otherwise``.
    """
    if not right:
        raise Refusal(otherwise)


def _check_power(power_cdbm: int) -> None:
    expect(power_cdbm <= POWER_MAX_CDBM, Status.POWER_TOO_HIGH)
    expect(power_cdbm >= POWER_MIN_CDBM, Status.POWER_TOO_LOW)
