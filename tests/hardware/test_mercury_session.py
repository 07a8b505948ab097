"""The host's session against the module's model over a wire without a machine: states, settings, reads, and trouble."""

import random

import pytest

from fixture_mercury import EPC_BLOCK, SETTINGS, Wire, tag
from null_modem import unchanged
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
from tagtrail.hardware.protocols.mercury.reader import MercuryReader


@pytest.mark.parametrize("piece", [4096, 7, 1])
def test_a_clean_wire_from_open_to_closed(piece: int) -> None:
    wire = Wire(piece=piece)
    wire.open()
    wire.until(State.STREAMING, 1)
    reader = wire.reader
    assert reader.streaming
    assert reader.powers_dbm == {1: 30.0, 4: 27.5}
    assert reader.region == 0x08
    assert reader.config == {0x0C: b"\0"}
    assert reader.protocol_config == {(5, 0): b"\0", (5, 1): b"\1\0"}
    sent = [tag(number, antenna=1 + 3 * (number % 2)) for number in range(200)]
    for seen in sent:
        wire.say(reader.tag(seen))
    wire.say(reader.idle(1000))
    wire.write(wire.host.close(wire.now_s))
    wire.wait(0.1)
    assert wire.tags == sent
    assert KeepAlive() in wire.events
    assert Temperature(36) in wire.events
    assert not reader.streaming
    assert wire.states == [
        State.STOPPING,
        State.PROBING,
        State.CONFIGURING,
        State.STREAMING,
        State.DRAINING,
        State.CLOSED,
    ]
    counters = wire.host.counters
    assert (counters.bytes_dropped, counters.checksum_errors, counters.timeouts, counters.rejected) == (0, 0, 0, {})


def test_a_tag_is_told_as_the_plan_asks_and_no_more() -> None:
    wire = Wire().streaming()
    wire.say(wire.reader.tag(TagSeen(epc="30" * 12, antenna=16, rssi_dbm=-61.4, frequency_khz=866_300, phase_deg=90)))
    assert wire.tags == [TagSeen(epc="30" * 12, antenna=16, rssi_dbm=-61, reader_time_ms=0)]
    wire.say(wire.reader.tag(TagSeen(epc="30" * 12, antenna=1)))
    assert wire.tags[-1].rssi_dbm == -128


def test_garbage_and_loss_cost_only_the_frames_they_touch() -> None:
    wire = Wire(piece=13).streaming()
    chance = random.Random(7)
    intact = []
    for number in range(2000):
        frame = wire.reader.tag(tag(number))
        kind = chance.random()
        if kind < 0.1:
            at = chance.randrange(len(frame))
            frame = frame[:at] + frame[at + 1 :]
        elif kind < 0.2:
            frame = chance.randbytes(chance.randint(1, 40)) + frame
            intact.append(tag(number))
        else:
            intact.append(tag(number))
        wire.say(frame)
    wire.say(wire.reader.idle(0))
    wire.wait(1)
    assert wire.tags == intact
    assert wire.host.state is State.STREAMING
    assert wire.host.counters.checksum_errors > 0


def test_it_starts_over_a_bad_wire() -> None:
    """Each command or answer may be hurt; retries get there."""
    chance = random.Random(3)

    def hurt(data: bytes) -> bytes:
        return data[:-1] if data and chance.random() < 0.12 else data

    wire = Wire()
    wire.noise = wire.to_reader = hurt
    wire.open()
    wire.until(State.STREAMING, 30)
    assert wire.host.counters.timeouts > 0
    wire.noise = wire.to_reader = unchanged
    wire.say(wire.reader.tag(tag(1)))
    assert wire.tags == [tag(1)]


def test_a_false_start_before_an_answer_does_not_hide_it() -> None:
    wire = Wire()
    wire.noise = lambda data: b"\xff\xf0" + data if data else data
    wire.open()
    wire.until(State.STREAMING, 10)
    assert wire.host.counters.timeouts == 0


def test_reads_of_a_reader_left_streaming_are_real_reads() -> None:
    reader = Wire().streaming().reader
    wire = Wire(reader)
    stale = [tag(number) for number in range(5)]
    queued = b"".join(reader.tag(seen) for seen in stale)
    wire.host.open(wire.now_s)
    wire.say(queued[10:])
    assert wire.host.state is State.STOPPING
    wire.write(command(0x2F, b"\0\0\2"))
    wire.until(State.STREAMING, 1)
    assert wire.tags == stale[1:]
    assert reader.streaming


def test_a_lost_stop_is_repeated_when_tags_keep_coming() -> None:
    reader = Wire().streaming().reader
    wire = Wire(reader)
    wire.host.open(wire.now_s)  # the stop is lost
    wire.wait(2.1, lambda: reader.tag(tag(1)) if reader.streaming else b"")
    wire.until(State.STREAMING, 1)
    assert wire.host.counters.timeouts == 1
    assert len(wire.tags) >= 19


def test_tags_queued_behind_close_are_delivered() -> None:
    wire = Wire().streaming()
    out = wire.host.close(wire.now_s)
    wire.say(wire.reader.tag(tag(1)) + wire.reader.tag(tag(2)))
    assert wire.states[-1:] == [State.DRAINING]
    wire.write(out)
    assert wire.tags == [tag(1), tag(2)]
    assert wire.states[-1:] == [State.CLOSED]


def test_close_is_bounded_when_the_reader_is_dead() -> None:
    wire = Wire().streaming()
    wire.answers = False
    wire.write(wire.host.close(wire.now_s))
    assert wire.host.close(wire.now_s) == b""
    wire.wait(1.9)
    assert wire.host.state is State.DRAINING
    wire.until(State.CLOSED, 0.3)
    assert "no acknowledgement" in wire.why


def test_close_is_bounded_when_the_reader_does_not_obey() -> None:
    wire = Wire().streaming()
    wire.to_reader = lambda _: b""
    wire.write(wire.host.close(wire.now_s))
    wire.wait(4.5, lambda: wire.reader.tag(tag(1)))
    assert wire.states[-1:] == [State.CLOSED]
    assert len(wire.tags) == 45


def test_close_before_open_and_after_failure_does_nothing() -> None:
    host = MercuryHost(SETTINGS)
    assert host.close(0.0) == b""
    assert host.state is State.CLOSED
    assert host.feed(reply(0x03), 0.0) == ([], b"")


def test_a_reboot_in_the_middle_of_a_frame() -> None:
    wire = Wire().streaming()
    wire.say(wire.reader.tag(tag(1)))
    wire.say(wire.reader.tag(tag(2))[:20])
    woken = wire.reader.reboot()
    assert not wire.reader.streaming
    wire.say(woken)
    wire.until(State.STREAMING, 3)
    assert wire.reader.powers_dbm == {1: 30.0, 4: 27.5}
    wire.say(wire.reader.tag(tag(3)))
    assert wire.tags == [tag(1), tag(3)]
    assert wire.states.count(State.STREAMING) == 2


def test_a_silent_reboot_is_found_by_the_watchdog() -> None:
    wire = Wire().streaming()
    wire.reader.reboot()
    wire.wait(3.9)
    assert wire.host.state is State.STREAMING
    wire.wait(0.2)
    wire.until(State.STREAMING, 1)
    assert wire.reader.streaming
    assert wire.host.counters.timeouts == 1


def test_keep_alives_keep_it_streaming() -> None:
    wire = Wire().streaming()
    for second in range(30):
        wire.wait(1)
        wire.say(wire.reader.idle(second * 1000))
    assert wire.states.count(State.STREAMING) == 1
    assert wire.host.counters.keepalives == 30


def test_a_reader_that_answers_but_never_reports_fails_after_three_starts() -> None:
    wire = Wire().streaming()
    wire.until(State.FAILED, 30)
    assert wire.states.count(State.STREAMING) == 4
    assert "power-cycle" in wire.why


def test_a_silent_reader_fails_with_advice() -> None:
    wire = Wire()
    wire.answers = False
    wire.open()
    wire.until(State.FAILED, 6)
    assert "no answer" in wire.why
    assert "cable" in wire.why
    assert State.CONFIGURING not in wire.states
    wire.answers = True
    wire.streaming()


def test_a_firmware_assertion_starts_again() -> None:
    wire = Wire().streaming()
    wire.say(reply(0x22, 0x7F01, b"\0\0\0\x2aradio.c"))
    assert ReaderFault(0x7F01, "firmware_assert") in wire.events
    wire.until(State.STREAMING, 2)
    assert wire.states.count(State.STREAMING) == 2


def test_the_end_of_the_stream_starts_again() -> None:
    wire = Wire().streaming()
    wire.say(reply(0x22, 0, bytes.fromhex("10001B005700")))
    wire.until(State.STREAMING, 2)
    assert wire.states.count(State.STREAMING) == 2


def test_a_bootloader_is_booted() -> None:
    wire = Wire(MercuryReader(in_bootloader=True)).streaming()
    assert wire.reader.streaming


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (ReaderSettings(region=None, antennas=SETTINGS.antennas), ["no region", "store file"]),
        (ReaderSettings(region="NA", antennas=(AntennaSettings(2, 33.0),)), ["0103", "power_too_high", "33 on port 2"]),
        (ReaderSettings(region="NA", antennas=(AntennaSettings(2, 1.0),)), ["0106", "power_too_low"]),
    ],
)
def test_a_refused_configuration_fails_with_status_and_advice(settings: ReaderSettings, words: list[str]) -> None:
    wire = Wire(settings=settings)
    wire.open()
    wire.until(State.FAILED, 1)
    assert all(word in wire.why for word in words), wire.why


def test_a_region_that_the_reader_keeps_is_enough() -> None:
    wire = Wire(settings=ReaderSettings(region=None, antennas=SETTINGS.antennas))
    wire.write(command(0x97, b"\x01"))
    wire.streaming()
    assert wire.reader.region == 0x01


def test_impossible_settings_are_refused_all_at_once() -> None:
    antennas = (AntennaSettings(0, 30), AntennaSettings(3, 90), AntennaSettings(3, 30))
    with pytest.raises(FaultsError) as caught:
        MercuryHost(ReaderSettings(region="MARS", antennas=antennas))
    assert len(caught.value.faults) == 4
    with pytest.raises(FaultsError, match="no antenna"):
        MercuryHost(ReaderSettings(region=None, antennas=()))


def test_what_cannot_be_used_is_counted_by_reason() -> None:
    wire = Wire().streaming()
    head = bytes.fromhex("10001B000001")
    bad_crc = EPC_BLOCK[:-1] + b"\0"
    wire.say(reply(0x22, 0, head + bad_crc))
    wire.say(reply(0x22, 0, head + EPC_BLOCK[:-1]))
    wire.say(reply(0x22, 0, head[:-1] + b"\x09"))
    wire.say(reply(0x22, 0, bytes.fromhex("10001B400001") + EPC_BLOCK))
    wire.say(reply(0x72, 0, b"\x20"))
    assert wire.tags == []
    assert wire.host.counters.rejected == {
        "epc-crc": 1,
        "truncated": 1,
        "response-type": 1,
        "metadata-flags": 1,
        "unexpected-reply": 1,
    }


def test_the_multiselect_form_is_read_too() -> None:
    wire = Wire().streaming()
    wire.say(bytes.fromhex("FF0B220400881005 1F00100100 0003F89187"))
    wire.say(bytes.fromhex("FF0B22000088 00051F0282008200012BDA19"))
    wire.say(reply(0x22, 0, bytes.fromhex("8810051F000401 33") + EPC_BLOCK))
    assert wire.host.counters.keepalives == 1
    assert Temperature(43) in wire.events
    assert wire.tags == [TagSeen(epc="000000000000000000001545", antenna=3)]


def test_any_bytes_at_any_time_do_no_harm() -> None:
    chance = random.Random(11)
    wire = Wire()
    wire.open()
    for _ in range(300):
        opcode = chance.choice([0x03, 0x04, 0x22, 0x22, 0x2F, 0x91, 0x67, chance.randrange(256)])
        status = chance.choice([0, 0, 0x0400, 0x0504, 0x7F01, chance.randrange(0x10000)])
        data = chance.choice([b"", b"\x10\x00\x1b\x01\xff", b"\x88\x10\x05\x1f"]) + chance.randbytes(
            chance.randrange(30)
        )
        wire.say(reply(opcode, status, data) + chance.randbytes(chance.randrange(9)))
        wire.wait(0.2)
        if wire.host.state in (State.FAILED, State.CLOSED):
            wire.open()
    wire.reader.reboot()
    wire.open()
    wire.until(State.STREAMING, 10)


def test_the_family() -> None:
    family = load_family("mercury")
    assert family.name == "mercury"
    assert family.default_baud == 115_200
    assert 250 < family.reads_per_s_max < 300
    counters = Counters()
    wire = Wire().streaming()
    raw = b"noise" + wire.reader.tag(tag(1)) + b"\xff\x50" + wire.reader.idle(5)
    meanings = list(family.decode([raw[:20], raw[20:]], counters))
    assert [meaning["kind"] for meaning in meanings] == ["tag_read", "keepalive", "stats"]
    assert counters.bytes_dropped == 7
    (asked,) = family.decode([command(0x03)], Counters(), from_reader=False)
    assert (asked["hex"], asked["name"]) == ("FF00031D0C", "version")
