"""What a frame says, in words: for people who look at raw bytes, and for tests with recorded frames.

Every frame gets a meaning: what is unknown or cannot be read is told as hex, never as an exception.
"""

from contextlib import suppress
from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.chafon.frame import ANY_ADDRESS
from tagtrail.hardware.protocols.chafon.tables import (
    BANDS,
    COMMAND_NAMES,
    NOT_FAULTS,
    STATUS_NAMES,
    Command,
    Layout,
    Status,
)
from tagtrail.hardware.protocols.chafon.tags import (
    ANTENNA_CODE,
    INFO_SIZES,
    PORT_MAX,
    Record,
    antenna_port,
    parse_buffer,
    parse_info,
    parse_inventory,
    parse_report,
    temperature_c,
)
from tagtrail.hardware.protocols.epc import EPC_SIZE_MAX, EPC_SIZE_MIN

Meaning = dict[str, object]

BAUDS: Final = {0: 9600, 1: 19200, 2: 38400, 5: 57600, 6: 115200}
"""Code of the set-baud command → bits per second."""

_INVENTORIES: Final = frozenset({Command.INVENTORY, Command.SINGLE_INVENTORY})
_COMPLETE: Final = frozenset({Status.INVENTORY_DONE, Status.INVENTORY_TIMEOUT, Status.MEMORY_FULL})
_BYTE_NAMES: Final = {
    Command.SET_ADDRESS: "new_address",
    Command.SET_SCAN_TIME: "scan_time_100ms",
    Command.SET_POWER: "power_dbm",
    Command.SET_ANTENNAS: "antenna_mask",
    Command.SET_BUZZER: "beep_enable",
    Command.SET_ANTENNA_CHECK: "check_ant",
    Command.SET_WORK_MODE: "work_mode",
    Command.HEARTBEAT_INTERVAL: "heartbeat_30s",
}
_NOT_SAVED: Final = 0x80
_SET: Final = 0x80
"""Bit of the heartbeat interval that tells a new one from a question."""


def describe_command(frame: bytes, layout: Layout) -> Meaning:
    """The meaning of one whole frame of the host.

    >>> describe_command(bytes.fromhex("05ff28007646"), Layout.WITH_ANTENNA)["baud"]
    9600
    """
    code, data = frame[2], frame[3:-2]
    meaning: Meaning = {"kind": "command", "address": frame[1], "cmd": f"0x{code:02X}", "name": _name(code)}
    if code == Command.INVENTORY:
        return meaning | (_inventory_18(data) if layout is Layout.WITHOUT_ANTENNA else _inventory_288(data))
    if code == Command.SET_FREQUENCY and len(data) == 2:
        return meaning | _band(data[0], data[1])
    if code == Command.SET_POWER and len(data) > 1:
        return meaning | {"powers_dbm": list(data)}
    if code == Command.SET_ANTENNAS and len(data) == 3:
        return meaning | {"antenna_mask": _number(data[1:]), "saved": not data[0]}
    if code == Command.RETURN_LOSS and len(data) == 5:
        return meaning | {"frequency_khz": _number(data[:4]), "antenna": data[4] + 1}
    if len(data) != 1:
        return meaning | _plain(data)
    if code == Command.SET_BAUD:
        return meaning | {"baud_code": data[0]} | ({"baud": BAUDS[data[0]]} if data[0] in BAUDS else {})
    if code in (Command.SET_POWER, Command.SET_ANTENNAS) and data[0] & _NOT_SAVED:
        return meaning | {_BYTE_NAMES[Command(code)]: data[0] & ~_NOT_SAVED, "saved": False}
    if code == Command.HEARTBEAT_INTERVAL and data[0] & _SET:
        return meaning | {"heartbeat_30s": data[0] & ~_SET}
    return meaning | ({_BYTE_NAMES[Command(code)]: data[0]} if code in _BYTE_NAMES else _plain(data))


def describe_reply(frame: bytes, layout: Layout) -> Meaning:
    """The meaning of one whole frame of a reader with that layout.

    A frame with tags has a list of them, and their antenna at its top; one with a single tag has its EPC there as well.
    """
    code, status, data = frame[2], frame[3], frame[4:-2]
    meaning: Meaning = {
        "kind": "response",
        "variant": "raw" if data else layout.value,
        "address": frame[1],
        "cmd": f"0x{code:02X}",
        "name": _name(code),
        "status": f"0x{status:02X}",
        "status_name": STATUS_NAMES.get(status, "unknown"),
    }
    if not data and code == Command.SET_BUZZER:
        meaning["variant"] = Layout.WITH_ANTENNA.value
    if frame[1] == ANY_ADDRESS:
        meaning["fault"] = "address"  # a reader answers with its own
    if status not in NOT_FAULTS:
        meaning |= {"kind": "error", "error": meaning["status"], "error_name": meaning["status_name"]}
    try:
        if code in _INVENTORIES:
            return meaning | _inventory_reply(status, data, layout)
        if code == Command.AUTO_REPORT:
            return meaning | _report(status, data)
        if code == Command.GET_BUFFER and status in _COMPLETE | {Status.MORE_FRAMES}:
            return meaning | _buffer(data)
        if status == Status.OK:
            return meaning | _answer(code, data)
    except BadData as bad:
        meaning["fault"] = bad.reason
        if code in _INVENTORIES:
            meaning |= _hint(data, layout)
    return meaning | _plain(data)


def makes_sense(meaning: Meaning) -> bool:
    """Whether neither the frame nor any of its tags has a fault."""
    tags = meaning.get("tags", [])
    assert isinstance(tags, list)
    return "fault" not in meaning and not any("fault" in tag for tag in tags)


def _name(code: int) -> str:
    return COMMAND_NAMES.get(code, "unknown")


def _plain(data: bytes) -> Meaning:
    return {"data": data.hex().upper()} if data else {}


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _band(channel_max: int, channel_min: int) -> Meaning:
    code = channel_max >> 6 << 2 | channel_min >> 6
    meaning: Meaning = {
        "max_freq_raw": channel_max,
        "min_freq_raw": channel_min,
        "band": code,
        "max_channel": channel_max & 0x3F,
        "min_channel": channel_min & 0x3F,
    }
    return meaning | ({"band_name": BANDS[code].name} if code in BANDS else {})


def _inventory_18(data: bytes) -> Meaning:
    return {"adr_tid": data[0], "len_tid": data[1]} if len(data) == 2 else _plain(data)


def _inventory_288(data: bytes) -> Meaning:
    """Q and session; a mask or none; the place of the TID or none; target, antenna and scan time or none."""
    if len(data) < 2:
        return _plain(data)
    meaning: Meaning = {"q_byte": data[0], "session": data[1]}
    rest = data[2:]
    ends_with_antenna = len(rest) >= 3 and ANTENNA_CODE <= rest[-2] < ANTENNA_CODE + PORT_MAX
    if len(rest) >= 4 and not (len(rest) == 5 and ends_with_antenna):
        size = 4 + (rest[3] + 7) // 8
        if size > len(rest):
            return meaning | {"fault": "layout"} | _plain(rest)
        meaning |= {"mask_mem": rest[0], "mask_adr": _number(rest[1:3]), "mask_len": rest[3]}
        meaning |= {"mask": rest[4:size].hex().upper()} if size > 4 else {}
        rest = rest[size:]
    if len(rest) in (2, 5):
        meaning |= {"adr_tid": rest[0], "len_tid": rest[1]}
        rest = rest[2:]
    if len(rest) != 3:
        return meaning | ({"fault": "layout"} | _plain(rest) if rest else {})
    meaning |= {"target": rest[0], "antenna_sel": rest[1]}
    if rest[1] & ANTENNA_CODE:
        meaning["antenna"] = (rest[1] & ~ANTENNA_CODE) + 1
    return meaning | {"scan_time_100ms": rest[2]}


def _inventory_reply(status: int, data: bytes, layout: Layout) -> Meaning:
    if status == Status.STATISTICS and len(data) == 7:
        return {
            "kind": "stats",
            "variant": Layout.WITH_ANTENNA.value,
            **_antenna(data[0]),
            "read_rate": _number(data[1:3]),
            "total_count": _number(data[3:]),
        }
    if status == Status.NO_TAG:
        return {"kind": "end_of_round", "num": 0, "tags": [], "round_complete": True} | _plain(data)
    if status == Status.ANTENNA_ERROR and data:
        return _antenna(data[0]) | _plain(data)
    if status not in _COMPLETE and status != Status.MORE_FRAMES:
        return _plain(data) | ({"fault": "status"} if status == Status.OK else {})
    complete = status != Status.MORE_FRAMES
    if not data:
        return {"kind": "end_of_round" if complete else "response", "round_complete": complete}
    records = parse_inventory(data, layout)
    meaning: Meaning = {"variant": layout.value, "num": len(records), "round_complete": complete, "more": not complete}
    if layout is Layout.WITH_ANTENNA:
        meaning |= _antenna(data[0])
    if status in NOT_FAULTS or records:
        meaning["kind"] = "tag_read" if records else "end_of_round"
    return meaning | _tags(records)


def _hint(data: bytes, layout: Layout) -> Meaning:
    """Whether an inventory that makes no sense would make some in another layout."""
    fitting = []
    for other in Layout:
        with suppress(BadData):
            fitting += [other.value] if other is not layout and parse_inventory(data, other) else []
    return {"note": f"these would be tags in layout {fitting[0]}"} if fitting else {}


def _report(status: int, data: bytes) -> Meaning:
    if status == Status.HEARTBEAT:
        meaning: Meaning = {"kind": "keepalive", "variant": Layout.WITH_ANTENNA.value}
        if len(data) not in (12, 16):
            return meaning | _plain(data)
        states = {0: "idle", 1: "connected", 2: "disconnected"}
        return meaning | {
            "packet_no": _number(data[:4]),
            "antenna_status": list(data[4:-4]),
            "antenna_status_names": [states.get(state, "unknown") for state in data[4:-4]],
            "total_count": _number(data[-4:]),
        }
    if status != Status.OK:
        return _plain(data)
    record = parse_report(data)
    if record.mask is not None:
        meaning = {"kind": "tag_read", "variant": Layout.WITH_ANTENNA.value} | _antenna(record.mask)
        return meaning | _tags([record])
    note = "UHFReader18-style auto report: EPC only"
    variant = Layout.WITHOUT_ANTENNA.value
    top = _top(record)
    return {"kind": "tag_read", "variant": variant, "tags": [{"epc": top["epc"]}], "note": note} | top


def _buffer(data: bytes) -> Meaning:
    records = parse_buffer(data)
    meaning: Meaning = {"kind": "tag_buffer", "variant": Layout.WITH_ANTENNA.value, "num": len(records)}
    if len(records) == 1:
        return meaning | {"tags": [{"antenna_mask": records[0].mask, **_tag(records[0])}]} | _top(records[0])
    return meaning | {"tags": [_tag(record) | _antenna(record.mask or 0) for record in records]}


def _answer(code: int, data: bytes) -> Meaning:
    if code == Command.GET_READER_INFO:
        return _info(data)
    known: Meaning = {}
    if code == Command.GET_SERIAL_NO and len(data) == 4:
        known = {"serial": data.hex().upper()}
    elif code == Command.GET_TEMPERATURE and len(data) == 2:
        known = {"temperature_c": temperature_c(data)}
    elif code == Command.GET_BUFFER_COUNT and len(data) == 2:
        known = {"count": _number(data)}
    elif code == Command.RETURN_LOSS and len(data) == 1:
        known = {"return_loss_db": data[0]}
    elif code == Command.HEARTBEAT_INTERVAL and len(data) == 1:
        known = {"heartbeat_30s": data[0] & ~_SET}
    return {"variant": Layout.WITH_ANTENNA.value} | known if known else _plain(data)


def _info(data: bytes) -> Meaning:
    info = parse_info(data)
    meaning: Meaning = {
        "variant": INFO_SIZES.get(len(data), info.layout.value),
        "firmware": f"{info.version[0]}.{info.version[1]}",
        "reader_type": f"0x{info.reader_type:02X}",
        "model": info.model,
        "layout": info.layout.value,
        "tr_type": info.protocols,
        "supports_6c": bool(info.protocols & 2),
        "supports_6b": bool(info.protocols & 1),
        "power_dbm": info.power_dbm,
        "scan_time_100ms": info.scan_time_100ms,
    } | _band(info.channel_max, info.channel_min)
    if info.antenna_mask is not None:
        meaning |= {"antenna_mask": info.antenna_mask, "beep_enable": info.beeper, "check_ant": info.check_antennas}
    return meaning


def _antenna(mask: int) -> Meaning:
    return {"antenna_mask": mask, "antenna": antenna_port(mask)}


def _tags(records: list[Record]) -> Meaning:
    return {"tags": [_tag(record) for record in records]} | (_top(records[0]) if len(records) == 1 else {})


def _tag(record: Record) -> Meaning:
    meaning: Meaning = {"epc_len": len(record.epc), "epc": record.epc.hex().upper()}
    if record.tid is not None:
        meaning["tid"] = record.tid.hex().upper()
    if record.rssi_raw is not None:
        meaning["rssi_raw"] = record.rssi_raw
    if record.phase is not None:
        meaning |= {"phase_raw": record.phase.hex().upper(), "frequency_khz": record.frequency_khz}
    if record.count is not None:
        meaning["count"] = record.count
    return meaning if EPC_SIZE_MIN <= len(record.epc) <= EPC_SIZE_MAX else meaning | {"fault": "epc-length"}


def _top(record: Record) -> Meaning:
    epc = record.epc.hex().upper()
    top: Meaning = {
        "epc": epc,
        "antenna": antenna_port(record.mask),
        "rssi_dbm": None,
        "rssi_raw": record.rssi_raw,
    }
    return top if EPC_SIZE_MIN <= len(record.epc) <= EPC_SIZE_MAX else top | {"fault": "epc-length"}
