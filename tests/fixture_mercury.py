"""A wire without a machine between the host's session and the model of a Mercury module."""

from collections.abc import Callable

from tagtrail.hardware.protocols.interface import (
    AntennaSettings,
    Event,
    ReaderSettings,
    State,
    StateChanged,
    TagSeen,
)
from tagtrail.hardware.protocols.mercury.host import MercuryHost
from tagtrail.hardware.protocols.mercury.reader import MercuryReader

EPC_BLOCK = bytes.fromhex("00803000000000000000000000001545E94A")
"""Of a tag with the EPC 000000000000000000001545."""
SETTINGS = ReaderSettings(region="EU3", antennas=(AntennaSettings(1, 30.0), AntennaSettings(4, 27.5)))
STEP_S = 0.1


def unchanged(data: bytes) -> bytes:
    return data


class Wire:
    """A null modem with a clock: what one side writes the other gets, perhaps cut, changed, or not at all."""

    def __init__(
        self, reader: MercuryReader | None = None, settings: ReaderSettings = SETTINGS, *, piece: int = 4096
    ) -> None:
        self.host = MercuryHost(settings)
        self.reader = reader or MercuryReader()
        self.piece = piece
        self.noise: Callable[[bytes], bytes] = unchanged
        self.to_reader: Callable[[bytes], bytes] = unchanged
        self.now_s = 100.0
        self.events: list[Event] = []
        self.answers = True

    def open(self) -> None:
        self.write(self.host.open(self.now_s))

    def write(self, data: bytes) -> None:
        """The host writes; the reader answers; until nobody has anything more to say."""
        data = self.to_reader(data)
        for at in range(0, len(data), self.piece):
            answer = self.reader.feed(data[at : at + self.piece])
            if self.answers:
                self.say(answer)

    def say(self, data: bytes) -> None:
        """The reader writes."""
        data = self.noise(data)
        for at in range(0, len(data), self.piece):
            events, out = self.host.feed(data[at : at + self.piece], self.now_s)
            self.events += events
            self.write(out)

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

    @property
    def states(self) -> list[State]:
        return [event.state for event in self.events if isinstance(event, StateChanged)]

    @property
    def why(self) -> str:
        return [event.why for event in self.events if isinstance(event, StateChanged)][-1]

    @property
    def tags(self) -> list[TagSeen]:
        return [event for event in self.events if isinstance(event, TagSeen)]

    def streaming(self) -> "Wire":
        self.open()
        self.until(State.STREAMING, 1)
        return self


def tag(number: int, antenna: int = 1) -> TagSeen:
    return TagSeen(epc=f"E2801160600002{number:010X}", antenna=antenna, rssi_dbm=-60, count=2, reader_time_ms=number)
