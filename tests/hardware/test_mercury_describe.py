"""What `decode` says of frames that no recording has, as the protocol is described; and that a session agrees."""

from typing import Any

import pytest

from fixture_mercury import Wire
from tagtrail.hardware.errors import FaultsError
from tagtrail.hardware.protocols import load_family
from tagtrail.hardware.protocols.epc import EPC_SIZE_MIN, epc_crc
from tagtrail.hardware.protocols.interface import Counters, Temperature
from tagtrail.hardware.protocols.mercury.frame import command, reply

MERCURY, SILION = load_family("mercury"), load_family("mercury-silion")
EPC = "E28011606000020512345678"


def block(pc: int, epc: str) -> bytes:
    body = pc.to_bytes(2, "big") + bytes.fromhex(epc)
    return (8 * len(body) + 16).to_bytes(2, "big") + body + epc_crc(body).to_bytes(2, "big")


def said(opcode: int, data: str, status: int = 0, **options: str) -> dict[str, Any]:
    frame = reply(opcode, status, bytes.fromhex(data))
    (meaning,) = MERCURY.decode([frame], Counters(), options=options)
    return meaning


def asked(opcode: int, data: str) -> dict[str, Any]:
    (meaning,) = MERCURY.decode([command(opcode, bytes.fromhex(data))], Counters(), from_reader=False)
    return meaning


def test_metadata_in_ascending_order_of_the_flags() -> None:
    frame = bytes.fromhex("FF1C22000010001BA00201C405567800803000E2801160600002051234567809D978AA")
    meanings: list[dict[str, Any]] = list(MERCURY.decode([frame], Counters()))
    (meaning,) = meanings
    assert (meaning["tag"]["tag_type"], meaning["tag"]["l1_verification"]) == (5, 0x5678)
    assert meaning["epc"] == EPC


@pytest.mark.parametrize(
    ("opcode", "data", "meaning"),
    [
        (0x0C, "12", {"program": "application"}),
        (0x0C, "11", {"program": "bootloader"}),
        (0x61, "050101020003010400", {"option": 5, "connected": [[1, 1], [2, 0], [3, 1], [4, 0]]}),
        (0x61, "0601120405", {"option": 6, "return_loss_db": [[1, 18], [4, 5]]}),
        (0x61, "03010BB80ABE", {"option": 3, "read_and_write_power_cdbm": [[1, 3000, 2750]]}),
        (0x61, "0401010BB8040ABE", {"option": 4, "read_power_cdbm": [[1, 3000], [4, 2750]]}),
        (0x61, "0403010064", {"option": 4, "settling_time": [[1, 100]]}),
        (0x62, "0BB8", {"power_cdbm": 3000}),
        (0x63, "0005", {"protocol": 5}),
        (0x68, "00", {"power_mode": 0}),
        (0x6A, "010C00", {"option": 1, "key": 12, "value": 0}),
        (0x6B, "05000102", {"protocol": 5, "parameter": 0, "value": "0102"}),
        (0x6C, "0082008200012B", {"temperature_c": 43}),
        (0x6C, "82008200012B", {"temperature_c": 43}),
        (0x70, "00050003", {"available_protocols": [5, 3]}),
        (0x71, "0108", {"available_regions": [1, 8], "region_names": ["NA", "EU3"]}),
        (0x2F, "01", {"option": 1, "action": "started"}),
        (0x29, "00090034", {"read_index": 9, "write_index": 52}),
    ],
)
def test_replies(opcode: int, data: str, meaning: dict[str, object]) -> None:
    told = said(opcode, data)
    assert told["kind"] == "response"
    assert meaning.items() <= told.items()
    known = {"option", "key", "value", "protocol", "parameter", "power_cdbm"}
    assert told.get("data") == data or meaning.keys() <= known


@pytest.mark.parametrize(
    ("opcode", "data", "meaning"),
    [
        (0x06, "0001C200", {"baud_rate": 115200, "data": "0001C200"}),
        (0x91, "820104", {"search_list": [1, 4], "data": "820104"}),
        (0x91, "03010BB80ABE", {"read_and_write_power_cdbm": [[1, 3000, 2750]], "data": "03010BB80ABE"}),
        (0x98, "01", {"power_mode": 1}),
    ],
)
def test_commands(opcode: int, data: str, meaning: dict[str, object]) -> None:
    assert meaning.items() <= asked(opcode, data).items()


def test_silion_settings_of_antennas() -> None:
    frame = command(0x91, bytes.fromhex("04 01 0BB8 0ABE 0000"))
    (meaning,) = SILION.decode([frame], Counters(), from_reader=False)
    assert meaning["read_and_write_power_and_settling"] == [[1, 3000, 2750, 0]]
    (meaning,) = SILION.decode([reply(0x61, 0, frame[3:-2])], Counters())
    assert meaning["read_and_write_power_and_settling"] == [[1, 3000, 2750, 0]]
    (meaning,) = SILION.decode([reply(0x71, 0, b"\x14")], Counters())
    assert meaning["region_names"] == ["AU"]


def test_a_tag_buffer_without_tags() -> None:
    meaning = said(0x29, "00570000")
    assert (meaning["kind"], meaning["metadata_flags"], meaning["tag_count"], meaning["tags"]) == (
        "tag_buffer",
        87,
        0,
        [],
    )
    assert "read_index" not in meaning


@pytest.mark.parametrize(
    ("data", "count"),
    [
        ("05", 5),
        ("0105", 261),
        ("00001305", 5),
        ("0000130105", 261),
        ("10001300000105", 261),
        ("8810001300000105", 261),
    ],
)
def test_the_number_of_tags_that_a_search_has_found(data: str, count: int) -> None:
    meaning = said(0x22, data)
    assert (meaning["kind"], meaning["tag_count"]) == ("response", count)
    wire = Wire().streaming()
    wire.say(reply(0x22, 0, bytes.fromhex(data)))
    assert wire.tags == []
    assert wire.host.counters.rejected == {"unexpected-reply": 1}


def test_a_tag_is_told_by_its_response_type() -> None:
    """The search flags of this one lack the flag for streaming."""
    data = "100013000601C411" + block(0x3000, EPC).hex()
    meaning = said(0x22, data)
    assert (meaning["kind"], meaning["epc"], meaning["rssi_dbm"]) == ("tag_read", EPC, -60)
    assert "tag_count" not in meaning
    wire = Wire().streaming()
    wire.say(reply(0x22, 0, bytes.fromhex(data)))
    assert [(seen.epc, seen.rssi_dbm) for seen in wire.tags] == [(EPC, -60)]


def test_statistics_are_told_by_their_response_type() -> None:
    data = "0001130282008200012B"
    assert (said(0x22, data)["kind"], said(0x22, data)["temperature_c"]) == ("stats", 43)
    wire = Wire().streaming()
    wire.say(reply(0x22, 0, bytes.fromhex(data)))
    assert Temperature(43) in wire.events


@pytest.mark.parametrize("words", range(5))
def test_short_epcs_are_the_same_to_decode_and_to_a_session(words: int) -> None:
    epc = EPC[: 4 * words]
    data = "10001B000001" + block(words << 11, epc).hex()
    meaning = said(0x22, data)
    wire = Wire().streaming()
    wire.say(reply(0x22, 0, bytes.fromhex(data)))
    if 2 * words >= EPC_SIZE_MIN:
        assert (meaning["epc"], "fault" in meaning) == (epc, False)
        assert [seen.epc for seen in wire.tags] == [epc]
    else:
        assert meaning["fault"] == "epc-length"
        assert wire.host.counters.rejected == {"epc-length": 1}


@pytest.mark.parametrize(("model", "port"), [("any", 1), ("m6e", 49), ("m7e", 17)])
def test_the_port_depends_on_the_model(model: str, port: int) -> None:
    data = "10001B010401110F" + block(0x3000, EPC).hex()
    assert said(0x22, data, model=model)["antenna"] == port


def test_silion_modules_have_no_such_option() -> None:
    with pytest.raises(FaultsError):
        list(SILION.decode([], Counters(), options={"model": "m6e"}))
