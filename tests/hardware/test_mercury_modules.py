"""The host's session against modules of other makes than the model's."""

from fixture_mercury import EPC_BLOCK, SETTINGS
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Event,
    KeepAlive,
    ReaderSettings,
    State,
    StateChanged,
    TagSeen,
)
from tagtrail.hardware.protocols.mercury.frame import reply
from tagtrail.hardware.protocols.mercury.host import MercuryHost


class OtherModule:
    """A module of another make: fixed answers by opcode, empty ones for the rest."""

    def __init__(self, hardware: str, refused: dict[bytes, int] | None = None) -> None:
        self.hardware = bytes.fromhex(hardware)
        self.refused = refused or {}
        self.commands: list[bytes] = []
        self.rounds_max = 1000

    def answer(self, frames: list[bytes]) -> bytes:
        out = b""
        for frame in frames:
            body = frame[2:-2]
            self.rounds_max -= body[0] == 0x22
            if self.rounds_max <= 0:
                return out
            self.commands.append(body)
            status = next((status for start, status in self.refused.items() if body.startswith(start)), 0)
            version = bytes(4) + self.hardware + bytes(8) + b"\0\0\0\x10" if body[0] in (3, 4) else b""
            ack = body[3:4] if body[0] == 0x2F else b""
            out += reply(body[0], status, b"" if status else version + ack)
        return out


def converse(module: OtherModule, settings: ReaderSettings = SETTINGS) -> tuple[MercuryHost, list[Event]]:
    host, told = MercuryHost(settings), []
    out = host.open(0.0)
    while out:
        frames, rest = [], out.lstrip(b"\xff")
        while rest:
            size = rest[0] + 4
            frames.append(b"\xff" + rest[:size])
            rest = rest[size:].lstrip(b"\xff")
        events, out = host.feed(module.answer(frames), 0.0)
        told += events
    return host, told


def test_m7e_names_ports_once_and_reports_plain_numbers() -> None:
    module = OtherModule("38000002")
    host, _ = converse(module)
    assert host.state is State.STREAMING
    assert b"\x91\x82\x01\x04" in module.commands
    events, _ = host.feed(reply(0x22, 0, bytes.fromhex("10001B000401 04") + EPC_BLOCK), 0.0)
    assert events == [TagSeen(epc="000000000000000000001545", antenna=4)]


def test_m5e_is_booted_first_and_read_in_rounds() -> None:
    module = OtherModule("01000001", {b"\x2f": 0x0101, b"\x91\x04": 0x0105, b"\x9a": 0x0102, b"\x22": 0x0400})
    module.rounds_max = 3
    host, told = converse(module)
    assert host.state is State.STREAMING
    assert module.commands[1:4] == [b"\x03", b"\x04", b"\x03"]
    assert b"\x91\x03" + bytes.fromhex("01 0BB8 0BB8 04 0ABE 0ABE") in module.commands
    assert module.commands[-2:] == [bytes.fromhex("22 0003 00FA")] * 2
    assert KeepAlive() in told


def test_what_cannot_start_says_what_to_do() -> None:
    for status, words in (
        (0x010B, "set the region"),
        (0x0503, "connect the antenna"),
        (0x0505, "check antenna and cable"),
        (0x0504, "give it air"),
    ):
        _, told = converse(OtherModule("30000001", {b"\x2f\0\0\x01": status}))
        assert isinstance(told[-1], StateChanged)
        assert told[-1].state is State.FAILED
        assert f"could not start continuous reading: the reader answered {status:04X}" in told[-1].why
        assert words in told[-1].why
        assert "M6e" not in told[-1].why


def test_firmware_without_temperature_and_port_powers() -> None:
    with_temperature = b"\x2f\0\0\x01\x22\0\0\x05\x09"
    module = OtherModule("30000001", {with_temperature: 0x0105, b"\x91\x03": 0x0105, b"\x91\x04": 0x0105})
    host, _ = converse(module, ReaderSettings(region="NA2", antennas=(AntennaSettings(1, 27.0),)))
    assert host.state is State.STREAMING
    assert b"\x92" + (2700).to_bytes(2, "big") in module.commands


def test_a_silion_module_is_named_not_driven() -> None:
    host, told = converse(OtherModule("A1000201"))
    assert host.state is State.FAILED
    assert isinstance(told[-1], StateChanged)
    assert "Silion" in told[-1].why
