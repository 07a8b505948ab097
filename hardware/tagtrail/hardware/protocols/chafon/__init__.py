"""Chafon readers and what is built alike: UHFReader18, 86, 188, 288, RRU98xx, CF-RU5xxx, CF-RU64xx, CF-MU80x, CF-MU90x.

==============  =========================================================
`frame`         frames, their CRC, and recognising them in a stream
`tables`        names of commands, statuses, reader types, bands
`tags`          tag records in both layouts, and a reader's information
`describe`      the meaning of any frame, for people
`setup`         the commands that configure a reader, and its rounds
`inquiry`       the commands that ask about its set-up
`host`          the session of the edge
`reader`        the reader of the simulator
==============  =========================================================
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.chafon.describe import Meaning, describe_command, describe_reply, makes_sense
from tagtrail.hardware.protocols.chafon.frame import look_for_command, look_for_reply
from tagtrail.hardware.protocols.chafon.host import ChafonHost
from tagtrail.hardware.protocols.chafon.inquiry import inquire
from tagtrail.hardware.protocols.chafon.reader import ChafonReader
from tagtrail.hardware.protocols.chafon.tables import Command, Layout, Status
from tagtrail.hardware.protocols.chafon.tags import PORT_MAX, parse_info
from tagtrail.hardware.protocols.family import SerialFamily, Side
from tagtrail.hardware.protocols.framing import Framer

_LAYOUTS: Final = (Layout.WITH_ANTENNA.value, Layout.WITHOUT_ANTENNA.value)


def _replies(frames: Iterable[bytes], options: Mapping[str, str]) -> Iterator[Meaning]:
    """What readers say.

    The option ``layout`` is that of the reader, 288 or 18. Without it, 288 until the reader's information tells it;
    until then an inventory that is none in 288, and exactly one in 18, is taken for that.
    """
    layout = _layout(options)
    learn = "layout" not in options
    told = not learn
    for frame in frames:
        if learn and frame[2] == Command.GET_READER_INFO and frame[3] == Status.OK:
            with suppress(BadData):
                layout = parse_info(frame[4:-2]).layout
                told = True
        meaning = describe_reply(frame, layout)
        if not told and meaning.get("fault") == "layout":
            other = describe_reply(frame, Layout.WITHOUT_ANTENNA)
            meaning = other if makes_sense(other) else meaning
        yield {"hex": frame.hex().upper()} | meaning


def _commands(frames: Iterable[bytes], options: Mapping[str, str]) -> Iterator[Meaning]:
    layout = _layout(options)
    return ({"hex": frame.hex().upper()} | describe_command(frame, layout) for frame in frames)


def _layout(options: Mapping[str, str]) -> Layout:
    return Layout(options.get("layout", _LAYOUTS[0]))


def family() -> SerialFamily:
    """The family that this package is; its simulated reader has layout 288, whose tag reports are the longer ones."""
    return SerialFamily(
        name="chafon",
        default_baud=57_600,
        tag_frame_size=22,
        ports_max=PORT_MAX,
        tells_rssi_dbm=False,
        host=ChafonHost,
        reader=ChafonReader,
        answers=Side(partial(Framer, look_for_reply), _replies),
        commands=Side(partial(Framer, look_for_command), _commands),
        inquire=inquire,
        options={"layout": _LAYOUTS},
    )
