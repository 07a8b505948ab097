"""Modules with a MagicRF M100 or alike: M100, QM100, YRM100x, R200, JRD-4035, and what is built on them.

==============  ===========================================================
`frame`         frames, their shape and check, and the tags in them
`tables`        names of commands, error codes, regions
`describe`      the meaning of any frame, for people
`host`          the session of the edge
`inquiry`       the command that asks about the set-up
`reader`        the module of the simulator
==============  ===========================================================
"""

from functools import partial

from tagtrail.hardware.protocols.family import SerialFamily, Side, one_by_one
from tagtrail.hardware.protocols.framing import Framer
from tagtrail.hardware.protocols.magicrf_bb.describe import describe_answer, describe_command
from tagtrail.hardware.protocols.magicrf_bb.frame import look_at_answer, look_at_command
from tagtrail.hardware.protocols.magicrf_bb.host import FAMILY, MagicRfHost
from tagtrail.hardware.protocols.magicrf_bb.inquiry import inquire
from tagtrail.hardware.protocols.magicrf_bb.reader import MagicRfReader


def family() -> SerialFamily:
    """The family that this package is."""
    return SerialFamily(
        name=FAMILY,
        default_baud=115_200,
        tag_frame_size=24,
        ports_max=1,
        tells_antenna=False,
        host=MagicRfHost,
        reader=MagicRfReader,
        answers=Side(partial(Framer, look_at_answer), one_by_one(describe_answer)),
        commands=Side(partial(Framer, look_at_command), one_by_one(describe_command)),
        inquire=inquire,
    )
