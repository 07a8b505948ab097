"""Modules of the M100 protocol: recorded frames, both variants, and what only these modules do."""

import random

import pytest

import null_modem
from null_modem import inquire
from recorded_frames import FRAMES, check_frame, frames_of
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.inquiry import Details
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Counters,
    KeepAlive,
    ReaderFault,
    ReaderSettings,
    State,
    TagSeen,
)
from tagtrail.hardware.protocols.magicrf_bb.describe import describe_answer, describe_command
from tagtrail.hardware.protocols.magicrf_bb.frame import ANSWER, NOTICE, Variant, frame, look_at_answer
from tagtrail.hardware.protocols.magicrf_bb.host import POLLS, POLLS_RENEWED, MagicRfHost
from tagtrail.hardware.protocols.magicrf_bb.reader import MagicRfReader

ENTRIES = frames_of("magicrf-bb")
FAMILY = load_family("magicrf-bb")
TAG = bytes.fromhex("C9340030751FEB705C5904E3D50D703A76")


@pytest.mark.skipif(not ENTRIES, reason=f"no recorded frames at {FRAMES}")
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["hex"][:40])
def test_recorded_frames(entry: dict[str, object]) -> None:
    check_frame(entry)


def settings(power_dbm: float = 26.0, region: str | None = "EU") -> ReaderSettings:
    return ReaderSettings(region=region, antennas=(AntennaSettings(1, power_dbm),))


def notice(parameters: str) -> bytes:
    return frame(0x22, bytes.fromhex(parameters), kind=NOTICE)


def answer(command: int, parameters: str) -> bytes:
    return frame(command, bytes.fromhex(parameters), kind=ANSWER)


class Wire(null_modem.Wire[MagicRfHost, MagicRfReader]):
    def __init__(self, reader: MagicRfReader | None = None, *, asked: ReaderSettings | None = None) -> None:
        super().__init__(MagicRfHost(asked or settings()), reader or MagicRfReader())

    @property
    def faults(self) -> list[ReaderFault]:
        return [event for event in self.events if isinstance(event, ReaderFault)]


def tag(number: int) -> TagSeen:
    return TagSeen(epc=f"E2801160600002{number:010X}", rssi_dbm=-60)


# -- frames


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (answer(0x03, "00 4D313030"), {"kind": "response", "info_type": 0, "text": "M100"}),
        (answer(0x08, "03"), {"kind": "response", "region_name": "EU"}),
        (answer(0xB7, "0A28"), {"kind": "response", "power_cdbm": 2600}),
        (answer(0x0D, "1020"), {"kind": "response", "session": 0, "target": 0, "q": 4}),
        (answer(0x39, "0E 3400 30751FEB705C5904E3D50D70 12345678"), {"kind": "response", "data": "12345678"}),
        (answer(0x49, "0E 3400 30751FEB705C5904E3D50D70 00"), {"kind": "response", "status": 0, "pc": "3400"}),
        (answer(0xFF, "16 0E 3400 30751FEB705C5904E3D50D70"), {"kind": "error", "error_name": "access_fail"}),
        (answer(0xFF, "A4"), {"kind": "error", "error_name": "read_memory_locked"}),
        (answer(0xF3, "0001 BAC9"), {"kind": "response", "levels_dbm": [-70, -55]}),
        (answer(0xF1, "0306 01B0"), {"kind": "response", "threshold": 432}),
        (notice("C9 4000 E28011606000020512345678 795E"), {"kind": "tag_read", "epc": "E28011606000020512345678"}),
        (notice("C9 0800 1122 CA9E"), {"kind": "tag_read", "epc": "1122", "rssi_dbm": -55}),
        (answer(0x0B, "01 00000020 10 00 3000"), {"kind": "response", "mask_len_bits": 16, "mask": "3000"}),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else "",
)
def test_answers(raw: bytes, expected: dict[str, object]) -> None:
    assert expected.items() <= describe_answer(raw).items()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (frame(0x07, b"\1"), {"region_name": "China900"}),
        (frame(0x11, b"\x04\x80"), {"baud": 115_200}),
        (frame(0x65, b"\0\0\xff\xff"), {"kill_password": "0000FFFF"}),
        (frame(0x82, bytes.fromhex("0000FFFF020080")), {"lock_payload": "020080"}),
        (frame(0x03, b"\0", variant=Variant.AA_DD), {"info_type": 0, "header_variant": "AA/DD"}),
    ],
)
def test_commands(raw: bytes, expected: dict[str, object]) -> None:
    assert expected.items() <= describe_command(raw).items()


def test_both_ends_and_the_pc_word_must_be_right() -> None:
    good = frame(0x22, TAG, kind=NOTICE)
    assert look_at_answer(good, 0) == len(good)
    assert look_at_answer(good[:-1] + b"\xdd", 0) < 0
    assert look_at_answer(frame(0x22, TAG[:-2], kind=NOTICE), 0) < 0
    assert look_at_answer(frame(0x22, TAG, kind=ANSWER), 0) < 0


def test_a_tag_whose_own_crc_is_wrong_is_none() -> None:
    raw = frame(0x22, TAG[:-1] + b"\0", kind=NOTICE)
    (meaning,) = FAMILY.decode([raw], Counters())
    assert meaning["fault"] == "epc-crc"
    assert "epc" not in meaning
    wire = Wire().streaming()
    wire.say(raw + frame(0x22, bytes.fromhex("C90800E2808EA3"), kind=NOTICE))
    assert wire.tags == []
    assert wire.host.counters.rejected == {"epc-crc": 2}


def test_noise_holds_no_tags() -> None:
    raw = random.Random(1).randbytes(300_000)
    assert [each for each in FAMILY.decode([raw], Counters()) if each["kind"] == "tag_read"] == []


# -- sessions


@pytest.mark.parametrize("variant", list(Variant))
def test_both_variants_are_found_and_set_up(variant: Variant) -> None:
    wire = Wire(MagicRfReader(variant=variant), asked=settings(power_dbm=23.5, region="prc")).streaming()
    reader = wire.reader
    assert reader.streaming
    assert (reader.region, reader.powers_dbm, reader.hopping, reader.select_mode) == (1, {1: 23.5}, True, 1)
    wire.say(reader.tag(tag(1)) + reader.idle(0))
    assert wire.tags == [tag(1)]
    assert KeepAlive() in wire.events
    other = Variant.AA_DD if variant is Variant.BB_7E else Variant.BB_7E
    wire.say(frame(0x22, TAG, kind=NOTICE, variant=other))
    assert wire.host.counters.rejected == {"variant": 1}
    wire.write(wire.host.close(wire.now_s))
    assert wire.states[-1:] == [State.CLOSED]
    assert not reader.streaming


def test_polling_is_renewed_before_it_ends_by_itself() -> None:
    wire = Wire().streaming()
    for number in range(POLLS_RENEWED + 10):
        wire.say(wire.reader.tag(tag(number)))
    assert len(wire.tags) == POLLS_RENEWED + 10
    assert wire.reader.polls_left > POLLS - 100
    assert wire.states.count(State.STREAMING) == 1
    assert wire.host.counters.timeouts == 0


def test_polling_that_has_ended_by_itself_is_started_again() -> None:
    wire = Wire().streaming()
    wire.reader.polls_left = 1
    wire.reader.idle(0)  # its last word is lost
    assert not wire.reader.streaming
    wire.wait(4.5)
    assert wire.reader.streaming
    assert wire.host.state is State.STREAMING


def test_a_region_that_is_not_given_is_kept() -> None:
    reader = Wire().streaming().reader
    reader.feed(frame(0x28))
    assert Wire(reader, asked=settings(region=None)).streaming().reader.region == 3


@pytest.mark.parametrize("variant", list(Variant))
def test_the_region_can_be_asked(variant: Variant) -> None:
    reader = MagicRfReader(variant=variant)
    for code, region in ((1, "prc"), (3, "eu"), (9, None)):
        reader.region = code
        assert inquire(FAMILY, reader) == Details(region)
    assert inquire(FAMILY, reader, lambda _: b"") == Details()


def test_firmware_that_cannot_hop_or_select_is_good_enough() -> None:
    wire = Wire()
    wire.noise = lambda data: answer(0xFF, "17") if data[2:3] in (b"\xad", b"\x12", b"\x0e") else data
    assert wire.streaming().reader.streaming


def test_a_power_that_the_module_does_not_have() -> None:
    wire = Wire(asked=settings(power_dbm=33))
    wire.open()
    wire.until(State.FAILED, 2)
    assert "17 command_error; give a power_dbm that the module has; now 33" in wire.why


def test_settings_that_no_module_can_obey() -> None:
    with pytest.raises(FaultsError) as caught:
        MagicRfHost(ReaderSettings("MARS", (AntennaSettings(1, 34), AntennaSettings(2, 20))))
    assert len(caught.value.faults) == 3
    assert "antenna port 2: expected 1, the only one" in str(caught.value)


def test_no_free_channel_is_named_with_the_remedy() -> None:
    wire = Wire().streaming()
    wire.say(answer(0xFF, "20") + answer(0xFF, "A3"))
    assert [fault.code for fault in wire.faults] == [0x20, 0xA3]
    assert "keep other readers away" in wire.faults[0].name
    assert wire.host.state is State.STREAMING


def test_the_model_refuses_what_a_module_refuses() -> None:
    reader = MagicRfReader()
    assert reader.feed(frame(0xB6, b"\x7f\xff")) == answer(0xFF, "17")
    assert reader.feed(frame(0x82, bytes(7))) == answer(0xFF, "17")
    assert reader.feed(frame(0x22)) == answer(0xFF, "15")
    assert reader.idle(0) == b""
    with pytest.raises(RuntimeError):
        reader.tag(tag(1))
    reader.feed(frame(0x27, b"\x22\x00\x03"))
    assert reader.feed(frame(0x08)) == b""  # not while polling
    reader.tag(tag(1))
    reader.tag(tag(2))
    assert not reader.streaming
