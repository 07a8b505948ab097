"""Chafon readers: recorded frames, the CRC, both layouts, and what only these readers do."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import null_modem
from null_modem import inquire
from recorded_frames import FRAMES, check_frame, frames_of
from tagtrail.hardware.errors import BadData, FaultsError
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.chafon.describe import describe_command, describe_reply
from tagtrail.hardware.protocols.chafon.frame import command, crc16, look_for_command, look_for_reply, reply
from tagtrail.hardware.protocols.chafon.host import HELD_MAX, ChafonHost
from tagtrail.hardware.protocols.chafon.reader import ChafonReader
from tagtrail.hardware.protocols.chafon.tables import BANDS, Band, Layout
from tagtrail.hardware.protocols.chafon.tags import Record, parse_buffer, parse_info, parse_inventory, parse_report
from tagtrail.hardware.protocols.framing import BAD_CHECKSUM, MORE, NOT_A_FRAME
from tagtrail.hardware.protocols.inquiry import Details
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Counters,
    KeepAlive,
    ReaderFault,
    ReaderSettings,
    State,
    StateChanged,
    TagSeen,
    Temperature,
)

ENTRIES = frames_of("chafon")
FAMILY = load_family("chafon")
EPC = "E28011606000020512345678"
L18, L288 = Layout.WITHOUT_ANTENNA, Layout.WITH_ANTENNA


# -- frames


@pytest.mark.skipif(not ENTRIES, reason=f"no recorded frames at {FRAMES}")
@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: str(entry["hex"])[:40])
def test_recorded_frames(entry: dict[str, Any]) -> None:
    variant = entry["meaning"].get("variant")
    check_frame(entry, {"layout": variant} if variant in ("18", "288") else None)


def plain_crc16(message: bytes) -> int:
    register = 0xFFFF
    for byte in message:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register


@given(st.binary(max_size=300))
def test_the_crc_is_the_one_of_the_manual(message: bytes) -> None:
    assert crc16(message) == plain_crc16(message)


@given(st.binary(max_size=250), st.sampled_from([0x01, 0x21, 0x72, 0xEE]), st.sampled_from([0x00, 0x03, 0x28, 0xFB]))
def test_a_frame_is_recognised_and_no_shorter_one(data: bytes, code: int, status: int) -> None:
    answer = reply(code, status, data)
    assert look_for_reply(answer, 0) == len(answer)
    assert all(look_for_reply(answer[:size], 0) == MORE for size in range(1, len(answer)))
    asked = command(code, data)
    assert look_for_command(asked, 0) == len(asked)
    assert look_for_command(b"\x00" + asked, 1) == len(asked)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("04", NOT_A_FRAME),  # too short for an answer
        ("05 00 99", NOT_A_FRAME),  # no such command
        ("05 00 21 30", NOT_A_FRAME),  # no such status
        ("05 00 00 01", NOT_A_FRAME),  # only a refusal answers what could not be read
        ("05 00 00 FE", MORE),
        ("05 00 40 00 10 2B", 6),
        ("05 00 40 00 10 2C", BAD_CHECKSUM),
    ],
)
def test_what_may_begin_a_frame(data: str, expected: int) -> None:
    assert look_for_reply(bytes.fromhex(data), 0) == expected


# -- tags


def test_both_layouts() -> None:
    epc = bytes.fromhex(EPC)
    assert parse_inventory(b"\x02\x0c" + epc + b"\x04" + epc[:4], L18) == [Record(None, epc), Record(None, epc[:4])]
    assert parse_inventory(b"\x04\x01\x0c" + epc + b"\x6b", L288) == [Record(4, epc, 0x6B)]
    with_all = b"\x01\x01\xd8" + epc + bytes(range(12)) + b"\x6b" + b"\x00\x10\x00\x20" + (866_300).to_bytes(3, "big")
    (record,) = parse_inventory(with_all, L288)
    assert (record.epc, record.tid, record.rssi_raw) == (epc, bytes(range(12)), 0x6B)
    assert (record.phase, record.frequency_khz) == (b"\x00\x10\x00\x20", 866_300)
    assert parse_inventory(b"\x00", L18) == parse_inventory(b"\x01\x00", L288) == []


@pytest.mark.parametrize("layout", Layout)
@given(data=st.binary(max_size=60))
def test_data_that_do_not_fit_are_no_tags(layout: Layout, data: bytes) -> None:
    """Whatever is read is read to the last byte, and anything else is bad data."""
    with suppress(BadData):
        records = parse_inventory(data, layout)
        sizes = [1 + len(r.epc) + (r.rssi_raw is not None) + len(r.tid or b"") for r in records]
        phases = sum(7 for r in records if r.phase is not None)
        assert sum(sizes) + phases + (2 if layout is L288 else 1) == len(data)
    with suppress(BadData):
        parse_buffer(data)
    with suppress(BadData):
        parse_report(data)


@given(epc=st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words)))
@example(bytes.fromhex("E2091234567890ABCDEF0011"))  # the length of the other form would fit
@example(bytes.fromhex("300D0102030405060708090A0B0C0D0E"))
@example(bytes.fromhex("3042AABBCCDDEEFF00112233"))  # as if phase and frequency followed
def test_a_report_in_real_time_mode_tells_its_form(epc: bytes) -> None:
    assert parse_report(epc) == Record(None, epc)
    assert parse_report(b"\x02" + bytes((len(epc),)) + epc + b"\x6b") == Record(2, epc, 0x6B)
    phase, frequency = b"\0\1\2\3", (866_300).to_bytes(3, "big")
    with_phase = b"\x02" + bytes((len(epc) | 0x40,)) + epc + b"\x6b" + phase + frequency
    assert parse_report(with_phase) == Record(2, epc, 0x6B, None, phase, 866_300)


def test_a_refusal_before_the_reader_is_known_is_said() -> None:
    host = ChafonHost(settings(1))
    host.open(0.0)
    host.tick(0.6)
    events, _ = host.feed(reply(0x21, 0xF8), 0.7)
    assert [(event.state, "antenna_error" in event.why) for event in events if isinstance(event, StateChanged)] == [
        (State.FAILED, True)
    ]


@pytest.mark.parametrize(
    ("info", "layout"),
    [
        ("00160C034E001E0A01000000", L288),
        ("0502860231801A32", L18),
        ("0501890213401A3C0000", L18),
        ("0205090231801A0A", L18),
        ("02050C0231801A0A", L288),
        ("0205770231801A0A01000000", L288),
    ],
)
def test_the_reader_decides_the_layout(info: str, layout: Layout) -> None:
    assert parse_info(bytes.fromhex(info)).layout is layout


def test_what_a_reader_says_of_itself_is_what_it_is_asked_for() -> None:
    for layout in Layout:
        info = ChafonReader(layout).info
        assert info.layout is layout
        assert parse_info(info.data()) == info
    for band in BANDS.values():
        channel_max, channel_min = band.setting()
        info = parse_info(bytes((1, 0, 9, 3, channel_max, channel_min, 20, 10)))
        assert info.band == band
        assert info.channel_max & 0x3F == band.channel_max


# -- words


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (reply(0x01, 0x26, bytes.fromhex("01 0011 00000005")), {"kind": "stats", "read_rate": 17, "total_count": 5}),
        (reply(0x01, 0xFB), {"kind": "end_of_round", "status_name": "no_tag"}),
        (reply(0x01, 0x01), {"kind": "end_of_round", "round_complete": True}),
        (reply(0x01, 0xF8, b"\x02"), {"kind": "error", "error_name": "antenna_error", "antenna": 2}),
        (reply(0x01, 0x01, b"\x01\x01\x02\xaa\xbb\x10"), {"kind": "tag_read", "epc": "AABB"}),
        (reply(0x01, 0x01, b"\x01\x01\x00\x10"), {"kind": "tag_read", "epc": "", "fault": "epc-length"}),
        (reply(0x2F, 0x00, address=0xFF), {"kind": "response", "fault": "address"}),
        (reply(0x2F, 0xFF), {"kind": "error", "error": "0xFF", "error_name": "wrong_parameter"}),
        (reply(0x00, 0xFE), {"kind": "error", "name": "unknown", "error_name": "illegal_command"}),
        (reply(0x92, 0x00, b"\x00\x05"), {"kind": "response", "temperature_c": -5}),
        (
            reply(0xEE, 0x28, bytes.fromhex("00000007 01020000 00000009")),
            {"kind": "keepalive", "packet_no": 7, "antenna_status": [1, 2, 0, 0], "total_count": 9},
        ),
        (
            reply(0xEE, 0x00, bytes.fromhex(f"05 0C {EPC} 6B")),
            {"kind": "tag_read", "epc": EPC, "antenna": None, "antenna_mask": 5, "rssi_raw": 0x6B, "rssi_dbm": None},
        ),
        (
            reply(0x01, 0x03, bytes.fromhex(f"01 0C {EPC}")),
            {"kind": "response", "fault": "layout", "note": "these would be tags in layout 18"},
        ),
    ],
)
def test_the_meaning_of_answers(raw: bytes, expected: dict[str, object]) -> None:
    assert expected.items() <= describe_reply(raw, L288).items()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0F 00 01 0000 20 00 80 14", {"q_byte": 15, "data": "01000020008014"}),  # less mask than announced
        ("0F 00 01 0000 00 00 80 14", {"mask_mem": 1, "target": 0, "antenna": 1, "scan_time_100ms": 20}),
        ("24 00 01 0020 10 E280 02 06 00 83 0A", {"mask": "E280", "adr_tid": 2, "len_tid": 6, "antenna": 4}),
        ("04 FF 02 06", {"adr_tid": 2, "len_tid": 6}),
        ("04", {"data": "04"}),
        ("04 00 01 02 03", {"target": 1, "antenna_sel": 2, "scan_time_100ms": 3}),
    ],
)
def test_the_forms_of_an_inventory(data: str, expected: dict[str, object]) -> None:
    assert expected.items() <= describe_command(command(1, bytes.fromhex(data)), L288).items()


@given(st.binary(min_size=2, max_size=2), st.binary(max_size=40), st.sampled_from(Layout))
def test_any_frame_has_a_meaning(code_and_status: bytes, data: bytes, layout: Layout) -> None:
    code, status = code_and_status
    assert isinstance(describe_reply(reply(code, status, data), layout)["kind"], str)
    assert describe_command(command(code, data), layout)["kind"] == "command"


def test_decode_takes_the_layout_given_or_told() -> None:
    tag = reply(0x01, 0x03, bytes.fromhex(f"01 0C {EPC}"))
    told = reply(0x21, 0x00, bytes.fromhex("0205090231801A0A"))

    def kinds(data: bytes, **options: str) -> list[object]:
        return [meaning["kind"] for meaning in FAMILY.decode([data], Counters(), options=options)]

    assert kinds(tag) == ["tag_read"]  # in 288 it is nothing, in 18 a tag to the last byte
    assert kinds(tag, layout="288") == ["response"]
    assert kinds(reply(0x01, 0x03, bytes.fromhex(f"02 01 AA 0C {EPC}"))) == ["response"]  # no EPC has one byte
    assert kinds(tag, layout="18") == ["tag_read"]
    assert kinds(told + tag) == ["response", "tag_read"]
    assert kinds(told + tag, layout="288") == ["response", "response"]
    with pytest.raises(FaultsError, match="layout=17"):
        kinds(b"", layout="17")


# -- sessions


def settings(*ports: int, region: str | None = "EU", powers_dbm: tuple[float, ...] = ()) -> ReaderSettings:
    powers = powers_dbm or (25.0,) * len(ports)
    return ReaderSettings(region=region, antennas=tuple(map(AntennaSettings, ports, powers)))


class Wire(null_modem.Wire[ChafonHost, ChafonReader]):
    def __init__(self, reader: ChafonReader | None = None, *, asked: ReaderSettings | None = None) -> None:
        super().__init__(ChafonHost(asked or settings(1, 4)), reader or ChafonReader())
        self.sent: list[dict[str, object]] = []
        self.sent_at_s: list[float] = []
        self.to_reader = self._note

    def _note(self, data: bytes) -> bytes:
        layout = {"layout": self.reader.layout.value}
        for meaning in FAMILY.decode([data], Counters(), from_reader=False, options=layout):
            self.sent.append(meaning)
            self.sent_at_s.append(self.now_s)
        return data

    def names(self) -> list[object]:
        return [meaning["name"] for meaning in self.sent]

    def seconds_of_reading(self, seconds: int) -> None:
        """Rounds without tags, three a second."""
        for _ in range(seconds * 2):
            self.wait(0.4)
            self.wait(0.1, lambda: self.reader.idle(0))

    def reading(self) -> "Wire":
        if self.host.state is State.CLOSED:
            self.open()
        self.until(State.STREAMING, 10)
        while not self.reader.streaming:
            self.wait(0.1)
        return self

    @property
    def faults(self) -> list[ReaderFault]:
        return [event for event in self.events if isinstance(event, ReaderFault)]


def tag(number: int, antenna: int | None = 1, rssi_raw: int | None = 0x6B) -> TagSeen:
    return TagSeen(epc=f"E2801160600002{number:010X}", antenna=antenna, rssi_raw=rssi_raw)


def test_a_reader_in_layout_288_is_set_up_and_read_antenna_by_antenna() -> None:
    wire = Wire(asked=settings(1, 4, powers_dbm=(26.9, 20.0))).reading()
    assert wire.reader.saved.band == BANDS[4].setting()
    assert wire.reader.saved.beeper == 0
    assert wire.reader.powers_dbm == {1: 26.0, 4: 20.0}  # whole dBm, never more than was asked for
    wire.say(wire.reader.tag(tag(1)) + wire.reader.tag(tag(2, antenna=4)))
    wire.seconds_of_reading(6)
    assert wire.tags == [tag(1), tag(2, antenna=4)]
    rounds = [(meaning["antenna"], meaning["scan_time_100ms"]) for meaning in wire.sent if "antenna" in meaning]
    assert rounds[:4] == [(1, 5), (4, 5), (1, 5), (4, 5)]
    assert Temperature(36.0) in wire.events
    assert KeepAlive() in wire.events
    assert wire.host.counters.timeouts == 0
    assert all(later - earlier >= 0.015 for earlier, later in zip(wire.sent_at_s, wire.sent_at_s[1:], strict=False))


def test_a_reader_in_layout_18_has_one_antenna_and_no_signal_strength() -> None:
    wire = Wire(ChafonReader(L18), asked=settings(1)).reading()
    assert wire.reader.saved.scan_time_100ms == 10
    assert wire.reader.powers_dbm == {1: 25.0}
    wire.say(wire.reader.tag(tag(1)))
    wire.seconds_of_reading(2)
    assert wire.tags == [tag(1, antenna=None, rssi_raw=None)]
    assert "UHFReader18" in wire.events[2].why  # type: ignore[union-attr]
    two = Wire(ChafonReader(L18))
    two.open()
    two.until(State.FAILED, 5)
    assert "single antenna" in two.why


def test_flash_memory_is_not_written_without_need() -> None:
    wire = Wire(asked=settings(1)).reading()
    again = Wire(wire.reader, asked=settings(1)).reading()
    written = {"set_frequency", "set_buzzer", "set_scan_time", "set_work_mode"}
    assert {"set_frequency", "set_buzzer"} == written & set(wire.names())
    assert not written & set(again.names())
    powers = [meaning for meaning in again.sent if meaning["name"] == "set_power"]
    assert all(meaning["saved"] is False for meaning in powers)


def test_a_reader_left_in_real_time_mode_is_brought_back() -> None:
    reader = ChafonReader(real_time=True)
    reader.saved.antenna_mask = 0x05
    wire = Wire(reader, asked=settings(1))
    wire.open()
    wire.say(reader.tag(tag(1, antenna=3)) + reader.idle(0))
    wire.reading()
    assert reader.saved.work_mode == 0
    assert wire.tags == [tag(1, antenna=3)]  # held until the reader had told its layout
    assert KeepAlive() in wire.events


def test_a_reader_of_layout_18_leaves_its_active_mode() -> None:
    reader = ChafonReader(L18, real_time=True)
    wire = Wire(reader, asked=settings(1))
    wire.open()
    wire.say(reader.tag(tag(1)))
    wire.reading()
    assert reader.saved.work_mode == 0
    assert wire.tags == [tag(1, antenna=None, rssi_raw=None)]
    (sent,) = [meaning for meaning in wire.sent if meaning["name"] == "set_work_mode_18"]
    assert sent["data"] == "000204020600"


def test_real_time_mode_while_reading_starts_again() -> None:
    wire = Wire(asked=settings(1)).reading()
    wire.reader.saved.work_mode = 1
    wire.say(wire.reader.tag(tag(1)))
    assert wire.states[-1:] == [State.STOPPING]
    wire.until(State.STREAMING, 10)
    assert wire.reader.saved.work_mode == 0
    assert wire.tags == [tag(1)]


def test_frames_without_end_before_the_layout_is_known_are_bounded() -> None:
    host = ChafonHost(settings(1))
    host.open(0.0)
    frame = reply(0x01, 0x03, bytes.fromhex(f"01 01 0C {EPC} 6B"))
    events, _ = host.feed(frame * (HELD_MAX + 5), 0.0)
    assert not [event for event in events if isinstance(event, TagSeen)]
    assert host.counters.rejected == {"layout-unknown": 5}


def test_a_missing_antenna_is_named_and_left_out_for_a_while() -> None:
    reader = ChafonReader()
    reader.missing_ports = {4}
    wire = Wire(reader).reading()
    wire.seconds_of_reading(8)
    assert [fault.code for fault in wire.faults] == [0xF8]
    assert "read on antenna 4" in wire.faults[0].name
    assert "cable" in wire.faults[0].name
    reader.missing_ports = set()
    wire.seconds_of_reading(6)
    assert [meaning["antenna"] for meaning in wire.sent if meaning.get("antenna") == 4][1:]
    assert len(wire.faults) == 1


def test_a_reader_without_any_antenna_is_not_asked_in_a_hurry() -> None:
    reader = ChafonReader()
    reader.missing_ports = {1, 4}
    wire = Wire(reader).streaming()
    wire.wait(10)
    assert wire.host.state is not State.FAILED
    assert 4 <= len(wire.faults) <= 60


def test_a_power_cut_between_two_rounds_is_noticed() -> None:
    wire = Wire(asked=settings(1)).reading()
    wire.seconds_of_reading(2)
    wire.reader.reboot()
    assert wire.reader.powers_dbm == {1: 20.0}
    wire.seconds_of_reading(14)
    assert wire.reader.powers_dbm == {1: 25.0}
    assert wire.host.state is State.STREAMING


def test_a_reader_without_temperature_is_not_asked_twice() -> None:
    wire = Wire(ChafonReader(L18), asked=settings(1)).reading()
    wire.seconds_of_reading(25)
    assert wire.names().count("get_temperature") == 1
    assert not wire.faults


def test_a_full_memory_and_faults_of_a_round_are_told() -> None:
    wire = Wire(asked=settings(1)).reading()
    wire.say(wire.reader.fault(0x04))
    wire.wait(1)
    wire.say(wire.reader.fault(0xF9))
    assert [fault.code for fault in wire.faults] == [0x04, 0xF9]
    assert "shorten the scan time" in wire.faults[0].name
    assert "power-cycle" in wire.faults[1].name


def test_what_is_refused_is_said_with_a_remedy() -> None:
    wire = Wire(asked=settings(1, powers_dbm=(33.0,)))
    wire.open()
    wire.until(State.FAILED, 5)
    assert "could not set the transmit power: the reader answered FF wrong_parameter" in wire.why
    assert "power_dbm" in wire.why


def test_another_reader_on_the_line_is_not_heard() -> None:
    wire = Wire(ChafonReader(address=3), asked=settings(1)).reading()
    wire.say(reply(0x01, 0x03, bytes.fromhex(f"01 01 0C {EPC} 6B"), address=4))
    wire.say(reply(0x01, 0x03, bytes.fromhex(f"01 01 0C {EPC} 6B"), address=3))
    assert len(wire.tags) == 1
    assert wire.host.counters.rejected == {"other-address": 1}


def test_nonsense_in_good_frames_is_counted() -> None:
    wire = Wire(asked=settings(1)).reading()
    wire.say(reply(0x01, 0x03, b"\x01\x01\x0c\x00"))
    wire.say(reply(0x01, 0x03, b"\x01\x01\x00\x10"))
    wire.say(reply(0x40, 0x00))
    assert wire.host.counters.rejected == {"layout": 1, "epc-length": 1, "unexpected-reply": 1}
    assert not wire.tags


def test_a_round_that_goes_wrong_while_closing_ends_the_session() -> None:
    wire = Wire(asked=settings(1)).reading()
    wire.host.close(wire.now_s)  # the stop is lost
    wire.say(wire.reader.fault(0xF8))
    assert wire.host.state is State.CLOSED


# -- asked about its set-up


@pytest.mark.parametrize(("band", "region"), [(BANDS[4], "eu"), (BANDS[7], None)])
def test_a_reader_in_layout_18_tells_its_region(band: Band, region: str | None) -> None:
    reader = ChafonReader(L18)
    reader.saved.band = band.setting()
    assert inquire(FAMILY, reader) == Details(region)


def test_the_return_loss_tells_where_an_antenna_is() -> None:
    reader = ChafonReader()
    reader.missing_ports = {2}
    reader.return_loss_db = {1: 18, 2: 18, 3: 6, 4: 2}  # and there are no more ports
    answers: list[bytes] = []

    def noted(data: bytes) -> bytes:
        answers.append(data)
        return data

    assert inquire(FAMILY, reader, noted) == Details("na", (1, 3), {1: 18.0, 3: 6.0})
    assert len(answers) == 6  # itself, four ports, and a refusal
    assert not reader.streaming


def test_a_reader_that_cannot_measure_tells_its_region() -> None:
    refusal = reply(0x00, 0xFE)
    assert inquire(FAMILY, ChafonReader(), lambda data: refusal if data[2] == 0x91 else data) == Details("na")
    assert inquire(FAMILY, ChafonReader(), lambda _: b"") == Details()


def test_an_antenna_error_is_a_port_without_an_antenna() -> None:
    errors = iter([reply(0x91, 0xF8)])
    details = inquire(FAMILY, ChafonReader(), lambda data: next(errors, data) if data[2] == 0x91 else data)
    assert details.antennas == (2, 3, 4, 5, 6, 7, 8)


def test_a_measurement_in_words() -> None:
    asked = describe_command(command(0x91, (866_300).to_bytes(4, "big") + b"\3"), L288)
    assert (asked["name"], asked["frequency_khz"], asked["antenna"]) == ("return_loss", 866_300, 4)
    assert describe_reply(reply(0x91, 0, b"\x12"), L288)["return_loss_db"] == 18


# -- heat


def test_a_hot_reader_rests_until_it_is_cool() -> None:
    wire = Wire(asked=settings(1)).reading()
    wire.reader.temperature_c = 66
    wire.seconds_of_reading(12)
    assert Temperature(66.0) in wire.events
    assert "too_hot" in wire.faults[-1].name
    rounds = wire.names().count("inventory")
    asked = wire.names().count("get_temperature")
    wire.reader.temperature_c = 61
    wire.wait(30)
    assert wire.names().count("inventory") == rounds
    assert 30 <= wire.names().count("get_temperature") - asked <= 60
    assert wire.host.state is State.STREAMING
    wire.reader.temperature_c = 59
    wire.seconds_of_reading(3)
    assert wire.names().count("inventory") > rounds + 2
    wire.see(tag(1))
    assert wire.tags == [tag(1)]
    assert wire.states.count(State.STREAMING) == 1
    assert wire.host.counters.timeouts == 0


def test_a_thermometer_that_breaks_while_the_reader_rests_does_not_stop_it_for_ever() -> None:
    wire = Wire(asked=settings(1)).reading()
    wire.reader.temperature_c = 66
    wire.seconds_of_reading(12)
    rounds = wire.names().count("inventory")
    wire.noise = lambda data: reply(0x92, 0) if data[2:3] == b"\x92" else data
    wire.seconds_of_reading(3)
    assert wire.host.counters.rejected == {"temperature": 1}
    assert wire.names().count("inventory") > rounds + 2


def test_settings_that_no_reader_can_obey() -> None:
    with pytest.raises(FaultsError) as caught:
        ChafonHost(settings(1, 1, 9, region="jp", powers_dbm=(20.0, 34.0, 20.0)))
    assert len(caught.value.faults) == 4


def test_the_model_tells_what_it_is_asked_for_and_no_more() -> None:
    reader = ChafonReader()
    with pytest.raises(RuntimeError, match="not streaming"):
        reader.tag(tag(1))
    with pytest.raises(RuntimeError, match="no round"):
        reader.fault(0xF8)
    assert reader.feed(command(0x21, address=5)) == b""
    assert reader.feed(command(0x99)) == b""
    assert reader.feed(command(0x18)) == reply(0x00, 0xFE)
    assert reader.feed(command(0x22, b"\x4e")) == reply(0x00, 0xFD)
    assert reader.feed(command(0x22, b"\x4f\x00")) == reply(0x22, 0xFF)
    reader.feed(command(0x01, bytes((4, 0, 0, 0x80, 10))))
    with pytest.raises(ValueError, match="antenna 9"):
        reader.tag(tag(1, antenna=9))
    assert reader.tag(TagSeen(epc=EPC, rssi_dbm=-61.0))[-3] == 256 - 61
    for _ in range(4):
        reader.idle(0)
    assert not reader.streaming
