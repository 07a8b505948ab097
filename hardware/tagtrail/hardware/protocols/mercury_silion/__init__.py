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

from tagtrail.hardware.protocols.family import SerialFamily
from tagtrail.hardware.protocols.mercury import mercury_family
from tagtrail.hardware.protocols.mercury.host import SILION
from tagtrail.hardware.protocols.mercury_silion.describe import DIALECT
from tagtrail.hardware.protocols.mercury_silion.host import SilionHost
from tagtrail.hardware.protocols.mercury_silion.reader import SilionReader


def family() -> SerialFamily:
    """The family that this package is; its simulated reader is an SLR1200."""
    return mercury_family(SILION, 34, SilionHost, SilionReader, DIALECT, ports_max=SilionHost.ports_max, options={})
