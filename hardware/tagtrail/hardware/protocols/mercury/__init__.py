"""ThingMagic / JADAK Mercury modules: M6e, M6e-Micro, M6e-Nano, M7e, and the readers that are built on them.

==============  =========================================================
`frame`         frames, their CRC, and finding them in a stream of bytes
`tables`        names of opcodes, status codes, regions, models
`tags`          tag records: metadata and EPC, both ways
`streaming`     the plan of continuous reading and its notifications
`setup`         the commands that configure a module
`describe`      the meaning of any frame, for people
`host`          the session of the edge
`reader`        the module of the simulator
==============  =========================================================
"""

from collections.abc import Iterable, Iterator
from typing import Final

from tagtrail.hardware.protocols.interface import Counters, ReaderSettings
from tagtrail.hardware.protocols.mercury.describe import Meaning, describe
from tagtrail.hardware.protocols.mercury.frame import Direction, Framer
from tagtrail.hardware.protocols.mercury.host import MercuryHost
from tagtrail.hardware.protocols.mercury.reader import MercuryReader

_TAG_FRAME_SIZE: Final = 39
"""Bytes that report a 96-bit EPC with the metadata of `setup.METADATA`."""


class MercuryFamily:
    """The family; see `tagtrail.hardware.protocols.interface.ReaderFamily`."""

    name = "mercury"
    default_baud = 115_200
    reads_per_s_max = default_baud / 10 / _TAG_FRAME_SIZE

    def host(self, settings: ReaderSettings) -> MercuryHost:
        """A session for the edge.

        Raises:
            FaultsError: The settings cannot be obeyed by any Mercury module.
        """
        return MercuryHost(settings)

    def reader(self) -> MercuryReader:
        """A reader for the simulator: an M6e."""
        return MercuryReader()

    def decode(self, chunks: Iterable[bytes], counters: Counters, *, from_reader: bool = True) -> Iterator[Meaning]:
        """What raw bytes of one direction say, frame by frame; ``hex`` is the frame itself.

        Args:
            chunks: The bytes, cut anywhere.
            counters: Where frames and rejected bytes are counted.
            from_reader: The reader sent them, not the host.
        """
        direction = Direction.READER_TO_HOST if from_reader else Direction.HOST_TO_READER
        framer = Framer(direction, counters)
        for chunk in chunks:
            for frame in framer.feed(chunk):
                yield {"hex": frame.hex().upper()} | describe(frame, direction)
        for frame in framer.flush():
            yield {"hex": frame.hex().upper()} | describe(frame, direction)


def family() -> MercuryFamily:
    """The family that this package is."""
    return MercuryFamily()
