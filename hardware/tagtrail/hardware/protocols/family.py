"""A reader family as one declaration: what its readers can do, and the functions that speak for both ends."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tagtrail.hardware.protocols.framing import Framer, cut
from tagtrail.hardware.protocols.inquiry import Inquiry
from tagtrail.hardware.protocols.interface import Counters, HostSession, ReaderModel, ReaderSettings, choose

Meaning = dict[str, object]
Tell = Callable[[Iterable[bytes], Mapping[str, str]], Iterator[Meaning]]
"""The meanings of the frames of one stream, in order, given the options that a person gave; they are good ones."""


def one_by_one(describe: Callable[[bytes], Meaning]) -> Tell:
    """Tells frames that have a meaning each by itself: its hex, and what ``describe`` says."""

    def tell(frames: Iterable[bytes], options: Mapping[str, str]) -> Iterator[Meaning]:  # noqa: ARG001 - a `Tell`
        return ({"hex": frame.hex().upper()} | describe(frame) for frame in frames)

    return tell


@dataclass(frozen=True)
class Side:
    """One side of a line: what it says.

    Attributes:
        framer: Finds its frames.
        tell: Says what they mean.
    """

    framer: Callable[[Counters], Framer]
    tell: Tell


@dataclass(kw_only=True)
class SerialFamily:
    """A family on a serial line; see `tagtrail.hardware.protocols.interface.ReaderFamily`, also for the attributes.

    Attributes:
        tag_frame_size: Bytes that report a tag of the usual size.
        host: Makes a session for the edge; raises `FaultsError` where no reader can obey the settings.
        reader: Makes a reader for the simulator.
        answers: What readers say.
        commands: What hosts say.
        options: What `decode` can be told: name and allowed values, the default first.
    """

    name: str
    default_baud: int
    tag_frame_size: int
    ports_max: int
    host: Callable[[ReaderSettings], HostSession]
    reader: Callable[[], ReaderModel]
    answers: Side
    commands: Side
    inquire: Callable[[], Inquiry] | None = None
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    obeys_commands: bool = True
    tells_antenna: bool = True
    tells_rssi_dbm: bool = True
    epc_bytes: int = 12
    reads_per_s_max: float = field(init=False)

    def __post_init__(self) -> None:
        self.reads_per_s_max = self.default_baud / 10 / self.tag_frame_size

    def decode(
        self,
        chunks: Iterable[bytes],
        counters: Counters,
        *,
        from_reader: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Iterator[Meaning]:
        """What raw bytes of one direction say; see `tagtrail.hardware.protocols.interface.ReaderFamily.decode`."""
        choose(self.name, options, self.options)
        side = self.answers if from_reader else self.commands
        return side.tell(cut(side.framer(counters), chunks), options or {})
