"""Modules with a MagicRF M100 or alike: M100, QM100, YRM100x, R200, JRD-4035, and what is built on them.

==============  ===========================================================
`frame`         frames, their shape and check, and the tags in them
`tables`        names of commands, error codes, regions
`describe`      the meaning of any frame, for people
`host`          the session of the edge
`reader`        the module of the simulator
==============  ===========================================================
"""

from collections.abc import Iterable, Iterator, Mapping

from tagtrail.hardware.protocols.framing import Framer, cut
from tagtrail.hardware.protocols.interface import Counters, ReaderSettings, choose
from tagtrail.hardware.protocols.magicrf_bb.describe import Meaning, describe_answer, describe_command
from tagtrail.hardware.protocols.magicrf_bb.frame import look_at_answer, look_at_command
from tagtrail.hardware.protocols.magicrf_bb.host import FAMILY, MagicRfHost
from tagtrail.hardware.protocols.magicrf_bb.reader import MagicRfReader


class MagicRfFamily:
    """The family; see `tagtrail.hardware.protocols.interface.ReaderFamily`."""

    name = FAMILY
    default_baud = 115_200
    reads_per_s_max = default_baud / 10 / 24  # bytes that report a 96-bit EPC
    obeys_commands = True
    ports_max = 1
    tells_antenna = False
    tells_rssi_dbm = True
    epc_bytes = 12

    def host(self, settings: ReaderSettings) -> MagicRfHost:
        """A session for the edge.

        Raises:
            FaultsError: The settings cannot be obeyed by any M100 module.
        """
        return MagicRfHost(settings)

    def reader(self) -> MagicRfReader:
        """A reader for the simulator."""
        return MagicRfReader()

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
        return ({"hex": frame.hex().upper()} | describe(frame) for frame in cut(Framer(look, counters), chunks))


def family() -> MagicRfFamily:
    """The family that this package is."""
    return MagicRfFamily()
