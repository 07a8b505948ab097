"""What every reader family offers: a host session for the edge and a reader model for the simulator.

Nothing here does I/O, sleeps, or asks for the time: bytes and the monotonic time go in, events and bytes come out.

The host side is a state machine::

    CLOSED --open()--> STOPPING --> PROBING --> CONFIGURING --> STREAMING --close()--> DRAINING --> CLOSED
                          ^                                         |
                          +------------- silence, reboot -----------+      too many silent tries: FAILED

The edge calls `HostSession.tick` when `HostSession.due_s` says so, writes whatever bytes it gets, and reopens the port
when the state is FAILED.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import msgspec

from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols.inquiry import Inquiry


class State(Enum):
    """Where a host session is; the value is what health reports show."""

    CLOSED = "closed"
    STOPPING = "stopping"
    PROBING = "probing"
    CONFIGURING = "configuring"
    STREAMING = "streaming"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass
class Counters:
    """What a decoder has seen. Every byte that came in is in a good frame, in ``bytes_dropped``, or still buffered."""

    bytes_in: int = 0
    frames: int = 0
    bytes_dropped: int = 0
    checksum_errors: int = 0
    resyncs: int = 0
    keepalives: int = 0
    timeouts: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    """Well-framed input that made no sense, by named reason."""

    def reject(self, reason: str) -> None:
        """Count one rejected frame under its reason."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def add(self, other: "Counters") -> None:
        """Add what another decoder has seen."""
        for name, value in vars(other).items():
            if name != "rejected":
                setattr(self, name, getattr(self, name) + value)
        for reason, number in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + number


@dataclass(frozen=True)
class AntennaSettings:
    """What the store file says about one antenna port: number as printed on the reader, transmit power."""

    port: int
    power_dbm: float


@dataclass(frozen=True)
class ReaderSettings:
    """What a session configures on a reader; ``region`` None keeps the one that the reader has."""

    region: str | None
    antennas: tuple[AntennaSettings, ...]


class TagSeen(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A reader saw a tag. What the family does not tell is None; nothing is invented."""

    epc: str
    antenna: int | None = None
    rssi_dbm: float | None = None
    rssi_raw: int | None = None
    """Signal strength on a scale of the reader's own, where no dBm is documented: stronger is more, and that is all."""
    count: int = 1
    frequency_khz: int | None = None
    phase_deg: float | None = None
    reader_time_ms: int | None = None
    """The reader's own stamp; it restarts with every cycle and is not a wall clock."""


class KeepAlive(msgspec.Struct, frozen=True):
    """The reader is alive and has nothing to say."""


class Temperature(msgspec.Struct, frozen=True):
    """The reader told its temperature."""

    temperature_c: float


class ReaderFault(msgspec.Struct, frozen=True):
    """The reader reports an error of its own, e.g. too hot, antenna not connected."""

    code: int
    name: str


class StateChanged(msgspec.Struct, frozen=True):
    """The session moved to another state; ``why`` is a sentence for the log."""

    state: State
    why: str


Event = TagSeen | KeepAlive | Temperature | ReaderFault | StateChanged


class HostSession(Protocol):
    """The host's side of one serial line. Times are seconds of a monotonic clock."""

    state: State
    counters: Counters

    def open(self, now_s: float) -> bytes:
        """Start anew on a freshly opened port; returns the first bytes to write."""
        ...

    def feed(self, data: bytes, now_s: float) -> tuple[list[Event], bytes]:
        """Take bytes that arrived; returns what they say and bytes to write."""
        ...

    def tick(self, now_s: float) -> tuple[list[Event], bytes]:
        """Let time pass: time-outs, retries, watchdog; returns events and bytes to write."""
        ...

    def due_s(self) -> float:
        """When `tick` has something to do even if no byte comes; infinite if never, asked anew after each call."""
        ...

    def close(self, now_s: float) -> bytes:
        """Ask the reader to stop; keep feeding until the state is CLOSED or FAILED."""
        ...


class ReaderModel(Protocol):
    """The reader's side of one serial line, for the simulator: obeys the host's commands.

    Attributes:
        streaming: The host has started reading. A reader that reads in rounds counts as streaming from the first round
            on, until `idle` finds that the host has not asked for another one. A reader that obeys no commands streams
            from the start.
        powers_dbm: Transmit power per antenna port, as the host set it; only ports in the search list are active. A
            reader that obeys no commands has a nominal power on port 1.
    """

    streaming: bool
    powers_dbm: dict[int, float]

    def feed(self, data: bytes) -> bytes:
        """Take the host's bytes; returns the reader's answers."""
        ...

    def tag(self, seen: TagSeen) -> bytes:
        """The bytes that report a tag. Only while ``streaming``.

        Empty between two rounds of a reader that reads in rounds: it looks for no tags then, so this one is not told,
        and may be offered again when the host has asked for the next round.

        Raises:
            RuntimeError: The reader is not streaming.
        """
        ...

    def idle(self, reader_time_ms: int) -> bytes:
        """The bytes that a streaming reader sends after a cycle without tags (about once a second); empty otherwise.

        For a reader that reads in rounds: the end of a round, if one is running.
        """
        ...

    def reboot(self) -> bytes:
        """Forget everything that the host has set, as after a power cut; returns what the reader says on waking."""
        ...


class ReaderFamily(Protocol):
    """A family of readers that speak one protocol.

    The flags say what readers of the family cannot do by nature; the tests of every family, the edge and the simulator
    go by them, never by names. Each family that obeys commands takes the region "EU" and whole powers of 20 to 26 dBm.

    Attributes:
        name: Protocol name in the store file.
        default_baud: Of the serial line, 8N1.
        reads_per_s_max: What the line carries at the default baud: tag frames of the usual size per second.
        obeys_commands: False: the reader only transmits, so its session writes nothing, is STREAMING from `open` on,
            has no watchdog, and is CLOSED by `close` at once.
        ports_max: Highest antenna port that a tag report can name; 1 where there is only one.
        tells_antenna: False: `TagSeen.antenna` is None, and the edge puts the reader's only antenna in its place.
        tells_rssi_dbm: False: `TagSeen.rssi_dbm` is None; where it is true, whole dBm from -85 to -31 are told exactly.
        epc_bytes: Of the usual tag: 12 for UHF, 5 for a 125 kHz card. The family takes EPCs of this size at least.
        inquire: Asks a reader that is not reading about its set-up; None where the family has no way to ask.
    """

    name: str
    default_baud: int
    reads_per_s_max: float
    obeys_commands: bool
    ports_max: int
    tells_antenna: bool
    tells_rssi_dbm: bool
    epc_bytes: int
    inquire: Callable[[], Inquiry] | None

    def host(self, settings: ReaderSettings) -> HostSession:
        """A session for the edge.

        Raises:
            FaultsError: No reader of this family can obey the settings.
        """
        ...

    def reader(self) -> ReaderModel:
        """A reader for the simulator."""
        ...

    def decode(
        self,
        chunks: Iterable[bytes],
        counters: Counters,
        *,
        from_reader: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Iterator[dict[str, object]]:
        """What raw bytes of one direction say, frame by frame, for people; never raises, whatever the bytes.

        Each frame has ``hex`` and ``kind``. A frame with one tag has ``epc`` (upper-case hex), ``antenna`` (as printed
        on the reader, from 1) and ``rssi_dbm`` at its top, and may keep a ``tag`` with more; a frame with several has
        them in each of its ``tags``. What is not told is None or left out. What is well framed and makes no sense has
        a ``fault``, the name of the reason; a tag with a fault is none.

        Args:
            chunks: The bytes, cut anywhere.
            counters: Where frames and rejected bytes are counted; faults are counted by who takes the frames.
            from_reader: The reader sent them, not the host.
            options: What a session would have learned from the reader, by name, as a person gives it; see `choose`.

        Raises:
            FaultsError: The family knows no such option, or not this value; raised at once, before any byte is read.
        """
        ...


def choose(protocol: str, options: Mapping[str, str] | None, allowed: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """A value for each option that a family's `ReaderFamily.decode` has; the first one allowed is the default.

    >>> choose("chafon", {}, {"layout": ("288", "18")})
    {'layout': '288'}

    Raises:
        FaultsError: The family has no such option, or the option no such value.
    """
    faults = []
    chosen = {name: values[0] for name, values in allowed.items()}
    for name, value in (options or {}).items():
        if name not in allowed:
            faults.append(f"there is no option {name!r}; the options are: {', '.join(allowed) or 'none'}")
        elif value not in allowed[name]:
            faults.append(f"{name}={value}: allowed are {', '.join(allowed[name])}")
        else:
            chosen[name] = value
    if faults:
        raise FaultsError(f"options of protocol {protocol}", faults)
    return chosen
