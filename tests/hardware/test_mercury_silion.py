"""Silion modules: the recorded frames, and the session against the model where they differ from ThingMagic's."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixture_mercury import SETTINGS, tag
from null_modem import Wire, unchanged
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Counters,
    KeepAlive,
    ReaderFault,
    ReaderSettings,
    State,
    TagSeen,
    Temperature,
)
from tagtrail.hardware.protocols.mercury.frame import command, reply
from tagtrail.hardware.protocols.mercury.host import MercuryHost
from tagtrail.hardware.protocols.mercury.reader import MercuryReader, Refusal
from tagtrail.hardware.protocols.mercury.tables import REGIONS as THINGMAGIC_REGIONS
from tagtrail.hardware.protocols.mercury.tables import Status
from tagtrail.hardware.protocols.mercury.tags import RSSI, epc_block
from tagtrail.hardware.protocols.mercury_silion.extension import REGIONS, Start, extended, heartbeat
from tagtrail.hardware.protocols.mercury_silion.host import SilionHost
from tagtrail.hardware.protocols.mercury_silion.reader import SilionReader

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TAGTRAIL_DATA", REPOSITORY.parent / "shared" / "data"))
FRAMES = DATA.parent / "frames" / "frames.json"
ENTRIES: list[dict[str, Any]] = (
    [entry for entry in json.loads(FRAMES.read_text()) if entry["family"] == "mercury-silion"]
    if FRAMES.exists()
    else []
)
recorded = pytest.mark.skipif(not ENTRIES, reason=f"no recorded frames at {FRAMES}")
FAMILY = load_family("mercury-silion")


def silion(
    reader: SilionReader | None = None, settings: ReaderSettings = SETTINGS, *, piece: int = 4096
) -> Wire[SilionHost, SilionReader]:
    return Wire(SilionHost(settings), reader or SilionReader(), piece=piece)


@recorded
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["hex"][:42])
def test_recorded_frames(entry: dict[str, Any]) -> None:
    counters = Counters()
    from_reader = entry["direction"] == "reader->host"
    (meaning,) = FAMILY.decode([bytes.fromhex(entry["hex"])], counters, from_reader=from_reader)
    expected = {key: value for key, value in entry["meaning"].items() if key != "reconstructed"}
    assert expected.items() <= meaning.items()
    assert "fault" not in meaning
    if expected["kind"] == "tag_read":
        assert (meaning["epc"], meaning["antenna"], meaning["rssi_dbm"]) == ("E28068940000400C6EE2FE08", 1, -47)


@recorded
def test_the_commands_are_those_of_the_recordings() -> None:
    sent = [bytes.fromhex(entry["hex"]) for entry in ENTRIES]
    assert Start(0).frame() in sent
    assert SilionHost.stop_command in sent
    assert extended(0xAA40, bytes.fromhex("0601000E1000")) in sent
    assert heartbeat(0x8003) in sent


@recorded
def test_there_are_enough_frames() -> None:
    assert len(ENTRIES) >= 6


@pytest.mark.parametrize("piece", [4096, 1])
def test_a_clean_wire_from_open_to_closed(piece: int) -> None:
    reader = SilionReader()
    wire = silion(reader, piece=piece)
    wire.streaming()
    assert reader.streaming
    assert reader.powers_dbm == {1: 30.0, 4: 27.5}
    assert (reader.region, reader.dwell_ms) == (0x08, 500)
    assert reader.config == {0x0C: b"\0"}
    sent = [tag(number, antenna=1 + 3 * (number % 2)) for number in range(100)]
    for seen in sent:
        wire.say(reader.tag(seen))
    wire.say(reader.idle(1000))
    wire.write(wire.host.close(wire.now_s))
    assert wire.tags == sent
    wire.wait(0.1)
    assert KeepAlive() in wire.events
    assert not reader.streaming
    assert wire.states[-2:] == [State.DRAINING, State.CLOSED]
    counters = wire.host.counters
    assert (counters.bytes_dropped, counters.checksum_errors, counters.timeouts, counters.rejected) == (0, 0, 0, {})


def test_it_starts_over_a_bad_wire_and_from_a_bootloader() -> None:
    chance = random.Random(5)

    def hurt(data: bytes) -> bytes:
        return data[:-1] if data and chance.random() < 0.12 else data

    wire = silion(SilionReader(in_bootloader=True))
    wire.noise = wire.to_reader = hurt
    wire.open()
    wire.until(State.STREAMING, 30)
    wire.noise = wire.to_reader = unchanged
    wire.say(wire.reader.tag(tag(1)))
    assert wire.tags == [tag(1)]


def test_a_module_left_streaming_is_stopped_and_its_reads_are_kept() -> None:
    reader = SilionReader()
    silion(reader).streaming()
    wire = silion(reader)
    wire.say(reader.tag(tag(1))[9:] + reader.tag(tag(2)) + reader.idle(0))
    wire.streaming()
    assert wire.tags == [tag(2)]


@pytest.mark.parametrize("says_so", [True, False])
def test_a_reboot_in_the_middle_of_a_frame(says_so: bool) -> None:
    wire = silion().streaming()
    wire.say(wire.reader.tag(tag(1)) + wire.reader.tag(tag(2))[:15])
    woken = wire.reader.reboot()
    wire.say(woken if says_so else b"")
    wire.wait(20)
    wire.until(State.STREAMING, 5)
    assert wire.reader.streaming
    wire.say(wire.reader.tag(tag(3)))
    assert wire.tags == [tag(1), tag(3)]


def test_signs_of_life_keep_it_streaming() -> None:
    wire = silion().streaming()
    for _ in range(6):
        wire.wait(10)
        wire.say(wire.reader.idle(0))
    assert wire.states.count(State.STREAMING) == 1
    assert wire.host.counters.keepalives == 6


def test_too_hot_is_told_and_waited_for() -> None:
    wire = silion().streaming()
    wire.say(wire.reader.fault(0x0504))
    (fault,) = [event for event in wire.events if isinstance(event, ReaderFault)]
    assert fault.code == 0x0504
    assert "power_dbm" in fault.name
    wire.reader.temperature_c = 90
    wire.wait(50)
    assert wire.states.count(State.STREAMING) == 1
    assert Temperature(90) in wire.events
    assert any(isinstance(event, ReaderFault) and "too_hot" in event.name for event in wire.events)
    assert not wire.reader.streaming
    wire.reader.temperature_c = 50
    wire.wait(2)
    wire.say(wire.reader.tag(tag(1)))
    assert wire.tags == [tag(1)]


def test_the_temperature_is_asked_once_a_minute() -> None:
    wire = silion().streaming()
    before = wire.events.count(Temperature(36))
    for _ in range(62):
        wire.wait(2, lambda: wire.reader.idle(0) if round(wire.now_s * 10) % 10 == 0 else b"")
    assert wire.events.count(Temperature(36)) == before + 2
    wire.say(wire.reader.tag(tag(1)))
    assert wire.tags == [tag(1)]
    assert wire.states.count(State.STREAMING) == 1


def test_too_hot_to_hear_the_stop_is_no_answer_to_it() -> None:
    wire = silion().streaming()
    wire.host.close(wire.now_s)
    wire.say(wire.reader.fault(0x0504))
    wire.wait(0.1)
    assert wire.states[-1] is State.DRAINING


def test_each_driver_names_the_other_ones_modules() -> None:
    for host, reader, words in (
        (MercuryHost(SETTINGS), SilionReader(), ["found Silion SLR1200", 'protocol = "mercury-silion"', "store file"]),
        (SilionHost(SETTINGS), MercuryReader(), ["found M6e", 'protocol = "mercury"', "store file"]),
    ):
        wire = Wire(host, reader)
        wire.open()
        wire.until(State.FAILED, 3)
        assert all(word in wire.why for word in words), wire.why


def test_a_module_that_another_driver_left_reading_is_named_too() -> None:
    left = silion().streaming().reader
    wire = Wire(MercuryHost(SETTINGS), left)
    wire.host.open(wire.now_s)
    wire.say(left.tag(tag(1)) + left.idle(0))
    assert 'a Silion module that reads: set protocol = "mercury-silion"' in wire.why
    assert wire.states.count(State.FAILED) == 1
    thingmagic = Wire(MercuryHost(SETTINGS), MercuryReader()).streaming().reader
    other = Wire(SilionHost(SETTINGS), thingmagic)
    other.host.open(other.now_s)
    other.say(thingmagic.tag(tag(1)))
    assert 'a ThingMagic module that reads: set protocol = "mercury"' in other.why
    assert wire.tags == other.tags == []


def test_regions_have_the_maker_s_numbers() -> None:
    settings = ReaderSettings(region="au", antennas=SETTINGS.antennas)
    reader = SilionReader()
    silion(reader, settings).streaming()
    assert reader.region == 0x14 != THINGMAGIC_REGIONS["AU"]
    shared = {name for name, code in REGIONS.items() if THINGMAGIC_REGIONS.get(name) == code}
    assert shared == {"NA", "EU", "KR", "IN", "JP", "PRC", "EU2", "EU3", "PRC2", "OPEN"}
    (asked,) = FAMILY.decode([command(0x97, b"\x0c")], Counters(), from_reader=False)
    (told,) = FAMILY.decode([reply(0x67, 0, b"\x14")], Counters())
    assert (asked["region_name"], told["region_name"]) == ("CE_HIGH", "AU")


def test_a_region_that_only_others_know_is_refused_by_name() -> None:
    with pytest.raises(FaultsError, match="mercury-silion reader: region 'kr2' is unknown"):
        FAMILY.host(ReaderSettings("kr2", SETTINGS.antennas))


class Picky(SilionReader):
    """A module whose firmware knows the other form of powers, and no dwell time."""

    def _answer(self, opcode: int, data: bytes) -> bytes:
        if (opcode, data[:1]) in ((0x91, b"\x03"), (0x95, b"\x02")):
            return super()._answer(0xEE, b"")
        return super()._answer(opcode, data)


def test_older_firmware() -> None:
    reader = Picky()
    silion(reader).streaming()
    assert reader.powers_dbm == {1: 30.0, 4: 27.5}
    assert reader.dwell_ms == 4000


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0503, "0503 antenna_not_connected on antenna port 4: connect the antenna"),
        (0x0101, "check region and antennas"),
    ],
)
def test_a_start_that_is_refused_fails_with_advice(status: int, words: str) -> None:
    class Refuses(SilionReader):
        def _start(self, data: bytes) -> None:
            raise Refusal(Status(status))

    reader = Refuses()
    del reader.return_loss_db[4]
    wire = silion(reader)
    wire.open()
    wire.until(State.FAILED, 3)
    assert "could not start reading" in wire.why
    assert words in wire.why


def test_a_lost_acknowledgement_of_the_start_is_made_good_by_a_tag() -> None:
    reader = SilionReader()
    wire = silion(reader)
    wire.noise = lambda data: b"" if reader.streaming else data
    wire.open()
    wire.noise = unchanged
    wire.say(reader.tag(tag(1)))
    assert wire.host.state is State.STREAMING
    assert wire.tags == [tag(1)]


def test_what_cannot_be_used_is_counted_by_reason() -> None:
    wire = silion().streaming()
    flags = RSSI.to_bytes(2, "big")
    block = epc_block("E2801160600002051234567B", short=True)
    for data in (
        flags + b"\xc0" + block[:-1] + b"\0",  # the tag's own checksum
        flags + b"\xc0" + block[:-1],
        flags + b"\xc0" + b"\x03\x30\x00\x00",
        b"\x40\x02" + b"\xc0" + block,
        b"\x00",
    ):
        wire.say(reply(0xAA, 0, data))
    wire.say(reply(0xAA, 0, b"Moduletech\xaa\x40"))
    wire.say(reply(0x22, 0, bytes.fromhex("10001B000001")))
    wire.say(reply(0xAA, 0, flags + b"\xc0" + block))
    assert wire.tags == [TagSeen(epc="E2801160600002051234567B", rssi_dbm=-64)]
    assert wire.host.counters.rejected == {
        "epc-crc": 1,
        "truncated": 2,
        "epc-length": 1,
        "metadata-flags": 1,
        "unexpected-reply": 2,
    }


def test_the_phase_is_a_full_turn_in_twelve_bits() -> None:
    wire = silion().streaming()
    wire.write(SilionHost.stop_command + Start(0x0020).frame())  # as another program may have started it
    wire.say(wire.reader.tag(TagSeen(epc="30" * 12, phase_deg=270.0)))
    assert wire.tags == [TagSeen(epc="30" * 12, phase_deg=270.0)]


def test_the_model_refuses_what_a_module_refuses() -> None:
    reader = SilionReader()
    spoilt = extended(0xAA49)
    spoilt = command(0xAA, spoilt[3:-4] + b"\0\xbb")
    for asked, status in (
        (spoilt, 0x0105),
        (command(0xAA, b"Module"), 0x0105),
        (extended(0xAA48, b"\0\0"), 0x0105),
        (extended(0xAA58), 0x0109),
        (Start(0, option=1).frame(), 0x0105),
        (Start(0).frame(), 0x010B),
        (command(0x2F, b"\0\0\2"), 0x0102),
        (command(0x95, b"\x02\0\0\0\x01"), 0x0105),
        (command(0x91, b"\x04\x01\0"), 0x0100),
    ):
        assert reader.feed(asked)[3:5] == status.to_bytes(2, "big"), asked.hex()


@given(st.binary(max_size=60), st.integers(0, 0xFFFF), st.booleans())
def test_any_data_in_a_whole_frame_has_a_meaning(data: bytes, status: int, from_reader: bool) -> None:
    frame = reply(0xAA, status, data) if from_reader else command(0xAA, data)
    (meaning,) = FAMILY.decode([frame], Counters(), from_reader=from_reader)
    assert meaning["name"] == "silion_extended"


def test_the_family() -> None:
    assert FAMILY.name == "mercury-silion"
    assert 330 < FAMILY.reads_per_s_max < 350
    antennas = (AntennaSettings(17, 30.0),)
    with pytest.raises(FaultsError, match="port 17"):
        FAMILY.host(ReaderSettings("EU", antennas))
