"""ThingMagic / JADAK Mercury modules: M6e, M6e-Micro, M6e-Nano, M7e, and the readers that are built on them.

==============  =========================================================
`frame`         frames, their CRC, and finding them in a stream of bytes
`tables`        names of opcodes, status codes, regions, models
`tags`          tag records: metadata and EPC, both ways
`streaming`     the plan of continuous reading and its notifications
`setup`         the commands that configure a module
`inquiry`       the commands that ask about its set-up
`describe`      the meaning of any frame, for people
`host`          the session of the edge
`reader`        the module of the simulator
==============  =========================================================
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final

from tagtrail.hardware.protocols.framing import cut
from tagtrail.hardware.protocols.inquiry import Inquiry
from tagtrail.hardware.protocols.interface import Counters, ReaderSettings, choose
from tagtrail.hardware.protocols.mercury.describe import Describers, Meaning, describe, with_tags
from tagtrail.hardware.protocols.mercury.frame import Direction, framer_for
from tagtrail.hardware.protocols.mercury.host import MercuryHost
from tagtrail.hardware.protocols.mercury.inquiry import inquire
from tagtrail.hardware.protocols.mercury.reader import MercuryReader
from tagtrail.hardware.protocols.mercury.setup import PORT_MAX

_TAG_FRAME_SIZE: Final = 39
"""Bytes that report a 96-bit EPC with the metadata of `setup.METADATA`."""


class MercuryFamily:
    """The family; see `tagtrail.hardware.protocols.interface.ReaderFamily`."""

    name = "mercury"
    default_baud = 115_200
    reads_per_s_max = default_baud / 10 / _TAG_FRAME_SIZE
    obeys_commands = True
    ports_max = PORT_MAX
    tells_antenna = True
    tells_rssi_dbm = True
    epc_bytes = 12
    dialect: ClassVar[Mapping[Direction, Describers]] = {}
    """What opcodes mean that differ from ThingMagic's, by direction."""

    def host(self, settings: ReaderSettings) -> MercuryHost:
        """A session for the edge.

        Raises:
            FaultsError: The settings cannot be obeyed by any Mercury module.
        """
        return MercuryHost(settings)

    def reader(self) -> MercuryReader:
        """A reader for the simulator: an M6e."""
        return MercuryReader()

    def inquire(self) -> Inquiry:
        """Ask a module about its set-up; see `tagtrail.hardware.protocols.inquiry`."""
        return inquire()

    def decode(
        self,
        chunks: Iterable[bytes],
        counters: Counters,
        *,
        from_reader: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Iterator[Meaning]:
        """What raw bytes of one direction say; see `tagtrail.hardware.protocols.interface.ReaderFamily.decode`."""
        choose(self.name, options, {})
        direction = Direction.READER_TO_HOST if from_reader else Direction.HOST_TO_READER
        frames = cut(framer_for(direction, counters), chunks)
        dialect = self.dialect.get(direction)
        return ({"hex": frame.hex().upper()} | with_tags(describe(frame, direction, dialect)) for frame in frames)


def family() -> MercuryFamily:
    """The family that this package is."""
    return MercuryFamily()
