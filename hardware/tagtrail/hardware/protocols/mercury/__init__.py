"""ThingMagic / JADAK Mercury modules: M5e, M6e, M6e-Micro, M6e-Nano, M7e, and the readers that are built on them.

==============  =========================================================
`frame`         frames, their CRC, and finding them in a stream of bytes
`tables`        names of opcodes, status codes, regions, models
`tags`          tag records: metadata and EPC, both ways
`streaming`     the plan of continuous reading and its notifications
`setup`         the commands that configure a module
`inquiry`       the commands that ask about its set-up
`rounds`        reading in rounds, for modules without continuous reading
`describe`      the meaning of any frame, for people, with
`meaning`       ... the words that commands and replies have in common
`commands`      ... commands
`replies`       ... replies and notifications
`care`          temperature and antennas of a module that reads
`host`          the session of the edge
`reader`        the module of the simulator: an M6e
`m5e`           the same of an M5e
==============  =========================================================
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from tagtrail.hardware.protocols.family import SerialFamily, Side
from tagtrail.hardware.protocols.interface import HostSession, ReaderModel, ReaderSettings
from tagtrail.hardware.protocols.mercury.describe import ANY, OPTIONS, describe, with_tags
from tagtrail.hardware.protocols.mercury.frame import Direction, framer_for
from tagtrail.hardware.protocols.mercury.host import MERCURY, MercuryHost
from tagtrail.hardware.protocols.mercury.inquiry import inquire
from tagtrail.hardware.protocols.mercury.meaning import Describers, Meaning
from tagtrail.hardware.protocols.mercury.reader import MercuryReader
from tagtrail.hardware.protocols.mercury.setup import PORT_MAX

_THINGMAGIC: Final[Mapping[Direction, Describers]] = {}


def mercury_family(
    name: str,
    tag_frame_size: int,
    host: Callable[[ReaderSettings], HostSession],
    reader: Callable[[], ReaderModel],
    dialect: Mapping[Direction, Describers] = _THINGMAGIC,
    *,
    ports_max: int = PORT_MAX,
    options: Mapping[str, Sequence[str]] = OPTIONS,
) -> SerialFamily:
    """A family whose modules speak as ThingMagic's do.

    Args:
        name: Of the protocol.
        tag_frame_size: Bytes that report a 96-bit EPC with the metadata of `setup.METADATA`.
        host: Makes a session.
        reader: Makes a simulated module.
        dialect: What opcodes mean that differ from ThingMagic's, by direction.
        ports_max: Highest antenna port.
        options: What `decode` can be told.
    """

    def spoken(direction: Direction) -> Side:
        described = dialect.get(direction)

        def tell(frames: Iterable[bytes], options: Mapping[str, str]) -> Iterator[Meaning]:
            model = options.get("model", ANY)
            return (
                {"hex": each.hex().upper()} | with_tags(describe(each, direction, described), model) for each in frames
            )

        return Side(partial(framer_for, direction), tell)

    return SerialFamily(
        name=name,
        default_baud=115_200,
        tag_frame_size=tag_frame_size,
        ports_max=ports_max,
        host=host,
        reader=reader,
        answers=spoken(Direction.READER_TO_HOST),
        commands=spoken(Direction.HOST_TO_READER),
        inquire=inquire,
        options=options,
    )


def family() -> SerialFamily:
    """The family that this package is; its simulated reader is an M6e."""
    return mercury_family(MERCURY, 39, MercuryHost, MercuryReader)
