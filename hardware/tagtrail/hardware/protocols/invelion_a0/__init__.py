"""Readers with Impinj R2000 and R500 chips that speak the A0 protocol: Invelion IND90x, Yanzeo YR90x, and many others.

==============  ===========================================================
`frame`         frames, their shape and check, and the tags in them
`tables`        names of commands, error codes, regions; frequencies, RSSI
`describe`      the meaning of any frame, for people
`host`          the session of the edge
`reader`        the reader of the simulator
==============  ===========================================================
"""

from collections.abc import Iterable, Iterator, Mapping

from tagtrail.hardware.protocols.framing import Framer, cut
from tagtrail.hardware.protocols.interface import Counters, ReaderSettings, choose
from tagtrail.hardware.protocols.invelion_a0.describe import Meaning, describe_answer, describe_command
from tagtrail.hardware.protocols.invelion_a0.frame import START, look_at_answer, look_at_command
from tagtrail.hardware.protocols.invelion_a0.host import FAMILY, InvelionHost
from tagtrail.hardware.protocols.invelion_a0.reader import InvelionReader
from tagtrail.hardware.protocols.invelion_a0.tables import PORTS_MAX


class InvelionFamily:
    """The family; see `tagtrail.hardware.protocols.interface.ReaderFamily`."""

    name = FAMILY
    default_baud = 115_200
    reads_per_s_max = default_baud / 10 / 21  # bytes that report a 96-bit EPC
    obeys_commands = True
    ports_max = PORTS_MAX
    tells_antenna = True
    tells_rssi_dbm = True
    epc_bytes = 12

    def host(self, settings: ReaderSettings) -> InvelionHost:
        """A session for the edge.

        Raises:
            FaultsError: The settings cannot be obeyed by any A0 reader.
        """
        return InvelionHost(settings)

    def reader(self) -> InvelionReader:
        """A reader for the simulator, with eight ports."""
        return InvelionReader()

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
        look, describe = (look_at_answer, describe_answer) if from_reader else (look_at_command, describe_command)
        framer = Framer(look, counters, start=START)
        return ({"hex": frame.hex().upper()} | describe(frame) for frame in cut(framer, chunks))


def family() -> InvelionFamily:
    """The family that this package is."""
    return InvelionFamily()
