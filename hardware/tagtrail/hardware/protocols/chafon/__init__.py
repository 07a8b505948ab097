"""Chafon readers and what is built alike: UHFReader18, 86, 188, 288, RRU98xx, CF-RU5xxx, CF-RU64xx, CF-MU80x, CF-MU90x.

==============  =========================================================
`frame`         frames, their CRC, and recognising them in a stream
`tables`        names of commands, statuses, reader types, bands
`tags`          tag records in both layouts, and a reader's information
`describe`      the meaning of any frame, for people
`setup`         the commands that configure a reader, and its rounds
`host`          the session of the edge
`reader`        the reader of the simulator
==============  =========================================================
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.chafon.describe import Meaning, describe_command, describe_reply, makes_sense
from tagtrail.hardware.protocols.chafon.frame import look_for_command, look_for_reply
from tagtrail.hardware.protocols.chafon.host import ChafonHost
from tagtrail.hardware.protocols.chafon.reader import ChafonReader
from tagtrail.hardware.protocols.chafon.setup import inquire
from tagtrail.hardware.protocols.chafon.tables import Command, Layout, Status
from tagtrail.hardware.protocols.chafon.tags import PORT_MAX, parse_info
from tagtrail.hardware.protocols.framing import Framer, cut
from tagtrail.hardware.protocols.inquiry import Inquiry
from tagtrail.hardware.protocols.interface import Counters, ReaderSettings, choose


class ChafonFamily:
    """The family; see `tagtrail.hardware.protocols.interface.ReaderFamily`."""

    name = "chafon"
    default_baud = 57_600
    reads_per_s_max = default_baud / 10 / 22  # bytes that report a 96-bit EPC in layout 288
    obeys_commands = True
    ports_max = PORT_MAX
    tells_antenna = True
    tells_rssi_dbm = False
    epc_bytes = 12

    def host(self, settings: ReaderSettings) -> ChafonHost:
        """A session for the edge.

        Raises:
            FaultsError: The settings cannot be obeyed by any reader of the family.
        """
        return ChafonHost(settings)

    def reader(self) -> ChafonReader:
        """A reader for the simulator, in layout 288."""
        return ChafonReader()

    def inquire(self) -> Inquiry:
        """Ask a reader that is not reading; see `tagtrail.hardware.protocols.inquiry.Inquirer`."""
        return inquire()

    def decode(
        self,
        chunks: Iterable[bytes],
        counters: Counters,
        *,
        from_reader: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Iterator[Meaning]:
        """What raw bytes of one direction say; see `tagtrail.hardware.protocols.interface.ReaderFamily.decode`.

        The option ``layout`` is that of the reader, 288 or 18. Without it, 288 until the reader's information tells it;
        until then an inventory that is none in 288, and exactly one in 18, is taken for that.
        """
        layout = Layout(choose(self.name, options, {"layout": ("288", "18")})["layout"])
        learn = "layout" not in (options or {})
        look = look_for_reply if from_reader else look_for_command
        frames = cut(Framer(look, counters), chunks)
        return _replies(frames, layout, learn=learn) if from_reader else _commands(frames, layout)


def _replies(frames: Iterable[bytes], layout: Layout, *, learn: bool) -> Iterator[Meaning]:
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


def _commands(frames: Iterable[bytes], layout: Layout) -> Iterator[Meaning]:
    return ({"hex": frame.hex().upper()} | describe_command(frame, layout) for frame in frames)


def family() -> ChafonFamily:
    """The family that this package is."""
    return ChafonFamily()
