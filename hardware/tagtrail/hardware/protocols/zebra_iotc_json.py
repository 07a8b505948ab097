"""Zebra fixed readers (FX7500, FX9600, FXR90, ATR7000): the events of the IoT Connector; handhelds send lists of tags.

``antenna``, ``peakRssi`` and the rest are there or not, by the reader's mode and settings; offsets of times have no
colon. Source: Zebra RFID IoT Connector documentation, "Tag data events" and "Management events".
"""

from collections.abc import Mapping
from typing import Final

from tagtrail.hardware.protocols.json_documents import (
    JsonFormat,
    Meaning,
    number,
    port,
    present,
    snake_case,
    upper_hex,
    utc,
)

_MODES: Final = frozenset({"SIMPLE", "INVENTORY", "PORTAL", "CONVEYOR", "CUSTOM", "ADVANCED", "DIRECTIONALITY"})
"""Types of events that are about tags; of any other type is a heartbeat or a management event."""
_IDS: Final = ("idHex", "EPCid", "EPC")
"""Where the EPC may stand: fixed readers, handhelds."""


def describe(event: Mapping[str, object]) -> Meaning:
    """What one event says; its kind is ``tag_read``, or the reader's name for a management event."""
    common = present(timestamp_utc=utc(event.get("timestamp")))
    content = event.get("data")
    reports = _reports(content)
    if reports:
        tags = [_tag(report) for report in reports]
        told = [common | tag for tag in tags if tag["epc"] is not None]
        return {"kind": "tag_read", "tags": told} | present(fault="bad-epc" if len(told) < len(tags) else None)
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
    return [part for part in parts if isinstance(part, dict) and any(name in part for name in _IDS)]


def _tag(report: Mapping[str, object]) -> Meaning:
    channel_mhz = number(report.get("channel"))
    tag: Meaning = {
        "epc": next((epc for name in _IDS if (epc := upper_hex(report.get(name)))), None),
        "antenna": port(report.get("antenna")),
        "rssi_dbm": number(report.get("peakRssi")),
    }
    return tag | present(
        read_count=number(report.get("reads", report.get("seenCount"))),
        event_num=number(report.get("eventNum")),
        frequency_khz=None if channel_mhz is None else round(channel_mhz * 1000),
        phase_deg=number(report.get("phase")),
        reader_mac=report.get("MAC"),
        hostname=report.get("hostName"),
        format=report.get("format"),
        pc=report.get("PC"),
        xpc=report.get("XPC"),
        crc=report.get("CRC"),
        tid=report.get("TID"),
        user=report.get("USER"),
        access=report.get("accessResults"),
    )


def json_format() -> JsonFormat:
    """The format that this module reads."""
    return JsonFormat("zebra-iotc-json", "zebra", describe)
