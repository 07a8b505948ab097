"""Hex text, and events from frames."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixture_frames import ANNOTATIONS, frames_of
from tagtrail.hardware.decoding import (
    decode_line,
    decode_stream,
    is_hex_text,
    load_decoder,
    parse_hex,
    parse_json_line,
    told,
)
from tagtrail.hardware.errors import BadData, FaultsError, GiveUp
from tagtrail.hardware.protocols import FAMILIES, JSON_FORMATS
from tagtrail.hardware.protocols.interface import Counters

NAMES = sorted({*FAMILIES, *JSON_FORMATS})


class Frames:
    """A family whose frames are given."""

    name = "frames"

    def __init__(self, *frames: dict[str, object]) -> None:
        self._frames = frames

    def decode(
        self,
        chunks: Iterable[bytes],
        counters: Counters,
        *,
        from_reader: bool = True,
        options: Mapping[str, str] | None = None,
    ) -> Iterator[dict[str, object]]:
        return iter(self._frames)


def events(*frames: dict[str, object]) -> tuple[list[dict[str, object]], dict[str, int]]:
    counters = Counters()
    return list(decode_stream(Frames(*frames), [], counters)), counters.rejected


def test_each_tag_of_a_frame_is_an_event_of_its_own() -> None:
    frame = {"kind": "tag_buffer", "name": "get", "antenna": 2, "tags": [{"epc": "AA"}, {"epc": "BB", "antenna": 3}]}
    assert events(frame) == (
        [
            {"kind": "tag_read", "epc": "AA", "antenna": 2, "rssi_dbm": None, "name": "get"},
            {"kind": "tag_read", "epc": "BB", "antenna": 3, "rssi_dbm": None, "name": "get"},
        ],
        {},
    )


def test_the_port_as_printed_wins_over_the_readers_number() -> None:
    frame = {"kind": "tag_read", "epc": "AA", "antenna": 1, "tag": {"epc": "AA", "antenna": 0, "frequency_khz": 865500}}
    assert events(frame)[0] == [
        {"kind": "tag_read", "epc": "AA", "antenna": 1, "rssi_dbm": None, "frequency_khz": 865500}
    ]


def test_a_fault_is_counted_and_makes_no_tag() -> None:
    frames: list[dict[str, object]] = [
        {"kind": "tag_read", "fault": "epc-crc", "tag": {"epc": "AA"}},
        {"kind": "tag_buffer", "tags": [{"epc": "AA", "fault": "epc-crc"}, {"epc": ""}, {"epc": "BB"}]},
        {"kind": "response", "fault": "truncated", "data": "00"},
        {"kind": "tag_read", "fault": "bad-epc", "tags": [{"epc": "CC"}]},
        {"kind": "end_of_round", "antenna": 0, "tags": []},
    ]
    found, rejected = events(*frames)
    assert [event["kind"] for event in found] == [
        "invalid", "invalid", "invalid", "tag_read", "response", "tag_read", "invalid", "end_of_round",
    ]  # fmt: skip
    assert rejected == {"epc-crc": 2, "no-epc": 1, "truncated": 1, "bad-epc": 1}


@pytest.mark.parametrize(
    "entry", [entry for name in NAMES for entry in frames_of(name)], ids=lambda e: e and e["hex"][:30]
)
def test_corpus(entry: dict[str, Any]) -> None:
    counters, meaning = Counters(), entry["meaning"]
    frame = bytes.fromhex(entry["hex"])
    from_reader = entry["direction"] == "reader->host"
    options = {"layout": "18"} if meaning.get("variant") == "18" else None
    decoder = load_decoder(entry["family"])
    found = list(decode_stream(decoder, [frame], counters, from_reader=from_reader, options=options))
    reads = [event for event in found if event["kind"] == "tag_read"]
    tags = meaning.get("tags") or [meaning.get("tag", {"epc": meaning.get("raw_hex10")})]
    match meaning["kind"]:
        case "invalid":
            assert reads == []
        case "stream":
            assert [event["hex"] for event in found] == [
                text.replace(" ", "") for text in meaning["expected_valid_frames"]
            ]
        case "tag_read" | "tag_buffer" | "card_read":
            assert len(reads) == len(found) == len(tags)
            for event, tag in zip(reads, tags, strict=True):
                assert event.items() >= {name: tag[name] for name in tag.keys() - {"antenna"}}.items()
                assert event["antenna"] is None or event["antenna"] in range(1, 256)
                assert "rssi_dbm" in event
        case _:
            (event,) = found
            assert {name: event[name] for name in meaning.keys() - ANNOTATIONS - {"json_parses_as_one_document"}} == {
                name: meaning[name] for name in meaning.keys() - ANNOTATIONS - {"json_parses_as_one_document"}
            }


LOOK_ALIKE = {"05004000102B", "0A0035000204020600CD09", "050025145866", "05007F007A1E"}
"""Commands of a Chafon host that are answers of a reader too, byte by byte."""


@pytest.mark.parametrize(
    "entry", [entry for name in FAMILIES for entry in frames_of(name)], ids=lambda e: e and e["hex"][:30]
)
def test_a_line_tells_by_itself_who_sent_it(entry: dict[str, Any]) -> None:
    decoder, data = load_decoder(entry["family"]), bytes.fromhex(entry["hex"])
    from_reader = entry["direction"] == "reader->host" or data.hex().upper() in LOOK_ALIKE
    wanted = list(decode_stream(decoder, [data], Counters(), from_reader=from_reader))
    counters = Counters()
    assert decode_line(decoder, data, counters) == wanted
    assert counters.bytes_in == len(data)


@pytest.mark.parametrize("name", NAMES)
@given(chunks=st.lists(st.binary(max_size=200), max_size=4), from_reader=st.booleans())
def test_any_bytes_at_all(name: str, chunks: list[bytes], *, from_reader: bool) -> None:
    counters = Counters()
    list(decode_stream(load_decoder(name), chunks, counters, from_reader=from_reader))
    assert counters.bytes_in == sum(map(len, chunks))
    assert told(counters).startswith(f"frames {counters.frames}, bytes {counters.bytes_in}, ")


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_is_none_is_refused_before_any_byte(name: str) -> None:
    with pytest.raises(FaultsError, match=f"options of protocol {name}: there is no option 'colour'"):
        list(decode_stream(load_decoder(name), [], Counters(), options={"colour": "red"}))


def test_an_unknown_protocol_is_told() -> None:
    with pytest.raises(GiveUp, match="'morse' is unknown; known are .*mercury.*zebra-iotc-json"):
        load_decoder("morse")


@pytest.mark.parametrize(
    "text",
    ["FF00031D0C", "ff 00 03 1d 0c", "0xFF,0x0, 0x03,0x1d,0xC", "FF:00:03-1D 0C # version",
     r"\xff\x00\x03\x1d\x0c\n"[:-2],
     "  FF00 031D\t0C  // the version\r\n", "FF0 003 1D0 C"],
)  # fmt: skip
def test_hex_as_people_write_it(text: str) -> None:
    assert parse_hex(text) == bytes.fromhex("FF00031D0C")
    assert is_hex_text(text.encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [("FF 0G 00", "'0G' is not hex"), ("FF 0", r"an odd number of hex digits \(3\)"), ("hello", "'hello' is not hex")],
)
def test_what_is_not_hex_is_told(text: str, message: str) -> None:
    with pytest.raises(BadData, match=message):
        parse_hex(text)


@given(st.binary())
def test_hex_and_bytes_are_told_apart(data: bytes) -> None:
    assert is_hex_text(data.hex(" ").encode())
    assert parse_hex(data.hex(" ")) == data
    if any(byte not in b"0123456789abcdefABCDEFxX\\,:-;#/ \t\r\n\f\v" for byte in data.partition(b"#")[0]):
        assert b"#" in data or b";" in data or b"//" in data or not is_hex_text(data)


def test_a_line_of_json_may_be_hex_of_it() -> None:
    assert parse_json_line(b'{"a":1}\n') == b'{"a":1}\n'
    assert parse_json_line(b'{"a":1}'.hex().encode()) == b'{"a":1}'
    assert parse_json_line(b"123\n") == b"123\n"
