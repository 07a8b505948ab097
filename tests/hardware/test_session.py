"""The state machine that all families share, with a reader that answers what the test says."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from null_modem import FAMILY_NAMES, family_of, settings_for
from tagtrail.hardware.protocols._template import frame as framed
from tagtrail.hardware.protocols._template import framer_for
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Counters,
    Event,
    HostSession,
    KeepAlive,
    ReaderFault,
    ReaderSettings,
    State,
    StateChanged,
    TagSeen,
)
from tagtrail.hardware.protocols.session import Session, Step

SETTINGS = ReaderSettings(region=None, antennas=(AntennaSettings(1, 20.0), AntennaSettings(2, 20.0)))
TAG = framed("T", b"\x01\xc4" + bytes(12))


class Rounds(Session):
    """Reads in rounds: one per antenna, each ended by the small letter of its command; there is no stop command."""

    def probe(self) -> list[Step]:
        return [Step("ask who it is", (framed("I"),), "plug it in")]

    def configuration(self) -> list[Step]:
        return [
            Step("set the power", (framed("P", b"new"), framed("P", b"old")), "change power_dbm"),
            Step("switch the lamp off", (framed("L"),), optional=True),
        ]

    def rounds(self) -> list[Step]:
        return [Step(f"read on port {a.port}", (framed("Q", bytes((a.port,))),)) for a in self.settings.antennas]

    def hear(self, frame: bytes) -> None:
        kind, data = chr(frame[2]), frame[3:-2]
        if kind == "T":
            self.seen(TagSeen(epc=data[2:].hex().upper()))
        elif self.outstanding[2:3].lower() != kind.encode("latin-1"):
            self.counters.reject("unexpected-reply")
        elif data and data[0]:
            self.refused(data[0], "no", not_known=data[0] == 1)
        else:
            if kind == "q":
                self.alive()
            self.answered()


class Hasty(Rounds):
    """Needs time between an answer and the next command."""

    gap_s = 0.2


class Bench:
    """A host and its clock; `sent` are the commands, and ``answer`` is what the reader says to each."""

    def __init__(self, host: Session, answer: Callable[[str, bytes], Sequence[bytes]]) -> None:
        self.host = host
        self.answer = answer
        self.now_s = 0.0
        self.sent: list[str] = []
        self.events: list[Event] = []
        self.limit = 1000
        self._hear = framer_for(Counters())
        self.take(host.open(0.0))

    def take(self, out: bytes) -> None:
        while out:
            answers: list[bytes] = []
            for frame in self._hear.feed(out):
                kind, data = chr(frame[2]), frame[3:-2]
                self.sent.append(kind + data.hex())
                answers += self.answer(kind, data)
            if len(self.sent) > self.limit:
                return
            events, out = self.host.feed(b"".join(answers), self.now_s)
            self.events += events

    def say(self, data: bytes) -> None:
        events, out = self.host.feed(data, self.now_s)
        self.events += events
        self.take(out)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now_s += 0.1
            events, out = self.host.tick(self.now_s)
            self.events += events
            self.take(out)

    @property
    def why(self) -> str:
        return [event.why for event in self.events if isinstance(event, StateChanged)][-1]


def rounds(kind: type[Rounds] = Rounds) -> Session:
    return kind("toy", SETTINGS, framer_for(Counters()))


def obey(kind: str, _: bytes) -> list[bytes]:
    """Obeys everything; rounds are ended by the test."""
    return [] if kind == "Q" else [framed(kind.lower(), b"\0")]


def streaming() -> Bench:
    bench = Bench(rounds(), obey)
    bench.wait(0.6)
    assert bench.host.state is State.STREAMING
    return bench


def test_rounds_follow_each_other_port_by_port() -> None:
    bench = streaming()
    assert bench.sent == ["I", "P6e6577", "L", "Q01"]
    bench.say(TAG)
    assert bench.sent[-1] == "Q01"
    for _ in range(3):
        bench.say(framed("q", b"\0"))
    assert bench.sent[-3:] == ["Q02", "Q01", "Q02"]
    assert KeepAlive() in bench.events
    assert bench.host.counters.timeouts == 0


def test_a_round_that_does_not_end_is_begun_again_behind_the_configuration() -> None:
    bench = streaming()
    for _ in range(4):
        bench.wait(0.3)
        bench.say(TAG)  # a round lasts as long as tags come
    assert bench.sent[-1] == "Q01"
    bench.wait(0.6)
    assert bench.sent[-3:] == ["P6e6577", "L", "Q01"]
    assert bench.host.counters.timeouts == 0  # tags came, only the end was lost
    bench.wait(0.6)
    assert bench.host.counters.timeouts == 1
    assert bench.host.state is State.STREAMING
    assert [event.state for event in bench.events if isinstance(event, StateChanged)].count(State.CONFIGURING) == 1


def test_rounds_that_never_end_fail_in_the_end() -> None:
    bench = Bench(rounds(), obey)
    bench.wait(30)
    assert bench.host.state is State.FAILED
    assert "read on port 1" in bench.why
    assert "power-cycle" in bench.why


def test_a_refused_round_is_told_and_skipped_and_the_next_one_comes_at_once() -> None:
    def one_antenna(kind: str, data: bytes) -> list[bytes]:
        return [framed("q", b"\x22")] if kind == "Q" and data == b"\2" else obey(kind, data)

    bench = Bench(rounds(), one_antenna)
    bench.wait(0.6)
    bench.say(framed("q", b"\0"))
    assert bench.sent[-3:] == ["Q01", "Q02", "Q01"]
    assert ReaderFault(0x22, "no") in bench.events


def test_when_every_round_is_refused_the_reader_is_not_flooded() -> None:
    bench = Bench(rounds(), lambda kind, data: [framed(kind.lower(), b"\x22" if kind == "Q" else b"\0")])
    bench.wait(5.6)
    assert bench.host.state is State.STREAMING
    assert 10 <= sum(sent.startswith("Q") for sent in bench.sent) <= 24


def test_close_waits_for_the_end_of_the_round() -> None:
    bench = streaming()
    bench.say(framed("q"))
    count = len(bench.sent)
    assert bench.host.close(bench.now_s) == b""
    bench.say(TAG)
    assert bench.host.state is State.DRAINING
    bench.say(framed("q"))
    assert (bench.host.state, len(bench.sent)) == (State.CLOSED, count)
    assert sum(isinstance(event, TagSeen) for event in bench.events) == 1


def test_close_is_bounded_where_no_round_ends() -> None:
    bench = streaming()
    bench.host.close(bench.now_s)
    bench.wait(2.1)
    assert bench.host.state is State.CLOSED


def test_a_form_that_the_reader_does_not_know_is_replaced_and_not_tried_again() -> None:
    def old(kind: str, data: bytes) -> list[bytes]:
        if kind == "L":
            return [framed("l", b"\1")]
        return [framed("p", b"\1")] if data == b"new" else obey(kind, data)

    bench = Bench(rounds(), old)
    bench.wait(0.6)
    assert bench.sent == ["I", "P6e6577", "P6f6c64", "L", "Q01"]
    bench.wait(0.5)
    assert bench.sent[5:] == ["P6f6c64", "L", "Q01"]


def test_a_refusal_says_what_and_what_to_do() -> None:
    bench = Bench(rounds(), lambda kind, data: [framed("p", b"\x07")] if kind == "P" else obey(kind, data))
    bench.wait(0.6)
    assert bench.host.state is State.FAILED
    assert bench.why == "could not set the power: the reader answered 07 no; change power_dbm"


def test_a_late_answer_is_not_taken_for_the_next_command_s() -> None:
    silent = iter([True])

    def slow(kind: str, data: bytes) -> list[bytes]:
        return [] if kind == "P" and next(silent, False) else obey(kind, data)

    bench = Bench(rounds(), slow)
    bench.wait(1.1)
    assert bench.sent == ["I", "P6e6577", "P6e6577"]
    bench.say(framed("p", b"\x07"))  # the answer to the first one, at last
    assert bench.host.state is State.CONFIGURING
    assert bench.host.counters.rejected == {"unexpected-reply": 1}
    bench.wait(0.6)
    assert bench.sent[3:] == ["L", "Q01"]


def test_a_reader_that_needs_a_gap_gets_it() -> None:
    bench = Bench(rounds(Hasty), obey)
    told_at: list[float] = []
    for _ in range(20):
        bench.wait(0.1)
        told_at += [bench.now_s] * (len(bench.sent) - len(told_at))
    assert bench.sent[:4] == ["I", "P6e6577", "L", "Q01"]
    assert all(later - sooner > 0.19 for sooner, later in pairwise(told_at))


@pytest.mark.parametrize("count", [1, 2])
def test_a_reboot_is_met_by_the_whole_configuration(count: int) -> None:
    bench = streaming()
    bench.sent.clear()
    for _ in range(count):
        bench.host.rebooted()
    bench.wait(0.6)
    assert bench.sent == ["I", "P6e6577", "L", "Q01"]


def test_noise_of_plugging_in_is_not_another_family() -> None:
    bench = Bench(rounds(), lambda *_: [])
    bench.say(b"\xf0\x00\xf8")
    bench.wait(6)
    assert (
        bench.why
        == "could not ask who it is: no answer in 3 attempts; check power, cable, port, protocol and baud rate"
    )


@pytest.mark.parametrize("name", [name for name in FAMILY_NAMES if family_of(name).obeys_commands])
def test_a_session_that_is_asked_only_when_it_is_due_does_all_that_one_does_that_is_asked_all_the_time(
    name: str,
) -> None:
    def until_failed(host: HostSession, step_s: float | None) -> tuple[list[State], bytes, int]:
        """A reader that says half a frame of something and then nothing; steps of None go from due to due."""
        written, states, ticks, now_s = host.open(0.0), [], 0, 0.0
        _, out = host.feed(b"\xff\x05\x50\x00", now_s)
        written += out
        while host.state is not State.FAILED:
            now_s = host.due_s() if step_s is None else now_s + step_s
            assert now_s < 60
            events, out = host.tick(now_s)
            written += out
            states += [event.state for event in events if isinstance(event, StateChanged)]
            ticks += 1
        return states, written, ticks

    family = family_of(name)
    states, written, _ = until_failed(family.host(settings_for(family)), 0.001)
    due_states, due_written, ticks = until_failed(family.host(settings_for(family)), None)
    assert (due_states, due_written) == (states, written)
    assert ticks < 30
