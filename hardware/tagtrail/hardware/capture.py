"""Captures: timestamped raw bytes of one serial port, both directions, as text (``docs/capture-format.md``).

::

    tagtrail-capture 1 {"reader":"r01","protocol":"mercury","port":"/dev/ttyUSB0","baud":115200}
    1773453600000000 ! opened
    1773453600000310 > FF00031D0C
    1773453600012850 < FF1403000007091700010000012007101209051200000000106BCC

A line is written as a whole and means nothing without its end, so a file that was cut off by a crash, or that a full
disk has spoilt, gives all the lines that are whole.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import groupby
from typing import Annotated, BinaryIO, Final, NamedTuple

import msgspec

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.store import ID_PATTERN
from tagtrail.hardware.wire import TIME_MAX_US

MAGIC: Final = b"tagtrail-capture "
VERSION: Final = 1
LINE_MAX: Final = 1024 * 1024
"""Bytes of the longest line that is looked at; a chunk of a serial port is some KiB."""

_LINE: Final = re.compile(rb"(\d{1,16}) (?:([<>]) ((?:[0-9A-F]{2})+)|! ([\x20-\x7e]*))\r?\n")


class Kind(Enum):
    """What a line is about; the value is its mark."""

    FROM_READER = "<"
    TO_READER = ">"
    NOTE = "!"


class Header(msgspec.Struct, frozen=True):
    """Which port was recorded."""

    reader: Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
    protocol: str
    port: str = ""
    baud: int = 0


class Record(NamedTuple):
    """One line: bytes as they were read or written at once, or a note that begins a new connection.

    Attributes:
        time_us: Microseconds since 1970 UTC.
        kind: Who sent it.
        data: The bytes; of a note, its text.
    """

    time_us: int
    kind: Kind
    data: bytes


def encode_header(header: Header) -> bytes:
    """The first line of a capture."""
    return MAGIC + b"%d " % VERSION + msgspec.json.encode(header) + b"\n"


def encode_record(record: Record) -> bytes:
    r"""One more line. What a note has beside printable ASCII becomes ``?``.

    >>> encode_record(Record(1773453600000310, Kind.TO_READER, bytes.fromhex("FF00031D0C")))
    b'1773453600000310 > FF00031D0C\n'
    """
    if record.kind is Kind.NOTE:
        text = re.sub(rb"[^\x20-\x7e]", b"?", record.data)
    else:
        text = record.data.hex().upper().encode("ascii")
    return b"%d %s %s\n" % (record.time_us, record.kind.value.encode("ascii"), text)


def lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, each cut at `LINE_MAX`: a file that is no capture does not fill the memory."""
    return iter(lambda: file.readline(LINE_MAX), b"")


class Capture:
    """A capture that is being read.

    Args:
        lines: Its lines, with their ends.

    Attributes:
        header: Which port was recorded.
        faulty: Lines that could not be read so far.

    Raises:
        BadData: ``not-a-capture``, ``version`` or ``wrong-shape`` of the first line.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.header = _parse_header(next(self._lines, b""))
        self.faulty = 0
        self._first_faulty = 0

    def records(self) -> Iterator[Record]:
        """All good lines, in order; once."""
        for number, line in enumerate(self._lines, start=2):
            found = _LINE.fullmatch(line)
            if found is None or int(found[1]) > TIME_MAX_US:
                self._first_faulty = self._first_faulty or number
                self.faulty += 1
            elif found[2] is None:
                yield Record(int(found[1]), Kind.NOTE, found[4])
            else:
                yield Record(int(found[1]), Kind(found[2].decode()), bytes.fromhex(found[3].decode()))

    def connections(self, kind: Kind) -> Iterator[Iterator[Record]]:
        """The bytes of one direction, apart for each time that the port was opened; use each before the next."""
        opened = 0

        def connection(record: Record) -> int:
            nonlocal opened
            opened += record.kind is Kind.NOTE
            return opened

        for _, group in groupby(self.records(), connection):
            yield (record for record in group if record.kind is kind)

    @property
    def note(self) -> str | None:
        """What is wrong with the lines read so far, as a sentence; None if nothing is."""
        if not self.faulty:
            return None
        count = "1 line" if self.faulty == 1 else f"{self.faulty} lines"
        return f"{count} left out, first line {self._first_faulty}: cut off or damaged; all others are good"


def _parse_header(line: bytes) -> Header:
    if not line.startswith(MAGIC) or not line.endswith(b"\n"):
        raise BadData(
            "not-a-capture", f"not a capture: it does not begin with {MAGIC.decode().strip()!r} and a whole line"
        )
    version, _, header = line.removeprefix(MAGIC).partition(b" ")
    if version != b"%d" % VERSION:
        raise BadData("version", f"a capture of version {version[:10].decode('ascii', 'replace')}; known is {VERSION}")
    try:
        return msgspec.json.decode(header, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadData("wrong-shape", f"the first line of the capture is damaged: {error}") from None
