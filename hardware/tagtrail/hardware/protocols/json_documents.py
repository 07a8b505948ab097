"""JSON that fixed readers publish: documents found in a stream of bytes, and the odd values in them.

What makers call JSON comes as one object, as an array, one object a line with empty lines as a sign of life (NDJSON),
or as objects glued together without anything between. All of it is a stream of documents here.
"""

import re
from binascii import Error, a2b_base64
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

from tagtrail.hardware.protocols.framing import MORE, NOT_A_FRAME, Framer, cut
from tagtrail.hardware.protocols.interface import Counters, choose

Meaning = dict[str, object]

DOCUMENT_SIZE_MAX: Final = 1024 * 1024
"""Bytes, half of it behind noise; readers send arrays of some hundred events of 500 bytes."""
DEPTH_MAX: Final = 16
"""Events nest six deep. The bound keeps a run of opening brackets from costs that grow with its square."""
NUMBER_MAX: Final = 1e15


def _brackets(depth: int) -> bytes:
    """A pattern for brackets that nest so deep; whether they are of the same kind is left to the JSON decoder."""
    other, string = rb'[^"{}\[\]]*+', rb'"[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+"'
    inside = string if depth == 1 else string + b"|" + _brackets(depth - 1)
    return rb"[{\[]" + other + b"(?:(?:" + inside + b")" + other + rb")*+[}\]]"


_TOKEN: Final = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*+(?:["\x00-\x1f]|\\[\x00-\x1f])|["{}\[\]]')
"""A string with its end, or with a control character that none may have; a quote without either; a bracket."""
_DOCUMENT: Final = re.compile(_brackets(DEPTH_MAX) + rb"[ \t\r\n]*+")
"""An object or array, as far as its brackets and strings tell, and the white space behind it."""
_SPACE: Final = re.compile(rb"[ \t\r\n]+")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)"
)
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,17})?")
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[ \-]+")


@dataclass(frozen=True)
class JsonFormat:
    """The JSON of one maker's readers.

    Attributes:
        name: As a protocol for ``tagtrail decode``.
        vendor: As in the MQTT topic on which ingest takes it.
        describe: What one object says. Reads of tags have the kind ``tag_read`` and ``tags``; each of these has
            ``epc``, ``antenna`` and ``rssi_dbm`` (None where it was not told), and ``timestamp_utc`` where it was.
    """

    name: str
    vendor: str
    describe: Callable[[Mapping[str, object]], Meaning]

    def decode(
        self,
        chunks: Iterable[bytes],
        counters: Counters,
        *,
        from_reader: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Iterator[Meaning]:
        """What published bytes say, object by object; see `ReaderFamily.decode`. A host publishes nothing."""
        choose(self.name, options, {})
        return (self._meaning(document) for document in _documents(chunks, counters, from_reader=from_reader))

    def _meaning(self, document: object) -> Meaning:
        if isinstance(document, dict):
            return self.describe(document)
        return {"kind": "unknown", "fault": "not-an-event", "content": document}


def _documents(chunks: Iterable[bytes], counters: Counters, *, from_reader: bool) -> Iterator[object]:
    search = _Search()
    for frame in cut(Framer(search.look if from_reader else lambda _data, _start: NOT_A_FRAME, counters), chunks):
        if frame.isspace():
            counters.frames -= 1
        else:
            yield from _flat(search.found.popleft())


def _flat(document: object) -> Iterator[object]:
    if isinstance(document, list):
        for element in document:
            yield from _flat(element)
    else:
        yield document


class _Search:
    """Looks for documents.

    Attributes:
        found: Those found, in order: to know where one ends is to have read it, and that is not done twice.
    """

    def __init__(self) -> None:
        self.found: deque[object] = deque()
        self._data = b""
        self._endless: set[int] = set()
        """Brackets in ``_data`` that nothing closes, seen while looking from one before them: not to be followed again.
        Otherwise the cost of a broken message would grow with its square."""

    def look(self, data: bytes, start: int) -> int:
        """Size of the object, array or white space at ``start``; see `tagtrail.hardware.protocols.framing.Look`."""
        if data[start] not in b"{[":
            space = _SPACE.match(data, start)
            return space.end() - start if space else NOT_A_FRAME
        if start in self._endless and data is self._data:
            return NOT_A_FRAME
        whole = _DOCUMENT.match(data, start, start + DOCUMENT_SIZE_MAX)
        if whole is None:
            return self._look_for_end(data, start)
        try:
            self.found.append(msgspec.json.decode(whole[0]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_A_FRAME
        return whole.end() - start

    def _look_for_end(self, data: bytes, start: int) -> int:
        """Whether more bytes can make a document of what begins at ``start`` and is none."""
        verdict = MORE if len(data) - start < DOCUMENT_SIZE_MAX else NOT_A_FRAME
        far = start + DOCUMENT_SIZE_MAX // 2 if verdict == NOT_A_FRAME else len(data)
        opened: list[int] = []
        for token in _TOKEN.finditer(data, start, start + DOCUMENT_SIZE_MAX):
            match token[0]:
                case b"{" | b"[":
                    opened.append(token.start())
                    if len(opened) > DEPTH_MAX:
                        return NOT_A_FRAME
                case b"}" | b"]":
                    opened.pop()
                    if not opened:
                        return NOT_A_FRAME
                case b'"':
                    break  # a string without an end, so far
                case string if not string.endswith(b'"'):
                    verdict, far = NOT_A_FRAME, len(data)
                    break
        if data is not self._data:
            self._data, self._endless = data, set()
        self._endless.update(at for at in opened if at < far)
        return verdict


def snake_case(name: str) -> str:
    """A maker's name as a kind or a key here.

    >>> snake_case("inventoryStatus"), snake_case("antennaDisconnected"), snake_case("GPI-event")
    ('inventory_status', 'antenna_disconnected', 'gpi_event')
    """
    return _HUMP.sub("_", name).lower()


def number(value: object) -> float | None:
    """A number of a size that can be measured, also one written as text; None for anything else.

    >>> number(-61), number("-61.5"), number(True), number(None)
    (-61, -61.5, None, None)
    """
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else None
    if type(value) is int or type(value) is float:
        return value if -NUMBER_MAX < value < NUMBER_MAX else None
    return None


def port(value: object) -> int | None:
    """An antenna port, from 1; None for anything else."""
    told = value if type(value) is int else number(value)
    return int(told) if told is not None and 1 <= told < NUMBER_MAX and told == int(told) else None


def upper_hex(value: object) -> str | None:
    """Whole bytes in hex, as upper case; None for anything else."""
    return value.upper() if isinstance(value, str) and len(value) % 2 == 0 and _HEX.fullmatch(value) else None


def binary(value: object, size: int | None = None) -> str | None:
    """Bytes in base64, or in hex by a middleman who did not read the manual; as upper-case hex.

    Many texts can be both. Base64 it is, unless only hex gives the ``size``; where that is unknown, unless only hex
    gives the usual size of an EPC.

    >>> binary("ftqQOAUQAnEAAsCu"), binary("E2801170200014CD9B5A08EC"), binary("AAAAAAAAAAAAAAAB")
    ('7EDA9038051002710002C0AE', 'E2801170200014CD9B5A08EC', '000000000000000000000001')
    """
    if not isinstance(value, str):
        return None
    as_base64, as_hex = _base64(value), upper_hex(value)
    if as_base64 is None or as_hex is None:
        return as_base64 or as_hex
    sizes = (12, 16) if size is None else (size,)
    only_hex = len(as_hex) // 2 in sizes and len(as_base64) // 2 not in sizes
    return as_hex if only_hex else as_base64


def _base64(text: str) -> str | None:
    try:
        return a2b_base64(text, strict_mode=True).hex().upper() or None
    except (Error, ValueError):
        return None


def utc(value: object) -> str | None:
    """A time with its zone as UTC, with as many digits as it had; None for anything else.

    >>> utc("2023-05-09T15:04:12.310+0000"), utc("2023-06-28T01:24:00.277766184-06:00")
    ('2023-05-09T15:04:12.310Z', '2023-06-28T07:24:00.277766184Z')
    """
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    moment, digits, zone = found.groups()
    told = _utc_second(moment, zone)
    return None if told is None else f"{told}.{digits}Z" if digits else f"{told}Z"


@lru_cache(maxsize=1024)  # a reader sees hundreds of tags in a second
def _utc_second(moment: str, zone: str) -> str | None:
    try:
        return datetime.fromisoformat(moment + zone.upper()).astimezone(UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return None


def present(**fields: object) -> Meaning:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


Field = tuple[str, Callable[[object], object]]
"""Name of a field here, and what makes it of a maker's value: None leaves it out."""


def tell(meaning: Meaning, content: Mapping[str, object], fields: Mapping[str, Field]) -> None:
    """Add to a meaning what is there of a maker's ``fields``, in the maker's order."""
    for key, value in content.items():
        if (field := fields.get(key)) is not None:
            name, convert = field
            if value is not None and (converted := convert(value)) is not None:
                meaning[name] = converted


def as_told(value: object) -> object:
    """The value as it is."""
    return value
