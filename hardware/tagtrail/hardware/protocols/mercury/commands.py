"""What the commands of a host say, by opcode."""

from typing import Final

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
from tagtrail.hardware.protocols.mercury.streaming import Action, Search, parse_plan
from tagtrail.hardware.protocols.mercury.tables import Op


def _start_or_stop(data: bytes) -> Meaning:
    if len(data) < 3:
        return plain(data)
    common: Meaning = {"timeout_ms": number(data[:2]), "option": data[2]}
    if data[2] == Action.STOP and len(data) == 3:
        return common | {"action": "stop_continuous"}
    if data[2] == Action.COMMAND and len(data) >= 5:
        return common | {
            "action": "command_while_reading",
            "inner_opcode": f"0x{data[4]:02X}",
            "data": hex_of(data[5:]),
        }
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
        meaning["statistics_and_filter"] = hex_of(plan.statistics)
    return meaning | plain(data) if plan.multiselect or plan.off_time_ms or plan.statistics else meaning


def _set_antenna(data: bytes) -> Meaning:
    if len(data) == 2:
        return {"tx": data[0], "rx": data[1]}
    if data and data[0] == 0x02 and len(data) % 2 == 1:
        return {"option": data[0], "search_list": [list(data[at : at + 2]) for at in range(1, len(data), 2)]}
    if data and data[0] == 0x82:
        return {"option": data[0], "search_list": list(data[1:])} | plain(data)
    return antenna_settings(data)


def _set_power(data: bytes) -> Meaning:
    return {"power_cdbm": number(data, signed=True)} if len(data) == 2 else plain(data)


def _set_baud_rate(data: bytes) -> Meaning:
    return ({"baud_rate": number(data)} if len(data) == 4 else {}) | plain(data)


def _set_protocol(data: bytes) -> Meaning:
    return {"protocol": number(data)} if len(data) == 2 else plain(data)


def _set_hop_table(data: bytes) -> Meaning:
    if len(data) == 5 and data[0] == 0x02:
        return {"option": data[0], "antenna_dwell_ms": number(data[1:])}
    return plain(data)


def _read_multiple(data: bytes) -> Meaning:
    if len(data) == 4:
        return {"search_flags": number(data[:2]), "timeout_ms": number(data[2:])}
    if len(data) == 5:
        return {"option": data[0], "search_flags": number(data[1:3]), "timeout_ms": number(data[3:])}
    return plain(data)


def _get_buffer(data: bytes) -> Meaning:
    if not data:
        return {"form": "get read/write index"}
    if len(data) == 3:
        return {"metadata_flags": number(data[:2]), "read_option": data[2]}
    return plain(data)


COMMANDS: Final[Describers] = {
    Op.MULTI_PROTOCOL_TAG_OP: _start_or_stop,
    Op.SET_REGION: region,
    Op.SET_ANTENNA_PORT: _set_antenna,
    Op.SET_READ_POWER: _set_power,
    Op.SET_WRITE_POWER: _set_power,
    Op.SET_PROTOCOL: _set_protocol,
    Op.SET_USER_MODE: user_mode,
    Op.SET_POWER_MODE: power_mode,
    Op.SET_BAUD_RATE: _set_baud_rate,
    Op.SET_READER_CONFIG: reader_config,
    Op.GET_READER_CONFIG: reader_config,
    Op.SET_PROTOCOL_CONFIG: protocol_config,
    Op.GET_PROTOCOL_CONFIG: protocol_config,
    Op.SET_HOP_TABLE: _set_hop_table,
    Op.READ_TAG_MULTIPLE: _read_multiple,
    Op.GET_TAG_BUFFER: _get_buffer,
}
