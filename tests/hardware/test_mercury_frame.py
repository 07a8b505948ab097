"""Frames are found in any noise, cut anywhere, and every byte is accounted for."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.interface import Counters
from tagtrail.hardware.protocols.mercury.describe import describe
from tagtrail.hardware.protocols.mercury.frame import SIZE_MAX, Direction, command, crc16, framer_for, is_frame, reply

directions = st.sampled_from(Direction)
replies = st.builds(reply, st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(max_size=248))
# Bytes that look like frames far more often than chance would have it.
hostile = st.lists(
    st.one_of(
        st.binary(max_size=20),
        replies,
        replies.map(lambda frame: frame[: len(frame) // 2]),
        st.builds(command, st.integers(0, 255), st.binary(max_size=250)),
        st.integers(1, 300).map(lambda count: b"\xff" * count),
        st.integers(0, 255).map(lambda length: bytes((0xFF, length))),
    ),
    max_size=12,
).map(b"".join)


def crc_bit_by_bit(message: bytes) -> int:
    """The definition: message bits into the bottom of the register, no zero bits at the end."""
    crc = 0xFFFF
    for byte in message:
        for shift in range(7, -1, -1):
            top = crc >> 15
            crc = (crc << 1 & 0xFFFF) | (byte >> shift & 1)
            if top:
                crc ^= 0x1021
    return crc


def accounted(counters: Counters, frames: list[bytes], framer: Framer) -> bool:
    in_frames = sum(map(len, frames))
    return counters.bytes_in == in_frames + counters.bytes_dropped + framer.buffered


@given(st.binary(min_size=2, max_size=300))
def test_crc_is_the_bit_loop(message: bytes) -> None:
    assert crc16(message) == crc_bit_by_bit(message)


def test_crc_is_not_the_usual_one() -> None:
    assert crc16(b"\x00\x03") == 0x1D0C


@given(hostile, directions, st.randoms(use_true_random=False))
def test_cutting_does_not_matter(data: bytes, direction: Direction, chance: random.Random) -> None:
    whole = framer_for(direction, Counters())
    frames = whole.feed(data)
    for size in (1, chance.randint(2, 60)):
        pieces = framer_for(direction, Counters())
        assert [f for at in range(0, len(data), size) for f in pieces.feed(data[at : at + size])] == frames
        assert pieces.counters == whole.counters
        assert pieces.buffered == whole.buffered
    assert accounted(whole.counters, frames, whole)
    assert whole.counters.frames == len(frames)
    assert all(is_frame(frame, direction) for frame in frames)
    assert whole.buffered < SIZE_MAX
    frames += whole.flush()
    assert whole.buffered == 0
    assert accounted(whole.counters, frames, whole)


# A false start can have a right CRC by chance, one in 65536; so these examples are always the same.
@settings(derandomize=True)
@given(st.binary(max_size=300), st.binary(max_size=300), st.lists(replies, min_size=2, max_size=2))
def test_garbage_around_good_frames_loses_neither(before: bytes, between: bytes, good: list[bytes]) -> None:
    framer = framer_for(Direction.READER_TO_HOST, Counters())
    frames = framer.feed(before + good[0] + between + good[1])
    frames += framer.flush()
    position = frames.index(good[0])
    assert good[1] in frames[position + 1 :]


def test_random_loss_loses_only_what_it_touches() -> None:
    chance = random.Random(1)
    framer = framer_for(Direction.READER_TO_HOST, Counters())
    stream, intact = bytearray(), []
    for number in range(3000):
        frame = reply(0x22, 0, number.to_bytes(4, "big") + chance.randbytes(30))
        if chance.random() < 0.2:
            at = chance.randrange(len(frame))
            frame = frame[:at] + frame[at + chance.randint(1, 8) :]
        else:
            intact.append(frame)
        stream += frame
    frames = framer.feed(bytes(stream)) + framer.flush()
    assert frames == intact
    assert framer.counters.resyncs > 300
    assert accounted(framer.counters, frames, framer)


def test_a_run_of_ff_and_a_start_with_an_impossible_length_are_noise() -> None:
    framer = framer_for(Direction.READER_TO_HOST, Counters())
    good = reply(0x72, 0, b"\x24")
    assert framer.feed(b"\xff" * 240 + good + b"\xff\xf9" + good) == [good, good]
    assert framer.counters.bytes_dropped == 242
    assert framer.counters.resyncs == 2
    assert framer.counters.checksum_errors == 0


def test_a_false_start_on_a_quiet_line_is_given_up_by_flush() -> None:
    framer = framer_for(Direction.READER_TO_HOST, Counters())
    good = reply(0x2F, 0, b"\x02")
    assert framer.feed(b"\xff\x80" + good) == []
    assert framer.flush() == [good]
    assert framer.counters.bytes_dropped == 2


@given(st.integers(0, 255), st.integers(0, 0xFFFF), st.binary(max_size=248))
def test_every_reply_has_a_meaning(opcode: int, status: int, data: bytes) -> None:
    meaning = describe(reply(opcode, status, data), Direction.READER_TO_HOST)
    assert meaning["opcode"] == f"0x{opcode:02X}"


@given(st.sampled_from([0x22, 0x29, 0x21, 0x28]), st.sampled_from([0, 0x0400]), st.binary(max_size=60))
def test_every_tag_reply_has_a_meaning(opcode: int, status: int, data: bytes) -> None:
    for head in (
        b"",
        b"\x10\x00\x1b\x01\xff\x01",
        b"\x88\x10\x05\x1f\xbf\xff\x01",
        b"\x00\x01\x1f\x02",
        b"\x01\xff\0\x02",
    ):
        assert "kind" in describe(reply(opcode, status, head + data), Direction.READER_TO_HOST)


@given(st.integers(0, 255), st.binary(max_size=60))
def test_every_command_has_a_meaning(opcode: int, data: bytes) -> None:
    assert describe(command(opcode, data), Direction.HOST_TO_READER)["kind"] == "command"
    start = bytes((0, 0, 1, 0x22, 0, 0, 5, len(data), 0x22)) + data
    assert describe(command(0x2F, start), Direction.HOST_TO_READER)["kind"] == "command"


@given(st.binary(max_size=300), directions)
def test_any_bytes_have_a_meaning(data: bytes, direction: Direction) -> None:
    assert describe(data, direction)["kind"]
