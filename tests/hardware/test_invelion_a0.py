"""Readers of the A0 protocol: recorded frames, what is told by lengths alone, and what only these readers do."""

import random

import pytest

import null_modem
from null_modem import inquire
from recorded_frames import FRAMES, check_frame, frames_of
from tagtrail.hardware.errors import BadData, FaultsError
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
    Temperature,
)
from tagtrail.hardware.protocols.invelion_a0.describe import describe_answer, describe_command
from tagtrail.hardware.protocols.invelion_a0.frame import frame, look_at_answer, tag_seen
from tagtrail.hardware.protocols.invelion_a0.host import InvelionHost
from tagtrail.hardware.protocols.invelion_a0.reader import InvelionReader
from tagtrail.hardware.protocols.invelion_a0.tables import Code

ENTRIES = frames_of("invelion-a0")
FAMILY = load_family("invelion-a0")


@pytest.mark.skipif(not ENTRIES, reason=f"no recorded frames at {FRAMES}")
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["hex"][:40])
def test_recorded_frames(entry: dict[str, object]) -> None:
    check_frame(entry)


def answer(command: int, data: str) -> bytes:
    return frame(command, bytes.fromhex(data), address=1)


def settings(*ports: int, region: str | None = "EU", power_dbm: float = 25.0) -> ReaderSettings:
    return ReaderSettings(region=region, antennas=tuple(AntennaSettings(port, power_dbm) for port in ports))


class Wire(null_modem.Wire[InvelionHost, InvelionReader]):
    def __init__(self, reader: InvelionReader | None = None, *, asked: ReaderSettings | None = None) -> None:
        super().__init__(InvelionHost(asked or settings(1, 4)), reader or InvelionReader())
        self.commands: list[int] = []
        self.to_reader = self._note

    def _note(self, data: bytes) -> bytes:
        meanings = FAMILY.decode([data], Counters(), from_reader=False)
        self.commands += [int(str(meaning["cmd"]), 16) for meaning in meanings]
        return data

    def seconds_of_reading(self, seconds: int) -> None:
        """Rounds without tags, one a second."""
        for _ in range(seconds):
            self.wait(0.9)
            self.wait(0.1, lambda: self.reader.idle(0))

    @property
    def faults(self) -> list[ReaderFault]:
        return [event for event in self.events if isinstance(event, ReaderFault)]


def tag(number: int, antenna: int = 1) -> TagSeen:
    return TagSeen(epc=f"E2801160600002{number:010X}", antenna=antenna, rssi_dbm=-60)


# -- frames


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (answer(0x8A, "000003 000003E8"), {"kind": "end_of_round", "total_read": 3, "duration_ms": 1000}),
        (answer(0x8A, "00000003 000003E8"), {"kind": "end_of_round", "total_read": 3, "duration_ms": 1000}),
        (answer(0x8A, "04 1000 E2801160 45"), {"kind": "tag_read", "epc": "E2801160", "rssi_dbm": -61}),
        (answer(0x8B, "00 0011 00000005"), {"kind": "end_of_round", "read_rate": 17}),
        (answer(0x89, "07 1000 E2801160 C5"), {"kind": "tag_read", "antenna": 8, "rssi_dbm": -61}),
        (answer(0x89, "07 1000 E2801160 45 01FF"), {"kind": "tag_read", "antenna": 4, "rssi_dbm": -61}),
        (answer(0x89, "07 0800 E280 45"), {"kind": "tag_read", "epc": "E280"}),
        (answer(0x89, "07 0000 45"), {"kind": "tag_read", "fault": "epc-length"}),
        (answer(0x89, "04 4000 E28011606000020512345678 40"), {"kind": "tag_read", "epc": "E28011606000020512345678"}),
        (answer(0x7B, "00 46"), {"kind": "response", "temperature_c": 70}),
        (answer(0x89, "22"), {"kind": "status", "code_name": "antenna_missing"}),
        (answer(0x7B, "01 24"), {"kind": "response", "temperature_c": 36}),
        (answer(0x7B, "00 05"), {"kind": "response", "temperature_c": -5}),
        (answer(0x77, "14151617"), {"kind": "response", "power_dbm": [20, 21, 22, 23]}),
        (answer(0x77, "22"), {"kind": "status", "code": "0x22"}),
        (answer(0x79, "02 00 06"), {"kind": "response", "region_name": "ETSI", "end_index": 6}),
        (answer(0x79, "04 32 05 0DE5F8"), {"kind": "response", "spacing_khz": 500, "start_khz": 910_840}),
        (answer(0x7E, "14"), {"kind": "response", "return_loss_db": 20}),
        (answer(0x7E, "41"), {"kind": "status", "code_name": "parameter_invalid"}),
        (answer(0x63, "03"), {"kind": "response", "return_loss_db": 3}),
        (answer(0x75, "02"), {"kind": "response", "antenna": 2}),
        (answer(0x7E, "EE"), {"kind": "status", "code_name": "fail_to_get_return_loss"}),
        (
            answer(0x90, "0002 10 340030751FEB705C5904E3D50D703A76 45 04 09"),
            {"kind": "tag_read", "antenna": 1, "epc": "30751FEB705C5904E3D50D70", "tag_count": 2},
        ),
        (answer(0x90, "0002 10 340030751FEB705C5904E3D50D713A76 45 04 09"), {"kind": "response"}),
        (
            answer(0x81, "0001 14 340030751FEB705C5904E3D50D703A76 DEADBEEF 04 05 01"),
            {"kind": "response", "data": "DEADBEEF", "read_len": 4, "antenna": 1, "read_count": 1},
        ),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else "",
)
def test_the_length_tells_the_kind(raw: bytes, expected: dict[str, object]) -> None:
    assert expected.items() <= describe_answer(raw).items()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (frame(0x8A, bytes.fromhex("0001 0101 FF00 FF00 00 0A")), {"antennas": [0, 1, 255, 255], "stay": [1, 1, 0, 0]}),
        (frame(0x8A, bytes.fromhex("0001FFFF 0A")), {"antennas": [0, 1, 255, 255], "repeat": 10}),
        (frame(0x8B, bytes.fromhex("010005")), {"session": 1, "target": 0, "repeat": 5}),
        (frame(0x76, bytes.fromhex("14151617")), {"power_dbm": [20, 21, 22, 23]}),
        (frame(0x78, bytes.fromhex("01073B")), {"region_name": "FCC", "start_index": 7, "end_index": 59}),
    ],
)
def test_commands(raw: bytes, expected: dict[str, object]) -> None:
    assert expected.items() <= describe_command(raw).items()


@pytest.mark.parametrize(
    "data",
    [
        "04 0800 E2801160 45 00",  # an even length that no end has
        "04 1000 E2801160 45 000000",
    ],
)
def test_a_right_sum_is_not_enough(data: str) -> None:
    raw = answer(0x89, data)
    assert sum(raw) % 256 == 0
    assert look_at_answer(raw, 0) < 0


def test_a_pc_word_that_disagrees_is_shown_but_no_tag_to_trust() -> None:
    raw = answer(0x89, "04 3000 E2801160 45")
    assert look_at_answer(raw + b"\x45", 0) < 0
    assert look_at_answer(raw + raw, 0) == len(raw)
    described = describe_answer(raw)
    assert (described["kind"], described["epc"]) == ("tag_read", "E2801160")
    assert "12 bytes" in str(described["tag"])
    with pytest.raises(BadData) as caught:
        tag_seen(raw)
    assert caught.value.reason == "pc-length"


def test_noise_holds_no_tags() -> None:
    raw = random.Random(1).randbytes(1_000_000)
    assert [each for each in FAMILY.decode([raw], Counters()) if each["kind"] == "tag_read"] == []


@pytest.mark.parametrize("rssi_dbm", [rssi for rssi in range(-130, -30) if rssi != -40])
def test_every_signal_strength_with_a_code_is_told_exactly(rssi_dbm: int) -> None:
    wire = Wire().streaming()
    wire.say(wire.reader.tag(TagSeen(epc="30" * 12, antenna=4, rssi_dbm=rssi_dbm, frequency_khz=866_500)))
    assert wire.tags == [TagSeen(epc="30" * 12, antenna=4, rssi_dbm=rssi_dbm, frequency_khz=866_500)]


# -- set-up


def test_flash_memory_is_written_only_where_it_differs() -> None:
    wire = Wire(asked=settings(1, 4, power_dbm=27.9)).streaming()
    assert wire.reader.region == bytes((2, 0, 6))
    assert wire.reader.powers_dbm == {1: 27.0, 4: 27.0}  # never more than was given
    assert wire.reader.flash_writes == 2
    again = Wire(wire.reader, asked=settings(1, 4, power_dbm=27.9)).streaming()
    assert again.reader.flash_writes == 2


@pytest.mark.parametrize(
    ("reader", "ports", "last"),
    [
        (InvelionReader(ports=8), (1, 4), 0x8A),
        (InvelionReader(ports=8), (2, 5, 8), 0x8A),
        (InvelionReader(ports=4), (1, 2, 3, 4), 0x8A),
        (InvelionReader(ports=4, address=7), (1, 2), 0x8A),
        (InvelionReader(ports=4, knows_stay=False), (1, 2), 0x8A),
        (InvelionReader(ports=8, knows_stay=False), (1, 5), 0x89),
        (InvelionReader(ports=4), (3,), 0x89),
    ],
)
def test_each_firmware_reads_on_all_antennas(reader: InvelionReader, ports: tuple[int, ...], last: int) -> None:
    wire = Wire(reader, asked=settings(*ports)).streaming()
    used: set[int] = set()
    for number in range(2 * len(ports)):
        assert wire.reader.streaming
        used |= wire.reader.powers_dbm.keys()
        wire.say(wire.reader.tag(tag(number, antenna=max(wire.reader.powers_dbm))))
        wire.say(wire.reader.idle(0))
    assert used == set(ports)
    assert {seen.antenna for seen in wire.tags} <= set(ports)
    assert len(wire.tags) == 2 * len(ports)
    assert wire.commands[-1] == last
    assert wire.faults == []


def test_powers_that_differ_are_set_per_port() -> None:
    asked = ReaderSettings("EU", (AntennaSettings(2, 20), AntennaSettings(3, 30)))
    for reader in (InvelionReader(ports=4), InvelionReader(ports=8)):
        assert Wire(reader, asked=asked).streaming().reader.powers_dbm == {2: 20.0, 3: 30.0}


def test_a_port_that_the_reader_does_not_have() -> None:
    wire = Wire(InvelionReader(ports=4), asked=settings(1, 6))
    wire.open()
    wire.until(State.STREAMING, 1)
    wire.seconds_of_reading(2)
    text = "antenna_id_out_of_range: give only antenna ports that the reader has; now 6"
    assert set(wire.faults) == {ReaderFault(Code.ANTENNA_ID_OUT_OF_RANGE, text)}
    assert wire.reader.powers_dbm == {1: 25.0}


def test_a_refused_region_fails_with_advice() -> None:
    wire = Wire()
    wire.noise = lambda data: answer(0x78, "49") if data[3:4] == b"\x78" else data
    wire.open()
    wire.until(State.FAILED, 2)
    assert "49 frequency_region_out_of_range; give another region than EU" in wire.why


def test_settings_that_no_reader_can_obey() -> None:
    with pytest.raises(FaultsError) as caught:
        InvelionHost(ReaderSettings("KR", (AntennaSettings(9, 40), AntennaSettings(1, 30), AntennaSettings(1, 30))))
    assert len(caught.value.faults) == 4


# -- rounds


def test_rounds_follow_each_other_and_are_signs_of_life() -> None:
    wire = Wire().streaming()
    wire.seconds_of_reading(30)
    assert wire.commands.count(0x8A) == 31
    assert wire.events.count(KeepAlive()) == 30
    assert wire.host.counters.timeouts == 0


def test_a_round_whose_end_is_lost_is_asked_for_again() -> None:
    wire = Wire().streaming()
    wire.reader.idle(0)
    assert wire.commands.count(0x8A) == 1
    wire.wait(2.1)
    assert wire.commands.count(0x8A) == 2
    assert wire.host.state is State.STREAMING


def test_a_power_cut_brings_back_the_first_antenna_only_for_one_round() -> None:
    wire = Wire(asked=settings(3)).streaming()
    wire.reader.reboot()
    wire.wait(2.1)
    wire.say(wire.reader.idle(0))
    assert wire.reader.powers_dbm == {3: 25.0}


def test_close_waits_for_the_end_of_the_round() -> None:
    wire = Wire().streaming()
    assert wire.host.close(wire.now_s) == b""
    wire.say(wire.reader.tag(tag(1)))
    wire.wait(0.5)
    assert wire.host.state is State.DRAINING
    wire.say(wire.reader.idle(0))
    assert wire.states[-1:] == [State.CLOSED]
    assert wire.tags[0].epc == tag(1).epc
    assert wire.reader.idle(0) == b""
    assert not wire.reader.streaming
    with pytest.raises(RuntimeError):
        wire.reader.tag(tag(2))


def test_no_tag_is_seen_between_two_rounds() -> None:
    reader = Wire().streaming().reader
    reader.idle(0)
    assert reader.tag(tag(1)) == b""
    assert reader.feed(frame(0x8A, bytes.fromhex("00010301FF00FF000005"))) == b""
    (told,) = FAMILY.decode([reader.tag(tag(1))], Counters())
    assert told["epc"] == tag(1).epc
    assert [reader.idle(0) != b"" for _ in range(2)] == [True, False]
    assert not reader.streaming  # nobody asks any more


def test_frames_of_another_reader_on_the_line_are_not_taken() -> None:
    wire = Wire().streaming()
    wire.say(frame(0x89, bytes.fromhex("041000E280116045"), address=2))
    assert wire.tags == []
    assert wire.host.counters.rejected == {"address": 1}


# -- trouble


def test_a_missing_antenna_is_named_with_the_remedy_and_the_others_read_on() -> None:
    reader = InvelionReader()
    reader.missing = {4}
    wire = Wire(reader).streaming()
    wire.seconds_of_reading(3)
    text = "antenna_missing on port 4: connect the antenna or take the port out of the store file"
    assert set(wire.faults) == {ReaderFault(Code.ANTENNA_MISSING, text)}
    wire.say(reader.tag(tag(1)))
    assert len(wire.tags) == 1
    reader.missing = set()
    wire.seconds_of_reading(2)
    before = len(wire.faults)
    wire.seconds_of_reading(5)
    assert len(wire.faults) == before


@pytest.mark.parametrize("ports", [(1, 4), (4,)])
def test_without_any_antenna_it_tries_on_without_haste(ports: tuple[int, ...]) -> None:
    reader = InvelionReader()
    reader.missing = {1, 4}
    wire = Wire(reader, asked=settings(*ports)).streaming()
    wire.wait(10)
    assert wire.host.state is State.STREAMING
    assert 10 <= len(wire.faults) <= 30
    reader.missing = set()
    wire.wait(1)
    assert reader.powers_dbm


def test_the_temperature_is_asked_for_once_a_minute() -> None:
    wire = Wire().streaming()
    wire.seconds_of_reading(125)
    assert wire.events.count(Temperature(36)) == 3


def test_a_reader_without_a_thermometer_is_not_asked_again() -> None:
    wire = Wire()
    wire.noise = lambda data: answer(0x7B, "11") if data[3:4] == b"\x7b" else data
    wire.streaming()
    wire.seconds_of_reading(125)
    assert wire.commands.count(0x7B) == 1
    assert wire.faults == []


def test_a_thermometer_that_breaks_while_the_reader_rests_does_not_stop_it_for_ever() -> None:
    wire = Wire()
    wire.reader.temperature_c = 66
    wire.streaming()
    wire.seconds_of_reading(2)
    rounds = wire.commands.count(0x8A)
    wire.noise = lambda data: answer(0x7B, "11") if data[3:4] == b"\x7b" else data
    wire.seconds_of_reading(3)
    assert wire.commands.count(0x8A) > rounds


def test_a_hot_reader_rests_until_it_is_cool() -> None:
    wire = Wire().streaming()
    wire.reader.temperature_c = 66
    wire.seconds_of_reading(61)
    assert wire.faults
    assert "too_hot" in wire.faults[-1].name
    wire.seconds_of_reading(2)
    rounds = wire.commands.count(0x8A)
    wire.reader.temperature_c = 61
    wire.seconds_of_reading(30)
    assert wire.commands.count(0x8A) == rounds
    assert wire.host.state is State.STREAMING
    wire.reader.temperature_c = 59
    wire.seconds_of_reading(3)
    assert wire.commands.count(0x8A) > rounds
    assert wire.reader.streaming
    assert wire.states.count(State.STREAMING) == 1


def test_a_hot_reader_that_is_asked_to_close_does_so() -> None:
    wire = Wire()
    wire.reader.temperature_c = 66
    wire.streaming()
    wire.answers = False
    wire.wait(0.6)
    wire.host.close(wire.now_s)
    wire.say(answer(0x7B, "01 42"))
    assert wire.host.state is State.CLOSED
    assert wire.why == "the reader has stopped"


# -- asked about its set-up


def working_at(antenna: int, reader: InvelionReader) -> InvelionReader:
    reader.feed(frame(0x74, bytes((antenna,))))
    return reader


def work_antenna(reader: InvelionReader) -> object:
    return describe_answer(reader.feed(frame(0x75)))["antenna"]


def test_the_return_loss_tells_where_an_antenna_is_and_the_work_antenna_stays() -> None:
    reader = working_at(2, InvelionReader(ports=4))
    reader.missing = {2}
    reader.return_loss_db |= {3: 6}
    assert inquire(FAMILY, reader) == Details("na", (1, 3, 4), {1: 20.0, 3: 6.0, 4: 20.0})
    assert work_antenna(reader) == 2
    reader.detector_db = 10  # such a port is none for this reader
    assert inquire(FAMILY, reader) == Details("na", (1, 4), {1: 20.0, 4: 20.0})
    assert reader.flash_writes == 0
    assert not reader.streaming
    assert inquire(FAMILY, InvelionReader(ports=8)).antennas == tuple(range(1, 9))


def test_the_work_antenna_is_put_back_over_a_bad_line_too() -> None:
    reader = working_at(1, InvelionReader(ports=4))
    chosen = 0

    def noise(data: bytes) -> bytes:
        nonlocal chosen
        chosen += data[3:4] == b"\x74"
        return b"" if data[3:4] == b"\x74" and chosen in (2, 6) else data  # port 2, and once the way back

    assert inquire(FAMILY, reader, noise).antennas == (1, 3, 4)
    assert chosen == 7
    assert work_antenna(reader) == 1


@pytest.mark.parametrize(
    ("command", "told", "expected"),
    [
        (0x75, answer(0x75, "11"), Details("na")),  # what cannot be put back is not changed
        (0x79, answer(0x79, "04 32 05 0DE5F8"), Details()),  # a spectrum of its own
        (0x79, answer(0x79, "02 00 06"), Details("eu", tuple(range(1, 9)), dict.fromkeys(range(1, 9), 20.0))),
        (0x7E, answer(0x7E, "EE"), Details("na")),
        (0x63, answer(0x63, "00"), Details("na", tuple(range(1, 9)), dict.fromkeys(range(1, 9), 20.0))),
    ],
)
def test_what_a_reader_does_not_tell_is_not_made_up(command: int, told: bytes, expected: Details) -> None:
    reader = working_at(3, InvelionReader())
    assert inquire(FAMILY, reader, lambda data: told if data[3:4] == bytes((command,)) else data) == expected
    assert work_antenna(reader) == 3
