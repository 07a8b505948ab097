"""Readers with Impinj R2000 and R500 chips that speak the A0 protocol: Invelion IND90x, Yanzeo YR90x, and many others.

==============  ===========================================================
`frame`         frames, their shape and check, and the tags in them
`tables`        names of commands, error codes, regions; frequencies, RSSI
`describe`      the meaning of any frame, for people
`host`          the session of the edge
`inquiry`       the commands that ask about the set-up
`reader`        the reader of the simulator
==============  ===========================================================
"""

from functools import partial

from tagtrail.hardware.protocols.family import SerialFamily, Side, one_by_one
from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.invelion_a0.describe import describe_answer, describe_command
from tagtrail.hardware.protocols.invelion_a0.frame import START, look_at_answer, look_at_command
from tagtrail.hardware.protocols.invelion_a0.host import FAMILY, InvelionHost
from tagtrail.hardware.protocols.invelion_a0.inquiry import inquire
from tagtrail.hardware.protocols.invelion_a0.reader import InvelionReader
from tagtrail.hardware.protocols.invelion_a0.tables import PORTS_MAX


def family() -> SerialFamily:
    """The family that this package is; its simulated reader has eight ports."""
    return SerialFamily(
        name=FAMILY,
        default_baud=115_200,
        tag_frame_size=21,
        ports_max=PORTS_MAX,
        host=InvelionHost,
        reader=InvelionReader,
        answers=Side(partial(Framer, look_at_answer, start=START), one_by_one(describe_answer)),
        commands=Side(partial(Framer, look_at_command, start=START), one_by_one(describe_command)),
        inquire=inquire,
    )
