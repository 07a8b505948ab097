"""A module that reads is looked after: faults with their remedy, antennas by port, heat before it is too much."""

import pytest

from fixture_mercury import Wire, tag
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    ReaderFault,
    ReaderSettings,
    State,
    TagSeen,
    Temperature,
)
from tagtrail.hardware.protocols.mercury.reader import MercuryReader, Refusal
from tagtrail.hardware.protocols.mercury.setup import OFF_MS, ON_MS
from tagtrail.hardware.protocols.mercury.streaming import Search, parse_plan
from tagtrail.hardware.protocols.mercury.tables import Op, Status


class Old(MercuryReader):
    """Firmware that refuses what it does not know; it keeps the plans that it was started with."""

    def __init__(self, refused: int = 0) -> None:
        super().__init__()
        self.refused = refused
        self.plans: list[int] = []

    def _stream(self, data: bytes) -> bytes:
        if len(data) > 3:
            flags = parse_plan(data).search_flags
            if flags & self.refused:
                raise Refusal(Status.INVALID_PARAMETER)
            self.plans.append(flags)
        return super()._stream(data)


def faults(wire: Wire) -> list[str]:
    return [event.name for event in wire.events if isinstance(event, ReaderFault)]


def pass_time(wire: Wire, seconds: int) -> None:
    for _ in range(seconds):
        wire.wait(1)
        wire.say(wire.reader.idle(0))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0x0503, "antenna_not_connected: connect the antenna"),
        (0x0504, "temperature_exceeds_limits: it does not read until it has cooled; give it air"),
        (0x0505, "high_return_loss: check antenna and cable"),
        (0x050A, "temperature_rising: give it air"),
        (0x0509, "input_voltage_exceeds_limits: check its power supply"),
        (0x0777, "unknown"),
    ],
)
def test_a_fault_is_told_with_its_remedy(status: int, words: str) -> None:
    wire = Wire().streaming()
    wire.say(wire.reader.fault(status))
    assert faults(wire)[0].startswith(words)


def test_the_antenna_that_is_missing_is_named() -> None:
    wire = Wire(Old()).streaming()
    del wire.reader.return_loss_db[4]
    wire.say(wire.reader.fault(0x0503))
    wire.wait(0.2)
    assert "antenna_not_connected on antenna port 4: connect the antenna" in faults(wire)[1]
    assert wire.reader.streaming
    told = len(faults(wire))
    pass_time(wire, 5)
    wire.say(wire.reader.fault(0x0503))
    wire.wait(0.2)
    assert len(faults(wire)) == told + 1, "it is not asked again so soon"
    wire.say(wire.reader.tag(tag(1)))
    assert wire.tags == [tag(1)]
    assert wire.states.count(State.STREAMING) == 1


def test_the_antenna_that_reflects_is_named() -> None:
    wire = Wire().streaming()
    wire.reader.return_loss_db[1] = 4
    wire.say(wire.reader.fault(0x0505))
    wire.wait(0.2)
    assert "high_return_loss on antenna port 1: check antenna and cable" in faults(wire)[1]
    assert wire.reader.streaming


def test_a_start_without_an_antenna_names_the_port() -> None:
    class Bare(MercuryReader):
        def _must_be_set_up(self) -> None:
            raise Refusal(Status.ANTENNA_NOT_CONNECTED)

    wire = Wire(Bare())
    wire.reader.return_loss_db = {1: 18}
    wire.open()
    wire.until(State.FAILED, 2)
    assert "0503 antenna_not_connected on antenna port 4: connect the antenna" in wire.why


def test_it_reads_with_rests_before_it_is_too_hot() -> None:
    reader = Old()
    wire = Wire(reader).streaming()
    reader.temperature_c = 70
    pass_time(wire, 3)
    assert any("too_hot" in name for name in faults(wire))
    assert reader.streaming
    assert reader.plans[-1] & Search.DUTY_CYCLE
    assert (reader._plan.on_time_ms, reader._plan.off_time_ms) == (ON_MS, OFF_MS)
    wire.say(reader.tag(tag(1)))
    starts = len(reader.plans)
    pass_time(wire, 10)
    assert len(reader.plans) == starts, "it goes on like that"
    reader.temperature_c = 55
    pass_time(wire, 3)
    assert not reader.plans[-1] & Search.DUTY_CYCLE
    wire.say(reader.tag(tag(2)))
    assert wire.tags == [tag(1), tag(2)]
    assert wire.states.count(State.STREAMING) == 1
    assert wire.host.counters.rejected == {}


@pytest.mark.parametrize("refused", [Search.STREAM_STATISTICS, Search.DUTY_CYCLE])
def test_a_module_that_knows_no_rests_does_not_read_until_it_is_cool(refused: int) -> None:
    reader = Old(refused)
    wire = Wire(reader).streaming()
    reader.temperature_c = 70
    pass_time(wire, 63)
    assert Temperature(70) in wire.events
    assert not reader.streaming
    assert any("too_hot" in name for name in faults(wire))
    reader.temperature_c = 55
    pass_time(wire, 3)
    assert reader.streaming
    wire.say(reader.tag(tag(1)))
    assert wire.tags == [tag(1)]
    assert wire.states.count(State.STREAMING) == 1


def test_a_module_that_is_hot_when_it_is_found_begins_with_rests() -> None:
    reader = Old()
    reader.temperature_c = 70
    wire = Wire(reader).streaming()
    pass_time(wire, 2)
    assert reader.streaming
    assert reader.plans[-1] & Search.DUTY_CYCLE


def test_a_module_that_stopped_for_heat_is_asked_when_it_is_silent() -> None:
    reader = Old()
    wire = Wire(reader).streaming()
    reader.temperature_c = 90
    wire.say(reader.fault(0x0504))
    wire.wait(8)
    assert wire.host.state is State.STREAMING
    wire.wait(2)
    assert Temperature(90) in wire.events
    assert reader.plans[-1] & Search.DUTY_CYCLE
    reader.temperature_c = 36
    pass_time(wire, 3)
    wire.say(reader.tag(tag(1)))
    wire.wait(4.2)  # cool again: the usual patience
    assert wire.tags == [tag(1)]
    assert wire.states.count(State.STOPPING) == 2


def test_a_lost_answer_while_it_is_asked_costs_nothing() -> None:
    reader = Old()
    wire = Wire(reader).streaming()
    reader.temperature_c = 70
    lost = [0x2F, 0x72, 0x2F]

    def lose(data: bytes) -> bytes:
        if lost and data[2:3] == bytes((lost[0],)):
            lost.pop(0)
            return b""
        return data

    wire.noise = lose
    pass_time(wire, 20)
    assert not lost
    assert reader.streaming
    assert reader.plans[-1] & Search.DUTY_CYCLE
    assert wire.states.count(State.STREAMING) == 1


def test_a_module_that_does_not_tell_its_temperature_reads_on() -> None:
    class Mute(Old):
        def _answer(self, opcode: int, data: bytes) -> bytes:
            if opcode == Op.GET_TEMPERATURE:
                raise Refusal(Status.UNIMPLEMENTED_OPCODE)
            return super()._answer(opcode, data)

    reader = Mute(Search.STREAM_STATISTICS)
    wire = Wire(reader).streaming()
    pass_time(wire, 130)
    assert len(reader.plans) == 1
    wire.say(reader.fault(0x0503))
    pass_time(wire, 2)
    wire.say(reader.tag(tag(1)))
    assert wire.tags == [tag(1)]


def test_ports_above_sixteen_are_told_by_gpio_lines() -> None:
    settings = ReaderSettings("EU3", (AntennaSettings(16, 30.0), AntennaSettings(33, 30.0)))
    wire = Wire(settings=settings).streaming()
    for port in (1, 16, 17, 32, 33, 48, 49, 64):
        wire.say(wire.reader.tag(TagSeen(epc="30" * 12, antenna=port)))
    assert [seen.antenna for seen in wire.tags] == [1, 16, 17, 32, 33, 48, 49, 64]
    assert wire.reader.powers_dbm == {16: 30.0, 33: 30.0}
