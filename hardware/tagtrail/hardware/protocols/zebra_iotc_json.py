"""Zebra fixed readers (FX7500, FX9600, FXR90, ATR7000): the events of the IoT Connector; handhelds send lists of tags.

``antenna``, ``peakRssi`` and the rest are there or not, by the reader's mode and settings; offsets of times have no
colon. Source: Zebra RFID IoT Connector documentation, "Tag data events" and "Management events".
"""

from collections.abc import Mapping
from typing import Final

from tagtrail.hardware.protocols.json_documents import (
    Field,
    JsonFormat,
    Meaning,
    as_told,
    number,
    port,
    present,
    snake_case,
    tell,
    upper_hex,
    utc,
)

_MODES: Final = frozenset({"SIMPLE", "INVENTORY", "PORTAL", "CONVEYOR", "CUSTOM", "ADVANCED", "DIRECTIONALITY"})
"""Types of events that are about tags; of any other type is a heartbeat or a management event."""
_IDS: Final = ("idHex", "EPCid", "EPC")
"""Where the EPC may stand: fixed readers, handhelds."""
_ANY_ID: Final = frozenset(_IDS)


def describe(event: Mapping[str, object]) -> Meaning:
    """What one event says; its kind is ``tag_read``, or the reader's name for a management event."""
    common = present(timestamp_utc=utc(event.get("timestamp")))
    content = event.get("data")
    reports = _reports(content)
    if not reports and "timestamp" in event:  # some middlemen put the data beside it; without it, it is a broken event
        reports = _reports(event)
    if reports:
        tags = [tag for report in reports if (tag := _tag(report, common)) is not None]
        meaning: Meaning = {"kind": "tag_read", "tags": tags}
        if len(tags) < len(reports):
            meaning["fault"] = "bad-epc"
        return meaning
    name = next((event[key] for key in ("eventType", "type") if isinstance(event.get(key), str)), None)
    if not name:
        return {"kind": "unknown", "fault": "unknown-event"} | common
    if str(name).upper() in _MODES:
        return {"kind": "tag_read", "fault": "no-epc", "tags": []} | common
    return {"kind": snake_case(str(name)), "tags": []} | common | present(event_num=event.get("eventNum"), data=content)


def _reports(content: object) -> list[Mapping[str, object]]:
    """The parts of an event's data that name a tag."""
    if isinstance(content, dict) and isinstance(content.get("tagData"), list):
        content = content["tagData"]
    parts = content if isinstance(content, list) else [content]
    return [part for part in parts if isinstance(part, dict) and not _ANY_ID.isdisjoint(part)]


def _tag(report: Mapping[str, object], common: Meaning) -> Meaning | None:
    for name in _IDS:
        if (epc := upper_hex(report.get(name))) is not None:
            break
    else:
        return None
    tag: Meaning = {"epc": epc, "antenna": None, "rssi_dbm": None, **common}
    tell(tag, report, _FIELDS)
    return tag


def _khz(channel_mhz: object) -> int | None:
    mhz = number(channel_mhz)
    return None if mhz is None else round(mhz * 1000)


_FIELDS: Final[dict[str, Field]] = {
    "antenna": ("antenna", port),
    "peakRssi": ("rssi_dbm", number),
    "seenCount": ("read_count", number),
    "reads": ("read_count", number),
    "eventNum": ("event_num", number),
    "channel": ("frequency_khz", _khz),
    "phase": ("phase_deg", number),
    "MAC": ("reader_mac", as_told),
    "hostName": ("hostname", as_told),
    "format": ("format", as_told),
    "PC": ("pc", as_told),
    "XPC": ("xpc", as_told),
    "CRC": ("crc", as_told),
    "TID": ("tid", as_told),
    "USER": ("user", as_told),
    "accessResults": ("access", as_told),
}


def json_format() -> JsonFormat:
    """The format that this module reads."""
    return JsonFormat("zebra-iotc-json", "zebra", describe)
