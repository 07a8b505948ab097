"""Words for what commands and replies have in common."""

from collections.abc import Callable, Mapping, Sequence
from struct import calcsize, unpack_from
from typing import Final

from tagtrail.hardware.protocols.mercury.tables import REGION_NAMES

Meaning = dict[str, object]
Describers = Mapping[int, Callable[[bytes], Meaning]]
"""By opcode: what the data of a frame say. They may raise `BadData`."""

_PORT_SETTINGS: Final = {1: "read_power_cdbm", 2: "write_power_cdbm", 3: "settling_time"}


def plain(data: bytes) -> Meaning:
    """Data without a meaning that is known."""
    return {"data": hex_of(data)} if data else {}


def hex_of(data: bytes) -> str:
    """Upper-case hex."""
    return data.hex().upper()


def number(data: bytes, *, signed: bool = False) -> int:
    """Big-endian."""
    return int.from_bytes(data, "big", signed=signed)


def region(data: bytes, names: Mapping[int, str] = REGION_NAMES) -> Meaning:
    """The region that a host sets or a reader has; a second byte is for listen before talk."""
    if len(data) not in (1, 2):
        return plain(data)
    meaning: Meaning = {"region": data[0], "region_name": names.get(data[0], "unknown")}
    if len(data) == 2:
        meaning["lbt"] = data[1]
    return meaning


def reader_config(data: bytes) -> Meaning:
    """A key of the reader's configuration, and its value where one is set or told."""
    if len(data) < 2 or data[0] != 0x01:
        return plain(data)
    meaning: Meaning = {"option": data[0], "key": data[1]}
    if data[2:]:
        meaning["value"] = number(data[2:])
    return meaning


def protocol_config(data: bytes) -> Meaning:
    """A parameter of a protocol, and its value where one is set or told."""
    if len(data) < 2:
        return plain(data)
    return {"protocol": data[0], "parameter": data[1]} | ({"value": hex_of(data[2:])} if data[2:] else {})


def user_mode(data: bytes) -> Meaning:
    """Which user mode a host sets or a reader has."""
    return {"user_mode": data[0]} if len(data) == 1 else plain(data)


def power_mode(data: bytes) -> Meaning:
    """Which power mode a host sets or a reader has."""
    return ({"power_mode": data[0]} if len(data) == 1 else {}) | plain(data)


def antenna_settings(data: bytes) -> Meaning:
    """Powers or settling times by port, as they are set and told; option 03 has the powers for reading and writing."""
    if data[:1] == b"\x03" and len(data) % 5 == 1:
        return {"option": data[0], "read_and_write_power_cdbm": _rows(">Bhh", data[1:])} | plain(data)
    if data[:1] == b"\x04" and len(data) % 3 == 2 and data[1] in _PORT_SETTINGS:
        return {"option": data[0], _PORT_SETTINGS[data[1]]: _rows(">Bh", data[2:])} | plain(data)
    return plain(data)


def powers_and_settling(data: bytes) -> Meaning:
    """The same as Silion modules say it: option 04 has port, both powers and settling time."""
    if data[:1] == b"\x04" and len(data) % 7 == 1:
        return {"option": data[0], "read_and_write_power_and_settling": _rows(">BhhH", data[1:])} | plain(data)
    return antenna_settings(data)


def _rows(form: str, data: bytes) -> list[Sequence[int]]:
    size = calcsize(form)
    return [list(unpack_from(form, data, at)) for at in range(0, len(data), size)]
