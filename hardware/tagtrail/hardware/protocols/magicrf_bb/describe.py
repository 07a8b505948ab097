"""What a frame says, in words: for people who look at raw bytes, and for tests with recorded frames.

Source: "R200 user protocol" V2.3.3, section 4, command by command.
"""

from collections.abc import Callable
from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.magicrf_bb.frame import Variant, is_tag, look_at_answer, look_at_command, tag_seen
from tagtrail.hardware.protocols.magicrf_bb.tables import COMMAND_NAMES, REGION_NAMES, Command, error_name

Meaning = dict[str, object]
_Read = Callable[[bytes], Meaning]
_INVALID: Final[Meaning] = {
    "kind": "invalid",
    "fault": "not one whole frame of this direction, or its checksum is wrong",
}
_ON: Final = 0xFF


def describe_command(frame: bytes) -> Meaning:
    """The meaning of one whole frame of the host; units in the keys.

    >>> describe_command(bytes.fromhex("bb00b6000207d08f7e"))["power_cdbm"]
    2000
    """
    if look_at_command(frame, 0) != len(frame):
        return _INVALID
    return {"kind": "command"} | _head(frame) | _COMMANDS.get(frame[2], _plain)(frame[5:-2])


def describe_answer(frame: bytes) -> Meaning:
    """The meaning of one whole frame of the reader; units in the keys."""
    if look_at_answer(frame, 0) != len(frame):
        return _INVALID
    head, parameters = _head(frame), frame[5:-2]
    if is_tag(frame):
        return {"kind": "tag_read"} | head | _tag(frame)
    if frame[2] == Command.ERROR:
        return {"kind": "error"} | head | _error(parameters)
    return {"kind": "response"} | head | _ANSWERS.get(frame[2], _status)(parameters)


def _head(frame: bytes) -> Meaning:
    head: Meaning = {"type": frame[1], "cmd": f"0x{frame[2]:02X}", "name": COMMAND_NAMES[frame[2]]}
    return head | {"header_variant": "AA/DD"} if frame[0] == Variant.AA_DD.value[0] else head


def _plain(data: bytes) -> Meaning:
    return {"data": _hex(data)} if data else {}


def _hex(data: bytes) -> str:
    return data.hex().upper()


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _value(name: str, size: int, factor: int = 1) -> _Read:
    return lambda data: {name: _number(data) * factor} if len(data) == size else _plain(data)


def _switch(name: str) -> _Read:
    return lambda data: {name: data[0] == _ON} if len(data) == 1 else _plain(data)


def _tag(frame: bytes) -> Meaning:
    strength = int.from_bytes(frame[5:6], "big", signed=True)
    tag: Meaning = {
        "rssi_dbm": strength,
        "pc": _hex(frame[6:8]),
        "epc": _hex(frame[8:-4]),
        "epc_crc": _hex(frame[-4:-2]),
    }
    try:
        seen = tag_seen(frame)
    except BadData as bad:
        return {"fault": bad.reason, "tag": tag | {"fault": bad.reason}}
    return {"epc": seen.epc, "antenna": seen.antenna, "rssi_dbm": seen.rssi_dbm, "tag": tag}


def _error(data: bytes) -> Meaning:
    meaning: Meaning = {"error": f"0x{data[0]:02X}", "error_name": error_name(data[0])}
    return meaning | (_accessed(data[1:]) if data[1:] else {})


def _accessed(data: bytes) -> Meaning:
    """The tag that an access command found: length, PC and EPC; then what it read, or how it went."""
    end = 1 + data[0]
    if data[0] < 2 or end > len(data):
        return _plain(data)
    meaning: Meaning = {"pc": _hex(data[1:3]), "epc": _hex(data[3:end])}
    return meaning | _plain(data[end:])


def _status(data: bytes) -> Meaning:
    return {"status": data[0]} if len(data) == 1 else _accessed_status(data)


def _accessed_status(data: bytes) -> Meaning:
    if len(data) != data[0] + 2 or data[0] < 2:
        return _plain(data)
    return _accessed(data[:-1]) | {"status": data[-1]}


def _info(data: bytes) -> Meaning:
    return {"info_type": data[0], "text": data[1:].decode("ascii", "replace")}


def _info_command(data: bytes) -> Meaning:
    return {"info_type": data[0]} if len(data) == 1 else _plain(data)


def _region(data: bytes) -> Meaning:
    if len(data) != 1:
        return _plain(data)
    return {"region": data[0], "region_name": REGION_NAMES.get(data[0], "unknown")}


def _query(data: bytes) -> Meaning:
    if len(data) != 2:
        return _plain(data)
    bits = _number(data)
    session, target, q = bits >> 8 & 3, bits >> 7 & 1, bits >> 3 & 15
    return {"params": _hex(data), "session": session, "target": target, "q": q}


def _select(data: bytes) -> Meaning:
    if len(data) < 7:
        return _plain(data)
    return {
        "sel_param": data[0],
        "pointer_bits": _number(data[1:5]),
        "mask_len_bits": data[5],
        "truncate": data[6],
        "mask": _hex(data[7:]),
    }


def _demodulator(data: bytes) -> Meaning:
    if len(data) != 4:
        return _plain(data)
    return {"mixer_gain_code": data[0], "if_gain_code": data[1], "threshold": _number(data[2:])}


def _scan(data: bytes) -> Meaning:
    if len(data) < 3:
        return _plain(data)
    levels = [int.from_bytes(data[at : at + 1], "big", signed=True) for at in range(2, len(data))]
    return {"first_channel": data[0], "last_channel": data[1], "levels_dbm": levels}


_ANSWERS: Final[dict[int, _Read]] = {
    Command.GET_INFO: _info,
    Command.GET_REGION: _region,
    Command.GET_SELECT: _select,
    Command.GET_QUERY: _query,
    Command.GET_CHANNEL: _value("channel", 1),
    Command.GET_POWER: _value("power_cdbm", 2),
    Command.READ: _accessed,
    Command.GET_DEMODULATOR: _demodulator,
    Command.SCAN_JAMMER: _scan,
    Command.SCAN_RSSI: _scan,
}


def _multi_poll(data: bytes) -> Meaning:
    return {"count": _number(data[1:])} if len(data) == 3 else _plain(data)


def _memory(data: bytes) -> Meaning:
    if len(data) < 9:
        return _plain(data)
    meaning: Meaning = {
        "access_password": _hex(data[:4]),
        "bank": data[4],
        "word_ptr": _number(data[5:7]),
        "word_count": _number(data[7:9]),
    }
    return meaning | _plain(data[9:])


def _lock(data: bytes) -> Meaning:
    if len(data) != 7:
        return _plain(data)
    return {"access_password": _hex(data[:4]), "lock_payload": _hex(data[4:])}


_COMMANDS: Final[dict[int, _Read]] = {
    Command.GET_INFO: _info_command,
    Command.SET_REGION: _region,
    Command.SET_SELECT: _select,
    Command.SET_QUERY: _query,
    Command.SET_BAUD: _value("baud", 2, 100),
    Command.SET_SELECT_MODE: _value("select_mode", 1),
    Command.SET_AUTO_SLEEP: _value("sleep_min", 1),
    Command.MULTI_POLL: _multi_poll,
    Command.READ: _memory,
    Command.WRITE: _memory,
    Command.KILL: lambda data: {"kill_password": _hex(data)} if len(data) == 4 else _plain(data),
    Command.LOCK: _lock,
    Command.SET_CHANNEL: _value("channel", 1),
    Command.SET_FHSS: _switch("fhss"),
    Command.SET_CW: _switch("cw"),
    Command.SET_POWER: _value("power_cdbm", 2),
    Command.SET_DEMODULATOR: _demodulator,
}
