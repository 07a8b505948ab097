"""What a frame says, in words: for people who look at raw bytes, and for tests with recorded frames.

Every frame gets a meaning: what is unknown or cannot be read is told as hex with its fault, never as an exception.
"""

from collections.abc import Mapping
from typing import Final

from tagtrail.hardware.errors import BadData
from tagtrail.hardware.protocols.mercury.commands import COMMANDS
from tagtrail.hardware.protocols.mercury.frame import Direction, is_frame
from tagtrail.hardware.protocols.mercury.meaning import Describers, Meaning, plain
from tagtrail.hardware.protocols.mercury.replies import RESPONSES, assertion, keepalive
from tagtrail.hardware.protocols.mercury.tables import OPCODE_NAMES, Op, Status, status_name
from tagtrail.hardware.protocols.mercury.tags import antenna_port

ANY, M6E, M7E = "any", "m6e", "m7e"
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {"model": (ANY, M6E, M7E)}
"""What the port of a tag depends on: an M6e with ports above 16 tells them by its GPIO lines, an M7e plainly."""


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
    describers: Describers = COMMANDS
    data = frame[3:-2]
    status = int(Status.OK)
    if direction is Direction.READER_TO_HOST:
        status = frame[3] << 8 | frame[4]
        meaning |= {"status": f"0x{status:04X}", "status_name": status_name(status)}
        describers = RESPONSES
        data = frame[5:-2]
    if dialect and opcode in dialect:
        describers = dialect
    read = describers.get(opcode, plain)
    if direction is Direction.READER_TO_HOST and opcode == Op.READ_TAG_MULTIPLE and status == Status.NO_TAGS_FOUND:
        read = keepalive
    elif status == Status.FIRMWARE_ASSERT:
        read = assertion
    elif status != Status.OK:
        read = plain
    try:
        return meaning | read(data)
    except BadData as bad:
        return meaning | plain(data) | {"fault": bad.reason}


def with_tags(meaning: Meaning, model: str = ANY) -> Meaning:
    """A meaning with what `ReaderFamily.decode` wants of its tags: the port as printed, EPC and RSSI at the top."""
    match meaning:
        case {"tag": {"fault": fault}}:
            return meaning | {"fault": fault}
        case {"tag": dict(tag)}:
            return meaning | {"epc": tag["epc"], "antenna": _port(tag, model), "rssi_dbm": tag.get("rssi_dbm")}
        case {"tags": list(tags)}:
            return meaning | {"tags": [tag | {"antenna": _port(tag, model)} for tag in tags]}
    return meaning


def _port(tag: Meaning, model: str) -> int | None:
    raw, gpio_raw = tag.get("antenna_raw"), tag.get("gpio_raw")
    if not isinstance(raw, int):
        return None
    plain = None if model == ANY else model == M7E
    return antenna_port(raw, plain=plain, gpio_raw=gpio_raw if model == M6E and isinstance(gpio_raw, int) else 0)
