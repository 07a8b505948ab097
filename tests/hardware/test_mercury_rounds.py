"""An M5e, which knows no continuous reading, is read in rounds."""

import random
from collections import Counter

import pytest

from fixture_mercury import SETTINGS, tag
from null_modem import FamilyWire, Wire, family_of, unchanged
from tagtrail.hardware.protocols.interface import KeepAlive, ReaderFault, State, TagSeen, Temperature
from tagtrail.hardware.protocols.mercury.frame import command, reply
from tagtrail.hardware.protocols.mercury.host import MercuryHost
from tagtrail.hardware.protocols.mercury.m5e import M5eReader
from tagtrail.hardware.protocols.mercury.rounds import parse_how_far


def m5e() -> Wire[MercuryHost, M5eReader]:
    return Wire(MercuryHost(SETTINGS), M5eReader())


def pass_time(wire: Wire[MercuryHost, M5eReader], seconds: float) -> None:
    wire.wait(seconds, lambda: wire.reader.idle(0))


@pytest.mark.parametrize("piece", [4096, 7, 1])
def test_reads_flow_and_stop_cleanly(piece: int) -> None:
    wire = FamilyWire(family_of("mercury"), M5eReader(), piece=piece)
    wire.open()
    wire.until_reading(5)
    sent = [wire.report(number) for number in range(200)]
    wire.settle()
    assert Counter(wire.heard) == Counter(sent)
    assert wire.reader.powers_dbm == {1: 26.0, 2: 23.0}
    wire.write(wire.host.close(wire.now_s))
    wire.until(State.CLOSED, 5)
    assert wire.states[-4:] == [State.CONFIGURING, State.STREAMING, State.DRAINING, State.CLOSED]
    for _ in range(3):
        wire.reader.idle(0)
    assert not wire.reader.streaming
    counters = wire.host.counters
    assert (counters.bytes_dropped, counters.checksum_errors, counters.rejected) == (0, 0, {})
    assert KeepAlive() in wire.events
    assert Temperature(36) in wire.events


def test_a_crowd_takes_several_pieces() -> None:
    wire = m5e().streaming()
    crowd = [tag(number, antenna=4) for number in range(50)]
    wire.say(wire.reader.tags(crowd))
    assert wire.tags == crowd
    wire.say(wire.reader.tags(crowd[:1]))
    assert wire.tags == [*crowd, crowd[0]]


def test_lost_answers_neither_lose_nor_double_tags() -> None:
    chance = random.Random(5)
    wire = m5e().streaming()
    sent: list[TagSeen] = []
    for number in range(300):
        wire.noise = wire.to_reader = lambda data: b"" if chance.random() < 0.1 else data
        new = [tag(10 * number + each) for each in range(chance.randrange(20))]
        if new and wire.host.state is State.STREAMING and wire.reader.streaming:
            said = wire.reader.tags(new)
            sent += new if said else []
            wire.say(said)
        wire.noise = wire.to_reader = unchanged
        pass_time(wire, 0.5)
    pass_time(wire, 10)
    assert wire.host.counters.timeouts > 20
    assert len(sent) > 1000
    assert wire.tags == sent


@pytest.mark.parametrize("silent_s", [2, 20])
def test_it_recovers_from_silence(silent_s: int) -> None:
    wire = m5e().streaming()
    wire.say(wire.reader.tag(tag(1)))
    wire.answers = False
    wire.wait(silent_s)
    wire.answers = True
    if wire.host.state is State.FAILED:
        wire.open()
    pass_time(wire, 10)
    assert wire.host.state is State.STREAMING
    wire.see(tag(2))
    pass_time(wire, 1)
    assert wire.tags == [tag(1), tag(2)]


def test_a_reboot_is_found_by_what_it_answers() -> None:
    wire = m5e().streaming()
    wire.say(wire.reader.tag(tag(1)))
    wire.reader.reboot()
    pass_time(wire, 10)
    assert wire.states.count(State.STREAMING) == 2
    assert wire.reader.powers_dbm == {1: 30.0, 4: 27.5}
    wire.see(tag(2))
    pass_time(wire, 1)
    assert wire.tags == [tag(1), tag(2)]
    assert not any(isinstance(event, ReaderFault) for event in wire.events)


def test_a_round_that_runs_is_heard_to_its_end_when_closing() -> None:
    wire = m5e().streaming()
    out = wire.host.close(wire.now_s)
    assert out == b""
    wire.say(wire.reader.tags([tag(number) for number in range(20)]))
    assert len(wire.tags) == 20
    assert wire.host.state is State.CLOSED


def test_what_was_in_the_buffer_before_is_old() -> None:
    wire = m5e().streaming()
    wire.say(wire.reader.idle(0))
    wire.answers = False
    wire.say(wire.reader.tags([tag(1)]))
    wire.answers = True
    wire.open()  # anew, as after a crash
    pass_time(wire, 3)
    assert wire.host.state is State.STREAMING
    assert wire.tags == []


def test_it_rests_while_it_is_hot() -> None:
    wire = m5e().streaming()
    wire.reader.temperature_c = 70
    pass_time(wire, 62)
    assert any(isinstance(event, ReaderFault) and "too_hot" in event.name for event in wire.events)
    assert not wire.reader.streaming
    assert wire.host.state is State.STREAMING
    wire.reader.temperature_c = 55
    pass_time(wire, 2)
    wire.see(tag(1))
    pass_time(wire, 1)
    assert wire.tags == [tag(1)]


@pytest.mark.parametrize(("status", "words"), [(0x0503, "on antenna port 4"), (0x0504, "give it air")])
def test_a_round_that_is_refused_says_what_to_do(status: int, words: str) -> None:
    wire = m5e().streaming()
    del wire.reader.return_loss_db[4]
    refusals = [reply(0x22, status)]
    wire.noise = lambda data: refusals.pop() if refusals and data[2:3] == b"\x22" else data
    pass_time(wire, 5)
    assert any(isinstance(event, ReaderFault) and words in event.name for event in wire.events)
    wire.see(tag(1))
    pass_time(wire, 1)
    assert wire.tags == [tag(1)]


def test_a_full_buffer_is_read() -> None:
    wire = m5e().streaming()
    wire.noise = lambda data: reply(0x22, 0x0601) if data[2:3] == b"\x22" else data
    wire.say(wire.reader.tags([tag(1), tag(2)]))
    assert wire.tags == [tag(1), tag(2)]


def test_what_makes_no_sense_is_counted() -> None:
    wire = m5e().streaming()
    wire.noise = lambda data: reply(0x22, 0, b"\1\2\3") if data[2:3] == b"\x22" else data
    pass_time(wire, 0.2)
    assert wire.host.counters.rejected == {"tag-count": 1}
    wire.noise = lambda data: reply(0x29, 0, data[5:-3]) if data[2:3] == b"\x29" and len(data) > 20 else data
    wire.see(tag(1))
    pass_time(wire, 1)
    assert wire.tags == []
    assert wire.host.counters.rejected["truncated"] >= 1


def test_any_bytes_at_any_time_do_no_harm() -> None:
    chance = random.Random(11)
    wire = m5e()
    wire.open()
    for _ in range(300):
        opcode = chance.choice([0x22, 0x22, 0x29, 0x29, 0x2A, 0x2F, 0x72, chance.randrange(256)])
        status = chance.choice([0, 0, 0x0400, 0x0101, 0x0504, 0x0601, chance.randrange(0x10000)])
        data = chance.choice([b"", b"\x05", b"\x00\x57\x00"]) + chance.randbytes(chance.randrange(30))
        wire.say(reply(opcode, status, data) + wire.reader.idle(0))
        wire.wait(0.2)
        if wire.host.state in (State.FAILED, State.CLOSED):
            wire.open()
    wire.reader.reboot()
    wire.open()
    wire.until(State.STREAMING, 10)


def test_how_far_the_buffer_was_read() -> None:
    assert parse_how_far(bytes.fromhex("00000000")) == (0, 0)
    assert parse_how_far(bytes.fromhex("00090034")) == (9, 52)
    assert parse_how_far(bytes.fromhex("00570000")) is None
    reader = M5eReader()
    assert reader.feed(command(0x04)) != b""
    assert reader.feed(command(0x29, b"\0\x57\0")) == reply(0x29, 0, bytes.fromhex("00570000"))
    assert reader.feed(command(0x29, b"\0\x57\2")) == reply(0x29, 0x0105)
    assert reader.feed(command(0x22, b"\0")) == reply(0x22, 0x0100)
