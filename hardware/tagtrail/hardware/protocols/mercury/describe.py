"""What a frame says, in words: for people who look at raw bytes, and for tests with recorded frames.

Every frame gets a meaning: what is unknown or cannot be read is told as hex with its fault, never as an exception.
"""

from collections.abc import Callable, Mapping
from struct import unpack_from
from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.mercury.frame import Direction, is_frame
from tagtrail.hardware.protocols.mercury.streaming import (
    OPTION_METADATA,
    Action,
    Kind,
    Search,
    parse_head,
    parse_plan,
    parse_temperature,
)
from tagtrail.hardware.protocols.mercury.tables import OPCODE_NAMES, REGION_NAMES, Op, Status, status_name
from tagtrail.hardware.protocols.mercury.tags import Record, antenna_port, unpack_fields, unpack_record

Meaning = dict[str, object]
Describers = Mapping[int, Callable[[bytes], Meaning]]
"""By opcode: what the data of a frame say. They may raise `BadData`."""


def describe(frame: bytes, direction: Direction, dialect: Describers | None = None) -> Meaning:
    """The meaning of one whole frame; names as in the Mercury API, units in the keys.

    A dialect says what opcodes mean in this direction that differ from ThingMagic's.

    >>> describe(bytes.fromhex("ff000372"), Direction.HOST_TO_READER)["kind"]
    'invalid'
    >>> describe(bytes.fromhex("ff029204b045e9"), Direction.HOST_TO_READER)["power_cdbm"]
    1200
    """
    if not is_frame(frame, direction):
        return {"kind": "invalid", "fault": "not one whole frame of this direction, or its checksum is wrong"}
    opcode = frame[2]
    meaning: Meaning = {
        "kind": "command" if direction is Direction.HOST_TO_READER else "response",
        "opcode": f"0x{opcode:02X}",
        "name": OPCODE_NAMES.get(opcode, "unknown"),
    }
    describers: Describers = _COMMANDS
    data = frame[3:-2]
    status = int(Status.OK)
    if direction is Direction.READER_TO_HOST:
        status = frame[3] << 8 | frame[4]
        meaning |= {"status": f"0x{status:04X}", "status_name": status_name(status)}
        describers = _RESPONSES
        data = frame[5:-2]
    if dialect and opcode in dialect:
        describers = dialect
    read = describers.get(opcode, plain)
    if direction is Direction.READER_TO_HOST and opcode == Op.READ_TAG_MULTIPLE and status == Status.NO_TAGS_FOUND:
        read = _keepalive
    elif status == Status.FIRMWARE_ASSERT:
        read = _assertion
    elif status != Status.OK:
        read = plain
    try:
        return meaning | read(data)
    except BadData as bad:
        return meaning | plain(data) | {"fault": bad.reason}


def with_tags(meaning: Meaning) -> Meaning:
    """A meaning with what `ReaderFamily.decode` wants of its tags: the port as printed, EPC and RSSI at the top."""
    match meaning:
        case {"tag": {"fault": fault}}:
            return meaning | {"fault": fault}
        case {"tag": dict(tag)}:
            return meaning | {"epc": tag["epc"], "antenna": _port(tag), "rssi_dbm": tag.get("rssi_dbm")}
        case {"tags": list(tags)}:
            return meaning | {"tags": [tag | {"antenna": _port(tag)} for tag in tags]}
    return meaning


def _port(tag: Meaning) -> int | None:
    raw = tag.get("antenna_raw")
    return antenna_port(raw, plain=None) if isinstance(raw, int) else None


def plain(data: bytes) -> Meaning:
    """Data without a meaning that is known."""
    return {"data": _hex(data)} if data else {}


def _hex(data: bytes) -> str:
    return data.hex().upper()


def _number(data: bytes, *, signed: bool = False) -> int:
    return int.from_bytes(data, "big", signed=signed)


def _start_or_stop(data: bytes) -> Meaning:
    if len(data) < 3:
        return plain(data)
    common: Meaning = {"timeout_ms": _number(data[:2]), "option": data[2]}
    if data[2] == Action.STOP and len(data) == 3:
        return common | {"action": "stop_continuous"}
    if data[2] == Action.COMMAND and len(data) >= 5:
        return common | {"action": "command_while_reading", "inner_opcode": f"0x{data[4]:02X}", "data": _hex(data[5:])}
    if data[2] != Action.START:
        return common | plain(data[3:])
    plan = parse_plan(data)
    meaning: Meaning = common | {
        "action": "start_continuous",
        "sub_opcode": f"0x{data[3]:02X}",
        "outer_search_flags": plan.outer_search_flags,
        "protocol": plan.protocol,
        "plan_len": data[7],
        "inner_opcode": f"0x{data[8]:02X}",
        "inner_option": plan.option,
        "search_flags": plan.search_flags,
        "on_time_ms": plan.on_time_ms,
        "metadata_flags": plan.metadata_flags,
    }
    if plan.multiselect:
        meaning["multiselect"] = True
    if plan.search_flags & Search.DUTY_CYCLE:
        meaning["off_time_ms"] = plan.off_time_ms
    if plan.statistics:
        meaning["statistics_and_filter"] = _hex(plan.statistics)
    return meaning


def region(data: bytes, names: Mapping[int, str] = REGION_NAMES) -> Meaning:
    """The region that a host sets or a reader has; a second byte is for listen before talk."""
    if len(data) not in (1, 2):
        return plain(data)
    meaning: Meaning = {"region": data[0], "region_name": names.get(data[0], "unknown")}
    if len(data) == 2:
        meaning["lbt"] = data[1]
    return meaning


def _set_antenna(data: bytes) -> Meaning:
    if len(data) == 2:
        return {"tx": data[0], "rx": data[1]}
    if data and data[0] == 0x02 and len(data) % 2 == 1:
        return {"option": data[0], "search_list": [list(data[at : at + 2]) for at in range(1, len(data), 2)]}
    if data and data[0] == 0x82:
        return {"option": data[0], "search_list": list(data[1:])}
    if data and data[0] == 0x03 and len(data) % 5 == 1:
        powers = [list(unpack_from(">Bhh", data, at)) for at in range(1, len(data), 5)]
        return {"option": data[0], "read_and_write_power_cdbm": powers}
    settings = {1: "read_power_cdbm", 2: "write_power_cdbm", 3: "settling_time"}
    if data and data[0] == 0x04 and len(data) % 3 == 2 and data[1] in settings:
        values = [list(unpack_from(">Bh", data, at)) for at in range(2, len(data), 3)]
        return {"option": data[0], settings[data[1]]: values}
    return plain(data)


def _set_power(data: bytes) -> Meaning:
    return {"power_cdbm": _number(data, signed=True)} if len(data) == 2 else plain(data)


def _set_protocol(data: bytes) -> Meaning:
    return {"protocol": _number(data)} if len(data) == 2 else plain(data)


def _config_key(data: bytes) -> Meaning:
    if len(data) < 2 or data[0] != 0x01:
        return plain(data)
    meaning: Meaning = {"option": data[0], "key": data[1]}
    if data[2:]:
        meaning["value"] = _number(data[2:])
    return meaning


def _protocol_config(data: bytes) -> Meaning:
    if len(data) < 2:
        return plain(data)
    return {"protocol": data[0], "parameter": data[1]} | ({"value": _hex(data[2:])} if data[2:] else {})


def _set_hop_table(data: bytes) -> Meaning:
    if len(data) == 5 and data[0] == 0x02:
        return {"option": data[0], "antenna_dwell_ms": _number(data[1:])}
    return plain(data)


def _read_multiple(data: bytes) -> Meaning:
    if len(data) == 4:
        return {"search_flags": _number(data[:2]), "timeout_ms": _number(data[2:])}
    if len(data) == 5:
        return {"option": data[0], "search_flags": _number(data[1:3]), "timeout_ms": _number(data[3:])}
    return plain(data)


def _get_buffer(data: bytes) -> Meaning:
    if not data:
        return {"form": "get read/write index"}
    if len(data) == 3:
        return {"metadata_flags": _number(data[:2]), "read_option": data[2]}
    return plain(data)


_COMMANDS: Final[Describers] = {
    Op.MULTI_PROTOCOL_TAG_OP: _start_or_stop,
    Op.SET_REGION: region,
    Op.SET_ANTENNA_PORT: _set_antenna,
    Op.SET_READ_POWER: _set_power,
    Op.SET_WRITE_POWER: _set_power,
    Op.SET_PROTOCOL: _set_protocol,
    Op.SET_USER_MODE: lambda data: {"user_mode": data[0]} if len(data) == 1 else plain(data),
    Op.SET_READER_CONFIG: _config_key,
    Op.GET_READER_CONFIG: _config_key,
    Op.SET_PROTOCOL_CONFIG: _protocol_config,
    Op.GET_PROTOCOL_CONFIG: _protocol_config,
    Op.SET_HOP_TABLE: _set_hop_table,
    Op.READ_TAG_MULTIPLE: _read_multiple,
    Op.GET_TAG_BUFFER: _get_buffer,
}


def _version(data: bytes) -> Meaning:
    if len(data) != 20:
        return plain(data)
    words = [_hex(data[at : at + 4]) for at in range(0, 16, 4)]
    names = ("bootloader", "hardware", "fw_date", "fw_version")
    return dict(zip(names, words, strict=True)) | {"protocols": _number(data[16:])}


def _temperature(data: bytes) -> Meaning:
    return {"temperature_c": _number(data, signed=True)} if len(data) == 1 else plain(data)


def _power(data: bytes) -> Meaning:
    names = ("power_cdbm", "power_max_cdbm", "power_min_cdbm")
    if len(data) not in (3, 7):
        return plain(data)
    meaning: Meaning = {"option": data[0]}
    for name, at in zip(names, range(1, len(data), 2), strict=False):
        meaning[name] = _number(data[at : at + 2], signed=True)
    return meaning


def _antenna(data: bytes) -> Meaning:
    if len(data) == 2:
        return {"tx": data[0], "rx": data[1]}
    return {"option": data[0]} | plain(data[1:]) if data else {}


def _read_data(data: bytes) -> Meaning:
    if not data:
        return {}
    if not data[0] & OPTION_METADATA or len(data) < 3:
        return {"option": data[0]} | plain(data[1:])
    flags = _number(data[1:3])
    fields, _, _, position = unpack_fields(data, 3, flags)
    return {"option": data[0], "metadata_flags": flags} | dict(fields) | plain(data[position:])


def _control(data: bytes) -> Meaning:
    actions: dict[int, str] = {Action.START: "started", Action.STOP: "stopped", Action.COMMAND: "command_result"}
    if not data or data[0] not in actions:
        return plain(data)
    return {"option": data[0], "action": actions[data[0]]} | plain(data[1:])


def _fields(fields: dict[str, int]) -> Meaning:
    meaning: Meaning = dict(fields)
    raw = fields.get("antenna_raw")
    if raw is not None:
        meaning["antenna_tx"] = antenna_port(raw, plain=False)
        meaning["antenna_rx"] = raw & 0x0F or 16
    return meaning


def tag(record: Record) -> Meaning:
    """What a tag record says."""
    meaning = _fields(record.fields)
    if record.data is not None:
        meaning["data"] = _hex(record.data)
    if record.data_error:
        meaning["data_error"] = status_name(record.data_error)
    meaning["epc_bits"] = record.epc_bits
    if record.pc:
        meaning["pc"] = _hex(record.pc[:2])
    if record.pc[2:]:
        meaning["xpc"] = _hex(record.pc[2:])
    meaning |= {"epc": _hex(record.epc), "epc_crc": _hex(record.epc_crc)}
    return meaning if record.epc_crc_ok else meaning | {"fault": "epc-crc"}


def _notification(data: bytes) -> Meaning:
    if len(data) < 4:  # a cycle without tags, or the bare tag count of an old module's search
        return {"kind": "keepalive"} if not data else {"tag_count": _number(data)}
    head = parse_head(data)
    meaning: Meaning = {"multiselect": True} if head.multiselect else {}
    meaning |= {"option": head.option, "search_flags": head.search_flags}
    if not head.search_flags & Search.STREAM_TAGS:  # the answer to a search that was asked for once
        return meaning | {"tag_count": _number(data[4 if head.multiselect else 3 :])}
    if head.metadata_flags is not None:
        meaning["metadata_flags"] = head.metadata_flags
    meaning["response_type"] = head.kind
    body = data[head.body :]
    if head.kind == Kind.TAG:
        record, _ = unpack_record(data, head.body, head.metadata_flags or 0)
        return meaning | {"kind": "tag_read", "tag": tag(record)}
    if head.kind == Kind.STATISTICS:
        meaning |= {"kind": "stats", "stats_hex": _hex(body)}
        temperature_c = parse_temperature(body)
        return meaning if temperature_c is None else meaning | {"temperature_c": temperature_c}
    kinds: dict[int, str] = {Kind.END: "end_of_stream", Kind.ROUND_SUMMARY: "round_summary"}
    return meaning | {"kind": kinds.get(head.kind, "response")} | plain(body)


def _keepalive(data: bytes) -> Meaning:
    if not data:
        return {"kind": "keepalive"}
    head = parse_head(data)
    meaning: Meaning = {"kind": "keepalive"} | ({"multiselect": True} if head.multiselect else {})
    meaning |= {"option": head.option, "search_flags": head.search_flags}
    if head.metadata_flags is not None:
        fields, _, _, _ = unpack_fields(data, head.body, head.metadata_flags)
        meaning |= {"metadata_flags": head.metadata_flags, "metadata": _fields(fields)}
    return meaning | {"response_type": head.kind}


def _buffer(data: bytes) -> Meaning:
    if len(data) == 4:
        return {"read_index": _number(data[:2]), "write_index": _number(data[2:])}
    if len(data) < 4:
        return plain(data)
    flags, position, tags = _number(data[:2]), 4, []
    for _ in range(data[3]):
        record, position = unpack_record(data, position, flags)
        tags.append(tag(record))
    return {
        "kind": "tag_buffer",
        "metadata_flags": flags,
        "read_option": data[2],
        "tag_count": data[3],
        "tags": tags,
    }


def _single(data: bytes) -> Meaning:
    if len(data) < 3 or not data[0] & OPTION_METADATA:
        return plain(data)
    flags = _number(data[1:3])
    fields, embedded, _, position = unpack_fields(data, 3, flags)
    if len(data) < position + 2:
        raise BadData("truncated", "the frame ends before the EPC")
    tag = _fields(fields) | ({} if embedded is None else {"data": _hex(embedded)})
    tag |= {"epc": _hex(data[position:-2]), "epc_crc": _hex(data[-2:])}
    note = "0x21 reply carries no PC and no EPC length"
    return {"kind": "tag_read", "option": data[0], "metadata_flags": flags, "tag": tag, "note": note}


def _assertion(data: bytes) -> Meaning:
    if len(data) < 4:
        return plain(data)
    return {"line": _number(data[:4]), "file": data[4:].decode("ascii", "replace")}


_RESPONSES: Final[Describers] = {
    Op.VERSION: _version,
    Op.BOOT_FIRMWARE: _version,
    Op.GET_TEMPERATURE: _temperature,
    Op.GET_READ_POWER: _power,
    Op.GET_WRITE_POWER: _power,
    Op.GET_ANTENNA_PORT: _antenna,
    Op.GET_REGION: region,
    Op.READ_TAG_DATA: _read_data,
    Op.MULTI_PROTOCOL_TAG_OP: _control,
    Op.READ_TAG_MULTIPLE: _notification,
    Op.GET_TAG_BUFFER: _buffer,
    Op.READ_TAG_SINGLE: _single,
}
