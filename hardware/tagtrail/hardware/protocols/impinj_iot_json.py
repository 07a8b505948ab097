"""Impinj R700 and its kin: the events of the IoT device interface, over MQTT, HTTP stream, webhook or Kafka.

Each field of an event can be switched off in the reader. Bytes are base64 (``epc``, ``tid``, ``pc``), with a ``…Hex``
twin only where that is switched on; signal strength and power are hundredths of a dBm, frequencies kHz, fractions of
a second have 0 to 9 digits. Source: Impinj Reader REST API, "Event stream", schemas of the R700 (firmware 7 and later).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from tagtrail.hardware.protocols.json_documents import (
    Field,
    JsonFormat,
    Meaning,
    as_told,
    binary,
    number,
    port,
    present,
    snake_case,
    tell,
    upper_hex,
    utc,
)

_YEAR_2100_US: Final = 4_102_444_800_000_000


def describe(event: Mapping[str, object]) -> Meaning:
    """What one event says; its kind is that of the reader, or ``tag_read``, or ``status`` of an inventory."""
    name = event.get("eventType")
    if not isinstance(name, str) or not name:
        keys = (key for key, value in event.items() if key.endswith("Event") and isinstance(value, dict))
        name = next(keys, "").removesuffix("Event")
    content = event.get(f"{name}Event")
    content = content if isinstance(content, dict) else {}
    common = present(timestamp_utc=utc(event.get("timestamp")), hostname=event.get("hostname"))
    if not name:
        return _speedway(event, common)
    if name == "tagInventory":
        return {"kind": "tag_read"} | _tag(content, common)
    kind = "status" if name == "inventoryStatus" else snake_case(name)
    told = {snake_case(key): value for key, value in content.items()}
    told |= present(**{key: _bytes(content, key, None) for key in ("epc", "tid") if key in content})
    return {"kind": kind, "tags": []} | common | told


def _speedway(event: Mapping[str, object], common: Meaning) -> Meaning:
    """What Speedway Connect publishes, the software of the readers before the R700: one flat object per tag."""
    if event.get("isHeartBeat") in (True, "true"):
        return {"kind": "keepalive", "tags": []} | common
    if "epc" not in event:
        return {"kind": "unknown", "fault": "unknown-event"} | common
    epc = upper_hex(event["epc"])
    if epc is None:
        return {"kind": "tag_read", "fault": "no-epc", "tags": []} | common
    tag: Meaning = {"epc": epc, "antenna": None, "rssi_dbm": None, **common}
    tell(tag, event, _SPEEDWAY_FIELDS)
    return {"kind": "tag_read", "tags": [tag]}


def _utc_of_us(value: object) -> str | None:
    """Microseconds since 1970, often as text; 0 and nonsense are no time."""
    digits = str(value)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(_YEAR_2100_US))):
        return None
    second, fraction = divmod(int(digits), 1_000_000)
    if not 0 < second < _YEAR_2100_US // 1_000_000:
        return None
    return utc(f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:06}Z")


def _tag(content: Mapping[str, object], common: Meaning) -> Meaning:
    pc = _bytes(content, "pc", 2)
    words = int(pc, 16) >> 11 if pc is not None and len(pc) == 4 else None
    epc = _bytes(content, "epc", words and 2 * words)
    if epc is None:
        return common | {"fault": "no-epc", "tags": []}
    tag: Meaning = {"epc": epc, "antenna": None, "rssi_dbm": None, **common}
    if pc is not None:
        tag["pc"] = pc
    for name, size in (("xpc", None), ("tid", 12)):
        if (told := _bytes(content, name, size)) is not None:
            tag[name] = told
    tell(tag, content, _FIELDS)
    return {"tags": [tag]}


def _bytes(content: Mapping[str, object], name: str, size: int | None) -> str | None:
    """Bytes that come as hex, as base64, or both."""
    as_hex, as_base64 = content.get(name + "Hex"), content.get(name)
    told = None if as_hex is None else upper_hex(as_hex)
    return binary(as_base64, size) if told is None and as_base64 is not None else told


def _hundredths(value: object) -> float | None:
    hundredths = number(value)
    return None if hundredths is None else hundredths / 100


_FIELDS: Final[dict[str, Field]] = {
    "antennaPort": ("antenna", port),
    "antennaName": ("antenna_name", as_told),
    "peakRssiCdbm": ("rssi_dbm", _hundredths),
    "transmitPowerCdbm": ("tx_power_dbm", _hundredths),
    "frequency": ("frequency_khz", number),
    "phaseAngle": ("phase_deg", number),
    "lastSeenTime": ("last_seen_utc", utc),
    "tagMemoryData": ("memory", as_told),
    "tagAuthenticationResponse": ("authentication", as_told),
    "tagAccessResponses": ("access", as_told),
}


_SPEEDWAY_FIELDS: Final[dict[str, Field]] = {
    "antennaPort": ("antenna", port),
    "peakRssi": ("rssi_dbm", number),
    "tid": ("tid", upper_hex),
    "firstSeenTimestamp": ("timestamp_utc", _utc_of_us),
}


def json_format() -> JsonFormat:
    """The format that this module reads."""
    return JsonFormat("impinj-iot-json", "impinj", describe)
