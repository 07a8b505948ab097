"""Silion modules (SLR1100 to SLR6100, SQM5000), and the readers that are built on them.

They speak as ThingMagic's do, so `tagtrail.hardware.protocols.mercury` does most of it. Their own are the commands that
start and stop reading, the reports in between, and the numbers of the regions.

==============  =========================================================
`extension`     opcode AA, both ways, and the region numbers
`describe`      the meaning of what differs, for people
`host`          the session of the edge
`reader`        the module of the simulator
==============  =========================================================
"""

from typing import Final

from tagtrail.hardware.protocols.interface import ReaderSettings
from tagtrail.hardware.protocols.mercury import MercuryFamily
from tagtrail.hardware.protocols.mercury.host import SILION
from tagtrail.hardware.protocols.mercury_silion.describe import DIALECT
from tagtrail.hardware.protocols.mercury_silion.host import SilionHost
from tagtrail.hardware.protocols.mercury_silion.reader import SilionReader

_TAG_FRAME_SIZE: Final = 34
"""Bytes that report a 96-bit EPC with the metadata of `mercury.setup.METADATA`."""


class SilionFamily(MercuryFamily):
    """The family; see `tagtrail.hardware.protocols.interface.ReaderFamily`."""

    name = SILION
    reads_per_s_max = MercuryFamily.default_baud / 10 / _TAG_FRAME_SIZE
    dialect = DIALECT

    def host(self, settings: ReaderSettings) -> SilionHost:
        """A session for the edge.

        Raises:
            FaultsError: The settings cannot be obeyed by any Silion module.
        """
        return SilionHost(settings)

    def reader(self) -> SilionReader:
        """A reader for the simulator: an SLR1200."""
        return SilionReader()


def family() -> SilionFamily:
    """The family that this package is."""
    return SilionFamily()
