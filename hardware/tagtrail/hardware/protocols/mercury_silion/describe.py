"""What opcode AA and the region numbers of Silion modules mean; all else is as `mercury.describe` tells it."""

from functools import partial
from typing import Final

from tagtrail.hardware.protocols.mercury.describe import Describers, Meaning, plain, region, tag
from tagtrail.hardware.protocols.mercury.frame import Direction
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


_region: Final = partial(region, names=REGION_NAMES)
DIALECT: Final[dict[Direction, Describers]] = {
    Direction.HOST_TO_READER: {Op.SILION_EXTENDED: _command, Op.SET_REGION: _region},
    Direction.READER_TO_HOST: {Op.SILION_EXTENDED: _report, Op.GET_REGION: _region},
}
"""For `mercury.describe.describe`."""
