"""Reading in rounds: what a module without continuous reading does instead, an M5e for one.

A round looks for tags for a while (22) and tells how many it has found; they lie in the module's tag buffer, each with
how often it was read. The buffer is read piece by piece (29), as much as fits into a frame each time, and cleared (2A).
A lost answer must neither lose tags nor double them: the module can be asked how far the buffer was read, and to repeat
the last piece::

    22  f f  t t      or  22  v  f f  t t        search flags, time in ms; v option
    29  m m  00       the next piece, with metadata m;  29  m m  01  the last one again
    29                how far: the reply has the number of tags that were read, and of all
    2A

The reply to 29 is ``m m  v  n`` and ``n`` tag records. Source: M5e user guide; Mercury API, ``serial_reader_l3.c``,
TMR_SR_cmdGetTagBuffer, TMR_SR_cmdGetTagsRemaining.
"""

from struct import Struct, pack
from typing import Final

import msgspec

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.mercury.frame import command
from tagtrail.hardware.protocols.mercury.setup import METADATA
from tagtrail.hardware.protocols.mercury.streaming import Search
from tagtrail.hardware.protocols.mercury.tables import Op
from tagtrail.hardware.protocols.mercury.tags import Record, unpack_record
from tagtrail.hardware.protocols.session import Step

SEARCH_MS: Final = 250
"""Time of one search. A module reads fewer tags in it than its buffer holds: 52 of 96 bits (M5e user guide)."""
NEXT, AGAIN = 0, 1
HEAD: Final = Struct(">HBB")
"""Of a piece of the buffer: metadata flags, option, number of tags."""
_HOW_FAR: Final = Struct(">HH")
_SEARCH: Final = pack(">HH", Search.USE_ANTENNA_LIST, SEARCH_MS)

LOOK: Final = Step(
    "look for tags",
    (command(Op.READ_TAG_MULTIPLE, _SEARCH), command(Op.READ_TAG_MULTIPLE, b"\0" + _SEARCH)),
    timeout_s=1.0 + SEARCH_MS / 1000,
)
FETCH: Final = Step("read the tag buffer", (command(Op.GET_TAG_BUFFER, pack(">HB", METADATA, NEXT)),))
FETCH_AGAIN: Final = Step("read the tag buffer again", (command(Op.GET_TAG_BUFFER, pack(">HB", METADATA, AGAIN)),))
HOW_FAR: Final = Step("ask how far the tag buffer was read", (command(Op.GET_TAG_BUFFER),))
CLEAR: Final = Step("clear the tag buffer", (command(Op.CLEAR_TAG_BUFFER),))


class Piece(msgspec.Struct, frozen=True):
    """A piece of the tag buffer."""

    metadata_flags: int
    option: int
    records: list[Record]


def parse_how_far(data: bytes) -> tuple[int, int] | None:
    """How many tags were read of how many; None where the data are a piece of the buffer.

    A piece without tags is as long, but as a number of tags read it would be more than there are.

    >>> parse_how_far(bytes.fromhex("00020005")), parse_how_far(bytes.fromhex("00570000"))
    ((2, 5), None)
    """
    if len(data) != _HOW_FAR.size:
        return None
    read, written = _HOW_FAR.unpack(data)
    return None if read > written and data[3] == 0 else (read, written)


def parse_piece(data: bytes) -> Piece:
    """Read a piece of the buffer.

    Raises:
        BadData: ``truncated``, ``metadata-flags`` or ``epc-length``.
    """
    if len(data) < HEAD.size:
        raise BadData("truncated", "a piece of the tag buffer ends within its head")
    flags, option, count = HEAD.unpack_from(data)
    records, position = [], HEAD.size
    for _ in range(count):
        record, position = unpack_record(data, position, flags)
        records.append(record)
    return Piece(flags, option, records)


class TagBuffer:
    """How far the buffer was read, and so what comes next."""

    def __init__(self) -> None:
        self._clear = False
        self._left = self._fetched = 0
        self._unsure = self._repeat = False

    @property
    def unread(self) -> bool:
        """Whether tags may be left that were found."""
        return self._unsure or self._repeat or self._left > 0

    def next(self) -> Step:
        """What to ask for next."""
        if self._unsure:
            return HOW_FAR
        if not self.unread and not self._clear:
            return CLEAR
        self._unsure = True  # until the answer is there
        if self._repeat:
            return FETCH_AGAIN
        return FETCH if self._left else LOOK

    def cleared(self) -> None:
        """It is empty."""
        self._clear = True
        self._left = self._fetched = 0

    def found(self, count: int) -> None:
        """A search has found so many tags."""
        self._unsure = False
        self._left = count
        self._clear = not count

    def fetched(self, count: int) -> None:
        """A piece with so many tags was read."""
        self._unsure = self._repeat = False
        self._fetched += count
        self._left = max(0, self._left - count) if count else 0

    def told(self, read: int, written: int) -> None:
        """The module said how far it was read. More than was heard: the last piece was lost. Less: it has rebooted."""
        self._unsure = False
        self._repeat = read > self._fetched
        self._fetched = min(read, self._fetched)
        self._left = max(0, written - self._fetched)
        self._clear = not written

    def refused(self, step: Step) -> None:
        """The module does not do it: what is there is given up, but for what a search has found so far."""
        if step != LOOK:
            self._unsure = self._repeat = False
            self._left = 0
            self._clear = step == CLEAR
