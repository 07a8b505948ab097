"""A wire without a machine between a host's session and the model of a reader of any family."""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Generic, Self, TypeVar

from tagtrail.hardware.protocols import FAMILIES, load_family
from tagtrail.hardware.protocols._template import family as template_family
from tagtrail.hardware.protocols.inquiry import Details, Inquiry
from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Counters,
    Event,
    HostSession,
    ReaderFamily,
    ReaderModel,
    ReaderSettings,
    State,
    StateChanged,
    TagSeen,
)

STEP_S = 0.1
Host = TypeVar("Host", bound=HostSession)
Model = TypeVar("Model", bound=ReaderModel)


def unchanged(data: bytes) -> bytes:
    return data


class Wire(Generic[Host, Model]):
    """A null modem with a clock: what one side writes the other gets, perhaps cut, changed, or not at all."""

    def __init__(self, host: Host, reader: Model, *, piece: int = 4096) -> None:
        self.host = host
        self.reader = reader
        self.piece = piece
        self.noise: Callable[[bytes], bytes] = unchanged
        self.to_reader: Callable[[bytes], bytes] = unchanged
        self.now_s = 100.0
        self.events: list[Event] = []
        self.answers = True
        self._pieces: deque[tuple[bytes, bool]] = deque()
        self._untold: deque[TagSeen] = deque()

    def open(self) -> None:
        self.write(self.host.open(self.now_s))

    def write(self, data: bytes) -> None:
        """The host writes; the reader answers; until nobody has anything more to say."""
        self._send(self.to_reader(data), to_host=False)
        self._exchange()

    def say(self, data: bytes) -> None:
        """The reader writes."""
        self._send(self.noise(data), to_host=True)
        self._exchange()

    def see(self, seen: TagSeen) -> None:
        """The reader sees a tag, in this round or the next."""
        self._untold.append(seen)
        self.say(self._tell())

    def _tell(self) -> bytes:
        data = b""
        while self._untold and self.reader.streaming and (told := self.reader.tag(self._untold[0])):
            data += told
            self._untold.popleft()
        return data

    def _send(self, data: bytes, *, to_host: bool) -> None:
        self._pieces.extend((data[at : at + self.piece], to_host) for at in range(0, len(data), self.piece))

    def _exchange(self) -> None:
        while self._pieces:
            data, to_host = self._pieces.popleft()
            if to_host:
                events, out = self.host.feed(data, self.now_s)
                self.events += events
                self._send(self.to_reader(out), to_host=False)
            else:
                answer = self.reader.feed(data) + self._tell()
                if self.answers:
                    self._send(self.noise(answer), to_host=True)

    def wait(self, seconds: float, meanwhile: Callable[[], bytes] = bytes) -> None:
        """Let time pass in the edge's ticks; the reader says what ``meanwhile`` gives in each."""
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            self.say(meanwhile())
            events, out = self.host.tick(self.now_s)
            self.events += events
            self.write(out)

    def until(self, state: State, within_s: float) -> None:
        for _ in range(round(within_s / STEP_S)):
            if self.host.state is state:
                return
            self.wait(STEP_S)
        assert self.host.state is state

    def streaming(self) -> Self:
        self.open()
        self.until(State.STREAMING, 1)
        return self

    @property
    def states(self) -> list[State]:
        return [event.state for event in self.events if isinstance(event, StateChanged)]

    @property
    def why(self) -> str:
        return [event.why for event in self.events if isinstance(event, StateChanged)][-1]

    @property
    def tags(self) -> list[TagSeen]:
        return [event for event in self.events if isinstance(event, TagSeen)]


# -- any family

FAMILY_NAMES = ["template", *sorted(FAMILIES)]
Told = tuple[str, int | None, float | None]


def family_of(name: str) -> ReaderFamily:
    return template_family() if name == "template" else load_family(name)


def powers_for(family: ReaderFamily) -> dict[int, float]:
    """Power per port that the family must be able to set, as the interface says."""
    return {1: 26.0, 2: 23.0} if family.ports_max > 1 else {1: 26.0}


def settings_for(family: ReaderFamily) -> ReaderSettings:
    """Settings that the family must take."""
    if not family.obeys_commands:
        return ReaderSettings(region=None, antennas=(AntennaSettings(1, 0.0),))
    return ReaderSettings(region="EU", antennas=tuple(AntennaSettings(*port) for port in powers_for(family).items()))


def inquire(family: ReaderFamily, reader: ReaderModel, noise: Callable[[bytes], bytes] = unchanged) -> Details:
    """What a reader tells of its set-up; ``noise`` is what becomes of its answers."""
    assert family.inquire is not None
    learned = []

    def ask(inquiry: Inquiry) -> Generator[bytes, list[dict[str, object]]]:
        learned.append((yield from inquiry))

    asking = ask(family.inquire())
    answer: list[dict[str, object]] | None = None
    with suppress(StopIteration):
        while True:
            command = next(asking) if answer is None else asking.send(answer)
            answer = list(family.decode([noise(reader.feed(command))], Counters()))
    return learned[0]


def decoded_tags(family: ReaderFamily, data: bytes) -> list[str]:
    """EPCs that `decode` finds, a fault being none."""
    found = []
    for meaning in family.decode([data], Counters()):
        tags = meaning.get("tags", [meaning])
        assert isinstance(tags, list)
        found += [str(tag["epc"]) for tag in tags if "epc" in tag and "fault" not in tag and "fault" not in meaning]
    return found


class FamilyWire(Wire[HostSession, ReaderModel]):
    """A wire for any family, that waits for a reader between two rounds, and opens again after a failure."""

    def __init__(self, family: ReaderFamily, reader: ReaderModel | None = None, *, piece: int = 4096) -> None:
        super().__init__(family.host(settings_for(family)), reader or family.reader(), piece=piece)
        self.family = family

    def seen(self, number: int) -> TagSeen:
        """A tag by number, with all that the family can tell about it."""
        size = self.family.epc_bytes
        head = bytes.fromhex("E280116060000205")[: max(0, size - 4)]
        return TagSeen(
            epc=(head + number.to_bytes(size - len(head), "big")).hex().upper(),
            antenna=1 + number % 2 if self.family.tells_antenna and self.family.ports_max > 1 else 1,
            rssi_dbm=-60.0 + number % 13,
        )

    def told(self, seen: TagSeen) -> Told:
        """What the host is to make of it."""
        antenna = seen.antenna if self.family.tells_antenna else None
        return seen.epc, antenna, seen.rssi_dbm if self.family.tells_rssi_dbm else None

    @property
    def heard(self) -> list[Told]:
        """What the host has made of all tags."""
        return [(seen.epc, seen.antenna, seen.rssi_dbm) for seen in self.tags]

    def report(self, number: int) -> Told:
        """The reader reports a tag, as soon as it reads."""
        seen = self.seen(number)
        self.until_reading(20)
        self.see(seen)
        return self.told(seen)

    def settle(self) -> None:
        """Let everything that is on its way arrive."""
        self.say(self.reader.idle(0))
        self.wait(1.5, lambda: self.reader.idle(0))

    @property
    def reading(self) -> bool:
        return self.host.state is State.STREAMING and self.reader.streaming

    def until_reading(self, within_s: float) -> None:
        for _ in range(round(within_s / STEP_S)):
            if self.reading:
                return
            if self.host.state in (State.FAILED, State.CLOSED):
                self.open()
            self.wait(STEP_S)
        assert self.reading, f"{self.why} {self.host.counters}"
