"""Answers of the module's model that the host's session does not ask for."""

import pytest

from fixture_mercury import Wire, tag
from tagtrail.hardware.protocols.mercury.frame import command, reply
from tagtrail.hardware.protocols.mercury.reader import MercuryReader
from tagtrail.hardware.protocols.mercury.streaming import Plan


@pytest.mark.parametrize(
    ("sent", "status", "data"),
    [
        (command(0x0C), 0, "12"),
        (command(0x72), 0, "24"),
        (command(0x67), 0, "00"),
        (command(0x63), 0, "0000"),
        (command(0x61, b"\0"), 0, "0101"),
        (command(0x62, b"\0"), 0, "000BB8"),
        (command(0x64, b"\1"), 0, "010BB80C4E01F4"),
        (command(0x94, b"\x0b\xb8"), 0, ""),
        (command(0x92, b"\x0c\x4f"), 0x0103, ""),
        (command(0x92, b"\x01\x00"), 0x0106, ""),
        (command(0x92, b"\x01"), 0x0100, ""),
        (command(0x6A, b"\x01\x0c"), 0, "010C00"),
        (command(0x2A), 0, ""),
        (command(0x93, b"\0\3"), 0x0402, ""),
        (command(0x97, b"\x77"), 0x010B, ""),
        (command(0x91, b"\x02\x41\x41"), 0x0105, ""),
        (command(0x5A), 0x0101, ""),
        (command(0x2F, Plan(search_flags=0x1B, metadata_flags=0).data()), 0x010B, ""),
        (command(0x2F, b"\0\0\2"), 0, "02"),
    ],
)
def test_answers(sent: bytes, status: int, data: str) -> None:
    assert MercuryReader().feed(sent) == reply(sent[2], status, bytes.fromhex(data))


def test_it_hears_nothing_but_2f_while_reading() -> None:
    reader = Wire().streaming().reader
    assert reader.feed(command(0x03)) == b""
    assert reader.feed(command(0x2F, bytes.fromhex("000004 00 72"))) == reply(0x2F, 0x0109)
    assert reader.feed(command(0x2F, b"\0\0\2")) == reply(0x2F, 0, b"\2")


def test_it_says_nothing_of_tags_unless_asked() -> None:
    reader = MercuryReader()
    with pytest.raises(RuntimeError):
        reader.tag(tag(1))
    with pytest.raises(RuntimeError):
        reader.fault(0x0504)
    assert reader.idle(0) == b""
    with pytest.raises(ValueError, match="antenna 17"):
        Wire().streaming().reader.tag(tag(1, antenna=17))


def test_it_finds_a_command_behind_half_a_frame_and_a_flush() -> None:
    reader = MercuryReader()
    reader.feed(b"\xff\xf0\x91")
    assert reply(0x72, 0, b"\x24") in reader.feed(b"\xff" * 240 + command(0x72) + b"\xff" * 240)
