"""Tag records: all metadata, all kinds of EPC, and nothing that does not fit its own checksum."""

from binascii import crc_hqx
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.epc import EPC_SIZE_MIN
from tagtrail.hardware.protocols.mercury.streaming import Plan, Search, parse_plan, parse_temperature
from tagtrail.hardware.protocols.mercury.tags import (
    antenna_port,
    epc_block,
    pack_ebv,
    pack_fields,
    tag_seen,
    unpack_ebv,
    unpack_record,
)

KNOWN_FLAGS = 0xFFFF & ~0x4000
EPC = "E28011606000020512345678"


def block(pc_and_epc: str, crc: int | None = None) -> bytes:
    body = bytes.fromhex(pc_and_epc)
    crc = crc_hqx(body, 0xFFFF) ^ 0xFFFF if crc is None else crc
    return ((len(body) + 2) * 8).to_bytes(2, "big") + body + crc.to_bytes(2, "big")


@given(st.integers(0, 0xFFFF).map(lambda flags: flags & KNOWN_FLAGS), st.integers(EPC_SIZE_MIN // 2, 31))
def test_any_metadata_and_any_length(flags: int, words: int) -> None:
    epc = ("5A" * words * 2)[: words * 4]
    values = {
        "read_count": 3,
        "rssi_dbm": -61,
        "antenna_raw": 0x22,
        "frequency_high": 0x0E,
        "frequency_khz": 0x1640,
        "timestamp_ms": 0x12345678,
        "phase_raw": 170,
        "protocol": 5,
        "gpio_raw": 9,
        "gen2_target": 1,
        "brand_id": 0xBEEF,
        "tag_type": 0x81,
        "l1_verification": 0x5678,
    }
    packed = b"head" + pack_fields(flags, values) + epc_block(epc)
    record, end = unpack_record(packed + b"tail", 4, flags)
    assert end == len(packed)
    assert record.epc.hex().upper() == epc
    assert record.epc_crc_ok
    values["frequency_khz"] = 923200
    del values["frequency_high"]
    assert {name: value for name, value in values.items() if name in record.fields} == {
        name: value for name, value in record.fields.items() if name in values
    }
    seen = tag_seen(record, plain_antenna=False)
    assert seen.rssi_dbm == (-61 if flags & 0x0002 else None)
    assert seen.antenna == (2 if flags & 0x0004 else None)
    assert seen.count == (3 if flags & 0x0001 else 1)
    assert seen.frequency_khz == (923200 if flags & 0x0008 else None)
    assert seen.reader_time_ms == (0x12345678 if flags & 0x0010 else None)


@given(st.binary(max_size=80), st.integers(0, 0xFFFF))
def test_any_bytes_are_a_record_or_bad_data(data: bytes, flags: int) -> None:
    with suppress(BadData):
        record, end = unpack_record(data, 0, flags)
        assert end <= len(data)
        assert len(record.pc) + len(record.epc) + 2 == (record.epc_bits + 7) // 8


def test_fields_come_in_ascending_order_of_their_flags() -> None:
    record, _ = unpack_record(bytes.fromhex("C4 05 5678") + epc_block(EPC), 0, 0xA002)
    assert record.fields == {"rssi_dbm": -60, "tag_type": 5, "l1_verification": 0x5678}
    record, _ = unpack_record(bytes.fromhex("C4 BEEF 8101 5678") + epc_block(EPC), 0, 0xB002)
    assert record.fields == {"rssi_dbm": -60, "brand_id": 0xBEEF, "tag_type": 0x81, "l1_verification": 0x5678}


def test_embedded_data_and_its_error() -> None:
    record, _ = unpack_record(b"\x00\x20\xde\xad\xbe\xef" + epc_block(EPC), 0, 0x0080)
    assert (record.data, record.data_error) == (b"\xde\xad\xbe\xef", 0)
    record, _ = unpack_record(b"\x80\x00\x04\x24" + epc_block(EPC), 0, 0x0080)
    assert (record.data, record.data_error, record.epc.hex().upper()) == (b"", 0x0424, EPC)


@pytest.mark.parametrize(
    ("pc", "size"), [("3000", 2), ("32000001", 4), ("320080010002", 6)], ids=["plain", "xpc", "two xpc words"]
)
def test_xpc_words_are_not_part_of_the_epc(pc: str, size: int) -> None:
    record, _ = unpack_record(block(pc + EPC), 0, 0)
    assert (record.pc.hex(), record.epc.hex().upper()) == (pc, EPC)
    assert len(record.pc) == size
    assert record.epc_crc_ok


def test_other_protocols_have_no_pc_and_no_gen2_fields() -> None:
    flags = 0x0040 | 0x0200 | 0x0100
    record, end = unpack_record(b"\x03\x0f" + block("E004010012345678"), 0, flags)
    assert record.fields == {"protocol": 3, "gpio_raw": 0x0F}
    assert (record.pc, record.epc.hex().upper()) == (b"", "E004010012345678")
    assert end == 14


def test_a_wrong_epc_crc_is_not_delivered() -> None:
    record, _ = unpack_record(block("3000" + EPC, crc=0x1234), 0, 0)
    with pytest.raises(BadData) as caught:
        tag_seen(record, plain_antenna=False)
    assert caught.value.reason == "epc-crc"


def test_an_empty_epc_is_not_delivered() -> None:
    record, _ = unpack_record(block("0000"), 0, 0)
    with pytest.raises(BadData) as caught:
        tag_seen(record, plain_antenna=False)
    assert caught.value.reason == "epc-length"


@pytest.mark.parametrize(
    ("raw", "plain", "port"),
    [
        (0x11, False, 1),
        (0x44, False, 4),
        (0x00, False, 16),
        (0x01, False, 16),
        (0x11, True, 17),
        (4, None, 4),
        (0, None, 16),
    ],
)
def test_antenna_as_printed(raw: int, plain: bool | None, port: int) -> None:
    assert antenna_port(raw, plain=plain) == port


@pytest.mark.parametrize(("gpio_raw", "port"), [(0x00, 1), (0x03, 1), (0x04, 17), (0x08, 33), (0x0C, 49), (0x0F, 49)])
def test_gpio_lines_add_to_the_port_of_an_m6e(gpio_raw: int, port: int) -> None:
    assert antenna_port(0x11, plain=False, gpio_raw=gpio_raw) == port
    assert antenna_port(0x00, plain=False, gpio_raw=gpio_raw) == port + 15


def test_epc_must_be_words() -> None:
    for epc in ("E2801", "E28011", "XY", "00" * 64):
        with pytest.raises(ValueError):
            epc_block(epc)


@given(
    st.builds(
        Plan,
        search_flags=st.integers(0, 0xFFFF).map(lambda flags: flags | Search.DUTY_CYCLE),
        metadata_flags=st.integers(0, 0xFFFF),
        on_time_ms=st.integers(0, 0xFFFF),
        off_time_ms=st.integers(0, 0xFFFF),
        statistics=st.sampled_from([b"", b"\x82\x00"]),
        multiselect=st.booleans(),
    )
)
def test_plan_round_trip(plan: Plan) -> None:
    assert parse_plan(plan.data()) == plan


def test_the_plan_that_public_firmware_examples_use() -> None:
    plan = Plan(search_flags=0x001B, metadata_flags=0x01FF)
    assert plan.data() == bytes.fromhex("0000012200000507221000 1B03E801FF".replace(" ", ""))


@given(st.binary(max_size=20))
def test_any_bytes_are_a_plan_or_bad_data(data: bytes) -> None:
    for start in (data, bytes((0, 0, 1, 0x22, 0, 0, 5, len(data), 0x22)) + data):
        with suppress(BadData):
            assert parse_plan(start).search_flags <= 0xFFFF


def test_temperature_among_other_statistics() -> None:
    assert parse_temperature(bytes.fromhex("8200 82 00 01 2B")) == 43
    assert parse_temperature(bytes.fromhex("8203 02 02 11C4 8200 01 F6")) == -10
    assert parse_temperature(bytes.fromhex("02 02 02 11C4")) is None
    for cut in ("", "82", "8200 8200", "8200 8200 01"):
        with pytest.raises(BadData):
            parse_temperature(bytes.fromhex(cut))


def test_extensible_bit_vector() -> None:
    assert unpack_ebv(bytes.fromhex("8200"), 0) == (0x100, 2)
    for value in (0, 0x7F, 0x80, 0x3FFF, 0x4000, 123456789):
        assert unpack_ebv(pack_ebv(value), 0) == (value, len(pack_ebv(value)))
    with pytest.raises(BadData):
        unpack_ebv(b"\xff" * 20, 0)
