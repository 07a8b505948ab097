"""From raw bytes of a reader, or their hex text, to events for people and programs: what ``tagtrail decode`` prints.

An event is a dict with ``kind``. A ``tag_read`` has ``epc`` (upper-case hex), ``antenna`` (the port as printed on the
reader, from 1) and ``rssi_dbm``, each None where it was not told, and whatever else its frame carries; a frame with
several tags gives one event per tag. What is framed well and makes no sense is ``invalid`` with its ``fault``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, Protocol

from tagtrail.hardware.errors import BadData, GiveUp
from tagtrail.hardware.protocols import FAMILIES, JSON_FORMATS, load_family, load_json_format
from tagtrail.hardware.protocols.interface import Counters

Event = dict[str, object]

_TAG_KINDS: Final = frozenset({"tag_read", "card_read", "tag_buffer"})
_UNKNOWN: Final = "unknown"
"""The name of a code that the protocol does not know."""
_HEX_TEXT: Final = re.compile(rb"(?:0[xX]|\\x|[0-9A-Fa-f]|[\s,:-]|(?:#|;|//)[^\x00-\x08\x0a-\x1f\x7f]*)*+")
_COMMENT: Final = re.compile(r"(?:#|;|//).*")
_SEPARATORS: Final = re.compile(r"[\s,:-]+")
_PREFIX: Final = re.compile(r"0[xX]|\\x")


class Decoder(Protocol):
    """What a reader family and a JSON format share; see `tagtrail.hardware.protocols.interface.ReaderFamily`."""

    @property
    def name(self) -> str:
        """The protocol."""
        ...

    def decode(
        self,
        chunks: Iterable[bytes],
        counters: Counters,
        *,
        from_reader: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Iterator[Event]:
        """What raw bytes of one direction say, frame by frame."""
        ...


def load_decoder(protocol: str) -> Decoder:
    """The decoder of a reader family or of a JSON format.

    Raises:
        GiveUp: There is no such protocol.
    """
    if protocol in JSON_FORMATS:
        return load_json_format(protocol)
    if protocol not in FAMILIES:
        raise GiveUp(f"protocol {protocol!r} is unknown; known are {', '.join(sorted({*FAMILIES, *JSON_FORMATS}))}")
    return load_family(protocol)


def decode_stream(
    decoder: Decoder,
    chunks: Iterable[bytes],
    counters: Counters,
    *,
    from_reader: bool = True,
    options: Mapping[str, str] | None = None,
) -> Iterator[Event]:
    """All events of a stream, whatever the bytes; faults are counted as rejected.

    Raises:
        FaultsError: An option that the protocol does not have.
    """
    for frame in decoder.decode(chunks, counters, from_reader=from_reader, options=options):
        yield from _events(frame, counters)


def decode_line(
    decoder: Decoder, data: bytes, counters: Counters, *, options: Mapping[str, str] | None = None
) -> list[Event]:
    """All events of a stream that either side may have sent.

    The reader's side, unless nothing in it makes sense that way while all of it does as commands of the host. Frames of
    some families look alike both ways, and then they are the reader's.

    Raises:
        FaultsError: An option that the protocol does not have.
    """
    heard, said = Counters(), Counters()
    events = list(decode_stream(decoder, [data], heard, options=options))
    if not any(map(_makes_sense, events)):
        commands = list(decode_stream(decoder, [data], said, from_reader=False, options=options))
        if commands and not said.bytes_dropped and all(map(_makes_sense, commands)):
            counters.add(said)
            return commands
    counters.add(heard)
    return events


def _makes_sense(event: Event) -> bool:
    return "fault" not in event and _UNKNOWN not in event.values()


def _events(frame: Event, counters: Counters) -> Iterator[Event]:
    tag, tags = frame.get("tag"), frame.get("tags")
    if isinstance(tags, list) and tags:
        common = {name: value for name, value in frame.items() if name not in ("kind", "tags", "fault")}
        for each in tags:
            yield _tag_event(common | each if common else each, counters)
    elif frame["kind"] in _TAG_KINDS and "epc" in frame:
        # The tag's own antenna is the reader's number for it; what stands at the top is the port as printed.
        below = tag if isinstance(tag, dict) else {}
        yield _tag_event(
            below | {name: value for name, value in frame.items() if name not in ("kind", "tag")}, counters
        )
        return
    elif "fault" not in frame:
        yield frame
    if "fault" in frame:
        yield _invalid(frame, counters)


def _tag_event(fields: Event, counters: Counters) -> Event:
    if "fault" in fields:
        return _invalid(fields, counters)
    if not fields.get("epc"):
        return _invalid(fields | {"fault": "no-epc"}, counters)
    head = {"kind": "tag_read", "epc": fields["epc"], "antenna": None, "rssi_dbm": None}
    return head | fields | {"kind": "tag_read"}


def _invalid(fields: Event, counters: Counters) -> Event:
    counters.reject(str(fields["fault"]))
    kind = fields.get("kind", "tag_read")
    return fields | {"kind": "invalid" if kind in _TAG_KINDS else kind}


def is_hex_text(sample: bytes) -> bool:
    """Whether bytes are hex digits for a person: digits, space, ``0x``, separators and comments, and nothing else.

    >>> is_hex_text(b"FF 00 03 1D 0C  # version"), is_hex_text(bytes.fromhex("FF00031D0C"))
    (True, False)
    """
    return _HEX_TEXT.fullmatch(sample) is not None


def parse_hex(line: str) -> bytes:
    r"""The bytes of one line of hex text.

    >>> parse_hex("0xFF, 0x0, 0x03 // version").hex(), parse_hex("ff:00 03-1D\x0c").hex()
    ('ff0003', 'ff00031d')

    Raises:
        BadData: ``not-hex``.
    """
    words = [word for word in _SEPARATORS.split(_COMMENT.sub("", line)) if word]
    digits = ""
    for word in words:
        parts = _PREFIX.split(word)
        digits += parts[0] + "".join(part.zfill(2) for part in parts[1:])
    try:
        return bytes.fromhex(digits)
    except ValueError:
        wrong = next((word for word in words if re.search("[^0-9A-Fa-f]", _PREFIX.sub("", word))), None)
        what = f"an odd number of hex digits ({len(digits)})" if wrong is None else f"{wrong[:40]!r} is not hex"
        raise BadData("not-hex", what) from None


def parse_json_line(line: bytes) -> bytes:
    """A line of JSON, which may be given as hex of its UTF-8 too: no JSON text is hex alone."""
    if is_hex_text(line):
        with suppress(BadData):
            return parse_hex(line.decode("utf-8", "replace"))
    return line


def told(counters: Counters) -> str:
    """The counters as a line for a person."""
    rejected = ", ".join(f"{reason} {number}" for reason, number in sorted(counters.rejected.items()))
    return (
        f"frames {counters.frames}, bytes {counters.bytes_in}, bytes dropped {counters.bytes_dropped}, "
        f"checksum errors {counters.checksum_errors}, resyncs {counters.resyncs}, "
        f"rejected {sum(counters.rejected.values())}" + (f" ({rejected})" if rejected else "")
    )
