"""What opcode AA, region numbers and antenna settings of Silion modules mean; `mercury.describe` tells the rest."""

from functools import partial
from typing import Final

from tagtrail.hardware.protocols.mercury.commands import COMMANDS
from tagtrail.hardware.protocols.mercury.frame import Direction
from tagtrail.hardware.protocols.mercury.meaning import Describers, Meaning, plain, powers_and_settling, region
from tagtrail.hardware.protocols.mercury.replies import RESPONSES, available_regions, tag
from tagtrail.hardware.protocols.mercury.tables import Op
from tagtrail.hardware.protocols.mercury_silion.extension import (
    HEARTBEAT,
    MARKER,
    REGION_NAMES,
    Sub,
    parse_acknowledgement,
    parse_command,
    parse_start,
    parse_tag,
)

_ACTIONS: Final[dict[int, str]] = {Sub.START: "start_async_inventory", Sub.STOP: "stop_async_inventory"}


def _command(data: bytes) -> Meaning:
    asked = parse_command(data)
    meaning: Meaning = {
        "marker": MARKER.decode("ascii"),
        "subcommand": f"0x{asked.code:04X}",
        "subdata": asked.data.hex().upper(),
        "sub_checksum": asked.checksum,
        "terminator": asked.end,
        "sub_checksum_ok": asked.whole,
    }
    if asked.code in _ACTIONS:
        meaning["action"] = _ACTIONS[asked.code]
    if asked.code == Sub.START:
        plan = parse_start(asked.data)
        meaning |= {"metadata_flags": plan.metadata_flags, "option": plan.option, "search_flags": plan.search_flags}
    return meaning


def _report(data: bytes) -> Meaning:
    if data.startswith(HEARTBEAT):
        flags = int.from_bytes(data[len(HEARTBEAT) :], "big")
        return {"kind": "keepalive", "marker": HEARTBEAT.decode("ascii"), "search_flags": flags}
    answer = parse_acknowledgement(data)
    if answer is not None:
        action: Meaning = {"action": _ACTIONS[answer.code]} if answer.code in _ACTIONS else {}
        return plain(data) | {"subcommand": f"0x{answer.code:04X}"} | action
    if not data:
        return {}
    flags, record = parse_tag(data)
    told = tag(record)
    del told["epc_bits"]
    told["epc_len_bytes"] = record.epc_bits // 8
    return {"kind": "tag_read", "metadata_flags": flags, "tag": told}


def _set_antenna(data: bytes) -> Meaning:
    return powers_and_settling(data) if data[:1] == b"\x04" else COMMANDS[Op.SET_ANTENNA_PORT](data)


def _antenna(data: bytes) -> Meaning:
    return powers_and_settling(data) if data[:1] == b"\x04" else RESPONSES[Op.GET_ANTENNA_PORT](data)


_region: Final = partial(region, names=REGION_NAMES)
DIALECT: Final[dict[Direction, Describers]] = {
    Direction.HOST_TO_READER: {
        Op.SILION_EXTENDED: _command,
        Op.SET_REGION: _region,
        Op.SET_ANTENNA_PORT: _set_antenna,
    },
    Direction.READER_TO_HOST: {
        Op.SILION_EXTENDED: _report,
        Op.GET_REGION: _region,
        Op.GET_AVAILABLE_REGIONS: partial(available_regions, names=REGION_NAMES),
        Op.GET_ANTENNA_PORT: _antenna,
    },
}
"""For `mercury.describe.describe`."""
