"""JSON of fixed readers, as it is on the wire rather than in the manual."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixture_frames import ANNOTATIONS, frames_of
from tagtrail.hardware.protocols import JSON_FORMATS, load_json_format
from tagtrail.hardware.protocols.interface import Counters
from tagtrail.hardware.protocols.json_documents import DEPTH_MAX, DOCUMENT_SIZE_MAX

IMPINJ = {
    "timestamp": "2022-06-01T12:00:00.000Z",
    "eventType": "tagInventory",
    "tagInventoryEvent": {"epcHex": "7EDA9038051002710002C0AE", "antennaPort": 1, "peakRssiCdbm": -7050},
}
ZEBRA = {
    "type": "SIMPLE",
    "timestamp": "2023-05-09T15:04:12.310+0000",
    "data": {"antenna": 1, "idHex": "7EDA9038051002710002C0AE", "peakRssi": -70},
}
EVENTS = {"impinj-iot-json": IMPINJ, "zebra-iotc-json": ZEBRA}


def decode(name: str, *chunks: bytes) -> tuple[list[dict[str, Any]], Counters]:
    counters = Counters()
    meanings: list[dict[str, Any]] = list(load_json_format(name).decode(chunks, counters))
    return meanings, counters


def tags(name: str, *chunks: bytes) -> list[dict[str, Any]]:
    return [tag for meaning in decode(name, *chunks)[0] for tag in meaning.get("tags", [])]


def impinj(**content: object) -> list[dict[str, Any]]:
    return tags("impinj-iot-json", json.dumps({"tagInventoryEvent": content}).encode())


def zebra(**event: object) -> dict[str, Any]:
    meanings, _ = decode("zebra-iotc-json", json.dumps(event).encode())
    return meanings[0]


@pytest.mark.parametrize("entry", [entry for name in JSON_FORMATS for entry in frames_of(name)])
def test_corpus(entry: dict[str, Any]) -> None:
    meanings, counters = decode(entry["family"], bytes.fromhex(entry["hex"]))
    expected = entry["meaning"]
    found = [tag for meaning in meanings for tag in meaning["tags"]]
    assert [{name: tag[name] for name in want} for tag, want in zip(found, expected["tags"], strict=True)] == (
        expected["tags"]
    )
    for name in expected.keys() - {"tags", "transport", "json_parses_as_one_document"} - ANNOTATIONS:
        assert {meaning[name] for meaning in meanings} == {expected[name]}
    assert (counters.bytes_dropped, counters.rejected) == (0, {})


@pytest.mark.parametrize("name", JSON_FORMATS)
@pytest.mark.parametrize("form", ["{0}{0}{0}", "[{0},{0},{0}]", "\n\n{0}\r\n\n{0}\n{0}\n\n", "[{0}][[{0}],{0}]"])
def test_every_way_of_putting_events_together(name: str, form: str) -> None:
    text = form.format(json.dumps(EVENTS[name])).encode()
    whole, counters = decode(name, text)
    assert len(whole) == 3
    assert counters.bytes_in == len(text)
    assert (counters.bytes_dropped, counters.resyncs) == (0, 0)
    assert decode(name, *(text[at : at + 1] for at in range(len(text))))[0] == whole


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_a_broken_event_gives_no_tag_and_hides_no_other(name: str) -> None:
    good = json.dumps(EVENTS[name]).encode()
    for broken in (good[:-1], good[1:], good.replace(b'":', b'"', 1), b'{"a":"', b"{[}]", b"\xff\xfe{{", good[:40]):
        assert tags(name, broken) == []
        assert len(tags(name, broken + b"\n" + good)) == 1
    array = b"[" + good + b"," + good.replace(b'":', b'"', 1) + b"," + good + b"]"
    assert len(tags(name, array)) == 2


@pytest.mark.parametrize("name", JSON_FORMATS)
@given(data=st.data())
def test_any_bytes_at_all(name: str, data: st.DataObject) -> None:
    good = json.dumps(EVENTS[name])
    pieces = st.one_of(
        st.binary(max_size=30),
        st.sampled_from([good, good[:-2], "{", "[", '"', "}", "]", ",", "\n", '{"type":5}', "null"]).map(str.encode),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                st.sampled_from([*EVENTS[name], "data", "tagData", "idHex", "epc", "pc", "peakRssi"]), inner, max_size=4
            ),
            max_leaves=10,
        ).map(lambda value: json.dumps(value).encode()),
    )  # fmt: skip
    chunks = data.draw(st.lists(pieces, max_size=8))
    meanings, counters = decode(name, *chunks)
    assert counters.bytes_in == sum(map(len, chunks))
    assert all(isinstance(meaning["kind"], str) for meaning in meanings)
    for tag in tags(name, *chunks):
        assert bytes.fromhex(tag["epc"])
        assert tag["antenna"] is None or tag["antenna"] >= 1


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_nothing_grows_without_bound(name: str) -> None:
    assert decode(name, b"[" * 10_000)[1].bytes_dropped == 10_000
    assert decode(name, b"{" * DEPTH_MAX + b"[]," * 5_000)[0] == []
    meanings, counters = decode(name, b'{"a":"' + b"x" * DOCUMENT_SIZE_MAX, json.dumps(EVENTS[name]).encode())
    assert len(meanings) == 1
    assert counters.bytes_dropped == 6 + DOCUMENT_SIZE_MAX


@pytest.mark.parametrize(
    ("content", "epc"),
    [
        ({"epc": "ftqQOAUQAnEAAsCu"}, "7EDA9038051002710002C0AE"),
        ({"epc": "ftqQOAUQAnEAAsCu", "epcHex": "aabbccdd00"}, "AABBCCDD00"),
        ({"epc": "E2801170200014CD9B5A08EC"}, "E2801170200014CD9B5A08EC"),
        ({"epc": "E2801170", "pc": "EAA="}, "E2801170"),
        ({"epc": "E2801170", "pc": "GAA="}, "136F34D75EF4"),
        ({"epc": "AAAAAAAAAAAAAAAB"}, "000000000000000000000001"),
        ({"epc": "4sRRo6UBH6APNUaTAAAAAA=="}, "E2C451A3A5011FA00F35469300000000"),
        ({"epc": "not base64!"}, None),
        ({"epc": ""}, None),
        ({"epc": 17}, None),
        ({"epcHex": "ABC"}, None),
        ({}, None),
    ],
)
def test_identifiers_in_base64_with_hex_to_fall_back_on(content: dict[str, object], epc: str | None) -> None:
    assert [tag["epc"] for tag in impinj(**content)] == ([] if epc is None else [epc])


def test_an_impinj_event_may_lack_everything_but_its_tag() -> None:
    (tag,) = impinj(epcHex="7EDA9038051002710002C0AE")
    assert tag == {"epc": "7EDA9038051002710002C0AE", "antenna": None, "rssi_dbm": None}
    meanings, _ = decode("impinj-iot-json", b'{"tagInventoryEvent":{"antennaPort":1}}')
    assert meanings == [{"kind": "tag_read", "fault": "no-epc", "tags": []}]


def test_impinj_events_of_other_kinds() -> None:
    text = b"""{"eventType":"antennaDisconnected","antennaDisconnectedEvent":{"antennaPort":3}}
        {"inventoryStatusEvent":{"inventoryStatus":"running"}} {"eventType":"overflow"} {"hello":1} 5 [7]"""
    meanings, counters = decode("impinj-iot-json", text)
    assert meanings == [
        {"kind": "antenna_disconnected", "tags": [], "antenna_port": 3},
        {"kind": "status", "tags": [], "inventory_status": "running"},
        {"kind": "overflow", "tags": []},
        {"kind": "unknown", "fault": "unknown-event"},
        {"kind": "unknown", "fault": "not-an-event", "content": 7},
    ]
    assert counters.bytes_dropped == 1  # the bare 5


@pytest.mark.parametrize(
    ("stamp", "utc"),
    [
        ("2023-06-28T07:24:00Z", "2023-06-28T07:24:00Z"),
        ("2023-06-28T07:24:00.277Z", "2023-06-28T07:24:00.277Z"),
        ("2023-06-28T07:24:00.277766Z", "2023-06-28T07:24:00.277766Z"),
        ("2023-06-28T07:24:00.277766184Z", "2023-06-28T07:24:00.277766184Z"),
        ("2023-05-09T15:04:12.310+0000", "2023-05-09T15:04:12.310Z"),
        ("2023-05-09T23:30:12.310-0600", "2023-05-10T05:30:12.310Z"),
        ("2023-05-09T15:04:12+05:30", "2023-05-09T09:34:12Z"),
        ("2023-05-09T15:04:12", None),
        ("2023-02-30T15:04:12Z", None),
        ("0001-01-01T00:00:00+0100", None),
        ("yesterday", None),
        (1686, None),
    ],
)
def test_times(stamp: object, utc: str | None) -> None:
    tag = zebra(type="SIMPLE", timestamp=stamp, data=ZEBRA["data"])["tags"][0]
    assert tag.get("timestamp_utc") == utc


def test_zebra_modes_and_management() -> None:
    assert zebra(type="CUSTOM", data={"idHex": "e28011700000020feb"})["tags"] == [
        {"epc": "E28011700000020FEB", "antenna": None, "rssi_dbm": None}
    ]
    handheld = zebra(
        type="x", data={"tagData": [{"EPCid": "E280", "seenCount": 3}, {"EPC": "E281", "peakRssi": "-48"}]}
    )
    assert [(tag["epc"], tag.get("read_count"), tag["rssi_dbm"]) for tag in handheld["tags"]] == [
        ("E280", 3, None), ("E281", None, -48),
    ]  # fmt: skip
    assert zebra(type="heartbeat", eventNum=4, data={"cpu": 7}) == {
        "kind": "heartbeat", "tags": [], "event_num": 4, "data": {"cpu": 7},
    }  # fmt: skip
    assert zebra(type="SIMPLE", data={"antenna": 1}) == {"kind": "tag_read", "fault": "no-epc", "tags": []}
    assert zebra(type="SIMPLE", data={"idHex": "XYZ"}) == {"kind": "tag_read", "fault": "bad-epc", "tags": []}


def test_a_number_written_as_text_is_a_number_and_no_other_text_is() -> None:
    told = [zebra(type="SIMPLE", data={"idHex": "E280", "peakRssi": text})["tags"][0]["rssi_dbm"] for text in (
        "-61.5", "-61", "[" * 100_000, "NaN", "1e999", "9" * 400, "", "-",
    )]  # fmt: skip
    assert told == [-61.5, -61, None, None, None, None, None, None]


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_a_quote_too_few_costs_one_event_and_no_hours(name: str) -> None:
    good = json.dumps(EVENTS[name]).encode()
    assert len(tags(name, b'[{"a:1},' + b",".join([good] * 2000) + b"]")) == 2000


def test_the_data_of_a_zebra_event_alone() -> None:
    meaning = zebra(idHex="e2801160", antenna=2, peakRssi=-60, timestamp="2023-05-09T15:04:12.310+0000")
    assert meaning["tags"] == [
        {"epc": "E2801160", "antenna": 2, "rssi_dbm": -60, "timestamp_utc": "2023-05-09T15:04:12.310Z"}
    ]


def test_speedway_connect() -> None:
    read = {"antennaPort": "1", "epc": "300833b2", "peakRssi": "-41.5", "isHeartBeat": False}
    heartbeat = {"antennaPort": 0, "epc": "*", "isHeartBeat": True}
    meanings, _ = decode(
        "impinj-iot-json",
        json.dumps([read | {"firstSeenTimestamp": "1450285321000123"}, heartbeat, read | {"epc": "*"}]).encode(),
    )
    assert [meaning["kind"] for meaning in meanings] == ["tag_read", "keepalive", "tag_read"]
    assert meanings[0]["tags"] == [
        {"epc": "300833B2", "antenna": 1, "rssi_dbm": -41.5, "timestamp_utc": "2015-12-16T17:02:01.000123Z"}
    ]
    assert meanings[2]["fault"] == "no-epc"


@pytest.mark.parametrize("stamp", [0, -1, "", "soon", True, 10**40, "９", None, 1.5])
def test_no_time_of_speedway_connect(stamp: object) -> None:
    (tag,) = tags("impinj-iot-json", json.dumps({"epc": "300833B2", "firstSeenTimestamp": stamp}).encode())
    assert "timestamp_utc" not in tag


def test_the_place_of_a_tag_is_no_read_and_its_epc_is_hex() -> None:
    event = {"eventType": "tagLocationEntry", "tagLocationEntryEvent": {"epc": "ftqQOAUQAnEAAsCu", "areaName": "door"}}
    meanings, _ = decode("impinj-iot-json", json.dumps(event).encode())
    assert meanings == [
        {"kind": "tag_location_entry", "tags": [], "epc": "7EDA9038051002710002C0AE", "area_name": "door"}
    ]
