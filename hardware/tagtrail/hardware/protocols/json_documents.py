"""JSON that fixed readers publish: documents found in a stream of bytes, and the odd values in them.

What makers call JSON comes as one object, as an array, one object a line with empty lines as a sign of life (NDJSON),
or as objects glued together without anything between. All of it is a stream of documents here.
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from tagtrail.hardware.protocols.framing import MORE, NOT_A_FRAME, Framer, cut
from tagtrail.hardware.protocols.interface import Counters, choose

Meaning = dict[str, object]

DOCUMENT_SIZE_MAX: Final = 1024 * 1024
"""Bytes; readers send arrays of some hundred events of 500 bytes."""
DEPTH_MAX: Final = 16
"""Events nest six deep. The bound keeps a run of opening brackets from costs that grow with its square."""
NUMBER_MAX: Final = 1e15

_TOKEN: Final = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*+(?:["\x00-\x1f]|\\[\x00-\x1f])|["{}\[\]]')
"""A string with its end, or with a control character that none may have; a quote without either; a bracket."""
_SPACE: Final = re.compile(rb"[ \t\r\n]+")
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d(?::?\d\d)?)", re.ASCII | re.IGNORECASE
)
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
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
        look = _look if from_reader else lambda _data, _start: NOT_A_FRAME
        return (self._meaning(document) for document in _documents(cut(Framer(look, counters), chunks), counters))

    def _meaning(self, document: object) -> Meaning:
        if isinstance(document, dict):
            return self.describe(document)
        return {"kind": "unknown", "fault": "not-an-event", "content": document}


def _documents(frames: Iterable[bytes], counters: Counters) -> Iterator[object]:
    for frame in frames:
        if frame.isspace():
            counters.frames -= 1
        else:
            yield from _flat(msgspec.json.decode(frame))


def _flat(document: object) -> Iterator[object]:
    if isinstance(document, list):
        for element in document:
            yield from _flat(element)
    else:
        yield document


def _look(data: bytes, start: int) -> int:
    """Size of the object, array or white space at ``start``; see `tagtrail.hardware.protocols.framing.Look`."""
    if data[start] not in b"{[":
        space = _SPACE.match(data, start)
        return space.end() - start if space else NOT_A_FRAME
    depth = 0
    for token in _TOKEN.finditer(data, start, start + DOCUMENT_SIZE_MAX):
        match token[0]:
            case b"{" | b"[":
                depth += 1
                if depth > DEPTH_MAX:
                    return NOT_A_FRAME
            case b"}" | b"]":
                depth -= 1
                if depth == 0:
                    return token.end() - start if _is_json(data[start : token.end()]) else NOT_A_FRAME
            case b'"':
                break  # a string without an end, so far
            case string if not string.endswith(b'"'):
                return NOT_A_FRAME
    return MORE if len(data) - start < DOCUMENT_SIZE_MAX else NOT_A_FRAME


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


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
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < NUMBER_MAX else None


def port(value: object) -> int | None:
    """An antenna port, from 1; None for anything else."""
    told = number(value)
    return int(told) if told is not None and told >= 1 and told == int(told) else None


def upper_hex(value: object) -> str | None:
    """Whole bytes in hex, as upper case; None for anything else."""
    return value.upper() if isinstance(value, str) and _HEX.fullmatch(value) else None


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
        return b64decode(text, validate=True).hex().upper() or None
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
    day, clock, digits, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{zone.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{moment.replace(tzinfo=None).isoformat()}{'.' + digits if digits else ''}Z"


def present(**fields: object) -> Meaning:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
