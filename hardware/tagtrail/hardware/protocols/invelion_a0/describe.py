"""What a frame says, in words: for people who look at raw bytes, and for tests with recorded frames.

Source: "UHF RFID Reader Serial Interface Protocol" V2.2 and V3.7, section 2, command by command.
"""

from collections.abc import Callable
from typing import Final

from tagtrail.hardware.protocols.epc import EPC_SIZE_MIN, epc_crc, epc_size
from tagtrail.hardware.protocols.invelion_a0.frame import (
    ANTENNA_ERROR_LENGTH,
    GROUP,
    epc_end,
    is_round_end,
    is_tag,
    look_at_answer,
    look_at_command,
)
from tagtrail.hardware.protocols.invelion_a0.tables import (
    COMMAND_NAMES,
    FREQUENCIES_KHZ,
    POWER_MAX_DBM,
    REGION_NAMES,
    ROUNDS,
    RSSI_DBM,
    USER,
    Code,
    Command,
    code_name,
)

Meaning = dict[str, object]
_Read = Callable[[bytes], Meaning]
FROST_C: Final = -20
"""No reader of the family is made to work below (operating temperature in the data sheets)."""
_INVALID: Final[Meaning] = {
    "kind": "invalid",
    "fault": "not one whole frame of this direction, or its checksum is wrong",
}


def describe_command(frame: bytes) -> Meaning:
    """The meaning of one whole frame of the host; units in the keys, antennas as the reader counts them, from 0.

    >>> describe_command(bytes.fromhex("a0040174 02e5"))["antenna"]
    2
    """
    if look_at_command(frame, 0) != len(frame):
        return _INVALID
    return {"kind": "command"} | _head(frame) | _COMMANDS.get(frame[3], _plain)(frame[4:-1])


def describe_answer(frame: bytes) -> Meaning:
    """The meaning of one whole frame of the reader; units in the keys, antennas as the reader counts them, from 0."""
    if look_at_answer(frame, 0) != len(frame):
        return _INVALID
    command, data = frame[3], frame[4:-1]
    head = _head(frame)
    if is_tag(frame):
        return {"kind": "tag_read"} | head | _round_tag(frame)
    if is_round_end(frame):
        return {"kind": "end_of_round"} | head | _round_end(command, data)
    if command in ROUNDS and frame[1] == ANTENNA_ERROR_LENGTH:
        error: Meaning = {"antenna": data[0], "error": f"0x{data[1]:02X}", "error_name": code_name(data[1])}
        return {"kind": "antenna_error"} | head | error
    if len(data) == 1 and not _is_value(command, data[0]):
        return {"kind": "status"} | head | {"code": f"0x{data[0]:02X}", "code_name": code_name(data[0])}
    return {"kind": "response"} | head | _ANSWERS.get(command, _plain)(data)


def _head(frame: bytes) -> Meaning:
    return {"address": frame[2], "cmd": f"0x{frame[3]:02X}", "name": COMMAND_NAMES[frame[3]]}


def _is_value(command: int, byte: int) -> bool:
    """Whether the only byte of an answer is what was asked for, and not an error code."""
    match command:
        case Command.GET_OUTPUT_POWER | Command.GET_OUTPUT_POWER_8_PORTS:
            return byte <= POWER_MAX_DBM
        case Command.GET_WORK_ANTENNA:
            return byte < Code.SUCCESS
        case Command.GET_RF_LINK_PROFILE:
            return byte >> 4 == 0x0D
        case Command.GET_RF_PORT_RETURN_LOSS:
            return byte < Code.PARAMETER_INVALID  # no reader measures more than 64 dB
        case Command.GET_ANT_CONNECTION_DETECTOR | Command.GET_IMPINJ_FAST_TID | Command.GET_DRM_MODE:
            return byte != Code.FAIL
        case _:
            return False


# -- what readers say while reading


def _where(raw: int) -> Meaning:
    index = raw >> 2
    return {
        "freq_ant_raw": raw,
        "frequency_index": index,
        "frequency_khz": FREQUENCIES_KHZ[index],
        "antenna": raw & 3,
    }


def _strength(raw: int) -> Meaning:
    return {"rssi_raw": raw, "rssi_dbm": RSSI_DBM[raw & ~GROUP]}


def _round_tag(frame: bytes) -> Meaning:
    end = epc_end(frame) - 4
    data = frame[4:-1]
    tag = _where(data[0]) | {"pc": _hex(data[1:3]), "epc": _hex(data[3:end])} | _strength(data[end])
    if data[end] & GROUP:
        tag["antenna"] = (data[0] & 3) + 4
    if data[end + 1 :]:
        tag["phase_raw"] = _number(data[end + 1 :])
    if end < 3 + EPC_SIZE_MIN:
        tag["fault"] = "epc-length"
    if (announced := epc_size(data[1])) != end - 3:
        tag["note"] = f"its PC word announces {announced} bytes of EPC"
    return _seen(tag)


def _seen(tag: Meaning) -> Meaning:
    """A tag as it was told, and before it what every family tells of a tag: the antenna as printed, from 1."""
    if "fault" in tag:
        return {"fault": tag["fault"], "tag": tag}
    antenna = tag["antenna"]
    assert isinstance(antenna, int)
    return {"epc": tag["epc"], "antenna": antenna + 1, "rssi_dbm": tag["rssi_dbm"], "tag": tag}


def _round_end(command: int, data: bytes) -> Meaning:
    if command == Command.FAST_SWITCH_ANT_INVENTORY:
        return {"total_read": _number(data[:-4]), "duration_ms": _number(data[-4:])}
    if len(data) == 5:
        note = "old firmware V2.2 form without ReadRate"
        return {"antenna": data[0], "total_read": _number(data[1:]), "note": note}
    return {"antenna": data[0], "read_rate": _number(data[1:3]), "total_read": _number(data[3:])}


# -- answers


def _plain(data: bytes) -> Meaning:
    return {"data": _hex(data)} if data else {}


def _hex(data: bytes) -> str:
    return data.hex().upper()


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _byte(name: str) -> _Read:
    return lambda data: {name: data[0]} if len(data) == 1 else _plain(data)


def _version(data: bytes) -> Meaning:
    return {"major": data[0], "minor": data[1]}


def _temperature(data: bytes) -> Meaning:
    return {"temperature_c": temperature_c(data)}


def temperature_c(data: bytes) -> int:
    r"""Degrees from the two data bytes of an answer.

    The manual says that 0 as first byte means plus; readers in the field send 1 for plus. A reader that works is not
    as cold as `FROST_C`, so one that seems to be follows the manual.

    >>> temperature_c(b"\x01\x22"), temperature_c(b"\x00\x46"), temperature_c(b"\x00\x05")
    (34, 70, -5)
    """
    return data[1] if data[0] == 1 or -data[1] < FROST_C else -data[1]


def _power(data: bytes) -> Meaning:
    return {"power_dbm": list(data)}


def _region(data: bytes) -> Meaning:
    meaning: Meaning = {"region": data[0] if data else None}
    if len(data) == 3:
        return meaning | {"region_name": REGION_NAMES.get(data[0])} | {"start_index": data[1], "end_index": data[2]}
    if len(data) == 6 and data[0] == USER:
        spectrum = {"spacing_khz": data[1] * 10, "channels": data[2], "start_khz": _number(data[3:])}
        return meaning | {"region_name": REGION_NAMES[USER]} | spectrum
    return _plain(data)


def _buffer_end(data: bytes) -> Meaning:
    return {
        "antenna": data[0],
        "tag_count": _number(data[1:3]),
        "read_rate": _number(data[3:5]),
        "total_read": _number(data[5:]),
    }


def _tag_record(data: bytes) -> tuple[Meaning, bytes, bytes] | None:
    """Tag count, PC, EPC and CRC of buffer and access answers; then the tag's memory, and what is behind it all."""
    size = data[2] if len(data) > 3 else 0
    block, rest = data[3 : 3 + size], data[3 + size :]
    epc_end = 2 + epc_size(block[0]) if block else 0
    if len(block) != size or size < epc_end + 2:
        return None
    crc = block[epc_end : epc_end + 2]
    if epc_crc(block[:epc_end]) != _number(crc):
        return None
    tag = {"pc": _hex(block[:2]), "epc": _hex(block[2:epc_end]), "epc_crc": _hex(crc)}
    return {"tag_count": _number(data[:2]), "data_len": size, "tag": tag}, block[epc_end + 2 :], rest


def _buffered_tag(data: bytes) -> Meaning:
    record = _tag_record(data)
    if record is None or len(record[1]) != 0 or len(record[2]) != 3:
        return _plain(data)
    meaning, _, rest = record
    tag = meaning["tag"]
    assert isinstance(tag, dict)
    tag |= _strength(rest[0]) | _where(rest[1]) | {"inventory_count": rest[2]}
    return meaning | {"kind": "tag_read"} | _seen(tag)


def _read_tag(data: bytes) -> Meaning:
    record = _tag_record(data)
    if record is None or len(record[2]) != 3:
        return _plain(data)
    meaning, memory, rest = record
    return meaning | {"data": _hex(memory), "read_len": rest[0]} | _where(rest[1]) | {"read_count": rest[2]}


def _changed_tag(data: bytes) -> Meaning:
    record = _tag_record(data)
    if record is None or len(record[2]) != 3:
        return _plain(data)
    meaning, _, rest = record
    code = {"code": f"0x{rest[0]:02X}", "code_name": code_name(rest[0])}
    return meaning | code | _where(rest[1]) | {"count": rest[2]}


_ANSWERS: Final[dict[int, _Read]] = {
    Command.GET_ANT_CONNECTION_DETECTOR: _byte("return_loss_db"),
    Command.GET_READER_IDENTIFIER: lambda data: {"identifier": _hex(data)},
    Command.GET_RF_LINK_PROFILE: lambda data: {"profile": f"0x{data[0]:02X}"},
    Command.GET_FIRMWARE_VERSION: _version,
    Command.GET_WORK_ANTENNA: _byte("antenna"),
    Command.GET_OUTPUT_POWER: _power,
    Command.GET_OUTPUT_POWER_8_PORTS: _power,
    Command.GET_FREQUENCY_REGION: _region,
    Command.GET_READER_TEMPERATURE: _temperature,
    Command.GET_RF_PORT_RETURN_LOSS: _byte("return_loss_db"),
    Command.GET_DRM_MODE: _byte("drm_mode"),
    Command.GET_IMPINJ_FAST_TID: _byte("fast_tid"),
    Command.INVENTORY_TO_BUFFER: _buffer_end,
    Command.GET_BUFFER: _buffered_tag,
    Command.GET_AND_RESET_BUFFER: _buffered_tag,
    Command.GET_BUFFER_TAG_COUNT: lambda data: {"tag_count": _number(data)},
    Command.READ: _read_tag,
    Command.WRITE: _changed_tag,
    Command.LOCK: _changed_tag,
    Command.KILL: _changed_tag,
    Command.BLOCK_WRITE: _changed_tag,
}


# -- commands


def _epc_match(data: bytes) -> Meaning:
    if len(data) < 2 or len(data) != 2 + data[1]:
        return _byte("mode")(data)
    return {"mode": data[0], "epc_len": data[1], "epc": _hex(data[2:])}


def _fast_switch(data: bytes) -> Meaning:
    if len(data) == 5:
        return {"antennas": list(data[:4]), "repeat": data[4]}
    if len(data) in (10, 18):
        switch = {"antennas": list(data[:-2:2]), "stay": list(data[1:-2:2])}
        return switch | {"interval_ms": data[-2], "repeat": data[-1]}
    return _plain(data)


def _session_round(data: bytes) -> Meaning:
    names = {3: ("session", "target", "repeat"), 4: ("session", "target", "select_flag", "repeat")}
    return dict(zip(names[len(data)], data, strict=True)) if len(data) in names else _plain(data)


def _read_command(data: bytes) -> Meaning:
    if len(data) not in (3, 7):
        return _plain(data)
    meaning: Meaning = {"bank": data[0], "word_ptr": data[1], "word_count": data[2]}
    return meaning | ({"access_password": _hex(data[3:])} if data[3:] else {})


_COMMANDS: Final[dict[int, _Read]] = {
    Command.SET_ANT_CONNECTION_DETECTOR: _byte("return_loss_db"),
    Command.SET_TEMPORARY_OUTPUT_POWER: _power,
    Command.SET_READER_IDENTIFIER: lambda data: {"identifier": _hex(data)},
    Command.SET_RF_LINK_PROFILE: lambda data: {"profile": f"0x{data[0]:02X}"} if len(data) == 1 else _plain(data),
    Command.SET_UART_BAUDRATE: _byte("baud_code"),
    Command.SET_READER_ADDRESS: _byte("new_address"),
    Command.SET_WORK_ANTENNA: _byte("antenna"),
    Command.SET_OUTPUT_POWER: _power,
    Command.SET_FREQUENCY_REGION: _region,
    Command.SET_BEEPER_MODE: _byte("mode"),
    Command.GET_RF_PORT_RETURN_LOSS: _byte("frequency_index"),
    Command.SET_DRM_MODE: _byte("drm_mode"),
    Command.INVENTORY_TO_BUFFER: _byte("repeat"),
    Command.READ: _read_command,
    Command.SET_ACCESS_EPC_MATCH: _epc_match,
    Command.REAL_TIME_INVENTORY: _byte("repeat"),
    Command.FAST_SWITCH_ANT_INVENTORY: _fast_switch,
    Command.CUSTOMIZED_SESSION_TARGET_INVENTORY: _session_round,
    Command.SET_IMPINJ_FAST_TID: _byte("fast_tid"),
    Command.SET_AND_SAVE_IMPINJ_FAST_TID: _byte("fast_tid"),
}
