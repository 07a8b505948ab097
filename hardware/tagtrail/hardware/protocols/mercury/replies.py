"""What the replies and notifications of a module say, by opcode."""

from collections.abc import Mapping
from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.mercury.meaning import (
    Describers,
    Meaning,
    antenna_settings,
    hex_of,
    number,
    plain,
    power_mode,
    protocol_config,
    reader_config,
    region,
    user_mode,
)
from tagtrail.hardware.protocols.mercury.rounds import HEAD, parse_how_far, parse_piece
from tagtrail.hardware.protocols.mercury.streaming import (
    COUNT_SIZE_MAX,
    MULTISELECT,
    OPTION_METADATA,
    Action,
    Kind,
    parse_count,
    parse_head,
    parse_temperature,
)
from tagtrail.hardware.protocols.mercury.tables import REGION_NAMES, Op, status_name
from tagtrail.hardware.protocols.mercury.tags import Record, antenna_port, fault, unpack_fields, unpack_record

CONNECTED = 0x05
RETURN_LOSS = 0x06
"""Options of the command that tells about antenna ports."""
_PER_PORT: Final = {CONNECTED: "connected", RETURN_LOSS: "return_loss_db"}


def _version(data: bytes) -> Meaning:
    if len(data) != 20:
        return plain(data)
    words = [hex_of(data[at : at + 4]) for at in range(0, 16, 4)]
    names = ("bootloader", "hardware", "fw_date", "fw_version")
    return dict(zip(names, words, strict=True)) | {"protocols": number(data[16:])}


def _temperature(data: bytes) -> Meaning:
    return {"temperature_c": number(data, signed=True)} if len(data) == 1 else plain(data)


def _power(data: bytes) -> Meaning:
    names = ("power_cdbm", "power_max_cdbm", "power_min_cdbm")
    if len(data) == 2:
        return {"power_cdbm": number(data, signed=True)}
    if len(data) not in (3, 7):
        return plain(data)
    meaning: Meaning = {"option": data[0]}
    for name, at in zip(names, range(1, len(data), 2), strict=False):
        meaning[name] = number(data[at : at + 2], signed=True)
    return meaning


def _antenna(data: bytes) -> Meaning:
    if len(data) == 2:
        return {"tx": data[0], "rx": data[1]}
    if data and data[0] in _PER_PORT and len(data) % 2 == 1:
        pairs = [list(data[at : at + 2]) for at in range(1, len(data), 2)]
        return {"option": data[0], _PER_PORT[data[0]]: pairs} | plain(data)
    return ({"option": data[0]} if data else {}) | antenna_settings(data)


def _program(data: bytes) -> Meaning:
    names = {1: "bootloader", 2: "application"}
    return ({"program": names.get(data[-1] & 3, "unknown")} if data else {}) | plain(data)


def _protocol(data: bytes) -> Meaning:
    return {"protocol": number(data)} if len(data) in (1, 2) else plain(data)


def _statistics(data: bytes) -> Meaning:
    """The flags stand at the front, or behind an option."""
    for at in (1, 0):
        try:
            temperature_c = parse_temperature(data[at:])
        except BadData:
            continue
        if temperature_c is not None:
            return {"temperature_c": temperature_c} | plain(data)
    return plain(data)


def _available_protocols(data: bytes) -> Meaning:
    if len(data) % 2:
        return plain(data)
    return {"available_protocols": [number(data[at : at + 2]) for at in range(0, len(data), 2)]} | plain(data)


def available_regions(data: bytes, names: Mapping[int, str] = REGION_NAMES) -> Meaning:
    """The regions that a module is built for."""
    return {"available_regions": list(data), "region_names": [names.get(each, "unknown") for each in data]} | plain(
        data
    )


def _read_data(data: bytes) -> Meaning:
    if not data:
        return {}
    if not data[0] & OPTION_METADATA or len(data) < 3:
        return {"option": data[0]} | plain(data[1:])
    flags = number(data[1:3])
    fields, _, _, position = unpack_fields(data, 3, flags)
    return {"option": data[0], "metadata_flags": flags} | dict(fields) | plain(data[position:])


def _control(data: bytes) -> Meaning:
    actions: dict[int, str] = {Action.START: "started", Action.STOP: "stopped", Action.COMMAND: "command_result"}
    if not data or data[0] not in actions:
        return plain(data)
    return {"option": data[0], "action": actions[data[0]]} | plain(data)


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
        meaning["data"] = hex_of(record.data)
    if record.data_error:
        meaning["data_error"] = status_name(record.data_error)
    meaning["epc_bits"] = record.epc_bits
    if record.pc:
        meaning["pc"] = hex_of(record.pc[:2])
    if record.pc[2:]:
        meaning["xpc"] = hex_of(record.pc[2:])
    meaning |= {"epc": hex_of(record.epc), "epc_crc": hex_of(record.epc_crc)}
    reason = fault(record)
    return meaning if reason is None else meaning | {"fault": reason}


def _notification(data: bytes) -> Meaning:
    if not data:
        return {"kind": "keepalive"}
    count = parse_count(data) if len(data) <= COUNT_SIZE_MAX else None
    if count is not None:
        return _count(data, count)
    head = parse_head(data)
    meaning: Meaning = {"multiselect": True} if head.multiselect else {}
    meaning |= {"option": head.option, "search_flags": head.search_flags}
    if head.metadata_flags is not None:
        meaning["metadata_flags"] = head.metadata_flags
    meaning["response_type"] = head.kind
    body = data[head.body :]
    if head.kind == Kind.TAG:
        record, _ = unpack_record(data, head.body, head.metadata_flags or 0)
        return meaning | {"kind": "tag_read", "tag": tag(record)}
    if head.kind == Kind.STATISTICS:
        meaning |= {"kind": "stats", "stats_hex": hex_of(body)}
        temperature_c = parse_temperature(body)
        return meaning if temperature_c is None else meaning | {"temperature_c": temperature_c}
    kinds: dict[int, str] = {Kind.END: "end_of_stream", Kind.ROUND_SUMMARY: "round_summary"}
    return meaning | {"kind": kinds.get(head.kind, "response")} | plain(body)


def _count(data: bytes, count: int) -> Meaning:
    """The answer to a search that was asked for once."""
    if len(data) <= 2:
        return {"tag_count": count}
    multiselect = data[0] & MULTISELECT == MULTISELECT
    at = 1 if multiselect else 0
    meaning: Meaning = {"multiselect": True} if multiselect else {}
    return meaning | {"option": data[at], "search_flags": number(data[at + 1 : at + 3]), "tag_count": count}


def keepalive(data: bytes) -> Meaning:
    """A cycle without tags."""
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
    how_far = parse_how_far(data)
    if how_far is not None:
        return {"read_index": how_far[0], "write_index": how_far[1]} | plain(data)
    if len(data) < HEAD.size:
        return plain(data)
    piece = parse_piece(data)
    return {
        "kind": "tag_buffer",
        "metadata_flags": piece.metadata_flags,
        "read_option": piece.option,
        "tag_count": len(piece.records),
        "tags": [tag(record) for record in piece.records],
    }


def _single(data: bytes) -> Meaning:
    if len(data) < 3 or not data[0] & OPTION_METADATA:
        return plain(data)
    flags = number(data[1:3])
    fields, embedded, _, position = unpack_fields(data, 3, flags)
    if len(data) < position + 2:
        raise BadData("truncated", "the frame ends before the EPC")
    tag = _fields(fields) | ({} if embedded is None else {"data": hex_of(embedded)})
    tag |= {"epc": hex_of(data[position:-2]), "epc_crc": hex_of(data[-2:])}
    note = "0x21 reply carries no PC and no EPC length"
    return {"kind": "tag_read", "option": data[0], "metadata_flags": flags, "tag": tag, "note": note}


def assertion(data: bytes) -> Meaning:
    """The firmware has failed, at this line of its source."""
    if len(data) < 4:
        return plain(data)
    return {"line": number(data[:4]), "file": data[4:].decode("ascii", "replace")} | plain(data)


RESPONSES: Final[Describers] = {
    Op.VERSION: _version,
    Op.BOOT_FIRMWARE: _version,
    Op.GET_TEMPERATURE: _temperature,
    Op.GET_READ_POWER: _power,
    Op.GET_WRITE_POWER: _power,
    Op.GET_ANTENNA_PORT: _antenna,
    Op.GET_REGION: region,
    Op.GET_CURRENT_PROGRAM: _program,
    Op.GET_PROTOCOL: _protocol,
    Op.GET_POWER_MODE: power_mode,
    Op.GET_USER_MODE: user_mode,
    Op.GET_READER_CONFIG: reader_config,
    Op.GET_PROTOCOL_CONFIG: protocol_config,
    Op.GET_STATISTICS: _statistics,
    Op.GET_AVAILABLE_PROTOCOLS: _available_protocols,
    Op.GET_AVAILABLE_REGIONS: available_regions,
    Op.READ_TAG_DATA: _read_data,
    Op.MULTI_PROTOCOL_TAG_OP: _control,
    Op.READ_TAG_MULTIPLE: _notification,
    Op.GET_TAG_BUFFER: _buffer,
    Op.READ_TAG_SINGLE: _single,
}
